//! Handshakes that fail, junk, and callbacks that panic.

use super::*;

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
    let caller = party.listen();
    thread::scope(|scope| {
        let calling = scope.spawn(|| caller.connect(other.local_addr(), None, party.client()));
        assert!(matches!(ending(&established), SessionError::EndpointEnded(_)));
        // Nobody answers it any more.
        caller.destroy();
        assert!(calling.join().unwrap().is_err());
    });
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

#[test]
fn a_callback_that_panics_while_an_endpoint_is_closed_leaves_nobody_waiting() {
    let party = Party::new();
    let (panics, endpoint, server, client) = pair_with_panicking_tap(&party);
    let (other_client, _other_server) = party.pair(&endpoint);
    let server = Arc::new(server);
    let (tell, told) = channel();
    // Not joined: a test that fails must not wait for them.
    thread::spawn({
        let (endpoint, tell) = (endpoint.clone(), tell.clone());
        move || tell.send(matches!(endpoint.accept(), Err(AcceptError::Closed)))
    });
    // The session is kept: dropping it would have the rest sent, too.
    thread::spawn({
        let server = Arc::clone(&server);
        move || tell.send(matches!(server.recv_vec(), Err(SessionError::Closed)))
    });
    panics.store(true, Ordering::SeqCst);
    assert!(std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| endpoint.close())).is_err());
    // The socket's thread has gone on: one goodbye is lost, and no more.
    let is_told = |client: &Session| matches!(client.recv_vec_timeout(SHORT), Err(SessionError::Closed));
    assert!((0..100).any(|_| is_told(&client) || is_told(&other_client)));
    for _ in 0..2 {
        assert_eq!(told.recv_timeout(LONG), Ok(true));
    }
    endpoint.close();
    UdpSocket::bind(endpoint.local_addr()).unwrap();
}
