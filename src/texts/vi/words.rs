//! Times, counts and other small pieces of sentences, in Vietnamese.

use std::time::Duration;

use jiff::civil::{DateTime, Weekday};

use crate::model::{CommonFactor, Severity};
use crate::texts::{Shared, units};

/// A site in the middle of a sentence. Some are named "Điểm cầu …" already.
pub(super) fn named(name: &str) -> String {
    if name.to_lowercase().starts_with("điểm cầu") {
        name.to_owned()
    } else {
        format!("điểm cầu {name}")
    }
}

/// How far a clock is off, and which way.
pub(super) fn clock(by: i64) -> (String, &'static str) {
    let off = duration(Duration::from_secs(by.unsigned_abs()));
    (off, if by > 0 { "chạy nhanh" } else { "chạy chậm" })
}

/// What a label that sites share is called.
pub(in crate::texts) fn shared(label: &str) -> &str {
    match label {
        "isp" => "nhà mạng",
        "power" => "nguồn điện",
        "model" => "loại thiết bị",
        "area" => "khu vực",
        CommonFactor::CHECK => "dịch vụ",
        CommonFactor::ENDPOINT => "thiết bị",
        other => other,
    }
}

/// The devices that have something in common.
pub(super) fn devices_with(what: &Shared<'_>) -> String {
    match what.label {
        "model" => format!("thiết bị {}", what.value),
        label => format!("thiết bị cùng {} {}", shared(label), what.value),
    }
}

pub(in crate::texts) const fn grade(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "THÔNG TIN",
        Severity::Warning => "CẢNH BÁO",
        Severity::Critical => "NGHIÊM TRỌNG",
    }
}

pub(super) fn duration(duration: Duration) -> String {
    let [days, hours, minutes, seconds] = units(duration);
    let parts = [(days, "ngày"), (hours, "giờ"), (minutes, "phút"), (seconds, "giây")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}"))
        .collect();
    if parts.is_empty() { "chưa đến 1 giây".to_owned() } else { parts.join(" ") }
}

/// Hour and minute, with the day unless it is that of `today`.
pub(super) fn hour(at: &DateTime, today: &DateTime) -> String {
    if at.date() == today.date() {
        at.strftime("%H:%M").to_string()
    } else if at.year() == today.year() {
        at.strftime("%H:%M ngày %d/%m").to_string()
    } else {
        at.strftime("%H:%M ngày %d/%m/%Y").to_string()
    }
}

pub(super) fn day(at: &DateTime) -> String {
    at.strftime("%d/%m/%Y").to_string()
}

pub(super) fn precise(at: &DateTime) -> String {
    at.strftime("%H:%M:%S").to_string()
}

pub(super) fn moment(at: &DateTime) -> String {
    let weekday = match at.weekday() {
        Weekday::Monday => "thứ Hai",
        Weekday::Tuesday => "thứ Ba",
        Weekday::Wednesday => "thứ Tư",
        Weekday::Thursday => "thứ Năm",
        Weekday::Friday => "thứ Sáu",
        Weekday::Saturday => "thứ Bảy",
        Weekday::Sunday => "Chủ nhật",
    };
    format!("{} {weekday} {}", precise(at), at.strftime("%d/%m/%Y"))
}

/// The text with a capital at its beginning.
pub(super) fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// The text with a small letter at its beginning.
pub(super) fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}
