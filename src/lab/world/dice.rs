//! Chance that repeats itself: the same seed gives the same throws on every machine.

/// `SplitMix64` (Steele, Lea, Flood 2014): small, quick, and good enough to lose packets with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dice(u64);

impl Dice {
    /// Dice of their own for everything that `lane` numbers, so that what befalls one path does
    /// not depend on what is asked of another.
    #[must_use]
    pub const fn new(seed: u64, lane: u64) -> Self {
        let mut dice = Self(seed ^ lane.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        // Neighbouring lanes start from unrelated states.
        let scattered = dice.throw();
        Self(scattered)
    }

    /// The next 64 random bits.
    pub const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly spread over 0 (inclusive) to 1 (exclusive).
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub const fn share(&mut self) -> f64 {
        (self.throw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// True in this share of throws.
    pub fn chance(&mut self, share: f64) -> bool {
        // No throw for the impossible, so that adding a kind of fault leaves old runs as they were.
        share > 0.0 && self.share() < share
    }

    /// Evenly spread over 0 to `limit`, both included.
    pub fn up_to(&mut self, limit: u64) -> u64 {
        if limit == 0 { 0 } else { self.throw() % limit.saturating_add(1).max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_throws_the_same() {
        let throws = |seed, lane| {
            let mut dice = Dice::new(seed, lane);
            [dice.throw(), dice.throw(), dice.throw()]
        };
        assert_eq!(throws(7, 1), throws(7, 1));
        assert_ne!(throws(7, 1), throws(7, 2));
        assert_ne!(throws(7, 1), throws(8, 1));
    }

    #[test]
    fn one_in_ten_comes_out_at_one_in_ten() {
        let mut dice = Dice::new(1, 1);
        let hits = (0..100_000).filter(|_| dice.chance(0.1)).count();
        assert!((9_700..10_300).contains(&hits), "{hits}");
        assert!(!(0..1000).any(|_| dice.chance(0.0)));
        assert!((0..1000).all(|_| dice.chance(1.0)));
    }
}
