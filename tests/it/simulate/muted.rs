//! Whoever is silenced or worked on is probed as before: alerting is suppressed, never probing.

use std::collections::BTreeMap;

use vchealth::lab::scenario::{Scenario, What};

use super::run::Run;

/// Scenarios with a silence or planned work, so that a slip in a file does not leave them out
/// unseen.
const FEWEST: usize = 8;

const fn mutes(what: &What) -> bool {
    matches!(what, What::Silence | What::Maintenance)
}

/// How often each target was asked.
fn asked(scenario: &Scenario) -> BTreeMap<String, usize> {
    let (mut run, steps) = Run::of(scenario);
    run.outcomes = Some(Vec::new());
    run.play(&steps, scenario.lasts);
    let mut asked = BTreeMap::new();
    for outcome in run.outcomes.take().unwrap() {
        let target = run.topology.target_key(outcome.request.target).to_string();
        *asked.entry(target).or_default() += 1;
    }
    asked
}

#[test]
fn whoever_is_silenced_or_worked_on_is_probed_as_before() {
    let mut played = 0;
    for scenario in super::scenarios() {
        if !scenario.timeline.iter().any(|entry| mutes(&entry.what)) {
            continue;
        }
        played += 1;
        let mut loud = scenario.clone();
        loud.timeline.retain(|entry| !mutes(&entry.what));
        assert_eq!(asked(&scenario), asked(&loud), "{}", scenario.file);
    }
    assert!(played >= FEWEST, "only {played} scenarios");
}
