//! How much of the last while we did not trust our own echo engine.
//!
//! A single moment of it is waited out. When there is too much of it nobody could be found dead
//! any more, however it is spread: then we are blind, and say so.

use crate::model::Mono;

/// Seconds that are looked back at.
const WHILE: u32 = 30;
/// From so many of them on it is too much.
const TOO_MUCH: u32 = 10;
/// It is over when the last so many were free of doubt.
const FREE: u32 = 10;

/// The latest seconds, each with whether there was doubt in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Distrust {
    /// The latest second of doubt, which may lie ahead.
    last: u64,
    /// One bit a second: the lowest is `last`, the next the one before it.
    seconds: u64,
}

impl Distrust {
    /// There is doubt from one moment to another.
    pub(super) fn note(&mut self, from: Mono, until: Mono) {
        for second in second(from)..second(until).max(second(from) + 1) {
            if second > self.last {
                self.seconds = shifted(self.seconds, second - self.last, u64::checked_shl);
                self.last = second;
            }
            self.seconds |= shifted(1, self.last - second, u64::checked_shl);
        }
    }

    /// Whether there is too much of it; once there was, whether there still is.
    pub(super) fn is_too_much(&self, already: bool, now: Mono) -> bool {
        let now = second(now);
        let seen = if self.last > now {
            shifted(self.seconds, self.last - now, u64::checked_shr)
        } else {
            shifted(self.seconds, now - self.last, u64::checked_shl)
        };
        let latest = |seconds: u32| (seen & ((1 << seconds) - 1)).count_ones();
        if already { latest(FREE) > 0 } else { latest(WHILE) >= TOO_MUCH }
    }
}

const fn second(at: Mono) -> u64 {
    at.as_nanos() / 1_000_000_000
}

/// Bits moved by a distance that may be beyond them all.
fn shifted(bits: u64, by: u64, shift: impl Fn(u64, u32) -> Option<u64>) -> u64 {
    u32::try_from(by).ok().and_then(|by| shift(bits, by)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(second: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(second)
    }

    #[test]
    fn a_third_of_the_last_while_is_too_much_however_it_is_spread() {
        let mut distrust = Distrust::default();
        for second in (100..130).step_by(3) {
            assert!(!distrust.is_too_much(false, at(second)), "{second}");
            distrust.note(at(second), at(second + 1));
        }
        assert!(distrust.is_too_much(false, at(127)));
        assert!(distrust.is_too_much(true, at(136)));
        assert!(!distrust.is_too_much(true, at(137)), "ten good seconds are enough");
    }

    #[test]
    fn doubt_that_lies_ahead_has_not_been_yet() {
        let mut distrust = Distrust::default();
        distrust.note(at(100), at(120));
        assert!(!distrust.is_too_much(false, at(108)));
        assert!(distrust.is_too_much(false, at(109)));
        assert!(!distrust.is_too_much(false, at(1_000_000)));
    }

    proptest! {
        #[test]
        fn it_is_what_a_list_of_seconds_would_say(
            spells in prop::collection::vec((0_u64..12, 1_u64..5), 0..40),
            ahead in 0_u64..70,
        ) {
            let (mut distrust, mut seconds, mut now) = (Distrust::default(), Vec::new(), 0);
            for (gap, length) in spells {
                now += gap;
                distrust.note(at(now), at(now + length));
                seconds.extend(now..now + length);
            }
            now += ahead;
            seconds.sort_unstable();
            seconds.dedup();
            let latest = |span: u64| {
                seconds.iter().filter(|at| **at <= now && **at + span > now).count()
            };
            prop_assert_eq!(distrust.is_too_much(false, at(now)), latest(30) >= 10);
            prop_assert_eq!(distrust.is_too_much(true, at(now)), latest(10) > 0);
        }
    }
}
