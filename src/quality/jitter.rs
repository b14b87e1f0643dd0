//! Jitter as RFC 3550 measures it, so that our figure can be held against a codec's own.

use std::time::Duration;

/// Interarrival jitter (RFC 3550 §6.4.1, A.8) over round trips.
///
/// Fed with round trips it sums both directions, so it reads up to twice the one-way jitter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Jitter {
    /// The estimate in nanoseconds.
    estimate: f64,
    /// Nanoseconds of the last round trip; [`NONE`] before the first.
    last: f64,
}

/// No round trip is shorter than nothing. One is kept for every path.
const NONE: f64 = -1.0;

impl Default for Jitter {
    fn default() -> Self {
        Self { estimate: 0.0, last: NONE }
    }
}

impl Jitter {
    /// Takes in the next round trip, or transit time, that was measured; lost ones are skipped.
    ///
    /// J += (|D| − J) / 16, where D is the difference to the one before.
    pub fn record(&mut self, transit: Duration) {
        let transit = nanos(transit);
        if self.last > NONE {
            self.estimate += ((transit - self.last).abs() - self.estimate) / 16.0;
        }
        self.last = transit;
    }

    /// The estimate; zero before the second measurement.
    #[must_use]
    pub fn get(&self) -> Duration {
        Duration::from_secs_f64(self.estimate.max(0.0) / 1e9)
    }
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
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
