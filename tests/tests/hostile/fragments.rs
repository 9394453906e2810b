//! Reassembly under attack: whatever comes before or between, an honest message is put together.

use dtls_core::Role;
use dtls_core::wire::enums::{ContentType, HandshakeType};
use dtls_core::wire::fragment::FragmentHeader;
use dtls_tests::dice::Dice;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::scenario::Scenario;

use crate::play::{Play, SERVER_LEAF, SUITE, client};

/// The states in which a message of some length is next, with its header and body.
fn before_every_message() -> Vec<(Role, usize, FragmentHeader, Vec<u8>)> {
    Play::every_state()
        .into_iter()
        .filter(|(role, step)| step + 1 < Play::steps(*role))
        .filter_map(|(role, step)| {
            let honest = Play::at(role, step).next();
            let (header, body) = raw::pieces(&honest)[0].fragments().remove(0);
            (body.len() >= 4).then_some((role, step, header, body))
        })
        .collect()
}

/// Does `attack` before the honest message, which then comes `times` times; the handshake must complete.
fn assert_repaired(times: usize, attack: impl Fn(&FragmentHeader, &[u8]) -> Vec<Vec<u8>>) {
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        for datagram in attack(&header, &body) {
            assert_eq!(play.under_test.give(&datagram), Vec::<Vec<u8>>::new(), "{:?}", play.under_test.events);
        }
        let honest = play.next();
        for _ in 0..times {
            let answers = play.under_test.give(&honest);
            play.peer.hear(&answers);
        }
        play.peer.hear_pending_if_possible();
        play.finish();
    }
}

fn piece(header: &FragmentHeader, total: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    raw::handshake(50, &raw::fragment(header.typ, total, header.message_seq.0, offset, body))
}

#[test]
fn a_forged_total_length_does_not_freeze_the_handshake() {
    assert_repaired(2, |header, _| vec![piece(header, 4096, 0, &[1])]);
    assert_repaired(2, |header, _| vec![piece(header, 2, 0, &[1])]);
    assert_repaired(2, |header, _| vec![piece(header, 2, 0, &[1]), piece(header, 4096, 1, &[1; 1000])]);
    assert_repaired(2, |header, _| vec![piece(header, header.length + 1, 0, &[1; 3])]);
}

#[test]
fn a_forged_type_does_not_freeze_the_handshake() {
    assert_repaired(2, |header, _| {
        let other = HandshakeType(if header.typ == HandshakeType::CERTIFICATE { 12 } else { 11 });
        vec![raw::handshake(50, &raw::fragment(other, header.length, header.message_seq.0, 0, &[1, 2, 3]))]
    });
}

#[test]
fn fragments_of_different_messages_are_never_merged() {
    // The second half of the message arrives under the next number: it is another message.
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        let half = body.len() / 2;
        let first = piece(&header, header.length, 0, &body[..half]);
        let offset = half as u32;
        let second = raw::handshake(
            51,
            &raw::fragment(header.typ, header.length, header.message_seq.0 + 1, offset, &body[half..]),
        );
        play.under_test.give(&first);
        let before = format!("{:?}", play.under_test.connection);
        let state = before.split("exchange").next().unwrap().to_owned();
        play.under_test.give(&second);
        let after = format!("{:?}", play.under_test.connection);
        assert!(after.starts_with(&state), "the state moved on: {after}");
    }
}

#[test]
fn ten_thousand_fragments_without_a_byte_leave_no_trace() {
    let mut play = Play::at(Role::Client, 1);
    let before = format!("{:?}", play.under_test.connection);
    for number in 0..10_000 {
        let fragment = raw::fragment(HandshakeType::CERTIFICATE, 4000, play.peer.next_seq, 0, &[]);
        play.under_test.give(&raw::handshake(number, &fragment));
    }
    assert_eq!(before, format!("{:?}", play.under_test.connection));
    play.finish();
}

#[test]
fn where_fragments_disagree_the_first_byte_stays() {
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        let honest = play.next();
        let _ = honest;
        let third = body.len() / 3;
        let wrong: Vec<u8> = body.iter().map(|byte| !byte).collect();
        let total = header.length;
        let mut answers = Vec::new();
        for datagram in [
            piece(&header, total, 0, &body[..2 * third]),
            // Says otherwise about what is known, and says the rest of it right.
            piece(&header, total, third as u32, &[&wrong[third..2 * third], &body[2 * third..]].concat()),
            piece(&header, total, 0, &wrong),
        ] {
            answers.extend(play.under_test.give(&datagram));
        }
        play.peer.hear(&answers);
        play.peer.hear_pending_if_possible();
        play.finish();
    }
}

#[test]
fn pieces_of_one_byte_in_any_order_with_copies_are_put_together() {
    for (role, step, header, body) in before_every_message() {
        for seed in 0..3 {
            let mut play = Play::at(role, step);
            let _honest = play.next();
            let mut dice = Dice::new(seed);
            let mut at: Vec<usize> = (0..body.len()).collect();
            if seed > 0 {
                dice.shuffle(&mut at);
            } else {
                at.reverse();
            }
            let mut answers = Vec::new();
            for index in at {
                let datagram = piece(&header, header.length, index as u32, &body[index..=index]);
                let copies = if dice.percent(30) { 2 } else { 1 };
                for _ in 0..copies {
                    answers.extend(play.under_test.give(&datagram));
                }
            }
            play.peer.hear(&answers);
            play.peer.hear_pending_if_possible();
            play.finish();
        }
    }
}

#[test]
fn a_message_may_be_cut_otherwise_when_it_is_sent_again() {
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        let _honest = play.next();
        let (first, second) = (body.len() / 4, body.len() / 2);
        let mut answers = play.under_test.give(&piece(&header, header.length, 0, &body[..first]));
        // The rest of the first time was lost; now the cut lies elsewhere and the first part is lost.
        answers.extend(play.under_test.give(&piece(&header, header.length, second as u32, &body[second..])));
        answers.extend(play.under_test.give(&piece(&header, header.length, 1, &body[1..second + 1])));
        play.peer.hear(&answers);
        play.peer.hear_pending_if_possible();
        play.finish();
    }
}

#[test]
fn a_whole_message_completes_a_half_filled_one() {
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        play.under_test.give(&piece(&header, header.length, 1, &body[1..3]));
        let honest = play.next();
        let answers = play.under_test.give(&honest);
        // Fragments of it that come afterwards are of no use.
        play.under_test.give(&piece(&header, header.length, 0, &body[..2]));
        play.peer.hear(&answers);
        play.peer.hear_pending_if_possible();
        play.finish();
    }
}

#[test]
fn a_changed_copy_of_a_message_that_was_used_changes_nothing() {
    for (role, step, header, body) in before_every_message() {
        let mut play = Play::at(role, step);
        play.go_on();
        let wrong: Vec<u8> = body.iter().map(|byte| !byte).collect();
        for (offset, part) in [(0, &wrong[..]), (1, &wrong[1..3])] {
            // The last message of the peer's flight may be taken for a repetition; nothing else may happen.
            play.under_test.give(&piece(&header, header.length, offset, part));
        }
        assert_eq!(play.under_test.failure(), None);
        play.finish();
    }
}

#[test]
fn several_messages_in_one_record_and_parts_of_others_around_them_are_all_used() {
    let mut under_test = client(&Scenario::new(1).mutual().suite(SUITE));
    let mut peer = Peer::server(SUITE, 3);
    peer.meet(&mut under_test);
    let hello = peer.server_hello();
    let hello = peer.say(HandshakeType::SERVER_HELLO, &hello);
    let certificate = peer.certificate(&dtls_tests::certificates::chain(SERVER_LEAF));
    let exchange = peer.server_key_exchange(dtls_core::wire::enums::NamedGroup::X25519, SERVER_LEAF);
    let done = peer.server_hello_done();
    let cut = |message: &[u8], from: usize, to: usize| {
        let seq = u16::from_be_bytes([message[4], message[5]]);
        let body = &message[12..];
        raw::fragment(HandshakeType(message[0]), body.len() as u32, seq, from as u32, &body[from..to])
    };
    let end = certificate.len() - 12;
    let first = raw::handshake(1, &[&hello[..], &cut(&certificate, 0, 100)].concat());
    let second = raw::handshake(2, &[cut(&certificate, 90, end), exchange.clone(), cut(&done, 0, 0)].concat());
    under_test.give(&first);
    let flight_5 = under_test.give(&second);
    peer.answer_flight_5(&mut under_test, &flight_5);
    assert!(under_test.was_connected(), "{:?}", under_test.events);
}

#[test]
fn a_message_lies_in_one_epoch() {
    for role in [Role::Server, Role::Client] {
        // The first half of Finished in the clear, the second half sealed.
        let mut play = Play::at(role, Play::steps(role) - 1);
        let verify_data = play.peer.verify_data();
        let seq = play.peer.next_seq;
        let half = |offset: u32, body: &[u8]| raw::fragment(HandshakeType::FINISHED, 12, seq, offset, body);
        let ccs = play.peer.change_cipher_spec();
        let plain = raw::handshake(60, &half(0, &verify_data[..6]));
        let sealed = play.peer.sealed(ContentType::HANDSHAKE, &half(6, &verify_data[6..]));
        play.under_test.give(&[ccs, plain, sealed].concat());
        assert!(!play.under_test.was_connected());
        // Two honest copies repair it: the first shows that something is wrong, the second what is right.
        let honest = raw::message(HandshakeType::FINISHED, seq, &verify_data);
        for _ in 0..2 {
            let sealed = play.peer.sealed(ContentType::HANDSHAKE, &honest);
            play.under_test.give(&sealed);
        }
        assert!(play.under_test.was_connected(), "{:?}", play.under_test.connection);
    }
}

#[test]
fn nothing_that_came_too_early_is_left_when_the_handshake_is_over() {
    for role in [Role::Server, Role::Client] {
        let clean = format!("{:?}", Play::connected(role).under_test.connection);
        let mut play = Play::at(role, 1);
        let next = play.peer.next_seq;
        // Beyond what the handshake will use.
        for ahead in 5..8 {
            play.under_test.give(&raw::handshake(70, &raw::message(HandshakeType::HELLO_REQUEST, next + ahead, &[])));
            play.under_test.give(&raw::handshake(
                70,
                &raw::fragment(HandshakeType::CERTIFICATE, 9000, next + ahead, 0, &[1; 900]),
            ));
        }
        while !play.under_test.was_connected() {
            play.go_on();
        }
        assert_eq!(clean, format!("{:?}", play.under_test.connection));
        play.finish();
    }
}

#[test]
fn a_chain_of_32_kilobytes_arrives_in_pieces_of_256_bytes_in_reverse_order_and_three_times() {
    let scenario = Scenario::new(1).suite(SUITE);
    let mut under_test: UnderTest = client(&scenario);
    let mut peer = Peer::server(SUITE, 3);
    peer.meet(&mut under_test);
    let hello = peer.server_hello();
    let hello = peer.say(HandshakeType::SERVER_HELLO, &hello);
    let mut chain = dtls_tests::certificates::chain(SERVER_LEAF);
    chain.extend((0..80).map(|_| dtls_tests::certificates::ca()));
    let certificate = peer.certificate(&chain);
    assert!(certificate.len() > 32_000);
    let exchange = peer.server_key_exchange(dtls_core::wire::enums::NamedGroup::X25519, SERVER_LEAF);
    let done = peer.server_hello_done();
    let mut datagrams = Vec::new();
    for message in [&hello, &certificate, &exchange, &done] {
        let body = &message[12..];
        let seq = u16::from_be_bytes([message[4], message[5]]);
        let total = body.len() as u32;
        for at in (0..body.len().max(1)).step_by(231) {
            let part = &body[at.min(body.len())..body.len().min(at + 231)];
            datagrams.push(raw::handshake(9, &raw::fragment(HandshakeType(message[0]), total, seq, at as u32, part)));
        }
    }
    let mut flight_5 = Vec::new();
    for datagram in datagrams.iter().rev() {
        for _ in 0..3 {
            flight_5.extend(under_test.give(datagram));
        }
    }
    peer.answer_flight_5(&mut under_test, &flight_5);
    assert!(under_test.was_connected(), "{:?}", under_test.events);
}
