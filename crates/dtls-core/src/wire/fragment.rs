//! Handshake fragments and how a record is cut into them: RFC 6347 section 4.2.2.
//!
//! ```text
//!    0          1                4              6                  9                  12
//!   +----------+----------------+--------------+------------------+------------------+------ - -
//!   | msg_type | length         | message_seq  | fragment_offset  | fragment_length  | body
//!   +----------+----------------+--------------+------------------+------------------+------ - -
//! ```
//!
//! One record may hold several fragments, of the same message or of different ones. Every message is sent as at least
//! one fragment, even if it fits whole.

use core::fmt;

use super::codec::{Decode, DecodeError, Reader};
use super::enums::HandshakeType;

/// The header in front of every fragment (RFC 6347 section 4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentHeader {
    /// Which message the fragment belongs to, by kind.
    pub typ: HandshakeType,
    /// How many bytes the whole message has, without any header. On the wire 24 bits.
    pub length: u32,
    /// Which message the fragment belongs to, by number.
    pub message_seq: MessageSeq,
    /// Where in the message the fragment begins, in bytes. On the wire 24 bits.
    pub fragment_offset: u32,
    /// How many bytes of the message the fragment carries. On the wire 24 bits.
    pub fragment_length: u32,
}

impl FragmentHeader {
    /// The size of the header in bytes.
    pub const LEN: usize = 12;

    /// The header of a message of `length` bytes that is sent in one fragment.
    ///
    /// It is also what the transcript hashes in front of the message, however the message was cut
    /// (RFC 6347 section 4.2.6).
    #[must_use]
    pub const fn whole(typ: HandshakeType, message_seq: MessageSeq, length: u32) -> Self {
        Self { typ, length, message_seq, fragment_offset: 0, fragment_length: length }
    }

    /// The header as it stands on the wire, with the low 24 bits of the lengths and of the offset.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        let [_, length_0, length_1, length_2] = self.length.to_be_bytes();
        let [message_seq_0, message_seq_1] = self.message_seq.0.to_be_bytes();
        let [_, offset_0, offset_1, offset_2] = self.fragment_offset.to_be_bytes();
        let [_, fragment_0, fragment_1, fragment_2] = self.fragment_length.to_be_bytes();
        [
            self.typ.0,
            length_0,
            length_1,
            length_2,
            message_seq_0,
            message_seq_1,
            offset_0,
            offset_1,
            offset_2,
            fragment_0,
            fragment_1,
            fragment_2,
        ]
    }
}

impl Decode<'_> for FragmentHeader {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            typ: HandshakeType(reader.u8()?),
            length: reader.u24()?,
            message_seq: MessageSeq(reader.u16()?),
            fragment_offset: reader.u24()?,
            fragment_length: reader.u24()?,
        })
    }
}

/// Counts the handshake messages of one side, from zero (RFC 6347 section 4.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageSeq(pub u16);

impl MessageSeq {
    /// The first message of a side.
    pub const ZERO: Self = Self(0);

    /// The number of the next message; `None` after the last, because numbers do not wrap.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(message_seq) => Some(Self(message_seq)),
            None => None,
        }
    }
}

/// One fragment of a handshake record. It lies within its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// What stands in front.
    pub header: FragmentHeader,
    /// As many bytes as `header.fragment_length` says.
    pub body: &'a [u8],
}

/// The fragments of the payload of a handshake record, in order.
///
/// Ends after a fault that leaves open where the next fragment would begin ([`FragmentFault::HeaderTruncated`],
/// [`FragmentFault::BodyTruncated`]) and goes on after the others. An empty payload has no fragments and no fault.
#[derive(Clone, Debug)]
pub struct Fragments<'a> {
    rest: Reader<'a>,
}

impl<'a> Fragments<'a> {
    /// Starts at the first byte of `payload`.
    #[must_use]
    pub const fn new(payload: &'a [u8]) -> Self {
        Self { rest: Reader::new(payload) }
    }

    /// Takes header and body off the payload, without asking where in the message they belong.
    fn take(&mut self) -> Result<Fragment<'a>, FragmentFault> {
        let header = FragmentHeader::decode(&mut self.rest).map_err(|_| FragmentFault::HeaderTruncated)?;
        let len = usize::try_from(header.fragment_length).map_err(|_| FragmentFault::BodyTruncated)?;
        let body = self.rest.take(len).map_err(|_| FragmentFault::BodyTruncated)?;
        Ok(Fragment { header, body })
    }
}

impl<'a> Iterator for Fragments<'a> {
    type Item = Result<Fragment<'a>, FragmentFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = self.take();
        if taken.is_err() {
            self.rest = Reader::new(&[]);
        }
        Some(taken.and_then(lies_within_its_message))
    }
}

impl core::iter::FusedIterator for Fragments<'_> {}

/// Refuses a fragment that carries nothing of its message, or something that is no part of it.
fn lies_within_its_message(fragment: Fragment<'_>) -> Result<Fragment<'_>, FragmentFault> {
    let FragmentHeader { length, fragment_offset, fragment_length, .. } = fragment.header;
    // Both summands have 24 bits here. The checked sum keeps it true whatever becomes of the decoder.
    match fragment_offset.checked_add(fragment_length) {
        Some(end) if end <= length => {}
        _ => return Err(FragmentFault::OutsideMessage),
    }
    if fragment_length == 0 && length != 0 {
        return Err(FragmentFault::Empty);
    }
    Ok(fragment)
}

/// Why the payload of a handshake record, or a piece of it, is not a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FragmentFault {
    /// Fewer bytes than a header has.
    HeaderTruncated,
    /// The header promises more bytes than the record has; a fragment may not go on in the next one.
    BodyTruncated,
    /// The fragment reaches past the end of its message.
    OutsideMessage,
    /// The fragment carries no byte of a message that has some.
    Empty,
}

impl fmt::Display for FragmentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HeaderTruncated => "the record ends within a fragment header",
            Self::BodyTruncated => "the record ends within a fragment body",
            Self::OutsideMessage => "a fragment reaches past the end of its message",
            Self::Empty => "a fragment carries no byte of a message that has some",
        })
    }
}

impl core::error::Error for FragmentFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const HEADER: FragmentHeader = FragmentHeader {
        typ: HandshakeType::CERTIFICATE,
        length: 0x01_0203,
        message_seq: MessageSeq(0x0405),
        fragment_offset: 0x06,
        fragment_length: 3,
    };

    /// A fragment with this place in its message, however senseless, and a body of its `fragment_length`.
    fn fragment(length: u32, fragment_offset: u32, fragment_length: u32) -> Vec<u8> {
        let header = FragmentHeader { length, fragment_offset, fragment_length, ..HEADER };
        [&header.to_bytes()[..], &vec![7; usize::try_from(fragment_length).unwrap()]].concat()
    }

    /// What is wrong with each fragment, or its length.
    fn read(payload: &[u8]) -> Vec<Result<usize, FragmentFault>> {
        Fragments::new(payload).map(|fragment| fragment.map(|fragment| fragment.body.len())).collect()
    }

    #[test]
    fn a_header_has_the_layout_of_rfc_6347() {
        let bytes = [11, 1, 2, 3, 4, 5, 0, 0, 6, 0, 0, 3];
        assert_eq!(HEADER.to_bytes(), bytes);
        assert_eq!(FragmentHeader::decode_all(&bytes), Ok(HEADER));
        laws::cut_or_prolonged_bytes_are_refused(&bytes, &[], |bytes| FragmentHeader::decode_all(bytes).map(drop));
    }

    #[test]
    fn a_whole_message_is_one_fragment_from_its_start_to_its_end() {
        let header = FragmentHeader::whole(HandshakeType::FINISHED, MessageSeq(7), 12);
        assert_eq!(header.to_bytes(), [20, 0, 0, 12, 0, 7, 0, 0, 0, 0, 0, 12]);
    }

    #[test]
    fn message_numbers_never_wrap() {
        assert_eq!(MessageSeq::ZERO.next(), Some(MessageSeq(1)));
        assert_eq!(MessageSeq(u16::MAX).next(), None);
    }

    #[test]
    fn several_fragments_of_one_record_are_all_read() {
        let payload = [fragment(100, 0, 60), fragment(100, 60, 40), fragment(0, 0, 0), fragment(1, 0, 1)].concat();
        assert_eq!(read(&payload), [Ok(60), Ok(40), Ok(0), Ok(1)]);
        assert_eq!(read(&[]), []);
    }

    #[test]
    fn a_fragment_cut_anywhere_is_a_fault_and_the_one_before_it_is_used() {
        let first = fragment(5, 0, 5);
        let payload = [first.clone(), fragment(3, 0, 3)].concat();
        for len in first.len() + 1..payload.len() {
            let fault = if len < first.len() + FragmentHeader::LEN {
                FragmentFault::HeaderTruncated
            } else {
                FragmentFault::BodyTruncated
            };
            assert_eq!(read(&payload[..len]), [Ok(5), Err(fault)], "cut to {len} bytes");
        }
    }

    #[test]
    fn nothing_is_read_behind_a_fragment_length_past_the_record() {
        for fragment_length in [14, 0xff_fffe, 0xff_ffff] {
            let header = FragmentHeader { length: 0xff_ffff, fragment_offset: 0, fragment_length, ..HEADER };
            let payload = [&header.to_bytes()[..], &[0; 13]].concat();
            assert_eq!(read(&payload), [Err(FragmentFault::BodyTruncated)], "fragment_length {fragment_length:#x}");
        }
    }

    #[test]
    fn a_fragment_outside_its_message_is_refused_and_the_next_one_used() {
        let cases = [
            (100, 100, 1),
            (100, 99, 2),
            (100, 50, 51),
            (100, 101, 0),
            (100, 0xff_ffff, 1),
            (0, 0, 1),
            (0, 1, 0),
            (0, 0xff_ffff, 0),
            (0xff_ffff, 0xff_ffff, 1),
        ];
        for (length, offset, fragment_length) in cases {
            let payload = [fragment(length, offset, fragment_length), fragment(2, 0, 2)].concat();
            assert_eq!(
                read(&payload),
                [Err(FragmentFault::OutsideMessage), Ok(2)],
                "length {length}, offset {offset}, fragment_length {fragment_length}"
            );
        }
    }

    #[test]
    fn an_offset_and_a_length_of_24_bits_each_do_not_wrap() {
        let payload = fragment(100, 0xff_ffff, 0xff_ffff);
        assert_eq!(read(&payload), [Err(FragmentFault::OutsideMessage)]);
    }

    #[test]
    fn a_fragment_without_bytes_is_refused_unless_the_message_has_none() {
        assert_eq!(read(&[fragment(1, 0, 0), fragment(2, 0, 2)].concat()), [Err(FragmentFault::Empty), Ok(2)]);
        assert_eq!(read(&[fragment(1, 1, 0), fragment(2, 0, 2)].concat()), [Err(FragmentFault::Empty), Ok(2)]);
        assert_eq!(read(&fragment(0, 0, 0)), [Ok(0)]);
    }

    #[test]
    fn junk_behind_a_fragment_does_not_hurt_it() {
        assert_eq!(read(&[fragment(2, 0, 2), vec![1; 5]].concat()), [Ok(2), Err(FragmentFault::HeaderTruncated)]);
        // Twelve zero bytes are a well-formed HelloRequest; only the state can tell that it is not welcome.
        assert_eq!(read(&[fragment(2, 0, 2), vec![0; 12]].concat()), [Ok(2), Ok(0)]);
    }

    proptest! {
        #[test]
        fn any_12_bytes_are_a_header_that_encodes_to_itself(bytes: [u8; 12]) {
            prop_assert_eq!(FragmentHeader::decode_all(&bytes).unwrap().to_bytes(), bytes);
        }

        #[test]
        fn every_fragment_that_is_accepted_lies_within_its_message(
            length in 0..40_u32, offset in 0..40_u32, fragment_length in 0..40_u32,
        ) {
            let body_len = usize::try_from(fragment_length).unwrap();
            let accepted = read(&fragment(length, offset, fragment_length)) == [Ok(body_len)];
            let within = offset + fragment_length <= length && (fragment_length > 0 || length == 0);
            prop_assert_eq!(accepted, within);
        }
    }
}
