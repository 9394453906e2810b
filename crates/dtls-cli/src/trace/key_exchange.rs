//! What is worth knowing of the messages that exchange keys: RFC 8422 sections 5.4 and 5.7, RFC 4279 section 2, RFC 5489
//! section 2.
//!
//! Which form a message has only the suite says, which went by in another datagram. So each form is tried, and what fits
//! one to the last byte is taken for it. A hint or an identity begins with its length in two bytes: below 256 the first of them
//! is a zero, which begins neither a curve nor a public key.

use dtls_core::wire::codec::{Decode as _, DecodeError};
use dtls_core::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange};
use dtls_core::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};

use crate::escape;

/// Of a ServerKeyExchange.
pub(super) fn server_facts(body: &[u8]) -> Result<String, DecodeError> {
    let signed = EcdheServerKeyExchange::decode_all(body)
        .map(|exchange| format!("group={} signature={}", exchange.group, exchange.scheme));
    let hinted = || {
        EcdhePskServerKeyExchange::decode_all(body)
            .map(|exchange| format!("hint={} group={}", escape::word(exchange.hint), exchange.group))
    };
    let hint =
        || PskServerKeyExchange::decode_all(body).map(|exchange| format!("hint={}", escape::word(exchange.hint)));
    // Where none fits, the first has the most to say of why.
    signed.or_else(|fault| hinted().or_else(|_| hint()).map_err(|_| fault))
}

/// Of a ClientKeyExchange.
pub(super) fn client_facts(body: &[u8]) -> Result<String, DecodeError> {
    let key = |public_key: &[u8]| format!("public_key={}", public_key.len());
    let alone = EcdheClientKeyExchange::decode_all(body).map(|exchange| key(exchange.public_key));
    let identified = || {
        EcdhePskClientKeyExchange::decode_all(body)
            .map(|exchange| format!("identity={} {}", escape::word(exchange.identity), key(exchange.public_key)))
    };
    let identity = || {
        PskClientKeyExchange::decode_all(body).map(|exchange| format!("identity={}", escape::word(exchange.identity)))
    };
    alone.or_else(|fault| identified().or_else(|_| identity()).map_err(|_| fault))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_both_messages_is_told_as_what_it_is() {
        for (body, facts) in [
            (&b"\x03\0\x1d\x01\x07\x08\x07\0\0"[..], "group=x25519 signature=ed25519"),
            (b"\0\x02hi\x03\0\x1d\x02\x07\x08", "hint=hi group=x25519"),
            (b"\0\0\x03\0\x1d\x02\x07\x08", "hint=hex: group=x25519"),
            (b"\0\x02hi", "hint=hi"),
        ] {
            assert_eq!(server_facts(body).as_deref(), Ok(facts));
        }
        for (body, facts) in [
            (&b"\x02\x07\x08"[..], "public_key=2"),
            (b"\0\x08sensor 1\x02\x07\x08", "identity=hex:73656e736f722031 public_key=2"),
            (b"\0\x02me", "identity=me"),
        ] {
            assert_eq!(client_facts(body).as_deref(), Ok(facts));
        }
    }

    #[test]
    fn what_has_no_form_is_told_with_the_fault_of_the_first() {
        for body in [&b""[..], b"\x03", b"\0", b"\0\x03hi", b"\0\x02hi\x03\0\x1d\x02\x07"] {
            assert_eq!(server_facts(body), Err(EcdheServerKeyExchange::decode_all(body).unwrap_err()), "{body:?}");
        }
        for body in [&b""[..], b"\x03", b"\0\x03hi", b"\0\x02me\x02\x07"] {
            assert_eq!(client_facts(body), Err(EcdheClientKeyExchange::decode_all(body).unwrap_err()), "{body:?}");
        }
    }
}
