//! The clocks: the one place that asks what time it is.
//!
//! Rooms with hands hold a [`Clock`] and hand its readings to the pure ones.

#[cfg(test)]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};

use crate::model::{Mono, Now};

/// How much of the time before a clock began has its place on it: what a restart finds on record
/// began and ended before this program did. Most of that is of the last day.
const BEFORE: Duration = Duration::from_hours(7 * 24);

/// A monotonic and a wall clock with a common origin. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
    /// How far a test has set it forward, in nanoseconds.
    #[cfg(test)]
    ahead: &'static AtomicU64,
}

impl Clock {
    /// A clock whose monotonic time begins a week before now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            origin: Instant::now(),
            #[cfg(test)]
            ahead: &tests::NOT_AT_ALL,
        }
    }

    /// The current moment on both clocks.
    #[must_use]
    pub fn now(&self) -> Now {
        Now { mono: self.mono(), wall: Timestamp::now() + ahead(self) }
    }

    /// The current moment on the monotonic clock.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono::ZERO + BEFORE + self.origin.elapsed() + ahead(self)
    }

    /// For how long this machine has been suspended so far. The monotonic clock stands still
    /// meanwhile, and so does every timer.
    #[must_use]
    pub fn suspended() -> Duration {
        let read = |clock| clock_gettime(clock).map_or(Duration::ZERO, Duration::from);
        let boot = read(ClockId::CLOCK_BOOTTIME);
        // In this order, so that what lies between the two readings is no suspension.
        let monotonic = read(ClockId::CLOCK_MONOTONIC);
        boot.saturating_sub(monotonic)
    }

    /// The instant of the operating system at monotonic time `mono`, for timers.
    #[must_use]
    pub fn instant(&self, mono: Mono) -> Instant {
        self.origin + (mono - Mono::ZERO).saturating_sub(BEFORE + ahead(self))
    }
}

#[cfg(not(test))]
const fn ahead(_: &Clock) -> Duration {
    Duration::ZERO
}

#[cfg(test)]
fn ahead(clock: &Clock) -> Duration {
    Duration::from_nanos(clock.ahead.load(Ordering::Relaxed))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(super) static NOT_AT_ALL: AtomicU64 = AtomicU64::new(0);

    impl Clock {
        /// A clock that a test sets forward, both ways of it alike, together with all its copies.
        pub(crate) fn movable() -> Self {
            Self { ahead: Box::leak(Box::default()), ..Self::start() }
        }

        /// Sets it forward. What waits by the timers of the operating system does not notice.
        pub(crate) fn set_forward(&self, by: Duration) {
            let by = u64::try_from(by.as_nanos()).expect("a time that a test means");
            self.ahead.fetch_add(by, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_was_before_the_start_has_its_place_on_the_clock() {
        let now = Clock::start().now();
        let day = Duration::from_hours(24);
        assert_eq!(now.mono - now.mono_at(now.wall - day), day);
    }

    #[test]
    fn a_clock_that_is_set_forward_agrees_with_its_copies_and_with_the_timers() {
        let clock = Clock::movable();
        let (copy, mono) = (clock, clock.mono());
        let instant = clock.instant(mono);
        clock.set_forward(Duration::from_secs(31));
        assert!(copy.mono() - mono >= Duration::from_secs(31));
        assert_eq!(copy.instant(mono + Duration::from_secs(31)), instant);
    }
}
