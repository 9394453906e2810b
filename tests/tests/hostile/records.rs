//! Protected records, and everything that is not: epochs, replay, alerts, and what comes after the handshake.

use core::time::Duration;

use dtls_core::wire::enums::{AlertDescription, ContentType, HandshakeType};
use dtls_core::wire::record::RecordHeader;
use dtls_core::{Discard, Error, Event, ExportError, Role, SendError};
use dtls_tests::dice::Dice;
use dtls_tests::raw;

use crate::play::Play;

const BOTH: [Role; 2] = [Role::Server, Role::Client];

// --- what anyone can send ---

#[test]
fn nothing_in_the_clear_has_an_effect_on_a_connection_that_is_established() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for number in [0, 1, 7, 1 << 40, (1 << 48) - 1] {
            for typ in [20, 21, 22, 23] {
                for body in [&[1][..], &[1, 0], &[2, 40], &[1, 90], b"attack"] {
                    play.assert_discards("a plain record", &raw::record(ContentType(typ), 0, number, body));
                }
            }
            for typ in 0..=24 {
                for seq in 0..8 {
                    let message = raw::message(HandshakeType(typ), seq, &[0; 12]);
                    play.assert_discards("a plain message", &raw::handshake(number, &message));
                }
            }
        }
        play.assert_data_flows();
    }
}

#[test]
fn every_datagram_of_the_handshake_may_come_again_when_it_is_over() {
    for role in BOTH {
        let mut play = Play::at(role, 0);
        let mut sent = Vec::new();
        for _ in 0..Play::steps(role) {
            let datagram = play.next();
            let answers = play.under_test.give(&datagram);
            play.peer.hear(&answers);
            play.peer.hear_pending_if_possible();
            sent.push(datagram);
        }
        for _ in 0..50 {
            for datagram in &sent {
                play.assert_discards("an old datagram", datagram);
            }
        }
        play.assert_data_flows();
    }
}

#[test]
fn forged_records_are_dropped_whatever_they_say_and_whatever_their_number_is() {
    let mut dice = Dice::new(5);
    for role in BOTH {
        let mut play = Play::connected(role);
        for round in 0..5000_u64 {
            let number = *dice.pick(&[round, 1, 3, 200, 1 << 32, (1 << 48) - 2, (1 << 48) - 1]);
            let typ = ContentType(*dice.pick(&[20, 21, 22, 23, 24, 25]));
            let len = dice.below(120);
            play.assert_discards("a forged record", &raw::record(typ, 1, number, &dice.bytes(len)));
        }
        // Had one of them moved the replay window, this would be too old.
        play.assert_data_flows();
        assert!(play.under_test.connection.stats().discarded(Discard::NotAuthentic) > 0);
    }
}

#[test]
fn a_record_with_any_bit_changed_is_dropped_and_the_right_one_is_read() {
    for role in BOTH {
        let mut play = Play::connected(role);
        let honest = play.peer.sealed(ContentType::APPLICATION_DATA, b"sixteen bytes ok");
        for byte in 0..honest.len() {
            for bit in 0..8 {
                let mut changed = honest.clone();
                changed[byte] ^= 1 << bit;
                play.assert_discards("a changed record", &changed);
            }
        }
        play.under_test.give(&honest);
        assert_eq!(play.under_test.data, [b"sixteen bytes ok".to_vec()]);
    }
}

#[test]
fn a_record_shorter_than_its_protection_is_dropped() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for len in 0..=26 {
            play.assert_discards("a short record", &raw::record(ContentType::APPLICATION_DATA, 1, 900, &vec![0; len]));
        }
        play.assert_data_flows();
    }
}

#[test]
fn nothing_can_be_read_in_the_buffer_of_a_record_that_is_not_authentic() {
    let secret = b"a plaintext of forty bytes, all of it ok";
    for role in BOTH {
        let mut play = Play::connected(role);
        let mut forged = play.peer.sealed(ContentType::APPLICATION_DATA, secret);
        *forged.last_mut().unwrap() ^= 1;
        assert_eq!(play.under_test.connection.receive(play.under_test.now, &mut forged).count(), 0);
        assert!(!forged.windows(8).any(|window| secret.windows(8).any(|part| part == window)));
    }
}

#[test]
fn ten_thousand_records_ahead_of_their_key_do_not_stop_the_handshake() {
    for role in BOTH {
        for step in 0..Play::steps(role) {
            let mut play = Play::at(role, step);
            let mut dice = Dice::new(step as u64);
            for number in 0..10_000 {
                let len = dice.below(300);
                let forged = raw::record(ContentType::HANDSHAKE, 1, number, &dice.bytes(len));
                assert_eq!(play.under_test.give(&forged), Vec::<Vec<u8>>::new());
            }
            let held = format!("{:?}", play.under_test.connection).matches("HeldRecord").count();
            assert!(held <= 8, "{held} are held");
            play.finish();
        }
    }
}

// --- what only the peer can send ---

#[test]
fn a_record_is_read_once_however_late_its_copy_comes() {
    for role in BOTH {
        let mut play = Play::connected(role);
        let records: Vec<Vec<u8>> =
            (0..600_u32).map(|n| play.peer.sealed(ContentType::APPLICATION_DATA, &n.to_be_bytes())).collect();
        for (at, record) in records.iter().enumerate() {
            play.under_test.give(record);
            assert_eq!(play.under_test.data.len(), at + 1);
            for distance in [0, 1, 2, 31, 32, 33, 63, 64, 65, 127, 128, 254, 255, 256, 257, 500] {
                if let Some(index) = at.checked_sub(distance) {
                    play.assert_discards("a replay", &records[index]);
                }
            }
        }
    }
}

#[test]
fn records_in_disorder_are_all_read_once_within_the_window() {
    for role in BOTH {
        for seed in 0..5 {
            let mut play = Play::connected(role);
            let mut records: Vec<Vec<u8>> =
                (0..250_u32).map(|n| play.peer.sealed(ContentType::APPLICATION_DATA, &n.to_be_bytes())).collect();
            Dice::new(seed).shuffle(&mut records);
            for record in records.iter().chain(&records) {
                play.under_test.give(record);
            }
            let mut data = play.under_test.data.clone();
            data.sort();
            assert_eq!(data, (0..250_u32).map(|n| n.to_be_bytes().to_vec()).collect::<Vec<_>>());
        }
    }
}

#[test]
fn record_numbers_may_jump_as_far_as_they_can() {
    for role in BOTH {
        let mut play = Play::connected(role);
        let mut number = 10;
        for jump in [1, 63, 64, 65, 127, 128, 255, 256, 257, 1 << 31, 1 << 32, 1 << 47] {
            number += jump;
            let record = play.peer.sealed_at(number, ContentType::APPLICATION_DATA, b"far");
            let before = play.peer.sealed_at(number - 1, ContentType::APPLICATION_DATA, b"near");
            play.under_test.data.clear();
            play.under_test.give(&record);
            play.assert_discards("a replay after a jump", &record);
            play.under_test.give(&before);
            let expected: &[&[u8]] = if jump == 1 { &[b"far"] } else { &[b"far", b"near"] };
            // A jump of one leaves no number between; the one before was read in the round before, except at first.
            assert!(play.under_test.data == expected || jump == 1, "{jump}: {:?}", play.under_test.data);
        }
        let last = play.peer.sealed_at((1 << 48) - 1, ContentType::APPLICATION_DATA, b"last");
        play.under_test.data.clear();
        play.under_test.give(&last);
        play.under_test.give(&last);
        assert_eq!(play.under_test.data, [b"last".to_vec()]);
        let old = play.peer.sealed_at(1 << 40, ContentType::APPLICATION_DATA, b"old");
        play.assert_discards("a record before the window", &old);
    }
}

#[test]
fn data_that_overtakes_finished_is_not_read_and_does_no_harm() {
    for role in BOTH {
        for count in [1, 10, 64, 200, 255, 256, 300] {
            let mut play = Play::at(role, Play::steps(role) - 1);
            let finished = play.next();
            for _ in 0..count {
                let record = play.peer.sealed(ContentType::APPLICATION_DATA, b"early");
                assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
            }
            let answers = play.under_test.give(&finished);
            play.peer.hear(&answers);
            if count > 255 {
                // The window has moved on; the peer will repeat its flight under new numbers.
                assert!(!play.under_test.was_connected());
                let message = finished_message(&play);
                let again = play.peer.sealed(ContentType::HANDSHAKE, &message);
                let answers = play.under_test.give(&again);
                play.peer.hear(&answers);
            }
            assert_eq!(play.under_test.data, Vec::<Vec<u8>>::new());
            play.assert_data_flows();
        }
    }
}

/// The Finished that the peer has said, once more.
fn finished_message(play: &Play) -> Vec<u8> {
    let message = &play.peer.transcript;
    // It is the last, or the one before the answer of the connection under test: both are 24 bytes.
    let tails = [message.len().checked_sub(24), message.len().checked_sub(48)];
    let seq = (play.peer.next_seq - 1).to_be_bytes();
    tails
        .into_iter()
        .flatten()
        .map(|at| &message[at..at + 24])
        .find(|tail| tail[0] == HandshakeType::FINISHED.0 && tail[4..6] == seq)
        .expect("a Finished at the end of the transcript")
        .to_vec()
}

#[test]
fn the_records_of_a_last_flight_in_any_order_connect_with_one_repetition() {
    for role in BOTH {
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        for order in orders {
            let mut play = Play::at(role, Play::steps(role) - 2);
            let before = play.next();
            if role == Role::Client {
                // Flight 6 needs what the client answers.
                let answers = play.under_test.give(&before);
                play.peer.hear(&answers);
                play.peer.hear_pending_if_possible();
            }
            let last = play.next();
            let ccs = last[..RecordHeader::LEN + 1].to_vec();
            let finished = last[RecordHeader::LEN + 1..].to_vec();
            let parts = [before, ccs.clone(), finished];
            let datagram: Vec<u8> = order.iter().flat_map(|index| parts[*index].clone()).collect();
            let answers = play.under_test.give(&datagram);
            play.peer.hear(&answers);
            if !play.under_test.was_connected() {
                let message = finished_message(&play);
                let again = play.peer.sealed(ContentType::HANDSHAKE, &message);
                let answers = play.under_test.give(&[parts[0].clone(), ccs, again].concat());
                play.peer.hear(&answers);
            }
            play.assert_data_flows();
        }
    }
}

#[test]
fn a_type_of_record_that_is_unknown_is_never_read_even_from_the_peer() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for typ in [0, 19, 20, 24, 25, 26, 27, 28, 255] {
            for body in [&[1][..], &[1, 0x40, 0], &[]] {
                let record = play.peer.sealed(ContentType(typ), body);
                let answers = play.under_test.give(&record);
                assert_eq!((answers, play.under_test.data.len()), (vec![], 0), "{typ}");
            }
        }
        play.assert_data_flows();
    }
}

#[test]
fn alerts_of_another_size_are_dropped_even_from_the_peer() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for body in [&[][..], &[2], &[2, 40, 0], &[2, 40, 2, 40]] {
            let record = play.peer.sealed(ContentType::ALERT, body);
            assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
        }
        play.assert_data_flows();
    }
}

#[test]
fn a_fatal_alert_of_the_peer_ends_the_connection_and_is_not_answered() {
    for role in BOTH {
        for (level, description) in [(2, 40), (2, 0xc8), (3, 40), (255, 80), (0, 20)] {
            let mut play = Play::connected(role);
            let record = play.peer.sealed(ContentType::ALERT, &[level, description]);
            assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
            let error = Error::AlertReceived(AlertDescription(description));
            assert_eq!(play.under_test.events, [Event::Connected, Event::Failed(error)]);
        }
    }
}

#[test]
fn a_fatal_alert_under_the_new_keys_ends_a_handshake_at_once() {
    for role in BOTH {
        let mut play = Play::at(role, Play::steps(role) - 1);
        let record = play.peer.sealed(ContentType::ALERT, &[2, 42]);
        assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
        assert_eq!(play.under_test.failure(), Some(&Error::AlertReceived(AlertDescription(42))));
    }
}

#[test]
fn a_few_warnings_are_borne_and_a_flood_is_not() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for _ in 0..20 {
            for _ in 0..10 {
                let record = play.peer.sealed(ContentType::ALERT, &[1, 112]);
                assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
            }
            play.assert_data_flows();
        }
        let mut answers = Vec::new();
        for _ in 0..100 {
            let record = play.peer.sealed(ContentType::ALERT, &[1, 112]);
            answers.extend(play.under_test.give(&record));
        }
        assert_eq!(play.under_test.failure(), Some(&Error::TooManyWarnings));
        assert_eq!(answers.len(), 1, "one alert");
        play.peer.hear(&answers);
        assert_eq!(play.peer.alerts, [(1, [2, 10])]);
    }
}

#[test]
fn a_close_notify_is_answered_once_and_what_comes_later_is_dropped() {
    for role in BOTH {
        let mut play = Play::connected(role);
        let close = play.peer.sealed(ContentType::ALERT, &[1, 0]);
        let answers = play.under_test.give(&close);
        play.peer.hear(&answers);
        assert_eq!(play.peer.alerts, [(1, [1, 0])]);
        assert_eq!(play.under_test.events, [Event::Connected, Event::Closed]);
        let later = [
            play.peer.sealed(ContentType::APPLICATION_DATA, b"late"),
            play.peer.sealed(ContentType::ALERT, &[2, 40]),
            close,
        ];
        for datagram in later {
            play.assert_discards("something after the end", &datagram);
        }
    }
}

#[test]
fn a_connection_that_has_failed_stays_failed() {
    for role in BOTH {
        let mut play = Play::connected(role);
        let alert = play.peer.sealed(ContentType::ALERT, &[2, 40]);
        play.under_test.give(&alert);
        let data = play.peer.sealed(ContentType::APPLICATION_DATA, b"late");
        play.assert_discards("data after a failure", &data);
        let under_test = &mut play.under_test;
        assert_eq!(under_test.connection.send(b"x", &mut Vec::new()), Err(SendError::Closed));
        assert_eq!(under_test.connection.export(b"label", None, &mut [0; 8]), Err(ExportError::NotConnected));
        assert!(under_test.connection.info().is_none());
        assert_eq!(under_test.connection.poll_timeout(), None);
        under_test.now = under_test.now + Duration::from_secs(1000);
        under_test.connection.handle_timeout(under_test.now);
        under_test.connection.close();
        under_test.connection.abort();
        assert_eq!(under_test.take(), Vec::<Vec<u8>>::new());
        assert_eq!(under_test.events.len(), 2);
    }
}

// --- the peer after the handshake ---

#[test]
fn renegotiation_is_refused_by_one_warning_and_the_session_goes_on() {
    for role in BOTH {
        let typ = match role {
            Role::Server => HandshakeType::CLIENT_HELLO,
            Role::Client => HandshakeType::HELLO_REQUEST,
        };
        for seq in [0, 7] {
            let mut play = Play::connected(role);
            let body = if role == Role::Server { vec![0; 60] } else { Vec::new() };
            let mut answers = Vec::new();
            for _ in 0..10 {
                let record = play.peer.sealed(ContentType::HANDSHAKE, &raw::message(typ, seq, &body));
                answers.extend(play.under_test.give(&record));
            }
            assert_eq!(answers.len(), 1);
            play.peer.hear(&answers);
            assert_eq!(play.peer.alerts, [(1, [1, 100])]);
            play.assert_data_flows();
        }
    }
}

#[test]
fn messages_that_come_after_the_handshake_change_nothing() {
    for role in BOTH {
        let mut play = Play::connected(role);
        for typ in [0, 1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 22, 99] {
            let is_renegotiation = (role == Role::Server && typ == 1) || (role == Role::Client && typ == 0);
            if is_renegotiation {
                continue;
            }
            for seq in 0..10 {
                for message in [
                    raw::message(HandshakeType(typ), seq, &[0; 12]),
                    raw::fragment(HandshakeType(typ), 60_000, seq, 100, &[1; 600]),
                ] {
                    let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
                    assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new(), "{typ} {seq}");
                }
            }
        }
        play.assert_data_flows();
    }
}

#[test]
fn a_wrong_finished_after_the_handshake_is_answered_by_nothing_at_a_client() {
    let mut play = Play::connected(Role::Client);
    for seq in 0..10 {
        let message = raw::message(HandshakeType::FINISHED, seq, &[7; 12]);
        let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
        assert_eq!(play.under_test.give(&record), Vec::<Vec<u8>>::new());
    }
    play.assert_data_flows();
}
