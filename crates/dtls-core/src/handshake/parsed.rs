//! A complete message, decoded: the types of RFC 5246 section 7.4 that a handshake here can use.

use super::reassembly::Message;
use crate::crypto::suite::KeyExchangeAlgorithm;
use crate::wire::certificate::{Certificate, CertificateRequest, CertificateVerify};
use crate::wire::codec::{Decode as _, DecodeError};
use crate::wire::enums::HandshakeType;
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange};
use crate::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};
use crate::wire::small::{Finished, ServerHelloDone};

/// The content of a handshake message.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    ClientHello(ClientHello<'a>),
    ServerHello(ServerHello<'a>),
    Certificate(Certificate<'a>),
    ServerKeyExchange(EcdheServerKeyExchange<'a>),
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify(CertificateVerify<'a>),
    ClientKeyExchange(EcdheClientKeyExchange<'a>),
    PskServerKeyExchange(PskServerKeyExchange<'a>),
    PskClientKeyExchange(PskClientKeyExchange<'a>),
    EcdhePskServerKeyExchange(EcdhePskServerKeyExchange<'a>),
    EcdhePskClientKeyExchange(EcdhePskClientKeyExchange<'a>),
    Finished(Finished<'a>),
}

impl<'a> Parsed<'a> {
    /// Decodes a message. It is decoded before any state is touched, so one that does not parse can be dropped. What a
    /// key exchange message is, only the suite says.
    pub(crate) fn of(message: &'a Message, key_exchange: KeyExchangeAlgorithm) -> Result<Self, DecodeError> {
        let body = message.body();
        Ok(match message.typ {
            HandshakeType::CLIENT_HELLO => Self::ClientHello(ClientHello::decode_all(body)?),
            HandshakeType::SERVER_HELLO => Self::ServerHello(ServerHello::decode_all(body)?),
            HandshakeType::CERTIFICATE => Self::Certificate(Certificate::decode_all(body)?),
            HandshakeType::SERVER_KEY_EXCHANGE => match key_exchange {
                KeyExchangeAlgorithm::Psk => Self::PskServerKeyExchange(PskServerKeyExchange::decode_all(body)?),
                KeyExchangeAlgorithm::EcdhePsk => {
                    Self::EcdhePskServerKeyExchange(EcdhePskServerKeyExchange::decode_all(body)?)
                }
                KeyExchangeAlgorithm::Ecdhe(_) => Self::ServerKeyExchange(EcdheServerKeyExchange::decode_all(body)?),
            },
            HandshakeType::CERTIFICATE_REQUEST => {
                CertificateRequest::decode_all(body).map(|_| Self::CertificateRequest)?
            }
            HandshakeType::SERVER_HELLO_DONE => ServerHelloDone::decode_all(body).map(|_| Self::ServerHelloDone)?,
            HandshakeType::CERTIFICATE_VERIFY => Self::CertificateVerify(CertificateVerify::decode_all(body)?),
            HandshakeType::CLIENT_KEY_EXCHANGE => match key_exchange {
                KeyExchangeAlgorithm::Psk => Self::PskClientKeyExchange(PskClientKeyExchange::decode_all(body)?),
                KeyExchangeAlgorithm::EcdhePsk => {
                    Self::EcdhePskClientKeyExchange(EcdhePskClientKeyExchange::decode_all(body)?)
                }
                KeyExchangeAlgorithm::Ecdhe(_) => Self::ClientKeyExchange(EcdheClientKeyExchange::decode_all(body)?),
            },
            HandshakeType::FINISHED => Self::Finished(Finished::decode_all(body)?),
            _ => return Err(DecodeError::ForbiddenValue),
        })
    }
}
