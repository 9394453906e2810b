//! A point in time, counted from an origin that only the caller knows.
//!
//! The engine never asks what time it is: every call that depends on time takes it as an argument, so a test can
//! run a day in a millisecond and two runs with the same inputs give the same outputs.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use rustls_pki_types::UnixTime;

/// A moment on the caller's monotonic clock: the time since an origin the caller chose once.
///
/// Only differences matter to the engine. Feed it moments that do not go backwards; one that does is treated as no
/// time having passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// The origin itself.
    pub const ORIGIN: Self = Self(Duration::ZERO);

    /// The moment `since_origin` after the origin.
    #[must_use]
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// The time that has passed since the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// The time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// Saturates at the end of representable time (584 thousand million years) instead of panicking.
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, later: Duration) -> Self {
        Self(self.0.saturating_add(later))
    }
}

/// The same as [`Instant::saturating_since`].
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_since(earlier)
    }
}

/// Says what time it is in the world.
///
/// Separate from the monotonic [`Instant`] that drives the engine: only certificates and saved sessions have dates.
pub trait WallClock: Send + Sync + fmt::Debug {
    /// The time now; `None` if it is not known, which makes no certificate valid.
    fn unix_time(&self) -> Option<UnixTime>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let late = Instant::from_origin(Duration::MAX);
        assert_eq!(late + Duration::from_secs(1), late);
        assert_eq!(Instant::ORIGIN - late, Duration::ZERO);
        assert_eq!((Instant::ORIGIN + Duration::from_secs(2)) - Instant::ORIGIN, Duration::from_secs(2));
    }
}
