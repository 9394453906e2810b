//! Owners of connections who take their time to decide, and those who leave it to them.
//!
//! Verifiers, tables of keys and selectors do so by [`AskOwner`](dtls_core::AskOwner); signers and who chooses what a client
//! shows are here.

use core::time::Duration;
use std::sync::Arc;

use dtls_core::config::ChooseIdentity;
use dtls_core::crypto::{CryptoError, Identity, SigningKey, SuiteAuthentication};
use dtls_core::wire::certificate::CertificateRequest;
use dtls_core::wire::enums::{CertificateType, SignatureScheme};
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

/// Leaves it to the owner which key of this form a client shows.
#[derive(Debug)]
pub struct AskWhich(pub [CertificateType; 1]);

impl ChooseIdentity for AskWhich {
    fn choose(&self, _: &CertificateRequest<'_>) -> Option<Identity> {
        None
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &self.0
    }

    fn defers(&self, _: &CertificateRequest<'_>) -> bool {
        true
    }
}
