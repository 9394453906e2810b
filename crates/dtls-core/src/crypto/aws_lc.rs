//! Cryptography by AWS-LC (feature `aws-lc-rs`).
//!
//! RSA keys sign and verify with 2048 to 8192 bits. P-256 keys sign with SHA-256 and P-384 keys with SHA-384.

use alloc::vec::Vec;

use ::aws_lc_rs as library;

use super::{CryptoError, CryptoProvider, PreMasterSecret};

#[path = "ring_api.rs"]
#[allow(clippy::duplicate_mod, reason = "two libraries with one API, each compiled against its own")]
mod ring_api;

/// Everything AWS-LC can do for DTLS 1.2.
#[must_use]
pub fn provider() -> CryptoProvider {
    ring_api::provider("aws-lc-rs")
}

fn agree(
    key: library::agreement::EphemeralPrivateKey,
    peer: &library::agreement::UnparsedPublicKey<&[u8]>,
) -> Result<PreMasterSecret, CryptoError> {
    library::agreement::agree_ephemeral(key, peer, CryptoError, |shared| Ok(PreMasterSecret::new(Vec::from(shared))))
}

fn ecdsa_key(
    algorithm: &'static library::signature::EcdsaSigningAlgorithm,
    pkcs8: &[u8],
) -> Result<library::signature::EcdsaKeyPair, CryptoError> {
    library::signature::EcdsaKeyPair::from_pkcs8(algorithm, pkcs8).map_err(|_| CryptoError)
}

fn rsa_signature_len(key: &library::signature::RsaKeyPair) -> usize {
    key.public_modulus_len()
}
