//! Sessions that are told apart by connection IDs, and peers whose address changes: RFC 9146 sections 3 and 6.
//!
//! ```text
//!   datagram ─ begins with tls12_cid ─▶ by its ID ─▶ the session, whatever address it came from
//!                                           │
//!                                           ▼ once its payloads have been lent
//!       authentic, newer than all before, from elsewhere? ─▶ told to the host, followed, or checked
//! ```

use alloc::boxed::Box;
use core::time::Duration;

use dtls_core::config::ConnectionIdUse;
use dtls_core::crypto::SecureRandom;
use dtls_core::wire::connection_id::ConnectionId;
use dtls_core::wire::record::RecordHeader;
use dtls_core::{Instant, Path};

use super::path_checks::Check;
use super::{Endpoint, Room, Session};
use crate::address::Address;
use crate::event::{Event, Kept};
use crate::limits::AddressChange;
use crate::sessions::Handle;
use crate::stats::count;

/// What an endpoint knows of a session that has a connection ID.
pub(super) struct Roaming<A> {
    /// Ours, in the records of the peer.
    cid: ConnectionId,
    /// Where the newest record came from, if that is not where the peer is said to be.
    pub(super) seen_at: Option<A>,
    /// Where the peer was before it was followed.
    previous: Option<A>,
    /// Where the session began, if it has moved since.
    home: Option<A>,
    /// Whether the host has not been told that the peer was followed.
    has_moved: bool,
    /// What else of this the host has not been told.
    pub(super) news: Option<Event>,
    /// The check of an address that is under way.
    pub(super) check: Option<Box<Check<A>>>,
    /// No check begins before.
    pub(super) quiet_until: Instant,
    /// What the host knows of the round trip.
    pub(super) round_trip: Option<Duration>,
    /// Where the peer was before we left that path of our own accord.
    left: Option<A>,
}

// --- which session ---

impl<A: Address> Endpoint<A> {
    /// The session that a datagram is for which begins with a record with a connection ID. Its address counts for
    /// nothing: a session whose ID is not in the datagram is not given it.
    #[inline(never)]
    pub(super) fn recipient_by_cid(&mut self, from: A, datagram: &[u8]) -> Option<Handle> {
        let cid = datagram.get(RecordHeader::CID_AT..).and_then(|behind| behind.get(..self.cid_len));
        let Some(handle) = cid.and_then(|cid| self.by_cid.get(cid)).copied() else {
            count(&mut self.stats.unknown_cids);
            return None;
        };
        let session = self.sessions.get_mut(handle)?;
        let was_elsewhere = session.roaming.as_ref().is_some_and(|roaming| roaming.seen_at.is_some());
        if let Some(left) = session.roaming.as_ref().and_then(|roaming| roaming.left.as_ref()) {
            if let Some(connection) = session.presence.awake_mut() {
                connection.set_path(if *left == from { Path::Left } else { Path::Preferred });
            }
        }
        if session.address != from || was_elsewhere {
            self.came_from = Some((from, datagram.len()));
        }
        Some(handle)
    }

    /// An ID for a new session that no other has, without bytes if it is to have none; `None` where there are no IDs.
    pub(super) fn new_cid(
        &self,
        ids: &ConnectionIdUse,
        random: &dyn SecureRandom,
    ) -> Result<Option<ConnectionId>, NoConnectionId> {
        let is_of_our_length = self.by_cid.is_empty() || self.cid_len == usize::from(ids.id_len());
        if ids.id_len() != 0 && !is_of_our_length {
            return Err(NoConnectionId);
        }
        for _ in 0..CID_ATTEMPTS {
            match ids.make(random).map_err(|_| NoConnectionId)? {
                Some(cid) if self.by_cid.contains_key(&cid) => {}
                // A maker that does not keep to one length would hide all other sessions.
                Some(cid) if !cid.is_empty() && !self.by_cid.is_empty() && self.cid_len != cid.len() => {}
                cid => return Ok(cid),
            }
        }
        Err(NoConnectionId)
    }

    /// Before the first datagram with the ID can come, so before it is told to the peer.
    pub(super) fn register_cid(&mut self, handle: Handle, cid: Option<ConnectionId>) {
        let Some(cid) = cid.filter(|cid| !cid.is_empty()) else { return };
        let Some(session) = self.sessions.get_mut(handle) else { return };
        self.cid_len = cid.len();
        self.by_cid.insert(cid.clone(), handle);
        session.roaming = Some(Box::new(Roaming {
            cid,
            seen_at: None,
            previous: None,
            home: None,
            has_moved: false,
            news: None,
            check: None,
            quiet_until: self.now,
            round_trip: None,
            left: None,
        }));
    }

    /// The session is over and drained, or its peer does not know connection IDs.
    pub(super) fn forget_cid(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if let Some(roaming) = session.roaming.take() {
            self.by_cid.remove(&roaming.cid);
        }
    }

    /// A handshake is complete: is there an ID in the peer's records?
    pub(super) fn settle_cid(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get(handle) else { return };
        let ids =
            session.connection().and_then(|connection| connection.info()).and_then(|info| info.connection_ids.as_ref());
        if ids.is_none() {
            self.forget_cid(handle);
        }
    }
}

/// There is no ID to be had: the maker failed or keeps making those that are in use, or the sessions that there are have
/// IDs of another length.
pub(super) struct NoConnectionId;

/// With eight random bytes the first is always new. Who makes fewer soon learns that they are too few.
const CID_ATTEMPTS: usize = 16;

// --- which address ---

impl<A: Address> Endpoint<A> {
    /// What to do about a peer whose records come from another address. Default: [`AddressChange::Ask`].
    pub const fn set_address_change(&mut self, address_change: AddressChange) {
        self.address_change = address_change;
    }

    /// Where the peer of a session has been seen, by an authentic record newer than all before, if that is not its
    /// [`remote_address`](Self::remote_address): see [`Event::SeenElsewhere`].
    #[must_use]
    pub fn seen_at(&self, handle: Handle) -> Option<&A> {
        self.sessions.get(handle)?.roaming.as_ref()?.seen_at.as_ref()
    }

    /// Where the peer of a session was before it was last followed: see [`Event::AddressChanged`].
    #[must_use]
    pub fn previous_address(&self, handle: Handle) -> Option<&A> {
        self.sessions.get(handle)?.roaming.as_ref()?.previous.as_ref()
    }

    /// From now on sends what a session has to send to where its peer has been [`seen_at`](Self::seen_at), which the host
    /// has found to be good. Returns whether it does: not if the peer has come back meanwhile, or if the
    /// [`Limits`](crate::Limits) have no place for the session at that host.
    pub fn follow(&mut self, handle: Handle) -> bool {
        self.settle(self.now);
        let Some(to) = self.seen_at(handle).cloned() else { return false };
        let has_moved = self.move_to(handle, to);
        if has_moved {
            self.touch(handle);
        }
        has_moved
    }

    /// From now on sends what a session has to send to another address of its peer, because the host wants it so: over
    /// another of its own networks say, where an [`Address`] says that, too. Returns whether it does: not if the
    /// [`Limits`](crate::Limits) have no place for the session at that host, or before it is connected.
    ///
    /// The peer sees another address of ours and may check it (RFC 9853). What it asks over the old path is answered by
    /// path_drop, so that it knows that we meant it; that takes a connection ID of ours. Comes with no event.
    pub fn leave_for(&mut self, handle: Handle, to: A) -> bool {
        self.settle(self.now);
        self.wake(handle);
        let Some(session) = self.sessions.get(handle).filter(|session| session.was_connected) else { return false };
        let from = session.address.clone();
        if session.is_over() || from == to || !self.move_to(handle, to) {
            return false;
        }
        if let Some(roaming) = self.sessions.get_mut(handle).and_then(|session| session.roaming.as_mut()) {
            roaming.left = Some(from);
            roaming.has_moved = false;
        }
        self.touch(handle);
        true
    }

    /// A datagram with the ID of a session came from here. RFC 9146 section 6: what is not authentic, or not newer than
    /// all before, says nothing of where the peer is.
    ///
    /// One that answers a challenge is expected from where that was sent, and so says nothing of a peer that has come back.
    pub(super) fn on_seen_at(&mut self, handle: Handle, from: A, len: usize, has_answered: bool) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let Some(connection) = session.presence.awake() else { return };
        if !session.was_connected || connection.is_over() || !connection.is_newest_datagram() {
            return;
        }
        let Some(roaming) = &mut session.roaming else { return };
        if session.address == from {
            if has_answered {
                return;
            }
            roaming.seen_at = None;
            roaming.news.take_if(|news| *news == Event::SeenElsewhere);
            return self.keep_address(handle, Kept::CameBack);
        }
        // What still arrives there was sent before the peer knew better.
        if roaming.left.as_ref() == Some(&from) {
            return;
        }
        let is_told = roaming.seen_at.as_ref() == Some(&from);
        match self.address_change {
            AddressChange::Ignore => return,
            AddressChange::Check(check) if connection.info().is_some_and(|info| info.path_checks) => {
                return self.check_path(handle, from, len, check);
            }
            // RFC 9853 section 3: a peer that knows of no checks is not asked.
            AddressChange::Ask | AddressChange::Check(_) => {}
            AddressChange::Follow => {
                if self.move_to(handle, from.clone()) {
                    return;
                }
            }
        }
        let Some(roaming) = self.sessions.get_mut(handle).and_then(|session| session.roaming.as_mut()) else { return };
        if !is_told {
            roaming.seen_at = Some(from);
            roaming.news = Some(Event::SeenElsewhere);
        }
    }

    /// The session of whoever is at this address, if that is where it began. One that moved there is known by its ID, and
    /// perhaps by somebody who sent its records on from there: it is in nobody's way.
    pub(super) fn native_at(&self, address: &A) -> Option<Handle> {
        let handle = self.by_address.get(address).copied()?;
        self.sessions.get(handle).is_some_and(|session| !session.is_guest()).then_some(handle)
    }

    /// Gives a session another address. One that has a session already keeps it: nobody is driven out by somebody who
    /// says to be there, and records with an ID need no address to arrive.
    pub(super) fn move_to(&mut self, handle: Handle, to: A) -> bool {
        let Some(session) = self.sessions.get(handle) else { return false };
        let (from, beside) = (session.address.clone(), session.beside);
        let (old_host, new_host) = (from.host(), to.host());
        let changes_host = old_host != new_host;
        // Two sessions that count as one are at one host. One that leaves needs a place of its own.
        let has_place = beside.is_none() || self.has_room(Room { places: 1, memory: 0 });
        if changes_host && (self.is_host_full(&to) || !has_place) {
            return false;
        }
        self.vacate(handle);
        if changes_host {
            match beside.and_then(|beside| self.sessions.get_mut(beside)) {
                Some(beside) => {
                    beside.beside = None;
                    self.pairs -= 1;
                }
                None => self.leave_host(&old_host),
            }
            *self.by_host.entry(new_host).or_default() += 1;
        }
        self.by_address.entry(to.clone()).or_insert(handle);
        let Some(session) = self.sessions.get_mut(handle) else { return false };
        if changes_host {
            session.beside = None;
        }
        session.address = to;
        session.drop_check();
        session.drop_probe();
        if let Some(connection) = session.connection_mut() {
            connection.set_path(Path::Preferred);
        }
        if let Some(roaming) = &mut session.roaming {
            roaming.seen_at = None;
            roaming.previous = Some(from.clone());
            roaming.left = None;
            roaming.home.get_or_insert(from);
            roaming.has_moved = true;
            roaming.news = None;
        }
        count(&mut self.stats.address_changes);
        true
    }
}

impl<A: Address> Session<A> {
    /// Whether it is at an address to which it has moved.
    pub(super) fn is_guest(&self) -> bool {
        let home = self.roaming.as_ref().and_then(|roaming| roaming.home.as_ref());
        home.is_some_and(|home| *home != self.address)
    }
}

impl<A> Roaming<A> {
    /// Whether there is something that a session at rest would forget.
    pub(super) const fn is_busy(&self) -> bool {
        self.check.is_some() || self.left.is_some() || self.news.is_some() || self.has_moved
    }

    /// What the host has not been told, each thing once.
    pub(super) fn take_news(&mut self) -> Option<Event> {
        if core::mem::take(&mut self.has_moved) {
            return Some(Event::AddressChanged);
        }
        self.news.take()
    }
}
