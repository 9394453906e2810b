//! Records that leave: numbered, sealed in the caller's buffer, and stopped before a number or a key is used too
//! often (RFC 6347 section 4.1, RFC 5288, RFC 7905).

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::crypto::aead::RecordSealer;
use crate::wire::enums::{ContentType, ProtocolVersion};
use crate::wire::record::{Epoch, MAX_PLAINTEXT, MAX_PLAINTEXT_U16, RecordHeader, RecordNumber};

/// The writing side of a connection: epoch 0 in the clear, which goes on counting for retransmissions, and epoch 1.
#[derive(Debug)]
pub(crate) struct Outbound {
    plaintext: Counter,
    /// The longest payload of a record in the clear.
    longest_plaintext: u16,
    protected: Option<WriteEpoch>,
}

impl Outbound {
    /// Begins epoch 0 at `first`: a server mirrors the number of the ClientHello (RFC 6347 section 4.2.1).
    pub(crate) const fn new(first: RecordNumber) -> Self {
        Self { plaintext: Counter(first.get()), longest_plaintext: MAX_PLAINTEXT_U16, protected: None }
    }

    /// Takes the key of epoch 1, which may seal `blocks_allowed` blocks of 16 bytes.
    pub(crate) fn install(&mut self, sealer: RecordSealer, blocks_allowed: u64, longest: u16) {
        self.protected = Some(WriteEpoch { sealer, counter: Counter(0), blocks_allowed, longest });
    }

    /// The peer takes no more than this in a record in the clear (RFC 6066 section 4).
    pub(crate) const fn limit_plaintext(&mut self, longest: u16) {
        self.longest_plaintext = longest;
    }

    /// The epoch that alerts belong to once epoch 1 is in use.
    pub(crate) fn is_protected(&self) -> bool {
        self.protected.is_some()
    }

    /// How many bytes a record of this epoch takes beyond its payload.
    pub(crate) fn overhead(&self, epoch: Epoch) -> usize {
        self.overhead_and_longest(epoch).0
    }

    fn overhead_and_longest(&self, epoch: Epoch) -> (usize, usize) {
        let (protection, longest) = match &self.protected {
            Some(write_epoch) if epoch == Epoch::ONE => (write_epoch.sealer.overhead(), write_epoch.longest),
            _ => (0, self.longest_plaintext),
        };
        (RecordHeader::LEN + protection, usize::from(longest))
    }

    /// How many payload bytes a record of this epoch can carry in a datagram of `mtu` bytes, `used` of which are taken.
    pub(crate) fn room(&self, epoch: Epoch, mtu: usize, used: usize) -> usize {
        let (overhead, longest) = self.overhead_and_longest(epoch);
        mtu.saturating_sub(overhead).saturating_sub(used).min(longest)
    }

    /// How many bytes stand before the payload in a record of epoch 1: header and explicit nonce.
    pub(crate) fn headroom(&self) -> usize {
        RecordHeader::LEN + self.protected.as_ref().map_or(0, |epoch| epoch.sealer.explicit_nonce_len())
    }

    /// Appends one record whose payload is the concatenation of `payload`. On an error nothing is appended; a number is
    /// spent only if it is the provider that fails.
    #[inline]
    pub(crate) fn write(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        payload: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let len: usize = payload.iter().map(|part| part.len()).sum();
        if len > MAX_PLAINTEXT {
            return Err(SealFault::TooLong);
        }
        if epoch == Epoch::ZERO {
            return self.write_plaintext(content_type, payload, len, out);
        }
        let write_epoch = self.protected.as_mut().ok_or(SealFault::NoKey)?;
        let start = out.len();
        let explicit_nonce = write_epoch.sealer.explicit_nonce_len();
        let tag = write_epoch.sealer.overhead() - explicit_nonce;
        out.reserve(RecordHeader::LEN + explicit_nonce + len + tag);
        out.extend_from_slice(&[0; RecordHeader::LEN]);
        out.extend_from_slice(ROOM.get(..explicit_nonce).ok_or(SealFault::Crypto)?);
        for part in payload {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(ROOM.get(..tag).ok_or(SealFault::Crypto)?);
        let record = out.get_mut(start..).ok_or(SealFault::Crypto)?;
        let sealed = write_epoch.seal(content_type, record);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    /// Seals a payload that already stands in `record` at [`Outbound::headroom`], with room for the tag behind it:
    /// `record` becomes one whole record of epoch 1.
    pub(crate) fn seal_in_place(
        &mut self,
        content_type: ContentType,
        buffer: &mut [u8],
        payload_len: usize,
    ) -> Result<Range<usize>, SealFault> {
        if payload_len > MAX_PLAINTEXT {
            return Err(SealFault::TooLong);
        }
        let write_epoch = self.protected.as_mut().ok_or(SealFault::NoKey)?;
        let record_len = RecordHeader::LEN + write_epoch.sealer.overhead() + payload_len;
        let record = buffer.get_mut(..record_len).ok_or(SealFault::BufferTooSmall)?;
        write_epoch.seal(content_type, record)?;
        Ok(0..record_len)
    }

    fn write_plaintext(
        &mut self,
        content_type: ContentType,
        payload: &[&[u8]],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let number = self.plaintext.next()?;
        let header = RecordHeader {
            content_type,
            version: ProtocolVersion::DTLS_1_2,
            epoch: Epoch::ZERO,
            number,
            length: u16::try_from(len).map_err(|_| SealFault::TooLong)?,
        };
        out.extend_from_slice(&header.to_bytes());
        for part in payload {
            out.extend_from_slice(part);
        }
        Ok(())
    }

    /// Moves the next number of epoch 1, for tests of what happens at the end of the numbers.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: RecordNumber) {
        if let Some(write_epoch) = &mut self.protected {
            write_epoch.counter = Counter(number.get());
        }
    }
}

/// The number of the next record of an epoch.
#[derive(Debug)]
struct Counter(u64);

impl Counter {
    /// Spends a number. RFC 6347 section 4.1 forbids letting them wrap, so they end.
    #[inline]
    fn next(&mut self) -> Result<RecordNumber, SealFault> {
        let number = RecordNumber::new(self.0).ok_or(SealFault::Exhausted)?;
        self.0 += 1;
        Ok(number)
    }
}

/// The key of epoch 1 and how much of it is used up.
struct WriteEpoch {
    sealer: RecordSealer,
    counter: Counter,
    blocks_allowed: u64,
    /// The longest payload that the peer takes.
    longest: u16,
}

impl WriteEpoch {
    /// Seals `record`, which has room for header, explicit nonce and tag around its payload.
    #[inline]
    fn seal(&mut self, content_type: ContentType, record: &mut [u8]) -> Result<(), SealFault> {
        let (header_room, body) = record.split_at_mut_checked(RecordHeader::LEN).ok_or(SealFault::BufferTooSmall)?;
        // One block more than the payload fills: the AEAD spends one on the tag.
        let blocks = u64::try_from(body.len() / 16).map_err(|_| SealFault::TooLong)? + 1;
        let blocks_left = self.blocks_allowed.checked_sub(blocks).ok_or(SealFault::Exhausted)?;
        let length = u16::try_from(body.len()).map_err(|_| SealFault::TooLong)?;
        // The number is spent before the key is used, so that no error path can use it twice.
        let number = self.counter.next()?;
        self.blocks_allowed = blocks_left;
        let (version, epoch) = (ProtocolVersion::DTLS_1_2, Epoch::ONE);
        let header = RecordHeader { content_type, version, epoch, number, length };
        header_room.copy_from_slice(&header.to_bytes());
        self.sealer.seal(&header, body).map_err(|_| SealFault::Crypto)
    }
}

impl fmt::Debug for WriteEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteEpoch").field("counter", &self.counter).finish_non_exhaustive()
    }
}

/// Why a record could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SealFault {
    /// There is no key for this epoch yet.
    NoKey,
    /// The payload is longer than a record may carry.
    TooLong,
    /// The caller's buffer has no room for the record.
    BufferTooSmall,
    /// The record numbers, or what may be sealed under one key, are used up.
    Exhausted,
    /// The provider failed.
    Crypto,
}

/// Zeros to append where a nonce or a tag will be written.
const ROOM: [u8; 32] = [0; 32];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing;
    use alloc::vec;

    fn outbound(blocks_allowed: u64) -> Outbound {
        let provider = testing::providers().swap_remove(0);
        let suite = provider.cipher_suites[0];
        let sealer = RecordSealer::new(&suite, &[7; 16], &[9; 4]).unwrap();
        let mut outbound = Outbound::new(RecordNumber::ZERO);
        outbound.install(sealer, blocks_allowed, MAX_PLAINTEXT_U16);
        outbound
    }

    fn seal(outbound: &mut Outbound, payload: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut out = vec![0xee];
        let sealed = outbound.write(Epoch::ONE, ContentType::APPLICATION_DATA, &[payload], &mut out);
        assert_eq!(out[0], 0xee);
        if sealed.is_err() {
            assert_eq!(out.len(), 1, "nothing is appended on an error");
        }
        sealed.map(|()| out.split_off(1))
    }

    #[test]
    fn the_last_record_number_is_used_once_and_does_not_wrap() {
        let mut outbound = outbound(u64::MAX);
        outbound.skip_to(RecordNumber::new(RecordNumber::MAX.get() - 1).unwrap());
        assert!(seal(&mut outbound, b"a").is_ok());
        let last = seal(&mut outbound, b"b").unwrap();
        assert_eq!(last[3..11], [0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(seal(&mut outbound, b"c"), Err(SealFault::Exhausted));
        assert_eq!(seal(&mut outbound, b"c"), Err(SealFault::Exhausted));
    }

    #[test]
    fn a_key_seals_no_more_blocks_than_it_may() {
        // 32 bytes of payload, 8 of explicit nonce, 16 of tag, and the block of the tag's mask.
        let mut outbound = outbound(2 * 4 + 3);
        assert!(seal(&mut outbound, &[0; 32]).is_ok());
        assert!(seal(&mut outbound, &[0; 32]).is_ok());
        assert_eq!(seal(&mut outbound, &[0; 32]), Err(SealFault::Exhausted));
        assert!(seal(&mut outbound, &[0; 8]).is_ok());
    }

    #[test]
    fn both_ways_of_sealing_give_the_same_record() {
        let (mut copying, mut in_place) = (outbound(u64::MAX), outbound(u64::MAX));
        let copied = seal(&mut copying, b"payload").unwrap();
        let mut buffer = vec![0; in_place.headroom()];
        buffer.extend_from_slice(b"payload");
        buffer.resize(buffer.len() + 16, 0);
        let range = in_place.seal_in_place(ContentType::APPLICATION_DATA, &mut buffer, 7).unwrap();
        assert_eq!(buffer[range], copied);
    }

    #[test]
    fn a_buffer_too_small_or_a_payload_too_long_uses_no_number() {
        let mut outbound = outbound(u64::MAX);
        for len in 0..outbound.overhead(Epoch::ONE) + 7 {
            let sealed = outbound.seal_in_place(ContentType::APPLICATION_DATA, &mut vec![0; len], 7);
            assert_eq!(sealed, Err(SealFault::BufferTooSmall));
        }
        assert_eq!(seal(&mut outbound, &[0; MAX_PLAINTEXT + 1]), Err(SealFault::TooLong));
        let first = seal(&mut outbound, &[0; MAX_PLAINTEXT]).unwrap();
        assert_eq!(first[5..11], [0; 6]);
    }
}
