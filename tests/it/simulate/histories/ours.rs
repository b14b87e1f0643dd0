//! Histories in which nothing is wrong but with ourselves.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::Act;
use vchealth::lab::world::{Dice, Place};
use vchealth::model::{
    Ailment, Cause, Durable, Failure, Health, LocalFailure, NotificationKind, Part, SiteId,
    TargetIx, TargetKey,
};
use vchealth::monitor::Input;

use super::drawn::{Build, Event, History, Pace, What, Whom};
use super::tally::Tally;
use super::{ON_DUTY, play, run_of, told};
use crate::simulate::run::{Run, explains};

/// Whoever fails is asked again within so many tenths of a second.
const ASKED_AGAIN_WITHIN: u16 = 100;
/// What must have been seen for the property to mean something.
pub(super) const SEEN: [&str; 4] = [
    "cuts of our network",
    "failures made up",
    "sites that became unknown",
    "messages about ourselves",
];

/// Failures of our own, of every kind.
fn local_failure(n: u64) -> Failure {
    let words = || "made up".to_owned();
    Failure::Local(match n % 9 {
        0 => LocalFailure::Unresolved(words()),
        1 => LocalFailure::NoSuchName(words()),
        2 => LocalFailure::NoRoute,
        3 => LocalFailure::Forbidden(words()),
        4 => LocalFailure::Late,
        5 => LocalFailure::Exhausted(words()),
        6 => LocalFailure::Overloaded,
        7 => LocalFailure::Stopping,
        _ => LocalFailure::Other(words()),
    })
}

/// From when to when our own network is cut, in tenths of a second. The end of one cut is the end
/// of all that go on.
fn stretches_of_cut(history: &History) -> Vec<(u16, u16)> {
    let mut turns = Vec::new();
    for event in &history.events {
        if let What::Own("own-network-cut", lasts) = event.what {
            turns.extend([(event.at, true), (event.at + lasts, false)]);
        }
    }
    turns.sort_unstable();
    let (mut stretches, mut since) = (Vec::new(), None);
    for (at, begins) in turns {
        match (begins, since) {
            (true, None) => since = Some(at),
            (false, Some(from)) => {
                stretches.push((from, at));
                since = None;
            }
            _ => {}
        }
    }
    stretches
}

/// Whether our own network being cut can be told from sites being dark.
///
/// 1. There is a gateway to ask all the time. Who takes it out of the configuration while all is
///    silent says that it was to blame, and what is still silent then is told.
/// 2. Between two cuts there is the time to ask those again who failed in the first. Of those who
///    are asked in both and never between nobody can know.
fn can_be_told_apart(history: &History) -> bool {
    let first = |event: &Event| usize::from(event.site) % history.sites() == 0;
    let without_us = |event: &Event| matches!(event.what, What::Without) && first(event);
    let stretches = stretches_of_cut(history);
    let apart = stretches.windows(2).all(|two| two[1].0 - two[0].1 >= ASKED_AGAIN_WITHIN);
    apart && !history.events.iter().any(without_us)
}

/// Where somebody else is blamed for failures of our own, which befall probes at random besides
/// what the history says.
pub(super) fn others_are_blamed(history: &History, tally: &Tally) -> Result<(), String> {
    tally.add("histories", 1);
    if cuts(history) && !can_be_told_apart(history) {
        tally.add("not to be told apart", 1);
        return Ok(());
    }
    let scenario = history.scenario();
    let (mut run, steps) = run_of(&scenario);
    let topology = &run.topology;
    let web = |ix: &TargetIx| topology.check_of(*ix).id.as_str() == "web";
    let without = history.has(|what| matches!(what, What::Without));
    let clocks = topology.target_ixs().filter(web).count();
    if history.steps_the_clock() && clocks < 3 + usize::from(without) {
        // Of two clocks that differ either may be wrong.
        tally.add("not to be told apart", 1);
        return Ok(());
    }
    let mut dice = Dice::new(u64::from(history.seed), 7);
    // From now and then to always, and for one part of the targets only.
    let share = [0.05, 0.3, 0.7, 1.0][usize::from(history.seed % 4)];
    // Between two cuts everybody has to be asked.
    let share = if stretches_of_cut(history).len() > 1 { 0.0 } else { share };
    let spared = dice.share();
    let mut whom = dice.clone();
    // Where clocks are seen of some devices only, either side may be wrong.
    let (steps_the_clock, topology) = (history.steps_the_clock(), run.topology.clone());
    let shows: Vec<bool> = topology
        .target_ixs()
        .map(|ix| ["sip", "web"].contains(&topology.check_of(ix).id.as_str()))
        .collect();
    let hit: Vec<bool> = (0..run.topology.targets.len()).map(|_| whom.share() >= spared).collect();
    // Whoever sets our clock sets it wrong.
    run.steps_wrongly = true;
    let made_up = Rc::new(Cell::new(0));
    let makes_up = Rc::clone(&made_up);
    run.tamper = Some(Box::new(move |_, target, _, sight| {
        if hit[target.ix()] && dice.chance(share) && !(steps_the_clock && shows[target.ix()]) {
            sight.result = Err(local_failure(dice.throw()));
            sight.took = Duration::ZERO;
            makes_up.set(makes_up.get() + 1);
        }
    }));
    play(&mut run, &steps, &mut |run, acted| {
        if acted {
            return Ok(());
        }
        let trouble =
            (run.elapsed().as_secs() % 2 == 0).then(|| Ailment::Words("in trouble".to_owned()));
        run.tell(Input::Part { part: Part::Resolver, trouble });
        Ok(())
    })?;
    run.until(scenario.lasts);
    tally.add("failures made up", made_up.get());
    tally.add("cuts of our network", stretches_of_cut(history).len());
    let unknown = |(_, key, health): &&(Duration, TargetKey, Health)| {
        key.endpoint.is_none() && *health == Health::Unknown
    };
    tally.add("sites that became unknown", run.changed.iter().filter(unknown).count());
    tally.add("messages about ourselves", run.told.len());
    let bad = |health: Health| matches!(health, Health::Down | Health::Degraded);
    let worse = run.changed.iter().find(|(_, key, health)| {
        // When the network is cut, targets fall silent before we know that it is we.
        bad(*health) && (key.endpoint.is_none() || !cuts(history))
    });
    if let Some((at, key, health)) = worse {
        return Err(format!("{at:?}: {key} became {health:?}"));
    }
    if let Some((at, said)) =
        run.told.iter().find(|(_, m)| m.alert.incident.cause != Cause::Monitor)
    {
        return Err(format!("{at:?}: {} was told", said.id));
    }
    let mut wrong = std::mem::take(&mut run.complaints);
    wrong.extend(told::mistold(&run.told, !history.steps_the_clock(), false));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// What must have been seen of failures on top of what is wrong anyway.
pub(super) const SEEN_ON_TOP: [&str; 6] = [
    "failures made up",
    "sites that became unknown",
    "messages about ourselves",
    "incidents that were open",
    "cuts of our network",
    "steps of our clock",
];

/// A service that is asked once a minute is down for a fact after three.
const SETTLED: Duration = Duration::from_secs(400);
/// For how long there are failures of our own.
const ON_TOP: Duration = Duration::from_secs(240);
/// After them everything is as it was within this time.
const AS_BEFORE: Duration = Duration::from_secs(400);

/// What is open and has to stay so: by its id what it is, and who is affected.
fn open(run: &Run) -> Vec<String> {
    let open = run.durable.incidents.values().filter(|it| it.is_active() && explains(it));
    let words = open.map(|it| {
        let affected: Vec<_> = it.affected_now().map(SiteId::as_str).collect();
        let (cause, relapses) = (it.cause.word(), it.relapses.len());
        format!("{} is {cause} of {affected:?}, {relapses} relapses", it.id)
    });
    words.collect()
}

/// What failures of our own change of what is wrong anyway, and has been for long: nothing but what
/// is known. A site may become unknown and then what it was before; nothing is told but of
/// ourselves; and in the end the same incidents are open as before.
///
/// Besides probes that fail on this machine, at random and of every kind, our network is cut or our
/// clock is set. Neither can be told from faults of others where our own gateway is one of those
/// that have trouble, or where hardly any clock is seen.
pub(super) fn open_ones_change(history: &History, tally: &Tally) -> Result<(), String> {
    tally.add("histories", 1);
    let scenario = history.scenario();
    let (mut run, steps) = run_of(&scenario);
    let (over, settles) = history.calm();
    let before = steps.partition_point(|step| step.at < over + settles);
    play(&mut run, &steps[..before], &mut |_, _| Ok(()))?;
    run.until(SETTLED);
    if run.snapshot().monitor.blind {
        tally.add("blind before", 1);
        return Ok(());
    }
    let (was_open, said, changed) = (open(&run), run.told.len(), run.changed.len());
    let was = |durable: &Durable, key: &TargetKey| {
        durable.health.get(key).map_or(Health::Unknown, |it| it.health)
    };
    let healths = run.durable.clone();
    tally.add("incidents that were open", was_open.len());
    let mut dice = Dice::new(u64::from(history.seed), 6);
    let (share, spared) = ([0.05, 0.3, 0.7, 1.0][usize::from(history.seed % 4)], dice.share());
    let topology = run.topology.clone();
    let ours_fails = run
        .world
        .faults()
        .any(|(place, _)| matches!(place, Place::Site(site, _) if Some(*site) == topology.vantage));
    let well = run.snapshot().sites.iter().filter(|it| it.standing.hard == Health::Up).count();
    let (cut, step) = match dice.up_to(3) {
        0 if !ours_fails && well * 2 > topology.sites.len() => (true, false),
        1 if well > 4 => (false, true),
        _ => (false, false),
    };
    let shows = |ix| ["sip", "web"].contains(&topology.check_of(ix).id.as_str());
    let hit: Vec<bool> =
        topology.target_ixs().map(|ix| dice.share() >= spared && !(step && shows(ix))).collect();
    // In a cut everybody is asked, so that it can be told from a fault of theirs.
    let share = if cut { 0.0 } else { share };
    let made_up = Rc::new(Cell::new(0));
    let (makes_up, mut throws) = (Rc::clone(&made_up), dice.clone());
    run.tamper = Some(Box::new(move |_, target, _, sight| {
        if hit[target.ix()] && throws.chance(share) {
            sight.result = Err(local_failure(throws.throw()));
            sight.took = Duration::ZERO;
            makes_up.set(makes_up.get() + 1);
        }
    }));
    let at = SETTLED + Duration::from_millis(dice.up_to(60_000));
    run.until(at);
    if step {
        tally.add("steps of our clock", 1);
        run.steps_wrongly = true;
        let by = i64::try_from(dice.up_to(8000)).unwrap() - 4000;
        run.act(&Act::ClockStep(SignedDuration::from_secs(by)));
    }
    if cut {
        tally.add("cuts of our network", 1);
        run.world.place(run.now, Place::Own, Fault::OwnNetworkCut);
    }
    run.until(at + Duration::from_millis(dice.up_to(120_000)));
    run.world.lift(&Place::Own, None);
    if step {
        // Somebody sets it right.
        let off = run.right_time().duration_since(run.now.wall);
        run.act(&Act::ClockStep(off));
    }
    run.until(SETTLED + ON_TOP);
    run.tamper = None;
    run.until(SETTLED + ON_TOP + AS_BEFORE);
    tally.add("failures made up", made_up.get());
    for (at, key, health) in &run.changed[changed..] {
        let is_site = key.endpoint.is_none();
        tally.add("sites that became unknown", usize::from(is_site && *health == Health::Unknown));
        // When the network is cut, targets fall silent before we know that it is we.
        let fits = *health == Health::Unknown || *health == was(&healths, key);
        if !fits && (is_site || !cut) {
            return Err(format!(
                "{at:?}: {key} became {health:?} and was {:?}",
                was(&healths, key)
            ));
        }
    }
    for (at, message) in &run.told[said..] {
        // By a clock that is set wrong it is somebody else's duty, who has not heard of it.
        let is_new_to_it = step
            && ON_DUTY.contains(&message.channel.as_str())
            && message.kind == NotificationKind::Firing
            && !run.told[..said].iter().any(|(_, before)| {
                before.channel == message.channel
                    && before.alert.incident.id == message.alert.incident.id
            });
        if message.alert.incident.cause != Cause::Monitor && !is_new_to_it {
            return Err(format!("{at:?}: {} was told", told::words(message)));
        }
        tally.add("messages about ourselves", 1);
    }
    let is_open = open(&run);
    if is_open != was_open {
        return Err(format!("open is {is_open:#?}, was {was_open:#?}"));
    }
    for ix in topology.site_ixs() {
        let key = topology.site_key(ix);
        let (now, before) = (was(&run.durable, &key), was(&healths, &key));
        if now != before {
            return Err(format!("{key} is {now:?} and was {before:?}"));
        }
    }
    let wrong = std::mem::take(&mut run.complaints);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn cuts(history: &History) -> bool {
    history.has(|what| matches!(what, What::Own("own-network-cut", _)))
}

/// Two probes of s3 are lost in a cut, the next ones fail on this machine, and one more is lost
/// just before the cut ends.
#[test]
fn a_row_that_one_failure_takes_up_again_blames_nobody_for_our_own_cut() {
    let built = |shape, power| Build { shape, labels: [power, 0, 0] };
    let event = |at, what| Event { at, site: 0, whom: Whom::Site, what };
    let history = History {
        parents: vec![0, 1, 2, 3, 2, 5, 0],
        build: [(0, 0), (0, 0), (1, 0), (3, 3), (0, 0), (0, 0), (0, 0), (0, 0)]
            .map(|(shape, power)| built(shape, power))
            .into(),
        pace: Pace::Idle,
        events: vec![
            event(201, What::Own("own-network-cut", 107)),
            event(110, What::ClockStep(-6)),
        ],
        seed: 7810,
    };
    let tally = Tally::default();
    assert_eq!(others_are_blamed(&history, &tally), Ok(()));
    tally.shows("a row taken up again", &SEEN, 1);
}

/// The LAN of s4 is down, and our network is cut for a while; after it the codec is spoken of by a
/// router that was not asked yet.
#[test]
fn a_router_that_is_not_asked_yet_since_a_cut_is_not_silent() {
    let built = |shape| Build { shape, labels: [0; 3] };
    let what = What::Fault("lan-down", None);
    let history = History {
        parents: vec![0; 4],
        build: [4, 3, 4, 3, 0].map(built).into(),
        pace: Pace::Idle,
        events: vec![Event { at: 0, site: 4, whom: Whom::Site, what }],
        seed: 59847,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    tally.shows("a router not asked yet", &["cuts of our network", "incidents that were open"], 1);
}

/// The line of all is cut, and of three of its four sites we fail to ask so much that nothing is
/// known of them.
#[test]
fn a_line_most_of_whose_sites_we_fail_to_ask_is_told_as_nothing_else() {
    let built = |shape| Build { shape, labels: [0; 3] };
    let what = What::Fault("uplink-cut", None);
    let history = History {
        parents: vec![0; 4],
        build: [0, 4, 0, 0, 0].map(built).into(),
        pace: Pace::Idle,
        events: vec![Event { at: 0, site: 0, whom: Whom::Site, what }],
        seed: 4095,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    let must = ["failures made up", "incidents that were open"];
    tally.shows("a line whose sites we fail to ask", &must, 1);
}

/// SIP of s1 hangs, and while our network is cut s1 seems silent at the beginning of a minute, when
/// every incident is looked at.
#[test]
fn what_seems_graver_while_our_network_is_cut_makes_nothing_more_urgent() {
    let built = |shape| Build { shape, labels: [0; 3] };
    let what = What::Fault("sip-hung", None);
    let history = History {
        parents: vec![0; 5],
        build: [4, 0, 0, 0, 0, 0].map(built).into(),
        pace: Pace::Idle,
        events: vec![Event { at: 0, site: 1, whom: Whom::Site, what }],
        seed: 1769,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    tally.shows("what seems graver", &["cuts of our network", "incidents that were open"], 1);
}

/// The LAN of s3 is down, and we fail to ask its codec and then its router: when the codec fails
/// again, the router was not asked since.
#[test]
fn a_device_that_we_failed_to_ask_for_a_while_is_still_the_one_that_is_silent() {
    let built = |shape| Build { shape, labels: [0; 3] };
    let what = What::Fault("lan-down", None);
    let history = History {
        parents: vec![0, 1, 2, 2, 4],
        build: [0; 6].map(built).into(),
        pace: Pace::Idle,
        events: vec![Event { at: 0, site: 3, whom: Whom::Site, what }],
        seed: 61046,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    tally.shows("a device we failed to ask", &["failures made up", "incidents that were open"], 1);
}

/// The power of s2 is cut, and of s5 behind it, while s3 and s4 answer through s2. We fail to ask
/// s2 for a while, and then again s3 and s4.
#[test]
fn a_site_that_we_failed_to_ask_for_a_while_silences_nobody_who_answered_through_it() {
    let event = |site| {
        let what = What::Fault("power-cut", None);
        Event { at: 0, site, whom: Whom::Site, what }
    };
    let history = History {
        parents: vec![0, 0, 2, 2, 2],
        build: [0; 6].map(|shape| Build { shape, labels: [0; 3] }).into(),
        pace: Pace::Idle,
        events: vec![event(2), event(5)],
        seed: 55455,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    tally.shows("a site we failed to ask", &["failures made up", "incidents that were open"], 1);
}

/// SIP of s4 hangs, of which nothing is pinged, and we fail to ask whatever else runs on its codec.
#[test]
fn a_service_that_hangs_is_no_dead_device_when_we_fail_to_ask_the_others() {
    let built = |shape| Build { shape, labels: [0; 3] };
    let what = What::Fault("sip-hung", None);
    let history = History {
        parents: vec![0, 0, 0, 3, 1, 3, 1],
        build: [0, 0, 3, 0, 4, 0, 0, 0].map(built).into(),
        pace: Pace::Idle,
        events: vec![Event { at: 0, site: 4, whom: Whom::Site, what }],
        seed: 15507,
    };
    let tally = Tally::default();
    assert_eq!(open_ones_change(&history, &tally), Ok(()));
    tally.shows("a service that hangs", &["failures made up", "incidents that were open"], 1);
}
