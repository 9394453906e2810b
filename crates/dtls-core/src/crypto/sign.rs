//! Who we are and how we prove it: RFC 5246 sections 4.7, 7.4.2, 7.4.3 and 7.4.8.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, SubjectPublicKeyInfoDer, alg_id};

use super::suite::SuiteAuthentication;
use super::verify::{PeerCredential, verify_handshake_signature};
use super::x509::{SubjectPublicKey, issuer, subject_public_key};
use super::{CryptoError, CryptoProvider};
use crate::error::Error;
use crate::wire::enums::{CertificateType, NamedGroup, SignatureScheme};

/// A private key that can sign, wherever it is kept.
pub trait SigningKey: Send + Sync + fmt::Debug {
    /// The schemes it can sign under, best first; never empty.
    fn schemes(&self) -> &[SignatureScheme];

    /// In which suites it can be used. Ed25519 counts as ECDSA (RFC 8422 section 5.10).
    fn kind(&self) -> SuiteAuthentication;

    /// Its public half as it stands in a certificate, the content of the bit string of `SubjectPublicKeyInfo`; `None`
    /// if the key does not know.
    fn public_key(&self) -> Option<&[u8]>;

    /// Signs `message`, which has not been hashed, under `scheme`, and appends the signature to `out`.
    ///
    /// # Errors
    ///
    /// If the scheme is not one of [`schemes`](Self::schemes), or whoever holds the key refuses; what has been
    /// appended is then not to be used.
    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError>;

    /// Whether the owner of the connection has signatures made, by a hardware module say: it is then asked
    /// [`Question::Signature`](crate::Question::Signature), and [`sign`](Self::sign) is not called. Default: no.
    fn defers(&self) -> bool {
        false
    }
}

/// Turns private keys in DER into something that signs.
pub trait KeyLoader: Send + Sync {
    /// Loads a key in PKCS#8 (RFC 5958), SEC 1 (RFC 5915) or PKCS#1 (RFC 8017 appendix A.1.2), not encrypted.
    ///
    /// # Errors
    ///
    /// If the key is malformed, or of a kind or size that the provider does not sign with.
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError>;
}

/// A certificate chain and the private key of its leaf, or a bare key: what one side shows and signs with.
///
/// Loaded once, shared by all connections; a clone costs next to nothing.
#[derive(Clone)]
pub struct Identity {
    shown: Shown,
    key: Arc<dyn SigningKey>,
    curve: Option<NamedGroup>,
    ocsp_response: Option<Arc<[u8]>>,
}

#[derive(Clone)]
enum Shown {
    Chain(Arc<[CertificateDer<'static>]>),
    RawPublicKey(Arc<SubjectPublicKeyInfoDer<'static>>),
}

impl Identity {
    /// Takes a chain, leaf first, and the private key of the leaf.
    ///
    /// # Errors
    ///
    /// If the chain is empty, its leaf unreadable, the key unusable, or the key not the leaf's.
    pub fn new(
        provider: &CryptoProvider,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'_>,
    ) -> Result<Self, IdentityError> {
        let key = provider.key_loader.load(&key).map_err(|_| IdentityError::KeyUnusable)?;
        let identity = Self::with_signer(chain, key)?;
        if identity.key.public_key().is_none() {
            identity.sign_and_verify(provider)?;
        }
        Ok(identity)
    }

    /// Takes a chain, leaf first, and something that signs for it, a hardware module say.
    ///
    /// # Errors
    ///
    /// If the chain is empty, its leaf unreadable, or the signer says that its public key is not the leaf's.
    pub fn with_signer(chain: Vec<CertificateDer<'static>>, key: Arc<dyn SigningKey>) -> Result<Self, IdentityError> {
        let leaf = chain.first().ok_or(IdentityError::EmptyChain)?;
        let leaf_key = subject_public_key(leaf).map_err(|_| IdentityError::LeafUnreadable)?;
        match key.public_key() {
            Some(public_key) if public_key != leaf_key.key => Err(IdentityError::KeyIsNotTheLeafs),
            _ => {
                let curve = leaf_key.curve();
                Ok(Self { shown: Shown::Chain(chain.into()), key, curve, ocsp_response: None })
            }
        }
    }

    /// Takes a private key whose public half is shown bare (RFC 7250), without a certificate.
    ///
    /// # Errors
    ///
    /// If the key is unusable, or does not know its public half.
    pub fn raw_public_key(provider: &CryptoProvider, key: PrivateKeyDer<'_>) -> Result<Self, IdentityError> {
        let key = provider.key_loader.load(&key).map_err(|_| IdentityError::KeyUnusable)?;
        let public_key = key.public_key().and_then(|public_key| public_key_info(&*key, public_key));
        Self::raw_public_key_with_signer(public_key.ok_or(IdentityError::KeyUnusable)?, key)
    }

    /// Takes a public key to be shown bare (RFC 7250), and something that signs for it.
    ///
    /// # Errors
    ///
    /// If the public key is unreadable, or the signer says that its own is another.
    pub fn raw_public_key_with_signer(
        public_key: SubjectPublicKeyInfoDer<'static>,
        key: Arc<dyn SigningKey>,
    ) -> Result<Self, IdentityError> {
        let shown = SubjectPublicKey::read(&public_key).map_err(|_| IdentityError::LeafUnreadable)?;
        if key.public_key().is_some_and(|public_key| public_key != shown.key) {
            return Err(IdentityError::KeyIsNotTheLeafs);
        }
        let curve = shown.curve();
        Ok(Self { shown: Shown::RawPublicKey(Arc::new(public_key)), key, curve, ocsp_response: None })
    }

    /// Shows this of OCSP about the certificate to clients that ask for it (RFC 6066 section 8): an `OCSPResponse` in DER,
    /// which nobody here looks into. It has dates: build a new configuration when there is a new one. No effect with a bare
    /// key, or for a client's identity.
    #[must_use]
    pub fn with_ocsp_response(mut self, response: Vec<u8>) -> Self {
        self.ocsp_response = (!response.is_empty()).then(|| response.into());
        self
    }

    /// The certificates, leaf first; empty for a bare key.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        match &self.shown {
            Shown::Chain(chain) => chain,
            Shown::RawPublicKey(_) => &[],
        }
    }

    /// How its public key is shown.
    #[must_use]
    pub fn credential(&self) -> PeerCredential<'_> {
        match &self.shown {
            Shown::Chain(chain) => PeerCredential::Certificates(chain),
            Shown::RawPublicKey(key) => PeerCredential::RawPublicKey(key),
        }
    }

    /// In which form its public key is shown.
    #[must_use]
    pub const fn certificate_type(&self) -> CertificateType {
        match &self.shown {
            Shown::Chain(_) => CertificateType::X509,
            Shown::RawPublicKey(_) => CertificateType::RAW_PUBLIC_KEY,
        }
    }

    pub(crate) fn ocsp_response(&self) -> Option<&[u8]> {
        self.ocsp_response.as_deref()
    }

    /// What signs.
    #[must_use]
    pub fn key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }

    /// The curve of the leaf's key if it is an ECDSA key.
    pub(crate) const fn curve(&self) -> Option<NamedGroup> {
        self.curve
    }

    /// The hash of what it shows, to tell it from others.
    pub(crate) fn fingerprint(&self, provider: &CryptoProvider) -> Option<[u8; 32]> {
        let shown: &[u8] = match &self.shown {
            Shown::Chain(chain) => chain.first()?,
            Shown::RawPublicKey(key) => key,
        };
        provider.sha256.hash(shown).as_ref().try_into().ok()
    }

    pub(crate) fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, Error> {
        let mut signature = Vec::new();
        self.key.sign(scheme, message, &mut signature).map_err(|_| Error::SignerFailed)?;
        Ok(signature)
    }

    /// Whether a certificate of the chain was issued by one of these, each a DER `Name`.
    pub(crate) fn is_issued_by(&self, authorities: &[&[u8]]) -> bool {
        self.chain().iter().filter_map(|certificate| issuer(certificate)).any(|issuer| authorities.contains(&issuer))
    }

    /// Checks a signature that was made elsewhere: better that we notice than the peer.
    pub(crate) fn check_signature(
        &self,
        provider: &CryptoProvider,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), Error> {
        let public_key = self.credential().public_key().map_err(|_| Error::SignerFailed)?;
        let verified = verify_handshake_signature(provider, public_key, scheme, message, signature);
        verified.map(|_valid| ()).map_err(|_| Error::SignerFailed)
    }

    /// For a key that does not know its public half.
    fn sign_and_verify(&self, provider: &CryptoProvider) -> Result<(), IdentityError> {
        let public_key = self.credential().public_key().map_err(|_| IdentityError::LeafUnreadable)?;
        let scheme = *self.key.schemes().first().ok_or(IdentityError::KeyUnusable)?;
        let message = b"does this key belong to this certificate?";
        let mut signature = Vec::new();
        self.key.sign(scheme, message, &mut signature).map_err(|_| IdentityError::KeyUnusable)?;
        verify_handshake_signature(provider, public_key, scheme, message, &signature)
            .map(|_valid| ())
            .map_err(|_| IdentityError::KeyIsNotTheLeafs)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Shown::Chain(chain) => write!(f, "Identity({} certificates, {:?})", chain.len(), self.key),
            Shown::RawPublicKey(_) => write!(f, "Identity(raw public key, {:?})", self.key),
        }
    }
}

/// The public half of a key with the name of its algorithm; `None` if it is of a kind that nobody signs with here.
fn public_key_info(key: &dyn SigningKey, public_key: &[u8]) -> Option<SubjectPublicKeyInfoDer<'static>> {
    let algorithm = match (key.kind(), public_key.len()) {
        (SuiteAuthentication::Rsa, _) => alg_id::RSA_ENCRYPTION,
        (SuiteAuthentication::Ecdsa, 32) => alg_id::ED25519,
        (SuiteAuthentication::Ecdsa, 65) => alg_id::ECDSA_P256,
        (SuiteAuthentication::Ecdsa, 97) => alg_id::ECDSA_P384,
        (SuiteAuthentication::Ecdsa, _) => return None,
    };
    SubjectPublicKey { algorithm_id: algorithm.as_ref(), key: public_key }.write()
}

/// Why a chain and a key are not an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no certificate.
    EmptyChain,
    /// The first certificate, or the public key that is to be shown, cannot be read.
    LeafUnreadable,
    /// The private key cannot be read, or is of a kind or size that the provider does not sign with.
    KeyUnusable,
    /// The private key belongs to another certificate or public key.
    KeyIsNotTheLeafs,
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyChain => "the certificate chain is empty; give at least the certificate of the key",
            Self::LeafUnreadable => {
                "the first certificate or the public key cannot be read; give X.509 in DER, the key's own first, or a \
                 SubjectPublicKeyInfo"
            }
            Self::KeyUnusable => {
                "the private key cannot be used; give an unencrypted PKCS#8, SEC 1 or PKCS#1 key of P-256, P-384, \
                 Ed25519 or RSA with at least 2048 bits, with its public key in it if it is an elliptic curve key"
            }
            Self::KeyIsNotTheLeafs => {
                "the private key does not belong to the first certificate; give the chain with the key's own \
                 certificate first"
            }
        })
    }
}

impl core::error::Error for IdentityError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{
        ED25519_PKCS8, P256_PKCS8, P256_SEC1, P384_PKCS8, P384_SEC1, RSA_1024_PKCS8, RSA_CERTIFICATE, RSA_PKCS1,
        RSA_PKCS8, V1_CERTIFICATE, providers, self_signed, self_signed_by,
    };
    use alloc::format;
    use alloc::vec;
    use rustls_pki_types::{PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

    fn pkcs8(der: &'static [u8]) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(der).into()
    }

    fn sec1(der: &'static [u8]) -> PrivateKeyDer<'static> {
        PrivateSec1KeyDer::from(der).into()
    }

    fn pkcs1(der: &'static [u8]) -> PrivateKeyDer<'static> {
        PrivatePkcs1KeyDer::from(der).into()
    }

    fn load(provider: &CryptoProvider, key: &PrivateKeyDer<'_>) -> Arc<dyn SigningKey> {
        provider.key_loader.load(key).unwrap()
    }

    #[test]
    fn keys_written_by_openssl_load_in_every_format() {
        for provider in providers() {
            for (keys, kind, first) in [
                (
                    vec![pkcs8(P256_PKCS8), sec1(P256_SEC1)],
                    SuiteAuthentication::Ecdsa,
                    SignatureScheme::ECDSA_SECP256R1_SHA256,
                ),
                (
                    vec![pkcs8(P384_PKCS8), sec1(P384_SEC1)],
                    SuiteAuthentication::Ecdsa,
                    SignatureScheme::ECDSA_SECP384R1_SHA384,
                ),
                (vec![pkcs8(ED25519_PKCS8)], SuiteAuthentication::Ecdsa, SignatureScheme::ED25519),
                (
                    vec![pkcs8(RSA_PKCS8), pkcs1(RSA_PKCS1)],
                    SuiteAuthentication::Rsa,
                    SignatureScheme::RSA_PSS_RSAE_SHA256,
                ),
            ] {
                let public_key = load(&provider, &keys[0]).public_key().unwrap().to_vec();
                for key in &keys {
                    let key = load(&provider, key);
                    assert_eq!((key.kind(), key.schemes()[0]), (kind, first));
                    assert_eq!(key.public_key().unwrap(), public_key);
                }
            }
        }
    }

    #[test]
    fn public_keys_are_written_as_in_certificates() {
        for provider in providers() {
            for (cert, key) in [(RSA_CERTIFICATE, RSA_PKCS8), (V1_CERTIFICATE, P256_PKCS8)] {
                assert_eq!(load(&provider, &pkcs8(key)).public_key().unwrap(), subject_public_key(cert).unwrap().key);
            }
        }
    }

    #[test]
    fn keys_that_are_broken_weak_or_mislabelled_are_refused() {
        for provider in providers() {
            for key in [
                pkcs8(RSA_1024_PKCS8),
                pkcs8(b""),
                pkcs8(&P256_PKCS8[..100]),
                pkcs8(P256_SEC1),
                sec1(P256_PKCS8),
                sec1(&P384_SEC1[..50]),
                sec1(b""),
                pkcs1(RSA_PKCS8),
                pkcs1(b"\x30\x00"),
            ] {
                assert!(provider.key_loader.load(&key).is_err());
            }
        }
    }

    #[test]
    fn signing_appends_and_refuses_schemes_of_other_keys() {
        for provider in providers() {
            for key in [pkcs8(P256_PKCS8), pkcs8(P384_PKCS8), pkcs8(ED25519_PKCS8), pkcs8(RSA_PKCS8)] {
                let key = load(&provider, &key);
                for scheme in provider.signature_schemes() {
                    let mut out = vec![1, 2, 3];
                    let signed = key.sign(scheme, b"message", &mut out);
                    assert_eq!(signed.is_ok(), key.schemes().contains(&scheme), "{scheme}");
                    assert!(out.starts_with(&[1, 2, 3]));
                    assert_eq!(out.len() > 3, signed.is_ok());
                }
            }
        }
    }

    #[test]
    fn a_key_does_not_print_itself() {
        for provider in providers() {
            let key = load(&provider, &pkcs8(ED25519_PKCS8));
            assert_eq!(format!("{key:?}"), "SigningKey { schemes: [ed25519], .. }");
            let identity = Identity::with_signer(vec![CertificateDer::from(V1_CERTIFICATE)], Arc::new(Silent(key)));
            assert_eq!(format!("{:?}", identity.unwrap()), "Identity(1 certificates, Silent)");
        }
    }

    #[test]
    fn an_identity_is_a_chain_with_the_key_of_its_leaf() {
        for provider in providers() {
            for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
                let (cert, key) = self_signed_by(algorithm);
                let identity = Identity::new(&provider, vec![cert.clone()], key).unwrap();
                assert_eq!(identity.chain(), [cert]);
            }
            let chain = vec![CertificateDer::from(RSA_CERTIFICATE)];
            assert!(Identity::new(&provider, chain.clone(), pkcs8(RSA_PKCS8)).is_ok());
            assert!(Identity::new(&provider, chain, pkcs1(RSA_PKCS1)).is_ok());
            assert!(Identity::new(&provider, vec![CertificateDer::from(V1_CERTIFICATE)], sec1(P256_SEC1)).is_ok());
        }
    }

    #[test]
    fn what_is_not_an_identity_is_refused_with_its_reason() {
        for provider in providers() {
            let (cert, key) = self_signed();
            let (other_cert, _) = self_signed();
            let refused = |chain, key: &PrivateKeyDer<'static>| {
                Identity::new(&provider, chain, key.clone_key()).map(|_| ()).unwrap_err()
            };
            assert_eq!(refused(vec![], &key), IdentityError::EmptyChain);
            assert_eq!(refused(vec![b"PEM".to_vec().into()], &key), IdentityError::LeafUnreadable);
            assert_eq!(refused(vec![cert.clone()], &pkcs8(b"key")), IdentityError::KeyUnusable);
            assert_eq!(refused(vec![cert.clone()], &pkcs8(RSA_PKCS8)), IdentityError::KeyIsNotTheLeafs);
            assert_eq!(refused(vec![other_cert, cert], &key), IdentityError::KeyIsNotTheLeafs);
        }
    }

    #[test]
    fn a_bare_key_is_shown_only_with_a_signer_whose_key_it_is() {
        for provider in providers() {
            let [ours, other] = [self_signed().1, self_signed().1];
            let signer = load(&provider, &ours);
            let public_key = |key: &PrivateKeyDer<'static>| {
                let identity = Identity::raw_public_key(&provider, key.clone_key()).unwrap();
                identity.credential().public_key_info().unwrap()
            };
            let made = |public_key| Identity::raw_public_key_with_signer(public_key, Arc::clone(&signer)).map(|_| ());
            assert_eq!(made(public_key(&ours)), Ok(()));
            assert_eq!(made(public_key(&other)), Err(IdentityError::KeyIsNotTheLeafs));
            assert_eq!(made(b"PEM".to_vec().into()), Err(IdentityError::LeafUnreadable));
        }
    }

    /// A key that does not know its public half.
    #[derive(Clone)]
    struct Silent(Arc<dyn SigningKey>);

    impl fmt::Debug for Silent {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Silent")
        }
    }

    impl SigningKey for Silent {
        fn schemes(&self) -> &[SignatureScheme] {
            self.0.schemes()
        }

        fn kind(&self) -> SuiteAuthentication {
            self.0.kind()
        }

        fn public_key(&self) -> Option<&[u8]> {
            None
        }

        fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
            self.0.sign(scheme, message, out)
        }
    }

    struct SilentLoader(&'static dyn KeyLoader);

    impl KeyLoader for SilentLoader {
        fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
            Ok(Arc::new(Silent(self.0.load(key)?)))
        }
    }

    #[test]
    fn a_key_that_does_not_know_its_public_half_has_to_sign_once() {
        for mut provider in providers() {
            provider.key_loader = alloc::boxed::Box::leak(alloc::boxed::Box::new(SilentLoader(provider.key_loader)));
            let (cert, key) = self_signed();
            let (other, _) = self_signed();
            assert!(Identity::new(&provider, vec![cert], key.clone_key()).is_ok());
            let refused = Identity::new(&provider, vec![other], key).map(|_| ());
            assert_eq!(refused, Err(IdentityError::KeyIsNotTheLeafs));
        }
    }
}
