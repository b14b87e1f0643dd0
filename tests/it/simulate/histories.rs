//! Properties of the brain over random histories of small provinces.
//!
//! A history is a scenario file that nobody wrote: a random tree of sites, some of them built
//! oddly, and a random timeline of faults, restarts, reloads, clock steps, acks and silences. What
//! fails is shrunk and printed as the file that it is, so that a person can read it, keep it under
//! `tests/scenarios` and play it again.
//!
//! - `drawn`: the histories; `truth`: what is the matter in them; `told`: what people heard;
//! - `ours`: histories in which only we are at fault;
//! - `tally`: what was in all of them, so that no property holds for want of a case.
//!
//! `HISTORIES` sets how many are played, `HISTORIES_SEED` which ones.

#[path = "histories/drawn.rs"]
mod drawn;
#[path = "histories/ours.rs"]
mod ours;
#[path = "histories/tally.rs"]
mod tally;
#[path = "histories/told.rs"]
mod told;
#[path = "histories/truth.rs"]
mod truth;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use proptest::test_runner::{
    Config as Runs, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use vchealth::config::{Channel, DatedShift, Person, Receiver, Rota, Route, Settings, When};
use vchealth::lab::scenario::Step;
use vchealth::lab::world::{Nature, World};
use vchealth::model::{
    ChannelId, Effort, Failure, Health, IcmpError, Incident, Now, PersonId, RemoteFailure, Reply,
    RotaId, Severity, TargetIx, Unreachable,
};
use vchealth::monitor::Monitor;

use self::drawn::History;
use self::tally::Tally;
use super::run::{self, Run};

/// Histories that are played unless `HISTORIES` says otherwise.
const HISTORIES: u32 = 2_000;
/// The brain runs for this long before anything happens: enough to have seen everybody twice.
const WARM_UP: Duration = Duration::from_secs(20);
/// What is wrong ends at last; this much later nobody may be left with a problem that is none.
/// Messages may wait an hour for their turn, and an hour more if the hour was used up.
const SETTLES_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// The brain writes down what it was told within this time.
const WRITES_WITHIN: Duration = Duration::from_millis(50);
/// The channel that wants to know everything.
const ALL: &str = "all";
/// The channel that wants no ends.
const NO_ENDS: &str = "no-ends";
/// The channel that wants to know only what is critical.
const CRITICAL: &str = "critical";
/// Who hands over to whom in the middle of what happens; each has a channel of that name.
const ON_DUTY: [&str; 2] = ["early", "late"];

#[test]
fn whatever_happens_each_fault_is_explained_once_and_told_once() {
    let tally = Tally::default();
    for_all(1, drawn::whatever, |history| first_wrong(history, &tally));
    tally.holds("whatever happens", &SEEN);
}

#[test]
fn whatever_happens_where_sites_have_something_in_common_is_explained_once_and_told_once() {
    let tally = Tally::default();
    for_all(10, drawn::labelled, |history| first_wrong(history, &tally));
    tally.holds("where sites have something in common", &[&SEEN[..], &SEEN_IN_COMMON].concat());
}

#[test]
fn the_same_history_gives_the_same_snapshots() {
    let tally = Tally::default();
    for_all(20, drawn::whatever, |history| {
        let films = [0, 1].map(|_| film(history));
        tally.add("snapshots", films[0].len());
        if films[0] == films[1] { Ok(()) } else { Err("two runs of it differ".to_owned()) }
    });
    tally.holds("the same history", &["snapshots"]);
}

#[test]
fn failures_of_our_own_make_things_unknown_and_nothing_else() {
    let tally = Tally::default();
    for_all(1, drawn::ours, |history| ours::others_are_blamed(history, &tally));
    tally.holds("failures of our own", &ours::SEEN);
}

#[test]
fn one_odd_outcome_changes_nothing_for_good() {
    let tally = Tally::default();
    for_all(5, drawn::lasting, |history| changed_by_one_odd(history, &tally));
    tally.holds("one odd outcome", &["odd outcomes", "sites that are down", "sites that are up"]);
}

fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many histories are played.
fn histories() -> u32 {
    number("HISTORIES").unwrap_or(HISTORIES)
}

/// Plays histories on all processors. What fails is shrunk and told as a scenario file.
fn for_all<S>(
    one_in: u32,
    strategy: impl Fn() -> S + Sync,
    check: impl Fn(&History) -> Result<(), String> + Sync,
) where
    S: Strategy<Value = History>,
{
    let total = histories() / one_in;
    let seed = number("HISTORIES_SEED").unwrap_or(1);
    let hands = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap());
    let failed: Mutex<Option<String>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for hand in 0..hands {
            let (failed, check, strategy) = (&failed, &check, &strategy);
            scope.spawn(move || {
                let mut key = [0; 32];
                key[..4].copy_from_slice(&seed.to_le_bytes());
                key[4..8].copy_from_slice(&hand.to_le_bytes());
                let runs = Runs {
                    cases: total.div_ceil(hands),
                    failure_persistence: None,
                    max_shrink_iters: 4_000,
                    ..Runs::default()
                };
                let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
                let mut runner = TestRunner::new_with_rng(runs, rng);
                let outcome = runner.run(&strategy(), |history| {
                    if failed.lock().unwrap().is_some() {
                        // Somebody else has something to tell already.
                        return Ok(());
                    }
                    let checked =
                        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&history)));
                    let checked = checked.unwrap_or_else(|_| Err("it panics".to_owned()));
                    checked.map_err(TestCaseError::fail)
                });
                if let Err(TestError::Fail(why, history)) = outcome {
                    let words = format!("{why}\n\nin this history:\n\n{history:?}\n");
                    failed.lock().unwrap().get_or_insert(words);
                }
            });
        }
    });
    if let Some(words) = failed.into_inner().unwrap() {
        panic!("{words}");
    }
}

/// The shipped settings, and channels of every temper.
fn settings() -> Settings {
    let mut settings = run::settings();
    let all = settings.channels[0].clone();
    let channel = |id: &str| Channel { id: ChannelId::new(id), ..all.clone() };
    settings.channels = vec![
        channel(ALL),
        channel(CRITICAL),
        Channel { send_resolved: false, ..channel(NO_ENDS) },
        channel(ON_DUTY[0]),
        channel(ON_DUTY[1]),
    ];
    let person = |id: &str| Person {
        id: PersonId::new(id),
        name: id.to_owned(),
        phone: String::new(),
        channels: vec![ChannelId::new(id)],
    };
    settings.people = ON_DUTY.map(person).into();
    let begins: jiff::Timestamp = run::BEGINS.parse().unwrap();
    settings.rotas = vec![Rota {
        id: RotaId::new("duty"),
        time_zone: settings.time_zone.clone(),
        weekly: Vec::new(),
        dated: vec![DatedShift {
            from: begins - SignedDuration::from_hours(24),
            until: begins + SignedDuration::from_mins(1),
            who: vec![PersonId::new(ON_DUTY[0])],
        }],
        otherwise: vec![PersonId::new(ON_DUTY[1])],
    }];
    let to = |name: &str, when: When, to: Vec<Receiver>, goes_on: bool| Route {
        name: name.to_owned(),
        when,
        to,
        escalate: Vec::new(),
        goes_on,
    };
    let channel = |id: &str| Receiver::Channel(ChannelId::new(id));
    let critical = When { severities: vec![Severity::Critical], ..When::default() };
    settings.routes = vec![
        to("critical", critical, vec![channel(CRITICAL)], true),
        to("duty", When::default(), vec![Receiver::Rota(RotaId::new("duty"))], true),
        to("all", When::default(), vec![channel(ALL), channel(NO_ENDS)], false),
    ];
    settings
}

// ---------------------------------------------------------------------------------------------

/// What must have been seen for the properties to mean something.
const SEEN: [&str; 12] = [
    "incidents: uplink",
    "incidents: access",
    "incidents: device",
    "incidents: service",
    "incidents: quality",
    "incidents: monitor",
    "messages: firing",
    "messages: update",
    "messages: resolved",
    "told to who came on duty later",
    "sites judged in the end",
    "restorations compared",
];
/// The same where sites have something in common.
const SEEN_IN_COMMON: [&str; 3] = ["in common: access", "in common: device", "in common: service"];

/// The first thing that is wrong with a history.
///
/// 1. At every moment each site that is down or degraded is explained by exactly one open incident;
///    see [`run::contradictions`].
/// 2. At every step a brain that is restored shows what the running one has written down.
/// 3. When nothing has changed for long, what it says is [true](truth::is_wrong).
/// 4. When all is well at last, everybody who was told of something has been told its end, and
///    nothing was [told wrongly](told::mistold) meanwhile.
fn first_wrong(history: &History, tally: &Tally) -> Result<(), String> {
    let scenario = history.scenario();
    let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
    let (over, settles) = history.calm();
    let heals = over + settles;
    let before = steps.partition_point(|step| step.at < heals);
    play(&mut run, &steps[..before], &mut |run| {
        if run.monitor.is_none() {
            return Ok(());
        }
        tally.add("restorations compared", 1);
        restored_differs(run)
            .map_or(Ok(()), |words| Err(format!("at {:?}: {words}", run.elapsed())))
    })?;
    run.until(heals);
    truth::is_wrong(&mut run, history, tally)?;
    for step in &steps[before..] {
        run.act(&step.act);
    }
    let mut until = heals + settles / 2;
    run.until(until);
    while !is_settled(&mut run) {
        if until > heals + SETTLES_WITHIN {
            let snapshot = run.snapshot();
            let open: Vec<_> = snapshot.incidents.iter().filter(|i| i.is_open()).collect();
            let health: Vec<_> = snapshot.sites.iter().map(|site| site.standing.hard).collect();
            return Err(format!(
                "all is well and it is not over: {:?}, {health:?}, {open:#?}",
                told::left_on(&run.told)
            ));
        }
        until += Duration::from_secs(60);
        run.until(until);
    }
    let mut wrong = std::mem::take(&mut run.complaints);
    wrong.extend(told::mistold(&run.told, !history.steps_the_clock()));
    count(&run, tally);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Plays a history up to where its faults are taken away, with a look at every step. What happens
/// at one moment, such as a reload and a fault, is looked at together, once the brain has had the
/// time to write down what it makes of it.
fn play(
    run: &mut Run,
    steps: &[Step],
    looks: &mut impl FnMut(&mut Run) -> Result<(), String>,
) -> Result<(), String> {
    let mut acted = None;
    for step in steps {
        run.until(step.at);
        if acted.is_none_or(|at| run.elapsed() >= at + WRITES_WITHIN) {
            looks(run)?;
        }
        run.act(&step.act);
        acted = Some(run.elapsed());
    }
    Ok(())
}

/// A brain that is restored from what is durable shows just that.
fn restored_differs(run: &Run) -> Option<String> {
    let mut restored = Monitor::new(run.config.clone(), run.durable.clone(), run.now);
    let snapshot = restored.snapshot(run.now);
    let open: BTreeMap<_, _> = run
        .durable
        .incidents
        .iter()
        .filter(|(_, incident)| incident.is_open())
        .map(|(id, incident)| (id.clone(), incident.clone()))
        .collect();
    let shown: BTreeMap<_, Incident> = snapshot
        .incidents
        .iter()
        .filter(|incident| incident.is_open())
        .map(|incident| (incident.id.clone(), (**incident).clone()))
        .collect();
    if open != shown {
        return Some(format!("durable are {open:#?}, restored {shown:#?}"));
    }
    let topology = &run.config.topology;
    topology.site_ixs().find_map(|site| {
        let durable =
            run.durable.health.get(&topology.site_key(site)).map_or(Health::Unknown, |s| s.health);
        let shown = snapshot.sites[site.ix()].standing.hard;
        (durable != shown)
            .then(|| format!("{} is {durable:?}, restored {shown:?}", topology.site(site).id))
    })
}

/// Whether everybody who was told of a problem was told of its end.
fn is_settled(run: &mut Run) -> bool {
    if run.monitor.is_none() || !told::left_on(&run.told).is_empty() {
        return false;
    }
    let snapshot = run.snapshot();
    !snapshot.incidents.iter().any(|incident| incident.is_open())
        && snapshot.sites.iter().all(|site| site.standing.hard == Health::Up)
}

/// Counts what there was.
fn count(run: &Run, tally: &Tally) {
    for incident in run.durable.incidents.values() {
        tally.add(&format!("incidents: {}", incident.cause.word()), 1);
        if incident.common.is_some() {
            tally.add(&format!("in common: {}", incident.cause.word()), 1);
        }
    }
    for (_, message) in &run.told {
        tally.add(&format!("messages: {}", message.kind.word()), 1);
        tally.add(
            "told to who came on duty later",
            usize::from(message.channel.as_str() == ON_DUTY[1]),
        );
    }
}

/// All that is shown and told in a history, step by step.
fn film(history: &History) -> Vec<String> {
    let (mut run, steps) = Run::with(&history.scenario(), settings(), WARM_UP);
    let mut film = Vec::new();
    let mut look = |run: &mut Run| {
        if run.monitor.is_some() {
            film.push(format!("{:?}", run.snapshot()));
        }
        Ok(())
    };
    play(&mut run, &steps, &mut look).expect("nothing is asked of it");
    film.push(format!("{:?}", run.told));
    film
}

// ---------------------------------------------------------------------------------------------

/// An outcome that does not fit the rest.
fn odd(run: &Run, ix: TargetIx, now: Now, n: u16) -> Result<Reply, Failure> {
    let topology = &run.topology;
    let unreachable = |ix: usize| {
        let endpoint = &topology.endpoints[ix % topology.endpoints.len()];
        RemoteFailure::Unreachable(IcmpError {
            icmp_type: 3,
            icmp_code: 1,
            offender: endpoint.host.to_string().parse().ok(),
            kind: Unreachable::Host,
        })
    };
    match n % 4 {
        0 => Err(Failure::Remote(RemoteFailure::Timeout)),
        1 => Err(Failure::Remote(RemoteFailure::Refused)),
        2 => Err(Failure::Remote(unreachable(usize::from(n / 4)))),
        _ => World::new(topology.clone(), Nature::default()).probe(now, ix, Effort::Normal).result,
    }
}

/// What one outcome that does not fit the rest changes for good, when nothing has changed for long.
fn changed_by_one_odd(history: &History, tally: &Tally) -> Result<(), String> {
    let scenario = history.scenario();
    let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
    let (over, settles) = history.calm();
    let before = steps.partition_point(|step| step.at < over + settles);
    play(&mut run, &steps[..before], &mut |_| Ok(()))?;
    // A service that is asked once a minute is down for a fact after three.
    run.until(Duration::from_secs(400));
    let target = TargetIx::new(usize::from(history.seed) % run.topology.targets.len());
    let outcome = odd(&run, target, run.now, history.seed / 7);
    let words = format!("{} got {outcome:?}", run.topology.target_key(target));
    for site in run.snapshot().sites {
        let is = format!("sites that are {}", site.standing.hard.word());
        tally.add(&is, 1);
    }
    let given = Rc::new(Cell::new(false));
    let (gives, mut once) = (Rc::clone(&given), Some(outcome));
    run.tamper = Some(Box::new(move |_, asked, _, sight| {
        if asked == target
            && let Some(outcome) = once.take()
        {
            sight.result = outcome;
            sight.took = Duration::from_millis(30);
            gives.set(true);
        }
    }));
    let (changes, told) = (run.changed.len(), run.told.len());
    run.until(Duration::from_secs(600));
    if !given.get() {
        return Err(format!("nobody asked: {words}"));
    }
    tally.add("odd outcomes", 1);
    if let Some((at, key, health)) = run.changed.get(changes) {
        return Err(format!("{at:?}: {key} became {health:?} when {words}"));
    }
    if let Some((at, said)) = run.told.get(told) {
        return Err(format!("{at:?}: {} was told when {words}", said.id));
    }
    Ok(())
}
