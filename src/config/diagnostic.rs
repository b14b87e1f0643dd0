//! What is wrong in a file that a person wrote, said so that they can mend it.
//!
//! The place, the line as it stands there, the reason and, where there is one, a hint. The text is
//! stable: a directory of bad files keeps the exact message of each.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt;

use unicode_normalization::char::is_combining_mark;

use super::source::{File, SourceSet, Span, line_ends};
use crate::model::is_unseen;

/// One problem in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as people know it.
    pub file: String,
    /// The cell that is meant, if the file is a spreadsheet. `excerpt` then shows its row, `line`
    /// is the number of that row, and `column` and `width` are where the cell stands in `excerpt`.
    pub cell: Option<CellPlace>,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters are meant; 0 when it is a gap between two.
    pub width: u32,
    /// The line as it stands in the file; empty when there is none.
    pub excerpt: String,
    /// What is wrong.
    pub reason: String,
    /// What would be right.
    pub hint: Option<String>,
    /// Another place that has to do with it, and how.
    pub other: Option<(String, String)>,
}

/// A cell of a spreadsheet, as programs show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellPlace {
    /// The sheet; none in a file that has only one and no name for it.
    pub sheet: Option<String>,
    /// Row, from 1.
    pub row: u32,
    /// Column, from 1.
    pub column: u32,
}

/// `!Danh sách:R47C5 (E47)`, to be written behind the name of the file.
impl fmt::Display for CellPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sheet) = &self.sheet {
            write!(f, "!{sheet}")?;
        }
        let letters = column_letters(self.column);
        write!(f, ":R{}C{} ({letters}{})", self.row, self.column, self.row)
    }
}

/// The letters over a column: 1 is `A`, 27 is `AA`.
pub(super) fn column_letters(mut column: u32) -> String {
    let mut letters = Vec::new();
    while column > 0 {
        let digit = u8::try_from((column - 1) % 26).unwrap_or_default();
        letters.push(char::from(b'A' + digit));
        column = (column - 1) / 26;
    }
    letters.iter().rev().collect()
}

/// Every problem of every file, at least one, by file and place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The problems.
    pub list: Vec<Diagnostic>,
    /// How many more there are than are listed.
    pub more: usize,
}

/// Problems that are listed at most. Whoever has more has one cause for most of them.
const LISTED: usize = 1000;
/// Characters of a line that are shown.
const SHOWN: usize = 110;

impl Diagnostics {
    /// These and others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.list.extend(others.list);
        self.more += others.more;
        self
    }

    /// How many problems there are, listed or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len() + self.more
    }
}

impl std::error::Error for Diagnostics {}

/// All problems, an empty line between two, and a last line that counts them.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for diagnostic in &self.list {
            writeln!(f, "{diagnostic}\n")?;
        }
        if self.more > 0 {
            writeln!(f, "… and {} more\n", self.more)?;
        }
        let files: BTreeSet<&str> = self.list.iter().map(|d| d.file.as_str()).collect();
        write!(f, "{} in {}", counted(self.count(), "problem"), counted(files.len(), "file"))
    }
}

/// Compiler style, without a final line break.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cell {
            Some(cell) => write!(f, "{}{cell}: error: {}", self.file, self.reason)?,
            None => {
                write!(f, "{}:{}:{}: error: {}", self.file, self.line, self.column, self.reason)?;
            }
        }
        let number = self.line.to_string();
        let gutter = " ".repeat(number.len());
        if !self.excerpt.is_empty() {
            let (shown, caret) = self.pointed();
            write!(f, "\n{gutter} |\n{number} | {shown}\n{gutter} | {caret}")?;
        }
        if let Some((place, how)) = &self.other {
            write!(f, "\n{gutter} = {place}: {how}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{gutter} = hint: {hint}")?;
        }
        Ok(())
    }
}

impl Diagnostic {
    /// The excerpt, cut to what fits on a screen, and the line under it that points.
    fn pointed(&self) -> (String, String) {
        let line: Vec<char> = self.excerpt.chars().collect();
        let at = (self.column as usize).saturating_sub(1).min(line.len());
        let end = at.saturating_add(self.width as usize).min(line.len());
        let from = if line.len() <= SHOWN { 0 } else { at.saturating_sub(SHOWN / 2) };
        let to = line.len().min(from + SHOWN);
        let (mut shown, mut caret) = (String::new(), String::new());
        if from > 0 {
            shown.push('…');
            caret.push(' ');
        }
        for (n, c) in line.iter().enumerate().take(to).skip(from) {
            // What could move the cursor or turn the text around is shown as a dot.
            let plain = if *c == '\t' || is_unseen(*c) { '·' } else { *c };
            shown.push(plain);
            if !is_combining_mark(plain) && n < at.max(end) {
                caret.push(if n < at { ' ' } else { '^' });
            }
        }
        if to < line.len() {
            shown.push('…');
        }
        if end <= at {
            caret.push('^');
        }
        (shown.trim_end().to_owned(), caret)
    }
}

/// So many of something: `1 problem`, `2 problems`.
#[must_use]
pub fn counted(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// Where problems are collected while the files are read. Reading goes on after each.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: RefCell<Vec<Finding>>,
    more: Cell<usize>,
    /// Lines that are never shown, whatever is wrong in them.
    hidden: RefCell<BTreeSet<(File, u32)>>,
    /// Files of which no line is shown.
    sealed: RefCell<BTreeSet<File>>,
    /// Comparisons of words that hints may still cost.
    pub(super) patience: Cell<usize>,
    /// Every key that a reader asked for, by section, and whether it was written.
    #[cfg(test)]
    pub(super) asked: RefCell<BTreeSet<(&'static str, &'static str, bool)>>,
}

#[derive(Debug)]
struct Finding {
    span: Span,
    reason: String,
    hint: Option<String>,
    other: Option<(Span, String)>,
    /// Whether its line holds what must not be shown.
    secret: bool,
}

impl Findings {
    pub(super) fn new() -> Self {
        Self { patience: Cell::new(100_000), ..Self::default() }
    }

    /// Something is wrong at `span`.
    pub(super) fn say(&self, span: Span, reason: impl Into<String>) {
        self.push(Finding { span, reason: reason.into(), hint: None, other: None, secret: false });
    }

    /// Something is wrong at `span`, and this may mend it.
    pub(super) fn hint(
        &self,
        span: Span,
        reason: impl Into<String>,
        hint: impl Into<Option<String>>,
    ) {
        self.push(Finding {
            span,
            reason: reason.into(),
            hint: hint.into(),
            other: None,
            secret: false,
        });
    }

    /// A secret stands at `span`. Its line is not shown, whatever else is wrong with it.
    pub(super) fn secret(&self, span: Span, reason: impl Into<String>, hint: String) {
        let hint = Some(hint);
        self.push(Finding { span, reason: reason.into(), hint, other: None, secret: true });
    }

    /// What stands at `span` may hold a key: its line is not shown, whatever else is wrong with it.
    pub(super) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().insert((span.file, span.line));
    }

    /// Nobody is shown any line of this file: what in it is a secret cannot be told.
    pub(super) fn seal(&self, file: File) {
        self.sealed.borrow_mut().insert(file);
    }

    /// Something is wrong at `span` because of what stands at `other`.
    pub(super) fn clash(
        &self,
        span: Span,
        reason: impl Into<String>,
        other: (Span, &str),
        hint: impl Into<Option<String>>,
    ) {
        let other = Some((other.0, other.1.to_owned()));
        self.push(Finding { span, reason: reason.into(), hint: hint.into(), other, secret: false });
    }

    fn push(&self, finding: Finding) {
        let mut list = self.list.borrow_mut();
        if list.len() < LISTED {
            list.push(finding);
        } else {
            self.more.set(self.more.get() + 1);
        }
    }

    /// How much is wrong so far.
    pub(super) fn count(&self) -> usize {
        self.list.borrow().len() + self.more.get()
    }

    /// What was found, with the lines it is about.
    pub(super) fn into_diagnostics(self, sources: &SourceSet) -> Diagnostics {
        if self.count() == 0 {
            // Whoever reads nothing has said why; this says it at least.
            self.say(Span::top(File::Settings), "this configuration cannot be read");
        }
        let mut found = self.list.into_inner();
        found.sort_by(|a, b| (a.span, &a.reason).cmp(&(b.span, &b.reason)));
        found.dedup_by(|a, b| a.span == b.span && a.reason == b.reason);
        let lines = Lines::of(sources, &found);
        let mut hidden = self.hidden.into_inner();
        hidden.extend(found.iter().filter(|it| it.secret).map(|it| (it.span.file, it.span.line)));
        let sealed = self.sealed.into_inner();
        let list = found
            .into_iter()
            .map(|finding| {
                let Finding { span, reason, hint, other, secret: _ } = finding;
                let other = other.map(|(at, how)| {
                    (format!("{}:{}:{}", sources.name(at.file), at.line, at.column), how)
                });
                Diagnostic {
                    file: sources.name(span.file).to_owned(),
                    cell: None,
                    line: span.line,
                    column: span.column,
                    width: span.width,
                    excerpt: if sealed.contains(&span.file)
                        || hidden.contains(&(span.file, span.line))
                    {
                        String::new()
                    } else {
                        lines.get(sources, span)
                    },
                    reason,
                    hint,
                    other,
                }
            })
            .collect();
        Diagnostics { list, more: self.more.get() }
    }
}

/// Where the lines of the files with problems begin.
struct Lines([Vec<usize>; File::COUNT]);

impl Lines {
    fn of(sources: &SourceSet, found: &[Finding]) -> Self {
        let mut starts: [Vec<usize>; File::COUNT] = Default::default();
        for finding in found {
            let file = finding.span.file;
            let starts = &mut starts[file as usize];
            if let (true, Some(source)) = (starts.is_empty(), sources.get(file)) {
                starts.push(0);
                starts.extend(line_ends(&source.bytes).map(|(_, next)| next));
            }
        }
        Self(starts)
    }

    fn get(&self, sources: &SourceSet, span: Span) -> String {
        if (span.line, span.column, span.width) == (1, 1, 0) {
            // The file as a whole is meant.
            return String::new();
        }
        let starts = &self.0[span.file as usize];
        let line = (span.line as usize).saturating_sub(1);
        let Some((source, from)) = sources.get(span.file).zip(starts.get(line)) else {
            return String::new();
        };
        let bytes = &source.bytes[*from..];
        let end = line_ends(bytes).next().map_or(bytes.len(), |(end, _)| end);
        // Nobody reads a line of a megabyte; four bytes are the longest character.
        let bytes = &bytes[..end.min(4 * (span.column as usize + SHOWN))];
        let text = String::from_utf8_lossy(bytes);
        text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
    }
}
