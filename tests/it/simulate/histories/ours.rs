//! Histories in which nothing is wrong but with ourselves.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use vchealth::lab::world::Dice;
use vchealth::model::{Ailment, Cause, Failure, Health, LocalFailure, Part, TargetIx, TargetKey};
use vchealth::monitor::Input;

use super::drawn::{Build, Event, History, Pace, What, Whom};
use super::tally::Tally;
use super::{WARM_UP, play, settings, told};
use crate::simulate::run::Run;

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
    Failure::Local(match n % 4 {
        0 => LocalFailure::NoRoute,
        1 => LocalFailure::Stopping,
        2 => LocalFailure::Other("made up".to_owned()),
        _ => LocalFailure::Unresolved("nobody answers".to_owned()),
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
    if cuts(history) && !can_be_told_apart(history) {
        tally.add("not to be told apart", 1);
        return Ok(());
    }
    let scenario = history.scenario();
    let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
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
    play(&mut run, &steps, &mut |run| {
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
    wrong.extend(told::mistold(&run.told, !history.steps_the_clock()));
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
    tally.holds("a row taken up again", &SEEN);
}
