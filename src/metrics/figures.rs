//! The daemon's own figures: what this process counts while it works.
//!
//! These are few and do not grow with the province, so they are objects of the `prometheus`
//! crate, which counts them without locks. Nothing with a label for sites or targets may be kept
//! here: gathering a hundred thousand such series takes the crate a fifth of a second.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::model::{CheckId, Detail, LevelId, LevelIx, Outcome, RttList, Topology};

use super::table::{self, Metric};
use super::text::Page;

/// The daemon's own figures. Clones share them.
#[derive(Debug, Clone)]
pub struct Figures {
    registry: Registry,
    level_rtt: HistogramVec,
    failures: IntCounterVec,
    lateness: Histogram,
    reloads_succeeded: IntCounter,
    reloads_failed: IntCounter,
    reload_successful: IntGauge,
    reload_success_time: Gauge,
    calendar_working: IntGaugeVec,
    calendar_sessions: IntGaugeVec,
    calendar_troubles: IntGaugeVec,
    reports_written: IntCounter,
    reports_failed: IntCounter,
    reports_failing: IntGauge,
    requests: IntCounterVec,
    connections: IntGauge,
    viewers: IntGauge,
    renderings: Histogram,
    heartbeat_success: Gauge,
    heartbeat_failures: IntCounter,
    heartbeat_held: IntGauge,
}

impl Figures {
    /// Figures that begin at zero. `started` counts as a successful reload.
    ///
    /// # Panics
    /// When the table holds an invalid or a double name, which a test rules out.
    #[must_use]
    pub fn new(version: &str, started: Timestamp) -> Self {
        let registry = Registry::new();
        let reloads = counters(&registry, &table::RELOADS);
        let reports = counters(&registry, &table::REPORTS);
        let figures = Self {
            level_rtt: kept(
                &registry,
                HistogramVec::new(
                    buckets(&table::LEVEL_RTT, table::RTT_BUCKETS),
                    table::LEVEL_RTT.labels,
                ),
            ),
            failures: counters(&registry, &table::FAILURES),
            lateness: times(&registry, &table::LATENESS, table::LATENESS_BUCKETS),
            reloads_succeeded: reloads.with_label_values(&["success"]),
            reloads_failed: reloads.with_label_values(&["failure"]),
            reload_successful: kept(
                &registry,
                IntGauge::with_opts(options(&table::RELOAD_SUCCESSFUL)),
            ),
            reload_success_time: kept(
                &registry,
                Gauge::with_opts(options(&table::RELOAD_SUCCESS_TIME)),
            ),
            calendar_working: gauges(&registry, &table::CALENDAR_WORKING),
            calendar_sessions: gauges(&registry, &table::CALENDAR_SESSIONS),
            calendar_troubles: gauges(&registry, &table::CALENDAR_TROUBLES),
            reports_written: reports.with_label_values(&["success"]),
            reports_failed: reports.with_label_values(&["failure"]),
            reports_failing: kept(&registry, IntGauge::with_opts(options(&table::REPORTS_FAILING))),
            requests: counters(&registry, &table::HTTP_REQUESTS),
            connections: kept(&registry, IntGauge::with_opts(options(&table::HTTP_CONNECTIONS))),
            viewers: kept(&registry, IntGauge::with_opts(options(&table::BOARD_VIEWERS))),
            renderings: times(&registry, &table::RENDER_DURATION, table::RENDER_BUCKETS),
            heartbeat_success: kept(
                &registry,
                Gauge::with_opts(options(&table::HEARTBEAT_SUCCESS)),
            ),
            heartbeat_failures: kept(
                &registry,
                IntCounter::with_opts(options(&table::HEARTBEAT_FAILURES)),
            ),
            heartbeat_held: kept(&registry, IntGauge::with_opts(options(&table::HEARTBEAT_HELD))),
            registry,
        };
        let build = options(&table::BUILD_INFO).const_label("version", version);
        kept(&figures.registry, IntGauge::with_opts(build)).set(1);
        figures.reload_successful.set(1);
        figures.reload_success_time.set(unix_seconds(started));
        figures
    }

    /// Where further collectors are registered: that of the process, which reads the operating
    /// system and therefore comes from a room with hands.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Counts a reload of the configuration.
    pub fn reloaded(&self, success: bool, at: Timestamp) {
        if success {
            self.reloads_succeeded.inc();
            self.reload_success_time.set(unix_seconds(at));
        } else {
            self.reloads_failed.inc();
        }
        self.reload_successful.set(i64::from(success));
    }

    /// Notes how a calendar does.
    pub fn calendar(&self, name: &str, working: bool, sessions: u32, troubles: usize) {
        let troubles = i64::try_from(troubles).unwrap_or(i64::MAX);
        self.calendar_troubles.with_label_values(&[name]).set(troubles);
        self.calendar_working.with_label_values(&[name]).set(working.into());
        self.calendar_sessions.with_label_values(&[name]).set(sessions.into());
    }

    /// Forgets a calendar that is in the settings no longer.
    pub fn no_calendar(&self, name: &str) {
        // They are there unless it was never noted.
        let _ = self.calendar_working.remove_label_values(&[name]);
        let _ = self.calendar_sessions.remove_label_values(&[name]);
        let _ = self.calendar_troubles.remove_label_values(&[name]);
    }

    /// Counts attempts to write up sessions that are over; all that are due are tried together.
    pub fn written_up(&self, written: usize, failed: usize) {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        self.reports_written.inc_by(count(written));
        self.reports_failed.inc_by(count(failed));
        self.reports_failing.set(i64::try_from(failed).unwrap_or(i64::MAX));
    }

    /// Counts an answered request. `handler` is the pattern of a route, never a path as asked for.
    pub fn answered(&self, handler: &str, code: &str) {
        self.requests.with_label_values(&[handler, code]).inc();
    }

    /// Counts a connection as open until the guard is dropped.
    #[must_use]
    pub fn connected(&self) -> Connected {
        self.connections.inc();
        Connected(self.connections.clone())
    }

    /// How many look at the board at this moment.
    #[must_use]
    pub const fn viewers(&self) -> &IntGauge {
        &self.viewers
    }

    /// Whether the sign of life to a watchdog is held back, because this monitor does not watch.
    pub fn heartbeat_held(&self, held: bool) {
        self.heartbeat_held.set(i64::from(held));
    }

    /// Counts a sign of life: `through` if the watchdog took it.
    pub fn heartbeat_given(&self, through: bool, at: Timestamp) {
        if through {
            self.heartbeat_success.set(unix_seconds(at));
        } else {
            self.heartbeat_failures.inc();
        }
    }

    /// Counts a rendering of the page of metrics.
    pub fn rendered(&self, took: Duration) {
        self.renderings.observe(took.as_secs_f64());
    }

    /// What counts outcomes. There should be one, owned by whoever hands outcomes to the monitor.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            level_rtt: self.level_rtt.clone(),
            failures: self.failures.clone(),
            lateness: self.lateness.clone(),
            topology: Arc::default(),
            generation: 0,
            by_level: Vec::new(),
            levels: Vec::new(),
            by_reason: BTreeMap::new(),
        }
    }

    /// Appends the families in the text format.
    pub fn write(&self, out: &mut Page<'_>) {
        // The encoder refuses only families without a name or a series, which gathering leaves
        // out.
        let _ = TextEncoder::new().encode_utf8(&self.registry.gather(), out.text());
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connected(IntGauge);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Counts outcomes: round trips by level, failures by reason, lateness. An outcome costs some
/// fifty nanoseconds, since the counters are found once and kept.
#[derive(Debug)]
pub struct Tally {
    level_rtt: HistogramVec,
    failures: IntCounterVec,
    lateness: Histogram,
    topology: Arc<Topology>,
    generation: u32,
    by_level: Vec<Histogram>,
    /// The level of each target's site, close together: asking the sites themselves takes longer
    /// than all the rest.
    levels: Vec<LevelIx>,
    by_reason: BTreeMap<(CheckId, &'static str), IntCounter>,
}

impl Tally {
    /// Takes on another topology. Counters of levels and checks that stay are kept, those of
    /// others are removed.
    pub fn adopt(&mut self, topology: &Arc<Topology>, generation: u32) {
        let stays = |id: &LevelId| topology.levels.iter().any(|level| level.id == *id);
        for level in self.topology.levels.iter().filter(|level| !stays(&level.id)) {
            // It is there: it was made when the old topology was taken on.
            let _ = self.level_rtt.remove_label_values(&[level.id.as_str()]);
        }
        let failures = &self.failures;
        self.by_reason.retain(|(check, reason), _| {
            let stays = topology.checks.iter().any(|known| known.id == *check);
            if !stays {
                let _ = failures.remove_label_values(&[check.as_str(), reason]);
            }
            stays
        });
        let histogram = |id: &LevelId| self.level_rtt.with_label_values(&[id.as_str()]);
        self.by_level = topology.levels.iter().map(|level| histogram(&level.id)).collect();
        self.levels = topology.targets.iter().map(|it| topology.site(it.site).level).collect();
        self.topology = Arc::clone(topology);
        self.generation = generation;
    }

    /// Counts an outcome; one of an older topology is left out.
    pub fn record(&mut self, outcome: &Outcome) {
        if outcome.request.generation != self.generation {
            return;
        }
        let target = outcome.request.target;
        let Some(level) = self.levels.get(target.ix()) else { return };
        self.lateness.observe(outcome.lateness().as_secs_f64());
        match &outcome.result {
            Ok(reply) => {
                let Detail::Icmp(detail) = &reply.detail else { return };
                let Some(histogram) = self.by_level.get(level.ix()) else { return };
                for rtt in RttList::as_slice(&detail.rtts) {
                    histogram.observe(rtt.as_secs_f64());
                }
            }
            Err(failure) => {
                let check = &self.topology.check_of(target).id;
                let failures = &self.failures;
                let counter = || failures.with_label_values(&[check.as_str(), failure.word()]);
                self.by_reason.entry((check.clone(), failure.word())).or_insert_with(counter).inc();
            }
        }
    }
}

/// Registers what the table describes.
fn kept<C: Collector + Clone + 'static>(registry: &Registry, made: prometheus::Result<C>) -> C {
    let made = made.expect("the table holds valid names, as a test makes sure");
    registry
        .register(Box::new(made.clone()))
        .expect("the table holds every name once, as a test makes sure");
    made
}

fn options(metric: &Metric) -> Opts {
    Opts::new(metric.name, metric.help)
}

fn buckets(metric: &Metric, upper: &[f64]) -> HistogramOpts {
    HistogramOpts::from(options(metric)).buckets(upper.to_vec())
}

fn counters(registry: &Registry, metric: &Metric) -> IntCounterVec {
    kept(registry, IntCounterVec::new(options(metric), metric.labels))
}

fn gauges(registry: &Registry, metric: &Metric) -> IntGaugeVec {
    kept(registry, IntGaugeVec::new(options(metric), metric.labels))
}

fn times(registry: &Registry, metric: &Metric, upper: &[f64]) -> Histogram {
    kept(registry, Histogram::with_opts(buckets(metric, upper)))
}

fn unix_seconds(at: Timestamp) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of any date fit 53 bits")]
    let milliseconds = at.as_millisecond() as f64;
    milliseconds / 1e3
}
