//! A provider that gives the same bytes in every run: for golden flights, and for failures that come back with their seed.
//!
//! Randomness is a ChaCha20 stream from a seed; key shares are drawn from it (X25519, P-256 and P-384 in pure Rust, since
//! ring draws its own); ECDSA is deterministic (RFC 6979); Ed25519 and RSA PKCS#1 v1.5 are by nature, and RSA keys sign
//! with nothing else. Everything else is ring's. Never use it outside tests: whoever knows the seed knows the keys.

use core::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use dtls_core::crypto::{
    CryptoError, CryptoProvider, KeyExchange, KeyLoader, KxGroup, PreMasterSecret, SecureRandom, SigningKey,
    SuiteAuthentication, ccm, ring,
};
use dtls_core::wire::enums::{NamedGroup, SignatureScheme};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use p256::pkcs8::DecodePrivateKey as _;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use rustls_pki_types::PrivateKeyDer;

/// A provider whose every choice follows from `seed`.
#[must_use]
pub fn provider(seed: u64) -> CryptoProvider {
    CryptoProvider {
        name: "seeded",
        groups: vec![&X25519, &P256, &P384],
        random: Arc::new(SeededRandom::new(seed)),
        key_loader: &Loader,
        ..ring::provider()
    }
}

/// The same with the suites of AES-CCM behind the others, those with short tags last.
#[must_use]
pub fn provider_with_ccm(seed: u64) -> CryptoProvider {
    ccm::with_ccm_8(ccm::with_ccm(provider(seed)))
}

/// The same bytes for the same seed, in the order in which they are asked for.
pub struct SeededRandom(Mutex<ChaCha20Rng>);

impl SeededRandom {
    /// Begins the stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }
}

impl SecureRandom for SeededRandom {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out);
        Ok(())
    }
}

// --- key exchange ---

struct X25519;

impl KxGroup for X25519 {
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn public_key_len(&self) -> usize {
        32
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        let mut bytes = [0; 32];
        random.fill(&mut bytes)?;
        let secret = x25519_dalek::StaticSecret::from(bytes);
        let public = x25519_dalek::PublicKey::from(&secret).to_bytes();
        Ok(Box::new(X25519Key { secret, public }))
    }
}

struct X25519Key {
    secret: x25519_dalek::StaticSecret,
    public: [u8; 32],
}

impl KeyExchange for X25519Key {
    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
        let peer: [u8; 32] = peer.try_into().map_err(|_| CryptoError)?;
        let shared = self.secret.diffie_hellman(&x25519_dalek::PublicKey::from(peer));
        if shared.was_contributory() { Ok(PreMasterSecret::new(shared.as_bytes().to_vec())) } else { Err(CryptoError) }
    }
}

macro_rules! nist_group {
    ($group:ident, $key:ident, $curve:ident, $name:expr, $scalar_len:expr) => {
        struct $group;

        impl KxGroup for $group {
            fn name(&self) -> NamedGroup {
                $name
            }

            fn public_key_len(&self) -> usize {
                1 + 2 * $scalar_len
            }

            fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
                // A draw that is zero or beyond the order is as good as never; the next one will do.
                loop {
                    let mut bytes = [0; $scalar_len];
                    random.fill(&mut bytes)?;
                    if let Ok(secret) = $curve::SecretKey::from_slice(&bytes) {
                        let public = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                        return Ok(Box::new($key { secret, public }));
                    }
                }
            }
        }

        struct $key {
            secret: $curve::SecretKey,
            public: Vec<u8>,
        }

        impl KeyExchange for $key {
            fn public_key(&self) -> &[u8] {
                &self.public
            }

            fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
                // RFC 8422 section 5.4.1: only the uncompressed form is left.
                if peer.first() != Some(&4) {
                    return Err(CryptoError);
                }
                let peer = $curve::PublicKey::from_sec1_bytes(peer).map_err(|_| CryptoError)?;
                let shared = $curve::ecdh::diffie_hellman(self.secret.to_nonzero_scalar(), peer.as_affine());
                Ok(PreMasterSecret::new(shared.raw_secret_bytes().to_vec()))
            }
        }
    };
}

nist_group!(P256, P256Key, p256, NamedGroup::SECP256R1, 32);
nist_group!(P384, P384Key, p384, NamedGroup::SECP384R1, 48);

// --- signatures ---

struct Loader;

impl KeyLoader for Loader {
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        if let PrivateKeyDer::Pkcs8(pkcs8) = key {
            let der = pkcs8.secret_pkcs8_der();
            if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_der(der) {
                let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                return Ok(Arc::new(EcdsaKey { key: Curve::P256(key), public }));
            }
            if let Ok(key) = p384::ecdsa::SigningKey::from_pkcs8_der(der) {
                let public = key.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                return Ok(Arc::new(EcdsaKey { key: Curve::P384(key), public }));
            }
        }
        let key = ring::provider().key_loader.load(key)?;
        let schemes = match key.kind() {
            SuiteAuthentication::Ecdsa => &[SignatureScheme::ED25519][..],
            // PSS is random by design.
            SuiteAuthentication::Rsa => &[
                SignatureScheme::RSA_PKCS1_SHA256,
                SignatureScheme::RSA_PKCS1_SHA384,
                SignatureScheme::RSA_PKCS1_SHA512,
            ],
        };
        Ok(Arc::new(DeterministicOnly { key, schemes }))
    }
}

struct EcdsaKey {
    key: Curve,
    public: Vec<u8>,
}

enum Curve {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
}

impl SigningKey for EcdsaKey {
    fn schemes(&self) -> &[SignatureScheme] {
        match self.key {
            Curve::P256(_) => &[SignatureScheme::ECDSA_SECP256R1_SHA256],
            Curve::P384(_) => &[SignatureScheme::ECDSA_SECP384R1_SHA384],
        }
    }

    fn kind(&self) -> SuiteAuthentication {
        SuiteAuthentication::Ecdsa
    }

    fn public_key(&self) -> Option<&[u8]> {
        Some(&self.public)
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if !self.schemes().contains(&scheme) {
            return Err(CryptoError);
        }
        match &self.key {
            Curve::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.try_sign(message).map_err(|_| CryptoError)?;
                out.extend_from_slice(signature.as_bytes());
            }
            Curve::P384(key) => {
                let signature: p384::ecdsa::DerSignature = key.try_sign(message).map_err(|_| CryptoError)?;
                out.extend_from_slice(signature.as_bytes());
            }
        }
        Ok(())
    }
}

impl fmt::Debug for EcdsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcdsaKey").field("schemes", &self.schemes()).finish_non_exhaustive()
    }
}

/// A key of ring's that is kept to the schemes without randomness.
#[derive(Debug)]
struct DeterministicOnly {
    key: Arc<dyn SigningKey>,
    schemes: &'static [SignatureScheme],
}

impl SigningKey for DeterministicOnly {
    fn schemes(&self) -> &[SignatureScheme] {
        self.schemes
    }

    fn kind(&self) -> SuiteAuthentication {
        self.key.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.key.public_key()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        if self.schemes.contains(&scheme) { self.key.sign(scheme, message, out) } else { Err(CryptoError) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{self, Leaf};
    use dtls_core::crypto::{subject_public_key, verify_handshake_signature};

    #[test]
    fn the_seeded_provider_passes_the_conformance_check() {
        assert_eq!(provider(1).check(), Ok(()));
        assert_eq!(provider_with_ccm(1).check(), Ok(()));
    }

    #[test]
    fn one_seed_gives_one_stream_and_another_seed_another() {
        let draw = |seed| {
            let mut bytes = [0; 48];
            provider(seed).random.fill(&mut bytes).unwrap();
            bytes
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn shares_follow_from_the_seed_and_agree_with_those_of_ring() {
        let theirs = ring::provider();
        for group in provider(3).groups {
            let first = group.start(&SeededRandom::new(3)).unwrap();
            let again = group.start(&SeededRandom::new(3)).unwrap();
            assert_eq!(first.public_key(), again.public_key());
            assert_eq!(first.public_key().len(), group.public_key_len());
            let their_key = theirs.group(group.name()).unwrap().start(&*theirs.random).unwrap();
            let (our_share, their_share) = (first.public_key().to_vec(), their_key.public_key().to_vec());
            let secret = first.complete(&their_share).unwrap();
            assert_eq!(secret.as_bytes(), their_key.complete(&our_share).unwrap().as_bytes());
        }
    }

    #[test]
    fn every_key_signs_the_same_message_the_same_way_twice() {
        for leaf in Leaf::ALL {
            let provider = provider(1);
            let key = provider.key_loader.load(&certificates::private_key(leaf)).unwrap();
            for scheme in key.schemes() {
                let (mut once, mut twice) = (Vec::new(), Vec::new());
                key.sign(*scheme, b"message", &mut once).unwrap();
                key.sign(*scheme, b"message", &mut twice).unwrap();
                assert_eq!(once, twice, "{scheme}");
                let chain = certificates::chain(leaf);
                let key = subject_public_key(&chain[0]).unwrap();
                let valid = verify_handshake_signature(&provider, key, *scheme, b"message", &once);
                assert!(valid.is_ok(), "{scheme}");
            }
        }
    }
}
