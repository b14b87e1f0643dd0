//! A reader of the text format, written from its specification alone, so that it does not share
//! the writer's mistakes.

use std::collections::{BTreeMap, BTreeSet};

/// One series as an independent reader sees it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) value: f64,
}

/// A page read back: families in the order in which they stand.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// Name, type and series of each family.
    pub(crate) families: Vec<(String, String, Vec<Series>)>,
}

impl Page {
    pub(crate) fn family(&self, name: &str) -> &[Series] {
        self.families.iter().find(|(n, ..)| n == name).map_or(&[], |(_, _, series)| series)
    }

    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let mut found = self
            .family(name)
            .iter()
            .filter(|s| labels.iter().all(|(k, v)| s.labels.get(*k).is_some_and(|l| l == v)));
        let value = found.next().map(|series| series.value);
        assert!(found.next().is_none(), "{name} {labels:?} is not one series");
        value
    }
}

/// Reads the text format by its specification alone; panics where a page breaks it.
pub(crate) fn read(page: &str) -> Page {
    assert!(page.ends_with('\n'), "the last line ends with a line feed");
    let mut read = Page::default();
    let mut seen = BTreeSet::new();
    for line in page.split_terminator('\n') {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').expect("a name and a text");
            assert!(!text.is_empty(), "{name} says nothing");
            assert!(seen.insert(name.to_owned()), "{name} is not contiguous");
            read.families.push((name.to_owned(), String::new(), Vec::new()));
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').expect("a name and a type");
            let family = read.families.last_mut().expect("HELP stands before TYPE");
            assert_eq!(family.0, name);
            assert!(family.1.is_empty(), "TYPE stands twice");
            kind.clone_into(&mut family.1);
        } else {
            let series = read_series(line);
            let family = read.families.last_mut().expect("a family stands before its series");
            let base = match family.1.as_str() {
                "histogram" => ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|suffix| series.name.strip_suffix(suffix))
                    .unwrap_or(&series.name),
                _ => &series.name,
            };
            assert_eq!(base, family.0, "a series outside its family: {line}");
            family.2.push(series);
        }
    }
    for (name, _, series) in &read.families {
        let mut known = BTreeSet::new();
        for one in series {
            let key = (one.name.clone(), one.labels.clone());
            assert!(known.insert(key), "{name} has a series twice: {one:?}");
        }
    }
    read
}

fn read_series(line: &str) -> Series {
    let at = line.find(['{', ' ']).expect("a name ends");
    let (name, rest) = line.split_at(at);
    assert!(is_name(name), "{name} is no name");
    let mut labels = BTreeMap::new();
    let mut chars = rest.chars();
    if rest.starts_with('{') {
        chars.next();
        'labels: loop {
            let mut label = String::new();
            for c in chars.by_ref() {
                match c {
                    '}' if label.is_empty() => break 'labels,
                    '=' => break,
                    c => label.push(c),
                }
            }
            assert!(is_name(&label) && !label.contains(':'), "{label:?} is no label in {line}");
            assert_eq!(chars.next(), Some('"'));
            let mut value = String::new();
            loop {
                match chars.next().expect("a label value ends") {
                    '"' => break,
                    '\\' => value.push(match chars.next() {
                        Some('n') => '\n',
                        Some(c @ ('\\' | '"')) => c,
                        other => panic!("{other:?} is no escape"),
                    }),
                    c => value.push(c),
                }
            }
            assert!(labels.insert(label, value).is_none(), "a label stands twice: {line}");
            match chars.next() {
                Some(',') => {}
                Some('}') => break,
                other => panic!("{other:?} after a label in {line}"),
            }
        }
    }
    let value = chars.as_str().strip_prefix(' ').expect("a space before the value");
    Series { name: name.to_owned(), labels, value: value.parse().expect("a number") }
}

pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}
