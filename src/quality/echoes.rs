//! A sliding window over echoes: what was lost lately and how long the rest took.
//!
//! Written to once for every echo of every path, so recording costs no allocation and the
//! judgements need no sorting; percentiles are worked out only when somebody looks.

use std::collections::VecDeque;
use std::time::Duration;

use super::emodel::{self, CodecLoss};
use super::jitter::Jitter;
use crate::model::{Mono, Quality, QualityGrade, micros};

/// Echoes kept at most, whatever the window: trains fill it quickly.
const MOST: usize = 256;
/// Echoes for which there is more room when there is too little.
const ROOM: usize = 2;
/// Stands for an echo that was not answered.
const LOST: u32 = u32::MAX;

/// Round trips from which a path is fair and poor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From here on it is fair.
    pub fair: Duration,
    /// From here on it is poor.
    pub poor: Duration,
}

/// The echoes of the last while, newest last.
#[derive(Debug, Clone, Default)]
pub struct Echoes {
    echoes: VecDeque<Echo>,
    lost: u16,
    /// Answered echoes at or beyond the fair limit.
    fair: u16,
    /// Answered echoes at or beyond the poor limit.
    poor: u16,
    jitter: Jitter,
}

#[derive(Debug, Clone, Copy)]
struct Echo {
    /// Milliseconds since the origin, wrapping after 49 days; only differences are used.
    at_ms: u32,
    /// Microseconds, or [`LOST`].
    rtt_us: u32,
}

/// What the window shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Echoes sent.
    pub samples: u32,
    /// Share not answered, 0 to 1.
    pub loss: f64,
    /// Median round trip; zero when none was answered.
    pub median: Duration,
    /// 95th percentile of the round trip; zero when none was answered.
    pub p95: Duration,
    /// Round-trip jitter.
    pub jitter: Duration,
}

impl Echoes {
    /// Makes room for `count` echoes at once, unless there is some: a window has its length soon
    /// and keeps it. To grow with it step by step would leave holes behind, of which there are
    /// many.
    pub fn expect(&mut self, count: impl FnOnce() -> usize) {
        if self.echoes.capacity() == 0 {
            self.echoes.reserve_exact(count().min(MOST));
        }
    }

    /// Takes in an echo sent at `at`: its round trip, or none when it was lost.
    pub fn record(&mut self, at: Mono, rtt: Option<Duration>, limits: &Limits) {
        if self.echoes.len() == MOST {
            self.drop_oldest(limits);
        }
        let rtt_us = rtt.map_or(LOST, |rtt| micros(rtt).min(LOST - 1));
        match rtt {
            Some(rtt) => self.jitter.record(rtt),
            None => self.lost += 1,
        }
        self.fair += u16::from(beyond(rtt_us, limits.fair));
        self.poor += u16::from(beyond(rtt_us, limits.poor));
        if self.echoes.len() == self.echoes.capacity() {
            // There are many, and doubling would leave nearly half of each empty.
            self.echoes.reserve_exact(ROOM.max(self.echoes.len() / 8));
        }
        self.echoes.push_back(Echo { at_ms: millis(at), rtt_us });
    }

    /// Forgets what is older than `span` at `now`.
    pub fn expire(&mut self, now: Mono, span: Duration, limits: &Limits) {
        let now = millis(now);
        let span = u32::try_from(span.as_millis()).unwrap_or(u32::MAX / 2);
        while self.echoes.front().is_some_and(|echo| now.wrapping_sub(echo.at_ms) > span) {
            self.drop_oldest(limits);
        }
    }

    /// Forgets everything: what was measured belongs to another time.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Echoes in the window.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.echoes.len()).unwrap_or(u32::MAX)
    }

    /// Whether nothing was sent lately.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.echoes.is_empty()
    }

    /// Echoes in the window that were answered.
    #[must_use]
    pub fn answered(&self) -> u32 {
        self.len() - u32::from(self.lost)
    }

    /// Echoes in the window that were not.
    #[must_use]
    pub fn lost(&self) -> u32 {
        u32::from(self.lost)
    }

    /// The grade of the median round trip; it needs no sorting.
    #[must_use]
    pub fn delay_grade(&self) -> QualityGrade {
        let answered = self.answered();
        if u32::from(self.poor) * 2 > answered {
            QualityGrade::Poor
        } else if u32::from(self.fair) * 2 > answered {
            QualityGrade::Fair
        } else {
            QualityGrade::Good
        }
    }

    /// The jitter so far.
    #[must_use]
    pub fn jitter(&self) -> Duration {
        self.jitter.get()
    }

    /// What the window shows; none when it is empty.
    #[must_use]
    pub fn figures(&self) -> Option<Figures> {
        if self.echoes.is_empty() {
            return None;
        }
        let mut rtts = [0u32; MOST];
        let mut answered = 0;
        for echo in self.echoes.iter().filter(|echo| echo.rtt_us != LOST) {
            rtts[answered] = echo.rtt_us;
            answered += 1;
        }
        let rtts = &mut rtts[..answered];
        rtts.sort_unstable();
        let at = |share: usize| {
            let rank = (answered * share).div_ceil(100).max(1) - 1;
            rtts.get(rank).map_or(Duration::ZERO, |us| Duration::from_micros(u64::from(*us)))
        };
        Some(Figures {
            samples: self.len(),
            loss: f64::from(self.lost) / f64::from(self.len()),
            median: at(50),
            p95: at(95),
            jitter: self.jitter(),
        })
    }

    fn drop_oldest(&mut self, limits: &Limits) {
        if let Some(echo) = self.echoes.pop_front() {
            self.lost -= u16::from(echo.rtt_us == LOST);
            self.fair = self.fair.saturating_sub(u16::from(beyond(echo.rtt_us, limits.fair)));
            self.poor = self.poor.saturating_sub(u16::from(beyond(echo.rtt_us, limits.poor)));
        }
    }
}

impl Figures {
    /// The figures with what they mean for a conversation over `codec`.
    ///
    /// The one-way delay from mouth to ear is taken as half the round trip, two jitters of buffer
    /// and 30 ms in the devices.
    #[must_use]
    pub fn quality(&self, codec: CodecLoss, grade: QualityGrade) -> Quality {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        #[allow(clippy::cast_possible_truncation, reason = "seven digits are plenty for a figure")]
        let short = |figure: f64| figure as f32;
        let one_way = ms(self.median) / 2.0 + 2.0 * ms(self.jitter) + 30.0;
        let r = emodel::rating(one_way, self.loss, codec);
        Quality {
            samples: u16::try_from(self.samples).unwrap_or(u16::MAX),
            loss: short(self.loss),
            rtt_s: self.median.as_secs_f32(),
            rtt_p95_s: self.p95.as_secs_f32(),
            jitter_s: self.jitter.as_secs_f32(),
            r: short(r),
            mos: short(emodel::mos(r)),
            grade,
        }
    }
}

/// Whether an answered echo took as long as `limit`.
fn beyond(rtt_us: u32, limit: Duration) -> bool {
    rtt_us != LOST && rtt_us >= micros(limit)
}

#[allow(clippy::cast_possible_truncation, reason = "only differences within the window are used")]
fn millis(at: Mono) -> u32 {
    (at.as_nanos() / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { fair: Duration::from_millis(150), poor: Duration::from_millis(400) };

    fn at(ms: u64) -> Mono {
        Mono::ZERO + Duration::from_millis(ms)
    }

    fn ms(ms: u64) -> Option<Duration> {
        Some(Duration::from_millis(ms))
    }

    #[test]
    fn the_window_slides() {
        let mut echoes = Echoes::default();
        for second in 0..60 {
            echoes.record(at(second * 1000), ms(10), &LIMITS);
            echoes.expire(at(second * 1000), Duration::from_secs(15), &LIMITS);
        }
        assert_eq!(echoes.len(), 16);
        let figures = echoes.figures().unwrap();
        assert_eq!((figures.loss, figures.median), (0.0, Duration::from_millis(10)));
        echoes.expire(at(120_000), Duration::from_secs(15), &LIMITS);
        assert!(echoes.is_empty() && echoes.figures().is_none());
    }

    #[test]
    fn loss_and_percentiles_count_what_was_sent_and_what_was_answered() {
        let mut echoes = Echoes::default();
        for n in 1..=100 {
            echoes.record(at(n), if n % 10 == 0 { None } else { ms(n) }, &LIMITS);
        }
        let figures = echoes.figures().unwrap();
        assert!((figures.loss - 0.1).abs() < 1e-9);
        assert_eq!(figures.median, Duration::from_millis(49));
        assert_eq!(figures.p95, Duration::from_millis(95));
    }

    #[test]
    fn the_grade_of_the_delay_is_that_of_the_median() {
        let mut echoes = Echoes::default();
        for n in 0..10 {
            echoes.record(at(n), ms(10), &LIMITS);
        }
        for n in 10..15 {
            echoes.record(at(n), ms(420), &LIMITS);
        }
        assert_eq!(echoes.delay_grade(), QualityGrade::Good, "a third is not the median");
        for n in 15..22 {
            echoes.record(at(n), ms(420), &LIMITS);
        }
        assert_eq!(echoes.delay_grade(), QualityGrade::Poor);
        let median = echoes.figures().unwrap().median;
        assert_eq!(median, Duration::from_millis(420));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut echoes = Echoes::default();
        for n in 0..10_000 {
            echoes.record(at(n), None, &LIMITS);
        }
        assert_eq!(echoes.figures().unwrap().samples as usize, MOST);
        assert!((echoes.figures().unwrap().loss - 1.0).abs() < 1e-9);
    }

    #[test]
    fn quality_says_what_the_figures_mean() {
        let figures = Figures {
            samples: 100,
            loss: 0.0,
            median: Duration::from_millis(140),
            p95: Duration::from_millis(150),
            jitter: Duration::ZERO,
        };
        let quality = figures.quality(emodel::G711_PLC, QualityGrade::Good);
        assert!((quality.r - 90.8).abs() < 1e-5 && (quality.mos - 4.3581).abs() < 1e-3);
    }
}
