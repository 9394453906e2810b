//! Protecting records: RFC 5246 section 6.2.3.3 with the nonces of RFC 5288 section 3 and RFC 7905 section 2.
//!
//! ```text
//!   record body, Explicit   | epoch(2) number(6) | ciphertext | tag |     nonce = salt(4) || the 8 bytes in front
//!   record body, Implicit                        | ciphertext | tag |     nonce = iv(12) xor (0(4) || epoch || number)
//!
//!   additional data         epoch(2) number(6) type(1) version(2) plaintext length(2)
//!   with a connection ID    0xff(8) 25(1) ID length(1) 25(1) version(2) epoch(2) number(6) ID plaintext length(2)
//! ```
//!
//! Everything here works in the caller's buffer: no copy of a record, no allocation.

use alloc::boxed::Box;
use core::fmt;

use zeroize::Zeroizing;

use super::CryptoError;
use super::suite::{CipherSuite, NonceConstruction};
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::ContentType;
use crate::wire::record::RecordHeader;

/// An algorithm for authenticated encryption with a nonce of twelve bytes.
pub trait AeadAlgorithm: Send + Sync {
    /// Bytes in a key.
    fn key_len(&self) -> usize;

    /// Bytes in a tag.
    fn tag_len(&self) -> usize;

    /// Expands a key of [`key_len`](Self::key_len) bytes.
    ///
    /// # Errors
    ///
    /// If `key` has another length.
    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError>;
}

/// A key, ready for use. Neither builds a nonce nor remembers one: that is [`RecordSealer`]'s part.
pub trait AeadKey: Send + Sync {
    /// Encrypts `in_out` in place and writes the tag to `tag`, which must be exactly one tag long.
    ///
    /// # Errors
    ///
    /// If `tag` has another length or there is more plaintext than the algorithm can take; `in_out` is then not to be
    /// sent.
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError>;

    /// Decrypts `in_out`, a ciphertext with its tag behind it, in place and returns the length of the plaintext,
    /// which then stands at the start of `in_out`.
    ///
    /// # Errors
    ///
    /// If the tag is not right or not there. No plaintext may then be readable in `in_out`: an implementation that
    /// decrypts before it has checked overwrites what it wrote.
    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError>;
}

/// Seals the records of one epoch in one direction.
///
/// Holds the key and the secret part of the nonces. That no epoch and number are sealed twice is the caller's part:
/// the record layer counts.
pub struct RecordSealer(DirectionKey);

impl RecordSealer {
    /// Makes a sealer from one direction's share of the key block (RFC 5246 section 6.3).
    ///
    /// # Errors
    ///
    /// If `key` or `fixed_iv` do not have the lengths the suite asks for.
    pub fn new(suite: &CipherSuite, key: &[u8], fixed_iv: &[u8]) -> Result<Self, CryptoError> {
        DirectionKey::new(suite, key, fixed_iv).map(Self)
    }

    /// How many bytes longer a record's body is than its plaintext.
    #[must_use]
    #[inline]
    pub fn overhead(&self) -> usize {
        self.0.overhead()
    }

    /// How many bytes of a record's body stand in front of the plaintext.
    #[must_use]
    #[inline]
    pub fn explicit_nonce_len(&self) -> usize {
        self.0.construction.explicit_len()
    }

    /// How many bytes of a record's body stand behind the plaintext.
    #[must_use]
    #[inline]
    pub fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    /// Seals a record in place.
    ///
    /// `record_body` is everything behind the record header: room for the explicit nonce, the plaintext, room for
    /// the tag. What stands in the rooms does not matter.
    ///
    /// # Errors
    ///
    /// If `record_body` has no room for [`overhead`](Self::overhead) or holds more than a record can.
    #[inline]
    pub fn seal(&self, header: &RecordHeader, record_body: &mut [u8]) -> Result<(), CryptoError> {
        self.seal_with(header, record_body, |plaintext_len| additional_data(header, plaintext_len))
    }

    /// Like [`seal`](Self::seal), for a record with a connection ID (RFC 9146 section 5.3): the plaintext is what the
    /// record carries, its content type and the padding.
    ///
    /// # Errors
    ///
    /// As [`seal`](Self::seal), and if `cid` is longer than an ID can be.
    pub fn seal_with_cid(&self, header: &RecordHeader, cid: &[u8], record_body: &mut [u8]) -> Result<(), CryptoError> {
        self.seal_with(header, record_body, |plaintext_len| CidAdditionalData::new(header, cid, plaintext_len))
    }

    #[inline]
    fn seal_with<T: AsRef<[u8]>>(
        &self,
        header: &RecordHeader,
        record_body: &mut [u8],
        additional_data: impl FnOnce(usize) -> Result<T, CryptoError>,
    ) -> Result<(), CryptoError> {
        let sequence = header.sequence();
        let (nonce, rest) = match self.0.construction {
            NonceConstruction::Explicit => {
                let (explicit, rest) = record_body.split_first_chunk_mut().ok_or(CryptoError)?;
                *explicit = sequence;
                (self.0.explicit_nonce(sequence), rest)
            }
            NonceConstruction::Implicit => (self.0.implicit_nonce(sequence), record_body),
        };
        let plaintext_len = rest.len().checked_sub(self.0.tag_len()).ok_or(CryptoError)?;
        let aad = additional_data(plaintext_len)?;
        let (plaintext, tag) = rest.split_at_mut_checked(plaintext_len).ok_or(CryptoError)?;
        self.0.key.seal(&nonce, aad.as_ref(), plaintext, tag)
    }
}

impl fmt::Debug for RecordSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordSealer([redacted])")
    }
}

/// Opens the records of one epoch in one direction.
pub struct RecordOpener(DirectionKey);

impl RecordOpener {
    /// Makes an opener from one direction's share of the key block (RFC 5246 section 6.3).
    ///
    /// # Errors
    ///
    /// If `key` or `fixed_iv` do not have the lengths the suite asks for.
    pub fn new(suite: &CipherSuite, key: &[u8], fixed_iv: &[u8]) -> Result<Self, CryptoError> {
        DirectionKey::new(suite, key, fixed_iv).map(Self)
    }

    /// How many bytes longer a record's body is than its plaintext.
    #[must_use]
    #[inline]
    pub fn overhead(&self) -> usize {
        self.0.overhead()
    }

    /// Opens a record in place and lends the plaintext out of it.
    ///
    /// `record_body` is everything behind the record header. A nonce that stands in the record is used as it is: what
    /// a peer puts there is its own business (RFC 5288 section 3), replay is judged by the header.
    ///
    /// # Errors
    ///
    /// If the body is shorter than [`overhead`](Self::overhead), longer than a record can be, or not what the peer
    /// sealed under this header. No plaintext is then readable in `record_body`.
    #[inline]
    pub fn open<'a>(&self, header: &RecordHeader, record_body: &'a mut [u8]) -> Result<&'a mut [u8], CryptoError> {
        self.open_with(header, record_body, |plaintext_len| additional_data(header, plaintext_len))
    }

    /// Like [`open`](Self::open), for a record with a connection ID (RFC 9146 section 5.3): the plaintext is what the
    /// record carries, its content type and the padding.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if `cid` is longer than an ID can be.
    pub fn open_with_cid<'a>(
        &self,
        header: &RecordHeader,
        cid: &[u8],
        record_body: &'a mut [u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        self.open_with(header, record_body, |plaintext_len| CidAdditionalData::new(header, cid, plaintext_len))
    }

    #[inline]
    fn open_with<'a, T: AsRef<[u8]>>(
        &self,
        header: &RecordHeader,
        record_body: &'a mut [u8],
        additional_data: impl FnOnce(usize) -> Result<T, CryptoError>,
    ) -> Result<&'a mut [u8], CryptoError> {
        let sequence = header.sequence();
        let (nonce, rest) = match self.0.construction {
            NonceConstruction::Explicit => {
                let (explicit, rest) = record_body.split_first_chunk_mut().ok_or(CryptoError)?;
                (self.0.explicit_nonce(*explicit), rest)
            }
            NonceConstruction::Implicit => (self.0.implicit_nonce(sequence), record_body),
        };
        let plaintext_len = rest.len().checked_sub(self.0.tag_len()).ok_or(CryptoError)?;
        let aad = additional_data(plaintext_len)?;
        let opened = self.0.key.open(&nonce, aad.as_ref(), rest)?;
        rest.get_mut(..opened).ok_or(CryptoError)
    }
}

impl fmt::Debug for RecordOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordOpener([redacted])")
    }
}

/// The additional data (RFC 5246 section 6.2.3.3): the header, with the plaintext's length in place of its own.
#[inline]
fn additional_data(header: &RecordHeader, plaintext_len: usize) -> Result<[u8; 13], CryptoError> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = header.sequence();
    let [v0, v1] = header.version.0.to_be_bytes();
    let [l0, l1] = u16::try_from(plaintext_len).map_err(|_| CryptoError)?.to_be_bytes();
    Ok([s0, s1, s2, s3, s4, s5, s6, s7, header.content_type.0, v0, v1, l0, l1])
}

/// The additional data of a record with a connection ID (RFC 9146 section 5.3). It begins with what is no epoch and number
/// in use, and so is never that of a record without.
struct CidAdditionalData {
    bytes: [u8; Self::LEN_MAX],
    len: usize,
}

impl CidAdditionalData {
    /// What stands in front of the ID.
    const HEAD_LEN: usize = 21;
    const LEN_MAX: usize = Self::HEAD_LEN + ConnectionId::MAX_LEN + 2;

    fn new(header: &RecordHeader, cid: &[u8], plaintext_len: usize) -> Result<Self, CryptoError> {
        const TYPE: u8 = ContentType::TLS12_CID.0;
        let cid_len = u8::try_from(cid.len()).map_err(|_| CryptoError)?;
        let [s0, s1, s2, s3, s4, s5, s6, s7] = header.sequence();
        let [v0, v1] = header.version.0.to_be_bytes();
        let mut bytes = [0xff; Self::LEN_MAX];
        let (head, rest) = bytes.split_first_chunk_mut::<{ Self::HEAD_LEN }>().ok_or(CryptoError)?;
        let [_, _, _, _, _, _, _, _, behind_placeholder @ ..] = head;
        *behind_placeholder = [TYPE, cid_len, TYPE, v0, v1, s0, s1, s2, s3, s4, s5, s6, s7];
        let (cid_room, rest) = rest.split_at_mut_checked(cid.len()).ok_or(CryptoError)?;
        cid_room.copy_from_slice(cid);
        let length_room = rest.first_chunk_mut().ok_or(CryptoError)?;
        *length_room = u16::try_from(plaintext_len).map_err(|_| CryptoError)?.to_be_bytes();
        Ok(Self { bytes, len: Self::HEAD_LEN + cid.len() + 2 })
    }
}

impl AsRef<[u8]> for CidAdditionalData {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// One direction's key and the secret part of its nonces.
struct DirectionKey {
    key: Box<dyn AeadKey>,
    /// The salt of [`NonceConstruction::Explicit`] in the first four bytes, or all twelve.
    fixed_iv: Zeroizing<[u8; 12]>,
    construction: NonceConstruction,
    tag_len: u8,
}

impl DirectionKey {
    fn new(suite: &CipherSuite, key: &[u8], fixed_iv: &[u8]) -> Result<Self, CryptoError> {
        if key.len() != suite.key_len() || fixed_iv.len() != suite.fixed_iv_len() {
            return Err(CryptoError);
        }
        let mut padded = Zeroizing::new([0; 12]);
        for (to, from) in padded.iter_mut().zip(fixed_iv) {
            *to = *from;
        }
        Ok(Self {
            key: suite.aead.key(key)?,
            fixed_iv: padded,
            construction: suite.nonce,
            tag_len: u8::try_from(suite.tag_len()).map_err(|_| CryptoError)?,
        })
    }

    #[inline]
    fn tag_len(&self) -> usize {
        usize::from(self.tag_len)
    }

    #[inline]
    fn overhead(&self) -> usize {
        self.construction.explicit_len().saturating_add(self.tag_len())
    }

    #[inline]
    fn explicit_nonce(&self, explicit: [u8; 8]) -> [u8; 12] {
        let [s0, s1, s2, s3, ..] = *self.fixed_iv;
        let [e0, e1, e2, e3, e4, e5, e6, e7] = explicit;
        [s0, s1, s2, s3, e0, e1, e2, e3, e4, e5, e6, e7]
    }

    #[inline]
    fn implicit_nonce(&self, sequence: [u8; 8]) -> [u8; 12] {
        let [i0, i1, i2, i3, low @ ..] = *self.fixed_iv;
        let low = u64::from_be_bytes(low) ^ u64::from_be_bytes(sequence);
        let [n0, n1, n2, n3, n4, n5, n6, n7] = low.to_be_bytes();
        [i0, i1, i2, i3, n0, n1, n2, n3, n4, n5, n6, n7]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{providers, unhex};
    use crate::wire::enums::{CipherSuiteId, ContentType, ProtocolVersion};
    use crate::wire::record::{Epoch, RecordNumber};
    use alloc::vec;
    use alloc::vec::Vec;

    const PLAINTEXT: &[u8] = b"The quick brown fox";
    const HEADER: RecordHeader = RecordHeader {
        content_type: ContentType::APPLICATION_DATA,
        version: ProtocolVersion::DTLS_1_2,
        epoch: Epoch::ONE,
        number: match RecordNumber::new(5) {
            Some(five) => five,
            None => RecordNumber::ZERO,
        },
        length: 0,
    };

    /// What Python's `cryptography` (OpenSSL) makes of key 00 01 02 .., fixed iv f0 f1 f2 .. and [`PLAINTEXT`] under
    /// [`HEADER`], nonce and additional data written out by hand.
    const RECORDS: [(CipherSuiteId, &str); 3] = [
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            "00010000000000056289f3aebef8ad53d389182908c26e058649113c093fd1ff37cb315a4a0c0072da1624",
        ),
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            "00010000000000052fa4d2342701a57d0709581cd11320da2b40172250a8c775b025155845538cc6af893b",
        ),
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            "1158f7a10077c4feccf85a0ef0517dc9521851345c0afb60b1f772efc2c17220ac3a7a",
        ),
    ];

    fn pair(suite: &CipherSuite) -> (RecordSealer, RecordOpener) {
        let key: Vec<u8> = (0..32).take(suite.key_len()).collect();
        let iv: Vec<u8> = (0xf0..=0xff).take(suite.fixed_iv_len()).collect();
        (RecordSealer::new(suite, &key, &iv).unwrap(), RecordOpener::new(suite, &key, &iv).unwrap())
    }

    fn with_room(sealer: &RecordSealer, plaintext: &[u8]) -> Vec<u8> {
        [&vec![0xaa; sealer.explicit_nonce_len()], plaintext, &vec![0xbb; sealer.tag_len()]].concat()
    }

    #[test]
    fn records_are_those_of_an_independent_implementation() {
        for provider in providers() {
            for (id, expected) in RECORDS {
                let (sealer, opener) = pair(provider.cipher_suite(id).unwrap());
                let mut body = with_room(&sealer, PLAINTEXT);
                sealer.seal(&HEADER, &mut body).unwrap();
                assert_eq!(body, unhex(expected), "{id}");
                assert_eq!(opener.open(&HEADER, &mut body).unwrap(), PLAINTEXT);
            }
        }
    }

    #[test]
    fn an_explicit_nonce_may_be_anything_the_peer_likes() {
        // As above, with an explicit nonce that has nothing to do with the record's number.
        let sealed = "a1a2a3a4a5a6a7a844996763ad8380f2341d4ffaf996883daa76c2d5c38dbb4be0b0a6399031617de48b31";
        for provider in providers() {
            let (_, opener) = pair(provider.cipher_suite(RECORDS[0].0).unwrap());
            assert_eq!(opener.open(&HEADER, &mut unhex(sealed)).unwrap(), PLAINTEXT);
        }
    }

    #[test]
    fn every_part_of_the_header_and_of_the_body_is_covered() {
        let headers = [
            RecordHeader { content_type: ContentType::HANDSHAKE, ..HEADER },
            RecordHeader { version: ProtocolVersion::DTLS_1_0, ..HEADER },
            RecordHeader { epoch: Epoch(2), ..HEADER },
            RecordHeader { number: RecordNumber::ZERO, ..HEADER },
        ];
        for provider in providers() {
            for (id, sealed) in RECORDS {
                let (_, opener) = pair(provider.cipher_suite(id).unwrap());
                for header in headers {
                    assert_eq!(opener.open(&header, &mut unhex(sealed)), Err(CryptoError), "{id} {header:?}");
                }
                for at in 0..unhex(sealed).len() {
                    let mut body = unhex(sealed);
                    body[at] ^= 0x10;
                    assert_eq!(opener.open(&HEADER, &mut body), Err(CryptoError), "{id} byte {at}");
                }
            }
        }
    }

    /// What Python's `cryptography` (OpenSSL) makes of the same keys, [`PLAINTEXT`] with a content type of 23 and two zeros
    /// behind it, and the connection ID c1 c2 c3, nonce and additional data written out by hand.
    const CID_RECORDS: [(CipherSuiteId, &str); 3] = [
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            "00010000000000056289f3aebef8ad53d389182908c26e05864911e9ea372f67e88252cc145b620f80797aa4f9fe",
        ),
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            "00010000000000052fa4d2342701a57d0709581cd11320da2b401733f5ddc10d7fa10435d780b1bdb0bed8dbb14f",
        ),
        (
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            "1158f7a10077c4feccf85a0ef0517dc952185188ca4e5af1fea47b37c0fa9c556905109a8c89",
        ),
    ];
    const CID: &[u8] = &[0xc1, 0xc2, 0xc3];

    #[test]
    fn records_with_a_connection_id_are_those_of_an_independent_implementation() {
        let inner = [PLAINTEXT, &[23, 0, 0]].concat();
        for provider in providers() {
            for (id, expected) in CID_RECORDS {
                let (sealer, opener) = pair(provider.cipher_suite(id).unwrap());
                let mut body = with_room(&sealer, &inner);
                sealer.seal_with_cid(&HEADER, CID, &mut body).unwrap();
                assert_eq!(body, unhex(expected), "{id}");
                assert_eq!(opener.open_with_cid(&HEADER, CID, &mut body).unwrap(), inner);
            }
        }
    }

    #[test]
    fn the_connection_id_and_its_length_are_covered_and_with_it_the_header() {
        let headers = [
            RecordHeader { version: ProtocolVersion::DTLS_1_0, ..HEADER },
            RecordHeader { epoch: Epoch(2), ..HEADER },
            RecordHeader { number: RecordNumber::ZERO, ..HEADER },
        ];
        let cids: [&[u8]; 5] = [&[], &[0xc1], &[0xc1, 0xc2, 0xc2], &[0xc1, 0xc2, 0xc3, 0], &[0; 256]];
        for provider in providers() {
            for (id, sealed) in CID_RECORDS {
                let (_, opener) = pair(provider.cipher_suite(id).unwrap());
                for header in headers {
                    assert_eq!(opener.open_with_cid(&header, CID, &mut unhex(sealed)), Err(CryptoError), "{header:?}");
                }
                for cid in cids {
                    assert_eq!(opener.open_with_cid(&HEADER, cid, &mut unhex(sealed)), Err(CryptoError), "{cid:?}");
                }
                assert_eq!(opener.open(&HEADER, &mut unhex(sealed)), Err(CryptoError), "without an ID");
            }
            for (id, sealed) in RECORDS {
                let (_, opener) = pair(provider.cipher_suite(id).unwrap());
                assert_eq!(opener.open_with_cid(&HEADER, &[], &mut unhex(sealed)), Err(CryptoError), "{id}");
            }
        }
    }

    #[test]
    fn the_longest_connection_id_is_sealed_and_opened() {
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (sealer, opener) = pair(suite);
                let mut body = with_room(&sealer, PLAINTEXT);
                sealer.seal_with_cid(&HEADER, &[7; 255], &mut body).unwrap();
                assert_eq!(opener.open_with_cid(&HEADER, &[7; 255], &mut body.clone()).unwrap(), PLAINTEXT);
                assert_eq!(opener.open_with_cid(&HEADER, &[7; 254], &mut body), Err(CryptoError));
                assert_eq!(sealer.seal_with_cid(&HEADER, &[7; 256], &mut body), Err(CryptoError));
            }
        }
    }

    #[test]
    fn no_plaintext_is_left_where_opening_failed() {
        let secret = [0x5a; 300];
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (sealer, opener) = pair(suite);
                let mut body = with_room(&sealer, &secret);
                sealer.seal(&HEADER, &mut body).unwrap();
                *body.last_mut().unwrap() ^= 1;
                assert_eq!(opener.open(&HEADER, &mut body), Err(CryptoError));
                assert!(!body.windows(4).any(|window| window == [0x5a; 4]), "{suite:?} of {}", provider.name);
            }
        }
    }

    #[test]
    fn a_body_without_room_for_the_overhead_is_refused() {
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (sealer, opener) = pair(suite);
                assert_eq!(sealer.overhead(), suite.overhead());
                assert_eq!(opener.overhead(), suite.overhead());
                for len in 0..suite.overhead() {
                    assert_eq!(sealer.seal(&HEADER, &mut vec![0; len]), Err(CryptoError));
                    assert_eq!(opener.open(&HEADER, &mut vec![0; len]), Err(CryptoError));
                }
                let mut empty = vec![0; suite.overhead()];
                sealer.seal(&HEADER, &mut empty).unwrap();
                assert_eq!(opener.open(&HEADER, &mut empty).unwrap(), b"");
            }
        }
    }

    #[test]
    fn the_largest_epoch_and_number_do_not_run_into_each_other() {
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (sealer, opener) = pair(suite);
                let largest = RecordHeader { number: RecordNumber::MAX, epoch: Epoch(u16::MAX), ..HEADER };
                let mut body = with_room(&sealer, PLAINTEXT);
                sealer.seal(&largest, &mut body).unwrap();
                assert_eq!(opener.open(&largest, &mut body).unwrap(), PLAINTEXT);
            }
        }
    }

    #[test]
    fn more_than_a_record_can_hold_is_refused() {
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (sealer, opener) = pair(suite);
                let mut body = vec![0; (1 << 16) + suite.overhead()];
                assert_eq!(sealer.seal(&HEADER, &mut body), Err(CryptoError));
                assert_eq!(opener.open(&HEADER, &mut body), Err(CryptoError));
            }
        }
    }

    #[test]
    fn keys_of_the_wrong_length_are_refused() {
        for provider in providers() {
            for suite in &provider.cipher_suites {
                let (key, iv) = (vec![1; suite.key_len()], vec![2; suite.fixed_iv_len()]);
                assert!(RecordSealer::new(suite, &key, &iv).is_ok());
                assert!(RecordSealer::new(suite, &key[1..], &iv).is_err());
                assert!(RecordOpener::new(suite, &key, &iv[1..]).is_err());
                assert!(RecordOpener::new(suite, &[&key[..], &[1]].concat(), &iv).is_err());
                assert!(RecordSealer::new(suite, &[], &[]).is_err());
            }
        }
    }

    #[test]
    fn sealers_are_small_and_do_not_print_their_key() {
        assert!(size_of::<RecordSealer>() <= 64);
        assert!(size_of::<RecordOpener>() <= 64);
        for provider in providers() {
            let (sealer, opener) = pair(&provider.cipher_suites[0]);
            assert_eq!(alloc::format!("{sealer:?} {opener:?}"), "RecordSealer([redacted]) RecordOpener([redacted])");
        }
    }
}
