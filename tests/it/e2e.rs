//! End to end: the program itself, against an emulated province, with real packets.
//!
//! Every scenario that makes sense in real time is played by `vchealth demo`, each in a network
//! of its own and all at once, since they mostly wait. What people were told must be as the file
//! says. How quickly is printed and not judged: this machine may be busy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vchealth::lab::scenario::Scenario;

/// Longest scenario that is played here, in seconds.
const LONGEST: u64 = 180;
/// Scenarios that are played at least, so that a slip in a file does not leave them out unseen.
const FEWEST: usize = 10;

fn scenarios() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .expect("the scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let text = fs::read_to_string(path).expect("a scenario");
            let name = path.display().to_string();
            let scenario = Scenario::parse(&name, &text).unwrap_or_else(|p| panic!("{p}"));
            scenario.real && scenario.lasts.as_secs() <= LONGEST
        })
        .collect();
    files.sort();
    files
}

fn play(file: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["demo", "--json", "--untimed", "--listen", "127.0.0.1:0", "--scenario"])
        .arg(file)
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

#[test]
fn what_people_are_told_of_a_real_network_is_what_the_scenarios_say() {
    let files = scenarios();
    assert!(files.len() >= FEWEST, "only {} scenarios are played: {files:?}", files.len());
    // A thread for each, so that none waits for its output to be read.
    let playing: Vec<_> = files
        .into_iter()
        .map(|file| {
            let child = play(&file);
            let ended = std::thread::spawn(|| child.wait_with_output().expect("it ends"));
            (file, ended)
        })
        .collect();
    let mut wrong = Vec::new();
    for (file, ended) in playing {
        let output = ended.join().expect("a thread that only waits");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(verdict) = verdict(&stdout) else {
            let stderr = String::from_utf8_lossy(&output.stderr);
            wrong.push(format!("{name} came to no end: {}\n{stderr}", output.status));
            continue;
        };
        for row in verdict["rows"].as_array().into_iter().flatten() {
            let seconds = |key: &str| {
                row[key].as_f64().map_or_else(|| "-".to_owned(), |s| format!("{s:.1} s"))
            };
            let (told, over) = (seconds("told_after"), seconds("resolved_after"));
            let what = row["what"].as_str().unwrap_or_default();
            println!("{name:<32} {what:<40} told after {told:>8}, over after {over:>8}");
        }
        if verdict["holds"] != true {
            wrong.push(format!("{name}: {verdict:#}\n{stdout}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
