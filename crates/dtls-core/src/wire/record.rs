//! Records and how a datagram is cut into them: RFC 6347 section 4.1.
//!
//! ```text
//!    0             1             3           5                           11            13
//!   +-------------+-------------+-----------+---------------------------+-------------+------ - -
//!   | type        | version     | epoch     | sequence_number           | length      | body
//!   +-------------+-------------+-----------+---------------------------+-------------+------ - -
//! ```
//!
//! A record of type tls12_cid has a connection ID in front of its length (RFC 9146 section 4), as long as its receiver has
//! chosen; nothing in the record says how long that is:
//!
//! ```text
//!    0             1             3           5                           11        11 + n        13 + n
//!   +-------------+-------------+-----------+---------------------------+---------+-------------+------ - -
//!   | tls12_cid   | version     | epoch     | sequence_number           | cid(n)  | length      | body
//!   +-------------+-------------+-----------+---------------------------+---------+-------------+------ - -
//! ```
//!
//! Cutting looks at lengths alone. Whether a type, a version, an epoch or a number is welcome is decided where the
//! state is known; a record that is not welcome must not take the rest of its datagram with it.

use core::fmt;

use super::enums::{ContentType, ProtocolVersion};

/// The header in front of every record (RFC 6347 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader {
    /// What the body is.
    pub content_type: ContentType,
    /// The version the sender speaks; anything until a version is negotiated.
    pub version: ProtocolVersion,
    /// Which keys protect the body.
    pub epoch: Epoch,
    /// The place of the record in its epoch.
    pub number: RecordNumber,
    /// How many bytes the body has, as it stands on the wire: with nonce and tag if it is protected.
    pub length: u16,
}

impl RecordHeader {
    /// The size of the header in bytes.
    pub const LEN: usize = 13;

    /// Where the connection ID stands in a header that has one (RFC 9146 section 4). The length follows it.
    pub const CID_AT: usize = 11;

    /// Epoch and number in one, as they stand in the header: what makes a record unique under a key (RFC 6347 section
    /// 4.1.2.1).
    #[must_use]
    #[inline]
    pub fn sequence(&self) -> [u8; 8] {
        (u64::from(self.epoch.0) << 48 | self.number.0).to_be_bytes()
    }

    /// The header as it stands on the wire.
    #[must_use]
    #[inline]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let [version_0, version_1] = self.version.0.to_be_bytes();
        let [s0, s1, s2, s3, s4, s5, s6, s7] = self.sequence();
        let [length_0, length_1] = self.length.to_be_bytes();
        [self.content_type.0, version_0, version_1, s0, s1, s2, s3, s4, s5, s6, s7, length_0, length_1]
    }

    /// Reads a header. Every 13 bytes are one.
    #[must_use]
    pub const fn decode(bytes: &[u8; Self::LEN]) -> Self {
        let [content_type, version_0, version_1, epoch_0, epoch_1, a, b, c, d, e, f, length_0, length_1] = *bytes;
        Self {
            content_type: ContentType(content_type),
            version: ProtocolVersion(u16::from_be_bytes([version_0, version_1])),
            epoch: Epoch(u16::from_be_bytes([epoch_0, epoch_1])),
            number: RecordNumber(u64::from_be_bytes([0, 0, a, b, c, d, e, f])),
            length: u16::from_be_bytes([length_0, length_1]),
        }
    }
}

impl RecordHeader {
    /// Reads a header from what stands in front of its connection ID and behind it.
    const fn decode_around_cid(start: &[u8; Self::CID_AT], length: &[u8; 2]) -> Self {
        let [typ, v0, v1, e0, e1, a, b, c, d, e, f] = *start;
        let [l0, l1] = *length;
        Self::decode(&[typ, v0, v1, e0, e1, a, b, c, d, e, f, l0, l1])
    }

    /// What stands on the wire in front of the connection ID of a header, and behind it.
    pub(crate) fn around_cid(&self) -> ([u8; Self::CID_AT], [u8; 2]) {
        let [typ, v0, v1, e0, e1, a, b, c, d, e, f, l0, l1] = self.to_bytes();
        ([typ, v0, v1, e0, e1, a, b, c, d, e, f], [l0, l1])
    }
}

/// Counts the changes of keys in one direction (RFC 6347 section 4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u16);

impl Epoch {
    /// Before the first ChangeCipherSpec: nothing is protected.
    pub const ZERO: Self = Self(0);
    /// After the first ChangeCipherSpec. There is no later epoch without renegotiation.
    pub const ONE: Self = Self(1);

    /// The epoch after this one; `None` after the last, because an epoch must never come again.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(epoch) => Some(Self(epoch)),
            None => None,
        }
    }
}

/// The 48-bit number of a record in its epoch, `sequence_number` in RFC 6347 section 4.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordNumber(u64);

impl RecordNumber {
    /// The first number of an epoch.
    pub const ZERO: Self = Self(0);
    /// The last number of an epoch, 2^48 - 1.
    pub const MAX: Self = Self((1 << 48) - 1);

    /// The record number `number`; `None` if it needs more than 48 bits.
    #[must_use]
    pub const fn new(number: u64) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// The number, at most 2^48 - 1.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one; `None` after the last, because a number must never come again under the same keys.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        Self::new(self.0.saturating_add(1))
    }
}

/// One record of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// What stands in front, but for the ID.
    pub header: RecordHeader,
    /// The connection ID in the header, if the record is of type tls12_cid; otherwise without bytes.
    pub cid: &'a [u8],
    /// As many bytes as `header.length` says.
    pub body: &'a [u8],
}

/// The records of a datagram, in order (RFC 6347 section 4.1.1).
///
/// Ends with the first fault: behind it nobody knows where a record would begin. An empty datagram has no records and
/// no fault.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    cid_len: Option<usize>,
}

impl<'a> Records<'a> {
    /// Starts at the first byte of `datagram`, whose receiver has no connection ID, or one of which nothing is known:
    /// records of type tls12_cid are a fault.
    #[must_use]
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram, cid_len: None }
    }

    /// Starts at the first byte of `datagram`, for a receiver whose own connection IDs have `cid_len` bytes. With 0 it
    /// has none, and records of type tls12_cid are a fault (RFC 9146 section 3).
    #[must_use]
    pub const fn with_cid_len(datagram: &'a [u8], cid_len: usize) -> Self {
        Self { rest: datagram, cid_len: if cid_len == 0 { None } else { Some(cid_len) } }
    }

    fn split(&self) -> Result<(Record<'a>, &'a [u8]), RecordFault> {
        if self.rest.first() == Some(&ContentType::TLS12_CID.0) {
            let cid_len = self.cid_len.ok_or(RecordFault::CidOfUnknownLength)?;
            let CidRecord { header, cid, body, rest } = split_cid_record(self.rest, cid_len)?;
            return Ok((Record { header, cid, body }, rest));
        }
        let (header, body, rest) = split_record(self.rest)?;
        Ok((Record { header, cid: &[], body }, rest))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match self.split() {
            Ok((record, rest)) => {
                self.rest = rest;
                Some(Ok(record))
            }
            Err(fault) => {
                self.rest = &[];
                Some(Err(fault))
            }
        }
    }
}

impl core::iter::FusedIterator for Records<'_> {}

/// Splits the first record off a datagram: its header, its body, and what follows.
///
/// Fails if the datagram ends within the record; an empty datagram is a truncated header. On success at least
/// [`RecordHeader::LEN`] bytes have been consumed, so a loop over the rest comes to an end.
pub fn split_record(datagram: &[u8]) -> Result<(RecordHeader, &[u8], &[u8]), RecordFault> {
    let (header, rest) = datagram.split_first_chunk().ok_or(RecordFault::HeaderTruncated)?;
    let header = RecordHeader::decode(header);
    let (body, rest) = rest.split_at_checked(usize::from(header.length)).ok_or(RecordFault::BodyTruncated)?;
    Ok((header, body, rest))
}

/// Like [`split_record`], for a body that is to be opened where it lies.
pub fn split_record_mut(datagram: &mut [u8]) -> Result<(RecordHeader, &mut [u8], &mut [u8]), RecordFault> {
    let (header, rest) = datagram.split_first_chunk_mut().ok_or(RecordFault::HeaderTruncated)?;
    let header = RecordHeader::decode(header);
    let (body, rest) = rest.split_at_mut_checked(usize::from(header.length)).ok_or(RecordFault::BodyTruncated)?;
    Ok((header, body, rest))
}

/// Splits the first record off a datagram that begins with one of type tls12_cid, for a receiver whose own connection
/// IDs have `cid_len` bytes (RFC 9146 section 4).
///
/// Fails like [`split_record`], and always consumes more than [`RecordHeader::CID_AT`] bytes.
pub fn split_cid_record(datagram: &[u8], cid_len: usize) -> Result<CidRecord<'_, &[u8]>, RecordFault> {
    let (start, rest) = datagram.split_first_chunk().ok_or(RecordFault::HeaderTruncated)?;
    let (cid, rest) = rest.split_at_checked(cid_len).ok_or(RecordFault::HeaderTruncated)?;
    let (length, rest) = rest.split_first_chunk().ok_or(RecordFault::HeaderTruncated)?;
    let header = RecordHeader::decode_around_cid(start, length);
    let (body, rest) = rest.split_at_checked(usize::from(header.length)).ok_or(RecordFault::BodyTruncated)?;
    Ok(CidRecord { header, cid, body, rest })
}

/// Like [`split_cid_record`], for a body that is to be opened where it lies.
pub fn split_cid_record_mut(datagram: &mut [u8], cid_len: usize) -> Result<CidRecord<'_, &mut [u8]>, RecordFault> {
    let (start, rest) = datagram.split_first_chunk_mut().ok_or(RecordFault::HeaderTruncated)?;
    let (cid, rest) = rest.split_at_mut_checked(cid_len).ok_or(RecordFault::HeaderTruncated)?;
    let (length, rest) = rest.split_first_chunk_mut().ok_or(RecordFault::HeaderTruncated)?;
    let header = RecordHeader::decode_around_cid(start, length);
    let (body, rest) = rest.split_at_mut_checked(usize::from(header.length)).ok_or(RecordFault::BodyTruncated)?;
    Ok(CidRecord { header, cid, body, rest })
}

/// A record with a connection ID, split off its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidRecord<'a, B> {
    /// What stands in front, but for the ID.
    pub header: RecordHeader,
    /// The receiver's connection ID, if the record is for it.
    pub cid: &'a [u8],
    /// As many bytes as `header.length` says.
    pub body: B,
    /// What follows the record in its datagram.
    pub rest: B,
}

/// Why a datagram, or what is left of it, does not begin with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordFault {
    /// Fewer bytes than a header has.
    HeaderTruncated,
    /// The header promises more bytes than the datagram has; a record may not go on in the next one.
    BodyTruncated,
    /// A record has a connection ID, and nobody knows how long it is.
    CidOfUnknownLength,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderTruncated => "the datagram ends within a record header",
            Self::BodyTruncated => "the datagram ends within a record body",
            Self::CidOfUnknownLength => "a record has a connection ID of unknown length",
        })
    }
}

impl core::error::Error for RecordFault {}

/// The longest content of a record, in bytes, before protection (RFC 5246 section 6.2.1).
#[expect(clippy::as_conversions, reason = "nothing is lost, and `usize::from` is no constant")]
pub const MAX_PLAINTEXT: usize = MAX_PLAINTEXT_U16 as usize;

/// [`MAX_PLAINTEXT`] in the width of the limits that are negotiated, which are never larger.
pub(crate) const MAX_PLAINTEXT_U16: u16 = 1 << 14;

/// The longest body of a protected record, in bytes: RFC 5246 section 6.2.3 allows 2,048 bytes on top of the content.
pub const MAX_CIPHERTEXT: usize = MAX_PLAINTEXT + 2048;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const HEADER: RecordHeader = RecordHeader {
        content_type: ContentType::HANDSHAKE,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ONE,
        number: RecordNumber(0x0102_0304_0506),
        length: 3,
    };

    fn record(body: &[u8]) -> Vec<u8> {
        let header = RecordHeader { length: u16::try_from(body.len()).unwrap(), ..HEADER };
        [&header.to_bytes(), body].concat()
    }

    #[test]
    fn a_header_has_the_layout_of_rfc_6347() {
        let bytes = [22, 0xfe, 0xfd, 0, 1, 1, 2, 3, 4, 5, 6, 0, 3];
        assert_eq!(HEADER.to_bytes(), bytes);
        assert_eq!(RecordHeader::decode(&bytes), HEADER);
    }

    #[test]
    fn epochs_and_numbers_never_wrap() {
        assert_eq!(Epoch::ZERO.next(), Some(Epoch::ONE));
        assert_eq!(Epoch(u16::MAX).next(), None);
        assert_eq!(RecordNumber::ZERO.next(), RecordNumber::new(1));
        assert_eq!(RecordNumber::MAX.get(), 0xffff_ffff_ffff);
        assert_eq!(RecordNumber::MAX.next(), None);
        assert_eq!(RecordNumber::new(1 << 48), None);
        assert_eq!(RecordNumber::new(u64::MAX), None);
    }

    #[test]
    fn a_record_cut_anywhere_is_a_fault() {
        let bytes = record(&[1, 2, 3]);
        for len in 0..bytes.len() {
            let fault = if len < RecordHeader::LEN { RecordFault::HeaderTruncated } else { RecordFault::BodyTruncated };
            assert_eq!(split_record(&bytes[..len]), Err(fault), "cut to {len} bytes");
            assert_eq!(split_record_mut(&mut bytes[..len].to_vec()), Err(fault), "cut to {len} bytes");
        }
        assert_eq!(split_record(&bytes), Ok((HEADER, &[1, 2, 3][..], &[][..])));
    }

    #[test]
    fn a_body_can_be_changed_in_place() {
        let mut bytes = [record(&[1, 2, 3]), vec![9]].concat();
        let (header, body, rest) = split_record_mut(&mut bytes).unwrap();
        assert_eq!((header, &*body, &*rest), (HEADER, &[1, 2, 3][..], &[9][..]));
        body[2] = 7;
        assert_eq!(bytes, [record(&[1, 2, 7]), vec![9]].concat());
    }

    #[test]
    fn a_record_with_a_connection_id_has_the_layout_of_rfc_9146() {
        let bytes = [25, 0xfe, 0xfd, 0, 1, 1, 2, 3, 4, 5, 6, 0xaa, 0xbb, 0, 3, 7, 8, 9, 99];
        let header = RecordHeader { content_type: ContentType::TLS12_CID, ..HEADER };
        let (cid, body, rest) = (&[0xaa, 0xbb][..], &[7, 8, 9][..], &[99][..]);
        assert_eq!(split_cid_record(&bytes, 2), Ok(CidRecord { header, cid, body, rest }));
        let mut copy = bytes;
        let split = split_cid_record_mut(&mut copy, 2).unwrap();
        assert_eq!((split.header, split.cid, &*split.body, &*split.rest), (header, cid, body, rest));
        split.body[2] = 1;
        assert_eq!(copy[17], 1);
        for len in 0..18 {
            let fault = if len < 15 { RecordFault::HeaderTruncated } else { RecordFault::BodyTruncated };
            assert_eq!(split_cid_record(&bytes[..len], 2), Err(fault), "cut to {len} bytes");
            assert_eq!(split_cid_record_mut(&mut bytes[..len].to_vec(), 2), Err(fault), "cut to {len} bytes");
        }
        let long = [&bytes[..11], &[5; 255], &[0, 1, 7]].concat();
        let CidRecord { header, cid, body, rest } = split_cid_record(&long, 255).unwrap();
        assert_eq!((header.length, cid, body, rest), (1, &[5; 255][..], &[7][..], &[][..]));
    }

    #[test]
    fn records_before_a_broken_one_are_used() {
        let whole = [record(&[1]), record(&[]), record(&[2, 3])].concat();
        let bodies = |datagram: &[u8]| -> Vec<Result<Vec<u8>, RecordFault>> {
            Records::new(datagram).map(|record| record.map(|record| record.body.to_vec())).collect()
        };
        assert_eq!(bodies(&whole), [Ok(vec![1]), Ok(vec![]), Ok(vec![2, 3])]);
        assert_eq!(
            bodies(&whole[..whole.len() - 1]),
            [Ok(vec![1]), Ok(vec![]), Err(RecordFault::BodyTruncated)],
            "the last record is cut"
        );
        assert_eq!(
            bodies(&[&whole[..], &[0; 12]].concat()),
            [Ok(vec![1]), Ok(vec![]), Ok(vec![2, 3]), Err(RecordFault::HeaderTruncated)],
            "junk behind the last record"
        );
        assert_eq!(bodies(&[]), []);
    }

    #[test]
    fn records_with_and_without_an_id_share_a_datagram_where_its_length_is_known() {
        let with_cid = |cid: &[u8], body: &[u8]| {
            let mut bytes = record(body);
            bytes[0] = ContentType::TLS12_CID.0;
            bytes.splice(RecordHeader::CID_AT..RecordHeader::CID_AT, cid.iter().copied());
            bytes
        };
        let datagram = [record(&[1]), with_cid(&[7; 3], &[2, 2]), record(&[]), with_cid(&[8; 3], &[3])].concat();
        let mut records = Records::with_cid_len(&datagram, 3).map(Result::unwrap);
        let mut next = || records.next().map(|record| (record.header.content_type, record.cid, record.body));
        let (plain, cid) = (ContentType::HANDSHAKE, ContentType::TLS12_CID);
        assert_eq!(next(), Some((plain, &[][..], &[1][..])));
        assert_eq!(next(), Some((cid, &[7; 3][..], &[2, 2][..])));
        assert_eq!(next(), Some((plain, &[][..], &[][..])));
        assert_eq!(next(), Some((cid, &[8; 3][..], &[3][..])));
        assert_eq!(next(), None);
        for mut unknown in [Records::new(&datagram), Records::with_cid_len(&datagram, 0)] {
            assert_eq!(unknown.next().unwrap().unwrap().body, [1]);
            assert_eq!(unknown.next(), Some(Err(RecordFault::CidOfUnknownLength)));
            assert_eq!(unknown.next(), None);
        }
    }

    #[test]
    fn nothing_is_read_behind_a_fault() {
        let mut records = Records::new(&[0; 5]);
        assert_eq!(records.next(), Some(Err(RecordFault::HeaderTruncated)));
        assert_eq!(records.next(), None);
    }

    #[test]
    fn a_datagram_full_of_empty_records_is_read_to_its_end() {
        let datagram = record(&[]).repeat(65_507 / RecordHeader::LEN);
        assert_eq!(Records::new(&datagram).filter(Result::is_ok).count(), 5_039);
    }

    proptest! {
        #[test]
        fn any_13_bytes_are_a_header_that_encodes_to_itself(bytes: [u8; 13]) {
            prop_assert_eq!(RecordHeader::decode(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn records_that_were_joined_come_apart_again(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..8),
        ) {
            let datagram: Vec<u8> = bodies.iter().flat_map(|body| record(body)).collect();
            let split: Vec<Vec<u8>> = Records::new(&datagram).map(|record| record.unwrap().body.to_vec()).collect();
            prop_assert_eq!(split, bodies);
        }
    }
}
