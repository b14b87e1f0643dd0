//! What silence and a start cost on the wire: a device that is gone, or of which nothing is known,
//! is asked no harder than one that answers.

use std::time::Duration;

use vchealth::lab::scenario::Scenario;
use vchealth::model::{CheckKind, Effort, Trigger};

use super::run::{Run, settings};

/// How each ends: everything that it names is silent from 200 s on.
const ENDINGS: [(&str, &str); 6] = [
    ("a site without power", "  - {at: 200s, site: xa-a, fault: power-cut}\n"),
    ("a device that is off", "  - {at: 200s, site: xa-a, endpoint: codec, fault: device-off}\n"),
    (
        "a device that was lossy before",
        "  - {at: 10s, site: xa-a, fault: {loss: 20%}, for: 190s}\n  \
         - {at: 200s, site: xa-a, endpoint: codec, fault: device-off}\n",
    ),
    (
        "a site that was lossy before",
        "  - {at: 10s, site: xa-a, fault: {loss: 20%}}\n  \
         - {at: 200s, site: xa-a, fault: power-cut}\n",
    ),
    ("a district", "  - {at: 200s, subtree: huyen, fault: power-cut}\n"),
    ("everybody", "  - {at: 200s, everywhere: true, fault: power-cut}\n"),
];

/// Whether somebody is silent is settled within seconds, and with it what trains are for.
const SETTLED: Duration = Duration::from_secs(300);

fn scenario(name: &str, session: &str, timeline: &str) -> Scenario {
    let text = format!(
        "name: >\n  {name}\nprovince: {{tree: {{tinh: {{huyen: [xa-a, xa-b, xa-c, xa-d], \
         khac: [xa-e, xa-f, xa-g]}}}}}}\n{session}lasts: 15m\ntimeline:\n{timeline}\
         expect: nothing\n"
    );
    let scenario = Scenario::parse("packets.yaml", &text);
    scenario.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn silence_that_is_settled_gets_one_echo_a_probe() {
    for session in ["", "sessions: [{title: x, from: -1m, to: +9h}]\n"] {
        for (name, timeline) in ENDINGS {
            let scenario = scenario(name, session, timeline);
            let (mut run, steps) = Run::of(&scenario);
            run.play(&steps, SETTLED);
            run.outcomes = Some(Vec::new());
            run.until(scenario.lasts);
            let outcomes = run.outcomes.take().unwrap();
            let pinged = |ix| matches!(run.topology.check_of(ix).kind, CheckKind::Icmp(_));
            let silent: Vec<_> = outcomes
                .iter()
                .filter(|outcome| pinged(outcome.request.target) && outcome.result.is_err())
                .collect();
            assert!(silent.len() >= 30, "{name}: only {} probes of who is gone", silent.len());
            let trains = silent.iter().filter(|silent| silent.request.effort == Effort::Thorough);
            assert_eq!(trains.count(), 0, "{name}, {session}");
        }
    }
}

#[test]
fn who_answers_after_a_start_is_confirmed_by_one_echo() {
    let (name, timeline) = ENDINGS[0];
    let (mut run, _) = Run::with(&scenario(name, "", timeline), settings(), Duration::ZERO);
    run.outcomes = Some(Vec::new());
    run.until(Duration::from_secs(60));
    let outcomes = run.outcomes.take().unwrap();
    let confirmed = outcomes.iter().filter(|it| it.request.trigger == Trigger::Confirm).count();
    assert!(confirmed >= run.topology.endpoints.len(), "only {confirmed} are confirmed");
    let trains = outcomes.iter().filter(|it| it.request.effort == Effort::Thorough);
    assert_eq!(trains.count(), 0);
}
