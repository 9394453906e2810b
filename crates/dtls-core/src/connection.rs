//! One association with one peer: the only owner of its state, and what drives everything below.
//!
//! ```text
//!   receive ─▶ Inbound ─▶ application data ────────────────────────────────▶ lent to the caller
//!                  │
//!                  ├────▶ fragments ─▶ Handshake ─▶ keys, events
//!                  └────▶ alerts ─▶ events
//!   send ────▶ Outbound ───────────────────────────────────────────────────▶ the caller's buffer
//!   poll_transmit ◀── Outbound ◀── pieces of the flight, or an alert
//! ```

mod established;
mod mtu_search;
mod paths;
mod receiving;
mod saving;
mod sending;
mod snapshot;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName};

use crate::config::{ClientConfig, ConfigError, Exporters, ServerConfig, Settings};
use crate::cookie::VerifiedHello;
use crate::decision::{Answer, NotAsked, Question};
use crate::error::Error;
use crate::event::{Event, SessionInfo, Stats};
use crate::exporter::{ExportError, SrtpKeys, check_label};
use crate::handshake::exchange::Exchange;
use crate::handshake::{Handshake, Resumption, client, server};
use crate::record::{Inbound, Outbound};
use crate::resumption::ResumptionState;
use crate::time::Instant;
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::AlertDescription;
use crate::wire::fragment::MessageSeq;
use crate::wire::record::RecordNumber;
use crate::wire::small::Alert;
use established::Established;
pub use mtu_search::{MtuSearch, MtuStep};
pub use paths::{Path, PathAnswer};
pub use receiving::Received;
pub use saving::{CannotSave, RestoreError, SavedConnection, SavingKey};
pub use sending::SendError;
use sending::{Mtu, QueuedAlert};

/// One DTLS 1.2 association, client or server.
///
/// Give it every datagram of its peer ([`receive`](Self::receive)) and tell it when its deadline has come
/// ([`handle_timeout`](Self::handle_timeout)). After each of these, and after every other call that changes it, drain
/// in any order [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event) and
/// [`poll_timeout`](Self::poll_timeout).
///
/// Nothing that a peer or an attacker sends makes a call return an error: what happened is an [`Event`], or a counter
/// in [`Stats`].
pub struct Connection {
    phase: Phase,
    inbound: Inbound,
    outbound: Outbound,
    mtu: Mtu,
    /// An alert that has been sealed and not yet taken.
    alert: Option<QueuedAlert>,
    events: Events,
    /// Warnings in a row, without application data between them.
    warnings: u8,
    /// Whether the last datagram had an authentic record with our connection ID and a higher number than all before.
    is_newest: bool,
    stats: Stats,
}

/// What the owner has not been told yet. More than this cannot happen to a connection.
#[derive(Debug, Default)]
struct Events {
    asked: bool,
    connected: bool,
    keys_differ: Once,
    /// That it is over, and why.
    end: Option<Event>,
}

/// Something that is told once, however often it is noticed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Once {
    #[default]
    NotNoticed,
    Untold,
    Told,
}

impl Once {
    const fn notice(&mut self) {
        if let Self::NotNoticed = self {
            *self = Self::Untold;
        }
    }

    const fn take(&mut self) -> bool {
        let is_news = matches!(self, Self::Untold);
        if is_news {
            *self = Self::Told;
        }
        is_news
    }
}

/// Where the association is in its life.
enum Phase {
    Handshaking(Box<Handshaking>),
    Established(Box<Established>),
    /// Closed in good order: the keys are gone and everything that arrives is dropped, but what was agreed on can still
    /// be asked for.
    Closed(Box<Established>),
    /// Failed, aborted, or closed before it was established: nothing is left.
    Over,
}

/// A handshake and its time.
struct Handshaking {
    handshake: Handshake,
    began: Instant,
    deadline: Instant,
}

impl Handshaking {
    /// How long a handshake goes on after a Finished that did not decrypt under a pre-shared key: long enough for an honest
    /// one to come again, and no longer, or wrong keys could fill a server.
    const MISMATCH_PATIENCE: Duration = Duration::from_secs(10);
}

// --- beginning ---

impl Connection {
    /// A client that connects to `server_name`: what the certificate is checked for and, if it is a DNS name, what
    /// the server is told (RFC 6066 section 3). Drain [`poll_transmit`](Self::poll_transmit) for the first flight.
    ///
    /// # Errors
    /// If the configuration's verifier checks names and there is none, or the provider fails.
    pub fn connect(
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let cid = Self::make_client_cid(&config)?;
        Self::begin(config, server_name, None, cid, now)
    }

    /// As [`connect`](Self::connect), and offers to go on with the session that `state` was taken from. Where that does not
    /// [fit](ResumptionState::fits), or the server does not remember, it becomes a full handshake;
    /// [`SessionInfo::resumed`] tells.
    ///
    /// If the connection fails, drop the state and begin the next without it (RFC 5077 section 3.2): a server that has
    /// other keys for the session than it should have can do no better.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_resuming(
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        state: &ResumptionState,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let cid = Self::make_client_cid(&config)?;
        Self::begin(config, server_name, Some(state), cid, now)
    }

    /// Like [`connect`](Self::connect), or with a state like [`connect_resuming`](Self::connect_resuming), with a
    /// connection ID of the owner's choice in place of one that the configuration makes: for owners who keep a register of
    /// them. Of no effect where the configuration has connection IDs off.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_with_cid(
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        resume: Option<&ResumptionState>,
        cid: ConnectionId,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let cid = config.settings.connection_id.is_on().then_some(cid);
        Self::begin(config, server_name, resume, cid, now)
    }

    fn make_client_cid(config: &ClientConfig) -> Result<Option<ConnectionId>, ConfigError> {
        config.settings.connection_id.make(&*config.provider.random).map_err(|_| ConfigError::CryptoFailed)
    }

    fn begin(
        config: Arc<ClientConfig>,
        server_name: Option<ServerName<'static>>,
        resume: Option<&ResumptionState>,
        cid: Option<ConnectionId>,
        now: Instant,
    ) -> Result<Self, ConfigError> {
        let settings = &config.settings;
        let mut exchange = Exchange::new(MessageSeq::ZERO, settings.first_timeout, settings.longest_timeout);
        exchange.own_cid = cid;
        let state = client::start(Arc::clone(&config), server_name, resume, &mut exchange)?;
        let handshake = Handshake::new(state, exchange, MessageSeq::ZERO, settings.fault_budget);
        Ok(Self::new(handshake, settings, RecordNumber::ZERO, now))
    }

    /// A server for a client whose address a [`CookieJar`](crate::CookieJar) has verified. The datagram with the
    /// hello is part of `hello` and must not be given to [`receive`](Self::receive) again.
    #[must_use]
    pub fn accept(config: Arc<ServerConfig>, hello: VerifiedHello, now: Instant) -> Self {
        let cid = Self::make_server_cid(&config);
        Self::accept_hello(config, hello, cid, now)
    }

    /// Like [`accept`](Self::accept), with a connection ID of the owner's choice in place of one that the configuration
    /// makes: for owners who keep a register of them. Of no effect where the configuration has connection IDs off.
    #[must_use]
    pub fn accept_with_cid(config: Arc<ServerConfig>, hello: VerifiedHello, cid: ConnectionId, now: Instant) -> Self {
        let cid = config.settings.connection_id.is_on().then_some(cid);
        Self::accept_hello(config, hello, cid, now)
    }

    fn accept_hello(config: Arc<ServerConfig>, hello: VerifiedHello, cid: Option<ConnectionId>, now: Instant) -> Self {
        let first = (hello.record_number(), hello.message_seq());
        let mut connection = Self::new_server(config, first, cid, now);
        let mut datagram = hello.into_datagram();
        drop(connection.receive(now, &mut datagram));
        connection
    }

    /// A server for a peer whose address something else has verified, such as the consent of ICE (RFC 8827 section
    /// 6.5): the first ClientHello is answered without a cookie. Anyone who can send from a forged address would
    /// otherwise get a flight of several kilobytes for a hello of a few hundred bytes.
    #[must_use]
    pub fn accept_on_trusted_path(config: Arc<ServerConfig>, now: Instant) -> Self {
        let cid = Self::make_server_cid(&config);
        Self::new_server(config, (RecordNumber::ZERO, MessageSeq::ZERO), cid, now)
    }

    /// Without random bytes for an ID of ours there is still the client's.
    fn make_server_cid(config: &ServerConfig) -> Option<ConnectionId> {
        config.settings.connection_id.make(&*config.provider.random).unwrap_or_else(|_| Some(ConnectionId::default()))
    }

    fn new_server(
        config: Arc<ServerConfig>,
        (first, first_seq): (RecordNumber, MessageSeq),
        cid: Option<ConnectionId>,
        now: Instant,
    ) -> Self {
        let settings = &config.settings;
        let mut exchange = Exchange::new(first_seq, settings.first_timeout, settings.longest_timeout);
        exchange.own_cid = cid;
        let state = server::start(Arc::clone(&config));
        let handshake = Handshake::new(state, exchange, first_seq, settings.fault_budget);
        Self::new(handshake, settings, first, now)
    }

    fn new(handshake: Handshake, settings: &Settings, first: RecordNumber, now: Instant) -> Self {
        let deadline = now + settings.handshake_timeout;
        let cid = handshake.exchange.own_cid.clone();
        Self {
            phase: Phase::Handshaking(Box::new(Handshaking { handshake, began: now, deadline })),
            inbound: Inbound::new(cid),
            outbound: Outbound::new(first),
            mtu: Mtu::new(settings.mtu),
            alert: None,
            events: Events::default(),
            warnings: 0,
            is_newest: false,
            stats: Stats::default(),
        }
    }
}

// --- time ---

impl Connection {
    /// When to call [`handle_timeout`](Self::handle_timeout); `None` for never. Exact: a host that sleeps until then,
    /// or until a datagram comes, and does nothing else, works. Changes with every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.phase {
            Phase::Handshaking(phase) => {
                Some(phase.handshake.deadline().map_or(phase.deadline, |due| due.min(phase.deadline)))
            }
            Phase::Established(established) => established.linger.as_ref().map(|linger| linger.until),
            Phase::Closed(_) | Phase::Over => None,
        }
    }

    /// Does what is due at `now`: repeats a flight, gives up a handshake, or lets go of what is no longer needed.
    /// Too early a call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Handshaking(phase) => {
                let repeats = match phase.handshake.on_time(now) {
                    Err(error) => return self.fail(error),
                    Ok(_) if now >= phase.deadline => return self.fail(Error::HandshakeTimeout),
                    Ok(repeats) => repeats,
                };
                if repeats {
                    self.mtu.on_loss(phase.handshake.exchange.retransmit.expiries());
                    self.stats.retransmits = self.stats.retransmits.saturating_add(1);
                }
            }
            Phase::Established(established) => {
                if established.linger.as_ref().is_some_and(|linger| now >= linger.until) {
                    established.linger = None;
                }
            }
            Phase::Closed(_) | Phase::Over => {}
        }
    }

    /// What is known of the path's round-trip time, from ICE checks say: the first repetition comes after three times
    /// as long (RFC 6298 section 2.2 for a first sample) and not after the configured time. Call it before the first
    /// [`poll_transmit`](Self::poll_transmit).
    pub fn set_round_trip_hint(&mut self, round_trip: Duration) {
        if let Phase::Handshaking(phase) = &mut self.phase {
            phase.handshake.exchange.retransmit.set_timeout(round_trip.saturating_mul(3));
        }
    }

    /// Changes the largest UDP payload to send, within 256 and 65535 bytes; other values are taken as the nearer
    /// bound. Repetitions of a flight are cut anew.
    pub fn set_mtu(&mut self, mtu: usize) {
        self.mtu = Mtu::new(mtu);
    }
}

// --- decisions ---

impl Connection {
    /// What the owner has to decide before the handshake goes on, for as long as it waits for that: see
    /// [`Event::Asked`]. Nothing is repeated meanwhile, what arrives changes no more than it ever does, and the handshake
    /// ends at its deadline all the same.
    #[must_use]
    pub fn question(&self) -> Option<Question<'_>> {
        match &self.phase {
            Phase::Handshaking(phase) => phase.handshake.question(),
            Phase::Established(_) | Phase::Closed(_) | Phase::Over => None,
        }
    }

    /// Answers [`question`](Self::question); the handshake goes on, or ends with the reason that the answer gives.
    ///
    /// # Errors
    /// If that is not what the connection asks, or it is over, or its time is: then it ends now.
    pub fn answer(&mut self, now: Instant, answer: Answer) -> Result<(), NotAsked> {
        let Phase::Handshaking(phase) = &mut self.phase else { return Err(NotAsked) };
        if now >= phase.deadline {
            self.fail(Error::HandshakeTimeout);
            return Err(NotAsked);
        }
        if !phase.handshake.question().is_some_and(|question| question.is_answered_by(&answer)) {
            return Err(NotAsked);
        }
        self.events.asked = false;
        let outcome = phase.handshake.on_answer(now, answer);
        if self.follow(now, outcome) {
            self.advance(now);
        }
        Ok(())
    }
}

// --- ending ---

impl Connection {
    /// More warnings in a row than any honest peer sends.
    const WARNINGS_MAX: u8 = 16;

    /// Closes in good order: queues a close_notify (RFC 5246 section 7.2.1) for
    /// [`poll_transmit`](Self::poll_transmit) and drops the keys of the record layer. What arrives afterwards is dropped.
    /// The master secret stays for [`export`](Self::export) until the connection is dropped. Emits no event.
    pub fn close(&mut self) {
        if !self.is_over() {
            self.queue_alert(Alert::warning(AlertDescription::CLOSE_NOTIFY));
            self.end_in_good_order();
        }
    }

    /// Drops the keys that protect records, and keeps what was agreed on for an owner who asks late.
    fn end_in_good_order(&mut self) {
        let phase = core::mem::replace(&mut self.phase, Phase::Over);
        self.end();
        if let Phase::Established(mut established) = phase {
            established.linger = None;
            self.phase = Phase::Closed(established);
        }
    }

    /// Ends without a word to the peer.
    pub fn abort(&mut self) {
        self.alert = None;
        self.events.connected = false;
        self.events.keys_differ = Once::Told;
        self.end();
    }

    /// Whether the connection is closed, failed or aborted. An alert may still wait to be taken.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed(_) | Phase::Over)
    }

    /// The only place where a connection fails: says so to the peer and to the owner.
    fn fail(&mut self, error: Error) {
        if self.is_over() {
            return;
        }
        self.forget_session(&error);
        if let Some(description) = error.alert() {
            self.queue_alert(Alert::fatal(description));
        }
        self.end();
        // An owner who has not been told of the beginning is not told now, when nothing of it is left to ask for.
        self.events.connected = false;
        self.events.end = Some(Event::Failed(error));
    }

    /// RFC 5246 section 7.2.2: a session whose connection ends with a fatal alert is not resumed. Nor may whoever has only
    /// seen its ID end it: a handshake counts once the client has shown that it has the session's keys.
    fn forget_session(&self, error: &Error) {
        let resumption = match &self.phase {
            Phase::Established(established) => established.resumption.as_deref(),
            Phase::Handshaking(phase) if self.inbound.is_proven() && error.is_fatal_alert() => {
                phase.handshake.exchange.resuming.as_deref()
            }
            Phase::Handshaking(_) | Phase::Closed(_) | Phase::Over => None,
        };
        if let Some(Resumption::Cached(cache, id)) = resumption {
            cache.remove(id);
        }
    }

    /// Drops every secret that the record layer and the present phase hold. [`Connection::end_in_good_order`] saves what
    /// was agreed on from it.
    fn end(&mut self) {
        self.phase = Phase::Over;
        self.events.asked = false;
        self.inbound = Inbound::new(None);
        self.outbound = Outbound::new(RecordNumber::ZERO);
    }
}

// --- asking ---

impl Connection {
    /// The next thing that happened; `None` when there is nothing new. Ask after every call that takes `&mut self`.
    #[must_use = "what happened is told once"]
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.events.asked) {
            return Some(Event::Asked);
        }
        if core::mem::take(&mut self.events.connected) {
            return Some(Event::Connected);
        }
        if self.events.keys_differ.take() {
            return Some(Event::KeysProbablyDiffer);
        }
        self.events.end.take()
    }

    /// Whether it is connected and has nothing for its owner: no event, no datagram, no answer about a path. After a call to
    /// [`receive`](Self::receive) it tells that there has been nothing but application data, or what was dropped.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let Phase::Established(established) = &self.phase else { return false };
        let sends = established.linger.as_ref().is_some_and(|linger| !linger.flight.is_sent());
        let has_answers = established.paths.as_ref().is_some_and(|paths| paths.has_answers());
        let has_news = self.events.connected || self.events.end.is_some();
        !has_news && !sends && !has_answers && self.alert.is_none()
    }

    /// What was negotiated and with whom; `None` until connected and after a failure or an abort. After an orderly
    /// close it, and what can be exported, remain until the connection is dropped.
    #[must_use]
    pub fn info(&self) -> Option<&SessionInfo> {
        self.agreed().map(|established| &established.info)
    }

    const fn agreed(&self) -> Option<&Established> {
        match &self.phase {
            Phase::Established(established) | Phase::Closed(established) => Some(established),
            Phase::Handshaking(_) | Phase::Over => None,
        }
    }

    /// Takes the peer's certificates out of [`info`](Self::info), leaf first. Kept, they are most of what an idle
    /// connection holds.
    pub fn take_peer_certificates(&mut self) -> Vec<CertificateDer<'static>> {
        match &mut self.phase {
            Phase::Established(established) | Phase::Closed(established) => {
                core::mem::take(&mut established.info.peer_certificates)
            }
            Phase::Handshaking(_) | Phase::Over => Vec::new(),
        }
    }

    /// Takes what a client needs to resume the session in another connection: once, from when it is connected until it is
    /// dropped, unless it has failed. `None` if the configuration is not
    /// [resumable](crate::config::ClientConfigBuilder::resumable), or the server keeps no sessions. If the connection fails
    /// after it was taken, drop it (RFC 5246 section 7.2.2).
    pub fn take_resumption_state(&mut self) -> Option<ResumptionState> {
        let (Phase::Established(established) | Phase::Closed(established)) = &mut self.phase else { return None };
        match established.resumption.take().map(|resumption| *resumption) {
            Some(Resumption::State(state)) => Some(state),
            cached => {
                established.resumption = cached.map(Box::new);
                None
            }
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Whether the datagram that was given to [`receive`](Self::receive) last, as far as it has been looked into, had a
    /// record with our connection ID that is authentic and newer than all before it: what RFC 9146 section 6 asks for
    /// before its source may count as the peer's new address. It does not show that the peer receives there. Without an
    /// ID of ours always `false`.
    #[must_use]
    pub const fn is_newest_datagram(&self) -> bool {
        self.is_newest
    }

    /// About how many bytes the connection takes, inline and on the heap, for those who have to set bounds: what grows
    /// with what the peer sends is counted, the rest estimated. Changes only in calls that change the connection, and
    /// hardly any more once it is connected.
    #[must_use]
    pub fn memory(&self) -> usize {
        /// Two expanded keys, and what the allocator adds.
        const KEYS: usize = 1200;
        /// The state, key exchange and hash of a handshake, and a client's cookie.
        const HANDSHAKE: usize = 2400;
        let phase = match &self.phase {
            Phase::Handshaking(phase) => HANDSHAKE + phase.handshake.held(),
            Phase::Established(established) | Phase::Closed(established) => established.held(),
            Phase::Over => 0,
        };
        let keys = if self.outbound.is_protected() { KEYS } else { 0 };
        size_of::<Self>() + phase + keys + self.inbound.held() + self.alert.as_ref().map_or(0, QueuedAlert::held)
    }

    /// Fills `out` with keying material for another protocol (RFC 5705). The same arguments give the same bytes on
    /// both sides. No context and an empty context are different things.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) -> Result<(), ExportError> {
        let Established { config, info, secrets, .. } = self.agreed().ok_or(ExportError::NotConnected)?;
        check_label(label)?;
        if !info.extended_master_secret && config.settings().exporters == Exporters::NeedExtendedMasterSecret {
            return Err(ExportError::NoExtendedMasterSecret);
        }
        let suite = config.suite(info.cipher_suite).ok_or(ExportError::NotConnected)?;
        secrets.export(suite, label, context, out).ok_or(ExportError::ContextTooLong)
    }

    /// The keys for the SRTP profile that was negotiated (RFC 5764 section 4.2).
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn srtp_keys(&self) -> Result<SrtpKeys, ExportError> {
        let info = self.info().ok_or(ExportError::NotConnected)?;
        let profile = info.srtp.as_ref().ok_or(ExportError::NoSrtp)?.profile;
        SrtpKeys::derive(profile, info.role, |out| self.export(SrtpKeys::LABEL, None, out))
    }
}

/// The state in words, without secrets and without what is merely counted: two connections that went through the same
/// print the same, whatever junk was thrown at one of them.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Connection");
        match &self.phase {
            Phase::Handshaking(phase) => {
                debug.field("handshake", &phase.handshake).field("deadline", &phase.deadline);
            }
            Phase::Established(established) => {
                debug.field("info", &established.info);
                if let Some(linger) = &established.linger {
                    debug
                        .field("last_flight", &linger.flight)
                        .field("until", &linger.until)
                        .field("answers_left", &linger.answers_left);
                }
            }
            Phase::Closed(established) => {
                debug.field("closed", &established.info);
            }
            Phase::Over => {
                debug.field("over", &true);
            }
        }
        debug
            .field("inbound", &self.inbound)
            .field("outbound", &self.outbound)
            .field("mtu", &self.mtu)
            .field("alert", &self.alert)
            .field("events", &self.events)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
