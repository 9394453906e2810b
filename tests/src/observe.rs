//! Providers that watch what is done with them, and one that fails.

use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use dtls_core::crypto::{
    AeadAlgorithm, AeadKey, CryptoError, CryptoProvider, KeyExchange, KeyLoader, KxGroup, PreMasterSecret,
    SecureRandom, SigningKey, SuiteAuthentication,
};
use dtls_core::wire::enums::{NamedGroup, SignatureScheme};
use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, PrivateKeyDer, SignatureVerificationAlgorithm};

// --- nonces ---

/// Every key and nonce that was ever sealed with. A pair that comes twice is a panic.
#[derive(Clone, Debug, Default)]
pub struct NonceLedger(Arc<Mutex<BTreeSet<Use>>>);

/// A key and a nonce.
type Use = (Vec<u8>, [u8; 12]);

impl NonceLedger {
    /// The provider, watched. What it leaks is for the length of a test.
    #[must_use]
    pub fn watch(&self, mut provider: CryptoProvider) -> CryptoProvider {
        for suite in &mut provider.cipher_suites {
            suite.aead = Box::leak(Box::new(WatchedAead { inner: suite.aead, ledger: self.clone() }));
        }
        provider
    }

    /// How many pairs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing was sealed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn enter(&self, key: &[u8], nonce: [u8; 12]) {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((key.to_vec(), nonce));
        assert!(is_new, "the nonce {nonce:02x?} was used twice under one key");
    }
}

struct WatchedAead {
    inner: &'static dyn AeadAlgorithm,
    ledger: NonceLedger,
}

impl AeadAlgorithm for WatchedAead {
    fn key_len(&self) -> usize {
        self.inner.key_len()
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        Ok(Box::new(WatchedKey { bytes: key.to_vec(), inner: self.inner.key(key)?, ledger: self.ledger.clone() }))
    }
}

struct WatchedKey {
    bytes: Vec<u8>,
    inner: Box<dyn AeadKey>,
    ledger: NonceLedger,
}

impl AeadKey for WatchedKey {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        self.ledger.enter(&self.bytes, *nonce);
        self.inner.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
        self.inner.open(nonce, aad, in_out)
    }
}

// --- work ---

/// How often the expensive things were done.
#[derive(Clone, Debug, Default)]
pub struct WorkCounter(Arc<Work>);

#[derive(Debug, Default)]
struct Work {
    key_exchanges: AtomicUsize,
    signatures: AtomicUsize,
}

impl WorkCounter {
    /// The provider, watched. What it leaks is for the length of a test.
    #[must_use]
    pub fn watch(&self, mut provider: CryptoProvider) -> CryptoProvider {
        for group in &mut provider.groups {
            *group = Box::leak(Box::new(WatchedGroup { inner: *group, counter: self.clone() }));
        }
        let loader = WatchedLoader { inner: provider.key_loader, counter: self.clone() };
        provider.key_loader = Box::leak(Box::new(loader));
        provider
    }

    /// How many key shares were made.
    #[must_use]
    pub fn key_exchanges(&self) -> usize {
        self.0.key_exchanges.load(Ordering::Relaxed)
    }

    /// How many signatures were made.
    #[must_use]
    pub fn signatures(&self) -> usize {
        self.0.signatures.load(Ordering::Relaxed)
    }
}

struct WatchedGroup {
    inner: &'static dyn KxGroup,
    counter: WorkCounter,
}

impl KxGroup for WatchedGroup {
    fn name(&self) -> NamedGroup {
        self.inner.name()
    }

    fn public_key_len(&self) -> usize {
        self.inner.public_key_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        self.counter.0.key_exchanges.fetch_add(1, Ordering::Relaxed);
        self.inner.start(random)
    }
}

struct WatchedLoader {
    inner: &'static dyn KeyLoader,
    counter: WorkCounter,
}

impl KeyLoader for WatchedLoader {
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        Ok(Arc::new(WatchedSigner { inner: self.inner.load(key)?, counter: self.counter.clone() }))
    }
}

struct WatchedSigner {
    inner: Arc<dyn SigningKey>,
    counter: WorkCounter,
}

impl fmt::Debug for WatchedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl SigningKey for WatchedSigner {
    fn schemes(&self) -> &[SignatureScheme] {
        self.inner.schemes()
    }

    fn kind(&self) -> SuiteAuthentication {
        self.inner.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.inner.public_key()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.counter.0.signatures.fetch_add(1, Ordering::Relaxed);
        self.inner.sign(scheme, message, out)
    }
}

// --- failures ---

/// Lets one operation fail, whatever it is, and all others succeed.
#[derive(Clone, Debug, Default)]
pub struct FailsOnce(Arc<Failure>);

#[derive(Debug, Default)]
struct Failure {
    calls: AtomicUsize,
    /// 0 for never; otherwise the number of the call that fails, from 1.
    fails: usize,
}

impl FailsOnce {
    /// The call with this number fails, the first being 0.
    #[must_use]
    pub fn at(call: usize) -> Self {
        Self(Arc::new(Failure { calls: AtomicUsize::new(0), fails: call + 1 }))
    }

    /// How many operations there were.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// The provider, with the failure. What it leaks is for the length of a test.
    #[must_use]
    pub fn watch(&self, mut provider: CryptoProvider) -> CryptoProvider {
        provider.random = Arc::new(Failing { inner: provider.random, failure: self.clone() });
        for group in &mut provider.groups {
            *group = Box::leak(Box::new(Failing { inner: *group, failure: self.clone() }));
        }
        for suite in &mut provider.cipher_suites {
            suite.aead = Box::leak(Box::new(Failing { inner: suite.aead, failure: self.clone() }));
        }
        for algorithm in provider.signatures.iter_mut().flat_map(|signature| &mut signature.algorithms) {
            *algorithm = Box::leak(Box::new(Failing { inner: *algorithm, failure: self.clone() }));
        }
        provider.key_loader = Box::leak(Box::new(Failing { inner: provider.key_loader, failure: self.clone() }));
        provider
    }

    fn call(&self) -> Result<(), CryptoError> {
        let call = self.0.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if call == self.0.fails { Err(CryptoError) } else { Ok(()) }
    }
}

struct Failing<T> {
    inner: T,
    failure: FailsOnce,
}

impl<T: fmt::Debug> fmt::Debug for Failing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl SecureRandom for Failing<Arc<dyn SecureRandom>> {
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        self.failure.call()?;
        self.inner.fill(out)
    }
}

impl KxGroup for Failing<&'static dyn KxGroup> {
    fn name(&self) -> NamedGroup {
        self.inner.name()
    }

    fn public_key_len(&self) -> usize {
        self.inner.public_key_len()
    }

    fn start(&self, random: &dyn SecureRandom) -> Result<Box<dyn KeyExchange>, CryptoError> {
        self.failure.call()?;
        Ok(Box::new(Failing { inner: self.inner.start(random)?, failure: self.failure.clone() }))
    }
}

impl KeyExchange for Failing<Box<dyn KeyExchange>> {
    fn public_key(&self) -> &[u8] {
        self.inner.public_key()
    }

    fn complete(self: Box<Self>, peer: &[u8]) -> Result<PreMasterSecret, CryptoError> {
        self.failure.call()?;
        self.inner.complete(peer)
    }
}

impl AeadAlgorithm for Failing<&'static dyn AeadAlgorithm> {
    fn key_len(&self) -> usize {
        self.inner.key_len()
    }

    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn key(&self, key: &[u8]) -> Result<Box<dyn AeadKey>, CryptoError> {
        self.failure.call()?;
        Ok(Box::new(Failing { inner: self.inner.key(key)?, failure: self.failure.clone() }))
    }
}

impl AeadKey for Failing<Box<dyn AeadKey>> {
    fn seal(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        self.failure.call()?;
        self.inner.seal(nonce, aad, in_out, tag)
    }

    fn open(&self, nonce: &[u8; 12], aad: &[u8], in_out: &mut [u8]) -> Result<usize, CryptoError> {
        self.failure.call()?;
        self.inner.open(nonce, aad, in_out)
    }
}

impl SignatureVerificationAlgorithm for Failing<&'static dyn SignatureVerificationAlgorithm> {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        self.failure.call().map_err(|_| InvalidSignature)?;
        self.inner.verify_signature(public_key, message, signature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}

/// Keys load always: that is before any connection.
impl KeyLoader for Failing<&'static dyn KeyLoader> {
    fn load(&self, key: &PrivateKeyDer<'_>) -> Result<Arc<dyn SigningKey>, CryptoError> {
        Ok(Arc::new(Failing { inner: self.inner.load(key)?, failure: self.failure.clone() }))
    }
}

impl SigningKey for Failing<Arc<dyn SigningKey>> {
    fn schemes(&self) -> &[SignatureScheme] {
        self.inner.schemes()
    }

    fn kind(&self) -> SuiteAuthentication {
        self.inner.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.inner.public_key()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.failure.call()?;
        self.inner.sign(scheme, message, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seeded;

    #[test]
    #[should_panic(expected = "was used twice under one key")]
    fn a_nonce_that_comes_twice_is_noticed() {
        let provider = NonceLedger::default().watch(seeded::provider(1));
        let key = provider.cipher_suites[0].aead.key(&[7; 16]).unwrap();
        for _ in 0..2 {
            let _ = key.seal(&[1; 12], &[], &mut [0; 4], &mut [0; 16]);
        }
    }

    #[test]
    fn watched_providers_are_still_good() {
        let ledger = NonceLedger::default();
        let counter = WorkCounter::default();
        // The conformance check seals under fixed keys several times, so the ledger is asked less.
        assert_eq!(counter.watch(seeded::provider(1)).check(), Ok(()));
        assert!(counter.key_exchanges() > 0);
        assert!(ledger.is_empty());
    }
}
