//! Sessions of a server in memory, to be resumed by their IDs (RFC 5246 section 7.3).
//!
//! ```text
//!   by_id:  ID ─▶ number of a slot
//!   slots:  newest ⇄ … ⇄ oldest     by when a session was last put or asked for; the oldest goes first
//! ```

use core::fmt;
use core::time::Duration;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dtls_core::Instant;
use dtls_core::resumption::{SESSION_ID_LEN, SessionCache};
use zeroize::Zeroizing;

use crate::clock::Clock;

/// Keeps a server's sessions in memory, so many at most: when there are more, that goes which nobody has asked for the
/// longest, and its client has to make a full handshake. Whatever goes is erased.
///
/// In an [`Arc`](std::sync::Arc) it may be shared by any number of configurations and sockets, which then resume each
/// other's sessions. What each holds is the size of its client's certificates and some 200 bytes; a session of more than
/// [`SESSION_MAX`](Self::SESSION_MAX) is not kept. Clients that take tickets need no place in it, where the server gives
/// [some](crate::RotatingTickets).
pub struct MemorySessionCache {
    clock: Clock,
    lifetime: Duration,
    sessions_max: usize,
    sessions: Mutex<Sessions>,
}

impl MemorySessionCache {
    /// The longest session that is kept, in bytes: a client may show a long chain of certificates.
    pub const SESSION_MAX: usize = 16 << 10;

    /// Has room for so many sessions, each for a day at most. With 0 nothing is kept.
    #[must_use]
    pub fn new(sessions_max: usize) -> Self {
        Self {
            clock: Clock::new(),
            lifetime: Duration::from_secs(24 * 60 * 60),
            sessions_max,
            sessions: Mutex::default(),
        }
    }

    /// Keeps each session no longer than so. For how long one is resumed at most is what
    /// [`ServerResumption`](dtls_core::resumption::ServerResumption) says; this is when it is erased, as soon as somebody asks
    /// for anything.
    #[must_use]
    pub const fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How many sessions are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sessions().by_id.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, now: Instant, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>) {
        let mut sessions = self.sessions();
        sessions.remove(&id);
        sessions.forget_dead(now, self.lifetime);
        if self.sessions_max == 0 || session.len() > Self::SESSION_MAX {
            return;
        }
        while sessions.by_id.len() >= self.sessions_max {
            sessions.forget_oldest();
        }
        sessions.insert(id, session, now);
    }

    fn get_at(&self, now: Instant, id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>> {
        let mut sessions = self.sessions();
        sessions.forget_dead(now, self.lifetime);
        let (session, kept) = sessions.take(id)?;
        if now >= kept + self.lifetime {
            return None;
        }
        let copy = session.clone();
        sessions.insert(*id, session, kept);
        Some(copy)
    }
}

impl SessionCache for MemorySessionCache {
    fn put(&self, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>) {
        self.put_at(self.clock.now(), id, session);
    }

    fn get(&self, id: &[u8; SESSION_ID_LEN]) -> Option<Zeroizing<Vec<u8>>> {
        self.get_at(self.clock.now(), id)
    }

    fn remove(&self, id: &[u8; SESSION_ID_LEN]) {
        self.sessions().remove(id);
    }
}

impl fmt::Debug for MemorySessionCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySessionCache").field("sessions_max", &self.sessions_max).finish_non_exhaustive()
    }
}

/// All sessions, each in constant time.
struct Sessions {
    by_id: HashMap<[u8; SESSION_ID_LEN], usize>,
    slots: Vec<Slot>,
    /// Numbers of slots that are empty.
    free: Vec<usize>,
    newest: usize,
    oldest: usize,
}

struct Slot {
    id: [u8; SESSION_ID_LEN],
    session: Zeroizing<Vec<u8>>,
    /// When it was put.
    kept: Instant,
    newer: usize,
    older: usize,
}

/// The number of no slot.
const NOBODY: usize = usize::MAX;

impl Default for Sessions {
    fn default() -> Self {
        Self { by_id: HashMap::new(), slots: Vec::new(), free: Vec::new(), newest: NOBODY, oldest: NOBODY }
    }
}

impl Sessions {
    /// Puts a session in front; there is none with this ID.
    fn insert(&mut self, id: [u8; SESSION_ID_LEN], session: Zeroizing<Vec<u8>>, kept: Instant) {
        let slot = Slot { id, session, kept, newer: NOBODY, older: self.newest };
        let at = match self.free.pop().and_then(|at| Some((at, self.slots.get_mut(at)?))) {
            Some((at, empty)) => {
                *empty = slot;
                at
            }
            None => {
                self.slots.push(slot);
                self.slots.len() - 1
            }
        };
        match self.slots.get_mut(self.newest) {
            Some(second) => second.newer = at,
            None => self.oldest = at,
        }
        self.newest = at;
        self.by_id.insert(id, at);
    }

    /// Takes a session out; its slot is empty then.
    fn take(&mut self, id: &[u8; SESSION_ID_LEN]) -> Option<(Zeroizing<Vec<u8>>, Instant)> {
        let at = self.by_id.remove(id)?;
        let slot = self.slots.get_mut(at)?;
        let (newer, older, kept) = (slot.newer, slot.older, slot.kept);
        let session = core::mem::take(&mut slot.session);
        match self.slots.get_mut(newer) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(older) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
        self.free.push(at);
        Some((session, kept))
    }

    fn remove(&mut self, id: &[u8; SESSION_ID_LEN]) {
        drop(self.take(id));
    }

    fn forget_oldest(&mut self) {
        if let Some(id) = self.slots.get(self.oldest).map(|slot| slot.id) {
            self.remove(&id);
        }
    }

    /// Forgets those at the end whose time is over. One that somebody has asked for meanwhile may stand before one that was
    /// put later, and goes with that.
    fn forget_dead(&mut self, now: Instant, lifetime: Duration) {
        while self.slots.get(self.oldest).is_some_and(|slot| now >= slot.kept + lifetime) {
            self.forget_oldest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> [u8; SESSION_ID_LEN] {
        let mut id = [0; SESSION_ID_LEN];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id
    }

    fn session(number: u32) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(number.to_be_bytes().to_vec())
    }

    fn after(seconds: u64) -> Instant {
        Instant::from_origin(Duration::from_secs(seconds))
    }

    /// Which of the sessions up to `numbers` are there, without asking for them.
    fn kept(cache: &MemorySessionCache, numbers: u32) -> Vec<u32> {
        (0..numbers).filter(|number| cache.sessions().by_id.contains_key(&id(*number))).collect()
    }

    #[test]
    fn what_nobody_has_asked_for_the_longest_makes_room() {
        let cache = MemorySessionCache::new(3);
        for number in 0..3 {
            cache.put(id(number), session(number));
        }
        assert_eq!(cache.get(&id(0)), Some(session(0)));
        cache.put(id(3), session(3));
        assert_eq!(kept(&cache, 4), [0, 2, 3]);
        cache.put(id(4), session(4));
        assert_eq!(kept(&cache, 5), [0, 3, 4]);
        assert_eq!(cache.get(&id(1)), None);
    }

    #[test]
    fn a_hundred_thousand_sessions_take_no_more_room_than_those_that_are_kept() {
        let cache = MemorySessionCache::new(100);
        for number in 0..100_000 {
            cache.put_at(after(0), id(number), session(number));
        }
        let sessions = cache.sessions();
        assert_eq!((sessions.by_id.len(), sessions.slots.len()), (100, 100));
        assert!(sessions.free.is_empty());
    }

    #[test]
    fn the_same_id_twice_is_one_session_and_the_later() {
        let cache = MemorySessionCache::new(2);
        for number in [7, 8, 9] {
            cache.put(id(0), session(number));
        }
        assert_eq!((cache.len(), cache.get(&id(0))), (1, Some(session(9))));
        cache.remove(&id(0));
        cache.remove(&id(0));
        assert!(cache.is_empty() && cache.get(&id(0)).is_none());
    }

    #[test]
    fn a_session_is_gone_when_its_time_is_over_however_often_it_was_asked_for() {
        let cache = MemorySessionCache::new(10).with_lifetime(Duration::from_secs(100));
        cache.put_at(after(0), id(0), session(0));
        cache.put_at(after(50), id(1), session(1));
        assert_eq!(cache.get_at(after(99), &id(0)), Some(session(0)));
        assert_eq!(cache.get_at(after(100), &id(0)), None);
        assert_eq!(kept(&cache, 2), [1]);
        cache.put_at(after(150), id(2), session(2));
        assert_eq!(kept(&cache, 3), [2], "nobody need ask for it");
    }

    #[test]
    fn no_room_is_no_session_and_neither_is_one_that_is_too_long() {
        let none = MemorySessionCache::new(0);
        none.put(id(0), session(0));
        assert!(none.is_empty());
        let cache = MemorySessionCache::new(usize::MAX);
        for len in [MemorySessionCache::SESSION_MAX, MemorySessionCache::SESSION_MAX + 1] {
            cache.put(id(u32::try_from(len).unwrap()), Zeroizing::new(vec![0; len]));
        }
        assert_eq!(cache.len(), 1);
    }

    /// Puts, asks for and removes at random, beside a list in order.
    #[test]
    fn it_does_as_a_list_would() {
        const ROOM: usize = 5;
        let cache = MemorySessionCache::new(ROOM);
        let mut list: Vec<(u32, u32)> = Vec::new();
        let mut dice = 1_u32;
        for round in 0..10_000 {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (number, what) = ((dice >> 16) % 12, (dice >> 24) % 4);
            let found = list.iter().position(|(id, _)| *id == number).map(|at| list.remove(at));
            match what {
                0 => cache.remove(&id(number)),
                1 => {
                    assert_eq!(cache.get(&id(number)), found.map(|(_, value)| session(value)), "round {round}");
                    list.extend(found);
                }
                _ => {
                    cache.put(id(number), session(round));
                    list.drain(..list.len().saturating_sub(ROOM - 1));
                    list.push((number, round));
                }
            }
            assert_eq!(cache.len(), list.len(), "round {round}");
        }
    }
}
