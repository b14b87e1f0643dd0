//! Properties of the brain over random histories of small provinces.
//!
//! A history is a scenario file that nobody wrote: a random tree of sites, some of them built
//! oddly, and a random timeline of faults, restarts, reloads, clock steps, acks and silences. What
//! fails is shrunk and printed as the file that it is, so that a person can read it, keep it under
//! `tests/scenarios` and play it again.
//!
//! - `drawn`: the histories; `truth`: what is the matter in them, `past`: what was when something
//!   was told; `told`: what people heard;
//! - `ours`: failures of our own, alone and on top of what is wrong anyway; `odd`: one outcome that
//!   does not fit the rest;
//! - `tally`: what was in all of them, so that no property holds for want of a case.
//!
//! `HISTORIES` sets how many are played by all properties together, `HISTORIES_SEED` which ones.

#[path = "histories/drawn.rs"]
mod drawn;
#[path = "histories/odd.rs"]
mod odd;
#[path = "histories/ours.rs"]
mod ours;
#[path = "histories/past.rs"]
mod past;
#[path = "histories/tally.rs"]
mod tally;
#[path = "histories/told.rs"]
mod told;
#[path = "histories/truth.rs"]
mod truth;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{
    Config as Runs, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use vchealth::config::{Channel, DatedShift, Person, Receiver, Rota, Route, Settings, When};
use vchealth::lab::scenario::{Scenario, Step};
use vchealth::lab::world::{Dice, Nature, World};
use vchealth::model::{ChannelId, Effort, Health, Incident, PersonId, RotaId, Severity, TargetIx};
use vchealth::monitor::Monitor;

use self::drawn::History;
use self::past::Past;
use self::tally::Tally;
use super::restarts::{Essence, essence_of};
use super::run::{self, Run, explains};
use super::seed;

/// Histories that are played, by all properties together, unless `HISTORIES` says otherwise.
const HISTORIES: u32 = 4_000;
/// Parts in which the histories of a property are played, each with chance of its own.
const PARTS: u32 = 16;
/// The brain runs for this long before anything happens: enough to have seen everybody twice.
const WARM_UP: Duration = Duration::from_secs(20);
/// What is wrong ends at last; this much later nobody may be left with a problem that is none.
/// Messages may wait an hour for their turn, and an hour more if the hour was used up.
const SETTLES_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// What never flaps is over so much later, and everybody has been told.
const ENDS_WITHIN: Duration = Duration::from_secs(1200);
/// A service that is asked once a minute is out for a fact after so much more time.
const OUT_WITHIN: Duration = Duration::from_secs(240);
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
/// When they do.
const HANDED_OVER: Duration = Duration::from_secs(60);

#[test]
fn whatever_happens_each_fault_is_explained_once_and_told_once() {
    let tally = Tally::default();
    for_all(500, drawn::whatever, |history| first_wrong(history, &tally));
    tally.holds("whatever happens", &SEEN);
}

#[test]
fn over_hours_of_coming_and_going_each_fault_is_explained_once_and_told_once() {
    let tally = Tally::default();
    for_all(6, drawn::hours, |history| first_wrong(history, &tally));
    tally.holds("over hours of coming and going", &SEEN_OVER_HOURS);
}

#[test]
fn whatever_happens_where_sites_have_something_in_common_is_explained_once_and_told_once() {
    let tally = Tally::default();
    for_all(44, drawn::labelled, |history| first_wrong(history, &tally));
    tally.holds("where sites have something in common", &[&SEEN[..], &SEEN_IN_COMMON].concat());
}

#[test]
fn the_same_history_gives_the_same_snapshots() {
    let tally = Tally::default();
    for_all(50, drawn::whatever, |history| {
        let films = [0, 1].map(|_| film(history));
        tally.add("snapshots", films[0].len());
        if films[0] == films[1] { Ok(()) } else { Err("two runs of it differ".to_owned()) }
    });
    tally.holds("the same history", &["snapshots"]);
}

#[test]
fn failures_of_our_own_make_things_unknown_and_nothing_else() {
    let tally = Tally::default();
    for_all(120, drawn::ours, |history| ours::others_are_blamed(history, &tally));
    assert!(
        tally.of("not to be told apart") * 5 < tally.of("histories"),
        "too many are passed over"
    );
    tally.holds("failures of our own", &ours::SEEN);
}

#[test]
fn failures_of_our_own_neither_end_nor_rename_what_is_open() {
    let tally = Tally::default();
    for_all(100, drawn::lasting, |history| ours::open_ones_change(history, &tally));
    assert!(tally.of("blind before") * 5 < tally.of("histories"), "too many are passed over");
    tally.holds("failures of our own while something is open", &ours::SEEN_ON_TOP);
}

#[test]
fn one_odd_outcome_changes_nothing_for_good() {
    let tally = Tally::default();
    for_all(130, drawn::lasting, |history| odd::changes(history, &tally));
    assert!(tally.of("blind before") * 5 < tally.of("histories"), "too many are passed over");
    tally.holds("one odd outcome", &odd::SEEN);
}

#[test]
fn one_answer_from_behind_a_cut_line_is_no_reason_to_tell_of_each_site_there() {
    let text = "name: x\nprovince: {tree: {s0-bare: {s1: ~, s2: ~, s3-mute: {s4: ~, s5: ~, s6: ~, \
                s7: ~}}}}\nnetwork: {seed: 11203}\nsessions: [{title: x, from: -1m, to: +9h}]\n\
                lasts: 700s\nreal: false\ntimeline:\n  \
                - {at: 0s, site: s3-mute, fault: uplink-cut}\nexpect: nothing\n";
    let scenario = Scenario::parse("once.yaml", text).unwrap_or_else(|it| panic!("{it}"));
    let (mut run, steps) = run_of(&scenario);
    run.play(&steps, Duration::from_secs(550));
    let told = run.told.len();
    let (topology, now) = (Arc::clone(&run.topology), run.now);
    let is_it = |ix: &TargetIx| topology.target_key(*ix).to_string() == "s4/router/ping";
    let target = topology.target_ixs().find(is_it).expect("it is asked");
    let mut well = World::new(Arc::clone(&topology), Nature::default());
    let answer = well.probe(now, target, Effort::Normal).result;
    let given = odd::give_once(&mut run, target, answer);
    run.until(scenario.lasts);
    assert!(given.get(), "nobody asked");
    let words: Vec<String> = run.told[told..].iter().map(|(_, it)| told::words(it)).collect();
    assert_eq!(words, [""; 0]);
}

#[test]
fn a_brain_that_remembers_goes_on_like_one_that_never_stopped() {
    let tally = Tally::default();
    for_all(50, drawn::lasting, |history| restored_goes_on_otherwise(history, &tally));
    tally.holds("a brain that remembers", &["restored in the middle", "messages compared"]);
}

/// How many histories are played, by all properties together.
fn histories() -> u32 {
    std::env::var("HISTORIES").ok().and_then(|number| number.parse().ok()).unwrap_or(HISTORIES)
}

/// Plays its share of the histories on all processors, the same ones however many there are. What
/// fails is shrunk and told as a scenario file.
fn for_all<S>(
    permille: u32,
    strategy: impl Fn() -> S + Sync,
    check: impl Fn(&History) -> Result<(), String> + Sync,
) where
    S: Strategy<Value = History>,
{
    let total = (histories() * permille).div_ceil(1000);
    let hands = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (next, failed) = (AtomicU32::new(0), Mutex::new(None::<String>));
    std::thread::scope(|scope| {
        for _ in 0..hands {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= PARTS || failed.lock().unwrap().is_some() {
                        break;
                    }
                    let cases = total / PARTS + u32::from(part < total % PARTS);
                    if let Err(words) = play_part(part, cases, &strategy(), &check, &failed) {
                        failed.lock().unwrap().get_or_insert(words);
                    }
                }
            });
        }
    });
    if let Some(words) = failed.into_inner().unwrap() {
        let (histories, seed) = (histories(), seed());
        panic!("HISTORIES={histories} HISTORIES_SEED={seed}: {words}");
    }
}

/// Plays so many histories, one after the other, unless somebody else has `failed` already.
fn play_part(
    part: u32,
    cases: u32,
    strategy: &impl Strategy<Value = History>,
    check: &impl Fn(&History) -> Result<(), String>,
    failed: &Mutex<Option<String>>,
) -> Result<(), String> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed().to_le_bytes());
    key[8..12].copy_from_slice(&part.to_le_bytes());
    let runs =
        Runs { cases, failure_persistence: None, max_shrink_iters: 4_000, ..Runs::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &key);
    let outcome = TestRunner::new_with_rng(runs, rng).run(strategy, |history| {
        if failed.lock().unwrap().is_some() {
            return Ok(());
        }
        let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(&history)));
        let checked = checked.unwrap_or_else(|_| Err("it panics".to_owned()));
        checked.map_err(TestCaseError::fail)
    });
    match outcome {
        Err(TestError::Fail(why, history)) => {
            Err(format!("{why}\n\nin this history:\n\n{history:?}\n"))
        }
        _ => Ok(()),
    }
}

/// The run of a history, with probes ordered as the daemon does it.
fn run_of(scenario: &Scenario) -> (Run, Vec<Step>) {
    let (mut run, steps) = Run::with(scenario, settings(), WARM_UP);
    run.order_as_the_daemon();
    (run, steps)
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
    let begins: Timestamp = run::BEGINS.parse().unwrap();
    settings.rotas = vec![Rota {
        id: RotaId::new("duty"),
        time_zone: settings.time_zone.clone(),
        weekly: Vec::new(),
        dated: vec![DatedShift {
            from: begins - SignedDuration::from_hours(24),
            until: begins + HANDED_OVER,
            who: vec![PersonId::new(ON_DUTY[0])],
        }],
        otherwise: vec![PersonId::new(ON_DUTY[1])],
        handed: None,
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
const SEEN: [&str; 18] = [
    "incidents: uplink",
    "incidents: access",
    "incidents: device",
    "incidents: service",
    "incidents: quality",
    "incidents: certificate",
    "incidents: clock",
    "incidents: monitor",
    "messages: firing",
    "messages: update",
    "messages: resolved",
    "told to who came on duty later",
    "sites judged in the end",
    "sites of which something is missed",
    "explained from above",
    "explained from above by two levels",
    "ended in time",
    "restorations compared",
];
/// The same over hours.
const SEEN_OVER_HOURS: [&str; 6] = [
    "one cause that comes and goes",
    "incidents that come and go",
    "incidents: access",
    "messages: firing",
    "messages: resolved",
    "sites judged in the end",
];
/// The same where sites have something in common.
const SEEN_IN_COMMON: [&str; 4] = [
    "in common: access",
    "in common: device",
    "in common: service",
    "explained by something in common",
];

/// The first thing that is wrong with a history.
///
/// 1. At every moment each site that is down or degraded is explained by exactly one open incident;
///    see [`run::contradictions`].
/// 2. At every step a brain that is restored shows what the running one has written down.
/// 3. Whatever is told is [true](past::Past::untrue) when it is told.
/// 4. When nothing has changed for long, what it says is [true](truth::is_wrong), and nothing was
///    [overlooked](truth::overlooked).
/// 5. When all is well at last, everybody who was told of something has been told its end, soon
///    unless it came and went, and nothing was [told wrongly](told::mistold) meanwhile.
fn first_wrong(history: &History, tally: &Tally) -> Result<(), String> {
    let scenario = history.scenario();
    let (mut run, steps) = run_of(&scenario);
    let (over, settles) = history.calm();
    let heals = over + settles;
    let before = steps.partition_point(|step| step.at < heals);
    let past = Rc::new(RefCell::new(Past::new(history, &run)));
    let (knows, whole) = (Rc::clone(&past), Arc::clone(&run.topology));
    run.listener = Some(Box::new(move |message, durable, config, now| {
        knows.borrow().untrue(message, durable, config, &whole, now)
    }));
    play(&mut run, &steps[..before], &mut |run, acted| {
        if acted {
            past.borrow_mut().look(run);
            return Ok(());
        }
        if run.monitor.is_none() {
            return Ok(());
        }
        tally.add("restorations compared", 1);
        restored_differs(run)
            .map_or(Ok(()), |words| Err(format!("at {:?}: {words}", run.elapsed())))
    })?;
    run.until(heals);
    truth::is_wrong(&mut run, history, tally)?;
    let mut heals = heals;
    if truth::overlooked(&mut run, tally).is_some() {
        tally.add("had to be waited for", 1);
        heals += OUT_WITHIN;
        run.until(heals);
        if let Some(words) = truth::overlooked(&mut run, tally) {
            return Err(words);
        }
    }
    for step in &steps[before..] {
        run.act(&step.act);
    }
    past.borrow_mut().look(&run);
    let mut until = heals + settles / 2;
    run.until(until);
    while !is_settled(&mut run) {
        if until > heals + ENDS_WITHIN
            && let Some(words) = outlasts(&run)
        {
            return Err(words);
        }
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
    tally.add("ended in time", usize::from(until <= heals + ENDS_WITHIN));
    let mut wrong = std::mem::take(&mut run.complaints);
    let one_cause = history.is_one_that_flaps();
    tally.add("one cause that comes and goes", usize::from(one_cause));
    wrong.extend(told::mistold(&run.told, !history.steps_the_clock(), one_cause));
    count(&run, tally);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Plays a history up to where its faults are taken away, with a look before every step, and one
/// after it, of which it is said that it is. What happens at one moment, such as a reload and a
/// fault, is looked at together before it, once the brain has had the time to write down what it
/// makes of what was before.
fn play(
    run: &mut Run,
    steps: &[Step],
    looks: &mut impl FnMut(&mut Run, bool) -> Result<(), String>,
) -> Result<(), String> {
    let mut acted = None;
    for step in steps {
        run.until(step.at);
        if acted.is_none_or(|at| run.elapsed() >= at + WRITES_WITHIN) {
            looks(run, false)?;
        }
        run.act(&step.act);
        looks(run, true)?;
        acted = Some(run.elapsed());
    }
    Ok(())
}

/// A brain that is restored from what is durable shows just that: what is open, the health of
/// every site, device and target that is watched, silences and maintenance.
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
    let (silences, maintenance) = (&run.durable.silences, &run.durable.maintenance);
    let stand = |until: Timestamp| until > run.now.wall;
    let muted = silences.values().filter(|it| stand(it.until)).map(|it| &it.id);
    if !muted.eq(snapshot.silences.iter().map(|it| &it.id)) {
        return Some(format!("durable are {silences:#?}, restored {:#?}", snapshot.silences));
    }
    let worked = maintenance.values().filter(|it| stand(it.until)).map(|it| &it.id);
    if !worked.eq(snapshot.maintenance.iter().map(|it| &it.id)) {
        return Some(format!("durable are {maintenance:#?}, restored {:#?}", snapshot.maintenance));
    }
    let topology = &run.config.topology;
    let sites = topology
        .site_ixs()
        .map(|ix| (topology.site_key(ix), snapshot.sites[ix.ix()].standing.hard));
    let targets = topology
        .target_ixs()
        .map(|ix| (topology.target_key(ix), snapshot.targets[ix.ix()].standing.hard));
    sites.chain(targets).find_map(|(key, shown)| {
        let durable = run.durable.health.get(&key).map_or(Health::Unknown, |it| it.health);
        (durable != shown).then(|| format!("{key} is {durable:?}, restored {shown:?}"))
    })
}

/// What a brain that is restored at a random moment says otherwise than the one that goes on.
///
/// All that is wrong is from the beginning, and for long enough that both have the time to be sure
/// of it.
fn restored_goes_on_otherwise(history: &History, tally: &Tally) -> Result<(), String> {
    let scenario = history.scenario();
    let (mut run, steps) = run_of(&scenario);
    let (over, settles) = history.calm();
    let before = steps.partition_point(|step| step.at < over + settles);
    let heals = over + settles + OUT_WITHIN;
    let ends = heals + settles;
    play(&mut run, &steps[..before], &mut |_, _| Ok(()))?;
    let mut dice = Dice::new(u64::from(history.seed), 9);
    let at = Duration::from_millis(dice.up_to(u64::try_from(ends.as_millis()).unwrap()));
    run.until(at.min(heals));
    let heal = |run: &mut Run| {
        for step in &steps[before..] {
            run.act(&step.act);
        }
    };
    let is_healed = at >= heals;
    if is_healed {
        heal(&mut run);
        run.until(at);
    }
    let mut runs = [run.fork(), run];
    for run in &mut runs {
        run.until(heals);
        if !is_healed {
            heal(run);
        }
        run.until(heals + ENDS_WITHIN);
        if let Some(wrong) = run.complaints.first() {
            return Err(wrong.clone());
        }
    }
    tally.add("restored in the middle", 1);
    // Who is on duty when something is told is a matter of seconds.
    let [restored, usual] = runs.map(|run| {
        let told = run.told.iter().map(|(_, message)| message);
        let told: Vec<_> = told.filter(|message| message.channel.as_str() == ALL).collect();
        tally.add("messages compared", told.len());
        let mut essence: Vec<_> = essence_of(told.into_iter()).iter().map(Essence::kinds).collect();
        // Whether one of the sites of a line is noticed before the others, and which, is a matter
        // of whose turn comes first after the restart.
        if essence.iter().any(|(about, _)| about.starts_with("uplink")) {
            essence.retain(|(about, _)| !about.starts_with("access"));
        }
        essence.sort();
        essence
    });
    if restored == usual {
        return Ok(());
    }
    Err(format!("restored at {at:?} it tells {restored:#?} instead of {usual:#?}"))
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

/// What is still open long after all is well, though it never came back and is not held open for
/// that.
fn outlasts(run: &Run) -> Option<String> {
    let mut open = run.durable.incidents.values().filter(|it| it.is_open() && explains(it));
    let open = open.find(|it| it.relapses.is_empty() && !it.flapping)?;
    Some(format!("all is well and {} is still open: {open:#?}", open.id))
}

/// Counts what there was.
fn count(run: &Run, tally: &Tally) {
    for incident in run.durable.incidents.values() {
        tally.add(&format!("incidents: {}", incident.cause.word()), 1);
        tally.add("incidents that come and go", usize::from(incident.flapping));
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
    let (mut run, steps) = run_of(&history.scenario());
    let mut film = Vec::new();
    let mut look = |run: &mut Run, acted: bool| {
        if run.monitor.is_some() && !acted {
            film.push(format!("{:?}", run.snapshot()));
        }
        Ok(())
    };
    play(&mut run, &steps, &mut look).expect("nothing is asked of it");
    film.push(format!("{:?}", run.told));
    film
}
