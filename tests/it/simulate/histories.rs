//! Properties of the brain over random histories of small provinces.
//!
//! A history is a scenario file that nobody wrote: a random tree of sites, some of them built
//! oddly, and a random timeline of faults, restarts, reloads, clock steps, acks and silences. What
//! fails is shrunk and printed as the file that it is, so that a person can read it, keep it under
//! `tests/scenarios` and play it again.
//!
//! `HISTORIES` sets how many are played, `HISTORIES_SEED` which ones.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{
    Config as Runs, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner,
};
use vchealth::config::{Channel, Receiver, Route, Settings, When};
use vchealth::lab::scenario::{Scenario, Step};
use vchealth::lab::world::World;
use vchealth::model::{
    Ailment, Cause, ChannelId, Effort, Failure, Health, IcmpError, Incident, LocalFailure,
    Notification, NotificationKind, Now, Part, RemoteFailure, Reply, Severity, SiteIx, TargetIx,
    Unreachable,
};
use vchealth::monitor::{Input, Monitor};

use super::run::{self, Run, explains};

/// Histories that are played unless `HISTORIES` says otherwise.
const HISTORIES: u32 = 2_000;
/// The brain runs for this long before anything happens: enough to have seen everybody twice.
const WARM_UP: Duration = Duration::from_secs(20);
/// What is wrong ends at last; this much later nobody may be left with a problem that is none.
/// Messages may wait an hour for their turn, and an hour more if the hour was used up.
const SETTLES_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// How often a target is tried to learn what is the matter with it in truth.
const TRIES: u32 = 5;
/// The brain writes down what it was told within this time.
const WRITES_WITHIN: Duration = Duration::from_millis(50);
/// Whoever fails is asked again within so many tenths of a second.
const ASKED_AGAIN_WITHIN: u16 = 100;
/// The channel that wants to know everything.
const ALL: &str = "all";
/// The channel that wants no ends.
const NO_ENDS: &str = "no-ends";

/// A random history.
#[derive(Clone)]
struct History {
    /// For each site but the first: its parent is this modulo its own position.
    parents: Vec<u8>,
    /// How each site is built, and which label it has.
    build: Vec<(u8, u8)>,
    pace: Pace,
    events: Vec<Event>,
    seed: u16,
}

/// How often everything is probed, by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Idle,
    Readiness,
    Live,
}

/// Something happens.
#[derive(Debug, Clone)]
struct Event {
    /// When, in tenths of a second.
    at: u16,
    site: u8,
    whom: Whom,
    what: What,
}

#[derive(Debug, Clone, Copy)]
enum Whom {
    Site,
    Subtree,
    Below,
    /// The subtree, one after the other.
    Spread(u8),
}

#[derive(Debug, Clone)]
enum What {
    /// A fault, and after how many tenths of a second it ends; at the end of all if never.
    Fault(&'static str, Option<u16>),
    Clear,
    Own(&'static str, u16),
    ClockStep(i32),
    Restart(u8),
    Without,
    Whole,
    Ack,
    Silence(u16),
    Maintenance(u16),
}

const DARK: [&str; 2] = ["power-cut", "uplink-cut"];
const DEVICE: [&str; 6] =
    ["device-off", "firewall", "lan-down", "rejected", "services-closed", "no-unreachables"];
const SERVICE: [&str; 5] =
    ["sip-hung", "sip-closed", "http-closed", "h323-closed", "{sip-status: 503}"];
const PATH: [&str; 3] = ["{loss: 20%}", "{delay: 450ms}", "{jitter: 90ms}"];

impl History {
    fn site(&self, n: usize) -> String {
        let (shape, _) = self.build[n % self.build.len()];
        let end = match shape {
            0..=1 => "-bare",
            2 => "-line",
            3 => "-mute",
            _ => "",
        };
        format!("s{n}{end}")
    }

    fn sites(&self) -> usize {
        self.parents.len() + 1
    }

    fn draw(&self, at: usize, out: &mut String) {
        let children: Vec<usize> =
            (1..self.sites()).filter(|n| usize::from(self.parents[n - 1]) % n == at).collect();
        write!(out, "{}: ", self.site(at)).unwrap();
        if children.is_empty() {
            out.push('~');
            return;
        }
        out.push('{');
        for (nth, child) in children.into_iter().enumerate() {
            out.push_str(if nth == 0 { "" } else { ", " });
            self.draw(child, out);
        }
        out.push('}');
    }

    /// When the last event is over, and how long its consequences take.
    fn calm(&self) -> (Duration, Duration) {
        let tenths = |n: u16| Duration::from_millis(u64::from(n) * 100);
        let over = self.events.iter().map(|event| {
            let lasts = match event.what {
                What::Fault(_, Some(lasts))
                | What::Own(_, lasts)
                | What::Silence(lasts)
                | What::Maintenance(lasts) => tenths(lasts),
                What::Restart(away) => Duration::from_secs(u64::from(away)),
                _ => Duration::ZERO,
            };
            let spread = match event.whom {
                Whom::Spread(seconds) => Duration::from_secs(u64::from(seconds)),
                _ => Duration::ZERO,
            };
            tenths(event.at) + lasts + spread
        });
        let settles = match self.pace {
            Pace::Idle => 260,
            Pace::Readiness => 180,
            Pace::Live => 130,
        };
        (over.max().unwrap_or_default(), Duration::from_secs(settles))
    }

    fn steps_the_clock(&self) -> bool {
        self.events.iter().any(|event| matches!(event.what, What::ClockStep(_)))
    }

    fn worsens_paths(&self) -> bool {
        self.events.iter().any(|e| matches!(e.what, What::Fault(fault, _) if PATH.contains(&fault)))
    }
}

/// The file that it is.
impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |tenths: u16| format!("{}ms", u32::from(tenths) * 100);
        writeln!(f, "name: A random history\nprovince:")?;
        writeln!(f, "  levels: [t0, t1, t2, t3, t4, t5, t6, t7, t8]")?;
        let mut tree = String::new();
        self.draw(0, &mut tree);
        writeln!(f, "  tree: {{{tree}}}")?;
        let with = |label: u8| -> Vec<String> {
            let has = |n: &usize| self.build[n % self.build.len()].1 == label;
            (0..self.sites()).filter(has).map(|n| self.site(n)).collect()
        };
        let labels: Vec<(u8, Vec<String>)> = (0..2)
            .map(|label| (label, with(label)))
            .filter(|(_, sites)| !sites.is_empty())
            .collect();
        if !labels.is_empty() {
            let labels: Vec<String> =
                labels.iter().map(|(n, sites)| format!("p{n}: [{}]", sites.join(", "))).collect();
            writeln!(f, "  labels: {{power: {{{}}}}}", labels.join(", "))?;
        }
        writeln!(f, "network: {{seed: {}}}", self.seed)?;
        match self.pace {
            Pace::Idle => {}
            Pace::Readiness => writeln!(f, "sessions: [{{title: x, from: +50m, to: +9h}}]")?,
            Pace::Live => writeln!(f, "sessions: [{{title: x, from: -1m, to: +9h}}]")?,
        }
        let (over, settles) = self.calm();
        let heals = over + settles;
        let lasts = heals + settles;
        writeln!(f, "lasts: {}ms\nreal: false\ntimeline:", lasts.as_millis())?;
        for event in &self.events {
            let site = self.site(usize::from(event.site) % self.sites());
            let who = match event.whom {
                Whom::Site => format!("site: {site}"),
                Whom::Subtree => format!("subtree: {site}"),
                // Nobody may be below.
                Whom::Below => format!("subtree: {site}, except: {}", self.site(0)),
                Whom::Spread(over) => format!("subtree: {site}, spread: {over}s, order: shuffled"),
            };
            let who = if site == self.site(0) && matches!(event.whom, Whom::Below) {
                format!("site: {site}")
            } else {
                who
            };
            let what = match &event.what {
                What::Fault(fault, None) => format!("{who}, fault: {fault}"),
                What::Fault(fault, Some(lasts)) => {
                    format!("{who}, fault: {fault}, for: {}", seconds(*lasts))
                }
                What::Clear => format!("{who}, clear: all"),
                What::Own(fault, lasts) => format!("fault: {fault}, for: {}", seconds(*lasts)),
                What::ClockStep(by) => format!("clock-step: {by:+}s"),
                What::Restart(away) => format!("restart: {{away: {away}s, killed: true}}"),
                What::Without => format!("reload: without, site: {site}"),
                What::Whole => "reload: whole".to_owned(),
                What::Ack => format!("ack: somebody, site: {site}"),
                What::Silence(lasts) => {
                    format!("silence: true, site: {site}, for: {}", seconds(*lasts))
                }
                What::Maintenance(lasts) => {
                    format!("maintenance: true, site: {site}, for: {}", seconds(*lasts))
                }
            };
            writeln!(f, "  - {{at: {}, {what}}}", seconds(event.at))?;
        }
        let heals = heals.as_millis();
        writeln!(f, "  - {{at: {heals}ms, everywhere: true, clear: all}}")?;
        writeln!(f, "  - {{at: {heals}ms, reload: whole}}")?;
        write!(f, "expect: nothing")
    }
}

impl History {
    fn scenario(&self) -> Scenario {
        let text = format!("{self:?}\n");
        Scenario::parse("history.yaml", &text)
            .unwrap_or_else(|problems| panic!("{problems}\n{text}"))
    }
}

fn fault() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => prop::sample::select(&DARK[..]),
        2 => prop::sample::select(&DEVICE[..]),
        1 => prop::sample::select(&SERVICE[..]),
        1 => prop::sample::select(&PATH[..]),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let short = || 1u16..400;
    prop_oneof![
        10 => (fault(), prop::option::weighted(0.6, short())).prop_map(|(f, l)| What::Fault(f, l)),
        2 => Just(What::Clear),
        2 => (prop::sample::select(&["own-network-cut", "own-link-down"][..]), short())
            .prop_map(|(fault, lasts)| What::Own(fault, lasts)),
        1 => prop_oneof![-4000i32..4000, Just(7)].prop_map(What::ClockStep),
        3 => (0u8..12).prop_map(What::Restart),
        1 => Just(What::Without),
        1 => Just(What::Whole),
        1 => Just(What::Ack),
        1 => short().prop_map(What::Silence),
        1 => short().prop_map(What::Maintenance),
    ]
}

fn event(what: impl Strategy<Value = What>) -> impl Strategy<Value = Event> {
    let whom = prop_oneof![
        3 => Just(Whom::Site),
        2 => Just(Whom::Subtree),
        1 => Just(Whom::Below),
        2 => (1u8..10).prop_map(Whom::Spread),
    ];
    (0u16..600, any::<u8>(), whom, what).prop_map(|(at, site, whom, what)| Event {
        at,
        site,
        whom,
        what,
    })
}

fn pace() -> impl Strategy<Value = Pace> {
    prop_oneof![7 => Just(Pace::Idle), 2 => Just(Pace::Readiness), 1 => Just(Pace::Live)]
}

fn history(what: impl Strategy<Value = What>, most: usize) -> impl Strategy<Value = History> {
    let parents = prop::collection::vec(any::<u8>(), 0..8);
    // Most sites are built as usual and have no label.
    let build = prop::collection::vec((0u8..40, 0u8..6), 9);
    let events = prop::collection::vec(event(what), 0..most);
    (parents, build, pace(), events, any::<u16>()).prop_map(
        |(parents, build, pace, events, seed)| History { parents, build, pace, events, seed },
    )
}

/// The shipped settings, and channels of every temper.
fn settings() -> Settings {
    let mut settings = run::settings();
    let all = settings.channels[0].clone();
    settings.channels = vec![
        Channel { id: ChannelId::new(ALL), ..all.clone() },
        Channel { id: ChannelId::new("critical"), ..all.clone() },
        Channel { id: ChannelId::new(NO_ENDS), send_resolved: false, ..all },
    ];
    let to = |names: &[&str]| names.iter().map(|n| Receiver::Channel(ChannelId::new(*n))).collect();
    let critical = When { severities: vec![Severity::Critical], ..When::default() };
    settings.routes = vec![
        Route {
            name: "critical".to_owned(),
            when: critical,
            to: to(&["critical"]),
            escalate: Vec::new(),
            goes_on: true,
        },
        Route {
            name: "all".to_owned(),
            when: When::default(),
            to: to(&[ALL, NO_ENDS]),
            escalate: Vec::new(),
            goes_on: false,
        },
    ];
    settings
}

/// Plays histories on all processors. What fails is shrunk and told as a scenario file.
fn for_all<S>(
    one_in: u32,
    strategy: impl Fn() -> S + Sync,
    check: impl Fn(&History) -> Result<(), String> + Sync,
) where
    S: Strategy<Value = History>,
{
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u32>().ok());
    let total = number("HISTORIES").unwrap_or(HISTORIES) / one_in;
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
                    cases: total / hands,
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

// ---------------------------------------------------------------------------------------------

/// What is the matter with a site in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    /// Every target answers.
    Well,
    /// No target answers and nobody there says a word.
    Silent,
    /// Something between.
    Ailing,
}

/// What is the matter with each site that is watched now.
fn truths(run: &Run) -> Vec<(SiteIx, Truth)> {
    let watched = &run.config.topology;
    let mut world = run.world.clone();
    let whole = &run.topology;
    let sites = watched.site_ixs().map(|site| {
        let own = watched.site(site);
        let there = whole.find_site(&own.id).expect("it is drawn");
        let addresses: Vec<_> = whole
            .site(there)
            .endpoints
            .iter()
            .map(|ix| whole.endpoint(*ix).host.to_string())
            .collect();
        let (mut answers, mut fails, mut speaks) = (0, 0, 0);
        for endpoint in &whole.site(there).endpoints {
            for target in &whole.endpoint(*endpoint).targets {
                // One answer is enough: a path may lose what is sent over it and live.
                let mut tries = (0..TRIES)
                    .map(|_| world.probe(run.now, *target, Effort::Thorough).result)
                    .collect::<Vec<_>>();
                let best = tries.iter().position(Result::is_ok).unwrap_or_default();
                match tries.swap_remove(best) {
                    Ok(_) => answers += 1,
                    Err(failure) => {
                        fails += 1;
                        speaks += usize::from(failure.host_alive() == Some(true));
                        if let Failure::Remote(RemoteFailure::Unreachable(IcmpError {
                            offender: Some(from),
                            ..
                        })) = failure
                        {
                            speaks += usize::from(addresses.contains(&from.to_string()));
                        }
                    }
                }
            }
        }
        let truth = match (answers, fails, speaks) {
            (_, 0, _) => Truth::Well,
            (0, _, 0) => Truth::Silent,
            _ => Truth::Ailing,
        };
        (site, truth)
    });
    sites.collect()
}

/// What is wrong with what was told: every firing is followed by one resolved to the same channel,
/// never two of a kind in a row, no id twice.
fn mistold(told: &[(Duration, Notification)], limit: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut on: BTreeMap<(&str, &str), Vec<&Notification>> = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for (at, message) in told {
        if !ids.insert(message.id.as_str()) {
            found.push(format!("{at:?}: {} went out twice", message.id));
        }
        let key = (message.alert.incident.id.as_str(), message.channel.as_str());
        let before = on.entry(key).or_default();
        let is_on = before.last().is_some_and(|last| last.kind != NotificationKind::Resolved);
        let fits = match message.kind {
            NotificationKind::Firing => !is_on,
            NotificationKind::Resolved => is_on && message.channel.as_str() != NO_ENDS,
            NotificationKind::Update | NotificationKind::Reminder => is_on,
            // It may be the first that a channel hears.
            NotificationKind::Escalation => true,
        };
        if !fits {
            found.push(format!("{at:?}: {} after {:?}", message.id, before.last().map(|m| m.kind)));
        }
        before.push(message);
        let hour = jiff::SignedDuration::from_secs(3600);
        let recent = before.iter().filter(|m| message.created.duration_since(m.created) < hour);
        let recent: Vec<_> = recent.collect();
        // That it is critical is told all the same, once for each kind of trouble that is graver than
        // the last, and that it has been over for long.
        let is_critical = |m: &Notification| m.alert.incident.severity == Severity::Critical;
        let as_grave = |m: &Notification| {
            is_critical(m)
                && gravity(m.alert.incident.cause) >= gravity(message.alert.incident.cause)
        };
        let (_, earlier) = recent.split_last().expect("it is one itself");
        let rises = message.kind != NotificationKind::Resolved
            && is_critical(message)
            && !earlier.iter().any(|m| as_grave(m));
        let calm = run::settings().flapping.flapping_stable_for;
        let ended = message.alert.incident.ended();
        let calm = ended.is_some_and(|at| message.created >= at + calm);
        if limit && recent.len() > 3 && !rises && !calm {
            found.push(format!("{at:?}: {} is the fourth within an hour", message.id));
        }
    }
    found
}

/// How much a trouble keeps a site from.
const fn gravity(cause: Cause) -> u8 {
    match cause {
        Cause::Monitor | Cause::Certificate | Cause::Clock => 0,
        Cause::Quality => 1,
        Cause::Service => 2,
        Cause::Device => 3,
        Cause::Access | Cause::Uplink => 4,
    }
}

/// Firings that were never followed by a resolved.
fn left_on(told: &[(Duration, Notification)]) -> Vec<String> {
    let mut on = BTreeMap::new();
    for (_, message) in told.iter().filter(|(_, message)| message.channel.as_str() != NO_ENDS) {
        let key = (message.alert.incident.id.clone(), message.channel.clone());
        on.insert(key, message.kind != NotificationKind::Resolved);
    }
    let left = on.into_iter().filter(|(_, on)| *on);
    left.map(|((incident, channel), _)| format!("{channel} was never told that {incident} is over"))
        .collect()
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

fn count(cause: Cause, of: &Run) -> usize {
    usize::from(of.durable.incidents.values().any(|incident| incident.cause == cause))
}

/// Whether everybody who was told of a problem was told of its end.
fn is_settled(run: &mut Run) -> bool {
    if run.monitor.is_none() || !left_on(&run.told).is_empty() {
        return false;
    }
    let snapshot = run.snapshot();
    !snapshot.incidents.iter().any(|incident| incident.is_open())
        && snapshot.sites.iter().all(|site| site.standing.hard == Health::Up)
}

/// The first thing that is wrong with a history.
fn first_wrong(history: &History, seen: &[AtomicUsize; 8]) -> Result<(), String> {
    let scenario = history.scenario();
    let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
    let (over, settles) = history.calm();
    let heals = over + settles;
    let before = steps.partition_point(|step| step.at < heals);
    play(&mut run, &steps[..before], &mut |run| {
        if run.monitor.is_none() {
            return Ok(());
        }
        restored_differs(run)
            .map_or(Ok(()), |words| Err(format!("at {:?}: {words}", run.elapsed())))
    })?;
    run.until(heals);
    agrees_with_the_truth(&mut run, history)?;
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
                left_on(&run.told)
            ));
        }
        until += Duration::from_secs(60);
        run.until(until);
    }
    let mut wrong = std::mem::take(&mut run.complaints);
    wrong.extend(mistold(&run.told, !history.steps_the_clock()));
    for (n, cause) in Cause::ALL.into_iter().enumerate() {
        seen[n].fetch_add(count(cause, &run), Ordering::Relaxed);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// When nothing has changed for long, what the brain says is true.
///
/// 1. A site of which nothing answers is down, and one of which everything does is up.
/// 2. There are no more incidents than sites with a trouble that no silent site above explains,
///    which those do behind which nobody answers.
/// 3. Whatever is open was told.
/// 4. Or, when our own gateway and nearly everything is silent, we are blind.
fn agrees_with_the_truth(run: &mut Run, history: &History) -> Result<(), String> {
    let truths = truths(run);
    let topology = run.config.topology.clone();
    let snapshot = run.snapshot();
    let truth = |site: SiteIx| truths[site.ix()].1;
    let open: Vec<_> = snapshot.incidents.iter().filter(|i| i.is_active()).collect();
    let words = || {
        let lines: Vec<String> = open
            .iter()
            .map(|i| {
                format!(
                    "{}: {:?}, told {}",
                    i.id,
                    i.affected_now().map(vchealth::model::SiteId::as_str).collect::<Vec<_>>(),
                    i.told.len()
                )
            })
            .collect();
        let sites: Vec<String> = truths
            .iter()
            .map(|(ix, truth)| format!("{} {truth:?}", topology.site(*ix).id))
            .collect();
        format!("{}\n{}", sites.join(", "), lines.join("\n"))
    };
    if snapshot.monitor.blind {
        let silent = truths.iter().filter(|(_, truth)| *truth == Truth::Silent).count();
        // Without a gateway to ask, nearly everything being silent is blindness too.
        let alone = topology.vantage.is_none_or(|site| truth(site) != Truth::Well);
        return if alone && silent * 10 >= truths.len() * 5 {
            Ok(())
        } else {
            Err(format!("it is blind and need not be: {:?}\n{}", snapshot.monitor.reasons, words()))
        };
    }
    for site in topology.site_ixs() {
        let hard = snapshot.sites[site.ix()].standing.hard;
        let fits = match truth(site) {
            Truth::Silent => hard == Health::Down,
            Truth::Well => hard == Health::Up || history.worsens_paths(),
            Truth::Ailing => true,
        };
        if !fits {
            let id = &topology.site(site).id;
            return Err(format!("{id} is {hard:?} while it is {:?}\n{}", truth(site), words()));
        }
    }
    let roots = topology.site_ixs().filter(|site| {
        let silent = |site: &SiteIx| truth(*site) == Truth::Silent;
        // One through which others answer explains nobody's silence but its own.
        let explains = |above: SiteIx| topology.subtree(above).iter().all(silent);
        let above = silent(site) && topology.site(*site).parent.is_some_and(explains);
        truth(*site) != Truth::Well && !above
    });
    let roots = roots.count();
    // One that affects nobody any more is only held open to see whether it stays so.
    let explaining = open
        .iter()
        .filter(|incident| explains(incident) && incident.affected_now().next().is_some())
        .count();
    if explaining > roots && !history.worsens_paths() {
        return Err(format!("{explaining} incidents for {roots} causes\n{}", words()));
    }
    for incident in open.iter().filter(|incident| incident.affected_now().next().is_some()) {
        let told = incident.told.iter().filter(|told| told.channel.as_str() == ALL);
        let told: Vec<_> = told.map(|told| told.kind).collect();
        let on = told.last().is_some_and(|kind| *kind != NotificationKind::Resolved);
        if !on && told.len() < 2 {
            return Err(format!("{} was not told\n{}", incident.id, words()));
        }
    }
    Ok(())
}

#[test]
#[allow(clippy::print_stdout, reason = "what was played is worth knowing")]
fn whatever_happens_each_fault_is_explained_once_and_told_once() {
    let seen: [AtomicUsize; 8] = Default::default();
    for_all(1, || history(what(), 9), |history| first_wrong(history, &seen));
    let causes = Cause::ALL.iter().zip(&seen);
    let counts: Vec<(&str, usize)> =
        causes.map(|(cause, n)| (cause.word(), n.load(Ordering::Relaxed))).collect();
    println!("histories with an incident of each cause: {counts:?}");
    // Certificates and clocks are no part of these histories.
    assert!(counts[..6].iter().all(|(_, n)| *n > 0), "{counts:?}");
}

#[test]
fn the_same_history_gives_the_same_snapshots() {
    for_all(
        20,
        || history(what(), 9),
        |history| {
            let scenario = history.scenario();
            let mut films = [0, 1].map(|_| {
                let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
                let mut film = Vec::new();
                play(&mut run, &steps, &mut |run| {
                    if run.monitor.is_some() {
                        film.push(format!("{:?}", run.snapshot()));
                    }
                    Ok(())
                })
                .unwrap();
                film.push(format!("{:?}", run.told));
                film.into_iter()
            });
            let [one, other] = &mut films;
            if one.eq(other) { Ok(()) } else { Err("two runs of it differ".to_owned()) }
        },
    );
}

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

#[test]
fn failures_of_our_own_make_things_unknown_and_nothing_else() {
    for_all(1, || history(ours(), 6), others_are_blamed);
}

/// Where somebody else is blamed for failures of our own, which befall probes at random besides
/// what the history says.
fn others_are_blamed(history: &History) -> Result<(), String> {
    if cuts(history) && !can_be_told_apart(history) {
        return Ok(());
    }
    let scenario = history.scenario();
    let (mut run, steps) = Run::with(&scenario, settings(), WARM_UP);
    let topology = &run.topology;
    let web = |ix: &TargetIx| topology.check_of(*ix).id.as_str() == "web";
    let without = history.events.iter().any(|event| matches!(event.what, What::Without));
    let clocks = topology.target_ixs().filter(web).count();
    if history.steps_the_clock() && clocks < 3 + usize::from(without) {
        // Of two clocks that differ either may be wrong.
        return Ok(());
    }
    let mut dice = vchealth::lab::world::Dice::new(u64::from(history.seed), 7);
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
    run.tamper = Some(Box::new(move |_, target, _, sight| {
        if hit[target.ix()] && dice.chance(share) && !(steps_the_clock && shows[target.ix()]) {
            sight.result = Err(local_failure(dice.throw()));
            sight.took = Duration::ZERO;
        }
    }));
    play(&mut run, &steps, &mut |run| {
        let trouble =
            (run.elapsed().as_secs() % 2 == 0).then(|| Ailment::Words("in trouble".to_owned()));
        run.tell(Input::Part { part: Part::Resolver, trouble });
        Ok(())
    })?;
    run.until(scenario.lasts);
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
    wrong.extend(mistold(&run.told, !history.steps_the_clock()));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

fn cuts(history: &History) -> bool {
    history.events.iter().any(|event| matches!(event.what, What::Own("own-network-cut", _)))
}

/// What can only be our own fault.
fn ours() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => (prop::sample::select(&["own-network-cut", "own-link-down"][..]), 1u16..900)
            .prop_map(|(fault, lasts)| What::Own(fault, lasts)),
        2 => prop_oneof![-4000i32..4000, Just(-31_536_000), Just(7)].prop_map(What::ClockStep),
        2 => (0u8..12).prop_map(What::Restart),
        1 => Just(What::Without),
        1 => Just(What::Whole),
    ]
}

/// Faults that stay, all from the beginning.
fn lasting() -> impl Strategy<Value = What> {
    let lasting = prop_oneof![
        2 => prop::sample::select(&DARK[..]),
        2 => prop::sample::select(&DEVICE[..]),
        1 => prop::sample::select(&SERVICE[..]),
    ];
    lasting.prop_map(|fault| What::Fault(fault, None))
}

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
        _ => {
            World::new(topology.clone(), vchealth::lab::world::Nature::default())
                .probe(now, ix, Effort::Normal)
                .result
        }
    }
}

#[test]
fn one_odd_outcome_changes_nothing_for_good() {
    for_all(5, || history(lasting(), 4), changed_by_one_odd);
}

/// What one outcome that does not fit the rest changes for good, when nothing has changed for long.
fn changed_by_one_odd(history: &History) -> Result<(), String> {
    let mut history = history.clone();
    for event in &mut history.events {
        event.at = 0;
        event.whom = Whom::Site;
    }
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
    let mut once = Some(outcome);
    run.tamper = Some(Box::new(move |_, asked, _, sight| {
        if asked == target
            && let Some(outcome) = once.take()
        {
            sight.result = outcome;
            sight.took = Duration::from_millis(30);
        }
    }));
    let (changes, told) = (run.changed.len(), run.told.len());
    run.until(Duration::from_secs(600));
    if let Some((at, key, health)) = run.changed.get(changes) {
        return Err(format!("{at:?}: {key} became {health:?} when {words}"));
    }
    if let Some((at, said)) = run.told.get(told) {
        return Err(format!("{at:?}: {} was told when {words}", said.id));
    }
    Ok(())
}
