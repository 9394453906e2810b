//! The messages of an ephemeral elliptic curve key exchange: RFC 8422 sections 5.4 and 5.7.
//!
//! ```text
//!   ServerKeyExchange  curve_type  named_curve  point    algorithm  signature
//!                      '------ ServerECDHParams -----'
//!                                  signed
//!   ClientKeyExchange                           point
//! ```

use alloc::vec::Vec;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::{EcCurveType, NamedGroup, SignatureScheme};

/// The server's public key and its signature over it (RFC 8422 section 5.4).
///
/// To send one: append the parameters with [`encode_ecdhe_params`], sign them, and point `signed_params` at the same
/// bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdheServerKeyExchange<'a> {
    /// The group of the public key.
    pub group: NamedGroup,
    /// The public key in the encoding of its group, 1 to 255 bytes.
    pub public_key: &'a [u8],
    /// The `ServerECDHParams` byte by byte as they were received or signed. They say `group` and `public_key`; this is
    /// what is encoded, and the other two are not.
    pub signed_params: &'a [u8],
    /// How the signature was made.
    pub scheme: SignatureScheme,
    /// The signature over both randoms and `signed_params`, in the encoding of the scheme. May be empty: it will not
    /// verify.
    pub signature: &'a [u8],
}

impl Encode for EcdheServerKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.signed_params);
        out.extend_from_slice(&self.scheme.0.to_be_bytes());
        put_vector::<2>(out, |out| out.extend_from_slice(self.signature));
    }
}

impl<'a> Decode<'a> for EcdheServerKeyExchange<'a> {
    /// Fails with [`DecodeError::ForbiddenValue`] if the curve is given in another way than by its number.
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut params = reader.clone();
        let (group, public_key) = named_curve_and_point(reader)?;
        let signed_params = params.take(params.remaining().saturating_sub(reader.remaining()))?;
        let scheme = SignatureScheme(reader.u16()?);
        let signature = reader.vector_u16()?;
        Ok(Self { group, public_key, signed_params, scheme, signature })
    }
}

/// Appends the `ServerECDHParams` that say `group` and `public_key`, which has 1 to 255 bytes (RFC 8422 section 5.4).
pub fn encode_ecdhe_params(out: &mut Vec<u8>, group: NamedGroup, public_key: &[u8]) {
    out.push(EcCurveType::NAMED_CURVE.0);
    out.extend_from_slice(&group.0.to_be_bytes());
    put_vector::<1>(out, |out| out.extend_from_slice(public_key));
}

/// The client's public key (RFC 8422 section 5.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcdheClientKeyExchange<'a> {
    /// The public key in the encoding of the group that the server chose, 1 to 255 bytes.
    pub public_key: &'a [u8],
}

impl Encode for EcdheClientKeyExchange<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<1>(out, |out| out.extend_from_slice(self.public_key));
    }
}

impl<'a> Decode<'a> for EcdheClientKeyExchange<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { public_key: point(reader)? })
    }
}

/// Reads `ServerECDHParams`.
pub(super) fn named_curve_and_point<'a>(reader: &mut Reader<'a>) -> Result<(NamedGroup, &'a [u8]), DecodeError> {
    if EcCurveType(reader.u8()?) != EcCurveType::NAMED_CURVE {
        return Err(DecodeError::ForbiddenValue);
    }
    Ok((NamedGroup(reader.u16()?), point(reader)?))
}

/// Reads an `ECPoint`. Whether its length suits the group is for the key exchange to say.
pub(super) fn point<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], DecodeError> {
    let point = reader.vector_u8()?;
    if point.is_empty() { Err(DecodeError::VectorLength) } else { Ok(point) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws;
    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    const SERVER: EcdheServerKeyExchange<'static> = EcdheServerKeyExchange {
        group: NamedGroup::X25519,
        public_key: &[1, 2, 3],
        signed_params: &[3, 0, 29, 3, 1, 2, 3],
        scheme: SignatureScheme::ED25519,
        signature: &[9, 8],
    };

    #[test]
    fn the_messages_have_the_layout_of_rfc_8422() {
        let bytes = [3, 0, 29, 3, 1, 2, 3, 8, 7, 0, 2, 9, 8];
        assert_eq!(SERVER.to_vec(), bytes);
        assert_eq!(EcdheServerKeyExchange::decode_all(&bytes), Ok(SERVER));
        assert_eq!(EcdheClientKeyExchange { public_key: &[1, 2] }.to_vec(), [2, 1, 2]);
    }

    #[test]
    fn encoded_parameters_are_those_that_are_signed() {
        let mut params = Vec::new();
        encode_ecdhe_params(&mut params, SERVER.group, SERVER.public_key);
        assert_eq!(params, SERVER.signed_params);
    }

    #[test]
    fn signed_parameters_are_the_received_bytes_themselves() {
        let bytes = SERVER.to_vec();
        let decoded = EcdheServerKeyExchange::decode_all(&bytes).unwrap();
        assert!(core::ptr::eq(decoded.signed_params, &bytes[..7]));
    }

    #[test]
    fn messages_cut_anywhere_or_followed_by_bytes_are_refused() {
        laws::cut_or_prolonged_bytes_are_refused(&SERVER.to_vec(), &[], |bytes| {
            EcdheServerKeyExchange::decode_all(bytes).map(drop)
        });
        let client = EcdheClientKeyExchange { public_key: &[4; 65] }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&client, &[], |bytes| {
            EcdheClientKeyExchange::decode_all(bytes).map(drop)
        });
    }

    #[test]
    fn messages_encode_to_the_bytes_they_were_read_from() {
        laws::accepted_bytes_are_kept(
            &SERVER.to_vec(),
            |bytes| Ok(EcdheServerKeyExchange::decode_all(bytes)?.to_vec()),
        );
        laws::accepted_bytes_are_kept(&[2, 1, 2], |bytes| Ok(EcdheClientKeyExchange::decode_all(bytes)?.to_vec()));
    }

    #[test]
    fn malformed_server_key_exchanges_are_refused() {
        let cases: [(&str, &[u8], DecodeError); 7] = [
            ("explicit_prime", &[1, 0, 29, 1, 7, 8, 7, 0, 0], DecodeError::ForbiddenValue),
            ("explicit_char2", &[2, 0, 29, 1, 7, 8, 7, 0, 0], DecodeError::ForbiddenValue),
            ("empty point", &[3, 0, 29, 0, 8, 7, 0, 0], DecodeError::VectorLength),
            ("point past the message", &[3, 0, 29, 66, 7, 8, 7, 0, 0], DecodeError::Truncated),
            ("no scheme", &[3, 0, 29, 1, 7], DecodeError::Truncated),
            ("signature past the message", &[3, 0, 29, 1, 7, 8, 7, 0, 2, 7], DecodeError::Truncated),
            ("byte behind the signature", &[3, 0, 29, 1, 7, 8, 7, 0, 0, 0], DecodeError::TrailingBytes),
        ];
        for (name, bytes, fault) in cases {
            assert_eq!(EcdheServerKeyExchange::decode_all(bytes), Err(fault), "{name}");
        }
    }

    #[test]
    fn malformed_client_key_exchanges_are_refused() {
        let cases: [(&str, &[u8], DecodeError); 4] = [
            ("no point", &[], DecodeError::Truncated),
            ("empty point", &[0], DecodeError::VectorLength),
            ("point past the message", &[66, 7], DecodeError::Truncated),
            ("byte behind the point", &[1, 7, 7], DecodeError::TrailingBytes),
        ];
        for (name, bytes, fault) in cases {
            assert_eq!(EcdheClientKeyExchange::decode_all(bytes), Err(fault), "{name}");
        }
    }

    proptest! {
        #[test]
        fn server_key_exchanges_survive_encoding_and_decoding(
            group: u16,
            public_key in vec_of(any::<u8>(), 1..=255),
            scheme: u16,
            signature in vec_of(any::<u8>(), 0..600),
        ) {
            let group = NamedGroup(group);
            let mut signed_params = Vec::new();
            encode_ecdhe_params(&mut signed_params, group, &public_key);
            let message = EcdheServerKeyExchange {
                group,
                public_key: &public_key,
                signed_params: &signed_params,
                scheme: SignatureScheme(scheme),
                signature: &signature,
            };
            let bytes = message.to_vec();
            prop_assert_eq!(EcdheServerKeyExchange::decode_all(&bytes), Ok(message));
        }

        #[test]
        fn client_key_exchanges_survive_encoding_and_decoding(public_key in vec_of(any::<u8>(), 1..=255)) {
            let message = EcdheClientKeyExchange { public_key: &public_key };
            let bytes = message.to_vec();
            prop_assert_eq!(EcdheClientKeyExchange::decode_all(&bytes), Ok(message));
        }
    }
}
