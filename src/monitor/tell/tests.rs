//! What is told together.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::tests::{config, province, session, start};
use super::super::{Command, Input, Monitor};
use super::keep_waiting;
use crate::config::Hours;
use crate::lab::fault::Fault;
use crate::lab::world::{Nature, Place, World};
use crate::model::{
    Ack, Change, ChannelId, Durable, HardState, Health, Mono, NotificationKind, Now, Outcome,
    Paces, Quieted, Severity, SiteId, SiteIx, TargetKey, Topology, Waits,
};
use crate::monitor::ledger::{Entry, Scope};
use crate::store::tests::incident;

/// A monitor of a province.
struct Desk {
    monitor: Monitor,
    world: World,
    /// When people were told that something is on, and where.
    told: Vec<(Timestamp, SiteId)>,
    now: Now,
}

/// A province whose services are asked every two seconds.
fn quick() -> Topology {
    let mut topology = province("{tinh: {huyen: [a, b, c, d], khac: [e, f, g, h]}}");
    for check in topology.checks.iter_mut().filter(|check| !check.kind.is_reachability()) {
        let (pace, second) = (Duration::from_secs(2), Duration::from_secs(1));
        check.paces = Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace };
        (check.timeout, check.confirm_after) = (second, second);
    }
    topology
}

impl Desk {
    fn open() -> Self {
        let mut config = config(quick());
        config.sessions = vec![session(&config.topology, "s", -60, 7200)];
        config.settings.grouping.live = Duration::from_secs(5);
        let now = start();
        let world = World::new(Arc::clone(&config.topology), Nature::default());
        let monitor = Monitor::new(Arc::new(config), Durable::default(), now);
        Self { monitor, world, told: Vec::new(), now }
    }

    fn pass(&mut self, lasts: Duration) {
        let end = self.now.plus(lasts);
        while self.now.mono < end.mono {
            self.now = self.now.plus(Duration::from_millis(20));
            self.monitor.handle(Input::Tick, self.now);
            while let Some(command) = self.monitor.poll_command() {
                self.carry_out(command);
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Probe(request) => {
                let sight = self.world.probe(self.now, request.target, request.effort);
                let (started, lost, heard, result) =
                    (self.now, sight.lost, sight.heard, sight.result);
                let finished = self.now.mono + sight.took;
                let outcome = Outcome { request, started, finished, lost, heard, result };
                self.monitor.handle(Input::Outcome(outcome), self.now);
            }
            Command::Commit(batch) => {
                for change in batch.changes {
                    if let Change::Notify(it) = change
                        && it.kind == NotificationKind::Firing
                    {
                        self.told.extend(it.alert.incident.site.clone().map(|at| (it.created, at)));
                    }
                }
            }
            Command::Readiness(_) | Command::Drill(_) => {}
        }
    }

    fn refuse(&mut self, site: SiteIx) {
        self.world.place(self.now, Place::Site(site, None), Fault::ServicesClosed);
    }
}

#[test]
fn services_refused_one_soon_after_the_other_are_told_at_one_moment() {
    let mut desk = Desk::open();
    desk.pass(Duration::from_secs(20));
    // So few, of so many districts, that it is no cause of all of them.
    let communes: Vec<SiteIx> = {
        let topology = desk.monitor.topology();
        let is_commune = |it: &SiteIx| topology.site(*it).children.is_empty();
        let two = |district: SiteIx| {
            topology.site(district).children.iter().copied().filter(is_commune).take(2)
        };
        topology.site_ixs().flat_map(two).take(4).collect()
    };
    for site in &communes {
        desk.refuse(*site);
        desk.pass(Duration::from_millis(150));
    }
    desk.pass(Duration::from_secs(20));
    let moments: BTreeSet<Timestamp> = desk.told.iter().map(|(at, _)| *at).collect();
    assert_eq!((desk.told.len(), moments.len()), (communes.len(), 1), "{:?}", desk.told);
}

#[test]
fn clocks_seen_to_be_off_one_after_the_other_are_told_at_one_moment() {
    let mut desk = Desk::open();
    desk.pass(Duration::from_secs(20));
    let topology = Arc::clone(desk.monitor.topology());
    let three = ["a", "b", "e"].map(|id| topology.find_site(&SiteId::new(id)).unwrap());
    for site in three {
        desk.world.place(desk.now, Place::Site(site, None), Fault::ClockOff { by_s: 300 });
        desk.pass(Duration::from_secs(10));
    }
    desk.pass(Duration::from_secs(90));
    let moments: BTreeSet<Timestamp> = desk.told.iter().map(|(at, _)| *at).collect();
    assert_eq!((desk.told.len(), moments.len()), (3, 1), "{:?}", desk.told);
}

#[test]
fn a_burst_of_refusals_that_is_over_within_a_second_tells_nobody() {
    let mut desk = Desk::open();
    desk.pass(Duration::from_secs(20));
    let topology = Arc::clone(desk.monitor.topology());
    let three = ["a", "b", "c"].map(|id| topology.find_site(&SiteId::new(id)).unwrap());
    // Wherever in their turns it meets them.
    for n in 0..20 {
        for site in three {
            desk.refuse(site);
        }
        desk.pass(Duration::from_millis(900));
        for site in three {
            desk.world.lift(&Place::Site(site, None), None);
        }
        desk.pass(Duration::from_millis(7_000 + 170 * n));
    }
    desk.pass(Duration::from_secs(60));
    assert!(desk.told.is_empty(), "{:?}", desk.told);
    // What lasts is told.
    desk.refuse(three[0]);
    desk.pass(Duration::from_secs(20));
    assert_eq!(desk.told.len(), 1);
}

/// The moment so many minutes after the beginning.
fn minute(n: i64) -> Timestamp {
    start().wall + SignedDuration::from_mins(n)
}

/// An incident that has waited since the first minute.
fn waiting() -> Entry {
    let mut it = incident("i", "tan-lap");
    (it.resolved, it.ack) = (None, None);
    it.wait_anew(minute(0));
    Entry::of(Arc::new(it), Scope::Gone, None, Mono::ZERO)
}

fn acked(entry: &mut Entry, at: i64, until: Option<i64>) {
    let (by, note) = ("Ánh".to_owned(), String::new());
    entry.change().ack = Some(Ack { by, at: minute(at), note, until: until.map(minute) });
}

/// Since when it waits, and since when what was told counts.
fn waits(entry: &Entry, at: i64) -> (Option<Timestamp>, Option<Timestamp>) {
    (entry.incident.waits_since(minute(at)), entry.incident.called_since(minute(at)))
}

#[test]
fn while_messages_are_held_back_the_wait_stands_still_however_often() {
    let mut it = waiting();
    keep_waiting(&mut it, true, minute(10));
    keep_waiting(&mut it, true, minute(12));
    assert_eq!(waits(&it, 12), (None, None));
    keep_waiting(&mut it, false, minute(15));
    assert_eq!(waits(&it, 15), (Some(minute(5)), Some(minute(0))));
    keep_waiting(&mut it, true, minute(20));
    keep_waiting(&mut it, false, minute(50));
    assert_eq!(waits(&it, 60), (Some(minute(35)), Some(minute(0))));
}

#[test]
fn an_ack_that_runs_out_while_messages_are_held_back_begins_the_wait_anew_afterwards() {
    let mut it = waiting();
    acked(&mut it, 5, Some(20));
    keep_waiting(&mut it, true, minute(10));
    keep_waiting(&mut it, false, minute(30));
    assert_eq!(waits(&it, 30), (Some(minute(30)), Some(minute(30))));
}

#[test]
fn an_ack_that_ran_out_before_messages_were_held_back_has_its_wait_go_on() {
    let mut it = waiting();
    acked(&mut it, 2, Some(5));
    keep_waiting(&mut it, true, minute(10));
    keep_waiting(&mut it, false, minute(30));
    assert_eq!(waits(&it, 30), (Some(minute(25)), Some(minute(5))));
}

#[test]
fn what_was_told_to_be_over_waits_for_nobody_before_it_is_told_again() {
    let mut it = waiting();
    it.change().waiting_since = None;
    let over = |at| crate::store::tests::told("truc", NotificationKind::Resolved, minute(at));
    it.change().told.push(over(1));
    keep_waiting(&mut it, false, minute(2));
    assert_eq!(waits(&it, 2), (None, None));
    let again = crate::store::tests::told("truc", NotificationKind::Firing, minute(3));
    it.change().told.push(again);
    keep_waiting(&mut it, false, minute(3));
    assert_eq!(waits(&it, 3), (Some(minute(3)), Some(minute(3))));
}

#[test]
fn who_waits_for_the_end_of_quiet_hours_is_on_record_until_they_are_told() {
    let mut config = config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}"));
    let time = |hour: i8| jiff::civil::time(hour, 0, 0, 0);
    let quiet = &mut config.settings.quiet_hours;
    // It is seven in the morning there.
    quiet.hours = Some(Hours { from: time(22), until: time(8) });
    quiet.below = Severity::Critical;
    let now = start();
    let key = TargetKey { site: SiteId::new("tan-lap"), endpoint: None, check: None };
    let down = HardState { health: Health::Down, since: now.wall, began: None, seen_up: true };
    let mut it = incident("i", "tan-lap");
    (it.began, it.opened, it.severity) = (now.wall, now.wall, Severity::Warning);
    (it.resolved, it.ack, it.told) = (None, None, Vec::new());
    let durable = Durable {
        health: [(key, down)].into(),
        incidents: [(it.id.clone(), it.clone())].into(),
        ..Durable::default()
    };
    let mut monitor = Monitor::new(Arc::new(config), durable, now);
    let mut told = 0;
    let mut at = |minutes: u64, monitor: &mut Monitor| {
        let now = now.plus(Duration::from_mins(minutes));
        monitor.handle(Input::Tick, now);
        monitor.handle(Input::Tick, now.plus(Duration::from_secs(1)));
        while let Some(command) = monitor.poll_command() {
            let Command::Commit(batch) = command else { continue };
            let about = |change: &&Change| match change {
                Change::Notify(told) => told.alert.incident.id == it.id,
                _ => false,
            };
            told += batch.changes.iter().filter(about).count();
        }
        let shown = monitor.snapshot(now).incidents;
        let it = shown.iter().find(|incident| incident.id == it.id).unwrap();
        (told, it.quiet.clone())
    };
    let on_call = ChannelId::new("on-call");
    let whom = vec![Waits { channel: on_call, people: Vec::new(), not_before: None }];
    let quiet = Quieted { until: minute(60), whom };
    assert_eq!(at(1, &mut monitor), (0, Some(quiet.clone())));
    assert_eq!(at(59, &mut monitor), (0, Some(quiet)));
    assert_eq!(at(61, &mut monitor), (1, None));
}

#[test]
fn what_is_over_is_shown_until_everybody_has_heard_it_who_is_to() {
    let mut config = config(province("{bac-kan: {cho-don: [tan-lap, bang-lung]}}"));
    let time = |hour: i8| jiff::civil::time(hour, 0, 0, 0);
    let quiet = &mut config.settings.quiet_hours;
    // It is seven in the morning there.
    quiet.hours = Some(Hours { from: time(22), until: time(12) });
    quiet.below = Severity::Critical;
    let now = start();
    let mut it = incident("i", "tan-lap");
    (it.began, it.opened, it.severity) = (minute(-600), minute(-600), Severity::Warning);
    (it.resolved, it.ack) = (Some(now.wall), None);
    it.told = vec![crate::store::tests::told("on-call", NotificationKind::Firing, minute(-600))];
    let durable = Durable { incidents: [(it.id.clone(), it.clone())].into(), ..Durable::default() };
    let mut monitor = Monitor::new(Arc::new(config), durable, now);
    let mut waits = |minutes: u64| {
        let now = now.plus(Duration::from_mins(minutes));
        monitor.handle(Input::Tick, now);
        monitor.handle(Input::Tick, now.plus(Duration::from_secs(1)));
        let shown = monitor.snapshot(now).incidents;
        shown.iter().find(|shown| shown.id == it.id).map(|shown| shown.waits_to_be_told())
    };
    assert_eq!(waits(1), Some(true));
    assert_eq!(waits(200), Some(true), "in the night as well");
    assert_eq!(waits(301), None, "it is told, and was over long ago");
}
