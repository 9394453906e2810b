//! The order of messages, and what a handshake proves.

use dtls_core::wire::certificate::{Certificate, CertificateVerify};
use dtls_core::wire::codec::Encode as _;
use dtls_core::wire::enums::{
    AlertDescription, CipherSuiteId, CompressionMethod, ContentType, EcPointFormat, HandshakeType, NamedGroup,
    ProtocolVersion, SignatureScheme, SrtpProfile,
};
use dtls_core::wire::extensions::UseSrtp;
use dtls_core::wire::hello::{Random, ServerHello};
use dtls_core::wire::key_exchange::{EcdheClientKeyExchange, encode_ecdhe_params};
use dtls_core::{Error, Event, Instant, Role};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::scenario::Scenario;

use crate::play::{CLIENT_LEAF, Play, SERVER_LEAF, SUITE, assert_refused, client, server, strict};

const BOTH: [Role; 2] = [Role::Server, Role::Client];

// --- ChangeCipherSpec ---

#[test]
fn a_change_cipher_spec_at_any_time_and_any_number_of_times_changes_no_keys() {
    for (role, step) in Play::every_state() {
        let mut play = Play::at(role, step);
        for number in 0..5 {
            assert_eq!(play.under_test.give(&raw::change_cipher_spec(number)), Vec::<Vec<u8>>::new());
        }
        play.finish();
    }
}

#[test]
fn finished_without_a_change_cipher_spec_waits_for_it() {
    for role in BOTH {
        let mut play = Play::at(role, Play::steps(role) - 1);
        let finished = play.peer.finished();
        play.under_test.give(&finished);
        assert!(!play.under_test.was_connected());
        let answers = play.under_test.give(&raw::change_cipher_spec(60));
        play.peer.hear(&answers);
        play.assert_data_flows();
    }
}

#[test]
fn change_cipher_spec_and_finished_may_overtake_the_message_before_them() {
    // At a client, flight 6 cannot be made before it has answered.
    let mut play = Play::at(Role::Server, 3);
    let verify = play.next();
    let last = play.next();
    assert_eq!(play.under_test.give(&last), Vec::<Vec<u8>>::new());
    assert!(!play.under_test.was_connected());
    let answers = play.under_test.give(&verify);
    play.peer.hear(&answers);
    play.assert_data_flows();
}

#[test]
fn a_right_finished_in_the_clear_is_never_accepted() {
    for role in BOTH {
        let mut play = Play::at(role, Play::steps(role) - 1);
        let body = play.peer.verify_data();
        let message = raw::message(HandshakeType::FINISHED, play.peer.next_seq, &body);
        play.under_test.give(&raw::change_cipher_spec(60));
        assert_eq!(play.under_test.give(&raw::handshake(61, &message)), Vec::<Vec<u8>>::new());
        assert!(!play.under_test.was_connected());
        play.finish();
    }
}

#[test]
fn a_wrong_finished_ends_the_handshake() {
    for role in BOTH {
        for bit in [0, 40, 95] {
            let mut play = Play::at(role, Play::steps(role) - 1);
            let mut body = play.peer.verify_data();
            body[bit / 8] ^= 1 << (bit % 8);
            let message = raw::message(HandshakeType::FINISHED, play.peer.next_seq, &body);
            let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
            let answers = play.under_test.give(&[raw::change_cipher_spec(60), record].concat());
            assert_refused(&play.under_test, &answers, &Error::FinishedMismatch);
        }
    }
}

#[test]
fn the_finished_of_the_other_side_does_not_do() {
    // Reflection: what the connection itself has sent must not convince it.
    let mut play = Play::at(Role::Client, Play::steps(Role::Client) - 1);
    let (_, reflected) = play.peer.heard.iter().find(|(typ, _)| *typ == HandshakeType::FINISHED).unwrap().clone();
    let message = raw::message(HandshakeType::FINISHED, play.peer.next_seq, &reflected);
    let record = play.peer.sealed(ContentType::HANDSHAKE, &message);
    let answers = play.under_test.give(&[raw::change_cipher_spec(60), record].concat());
    assert_refused(&play.under_test, &answers, &Error::FinishedMismatch);
}

#[test]
fn a_side_that_hears_itself_does_not_connect() {
    for role in BOTH {
        let scenario = Scenario::new(1).suite(SUITE);
        let mut under_test = if role == Role::Server { server(&scenario) } else { client(&scenario) };
        let mut answers = under_test.take();
        if role == Role::Server {
            let mut peer = Peer::client(SUITE, 3);
            let hello = peer.client_hello();
            let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
            answers = under_test.give(&raw::handshake(0, &hello));
        }
        for _ in 0..20 {
            let said: Vec<Vec<u8>> = answers.clone();
            answers = said.iter().flat_map(|datagram| under_test.give(datagram)).collect();
            if answers.is_empty() {
                answers = under_test.wait();
            }
        }
        assert!(!under_test.was_connected());
    }
}

// --- left out, repeated, out of order ---

#[test]
fn two_clients_do_not_connect_and_each_ends_at_its_deadline() {
    let scenario = Scenario::new(1).suite(SUITE);
    let mut both = [client(&scenario), client(&scenario)];
    for _ in 0..20 {
        for index in 0..2 {
            for hello in both[index].wait() {
                let answers = both[1 - index].give(&hello);
                assert_eq!(answers, Vec::<Vec<u8>>::new());
            }
        }
    }
    assert!(both.iter().all(|client| client.events == [Event::Failed(Error::HandshakeTimeout)]));
}

#[test]
fn closing_and_aborting_in_any_state_end_it_there_and_every_call_goes_on_working() {
    for (role, step) in Play::every_state() {
        for is_abort in [false, true] {
            let Play { mut under_test, peer, .. } = Play::at(role, step);
            let said = under_test.events.len();
            let connection = &mut under_test.connection;
            if is_abort {
                connection.abort()
            } else {
                connection.close()
            }
            connection.close();
            connection.abort();
            assert!(connection.is_over());
            assert_eq!((connection.poll_timeout(), connection.max_payload()), (None, 0), "{role:?} {step}");
            assert!(connection.send(b"late", &mut Vec::new()).is_err());
            connection.handle_timeout(Instant::ORIGIN);
            let late = raw::handshake(99, &raw::message(HandshakeType::FINISHED, peer.next_seq, &[0; 12]));
            assert_eq!(under_test.give(&late), Vec::<Vec<u8>>::new(), "{role:?} {step}");
            assert_eq!(under_test.events.len(), said, "{role:?} {step}: {:?}", under_test.events);
        }
    }
}

#[test]
fn no_message_can_be_left_out() {
    for role in BOTH {
        for left_out in 0..Play::steps(role) - 1 {
            // The CertificateRequest is the server's to send or not, and without ServerHelloDone nobody has keys.
            if role == Role::Client && left_out >= 3 {
                continue;
            }
            let mut play = Play::of(&strict(), role, left_out);
            let skipped = play.next();
            // As if it had never been: neither number nor transcript know of it.
            let (_, body) = raw::pieces(&skipped)[0].fragments().remove(0);
            play.peer.next_seq -= 1;
            let len = play.peer.transcript.len() - body.len() - 12;
            play.peer.transcript.truncate(len);
            let next = play.next();
            let answers = play.under_test.give(&next);
            let typ = raw::pieces(&next)[0].fragments().first().map(|(header, _)| header.typ);
            if let Some(typ) = typ {
                assert_refused(&play.under_test, &answers, &Error::UnexpectedMessage(typ));
            }
            assert!(!play.under_test.was_connected(), "without message {left_out}");
        }
    }
}

#[test]
fn a_client_that_shows_a_certificate_must_prove_that_it_is_its_own() {
    // With a certificate that is trusted, and straight from ClientKeyExchange to Finished.
    for budget in [0, 8] {
        let scenario = Scenario::new(1).mutual().suite(SUITE).configure(move |settings| settings.fault_budget = budget);
        let mut play = Play::of(&scenario, Role::Server, 3);
        let ccs = play.peer.change_cipher_spec();
        let finished = play.peer.finished();
        let data = play.peer.sealed(ContentType::APPLICATION_DATA, b"let me in");
        play.under_test.give(&[ccs, finished, data].concat());
        assert_eq!(play.under_test.events, []);
        for _ in 0..10 {
            play.under_test.wait();
        }
        // There is nothing to answer: what would be out of place is under a key that is not in use.
        assert_eq!(play.under_test.events, [Event::Failed(Error::HandshakeTimeout)]);
        assert!(play.under_test.data.is_empty());
    }
}

#[test]
fn a_proof_by_another_key_or_over_other_messages_is_refused() {
    // By the key of somebody else.
    let mut play = Play::of(&strict(), Role::Server, 3);
    let verify = play.peer.certificate_verify(Leaf::EcdsaP256);
    let answers = play.under_test.give(&raw::handshake(40, &verify));
    let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
    assert_refused(&play.under_test, &answers, &Error::SignatureSchemeDoesNotFitKey(scheme));

    // By the right key, over a transcript that lacks a byte.
    let mut play = Play::of(&strict(), Role::Server, 3);
    let honest = play.peer.transcript.clone();
    play.peer.transcript.pop();
    let verify = play.peer.certificate_verify(CLIENT_LEAF);
    play.peer.transcript = honest;
    let answers = play.under_test.give(&raw::handshake(40, &verify));
    assert_refused(&play.under_test, &answers, &Error::BadSignature);

    // Nothing at all.
    let mut play = Play::of(&strict(), Role::Server, 3);
    let verify = play.peer.say(
        HandshakeType::CERTIFICATE_VERIFY,
        &CertificateVerify { scheme: SignatureScheme::ED25519, signature: &[] },
    );
    let answers = play.under_test.give(&raw::handshake(40, &verify));
    assert_refused(&play.under_test, &answers, &Error::BadSignature);
}

#[test]
fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let mut play = Play::of(&strict(), Role::Server, 1);
    let empty = play.peer.certificate(&[]);
    let answers = play.under_test.give(&raw::handshake(40, &empty));
    assert_refused(&play.under_test, &answers, &Error::CertificateMissing);
}

#[test]
fn a_certificate_that_is_not_trusted_is_refused_in_either_direction() {
    let mut play = Play::of(&strict(), Role::Server, 1);
    let certificate = play.peer.certificate(&certificates::chain(Leaf::EcdsaP384));
    play.under_test.give(&raw::handshake(40, &certificate));
    let exchange = play.peer.client_key_exchange();
    play.under_test.give(&raw::handshake(41, &exchange));
    let verify = play.peer.certificate_verify(Leaf::EcdsaP384);
    let answers = play.under_test.give(&raw::handshake(42, &verify));
    assert_refused(&play.under_test, &answers, &Error::Certificate(dtls_core::CertificateError::NotPinned));

    let mut play = Play::of(&strict(), Role::Client, 0);
    let flight = play.peer.flight_4(Leaf::EcdsaP384);
    let answers = play.under_test.give(&flight);
    assert_refused(&play.under_test, &answers, &Error::Certificate(dtls_core::CertificateError::NotPinned));
}

#[test]
fn a_message_that_comes_twice_under_two_numbers_is_refused() {
    for role in BOTH {
        // A second hello is no fault: the client may have followed another cookie.
        for step in usize::from(role == Role::Server)..Play::steps(role) - 1 {
            let mut play = Play::of(&strict(), role, step);
            let honest = play.next();
            let answers = play.under_test.give(&honest);
            play.peer.hear(&answers);
            let (header, body) = raw::pieces(&honest)[0].fragments().remove(0);
            let again = raw::message(header.typ, header.message_seq.0 + 1, &body);
            let answers = play.under_test.give(&raw::handshake(70, &again));
            assert_refused(&play.under_test, &answers, &Error::UnexpectedMessage(header.typ));
        }
    }
}

#[test]
fn a_flight_numbered_in_another_order_is_refused() {
    // All orders of SH, Certificate, SKE, CertificateRequest, SHD as numbered by the server, but the right one.
    let mut honest = Vec::new();
    let mut play = Play::at(Role::Client, 0);
    for _ in 0..5 {
        let datagram = play.next();
        honest.push(raw::pieces(&datagram)[0].fragments().remove(0));
    }
    for order in permutations(5).into_iter().skip(1) {
        let mut play = Play::of(&strict(), Role::Client, 0);
        let mut answers = Vec::new();
        for (seq, index) in order.iter().enumerate() {
            let (header, body) = &honest[*index];
            answers.extend(play.under_test.give(&raw::handshake(9, &raw::message(header.typ, seq as u16, body))));
        }
        // Without a request the flight may end earlier; then what follows is out of place and the handshake is stuck.
        let ended_early = order[..4] == [0, 1, 2, 4];
        assert!(play.under_test.failure().is_some() || ended_early, "{order:?}: {:?}", play.under_test.events);
        assert!(!play.under_test.was_connected());
    }
}

#[test]
fn an_honest_flight_may_arrive_in_any_order() {
    for order in permutations(5) {
        let mut play = Play::at(Role::Client, 0);
        let flight: Vec<Vec<u8>> = (0..5).map(|_| play.next()).collect();
        let answers: Vec<Vec<u8>> = order.iter().flat_map(|index| play.under_test.give(&flight[*index])).collect();
        play.peer.hear(&answers);
        play.peer.hear_pending_if_possible();
        play.finish();
    }
    for order in permutations(4) {
        let mut play = Play::at(Role::Server, 1);
        let flight: Vec<Vec<u8>> = (0..4).map(|_| play.next()).collect();
        let answers: Vec<Vec<u8>> = order.iter().flat_map(|index| play.under_test.give(&flight[*index])).collect();
        play.peer.hear(&answers);
        play.finish();
    }
}

fn permutations(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for shorter in permutations(len - 1) {
        for at in (0..len).rev() {
            let mut longer = shorter.clone();
            longer.insert(at, len - 1);
            all.push(longer);
        }
    }
    all
}

#[test]
fn a_few_messages_out_of_place_are_forgiven_and_many_are_not() {
    for role in BOTH {
        for step in 0..Play::steps(role) - 1 {
            let mut play = Play::at(role, step);
            let seq = play.peer.next_seq;
            for round in 0..8 {
                let stray = raw::message(HandshakeType::NEW_SESSION_TICKET, seq, &[round; 20]);
                assert_eq!(play.under_test.give(&raw::handshake(60, &stray)), Vec::<Vec<u8>>::new());
            }
            play.finish();

            let mut play = Play::at(role, step);
            let mut answers = Vec::new();
            for round in 0..9 {
                let stray = raw::message(HandshakeType::NEW_SESSION_TICKET, seq, &[round; 20]);
                answers.extend(play.under_test.give(&raw::handshake(60, &stray)));
            }
            assert_refused(&play.under_test, &answers, &Error::UnexpectedMessage(HandshakeType::NEW_SESSION_TICKET));
        }
    }
}

#[test]
fn a_newer_hello_of_the_same_client_is_no_fault_of_his() {
    // He has followed two cookies, and the server has answered the first hello: copies of the second come late.
    for budget in [0, 8] {
        for step in 1..Play::steps(Role::Server) {
            let scenario =
                Scenario::new(1).mutual().suite(SUITE).configure(move |settings| settings.fault_budget = budget);
            let mut play = Play::of(&scenario, Role::Server, step);
            let hello = play.peer.client_hello().to_vec();
            for number in 0..20 {
                for seq in 1..=4 {
                    let newer = raw::message(HandshakeType::CLIENT_HELLO, seq, &hello);
                    play.under_test.give(&raw::handshake(60 + number, &newer));
                }
            }
            assert_eq!(play.under_test.failure(), None, "step {step} with a budget of {budget}");
            play.finish();
        }
    }
}

#[test]
fn a_hello_request_during_the_handshake_is_ignored_and_not_hashed() {
    for step in 0..Play::steps(Role::Client) {
        let mut play = Play::at(Role::Client, step);
        for _ in 0..100 {
            let request = raw::message(HandshakeType::HELLO_REQUEST, play.peer.next_seq, &[]);
            assert_eq!(play.under_test.give(&raw::handshake(60, &request)), Vec::<Vec<u8>>::new());
        }
        play.finish();
    }
}

// --- what a server must not choose ---

/// Gives a client a ServerHello that was changed.
fn answer_with(scenario: &Scenario, change: impl FnOnce(&mut ServerHello<'static>)) -> (UnderTest, Vec<Vec<u8>>) {
    let mut under_test = client(scenario);
    let mut peer = Peer::server(SUITE, 3);
    peer.meet(&mut under_test);
    let mut hello = peer.server_hello();
    change(&mut hello);
    let message = peer.say(HandshakeType::SERVER_HELLO, &hello);
    let answers = under_test.give(&raw::handshake(0, &message));
    (under_test, answers)
}

#[test]
fn a_server_that_chooses_what_was_not_offered_is_refused() {
    type Change = fn(&mut ServerHello<'static>);
    let rsa = CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let cases: [(Change, Error); 14] = [
        (
            |hello| hello.cipher_suite = CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            Error::ServerHelloChoseUnofferedSuite(rsa),
        ),
        (|hello| hello.cipher_suite = CipherSuiteId(0), Error::ServerHelloChoseUnofferedSuite(CipherSuiteId(0))),
        (|hello| hello.cipher_suite = CipherSuiteId(0xff), Error::ServerHelloChoseUnofferedSuite(CipherSuiteId(0xff))),
        (
            |hello| hello.cipher_suite = CipherSuiteId(0x1301),
            Error::ServerHelloChoseUnofferedSuite(CipherSuiteId(0x1301)),
        ),
        (|hello| hello.version = ProtocolVersion::DTLS_1_0, Error::UnsupportedVersion(ProtocolVersion::DTLS_1_0)),
        (|hello| hello.version = ProtocolVersion(0xfefc), Error::UnsupportedVersion(ProtocolVersion(0xfefc))),
        (|hello| hello.version = ProtocolVersion(0x0303), Error::UnsupportedVersion(ProtocolVersion(0x0303))),
        (|hello| hello.compression_method = CompressionMethod(1), Error::ServerHelloChoseCompression),
        (
            |hello| hello.extensions.alpn = Some(b"h2"),
            Error::ServerHelloSentUnofferedExtension(dtls_core::wire::enums::ExtensionType::ALPN),
        ),
        (
            |hello| {
                hello.extensions.use_srtp = Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: &[] });
            },
            Error::ServerHelloSentUnofferedExtension(dtls_core::wire::enums::ExtensionType::USE_SRTP),
        ),
        (
            |hello| hello.extensions.session_ticket = true,
            Error::ServerHelloSentUnofferedExtension(dtls_core::wire::enums::ExtensionType::SESSION_TICKET),
        ),
        (|hello| hello.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
        (|hello| hello.extensions.renegotiation_info = None, Error::RenegotiationInfoMissing),
        (|hello| hello.extensions.renegotiation_info = Some(b"x"), Error::RenegotiationInfoNotEmpty),
    ];
    for (change, error) in cases {
        let (under_test, answers) = answer_with(&Scenario::new(1).suite(SUITE), change);
        assert_refused(&under_test, &answers, &error);
    }
    let (under_test, answers) = answer_with(&Scenario::new(1).suite(SUITE), |hello| {
        hello.extensions.ec_point_formats = Some(vec![EcPointFormat(1)]);
    });
    assert_refused(&under_test, &answers, &Error::UncompressedPointsRefused);
}

#[test]
fn a_server_that_chooses_another_protocol_profile_or_key_identifier_is_refused() {
    let scenario = Scenario::new(1).suite(SUITE).with_extensions();
    let (under_test, answers) = answer_with(&scenario, |hello| hello.extensions.alpn = Some(b"h2"));
    assert_refused(&under_test, &answers, &Error::ServerHelloChoseUnofferedProtocol);
    for profiles in [vec![SrtpProfile::AEAD_AES_256_GCM], vec![SrtpProfile(9)]] {
        let (under_test, answers) = answer_with(&scenario, |hello| {
            hello.extensions.use_srtp = Some(UseSrtp { profiles, mki: &[] });
        });
        assert_refused(&under_test, &answers, &Error::ServerHelloChoseUnofferedSrtpProfile);
    }
    let (under_test, answers) = answer_with(&scenario, |hello| {
        hello.extensions.use_srtp = Some(UseSrtp { profiles: vec![SrtpProfile::AEAD_AES_128_GCM], mki: b"other" });
    });
    assert_refused(&under_test, &answers, &Error::ServerHelloChangedMki);
}

#[test]
fn a_server_without_a_certificate_is_refused() {
    let mut play = Play::of(&strict(), Role::Client, 1);
    let empty = play.peer.say(HandshakeType::CERTIFICATE, &Certificate { chain: Vec::new() });
    let answers = play.under_test.give(&raw::handshake(1, &empty));
    assert_refused(&play.under_test, &answers, &Error::CertificateMissing);
}

// --- key exchange ---

#[test]
fn a_share_that_is_no_point_is_refused_in_either_direction() {
    let mut zeros = vec![0; 65];
    zeros[0] = 4;
    let mut low_order = vec![0; 32];
    let cases: [(NamedGroup, Vec<u8>); 8] = [
        (NamedGroup::X25519, low_order.clone()),
        (NamedGroup::X25519, {
            low_order[0] = 1;
            low_order
        }),
        (NamedGroup::X25519, vec![9; 31]),
        (NamedGroup::X25519, vec![9; 33]),
        (NamedGroup::SECP256R1, zeros),
        (NamedGroup::SECP256R1, vec![4; 65]),
        (NamedGroup::SECP256R1, vec![0]),
        (NamedGroup::SECP384R1, vec![4; 97]),
    ];
    for (group, share) in cases {
        let scenario = Scenario::new(1).suite(SUITE).group(group);
        let mut under_test = client(&scenario);
        let mut peer = Peer::server(SUITE, 3);
        peer.meet(&mut under_test);
        let hello = peer.server_hello();
        let messages = [
            peer.say(HandshakeType::SERVER_HELLO, &hello),
            peer.certificate(&certificates::chain(SERVER_LEAF)),
            peer.server_key_exchange_saying(group, &share, SERVER_LEAF),
            peer.server_hello_done(),
        ];
        let answers = under_test.give(&raw::handshake(0, &messages.concat()));
        assert_refused(&under_test, &answers, &Error::BadKeyShare);

        let mut under_test = server(&scenario);
        let mut peer = Peer::client(SUITE, 3);
        peer.greet(&mut under_test);
        let exchange = peer.say(HandshakeType::CLIENT_KEY_EXCHANGE, &EcdheClientKeyExchange { public_key: &share });
        let answers = under_test.give(&raw::handshake(1, &exchange));
        assert_refused(&under_test, &answers, &Error::BadKeyShare);
    }
}

/// Gives a client a ServerKeyExchange of its own making behind an honest beginning.
fn exchange_with(make: impl FnOnce(&mut Peer) -> Vec<u8>) -> (UnderTest, Vec<Vec<u8>>) {
    let mut play = Play::of(&strict(), Role::Client, 2);
    let message = make(&mut play.peer);
    let answers = play.under_test.give(&raw::handshake(5, &message));
    (play.under_test, answers)
}

#[test]
fn a_group_that_was_not_offered_is_refused() {
    for group in [NamedGroup::SECP521R1, NamedGroup(21), NamedGroup(26), NamedGroup(0x11ec), NamedGroup(0xff01)] {
        let (under_test, answers) = exchange_with(|peer| peer.server_key_exchange_saying(group, &[4; 65], SERVER_LEAF));
        assert_refused(&under_test, &answers, &Error::UnofferedGroup(group));
    }
}

#[test]
fn a_curve_that_the_server_describes_itself_is_refused() {
    for curve_type in [1, 2, 0, 255] {
        let (under_test, answers) = exchange_with(|peer| {
            let params = [&[curve_type, 0, 29, 32][..], &[9; 32]].concat();
            peer.server_key_exchange_signed(&params, SignatureScheme::ECDSA_SECP256R1_SHA256, &[1; 70])
        });
        let fault = dtls_core::wire::codec::DecodeError::ForbiddenValue;
        let error = Error::Malformed(HandshakeType::SERVER_KEY_EXCHANGE, fault);
        assert_refused(&under_test, &answers, &error);
    }
}

#[test]
fn a_signature_of_a_kind_that_was_not_offered_or_does_not_fit_is_refused() {
    let mut params = Vec::new();
    encode_ecdhe_params(&mut params, NamedGroup::X25519, &[9; 32]);
    // MD5, SHA-1, nothing, something unknown.
    for scheme in [0x0101, 0x0201, 0x0203, 0x0000, 0x0003, 0xfefe].map(SignatureScheme) {
        let (under_test, answers) = exchange_with(|peer| peer.server_key_exchange_signed(&params, scheme, &[1; 70]));
        assert_refused(&under_test, &answers, &Error::UnofferedSignatureScheme(scheme));
    }
    for scheme in [SignatureScheme::ED25519, SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::RSA_PSS_RSAE_SHA256] {
        let (under_test, answers) = exchange_with(|peer| peer.server_key_exchange_signed(&params, scheme, &[1; 70]));
        assert_refused(&under_test, &answers, &Error::SignatureSchemeDoesNotFitKey(scheme));
    }
}

#[test]
fn a_signature_by_another_key_or_over_other_randoms_is_refused() {
    // Of another handshake: everything is right but the client's random.
    let (under_test, answers) = exchange_with(|peer| {
        let honest = peer.randoms;
        peer.randoms[0] = [7; 32];
        let message = peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF);
        peer.randoms = honest;
        message
    });
    assert_refused(&under_test, &answers, &Error::BadSignature);
    let (under_test, answers) = exchange_with(|peer| {
        peer.randoms[1] = [7; 32];
        peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF)
    });
    assert_refused(&under_test, &answers, &Error::BadSignature);
    // By a key of the same kind that belongs to somebody else.
    let (under_test, answers) = exchange_with(|peer| peer.server_key_exchange(NamedGroup::X25519, Leaf::Server));
    assert_refused(&under_test, &answers, &Error::BadSignature);
    // For another share than the one that is sent.
    let (under_test, answers) = exchange_with(|peer| {
        let mut message = peer.server_key_exchange(NamedGroup::X25519, SERVER_LEAF);
        message[12 + 4] ^= 1;
        message
    });
    assert_refused(&under_test, &answers, &Error::BadSignature);
    let (under_test, answers) = exchange_with(|peer| {
        let mut params = Vec::new();
        encode_ecdhe_params(&mut params, NamedGroup::X25519, &[9; 32]);
        peer.server_key_exchange_signed(&params, SignatureScheme::ECDSA_SECP256R1_SHA256, &[0; 70])
    });
    assert_refused(&under_test, &answers, &Error::BadSignature);
}

// --- forged alerts and hellos ---

#[test]
fn a_forged_alert_does_not_stop_a_handshake_that_goes_on() {
    for (role, step) in Play::every_state() {
        let mut play = Play::at(role, step);
        for (level, description) in [(2, 40), (2, 80), (1, 0), (1, 90), (2, 70)] {
            assert_eq!(play.under_test.give(&raw::alert(50, level, description)), Vec::<Vec<u8>>::new());
        }
        assert_eq!(play.under_test.failure(), None);
        play.finish();
    }
}

#[test]
fn an_alert_that_nothing_contradicts_ends_the_handshake_when_the_timer_expires() {
    for step in 0..Play::steps(Role::Client) - 1 {
        let mut play = Play::at(Role::Client, step);
        play.under_test.give(&raw::alert(50, 2, 40));
        assert_eq!(play.under_test.wait(), Vec::<Vec<u8>>::new());
        assert_eq!(play.under_test.failure(), Some(&Error::AlertReceived(AlertDescription(40))));
    }
}

#[test]
fn a_well_formed_forged_server_hello_that_comes_first_may_end_the_handshake_and_never_connects_it() {
    let mut play = Play::at(Role::Client, 0);
    let mut forged = play.peer.server_hello();
    forged.random = Random([6; 32]);
    let message = raw::message(HandshakeType::SERVER_HELLO, 0, &forged.to_vec());
    play.under_test.give(&raw::handshake(0, &message));
    for _ in 0..3 {
        let answers = {
            let datagram = play.next();
            play.under_test.give(&datagram)
        };
        play.peer.hear(&answers);
    }
    assert_eq!(play.under_test.failure(), Some(&Error::BadSignature));
    assert!(!play.under_test.was_connected());
}

#[test]
fn a_hello_verify_request_after_the_server_hello_is_dropped() {
    for step in 1..=Play::steps(Role::Client) {
        let mut play = Play::at(Role::Client, step);
        for seq in 0..8 {
            let request = raw::message(HandshakeType::HELLO_VERIFY_REQUEST, seq, &[0xfe, 0xff, 2, 7, 7]);
            play.assert_discards("a HelloVerifyRequest", &raw::handshake(50, &request));
        }
        play.finish();
    }
}

#[test]
fn a_hello_that_comes_again_and_again_is_answered_once_in_a_timer_period() {
    let scenario = Scenario::new(1).mutual().suite(SUITE);
    let mut under_test = server(&scenario);
    let mut peer = Peer::client(SUITE, 3);
    let hello = peer.client_hello();
    let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
    let first = under_test.give(&raw::handshake(0, &hello));
    let repeated: Vec<Vec<u8>> = (1..100).flat_map(|number| under_test.give(&raw::handshake(number, &hello))).collect();
    assert_eq!(repeated.len(), first.len());
    // The same messages, as they were made the first time, in records with new numbers.
    let said = |datagrams: &[Vec<u8>]| -> Vec<Vec<u8>> {
        datagrams.iter().flat_map(|datagram| raw::pieces(datagram)).map(|piece| piece.body).collect()
    };
    let numbers = |datagrams: &[Vec<u8>]| -> Vec<u64> {
        datagrams.iter().flat_map(|datagram| raw::pieces(datagram)).map(|piece| piece.header.number.get()).collect()
    };
    assert_eq!(said(&first), said(&repeated));
    assert!(numbers(&first).iter().all(|number| !numbers(&repeated).contains(number)));
}
