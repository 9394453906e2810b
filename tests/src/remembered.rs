//! What a server remembers of sessions between two connections, by a clock that stands until it is moved.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dtls_core::crypto::{CryptoProvider, WallClock};
use dtls_core::resumption::{SESSION_ID_LEN, ServerResumption, SessionCache, TicketKey, Tickets};
use rustls_pki_types::UnixTime;
use zeroize::Zeroizing;

/// How a server recognises a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// By a ticket that the client keeps for it (RFC 5077).
    Ticket,
    /// By an ID under which it keeps the session itself.
    SessionId,
}

impl By {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ticket, Self::SessionId];
}

/// The memory of a server. Clones are one memory; see [`Memory::copy`].
#[derive(Clone, Debug)]
pub struct Memory {
    by: By,
    /// What time it is for sessions, in seconds since 1970.
    pub clock: Arc<Clock>,
    /// The sessions by their IDs.
    pub cache: Arc<Cache>,
    ticket_key: [u8; TicketKey::LEN],
}

impl Memory {
    /// A memory of nothing.
    #[must_use]
    pub fn new(by: By) -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(1_000_000)));
        Self { by, clock, cache: Arc::default(), ticket_key: [7; TicketKey::LEN] }
    }

    /// Another memory of the same.
    #[must_use]
    pub fn copy(&self) -> Self {
        let clock = Arc::new(Clock(AtomicU64::new(self.clock.0.load(Ordering::Relaxed))));
        let cache = Arc::new(Cache(Mutex::new(self.cache.lock().clone())));
        Self { clock, cache, ..self.clone() }
    }

    /// A memory of nothing, under other keys.
    #[must_use]
    pub fn lost(&self) -> Self {
        Self { ticket_key: self.ticket_key.map(|byte| byte + 1), ..Self::new(self.by) }
    }

    /// What goes into a server's configuration. Sessions live for a thousand seconds.
    ///
    /// # Panics
    /// If the provider lacks AES-256-GCM.
    #[must_use]
    pub fn of_server(&self, provider: &CryptoProvider) -> ServerResumption {
        let clock: Arc<Clock> = Arc::clone(&self.clock);
        let resumption = ServerResumption::new(clock).with_lifetime(Duration::from_secs(1000));
        match self.by {
            By::Ticket => {
                let tickets = Tickets::new(provider, vec![TicketKey::from_bytes(&self.ticket_key)]);
                resumption.with_tickets(Arc::new(tickets.expect("a key and AES-256-GCM")))
            }
            By::SessionId => resumption.with_cache(Arc::<Cache>::clone(&self.cache)),
        }
    }
}

/// A clock that stands until it is moved.
#[derive(Debug)]
pub struct Clock(AtomicU64);

impl Clock {
    /// So many seconds go by.
    pub fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl WallClock for Clock {
    fn unix_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.load(Ordering::Relaxed))))
    }
}

type Sessions = BTreeMap<[u8; SESSION_ID_LEN], Zeroizing<Vec<u8>>>;

/// Sessions by their IDs, without a limit.
#[derive(Debug, Default)]
pub struct Cache(Mutex<Sessions>);

impl Cache {
    /// How many sessions it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Sessions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionCache for Cache {
    fn put(&self, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>) {
        self.lock().insert(id, session);
    }

    fn get(&self, id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>> {
        self.lock().get(id).cloned()
    }

    fn remove(&self, id: &[u8; SESSION_ID_LEN]) {
        self.lock().remove(id);
    }
}
