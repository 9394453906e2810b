//! Deadlines, idleness, memory, and what becomes of a session that is over.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ops::Bound;
use core::time::Duration;

use dtls_core::{Connection, Instant, Role};

use super::{Endpoint, Lent, Partner, Presence, Session};
use crate::address::Address;
use crate::event::Reason;
use crate::sessions::Handle;
use crate::stats::count;

// --- time ---

impl<A: Address> Endpoint<A> {
    /// When to call [`handle_timeout`](Self::handle_timeout): the earliest deadline of any session; `None` for never.
    /// A host that sleeps until then, or until a datagram comes, and does nothing else, works. Changes with every other
    /// call.
    ///
    /// Right once [`poll_transmit`](Self::poll_transmit) has been drained: a flight's timer starts when its last
    /// datagram has been taken. With [`Limits::idle`](crate::Limits::idle) it may be too early once in that time for each
    /// session: data does not move a session's place among the idle ones, only the moment that is looked at does.
    #[must_use]
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        self.settle(self.now);
        let idle = self.limits.idle.and_then(|idle| Some(self.by_idleness.first()?.0 + idle));
        self.deadlines.first().map(|(deadline, _)| *deadline).into_iter().chain(idle).min()
    }

    /// Does what is due at `now`. Too early a call does nothing; sessions that are not due are not touched.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle(now);
        let mut due = Vec::new();
        while let Some((deadline, handle)) = self.deadlines.first().copied() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            due.push(handle);
        }
        for handle in due {
            if let Some(session) = self.sessions.get_mut(handle) {
                session.deadline = None;
                if let Some(connection) = session.connection_mut() {
                    connection.handle_timeout(now);
                }
                self.on_path_time(handle, now);
                // A last flight may be gone.
                self.weigh(handle);
                self.touch(handle);
            }
        }
        if let Some(limit) = self.limits.idle {
            while let Some((_, handle)) = self.idlest(now, limit, None) {
                self.end(handle, Reason::Idle);
            }
        }
    }

    /// The session that has been without application data longest, if for at least `limit`, and since when; of those
    /// behind `behind` if that is given. Sessions that have had some since they were last looked at take their right
    /// places on the way, so that each costs little for each time it is looked at and nothing for each datagram.
    pub(super) fn idlest(
        &mut self,
        now: Instant,
        limit: Duration,
        behind: Option<(Instant, Handle)>,
    ) -> Option<(Instant, Handle)> {
        let start = behind.map_or(Bound::Unbounded, Bound::Excluded);
        while let Some((since, handle)) = self.by_idleness.range((start, Bound::Unbounded)).next().copied() {
            if now < since + limit {
                return None;
            }
            if let Some(session) = self.sessions.get_mut(handle) {
                if session.active <= since {
                    return Some((since, handle));
                }
                session.idle_since = Some(session.active);
                self.by_idleness.insert((session.active, handle));
            }
            self.by_idleness.remove(&(since, handle));
        }
        None
    }
}

// --- beginning and end of a session ---

impl<A: Address> Endpoint<A> {
    /// `None` when every handle has been given out. The session shares the place of the one `beside`.
    pub(super) fn insert(
        &mut self,
        address: A,
        connection: Connection,
        role: Role,
        beside: Option<Handle>,
    ) -> Option<Handle> {
        let host = address.host();
        let memory = connection.memory();
        let handle = self.sessions.insert(Session {
            address,
            presence: Presence::Awake(Box::new(connection)),
            role,
            opening: None,
            replaced: None,
            partner: None,
            roaming: None,
            probe: None,
            beside,
            began: self.now,
            active: self.now,
            idle_since: None,
            deadline: None,
            memory,
            ended: None,
            was_connected: false,
            is_half_open: false,
            is_ready: false,
            has_news: false,
            was_over: false,
            is_finished: false,
            is_released: false,
        })?;
        self.unfinished += 1;
        self.memory += memory;
        match beside.and_then(|beside| self.sessions.get_mut(beside)) {
            Some(beside) => {
                beside.beside = Some(handle);
                self.pairs += 1;
            }
            None => *self.by_host.entry(host).or_default() += 1,
        }
        Some(handle)
    }

    /// The successor takes its predecessor's place.
    pub(super) fn take_over(&mut self, successor: Handle) {
        let Some(session) = self.sessions.get_mut(successor) else { return };
        let Some(Partner::Predecessor(predecessor)) = session.partner.take() else { return };
        self.by_address.insert(session.address.clone(), successor);
        let Some(session) = self.sessions.get_mut(predecessor) else { return };
        session.partner = None;
        let replaced = session.opening;
        if let Some(session) = self.sessions.get_mut(successor) {
            session.replaced = replaced;
        }
        self.end(predecessor, Reason::Replaced);
    }

    /// Ends a session for a reason of ours, which its owner is told.
    pub(super) fn end(&mut self, handle: Handle, reason: Reason) {
        self.wake(handle);
        let Some(session) = self.sessions.get_mut(handle).filter(|session| !session.is_over()) else { return };
        session.ended = Some(reason);
        if let Some(connection) = session.connection_mut() {
            match reason {
                Reason::Idle | Reason::Evicted => connection.close(),
                Reason::Replaced | Reason::Memory => connection.abort(),
            }
        }
        count(match reason {
            Reason::Idle => &mut self.stats.idle,
            Reason::Evicted | Reason::Memory => &mut self.stats.evicted,
            Reason::Replaced => &mut self.stats.replaced,
        });
        self.touch(handle);
    }

    /// Gives back the address of a session that is over, has nothing to send and no events.
    pub(super) fn finish_if_drained(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let is_drained = session.is_over() && !session.is_ready && !session.has_news;
        if !is_drained || session.is_finished {
            return;
        }
        session.is_finished = true;
        self.unfinished -= 1;
        self.vacate(handle);
        self.forget_cid(handle);
        self.free_if_done(handle);
    }

    /// Gives back the address of a session; one that is to succeed it there has it then.
    pub(super) fn vacate(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        match session.partner.take() {
            Some(Partner::Successor(successor)) => {
                self.by_address.insert(session.address.clone(), successor);
                self.part(successor, handle);
            }
            Some(Partner::Predecessor(predecessor)) => self.part(predecessor, handle),
            None => {
                if self.by_address.get(&session.address) == Some(&handle) {
                    self.by_address.remove(&session.address);
                }
            }
        }
    }

    /// A session stays without its partner, unless it has found another meanwhile: that of an attempt that was given up
    /// is the next attempt.
    fn part(&mut self, handle: Handle, from: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if let Some(Partner::Successor(partner) | Partner::Predecessor(partner)) = session.partner {
            if partner == from {
                session.partner = None;
            }
        }
    }

    pub(super) fn free_if_done(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get(handle) else { return };
        if !session.is_finished || !session.is_released {
            return;
        }
        self.memory -= session.memory;
        self.evicted.retain(|evicted| *evicted != handle);
        let (beside, host) = (session.beside, session.address.host());
        match beside.and_then(|beside| self.sessions.get_mut(beside)) {
            // The other keeps the place.
            Some(beside) => {
                beside.beside = None;
                self.pairs -= 1;
            }
            None => self.leave_host(&host),
        }
        self.sessions.remove(handle);
    }

    /// A host has a session less.
    pub(super) fn leave_host(&mut self, host: &A::Host) {
        if let Some(sessions) = self.by_host.get_mut(host) {
            *sessions -= 1;
            if *sessions == 0 {
                self.by_host.remove(host);
            }
        }
    }
}

// --- keeping up to date ---

impl<A: Address> Endpoint<A> {
    /// Whether every queue and index is empty.
    #[cfg(test)]
    pub(crate) fn is_bare(&self) -> bool {
        let held = [self.ready.len(), self.news.len(), self.replies.len(), self.sessions.len(), self.evicted.len()];
        let indexed = [self.deadlines.len(), self.by_idleness.len(), self.by_address.len(), self.by_host.len()];
        held == [0; 5]
            && indexed == [0; 4]
            && (self.pairs, self.half_open) == (0, 0)
            && self.by_cid.is_empty()
            && self.memory == 0
            && self.incoming.is_none()
            && self.held_back.is_none()
    }

    /// How many sessions there are, with those that are over and not released.
    #[cfg(test)]
    pub(crate) const fn held(&self) -> usize {
        self.sessions.len()
    }

    /// How many connection IDs are taken.
    #[cfg(test)]
    pub(crate) fn cids(&self) -> usize {
        self.by_cid.len()
    }

    /// Whether nobody has to be asked what there is to send or to tell.
    #[cfg(test)]
    pub(crate) fn is_settled_without_traces(&mut self) -> bool {
        self.settle(self.now);
        self.ready.is_empty() && self.news.is_empty()
    }

    /// Takes note of the time, and looks at what became of the session whose datagram was lent.
    #[inline]
    pub(super) fn settle(&mut self, now: Instant) {
        if self.now < now {
            self.now = now;
        }
        if let Some(lent) = self.lent.take() {
            self.settle_lent(&lent);
        }
    }

    fn settle_lent(&mut self, lent: &Lent) {
        // Nearly every datagram there is: nothing has changed that would have to be looked at.
        let is_drained = |session: &Session<A>| session.connection().is_some_and(Connection::is_drained);
        let came_from = self.came_from.take();
        let stays = lent.was_connected && came_from.is_none();
        let is_settled = stays && self.sessions.get(lent.handle).is_some_and(is_drained);
        let mut has_answered = false;
        if !is_settled {
            has_answered = self.settle_paths(lent.handle, came_from.as_ref().map(|(from, _)| from));
        }
        let rests_again = lent.woken_at.is_some_and(|received_before| self.rest_again(lent.handle, received_before));
        if !is_settled && !rests_again {
            self.touch(lent.handle);
        }
        if let Some((from, len)) = came_from {
            self.on_seen_at(lent.handle, from, len, has_answered);
        }
    }

    /// What is sent now must go to where the peer is now.
    #[inline]
    pub(super) fn settle_address(&mut self) {
        if self.came_from.is_some() {
            self.settle(self.now);
        }
    }

    /// A session may have something new.
    pub(super) fn touch(&mut self, handle: Handle) {
        self.refresh(handle);
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if !session.is_ready {
            session.is_ready = true;
            self.ready.push_back(handle);
        }
    }

    /// Brings all that the endpoint knows of a session up to date with it.
    pub(super) fn refresh(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let is_over = session.is_over();
        let check = session.roaming.as_ref().and_then(|roaming| roaming.check.as_ref()).filter(|_| !is_over);
        let of_connection = session.connection().and_then(Connection::poll_timeout);
        let deadline = check.map(|check| check.next).into_iter().chain(of_connection).min();
        if deadline != session.deadline {
            if let Some(before) = session.deadline {
                self.deadlines.remove(&(before, handle));
            }
            if let Some(after) = deadline {
                self.deadlines.insert((after, handle));
            }
            session.deadline = deadline;
        }
        // Nothing follows the event that a session is over.
        if !session.was_over && !session.has_news {
            session.has_news = true;
            self.news.push_back(handle);
        }
        let is_connected = session.is_connected();
        let has_connected = is_connected && !session.was_connected;
        let has_ended = is_over && !session.was_over;
        let is_growing = !session.was_connected && !is_over;
        session.was_over = is_over;
        // What a connected session takes changes only by the clock and by its owner.
        if session.was_connected && !has_ended {
            return;
        }
        self.weigh(handle);
        if has_ended {
            self.on_end(handle);
        } else if is_growing && !self.may_be_as_large(handle) {
            self.end(handle, Reason::Memory);
        } else if has_connected {
            self.on_connected(handle);
        }
    }

    /// Counts anew how much memory a session takes.
    pub(super) fn weigh(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let memory = session.weight();
        self.memory = self.memory - session.memory + memory;
        session.memory = memory;
    }

    fn may_be_as_large(&mut self, handle: Handle) -> bool {
        let is_small_enough = |session: &Session<A>| session.memory <= self.limits.session_memory;
        self.sessions.get(handle).is_some_and(is_small_enough) && self.has_room_for_grown(handle)
    }

    fn on_connected(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        session.was_connected = true;
        session.active = self.now;
        session.idle_since = Some(self.now);
        self.by_idleness.insert((self.now, handle));
        self.leave_half_open(handle);
        self.settle_cid(handle);
        self.take_over(handle);
    }

    fn on_end(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if let Some(since) = session.idle_since.take() {
            self.by_idleness.remove(&(since, handle));
        }
        self.leave_half_open(handle);
    }

    fn leave_half_open(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if core::mem::take(&mut session.is_half_open) {
            self.half_open -= 1;
        }
    }
}
