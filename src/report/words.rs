//! What a report says, in Vietnamese and English: a chairman's office reads it, so whole sentences,
//! plain words, and figures that never look better than they are.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Exclusion, GroupName, Path, Report, Style, Why, cut};
use crate::model::{Importance, Language, Severity};

/// The words of one language, with the time zone of its times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) language: Language,
    zone: &'a TimeZone,
}

impl<'a> Words<'a> {
    pub(super) const fn of(style: &'a Style) -> Self {
        Self { language: style.language, zone: &style.time_zone }
    }

    /// One of two texts.
    pub(super) const fn pick<'t>(self, vi: &'t str, en: &'t str) -> &'t str {
        self.language.pick(vi, en)
    }

    pub(super) const fn code(self) -> &'static str {
        self.language.word()
    }

    /// The paragraph that tells it all.
    ///
    /// 1. How many sites were well all the time.
    /// 2. How many were interrupted, for how long together, and the worst of them.
    /// 3. How many were bad without being interrupted, and what was not seen.
    pub(super) fn summary(self, report: &Report) -> String {
        let totals = &report.totals;
        let mut sentences = Vec::new();
        let so_far = report.until < report.end;
        let (well, all) = (totals.well, totals.sites);
        sentences.push(match (self.language, well == all) {
            (Language::Vi, true) => format!(
                "Cả {all} điểm cầu kết nối tốt {}.",
                if so_far { "từ đầu phiên đến nay" } else { "suốt phiên" }
            ),
            (Language::Vi, false) => format!(
                "{well}/{all} điểm cầu kết nối tốt {}.",
                if so_far { "từ đầu phiên đến nay" } else { "suốt phiên" }
            ),
            (Language::En, true) => format!(
                "All {all} sites were connected well {}.",
                if so_far { "so far" } else { "throughout" }
            ),
            (Language::En, false) => format!(
                "{well} of {all} sites were connected well {}.",
                if so_far { "so far" } else { "throughout" }
            ),
        });
        if totals.interrupted > 0 {
            let lost = self.lasting(totals.lost);
            let delegates = self.count(totals.delegates_interrupted);
            let touched = match (self.language, totals.delegates_interrupted) {
                (_, 0) => String::new(),
                (Language::Vi, _) => format!(", nơi có {delegates} đại biểu"),
                (Language::En, _) => format!(", where {delegates} delegates sat"),
            };
            sentences.push(match self.language {
                Language::Vi => format!(
                    "{} điểm cầu bị gián đoạn, tổng cộng {lost}{touched}.",
                    totals.interrupted
                ),
                Language::En => format!(
                    "{} interrupted, {lost} in all{touched}.",
                    self.sites(totals.interrupted, " was", " were")
                ),
            });
            let longest = report
                .sites
                .iter()
                .flat_map(|site| site.outages.iter().map(move |outage| (site, outage)))
                .max_by_key(|(site, outage)| (outage.lasted(), std::cmp::Reverse(&site.name)));
            if let Some((site, outage)) = longest {
                let (name, lasted) = (&site.name, self.lasting(outage.lasted()));
                let (from, until) = (self.hour(outage.from), self.hour(outage.until));
                sentences.push(match self.language {
                    Language::Vi => {
                        format!("Lần gián đoạn dài nhất: {name}, {lasted} ({from}–{until}).")
                    }
                    Language::En => {
                        format!("The longest interruption: {name}, {lasted} ({from}–{until}).")
                    }
                });
            }
        }
        if totals.degraded > 0 {
            sentences.push(match self.language {
                Language::Vi => format!(
                    "{} điểm cầu có lúc chất lượng kém nhưng không bị ngắt.",
                    totals.degraded
                ),
                Language::En => format!(
                    "{} bad at times without being cut off.",
                    self.sites(totals.degraded, " was", " were")
                ),
            });
        }
        if totals.unseen > 0 {
            sentences.push(match self.language {
                Language::Vi => {
                    format!("{} điểm cầu không có số liệu nên không được đánh giá.", totals.unseen)
                }
                Language::En => format!(
                    "{} not seen at all and not judged.",
                    self.sites(totals.unseen, " was", " were")
                ),
            });
        }
        if let Some(availability) = totals.availability() {
            let percent = self.availability(availability);
            sentences.push(match self.language {
                Language::Vi => format!("Mức sẵn sàng chung của các điểm cầu là {percent}."),
                Language::En => format!("Availability over all sites was {percent}."),
            });
        }
        sentences.join(" ")
    }

    /// So many sites, as the subject of a sentence.
    fn sites(self, count: usize, one: &str, many: &str) -> String {
        match (self.language, count) {
            (Language::Vi, _) => format!("{count} điểm cầu"),
            (Language::En, 1) => format!("1 site{one}"),
            (Language::En, _) => format!("{count} sites{many}"),
        }
    }

    /// A number of sites.
    pub(super) fn site_count(self, count: usize) -> String {
        self.sites(count, "", "")
    }

    /// A count with its digits in threes.
    pub(super) fn count(self, count: u64) -> String {
        let digits = count.to_string();
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                text.push_str(self.pick(".", ","));
            }
            text.push(digit);
        }
        text
    }

    /// A figure with so many decimals, with the language's decimal sign.
    pub(super) fn figure(self, figure: f64, decimals: usize) -> String {
        let text = format!("{figure:.decimals$}");
        match self.language {
            Language::Vi => text.replace('.', ","),
            Language::En => text,
        }
    }

    /// A share as a percentage, cut and not rounded: what was interrupted is never 100 %.
    pub(super) fn availability(self, share: f64) -> String {
        let percent = cut(share, 4) * 100.0;
        let decimals = if percent >= 100.0 { 0 } else { 2 };
        format!("{}\u{a0}%", self.figure(percent, decimals))
    }

    /// How long something lasted: seconds below ten minutes, minutes up to two hours, hours and
    /// minutes beyond.
    pub(super) fn lasting(self, lasted: Duration) -> String {
        let seconds = (lasted.as_millis() + 500) / 1000;
        let unit = |count: u128, vi: &str, one: &str, many: &str| match (self.language, count) {
            (Language::Vi, _) => format!("{count} {vi}"),
            (Language::En, 1) => format!("1 {one}"),
            (Language::En, _) => format!("{count} {many}"),
        };
        let second = |count| unit(count, "giây", "second", "seconds");
        let minute = |count| unit(count, "phút", "minute", "minutes");
        let hour = |count| unit(count, "giờ", "hour", "hours");
        let minutes = (seconds + 30) / 60;
        match seconds {
            0 if !lasted.is_zero() => self.pick("chưa đến 1 giây", "less than a second").to_owned(),
            0..60 => second(seconds),
            60..600 if seconds.is_multiple_of(60) => minute(seconds / 60),
            60..600 => format!("{} {}", minute(seconds / 60), second(seconds % 60)),
            600..7200 => minute(minutes),
            _ if minutes.is_multiple_of(60) => hour(minutes / 60),
            _ => format!("{} {}", hour(minutes / 60), minute(minutes % 60)),
        }
    }

    /// The same in a table: `12:03`, `1:02:03`.
    pub(super) fn clock(self, lasted: Duration) -> String {
        let seconds = (lasted.as_millis() + 500) / 1000;
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        match hours {
            0 => format!("{minutes}:{rest:02}"),
            _ => format!("{hours}:{minutes:02}:{rest:02}"),
        }
    }

    /// Hours and minutes of a moment.
    pub(super) fn hour(self, at: Timestamp) -> String {
        self.local(at).strftime("%H:%M").to_string()
    }

    /// Hours, minutes and seconds of a moment.
    pub(super) fn precise(self, at: Timestamp) -> String {
        self.local(at).strftime("%H:%M:%S").to_string()
    }

    /// The day of a moment.
    pub(super) fn day(self, at: Timestamp) -> String {
        let at = self.local(at);
        match self.language {
            Language::Vi => at.strftime("%d/%m/%Y").to_string(),
            Language::En => at.strftime("%-d %B %Y").to_string(),
        }
    }

    /// From when until when, the day once if it is the same.
    pub(super) fn span(self, from: Timestamp, until: Timestamp) -> String {
        if self.local(from).date() == self.local(until).date() {
            format!("{} – {}, {}", self.hour(from), self.hour(until), self.day(from))
        } else {
            format!(
                "{}, {} – {}, {}",
                self.hour(from),
                self.day(from),
                self.hour(until),
                self.day(until)
            )
        }
    }

    pub(super) fn local(self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    pub(super) fn group(self, name: &GroupName) -> &str {
        match name {
            GroupName::Site(name) => name,
            GroupName::Level(name) => name.get(self.language),
        }
    }

    /// What a session is beyond an ordinary one.
    pub(super) const fn importance(self, importance: Importance) -> Option<&'static str> {
        match (self.language, importance) {
            (_, Importance::Normal) => None,
            (Language::Vi, Importance::Low) => Some("phiên thử"),
            (Language::Vi, Importance::High) => Some("phiên quan trọng"),
            (Language::En, Importance::Low) => Some("rehearsal"),
            (Language::En, Importance::High) => Some("important session"),
        }
    }

    pub(super) const fn severity(self, severity: Severity) -> &'static str {
        match (self.language, severity) {
            (Language::Vi, Severity::Info) => "thông tin",
            (Language::Vi, Severity::Warning) => "cảnh báo",
            (Language::Vi, Severity::Critical) => "nghiêm trọng",
            (Language::En, Severity::Info) => "info",
            (Language::En, Severity::Warning) => "warning",
            (Language::En, Severity::Critical) => "critical",
        }
    }

    /// Why time was not counted, as a sentence.
    pub(super) fn exclusion(self, report: &Report, exclusion: &Exclusion) -> String {
        let (from, until) = (self.precise(exclusion.span.0), self.precise(exclusion.span.1));
        let sites = exclusion.sites.len();
        let who = if sites == report.sites.len() {
            match self.language {
                Language::Vi => format!("cả {sites} điểm cầu"),
                Language::En => format!("all {sites} sites"),
            }
        } else if sites <= 4 {
            let names: Vec<&str> =
                exclusion.sites.iter().map(|at| report.sites[*at].name.as_str()).collect();
            names.join(", ")
        } else {
            self.site_count(sites)
        };
        let sum = self.lasting(exclusion.lasted);
        match (self.language, &exclusion.why) {
            (Language::Vi, Why::Unwatched) => {
                format!("{from}–{until}: hệ thống giám sát không chạy, không rõ tình trạng {who}.")
            }
            (Language::En, Why::Unwatched) => {
                format!("{from}–{until}: the monitor was not running; nothing is known of {who}.")
            }
            (Language::Vi, Why::Unseen) => format!(
                "{from}–{until}: không quan sát được {who}, tổng cộng {sum} (máy giám sát mất \
                 mạng, quá tải, hoặc chưa kịp hỏi)."
            ),
            (Language::En, Why::Unseen) => format!(
                "{from}–{until}: {who} could not be seen, {sum} in all (the monitor's own network \
                 or load, or not asked yet)."
            ),
            (Language::Vi, Why::Planned { reason, by }) => {
                format!("{from}–{until}: bảo trì theo kế hoạch tại {who}{}.", note(reason, by))
            }
            (Language::En, Why::Planned { reason, by }) => {
                format!("{from}–{until}: planned work at {who}{}.", note(reason, by))
            }
            (Language::Vi, Why::Joined) => {
                format!("{who} tham gia muộn, lúc {until}; thời gian trước đó không tính.")
            }
            (Language::En, Why::Joined) => {
                format!("{who} joined late, at {until}; the time before does not count.")
            }
            (Language::Vi, Why::Left) => {
                format!("{who} không tham gia từ {from} đến {until}; thời gian đó không tính.")
            }
            (Language::En, Why::Left) => {
                format!("{who} did not take part from {from} to {until}; that does not count.")
            }
        }
    }

    /// Loss, round trip, jitter and opinion score of a path as the cells of a table; empty where
    /// nothing was measured.
    pub(super) fn path(self, path: Option<&Path>) -> [String; 4] {
        let Some(path) = path else { return Default::default() };
        let pair = |pair: Option<(f64, f64)>, decimals: usize| {
            pair.map_or_else(String::new, |(middle, bad)| {
                format!("{} / {}", self.figure(middle, decimals), self.figure(bad, decimals))
            })
        };
        let loss = path.loss().map_or_else(String::new, |loss| {
            let worst = path.loss_percent.map_or(0.0, |(_, bad)| bad);
            let loss = loss * 100.0;
            format!("{} / {}", self.figure(loss, 2), self.figure(worst, 2))
        });
        [loss, pair(path.rtt_ms, 1), pair(path.jitter_ms, 1), pair(path.mos, 2)]
    }
}

/// What was done and who announced it.
fn note(reason: &str, by: &str) -> String {
    match (reason, by) {
        ("", "") => String::new(),
        (reason, "") => format!(" ({reason})"),
        ("", by) => format!(" ({by})"),
        (reason, by) => format!(" ({reason}; {by})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(language: Language) -> Style {
        Style::new(language, TimeZone::UTC, "")
    }

    #[test]
    fn what_was_interrupted_is_never_a_hundred_percent() {
        let (vi, en) = (style(Language::Vi), style(Language::En));
        assert_eq!(Words::of(&vi).availability(1.0), "100\u{a0}%");
        assert_eq!(Words::of(&vi).availability(0.999_999), "99,99\u{a0}%");
        assert_eq!(Words::of(&en).availability(0.9), "90.00\u{a0}%");
        assert_eq!(Words::of(&en).availability(0.0), "0.00\u{a0}%");
    }

    #[test]
    fn lengths_of_time_read_as_people_say_them() {
        let (vi, en) = (style(Language::Vi), style(Language::En));
        for (seconds, in_vi, in_en) in [
            (0, "0 giây", "0 seconds"),
            (1, "1 giây", "1 second"),
            (120, "2 phút", "2 minutes"),
            (83, "1 phút 23 giây", "1 minute 23 seconds"),
            (599, "9 phút 59 giây", "9 minutes 59 seconds"),
            (4_980, "83 phút", "83 minutes"),
            (7_200, "2 giờ", "2 hours"),
            (9_000, "2 giờ 30 phút", "2 hours 30 minutes"),
        ] {
            let lasted = Duration::from_secs(seconds);
            assert_eq!(Words::of(&vi).lasting(lasted), in_vi);
            assert_eq!(Words::of(&en).lasting(lasted), in_en);
        }
        assert_eq!(Words::of(&vi).lasting(Duration::from_millis(20)), "chưa đến 1 giây");
        assert_eq!(Words::of(&en).clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
