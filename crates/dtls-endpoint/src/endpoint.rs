//! Many connections on one socket: which datagram belongs to which, and whose turn it is.
//!
//! ```text
//!   receiving    whose is this datagram? strangers, cookies, clients that begin anew
//!   roaming      connection IDs, and peers that change their address
//!   path_checks  whether a peer receives where it was seen, and how long its datagrams may be
//!   resting      sessions that are put aside, here or for another endpoint
//!   sending      whose turn is it? one datagram, or several of one size
//!   room         who finds room under the limits, and who has to go for it
//!   books        deadlines, idleness, memory, and what becomes of a session that is over
//! ```

mod books;
mod path_checks;
mod receiving;
mod resting;
mod roaming;
mod room;
mod sending;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use dtls_core::crypto::CryptoError;
use dtls_core::wire::connection_id::ConnectionId;
use dtls_core::wire::hello::Random;
use dtls_core::{
    Answer, ClientConfig, ConfigError, Connection, CookieJar, ExportError, Instant, NotAsked, Question,
    ResumptionState, Role, ServerConfig, SessionInfo, SrtpKeys,
};
use hashbrown::HashMap;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::address::Address;
use crate::event::{Event, Reason};
use crate::incoming::Incoming;
use crate::limits::{AddressChange, Admission, CookiePolicy, Limits, Replacement};
use crate::sessions::{Handle, Slots};
use crate::stats::{Stats, count};
use path_checks::Probe;
pub use receiving::Received;
use resting::Presence;
pub use resting::TakeInError;
use roaming::{NoConnectionId, Roaming};
use room::Room;
pub use sending::Transmit;

/// All DTLS sessions of one socket, by the address of their peers or by connection IDs. `A` is whatever the host calls an
/// address.
///
/// Give it every datagram that arrives ([`receive`](Self::receive)) and tell it when its deadline has come
/// ([`handle_timeout`](Self::handle_timeout)). After each of these, and after every other call that changes a session,
/// drain in any order [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout); with [`Admission::Ask`] also [`poll_incoming`](Self::poll_incoming).
///
/// A session is known by its [`Handle`]. When it is over, what it still had to send has been taken and its events have
/// been polled, its address is free for a new one. The handle goes on answering questions (why it failed is in the
/// event, what it counted in [`session_stats`](Self::session_stats), and after an orderly close there is still
/// [`info`](Self::info) and [`export`](Self::export)) until its owner calls [`release`](Self::release), and means
/// nothing afterwards, forever. Until then it counts towards [`Limits::sessions`]: **every session must be released**,
/// also one whose handshake failed.
///
/// All connection IDs of an endpoint have one length, that of its first session with one: nothing in a datagram says how
/// long its ID is. A server session whose configuration wants another length, or that can get no ID which is not in use, is
/// begun without one of ours.
pub struct Endpoint<A: Address> {
    server: Option<Server>,
    limits: Limits,
    admission: Admission,
    replacement: Replacement,
    address_change: AddressChange,
    sessions: Slots<Session<A>>,
    /// Sessions that a datagram without a connection ID may be for.
    by_address: HashMap<A, Handle>,
    by_cid: HashMap<ConnectionId, Handle>,
    /// The length of every key of [`Endpoint::by_cid`].
    cid_len: usize,
    /// How many sessions each host has, pairs counted once.
    by_host: HashMap<A::Host, usize>,
    /// How many pairs of sessions count as one under the limits: see [`Session::beside`].
    pairs: usize,
    /// Sessions that have had to go for one another's room and have not been freed yet.
    evicted: Vec<Handle>,
    /// How many sessions are not over and drained.
    unfinished: usize,
    /// How many server sessions have not completed their handshake.
    half_open: usize,
    /// Bytes that all sessions take.
    memory: usize,
    deadlines: BTreeSet<(Instant, Handle)>,
    /// Connected sessions by when they last had application data, as far as it has been looked at: a session may have
    /// had some since.
    by_idleness: BTreeSet<(Instant, Handle)>,
    /// Sessions that may have something to send, in the order of their turns.
    ready: VecDeque<Handle>,
    /// Sessions that may have events.
    news: VecDeque<Handle>,
    /// The session whose datagram was lent last: what became of it has not been looked at.
    lent: Option<Lent>,
    /// Where its datagram came from, if that may not be where its peer is, and how long it was.
    came_from: Option<(A, usize)>,
    /// A verified client that the host has not asked for yet.
    incoming: Option<Incoming<A>>,
    /// Answers to be sent to where they were asked for, which is known to nothing else here, and challenges of paths.
    replies: VecDeque<(A, Vec<u8>)>,
    /// A datagram that did not fit in a batch.
    held_back: Option<(A, Vec<u8>)>,
    /// The latest time that a call has told.
    now: Instant,
    stats: Stats,
}

/// What an endpoint needs to accept sessions.
struct Server {
    config: Arc<ServerConfig>,
    policy: CookiePolicy,
    cookies: CookieJar,
}

/// A session whose datagram was lent.
struct Lent {
    handle: Handle,
    /// Whether the session had completed its handshake before.
    was_connected: bool,
    /// How many records of application data it had received, if the datagram has woken it.
    woken_at: Option<u64>,
}

struct Session<A> {
    address: A,
    presence: Presence,
    role: Role,
    /// The random of the client's hello, if we are the server.
    opening: Option<Random>,
    /// The same of the session whose place it has taken.
    replaced: Option<Random>,
    /// The session that takes the place of this one when its handshake is complete, or the other way round.
    partner: Option<Partner>,
    /// The other of two sessions of a client that began anew: the two count as one until either is freed.
    beside: Option<Handle>,
    /// If its peer's records have an ID of ours, or may come to have it.
    roaming: Option<Box<Roaming<A>>>,
    /// What was last asked about the length of datagrams.
    probe: Option<Probe>,
    began: Instant,
    /// When application data last came or went.
    active: Instant,
    /// As it stands in [`Endpoint::by_idleness`].
    idle_since: Option<Instant>,
    /// As it stands in [`Endpoint::deadlines`].
    deadline: Option<Instant>,
    /// As it is part of [`Endpoint::memory`].
    memory: usize,
    /// Why the endpoint has ended it, until that is told.
    ended: Option<Reason>,
    /// Whether it has completed its handshake.
    was_connected: bool,
    /// Whether it counts towards [`Endpoint::half_open`].
    is_half_open: bool,
    /// Whether it stands in [`Endpoint::ready`].
    is_ready: bool,
    /// Whether it stands in [`Endpoint::news`].
    has_news: bool,
    /// Whether it was over when last looked at.
    was_over: bool,
    /// Whether it was over and drained, and is out of all of the endpoint but [`Endpoint::sessions`].
    is_finished: bool,
    /// Whether its owner has no more questions, or never knew of it.
    is_released: bool,
}

/// The other session of two with one address (RFC 6347 section 4.2.8).
#[derive(Clone, Copy)]
enum Partner {
    /// A client has begun anew beside this session.
    Successor(Handle),
    /// This session takes the place of that one.
    Predecessor(Handle),
}

// --- beginning ---

impl<A: Address> Endpoint<A> {
    /// An endpoint without sessions. With a `server` configuration it accepts clients; without, it can only connect.
    ///
    /// # Errors
    /// If the server's provider has no random bytes for the key of the cookies.
    pub fn new(
        now: Instant,
        server: Option<Arc<ServerConfig>>,
        policy: CookiePolicy,
        limits: Limits,
    ) -> Result<Self, CryptoError> {
        let server = match server {
            None => None,
            Some(config) => {
                let cookies = CookieJar::new(Arc::clone(config.provider()), now)?;
                Some(Server { config, policy, cookies })
            }
        };
        Ok(Self {
            server,
            limits,
            admission: Admission::default(),
            replacement: Replacement::default(),
            address_change: AddressChange::default(),
            sessions: Slots::new(),
            by_address: HashMap::new(),
            by_cid: HashMap::new(),
            cid_len: 0,
            by_host: HashMap::new(),
            pairs: 0,
            evicted: Vec::new(),
            unfinished: 0,
            half_open: 0,
            memory: 0,
            deadlines: BTreeSet::new(),
            by_idleness: BTreeSet::new(),
            ready: VecDeque::new(),
            news: VecDeque::new(),
            lent: None,
            came_from: None,
            incoming: None,
            replies: VecDeque::new(),
            held_back: None,
            now,
            stats: Stats::new(now),
        })
    }

    /// Begins a session as the client with the server at `to`; see [`Connection::connect`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub fn connect(
        &mut self,
        now: Instant,
        to: A,
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
    ) -> Result<Handle, ConnectError> {
        self.begin_client(now, to, config, server_name, None)
    }

    /// As [`connect`](Self::connect), and offers to go on with the session that `state` was taken from; see
    /// [`Connection::connect_resuming`].
    ///
    /// # Errors
    /// See [`ConnectError`]. None for a state that does not fit, or that the server does not know any more: then it becomes
    /// a full handshake.
    pub fn connect_resuming(
        &mut self,
        now: Instant,
        to: A,
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        state: &ResumptionState,
    ) -> Result<Handle, ConnectError> {
        self.begin_client(now, to, config, server_name, Some(state))
    }

    fn begin_client(
        &mut self,
        now: Instant,
        to: A,
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        resume: Option<&ResumptionState>,
    ) -> Result<Handle, ConnectError> {
        self.settle(now);
        if self.native_at(&to).is_some() {
            return Err(ConnectError::AddressInUse);
        }
        if self.is_full() || self.is_host_full(&to) {
            return Err(ConnectError::TooManySessions);
        }
        let cid = self.new_cid(&config.settings().connection_id, &*config.provider().random);
        let cid = cid.map_err(|NoConnectionId| ConnectError::NoConnectionId)?;
        // Where there are no IDs, the empty one is of no effect.
        let own_cid = cid.clone().unwrap_or_default();
        let connection = Connection::connect_with_cid(config, server_name, resume, own_cid, now);
        let connection = connection.map_err(ConnectError::Config)?;
        if !self.has_room(Room { places: 1, memory: connection.memory() }) {
            return Err(ConnectError::TooManySessions);
        }
        let handle = self.insert(to.clone(), connection, Role::Client, None).ok_or(ConnectError::TooManySessions)?;
        self.register_cid(handle, cid);
        self.by_address.insert(to, handle);
        count(&mut self.stats.client_sessions);
        self.touch(handle);
        Ok(handle)
    }

    /// Whether new clients are welcome. Sessions that exist go on either way. Default: [`Admission::Open`].
    pub const fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// When a client that begins anew takes the place of its old session. Default: [`Replacement::AfterHandshake`].
    pub const fn set_replacement(&mut self, replacement: Replacement) {
        self.replacement = replacement;
    }

    /// Changes the limits. Sessions beyond new ones go on.
    pub const fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Checks cookies by another jar, one whose secret several endpoints share say. Clients with cookies of the jar before
    /// are asked again. Does nothing at an endpoint that accepts nobody.
    pub fn set_cookie_jar(&mut self, cookies: CookieJar) {
        if let Some(server) = &mut self.server {
            server.cookies = cookies;
        }
    }

    /// Serves new clients by another configuration; sessions that exist keep theirs. Does nothing at an endpoint that
    /// was made without one.
    pub fn set_server_config(&mut self, config: Arc<ServerConfig>) {
        if let Some(server) = &mut self.server {
            server.config = config;
        }
    }
}

// --- ending, changing and asking ---

/// Of a handle whose session has been released and is over nothing is known: calls that change do nothing, questions have
/// no answer.
impl<A: Address> Endpoint<A> {
    /// Closes a session in good order: [`poll_transmit`](Self::poll_transmit) has a close_notify for its peer. Emits
    /// no event.
    pub fn close(&mut self, handle: Handle) {
        self.change(handle, Connection::close);
    }

    /// Ends a session without a word to its peer. Emits no event.
    pub fn abort(&mut self, handle: Handle) {
        self.change(handle, Connection::abort);
    }

    /// Says that nothing more will be asked of a session: it is freed as soon as it is over and drained, at once if it
    /// is already. Ends nothing: before it comes [`close`](Self::close), [`abort`](Self::abort), or the event that the
    /// session is over.
    pub fn release(&mut self, handle: Handle) {
        self.settle(self.now);
        if let Some(session) = self.sessions.get_mut(handle) {
            session.is_released = true;
            self.free_if_done(handle);
        }
    }

    /// See [`Connection::set_mtu`].
    pub fn set_mtu(&mut self, handle: Handle, mtu: usize) {
        self.change(handle, |connection| connection.set_mtu(mtu));
    }

    /// See [`Connection::set_round_trip_hint`].
    ///
    /// A check of a path then lasts three times as long, 100 ms at least; by default a second (RFC 9853 section 5.5).
    pub fn set_round_trip_hint(&mut self, handle: Handle, round_trip: Duration) {
        if let Some(roaming) = self.sessions.get_mut(handle).and_then(|session| session.roaming.as_mut()) {
            roaming.round_trip = Some(round_trip);
        }
        self.change(handle, |connection| connection.set_round_trip_hint(round_trip));
    }

    /// See [`Connection::take_peer_certificates`].
    pub fn take_peer_certificates(&mut self, handle: Handle) -> Vec<CertificateDer<'static>> {
        self.wake(handle);
        let Some(session) = self.sessions.get_mut(handle) else { return Vec::new() };
        let certificates = session.connection_mut().map(Connection::take_peer_certificates).unwrap_or_default();
        self.weigh(handle);
        certificates
    }

    /// What a client needs to resume a session, for [`connect_resuming`](Self::connect_resuming) here or elsewhere; see
    /// [`Connection::take_resumption_state`]. There is one from [`Event::Connected`] until the session is released, and none
    /// of a session that has failed.
    pub fn take_resumption_state(&mut self, handle: Handle) -> Option<ResumptionState> {
        self.wake(handle);
        let state = self.sessions.get_mut(handle)?.connection_mut()?.take_resumption_state();
        self.weigh(handle);
        state
    }

    /// The next thing that happened to a session; `None` when there is nothing new. Ask after every call that takes
    /// the time, and after [`send`](Self::send).
    ///
    /// The session of an event can still be asked everything; one that is over is to be
    /// [`release`](Self::release)d then.
    #[inline]
    pub fn poll_event(&mut self) -> Option<(Handle, A, Event)> {
        self.settle(self.now);
        if self.news.is_empty() { None } else { self.next_event() }
    }

    fn next_event(&mut self) -> Option<(Handle, A, Event)> {
        while let Some(handle) = self.news.pop_front() {
            let Some(session) = self.sessions.get_mut(handle) else { continue };
            if let Some(event) = session.next_event() {
                self.news.push_front(handle);
                return Some((handle, session.address.clone(), event));
            }
            session.has_news = false;
            self.finish_if_drained(handle);
        }
        None
    }

    /// What the owner has to decide before the handshake of a session goes on; see [`Connection::question`].
    #[must_use]
    pub fn question(&self, handle: Handle) -> Option<Question<'_>> {
        self.connection(handle)?.question()
    }

    /// Answers [`question`](Self::question); see [`Connection::answer`].
    ///
    /// # Errors
    /// If that is not what the session asks, or it is over.
    pub fn answer(&mut self, now: Instant, handle: Handle, answer: Answer) -> Result<(), NotAsked> {
        self.settle(now);
        let session = self.sessions.get_mut(handle).ok_or(NotAsked)?;
        // An answer that comes too late ends the session.
        let answered = session.connection_mut().ok_or(NotAsked)?.answer(now, answer);
        self.touch(handle);
        answered
    }

    /// What a session has negotiated; see [`Connection::info`].
    #[must_use]
    pub fn info(&self, handle: Handle) -> Option<&SessionInfo> {
        self.connection(handle)?.info()
    }

    /// What a session has counted; see [`Connection::stats`].
    #[must_use]
    pub fn session_stats(&self, handle: Handle) -> Option<&dtls_core::Stats> {
        Some(self.connection(handle)?.stats())
    }

    /// The longest payload that [`send`](Self::send) takes for this session; 0 until connected and after the end.
    #[must_use]
    pub fn max_payload(&self, handle: Handle) -> usize {
        self.connection(handle).map_or(0, Connection::max_payload)
    }

    /// The longest payload that a record of this session carries, however large its MTU is: see
    /// [`Connection::max_record_payload`]. 0 until connected and after the end.
    #[must_use]
    pub fn max_record_payload(&self, handle: Handle) -> usize {
        self.connection(handle).map_or(0, Connection::max_record_payload)
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs in front of a payload.
    #[must_use]
    pub fn headroom(&self, handle: Handle) -> usize {
        self.connection(handle).map_or(0, Connection::headroom)
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs behind a payload.
    #[must_use]
    pub fn tailroom(&self, handle: Handle) -> usize {
        self.connection(handle).map_or(0, Connection::tailroom)
    }

    /// Fills `out` with keying material of a session; see [`Connection::export`].
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn export(
        &self,
        handle: Handle,
        label: &[u8],
        context: Option<&[u8]>,
        out: &mut [u8],
    ) -> Result<(), ExportError> {
        self.connection(handle).ok_or(ExportError::NotConnected)?.export(label, context, out)
    }

    /// The SRTP keys of a session; see [`Connection::srtp_keys`].
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn srtp_keys(&self, handle: Handle) -> Result<SrtpKeys, ExportError> {
        self.connection(handle).ok_or(ExportError::NotConnected)?.srtp_keys()
    }

    /// When a session was begun.
    #[must_use]
    pub fn began(&self, handle: Handle) -> Option<Instant> {
        self.sessions.get(handle).map(|session| session.began)
    }

    /// Where a session's peer is: where what is sent to it goes. A change of it shows after the next call that takes
    /// `&mut self`.
    #[must_use]
    pub fn remote_address(&self, handle: Handle) -> Option<&A> {
        self.sessions.get(handle).map(|session| &session.address)
    }

    /// The session with the peer at this address: the one whose application data is lent. Of several whose peers came to be
    /// behind one address, the one that began there, or else the one that was there first; the others have connection IDs.
    #[must_use]
    pub fn session_at(&self, address: &A) -> Option<Handle> {
        self.by_address.get(address).copied()
    }

    /// All sessions, in no order. Not those that are over and drained, released or not.
    pub fn sessions(&self) -> impl Iterator<Item = Handle> {
        self.sessions.iter().filter(|(_, session)| !session.is_finished).map(|(handle, _)| handle)
    }

    /// How many [`sessions`](Self::sessions) there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.unfinished
    }

    /// Whether there are no sessions.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.unfinished == 0
    }

    /// Whether a session is over, all that it had to send has been taken and its events have been polled. So is one that
    /// has been released and freed.
    #[must_use]
    pub fn is_drained(&self, handle: Handle) -> bool {
        self.sessions.get(handle).is_none_or(|session| session.is_finished)
    }

    /// How many of the sessions are a server's and have not completed their handshake.
    #[must_use]
    pub const fn half_open(&self) -> usize {
        self.half_open
    }

    /// About how many bytes all sessions take, as [`Connection::memory`] counts them.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// About how many bytes a session takes, as far as the endpoint knows: what [`Limits::session_memory`] bounds.
    #[must_use]
    pub fn session_memory(&self, handle: Handle) -> Option<usize> {
        self.sessions.get(handle).map(|session| session.memory)
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    fn connection(&self, handle: Handle) -> Option<&Connection> {
        self.sessions.get(handle)?.connection()
    }

    fn connection_mut(&mut self, handle: Handle) -> Option<&mut Connection> {
        self.sessions.get_mut(handle)?.connection_mut()
    }

    fn change(&mut self, handle: Handle, change: impl FnOnce(&mut Connection)) {
        self.wake(handle);
        if let Some(connection) = self.connection_mut(handle) {
            change(connection);
            self.touch(handle);
        }
    }
}

impl<A> Session<A> {
    fn next_event(&mut self) -> Option<Event> {
        if let Presence::Lost { is_told: is_told @ false } = &mut self.presence {
            *is_told = true;
            return Some(Event::Failed(dtls_core::Error::CryptoFailed));
        }
        while let Some(event) = self.connection_mut().and_then(Connection::poll_event) {
            match event {
                dtls_core::Event::Asked => return Some(Event::Asked),
                dtls_core::Event::Connected => return Some(Event::Connected),
                dtls_core::Event::KeysProbablyDiffer => return Some(Event::KeysProbablyDiffer),
                dtls_core::Event::Closed => return Some(Event::Closed),
                dtls_core::Event::Failed(error) => return Some(Event::Failed(error)),
                _ => {}
            }
        }
        let moved = self.roaming.as_mut().and_then(|roaming| roaming.take_news());
        let moved = moved.or_else(|| self.take_answered_probe().map(Event::ProbeAnswered));
        moved.or_else(|| self.ended.take().map(Event::Ended))
    }
}

impl<A: Address> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("sessions", &self.unfinished)
            .field("half_open", &self.half_open)
            .field("memory", &self.memory)
            .field("deadline", &self.deadlines.first())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Why a client session was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is a session with this address.
    AddressInUse,
    /// [`Limits::sessions`], [`Limits::per_host`] or [`Limits::memory`] is reached.
    TooManySessions,
    /// There is no connection ID to be had: those that the configuration makes are all in use, or have another length than
    /// those of the sessions that there are.
    NoConnectionId,
    /// The configuration does not suit; see [`Connection::connect`].
    Config(ConfigError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse => f.write_str("there is a session with this address; close it first"),
            Self::TooManySessions => f.write_str("the endpoint has as many sessions as its limits allow"),
            Self::NoConnectionId => {
                f.write_str("there is no connection ID for the session that is free and fits the others")
            }
            Self::Config(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for ConnectError {}
