//! The house stands as drawn: arrows between rooms point one way, and nothing slips in at the top.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every room in reading order with the rooms it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("clock", &["model"]),
    ("trust", &[]),
    ("wire", &["model"]),
    ("quality", &["model"]),
    ("config", &["model"]),
    ("monitor", &["model", "quality", "config"]),
    ("readiness", &["model", "quality", "config"]),
    ("metrics", &["model"]),
    ("probe", &["model", "wire", "config", "clock", "trust", "readiness"]),
    ("store", &["model", "clock"]),
    ("texts", &["model", "config", "readiness"]),
    ("report", &["model", "texts"]),
    ("notify", &["model", "config", "store", "texts", "clock", "trust", "readiness"]),
    (
        "web",
        &[
            "model",
            "config",
            "metrics",
            "store",
            "texts",
            "report",
            "notify",
            "probe",
            "clock",
            "readiness",
        ],
    ),
    ("lab", &["model", "wire", "config", "clock", "probe"]),
    (
        "daemon",
        &[
            "model",
            "clock",
            "trust",
            "wire",
            "config",
            "monitor",
            "metrics",
            "probe",
            "store",
            "texts",
            "report",
            "notify",
            "web",
            "readiness",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "clock",
            "trust",
            "config",
            "monitor",
            "metrics",
            "probe",
            "store",
            "texts",
            "report",
            "notify",
            "web",
            "readiness",
            "lab",
            "daemon",
        ],
    ),
];

fn source_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).expect("below src").display().to_string();
            (name, fs::read_to_string(&path).expect("a source file"))
        })
        .collect()
}

/// The code of a file without what is there for tests only, which may look anywhere.
///
/// It relies on the layout that rustfmt gives: an item ends at the first line of its own depth that
/// ends with a semicolon, a brace or, inside of another item, a comma.
fn shipped(text: &str) -> String {
    let mut kept = String::new();
    let mut skipping: Option<&str> = None;
    for line in text.lines() {
        let depth = &line[..line.len() - line.trim_start().len()];
        match skipping {
            None if line.trim_start().starts_with("#[cfg(test)]") => skipping = Some(depth),
            None => {
                kept += line;
                kept.push('\n');
            }
            Some(at) if depth == at && line.ends_with([';', '}', ',']) => skipping = None,
            Some(_) => {}
        }
    }
    kept
}

#[test]
fn what_is_for_tests_only_is_passed_over_and_the_rest_is_read() {
    let text = "use a;\n#[cfg(test)]\nmod tests;\nuse b;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod x {\n    \
                use c;\n}\nfn f() {\n    #[cfg(test)]\n    use d;\n    e(\n    );\n}\n";
    assert_eq!(shipped(text), "use a;\nuse b;\nfn f() {\n    e(\n    );\n}\n");
}

#[test]
fn arrows_between_rooms_point_one_way() {
    let mut upward = Vec::new();
    for (file, text) in sources() {
        let room = file.split(['/', '.']).next().unwrap_or_default().to_owned();
        if room == "lib" || room == "main" {
            continue;
        }
        let (_, may_use) = ROOMS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("src/{file} belongs to no room of the drawing"));
        if file.ends_with("/tests.rs") {
            continue;
        }
        for piece in shipped(&text).split("crate::").skip(1) {
            let used: String =
                piece.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
            if used != room && !may_use.contains(&used.as_str()) {
                upward.push(format!("src/{file} uses crate::{used}"));
            }
        }
    }
    assert!(upward.is_empty(), "doors that lead upwards:\n{}", upward.join("\n"));
}

#[test]
fn every_file_opens_by_saying_what_it_is_for() {
    let silent: Vec<String> =
        sources().into_iter().filter(|(_, t)| !t.starts_with("//!")).map(|(f, _)| f).collect();
    assert!(silent.is_empty(), "files without a first sentence: {silent:?}");
}

#[test]
fn no_comment_is_wider_than_a_hundred_columns() {
    // rustfmt wraps code, and comments only where it is not the stable one.
    let wide: Vec<String> = sources()
        .into_iter()
        .flat_map(|(file, text)| {
            let lines: Vec<String> = text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.trim_start().starts_with("//"))
                .filter(|(_, line)| line.chars().count() > 100)
                .map(|(at, _)| format!("src/{file}:{}", at + 1))
                .collect();
            lines
        })
        .collect();
    assert!(wide.is_empty(), "wider than 100 columns:\n{}", wide.join("\n"));
}

#[test]
fn only_one_file_may_be_unsafe() {
    let marker = ["unsafe", "_code"].concat();
    let unsafe_files: Vec<String> =
        sources().into_iter().filter(|(_, t)| t.contains(&marker)).map(|(f, _)| f).collect();
    assert!(
        unsafe_files.iter().all(|f| f == "probe/icmp/surge/sys.rs"),
        "files that allow what only one may: {unsafe_files:?}"
    );
}

#[test]
fn the_top_level_holds_only_what_the_card_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let allowed: BTreeSet<&str> =
        ["Cargo.toml", "Cargo.lock", "src", "config", "deploy", "tests", "README.md", "LICENSE"]
            .into_iter()
            .collect();
    let strangers: Vec<String> = fs::read_dir(root)
        .expect("the checkout")
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        // Builds and failed property tests leave these; git ignores them.
        .filter(|name| name != "target" && name != "proptest-regressions")
        .filter(|name| !name.starts_with('.') && !allowed.contains(&**name))
        .collect();
    assert!(strangers.is_empty(), "not on the card: {strangers:?}");
}

#[test]
fn everything_that_reads_bytes_of_strangers_is_fuzzed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readers = fs::read_dir(root.join("src/wire")).expect("the room of bytes");
    let forgotten: Vec<String> = readers
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .filter(|name| name.ends_with(".rs") && !root.join("tests/fuzz").join(name).exists())
        .collect();
    assert!(forgotten.is_empty(), "without a fuzz target: {forgotten:?}");
}
