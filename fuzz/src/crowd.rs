//! The target `endpoint`: one endpoint with eight addresses, at each an honest peer or nobody, and a script that plays
//! the network, the clock, the host and the attackers.
//!
//! | invariant | where |
//! |---|---|
//! | an address that has never had a session gets no more bytes than came from it, once clients need cookies | [`World::hear`] |
//! | what waits to be sent comes to an end | [`World::hear`] |
//! | no limit is passed, as [`Limits`] count, but by what was there when it was lowered | [`World::check`] |
//! | nobody has to go for another while one that had to is not released | [`World::listen`] |
//! | `len`, `sessions`, `half_open`, `session_at` and `memory` agree | [`World::check`] |
//! | a handle that has lost its session never has one again | [`World::check`] |
//! | `Connected` once, one end, nothing behind it | [`World::listen`] |
//! | a deadline that was served is gone | [`World::timeout`] |
//! | what is lent belongs to a session of its address | [`World::receive`] |
//! | when all is closed, released and drained, nothing is left | [`World::finish`] |

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dtls_core::crypto::CryptoProvider;
use dtls_core::wire::enums::AlertDescription;
use dtls_core::{ClientConfig, Connection, Instant, Role, ServerConfig};
use dtls_endpoint::{Address, Admission, CookiePolicy, Endpoint, Event, Handle, Incoming, Limits, Reason, Replacement};

use crate::forge;
use crate::many::{Script, Step, doors};
use crate::null_provider::{Hashing, provider};
use crate::script::{Mangle, Setup, flags};
use crate::world::{client_config, server_config};

/// One of the addresses; four are neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Place(u8);

impl Address for Place {
    type Host = u8;

    fn host(&self) -> u8 {
        self.0 / 4
    }

    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        [self.0]
    }
}

/// Runs one script.
pub fn run(script: &Script) {
    let mut world = World::new(script);
    script.steps.iter().for_each(|step| world.step(step));
    world.finish();
}

/// How many sessions have been connected after the steps of a script.
#[must_use]
pub fn connected(script: &Script) -> usize {
    let mut world = World::new(script);
    script.steps.iter().for_each(|step| world.step(step));
    world.told.values().filter(|told| told.connected).count()
}

struct World {
    setup: Setup,
    provider: Arc<CryptoProvider>,
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    now: Instant,
    endpoint: Endpoint<Place>,
    limits: Limits,
    needs_cookies: bool,
    peers: BTreeMap<Place, Connection>,
    history: Vec<Vec<u8>>,
    /// Clients that the host has taken from the door and not decided on.
    waiting: VecDeque<Incoming<Place>>,
    /// Bytes that came from and went to an address before it had a session.
    unproven: BTreeMap<Place, (usize, usize)>,
    proven: BTreeSet<Place>,
    told: BTreeMap<Handle, Told>,
    /// By newcomer, the session of its client that it began beside: under the limits the two count as one until either is
    /// released.
    beside: BTreeMap<Handle, Handle>,
    gone: BTreeSet<Handle>,
    /// What counted when the limits were last looked at: sessions, half-open ones, memory, and the sessions of each host.
    before: [usize; 3 + HOSTS],
}

/// What the world knows of a session.
#[derive(Debug)]
struct Told {
    /// Which end the endpoint is.
    role: Role,
    connected: bool,
    ended: bool,
    /// Whether it had to go for another.
    evicted: bool,
    /// Whether the host has closed or aborted it.
    left: bool,
}

impl Told {
    const fn new(role: Role) -> Self {
        Self { role, connected: false, ended: false, evicted: false, left: false }
    }

    const fn is_over(&self) -> bool {
        self.ended || self.left
    }
}

const PLACES: u8 = 8;
const HOSTS: usize = 2;

fn place(at: u8) -> Place {
    Place(at % PLACES)
}

fn limits([sessions, half_open, per_host, memory, idle]: [u8; 5]) -> Limits {
    Limits {
        sessions: usize::from(sessions % 16),
        half_open: usize::from(half_open % 8),
        per_host: if per_host % 8 == 0 { usize::MAX } else { usize::from(per_host % 8) },
        session_memory: if memory & 1 == 0 { 512 << 10 } else { 8 << 10 },
        memory: if memory < 128 { 1 << 30 } else { 1024 * usize::from(memory - 127) },
        idle: (idle & 1 == 1).then(|| Duration::from_secs(u64::from(idle))),
        evict: (idle & 2 == 2).then(|| Duration::from_secs(u64::from(idle / 8))),
    }
}

impl World {
    fn new(script: &Script) -> Self {
        let setup = script.setup;
        let hashing = if setup.has(flags::CONSTANT_HASH) { Hashing::Constant } else { Hashing::Folding };
        let provider = provider(hashing);
        let now = Instant::from_origin(Duration::from_secs(1000));
        let [server_padding, client_padding] = setup.padding.map(|units| 64 * usize::from(units));
        let server = Arc::new(server_config(setup, &provider, server_padding, setup.subject_mtu()));
        let client = Arc::new(client_config(setup, &provider, client_padding, setup.peer_mtu()));
        let limits = limits(script.limits);
        let needs_cookies = script.doors & doors::TRUSTED_PATH == 0;
        let policy = if needs_cookies { CookiePolicy::Required } else { CookiePolicy::TrustedPath };
        let endpoint = Endpoint::new(now, Some(Arc::clone(&server)), policy, limits).expect("random bytes");
        let mut world = Self {
            setup,
            provider,
            server,
            client,
            now,
            endpoint,
            limits,
            needs_cookies,
            peers: BTreeMap::new(),
            history: Vec::new(),
            waiting: VecDeque::new(),
            unproven: BTreeMap::new(),
            proven: BTreeSet::new(),
            told: BTreeMap::new(),
            beside: BTreeMap::new(),
            gone: BTreeSet::new(),
            before: [0; 3 + HOSTS],
        };
        world.open(script.doors);
        world
    }

    fn open(&mut self, doors: u8) {
        let replacement =
            if doors & doors::AFTER_COOKIE == 0 { Replacement::AfterHandshake } else { Replacement::AfterCookie };
        self.endpoint.set_replacement(replacement);
        self.endpoint.set_admission(match doors & (8 | doors::ASK) {
            0 => Admission::Open,
            doors::ASK => Admission::Ask,
            _ => Admission::Busy,
        });
    }

    fn step(&mut self, step: &Step) {
        let now = self.now;
        match step {
            Step::Datagram { at, bytes } => self.receive(place(*at), bytes),
            Step::Record { at, record } => self.receive(place(*at), &forge::record(self.setup, record)),
            Step::Message { at, message } => {
                self.receive(place(*at), &forge::message(self.setup, &self.provider, now, message));
            }
            Step::Begin { at } => {
                let client = Connection::connect(Arc::clone(&self.client), None, now).expect("no name is needed");
                self.peers.insert(place(*at), client);
            }
            Step::Flight { at, mangle } => {
                self.speak(place(*at), *mangle);
                self.hear(true);
            }
            Step::Replay { at, back, mangle } => {
                let index = self.history.len().checked_sub(1 + usize::from(*back));
                if let Some(datagram) = index.and_then(|index| self.history.get(index)).cloned() {
                    for datagram in forge::mangle(vec![datagram], *mangle) {
                        self.receive(place(*at), &datagram);
                    }
                }
            }
            Step::Timeout => self.timeout(),
            Step::PeerTimeout { at } => {
                if let Some(peer) = self.peers.get_mut(&place(*at))
                    && let Some(deadline) = peer.poll_timeout()
                {
                    self.now = now.max(deadline);
                    peer.handle_timeout(self.now);
                }
            }
            Step::Advance(millis) => self.now = now + Duration::from_millis(u64::from(*millis) * 4),
            Step::Tick => self.endpoint.handle_timeout(now),
            Step::Lose(count) => {
                let mut out = Vec::new();
                if let Some(batch) = self.endpoint.poll_transmit_batch(now, usize::from(*count), &mut out) {
                    assert_eq!(out.len().div_ceil(batch.datagram_len), batch.datagrams, "{batch:?}");
                    assert!(batch.datagrams <= usize::from(*count).max(1));
                    self.count_sent(batch.to, out.len());
                }
            }
            Step::Decide(how) => self.decide(*how),
            Step::Close(nth) => self.on_nth(*nth, |endpoint, handle, told| {
                endpoint.close(handle);
                told.left = true;
            }),
            Step::Abort(nth) => self.on_nth(*nth, |endpoint, handle, told| {
                endpoint.abort(handle);
                told.left = true;
            }),
            Step::Release(nth) => self.on_nth(*nth, |endpoint, handle, _| endpoint.release(handle)),
            Step::Send { nth, len } => {
                let mut out = Vec::new();
                self.on_nth(*nth, |endpoint, handle, _| {
                    let sent = endpoint.send(handle, &vec![0xda; usize::from(*len)], &mut out);
                    assert_eq!(sent.is_err(), out.is_empty());
                });
            }
            Step::PeerSend { at, len } => {
                let mut out = Vec::new();
                let peer = self.peers.get_mut(&place(*at));
                if peer.is_some_and(|peer| peer.send(&vec![0xad; usize::from(*len)], &mut out).is_ok()) {
                    self.history.push(out.clone());
                    self.receive(place(*at), &out);
                }
            }
            Step::PeerClose { at } => {
                if let Some(peer) = self.peers.get_mut(&place(*at)) {
                    peer.close();
                }
                self.speak(place(*at), Mangle::Nothing);
            }
            Step::Limits(bytes) => {
                self.limits = limits(*bytes);
                self.endpoint.set_limits(self.limits);
            }
            Step::Doors(doors) => self.open(*doors),
            Step::Connect { at } => {
                let connected = self.endpoint.connect(now, place(*at), Arc::clone(&self.client), None);
                if connected.is_ok() {
                    self.meet(Role::Client, None);
                    self.proven.insert(place(*at));
                    let peer = Connection::accept_on_trusted_path(Arc::clone(&self.server), now);
                    self.peers.insert(place(*at), peer);
                }
            }
            Step::Change { nth, mtu } => self.on_nth(*nth, |endpoint, handle, _| {
                endpoint.set_mtu(handle, usize::from(*mtu));
                drop(endpoint.take_peer_certificates(handle));
            }),
        }
        self.listen();
        self.check();
    }

    fn on_nth(&mut self, nth: u8, change: impl FnOnce(&mut Endpoint<Place>, Handle, &mut Told)) {
        let count = self.told.len().max(1);
        if let Some((handle, told)) = self.told.iter_mut().nth(usize::from(nth) % count) {
            change(&mut self.endpoint, *handle, told);
        }
    }

    // --- datagrams ---

    fn receive(&mut self, from: Place, datagram: &[u8]) {
        self.unproven.entry(from).or_default().0 += datagram.len();
        let old = self.endpoint.session_at(&from);
        let lent: Vec<Handle> =
            self.endpoint.receive(self.now, from, &mut datagram.to_vec()).map(|(handle, _)| handle).collect();
        for handle in lent {
            assert_eq!(self.endpoint.remote_address(handle), Some(&from), "lent by a session of somebody else");
            assert!(self.endpoint.info(handle).is_some(), "data before a session is connected");
            assert!(!self.told.get(&handle).is_some_and(|told| told.ended), "data after the end");
        }
        self.meet(Role::Server, old);
        while let Some(incoming) = self.endpoint.poll_incoming() {
            self.waiting.push_back(incoming);
            self.waiting.truncate(4);
        }
        self.prove();
    }

    /// The session that a call has begun is known from now on. `old` is the one that was at its address before.
    fn meet(&mut self, role: Role, old: Option<Handle>) {
        let Some(new) = self.endpoint.sessions().find(|handle| !self.told.contains_key(handle)) else { return };
        let pairs = self.pairs();
        let is_standing = |old: &Handle| !self.told[old].is_over();
        let is_alone = |old: &Handle| pairs.iter().all(|(one, other)| one != old && other != old);
        if let Some(old) = old.filter(is_standing).filter(is_alone)
            && pairs.len() < self.limits.half_open
        {
            self.beside.insert(new, old);
        }
        self.told.insert(new, Told::new(role));
    }

    fn is_held(&self, handle: Handle) -> bool {
        self.endpoint.session_stats(handle).is_some()
    }

    /// The sessions that count as one with another of their client.
    fn pairs(&self) -> Vec<(Handle, Handle)> {
        let pairs = self.beside.iter().map(|(new, old)| (*new, *old));
        pairs.filter(|(new, old)| self.is_held(*new) && self.is_held(*old)).collect()
    }

    /// The sessions that have made room for others and are not released.
    fn had_to_go(&self) -> Vec<Handle> {
        let evicted = self.told.iter().filter(|(handle, told)| told.evicted && self.is_held(**handle));
        evicted.map(|(handle, _)| *handle).collect()
    }

    /// Whoever has a session has shown that it receives.
    fn prove(&mut self) {
        let places: Vec<Place> =
            self.endpoint.sessions().filter_map(|handle| self.endpoint.remote_address(handle).copied()).collect();
        self.proven.extend(places);
    }

    /// What the one at an address has to say arrives.
    fn speak(&mut self, at: Place, mangle: Mangle) {
        let Some(peer) = self.peers.get_mut(&at) else { return };
        let mut datagrams = Vec::new();
        let mut out = Vec::new();
        while peer.poll_transmit(self.now, &mut out) {
            datagrams.push(std::mem::take(&mut out));
        }
        while peer.poll_event().is_some() {}
        self.history.extend(datagrams.iter().cloned());
        for datagram in forge::mangle(datagrams, mangle) {
            self.receive(at, &datagram);
        }
    }

    /// What the endpoint has to say arrives, or is lost.
    fn hear(&mut self, arrives: bool) {
        let mut datagrams = 0;
        let mut out = Vec::new();
        while let Some(to) = self.endpoint.poll_transmit(self.now, &mut out) {
            datagrams += 1;
            assert!(datagrams < 2000, "the endpoint does not stop sending");
            self.count_sent(to, out.len());
            if let Some(peer) = self.peers.get_mut(&to).filter(|_| arrives) {
                drop(peer.receive(self.now, &mut out));
            }
            out.clear();
        }
    }

    fn count_sent(&mut self, to: Place, len: usize) {
        assert!(len > 0, "an empty datagram");
        let (received, sent) = self.unproven.entry(to).or_default();
        *sent += len;
        if self.needs_cookies && !self.proven.contains(&to) {
            assert!(sent <= received, "{sent} bytes to {to:?} for {received}");
        }
    }

    fn decide(&mut self, how: u8) {
        let Some(incoming) = self.waiting.pop_front() else { return };
        let old = self.endpoint.session_at(incoming.address());
        match how % 4 {
            0 => self.endpoint.refuse(incoming, AlertDescription::ACCESS_DENIED),
            1 => drop(incoming),
            _ => {
                let _ = self.endpoint.accept(self.now, incoming, Arc::clone(&self.server));
            }
        }
        self.meet(Role::Server, old);
        self.prove();
    }

    // --- time and events ---

    fn timeout(&mut self) {
        let Some(deadline) = self.endpoint.poll_timeout() else { return };
        self.now = self.now.max(deadline);
        self.endpoint.handle_timeout(self.now);
        self.hear(true);
        let next = self.endpoint.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "served at {:?} and due at {next:?}", self.now);
    }

    fn listen(&mut self) {
        let had_to_go = self.had_to_go();
        while let Some((handle, peer, event)) = self.endpoint.poll_event() {
            assert_eq!(self.endpoint.remote_address(handle), Some(&peer));
            let told = self.told.get_mut(&handle).expect("a session that somebody began");
            assert!(!told.ended, "{event:?} behind the end");
            match event {
                Event::Connected => assert!(!std::mem::replace(&mut told.connected, true), "connected twice"),
                Event::Closed | Event::Failed(_) => told.ended = true,
                Event::Ended(reason) => {
                    told.ended = true;
                    told.evicted = reason == Reason::Evicted;
                    assert!(!told.evicted || had_to_go.is_empty(), "{had_to_go:?} have had to go and are not released");
                }
                other => panic!("{other:?} is new: say here what it means"),
            }
        }
    }

    // --- the state ---

    fn check(&mut self) {
        let endpoint = &self.endpoint;
        let sessions: Vec<Handle> = endpoint.sessions().collect();
        assert_eq!((sessions.len(), sessions.is_empty()), (endpoint.len(), endpoint.is_empty()));
        let mut half_open = 0;
        for handle in &sessions {
            assert!(!self.gone.contains(handle), "a handle was given out twice");
            assert!(self.told.contains_key(handle), "a session that nobody began");
            let at = endpoint.remote_address(*handle).expect("a session has an address");
            assert!(endpoint.session_at(at).is_some(), "a session at an address without one");
            assert!(!endpoint.is_drained(*handle));
            let told = &self.told[handle];
            let role = endpoint.info(*handle).map(|info| info.role);
            assert!(role.is_none_or(|role| role == told.role), "{role:?} of {told:?}");
            if !told.is_over() {
                assert_eq!(role.is_some(), told.connected, "{told:?}");
                half_open += usize::from(!told.connected && told.role == Role::Server);
            }
        }
        assert_eq!(endpoint.half_open(), half_open);
        // Those that are over and not released count too.
        let (held, gone): (Vec<Handle>, Vec<Handle>) =
            self.told.keys().copied().partition(|handle| self.is_held(*handle));
        self.gone.extend(gone);
        assert_eq!(held.is_empty(), endpoint.memory() == 0, "{} bytes for {held:?}", endpoint.memory());
        let pairs = self.pairs();
        let of_host = |host: u8| {
            let is_there = |handle: &Handle| endpoint.remote_address(*handle).is_some_and(|at| at.host() == host);
            held.iter().filter(|handle| is_there(handle)).count()
                - pairs.iter().filter(|(new, _)| is_there(new)).count()
        };
        let had_to_go = self.had_to_go();
        let sessions = held.len() - pairs.len() - usize::from(!had_to_go.is_empty());
        let memory_of = |handle: &Handle| endpoint.session_memory(*handle).expect("it is held");
        assert_eq!(endpoint.memory(), held.iter().map(memory_of).sum::<usize>());
        let memory = endpoint.memory() - had_to_go.iter().map(memory_of).sum::<usize>();
        let limits = &self.limits;
        let now = [sessions, endpoint.half_open(), memory, of_host(0), of_host(1)];
        let most = [limits.sessions, limits.half_open, limits.memory, limits.per_host, limits.per_host];
        for ((now, before), most) in now.iter().zip(self.before).zip(most) {
            assert!(
                *now <= most || *now <= before,
                "{now}, and {before} before, where {most} are the most: {limits:?}"
            );
        }
        self.before = now;
    }

    /// Everything ends: nothing is left.
    fn finish(mut self) {
        let handles: Vec<Handle> = self.told.keys().copied().collect();
        for (index, handle) in handles.into_iter().enumerate() {
            if index % 2 == 0 {
                self.endpoint.close(handle);
            } else {
                self.endpoint.abort(handle);
            }
            self.endpoint.release(handle);
        }
        self.hear(false);
        self.listen();
        self.hear(false);
        self.check();
        let endpoint = &mut self.endpoint;
        assert!(endpoint.is_empty(), "{endpoint:?}");
        assert_eq!((endpoint.half_open(), endpoint.memory()), (0, 0), "{endpoint:?}");
        assert_eq!((endpoint.poll_timeout(), endpoint.poll_event()), (None, None));
        assert!((0..PLACES).all(|at| endpoint.session_at(&Place(at)).is_none()));
        let stats = endpoint.stats();
        assert_eq!(stats.server_sessions + stats.client_sessions, self.told.len() as u64, "{stats:?}");
    }
}
