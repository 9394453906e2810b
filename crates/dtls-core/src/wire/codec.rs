//! Reading and writing the presentation language of RFC 5246 section 4: big-endian numbers and length-prefixed
//! vectors.
//!
//! [`Reader`] borrows and never copies; every method checks that the bytes are there before it touches them.
//! Writing appends to a `Vec<u8>`; a [`LengthPrefix`] remembers where a length belongs and fills it in afterwards.

use alloc::vec::Vec;
use core::fmt;

use super::enums::ExtensionType;

/// A cursor over bytes that came from a peer.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything has been read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Takes everything that is left.
    pub const fn rest(&mut self) -> &'a [u8] {
        let rest = self.rest;
        self.rest = &[];
        rest
    }

    /// Takes the next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes the next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// Takes a `uint8`.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|&[byte]| byte)
    }

    /// Takes a `uint16`.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    /// Takes a `uint24`.
    pub fn u24(&mut self) -> Result<u32, DecodeError> {
        self.array().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Takes a `uint32`.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// Takes a `uint48`.
    pub fn u48(&mut self) -> Result<u64, DecodeError> {
        self.array().map(|&[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// Takes a vector with a one-byte length.
    pub fn vector_u8(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u8()?;
        self.take(usize::from(len))
    }

    /// Takes a vector with a two-byte length.
    pub fn vector_u16(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// Takes a vector with a three-byte length.
    pub fn vector_u24(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u24()?;
        self.take(usize::try_from(len).map_err(|_| DecodeError::Truncated)?)
    }

    /// Takes what [`put_option`] wrote.
    pub(crate) fn option(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match self.u8()? {
            0 => Ok(None),
            1 => self.vector_u16().map(Some),
            _ => Err(DecodeError::ForbiddenValue),
        }
    }

    /// Takes a `uint64`.
    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// Succeeds only if everything has been read.
    pub const fn expect_end(&self) -> Result<(), DecodeError> {
        if self.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }
}

/// A value that can be read from bytes which came from a peer.
pub trait Decode<'a>: Sized {
    /// Reads one value and leaves the reader behind it.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError>;

    /// Reads one value that must fill `bytes` exactly.
    fn decode_all(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.expect_end()?;
        Ok(value)
    }
}

/// A value that can be appended to a buffer.
pub trait Encode {
    /// Appends the value.
    fn encode(&self, out: &mut Vec<u8>);

    /// The value alone, in a buffer of its own.
    fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

/// Appends the low 24 bits of `value`.
pub fn put_u24(out: &mut Vec<u8>, value: u32) {
    let [_, bytes @ ..] = value.to_be_bytes();
    out.extend_from_slice(&bytes);
}

/// Appends the low 48 bits of `value`.
pub fn put_u48(out: &mut Vec<u8>, value: u64) {
    let [_, _, bytes @ ..] = value.to_be_bytes();
    out.extend_from_slice(&bytes);
}

/// A vector whose length is written when its content is known.
///
/// A content that is longer than the prefix can say is a bug of the caller's, who bounds what it encodes when it is
/// configured; in that case the prefix holds the largest value and the peer rejects the message.
#[derive(Debug)]
#[must_use = "the length is written by `end`"]
pub struct LengthPrefix<const WIDTH: usize> {
    at: usize,
}

impl<const WIDTH: usize> LengthPrefix<WIDTH> {
    /// Leaves room for a length of `WIDTH` bytes; what is appended from here on is the content.
    pub fn begin(out: &mut Vec<u8>) -> Self {
        let at = out.len();
        out.extend_from_slice(&[0; WIDTH]);
        Self { at }
    }

    /// Writes the length of what has been appended since `begin`.
    pub fn end(self, out: &mut [u8]) {
        let content = self.at.saturating_add(WIDTH);
        let len = u64::try_from(out.len().saturating_sub(content)).unwrap_or(u64::MAX);
        let largest = u64::MAX.checked_shr(u32::try_from(64 - 8 * WIDTH).unwrap_or(0)).unwrap_or(u64::MAX);
        debug_assert!(len <= largest, "content longer than its length prefix can say");
        let bytes = len.min(largest).to_be_bytes();
        if let (Some(prefix), Some(low)) = (out.get_mut(self.at..content), bytes.last_chunk::<WIDTH>()) {
            prefix.copy_from_slice(low);
        }
    }
}

/// Appends what `content` appends, behind a length of `WIDTH` bytes.
pub fn put_vector<const WIDTH: usize>(out: &mut Vec<u8>, content: impl FnOnce(&mut Vec<u8>)) {
    let length = LengthPrefix::<WIDTH>::begin(out);
    content(out);
    length.end(out);
}

/// Writes what may be missing behind a byte that says whether it is there.
pub(crate) fn put_option(out: &mut Vec<u8>, value: Option<&[u8]>) {
    out.push(u8::from(value.is_some()));
    if let Some(value) = value {
        put_vector::<2>(out, |out| out.extend_from_slice(value));
    }
}

/// Why bytes are not the value they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the value does.
    Truncated,
    /// Bytes are left where the value must end.
    TrailingBytes,
    /// A vector is shorter or longer than its definition allows.
    VectorLength,
    /// A field has a value that its definition forbids.
    ForbiddenValue,
    /// An extension stands twice in one hello (RFC 5246 section 7.4.1.4).
    DuplicateExtension(ExtensionType),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the bytes end before the value does"),
            Self::TrailingBytes => f.write_str("bytes are left behind the value"),
            Self::VectorLength => f.write_str("a vector has a length that is not allowed"),
            Self::ForbiddenValue => f.write_str("a field has a value that is not allowed"),
            Self::DuplicateExtension(extension) => write!(f, "the extension {extension} stands twice"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Prints bytes as their number and a checksum: enough to tell two messages apart without filling the screen.
pub(crate) struct Abridged<'a>(pub(crate) &'a [u8]);

impl fmt::Debug for Abridged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // FNV-1a.
        let sum = self
            .0
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
        write!(f, "{} bytes, {sum:016x}", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_big_endian_and_checked() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.u16(), Ok(0x0203));
        assert_eq!(reader.u24(), Ok(0x0004_0506));
        assert_eq!(reader.u48(), Ok(0x0708_090a_0b0c));
        assert_eq!(reader.u16(), Err(DecodeError::Truncated));
        assert_eq!(reader.expect_end(), Err(DecodeError::TrailingBytes));
        assert_eq!(reader.rest(), &[13]);
        assert_eq!(reader.expect_end(), Ok(()));
    }

    #[test]
    fn a_vector_longer_than_the_bytes_is_truncated() {
        assert_eq!(Reader::new(&[3, 1, 2]).vector_u8(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0, 2, 1, 2]).vector_u16(), Ok(&[1, 2][..]));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0]).vector_u24(), Err(DecodeError::Truncated));
    }

    #[test]
    fn nested_length_prefixes_count_their_own_content() {
        let mut out = alloc::vec![0xaa];
        put_vector::<3>(&mut out, |out| {
            put_vector::<2>(out, |out| out.extend_from_slice(&[1, 2, 3]));
            put_u24(out, 0x0004_0506);
        });
        assert_eq!(out, [0xaa, 0, 0, 8, 0, 3, 1, 2, 3, 4, 5, 6]);
    }
}
