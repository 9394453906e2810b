//! Where a client looks for its server.

use super::*;

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
