//! Suites with a pre-shared key: what no peer may send in them, and who does not get in.

use std::sync::Arc;

use dtls_core::config::Settings;
use dtls_core::crypto::{PskIdentity, Psks};
use dtls_core::wire::codec::DecodeError;
use dtls_core::wire::enums::{CipherSuiteId, ContentType, HandshakeType, NamedGroup};
use dtls_core::{ClientConfig, Connection, Error, Event, Instant, ServerConfig};
use dtls_tests::certificates;
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::scenario::{PSK, Scenario};
use dtls_tests::{raw, seeded};

use crate::play::{CLIENT_LEAF, SERVER_LEAF, SUITE, assert_refused, client, server};

/// Every way to use a key, with long tags and with short ones.
const SUITES: [CipherSuiteId; 6] = [
    CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8,
    CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
    CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
    CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256,
];
const PLAIN: CipherSuiteId = SUITES[0];
const WITH_SHARES: CipherSuiteId = SUITES[3];

fn forgiving(suite: CipherSuiteId) -> Scenario {
    Scenario::new(1).with_ccm().preshared_key().suite(suite)
}

/// The first fault ends the handshake.
fn unforgiving(suite: CipherSuiteId) -> Scenario {
    forgiving(suite).configure(|settings: &mut Settings| settings.fault_budget = 0)
}

const fn has_shares(suite: CipherSuiteId) -> bool {
    matches!(
        suite,
        CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
            | CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384
            | CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256
    )
}

fn key_exchange(peer: &mut Peer, hint: &[u8]) -> Vec<u8> {
    if has_shares(peer.suite.id) {
        peer.ecdhe_psk_server_key_exchange(NamedGroup::X25519, hint)
    } else {
        peer.psk_server_key_exchange(hint)
    }
}

/// A server that has heard the hello of a peer, and the peer.
fn greeted(under_test: UnderTest, suite: CipherSuiteId) -> (UnderTest, Peer) {
    let (mut under_test, mut peer) = (under_test, Peer::client(suite, 2));
    peer.greet(&mut under_test);
    (under_test, peer)
}

/// A client that has heard a ServerHello and then this, a datagram each.
fn told(scenario: &Scenario, suite: CipherSuiteId, say: impl FnOnce(&mut Peer) -> Vec<Vec<u8>>) -> Told {
    let mut under_test = client(scenario);
    let mut peer = Peer::server(suite, 3);
    peer.meet(&mut under_test);
    let hello = peer.server_hello();
    let mut messages = vec![peer.say(HandshakeType::SERVER_HELLO, &hello)];
    messages.extend(say(&mut peer));
    let mut answers = Vec::new();
    for message in messages {
        let record = peer.plain(&message);
        answers.extend(under_test.give(&record));
    }
    Told { under_test, peer, answers }
}

struct Told {
    under_test: UnderTest,
    peer: Peer,
    answers: Vec<Vec<u8>>,
}

impl Told {
    fn finish(mut self) -> UnderTest {
        self.peer.answer_flight_5(&mut self.under_test, &self.answers);
        self.under_test
    }
}

/// Waits until nothing more can happen.
fn wait_out(under_test: &mut UnderTest) {
    for _ in 0..20 {
        under_test.wait();
    }
    assert!(under_test.connection.is_over());
}

#[test]
fn played_peers_with_the_key_connect_in_both_roles() {
    // The peer lays its premaster secret out by hand, so this is a check of ours.
    for suite in SUITES {
        let (mut under_test, mut peer) = greeted(server(&unforgiving(suite)), suite);
        let flight = peer.flight_5();
        under_test.give(&flight);
        assert_eq!(under_test.events, [Event::Connected], "{suite}");
        for hint in [&b""[..], b"which one?"] {
            let say = |peer: &mut Peer| vec![key_exchange(peer, hint), peer.server_hello_done()];
            assert_eq!(told(&unforgiving(suite), suite, say).finish().events, [Event::Connected], "{suite}");
        }
        if !has_shares(suite) {
            let say = |peer: &mut Peer| vec![peer.server_hello_done()];
            assert_eq!(told(&unforgiving(suite), suite, say).finish().events, [Event::Connected], "{suite}");
        }
    }
}

#[test]
fn keys_and_identities_may_have_any_length() {
    let provider = Arc::new(seeded::provider_with_ccm(1));
    let with = |identity: &[u8], key: &[u8]| PskIdentity::new(identity.to_vec(), key.to_vec()).unwrap();
    for suite in [PLAIN, WITH_SHARES] {
        for key_len in [1, 15, 16, 17, 32, 64, 65, 1000] {
            for identity in [&b""[..], b"\0", b"\xff\xfe\0 \r\n", &[0xab; 128], &[b'x'; 8000]] {
                let key = vec![0x5a; key_len];
                let config = ServerConfig::builder(Arc::clone(&provider))
                    .preshared_keys(Arc::new(Psks::new().with(with(identity, &key))))
                    .configure(|settings| settings.cipher_suites = vec![suite]);
                let connection = Connection::accept_on_trusted_path(Arc::new(config.build().unwrap()), Instant::ORIGIN);
                let (mut under_test, mut peer) = greeted(UnderTest::new(connection), suite);
                peer.psk = key;
                let exchange = peer.client_key_exchange_as(identity);
                let mut flight = peer.plain(&exchange);
                flight.extend(peer.change_cipher_spec());
                flight.extend(peer.finished());
                under_test.give(&flight);
                assert_eq!(under_test.events, [Event::Connected], "{key_len} and {}", identity.len());
                let info = under_test.connection.info().unwrap();
                assert_eq!(info.psk_identity.as_deref(), Some(identity));
            }
        }
    }
}

#[test]
fn a_server_with_a_key_shows_and_asks_for_no_certificate() {
    type Say = fn(&mut Peer) -> Vec<u8>;
    for suite in [PLAIN, WITH_SHARES] {
        let refused: [(Say, HandshakeType); 4] = [
            (Peer::certificate_request, HandshakeType::CERTIFICATE_REQUEST),
            (|peer| peer.certificate(&certificates::chain(SERVER_LEAF)), HandshakeType::CERTIFICATE),
            (|peer| peer.raw_public_key(None), HandshakeType::CERTIFICATE),
            (|peer| peer.certificate_status(b"good"), HandshakeType::CERTIFICATE_STATUS),
        ];
        for (say, typ) in refused {
            // In every place of the flight.
            for is_behind in [false, true] {
                let told = told(&unforgiving(suite), suite, |peer| {
                    let mut said = if is_behind { vec![key_exchange(peer, b"")] } else { vec![] };
                    said.push(say(peer));
                    said
                });
                assert_refused(&told.under_test, &told.answers, &Error::UnexpectedMessage(typ));
            }
        }
    }
}

#[test]
fn a_client_with_a_key_shows_and_proves_no_certificate() {
    for suite in [PLAIN, WITH_SHARES] {
        let (mut under_test, mut peer) = greeted(server(&unforgiving(suite)), suite);
        let certificate = peer.certificate(&certificates::chain(CLIENT_LEAF));
        let answers = under_test.give(&raw::handshake(9, &certificate));
        assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::CERTIFICATE));

        let (mut under_test, mut peer) = greeted(server(&unforgiving(suite)), suite);
        let exchange = peer.client_key_exchange();
        let verify = peer.certificate_verify(CLIENT_LEAF);
        under_test.give(&raw::handshake(9, &exchange));
        let answers = under_test.give(&raw::handshake(10, &verify));
        assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::CERTIFICATE_VERIFY));
    }
}

#[test]
fn key_exchanges_of_another_form_than_the_suite_s_are_refused() {
    let malformed = |typ, fault| Error::Malformed(typ, fault);
    let typ = HandshakeType::SERVER_KEY_EXCHANGE;
    let cases: [(CipherSuiteId, Vec<u8>, DecodeError); 6] = [
        (PLAIN, vec![], DecodeError::Truncated),
        (PLAIN, b"\0\x05hint".to_vec(), DecodeError::Truncated),
        (PLAIN, b"\0\x04hint!".to_vec(), DecodeError::TrailingBytes),
        (WITH_SHARES, b"\0\x04hint".to_vec(), DecodeError::Truncated),
        (WITH_SHARES, b"\0\0\x01\0\x1d\x01\x07".to_vec(), DecodeError::ForbiddenValue),
        (WITH_SHARES, [b"\0\0\x03\0\x1d\x20", &[9; 32][..], b"\x04\x03\0\0"].concat(), DecodeError::TrailingBytes),
    ];
    for (suite, body, fault) in cases {
        let told = told(&unforgiving(suite), suite, |peer| vec![peer.say_bytes(typ, &body)]);
        assert_refused(&told.under_test, &told.answers, &malformed(typ, fault));
    }
    let typ = HandshakeType::CLIENT_KEY_EXCHANGE;
    let cases: [(CipherSuiteId, Vec<u8>, DecodeError); 5] = [
        (PLAIN, vec![], DecodeError::Truncated),
        (PLAIN, b"\0\x03me".to_vec(), DecodeError::Truncated),
        (PLAIN, [b"\0\x02me\x20", &[9; 32][..]].concat(), DecodeError::TrailingBytes),
        (WITH_SHARES, b"\0\x02me".to_vec(), DecodeError::Truncated),
        (WITH_SHARES, b"\0\x02me\0".to_vec(), DecodeError::VectorLength),
    ];
    for (suite, body, fault) in cases {
        let (mut under_test, mut peer) = greeted(server(&unforgiving(suite)), suite);
        let message = peer.say_bytes(typ, &body);
        let answers = under_test.give(&raw::handshake(9, &message));
        assert_refused(&under_test, &answers, &malformed(typ, fault));
    }
}

#[test]
fn suites_without_a_key_on_either_side_are_neither_offered_nor_chosen() {
    // Both know every suite there is, and only what they hold decides.
    let certified = Scenario::new(1).with_ccm().configure(|settings| settings.fault_budget = 0);
    let keyed = certified.clone().preshared_key();
    for suite in SUITES {
        for (scenario, offered) in [(&certified, suite), (&keyed, SUITE)] {
            let mut under_test = server(scenario);
            let mut peer = Peer::client(offered, 2);
            let hello = peer.client_hello();
            let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
            let answers = under_test.give(&raw::handshake(0, &hello));
            assert_refused(&under_test, &answers, &Error::NoCommonCipherSuite);

            let told = told(scenario, offered, |_| vec![]);
            assert_refused(&told.under_test, &told.answers, &Error::ServerHelloChoseUnofferedSuite(offered));
        }
    }
}

#[test]
fn who_does_not_hold_the_key_is_never_connected_to() {
    for suite in SUITES {
        for wrong in [&b"another old pass"[..], &PSK[..15], &[0; 16]] {
            let (mut under_test, mut peer) = greeted(server(&forgiving(suite)), suite);
            peer.psk = wrong.to_vec();
            let flight = peer.flight_5();
            assert_eq!(under_test.give(&flight), Vec::<Vec<u8>>::new(), "not a word to who does not hold it");
            wait_out(&mut under_test);
            assert_eq!(under_test.events, [Event::KeysProbablyDiffer, Event::Failed(Error::HandshakeTimeout)]);
            assert!(under_test.connection.info().is_none());

            // A server that does not hold it cannot even read the client's Finished, and makes one up.
            let mut told = told(&forgiving(suite), suite, |peer| {
                peer.psk = wrong.to_vec();
                vec![key_exchange(peer, b""), peer.server_hello_done()]
            });
            let in_the_clear: Vec<Vec<u8>> = told
                .answers
                .iter()
                .flat_map(|datagram| raw::pieces(datagram))
                .filter(|piece| piece.header.epoch.0 == 0)
                .map(|piece| piece.to_bytes())
                .collect();
            told.peer.hear(&in_the_clear);
            let finished = told.peer.flight_6();
            assert_eq!(told.under_test.give(&finished), Vec::<Vec<u8>>::new());
            wait_out(&mut told.under_test);
            assert_eq!(told.under_test.events, [Event::Failed(Error::HandshakeTimeout)]);
        }
    }
}

#[test]
fn a_side_that_hears_itself_does_not_connect_under_a_key_either() {
    // Both sides hold the same key, so only roles and randoms tell one from the other.
    for suite in SUITES {
        for is_server in [true, false] {
            let (mut under_test, mut answers) = if is_server {
                let mut under_test = server(&forgiving(suite));
                let mut peer = Peer::client(suite, 3);
                let hello = peer.client_hello();
                let hello = peer.say(HandshakeType::CLIENT_HELLO, &hello);
                let answers = under_test.give(&raw::handshake(0, &hello));
                (under_test, answers)
            } else {
                let mut under_test = client(&forgiving(suite));
                let answers = under_test.take();
                (under_test, answers)
            };
            for _ in 0..20 {
                answers = answers.iter().flat_map(|datagram| under_test.give(datagram)).collect();
                if answers.is_empty() {
                    answers = under_test.wait();
                }
            }
            assert!(!under_test.was_connected());
        }
    }
}

#[test]
fn a_client_s_own_finished_sent_back_to_it_is_not_the_server_s() {
    for suite in SUITES {
        let mut told = told(&unforgiving(suite), suite, |peer| vec![key_exchange(peer, b""), peer.server_hello_done()]);
        told.peer.hear(&told.answers);
        told.peer.hear_pending();
        let (_, reflected) =
            told.peer.heard.iter().find(|(typ, _)| *typ == HandshakeType::FINISHED).expect("its Finished").clone();
        let message = raw::message(HandshakeType::FINISHED, told.peer.next_seq, &reflected);
        let record = told.peer.sealed(ContentType::HANDSHAKE, &message);
        let answers = told.under_test.give(&[raw::change_cipher_spec(60), record].concat());
        assert_refused(&told.under_test, &answers, &Error::FinishedMismatch);
    }
}

#[test]
fn a_client_that_has_no_key_for_the_hint_says_so_and_sends_none() {
    #[derive(Debug)]
    struct NoKey;
    impl dtls_core::crypto::PskClient for NoKey {
        fn identity(&self, _: Option<&[u8]>) -> Option<PskIdentity> {
            None
        }
    }
    let config = ClientConfig::builder(Arc::new(seeded::provider(1)))
        .preshared_key(Arc::new(NoKey))
        .configure(|settings| settings.cipher_suites = vec![PLAIN]);
    let connection = Connection::connect(Arc::new(config.build().unwrap()), None, Instant::ORIGIN).unwrap();
    let mut under_test = UnderTest::new(connection);
    let mut peer = Peer::server(PLAIN, 3);
    peer.meet(&mut under_test);
    let hello = peer.server_hello();
    let messages = [
        peer.say(HandshakeType::SERVER_HELLO, &hello),
        peer.psk_server_key_exchange(b"which one?"),
        peer.server_hello_done(),
    ];
    let answers = under_test.give(&raw::handshake(0, &messages.concat()));
    assert_refused(&under_test, &answers, &Error::NoPskForHint);
    assert!(answers.iter().all(|datagram| raw::message_types(datagram).is_empty()), "{answers:?}");
}
