//! Decisions that take their time: what a connection asks its owner, and the answers.
//!
//! ```text
//!   verifier, key table, signer, selector ── "not now" ─▶ Event::Asked ─▶ Connection::question
//!                                                                               │
//!                             Connection::answer ◀── a thread, a task, a person ◀┘
//! ```
//!
//! Whoever a configuration has decide may decide at once, or say by `defers` that the owner will. Then the handshake
//! stands still: nothing is repeated, what arrives is kept or dropped as ever, and only
//! [`Settings::handshake_timeout`](crate::config::Settings::handshake_timeout) runs on.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use crate::config::{ChooseIdentity, SelectConfig, Selected};
use crate::crypto::psk::{PresharedKey, PskClient, PskIdentity, PskServer};
use crate::crypto::sign::Identity;
use crate::crypto::verify::{PeerAuthenticated, PeerVerifier, PresentedPeer};
use crate::error::CertificateError;
use crate::wire::certificate::CertificateRequest;
use crate::wire::enums::{CertificateType, SignatureScheme};
use crate::wire::hello::ClientHello;

/// What a connection asks its owner, from [`Connection::question`](crate::Connection::question). A connection asks one
/// thing at a time, and each at most once.
#[derive(Debug)]
#[non_exhaustive]
#[expect(clippy::large_enum_variant, reason = "lent for a moment, never kept")]
pub enum Question<'a> {
    /// Which configuration serves the client that says this hello? To be answered with [`Answer::Config`].
    Config(ClientHello<'a>),
    /// Is the peer one to trust, by the certificates that it shows? It has proved that it holds the key of the first. To
    /// be answered with [`Answer::Peer`].
    Peer(PresentedPeer<'a>),
    /// Which certificate do we show to the server that asks for one in this way? To be answered with
    /// [`Answer::Identity`].
    Identity(CertificateRequest<'a>),
    /// What is the signature of this message? To be answered with [`Answer::Signature`].
    Signature {
        /// Whose key is to sign.
        identity: &'a Identity,
        /// How.
        scheme: SignatureScheme,
        /// What: not hashed yet.
        message: &'a [u8],
    },
    /// Which pre-shared key does the client have that calls itself so? To be answered with [`Answer::PresharedKey`].
    PresharedKey {
        /// What the client calls itself, in bytes as sent. Not proven.
        identity: &'a [u8],
    },
    /// Which pre-shared key do we use with the server that gives this hint? To be answered with
    /// [`Answer::PskIdentity`].
    PskIdentity {
        /// The hint, in bytes as sent. Not proven.
        hint: Option<&'a [u8]>,
    },
}

/// What an owner answers, by [`Connection::answer`](crate::Connection::answer).
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// As [`SelectConfig::select`](crate::config::SelectConfig::select) answers.
    Config(Option<Selected>),
    /// As [`PeerVerifier::verify`](crate::crypto::PeerVerifier::verify) answers, whose verdict can be handed on.
    Peer(Result<PeerAuthenticated, CertificateError>),
    /// As [`ChooseIdentity::choose`](crate::config::ChooseIdentity::choose) answers.
    Identity(Option<Identity>),
    /// The signature, in the encoding that [`SigningKey::sign`](crate::crypto::SigningKey::sign) gives it. It is
    /// verified before it is sent.
    Signature(Vec<u8>),
    /// As [`PskServer::key`](crate::crypto::psk::PskServer::key) answers.
    PresharedKey(Option<Arc<PresharedKey>>),
    /// As [`PskClient::identity`](crate::crypto::psk::PskClient::identity) answers.
    PskIdentity(Option<PskIdentity>),
    /// There will be no answer: the database is down, the signer does not respond. The handshake ends with
    /// [`Error::DecisionFailed`](crate::Error::DecisionFailed), whatever was asked.
    Failed,
}

impl Question<'_> {
    /// Whether this is an answer to the question.
    pub(crate) const fn is_answered_by(&self, answer: &Answer) -> bool {
        matches!(
            (self, answer),
            (_, Answer::Failed)
                | (Self::Config(_), Answer::Config(_))
                | (Self::Peer(_), Answer::Peer(_))
                | (Self::Identity(_), Answer::Identity(_))
                | (Self::Signature { .. }, Answer::Signature(_))
                | (Self::PresharedKey { .. }, Answer::PresharedKey(_))
                | (Self::PskIdentity { .. }, Answer::PskIdentity(_))
        )
    }
}

/// The connection asks nothing, or something else: it is over, or the answer came twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAsked;

impl fmt::Display for NotAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection asks nothing that this would answer; it may have ended, or been answered before")
    }
}

impl core::error::Error for NotAsked {}

/// Leaves every decision to the owner of the connection, in the place of a verifier, a table of keys or a selector.
#[derive(Clone, Copy, Debug)]
pub struct AskOwner;

/// Peers may show certificates or bare keys.
impl PeerVerifier for AskOwner {
    fn verify(&self, _: &PresentedPeer<'_>) -> Result<PeerAuthenticated, CertificateError> {
        Err(CertificateError::Rejected)
    }

    fn defers(&self, _: &PresentedPeer<'_>) -> bool {
        true
    }

    fn certificate_types(&self) -> &[CertificateType] {
        &[CertificateType::X509, CertificateType::RAW_PUBLIC_KEY]
    }
}

impl PskServer for AskOwner {
    fn key(&self, _: &[u8]) -> Option<Arc<PresharedKey>> {
        None
    }

    fn defers(&self, _: &[u8]) -> bool {
        true
    }
}

impl PskClient for AskOwner {
    fn identity(&self, _: Option<&[u8]>) -> Option<PskIdentity> {
        None
    }

    fn defers(&self, _: Option<&[u8]>) -> bool {
        true
    }
}

impl SelectConfig for AskOwner {
    fn select(&self, _: &ClientHello<'_>) -> Option<Selected> {
        None
    }

    fn defers(&self, _: &ClientHello<'_>) -> bool {
        true
    }
}

impl ChooseIdentity for AskOwner {
    fn choose(&self, _: &CertificateRequest<'_>) -> Option<Identity> {
        None
    }

    fn defers(&self, _: &CertificateRequest<'_>) -> bool {
        true
    }
}
