//! Figures with a unit: lengths of time and sizes, as people write them.

use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::fmt::friendly::SpanParser;
use jiff::{SignedDuration, SpanRelativeTo};

use super::expected;
use crate::config::diagnostic::Findings;
use crate::config::yaml::{Kind, Node};

/// A length of time: `500ms`, `5s`, `1m 30s`, `14d`.
pub(in crate::config) fn duration(
    range: RangeInclusive<Duration>,
) -> impl Fn(&Node, &Findings) -> Option<Duration> {
    duration_since(range, None)
}

/// A length of time that is at least so long for a reason.
pub(in crate::config) fn duration_since(
    range: RangeInclusive<Duration>,
    why: Option<&'static str>,
) -> impl Fn(&Node, &Findings) -> Option<Duration> {
    move |node, out| {
        let Some(scalar) = node.scalar() else {
            expected(node, "a length of time such as `5s`", out);
            return None;
        };
        if matches!(scalar.kind, Kind::Integer(_) | Kind::Float(_)) {
            let reason = format!("`{}` of what? A length of time needs its unit", scalar.text);
            out.hint(node.span, reason, with_unit(&scalar.text, &range));
            return None;
        }
        let Some(length) = length(&scalar.text) else {
            let reason = format!("{} is no length of time", node.found());
            let hint = "write `500ms`, `5s`, `1m 30s`, `2h` or `14d`".to_owned();
            out.hint(node.span, reason, hint);
            return None;
        };
        let (least, most) = (*range.start(), *range.end());
        match Duration::try_from(length).ok().filter(|length| range.contains(length)) {
            Some(length) => Some(length),
            None => {
                let (least, most) = (written(least), written(most));
                let reason = format!("`{}` is not between {least} and {most}", scalar.text);
                out.hint(node.span, reason, why.map(str::to_owned));
                None
            }
        }
    }
}

/// What a length of time without a unit most likely means: hours, or minutes if that were more than
/// a day, where minutes are the least that makes sense; else the smallest unit that does.
fn with_unit(bare: &str, range: &RangeInclusive<Duration>) -> Option<String> {
    let long = *range.start() >= Duration::from_mins(1) && *range.end() > Duration::from_hours(24);
    let units = match bare.parse::<f64>() {
        Ok(n) if long && n <= 24.0 => ["h", "m", "d", "s"],
        _ if long => ["m", "h", "d", "s"],
        _ => ["s", "m", "h", "d"],
    };
    let fits = |text: &String| {
        let length = length(text).and_then(|length| Duration::try_from(length).ok());
        length.is_some_and(|length| range.contains(&length))
    };
    let meant = units.iter().map(|unit| format!("{bare}{unit}")).find(fits);
    meant.map(|meant| format!("did you mean `{meant}`?"))
}

/// A length of time in jiff's friendly notation, with days of 24 hours.
fn length(text: &str) -> Option<SignedDuration> {
    let span = SpanParser::new().parse_span(text).ok()?;
    span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()
}

/// A length of time as people write it.
pub(in crate::config) fn written(length: Duration) -> String {
    let nanos = length.as_nanos();
    for (unit, size) in [
        ("d", 86_400_000_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ] {
        // Ninety minutes are written as minutes, not as 1.5 hours.
        if nanos >= size && nanos.is_multiple_of(size) {
            return format!("{}{unit}", nanos / size);
        }
    }
    match length.as_secs_f64() {
        0.0 => "0s".to_owned(),
        seconds if seconds < 1.0 => format!("{}ms", seconds * 1e3),
        seconds => format!("{seconds}s"),
    }
}

/// A size in bytes: `65536`, `64 KiB`, `4 MiB`.
pub(in crate::config) fn bytes(
    range: RangeInclusive<u32>,
) -> impl Fn(&Node, &Findings) -> Option<u32> {
    move |node, out| {
        let size = node.scalar().and_then(|scalar| {
            let text = scalar.text.as_str();
            let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
                Some(at) => (&text[..at], text[at..].trim()),
                None => (text, ""),
            };
            let unit = match unit {
                "" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                _ => return None,
            };
            digits.parse::<u32>().ok()?.checked_mul(unit).filter(|size| range.contains(size))
        });
        if size.is_none() {
            let (least, most) = range.clone().into_inner();
            let what = format!("a size from {} to {}, such as `4 MiB`", sized(least), sized(most));
            expected(node, &what, out);
        }
        size
    }
}

/// A size as people write it.
fn sized(bytes: u32) -> String {
    match bytes {
        n if n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n if n.is_multiple_of(1 << 10) => format!("{} KiB", n >> 10),
        n => n.to_string(),
    }
}
