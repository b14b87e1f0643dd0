//! Writing up afterwards: what a session was like for each of its sites, from the history alone.
//!
//! ```text
//!  store: session record, changes of health,            ┌─▶ html: a page to print, and for a phone
//!  watches, planned work, incidents,  ─▶ compile ─▶ Report ─▶ xlsx, csv: for those who count on
//!  measurements, earlier sessions                       └─▶ json: for programs
//! ```
//! Pure: it is handed the history and gives texts and bytes, so that the same history gives the
//! same report at any time. What could not be seen is never counted, neither for a site nor
//! against it, and the report says how much that was and why.

mod chart;
mod compile;
mod csv;
mod html;
mod json;
pub mod series;
mod timeline;
mod words;
mod xlsx;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use rust_xlsxwriter::XlsxError;

use crate::model::{
    Alert, Cause, CheckId, EndpointId, HealthChange, Importance, Incident, LevelId, Maintenance,
    ReportFormat, Rollup, SessionId, SessionRecord, Severity, SiteId, TargetKey, Watch,
};

pub use crate::texts::Style;
pub use compile::{EARLIER, compile};
pub use timeline::{Segment, State};

/// What is known of the time of a session.
#[derive(Debug, Clone)]
pub struct Material {
    /// The session as it was held.
    pub session: SessionRecord,
    /// When this was gathered. A session that is still on is reported up to here.
    pub as_of: Timestamp,
    /// Confirmed changes of each site, oldest first, led by the one in force at the start.
    pub health: BTreeMap<SiteId, Vec<HealthChange>>,
    /// When this monitor was watching, in order.
    pub watches: Vec<Watch>,
    /// Planned work.
    pub maintenance: Vec<Maintenance>,
    /// Incidents that were on at any moment of it, oldest first.
    pub incidents: Vec<Incident>,
    /// What was measured on the path to each site.
    pub measured: Measured,
}

/// What was measured on the path to each site in the time of a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    wanted: BTreeMap<TargetKey, SiteId>,
    sites: BTreeMap<SiteId, Rollup>,
}

impl Measured {
    /// Nothing yet, of the paths that stand for the sites of a session.
    #[must_use]
    pub fn of(session: &SessionRecord) -> Self {
        let wanted = session.sites.iter().filter_map(|it| {
            let (endpoint, check): (EndpointId, CheckId) = it.path.clone()?;
            let site = it.site.clone();
            let key =
                TargetKey { site: site.clone(), endpoint: Some(endpoint), check: Some(check) };
            Some((key, site))
        });
        Self { wanted: wanted.collect(), sites: BTreeMap::new() }
    }

    /// The targets whose measurements are wanted.
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<TargetKey> {
        self.wanted.keys().cloned().collect()
    }

    /// Adds measurements of one of them; of others nothing is kept.
    pub fn add(&mut self, rollup: &Rollup) {
        let Some(site) = self.wanted.get(&rollup.key) else { return };
        match self.sites.get_mut(site) {
            Some(sum) => sum.join(rollup),
            None => {
                self.sites.insert(site.clone(), rollup.clone());
            }
        }
    }

    /// What was measured on the path to a site.
    #[must_use]
    pub fn at(&self, site: &SiteId) -> Option<&Rollup> {
        self.sites.get(site)
    }
}

/// What a session was like.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Which session.
    pub id: SessionId,
    /// What people call it.
    pub title: String,
    /// When it began.
    pub start: Timestamp,
    /// When it ended, or is to end.
    pub end: Timestamp,
    /// Up to when it is told: the end, or the moment of writing while it is on.
    pub until: Timestamp,
    /// When the history was gathered.
    pub as_of: Timestamp,
    /// How much an outage mattered.
    pub importance: Importance,
    /// All sites together.
    pub totals: Totals,
    /// Every site, those in the worst trouble first.
    pub sites: Vec<SiteReport>,
    /// What happened, oldest first.
    pub incidents: Vec<IncidentReport>,
    /// Sites by the part of the province that they belong to.
    pub groups: Vec<Group>,
    /// How many sites did not take part as planned, from change to change.
    pub course: Vec<Moment>,
    /// Earlier sessions, the latest first.
    pub earlier: Vec<Earlier>,
    /// What was not counted, and why.
    pub exclusions: Vec<Exclusion>,
}

/// Figures of all sites together.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Sites that took part.
    pub sites: usize,
    /// Their delegates.
    pub delegates: u64,
    /// Sites that were seen, and seen well, all the time that counts.
    pub well: usize,
    /// Sites that could take part all the time, at times badly.
    pub degraded: usize,
    /// Sites that could not take part at some time.
    pub interrupted: usize,
    /// Sites of which nothing was seen.
    pub unseen: usize,
    /// Delegates at sites that could not take part at some time.
    pub delegates_interrupted: u64,
    /// Time that sites could not take part, summed over sites.
    pub lost: Duration,
    /// Time that counts, summed over sites.
    pub counted: Duration,
    /// Number of interruptions.
    pub outages: usize,
}

impl Totals {
    /// Share of the time that counts in which sites could take part, 0 to 1; none when nothing
    /// counts.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        availability(self.counted, self.lost)
    }
}

/// Share of `counted` that was not `lost`.
fn availability(counted: Duration, lost: Duration) -> Option<f64> {
    let counted = counted.as_secs_f64();
    (counted > 0.0).then(|| 1.0 - lost.as_secs_f64() / counted)
}

/// A share with so many decimals, cut and not rounded: what was interrupted is never the whole.
fn cut(share: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    // Far below the last decimal, and far above what a float cannot hold.
    (share * unit + 1e-9).floor() / unit
}

/// What a session was like for one site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteReport {
    /// The site.
    pub site: SiteId,
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: LevelId,
    /// The group that it belongs to.
    pub group: usize,
    /// Its delegates.
    pub delegates: u32,
    /// When it joined, if later than the start.
    pub joined: Option<Timestamp>,
    /// When it left, if before the end.
    pub left: Option<Timestamp>,
    /// Time in each state.
    pub time: Times,
    /// The session from its beginning to its end as this site went through it, without gaps.
    pub course: Vec<Segment>,
    /// The stretches in which it could not take part.
    pub outages: Vec<Outage>,
    /// What was measured on the path to it.
    pub path: Option<Path>,
    /// In how many of the earlier sessions it could not take part at some time, and of how many
    /// in which it took part.
    pub earlier: (usize, usize),
}

/// Time in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// Well.
    pub up: Duration,
    /// Could take part, but badly.
    pub degraded: Duration,
    /// Could not take part.
    pub down: Duration,
    /// It was not seen how it did.
    pub unseen: Duration,
    /// This monitor was not running.
    pub unwatched: Duration,
    /// Planned work was going on.
    pub planned: Duration,
    /// It did not take part yet, or no longer.
    pub absent: Duration,
}

impl Times {
    /// The time that counts.
    #[must_use]
    pub fn counted(&self) -> Duration {
        self.up + self.degraded + self.down
    }

    /// Share of the time that counts in which it could take part; none when nothing counts.
    #[must_use]
    pub fn availability(&self) -> Option<f64> {
        availability(self.counted(), self.down)
    }
}

/// A stretch in which a site could not take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

impl Outage {
    /// How long it lasted.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        between(self.from, self.until)
    }
}

/// What was measured on the path to a site. Percentiles of round trips are over echoes, those of
/// jitter, loss and opinion score over minutes in which there was a path.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Path {
    /// Echoes sent.
    pub sent: u64,
    /// Echoes lost.
    pub lost: u64,
    /// Echoes of those lost while the device was down.
    pub lost_down: u64,
    /// Round trip in milliseconds, median and 95th percentile.
    pub rtt_ms: Option<(f64, f64)>,
    /// Jitter in milliseconds, median and 95th percentile.
    pub jitter_ms: Option<(f64, f64)>,
    /// Loss of a minute in percent, median and 95th percentile.
    pub loss_percent: Option<(f64, f64)>,
    /// Mean opinion score of a minute, median and 5th percentile.
    pub mos: Option<(f64, f64)>,
}

impl Path {
    /// Share of echoes lost while there was a path, 0 to 1; none when none was sent.
    #[must_use]
    pub fn loss(&self) -> Option<f64> {
        let sent = self.sent.saturating_sub(self.lost_down);
        let lost = self.lost.saturating_sub(self.lost_down);
        #[allow(clippy::cast_precision_loss, reason = "counts of a session are far below 2^52")]
        (sent > 0).then(|| lost as f64 / sent as f64)
    }
}

/// An incident as it concerned the session.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentReport {
    /// What kind of fault.
    pub cause: Cause,
    /// How urgent it became.
    pub severity: Severity,
    /// When the fault began.
    pub began: Timestamp,
    /// From the first failed probe to the confirmed incident.
    pub detected_after: Duration,
    /// From there until somebody took it on, and who.
    pub acked_after: Option<(Duration, String)>,
    /// When the fault was over: when its last site was well again; none while it was not.
    pub ended: Option<Timestamp>,
    /// From the first failed probe to that.
    pub repaired_after: Option<Duration>,
    /// Taking-part sites that it affected, the site at fault first.
    pub sites: Vec<SiteId>,
    /// Delegates there.
    pub delegates: u64,
    /// Time that those sites could not take part because of it, summed over sites.
    pub lost: Duration,
    /// Whether it lay wholly in the time of planned work, so that nothing of it counts.
    pub planned: bool,
    /// Everything that texts need.
    pub alert: Alert,
}

/// A part of the province.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Its name: of the site that the lines of its sites run through, or of a level.
    pub name: GroupName,
    /// Its sites, by position in [`Report::sites`].
    pub sites: Vec<usize>,
    /// Time that they could not take part, summed over sites.
    pub lost: Duration,
    /// Time that counts, summed over sites.
    pub counted: Duration,
    /// Sites that could not take part at some time.
    pub interrupted: usize,
}

/// What a group is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupName {
    /// As the site that the lines run through.
    Site(String),
    /// As a level, in both languages.
    Level(crate::model::Bilingual),
}

/// How many sites were in which state from one moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// From when.
    pub at: Timestamp,
    /// Sites that could not take part.
    pub down: usize,
    /// Sites that could take part badly.
    pub degraded: usize,
    /// Sites of which it was not seen how they did.
    pub unseen: usize,
}

/// An earlier session in figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Earlier {
    /// Which session.
    pub id: SessionId,
    /// What people call it.
    pub title: String,
    /// When it began.
    pub start: Timestamp,
    /// All sites together.
    pub totals: Totals,
    /// Incidents that touched it.
    pub incidents: usize,
}

/// Time that was not counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Exclusion {
    /// Why.
    pub why: Why,
    /// The sites, by position in [`Report::sites`].
    pub sites: Vec<usize>,
    /// From when until when; of what was not seen, the earliest and the latest of it.
    pub span: (Timestamp, Timestamp),
    /// How long, summed over sites.
    pub lasted: Duration,
}

/// Why time is not counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// This monitor was not running.
    Unwatched,
    /// It could not see: its own network, load or clock; or the sites had not been heard yet.
    Unseen,
    /// Planned work, as announced.
    Planned {
        /// What was done.
        reason: String,
        /// Who announced it.
        by: String,
    },
    /// The sites joined late.
    Joined,
    /// The sites left early.
    Left,
}

/// Why a report cannot be put into a form.
#[derive(Debug)]
pub enum WriteError {
    /// The workbook cannot be put together.
    Workbook(XlsxError),
    /// The JSON cannot be put together.
    Json(serde_json::Error),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Workbook(_) => "the workbook cannot be put together",
            Self::Json(_) => "the JSON cannot be put together",
        })
    }
}

impl std::error::Error for WriteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Workbook(source) => Some(source),
            Self::Json(source) => Some(source),
        }
    }
}

/// Writes a report in a form.
///
/// # Errors
/// When the form cannot hold it.
pub fn write(report: &Report, format: ReportFormat, style: &Style) -> Result<Vec<u8>, WriteError> {
    Ok(match format {
        ReportFormat::Html => html::page(report, style, false).into_bytes(),
        ReportFormat::Xlsx => xlsx::workbook(report, style).map_err(WriteError::Workbook)?,
        ReportFormat::Csv => csv::table(report, style).into_bytes(),
        ReportFormat::Json => {
            let mut text =
                serde_json::to_vec_pretty(&json::value(report, style)).map_err(WriteError::Json)?;
            text.push(b'\n');
            text
        }
    })
}

/// The page of a report as it stands among those of the web server, with ways back to them.
#[must_use]
pub fn page(report: &Report, style: &Style) -> String {
    html::page(report, style, true)
}

/// The paragraph that tells it all, in the language of `style`.
#[must_use]
pub fn summary(report: &Report, style: &Style) -> String {
    words::Words::of(style).summary(report)
}

/// Time from one moment to another; zero when that lies before.
fn between(from: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(from)).unwrap_or_default()
}
