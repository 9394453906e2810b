//! Keys that both sides know beforehand: RFC 4279.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::hash::HashAlgorithm;
use super::secrets::MasterSecret;

/// A key that both sides know beforehand: 1 to 65535 bytes, as hard to guess as the traffic is worth (RFC 4279 section
/// 7.2). Erased when dropped.
pub struct PresharedKey(Zeroizing<Vec<u8>>);

impl PresharedKey {
    /// Takes over a key. A vector that has grown has left copies behind.
    ///
    /// # Errors
    /// If it is empty, which would be no key at all, or longer than 65535 bytes.
    pub fn new(key: Vec<u8>) -> Result<Self, PskError> {
        let key = Zeroizing::new(key);
        match key.len() {
            0 => Err(PskError::EmptyKey),
            1..=65_535 => Ok(Self(key)),
            _ => Err(PskError::KeyTooLong),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// What tells whether a session was made with this key and no other: nothing to whoever does not have the session's
    /// master secret.
    pub(crate) fn mark(&self, hash: &dyn HashAlgorithm, master: &MasterSecret) -> [u8; 32] {
        // Both are keys: what is hashed as a message stays in the hash's buffers.
        let bound = hash.hmac(master.as_bytes(), &[b"resumption"]);
        let mut mark = [0; 32];
        for (to, from) in mark.iter_mut().zip(hash.hmac(&self.0, &[bound.as_ref()]).as_ref()) {
            *to = *from;
        }
        mark
    }
}

impl fmt::Debug for PresharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresharedKey([redacted])")
    }
}

/// What a client shows: an identity of up to 65535 bytes, UTF-8 by custom (RFC 4279 section 5.1), and its key.
#[derive(Clone, Debug)]
pub struct PskIdentity {
    identity: Vec<u8>,
    key: Arc<PresharedKey>,
}

impl PskIdentity {
    /// Takes over an identity and its key.
    ///
    /// # Errors
    /// If either is too long, or the key empty.
    pub fn new(identity: Vec<u8>, key: Vec<u8>) -> Result<Self, PskError> {
        let key = PresharedKey::new(key)?;
        if identity.len() > 65_535 {
            return Err(PskError::IdentityTooLong);
        }
        Ok(Self { identity, key: Arc::new(key) })
    }

    /// The identity, as it goes over the wire: in the clear.
    #[must_use]
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    pub(crate) const fn key(&self) -> &Arc<PresharedKey> {
        &self.key
    }
}

/// Chooses what a client shows. A [`PskIdentity`] is the choice of itself.
pub trait PskClient: Send + Sync + fmt::Debug {
    /// The identity for a server that gives this hint; `None` ends the handshake. Hints are not authenticated. Called
    /// while a datagram is being handled: it must not block.
    fn identity(&self, hint: Option<&[u8]>) -> Option<PskIdentity>;

    /// Whether the owner of the connection chooses instead: it is then asked
    /// [`Question::PskIdentity`](crate::Question::PskIdentity), and [`identity`](Self::identity) is not called. Default:
    /// no.
    fn defers(&self, hint: Option<&[u8]>) -> bool {
        let _ = hint;
        false
    }
}

impl PskClient for PskIdentity {
    fn identity(&self, _hint: Option<&[u8]>) -> Option<PskIdentity> {
        Some(self.clone())
    }
}

/// Finds the keys of clients. A function from identity to key is one, too; see [`Psks`] for a table.
pub trait PskServer: Send + Sync {
    /// The key of the client that calls itself so; `None` if there is no such client. What the server does then is
    /// [`Settings::unknown_psk`](crate::config::Settings::unknown_psk). Called while a datagram is being handled, for
    /// anyone who can be reached at his address: it must not block. Use a key in one direction only: who is client and
    /// server under one key can be made to talk to himself.
    fn key(&self, identity: &[u8]) -> Option<Arc<PresharedKey>>;

    /// Whether the owner of the connection looks the key up instead: it is then asked
    /// [`Question::PresharedKey`](crate::Question::PresharedKey), and [`key`](Self::key) is not called. Default: no.
    fn defers(&self, identity: &[u8]) -> bool {
        let _ = identity;
        false
    }

    /// How long the keys are, for a key that is made up in the place of one that is not found. Keys of another length take
    /// another number of steps, which tells known identities from unknown ones. Default: 16 bytes.
    fn usual_len(&self) -> usize {
        16
    }
}

impl fmt::Debug for dyn PskServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PskServer")
    }
}

impl<F: Fn(&[u8]) -> Option<Arc<PresharedKey>> + Send + Sync> PskServer for F {
    fn key(&self, identity: &[u8]) -> Option<Arc<PresharedKey>> {
        self(identity)
    }
}

/// A table of identities and their keys.
#[derive(Debug, Default)]
pub struct Psks(BTreeMap<Vec<u8>, Arc<PresharedKey>>);

impl Psks {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a client, in the place of one with the same identity.
    #[must_use]
    pub fn with(mut self, client: PskIdentity) -> Self {
        self.0.insert(client.identity, client.key);
        self
    }
}

impl PskServer for Psks {
    fn key(&self, identity: &[u8]) -> Option<Arc<PresharedKey>> {
        self.0.get(identity).cloned()
    }

    fn usual_len(&self) -> usize {
        self.0.values().next().map_or(16, |key| key.as_bytes().len())
    }
}

/// What is wrong with an identity or its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PskError {
    /// A key of no bytes is known to everyone.
    EmptyKey,
    /// The key is longer than 65535 bytes.
    KeyTooLong,
    /// The identity is longer than 65535 bytes.
    IdentityTooLong,
}

impl fmt::Display for PskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EmptyKey => "the pre-shared key is empty; give at least 16 random bytes",
            Self::KeyTooLong => "the pre-shared key is longer than 65535 bytes",
            Self::IdentityTooLong => "the identity of the pre-shared key is longer than 65535 bytes",
        })
    }
}

impl core::error::Error for PskError {}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn keys_of_no_bytes_and_what_the_wire_cannot_carry_are_refused() {
        let new = |identity, key| PskIdentity::new(vec![1; identity], vec![1; key]).map(drop);
        assert_eq!(new(0, 1), Ok(()));
        assert_eq!(new(65_535, 65_535), Ok(()));
        assert_eq!(new(1, 0), Err(PskError::EmptyKey));
        assert_eq!(new(1, 65_536), Err(PskError::KeyTooLong));
        assert_eq!(new(65_536, 1), Err(PskError::IdentityTooLong));
    }

    #[test]
    fn a_table_finds_keys_by_all_bytes_of_an_identity_and_does_not_print_them() {
        let table = Psks::new()
            .with(PskIdentity::new(b"a\0b".to_vec(), vec![1; 16]).unwrap())
            .with(PskIdentity::new(vec![], vec![2; 16]).unwrap());
        assert_eq!(table.key(b"a\0b").unwrap().as_bytes(), [1; 16]);
        assert_eq!(table.key(b"").unwrap().as_bytes(), [2; 16]);
        assert!(table.key(b"a").is_none() && table.key(b"a\0b\0").is_none());
        assert_eq!(table.usual_len(), 16);
        assert!(!format!("{table:?}").contains('2'), "{table:?}");
    }
}
