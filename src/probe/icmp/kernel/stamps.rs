//! The kernel's time stamps, translated into our monotonic time.
//!
//! The kernel stamps packets with the wall clock, which somebody may set between a request and
//! its reply. On Linux both clocks run at exactly the same rate, so their difference stays the
//! same until the wall clock is set, and the most exact reading of it is the one to keep. It is
//! read again and again to see whether it still holds, and a stamp counts only when the
//! translation puts it where it can have been.

use std::time::Duration;

use crate::model::Mono;

/// One reading of both clocks: the wall clock between two looks at the monotonic one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) before: Mono,
    /// Nanoseconds since 1970.
    pub(super) wall: i64,
    pub(super) after: Mono,
}

/// What is known of the difference between the clocks.
#[derive(Debug)]
pub(super) struct Stamps {
    /// Wall clock minus monotonic time, in nanoseconds.
    offset: i64,
    /// How far off `offset` may be: half the time that the reading took.
    doubt: i64,
    /// The difference before the wall clock was set, while stamps from then may still come.
    former: Option<(i64, Mono)>,
    steps: u64,
}

impl Stamps {
    /// Two readings that differ by more than they can be off, plus this, mean that the clock was
    /// set. In nanoseconds.
    const STEP: i64 = 1_000;

    /// How long after a step stamps from before it are expected. Stamps wait in the socket only
    /// until it is read, so this covers a reader that is late.
    const AFTERMATH: Duration = Duration::from_secs(2);

    /// How far outside its bounds a stamp may lie through the doubt of the readings.
    const SLACK: Duration = Duration::from_micros(5);

    /// Begins with one reading.
    pub(super) fn new(reading: Reading) -> Self {
        let (offset, doubt) = difference(reading);
        Self { offset, doubt, former: None, steps: 0 }
    }

    /// Takes in one more reading.
    pub(super) fn observe(&mut self, reading: Reading) {
        let (offset, doubt) = difference(reading);
        if let Some((_, until)) = self.former
            && reading.after > until
        {
            self.former = None;
        }
        let moved = offset.saturating_sub(self.offset).saturating_abs();
        if moved > self.doubt + doubt + Self::STEP {
            self.steps += 1;
            self.former = Some((self.offset, reading.after + Self::AFTERMATH));
            (self.offset, self.doubt) = (offset, doubt);
        } else if doubt < self.doubt {
            (self.offset, self.doubt) = (offset, doubt);
        }
    }

    /// When a packet was stamped, given that it was not before `earliest` nor after `latest`;
    /// none when that is not certain:
    ///
    /// 1. With one known difference, the stamp must lie within the bounds.
    /// 2. For a while after the clock was set there are two. The one that puts the stamp within
    ///    the bounds is right; if both do, the stamp proves nothing.
    pub(super) fn to_mono(&self, stamp: i64, earliest: Mono, latest: Mono) -> Option<Mono> {
        let place = |offset: i64| {
            let at = Mono::from_nanos(u64::try_from(stamp.checked_sub(offset)?).ok()?);
            let within = at + Self::SLACK >= earliest && at <= latest + Self::SLACK;
            within.then(|| at.clamp(earliest, latest.max(earliest)))
        };
        let now = place(self.offset);
        match self.former {
            None => now,
            Some((former, _)) => match (now, place(former)) {
                (Some(_), Some(_)) => None,
                (now, before) => now.or(before),
            },
        }
    }

    /// How often the wall clock was set.
    pub(super) const fn steps(&self) -> u64 {
        self.steps
    }
}

/// Wall minus monotonic time, and how far off it may be.
fn difference(reading: Reading) -> (i64, i64) {
    let nanos = |mono: Mono| i64::try_from(mono.as_nanos()).unwrap_or(i64::MAX);
    let (before, after) = (nanos(reading.before), nanos(reading.after));
    let doubt = after.saturating_sub(before).max(0) / 2;
    (reading.wall.saturating_sub(before.saturating_add(doubt)), doubt)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn at(micros: u64) -> Mono {
        Mono::from_nanos(micros * 1_000)
    }

    /// Both clocks at `micros`, when the wall clock is `offset` nanoseconds ahead.
    fn reading(micros: u64, offset: i64) -> Reading {
        let nanos = i64::try_from(micros).unwrap() * 1_000;
        Reading { before: at(micros), wall: nanos + offset, after: at(micros) }
    }

    fn stamp(micros: u64, offset: i64) -> i64 {
        reading(micros, offset).wall
    }

    #[test]
    fn a_step_between_request_and_reply_does_not_change_the_round_trip() {
        const HOUR: i64 = 3_600_000_000_000;
        const OLD: i64 = 1_800_000_000_000_000_000;
        let mut stamps = Stamps::new(reading(0, OLD));
        // Sent at 100, answered at 20,100; the clock is set back by an hour at 10,000.
        let left = stamps.to_mono(stamp(100, OLD), at(90), at(200)).unwrap();
        stamps.observe(reading(20_150, OLD - HOUR));
        let back = stamps.to_mono(stamp(20_100, OLD - HOUR), left, at(20_150)).unwrap();
        assert_eq!(back - left, Duration::from_millis(20));
        assert_eq!(stamps.steps(), 1);
        // Another reply came before the step and is read after it.
        let back = stamps.to_mono(stamp(9_000, OLD), at(100), at(20_150)).unwrap();
        assert_eq!(back, at(9_000));
    }

    #[test]
    fn a_stamp_that_may_be_from_either_side_of_a_small_step_proves_nothing() {
        let mut stamps = Stamps::new(reading(0, 1_000_000_000));
        stamps.observe(reading(1_000, 1_000_500_000));
        assert_eq!(stamps.to_mono(stamp(900, 1_000_000_000), at(100), at(1_000)), None);
        // Two seconds later all stamps are from after the step.
        stamps.observe(reading(2_001_100, 1_000_500_000));
        let later = stamps.to_mono(stamp(2_001_050, 1_000_500_000), at(2_001_000), at(2_001_100));
        assert_eq!(later, Some(at(2_001_050)));
    }

    #[test]
    fn an_interrupted_reading_is_no_step() {
        let mut stamps = Stamps::new(reading(0, 0));
        let interrupted = Reading { before: at(100), wall: 9_000_000, after: at(9_100) };
        stamps.observe(interrupted);
        assert_eq!(stamps.steps(), 0);
        assert_eq!(stamps.to_mono(stamp(9_150, 0), at(9_100), at(9_200)), Some(at(9_150)));
    }

    #[test]
    fn a_stamp_from_before_the_request_or_from_the_future_is_refused() {
        let stamps = Stamps::new(reading(0, 77));
        assert_eq!(stamps.to_mono(stamp(80, 77), at(100), at(200)), None);
        assert_eq!(stamps.to_mono(stamp(220, 77), at(100), at(200)), None);
        assert_eq!(stamps.to_mono(i64::MIN, at(100), at(200)), None);
    }

    proptest! {
        /// Whatever is done to the wall clock, a round trip is either right to within what a
        /// step may hide in, or not claimed at all.
        #[test]
        fn no_history_of_the_wall_clock_bends_a_round_trip(
            steps in prop::collection::vec((1_u64..3_000_000, -10_000_000_000_i64..10_000_000_000), 0..6),
            sent in 1_u64..5_000_000,
            rtt in 1_u64..1_000_000,
            read_after in 0_u64..5_000,
        ) {
            const START: i64 = 1_800_000_000_000_000_000;
            let mut when = 0;
            let changes: Vec<(u64, i64)> = steps
                .iter()
                .scan(START, |offset, &(gap, by)| {
                    when += gap;
                    *offset += by;
                    Some((when, *offset))
                })
                .collect();
            let offset_at = |micros: u64| {
                changes.iter().rev().find(|(at, _)| *at <= micros).map_or(START, |(_, o)| *o)
            };
            // The engine reads both clocks every millisecond, and after it has read a socket.
            let mut stamps = Stamps::new(reading(0, START));
            let mut clock = 0;
            let mut look = |stamps: &mut Stamps, until: u64| {
                while clock + 1_000 < until {
                    clock += 1_000;
                    stamps.observe(reading(clock, offset_at(clock)));
                }
                stamps.observe(reading(until, offset_at(until)));
            };
            look(&mut stamps, sent - 1);
            let read = sent + 2;
            look(&mut stamps, read);
            let left = stamps.to_mono(stamp(sent, offset_at(sent)), at(sent - 1), at(read));
            let back_read = sent + rtt + read_after;
            look(&mut stamps, back_read.max(read + 1));
            let back = stamps.to_mono(
                stamp(sent + rtt, offset_at(sent + rtt)),
                left.unwrap_or(at(sent)),
                at(back_read.max(read + 1)),
            );
            // Two steps within one look cannot be told from one; what lies between is refused
            // or, if the two nearly cancel out, off by no more than the rest.
            let step_near = |micros: u64| {
                changes.iter().filter(|(at, _)| *at <= micros + 6_000 && *at + 2_100_000 > micros).count() > 1
            };
            if let (Some(left), Some(back)) = (left, back)
                && !step_near(sent) && !step_near(sent + rtt)
            {
                let measured = i64::try_from((back - left).as_nanos()).unwrap();
                let truth = i64::try_from(rtt).unwrap() * 1_000;
                prop_assert!((measured - truth).abs() <= 10_000, "{measured} for {truth}");
            }
        }
    }
}
