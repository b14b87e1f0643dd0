//! Jitter as RFC 3550 measures it, so that our figure can be held against a codec's own.

use std::time::Duration;

use crate::model::Brief;

/// Interarrival jitter (RFC 3550 §6.4.1, A.8) over round trips.
///
/// Fed with round trips it sums both directions, so it reads up to twice the one-way jitter.
///
/// Two are kept of every path, so it is small: seven digits are more than the estimate is worth,
/// and ten nanoseconds less than any clock tells of a network.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Jitter {
    /// The estimate in nanoseconds.
    estimate: f32,
    /// The last round trip; none before the first.
    last: Option<Brief>,
}

impl Jitter {
    /// Takes in the next round trip, or transit time, that was measured; lost ones are skipped.
    ///
    /// J += (|D| − J) / 16, where D is the difference to the one before.
    pub fn record(&mut self, transit: Duration) {
        let transit = Brief::from(transit);
        if let Some(last) = self.last.replace(transit) {
            let apart = last.as_nanos().abs_diff(transit.as_nanos()) as f32;
            self.estimate += (apart - self.estimate) / 16.0;
        }
    }

    /// The estimate; zero before the second measurement.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_secs_f64(f64::from(self.estimate.max(0.0)) / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_the_formula_of_the_rfc() {
        let mut jitter = Jitter::default();
        jitter.record(Duration::from_millis(10));
        assert_eq!(jitter.get(), Duration::ZERO);
        let transits = [12, 11, 30, 10, 10];
        let expected = [0.125, 0.179_688, 1.355_957, 2.521_210, 2.363_634];
        for (transit, expected) in transits.into_iter().zip(expected) {
            jitter.record(Duration::from_millis(transit));
            let got = jitter.get().as_secs_f64() * 1e3;
            assert!((got - expected).abs() < 1e-5, "{got} instead of {expected}");
        }
    }

    #[test]
    fn an_even_delay_has_no_jitter_however_long_it_is() {
        let mut jitter = Jitter::default();
        for _ in 0..100 {
            jitter.record(Duration::from_millis(420));
        }
        assert_eq!(jitter.get(), Duration::ZERO);
    }
}
