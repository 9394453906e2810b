//! What every state of a handshake works with: the transcript, the flight that is being sent, and the keys it makes.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

use super::Resumption;
use super::flight::Flight;
use super::negotiate::RecordLimits;
use super::retransmit::{Expect, Retransmit};
use super::transcript::Transcript;
use crate::config::Padding;
use crate::crypto::CryptoProvider;
use crate::crypto::aead::{RecordOpener, RecordSealer};
use crate::crypto::hash::Digest;
use crate::error::Error;
use crate::event::ConnectionIds;
use crate::time::Instant;
use crate::wire::codec::Encode;
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::HandshakeType;
use crate::wire::fragment::{FragmentHeader, MessageSeq};
use crate::wire::record::Epoch;

/// The parts of a handshake that outlive its states.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) transcript: Transcript,
    pub(crate) flight: Flight,
    pub(crate) retransmit: Retransmit,
    pub(crate) records: RecordLimits,
    /// The connection ID that we want to receive; `None` if there is nothing to negotiate.
    pub(crate) own_cid: Option<ConnectionId>,
    /// The connection IDs of both directions, once both hellos have agreed on them.
    pub(crate) connection_ids: Option<Box<ConnectionIds>>,
    /// What makes cookies for checks of paths, once both hellos have agreed on such checks.
    pub(crate) path_checks: Option<Arc<CryptoProvider>>,
    /// How records with the peer's connection ID are padded.
    pub(crate) padding: Padding,
    /// The session of a server's cache that is being resumed.
    pub(crate) resuming: Option<Box<Resumption>>,
    /// The key that epoch 1 is written with, on its way to the record layer.
    pub(crate) write_key: Option<WriteKey>,
    /// The key that epoch 1 is read with, on its way to the record layer.
    pub(crate) read_key: Option<ReadKey>,
    /// The number of the next message we send; `None` when there is none left.
    next_seq: Option<MessageSeq>,
    flights_begun: u16,
    /// The epoch of the next message we send.
    epoch: Epoch,
}

impl Exchange {
    /// The first message we send will have the number `first_seq`.
    pub(crate) fn new(first_seq: MessageSeq, first_timeout: Duration, longest_timeout: Duration) -> Self {
        Self {
            transcript: Transcript::new(),
            flight: Flight::default(),
            retransmit: Retransmit::new(first_timeout, longest_timeout),
            records: RecordLimits::NONE,
            own_cid: None,
            connection_ids: None,
            path_checks: None,
            padding: Padding::None,
            resuming: None,
            write_key: None,
            read_key: None,
            next_seq: Some(first_seq),
            flights_begun: 0,
            epoch: Epoch::ZERO,
        }
    }

    /// Our first message will have another number: a server takes that of the hello it answers.
    pub(crate) fn restart_numbering_at(&mut self, first_seq: MessageSeq) {
        self.next_seq = Some(first_seq);
    }

    /// The number of the next message we send.
    pub(crate) fn next_seq(&self) -> Result<MessageSeq, Error> {
        self.next_seq.ok_or(Error::NumbersExhausted)
    }

    /// Of all that has been sent, only this message counts: the transcript begins with it, and the next message has
    /// the number behind it.
    pub(crate) fn restart_after(&mut self, typ: HandshakeType, seq: MessageSeq, body: &dyn Encode) {
        self.next_seq = seq.next();
        let body = body.to_vec();
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        self.transcript.restart();
        self.transcript.add(&FragmentHeader::whole(typ, seq, length).to_bytes());
        self.transcript.add(&body);
    }

    /// Begins a flight; the one before is not needed any more, since the peer has answered all of it. Nothing leaves
    /// until [`Exchange::send`].
    pub(crate) fn begin_flight(&mut self) {
        self.flight = Flight::default();
        self.retransmit.pause();
        self.flights_begun = self.flights_begun.wrapping_add(1);
    }

    /// How many flights have been begun so far.
    pub(crate) const fn flights_begun(&self) -> u16 {
        self.flights_begun
    }

    /// Adds a message to the flight and to the transcript.
    pub(crate) fn message(&mut self, typ: HandshakeType, body: &dyn Encode) -> Result<(), Error> {
        let seq = self.next_seq()?;
        self.next_seq = seq.next();
        let (header, body) = self.flight.push_message(self.epoch, typ, seq, body);
        self.transcript.add(&header);
        self.transcript.add(body);
        Ok(())
    }

    /// Adds a ChangeCipherSpec to the flight: what follows is in epoch 1.
    pub(crate) fn change_cipher_spec(&mut self) {
        self.flight.push_change_cipher_spec();
        self.epoch = Epoch::ONE;
    }

    /// The flight is complete and may leave.
    pub(crate) fn send(&mut self, expect: Expect) {
        self.retransmit.begin(expect);
    }

    /// A datagram of the flight has left; with the last one the wait for the answer begins.
    pub(crate) fn on_transmit(&mut self, now: Instant) {
        if self.flight.is_sent() {
            self.retransmit.sent(now);
        }
    }

    /// The transcript hash at this point.
    pub(crate) fn digest(&self) -> Result<Digest, Error> {
        self.transcript.digest().ok_or(Error::CryptoFailed)
    }
}

/// The key that we write epoch 1 with.
#[derive(Debug)]
pub(crate) struct WriteKey {
    pub(crate) sealer: RecordSealer,
    pub(crate) blocks_allowed: u64,
}

/// The key that the peer writes epoch 1 with.
#[derive(Debug)]
pub(crate) struct ReadKey {
    pub(crate) opener: RecordOpener,
    pub(crate) failures_allowed: u64,
}
