//! Endpoints on a network: a server with thousands of clients, and a clock that jumps.
//!
//! What [`sim`](crate::sim) is for single connections this is for [`Endpoint`]s, over the same networks. The clock moves
//! only to the next arrival or to the next deadline that an endpoint has returned. After every step is checked: no limit is
//! passed; a session says `Connected` once and one end, and nothing behind it; a deadline that was served is gone; what
//! is too early does nothing.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dtls_core::{ClientConfig, Instant, SendError, ServerConfig};
use dtls_endpoint::{Admission, Endpoint, Event, Handle, Limits};

use crate::sim::Address;
use crate::sim::network::{Datagram, Network, Wire};

impl dtls_endpoint::Address for Address {
    /// Sixteen are neighbours.
    type Host = u16;

    fn host(&self) -> u16 {
        self.0 / 16
    }

    fn cookie_bytes(&self) -> impl AsRef<[u8]> {
        self.0.to_be_bytes()
    }
}

/// A session: the endpoint it belongs to, and its name there.
pub type Session = (Address, Handle);

/// Something that a session had to tell its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Instant,
    /// Whose session.
    pub by: Address,
    /// Which session.
    pub handle: Handle,
    /// With whom.
    pub peer: Address,
    /// What.
    pub event: Event,
}

/// All endpoints, the wire between them, and the time.
pub struct Sockets {
    now: Instant,
    wire: Wire,
    sockets: BTreeMap<Address, Socket>,
    deadlines: BTreeSet<(Instant, Address)>,
    /// Every datagram that has left, and when.
    pub sent: Vec<(Instant, Datagram)>,
    /// Every event.
    pub told: Vec<Told>,
    /// Application data: where it was lent, by which session, and what.
    pub payloads: Vec<(Address, Handle, Vec<u8>)>,
    /// How often a deadline was served.
    pub deadlines_served: usize,
}

struct Socket {
    endpoint: Endpoint<Address>,
    limits: Limits,
    /// Makes the configuration for a client, where the endpoint asks.
    accept: Option<Accept>,
    deadline: Option<Instant>,
    /// What the sessions have told so far that have not told their end.
    begun: BTreeMap<Handle, bool>,
}

type Accept = Box<dyn Fn(Address) -> Arc<ServerConfig>>;

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("now", &self.now).field("sockets", &self.sockets.len()).finish_non_exhaustive()
    }
}

impl Sockets {
    /// A network with nobody on it.
    #[must_use]
    pub fn new(network: impl Network + 'static) -> Self {
        Self {
            now: Instant::ORIGIN,
            wire: Wire::new(network),
            sockets: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            sent: Vec::new(),
            told: Vec::new(),
            payloads: Vec::new(),
            deadlines_served: 0,
        }
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Puts an endpoint at an address, in place of the one that may have been there. `limits` are those it was made
    /// with.
    pub fn add(&mut self, at: Address, endpoint: Endpoint<Address>, limits: Limits) {
        self.remove(at);
        let socket = Socket { endpoint, limits, accept: None, deadline: None, begun: BTreeMap::new() };
        self.sockets.insert(at, socket);
    }

    /// Takes an endpoint away, as when its process dies.
    pub fn remove(&mut self, at: Address) {
        if let Some(deadline) = self.sockets.remove(&at).and_then(|socket| socket.deadline) {
            self.deadlines.remove(&(deadline, at));
        }
    }

    /// An endpoint has another address from now on, as after a NAT has forgotten its host. What is under way to the old one
    /// is lost.
    pub fn rebind(&mut self, from: Address, to: Address) {
        let socket = self.sockets.remove(&from).unwrap_or_else(|| panic!("there is nobody at {from:?}"));
        if let Some(deadline) = socket.deadline {
            self.deadlines.remove(&(deadline, from));
            self.deadlines.insert((deadline, to));
        }
        assert!(self.sockets.insert(to, socket).is_none(), "there is somebody at {to:?}");
    }

    /// From now on the server at `at` accepts each client by a configuration of its own.
    pub fn accept_with(&mut self, at: Address, config: impl Fn(Address) -> Arc<ServerConfig> + 'static) {
        let socket = self.socket(at);
        socket.endpoint.set_admission(Admission::Ask);
        socket.accept = Some(Box::new(config));
    }

    fn socket(&mut self, at: Address) -> &mut Socket {
        self.sockets.get_mut(&at).unwrap_or_else(|| panic!("there is nobody at {at:?}"))
    }

    /// The endpoint at an address, to do something with it. Call [`Sockets::pump`] afterwards.
    pub fn endpoint(&mut self, at: Address) -> &mut Endpoint<Address> {
        &mut self.socket(at).endpoint
    }

    /// Begins a session as the client.
    ///
    /// # Panics
    /// If the endpoint refuses.
    pub fn connect(&mut self, from: Address, to: Address, config: &Arc<ClientConfig>) -> Session {
        let now = self.now;
        let handle = self.endpoint(from).connect(now, to, Arc::clone(config), None).expect("a new session");
        self.pump(from);
        (from, handle)
    }

    /// Sends application data.
    ///
    /// # Errors
    /// What the endpoint says.
    pub fn send(&mut self, (at, handle): Session, payload: &[u8]) -> Result<(), SendError> {
        let mut bytes = Vec::new();
        let to = self.endpoint(at).send(handle, payload, &mut bytes)?;
        self.put_on_wire(at, to, bytes);
        self.pump(at);
        Ok(())
    }

    /// Closes a session in good order, and forgets it.
    pub fn close(&mut self, (at, handle): Session) {
        self.endpoint(at).close(handle);
        self.endpoint(at).release(handle);
        self.socket(at).begun.remove(&handle);
        self.pump(at);
    }

    /// Lets `bytes` arrive now, past the network.
    pub fn inject(&mut self, from: Address, to: Address, bytes: &[u8]) {
        self.arrive(Datagram { number: usize::MAX, from, to, bytes: bytes.to_vec() });
    }

    /// Whether a session has told that it is connected.
    #[must_use]
    pub fn is_connected(&self, (at, handle): Session) -> bool {
        self.sockets.get(&at).is_some_and(|socket| socket.begun.get(&handle) == Some(&true))
    }

    /// Lets everything out that an endpoint has to say, and releases sessions that have told their end.
    pub fn pump(&mut self, at: Address) {
        let now = self.now;
        let socket = self.sockets.get_mut(&at).unwrap_or_else(|| panic!("there is nobody at {at:?}"));
        while let Some(incoming) = socket.endpoint.poll_incoming() {
            let config = socket.accept.as_ref().expect("who asks, accepts")(*incoming.address());
            let _ = socket.endpoint.accept(now, incoming, config);
        }
        let mut leaving = Vec::new();
        let mut out = Vec::new();
        while let Some(to) = socket.endpoint.poll_transmit(now, &mut out) {
            leaving.push((to, core::mem::take(&mut out)));
            assert!(leaving.len() < 100_000, "{at:?} does not stop sending");
        }
        while let Some((handle, peer, event)) = socket.endpoint.poll_event() {
            let is_end = socket.on_event(handle, &event);
            self.told.push(Told { at: now, by: at, handle, peer, event });
            if is_end {
                socket.endpoint.release(handle);
            }
        }
        socket.check_laws(at);
        let deadline = socket.endpoint.poll_timeout();
        if deadline != socket.deadline {
            if let Some(before) = socket.deadline {
                self.deadlines.remove(&(before, at));
            }
            self.deadlines.extend(deadline.map(|deadline| (deadline, at)));
            socket.deadline = deadline;
        }
        for (to, bytes) in leaving {
            self.put_on_wire(at, to, bytes);
        }
    }

    fn put_on_wire(&mut self, from: Address, to: Address, bytes: Vec<u8>) {
        assert!(!bytes.is_empty(), "{from:?} sent an empty datagram");
        let datagram = Datagram { number: self.sent.len(), from, to, bytes };
        self.sent.push((self.now, datagram.clone()));
        self.wire.carry(self.now, datagram);
    }

    // --- time ---

    /// Goes on until `done`, and says whether that came to be. Ends also when nothing is on the wire and nobody has a
    /// deadline.
    pub fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) -> bool {
        while !done(self) {
            if !self.step(None) {
                return false;
            }
        }
        true
    }

    /// Goes on until the time is `until`, and leaves the clock there.
    pub fn run_to(&mut self, until: Instant) {
        while self.step(Some(until)) {}
        self.now = self.now.max(until);
    }

    /// Goes on until nothing is on the wire any more, serving deadlines that come before.
    pub fn drain(&mut self) {
        while !self.wire.is_empty() {
            self.step(None);
        }
    }

    /// Does what comes next; `false` if nothing does, or nothing until `limit`.
    pub fn step(&mut self, limit: Option<Instant>) -> bool {
        let arrival = self.wire.next_arrival();
        let deadline = self.deadlines.first().map(|(at, _)| (*at).max(self.now));
        let Some(next) = arrival.into_iter().chain(deadline).min() else { return false };
        if limit.is_some_and(|limit| next > limit) {
            return false;
        }
        self.now = self.now.max(next);
        if arrival.is_some_and(|at| at <= next) {
            let datagram = self.wire.arrive().expect("an arrival");
            self.arrive(datagram);
        } else {
            let (due, at) = *self.deadlines.first().expect("a deadline");
            self.expire(due, at);
        }
        true
    }

    fn expire(&mut self, due: Instant, at: Address) {
        let now = self.now;
        self.deadlines_served += 1;
        assert!(self.deadlines_served < 3_000_000, "livelock");
        let socket = self.socket(at);
        if let Some(early) = due.since_origin().checked_sub(core::time::Duration::from_nanos(1)) {
            socket.endpoint.handle_timeout(Instant::from_origin(early));
            assert_eq!(socket.endpoint.poll_transmit(Instant::from_origin(early), &mut Vec::new()), None, "too early");
        }
        socket.endpoint.handle_timeout(now);
        self.pump(at);
        let next = self.socket(at).deadline;
        assert!(next.is_none_or(|next| next > now), "{at:?} was served at {now:?} and is due again at {next:?}");
    }

    fn arrive(&mut self, datagram: Datagram) {
        let Datagram { from, to, mut bytes, .. } = datagram;
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(&to) else { return };
        for (handle, payload) in socket.endpoint.receive(now, from, &mut bytes) {
            self.payloads.push((to, handle, payload.to_vec()));
        }
        self.pump(to);
    }
}

impl Socket {
    /// Whether it is the end of a session.
    fn on_event(&mut self, handle: Handle, event: &Event) -> bool {
        match event {
            Event::Connected => {
                assert_eq!(self.begun.insert(handle, true), None, "{handle:?} connected twice");
                false
            }
            Event::Closed | Event::Failed(_) | Event::Ended(_) => {
                self.begun.remove(&handle);
                true
            }
            Event::SeenElsewhere | Event::AddressChanged => {
                assert!(self.begun.contains_key(&handle), "{handle:?} has moved before it was connected");
                false
            }
            other => panic!("{other:?} is new: say here what it means"),
        }
    }

    fn check_laws(&self, at: Address) {
        let Self { endpoint, limits, .. } = self;
        // One that has to go makes room for another, and then stands beside it until it is released.
        let sessions_max = limits.sessions + usize::from(limits.evict.is_some());
        assert!(endpoint.len() <= sessions_max, "{at:?} has {} sessions", endpoint.len());
        assert!(endpoint.half_open() <= limits.half_open, "{at:?} has {} half-open sessions", endpoint.half_open());
        assert!(endpoint.memory() <= limits.memory, "{at:?} takes {} bytes", endpoint.memory());
        if endpoint.is_empty() {
            assert_eq!(endpoint.half_open(), 0);
        }
    }
}
