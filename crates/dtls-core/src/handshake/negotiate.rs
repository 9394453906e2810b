//! Offer and configuration to a choice or a reason: RFC 5246 section 7.4.1 and the extensions' own RFCs.
//!
//! Pure functions. Each picks by our own preference among what the peer offers; peers are known that list the weakest
//! first.

use alloc::vec::Vec;

use rustls_pki_types::CertificateDer;

use crate::config::{ClientConfig, ExtendedMasterSecret, RenegotiationInfo, ServerConfig, Settings};
use crate::crypto::sign::Identity;
use crate::crypto::subject_public_key;
use crate::crypto::suite::{CipherSuite, SuiteAuthentication};
use crate::error::{CertificateError, Error};
use crate::event::NegotiatedSrtp;
use crate::wire::certificate::CertificateRequest;
use crate::wire::enums::{
    CipherSuiteId, ClientCertificateType, CompressionMethod, EcPointFormat, ExtensionType, MaxFragmentLength,
    NamedGroup, ProtocolVersion, SignatureScheme,
};
use crate::wire::extensions::{ClientExtensions, ServerExtensions, UseSrtp};
use crate::wire::hello::{ClientHello, ServerHello};

// --- the server chooses ---

/// What a server picked from a ClientHello.
#[derive(Debug)]
pub(crate) struct ServerChoice {
    pub(crate) suite: CipherSuite,
    pub(crate) proof: ServerProof,
    /// `None` in suites without an ephemeral exchange.
    pub(crate) group: Option<NamedGroup>,
    pub(crate) extended_master_secret: bool,
    pub(crate) alpn: Option<Vec<u8>>,
    pub(crate) srtp: Option<NegotiatedSrtp>,
    pub(crate) records: RecordLimits,
    /// Whether the client can be answered with renegotiation_info.
    pub(crate) knows_renegotiation_info: bool,
    /// Whether the name that the client asks for has guided the choice, which the answer then says (RFC 6066 section 3).
    pub(crate) by_name: bool,
}

/// How a server proves itself.
#[derive(Clone, Debug)]
pub(crate) enum ServerProof {
    Signature { identity: Identity, scheme: SignatureScheme },
    PresharedKey,
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
    Ok(ServerChoice {
        suite,
        proof,
        group: group.filter(|_| suite.key_exchange.is_ephemeral()),
        extended_master_secret,
        alpn: choose_protocol(settings, extensions)?,
        srtp: extensions.use_srtp.as_ref().and_then(|offer| choose_srtp(settings, offer)),
        records: RecordLimits::of_server(settings, extensions),
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
    let mut offered = config.suites.iter().filter(|suite| hello.cipher_suites.contains(&suite.id)).peekable();
    if offered.peek().is_none() {
        return Err(Error::NoCommonCipherSuite);
    }
    offered
        .find_map(|suite| {
            if suite.key_exchange.is_ephemeral() && !has_group {
                return None;
            }
            let Some(kind) = suite.key_exchange.signed_by() else {
                return Some((*suite, ServerProof::PresharedKey));
            };
            let fits = |identity: &&Identity| {
                identity.key().kind() == kind && identity.curve().is_none_or(|curve| supports(&hello.extensions, curve))
            };
            config.identities.iter().filter(fits).find_map(|identity| {
                let scheme = choose_scheme(identity, &config.settings, accepted)?;
                Some((*suite, ServerProof::Signature { identity: identity.clone(), scheme }))
            })
        })
        .ok_or(if has_group { Error::NoCommonSignatureScheme } else { Error::NoCommonGroup })
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
    /// In records that we send in the clear. Only max_fragment_length speaks of those.
    pub(crate) in_the_clear: u16,
}

impl RecordLimits {
    /// What RFC 5246 section 6.2.1 allows.
    pub(crate) const LARGEST: u16 = 1 << 14;
    pub(crate) const NONE: Self = Self { sent: Self::LARGEST, received: Self::LARGEST, in_the_clear: Self::LARGEST };

    fn by_size(ours: u16, theirs: u16) -> Self {
        // RFC 8449 section 4: a peer may say more than this version allows.
        Self { sent: theirs.min(Self::LARGEST), received: ours, ..Self::NONE }
    }

    fn by_fragment_length(ours: u16, length: MaxFragmentLength) -> Self {
        let bytes = length.bytes().unwrap_or(Self::LARGEST);
        Self { sent: bytes, received: bytes.min(ours), in_the_clear: bytes }
    }

    /// RFC 8449 section 5: who knows record_size_limit passes over max_fragment_length where both stand.
    fn of_server(settings: &Settings, offer: &ClientExtensions<'_>) -> Self {
        let ours = settings.record_size_limit.unwrap_or(Self::LARGEST);
        match (offer.record_size_limit, offer.max_fragment_length) {
            (Some(theirs), _) => Self::by_size(ours, theirs),
            (None, Some(length)) => Self::by_fragment_length(ours, length),
            (None, None) => Self::by_size(ours, Self::LARGEST),
        }
    }

    fn of_client(settings: &Settings, answer: &ServerExtensions<'_>) -> Result<Self, Error> {
        let ours = settings.record_size_limit.unwrap_or(Self::LARGEST);
        match (answer.record_size_limit, answer.max_fragment_length) {
            (Some(_), Some(_)) => Err(Error::ServerHelloLimitsRecordsTwice),
            (Some(theirs), None) => Ok(Self::by_size(ours, theirs)),
            (None, Some(length)) if settings.max_fragment_length == Some(length) => {
                Ok(Self::by_fragment_length(ours, length))
            }
            (None, Some(_)) => Err(Error::ServerHelloChangedFragmentLength),
            (None, None) => Ok(Self::by_size(ours, Self::LARGEST)),
        }
    }
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
    let records = RecordLimits::of_client(settings, extensions)?;
    Ok(ClientChoice { suite, extended_master_secret: extensions.extended_master_secret, alpn, srtp, records })
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
        (
            ExtensionType::RECORD_SIZE_LIMIT,
            extensions.record_size_limit.is_some() && settings.record_size_limit.is_none(),
        ),
        (
            ExtensionType::MAX_FRAGMENT_LENGTH,
            extensions.max_fragment_length.is_some() && settings.max_fragment_length.is_none(),
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

/// Whether the server's certificate is on a curve that we listed (RFC 8422 section 5.3).
pub(crate) fn check_curve(leaf: &CertificateDer<'_>, settings: &Settings) -> Result<(), Error> {
    let key = subject_public_key(leaf).map_err(|_| Error::Certificate(CertificateError::Unreadable))?;
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
/// it by its key, of those issued by an authority that the server names if there is one (RFC 5246 section 7.4.4).
pub(crate) fn choose_identity(
    request: &CertificateRequest<'_>,
    identities: &[Identity],
    settings: &Settings,
) -> Option<(Identity, SignatureScheme)> {
    let suitable =
        identities.iter().filter_map(|identity| Some((identity, client_scheme(request, identity, settings)?)));
    let (identity, scheme) = match suitable.clone().find(|(identity, _)| identity.is_issued_by(&request.authorities)) {
        Some(named) => named,
        None => suitable.clone().next()?,
    };
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
mod tests {
    use super::*;
    use crate::crypto::x509::issuer;
    use crate::crypto::{Fingerprint, Fingerprints, testing};
    use crate::wire::enums::SrtpProfile;
    use crate::wire::hello::Random;
    use alloc::sync::Arc;
    use alloc::vec;

    const SUITE: CipherSuiteId = CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256;

    fn server(change: impl FnOnce(&mut Settings)) -> ServerConfig {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        ServerConfig::builder(provider).identity(identity).configure(change).build().unwrap()
    }

    fn client(change: impl FnOnce(&mut Settings)) -> ClientConfig {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let trust = Arc::new(Fingerprints::new(&provider, [Fingerprint::new([0; 32])]).unwrap());
        let (certificate, key) = testing::self_signed();
        let identity = Identity::new(&provider, vec![certificate], key).unwrap();
        ClientConfig::builder(provider).trust(trust).identity(identity).configure(change).build().unwrap()
    }

    /// A hello that any server here accepts.
    fn hello() -> ClientHello<'static> {
        ClientHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([7; 32]),
            session_id: &[],
            cookie: &[],
            cipher_suites: vec![SUITE],
            compression_methods: vec![CompressionMethod::NULL],
            extensions: ClientExtensions {
                supported_groups: Some(vec![NamedGroup::SECP256R1, NamedGroup::X25519]),
                ec_point_formats: Some(vec![EcPointFormat::UNCOMPRESSED]),
                signature_schemes: Some(vec![SignatureScheme::ECDSA_SECP256R1_SHA256]),
                extended_master_secret: true,
                renegotiation_info: Some(&[]),
                ..ClientExtensions::default()
            },
        }
    }

    fn scheme(choice: &ServerChoice) -> Option<SignatureScheme> {
        match choice.proof {
            ServerProof::Signature { scheme, .. } => Some(scheme),
            ServerProof::PresharedKey => None,
        }
    }

    /// An answer that any client here accepts.
    fn answer() -> ServerHello<'static> {
        ServerHello {
            version: ProtocolVersion::DTLS_1_2,
            random: Random([8; 32]),
            session_id: &[],
            cipher_suite: SUITE,
            compression_method: CompressionMethod::NULL,
            extensions: crate::wire::extensions::ServerExtensions {
                extended_master_secret: true,
                renegotiation_info: Some(&[]),
                ..Default::default()
            },
        }
    }

    #[test]
    fn the_server_picks_by_its_own_order_and_ignores_what_it_does_not_know() {
        let mut offer = hello();
        offer.version = ProtocolVersion(0xfefc);
        offer.cipher_suites =
            vec![CipherSuiteId(0x0a0a), CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, SUITE];
        offer.compression_methods = vec![CompressionMethod(1), CompressionMethod::NULL];
        offer.extensions.supported_groups = Some(vec![NamedGroup(0x1a1a), NamedGroup::SECP256R1, NamedGroup::X25519]);
        offer.extensions.signature_schemes = Some(vec![
            SignatureScheme(0x2a2a),
            SignatureScheme::RSA_PKCS1_SHA256,
            SignatureScheme::ECDSA_SECP256R1_SHA256,
        ]);
        offer.extensions.ec_point_formats = Some(vec![EcPointFormat(2), EcPointFormat::UNCOMPRESSED]);
        let config = server(|_| {});
        let choice = choose(&offer, &config).unwrap();
        assert_eq!((choice.suite.id, choice.group), (SUITE, Some(NamedGroup::X25519)));
        assert_eq!(scheme(&choice), Some(SignatureScheme::ECDSA_SECP256R1_SHA256));
    }

    #[test]
    fn a_client_that_states_no_groups_or_formats_takes_any() {
        let mut offer = hello();
        offer.extensions.supported_groups = None;
        offer.extensions.ec_point_formats = None;
        let config = server(|settings| settings.groups = vec![NamedGroup::SECP384R1]);
        assert_eq!(choose(&offer, &config).unwrap().group, Some(NamedGroup::SECP384R1));
    }

    #[test]
    fn an_ecdsa_certificate_is_shown_only_to_clients_that_know_its_curve() {
        let provider = Arc::new(testing::providers().swap_remove(0));
        let identity = |algorithm| {
            let (certificate, key) = testing::self_signed_by(algorithm);
            Identity::new(&provider, vec![certificate], key).unwrap()
        };
        let config = ServerConfig::builder(Arc::clone(&provider))
            .identity(identity(&rcgen::PKCS_ECDSA_P256_SHA256))
            .identity(identity(&rcgen::PKCS_ECDSA_P384_SHA384))
            .identity(identity(&rcgen::PKCS_ED25519));
        let config = config.build().unwrap();
        let mut offer = hello();
        offer.extensions.signature_schemes = Some(vec![
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            SignatureScheme::ED25519,
        ]);
        let (p256, p384, x25519) = (NamedGroup::SECP256R1, NamedGroup::SECP384R1, NamedGroup::X25519);
        for (groups, shown) in [
            (Some(vec![x25519, p256]), SignatureScheme::ECDSA_SECP256R1_SHA256),
            (None, SignatureScheme::ECDSA_SECP256R1_SHA256),
            (Some(vec![x25519, p384]), SignatureScheme::ECDSA_SECP384R1_SHA384),
            (Some(vec![x25519]), SignatureScheme::ED25519),
        ] {
            offer.extensions.supported_groups = groups;
            assert_eq!(scheme(&choose(&offer, &config).unwrap()), Some(shown));
        }
        let config = server(|_| {});
        assert_eq!(choose(&offer, &config).unwrap_err(), Error::NoCommonSignatureScheme);
    }

    #[test]
    fn a_certificate_on_a_curve_that_was_not_offered_is_refused() {
        let (certificate, _) = testing::self_signed();
        assert_eq!(check_curve(&certificate, &client(|_| {}).settings), Ok(()));
        let narrow = client(|settings| settings.groups = vec![NamedGroup::X25519]);
        let refused = Err(Error::UnofferedGroup(NamedGroup::SECP256R1));
        assert_eq!(check_curve(&certificate, &narrow.settings), refused);
        let rsa = CertificateDer::from(testing::RSA_CERTIFICATE);
        assert_eq!(check_curve(&rsa, &narrow.settings), Ok(()));
    }

    #[test]
    fn a_hello_that_cannot_be_served_is_refused_for_its_own_reason() {
        type Change = fn(&mut ClientHello<'_>);
        let cases: [(Change, Error); 12] = [
            (|h| h.version = ProtocolVersion::DTLS_1_0, Error::UnsupportedVersion(ProtocolVersion::DTLS_1_0)),
            (|h| h.version = ProtocolVersion(0x0303), Error::UnsupportedVersion(ProtocolVersion(0x0303))),
            (|h| h.cipher_suites = vec![CipherSuiteId(0x002f)], Error::NoCommonCipherSuite),
            (|h| h.cipher_suites = vec![CipherSuiteId::TLS_EMPTY_RENEGOTIATION_INFO_SCSV], Error::NoCommonCipherSuite),
            (|h| h.cipher_suites = vec![CipherSuiteId(0xc02f)], Error::NoCommonCipherSuite),
            (|h| h.compression_methods = vec![CompressionMethod(1)], Error::NullCompressionNotOffered),
            (|h| h.extensions.ec_point_formats = Some(vec![EcPointFormat(1)]), Error::UncompressedPointsRefused),
            (|h| h.extensions.supported_groups = Some(vec![NamedGroup(21)]), Error::NoCommonGroup),
            (|h| h.extensions.signature_schemes = None, Error::NoCommonSignatureScheme),
            (|h| h.extensions.signature_schemes = Some(vec![SignatureScheme(0x0203)]), Error::NoCommonSignatureScheme),
            (|h| h.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
            (|h| h.extensions.renegotiation_info = Some(&[1]), Error::RenegotiationInfoNotEmpty),
        ];
        let config = server(|_| {});
        for (change, error) in cases {
            let mut offer = hello();
            change(&mut offer);
            assert_eq!(check_hello(&offer).and_then(|()| choose(&offer, &config)).unwrap_err(), error);
        }
    }

    #[test]
    fn renegotiation_info_is_answered_only_if_the_client_showed_that_it_knows_it() {
        let config = server(|_| {});
        let mut offer = hello();
        offer.extensions.renegotiation_info = None;
        assert!(!choose(&offer, &config).unwrap().knows_renegotiation_info);
        offer.cipher_suites.push(CipherSuiteId::TLS_EMPTY_RENEGOTIATION_INFO_SCSV);
        assert!(choose(&offer, &config).unwrap().knows_renegotiation_info);
    }

    #[test]
    fn a_server_that_has_no_srtp_profile_in_common_leaves_srtp_out() {
        let config = server(|settings| settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM]);
        let mut offer = hello();
        let only = |profile| Some(UseSrtp { profiles: vec![profile], mki: &[] });
        offer.extensions.use_srtp = only(SrtpProfile::AES128_CM_HMAC_SHA1_80);
        assert_eq!(choose(&offer, &config).unwrap().srtp, None);
        offer.extensions.use_srtp = only(SrtpProfile::AEAD_AES_128_GCM);
        assert!(choose(&offer, &config).unwrap().srtp.is_some());
    }

    #[test]
    fn a_server_that_chooses_what_was_not_offered_is_refused() {
        type Change = fn(&mut ServerHello<'_>);
        let srtp = |profiles: Vec<SrtpProfile>, mki: &'static [u8]| Some(UseSrtp { profiles, mki });
        let config = client(|settings| {
            settings.alpn = vec![b"a".to_vec()];
            settings.srtp_profiles = vec![SrtpProfile::AEAD_AES_128_GCM];
            settings.srtp_mki = vec![1];
        });
        let (fragment_length, size_limit) = (ExtensionType::MAX_FRAGMENT_LENGTH, ExtensionType::RECORD_SIZE_LIMIT);
        let cases: [(Change, Error); 13] = [
            (
                |h| h.extensions.max_fragment_length = Some(MaxFragmentLength::BYTES_512),
                Error::ServerHelloSentUnofferedExtension(fragment_length),
            ),
            (|h| h.extensions.record_size_limit = Some(64), Error::ServerHelloSentUnofferedExtension(size_limit)),
            (|h| h.version = ProtocolVersion::DTLS_1_0, Error::UnsupportedVersion(ProtocolVersion::DTLS_1_0)),
            (|h| h.version = ProtocolVersion(0xfefc), Error::UnsupportedVersion(ProtocolVersion(0xfefc))),
            (
                |h| h.cipher_suite = CipherSuiteId::TLS_FALLBACK_SCSV,
                Error::ServerHelloChoseUnofferedSuite(CipherSuiteId::TLS_FALLBACK_SCSV),
            ),
            (|h| h.compression_method = CompressionMethod(1), Error::ServerHelloChoseCompression),
            (
                |h| h.extensions.unmodelled = Some(ExtensionType::ENCRYPT_THEN_MAC),
                Error::ServerHelloSentUnofferedExtension(ExtensionType::ENCRYPT_THEN_MAC),
            ),
            (
                |h| h.extensions.session_ticket = true,
                Error::ServerHelloSentUnofferedExtension(ExtensionType::SESSION_TICKET),
            ),
            (|h| h.extensions.server_name = true, Error::ServerHelloSentUnofferedExtension(ExtensionType::SERVER_NAME)),
            (|h| h.extensions.renegotiation_info = None, Error::RenegotiationInfoMissing),
            (|h| h.extensions.renegotiation_info = Some(&[1]), Error::RenegotiationInfoNotEmpty),
            (|h| h.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
            (|h| h.extensions.alpn = Some(b"b"), Error::ServerHelloChoseUnofferedProtocol),
        ];
        for (change, error) in cases {
            let mut chosen = answer();
            change(&mut chosen);
            assert_eq!(check_choice(&chosen, &config, false).unwrap_err(), error);
        }
        let mut chosen = answer();
        for (answer, expected) in [
            (srtp(vec![SrtpProfile(2)], &[]), Err(Error::ServerHelloChoseUnofferedSrtpProfile)),
            (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[2]), Err(Error::ServerHelloChangedMki)),
            (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[1]), Ok(())),
            (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[]), Ok(())),
        ] {
            chosen.extensions.use_srtp = answer;
            assert_eq!(check_choice(&chosen, &config, false).map(|_| ()), expected);
        }
    }

    #[test]
    fn a_server_that_changes_a_limit_of_records_or_names_two_is_refused() {
        let config = client(|settings| {
            settings.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
            settings.record_size_limit = Some(1000);
        });
        let mut chosen = answer();
        chosen.extensions.max_fragment_length = Some(MaxFragmentLength::BYTES_1024);
        assert_eq!(check_choice(&chosen, &config, false).unwrap_err(), Error::ServerHelloChangedFragmentLength);
        chosen.extensions.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
        let limits = RecordLimits { sent: 512, received: 512, in_the_clear: 512 };
        assert_eq!(check_choice(&chosen, &config, false).unwrap().records, limits);
        chosen.extensions.record_size_limit = Some(u16::MAX);
        assert_eq!(check_choice(&chosen, &config, false).unwrap_err(), Error::ServerHelloLimitsRecordsTwice);
        chosen.extensions.max_fragment_length = None;
        let limits = RecordLimits { received: 1000, ..RecordLimits::NONE };
        assert_eq!(check_choice(&chosen, &config, false).unwrap().records, limits);
    }

    #[test]
    fn an_answer_to_what_was_switched_off_is_refused_too() {
        let config = client(|settings| settings.extended_master_secret = ExtendedMasterSecret::Off);
        let error = Error::ServerHelloSentUnofferedExtension(ExtensionType::EXTENDED_MASTER_SECRET);
        assert_eq!(check_choice(&answer(), &config, false).unwrap_err(), error);
        let tolerant = client(|settings| settings.renegotiation_info = RenegotiationInfo::Tolerate);
        let mut chosen = answer();
        chosen.extensions.renegotiation_info = None;
        assert!(check_choice(&chosen, &tolerant, false).is_ok());
    }

    #[test]
    fn a_signature_must_be_one_we_offered_and_fit_the_suite() {
        let settings =
            client(|settings| settings.signature_schemes.retain(|s| *s != SignatureScheme::ED25519)).settings;
        let ecdsa = Some(SuiteAuthentication::Ecdsa);
        assert_eq!(check_scheme(SignatureScheme::ECDSA_SECP384R1_SHA384, &settings, ecdsa), Ok(()));
        let ed25519 = SignatureScheme::ED25519;
        assert_eq!(check_scheme(ed25519, &settings, ecdsa), Err(Error::UnofferedSignatureScheme(ed25519)));
        let rsa = SignatureScheme::RSA_PSS_RSAE_SHA256;
        assert_eq!(check_scheme(rsa, &settings, ecdsa), Err(Error::SignatureSchemeDoesNotFitKey(rsa)));
        assert_eq!(check_scheme(rsa, &settings, None), Ok(()));
    }

    #[test]
    fn a_certificate_that_the_server_cannot_use_is_not_shown() {
        let config = client(|_| {});
        let request = |types: Vec<ClientCertificateType>, schemes: Vec<SignatureScheme>| CertificateRequest {
            certificate_types: types,
            signature_schemes: schemes,
            authorities: vec![],
        };
        let (ecdsa, rsa) = (ClientCertificateType::ECDSA_SIGN, ClientCertificateType::RSA_SIGN);
        let p256 = SignatureScheme::ECDSA_SECP256R1_SHA256;
        for (request, expected) in [
            (request(vec![ecdsa], vec![p256]), Some(p256)),
            (request(vec![ClientCertificateType(3), ecdsa], vec![SignatureScheme(1), p256]), Some(p256)),
            (request(vec![rsa], vec![p256]), None),
            (request(vec![ecdsa], vec![SignatureScheme::RSA_PKCS1_SHA256]), None),
            (request(vec![ecdsa], vec![]), None),
        ] {
            let chosen = choose_identity(&request, &config.identities, &config.settings);
            assert_eq!(chosen.map(|(_, scheme)| scheme), expected);
        }
    }

    #[test]
    fn the_certificate_shown_is_by_an_authority_that_the_server_names_if_there_is_one() {
        let config = client(|_| {});
        let [first, second] = ["first", "second"].map(|name| {
            let (certificate, key) = testing::self_signed_as(name);
            Identity::new(&config.provider, vec![certificate], key).unwrap()
        });
        let name = issuer(&second.chain()[0]).unwrap();
        let identities = [first.clone(), second.clone()];
        let chosen = |authorities: Vec<&[u8]>| {
            let request = CertificateRequest {
                certificate_types: vec![ClientCertificateType::ECDSA_SIGN],
                signature_schemes: vec![SignatureScheme::ECDSA_SECP256R1_SHA256],
                authorities,
            };
            choose_identity(&request, &identities, &config.settings).unwrap().0.chain()[0].clone()
        };
        assert_eq!(chosen(vec![]), first.chain()[0]);
        assert_eq!(chosen(vec![b"\x30\x00", name]), second.chain()[0]);
        assert_eq!(chosen(vec![b"\x30\x00"]), first.chain()[0], "a server may not name all that it takes");
    }
}
