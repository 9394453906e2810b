//! Datagrams that could not be passed on between a session and plain UDP. That ends nothing: each is counted, and the
//! first of each session is told of.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use dtls_core::wire::record::MAX_PLAINTEXT;
use dtls_std::Session;

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
pub(crate) fn does_not_fit(session: &Session, len: usize, max: usize) -> String {
    format!("{len} bytes do not fit, {max} do; {}", cure(len, session.max_record_payload()))
}

/// `in_record`: the most that a record of the session carries, whatever the MTU; 0 if that is over.
fn cure(len: usize, in_record: usize) -> &'static str {
    if len > MAX_PLAINTEXT {
        "send less"
    } else if in_record != 0 && len > in_record {
        "send less: the peer takes no longer records"
    } else {
        "send less, or raise --mtu"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_mtu_is_recommended_only_where_it_helps() {
        assert_eq!(cure(16_385, 16_384), "send less");
        assert_eq!(cure(16_384, 16_384), "send less, or raise --mtu");
        assert_eq!(cure(513, 512), "send less: the peer takes no longer records");
        assert_eq!(cure(512, 512), "send less, or raise --mtu");
    }
}
