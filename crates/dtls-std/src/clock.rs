//! The only place that asks the system what time it is.

use std::time::{Instant as SystemInstant, SystemTime, UNIX_EPOCH};

use dtls_core::Instant;
use dtls_core::crypto::WallClock;
use rustls_pki_types::UnixTime;

/// The monotonic clock of one socket. Its origin is when it was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: SystemInstant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub(crate) fn new() -> Self {
        Self { origin: SystemInstant::now() }
    }

    /// The system's name for a moment.
    pub(crate) fn at(self, moment: Instant) -> SystemInstant {
        self.origin + moment.since_origin()
    }

    pub(crate) fn now(&self) -> Instant {
        Instant::from_origin(self.origin.elapsed())
    }
}

/// The system's date and time, for verifiers that check certificate dates:
/// [`WebPki`](dtls_core::crypto::WebPki) asks for one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl WallClock for SystemClock {
    /// `None` if the system's clock stands before 1970.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn unix_time(&self) -> Option<UnixTime> {
        SystemTime::now().duration_since(UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}
