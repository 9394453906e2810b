//! What leaves a connection: application data, flights and alerts, each in one datagram of at most the MTU.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::{Connection, Phase};
use crate::config::{MTU_MAX, MTU_MIN};
use crate::error::Error;
use crate::handshake::flight::{Flight, Piece};
use crate::record::{Outbound, SealFault};
use crate::time::Instant;
use crate::wire::enums::ContentType;
use crate::wire::record::Epoch;
use crate::wire::small::{Alert, ChangeCipherSpec};

impl Connection {
    /// Appends one record with `payload` to `out`: a datagram to send to the peer.
    ///
    /// # Errors
    /// Nothing is appended. With [`SendError::Exhausted`] the connection ends with [`Error::NumbersExhausted`];
    /// [`SendError::CryptoFailed`] costs a record number; the others change nothing.
    #[inline]
    pub fn send(&mut self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), SendError> {
        let room = self.check_can_send(payload.len())?;
        let start = out.len();
        let written = self.outbound.write(Epoch::ONE, ContentType::APPLICATION_DATA, &[payload], room, out);
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
        let room = self.check_can_send(payload_len)?;
        let sealed = self.outbound.seal_in_place(ContentType::APPLICATION_DATA, buffer, payload_len, room);
        let len = sealed.as_ref().map_or(0, Range::len);
        self.sent_application_data(sealed.as_ref().map(|_| ()).map_err(|fault| *fault), len)?;
        Ok(0..len)
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs in front of a payload.
    #[must_use]
    pub fn headroom(&self) -> usize {
        self.outbound.headroom()
    }

    /// Bytes of room that [`seal_in_place`](Self::seal_in_place) needs behind a payload, with the most padding that it may
    /// get.
    #[must_use]
    pub fn tailroom(&self) -> usize {
        self.outbound.tailroom(self.max_payload())
    }

    /// The longest payload that [`send`](Self::send) takes: what fits in one datagram of the present MTU with the
    /// suite in force. 0 until connected. Where large datagrams of the handshake were lost again and again, by what the
    /// peer asked for once more, the present MTU is smaller than the configured one; [`set_mtu`](Self::set_mtu) sets it
    /// anew.
    #[must_use]
    pub fn max_payload(&self) -> usize {
        match self.phase {
            Phase::Established(_) => self.outbound.room(Epoch::ONE, self.mtu.of_application_data(&self.outbound), 0),
            _ => 0,
        }
    }

    /// The longest payload that a record carries, however large the MTU is: 2^14 bytes, or what the peer takes (RFC 8449,
    /// RFC 6066 section 4). 0 until connected. Where [`max_payload`](Self::max_payload) is as long, a larger MTU changes
    /// nothing.
    #[must_use]
    pub fn max_record_payload(&self) -> usize {
        match self.phase {
            Phase::Established(_) => self.outbound.room(Epoch::ONE, usize::MAX, 0),
            _ => 0,
        }
    }

    /// Returns the longest payload that could be sent.
    #[inline]
    fn check_can_send(&self, payload_len: usize) -> Result<usize, SendError> {
        match self.phase {
            Phase::Established(_) => {}
            Phase::Handshaking(_) => return Err(SendError::NotConnected),
            Phase::Closed(_) | Phase::Over => return Err(SendError::Closed),
        }
        let max = self.max_payload();
        if payload_len > max { Err(SendError::TooLong { max }) } else { Ok(max) }
    }

    pub(super) fn sent_application_data(
        &mut self,
        written: Result<(), SealFault>,
        len: usize,
    ) -> Result<(), SendError> {
        if written.is_ok() {
            self.stats.application_records_sent = self.stats.application_records_sent.saturating_add(1);
            self.count_sent(len);
            return Ok(());
        }
        self.check_sealed(written)
    }

    /// Says to the owner why a record was not written, and ends the connection where no other will be.
    pub(super) fn check_sealed(&mut self, written: Result<(), SealFault>) -> Result<(), SendError> {
        match written {
            Ok(()) => Ok(()),
            Err(SealFault::Exhausted) => {
                self.fail(Error::NumbersExhausted);
                Err(SendError::Exhausted)
            }
            Err(SealFault::BufferTooSmall) => Err(SendError::BufferTooSmall),
            Err(SealFault::TooLong) => Err(SendError::TooLong { max: self.max_payload() }),
            Err(SealFault::NoSuchLength) => Err(SendError::NoSuchLength),
            Err(SealFault::NotWrapped) => Err(SendError::NotNegotiated),
            Err(SealFault::NoKey) => Err(SendError::NotConnected),
            Err(SealFault::Crypto) => Err(SendError::CryptoFailed),
        }
    }

    /// Appends the next datagram of the handshake, an alert, or the answer to a check of the path, to `out`: exactly one. Returns whether there was one.
    ///
    /// Call it until it returns `false` after every call that takes `&mut self` and after [`connect`](Self::connect)
    /// and [`accept`](Self::accept); the timer for a repetition starts when the last datagram of a flight has been
    /// taken.
    #[must_use = "whether there is a datagram to send"]
    pub fn poll_transmit(&mut self, now: Instant, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if let Some(alert) = self.alert.take() {
            out.extend_from_slice(&alert.datagram);
        } else if self.poll_path_reply(out) {
            return true;
        } else if let Err(fault) = self.write_flight(now, out) {
            out.truncate(start);
            self.fail(match fault {
                SealFault::Exhausted => Error::NumbersExhausted,
                _ => Error::CryptoFailed,
            });
            return self.poll_transmit_alert(out);
        }
        let written = out.len() - start;
        self.mtu.on_transmit(written);
        self.count_sent(written);
        written > 0
    }

    fn poll_transmit_alert(&mut self, out: &mut Vec<u8>) -> bool {
        let Some(alert) = self.alert.take() else { return false };
        out.extend_from_slice(&alert.datagram);
        self.count_sent(alert.datagram.len());
        true
    }

    /// Fills one datagram with what is next of the flight under way.
    fn write_flight(&mut self, now: Instant, out: &mut Vec<u8>) -> Result<(), SealFault> {
        let mtu = self.mtu.of_flights(&self.outbound);
        match &mut self.phase {
            Phase::Handshaking(phase) => {
                let exchange = &mut phase.handshake.exchange;
                if !exchange.retransmit.is_sending() {
                    return Ok(());
                }
                write_pieces(&mut exchange.flight, &mut self.outbound, mtu, out)?;
                exchange.on_transmit(now);
                Ok(())
            }
            Phase::Established(established) => match &mut established.linger {
                Some(linger) => write_pieces(&mut linger.flight, &mut self.outbound, mtu, out),
                None => Ok(()),
            },
            Phase::Closed(_) | Phase::Over => Ok(()),
        }
    }

    pub(super) fn count_sent(&mut self, len: usize) {
        if len > 0 {
            self.stats.datagrams_sent = self.stats.datagrams_sent.saturating_add(1);
            self.stats.bytes_sent = self.stats.bytes_sent.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        }
    }

    /// Seals an alert to be taken by [`poll_transmit`](Self::poll_transmit). A later one takes the place of one that
    /// has not left.
    pub(super) fn queue_alert(&mut self, alert: Alert) {
        let epoch = if self.outbound.is_protected() { Epoch::ONE } else { Epoch::ZERO };
        // What an earlier alert took along must leave all the same.
        let mut datagram = self.alert.take().map_or_else(Vec::new, QueuedAlert::into_flight);
        // The last flight goes first if it has not left: without it the peer has no use for the alert. The two together
        // are shorter than the smallest MTU, if padding leaves room for both.
        let mtu = self.mtu.of_flights(&self.outbound);
        let bytes = alert.to_bytes();
        let beside_alert = mtu.saturating_sub(self.outbound.overhead(epoch) + bytes.len());
        if let Phase::Established(established) = &mut self.phase {
            if let Some(linger) = &mut established.linger {
                let _ = write_pieces(&mut linger.flight, &mut self.outbound, beside_alert, &mut datagram);
            }
        }
        // Where even an alert cannot be sealed, silence is all that is left.
        let flight_len = datagram.len();
        let room = self.outbound.room(epoch, mtu, flight_len);
        if self.outbound.write(epoch, ContentType::ALERT, &[&bytes], room, &mut datagram).is_ok() {
            self.alert = Some(QueuedAlert { datagram: datagram.into_boxed_slice(), flight_len });
        }
    }
}

/// An alert that has been sealed and not yet taken, behind what was left of the last flight.
#[derive(Debug)]
pub(super) struct QueuedAlert {
    datagram: Box<[u8]>,
    flight_len: usize,
}

impl QueuedAlert {
    pub(super) fn held(&self) -> usize {
        self.datagram.len()
    }

    fn into_flight(self) -> Vec<u8> {
        let mut flight = self.datagram.into_vec();
        flight.truncate(self.flight_len);
        flight
    }
}

/// Appends what fits of a flight in one datagram of `mtu` bytes.
fn write_pieces(flight: &mut Flight, outbound: &mut Outbound, mtu: usize, out: &mut Vec<u8>) -> Result<(), SealFault> {
    let start = out.len();
    while let Some(epoch) = flight.next_epoch() {
        let room = outbound.room(epoch, mtu, out.len() - start);
        let Some(piece) = flight.next_piece(room, outbound.room(epoch, mtu, 0)) else { break };
        match piece {
            Piece::Fragment { header, body } => {
                outbound.write(epoch, ContentType::HANDSHAKE, &[&header, body], room, out)?;
            }
            Piece::ChangeCipherSpec => {
                outbound.write(epoch, ContentType::CHANGE_CIPHER_SPEC, &[&[ChangeCipherSpec::BYTE]], room, out)?;
            }
        }
    }
    Ok(())
}

/// The largest datagram to send.
///
/// RFC 6347 section 4.1.1.1 has flights cut smaller where they are not answered. But silence has two causes: datagrams that
/// were too large, and a peer that has them all and takes its time, for its owner to decide say. Who has not got our
/// flight repeats its own (section 4.2.4), and who has got it does not. So the flights of this handshake stay small
/// either way, and application data only if the peer has repeated itself after our timer expired: nothing answers
/// application data, so what is too large for the path would be lost for good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mtu {
    pub(super) configured: u16,
    /// That of flights.
    pub(super) effective: u16,
    /// The largest datagram of the flight since it was begun or repeated: only what is larger than the next step can
    /// have been lost for its size.
    largest_sent: u16,
    /// Whether the peer has shown that it lacks a flight of ours that was repeated.
    pub(super) peer_lacked_flight: bool,
}

impl Mtu {
    /// What still passes where more does not: the least IPv6 path and the least IPv4 host, each less the headers of IP
    /// and UDP, and the least that this engine sends at all.
    const STEPS: [u16; 3] = [1232, 548, 256];

    pub(super) fn new(configured: usize) -> Self {
        let configured = u16::try_from(configured.clamp(MTU_MIN, MTU_MAX)).unwrap_or(u16::MAX);
        Self { configured, effective: configured, largest_sent: 0, peer_lacked_flight: false }
    }

    /// What [`Mtu::configured`] and the other two were when the connection was saved.
    pub(super) fn restored(configured: u16, effective: u16, peer_lacked_flight: bool) -> Self {
        let [configured, effective] = [configured, effective].map(|mtu| Self::new(mtu.into()).configured);
        Self { configured, effective, largest_sent: 0, peer_lacked_flight }
    }

    fn of_flights(&self, outbound: &Outbound) -> usize {
        usize::from(self.effective).max(outbound.least_mtu())
    }

    #[inline]
    fn of_application_data(&self, outbound: &Outbound) -> usize {
        let mtu = if self.peer_lacked_flight { self.effective } else { self.configured };
        usize::from(mtu).max(outbound.least_mtu())
    }

    fn on_transmit(&mut self, len: usize) {
        self.largest_sent = self.largest_sent.max(u16::try_from(len).unwrap_or(u16::MAX));
    }

    /// A datagram of `len` bytes has arrived.
    pub(super) fn on_probe_answered(&mut self, len: u16) {
        self.effective = self.effective.max(len);
        self.configured = self.configured.max(len);
    }

    /// RFC 6347 section 4.1.1.1: after repeated loss the datagrams may have been too large. Every second expiry of
    /// the timer takes the next step down that would have made a difference.
    pub(super) fn on_loss(&mut self, expiries: u32) {
        if expiries >= 2 && expiries % 2 == 0 {
            let smaller = Self::STEPS.into_iter().find(|step| *step < self.largest_sent);
            self.effective = smaller.unwrap_or(self.effective).min(self.effective);
        }
        self.largest_sent = 0;
    }

    /// The peer has repeated the flight that ours answers. Before the timer has expired, that may have crossed ours.
    pub(super) fn on_repetition_by_peer(&mut self, expiries: u32) {
        self.peer_lacked_flight |= expiries > 0;
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
    /// The peer has not agreed to what this takes: checks of paths, or connection IDs.
    NotNegotiated,
    /// There is no record that makes a datagram of this length.
    NoSuchLength,
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
            Self::NotNegotiated => f.write_str("the peer has not agreed to what this takes"),
            Self::NoSuchLength => f.write_str("no record makes a datagram of this length"),
            Self::CryptoFailed => f.write_str("the cryptography provider failed"),
        }
    }
}

impl core::error::Error for SendError {}
