//! Every scenario again, with the daemon killed at random moments: people get the same messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use vchealth::lab::scenario::{Act, Scenario, Step};
use vchealth::lab::world::Dice;
use vchealth::model::{Incident, Notification, NotificationKind, Severity};

use super::run::Run;

/// After its end a scenario goes on for this long, since whoever begins anew needs more time.
const TAIL: Duration = Duration::from_secs(180);
const HOUR: Duration = Duration::from_secs(3600);
/// Virtual time that is spent on each scenario.
const SPENT: Duration = Duration::from_secs(1800);
/// In so short a time nobody can be sure of a fault.
const TOO_SHORT: Duration = Duration::from_secs(6);
/// Moments that are drawn for a run until some fit.
const TRIES: usize = 50;

/// What people were told of an incident: what it was in the end, and what each channel got of it.
/// Neither when nor under which id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Essence {
    /// Its cause, and where it lies.
    what: String,
    /// By channel.
    channels: BTreeMap<String, Got>,
}

/// What a channel got of an incident.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Got {
    /// The kinds of message in order, but for updates: when it is learned late how far something
    /// goes it is told at once instead of by and by.
    kinds: Vec<NotificationKind>,
    /// For whom the messages were, but for updates.
    people: Vec<BTreeSet<String>>,
    /// What was said one after the other while it was on, updates included: what kind of fault,
    /// where, and how urgent, each once until it changed.
    steps: Vec<(String, Severity)>,
    /// What was said last while it was on, updates included.
    standing: Option<Extent>,
    /// What was said of it when it was over.
    over: Option<Extent>,
}

/// How far something goes, and how urgent it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Extent {
    severity: Severity,
    affected: Vec<String>,
    of: u32,
}

impl Essence {
    /// Whether it is what is usually told, as far as it has to be.
    ///
    /// 1. The incident, the channels it is told on, for whom, and what kinds of message each gets
    ///    in which order; and how urgent it is, whom it affects and of how many, both when that was
    ///    last said while it was on and when it was over: all of this is the same. But the last word
    ///    while it was on may know of fewer or more whom it affects, by no more than is not worth a
    ///    word of its own.
    /// 2. What was said first may be better known already: whoever was away while a fault unfolded
    ///    learns at once what is otherwise learned step by step. So of what was said one after the
    ///    other only the beginning may be missing.
    /// 3. When it is told, under which id, and how often it is told that it has grown, is not
    ///    compared: it is a matter of whose turn comes first after the return.
    fn fits(&self, usual: &Self) -> bool {
        let same = |(got, usual): (&Got, &Got)| {
            let known = usual.steps.len().checked_sub(got.steps.len());
            let compared = |got: &Got| Got { steps: Vec::new(), standing: None, ..got.clone() };
            known.is_some_and(|known| got.steps[..] == usual.steps[known..])
                && compared(got) == compared(usual)
                && match (&got.standing, &usual.standing) {
                    (Some(got), Some(usual)) => got.is_as_good_as(usual),
                    (got, usual) => got == usual,
                }
        };
        self.what == usual.what
            && self.channels.keys().eq(usual.channels.keys())
            && self.channels.values().zip(usual.channels.values()).all(same)
    }

    /// What it was, and the kinds of message that went out.
    pub(super) fn kinds(&self) -> (String, Vec<NotificationKind>) {
        let kinds = self.channels.values().flat_map(|got| got.kinds.iter().copied());
        (self.what.clone(), kinds.collect())
    }
}

impl Extent {
    fn of(incident: &Incident) -> Self {
        let now: Vec<_> = match incident.resolved {
            Some(_) => incident.affected.iter().map(|it| &it.site).collect(),
            None => incident.affected_now().collect(),
        };
        let mut affected: Vec<String> = now.into_iter().map(ToString::to_string).collect();
        affected.sort_unstable();
        Self { severity: incident.severity, affected, of: incident.of }
    }

    /// Whether they are the same but for growth that is not told: from one to the other it is fewer
    /// than two sites more, or fewer than twice as many.
    fn is_as_good_as(&self, other: &Self) -> bool {
        let (fewer, more) = if self.affected.len() <= other.affected.len() {
            (&self.affected, &other.affected)
        } else {
            (&other.affected, &self.affected)
        };
        self.severity == other.severity
            && self.of.abs_diff(other.of) as usize <= more.len() - fewer.len()
            && fewer.iter().all(|site| more.contains(site))
            && (more.len() < fewer.len() + 2 || more.len() < fewer.len() * 2)
    }
}

fn essence(run: &Run) -> Vec<Essence> {
    essence_of(run.told.iter().map(|(_, message)| message))
}

/// The same of some of the messages.
pub(super) fn essence_of<'a>(told: impl Iterator<Item = &'a Notification>) -> Vec<Essence> {
    let mut incidents: BTreeMap<&str, Essence> = BTreeMap::new();
    for message in told {
        let incident = &message.alert.incident;
        let (cause, at) = (incident.cause.word(), incident.site.as_ref());
        let at = at.map_or_else(|| "us".to_owned(), ToString::to_string);
        let what = match &incident.common {
            Some(common) => format!("{cause} with {} {}", common.label, common.value),
            None => format!("{cause} at {at}"),
        };
        let channels = BTreeMap::new();
        let known = incidents
            .entry(incident.id.as_str())
            .or_insert_with(|| Essence { what: String::new(), channels });
        known.what.clone_from(&what);
        let got = known.channels.entry(message.channel.to_string()).or_default();
        if message.kind != NotificationKind::Update {
            got.kinds.push(message.kind);
            let told = incident.told.iter().rfind(|told| told.channel == message.channel);
            let people = told.into_iter().flat_map(|told| told.people.iter().cloned());
            got.people.push(people.collect());
        }
        let said = Some(Extent::of(incident));
        if message.kind == NotificationKind::Resolved {
            got.over = said;
        } else {
            got.standing = said;
            let step = (what.clone(), incident.severity);
            if got.steps.last() != Some(&step) {
                got.steps.push(step);
            }
        }
    }
    let mut essence: Vec<_> = incidents.into_values().collect();
    essence.sort();
    essence
}

fn play(scenario: &Scenario, restarts: &[Step]) -> Run {
    let (mut run, mut steps) = Run::of(scenario);
    steps.extend_from_slice(restarts);
    steps.sort_by_key(|step| step.at);
    run.play(&steps, scenario.lasts + TAIL);
    run
}

/// Whether a kill falls so that a fault cannot be known: it began too shortly before to have been
/// told, and ends too shortly after the return to be learned anew.
fn hides_a_fault(steps: &[Step], at: Duration, away: Duration) -> bool {
    let before = at.saturating_sub(TOO_SHORT)..=at + away;
    let after = at..=at + away + TOO_SHORT;
    let places = steps.iter().filter(|step| before.contains(&step.at));
    let mut placed = places.filter_map(|step| match &step.act {
        Act::Place { places, fault } => Some((places, fault.kind())),
        _ => None,
    });
    placed.any(|(places, kind)| {
        steps.iter().filter(|step| after.contains(&step.at)).any(|step| match &step.act {
            Act::Lift { places: lifted, kind: of } => {
                of.is_none_or(|of| of == kind) && lifted.iter().any(|place| places.contains(place))
            }
            _ => false,
        })
    })
}

/// One to three moments at which the daemon is killed, none of which hides a fault.
fn kills(steps: &[Step], lasts: Duration, dice: &mut Dice) -> Vec<Step> {
    let lasts = u64::try_from(lasts.as_millis()).unwrap();
    let wanted = 1 + usize::try_from(dice.up_to(2)).unwrap();
    let drawn = (0..TRIES).map(|_| {
        let away = Duration::from_millis(dice.up_to(2_000));
        (Duration::from_millis(dice.up_to(lasts)), away)
    });
    let fit = drawn.filter(|(at, away)| !hides_a_fault(steps, *at, *away)).take(wanted);
    let mut kills: Vec<Step> =
        fit.map(|(at, away)| Step { at, act: Act::Restart { away, killed: true } }).collect();
    kills.sort_by_key(|step| step.at);
    kills
}

/// The dice of a file are those of its name, so that other files leave them as they are.
fn lane(file: &str) -> u64 {
    file.bytes().fold(0, |lane, byte| Dice::new(lane, u64::from(byte)).throw())
}

/// What is said in one of two tellings and not in the other; nothing if they [fit](Essence::fits).
fn differences(told: &[Essence], usual: &[Essence]) -> String {
    let (mut more, mut less) = (String::new(), usual.to_vec());
    for this in told {
        match less.iter().position(|that| this.fits(that)) {
            Some(at) => drop(less.remove(at)),
            None => writeln!(more, "  told    {this:?}").expect("it is a text"),
        }
    }
    less.iter().fold(more, |words, that| format!("{words}  usually {that:?}\n"))
}

#[test]
fn a_restart_in_the_middle_of_any_scenario_neither_loses_nor_repeats_a_message() {
    let only = std::env::var("SCENARIO").ok();
    let mut wrong = Vec::new();
    for scenario in super::scenarios() {
        if only.as_ref().is_some_and(|only| !scenario.file.contains(only.as_str())) {
            continue;
        }
        let mut usually = play(&scenario, &[]);
        let (usual, mut later) = (essence(&usually), None);
        let (_, steps) = Run::of(&scenario);
        let mut dice = Dice::new(super::seed(), lane(&scenario.file));
        let runs = (SPENT.as_secs() / scenario.lasts.as_secs().max(1)).clamp(2, 30);
        for _ in 0..runs {
            let restarts = kills(&steps, scenario.lasts, &mut dice);
            assert!(!restarts.is_empty(), "{}: no moment hides no fault", scenario.file);
            let mut run = play(&scenario, &restarts);
            let (mut told, mut usual) = (essence(&run), &usual);
            if !differences(&told, usual).is_empty() {
                // What came and went may have used up the messages of its hour.
                run.until(scenario.lasts + TAIL + HOUR);
                told = essence(&run);
                usual = later.get_or_insert_with(|| {
                    usually.until(scenario.lasts + TAIL + HOUR);
                    essence(&usually)
                });
            }
            let differs = differences(&told, usual);
            if !differs.is_empty() || !run.complaints.is_empty() {
                let at: Vec<_> = restarts.iter().map(|step| step.at).collect();
                let words =
                    format!("{}, killed at {at:?}:\n{differs}{:?}", scenario.file, run.complaints);
                if only.is_some() {
                    println!("{words} {restarts:?}");
                    super::print_told(&run);
                }
                wrong.push(words);
            }
        }
    }
    let first: Vec<&str> = wrong.iter().take(40).map(String::as_str).collect();
    let (seed, number) = (super::seed(), wrong.len());
    assert!(wrong.is_empty(), "HISTORIES_SEED={seed}, {number} runs:\n{}", first.join("\n"));
}
