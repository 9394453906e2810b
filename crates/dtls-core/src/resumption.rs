//! Sessions that go on in another connection: RFC 5246 section 7.3, RFC 5077, RFC 7627 section 5.3.
//!
//! ```text
//!   connection 1   full handshake ─▶ client: ResumptionState         server: SessionCache, or a ticket for the client
//!                                        │                                        │
//!   connection 2   ClientHello: session ID or ticket ─────────────▶ still good? ──┴─▶ Finished at once
//!                                                                       └── no ──▶ full handshake
//! ```
//!
//! What is resumed is a master secret and who the peer was; everything else is negotiated anew. Who the peer was is not
//! taken on trust from then: verifiers are asked again about the same credential on either side, so a session outlives
//! neither its certificate nor the configuration that trusted it. Only sessions with the extended master secret can be
//! resumed.

mod peer;
mod saved;
mod state;
mod tickets;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::time::WallClock;
pub(crate) use peer::KnownPeer;
pub(crate) use saved::Saved;
pub(crate) use state::{Given, Offered, Sides};
pub use state::{Misfit, ResumptionState, StateError};
pub use tickets::{OpenedTicket, SealTickets, TicketError, TicketKey, Tickets};

/// What a server does for clients that want to resume sessions. Cheap to clone, and shared between configurations that
/// should take over each other's sessions.
#[derive(Clone, Debug)]
pub struct ServerResumption {
    clock: Arc<dyn WallClock>,
    pub(crate) tickets: Option<Arc<dyn SealTickets>>,
    pub(crate) cache: Option<Arc<dyn SessionCache>>,
    pub(crate) lifetime: Duration,
}

impl ServerResumption {
    /// RFC 5246 appendix F.1.4 has a day as the longest.
    const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

    /// Sessions live for a day by this clock. Without tickets and without a cache, nothing is resumed.
    #[must_use]
    pub const fn new(clock: Arc<dyn WallClock>) -> Self {
        Self { clock, tickets: None, cache: None, lifetime: Self::LIFETIME_MAX }
    }

    /// Gives tickets to clients that take them: the server keeps nothing.
    #[must_use]
    pub fn with_tickets(mut self, tickets: Arc<dyn SealTickets>) -> Self {
        self.tickets = Some(tickets);
        self
    }

    /// Keeps the sessions of clients that take no tickets.
    #[must_use]
    pub fn with_cache(mut self, cache: Arc<dyn SessionCache>) -> Self {
        self.cache = Some(cache);
        self
    }

    /// How long after its full handshake a session can be resumed; at most a day.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(Self::LIFETIME_MAX);
        self
    }

    /// Seconds since 1970; `None` if nobody knows, and then nothing is resumed.
    pub(crate) fn now(&self) -> Option<u64> {
        self.clock.unix_time().map(|now| now.as_secs())
    }

    pub(crate) fn is_alive(&self, saved: &Saved) -> bool {
        self.age(saved).is_some_and(|age| age < self.lifetime)
    }

    /// Whether a client should get a ticket that says the same under a key that lives longer.
    pub(crate) fn is_half_over(&self, saved: &Saved) -> bool {
        self.age(saved).is_some_and(|age| age >= self.lifetime / 2)
    }

    /// How long the session can still be resumed.
    pub(crate) fn time_left(&self, saved: &Saved) -> Duration {
        self.age(saved).map_or(Duration::ZERO, |age| self.lifetime.saturating_sub(age))
    }

    /// `None` if it comes from the future.
    fn age(&self, saved: &Saved) -> Option<Duration> {
        self.now()?.checked_sub(saved.created).map(Duration::from_secs)
    }
}

/// Where a server keeps sessions by their IDs. Bounded by whoever implements it: what is lost costs a full handshake.
///
/// The values hold master secrets. Called while a datagram is being handled: it must not block.
pub trait SessionCache: Send + Sync + fmt::Debug {
    /// Keeps a session.
    fn put(&self, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>);

    /// The session with this ID.
    fn get(&self, id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>>;

    /// Forgets a session, whose connection has failed (RFC 5246 section 7.2.2).
    fn remove(&self, id: &[u8; SESSION_ID_LEN]);
}

/// Bytes in the session IDs that are made here: as many as there may be, all random.
pub const SESSION_ID_LEN: usize = 32;

/// Proof that the peer of a session to be resumed is one to trust by the configuration in force, and that the session's
/// handshake was complete. Only the two functions that check make it: [`Offered::of`] and [`Saved::check`].
#[derive(Debug)]
pub(crate) struct SessionChecked(());
