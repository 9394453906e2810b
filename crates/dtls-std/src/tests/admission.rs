//! Who is let in: cookies, limits, the backlog.

use super::*;

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
    let stranger = party.client_with(|settings| {
        settings.alpn = vec![b"other".to_vec()];
        // It must not begin anew before it believes that it was refused.
        settings.first_timeout = Duration::from_secs(5);
    });
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
fn a_busy_endpoint_is_silent_until_it_is_no_longer() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    endpoint.set_busy(true);
    assert!(endpoint.is_busy());
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    let silence = connect(endpoint.local_addr(), None, impatient);
    assert!(matches!(silence, Err(ConnectError::Handshake { error: Error::HandshakeTimeout, .. })), "{silence:?}");
    assert!(endpoint.stats().busy >= 1);
    client.send(b"still there?").unwrap();
    assert_eq!(receive(&server), b"still there?");
    endpoint.set_busy(false);
    assert!(!endpoint.is_busy());
    party.pair(&endpoint);
}

#[test]
fn limits_can_change_while_sessions_go_on() {
    let party = Party::new();
    let endpoint = party.listen();
    let (client, server) = party.pair(&endpoint);
    endpoint.set_limits(Limits { sessions: 1, ..Limits::default() });
    let impatient = party.client_with(|settings| settings.handshake_timeout = SHORT);
    assert!(connect(endpoint.local_addr(), None, impatient).is_err());
    assert!(endpoint.stats().refused >= 1, "{:?}", endpoint.stats());
    client.send(b"still there?").unwrap();
    assert_eq!(receive(&server), b"still there?");
    assert_eq!(endpoint.sessions(), 1);
}
