//! Sessions that are put aside: to rest until there is something to do, or to go on at another endpoint.

use alloc::boxed::Box;
use core::fmt;

use dtls_core::{CannotSave, Connection, Instant, RestoreError, Role, SavedConnection};

use super::{Endpoint, Room, Session};
use crate::address::Address;
use crate::sessions::Handle;

/// The connection of a session.
pub(super) enum Presence {
    // Boxed, so that a session at rest is small.
    Awake(Box<Connection>),
    AtRest(SavedConnection),
    /// It rested and could not be woken.
    Lost {
        is_told: bool,
    },
}

impl Presence {
    #[inline]
    pub(super) fn awake(&self) -> Option<&Connection> {
        match self {
            Self::Awake(connection) => Some(connection),
            Self::AtRest(_) | Self::Lost { .. } => None,
        }
    }

    #[inline]
    pub(super) fn awake_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Awake(connection) => Some(connection),
            Self::AtRest(_) | Self::Lost { .. } => None,
        }
    }
}

impl<A> Session<A> {
    /// The connection, unless it rests.
    #[inline]
    pub(super) fn connection(&self) -> Option<&Connection> {
        self.presence.awake()
    }

    /// The same to be changed.
    #[inline]
    pub(super) fn connection_mut(&mut self) -> Option<&mut Connection> {
        self.presence.awake_mut()
    }

    pub(super) fn is_over(&self) -> bool {
        match &self.presence {
            Presence::Awake(connection) => connection.is_over(),
            Presence::AtRest(_) => false,
            Presence::Lost { .. } => true,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        match &self.presence {
            Presence::Awake(connection) => connection.info().is_some() && !connection.is_over(),
            Presence::AtRest(_) => true,
            Presence::Lost { .. } => false,
        }
    }

    #[inline]
    pub(super) const fn is_at_rest(&self) -> bool {
        matches!(self.presence, Presence::AtRest(_))
    }

    /// How many bytes the connection takes.
    pub(super) fn weight(&self) -> usize {
        match &self.presence {
            Presence::Awake(connection) => connection.memory(),
            Presence::AtRest(saved) => saved.memory(),
            Presence::Lost { .. } => 0,
        }
    }

    /// Whether it has nothing under way that a rest would lose.
    fn can_rest(&self) -> bool {
        let roams = self.roaming.as_ref().is_some_and(|roaming| roaming.is_busy());
        self.was_connected && self.deadline.is_none() && self.partner.is_none() && !self.has_answered_probe() && !roams
    }

    fn rest(&mut self, now: Instant) -> bool {
        if !self.can_rest() {
            return false;
        }
        // An answer that is still to come would find nobody who asked.
        self.drop_probe();
        let Presence::Awake(connection) = &mut self.presence else { return false };
        let Ok(saved) = connection.save(now) else { return false };
        self.presence = Presence::AtRest(saved);
        true
    }

    fn wake(&mut self, now: Instant) {
        self.presence = match core::mem::replace(&mut self.presence, Presence::Lost { is_told: false }) {
            Presence::AtRest(saved) => match saved.restore(now) {
                Ok(connection) => Presence::Awake(Box::new(connection)),
                Err(_) => Presence::Lost { is_told: false },
            },
            other => other,
        };
    }
}

impl<A: Address> Endpoint<A> {
    /// Puts a session to rest: of its connection a few hundred bytes stay, and it wakes by itself with the next datagram
    /// for it or the next call that needs it. A datagram that turns out to be forged wakes it for no longer than it takes to
    /// see that.
    ///
    /// Returns whether it rests. It does not before it is connected, in the four minutes in which the last flight of its
    /// handshake is kept for the peer, while there is something to send or to tell, and while a path is checked.
    ///
    /// At rest [`info`](Self::info), [`session_stats`](Self::session_stats), [`export`](Self::export) and what else asks the
    /// connection without changing it know nothing: [`wake`](Self::wake) it first.
    pub fn rest(&mut self, handle: Handle) -> bool {
        self.settle(self.now);
        let now = self.now;
        let Some(session) = self.sessions.get_mut(handle) else { return false };
        let is_drained = !session.is_ready && !session.has_news && session.ended.is_none();
        let rests = session.is_at_rest() || is_drained && session.rest(now);
        self.weigh(handle);
        rests
    }

    /// Wakes a session that rests, before its connection is asked something. Does nothing to one that is awake.
    #[inline]
    pub fn wake(&mut self, handle: Handle) {
        if self.is_at_rest(handle) {
            self.wake_at_rest(handle);
        }
    }

    /// Whether a session rests.
    #[must_use]
    #[inline]
    pub fn is_at_rest(&self, handle: Handle) -> bool {
        self.sessions.get(handle).is_some_and(Session::is_at_rest)
    }

    #[inline(never)]
    pub(super) fn wake_at_rest(&mut self, handle: Handle) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(handle) else { return };
        session.wake(now);
        self.weigh(handle);
        if self.sessions.get(handle).is_some_and(Session::is_over) {
            self.touch(handle);
        }
    }

    /// Puts a session to rest again that a datagram has woken in which there was nothing of its peer's. Returns whether it
    /// rests.
    pub(super) fn rest_again(&mut self, handle: Handle, received_before: u64) -> bool {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(handle) else { return false };
        let has_heard = session.connection().is_none_or(|connection| {
            connection.is_newest_datagram() || connection.stats().application_records_received != received_before
        });
        let rests = !has_heard && session.rest(now);
        self.weigh(handle);
        rests
    }
}

// --- to another endpoint ---

impl<A: Address> Endpoint<A> {
    /// Takes a session out, to go on at another endpoint, in another process perhaps: where its peer is, and its connection
    /// for [`take_in`](Self::take_in). Here it is over without a word, and its handle means nothing any more.
    ///
    /// # Errors
    /// The session goes on; [`CannotSave::NotConnected`] also for a handle without a session.
    pub fn take_out(&mut self, handle: Handle) -> Result<(A, SavedConnection), CannotSave> {
        self.settle(self.now);
        let now = self.now;
        let session = self.sessions.get_mut(handle).ok_or(CannotSave::NotConnected)?;
        if session.ended.is_some() || session.partner.is_some() {
            return Err(CannotSave::NotDrained);
        }
        let lost = Presence::Lost { is_told: true };
        let saved = match &mut session.presence {
            Presence::Awake(connection) => connection.save(now)?,
            Presence::Lost { .. } => return Err(CannotSave::NotConnected),
            Presence::AtRest(_) => match core::mem::replace(&mut session.presence, Presence::Lost { is_told: true }) {
                Presence::AtRest(saved) => saved,
                _ => return Err(CannotSave::NotConnected),
            },
        };
        session.presence = lost;
        let address = session.address.clone();
        session.is_released = true;
        session.probe = None;
        // Nobody is here for its datagrams any more, and where its peer was seen is no news of ours.
        self.vacate(handle);
        self.forget_cid(handle);
        self.touch(handle);
        Ok((address, saved))
    }

    /// Goes on with a session that was taken out of another endpoint. It is connected, and says so by no event; its idle
    /// time begins now.
    ///
    /// # Errors
    /// Then the connection is lost; see [`TakeInError`].
    pub fn take_in(&mut self, now: Instant, address: A, saved: SavedConnection) -> Result<Handle, TakeInError> {
        self.settle(now);
        if self.by_address.contains_key(&address) {
            return Err(TakeInError::AddressInUse);
        }
        if self.is_full() || self.is_host_full(&address) {
            return Err(TakeInError::TooManySessions);
        }
        let connection = saved.restore(now).map_err(TakeInError::Restore)?;
        let info = connection.info().ok_or(TakeInError::Restore(RestoreError::NotAState))?;
        let role = info.role;
        let cid = info.connection_ids.as_ref().map(|ids| ids.local.clone()).filter(|cid| !cid.is_empty());
        if let Some(cid) = &cid {
            let is_of_our_length = self.by_cid.is_empty() || self.cid_len == cid.len();
            if !is_of_our_length || self.by_cid.contains_key(cid) {
                return Err(TakeInError::ConnectionIdInUse);
            }
        }
        if !self.has_room(Room { places: 1, memory: connection.memory() }) {
            return Err(TakeInError::TooManySessions);
        }
        let handle = self.insert(address.clone(), connection, role, None).ok_or(TakeInError::TooManySessions)?;
        self.register_cid(handle, cid);
        self.by_address.insert(address, handle);
        if role == Role::Server {
            self.half_open += 1;
            if let Some(session) = self.sessions.get_mut(handle) {
                session.is_half_open = true;
            }
        }
        self.touch(handle);
        Ok(handle)
    }
}

/// Why a session that comes from another endpoint cannot go on here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TakeInError {
    /// There is a session with this address.
    AddressInUse,
    /// [`Limits::sessions`](crate::Limits), `per_host` or `memory` is reached.
    TooManySessions,
    /// Its connection ID is that of another session, or has another length than theirs.
    ConnectionIdInUse,
    /// Its state does not lead to a connection.
    Restore(RestoreError),
}

impl fmt::Display for TakeInError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddressInUse => f.write_str("there is a session with this address; close it first"),
            Self::TooManySessions => f.write_str("the endpoint has as many sessions as its limits allow"),
            Self::ConnectionIdInUse => {
                f.write_str("the connection ID is that of another session, or not as long as the others here")
            }
            Self::Restore(error) => write!(f, "{error}"),
        }
    }
}

impl core::error::Error for TakeInError {}
