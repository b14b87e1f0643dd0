//! Time as data: a monotonic instant to measure with and a wall-clock one to tell people.
//!
//! Pure code never asks what time it is. It is handed a [`Now`], so a week of outages runs in a
//! test in a second.

use std::num::{NonZeroU32, NonZeroU64};
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the wall clock may differ by from even running before it counts as set.
const STEP: Duration = Duration::from_secs(1);

/// A monotonic instant: nanoseconds since an origin that only this run of the program knows.
///
/// It never goes back and never jumps when someone sets the clock. It means nothing to another
/// run, so nothing durable may hold one.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Mono(u64);

impl Mono {
    /// The origin of this run's monotonic time.
    pub const ZERO: Self = Self(0);
    /// Later than any instant that will be reached.
    pub const NEVER: Self = Self(u64::MAX);

    /// The instant `nanos` after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies in the future.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `by` before this one, never before the origin.
    #[must_use]
    pub fn earlier(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }
}

impl Add<Duration> for Mono {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(nanos(by)))
    }
}

impl Sub for Mono {
    type Output = Duration;
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// For measuring and scheduling.
    pub mono: Mono,
    /// For people, files and calendars. May step backwards.
    pub wall: Timestamp,
}

impl Now {
    /// The moment `by` later, both clocks running evenly.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let wall = self.wall.checked_add(by).unwrap_or(Timestamp::MAX);
        Self { mono: self.mono + by, wall }
    }

    /// The wall-clock time at which monotonic time read `mono`, if the clock was not set since.
    #[must_use]
    pub fn wall_at(self, mono: Mono) -> Timestamp {
        let shifted = if mono >= self.mono {
            self.wall.checked_add(mono - self.mono)
        } else {
            self.wall.checked_sub(self.mono - mono)
        };
        shifted.unwrap_or(self.wall)
    }

    /// What monotonic time read when the wall clock read `wall`, no later than now, if the
    /// clock was not set since.
    #[must_use]
    pub fn mono_at(self, wall: Timestamp) -> Mono {
        self.mono.earlier(self.wall.duration_since(wall).unsigned_abs())
    }

    /// When an earlier moment was, as the wall clock reads today: what it read then, unless it was
    /// set since.
    #[must_use]
    pub fn told(self, then: Self) -> Timestamp {
        let there = self.wall_at(then.mono);
        let slewed = there.duration_since(then.wall).unsigned_abs() < STEP;
        if slewed { then.wall } else { there }
    }
}

/// A moment of the wall clock in eight bytes, and none in no more, for what is kept of every target
/// several times over: a [`Timestamp`] takes sixteen, and one that may be missing twenty-four.
///
/// Exact to the nanosecond from 1677 to 2262; what lies beyond becomes the nearest that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(NonZeroU64);

/// What stands for 1970 in a [`Stamp`]: half of all numbers, so that they are in the order of the
/// moments. Zero is left over for none.
const EPOCH: u64 = 1 << 63;

impl From<Timestamp> for Stamp {
    fn from(at: Timestamp) -> Self {
        let since = at.as_nanosecond() + i128::from(EPOCH);
        let nearest = u64::try_from(since.max(1)).unwrap_or(u64::MAX);
        Self(NonZeroU64::new(nearest).unwrap_or(NonZeroU64::MIN))
    }
}

impl From<Stamp> for Timestamp {
    fn from(Stamp(since): Stamp) -> Self {
        // All of them lie within what a time stamp can tell.
        Self::from_nanosecond(i128::from(since.get()) - i128::from(EPOCH)).unwrap_or_default()
    }
}

/// A short time in four bytes, and none in no more, for what is kept of every target several times
/// over: a [`Duration`] takes sixteen.
///
/// In steps of ten nanoseconds up to 42 seconds, longer than any probe waits; what lies beyond
/// becomes that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Brief(NonZeroU32);

/// Nanoseconds of a step.
const BRIEF_STEP: u64 = 10;

impl Brief {
    /// Nanoseconds, to the step.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        (self.0.get() as u64 - 1) * BRIEF_STEP
    }
}

impl From<Duration> for Brief {
    fn from(time: Duration) -> Self {
        let steps = u32::try_from(nanos(time) / BRIEF_STEP).unwrap_or(u32::MAX);
        // Zero is left over for none.
        Self(NonZeroU32::MIN.saturating_add(steps))
    }
}

impl From<Brief> for Duration {
    fn from(brief: Brief) -> Self {
        Self::from_nanos(brief.as_nanos())
    }
}

/// A duration in microseconds, as outcomes and measurements keep it; saturating after 71 minutes.
#[must_use]
pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// A duration in nanoseconds, saturating after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_the_moment_it_was_made_of_in_eight_bytes() {
        assert_eq!(size_of::<Option<Stamp>>(), 8);
        let nanos = [0, -1, 1, 1_795_608_000_123_456_789, 1 - i128::from(EPOCH), i64::MAX.into()];
        let moments = nanos.map(|nanos| Timestamp::from_nanosecond(nanos).unwrap());
        for at in moments {
            assert_eq!(Timestamp::from(Stamp::from(at)), at);
        }
        let mut sorted = moments;
        sorted.sort_unstable();
        let mut stamps = moments.map(Stamp::from);
        stamps.sort_unstable();
        assert_eq!(stamps.map(Timestamp::from), sorted);
        let beyond = [Timestamp::MIN, Timestamp::MAX].map(|at| Timestamp::from(Stamp::from(at)));
        assert_eq!(beyond, [sorted[0], sorted[5]]);
    }

    #[test]
    fn a_brief_time_is_told_to_ten_nanoseconds_in_four_bytes() {
        assert_eq!(size_of::<Option<Brief>>(), 4);
        let kept = |time: Duration| Duration::from(Brief::from(time));
        for nanos in [0, 10, 123_456_780, 42_949_672_940] {
            assert_eq!(kept(Duration::from_nanos(nanos)), Duration::from_nanos(nanos));
        }
        assert_eq!(kept(Duration::from_nanos(19)), Duration::from_nanos(10));
        assert_eq!(kept(Duration::from_hours(1)).as_secs(), 42);
        assert!(Brief::from(Duration::from_millis(1)) < Brief::from(Duration::from_millis(2)));
    }

    #[test]
    fn a_moment_is_told_by_the_clock_as_it_was_set_since() {
        let then = Now { mono: Mono::from_nanos(0), wall: Timestamp::UNIX_EPOCH };
        let later = then.plus(Duration::from_mins(10));
        assert_eq!(later.told(then), then.wall);
        let slewed = later.wall.checked_add(Duration::from_millis(300)).unwrap();
        assert_eq!(Now { wall: slewed, ..later }.told(then), then.wall, "it did not jump");
        let hour = Duration::from_hours(1);
        let set = Now { wall: later.wall.checked_add(hour).unwrap(), ..later };
        assert_eq!(set.told(then), then.wall.checked_add(hour).unwrap());
    }
}
