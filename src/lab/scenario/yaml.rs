//! YAML as a tree whose every node knows its place in the file.
//!
//! A scenario is written by hand, so whatever is wrong with it is told with line and column, and
//! all of it at once. What is not asked for is an error: a misspelt key must not pass silently.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use saphyr_parser::{Event, Parser};

use crate::config;

/// A place in a file, both counted from 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// Something wrong with a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub mark: Mark,
    /// What, and what would be right.
    pub says: String,
}

/// Everything wrong with one scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: String,
    /// At least one, in the order of the file.
    pub list: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, Problem { mark, says }) in self.list.iter().enumerate() {
            let newline = if n == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{}:{}: {says}", self.file, mark.line, mark.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Where problems are collected while a file is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Sink(Rc<RefCell<Vec<Problem>>>);

impl Sink {
    pub(super) fn say(&self, mark: Mark, says: impl Into<String>) {
        self.0.borrow_mut().push(Problem { mark, says: says.into() });
    }

    /// How much was collected so far, to tell whether something was said meanwhile.
    pub(super) fn said(&self) -> usize {
        self.0.borrow().len()
    }

    /// What was collected, unless nothing was.
    pub(super) fn into_problems(self, file: &str) -> Option<Problems> {
        let mut list = self.0.take();
        list.sort();
        list.dedup();
        (!list.is_empty()).then(|| Problems { file: file.to_owned(), list })
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) mark: Mark,
    pub(super) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a map.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) mark: Mark,
}

/// Deepest nesting that is read.
const DEEPEST: usize = 24;
/// Longest file that is read, in bytes.
const LONGEST: usize = 1 << 20;

/// The one document of a file.
pub(super) fn read(text: &str, sink: &Sink) -> Option<Node> {
    if text.len() > LONGEST {
        sink.say(Mark { line: 1, column: 1 }, "the file is longer than 1 MiB");
        return None;
    }
    let mut parser = Parser::new_from_str(text);
    let mut stack: Vec<(Node, Option<Key>)> = Vec::new();
    let mut root = None;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = error.marker();
                sink.say(Mark { line: at.line(), column: at.col() + 1 }, error.info());
                return None;
            }
        };
        let mark = Mark { line: span.start.line(), column: span.start.col() + 1 };
        let done = match event {
            Event::Scalar(text, ..) => Node { mark, value: Value::Scalar(text.into_owned()) },
            Event::SequenceStart(..) | Event::MappingStart(..) if stack.len() >= DEEPEST => {
                sink.say(mark, "nested too deeply");
                return None;
            }
            Event::SequenceStart(..) => {
                stack.push((Node { mark, value: Value::List(Vec::new()) }, None));
                continue;
            }
            Event::MappingStart(..) => {
                stack.push((Node { mark, value: Value::Map(Vec::new()) }, None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match stack.pop() {
                Some((node, _)) => node,
                None => continue,
            },
            Event::Alias(_) => {
                sink.say(mark, "aliases (*name) are not understood here: write it out");
                return None;
            }
            Event::DocumentStart(_) if root.is_some() => {
                sink.say(mark, "a scenario is one document");
                return None;
            }
            _ => continue,
        };
        match stack.last_mut() {
            None => root = Some(done),
            Some((Node { value: Value::List(items), .. }, _)) => items.push(done),
            Some((Node { value: Value::Map(entries), .. }, key)) => match key.take() {
                Some(key) => {
                    if entries.iter().any(|(other, _)| other.text == key.text) {
                        sink.say(key.mark, format!("`{}` stands here twice", key.text));
                    }
                    entries.push((key, done));
                }
                None => match done.value {
                    Value::Scalar(text) => *key = Some(Key { text, mark: done.mark }),
                    _ => {
                        sink.say(done.mark, "a key must be a word");
                        return None;
                    }
                },
            },
            Some(_) => {}
        }
    }
    if root.is_none() {
        sink.say(Mark { line: 1, column: 1 }, "the file is empty");
    }
    root
}

impl Node {
    /// The text of a scalar.
    pub(super) fn text(&self, sink: &Sink, what: &str) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => {
                sink.say(self.mark, format!("{what} should be one value"));
                None
            }
        }
    }

    /// One text or a list of texts, each with its place.
    pub(super) fn texts(&self, sink: &Sink, what: &str) -> Vec<(String, Mark)> {
        match &self.value {
            Value::List(items) => {
                let texts = items.iter().filter_map(|item| {
                    item.text(sink, what).map(|text| (text.to_owned(), item.mark))
                });
                texts.collect()
            }
            _ => {
                self.text(sink, what).map(|text| (text.to_owned(), self.mark)).into_iter().collect()
            }
        }
    }

    /// The items of a list.
    pub(super) fn list(&self, sink: &Sink, what: &str) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Scalar(text) if is_nothing(text) => &[],
            _ => {
                sink.say(self.mark, format!("{what} should be a list"));
                &[]
            }
        }
    }

    /// The entries of a map, to be taken one by one.
    pub(super) fn map<'a>(&'a self, sink: &'a Sink, what: &str) -> Option<Map<'a>> {
        match &self.value {
            Value::Map(entries) => {
                let taken = entries.iter().map(|_| Cell::new(false)).collect();
                Some(Map { mark: self.mark, entries, taken, asked: RefCell::default(), sink })
            }
            _ => {
                sink.say(self.mark, format!("{what} should be a map of keys and values"));
                None
            }
        }
    }
}

/// Whether a value was left out after its key.
pub(super) fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "~" | "null")
}

/// A map whose entries are taken one by one; what nobody takes is complained of at the end.
pub(super) struct Map<'a> {
    pub(super) mark: Mark,
    entries: &'a [(Key, Node)],
    taken: Vec<Cell<bool>>,
    asked: RefCell<Vec<&'static str>>,
    sink: &'a Sink,
}

impl<'a> Map<'a> {
    /// The value under `key`, if there is one.
    pub(super) fn take(&self, key: &'static str) -> Option<&'a Node> {
        self.asked.borrow_mut().push(key);
        let at = self.entries.iter().position(|(other, _)| other.text == key)?;
        self.taken[at].set(true);
        Some(&self.entries[at].1)
    }

    /// The value under `key`, read by `read`, which says what it dislikes.
    pub(super) fn read<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Node, &Sink) -> Option<T>,
    ) -> Option<T> {
        self.take(key).and_then(|node| read(node, self.sink))
    }

    /// Like [`read`](Self::read) for a key that must be there.
    pub(super) fn need<T>(
        &self,
        key: &'static str,
        read: impl FnOnce(&Node, &Sink) -> Option<T>,
    ) -> Option<T> {
        match self.take(key) {
            Some(node) => read(node, self.sink),
            None => {
                self.sink.say(self.mark, format!("`{key}` is missing"));
                None
            }
        }
    }

    /// All entries, for maps whose keys are names.
    pub(super) fn entries(&self) -> &'a [(Key, Node)] {
        for taken in &self.taken {
            taken.set(true);
        }
        self.entries
    }

    /// Complains of every entry that nobody took.
    pub(super) fn close(self) {
        let asked = self.asked.into_inner();
        for ((key, _), taken) in self.entries.iter().zip(&self.taken) {
            if !taken.get() {
                let hint = nearest(&key.text, asked.iter().copied());
                self.sink.say(key.mark, format!("`{}` is not known here{hint}", key.text));
            }
        }
    }
}

/// "; did you mean …" or what there is to choose from.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(candidate) = config::meant(word, known.iter().copied()) {
        return format!("; did you mean `{candidate}`?");
    }
    if known.is_empty() || known.len() > 40 {
        return String::new();
    }
    format!("; known are {}", known.join(", "))
}

/// A text.
pub(super) fn text(node: &Node, sink: &Sink) -> Option<String> {
    node.text(sink, "this").map(str::to_owned)
}

/// `true` or `false`.
pub(super) fn flag(node: &Node, sink: &Sink) -> Option<bool> {
    match node.text(sink, "this")? {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        other => {
            sink.say(node.mark, format!("`{other}` should be true or false"));
            None
        }
    }
}

/// A whole number.
pub(super) fn number<T: TryFrom<i64>>(node: &Node, sink: &Sink) -> Option<T> {
    let text = node.text(sink, "this")?;
    let found = text.parse::<i64>().ok().and_then(|n| T::try_from(n).ok());
    if found.is_none() {
        sink.say(node.mark, format!("`{text}` is no number that fits here"));
    }
    found
}

/// A share: `10%`, `0.5 %` or `0.1`.
pub(super) fn share(node: &Node, sink: &Sink) -> Option<f64> {
    let text = node.text(sink, "this")?;
    let found = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|percent| percent / 100.0),
        None => text.parse::<f64>().ok(),
    };
    let found = found.filter(|share| (0.0..=1.0).contains(share));
    if found.is_none() {
        sink.say(node.mark, format!("`{text}` should be a share such as 10%"));
    }
    found
}

/// A length of time that is not negative.
pub(super) fn length(node: &Node, sink: &Sink) -> Option<Duration> {
    let found = offset(node, sink)?;
    let length = Duration::try_from(found).ok();
    if length.is_none() {
        sink.say(node.mark, "this length of time must not be negative");
    }
    length
}

/// A length of time with a sign: `-1m`, `+1h`, `1h 30m`, `420ms`, `7d`.
pub(super) fn offset(node: &Node, sink: &Sink) -> Option<SignedDuration> {
    let text = node.text(sink, "this")?;
    let found = parse_offset(text);
    if found.is_none() {
        sink.say(
            node.mark,
            format!("`{text}` should be a length of time such as 10s, 1m 30s, 420ms or -1h"),
        );
    }
    found
}

fn parse_offset(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    let mut nanos = 0f64;
    let mut any = false;
    while !rest.trim_start().is_empty() {
        rest = rest.trim_start();
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let amount: f64 = rest[..digits].parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "us" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" | "min" => 60e9,
            "h" => 3_600e9,
            "d" => 86_400e9,
            _ => return None,
        };
        nanos += amount * unit;
        rest = &rest[letters..];
        any = true;
    }
    // Ten years: far beyond any scenario and far below any overflow.
    if !any || nanos > 3.2e17 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
    let nanos = nanos.round() as i64;
    Some(SignedDuration::from_nanos(if negative { -nanos } else { nanos }))
}
