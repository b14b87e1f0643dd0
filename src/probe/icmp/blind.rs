//! When we could not see: the times in which silence proves nothing.
//!
//! A full receive buffer or a thread that woke far too late loses replies on our side of the
//! wire. What stayed unanswered through such a time is unknown, not lost. The same holds of what
//! was under way when the machine was suspended: its reply came to an interface that slept, and no
//! clock by which limits are counted has noticed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Mono;

/// The recent times of blindness, oldest first, not overlapping.
#[derive(Debug, Clone, Default)]
pub(super) struct Blindness {
    spells: VecDeque<(Mono, Mono)>,
}

impl Blindness {
    /// Most spells kept. When there would be more, the two oldest become one: rather too much
    /// is unknown than a loss invented.
    const LIMIT: usize = 64;

    /// Records that nothing could be seen from `from` to `until`. Spells are recorded in the
    /// order in which they end.
    pub(super) fn record(&mut self, from: Mono, until: Mono) {
        let mut from = from;
        while let Some(&(start, end)) = self.spells.back() {
            if end < from {
                break;
            }
            from = from.min(start);
            self.spells.pop_back();
        }
        self.spells.push_back((from, until));
        if self.spells.len() > Self::LIMIT
            && let Some((start, _)) = self.spells.pop_front()
            && let Some(oldest) = self.spells.front_mut()
        {
            oldest.0 = start;
        }
    }

    /// Whether some of the time from `from` to `until` was blind.
    pub(super) fn covers(&self, from: Mono, until: Mono) -> bool {
        self.spells.iter().rev().any(|&(start, end)| start <= until && from <= end)
    }

    /// Forgets what ended before `before`.
    pub(super) fn forget(&mut self, before: Mono) {
        while self.spells.front().is_some_and(|&(_, end)| end < before) {
            self.spells.pop_front();
        }
    }
}

/// Whether the machine was suspended from one look to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspense {
    suspended: Duration,
    looked: Mono,
}

impl Suspense {
    /// Shorter than this is what reading clocks takes.
    const NOTED: Duration = Duration::from_millis(100);

    /// Looks for the first time. The machine has been `suspended` for so long in all.
    pub(super) const fn new(suspended: Duration, now: Mono) -> Self {
        Self { suspended, looked: now }
    }

    /// Looks again; where it was suspended since the last look, that look's time.
    pub(super) fn look(&mut self, suspended: Duration, now: Mono) -> Option<Mono> {
        let before = std::mem::replace(self, Self { suspended, looked: now });
        let slept = suspended.saturating_sub(before.suspended) >= Self::NOTED;
        slept.then_some(before.looked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(nanos: u64) -> Mono {
        Mono::from_nanos(nanos)
    }

    #[test]
    fn a_suspension_is_noticed_once_and_since_the_look_before() {
        let ms = Duration::from_millis;
        let mut suspense = Suspense::new(ms(5_000), at(100));
        assert_eq!(suspense.look(ms(5_000), at(200)), None);
        assert_eq!(suspense.look(ms(5_001), at(300)), None, "no two clocks are read at once");
        assert_eq!(suspense.look(ms(605_000), at(400)), Some(at(300)));
        assert_eq!(suspense.look(ms(605_000), at(500)), None);
    }

    #[test]
    fn only_what_touches_a_blind_spell_is_unknown() {
        let mut blind = Blindness::default();
        blind.record(at(100), at(200));
        assert!(!blind.covers(at(0), at(99)));
        assert!(blind.covers(at(0), at(100)));
        assert!(blind.covers(at(150), at(160)));
        assert!(blind.covers(at(200), at(900)));
        assert!(!blind.covers(at(201), at(900)));
        blind.forget(at(201));
        assert!(!blind.covers(at(0), at(900)));
    }

    proptest! {
        #[test]
        fn nothing_blind_is_ever_taken_for_seen(
            spells in prop::collection::vec((0_u64..1000, 0_u64..50), 1..200),
            from in 0_u64..20_000,
            length in 0_u64..100,
        ) {
            let mut blind = Blindness::default();
            let mut end = 0;
            let mut all = Vec::new();
            for (gap, length) in spells {
                let start = end + gap / 10;
                end = start + length;
                all.push((start, end));
                blind.record(at(start), at(end));
            }
            let until = from + length;
            if all.iter().any(|&(start, end)| start <= until && from <= end) {
                prop_assert!(blind.covers(at(from), at(until)));
            }
            prop_assert!(blind.spells.len() <= Blindness::LIMIT);
        }
    }
}
