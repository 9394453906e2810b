//! The secrets of a handshake: RFC 5246 sections 8.1 and 6.3.
//!
//! None of them can be cloned, compared or printed. Each lives on the heap at one place from the moment it is
//! computed, so that moving a handshake's state around leaves no copies behind, and is erased when dropped.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::{Zeroize as _, Zeroizing};

use super::CryptoError;
use super::hash::{HashAlgorithm, prf};
use super::psk::PresharedKey;
use super::suite::CipherSuite;

/// What both sides got out of the key exchange (RFC 5246 section 8.1, RFC 8422 section 5.10, RFC 4279 section 2).
pub struct PreMasterSecret(Zeroizing<Vec<u8>>);

impl PreMasterSecret {
    /// Takes over a secret. A vector that has to grow leaves copies behind: make it with the capacity it needs.
    #[must_use]
    pub fn new(secret: Vec<u8>) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret of a pre-shared key (RFC 4279 section 2), with what an ephemeral exchange gave in the place of as many
    /// zeros as the key has bytes (RFC 5489 section 2). Lengths that no configuration allows are cut.
    #[must_use]
    pub(crate) fn of_preshared_key(key: &PresharedKey, shared: Option<&Self>) -> Self {
        let key = key.as_bytes();
        let other_len = shared.map_or(key.len(), |shared| shared.as_bytes().len());
        let mut secret = Vec::with_capacity(4 + other_len + key.len());
        secret.extend_from_slice(&u16::try_from(other_len).unwrap_or(u16::MAX).to_be_bytes());
        match shared {
            Some(shared) => secret.extend_from_slice(shared.as_bytes()),
            None => secret.resize(2 + other_len, 0),
        }
        secret.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_be_bytes());
        secret.extend_from_slice(key);
        Self::new(secret)
    }

    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PreMasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreMasterSecret([redacted])")
    }
}

/// The secret that all keys of a session, and of those that resume it, come from (RFC 5246 section 8.1).
pub struct MasterSecret(Box<Zeroizing<[u8; Self::LEN]>>);

impl MasterSecret {
    /// Bytes in a master secret.
    pub const LEN: usize = 48;

    /// The master secret of a session that is resumed.
    #[must_use]
    pub fn new(bytes: &[u8; Self::LEN]) -> Self {
        let mut secret = Box::new(Zeroizing::new([0; Self::LEN]));
        secret.copy_from_slice(bytes);
        Self(secret)
    }

    /// Computes the master secret: label and seed are "master secret" and both randoms (RFC 5246 section 8.1), or
    /// "extended master secret" and the hash of the session so far (RFC 7627 section 4).
    #[must_use]
    pub fn derive(hash: &dyn HashAlgorithm, secret: &PreMasterSecret, label: &[u8], seed: &[&[u8]]) -> Self {
        let mut master = Box::new(Zeroizing::new([0; Self::LEN]));
        prf(hash, secret.as_bytes(), label, seed, master.as_mut_slice());
        wipe_stack();
        Self(master)
    }

    /// The secret itself.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret([redacted])")
    }
}

/// Erases what the calls before it, by the same caller, have left of their results on the stack: a value that is returned
/// may have been moved, and a move leaves a copy behind that nobody owns.
#[inline(never)]
fn wipe_stack() {
    let mut room = [0_u8; 4096];
    room.zeroize();
}

/// The keys and nonce parts of both directions (RFC 5246 section 6.3). No suite here has MAC keys.
///
/// ```text
///   client_write_key | server_write_key | client_write_iv | server_write_iv
/// ```
pub struct KeyBlock(Box<Zeroizing<[u8; Self::MAX_LEN]>>);

impl KeyBlock {
    /// The most a suite may ask for: two keys of 32 bytes and two of twelve.
    pub const MAX_LEN: usize = 2 * (32 + 12);

    /// Expands the master secret.
    ///
    /// # Errors
    ///
    /// If the suite asks for more than [`MAX_LEN`](Self::MAX_LEN) bytes.
    pub fn derive(
        suite: &CipherSuite,
        master: &MasterSecret,
        client_random: &[u8; 32],
        server_random: &[u8; 32],
    ) -> Result<Self, CryptoError> {
        let mut block = Box::new(Zeroizing::new([0; Self::MAX_LEN]));
        let len = suite.key_len().saturating_add(suite.fixed_iv_len()).saturating_mul(2);
        let used = block.get_mut(..len).ok_or(CryptoError)?;
        // Here the server's random comes first, other than in the seed of the master secret.
        prf(suite.hash, master.as_bytes(), b"key expansion", &[server_random, client_random], used);
        Ok(Self(block))
    }

    /// The key the client seals with. `suite` is the one the block was derived for.
    #[must_use]
    pub fn client_write_key(&self, suite: &CipherSuite) -> &[u8] {
        self.part(0, suite.key_len())
    }

    /// The key the server seals with. `suite` is the one the block was derived for.
    #[must_use]
    pub fn server_write_key(&self, suite: &CipherSuite) -> &[u8] {
        self.part(suite.key_len(), suite.key_len())
    }

    /// The secret part of the client's nonces. `suite` is the one the block was derived for.
    #[must_use]
    pub fn client_write_iv(&self, suite: &CipherSuite) -> &[u8] {
        self.part(suite.key_len().saturating_mul(2), suite.fixed_iv_len())
    }

    /// The secret part of the server's nonces. `suite` is the one the block was derived for.
    #[must_use]
    pub fn server_write_iv(&self, suite: &CipherSuite) -> &[u8] {
        self.part(suite.key_len().saturating_mul(2).saturating_add(suite.fixed_iv_len()), suite.fixed_iv_len())
    }

    /// Nothing if the block is too short for the suite, which a sealer refuses as a key of the wrong length.
    fn part(&self, at: usize, len: usize) -> &[u8] {
        self.0.get(at..at.saturating_add(len)).unwrap_or_default()
    }
}

impl fmt::Debug for KeyBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyBlock([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::{providers, unhex};
    use crate::wire::enums::CipherSuiteId;
    use alloc::format;

    // NIST CAVP "TLS 1.2 KDF" with SHA-256, as distributed in OpenSSL's evpkdf_tls12_prf.txt.
    const MASTER_SECRET: &str =
        "202c88c00f84a17a20027079604787461176455539e705be730890602c289a5001e34eeb3a043e5d52a65e66125188bf";

    #[test]
    fn the_master_secret_is_that_of_nist() {
        let premaster = PreMasterSecret::new(unhex(
            "f8938ecc9edebc5030c0c6a441e213cd24e6f770a50dda07876f8d55da062bcadb386b411fd4fe4313a604fce6c17fbc",
        ));
        let client_random = unhex("36c129d01a3200894b9179faac589d9835d58775f9b5ea3587cb8fd0364cae8c");
        let server_random = unhex("f6c9575ed7ddd73e1f7d16eca115415812a43c2b747daaaae043abfb50053fce");
        for provider in providers() {
            let seed: [&[u8]; 2] = [&client_random, &server_random];
            let master = MasterSecret::derive(provider.sha256, &premaster, b"master secret", &seed);
            assert_eq!(master.as_bytes().as_slice(), unhex(MASTER_SECRET));
        }
    }

    #[test]
    fn a_pre_shared_key_stands_whole_behind_zeros_or_behind_the_shared_secret() {
        let key = PresharedKey::new(alloc::vec![1, 2, 3, 4, 5]).unwrap();
        // RFC 4279 section 2.
        let alone = PreMasterSecret::of_preshared_key(&key, None);
        assert_eq!(alone.as_bytes(), [0, 5, 0, 0, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5]);
        // RFC 5489 section 2.
        let shared = PreMasterSecret::new(alloc::vec![9, 8, 7]);
        let both = PreMasterSecret::of_preshared_key(&key, Some(&shared));
        assert_eq!(both.as_bytes(), [0, 3, 9, 8, 7, 0, 5, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn the_key_block_is_cut_in_the_order_of_rfc_5246() {
        let master = MasterSecret::new(&unhex(MASTER_SECRET).try_into().unwrap());
        let server = unhex("ae6c806f8ad4d80784549dff28a4b58fd837681a51d928c3e30ee5ff14f39868").try_into().unwrap();
        let client = unhex("62e1fd91f23f558a605f28478c58cf72637b89784d959df7e946d3f07bd1b616").try_into().unwrap();
        for provider in providers() {
            let gcm = provider.cipher_suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256).unwrap();
            let block = KeyBlock::derive(gcm, &master, &client, &server).unwrap();
            assert_eq!(block.client_write_key(gcm), unhex("d06139889fffac1e3a71865f504aa5d0"));
            assert_eq!(block.server_write_key(gcm), unhex("d2a2e89506c6f2279b670c3e1b74f531"));
            assert_eq!(block.client_write_iv(gcm), unhex("016a2530"));
            assert_eq!(block.server_write_iv(gcm), unhex("c51a3a0f"));

            let chacha = provider.cipher_suite(CipherSuiteId::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256).unwrap();
            let block = KeyBlock::derive(chacha, &master, &client, &server).unwrap();
            let cut = [
                block.client_write_key(chacha),
                block.server_write_key(chacha),
                block.client_write_iv(chacha),
                block.server_write_iv(chacha),
            ];
            assert_eq!(cut.map(<[u8]>::len), [32, 32, 12, 12]);
            assert_eq!(
                cut.concat(),
                unhex(
                    "d06139889fffac1e3a71865f504aa5d0d2a2e89506c6f2279b670c3e1b74f531016a2530c51a3a0f7e1d6590d0f0\
                     566b2f387f8d11fd4f731cdd572d2eae927f6f2f81410b25e6960be68985add6c38445ad9f8c64bf8068"
                )
            );
        }
    }

    #[test]
    fn secrets_do_not_print_themselves() {
        assert_eq!(format!("{:?}", PreMasterSecret::new(alloc::vec![1; 32])), "PreMasterSecret([redacted])");
        assert_eq!(format!("{:?}", MasterSecret::new(&[1; 48])), "MasterSecret([redacted])");
        assert_eq!(format!("{:?}", KeyBlock(Box::new(Zeroizing::new([1; 88])))), "KeyBlock([redacted])");
    }
}
