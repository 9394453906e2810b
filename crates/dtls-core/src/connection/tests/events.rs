//! What an owner is told and lent.

use core::sync::atomic::{AtomicUsize, Ordering};

use rustls_pki_types::DnsName;

use super::*;
use crate::config::KeyLog;
use crate::crypto::{PeerAuthenticated, PresentedPeer};

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

#[test]
fn a_server_of_many_names_shows_the_certificate_of_the_one_that_is_asked_for() {
    let provider = Arc::new(testing::providers().swap_remove(0));
    let config = |protocol: &[u8]| {
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate.clone()], key).unwrap();
        let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity);
        (certificate, server.configure(|settings| settings.alpn = vec![protocol.to_vec()]))
    };
    let ((one, one_config), (two, two_config)) = (config(b"one"), config(b"two"));
    let (one_config, two_config) = (Arc::new(one_config.build().unwrap()), Arc::new(two_config.build().unwrap()));
    let name = |name: &'static str| DnsName::try_from(name).unwrap();
    let strict = ServerNames::new().with(&name("One.Example"), one_config);
    let strict = strict.with(&name("two.example"), Arc::clone(&two_config));
    let lenient = strict.clone().otherwise(two_config);
    let meet = |names: &ServerNames, asked: Option<&'static str>| {
        let server = config(b"nobody").1.select(Arc::new(names.clone())).build().unwrap();
        let prints = [&one, &two].map(|certificate| Fingerprint::of(&provider, certificate));
        let trust = Arc::new(Fingerprints::new(&provider, prints).unwrap());
        let client = ClientConfig::builder(Arc::clone(&provider)).trust(trust).without_identity();
        let client = client.configure(|settings| settings.alpn = vec![b"two".to_vec(), b"one".to_vec()]);
        let name = asked.map(|name| ServerName::try_from(name).unwrap());
        let mut client = Connection::connect(Arc::new(client.build().unwrap()), name, START).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::new(server), START);
        exchange(&mut client, &mut server, START);
        let shown = client.info().map(|info| (info.alpn.clone().unwrap(), info.peer_certificates[0].clone()));
        shown.ok_or_else(|| server.poll_event().unwrap())
    };
    assert_eq!(meet(&strict, Some("ONE.example")), Ok((b"one".to_vec(), one.clone())));
    assert_eq!(meet(&strict, Some("two.example")), Ok((b"two".to_vec(), two.clone())));
    for asked in [None, Some("three.example"), Some("x.one.example")] {
        assert_eq!(meet(&lenient, asked), Ok((b"two".to_vec(), two.clone())));
        let error = if asked.is_some() { Error::UnrecognizedName } else { Error::ServerNameMissing };
        assert_eq!(meet(&strict, asked), Err(Event::Failed(error)));
    }
}

#[test]
fn a_name_that_guided_the_choice_is_acknowledged_and_no_other() {
    let (certificate, key) = testing::self_signed();
    let provider = Arc::new(testing::providers().swap_remove(0));
    let identity = Identity::new(&provider, vec![certificate], key).unwrap();
    let server = || ServerConfig::builder(Arc::clone(&provider)).identity(identity.clone());
    let plain = Arc::new(server().build().unwrap());
    let names = ServerNames::new().with(&DnsName::try_from("a.example").unwrap(), Arc::clone(&plain));
    let names = Arc::new(names.otherwise(Arc::clone(&plain)));
    let by_name = Arc::new(server().select(names).build().unwrap());
    for (config, asked, acknowledged) in [
        (&plain, Some("a.example"), false),
        (&by_name, Some("a.example"), true),
        (&by_name, Some("b.example"), false),
        (&by_name, None, false),
    ] {
        let client =
            ClientConfig::builder(Arc::clone(&provider)).trust(Pair::new().verifier(Fingerprint::new([1; 32])));
        let client = Arc::new(client.without_identity().build().unwrap());
        let name = asked.map(|name| ServerName::try_from(name).unwrap());
        let mut client = Connection::connect(client, name, START).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::clone(config), START);
        deliver(drain(&mut client, START), &mut server, START);
        let flight = drain(&mut server, START).concat();
        let record = Records::new(&flight).next().unwrap().unwrap();
        let fragment = Fragments::new(record.body).next().unwrap().unwrap();
        let hello = ServerHello::decode_all(fragment.body).unwrap();
        assert_eq!(hello.extensions.server_name, acknowledged);
    }
}

#[test]
fn what_a_configuration_says_counts_for_the_one_that_was_selected() {
    #[derive(Debug, Default)]
    struct Lines(AtomicUsize);
    impl KeyLog for Lines {
        fn log(&self, _: &str, _: &[u8; 32], _: &[u8]) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let provider = Arc::new(testing::providers().swap_remove(0));
    let lines = Arc::new(Lines::default());
    let server = || {
        let (certificate, key) = testing::self_signed();
        ServerConfig::builder(Arc::clone(&provider)).identity(Identity::new(&provider, vec![certificate], key).unwrap())
    };
    let trust = Pair::new().verifier(Fingerprint::new([0; 32]));
    let strict = server().client_authentication(ClientAuthentication::Require(trust));
    let strict = strict.configure(|settings| settings.key_log = Some(Arc::<Lines>::clone(&lines)));
    let old = server().configure(|settings| {
        settings.extended_master_secret = ExtendedMasterSecret::Off;
        settings.exporters = Exporters::Allowed;
    });
    let names = ServerNames::new()
        .with(&DnsName::try_from("strict.example").unwrap(), Arc::new(strict.build().unwrap()))
        .with(&DnsName::try_from("old.example").unwrap(), Arc::new(old.build().unwrap()));
    let base = Arc::new(server().select(Arc::new(names)).build().unwrap());
    let meet = |name: &'static str, ems| {
        let client = ClientConfig::builder(Arc::clone(&provider)).trust(Arc::new(Anyone)).without_identity();
        let client = client.configure(|settings| settings.extended_master_secret = ems).build().unwrap();
        let name = ServerName::try_from(name).unwrap();
        let mut client = Connection::connect(Arc::new(client), Some(name), START).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::clone(&base), START);
        exchange(&mut client, &mut server, START);
        server
    };
    let mut server = meet("strict.example", ExtendedMasterSecret::Require);
    assert_eq!(server.poll_event(), Some(Event::Failed(Error::CertificateMissing)));
    let server = meet("old.example", ExtendedMasterSecret::Prefer);
    assert!(!server.info().unwrap().extended_master_secret);
    assert_eq!(server.export(b"EXPERIMENTAL", None, &mut [0; 8]), Ok(()));
    assert_eq!(lines.0.load(Ordering::Relaxed), 0, "the strict one did not come so far");
}

/// Believes everyone.
#[derive(Debug)]
struct Anyone;

impl PeerVerifier for Anyone {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Ok(PeerAuthenticated::dangerous_assertion())
    }
}
