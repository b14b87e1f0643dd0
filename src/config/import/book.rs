//! What a spreadsheet holds once its format no longer matters: sheets of cells, each with its
//! place.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use crate::config::diagnostic::{CellPlace, Diagnostic};
use crate::model::is_unseen;

/// Characters of one cell that an excerpt shows.
const SHOWN: usize = 40;

/// A spreadsheet.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// The file, as people know it.
    pub file: String,
    /// Its sheets, in order.
    pub sheets: Vec<Sheet>,
    /// What people should know about how it was read.
    pub notes: Vec<String>,
}

/// One sheet.
#[derive(Debug, Clone, Default)]
pub struct Sheet {
    /// Its name; none where the format has none.
    pub name: Option<String>,
    /// The cells that hold something, by row and column, both from 1. A merged cell stands at each
    /// place that it covers.
    pub cells: BTreeMap<(u32, u32), Cell>,
}

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text, in NFC, without characters that nobody sees and without spaces at its ends.
    Text(String),
    /// A number.
    Number(f64),
    /// A date or a time, as the spreadsheet shows it.
    Date(String),
    /// True or false.
    Flag(bool),
    /// A formula that could not be computed, with what the spreadsheet shows instead.
    Error(String),
    /// A formula that nobody has computed yet.
    Uncomputed,
}

/// Where a cell stands: which sheet, row and column; the sheet from 0, the others from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) sheet: usize,
    pub(super) row: u32,
    pub(super) column: u32,
}

impl Cell {
    /// A text as people mean it; none when there is nothing in it.
    #[must_use]
    pub fn text(written: &str) -> Option<Self> {
        let text = clean(written);
        const ERRORS: [&str; 8] =
            ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!", "#SPILL!"];
        match text.as_str() {
            "" => None,
            error if ERRORS.contains(&error) => Some(Self::Error(text)),
            _ => Some(Self::Text(text)),
        }
    }

    /// What people see in it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Text(text) | Self::Date(text) | Self::Error(text) => text.clone(),
            Self::Number(number) => plain_number(*number),
            Self::Flag(true) => "TRUE".to_owned(),
            Self::Flag(false) => "FALSE".to_owned(),
            Self::Uncomputed => "=…".to_owned(),
        }
    }
}

/// A number without an exponent, and without a point where there is nothing behind it.
fn plain_number(number: f64) -> String {
    format!("{number}")
}

/// A text in NFC, every run of spaces and line ends one space, nothing unseen.
fn clean(written: &str) -> String {
    let visible = written.nfc().map(|c| if c.is_whitespace() { ' ' } else { c });
    let visible: String = visible.filter(|c| *c == ' ' || !is_unseen(*c)).collect();
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl Sheet {
    /// The cell at a place.
    pub(super) fn cell(&self, row: u32, column: u32) -> Option<&Cell> {
        self.cells.get(&(row, column))
    }

    /// The cells of a row, from left to right.
    pub(super) fn row(&self, row: u32) -> impl Iterator<Item = (u32, &Cell)> {
        self.cells.range((row, 0)..=(row, u32::MAX)).map(|((_, column), cell)| (*column, cell))
    }

    /// The rows that hold something.
    pub(super) fn rows(&self) -> Vec<u32> {
        let mut rows: Vec<u32> = self.cells.keys().map(|(row, _)| *row).collect();
        rows.dedup();
        rows
    }
}

impl Book {
    /// How people call the place of a cell.
    pub(super) fn place(&self, at: At) -> CellPlace {
        let sheet = self.sheets.get(at.sheet).and_then(|sheet| sheet.name.clone());
        CellPlace { sheet, row: at.row, column: at.column }
    }

    /// What is wrong with a cell.
    pub(super) fn fault(&self, at: At, reason: String, hint: Option<String>) -> Diagnostic {
        let mut excerpt = String::new();
        let (mut column, mut width) = (1, 0);
        for (n, cell) in self.sheets.get(at.sheet).into_iter().flat_map(|sheet| sheet.row(at.row)) {
            if !excerpt.is_empty() {
                excerpt.push_str(" | ");
            }
            let shown: String = cell.shown().chars().take(SHOWN).collect();
            if n <= at.column {
                column = excerpt.chars().count() + 1;
                width = if n == at.column { shown.chars().count() } else { 0 };
                if n < at.column {
                    // The cell itself is empty: it is pointed at behind what stands before it.
                    column += shown.chars().count();
                }
            }
            excerpt.push_str(&shown);
        }
        let short = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Diagnostic {
            file: self.file.clone(),
            cell: Some(self.place(at)),
            line: at.row,
            column: short(column),
            width: short(width),
            excerpt,
            reason,
            hint,
            other: None,
        }
    }

    /// The same, as an error to hand on.
    pub(super) fn wrong(&self, at: At, reason: String, hint: Option<String>) -> Box<Diagnostic> {
        Box::new(self.fault(at, reason, hint))
    }

    /// What is wrong with the file as a whole.
    pub(super) fn whole(&self, reason: String, hint: Option<String>) -> Diagnostic {
        Diagnostic {
            file: self.file.clone(),
            cell: None,
            line: 1,
            column: 1,
            width: 0,
            excerpt: String::new(),
            reason,
            hint,
            other: None,
        }
    }
}
