//! Every way a peer can be wrong, and the alert each deserves.
//!
//! An [`Error`] ends a connection and reaches the application as [`Event::Failed`](crate::Event::Failed); no call
//! returns one because of what a peer sent. What can be dropped without ending anything is a
//! [`Discard`](crate::Discard) and never an error.

use core::fmt;

use crate::wire::codec::DecodeError;
use crate::wire::enums::{
    AlertDescription, CertificateType, CipherSuiteId, ExtensionType, HandshakeType, NamedGroup, ProtocolVersion,
    SignatureScheme,
};

/// Why a connection failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    // --- any time ---
    /// The peer sent a fatal alert, or closed the connection before the handshake was complete.
    AlertReceived(AlertDescription),
    /// The handshake did not complete within the time that the configuration allows.
    HandshakeTimeout,
    /// A message that the peer must not send at this point.
    UnexpectedMessage(HandshakeType),
    /// A message that does not parse.
    Malformed(HandshakeType, DecodeError),
    /// More warnings in a row than any honest peer sends.
    TooManyWarnings,
    /// So many forged records have arrived that the key must not be used any more (RFC 9147 section 4.5.3).
    TooManyForgedRecords,
    /// The cryptography provider failed; nothing about the peer is known to be wrong.
    CryptoFailed,
    /// The record numbers, the message numbers or what may be sealed under one key are used up (RFC 6347 section 4.1).
    NumbersExhausted,

    // --- hellos ---
    /// The peer speaks no version that we speak.
    UnsupportedVersion(ProtocolVersion),
    /// The client offers no cipher suite that the configuration and its keys allow.
    NoCommonCipherSuite,
    /// The client asks for no name that is served here (RFC 6066 section 3).
    UnrecognizedName,
    /// The client asks for no name at all, and only names are served here.
    ServerNameMissing,
    /// The client supports no group that the configuration allows.
    NoCommonGroup,
    /// The client accepts no signature that our keys can make, does not say what it accepts, or does not support the
    /// curves of our keys (RFC 8422 section 5.3).
    NoCommonSignatureScheme,
    /// None of the client's application protocols is configured here (RFC 7301 section 3.2).
    NoCommonApplicationProtocol,
    /// The client does not offer the null compression method (RFC 5246 section 7.4.1.2).
    NullCompressionNotOffered,
    /// The peer does not accept uncompressed points (RFC 8422 section 5.1.2).
    UncompressedPointsRefused,
    /// The peer does not use the extended master secret, which the configuration requires (RFC 7627).
    ExtendedMasterSecretMissing,
    /// The server does not know secure renegotiation, which the configuration requires (RFC 5746 section 4.1).
    RenegotiationInfoMissing,
    /// The peer's renegotiation_info is not empty in an initial handshake (RFC 5746 section 3).
    RenegotiationInfoNotEmpty,
    /// The server chose a cipher suite that was not offered (RFC 5246 section 7.4.1.3).
    ServerHelloChoseUnofferedSuite(CipherSuiteId),
    /// The server chose a compression method that is not null.
    ServerHelloChoseCompression,
    /// The server answered an extension that the client did not send (RFC 5246 section 7.4.1.4).
    ServerHelloSentUnofferedExtension(ExtensionType),
    /// The server chose an application protocol that was not offered (RFC 7301 section 3.1).
    ServerHelloChoseUnofferedProtocol,
    /// The server chose an SRTP profile that was not offered (RFC 5764 section 4.1.1).
    ServerHelloChoseUnofferedSrtpProfile,
    /// The server answered with an MKI other than the client's (RFC 5764 section 4.1.3).
    ServerHelloChangedMki,
    /// The server answered with another max_fragment_length than the client's (RFC 6066 section 4).
    ServerHelloChangedFragmentLength,
    /// The server resumes a session with another cipher suite than it had (RFC 5246 section 7.4.1.3).
    ServerHelloChangedSuite(CipherSuiteId),
    /// The server answered both max_fragment_length and record_size_limit (RFC 8449 section 5).
    ServerHelloLimitsRecordsTwice,

    // --- keys and certificates ---
    /// The peer uses a group that was not offered, for its key share or as the curve of its certificate's key (RFC 8422
    /// section 5.3).
    UnofferedGroup(NamedGroup),
    /// The peer's public key share is not a valid point.
    BadKeyShare,
    /// The peer signed with a scheme that was not offered.
    UnofferedSignatureScheme(SignatureScheme),
    /// The peer signed with a scheme that does not fit its certificate's key or the cipher suite.
    SignatureSchemeDoesNotFitKey(SignatureScheme),
    /// The peer's signature is wrong: it does not hold the key of its certificate.
    BadSignature,
    /// There is no form of certificate, raw public keys among them, that one side can show and the other can read (RFC 7250
    /// section 4.2).
    NoCommonCertificateType,
    /// The server chose a form of certificate that was not offered (RFC 7250 section 4.2).
    UnofferedCertificateType(CertificateType),
    /// The peer sent no certificate although one is required.
    CertificateMissing,
    /// The peer's certificate is not trusted.
    Certificate(CertificateError),
    /// The client calls itself by an identity whose pre-shared key is not known here (RFC 4279 section 2).
    UnknownPskIdentity,
    /// There is no pre-shared key for the hint that the server gave.
    NoPskForHint,
    /// A signer of ours has failed, or given a signature that is not by the key of our certificate.
    SignerFailed,
    /// The owner of the connection could not make a decision that it was asked for:
    /// [`Answer::Failed`](crate::Answer::Failed).
    DecisionFailed,
    /// The identity that was chosen for the server, by a [`ChooseIdentity`](crate::config::ChooseIdentity) or the owner, shows
    /// its key in another form than was agreed.
    IdentityOfOtherForm {
        /// The form that the server wants to see (RFC 7250).
        agreed: CertificateType,
    },
    /// The client's Finished does not decrypt, and the configuration does not wait: the pre-shared keys probably differ.
    PskMismatch,
    /// The peer's Finished does not match the handshake (RFC 5246 section 7.4.9).
    FinishedMismatch,
}

impl Error {
    /// The alert that tells the peer; `None` if it is the peer who told us, or if nobody listens.
    ///
    /// This is the only place where an alert is chosen.
    #[must_use]
    pub const fn alert(&self) -> Option<AlertDescription> {
        Some(match self {
            Self::AlertReceived(_) | Self::HandshakeTimeout => return None,
            Self::UnexpectedMessage(_) | Self::TooManyWarnings => AlertDescription::UNEXPECTED_MESSAGE,
            Self::Malformed(_, DecodeError::ForbiddenValue | DecodeError::DuplicateExtension(_)) => {
                AlertDescription::ILLEGAL_PARAMETER
            }
            Self::Malformed(_, DecodeError::Truncated | DecodeError::TrailingBytes | DecodeError::VectorLength) => {
                AlertDescription::DECODE_ERROR
            }
            Self::TooManyForgedRecords | Self::PskMismatch => AlertDescription::BAD_RECORD_MAC,
            Self::UnknownPskIdentity => AlertDescription::UNKNOWN_PSK_IDENTITY,
            Self::CryptoFailed
            | Self::NumbersExhausted
            | Self::SignerFailed
            | Self::DecisionFailed
            | Self::IdentityOfOtherForm { .. } => AlertDescription::INTERNAL_ERROR,
            Self::UnsupportedVersion(_) => AlertDescription::PROTOCOL_VERSION,
            Self::NoCommonCipherSuite
            | Self::NoCommonGroup
            | Self::ServerNameMissing
            | Self::NoCommonSignatureScheme
            | Self::ExtendedMasterSecretMissing
            | Self::RenegotiationInfoMissing
            | Self::RenegotiationInfoNotEmpty
            | Self::NoPskForHint
            | Self::CertificateMissing => AlertDescription::HANDSHAKE_FAILURE,
            Self::NoCommonCertificateType => AlertDescription::UNSUPPORTED_CERTIFICATE,
            Self::UnrecognizedName => AlertDescription::UNRECOGNIZED_NAME,
            Self::NoCommonApplicationProtocol => AlertDescription::NO_APPLICATION_PROTOCOL,
            Self::NullCompressionNotOffered
            | Self::UncompressedPointsRefused
            | Self::ServerHelloChoseUnofferedSuite(_)
            | Self::ServerHelloChoseCompression
            | Self::ServerHelloChoseUnofferedProtocol
            | Self::ServerHelloChoseUnofferedSrtpProfile
            | Self::ServerHelloChangedMki
            | Self::ServerHelloChangedFragmentLength
            | Self::ServerHelloLimitsRecordsTwice
            | Self::ServerHelloChangedSuite(_)
            | Self::UnofferedGroup(_)
            | Self::UnofferedCertificateType(_)
            | Self::BadKeyShare
            | Self::UnofferedSignatureScheme(_)
            | Self::SignatureSchemeDoesNotFitKey(_) => AlertDescription::ILLEGAL_PARAMETER,
            Self::ServerHelloSentUnofferedExtension(_) => AlertDescription::UNSUPPORTED_EXTENSION,
            Self::BadSignature | Self::FinishedMismatch => AlertDescription::DECRYPT_ERROR,
            Self::Certificate(error) => error.alert(),
        })
    }

    /// Whether one side tells the other by a fatal alert, and neither by silence nor by a close_notify that came early.
    pub(crate) fn is_fatal_alert(&self) -> bool {
        self.alert_received().is_some_and(|alert| alert != AlertDescription::CLOSE_NOTIFY) || self.alert().is_some()
    }

    /// The alert that the peer sent, if that is why the connection failed.
    #[must_use]
    pub const fn alert_received(&self) -> Option<AlertDescription> {
        match self {
            Self::AlertReceived(description) => Some(*description),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlertReceived(description) => write!(f, "the peer sent the alert {description}"),
            Self::HandshakeTimeout => f.write_str("the handshake did not complete in time"),
            Self::UnexpectedMessage(typ) => write!(f, "the peer sent a {typ} where none may come"),
            Self::Malformed(typ, fault) => write!(f, "the peer's {typ} does not parse: {fault}"),
            Self::TooManyWarnings => f.write_str("the peer sent too many warnings"),
            Self::TooManyForgedRecords => f.write_str("too many forged records arrived"),
            Self::CryptoFailed => f.write_str("the cryptography provider failed"),
            Self::NumbersExhausted => {
                f.write_str("the record or message numbers, or what may be sealed under a key, are used up")
            }
            Self::UnsupportedVersion(version) => write!(f, "the peer wants {version}, only DTLSv1.2 is spoken here"),
            Self::NoCommonCipherSuite => f.write_str("the client offers no cipher suite that is enabled here"),
            Self::UnrecognizedName => f.write_str("the client asks for no name that is served here"),
            Self::ServerNameMissing => f.write_str("the client does not say which name it wants"),
            Self::NoCommonGroup => f.write_str("the client supports no group that is enabled here"),
            Self::NoCommonSignatureScheme => f.write_str("the client takes no signature that our keys can make"),
            Self::NoCommonApplicationProtocol => f.write_str("the client offers no application protocol spoken here"),
            Self::NullCompressionNotOffered => f.write_str("the client does not offer null compression"),
            Self::UncompressedPointsRefused => f.write_str("the peer does not accept uncompressed points"),
            Self::ExtendedMasterSecretMissing => f.write_str("the peer does not use the extended master secret"),
            Self::RenegotiationInfoMissing => f.write_str("the server does not know secure renegotiation"),
            Self::RenegotiationInfoNotEmpty => f.write_str("the peer's renegotiation_info is not empty"),
            Self::ServerHelloChoseUnofferedSuite(suite) => write!(f, "the server chose {suite}, which was not offered"),
            Self::ServerHelloChoseCompression => f.write_str("the server chose to compress"),
            Self::ServerHelloSentUnofferedExtension(extension) => {
                write!(f, "the server sent {extension}, which was not offered")
            }
            Self::ServerHelloChoseUnofferedProtocol => {
                f.write_str("the server chose an application protocol that was not offered")
            }
            Self::ServerHelloChoseUnofferedSrtpProfile => {
                f.write_str("the server chose an SRTP profile that was not offered")
            }
            Self::ServerHelloChangedMki => f.write_str("the server answered with another MKI"),
            Self::ServerHelloChangedFragmentLength => {
                f.write_str("the server answered with another max_fragment_length")
            }
            Self::ServerHelloChangedSuite(suite) => {
                write!(f, "the server resumed the session with {suite}, another suite than it had")
            }
            Self::ServerHelloLimitsRecordsTwice => {
                f.write_str("the server answered both max_fragment_length and record_size_limit")
            }
            Self::UnofferedGroup(group) => write!(f, "the peer used the group {group}, which was not offered"),
            Self::BadKeyShare => f.write_str("the peer's key share is not a valid point"),
            Self::UnofferedSignatureScheme(scheme) => {
                write!(f, "the peer signed with {scheme}, which was not offered")
            }
            Self::SignatureSchemeDoesNotFitKey(scheme) => {
                write!(f, "the peer signed with {scheme}, which does not fit its key")
            }
            Self::BadSignature => f.write_str("the peer's signature is wrong"),
            Self::NoCommonCertificateType => {
                f.write_str("the peer shows or reads neither certificates nor raw public keys as we do")
            }
            Self::UnofferedCertificateType(typ) => {
                write!(f, "the server chose certificates of the type {typ}, which was not offered")
            }
            Self::CertificateMissing => f.write_str("the peer sent no certificate"),
            Self::Certificate(error) => write!(f, "{error}"),
            Self::UnknownPskIdentity => f.write_str("the client's pre-shared key is not known here"),
            Self::NoPskForHint => f.write_str("there is no pre-shared key for the server's hint"),
            Self::SignerFailed => {
                f.write_str("our signer gave no signature, or one that is not by our certificate's key")
            }
            Self::DecisionFailed => f.write_str("the application could not decide what it was asked"),
            Self::IdentityOfOtherForm { agreed } => {
                write!(f, "the identity chosen for the server is of another form than the one agreed on, {agreed}")
            }
            Self::PskMismatch => f.write_str("the client's Finished does not decrypt: the keys probably differ"),
            Self::FinishedMismatch => f.write_str("the peer's Finished does not match the handshake"),
        }
    }
}

impl core::error::Error for Error {}

/// Why a peer's certificates are not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateError {
    /// Malformed, or of a form that the verifier does not take.
    Unreadable,
    /// No way leads from the leaf to a root we trust.
    UnknownIssuer,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotValidYet,
    /// It is not for the name we meant to reach, or we were given none.
    NameMismatch,
    /// It was withdrawn.
    Revoked,
    /// What OCSP says of it is not satisfactory (RFC 6066 section 8).
    BadStatusResponse,
    /// It is not for this use: a leaf that does not sign or serve in this role, an issuer that may not issue.
    WrongUsage,
    /// A certificate's signature is not by its issuer.
    BadSignature,
    /// A certificate is signed with an algorithm that the provider does not have.
    UnsupportedSignature,
    /// Checking would take more steps than we are willing to make for a stranger.
    TooMuchWork,
    /// It is not one of those we were told to expect.
    NotPinned,
    /// The verifier's clock does not know what time it is.
    NoTime,
    /// A custom verifier said no.
    Rejected,
}

impl CertificateError {
    pub(crate) const fn alert(self) -> AlertDescription {
        match self {
            Self::UnknownIssuer => AlertDescription::UNKNOWN_CA,
            Self::Expired => AlertDescription::CERTIFICATE_EXPIRED,
            Self::Revoked => AlertDescription::CERTIFICATE_REVOKED,
            Self::BadStatusResponse => AlertDescription::BAD_CERTIFICATE_STATUS_RESPONSE,
            Self::WrongUsage | Self::UnsupportedSignature => AlertDescription::UNSUPPORTED_CERTIFICATE,
            Self::Unreadable | Self::NotValidYet | Self::NameMismatch | Self::BadSignature | Self::NotPinned => {
                AlertDescription::BAD_CERTIFICATE
            }
            Self::TooMuchWork | Self::Rejected => AlertDescription::CERTIFICATE_UNKNOWN,
            Self::NoTime => AlertDescription::INTERNAL_ERROR,
        }
    }
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => {
                "the peer's certificate is malformed or of a form that is not taken; a chain must be of X.509 v3 \
                 certificates"
            }
            Self::UnknownIssuer => {
                "the peer's certificate does not lead to a trusted root; trust its issuer, or have the peer send the \
                 intermediate certificates"
            }
            Self::Expired => "the peer's certificate has expired; renew it, or set this machine's clock",
            Self::NotValidYet => "the peer's certificate is not valid yet; set this machine's clock, or the issuer's",
            Self::NameMismatch => {
                "the peer's certificate is not for the expected name; connect by a name or address among its subject \
                 alternative names"
            }
            Self::BadStatusResponse => {
                "what OCSP says of the peer's certificate is not satisfactory; the peer needs a fresh response"
            }
            Self::Revoked => "the peer's certificate has been revoked; the peer needs a new one",
            Self::WrongUsage => {
                "the peer's certificate is not for this use; check its key usage, extended key usage and basic \
                 constraints"
            }
            Self::BadSignature => {
                "a signature in the peer's certificate chain is wrong; if an issuer of that name has a new key, trust \
                 its new certificate"
            }
            Self::UnsupportedSignature => {
                "the peer's certificate chain is signed with an algorithm that the provider does not have"
            }
            Self::TooMuchWork => {
                "the peer's certificate chain takes too much work to verify; have it send a shorter one"
            }
            Self::NotPinned => "the peer's certificate is not one of those that were pinned; compare its fingerprint",
            Self::NoTime => "certificates have dates and the clock does not know the time; set the clock",
            Self::Rejected => "the peer's certificate was rejected by the application's verifier",
        })
    }
}

impl core::error::Error for CertificateError {}
