//! Endpoints over a network in memory, with a clock that jumps from deadline to deadline.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use dtls_core::crypto::{Identity, PinnedCertificates, ring};
use dtls_core::{ClientConfig, Error, Event, Instant, Role, SendError, ServerConfig, Settings};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Address, Admission, ConnectError, CookiePolicy, Endpoint, Handle, Limits};

/// A host without IP: the endpoint does not care.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Host(u32);

impl Address for Host {
    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        self.0.to_be_bytes()
    }
}

const SERVER: Host = Host(0);

/// Configurations of both sides that trust each other.
struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Configs {
    fn new(change: impl Fn(&mut Settings)) -> Self {
        let provider = Arc::new(ring::provider());
        let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let trust = Arc::new(PinnedCertificates::new(chain.clone()).unwrap());
        let identity = Identity::new(&provider, chain, key).unwrap();
        let server = ServerConfig::builder(Arc::clone(&provider)).identity(identity).configure(&change).build();
        let client = ClientConfig::builder(provider).trust(trust).without_identity().configure(&change).build();
        Self { server: Arc::new(server.unwrap()), client: Arc::new(client.unwrap()) }
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

    /// How many sessions the server has.
    fn sessions(&mut self) -> usize {
        self.server().sessions().len()
    }

    fn stats(&mut self) -> crate::Stats {
        *self.server().stats()
    }
}

// --- sessions ---

#[test]
fn many_clients_of_one_server_each_have_a_session_of_their_own() {
    let mut network = Network::new();
    let clients: Vec<(Host, Handle)> = (1..=50).map(Host).map(|host| (host, network.connect(host))).collect();
    network.run();
    assert_eq!(network.sessions(), 50);
    assert_eq!(network.server().half_open(), 0);
    for (host, client) in &clients {
        network.send(*host, *client, host.cookie_bytes().as_ref());
    }
    network.run();
    let payloads = core::mem::take(&mut network.payloads);
    assert_eq!(payloads.len(), 50);
    for (at, server, payload) in payloads {
        let peer = *network.server().remote_address(server).unwrap();
        assert_eq!((at, &payload[..]), (SERVER, peer.cookie_bytes().as_ref()));
        assert_eq!(network.server().info(server).unwrap().role, Role::Server);
        network.send(SERVER, server, b"answer");
    }
    network.run();
    for (host, client) in clients {
        assert!(network.payloads.contains(&(host, client, b"answer".to_vec())));
        assert_eq!(network.events_at(host), [Event::Connected]);
    }
    let stats = network.stats();
    assert_eq!((stats.server_sessions, stats.client_sessions, stats.rejected, stats.refused), (50, 0, 0, 0));
    // Two hellos, one flight and the data from each; the cookie, two flights and the answer to each.
    assert_eq!((stats.datagrams_received, stats.datagrams_sent), (200, 200));
}

#[test]
fn one_endpoint_is_client_and_server_at_once() {
    let mut network = Network::new();
    let config = Arc::clone(&network.configs.server);
    let other = Endpoint::new(Instant::ORIGIN, Some(config), CookiePolicy::Required, Limits::default()).unwrap();
    network.hosts.insert(Host(1), other);
    let (client, server) = network.pair(Host(1));
    let config = Arc::clone(&network.configs.client);
    let to_other = network.server().connect(Instant::ORIGIN, Host(2), Arc::clone(&config), None).unwrap();
    // An address that has a session, of either role, cannot be connected to.
    for host in [Host(1), Host(2)] {
        let again = network.server().connect(Instant::ORIGIN, host, Arc::clone(&config), None);
        assert_eq!(again, Err(ConnectError::AddressInUse));
    }
    assert_ne!(server, to_other);
    assert_eq!(network.host(Host(1)).info(client).unwrap().role, Role::Client);
    assert_eq!((network.stats().server_sessions, network.stats().client_sessions), (1, 1));
    assert_eq!(network.server().half_open(), 0);
}

#[test]
fn both_ends_export_the_same() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let (mut ours, mut theirs) = ([0; 20], [0; 20]);
    network.host(Host(1)).export(client, b"EXPERIMENTAL", None, &mut ours).unwrap();
    network.server().export(server, b"EXPERIMENTAL", None, &mut theirs).unwrap();
    assert_eq!(ours, theirs);
    assert_ne!(ours, [0; 20]);
}

#[test]
fn a_payload_sealed_in_place_arrives() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let endpoint = network.host(Host(1));
    let (headroom, tailroom) = (endpoint.headroom(client), endpoint.tailroom(client));
    let mut buffer = vec![0; headroom + 5 + tailroom];
    buffer[headroom..headroom + 5].copy_from_slice(b"hello");
    let (to, datagram) = endpoint.seal_in_place(client, &mut buffer, 5).unwrap();
    assert_eq!((to, datagram.len()), (SERVER, buffer.len()));
    let sent = endpoint.stats().bytes_sent;
    network.deliver(Host(1), SERVER, buffer[datagram].to_vec());
    assert_eq!(network.payloads, [(SERVER, server, b"hello".to_vec())]);
    assert_eq!(network.stats().bytes_received, sent);
}

#[test]
fn what_a_caller_leaves_of_a_datagram_is_handled_all_the_same() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    let mut datagram = Vec::new();
    for payload in [b"one", b"two"] {
        network.host(Host(1)).send(client, payload, &mut datagram).unwrap();
    }
    network.host(Host(1)).close(client);
    network.host(Host(1)).poll_transmit(Instant::ORIGIN, &mut datagram);
    let mut received = network.server().receive(Instant::ORIGIN, Host(1), &mut datagram);
    let (handle, payload) = received.next().unwrap();
    assert_eq!((handle, &payload[..]), (server, &b"one"[..]));
    drop(received);
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
}

#[test]
fn sessions_with_something_to_send_take_turns() {
    let mut network = Network::with(CookiePolicy::TrustedPath, Limits::default(), |settings| settings.mtu = 256);
    for host in [Host(1), Host(2)] {
        let hello = {
            network.connect(host);
            let mut hello = Vec::new();
            network.host(host).poll_transmit(Instant::ORIGIN, &mut hello);
            hello
        };
        network.deliver(host, SERVER, hello);
    }
    // The certificate alone takes more than one datagram.
    let mut turns = Vec::new();
    while let Some(to) = network.server().poll_transmit(Instant::ORIGIN, &mut Vec::new()) {
        turns.push(to);
    }
    assert!(turns.len() >= 6);
    assert!(turns.windows(2).all(|pair| pair[0] != pair[1]), "{turns:?}");
}

// --- strangers ---

#[test]
fn junk_from_anywhere_is_counted_and_holds_nothing() {
    let mut network = Network::new();
    let hello = network.hello();
    let mut junk: Vec<Vec<u8>> = vec![vec![], vec![0], b"junk".to_vec(), vec![22; 1500], vec![255; 13]];
    // A hello cut short, of another epoch, of another type.
    junk.push(hello[..40].to_vec());
    junk.extend([(4, 1), (0, 23), (13, 2)].map(|(at, byte)| {
        let mut broken = hello.clone();
        broken[at] = byte;
        broken
    }));
    let count = u64::try_from(junk.len()).unwrap();
    for (host, datagram) in (1..).map(Host).zip(junk) {
        network.deliver(host, SERVER, datagram);
    }
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
    assert_eq!((network.stats().rejected, network.stats().datagrams_sent), (count, 0));
}

#[test]
fn a_hello_without_a_cookie_gets_a_shorter_answer_and_holds_nothing() {
    let mut network = Network::new();
    for host in (1..1000).map(Host) {
        let hello = network.hello();
        let len = hello.len();
        network.deliver(host, SERVER, hello);
        network.drain();
        let (_, to, reply) = network.under_way.pop_front().unwrap();
        assert_eq!(to, host);
        assert!(reply.len() <= len);
        assert!(network.under_way.is_empty());
    }
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
    assert!(network.stats().bytes_sent <= network.stats().bytes_received);
}

#[test]
fn answers_that_nobody_takes_are_not_piled_up() {
    let mut network = Network::new();
    let hello = network.hello();
    for host in (1..=1000).map(Host) {
        network.deliver(host, SERVER, hello.clone());
    }
    network.drain();
    assert_eq!(network.under_way.len(), 64);
    assert_eq!(network.stats().unanswered, 1000 - 64);
}

#[test]
fn a_cookie_is_good_only_at_the_address_it_was_sent_to() {
    let mut network = Network::new();
    network.connect(Host(1));
    let deliver_next = |network: &mut Network| {
        network.drain();
        let (from, to, datagram) = network.under_way.pop_front().unwrap();
        network.deliver(from, to, datagram);
    };
    deliver_next(&mut network);
    deliver_next(&mut network);
    network.drain();
    let (_, _, with_cookie) = network.under_way.pop_front().unwrap();
    network.deliver(Host(2), SERVER, with_cookie.clone());
    assert_eq!(network.sessions(), 0);
    network.deliver(Host(1), SERVER, with_cookie);
    assert_eq!(network.sessions(), 1);
}

#[test]
fn a_client_only_endpoint_answers_no_hello() {
    let mut network = Network::new();
    let hello = network.hello();
    network.host(Host(1));
    network.deliver(Host(2), Host(1), hello);
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.host(Host(1)).stats().rejected, 1);
}

#[test]
fn on_a_trusted_path_a_hello_begins_a_session_and_junk_does_not() {
    let mut network = Network::with(CookiePolicy::TrustedPath, Limits::default(), |_| ());
    network.deliver(Host(1), SERVER, b"junk".to_vec());
    assert_eq!(network.sessions(), 0);
    let (client, _) = network.pair(Host(1));
    assert_eq!(network.host(Host(1)).session_stats(client).unwrap().datagrams_sent, 2);
}

#[test]
fn a_spoofed_hello_does_not_touch_an_established_session() {
    for policy in [CookiePolicy::Required, CookiePolicy::TrustedPath] {
        let mut network = Network::with(policy, Limits::default(), |_| ());
        let (client, server) = network.pair(Host(1));
        let hello = network.hello();
        network.deliver(Host(1), SERVER, hello);
        network.drain();
        assert!(network.under_way.is_empty());
        network.send(Host(1), client, b"still here");
        network.run();
        assert_eq!(network.payloads, [(SERVER, server, b"still here".to_vec())]);
    }
}

// --- limits ---

#[test]
fn beyond_its_limits_an_endpoint_is_silent() {
    let limits = Limits { sessions: 3, half_open: 2 };
    let mut network = Network::with(CookiePolicy::TrustedPath, limits, |_| ());
    for host in (1..=4).map(Host) {
        let hello = network.hello();
        network.deliver(host, SERVER, hello);
    }
    assert_eq!((network.server().half_open(), network.stats().refused), (2, 2));
    // Those two never go on, and are given up. They are in the way until they are released.
    while network.jump() {
        network.drain();
    }
    assert_eq!(
        network.events_at(SERVER),
        [Event::Failed(Error::HandshakeTimeout), Event::Failed(Error::HandshakeTimeout)]
    );
    assert_eq!((network.server().half_open(), network.sessions()), (0, 0));
    for (_, handle, ..) in core::mem::take(&mut network.events) {
        assert_eq!(network.server().session_stats(handle).unwrap().datagrams_received, 1);
        network.server().release(handle);
        assert_eq!(network.server().session_stats(handle), None);
    }
    network.under_way.clear();
    for host in (5..=7).map(Host) {
        network.pair(host);
    }
    let hello = network.hello();
    network.deliver(Host(8), SERVER, hello);
    assert_eq!((network.sessions(), network.stats().refused), (3, 3));
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    assert_eq!(network.server().connect(now, Host(9), config, None), Err(ConnectError::TooManySessions));
}

#[test]
fn a_busy_endpoint_is_silent_to_new_clients_and_serves_the_others() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.server().set_admission(Admission::Busy);
    let hello = network.hello();
    network.deliver(Host(2), SERVER, hello.clone());
    network.send(Host(1), client, b"served");
    network.run();
    assert_eq!((network.stats().busy, network.sessions()), (1, 1));
    assert_eq!(network.payloads, [(SERVER, server, b"served".to_vec())]);
    network.server().set_admission(Admission::Open);
    network.pair(Host(2));
}

// --- time ---

#[test]
fn the_deadline_is_that_of_the_session_that_is_due_first_and_no_other_acts() {
    let mut network = Network::new();
    let at = |millis| Instant::from_origin(Duration::from_millis(millis));
    let hosts = [Host(10), Host(11), Host(12)];
    for (host, millis) in hosts.into_iter().zip([0, 300, 600]) {
        network.now = at(millis);
        let (now, config) = (network.now, Arc::clone(&network.configs.client));
        network.server().connect(now, host, config, None).unwrap();
        network.drain();
    }
    network.under_way.clear();
    // First repetitions 1 s after the first flights, second ones 2 s later.
    let expected = [1000, 1300, 1600, 3000, 3300, 3600].map(at).into_iter().zip(hosts.into_iter().cycle());
    for (deadline, host) in expected {
        assert_eq!(network.server().poll_timeout(), Some(deadline));
        network.now = Instant::from_origin(deadline.since_origin() - Duration::from_nanos(1));
        let now = network.now;
        network.server().handle_timeout(now);
        network.drain();
        assert!(network.under_way.is_empty());
        network.now = deadline;
        network.server().handle_timeout(deadline);
        network.drain();
        let sent_to: Vec<Host> = network.under_way.drain(..).map(|(_, to, _)| to).collect();
        assert_eq!(sent_to, [host]);
    }
}

#[test]
fn a_lost_flight_is_repeated_by_the_returned_deadlines_alone() {
    let mut network = Network::new();
    for host in (1..=5).map(Host) {
        network.connect(host);
    }
    // All hellos are lost.
    network.drain();
    network.under_way.clear();
    assert!(network.jump());
    network.run();
    assert_eq!(network.now, Instant::from_origin(Duration::from_secs(1)));
    assert_eq!(network.sessions(), 5);
    assert_eq!(network.events.len(), 10);
}

#[test]
fn when_all_is_said_there_is_no_deadline() {
    let mut network = Network::new();
    network.pair(Host(1));
    network.pair(Host(2));
    // The server keeps its last flight for a while.
    let mut jumps = 0;
    while network.jump() {
        network.run();
        jumps += 1;
    }
    assert!((1..=2).contains(&jumps));
    assert_eq!(network.sessions(), 2);
}

// --- ending ---

#[test]
fn a_close_is_heard_and_gives_the_address_back_on_both_sides() {
    let mut network = Network::new();
    let (client, _) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    network.run();
    assert_eq!(network.events_at(Host(1)), [Event::Connected]);
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
    assert_eq!(network.host(Host(1)).sessions().len(), 0);
    assert_eq!(network.sessions(), 0);
    assert_eq!(network.server().poll_timeout(), None);
}

#[test]
fn a_session_that_the_peer_has_closed_answers_until_it_is_released() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.send(Host(1), client, b"counted");
    network.run();
    network.host(Host(1)).close(client);
    network.run();
    // The address has another session meanwhile, and time goes by.
    let (_, new_server) = network.pair(Host(1));
    while network.jump() {
        network.run();
    }
    let (mut ours, mut theirs) = ([0; 20], [1; 20]);
    network.host(Host(1)).export(client, b"EXPERIMENTAL", None, &mut ours).unwrap();
    let endpoint = network.server();
    endpoint.export(server, b"EXPERIMENTAL", None, &mut theirs).unwrap();
    assert_eq!(ours, theirs);
    assert_eq!(endpoint.info(server).unwrap().role, Role::Server);
    assert_eq!(endpoint.session_stats(server).unwrap().application_records_received, 1);
    assert_eq!(endpoint.remote_address(server), Some(&Host(1)));
    endpoint.release(server);
    assert!(endpoint.export(server, b"EXPERIMENTAL", None, &mut theirs).is_err());
    assert_eq!(endpoint.session_stats(server), None);
    assert_eq!(endpoint.session_at(&Host(1)), Some(new_server));
}

#[test]
fn sessions_that_are_over_count_towards_the_limit_until_they_are_released() {
    let mut network = Network::with(CookiePolicy::Required, Limits { sessions: 2, ..Limits::default() }, |_| ());
    let mut over = Vec::new();
    for _ in 0..2 {
        let (client, server) = network.pair(Host(1));
        network.host(Host(1)).close(client);
        network.run();
        over.push(server);
    }
    let (now, config) = (network.now, Arc::clone(&network.configs.client));
    let refused = network.server().connect(now, Host(9), Arc::clone(&config), None);
    assert_eq!(refused, Err(ConnectError::TooManySessions));
    let hello = network.hello();
    network.deliver(Host(2), SERVER, hello);
    assert_eq!((network.sessions(), network.stats().refused), (0, 1));
    network.server().release(over[0]);
    network.pair(Host(2));
}

#[test]
fn a_session_released_before_its_end_goes_on_and_still_says_goodbye() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).release(client);
    network.send(Host(1), client, b"goes on");
    network.run();
    assert_eq!(network.payloads, [(SERVER, server, b"goes on".to_vec())]);
    network.host(Host(1)).close(client);
    network.run();
    assert_eq!(network.events_at(SERVER), [Event::Connected, Event::Closed]);
    assert!(network.host(Host(1)).is_bare());
}

#[test]
fn a_session_is_kept_until_its_alert_has_left_and_its_events_are_polled() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    let mut goodbye = Vec::new();
    network.host(Host(1)).poll_transmit(Instant::ORIGIN, &mut goodbye);
    network.deliver(Host(1), SERVER, goodbye);
    let endpoint = network.server();
    let still_there = |endpoint: &mut Endpoint<Host>| {
        endpoint.handle_timeout(Instant::ORIGIN);
        endpoint.session_at(&Host(1)) == Some(server)
    };
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_event(), Some((server, Host(1), Event::Closed)));
    assert_eq!(endpoint.poll_event(), None);
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut Vec::new()), Some(Host(1)));
    assert!(still_there(endpoint));
    assert_eq!(endpoint.poll_transmit(Instant::ORIGIN, &mut Vec::new()), None);
    assert!(!still_there(endpoint));
}

#[test]
fn an_abort_is_silent_and_frees_the_session() {
    let mut network = Network::new();
    let (client, _) = network.pair(Host(1));
    network.host(Host(1)).abort(client);
    network.drain();
    assert!(network.under_way.is_empty());
    assert_eq!(network.host(Host(1)).sessions().len(), 0);
}

#[test]
fn a_handle_is_never_good_for_a_later_session() {
    let mut network = Network::new();
    let (client, server) = network.pair(Host(1));
    network.host(Host(1)).close(client);
    network.run();
    network.server().release(server);
    let (_, new_server) = network.pair(Host(1));
    assert_ne!(server, new_server);
    let endpoint = network.server();
    assert_eq!(endpoint.send(server, b"x", &mut Vec::new()), Err(SendError::Closed));
    assert_eq!(endpoint.seal_in_place(server, &mut [0; 100], 1), Err(SendError::Closed));
    assert_eq!((endpoint.info(server), endpoint.remote_address(server)), (None, None));
    assert_eq!((endpoint.max_payload(server), endpoint.headroom(server), endpoint.tailroom(server)), (0, 0, 0));
    assert!(endpoint.export(server, b"EXPERIMENTAL", None, &mut []).is_err());
    assert!(endpoint.srtp_keys(server).is_err());
    endpoint.close(server);
    endpoint.abort(server);
    endpoint.release(server);
    network.run();
    assert_eq!(network.server().session_at(&Host(1)), Some(new_server));
    assert!(network.server().info(new_server).is_some());
}

#[test]
fn sessions_that_come_and_go_leave_nothing_behind() {
    let mut network = Network::new();
    for round in 0..20 {
        let (client, server) = network.pair(Host(1));
        if round % 2 == 0 {
            network.host(Host(1)).close(client)
        } else {
            network.server().close(server)
        }
        network.run();
        network.host(Host(1)).release(client);
        network.server().release(server);
    }
    for endpoint in network.hosts.values_mut() {
        assert_eq!(endpoint.sessions().len(), 0);
        assert_eq!(endpoint.poll_timeout(), None);
        assert!(endpoint.is_bare(), "{endpoint:?}");
    }
    assert_eq!(network.stats().server_sessions, 20);
}
