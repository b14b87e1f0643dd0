//! The rows of a spreadsheet, read: what each says of one site, and what is wrong with it.

use std::collections::BTreeMap;

use super::book::{At, Book, Cell};
use super::heading::{self, Headings, Meaning};
use super::{counted, value};
use crate::config::diagnostic::{Diagnostic, column_letters};
use crate::config::hint::slug;

/// A value and the cell that it comes from.
#[derive(Debug, Clone)]
pub(super) struct Got<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// What one row says.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// Its first cell that is read.
    pub(super) at: At,
    pub(super) id: Option<Got<String>>,
    pub(super) code: Option<Got<String>>,
    pub(super) name: Option<Got<String>>,
    pub(super) parent: Option<Got<String>>,
    pub(super) level: Option<Got<String>>,
    pub(super) class: Option<Got<String>>,
    /// By endpoint; the one without a name stands under none.
    pub(super) addresses: BTreeMap<Option<String>, Got<String>>,
    pub(super) contact: Option<Got<String>>,
    pub(super) phone: Option<Got<String>>,
    pub(super) email: Option<Got<String>>,
    pub(super) labels: BTreeMap<String, Got<String>>,
    pub(super) delegates: Option<Got<u32>>,
    pub(super) takes_part: Option<Got<bool>>,
    /// Whether something in it could not be read.
    pub(super) sound: bool,
}

impl Row {
    fn new(at: At) -> Self {
        Self {
            at,
            id: None,
            code: None,
            name: None,
            parent: None,
            level: None,
            class: None,
            addresses: BTreeMap::new(),
            contact: None,
            phone: None,
            email: None,
            labels: BTreeMap::new(),
            delegates: None,
            takes_part: None,
            sound: true,
        }
    }

    /// The cell that names its site.
    pub(super) fn named_at(&self) -> At {
        let named = self.name.as_ref().or(self.id.as_ref()).or(self.code.as_ref());
        named.map_or(self.at, |got| got.at)
    }

    /// What its site is called here.
    pub(super) fn called(&self) -> &str {
        let named = self.name.as_ref().or(self.id.as_ref()).or(self.code.as_ref());
        named.map_or("", |got| &got.value)
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<Diagnostic>,
    /// How it was read, for people to see whether that is what they meant.
    pub(super) notes: Vec<String>,
    /// What the columns of all sheets hold.
    pub(super) columns: Vec<Meaning>,
}

/// What the columns of a sheet may be about besides what every site has.
pub(super) struct Known<'a> {
    pub(super) endpoints: Vec<&'a str>,
    pub(super) labels: Vec<&'a str>,
    /// Whether a name alone on a row can be the heading of the sites that follow.
    pub(super) is_parent: &'a dyn Fn(&str) -> bool,
}

/// Reads every sheet that has headings.
pub(super) fn read(book: &Book, known: &Known<'_>) -> Rows {
    let mut read = Rows::default();
    let mut without = Vec::new();
    for (nth, sheet) in book.sheets.iter().enumerate() {
        if sheet.cells.is_empty() {
            continue;
        }
        match heading::find(sheet, &known.endpoints, &known.labels) {
            Some(headings) => read.sheet(book, nth, &headings, known),
            None => without.push(nth),
        }
    }
    if read.notes.is_empty() {
        let at = At { sheet: without.first().copied().unwrap_or_default(), row: 1, column: 1 };
        let reason = "no row with headings: one needs a column for the site, such as `Tên điểm \
                      cầu` or `Name`, and one for something about it";
        let hint = "known are, in Vietnamese or English: id, mã, tên, trực thuộc, cấp, loại, IP \
                    router, IP codec, liên hệ, điện thoại, email, nhà mạng, nguồn điện, số đại biểu";
        read.faults.push(book.fault(at, reason.to_owned(), Some(hint.to_owned())));
    } else {
        for nth in without {
            let name = book.sheets[nth].name.as_deref().unwrap_or_default();
            read.notes.push(format!("sheet `{name}` has no headings and was not read"));
        }
    }
    read
}

/// What stands alone in the first text of a line below a list.
const BELOW: &[&str] = &["tong", "cong", "total", "sum"];
/// What the first text of such a line begins with.
const BELOW_BEGINS: &[&str] = &[
    "tong-cong",
    "tong-so",
    "nguoi-lap",
    "nguoi-tong-hop",
    "thu-truong",
    "noi-nhan",
    "ghi-chu",
    "luu-y",
    "total",
    "kt",
    "tm",
];

impl Rows {
    fn sheet(&mut self, book: &Book, nth: usize, headings: &Headings, known: &Known<'_>) {
        let sheet = &book.sheets[nth];
        self.note_headings(book, nth, headings);
        for (column, first, meaning) in &headings.twice {
            if matches!(meaning, Meaning::Phone | Meaning::Contact | Meaning::Email) {
                continue;
            }
            let at = At { sheet: nth, row: headings.row, column: *column };
            let reason = format!(
                "two columns for the {} of a site: this one and column {}",
                meaning.word(),
                column_letters(*first)
            );
            let hint = "rename or delete one of them".to_owned();
            self.faults.push(book.fault(at, reason, Some(hint)));
        }
        let has = |wanted: &Meaning| headings.columns.values().any(|meaning| meaning == wanted);
        let (has_parents, mut group) = (has(&Meaning::Parent), None);
        let (mut passed_over, mut count) = (0, 0);
        for row in sheet.rows().into_iter().filter(|row| *row > headings.row) {
            let mut first = None;
            let read = headings.columns.iter().filter_map(|(column, meaning)| {
                let cell = sheet.cell(row, *column)?;
                first.get_or_insert(*column);
                Some((At { sheet: nth, row, column: *column }, meaning, cell))
            });
            let cells: Vec<(At, &Meaning, &Cell)> = read.collect();
            let Some(first) = first else {
                passed_over += 1;
                continue;
            };
            // What a merged cell says of rows that say nothing themselves.
            if cells.iter().all(|(_, meaning, _)| **meaning == Meaning::Parent) {
                passed_over += 1;
                continue;
            }
            if is_below(sheet.row(row).map(|(_, cell)| cell)) || numbers_columns(&cells) {
                passed_over += 1;
                continue;
            }
            let at = At { sheet: nth, row, column: first };
            // A row that holds one thing, perhaps merged over all columns, heads those that follow.
            let alone = alone(&cells);
            if let Some(name) = alone.filter(|name| (known.is_parent)(name))
                && !has_parents
                && cells.iter().all(|(_, meaning, _)| !matches!(meaning, Meaning::Parent))
            {
                let named = cells.iter().find(|(_, meaning, _)| **meaning == Meaning::Name);
                let at = named.map_or(at, |(at, ..)| *at);
                group = Some(Got { value: name.to_owned(), at });
                passed_over += 1;
                continue;
            }
            let mut read = self.row(book, at, &cells);
            if read.name.is_none() && read.id.is_none() && read.code.is_none() {
                if read.sound {
                    let reason = "a row that names no site".to_owned();
                    let hint = "give it a name, an id or a code, or empty it".to_owned();
                    let named = headings.columns.iter().find(|(_, m)| **m == Meaning::Name);
                    let column = named.map_or(at.column, |(column, _)| *column);
                    self.faults.push(book.fault(At { column, ..at }, reason, Some(hint)));
                }
                continue;
            }
            if read.parent.is_none() {
                read.parent.clone_from(&group);
            }
            count += 1;
            self.rows.push(read);
        }
        let place = sheet.name.as_ref().map_or(String::new(), |name| format!("sheet `{name}`: "));
        let mut note = format!("{place}{} with sites", counted(count, "row"));
        if passed_over > 0 {
            note += &format!(", {} passed over", counted(passed_over, "other row"));
        }
        self.notes.push(note);
        self.columns.extend(headings.columns.values().cloned());
    }

    fn note_headings(&mut self, book: &Book, nth: usize, headings: &Headings) {
        let place = book.sheets[nth].name.as_ref();
        let place = place.map_or(String::new(), |name| format!("sheet `{name}`: "));
        let read: Vec<String> = headings
            .columns
            .iter()
            .map(|(column, meaning)| format!("{} {}", column_letters(*column), meaning.word()))
            .collect();
        let mut note = format!("{place}headings in row {}: {}", headings.row, read.join(", "));
        let twice = headings.twice.iter().map(|(column, ..)| *column);
        let unread: Vec<String> = headings
            .unread
            .iter()
            .map(|(column, text)| {
                format!("{} {}", column_letters(*column), text.chars().take(30).collect::<String>())
            })
            .chain(twice.map(column_letters))
            .collect();
        if !unread.is_empty() {
            note += &format!("; not read: {}", unread.join(", "));
        }
        self.notes.push(note);
    }

    fn row(&mut self, book: &Book, at: At, cells: &[(At, &Meaning, &Cell)]) -> Row {
        let mut row = Row::new(at);
        for (at, meaning, cell) in cells {
            let blank = matches!(cell, Cell::Text(text) if value::is_blank(text));
            if blank && **meaning != Meaning::TakesPart {
                continue;
            }
            if let Err((reason, hint)) = row.take(*at, meaning, cell) {
                row.sound = false;
                self.faults.push(book.fault(*at, reason, hint));
            }
        }
        row
    }
}

impl Row {
    fn take(&mut self, at: At, meaning: &Meaning, cell: &Cell) -> Result<(), value::Wrong> {
        fn got<T>(value: T, at: At) -> Got<T> {
            Got { value, at }
        }
        match meaning {
            Meaning::Id => self.id = Some(got(value::text(cell)?, at)),
            Meaning::Code => self.code = Some(got(code(cell)?, at)),
            Meaning::Name => self.name = Some(got(name(cell)?, at)),
            Meaning::Parent => self.parent = Some(got(name(cell)?, at)),
            Meaning::Level => self.level = Some(got(value::text(cell)?, at)),
            Meaning::Class => self.class = Some(got(value::text(cell)?, at)),
            Meaning::Endpoint(id) => {
                self.addresses.insert(Some(id.clone()), got(value::address(cell)?, at));
            }
            Meaning::Address => {
                self.addresses.insert(None, got(value::address(cell)?, at));
            }
            Meaning::Contact => self.contact = Some(got(bounded(cell, 120)?, at)),
            Meaning::Phone => self.phone = Some(got(value::phone(cell)?, at)),
            Meaning::Email => self.email = Some(got(value::email(cell)?, at)),
            Meaning::Label(label) => {
                self.labels.insert(label.clone(), got(bounded(cell, 64)?, at));
            }
            Meaning::Delegates => self.delegates = Some(got(value::delegates(cell)?, at)),
            Meaning::TakesPart => self.takes_part = Some(got(value::takes_part(cell)?, at)),
        }
        Ok(())
    }
}

/// A text of a bounded length.
fn bounded(cell: &Cell, longest: usize) -> Result<String, value::Wrong> {
    let text = value::text(cell)?;
    let length = text.chars().count();
    if length > longest {
        return Err((format!("{length} characters, at most {longest} are allowed"), None));
    }
    Ok(text)
}

/// The name of a place.
fn name(cell: &Cell) -> Result<String, value::Wrong> {
    match cell {
        Cell::Number(_) | Cell::Date(_) | Cell::Flag(_) => {
            Err((format!("`{}` where a name should be", cell.shown()), None))
        }
        cell => {
            let name = bounded(cell, 120)?;
            match name.chars().find(|c| "?�¿".contains(*c)) {
                // What a program writes for letters that its encoding does not have.
                Some(c) => Err((
                    format!("`{c}` within a name: letters were lost when the file was saved"),
                    Some("save it as `CSV UTF-8` or as XLSX".to_owned()),
                )),
                None => Ok(name),
            }
        }
    }
}

/// An official code: digits, as a text or as a number that lost its zeros.
fn code(cell: &Cell) -> Result<String, value::Wrong> {
    let text = value::text(cell)?;
    let good = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if good { Ok(text) } else { Err((format!("`{text}` is no code of a unit: digits only"), None)) }
}

/// Whether a row stands below the list: a sum, a place for signatures.
fn is_below<'a>(cells: impl Iterator<Item = &'a Cell>) -> bool {
    let mut texts = cells.filter_map(|cell| match cell {
        Cell::Text(text) => Some(slug(text)),
        _ => None,
    });
    texts.next().is_some_and(|first| {
        let begins = |word: &&str| first == **word || first.starts_with(&format!("{word}-"));
        BELOW.contains(&first.as_str()) || BELOW_BEGINS.iter().any(begins)
    })
}

/// Whether a row only numbers the columns, as official forms do: (1), (2), (3).
fn numbers_columns(cells: &[(At, &Meaning, &Cell)]) -> bool {
    let number = |cell: &Cell| {
        let shown = cell.shown();
        shown.trim_matches(['(', ')']).parse::<u32>().ok().filter(|n| *n < 100)
    };
    let numbers: Vec<Option<u32>> = cells.iter().map(|(.., cell)| number(cell)).collect();
    numbers.len() > 1
        && numbers.iter().all(Option::is_some)
        && numbers.windows(2).all(|pair| pair[0] < pair[1])
}

/// The one text of a row, if all that it holds is one.
fn alone<'a>(cells: &[(At, &Meaning, &'a Cell)]) -> Option<&'a str> {
    let mut texts = cells.iter().map(|(.., cell)| match cell {
        Cell::Text(text) => Some(text.as_str()),
        _ => None,
    });
    let first = texts.next()??;
    texts.all(|text| text == Some(first)).then_some(first)
}
