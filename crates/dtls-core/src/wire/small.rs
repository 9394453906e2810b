//! Messages of a few bytes: RFC 5246 sections 7.1, 7.2, 7.4.1.1, 7.4.5 and 7.4.9, RFC 5077 section 3.3.
//!
//! [`Alert`] and [`ChangeCipherSpec`] are the whole payload of a record; the others are bodies of handshake messages.
//! The exact sizes hold when they are read with [`Decode::decode_all`].

use alloc::vec::Vec;

use super::codec::{Decode, DecodeError, Encode, Reader, put_vector};
use super::enums::{AlertDescription, AlertLevel};

/// What a side has to say about the connection: exactly two bytes, one alert for each record (RFC 5246 section 7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alert {
    /// How bad it is. Any value can be received.
    pub level: AlertLevel,
    /// What it is. Any value can be received.
    pub description: AlertDescription,
}

impl Alert {
    /// The size of an alert in bytes.
    pub const LEN: usize = 2;

    /// An alert after which the connection is over.
    #[must_use]
    pub const fn fatal(description: AlertDescription) -> Self {
        Self { level: AlertLevel::FATAL, description }
    }

    /// An alert after which the connection may go on.
    #[must_use]
    pub const fn warning(description: AlertDescription) -> Self {
        Self { level: AlertLevel::WARNING, description }
    }

    /// The alert as it stands on the wire.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LEN] {
        [self.level.0, self.description.0]
    }
}

impl Encode for Alert {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }
}

impl Decode<'_> for Alert {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { level: AlertLevel(reader.u8()?), description: AlertDescription(reader.u8()?) })
    }
}

/// The sender's next record is protected with the new keys: exactly one byte, 1 (RFC 5246 section 7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeCipherSpec;

impl ChangeCipherSpec {
    /// The one byte it consists of.
    pub const BYTE: u8 = 1;
}

impl Encode for ChangeCipherSpec {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(CHANGE_CIPHER_SPEC);
    }
}

impl Decode<'_> for ChangeCipherSpec {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? == CHANGE_CIPHER_SPEC { Ok(Self) } else { Err(DecodeError::ForbiddenValue) }
    }
}

/// A server asks for a new handshake: no bytes (RFC 5246 section 7.4.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HelloRequest;

impl Encode for HelloRequest {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

impl Decode<'_> for HelloRequest {
    fn decode(_reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// The server has said what it has to say: no bytes (RFC 5246 section 7.4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerHelloDone;

impl Encode for ServerHelloDone {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

impl Decode<'_> for ServerHelloDone {
    fn decode(_reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

/// The proof that both sides saw the same handshake (RFC 5246 section 7.4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished<'a> {
    /// As many bytes as every suite of this engine has: the default of RFC 5246. Compare them in constant time.
    pub verify_data: &'a [u8; 12],
}

impl Encode for Finished<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.verify_data);
    }
}

impl<'a> Decode<'a> for Finished<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { verify_data: reader.array()? })
    }
}

/// A ticket with which the session can be resumed (RFC 5077 section 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewSessionTicket<'a> {
    /// How many seconds the server means to honour the ticket; 0 leaves it open. A hint and not a promise.
    pub lifetime_hint: u32,
    /// The ticket; empty if the server has changed its mind and gives none.
    pub ticket: &'a [u8],
}

impl Encode for NewSessionTicket<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.lifetime_hint.to_be_bytes());
        put_vector::<2>(out, |out| out.extend_from_slice(self.ticket));
    }
}

impl<'a> Decode<'a> for NewSessionTicket<'a> {
    fn decode(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { lifetime_hint: reader.u32()?, ticket: reader.vector_u16()? })
    }
}

/// The only value of a ChangeCipherSpec (RFC 5246 section 7.1).
const CHANGE_CIPHER_SPEC: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::laws;
    use alloc::vec;
    use proptest::collection::vec as vec_of;
    use proptest::prelude::*;

    #[test]
    fn an_alert_is_exactly_two_bytes_of_any_value() {
        let alert = Alert::fatal(AlertDescription::DECODE_ERROR);
        assert_eq!(alert.to_bytes(), [2, 50]);
        assert_eq!(Alert::warning(AlertDescription::CLOSE_NOTIFY).to_bytes(), [1, 0]);
        laws::cut_or_prolonged_bytes_are_refused(&alert.to_vec(), &[], |bytes| Alert::decode_all(bytes).map(drop));
        for (level, description) in [(0, 0), (3, 0), (255, 255), (2, 200)] {
            let expected = Alert { level: AlertLevel(level), description: AlertDescription(description) };
            assert_eq!(Alert::decode_all(&[level, description]), Ok(expected));
        }
        assert_eq!(Alert::decode_all(&[1, 0, 1, 0]), Err(DecodeError::TrailingBytes), "two alerts in one record");
    }

    #[test]
    fn a_change_cipher_spec_is_exactly_the_byte_1() {
        let cases: [(&[u8], Result<ChangeCipherSpec, DecodeError>); 6] = [
            (&[], Err(DecodeError::Truncated)),
            (&[0], Err(DecodeError::ForbiddenValue)),
            (&[2], Err(DecodeError::ForbiddenValue)),
            (&[255], Err(DecodeError::ForbiddenValue)),
            (&[1, 1], Err(DecodeError::TrailingBytes)),
            (&[1], Ok(ChangeCipherSpec)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(ChangeCipherSpec::decode_all(bytes), expected, "{bytes:?}");
        }
        assert_eq!(ChangeCipherSpec.to_vec(), [1]);
    }

    #[test]
    fn hello_requests_and_server_hello_dones_have_no_bytes() {
        assert_eq!(HelloRequest::decode_all(&[]), Ok(HelloRequest));
        assert_eq!(HelloRequest::decode_all(&[0]), Err(DecodeError::TrailingBytes));
        assert!(HelloRequest.to_vec().is_empty());
        assert_eq!(ServerHelloDone::decode_all(&[]), Ok(ServerHelloDone));
        assert_eq!(ServerHelloDone::decode_all(&[0]), Err(DecodeError::TrailingBytes));
        assert!(ServerHelloDone.to_vec().is_empty());
    }

    #[test]
    fn a_finished_is_exactly_twelve_bytes() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        let finished = Finished { verify_data: &bytes };
        assert_eq!(finished.to_vec(), bytes);
        assert_eq!(Finished::decode_all(&bytes), Ok(finished));
        laws::cut_or_prolonged_bytes_are_refused(&bytes, &[], |bytes| Finished::decode_all(bytes).map(drop));
        assert_eq!(Finished::decode_all(&[0; 36]), Err(DecodeError::TrailingBytes));
    }

    #[test]
    fn a_new_session_ticket_has_the_layout_of_rfc_5077() {
        let ticket = NewSessionTicket { lifetime_hint: 0x0102_0304, ticket: &[5, 6] };
        assert_eq!(ticket.to_vec(), [1, 2, 3, 4, 0, 2, 5, 6]);
        laws::cut_or_prolonged_bytes_are_refused(&ticket.to_vec(), &[], |bytes| {
            NewSessionTicket::decode_all(bytes).map(drop)
        });
        laws::accepted_bytes_are_kept(&ticket.to_vec(), |bytes| Ok(NewSessionTicket::decode_all(bytes)?.to_vec()));
        assert_eq!(NewSessionTicket::decode_all(&[0, 0, 0, 0, 0xff, 0xff, 1]), Err(DecodeError::Truncated));
    }

    #[test]
    fn a_ticket_may_be_empty_or_long_and_live_for_any_time() {
        let long = vec![7; 65_535];
        for ticket in [&[][..], &long] {
            for lifetime_hint in [0, u32::MAX] {
                let message = NewSessionTicket { lifetime_hint, ticket };
                assert_eq!(NewSessionTicket::decode_all(&message.to_vec()), Ok(message));
            }
        }
    }

    proptest! {
        #[test]
        fn alerts_survive_encoding_and_decoding(level: u8, description: u8) {
            let alert = Alert { level: AlertLevel(level), description: AlertDescription(description) };
            let bytes = alert.to_vec();
            prop_assert_eq!(Alert::decode_all(&bytes), Ok(alert));
        }

        #[test]
        fn finisheds_survive_encoding_and_decoding(verify_data: [u8; 12]) {
            let finished = Finished { verify_data: &verify_data };
            let bytes = finished.to_vec();
            prop_assert_eq!(Finished::decode_all(&bytes), Ok(finished));
        }

        #[test]
        fn new_session_tickets_survive_encoding_and_decoding(
            lifetime_hint: u32, ticket in vec_of(any::<u8>(), 0..600),
        ) {
            let message = NewSessionTicket { lifetime_hint, ticket: &ticket };
            let bytes = message.to_vec();
            prop_assert_eq!(NewSessionTicket::decode_all(&bytes), Ok(message));
        }
    }
}
