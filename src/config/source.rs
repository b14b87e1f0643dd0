//! The texts that are read: which files there are, and where in them something stands.

use std::collections::BTreeMap;
use std::fmt;

use super::template::Template;

/// The files of a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum File {
    /// How the daemon behaves.
    Settings,
    /// What is watched.
    Sites,
    /// The calendar.
    Sessions,
    /// Who may reach the web server, and how. It is there when the settings name it.
    Web,
}

impl File {
    /// The files that every configuration has, in the order in which they are read.
    pub const ALL: [Self; 3] = [Self::Settings, Self::Sites, Self::Sessions];
    /// How many kinds of file there are.
    pub(super) const COUNT: usize = 4;

    /// The name to look for in the configuration directory.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "vchealth.yaml",
            Self::Sites => "sites.yaml",
            Self::Sessions => "sessions.yaml",
            Self::Web => "web-config.yml",
        }
    }
}

impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The files as they were found. Bytes, because a file in another encoding is something to tell
/// with its place.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SourceSet {
    files: [Option<Source>; File::COUNT],
    missing: [Option<Missing>; File::COUNT],
    templates: Vec<Template>,
    /// What the web configuration names: certificates and keys, or why they cannot be read.
    named: BTreeMap<String, Result<Vec<u8>, String>>,
}

/// One file that was looked for and not found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Missing {
    name: String,
    /// What was found in its place, such as `sites.yml`.
    instead: Option<String>,
}

/// One file as it was found.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// The name to tell people, such as the path they gave.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// What the files hold is not shown: there may be keys among it.
impl fmt::Debug for SourceSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named: Vec<&String> = self.named.keys().collect();
        f.debug_struct("SourceSet")
            .field("files", &self.files)
            .field("missing", &self.missing)
            .field("named", &named)
            .finish_non_exhaustive()
    }
}

/// The bytes are not shown: there may be hashes of passwords among them.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl SourceSet {
    /// No files.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// These and `file`, which people know as `name`.
    #[must_use]
    pub fn with(mut self, file: File, name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.files[file as usize] = Some(Source { name: name.into(), bytes: bytes.into() });
        self
    }

    /// These, and `file` was looked for as `name` and is not there; `instead` is a file beside it
    /// that may be meant.
    #[must_use]
    pub fn without(mut self, file: File, name: impl Into<String>, instead: Option<String>) -> Self {
        self.missing[file as usize] = Some(Missing { name: name.into(), instead });
        self
    }

    /// These and a text for a part of messages.
    #[must_use]
    pub fn with_template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }

    /// These and a file that the web configuration names, as it is written there: its bytes, or why
    /// it cannot be read.
    #[must_use]
    pub fn with_named(mut self, name: impl Into<String>, found: Result<Vec<u8>, String>) -> Self {
        self.named.insert(name.into(), found);
        self
    }

    /// A file that the web configuration names; none when nobody looked for it.
    pub(super) fn named(&self, name: &str) -> Option<Result<&[u8], &str>> {
        let found = self.named.get(name)?;
        Some(found.as_deref().map_err(String::as_str))
    }

    /// The texts for parts of messages.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// The bytes of a file; none when it was not found.
    #[must_use]
    pub fn bytes(&self, file: File) -> Option<&[u8]> {
        self.get(file).map(|source| source.bytes.as_slice())
    }

    pub(super) fn get(&self, file: File) -> Option<&Source> {
        self.files[file as usize].as_ref()
    }

    /// What people know the file as.
    pub(super) fn name(&self, file: File) -> &str {
        let missing = || self.missing[file as usize].as_ref().map(|missing| missing.name.as_str());
        self.get(file).map(|source| source.name.as_str()).or_else(missing).unwrap_or(file.name())
    }

    /// A file that may be meant where `file` is missing.
    pub(super) fn instead(&self, file: File) -> Option<&str> {
        self.missing[file as usize].as_ref()?.instead.as_deref()
    }
}

/// Where something stands: line and column counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) file: File,
    pub(super) line: u32,
    pub(super) column: u32,
    /// Characters on that line; 0 points between two.
    pub(super) width: u32,
}

impl Span {
    /// The character behind `text`, which is the beginning of a file.
    pub(super) fn behind(file: File, text: &str) -> Self {
        let (count, last) = lines(text).fold((0, ""), |(count, _), line| (count + 1, line));
        Self { file, line: short(count), column: short(last.chars().count() + 1), width: 1 }
    }

    /// The beginning of a file.
    pub(super) const fn top(file: File) -> Self {
        Self { file, line: 1, column: 1, width: 0 }
    }
}

/// Where each line ends and the next begins: `\n`, `\r\n` or `\r`, as YAML has it.
pub(super) fn line_ends(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = at + bytes[at..].iter().position(|b| matches!(b, b'\n' | b'\r'))?;
        let next = if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 };
        at = next;
        Some((end, next))
    })
}

/// The lines of a text.
pub(super) fn lines(text: &str) -> impl Iterator<Item = &str> {
    let ends = line_ends(text.as_bytes()).chain([(text.len(), text.len())]);
    ends.scan(0, |from, (end, next)| {
        let line = &text[*from..end];
        *from = next;
        Some(line)
    })
}

/// A place in a file is far below what fits 32 bits, since files are bounded.
pub(super) fn short(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
