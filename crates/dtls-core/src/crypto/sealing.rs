//! What leaves memory under a key of ours and comes back: AES-256-GCM with a key of its own for each sealing, so that its
//! nonce can be 0 and no counter has to be kept.
//!
//! ```text
//!   sealed = head ciphertext tag(16)                     additional data: the head
//!   key    = HMAC-SHA-256(secret, purpose random)
//! ```

use alloc::boxed::Box;
use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::aead::{AeadAlgorithm, AeadKey};
use super::hash::HashAlgorithm;
use super::{CryptoError, CryptoProvider};
use crate::wire::enums::CipherSuiteId;

/// Seals under secrets of 32 bytes.
#[derive(Clone, Copy)]
pub(crate) struct Sealing {
    aead: &'static dyn AeadAlgorithm,
    hash: &'static dyn HashAlgorithm,
    /// Keeps what is sealed for one purpose from being opened for another, should they share a secret.
    purpose: &'static [u8],
}

impl Sealing {
    /// Bytes of random data that make the key of one sealing.
    pub(crate) const RANDOM_LEN: usize = 32;
    const TAG_LEN: usize = 16;
    const NONCE: [u8; 12] = [0; 12];

    /// `None` if the provider does not have AES-256-GCM.
    pub(crate) fn new(provider: &CryptoProvider, purpose: &'static [u8]) -> Option<Self> {
        let aes_256_gcm = [
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
        ];
        let suite = aes_256_gcm.into_iter().find_map(|id| provider.cipher_suite(id))?;
        Some(Self { aead: suite.aead, hash: provider.sha256, purpose })
    }

    /// Seals `plaintext` behind `head`, which ends with `random`.
    pub(crate) fn seal(
        &self,
        secret: &[u8; 32],
        head: &[u8],
        random: &[u8; Self::RANDOM_LEN],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        // In the clear until it is sealed, and for good if that fails.
        let mut sealed = Zeroizing::new([head, plaintext, &[0; Self::TAG_LEN]].concat());
        let body = sealed.get_mut(head.len()..).ok_or(CryptoError)?;
        let (in_out, tag) = body.split_at_mut_checked(plaintext.len()).ok_or(CryptoError)?;
        self.key(secret, random)?.seal(&Self::NONCE, head, in_out, tag)?;
        Ok(core::mem::take(&mut *sealed))
    }

    /// Opens what stands behind `head`.
    pub(crate) fn open(
        &self,
        secret: &[u8; 32],
        head: &[u8],
        random: &[u8],
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let mut opened = Zeroizing::new(ciphertext.to_vec());
        let len = self.key(secret, random)?.open(&Self::NONCE, head, &mut opened)?;
        opened.truncate(len);
        Ok(opened)
    }

    fn key(&self, secret: &[u8; 32], random: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        self.aead.key(self.hash.hmac(secret, &[self.purpose, random]).as_ref())
    }
}
