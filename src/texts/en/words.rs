//! Times, counts and other small pieces of sentences, in English.

use std::time::Duration;

use jiff::civil::DateTime;

use crate::model::{CommonFactor, Severity};
use crate::texts::{Shared, grouped, units};

/// A place in a row.
pub(super) fn nth(n: usize) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// What a label that sites share is called.
pub(in crate::texts) fn shared(label: &str) -> &str {
    match label {
        "isp" => "provider",
        "power" => "power supply",
        "model" => "device model",
        CommonFactor::CHECK => "service",
        CommonFactor::ENDPOINT => "device",
        other => other,
    }
}

/// The devices that have something in common.
pub(super) fn devices_with(what: &Shared<'_>) -> String {
    match what.label {
        "model" => what.value.to_owned(),
        label => format!("devices with {} {}", shared(label), what.value),
    }
}

pub(in crate::texts) const fn grade(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

pub(super) fn count(count: usize, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{} {word}", grouped(count as u64, ','))
}

pub(super) fn duration(duration: Duration) -> String {
    let [days, hours, minutes, seconds] = units(duration);
    let parts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "less than a second".to_owned() } else { parts.join(" ") }
}

/// Hour and minute, with the day unless it is that of `today`.
pub(super) fn hour(at: &DateTime, today: &DateTime) -> String {
    if at.date() == today.date() {
        at.strftime("%H:%M").to_string()
    } else if at.year() == today.year() {
        at.strftime("%H:%M on %-d %B").to_string()
    } else {
        at.strftime("%H:%M on %-d %B %Y").to_string()
    }
}

pub(super) fn day(at: &DateTime) -> String {
    at.strftime("%-d %B %Y").to_string()
}

pub(super) fn precise(at: &DateTime) -> String {
    at.strftime("%H:%M:%S").to_string()
}

pub(super) fn moment(at: &DateTime) -> String {
    at.strftime("%H:%M:%S on %A %-d %B %Y").to_string()
}
