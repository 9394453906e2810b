//! The command as a service: many sessions at once, limits, names, statistics, plain UDP on either side.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends where its run went wrong")]

#[allow(dead_code, reason = "each file of tests uses its part")]
mod process;

use std::net::UdpSocket;

use process::{Cert, Server, dtls, dtls_with_input};
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
                    assert!(client.line("FAILED").ends_with("alert_received=unrecognized_name"), "{what}");
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

#[cfg(unix)]
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
