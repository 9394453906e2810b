//! Many connections on one socket: which datagram belongs to which, and whose turn it is.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::time::Duration;

use dtls_core::crypto::CryptoError;
use dtls_core::{
    ClientConfig, ConfigError, Connection, CookieJar, Event, ExportError, HelloVerdict, Instant, SendError,
    ServerConfig, SessionInfo, SrtpKeys,
};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::address::Address;
use crate::sessions::{Handle, Slots};
use crate::stats::{Stats, count};

/// All DTLS sessions of one socket, by the address of their peers. `A` is whatever the host calls an address.
///
/// Give it every datagram that arrives ([`receive`](Self::receive)) and tell it when its deadline has come
/// ([`handle_timeout`](Self::handle_timeout)). After each of these, and after every other call that changes a session,
/// drain in any order [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout).
///
/// A session is known by its [`Handle`]. When it is over, what it still had to send has been taken and its events have
/// been polled, its address is free for a new one. The handle goes on answering questions (why it failed is in the
/// event, what it counted in [`session_stats`](Self::session_stats), and after an orderly close there is still
/// [`info`](Self::info) and [`export`](Self::export)) until its owner calls [`release`](Self::release), and means
/// nothing afterwards, forever. Until then it counts towards [`Limits::sessions`]: **every session must be released**,
/// also one whose handshake failed.
pub struct Endpoint<A> {
    server: Option<Server>,
    limits: Limits,
    admission: Admission,
    sessions: Slots<Session<A>>,
    by_address: BTreeMap<A, Handle>,
    /// How many server sessions have not completed their handshake.
    half_open: usize,
    deadlines: BTreeSet<(Instant, Handle)>,
    /// Sessions that may have something to send, in the order of their turns.
    ready: VecDeque<Handle>,
    /// Sessions that may have events.
    news: VecDeque<Handle>,
    /// The session whose datagram was lent last: what became of it has not been looked at.
    lent: Option<Handle>,
    /// HelloVerifyRequests to be sent, to addresses of which nothing else is held.
    replies: VecDeque<(A, Vec<u8>)>,
    stats: Stats,
}

/// What an endpoint needs to accept sessions.
struct Server {
    config: Arc<ServerConfig>,
    policy: CookiePolicy,
    cookies: CookieJar,
}

struct Session<A> {
    address: A,
    connection: Connection,
    /// As it stands in [`Endpoint::deadlines`].
    deadline: Option<Instant>,
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
    /// Whether its owner has no more questions.
    is_released: bool,
}

impl<A: Address> Endpoint<A> {
    /// How many HelloVerifyRequests wait at most. A host that drains after every datagram never has more than one.
    const REPLIES_MAX: usize = 64;

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
            sessions: Slots::new(),
            by_address: BTreeMap::new(),
            half_open: 0,
            deadlines: BTreeSet::new(),
            ready: VecDeque::new(),
            news: VecDeque::new(),
            lent: None,
            replies: VecDeque::new(),
            stats: Stats::default(),
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
        self.settle();
        if self.by_address.contains_key(&to) {
            return Err(ConnectError::AddressInUse);
        }
        if self.sessions.len() >= self.limits.sessions {
            return Err(ConnectError::TooManySessions);
        }
        let connection = Connection::connect(config, server_name, now).map_err(ConnectError::Config)?;
        let handle = self.insert(to, connection).ok_or(ConnectError::TooManySessions)?;
        count(&mut self.stats.client_sessions);
        self.touch(handle);
        Ok(handle)
    }

    /// Whether new clients are welcome. Sessions that exist go on either way.
    pub const fn set_admission(&mut self, admission: Admission) {
        self.admission = admission;
    }
}

// --- receiving ---

impl<A: Address> Endpoint<A> {
    /// Takes a datagram that came from `from`. The iterator lends the application data in it, one item a record,
    /// decrypted in place, with the session it belongs to; whatever is not application data is handled on the way.
    /// Dropping the iterator handles the rest.
    ///
    /// An address without a session can only begin one, and only by a ClientHello; everything else from there is
    /// counted and has no other effect. Nothing is held for an address until a hello with a good cookie has come from
    /// it, unless the policy is [`CookiePolicy::TrustedPath`].
    #[must_use = "application data is lent by the iterator"]
    pub fn receive<'e, 'd>(&'e mut self, now: Instant, from: A, datagram: &'d mut [u8]) -> Received<'e, 'd> {
        self.settle();
        self.stats.count_received(datagram.len());
        let known = self.by_address.get(&from).copied();
        let Some(handle) = known.or_else(|| self.on_stranger(now, from, datagram)) else {
            return Received { lender: None };
        };
        self.lent = Some(handle);
        let session = self.sessions.get_mut(handle);
        Received { lender: session.map(|session| (handle, session.connection.receive(now, datagram))) }
    }

    /// A datagram from an address without a session: the only place where somebody else's datagram makes one.
    /// Returns the session that the datagram is still to be given to.
    fn on_stranger(&mut self, now: Instant, from: A, datagram: &[u8]) -> Option<Handle> {
        let Some(server) = &mut self.server else {
            count(&mut self.stats.rejected);
            return None;
        };
        let mut reply = Vec::new();
        let verdict = server.cookies.check(now, from.cookie_bytes().as_ref(), datagram, &mut reply);
        if matches!(verdict, HelloVerdict::Dropped(_)) {
            count(&mut self.stats.rejected);
            return None;
        }
        if self.admission == Admission::Busy {
            count(&mut self.stats.busy);
            return None;
        }
        if self.sessions.len() >= self.limits.sessions || self.half_open >= self.limits.half_open {
            count(&mut self.stats.refused);
            return None;
        }
        match (verdict, server.policy) {
            (HelloVerdict::Dropped(_), _) => None,
            (HelloVerdict::Verified(hello), _) => {
                let connection = Connection::accept(Arc::clone(&server.config), hello, now);
                self.accept(from, connection);
                None
            }
            // On a trusted path the jar has only told that this is a hello.
            (HelloVerdict::Reply, CookiePolicy::TrustedPath) => {
                let connection = Connection::accept_on_trusted_path(Arc::clone(&server.config), now);
                self.accept(from, connection)
            }
            (HelloVerdict::Reply, CookiePolicy::Required) => {
                if self.replies.len() >= Self::REPLIES_MAX {
                    count(&mut self.stats.unanswered);
                } else {
                    self.replies.push_back((from, reply));
                }
                None
            }
        }
    }

    fn accept(&mut self, from: A, connection: Connection) -> Option<Handle> {
        let handle = self.insert(from, connection)?;
        count(&mut self.stats.server_sessions);
        self.half_open += 1;
        if let Some(session) = self.sessions.get_mut(handle) {
            session.is_half_open = true;
        }
        self.touch(handle);
        Some(handle)
    }
}

/// The application data of one datagram, lent record by record. Made by [`Endpoint::receive`].
#[derive(Debug)]
pub struct Received<'e, 'd> {
    lender: Option<(Handle, dtls_core::Received<'e, 'd>)>,
}

impl<'d> Iterator for Received<'_, 'd> {
    type Item = (Handle, &'d mut [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (handle, payloads) = self.lender.as_mut()?;
        payloads.next().map(|payload| (*handle, payload))
    }
}

// --- sending ---

impl<A: Address> Endpoint<A> {
    /// Appends one record with `payload` to `out`: a datagram to send to the address returned.
    ///
    /// # Errors
    /// As [`Connection::send`]; [`SendError::Closed`] also if the handle has no session any more.
    #[inline]
    pub fn send(&mut self, handle: Handle, payload: &[u8], out: &mut Vec<u8>) -> Result<A, SendError> {
        let start = out.len();
        let session = self.sessions.get_mut(handle).ok_or(SendError::Closed)?;
        let sent = session.connection.send(payload, out).map(|()| (session.address.clone(), out.len() - start));
        self.sent(handle, sent)
    }

    /// Seals the `payload_len` bytes that stand in `buffer` behind [`headroom`](Self::headroom) bytes of room, in
    /// place; returns where to send the datagram and where in `buffer` it stands. There must be
    /// [`tailroom`](Self::tailroom) bytes of room behind the payload.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::BufferTooSmall`].
    #[inline]
    pub fn seal_in_place(
        &mut self,
        handle: Handle,
        buffer: &mut [u8],
        payload_len: usize,
    ) -> Result<(A, Range<usize>), SendError> {
        let session = self.sessions.get_mut(handle).ok_or(SendError::Closed)?;
        let sealed = session.connection.seal_in_place(buffer, payload_len);
        let address = session.address.clone();
        let sent = sealed.as_ref().map(|range| (address, range.len())).map_err(|error| *error);
        let address = self.sent(handle, sent)?;
        sealed.map(|range| (address, range))
    }

    #[inline]
    fn sent(&mut self, handle: Handle, sent: Result<(A, usize), SendError>) -> Result<A, SendError> {
        match sent {
            Ok((address, len)) => {
                self.stats.count_sent(len);
                Ok(address)
            }
            Err(error) => {
                // Numbers that are used up end the session.
                self.touch(handle);
                Err(error)
            }
        }
    }

    /// Appends the next datagram to `out`, exactly one, and returns where to send it; `None` when there is nothing to
    /// send. Call it until then after every call that takes the time, and after [`close`](Self::close).
    ///
    /// Sessions take turns, a datagram each. Only those are looked at that may have something to send.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> Option<A> {
        self.settle();
        let start = out.len();
        if let Some((address, reply)) = self.replies.pop_front() {
            out.extend_from_slice(&reply);
            self.stats.count_sent(reply.len());
            return Some(address);
        }
        while let Some(handle) = self.ready.pop_front() {
            let Some(session) = self.sessions.get_mut(handle) else { continue };
            session.is_ready = false;
            if session.connection.poll_transmit(now, out) {
                let address = session.address.clone();
                self.touch(handle);
                self.stats.count_sent(out.len() - start);
                return Some(address);
            }
            self.refresh(handle);
            self.finish_if_drained(handle);
        }
        None
    }
}

// --- time ---

impl<A: Address> Endpoint<A> {
    /// When to call [`handle_timeout`](Self::handle_timeout): the earliest deadline of any session; `None` for never.
    /// Exact: a host that sleeps until then, or until a datagram comes, and does nothing else, works. Changes with
    /// every other call.
    ///
    /// Right once [`poll_transmit`](Self::poll_transmit) has been drained: a flight's timer starts when its last
    /// datagram has been taken.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.settle();
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Does what is due at `now`. Too early a call does nothing; sessions that are not due are not touched.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle();
        let mut due = Vec::new();
        while let Some((deadline, handle)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            due.push(handle);
        }
        for handle in due {
            if let Some(session) = self.sessions.get_mut(handle) {
                session.deadline = None;
                session.connection.handle_timeout(now);
                self.touch(handle);
            }
        }
    }
}

// --- ending, changing and asking ---

/// Of a handle whose session has been released nothing is known: calls that change do nothing, questions have no answer.
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
        self.settle();
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
    pub fn set_round_trip_hint(&mut self, handle: Handle, round_trip: Duration) {
        self.change(handle, |connection| connection.set_round_trip_hint(round_trip));
    }

    /// See [`Connection::take_peer_certificates`].
    pub fn take_peer_certificates(&mut self, handle: Handle) -> Vec<CertificateDer<'static>> {
        self.sessions.get_mut(handle).map_or_else(Vec::new, |session| session.connection.take_peer_certificates())
    }

    /// The next thing that happened to a session; `None` when there is nothing new. Ask after every call that takes
    /// the time, and after [`send`](Self::send).
    ///
    /// The session of an event can still be asked everything; one that is over is to be
    /// [`release`](Self::release)d then.
    pub fn poll_event(&mut self) -> Option<(Handle, A, Event)> {
        self.settle();
        while let Some(handle) = self.news.pop_front() {
            let Some(session) = self.sessions.get_mut(handle) else { continue };
            if let Some(event) = session.connection.poll_event() {
                self.news.push_front(handle);
                return Some((handle, session.address.clone(), event));
            }
            session.has_news = false;
            self.finish_if_drained(handle);
        }
        None
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

    /// Where a session's peer is.
    #[must_use]
    pub fn remote_address(&self, handle: Handle) -> Option<&A> {
        self.sessions.get(handle).map(|session| &session.address)
    }

    /// The session with the peer at this address.
    #[must_use]
    pub fn session_at(&self, address: &A) -> Option<Handle> {
        self.by_address.get(address).copied()
    }

    /// All sessions, by address. Not those that are over and drained, released or not.
    pub fn sessions(&self) -> impl ExactSizeIterator<Item = Handle> {
        self.by_address.values().copied()
    }

    /// How many of the sessions are a server's and have not completed their handshake.
    #[must_use]
    pub const fn half_open(&self) -> usize {
        self.half_open
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    fn connection(&self, handle: Handle) -> Option<&Connection> {
        self.sessions.get(handle).map(|session| &session.connection)
    }

    fn change(&mut self, handle: Handle, change: impl FnOnce(&mut Connection)) {
        if let Some(session) = self.sessions.get_mut(handle) {
            change(&mut session.connection);
            self.touch(handle);
        }
    }
}

// --- keeping the books ---

impl<A: Address> Endpoint<A> {
    /// Whether every queue and index is empty.
    #[cfg(test)]
    pub(crate) fn is_bare(&self) -> bool {
        let held = [self.ready.len(), self.news.len(), self.replies.len(), self.sessions.len(), self.half_open];
        held == [0; 5] && self.deadlines.is_empty()
    }

    /// While a datagram is lent nothing else can be looked at; this looks at what became of it.
    #[inline]
    fn settle(&mut self) {
        if let Some(handle) = self.lent.take() {
            self.touch(handle);
        }
    }

    fn insert(&mut self, address: A, connection: Connection) -> Option<Handle> {
        let handle = self.sessions.insert(Session {
            address: address.clone(),
            connection,
            deadline: None,
            is_half_open: false,
            is_ready: false,
            has_news: false,
            was_over: false,
            is_finished: false,
            is_released: false,
        })?;
        self.by_address.insert(address, handle);
        Some(handle)
    }

    /// After a session may have changed in any way.
    fn touch(&mut self, handle: Handle) {
        self.refresh(handle);
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if !session.is_ready && !session.is_finished {
            session.is_ready = true;
            self.ready.push_back(handle);
        }
    }

    /// Brings deadline, half-open count and the queue of events up to date with a session.
    fn refresh(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let deadline = session.connection.poll_timeout();
        if deadline != session.deadline {
            if let Some(before) = session.deadline {
                self.deadlines.remove(&(before, handle));
            }
            if let Some(after) = deadline {
                self.deadlines.insert((after, handle));
            }
            session.deadline = deadline;
        }
        if session.is_half_open && (session.connection.info().is_some() || session.connection.is_over()) {
            session.is_half_open = false;
            self.half_open -= 1;
        }
        // Nothing follows the event that a session is over.
        if !session.was_over && !session.has_news {
            session.has_news = true;
            self.news.push_back(handle);
        }
        session.was_over = session.connection.is_over();
    }

    /// Gives back the address of a session that is over, has nothing to send and no events.
    fn finish_if_drained(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let is_drained = session.connection.is_over() && !session.is_ready && !session.has_news;
        if is_drained && !session.is_finished {
            session.is_finished = true;
            self.by_address.remove(&session.address);
            self.free_if_done(handle);
        }
    }

    fn free_if_done(&mut self, handle: Handle) {
        if self.sessions.get(handle).is_some_and(|session| session.is_finished && session.is_released) {
            self.sessions.remove(handle);
        }
    }
}

impl<A: fmt::Debug> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("sessions", &self.by_address)
            .field("half_open", &self.half_open)
            .field("deadlines", &self.deadlines)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}

/// Whether a client must show that it receives at its address before a server remembers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CookiePolicy {
    /// By a cookie, as RFC 6347 section 4.2.1 wants it of everyone who can be reached from anywhere.
    #[default]
    Required,
    /// Something else has shown it, such as the consent of ICE or a closed network: the first ClientHello begins a
    /// session. On an open network this lets anyone fill the endpoint and aim its flights at others.
    TrustedPath,
}

/// Whether new clients are welcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// They are, within the [`Limits`].
    #[default]
    Open,
    /// They get silence and are counted.
    Busy,
}

/// How much an endpoint takes on. A ClientHello beyond it gets silence and is counted: the client repeats it, and may
/// find room.
///
/// There will be more limits; write `Limits { sessions: 500, ..Limits::default() }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Sessions of either role, finished handshake or not, and those that are over until they are
    /// [`release`](Endpoint::release)d. Default: 100,000.
    pub sessions: usize,
    /// Server sessions whose handshake is not complete. Default: 1,000.
    pub half_open: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions: 100_000, half_open: 1_000 }
    }
}

/// Why a client session was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is a session with this address.
    AddressInUse,
    /// [`Limits::sessions`] is reached.
    TooManySessions,
    /// The configuration does not suit; see [`Connection::connect`].
    Config(ConfigError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse => f.write_str("there is a session with this address; close it first"),
            Self::TooManySessions => f.write_str("the endpoint has as many sessions as its limits allow"),
            Self::Config(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for ConnectError {}
