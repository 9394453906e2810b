//! Cryptography by `ring` (feature `ring`).
//!
//! RSA keys sign with 2048 to 4096 bits and verify with up to 8192. P-256 keys sign with SHA-256 and P-384 keys with
//! SHA-384. Elliptic curve private keys must come with their
//! public key, as OpenSSL and most other tools write them.

use alloc::vec::Vec;

use ::ring as library;

use super::{CryptoError, CryptoProvider, PreMasterSecret};

#[path = "ring_api.rs"]
#[allow(clippy::duplicate_mod, reason = "two libraries with one API, each compiled against its own")]
mod ring_api;

/// Everything `ring` can do for DTLS 1.2.
#[must_use]
pub fn provider() -> CryptoProvider {
    ring_api::provider("ring")
}

fn agree(
    key: library::agreement::EphemeralPrivateKey,
    peer: &library::agreement::UnparsedPublicKey<&[u8]>,
) -> Result<PreMasterSecret, CryptoError> {
    library::agreement::agree_ephemeral(key, peer, |shared| PreMasterSecret::new(Vec::from(shared)))
        .map_err(|_| CryptoError)
}

fn ecdsa_key(
    algorithm: &'static library::signature::EcdsaSigningAlgorithm,
    pkcs8: &[u8],
) -> Result<library::signature::EcdsaKeyPair, CryptoError> {
    let random = library::rand::SystemRandom::new();
    library::signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &random).map_err(|_| CryptoError)
}

fn rsa_signature_len(key: &library::signature::RsaKeyPair) -> usize {
    key.public().modulus_len()
}
