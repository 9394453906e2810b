//! The messages of a key exchange with a pre-shared key: RFC 4279 section 2 and RFC 5489 section 2.
//!
//! ```text
//!   ServerKeyExchange   PSK        hint
//!                       ECDHE_PSK  hint  curve_type  named_curve  point
//!   ClientKeyExchange   PSK        identity
//!                       ECDHE_PSK  identity  point
//! ```
//!
//! Which of the two a message is, only the cipher suite says.

use alloc::vec::Vec;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::NamedGroup;
use super::key_exchange::{encode_ecdhe_params, named_curve_and_point, point};

/// What helps a client to choose its key (RFC 4279 section 2). Servers without a hint send no such message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskServerKeyExchange<'a> {
    /// Up to 65535 bytes of any kind.
    pub hint: &'a [u8],
}

impl Encode for PskServerKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<2>(out, |out| out.extend_from_slice(self.hint));
    }
}

impl<'a> Decode<'a> for PskServerKeyExchange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { hint: reader.vector_u16()? })
    }
}

/// A hint, which may be empty, and the server's public key (RFC 5489 section 2). Nothing is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdhePskServerKeyExchange<'a> {
    /// Up to 65535 bytes of any kind.
    pub hint: &'a [u8],
    /// The group of the public key.
    pub group: NamedGroup,
    /// The public key in the encoding of its group, 1 to 255 bytes.
    pub public_key: &'a [u8],
}

impl Encode for EcdhePskServerKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<2>(out, |out| out.extend_from_slice(self.hint));
        encode_ecdhe_params(out, self.group, self.public_key);
    }
}

impl<'a> Decode<'a> for EcdhePskServerKeyExchange<'a> {
    /// Fails with [`DecodeError::ForbiddenValue`] if the curve is given in another way than by its number.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let hint = reader.vector_u16()?;
        let (group, public_key) = named_curve_and_point(reader)?;
        Ok(Self { hint, group, public_key })
    }
}

/// Whose key it is (RFC 4279 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PskClientKeyExchange<'a> {
    /// Up to 65535 bytes of any kind.
    pub identity: &'a [u8],
}

impl Encode for PskClientKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<2>(out, |out| out.extend_from_slice(self.identity));
    }
}

impl<'a> Decode<'a> for PskClientKeyExchange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { identity: reader.vector_u16()? })
    }
}

/// Whose key it is, and the client's public key (RFC 5489 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdhePskClientKeyExchange<'a> {
    /// Up to 65535 bytes of any kind.
    pub identity: &'a [u8],
    /// The public key in the encoding of the group that the server chose, 1 to 255 bytes.
    pub public_key: &'a [u8],
}

impl Encode for EcdhePskClientKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<2>(out, |out| out.extend_from_slice(self.identity));
        put_vector::<1>(out, |out| out.extend_from_slice(self.public_key));
    }
}

impl<'a> Decode<'a> for EcdhePskClientKeyExchange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { identity: reader.vector_u16()?, public_key: point(reader)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws;
    use alloc::vec;

    const SERVER: EcdhePskServerKeyExchange<'static> =
        EcdhePskServerKeyExchange { hint: b"hi", group: NamedGroup::X25519, public_key: &[7, 8] };
    const CLIENT: EcdhePskClientKeyExchange<'static> =
        EcdhePskClientKeyExchange { identity: b"me", public_key: &[7, 8] };

    #[test]
    fn the_messages_have_the_layout_of_their_rfcs() {
        assert_eq!(PskServerKeyExchange { hint: b"hi" }.to_vec(), b"\0\x02hi");
        assert_eq!(PskClientKeyExchange { identity: b"" }.to_vec(), b"\0\0");
        assert_eq!(SERVER.to_vec(), b"\0\x02hi\x03\0\x1d\x02\x07\x08");
        assert_eq!(CLIENT.to_vec(), b"\0\x02me\x02\x07\x08");
    }

    #[test]
    fn messages_are_read_as_they_were_written_and_cut_or_prolonged_ones_are_refused() {
        let long = vec![0xff; 65_535];
        for hint in [&b""[..], b"hi", &long] {
            let bytes = PskServerKeyExchange { hint }.to_vec();
            assert_eq!(PskServerKeyExchange::decode_all(&bytes), Ok(PskServerKeyExchange { hint }));
            let bytes = PskClientKeyExchange { identity: hint }.to_vec();
            assert_eq!(PskClientKeyExchange::decode_all(&bytes), Ok(PskClientKeyExchange { identity: hint }));
        }
        assert_eq!(EcdhePskServerKeyExchange::decode_all(&SERVER.to_vec()), Ok(SERVER));
        assert_eq!(EcdhePskClientKeyExchange::decode_all(&CLIENT.to_vec()), Ok(CLIENT));
        laws::cut_or_prolonged_bytes_are_refused(b"\0\x02hi", &[], |bytes| {
            PskServerKeyExchange::decode_all(bytes).map(drop)
        });
        laws::cut_or_prolonged_bytes_are_refused(b"\0\x02hi", &[], |bytes| {
            PskClientKeyExchange::decode_all(bytes).map(drop)
        });
        laws::cut_or_prolonged_bytes_are_refused(&SERVER.to_vec(), &[], |bytes| {
            EcdhePskServerKeyExchange::decode_all(bytes).map(drop)
        });
        laws::cut_or_prolonged_bytes_are_refused(&CLIENT.to_vec(), &[], |bytes| {
            EcdhePskClientKeyExchange::decode_all(bytes).map(drop)
        });
    }

    #[test]
    fn curves_that_are_described_and_empty_points_are_refused() {
        let described = b"\0\0\x01\0\x1d\x01\x07";
        assert_eq!(EcdhePskServerKeyExchange::decode_all(described), Err(DecodeError::ForbiddenValue));
        assert_eq!(EcdhePskServerKeyExchange::decode_all(b"\0\0\x03\0\x1d\0"), Err(DecodeError::VectorLength));
        assert_eq!(EcdhePskClientKeyExchange::decode_all(b"\0\0\0"), Err(DecodeError::VectorLength));
    }
}
