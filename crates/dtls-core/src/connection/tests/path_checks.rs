//! Checks of paths: RFC 9853, but for the endpoint's part of it.

use super::*;
use crate::config::{ConnectionIdUse, Padding, PathChecks, RandomConnectionId};
use crate::wire::codec::Encode as _;
use crate::wire::enums::{ExtensionType, RrcMessageType};
use crate::wire::extensions::{ClientExtensions, ServerExtensions};
use crate::wire::path::{PathCookie, PathMessage};
use crate::wire::record::{split_cid_record, split_record};
use core::num::NonZeroU16;

const OFF: fn(&mut Settings) = |_| {};

fn ids<const LEN: u8>(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(LEN)));
}

fn peers_only(settings: &mut Settings) {
    settings.connection_id = ConnectionIdUse::PeersOnly;
}

fn ids_without_checks(settings: &mut Settings) {
    ids::<4>(settings);
    settings.path_checks = PathChecks::Off;
}

fn pair(client_settings: fn(&mut Settings), server_settings: fn(&mut Settings)) -> Pair {
    Pair { client_settings, server_settings, ..Pair::new() }
}

fn connected() -> (Connection, Connection) {
    pair(ids::<4>, ids::<6>).connect()
}

fn challenge(from: &mut Connection) -> (PathCookie, Vec<u8>) {
    let mut datagram = vec![];
    let cookie = from.challenge_path(&mut datagram).unwrap();
    (cookie, datagram)
}

/// What `from` has to answer, as datagrams.
fn replies(from: &mut Connection) -> Vec<Vec<u8>> {
    let mut datagrams = vec![];
    let mut datagram = vec![];
    while from.poll_path_reply(&mut datagram) {
        datagrams.push(core::mem::take(&mut datagram));
    }
    datagrams
}

fn answers(of: &mut Connection) -> Vec<PathAnswer> {
    core::iter::from_fn(|| of.poll_path_answer()).collect()
}

fn path_record(from: &mut Connection, message: &PathMessage<'_>) -> Vec<u8> {
    sealed_record(from, ContentType::RETURN_ROUTABILITY_CHECK, &message.to_vec())
}

/// The body of the first message in a datagram in the clear, whole.
fn first_message(datagram: &[u8]) -> &[u8] {
    &split_record(datagram).unwrap().1[FragmentHeader::LEN..]
}

#[test]
fn checks_are_agreed_on_where_connection_ids_are_and_both_ends_know_of_them() {
    let on: [fn(&mut Settings); 3] = [ids::<4>, ids::<0>, peers_only];
    let off: [fn(&mut Settings); 2] = [OFF, ids_without_checks];
    let sides = on.map(|settings| (settings, true)).into_iter().chain(off.map(|settings| (settings, false)));
    for (client_settings, client_can) in sides.clone() {
        for (server_settings, server_can) in sides.clone() {
            let (mut client, mut server) = pair(client_settings, server_settings).build();
            let hello = drain(&mut client, START);
            let offered = ClientHello::decode_all(first_message(&hello[0])).unwrap().extensions;
            assert_eq!(offered.rrc, client_can);
            assert!(offered.connection_id.is_some() || !offered.rrc);
            deliver(hello, &mut server, START);
            exchange(&mut client, &mut server, START);
            let agreed = client_can && server_can;
            for one in [&mut client, &mut server] {
                assert_eq!(one.info().unwrap().path_checks, agreed);
                let mut datagram = vec![];
                let challenged = one.challenge_path(&mut datagram);
                assert_eq!(challenged.err(), (!agreed).then_some(SendError::NotNegotiated));
                assert_eq!(datagram.is_empty(), !agreed);
            }
        }
    }
}

#[test]
fn a_server_does_not_take_up_checks_without_connection_ids() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    let hello = drain(&mut client, START).concat();
    let mut hello = ClientHello::decode_all(first_message(&hello)).unwrap();
    for (connection_id, rrc) in [(None, false), (Some(&b"cid"[..]), true)] {
        hello.extensions = ClientExtensions { connection_id, rrc: true, ..hello.extensions.clone() };
        let body = hello.to_vec();
        let len = u32::try_from(body.len()).unwrap();
        let header = FragmentHeader::whole(HandshakeType::CLIENT_HELLO, MessageSeq::ZERO, len).to_bytes();
        deliver(vec![plaintext_record(ContentType::HANDSHAKE, &[&header, &body[..]].concat())], &mut server, START);
        let flight_4 = drain(&mut server, START).concat();
        let answer: ServerExtensions<'_> = ServerHello::decode_all(first_message(&flight_4)).unwrap().extensions;
        assert_eq!((answer.connection_id.is_some(), answer.rrc), (rrc, rrc));
        (_, server) = pair(ids::<4>, ids::<6>).build();
    }
}

#[test]
fn a_client_refuses_checks_that_it_did_not_offer() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(drain(&mut client, START), &mut server, START);
    let flight_4 = drain(&mut server, START);
    let (mut other, _) = pair(ids_without_checks, OFF).build();
    drain(&mut other, START);
    deliver(flight_4, &mut other, START);
    let error = Error::ServerHelloSentUnofferedExtension(ExtensionType::RRC);
    assert_eq!(other.poll_event(), Some(Event::Failed(error)));
}

#[test]
fn a_challenge_is_answered_once_with_its_cookie_by_either_end() {
    for client_asks in [true, false] {
        let (mut one, mut other) = connected();
        if !client_asks {
            core::mem::swap(&mut one, &mut other);
        }
        let (cookie, datagram) = challenge(&mut one);
        assert_eq!(datagram.len(), one.path_challenge_len());
        assert_eq!(deliver(vec![datagram.clone(), datagram], &mut other, START), Vec::<Vec<u8>>::new());
        assert_eq!(answers(&mut other), []);
        let replies = replies(&mut other);
        assert_eq!(replies.len(), 1, "the copy was replayed");
        assert_eq!(answers(&mut one), []);
        deliver([&replies[..], &replies].concat(), &mut one, START);
        assert_eq!(answers(&mut one), [PathAnswer::Response(cookie)]);
        assert_eq!((drain(&mut one, START), drain(&mut other, START)), (vec![], vec![]));
        assert_eq!(one.stats().discarded(Discard::Replayed), 1);
    }
}

#[test]
fn messages_are_protected_and_hidden_in_records_with_an_id_and_by_type_in_others() {
    let (mut client, mut server) = pair(peers_only, ids::<6>).connect();
    let (cookie, hidden) = challenge(&mut client);
    let record = split_cid_record(&hidden, 6).unwrap();
    assert_eq!((record.header.content_type, record.header.epoch), (ContentType::TLS12_CID, Epoch::ONE));
    deliver(vec![hidden], &mut server, START);
    let replies = drain(&mut server, START);
    let (header, body, rest) = split_record(&replies[0]).unwrap();
    assert_eq!((header.content_type, header.epoch), (ContentType::RETURN_ROUTABILITY_CHECK, Epoch::ONE));
    assert_eq!((body.len(), rest.len(), replies.len()), (8 + 9 + 16, 0, 1));
    deliver(replies, &mut client, START);
    assert_eq!(answers(&mut client), [PathAnswer::Response(cookie)]);
}

#[test]
fn messages_are_not_padded_lest_an_address_gets_more_than_it_sent() {
    fn padded(settings: &mut Settings) {
        ids::<6>(settings);
        settings.padding = Padding::ToMultipleOf(NonZeroU16::new(1000).unwrap());
    }
    let (mut client, mut server) = pair(padded, padded).connect();
    let (_, datagram) = challenge(&mut client);
    assert_eq!(datagram.len(), 13 + 6 + 8 + 9 + 1 + 16);
    deliver(vec![datagram], &mut server, START);
    assert_eq!(replies(&mut server)[0].len(), 13 + 6 + 8 + 9 + 1 + 16);
}

#[test]
fn what_arrives_on_a_path_that_was_left_is_answered_by_path_drop() {
    let (mut client, mut server) = connected();
    let [on_old, on_new] = [(); 2].map(|()| challenge(&mut server));
    client.set_path(Path::Left);
    deliver(vec![on_old.1], &mut client, START);
    client.set_path(Path::Preferred);
    deliver(vec![on_new.1], &mut client, START);
    deliver(replies(&mut client), &mut server, START);
    assert_eq!(answers(&mut server), [PathAnswer::Drop(on_old.0), PathAnswer::Response(on_new.0)]);
}

#[test]
fn every_challenge_has_another_cookie() {
    let (mut client, _) = connected();
    let mut cookies: Vec<_> = (0..64).map(|_| challenge(&mut client).0.0).collect();
    cookies.sort_unstable();
    cookies.dedup();
    assert_eq!(cookies.len(), 64);
}

#[test]
fn an_answer_to_no_challenge_or_to_one_that_was_answered_or_forgotten_has_no_effect() {
    let (mut client, mut server) = connected();
    let (cookie, _) = challenge(&mut client);
    let (forgotten, _) = challenge(&mut client);
    client.forget_challenge(forgotten);
    let mut wrong = cookie;
    wrong.0[7] ^= 1;
    let mut count = 0;
    for message in [
        PathMessage::Response(wrong),
        PathMessage::Drop(wrong),
        PathMessage::Response(forgotten),
        PathMessage::Drop(forgotten),
    ] {
        let record = path_record(&mut server, &message);
        deliver(vec![record], &mut client, START);
        count += 1;
        assert_eq!(client.stats().discarded(Discard::UnusablePathMessage), count);
        assert_eq!(answers(&mut client), []);
    }
    for message in [PathMessage::Drop(cookie), PathMessage::Drop(cookie), PathMessage::Response(cookie)] {
        let record = path_record(&mut server, &message);
        deliver(vec![record], &mut client, START);
    }
    assert_eq!(answers(&mut client), [PathAnswer::Drop(cookie)]);
    assert_eq!(client.stats().discarded(Discard::UnusablePathMessage), count + 2);
    // An answer that the owner has not taken may be forgotten, too.
    let (cookie, _) = challenge(&mut client);
    let record = path_record(&mut server, &PathMessage::Response(cookie));
    deliver(vec![record], &mut client, START);
    client.forget_challenge(cookie);
    assert_eq!(answers(&mut client), []);
    assert_eq!((client.poll_event(), drain(&mut client, START)), (None, vec![]));
}

#[test]
fn what_is_malformed_or_of_an_unknown_type_is_dropped_and_the_session_goes_on() {
    let (mut client, mut server) = connected();
    let bodies = [&[][..], &[0], &[0; 8], &[0; 10], &[1; 8], &[2; 30], &[3], &[3; 9], &[255; 100]];
    for (count, body) in bodies.into_iter().enumerate() {
        let record = sealed_record(&mut client, ContentType::RETURN_ROUTABILITY_CHECK, body);
        deliver(vec![record], &mut server, START);
        let count = u32::try_from(count).unwrap() + 1;
        assert_eq!(server.stats().discarded(Discard::UnusablePathMessage), count, "{body:?}");
        assert_eq!((replies(&mut server), answers(&mut server), server.poll_event()), (vec![], vec![], None));
    }
    let unknown = PathMessage::Unknown { typ: RrcMessageType(77), body: b"from the future" };
    let record = path_record(&mut client, &unknown);
    deliver(vec![record], &mut server, START);
    assert_eq!(ping(&mut client, &mut server), [b"ping"]);
}

#[test]
fn messages_that_were_not_agreed_on_or_are_in_the_clear_are_dropped() {
    let message = PathMessage::Challenge(PathCookie([7; 8]));
    for settings in [OFF, ids_without_checks] {
        let (mut client, mut server) = pair(settings, settings).connect();
        let record = path_record(&mut client, &message);
        deliver(vec![record], &mut server, START);
        assert_eq!(server.stats().discarded(Discard::UnexpectedContentType), 1);
        assert_eq!((replies(&mut server), drain(&mut server, START)), (vec![], vec![]));
    }
    let in_the_clear = plaintext_record(ContentType::RETURN_ROUTABILITY_CHECK, &message.to_vec());
    // While the handshake is under way, and afterwards.
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(vec![in_the_clear.clone()], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::UnexpectedContentType), 1);
    assert_eq!(server.challenge_path(&mut vec![]), Err(SendError::NotConnected));
    exchange(&mut client, &mut server, START);
    deliver(vec![in_the_clear], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::PastEpoch), 1);
    assert_eq!((replies(&mut server), drain(&mut server, START)), (vec![], vec![]));
}

#[test]
fn a_challenge_before_the_handshake_is_complete_is_not_answered() {
    let (mut client, mut server) = pair(ids::<4>, ids::<6>).build();
    deliver(drain(&mut client, START), &mut server, START);
    deliver(drain(&mut server, START), &mut client, START);
    let flight_5 = drain(&mut client, START).concat();
    let finished_at = flight_5.len() - (13 + 6 + 24 + 24 + 1);
    // The server has its keys with the ClientKeyExchange, and does not yet know who it is.
    let (before, finished) = flight_5.split_at(finished_at);
    let (_, _, change_cipher_spec) = split_record(before).unwrap();
    let (key_exchange, change_cipher_spec) = before.split_at(before.len() - change_cipher_spec.len());
    deliver(vec![key_exchange.to_vec()], &mut server, START);
    let record = path_record(&mut client, &PathMessage::Challenge(PathCookie([7; 8])));
    deliver(vec![record], &mut server, START);
    assert_eq!(server.stats().discarded(Discard::UnexpectedContentType), 1);
    deliver(vec![change_cipher_spec.to_vec(), finished.to_vec()], &mut server, START);
    assert_eq!(server.poll_event(), Some(Event::Connected));
    assert_eq!(replies(&mut server), Vec::<Vec<u8>>::new());
}

#[test]
fn a_flood_of_challenges_takes_no_more_room_than_is_set_aside() {
    let (mut client, mut server) = connected();
    let memory = server.memory();
    for _ in 0..100 {
        let (_, datagram) = challenge(&mut client);
        deliver(vec![datagram], &mut server, START);
    }
    assert_eq!(server.stats().discarded(Discard::UnusablePathMessage), 100 - 32);
    let late = replies(&mut server);
    assert_eq!((late.len(), server.memory()), (32, memory));
    // Of those that asked, the latest eight have not been forgotten, and their challenges were not answered.
    deliver(late, &mut client, START);
    assert_eq!(answers(&mut client), []);
    let cookies: Vec<_> = (0..9)
        .map(|_| {
            let (cookie, datagram) = challenge(&mut client);
            deliver(vec![datagram], &mut server, START);
            cookie
        })
        .collect();
    deliver(replies(&mut server), &mut client, START);
    let expected: Vec<_> = cookies[1..].iter().map(|cookie| PathAnswer::Response(*cookie)).collect();
    assert_eq!(answers(&mut client), expected);
}

#[test]
fn answers_that_nobody_takes_give_way_to_newer_ones() {
    let (mut client, mut server) = connected();
    let cookies: Vec<_> = (0..20)
        .map(|_| {
            let (cookie, datagram) = challenge(&mut client);
            deliver(vec![datagram], &mut server, START);
            deliver(replies(&mut server), &mut client, START);
            cookie
        })
        .collect();
    let expected: Vec<_> = cookies[12..].iter().map(|cookie| PathAnswer::Response(*cookie)).collect();
    assert_eq!(answers(&mut client), expected);
}

#[test]
fn when_a_connection_is_over_nothing_is_asked_or_answered() {
    let (mut client, mut server) = connected();
    let (_, datagram) = challenge(&mut client);
    deliver(vec![datagram], &mut server, START);
    server.close();
    assert_eq!(replies(&mut server), Vec::<Vec<u8>>::new());
    assert_eq!(drain(&mut server, START).len(), 1, "the goodbye alone");
    assert_eq!(server.challenge_path(&mut vec![]), Err(SendError::Closed));
    assert_eq!(server.probe_mtu(1000, &mut vec![]), Err(SendError::Closed));
    assert_eq!(server.send_padded(b"x", 1000, &mut vec![]), Err(SendError::Closed));
    assert_eq!(answers(&mut server), []);
}

#[test]
fn numbers_that_are_used_up_end_the_connection_also_here() {
    for by_reply in [false, true] {
        let (mut client, mut server) = connected();
        if by_reply {
            let (_, datagram) = challenge(&mut server);
            deliver(vec![datagram], &mut client, START);
        }
        client.outbound.skip_to(RecordNumber::MAX);
        client.send(b"last", &mut vec![]).unwrap();
        if by_reply {
            assert_eq!(replies(&mut client), Vec::<Vec<u8>>::new());
        } else {
            assert_eq!(client.challenge_path(&mut vec![]), Err(SendError::Exhausted));
        }
        assert_eq!(client.poll_event(), Some(Event::Failed(Error::NumbersExhausted)));
    }
}
