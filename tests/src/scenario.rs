//! Short tests: who the two sides are, what they want, and one word to start them.

use std::sync::Arc;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::CryptoProvider;
use dtls_core::wire::enums::{CipherSuiteId, NamedGroup, SrtpProfile};
use dtls_core::{ClientConfig, CookieJar, Instant, ServerConfig, Settings, SrtpKeys};

use crate::certificates::{self, Leaf};
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

type Change = Arc<dyn Fn(&mut Settings)>;
type MakeProvider = Arc<dyn Fn(u64) -> CryptoProvider>;

/// Who the two sides are and what they want. Everything follows from the seed.
#[derive(Clone)]
pub struct Scenario {
    /// Where all randomness comes from.
    pub seed: u64,
    /// The certificate of the server; clients pin it.
    pub server_leaf: Leaf,
    /// The certificate of clients; the server then requires exactly it.
    pub client_leaf: Option<Leaf>,
    change: Vec<Change>,
    provider: MakeProvider,
}

impl Scenario {
    /// A server with an ECDSA certificate and anonymous clients, X25519, defaults for the rest.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            server_leaf: Leaf::EcdsaP256,
            client_leaf: None,
            change: Vec::new(),
            provider: Arc::new(seeded::provider),
        }
        .group(NamedGroup::X25519)
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

    /// Another provider than the seeded one, made from a seed.
    #[must_use]
    pub fn provider(mut self, make: impl Fn(u64) -> CryptoProvider + 'static) -> Self {
        self.provider = Arc::new(make);
        self
    }

    /// Changes the settings of both sides.
    #[must_use]
    pub fn configure(mut self, change: impl Fn(&mut Settings) + 'static) -> Self {
        self.change.push(Arc::new(change));
        self
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

    fn settings(&self, settings: &mut Settings) {
        for change in &self.change {
            change(settings);
        }
    }

    /// The provider of whoever is at `address`: everybody has his own randomness.
    #[must_use]
    pub fn provider_at(&self, address: Address, purpose: u64) -> Arc<CryptoProvider> {
        let seed = self.seed.wrapping_mul(1_000_003).wrapping_add(u64::from(address.0) * 16 + purpose);
        Arc::new((self.provider)(seed))
    }

    /// The configuration of the client at `address`.
    ///
    /// # Panics
    /// If the settings cannot work.
    #[must_use]
    pub fn client_config(&self, address: Address) -> Arc<ClientConfig> {
        let provider = self.provider_at(address, 0);
        let builder = ClientConfig::builder(Arc::clone(&provider)).trust(certificates::pinned(self.server_leaf));
        let builder = match self.client_leaf {
            Some(leaf) => builder.identity(certificates::identity(&provider, leaf)),
            None => builder.without_identity(),
        };
        Arc::new(builder.configure(|settings| self.settings(settings)).build().expect("settings that work"))
    }

    /// The configuration of the server for the client at `address`.
    ///
    /// # Panics
    /// If the settings cannot work.
    #[must_use]
    pub fn server_config(&self, address: Address) -> Arc<ServerConfig> {
        let provider = self.provider_at(address, 1);
        let builder = ServerConfig::builder(Arc::clone(&provider))
            .identity(certificates::identity(&provider, self.server_leaf))
            .configure(|settings| self.settings(settings));
        let builder = match self.client_leaf {
            Some(leaf) => builder.client_authentication(ClientAuthentication::Require(certificates::pinned(leaf))),
            None => builder,
        };
        Arc::new(builder.build().expect("settings that work"))
    }

    /// A world with a listening server and no client.
    ///
    /// # Panics
    /// Never: seeded randomness does not fail.
    #[must_use]
    pub fn server_only(&self, network: impl Network + 'static) -> World {
        let mut world = World::new(network);
        let jar = CookieJar::new(self.provider_at(SERVER, 2), Instant::ORIGIN).expect("randomness");
        let scenario = self.clone();
        world.listen(SERVER, jar, move |client| scenario.server_config(client));
        world
    }

    /// A world with a server and a client whose first hello is on its way.
    #[must_use]
    pub fn start(&self, network: impl Network + 'static) -> World {
        let mut world = self.server_only(network);
        world.connect(CLIENT, SERVER, &self.client_config(CLIENT), Some("server.test"));
        world
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
