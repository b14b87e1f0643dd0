//! One line for each site, for spreadsheets and scripts.
//!
//! The file begins with the mark that tells Excel that it is UTF-8. Figures are plain: seconds,
//! milliseconds and shares with a decimal point in every language; only the headings are told in
//! words. Lines end as RFC 4180 says.
//!
//! What is lost while a site is interrupted is the interruption's, so loss is the share of the
//! packets sent while there was a path: both counts stand beside it.

use super::words::Words;
use super::{Report, SiteReport, Style, cut};

/// Writes the table.
pub(super) fn table(report: &Report, style: &Style) -> String {
    let words = Words::of(style);
    let mut text = "\u{feff}".to_owned();
    row(&mut text, headings(words).map(str::to_owned));
    for site in &report.sites {
        row(&mut text, cells(report, site, words));
    }
    text
}

const fn headings(words: Words<'_>) -> [&'static str; 26] {
    [
        words.pick("mã điểm cầu", "site"),
        words.pick("điểm cầu", "name"),
        words.pick("cấp", "level"),
        words.pick("khu vực", "group"),
        words.pick("đại biểu", "delegates"),
        words.pick("mức sẵn sàng", "availability"),
        words.pick("gián đoạn (giây)", "lost_s"),
        words.pick("số lần gián đoạn", "outages"),
        words.pick("gián đoạn dài nhất (giây)", "longest_s"),
        words.pick("chất lượng kém (giây)", "degraded_s"),
        words.pick("được tính (giây)", "counted_s"),
        words.pick("không quan sát được (giây)", "unseen_s"),
        words.pick("không giám sát (giây)", "unwatched_s"),
        words.pick("bảo trì (giây)", "planned_s"),
        words.pick("không tham gia (giây)", "absent_s"),
        words.pick("gói đã gửi", "packets_sent"),
        words.pick("gói mất", "packets_lost"),
        words.pick("trong đó mất khi gián đoạn", "packets_lost_while_down"),
        words.pick("tỷ lệ mất gói khi còn kết nối", "loss"),
        words.pick("độ trễ trung vị (ms)", "rtt_p50_ms"),
        words.pick("độ trễ p95 (ms)", "rtt_p95_ms"),
        words.pick("jitter trung vị (ms)", "jitter_p50_ms"),
        words.pick("jitter p95 (ms)", "jitter_p95_ms"),
        words.pick("MOS trung vị", "mos_p50"),
        words.pick("MOS p5", "mos_p5"),
        words.pick("gián đoạn ở các phiên trước", "earlier_interrupted"),
    ]
}

fn cells(report: &Report, site: &SiteReport, words: Words<'_>) -> [String; 26] {
    let seconds = |time: std::time::Duration| format!("{:.3}", time.as_secs_f64());
    let maybe = |figure: Option<f64>, decimals: usize| {
        figure.map_or_else(String::new, |figure| format!("{figure:.decimals$}"))
    };
    let first = |pair: Option<(f64, f64)>| maybe(pair.map(|pair| pair.0), 3);
    let second = |pair: Option<(f64, f64)>| maybe(pair.map(|pair| pair.1), 3);
    let path = site.path.unwrap_or_default();
    let packets = |count: u64| {
        if site.path.is_some() { count.to_string() } else { String::new() }
    };
    let longest = site.outages.iter().map(super::Outage::lasted).max().unwrap_or_default();
    let group = report.groups.get(site.group).map_or("", |group| words.group(&group.name));
    [
        site.site.to_string(),
        site.name.clone(),
        site.level.to_string(),
        group.to_owned(),
        site.delegates.to_string(),
        maybe(site.time.availability().map(|share| cut(share, 6)), 6),
        seconds(site.time.down),
        site.outages.len().to_string(),
        seconds(longest),
        seconds(site.time.degraded),
        seconds(site.time.counted()),
        seconds(site.time.unseen),
        seconds(site.time.unwatched),
        seconds(site.time.planned),
        seconds(site.time.absent),
        packets(path.sent),
        packets(path.lost),
        packets(path.lost_down),
        maybe(path.loss(), 6),
        first(path.rtt_ms),
        second(path.rtt_ms),
        first(path.jitter_ms),
        second(path.jitter_ms),
        first(path.mos),
        second(path.mos),
        format!("{}/{}", site.earlier.0, site.earlier.1),
    ]
}

/// Appends a line, with quotes where RFC 4180 asks for them. A name that a spreadsheet would take
/// for a formula is told to be a text.
fn row<const N: usize>(text: &mut String, cells: [String; N]) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        let cell = match cell.chars().next() {
            Some('=' | '+' | '-' | '@' | '\t') => format!("'{cell}"),
            _ => cell,
        };
        if cell.contains(['"', ',', '\n', '\r']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(&cell);
        }
    }
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_many_days_still_counts() {
        assert_eq!(format!("{:.6}", cut(1.0 - 1e-9 * 350.0, 6)), "0.999999");
        assert_eq!((cut(1.0, 6), cut(0.9, 6), cut(0.0, 6)), (1.0, 0.9, 0.0));
    }

    #[test]
    fn cells_are_quoted_where_they_must_be_and_no_name_is_a_formula() {
        let mut text = String::new();
        row(&mut text, ["a", "b, c", "d \"e\"", "=1+1", "2/5"].map(str::to_owned));
        assert_eq!(text, "a,\"b, c\",\"d \"\"e\"\"\",'=1+1,2/5\r\n");
    }
}
