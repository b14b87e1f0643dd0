//! What people keep in spreadsheets, compared with what is written in the configuration.
//!
//! ```text
//! bytes ─▶ open: a Book of cells ─▶ heading: which column is what
//!                                 ─▶ rows: what each row says
//!                                 ─▶ sites │ session: matched with what is written
//!                                 ─▶ layout: edits of the text, value by value ─▶ Plan
//! ```
//! A plan says what would change. It holds the new text only when nothing is wrong with the sheet
//! and the new text passes every check of the configuration; whatever those checks find is told at
//! the cell that it comes from. Nothing is written here.

mod book;
mod called;
mod existing;
mod heading;
mod layout;
mod open;
mod province;
mod rows;
mod session;
mod sites;
mod value;

use std::collections::BTreeMap;
use std::fmt::Write as _;

pub use book::{Book, Cell, Sheet};
pub use open::{LARGEST, open};
pub use session::{NoSession, session};
pub use sites::sites;

use book::At;
use layout::{Edit, Place, apply};

use super::diagnostic::{Diagnostic, Diagnostics, counted};
use super::source::{File, SourceSet, line_ends};

/// What a spreadsheet would change.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The file of the configuration that would change.
    pub file: File,
    /// How the spreadsheet was read.
    pub notes: Vec<String>,
    /// The changes in one line.
    pub summary: String,
    /// The changes one by one.
    pub lines: Vec<String>,
    /// The new text of the file; none when nothing would change or something is wrong.
    pub text: Option<String>,
    /// What is wrong with the spreadsheet.
    pub faults: Option<Diagnostics>,
}

/// How much would change.
#[derive(Debug, Clone, Default)]
struct Totals {
    /// New sites by level.
    added: BTreeMap<String, usize>,
    renamed: usize,
    moved: usize,
    addresses: usize,
    contacts: usize,
    labels: usize,
    unchanged: usize,
    /// Sites that the sheet does not name.
    absent: usize,
    /// What is said of a session instead of all that.
    session: Option<String>,
}

impl Totals {
    fn summary(&self) -> String {
        if let Some(session) = &self.session {
            return session.clone();
        }
        let mut parts: Vec<String> =
            self.added.iter().map(|(level, n)| format!("+{n} {}", plural(level, *n))).collect();
        let changed = [
            (self.renamed, "renamed"),
            (self.moved, "with another parent"),
            (self.addresses, "changed"),
            (self.contacts, "changed"),
            (self.labels, "changed"),
        ];
        let what = ["", "", "address", "contact", "label"];
        for ((n, how), what) in changed.iter().zip(what).filter(|((n, _), _)| *n > 0) {
            let what = match (what, *n) {
                ("", _) => String::new(),
                ("address", 2..) => " addresses".to_owned(),
                (what, 2..) => format!(" {what}s"),
                (what, _) => format!(" {what}"),
            };
            parts.push(format!("{n}{what} {how}"));
        }
        let mut text = if parts.is_empty() { "no changes".to_owned() } else { parts.join(", ") };
        let _ = write!(text, "; {} unchanged", self.unchanged);
        if self.absent > 0 {
            let stay = if self.absent == 1 { "stays as it is" } else { "stay as they are" };
            let absent = counted(self.absent, "site");
            let _ = write!(text, "; {absent} not in the spreadsheet {stay}");
        }
        text
    }
}

/// `commune`, `communes`, `agencies`.
fn plural(level: &str, n: usize) -> String {
    let level = if level.is_empty() { "site" } else { level };
    match (n, level.strip_suffix('y')) {
        (1, _) => level.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{level}s"),
    }
}

/// The text of a file without a byte order mark; it has been read before, so it is UTF-8.
fn text_of(sources: &SourceSet, file: File) -> String {
    let bytes = sources.get(file).map(|source| source.bytes.as_slice()).unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()
}

impl Plan {
    /// Puts a plan together; `edits` are of `text`, which is that of `file` in `sources`.
    #[allow(clippy::too_many_arguments, reason = "everything that both kinds of sheet give")]
    fn new(
        book: &Book,
        sources: &SourceSet,
        file: File,
        text: &str,
        notes: Vec<String>,
        lines: Vec<String>,
        totals: &Totals,
        edits: Vec<Edit>,
        faults: Vec<Diagnostic>,
    ) -> Self {
        let mut plan = Self {
            file,
            notes: [book.notes.clone(), notes].concat(),
            summary: totals.summary(),
            lines,
            text: None,
            faults: None,
        };
        if !faults.is_empty() {
            plan.faults = Some(limited(faults));
            return plan;
        }
        if edits.is_empty() {
            return plan;
        }
        let (new, places) = apply(text, edits);
        let name = sources.name(file).to_owned();
        let checked = super::load(&sources.clone().with(file, name.clone(), new.clone()));
        match checked {
            Ok(_) => plan.text = Some(new),
            Err(problems) => {
                let at_cells = problems.list.into_iter().map(|problem| {
                    match cell_of(&problem, &name, &new, &places) {
                        Some(at) => {
                            let reason =
                                format!("{} (in {name} as it would become)", problem.reason);
                            let mut fault = book.fault(at, reason, problem.hint);
                            fault.other = problem.other;
                            fault
                        }
                        None => problem,
                    }
                });
                plan.faults = Some(Diagnostics { list: at_cells.collect(), more: problems.more });
            }
        }
        plan
    }
}

/// Problems that are listed at most.
const LISTED: usize = 1_000;

fn limited(mut list: Vec<Diagnostic>) -> Diagnostics {
    let more = list.len().saturating_sub(LISTED);
    list.truncate(LISTED);
    Diagnostics { list, more }
}

/// The cell that a problem of the new text comes from.
fn cell_of(problem: &Diagnostic, name: &str, text: &str, places: &[Place]) -> Option<At> {
    if problem.file != name {
        return None;
    }
    let line = (problem.line as usize).saturating_sub(1);
    let start = match line {
        0 => 0,
        line => line_ends(text.as_bytes()).nth(line - 1)?.1,
    };
    let column = (problem.column as usize).saturating_sub(1);
    let at = text[start..].char_indices().nth(column).map_or(text.len(), |(n, _)| start + n);
    let place = places.iter().find(|place| place.range.contains(&at))?;
    let within = at - place.range.start;
    let from = &place.from;
    from.iter().rfind(|(n, _)| *n <= within).or(from.first()).map(|(_, at)| *at)
}
