//! The command as a service: many sessions at once, limits, names, statistics, plain UDP on either side.

// Most of it ends its servers by a signal.
#![cfg(unix)]
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its run went wrong")]

#[allow(dead_code, reason = "each file of tests uses its part")]
mod process;

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use dtls_core::ClientConfig;
use dtls_core::crypto::{CertificateError, PeerAuthenticated, PeerVerifier, PresentedPeer, ring};
use dtls_std::{Session, SessionError};
use process::{Cert, Server, TOO_LONG, dtls, dtls_with_input, silent};
use serde_json::Value;

// --- limits ---

#[test]
fn sessions_in_which_nothing_happens_are_closed_and_that_is_no_failure() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--idle-timeout", "0.2"]);
    let client = dtls_with_input(&["client", &server.address, "--insecure"]);
    let server = server.finish();
    assert_eq!(server.code, 0, "{}", server.stdout);
    assert!(server.line("CLOSED peer=").ends_with(" reason=idle_timeout"));
    let client = client.finish_with_input_open();
    assert_eq!(client.code, 0);
    assert!(client.line("CLOSED peer=").ends_with(" reason=close_notify"), "the server has said goodbye");
    // The same, told by the client.
    let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
    let client = dtls_with_input(&["client", &server.address, "--insecure", "--idle-timeout", "0.2", "--json"]);
    let client = client.finish_with_input_open();
    assert_eq!((client.code, &client.event("closed")["reason"]), (0, &"idle_timeout".into()));
    assert!(server.finish().line("CLOSED peer=").ends_with(" reason=close_notify"));
}

#[test]
fn a_host_has_no_more_sessions_than_it_may() {
    let server = Server::start(&["--self-signed", "localhost", "--max-sessions-per-host", "1"]);
    let first = dtls_with_input(&["client", &server.address, "--insecure"]);
    first.wait_for("CONNECTED");
    let late = ["client", &server.address, "--insecure", "--handshake-timeout", "0.3", "--first-timeout", "50"];
    assert_eq!(dtls(&late).finish().code, 3);
    assert_eq!(first.finish().code, 0);
    server.running.wait_for("CLOSED");
    assert_eq!(dtls(&late).finish().code, 0, "there is room again");
}

// --- names ---

#[test]
fn the_name_that_is_asked_for_picks_the_certificate() {
    let [one, two, rest, plain] = ["one", "two", "rest", "plain"].map(|name| Cert::make(&format!("sni-{name}"), &[]));
    let two_again = Cert::make("sni-two-again", &["--key-type", "ed25519"]);
    let sni = |name: &str, cert: &Cert| format!("--sni={name}={},{}", cert.cert, cert.key);
    let names = vec![sni("one.example", &one), sni("Two.Example.", &two), sni("two.example", &two_again)];
    let star = vec![sni("*", &rest)];
    let cert = plain.identity().map(str::to_owned).to_vec();
    let (ecdsa, ed25519) = (&[][..], &["--signature-schemes", "ed25519"][..]);
    for (options, unknown, nameless) in [
        (vec![&names], None, None),
        (vec![&names, &star], Some(&rest), Some(&rest)),
        (vec![&names, &cert], None, Some(&plain)),
        (vec![&names, &star, &cert], Some(&rest), Some(&plain)),
    ] {
        let options: Vec<_> = options.into_iter().flatten().map(String::as_str).collect();
        let server = Server::start(&options);
        for (name, more, expected) in [
            ("one.example", ecdsa, Some(&one)),
            ("two.example", ecdsa, Some(&two)),
            ("TWO.example", ed25519, Some(&two_again)),
            ("three.example", ecdsa, unknown),
            ("", ecdsa, nameless),
        ] {
            let client =
                dtls(&[&["client", &server.address, "--insecure", "--name", name][..], more].concat()).finish();
            let what = format!("{name} from {options:?}: {}", client.stdout);
            match expected {
                Some(cert) => {
                    assert_eq!(client.code, 0, "{what}");
                    assert!(client.line("CONNECTED").contains(&cert.fingerprint.replace(' ', ":")), "{what}");
                }
                None => {
                    assert_eq!(client.code, 1, "{what}");
                    let alert = if name.is_empty() { "handshake_failure" } else { "unrecognized_name" };
                    assert!(client.line("FAILED").ends_with(&format!("alert_received={alert}")), "{what}");
                }
            }
        }
    }
}

#[test]
fn what_is_wrong_with_sni_is_said_with_the_file() {
    let cert = Cert::make("sni-wrong", &[]);
    let other = Cert::make("sni-wrong-too", &[]);
    for (value, expected) in [
        ("a.example".to_owned(), "write NAME=CERT,KEY"),
        ("127.0.0.1=a,b".to_owned(), "\"127.0.0.1\" is no DNS name"),
        ("a.example=/no/such,b".to_owned(), "/no/such: "),
        (format!("a.example={},{}", cert.cert, cert.cert), "there is no PRIVATE KEY in it"),
        (format!("a.example={},{}", cert.cert, other.key), "does not belong to the first certificate"),
    ] {
        let run = dtls(&["server", "--sni", &value]).finish();
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{value}");
        assert!(run.stderr.starts_with("dtls: --sni: ") && run.stderr.contains(expected), "{}", run.stderr);
        assert_eq!(run.stderr.lines().count(), 1);
    }
}

// --- statistics ---

/// The number behind `name=` on a line.
fn number(line: &str, name: &str) -> u64 {
    let found = line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.unwrap_or_else(|| panic!("no {name}= in {line}")).parse().unwrap()
}

#[test]
fn the_endpoint_tells_at_the_end_what_it_has_counted() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "2"]);
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(b"not DTLS", &server.address).unwrap();
    let hello = ["--insecure", "--send", "hello", "--expect-echo"];
    for _ in 0..2 {
        assert_eq!(dtls(&[&["client", &server.address][..], &hello].concat()).finish().code, 0);
    }
    let server = server.finish();
    assert_eq!(server.code, 0);
    let last = server.stdout.lines().last().unwrap();
    assert!(last.starts_with("ENDPOINT open=0 sessions=2 "), "{last}");
    assert_eq!((number(last, "rejected"), number(last, "refused"), number(last, "dropped")), (1, 0, 0), "{last}");
    let of_sessions: u64 = server.lines("STATS").iter().map(|line| number(line, "sent")).sum();
    // Cookies are asked for before there is a session.
    assert_eq!(number(last, "datagrams_sent"), of_sessions + 2, "{last}");
    assert!(number(last, "bytes_received") > number(last, "datagrams_received"), "{last}");
}

#[test]
fn the_reason_of_a_failure_is_on_the_last_line_all_the_same() {
    let server = Server::start(&["--self-signed", "localhost", "--count", "1"]);
    let client = dtls(&["client", &server.address, "--fingerprint", &format!("sha-256:{}", ["00"; 32].join(":"))]);
    assert_eq!(client.finish().code, 1);
    let server = server.finish();
    assert_eq!(server.code, 1);
    let lines: Vec<_> = server.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["ENDPOINT", "FAILED"], "{}", server.stdout);
}

#[test]
fn a_signal_asks_for_statistics_and_ends_nothing() {
    let server = Server::start(&["--self-signed", "localhost", "--json"]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure"]);
    client.wait_for("CONNECTED");
    server.running.wait_for(r#"{"event":"connected""#);
    for _ in 0..2 {
        server.running.signal("USR1");
        let line = server.running.wait_for(r#"{"event":"endpoint","open":1,"sessions":1,"#);
        let event: Value = serde_json::from_str(&line).unwrap();
        assert!(event["bytes_sent"].as_u64().unwrap() > 0, "{line}");
    }
    client.tell("still there");
    client.wait_for("RECEIVED 11 still there");
    assert_eq!(client.finish().code, 0);
    server.running.wait_for(r#"{"event":"closed""#);
    server.running.signal("TERM");
    let server = server.finish();
    assert_eq!(server.code, 0);
    let last = server.events().pop().unwrap();
    assert_eq!((&last["event"], &last["open"]), (&"endpoint".into(), &0.into()));
}

// --- plain UDP behind a server ---

/// A plain UDP service. It answers in capitals, and says who has asked.
struct Service {
    address: String,
    askers: Arc<Mutex<BTreeSet<SocketAddr>>>,
}

impl Service {
    fn start() -> Self {
        Self::of(UdpSocket::bind("127.0.0.1:0").unwrap())
    }

    fn of(socket: UdpSocket) -> Self {
        let address = socket.local_addr().unwrap().to_string();
        let askers = Arc::new(Mutex::new(BTreeSet::new()));
        let heard = Arc::clone(&askers);
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                let Ok((len, from)) = socket.recv_from(&mut buffer) else { continue };
                heard.lock().unwrap().insert(from);
                let answer = match buffer.get(..len).unwrap() {
                    b"much" => vec![b'x'; 17_000],
                    b"more" => vec![b'x'; 1_500],
                    asked => asked.to_ascii_uppercase(),
                };
                socket.send_to(&answer, from).unwrap();
            }
        });
        Self { address, askers }
    }
}

fn told(stderr: &str, what: &str) -> usize {
    stderr.lines().filter(|line| line.contains(what)).count()
}

#[test]
fn a_service_behind_a_server_answers_each_session_and_can_tell_them_apart() {
    let service = Service::start();
    let server = Server::start(&["--self-signed", "localhost", "--count", "2", "--forward", &service.address]);
    let mut clients: Vec<_> = (0..2).map(|_| dtls_with_input(&["client", &server.address, "--insecure"])).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.tell(&format!("hello {number}"));
    }
    for (number, client) in clients.into_iter().enumerate() {
        client.wait_for(&format!("RECEIVED 7 HELLO {number}"));
        assert_eq!(client.finish().code, 0);
    }
    let server = server.finish();
    assert_eq!((server.code, server.stderr.as_str()), (0, ""));
    for number in 0..2 {
        server.line(&format!("RECEIVED 7 hello {number}"));
        server.line(&format!("SENT 7 HELLO {number}"));
    }
    assert_eq!(server.lines("CLOSED").len(), 2);
    assert_eq!(service.askers.lock().unwrap().len(), 2);
}

#[test]
fn answers_that_do_not_fit_are_counted_and_told_once_and_the_session_goes_on() {
    let service = Service::start();
    let server = Server::start(&["--self-signed", "localhost", "--count", "1", "--forward", &service.address]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure"]);
    for line in ["more", "much", "more", "", "end"] {
        client.tell(line);
    }
    client.wait_for("RECEIVED 3 END");
    let client = client.finish();
    assert_eq!(
        (client.code, client.lines("RECEIVED")),
        (0, vec!["RECEIVED 0 ".to_owned(), "RECEIVED 3 END".to_owned()])
    );
    let server = server.finish();
    assert_eq!(server.code, 0);
    assert_eq!(number(server.line("ENDPOINT"), "dropped"), 3);
    assert_eq!(told(&server.stderr, "an answer did not get to 127.0.0.1:"), 1, "{}", server.stderr);
    assert_eq!(told(&server.stderr, "1500 bytes do not fit, "), 1, "{}", server.stderr);
}

#[test]
fn a_service_that_is_not_there_hurts_nobody_and_is_heard_when_it_is_back() {
    let (socket, address) = silent();
    drop(socket);
    let server = Server::start(&["--self-signed", "localhost", "--forward", &address]);
    let mut client = dtls_with_input(&["client", &server.address, "--insecure"]);
    client.wait_for("CONNECTED");
    let other = ["client", &server.address, "--insecure", "--send", "hello", "--wait", "100"];
    for _ in 0..3 {
        client.tell("anyone?");
        client.wait_for("SENT");
        let other = dtls(&other).finish();
        assert_eq!((other.code, other.lines("RECEIVED|CLOSED").len()), (0, 1), "{}", other.stdout);
    }
    let _service = Service::of(UdpSocket::bind(&address).unwrap());
    client.tell("anyone now?");
    client.wait_for("RECEIVED 11 ANYONE NOW?");
    assert_eq!(client.finish().code, 0);
    server.running.signal("TERM");
    let server = server.finish();
    assert_eq!((server.code, server.lines("CLOSED").len()), (0, 4), "{}", server.stdout);
    assert_eq!(
        told(&server.stderr, &format!("--forward: nothing listens at {address}; start")),
        1,
        "{}",
        server.stderr
    );
}

// --- hundreds ---

/// Trusts everyone: these tests are about numbers.
#[derive(Debug)]
struct Anyone;

impl PeerVerifier for Anyone {
    fn verify(&self, _peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Ok(PeerAuthenticated::dangerous_assertion())
    }
}

/// So many clients of this process are connected at the same time, each gets its own answers, and is said goodbye to
/// when the server is interrupted. Returns how many threads the server had then, where that can be known.
fn meet(server: &Server, clients: usize, answer: fn(&str) -> String) -> Option<usize> {
    let config = ClientConfig::builder(Arc::new(ring::provider())).trust(Arc::new(Anyone)).without_identity();
    let config =
        Arc::new(config.configure(|settings| settings.first_timeout = Duration::from_millis(300)).build().unwrap());
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        // Dropped where a test fails, so that nobody waits for it.
        let mut goes = Vec::new();
        for number in 0..clients {
            let (config, address, done) = (Arc::clone(&config), server.address.as_str(), done.clone());
            let (go, may_go) = mpsc::channel();
            goes.push(go);
            scope.spawn(move || {
                let session = dtls_std::connect(address, None, config).unwrap();
                done.send(()).unwrap();
                may_go.recv().unwrap();
                for round in 0..3 {
                    converse(&session, number, &format!("round {round} of client {number}"), answer);
                }
                done.send(()).unwrap();
                assert!(matches!(goodbye(&session), SessionError::Closed));
            });
        }
        let await_all = || (0..clients).for_each(|_| is_done.recv_timeout(TOO_LONG).unwrap());
        await_all();
        goes.iter().for_each(|go| go.send(()).unwrap());
        await_all();
        let threads = server.running.threads();
        server.running.signal("INT");
        threads
    })
}

/// Waits for the end.
fn goodbye(session: &Session) -> SessionError {
    loop {
        match session.recv_vec_timeout(TOO_LONG) {
            Ok(heard) => assert!(heard.is_some(), "no goodbye"),
            Err(end) => return end,
        }
    }
}

/// Asks until the answer is here: where hundreds of datagrams come at once, some are lost. Whatever else comes is an
/// answer to what was asked before.
fn converse(session: &Session, number: usize, text: &str, answer: fn(&str) -> String) {
    for _ in 0..100 {
        session.send(text.as_bytes()).unwrap();
        while let Some(heard) = session.recv_vec_timeout(Duration::from_millis(300)).unwrap() {
            let heard = String::from_utf8(heard).unwrap();
            if heard == answer(text) {
                return;
            }
            assert!(heard.to_lowercase().ends_with(&format!(" of client {number}")), "{heard} for {number}");
        }
    }
    panic!("no answer to {text}");
}

#[test]
fn hundreds_of_sessions_are_served_at_once_with_one_thread_each_and_said_goodbye_to() {
    let service = Service::start();
    let same: fn(&str) -> String = str::to_owned;
    for (options, answer) in [(&[][..], same), (&["--forward", &service.address], str::to_uppercase)] {
        let clients = 300;
        let server = Server::start(&[&["--self-signed", "localhost", "--quiet-data"][..], options].concat());
        let threads = meet(&server, clients, answer);
        assert!(threads.is_none_or(|threads| (clients..clients + 10).contains(&threads)), "{threads:?}");
        let server = server.finish();
        assert_eq!(server.code, 0, "{}", server.stdout);
        assert_eq!((server.lines("CONNECTED").len(), server.lines("CLOSED").len()), (clients, clients));
        let endpoint = server.line("ENDPOINT");
        assert_eq!((number(endpoint, "sessions"), number(endpoint, "open")), (300, 0));
    }
    assert_eq!(service.askers.lock().unwrap().len(), 300);
}

// --- plain UDP on both sides ---

/// A tunnel to the server that trusts anyone.
fn tunnel(server: &str, options: &[&str]) -> Server {
    let args = ["tunnel", "--listen", "127.0.0.1:0", server, "--insecure"];
    Server::of(dtls(&[&args[..], options].concat()))
}

/// A program that speaks plain UDP.
struct Sender(UdpSocket);

impl Sender {
    fn of(tunnel: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(&tunnel.address).unwrap();
        Self(socket)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn send(&self, payload: &[u8]) {
        self.0.send(payload).unwrap();
    }

    fn receive(&self, patience: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(patience)).unwrap();
        let mut buffer = vec![0; 1 << 16];
        let len = self.0.recv(&mut buffer).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    /// Asks until the answer is here; whatever else comes must be an answer to this sender.
    fn converse(&self, text: &[u8], signature: &[u8]) {
        for _ in 0..100 {
            self.send(text);
            while let Some(heard) = self.receive(Duration::from_millis(500)) {
                if heard == text.to_ascii_uppercase() {
                    return;
                }
                assert!(heard.ends_with(signature), "{} for {}", heard.escape_ascii(), signature.escape_ascii());
            }
        }
        panic!("no answer to {} bytes of {}", text.len(), signature.escape_ascii());
    }
}

#[test]
fn a_tunnel_and_a_server_carry_a_service_for_a_hundred_senders() {
    let service = Service::start();
    let common = ["--quiet-data", "--mtu", "65535", "--first-timeout", "300"];
    let forward = ["--self-signed", "localhost", "--forward", &service.address];
    let server = Server::start(&[&common[..], &forward].concat());
    let tunnel = tunnel(&server.address, &common);
    let senders: Vec<_> = (0..100).map(|_| Sender::of(&tunnel)).collect();
    thread::scope(|scope| {
        for (number, sender) in senders.iter().enumerate() {
            scope.spawn(move || {
                // From nothing at all to what fills a record.
                let sizes: &[usize] = if number == 0 { &[1, 1_000, 16_384] } else { &[20, 100, 1_000] };
                for (round, size) in sizes.iter().enumerate() {
                    let signature = format!("[{number}.");
                    let mut text: Vec<u8> = format!("{round}").into_bytes();
                    text.extend((b'a'..=b'z').cycle().skip(number % 26).take(size.saturating_sub(1 + signature.len())));
                    text.extend_from_slice(signature.as_bytes());
                    sender.converse(&text, signature.as_bytes());
                }
            });
        }
    });
    assert_eq!(service.askers.lock().unwrap().len(), 100);
    tunnel.running.signal("TERM");
    let tunnel = tunnel.finish();
    assert_eq!((tunnel.code, told(&tunnel.stderr, "not get")), (0, 0), "{}", tunnel.stderr);
    let of_senders: BTreeSet<_> = senders.iter().map(|sender| format!("sender={}", sender.address())).collect();
    for word in ["CONNECTED", "CLOSED", "STATS"] {
        let lines = tunnel.lines(word);
        let named: BTreeSet<_> = lines.iter().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect();
        assert_eq!((lines.len(), &named), (100, &of_senders), "{word}");
    }
    let endpoint = tunnel.line("ENDPOINT");
    assert_eq!((number(endpoint, "sessions"), number(endpoint, "open"), number(endpoint, "dropped")), (100, 0, 0));
    let stats: u64 = tunnel.lines("STATS").iter().map(|line| number(line, "received")).sum();
    assert_eq!(number(endpoint, "datagrams_received"), stats);
    // Each has been said goodbye to.
    for _ in 0..100 {
        assert!(server.running.wait_for("CLOSED").ends_with(" reason=close_notify"));
    }
    server.running.signal("TERM");
    let server = server.finish();
    assert_eq!((server.code, server.lines("CONNECTED").len(), server.stderr.as_str()), (0, 100, ""));
}

#[test]
fn what_a_sender_says_before_the_handshake_is_complete_waits_for_it() {
    let server = Server::start(&["--self-signed", "localhost"]);
    let tunnel = tunnel(&server.address, &["--delay", "20", "--json"]);
    let sender = Sender::of(&tunnel);
    let texts: [&[u8]; 4] = [b"one", b"", b"three", b"four"];
    texts.iter().for_each(|text| sender.send(text));
    for text in texts {
        assert_eq!(sender.receive(TOO_LONG).unwrap(), text);
    }
    tunnel.running.signal("INT");
    let tunnel = tunnel.finish();
    assert_eq!(tunnel.code, 0);
    for event in ["connected", "closed", "stats"] {
        assert_eq!(tunnel.event(event)["sender"], sender.address(), "{event}");
    }
    assert_eq!(tunnel.event("endpoint")["dropped"], 0);
}

#[test]
fn what_does_not_fit_in_a_session_is_counted_and_told_once_and_the_session_goes_on() {
    let service = Service::start();
    let server = Server::start(&["--self-signed", "localhost", "--forward", &service.address]);
    let tunnel = tunnel(&server.address, &[]);
    let sender = Sender::of(&tunnel);
    // The first waits for the handshake, the longest is longer than any record.
    for size in [16_384, 16_384, 20_000, 65_000] {
        sender.send(&vec![b'x'; size]);
    }
    sender.converse(b"still there", b"still there");
    sender.send(&vec![b'x'; 16_384]);
    sender.converse(b"and still", b"and still");
    tunnel.running.signal("TERM");
    let tunnel = tunnel.finish();
    assert_eq!((tunnel.code, tunnel.lines("CONNECTED").len()), (0, 1));
    assert_eq!(number(tunnel.line("ENDPOINT"), "dropped"), 5);
    assert_eq!(told(&tunnel.stderr, &sender.address()), 1, "{}", tunnel.stderr);
}

#[test]
fn senders_beyond_the_limit_are_told_of_until_quiet_sessions_have_ended() {
    let service = Service::start();
    let server = Server::start(&["--self-signed", "localhost", "--forward", &service.address]);
    let tunnel = tunnel(&server.address, &["--max-sessions", "1", "--idle-timeout", "0.5"]);
    let (first, second) = (Sender::of(&tunnel), Sender::of(&tunnel));
    first.converse(b"first", b"first");
    second.send(b"second");
    second.send(b"second");
    assert_eq!(second.receive(Duration::from_millis(100)), None);
    let closed = tunnel.running.wait_for("CLOSED");
    assert!(closed.ends_with(&format!(" reason=idle_timeout sender={}", first.address())), "{closed}");
    second.converse(b"second", b"second");
    tunnel.running.signal("TERM");
    let tunnel = tunnel.finish();
    assert_eq!((tunnel.code, tunnel.lines("CONNECTED").len()), (0, 2));
    let endpoint = tunnel.line("ENDPOINT");
    assert_eq!((number(endpoint, "refused"), number(endpoint, "idle"), number(endpoint, "sessions")), (2, 1, 2));
    let limit =
        format!("--max-sessions: there is no room for {}, 1 senders have a session; raise it", second.address());
    assert_eq!(told(&tunnel.stderr, &limit), 1, "{}", tunnel.stderr);
}

#[test]
fn a_sender_whose_handshake_has_failed_is_told_of_and_may_try_again() {
    let (socket, address) = silent();
    let tunnel = tunnel(&address, &["--handshake-timeout", "0.3"]);
    let sender = Sender::of(&tunnel);
    sender.send(b"anyone?");
    let failed = tunnel.running.wait_for("FAILED");
    assert!(failed.starts_with(&format!("FAILED peer={address} reason=\"the handshake did not")), "{failed}");
    assert!(failed.ends_with(&format!(" sender={}", sender.address())), "{failed}");
    drop(socket);
    let service = Service::start();
    let server = ["server", "--listen", &address, "--self-signed", "localhost", "--forward", &service.address];
    let _server = Server::of(dtls(&server));
    sender.converse(b"anyone now?", b"anyone now?");
    tunnel.running.signal("TERM");
    let tunnel = tunnel.finish();
    assert_eq!((tunnel.code, tunnel.lines("CLOSED").len()), (0, 1));
    assert!(number(tunnel.line("ENDPOINT"), "dropped") >= 1);
}

#[test]
fn a_sender_whose_session_the_server_has_ended_gets_another() {
    let service = Service::start();
    let server = Server::start(&["--self-signed", "localhost", "--forward", &service.address, "--idle-timeout", "0.3"]);
    let tunnel = tunnel(&server.address, &[]);
    let sender = Sender::of(&tunnel);
    for _ in 0..2 {
        sender.converse(b"hello", b"hello");
        assert!(tunnel.running.wait_for("CLOSED").contains(" reason=close_notify "));
    }
    tunnel.running.signal("INT");
    assert_eq!(tunnel.finish().code, 0);
}
