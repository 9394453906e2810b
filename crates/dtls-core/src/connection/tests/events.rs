//! What an owner is told and lent.

use super::*;

#[test]
fn application_data_is_lent_record_by_record_and_dropping_the_iterator_handles_the_rest() {
    let (mut client, mut server) = Pair::new().connect();
    let mut datagram = vec![];
    client.send(b"one", &mut datagram).unwrap();
    client.send(b"", &mut datagram).unwrap();
    client.send(b"three", &mut datagram).unwrap();
    let payloads: Vec<_> = server.receive(START, &mut datagram.clone()).map(|payload| payload.to_vec()).collect();
    assert_eq!(payloads, [&b"one"[..], b"", b"three"]);

    client.send(b"four", &mut datagram).unwrap();
    client.close();
    datagram.extend(drain(&mut client, START).concat());
    drop(server.receive(START, &mut datagram));
    assert_eq!(server.poll_event(), Some(Event::Closed));
}

#[test]
fn a_wrong_fingerprint_fails_both_ends_with_bad_certificate() {
    let pair = Pair { trusted: Some(Fingerprint::new([1; 32])), ..Pair::new() };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    let error = Error::Certificate(CertificateError::NotPinned);
    assert_eq!(client.poll_event(), Some(Event::Failed(error)));
    assert!(client.info().is_none());
    // The alert is in the clear, so the server believes it when nothing contradicts it.
    assert_eq!(server.poll_event(), None);
    let deadline = server.poll_timeout().unwrap();
    server.handle_timeout(deadline);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::AlertReceived(AlertDescription::BAD_CERTIFICATE))));
    assert_eq!(server.poll_timeout(), None);
}

#[test]
fn a_client_without_the_certificate_that_is_required_is_refused() {
    let pair = Pair::new();
    let verifier = pair.verifier(Fingerprint::new([1; 32]));
    let pair = Pair { client_authentication: ClientAuthentication::Require(verifier), ..pair };
    let (mut client, mut server) = pair.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::CertificateMissing)));
    client.handle_timeout(client.poll_timeout().unwrap());
    let alert = Error::AlertReceived(AlertDescription::HANDSHAKE_FAILURE);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}

#[test]
fn a_client_may_stay_anonymous_where_a_certificate_is_only_requested() {
    let pair = Pair::new();
    let verifier = pair.verifier(Fingerprint::new([1; 32]));
    let pair = Pair { client_authentication: ClientAuthentication::Request(verifier), ..pair };
    let (_, server) = pair.connect();
    assert!(server.info().unwrap().peer_certificates.is_empty());

    let (mut client, mut server) = Pair { client_has_identity: true, ..pair }.build();
    exchange(&mut client, &mut server, START);
    let error = Error::Certificate(CertificateError::NotPinned);
    assert_eq!(server.poll_event(), Some(Event::Failed(error)), "one that is shown must be trusted");
}

#[test]
fn the_server_picks_the_protocol_by_its_own_order_or_refuses() {
    let offer = |settings: &mut Settings| settings.alpn = vec![b"a".to_vec(), b"b".to_vec()];
    let pair = Pair { client_settings: offer, ..Pair::new() };
    let (client, _) = pair.connect();
    assert_eq!(client.info().unwrap().alpn, None, "a server that knows none ignores the offer");

    let prefers_b = |settings: &mut Settings| settings.alpn = vec![b"c".to_vec(), b"b".to_vec(), b"a".to_vec()];
    let (client, server) = Pair { client_settings: offer, server_settings: prefers_b, ..Pair::new() }.connect();
    assert_eq!(client.info().unwrap().alpn.as_deref(), Some(&b"b"[..]));
    assert_eq!(server.info().unwrap().alpn, client.info().unwrap().alpn);

    let knows_c = |settings: &mut Settings| settings.alpn = vec![b"c".to_vec()];
    let (mut client, mut server) = Pair { client_settings: offer, server_settings: knows_c, ..Pair::new() }.build();
    exchange(&mut client, &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::NoCommonApplicationProtocol)));
    client.handle_timeout(client.poll_timeout().unwrap());
    let alert = Error::AlertReceived(AlertDescription::NO_APPLICATION_PROTOCOL);
    assert_eq!(client.poll_event(), Some(Event::Failed(alert)));
}
