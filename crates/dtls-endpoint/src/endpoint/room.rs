//! Who finds room under the [`Limits`](crate::Limits), and who has to go for it.

use alloc::vec::Vec;

use dtls_core::Instant;

use super::Endpoint;
use crate::address::Address;
use crate::event::Reason;
use crate::sessions::Handle;

/// What a session needs, or what there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Under [`Limits::sessions`](crate::Limits::sessions): 1, or 0 for a session that has its place already.
    pub(super) places: usize,
    /// Bytes under [`Limits::memory`](crate::Limits::memory).
    pub(super) memory: usize,
}

impl Room {
    const NONE: Self = Self { places: 0, memory: 0 };
}

// --- who finds room ---

impl<A: Address> Endpoint<A> {
    /// How many places are taken. Two sessions that count as one take one, and of those that have had to go and are not
    /// released one takes none.
    fn places(&self) -> usize {
        self.sessions.len() - self.pairs - usize::from(!self.evicted.is_empty())
    }

    /// The memory of all sessions, but for those that have had to go.
    fn memory_in_use(&self) -> usize {
        let evicted = self.evicted.iter().filter_map(|handle| self.sessions.get(*handle));
        self.memory - evicted.map(|session| session.memory).sum::<usize>()
    }

    pub(super) fn is_full(&self) -> bool {
        self.places() >= self.limits.sessions || self.memory_in_use() >= self.limits.memory
    }

    pub(super) fn is_host_full(&self, address: &A) -> bool {
        let limit = self.limits.per_host;
        // Nothing is looked up where there is no limit.
        limit != usize::MAX && self.by_host.get(&address.host()).is_some_and(|sessions| *sessions >= limit)
    }

    /// The session of a client at this address, beside which it may begin anew without a place of its own. One at a time,
    /// and only while the old session stands: one that is over is in the way until its owner has released it, as any.
    pub(super) fn place_to_share(&self, address: &A) -> Option<Handle> {
        let handle = self.native_at(address)?;
        let session = self.sessions.get(handle)?;
        let is_standing_alone = !session.is_over() && session.beside.is_none();
        (is_standing_alone && self.pairs < self.limits.half_open).then_some(handle)
    }

    /// Whether a new session with this address may find room. Nobody has to go yet: how much it needs is not known.
    pub(super) fn may_find_room(&mut self, address: &A, now: Instant) -> bool {
        let shares_place = self.place_to_share(address).is_some();
        if !shares_place && self.is_host_full(address) {
            return false;
        }
        let least = Room { places: usize::from(!shares_place), memory: 1 };
        match self.lack(least) {
            Some(Room::NONE) => true,
            Some(_) => self.evicted.is_empty() && self.next_to_go(address, now, None).is_some(),
            None => false,
        }
    }

    /// What is missing of `need`. `None` if more is in use than there is: when limits have become lower, sessions beyond
    /// them go on, and new ones take nobody's place.
    fn lack(&self, need: Room) -> Option<Room> {
        let lack = |need: usize, in_use: usize, limit: usize| match need {
            0 => Some(0),
            _ if in_use > limit => None,
            _ => Some(in_use.saturating_add(need).saturating_sub(limit)),
        };
        let places = lack(need.places, self.places(), self.limits.sessions)?;
        let memory = lack(need.memory, self.memory_in_use(), self.limits.memory)?;
        Some(Room { places, memory })
    }

    pub(super) fn has_room(&self, need: Room) -> bool {
        self.lack(need) == Some(Room::NONE)
    }
}

// --- who has to go ---

impl<A: Address> Endpoint<A> {
    /// Makes room for a session with `address` if there is too little; `false` if that cannot be done, and nobody has to go
    /// then.
    pub(super) fn make_room(&mut self, address: &A, need: Room, now: Instant) -> bool {
        match self.lack(need) {
            Some(Room::NONE) => true,
            Some(lack) => self.let_go(address, lack, now),
            None => false,
        }
    }

    /// Whether there is still room for a session that has grown, or room could be made.
    pub(super) fn has_room_for_grown(&mut self, handle: Handle) -> bool {
        let in_use = self.memory_in_use();
        let lack = in_use.saturating_sub(self.limits.memory);
        let Some(session) = self.sessions.get(handle).filter(|_| lack > 0) else { return true };
        // What the others take is no more than there is, or limits have become lower.
        let address = session.address.clone();
        lack <= session.memory && self.let_go(&address, Room { places: 0, memory: lack }, self.now)
    }

    /// Ends sessions that have been without application data longest, until what they leave is enough; none if it could
    /// not be, or if those that had to go before are not released yet.
    fn let_go(&mut self, address: &A, lack: Room, now: Instant) -> bool {
        if !self.evicted.is_empty() {
            return false;
        }
        let Room { mut places, mut memory } = lack;
        let mut going: Vec<(Instant, Handle)> = Vec::new();
        while places > 0 || memory > 0 {
            let Some(next) = self.next_to_go(address, now, going.last().copied()) else { return false };
            places = places.saturating_sub(1);
            memory = memory.saturating_sub(self.sessions.get(next.1).map_or(0, |session| session.memory));
            going.push(next);
        }
        self.evicted = going.iter().map(|(_, handle)| *handle).collect();
        for (_, handle) in going {
            self.end(handle, Reason::Evicted);
        }
        true
    }

    /// The session that has been idle longest, if long enough to make room for one with `address`; of those behind `behind`
    /// if that is given. Not the one at that address: it goes on until the new one's handshake is complete (RFC 6347
    /// section 4.2.8). Nor one of two that count as one: its end would leave the other in its place.
    fn next_to_go(
        &mut self,
        address: &A,
        now: Instant,
        mut behind: Option<(Instant, Handle)>,
    ) -> Option<(Instant, Handle)> {
        let limit = self.limits.evict?;
        loop {
            let next = self.idlest(now, limit, behind)?;
            if self.sessions.get(next.1).is_some_and(|session| session.beside.is_none() && session.address != *address)
            {
                return Some(next);
            }
            behind = Some(next);
        }
    }
}
