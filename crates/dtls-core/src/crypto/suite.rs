//! What a cipher suite is made of: RFC 5246 appendix A.5 as narrowed by RFC 5289 and RFC 7905.

use core::fmt;

use super::aead::AeadAlgorithm;
use super::hash::HashAlgorithm;
use crate::wire::enums::CipherSuiteId;

/// A cipher suite with ephemeral elliptic curve key exchange and an AEAD.
///
/// Small enough to copy: everything in it is a number or a reference to an algorithm.
#[derive(Clone, Copy)]
pub struct CipherSuite {
    /// Its number on the wire.
    pub id: CipherSuiteId,
    /// How the two sides get their secret, and what proves who they are.
    pub key_exchange: KeyExchangeAlgorithm,
    /// The hash of the PRF and of the Finished messages (RFC 5246 sections 5 and 7.4.9).
    pub hash: &'static dyn HashAlgorithm,
    /// What protects records.
    pub aead: &'static dyn AeadAlgorithm,
    /// How the nonce of a record is made.
    pub nonce: NonceConstruction,
    /// How much one key may be used.
    pub limits: AeadLimits,
}

impl CipherSuite {
    /// Bytes in one direction's key.
    #[must_use]
    pub fn key_len(&self) -> usize {
        self.aead.key_len()
    }

    /// Bytes of the key block that go into the nonces of one direction (`fixed_iv_length` of RFC 5246 section 6.2.3.3).
    #[must_use]
    pub fn fixed_iv_len(&self) -> usize {
        self.nonce.fixed_iv_len()
    }

    /// Bytes of nonce that stand in front of each ciphertext (`record_iv_length` of RFC 5246 section 6.2.3.3).
    #[must_use]
    pub fn explicit_nonce_len(&self) -> usize {
        self.nonce.explicit_len()
    }

    /// Bytes of tag that stand behind each ciphertext.
    #[must_use]
    pub fn tag_len(&self) -> usize {
        self.aead.tag_len()
    }

    /// How many bytes longer a record's body is than its plaintext: explicit nonce and tag.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.explicit_nonce_len().saturating_add(self.tag_len())
    }
}

impl fmt::Debug for CipherSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.id, f)
    }
}

/// How the two sides get their secret (RFC 5246 section 7.4.3), named as in the suite's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyExchangeAlgorithm {
    /// An ephemeral exchange, signed with a key of this kind (RFC 8422).
    Ecdhe(SuiteAuthentication),
    /// An ephemeral exchange and a pre-shared key, which stands for the signature (RFC 5489).
    EcdhePsk,
    /// A pre-shared key alone (RFC 4279). Whoever learns it later reads what was recorded.
    Psk,
}

impl KeyExchangeAlgorithm {
    /// With ECDSA or Ed25519 keys.
    pub const ECDHE_ECDSA: Self = Self::Ecdhe(SuiteAuthentication::Ecdsa);
    /// With RSA keys.
    pub const ECDHE_RSA: Self = Self::Ecdhe(SuiteAuthentication::Rsa);

    /// The kind of key that signs; `None` where a pre-shared key proves both sides.
    #[must_use]
    pub const fn signed_by(self) -> Option<SuiteAuthentication> {
        match self {
            Self::Ecdhe(kind) => Some(kind),
            Self::EcdhePsk | Self::Psk => None,
        }
    }

    /// Whether there is an ephemeral exchange, which keeps old traffic safe from whoever learns a key later.
    #[must_use]
    pub const fn is_ephemeral(self) -> bool {
        !matches!(self, Self::Psk)
    }
}

/// The kind of key that signs in a suite, named as in the suite's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuiteAuthentication {
    /// ECDSA, and Ed25519 too (RFC 8422 section 5.10).
    Ecdsa,
    /// RSA, with either padding.
    Rsa,
}

/// How the twelve bytes of a record's nonce are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NonceConstruction {
    /// RFC 5288 section 3: four secret bytes, then eight that stand in the record. We put epoch and record number
    /// there, which cannot repeat; a peer may put anything.
    Explicit,
    /// RFC 7905 section 2: twelve secret bytes, the last eight combined by exclusive or with epoch and record number.
    /// Nothing stands in the record.
    Implicit,
}

impl NonceConstruction {
    /// Bytes that come from the key block.
    #[must_use]
    pub const fn fixed_iv_len(self) -> usize {
        match self {
            Self::Explicit => 4,
            Self::Implicit => 12,
        }
    }

    /// Bytes that stand in each record.
    #[must_use]
    pub const fn explicit_len(self) -> usize {
        match self {
            Self::Explicit => 8,
            Self::Implicit => 0,
        }
    }
}

/// How much one key may be used before its promises weaken. The record layer counts and stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AeadLimits {
    /// Blocks of 16 bytes that may be sealed.
    pub seal_blocks: u64,
    /// Records that may fail to open.
    pub open_failures: u64,
}

impl AeadLimits {
    /// AES-GCM: 2^24.5 records of 2^10 blocks (RFC 8446 section 5.5), 2^36 forgeries (RFC 9147 section 4.5.3).
    pub const AES_GCM: Self = Self { seal_blocks: 24_296_003_999, open_failures: 1 << 36 };
    /// AES-CCM: 2^23 records of 2^10 blocks, 2^23.5 forgeries (RFC 9147 section 4.5.3).
    pub const AES_CCM: Self = Self { seal_blocks: 1 << 33, open_failures: 11_863_283 };
    /// AES-CCM with tags of eight bytes: 2^7 forgeries for the same odds (RFC 9147 appendix B.3).
    pub const AES_CCM_8: Self = Self { seal_blocks: 1 << 33, open_failures: 1 << 7 };
    /// ChaCha20-Poly1305: the record number runs out first (RFC 8446 section 5.5), 2^36 forgeries (RFC 9147 section
    /// 4.5.3).
    pub const CHACHA20_POLY1305: Self = Self { seal_blocks: u64::MAX, open_failures: 1 << 36 };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gcm_limit_is_the_largest_whole_number_of_blocks_below_two_to_the_34_and_a_half() {
        let square = |blocks: u64| u128::from(blocks) * u128::from(blocks);
        assert!(square(AeadLimits::AES_GCM.seal_blocks) <= 1 << 69);
        assert!(square(AeadLimits::AES_GCM.seal_blocks + 1) > 1 << 69);
    }
}
