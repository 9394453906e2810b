//! What an endpoint has counted.

use dtls_core::Instant;

/// What an [`Endpoint`](crate::Endpoint) has counted since it was made, over all its sessions and all that belonged
/// to none. Counters saturate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// When the endpoint was made.
    pub created: Instant,
    /// Datagrams given to `receive`.
    pub datagrams_received: u64,
    /// Datagrams written by `poll_transmit`, `send` and `seal_in_place`.
    pub datagrams_sent: u64,
    /// Bytes in the datagrams received.
    pub bytes_received: u64,
    /// Bytes in the datagrams sent.
    pub bytes_sent: u64,
    /// Sessions begun as the server: clients whose address was verified.
    pub server_sessions: u64,
    /// Sessions begun as the client.
    pub client_sessions: u64,
    /// ClientHellos that got silence because the endpoint was busy.
    pub busy: u64,
    /// Datagrams from unknown addresses that were not a ClientHello, or came where no server is.
    pub rejected: u64,
    /// Datagrams with a connection ID that no session has.
    pub unknown_cids: u64,
    /// Peers that were followed to another address.
    pub address_changes: u64,
    /// Checks of another address that were begun (RFC 9853).
    pub path_checks: u64,
    /// Those of them after which the peer was not followed. Many may mean that somebody wants sessions to move.
    pub path_checks_failed: u64,
    /// Answers to challenges that came from another address than they had to.
    pub stray_path_answers: u64,
    /// ClientHellos that got silence because of [`Limits`](crate::Limits).
    pub refused: u64,
    /// ClientHellos that got silence because more answers than are held waited to be sent, or because the host did not
    /// ask for the [`Incoming`](crate::Incoming).
    pub unanswered: u64,
    /// Sessions ended for [`Reason::Idle`](crate::Reason::Idle).
    pub idle: u64,
    /// Sessions ended for [`Reason::Evicted`](crate::Reason::Evicted) or [`Reason::Memory`](crate::Reason::Memory).
    pub evicted: u64,
    /// Sessions ended for [`Reason::Replaced`](crate::Reason::Replaced).
    pub replaced: u64,
}

impl Stats {
    pub(crate) const fn new(created: Instant) -> Self {
        Self {
            created,
            datagrams_received: 0,
            datagrams_sent: 0,
            bytes_received: 0,
            bytes_sent: 0,
            server_sessions: 0,
            client_sessions: 0,
            busy: 0,
            rejected: 0,
            unknown_cids: 0,
            address_changes: 0,
            path_checks: 0,
            path_checks_failed: 0,
            stray_path_answers: 0,
            refused: 0,
            unanswered: 0,
            idle: 0,
            evicted: 0,
            replaced: 0,
        }
    }

    pub(crate) fn count_received(&mut self, len: usize) {
        count(&mut self.datagrams_received);
        add(&mut self.bytes_received, len);
    }

    pub(crate) fn count_sent(&mut self, len: usize) {
        count(&mut self.datagrams_sent);
        add(&mut self.bytes_sent, len);
    }
}

pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}

fn add(counter: &mut u64, len: usize) {
    *counter = counter.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
}
