//! What a datagram does to a connection: RFC 6347 sections 4.1.2 and 4.2.

use alloc::boxed::Box;

use super::established::{Established, Linger, Reaction};
use super::paths::Paths;
use super::{Connection, Handshaking, Once, Phase};
use crate::config::PskMismatch;
use crate::discard::Discard;
use crate::error::Error;
use crate::event::Event;
use crate::handshake::{Advance, Completed, Fate};
use crate::record::{HeldRecord, Identified, Opened, ReadLimits, Wrapping};
use crate::time::Instant;
use crate::wire::codec::Decode as _;
use crate::wire::enums::{AlertDescription, AlertLevel, ContentType};
use crate::wire::fragment::{Fragment, Fragments};
use crate::wire::record::{CidRecord, Epoch, RecordHeader, split_cid_record_mut, split_record_mut};
use crate::wire::small::{Alert, ChangeCipherSpec};

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
        self.is_newest = false;
        if let Phase::Handshaking(phase) = &mut self.phase {
            phase.handshake.begin_datagram();
        }
        Received { connection: self, now, rest: datagram }
    }

    #[inline]
    fn on_record<'d>(&mut self, now: Instant, header: RecordHeader, body: &'d mut [u8]) -> Option<&'d mut [u8]> {
        if self.is_over() {
            self.stats.count_discard(Discard::Closed);
            return None;
        }
        match self.inbound.open(header, body) {
            Ok(opened) => self.on_opened(now, opened),
            Err(cause) => {
                self.on_dropped(now, header, cause);
                None
            }
        }
    }

    #[inline(never)]
    fn on_cid_record<'d>(
        &mut self,
        now: Instant,
        header: RecordHeader,
        cid: &[u8],
        body: &'d mut [u8],
    ) -> Option<&'d mut [u8]> {
        match self.inbound.open_with_cid(header, cid, body) {
            Ok(Identified { opened, is_newest }) => {
                self.is_newest |= is_newest;
                self.on_opened_out_of_line(now, opened)
            }
            Err(cause) => {
                self.on_dropped(now, header, cause);
                None
            }
        }
    }

    /// A record that was held for its key came before the present datagram, and so tells nothing of where the peer is now.
    fn on_held_record(&mut self, now: Instant, mut record: HeldRecord) {
        if self.is_over() {
            return self.stats.count_discard(Discard::Closed);
        }
        match self.inbound.open_held(record.header, &mut record.body) {
            Ok(opened) => drop(self.on_opened_out_of_line(now, opened)),
            Err(cause) => self.on_dropped(now, record.header, cause),
        }
    }

    /// So that there is one other place than this where it is called, where it is worth its room.
    #[inline(never)]
    fn on_opened_out_of_line<'d>(&mut self, now: Instant, opened: Opened<'d>) -> Option<&'d mut [u8]> {
        self.on_opened(now, opened)
    }

    #[inline(never)]
    fn on_dropped(&mut self, now: Instant, header: RecordHeader, cause: Discard) {
        self.stats.count_discard(cause);
        if cause == Discard::NotAuthentic {
            self.on_undecryptable(now, header);
        }
    }

    /// A record was not authentic: forged, or under a pre-shared key that differs from ours.
    fn on_undecryptable(&mut self, now: Instant, header: RecordHeader) {
        if self.inbound.is_worn_out() {
            return self.fail(Error::TooManyForgedRecords);
        }
        let Phase::Handshaking(phase) = &mut self.phase else { return };
        let may_be_handshake = matches!(header.content_type, ContentType::HANDSHAKE | ContentType::TLS12_CID);
        let mismatch = phase.handshake.on_undecryptable().filter(|_| may_be_handshake);
        match mismatch {
            Some(PskMismatch::Wait) => {
                phase.deadline = phase.deadline.min(now + Handshaking::MISMATCH_PATIENCE);
                self.events.keys_differ.notice();
            }
            Some(PskMismatch::Fail) => self.fail(Error::PskMismatch),
            None => {}
        }
    }

    #[inline]
    fn on_opened<'d>(&mut self, now: Instant, opened: Opened<'d>) -> Option<&'d mut [u8]> {
        let Opened { epoch, content_type, payload } = opened;
        match content_type {
            ContentType::APPLICATION_DATA => return self.on_application_data(epoch, payload),
            ContentType::HANDSHAKE => self.on_handshake_record(now, epoch, payload),
            ContentType::CHANGE_CIPHER_SPEC => self.on_change_cipher_spec(now, epoch, payload),
            ContentType::ALERT => self.on_alert(now, epoch, payload),
            ContentType::RETURN_ROUTABILITY_CHECK => self.on_path_message(epoch, payload),
            _ => self.stats.count_discard(Discard::UnexpectedContentType),
        }
        None
    }

    fn on_application_data<'d>(&mut self, epoch: Epoch, payload: &'d mut [u8]) -> Option<&'d mut [u8]> {
        match &mut self.phase {
            Phase::Established(_) if epoch == Epoch::ONE => {
                self.warnings = 0;
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
                Ok(Fate::Repeat) => {
                    self.mtu.on_repetition_by_peer(phase.handshake.exchange.retransmit.expiries());
                    self.stats.retransmits = self.stats.retransmits.saturating_add(1);
                }
                Ok(Fate::Dropped(cause)) => self.stats.count_discard(cause),
                Err(error) => self.fail(error),
            },
            Phase::Established(established) => match established.on_fragment(now, fragment) {
                Reaction::None => self.stats.count_discard(Discard::UnusableMessage),
                Reaction::LastFlight => self.stats.retransmits = self.stats.retransmits.saturating_add(1),
                Reaction::RefuseRenegotiation => self.queue_alert(Alert::warning(AlertDescription::NO_RENEGOTIATION)),
            },
            Phase::Closed(_) | Phase::Over => self.stats.count_discard(Discard::Closed),
        }
    }

    /// Uses the complete messages, and the keys and held records that they bring to light.
    pub(super) fn advance(&mut self, now: Instant) {
        loop {
            let Phase::Handshaking(phase) = &mut self.phase else { return };
            let outcome = phase.handshake.advance();
            if !self.follow(now, outcome) {
                return;
            }
        }
    }

    /// Follows the handshake a step. Returns whether it may go on.
    pub(super) fn follow(&mut self, now: Instant, outcome: Result<Advance, Error>) -> bool {
        let Phase::Handshaking(phase) = &mut self.phase else { return false };
        let exchange = &mut phase.handshake.exchange;
        let (write_key, read_key) = (exchange.write_key.take(), exchange.read_key.take());
        let records = exchange.records;
        self.outbound.limit_plaintext(records.in_the_clear);
        if let Some(key) = write_key {
            let cid = exchange.connection_ids.as_ref().map(|ids| &ids.remote).filter(|cid| !cid.is_empty());
            let wrapping = cid.map(|cid| Box::new(Wrapping { cid: cid.clone(), padding: exchange.padding.clone() }));
            self.outbound.install(key.sealer, key.blocks_allowed, records.sent, wrapping);
        }
        let held = read_key.map(|key| {
            let limits = ReadLimits { content: records.received, inner: records.received_inner };
            let cid = exchange.connection_ids.as_ref().map(|ids| ids.local.clone());
            self.inbound.install(key.opener, key.failures_allowed, limits, cid)
        });
        match outcome {
            Ok(Advance::Nothing) => return false,
            Ok(Advance::Used) => {}
            Ok(Advance::Asks) => {
                self.events.asked = true;
                return false;
            }
            Ok(Advance::Dropped(cause)) => self.stats.count_discard(cause),
            Ok(Advance::Complete(completed)) => {
                self.establish(now, completed);
                return false;
            }
            Err(error) => {
                self.fail(error);
                return false;
            }
        }
        for record in held.unwrap_or_default() {
            self.on_held_record(now, record);
        }
        true
    }

    fn establish(&mut self, now: Instant, completed: Completed) {
        let Phase::Handshaking(mut phase) = core::mem::replace(&mut self.phase, Phase::Over) else { return };
        self.inbound.close_plaintext();
        self.stats.handshake_time = Some(now - phase.began);
        let asked_by = phase.handshake.last_used_seq();
        let Completed { config, mut info, secrets, sends_last, resumption } = completed;
        info.connection_ids = phase.handshake.exchange.connection_ids.take();
        let paths = phase.handshake.exchange.path_checks.take().map(|provider| Box::new(Paths::new(provider)));
        info.path_checks = paths.is_some();
        let linger = sends_last.then(|| {
            Box::new(Linger {
                flight: phase.handshake.exchange.flight,
                asked_by,
                until: now + Linger::DURATION,
                quiet_until: now + Linger::PAUSE,
                answers_left: Linger::ANSWERS,
            })
        });
        let established =
            Established { config, info, secrets, linger, refused_renegotiation: false, resumption, paths };
        self.phase = Phase::Established(Box::new(established));
        self.events.connected = true;
        // What did not decrypt was forged.
        self.events.keys_differ = Once::Told;
    }

    fn on_alert(&mut self, now: Instant, epoch: Epoch, payload: &[u8]) {
        let Ok(alert) = Alert::decode_all(payload) else {
            return self.stats.count_discard(Discard::UntrustedSignal);
        };
        if epoch == Epoch::ZERO { self.on_unproven_alert(now, alert) } else { self.on_proven_alert(alert) }
    }

    /// An alert in the clear. Once the peer has shown that it has keys, it is certainly forged.
    fn on_unproven_alert(&mut self, now: Instant, alert: Alert) {
        let ends = alert.level == AlertLevel::FATAL || alert.description == AlertDescription::CLOSE_NOTIFY;
        match &mut self.phase {
            Phase::Handshaking(phase) if ends && !self.inbound.is_proven() => {
                if let Err(error) = phase.handshake.on_unproven_alert(now, alert.description) {
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
                self.end_in_good_order();
                self.events.end = Some(Event::Closed);
            }
            (Phase::Established(_), AlertLevel::WARNING, _) => {
                self.warnings += 1;
                if self.warnings >= Self::WARNINGS_MAX {
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
            let rest = core::mem::take(&mut self.rest);
            if rest.first() == Some(&ContentType::TLS12_CID.0) {
                match self.next_with_cid(rest) {
                    None => continue,
                    payload => return payload,
                }
            }
            let Ok((header, body, rest)) = split_record_mut(rest) else {
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

    /// Takes a record with a connection ID, as long as ours is.
    #[inline(never)]
    fn next_with_cid(&mut self, datagram: &'d mut [u8]) -> Option<&'d mut [u8]> {
        let Some(cid_len) = self.connection.inbound.cid_len() else {
            let is_over = self.connection.is_over();
            let cause = if is_over { Discard::Closed } else { Discard::WrongConnectionId };
            self.connection.stats.count_discard(cause);
            return None;
        };
        let Ok(CidRecord { header, cid, body, rest }) = split_cid_record_mut(datagram, cid_len) else {
            self.connection.stats.count_discard(Discard::Truncated);
            return None;
        };
        self.rest = rest;
        self.connection.on_cid_record(self.now, header, cid, body)
    }
}

impl Drop for Received<'_, '_> {
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}
