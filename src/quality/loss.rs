//! Whether a path loses too much, told apart from bad luck.
//!
//! A share of lost packets in a short window says little: with fifteen packets, one loss in a
//! hundred looks like seven in a hundred every few seconds. So the judgement is a sequential test
//! that takes packet by packet and stops when it is sure, soon for heavy loss and never for light.

/// What counts as tolerable and what does not, and what each packet adds to the suspicion.
///
/// It is Page's cumulative sum of Wald's log-likelihood ratios between "loses `tolerable`" and
/// "loses `intolerable`". Under random loss below `tolerable` the chance to be judged poor is
/// below e^−12 for each packet that starts a suspicion; at 1 % and the usual limits it is below
/// 10^−9 for each such packet, which is one false judgement in ten years for a province watched
/// once a second. Loss of 10 % is judged after about 140 packets, half of it sooner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossTest {
    lost: f32,
    kept: f32,
}

impl LossTest {
    /// Suspicion at which a path is judged poor, in units of the log-likelihood ratio.
    pub const SURE: f32 = 12.0;

    /// The test between what is still fair and what is poor, both as shares of lost packets.
    ///
    /// The two hypotheses lie a little outside: twice `fair`, since that much is common and
    /// borne, and 1.6 times `poor`, so that the balance tips just below `poor` itself.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "seven digits are plenty for a weight")]
    pub fn between(fair: f64, poor: f64) -> Self {
        let tolerable = (2.0 * fair).clamp(0.000_1, 0.5);
        let intolerable = (1.6 * poor).clamp(tolerable * 1.5, 0.9);
        Self {
            lost: (intolerable / tolerable).ln() as f32,
            kept: ((1.0 - intolerable) / (1.0 - tolerable)).ln() as f32,
        }
    }
}

/// The state of the test for one path. Packed, since every path has one and something else fits in
/// the rest of what would be eight bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(Rust, packed)]
pub struct LossJudge {
    suspicion: f32,
    poor: bool,
}

impl LossJudge {
    /// A path known to be poor from before a restart.
    #[must_use]
    pub const fn poor_already() -> Self {
        Self { suspicion: LossTest::SURE, poor: true }
    }

    /// Takes in one probe's packets; the order within it does not matter.
    ///
    /// 1. Each lost packet raises the suspicion, each answered one lowers it, between nothing
    ///    and [`LossTest::SURE`].
    /// 2. A probe of which nothing came back counts as one lost packet however many it sent:
    ///    silence is another matter than loss, and is judged elsewhere.
    /// 3. A path becomes poor when the suspicion is full and good again when it is gone.
    pub fn record(&mut self, test: &LossTest, answered: u16, lost: u16) {
        let lost = if answered == 0 { lost.min(1) } else { lost };
        let moved = f32::from(answered) * test.kept + f32::from(lost) * test.lost;
        self.suspicion = (self.suspicion + moved).clamp(0.0, LossTest::SURE);
        if self.suspicion >= LossTest::SURE {
            self.poor = true;
        } else if self.suspicion <= 0.0 {
            self.poor = false;
        }
    }

    /// Whether the path loses too much.
    #[must_use]
    pub const fn is_poor(&self) -> bool {
        self.poor
    }

    /// How far the test is from its next judgement, 0 to 1: full suspicion is 1.
    #[must_use]
    pub fn suspicion(&self) -> f32 {
        self.suspicion / LossTest::SURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uniform numbers below 1 from a small seeded generator (xorshift*).
    fn dice(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move || {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            let word = u32::try_from(state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32).unwrap();
            f64::from(word) / f64::from(u32::MAX)
        }
    }

    /// Packets until the path is judged poor, at most `most`.
    fn packets_until_poor(loss: f64, seed: u64, most: u32) -> Option<u32> {
        let test = LossTest::between(0.01, 0.05);
        let mut judge = LossJudge::default();
        let mut dice = dice(seed);
        (1..=most).find(|_| {
            let lost = u16::from(dice() < loss);
            judge.record(&test, 1 - lost, lost);
            judge.is_poor()
        })
    }

    #[test]
    fn one_percent_is_never_poor_in_two_hundred_site_days() {
        assert_eq!(packets_until_poor(0.01, 7, 200 * 86_400), None);
    }

    #[test]
    fn ten_percent_is_poor_within_a_few_hundred_packets() {
        let mut waits: Vec<u32> =
            (1..=200).map(|seed| packets_until_poor(0.10, seed, 10_000).unwrap()).collect();
        waits.sort_unstable();
        assert!((100..250).contains(&waits[100]), "median {}", waits[100]);
        assert!(waits[198] < 500, "99th percentile {}", waits[198]);
    }

    #[test]
    fn a_path_that_is_well_again_is_believed_after_a_run_of_answers() {
        let test = LossTest::between(0.01, 0.05);
        let mut judge = LossJudge::poor_already();
        judge.record(&test, 100, 0);
        assert!(judge.is_poor(), "a hundred answers may still be luck");
        judge.record(&test, 150, 0);
        assert!(!judge.is_poor());
    }

    #[test]
    fn a_train_that_vanished_whole_counts_once() {
        let test = LossTest::between(0.01, 0.05);
        let (mut train, mut single) = (LossJudge::default(), LossJudge::default());
        train.record(&test, 0, 5);
        single.record(&test, 0, 1);
        assert_eq!(train, single);
    }
}
