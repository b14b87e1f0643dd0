//! Measurements over time as few points, for charts: however long the time, a chart gets as many as
//! it asked for, and a spike of a minute in a year is still in the largest value of its point.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Rollup, Sketch, TargetKey};

/// Shortest stretch of time of a point: measurements are handed over no more often.
const SHORTEST: u64 = 60;

/// A stretch of time divided into equal parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    from: Timestamp,
    step: u64,
    points: usize,
}

impl Grid {
    /// From `from` to `until` in `most` parts at most, each of whole minutes; one part at least.
    #[must_use]
    pub fn over(from: Timestamp, until: Timestamp, most: usize) -> Self {
        let seconds = Duration::try_from(until.duration_since(from)).unwrap_or_default().as_secs();
        let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
        let step = seconds.div_ceil(most).div_ceil(SHORTEST).max(1) * SHORTEST;
        let points = usize::try_from(seconds.div_ceil(step).max(1)).unwrap_or(1);
        Self { from, step, points }
    }

    /// Length of a part in seconds.
    #[must_use]
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The part that a moment lies in; none when it lies outside.
    fn part(&self, at: Timestamp) -> Option<usize> {
        let since = u64::try_from(at.duration_since(self.from).as_secs()).ok()?;
        let part = usize::try_from(since / self.step).ok()?;
        (at >= self.from && part < self.points).then_some(part)
    }

    /// When a part begins.
    fn begins(&self, part: usize) -> Timestamp {
        let after = self.step.saturating_mul(u64::try_from(part).unwrap_or(u64::MAX));
        self.from.checked_add(Duration::from_secs(after)).unwrap_or(Timestamp::MAX)
    }
}

/// Smallest, middle and largest of many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Smallest.
    pub min: u32,
    /// Median.
    pub median: u32,
    /// Largest.
    pub max: u32,
}

impl Span {
    fn of(values: &Sketch) -> Option<Self> {
        let at = |percent| values.percentile(percent);
        Some(Self { min: at(0)?, median: at(50)?, max: at(100)? })
    }
}

/// What was measured of a target in one part of the time.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// When the part begins.
    pub at: Timestamp,
    /// Probes with a result.
    pub probes: u32,
    /// Probes that failed.
    pub failed: u32,
    /// Packets sent.
    pub sent: u32,
    /// Packets lost.
    pub lost: u32,
    /// Round trips in microseconds.
    pub rtt_us: Option<Span>,
    /// Round-trip jitter in microseconds.
    pub jitter_us: Option<Span>,
    /// Mean opinion score in hundredths.
    pub mos: Option<Span>,
}

impl Point {
    fn of(at: Timestamp, sum: &Rollup) -> Self {
        let exact = |span: Span| Span {
            min: sum.rtt_min_us.unwrap_or(span.min),
            max: sum.rtt_max_us.unwrap_or(span.max),
            ..span
        };
        // Rows of earlier versions have no distributions.
        let plain = || {
            let (min, median, max) = (sum.rtt_min_us?, sum.rtt_mean_us?, sum.rtt_max_us?);
            Some(Span { min, median, max })
        };
        let one = |value| Span { min: value, median: value, max: value };
        Self {
            at,
            probes: sum.probes,
            failed: sum.failed,
            sent: sum.sent,
            lost: sum.lost,
            rtt_us: Span::of(&sum.spread.rtt).map(exact).or_else(plain),
            jitter_us: Span::of(&sum.spread.jitter).or_else(|| sum.jitter_us.map(one)),
            mos: Span::of(&sum.spread.mos),
        }
    }

    /// Share of packets lost, 0 to 1; none when none was sent.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        (self.sent > 0).then(|| f64::from(self.lost.min(self.sent)) / f64::from(self.sent))
    }
}

/// Measurements of several targets, brought together as they come.
#[derive(Debug, Clone)]
pub struct Series {
    grid: Grid,
    targets: BTreeMap<TargetKey, BTreeMap<usize, Rollup>>,
}

impl Series {
    /// Nothing yet.
    #[must_use]
    pub const fn on(grid: Grid) -> Self {
        Self { grid, targets: BTreeMap::new() }
    }

    /// Adds measurements, in any order; those outside the time are left out.
    pub fn add(&mut self, rollup: Rollup) {
        let Some(part) = self.grid.part(rollup.from) else { return };
        let parts = match self.targets.get_mut(&rollup.key) {
            Some(parts) => parts,
            None => self.targets.entry(rollup.key.clone()).or_default(),
        };
        match parts.get_mut(&part) {
            Some(sum) => sum.join(&rollup),
            None => {
                parts.insert(part, rollup);
            }
        }
    }

    /// The points of every target in order of time. A part in which nothing was measured has none.
    pub fn points(&self) -> impl Iterator<Item = (&TargetKey, Vec<Point>)> {
        self.targets.iter().map(|(key, parts)| {
            let point = |(part, sum): (&usize, &Rollup)| Point::of(self.grid.begins(*part), sum);
            (key, parts.iter().map(point).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{SiteId, Spread};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn rollup(secs: i64, rtt_us: u32, lost: u32) -> Rollup {
        let sketch = Sketch::of(rtt_us);
        Rollup {
            key: TargetKey { site: SiteId::new("a"), endpoint: None, check: None },
            from: at(secs),
            seconds: 60,
            probes: 1,
            failed: 0,
            local: 0,
            sent: 10,
            lost,
            lost_down: 0,
            rtt_min_us: Some(rtt_us),
            rtt_mean_us: Some(rtt_us),
            rtt_max_us: Some(rtt_us),
            jitter_us: None,
            spread: Spread { rtt: sketch, ..Spread::default() },
        }
    }

    #[test]
    fn a_spike_of_a_minute_is_still_seen_in_a_year() {
        let year = 365 * 86_400;
        let mut series = Series::on(Grid::over(at(0), at(year), 100));
        for minute in 0..year / 60 {
            let rtt = if minute == 300_000 { 900_000 } else { 20_000 };
            series.add(rollup(minute * 60, rtt, 0));
        }
        let (_, points) = series.points().next().unwrap();
        assert!(points.len() <= 100, "{}", points.len());
        let worst = points.iter().filter_map(|point| point.rtt_us).map(|rtt| rtt.max).max();
        assert_eq!(worst, Some(900_000));
        let spans = points.iter().filter_map(|point| point.rtt_us);
        assert!(spans.map(|rtt| rtt.median).all(|median| median.abs_diff(20_000) < 400));
    }

    #[test]
    fn a_part_without_measurements_has_no_point() {
        let mut series = Series::on(Grid::over(at(0), at(600), 10));
        series.add(rollup(0, 1_000, 0));
        series.add(rollup(540, 3_000, 5));
        series.add(rollup(600, 9_000, 0));
        series.add(rollup(-60, 9_000, 0));
        let (_, points) = series.points().next().unwrap();
        let told: Vec<_> = points.iter().map(|it| (it.at, it.loss())).collect();
        assert_eq!(told, [(at(0), Some(0.0)), (at(540), Some(0.5))]);
    }

    proptest! {
        #[test]
        fn no_more_points_than_asked_for_and_every_moment_has_its_place(
            from in -62_000_000_000i64..180_000_000_000,
            length in 0i64..70_000_000_000,
            most in 0usize..2_000,
            part in 0.0f64..1.0,
        ) {
            let until = at((from + length).min(253_402_207_200));
            let grid = Grid::over(at(from), until, most);
            prop_assert!(grid.points <= most.max(1));
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any moment will do")]
            let moment = at(from + ((until.as_second() - from) as f64 * part) as i64);
            if moment < until {
                let found = grid.part(moment).unwrap();
                prop_assert!(grid.begins(found) <= moment);
            }
            prop_assert_eq!(grid.part(until.max(grid.begins(grid.points))), None);
        }
    }
}
