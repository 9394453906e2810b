//! An outgoing flight: kept whole, cut while it is sent (RFC 6347 sections 4.2.3 and 4.2.4).
//!
//! A message keeps its number and its bytes for as long as its flight lives; only record headers and the places where
//! it is cut differ from one transmission to the next. So a retransmission can use a smaller MTU, and two copies of a
//! flight can never say different things.

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::wire::codec::{Abridged, Decode, DecodeError, Encode, Reader};
use crate::wire::enums::HandshakeType;
use crate::wire::fragment::{FragmentHeader, MessageSeq};
use crate::wire::record::Epoch;

/// The messages of one flight and how much of it has left.
#[derive(Default)]
pub(crate) struct Flight {
    items: Vec<Item>,
    /// The bodies of all messages, one after the other.
    bodies: Vec<u8>,
    /// The item that leaves next, and how much of its body has left.
    item: usize,
    sent: usize,
}

impl Flight {
    /// Adds a message in epoch `epoch` and returns its bytes as the transcript hashes them.
    pub(crate) fn push_message(
        &mut self,
        epoch: Epoch,
        typ: HandshakeType,
        seq: MessageSeq,
        body: &dyn Encode,
    ) -> ([u8; FragmentHeader::LEN], &[u8]) {
        let start = self.bodies.len();
        body.encode(&mut self.bodies);
        let length = u32::try_from(self.bodies.len() - start).unwrap_or(u32::MAX);
        let header = FragmentHeader::whole(typ, seq, length);
        self.items.push(Item { epoch, content: ItemContent::Message { header, body: start..self.bodies.len() } });
        (header.to_bytes(), self.bodies.get(start..).unwrap_or_default())
    }

    /// Adds a ChangeCipherSpec. It belongs to epoch 0; what is added behind it belongs to epoch 1.
    pub(crate) fn push_change_cipher_spec(&mut self) {
        self.items.push(Item { epoch: Epoch::ZERO, content: ItemContent::ChangeCipherSpec });
    }

    /// Begins sending it (again) at its first byte.
    pub(crate) fn rewind(&mut self) {
        self.item = 0;
        self.sent = 0;
    }

    /// Whether all of it has left.
    pub(crate) fn is_sent(&self) -> bool {
        self.item >= self.items.len()
    }

    /// How many bytes of the heap it takes.
    pub(crate) fn held(&self) -> usize {
        self.bodies.capacity() + self.items.capacity() * size_of::<Item>()
    }

    /// The epoch of what leaves next; `None` when everything has left.
    pub(crate) fn next_epoch(&self) -> Option<Epoch> {
        self.items.get(self.item).map(|item| item.epoch)
    }

    /// The next piece, if one fits in `room` payload bytes. `fresh_room` is what an empty datagram would offer; a
    /// message that must be cut is cut in pieces of equal length.
    pub(crate) fn next_piece(&mut self, room: usize, fresh_room: usize) -> Option<Piece<'_>> {
        let item = self.items.get(self.item)?;
        let (header, body) = match &item.content {
            ItemContent::ChangeCipherSpec => {
                if room < 1 {
                    return None;
                }
                self.item += 1;
                return Some(Piece::ChangeCipherSpec);
            }
            ItemContent::Message { header, body } => (header, body),
        };
        let unsent = self.bodies.get(body.start + self.sent..body.end).unwrap_or_default();
        let len = balanced_len(unsent.len(), body_room(room), body_room(fresh_room))?;
        let header = FragmentHeader {
            fragment_offset: u32::try_from(self.sent).ok()?,
            fragment_length: u32::try_from(len).ok()?,
            ..*header
        };
        if len == unsent.len() {
            self.item += 1;
            self.sent = 0;
        } else {
            self.sent += len;
        }
        Some(Piece::Fragment { header: header.to_bytes(), body: unsent.get(..len).unwrap_or_default() })
    }
}

/// All of it, to be kept; it counts as sent when it is read again.
///
/// ```text
///   items(1) { 0 | 1 epoch(1) message_header(12) body } ...            0 is a ChangeCipherSpec
/// ```
impl Encode for Flight {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::try_from(self.items.len()).unwrap_or(u8::MAX));
        for item in &self.items {
            match &item.content {
                ItemContent::ChangeCipherSpec => out.push(0),
                ItemContent::Message { header, body } => {
                    out.extend_from_slice(&[1, u8::from(item.epoch != Epoch::ZERO)]);
                    out.extend_from_slice(&header.to_bytes());
                    out.extend_from_slice(self.bodies.get(body.clone()).unwrap_or_default());
                }
            }
        }
    }
}

impl Decode<'_> for Flight {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut flight = Self::default();
        for _ in 0..reader.u8()? {
            if reader.u8()? == 0 {
                flight.push_change_cipher_spec();
                continue;
            }
            let epoch = if reader.u8()? == 0 { Epoch::ZERO } else { Epoch::ONE };
            let header = FragmentHeader::decode(reader)?;
            let body = reader.take(usize::try_from(header.length).map_err(|_| DecodeError::Truncated)?)?;
            flight.push_message(epoch, header.typ, header.message_seq, &Raw(body));
        }
        flight.item = flight.items.len();
        Ok(flight)
    }
}

/// Bytes as they are.
struct Raw<'a>(&'a [u8]);

impl Encode for Raw<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0);
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("items", &self.items)
            .field("bodies", &Abridged(&self.bodies))
            .field("item", &self.item)
            .field("sent", &self.sent)
            .finish()
    }
}

/// How much body goes into a payload of `room` bytes beside the fragment header; `None` if not even the header fits.
const fn body_room(room: usize) -> Option<usize> {
    room.checked_sub(FragmentHeader::LEN)
}

/// How many of `unsent` bytes go into the next fragment; `None` to wait for a fresh datagram.
fn balanced_len(unsent: usize, room: Option<usize>, fresh_room: Option<usize>) -> Option<usize> {
    let room = room?;
    if unsent <= room {
        return Some(unsent);
    }
    let fresh_room = fresh_room.filter(|&room| room > 0)?;
    if room < SMALLEST_PIECE.min(fresh_room) {
        return None;
    }
    let pieces = 1 + (unsent - room).div_ceil(fresh_room);
    Some(unsent.div_ceil(pieces).min(room))
}

/// A remainder of a datagram smaller than this is left empty rather than filled with a crumb of a message.
const SMALLEST_PIECE: usize = 64;

#[derive(Debug)]
struct Item {
    epoch: Epoch,
    content: ItemContent,
}

#[derive(Debug)]
enum ItemContent {
    Message { header: FragmentHeader, body: Range<usize> },
    ChangeCipherSpec,
}

/// What goes into one record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    Fragment { header: [u8; FragmentHeader::LEN], body: &'a [u8] },
    ChangeCipherSpec,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::reassembly::Reassembly;
    use crate::wire::fragment::Fragments;
    use alloc::vec;
    use proptest::prelude::*;

    struct Bytes(Vec<u8>);

    impl Encode for Bytes {
        fn encode(&self, out: &mut Vec<u8>) {
            out.extend_from_slice(&self.0);
        }
    }

    fn lengths(flight: &mut Flight, first_room: usize, fresh_room: usize) -> Vec<usize> {
        let mut lengths = Vec::new();
        let mut room = first_room;
        while !flight.is_sent() {
            match flight.next_piece(room, fresh_room) {
                Some(Piece::Fragment { body, .. }) => lengths.push(body.len()),
                Some(Piece::ChangeCipherSpec) => lengths.push(0),
                None => {}
            }
            room = fresh_room;
        }
        lengths
    }

    #[test]
    fn a_message_that_does_not_fit_is_cut_in_equal_pieces() {
        let mut flight = Flight::default();
        flight.push_message(Epoch::ZERO, HandshakeType::CERTIFICATE, MessageSeq(0), &Bytes(vec![7; 1300]));
        assert_eq!(lengths(&mut flight, 1012, 1012), [650, 650]);
        flight.rewind();
        assert_eq!(lengths(&mut flight, 512, 512), [434, 433, 433]);
        flight.rewind();
        assert_eq!(lengths(&mut flight, 40, 1012), [650, 650]);
    }

    #[test]
    fn a_room_without_progress_yields_nothing() {
        let mut flight = Flight::default();
        flight.push_message(Epoch::ZERO, HandshakeType::CERTIFICATE, MessageSeq(0), &Bytes(vec![7; 100]));
        assert_eq!(flight.next_piece(12, 12), None);
        assert_eq!(flight.next_piece(0, 0), None);
        assert!(!flight.is_sent());
    }

    proptest! {
        #[test]
        fn what_is_cut_at_any_mtu_can_be_put_together(
            bodies in prop::collection::vec(0_usize..3000, 1..6), first in 0_usize..1500, fresh in 13_usize..1500
        ) {
            let mut flight = Flight::default();
            for (seq, len) in bodies.iter().enumerate() {
                let seq = u16::try_from(seq).unwrap();
                flight.push_message(
                    Epoch::ZERO, HandshakeType::CERTIFICATE, MessageSeq(seq), &Bytes(vec![u8::try_from(seq).unwrap(); *len]));
            }
            for _ in 0..2 {
                let mut reassembly = Reassembly::new(MessageSeq(0));
                let mut got = Vec::new();
                let mut room = first;
                while !flight.is_sent() {
                    if let Some(Piece::Fragment { header, body }) = flight.next_piece(room, fresh) {
                        prop_assert!(header.len() + body.len() <= room);
                        let record = [&header[..], body].concat();
                        for fragment in Fragments::new(&record) {
                            reassembly.place(Epoch::ZERO, &fragment.unwrap()).unwrap();
                        }
                    }
                    while let Some(message) = reassembly.take(reassembly.next_seq()) {
                        got.push(message.body().len());
                        reassembly.advance_past(message.seq).unwrap();
                    }
                    room = fresh;
                }
                prop_assert_eq!(&got, &bodies);
                flight.rewind();
            }
        }
    }
}
