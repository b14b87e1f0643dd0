//! What is written down of a session whose entry in the calendar changes.

use std::sync::Arc;
use std::time::Duration;

use vchealth::config::Config;
use vchealth::lab::world::{Nature, World};
use vchealth::model::{Durable, Importance, Session, SessionId, SiteIx};
use vchealth::monitor::Input;

use super::minutes_lost::topology;
use crate::fixtures::at;
use crate::simulate::run::{Run, settings};

/// A session from 02:00 to 03:00.
fn session(sites: usize) -> Session {
    Session {
        id: SessionId::new("s"),
        title: "Phiên họp".to_owned(),
        start: at("2026-03-02T02:00:00Z"),
        end: at("2026-03-02T03:00:00Z"),
        importance: Importance::Normal,
        sites: (0..sites).map(|ix| (SiteIx::new(ix), 10)).collect(),
    }
}

fn config(sessions: Vec<Session>) -> Config {
    let sessions = sessions.into_iter().map(Arc::new).collect();
    Config { settings: settings(), topology: Arc::new(topology()), sessions, templates: Vec::new() }
}

/// A monitor since 01:30, of which a minute is one of the session.
fn run(session: Session) -> Run {
    let config = config(vec![session]);
    let world = World::new(Arc::clone(&config.topology), Nature::default());
    Run::remembering(config, world, at("2026-03-02T01:30:00Z"), Durable::default())
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

#[test]
fn a_session_is_written_down_when_it_is_near_and_closed_when_all_is_known() {
    let mut run = run(session(3));
    run.until(minutes(1));
    assert_eq!(run.durable.sessions.values().next().unwrap().sites.len(), 3);
    run.until(minutes(90) + Duration::from_secs(15));
    assert!(run.durable.sessions.values().all(|record| record.closed.is_none()));
    run.until(minutes(90) + Duration::from_secs(25));
    let closed = run.durable.sessions.values().next().unwrap().closed.unwrap();
    assert!(closed <= at("2026-03-02T03:00:22Z"), "{closed}");
}

#[test]
fn one_that_is_taken_out_before_it_began_is_not_held() {
    let mut run = run(session(3));
    run.until(minutes(10));
    run.tell(Input::Reload(Arc::new(config(Vec::new()))));
    run.until(minutes(11));
    assert!(run.durable.sessions.is_empty());
}

#[test]
fn one_that_is_taken_out_while_it_is_on_ended_then() {
    let mut run = run(session(3));
    run.until(minutes(50));
    run.tell(Input::Reload(Arc::new(config(Vec::new()))));
    run.until(minutes(51));
    let record = run.durable.sessions.values().next().unwrap();
    assert_eq!(record.end, at("2026-03-02T02:20:00Z"));
    assert!(record.closed.is_some());
}

#[test]
fn one_that_goes_on_longer_than_planned_is_open_again() {
    let mut run = run(session(3));
    run.until(minutes(92));
    assert!(run.durable.sessions.values().all(|record| record.closed.is_some()));
    let longer = Session { end: at("2026-03-02T03:30:00Z"), ..session(3) };
    run.tell(Input::Reload(Arc::new(config(vec![longer]))));
    run.until(minutes(93));
    let record = run.durable.sessions.values().next().unwrap();
    assert_eq!((record.end, record.closed), (at("2026-03-02T03:30:00Z"), None));
}

#[test]
fn who_joins_and_leaves_while_it_is_on_has_that_in_the_record() {
    let mut run = run(session(3));
    run.until(minutes(10));
    run.tell(Input::Reload(Arc::new(config(vec![session(4)]))));
    run.until(minutes(50));
    run.tell(Input::Reload(Arc::new(config(vec![session(5)]))));
    run.until(minutes(60));
    run.tell(Input::Reload(Arc::new(config(vec![session(2)]))));
    run.until(minutes(61));
    let record = run.durable.sessions.values().next().unwrap();
    let stays: Vec<_> =
        record.sites.iter().map(|it| (it.stays[0].from, it.stays[0].until)).collect();
    let (added, out) = (at("2026-03-02T02:20:00Z"), at("2026-03-02T02:30:00Z"));
    assert_eq!(
        stays,
        [
            (None, None),
            (None, None),
            (None, Some(out)),
            (None, Some(out)),
            (Some(added), Some(out))
        ],
        "who was added before the start was there from the start"
    );
}

#[test]
fn one_that_was_over_before_we_came_is_not_told() {
    let config = config(vec![session(3)]);
    let world = World::new(Arc::clone(&config.topology), Nature::default());
    let mut run = Run::remembering(config, world, at("2026-03-02T03:05:00Z"), Durable::default());
    run.until(minutes(5));
    assert!(run.durable.sessions.is_empty());
}
