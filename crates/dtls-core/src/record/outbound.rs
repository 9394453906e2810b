//! Records that leave: numbered, sealed in the caller's buffer, and stopped before a number or a key is used too
//! often (RFC 6347 section 4.1, RFC 5288, RFC 7905).
//!
//! Where the peer has given us a connection ID, every record of epoch 1 carries it, and hides its content type (RFC 9146
//! section 4):
//!
//! ```text
//!   | header with ID | nonce room | content | content type(1) | zeros | tag room |
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use super::padding::Padding;
use crate::crypto::aead::RecordSealer;
use crate::wire::connection_id::ConnectionId;
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
    pub(crate) fn install(
        &mut self,
        sealer: RecordSealer,
        blocks_allowed: u64,
        longest: u16,
        wrapping: Option<Box<Wrapping>>,
    ) {
        self.protected = Some(WriteEpoch { sealer, counter: Counter(0), blocks_allowed, longest, wrapping });
    }

    /// Goes on from where another writer stopped.
    pub(crate) fn restored(sealer: RecordSealer, progress: WriteProgress, wrapping: Option<Box<Wrapping>>) -> Self {
        let WriteProgress { next_plaintext, longest_plaintext, next, blocks_allowed, longest } = progress;
        let protected = WriteEpoch { sealer, counter: Counter(next), blocks_allowed, longest, wrapping };
        Self { plaintext: Counter(next_plaintext), longest_plaintext, protected: Some(protected) }
    }

    /// What has been sent in either epoch so far, once there is a key.
    pub(crate) fn progress(&self) -> Option<WriteProgress> {
        self.protected.as_ref().map(|write_epoch| WriteProgress {
            next_plaintext: self.plaintext.0,
            longest_plaintext: self.longest_plaintext,
            next: write_epoch.counter.0,
            blocks_allowed: write_epoch.blocks_allowed,
            longest: write_epoch.longest,
        })
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
            Some(write_epoch) if epoch == Epoch::ONE => write_epoch.overhead_and_longest(),
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
        RecordHeader::LEN
            + self.cid_len()
            + self.protected.as_ref().map_or(0, |epoch| epoch.sealer.explicit_nonce_len())
    }

    /// How many bytes may stand behind the payload in a record of epoch 1 that has room for `room` bytes of it.
    pub(crate) fn tailroom(&self, room: usize) -> usize {
        let wrapping = self.wrapping();
        let zeros = wrapping.map_or(0, |wrapping| wrapping.padding.most_zeros(room));
        self.overhead(Epoch::ONE).saturating_sub(self.headroom()) + zeros
    }

    fn wrapping(&self) -> Option<&Wrapping> {
        self.protected.as_ref()?.wrapping.as_deref()
    }

    fn cid_len(&self) -> usize {
        self.wrapping().map_or(0, |wrapping| wrapping.cid.len())
    }

    /// The smallest datagram in which the last messages of a handshake and an alert have room beside the peer's
    /// connection ID, in both of their records.
    pub(crate) fn least_mtu(&self) -> usize {
        /// A ChangeCipherSpec, a Finished and an alert, with the longest protection there is, without IDs: 116 bytes.
        const LAST_FLIGHT_AND_ALERT: usize = 128;
        LAST_FLIGHT_AND_ALERT + 2 * self.cid_len()
    }

    /// Appends one record whose payload is the concatenation of `payload`, with padding if there is some, to at most
    /// `room` bytes together. On an error nothing is appended; a number is spent only if it is the provider that fails.
    #[inline]
    pub(crate) fn write(
        &mut self,
        epoch: Epoch,
        content_type: ContentType,
        payload: &[&[u8]],
        room: usize,
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
        if write_epoch.wrapping.is_some() {
            return write_epoch.write_wrapped(content_type, payload, len, room, out);
        }
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

    /// Seals a payload that already stands in `buffer` at [`Outbound::headroom`], with [`Outbound::tailroom`] behind it:
    /// the range returned becomes one whole record of epoch 1. Payload and padding have at most `room` bytes together.
    #[inline]
    pub(crate) fn seal_in_place(
        &mut self,
        content_type: ContentType,
        buffer: &mut [u8],
        payload_len: usize,
        room: usize,
    ) -> Result<Range<usize>, SealFault> {
        if payload_len > MAX_PLAINTEXT {
            return Err(SealFault::TooLong);
        }
        let write_epoch = self.protected.as_mut().ok_or(SealFault::NoKey)?;
        if write_epoch.wrapping.is_some() {
            return write_epoch.wrap_in_place(content_type, buffer, payload_len, room);
        }
        let record_len = RecordHeader::LEN + write_epoch.sealer.overhead() + payload_len;
        let record = buffer.get_mut(..record_len).ok_or(SealFault::BufferTooSmall)?;
        write_epoch.seal(content_type, record)?;
        Ok(0..record_len)
    }

    /// Appends one record of epoch 1 that has exactly `record_len` bytes, by as many zeros as that takes.
    pub(crate) fn write_to_len(
        &mut self,
        content_type: ContentType,
        payload: &[u8],
        record_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let (overhead, longest) = self.overhead_and_longest(Epoch::ONE);
        let write_epoch = self.protected.as_mut().ok_or(SealFault::NoKey)?;
        if write_epoch.wrapping.is_none() {
            return Err(SealFault::NotWrapped);
        }
        let padded_len = record_len.checked_sub(overhead).filter(|len| *len <= longest);
        let zeros = padded_len.and_then(|len| len.checked_sub(payload.len())).ok_or(SealFault::NoSuchLength)?;
        let layout = write_epoch.layout(payload.len(), zeros)?;
        write_epoch.write_by(&layout, content_type, &[payload], out)
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

    /// Has records of epoch 1 carry another connection ID, or none, for tests of what the peer does about it.
    #[cfg(test)]
    pub(crate) fn pretend_cid(&mut self, cid: Option<ConnectionId>) {
        if let Some(write_epoch) = &mut self.protected {
            write_epoch.wrapping = cid.map(|cid| Box::new(Wrapping { cid, padding: Padding::None }));
        }
    }

    /// Moves the next number of epoch 1, for tests of what happens at the end of the numbers.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, number: RecordNumber) {
        if let Some(write_epoch) = &mut self.protected {
            write_epoch.counter = Counter(number.get());
        }
    }
}

/// What has been sent, and may be, without the key. Numbers beyond the last one there is leave nothing to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WriteProgress {
    pub(crate) next_plaintext: u64,
    pub(crate) longest_plaintext: u16,
    pub(crate) next: u64,
    pub(crate) blocks_allowed: u64,
    pub(crate) longest: u16,
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
    /// The longest payload that the peer takes, its content type included where that is inside.
    longest: u16,
    /// What the peer wants its records wrapped in.
    wrapping: Option<Box<Wrapping>>,
}

/// The peer's connection ID, and what else its records get (RFC 9146 section 4).
#[derive(Debug)]
pub(crate) struct Wrapping {
    /// Has at least one byte.
    pub(crate) cid: ConnectionId,
    pub(crate) padding: Padding,
}

impl WriteEpoch {
    /// How many bytes a record takes beyond its payload and the 13 bytes of its header, and how long the payload may be.
    fn overhead_and_longest(&self) -> (usize, u16) {
        let overhead = self.sealer.overhead();
        match &self.wrapping {
            None => (overhead, self.longest),
            // RFC 8449 section 4: all that is encrypted counts, so the content type does too.
            Some(wrapping) => (wrapping.cid.len() + overhead + 1, self.longest.saturating_sub(1)),
        }
    }

    /// Seals `record`, which has room for header, explicit nonce and tag around its payload.
    #[inline]
    fn seal(&mut self, content_type: ContentType, record: &mut [u8]) -> Result<(), SealFault> {
        let (header_room, body) = record.split_at_mut_checked(RecordHeader::LEN).ok_or(SealFault::BufferTooSmall)?;
        let header = self.next_header(content_type, body.len())?;
        header_room.copy_from_slice(&header.to_bytes());
        self.sealer.seal(&header, body).map_err(|_| SealFault::Crypto)
    }

    /// Spends a number and what the key may seal for a record with a body of `body_len` bytes.
    #[inline]
    fn next_header(&mut self, content_type: ContentType, body_len: usize) -> Result<RecordHeader, SealFault> {
        // One block more than the payload fills: the AEAD spends one on the tag.
        let blocks = u64::try_from(body_len / 16).map_err(|_| SealFault::TooLong)? + 1;
        let blocks_left = self.blocks_allowed.checked_sub(blocks).ok_or(SealFault::Exhausted)?;
        let length = u16::try_from(body_len).map_err(|_| SealFault::TooLong)?;
        // The number is spent before the key is used, so that no error path can use it twice.
        let number = self.counter.next()?;
        self.blocks_allowed = blocks_left;
        let (version, epoch) = (ProtocolVersion::DTLS_1_2, Epoch::ONE);
        Ok(RecordHeader { content_type, version, epoch, number, length })
    }

    #[inline(never)]
    fn write_wrapped(
        &mut self,
        content_type: ContentType,
        payload: &[&[u8]],
        len: usize,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let layout = self.layout(len, self.zeros(content_type, len, room)?)?;
        self.write_by(&layout, content_type, payload, out)
    }

    fn write_by(
        &mut self,
        layout: &Layout,
        content_type: ContentType,
        payload: &[&[u8]],
        out: &mut Vec<u8>,
    ) -> Result<(), SealFault> {
        let start = out.len();
        out.reserve(layout.record_len);
        out.resize(start + layout.content.start, 0);
        for part in payload {
            out.extend_from_slice(part);
        }
        out.resize(start + layout.record_len, 0);
        let sealed = self.wrap(content_type, layout, out.get_mut(start..).ok_or(SealFault::Crypto)?);
        if sealed.is_err() {
            out.truncate(start);
        }
        sealed
    }

    #[inline(never)]
    fn wrap_in_place(
        &mut self,
        content_type: ContentType,
        buffer: &mut [u8],
        payload_len: usize,
        room: usize,
    ) -> Result<Range<usize>, SealFault> {
        let layout = self.layout(payload_len, self.zeros(content_type, payload_len, room)?)?;
        let record = buffer.get_mut(..layout.record_len).ok_or(SealFault::BufferTooSmall)?;
        self.wrap(content_type, &layout, record)?;
        Ok(0..layout.record_len)
    }

    /// As many zeros as the configuration wants where there is room for `room` bytes of content and zeros.
    fn zeros(&self, content_type: ContentType, len: usize, room: usize) -> Result<usize, SealFault> {
        let wrapping = self.wrapping.as_ref().ok_or(SealFault::NoKey)?;
        let room = room.min(MAX_PLAINTEXT - 1).saturating_sub(len);
        Ok(wrapping.padding.zeros(content_type, len, room))
    }

    fn layout(&self, len: usize, zeros: usize) -> Result<Layout, SealFault> {
        let wrapping = self.wrapping.as_ref().ok_or(SealFault::NoKey)?;
        // RFC 9146 section 5: content, type and zeros are 2^14 bytes at most.
        if len + zeros >= MAX_PLAINTEXT {
            return Err(SealFault::TooLong);
        }
        let body_at = RecordHeader::LEN + wrapping.cid.len();
        let content_at = body_at + self.sealer.explicit_nonce_len();
        let tag_at = content_at + len + 1 + zeros;
        Ok(Layout {
            body_at,
            content: content_at..content_at + len,
            tag_at,
            record_len: tag_at + self.sealer.tag_len(),
        })
    }

    /// Puts the header in front of the content in `record`, type and zeros behind it, and seals it.
    fn wrap(&mut self, content_type: ContentType, layout: &Layout, record: &mut [u8]) -> Result<(), SealFault> {
        let behind_content = record.get_mut(layout.content.end..layout.tag_at);
        let (real_type, zeros) = behind_content.and_then(<[u8]>::split_first_mut).ok_or(SealFault::BufferTooSmall)?;
        *real_type = content_type.0;
        zeros.fill(0);
        let (header_room, body) = record.split_at_mut_checked(layout.body_at).ok_or(SealFault::BufferTooSmall)?;
        let header = self.next_header(ContentType::TLS12_CID, body.len())?;
        let wrapping = self.wrapping.as_ref().ok_or(SealFault::NoKey)?;
        let cid = wrapping.cid.as_bytes();
        let (before_cid, length) = header.around_cid();
        let parts = before_cid.iter().chain(cid).chain(&length);
        header_room.iter_mut().zip(parts).for_each(|(to, from)| *to = *from);
        self.sealer.seal_with_cid(&header, cid, body).map_err(|_| SealFault::Crypto)
    }
}

/// Where the parts of a record with a connection ID stand.
struct Layout {
    body_at: usize,
    content: Range<usize>,
    tag_at: usize,
    record_len: usize,
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
    /// No record has this length.
    NoSuchLength,
    /// The record has no connection ID, so nothing can be put behind what it carries.
    NotWrapped,
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
    use crate::wire::record::split_cid_record;
    use alloc::vec;
    use core::num::NonZeroU16;
    use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    const ROOM: usize = 20_000;

    fn outbound(blocks_allowed: u64) -> Outbound {
        let provider = testing::providers().swap_remove(0);
        let suite = provider.cipher_suites[0];
        let sealer = RecordSealer::new(&suite, &[7; 16], &[9; 4]).unwrap();
        let mut outbound = Outbound::new(RecordNumber::ZERO);
        outbound.install(sealer, blocks_allowed, MAX_PLAINTEXT_U16, None);
        outbound
    }

    fn wrapping(cid: &[u8], padding: Padding) -> Outbound {
        let mut outbound = outbound(u64::MAX);
        let cid = ConnectionId::new(cid).unwrap();
        outbound.protected.as_mut().unwrap().wrapping = Some(Box::new(Wrapping { cid, padding }));
        outbound
    }

    fn seal(outbound: &mut Outbound, payload: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut out = vec![0xee];
        let sealed = outbound.write(Epoch::ONE, ContentType::APPLICATION_DATA, &[payload], ROOM, &mut out);
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
        let range = in_place.seal_in_place(ContentType::APPLICATION_DATA, &mut buffer, 7, ROOM).unwrap();
        assert_eq!(buffer[range], copied);
    }

    #[test]
    fn a_buffer_too_small_or_a_payload_too_long_uses_no_number() {
        let mut outbound = outbound(u64::MAX);
        for len in 0..outbound.overhead(Epoch::ONE) + 7 {
            let sealed = outbound.seal_in_place(ContentType::APPLICATION_DATA, &mut vec![0; len], 7, ROOM);
            assert_eq!(sealed, Err(SealFault::BufferTooSmall));
        }
        assert_eq!(seal(&mut outbound, &[0; MAX_PLAINTEXT + 1]), Err(SealFault::TooLong));
        let first = seal(&mut outbound, &[0; MAX_PLAINTEXT]).unwrap();
        assert_eq!(first[5..11], [0; 6]);
    }

    /// Opens a record by ring alone, after the layout of RFC 9146 sections 4 and 5.3, and returns the inner plaintext.
    fn open_by_hand(record: &[u8], cid: &[u8]) -> Vec<u8> {
        assert_eq!(record[..3], [25, 0xfe, 0xfd]);
        let (sequence, rest) = record[3..].split_at(8);
        let (its_cid, rest) = rest.split_at(cid.len());
        assert_eq!(its_cid, cid);
        let (length, rest) = rest.split_at(2);
        assert_eq!(usize::from(u16::from_be_bytes([length[0], length[1]])), rest.len());
        let (explicit, sealed) = rest.split_at(8);
        let inner_len = u16::try_from(sealed.len() - 16).unwrap();
        let aad = [
            &[0xff; 8][..],
            &[25, u8::try_from(cid.len()).unwrap(), 25, 0xfe, 0xfd],
            sequence,
            cid,
            &inner_len.to_be_bytes(),
        ];
        let nonce: Vec<u8> = [&[9; 4], explicit].concat();
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(&nonce).unwrap();
        key.open_in_place(nonce, Aad::from(aad.concat()), &mut sealed).unwrap().to_vec()
    }

    #[test]
    fn a_record_with_a_connection_id_is_what_the_rfc_says() {
        for cid in [&[1][..], &[1, 2, 3, 4, 5, 6, 7, 8], &[7; 255]] {
            let mut outbound = wrapping(cid, Padding::None);
            seal(&mut outbound, b"before").unwrap();
            let record = seal(&mut outbound, b"payload").unwrap();
            assert_eq!(record[3..11], [0, 1, 0, 0, 0, 0, 0, 1], "epoch and number");
            assert_eq!(open_by_hand(&record, cid), b"payload\x17");
        }
    }

    #[test]
    fn zeros_stand_behind_the_content_type() {
        let mut outbound = wrapping(&[5; 4], Padding::ToMultipleOf(NonZeroU16::new(16).unwrap()));
        let record = seal(&mut outbound, b"payload").unwrap();
        assert_eq!(open_by_hand(&record, &[5; 4]), b"payload\x17\0\0\0\0\0\0\0\0");
        // No more of them than there is room for.
        let mut out = vec![];
        outbound.write(Epoch::ONE, ContentType::ALERT, &[&[1, 0]], 5, &mut out).unwrap();
        assert_eq!(open_by_hand(&out, &[5; 4]), [1, 0, 21, 0, 0, 0]);
        let mut out = vec![];
        outbound.write(Epoch::ONE, ContentType::ALERT, &[&[1, 0]], 0, &mut out).unwrap();
        assert_eq!(open_by_hand(&out, &[5; 4]), [1, 0, 21]);
    }

    #[test]
    fn both_ways_of_sealing_give_the_same_record_with_a_connection_id() {
        for padding in [Padding::None, Padding::ToMultipleOf(NonZeroU16::new(32).unwrap())] {
            let (mut copying, mut in_place) = (wrapping(&[5; 4], padding.clone()), wrapping(&[5; 4], padding));
            let copied = seal(&mut copying, b"payload").unwrap();
            let (headroom, tailroom) = (in_place.headroom(), in_place.tailroom(ROOM));
            // What stood in the buffer before must not be sealed as padding.
            let mut buffer = vec![0xdd; headroom + 7 + tailroom];
            buffer[headroom..headroom + 7].copy_from_slice(b"payload");
            let range = in_place.seal_in_place(ContentType::APPLICATION_DATA, &mut buffer, 7, ROOM).unwrap();
            assert_eq!(buffer[range], copied);
            for len in 0..copied.len() {
                let sealed = in_place.seal_in_place(ContentType::APPLICATION_DATA, &mut vec![0; len], 7, ROOM);
                assert_eq!(sealed, Err(SealFault::BufferTooSmall), "{len} bytes");
            }
        }
    }

    #[test]
    fn content_type_and_padding_count_towards_the_longest_record() {
        let mut outbound = wrapping(&[5; 4], Padding::ToMultipleOf(NonZeroU16::MAX));
        assert_eq!(outbound.room(Epoch::ONE, 65_535, 0), MAX_PLAINTEXT - 1);
        assert_eq!(outbound.room(Epoch::ONE, 1000, 100), 900 - 13 - 4 - 8 - 1 - 16);
        assert_eq!(seal(&mut outbound, &[0; MAX_PLAINTEXT]), Err(SealFault::TooLong));
        for len in [0, 1, MAX_PLAINTEXT - 2, MAX_PLAINTEXT - 1] {
            let record = seal(&mut outbound, &vec![1; len]).unwrap();
            let split = split_cid_record(&record, 4).unwrap();
            assert_eq!(
                (usize::from(split.header.length), split.rest.len()),
                (8 + MAX_PLAINTEXT + 16, 0),
                "{len} bytes"
            );
        }
        outbound.protected.as_mut().unwrap().longest = 64;
        assert_eq!(outbound.room(Epoch::ONE, 65_535, 0), 63);
        let mut out = vec![];
        outbound.write(Epoch::ONE, ContentType::APPLICATION_DATA, &[&[1; 9]], 63, &mut out).unwrap();
        assert_eq!(open_by_hand(&out, &[5; 4]).len(), 64);
    }
}
