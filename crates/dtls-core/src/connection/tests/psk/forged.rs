//! What a dishonest peer, or a forger, gets for his messages before there are keys.

use super::*;
use crate::wire::enums::NamedGroup;

#[test]
fn a_server_that_leaves_its_share_out_gets_no_answer_and_the_honest_one_does() {
    let (mut client, mut server) = ephemeral();
    let flight_4 = flight_4_of(&mut server, &mut client);
    let [hello, _, done] = &messages(&flight_4)[..] else { panic!("three messages") };
    deliver(vec![said(0, hello), said(1, done)], &mut client, START);
    assert_eq!(types(&drain(&mut client, START)), []);
    deliver(flight_4, &mut client, START);
    exchange(&mut client, &mut server, START);
    assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Connected), Some(Event::Connected)));
}

#[test]
fn a_second_share_or_hint_does_not_take_the_place_of_the_first() {
    for suite in SUITES {
        let mut client = client(identity(b"other", 8), |settings| settings.cipher_suites = vec![suite]);
        let mut server = server(known(), |settings| settings.psk_hint = b"hint".to_vec());
        let flight_4 = flight_4_of(&mut server, &mut client);
        let [hello, key_exchange, done] = &messages(&flight_4)[..] else { panic!("three messages") };
        let second = said(2, key_exchange);
        deliver(vec![said(0, hello), said(1, key_exchange), second, said(2, done)], &mut client, START);
        exchange(&mut client, &mut server, START);
        assert_eq!((client.poll_event(), server.poll_event()), (Some(Event::Connected), Some(Event::Connected)));
    }
}

#[test]
fn a_share_in_a_group_that_was_not_offered_is_refused() {
    let (mut client, mut server) = ephemeral();
    let flight_4 = flight_4_of(&mut server, &mut client);
    let [hello, (typ, body), _] = &messages(&flight_4)[..] else { panic!("three messages") };
    // Behind an empty hint and the word that the curve has a name.
    let mut body = body.clone();
    body[3..5].copy_from_slice(&NamedGroup::SECP384R1.0.to_be_bytes());
    deliver(vec![said(0, hello), said(1, &(*typ, body))], &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::UnofferedGroup(NamedGroup::SECP384R1))));
}

#[test]
fn shares_that_lead_to_no_secret_are_refused_by_both_sides() {
    let (mut client, mut server) = ephemeral();
    let flight_4 = flight_4_of(&mut server, &mut client);
    let [hello, key_exchange, done] = &messages(&flight_4)[..] else { panic!("three messages") };
    let forged = vec![said(0, hello), said(1, &without_share(key_exchange)), said(2, done)];
    deliver(forged, &mut client, START);
    assert_eq!(client.poll_event(), Some(Event::Failed(Error::BadKeyShare)));

    let (mut client, mut server) = ephemeral();
    let flight_4 = flight_4_of(&mut server, &mut client);
    deliver(flight_4, &mut client, START);
    let [key_exchange] = &messages(&drain(&mut client, START))[..] else { panic!("one message in the clear") };
    deliver(vec![said(1, &without_share(key_exchange))], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::BadKeyShare)));
}

/// A client and a server with one key and one group, in a suite with an ephemeral exchange.
fn ephemeral() -> (Connection, Connection) {
    let change = |settings: &mut Settings| {
        settings.cipher_suites = vec![SUITES[0]];
        settings.groups = vec![NamedGroup::X25519];
    };
    (client(identity(b"other", 8), change), server(known(), change))
}

fn flight_4_of(server: &mut Connection, client: &mut Connection) -> Vec<Vec<u8>> {
    deliver(drain(client, START), server, START);
    drain(server, START)
}

/// A datagram with one message.
fn said(seq: u16, (typ, body): &(HandshakeType, Vec<u8>)) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    let header = FragmentHeader::whole(*typ, MessageSeq(seq), length).to_bytes();
    plaintext_record(ContentType::HANDSHAKE, &[&header[..], body].concat())
}

/// A key exchange message whose share, which stands last, is all zeros: a point of small order.
fn without_share((typ, body): &(HandshakeType, Vec<u8>)) -> (HandshakeType, Vec<u8>) {
    let mut body = body.clone();
    let share = body.len() - 32;
    body[share..].fill(0);
    (*typ, body)
}
