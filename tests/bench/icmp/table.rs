//! The figures, side by side.

use std::fmt;

use crate::capture::Seen;
use crate::options::{Load, Subject};
use crate::targets::{Run, Timing, Told};

/// All rows.
#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{HEADER}\n{}", row.text(None));
        self.0.push(row);
    }
}

/// One measurement.
pub(crate) struct Row {
    subject: Subject,
    run: Run,
    load: Load,
    told: Told,
    /// What the engine said minus what the capture said, in microseconds, ascending.
    over: Vec<f64>,
    missed: u64,
}

impl Row {
    pub(crate) fn new(
        subject: Subject,
        run: Run,
        load: Load,
        told: Told,
        seen: Option<&Seen>,
    ) -> Self {
        let mut over = Vec::new();
        for (place, truths) in seen.into_iter().flat_map(|seen| &seen.sample) {
            let told = told.sample.get(*place).into_iter().flatten();
            for (told, truth) in told.zip(truths) {
                if let (Some(told), Some(truth)) = (told, truth) {
                    over.push((*told as f64 - *truth as f64) / 1_000.0);
                }
            }
        }
        over.sort_by(f64::total_cmp);
        Self { subject, run, load, told, over, missed: seen.map_or(0, |seen| seen.missed) }
    }

    fn cpu_per_ping(&self) -> f64 {
        self.told.cpu.as_secs_f64() * 1e6 / self.told.sent as f64
    }

    fn quantile(&self, share: f64) -> String {
        let last = self.over.len().saturating_sub(1);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of the list"
        )]
        let at = (last as f64 * share).round() as usize;
        self.over.get(at).map_or_else(|| "-".to_owned(), |over| format!("{over:+.1}"))
    }

    fn text(&self, fping: Option<f64>) -> String {
        let Told { sent, received, unknown, .. } = self.told;
        let lost = self.run.pings().saturating_sub(received + unknown);
        let load = match self.run.timing {
            Timing::Spread => self.load.to_string(),
            Timing::OneTick => "one tick".to_owned(),
        };
        let beside_fping = fping
            .map_or_else(|| "-".to_owned(), |fping| format!("{:.2}", self.cpu_per_ping() / fping));
        let late = self.told.late.map_or_else(|| "-".to_owned(), |late| format!("{late:.1?}"));
        format!(
            "| {:>7} | {:<8} | {:<8} | {:>8} | {:>5} | {:>7} | {:>8.2} | {:>6.1} | {:>8} | {:>6.1} | {:>7} | {:>7} | {:>8} | {:>8} | {:>6} | {:>7.1} | {:>8} |",
            self.run.targets,
            load,
            self.subject,
            sent,
            lost,
            unknown,
            self.cpu_per_ping(),
            100.0 * self.told.cpu.as_secs_f64() / self.told.took.as_secs_f64(),
            beside_fping,
            self.told.rss_kib as f64 / 1024.0,
            self.quantile(0.5),
            self.quantile(0.99),
            self.quantile(0.999),
            self.quantile(1.0),
            self.over.len(),
            self.told.took.as_secs_f64(),
            late,
        ) + &if self.missed > 0 {
            format!(" capture missed {}", self.missed)
        } else {
            String::new()
        }
    }
}

const HEADER: &str = "\
| targets | load     | engine   |    pings |  lost | unknown | µs/ping  | CPU %  | to fping | RSS MB | over p50 |  p99   |  p99.9   |  max µs  | of     | took s  | worst late |
|--------:|----------|----------|---------:|------:|--------:|---------:|-------:|---------:|-------:|--------:|--------:|---------:|---------:|-------:|--------:|---------:|";

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for row in &self.0 {
            let fping = self.0.iter().find(|other| {
                other.subject == Subject::Fping
                    && other.run.targets == row.run.targets
                    && other.load == row.load
            });
            writeln!(f, "{}", row.text(fping.map(Row::cpu_per_ping)))?;
        }
        Ok(())
    }
}
