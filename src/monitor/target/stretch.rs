//! What reports measure by: the counts and round trips of one target between two rollups.

use std::time::Duration;

use crate::model::{Mono, Now, Rollup, Sketch, Spread, TargetKey, micros};
use crate::monitor::grade::GradeRules;
use crate::quality::{Figures, Jitter};

/// Counts since the last rollup.
#[derive(Debug, Clone, Default)]
pub(super) struct Stretch {
    began: Mono,
    pub(super) probes: u32,
    pub(super) failed: u32,
    pub(super) local: u32,
    pub(super) sent: u32,
    pub(super) lost: u32,
    pub(super) lost_down: u32,
    rtt_sum_us: u64,
    rtt_min_us: u32,
    rtt_max_us: u32,
    jitter: Jitter,
    sketch: Sketch,
}

impl Stretch {
    /// Nothing yet, from this moment on.
    pub(super) fn new(began: Mono) -> Self {
        Self { began, ..Self::default() }
    }

    /// Ends it and begins another: its measurements, unless there are none.
    pub(super) fn roll_up(
        &mut self,
        key: impl FnOnce() -> TargetKey,
        rules: &GradeRules,
        now: Now,
    ) -> Option<Rollup> {
        let jitter = self.jitter;
        let next = Self { began: now.mono, jitter, ..Self::default() };
        let done = std::mem::replace(self, next);
        let length = now.mono - done.began;
        if done.probes == 0 && done.local == 0 {
            return None;
        }
        let measured = !done.sketch.is_empty();
        let spread = done.spread(rules);
        let mean = done.rtt_sum_us.checked_div(done.sketch.count());
        Some(Rollup {
            key: key(),
            from: now.wall_at(done.began),
            seconds: u32::try_from(length.as_millis().div_ceil(1000)).unwrap_or(u32::MAX),
            probes: done.probes,
            failed: done.failed,
            local: done.local,
            sent: done.sent,
            lost: done.lost,
            lost_down: done.lost_down,
            rtt_min_us: measured.then_some(done.rtt_min_us),
            rtt_mean_us: mean.and_then(|us| u32::try_from(us).ok()),
            rtt_max_us: measured.then_some(done.rtt_max_us),
            jitter_us: measured.then(|| micros(jitter.get())),
            spread,
        })
    }

    /// Counts a round trip.
    pub(super) fn measure(&mut self, rtt: Duration) {
        let us = micros(rtt);
        self.rtt_min_us = if self.sketch.is_empty() { us } else { self.rtt_min_us.min(us) };
        self.rtt_max_us = self.rtt_max_us.max(us);
        self.rtt_sum_us += u64::from(us);
        self.jitter.record(rtt);
        self.sketch.record(us);
    }

    /// The stretch as distributions: of every reply its round trip; of the stretch as a whole, if
    /// the target was pinged and answered at all, its jitter, its loss and what they mean for a
    /// conversation. Silence is no bad path; it is counted elsewhere.
    fn spread(&self, rules: &GradeRules) -> Spread {
        let mut spread = Spread { rtt: self.sketch.clone(), ..Spread::default() };
        let sent = self.sent.saturating_sub(self.lost_down);
        let Some(median) = self.sketch.percentile(50).filter(|_| sent > 0) else { return spread };
        let lost = self.lost.saturating_sub(self.lost_down).min(sent);
        let figures = Figures {
            samples: sent,
            loss: f64::from(lost) / f64::from(sent),
            median: Duration::from_micros(u64::from(median)),
            p95: Duration::ZERO,
            jitter: self.jitter.get(),
        };
        spread.jitter = Sketch::of(micros(figures.jitter));
        spread.loss = Sketch::of(hundredths(figures.loss * 100.0));
        spread.mos = Sketch::of(hundredths(rules.quality(&figures).mos.into()));
        spread
    }
}

/// A small figure in hundredths.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=10000 before"
)]
fn hundredths(figure: f64) -> u32 {
    (figure * 100.0).round().clamp(0.0, 10_000.0) as u32
}
