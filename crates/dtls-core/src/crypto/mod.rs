//! What we ask of a provider of cryptography, and what we do with its answers.
//!
//! A [`CryptoProvider`] is a struct of trait objects that is handed to a configuration; there is no process-wide
//! default and no feature that switches one. [`ring::provider`] and [`aws_lc::provider`] come with this crate; a
//! provider of your own should pass [`CryptoProvider::check`] before it is used.
//!
//! ```text
//!   secrets   PreMasterSecret -> MasterSecret -> KeyBlock              RFC 5246 8.1, 6.3
//!                 |                  |  hash: PRF                      RFC 5246 5
//!   kx  ----------+                  v
//!   suite + aead ............ RecordSealer / RecordOpener              RFC 5246 6.2.3.3, RFC 5288, RFC 7905
//!   sign   Identity, SigningKey ~~~ signature ~~~> verify              RFC 5246 4.7, 7.4.3, 7.4.8
//!   verify PeerVerifier: fingerprints | pinned | webpki -> PeerAuthenticated
//! ```
//!
//! Nonces and additional data are built here and never by a provider, so that no provider can get them wrong.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::wire::enums::{CipherSuiteId, NamedGroup, SignatureScheme};

pub mod aead;
#[cfg(feature = "aws-lc-rs")]
pub mod aws_lc;
#[cfg(feature = "ccm")]
pub mod ccm;
mod conformance;
pub mod fingerprints;
pub mod hash;
pub mod kx;
pub mod pinned;
pub mod psk;
#[cfg(feature = "ring")]
pub mod ring;
pub(crate) mod sealing;
pub mod secrets;
pub mod sign;
pub mod suite;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;
#[cfg(feature = "webpki")]
pub mod webpki;
pub mod x509;

pub use crate::time::WallClock;
pub use aead::{AeadAlgorithm, AeadKey, RecordOpener, RecordSealer};
pub use conformance::ProviderFault;
pub use fingerprints::{Fingerprint, FingerprintError, Fingerprints};
pub use hash::{Digest, HashAlgorithm, HashContext, prf};
pub use kx::{KeyExchange, KxGroup};
pub use pinned::{NothingPinned, PinnedCertificates, PinnedPublicKeys, UnusablePins};
pub use psk::{PresharedKey, PskClient, PskError, PskIdentity, PskServer, Psks};
pub use secrets::{KeyBlock, MasterSecret, PreMasterSecret};
pub use sign::{Identity, IdentityError, KeyLoader, SigningKey};
pub use suite::{AeadLimits, CipherSuite, KeyExchangeAlgorithm, NonceConstruction, SuiteAuthentication};
pub use verify::{
    CertificateError, HandshakeSignatureValid, PeerAuthenticated, PeerCredential, PeerRole, PeerVerifier,
    PresentedPeer, SignatureFault, SignatureVerification, verify_handshake_signature,
};
#[cfg(feature = "webpki")]
pub use webpki::{RootsError, WebPki};
pub use x509::{CertificateSummary, SubjectPublicKey, UnreadableCertificate, fingerprint_text, subject_public_key};

/// Every algorithm a connection may use, and the randomness it draws from.
///
/// The lists are in order of preference, best first. Take one from [`ring::provider`] or [`aws_lc::provider`] and
/// remove what you do not want, or build one from your own implementations of the traits in this module.
#[derive(Clone)]
pub struct CryptoProvider {
    /// What to call it in a message to a person, "ring" say.
    pub name: &'static str,
    /// The cipher suites it can run.
    pub cipher_suites: Vec<CipherSuite>,
    /// The groups it can exchange keys in.
    pub groups: Vec<&'static dyn KxGroup>,
    /// The signatures it can verify, in handshakes and in certificates.
    pub signatures: Vec<SignatureVerification>,
    /// Where randoms, cookie keys and the like come from.
    pub random: Arc<dyn SecureRandom>,
    /// Turns a private key in DER into something that signs.
    pub key_loader: &'static dyn KeyLoader,
    /// SHA-256: for cookies and for certificate fingerprints.
    pub sha256: &'static dyn HashAlgorithm,
}

impl CryptoProvider {
    /// Runs known answers and consistency checks over everything in the provider.
    ///
    /// Takes a few milliseconds; meant for tests and for a program's start, not for each connection. Asked are: the
    /// lengths of keys, nonces and tags of each suite; a known answer for each suite this engine knows by number;
    /// that what was sealed opens, that what was tampered with does not and leaves no plaintext behind; known
    /// answers for hash and HMAC; that two shares of each group agree and that malformed shares are refused; known
    /// answers for signatures where a short one exists; that randomness is not constant.
    ///
    /// # Errors
    ///
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), ProviderFault> {
        conformance::check(self)
    }

    /// The suite with this number, if the provider has it.
    #[must_use]
    pub fn cipher_suite(&self, id: CipherSuiteId) -> Option<&CipherSuite> {
        self.cipher_suites.iter().find(|suite| suite.id == id)
    }

    /// The group with this number, if the provider has it.
    #[must_use]
    pub fn group(&self, name: NamedGroup) -> Option<&'static dyn KxGroup> {
        self.groups.iter().copied().find(|group| group.name() == name)
    }

    /// The signature schemes that can be verified, by preference: what `signature_algorithms` offers (RFC 5246
    /// section 7.4.1.4.1).
    pub fn signature_schemes(&self) -> impl Iterator<Item = SignatureScheme> {
        self.signatures.iter().map(|signature| signature.scheme)
    }
}

impl fmt::Debug for CryptoProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoProvider").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A source of bytes that nobody can predict.
pub trait SecureRandom: Send + Sync {
    /// Fills all of `out`.
    ///
    /// # Errors
    ///
    /// If the source has nothing to give. Callers then fail before anything is sent; what stands in `out` is not
    /// used.
    fn fill(&self, out: &mut [u8]) -> Result<(), CryptoError>;
}

/// A cryptographic operation did not succeed.
///
/// Says nothing more on purpose: why a tag, a share or a signature was refused is either of no use to an honest
/// caller or of too much use to a dishonest peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CryptoError;

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a cryptographic operation did not succeed")
    }
}

impl core::error::Error for CryptoError {}
