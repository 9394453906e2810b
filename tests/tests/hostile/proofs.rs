//! Whether a peer holds what it shows: proofs by another key, under another scheme, over other messages, or left out.

use std::sync::Arc;

use dtls_core::config::{ClientAuthentication, Settings};
use dtls_core::wire::certificate::{CertificateRequest, CertificateVerify};
use dtls_core::wire::enums::{CertificateType, ClientCertificateType, HandshakeType, NamedGroup, SignatureScheme};
use dtls_core::{CertificateError, Connection, Error, Instant, Role, ServerConfig};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::peer::{Peer, UnderTest};
use dtls_tests::raw;
use dtls_tests::scenario::{CLIENT, Scenario};
use rustls_pki_types::CertificateDer;

use crate::play::{
    CLIENT_LEAF, Heard, Play, SERVER_LEAF, SUITE, assert_refused, certificate, key_exchange, server, strict, told,
};

const X509: CertificateType = CertificateType::X509;

#[test]
fn a_proof_by_another_key_of_the_same_kind_is_refused() {
    let mut scenario = strict();
    scenario.client_leaf = Some(Leaf::Client);
    let (under_test, answers) = told(server(&scenario), &[X509], |peer| {
        vec![
            peer.certificate(&certificates::chain(Leaf::Client)),
            peer.client_key_exchange(),
            peer.certificate_verify(Leaf::EcdsaP256),
        ]
    });
    assert_refused(&under_test, &answers, &Error::BadSignature);
}

#[test]
fn a_proof_under_a_scheme_that_was_not_asked_for_is_refused() {
    // By the right key, in a way that the CertificateRequest leaves out.
    let scenario = strict().configure(|settings: &mut Settings| {
        settings.signature_schemes.retain(|scheme| *scheme != SignatureScheme::ED25519);
    });
    let show = |peer: &mut Peer| vec![peer.certificate(&certificates::chain(CLIENT_LEAF)), peer.client_key_exchange()];
    let (under_test, answers) = told(server(&scenario), &[X509], |peer| {
        let mut said = show(peer);
        said.push(peer.certificate_verify(CLIENT_LEAF));
        said
    });
    assert_refused(&under_test, &answers, &Error::UnofferedSignatureScheme(SignatureScheme::ED25519));
    // MD5, SHA-1, nothing, something unknown.
    for scheme in [0x0101, 0x0201, 0x0203, 0x0000, 0xfefe].map(SignatureScheme) {
        let (under_test, answers) = told(server(&strict()), &[X509], |peer| {
            let verify = CertificateVerify { scheme, signature: &[1; 64] };
            let mut said = show(peer);
            said.push(peer.say(HandshakeType::CERTIFICATE_VERIFY, &verify));
            said
        });
        assert_refused(&under_test, &answers, &Error::UnofferedSignatureScheme(scheme));
    }
}

#[test]
fn a_client_that_shows_nothing_has_nothing_to_prove() {
    // A server that only asks.
    let scenario = strict();
    let provider = scenario.provider_at(CLIENT, 1);
    let config = ServerConfig::builder(Arc::clone(&provider))
        .identity(certificates::identity(&provider, SERVER_LEAF))
        .client_authentication(ClientAuthentication::Request(certificates::pinned(CLIENT_LEAF)))
        .configure(|settings| settings.fault_budget = 0);
    let config = Arc::new(config.build().unwrap());
    let only_asks = || UnderTest::new(Connection::accept_on_trusted_path(Arc::clone(&config), Instant::ORIGIN));
    let (under_test, answers) = told(only_asks(), &[X509], |peer| {
        vec![peer.certificate(&[]), peer.client_key_exchange(), peer.certificate_verify(CLIENT_LEAF)]
    });
    assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::CERTIFICATE_VERIFY));
    // And who shows nothing at all, not even that it has nothing, has left a message out.
    let (under_test, answers) = told(only_asks(), &[X509], |peer| vec![peer.client_key_exchange()]);
    assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::CLIENT_KEY_EXCHANGE));
}

#[test]
fn a_certificate_that_nobody_asked_for_is_refused() {
    let scenario = Scenario::new(1).suite(SUITE).configure(|settings: &mut Settings| settings.fault_budget = 0);
    for chain in [certificates::chain(CLIENT_LEAF), vec![]] {
        let (under_test, answers) = told(server(&scenario), &[X509], |peer| vec![peer.certificate(&chain)]);
        assert_refused(&under_test, &answers, &Error::UnexpectedMessage(HandshakeType::CERTIFICATE));
    }
}

#[test]
fn a_certificate_on_a_curve_that_was_not_offered_is_refused_by_the_client() {
    let scenario = Scenario::new(1)
        .suite(SUITE)
        .server_leaf(Leaf::EcdsaP384)
        .configure(|settings: &mut Settings| settings.groups.retain(|group| *group != NamedGroup::SECP384R1));
    let heard = Heard::new(
        &scenario,
        |_| {},
        |peer| {
            let certificate = peer.certificate(&certificates::chain(Leaf::EcdsaP384));
            vec![certificate, peer.server_key_exchange(NamedGroup::X25519, Leaf::EcdsaP384)]
        },
    );
    heard.assert_refused(&Error::UnofferedGroup(NamedGroup::SECP384R1));
}

#[test]
fn a_suite_and_the_key_that_signs_must_be_of_one_kind() {
    // An ECDSA suite, and an RSA certificate whose key signs rightly.
    let scenario = strict().server_leaf(Leaf::Rsa2048);
    let heard = Heard::new(
        &scenario,
        |_| {},
        |peer| {
            let certificate = peer.certificate(&certificates::chain(Leaf::Rsa2048));
            vec![certificate, peer.server_key_exchange(NamedGroup::X25519, Leaf::Rsa2048)]
        },
    );
    heard.assert_refused(&Error::SignatureSchemeDoesNotFitKey(SignatureScheme::RSA_PKCS1_SHA256));
}

#[test]
fn a_request_that_nothing_suits_is_answered_by_no_certificate() {
    // Types that nobody has, schemes that nobody knows or that are not of our key; with and without authorities.
    type Request = (&'static [u8], &'static [SignatureScheme], &'static [&'static [u8]]);
    const HONEST: &[SignatureScheme] = &[SignatureScheme::ED25519, SignatureScheme::ECDSA_SECP256R1_SHA256];
    const UNKNOWN: &[SignatureScheme] = &[SignatureScheme(0x0201), SignatureScheme(0xfefe)];
    let cases: [Request; 5] = [
        (&[65, 66, 255], HONEST, &[]),
        (&[1, 2, 3, 4, 5, 6, 20], HONEST, &[]),
        (&[64], UNKNOWN, &[]),
        (&[64], &[SignatureScheme::ECDSA_SECP384R1_SHA384], &[b"\x30\0"]),
        (&[1], &[SignatureScheme::RSA_PKCS1_SHA256], &[b"not even DER", b"0"]),
    ];
    for (types, schemes, authorities) in cases {
        let heard = Heard::new(
            &strict(),
            |_| {},
            |peer| {
                let request = CertificateRequest {
                    certificate_types: types.iter().copied().map(ClientCertificateType).collect(),
                    signature_schemes: schemes.to_vec(),
                    authorities: authorities.to_vec(),
                };
                vec![
                    certificate(peer),
                    key_exchange(peer),
                    peer.say(HandshakeType::CERTIFICATE_REQUEST, &request),
                    peer.server_hello_done(),
                ]
            },
        );
        let sent: Vec<HandshakeType> = heard.answers.iter().flat_map(|datagram| raw::message_types(datagram)).collect();
        assert_eq!(sent, [HandshakeType::CERTIFICATE, HandshakeType::CLIENT_KEY_EXCHANGE], "nothing to prove");
        let (_, shown) = raw::pieces(&heard.answers[0])[0].fragments().remove(0);
        assert_eq!(shown, [0, 0, 0]);
        heard.assert_connects();
    }
}

#[test]
fn a_chain_of_more_certificates_than_any_has_is_not_kept() {
    let leaf = certificates::chain(CLIENT_LEAF).remove(0);
    for (count, error) in [(100, None), (101, Some(Error::Certificate(CertificateError::TooMuchWork)))] {
        // The leaf, and then the same certificate of somebody else again and again.
        let mut chain = vec![leaf.clone()];
        chain.resize(count, CertificateDer::from(vec![0x30, 0]));
        let (under_test, answers) = told(server(&strict()), &[X509], |peer| {
            vec![peer.certificate(&chain), peer.client_key_exchange(), peer.certificate_verify(CLIENT_LEAF)]
        });
        match error {
            Some(error) => assert_refused(&under_test, &answers, &error),
            None => assert_eq!(under_test.events, [], "only Finished is missing"),
        }
    }
}

#[test]
fn what_a_peer_shows_is_not_told_before_the_handshake_is_complete() {
    for role in [Role::Server, Role::Client] {
        for step in 0..Play::steps(role) {
            let play = Play::at(role, step);
            assert!(play.under_test.connection.info().is_none(), "{role:?} at {step}");
            assert!(play.under_test.events.is_empty());
        }
        assert!(Play::connected(role).under_test.connection.info().is_some());
    }
}
