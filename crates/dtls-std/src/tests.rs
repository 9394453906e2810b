//! Sessions over real sockets on the loopback interface.

use core::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io;
use std::net::UdpSocket;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;

use dtls_core::config::KeyLog;
use dtls_core::crypto::{CryptoProvider, Identity, PinnedCertificates, WallClock as _, ring};
use dtls_core::wire::enums::{AlertDescription, SrtpProfile};
use dtls_core::{CertificateError, Error, ExportError, Role, SendError};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{
    AcceptError, ClientConfig, ConnectError, CookiePolicy, Endpoint, KeyLogFile, Limits, Options, ServerConfig,
    Session, SessionError, Settings, SystemClock, Tap, connect, connect_with, listen, listen_with,
};

/// Longer than anything takes here; only a test that fails waits for it.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

/// One server's certificate, and configurations of both sides that go with it.
struct Party {
    provider: Arc<CryptoProvider>,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Party {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der();
        Self { provider: Arc::new(ring::provider()), certificate: made.cert.der().clone(), key }
    }

    fn server_with(&self, change: impl FnOnce(&mut Settings)) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::try_from(self.key.clone()).unwrap();
        let identity = Identity::new(&self.provider, vec![self.certificate.clone()], key).unwrap();
        let builder = ServerConfig::builder(Arc::clone(&self.provider)).identity(identity);
        Arc::new(builder.configure(change).build().unwrap())
    }

    fn server(&self) -> Arc<ServerConfig> {
        self.server_with(|_| ())
    }

    /// A client that trusts this party's certificate and no other.
    fn client_with(&self, change: impl FnOnce(&mut Settings)) -> Arc<ClientConfig> {
        let trust = Arc::new(PinnedCertificates::new([self.certificate.clone()]).unwrap());
        let builder = ClientConfig::builder(Arc::clone(&self.provider)).trust(trust).without_identity();
        Arc::new(builder.configure(change).build().unwrap())
    }

    fn client(&self) -> Arc<ClientConfig> {
        self.client_with(|settings| settings.handshake_timeout = LONG)
    }

    fn listen(&self) -> Endpoint {
        listen(("127.0.0.1", 0), self.server()).unwrap()
    }

    /// A client's session and the server's.
    fn pair(&self, endpoint: &Endpoint) -> (Session, Session) {
        let client = connect(endpoint.local_addr(), None, self.client()).unwrap();
        (client, accept(endpoint))
    }
}

fn accept(endpoint: &Endpoint) -> Session {
    endpoint.accept_timeout(LONG).unwrap().expect("a client in time")
}

fn receive(session: &Session) -> Vec<u8> {
    session.recv_vec_timeout(LONG).unwrap().expect("a datagram in time")
}

/// How the session ends.
fn ending(session: &Session) -> SessionError {
    session.recv_vec_timeout(LONG).expect_err("an end in time")
}

/// Echoes until each session ends; returns when the endpoint is closed.
fn echo(endpoint: &Endpoint) {
    thread::scope(|scope| {
        for session in endpoint.incoming().map_while(Result::ok) {
            scope.spawn(move || {
                while let Ok(datagram) = session.recv_vec() {
                    session.send(&datagram).unwrap();
                }
            });
        }
    });
}

#[test]
fn every_one_of_many_concurrent_clients_gets_its_own_echo() {
    const CLIENTS: u8 = 16;
    let party = Party::new();
    let endpoint = party.listen();
    let all_connected = Barrier::new(CLIENTS.into());
    thread::scope(|scope| {
        scope.spawn(|| echo(&endpoint));
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (config, all_connected, address) = (party.client(), &all_connected, endpoint.local_addr());
                scope.spawn(move || {
                    let session = connect(address, None, config).unwrap();
                    all_connected.wait();
                    for round in 0..20 {
                        let text = format!("client {number}, round {round}");
                        session.send(text.as_bytes()).unwrap();
                        assert_eq!(receive(&session), text.as_bytes());
                    }
                    session.close();
                })
            })
            .collect();
        for client in clients {
            client.join().unwrap();
        }
        assert_eq!(endpoint.stats().server_sessions, CLIENTS.into());
        endpoint.close();
    });
}

#[test]
fn two_threads_may_send_and_receive_on_one_session_at_once() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    thread::scope(|scope| {
        scope.spawn(|| (0..100_u8).for_each(|number| client.send(&[0, number]).unwrap()));
        scope.spawn(|| (0..100_u8).for_each(|number| client.send(&[1, number]).unwrap()));
        let halves = [(); 2].map(|()| scope.spawn(|| (0..100).map(|_| receive(&server)).collect::<Vec<_>>()));
        let mut all = halves.map(|half| half.join().unwrap()).concat();
        all.sort();
        assert!(all.iter().eq(&(0..200_u8).map(|at| vec![at / 100, at % 100]).collect::<Vec<_>>()));
    });
}

#[test]
fn both_sides_agree_on_what_was_negotiated() {
    let party = Party::new();
    let choose = |settings: &mut Settings| {
        settings.alpn = vec![b"coap".to_vec()];
        settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
    };
    let endpoint = listen(("127.0.0.1", 0), party.server_with(choose)).unwrap();
    let name = "localhost".try_into().unwrap();
    let client = connect(endpoint.local_addr(), Some(name), party.client_with(choose)).unwrap();
    let server = accept(&endpoint);

    let (ours, theirs) = (client.info(), server.info());
    assert_eq!((ours.role, theirs.role), (Role::Client, Role::Server));
    assert_eq!(ours.cipher_suite, theirs.cipher_suite);
    assert_eq!(ours.alpn, Some(b"coap".to_vec()));
    assert_eq!(theirs.alpn, Some(b"coap".to_vec()));
    assert_eq!(theirs.server_name, Some(b"localhost".to_vec()));
    assert_eq!(ours.peer_certificates, core::slice::from_ref(&party.certificate));
    assert_eq!(client.remote_addr(), endpoint.local_addr());
    assert_eq!(server.remote_addr(), client.local_addr());
    assert_eq!(server.local_addr(), endpoint.local_addr());

    let (ours, theirs) = (client.srtp_keys().unwrap(), server.srtp_keys().unwrap());
    assert_eq!(ours.local_key(), theirs.remote_key());
    assert_eq!(ours.remote_salt(), theirs.local_salt());
    for context in [None, Some(&b""[..]), Some(&b"context"[..])] {
        let ours = client.export_keying_material(b"EXPERIMENTAL label", context, 40).unwrap();
        assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", context, 40).unwrap(), ours);
        assert_eq!(ours.len(), 40);
    }
    assert_ne!(
        client.export_keying_material(b"EXPERIMENTAL label", None, 40),
        client.export_keying_material(b"EXPERIMENTAL label", Some(b""), 40)
    );
}

// --- ending ---

#[test]
fn a_close_is_seen_on_the_other_side_behind_the_data() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    client.send(b"last words").unwrap();
    let sent = client.stats().datagrams_sent;
    client.close();
    assert_eq!(client.stats().datagrams_sent, sent + 1);
    assert_eq!(receive(&server), b"last words");
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(matches!(server.send(b"too late"), Err(SessionError::Closed)));
    assert!(matches!(client.send(b"too late"), Err(SessionError::Closed)));
    assert!(matches!(client.recv(&mut []), Err(SessionError::Closed)));
    // What was agreed on can still be asked for, until one side throws it away.
    let exported = client.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap();
    assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap(), exported);
    // What was counted and negotiated can still be asked for.
    assert_eq!(server.stats().application_records_received, 1);
    assert_eq!(client.stats().application_records_sent, 1);
    assert_eq!(client.info().cipher_suite, server.info().cipher_suite);
}

#[test]
fn dropping_a_session_closes_it_in_good_order() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    drop(server);
    assert!(matches!(ending(&client), SessionError::Closed));
}

#[test]
fn destroying_a_session_says_nothing_to_the_peer() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    let sent = server.stats().datagrams_sent;
    server.destroy();
    assert!(matches!(ending(&server), SessionError::Closed));
    assert_eq!(server.stats().datagrams_sent, sent);
    assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", None, 1), Err(ExportError::NotConnected));
    assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
}

#[test]
fn a_thread_that_waits_for_a_datagram_is_told_when_another_closes_the_session() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, _server) = party.pair(&endpoint);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.recv_vec());
        client.close();
        assert!(matches!(waiting.join().unwrap(), Err(SessionError::Closed)));
    });
}

#[test]
fn closing_the_endpoint_closes_its_sessions_and_ends_accept() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    // Connected, and never accepted.
    let waiting = connect(endpoint.local_addr(), None, party.client()).unwrap();
    let other = party.listen();
    thread::scope(|scope| {
        let clone = other.clone();
        let accepting = scope.spawn(move || clone.accept());
        other.close();
        assert!(matches!(accepting.join().unwrap(), Err(AcceptError::Closed)));
    });
    endpoint.close();
    assert!(matches!(ending(&client), SessionError::Closed));
    assert!(matches!(ending(&waiting), SessionError::Closed));
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(matches!(endpoint.accept(), Err(AcceptError::Closed)));
    assert!(matches!(endpoint.connect(client.local_addr(), None, party.client()), Err(ConnectError::Closed)));
    // Both do nothing any more.
    endpoint.close();
    endpoint.destroy();
}

#[test]
fn a_client_that_nobody_has_accepted_is_told_when_the_endpoint_is_dropped() {
    let party = Party::new();
    let endpoint = party.listen();
    let client = connect(endpoint.local_addr(), None, party.client()).unwrap();
    drop(endpoint);
    assert!(matches!(ending(&client), SessionError::Closed));
}

#[test]
fn sessions_outlive_the_last_handle_of_their_endpoint() {
    let party = Party::new();
    let endpoint = party.listen();
    let address = endpoint.local_addr();
    let (client, server) = party.pair(&endpoint);
    drop(endpoint);
    client.send(b"still there?").unwrap();
    assert_eq!(receive(&server), b"still there?");
    // With the last session the socket is closed, too.
    server.close();
    UdpSocket::bind(address).unwrap();
}

#[test]
fn a_closed_endpoint_gives_its_port_back() {
    let party = Party::new();
    let endpoint = party.listen();
    let _pair = party.pair(&endpoint);
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn no_thread_is_left_behind() {
    fn count(name: &str) -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
        names.filter(|comm| comm.trim() == name).count()
    }
    // The system lists a thread for a moment after it has been joined.
    fn settles_at(names: &[String; 2], counts: [usize; 2]) -> bool {
        (0..10_000).any(|_| {
            thread::yield_now();
            names.each_ref().map(|name| count(name)) == counts
        })
    }
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    let names = [client.local_addr(), server.local_addr()].map(|address| format!("dtls-{}", address.port()));
    assert!(settles_at(&names, [1, 1]));
    client.close();
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(settles_at(&names, [0, 1]));
    endpoint.close();
    assert!(settles_at(&names, [0, 0]));
}

// --- failing ---

#[test]
fn a_failed_handshake_is_reported_on_both_sides_and_the_endpoint_goes_on() {
    let (party, stranger) = (Party::new(), Party::new());
    let endpoint = party.listen();
    let failed = connect(endpoint.local_addr(), None, stranger.client());
    let Err(ConnectError::Handshake { peer, error, stats }) = failed else { panic!("{failed:?}") };
    // Two hellos, and the alert.
    assert_eq!(stats.datagrams_sent, 3);
    assert_eq!((peer, error), (endpoint.local_addr(), Error::Certificate(CertificateError::NotPinned)));
    let failed = endpoint.accept_timeout(LONG);
    let Err(AcceptError::Handshake { error, stats, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(error, Error::AlertReceived(AlertDescription::BAD_CERTIFICATE));
    // The cookie is nobody's yet, so the second hello and the alert.
    assert_eq!(stats.datagrams_received, 2);
    let (client, server) = party.pair(&endpoint);
    client.send(b"fine").unwrap();
    assert_eq!(receive(&server), b"fine");
}

#[test]
fn junk_is_counted_and_disturbs_nobody() {
    let party = Party::new();
    let endpoint = party.listen();
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    for junk in [&b""[..], b"junk", &[22; 2000], &[0; 60_000]] {
        stranger.send_to(junk, endpoint.local_addr()).unwrap();
    }
    let (client, server) = party.pair(&endpoint);
    client.send(b"fine").unwrap();
    assert_eq!(receive(&server), b"fine");
    assert_eq!(endpoint.stats().rejected, 4);
    assert_eq!(endpoint.stats().server_sessions, 1);
}

#[test]
fn where_nothing_listens_a_handshake_ends_with_its_time_and_says_why() {
    let party = Party::new();
    // Bound and closed again: nobody is there.
    let address = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let impatient = party.client_with(|settings| {
        settings.first_timeout = Duration::from_millis(20);
        settings.handshake_timeout = Duration::from_millis(100);
    });
    let failed = connect(address, None, impatient);
    assert!(matches!(failed, Err(ConnectError::Refused { peer }) if peer == address), "{failed:?}");
}

#[test]
fn a_server_that_does_not_answer_is_a_handshake_timeout() {
    let party = Party::new();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    let failed = connect(silent.local_addr().unwrap(), None, impatient);
    let Err(ConnectError::Handshake { error, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(error, Error::HandshakeTimeout);
}

#[test]
fn the_next_address_is_tried_where_nothing_listens_at_the_first() {
    let party = Party::new();
    let endpoint = party.listen();
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let addresses = [nobody, endpoint.local_addr()];
    let (tap, seen) = TestTap::new();
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let session = connect_with(&addresses[..], None, party.client(), options).unwrap();
    assert_eq!(session.remote_addr(), endpoint.local_addr());
    let tried: Vec<SocketAddr> = seen.try_iter().map(|(_, peer, _)| peer).collect();
    // One hello, and no wait for a second.
    assert_eq!(tried.iter().filter(|address| **address == nobody).count(), 1);
    assert_eq!((tried.first(), tried.last()), (Some(&nobody), Some(&endpoint.local_addr())));
}

#[test]
fn the_next_address_is_tried_where_the_system_calls_a_refusal_a_reset() {
    let party = Party::new();
    let endpoint = party.listen();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = [silent.local_addr().unwrap(), endpoint.local_addr()];
    let (mut tap, seen) = TestTap::new();
    tap.faults = vec![io::ErrorKind::ConnectionReset];
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let session = connect_with(&addresses[..], None, party.client(), options).unwrap();
    assert_eq!(session.remote_addr(), endpoint.local_addr());
    // One hello, which the fault made two, and no wait for another.
    assert_eq!(seen.try_iter().filter(|(_, peer, _)| *peer == addresses[0]).count(), 2);
}

#[test]
fn the_next_address_is_tried_where_the_first_does_not_answer_in_time() {
    let party = Party::new();
    let endpoint = party.listen();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addresses = [silent.local_addr().unwrap(), endpoint.local_addr()];
    // Time enough for a handshake here.
    let hasty = party.client_with(|settings| settings.handshake_timeout = Duration::from_secs(1));
    let session = connect(&addresses[..], None, hasty).unwrap();
    assert_eq!(session.remote_addr(), endpoint.local_addr());
}

#[test]
fn the_unspecified_address_means_this_host() {
    let party = Party::new();
    for (here, unspecified) in [("127.0.0.1:0", "0.0.0.0"), ("[::1]:0", "::")] {
        // A host may have no IPv6.
        let Ok(endpoint) = listen(here, party.server()) else { continue };
        let to = (unspecified, endpoint.local_addr().port());
        let client = connect(to, None, party.client()).unwrap();
        assert_eq!(client.remote_addr(), endpoint.local_addr());
        let caller = listen(here, party.server()).unwrap();
        let client = caller.connect(to, None, party.client()).unwrap();
        assert_eq!(client.remote_addr(), endpoint.local_addr());
    }
}

#[test]
fn a_flow_label_does_not_make_another_peer() {
    let party = Party::new();
    // A host may have no IPv6.
    let Ok(endpoint) = listen("[::1]:0", party.server()) else { return };
    let to = SocketAddrV6::new(Ipv6Addr::LOCALHOST, endpoint.local_addr().port(), 7, 0);
    let client = connect(to, None, party.client()).unwrap();
    assert_eq!(client.remote_addr(), endpoint.local_addr());
}

#[test]
fn a_configuration_that_needs_a_name_is_refused_without_one() {
    let party = Party::new();
    let endpoint = party.listen();
    let roots = vec![party.certificate.clone()];
    let webpki = dtls_core::crypto::WebPki::new(&party.provider, roots, Arc::new(SystemClock)).unwrap();
    let builder = ClientConfig::builder(Arc::clone(&party.provider)).trust(Arc::new(webpki)).without_identity();
    let failed = connect(endpoint.local_addr(), None, Arc::new(builder.build().unwrap()));
    assert!(matches!(failed, Err(ConnectError::NotBegun(crate::dtls_endpoint::ConnectError::Config(_)))), "{failed:?}");
}

#[test]
fn a_second_session_with_one_address_is_refused() {
    let party = Party::new();
    let (one, other) = (party.listen(), party.listen());
    let _first = one.connect(other.local_addr(), None, party.client()).unwrap();
    let second = one.connect(other.local_addr(), None, party.client());
    assert!(
        matches!(second, Err(ConnectError::NotBegun(crate::dtls_endpoint::ConnectError::AddressInUse))),
        "{second:?}"
    );
}

// --- receiving ---

#[test]
fn waiting_ends_when_the_time_is_up() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, _server) = party.pair(&endpoint);
    assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
    assert_eq!(client.recv_timeout(&mut [0; 10], SHORT).unwrap(), None);
    assert!(endpoint.accept_timeout(SHORT).unwrap().is_none());
}

#[test]
fn a_short_buffer_is_an_error_that_keeps_the_datagram() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    client.send(b"12345").unwrap();
    client.send(b"").unwrap();
    let mut buffer = [0; 10];
    let short = server.recv(&mut buffer[..4]);
    assert!(matches!(short, Err(SessionError::BufferTooShort { needed: 5 })), "{short:?}");
    assert_eq!(server.recv_timeout(&mut buffer, LONG).unwrap(), Some(5));
    assert_eq!(&buffer[..5], b"12345");
    assert_eq!(server.recv(&mut buffer).unwrap(), 0);
}

#[test]
fn what_nobody_receives_is_dropped_beyond_a_bound_and_counted() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    // The system may lose some, too, so wait for what has arrived and not for what was sent.
    while server.undelivered() < 10 {
        client.send(&[7; 1000]).unwrap();
        thread::yield_now();
    }
    client.close();
    let kept = core::iter::from_fn(|| server.recv_vec_timeout(LONG).ok().flatten()).count();
    // Some may still have been on their way when room was made.
    assert!(kept >= 1024, "{kept}");
    assert_eq!(server.stats().application_records_received, u64::try_from(kept).unwrap() + server.undelivered());
}

#[test]
fn a_payload_that_does_not_fit_is_refused_and_one_that_just_fits_arrives() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    for mtu in [1200, 300, 9000] {
        client.set_mtu(mtu);
        let max = client.max_payload();
        assert!((mtu - 64..mtu).contains(&max));
        let refused = client.send(&vec![0; max + 1]);
        assert!(
            matches!(refused, Err(SessionError::NotSent(SendError::TooLong { max: told })) if told == max),
            "{refused:?}"
        );
        client.send(&vec![0; max]).unwrap();
        assert_eq!(receive(&server).len(), max);
    }
}

// --- options ---

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

/// Tells of every datagram, and lets the first ones that leave come to grief.
struct TestTap {
    seen: Sender<(Way, SocketAddr, usize)>,
    losses: usize,
    /// Errors of the socket that tell of earlier datagrams.
    faults: Vec<io::ErrorKind>,
    /// Panics at the next datagram, once, either way.
    panics: Arc<AtomicBool>,
    /// The socket has no room: for this many attempts, once `is_full` is set.
    fulls: usize,
    is_full: Arc<AtomicBool>,
}

impl TestTap {
    fn new() -> (Self, Receiver<(Way, SocketAddr, usize)>) {
        let (seen, receiver) = channel();
        (
            Self { seen, losses: 0, faults: Vec::new(), panics: Arc::default(), fulls: 0, is_full: Arc::default() },
            receiver,
        )
    }

    fn panic_if_asked_to(&self) {
        if self.panics.swap(false, Ordering::SeqCst) {
            // A panic without a message.
            std::panic::resume_unwind(Box::new(()));
        }
    }
}

impl Tap for TestTap {
    fn received(&mut self, from: SocketAddr, datagram: &[u8]) {
        let _ = self.seen.send((Way::In, from, datagram.len()));
        self.panic_if_asked_to();
    }

    fn send(&mut self, socket: &UdpSocket, to: SocketAddr, datagram: &[u8]) -> io::Result<()> {
        let _ = self.seen.send((Way::Out, to, datagram.len()));
        self.panic_if_asked_to();
        if self.fulls > 0 && self.is_full.load(Ordering::SeqCst) {
            self.fulls -= 1;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.losses > 0 {
            self.losses -= 1;
            return Ok(());
        }
        if let Some(fault) = self.faults.pop() {
            return Err(fault.into());
        }
        crate::tap::send(socket, to, datagram)
    }
}

#[test]
fn a_tap_sees_every_datagram_both_ways() {
    let party = Party::new();
    let (tap, seen) = TestTap::new();
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let (client, server) = party.pair(&endpoint);
    client.send(b"hello").unwrap();
    receive(&server);
    endpoint.close();
    let seen: Vec<_> = seen.try_iter().collect();
    let totals = [Way::In, Way::Out].map(|way| {
        let lengths = seen.iter().filter(|(at, ..)| *at == way).map(|(.., len)| u64::try_from(*len).unwrap());
        lengths.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len))
    });
    let stats = endpoint.stats();
    assert_eq!(totals[0], (stats.datagrams_received, stats.bytes_received));
    assert_eq!(totals[1], (stats.datagrams_sent, stats.bytes_sent));
    assert!(seen.iter().all(|(_, peer, _)| *peer == client.local_addr()));
}

#[test]
fn datagrams_lost_on_their_way_are_sent_again_in_time() {
    let party = Party::new();
    let endpoint = party.listen();
    let (mut tap, _seen) = TestTap::new();
    // The hello twice, then the hello with the cookie gets through at once.
    tap.losses = 2;
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let hasty = party.client_with(|settings| settings.first_timeout = Duration::from_millis(20));
    let client = connect_with(endpoint.local_addr(), None, hasty, options).unwrap();
    let handshake_time = client.stats().handshake_time.unwrap();
    assert!(handshake_time >= Duration::from_millis(20 + 40), "{handshake_time:?}");
    assert!(client.stats().retransmits >= 2);
}

#[test]
fn word_that_an_earlier_datagram_was_refused_does_not_cost_the_next_one() {
    let party = Party::new();
    let endpoint = party.listen();
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted, NetworkUnreachable};
    for fault in [ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, Interrupted] {
        let (mut tap, _seen) = TestTap::new();
        tap.faults = vec![fault];
        let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
        let patient = party.client_with(|settings| settings.first_timeout = LONG);
        let client = connect_with(endpoint.local_addr(), None, patient, options).unwrap();
        assert_eq!(client.stats().retransmits, 0);
    }
}

#[test]
fn a_session_survives_word_that_nothing_listens_at_its_peer() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    endpoint.destroy();
    drop(server);
    for _ in 0..3 {
        // Its host says each time that nothing listens there.
        client.send(b"anyone?").unwrap();
        assert!(client.recv_vec_timeout(SHORT).unwrap().is_none());
    }
    let listener = UdpSocket::bind(endpoint.local_addr()).unwrap();
    listener.set_read_timeout(Some(LONG)).unwrap();
    client.send(b"anyone?").unwrap();
    assert!(listener.recv(&mut [0; 100]).unwrap() > 0);
}

/// An endpoint, a session of it and the other end; at the flag a datagram makes the endpoint's callback panic.
fn pair_with_panicking_tap(party: &Party) -> (Arc<AtomicBool>, Endpoint, Session, Session) {
    let (tap, _) = TestTap::new();
    let panics = Arc::clone(&tap.panics);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let (client, server) = party.pair(&endpoint);
    (panics, endpoint, server, client)
}

#[test]
fn everyone_is_told_why_an_endpoint_has_ended_by_itself() {
    let party = Party::new();
    let (panics, endpoint, server, client) = pair_with_panicking_tap(&party);
    thread::scope(|scope| {
        let accepting = scope.spawn(|| endpoint.accept());
        let receiving = scope.spawn(|| server.recv_vec());
        panics.store(true, Ordering::SeqCst);
        client.send(b"the last straw").unwrap();
        let accepted = accepting.join().unwrap();
        assert!(matches!(&accepted, Err(AcceptError::Socket(error)) if error.kind() == io::ErrorKind::Other));
        let received = receiving.join().unwrap();
        assert!(matches!(&received, Err(SessionError::EndpointEnded(_))), "{received:?}");
    });
    // Whoever comes later is told the same, and once.
    assert_eq!(
        endpoint.incoming().map(|accepted| matches!(accepted, Err(AcceptError::Socket(_)))).collect::<Vec<_>>(),
        [true]
    );
    let sent = server.send(b"anyone?");
    assert!(matches!(&sent, Err(SessionError::EndpointEnded(_))), "{sent:?}");
    let connected = endpoint.connect(client.local_addr(), None, party.client());
    assert!(matches!(&connected, Err(ConnectError::Socket(_))), "{connected:?}");
    let exported = client.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap();
    assert_eq!(server.export_keying_material(b"EXPERIMENTAL label", None, 20).unwrap(), exported);
    server.close();
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
}

#[derive(Debug)]
struct PanickingKeyLog;

impl KeyLog for PanickingKeyLog {
    fn log(&self, _: &str, _: &[u8; 32], _: &[u8]) {
        // A panic without a message.
        std::panic::resume_unwind(Box::new(()));
    }
}

#[test]
fn a_callback_that_panics_in_the_midst_of_a_handshake_leaves_nobody_waiting() {
    let party = Party::new();
    let endpoint = party.listen();
    let panicking = |settings: &mut Settings| settings.key_log = Some(Arc::new(PanickingKeyLog));
    let failed = connect(endpoint.local_addr(), None, party.client_with(panicking));
    assert!(matches!(&failed, Err(ConnectError::Socket(error)) if error.kind() == io::ErrorKind::Other), "{failed:?}");
    let other = listen("127.0.0.1:0", party.server_with(panicking)).unwrap();
    let established = other.connect(endpoint.local_addr(), None, party.client()).unwrap();
    let hasty = party.client_with(|settings| settings.handshake_timeout = SHORT);
    assert!(connect(other.local_addr(), None, hasty).is_err());
    assert!(matches!(ending(&established), SessionError::EndpointEnded(_)));
    other.close();
}

#[test]
fn a_callback_that_panics_in_a_caller_s_thread_ends_only_that_call() {
    let party = Party::new();
    let (panics, endpoint, server, client) = pair_with_panicking_tap(&party);
    panics.store(true, Ordering::SeqCst);
    let sent = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| server.send(b"lost")));
    assert!(sent.is_err());
    server.send(b"hello").unwrap();
    assert_eq!(receive(&client), b"hello");
    client.send(b"hello").unwrap();
    assert_eq!(receive(&server), b"hello");
    party.pair(&endpoint);
}

/// A session whose socket has no room for so many attempts once the flag is set; its endpoint and its other end.
fn pair_with_full_socket(party: &Party, fulls: usize) -> (Session, Arc<AtomicBool>, Endpoint, Session) {
    let endpoint = party.listen();
    let (mut tap, _) = TestTap::new();
    tap.fulls = fulls;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let client = connect_with(endpoint.local_addr(), None, party.client(), options).unwrap();
    let server = accept(&endpoint);
    (client, is_full, endpoint, server)
}

#[test]
fn what_a_full_socket_does_not_take_is_sent_when_it_has_room() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, 3);
    is_full.store(true, Ordering::SeqCst);
    client.send(b"first").unwrap();
    client.send(b"second").unwrap();
    assert_eq!((receive(&server), receive(&server)), (b"first".to_vec(), b"second".to_vec()));
    assert_eq!(client.stats().datagrams_sent, server.stats().datagrams_received + 1);
}

#[test]
fn a_goodbye_leaves_also_where_the_socket_was_full() {
    let party = Party::new();
    type Close = fn(Session);
    let close: Close = |session| {
        session.close();
        // It has waited: all is done.
        UdpSocket::bind(session.local_addr()).unwrap();
    };
    let ways: [Close; 2] = [close, drop];
    for close in ways {
        let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, 3);
        is_full.store(true, Ordering::SeqCst);
        close(client);
        assert!(matches!(ending(&server), SessionError::Closed));
    }
}

#[test]
fn an_endpoint_whose_socket_is_full_says_goodbye_to_everyone() {
    let party = Party::new();
    let (mut tap, _) = TestTap::new();
    tap.fulls = 3;
    let is_full = Arc::clone(&tap.is_full);
    let options = Options { tap: Some(Box::new(tap)), ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let pairs = [(); 3].map(|()| party.pair(&endpoint));
    is_full.store(true, Ordering::SeqCst);
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
    for (client, _) in &pairs {
        assert!(matches!(ending(client), SessionError::Closed));
    }
}

#[test]
fn a_socket_that_stays_full_is_given_up() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, usize::MAX);
    is_full.store(true, Ordering::SeqCst);
    // The first is kept, for a while; the second waits as long, and says that it was not sent.
    client.send(b"kept").unwrap();
    let sent = client.send(b"not kept");
    assert!(matches!(&sent, Err(SessionError::Socket(error)) if error.kind() == io::ErrorKind::WouldBlock), "{sent:?}");
    client.close();
    UdpSocket::bind(client.local_addr()).unwrap();
    assert!(server.recv_vec_timeout(SHORT).unwrap().is_none());
}

#[test]
fn destroying_does_not_wait_for_a_full_socket() {
    let party = Party::new();
    let (client, is_full, _endpoint, server) = pair_with_full_socket(&party, usize::MAX);
    is_full.store(true, Ordering::SeqCst);
    client.send(b"kept").unwrap();
    client.destroy();
    assert!(matches!(ending(&client), SessionError::Closed));
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(receive(&server), b"kept");
}

#[test]
fn a_trusted_path_saves_the_cookie() {
    let party = Party::new();
    let options = Options { cookies: CookiePolicy::TrustedPath, ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), options).unwrap();
    let patient = party.client_with(|settings| settings.first_timeout = LONG);
    let client = connect(endpoint.local_addr(), None, patient).unwrap();
    let server = accept(&endpoint);
    server.send(b"hello").unwrap();
    assert_eq!(receive(&client), b"hello");
    // Two flights, and not three; one datagram each.
    assert_eq!(client.stats().datagrams_sent, 2);
}

#[test]
fn beyond_the_limit_clients_get_silence() {
    let party = Party::new();
    let limits = Limits { sessions: 1, ..Limits::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), Options { limits, ..Options::default() }).unwrap();
    let (_client, server) = party.pair(&endpoint);
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    assert!(matches!(connect(endpoint.local_addr(), None, impatient), Err(ConnectError::Handshake { .. })));
    assert!(endpoint.stats().refused >= 1);
    drop(server);
    connect(endpoint.local_addr(), None, party.client()).unwrap();
}

#[test]
fn while_the_backlog_is_full_new_clients_get_silence() {
    let party = Party::new();
    let server = party.server_with(|settings| settings.alpn = vec![b"coap".to_vec()]);
    let endpoint = listen_with("127.0.0.1:0", server, Options { backlog: 2, ..Options::default() }).unwrap();
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    // Word of those who failed takes nobody's place.
    let stranger = party.client_with(|settings| settings.alpn = vec![b"other".to_vec()]);
    let failed = connect(endpoint.local_addr(), None, stranger);
    assert!(matches!(failed, Err(ConnectError::Handshake { .. })), "{failed:?}");
    let _waiting = [(); 2].map(|()| connect(endpoint.local_addr(), None, party.client()).unwrap());
    let silence = connect(endpoint.local_addr(), None, Arc::clone(&impatient));
    assert!(matches!(silence, Err(ConnectError::Handshake { error: Error::HandshakeTimeout, .. })), "{silence:?}");
    let stats = endpoint.stats();
    assert!(stats.busy >= 1, "{stats:?}");
    assert_eq!(stats.server_sessions, 3);
    assert!(matches!(endpoint.accept_timeout(LONG), Err(AcceptError::Handshake { .. })));
    let silence = connect(endpoint.local_addr(), None, impatient);
    assert!(silence.is_err(), "{silence:?}");
    let _accepted = accept(&endpoint);
    connect(endpoint.local_addr(), None, party.client()).unwrap();
}

#[test]
fn nothing_that_is_over_stands_in_the_way_of_new_sessions_once_nobody_holds_it() {
    let (party, stranger) = (Party::new(), Party::new());
    let limits = || Options { limits: Limits { sessions: 1, ..Limits::default() }, ..Options::default() };
    let endpoint = listen_with("127.0.0.1:0", party.server(), limits()).unwrap();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let caller = listen_with("127.0.0.1:0", party.server(), limits()).unwrap();
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    // Neither a failed handshake, on either side,
    let failed = caller.connect(endpoint.local_addr(), None, stranger.client());
    assert!(matches!(failed, Err(ConnectError::Handshake { .. })), "{failed:?}");
    assert!(matches!(endpoint.accept_timeout(LONG), Err(AcceptError::Handshake { .. })));
    // nor one that was not answered,
    assert!(caller.connect(silent.local_addr().unwrap(), None, Arc::clone(&impatient)).is_err());
    // nor a session that the peer has closed, which its owner may ask until he lets go of it.
    let client = caller.connect(endpoint.local_addr(), None, party.client()).unwrap();
    let server = accept(&endpoint);
    client.close();
    assert!(matches!(ending(&server), SessionError::Closed));
    assert!(connect(endpoint.local_addr(), None, impatient).is_err());
    drop((client, server));
    caller.connect(endpoint.local_addr(), None, party.client()).unwrap();
}

#[test]
fn a_key_log_has_the_same_line_from_both_sides() {
    let party = Party::new();
    let folder = std::env::temp_dir().join(format!("dtls-std-key-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let logs = ["client", "server"].map(|side| folder.join(side));
    let [for_client, for_server] = logs.each_ref().map(|path| Arc::new(KeyLogFile::append(path).unwrap()));
    let server = party.server_with(|settings| settings.key_log = Some(for_server));
    let client = party.client_with(|settings| settings.key_log = Some(for_client));
    let endpoint = listen("127.0.0.1:0", server).unwrap();
    let session = connect(endpoint.local_addr(), None, client).unwrap();
    accept(&endpoint);
    drop(session);
    let [from_client, from_server] = logs.each_ref().map(|path| std::fs::read_to_string(path).unwrap());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(from_client, from_server);
    let words: Vec<&str> = from_client.trim_end().split(' ').collect();
    assert_eq!((words[0], words[1].len(), words[2].len()), ("CLIENT_RANDOM", 64, 96));
}

#[test]
fn the_system_clock_is_past_the_day_this_was_written() {
    assert!(SystemClock.unix_time().unwrap().as_secs() > 1_750_000_000);
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Endpoint>();
    check::<Session>();
    check::<SessionError>();
}
