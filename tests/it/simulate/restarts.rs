//! Every scenario again, with the daemon killed at random moments: people get the same messages.

use std::time::Duration;

use vchealth::lab::scenario::{Act, Scenario, Step};
use vchealth::lab::world::Dice;
use vchealth::model::{Notification, NotificationKind};

use super::run::Run;

/// After its end a scenario goes on for this long, since whoever begins anew needs more time.
const TAIL: Duration = Duration::from_secs(180);
/// Virtual time that is spent on each scenario.
const SPENT: Duration = Duration::from_secs(2 * 3600);
/// In so short a time nobody can be sure of a fault.
const TOO_SHORT: Duration = Duration::from_secs(6);

/// What people were told: of each incident what it was in the end, and what was said of it in
/// order. Neither when nor under which id.
fn essence(run: &Run) -> Vec<(String, Vec<NotificationKind>)> {
    essence_of(run.told.iter().map(|(_, message)| message))
}

/// The same of some of the messages.
pub(super) fn essence_of<'a>(
    told: impl Iterator<Item = &'a Notification>,
) -> Vec<(String, Vec<NotificationKind>)> {
    let mut incidents: Vec<(&str, String, Vec<NotificationKind>)> = Vec::new();
    // When it is learned late how far something goes it is told at once instead of by and by.
    let said = told.filter(|message| message.kind != NotificationKind::Update);
    for message in said {
        let incident = &message.alert.incident;
        let common =
            incident.common.as_ref().map(|common| format!("{}={}", common.label, common.value));
        let what = format!("{} {:?} {common:?}", incident.cause.word(), incident.site);
        match incidents.iter_mut().find(|(id, ..)| *id == incident.id.as_str()) {
            Some((_, known, kinds)) => {
                *known = what;
                kinds.push(message.kind);
            }
            None => incidents.push((incident.id.as_str(), what, vec![message.kind])),
        }
    }
    let mut essence: Vec<_> = incidents.into_iter().map(|(_, what, kinds)| (what, kinds)).collect();
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

#[test]
fn a_restart_in_the_middle_of_any_scenario_neither_loses_nor_repeats_a_message() {
    let only = std::env::var("SCENARIO").ok();
    let mut wrong = Vec::new();
    for scenario in super::scenarios() {
        if only.as_ref().is_some_and(|only| !scenario.file.contains(only.as_str())) {
            continue;
        }
        let usual = essence(&play(&scenario, &[]));
        let (_, steps) = Run::of(&scenario);
        let mut dice = Dice::new(20_26, scenario.file.len() as u64);
        let lasts = u64::try_from(scenario.lasts.as_millis()).unwrap();
        let runs = (SPENT.as_secs() / scenario.lasts.as_secs().max(1)).clamp(2, 30);
        for _ in 0..runs {
            let mut restarts: Vec<Step> = (0..=dice.up_to(2))
                .map(|_| {
                    let away = Duration::from_millis(dice.up_to(2_000));
                    let at = Duration::from_millis(dice.up_to(lasts));
                    (at, away)
                })
                .filter(|(at, away)| !hides_a_fault(&steps, *at, *away))
                .map(|(at, away)| Step { at, act: Act::Restart { away, killed: true } })
                .collect();
            restarts.sort_by_key(|step| step.at);
            let run = play(&scenario, &restarts);
            let told = essence(&run);
            if told != usual || !run.complaints.is_empty() {
                let at: Vec<_> = restarts.iter().map(|step| step.at).collect();
                let words = format!(
                    "{}, killed at {at:?}: {told:?} instead of {usual:?} {:?}",
                    scenario.file, run.complaints
                );
                if only.is_some() {
                    println!("{words} {restarts:?}");
                    super::print_told(&run);
                }
                wrong.push(words);
            }
        }
    }
    let first: Vec<&str> = wrong.iter().take(40).map(String::as_str).collect();
    assert!(wrong.is_empty(), "{} runs:\n{}", wrong.len(), first.join("\n"));
}
