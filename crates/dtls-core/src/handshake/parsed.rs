//! A complete message, decoded: the types of RFC 5246 section 7.4 that a handshake here can use.

use super::reassembly::Message;
use crate::crypto::suite::KeyExchangeAlgorithm;
use crate::wire::certificate::{Certificate, CertificateRequest, CertificateStatus, CertificateVerify, RawPublicKey};
use crate::wire::codec::{Decode as _, DecodeError};
use crate::wire::enums::{CertificateType, HandshakeType};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::key_exchange::{EcdheClientKeyExchange, EcdheServerKeyExchange};
use crate::wire::psk::{
    EcdhePskClientKeyExchange, EcdhePskServerKeyExchange, PskClientKeyExchange, PskServerKeyExchange,
};
use crate::wire::small::{Finished, NewSessionTicket, ServerHelloDone};

/// What only the hellos say about how later messages are to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) key_exchange: KeyExchangeAlgorithm,
    /// In which form the peer shows its key.
    pub(crate) certificate_type: CertificateType,
}

impl Dialect {
    /// For the hellos themselves, which it does not concern.
    pub(crate) const USUAL: Self =
        Self { key_exchange: KeyExchangeAlgorithm::ECDHE_ECDSA, certificate_type: CertificateType::X509 };
}

/// The content of a handshake message.
#[derive(Debug)]
pub(crate) enum Parsed<'a> {
    ClientHello(ClientHello<'a>),
    ServerHello(ServerHello<'a>),
    Certificate(Certificate<'a>),
    RawPublicKey(RawPublicKey<'a>),
    CertificateStatus(CertificateStatus<'a>),
    ServerKeyExchange(EcdheServerKeyExchange<'a>),
    CertificateRequest,
    ServerHelloDone,
    CertificateVerify(CertificateVerify<'a>),
    ClientKeyExchange(EcdheClientKeyExchange<'a>),
    PskServerKeyExchange(PskServerKeyExchange<'a>),
    PskClientKeyExchange(PskClientKeyExchange<'a>),
    EcdhePskServerKeyExchange(EcdhePskServerKeyExchange<'a>),
    EcdhePskClientKeyExchange(EcdhePskClientKeyExchange<'a>),
    NewSessionTicket(NewSessionTicket<'a>),
    Finished(Finished<'a>),
}

impl<'a> Parsed<'a> {
    /// Decodes a message. It is decoded before any state is touched, so one that does not parse can be dropped.
    pub(crate) fn of(message: &'a Message, dialect: Dialect) -> Result<Self, DecodeError> {
        let Dialect { key_exchange, certificate_type } = dialect;
        let body = message.body();
        Ok(match message.typ {
            HandshakeType::CLIENT_HELLO => Self::ClientHello(ClientHello::decode_all(body)?),
            HandshakeType::SERVER_HELLO => Self::ServerHello(ServerHello::decode_all(body)?),
            HandshakeType::CERTIFICATE => match certificate_type {
                CertificateType::RAW_PUBLIC_KEY => Self::RawPublicKey(RawPublicKey::decode_all(body)?),
                _ => Self::Certificate(Certificate::decode_all(body)?),
            },
            HandshakeType::CERTIFICATE_STATUS => Self::CertificateStatus(CertificateStatus::decode_all(body)?),
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
            HandshakeType::NEW_SESSION_TICKET => Self::NewSessionTicket(NewSessionTicket::decode_all(body)?),
            HandshakeType::FINISHED => Self::Finished(Finished::decode_all(body)?),
            _ => return Err(DecodeError::ForbiddenValue),
        })
    }
}
