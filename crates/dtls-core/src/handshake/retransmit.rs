//! When a flight is sent again: RFC 6347 sections 4.2.4 and 4.2.4.1.
//!
//! ```text
//!               a flight is complete
//!   PREPARING ─────────────────────────▶ SENDING ──── nothing to wait for ───▶ FINISHED
//!       ▲                                 ▲   │
//!       │ the peer's next flight          │   │ all of it has left: set the timer
//!       │                                 │   ▼
//!       └────────────────────────────── WAITING
//!                 timer (doubles it), or the peer repeats its flight ──▶ SENDING
//! ```

use core::time::Duration;

use crate::time::Instant;

/// Figure 3 of RFC 6347, with the timer that drives it.
#[derive(Debug)]
pub(crate) struct Retransmit {
    state: State,
    timeout: Duration,
    longest: Duration,
    /// How often in a row the timer has expired for the present flight.
    expiries: u32,
    /// Whether the peer's repetition has been answered since the timer last expired.
    answered_repetition: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preparing,
    Sending { answered_by: Expect },
    Waiting { until: Instant },
    Finished,
}

/// Whether the peer is to answer a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The peer's next flight; until it comes, ours is repeated.
    Answer,
    /// Nothing: the last flight of a handshake is only repeated when the peer repeats its own.
    Nothing,
}

impl Retransmit {
    /// Waits `first` before the first repetition, twice as long before each further one, but at most `longest`.
    pub(crate) const fn new(first: Duration, longest: Duration) -> Self {
        Self { state: State::Preparing, timeout: first, longest, expiries: 0, answered_repetition: false }
    }

    /// Waits `first` before the next repetition instead of what was configured, within sane bounds.
    pub(crate) fn set_timeout(&mut self, first: Duration) {
        const SHORTEST: Duration = Duration::from_millis(10);
        self.timeout = first.max(SHORTEST).min(self.longest);
    }

    /// A new flight is ready. It ends the wait for the one before.
    pub(crate) fn begin(&mut self, answered_by: Expect) {
        self.state = State::Sending { answered_by };
        self.expiries = 0;
        self.answered_repetition = false;
    }

    /// The peer's next flight is here and something has to be decided about it: no more is sent of ours, and no timer
    /// runs.
    pub(crate) const fn pause(&mut self) {
        self.state = State::Preparing;
    }

    /// It has been decided. If no flight of ours has been begun, the wait for the rest of the peer's goes on.
    pub(crate) fn resume(&mut self, now: Instant) {
        if let State::Preparing = self.state {
            self.state = State::Waiting { until: now + self.timeout };
        }
    }

    /// Whether a flight is complete and has not wholly left.
    pub(crate) const fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending { .. })
    }

    /// The last byte of the flight has left.
    pub(crate) fn sent(&mut self, now: Instant) {
        if let State::Sending { answered_by } = self.state {
            self.state = match answered_by {
                Expect::Answer => State::Waiting { until: now + self.timeout },
                Expect::Nothing => State::Finished,
            };
        }
    }

    /// When to call [`Retransmit::expire`].
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            _ => None,
        }
    }

    /// Sends the flight again if its time has come, and doubles the timer. Returns whether it did.
    pub(crate) fn expire(&mut self, now: Instant) -> bool {
        if self.deadline().is_none_or(|until| now < until) {
            return false;
        }
        self.timeout = self.timeout.saturating_mul(2).min(self.longest);
        self.expiries = self.expiries.saturating_add(1);
        self.answered_repetition = false;
        self.state = State::Sending { answered_by: Expect::Answer };
        true
    }

    /// The peer has repeated a flight that we have answered: send the answer again, but only once in a timer period,
    /// since the repetition may be forged or a duplicate made by the network.
    pub(crate) fn peer_repeats(&mut self) -> bool {
        let may = matches!(self.state, State::Waiting { .. }) && !self.answered_repetition;
        if may {
            self.answered_repetition = true;
            self.state = State::Sending { answered_by: Expect::Answer };
        }
        may
    }

    /// How often in a row the timer has expired for the present flight.
    pub(crate) const fn expiries(&self) -> u32 {
        self.expiries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);

    #[test]
    fn silence_is_answered_after_1_2_4_8_16_32_60_60_seconds() {
        let mut retransmit = Retransmit::new(FIRST, LONGEST);
        let mut now = Instant::ORIGIN;
        retransmit.begin(Expect::Answer);
        let mut waits = Vec::new();
        for _ in 0..8 {
            retransmit.sent(now);
            let until = retransmit.deadline().unwrap();
            waits.push((until - now).as_secs());
            now = until;
            assert!(retransmit.expire(now));
            assert_eq!(retransmit.deadline(), None);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn seventy_expiries_and_the_longest_durations_do_not_overflow() {
        let mut retransmit = Retransmit::new(Duration::MAX, Duration::MAX);
        retransmit.begin(Expect::Answer);
        for _ in 0..70 {
            retransmit.sent(Instant::ORIGIN);
            let until = retransmit.deadline().unwrap();
            assert!(retransmit.expire(until));
        }
    }

    #[test]
    fn a_late_tick_sends_once_and_an_early_one_not_at_all() {
        let mut retransmit = Retransmit::new(FIRST, LONGEST);
        retransmit.begin(Expect::Answer);
        retransmit.sent(Instant::ORIGIN);
        assert!(!retransmit.expire(Instant::ORIGIN + Duration::from_millis(999)));
        let late = Instant::ORIGIN + Duration::from_secs(86_400);
        assert!(retransmit.expire(late));
        assert!(!retransmit.expire(late));
    }

    #[test]
    fn a_repeating_peer_is_answered_once_in_a_timer_period() {
        let mut retransmit = Retransmit::new(FIRST, LONGEST);
        retransmit.begin(Expect::Answer);
        retransmit.sent(Instant::ORIGIN);
        assert!(retransmit.peer_repeats());
        retransmit.sent(Instant::ORIGIN);
        assert!(!retransmit.peer_repeats());
        let until = retransmit.deadline().unwrap();
        assert!(retransmit.expire(until));
        retransmit.sent(until);
        assert!(retransmit.peer_repeats());
    }

    #[test]
    fn the_last_flight_waits_for_nothing() {
        let mut retransmit = Retransmit::new(FIRST, LONGEST);
        retransmit.begin(Expect::Nothing);
        retransmit.sent(Instant::ORIGIN);
        assert_eq!(retransmit.deadline(), None);
        assert!(!retransmit.peer_repeats());
    }

    proptest! {
        #[test]
        fn after_expiring_the_next_deadline_lies_strictly_later(steps in prop::collection::vec(0_u64..100_000, 1..50)) {
            let mut retransmit = Retransmit::new(FIRST, LONGEST);
            let mut now = Instant::ORIGIN;
            retransmit.begin(Expect::Answer);
            retransmit.sent(now);
            for step in steps {
                now = now + Duration::from_millis(step);
                let due = retransmit.deadline().is_some_and(|until| until <= now);
                prop_assert_eq!(retransmit.expire(now), due);
                retransmit.sent(now);
                prop_assert!(retransmit.deadline().is_some_and(|until| until > now));
            }
        }
    }
}
