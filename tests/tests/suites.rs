//! Every suite, group, certificate and policy with the provider that ships, end to end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test that meets what it does not expect has failed, and a panic says so"
)]

use core::time::Duration;
use std::sync::Arc;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::{CryptoProvider, PeerVerifier, SuiteAuthentication, WallClock, WebPki, ccm, ring};
use dtls_core::wire::enums::{AlertDescription, CipherSuiteId, ContentType, SignatureScheme};
use dtls_core::{CertificateError, ClientConfig, Error, Instant, ServerConfig};
use dtls_tests::certificates::{self, Leaf};
use dtls_tests::raw;
use dtls_tests::scenario::{
    CLIENT, CLIENT_END, SERVER, SERVER_END, Scenario, assert_agreement, assert_data_flows, run_handshake,
};
use dtls_tests::sim::World;
use dtls_tests::sim::network::Clean;
use rustls_pki_types::{CertificateDer, UnixTime};

#[test]
fn every_suite_works_with_every_group_and_every_certificate() {
    let provider = ring::provider();
    let mut runs = 0;
    for suite in &provider.cipher_suites {
        let leaves = match suite.key_exchange.signed_by() {
            Some(SuiteAuthentication::Ecdsa) => &[Leaf::EcdsaP256, Leaf::EcdsaP384, Leaf::Ed25519][..],
            Some(SuiteAuthentication::Rsa) => &[Leaf::Rsa2048],
            None => continue,
        };
        for group in &provider.groups {
            for server_leaf in leaves {
                for client_leaf in [None, Some(Leaf::EcdsaP384), Some(Leaf::Ed25519), Some(Leaf::Rsa2048)] {
                    let mut scenario = Scenario::new(1)
                        .provider(|_| ring::provider())
                        .suite(suite.id)
                        .group(group.name())
                        .server_leaf(*server_leaf);
                    scenario.client_leaf = client_leaf;
                    let mut world = scenario.connected();
                    let info = world.end(CLIENT_END).connection.info().unwrap();
                    assert_eq!((info.cipher_suite, info.group), (suite.id, Some(group.name())));
                    assert_eq!(info.peer_certificates, certificates::chain(*server_leaf));
                    assert_data_flows(&mut world, CLIENT_END);
                    runs += 1;
                }
            }
        }
    }
    assert_eq!(runs, 3 * 3 * (3 + 1) * 4);
}

#[test]
fn aes_ccm_works_and_a_connection_with_short_tags_bears_few_forgeries() {
    let with_ccm = |_| ccm::with_ccm_8(ccm::with_ccm(ring::provider()));
    let is_signed_ccm =
        |id: CipherSuiteId| id.name().unwrap().contains("ECDSA_WITH_AES_") && id.name().unwrap().contains("CCM");
    for suite in with_ccm(0).cipher_suites.iter().filter(|suite| is_signed_ccm(suite.id)) {
        let scenario = Scenario::new(1).provider(with_ccm).suite(suite.id);
        let mut world = scenario.connected();
        let end = world.end_mut(CLIENT_END);
        assert_eq!(end.connection.info().unwrap().cipher_suite, suite.id);
        // To the byte what fits in a datagram: header, explicit nonce and tag beside it.
        assert_eq!(end.connection.max_payload(), 1200 - 13 - 8 - suite.tag_len());
        assert_data_flows(&mut world, CLIENT_END);
        let connection = &mut world.end_mut(CLIENT_END).connection;
        let mut borne = 0;
        while !connection.is_over() && borne < 1000 {
            let mut forged = raw::record(ContentType::APPLICATION_DATA, 1, 100_000 + borne, &[0; 40]);
            drop(connection.receive(Instant::ORIGIN, &mut forged));
            borne += 1;
        }
        assert_eq!(borne, if suite.tag_len() == 8 { 128 } else { 1000 }, "{:?}", suite.id);
    }
}

#[test]
fn every_signature_scheme_is_made_and_verified() {
    for scheme in ring::provider().signature_schemes() {
        let leaf = match scheme {
            SignatureScheme::ECDSA_SECP256R1_SHA256 => Leaf::EcdsaP256,
            SignatureScheme::ECDSA_SECP384R1_SHA384 => Leaf::EcdsaP384,
            SignatureScheme::ED25519 => Leaf::Ed25519,
            _ => Leaf::Rsa2048,
        };
        let mut scenario = Scenario::new(1)
            .provider(|_| ring::provider())
            .server_leaf(leaf)
            .configure(move |settings| settings.signature_schemes = vec![scheme]);
        scenario.client_leaf = Some(leaf);
        let world = scenario.connected();
        assert_eq!(world.end(CLIENT_END).connection.info().unwrap().signature_scheme, Some(scheme));
    }
}

// --- a certificate authority ---

/// It is always so many seconds after the beginning of 1970, or nobody knows.
#[derive(Clone, Copy, Debug)]
struct Stopped(Option<u64>);

impl Stopped {
    const IN_2030: Self = Self(Some(1_909_000_000));
}

impl WallClock for Stopped {
    fn unix_time(&self) -> Option<UnixTime> {
        self.0.map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

fn web_pki(provider: &CryptoProvider, root: CertificateDer<'static>) -> Arc<dyn PeerVerifier> {
    web_pki_at(Stopped::IN_2030, provider, root)
}

fn web_pki_at(when: Stopped, provider: &CryptoProvider, root: CertificateDer<'static>) -> Arc<dyn PeerVerifier> {
    Arc::new(WebPki::new(provider, vec![root], Arc::new(when)).unwrap())
}

/// A server and a client with certificates of the CA, each trusting a root of its own.
fn with_roots(
    client_trusts: CertificateDer<'static>,
    server_trusts: ClientAuthentication,
    identity: Option<Leaf>,
    name: &str,
) -> World {
    with_verifiers(web_pki(&ring::provider(), client_trusts), server_trusts, identity, name)
}

/// The same, whatever the client trusts by.
fn with_verifiers(
    client_trusts: Arc<dyn PeerVerifier>,
    server_trusts: ClientAuthentication,
    identity: Option<Leaf>,
    name: &str,
) -> World {
    let scenario = Scenario::new(1);
    let provider = scenario.provider_at(SERVER, 1);
    let server = ServerConfig::builder(Arc::clone(&provider))
        .identity(certificates::identity(&provider, Leaf::Server))
        .client_authentication(server_trusts)
        .build()
        .unwrap();
    let provider = scenario.provider_at(CLIENT, 0);
    let client = ClientConfig::builder(Arc::clone(&provider)).trust(client_trusts);
    let client = match identity {
        Some(leaf) => client.identity(certificates::identity(&provider, leaf)),
        None => client.without_identity(),
    };
    let mut world = World::new(Clean);
    let server = dtls_core::Connection::accept_on_trusted_path(Arc::new(server), Instant::ORIGIN);
    world.add(SERVER_END, server, 1200);
    world.connect(CLIENT, SERVER, &Arc::new(client.build().unwrap()), Some(name));
    run_handshake(&mut world);
    world.run_to(world.now() + Duration::from_secs(2));
    world
}

#[test]
fn a_chain_to_a_trusted_root_and_the_right_name_is_what_it_takes() {
    let provider = ring::provider();
    let ask = || ClientAuthentication::Require(web_pki(&provider, certificates::ca()));
    let mut world = with_roots(certificates::ca(), ask(), Some(Leaf::Client), "server.test");
    assert_agreement(&world, CLIENT_END);
    assert_data_flows(&mut world, CLIENT_END);
    assert_eq!(world.end(SERVER_END).connection.info().unwrap().peer_certificates, certificates::chain(Leaf::Client));
}

#[test]
fn a_wrong_name_a_wrong_root_and_a_certificate_for_another_use_are_refused_and_the_other_side_is_told_why() {
    let provider = ring::provider();
    let other_root = || certificates::chain(Leaf::EcdsaP256).remove(0);
    let ask = |root| ClientAuthentication::Require(web_pki(&provider, root));
    let none = || ClientAuthentication::None;
    let ca = certificates::ca;
    for (world, id, error) in [
        (with_roots(ca(), none(), None, "other.test"), CLIENT_END, CertificateError::NameMismatch),
        (with_roots(other_root(), none(), None, "server.test"), CLIENT_END, CertificateError::UnknownIssuer),
        (
            with_roots(ca(), ask(other_root()), Some(Leaf::Client), "server.test"),
            SERVER_END,
            CertificateError::UnknownIssuer,
        ),
        (with_roots(ca(), ask(ca()), Some(Leaf::Server), "server.test"), SERVER_END, CertificateError::WrongUsage),
    ] {
        let error = Error::Certificate(error);
        assert_eq!(world.end(id).failure(), Some(&error));
        let told = world.end(id.other()).failure().and_then(Error::alert_received);
        assert_eq!(told, error.alert());
    }
}

#[test]
fn a_certificate_out_of_its_time_is_refused_in_either_direction_and_the_other_side_is_told_why() {
    let provider = ring::provider();
    let ca = certificates::ca;
    for (when, error, alert) in [
        (Stopped(Some(7_258_118_400)), CertificateError::Expired, AlertDescription::CERTIFICATE_EXPIRED),
        (Stopped(Some(253_402_300_799)), CertificateError::Expired, AlertDescription::CERTIFICATE_EXPIRED),
        (Stopped(Some(631_152_000)), CertificateError::NotValidYet, AlertDescription::BAD_CERTIFICATE),
        (Stopped(Some(0)), CertificateError::NotValidYet, AlertDescription::BAD_CERTIFICATE),
        (Stopped(None), CertificateError::NoTime, AlertDescription::INTERNAL_ERROR),
    ] {
        let by_client =
            with_verifiers(web_pki_at(when, &provider, ca()), ClientAuthentication::None, None, "server.test");
        let ask = ClientAuthentication::Require(web_pki_at(when, &provider, ca()));
        let by_server = with_roots(ca(), ask, Some(Leaf::Client), "server.test");
        for (world, id) in [(by_client, CLIENT_END), (by_server, SERVER_END)] {
            assert_eq!(world.end(id).failure(), Some(&Error::Certificate(error)));
            assert_eq!(world.end(id.other()).failure(), Some(&Error::AlertReceived(alert)));
        }
    }
}

#[test]
fn a_client_that_is_only_asked_may_stay_anonymous_but_not_lie() {
    let provider = ring::provider();
    let request = |root| ClientAuthentication::Request(web_pki(&provider, root));
    let world = with_roots(certificates::ca(), request(certificates::ca()), None, "server.test");
    assert_agreement(&world, CLIENT_END);
    assert!(world.end(SERVER_END).connection.info().unwrap().peer_certificates.is_empty());
    let world = with_roots(certificates::ca(), request(certificates::ca()), Some(Leaf::Client), "server.test");
    assert_agreement(&world, CLIENT_END);
    assert_eq!(world.end(SERVER_END).connection.info().unwrap().peer_certificates.len(), 1);
    let stranger = certificates::chain(Leaf::EcdsaP256).remove(0);
    let world = with_roots(certificates::ca(), request(stranger), Some(Leaf::Client), "server.test");
    assert_eq!(world.end(SERVER_END).failure(), Some(&Error::Certificate(CertificateError::UnknownIssuer)));
    assert!(!world.end(CLIENT_END).is_connected());
}

#[test]
fn a_server_without_a_certificate_for_a_suite_says_that_there_is_none_in_common() {
    let scenario = Scenario::new(1);
    let rsa = dtls_core::wire::enums::CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256;
    let mut world = scenario.server_only(Clean);
    world.connect(CLIENT, SERVER, &scenario.clone().suite(rsa).client_config(CLIENT), None);
    run_handshake(&mut world);
    world.run_to(world.now() + Duration::from_secs(2));
    assert_eq!(world.end(SERVER_END).failure(), Some(&Error::NoCommonCipherSuite));
    let told = world.end(CLIENT_END).failure().and_then(Error::alert_received);
    assert_eq!(told, Error::NoCommonCipherSuite.alert());
}
