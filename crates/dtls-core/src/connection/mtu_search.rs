//! How long datagrams may be on a path that does not say so: RFC 8899.
//!
//! ```text
//!   searching ── nothing longer left to try ──▶ complete ── answered, again and again
//!      ▲   ▲                                     │    │
//!      │   └──────── after a while ──────────────┘    │ not answered any more: a black hole
//!      └──────────── from the base ◀──────────────────┘
//! ```

use core::time::Duration;

use crate::time::Instant;

/// Finds the longest datagram that passes, and notices when it does not any more, by probes that the peer answers.
///
/// It sends nothing itself. Ask [`poll`](Self::poll) for the next step, at [`poll_timeout`](Self::poll_timeout) and after
/// each call that tells something: send probes with [`Connection::probe_mtu`](super::Connection::probe_mtu), or whatever your
/// application answers, and tell when they have arrived.
///
/// It needs answers: what is lost for another reason than its length looks the same, so a path that loses much is taken for
/// a narrow one until the next search. It takes for granted that datagrams of the base pass, and finds out nothing about a path where they
/// do not. What it learns holds for one path and one direction: after a change of the peer's address begin another. A router that
/// sends datagrams of one flow on several ways of different width may answer for one and not for the others.
#[derive(Clone, Debug)]
pub struct MtuSearch {
    base: u16,
    most: u16,
    /// The longest that has passed; the base at first.
    passes: u16,
    /// The shortest that has not, as far as is known; one more than `most` at first.
    fails: u32,
    probe: Option<Probe>,
    /// How long an answer is waited for.
    patience: Duration,
    /// Nothing to do before.
    next: Instant,
    /// When what passes did so last.
    confirmed: Instant,
    /// When what has failed is tried again.
    raise: Instant,
    /// Whether the owner has not been told that the MTU is smaller.
    has_fallen: bool,
}

/// A length that is being tried.
#[derive(Clone, Copy, Debug)]
struct Probe {
    len: u16,
    sent: u8,
}

/// What to do next to find out how long datagrams may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MtuStep {
    /// Send a datagram of so many bytes that is answered.
    Probe(usize),
    /// Send nothing longer than this any more: [`Connection::set_mtu`](super::Connection::set_mtu).
    SetMtu(usize),
}

impl MtuSearch {
    /// RFC 8899 section 5.1.2: MAX_PROBES.
    const PROBES: u8 = 3;
    /// RFC 8899 section 5.1.1: PROBE_TIMER, where the round trip is not known, and the least it may be.
    const PATIENCE: Duration = Duration::from_secs(15);
    const PATIENCE_MIN: Duration = Duration::from_secs(1);
    /// RFC 8899 section 5.1.1: PMTU_RAISE_TIMER.
    const RAISE: Duration = Duration::from_secs(600);
    /// RFC 8899 section 5.1.1: CONFIRMATION_TIMER, which has no value there.
    const CONFIRM: Duration = Duration::from_secs(60);
    /// Closer than this is not worth a probe.
    const CLOSE: u32 = 16;

    /// Begins with `base`, which is taken to pass, and tries nothing longer than `most`, in bytes of UDP payload. 1200 and
    /// 1452 are what IPv6 promises, rounded, and what Ethernet takes.
    #[must_use]
    pub fn new(base: usize, most: usize, now: Instant) -> Self {
        let [base, most] = [base, most].map(|len| u16::try_from(len).unwrap_or(u16::MAX));
        let most = most.max(base);
        Self {
            base,
            most,
            passes: base,
            fails: u32::from(most) + 1,
            probe: None,
            patience: Self::PATIENCE,
            next: now,
            confirmed: now,
            raise: now + Self::RAISE,
            has_fallen: false,
        }
    }

    /// Waits as long as that for an answer, a second at least. Default: 15 s. A few round trips are enough.
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience: patience.max(Self::PATIENCE_MIN), ..self }
    }

    /// The longest datagram that is known to pass, or the base.
    #[must_use]
    pub fn mtu(&self) -> usize {
        usize::from(self.passes)
    }

    /// Whether nothing longer is left to be tried for now.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        u32::from(self.passes) + Self::CLOSE > self.fails || self.passes == self.most
    }

    /// When to ask [`poll`](Self::poll) again, if nothing is told before.
    #[must_use]
    pub const fn poll_timeout(&self) -> Instant {
        self.next
    }

    /// What to do now; `None` when there is nothing until [`poll_timeout`](Self::poll_timeout).
    pub fn poll(&mut self, now: Instant) -> Option<MtuStep> {
        if core::mem::take(&mut self.has_fallen) {
            return Some(MtuStep::SetMtu(self.mtu()));
        }
        if now < self.next {
            return None;
        }
        if let Some(probe) = self.probe.take_if(|probe| probe.sent == Self::PROBES) {
            self.on_failed(now, probe.len);
            return self.poll(now);
        }
        let mut probe = self.probe.unwrap_or_else(|| Probe { len: self.next_len(now), sent: 0 });
        probe.sent += 1;
        self.probe = Some(probe);
        self.next = now + self.patience;
        Some(MtuStep::Probe(usize::from(probe.len)))
    }

    /// A datagram of `len` bytes has arrived.
    pub fn on_arrived(&mut self, now: Instant, len: usize) {
        let Ok(len) = u16::try_from(len) else { return };
        if len >= self.passes {
            self.passes = len.min(self.most);
            self.confirmed = now;
        }
        if self.fails <= u32::from(len) {
            // It did pass. What is longer may, too.
            self.fails = u32::from(self.most) + 1;
        }
        if self.probe.take_if(|probe| probe.len <= len).is_some() {
            self.rest(now);
        }
    }

    /// The system does not send datagrams of `len` bytes (EMSGSIZE), or a router has said so and can be believed.
    pub fn on_too_long(&mut self, now: Instant, len: usize) {
        let Ok(len) = u16::try_from(len) else { return };
        if usize::from(self.base) >= usize::from(len) {
            return;
        }
        if self.passes < len {
            self.fails = self.fails.min(u32::from(len));
            self.probe.take_if(|probe| probe.len >= len);
        } else {
            self.fall_below(len);
        }
        self.next = self.next.min(now);
    }

    /// Full datagrams seem to be lost: makes sure of the present MTU now.
    pub fn on_loss(&mut self, now: Instant) {
        if self.probe.is_none() && self.passes > self.base {
            self.probe = Some(Probe { len: self.passes, sent: 0 });
            self.next = now;
        }
    }

    fn on_failed(&mut self, now: Instant, len: u16) {
        if len > self.passes {
            self.fails = u32::from(len);
        } else if len > self.base {
            self.fall_below(len);
        } else {
            // The peer does not answer at all, or the path is narrower than the base: nothing to be learnt now.
            self.next = now + Self::CONFIRM;
            return;
        }
        self.rest(now);
    }

    /// RFC 8899 section 4.3: what has passed does not any more.
    fn fall_below(&mut self, len: u16) {
        self.passes = self.base;
        self.fails = u32::from(len);
        self.probe = None;
        self.has_fallen = true;
    }

    /// The search goes on at once; where it is complete, there is time.
    fn rest(&mut self, now: Instant) {
        self.next = if self.is_complete() { now + Self::CONFIRM } else { now };
    }

    /// What to try: the longest that there is, then the middle of what is left, at last what passes already.
    fn next_len(&mut self, now: Instant) -> u16 {
        if now >= self.raise {
            self.raise = now + Self::RAISE;
            self.fails = u32::from(self.most) + 1;
        }
        // A search may take minutes, and what passes may not pass any more.
        let is_doubtful = self.passes > self.base && now >= self.confirmed + Self::CONFIRM;
        if is_doubtful || self.is_complete() {
            return self.passes;
        }
        if self.fails > u32::from(self.most) {
            return self.most;
        }
        let middle = u32::from(self.passes).midpoint(self.fails);
        u16::try_from(middle).unwrap_or(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const START: Instant = Instant::ORIGIN;

    /// A path that lets through what is not longer than `limit`, unless `is_lost` says otherwise. Runs for `time`, and
    /// returns the MTU that the owner has set.
    fn run(
        search: &mut MtuSearch,
        now: &mut Instant,
        time: Duration,
        limit: usize,
        mut is_lost: impl FnMut() -> bool,
        mtu: &mut usize,
    ) -> usize {
        let end = *now + time;
        let mut probes = 0;
        while search.poll_timeout() <= end {
            *now = (*now).max(search.poll_timeout());
            match search.poll(*now) {
                Some(MtuStep::SetMtu(len)) => *mtu = len,
                Some(MtuStep::Probe(len)) => {
                    probes += 1;
                    assert!(probes < 10_000, "without end");
                    if len <= limit && !is_lost() {
                        search.on_arrived(*now, len);
                        *mtu = (*mtu).max(len);
                    }
                }
                None => assert!(search.poll_timeout() > *now, "it would be asked for ever"),
            }
        }
        *now = end;
        probes
    }

    proptest! {
        #[test]
        fn on_a_path_that_loses_nothing_else_it_finds_the_limit_and_follows_it_down_and_up(
            base in 256_usize..2000, more in 0_usize..9000, limits in proptest::collection::vec(0.0..=1.0, 1..4),
        ) {
            let most = base + more;
            let mut search = MtuSearch::new(base, most, START);
            let (mut now, mut mtu) = (START, base);
            for share in limits {
                #[expect(clippy::as_conversions, clippy::cast_possible_truncation, clippy::cast_sign_loss,
                    clippy::cast_precision_loss, reason = "a share of a small number")]
                let limit = base + (more as f64 * share) as usize;
                let probes = run(&mut search, &mut now, Duration::from_secs(1800), limit, || false, &mut mtu);
                prop_assert!(mtu <= limit && limit < mtu + 16, "{mtu} of {limit}");
                prop_assert_eq!(mtu, search.mtu());
                prop_assert!(probes < 180, "{} probes in half an hour", probes);
            }
        }

        #[test]
        fn whatever_is_lost_it_neither_goes_below_the_base_nor_sends_without_end(
            base in 256_usize..2000, more in 0_usize..9000, dice in proptest::collection::vec(any::<bool>(), 1..50),
        ) {
            let mut search = MtuSearch::new(base, base + more, START).with_patience(Duration::ZERO);
            let (mut now, mut mtu, mut at) = (START, base, 0);
            let is_lost = || {
                at += 1;
                dice[at % dice.len()]
            };
            let probes = run(&mut search, &mut now, Duration::from_secs(3600), base + more, is_lost, &mut mtu);
            prop_assert!((base..=base + more).contains(&mtu));
            prop_assert!(search.mtu() <= mtu);
            prop_assert!(probes <= 3600, "one in a second at most without answers: {}", probes);
        }
    }

    #[test]
    fn the_longest_is_tried_first_three_times_and_then_the_middle() {
        let mut search = MtuSearch::new(1200, 1452, START);
        for probe in 0..3 {
            let now = START + MtuSearch::PATIENCE * probe;
            assert_eq!(search.poll(now), Some(MtuStep::Probe(1452)));
            assert_eq!(search.poll(now), None);
            assert_eq!(search.poll_timeout(), now + MtuSearch::PATIENCE);
        }
        let now = search.poll_timeout();
        assert_eq!(search.poll(now), Some(MtuStep::Probe(1326)));
        search.on_arrived(now, 1326);
        assert_eq!((search.mtu(), search.poll(now)), (1326, Some(MtuStep::Probe(1389))));
    }

    #[test]
    fn what_passes_is_made_sure_of_and_given_up_when_it_is_not_answered() {
        let mut search = MtuSearch::new(1200, 1452, START);
        assert_eq!(search.poll(START), Some(MtuStep::Probe(1452)));
        search.on_arrived(START, 1452);
        assert!(search.is_complete());
        assert_eq!((search.poll(START), search.poll_timeout()), (None, START + MtuSearch::CONFIRM));
        let mut now = search.poll_timeout();
        for _ in 0..3 {
            assert_eq!(search.poll(now), Some(MtuStep::Probe(1452)));
            now = search.poll_timeout();
        }
        assert_eq!(search.poll(now), Some(MtuStep::SetMtu(1200)));
        assert_eq!(
            (search.mtu(), search.poll(now)),
            (1200, Some(MtuStep::Probe(1326))),
            "what failed is not tried first"
        );
    }

    #[test]
    fn while_it_searches_upwards_it_makes_sure_of_what_passes() {
        let mut search = MtuSearch::new(1200, 9000, START);
        let (mut now, mut mtu) = (START, 1200);
        run(&mut search, &mut now, MtuSearch::RAISE - Duration::from_secs(5), 1400, || false, &mut mtu);
        assert!(search.is_complete() && mtu >= 1385, "{mtu}");
        // It has begun to try again what failed. The answers of that search alone would not show that 1385 bytes fail, too.
        run(&mut search, &mut now, Duration::from_secs(65), 1400, || false, &mut mtu);
        assert!(!search.is_complete());
        run(&mut search, &mut now, Duration::from_secs(60 + 45 + 45), 1300, || false, &mut mtu);
        assert!((1200..=1300).contains(&mtu), "{mtu}");
    }

    #[test]
    fn a_hint_of_loss_makes_sure_at_once() {
        let mut search = MtuSearch::new(1200, 1452, START);
        search.poll(START);
        search.on_arrived(START, 1452);
        search.on_loss(START);
        assert_eq!(search.poll(START), Some(MtuStep::Probe(1452)));
        search.on_loss(START);
        assert_eq!(search.poll(START), None, "it is being made sure of");
        search.on_arrived(START, 1452);
        assert_eq!(search.poll(START), None);
    }

    #[test]
    fn what_the_system_does_not_send_is_not_tried_and_not_kept() {
        let mut search = MtuSearch::new(1200, 9000, START);
        assert_eq!(search.poll(START), Some(MtuStep::Probe(9000)));
        search.on_too_long(START, 9000);
        assert_eq!(search.poll(START), Some(MtuStep::Probe(5100)));
        search.on_arrived(START, 5100);
        search.on_too_long(START, 1500);
        assert_eq!(search.poll(START), Some(MtuStep::SetMtu(1200)));
        assert_eq!(search.poll(START), Some(MtuStep::Probe(1350)));
        search.on_too_long(START, 1200);
        assert_eq!((search.mtu(), search.poll(START)), (1200, None), "the base is taken to pass");
    }

    #[test]
    fn a_late_answer_shows_that_it_was_too_soon_to_give_up() {
        let mut search = MtuSearch::new(1200, 1452, START);
        let mut now = START;
        for _ in 0..3 {
            assert_eq!(search.poll(now), Some(MtuStep::Probe(1452)));
            now = search.poll_timeout();
        }
        assert_eq!(search.poll(now), Some(MtuStep::Probe(1326)));
        search.on_arrived(now, 1452);
        assert_eq!((search.mtu(), search.is_complete(), search.poll(now)), (1452, true, None));
        // What failed above that is tried again, too.
        let mut search = MtuSearch::new(1200, 1452, START);
        let mut now = START;
        for len in [1452, 1326] {
            for _ in 0..3 {
                assert_eq!(search.poll(now), Some(MtuStep::Probe(len)));
                now = search.poll_timeout();
            }
        }
        assert_eq!(search.poll(now), Some(MtuStep::Probe(1263)));
        search.on_arrived(now, 1326);
        assert_eq!((search.mtu(), search.poll(now)), (1326, Some(MtuStep::Probe(1452))));
    }
}
