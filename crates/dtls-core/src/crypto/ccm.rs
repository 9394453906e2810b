//! AES-CCM by the crates `aes` and `ccm` of RustCrypto (feature `ccm`): RFC 6655 and RFC 7251.
//!
//! For peers that have nothing else, as small devices do. It takes two passes over every record and is several times
//! slower than AES-GCM. Neither `ring` nor AWS-LC's Rust interface has it in the form that TLS wants, so it is added to
//! a provider of theirs:
//!
//! ```
//! # #[cfg(feature = "ring")]
//! let provider = dtls_core::crypto::ccm::with_ccm(dtls_core::crypto::ring::provider());
//! ```

use alloc::boxed::Box;

use aes::cipher::typenum::Unsigned as _;
use aes::{Aes128, Aes256};
use ccm::aead::inout::InOutBuf;
use ccm::aead::{AeadInOut, KeyInit};
use ccm::consts::{U8, U12, U16};

use super::aead::{AeadAlgorithm, AeadKey};
use super::suite::{AeadLimits, CipherSuite, KeyExchangeAlgorithm, NonceConstruction};
use super::{CryptoError, CryptoProvider, HashAlgorithm};
use crate::wire::enums::CipherSuiteId;

/// Adds the suites with AES-CCM to a provider, behind its own of the same kind.
#[must_use]
pub fn with_ccm(mut provider: CryptoProvider) -> CryptoProvider {
    let hash = provider.sha256;
    let suite = |id, key_exchange, aead: &'static Aead| suite(id, key_exchange, hash, aead, AeadLimits::AES_CCM);
    provider.cipher_suites.extend([
        suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM, KeyExchangeAlgorithm::ECDHE_ECDSA, &AES_128_CCM),
        suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_CCM, KeyExchangeAlgorithm::ECDHE_ECDSA, &AES_256_CCM),
        suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256, KeyExchangeAlgorithm::EcdhePsk, &AES_128_CCM),
        suite(CipherSuiteId::TLS_PSK_WITH_AES_128_CCM, KeyExchangeAlgorithm::Psk, &AES_128_CCM),
        suite(CipherSuiteId::TLS_PSK_WITH_AES_256_CCM, KeyExchangeAlgorithm::Psk, &AES_256_CCM),
    ]);
    put_ephemeral_first(&mut provider);
    provider
}

/// Adds the suites with AES-CCM and tags of eight bytes to a provider, behind its own of the same kind.
///
/// One forgery in 2^64 is taken for genuine. To keep the odds of other suites, a connection is closed after 128 records
/// that do not open, and whoever can send to it can see to that. RFC 9147 appendix B.3 does not want these suites in
/// general use; ask for them only where the peer knows no other.
#[must_use]
pub fn with_ccm_8(mut provider: CryptoProvider) -> CryptoProvider {
    let hash = provider.sha256;
    let suite = |id, key_exchange, aead: &'static Aead| suite(id, key_exchange, hash, aead, AeadLimits::AES_CCM_8);
    provider.cipher_suites.extend([
        suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8, KeyExchangeAlgorithm::ECDHE_ECDSA, &AES_128_CCM_8),
        suite(CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8, KeyExchangeAlgorithm::ECDHE_ECDSA, &AES_256_CCM_8),
        suite(CipherSuiteId::TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256, KeyExchangeAlgorithm::EcdhePsk, &AES_128_CCM_8),
        suite(CipherSuiteId::TLS_PSK_WITH_AES_128_CCM_8, KeyExchangeAlgorithm::Psk, &AES_128_CCM_8),
        suite(CipherSuiteId::TLS_PSK_WITH_AES_256_CCM_8, KeyExchangeAlgorithm::Psk, &AES_256_CCM_8),
    ]);
    put_ephemeral_first(&mut provider);
    provider
}

/// Forward secrecy is worth more than a faster cipher.
fn put_ephemeral_first(provider: &mut CryptoProvider) {
    provider.cipher_suites.sort_by_key(|suite| !suite.key_exchange.is_ephemeral());
}

fn suite(
    id: CipherSuiteId,
    key_exchange: KeyExchangeAlgorithm,
    sha256: &'static dyn HashAlgorithm,
    aead: &'static Aead,
    limits: AeadLimits,
) -> CipherSuite {
    CipherSuite { id, key_exchange, hash: sha256, aead, nonce: NonceConstruction::Explicit, limits }
}

type Ccm<C> = ccm::Ccm<C, U16, U12>;
type Ccm8<C> = ccm::Ccm<C, U8, U12>;

static AES_128_CCM: Aead = Aead { key_len: 16, tag_len: 16, key: key::<Ccm<Aes128>> };
static AES_256_CCM: Aead = Aead { key_len: 32, tag_len: 16, key: key::<Ccm<Aes256>> };
static AES_128_CCM_8: Aead = Aead { key_len: 16, tag_len: 8, key: key::<Ccm8<Aes128>> };
static AES_256_CCM_8: Aead = Aead { key_len: 32, tag_len: 8, key: key::<Ccm8<Aes256>> };

struct Aead {
    key_len: usize,
    tag_len: usize,
    key: ExpandKey,
}

type ExpandKey = fn(&[u8]) -> Result<Box<dyn AeadKey>, CryptoError>;

impl AeadAlgorithm for Aead {
    fn key_len(&self) -> usize {
        self.key_len
    }

    fn tag_len(&self) -> usize {
        self.tag_len
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        (self.key)(key)
    }
}

fn key<K>(key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError>
where
    K: KeyInit + AeadInOut<NonceSize = U12> + Send + Sync + 'static,
{
    Ok(Box::new(Key(K::new_from_slice(key).map_err(|_| CryptoError)?)))
}

/// A cipher with its key. The crates wipe it when it is dropped.
struct Key<K>(K);

impl<K: AeadInOut<NonceSize = U12> + Send + Sync> AeadKey for Key<K> {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        let made = self.0.encrypt_inout_detached(nonce.into(), aad, InOutBuf::from(in_out)).map_err(|_| CryptoError)?;
        if tag.len() != made.len() {
            return Err(CryptoError);
        }
        tag.copy_from_slice(&made);
        Ok(())
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
        let len = in_out.len().checked_sub(K::TagSize::to_usize()).ok_or(CryptoError)?;
        let (text, tag) = in_out.split_at_mut_checked(len).ok_or(CryptoError)?;
        let tag = (&*tag).try_into().map_err(|_| CryptoError)?;
        // What was decrypted is overwritten if the tag is wrong.
        self.0.decrypt_inout_detached(nonce.into(), aad, InOutBuf::from(text), tag).map_err(|_| CryptoError)?;
        Ok(len)
    }
}

#[cfg(all(test, feature = "ring"))]
mod tests {
    use super::*;
    use crate::crypto::ring;

    #[test]
    fn every_suite_gives_what_openssl_gives_and_refuses_forgeries() {
        let provider = with_ccm_8(with_ccm(ring::provider()));
        assert_eq!(provider.cipher_suites.len(), ring::provider().cipher_suites.len() + 10);
        provider.check().unwrap();
    }

    #[test]
    fn the_suites_with_short_tags_are_not_among_the_others() {
        let provider = with_ccm(ring::provider());
        assert!(provider.cipher_suites.iter().all(|suite| suite.tag_len() == 16));
        let short = with_ccm_8(ring::provider());
        let short = short.cipher_suites.iter().filter(|suite| suite.tag_len() == 8);
        assert!(short.clone().count() == 5 && short.clone().all(|suite| suite.limits.open_failures == 128));
    }
}
