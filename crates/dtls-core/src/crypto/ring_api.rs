//! A provider over a library with the API of `ring`: `ring` itself and AWS-LC, which mirrors it.
//!
//! Compiled once for each, as a module inside `ring.rs` and `aws_lc.rs`; what differs between them is there.
//!
//! Both libraries keep their random numbers to themselves, so the `random` of a key exchange goes unused; and neither
//! erases its expanded keys when they are dropped, which is out of our hands.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm, alg_id};
use zeroize::Zeroizing;

use super::library::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair, VerificationAlgorithm,
};
use super::library::{aead, agreement, digest, hmac, rand};
use super::{agree, ecdsa_key, rsa_signature_len};
use crate::crypto::x509::{OCTET_STRING, SEQUENCE, is_rsa_public_key, wrap};
use crate::crypto::{
    AeadAlgorithm, AeadKey, AeadLimits, CipherSuite, CryptoError, CryptoProvider, Digest, HashAlgorithm, HashContext,
    KeyExchange, KeyExchangeAlgorithm, KeyLoader, KxGroup, NonceConstruction, PreMasterSecret, SecureRandom,
    SignatureVerification, SigningKey, SuiteAuthentication,
};
use crate::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme};

pub(super) fn provider(name: &'static str) -> CryptoProvider {
    CryptoProvider {
        name,
        cipher_suites: cipher_suites(),
        groups: vec![&X25519, &P256, &P384],
        signatures: signatures(),
        random: Arc::new(SystemRandom(rand::SystemRandom::new())),
        key_loader: &Loader,
        sha256: &SHA256,
    }
}

fn cipher_suites() -> Vec<CipherSuite> {
    let aes = |id, key_exchange, hash, aead| CipherSuite {
        id,
        key_exchange,
        hash,
        aead,
        nonce: NonceConstruction::Explicit,
        limits: AeadLimits::AES_GCM,
    };
    let chacha = |id, key_exchange| CipherSuite {
        id,
        key_exchange,
        hash: &SHA256,
        aead: &CHACHA20_POLY1305,
        nonce: NonceConstruction::Implicit,
        limits: AeadLimits::CHACHA20_POLY1305,
    };
    let (ecdsa, rsa) = (KeyExchangeAlgorithm::ECDHE_ECDSA, KeyExchangeAlgorithm::ECDHE_RSA);
    let (ecdhe_psk, psk) = (KeyExchangeAlgorithm::EcdhePsk, KeyExchangeAlgorithm::Psk);
    vec![
        aes(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, ecdsa, &SHA256, &AES_128_GCM),
        aes(CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, rsa, &SHA256, &AES_128_GCM),
        aes(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, ecdsa, &SHA384, &AES_256_GCM),
        aes(CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, rsa, &SHA384, &AES_256_GCM),
        chacha(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, ecdsa),
        chacha(CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, rsa),
        aes(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, ecdhe_psk, &SHA256, &AES_128_GCM),
        aes(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, ecdhe_psk, &SHA384, &AES_256_GCM),
        chacha(CipherSuiteId::TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, ecdhe_psk),
        aes(CipherSuiteId::TLS_PSK_WITH_AES_128_GCM_SHA256, psk, &SHA256, &AES_128_GCM),
        aes(CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384, psk, &SHA384, &AES_256_GCM),
        chacha(CipherSuiteId::TLS_PSK_WITH_CHACHA20_POLY1305_SHA256, psk),
    ]
}

fn signatures() -> Vec<SignatureVerification> {
    let of = |scheme, algorithms: &[&'static dyn SignatureVerificationAlgorithm]| SignatureVerification {
        scheme,
        algorithms: algorithms.to_vec(),
    };
    vec![
        of(SignatureScheme::ECDSA_SECP256R1_SHA256, &[&ECDSA_P256_SHA256, &ECDSA_P384_SHA256]),
        of(SignatureScheme::ECDSA_SECP384R1_SHA384, &[&ECDSA_P384_SHA384, &ECDSA_P256_SHA384]),
        of(SignatureScheme::ED25519, &[&ED25519]),
        of(SignatureScheme::RSA_PSS_RSAE_SHA256, &[&RSA_PSS_SHA256]),
        of(SignatureScheme::RSA_PSS_RSAE_SHA384, &[&RSA_PSS_SHA384]),
        of(SignatureScheme::RSA_PSS_RSAE_SHA512, &[&RSA_PSS_SHA512]),
        of(SignatureScheme::RSA_PKCS1_SHA256, &[&RSA_PKCS1_SHA256]),
        of(SignatureScheme::RSA_PKCS1_SHA384, &[&RSA_PKCS1_SHA384]),
        of(SignatureScheme::RSA_PKCS1_SHA512, &[&RSA_PKCS1_SHA512]),
    ]
}

struct SystemRandom(rand::SystemRandom);

impl SecureRandom for SystemRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        rand::SecureRandom::fill(&self.0, out).map_err(|_| CryptoError)
    }
}

// --- records ---

struct Aead(&'static aead::Algorithm);

impl AeadAlgorithm for Aead {
    fn key_len(&self) -> usize {
        self.0.key_len()
    }

    fn tag_len(&self) -> usize {
        self.0.tag_len()
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        let key = aead::UnboundKey::new(self.0, key).map_err(|_| CryptoError)?;
        Ok(Box::new(Key(aead::LessSafeKey::new(key))))
    }
}

struct Key(aead::LessSafeKey);

impl AeadKey for Key {
    #[inline]
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        let made = self.0.seal_in_place_separate_tag(nonce, aead::Aad::from(aad), in_out).map_err(|_| CryptoError)?;
        if tag.len() != made.as_ref().len() {
            return Err(CryptoError);
        }
        tag.copy_from_slice(made.as_ref());
        Ok(())
    }

    #[inline]
    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
        let nonce = aead::Nonce::assume_unique_for_key(*nonce);
        // Both libraries erase what they decrypted if the tag is wrong.
        let plaintext = self.0.open_in_place(nonce, aead::Aad::from(aad), in_out).map_err(|_| CryptoError)?;
        Ok(plaintext.len())
    }
}

static AES_128_GCM: Aead = Aead(&aead::AES_128_GCM);
static AES_256_GCM: Aead = Aead(&aead::AES_256_GCM);
static CHACHA20_POLY1305: Aead = Aead(&aead::CHACHA20_POLY1305);

// --- hashes ---

struct Hash {
    name: &'static str,
    digest: &'static digest::Algorithm,
    hmac: &'static hmac::Algorithm,
}

impl HashAlgorithm for Hash {
    fn name(&self) -> &'static str {
        self.name
    }

    fn output_len(&self) -> usize {
        self.digest.output_len()
    }

    fn start(&self) -> Box<dyn HashContext> {
        Box::new(Context(digest::Context::new(self.digest)))
    }

    fn hash(&self, data: &[u8]) -> Digest {
        Digest::copy_from(digest::digest(self.digest, data).as_ref())
    }

    fn hmac(&self, key: &[u8], message: &[&[u8]]) -> Digest {
        let mut context = hmac::Context::with_key(&hmac::Key::new(*self.hmac, key));
        for part in message {
            context.update(part);
        }
        Digest::copy_from(context.sign().as_ref())
    }
}

struct Context(digest::Context);

impl HashContext for Context {
    fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn fork_finish(&self) -> Digest {
        Digest::copy_from(self.0.clone().finish().as_ref())
    }
}

static SHA256: Hash = Hash { name: "SHA-256", digest: &digest::SHA256, hmac: &hmac::HMAC_SHA256 };
static SHA384: Hash = Hash { name: "SHA-384", digest: &digest::SHA384, hmac: &hmac::HMAC_SHA384 };

// --- key exchange ---

struct Group {
    name: NamedGroup,
    library: &'static agreement::Algorithm,
    share: KeyForm,
    share_len: usize,
}

impl KxGroup for Group {
    fn name(&self) -> NamedGroup {
        self.name
    }

    fn public_key_len(&self) -> usize {
        self.share_len
    }

    fn start(&self, _random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        let random = rand::SystemRandom::new();
        let key = agreement::EphemeralPrivateKey::generate(self.library, &random).map_err(|_| CryptoError)?;
        let public_key = key.compute_public_key().map_err(|_| CryptoError)?;
        Ok(Box::new(Exchange { key, public_key, library: self.library, share: self.share }))
    }
}

struct Exchange {
    key: agreement::EphemeralPrivateKey,
    public_key: agreement::PublicKey,
    library: &'static agreement::Algorithm,
    share: KeyForm,
}

impl KeyExchange for Exchange {
    fn public_key(&self) -> &[u8] {
        self.public_key.as_ref()
    }

    fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
        if !self.share.fits(peer) {
            return Err(CryptoError);
        }
        agree(self.key, &agreement::UnparsedPublicKey::new(self.library, peer))
    }
}

static X25519: Group =
    Group { name: NamedGroup::X25519, library: &agreement::X25519, share: KeyForm::CURVE25519, share_len: 32 };
static P256: Group =
    Group { name: NamedGroup::SECP256R1, library: &agreement::ECDH_P256, share: KeyForm::P256, share_len: 65 };
static P384: Group =
    Group { name: NamedGroup::SECP384R1, library: &agreement::ECDH_P384, share: KeyForm::P384, share_len: 97 };

// --- signatures of others ---

/// Verifies one kind of signature by one kind of key.
#[derive(Debug)]
struct Verification {
    library: &'static dyn VerificationAlgorithm,
    public_key: AlgorithmIdentifier,
    signature: AlgorithmIdentifier,
    form: KeyForm,
}

impl SignatureVerificationAlgorithm for Verification {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if !self.form.fits(public_key) {
            return Err(InvalidSignature);
        }
        signature::UnparsedPublicKey::new(self.library, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.public_key
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// How a public key must be written.
///
/// AWS-LC also takes compressed points and whole `SubjectPublicKeyInfo`s in the place of a key. We do not: RFC 8422
/// section 5.4.1 has one form, and a key should not be good with one library and bad with the other.
#[derive(Clone, Copy, Debug)]
enum KeyForm {
    /// An uncompressed point of so many bytes.
    Point(usize),
    /// So many bytes of any value.
    Raw(usize),
    /// An `RSAPublicKey` (RFC 8017 appendix A.1.1): a SEQUENCE whose first part is an INTEGER.
    Rsa,
}

impl KeyForm {
    const P256: Self = Self::Point(65);
    const P384: Self = Self::Point(97);
    const CURVE25519: Self = Self::Raw(32);

    fn fits(self, key: &[u8]) -> bool {
        match self {
            Self::Point(len) => key.len() == len && key.first() == Some(&UNCOMPRESSED),
            Self::Raw(len) => key.len() == len,
            Self::Rsa => is_rsa_public_key(key),
        }
    }
}

static ECDSA_P256_SHA256: Verification = Verification {
    library: &signature::ECDSA_P256_SHA256_ASN1,
    public_key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA256,
    form: KeyForm::P256,
};
static ECDSA_P256_SHA384: Verification = Verification {
    library: &signature::ECDSA_P256_SHA384_ASN1,
    public_key: alg_id::ECDSA_P256,
    signature: alg_id::ECDSA_SHA384,
    form: KeyForm::P256,
};
static ECDSA_P384_SHA256: Verification = Verification {
    library: &signature::ECDSA_P384_SHA256_ASN1,
    public_key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA256,
    form: KeyForm::P384,
};
static ECDSA_P384_SHA384: Verification = Verification {
    library: &signature::ECDSA_P384_SHA384_ASN1,
    public_key: alg_id::ECDSA_P384,
    signature: alg_id::ECDSA_SHA384,
    form: KeyForm::P384,
};
static ED25519: Verification = Verification {
    library: &signature::ED25519,
    public_key: alg_id::ED25519,
    signature: alg_id::ED25519,
    form: KeyForm::CURVE25519,
};
static RSA_PSS_SHA256: Verification = rsa(&signature::RSA_PSS_2048_8192_SHA256, alg_id::RSA_PSS_SHA256);
static RSA_PSS_SHA384: Verification = rsa(&signature::RSA_PSS_2048_8192_SHA384, alg_id::RSA_PSS_SHA384);
static RSA_PSS_SHA512: Verification = rsa(&signature::RSA_PSS_2048_8192_SHA512, alg_id::RSA_PSS_SHA512);
static RSA_PKCS1_SHA256: Verification = rsa(&signature::RSA_PKCS1_2048_8192_SHA256, alg_id::RSA_PKCS1_SHA256);
static RSA_PKCS1_SHA384: Verification = rsa(&signature::RSA_PKCS1_2048_8192_SHA384, alg_id::RSA_PKCS1_SHA384);
static RSA_PKCS1_SHA512: Verification = rsa(&signature::RSA_PKCS1_2048_8192_SHA512, alg_id::RSA_PKCS1_SHA512);

const fn rsa(library: &'static dyn VerificationAlgorithm, signature: AlgorithmIdentifier) -> Verification {
    Verification { library, public_key: alg_id::RSA_ENCRYPTION, signature, form: KeyForm::Rsa }
}

/// The first byte of a point in the only form that is still in use (RFC 8422 section 5.4.1).
const UNCOMPRESSED: u8 = 4;

// --- our own signatures ---

struct Loader;

impl KeyLoader for Loader {
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        let key = match key {
            PrivateKeyDer::Pkcs8(key) => load_pkcs8(key.secret_pkcs8_der())?,
            PrivateKeyDer::Sec1(key) => load_sec1(key.secret_sec1_der())?,
            PrivateKeyDer::Pkcs1(key) => {
                LoadedKey::Rsa(RsaKeyPair::from_der(key.secret_pkcs1_der()).map_err(|_| CryptoError)?)
            }
            _ => return Err(CryptoError),
        };
        Ok(Arc::new(key))
    }
}

/// The libraries say at once if the algorithm identifier is another, so each is tried.
fn load_pkcs8(pkcs8: &[u8]) -> Result<LoadedKey, CryptoError> {
    for curve in &CURVES {
        if let Ok(key) = ecdsa_key(curve.signing, pkcs8) {
            return Ok(LoadedKey::Ecdsa(key, curve.scheme));
        }
    }
    if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8) {
        return Ok(LoadedKey::Ed25519(key));
    }
    RsaKeyPair::from_pkcs8(pkcs8).map(LoadedKey::Rsa).map_err(|_| CryptoError)
}

/// The libraries want PKCS#8 (RFC 5958 section 2), which is SEC 1 with the curve in front.
fn load_sec1(sec1: &[u8]) -> Result<LoadedKey, CryptoError> {
    for curve in &CURVES {
        let algorithm = wrap(SEQUENCE, &[&curve.algorithm_id]);
        let octets = Zeroizing::new(wrap(OCTET_STRING, &[sec1]));
        let pkcs8 = Zeroizing::new(wrap(SEQUENCE, &[&VERSION_1, &algorithm, &octets]));
        if let Ok(key) = ecdsa_key(curve.signing, &pkcs8) {
            return Ok(LoadedKey::Ecdsa(key, curve.scheme));
        }
    }
    Err(CryptoError)
}

enum LoadedKey {
    /// With the one scheme the libraries sign with on its curve.
    Ecdsa(EcdsaKeyPair, &'static [SignatureScheme; 1]),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey for LoadedKey {
    fn schemes(&self) -> &[SignatureScheme] {
        match self {
            Self::Ecdsa(_, scheme) => scheme.as_slice(),
            Self::Ed25519(_) => &[SignatureScheme::ED25519],
            Self::Rsa(_) => RSA_SCHEMES,
        }
    }

    fn kind(&self) -> SuiteAuthentication {
        match self {
            Self::Ecdsa(..) | Self::Ed25519(_) => SuiteAuthentication::Ecdsa,
            Self::Rsa(_) => SuiteAuthentication::Rsa,
        }
    }

    fn public_key(&self) -> Option<&[u8]> {
        Some(match self {
            Self::Ecdsa(key, _) => key.public_key().as_ref(),
            Self::Ed25519(key) => key.public_key().as_ref(),
            Self::Rsa(key) => key.public_key().as_ref(),
        })
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !self.schemes().contains(&scheme) {
            return Err(CryptoError);
        }
        let random = rand::SystemRandom::new();
        match self {
            Self::Ecdsa(key, _) => {
                out.extend_from_slice(key.sign(&random, message).map_err(|_| CryptoError)?.as_ref());
            }
            Self::Ed25519(key) => out.extend_from_slice(key.sign(message).as_ref()),
            Self::Rsa(key) => {
                let at = out.len();
                out.resize(at.saturating_add(rsa_signature_len(key)), 0);
                let signature = out.get_mut(at..).ok_or(CryptoError)?;
                key.sign(rsa_encoding(scheme)?, &random, message, signature).map_err(|_| CryptoError)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for LoadedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("schemes", &self.schemes()).finish_non_exhaustive()
    }
}

fn rsa_encoding(scheme: SignatureScheme) -> Result<&'static dyn RsaEncoding, CryptoError> {
    Ok(match scheme {
        SignatureScheme::RSA_PSS_RSAE_SHA256 => &signature::RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_RSAE_SHA384 => &signature::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_RSAE_SHA512 => &signature::RSA_PSS_SHA512,
        SignatureScheme::RSA_PKCS1_SHA256 => &signature::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384 => &signature::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512 => &signature::RSA_PKCS1_SHA512,
        _ => return Err(CryptoError),
    })
}

/// A curve to sign on.
struct Curve {
    algorithm_id: AlgorithmIdentifier,
    signing: &'static EcdsaSigningAlgorithm,
    scheme: &'static [SignatureScheme; 1],
}

static CURVES: [Curve; 2] = [
    Curve {
        algorithm_id: alg_id::ECDSA_P256,
        signing: &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        scheme: &[SignatureScheme::ECDSA_SECP256R1_SHA256],
    },
    Curve {
        algorithm_id: alg_id::ECDSA_P384,
        signing: &signature::ECDSA_P384_SHA384_ASN1_SIGNING,
        scheme: &[SignatureScheme::ECDSA_SECP384R1_SHA384],
    },
];

/// The version of a PKCS#8 key without a public key beside it, INTEGER 0.
const VERSION_1: [u8; 3] = [2, 1, 0];

/// PSS first: PKCS#1 v1.5 is there for peers that have nothing else.
const RSA_SCHEMES: &[SignatureScheme] = &[
    SignatureScheme::RSA_PSS_RSAE_SHA256,
    SignatureScheme::RSA_PSS_RSAE_SHA384,
    SignatureScheme::RSA_PSS_RSAE_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
];
