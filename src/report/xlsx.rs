//! The report as a workbook: a sheet with the summary, one with all sites, one with all incidents,
//! one with the earlier sessions. Figures are figures and times are times, so that people can sort
//! and add up.

use std::time::Duration;

use jiff::Timestamp;
use rust_xlsxwriter::{
    Color, DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError,
};

use super::words::Words;
use super::{Outage, Report, Style, cut};
use crate::texts;

/// The formats of cells.
struct Formats {
    title: Format,
    head: Format,
    text: Format,
    count: Format,
    share: Format,
    lasting: Format,
    moment: Format,
    figure: Format,
}

impl Formats {
    fn new() -> Self {
        let plain = Format::new().set_align(FormatAlign::Top);
        let with = |pattern: &str| plain.clone().set_num_format(pattern);
        Self {
            title: Format::new().set_bold().set_font_size(14.0),
            head: Format::new()
                .set_bold()
                .set_text_wrap()
                .set_align(FormatAlign::Top)
                .set_background_color(Color::RGB(0xE8_ED_F3)),
            text: plain.clone().set_text_wrap(),
            count: with("#,##0"),
            share: with("0.00%"),
            // Hours go on beyond a day.
            lasting: with("[h]:mm:ss"),
            moment: with("hh:mm:ss dd/mm/yyyy"),
            figure: with("0.00"),
        }
    }
}

/// One cell.
enum Cell {
    Text(String),
    Count(u64),
    Share(Option<f64>),
    Lasting(Option<Duration>),
    Moment(Option<Timestamp>),
    Figure(Option<f64>),
}

/// Puts the workbook together.
pub(super) fn workbook(report: &Report, style: &Style) -> Result<Vec<u8>, XlsxError> {
    let words = Words::of(style);
    let formats = Formats::new();
    let mut book = Workbook::new();
    // The same history gives the same bytes.
    let made = words.local(report.as_of);
    let properties = DocProperties::new().set_title(&report.title);
    book.set_properties(&match excel_time(made) {
        Some(made) => properties.set_creation_datetime(&made),
        None => properties,
    });
    summary(book.add_worksheet(), report, words, &formats)?;
    sites(book.add_worksheet(), report, words, &formats)?;
    incidents(book.add_worksheet(), report, style, &formats)?;
    earlier(book.add_worksheet(), report, words, &formats)?;
    book.save_to_buffer()
}

fn summary(
    sheet: &mut Worksheet,
    report: &Report,
    words: Words<'_>,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(words.pick("Tóm tắt", "Summary"))?;
    sheet.set_column_width(0, 44)?.set_column_width(1, 60)?;
    sheet.write_string_with_format(0, 0, &report.title, &formats.title)?;
    let totals = &report.totals;
    let rows = [
        (words.pick("Thời gian", "Time"), Cell::Text(words.span(report.start, report.end))),
        (words.pick("Tóm tắt", "Summary"), Cell::Text(words.summary(report))),
        (words.pick("Điểm cầu", "Sites"), Cell::Count(totals.sites as u64)),
        (words.pick("Đại biểu", "Delegates"), Cell::Count(totals.delegates)),
        (
            words.pick("Kết nối tốt suốt phiên", "Connected well throughout"),
            Cell::Count(totals.well as u64),
        ),
        (words.pick("Có lúc chất lượng kém", "Bad at times"), Cell::Count(totals.degraded as u64)),
        (words.pick("Bị gián đoạn", "Interrupted"), Cell::Count(totals.interrupted as u64)),
        (words.pick("Không có số liệu", "Not seen"), Cell::Count(totals.unseen as u64)),
        (
            words.pick("Tổng thời gian gián đoạn", "Time lost, summed over sites"),
            Cell::Lasting(Some(totals.lost)),
        ),
        (words.pick("Mức sẵn sàng chung", "Availability"), Cell::Share(totals.availability())),
        (
            words.pick("Đại biểu ở điểm cầu bị gián đoạn", "Delegates at interrupted sites"),
            Cell::Count(totals.delegates_interrupted),
        ),
        (words.pick("Sự cố", "Incidents"), Cell::Count(report.incidents.len() as u64)),
    ];
    let mut line = 2;
    for (name, cell) in rows {
        sheet.write_string_with_format(line, 0, name, &formats.head)?;
        put(sheet, line, 1, cell, words, formats)?;
        line += 1;
    }
    line += 1;
    sheet.write_string_with_format(
        line,
        0,
        words.pick("Không được tính", "Not counted"),
        &formats.head,
    )?;
    for exclusion in &report.exclusions {
        let says = Cell::Text(words.exclusion(report, exclusion));
        put(sheet, line, 1, says, words, formats)?;
        line += 1;
    }
    Ok(())
}

fn sites(
    sheet: &mut Worksheet,
    report: &Report,
    words: Words<'_>,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(words.pick("Điểm cầu", "Sites"))?;
    let heads = [
        (words.pick("Điểm cầu", "Site"), 34),
        (words.pick("Khu vực", "Group"), 24),
        (words.pick("Đại biểu", "Delegates"), 9),
        (words.pick("Mức sẵn sàng", "Availability"), 10),
        (words.pick("Gián đoạn", "Interrupted"), 11),
        (words.pick("Số lần", "Times"), 7),
        (words.pick("Dài nhất", "Longest"), 10),
        (words.pick("Chất lượng kém", "Bad quality"), 11),
        (words.pick("Không quan sát được", "Not seen"), 11),
        (words.pick("Bảo trì", "Planned work"), 10),
        (words.pick("Không tham gia", "Absent"), 10),
        (words.pick("Mất gói khi còn kết nối", "Loss while connected"), 11),
        (words.pick("Độ trễ trung vị (ms)", "Round trip median (ms)"), 10),
        (words.pick("Độ trễ p95 (ms)", "Round trip p95 (ms)"), 10),
        (words.pick("Jitter trung vị (ms)", "Jitter median (ms)"), 10),
        (words.pick("Jitter p95 (ms)", "Jitter p95 (ms)"), 10),
        (words.pick("MOS trung vị", "MOS median"), 9),
        (words.pick("MOS p5", "MOS p5"), 9),
        (words.pick("Gián đoạn ở các phiên trước", "Interrupted in earlier sessions"), 14),
    ];
    headings(sheet, &heads, formats)?;
    for (line, site) in (1..).zip(&report.sites) {
        let path = site.path.unwrap_or_default();
        let first = |pair: Option<(f64, f64)>| Cell::Figure(pair.map(|pair| pair.0));
        let second = |pair: Option<(f64, f64)>| Cell::Figure(pair.map(|pair| pair.1));
        let group = report.groups.get(site.group).map_or("", |group| words.group(&group.name));
        let cells = [
            Cell::Text(site.name.clone()),
            Cell::Text(group.to_owned()),
            Cell::Count(u64::from(site.delegates)),
            Cell::Share(site.time.availability()),
            Cell::Lasting(Some(site.time.down)),
            Cell::Count(site.outages.len() as u64),
            Cell::Lasting(site.outages.iter().map(Outage::lasted).max()),
            Cell::Lasting(Some(site.time.degraded)),
            Cell::Lasting(Some(site.time.unseen + site.time.unwatched)),
            Cell::Lasting(Some(site.time.planned)),
            Cell::Lasting(Some(site.time.absent)),
            Cell::Share(path.loss()),
            first(path.rtt_ms),
            second(path.rtt_ms),
            first(path.jitter_ms),
            second(path.jitter_ms),
            first(path.mos),
            second(path.mos),
            Cell::Text(format!("{}/{}", site.earlier.0, site.earlier.1)),
        ];
        for (column, cell) in (0..).zip(cells) {
            put(sheet, line, column, cell, words, formats)?;
        }
    }
    filtered(sheet, report.sites.len(), heads.len())
}

fn incidents(
    sheet: &mut Worksheet,
    report: &Report,
    style: &Style,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let words = Words::of(style);
    sheet.set_name(words.pick("Sự cố", "Incidents"))?;
    let heads = [
        (words.pick("Sự cố", "Incident"), 44),
        (words.pick("Nguyên nhân có khả năng nhất", "Most likely cause"), 44),
        (words.pick("Mức độ", "Severity"), 13),
        (words.pick("Bắt đầu", "Began"), 20),
        (words.pick("Kết thúc", "Over"), 20),
        (words.pick("Phát hiện sau", "Detected after"), 11),
        (words.pick("Tiếp nhận sau", "Taken on after"), 11),
        (words.pick("Người tiếp nhận", "Taken on by"), 20),
        (words.pick("Khôi phục sau", "Repaired after"), 11),
        (words.pick("Điểm cầu", "Sites"), 9),
        (words.pick("Đại biểu", "Delegates"), 10),
        (words.pick("Gián đoạn tổng cộng", "Interrupted in all"), 12),
    ];
    headings(sheet, &heads, formats)?;
    for (line, it) in (1..).zip(&report.incidents) {
        let account = texts::account(&it.alert, style);
        let cells = [
            Cell::Text(format!("{} {}", account.subject, account.fault)),
            Cell::Text(account.likely),
            Cell::Text(words.severity(it.severity).to_owned()),
            Cell::Moment(Some(it.began)),
            Cell::Moment(it.ended),
            Cell::Lasting(Some(it.detected_after)),
            Cell::Lasting(it.acked_after.as_ref().map(|(after, _)| *after)),
            Cell::Text(it.acked_after.as_ref().map(|(_, by)| by.clone()).unwrap_or_default()),
            Cell::Lasting(it.repaired_after),
            Cell::Count(it.sites.len() as u64),
            Cell::Count(it.delegates),
            Cell::Lasting(Some(it.lost)),
        ];
        for (column, cell) in (0..).zip(cells) {
            put(sheet, line, column, cell, words, formats)?;
        }
    }
    filtered(sheet, report.incidents.len(), heads.len())
}

fn earlier(
    sheet: &mut Worksheet,
    report: &Report,
    words: Words<'_>,
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(words.pick("So với các phiên trước", "Beside earlier sessions"))?;
    let heads = [
        (words.pick("Phiên họp", "Session"), 60),
        (words.pick("Bắt đầu", "Began"), 20),
        (words.pick("Điểm cầu", "Sites"), 9),
        (words.pick("Đại biểu", "Delegates"), 10),
        (words.pick("Bị gián đoạn", "Interrupted"), 11),
        (words.pick("Sự cố", "Incidents"), 9),
        (words.pick("Gián đoạn tổng cộng", "Interrupted in all"), 12),
        (words.pick("Mức sẵn sàng", "Availability"), 10),
    ];
    headings(sheet, &heads, formats)?;
    let this = (&report.title, report.start, &report.totals, report.incidents.len());
    let before = report.earlier.iter().map(|it| (&it.title, it.start, &it.totals, it.incidents));
    for (line, (title, start, totals, incidents)) in (1..).zip([this].into_iter().chain(before)) {
        let cells = [
            Cell::Text(title.clone()),
            Cell::Moment(Some(start)),
            Cell::Count(totals.sites as u64),
            Cell::Count(totals.delegates),
            Cell::Count(totals.interrupted as u64),
            Cell::Count(incidents as u64),
            Cell::Lasting(Some(totals.lost)),
            Cell::Share(totals.availability()),
        ];
        for (column, cell) in (0..).zip(cells) {
            put(sheet, line, column, cell, words, formats)?;
        }
    }
    Ok(())
}

fn headings(
    sheet: &mut Worksheet,
    heads: &[(&str, u32)],
    formats: &Formats,
) -> Result<(), XlsxError> {
    for (column, (head, width)) in (0..).zip(heads) {
        sheet.write_string_with_format(0, column, *head, &formats.head)?;
        sheet.set_column_width(column, *width)?;
    }
    // The headings, and who a line is about, stay in sight.
    sheet.set_freeze_panes(1, 1)?.set_landscape().set_paper_size(9).set_print_fit_to_pages(1, 0);
    Ok(())
}

/// Lets people choose lines by what is in them.
fn filtered(sheet: &mut Worksheet, lines: usize, columns: usize) -> Result<(), XlsxError> {
    let last = u32::try_from(lines).unwrap_or(u32::MAX);
    let right = u16::try_from(columns.saturating_sub(1)).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, last, right)?;
    Ok(())
}

fn put(
    sheet: &mut Worksheet,
    line: u32,
    column: u16,
    cell: Cell,
    words: Words<'_>,
    formats: &Formats,
) -> Result<(), XlsxError> {
    #[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    match cell {
        Cell::Text(text) => sheet.write_string_with_format(line, column, text, &formats.text)?,
        Cell::Count(count) => {
            sheet.write_number_with_format(line, column, count as f64, &formats.count)?
        }
        Cell::Share(Some(share)) => {
            sheet.write_number_with_format(line, column, cut(share, 4), &formats.share)?
        }
        Cell::Lasting(Some(time)) => {
            let days = time.as_secs_f64() / 86_400.0;
            sheet.write_number_with_format(line, column, days, &formats.lasting)?
        }
        Cell::Moment(Some(at)) => match excel_time(words.local(at)) {
            Some(at) => sheet.write_datetime_with_format(line, column, &at, &formats.moment)?,
            None => sheet,
        },
        Cell::Figure(Some(figure)) => {
            sheet.write_number_with_format(line, column, figure, &formats.figure)?
        }
        Cell::Share(None) | Cell::Lasting(None) | Cell::Moment(None) | Cell::Figure(None) => sheet,
    };
    Ok(())
}

/// A local time as Excel counts it; none outside its calendar.
fn excel_time(at: jiff::civil::DateTime) -> Option<ExcelDateTime> {
    let date = at.date();
    let year = u16::try_from(date.year()).ok()?;
    let part = |value: i8| u8::try_from(value).ok();
    ExcelDateTime::from_ymd(year, part(date.month())?, part(date.day())?)
        .ok()?
        .and_hms(u16::from(part(at.hour())?), part(at.minute())?, f64::from(at.second()))
        .ok()
}
