//! Keys of tickets (RFC 5077): made by the server itself and changed from time to time, or from files that several
//! servers have.

use core::fmt;
use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dtls_core::Instant;
use dtls_core::crypto::CryptoProvider;
use dtls_core::resumption::{OpenedTicket, SealTickets, TicketKey, Tickets};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::identity::LoadError;

/// Tickets under keys that this process makes, changes and erases: clients are resumed as long as it runs, and nobody who
/// comes by its memory later can read what was resumed long before (RFC 5077 section 5.5).
///
/// A new key seals for the time given to [`new`](Self::new); after that it still opens for as long as a session lives, and
/// clients that show its tickets get new ones. For sessions that outlive the process, or that several servers resume, keys
/// have to come from elsewhere: [`load_ticket_key`] and [`Tickets`].
pub struct RotatingTickets {
    provider: Arc<CryptoProvider>,
    clock: Clock,
    seals_for: Duration,
    opens_for: Duration,
    /// The newest first.
    keys: Mutex<VecDeque<Key>>,
}

struct Key {
    tickets: Arc<Tickets>,
    made: Instant,
}

impl RotatingTickets {
    /// How many keys there are at most, the one that seals and those that only open.
    const KEYS_MAX: u32 = 32;

    /// Each key seals for `seals_for`, and opens for a day more. Less than 48 minutes are taken as that many, or there would
    /// be more keys than are held.
    ///
    /// # Errors
    /// If the provider has no random bytes for a key, or no AES-256-GCM.
    pub fn new(provider: Arc<CryptoProvider>, seals_for: Duration) -> io::Result<Self> {
        let mut tickets = Self {
            provider,
            clock: Clock::new(),
            seals_for,
            opens_for: Duration::from_secs(24 * 60 * 60),
            keys: Mutex::default(),
        };
        tickets.seals_for = seals_for.max(tickets.opens_for / (Self::KEYS_MAX - 2));
        let key = tickets.make_key(tickets.clock.now())?;
        tickets.keys().push_front(key);
        Ok(tickets)
    }

    fn make_key(&self, now: Instant) -> io::Result<Key> {
        let key = TicketKey::random(&self.provider).map_err(io::Error::other)?;
        let tickets = Tickets::new(&self.provider, vec![key]).map_err(io::Error::other)?;
        Ok(Key { tickets: Arc::new(tickets), made: now })
    }

    fn keys(&self) -> MutexGuard<'_, VecDeque<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the keys whose last ticket is worth nothing any more.
    fn forget_dead(&self, keys: &mut VecDeque<Key>, now: Instant) {
        keys.retain(|key| now < key.made + self.seals_for + self.opens_for);
    }

    fn seal_at(&self, now: Instant, random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>> {
        let mut keys = self.keys();
        self.forget_dead(&mut keys, now);
        let is_young = keys.front().is_some_and(|key| now < key.made + self.seals_for);
        if !is_young {
            keys.push_front(self.make_key(now).ok()?);
        }
        let tickets = Arc::clone(&keys.front()?.tickets);
        drop(keys);
        tickets.seal(random, session)
    }

    fn open_at(&self, now: Instant, ticket: &[u8]) -> Option<OpenedTicket> {
        let mut keys = self.keys();
        self.forget_dead(&mut keys, now);
        let all: Vec<_> = keys.iter().map(|key| (Arc::clone(&key.tickets), now >= key.made + self.seals_for)).collect();
        drop(keys);
        let opened = all.into_iter().find_map(|(tickets, is_due)| Some((tickets.open(ticket)?, is_due)));
        opened.map(|(opened, is_due)| OpenedTicket { is_due, ..opened })
    }
}

impl SealTickets for RotatingTickets {
    fn seal(&self, random: &[u8; 32], session: &[u8]) -> Option<Vec<u8>> {
        self.seal_at(self.clock.now(), random, session)
    }

    fn open(&self, ticket: &[u8]) -> Option<OpenedTicket> {
        self.open_at(self.clock.now(), ticket)
    }
}

impl fmt::Debug for RotatingTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RotatingTickets").field("seals_for", &self.seals_for).finish_non_exhaustive()
    }
}

/// A key for [`Tickets`] from a file of 48 random bytes, as `openssl rand -out FILE 48` writes it: for several servers, and
/// for one that starts again. Whoever can read the file can be each of the clients and read what they have resumed.
///
/// To change keys, put a new one in front of the old one in [`Tickets`] and hand the configuration to
/// [`Endpoint::set_server_config`](crate::Endpoint::set_server_config); leave the old one out after a day. Where several
/// servers have one key, they must all be able to open by the new one before any seals under it: put it behind first.
///
/// # Errors
/// If the file cannot be read, or is not such a key.
pub fn load_ticket_key(file: impl AsRef<Path>) -> Result<TicketKey, LoadError> {
    let file = file.as_ref();
    let unreadable = |error| LoadError::Unreadable { file: file.to_owned(), error };
    let bytes = Zeroizing::new(std::fs::read(file).map_err(unreadable)?);
    let not_a_key = || LoadError::NotATicketKey { file: file.to_owned(), len: bytes.len() };
    let key: &[u8; TicketKey::LEN] = bytes.as_slice().try_into().map_err(|_| not_a_key())?;
    // What was to be filled and was not: everybody has that key.
    if key.iter().all(|byte| Some(byte) == key.first()) { Err(not_a_key()) } else { Ok(TicketKey::from_bytes(key)) }
}

#[cfg(test)]
mod tests {
    use dtls_core::crypto::ring;

    use super::*;

    const RANDOM: [u8; 32] = [7; 32];

    fn after(hours: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(3600 * hours))
    }

    fn daily() -> RotatingTickets {
        let tickets = RotatingTickets::new(Arc::new(ring::provider()), Duration::from_secs(24 * 3600)).unwrap();
        for key in tickets.keys().iter_mut() {
            key.made = Instant::ORIGIN;
        }
        tickets
    }

    #[test]
    fn a_ticket_is_good_for_a_day_whenever_its_key_was_made_and_is_renewed_when_another_seals() {
        let tickets = daily();
        let early = tickets.seal_at(after(0), &RANDOM, b"early").unwrap();
        let late = tickets.seal_at(after(23), &RANDOM, b"late").unwrap();
        let opened = |hours, ticket: &[u8]| tickets.open_at(after(hours), ticket).map(|opened| opened.is_due);
        assert_eq!((opened(23, &early), opened(23, &late)), (Some(false), Some(false)));
        assert_eq!(opened(24, &late), Some(true), "though no other key is there yet");
        let next = tickets.seal_at(after(24), &RANDOM, b"next").unwrap();
        assert_ne!(next[..16], late[..16], "another key, by its name");
        assert_eq!((opened(24, &late), opened(24, &next)), (Some(true), Some(false)));
        assert_eq!(opened(47, &late), Some(true));
        assert_eq!((opened(48, &late), opened(48, &next)), (None, Some(true)));
        assert_eq!(tickets.keys().len(), 1, "what opens nothing is gone");
        assert_eq!(*tickets.open_at(after(49), &next).unwrap().session, b"next");
    }

    #[test]
    fn nobody_elses_ticket_is_opened() {
        let [one, other] = [daily(), daily()];
        let ticket = one.seal_at(after(0), &RANDOM, b"x").unwrap();
        assert!(one.open_at(after(0), &ticket).is_some());
        assert!(other.open_at(after(0), &ticket).is_none());
        assert!(one.open_at(after(0), b"").is_none());
    }

    #[test]
    fn haste_does_not_fill_the_memory_with_keys() {
        let tickets = RotatingTickets::new(Arc::new(ring::provider()), Duration::ZERO).unwrap();
        for minute in 0..6000 {
            let now = Instant::from_origin(Duration::from_secs(60 * minute));
            tickets.seal_at(now, &RANDOM, b"").unwrap();
            assert!(tickets.keys().len() <= RotatingTickets::KEYS_MAX.try_into().unwrap());
        }
        assert!(tickets.keys().len() > 20, "and they are changed");
    }

    #[test]
    fn a_key_from_a_file_is_the_same_for_all_who_read_it_and_what_is_none_says_so() {
        let file = std::env::temp_dir().join(format!("dtls-std-ticket-key-{}", std::process::id()));
        let load = |content: &[u8]| {
            std::fs::write(&file, content).unwrap();
            load_ticket_key(&file)
        };
        let provider = ring::provider();
        let random: Vec<u8> = (0..48).collect();
        let [one, other] = [(); 2].map(|()| Tickets::new(&provider, vec![load(&random).unwrap()]).unwrap());
        let ticket = one.seal(&RANDOM, b"shared").unwrap();
        assert_eq!(*other.open(&ticket).unwrap().session, b"shared");
        for (content, len) in [(&random[1..], 47), (&[], 0), (&[0; 48], 48), (&[9; 49], 49)] {
            let refused = load(content).unwrap_err();
            assert!(matches!(refused, LoadError::NotATicketKey { len: told, .. } if told == len), "{refused}");
            assert!(refused.to_string().ends_with("make one by `openssl rand -out FILE 48`"), "{refused}");
        }
        std::fs::remove_file(&file).unwrap();
        assert!(matches!(load_ticket_key(&file), Err(LoadError::Unreadable { .. })));
    }
}
