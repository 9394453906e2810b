//! Short tests: who the two sides are, what they want, and one word to start them.

use core::time::Duration;
use std::sync::Arc;

use dtls_core::config::{ClientAuthentication, ConnectionIdUse, RandomConnectionId, Selected};
use dtls_core::crypto::{
    CertificateError, CryptoProvider, Identity, PeerAuthenticated, PeerRole, PeerVerifier, PresentedPeer, PresharedKey,
    PskIdentity, Psks,
};
use dtls_core::wire::enums::{CertificateType, CipherSuiteId, NamedGroup, SrtpProfile};
use dtls_core::{
    Answer, AskOwner, AskOwnerWith, ClientConfig, CookieJar, Instant, Question, ResumptionState, Role, ServerConfig,
    Settings, SrtpKeys,
};

use crate::certificates::{self, Leaf};
use crate::dice::Dice;
use crate::owner::{Elsewhere, Owner};
use crate::remembered::{By, Memory};
use crate::seeded;
use crate::sim::network::Network;
use crate::sim::{Address, EndId, Fate, World};

/// Where the server of a [`Scenario`] listens.
pub const SERVER: Address = Address(1);
/// Where the first client of a [`Scenario`] is.
pub const CLIENT: Address = Address(1000);
/// The client's end.
pub const CLIENT_END: EndId = EndId::new(CLIENT, SERVER);
/// The server's end for that client.
pub const SERVER_END: EndId = EndId::new(SERVER, CLIENT);

/// What a client with a pre-shared key calls itself: bytes, not text.
pub const PSK_IDENTITY: &[u8] = b"sensor \xff\0";
/// The key of the client that calls itself so.
pub const PSK: [u8; 16] = *b"an old shared pw";

/// How the two sides prove themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// By certificates, and a signature by the key of each.
    Certificates,
    /// By keys without certificates (RFC 7250), and a signature by each.
    RawPublicKeys,
    /// By a key that both have (RFC 4279).
    PresharedKey,
}

type Change = Arc<dyn Fn(&mut Settings)>;
type MakeProvider = Arc<dyn Fn(u64) -> CryptoProvider>;
type Watch = Arc<dyn Fn(CryptoProvider) -> CryptoProvider>;

/// Who the two sides are and what they want. Everything follows from the seed.
#[derive(Clone)]
pub struct Scenario {
    /// Where all randomness comes from.
    pub seed: u64,
    /// The certificate of the server; clients pin it.
    pub server_leaf: Leaf,
    /// The certificate of clients; the server then requires exactly it.
    pub client_leaf: Option<Leaf>,
    proof: Proof,
    /// What OCSP says of the server's certificate, and what the client insists on.
    staple: Option<&'static [u8]>,
    /// Who asks his owner about everything there is to ask.
    asking: Vec<Role>,
    /// How long an owner thinks at most.
    thinks: Duration,
    change: Vec<(Option<Role>, Change)>,
    provider: MakeProvider,
    watched: Vec<(Option<Role>, Watch)>,
    /// What the server remembers; without it nobody is resumed.
    memory: Option<Memory>,
    /// What clients have of an earlier connection.
    state: Option<Arc<ResumptionState>>,
}

impl Scenario {
    /// A server with an ECDSA certificate and anonymous clients, X25519, defaults for the rest.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            server_leaf: Leaf::EcdsaP256,
            client_leaf: None,
            proof: Proof::Certificates,
            staple: None,
            asking: Vec::new(),
            thinks: Duration::ZERO,
            change: Vec::new(),
            provider: Arc::new(seeded::provider),
            watched: Vec::new(),
            memory: None,
            state: None,
        }
        .group(NamedGroup::X25519)
    }

    /// One of every kind of handshake, by name: how the two sides prove themselves, and under which sort of suite.
    #[must_use]
    pub fn kinds(seed: u64) -> [(&'static str, Self); 6] {
        let new = || Self::new(seed);
        let psk = || new().preshared_key().hint(b"which one?");
        [
            ("certificates", new().mutual()),
            ("raw public keys", new().mutual().raw_public_keys()),
            ("OCSP", new().stapled(b"good")),
            ("CCM_8", new().mutual().with_ccm().suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8)),
            ("PSK", psk().suite(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256)),
            ("ECDHE_PSK", psk().suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256)),
        ]
    }

    /// Both sides show certificates.
    #[must_use]
    pub fn mutual(mut self) -> Self {
        self.client_leaf = Some(Leaf::Ed25519);
        self
    }

    /// The server's certificate.
    #[must_use]
    pub fn server_leaf(mut self, leaf: Leaf) -> Self {
        self.server_leaf = leaf;
        self
    }

    /// Both sides show the keys of their certificates, and not the certificates.
    #[must_use]
    pub fn raw_public_keys(mut self) -> Self {
        self.proof = Proof::RawPublicKeys;
        self
    }

    /// Both sides have [`PSK`], and no certificates.
    #[must_use]
    pub fn preshared_key(mut self) -> Self {
        self.proof = Proof::PresharedKey;
        self
    }

    /// How the two sides prove themselves.
    #[must_use]
    pub const fn proof(&self) -> Proof {
        self.proof
    }

    /// What the server says so that clients know which key to use.
    #[must_use]
    pub fn hint(self, hint: &'static [u8]) -> Self {
        self.configure(move |settings| settings.psk_hint = hint.to_vec())
    }

    /// The server shows this of OCSP about its certificate, and the client goes on with nothing else.
    #[must_use]
    pub fn stapled(mut self, response: &'static [u8]) -> Self {
        self.staple = Some(response);
        self
    }

    /// These leave every decision to their owners, who each time think up to `longest` before they answer rightly.
    #[must_use]
    pub fn asking(mut self, who: &[Role], longest: Duration) -> Self {
        self.asking = who.to_vec();
        self.thinks = longest;
        self
    }

    /// The server lets clients resume their sessions, and clients ask for that.
    #[must_use]
    pub fn resumable(mut self, memory: Memory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// The same, and there has been a connection before: clients offer to go on with its session. Say what else the sides
    /// want first.
    ///
    /// # Panics
    /// If that connection leaves no session.
    #[must_use]
    pub fn resuming(self, by: By) -> Self {
        let mut scenario = self.resumable(Memory::new(by));
        // With randomness of its own, as no two connections have the same.
        let earlier = Self { seed: !scenario.seed, ..scenario.clone() };
        let mut world = earlier.server_with(scenario.memory.clone(), crate::sim::network::Clean);
        earlier.connect(&mut world, CLIENT);
        run_handshake(&mut world);
        let state = world.end_mut(CLIENT_END).connection.take_resumption_state();
        scenario.state = Some(Arc::new(state.expect("a session that can be resumed")));
        scenario
    }

    /// The same, but the server has lost its memory since: what clients offer becomes a full handshake.
    #[must_use]
    pub fn forgetting(self, by: By) -> Self {
        let mut scenario = self.resuming(by);
        scenario.memory = scenario.memory.map(|memory| memory.lost());
        scenario
    }

    /// The server's clock has gone on by half of the time that sessions live.
    ///
    /// # Panics
    /// If the server remembers nothing.
    #[must_use]
    pub fn half_a_life_later(self) -> Self {
        self.memory.as_ref().expect("a memory").clock.advance(500);
        self
    }

    /// What clients have of an earlier connection.
    #[must_use]
    pub fn state(&self) -> Option<&ResumptionState> {
        self.state.as_deref()
    }

    /// AES-CCM as well, with long and with short tags.
    #[must_use]
    pub fn with_ccm(self) -> Self {
        self.provider(seeded::provider_with_ccm)
    }

    /// Another provider than the seeded one, made from a seed.
    #[must_use]
    pub fn provider(mut self, make: impl Fn(u64) -> CryptoProvider + 'static) -> Self {
        self.provider = Arc::new(make);
        self
    }

    /// The same provider, with something done to it, at one side or both.
    #[must_use]
    pub fn watched(mut self, at: Option<Role>, watch: impl Fn(CryptoProvider) -> CryptoProvider + 'static) -> Self {
        self.watched.push((at, Arc::new(watch)));
        self
    }

    /// Changes the settings of both sides.
    #[must_use]
    pub fn configure(mut self, change: impl Fn(&mut Settings) + 'static) -> Self {
        self.change.push((None, Arc::new(change)));
        self
    }

    /// Changes the settings of one side.
    #[must_use]
    pub fn configure_at(mut self, role: Role, change: impl Fn(&mut Settings) + 'static) -> Self {
        self.change.push((Some(role), Arc::new(change)));
        self
    }

    /// Each side wants a connection ID of so many bytes in what it receives, or knows of none.
    #[must_use]
    pub fn connection_ids(self, client: Option<u8>, server: Option<u8>) -> Self {
        let ids = |len: Option<u8>| {
            move |settings: &mut Settings| {
                settings.connection_id = len
                    .map_or(ConnectionIdUse::Off, |len| ConnectionIdUse::Ours(Arc::new(RandomConnectionId::new(len))));
            }
        };
        self.configure_at(Role::Client, ids(client)).configure_at(Role::Server, ids(server))
    }

    /// The largest datagram of both sides.
    #[must_use]
    pub fn mtu(self, mtu: usize) -> Self {
        self.configure(move |settings| settings.mtu = mtu)
    }

    /// The one suite of both sides.
    #[must_use]
    pub fn suite(self, suite: CipherSuiteId) -> Self {
        self.configure(move |settings| settings.cipher_suites = vec![suite])
    }

    /// The group that both sides want most; the others stay for the certificates' sake.
    #[must_use]
    pub fn group(self, group: NamedGroup) -> Self {
        self.configure(move |settings| settings.groups.sort_by_key(|known| *known != group))
    }

    /// Application protocols and SRTP.
    #[must_use]
    pub fn with_extensions(self) -> Self {
        self.configure(|settings| {
            settings.alpn = vec![b"webrtc".to_vec(), b"c-webrtc".to_vec()];
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM, SrtpProfile::AES128_CM_HMAC_SHA1_80];
        })
    }

    fn settings(&self, role: Role, settings: &mut Settings) {
        for (_, change) in self.change.iter().filter(|(at, _)| at.is_none_or(|at| at == role)) {
            change(settings);
        }
    }

    /// The provider of whoever is at `address`: everybody has his own randomness.
    #[must_use]
    pub fn provider_at(&self, address: Address, purpose: u64) -> Arc<CryptoProvider> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(address.0) * 16 + purpose);
        let role = if purpose == 0 { Role::Client } else { Role::Server };
        let watched = self.watched.iter().filter(|(at, _)| at.is_none_or(|at| at == role));
        Arc::new(watched.fold((self.provider)(seed), |provider, (_, watch)| watch(provider)))
    }

    /// The configuration of the client at `address`.
    ///
    /// # Panics
    /// If the settings cannot work.
    #[must_use]
    pub fn client_config(&self, address: Address) -> Arc<ClientConfig> {
        let provider = self.provider_at(address, 0);
        let asks = self.asking.contains(&Role::Client);
        let builder = ClientConfig::builder(Arc::clone(&provider));
        let builder = match (self.proof, self.client_leaf) {
            (Proof::PresharedKey, _) if asks => builder.preshared_key(Arc::new(AskOwner)),
            (Proof::PresharedKey, _) => builder.preshared_key(Arc::new(psk())),
            (proof, Some(_)) if asks => builder
                .trust(self.trust_of_client())
                .choose_identity(Arc::new(AskOwnerWith::default().certificate_types(proof.certificate_types()))),
            (_, Some(leaf)) => {
                builder.trust(self.trust_of_client()).identity(self.identity(&provider, leaf, Role::Client))
            }
            (_, None) => builder.trust(self.trust_of_client()).without_identity(),
        };
        let builder = if self.memory.is_some() { builder.resumable() } else { builder };
        Arc::new(
            builder.configure(|settings| self.settings(Role::Client, settings)).build().expect("settings that work"),
        )
    }

    /// The configuration of the server for the client at `address`.
    ///
    /// # Panics
    /// If the settings cannot work.
    #[must_use]
    pub fn server_config(&self, address: Address) -> Arc<ServerConfig> {
        let select = self.asking.contains(&Role::Server);
        self.server_config_that(address, select)
    }

    /// The same; it may leave to its owner which configuration serves a client.
    fn server_config_that(&self, address: Address, selects: bool) -> Arc<ServerConfig> {
        let provider = self.provider_at(address, 1);
        let asks = self.asking.contains(&Role::Server);
        let builder = ServerConfig::builder(Arc::clone(&provider));
        let builder = match self.proof {
            Proof::PresharedKey if asks => builder.preshared_keys(Arc::new(AskOwner)),
            Proof::PresharedKey => builder.preshared_keys(Arc::new(Psks::new().with(psk()))),
            _ => builder.identity(self.identity(&provider, self.server_leaf, Role::Server)),
        };
        let builder = match self.client_leaf.filter(|_| self.proof != Proof::PresharedKey) {
            Some(_) if asks => builder.client_authentication(ClientAuthentication::Require(Arc::new(AskOwner))),
            Some(leaf) => builder.client_authentication(ClientAuthentication::Require(self.trust_in(leaf))),
            None => builder,
        };
        let builder = if selects { builder.select(Arc::new(AskOwner)) } else { builder };
        let builder = match &self.memory {
            Some(memory) => builder.resumption(memory.of_server(&provider)),
            None => builder,
        };
        Arc::new(
            builder.configure(|settings| self.settings(Role::Server, settings)).build().expect("settings that work"),
        )
    }

    fn identity(&self, provider: &CryptoProvider, leaf: Leaf, role: Role) -> Identity {
        let key = provider.key_loader.load(&certificates::private_key(leaf)).expect("a test key");
        let key = if self.asking.contains(&role) { Arc::new(Elsewhere(key)) } else { key };
        let identity = match self.proof {
            Proof::RawPublicKeys => Identity::raw_public_key_with_signer(certificates::public_key(leaf), key),
            _ => Identity::with_signer(certificates::chain(leaf), key),
        };
        identity.expect("a key and its certificate").with_ocsp_response(self.staple.unwrap_or_default().to_vec())
    }

    fn trust_in(&self, leaf: Leaf) -> Arc<dyn PeerVerifier> {
        match self.proof {
            Proof::RawPublicKeys => certificates::pinned_key(leaf),
            _ => certificates::pinned(leaf),
        }
    }

    fn trust_of_client(&self) -> Arc<dyn PeerVerifier> {
        let trust: Arc<dyn PeerVerifier> =
            if self.asking.contains(&Role::Client) { Arc::new(AskOwner) } else { self.trust_in(self.server_leaf) };
        match self.staple {
            Some(staple) => Arc::new(WithStaple { trust, staple }),
            None => trust,
        }
    }

    /// A world with a listening server and no client.
    ///
    /// # Panics
    /// Never: seeded randomness does not fail.
    #[must_use]
    pub fn server_only(&self, network: impl Network + 'static) -> World {
        // What happens in one world is not remembered in the next.
        self.server_with(self.memory.as_ref().map(Memory::copy), network)
    }

    fn server_with(&self, memory: Option<Memory>, network: impl Network + 'static) -> World {
        let mut world = World::new(network);
        if !self.asking.is_empty() {
            world.owned_by(self.clone());
        }
        let jar = CookieJar::new(self.provider_at(SERVER, 2), Instant::ORIGIN).expect("randomness");
        let scenario = Self { memory, ..self.clone() };
        world.listen(SERVER, jar, move |client| scenario.server_config(client));
        world
    }

    /// A world with a server and a client whose first hello is on its way.
    #[must_use]
    pub fn start(&self, network: impl Network + 'static) -> World {
        let mut world = self.server_only(network);
        self.connect(&mut world, CLIENT);
        world
    }

    /// Lets a client at this address say its first hello, and offer what it has of an earlier connection.
    pub fn connect(&self, world: &mut World, from: Address) -> EndId {
        world.connect_resuming(from, SERVER, &self.client_config(from), Some("server.test"), self.state())
    }

    /// A world in which both sides are connected, after a clean handshake.
    ///
    /// # Panics
    /// If the handshake fails.
    #[must_use]
    pub fn connected(&self) -> World {
        let mut world = self.start(crate::sim::network::Clean);
        run_handshake(&mut world);
        world.drain();
        assert_agreement(&world, CLIENT_END);
        world
    }
}

/// An owner who answers rightly, or stops the test.
impl Owner for Scenario {
    fn takes(&self, id: EndId, asked: usize) -> Duration {
        let mut dice = Dice::new(self.seed ^ u64::from(id.local.0) << 16 ^ asked as u64);
        let longest = usize::try_from(self.thinks.as_millis()).expect("a thought of days at most");
        Duration::from_millis(1 + dice.below(longest.max(1)) as u64)
    }

    fn answer(&self, id: EndId, question: &Question<'_>) -> Answer {
        let role = if id.local == SERVER { Role::Server } else { Role::Client };
        let provider = (self.provider)(0);
        match question {
            Question::Config(_) => {
                let config = self.server_config_that(id.peer, false);
                Answer::Config(Some(Selected { config, by_name: false }))
            }
            Question::Peer(peer) => {
                let (leaf, staple) = match peer.role {
                    PeerRole::Server { .. } => (Some(self.server_leaf), self.staple),
                    PeerRole::Client => (self.client_leaf, None),
                    _ => panic!("nobody has an answer about {peer:?}"),
                };
                let trust = self.trust_in(leaf.expect("a certificate that was asked for"));
                Answer::Peer(if peer.ocsp_response == staple {
                    trust.verify(peer)
                } else {
                    Err(CertificateError::BadStatusResponse)
                })
            }
            Question::Identity { .. } => {
                Answer::Identity(self.client_leaf.map(|leaf| self.identity(&provider, leaf, Role::Client)))
            }
            Question::Signature { scheme, message, .. } => {
                let leaf = if role == Role::Server { Some(self.server_leaf) } else { self.client_leaf };
                let key = certificates::private_key(leaf.expect("who signs has a key"));
                let mut signature = Vec::new();
                let key = provider.key_loader.load(&key).expect("a test key");
                key.sign(*scheme, message, &mut signature).expect("its own scheme");
                Answer::Signature(signature)
            }
            Question::PresharedKey { identity } => {
                assert_eq!(*identity, PSK_IDENTITY);
                Answer::PresharedKey(Some(Arc::new(PresharedKey::new(PSK.to_vec()).expect("a key"))))
            }
            Question::PskIdentity { .. } => Answer::PskIdentity(Some(psk())),
            _ => panic!("nobody has an answer to {question:?}"),
        }
    }
}

impl Proof {
    const fn certificate_types(self) -> &'static [CertificateType] {
        match self {
            Self::RawPublicKeys => &[CertificateType::RAW_PUBLIC_KEY],
            _ => &[CertificateType::X509],
        }
    }
}

fn psk() -> PskIdentity {
    PskIdentity::new(PSK_IDENTITY.to_vec(), PSK.to_vec()).expect("an identity and its key")
}

/// Trusts as `trust` does, but only servers that show this of OCSP.
#[derive(Debug)]
struct WithStaple {
    trust: Arc<dyn PeerVerifier>,
    staple: &'static [u8],
}

impl PeerVerifier for WithStaple {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        if peer.ocsp_response == Some(self.staple) {
            self.trust.verify(peer)
        } else {
            Err(CertificateError::BadStatusResponse)
        }
    }

    fn defers(&self, peer: &PresentedPeer<'_>) -> bool {
        self.trust.defers(peer)
    }

    fn certificate_types(&self) -> &[CertificateType] {
        self.trust.certificate_types()
    }

    fn wants_ocsp_response(&self) -> bool {
        true
    }
}

/// Goes on until each side of the first association is connected or over.
pub fn run_handshake(world: &mut World) {
    world.run_until(|world| {
        let settled = |id| world.find(id).is_some_and(|end| end.fate() != Fate::Pending);
        let client_is_over = world.find(CLIENT_END).is_none_or(|end| end.connection.is_over());
        settled(CLIENT_END) && (settled(SERVER_END) || client_is_over && world.find(SERVER_END).is_none())
    });
}

/// Both ends of `client`'s association are connected and agree on everything there is to agree on.
///
/// # Panics
/// If not.
pub fn assert_agreement(world: &World, client: EndId) {
    let (ours, theirs) = (world.end(client), world.end(client.other()));
    assert!(ours.is_connected() && theirs.is_connected(), "{:?} and {:?}", ours.fate(), theirs.fate());
    let (a, b) = (ours.connection.info().expect("connected"), theirs.connection.info().expect("connected"));
    assert_eq!(a.version, b.version);
    assert_eq!(a.cipher_suite, b.cipher_suite);
    assert_eq!(a.group, b.group);
    assert_eq!(a.signature_scheme, b.signature_scheme);
    assert_eq!(a.extended_master_secret, b.extended_master_secret);
    assert_eq!(a.alpn, b.alpn);
    assert_eq!(a.srtp, b.srtp);
    assert_eq!(a.server_name, b.server_name);
    assert_eq!(a.psk_identity, b.psk_identity);
    assert_eq!(a.resumed, b.resumed);
    let (ours_cid, theirs_cid) = (a.connection_ids.as_ref(), b.connection_ids.as_ref());
    assert_eq!(ours_cid.map(|ids| (&ids.local, &ids.remote)), theirs_cid.map(|ids| (&ids.remote, &ids.local)));
    for context in [None, Some(&b""[..]), Some(&b"context"[..])] {
        let mut exported = [[0; 40]; 2];
        ours.connection.export(b"EXPERIMENTAL", context, &mut exported[0]).expect("connected");
        theirs.connection.export(b"EXPERIMENTAL", context, &mut exported[1]).expect("connected");
        assert_eq!(exported[0], exported[1], "with {context:?}");
        assert_ne!(exported[0], [0; 40]);
    }
    let keys = |keys: SrtpKeys| {
        [keys.local_key(), keys.local_salt(), keys.remote_key(), keys.remote_salt()].map(<[u8]>::to_vec)
    };
    match (ours.connection.srtp_keys(), theirs.connection.srtp_keys()) {
        (Ok(a), Ok(b)) => {
            let ([ak, asalt, ar, arsalt], [bk, bsalt, br, brsalt]) = (keys(a), keys(b));
            assert_eq!((ak, asalt, ar, arsalt), (br, brsalt, bk, bsalt));
        }
        (a, b) => assert_eq!(a.err(), b.err()),
    }
}

/// A payload goes each way, arrives once, and arrives no second time when its datagram is repeated.
///
/// # Panics
/// If not.
pub fn assert_data_flows(world: &mut World, client: EndId) {
    let now = world.now();
    for (from, to) in [(client, client.other()), (client.other(), client)] {
        let mut sealed = Vec::new();
        world.end_mut(from).connection.send(b"are you there?", &mut sealed).expect("connected");
        for expected in [1, 0] {
            let mut copy = sealed.clone();
            let got: Vec<Vec<u8>> =
                world.end_mut(to).connection.receive(now, &mut copy).map(|payload| payload.to_vec()).collect();
            assert_eq!(got, vec![b"are you there?".to_vec(); expected], "{from:?} to {to:?}");
        }
    }
}
