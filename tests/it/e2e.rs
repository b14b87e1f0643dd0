//! End to end: the program itself, against an emulated province, with real packets.
//!
//! Every scenario that makes sense in real time is played by `vchealth demo`, each in a network of
//! its own and all at once, since they mostly wait. What people were told must be as the file says,
//! and about as soon: as this machine may be busy with all of them, [`PATIENCE`] times as long is
//! allowed, and half as long again of what takes long anyway; see `Expected::be_patient`.
//!
//! The table has every scenario, those that are played in virtual time only as well:
//! `cargo test --test it e2e -- --nocapture`

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use vchealth::lab::scenario::{Judgement, Scenario};

use crate::simulate::run::Run;
use crate::simulate::scenarios;

/// Longest scenario that is played here, in seconds.
const LONGEST: u64 = 220;
/// How many times as long as in virtual time it may take until people are told.
const PATIENCE: u32 = 3;
/// What takes this long has to be told before its scenario ends, so that it can be told too late.
const LONG: Duration = Duration::from_secs(30);
/// Scenarios that are played at least, so that a slip in a file does not leave them out unseen.
const FEWEST: usize = 10;

fn is_played(scenario: &Scenario) -> bool {
    scenario.real && scenario.lasts.as_secs() <= LONGEST
}

fn file(scenario: &Scenario) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(&scenario.file)
}

fn play(file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["demo", "--json", "--listen", "127.0.0.1:0", "--scenario"])
        .arg(file)
        .arg(format!("--patience={PATIENCE}"))
        // In memory: a disk that is busy for seconds is trouble that the daemon tells of, rightly.
        .env("TMPDIR", "/dev/shm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// What one run printed last, or why it did not come to an end.
fn verdict(stdout: &str) -> Option<Value> {
    let last = stdout.lines().rev().find(|line| line.contains("\"event\":\"end\""))?;
    serde_json::from_str(last).ok()
}

/// What people are told in virtual time.
fn imagine(scenario: &Scenario) -> Judgement {
    let (mut run, steps) = Run::of(scenario);
    run.play(&steps, scenario.lasts);
    run.judgement(scenario)
}

fn shown(time: Option<f64>) -> String {
    time.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.1}"))
}

/// The lines of one scenario: what was to be told, and what was, virtually and really.
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn print_rows(scenario: &Scenario, virtually: &Judgement, really: Option<&Value>) {
    let name = scenario.file.trim_end_matches(".yaml");
    if virtually.rows.is_empty() {
        let said = really.map_or_else(|| "-".to_owned(), |real| real["messages"].to_string());
        println!(
            "{name:<34} {:<34} {:>46} {:>46} {:>3} {:>3} {said:>3}",
            "nothing to tell", "", "", 0, virtually.messages
        );
    }
    for (nth, row) in virtually.rows.iter().enumerate() {
        let expected = &scenario.expect[nth];
        let mut allowed = expected.clone();
        allowed.be_patient(PATIENCE);
        let seconds = |time: Option<Duration>| shown(time.map(|time| time.as_secs_f64()));
        let real = |key: &str| {
            really.map_or_else(String::new, |real| shown(real["rows"][nth][key].as_f64()))
        };
        let messages =
            expected.messages.map_or_else(|| "any".to_owned(), |count| count.to_string());
        let said =
            really.map_or_else(|| "-".to_owned(), |real| real["rows"][nth]["messages"].to_string());
        println!(
            "{name:<34} {:<34} {:>9} {:>8} {:>8} {:>8}   {:>9} {:>8} {:>8} {:>8}   {messages:>9} \
             {:>3} {said:>3}",
            row.what,
            seconds(expected.told_within),
            seconds(row.told_after),
            seconds(allowed.told_within),
            real("told_after"),
            seconds(expected.resolved_within),
            seconds(row.resolved_after),
            seconds(allowed.resolved_within),
            real("resolved_after"),
            row.messages,
        );
    }
}

#[test]
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn what_people_are_told_of_a_real_network_is_what_the_scenarios_say() {
    let scenarios = scenarios();
    let played = scenarios.iter().filter(|scenario| is_played(scenario)).count();
    assert!(played >= FEWEST, "only {played} scenarios are played");
    // A thread for each, so that none waits for its output to be read.
    let playing: Vec<_> = scenarios
        .into_iter()
        .map(|scenario| {
            let ended = is_played(&scenario).then(|| {
                let child = play(&file(&scenario));
                std::thread::spawn(|| child.wait_with_output().expect("it ends"))
            });
            (scenario, ended)
        })
        .collect();
    println!(
        "{:<34} {:<34} {:^36}   {:^36}   {:^17}",
        "", "", "told after, in seconds", "over after, in seconds", "messages"
    );
    println!(
        "{:<34} {:<34} {:>9} {:>8} {:>8} {:>8}   {:>9} {:>8} {:>8} {:>8}   {:>9} {:>3} {:>3}",
        "scenario",
        "what",
        "asked",
        "virtual",
        "allowed",
        "real",
        "asked",
        "virtual",
        "allowed",
        "real",
        "expected",
        "vir",
        "rea"
    );
    let mut wrong = Vec::new();
    for (scenario, ended) in playing {
        let virtually = imagine(&scenario);
        let Some(ended) = ended else {
            print_rows(&scenario, &virtually, None);
            continue;
        };
        let output = ended.join().expect("a thread that only waits");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let name = &scenario.file;
        let Some(verdict) = verdict(&stdout) else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{name} came to no end: {}\n{stderr}", output.status));
            continue;
        };
        print_rows(&scenario, &virtually, Some(&verdict));
        if verdict["holds"] != true {
            wrong.push(format!("{name}: {verdict:#}\n{stdout}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_takes_long_can_be_told_too_late_before_its_scenario_ends() {
    let mut endless = Vec::new();
    for scenario in scenarios().iter().filter(|scenario| is_played(scenario)) {
        for expected in &scenario.expect {
            let mut allowed = expected.clone();
            allowed.be_patient(PATIENCE);
            for (asked, allowed, from) in [
                (expected.told_within, allowed.told_within, expected.begins),
                (expected.resolved_within, allowed.resolved_within, expected.ends),
            ] {
                let end = allowed.unwrap_or_default() + from.unwrap_or_default();
                if asked.is_some_and(|asked| asked >= LONG) && end >= scenario.lasts {
                    endless.push(format!("{}: {end:?} of {:?}", scenario.file, scenario.lasts));
                }
            }
        }
    }
    assert!(endless.is_empty(), "{endless:#?}");
}
