//! The search for the largest packet that passes: which size is asked next, and what the answers
//! come to.

use super::measured::MtuSeen;
use super::survey::{MTU_LADDER, MtuPlan};
use crate::model::IcmpCheck;

/// Echoes of each size in the search.
const TRIES: u16 = 2;
/// How often a question of which nothing was learned is asked in all.
const ASKED: u8 = 3;

/// What became of packets of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeSeen {
    /// They were answered.
    Passes,
    /// Somebody on the way says that they are too big: bytes that pass, 0 when it did not say.
    Told(u16),
    /// Nothing came back.
    Vanishes,
    /// Our own interface takes no more.
    OwnLink,
    /// Nothing was learned of the path: we could not ask or see, or the device has other troubles.
    Nothing,
}

/// What to do next in a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MtuStep {
    /// Send this, and tell what became of it.
    Ask(IcmpCheck),
    /// The search is over.
    Over(MtuSeen),
}

/// A search, one question after the other.
#[derive(Debug, Clone)]
pub struct MtuSearch<'a> {
    plan: &'a MtuPlan,
    /// The sizes below the one that must pass, largest first.
    ladder: Vec<u16>,
    /// `ladder[..low]` is known to vanish, `ladder[high..]` to pass, once `high` is found.
    low: usize,
    high: usize,
    stage: Stage,
    /// How often the present question was asked in vain.
    in_vain: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Full,
    Between,
    FullAgain,
    Over(MtuSeen),
}

impl<'a> MtuSearch<'a> {
    /// A search that has learned nothing yet.
    #[must_use]
    pub fn new(plan: &'a MtuPlan) -> Self {
        let asked = plan.bytes();
        let ladder: Vec<u16> = MTU_LADDER.into_iter().filter(|bytes| *bytes < asked).collect();
        let high = ladder.len();
        Self { plan, ladder, low: 0, high, stage: Stage::Full, in_vain: 0 }
    }

    /// What to do next.
    #[must_use]
    pub fn step(&self) -> MtuStep {
        match &self.stage {
            Stage::Full | Stage::FullAgain => MtuStep::Ask(self.plan.large),
            Stage::Between => {
                let bytes = self.ladder[self.middle()];
                MtuStep::Ask(IcmpCheck { count: TRIES, ..self.plan.of_bytes(bytes) })
            }
            Stage::Over(seen) => MtuStep::Over(seen.clone()),
        }
    }

    /// Takes in what became of the packets that [`step`](Self::step) asked for.
    ///
    /// 1. If the full size passes, or somebody says what does, that is it.
    /// 2. If it vanishes, the sizes below are halved until the largest is found that passes. A
    ///    device that answers none has gone away meanwhile.
    /// 3. Then the full size is asked again: the line may only have been away for a moment when it
    ///    was first.
    /// 4. Where nothing was learned the question is asked again, and after some times the answer is
    ///    not known: a failure of ours is no black hole.
    pub fn take_in(&mut self, seen: SizeSeen) {
        if seen == SizeSeen::Nothing {
            self.in_vain += 1;
            if self.in_vain >= ASKED {
                self.stage = Stage::Over(MtuSeen::Unknown);
            }
            return;
        }
        self.in_vain = 0;
        let middle = self.middle();
        self.stage = match (&self.stage, seen) {
            (_, SizeSeen::Told(bytes)) => Stage::Over(MtuSeen::Told(bytes)),
            (Stage::Over(seen), _) => Stage::Over(seen.clone()),
            (_, SizeSeen::OwnLink | SizeSeen::Nothing) => Stage::Over(MtuSeen::Unknown),
            (Stage::Full | Stage::FullAgain, SizeSeen::Passes) => Stage::Over(MtuSeen::Passes),
            (Stage::Full, SizeSeen::Vanishes) => self.narrow(),
            (Stage::Between, SizeSeen::Passes) => {
                self.high = middle;
                self.narrow()
            }
            (Stage::Between, SizeSeen::Vanishes) => {
                self.low = middle + 1;
                self.narrow()
            }
            (Stage::FullAgain, SizeSeen::Vanishes) => {
                Stage::Over(match self.ladder.get(self.high) {
                    Some(passes) => MtuSeen::Vanishes(*passes),
                    None => MtuSeen::Unknown,
                })
            }
        };
    }

    fn middle(&self) -> usize {
        usize::midpoint(self.low, self.high)
    }

    /// What is asked once the search has come closer.
    fn narrow(&self) -> Stage {
        if self.low < self.high {
            Stage::Between
        } else if self.high < self.ladder.len() {
            Stage::FullAgain
        } else {
            Stage::Over(MtuSeen::Unknown)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::model::{CheckId, EndpointId, SiteId, TargetKey};

    fn plan() -> MtuPlan {
        let target = TargetKey {
            site: SiteId::new("phu-thong"),
            endpoint: Some(EndpointId::new("codec")),
            check: Some(CheckId::new("ping")),
        };
        let spacing = Duration::from_millis(20);
        let large = IcmpCheck { count: 3, spacing, size: 1472, dscp: 34, dont_fragment: true };
        MtuPlan { target, large, headers: 28 }
    }

    /// What a search finds where `fate` says what becomes of packets of so many bytes, and how many
    /// questions it takes.
    fn find(mut fate: impl FnMut(usize, u16) -> SizeSeen) -> (MtuSeen, usize) {
        let plan = plan();
        let mut search = MtuSearch::new(&plan);
        for nth in 0.. {
            match search.step() {
                MtuStep::Ask(check) => search.take_in(fate(nth, check.size + plan.headers)),
                MtuStep::Over(seen) => return (seen, nth),
            }
        }
        unreachable!("it ends")
    }

    fn black_hole(above: u16) -> impl Fn(u16) -> SizeSeen {
        move |bytes| if bytes > above { SizeSeen::Vanishes } else { SizeSeen::Passes }
    }

    #[test]
    fn a_black_hole_is_found_to_the_size_and_a_good_path_with_one_question() {
        assert_eq!(find(|_, _| SizeSeen::Passes), (MtuSeen::Passes, 1));
        for bytes in MTU_LADDER.into_iter().filter(|bytes| *bytes < 1500) {
            let fate = black_hole(bytes);
            assert_eq!(find(|_, bytes| fate(bytes)).0, MtuSeen::Vanishes(bytes));
        }
        assert_eq!(find(|_, _| SizeSeen::Vanishes).0, MtuSeen::Unknown, "it has gone away");
        assert_eq!(find(|_, _| SizeSeen::OwnLink), (MtuSeen::Unknown, 1));
        assert_eq!(find(|_, _| SizeSeen::Told(1400)), (MtuSeen::Told(1400), 1));
    }

    #[test]
    fn a_moment_without_a_line_is_no_black_hole() {
        let fate = |nth, _| if nth == 0 { SizeSeen::Vanishes } else { SizeSeen::Passes };
        assert_eq!(find(fate).0, MtuSeen::Passes);
    }

    #[test]
    fn what_is_never_learned_is_not_known() {
        assert_eq!(find(|_, _| SizeSeen::Nothing), (MtuSeen::Unknown, 3));
    }

    proptest! {
        /// However often we fail to ask or to see, nothing wrong is found: the right size, or none.
        #[test]
        fn a_failure_of_ours_never_makes_an_mtu(
            at in 0_usize..MTU_LADDER.len(),
            ours in prop::collection::vec(prop::bool::weighted(0.4), 64),
        ) {
            let fate = black_hole(MTU_LADDER[at]);
            let seen = find(|nth, bytes| match ours[nth % ours.len()] {
                true => SizeSeen::Nothing,
                false => fate(bytes),
            });
            let right = find(|_, bytes| fate(bytes)).0;
            prop_assert!(seen.0 == right || seen.0 == MtuSeen::Unknown, "{:?} for {right:?}", seen.0);
        }
    }
}
