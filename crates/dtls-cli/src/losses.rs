//! Datagrams that could not be passed on between a session and plain UDP. That ends nothing: each is counted, and the
//! first of each session is told of.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use dtls_core::wire::record::MAX_PLAINTEXT;

use crate::output::note;
use crate::totals::Counter;

/// What one session has lost.
#[derive(Debug)]
pub(crate) struct Losses {
    in_all: Arc<Counter>,
    is_told: AtomicBool,
}

impl Losses {
    /// `in_all` counts those of all sessions.
    pub(crate) const fn new(in_all: Arc<Counter>) -> Self {
        Self { in_all, is_told: AtomicBool::new(false) }
    }

    /// One datagram is lost; `why` is told on standard error if it is the first.
    pub(crate) fn count(&self, why: impl FnOnce() -> String) {
        self.in_all.count();
        if !self.is_told.swap(true, Ordering::Relaxed) {
            note(&format!("{} (said once for the session; ENDPOINT counts all)", why()));
        }
    }
}

/// That a payload is too long for a session, and the cure.
pub(crate) fn does_not_fit(len: usize, max: usize) -> String {
    let cure = if len > MAX_PLAINTEXT { "send less" } else { "send less, or raise --mtu" };
    format!("{len} bytes do not fit, {max} do; {cure}")
}
