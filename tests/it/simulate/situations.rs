//! Eight situations that the network tells apart, and what people read of each: what it is, and
//! what was seen of it, in both languages.
//!
//! The words are kept in `tests/golden/situations.txt`. With `BLESS=1` in the environment that is
//! written anew: read the difference before committing it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use vchealth::model::{Alert, Failure, Language, RemoteFailure, Saw};
use vchealth::texts::{Style, account};

use super::run::Run;
use super::scenarios;

/// What is the matter, and the scenario in which it is.
const SITUATIONS: [(&str, &str); 8] = [
    ("Nothing is wrong", ""),
    ("A codec is off, its LAN is up", "codec-off.yaml"),
    ("The LAN behind a router is down", "lan-down.yaml"),
    ("A filter swallows everything for a codec", "codec-behind-firewall.yaml"),
    ("A filter rejects everything for a codec", "codec-rejected-by-an-acl.yaml"),
    ("The line of a district is cut", "district-cut-at-night.yaml"),
    ("It is cut, and our own gateway says so", "district-cut-our-gateway-says-so.yaml"),
    ("A line takes no big packets and says so", "line-takes-no-big-packets.yaml"),
];

/// The first alert of a scenario; none if nobody is told of anything.
fn first(file: &str) -> Option<Alert> {
    let all = scenarios();
    let file_or_any = if file.is_empty() { SITUATIONS[1].1 } else { file };
    let scenario = all.into_iter().find(|it| it.file == file_or_any).expect("the file");
    let (mut run, steps) = Run::of(&scenario);
    run.play(if file.is_empty() { &[] } else { &steps }, scenario.lasts);
    run.told.first().map(|(_, message)| message.alert.clone())
}

/// What an alert goes by: of each failure its word and who sent it, by what was probed there.
fn seen(alert: &Alert) -> Vec<String> {
    let incident = &alert.incident;
    let failed = incident.evidence.iter().filter_map(|it| match &it.saw {
        Saw::Failed(failure) => {
            let by = match failure {
                Failure::Remote(RemoteFailure::Unreachable(error)) => error.offender,
                _ => None,
            };
            let at = it.target.endpoint.as_ref();
            Some(format!("{} {at:?} {} {by:?}", incident.cause.word(), failure.word()))
        }
        _ => None,
    });
    failed.collect()
}

#[test]
fn eight_situations_are_told_apart_by_what_the_network_says_of_them() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/situations.txt");
    let mut told_apart = BTreeMap::new();
    let mut found = String::new();
    for (what, file) in SITUATIONS {
        writeln!(found, "== {what}").unwrap();
        let Some(alert) = first(file) else {
            assert_eq!(file, "", "nobody is told");
            found += "nobody is told of anything\n\n";
            continue;
        };
        let before = told_apart.insert(seen(&alert), what);
        assert_eq!(before, None, "this is the same as {what}");
        for language in [Language::Vi, Language::En] {
            let style = Style::new(language, jiff::tz::TimeZone::UTC, "");
            let account = account(&alert, &style);
            writeln!(found, "{}: {}", account.subject, account.fault).unwrap();
            for seen in account.evidence {
                writeln!(found, "  {seen}").unwrap();
            }
        }
        found.push('\n');
    }
    assert_eq!(told_apart.len() + 1, SITUATIONS.len());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&golden, &found).expect("the file is written");
    }
    let wanted = fs::read_to_string(&golden).unwrap_or_default();
    assert!(found == wanted, "{found}\nis not what stands in {}", golden.display());
}
