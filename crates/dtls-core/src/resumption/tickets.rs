//! Tickets: a server's memory in the client's hands (RFC 5077 section 4).

use alloc::vec::Vec;
use core::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::sealing::Sealing;
use crate::crypto::{CryptoError, CryptoProvider};

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
    sealing: Sealing,
}

impl Tickets {
    /// Seals under the first of `keys` and opens under any.
    ///
    /// # Errors
    /// If there is no key, or one that nobody has filled in, or the provider does not have AES-256-GCM.
    pub fn new(provider: &CryptoProvider, keys: Vec<TicketKey>) -> Result<Self, TicketError> {
        let sealing = Sealing::new(provider, b"").ok_or(TicketError::NoAes256Gcm)?;
        match keys.as_slice() {
            [] => Err(TicketError::NoKey),
            keys if keys.iter().any(TicketKey::is_zero) => Err(TicketError::ZeroKey),
            _ => Ok(Self { keys, sealing }),
        }
    }
}

impl SealTickets for Tickets {
    fn seal(&self, random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>> {
        let key = self.keys.first()?;
        let head = [&key.name[..], random].concat();
        self.sealing.seal(&key.secret, &head, random, session).ok()
    }

    fn open(&self, ticket: &[u8]) -> Option<OpenedTicket> {
        let (head, body) = ticket.split_at_checked(TicketKey::NAME_LEN + Sealing::RANDOM_LEN)?;
        let (name, random) = head.split_at_checked(TicketKey::NAME_LEN)?;
        let at = self.keys.iter().position(|key| key.name == name)?;
        let session = self.sealing.open(&self.keys.get(at)?.secret, head, random, body).ok()?;
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

impl TicketKey {
    /// Memory that was never filled is no key: everybody knows it.
    fn is_zero(&self) -> bool {
        self.secret.ct_eq(&[0; 32]).into()
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
    /// A key is all zeros.
    ZeroKey,
    /// The provider does not have AES-256-GCM.
    NoAes256Gcm,
}

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoKey => "there is no ticket key; give at least one",
            Self::ZeroKey => "a ticket key is all zeros; take one of random bytes",
            Self::NoAes256Gcm => "tickets are sealed with AES-256-GCM, which the provider does not have",
        })
    }
}

impl core::error::Error for TicketError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::testing::providers;
    use alloc::vec;

    const SESSION: &[u8] = b"a session, whatever it is";

    fn key(n: u8) -> TicketKey {
        TicketKey::from_bytes(&[n; TicketKey::LEN])
    }

    fn opened(tickets: &Tickets, ticket: &[u8]) -> Option<(Vec<u8>, bool)> {
        tickets.open(ticket).map(|opened| (opened.session.to_vec(), opened.is_due))
    }

    #[test]
    fn a_ticket_opens_whole_and_unchanged_and_in_no_other_way() {
        for provider in providers() {
            let tickets = Tickets::new(&provider, vec![key(1)]).unwrap();
            let ticket = tickets.seal(&[5; 32], SESSION).unwrap();
            assert_eq!(opened(&tickets, &ticket), Some((SESSION.to_vec(), false)));
            assert!(!ticket.windows(9).any(|window| window == &SESSION[..9]), "it is not readable");
            for len in 0..ticket.len() {
                assert_eq!(opened(&tickets, &ticket[..len]), None, "{len} bytes of it");
                assert_eq!(opened(&tickets, &ticket[ticket.len() - len..]), None, "the last {len} bytes");
            }
            assert_eq!(opened(&tickets, &[&ticket[..], &[0]].concat()), None);
            for bit in 0..8 * ticket.len() {
                let mut changed = ticket.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(opened(&tickets, &changed), None, "bit {bit}");
            }
        }
    }

    #[test]
    fn no_two_tickets_have_a_key_and_a_nonce_in_common() {
        // Of one session, each with randomness of its own: were the keys the same, so would be the ciphertexts.
        let tickets = Tickets::new(&providers().swap_remove(0), vec![key(1)]).unwrap();
        let [first, second] = [1, 2].map(|n| tickets.seal(&[n; 32], SESSION).unwrap());
        assert_eq!(first[..16], second[..16], "the name of the key");
        let ciphertext = 48..48 + SESSION.len();
        assert_ne!(first[ciphertext.clone()], second[ciphertext]);
    }

    #[test]
    fn keys_come_and_go_and_the_first_of_them_seals() {
        let provider = providers().swap_remove(0);
        let with = |names: &[u8]| Tickets::new(&provider, names.iter().map(|n| key(*n)).collect()).unwrap();
        let of_the_first = with(&[1]).seal(&[5; 32], SESSION).unwrap();
        let rotated = with(&[2, 1]);
        assert_eq!(opened(&rotated, &of_the_first), Some((SESSION.to_vec(), true)), "a new one is due");
        let of_the_second = rotated.seal(&[5; 32], SESSION).unwrap();
        assert_eq!(opened(&rotated, &of_the_second), Some((SESSION.to_vec(), false)));
        assert_eq!(opened(&with(&[2]), &of_the_first), None, "its key has gone");
        assert_eq!(opened(&with(&[1]), &of_the_second), None, "another server's");
        // The name alone opens nothing.
        let mut impostor = [9; TicketKey::LEN];
        impostor[..16].fill(1);
        let impostor = Tickets::new(&provider, vec![TicketKey::from_bytes(&impostor)]).unwrap();
        assert_eq!(opened(&impostor, &of_the_first), None);
    }

    #[test]
    fn no_key_and_a_key_of_zeros_are_refused() {
        let provider = providers().swap_remove(0);
        let new = |keys| Tickets::new(&provider, keys).map(drop);
        assert_eq!(new(vec![]), Err(TicketError::NoKey));
        assert_eq!(new(vec![key(1), key(0)]), Err(TicketError::ZeroKey));
        let mut named = [0; TicketKey::LEN];
        named[..16].fill(7);
        assert_eq!(new(vec![TicketKey::from_bytes(&named)]), Err(TicketError::ZeroKey));
        let [first, second] = [TicketKey::random(&provider), TicketKey::random(&provider)].map(Result::unwrap);
        assert!(first.name != second.name && *first.secret != *second.secret);
        assert_eq!(new(vec![first, second]), Ok(()));
    }
}
