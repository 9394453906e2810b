//! Endpoints over a network in memory, with a clock that jumps from deadline to deadline.

mod anew;
mod decisions;
mod door;
mod ending;
mod eviction;
mod limits;
mod mtu;
mod path_checks;
mod resting;
mod resuming;
mod roaming;
mod sessions;
mod strangers;
mod time;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use dtls_core::config::ClientAuthentication;
use dtls_core::crypto::{Identity, PinnedCertificates, PskIdentity, Psks, ring};
use dtls_core::wire::enums::CipherSuiteId;
use dtls_core::{ClientConfig, Error, Instant, Role, SendError, ServerConfig, Settings};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Address, Admission, ConnectError, CookiePolicy, Endpoint, Event, Handle, Limits};

/// A host without IP: the endpoint does not care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Host(u32);

impl Address for Host {
    /// Ten are neighbours.
    type Host = u32;

    fn host(&self) -> u32 {
        self.0 / 10
    }

    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        self.0.to_be_bytes()
    }
}

const SERVER: Host = Host(0);
const AES: CipherSuiteId = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;
const CHACHA: CipherSuiteId = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;

/// Configurations of both sides that trust each other.
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Configs {
    fn new(change: impl Fn(&mut Settings)) -> Self {
        Self::with(None, change)
    }

    /// Clients show a certificate too, and behind it this.
    fn mutual(filler: Vec<u8>, change: impl Fn(&mut Settings)) -> Self {
        Self::with(Some(filler), change)
    }

    fn with(filler: Option<Vec<u8>>, change: impl Fn(&mut Settings)) -> Self {
        let provider = Arc::new(ring::provider());
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        let trust = Arc::new(PinnedCertificates::new(chain.clone()).unwrap());
        let identity = |filler: Option<Vec<u8>>| {
            let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
            let chain = chain.iter().cloned().chain(filler.map(CertificateDer::from)).collect();
            Identity::new(&provider, chain, key).unwrap()
        };
        let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity(None)).configure(&change);
        let client = ClientConfig::builder(Arc::clone(&provider)).trust(trust.clone());
        let (server, client) = match filler {
            None => (server, client.without_identity()),
            filler => {
                (server.client_authentication(ClientAuthentication::Require(trust)), client.identity(identity(filler)))
            }
        };
        Self { server: Arc::new(server.build().unwrap()), client: Arc::new(client.configure(&change).build().unwrap()) }
    }
}

/// Endpoints by address, what is on its way between them, and what has come out of them.
struct Network {
    now: Instant,
    configs: Configs,
    hosts: BTreeMap<Host, Endpoint<Host>>,
    under_way: VecDeque<(Host, Host, Vec<u8>)>,
    events: Vec<(Host, Handle, Host, Event)>,
    payloads: Vec<(Host, Handle, Vec<u8>)>,
}

impl Network {
    fn new() -> Self {
        Self::with(CookiePolicy::Required, Limits::default(), |_| ())
    }

    fn with(policy: CookiePolicy, limits: Limits, change: impl Fn(&mut Settings)) -> Self {
        let configs = Configs::new(change);
        let server = Endpoint::new(Instant::ORIGIN, Some(Arc::clone(&configs.server)), policy, limits).unwrap();
        Self {
            now: Instant::ORIGIN,
            configs,
            hosts: BTreeMap::from([(SERVER, server)]),
            under_way: VecDeque::new(),
            events: Vec::new(),
            payloads: Vec::new(),
        }
    }

    fn host(&mut self, host: Host) -> &mut Endpoint<Host> {
        self.hosts.entry(host).or_insert_with(|| {
            Endpoint::new(Instant::ORIGIN, None, CookiePolicy::default(), Limits::default()).unwrap()
        })
    }

    fn server(&mut self) -> &mut Endpoint<Host> {
        self.host(SERVER)
    }

    fn connect(&mut self, from: Host) -> Handle {
        let (now, config) = (self.now, Arc::clone(&self.configs.client));
        self.host(from).connect(now, SERVER, config, None).unwrap()
    }

    /// Connects, and returns the client's handle and the server's.
    fn pair(&mut self, from: Host) -> (Handle, Handle) {
        let client = self.connect(from);
        self.run();
        (client, self.server().session_at(&from).unwrap())
    }

    /// Takes everything that the hosts have to say.
    fn drain(&mut self) {
        for (host, endpoint) in &mut self.hosts {
            let mut out = Vec::new();
            while let Some(to) = endpoint.poll_transmit(self.now, &mut out) {
                self.under_way.push_back((*host, to, core::mem::take(&mut out)));
            }
            while let Some((handle, peer, event)) = endpoint.poll_event() {
                self.events.push((*host, handle, peer, event));
            }
        }
    }

    /// Delivers until silence. The clock stands still.
    fn run(&mut self) {
        self.drain();
        while let Some((from, to, datagram)) = self.under_way.pop_front() {
            self.deliver(from, to, datagram);
            self.drain();
        }
    }

    fn deliver(&mut self, from: Host, to: Host, mut datagram: Vec<u8>) {
        let Some(endpoint) = self.hosts.get_mut(&to) else { return };
        for (handle, payload) in endpoint.receive(self.now, from, &mut datagram) {
            self.payloads.push((to, handle, payload.to_vec()));
        }
    }

    /// Jumps to the next deadline of anyone; `false` if there is none.
    fn jump(&mut self) -> bool {
        let Some(next) = self.hosts.values_mut().filter_map(Endpoint::poll_timeout).min() else { return false };
        self.now = self.now.max(next);
        for endpoint in self.hosts.values_mut() {
            endpoint.handle_timeout(self.now);
        }
        true
    }

    fn send(&mut self, from: Host, handle: Handle, payload: &[u8]) {
        let mut datagram = Vec::new();
        let to = self.host(from).send(handle, payload, &mut datagram).unwrap();
        self.under_way.push_back((from, to, datagram));
    }

    fn events_at(&self, host: Host) -> Vec<Event> {
        self.events.iter().filter(|(at, ..)| *at == host).map(|(.., event)| event.clone()).collect()
    }

    /// The first datagram of a new client, which is on no network.
    fn hello(&mut self) -> Vec<u8> {
        let mut client = Endpoint::new(self.now, None, CookiePolicy::default(), Limits::default()).unwrap();
        client.connect(self.now, SERVER, Arc::clone(&self.configs.client), None).unwrap();
        let mut hello = Vec::new();
        assert_eq!(client.poll_transmit(self.now, &mut hello), Some(SERVER));
        hello
    }

    /// A client that is on no network, for an address that may have had another.
    fn reboot(&mut self) -> Endpoint<Host> {
        let mut client = Endpoint::new(self.now, None, CookiePolicy::default(), Limits::default()).unwrap();
        client.connect(self.now, SERVER, Arc::clone(&self.configs.client), None).unwrap();
        client
    }

    /// The next datagram of a client that is on no network.
    fn next_of(&self, client: &mut Endpoint<Host>) -> Option<Vec<u8>> {
        let mut datagram = Vec::new();
        client.poll_transmit(self.now, &mut datagram).map(|_| datagram)
    }

    /// The next datagram of a client that is on no network arrives from `at`, and so does what the server answers; `false`
    /// if the client has nothing to say.
    fn let_speak(&mut self, at: Host, client: &mut Endpoint<Host>) -> bool {
        let Some(datagram) = self.next_of(client) else { return false };
        self.deliver(at, SERVER, datagram);
        self.drain_server_to(client);
        true
    }

    /// A [`reboot`](Self::reboot)ed client that has said both its hellos, without and with a cookie, from `at`, and has been
    /// answered.
    fn reboot_and_say_hello(&mut self, at: Host) -> Endpoint<Host> {
        let mut client = self.reboot();
        for _ in 0..2 {
            assert!(self.let_speak(at, &mut client));
        }
        client
    }

    /// Takes everything that the server has to say, and gives its datagrams to a client that is on no network.
    fn drain_server_to(&mut self, client: &mut Endpoint<Host>) {
        let now = self.now;
        let mut out = Vec::new();
        while self.server().poll_transmit(now, &mut out).is_some() {
            drop(client.receive(now, SERVER, &mut out));
            out.clear();
        }
        while let Some((handle, peer, event)) = self.server().poll_event() {
            self.events.push((SERVER, handle, peer, event));
        }
    }

    /// How many sessions the server has.
    fn sessions(&mut self) -> usize {
        let server = self.server();
        assert_eq!(server.sessions().count(), server.len());
        server.len()
    }

    fn stats(&mut self) -> crate::Stats {
        *self.server().stats()
    }
}
