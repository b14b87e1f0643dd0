//! How the monitor itself does, in one look: whether it sees, whether what it decides reaches the
//! disk and the people, what became of the configuration, what comes next.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::views::ByHealth;
use crate::model::{
    Calendar, ChannelStatus, MonitorView, SessionId, Snapshot, StoreStatus, StoreTrouble, Verdict,
};
use crate::web::Condition;

/// How the whole does.
#[derive(Serialize)]
pub(super) struct Status<'a> {
    version: &'static str,
    /// In which people are told of moments.
    time_zone: Option<&'a str>,
    taken: Timestamp,
    generation: u32,
    ready: bool,
    not_ready: &'a [String],
    blind: bool,
    blind_reasons: Vec<String>,
    sites: ByHealth<u32>,
    targets: usize,
    incidents: usize,
    store: StoreRow,
    channels: &'a [ChannelStatus],
    configuration: ConfigurationRow<'a>,
    engine: EngineRow,
    /// The last drill that is over, and whether every channel accepted it.
    drill: Option<DrillRow>,
    /// The last readiness run of the session that is next.
    readiness: Option<ReadinessRow<'a>>,
    /// The session that begins next.
    next_session: Option<NextSession<'a>>,
}

impl<'a> Status<'a> {
    pub(super) fn of(
        snapshot: &'a Snapshot,
        not_ready: &'a [String],
        store: &'a StoreStatus,
        channels: &'a [ChannelStatus],
        condition: &'a Condition,
        calendar: &'a Calendar,
        time_zone: &'a TimeZone,
    ) -> Self {
        let mut counts = [0; 4];
        for view in snapshot.sites.iter() {
            counts[view.standing.hard as usize] += 1;
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            time_zone: time_zone.iana_name(),
            taken: snapshot.taken.wall,
            generation: snapshot.generation,
            ready: not_ready.is_empty(),
            not_ready,
            blind: snapshot.monitor.blind,
            blind_reasons: snapshot.monitor.reasons.iter().map(ToString::to_string).collect(),
            sites: ByHealth::of(&counts),
            targets: snapshot.targets.len(),
            incidents: snapshot.incidents.iter().filter(|incident| incident.is_active()).count(),
            store: StoreRow::of(store),
            channels,
            configuration: ConfigurationRow::of(condition),
            engine: EngineRow::of(&snapshot.monitor),
            drill: snapshot.monitor.drill.map(|(began, passed)| DrillRow { began, passed }),
            readiness: snapshot.readiness.first().map(|run| ReadinessRow {
                session: &run.session,
                finished: run.finished,
                verdict: run.verdict(),
            }),
            next_session: NextSession::of(calendar, snapshot.taken.wall),
        }
    }
}

/// What became of the configuration.
#[derive(Serialize)]
struct ConfigurationRow<'a> {
    loaded: Timestamp,
    refused_since: Option<Timestamp>,
    refused_last: Option<Timestamp>,
    refused_why: Option<&'a str>,
    waits_for_restart: &'a [&'static str],
}

impl<'a> ConfigurationRow<'a> {
    fn of(condition: &'a Condition) -> Self {
        let refused = condition.refused.as_ref();
        Self {
            loaded: condition.loaded,
            refused_since: refused.map(|it| it.since),
            refused_last: refused.map(|it| it.at),
            refused_why: refused.map(|it| it.why.as_str()),
            waits_for_restart: &condition.waits_for_restart,
        }
    }
}

/// How probing does.
#[derive(Serialize)]
struct EngineRow {
    in_flight: u32,
    overlaps_avoided: u64,
    worst_lateness_seconds: f64,
    packets_sent: u64,
    packets_received: u64,
}

impl EngineRow {
    fn of(monitor: &MonitorView) -> Self {
        Self {
            in_flight: monitor.in_flight,
            overlaps_avoided: monitor.overlaps_avoided,
            worst_lateness_seconds: monitor.worst_lateness.as_secs_f64(),
            packets_sent: monitor.engine.sent,
            packets_received: monitor.engine.received,
        }
    }
}

/// The last drill.
#[derive(Serialize)]
struct DrillRow {
    began: Timestamp,
    passed: bool,
}

/// The last readiness run of a session.
#[derive(Serialize)]
struct ReadinessRow<'a> {
    session: &'a SessionId,
    finished: Timestamp,
    verdict: Verdict,
}

/// A session that is to come.
#[derive(Serialize)]
struct NextSession<'a> {
    id: &'a SessionId,
    title: &'a str,
    start: Timestamp,
    starts_in_seconds: i64,
}

impl<'a> NextSession<'a> {
    fn of(calendar: &'a Calendar, now: Timestamp) -> Option<Self> {
        let mut coming = calendar.sessions.iter().filter(|(session, _)| session.start > now);
        let (session, _) = coming.next()?;
        Some(Self {
            id: &session.id,
            title: &session.title,
            start: session.start,
            starts_in_seconds: session.start.duration_since(now).as_secs(),
        })
    }
}

/// How the database does.
#[derive(Serialize)]
struct StoreRow {
    trouble: Option<String>,
    since: Option<Timestamp>,
    waiting_changes: u32,
    commits: u64,
    failures: u64,
    lost_rollups: u64,
    last_commit_seconds: f64,
    bytes: u64,
}

impl StoreRow {
    fn of(status: &StoreStatus) -> Self {
        Self {
            trouble: status.trouble.as_ref().map(StoreTrouble::to_string),
            since: status.since.map(|since| since.wall),
            waiting_changes: status.waiting,
            commits: status.commits,
            failures: status.failures,
            lost_rollups: status.lost_rollups,
            last_commit_seconds: status.last_commit.as_secs_f64(),
            bytes: status.bytes,
        }
    }
}
