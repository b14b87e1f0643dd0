//! Typed readers over the tree: each takes what it understands, tells what it does not, and lets
//! reading go on.

mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization;

pub(super) use self::units::{bytes, duration, duration_since, written};
use super::diagnostic::Findings;
use super::hint::{listed, meant_within, nearest, slug};
use super::source::Span;
use super::yaml::{Key, Kind, Node, Value, brief};
use crate::model::{Paces, is_unseen};

/// The keys of one map on their way to being read. Whatever nobody asked for is told at the end.
pub(super) struct Fields<'a> {
    /// What kind of map this is, for people who write it.
    section: &'static str,
    /// Where the map stands.
    pub(super) span: Span,
    entries: Vec<(&'a Key, &'a Node, bool)>,
    asked: Vec<&'static str>,
    chosen: Vec<&'a str>,
    /// Keys that have to be there and are not. Told at the end, unless one that nobody asked for is
    /// that key misspelt: one mistake is told once.
    absent: Vec<&'static str>,
    pub(super) out: &'a Findings,
}

impl<'a> Fields<'a> {
    /// The keys of a map; none when it is something else, which has then been told.
    pub(super) fn of(node: &'a Node, section: &'static str, out: &'a Findings) -> Option<Self> {
        match &node.value {
            Value::Map(map) => Some(Self {
                section,
                span: node.span,
                entries: map.iter().map(|(key, value)| (key, value, false)).collect(),
                asked: Vec::new(),
                chosen: Vec::new(),
                absent: Vec::new(),
                out,
            }),
            _ => {
                let found = node.found();
                let reason =
                    format!("{section} is a map, one `key: value` on each line; found {found}");
                out.say(node.span, reason);
                None
            }
        }
    }

    /// A map that reads as empty when nothing is written.
    pub(super) fn of_file(node: &'a Node, out: &'a Findings) -> Option<Self> {
        Self::of(node, "the file", out)
    }

    /// Says more exactly what kind of map this is.
    pub(super) const fn is(&mut self, section: &'static str) {
        self.section = section;
    }

    /// The value of `key`, if it is written. A key without a value is told.
    pub(super) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.take(key, "give it one, or remove the line")
    }

    /// The same for a key that somebody chose in another place.
    pub(super) fn get_chosen(&mut self, key: &'a str) -> Option<&'a Node> {
        self.chosen.push(key);
        self.take(key, "give it one, or write `none`")
    }

    fn take(&mut self, key: &str, without: &str) -> Option<&'a Node> {
        let entry = self.entries.iter_mut().find(|(k, _, _)| k.text == key)?;
        entry.2 = true;
        let node = entry.1;
        if node.is_nothing() {
            self.out.hint(node.span, format!("`{key}` has no value"), without.to_owned());
            return None;
        }
        Some(node)
    }

    /// Passes over `key`, which has been told to stand here by mistake.
    pub(super) fn ignore(&mut self, key: &str) {
        for entry in self.entries.iter_mut().filter(|(k, _, _)| k.text == key) {
            entry.2 = true;
        }
    }

    /// Whether `key` is written.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|(k, _, _)| k.text == key)
    }

    /// Where `key` stands, or else the map.
    pub(super) fn at(&self, key: &str) -> Span {
        let entry = self.entries.iter().find(|(k, _, _)| k.text == key);
        entry.map_or(self.span, |(_, node, _)| node.span)
    }

    /// The value of `key` as `reader` understands it, or else `default`.
    pub(super) fn read<T>(
        &mut self,
        key: &'static str,
        default: T,
        reader: impl FnOnce(&'a Node, &'a Findings) -> Option<T>,
    ) -> T {
        self.get(key).and_then(|node| reader(node, self.out)).unwrap_or(default)
    }

    /// The value of `key` as `reader` understands it. It has to be there.
    pub(super) fn need<T>(
        &mut self,
        key: &'static str,
        reader: impl FnOnce(&'a Node, &'a Findings) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.asked.push(key);
            self.absent.push(key);
            return None;
        }
        self.asked.push(key);
        reader(self.take(key, "give it one")?, self.out)
    }

    /// Tells that `key` is not there.
    pub(super) fn missing(&self, key: &str) {
        self.tell_absent(&[key]);
    }

    /// Whether a key that nobody asked for so far is most likely `key`, misspelt.
    pub(super) fn has_misspelt(&self, key: &str) -> bool {
        let known = || self.asked.iter().chain(&self.chosen).copied();
        let mut open = self.entries.iter().filter(|(_, _, used)| !used);
        open.any(|(written, ..)| {
            meant_within(&written.text, known(), &self.out.patience) == Some(key)
        })
    }

    /// The keys that nobody asked for yet, for maps whose keys are names that people choose.
    pub(super) fn others(&mut self) -> Vec<(&'a Key, &'a Node)> {
        let open = self.entries.iter_mut().filter(|(_, _, used)| !*used);
        open.map(|(key, node, used)| {
            *used = true;
            (*key, *node)
        })
        .collect()
    }

    /// Every key has been asked for: what is left is a mistake.
    pub(super) fn end(mut self) {
        let known = || self.asked.iter().chain(&self.chosen).copied();
        for (key, _, used) in &self.entries {
            if !used {
                let hint = nearest(&key.text, known(), self.out);
                let reason = format!("{} knows no key `{}`", self.section, brief(&key.text));
                self.out.hint(key.span, reason, hint);
            }
        }
        let mut absent = std::mem::take(&mut self.absent);
        absent.retain(|key| !self.has_misspelt(key));
        self.tell_absent(&absent);
        #[cfg(test)]
        for key in &self.asked {
            self.out.asked.borrow_mut().insert((self.section, key, self.has(key)));
        }
    }
}

impl Fields<'_> {
    fn tell_absent(&self, absent: &[&str]) {
        for key in absent {
            self.out.say(self.span, format!("{} needs `{key}`", self.section));
        }
    }
}

impl Drop for Fields<'_> {
    /// What is not there is told also where reading breaks off before the end.
    fn drop(&mut self) {
        self.tell_absent(&self.absent);
    }
}

/// Tells that something else was expected here.
pub(super) fn expected(node: &Node, what: &str, out: &Findings) {
    out.say(node.span, format!("expected {what}, found {}", node.found()));
}

/// One length of time for all phases, or one for each that is named.
pub(super) fn by_phase(
    node: &Node,
    section: &'static str,
    default: Paces,
    length: &impl Fn(&Node, &Findings) -> Option<Duration>,
    out: &Findings,
) -> Option<Paces> {
    if !matches!(node.value, Value::Map(_)) {
        let all = length(node, out)?;
        return Some(Paces { idle: all, readiness: all, live: all, wrap_up: all });
    }
    let mut fields = Fields::of(node, section, out)?;
    let read = Paces {
        idle: fields.read("idle", default.idle, length),
        readiness: fields.read("readiness", default.readiness, length),
        live: fields.read("live", default.live, length),
        wrap_up: fields.read("wrap_up", default.wrap_up, length),
    };
    fields.end();
    Some(read)
}

/// The items of a list.
pub(super) fn list<'a>(node: &'a Node, out: &Findings) -> Option<&'a [Node]> {
    match &node.value {
        Value::List(items) => Some(items),
        _ => {
            let one =
                node.scalar().map(|scalar| scalar.text.trim()).filter(|text| !text.is_empty());
            let hint =
                one.map(|one| format!("a list has brackets: did you mean `[{}]`?", brief(one)));
            out.hint(node.span, format!("expected a list, found {}", node.found()), hint);
            None
        }
    }
}

/// Every item of a list as `reader` understands it, each once.
pub(super) fn each<T: Ord + Clone>(
    node: &Node,
    out: &Findings,
    mut reader: impl FnMut(&Node) -> Option<T>,
) -> Option<Vec<T>> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for item in list(node, out)? {
        let Some(value) = reader(item) else { continue };
        if seen.insert(value.clone()) {
            found.push(value);
        } else {
            out.say(item.span, "this stands in the list twice");
        }
    }
    Some(found)
}

/// `true` or `false`.
pub(super) fn flag(node: &Node, out: &Findings) -> Option<bool> {
    match node.scalar().map(|scalar| scalar.kind) {
        Some(Kind::Bool(value)) => Some(value),
        _ => {
            expected(node, "`true` or `false`", out);
            None
        }
    }
}

/// A whole number.
pub(super) fn whole<T: TryFrom<i128> + Into<i128> + Copy>(
    range: RangeInclusive<T>,
) -> impl Fn(&Node, &Findings) -> Option<T> {
    move |node, out| {
        let (least, most): (i128, i128) = ((*range.start()).into(), (*range.end()).into());
        match node.scalar().map(|scalar| scalar.kind) {
            Some(Kind::Integer(n)) if (least..=most).contains(&n.into()) => {
                T::try_from(n.into()).ok()
            }
            _ => {
                expected(node, &format!("a whole number from {least} to {most}"), out);
                None
            }
        }
    }
}

/// A number.
pub(super) fn number(range: RangeInclusive<f64>) -> impl Fn(&Node, &Findings) -> Option<f64> {
    move |node, out| {
        let value = match node.scalar().map(|scalar| scalar.kind) {
            // Far smaller than what a float holds exactly, or refused.
            Some(Kind::Integer(n)) => i32::try_from(n).ok().map(f64::from),
            Some(Kind::Float(n)) => Some(n),
            _ => None,
        };
        let value = value.filter(|n| range.contains(n));
        if value.is_none() {
            let (least, most) = range.clone().into_inner();
            expected(node, &format!("a number from {least} to {most}"), out);
        }
        value
    }
}

/// A share, written in percent: `5%` is 0.05.
pub(super) fn share(node: &Node, out: &Findings) -> Option<f64> {
    let scalar = node.scalar();
    let percent = scalar.and_then(|scalar| scalar.text.strip_suffix('%'));
    let value = percent
        .map(str::trim)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
        .and_then(|digits| digits.parse::<f64>().ok())
        .filter(|n| (0.0..=100.0).contains(n));
    if value.is_none() {
        let reason = format!("expected a share from 0% to 100%, found {}", node.found());
        let bare = scalar.and_then(|scalar| match scalar.kind {
            Kind::Integer(_) => Some(format!("did you mean `{}%`?", scalar.text)),
            Kind::Float(n) if (0.0..=1.0).contains(&n) => {
                Some(format!("did you mean `{}%`?", (n * 1e6).round() / 1e4))
            }
            _ => None,
        });
        out.hint(node.span, reason, bare);
    }
    // Through thousandths of a percent, so that 1% is the same number as 0.01.
    value.map(|n| (n * 1e6).round() / 1e8)
}

/// One of a few words.
pub(super) fn word<T: Copy>(
    words: &'static [(&'static str, T)],
) -> impl Fn(&Node, &Findings) -> Option<T> {
    move |node, out| {
        let known = || words.iter().map(|(word, _)| *word);
        let found = node.scalar().and_then(|scalar| words.iter().find(|(w, _)| *w == scalar.text));
        if found.is_none() {
            let hint = node.scalar().and_then(|scalar| nearest(&scalar.text, known(), out));
            let all = listed(&known().collect::<Vec<_>>()).replace(" and ", " or ");
            let hint = hint.filter(|hint| hint.starts_with("did"));
            out.hint(node.span, format!("expected {all}, found {}", node.found()), hint);
        }
        found.map(|(_, value)| *value)
    }
}

/// A line of text for people, in NFC, of at most `longest` characters.
pub(super) fn line(longest: usize) -> impl Fn(&Node, &Findings) -> Option<String> {
    move |node, out| {
        let scalar = match node.scalar() {
            Some(scalar) if !matches!(scalar.kind, Kind::Bool(_)) => scalar,
            Some(scalar) => {
                let hint = format!("write it in quotes if it is a text: \"{}\"", scalar.text);
                out.hint(node.span, format!("expected a text, found {}", node.found()), hint);
                return None;
            }
            None => {
                expected(node, "a text", out);
                return None;
            }
        };
        let text: String = scalar.text.nfc().collect();
        if let Some(c) = text.chars().find(|c| is_unseen(*c)) {
            let reason = format!("a character that nobody sees: U+{:04X}", u32::from(c));
            let hint = "copied from elsewhere? Type the text anew".to_owned();
            out.hint(node.span, reason, hint);
            return None;
        }
        let length = text.chars().count();
        if length == 0 || text.trim() != text {
            let reason = if text.trim().is_empty() { "an empty text" } else { "space at an end" };
            out.say(node.span, reason);
            return None;
        }
        if length > longest {
            let reason = format!("{length} characters, at most {longest} are allowed");
            out.say(node.span, reason);
            return None;
        }
        Some(text)
    }
}

/// Longest id.
const ID: usize = 63;

/// An id: lower-case letters, digits and hyphens.
pub(super) fn id(node: &Node, out: &Findings) -> Option<String> {
    let Some(scalar) = node.scalar() else {
        expected(node, "an id", out);
        return None;
    };
    well_formed_id(&scalar.text, node.span, out).then(|| scalar.text.clone())
}

/// Whether this text is an id; if not, that is told.
pub(super) fn well_formed_id(text: &str, span: Span, out: &Findings) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = !text.is_empty()
        && text.len() <= ID
        && text.bytes().all(|b| plain(b) || b == b'-')
        && text.bytes().next().is_some_and(plain);
    if !good {
        let mut meant = slug(text);
        meant.truncate(ID);
        let hint = match meant.as_str() {
            "" => None,
            meant => Some(format!("did you mean `{meant}`?")),
        };
        let reason = format!(
            "`{}` is no id: it has lower-case letters, digits and hyphens, at most {ID}",
            brief(text)
        );
        out.hint(span, reason, hint);
    }
    good
}

/// What ids stand for, and where each is defined.
pub(super) struct Defined<T> {
    /// `site`, `level`: what is defined.
    what: &'static str,
    by_id: BTreeMap<String, (Span, T)>,
}

impl<T: Clone> Defined<T> {
    pub(super) const fn new(what: &'static str) -> Self {
        Self { what, by_id: BTreeMap::new() }
    }

    /// Defines `id`, unless it is defined already.
    pub(super) fn add(&mut self, id: &str, span: Span, value: T, out: &Findings) -> bool {
        if let Some((first, _)) = self.by_id.get(id) {
            let reason = format!("a second {} `{id}`", self.what);
            out.clash(span, reason, (*first, "the first"), None);
            return false;
        }
        self.by_id.insert(id.to_owned(), (span, value));
        true
    }

    pub(super) fn get(&self, id: &str) -> Option<&T> {
        self.by_id.get(id).map(|(_, value)| value)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().map(String::as_str)
    }

    /// What the id that is written here stands for.
    pub(super) fn find(&self, node: &Node, out: &Findings) -> Option<T> {
        let Some(scalar) = node.scalar() else {
            expected(node, &format!("the id of a {}", self.what), out);
            return None;
        };
        self.find_text(&scalar.text, node.span, out)
    }

    /// What this id stands for.
    pub(super) fn find_text(&self, id: &str, span: Span, out: &Findings) -> Option<T> {
        let found = self.get(id).cloned();
        if found.is_none() {
            let reason = format!("there is no {} `{}`", self.what, brief(id));
            out.hint(span, reason, nearest(id, self.ids(), out));
        }
        found
    }
}
