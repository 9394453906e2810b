//! The messages about certificates: RFC 5246 sections 7.4.2, 7.4.4, 7.4.6 and 7.4.8, RFC 7250 section 3 and RFC 6066
//! section 8.
//!
//! ```text
//!   Certificate         certificate_list: [length, certificate], [length, certificate], ...
//!   CertificateRequest  certificate_types, supported_signature_algorithms, certificate_authorities
//!   CertificateVerify   algorithm, signature
//!   CertificateStatus   status_type, [length, response]
//! ```
//!
//! Certificates and names are passed on as the DER bytes they are; nothing here looks into them.

use alloc::vec::Vec;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::{ClientCertificateType, SignatureScheme};
use super::extensions::{STATUS_TYPE_OCSP, number_list, put_number_list};

/// A chain of certificates, of either side (RFC 5246 sections 7.4.2 and 7.4.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The certificates in DER, the sender's own first, none of them empty. No certificate at all is how a client says
    /// that it has none to show.
    pub chain: Vec<&'a [u8]>,
}

impl Encode for Certificate<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<3>(out, |out| {
            for certificate in &self.chain {
                put_vector::<3>(out, |out| out.extend_from_slice(certificate));
            }
        });
    }
}

impl<'a> Decode<'a> for Certificate<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let mut list = Reader::new(reader.vector_u24()?);
        let mut chain = Vec::new();
        while !list.is_empty() {
            chain.push(not_empty(list.vector_u24()?)?);
        }
        Ok(Self { chain })
    }
}

/// A key in the place of a chain: a Certificate message of the type RawPublicKey (RFC 7250 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPublicKey<'a> {
    /// A `SubjectPublicKeyInfo` in DER. `None` is how a client says that it has no key to show; the message has then the
    /// bytes of a chain without certificates.
    pub key: Option<&'a [u8]>,
}

impl Encode for RawPublicKey<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<3>(out, |out| out.extend_from_slice(self.key.unwrap_or_default()));
    }
}

impl<'a> Decode<'a> for RawPublicKey<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let key = reader.vector_u24()?;
        Ok(Self { key: (!key.is_empty()).then_some(key) })
    }
}

/// What an OCSP responder says about the server's certificate (RFC 6066 section 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateStatus<'a> {
    /// An `OCSPResponse` in DER; never empty.
    pub ocsp_response: &'a [u8],
}

impl Encode for CertificateStatus<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(STATUS_TYPE_OCSP);
        put_vector::<3>(out, |out| out.extend_from_slice(self.ocsp_response));
    }
}

impl<'a> Decode<'a> for CertificateStatus<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        if reader.u8()? != STATUS_TYPE_OCSP {
            return Err(DecodeError::ForbiddenValue);
        }
        Ok(Self { ocsp_response: not_empty(reader.vector_u24()?)? })
    }
}

/// What a server wants a client to prove itself with (RFC 5246 section 7.4.4).
///
/// Encoding expects what the decoder accepts: at least one certificate type and one signature scheme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// The kinds of keys the server can use. Never empty.
    pub certificate_types: Vec<ClientCertificateType>,
    /// The signatures the server can verify: `supported_signature_algorithms`. Never empty.
    pub signature_schemes: Vec<SignatureScheme>,
    /// The DER names of authorities the server trusts, none of them empty. No name at all leaves the choice to the
    /// client.
    pub authorities: Vec<&'a [u8]>,
}

impl Encode for CertificateRequest<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        put_vector::<1>(out, |out| out.extend(self.certificate_types.iter().map(|typ| typ.0)));
        put_number_list(out, self.signature_schemes.iter().map(|scheme| scheme.0));
        put_vector::<2>(out, |out| {
            for name in &self.authorities {
                put_vector::<2>(out, |out| out.extend_from_slice(name));
            }
        });
    }
}

impl<'a> Decode<'a> for CertificateRequest<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let certificate_types = not_empty(reader.vector_u8()?)?;
        let signature_schemes = reader.vector_u16()?;
        let mut list = Reader::new(reader.vector_u16()?);
        let mut authorities = Vec::new();
        while !list.is_empty() {
            authorities.push(not_empty(list.vector_u16()?)?);
        }
        Ok(Self {
            certificate_types: certificate_types.iter().copied().map(ClientCertificateType).collect(),
            signature_schemes: number_list(signature_schemes, SignatureScheme)?,
            authorities,
        })
    }
}

/// A client's proof that it holds the key of its certificate (RFC 5246 section 7.4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateVerify<'a> {
    /// How the signature was made.
    pub scheme: SignatureScheme,
    /// The signature over the handshake so far, in the encoding of the scheme. May be empty: it will not verify.
    pub signature: &'a [u8],
}

impl Encode for CertificateVerify<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.scheme.0.to_be_bytes());
        put_vector::<2>(out, |out| out.extend_from_slice(self.signature));
    }
}

impl<'a> Decode<'a> for CertificateVerify<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { scheme: SignatureScheme(reader.u16()?), signature: reader.vector_u16()? })
    }
}

/// Refuses a vector that must have content and has none.
const fn not_empty(content: &[u8]) -> Result<&[u8], DecodeError> {
    if content.is_empty() { Err(DecodeError::VectorLength) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws;
    use alloc::vec;
    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    fn request() -> CertificateRequest<'static> {
        CertificateRequest {
            certificate_types: vec![ClientCertificateType::ECDSA_SIGN, ClientCertificateType(9)],
            signature_schemes: vec![SignatureScheme::ED25519],
            authorities: vec![&[0x30, 0], &[0x31]],
        }
    }

    #[test]
    fn the_messages_have_the_layout_of_rfc_5246() {
        let certificate = Certificate { chain: vec![&[1, 2], &[3]] };
        assert_eq!(certificate.to_vec(), [0, 0, 9, 0, 0, 2, 1, 2, 0, 0, 1, 3]);
        assert_eq!(request().to_vec(), [2, 64, 9, 0, 2, 8, 7, 0, 7, 0, 2, 0x30, 0, 0, 1, 0x31]);
        let verify = CertificateVerify { scheme: SignatureScheme::ED25519, signature: &[1, 2, 3] };
        assert_eq!(verify.to_vec(), [8, 7, 0, 3, 1, 2, 3]);
        assert_eq!(RawPublicKey { key: Some(&[1, 2]) }.to_vec(), [0, 0, 2, 1, 2]);
        assert_eq!(RawPublicKey { key: None }.to_vec(), Certificate { chain: vec![] }.to_vec());
        assert_eq!(CertificateStatus { ocsp_response: &[5] }.to_vec(), [1, 0, 0, 1, 5]);
    }

    #[test]
    fn messages_cut_anywhere_or_followed_by_bytes_are_refused() {
        let certificate = Certificate { chain: vec![&[1; 20], &[2; 300]] }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&certificate, &[], |bytes| Certificate::decode_all(bytes).map(drop));
        let request = request().to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&request, &[], |bytes| {
            CertificateRequest::decode_all(bytes).map(drop)
        });
        let verify = CertificateVerify { scheme: SignatureScheme::ED25519, signature: &[7; 64] }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&verify, &[], |bytes| CertificateVerify::decode_all(bytes).map(drop));
        let key = RawPublicKey { key: Some(&[7; 91]) }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&key, &[], |bytes| RawPublicKey::decode_all(bytes).map(drop));
        let status = CertificateStatus { ocsp_response: &[7; 300] }.to_vec();
        laws::cut_or_prolonged_bytes_are_refused(&status, &[], |bytes| CertificateStatus::decode_all(bytes).map(drop));
    }

    #[test]
    fn messages_encode_to_the_bytes_they_were_read_from() {
        let certificate = Certificate { chain: vec![&[1, 2], &[3]] }.to_vec();
        laws::accepted_bytes_are_kept(&certificate, |bytes| Ok(Certificate::decode_all(bytes)?.to_vec()));
        laws::accepted_bytes_are_kept(&request().to_vec(), |bytes| Ok(CertificateRequest::decode_all(bytes)?.to_vec()));
        let verify = CertificateVerify { scheme: SignatureScheme::ED25519, signature: &[7; 4] }.to_vec();
        laws::accepted_bytes_are_kept(&verify, |bytes| Ok(CertificateVerify::decode_all(bytes)?.to_vec()));
        let key = RawPublicKey { key: Some(&[7; 9]) }.to_vec();
        laws::accepted_bytes_are_kept(&key, |bytes| Ok(RawPublicKey::decode_all(bytes)?.to_vec()));
        let status = CertificateStatus { ocsp_response: &[7; 9] }.to_vec();
        laws::accepted_bytes_are_kept(&status, |bytes| Ok(CertificateStatus::decode_all(bytes)?.to_vec()));
    }

    #[test]
    fn a_raw_key_may_be_missing_and_a_status_may_not() {
        assert_eq!(RawPublicKey::decode_all(&[0, 0, 0]), Ok(RawPublicKey { key: None }));
        assert_eq!(CertificateStatus::decode_all(&[1, 0, 0, 0]), Err(DecodeError::VectorLength));
        assert_eq!(CertificateStatus::decode_all(&[2, 0, 0, 1, 5]), Err(DecodeError::ForbiddenValue));
    }

    #[test]
    fn malformed_chains_are_refused() {
        let cases: [(&str, &[u8], DecodeError); 6] = [
            ("no list", &[], DecodeError::Truncated),
            ("list one too long", &[0, 0, 5, 0, 0, 1, 7], DecodeError::Truncated),
            ("list one too short", &[0, 0, 3, 0, 0, 1, 7], DecodeError::Truncated),
            ("certificate past the list", &[0, 0, 4, 0, 0, 2, 7], DecodeError::Truncated),
            ("empty certificate", &[0, 0, 7, 0, 0, 1, 7, 0, 0, 0], DecodeError::VectorLength),
            ("two stray bytes in the list", &[0, 0, 6, 0, 0, 1, 7, 0, 0], DecodeError::Truncated),
        ];
        for (name, bytes, fault) in cases {
            assert_eq!(Certificate::decode_all(bytes), Err(fault), "{name}");
        }
    }

    #[test]
    fn a_chain_may_be_empty_or_long() {
        assert_eq!(Certificate::decode_all(&[0, 0, 0]), Ok(Certificate { chain: vec![] }));
        let long = Certificate { chain: vec![&[7]; 1_000] };
        assert_eq!(Certificate::decode_all(&long.to_vec()), Ok(long));
    }

    #[test]
    fn malformed_certificate_requests_are_refused() {
        let cases: [(&str, &[u8], DecodeError); 10] = [
            ("no type", &[0, 0, 2, 4, 3, 0, 0], DecodeError::VectorLength),
            ("types past the message", &[255, 1, 0, 2, 4, 3, 0, 0], DecodeError::Truncated),
            ("no scheme", &[1, 64, 0, 0, 0, 0], DecodeError::VectorLength),
            ("half a scheme", &[1, 64, 0, 1, 4, 0, 0], DecodeError::VectorLength),
            ("schemes past the message", &[1, 64, 0, 8, 4, 3, 0, 0], DecodeError::Truncated),
            ("no authorities", &[1, 64, 0, 2, 4, 3], DecodeError::Truncated),
            ("name past the list", &[1, 64, 0, 2, 4, 3, 0, 3, 0, 2, 7], DecodeError::Truncated),
            ("empty name", &[1, 64, 0, 2, 4, 3, 0, 2, 0, 0], DecodeError::VectorLength),
            ("stray byte in the list", &[1, 64, 0, 2, 4, 3, 0, 4, 0, 1, 7, 0], DecodeError::Truncated),
            ("stray byte behind the list", &[1, 64, 0, 2, 4, 3, 0, 0, 0], DecodeError::TrailingBytes),
        ];
        for (name, bytes, fault) in cases {
            assert_eq!(CertificateRequest::decode_all(bytes), Err(fault), "{name}");
        }
    }

    #[test]
    fn a_long_list_of_authorities_is_read() {
        let name = [7; 58];
        let request = CertificateRequest { authorities: vec![&name[..]; 1_000], ..request() };
        assert_eq!(CertificateRequest::decode_all(&request.to_vec()), Ok(request));
    }

    #[test]
    fn a_signature_past_its_message_is_refused_and_an_empty_one_is_well_formed() {
        assert_eq!(CertificateVerify::decode_all(&[8, 7, 0xff, 0xff, 1]), Err(DecodeError::Truncated));
        let empty = CertificateVerify { scheme: SignatureScheme::ED25519, signature: &[] };
        assert_eq!(CertificateVerify::decode_all(&[8, 7, 0, 0]), Ok(empty));
    }

    proptest! {
        #[test]
        fn chains_survive_encoding_and_decoding(chain in vec_of(vec_of(any::<u8>(), 1..300), 0..5)) {
            let certificate = Certificate { chain: chain.iter().map(Vec::as_slice).collect() };
            let bytes = certificate.to_vec();
            prop_assert_eq!(Certificate::decode_all(&bytes), Ok(certificate));
        }

        #[test]
        fn certificate_requests_survive_encoding_and_decoding(
            certificate_types in vec_of(any::<u8>().prop_map(ClientCertificateType), 1..5),
            signature_schemes in vec_of(any::<u16>().prop_map(SignatureScheme), 1..9),
            authorities in vec_of(vec_of(any::<u8>(), 1..100), 0..5),
        ) {
            let authorities = authorities.iter().map(Vec::as_slice).collect();
            let request = CertificateRequest { certificate_types, signature_schemes, authorities };
            let bytes = request.to_vec();
            prop_assert_eq!(CertificateRequest::decode_all(&bytes), Ok(request));
        }

        #[test]
        fn certificate_verifies_survive_encoding_and_decoding(
            scheme: u16, signature in vec_of(any::<u8>(), 0..600),
        ) {
            let verify = CertificateVerify { scheme: SignatureScheme(scheme), signature: &signature };
            let bytes = verify.to_vec();
            prop_assert_eq!(CertificateVerify::decode_all(&bytes), Ok(verify));
        }
    }
}
