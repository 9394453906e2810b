//! Datagrams, records and messages of wrong form.

use dtls_core::wire::codec::Encode as _;
use dtls_core::wire::enums::{CipherSuiteId, CompressionMethod, ContentType, HandshakeType, ProtocolVersion};
use dtls_core::wire::record::RecordHeader;
use dtls_core::{Error, Role};
use dtls_tests::dice::Dice;
use dtls_tests::raw;

use crate::play::Play;

/// Everything that no honest end sends in the clear in any state, and that says so by its form alone.
fn malformed() -> Vec<(String, Vec<u8>)> {
    let mut junk = Vec::new();
    let mut add = |what: &str, bytes: Vec<u8>| junk.push((what.to_owned(), bytes));
    let body = raw::message(HandshakeType::CERTIFICATE, 2, &[0; 40]);
    let whole = raw::handshake(5, &body);
    for len in 0..RecordHeader::LEN {
        add("a piece of a record header", whole[..len].to_vec());
    }
    add("a record without its last byte", whole[..whole.len() - 1].to_vec());
    let (handshake, version) = (ContentType::HANDSHAKE, ProtocolVersion::DTLS_1_2);
    add("a record that claims 8192 bytes", raw::record_with(handshake, version, 0, 5, 0x2000, &[0; 20]));
    add("a record above the maximum", raw::record(handshake, 0, 5, &vec![0; 0x4801]));
    add("5000 empty records", raw::handshake(5, &[]).repeat(5000));
    for typ in [0, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 255] {
        add("an empty record", raw::record(ContentType(typ), 0, 5, &[]));
    }
    for typ in [0, 19, 24, 25, 26, 27, 28, 64, 255] {
        add("a record of unknown type", raw::record(ContentType(typ), 0, 5, &[1, 64, 0]));
    }
    for other in [0x0303, 0x0100, 0xfefe, 0xfefc, 0x0000, 0xffff] {
        let record = raw::record_with(handshake, ProtocolVersion(other), 0, 5, body.len() as u16, &body);
        add("a record of another version", record);
    }
    let mut dice = Dice::new(1);
    for first in (0..4).chain(16..20).chain(0x20..0x40).chain(64..80).chain([128, 150, 191, 192, 200, 255]) {
        let mut bytes = dice.bytes(40);
        bytes[0] = first;
        add("a datagram of another protocol", bytes);
    }
    for len in 1..12 {
        add("a piece of a fragment header", raw::handshake(5, &body[..len]));
    }
    let long = raw::message(HandshakeType::CERTIFICATE, 2, &[0x55; 40]);
    let (head, rest) = long.split_at(30);
    add("a fragment that goes on in the next record", [raw::handshake(5, head), raw::handshake(6, rest)].concat());
    for (typ, claimed) in [(11, 41), (11, 0xff_ffff), (16, 16_777_198), (1, 100)] {
        let fragment = raw::fragment_with(HandshakeType(typ), claimed, 2, 0, claimed, &[0; 40]);
        add("a fragment longer than its record", raw::handshake(5, &fragment));
    }
    for (total, offset, len) in [(100, 100, 1), (100, 99, 2), (100, 50, 51), (100, 0xff_ffff, 1), (0, 0, 1), (0, 1, 1)]
    {
        let fragment = raw::fragment(HandshakeType::CERTIFICATE, total, 2, offset, &vec![0; len]);
        add("a fragment beyond its message", raw::handshake(5, &fragment));
    }
    for offset in [0, 1, 50, 99, 100, 101, 0xff_ffff] {
        let fragment = raw::fragment(HandshakeType::CERTIFICATE, 100, 2, offset, &[]);
        add("a fragment without a byte of its message", raw::handshake(5, &fragment));
    }
    for ahead in [0, 1, 5] {
        let fragment = raw::fragment(HandshakeType::CERTIFICATE, 0xff_ffff, 2 + ahead, 0, &[0]);
        add("a message of 16 MB", raw::handshake(5, &fragment));
    }
    for seq in [30, 100, 1000, 65_535] {
        add(
            "a message from the far future",
            raw::handshake(5, &raw::message(HandshakeType::CERTIFICATE, seq, &[0; 100])),
        );
    }
    for body in [&[1][..], &[2, 40, 0], &[2, 40, 2, 40]] {
        add("an alert of another size", raw::record(ContentType::ALERT, 0, 5, body));
    }
    for body in [&[0][..], &[2], &[1, 1]] {
        add("a ChangeCipherSpec that is none", raw::record(ContentType::CHANGE_CIPHER_SPEC, 0, 5, body));
    }
    for body in [&b""[..], b"attack"] {
        add("application data in the clear", raw::record(ContentType::APPLICATION_DATA, 0, 5, body));
    }
    for epoch in [2, 3, 255, 65_535] {
        for typ in [20, 21, 22, 23] {
            add("a record of an epoch there is none", raw::record(ContentType(typ), epoch, 5, &[7; 60]));
        }
    }
    junk
}

#[test]
fn what_is_malformed_is_dropped_in_every_state_and_the_honest_peer_goes_on() {
    let junk = malformed();
    for (role, step) in Play::every_state() {
        let mut play = Play::at(role, step);
        for (what, datagram) in &junk {
            play.assert_discards(what, datagram);
        }
        play.finish();
    }
}

#[test]
fn random_bytes_are_dropped_in_every_state() {
    for (role, step) in Play::every_state() {
        let mut dice = Dice::new(step as u64);
        let mut play = Play::at(role, step);
        for _ in 0..500 {
            let len = dice.below(200);
            let mut bytes = dice.bytes(len);
            // A ChangeCipherSpec, an alert or a fragment can come about by chance; give it no chance.
            if bytes.len() > 4 {
                bytes[3] = 0xee;
            }
            play.assert_discards("random bytes", &bytes);
        }
        play.finish();
    }
}

#[test]
fn one_bad_record_does_not_spoil_its_datagram() {
    for role in [Role::Server, Role::Client] {
        let bad = [
            raw::record(ContentType::APPLICATION_DATA, 1, 77, &[9; 40]),
            raw::record(ContentType::APPLICATION_DATA, 0, 77, b"clear"),
            raw::record(ContentType(99), 1, 77, &[9; 40]),
            raw::record(ContentType::HANDSHAKE, 9, 77, &[9; 40]),
            raw::alert(3, 2, 40),
        ];
        for bad in bad {
            let mut play = Play::connected(role);
            let first = play.peer.sealed(ContentType::APPLICATION_DATA, b"one");
            let second = play.peer.sealed(ContentType::APPLICATION_DATA, b"two");
            play.under_test.give(&[&bad[..], &first, &bad, &first, &second, &[0; 5]].concat());
            assert_eq!(play.under_test.data, [b"one".to_vec(), b"two".to_vec()]);
            play.assert_data_flows();
        }
    }
}

#[test]
fn a_thousand_records_in_one_datagram_are_all_read() {
    let mut play = Play::connected(Role::Server);
    let datagram: Vec<u8> =
        (0..1000).flat_map(|n: u32| play.peer.sealed(ContentType::APPLICATION_DATA, &n.to_be_bytes())).collect();
    assert!(datagram.len() < 65_507);
    play.under_test.give(&datagram);
    let expected: Vec<Vec<u8>> = (0..1000).map(|n: u32| n.to_be_bytes().to_vec()).collect();
    assert_eq!(play.under_test.data, expected);
}

#[test]
fn an_empty_record_of_application_data_is_read_as_an_empty_payload() {
    for role in [Role::Server, Role::Client] {
        let mut play = Play::connected(role);
        let record = play.peer.sealed(ContentType::APPLICATION_DATA, b"");
        play.under_test.give(&record);
        assert_eq!(play.under_test.data, [b"".to_vec()]);
    }
}

#[test]
fn what_stands_behind_a_message_in_its_record_does_not_hurt_it() {
    for (role, step) in Play::every_state() {
        if step == Play::steps(role) || step + 1 == Play::steps(role) {
            continue;
        }
        for junk in [&[0x55; 12][..], &[0xff; 5], &[0; 1]] {
            let mut play = Play::at(role, step);
            let record = play.next();
            let body = [&record[RecordHeader::LEN..], junk].concat();
            let answers = play.under_test.give(&raw::handshake(40, &body));
            play.peer.hear(&answers);
            play.peer.hear_pending_if_possible();
            play.finish();
        }
    }
}

#[test]
fn a_message_cut_off_at_any_byte_is_dropped_and_the_whole_one_repairs_it() {
    let mut repaired = 0;
    for (role, step) in Play::every_state() {
        if step + 1 >= Play::steps(role) {
            continue;
        }
        let honest = Play::at(role, step).next();
        let piece = raw::pieces(&honest).remove(0);
        let (header, body) = piece.fragments().remove(0);
        for len in 0..body.len() {
            let mut play = Play::at(role, step);
            let cut = raw::message(header.typ, header.message_seq.0, &body[..len]);
            let answers = play.under_test.give(&raw::handshake(40, &cut));
            match play.under_test.failure() {
                None if play.under_test.connection.stats().discarded_in_all() > 0 => {
                    assert_eq!(answers, Vec::<Vec<u8>>::new());
                    play.finish();
                    repaired += 1;
                }
                // What parses although it is cut off is a message with another meaning.
                None => assert_eq!(header.typ, HandshakeType::CLIENT_HELLO, "{len}"),
                Some(Error::Malformed(..) | Error::UnexpectedMessage(_)) => panic!("{} cut to {len}", header.typ),
                Some(_) => {}
            }
        }
    }
    assert!(repaired > 1000, "{repaired}");
}

#[test]
fn a_message_with_bytes_too_many_is_dropped_and_the_right_one_repairs_it() {
    for (role, step) in Play::every_state() {
        if step + 1 >= Play::steps(role) {
            continue;
        }
        let mut play = Play::at(role, step);
        let honest = play.next();
        let (header, body) = raw::pieces(&honest)[0].fragments().remove(0);
        for extra in [1, 2, 3, 7] {
            let longer = [&body[..], &vec![0; extra]].concat();
            let answers =
                play.under_test.give(&raw::handshake(40, &raw::message(header.typ, header.message_seq.0, &longer)));
            assert_eq!(answers, Vec::<Vec<u8>>::new());
        }
        let answers = play.under_test.give(&honest);
        play.peer.hear(&answers);
        play.peer.hear_pending_if_possible();
        play.finish();
    }
}

#[test]
fn messages_without_a_body_are_dropped_and_the_right_one_repairs_them() {
    for (role, step) in Play::every_state() {
        if step + 1 >= Play::steps(role) {
            continue;
        }
        for typ in [1, 2, 3, 4, 11, 12, 13, 15, 16, 20] {
            let mut play = Play::at(role, step);
            let honest = play.next();
            let (header, body) = raw::pieces(&honest)[0].fragments().remove(0);
            if body.is_empty() {
                continue;
            }
            let empty = raw::message(HandshakeType(typ), header.message_seq.0, &[]);
            assert_eq!(play.under_test.give(&raw::handshake(40, &empty)), Vec::<Vec<u8>>::new());
            let answers = play.under_test.give(&honest);
            play.peer.hear(&answers);
            play.peer.hear_pending_if_possible();
            play.finish();
        }
    }
}

#[test]
fn a_finished_of_another_size_never_connects() {
    for role in [Role::Server, Role::Client] {
        for len in [0, 1, 11, 13, 36] {
            let mut play = Play::at(role, Play::steps(role) - 1);
            let mut body = play.peer.verify_data().to_vec();
            body.resize(len, 0);
            let message = raw::message(HandshakeType::FINISHED, play.peer.next_seq, &body);
            let ccs = play.peer.change_cipher_spec();
            let sealed = play.peer.sealed(ContentType::HANDSHAKE, &message);
            play.under_test.give(&[ccs, sealed].concat());
            assert!(!play.under_test.was_connected(), "{len}");
        }
    }
}

#[test]
fn hellos_with_odd_or_empty_lists_are_dropped() {
    let build = |change: fn(&mut Vec<u8>)| {
        let mut play = Play::at(Role::Server, 0);
        let mut body = play.peer.client_hello().to_vec();
        change(&mut body);
        let hello = raw::handshake(0, &raw::message(HandshakeType::CLIENT_HELLO, 0, &body));
        assert_eq!(play.under_test.give(&hello), Vec::<Vec<u8>>::new());
        play.finish();
    };
    // Behind version, random, empty session_id and empty cookie stands the length of the suites, one suite, one method.
    build(|body| body[37] = 1);
    build(|body| body[37] = 3);
    build(|body| body[36] = 255);
    build(|body| {
        body[37] = 0;
        body.drain(38..40);
    });
    build(|body| body[34] = 33);
    build(|body| body[34] = 255);
    build(|body| body[35] = 255);
    build(|body| body[40] = 0);
    build(|body| body[43] ^= 1);
    build(|body| body[43] = 0);
}

#[test]
fn a_hello_with_nothing_in_common_ends_with_one_alert_that_says_so() {
    let end = |change: fn(&mut dtls_core::wire::hello::ClientHello<'static>), error: Error, description: u8| {
        let mut play = Play::at(Role::Server, 0);
        let mut hello = play.peer.client_hello();
        change(&mut hello);
        let message = play.peer.say(HandshakeType::CLIENT_HELLO, &hello);
        let answers = play.under_test.give(&raw::handshake(0, &message));
        assert_eq!(play.under_test.failure(), Some(&error));
        assert_eq!(answers, [raw::alert(0, 2, description)]);
        assert_eq!(play.under_test.take(), Vec::<Vec<u8>>::new());
    };
    end(|hello| hello.cipher_suites = vec![CipherSuiteId(0x00ff)], Error::NoCommonCipherSuite, 40);
    end(|hello| hello.cipher_suites = vec![CipherSuiteId(0), CipherSuiteId(0xc018)], Error::NoCommonCipherSuite, 40);
    end(|hello| hello.compression_methods = vec![CompressionMethod(1)], Error::NullCompressionNotOffered, 47);
    end(|hello| hello.version = ProtocolVersion::DTLS_1_0, Error::UnsupportedVersion(ProtocolVersion::DTLS_1_0), 70);
    end(|hello| hello.version = ProtocolVersion(0x0303), Error::UnsupportedVersion(ProtocolVersion(0x0303)), 70);
    end(|hello| hello.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing, 40);
    end(|hello| hello.extensions.signature_schemes = None, Error::NoCommonSignatureScheme, 40);
    end(|hello| hello.extensions.renegotiation_info = Some(b"x"), Error::RenegotiationInfoNotEmpty, 40);
}
