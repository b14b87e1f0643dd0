//! A file as a tree whose every value knows its place.
//!
//! Two readers see each file. The events of `saphyr-parser` say where everything stands, so that
//! all problems can be told with their places; `serde_yaml` says what it is: text, number, true or
//! nothing. They walk the tree together, and where they would read different things the person is
//! asked to write it in quotes. What makes a file mean more than it shows is refused: anchors,
//! aliases, tags, several documents.

mod syntax;
mod understand;

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde::de::IgnoredAny;

use self::syntax::{not_yaml, within};
use self::understand::understand;
use super::diagnostic::Findings;
use super::source::{File, Source, Span, lines, short};

/// Longest file that is read, in bytes: ten thousand sites take a tenth of it.
const LONGEST: usize = 16 << 20;
/// Most values in one file.
const NODES: usize = 1_000_000;
/// Deepest nesting of lists and maps.
const DEEPEST: usize = 16;
/// Most brackets open at once in a text that `serde_yaml` is asked about. For every token it goes
/// through all that are open, so that a long row of them would keep it busy for hours.
const OPEN_AT_ONCE: usize = 1000;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file; no key stands twice.
    Map(Vec<(Key, Node)>),
}

/// A single value as written and as understood.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// The text, without quotes.
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// What `serde_yaml` takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Nothing,
    Bool(bool),
    /// The nearest there is, for what is longer.
    Integer(i64),
    Float(f64),
    Text,
}

/// A key of a map.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// The scalar, unless it is a list, a map or nothing.
    pub(super) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) if scalar.kind != Kind::Nothing => Some(scalar),
            _ => None,
        }
    }

    /// Whether nothing is written here.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == Kind::Nothing)
    }

    /// Whether it is a scalar without any character.
    fn is_empty(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.text.is_empty())
    }

    /// The value of a key, if this is a map that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(map) => map.iter().find(|(k, _)| k.text == key).map(|(_, node)| node),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// What stands here, for "expected …, found …".
    pub(super) fn found(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Nothing => "nothing".to_owned(),
                Kind::Integer(_) | Kind::Float(_) => format!("the number {}", scalar.text),
                Kind::Text if scalar.text.is_empty() => "an empty text".to_owned(),
                Kind::Bool(_) | Kind::Text => format!("`{}`", brief(&scalar.text)),
            },
        }
    }
}

/// A text short enough to be quoted in a message.
pub(super) fn brief(text: &str) -> String {
    let shown: String =
        text.chars().map(|c| if crate::model::is_unseen(c) { '·' } else { c }).take(60).collect();
    if shown.len() < text.len() && text.chars().count() > 60 { shown + "…" } else { shown }
}

/// The one document of a file; none when it could not be read, which has then been said.
pub(super) fn read(file: File, source: &Source, out: &Findings) -> Option<Node> {
    let text = decode(file, &source.bytes, out)?;
    if let Some(span) = no_break_space(file, text) {
        let reason = "a no-break space, which looks like a space and is none";
        let hint = "copied from Word or a web page? Type the spaces of this line anew";
        out.hint(span, reason, hint.to_owned());
        return None;
    }
    let mut root = Builder::new(file, out).build(text)?;
    understand(&mut root, file, text, out)?;
    Some(root)
}

/// The first no-break space that stands where YAML needs a space: before a key or behind its colon.
fn no_break_space(file: File, text: &str) -> Option<Span> {
    lines(text).enumerate().find_map(|(n, line)| {
        let blank = |c: char| matches!(c, ' ' | '-' | '\u{a0}');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let key = line.trim_start_matches(blank);
        let behind = key.trim_start_matches(plain);
        let named = behind.len() < key.len();
        let before = line[..line.len() - key.len()].find('\u{a0}').filter(|_| !key.is_empty());
        let after = || behind.starts_with(":\u{a0}").then(|| line.len() - behind.len() + 1);
        let at = before.or_else(|| after().filter(|_| named))?;
        let column = line[..at].chars().count() + 1;
        Some(Span { file, line: short(n + 1), column: short(column), width: 1 })
    })
}

/// The text of a file, if it is UTF-8 of a reasonable length.
fn decode<'a>(file: File, bytes: &'a [u8], out: &Findings) -> Option<&'a str> {
    if bytes.len() > LONGEST {
        let found = bytes.len() >> 20;
        out.say(Span::top(file), format!("the file is longer than 16 MiB: {found} MiB"));
        return None;
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        let hint = "save it as UTF-8, in Notepad under \"Save as\", \"Encoding\"".to_owned();
        out.hint(Span::top(file), "the file is in UTF-16", hint);
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let good = good.strip_prefix('\u{feff}').unwrap_or(&good);
            let byte = bytes[error.valid_up_to()];
            let hint =
                "an older Vietnamese encoding, such as TCVN3 or Windows-1258? Save it as UTF-8";
            let reason = format!("byte {byte:#04x} is not UTF-8");
            out.hint(Span::behind(file, good), reason, hint.to_owned());
            return None;
        }
    };
    // What the two readers could take for ends of lines, and what YAML forbids (YAML 1.2 §5.1).
    let strange = |c: char| match c {
        '\n' | '\r' | '\t' => false,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        c => c.is_control(),
    };
    if let Some((at, c)) = text.char_indices().find(|(_, c)| strange(*c)) {
        let reason = format!("a character that nobody sees: U+{:04X}", u32::from(c));
        let hint = "remove it; in a text in double quotes it could be written as `\\u…`".to_owned();
        out.hint(Span::behind(file, &text[..at]), reason, hint);
        return None;
    }
    Some(text)
}

/// Puts events together to a tree.
struct Builder<'a> {
    file: File,
    out: &'a Findings,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
    sound: bool,
    refused: [Option<(Span, usize)>; 3],
}

/// What makes a file mean more than it shows: what it is called and what to do instead.
const REFUSED: [(&str, &str); 3] = [
    ("aliases", "write the value out; what many sites share belongs in a class"),
    ("anchors", "remove the `&name`; what many sites share belongs in a class"),
    ("tags", "remove the `!name`"),
];

/// A list or map whose end has not come.
struct Open {
    node: Node,
    /// The key that waits for its value.
    key: Option<Key>,
}

impl<'a> Builder<'a> {
    const fn new(file: File, out: &'a Findings) -> Self {
        Self { file, out, open: Vec::new(), root: None, nodes: 0, sound: true, refused: [None; 3] }
    }

    fn build(mut self, text: &str) -> Option<Node> {
        let read = self.events(text);
        for ((what, hint), refused) in REFUSED.iter().zip(self.refused) {
            if let Some((first, count)) = refused {
                let more =
                    if count > 1 { format!("; this file has {count}") } else { String::new() };
                self.out.hint(first, format!("{what} are not read{more}"), (*hint).to_owned());
                self.sound = false;
            }
        }
        read?;
        if !self.sound {
            return None;
        }
        Some(self.root.filter(|root| !root.is_empty()).unwrap_or_else(|| {
            let nothing = Scalar { text: String::new(), kind: Kind::Nothing };
            Node { span: Span::top(self.file), value: Value::Scalar(nothing) }
        }))
    }

    /// Takes in every event; none when there is no going on, which has then been told.
    fn events(&mut self, text: &str) -> Option<()> {
        let mut documents = 0;
        let last = lines(text).count();
        for event in Parser::new_from_str(text) {
            let (event, span) = match event {
                Ok(event) => event,
                Err(error) => {
                    self.syntax_error(text, &error);
                    return None;
                }
            };
            let start = span.start;
            let width = if span.end.line() == start.line() { span.len() } else { 1 };
            let span = if start.line() > last {
                // Nothing, which stands behind the last line.
                within(self.file, text, (start.line(), 1))
            } else {
                Span {
                    file: self.file,
                    line: short(start.line()),
                    column: short(start.col() + 1),
                    width: short(width),
                }
            };
            match event {
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        let why = "a second document begins here: one file holds one";
                        self.out.say(span, why);
                        return None;
                    }
                }
                Event::Alias(_) => {
                    self.refuse(0, span);
                    self.put(Node { span, value: Value::List(Vec::new()) });
                }
                Event::Scalar(value, style, anchor, tag) => {
                    self.plain(span, anchor, tag.is_some());
                    let kind = if style == ScalarStyle::Plain { Kind::Nothing } else { Kind::Text };
                    let scalar = Scalar { text: value.into_owned(), kind };
                    self.put(Node { span, value: Value::Scalar(scalar) });
                }
                Event::SequenceStart(anchor, tag) => {
                    self.plain(span, anchor, tag.is_some());
                    self.open(Node { span, value: Value::List(Vec::new()) })?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.plain(span, anchor, tag.is_some());
                    self.open(Node { span, value: Value::Map(Vec::new()) })?;
                }
                Event::SequenceEnd | Event::MappingEnd => {
                    if let Some(Open { mut node, .. }) = self.open.pop() {
                        if let Value::Map(map) = &mut node.value {
                            // There are thousands of them, and all stay until the file is read.
                            map.shrink_to_fit();
                        }
                        self.no_key_twice(&node);
                        self.put(node);
                    }
                }
                _ => {}
            }
            if self.nodes > NODES {
                self.out.say(span, format!("more than {NODES} values in one file"));
                return None;
            }
        }
        Some(())
    }

    fn open(&mut self, node: Node) -> Option<()> {
        if self.open.len() >= DEEPEST {
            self.out.say(node.span, format!("nested more than {DEEPEST} deep"));
            return None;
        }
        self.open.push(Open { node, key: None });
        Some(())
    }

    /// Refuses what stands in front of a value.
    fn plain(&mut self, span: Span, anchor: usize, tag: bool) {
        if anchor != 0 {
            self.refuse(1, span);
        }
        if tag {
            self.refuse(2, span);
        }
    }

    /// Counts what is refused; it is told once for a file.
    fn refuse(&mut self, what: usize, span: Span) {
        self.refused[what].get_or_insert((span, 0)).1 += 1;
    }

    fn no_key_twice(&mut self, node: &Node) {
        let Value::Map(map) = &node.value else { return };
        let mut seen = BTreeMap::new();
        for (key, _) in map {
            if let Some(first) = seen.get(key.text.as_str()) {
                let reason = format!("`{}` stands twice", brief(&key.text));
                self.out.clash(key.span, reason, (*first, "first here"), None);
                self.sound = false;
            } else {
                seen.insert(key.text.as_str(), key.span);
            }
        }
    }

    /// A value is complete: it goes where it belongs.
    fn put(&mut self, node: Node) {
        self.nodes += 1;
        let Some(Open { node: parent, key }) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut parent.value {
            Value::List(list) => list.push(node),
            Value::Scalar(_) => {}
            Value::Map(map) => match key.take() {
                Some(key) => {
                    // Nothing has no place of its own; it is told at its key.
                    let gap = matches!(&node.value, Value::Scalar(s) if s.text.is_empty())
                        && node.span.width == 0;
                    let span = if gap { key.span } else { node.span };
                    map.push((key, Node { span, value: node.value }));
                }
                None => {
                    let text = match node.value {
                        Value::Scalar(scalar) => scalar.text,
                        _ => {
                            self.out.say(node.span, "a list or map cannot be a key");
                            self.sound = false;
                            String::new()
                        }
                    };
                    *key = Some(Key { text, span: node.span });
                }
            },
        }
    }

    /// The syntax is wrong. `serde_yaml` is asked as well, since it says what it was reading.
    fn syntax_error(&self, text: &str, error: &saphyr_parser::ScanError) {
        let here = error.marker();
        let second = (open_at_once(text) <= OPEN_AT_ONCE)
            .then(|| serde_yaml::from_str::<IgnoredAny>(text).err())
            .flatten();
        match second.and_then(|error| Some((error.location()?, error))) {
            Some((at, error)) => {
                not_yaml(self.file, text, (at.line(), at.column()), &error.to_string(), self.out);
            }
            None => {
                let at = (here.line(), here.col() + 1);
                not_yaml(self.file, text, at, error.info(), self.out);
            }
        }
    }
}

/// Most brackets open at once, those in quotes and comments included.
fn open_at_once(text: &str) -> usize {
    let mut open = 0_usize;
    let mut most = 0;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        most = most.max(open);
    }
    most
}
