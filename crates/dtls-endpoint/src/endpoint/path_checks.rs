//! Whether a peer receives where it was seen: the return routability check of RFC 9853.
//!
//! ```text
//!   seen elsewhere ─┬─ basic ───────────────────────────────────────▶ new path: path_challenge, up to three
//!                   │                                                   ├─ path_response from there ─▶ followed
//!                   │                                                   └─ path_drop, or nothing in time ─▶ kept
//!                   └─ enhanced ─▶ old path: path_challenge, up to three    ▲
//!                                    ├─ path_drop, or nothing in time ──────┘
//!                                    └─ path_response ─▶ kept: the record was sent on by somebody else
//! ```
//!
//! One check at a time and no more than one begun in the time that one takes, whatever is seen meanwhile; what is kept
//! for it hangs on the session. Until the end of it all that a session sends goes where it went before.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

use dtls_core::wire::path::PathCookie;
use dtls_core::{Connection, Instant, PathAnswer, SendError};

use super::{Endpoint, Session};
use crate::address::Address;
use crate::event::{Event, Kept};
use crate::limits::PathCheck;
use crate::sessions::Handle;
use crate::stats::count;

/// A check that is under way.
pub(super) struct Check<A> {
    /// Where the peer was seen.
    pub(super) path: A,
    asked: Asked,
    /// Of the challenges that were sent there, and can still be answered.
    cookies: Vec<PathCookie>,
    began: Instant,
    lasts: Duration,
    /// When to do the next thing about it.
    pub(super) next: Instant,
    /// How many bytes may still be sent to the new address, which has shown nothing.
    credit: usize,
}

/// Which path has been asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Old,
    New,
}

impl<A> Check<A> {
    /// How often a path is asked: RFC 9853 section 5.3 allows for loss, once in a round trip, a third of the time there is.
    const CHALLENGES: u32 = 3;
    /// RFC 9853 section 5.5: without knowledge of the round trip.
    const LASTS: Duration = Duration::from_secs(1);
    /// The new path may be longer than the one whose round trip is known.
    const LASTS_MIN: Duration = Duration::from_millis(100);
    /// RFC 9853 section 2: how many times as much as came from an address it may be sent.
    const AMPLIFICATION: usize = 3;

    /// RFC 9853 section 5.5: three round trips.
    pub(super) fn lasts(round_trip: Option<Duration>) -> Duration {
        round_trip.map_or(Self::LASTS, |round_trip| round_trip.saturating_mul(3).max(Self::LASTS_MIN))
    }

    fn new(path: A, check: PathCheck, now: Instant, lasts: Duration) -> Self {
        let asked = match check {
            PathCheck::Basic => Asked::New,
            PathCheck::Enhanced => Asked::Old,
        };
        Self { path, asked, cookies: Vec::new(), began: now, lasts, next: now, credit: 0 }
    }

    fn until(&self) -> Instant {
        self.began + self.lasts
    }

    /// RFC 9853 section 2: more has come from the new address.
    pub(super) fn on_received(&mut self, len: usize) {
        self.credit = self.credit.saturating_add(len.saturating_mul(Self::AMPLIFICATION));
    }

    /// When the challenge after `sent` of them is due, or else the end.
    fn after(&self, sent: u32) -> Instant {
        if sent < Self::CHALLENGES { self.began + self.lasts / Self::CHALLENGES * sent } else { self.until() }
    }

    /// How many challenges are due before the present moment has passed.
    fn due(&self, now: Instant) -> u32 {
        (1..Self::CHALLENGES).find(|sent| now < self.after(*sent)).unwrap_or(Self::CHALLENGES)
    }
}

impl<A: Address> Endpoint<A> {
    /// A peer that knows of checks was seen at an address that is not its own, by a datagram of `len` bytes.
    pub(super) fn check_path(&mut self, handle: Handle, path: A, len: usize, check: PathCheck) {
        let now = self.now;
        let Some(roaming) = self.sessions.get_mut(handle).and_then(|session| session.roaming.as_mut()) else { return };
        match &mut roaming.check {
            Some(check) if check.path == path => check.on_received(len),
            // RFC 9853 section 5: a second move while one is looked into has to wait.
            Some(_) => {}
            None if now < roaming.quiet_until => {}
            None => {
                let lasts = Check::<A>::lasts(roaming.round_trip);
                let mut check = Check::new(path.clone(), check, now, lasts);
                check.on_received(len);
                roaming.quiet_until = check.until();
                roaming.seen_at = Some(path);
                roaming.check = Some(Box::new(check));
                count(&mut self.stats.path_checks);
                self.challenge_path(handle);
            }
        }
    }

    /// Sends a challenge where the check wants to know something, if that is not too much for an address that has shown
    /// nothing.
    fn challenge_path(&mut self, handle: Handle) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let Some(check) = session.roaming.as_mut().and_then(|roaming| roaming.check.as_mut()) else { return };
        check.next = check.after(check.due(now));
        let Some(len) = session.presence.awake().map(Connection::path_challenge_len) else { return };
        let to = match check.asked {
            Asked::Old => session.address.clone(),
            Asked::New => {
                let Some(credit) = check.credit.checked_sub(len) else { return self.refresh(handle) };
                check.credit = credit;
                check.path.clone()
            }
        };
        let mut datagram = Vec::new();
        // Where the key is used up the session ends, and with it the check.
        if let Some(Ok(cookie)) =
            session.presence.awake_mut().map(|connection| connection.challenge_path(&mut datagram))
        {
            check.cookies.push(cookie);
            self.reply(to, datagram);
        }
        self.touch(handle);
    }

    /// The next challenge is due, or the time of the check is over.
    pub(super) fn on_path_time(&mut self, handle: Handle, now: Instant) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let Some(check) = session.roaming.as_mut().and_then(|roaming| roaming.check.as_mut()) else { return };
        if now < check.next {
            return;
        }
        match check.asked {
            _ if now < check.until() => self.challenge_path(handle),
            // RFC 9853 section 5.2: the old path is dead.
            Asked::Old => self.check_new_path(handle),
            Asked::New => self.keep_address(handle, Kept::NoAnswer),
        }
    }

    /// What is asked of the old path has been answered, or will not be.
    fn check_new_path(&mut self, handle: Handle) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(handle) else { return };
        let Some(roaming) = &mut session.roaming else { return };
        let Some(check) = &mut roaming.check else { return };
        for cookie in check.cookies.drain(..) {
            if let Some(connection) = session.presence.awake_mut() {
                connection.forget_challenge(cookie);
            }
        }
        check.asked = Asked::New;
        check.began = now;
        roaming.quiet_until = check.until();
        self.challenge_path(handle);
    }

    /// Ends a check, if there is one, without following the peer.
    pub(super) fn keep_address(&mut self, handle: Handle, kept: Kept) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if !session.drop_check() {
            return;
        }
        count(&mut self.stats.path_checks_failed);
        if let Some(roaming) = &mut session.roaming {
            roaming.news = Some(Event::AddressKept(kept));
        }
        self.touch(handle);
    }

    /// What a datagram from here, or else from where the peer is, has said about paths. Returns whether it has answered
    /// a challenge of ours.
    pub(super) fn settle_paths(&mut self, handle: Handle, from: Option<&A>) -> bool {
        let Some(session) = self.sessions.get(handle) else { return false };
        let from = from.unwrap_or(&session.address).clone();
        let mut has_answered = false;
        while let Some(answer) = self.connection_mut(handle).and_then(Connection::poll_path_answer) {
            has_answered = true;
            self.on_path_answer(handle, &from, answer);
        }
        let mut datagram = Vec::new();
        // RFC 9853 section 5.4: to where the challenge came from, whether or not the peer is said to be there.
        while self.connection_mut(handle).is_some_and(|connection| connection.poll_path_reply(&mut datagram)) {
            self.reply(from.clone(), core::mem::take(&mut datagram));
        }
        has_answered
    }

    fn on_path_answer(&mut self, handle: Handle, from: &A, answer: PathAnswer) {
        let Some(session) = self.sessions.get_mut(handle) else { return };
        if session.on_probe_answered(answer) {
            return self.touch(handle);
        }
        let check = session.roaming.as_ref().and_then(|roaming| roaming.check.as_ref());
        let Some(check) = check.filter(|check| check.cookies.contains(&answer.cookie())) else { return };
        match (check.asked, answer) {
            // RFC 9853 section 5.2 asks for the cookie alone here. Whoever has it received what was sent to the old address.
            (Asked::Old, PathAnswer::Response(_)) => self.keep_address(handle, Kept::OldPathAnswers),
            (Asked::Old, PathAnswer::Drop(_)) => self.check_new_path(handle),
            // RFC 9853 section 5.4: only an answer from there shows that the path works both ways.
            (Asked::New, _) if check.path != *from => count(&mut self.stats.stray_path_answers),
            (Asked::New, PathAnswer::Response(_)) => self.on_path_checked(handle),
            (Asked::New, PathAnswer::Drop(_)) => self.keep_address(handle, Kept::PathLeft),
        }
    }

    /// The peer receives where it was seen.
    fn on_path_checked(&mut self, handle: Handle) {
        let Some(session) = self.sessions.get(handle) else { return };
        let Some(check) = session.roaming.as_ref().and_then(|roaming| roaming.check.as_ref()) else { return };
        let path = check.path.clone();
        if self.move_to(handle, path) {
            return self.touch(handle);
        }
        // There is no place for the session at that host. Its owner may know better, or later.
        let Some(session) = self.sessions.get_mut(handle) else { return };
        session.drop_check();
        if let Some(roaming) = &mut session.roaming {
            roaming.news = Some(Event::SeenElsewhere);
        }
        self.touch(handle);
    }
}

impl<A> Session<A> {
    /// Answers that are still to come to what a check has asked, are none.
    pub(super) fn drop_check(&mut self) -> bool {
        let Some(check) = self.roaming.as_mut().and_then(|roaming| roaming.check.take()) else { return false };
        for cookie in check.cookies {
            if let Some(connection) = self.presence.awake_mut() {
                connection.forget_challenge(cookie);
            }
        }
        true
    }

    /// Whether an answer is one to a probe.
    fn on_probe_answered(&mut self, answer: PathAnswer) -> bool {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.cookie == answer.cookie()) else { return false };
        probe.is_answered = matches!(answer, PathAnswer::Response(_));
        true
    }
}

// --- how long a datagram may be ---

/// A probe that is under way, or whose answer the host has not been told of.
#[derive(Clone, Copy)]
pub(super) struct Probe {
    cookie: PathCookie,
    len: u16,
    is_answered: bool,
}

impl<A: Address> Endpoint<A> {
    /// Appends a datagram of exactly `len` bytes to `out`, whatever the MTU is, and returns where to send it:
    /// [`Event::ProbeAnswered`] comes if it arrives, and the MTU of the session is then at least as large. A session has
    /// one probe at a time, the latest. See [`Connection::probe_mtu`].
    ///
    /// # Errors
    /// As [`Connection::probe_mtu`]; [`SendError::Closed`] also if the handle has no session any more.
    pub fn probe_mtu(&mut self, handle: Handle, len: usize, out: &mut Vec<u8>) -> Result<A, SendError> {
        self.settle(self.now);
        self.wake(handle);
        let start = out.len();
        let session = self.sessions.get_mut(handle).ok_or(SendError::Closed)?;
        match session.connection_mut().ok_or(SendError::Closed)?.probe_mtu(len, out) {
            Ok(cookie) => {
                session.drop_probe();
                let len = u16::try_from(len).unwrap_or(u16::MAX);
                session.probe = Some(Probe { cookie, len, is_answered: false });
                self.stats.count_sent(out.len() - start);
                Ok(session.address.clone())
            }
            Err(error) => Err(self.not_sent(handle, error)),
        }
    }
}

impl<A> Session<A> {
    /// The length of a probe that was answered, once.
    pub(super) fn take_answered_probe(&mut self) -> Option<u16> {
        self.probe.take_if(|probe| probe.is_answered).map(|probe| probe.len)
    }

    pub(super) fn has_answered_probe(&self) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.is_answered)
    }

    /// What was asked of a path says nothing of another.
    pub(super) fn drop_probe(&mut self) {
        if let Some(probe) = self.probe.take() {
            if let Some(connection) = self.presence.awake_mut() {
                connection.forget_challenge(probe.cookie);
            }
        }
    }
}
