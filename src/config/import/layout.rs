//! Where everything stands in a YAML file that a person keeps, to the byte, so that one value can
//! be changed and nothing else: comments, order and spacing stay as they were written.
//!
//! Only files that have passed every check come here: no anchors, no aliases, no tags, one
//! document.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde::Deserialize as _;

use super::book::At;

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Spot {
    /// From its first byte to behind its last; a list or map written as a block ends with the last
    /// value in it.
    pub(super) range: Range<usize>,
    pub(super) what: What,
    /// Whether it stands in braces or brackets.
    pub(super) flow: bool,
}

#[derive(Debug)]
pub(super) enum What {
    Scalar(String),
    List(Vec<Spot>),
    /// Each with where its key begins.
    Map(Vec<(String, usize, Spot)>),
}

/// A change of a text, with the cells that it comes from and how far behind its beginning each
/// stands.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: String,
    pub(super) from: Vec<(usize, At)>,
}

/// Where a change ended up in the new text.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) range: Range<usize>,
    pub(super) from: Vec<(usize, At)>,
}

impl Spot {
    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.what {
            What::Map(map) => map.iter().find(|(k, ..)| k == key).map(|(.., value)| value),
            _ => None,
        }
    }

    /// The items of a list.
    pub(super) fn items(&self) -> &[Self] {
        match &self.what {
            What::List(items) => items,
            _ => &[],
        }
    }

    /// The text, if it is a single value.
    pub(super) fn scalar(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// The one document of a text.
pub(super) fn layout(text: &str) -> Option<Spot> {
    // Markers count characters.
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(text.len());
    let mut open: Vec<(Spot, Option<(String, usize)>)> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let range = byte(span.start.index())..byte(span.end.index());
        let done = match event {
            Event::Scalar(value, style, ..) => {
                // A plain value may be followed by what the parser had to look at.
                let written = text.get(range.clone())?.trim_end().len();
                let end = match style {
                    ScalarStyle::Plain => range.start + written,
                    _ => range.end,
                };
                let what = What::Scalar(value.into_owned());
                Some(Spot { range: range.start..end, what, flow: false })
            }
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let what = match event {
                    Event::SequenceStart(..) => What::List(Vec::new()),
                    _ => What::Map(Vec::new()),
                };
                let flow = text[range.start..].starts_with(['[', '{']);
                open.push((Spot { range, what, flow }, None));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let (mut spot, _) = open.pop()?;
                spot.range.end = if spot.flow {
                    // The parser may have looked beyond the bracket, past a comment.
                    let closes = text[range.start..].starts_with([']', '}']);
                    let before = || text[..range.end].rfind([']', '}']).unwrap_or(range.start);
                    1 + if closes { range.start } else { before() }
                } else {
                    let last = match &spot.what {
                        What::List(items) => items.last(),
                        What::Map(map) => map.last().map(|(.., value)| value),
                        What::Scalar(_) => None,
                    };
                    last.map_or(spot.range.start, |last| last.range.end)
                };
                Some(spot)
            }
            _ => None,
        };
        let Some(done) = done else { continue };
        match open.last_mut() {
            None => root = Some(done),
            Some((parent, key)) => match &mut parent.what {
                What::List(items) => items.push(done),
                What::Map(map) => match key.take() {
                    Some((name, at)) => map.push((name, at, done)),
                    None => *key = Some((done.scalar()?.to_owned(), done.range.start)),
                },
                What::Scalar(_) => return None,
            },
        }
    }
    root
}

/// The text with all changes made, and where each of them ended up.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> (String, Vec<Place>) {
    // Changes at the same place keep their order.
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut new = String::with_capacity(text.len() + 200 * edits.len());
    let mut places = Vec::new();
    let mut at = 0;
    for edit in edits {
        new.push_str(&text[at..edit.range.start.max(at)]);
        let start = new.len();
        new.push_str(&edit.text);
        places.push(Place { range: start..new.len(), from: edit.from });
        at = edit.range.end.max(at);
    }
    new.push_str(&text[at..]);
    (new, places)
}

/// The end of the line on which `at` lies, before its line break.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find(['\n', '\r']).map_or(text.len(), |n| at + n)
}

/// How many characters stand before `at` on its line.
pub(super) fn column(text: &str, at: usize) -> usize {
    let line = text[..at].rfind(['\n', '\r']).map_or(0, |n| n + 1);
    text[line..at].chars().count()
}

/// How lines end in a text.
pub(super) fn line_break(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

/// A text as a YAML value that reads as this very text, in quotes only where it has to be.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.chars().next().is_some_and(char::is_alphanumeric)
        && text.chars().last().is_some_and(|c| c.is_alphanumeric() || c == '.' || c == ')')
        && text.chars().all(|c| c.is_alphanumeric() || " .,-_()/+@:".contains(c))
        && !text.contains([',', ':'])
        && matches!(
            serde_yaml::Value::deserialize(serde_yaml::Deserializer::from_str(text)),
            Ok(serde_yaml::Value::String(read)) if read == text
        )
        // A code such as 058 is a text here and a number to other programs.
        && !text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, text: &str) -> Edit {
        Edit { range, text: text.to_owned(), from: Vec::new() }
    }

    #[test]
    fn a_value_is_changed_and_everything_else_stays() {
        let text = "# đầu\nsites: # các điểm cầu\n  - {id: a, name: \"Xã Á\", x: {y: 1} } # một\n  - id: b\n    name: Xã Bé   # hai\n\n# cuối\n";
        let root = layout(text).unwrap();
        let sites = root.get("sites").unwrap();
        assert!(!sites.flow && sites.items()[0].flow && !sites.items()[1].flow);
        let names: Vec<&str> =
            sites.items().iter().map(|s| &text[s.get("name").unwrap().range.clone()]).collect();
        assert_eq!(names, ["\"Xã Á\"", "Xã Bé"]);
        assert_eq!(&text[sites.items()[0].range.clone()], "{id: a, name: \"Xã Á\", x: {y: 1} }");
        assert_eq!(&text[sites.items()[1].range.clone()], "id: b\n    name: Xã Bé");
        let change = edit(sites.items()[1].get("name").unwrap().range.clone(), "Xã Bê");
        let (new, places) = apply(text, vec![change]);
        assert_eq!(new, text.replace("Xã Bé", "Xã Bê"));
        assert_eq!(&new[places[0].range.clone()], "Xã Bê");
    }

    #[test]
    fn a_text_is_quoted_only_where_it_would_be_read_as_something_else() {
        for plain in ["Xã Tân Lập", "10.70.5.1", "0209 000 0101", "bac-kan-1", "Cisco Room Kit Pro"]
        {
            assert_eq!(scalar(plain), plain);
        }
        for quoted in
            ["06", "true", "no: way", "a, b", "#1", "", "1e3", "12:30", "~", "{a}", "a #b"]
        {
            assert!(scalar(quoted).starts_with('"'), "{quoted}");
        }
    }
}
