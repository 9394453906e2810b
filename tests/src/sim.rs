//! A network in a box: any number of ends, a clock that jumps, and a wire that does what it is told.
//!
//! ```text
//!   End ── poll_transmit ──▶ Network::carry ──▶ wire (by time of arrival) ──▶ receive ──▶ End
//!    ▲                                                                                     │
//!    └──────────── handle_timeout, when the clock has jumped to its deadline ──────────────┘
//! ```
//!
//! The clock moves only to the next arrival or to the next deadline that an end has returned, so a test that passes here
//! proves that a host which sleeps until `poll_timeout` and does nothing else works. Everything is recorded; the laws that
//! hold for every connection at every moment are checked at every step (see [`End`]).

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use dtls_core::{
    ClientConfig, Connection, CookieJar, Error, Event, ExportError, HelloVerdict, Instant, ResumptionState, SendError,
    ServerConfig,
};
use rustls_pki_types::ServerName;

pub mod network;

use crate::owner::Owner;
use network::{Datagram, Network, Wire};

/// Where an end is on the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub u16);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

/// One end of an association: where it is and whom it talks to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndId {
    /// Its own address.
    pub local: Address,
    /// The other end's address.
    pub peer: Address,
}

impl EndId {
    /// The end at `local` that talks to `peer`.
    #[must_use]
    pub const fn new(local: Address, peer: Address) -> Self {
        Self { local, peer }
    }

    /// The end it talks to.
    #[must_use]
    pub const fn other(self) -> Self {
        Self { local: self.peer, peer: self.local }
    }
}

impl fmt::Debug for EndId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}->{:?}", self.local, self.peer)
    }
}

/// Everything that happens, in order.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "`at` is the time and `by` the end in each; the rest has the name of what it is")]
pub enum Entry {
    /// A datagram left.
    Sent { at: Instant, by: EndId, bytes: Vec<u8> },
    /// A listener answered a hello.
    Answered { at: Instant, by: EndId, bytes: Vec<u8> },
    /// A datagram arrived at an end or a listener.
    Arrived { at: Instant, by: EndId, bytes: Vec<u8> },
    /// An end said something to its owner.
    Event { at: Instant, by: EndId, event: Event },
    /// An end lent application data to its owner.
    Data { at: Instant, by: EndId, payload: Vec<u8> },
    /// An end's deadline came.
    Deadline { at: Instant, by: EndId },
    /// An end's owner answered what it was asked.
    Decided { at: Instant, by: EndId },
}

impl Entry {
    /// The end it happened to.
    #[must_use]
    pub const fn end(&self) -> EndId {
        match self {
            Self::Sent { by, .. }
            | Self::Answered { by, .. }
            | Self::Arrived { by, .. }
            | Self::Event { by, .. }
            | Self::Data { by, .. }
            | Self::Deadline { by, .. }
            | Self::Decided { by, .. } => *by,
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |at: &Instant| at.since_origin().as_millis();
        let what = |bytes: &[u8]| {
            let pieces = crate::raw::pieces(bytes);
            let words: Vec<String> = pieces
                .iter()
                .map(|piece| {
                    let types: Vec<String> = piece
                        .fragments()
                        .iter()
                        .map(|(h, b)| {
                            format!(" {}#{}[{}+{}/{}]", h.typ, h.message_seq.0, h.fragment_offset, b.len(), h.length)
                        })
                        .collect();
                    format!(
                        "{} {}:{}{}",
                        piece.header.content_type,
                        piece.header.epoch.0,
                        piece.header.number.get(),
                        types.concat()
                    )
                })
                .collect();
            // A log entry by itself does not know how long connection IDs are.
            let read: usize = pieces.iter().map(|piece| piece.to_bytes().len()).sum();
            let rest = if read < bytes.len() { format!(" | and {} bytes", bytes.len() - read) } else { String::new() };
            format!("{} bytes: {}{rest}", bytes.len(), words.join(" | "))
        };
        match self {
            Self::Sent { at, by, bytes } => write!(f, "{:>6} {by:?} sent {}", ms(at), what(bytes)),
            Self::Answered { at, by, bytes } => write!(f, "{:>6} {by:?} answered {}", ms(at), what(bytes)),
            Self::Arrived { at, by, bytes } => write!(f, "{:>6} {by:?} got {}", ms(at), what(bytes)),
            Self::Event { at, by, event } => write!(f, "{:>6} {by:?} says {event:?}", ms(at)),
            Self::Data { at, by, payload } => write!(f, "{:>6} {by:?} reads {} bytes", ms(at), payload.len()),
            Self::Deadline { at, by } => write!(f, "{:>6} {by:?} wakes", ms(at)),
            Self::Decided { at, by } => write!(f, "{:>6} {by:?} is answered", ms(at)),
        }
    }
}

/// A connection and what has come out of it.
///
/// Whatever it is put through, these are checked at every step: no datagram is longer than the MTU; before `Connected`
/// and after a failure there is no information, no exporter, no sending and no data; `Connected` comes once, and nothing
/// after the end; a handshake under way has a deadline; a deadline that was served is gone; a question is asked once, and
/// nothing leaves until it is answered.
pub struct End {
    /// The connection itself.
    pub connection: Connection,
    /// What it said, and when.
    pub events: Vec<(Instant, Event)>,
    /// What it lent.
    pub data: Vec<Vec<u8>>,
    mtu: usize,
}

impl End {
    fn new(connection: Connection, mtu: usize) -> Self {
        Self { connection, events: Vec::new(), data: Vec::new(), mtu }
    }

    /// How it stands.
    #[must_use]
    pub fn fate(&self) -> Fate {
        for (at, event) in self.events.iter().rev() {
            match event {
                Event::Connected => return Fate::Connected(*at),
                Event::Closed => return Fate::Closed,
                Event::Failed(error) => return Fate::Failed(error.clone()),
                _ => {}
            }
        }
        Fate::Pending
    }

    /// Whether the handshake is complete and the connection alive.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.fate(), Fate::Connected(_))
    }

    /// When the handshake was complete, if ever.
    #[must_use]
    pub fn connected_at(&self) -> Option<Instant> {
        self.events.iter().find(|(_, event)| *event == Event::Connected).map(|(at, _)| *at)
    }

    /// Why it failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.events.iter().find_map(|(_, event)| match event {
            Event::Failed(error) => Some(error),
            _ => None,
        })
    }

    /// Changes the MTU, and what is checked with it.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = mtu;
        self.connection.set_mtu(mtu);
    }

    fn check_laws(&self, id: EndId) {
        let said = |wanted: fn(&Event) -> bool| self.events.iter().filter(|(_, event)| wanted(event)).count();
        assert!(said(|event| *event == Event::Connected) <= 1, "{id:?} connected twice");
        let last = said(|event| matches!(event, Event::Closed | Event::Failed(_)));
        assert!(last <= 1, "{id:?} ended twice: {:?}", self.events);
        if last == 1 {
            let is_last = matches!(self.events.last(), Some((_, Event::Closed | Event::Failed(_))));
            assert!(is_last, "{id:?} said something after its end: {:?}", self.events);
            assert!(self.connection.is_over());
            assert_eq!(self.connection.poll_timeout(), None, "{id:?} has ended and still has a deadline");
        }
        if self.connected_at().is_none() || self.failure().is_some() {
            assert!(self.connection.info().is_none(), "{id:?} has information before it is connected");
            let mut keys = [0; 8];
            assert_eq!(self.connection.export(b"EXPORTER", None, &mut keys), Err(ExportError::NotConnected));
        }
        if !self.is_connected() {
            assert_eq!(self.connection.max_payload(), 0, "{id:?} is not connected and would send");
        }
        if self.fate() == Fate::Pending && !self.connection.is_over() {
            assert!(self.connection.poll_timeout().is_some(), "{id:?} waits without a deadline");
        }
    }
}

/// What happens next in a world.
#[derive(Clone, Copy)]
enum Next {
    Arrival,
    Answer(EndId),
    Deadline(EndId),
}

/// How an end stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The handshake is under way.
    Pending,
    /// The handshake is complete since then.
    Connected(Instant),
    /// The peer closed in good order.
    Closed,
    /// It failed.
    Failed(Error),
}

/// Accepts clients: a cookie jar, and a configuration for each client that has shown its address.
struct Listener {
    jar: CookieJar,
    config: Box<dyn Fn(Address) -> Arc<ServerConfig>>,
}

/// All ends, the wire between them, and the time.
pub struct World {
    now: Instant,
    wire: Wire,
    listeners: BTreeMap<Address, Listener>,
    ends: BTreeMap<EndId, End>,
    owner: Option<Box<dyn Owner>>,
    /// When those who have asked are answered.
    thinking: BTreeMap<EndId, Instant>,
    /// Everything that has happened.
    pub log: Vec<Entry>,
    /// Whether owners take everything that arrives at one moment before they ask what it led to.
    is_batching: bool,
    /// Who has been given something and not been asked yet.
    unasked: BTreeSet<EndId>,
    sent: usize,
    steps: usize,
}

impl World {
    /// More steps than any honest run of a few ends takes: beyond it something answers itself for ever.
    const STEPS_MAX: usize = 200_000;

    /// A world with nobody in it.
    #[must_use]
    pub fn new(network: impl Network + 'static) -> Self {
        Self {
            now: Instant::ORIGIN,
            wire: Wire::new(network),
            listeners: BTreeMap::new(),
            ends: BTreeMap::new(),
            owner: None,
            thinking: BTreeMap::new(),
            log: Vec::new(),
            is_batching: false,
            unasked: BTreeSet::new(),
            sent: 0,
            steps: 0,
        }
    }

    /// From now on owners work in batches: they give a connection everything that arrives at one moment, and only then
    /// ask it what to send and what has happened.
    pub const fn batch(&mut self) {
        self.is_batching = true;
    }

    /// From now on somebody answers what ends ask their owners.
    pub fn owned_by(&mut self, owner: impl Owner + 'static) {
        self.owner = Some(Box::new(owner));
    }

    /// What time it is.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How many datagrams have left in all.
    #[must_use]
    pub const fn datagrams_sent(&self) -> usize {
        self.sent
    }

    /// Listens at an address. `config` makes the configuration for a client.
    pub fn listen(&mut self, at: Address, jar: CookieJar, config: impl Fn(Address) -> Arc<ServerConfig> + 'static) {
        self.listeners.insert(at, Listener { jar, config: Box::new(config) });
    }

    /// Starts a client and lets its first flight leave.
    pub fn connect(&mut self, from: Address, to: Address, config: &Arc<ClientConfig>, name: Option<&str>) -> EndId {
        self.connect_resuming(from, to, config, name, None)
    }

    /// The same, with what there is of an earlier connection.
    pub fn connect_resuming(
        &mut self,
        from: Address,
        to: Address,
        config: &Arc<ClientConfig>,
        name: Option<&str>,
        state: Option<&ResumptionState>,
    ) -> EndId {
        let id = EndId::new(from, to);
        let mtu = config.settings().mtu;
        let name = name.map(|name| ServerName::try_from(name.to_owned()).expect("a server name"));
        let config = Arc::clone(config);
        let connection = match state {
            Some(state) => Connection::connect_resuming(config, name, state, self.now),
            None => Connection::connect(config, name, self.now),
        };
        let connection = connection.expect("a configuration that works");
        self.ends.insert(id, End::new(connection, mtu));
        self.pump(id);
        id
    }

    /// Puts a connection that was made elsewhere in its place.
    pub fn add(&mut self, id: EndId, connection: Connection, mtu: usize) {
        self.ends.insert(id, End::new(connection, mtu));
        self.pump(id);
    }

    /// An end.
    ///
    /// # Panics
    /// If there is none: a server's end begins with a verified hello.
    #[must_use]
    pub fn end(&self, id: EndId) -> &End {
        self.ends.get(&id).unwrap_or_else(|| panic!("there is no {id:?}"))
    }

    /// An end, to do something with it. Call [`World::pump`] afterwards.
    ///
    /// # Panics
    /// If there is none.
    pub fn end_mut(&mut self, id: EndId) -> &mut End {
        self.ends.get_mut(&id).unwrap_or_else(|| panic!("there is no {id:?}"))
    }

    /// An end, if there is one.
    #[must_use]
    pub fn find(&self, id: EndId) -> Option<&End> {
        self.ends.get(&id)
    }

    /// Every end there is.
    pub fn ends(&self) -> impl Iterator<Item = (EndId, &End)> {
        self.ends.iter().map(|(id, end)| (*id, end))
    }

    /// Seals a payload at `id` and sends it on its way.
    ///
    /// # Errors
    /// What the connection says.
    pub fn send(&mut self, id: EndId, payload: &[u8]) -> Result<(), SendError> {
        let mut bytes = Vec::new();
        self.end_mut(id).connection.send(payload, &mut bytes)?;
        self.put_on_wire(id, bytes);
        self.pump(id);
        Ok(())
    }

    /// Lets `bytes` arrive at `to` as if `to`'s peer had sent them, at once and past the network.
    pub fn inject(&mut self, to: EndId, bytes: &[u8]) {
        self.arrive(Datagram { number: usize::MAX, from: to.peer, to: to.local, bytes: bytes.to_vec() });
    }

    /// Lets everything out that `id` has to say.
    pub fn pump(&mut self, id: EndId) {
        let Some(end) = self.ends.get_mut(&id) else { return };
        let mut out = Vec::new();
        let mut leaving = Vec::new();
        while end.connection.poll_transmit(self.now, &mut out) {
            assert!(!out.is_empty(), "{id:?} sent an empty datagram");
            assert!(out.len() <= end.mtu, "{id:?} sent {} bytes with an MTU of {}", out.len(), end.mtu);
            leaving.push(core::mem::take(&mut out));
            assert!(leaving.len() < 2000, "{id:?} does not stop sending");
        }
        assert!(out.is_empty(), "{id:?} wrote something and said it did not");
        let asks = end.connection.question().is_some();
        assert!(!asks || leaving.is_empty(), "{id:?} says something while its owner thinks");
        while let Some(event) = end.connection.poll_event() {
            if let (Event::Asked, Some(owner)) = (&event, &self.owner) {
                let asked = end.events.iter().filter(|(_, event)| *event == Event::Asked).count();
                let earlier = self.thinking.insert(id, self.now + owner.takes(id, asked));
                assert_eq!(earlier, None, "{id:?} asks again before it is answered");
            }
            self.log.push(Entry::Event { at: self.now, by: id, event: event.clone() });
            end.events.push((self.now, event));
        }
        let is_awaited = self.owner.is_none() || self.thinking.contains_key(&id);
        assert!(!asks || is_awaited, "{id:?} asks and does not say so");
        end.check_laws(id);
        for bytes in leaving {
            self.put_on_wire(id, bytes);
        }
    }

    fn put_on_wire(&mut self, by: EndId, bytes: Vec<u8>) {
        self.log.push(Entry::Sent { at: self.now, by, bytes: bytes.clone() });
        self.carry(by, bytes);
    }

    fn carry(&mut self, by: EndId, bytes: Vec<u8>) {
        let datagram = Datagram { number: self.sent, from: by.local, to: by.peer, bytes };
        self.sent += 1;
        self.wire.carry(self.now, datagram);
    }

    // --- time ---

    /// Goes on until `done`, and says whether that came to be. Ends also when nothing is on the wire and no end has a
    /// deadline.
    ///
    /// # Panics
    /// If it does not come to an end: somebody answers himself.
    pub fn run_until(&mut self, done: impl Fn(&Self) -> bool) -> bool {
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
    fn step(&mut self, limit: Option<Instant>) -> bool {
        self.steps += 1;
        if self.steps > Self::STEPS_MAX {
            let tail = self.log.len().saturating_sub(40);
            panic!("livelock after {} steps, ending with {:#?}", self.steps, &self.log[tail..]);
        }
        let arrival = self.wire.next_arrival();
        if arrival.is_none_or(|at| at > self.now) && !self.unasked.is_empty() {
            for id in core::mem::take(&mut self.unasked) {
                self.pump(id);
            }
            return true;
        }
        let deadline = self
            .ends
            .iter()
            .filter_map(|(id, end)| end.connection.poll_timeout().map(|at| (at.max(self.now), *id)))
            .min();
        let answer = self.thinking.iter().map(|(id, at)| (*at, *id)).min();
        // Of what happens at one moment, in this order.
        let next = [
            arrival.map(|at| (at, Next::Arrival)),
            answer.map(|(at, id)| (at, Next::Answer(id))),
            deadline.map(|(at, id)| (at, Next::Deadline(id))),
        ];
        let Some((at, next)) = next.into_iter().flatten().min_by_key(|(at, _)| *at) else { return false };
        if limit.is_some_and(|limit| at > limit) {
            return false;
        }
        self.now = at.max(self.now);
        match next {
            Next::Arrival => {
                let datagram = self.wire.arrive().expect("an arrival");
                self.arrive(datagram);
            }
            Next::Answer(id) => self.decide(id),
            Next::Deadline(id) => self.expire(id),
        }
        true
    }

    /// The owner of `id` has thought.
    fn decide(&mut self, id: EndId) {
        self.thinking.remove(&id);
        self.log.push(Entry::Decided { at: self.now, by: id });
        let (now, owner) = (self.now, self.owner.as_ref().expect("somebody was asked"));
        let end = self.ends.get_mut(&id).expect("an end that asked");
        // It may have ended meanwhile.
        if let Some(question) = end.connection.question() {
            let answer = owner.answer(id, &question);
            end.connection.answer(now, answer).expect("an answer to what was asked");
        }
        self.pump(id);
    }

    fn expire(&mut self, id: EndId) {
        self.log.push(Entry::Deadline { at: self.now, by: id });
        let now = self.now;
        self.end_mut(id).connection.handle_timeout(now);
        self.pump(id);
        let next = self.end(id).connection.poll_timeout();
        assert!(next.is_none_or(|next| next > now), "{id:?} was served at {now:?} and is due again at {next:?}");
    }

    fn arrive(&mut self, datagram: Datagram) {
        let Datagram { from, to, mut bytes, .. } = datagram;
        let id = EndId::new(to, from);
        self.log.push(Entry::Arrived { at: self.now, by: id, bytes: bytes.clone() });
        let now = self.now;
        if let Some(end) = self.ends.get_mut(&id) {
            let payloads: Vec<Vec<u8>> =
                end.connection.receive(now, &mut bytes).map(|payload| payload.to_vec()).collect();
            let log = &mut self.log;
            log.extend(payloads.iter().map(|payload| Entry::Data { at: now, by: id, payload: payload.clone() }));
            let is_proven = end.connection.info().is_some() || end.connection.is_over();
            assert!(is_proven || payloads.is_empty(), "{id:?} lent data before it was connected");
            end.data.extend(payloads);
            if self.is_batching {
                self.unasked.insert(id);
            } else {
                self.pump(id);
            }
        } else if let Some(listener) = self.listeners.get_mut(&to) {
            let mut reply = Vec::new();
            match listener.jar.check(now, &from.0.to_be_bytes(), &bytes, &mut reply) {
                HelloVerdict::Reply => {
                    assert!(reply.len() <= bytes.len(), "{} bytes for {}", reply.len(), bytes.len());
                    self.log.push(Entry::Answered { at: now, by: id, bytes: reply.clone() });
                    self.carry(id, reply);
                }
                HelloVerdict::Verified(hello) => {
                    let config = (listener.config)(from);
                    let mtu = config.settings().mtu;
                    self.add(id, Connection::accept(config, hello, now), mtu);
                }
                HelloVerdict::Dropped(_) => assert_eq!(reply, []),
            }
        }
    }

    // --- what has happened ---

    /// What has happened to the ends of one association, and when.
    pub fn history(&self, of: EndId) -> impl Iterator<Item = &Entry> {
        self.log.iter().filter(move |entry| entry.end() == of || entry.end() == of.other())
    }

    /// Every datagram that has left, listeners' answers included, and whose it is.
    pub fn datagrams(&self) -> impl Iterator<Item = (EndId, &[u8])> {
        self.log.iter().filter_map(|entry| match entry {
            Entry::Sent { by, bytes, .. } | Entry::Answered { by, bytes, .. } => Some((*by, &bytes[..])),
            _ => None,
        })
    }

    /// The datagrams that `id` has sent, its listener's answers included.
    pub fn sent_by(&self, id: EndId) -> impl Iterator<Item = &[u8]> {
        self.datagrams().filter(move |(by, _)| *by == id).map(|(_, bytes)| bytes)
    }

    /// How often a deadline came for either end of an association before both were connected.
    #[must_use]
    pub fn deadlines_served(&self) -> usize {
        self.log.iter().filter(|entry| matches!(entry, Entry::Deadline { .. })).count()
    }
}

/// How long a datagram is under way where nothing is said about it.
pub const LATENCY: Duration = Duration::from_millis(25);
/// There and back.
pub const ROUND_TRIP: Duration = Duration::from_millis(50);
