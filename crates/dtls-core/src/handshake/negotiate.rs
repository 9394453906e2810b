//! Offer and configuration to a choice or a reason: RFC 5246 section 7.4.1 and the extensions' own RFCs.
//!
//! Pure functions. Each picks by our own preference among what the peer offers; peers are known that list the weakest
//! first.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::credentials::{self, CertificateTypes};
use crate::config::{ClientConfig, ExtendedMasterSecret, PathChecks, RenegotiationInfo, ServerConfig, Settings};
use crate::crypto::sign::Identity;
use crate::crypto::suite::{CipherSuite, SuiteAuthentication};
use crate::crypto::x509::SubjectPublicKey;
use crate::error::Error;
use crate::event::{ConnectionIds, NegotiatedSrtp};
use crate::wire::certificate::CertificateRequest;
use crate::wire::connection_id::ConnectionId;
use crate::wire::enums::{
    CertificateType, CipherSuiteId, ClientCertificateType, CompressionMethod, EcPointFormat, ExtensionType,
    MaxFragmentLength, NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, ServerExtensions, UseSrtp};
use crate::wire::hello::{ClientHello, ServerHello};
use crate::wire::record::MAX_PLAINTEXT_U16;

// --- the server chooses ---

/// What a server picked from a ClientHello.
#[derive(Debug)]
pub(crate) struct ServerChoice {
    pub(crate) suite: CipherSuite,
    pub(crate) proof: ServerProof,
    /// `None` in suites without an ephemeral exchange.
    pub(crate) group: Option<NamedGroup>,
    /// What the client is asked to show; `None` for nothing.
    pub(crate) client_certificate_type: Option<CertificateType>,
    pub(crate) extended_master_secret: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<NegotiatedSrtp>,
    pub(crate) records: RecordLimits,
    pub(crate) connection_ids: Option<Box<ConnectionIds>>,
    /// Whether the client is told that paths may be checked.
    pub(crate) path_checks: bool,
    /// Whether the client can be answered with renegotiation_info.
    pub(crate) knows_renegotiation_info: bool,
    /// Whether the name that the client asks for has guided the choice, which the answer then says (RFC 6066 section 3).
    pub(crate) by_name: bool,
}

/// How a server proves itself.
#[derive(Clone, Debug)]
pub(crate) enum ServerProof {
    Signature {
        identity: Identity,
        scheme: SignatureScheme,
    },
    PresharedKey,
    /// By what the session that is resumed has in common.
    MasterSecret,
}

/// Refuses what no configuration could serve.
pub(crate) fn check_hello(hello: &ClientHello<'_>) -> Result<(), Error> {
    check_client_version(hello.version)?;
    if !hello.compression_methods.contains(&CompressionMethod::NULL) {
        return Err(Error::NullCompressionNotOffered);
    }
    check_point_formats(hello.extensions.ec_point_formats.as_deref())?;
    if hello.extensions.renegotiation_info.is_some_and(|info| !info.is_empty()) {
        return Err(Error::RenegotiationInfoNotEmpty);
    }
    Ok(())
}

/// Picks from what a client offers in a hello that [`check_hello`] has let through.
pub(crate) fn choose(hello: &ClientHello<'_>, config: &ServerConfig) -> Result<ServerChoice, Error> {
    let settings = &config.settings;
    let extensions = &hello.extensions;
    let extended_master_secret = match (settings.extended_master_secret, extensions.extended_master_secret) {
        (ExtendedMasterSecret::Require, false) => return Err(Error::ExtendedMasterSecretMissing),
        (ExtendedMasterSecret::Require | ExtendedMasterSecret::Prefer, offered) => offered,
        (ExtendedMasterSecret::Off, _) => false,
    };
    let group = choose_group(settings, extensions);
    let (suite, proof) = choose_suite(hello, config, group.is_some())?;
    let client_certificate_type = match proof {
        ServerProof::Signature { .. } => credentials::choose_client_type(extensions, config)?,
        ServerProof::PresharedKey | ServerProof::MasterSecret => None,
    };
    let group = group.filter(|_| suite.key_exchange.is_ephemeral());
    let choice = choose_terms(hello, settings, suite, proof)?;
    Ok(ServerChoice { client_certificate_type, group, extended_master_secret, ..choice })
}

/// Picks what is negotiated anew when a session is resumed.
pub(crate) fn resume(
    hello: &ClientHello<'_>,
    config: &ServerConfig,
    suite: CipherSuite,
) -> Result<ServerChoice, Error> {
    // RFC 7627 section 5.3: the session has it, so a hello without it was not said by the client of the session.
    if !hello.extensions.extended_master_secret {
        return Err(Error::ExtendedMasterSecretMissing);
    }
    choose_terms(hello, &config.settings, suite, ServerProof::MasterSecret)
}

/// What does not depend on how the two sides get their secret.
fn choose_terms(
    hello: &ClientHello<'_>,
    settings: &Settings,
    suite: CipherSuite,
    proof: ServerProof,
) -> Result<ServerChoice, Error> {
    let extensions = &hello.extensions;
    Ok(ServerChoice {
        suite,
        proof,
        client_certificate_type: None,
        group: None,
        extended_master_secret: true,
        alpn: choose_protocol(settings, extensions)?,
        srtp: extensions.use_srtp.as_ref().and_then(|offer| choose_srtp(settings, offer)),
        records: RecordLimits::of_server(settings, extensions),
        connection_ids: None,
        path_checks: false,
        knows_renegotiation_info: extensions.renegotiation_info.is_some()
            || hello.cipher_suites.contains(&CipherSuiteId::TLS_EMPTY_RENEGOTIATION_INFO_SCSV),
        by_name: false,
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

/// The first suite of ours that the client offers and one of our keys can serve: for signatures in a way the client
/// accepts, on a curve that it knows; for an ephemeral exchange if there is a group for it.
fn choose_suite(
    hello: &ClientHello<'_>,
    config: &ServerConfig,
    has_group: bool,
) -> Result<(CipherSuite, ServerProof), Error> {
    // A client that does not send signature_algorithms would mean SHA-1 (RFC 5246 section 7.4.1.4.1), which
    // RFC 9155 forbids: nothing is acceptable to it.
    let accepted = hello.extensions.signature_schemes.as_deref().unwrap_or_default();
    let can_read = |identity: &Identity| credentials::is_read_by_client(&hello.extensions, identity.certificate_type());
    let mut offered = config.suites.iter().filter(|suite| hello.cipher_suites.contains(&suite.id)).peekable();
    if offered.peek().is_none() {
        return Err(Error::NoCommonCipherSuite);
    }
    let failure = match (has_group, config.identities.iter().any(can_read)) {
        (false, _) => Error::NoCommonGroup,
        (true, false) => Error::NoCommonCertificateType,
        (true, true) => Error::NoCommonSignatureScheme,
    };
    offered
        .find_map(|suite| {
            if suite.key_exchange.is_ephemeral() && !has_group {
                return None;
            }
            let Some(kind) = suite.key_exchange.signed_by() else {
                return Some((*suite, ServerProof::PresharedKey));
            };
            let fits = |identity: &&Identity| {
                identity.key().kind() == kind
                    && can_read(identity)
                    && identity.curve().is_none_or(|curve| supports(&hello.extensions, curve))
            };
            config.identities.iter().filter(fits).find_map(|identity| {
                let scheme = choose_scheme(identity, &config.settings, accepted)?;
                Some((*suite, ServerProof::Signature { identity: identity.clone(), scheme }))
            })
        })
        .ok_or(failure)
}

/// The first scheme of ours that the identity's key can make and the peer accepts.
fn choose_scheme(identity: &Identity, settings: &Settings, accepted: &[SignatureScheme]) -> Option<SignatureScheme> {
    let can = identity.key().schemes();
    settings.signature_schemes.iter().copied().find(|scheme| can.contains(scheme) && accepted.contains(scheme))
}

fn choose_group(settings: &Settings, extensions: &ClientExtensions<'_>) -> Option<NamedGroup> {
    settings.groups.iter().copied().find(|group| supports(extensions, *group))
}

/// RFC 8422 section 4: what a client lists holds for key shares and for the curves of certificates, and a client that
/// lists nothing takes any.
fn supports(extensions: &ClientExtensions<'_>, group: NamedGroup) -> bool {
    extensions.supported_groups.as_ref().is_none_or(|list| list.contains(&group))
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

// --- how long records may be ---

/// How many bytes of plaintext a record may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordLimits {
    /// In records that we protect.
    pub(crate) sent: u16,
    /// In protected records that we take.
    pub(crate) received: u16,
    /// The same with content type and padding, where they are inside the protection (RFC 9146 section 4).
    pub(crate) received_inner: u16,
    /// In records that we send in the clear. Only max_fragment_length speaks of those.
    pub(crate) in_the_clear: u16,
}

impl RecordLimits {
    const LARGEST: u16 = MAX_PLAINTEXT_U16;
    pub(crate) const NONE: Self = Self {
        sent: Self::LARGEST,
        received: Self::LARGEST,
        received_inner: Self::LARGEST,
        in_the_clear: Self::LARGEST,
    };

    fn by_size(ours: u16, theirs: u16) -> Self {
        // RFC 8449 section 4: a peer may say more than this version allows.
        Self { sent: theirs.min(Self::LARGEST), received: ours, received_inner: ours, ..Self::NONE }
    }

    /// Whether max_fragment_length has been agreed on.
    pub(crate) const fn are_by_fragment_length(&self) -> bool {
        self.in_the_clear < Self::LARGEST
    }

    pub(crate) fn by_fragment_length(length: MaxFragmentLength) -> Self {
        let bytes = length.bytes().unwrap_or(Self::LARGEST);
        // RFC 6066 section 4 speaks of content alone, and nobody says whether a content type inside counts: the longest
        // content is taken, and a byte less sent.
        Self { sent: bytes, received: bytes, received_inner: Self::LARGEST, in_the_clear: bytes }
    }

    /// A limit holds for peers that know of it; others may send what the version allows (RFC 8449 section 4). Section 5: who
    /// knows record_size_limit passes over max_fragment_length where both stand.
    pub(crate) fn of_server(settings: &Settings, offer: &ClientExtensions<'_>) -> Self {
        let ours = settings.record_size_limit.unwrap_or(Self::LARGEST);
        match (offer.record_size_limit, offer.max_fragment_length) {
            (Some(theirs), _) => Self::by_size(ours, theirs),
            (None, Some(length)) => Self::by_fragment_length(length),
            (None, None) => Self::NONE,
        }
    }

    fn of_client(settings: &Settings, answer: &ServerExtensions<'_>) -> Result<Self, Error> {
        let ours = settings.record_size_limit.unwrap_or(Self::LARGEST);
        match (answer.record_size_limit, answer.max_fragment_length) {
            (Some(_), Some(_)) => Err(Error::ServerHelloLimitsRecordsTwice),
            (Some(theirs), None) => Ok(Self::by_size(ours, theirs)),
            (None, Some(length)) if settings.max_fragment_length == Some(length) => {
                Ok(Self::by_fragment_length(length))
            }
            (None, Some(_)) => Err(Error::ServerHelloChangedFragmentLength),
            (None, None) => Ok(Self::NONE),
        }
    }
}

// --- what records are recognised by ---

/// The connection IDs of both directions, if both ends know of them: `local` is what we want to receive, `remote` what the
/// peer's hello says (RFC 9146 section 3).
pub(crate) fn connection_ids(
    settings: &Settings,
    local: Option<&ConnectionId>,
    remote: Option<&[u8]>,
) -> Option<Box<ConnectionIds>> {
    let (local, remote) = local.filter(|_| settings.connection_id.is_on()).zip(remote)?;
    Some(Box::new(ConnectionIds { local: local.clone(), remote: ConnectionId::new(remote)? }))
}

/// Whether checks of paths are offered, or taken up, beside IDs that are (RFC 9853 section 3).
pub(crate) fn checks_paths(settings: &Settings, has_ids: bool) -> bool {
    has_ids && settings.path_checks == PathChecks::WithConnectionIds
}

// --- the client checks what was chosen ---

/// What a ServerHello settled.
#[derive(Debug)]
pub(crate) struct ClientChoice {
    pub(crate) suite: CipherSuite,
    pub(crate) extended_master_secret: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<NegotiatedSrtp>,
    pub(crate) records: RecordLimits,
    pub(crate) certificate_types: CertificateTypes,
    /// Whether the server may send a CertificateStatus.
    pub(crate) status_request: bool,
}

/// Checks that a server chose only from what `config` offered.
pub(crate) fn check_choice(
    hello: &ServerHello<'_>,
    config: &ClientConfig,
    server_name_sent: bool,
    is_resumed: bool,
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
    if let Some(unoffered) = first_unoffered(hello, config, server_name_sent) {
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
    let records = RecordLimits::of_client(settings, extensions)?;
    let has_certificates = suite.key_exchange.signed_by().is_some() && !is_resumed;
    let certificate_types = credentials::check_types(extensions, config, has_certificates)?;
    Ok(ClientChoice {
        suite,
        extended_master_secret: extensions.extended_master_secret,
        alpn,
        srtp,
        records,
        certificate_types,
        status_request: extensions.status_request,
    })
}

fn first_unoffered(hello: &ServerHello<'_>, config: &ClientConfig, server_name_sent: bool) -> Option<ExtensionType> {
    let settings = &config.settings;
    let extensions = &hello.extensions;
    let answered = [
        (ExtensionType::SERVER_NAME, extensions.server_name && !server_name_sent),
        (ExtensionType::USE_SRTP, extensions.use_srtp.is_some() && settings.srtp_profiles.is_empty()),
        (ExtensionType::ALPN, extensions.alpn.is_some() && settings.alpn.is_empty()),
        (
            ExtensionType::EXTENDED_MASTER_SECRET,
            extensions.extended_master_secret && settings.extended_master_secret == ExtendedMasterSecret::Off,
        ),
        (
            ExtensionType::RECORD_SIZE_LIMIT,
            extensions.record_size_limit.is_some() && settings.record_size_limit.is_none(),
        ),
        (
            ExtensionType::MAX_FRAGMENT_LENGTH,
            extensions.max_fragment_length.is_some() && settings.max_fragment_length.is_none(),
        ),
        (
            ExtensionType::CLIENT_CERTIFICATE_TYPE,
            extensions.client_certificate_type.is_some() && credentials::offered_by_client(config).is_none(),
        ),
        (
            ExtensionType::SERVER_CERTIFICATE_TYPE,
            extensions.server_certificate_type.is_some() && credentials::read_by_client(config).is_none(),
        ),
        (ExtensionType::STATUS_REQUEST, extensions.status_request && !config.wants_ocsp_response()),
        (ExtensionType::SESSION_TICKET, extensions.session_ticket && !config.resumable),
        (ExtensionType::CONNECTION_ID, extensions.connection_id.is_some() && !settings.connection_id.is_on()),
        (ExtensionType::RRC, extensions.rrc && !checks_paths(settings, settings.connection_id.is_on())),
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

/// Whether the server's key is on a curve that we listed (RFC 8422 section 5.3).
pub(crate) fn check_curve(key: &SubjectPublicKey<'_>, settings: &Settings) -> Result<(), Error> {
    match key.curve() {
        Some(curve) if !settings.groups.contains(&curve) => Err(Error::UnofferedGroup(curve)),
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

/// Which of our identities to show to a server that sent this CertificateRequest, and how to sign: the first that suits
/// it by form and key and was issued by an authority that the server names, or by any if it names none (RFC 5246 section
/// 7.4.4). Where none was, a client with one identity shows it all the same, since many servers do not name all that they
/// take; with several it does not guess whom to disclose.
pub(crate) fn choose_identity(
    request: &CertificateRequest<'_>,
    identities: &[Identity],
    typ: CertificateType,
    settings: &Settings,
) -> Option<(Identity, SignatureScheme)> {
    let may_be_shown = |identity: &Identity| {
        // Nobody issues bare keys.
        typ == CertificateType::RAW_PUBLIC_KEY
            || request.authorities.is_empty()
            || identities.len() == 1
            || identity.is_issued_by(&request.authorities)
    };
    let of_its_form = identities.iter().filter(|identity| identity.certificate_type() == typ);
    let mut suitable = of_its_form.filter_map(|identity| Some((identity, client_scheme(request, identity, settings)?)));
    let (identity, scheme) = suitable.find(|(identity, _)| may_be_shown(identity))?;
    Some((identity.clone(), scheme))
}

/// The scheme to sign with; `None` if the identity does not suit the server.
fn client_scheme(
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

#[cfg(test)]
mod tests;
