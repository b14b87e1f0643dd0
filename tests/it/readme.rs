//! The README tells settings and metrics as they are.
//!
//! With `BLESS=1` in the environment the tables are written anew.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use vchealth::metrics;

/// The settings of the sample as a table: key, default, meaning.
fn table(sample: &str) -> String {
    let mut table = "| setting | default | meaning |\n|---|---|---|\n".to_owned();
    let mut section = String::new();
    let mut above = String::new();
    for line in sample.lines() {
        // Named ways of probing and channels are explained where they stand.
        if line.starts_with("checks:") {
            break;
        }
        if let Some((key, _)) = line.strip_prefix("# ").and_then(optional) {
            let _ = writeln!(table, "| `{key}` | none | {above} |");
            above.clear();
            continue;
        }
        if let Some(comment) = line.strip_prefix("# ") {
            if !above.is_empty() {
                above.push(' ');
            }
            above += comment;
            continue;
        }
        let Some((key, rest)) = line.split_once(':') else {
            above.clear();
            continue;
        };
        if line.starts_with(' ') {
            let (value, comment) = rest.split_once('#').unwrap_or((rest, ""));
            if !["channels", "people", "rotas", "routes", "calendars"].contains(&section.as_str()) {
                // What stands in a comment has no default of its own.
                let (key, value) = match key.trim().strip_prefix("# ") {
                    Some(key) => (key, "none"),
                    None => (key.trim(), value.trim()),
                };
                let _ = writeln!(table, "| `{section}.{key}` | `{value}` | {} |", comment.trim());
            }
        } else if rest.trim().is_empty() {
            key.clone_into(&mut section);
            above.clear();
        } else {
            // Some show what one would write, and say that nothing is usual.
            let _ = match above.strip_suffix(" Default: none.") {
                Some(meaning) => writeln!(table, "| `{key}` | none | {meaning} |"),
                None => writeln!(table, "| `{key}` | `{}` | {above} |", rest.trim()),
            };
            key.clone_into(&mut section);
            above.clear();
        }
    }
    table
}

/// A setting that stands in a comment because it has no default: `key: value`.
fn optional(comment: &str) -> Option<(&str, &str)> {
    let (key, value) = comment.split_once(": ")?;
    let is_key = key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (is_key && !value.contains(' ')).then_some((key, value))
}

/// Holds a section of the README to what it should say, or writes it anew.
fn section(begin: &str, end: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("the README");
    let (before, rest) = readme.split_once(begin).expect("where the section begins");
    let (found, after) = rest.split_once(end).expect("where the section ends");
    if std::env::var_os("BLESS").is_some() {
        let readme = format!("{before}{begin}\n{wanted}{end}{after}");
        fs::write(&path, readme).expect("written");
    } else {
        assert_eq!(found.trim(), wanted.trim(), "run `BLESS=1 cargo test --test it readme`");
    }
}

#[test]
fn the_readme_lists_settings_and_metrics_as_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = fs::read_to_string(root.join("config/vchealth.yaml")).expect("the sample");
    let settings = table(&sample);
    assert!(settings.lines().count() > 30, "the table lost its rows:\n{settings}");
    section("<!-- settings:begin -->", "<!-- settings:end -->", &settings);
    section(metrics::BEGIN, metrics::END, &metrics::readme());
}
