//! The handshake so far, as both sides hash it: RFC 6347 section 4.2.6, RFC 7627 section 3.
//!
//! Every message counts as if it had been sent in one fragment. The first ClientHello and any HelloVerifyRequest do
//! not count when a second ClientHello answers them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::crypto::hash::{Digest, HashAlgorithm, HashContext};

/// The messages so far, hashed once the suite's hash is known, and kept for as long as one may have to be signed.
#[derive(Default)]
pub(crate) struct Transcript {
    /// The bytes themselves: before the hash is known, and while a CertificateVerify may need them, whose hash is
    /// not the suite's (RFC 5246 section 7.4.8).
    kept: Option<Vec<u8>>,
    hash: Option<Box<dyn HashContext>>,
}

impl Transcript {
    pub(crate) const fn new() -> Self {
        Self { kept: Some(Vec::new()), hash: None }
    }

    /// Forgets everything: of the hellos, only the one that the server answered counts.
    pub(crate) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Adds bytes of a message.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        if let Some(hash) = &mut self.hash {
            hash.update(bytes);
        }
    }

    /// The suite is chosen: from here on its hash runs along.
    pub(crate) fn start_hash(&mut self, algorithm: &dyn HashAlgorithm) {
        let mut hash = algorithm.start();
        hash.update(self.kept.as_deref().unwrap_or_default());
        self.hash = Some(hash);
    }

    /// No CertificateVerify will come, or it has been handled: the hash alone is enough.
    pub(crate) fn drop_messages(&mut self) {
        self.kept = None;
    }

    /// How many bytes of the heap its messages take.
    pub(crate) fn held(&self) -> usize {
        self.kept.as_ref().map_or(0, Vec::capacity)
    }

    /// Everything a CertificateVerify signs at this point.
    pub(crate) fn messages(&self) -> &[u8] {
        self.kept.as_deref().unwrap_or_default()
    }

    /// The hash at this point; `None` before the suite is chosen.
    pub(crate) fn digest(&self) -> Option<Digest> {
        self.hash.as_ref().map(|hash| hash.fork_finish())
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcript").field("kept", &self.kept.as_ref().map(Vec::len)).finish_non_exhaustive()
    }
}
