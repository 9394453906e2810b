//! Owners of connections who take their time to decide, and those who leave it to them.
//!
//! Verifiers, tables of keys, selectors and choosers do so by [`AskOwner`](dtls_core::AskOwner); signers are here.

use core::time::Duration;
use std::sync::Arc;

use dtls_core::crypto::{CryptoError, SigningKey, SuiteAuthentication};
use dtls_core::wire::enums::SignatureScheme;
use dtls_core::{Answer, Question};

use crate::sim::EndId;

/// Decides for the ends of a world.
pub trait Owner {
    /// How long it thinks about the question of an end that has asked so many before.
    fn takes(&self, id: EndId, asked: usize) -> Duration;

    /// What it then answers.
    fn answer(&self, id: EndId, question: &Question<'_>) -> Answer;
}

/// A key that is somewhere else: it knows all about itself and signs nothing.
#[derive(Debug)]
pub struct Elsewhere(pub Arc<dyn SigningKey>);

impl SigningKey for Elsewhere {
    fn schemes(&self) -> &[SignatureScheme] {
        self.0.schemes()
    }

    fn kind(&self) -> SuiteAuthentication {
        self.0.kind()
    }

    fn public_key(&self) -> Option<&[u8]> {
        self.0.public_key()
    }

    fn sign(&self, _: SignatureScheme, _: &[u8], _: &mut Vec<u8>) -> Result<(), CryptoError> {
        Err(CryptoError)
    }

    fn defers(&self) -> bool {
        true
    }
}
