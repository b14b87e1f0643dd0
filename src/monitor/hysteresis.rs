//! When a suspicion about a target becomes a fact.

use crate::config::Hysteresis;
use crate::model::Health;

/// What one outcome says about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A reply.
    Good,
    /// The path or the other end failed.
    Bad,
    /// We could not ask.
    Nothing,
}

/// What the outcomes so far come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Streak {
    /// The confirmed health: up, down or unknown.
    pub(super) hard: Health,
    /// What the last outcome that said anything hints at.
    pub(super) soft: Health,
    good: u16,
    bad: u16,
    nothing: u16,
    /// Failures of the row that was broken off because we could not ask.
    broken_off: u16,
}

/// What to do after an outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Step {
    /// Whether the confirmed health changed.
    pub(super) changed: bool,
    /// Whether a quick second opinion is wanted.
    pub(super) confirm: bool,
    /// Whether rows begin anew, since we could not ask for a while.
    pub(super) anew: bool,
}

impl Streak {
    /// A target as it was before a restart.
    pub(super) const fn restored(hard: Health) -> Self {
        Self { hard, soft: hard, good: 0, bad: 0, nothing: 0, broken_off: 0 }
    }

    /// Takes in an outcome.
    ///
    /// 1. `fail_after` failures in a row make a target down, `recover_after` replies in a row make
    ///    it up, whatever it was before. One odd outcome never makes a hard change unless the
    ///    settings say 1.
    /// 2. An outcome that hints at a change calls for quick confirmation until the change is
    ///    confirmed or refuted.
    /// 3. What we could not ask neither continues nor ends a row of failures. After `fail_after`
    ///    such outcomes in a row the target is unknown, and rows are broken off. The next failure
    ///    takes that of failures up again, or one that is dead would never be found so by somebody
    ///    who often fails to ask.
    pub(super) fn step(&mut self, sign: Sign, rule: &Hysteresis) -> Step {
        let before = self.hard;
        let (mut confirm, mut anew) = (false, false);
        match sign {
            Sign::Good => {
                self.good = self.good.saturating_add(1);
                (self.bad, self.nothing, self.broken_off) = (0, 0, 0);
                self.soft = Health::Up;
                if u32::from(self.good) >= rule.recover_after {
                    self.hard = Health::Up;
                } else {
                    confirm = self.hard != Health::Up;
                }
            }
            Sign::Bad => {
                self.bad = self.bad.saturating_add(1).saturating_add(self.broken_off);
                (self.good, self.nothing, self.broken_off) = (0, 0, 0);
                self.soft = Health::Down;
                if u32::from(self.bad) >= rule.fail_after {
                    self.hard = Health::Down;
                } else {
                    confirm = self.hard != Health::Down;
                }
            }
            Sign::Nothing => {
                self.nothing = self.nothing.saturating_add(1);
                if u32::from(self.nothing) >= rule.fail_after.max(2) {
                    let broken_off = self.broken_off.max(self.bad);
                    *self = Self { nothing: self.nothing, broken_off, ..Self::default() };
                    anew = true;
                }
            }
        }
        Step { changed: self.hard != before, confirm, anew }
    }

    /// Makes rows begin anew: what was seen so far is not to be trusted.
    pub(super) fn start_over(&mut self) {
        (self.good, self.bad, self.nothing, self.broken_off) = (0, 0, 0, 0);
        self.soft = self.hard;
    }

    /// Whether we could not ask the last time.
    pub(super) const fn is_mute(&self) -> bool {
        self.nothing > 0
    }

    /// Failures in a row.
    pub(super) const fn bad_in_a_row(&self) -> u32 {
        self.bad as u32
    }

    /// Whether the last outcome that said anything was a failure.
    pub(super) const fn is_failing(&self) -> bool {
        self.bad > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Hysteresis = Hysteresis { fail_after: 3, recover_after: 2 };

    fn after(streak: &mut Streak, signs: &[Sign]) -> Vec<Step> {
        signs.iter().map(|sign| streak.step(*sign, &RULE)).collect()
    }

    #[test]
    fn three_failures_in_a_row_are_a_fact_and_the_first_two_ask_for_more() {
        let mut streak = Streak::restored(Health::Up);
        let steps = after(&mut streak, &[Sign::Bad; 3]);
        assert_eq!(steps.iter().map(|s| s.confirm).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(steps.iter().map(|s| s.changed).collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(streak.hard, Health::Down);
    }

    #[test]
    fn one_lost_ping_changes_nothing() {
        let mut streak = Streak::restored(Health::Up);
        let steps = after(&mut streak, &[Sign::Good, Sign::Bad, Sign::Good, Sign::Good]);
        assert!(steps.iter().all(|step| !step.changed));
        assert!(steps[1].confirm && !steps[2].confirm);
    }

    #[test]
    fn one_lucky_reply_does_not_raise_the_dead() {
        let mut streak = Streak::restored(Health::Down);
        after(&mut streak, &[Sign::Good, Sign::Bad, Sign::Good]);
        assert_eq!(streak.hard, Health::Down);
        after(&mut streak, &[Sign::Good]);
        assert_eq!(streak.hard, Health::Up);
    }

    #[test]
    fn what_we_could_not_ask_neither_continues_nor_ends_a_row() {
        let mut streak = Streak::restored(Health::Up);
        after(&mut streak, &[Sign::Bad, Sign::Bad, Sign::Nothing, Sign::Bad]);
        assert_eq!(streak.hard, Health::Down);
    }

    #[test]
    fn however_often_we_fail_to_ask_a_target_that_never_answers_is_found_dead() {
        let mut streak = Streak::restored(Health::Up);
        let nothing = [Sign::Nothing; 5];
        for _ in 0..2 {
            after(&mut streak, &[Sign::Bad]);
            after(&mut streak, &nothing);
            assert_eq!(streak.hard, Health::Unknown);
        }
        after(&mut streak, &[Sign::Bad]);
        assert_eq!(streak.hard, Health::Down);
        // One reply ends the row.
        after(&mut streak, &nothing);
        after(&mut streak, &[Sign::Good, Sign::Bad, Sign::Bad]);
        assert_eq!(streak.hard, Health::Unknown);
    }

    #[test]
    fn what_we_cannot_ask_for_long_is_unknown_and_nothing_else() {
        for hard in [Health::Up, Health::Down, Health::Unknown] {
            let mut streak = Streak::restored(hard);
            for step in after(&mut streak, &[Sign::Nothing; 20]) {
                assert!(!step.confirm);
            }
            assert_eq!(streak.hard, Health::Unknown);
        }
    }
}
