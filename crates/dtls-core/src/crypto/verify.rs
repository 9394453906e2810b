//! Believing a peer: that it holds the key of its certificate (RFC 5246 sections 4.7, 7.4.3 and 7.4.8, RFC 8422
//! section 5.10), and that the certificate is one we trust.
//!
//! The two are separate and both are always required. The first is [`verify_handshake_signature`], which no
//! configuration can switch off; the second is a [`PeerVerifier`]: [`Fingerprints`], [`PinnedCertificates`], `WebPki` or
//! one of your own. Each success is a value that only the function which checked can make, and a handshake cannot
//! finish without both.
//!
//! [`Fingerprints`]: super::Fingerprints
//! [`PinnedCertificates`]: super::PinnedCertificates

use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, SubjectPublicKeyInfoDer};

use super::CryptoProvider;
use super::x509::{SubjectPublicKey, UnreadableCertificate, subject_public_key};
pub use crate::error::CertificateError;
use crate::wire::enums::{CertificateType, SignatureScheme};

/// Checks that the holder of `public_key` signed `message` under `scheme`.
///
/// For ServerKeyExchange and CertificateVerify. That the scheme is among those we offered is the caller's part.
///
/// # Errors
///
/// See [`SignatureFault`].
pub fn verify_handshake_signature(
    provider: &CryptoProvider,
    public_key: SubjectPublicKey<'_>,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
) -> Result<HandshakeSignatureValid, SignatureFault> {
    let verification = provider
        .signatures
        .iter()
        .find(|verification| verification.scheme == scheme)
        .ok_or(SignatureFault::SchemeUnknown)?;
    let algorithm = verification
        .algorithms
        .iter()
        .find(|algorithm| algorithm.public_key_alg_id().as_ref() == public_key.algorithm_id)
        .ok_or(SignatureFault::SchemeDoesNotFitKey)?;
    algorithm
        .verify_signature(public_key.key, message, signature)
        .map(|()| HandshakeSignatureValid(()))
        .map_err(|_| SignatureFault::Invalid)
}

/// Proof that [`verify_handshake_signature`] succeeded.
#[derive(Debug)]
#[must_use]
pub struct HandshakeSignatureValid(());

/// Why a peer has not shown that it holds the key that it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignatureFault {
    /// The provider does not have the scheme.
    SchemeUnknown,
    /// The scheme is for another kind of key than the certificate's, or for a curve or form the provider does not
    /// have.
    SchemeDoesNotFitKey,
    /// The key does not verify the signature.
    Invalid,
}

impl fmt::Display for SignatureFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SchemeUnknown => "the peer signed under a scheme that the provider does not have",
            Self::SchemeDoesNotFitKey => "the peer signed under a scheme that does not fit its certificate's key",
            Self::Invalid => "the peer's signature is not one by its certificate's key",
        })
    }
}

impl core::error::Error for SignatureFault {}

/// What verifies signatures of one scheme.
#[derive(Clone, Debug)]
pub struct SignatureVerification {
    /// The scheme's number on the wire.
    pub scheme: SignatureScheme,
    /// One algorithm for each kind of key.
    ///
    /// Several for ECDSA: in DTLS 1.2 the curve in a scheme's name says nothing (RFC 8422 section 5.10), so 0x0403
    /// goes with a P-256 key as well as with a P-384 key. In a handshake the first that fits the key is taken; in
    /// certificates all are tried that fit.
    pub algorithms: Vec<&'static dyn SignatureVerificationAlgorithm>,
}

/// Decides whether a peer's certificate, or its bare key, is one to trust.
///
/// Asked once in a handshake, before the peer's Finished. That the peer holds the certificate's key is checked
/// elsewhere, whatever a verifier says.
pub trait PeerVerifier: Send + Sync + fmt::Debug {
    /// Decides about what `peer` has shown.
    ///
    /// # Errors
    ///
    /// Why the peer is not to be trusted; the handshake fails with the alert that goes with it.
    fn verify(&self, peer: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError>;

    /// Whether the owner of the connection decides about `peer` instead: it is then asked
    /// [`Question::Peer`](crate::Question::Peer), and [`verify`](Self::verify) is not called. Default: no.
    fn defers(&self, peer: &PresentedPeer<'_>) -> bool {
        let _ = peer;
        false
    }

    /// The forms in which a peer may show its key, the favourite first; at least one. Only these come to
    /// [`verify`](Self::verify). Default: certificates.
    fn certificate_types(&self) -> &[CertificateType] {
        &[CertificateType::X509]
    }

    /// Whether servers are asked for what OCSP says of their certificate (RFC 6066 section 8). If they have it, it comes
    /// to [`verify`](Self::verify). Default: no.
    fn wants_ocsp_response(&self) -> bool {
        false
    }

    /// The names of those whose certificates a client should send, each a complete DER `Name`, for the
    /// CertificateRequest (RFC 5246 section 7.4.4). None means any.
    fn authorities(&self) -> &[Vec<u8>] {
        &[]
    }

    /// Whether servers cannot be verified without a name to expect, so that a configuration without one is a mistake.
    fn needs_server_name(&self) -> bool {
        false
    }
}

/// What a peer showed of itself.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PresentedPeer<'a> {
    /// Its public key, and who vouches for it.
    pub credential: PeerCredential<'a>,
    /// In which role it acts.
    pub role: PeerRole<'a>,
    /// What the server shows of OCSP about its certificate: an `OCSPResponse` in DER that nobody has looked into (RFC 6066
    /// section 8).
    pub ocsp_response: Option<&'a [u8]>,
}

impl<'a> PresentedPeer<'a> {
    /// A peer with these certificates, the leaf first, and nothing more.
    #[must_use]
    pub const fn with_chain(chain: &'a [CertificateDer<'a>], role: PeerRole<'a>) -> Self {
        Self { credential: PeerCredential::Certificates(chain), role, ocsp_response: None }
    }

    /// A peer with this bare key, and nothing more.
    #[must_use]
    pub const fn with_raw_public_key(key: &'a SubjectPublicKeyInfoDer<'a>, role: PeerRole<'a>) -> Self {
        Self { credential: PeerCredential::RawPublicKey(key), role, ocsp_response: None }
    }

    /// The same peer in another role: as the server of a name that it was not asked for, say.
    #[must_use]
    pub const fn in_role(self, role: PeerRole<'a>) -> Self {
        Self { role, ..self }
    }

    /// The same peer with an `OCSPResponse`.
    #[must_use]
    pub const fn with_ocsp_response(self, ocsp_response: &'a [u8]) -> Self {
        Self { ocsp_response: Some(ocsp_response), ..self }
    }

    /// Its certificates, for a verifier to which nothing else comes.
    ///
    /// # Errors
    /// If it has shown a bare key.
    pub const fn chain(&self) -> Result<&'a [CertificateDer<'a>], CertificateError> {
        match self.credential {
            PeerCredential::Certificates(chain) => Ok(chain),
            PeerCredential::RawPublicKey(_) => Err(CertificateError::Unreadable),
        }
    }
}

/// How a peer has shown its public key.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PeerCredential<'a> {
    /// In a certificate: the first of these. Never empty in a handshake.
    Certificates(&'a [CertificateDer<'a>]),
    /// Bare (RFC 7250): nobody vouches for it, and there is no name and no date to check.
    RawPublicKey(&'a SubjectPublicKeyInfoDer<'a>),
}

impl<'a> PeerCredential<'a> {
    /// The key itself.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn public_key(&self) -> Result<SubjectPublicKey<'a>, UnreadableCertificate> {
        match self {
            Self::Certificates(chain) => subject_public_key(chain.first().ok_or(UnreadableCertificate)?),
            Self::RawPublicKey(key) => SubjectPublicKey::read(key),
        }
    }

    /// The key as others [pin](super::PinnedPublicKeys) it.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn public_key_info(&self) -> Result<SubjectPublicKeyInfoDer<'static>, UnreadableCertificate> {
        self.public_key()?.write().ok_or(UnreadableCertificate)
    }
}

/// The role a peer acts in, and with it what its certificate must be good for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PeerRole<'a> {
    /// We are the client.
    Server {
        /// The name we meant to reach, if we were given one.
        name: Option<&'a ServerName<'a>>,
    },
    /// We are the server.
    Client,
}

/// Proof that a [`PeerVerifier`] accepted a peer's certificates.
#[derive(Debug)]
#[must_use]
pub struct PeerAuthenticated(());

impl PeerAuthenticated {
    /// For the verifiers of this module, right behind their checks.
    pub(in crate::crypto) const fn checked() -> Self {
        Self(())
    }

    /// For verifiers outside this crate: asserts that the peer's certificates have been found good.
    ///
    /// Dangerous because nobody checks the assertion. A verifier that ends with it unconditionally accepts
    /// everybody, a man in the middle first of all.
    pub const fn dangerous_assertion() -> Self {
        Self(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{
        RSA_CERTIFICATE, RSA_EXPONENT_3, RSA_PKCS8, RSA_PSS_OID_CERTIFICATE, providers, self_signed, self_signed_by,
        unhex,
    };
    use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    const MESSAGE: &[u8] = b"client_random || server_random || params";

    type Pair = (CertificateDer<'static>, PrivateKeyDer<'static>);

    fn identities() -> [Pair; 4] {
        [
            self_signed_by(&rcgen::PKCS_ECDSA_P256_SHA256),
            self_signed_by(&rcgen::PKCS_ECDSA_P384_SHA384),
            self_signed_by(&rcgen::PKCS_ED25519),
            (CertificateDer::from(RSA_CERTIFICATE), PrivatePkcs8KeyDer::from(RSA_PKCS8).into()),
        ]
    }

    fn key_of<'a>(certificate: &'a CertificateDer<'_>) -> SubjectPublicKey<'a> {
        subject_public_key(certificate).unwrap()
    }

    fn sign(provider: &CryptoProvider, key: &PrivateKeyDer<'_>, scheme: SignatureScheme) -> Vec<u8> {
        let mut signature = Vec::new();
        provider.key_loader.load(key).unwrap().sign(scheme, MESSAGE, &mut signature).unwrap();
        signature
    }

    #[test]
    fn every_key_verifies_under_each_of_its_schemes_with_every_provider() {
        for signer in providers() {
            for verifier in providers() {
                for (cert, key) in identities() {
                    for scheme in signer.key_loader.load(&key).unwrap().schemes() {
                        let signature = sign(&signer, &key, *scheme);
                        let verdict = |message, signature: &[u8]| {
                            verify_handshake_signature(&verifier, key_of(&cert), *scheme, message, signature)
                                .map(|_| ())
                        };
                        assert_eq!(verdict(MESSAGE, &signature), Ok(()), "{scheme}");
                        assert_eq!(verdict(b"other randoms", &signature), Err(SignatureFault::Invalid), "{scheme}");
                        assert_eq!(verdict(MESSAGE, &[]), Err(SignatureFault::Invalid), "{scheme}");
                        assert_eq!(verdict(MESSAGE, &signature[1..]), Err(SignatureFault::Invalid), "{scheme}");
                        let mut changed = signature.clone();
                        *changed.last_mut().unwrap() ^= 1;
                        assert_eq!(verdict(MESSAGE, &changed), Err(SignatureFault::Invalid), "{scheme}");
                        changed.resize(signature.len() + 1, 0);
                        assert_eq!(verdict(MESSAGE, &changed), Err(SignatureFault::Invalid), "{scheme}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_scheme_of_another_kind_of_key_does_not_fit() {
        for provider in providers() {
            for (cert, key) in identities() {
                let key = provider.key_loader.load(&key).unwrap();
                for scheme in provider.signature_schemes() {
                    let name = scheme.name().unwrap();
                    let own = key.schemes()[0].name().unwrap();
                    if name.split('_').next() != own.split('_').next() {
                        let verdict =
                            verify_handshake_signature(&provider, key_of(&cert), scheme, MESSAGE, b"signature");
                        assert_eq!(verdict.map(|_| ()), Err(SignatureFault::SchemeDoesNotFitKey), "{own} {name}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_curve_in_the_name_of_an_ecdsa_scheme_does_not_count() {
        // Made with `openssl dgst` over "sample": P-256 with SHA-384, P-384 with SHA-256.
        for provider in providers() {
            for (cert, scheme, signature) in CROSSED {
                let cert = CertificateDer::from(cert);
                let verdict = |message| {
                    verify_handshake_signature(&provider, key_of(&cert), scheme, message, signature).map(|_| ())
                };
                assert_eq!(verdict(b"sample".as_slice()), Ok(()), "{scheme}");
                assert_eq!(verdict(b"simple".as_slice()), Err(SignatureFault::Invalid), "{scheme}");
            }
        }
    }

    const CROSSED: [(&[u8], SignatureScheme, &[u8]); 2] = [
        (
            include_bytes!("testdata/v1_cert.der"),
            SignatureScheme::ECDSA_SECP384R1_SHA384,
            include_bytes!("testdata/p256_sha384_signature.der"),
        ),
        (
            include_bytes!("testdata/p384_cert.der"),
            SignatureScheme::ECDSA_SECP256R1_SHA256,
            include_bytes!("testdata/p384_sha256_signature.der"),
        ),
    ];

    #[test]
    fn a_scheme_that_nobody_has_is_unknown() {
        for provider in providers() {
            let (cert, _) = self_signed();
            for scheme in [0x0201, 0x0203, 0x0101, 0x0000, 0x0808, 0x0403 ^ 0xffff] {
                let verdict =
                    verify_handshake_signature(&provider, key_of(&cert), SignatureScheme(scheme), MESSAGE, b"");
                assert_eq!(verdict.map(|_| ()), Err(SignatureFault::SchemeUnknown));
            }
        }
    }

    #[test]
    fn a_credential_without_a_readable_key_has_none() {
        for bytes in [&b""[..], b"\x30\x00", &RSA_CERTIFICATE[..200]] {
            let (chain, key) = ([CertificateDer::from(bytes)], SubjectPublicKeyInfoDer::from(bytes));
            assert_eq!(PeerCredential::Certificates(&chain).public_key(), Err(UnreadableCertificate));
            assert_eq!(PeerCredential::RawPublicKey(&key).public_key(), Err(UnreadableCertificate));
        }
        assert_eq!(PeerCredential::Certificates(&[]).public_key(), Err(UnreadableCertificate));
    }

    #[test]
    fn a_key_for_other_schemes_does_not_fit() {
        for provider in providers() {
            // A key that says id-RSASSA-PSS is for the rsa_pss_pss schemes, which are not here.
            let cert = CertificateDer::from(RSA_PSS_OID_CERTIFICATE);
            let scheme = SignatureScheme::RSA_PSS_RSAE_SHA256;
            let verdict = verify_handshake_signature(&provider, key_of(&cert), scheme, MESSAGE, b"");
            assert_eq!(verdict.map(|_| ()), Err(SignatureFault::SchemeDoesNotFitKey));
        }
    }

    #[test]
    fn ecdsa_signatures_of_zeros_and_out_of_range_are_refused() {
        let order = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
        let signatures = [
            "3006020100020100".into(),
            "3006020101020100".into(),
            "3006020100020101".into(),
            alloc::format!("3026022100{order}020101"),
            alloc::format!("3026020101022100{order}"),
            alloc::format!("304602210{0}{order}02210{0}{order}", "0"),
            "300602018102017f".into(),
        ];
        for provider in providers() {
            let (cert, _) = self_signed();
            for signature in &signatures {
                let signature = crate::crypto::testing::unhex(signature);
                let scheme = SignatureScheme::ECDSA_SECP256R1_SHA256;
                let verdict = verify_handshake_signature(&provider, key_of(&cert), scheme, MESSAGE, &signature);
                assert_eq!(verdict.map(|_| ()), Err(SignatureFault::Invalid));
            }
        }
    }

    #[test]
    fn rsa_keys_that_are_too_short_or_too_long_and_signatures_encoded_otherwise_are_refused() {
        let lines = RSA_EXPONENT_3.lines().filter(|line| !line.starts_with('#'));
        let cases: Vec<Vec<&str>> = lines.map(|line| line.split(" | ").collect()).collect();
        assert_eq!(cases.len(), 11);
        for provider in providers() {
            for case in &cases {
                let [verdict, what, key, signature] = case[..] else { panic!("four fields") };
                let (key, signature) = (unhex(key), unhex(signature));
                let key = SubjectPublicKey::read(&key).unwrap();
                let scheme = SignatureScheme::RSA_PKCS1_SHA256;
                let verified = verify_handshake_signature(&provider, key, scheme, b"sample", &signature).map(drop);
                let expected = if verdict == "accepted" { Ok(()) } else { Err(SignatureFault::Invalid) };
                assert_eq!(verified, expected, "{} and {what}", provider.name);
            }
        }
    }

    #[test]
    fn public_keys_in_other_forms_are_refused_by_every_provider() {
        for provider in providers() {
            let (cert, key) = self_signed();
            let signature = sign(&provider, &key, SignatureScheme::ECDSA_SECP256R1_SHA256);
            let point = subject_public_key(&cert).unwrap().key;
            let algorithm = provider.signatures[0].algorithms[0];
            assert!(algorithm.verify_signature(point, MESSAGE, &signature).is_ok());

            let parity = point.last().unwrap() & 1;
            let compressed = [&[2 + parity], &point[1..33]].concat();
            assert!(algorithm.verify_signature(&compressed, MESSAGE, &signature).is_err(), "compressed");
            let hybrid = [&[6 + parity], &point[1..]].concat();
            assert!(algorithm.verify_signature(&hybrid, MESSAGE, &signature).is_err(), "hybrid");
            let info = KeyInfo::wrap(point);
            assert!(algorithm.verify_signature(&info, MESSAGE, &signature).is_err(), "SubjectPublicKeyInfo");
        }
    }

    struct KeyInfo;

    impl KeyInfo {
        /// A P-256 `SubjectPublicKeyInfo`.
        fn wrap(point: &[u8]) -> Vec<u8> {
            let head = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
            [crate::crypto::testing::unhex(head), point.to_vec()].concat()
        }
    }
}
