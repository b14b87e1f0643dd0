//! One percent of all packets is lost everywhere in the whole province, for long: nobody is told.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vchealth::config::Config;
use vchealth::lab::world::{Nature, World};
use vchealth::model::{Importance, Session, SessionId};

use super::run::{self, Run};

const HOUR: Duration = Duration::from_secs(3600);

/// A stretch of time, by where it stands relative to a session.
struct Stretch {
    name: &'static str,
    /// From now to the session's beginning, in minutes.
    session_in: i64,
    lasts: Duration,
}

/// A day: a live session of two hours, readiness before it, and the rest with nothing on.
const DAY: [Stretch; 3] = [
    Stretch { name: "live", session_in: -1, lasts: Duration::from_secs(2 * 3600) },
    Stretch { name: "readiness", session_in: 59, lasts: Duration::from_secs(55 * 60) },
    Stretch { name: "idle", session_in: 40 * 60, lasts: Duration::from_secs(21 * 3600) },
];

#[test]
fn a_percent_of_loss_everywhere_in_the_province_is_told_to_nobody_all_day() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    // A sixth of a day while developing, a whole one where all histories are played.
    let part = if number("HISTORIES").unwrap_or(0) < 20_000 { 6 } else { 1 };
    let seed = super::seed();
    let begins: Timestamp = run::BEGINS.parse().unwrap();
    let topology = run::sample_topology();
    let mut wrong = Vec::new();
    for Stretch { name, session_in, lasts } in &DAY {
        let start = begins + SignedDuration::from_mins(*session_in);
        let session = Session {
            id: SessionId::new("s"),
            title: "the whole province".to_owned(),
            start,
            end: start + SignedDuration::from_hours(9),
            importance: Importance::Normal,
            sites: topology.site_ixs().map(|site| (site, 50)).collect(),
        };
        let config = Config {
            settings: run::settings(),
            topology: Arc::clone(&topology),
            sessions: vec![Arc::new(session)],
            templates: Vec::new(),
        };
        let nature = Nature { loss: 0.01, seed, ..Nature::default() };
        let world = World::new(Arc::clone(&topology), nature);
        let mut run = Run::new(config, world, begins);
        run.until(*lasts / part);
        assert!(run.probes > 1_000, "{name}: only {} probes", run.probes);
        wrong.extend(run.complaints.iter().map(|complaint| format!("{name}: {complaint}")));
        for (at, message) in &run.told {
            let hours = at.as_secs_f64() / HOUR.as_secs_f64();
            wrong.push(format!("{name}: {} after {hours:.2} h", message.id));
        }
    }
    assert!(wrong.is_empty(), "HISTORIES_SEED={seed}: {}", wrong.join("\n"));
}
