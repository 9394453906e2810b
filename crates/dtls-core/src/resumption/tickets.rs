//! Tickets: a server's memory in the client's hands (RFC 5077 section 4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use crate::crypto::aead::AeadAlgorithm;
use crate::crypto::hash::HashAlgorithm;
use crate::crypto::{CryptoError, CryptoProvider};
use crate::wire::enums::CipherSuiteId;

/// Seals sessions so that only whoever holds the key can read or make them.
///
/// [`Tickets`] does it with keys in memory; another implementation may ask a key service. Called while a datagram is being
/// handled: it must not block.
pub trait SealTickets: Send + Sync + fmt::Debug {
    /// Seals a session; `None` gives the client no ticket.
    fn seal(&self, random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>>;

    /// Opens a ticket that a client shows; `None` if it is none of ours, which leads to a full handshake.
    fn open(&self, ticket: &[u8]) -> Option<OpenedTicket>;
}

/// What was in a ticket.
#[derive(Debug)]
pub struct OpenedTicket {
    /// The session.
    pub session: Zeroizing<Vec<u8>>,
    /// Whether the client should get a new ticket, since the key of this one is about to go.
    pub is_due: bool,
}

/// Keys for tickets: the first seals, all of them open.
///
/// To rotate, make a new one with the new key in front and the old one behind it, and let the old one go after the
/// lifetime of a session: whoever learns a key reads every session that was resumed from its tickets, so a key should not
/// live long. Servers that share their keys resume each other's sessions.
///
/// ```text
///   ticket = name of the key(16) random(32) ciphertext tag(16)         AES-256-GCM, additional data: name and random
///   key    = HMAC-SHA-256(ticket key, random)                          one for each ticket, so its nonce is 0
/// ```
pub struct Tickets {
    keys: Vec<TicketKey>,
    aead: &'static dyn AeadAlgorithm,
    hash: &'static dyn HashAlgorithm,
}

impl Tickets {
    const TAG_LEN: usize = 16;
    const RANDOM_LEN: usize = 32;
    const NONCE: [u8; 12] = [0; 12];

    /// Seals under the first of `keys` and opens under any.
    ///
    /// # Errors
    /// If there is no key, or the provider does not have AES-256-GCM.
    pub fn new(provider: &CryptoProvider, keys: Vec<TicketKey>) -> Result<Self, TicketError> {
        let aes_256_gcm = [
            CipherSuiteId::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            CipherSuiteId::TLS_PSK_WITH_AES_256_GCM_SHA384,
        ];
        let aead =
            aes_256_gcm.into_iter().find_map(|id| provider.cipher_suite(id)).ok_or(TicketError::NoAes256Gcm)?.aead;
        if keys.is_empty() { Err(TicketError::NoKey) } else { Ok(Self { keys, aead, hash: provider.sha256 }) }
    }

    fn key_of(&self, key: &TicketKey, random: &[u8]) -> Result<Box<dyn crate::crypto::AeadKey>, CryptoError> {
        self.aead.key(self.hash.hmac(&*key.secret, &[random]).as_ref())
    }
}

impl SealTickets for Tickets {
    fn seal(&self, random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let head = [&key.name[..], random].concat();
        let mut ticket = [&head, session, &[0; Self::TAG_LEN]].concat();
        let body = ticket.get_mut(head.len()..)?;
        let (plaintext, tag) = body.split_at_mut_checked(session.len())?;
        self.key_of(key, random).ok()?.seal(&Self::NONCE, &head, plaintext, tag).ok()?;
        Some(ticket)
    }

    fn open(&self, ticket: &[u8]) -> Option<OpenedTicket> {
        let (head, body) = ticket.split_at_checked(TicketKey::NAME_LEN + Self::RANDOM_LEN)?;
        let (name, random) = head.split_at_checked(TicketKey::NAME_LEN)?;
        let at = self.keys.iter().position(|key| key.name == name)?;
        let mut session = Zeroizing::new(body.to_vec());
        let len = self.key_of(self.keys.get(at)?, random).ok()?.open(&Self::NONCE, head, &mut session).ok()?;
        session.truncate(len);
        Some(OpenedTicket { session, is_due: at != 0 })
    }
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tickets({} keys)", self.keys.len())
    }
}

/// A key that tickets are sealed under, with a name that is sent along.
pub struct TicketKey {
    name: [u8; Self::NAME_LEN],
    secret: Zeroizing<[u8; 32]>,
}

impl TicketKey {
    /// Bytes in a key with its name: 16 of name, then 32 of key.
    pub const LEN: usize = Self::NAME_LEN + 32;
    const NAME_LEN: usize = 16;

    /// A key that nobody else has.
    ///
    /// # Errors
    /// If the provider has no randomness.
    pub fn random(provider: &CryptoProvider) -> Result<Self, CryptoError> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        provider.random.fill(&mut *bytes)?;
        Ok(Self::from_bytes(&bytes))
    }

    /// A key that several servers share, or that outlives a process. All of it must be random.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Self {
        let (mut name, mut secret) = ([0; Self::NAME_LEN], Zeroizing::new([0; 32]));
        name.copy_from_slice(bytes.get(..Self::NAME_LEN).unwrap_or_default());
        secret.copy_from_slice(bytes.get(Self::NAME_LEN..).unwrap_or_default());
        Self { name, secret }
    }
}

impl fmt::Debug for TicketKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TicketKey([redacted])")
    }
}

/// Why keys do not make [`Tickets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TicketError {
    /// There is no key.
    NoKey,
    /// The provider does not have AES-256-GCM.
    NoAes256Gcm,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no ticket key; give at least one",
            Self::NoAes256Gcm => "tickets are sealed with AES-256-GCM, which the provider does not have",
        })
    }
}

impl core::error::Error for TicketError {}
