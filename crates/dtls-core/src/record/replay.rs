//! The anti-replay window of RFC 6347 section 4.1.2.6.

use crate::wire::record::RecordNumber;

/// Which of the last [`ReplayWindow::WIDTH`] record numbers of an epoch have been accepted.
///
/// A ring of bits indexed by the record number, so moving the window forward clears bits and never shifts them.
/// `check` may be asked about any record; `accept` only about one that has been authenticated, or a forger could move
/// the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplayWindow {
    /// One more than the highest number accepted; 0 as long as none was.
    end: u64,
    seen: [u64; Self::WORDS],
}

impl ReplayWindow {
    /// How many numbers back from the highest accepted one a record may still come.
    pub(super) const WIDTH: u64 = 256;
    const WORDS: usize = 4;

    pub(super) const fn new() -> Self {
        Self { end: 0, seen: [0; Self::WORDS] }
    }

    /// The window in words: one more than the highest number accepted, which is at most 2^48, and the bits of those seen.
    pub(crate) const fn to_words(self) -> [u64; 1 + Self::WORDS] {
        let [a, b, c, d] = self.seen;
        [self.end, a, b, c, d]
    }

    /// The window that [`to_words`](Self::to_words) gave.
    pub(crate) const fn from_words([end, a, b, c, d]: [u64; 1 + Self::WORDS]) -> Self {
        Self { end, seen: [a, b, c, d] }
    }

    /// Whether nothing has been accepted yet.
    pub(super) const fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Whether a record with this number may be new.
    #[inline]
    pub(super) fn check(&self, number: RecordNumber) -> Freshness {
        let number = number.get();
        if number >= self.end {
            Freshness::New
        } else if self.end - number > Self::WIDTH {
            Freshness::TooOld
        } else if self.is_marked(number) {
            Freshness::Seen
        } else {
            Freshness::New
        }
    }

    /// Notes that an authenticated record with this number has arrived, and returns whether no higher number has come
    /// before. Call it only where `check` said [`Freshness::New`].
    #[inline]
    pub(super) fn accept(&mut self, number: RecordNumber) -> bool {
        let number = number.get();
        let is_newest = number >= self.end;
        if is_newest {
            if number - self.end >= Self::WIDTH {
                self.seen = [0; Self::WORDS];
            } else {
                // The bits of the numbers skipped still tell of numbers WIDTH earlier.
                for skipped in self.end..number {
                    self.mark(skipped, false);
                }
            }
            self.end = number + 1;
        }
        self.mark(number, true);
        is_newest
    }

    const fn place(number: u64) -> (usize, u64) {
        // Truncation is the point: the ring has WIDTH places.
        #[expect(clippy::as_conversions, reason = "below WORDS by construction")]
        let word = (number / 64 % Self::WORDS as u64) as usize;
        (word, 1 << (number % 64))
    }

    fn is_marked(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    fn mark(&mut self, number: u64, seen: bool) {
        let (word, bit) = Self::place(number);
        if let Some(word) = self.seen.get_mut(word) {
            if seen { *word |= bit } else { *word &= !bit }
        }
    }
}

/// What a window says of a record number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// Not accepted before.
    New,
    /// Accepted before.
    Seen,
    /// So far back that the window no longer knows.
    TooOld,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    extern crate std;
    use std::collections::BTreeSet;

    fn number(value: u64) -> RecordNumber {
        RecordNumber::new(value).expect("48 bits")
    }

    /// The window as its definition says it: a set of numbers and its maximum.
    #[derive(Default)]
    struct Model(BTreeSet<u64>);

    impl Model {
        fn check(&self, number: u64) -> Freshness {
            match self.0.last() {
                Some(&newest) if number + ReplayWindow::WIDTH <= newest => Freshness::TooOld,
                _ if self.0.contains(&number) => Freshness::Seen,
                _ => Freshness::New,
            }
        }
    }

    proptest! {
        #[test]
        fn the_window_agrees_with_a_set(
            steps in prop::collection::vec((prop_oneof![0..4_u64, 60..70_u64, 250..260_u64, 0..1000_u64], any::<bool>()), 1..400)
        ) {
            let (mut window, mut model) = (ReplayWindow::new(), Model::default());
            let mut at = 500_u64;
            for (delta, forward) in steps {
                at = if forward { at + delta } else { at.saturating_sub(delta) };
                let freshness = window.check(number(at));
                prop_assert_eq!(freshness, model.check(at));
                if freshness == Freshness::New {
                    window.accept(number(at));
                    model.0.insert(at);
                }
            }
        }
    }

    #[test]
    fn a_huge_jump_leaves_only_the_new_number_seen() {
        let mut window = ReplayWindow::new();
        for delta in [1, 63, 64, 65, 127, 128, 255, 256, 257, 1 << 31, 1 << 32, 1 << 47] {
            let before = window.end;
            let jumped = number(before + delta);
            assert_eq!(window.check(jumped), Freshness::New);
            window.accept(jumped);
            assert_eq!(window.check(jumped), Freshness::Seen, "{delta}");
            assert_eq!(window.check(number(jumped.get() - 1)), Freshness::New, "{delta}");
        }
    }

    #[test]
    fn the_last_record_number_there_is_can_be_accepted_once() {
        let mut window = ReplayWindow::new();
        window.accept(RecordNumber::MAX);
        assert_eq!(window.check(RecordNumber::MAX), Freshness::Seen);
        assert_eq!(window.check(number(0)), Freshness::TooOld);
    }
}
