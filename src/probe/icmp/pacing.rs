//! When the requests of a train leave.
//!
//! A train measures what its load does to a path. If requests that were held up left all at once,
//! their losses and their jitter would be ours and look like the line's.

use std::time::Duration;

use crate::model::Mono;

/// How the requests of one train follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pacing {
    spacing: Duration,
    /// Whether it may have others right behind it.
    planned: bool,
}

/// The turn of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Whether it leaves.
    pub(super) leaves: bool,
    /// When the next one is due.
    pub(super) next: Mono,
}

impl Pacing {
    /// A first request that is late by more than this shifts the train behind it.
    const PUNCTUAL: Duration = Duration::from_millis(1);

    /// The pacing of a train.
    pub(super) const fn new(spacing: Duration, planned: bool) -> Self {
        Self { spacing, planned }
    }

    /// How long after its turn a request may wait for its socket, so that it does not come close to
    /// the next; none where they are to leave at once.
    pub(super) fn patience(&self) -> Option<Duration> {
        let patience = self.spacing / 2;
        (patience >= Self::PUNCTUAL).then_some(patience)
    }

    /// The request due at `due` has its turn at `now`.
    ///
    /// 1. It leaves, and the next one keeps its own time. So two of them are half a spacing apart
    ///    at the least, and what waking takes does not add up.
    /// 2. Later than half a spacing it would come too close to the next. If the train was planned
    ///    it does not leave: the rest keeps its time, and so does the train behind it.
    /// 3. Otherwise it leaves and the rest is as late as it is. That holds for the first of a train
    ///    however little it is late.
    /// 4. Whatever has had its turn and finds no room at its socket for half a spacing stays.
    pub(super) fn turn(&self, first: bool, due: Mono, now: Mono) -> Turn {
        let shifts = first && !self.planned;
        let tolerance =
            if shifts { Self::PUNCTUAL } else { (self.spacing / 2).max(Self::PUNCTUAL) };
        let is_late = now - due > tolerance;
        let base = if is_late && !self.planned { now } else { due };
        Turn { leaves: !(is_late && self.planned), next: base + self.spacing }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Mono {
        Mono::ZERO + Duration::from_millis(ms)
    }

    #[test]
    fn of_a_planned_train_what_is_late_stays_and_the_rest_keeps_its_time() {
        let pacing = Pacing::new(20 * MS, true);
        assert_eq!(pacing.turn(true, at(100), at(109)), Turn { leaves: true, next: at(120) });
        assert_eq!(pacing.turn(true, at(100), at(111)), Turn { leaves: false, next: at(120) });
        assert_eq!(pacing.turn(false, at(120), at(620)), Turn { leaves: false, next: at(140) });
    }

    #[test]
    fn a_train_that_is_wanted_now_is_sent_whole_and_shifts() {
        let pacing = Pacing::new(20 * MS, false);
        assert_eq!(pacing.turn(true, at(100), at(103)), Turn { leaves: true, next: at(123) });
        assert_eq!(pacing.turn(false, at(123), at(130)), Turn { leaves: true, next: at(143) });
        assert_eq!(pacing.turn(false, at(143), at(643)), Turn { leaves: true, next: at(663) });
    }

    proptest! {
        /// However the machine is held up, two requests of a train are never close together.
        #[test]
        fn a_pause_makes_no_burst(
            planned in any::<bool>(),
            spacing in 2_u64..200,
            pauses in prop::collection::vec(prop_oneof![3 => Just(0_u64), 1 => 0_u64..700], 50),
        ) {
            let pacing = Pacing::new(Duration::from_millis(spacing), planned);
            let (mut due, mut now, mut last) = (at(1_000), at(1_000), None);
            let mut left = 0;
            for (nth, pause) in pauses.iter().enumerate() {
                now = now.max(due) + Duration::from_millis(*pause);
                let turn = pacing.turn(nth == 0, due, now);
                if turn.leaves {
                    left += 1;
                    if let Some(last) = last.replace(now) {
                        prop_assert!((now - last) * 2 >= Duration::from_millis(spacing));
                    }
                }
                due = turn.next;
            }
            prop_assert!(planned || left == pauses.len());
            prop_assert!(!planned || due == at(1_000 + spacing * 50), "it ends when it was to");
        }
    }
}
