//! Those who decide for a connection, and say no, fail or panic: nobody gets in by it.

use core::panic::AssertUnwindSafe;
use std::panic::catch_unwind;
use std::sync::Arc;

use dtls_core::config::{ChooseIdentity, ClientAuthentication, SelectConfig, Selected};
use dtls_core::crypto::{
    CertificateError, CryptoError, CryptoProvider, Identity, PeerAuthenticated, PeerVerifier, PresentedPeer,
    PresharedKey, PskClient, PskIdentity, PskServer, SigningKey, SuiteAuthentication,
};
use dtls_core::wire::certificate::CertificateRequest;
use dtls_core::wire::enums::{AlertDescription, CertificateType, SignatureScheme};
use dtls_core::wire::hello::ClientHello;
use dtls_core::{ClientConfig, Connection, Error, Event, Instant, Role, ServerConfig};
use dtls_tests::certificates;
use dtls_tests::peer::UnderTest;
use dtls_tests::scenario::{PSK, PSK_IDENTITY};
use dtls_tests::seeded;

use crate::play::{CLIENT_LEAF, SERVER_LEAF};

/// What somebody does instead of deciding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mishap {
    Says(CertificateError),
    Fails,
    Panics,
}

impl Mishap {
    fn come_to_pass(self) {
        assert!(self != Self::Panics, "a bug of somebody else's");
    }
}

/// Decides in every way there is, and each time the same thing happens.
#[derive(Clone, Debug)]
struct Unlucky(Mishap);

impl PeerVerifier for Unlucky {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        self.0.come_to_pass();
        match self.0 {
            Mishap::Says(error) => Err(error),
            _ => Err(CertificateError::Rejected),
        }
    }
}

impl PskServer for Unlucky {
    fn key(&self, _: &[u8]) -> Option<Arc<PresharedKey>> {
        self.0.come_to_pass();
        None
    }
}

impl PskClient for Unlucky {
    fn identity(&self, _: Option<&[u8]>) -> Option<PskIdentity> {
        self.0.come_to_pass();
        None
    }
}

impl SelectConfig for Unlucky {
    fn select(&self, _: &ClientHello<'_>) -> Option<Selected> {
        self.0.come_to_pass();
        None
    }
}

impl ChooseIdentity for Unlucky {
    fn choose(&self, _: &CertificateRequest<'_>, _: CertificateType) -> Option<Identity> {
        self.0.come_to_pass();
        None
    }
}

/// A key that is right in everything but that it does not sign.
#[derive(Debug)]
struct UnluckySigner(Arc<dyn SigningKey>, Mishap);

impl SigningKey for UnluckySigner {
    fn schemes(&self) -> &[SignatureScheme] {
        self.0.schemes()
    }

    fn kind(&self) -> SuiteAuthentication {
        self.0.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.0.public_key()
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.1.come_to_pass();
        Err(CryptoError)
    }
}

/// The two ends.
struct Pair {
    client: UnderTest,
    server: UnderTest,
    /// Who has somebody unlucky decide.
    unlucky: Role,
}

const fn other(role: Role) -> Role {
    match role {
        Role::Client => Role::Server,
        Role::Server => Role::Client,
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(seeded::provider(1))
}

fn identity(leaf: certificates::Leaf, mishap: Option<Mishap>) -> Identity {
    let key = provider().key_loader.load(&certificates::private_key(leaf)).unwrap();
    let key = match mishap {
        Some(mishap) => Arc::new(UnluckySigner(key, mishap)),
        None => key,
    };
    Identity::with_signer(certificates::chain(leaf), key).unwrap()
}

fn psk() -> PskIdentity {
    PskIdentity::new(PSK_IDENTITY.to_vec(), PSK.to_vec()).unwrap()
}

fn client(trust: Arc<dyn PeerVerifier>, signer: Option<Mishap>) -> ClientConfig {
    ClientConfig::builder(provider()).trust(trust).identity(identity(CLIENT_LEAF, signer)).build().unwrap()
}

fn server(trust: Arc<dyn PeerVerifier>, signer: Option<Mishap>) -> ServerConfig {
    ServerConfig::builder(provider())
        .identity(identity(SERVER_LEAF, signer))
        .client_authentication(ClientAuthentication::Require(trust))
        .build()
        .unwrap()
}

fn honest_client() -> ClientConfig {
    client(certificates::pinned(SERVER_LEAF), None)
}

fn honest_server() -> ServerConfig {
    server(certificates::pinned(CLIENT_LEAF), None)
}

impl Pair {
    fn new(client: ClientConfig, server: ServerConfig, unlucky: Role) -> Self {
        let client = Connection::connect(Arc::new(client), None, Instant::ORIGIN).unwrap();
        let server = Connection::accept_on_trusted_path(Arc::new(server), Instant::ORIGIN);
        Self { client: UnderTest::new(client), server: UnderTest::new(server), unlucky }
    }

    /// Everybody who can decide, with this mishap.
    fn all(mishap: Mishap) -> Vec<(&'static str, Self)> {
        let unlucky = || Arc::new(Unlucky(mishap));
        let choosing = ClientConfig::builder(provider()).trust(certificates::pinned(SERVER_LEAF));
        let choosing = choosing.choose_identity(unlucky()).build().unwrap();
        let selecting = ServerConfig::builder(provider()).identity(identity(SERVER_LEAF, None));
        let selecting = selecting.select(unlucky()).build().unwrap();
        let psk_client =
            |psk: Arc<dyn PskClient>| ClientConfig::builder(provider()).preshared_key(psk).build().unwrap();
        let psk_server =
            |psks: Arc<dyn PskServer>| ServerConfig::builder(provider()).preshared_keys(psks).build().unwrap();
        let known = || Arc::new(dtls_core::crypto::Psks::new().with(psk()));
        vec![
            ("the client's verifier", Self::new(client(unlucky(), None), honest_server(), Role::Client)),
            ("the server's verifier", Self::new(honest_client(), server(unlucky(), None), Role::Server)),
            ("the client's choice", Self::new(choosing, honest_server(), Role::Client)),
            ("the server's selector", Self::new(honest_client(), selecting, Role::Server)),
            (
                "the client's signer",
                Self::new(client(certificates::pinned(SERVER_LEAF), Some(mishap)), honest_server(), Role::Client),
            ),
            (
                "the server's signer",
                Self::new(honest_client(), server(certificates::pinned(CLIENT_LEAF), Some(mishap)), Role::Server),
            ),
            ("the client's key", Self::new(psk_client(unlucky()), psk_server(known()), Role::Client)),
            ("the server's keys", Self::new(psk_client(Arc::new(psk())), psk_server(unlucky()), Role::Server)),
        ]
    }

    fn side(&mut self, role: Role) -> &mut UnderTest {
        if role == Role::Client { &mut self.client } else { &mut self.server }
    }

    /// Carries everything both ways until nothing moves, and returns how often somebody panicked.
    fn exchange(&mut self) -> usize {
        let mut panics = 0;
        let (mut to_server, mut to_client) = (self.client.take(), self.server.take());
        while !to_server.is_empty() || !to_client.is_empty() {
            let (mut from_server, mut from_client) = (Vec::new(), Vec::new());
            for (datagrams, side, answers) in
                [(&to_server, &mut self.server, &mut from_server), (&to_client, &mut self.client, &mut from_client)]
            {
                for datagram in datagrams {
                    match catch_unwind(AssertUnwindSafe(|| side.give(datagram))) {
                        Ok(said) => answers.extend(said),
                        Err(_) => panics += 1,
                    }
                }
            }
            (to_server, to_client) = (from_client, from_server);
        }
        panics
    }

    /// Lets the time run out on both sides.
    fn wait_out(&mut self) {
        for _ in 0..40 {
            let (from_client, from_server) = (self.client.wait(), self.server.wait());
            from_client.iter().for_each(|datagram| drop(self.server.give(datagram)));
            from_server.iter().for_each(|datagram| drop(self.client.give(datagram)));
        }
    }
}

#[test]
fn whoever_panics_lets_nobody_in() {
    for (who, mut pair) in Pair::all(Mishap::Panics) {
        assert_eq!(pair.exchange(), 1, "{who}");
        let role = pair.unlucky;
        // What the panic left behind says, knows and sends nothing, whatever comes, and ends at its deadline.
        assert_eq!(pair.side(role).events, [], "{who}");
        assert!(pair.side(role).connection.info().is_none(), "{who}");
        assert_eq!(pair.exchange(), 0, "{who}");
        pair.wait_out();
        for role in [Role::Client, Role::Server] {
            let side = pair.side(role);
            assert!(!side.was_connected() && side.data.is_empty(), "{who}: {:?}", side.events);
            assert_eq!(side.events.last(), Some(&Event::Failed(Error::HandshakeTimeout)), "{who} at {role:?}");
        }
    }
}

#[test]
fn whoever_fails_lets_nobody_in_and_the_other_side_is_told() {
    use AlertDescription as Alert;
    // What the unlucky side says of itself, and what the other one hears: the client that shows nothing is refused by the
    // server, and a server that has no key goes on as if it had another.
    let expected = [
        (Error::Certificate(CertificateError::Rejected), Some(Alert::CERTIFICATE_UNKNOWN)),
        (Error::Certificate(CertificateError::Rejected), Some(Alert::CERTIFICATE_UNKNOWN)),
        (Error::AlertReceived(Alert::HANDSHAKE_FAILURE), None),
        (Error::ServerNameMissing, Some(Alert::HANDSHAKE_FAILURE)),
        (Error::SignerFailed, Some(Alert::INTERNAL_ERROR)),
        (Error::SignerFailed, Some(Alert::INTERNAL_ERROR)),
        (Error::NoPskForHint, Some(Alert::HANDSHAKE_FAILURE)),
        (Error::HandshakeTimeout, None),
    ];
    let pairs = Pair::all(Mishap::Fails);
    assert_eq!(pairs.len(), expected.len());
    for ((who, mut pair), (error, alert)) in pairs.into_iter().zip(expected) {
        assert_eq!(pair.exchange(), 0, "{who}");
        pair.wait_out();
        let (role, other) = (pair.unlucky, other(pair.unlucky));
        assert_eq!(pair.side(role).failure(), Some(&error), "{who}");
        assert_eq!(pair.side(other).failure().and_then(Error::alert_received), alert, "{who}");
        assert!(!pair.client.was_connected() && !pair.server.was_connected(), "{who}");
    }
}

#[test]
fn every_reason_not_to_trust_ends_the_handshake_on_either_side_with_its_own_alert() {
    use AlertDescription as Alert;
    let reasons = [
        (CertificateError::Unreadable, Alert::BAD_CERTIFICATE),
        (CertificateError::UnknownIssuer, Alert::UNKNOWN_CA),
        (CertificateError::Expired, Alert::CERTIFICATE_EXPIRED),
        (CertificateError::NotValidYet, Alert::BAD_CERTIFICATE),
        (CertificateError::NameMismatch, Alert::BAD_CERTIFICATE),
        (CertificateError::Revoked, Alert::CERTIFICATE_REVOKED),
        (CertificateError::BadStatusResponse, Alert::BAD_CERTIFICATE_STATUS_RESPONSE),
        (CertificateError::WrongUsage, Alert::UNSUPPORTED_CERTIFICATE),
        (CertificateError::BadSignature, Alert::BAD_CERTIFICATE),
        (CertificateError::UnsupportedSignature, Alert::UNSUPPORTED_CERTIFICATE),
        (CertificateError::TooMuchWork, Alert::CERTIFICATE_UNKNOWN),
        (CertificateError::NotPinned, Alert::BAD_CERTIFICATE),
        (CertificateError::NoTime, Alert::INTERNAL_ERROR),
        (CertificateError::Rejected, Alert::CERTIFICATE_UNKNOWN),
    ];
    for (reason, alert) in reasons {
        let says = || Arc::new(Unlucky(Mishap::Says(reason)));
        for mut pair in [
            Pair::new(client(says(), None), honest_server(), Role::Client),
            Pair::new(honest_client(), server(says(), None), Role::Server),
        ] {
            pair.exchange();
            pair.wait_out();
            let (role, other) = (pair.unlucky, other(pair.unlucky));
            assert_eq!(pair.side(role).events, [Event::Failed(Error::Certificate(reason))]);
            assert_eq!(pair.side(other).events, [Event::Failed(Error::AlertReceived(alert))], "{reason:?}");
            assert!(pair.client.data.is_empty() && pair.server.data.is_empty());
        }
    }
}

#[test]
fn a_verifier_that_trusts_everyone_does_not_make_up_for_a_proof_by_another_key() {
    #[derive(Debug)]
    struct TrustsAnyone;
    impl PeerVerifier for TrustsAnyone {
        fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
            Ok(PeerAuthenticated::dangerous_assertion())
        }
    }
    /// Has somebody's certificate and a key of its own, and does not say so.
    #[derive(Debug)]
    struct Thief(Arc<dyn SigningKey>);
    impl SigningKey for Thief {
        fn schemes(&self) -> &[SignatureScheme] {
            self.0.schemes()
        }
        fn kind(&self) -> SuiteAuthentication {
            self.0.kind()
        }
        fn public_key(&self) -> Option<&[u8]> {
            None
        }
        fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
            self.0.sign(scheme, message, out)
        }
    }
    let thief = || {
        let key = provider().key_loader.load(&certificates::private_key(certificates::Leaf::Server)).unwrap();
        Identity::with_signer(certificates::chain(certificates::Leaf::EcdsaP256), Arc::new(Thief(key))).unwrap()
    };
    let client_of =
        |identity| ClientConfig::builder(provider()).trust(Arc::new(TrustsAnyone)).identity(identity).build().unwrap();
    let server_of = |identity| {
        let authentication = ClientAuthentication::Require(Arc::new(TrustsAnyone));
        ServerConfig::builder(provider()).identity(identity).client_authentication(authentication).build().unwrap()
    };
    let honest = || identity(CLIENT_LEAF, None);
    let mut pair = Pair::new(client_of(honest()), server_of(honest()), Role::Client);
    pair.exchange();
    assert!(pair.client.was_connected() && pair.server.was_connected());
    for (client, server, refuses) in [(honest(), thief(), Role::Client), (thief(), honest(), Role::Server)] {
        let mut pair = Pair::new(client_of(client), server_of(server), refuses);
        pair.exchange();
        pair.wait_out();
        assert_eq!(pair.side(refuses).events, [Event::Failed(Error::BadSignature)]);
        let told = Event::Failed(Error::AlertReceived(AlertDescription::DECRYPT_ERROR));
        assert_eq!(pair.side(other(refuses)).events, [told]);
    }
}
