//! Every scenario file in virtual time: what people are told is what the file says they should
//! be.

#[path = "simulate/run.rs"]
pub(crate) mod run;

use std::fs;
use std::path::Path;

use vchealth::lab::scenario::Scenario;

use self::run::Run;

/// Every scenario, by its file.
fn scenarios() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .collect();
    files.sort();
    let read = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).expect("a scenario file");
        Scenario::parse(&name, &text).unwrap_or_else(|problems| panic!("{problems}"))
    };
    files.iter().map(|path| read(path)).collect()
}

/// What was told, message by message, for whoever mends a scenario.
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn print_told(run: &Run) {
    for (at, notification) in &run.told {
        let incident = &notification.alert.incident;
        println!(
            "  {:8.3} {:8} {} {} at {:?}: {} affected, {} of {}, {}{}",
            at.as_secs_f64(),
            notification.kind.word(),
            incident.id,
            incident.cause.word(),
            incident.site.as_ref().map(ToString::to_string),
            incident.affected.len(),
            incident.affected_now().count(),
            incident.of,
            incident.severity.word(),
            if incident.flapping { ", flapping" } else { "" },
        );
        for evidence in incident.evidence.iter().take(8) {
            println!("             {}: {:?} at {}", evidence.target, evidence.saw, evidence.at);
        }
    }
}

#[test]
fn people_are_told_what_the_scenarios_say() {
    let only = std::env::var("SCENARIO").ok();
    let mut failed = Vec::new();
    for scenario in scenarios() {
        if only.as_ref().is_some_and(|only| !scenario.file.contains(only.as_str())) {
            continue;
        }
        let (mut run, steps) = Run::of(&scenario);
        run.play(&steps, scenario.lasts);
        let judgement = scenario.judge(&run.heard());
        println!("{}: {}\n{judgement}", scenario.file, scenario.name);
        if !judgement.holds() {
            print_told(&run);
            failed.push(scenario.file);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
