//! What each side shows of itself: raw public keys (RFC 7250) and what OCSP says of certificates (RFC 6066 section 8).

use super::*;
use crate::config::ChooseIdentity;
use crate::crypto::{PeerAuthenticated, PeerCredential, PinnedPublicKeys, PresentedPeer};
use crate::wire::certificate::{CertificateRequest, CertificateStatus, RawPublicKey};
use crate::wire::codec::Encode as _;
use crate::wire::enums::CertificateType;
use crate::{Answer, AskOwnerWith, Question};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

const RAW: CertificateType = CertificateType::RAW_PUBLIC_KEY;
const X509: CertificateType = CertificateType::X509;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(testing::providers().swap_remove(0))
}

/// A key, shown in a certificate and bare.
struct Holder {
    certified: Identity,
    bare: Identity,
}

impl Holder {
    fn new() -> Self {
        let (certificate, key) = testing::self_signed();
        Self::of(certificate, &key)
    }

    fn of(certificate: CertificateDer<'static>, key: &PrivateKeyDer<'static>) -> Self {
        let certified = Identity::new(&provider(), vec![certificate], key.clone_key()).unwrap();
        Self { certified, bare: Identity::raw_public_key(&provider(), key.clone_key()).unwrap() }
    }

    fn public_key(&self) -> SubjectPublicKeyInfoDer<'static> {
        self.bare.credential().public_key_info().unwrap()
    }

    fn pinned(&self) -> Arc<PinnedPublicKeys> {
        Arc::new(PinnedPublicKeys::new([self.public_key()]).unwrap())
    }
}

/// Trusts who shows anything in one of these forms.
#[derive(Debug)]
struct Takes(&'static [CertificateType]);

impl PeerVerifier for Takes {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let typ = match peer.credential {
            PeerCredential::Certificates(_) => X509,
            PeerCredential::RawPublicKey(_) => RAW,
        };
        assert!(self.0.contains(&typ), "a verifier sees only what it takes");
        Ok(PeerAuthenticated::dangerous_assertion())
    }

    fn certificate_types(&self) -> &[CertificateType] {
        self.0
    }
}

/// The two ends, and what they say when it is over.
struct Played {
    client: Connection,
    server: Connection,
    client_event: Option<Event>,
    server_event: Option<Event>,
}

fn play(
    client_trust: Arc<dyn PeerVerifier>,
    client_identity: Option<Identity>,
    server_identities: &[&Identity],
    authentication: ClientAuthentication,
) -> Played {
    let client = ClientConfig::builder(provider()).trust(client_trust);
    let client = match client_identity {
        Some(identity) => client.identity(identity),
        None => client.without_identity(),
    };
    let mut server = ServerConfig::builder(provider()).identity(server_identities[0].clone());
    for identity in &server_identities[1..] {
        server = server.identity((*identity).clone());
    }
    let server = server.client_authentication(authentication).build().unwrap();
    let mut client = Connection::connect(Arc::new(client.build().unwrap()), None, START).unwrap();
    let mut server = Connection::accept_on_trusted_path(Arc::new(server), START);
    exchange(&mut client, &mut server, START);
    // An alert in the clear is believed after a second.
    for end in [&mut client, &mut server] {
        end.handle_timeout(START + Duration::from_secs(2));
    }
    let (client_event, server_event) = (client.poll_event(), server.poll_event());
    Played { client, server, client_event, server_event }
}

impl Played {
    fn assert_connected(&self) {
        let events = (self.client_event.clone(), self.server_event.clone());
        assert_eq!(events, (Some(Event::Connected), Some(Event::Connected)));
    }

    fn client_error(&self) -> &Error {
        match &self.client_event {
            Some(Event::Failed(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    fn server_error(&self) -> &Error {
        match &self.server_event {
            Some(Event::Failed(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn raw_keys_of_both_sides_are_shown_and_trusted_by_pins() {
    let keys = [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519];
    let mut holders: Vec<_> = keys
        .into_iter()
        .map(|algorithm| {
            let (certificate, key) = testing::self_signed_by(algorithm);
            Holder::of(certificate, &key)
        })
        .collect();
    let rsa = PrivateKeyDer::try_from(testing::RSA_PKCS8.to_vec()).unwrap();
    holders.push(Holder::of(CertificateDer::from(testing::RSA_CERTIFICATE), &rsa));
    let bob = Holder::new();
    for alice in &holders {
        let asked = ClientAuthentication::Require(bob.pinned());
        let played = play(alice.pinned(), Some(bob.bare.clone()), &[&alice.bare], asked);
        played.assert_connected();
        let (ours, theirs) = (played.client.info().unwrap(), played.server.info().unwrap());
        assert_eq!(ours.peer_raw_public_key, Some(alice.public_key()));
        assert_eq!(theirs.peer_raw_public_key, Some(bob.public_key()));
        assert!(ours.peer_certificates.is_empty() && theirs.peer_certificates.is_empty());
    }
}

#[test]
fn a_raw_key_is_the_key_of_the_certificate_it_came_from() {
    let alice = Holder::new();
    assert_eq!(alice.certified.credential().public_key_info().unwrap(), alice.public_key());
    assert!(alice.bare.chain().is_empty());
    let other = Holder::new();
    assert_ne!(alice.public_key(), other.public_key());
}

#[test]
fn a_key_that_was_not_pinned_is_refused_on_either_side() {
    let (alice, bob, mallory) = (Holder::new(), Holder::new(), Holder::new());
    let not_pinned = Error::Certificate(CertificateError::NotPinned);
    let played = play(mallory.pinned(), None, &[&alice.bare], ClientAuthentication::None);
    assert_eq!(*played.client_error(), not_pinned);
    let asked = ClientAuthentication::Require(mallory.pinned());
    let played = play(alice.pinned(), Some(bob.bare), &[&alice.bare], asked);
    assert_eq!(*played.server_error(), not_pinned);
}

#[test]
fn who_does_not_hold_the_key_that_it_shows_is_refused() {
    let (alice, mallory) = (Holder::new(), Holder::new());
    // A signer that does not say which key it has.
    #[derive(Debug)]
    struct Nameless(Arc<dyn crate::crypto::SigningKey>);
    impl crate::crypto::SigningKey for Nameless {
        fn schemes(&self) -> &[crate::wire::enums::SignatureScheme] {
            self.0.schemes()
        }
        fn kind(&self) -> crate::crypto::SuiteAuthentication {
            self.0.kind()
        }
        fn public_key(&self) -> Option<&[u8]> {
            None
        }
        fn sign(
            &self,
            scheme: crate::wire::enums::SignatureScheme,
            message: &[u8],
            out: &mut Vec<u8>,
        ) -> Result<(), crate::crypto::CryptoError> {
            self.0.sign(scheme, message, out)
        }
    }
    let signer = Arc::new(Nameless(Arc::clone(mallory.bare.key())));
    let thief = Identity::raw_public_key_with_signer(alice.public_key(), signer).unwrap();
    let played = play(alice.pinned(), None, &[&thief], ClientAuthentication::None);
    assert_eq!(*played.client_error(), Error::BadSignature);
    let server = Holder::new();
    let asked = ClientAuthentication::Require(alice.pinned());
    let played = play(server.pinned(), Some(thief), &[&server.bare], asked);
    assert_eq!(*played.server_error(), Error::BadSignature);
}

#[test]
fn the_form_is_the_favourite_of_who_reads_among_what_the_other_has() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let cases: [(&'static [CertificateType], &[&Identity], bool); 6] = [
        (&[RAW, X509], &[&alice.bare], true),
        (&[RAW, X509], &[&alice.certified], false),
        // The server prefers among its own identities, as it does among keys.
        (&[RAW, X509], &[&alice.certified, &alice.bare], false),
        (&[X509, RAW], &[&alice.bare, &alice.certified], true),
        (&[X509], &[&alice.bare, &alice.certified], false),
        (&[RAW], &[&alice.certified, &alice.bare], true),
    ];
    for (takes, shows, is_raw) in cases {
        let played = play(Arc::new(Takes(takes)), None, shows, ClientAuthentication::None);
        played.assert_connected();
        assert_eq!(played.client.info().unwrap().peer_raw_public_key.is_some(), is_raw, "{takes:?}");
    }
    let cases: [(&'static [CertificateType], &Identity, bool); 3] =
        [(&[RAW, X509], &bob.bare, true), (&[RAW, X509], &bob.certified, false), (&[X509, RAW], &bob.bare, true)];
    for (takes, shows, is_raw) in cases {
        let asked = ClientAuthentication::Require(Arc::new(Takes(takes)));
        let played = play(alice.pinned(), Some(shows.clone()), &[&alice.certified], asked);
        played.assert_connected();
        assert_eq!(played.server.info().unwrap().peer_raw_public_key.is_some(), is_raw, "{takes:?}");
    }
}

#[test]
fn a_client_with_several_identities_shows_the_one_whose_form_it_is_asked_for() {
    let (alice, bob) = (Holder::new(), Holder::new());
    for (takes, is_raw) in [(&[RAW][..], true), (&[X509], false)] {
        let asked = ClientAuthentication::Require(Arc::new(Takes(takes)));
        let server = ServerConfig::builder(provider()).identity(alice.bare.clone()).client_authentication(asked);
        let client = ClientConfig::builder(provider()).trust(alice.pinned());
        let client = client.identity(bob.certified.clone()).identity(bob.bare.clone()).build().unwrap();
        let mut client = Connection::connect(Arc::new(client), None, START).unwrap();
        let mut server = Connection::accept_on_trusted_path(Arc::new(server.build().unwrap()), START);
        exchange(&mut client, &mut server, START);
        assert_eq!(server.poll_event(), Some(Event::Connected));
        let info = server.info().unwrap();
        assert_eq!((info.peer_raw_public_key.is_some(), info.peer_certificates.is_empty()), (is_raw, is_raw));
    }
}

/// A client that leaves the choice to this chooser, and a server that reads `takes`.
fn choosing(chooser: Arc<dyn ChooseIdentity>, server: &Holder, takes: &'static [CertificateType]) -> [Connection; 2] {
    let asked = ClientAuthentication::Request(Arc::new(Takes(takes)));
    let config = ServerConfig::builder(provider()).identity(server.bare.clone()).client_authentication(asked);
    let server_end = Connection::accept_on_trusted_path(Arc::new(config.build().unwrap()), START);
    let config = ClientConfig::builder(provider()).trust(server.pinned()).choose_identity(chooser);
    [Connection::connect(Arc::new(config.build().unwrap()), None, START).unwrap(), server_end]
}

/// Chooses this, whatever it is asked for.
#[derive(Debug)]
struct Stubborn(Identity);

impl ChooseIdentity for Stubborn {
    fn choose(&self, _: &CertificateRequest<'_>, _: CertificateType) -> Option<Identity> {
        Some(self.0.clone())
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &[X509, RAW]
    }
}

#[test]
fn an_identity_of_another_form_than_was_agreed_ends_the_handshake_of_who_chose_it() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let both = AskOwnerWith::default().certificate_types(&[X509, RAW]);
    for (takes, right, wrong) in [(&[RAW], &bob.bare, &bob.certified), (&[X509], &bob.certified, &bob.bare)] {
        let refused = Some(Event::Failed(Error::IdentityOfOtherForm { agreed: takes[0] }));
        for (chosen, connects) in [(right, true), (wrong, false)] {
            let [mut client, mut server] = choosing(Arc::new(Stubborn(chosen.clone())), &alice, takes);
            exchange(&mut client, &mut server, START);
            assert_eq!(client.poll_event(), if connects { Some(Event::Connected) } else { refused.clone() });

            let [mut client, mut server] = choosing(Arc::new(both), &alice, takes);
            exchange(&mut client, &mut server, START);
            assert_eq!(client.poll_event(), Some(Event::Asked));
            let Some(Question::Identity { certificate_type, .. }) = client.question() else { panic!() };
            assert_eq!(certificate_type, takes[0]);
            client.answer(START, Answer::Identity(Some(chosen.clone()))).unwrap();
            exchange(&mut client, &mut server, START);
            assert_eq!(client.poll_event(), if connects { Some(Event::Connected) } else { refused.clone() });
            let alert = Error::AlertReceived(AlertDescription::INTERNAL_ERROR);
            server.handle_timeout(START + Duration::from_secs(2));
            assert_eq!(server.poll_event(), Some(if connects { Event::Connected } else { Event::Failed(alert) }));
        }
    }
}

#[test]
fn pins_let_the_same_key_in_from_a_peer_that_knows_only_certificates() {
    let alice = Holder::new();
    let played = play(alice.pinned(), None, &[&alice.certified], ClientAuthentication::None);
    played.assert_connected();
    assert_eq!(played.client.info().unwrap().peer_certificates, alice.certified.chain());
}

#[test]
fn without_a_common_form_the_handshake_ends_with_unsupported_certificate() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let unsupported = Error::AlertReceived(AlertDescription::UNSUPPORTED_CERTIFICATE);
    for (takes, shows) in [(&[RAW][..], &alice.certified), (&[X509][..], &alice.bare)] {
        let played = play(Arc::new(Takes(takes)), None, &[shows], ClientAuthentication::None);
        assert_eq!(*played.server_error(), Error::NoCommonCertificateType);
        assert_eq!(*played.client_error(), unsupported);
    }
    for (takes, shows) in [(&[RAW][..], &bob.certified), (&[X509][..], &bob.bare)] {
        let trust: Arc<dyn PeerVerifier> = Arc::new(Takes(takes));
        let asked = ClientAuthentication::Require(Arc::clone(&trust));
        let played = play(alice.pinned(), Some(shows.clone()), &[&alice.bare], asked);
        assert_eq!(*played.server_error(), Error::NoCommonCertificateType);
        assert_eq!(*played.client_error(), unsupported);
        // Who is merely asked, and cannot show what the server reads, is not asked.
        let played = play(alice.pinned(), Some(shows.clone()), &[&alice.bare], ClientAuthentication::Request(trust));
        played.assert_connected();
        let info = played.server.info().unwrap();
        assert!(info.peer_certificates.is_empty() && info.peer_raw_public_key.is_none());
    }
}

#[test]
fn a_client_without_a_key_shows_none_in_either_form() {
    let alice = Holder::new();
    let asked = ClientAuthentication::Request(Arc::new(Takes(&[RAW, X509])));
    let played = play(alice.pinned(), None, &[&alice.bare], asked);
    played.assert_connected();
    let asked = ClientAuthentication::Require(Arc::new(Takes(&[RAW, X509])));
    let played = play(alice.pinned(), None, &[&alice.bare], asked);
    assert_eq!(*played.server_error(), Error::CertificateMissing);
}

/// The hello of a client and the ServerHello it gets, with what is said of certificates.
fn hellos(client: Arc<dyn PeerVerifier>, identity: Option<Identity>, server: &Identity) -> (Vec<u8>, Vec<u8>) {
    let config = ClientConfig::builder(provider()).trust(client);
    let config = match identity {
        Some(identity) => config.identity(identity),
        None => config.without_identity(),
    };
    let mut client = Connection::connect(Arc::new(config.build().unwrap()), None, START).unwrap();
    let config = ServerConfig::builder(provider()).identity(server.clone()).build().unwrap();
    let mut server = Connection::accept_on_trusted_path(Arc::new(config), START);
    let hello = drain(&mut client, START).concat();
    deliver(vec![hello.clone()], &mut server, START);
    (hello, drain(&mut server, START).concat())
}

fn body(flight: &[u8]) -> &[u8] {
    &Records::new(flight).next().unwrap().unwrap().body[FragmentHeader::LEN..]
}

#[test]
fn who_has_only_certificates_to_show_and_read_says_nothing_of_forms() {
    let (alice, bob) = (Holder::new(), Holder::new());
    let (hello, answer) = hellos(Arc::new(Takes(&[X509])), Some(bob.certified.clone()), &alice.certified);
    let hello = ClientHello::decode_all(body(&hello)).unwrap().extensions;
    assert_eq!((hello.client_certificate_types, hello.server_certificate_types), (None, None));
    let answer = ServerHello::decode_all(body(&answer)).unwrap().extensions;
    assert_eq!((answer.client_certificate_type, answer.server_certificate_type), (None, None));

    let (hello, answer) = hellos(alice.pinned(), Some(bob.bare), &alice.bare);
    let hello = ClientHello::decode_all(body(&hello)).unwrap().extensions;
    assert_eq!(hello.client_certificate_types, Some(vec![RAW]));
    assert_eq!(hello.server_certificate_types, Some(vec![RAW, X509]));
    let answer = ServerHello::decode_all(body(&answer)).unwrap().extensions;
    // RFC 7250 section 4.2: a server that asks for nothing does not say in which form.
    assert_eq!((answer.client_certificate_type, answer.server_certificate_type), (None, Some(RAW)));
}

// --- what OCSP says ---

/// Wants to see what OCSP says of certificates, and refuses all else.
#[derive(Debug)]
struct WantsStatus(&'static [u8]);

impl PeerVerifier for WantsStatus {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        if let PeerCredential::RawPublicKey(_) = peer.credential {
            assert_eq!(peer.ocsp_response, None);
            return Ok(PeerAuthenticated::dangerous_assertion());
        }
        if peer.ocsp_response == Some(self.0) {
            Ok(PeerAuthenticated::dangerous_assertion())
        } else {
            Err(CertificateError::Revoked)
        }
    }

    fn wants_ocsp_response(&self) -> bool {
        true
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &[RAW, X509]
    }
}

#[test]
fn what_ocsp_says_reaches_the_verifier_that_wants_it() {
    let alice = Holder::new();
    let stapled = alice.certified.clone().with_ocsp_response(b"good".to_vec());
    play(Arc::new(WantsStatus(b"good")), None, &[&stapled], ClientAuthentication::None).assert_connected();
    let played = play(Arc::new(WantsStatus(b"good")), None, &[&alice.certified], ClientAuthentication::None);
    assert_eq!(*played.client_error(), Error::Certificate(CertificateError::Revoked), "a server that has none");
    // Nobody who has not asked is sent it, and nobody who shows a bare key sends it.
    play(Arc::new(Takes(&[X509])), None, &[&stapled], ClientAuthentication::None).assert_connected();
    let bare = alice.bare.clone().with_ocsp_response(b"good".to_vec());
    play(Arc::new(WantsStatus(b"good")), None, &[&bare], ClientAuthentication::None).assert_connected();
}

#[test]
fn a_server_sends_the_status_behind_the_certificate_and_only_to_who_asks() {
    let alice = Holder::new();
    let stapled = alice.certified.clone().with_ocsp_response(b"good".to_vec());
    let status = CertificateStatus { ocsp_response: b"good" }.to_vec();
    let curious: Arc<dyn PeerVerifier> = Arc::new(WantsStatus(b"good"));
    for (trust, is_asked) in [(curious, true), (alice.pinned(), false)] {
        let (hello, flight) = hellos(trust, None, &stapled);
        let asked = ClientHello::decode_all(body(&hello)).unwrap().extensions.status_request;
        assert_eq!(asked, is_asked);
        let answered = ServerHello::decode_all(body(&flight)).unwrap().extensions.status_request;
        assert_eq!(answered, is_asked);
        let messages: Vec<_> = Records::new(&flight)
            .flat_map(|record| Fragments::new(record.unwrap().body))
            .map(|fragment| fragment.map(|fragment| (fragment.header.typ, fragment.body.to_vec())).unwrap())
            .collect();
        let sent = messages.iter().position(|(typ, _)| *typ == HandshakeType::CERTIFICATE_STATUS);
        assert_eq!(sent, is_asked.then_some(2));
        if let Some(at) = sent {
            assert_eq!(messages[at].1, status);
        }
    }
}

#[test]
fn an_empty_response_is_none() {
    let alice = Holder::new();
    let stapled = alice.certified.clone().with_ocsp_response(vec![]);
    let played = play(Arc::new(WantsStatus(b"")), None, &[&stapled], ClientAuthentication::None);
    assert_eq!(*played.client_error(), Error::Certificate(CertificateError::Revoked));
}

#[test]
fn a_bare_key_is_the_whole_message() {
    let alice = Holder::new();
    let (_, flight) = hellos(alice.pinned(), None, &alice.bare);
    let certificate = Records::new(&flight)
        .flat_map(|record| Fragments::new(record.unwrap().body))
        .map(Result::unwrap)
        .find(|fragment| fragment.header.typ == HandshakeType::CERTIFICATE)
        .unwrap();
    assert_eq!(certificate.body, RawPublicKey { key: Some(&alice.public_key()) }.to_vec());
}
