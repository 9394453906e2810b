//! Trust in certificates by a chain to a root and by name: RFC 5280 section 6, RFC 9525, with the crate
//! `rustls-webpki`.
//!
//! What is done here besides calling it: a certificate that is itself a root may also be a leaf, as private set-ups
//! with one self-signed certificate have it and as OpenSSL allows (`rustls-webpki` has no such notion); a leaf whose
//! key usage does not include signatures is refused (RFC 5246 section 7.4.2); and the length of a chain is limited
//! before any of it is looked at.
//!
//! Revocation lists are not consulted.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use ::webpki::{EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use x509_cert::der::Decode;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix;

use super::CryptoProvider;
use super::verify::{CertificateError, PeerAuthenticated, PeerRole, PeerVerifier, PresentedPeer};
use super::x509::{Outline, SEQUENCE, UnreadableCertificate, wrap};
use crate::time::WallClock;

/// Accepts a peer whose certificate leads to one of a set of roots, is in its time, and is good for its role: for a
/// server, `serverAuth` and the name we meant to reach; for a client, `clientAuth`.
pub struct WebPki {
    roots: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    authorities: Vec<Vec<u8>>,
    algorithms: Vec<&'static dyn SignatureVerificationAlgorithm>,
    clock: Arc<dyn WallClock>,
}

impl WebPki {
    /// Trusts `roots`, in DER, of any version of X.509, with the signature algorithms of `provider`.
    ///
    /// # Errors
    ///
    /// If there are no roots, or one cannot be read.
    pub fn new(
        provider: &CryptoProvider,
        roots: Vec<CertificateDer<'static>>,
        clock: Arc<dyn WallClock>,
    ) -> Result<Self, RootsError> {
        if roots.is_empty() {
            return Err(RootsError::Empty);
        }
        let mut anchors = Vec::with_capacity(roots.len());
        for (index, root) in roots.iter().enumerate() {
            let anchor = anchor_from_trusted_cert(root).map_err(|_| RootsError::Unreadable { index })?;
            anchors.push(anchor.to_owned());
        }
        Ok(Self {
            authorities: anchors.iter().map(|anchor| wrap(SEQUENCE, &[&anchor.subject])).collect(),
            algorithms: provider.signatures.iter().flat_map(|signature| &signature.algorithms).copied().collect(),
            roots,
            anchors,
            clock,
        })
    }

    /// Verifies that `leaf` leads to a root, and is good for its role.
    fn verify_chain(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        role: PeerRole<'_>,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let leaf = EndEntityCert::try_from(leaf).map_err(reason)?;
        let usage = match role {
            PeerRole::Server { .. } => KeyUsage::server_auth(),
            PeerRole::Client => KeyUsage::client_auth(),
        };
        leaf.verify_for_usage(&self.algorithms, &self.anchors, intermediates, now, usage, None, None)
            .map_err(reason)?;
        match expected_name(role)? {
            Some(name) => leaf.verify_is_valid_for_subject_name(name).map_err(reason),
            None => Ok(()),
        }
    }
}

impl PeerVerifier for WebPki {
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        let (leaf, intermediates) = peer.chain()?.split_first().ok_or(CertificateError::Unreadable)?;
        if intermediates.len() > MAX_INTERMEDIATES {
            return Err(CertificateError::TooMuchWork);
        }
        let now = self.clock.unix_time().ok_or(CertificateError::NoTime)?;
        if self.roots.contains(leaf) {
            verify_root_as_leaf(leaf, peer.role, now)?;
        } else {
            self.verify_chain(leaf, intermediates, peer.role, now)?;
        }
        let outline = Outline::read(leaf)?;
        if !signs(&outline)? {
            return Err(CertificateError::WrongUsage);
        }
        Ok(PeerAuthenticated::checked())
    }

    fn authorities(&self) -> &[Vec<u8>] {
        &self.authorities
    }

    fn needs_server_name(&self) -> bool {
        true
    }
}

impl fmt::Debug for WebPki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebPki").field("roots", &self.roots.len()).field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// Why a set of roots cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootsError {
    /// There are none.
    Empty,
    /// One is not a certificate.
    Unreadable {
        /// Where it stands among the roots, counted from 0.
        index: usize,
    },
}

impl fmt::Display for RootsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no root was given; give at least one, or nobody can connect"),
            Self::Unreadable { index } => {
                write!(f, "root {index} (counted from 0) cannot be read; give X.509 certificates in DER")
            }
        }
    }
}

impl core::error::Error for RootsError {}

impl From<UnreadableCertificate> for CertificateError {
    fn from(_: UnreadableCertificate) -> Self {
        Self::Unreadable
    }
}

/// Verifies a leaf that is one of the roots, byte for byte: its dates, its usage and its name.
fn verify_root_as_leaf(leaf: &CertificateDer<'_>, role: PeerRole<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let outline = Outline::read(leaf)?;
    let (not_before, not_after) = outline.validity()?;
    if now.as_secs() < not_before {
        return Err(CertificateError::NotValidYet);
    }
    if now.as_secs() > not_after {
        return Err(CertificateError::Expired);
    }
    if !serves(&outline, role)? {
        return Err(CertificateError::WrongUsage);
    }
    let name = expected_name(role)?;
    match (EndEntityCert::try_from(leaf), name) {
        (Ok(leaf), Some(name)) => leaf.verify_is_valid_for_subject_name(name).map_err(reason),
        (Ok(_), None) => Ok(()),
        // X.509 v1 has no extensions, so no names that count either (RFC 9525 section 6.1).
        (Err(Error::UnsupportedCertVersion), Some(_)) => Err(CertificateError::NameMismatch),
        (Err(Error::UnsupportedCertVersion), None) => Ok(()),
        (Err(error), _) => Err(reason(error)),
    }
}

/// The name that the peer's certificate must be for. A server must have one: a chain alone proves only that somebody
/// trusted issued a certificate to somebody.
fn expected_name<'a>(role: PeerRole<'a>) -> Result<Option<&'a ServerName<'a>>, CertificateError> {
    match role {
        PeerRole::Server { name: Some(name) } => Ok(Some(name)),
        PeerRole::Server { name: None } => Err(CertificateError::NameMismatch),
        PeerRole::Client => Ok(None),
    }
}

/// Whether the key may sign (RFC 5280 section 4.2.1.3): without the extension, anything is allowed.
fn signs(leaf: &Outline<'_>) -> Result<bool, UnreadableCertificate> {
    match leaf.extension(KEY_USAGE)? {
        Some(usage) => Ok(pkix::KeyUsage::from_der(usage)?.digital_signature()),
        None => Ok(true),
    }
}

/// Whether the key may serve in this role (RFC 5280 section 4.2.1.12): without the extension, in any.
fn serves(leaf: &Outline<'_>, role: PeerRole<'_>) -> Result<bool, UnreadableCertificate> {
    let purpose = match role {
        PeerRole::Server { .. } => SERVER_AUTH,
        PeerRole::Client => CLIENT_AUTH,
    };
    match leaf.extension(EXTENDED_KEY_USAGE)? {
        Some(usage) => Ok(pkix::ExtendedKeyUsage::from_der(usage)?.0.contains(&purpose)),
        None => Ok(true),
    }
}

/// What `rustls-webpki` complains about, in our words.
fn reason(error: Error) -> CertificateError {
    match error {
        Error::UnknownIssuer => CertificateError::UnknownIssuer,
        Error::CertExpired { .. } => CertificateError::Expired,
        Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        Error::CertNotValidForName(_) | Error::NameConstraintViolation | Error::UnsupportedNameType => {
            CertificateError::NameMismatch
        }
        Error::CertRevoked | Error::CertDistrusted => CertificateError::Revoked,
        Error::CaUsedAsEndEntity
        | Error::EndEntityUsedAsCa
        | Error::PathLenConstraintViolated
        | Error::EmptyEkuExtension
        | Error::RequiredEkuNotFoundContext(_) => CertificateError::WrongUsage,
        Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::UnsupportedSignature
        }
        Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => CertificateError::TooMuchWork,
        // The rest is about malformed values, and about revocation lists, which are not in use.
        _ => CertificateError::Unreadable,
    }
}

/// More than any honest chain has, and few enough that trying them in every order stays cheap.
const MAX_INTERMEDIATES: usize = 15;

const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");

#[cfg(test)]
#[cfg(any(feature = "ring", feature = "aws-lc-rs"))]
mod tests {
    use super::*;
    use crate::crypto::testing::{
        LONG_SERIAL_CERTIFICATE, RSA_CERTIFICATE, V1_CERTIFICATE, WEAK_ROOT, WEAKLY_ISSUED, certificate_with,
        providers, self_signed,
    };
    use alloc::string::String;
    use alloc::vec;
    use core::slice::from_ref;
    use rcgen::{
        BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
        KeyUsagePurpose, date_time_ymd,
    };

    /// 2030-01-01.
    const NOW: u64 = 1_893_456_000;

    #[derive(Debug)]
    struct Clock(Option<u64>);

    impl WallClock for Clock {
        fn unix_time(&self) -> Option<UnixTime> {
            self.0.map(|seconds| UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds)))
        }
    }

    /// A certificate that can issue others.
    struct Authority {
        cert: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn named(name: &str) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn authority(params: CertificateParams, parent: Option<&Authority>) -> Authority {
        let key = KeyPair::generate().unwrap();
        let cert = match parent {
            Some(parent) => params.signed_by(&key, &parent.issuer).unwrap(),
            None => params.self_signed(&key).unwrap(),
        };
        Authority { cert: cert.into(), issuer: Issuer::new(params, key) }
    }

    fn root() -> Authority {
        let mut params = named("root");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority(params, None)
    }

    fn leaf_params() -> CertificateParams {
        CertificateParams::new(["server.example", "192.0.2.7"].map(String::from)).unwrap()
    }

    fn leaf(parent: &Authority, change: impl FnOnce(&mut CertificateParams)) -> CertificateDer<'static> {
        let mut params = leaf_params();
        change(&mut params);
        params.signed_by(&KeyPair::generate().unwrap(), &parent.issuer).unwrap().into()
    }

    fn as_server<'a>(name: &'a ServerName<'a>) -> PeerRole<'a> {
        PeerRole::Server { name: Some(name) }
    }

    fn name(text: &str) -> ServerName<'_> {
        ServerName::try_from(text).unwrap()
    }

    /// What the verifiers of all providers say, which must be the same.
    #[track_caller]
    fn verify_at(
        now: Option<u64>,
        roots: &[&CertificateDer<'static>],
        chain: &[CertificateDer<'static>],
        role: PeerRole<'_>,
    ) -> Result<(), CertificateError> {
        let verdict = |provider: &CryptoProvider| {
            let roots = roots.iter().copied().cloned().collect();
            let verifier = WebPki::new(provider, roots, Arc::new(Clock(now))).unwrap();
            verifier.verify(&PresentedPeer::with_chain(chain, role)).map(|_| ())
        };
        let mut verdicts: Vec<_> = providers().iter().map(verdict).collect();
        verdicts.dedup();
        assert_eq!(verdicts.len(), 1);
        verdicts[0]
    }

    #[track_caller]
    fn verify(root: &Authority, chain: &[CertificateDer<'static>], role: PeerRole<'_>) -> Result<(), CertificateError> {
        verify_at(Some(NOW), &[&root.cert], chain, role)
    }

    #[test]
    fn a_leaf_of_a_trusted_root_is_good_for_its_names_and_for_no_others() {
        let root = root();
        let chain = [leaf(&root, |_| {})];
        for good in ["server.example", "SERVER.example", "192.0.2.7"] {
            assert_eq!(verify(&root, &chain, as_server(&name(good))), Ok(()), "{good}");
        }
        for bad in ["example", "other.example", "a.server.example", "192.0.2.8", "2001:db8::7"] {
            assert_eq!(verify(&root, &chain, as_server(&name(bad))), Err(CertificateError::NameMismatch), "{bad}");
        }
        assert_eq!(verify(&root, &chain, PeerRole::Client), Ok(()));
    }

    #[test]
    fn a_server_without_a_name_to_expect_is_not_accepted() {
        let root = root();
        let no_name = PeerRole::Server { name: None };
        assert_eq!(verify(&root, &[leaf(&root, |_| {})], no_name), Err(CertificateError::NameMismatch));
        assert_eq!(verify(&root, from_ref(&root.cert), no_name), Err(CertificateError::NameMismatch));
        for provider in providers() {
            let verifier = WebPki::new(&provider, vec![root.cert.clone()], Arc::new(Clock(None))).unwrap();
            assert!(verifier.needs_server_name());
        }
    }

    #[test]
    fn a_common_name_is_not_a_name_and_wildcards_cover_one_label() {
        let root = root();
        let common_name_only = leaf(&root, |params| {
            params.subject_alt_names.clear();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "server.example");
        });
        let verdict = verify(&root, &[common_name_only], as_server(&name("server.example")));
        assert_eq!(verdict, Err(CertificateError::NameMismatch));

        let wildcard = [leaf(&root, |params| {
            params.subject_alt_names = vec![rcgen::SanType::DnsName("*.some.example".try_into().unwrap())];
        })];
        assert_eq!(verify(&root, &wildcard, as_server(&name("a.some.example"))), Ok(()));
        for bad in ["some.example", "a.b.some.example"] {
            assert_eq!(verify(&root, &wildcard, as_server(&name(bad))), Err(CertificateError::NameMismatch), "{bad}");
        }
    }

    #[test]
    fn names_with_stars_elsewhere_zeros_or_addresses_in_words_match_nothing() {
        let root = root();
        let named = |names: &[&str]| {
            [leaf(&root, |params| {
                let name = |name: &&str| rcgen::SanType::DnsName((*name).try_into().unwrap());
                params.subject_alt_names = names.iter().map(name).collect();
            })]
        };
        let expected =
            ["server.example", "a.server.example", "www.server.example", "xn--bcher-kva.example", "192.0.2.7"];
        let patterns = [
            "*",
            "*.*",
            "s*.example",
            "*r.example",
            "server.*",
            "w*w.server.example",
            "www.*.example",
            "**.server.example",
            "server.example\0.evil.test",
            "evil.test\0server.example",
            "192.0.2.7",
            "*.0.2.7",
            "xn--*.example",
            "",
            "server.example..",
            ".server.example",
            "-server.example",
        ];
        for pattern in patterns {
            for wanted in expected {
                let verdict = verify(&root, &named(&[pattern]), as_server(&name(wanted)));
                assert!(verdict.is_err(), "{pattern:?} for {wanted}");
            }
        }
        // And they do not stand in the way of a right one, in whatever case it is written.
        for wanted in ["server.example", "SERVER.Example"] {
            assert_eq!(verify(&root, &named(&["*", "Server.EXAMPLE"]), as_server(&name(wanted))), Ok(()));
        }
    }

    #[test]
    fn a_stranger_and_a_missing_intermediate_have_an_unknown_issuer() {
        let (root, stranger) = (root(), root());
        let server = name("server.example");
        assert_eq!(
            verify(&root, &[self_signed().0], as_server(&name("localhost"))),
            Err(CertificateError::UnknownIssuer)
        );
        // Another root of the same name: its signature is tried and is not right.
        let forged = verify(&root, &[leaf(&stranger, |_| {})], as_server(&server));
        assert_eq!(forged, Err(CertificateError::BadSignature));

        let mut params = named("intermediate");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let intermediate = authority(params, Some(&root));
        let chain = [leaf(&intermediate, |_| {}), intermediate.cert.clone()];
        assert_eq!(verify(&root, &chain, as_server(&server)), Ok(()));
        assert_eq!(verify(&root, &chain[..1], as_server(&server)), Err(CertificateError::UnknownIssuer));
        assert_eq!(verify(&root, &[], as_server(&server)), Err(CertificateError::Unreadable));
    }

    #[test]
    fn an_authority_whose_rsa_key_is_too_short_vouches_for_nobody() {
        let chain = [CertificateDer::from(WEAKLY_ISSUED)];
        let root = CertificateDer::from(WEAK_ROOT);
        let verdict = verify_at(Some(NOW), &[&root], &chain, as_server(&name("server.example")));
        assert_eq!(verdict, Err(CertificateError::BadSignature));
    }

    #[test]
    fn who_may_not_issue_does_not() {
        let root = root();
        let server = name("server.example");
        let not_an_authority = authority(named("leaf that issues"), Some(&root));
        let chain = [leaf(&not_an_authority, |_| {}), not_an_authority.cert.clone()];
        assert_eq!(verify(&root, &chain, as_server(&server)), Err(CertificateError::WrongUsage));

        let mut params = named("no authorities below");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let last = authority(params, Some(&root));
        let mut params = named("one below");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let below = authority(params, Some(&last));
        let chain = [leaf(&below, |_| {}), below.cert.clone(), last.cert.clone()];
        assert_eq!(verify(&root, &chain, as_server(&server)), Err(CertificateError::WrongUsage));
    }

    #[test]
    fn names_outside_an_authoritys_constraints_are_refused() {
        let mut params = named("constrained");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.name_constraints = Some(rcgen::NameConstraints {
            permitted_subtrees: vec![rcgen::GeneralSubtree::DnsName("other.example".into())],
            excluded_subtrees: vec![],
        });
        let root = authority(params, None);
        let chain = [leaf(&root, |_| {})];
        assert_eq!(verify(&root, &chain, as_server(&name("server.example"))), Err(CertificateError::NameMismatch));
    }

    #[test]
    fn a_certificate_is_good_in_its_time_only_and_never_without_a_clock() {
        let root = root();
        let server = name("server.example");
        let dated = |params: &mut CertificateParams| {
            params.not_before = date_time_ymd(2029, 1, 1);
            params.not_after = date_time_ymd(2031, 1, 1);
        };
        let issued = [leaf(&root, dated)];
        let mut params = leaf_params();
        dated(&mut params);
        let lone: CertificateDer<'_> = params.self_signed(&KeyPair::generate().unwrap()).unwrap().into();
        let two_years = 2 * 366 * 86_400;
        for (trusted, chain) in [(&root.cert, &issued[..]), (&lone, from_ref(&lone))] {
            for (now, verdict) in [
                (Some(NOW), Ok(())),
                (Some(NOW + two_years), Err(CertificateError::Expired)),
                (Some(NOW - two_years), Err(CertificateError::NotValidYet)),
                (Some(0), Err(CertificateError::NotValidYet)),
                (Some(253_402_300_799), Err(CertificateError::Expired)),
                (None, Err(CertificateError::NoTime)),
            ] {
                assert_eq!(verify_at(now, &[trusted], chain, as_server(&server)), verdict, "{now:?}");
            }
        }
    }

    #[test]
    fn a_leaf_serves_only_in_the_role_it_is_made_for() {
        let root = root();
        let server = name("server.example");
        let with = |purpose: ExtendedKeyUsagePurpose| {
            move |params: &mut CertificateParams| params.extended_key_usages = vec![purpose]
        };
        let lone = |purpose| {
            let mut params = leaf_params();
            with(purpose)(&mut params);
            CertificateDer::from(params.self_signed(&KeyPair::generate().unwrap()).unwrap())
        };
        let wrong = Err(CertificateError::WrongUsage);
        for (purpose, server_verdict, client_verdict) in [
            (ExtendedKeyUsagePurpose::ServerAuth, Ok(()), wrong),
            (ExtendedKeyUsagePurpose::ClientAuth, wrong, Ok(())),
            (ExtendedKeyUsagePurpose::CodeSigning, wrong, wrong),
        ] {
            let issued = [leaf(&root, with(purpose.clone()))];
            assert_eq!(verify(&root, &issued, as_server(&server)), server_verdict, "{purpose:?}");
            assert_eq!(verify(&root, &issued, PeerRole::Client), client_verdict, "{purpose:?}");
            let lone = lone(purpose.clone());
            let verdict = |role| verify_at(Some(NOW), &[&lone], from_ref(&lone), role);
            assert_eq!(verdict(as_server(&server)), server_verdict, "{purpose:?}");
            assert_eq!(verdict(PeerRole::Client), client_verdict, "{purpose:?}");
        }
    }

    #[test]
    fn a_leaf_whose_key_may_not_sign_is_refused() {
        let root = root();
        let server = name("server.example");
        for (usage, verdict) in [
            (vec![KeyUsagePurpose::DigitalSignature], Ok(())),
            (vec![KeyUsagePurpose::KeyAgreement, KeyUsagePurpose::DigitalSignature], Ok(())),
            (vec![KeyUsagePurpose::KeyEncipherment], Err(CertificateError::WrongUsage)),
            (vec![KeyUsagePurpose::KeyAgreement], Err(CertificateError::WrongUsage)),
        ] {
            let issued = [leaf(&root, |params| params.key_usages = usage.clone())];
            assert_eq!(verify(&root, &issued, as_server(&server)), verdict, "{usage:?}");
            let mut params = leaf_params();
            params.key_usages = usage.clone();
            let lone: CertificateDer<'_> = params.self_signed(&KeyPair::generate().unwrap()).unwrap().into();
            assert_eq!(verify_at(Some(NOW), &[&lone], from_ref(&lone), as_server(&server)), verdict, "{usage:?}");
        }
    }

    #[test]
    fn a_root_may_be_the_leaf_as_openssl_allows() {
        // A certificate authority of its own and a plain self-signed certificate.
        let (right, wrong) = (name("localhost"), name("other.example"));
        for is_ca in [IsCa::NoCa, IsCa::ExplicitNoCa, IsCa::Ca(BasicConstraints::Unconstrained)] {
            let lone = certificate_with(|params| params.is_ca = is_ca);
            let verdict = |role| verify_at(Some(NOW), &[&root().cert, &lone], from_ref(&lone), role);
            assert_eq!(verdict(as_server(&right)), Ok(()));
            assert_eq!(verdict(as_server(&wrong)), Err(CertificateError::NameMismatch));
            assert_eq!(verdict(PeerRole::Client), Ok(()));
        }
        for (cert, server) in [(RSA_CERTIFICATE, "rsa.example"), (LONG_SERIAL_CERTIFICATE, "long.example")] {
            let cert = CertificateDer::from(cert);
            assert_eq!(verify_at(Some(NOW), &[&cert], from_ref(&cert), as_server(&name(server))), Ok(()));
        }
    }

    #[test]
    fn a_root_of_version_1_is_good_as_a_leaf_for_a_client_and_has_no_names() {
        let v1 = CertificateDer::from(V1_CERTIFICATE);
        assert_eq!(verify_at(Some(NOW), &[&v1], from_ref(&v1), PeerRole::Client), Ok(()));
        let verdict = verify_at(Some(NOW), &[&v1], from_ref(&v1), as_server(&name("v1.example")));
        assert_eq!(verdict, Err(CertificateError::NameMismatch));
        // Any other leaf of version 1 is one that chains are not made of.
        let verdict = verify_at(Some(NOW), &[&root().cert], &[v1], PeerRole::Client);
        assert_eq!(verdict, Err(CertificateError::Unreadable));
    }

    #[test]
    fn a_root_as_leaf_with_an_unknown_critical_extension_is_refused() {
        let lone = certificate_with(|params| {
            let mut extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
            extension.set_criticality(true);
            params.custom_extensions.push(extension);
        });
        for role in [as_server(&name("localhost")), PeerRole::Client] {
            assert_eq!(verify_at(Some(NOW), &[&lone], from_ref(&lone), role), Err(CertificateError::Unreadable));
        }
    }

    #[test]
    fn chains_that_are_too_long_are_not_looked_at() {
        let root = root();
        let chain = vec![leaf(&root, |_| {}); MAX_INTERMEDIATES + 1];
        let server = name("server.example");
        assert_eq!(verify(&root, &chain, as_server(&server)), Ok(()), "repetitions are of no use and do no harm");
        let longer = [&chain[..], &chain[..1]].concat();
        assert_eq!(verify(&root, &longer, as_server(&server)), Err(CertificateError::TooMuchWork));
    }

    #[test]
    fn junk_in_the_place_of_a_certificate_is_unreadable() {
        let root = root();
        let server = name("server.example");
        let leaf = leaf(&root, |_| {});
        for len in [0, 1, 50, leaf.len() - 1] {
            let cut = CertificateDer::from(leaf[..len].to_vec());
            assert_eq!(verify(&root, &[cut], as_server(&server)), Err(CertificateError::Unreadable));
        }
        let mut changed = leaf.to_vec();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(verify(&root, &[changed.into()], as_server(&server)), Err(CertificateError::BadSignature));
    }

    #[test]
    fn a_signature_algorithm_that_the_provider_lacks_is_named() {
        let root = root();
        let leaf = leaf(&root, |_| {});
        for mut provider in providers() {
            provider.signatures.retain(|signature| signature.scheme.0 & 0xff != 3);
            let verifier = WebPki::new(&provider, vec![root.cert.clone()], Arc::new(Clock(Some(NOW)))).unwrap();
            let peer = PresentedPeer::with_chain(from_ref(&leaf), PeerRole::Client);
            assert_eq!(verifier.verify(&peer).map(|_| ()), Err(CertificateError::UnsupportedSignature));
        }
    }

    #[test]
    fn authorities_are_the_complete_names_of_the_roots() {
        let root = root();
        let v1 = CertificateDer::from(V1_CERTIFICATE);
        for provider in providers() {
            let roots = vec![root.cert.clone(), v1.clone()];
            let verifier = WebPki::new(&provider, roots, Arc::new(Clock(None))).unwrap();
            let names: Vec<_> = verifier
                .authorities()
                .iter()
                .map(|name| alloc::format!("{}", x509_cert::name::Name::from_der(name).unwrap()))
                .collect();
            assert_eq!(names, ["CN=root", "CN=v1.example,O=Example Devices"]);
        }
    }

    #[test]
    fn roots_that_cannot_be_used_are_refused_by_their_place() {
        let root = root();
        for provider in providers() {
            let refused = |roots| WebPki::new(&provider, roots, Arc::new(Clock(None))).map(|_| ());
            assert_eq!(refused(vec![]), Err(RootsError::Empty));
            let roots = vec![root.cert.clone(), CertificateDer::from(&b"-----BEGIN"[..])];
            assert_eq!(refused(roots), Err(RootsError::Unreadable { index: 1 }));
        }
    }
}
