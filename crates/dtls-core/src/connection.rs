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

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName};

use crate::config::{ClientConfig, ConfigError, Exporters, MTU_MAX, MTU_MIN, ServerConfig, Settings};
use crate::cookie::VerifiedHello;
use crate::crypto::hash::{HashAlgorithm, prf};
use crate::crypto::secrets::MasterSecret;
use crate::discard::Discard;
use crate::error::Error;
use crate::event::{Event, Role, SessionInfo, Stats};
use crate::exporter::{ExportError, SrtpKeys, check_label};
use crate::handshake::exchange::Exchange;
use crate::handshake::flight::{Flight, Piece};
use crate::handshake::key_schedule::Randoms;
use crate::handshake::{Advance, Completed, Handshake, Received as Fate, client, server};
use crate::record::{Inbound, Opened, Outbound, SealFault};
use crate::time::Instant;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{AlertDescription, AlertLevel, ContentType, HandshakeType};
use crate::wire::fragment::{Fragment, Fragments, MessageSeq};
use crate::wire::record::{Epoch, RecordHeader, RecordNumber, split_record_mut};
use crate::wire::small::{Alert, ChangeCipherSpec};

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
    alert: Option<Box<[u8]>>,
    events: Events,
    stats: Stats,
}

/// What the owner has not been told yet. More than this cannot happen to a connection.
#[derive(Debug, Default)]
struct Events {
    connected: bool,
    /// That it is over, and why.
    end: Option<Event>,
}

/// Where the association is in its life.
enum Phase {
    Handshaking(Box<Handshaking>),
    Established(Box<Established>),
    /// Closed or failed: everything that arrives is dropped.
    Over,
}

/// A handshake and the settings that it needs from outside.
struct Handshaking {
    handshake: Handshake,
    began: Instant,
    deadline: Instant,
    exporters: Exporters,
}

/// What remains when the handshake is done.
struct Established {
    info: SessionInfo,
    master: MasterSecret,
    randoms: Randoms,
    hash: &'static dyn HashAlgorithm,
    exporters: Exporters,
    linger: Option<Box<Linger>>,
    warnings: u8,
    refused_renegotiation: bool,
}

/// Our last flight, which the peer may still need (RFC 6347 section 4.2.4).
struct Linger {
    flight: Flight,
    /// The peer's Finished; when it comes again, ours was lost.
    asked_by: MessageSeq,
    until: Instant,
    /// No answer to a repetition before this moment.
    quiet_until: Instant,
    answers_left: u8,
}

impl Linger {
    /// Twice the maximum segment lifetime, for as long as the peer's flight may still be on its way.
    const DURATION: Duration = Duration::from_secs(240);
    /// Between two answers. A peer's timer is hardly ever shorter, and is 1 s by default.
    const PAUSE: Duration = Duration::from_millis(50);
    const ANSWERS: u8 = 16;
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
        let settings = &config.settings;
        let mut exchange = Exchange::new(MessageSeq::ZERO, settings.first_timeout, settings.longest_timeout);
        let state = client::start(Arc::clone(&config), server_name, &mut exchange)?;
        let handshake = Handshake::new(state, exchange, MessageSeq::ZERO, settings.fault_budget);
        Ok(Self::new(handshake, settings, RecordNumber::ZERO, now))
    }

    /// A server for a client whose address a [`CookieJar`](crate::CookieJar) has verified. The datagram with the
    /// hello is part of `hello` and must not be given to [`receive`](Self::receive) again.
    #[must_use]
    pub fn accept(config: Arc<ServerConfig>, hello: VerifiedHello, now: Instant) -> Self {
        let (record_number, message_seq) = (hello.record_number(), hello.message_seq());
        let mut connection = Self::new_server(config, record_number, message_seq, now);
        let mut datagram = hello.into_datagram();
        drop(connection.receive(now, &mut datagram));
        connection
    }

    /// A server for a peer whose address something else has verified, such as the consent of ICE (RFC 8827 section
    /// 6.5): the first ClientHello is answered without a cookie. Anyone who can send from a forged address would
    /// otherwise get a flight of several kilobytes for a hello of a few hundred bytes.
    #[must_use]
    pub fn accept_on_trusted_path(config: Arc<ServerConfig>, now: Instant) -> Self {
        Self::new_server(config, RecordNumber::ZERO, MessageSeq::ZERO, now)
    }

    fn new_server(config: Arc<ServerConfig>, first: RecordNumber, first_seq: MessageSeq, now: Instant) -> Self {
        let settings = &config.settings;
        let exchange = Exchange::new(first_seq, settings.first_timeout, settings.longest_timeout);
        let state = server::start(Arc::clone(&config));
        let handshake = Handshake::new(state, exchange, first_seq, settings.fault_budget);
        Self::new(handshake, settings, first, now)
    }

    fn new(handshake: Handshake, settings: &Settings, first: RecordNumber, now: Instant) -> Self {
        let deadline = now + settings.handshake_timeout;
        let exporters = settings.exporters;
        Self {
            phase: Phase::Handshaking(Box::new(Handshaking { handshake, began: now, deadline, exporters })),
            inbound: Inbound::new(),
            outbound: Outbound::new(first),
            mtu: Mtu::new(settings.mtu),
            alert: None,
            events: Events::default(),
            stats: Stats::default(),
        }
    }
}

// --- receiving ---

impl Connection {
    /// Takes a datagram from the peer. The iterator lends the application data in it, one item a record, decrypted in
    /// place; whatever is not application data is handled on the way. Dropping the iterator handles the rest.
    ///
    /// An item may be empty: the peer may send empty records.
    #[must_use = "application data is lent by the iterator"]
    pub fn receive<'c, 'd>(&'c mut self, now: Instant, datagram: &'d mut [u8]) -> Received<'c, 'd> {
        self.stats.datagrams_received = self.stats.datagrams_received.saturating_add(1);
        let len = u64::try_from(datagram.len()).unwrap_or(u64::MAX);
        self.stats.bytes_received = self.stats.bytes_received.saturating_add(len);
        Received { connection: self, now, rest: datagram }
    }

    #[inline]
    fn on_record<'d>(&mut self, now: Instant, header: RecordHeader, body: &'d mut [u8]) -> Option<&'d mut [u8]> {
        if matches!(self.phase, Phase::Over) {
            self.stats.count_discard(Discard::Closed);
            return None;
        }
        match self.inbound.open(header, body) {
            Ok(opened) => self.on_opened(now, opened),
            Err(cause) => {
                self.stats.count_discard(cause);
                if cause == Discard::NotAuthentic && self.inbound.is_worn_out() {
                    self.fail(Error::TooManyForgedRecords);
                }
                None
            }
        }
    }

    #[inline]
    fn on_opened<'d>(&mut self, now: Instant, opened: Opened<'d>) -> Option<&'d mut [u8]> {
        let Opened { epoch, content_type, payload } = opened;
        match content_type {
            ContentType::APPLICATION_DATA => return self.on_application_data(epoch, payload),
            ContentType::HANDSHAKE => self.on_handshake_record(now, epoch, payload),
            ContentType::CHANGE_CIPHER_SPEC => self.on_change_cipher_spec(now, epoch, payload),
            ContentType::ALERT => self.on_alert(epoch, payload),
            _ => self.stats.count_discard(Discard::UnexpectedContentType),
        }
        None
    }

    fn on_application_data<'d>(&mut self, epoch: Epoch, payload: &'d mut [u8]) -> Option<&'d mut [u8]> {
        match &mut self.phase {
            Phase::Established(established) if epoch == Epoch::ONE => {
                established.warnings = 0;
                self.stats.application_records_received = self.stats.application_records_received.saturating_add(1);
                Some(payload)
            }
            _ => {
                self.stats.count_discard(Discard::EarlyApplicationData);
                None
            }
        }
    }

    fn on_change_cipher_spec(&mut self, now: Instant, epoch: Epoch, payload: &[u8]) {
        match &mut self.phase {
            Phase::Handshaking(phase) if epoch == Epoch::ZERO && ChangeCipherSpec::decode_all(payload).is_ok() => {
                phase.handshake.on_change_cipher_spec();
                self.advance(now);
            }
            _ => self.stats.count_discard(Discard::UntrustedSignal),
        }
    }

    fn on_handshake_record(&mut self, now: Instant, epoch: Epoch, payload: &[u8]) {
        if payload.is_empty() {
            self.stats.count_discard(Discard::BadFragment);
        }
        for fragment in Fragments::new(payload) {
            match fragment {
                Ok(fragment) => self.on_fragment(now, epoch, &fragment),
                Err(_) => self.stats.count_discard(Discard::BadFragment),
            }
        }
    }

    fn on_fragment(&mut self, now: Instant, epoch: Epoch, fragment: &Fragment<'_>) {
        match &mut self.phase {
            Phase::Handshaking(phase) => match phase.handshake.on_fragment(epoch, fragment) {
                Ok(Fate::Kept) => self.advance(now),
                Ok(Fate::Repeat) => self.stats.retransmits = self.stats.retransmits.saturating_add(1),
                Ok(Fate::Dropped(cause)) => self.stats.count_discard(cause),
                Err(error) => self.fail(error),
            },
            Phase::Established(established) => match established.on_fragment(now, fragment) {
                Reaction::None => self.stats.count_discard(Discard::UnusableMessage),
                Reaction::LastFlight => self.stats.retransmits = self.stats.retransmits.saturating_add(1),
                Reaction::RefuseRenegotiation => self.queue_alert(Alert::warning(AlertDescription::NO_RENEGOTIATION)),
            },
            Phase::Over => self.stats.count_discard(Discard::Closed),
        }
    }

    /// Uses the complete messages, and the keys and held records that they bring to light.
    fn advance(&mut self, now: Instant) {
        loop {
            let Phase::Handshaking(phase) = &mut self.phase else { return };
            let outcome = phase.handshake.advance();
            let exchange = &mut phase.handshake.exchange;
            let (write_key, read_key) = (exchange.write_key.take(), exchange.read_key.take());
            if let Some(key) = write_key {
                self.outbound.install(key.sealer, key.blocks_allowed);
            }
            let held = read_key.map(|key| self.inbound.install(key.opener, key.failures_allowed));
            match outcome {
                Ok(Advance::Nothing) => return,
                Ok(Advance::Used) => {}
                Ok(Advance::Dropped(cause)) => self.stats.count_discard(cause),
                Ok(Advance::Complete(completed)) => return self.establish(now, completed),
                Err(error) => return self.fail(error),
            }
            for mut held in held.unwrap_or_default() {
                let _ = self.on_record(now, held.header, &mut held.body);
            }
        }
    }

    fn establish(&mut self, now: Instant, completed: Completed) {
        let Phase::Handshaking(phase) = core::mem::replace(&mut self.phase, Phase::Over) else { return };
        self.inbound.close_plaintext();
        self.stats.handshake_time = Some(now - phase.began);
        let asked_by = phase.handshake.last_used_seq();
        // Only the server has something left to send: its flight 6 is the last.
        let linger = match completed.info.role {
            Role::Client => None,
            Role::Server => Some(Box::new(Linger {
                flight: phase.handshake.exchange.flight,
                asked_by,
                until: now + Linger::DURATION,
                quiet_until: now + Linger::PAUSE,
                answers_left: Linger::ANSWERS,
            })),
        };
        let Completed { info, master, randoms, hash } = completed;
        self.phase = Phase::Established(Box::new(Established {
            info,
            master,
            randoms,
            hash,
            exporters: phase.exporters,
            linger,
            warnings: 0,
            refused_renegotiation: false,
        }));
        self.events.connected = true;
    }

    fn on_alert(&mut self, epoch: Epoch, payload: &[u8]) {
        let Ok(alert) = Alert::decode_all(payload) else {
            return self.stats.count_discard(Discard::UntrustedSignal);
        };
        if epoch == Epoch::ZERO { self.on_unproven_alert(alert) } else { self.on_proven_alert(alert) }
    }

    /// An alert in the clear. Once the peer has shown that it has keys, it is certainly forged.
    fn on_unproven_alert(&mut self, alert: Alert) {
        let ends = alert.level == AlertLevel::FATAL || alert.description == AlertDescription::CLOSE_NOTIFY;
        match &mut self.phase {
            Phase::Handshaking(phase) if ends && !self.inbound.is_proven() => {
                if let Err(error) = phase.handshake.on_unproven_alert(alert.description) {
                    self.fail(error);
                }
            }
            _ => self.stats.count_discard(Discard::UntrustedSignal),
        }
    }

    fn on_proven_alert(&mut self, alert: Alert) {
        match (&mut self.phase, alert.level, alert.description) {
            (Phase::Established(_), _, AlertDescription::CLOSE_NOTIFY) => {
                // RFC 5246 section 7.2.1: answered in kind.
                self.queue_alert(Alert::warning(AlertDescription::CLOSE_NOTIFY));
                self.end();
                self.events.end = Some(Event::Closed);
            }
            (Phase::Established(established), AlertLevel::WARNING, _) => {
                established.warnings += 1;
                if established.warnings >= Established::WARNINGS_MAX {
                    self.fail(Error::TooManyWarnings);
                }
            }
            (_, AlertLevel::WARNING, description) if description != AlertDescription::CLOSE_NOTIFY => {}
            (_, _, description) => self.fail(Error::AlertReceived(description)),
        }
    }
}

/// The application data of one datagram, lent record by record. Made by [`Connection::receive`].
#[derive(Debug)]
pub struct Received<'c, 'd> {
    connection: &'c mut Connection,
    now: Instant,
    rest: &'d mut [u8],
}

impl<'d> Iterator for Received<'_, 'd> {
    type Item = &'d mut [u8];

    // The loop is a function of its own, so that the usual last call, on an empty rest, costs a comparison.
    #[inline]
    fn next(&mut self) -> Option<&'d mut [u8]> {
        if self.rest.is_empty() { None } else { self.next_in_rest() }
    }
}

impl<'d> Received<'_, 'd> {
    fn next_in_rest(&mut self) -> Option<&'d mut [u8]> {
        while !self.rest.is_empty() {
            let Ok((header, body, rest)) = split_record_mut(core::mem::take(&mut self.rest)) else {
                self.connection.stats.count_discard(Discard::Truncated);
                return None;
            };
            self.rest = rest;
            if let Some(payload) = self.connection.on_record(self.now, header, body) {
                return Some(payload);
            }
        }
        None
    }
}

impl Drop for Received<'_, '_> {
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}

impl Established {
    /// Warnings in a row, without application data between them, that are borne.
    const WARNINGS_MAX: u8 = 16;

    /// What an authenticated handshake fragment is good for once the handshake is over.
    fn on_fragment(&mut self, now: Instant, fragment: &Fragment<'_>) -> Reaction {
        match (fragment.header.typ, self.info.role) {
            (HandshakeType::FINISHED, _) => {
                let asked = self.linger.as_mut().is_some_and(|linger| linger.is_asked_by(now, fragment));
                if asked { Reaction::LastFlight } else { Reaction::None }
            }
            // Renegotiation is refused, once, and the session goes on (RFC 5746 section 4.5 lets us).
            (HandshakeType::HELLO_REQUEST, Role::Client) | (HandshakeType::CLIENT_HELLO, Role::Server)
                if !self.refused_renegotiation =>
            {
                self.refused_renegotiation = true;
                Reaction::RefuseRenegotiation
            }
            _ => Reaction::None,
        }
    }
}

impl Linger {
    /// Whether the peer's Finished has come again and is to be answered; if so, the flight leaves again.
    fn is_asked_by(&mut self, now: Instant, fragment: &Fragment<'_>) -> bool {
        let is_repetition = fragment.header.message_seq == self.asked_by && fragment.header.fragment_offset == 0;
        if !is_repetition || now >= self.until || now < self.quiet_until || self.answers_left == 0 {
            return false;
        }
        self.answers_left -= 1;
        self.quiet_until = now + Self::PAUSE;
        self.flight.rewind();
        true
    }
}

/// What an established connection does about a handshake fragment.
enum Reaction {
    None,
    LastFlight,
    RefuseRenegotiation,
}

// --- sending ---

impl Connection {
    /// Appends one record with `payload` to `out`: a datagram to send to the peer.
    ///
    /// # Errors
    /// Nothing is appended and nothing changes, except that the connection ends with
    /// [`Error::NumbersExhausted`] when [`SendError::Exhausted`] is returned.
    #[inline]
    pub fn send(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        self.check_can_send(payload.len())?;
        let start = out.len();
        let written = self.outbound.write(Epoch::ONE, ContentType::APPLICATION_DATA, &[payload], out);
        self.sent_application_data(written, out.len() - start)
    }

    /// Seals the `payload_len` bytes that stand in `buffer` behind [`headroom`](Self::headroom) bytes of room, in
    /// place, and returns where in `buffer` the datagram stands. There must be [`tailroom`](Self::tailroom) bytes of
    /// room behind the payload.
    ///
    /// # Errors
    /// As [`send`](Self::send), and [`SendError::BufferTooSmall`].
    #[inline]
    pub fn seal_in_place(&mut self, buffer: &mut [u8], payload_len: usize) -> Result<Range<usize>, SendError> {
        self.check_can_send(payload_len)?;
        let sealed = self.outbound.seal_in_place(ContentType::APPLICATION_DATA, buffer, payload_len);
        let len = sealed.as_ref().map_or(0, Range::len);
        self.sent_application_data(sealed.as_ref().map(|_| ()).map_err(|fault| *fault), len)?;
        Ok(0..len)
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs in front of a payload.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.outbound.headroom()
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs behind a payload.
    #[must_use]
    pub fn tailroom(&self) -> usize {
        self.outbound.overhead(Epoch::ONE).saturating_sub(self.outbound.headroom())
    }

    /// The longest payload that [`send`](Self::send) takes: what fits in one datagram of the present MTU with the
    /// suite in force. 0 until connected.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        match self.phase {
            Phase::Established(_) => self.outbound.room(Epoch::ONE, self.mtu.effective, 0),
            _ => 0,
        }
    }

    fn check_can_send(&self, payload_len: usize) -> Result<(), SendError> {
        match self.phase {
            Phase::Established(_) => {}
            Phase::Handshaking(_) => return Err(SendError::NotConnected),
            Phase::Over => return Err(SendError::Closed),
        }
        let max = self.max_payload();
        if payload_len > max { Err(SendError::TooLong { max }) } else { Ok(()) }
    }

    fn sent_application_data(&mut self, written: Result<(), SealFault>, len: usize) -> Result<(), SendError> {
        match written {
            Ok(()) => {
                self.stats.application_records_sent = self.stats.application_records_sent.saturating_add(1);
                self.count_sent(len);
                Ok(())
            }
            Err(SealFault::Exhausted) => {
                self.fail(Error::NumbersExhausted);
                Err(SendError::Exhausted)
            }
            Err(SealFault::BufferTooSmall) => Err(SendError::BufferTooSmall),
            Err(SealFault::TooLong) => Err(SendError::TooLong { max: self.max_payload() }),
            Err(SealFault::NoKey) => Err(SendError::NotConnected),
            Err(SealFault::Crypto) => Err(SendError::CryptoFailed),
        }
    }

    /// Appends the next datagram of the handshake, or an alert, to `out`: exactly one. Returns whether there was one.
    ///
    /// Call it until it returns `false` after [`connect`](Self::connect), [`accept`](Self::accept),
    /// [`receive`](Self::receive), [`handle_timeout`](Self::handle_timeout) and [`close`](Self::close); the timer for
    /// a repetition starts when the last datagram of a flight has been taken.
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if let Some(alert) = self.alert.take() {
            out.extend_from_slice(&alert);
        } else if let Err(fault) = self.write_flight(now, out) {
            out.truncate(start);
            self.fail(match fault {
                SealFault::Exhausted => Error::NumbersExhausted,
                _ => Error::CryptoFailed,
            });
            return self.poll_transmit_alert(out);
        }
        let written = out.len() - start;
        self.count_sent(written);
        written > 0
    }

    fn poll_transmit_alert(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(alert) = self.alert.take() else { return false };
        out.extend_from_slice(&alert);
        self.count_sent(alert.len());
        true
    }

    /// Fills one datagram with what is next of the flight under way.
    fn write_flight(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), SealFault> {
        let mtu = self.mtu.effective;
        let (flight, outbound) = match &mut self.phase {
            Phase::Handshaking(phase) => (&mut phase.handshake.exchange.flight, &mut self.outbound),
            Phase::Established(established) => match &mut established.linger {
                Some(linger) => (&mut linger.flight, &mut self.outbound),
                None => return Ok(()),
            },
            Phase::Over => return Ok(()),
        };
        let start = out.len();
        while let Some(epoch) = flight.next_epoch() {
            let room = |used| outbound.room(epoch, mtu, used);
            let Some(piece) = flight.next_piece(room(out.len() - start), room(0)) else { break };
            match piece {
                Piece::Fragment { header, body } => {
                    outbound.write(epoch, ContentType::HANDSHAKE, &[&header, body], out)?;
                }
                Piece::ChangeCipherSpec => {
                    outbound.write(epoch, ContentType::CHANGE_CIPHER_SPEC, &[&[ChangeCipherSpec::BYTE]], out)?;
                }
            }
        }
        if let Phase::Handshaking(phase) = &mut self.phase {
            phase.handshake.exchange.on_transmit(now);
        }
        Ok(())
    }

    fn count_sent(&mut self, len: usize) {
        if len > 0 {
            self.stats.datagrams_sent = self.stats.datagrams_sent.saturating_add(1);
            self.stats.bytes_sent = self.stats.bytes_sent.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }

    /// Seals an alert to be taken by [`poll_transmit`](Self::poll_transmit). A later one takes the place of one that
    /// has not left.
    fn queue_alert(&mut self, alert: Alert) {
        let epoch = if self.outbound.is_protected() { Epoch::ONE } else { Epoch::ZERO };
        let mut datagram = Vec::new();
        // Where even an alert cannot be sealed, silence is all that is left.
        if self.outbound.write(epoch, ContentType::ALERT, &[&alert.to_bytes()], &mut datagram).is_ok() {
            self.alert = Some(datagram.into_boxed_slice());
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
                let flight = phase.handshake.exchange.retransmit.deadline();
                Some(flight.map_or(phase.deadline, |flight| flight.min(phase.deadline)))
            }
            Phase::Established(established) => established.linger.as_ref().map(|linger| linger.until),
            Phase::Over => None,
        }
    }

    /// Does what is due at `now`: repeats a flight, gives up a handshake, or lets go of what is no longer needed.
    /// Too early a call does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Handshaking(phase) => {
                if now >= phase.deadline {
                    return self.fail(Error::HandshakeTimeout);
                }
                if phase.handshake.exchange.retransmit.expire(now) {
                    if let Err(error) = phase.handshake.on_timer() {
                        return self.fail(error);
                    }
                    self.mtu.on_loss(phase.handshake.exchange.retransmit.expiries());
                    self.stats.retransmits = self.stats.retransmits.saturating_add(1);
                }
            }
            Phase::Established(established) => {
                if established.linger.as_ref().is_some_and(|linger| now >= linger.until) {
                    established.linger = None;
                }
            }
            Phase::Over => {}
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

/// The largest datagram to send.
#[derive(Debug)]
struct Mtu {
    effective: usize,
}

impl Mtu {
    /// What still passes where the configured size does not: the least IPv6 path, the least IPv4 host, and the least
    /// that this engine sends at all, each less the headers of UDP and IP.
    const STEPS: [usize; 3] = [1232, 548, MTU_MIN];

    fn new(configured: usize) -> Self {
        Self { effective: configured.clamp(MTU_MIN, MTU_MAX) }
    }

    /// RFC 6347 section 4.1.1.1: after repeated loss the datagrams may have been too large. Every second expiry of
    /// the timer takes the next step down.
    fn on_loss(&mut self, expiries: u32) {
        if expiries >= 2 && expiries % 2 == 0 {
            let smaller = Self::STEPS.into_iter().find(|step| *step < self.effective);
            self.effective = smaller.unwrap_or(self.effective);
        }
    }
}

// --- ending ---

impl Connection {
    /// Closes in good order: queues a close_notify (RFC 5246 section 7.2.1) for
    /// [`poll_transmit`](Self::poll_transmit) and drops the keys. What arrives afterwards is dropped. Emits no event.
    pub fn close(&mut self) {
        if !matches!(self.phase, Phase::Over) {
            self.queue_alert(Alert::warning(AlertDescription::CLOSE_NOTIFY));
            self.end();
        }
    }

    /// Ends without a word to the peer.
    pub fn abort(&mut self) {
        self.alert = None;
        self.end();
    }

    /// Whether the connection is closed, failed or aborted. An alert may still wait to be taken.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// The only place where a connection fails: says so to the peer and to the owner.
    fn fail(&mut self, error: Error) {
        if matches!(self.phase, Phase::Over) {
            return;
        }
        if let Some(description) = error.alert() {
            self.queue_alert(Alert::fatal(description));
        }
        self.end();
        self.events.end = Some(Event::Failed(error));
    }

    /// Drops every secret.
    fn end(&mut self) {
        self.phase = Phase::Over;
        self.inbound = Inbound::new();
        self.outbound = Outbound::new(RecordNumber::ZERO);
    }
}

// --- asking ---

impl Connection {
    /// The next thing that happened; `None` when there is nothing new. Ask after [`receive`](Self::receive),
    /// [`send`](Self::send), [`poll_transmit`](Self::poll_transmit) and [`handle_timeout`](Self::handle_timeout).
    pub fn poll_event(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.events.connected) {
            return Some(Event::Connected);
        }
        self.events.end.take()
    }

    /// What was negotiated and with whom; `None` until connected and after the end.
    #[must_use]
    pub fn info(&self) -> Option<&SessionInfo> {
        match &self.phase {
            Phase::Established(established) => Some(&established.info),
            _ => None,
        }
    }

    /// Takes the peer's certificates out of [`info`](Self::info), leaf first. Kept, they are most of what an idle
    /// connection holds.
    pub fn take_peer_certificates(&mut self) -> Vec<CertificateDer<'static>> {
        match &mut self.phase {
            Phase::Established(established) => core::mem::take(&mut established.info.peer_certificates),
            _ => Vec::new(),
        }
    }

    /// What has been counted so far.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Fills `out` with keying material for another protocol (RFC 5705). The same arguments give the same bytes on
    /// both sides. No context and an empty context are different things.
    ///
    /// # Errors
    /// See [`ExportError`].
    pub fn export(&self, label: &[u8], context: Option<&[u8]>, out: &mut [u8]) -> Result<(), ExportError> {
        let Phase::Established(established) = &self.phase else { return Err(ExportError::NotConnected) };
        check_label(label)?;
        if !established.info.extended_master_secret && established.exporters == Exporters::NeedExtendedMasterSecret {
            return Err(ExportError::NoExtendedMasterSecret);
        }
        let len = u16::try_from(context.map_or(0, <[u8]>::len)).map_err(|_| ExportError::ContextTooLong)?;
        let len = len.to_be_bytes();
        let Established { master, randoms, hash, .. } = &**established;
        let seed: [&[u8]; 4] = [&randoms.client.0, &randoms.server.0, &len, context.unwrap_or_default()];
        let seed = if context.is_some() { &seed[..] } else { &seed[..2] };
        prf(*hash, master.as_bytes(), label, seed, out);
        Ok(())
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
                debug.field("warnings", &established.warnings);
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
            .finish_non_exhaustive()
    }
}

/// Why a payload was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The handshake is not complete.
    NotConnected,
    /// The connection is over.
    Closed,
    /// The payload is longer than fits in one datagram.
    TooLong {
        /// The longest that fits.
        max: usize,
    },
    /// The caller's buffer has no room for the record.
    BufferTooSmall,
    /// The record numbers or the key are used up; the connection is over (RFC 6347 section 4.1). Connect anew.
    Exhausted,
    /// The cryptography provider failed.
    CryptoFailed,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the handshake is not complete"),
            Self::Closed => f.write_str("the connection is over"),
            Self::TooLong { max } => write!(f, "the payload is longer than the {max} bytes that fit in a datagram"),
            Self::BufferTooSmall => f.write_str("the buffer has no room for the record"),
            Self::Exhausted => f.write_str("the connection has sealed all it may; connect anew"),
            Self::CryptoFailed => f.write_str("the cryptography provider failed"),
        }
    }
}

impl core::error::Error for SendError {}
