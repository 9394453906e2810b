//! What a whole run has counted, over all its sessions and all that belonged to none: the line ENDPOINT.

use core::fmt::{self, Display};
use core::sync::atomic::{AtomicU64, Ordering};

use dtls_std::{EndpointStats, Stats};

use crate::output::Object;

/// What a whole run has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    /// Sessions that are connected.
    pub(crate) open: u64,
    /// Sessions begun, whatever became of them.
    pub(crate) sessions: u64,
    /// ClientHellos that got silence because too many clients waited to be accepted.
    pub(crate) busy: u64,
    /// Datagrams from nobody we know that begin nothing.
    pub(crate) rejected: u64,
    /// Those who got nothing because of a limit: ClientHellos, or the senders of a tunnel.
    pub(crate) refused: u64,
    /// ClientHellos that got silence because too many answers waited to be sent.
    pub(crate) unanswered: u64,
    /// Sessions closed because nothing came or went.
    pub(crate) idle: u64,
    /// Sessions ended to make room.
    pub(crate) evicted: u64,
    /// Sessions whose client began anew.
    pub(crate) replaced: u64,
    /// Datagrams that could not be passed on.
    pub(crate) dropped: u64,
    /// Datagrams and bytes on the side of DTLS.
    pub(crate) datagrams_sent: u64,
    pub(crate) datagrams_received: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
}

impl Totals {
    /// What an endpoint has counted. It does not know how many sessions are `open`, nor what was `dropped` between it
    /// and somebody else.
    pub(crate) fn of(stats: &EndpointStats) -> Self {
        Self {
            sessions: stats.server_sessions.saturating_add(stats.client_sessions),
            busy: stats.busy,
            rejected: stats.rejected,
            refused: stats.refused,
            unanswered: stats.unanswered,
            idle: stats.idle,
            evicted: stats.evicted,
            replaced: stats.replaced,
            datagrams_sent: stats.datagrams_sent,
            datagrams_received: stats.datagrams_received,
            bytes_sent: stats.bytes_sent,
            bytes_received: stats.bytes_received,
            ..Self::default()
        }
    }

    /// Adds what one session has counted.
    pub(crate) fn add(&mut self, stats: &Stats) {
        for (total, more) in [
            (&mut self.datagrams_sent, stats.datagrams_sent),
            (&mut self.datagrams_received, stats.datagrams_received),
            (&mut self.bytes_sent, stats.bytes_sent),
            (&mut self.bytes_received, stats.bytes_received),
        ] {
            *total = total.saturating_add(more);
        }
    }

    /// In the order in which they are printed.
    const fn named(&self) -> [(&'static str, u64); 14] {
        [
            ("open", self.open),
            ("sessions", self.sessions),
            ("busy", self.busy),
            ("rejected", self.rejected),
            ("refused", self.refused),
            ("unanswered", self.unanswered),
            ("idle", self.idle),
            ("evicted", self.evicted),
            ("replaced", self.replaced),
            ("dropped", self.dropped),
            ("datagrams_sent", self.datagrams_sent),
            ("datagrams_received", self.datagrams_received),
            ("bytes_sent", self.bytes_sent),
            ("bytes_received", self.bytes_received),
        ]
    }

    pub(crate) fn to_json(self) -> Object {
        self.named().into_iter().fold(Object::new("endpoint"), |object, (name, count)| object.with(name, count))
    }
}

impl Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ENDPOINT")?;
        self.named().into_iter().try_for_each(|(name, count)| write!(f, " {name}={count}"))
    }
}

/// A number that only grows, in any thread.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
