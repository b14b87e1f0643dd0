//! Bad files, each beside the exact message it must give.
//!
//! A case is a directory of `tests/bad-config` with the files that matter and `expected.txt`; the
//! other files are those of `valid`, and `absent` lists files that are not there at all. With
//! `BLESS=1` in the environment the messages are written instead of compared: read the difference
//! before committing it.
//!
//! Whatever else a file holds, reading it ends in a configuration or in problems with places in it.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use vchealth::config::{self, Diagnostics, File, SourceSet};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad-config")
}

/// The files of a case, under the names that people know.
fn sources(case: &Path) -> SourceSet {
    let absent = fs::read_to_string(case.join("absent")).unwrap_or_default();
    let sources = File::ALL
        .into_iter()
        .filter(|file| !absent.lines().any(|line| line == file.name()))
        .fold(SourceSet::new(), |sources, file| {
            let own = case.join(file.name());
            let path = if own.exists() { own } else { cases().join("valid").join(file.name()) };
            sources.with(file, file.name(), fs::read(path).expect("a file of the case"))
        });
    let Some(web) = config::web_file(&sources) else { return sources };
    let sources = match fs::read(case.join(&web)) {
        Ok(bytes) => sources.with(File::Web, web, bytes),
        Err(_) => sources.without(File::Web, web, Some("No such file".to_owned())),
    };
    config::web_names(&sources).into_iter().fold(sources, |sources, name| {
        let found = fs::read(case.join(&name)).map_err(|_| "No such file".to_owned());
        sources.with_named(name, found)
    })
}

#[test]
fn every_bad_file_gives_exactly_its_message() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    let mut seen = 0;
    let mut dirs: Vec<PathBuf> = fs::read_dir(cases())
        .expect("the cases")
        .map(|entry| entry.expect("a case").path())
        .collect();
    dirs.sort();
    for case in dirs.iter().filter(|case| !case.ends_with("valid")) {
        seen += 1;
        let name = case.file_name().expect("a name").display();
        let expected = case.join("expected.txt");
        let told = match config::load(&sources(case)) {
            Ok(_) => "nothing is wrong\n".to_owned(),
            Err(problems) => format!("{problems}\n"),
        };
        if bless {
            fs::write(&expected, told).expect("the message can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != told {
            wrong.push(format!("--- {name} says\n{told}"));
        } else if told == "nothing is wrong\n" {
            wrong.push(format!("--- {name} is not bad"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen >= 40, "only {seen} cases");
}

#[test]
fn the_files_that_cases_fall_back_to_are_good() {
    if let Err(problems) = config::load(&sources(&cases().join("valid"))) {
        panic!("{problems}");
    }
}

/// What has to hold of problems, whatever was read.
fn assert_told_properly(problems: &Diagnostics, texts: &[(File, Vec<u8>)]) {
    assert!(problems.count() > 0 && !problems.list.is_empty());
    for problem in &problems.list {
        let (_, bytes) = texts
            .iter()
            .find(|(file, _)| file.name() == problem.file)
            .unwrap_or_else(|| panic!("no such file: {problem}"));
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n");
        let lines: Vec<&str> = text.split(['\n', '\r']).collect();
        assert!(problem.line >= 1 && problem.column >= 1 && !problem.reason.is_empty());
        let line = lines
            .get(problem.line as usize - 1)
            .unwrap_or_else(|| panic!("line {} of {}: {problem}", problem.line, lines.len()));
        assert!(problem.column as usize <= line.chars().count() + 1, "{problem:?} in {line:?}");
    }
    let told = problems.to_string();
    assert!(told.chars().all(|c| c == '\n' || !c.is_control()), "{told:?}");
}

fn load(texts: &[(File, Vec<u8>)]) -> Result<config::Config, Diagnostics> {
    let sources = texts
        .iter()
        .fold(SourceSet::new(), |all, (file, bytes)| all.with(*file, file.name(), bytes.clone()));
    config::load(&sources)
}

fn valid() -> Vec<(File, Vec<u8>)> {
    let read = |file: File| fs::read(cases().join("valid").join(file.name())).unwrap();
    File::ALL.into_iter().map(|file| (file, read(file))).collect()
}

/// The shipped sample, its sites cut to those that fit a screen so that thousands of cases are
/// read in seconds.
fn sample() -> Vec<(File, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let read = |file: File| fs::read_to_string(root.join(file.name())).unwrap();
    let cut = |file: File| {
        let text = read(file);
        let lines: Vec<&str> = text.lines().collect();
        let mut end = lines.len().min(115);
        // What goes on in the next line is not cut in two.
        while lines.get(end).is_some_and(|line| line.starts_with("     ")) {
            end += 1;
        }
        (file, lines[..end].join("\n").into_bytes())
    };
    File::ALL.into_iter().map(cut).collect()
}

/// Pieces that YAML, numbers, times and names are made of, and what breaks them.
const PIECES: &[&str] = &[
    "a",
    "0",
    "-1",
    "1.5",
    "99999999999999999999",
    "5s",
    "1h 30m",
    "50%",
    "4 MiB",
    "true",
    "~",
    "null",
    ": ",
    ":",
    "- ",
    "-",
    "\n",
    "\n  ",
    "\n    ",
    "\r\n",
    "\t",
    " ",
    "  ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "!t ",
    "!!int ",
    "<<: ",
    "---",
    "...",
    "%YAML 1.2\n",
    "|",
    ">",
    "? ",
    "@",
    "`",
    "\\",
    "\\u200b",
    "à",
    "a\u{300}",
    "đ",
    "\u{200b}",
    "\u{feff}",
    "\u{85}",
    "\u{2028}",
    "\u{0}",
    "\u{1b}",
    "𝕏",
    "listen",
    "channels: {}\n",
    "checks: ",
    "ping",
    "kind: icmp",
    "pace",
    "timeout",
    "levels",
    "classes",
    "sites",
    "sessions:\n",
    "id: a",
    "id: tan-lap",
    "name",
    "parent: a",
    "class: commune",
    "router: 10.0.0.1",
    "codec: none",
    "start: 2026-12-09 08:00",
    "end: 2026-12-09 07:00",
    "duration",
    "list: [",
    "except",
    "subtrees: [a]",
    "delegates",
];

fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(PIECES)
}

fn which() -> impl Strategy<Value = File> {
    prop::sample::select(&File::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases_of_a_property()) })]

    #[test]
    fn arbitrary_bytes_are_read_or_told(file in which(), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut texts = valid();
        texts[file as usize].1 = bytes;
        if let Err(problems) = load(&texts) {
            assert_told_properly(&problems, &texts);
        }
    }

    #[test]
    fn pieces_of_files_are_read_or_told(file in which(), pieces in prop::collection::vec(piece(), 0..60)) {
        let mut texts = valid();
        texts[file as usize].1 = pieces.concat().into_bytes();
        if let Err(problems) = load(&texts) {
            assert_told_properly(&problems, &texts);
        }
    }

    #[test]
    fn a_damaged_sample_is_read_or_told(
        damages in prop::collection::vec((which(), any::<prop::sample::Index>(), 0usize..12, piece()), 1..4)
    ) {
        let mut texts = sample();
        for (file, at, cut, piece) in damages {
            let bytes = &mut texts[file as usize].1;
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, piece.bytes());
        }
        if let Err(problems) = load(&texts) {
            assert_told_properly(&problems, &texts);
        }
    }

    #[test]
    fn a_sample_cut_short_is_read_or_told(file in which(), at in any::<prop::sample::Index>()) {
        let mut texts = sample();
        let length = at.index(texts[file as usize].1.len());
        texts[file as usize].1.truncate(length);
        if let Err(problems) = load(&texts) {
            assert_told_properly(&problems, &texts);
        }
    }
}

/// More with `PROPTEST_CASES` in the environment.
fn cases_of_a_property() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(100)
}

#[test]
fn the_cut_sample_is_good() {
    let mut texts = sample();
    texts[File::Sessions as usize].1 = b"sessions: []\n".to_vec();
    if let Err(problems) = load(&texts) {
        panic!("{problems}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_costs_much() {
    let sites = |head: &str, item: &str, times: usize| {
        let mut texts = valid();
        texts[File::Sites as usize].1 = (head.to_owned() + &item.repeat(times)).into_bytes();
        load(&texts).unwrap_err().list[0].reason.clone()
    };
    let head = String::from_utf8(valid().remove(1).1).unwrap();
    assert_eq!(sites("", "# nothing\n", 1_800_000), "the file is longer than 16 MiB: 17 MiB");
    assert_eq!(sites("sites: [", "1,", 1_000_001), "more than 1000000 values in one file");
    assert_eq!(sites(&head, "  - {}\n", 20_000), "20003 sites, at most 20000 are allowed");
    assert_eq!(sites("", "- ", 100_000), "nested more than 16 deep");
    let brackets = sites("sites: ", "[", 1_000_000);
    assert_eq!(brackets, "this is not YAML: recursion limit exceeded");
}

#[test]
fn thousands_of_problems_are_counted_and_not_all_listed() {
    let mut texts = valid();
    for n in 0..3000 {
        let line =
            format!("  - {{id: s{n}, name: N{n}, parent: nowhere-{n}, router: none, codec: x}}\n");
        texts[File::Sites as usize].1.extend(line.into_bytes());
    }
    let problems = load(&texts).unwrap_err();
    assert_eq!(problems.list.len(), 1000);
    assert!(problems.count() >= 3000, "{}", problems.count());
    assert!(problems.to_string().ends_with(&format!("{} problems in 1 file", problems.count())));
}

#[test]
fn a_reader_that_is_gone_ends_the_program_and_is_no_panic() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["check-config", "--config"])
        .arg(cases().join("valid"))
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(ended.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}
