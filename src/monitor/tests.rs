//! Small provinces and settings for unit tests of this room.

pub(crate) use super::drill::tests::letters as drill_letters;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::config::{Channel, ChannelKind, Config, Settings, WebhookSettings};
use crate::lab::scenario::Scenario;
use crate::model::{
    ChannelId, Importance, Mono, Now, Session, SessionId, SiteIx, Topology, WebAddress,
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
    Config {
        settings: settings(),
        topology: Arc::new(topology),
        sessions: Vec::new(),
        templates: Vec::new(),
    }
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

/// Ordinary settings with one channel that wants to know everything.
pub(crate) fn settings() -> Settings {
    let url = WebAddress::new("http://127.0.0.1/").into();
    let timeout = Duration::from_secs(5);
    Settings {
        channels: vec![Channel {
            id: ChannelId::new("on-call"),
            kind: ChannelKind::Webhook(WebhookSettings { url, secret: None, timeout }),
            send_resolved: true,
            fallback: None,
        }],
        ..Settings::default()
    }
}
