//! The figures, side by side, and whether they are what they are to be.

use std::fmt;

use crate::capture::Seen;
use crate::options::{Load, Subject};
use crate::targets::{Run, Timing, Told};

/// What the kernel engine may read over a capture, in microseconds: at the median, and 99 of 100.
const OVER_MEDIAN: f64 = 2.0;
const OVER_MOST: f64 = 30.0;
/// What it may take of fping's CPU per ping, from so many targets on.
const BESIDE_FPING: f64 = 0.25;
const MANY: u32 = 2_000;
/// What it may take in all at the most targets.
const MOST: u32 = 100_000;
const CORES: f64 = 1.0;
const MEGABYTES: f64 = 20.0;
/// Of how many pings it may know nothing beside busy processes; of none when it has the machine to
/// itself.
const UNKNOWN_BUSY: f64 = 0.001;
/// How much of the sample must be compared with a capture.
const COMPARED: f64 = 0.9;

/// All rows.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    duels: Vec<Duel>,
    /// What could not be measured, and why.
    left_out: Vec<String>,
}

impl Table {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("{HEADER}\n{}", row.text(None));
        self.rows.push(row);
    }

    pub(crate) fn add_duel(&mut self, duel: Duel) {
        eprintln!("{DUELS}\n{duel}");
        self.duels.push(duel);
    }

    pub(crate) fn leave_out(&mut self, what: String) {
        eprintln!("{what}");
        if !self.left_out.contains(&what) {
            self.left_out.push(what);
        }
    }

    /// What is not as it is to be. What was not measured is not.
    pub(crate) fn judge(&self) -> Vec<String> {
        let ours: Vec<&Row> =
            self.rows.iter().filter(|row| row.subject == Subject::Kernel).collect();
        let mut complaints = Vec::new();
        for &row in &ours {
            let mut demand = |holds: bool, what: String| {
                if !holds {
                    let Row { run, .. } = row;
                    complaints.push(format!("{} targets, {}: {what}", run.targets, row.when()));
                }
            };
            demand(row.lost() == 0, format!("{} lost", row.lost()));
            let (unknown, pings) = (row.told.unknown, row.run.pings());
            let share = if row.load == Load::Busy { UNKNOWN_BUSY } else { 0.0 };
            demand(unknown as f64 <= share * pings as f64, format!("{unknown} unknown"));
            demand(row.told.sent >= pings, format!("{} of {pings} sent", row.told.sent));
            if row.run.timing == Timing::Spread {
                let (compared, sampled) = (row.over.len(), row.run.sampled_pings());
                let what = format!("{compared} of {sampled} compared with a capture");
                demand(compared as f64 >= COMPARED * sampled as f64, what);
                let median = row.quantile(0.5).unwrap_or(f64::NAN);
                let what = format!("reads {median:+.1} us over at the median, of {OVER_MEDIAN}");
                demand(median.abs() <= OVER_MEDIAN, what);
                let off = row.off(0.99).unwrap_or(f64::NAN);
                demand(off <= OVER_MOST, format!("{off:.1} us off for 99 of 100, of {OVER_MOST}"));
                let is_beside =
                    |duel: &&Duel| (duel.run.targets, duel.load) == (row.run.targets, row.load);
                if row.run.targets >= MANY && Subject::Fping.carries(row.run.targets) {
                    let ratio = self.duels.iter().find(is_beside).map(Duel::ratio);
                    let what = ratio.map_or_else(
                        || "not measured beside fping".to_owned(),
                        |ratio| format!("{ratio:.2} of fping's CPU, of {BESIDE_FPING}"),
                    );
                    demand(ratio.is_some_and(|ratio| ratio <= BESIDE_FPING), what);
                }
            }
            if row.run.targets >= MOST {
                let (cores, megabytes) = (row.cores(), row.megabytes());
                demand(cores <= CORES, format!("{cores:.2} cores, of {CORES}"));
                demand(megabytes <= MEGABYTES, format!("{megabytes:.1} MB, of {MEGABYTES}"));
            }
        }
        if ours.is_empty() {
            complaints.push("the kernel engine was not measured".to_owned());
        }
        complaints
    }

    /// What a ping cost fping in the same circumstances.
    fn fping_beside(&self, row: &Row) -> Option<f64> {
        let same = |other: &&Row| {
            let Run { targets, timing, .. } = other.run;
            let here = (targets, timing, other.load) == (row.run.targets, row.run.timing, row.load);
            other.subject == Subject::Fping && here
        };
        self.rows.iter().find(same).map(Row::cpu_per_ping)
    }
}

/// The kernel engine and fping in turns.
pub(crate) struct Duel {
    pub(crate) run: Run,
    pub(crate) load: Load,
    /// What a ping cost each, in microseconds, turn by turn.
    pub(crate) turns: Vec<(f64, f64)>,
}

impl Duel {
    /// What a ping cost of fping's: the median of all turns.
    fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    fn ratios(&self) -> Vec<f64> {
        self.turns.iter().map(|(ours, theirs)| ours / theirs).collect()
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

const DUELS: &str = "\
| targets | load     | turns | kernel µs/ping | fping µs/ping | to fping | least | most  |
|--------:|----------|------:|---------------:|--------------:|---------:|------:|------:|";

impl fmt::Display for Duel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = self.turns.iter().copied().unzip();
        let ratios = self.ratios();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        write!(
            f,
            "| {:>7} | {:<8} | {:>5} | {:>14.2} | {:>13.2} | {:>8.3} | {least:>5.3} | {most:>5.3} |",
            self.run.targets,
            self.load,
            self.turns.len(),
            median(ours),
            median(theirs),
            self.ratio(),
        )
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
    /// Targets of the sample of which a request was not sent or not captured: it is not known which
    /// round trip is whose.
    unpaired: usize,
}

impl Row {
    pub(crate) fn new(
        subject: Subject,
        run: Run,
        load: Load,
        told: Told,
        seen: Option<&Seen>,
    ) -> Self {
        let (mut over, mut unpaired) = (Vec::new(), 0);
        for (place, truths) in seen.into_iter().flat_map(|seen| &seen.sample) {
            let Some(told) = told.sample.get(*place).filter(|told| told.len() == truths.len())
            else {
                unpaired += 1;
                continue;
            };
            for (told, truth) in told.iter().zip(truths) {
                if let (Some(told), Some(truth)) = (told, truth) {
                    over.push((*told as f64 - *truth as f64) / 1_000.0);
                }
            }
        }
        over.sort_by(f64::total_cmp);
        let missed = seen.map_or(0, |seen| seen.missed);
        Self { subject, run, load, told, over, missed, unpaired }
    }

    fn cpu_per_ping(&self) -> f64 {
        self.told.cpu_per_ping()
    }

    /// Pings that were neither answered nor missed by the engine's own word.
    const fn lost(&self) -> u64 {
        self.run.pings().saturating_sub(self.told.received + self.told.unknown)
    }

    /// All that it took, to the time in which it was to ping: what it takes to start and to end
    /// counts as well.
    fn cores(&self) -> f64 {
        self.told.cpu.as_secs_f64() / f64::from(self.run.seconds)
    }

    fn megabytes(&self) -> f64 {
        self.told.rss_kib as f64 * 1024.0 / 1e6
    }

    fn when(&self) -> String {
        match self.run.timing {
            Timing::Spread => self.load.to_string(),
            Timing::OneTick => "one tick".to_owned(),
        }
    }

    fn quantile(&self, share: f64) -> Option<f64> {
        quantile(&self.over, share)
    }

    /// How far off it is, over or under, in microseconds.
    fn off(&self, share: f64) -> Option<f64> {
        let mut off: Vec<f64> = self.over.iter().copied().map(f64::abs).collect();
        off.sort_by(f64::total_cmp);
        quantile(&off, share)
    }

    fn over(&self, share: f64) -> String {
        self.quantile(share).map_or_else(|| "-".to_owned(), |over| format!("{over:+.1}"))
    }

    fn text(&self, fping: Option<f64>) -> String {
        let Told { sent, unknown, .. } = self.told;
        let beside_fping = fping
            .map_or_else(|| "-".to_owned(), |fping| format!("{:.2}", self.cpu_per_ping() / fping));
        let late = self.told.late.map_or_else(|| "-".to_owned(), |late| format!("{late:.1?}"));
        format!(
            "| {:>7} | {:<8} | {:<8} | {:>8} | {:>5} | {:>7} | {:>8.2} | {:>6.1} | {:>8} | {:>6.1} | {:>7} | {:>7} | {:>8} | {:>8} | {:>6} | {:>7.1} | {:>8} |",
            self.run.targets,
            self.when(),
            self.subject,
            sent,
            self.lost(),
            unknown,
            self.cpu_per_ping(),
            100.0 * self.cores(),
            beside_fping,
            self.megabytes(),
            self.over(0.5),
            self.over(0.99),
            self.over(0.999),
            self.over(1.0),
            self.over.len(),
            self.told.took.as_secs_f64(),
            late,
        ) + &if self.missed > 0 || self.unpaired > 0 {
            format!(" capture missed {}, {} targets left out", self.missed, self.unpaired)
        } else {
            String::new()
        }
    }
}

/// The figure below which this share of an ascending list lies.
fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let last = ascending.len().saturating_sub(1);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of the list"
    )]
    let at = (last as f64 * share).round() as usize;
    ascending.get(at).copied()
}

const HEADER: &str = "\
| targets | load     | engine   |    pings |  lost | unknown | µs/ping  | CPU %  | to fping | RSS MB | over p50 |  p99   |  p99.9   |  max µs  | of     | took s  | worst late |
|--------:|----------|----------|---------:|------:|--------:|---------:|-------:|---------:|-------:|--------:|--------:|---------:|---------:|-------:|--------:|---------:|";

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for row in &self.rows {
            writeln!(f, "{}", row.text(self.fping_beside(row)))?;
        }
        self.left_out.iter().try_for_each(|what| writeln!(f, "{what}"))?;
        if !self.duels.is_empty() {
            writeln!(f, "\nIn turns, one right behind the other:\n\n{DUELS}")?;
        }
        self.duels.iter().try_for_each(|duel| writeln!(f, "{duel}"))
    }
}
