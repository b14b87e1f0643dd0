//! Bytes of a spreadsheet → a [`Book`]: XLSX, or CSV in whatever encoding and with whatever
//! separator a program wrote it.
//!
//! The bytes come from strangers. An XLSX file is a ZIP archive of XML: every part is unpacked once
//! with a limit before anything reads it, because the sizes an archive states may be lies; cells
//! are read one after the other, since a file of a kilobyte may name two cells that lie a billion
//! apart.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, copy, sink};

use calamine::{DataRef, Dimensions, Reader, SheetType, SheetVisible, Xlsx};
use encoding_rs::{Encoding, UTF_16BE, UTF_16LE, WINDOWS_1258};

use super::book::{Book, Cell, Sheet};
use crate::config::diagnostic::{Diagnostic, Diagnostics, counted};
use crate::config::source::line_ends;

/// Largest file that is read, in bytes.
pub const LARGEST: usize = 16 << 20;
/// Most that the parts of an archive may unpack to, in bytes.
const UNPACKED: u64 = 64 << 20;
/// Most parts of an archive and most sheets of a file.
const PARTS: usize = 1_000;
/// Most cells of a file: ten thousand sites with twenty columns.
const CELLS: usize = 200_000;
/// Last row and last column that are read.
const LAST: (u32, u32) = (100_000, 500);
/// Longest text in one cell, in characters.
const LONGEST: usize = 1_000;

/// Reads a spreadsheet.
///
/// # Errors
/// When it is no spreadsheet that can be read, or larger than anybody's list of sites.
pub fn open(file: &str, bytes: &[u8]) -> Result<Book, Diagnostics> {
    let mut book = Book { file: file.to_owned(), ..Book::default() };
    let read = match kind(bytes) {
        _ if bytes.len() > LARGEST => {
            Err(fault("the file is larger than 16 MiB", "save only the sheets with sites"))
        }
        Format::Archive => xlsx(&mut book, bytes),
        Format::Compound => Err(fault(
            "an old Excel file (.xls), or one with a password",
            "save it as `Excel Workbook (*.xlsx)` without a password",
        )),
        Format::Text => csv(&mut book, bytes),
    };
    match read {
        Ok(()) if book.sheets.iter().any(|sheet| !sheet.cells.is_empty()) => Ok(book),
        Ok(()) => Err(one(book.whole("there is nothing in it".to_owned(), None))),
        Err((reason, hint)) => Err(one(book.whole(reason, hint))),
    }
}

/// Why a file is refused, and what to do.
type Fault = (String, Option<String>);

fn fault(reason: &str, hint: &str) -> Fault {
    (reason.to_owned(), Some(hint.to_owned()))
}

fn one(diagnostic: Diagnostic) -> Diagnostics {
    Diagnostics { list: vec![diagnostic], more: 0 }
}

enum Format {
    /// ZIP: XLSX, ODS and much else.
    Archive,
    /// The compound file of old Excel files and of encrypted new ones.
    Compound,
    Text,
}

fn kind(bytes: &[u8]) -> Format {
    if bytes.starts_with(b"PK") {
        Format::Archive
    } else if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        Format::Compound
    } else {
        Format::Text
    }
}

fn xlsx(book: &mut Book, bytes: &[u8]) -> Result<(), Fault> {
    let broken = |error: &dyn std::fmt::Display| {
        (format!("this is no XLSX file, or a damaged one: {error}"), None)
    };
    unpack_once(bytes)?;
    let mut xlsx = Xlsx::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    let mut cells = 0;
    for sheet in xlsx.sheets_metadata().to_vec() {
        if sheet.typ != SheetType::WorkSheet {
            continue;
        }
        if sheet.visible != SheetVisible::Visible {
            book.notes.push(format!("sheet `{}` is hidden and was not read", sheet.name));
            continue;
        }
        let merged = xlsx.merge_cells_by_sheet_name(&sheet.name).map_err(|error| broken(&error))?;
        let mut read = Sheet { name: Some(sheet.name.clone()), cells: BTreeMap::new() };
        let mut reader =
            xlsx.worksheet_cells_reader(&sheet.name).map_err(|error| broken(&error))?;
        while let Some(record) =
            reader.next_cell_with_formula_metadata().map_err(|error| broken(&error))?
        {
            let (row, column) = (record.pos.0.saturating_add(1), record.pos.1.saturating_add(1));
            let cell = cell(&record.value)
                .or_else(|| record.formula.is_some().then_some(Cell::Uncomputed));
            let Some(cell) = cell else { continue };
            cells += 1;
            bounded(row, column, cells, &cell)?;
            read.cells.insert((row, column), cell);
        }
        cells += spread(&mut read.cells, &merged, cells)?;
        book.sheets.push(read);
    }
    Ok(())
}

/// Unpacks every part that will be read, with a limit, and throws it away.
fn unpack_once(bytes: &[u8]) -> Result<(), Fault> {
    let broken = |error: zip::result::ZipError| {
        (format!("this is no XLSX file, or a damaged one: {error}"), None)
    };
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(broken)?;
    if archive.len() > PARTS {
        return Err((format!("an archive of {}", counted(archive.len(), "part")), None));
    }
    let mut left = UNPACKED;
    let mut is_workbook = false;
    for at in 0..archive.len() {
        let part = archive.by_index(at).map_err(broken)?;
        let name = part.name().map_err(broken)?.to_ascii_lowercase();
        is_workbook |= name.ends_with("workbook.xml");
        if !(name.ends_with(".xml") || name.ends_with(".rels")) {
            continue;
        }
        let unpacked = copy(&mut part.take(left + 1), &mut sink());
        let unpacked = unpacked.map_err(|error| broken(error.into()))?;
        left = left.checked_sub(unpacked).ok_or_else(|| {
            fault("it unpacks to more than 64 MiB", "save only the sheets with sites")
        })?;
    }
    if !is_workbook {
        let hint = "save it as `Excel Workbook (*.xlsx)` or as CSV";
        return Err(fault("an archive, but no XLSX file", hint));
    }
    Ok(())
}

fn cell(value: &DataRef<'_>) -> Option<Cell> {
    match value {
        DataRef::Empty => None,
        DataRef::Int(number) => i32::try_from(*number)
            .map(|number| Cell::Number(number.into()))
            .ok()
            .or_else(|| Cell::text(&number.to_string())),
        DataRef::Float(number) => Some(Cell::Number(*number)),
        DataRef::String(text) => Cell::text(text),
        DataRef::SharedString(text) => Cell::text(text),
        DataRef::Bool(flag) => Some(Cell::Flag(*flag)),
        DataRef::DateTime(moment) => {
            let (year, month, day, hour, minute, ..) = moment.to_ymd_hms_milli();
            Some(Cell::Date(format!("{day}/{month}/{year} {hour}:{minute:02}")))
        }
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Some(Cell::Date(text.clone())),
        DataRef::Error(error) => Some(Cell::Error(error.to_string())),
    }
}

fn bounded(row: u32, column: u32, cells: usize, cell: &Cell) -> Result<(), Fault> {
    if row > LAST.0 || column > LAST.1 {
        let reason = format!("something stands in row {row}, column {column}, far from any list");
        return Err((reason, Some("delete the rows and columns behind the list".to_owned())));
    }
    if cells > CELLS {
        return Err(fault(
            &format!("more than {CELLS} cells"),
            "delete the sheets that are no list of sites",
        ));
    }
    if let Cell::Text(text) = cell
        && text.chars().count() > LONGEST
    {
        return Err(fault(
            &format!("the cell in row {row}, column {column} has more than {LONGEST} characters"),
            "a quote that is not closed?",
        ));
    }
    Ok(())
}

/// Puts what merged cells hold at every place that they cover; gives how many cells that made.
fn spread(
    cells: &mut BTreeMap<(u32, u32), Cell>,
    merged: &[Dimensions],
    before: usize,
) -> Result<usize, Fault> {
    let mut made = 0;
    for region in merged {
        let first = (region.start.0.saturating_add(1), region.start.1.saturating_add(1));
        let last = (region.end.0.saturating_add(1), region.end.1.saturating_add(1));
        let Some(cell) = cells.get(&first).cloned() else { continue };
        for row in first.0..=last.0.min(LAST.0) {
            for column in first.1..=last.1.min(LAST.1) {
                made += 1;
                bounded(row, column, before + made, &cell)?;
                cells.insert((row, column), cell.clone());
            }
        }
    }
    Ok(made)
}

fn csv(book: &mut Book, bytes: &[u8]) -> Result<(), Fault> {
    let (text, note) = decode(bytes)?;
    book.notes.extend(note);
    // Excel takes a first line `sep=;` for an instruction and shows it to nobody.
    let told = text.get(..5).filter(|head| head.to_ascii_lowercase().starts_with("sep="));
    let told = told.and_then(|head| head.as_bytes().get(4).copied());
    let separator = told.unwrap_or_else(|| separator(&text));
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut sheet = Sheet::default();
    let mut cells = 0;
    let mut record = csv::StringRecord::new();
    // The line that each record begins on; lines that stand within quotes do not count as rows.
    let (mut at, mut lines, mut within) = (0, 0, 0);
    while reader.read_record(&mut record).map_err(|error| (error.to_string(), None))? {
        let before = record.position().map_or(0, csv::Position::byte);
        let before = usize::try_from(before).unwrap_or(usize::MAX).min(text.len());
        // Blank lines are passed over without a word.
        let blank = text.as_bytes()[before..].iter().take_while(|b| b"\r\n".contains(b)).count();
        lines += line_ends(&text.as_bytes()[at..before + blank]).count();
        at = before + blank;
        let row = u32::try_from(lines + 1 - within).unwrap_or(u32::MAX);
        within += record.iter().map(|field| line_ends(field.as_bytes()).count()).sum::<usize>();
        if told.is_some() && row == 1 {
            continue;
        }
        for (column, field) in (1..).zip(record.iter()) {
            let Some(cell) = Cell::text(field) else { continue };
            cells += 1;
            bounded(row, column, cells, &cell)?;
            sheet.cells.insert((row, column), cell);
        }
    }
    book.sheets.push(sheet);
    Ok(())
}

/// The text of a CSV file, and what people should know about how it was read.
///
/// 1. A byte order mark says what it is.
/// 2. Without one, zero bytes at every other place are UTF-16, which Excel calls "Unicode Text".
/// 3. What is UTF-8 is UTF-8; what is not is what Windows in Vietnamese writes.
fn decode(bytes: &[u8]) -> Result<(String, Option<String>), Fault> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return decode_as(encoding, &bytes[mark..]).map(|text| (text, None));
    }
    let head = &bytes[..bytes.len().min(400)];
    let zeros = |at: usize| head.iter().skip(at).step_by(2).filter(|byte| **byte == 0).count();
    if zeros(0) + zeros(1) > head.len() / 8 {
        let encoding = if zeros(1) > zeros(0) { UTF_16LE } else { UTF_16BE };
        return decode_as(encoding, bytes).map(|text| (text, None));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if text.contains('\0') {
            return Err(fault("this is neither an XLSX file nor text", "save it as XLSX or CSV"));
        }
        return Ok((text.to_owned(), None));
    }
    let note = "the file is not UTF-8; it was read as Windows-1258, so look at the names";
    Ok((decode_as(WINDOWS_1258, bytes)?, Some(note.to_owned())))
}

fn decode_as(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, Fault> {
    let hint = "save it as `CSV UTF-8` or as XLSX";
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        // Old Vietnamese fonts used the places of control characters for letters.
        Some(text) if !text.contains(|c: char| c.is_control() && !"\r\n\t".contains(c)) => {
            Ok(text.into_owned())
        }
        _ if encoding == WINDOWS_1258 => Err(fault(
            "the file is neither UTF-8 nor Windows-1258; perhaps TCVN3 or VNI",
            "convert its fonts to Unicode, then save it as `CSV UTF-8` or as XLSX",
        )),
        _ => Err(fault(&format!("this is not {}", encoding.name()), hint)),
    }
}

/// What separates the fields: what splits most lines, and most of them into the same number.
fn separator(text: &str) -> u8 {
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).take(50).collect();
    let score = |separator: &u8| {
        let counts = lines.iter().map(|line| {
            let mut quoted = false;
            let outside = line.bytes().filter(|byte| {
                quoted ^= *byte == b'"';
                !quoted && byte == separator
            });
            outside.count()
        });
        let mut by_count: BTreeMap<usize, usize> = BTreeMap::new();
        for count in counts.filter(|count| *count > 0) {
            *by_count.entry(count).or_default() += 1;
        }
        by_count.iter().map(|(count, lines)| lines * count.min(&3)).max().unwrap_or_default()
    };
    // Of several that do as well the first, so that one column of plain text is one column.
    let mut best = (0, b',');
    for separator in [b';', b'\t', b',', b'|'] {
        let score = score(&separator);
        if score > best.0 {
            best = (score, separator);
        }
    }
    best.1
}
