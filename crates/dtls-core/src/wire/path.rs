//! What two ends say to find out whether a path leads to the other: RFC 9853 section 4.
//!
//! ```text
//!   +----------+--------------------------+
//!   | msg_type | cookie, 8 bytes          |   the whole payload of a record
//!   +----------+--------------------------+
//! ```

use alloc::vec::Vec;
use core::fmt;

use super::codec::{Decode, DecodeError, Encode, Reader};
use super::enums::RrcMessageType;

/// One message of a return routability check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathMessage<'a> {
    /// Whoever receives this is to send its cookie back.
    Challenge(PathCookie),
    /// The challenge with this cookie was received.
    Response(PathCookie),
    /// The challenge with this cookie was received on a path that the sender has left.
    Drop(PathCookie),
    /// A message of a type that this engine does not know, to be ignored.
    Unknown {
        /// Its type.
        typ: RrcMessageType,
        /// What follows the type, of any length.
        body: &'a [u8],
    },
}

impl Encode for PathMessage<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        let (typ, body) = match self {
            Self::Challenge(cookie) => (RrcMessageType::PATH_CHALLENGE, &cookie.0[..]),
            Self::Response(cookie) => (RrcMessageType::PATH_RESPONSE, &cookie.0[..]),
            Self::Drop(cookie) => (RrcMessageType::PATH_DROP, &cookie.0[..]),
            Self::Unknown { typ, body } => (*typ, *body),
        };
        out.push(typ.0);
        out.extend_from_slice(body);
    }
}

impl<'a> Decode<'a> for PathMessage<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let message: fn(PathCookie) -> Self = match RrcMessageType(reader.u8()?) {
            RrcMessageType::PATH_CHALLENGE => Self::Challenge,
            RrcMessageType::PATH_RESPONSE => Self::Response,
            RrcMessageType::PATH_DROP => Self::Drop,
            typ => return Ok(Self::Unknown { typ, body: reader.rest() }),
        };
        Ok(message(PathCookie(*reader.array()?)))
    }
}

/// What a challenge bears and its answer repeats: random bytes, so that nobody can answer who has not received it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathCookie(pub [u8; Self::LEN]);

impl PathCookie {
    /// How many bytes it has.
    pub const LEN: usize = 8;
}

/// Without the bytes: who reads a log must not be able to answer.
impl fmt::Debug for PathCookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PathCookie(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;
    use alloc::format;

    const COOKIE: PathCookie = PathCookie([1, 2, 3, 4, 5, 6, 7, 8]);

    #[test]
    fn each_message_is_its_type_and_its_cookie_and_nothing_else() {
        for (typ, message) in
            [(0, PathMessage::Challenge(COOKIE)), (1, PathMessage::Response(COOKIE)), (2, PathMessage::Drop(COOKIE))]
        {
            let bytes = [typ, 1, 2, 3, 4, 5, 6, 7, 8];
            assert_eq!(message.to_vec(), bytes);
            assert_eq!(PathMessage::decode_all(&bytes), Ok(message));
            laws::cut_or_prolonged_bytes_are_refused(&bytes, &[], |bytes| PathMessage::decode_all(bytes).map(drop));
        }
    }

    #[test]
    fn a_message_of_an_unknown_type_is_read_whatever_it_says() {
        for typ in 3..=255 {
            for body in [&[][..], &[0], &[7; 300]] {
                let message = PathMessage::Unknown { typ: RrcMessageType(typ), body };
                assert_eq!(PathMessage::decode_all(&message.to_vec()), Ok(message));
            }
        }
        assert!(PathMessage::decode_all(&[]).is_err());
    }

    #[test]
    fn a_cookie_is_not_printed() {
        assert_eq!(format!("{COOKIE:?}"), "PathCookie(..)");
    }
}
