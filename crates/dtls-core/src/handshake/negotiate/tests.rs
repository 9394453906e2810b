//! What is offered, what is chosen, and what is refused.

use super::*;
use crate::crypto::x509::{issuer, subject_public_key};
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
        ServerProof::PresharedKey | ServerProof::MasterSecret => None,
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
    offer.cipher_suites = vec![CipherSuiteId(0x0a0a), CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, SUITE];
    offer.compression_methods = vec![CompressionMethod(1), CompressionMethod::NULL];
    offer.extensions.supported_groups = Some(vec![NamedGroup(0x1a1a), NamedGroup::SECP256R1, NamedGroup::X25519]);
    offer.extensions.signature_schemes =
        Some(vec![SignatureScheme(0x2a2a), SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_SECP256R1_SHA256]);
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
    let key = subject_public_key(&certificate).unwrap();
    assert_eq!(check_curve(&key, &client(|_| {}).settings), Ok(()));
    let narrow = client(|settings| settings.groups = vec![NamedGroup::X25519]);
    let refused = Err(Error::UnofferedGroup(NamedGroup::SECP256R1));
    assert_eq!(check_curve(&key, &narrow.settings), refused);
    let rsa = subject_public_key(testing::RSA_CERTIFICATE).unwrap();
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
    let cases: [(Change, Error); 16] = [
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
        (
            |h| h.extensions.status_request = true,
            Error::ServerHelloSentUnofferedExtension(ExtensionType::STATUS_REQUEST),
        ),
        (
            |h| h.extensions.client_certificate_type = Some(CertificateType::X509),
            Error::ServerHelloSentUnofferedExtension(ExtensionType::CLIENT_CERTIFICATE_TYPE),
        ),
        (
            |h| h.extensions.server_certificate_type = Some(CertificateType::X509),
            Error::ServerHelloSentUnofferedExtension(ExtensionType::SERVER_CERTIFICATE_TYPE),
        ),
        (|h| h.extensions.renegotiation_info = None, Error::RenegotiationInfoMissing),
        (|h| h.extensions.renegotiation_info = Some(&[1]), Error::RenegotiationInfoNotEmpty),
        (|h| h.extensions.extended_master_secret = false, Error::ExtendedMasterSecretMissing),
        (|h| h.extensions.alpn = Some(b"b"), Error::ServerHelloChoseUnofferedProtocol),
    ];
    for (change, error) in cases {
        let mut chosen = answer();
        change(&mut chosen);
        assert_eq!(check_choice(&chosen, &config, false, false).unwrap_err(), error);
    }
    let mut chosen = answer();
    for (answer, expected) in [
        (srtp(vec![SrtpProfile(2)], &[]), Err(Error::ServerHelloChoseUnofferedSrtpProfile)),
        (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[2]), Err(Error::ServerHelloChangedMki)),
        (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[1]), Ok(())),
        (srtp(vec![SrtpProfile::AEAD_AES_128_GCM], &[]), Ok(())),
    ] {
        chosen.extensions.use_srtp = answer;
        assert_eq!(check_choice(&chosen, &config, false, false).map(|_| ()), expected);
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
    assert_eq!(check_choice(&chosen, &config, false, false).unwrap_err(), Error::ServerHelloChangedFragmentLength);
    chosen.extensions.max_fragment_length = Some(MaxFragmentLength::BYTES_512);
    let limits = RecordLimits { sent: 512, received: 512, received_inner: RecordLimits::LARGEST, in_the_clear: 512 };
    assert_eq!(check_choice(&chosen, &config, false, false).unwrap().records, limits);
    chosen.extensions.record_size_limit = Some(u16::MAX);
    assert_eq!(check_choice(&chosen, &config, false, false).unwrap_err(), Error::ServerHelloLimitsRecordsTwice);
    chosen.extensions.max_fragment_length = None;
    let limits = RecordLimits { received: 1000, received_inner: 1000, ..RecordLimits::NONE };
    assert_eq!(check_choice(&chosen, &config, false, false).unwrap().records, limits);
    chosen.extensions.record_size_limit = None;
    assert_eq!(check_choice(&chosen, &config, false, false).unwrap().records, RecordLimits::NONE);
}

#[test]
fn an_answer_to_what_was_switched_off_is_refused_too() {
    let config = client(|settings| settings.extended_master_secret = ExtendedMasterSecret::Off);
    let error = Error::ServerHelloSentUnofferedExtension(ExtensionType::EXTENDED_MASTER_SECRET);
    assert_eq!(check_choice(&answer(), &config, false, false).unwrap_err(), error);
    let tolerant = client(|settings| settings.renegotiation_info = RenegotiationInfo::Tolerate);
    let mut chosen = answer();
    chosen.extensions.renegotiation_info = None;
    assert!(check_choice(&chosen, &tolerant, false, false).is_ok());
}

#[test]
fn a_signature_must_be_one_we_offered_and_fit_the_suite() {
    let settings = client(|settings| settings.signature_schemes.retain(|s| *s != SignatureScheme::ED25519)).settings;
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
        let chosen = choose_identity(&request, &config.identities, CertificateType::X509, &config.settings);
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
        choose_identity(&request, &identities, CertificateType::X509, &config.settings)
            .map(|(identity, _)| identity.chain()[0].clone())
    };
    assert_eq!(chosen(vec![]).unwrap(), first.chain()[0]);
    assert_eq!(chosen(vec![b"\x30\x00", name]).unwrap(), second.chain()[0]);
    assert_eq!(chosen(vec![b"\x30\x00"]), None, "whom to disclose is not guessed");
}
