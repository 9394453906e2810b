//! Offer and configuration to a choice or a reason: RFC 5246 section 7.4.1 and the extensions' own RFCs.
//!
//! Pure functions. Each picks by our own preference among what the peer offers; peers are known that list the weakest
//! first.

use alloc::vec::Vec;

use crate::config::{ClientConfig, ExtendedMasterSecret, RenegotiationInfo, ServerConfig, Settings};
use crate::crypto::sign::Identity;
use crate::crypto::suite::{CipherSuite, SuiteAuthentication};
use crate::error::Error;
use crate::event::NegotiatedSrtp;
use crate::wire::certificate::CertificateRequest;
use crate::wire::enums::{
    CipherSuiteId, ClientCertificateType, CompressionMethod, EcPointFormat, ExtensionType, NamedGroup, ProtocolVersion,
    SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, UseSrtp};
use crate::wire::hello::{ClientHello, ServerHello};

// --- the server chooses ---

/// What a server picked from a ClientHello.
#[derive(Debug)]
pub(crate) struct ServerChoice<'c> {
    pub(crate) suite: CipherSuite,
    pub(crate) identity: &'c Identity,
    pub(crate) scheme: SignatureScheme,
    pub(crate) group: NamedGroup,
    pub(crate) extended_master_secret: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<NegotiatedSrtp>,
    /// Whether the client can be answered with renegotiation_info.
    pub(crate) knows_renegotiation_info: bool,
}

/// Picks from what a client offers.
pub(crate) fn choose<'c>(hello: &ClientHello<'_>, config: &'c ServerConfig) -> Result<ServerChoice<'c>, Error> {
    let settings = &config.settings;
    let extensions = &hello.extensions;
    check_client_version(hello.version)?;
    if !hello.compression_methods.contains(&CompressionMethod::NULL) {
        return Err(Error::NullCompressionNotOffered);
    }
    check_point_formats(extensions.ec_point_formats.as_deref())?;
    if extensions.renegotiation_info.is_some_and(|info| !info.is_empty()) {
        return Err(Error::RenegotiationInfoNotEmpty);
    }
    let extended_master_secret = match (settings.extended_master_secret, extensions.extended_master_secret) {
        (ExtendedMasterSecret::Require, false) => return Err(Error::ExtendedMasterSecretMissing),
        (ExtendedMasterSecret::Require | ExtendedMasterSecret::Prefer, offered) => offered,
        (ExtendedMasterSecret::Off, _) => false,
    };
    let (suite, identity, scheme) = choose_suite(hello, config)?;
    let group = choose_group(settings, extensions)?;
    Ok(ServerChoice {
        suite,
        identity,
        scheme,
        group,
        extended_master_secret,
        alpn: choose_protocol(settings, extensions)?,
        srtp: extensions.use_srtp.as_ref().and_then(|offer| choose_srtp(settings, offer)),
        knows_renegotiation_info: extensions.renegotiation_info.is_some()
            || hello.cipher_suites.contains(&CipherSuiteId::TLS_EMPTY_RENEGOTIATION_INFO_SCSV),
    })
}

/// RFC 6347 section 4.1: versions count downwards, so a client that offers more than 1.2 says a smaller number.
fn check_client_version(version: ProtocolVersion) -> Result<(), Error> {
    let is_dtls = version.0 >> 8 == 0xfe;
    if is_dtls && version.0 <= ProtocolVersion::DTLS_1_2.0 { Ok(()) } else { Err(Error::UnsupportedVersion(version)) }
}

fn check_point_formats(formats: Option<&[EcPointFormat]>) -> Result<(), Error> {
    // RFC 8422 section 5.1.2: a list without the uncompressed form is an error, no list says nothing.
    match formats {
        Some(formats) if !formats.contains(&EcPointFormat::UNCOMPRESSED) => Err(Error::UncompressedPointsRefused),
        _ => Ok(()),
    }
}

/// The first suite of ours that the client offers and one of our keys can sign for in a way the client accepts.
fn choose_suite<'c>(
    hello: &ClientHello<'_>,
    config: &'c ServerConfig,
) -> Result<(CipherSuite, &'c Identity, SignatureScheme), Error> {
    // A client that does not send signature_algorithms would mean SHA-1 (RFC 5246 section 7.4.1.4.1), which
    // RFC 9155 forbids: nothing is acceptable to it.
    let accepted = hello.extensions.signature_schemes.as_deref().unwrap_or_default();
    let mut offered = config.suites.iter().filter(|suite| hello.cipher_suites.contains(&suite.id)).peekable();
    if offered.peek().is_none() {
        return Err(Error::NoCommonCipherSuite);
    }
    offered
        .find_map(|suite| {
            config.identities.iter().filter(|identity| identity.key().kind() == suite.authentication).find_map(
                |identity| {
                    let scheme = choose_scheme(identity, &config.settings, accepted)?;
                    Some((*suite, identity, scheme))
                },
            )
        })
        .ok_or(Error::NoCommonSignatureScheme)
}

/// The first scheme of ours that the identity's key can make and the peer accepts.
fn choose_scheme(identity: &Identity, settings: &Settings, accepted: &[SignatureScheme]) -> Option<SignatureScheme> {
    let can = identity.key().schemes();
    settings.signature_schemes.iter().copied().find(|scheme| can.contains(scheme) && accepted.contains(scheme))
}

fn choose_group(settings: &Settings, extensions: &ClientExtensions<'_>) -> Result<NamedGroup, Error> {
    // RFC 8422 section 4: a client without the extension takes any group.
    let acceptable = |group: &&NamedGroup| extensions.supported_groups.as_ref().is_none_or(|list| list.contains(group));
    settings.groups.iter().find(acceptable).copied().ok_or(Error::NoCommonGroup)
}

fn choose_protocol(settings: &Settings, extensions: &ClientExtensions<'_>) -> Result<Option<Vec<u8>>, Error> {
    let Some(offered) = &extensions.alpn else { return Ok(None) };
    if settings.alpn.is_empty() {
        return Ok(None);
    }
    let common = settings.alpn.iter().find(|ours| offered.contains(&ours.as_slice()));
    common.cloned().map(Some).ok_or(Error::NoCommonApplicationProtocol)
}

fn choose_srtp(settings: &Settings, offer: &UseSrtp<'_>) -> Option<NegotiatedSrtp> {
    let profile = settings.srtp_profiles.iter().copied().find(|ours| offer.profiles.contains(ours))?;
    // RFC 5764 section 4.1.3: the server repeats the client's MKI or says that it uses none.
    let mki = if settings.srtp_mki == offer.mki { settings.srtp_mki.clone() } else { Vec::new() };
    Some(NegotiatedSrtp { profile, mki })
}

// --- the client checks what was chosen ---

/// What a ServerHello settled.
#[derive(Debug)]
pub(crate) struct ClientChoice {
    pub(crate) suite: CipherSuite,
    pub(crate) extended_master_secret: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<NegotiatedSrtp>,
}

/// Checks that a server chose only from what `config` offered.
pub(crate) fn check_choice(
    hello: &ServerHello<'_>,
    config: &ClientConfig,
    server_name_sent: bool,
) -> Result<ClientChoice, Error> {
    let settings = &config.settings;
    let extensions = &hello.extensions;
    if hello.version != ProtocolVersion::DTLS_1_2 {
        return Err(Error::UnsupportedVersion(hello.version));
    }
    let suite = config.suites.iter().find(|suite| suite.id == hello.cipher_suite);
    let suite = *suite.ok_or(Error::ServerHelloChoseUnofferedSuite(hello.cipher_suite))?;
    if hello.compression_method != CompressionMethod::NULL {
        return Err(Error::ServerHelloChoseCompression);
    }
    if let Some(unoffered) = first_unoffered(hello, settings, server_name_sent) {
        return Err(Error::ServerHelloSentUnofferedExtension(unoffered));
    }
    check_point_formats(extensions.ec_point_formats.as_deref())?;
    match (settings.renegotiation_info, extensions.renegotiation_info) {
        (_, Some([])) | (RenegotiationInfo::Tolerate, None) => {}
        (_, Some(_)) => return Err(Error::RenegotiationInfoNotEmpty),
        (RenegotiationInfo::Require, None) => return Err(Error::RenegotiationInfoMissing),
    }
    if settings.extended_master_secret == ExtendedMasterSecret::Require && !extensions.extended_master_secret {
        return Err(Error::ExtendedMasterSecretMissing);
    }
    let alpn = extensions.alpn.map(<[u8]>::to_vec);
    if alpn.as_ref().is_some_and(|chosen| !settings.alpn.contains(chosen)) {
        return Err(Error::ServerHelloChoseUnofferedProtocol);
    }
    let srtp = extensions.use_srtp.as_ref().map(|answer| check_srtp(settings, answer)).transpose()?;
    Ok(ClientChoice { suite, extended_master_secret: extensions.extended_master_secret, alpn, srtp })
}

fn first_unoffered(hello: &ServerHello<'_>, settings: &Settings, server_name_sent: bool) -> Option<ExtensionType> {
    let extensions = &hello.extensions;
    let answered = [
        (ExtensionType::SERVER_NAME, extensions.server_name && !server_name_sent),
        (ExtensionType::USE_SRTP, extensions.use_srtp.is_some() && settings.srtp_profiles.is_empty()),
        (ExtensionType::ALPN, extensions.alpn.is_some() && settings.alpn.is_empty()),
        (
            ExtensionType::EXTENDED_MASTER_SECRET,
            extensions.extended_master_secret && settings.extended_master_secret == ExtendedMasterSecret::Off,
        ),
        (ExtensionType::SESSION_TICKET, extensions.session_ticket),
    ];
    let modelled = answered.into_iter().find_map(|(extension, unoffered)| unoffered.then_some(extension));
    modelled.or(extensions.unmodelled)
}

fn check_srtp(settings: &Settings, answer: &UseSrtp<'_>) -> Result<NegotiatedSrtp, Error> {
    let profile = match answer.profiles.as_slice() {
        [profile] if settings.srtp_profiles.contains(profile) => *profile,
        _ => return Err(Error::ServerHelloChoseUnofferedSrtpProfile),
    };
    if !answer.mki.is_empty() && answer.mki != settings.srtp_mki {
        return Err(Error::ServerHelloChangedMki);
    }
    Ok(NegotiatedSrtp { profile, mki: answer.mki.to_vec() })
}

/// Whether a signature of the peer's may use this scheme with this suite: one that we offered, by a key of the kind
/// that the suite names (RFC 8422 section 5.10).
pub(crate) fn check_scheme(
    scheme: SignatureScheme,
    settings: &Settings,
    kind: Option<SuiteAuthentication>,
) -> Result<(), Error> {
    if !settings.signature_schemes.contains(&scheme) {
        return Err(Error::UnofferedSignatureScheme(scheme));
    }
    match kind {
        Some(kind) if kind != scheme_kind(scheme) => Err(Error::SignatureSchemeDoesNotFitKey(scheme)),
        _ => Ok(()),
    }
}

const fn scheme_kind(scheme: SignatureScheme) -> SuiteAuthentication {
    match scheme {
        SignatureScheme::ECDSA_SECP256R1_SHA256
        | SignatureScheme::ECDSA_SECP384R1_SHA384
        | SignatureScheme::ED25519 => SuiteAuthentication::Ecdsa,
        _ => SuiteAuthentication::Rsa,
    }
}

// --- the client shows who it is ---

/// The scheme to sign with for a server that sent this CertificateRequest; `None` if our certificate does not suit it.
pub(crate) fn choose_client_scheme(
    request: &CertificateRequest<'_>,
    identity: &Identity,
    settings: &Settings,
) -> Option<SignatureScheme> {
    let wanted = match identity.key().kind() {
        SuiteAuthentication::Ecdsa => ClientCertificateType::ECDSA_SIGN,
        SuiteAuthentication::Rsa => ClientCertificateType::RSA_SIGN,
    };
    if !request.certificate_types.contains(&wanted) {
        return None;
    }
    choose_scheme(identity, settings, &request.signature_schemes)
}
