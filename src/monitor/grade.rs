//! When a path counts as bad: the figures of the quality room, held against the settings, with
//! patience.

use std::time::Duration;

use crate::config::QualitySettings;
use crate::model::{IcmpDetail, Mono, Quality, QualityGrade, Saw};
use crate::quality::{CodecLoss, Echoes, Figures, Limits, LossJudge, LossTest};

/// A worse delay must last this long to count. The median it rests on takes half the window to
/// move, so a path that turns slow is told within twenty seconds.
const WORSE_AFTER: Duration = Duration::from_secs(5);

/// Suspicion from which a path may soon be judged poor.
pub(super) const DOUBTFUL: f32 = 0.3;

/// Chance that a device which lives answers nothing for as many turns as make it dead.
const CHANCE: f64 = 0.001;
/// Most turns that are waited for because of that.
const MOST_TURNS: u32 = 20;
/// Fewest echoes that say how much is lost.
const FEWEST_ECHOES: u32 = 30;
/// Share of lost echoes from which a service that does not answer says nothing of itself: what it
/// exchanges takes several packets, each of which may be lost.
const DROWNED: f64 = 0.3;

/// How paths are judged, worked out once from the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct GradeRules {
    limits: Limits,
    loss: LossTest,
    fair_jitter: Duration,
    poor_jitter: Duration,
    window: Duration,
    min_samples: u32,
    better_after: Duration,
    codec: CodecLoss,
}

/// The echoes of one target and what is thought of the path they took.
#[derive(Debug, Clone, Default)]
pub(super) struct PathRecord {
    window: Echoes,
    loss: LossJudge,
    grade: QualityGrade,
    /// The grade that the figures ask for instead.
    wanted: Option<QualityGrade>,
    /// When the present grade was taken.
    since: Mono,
    /// Since when the figures have asked for another. Not kept with it: there is one of every path,
    /// and nothing would fit between the two.
    wanted_since: Mono,
    /// Percent of the echoes that were lost when the device of a lossy path last went or came back.
    lost_before: u8,
}

impl GradeRules {
    pub(super) fn new(quality: &QualitySettings) -> Self {
        Self {
            limits: Limits { fair: quality.fair_rtt, poor: quality.poor_rtt },
            loss: LossTest::between(quality.fair_loss, quality.poor_loss),
            fair_jitter: quality.fair_jitter,
            poor_jitter: quality.poor_jitter,
            window: quality.window,
            min_samples: quality.min_samples,
            better_after: quality.better_after,
            codec: CodecLoss { ie: quality.ie, bpl: quality.bpl },
        }
    }

    /// What figures mean for a conversation.
    pub(super) fn quality(&self, figures: &Figures) -> Quality {
        figures.quality(self.codec, QualityGrade::default())
    }

    /// How far back echoes count: the window, or longer where the pace is so slow that it would
    /// hold too few.
    fn span(&self, pace: Duration) -> Duration {
        self.window.max(pace.saturating_mul(self.min_samples))
    }

    /// Single echoes that the window holds at this pace, and one for a turn that comes early. Where
    /// some turns are trains it grows once more.
    fn expected(&self, pace: Duration) -> usize {
        let turns = self.span(pace).as_nanos() / pace.as_nanos().max(1) + 1;
        usize::try_from(turns).unwrap_or(usize::MAX).saturating_add(1)
    }
}

/// How many failures in a row make a fact: `fail_after`, or more where an echo is lost with such a
/// `chance` that as many would be no wonder.
pub(super) fn sure_after(chance: f64, fail_after: u32) -> u32 {
    let most = MOST_TURNS.max(fail_after);
    let is_rare = |turns: &u32| chance.powf(f64::from(*turns)) <= CHANCE;
    (fail_after..most).find(is_rare).unwrap_or(most)
}

impl PathRecord {
    /// A path that was judged poor before a restart, because it lost packets or for another reason.
    pub(super) fn poor_already(lossy: bool) -> Self {
        let loss = if lossy { LossJudge::poor_already() } else { LossJudge::default() };
        Self { grade: QualityGrade::Poor, loss, ..Self::default() }
    }

    /// Takes in the echoes of one probe asked at `at`; whether the grade changed.
    pub(super) fn answered(
        &mut self,
        at: Mono,
        detail: &IcmpDetail,
        rules: &GradeRules,
        pace: Duration,
    ) -> bool {
        let lost = detail.sent.saturating_sub(detail.received);
        self.window.expect(|| rules.expected(pace));
        self.window.expire(at, rules.span(pace), &rules.limits);
        for rtt in detail.rtts.as_slice() {
            self.window.record(at, Some(*rtt), &rules.limits);
        }
        for _ in 0..lost {
            self.window.record(at, None, &rules.limits);
        }
        self.loss.record(&rules.loss, detail.received, lost);
        self.regrade(at, rules)
    }

    /// Takes in an echo that was answered only after so long, too late to count: it says how long
    /// the path takes.
    pub(super) fn late(
        &mut self,
        at: Mono,
        after: Duration,
        rules: &GradeRules,
        pace: Duration,
    ) -> bool {
        self.window.expect(|| rules.expected(pace));
        self.window.expire(at, rules.span(pace), &rules.limits);
        self.window.record(at, Some(after), &rules.limits);
        self.regrade(at, rules)
    }

    /// Takes in the lost echoes of a probe that was not answered at all. In the figures they count
    /// as what they are. To the test for loss they are one, however long the train: it takes
    /// packets to be lost by chance, and silence is judged elsewhere.
    pub(super) fn silent(&mut self, at: Mono, lost: u16, rules: &GradeRules, pace: Duration) {
        self.window.expire(at, rules.span(pace), &rules.limits);
        for _ in 0..lost {
            self.window.record(at, None, &rules.limits);
        }
        self.loss.record(&rules.loss, 0, 1);
    }

    /// Begins anew when the device goes or comes back: what was lost on the way is no judgement on
    /// the path.
    pub(super) fn start_over(&mut self, row: u32) {
        self.lost_before = permille(self.lost_share(row)).div_ceil(10).try_into().unwrap_or(100);
        self.window.clear();
        if self.grade != QualityGrade::Poor {
            self.loss = LossJudge::default();
        }
        self.wanted = None;
    }

    pub(super) const fn grade(&self) -> QualityGrade {
        self.grade
    }

    /// When the present grade was taken.
    pub(super) const fn since(&self) -> Mono {
        self.since
    }

    /// Chance that an echo is lost on a path that is known to be lossy, 0 to 1, by what was before
    /// the last `row`, of which it is to be known whether they are chance. It may be more than is
    /// seen of it: the window reaches back to when the path was good.
    pub(super) fn chance_of_loss(&self, row: u32) -> f64 {
        if !self.loss.is_poor() {
            return 0.0;
        }
        let seen = f64::from(self.window.len().max(FEWEST_ECHOES));
        (self.lost_share(row) + 0.5 / seen.sqrt()).min(1.0)
    }

    /// Whether so much is lost that a service which does not answer need not be out, by what was
    /// before the last `row`: what answers nothing any more may be dead.
    pub(super) fn drowns(&self, row: u32) -> bool {
        self.loss.is_poor() && self.lost_share(row) >= DROWNED
    }

    /// Share of the echoes that are lost on a path that is known to be lossy, 0 to 1, but for the
    /// last `row`. Where few have been sent since its device went or came back, what was lost until
    /// then counts.
    fn lost_share(&self, row: u32) -> f64 {
        if !self.loss.is_poor() {
            return 0.0;
        }
        let (lost, all) = (self.window.lost(), self.window.len());
        let share = f64::from(lost.saturating_sub(row)) / f64::from(all.saturating_sub(row).max(1));
        let before = f64::from(self.lost_before) / 100.0;
        if all < FEWEST_ECHOES + row { share.max(before) } else { share }
    }

    /// Whether losses raise a suspicion, so that more packets are worth sending. A device that is
    /// gone gives nothing to judge, however bad its path was when it was last seen.
    pub(super) fn is_suspicious(&self) -> bool {
        self.loss.suspicion() > 0.0 && !self.window.is_empty()
    }

    /// How far the suspicion of too much loss has grown, 0 to 1.
    pub(super) fn suspicion(&self) -> f32 {
        self.loss.suspicion()
    }

    /// Whether more packets at once would soon tell what it is.
    pub(super) fn is_worth_a_closer_look(&self) -> bool {
        !self.loss.is_poor() && self.is_suspicious()
    }

    /// Whether it was poor for its losses and has none in its window any more: more packets at once
    /// soon tell whether it is good, for which turns far apart would take an hour.
    pub(super) fn may_be_good_again(&self, rules: &GradeRules) -> bool {
        self.loss.is_poor() && self.is_known(rules) && self.window.lost() == 0
    }

    /// Takes over other limits; what was counted by the old ones is forgotten.
    pub(super) fn adapt(&mut self, before: &GradeRules, rules: &GradeRules) {
        if before != rules {
            self.start_over(0);
        }
    }

    /// Whether it may soon be judged poor: the suspicion is well under way, or worse figures are
    /// waiting to be believed.
    pub(super) fn is_doubtful(&self) -> bool {
        let worse = self.wanted == Some(QualityGrade::Poor);
        self.grade != QualityGrade::Poor && (self.loss.suspicion() >= DOUBTFUL || worse)
    }

    /// Whether the path has been looked at long enough to be called good.
    pub(super) fn is_known(&self, rules: &GradeRules) -> bool {
        self.window.len() >= rules.min_samples
    }

    /// What people look at; none without enough samples.
    pub(super) fn quality(&self, rules: &GradeRules) -> Option<Quality> {
        let figures = self.window.figures().filter(|f| f.samples >= rules.min_samples)?;
        Some(figures.quality(rules.codec, self.grade))
    }

    /// The figures of the path, as they stand in evidence.
    pub(super) fn seen(&self) -> Saw {
        let Some(figures) = self.window.figures() else { return Saw::Answered { rtt_us: None } };
        let ms = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        Saw::Path {
            lost_permille: permille(figures.loss),
            samples: figures.samples,
            rtt_ms: ms(figures.median),
            jitter_ms: ms(figures.jitter),
        }
    }

    /// Judges the path by the worst of loss, delay and jitter.
    ///
    /// 1. Loss has a test of its own that is sure when it speaks. It is believed at once.
    /// 2. Delay and jitter need enough samples in the window. A worse delay must last
    ///    [`WORSE_AFTER`]; a worse jitter the length of the window, since one straggler lifts the
    ///    estimate for a while.
    /// 3. A better grade must last `better_after`, and needs enough samples as well: what has
    ///    hardly been looked at since a restart or an outage is as it was.
    fn regrade(&mut self, at: Mono, rules: &GradeRules) -> bool {
        let loss = match self.loss {
            loss if loss.is_poor() => QualityGrade::Poor,
            loss if loss.suspicion() >= 0.5 => QualityGrade::Fair,
            _ => QualityGrade::Good,
        };
        let (mut delay, mut jitter) = (QualityGrade::Good, QualityGrade::Good);
        if self.window.len() >= rules.min_samples {
            delay = self.window.delay_grade();
            jitter = match self.window.jitter() {
                jitter if jitter >= rules.poor_jitter => QualityGrade::Poor,
                jitter if jitter >= rules.fair_jitter => QualityGrade::Fair,
                _ => QualityGrade::Good,
            };
        }
        let wanted = loss.max(delay).max(jitter);
        if wanted == self.grade {
            self.wanted = None;
            return false;
        }
        if wanted < self.grade && !self.is_known(rules) {
            self.wanted = None;
            return false;
        }
        let since = match self.wanted {
            // A grade between the present one and the one waited for needs no new wait.
            Some(grade) if wanted < self.grade && grade < self.grade => self.wanted_since,
            Some(grade) if wanted > self.grade && grade >= wanted => self.wanted_since,
            _ => at,
        };
        (self.wanted, self.wanted_since) = (Some(wanted), since);
        let patience = match wanted {
            better if better < self.grade => rules.better_after,
            worse if worse == loss => Duration::ZERO,
            worse if worse == delay => WORSE_AFTER,
            _ => rules.window,
        };
        if at - since < patience {
            return false;
        }
        self.grade = wanted;
        self.since = at;
        self.wanted = None;
        true
    }
}

/// A share between 0 and 1 in tenths of a percent.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000 before"
)]
fn permille(share: f64) -> u32 {
    (share * 1000.0).round().clamp(0.0, 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RttList;

    #[test]
    fn as_many_failures_make_a_fact_as_make_chance_one_in_a_thousand() {
        for (chance, turns) in [(0.0, 3), (0.01, 3), (0.09, 3), (0.2, 5), (0.5, 10), (0.6, 14)] {
            assert_eq!(sure_after(chance, 3), turns, "{chance}");
        }
        // However bad a line is, what is gone is found to be at last.
        assert_eq!((sure_after(0.9, 3), sure_after(1.0, 3)), (MOST_TURNS, MOST_TURNS));
        // Whoever wants to be surer still is.
        assert_eq!(sure_after(1.0, 30), 30);
    }

    #[test]
    fn what_is_known_of_a_lossy_path_outlasts_that_its_device_goes_and_comes_back() {
        let rules = GradeRules::new(&QualitySettings::default());
        let (mut path, pace) = (PathRecord::poor_already(true), Duration::from_secs(1));
        let at = |s: u64| Mono::ZERO + Duration::from_secs(s);
        for s in 0..40 {
            let lost = u16::from(s % 2 == 0);
            let rtts = match lost {
                0 => RttList::One(Duration::from_millis(9)),
                _ => RttList::Many(Box::default()),
            };
            let (ttl, tos, duplicates) = (None, None, 0);
            let detail = IcmpDetail { sent: 1, received: 1 - lost, rtts, ttl, tos, duplicates };
            path.answered(at(s), &detail, &rules, pace);
        }
        assert!(path.drowns(0) && (0.5..0.7).contains(&path.chance_of_loss(0)));
        // Of a row that is to be judged none counts.
        assert!(path.chance_of_loss(10) < path.chance_of_loss(0));
        path.start_over(0);
        assert!(path.drowns(0));
        let good = PathRecord::default();
        assert!(!good.drowns(0) && good.chance_of_loss(0) <= 0.0);
    }

    #[test]
    fn what_is_kept_of_every_path_is_small() {
        assert!(size_of::<PathRecord>() <= 72, "{}", size_of::<PathRecord>());
    }
}
