//! Small provinces and settings for unit tests of this room.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::config::{
    Budget, Channel, ChannelKind, Config, CorrelationSettings, FlappingSettings, HygieneSettings,
    Hysteresis, IcmpEngine, IcmpSettings, PhaseSettings, QualitySettings, ResolverSettings,
    Settings, WebhookSettings,
};
use crate::lab::scenario::Scenario;
use crate::model::{
    ChannelId, Importance, Language, Mono, Now, Session, SessionId, Severity, SiteIx, Topology,
};

/// The wall-clock time at which tests begin: a Monday morning in Vietnam.
pub(crate) const START: &str = "2026-01-05T00:00:00Z";

/// The beginning of a test.
pub(crate) fn start() -> Now {
    Now { mono: Mono::ZERO + Duration::from_secs(1000), wall: START.parse().unwrap() }
}

/// A province drawn as in a scenario file.
pub(crate) fn province(tree: &str) -> Topology {
    let text = format!("name: t\nprovince: {{tree: {tree}}}\nlasts: 1s\nexpect: nothing\n");
    Scenario::parse("test.yaml", &text).unwrap().topology().unwrap()
}

/// That province with ordinary settings and one channel.
pub(crate) fn config(topology: Topology) -> Config {
    Config { settings: settings(), topology: Arc::new(topology), sessions: Vec::new() }
}

/// A session of all sites, from and to in seconds after the beginning.
pub(crate) fn session(topology: &Topology, id: &str, from: i64, to: i64) -> Arc<Session> {
    let start: Timestamp = START.parse().unwrap();
    let sites: BTreeMap<SiteIx, u32> = topology.site_ixs().map(|site| (site, 50)).collect();
    Arc::new(Session {
        id: SessionId::new(id),
        title: id.to_owned(),
        start: start + SignedDuration::from_secs(from),
        end: start + SignedDuration::from_secs(to),
        importance: Importance::Normal,
        sites,
    })
}

/// Ordinary settings.
pub(crate) fn settings() -> Settings {
    let s = Duration::from_secs;
    Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        state_dir: "/nowhere".into(),
        language: Language::En,
        time_zone: TimeZone::UTC,
        icmp: IcmpSettings { engine: IcmpEngine::Auto, receive_buffer: 4 << 20 },
        resolver: ResolverSettings { refresh: s(60), timeout: s(2) },
        phases: PhaseSettings { readiness_before: s(3600), wrap_up_after: s(900) },
        hysteresis: Hysteresis { fail_after: 3, recover_after: 2 },
        quality: QualitySettings {
            window: s(15),
            min_samples: 10,
            fair_loss: 0.01,
            poor_loss: 0.05,
            fair_rtt: s(1) * 150 / 1000,
            poor_rtt: s(1) * 400 / 1000,
            fair_jitter: s(1) * 30 / 1000,
            poor_jitter: s(1) * 60 / 1000,
            better_after: s(30),
            ie: 0.0,
            bpl: 25.1,
        },
        correlation: CorrelationSettings {
            wait: s(3),
            window: s(60),
            children_share: 0.8,
            common_min: 5,
            common_inside: 0.6,
            common_outside: 0.1,
            common_labels: vec!["power".to_owned(), "isp".to_owned()],
        },
        flapping: FlappingSettings {
            stable_for: s(5),
            relapses: 2,
            window: s(3600),
            flapping_stable_for: s(600),
            messages_per_hour: 3,
        },
        hygiene: HygieneSettings { certificate_before: s(14 * 86_400), clock_offset: s(60) },
        budget: Budget { line_kbit_s: 64, in_flight: 64 },
        channels: vec![Channel {
            id: ChannelId::new("on-call"),
            kind: ChannelKind::Webhook(WebhookSettings {
                url: "http://127.0.0.1/".to_owned(),
                timeout: s(5),
            }),
            min_severity: Severity::Info,
            send_resolved: true,
        }],
    }
}
