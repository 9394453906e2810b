//! What remains of a handshake, and what the peer may still say in handshake messages: RFC 6347 section 4.2.4.

use alloc::boxed::Box;
use core::time::Duration;

use super::paths::Paths;
use crate::config::RoleConfig;
use crate::crypto::secrets::MasterSecret;
use crate::event::{Role, SessionInfo};
use crate::handshake::Resumption;
use crate::handshake::flight::Flight;
use crate::handshake::key_schedule::SessionSecrets;
use crate::time::Instant;
use crate::wire::enums::HandshakeType;
use crate::wire::fragment::{Fragment, MessageSeq};

/// What remains when the handshake is done.
pub(super) struct Established {
    pub(super) config: RoleConfig,
    pub(super) info: SessionInfo,
    pub(super) secrets: SessionSecrets,
    pub(super) linger: Option<Box<Linger>>,
    pub(super) refused_renegotiation: bool,
    /// What is left for another connection to resume the session by.
    pub(super) resumption: Option<Box<Resumption>>,
    /// If both ends may check paths.
    pub(super) paths: Option<Box<Paths>>,
}

impl Established {
    /// How many bytes of the heap it takes.
    pub(super) fn held(&self) -> usize {
        let linger = self.linger.as_ref().map_or(0, |linger| size_of::<Linger>() + linger.flight.held());
        let resumption = match self.resumption.as_deref() {
            Some(Resumption::State(state)) => state.held(),
            Some(Resumption::Cached(..)) => size_of::<Resumption>(),
            None => 0,
        };
        let paths = self.paths.as_ref().map_or(0, |_| Paths::HELD_MAX);
        size_of::<Self>() + MasterSecret::LEN + self.info.held() + linger + resumption + paths
    }

    /// What an authenticated handshake fragment is good for once the handshake is over.
    pub(super) fn on_fragment(&mut self, now: Instant, fragment: &Fragment<'_>) -> Reaction {
        match (fragment.header.typ, self.info.role) {
            (HandshakeType::FINISHED, _) => {
                let asked = self.linger.as_mut().is_some_and(|linger| linger.is_asked_by(now, fragment));
                if asked { Reaction::LastFlight } else { Reaction::None }
            }
            // Renegotiation is refused, once, and the session goes on (RFC 5246 section 7.2.2 leaves that to us).
            (HandshakeType::HELLO_REQUEST, Role::Client) | (HandshakeType::CLIENT_HELLO, Role::Server)
                if !self.refused_renegotiation =>
            {
                self.refused_renegotiation = true;
                Reaction::RefuseRenegotiation
            }
            _ => Reaction::None,
        }
    }
}

/// Our last flight, which the peer may still need (RFC 6347 section 4.2.4).
pub(super) struct Linger {
    pub(super) flight: Flight,
    /// The peer's Finished; when it comes again, ours was lost.
    pub(super) asked_by: MessageSeq,
    pub(super) until: Instant,
    /// No answer to a repetition before this moment.
    pub(super) quiet_until: Instant,
    pub(super) answers_left: u8,
}

impl Linger {
    /// Twice the maximum segment lifetime, for as long as the peer's flight may still be on its way.
    pub(super) const DURATION: Duration = Duration::from_secs(240);
    /// Between two answers. A peer's timer is hardly ever shorter, and is 1 s by default.
    pub(super) const PAUSE: Duration = Duration::from_millis(50);
    pub(super) const ANSWERS: u8 = 16;
}

impl Linger {
    /// Whether the peer's Finished has come again and is to be answered; if so, the flight leaves again.
    fn is_asked_by(&mut self, now: Instant, fragment: &Fragment<'_>) -> bool {
        let is_repetition = fragment.header.message_seq == self.asked_by && fragment.header.fragment_offset == 0;
        if !is_repetition || now >= self.until || now < self.quiet_until || self.answers_left == 0 {
            return false;
        }
        self.answers_left -= 1;
        self.quiet_until = now + Self::PAUSE;
        self.flight.rewind();
        true
    }
}

/// What an established connection does about a handshake fragment.
pub(super) enum Reaction {
    None,
    LastFlight,
    RefuseRenegotiation,
}
