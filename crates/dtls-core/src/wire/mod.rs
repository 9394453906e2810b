//! Bytes to values and back: RFC 6347 sections 4.1 and 4.2.2, and the messages of RFC 5246 section 7.
//!
//! No state, no cryptography, no policy: a decoder says whether bytes have the right form, never whether a value is
//! welcome. Decoders borrow from their input.
//!
//! ```text
//!   datagram  +--------------------------------+-----------------+   one UDP payload
//!             | record                         | record          |   record: 13-byte header, body
//!             +--------------------------------+-----------------+
//!                            |
//!   record    +--------+-----v-----------------+
//!             | header | fragment   | fragment |                     fragment: 12-byte header, body
//!             +--------+-----------------------+                     (handshake records only; protected bodies
//!                            |                                       are opened first)
//!   fragment  +--------+-----v-----------------+
//!             | header | bytes of one message  |
//!             +--------+-----------------------+
//!                            |   put together by `message_seq` and `fragment_offset`, in `handshake`
//!   message   +--------------v-----------------+
//!             | ClientHello, Certificate, ...  |
//!             +--------------------------------+
//! ```
//!
//! A record never crosses the end of its datagram and a fragment never crosses the end of its record.

pub mod certificate;
pub mod codec;
pub mod connection_id;
pub mod enums;
pub mod extensions;
pub mod fragment;
pub mod hello;
pub mod key_exchange;
pub mod onlooker;
pub mod path;
pub mod psk;
pub mod record;
pub mod small;

/// The laws that every message obeys, for the tests beside each message.
#[cfg(test)]
pub(crate) mod laws {
    use super::codec::DecodeError;
    use alloc::vec::Vec;

    /// `bytes` are accepted; every shorter piece and every longer one is refused.
    ///
    /// `legal_cuts` are the lengths at which a shorter piece is a message too.
    pub(crate) fn cut_or_prolonged_bytes_are_refused(
        bytes: &[u8],
        legal_cuts: &[usize],
        decode: impl Fn(&[u8]) -> Result<(), DecodeError>,
    ) {
        assert_eq!(decode(bytes), Ok(()));
        for len in 0..bytes.len() {
            assert_eq!(decode(&bytes[..len]).is_ok(), legal_cuts.contains(&len), "cut to {len} bytes");
        }
        for extra in 1..=16 {
            let mut longer = bytes.to_vec();
            longer.resize(bytes.len() + extra, 0);
            assert_eq!(decode(&longer), Err(DecodeError::TrailingBytes), "{extra} bytes too many");
        }
    }

    /// Whatever one changed byte makes of `bytes`: if it is accepted, encoding it again gives the same bytes.
    pub(crate) fn accepted_bytes_are_kept(bytes: &[u8], again: impl Fn(&[u8]) -> Result<Vec<u8>, DecodeError>) {
        let mut changed = bytes.to_vec();
        for at in 0..bytes.len() {
            for value in 0..=u8::MAX {
                changed[at] = value;
                if let Ok(encoded) = again(&changed) {
                    assert_eq!(encoded, changed, "byte {at} changed to {value:#04x}");
                }
            }
            changed[at] = bytes[at];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::certificate::{Certificate, CertificateRequest, CertificateVerify};
    use super::codec::{Decode, Encode, Reader};
    use super::fragment::Fragments;
    use super::hello::{ClientHello, ClientHelloPrefix, HelloVerifyRequest, ServerHello};
    use super::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange};
    use super::path::PathMessage;
    use super::record::Records;
    use super::small::{Alert, ChangeCipherSpec, Finished, HelloRequest, NewSessionTicket, ServerHelloDone};
    use proptest::prelude::*;

    /// Encodes what `bytes` decode to, if anything; the bytes may differ only where extensions were dropped or sorted.
    fn read_and_write<'a, T: Decode<'a> + Encode>(bytes: &'a [u8], keeps_bytes: bool) {
        if let Ok(value) = T::decode_all(bytes) {
            let encoded = value.to_vec();
            assert!(encoded == bytes || !keeps_bytes, "{bytes:?} became {encoded:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            read_and_write::<ClientHello<'_>>(&bytes, false);
            read_and_write::<ServerHello<'_>>(&bytes, false);
            read_and_write::<HelloVerifyRequest<'_>>(&bytes, true);
            read_and_write::<Certificate<'_>>(&bytes, true);
            read_and_write::<CertificateRequest<'_>>(&bytes, true);
            read_and_write::<CertificateVerify<'_>>(&bytes, true);
            read_and_write::<EcdheServerKeyExchange<'_>>(&bytes, true);
            read_and_write::<EcdheClientKeyExchange<'_>>(&bytes, true);
            read_and_write::<NewSessionTicket<'_>>(&bytes, true);
            read_and_write::<Finished<'_>>(&bytes, true);
            read_and_write::<Alert>(&bytes, true);
            read_and_write::<ChangeCipherSpec>(&bytes, true);
            read_and_write::<ServerHelloDone>(&bytes, true);
            read_and_write::<HelloRequest>(&bytes, true);
            read_and_write::<PathMessage<'_>>(&bytes, true);
            let _ = ClientHelloPrefix::decode(&mut Reader::new(&bytes));
            prop_assert!(Records::new(&bytes).count() <= bytes.len() / 13 + 1);
            prop_assert!(Fragments::new(&bytes).count() <= bytes.len() / 12 + 1);
        }
    }
}
