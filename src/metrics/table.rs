//! The table of all metrics: name, type, unit, labels, number of series and meaning, once.
//!
//! Writer, README and tests read this table, so a metric that is not in it cannot be exported and
//! one that is cannot be undocumented. Names, labels and units are a contract with dashboards and
//! alert rules that we never see: a name is added or retired, never given another meaning.

/// One metric, which is one family of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// The name; begins with `vchealth_`, except where the name is a convention of all exporters.
    pub name: &'static str,
    /// What kind of value.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// Labels in the order in which they are written.
    pub labels: &'static [&'static str],
    /// How many series there are.
    pub series: Series,
    /// One sentence without a full stop: the `HELP` line and the README.
    pub help: &'static str,
}

/// The kinds of metric in the text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A value that rises and falls.
    Gauge,
    /// A count that grows from the start of the daemon.
    Counter,
    /// Counts by bucket with their sum.
    Histogram,
}

impl Kind {
    /// The word in a `TYPE` line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// Base units, as the naming conventions of Prometheus ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A count, a code or a yes (1) and no (0).
    One,
    /// Seconds.
    Seconds,
    /// Seconds since 1970-01-01 UTC.
    UnixSeconds,
    /// A share from 0 to 1.
    Ratio,
    /// Bytes.
    Bytes,
}

impl Unit {
    /// The word in the README.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::One => "",
            Self::Seconds => "seconds",
            Self::UnixSeconds => "Unix seconds",
            Self::Ratio => "0 to 1",
            Self::Bytes => "bytes",
        }
    }
}

/// What a metric has series for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Per {
    /// The daemon.
    Daemon,
    /// Every level.
    Level,
    /// Every site.
    Site,
    /// Every endpoint.
    Endpoint,
    /// Every target.
    Target,
    /// Every check.
    Check,
    /// Every session that is on or near.
    Session,
    /// Every open incident that no wider one explains.
    Incident,
    /// Every channel.
    Channel,
    /// Every person on duty, by each rota.
    Duty,
}

impl Per {
    /// The word in the README.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Daemon => "daemon",
            Self::Level => "level",
            Self::Site => "site",
            Self::Endpoint => "endpoint",
            Self::Target => "target",
            Self::Check => "check",
            Self::Session => "session",
            Self::Incident => "incident",
            Self::Channel => "channel",
            Self::Duty => "person on duty",
        }
    }
}

/// How many series a metric has: at most so many for each of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// For each of what.
    pub per: Per,
    /// At most so many.
    pub most: u16,
}

const SITE: &[&str] = &["site", "level", "parent"];
const ENDPOINT: &[&str] = &["site", "level", "parent", "endpoint"];
const TARGET: &[&str] = &["site", "level", "parent", "endpoint", "check"];

const fn gauge(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    per: Per,
    most: u16,
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Gauge, unit, labels, series: Series { per, most }, help }
}

const fn counter(
    name: &'static str,
    unit: Unit,
    labels: &'static [&'static str],
    per: Per,
    most: u16,
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, unit, labels, series: Series { per, most }, help }
}

/// A histogram; its series are the buckets with `+Inf`, the sum and the count.
const fn histogram(
    name: &'static str,
    labels: &'static [&'static str],
    per: Per,
    buckets: usize,
    help: &'static str,
) -> Metric {
    #[allow(clippy::cast_possible_truncation, reason = "the lists of buckets below are short")]
    let most = buckets as u16 + 3;
    let series = Series { per, most };
    Metric { name, kind: Kind::Histogram, unit: Unit::Seconds, labels, series, help }
}

/// Upper bounds of round trips: from a LAN to where a conversation breaks down, with the
/// thresholds that people ask about (150 ms and 300 ms) among them.
pub const RTT_BUCKETS: &[f64] =
    &[0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];
/// Upper bounds of how late probes start.
pub const LATENESS_BUCKETS: &[f64] = &[0.001, 0.005, 0.02, 0.1, 0.5, 2.0];
/// Upper bounds of how long the rendering of this page takes.
pub const RENDER_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5];

// Targets.

/// Whether a target answers.
pub const TARGET_UP: Metric = gauge(
    "vchealth_target_up",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "Whether the target answers, confirmed: 1 yes, 0 no; absent while nothing is known",
);
/// Probes by result.
pub const PROBES: Metric = counter(
    "vchealth_probes_total",
    Unit::One,
    &["site", "level", "parent", "endpoint", "check", "result"],
    Per::Target,
    3,
    "Probes by result: reply, failure (the path or the device), local (this machine could not ask; absent until it happens)",
);
/// Last round trip.
pub const RTT: Metric = gauge(
    "vchealth_rtt_seconds",
    Unit::Seconds,
    TARGET,
    Per::Target,
    1,
    "Round trip of the last probe; absent when it failed or has none",
);
/// Packets sent.
pub const PACKETS_SENT: Metric = counter(
    "vchealth_packets_sent_total",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "Echo requests sent whose fate is known, for checks that count packets",
);
/// Packets lost.
pub const PACKETS_LOST: Metric = counter(
    "vchealth_packets_lost_total",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "Echo requests without a reply in time, for checks that count packets",
);
/// DSCP of replies, where it is another.
pub const REPLY_DSCP: Metric = gauge(
    "vchealth_reply_dscp",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "DSCP of the last echo reply, only where it is not that of the check: the path re-marks it, or \
     the device does not answer with what it was asked with",
);
/// Routers on the way back.
pub const REPLY_HOPS: Metric = gauge(
    "vchealth_reply_hops",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "Routers that the last echo reply passed, by its time to live: another number is another way, \
     such as a backup line",
);
/// Last status code.
pub const STATUS_CODE: Metric = gauge(
    "vchealth_status_code",
    Unit::One,
    TARGET,
    Per::Target,
    1,
    "Status code of the last HTTP or SIP response",
);
/// End of the certificate.
pub const CERTIFICATE_NOT_AFTER: Metric = gauge(
    "vchealth_certificate_not_after_timestamp_seconds",
    Unit::UnixSeconds,
    TARGET,
    Per::Target,
    1,
    "When the certificate that the device presents expires",
);
/// Clock of the device.
pub const CLOCK_OFFSET: Metric = gauge(
    "vchealth_clock_offset_seconds",
    Unit::Seconds,
    TARGET,
    Per::Target,
    1,
    "Clock of the device minus ours, by the Date header of its last response; whole seconds",
);

// Endpoints.

/// Whether an endpoint works.
pub const ENDPOINT_UP: Metric = gauge(
    "vchealth_endpoint_up",
    Unit::One,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Whether the endpoint works, confirmed: 1 yes (perhaps badly), 0 no; absent while nothing is known",
);
/// Loss over the window.
pub const LOSS_RATIO: Metric = gauge(
    "vchealth_endpoint_loss_ratio",
    Unit::Ratio,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Share of echo requests lost over the sliding window",
);
/// Median round trip over the window.
pub const RTT_MEDIAN: Metric = gauge(
    "vchealth_endpoint_rtt_median_seconds",
    Unit::Seconds,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Median of the round trip over the sliding window",
);
/// Bad round trips over the window.
pub const RTT_P95: Metric = gauge(
    "vchealth_endpoint_rtt_p95_seconds",
    Unit::Seconds,
    ENDPOINT,
    Per::Endpoint,
    1,
    "95th percentile of the round trip over the sliding window",
);
/// Jitter.
pub const JITTER: Metric = gauge(
    "vchealth_endpoint_jitter_seconds",
    Unit::Seconds,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Round-trip jitter as RFC 3550 section 6.4.1 estimates it, the last replies counting for most",
);
/// Transmission rating.
pub const RATING: Metric = gauge(
    "vchealth_endpoint_rating",
    Unit::One,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Transmission rating R of the path, 0 to 93.2 (ITU-T G.107)",
);
/// Mean opinion score.
pub const MOS: Metric = gauge(
    "vchealth_endpoint_mos",
    Unit::One,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Mean opinion score estimated from R, 1 to 4.5",
);
/// Judgement.
pub const GRADE: Metric = gauge(
    "vchealth_endpoint_quality_grade",
    Unit::One,
    ENDPOINT,
    Per::Endpoint,
    1,
    "Quality of the path after hysteresis: 0 good, 1 fair, 2 poor",
);

// Sites.

/// Names and free labels.
pub const SITE_INFO: Metric = gauge(
    "vchealth_site_info",
    Unit::One,
    &["site", "level", "parent", "name", "label_…"],
    Per::Site,
    1,
    "Always 1; joins the name of the site and its free labels (as label_isp and so on) to other series by site",
);
/// Health as a state set.
pub const SITE_HEALTH: Metric = gauge(
    "vchealth_site_health",
    Unit::One,
    &["site", "level", "parent", "health"],
    Per::Site,
    4,
    "Confirmed health of the site: 1 for the one that holds and 0 for the other three of up, degraded, down, unknown",
);
/// Since when.
pub const SITE_SINCE: Metric = gauge(
    "vchealth_site_health_since_timestamp_seconds",
    Unit::UnixSeconds,
    SITE,
    Per::Site,
    1,
    "When the confirmed health of the site last changed; absent before the first judgement",
);
/// Phase.
pub const SITE_PHASE: Metric = gauge(
    "vchealth_site_phase",
    Unit::One,
    &["site", "level", "parent", "phase"],
    Per::Site,
    1,
    "1 for the phase that the site is in: idle, readiness, live, wrap-up; the other phases are absent",
);
/// Delegates.
pub const SITE_DELEGATES: Metric = gauge(
    "vchealth_site_delegates",
    Unit::One,
    &["site", "level", "parent", "session"],
    Per::Site,
    1,
    "Delegates at the site in the session that its phase comes from; absent when idle",
);
/// Planned work.
pub const SITE_MAINTENANCE: Metric = gauge(
    "vchealth_site_in_maintenance",
    Unit::One,
    SITE,
    Per::Site,
    1,
    "1 while planned work is going on at the site, else absent",
);
/// Silence.
pub const SITE_SILENCED: Metric = gauge(
    "vchealth_site_silenced",
    Unit::One,
    SITE,
    Per::Site,
    1,
    "1 while messages about the site are held back, else absent",
);

// Levels.

/// Names of levels.
pub const LEVEL_INFO: Metric = gauge(
    "vchealth_level_info",
    Unit::One,
    &["level", "name_vi", "name_en"],
    Per::Level,
    1,
    "Always 1; joins the names of the level to other series by level",
);
/// Sites by level and health.
pub const LEVEL_SITES: Metric = gauge(
    "vchealth_level_sites",
    Unit::One,
    &["level", "health"],
    Per::Level,
    4,
    "Sites of the level by confirmed health",
);
/// Distribution of round trips.
pub const LEVEL_RTT: Metric = histogram(
    "vchealth_level_rtt_seconds",
    &["level"],
    Per::Level,
    RTT_BUCKETS.len(),
    "Round trips of echo replies from all endpoints of the level",
);

// Sessions.

/// Titles.
pub const SESSION_INFO: Metric = gauge(
    "vchealth_session_info",
    Unit::One,
    &["session", "title", "importance"],
    Per::Session,
    1,
    "Always 1; joins title and importance of the session to other series by session",
);
/// Phase.
pub const SESSION_PHASE: Metric = gauge(
    "vchealth_session_phase",
    Unit::One,
    &["session", "phase"],
    Per::Session,
    1,
    "1 for the phase that the session is in: idle, readiness, live, wrap-up; the other phases are absent",
);
/// Start.
pub const SESSION_START: Metric = gauge(
    "vchealth_session_start_timestamp_seconds",
    Unit::UnixSeconds,
    &["session"],
    Per::Session,
    1,
    "When the session begins",
);
/// End.
pub const SESSION_END: Metric = gauge(
    "vchealth_session_end_timestamp_seconds",
    Unit::UnixSeconds,
    &["session"],
    Per::Session,
    1,
    "When the session ends",
);
/// Expected sites.
pub const SESSION_SITES_EXPECTED: Metric = gauge(
    "vchealth_session_expected_sites",
    Unit::One,
    &["session"],
    Per::Session,
    1,
    "Sites that take part in the session",
);
/// Expected delegates.
pub const SESSION_DELEGATES_EXPECTED: Metric = gauge(
    "vchealth_session_expected_delegates",
    Unit::One,
    &["session"],
    Per::Session,
    1,
    "Delegates at all sites of the session together",
);
/// Sites by health.
pub const SESSION_SITES: Metric = gauge(
    "vchealth_session_sites",
    Unit::One,
    &["session", "health"],
    Per::Session,
    4,
    "Sites of the session by confirmed health",
);
/// Delegates by health.
pub const SESSION_DELEGATES: Metric = gauge(
    "vchealth_session_delegates",
    Unit::One,
    &["session", "health"],
    Per::Session,
    4,
    "Delegates of the session by confirmed health of their site",
);
/// Time lost.
pub const SESSION_LOST: Metric = counter(
    "vchealth_session_lost_seconds_total",
    Unit::Seconds,
    &["session"],
    Per::Session,
    1,
    "Time that sites of the session were down since its start, summed over sites",
);

// Readiness.

/// Sites by verdict.
pub const READINESS_SITES: Metric = gauge(
    "vchealth_readiness_sites",
    Unit::One,
    &["session", "verdict"],
    Per::Session,
    4,
    "Sites by what the last readiness run before the session says: ready (the connection is good), at-risk, cannot-tell, not-ready",
);
/// Sites by what was found.
pub const READINESS_FINDINGS: Metric = gauge(
    "vchealth_readiness_findings",
    Unit::One,
    &["session", "kind"],
    Per::Session,
    18,
    "Sites by the gravest finding of the last readiness run; only kinds that were found",
);
/// The verdict on a site.
pub const READINESS_SITE: Metric = gauge(
    "vchealth_readiness_site_verdict",
    Unit::One,
    &["site", "level", "parent", "session", "verdict"],
    Per::Site,
    1,
    "Always 1; the verdict of the last readiness run on the site, for the session that begins first",
);
/// When a run ended.
pub const READINESS_TIME: Metric = gauge(
    "vchealth_readiness_checked_timestamp_seconds",
    Unit::UnixSeconds,
    &["session"],
    Per::Session,
    1,
    "When the last readiness run of the session was over",
);
/// How long a run took.
pub const READINESS_DURATION: Metric = gauge(
    "vchealth_readiness_duration_seconds",
    Unit::Seconds,
    &["session"],
    Per::Session,
    1,
    "How long the last readiness run of the session took",
);
/// Sites that people saw and heard.
pub const READINESS_CONFIRMED: Metric = gauge(
    "vchealth_readiness_confirmed_sites",
    Unit::One,
    &["session"],
    Per::Session,
    1,
    "Sites of which people confirmed both picture and sound",
);

// Incidents.

/// Open incidents.
pub const INCIDENTS_OPEN: Metric = gauge(
    "vchealth_incidents_open",
    Unit::One,
    &["cause", "severity"],
    Per::Daemon,
    24,
    "Open incidents that no wider one explains, by cause and severity; every combination is always there",
);
/// What an incident is about.
pub const INCIDENT_INFO: Metric = gauge(
    "vchealth_incident_info",
    Unit::One,
    &[
        "incident", "cause", "severity", "site", "level", "parent", "endpoint", "check", "session",
        "acked",
    ],
    Per::Incident,
    1,
    "Always 1, one for each open incident that no wider one explains; site, level and parent are those of the site at fault",
);
/// When the fault began.
pub const INCIDENT_BEGAN: Metric = gauge(
    "vchealth_incident_began_timestamp_seconds",
    Unit::UnixSeconds,
    &["incident"],
    Per::Incident,
    1,
    "When the fault began: its first failed probe",
);
/// Since when it is on this time.
pub const INCIDENT_SINCE: Metric = gauge(
    "vchealth_incident_since_timestamp_seconds",
    Unit::UnixSeconds,
    &["incident"],
    Per::Incident,
    1,
    "Since when the fault is on: when it began, or came back after it was told to be over",
);
/// Sites affected.
pub const INCIDENT_SITES: Metric = gauge(
    "vchealth_incident_affected_sites",
    Unit::One,
    &["incident"],
    Per::Incident,
    1,
    "Sites affected by the incident at this moment, the one at fault included",
);
/// Delegates affected.
pub const INCIDENT_DELEGATES: Metric = gauge(
    "vchealth_incident_affected_delegates",
    Unit::One,
    &["incident"],
    Per::Incident,
    1,
    "Delegates at the affected sites in the nearest session",
);

/// Waiting for somebody.
pub const INCIDENT_WAITING: Metric = gauge(
    "vchealth_incident_waiting_since_timestamp_seconds",
    Unit::UnixSeconds,
    &["incident"],
    Per::Incident,
    1,
    "Since when the incident waits for somebody to take it on, which escalation counts from; absent while somebody has it or messages are held back",
);
/// Escalation.
pub const INCIDENT_STEP: Metric = gauge(
    "vchealth_incident_escalation_step",
    Unit::One,
    &["incident"],
    Per::Incident,
    1,
    "The last step of escalation that was told in this wait; 0 is the route itself",
);
/// Who is on duty.
pub const ON_DUTY: Metric = gauge(
    "vchealth_on_duty",
    Unit::One,
    &["rota", "person", "name"],
    Per::Duty,
    1,
    "Always 1, one for each person who is on duty by the rota",
);

// The monitor itself.

/// Blindness.
pub const BLIND: Metric = gauge(
    "vchealth_monitor_blind",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "1 when the monitor cannot see (own network, clock or load), so that everything is unknown, else 0",
);
/// When the state was taken.
pub const SNAPSHOT_TIME: Metric = gauge(
    "vchealth_snapshot_timestamp_seconds",
    Unit::UnixSeconds,
    &[],
    Per::Daemon,
    1,
    "When the state on this page was taken; standing still means that the event loop does",
);
/// Topologies since the start.
pub const GENERATION: Metric = gauge(
    "vchealth_topology_generation",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Counts the topologies since the start; grows at every reload that changes something",
);
/// Targets watched.
pub const TARGETS: Metric = gauge(
    "vchealth_targets",
    Unit::One,
    &["check", "health"],
    Per::Check,
    4,
    "Targets by check and confirmed health",
);
/// Probes under way.
pub const IN_FLIGHT: Metric = gauge(
    "vchealth_monitor_probes_in_flight",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Probes ordered, not back",
);
/// Overlaps.
pub const OVERLAPS_AVOIDED: Metric = counter(
    "vchealth_monitor_overlaps_avoided_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Probes left out because the one before was still under way",
);
/// Worst lateness.
pub const WORST_LATENESS: Metric = gauge(
    "vchealth_monitor_worst_lateness_seconds",
    Unit::Seconds,
    &[],
    Per::Daemon,
    1,
    "Worst lateness of a probe's start in the last minute",
);
/// Distribution of lateness.
pub const LATENESS: Metric = histogram(
    "vchealth_probe_lateness_seconds",
    &[],
    Per::Daemon,
    LATENESS_BUCKETS.len(),
    "How much later than due probes start",
);
/// Failures by reason.
pub const FAILURES: Metric = counter(
    "vchealth_probe_failures_total",
    Unit::One,
    &["check", "reason"],
    Per::Check,
    24,
    "Failed probes by check and reason, our own failures included; a reason appears once it has happened",
);
/// Which engine.
pub const ENGINE_INFO: Metric = gauge(
    "vchealth_engine_info",
    Unit::One,
    &["engine"],
    Per::Daemon,
    1,
    "Always 1; the echo engine at work: kernel, or surge where that cannot be had or is asked for",
);
/// Echo requests of the engine.
pub const ENGINE_SENT: Metric = counter(
    "vchealth_engine_sent_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Echo requests handed to the kernel",
);
/// Replies of the engine.
pub const ENGINE_RECEIVED: Metric = counter(
    "vchealth_engine_received_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Echo replies matched to a request in time",
);
/// Packets that do not count.
pub const ENGINE_DISCARDED: Metric = counter(
    "vchealth_engine_discarded_total",
    Unit::One,
    &["reason"],
    Per::Daemon,
    5,
    "Packets that do not count as a reply: late, duplicate, forged, foreign, truncated",
);
/// ICMP errors.
pub const ENGINE_REFUSED: Metric = counter(
    "vchealth_engine_refused_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "ICMP errors that ended an echo request of ours",
);
/// ICMP errors that come too late to end anything.
pub const ENGINE_REFUSED_LATE: Metric = counter(
    "vchealth_engine_refused_late_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "ICMP errors about an echo request of ours that was over, or that quote too little of it to be \
     sure; they explain the silence of those that follow",
);
/// Unknown fates.
pub const ENGINE_UNKNOWN: Metric = counter(
    "vchealth_engine_unknown_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Echo requests sent whose fate is not known, because we could not see at that moment or they did not get out of this machine",
);
/// Requests that never left.
pub const ENGINE_UNSENT: Metric = counter(
    "vchealth_engine_unsent_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Echo requests not sent, because their time had passed or there was no room",
);
/// Drops by the kernel.
pub const ENGINE_DROPS: Metric = counter(
    "vchealth_engine_socket_drops_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Packets that the kernel dropped because the receive buffer was full",
);
/// Refused sends.
pub const ENGINE_SEND_ERRORS: Metric = counter(
    "vchealth_engine_send_errors_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Sends that the kernel refused",
);
/// Late wake-ups.
pub const ENGINE_MISSED_TICKS: Metric = counter(
    "vchealth_engine_missed_ticks_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Times the echo engine woke so late that results of that moment are not trusted",
);
/// Clock steps.
pub const ENGINE_CLOCK_STEPS: Metric = counter(
    "vchealth_engine_clock_steps_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Times the wall clock was set while round trips were measured",
);
/// Coarse round trips.
pub const ENGINE_COARSE: Metric = counter(
    "vchealth_engine_coarse_stamps_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Round trips measured without both time stamps of the kernel",
);
/// Worst lateness of the engine.
pub const ENGINE_LATENESS: Metric = gauge(
    "vchealth_engine_worst_lateness_seconds",
    Unit::Seconds,
    &[],
    Per::Daemon,
    1,
    "Worst lateness of an echo request in the last minute",
);
/// Sockets.
pub const ENGINE_SOCKETS: Metric =
    gauge("vchealth_engine_sockets", Unit::One, &[], Per::Daemon, 1, "Sockets of the echo engine");
/// Receive buffer.
pub const ENGINE_BUFFER: Metric = gauge(
    "vchealth_engine_receive_buffer_bytes",
    Unit::Bytes,
    &[],
    Per::Daemon,
    1,
    "Receive buffer of an echo socket as the kernel granted it",
);

// The daemon's own figures.

/// Version.
pub const BUILD_INFO: Metric = gauge(
    "vchealth_build_info",
    Unit::One,
    &["version"],
    Per::Daemon,
    1,
    "Always 1; the version that runs",
);
/// Trouble of the store.
pub const STORE_TROUBLE: Metric = gauge(
    "vchealth_store_trouble",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "1 while what was decided does not reach the disk (it is full, for instance), else 0",
);
/// Changes that wait.
pub const STORE_WAITING: Metric = gauge(
    "vchealth_store_waiting_changes",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Changes that are not on disk yet",
);
/// Commits.
pub const STORE_COMMITS: Metric = counter(
    "vchealth_store_commits_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Transactions that reached the disk",
);
/// Failed commits.
pub const STORE_FAILURES: Metric = counter(
    "vchealth_store_commit_failures_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Transactions that did not; they are tried again",
);
/// The last commit.
pub const STORE_LAST_COMMIT: Metric = gauge(
    "vchealth_store_last_commit_duration_seconds",
    Unit::Seconds,
    &[],
    Per::Daemon,
    1,
    "How long the last transaction took",
);
/// Lost measurements.
pub const STORE_LOST: Metric = counter(
    "vchealth_store_lost_rollups_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Measurements for reports that were given up because the disk did not take them",
);
/// Size of the database.
pub const STORE_BYTES: Metric =
    gauge("vchealth_store_bytes", Unit::Bytes, &[], Per::Daemon, 1, "Size of the database");
/// Waiting messages.
pub const OUTBOX_QUEUED: Metric = gauge(
    "vchealth_outbox_queued",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Messages that wait for delivery",
);
/// Messages that wait for their hour.
pub const NOTIFICATIONS_HELD: Metric = gauge(
    "vchealth_notifications_held",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Incidents of which something is to be said and is not yet, since `flapping.messages_per_hour` is used up or it has yet to last",
);
/// Age of the oldest waiting message.
pub const OUTBOX_OLDEST: Metric = gauge(
    "vchealth_outbox_oldest_age_seconds",
    Unit::Seconds,
    &["channel"],
    Per::Channel,
    1,
    "Age of the oldest message that waits for delivery; 0 when none does",
);
/// Age of the oldest message that nobody has.
pub const OUTBOX_UNTOLD: Metric = gauge(
    "vchealth_outbox_untold_age_seconds",
    Unit::Seconds,
    &["channel"],
    Per::Channel,
    1,
    "Age of the oldest message that waits and has reached none of the channel's recipients; 0 when \
     there is none",
);
/// Whether a channel fails.
pub const CHANNEL_FAILING: Metric = gauge(
    "vchealth_channel_failing",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "1 while every attempt to reach the channel fails, else 0",
);
/// Delivered messages.
pub const DELIVERED: Metric = counter(
    "vchealth_notifications_delivered_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Messages that the channel accepted",
);
/// Messages given up.
pub const GIVEN_UP: Metric = counter(
    "vchealth_notifications_failed_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Messages given up because the channel refused them for good",
);
/// Refusals of single recipients.
pub const REFUSED: Metric = counter(
    "vchealth_notification_recipients_refused_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Times that one of several recipients refused for good, or did not take for a day, what others \
     of the channel have",
);
/// Recipients who are not reached.
pub const REFUSING: Metric = gauge(
    "vchealth_notification_recipients_refusing",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Recipients who did not get the last that they were offered and others of the channel have",
);
/// Repeated attempts.
pub const RETRIED: Metric = counter(
    "vchealth_notifications_retried_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Attempts that failed and are repeated",
);
/// Withdrawn messages.
pub const WITHDRAWN: Metric = counter(
    "vchealth_notifications_withdrawn_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Messages that needed no sending any more, as a later one tells the same",
);
/// Messages that a fallback told.
pub const FALLEN_BACK: Metric = counter(
    "vchealth_notifications_fallback_total",
    Unit::One,
    &["channel"],
    Per::Channel,
    1,
    "Messages of the channel that went through its fallback as well",
);
/// The last drill.
pub const DRILL_TIME: Metric = gauge(
    "vchealth_drill_last_timestamp_seconds",
    Unit::UnixSeconds,
    &[],
    Per::Daemon,
    1,
    "When the last drill began that is over; absent before the first",
);
/// How the last drill went.
pub const DRILL_SUCCESS: Metric = gauge(
    "vchealth_drill_last_success",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "1 if every channel accepted the last drill and an alert of its session would be told, be it since, else 0; absent before the first",
);
/// The last sign of life that got through.
pub const HEARTBEAT_SUCCESS: Metric = gauge(
    "vchealth_heartbeat_last_success_timestamp_seconds",
    Unit::UnixSeconds,
    &[],
    Per::Daemon,
    1,
    "When the watchdog last took the heartbeat; 0 before the first time, or without a watchdog",
);
/// Signs of life that did not get through.
pub const HEARTBEAT_FAILURES: Metric = counter(
    "vchealth_heartbeat_failures_total",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Heartbeats that the watchdog did not take",
);
/// Whether signs of life are held back.
pub const HEARTBEAT_HELD: Metric = gauge(
    "vchealth_heartbeat_held_back",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "1 while the heartbeat is held back because the event loop or the courier stands still, nothing is learned of the sites, the disk stands still or no channel reaches anybody, else 0",
);
/// Whether a calendar can be read.
pub const CALENDAR_WORKING: Metric = gauge(
    "vchealth_calendar_working",
    Unit::One,
    &["calendar"],
    Per::Daemon,
    16,
    "1 while the calendar can be read, 0 while every look at it fails and the last good copy counts",
);
/// What a calendar gives.
pub const CALENDAR_SESSIONS: Metric = gauge(
    "vchealth_calendar_sessions",
    Unit::One,
    &["calendar"],
    Per::Daemon,
    16,
    "Sessions known from the calendar",
);
/// What in a calendar is not followed.
pub const CALENDAR_TROUBLES: Metric = gauge(
    "vchealth_calendar_troubles",
    Unit::One,
    &["calendar"],
    Per::Daemon,
    16,
    "Things in the calendar that are not followed: `vchealth sessions` and the API name them",
);
/// Sessions written up.
pub const REPORTS: Metric = counter(
    "vchealth_reports_total",
    Unit::One,
    &["result"],
    Per::Daemon,
    2,
    "Attempts to write up a session that is over: success, failure (it is tried again)",
);
/// Sessions that should be written up and are not.
pub const REPORTS_FAILING: Metric = gauge(
    "vchealth_reports_failing",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Sessions that are over and whose report could not be written at the last attempt",
);
/// Reloads.
pub const RELOADS: Metric = counter(
    "vchealth_config_reloads_total",
    Unit::One,
    &["result"],
    Per::Daemon,
    2,
    "Reloads of the configuration by result: success, failure (the old one stays)",
);
/// Whether the last reload succeeded.
pub const RELOAD_SUCCESSFUL: Metric = gauge(
    "vchealth_config_last_reload_successful",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Whether the last reload of the configuration succeeded: 1 yes, 0 no; the start counts as one",
);
/// When the last one succeeded.
pub const RELOAD_SUCCESS_TIME: Metric = gauge(
    "vchealth_config_last_reload_success_timestamp_seconds",
    Unit::UnixSeconds,
    &[],
    Per::Daemon,
    1,
    "When the configuration was last read with success",
);
/// Requests.
pub const HTTP_REQUESTS: Metric = counter(
    "vchealth_http_requests_total",
    Unit::One,
    &["handler", "code"],
    Per::Daemon,
    60,
    "HTTP requests answered, by route and status code",
);
/// Connections.
pub const HTTP_CONNECTIONS: Metric = gauge(
    "vchealth_http_connections",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "HTTP connections that are open",
);
/// Viewers.
pub const BOARD_VIEWERS: Metric = gauge(
    "vchealth_board_viewers",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Boards that are open and kept up to date",
);
/// Rendering of this page.
pub const RENDER_DURATION: Metric = histogram(
    "vchealth_metrics_render_duration_seconds",
    &[],
    Per::Daemon,
    RENDER_BUCKETS.len(),
    "How long it took to write this page, without compression; scrapes of one snapshot share it",
);

// What all exporters have, from the operating system.

/// CPU time.
pub const PROCESS_CPU: Metric = counter(
    "process_cpu_seconds_total",
    Unit::Seconds,
    &[],
    Per::Daemon,
    1,
    "Total user and system CPU time spent in seconds.",
);
/// Open file descriptors.
pub const PROCESS_OPEN_FDS: Metric =
    gauge("process_open_fds", Unit::One, &[], Per::Daemon, 1, "Number of open file descriptors.");
/// Limit of file descriptors.
pub const PROCESS_MAX_FDS: Metric = gauge(
    "process_max_fds",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Maximum number of open file descriptors.",
);
/// Resident memory.
pub const PROCESS_RESIDENT: Metric = gauge(
    "process_resident_memory_bytes",
    Unit::Bytes,
    &[],
    Per::Daemon,
    1,
    "Resident memory size in bytes.",
);
/// Virtual memory.
pub const PROCESS_VIRTUAL: Metric = gauge(
    "process_virtual_memory_bytes",
    Unit::Bytes,
    &[],
    Per::Daemon,
    1,
    "Virtual memory size in bytes.",
);
/// Start of the process.
pub const PROCESS_START: Metric = gauge(
    "process_start_time_seconds",
    Unit::UnixSeconds,
    &[],
    Per::Daemon,
    1,
    "Start time of the process since unix epoch in seconds.",
);
/// Threads.
pub const PROCESS_THREADS: Metric = gauge(
    "process_threads",
    Unit::One,
    &[],
    Per::Daemon,
    1,
    "Number of OS threads in the process.",
);

/// The whole table: a heading and its metrics, in the order of the README.
pub const GROUPS: &[(&str, &[Metric])] = &[
    (
        "Sites",
        &[
            SITE_HEALTH,
            SITE_SINCE,
            SITE_INFO,
            SITE_PHASE,
            SITE_DELEGATES,
            SITE_MAINTENANCE,
            SITE_SILENCED,
        ],
    ),
    ("Endpoints", &[ENDPOINT_UP, LOSS_RATIO, RTT_MEDIAN, RTT_P95, JITTER, RATING, MOS, GRADE]),
    (
        "Targets (endpoint × check)",
        &[
            TARGET_UP,
            PROBES,
            RTT,
            PACKETS_SENT,
            PACKETS_LOST,
            REPLY_DSCP,
            REPLY_HOPS,
            STATUS_CODE,
            CERTIFICATE_NOT_AFTER,
            CLOCK_OFFSET,
        ],
    ),
    ("Levels", &[LEVEL_INFO, LEVEL_SITES, LEVEL_RTT]),
    (
        "Sessions that are on or near",
        &[
            SESSION_INFO,
            SESSION_PHASE,
            SESSION_START,
            SESSION_END,
            SESSION_SITES_EXPECTED,
            SESSION_DELEGATES_EXPECTED,
            SESSION_SITES,
            SESSION_DELEGATES,
            SESSION_LOST,
        ],
    ),
    (
        "Readiness, until an hour after the session",
        &[
            READINESS_SITES,
            READINESS_FINDINGS,
            READINESS_SITE,
            READINESS_TIME,
            READINESS_DURATION,
            READINESS_CONFIRMED,
        ],
    ),
    (
        "Incidents",
        &[
            INCIDENTS_OPEN,
            INCIDENT_INFO,
            INCIDENT_BEGAN,
            INCIDENT_SINCE,
            INCIDENT_SITES,
            INCIDENT_DELEGATES,
            INCIDENT_WAITING,
            INCIDENT_STEP,
            ON_DUTY,
        ],
    ),
    (
        "The monitor itself",
        &[
            BLIND,
            NOTIFICATIONS_HELD,
            SNAPSHOT_TIME,
            GENERATION,
            TARGETS,
            IN_FLIGHT,
            OVERLAPS_AVOIDED,
            WORST_LATENESS,
            LATENESS,
            FAILURES,
            ENGINE_INFO,
            ENGINE_SENT,
            ENGINE_RECEIVED,
            ENGINE_DISCARDED,
            ENGINE_REFUSED,
            ENGINE_REFUSED_LATE,
            ENGINE_UNKNOWN,
            ENGINE_UNSENT,
            ENGINE_DROPS,
            ENGINE_SEND_ERRORS,
            ENGINE_MISSED_TICKS,
            ENGINE_CLOCK_STEPS,
            ENGINE_COARSE,
            ENGINE_LATENESS,
            ENGINE_SOCKETS,
            ENGINE_BUFFER,
        ],
    ),
    (
        "The daemon",
        &[
            BUILD_INFO,
            STORE_TROUBLE,
            STORE_WAITING,
            STORE_COMMITS,
            STORE_FAILURES,
            STORE_LAST_COMMIT,
            STORE_LOST,
            STORE_BYTES,
            OUTBOX_QUEUED,
            OUTBOX_OLDEST,
            OUTBOX_UNTOLD,
            CHANNEL_FAILING,
            DELIVERED,
            GIVEN_UP,
            REFUSED,
            REFUSING,
            RETRIED,
            WITHDRAWN,
            FALLEN_BACK,
            DRILL_TIME,
            DRILL_SUCCESS,
            HEARTBEAT_SUCCESS,
            HEARTBEAT_FAILURES,
            HEARTBEAT_HELD,
            CALENDAR_WORKING,
            CALENDAR_SESSIONS,
            CALENDAR_TROUBLES,
            REPORTS,
            REPORTS_FAILING,
            RELOADS,
            RELOAD_SUCCESSFUL,
            RELOAD_SUCCESS_TIME,
            HTTP_REQUESTS,
            HTTP_CONNECTIONS,
            BOARD_VIEWERS,
            RENDER_DURATION,
            PROCESS_CPU,
            PROCESS_OPEN_FDS,
            PROCESS_MAX_FDS,
            PROCESS_RESIDENT,
            PROCESS_VIRTUAL,
            PROCESS_START,
            PROCESS_THREADS,
        ],
    ),
];

/// All metrics of the table.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|(_, metrics)| *metrics)
}
