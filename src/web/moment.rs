//! Moments as programs write them to the API. A time of day without its offset from UTC is another
//! moment in every time zone, so it is refused with what to write instead.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;

/// The names that moments have in requests.
const NAMES: [&str; 4] = ["from", "until", "start", "end"];

/// What is wrong with a moment, and what to do; none when it is right, or none is expected here.
pub(super) fn wrong(name: &str, written: &str) -> Option<String> {
    if !NAMES.contains(&name) || written.parse::<Timestamp>().is_ok() {
        return None;
    }
    // A plus that is not encoded in an address is a space there.
    let spaced = written.replace(' ', "+").parse::<Timestamp>().is_ok();
    let why = if spaced {
        "has a space for the plus; in an address write %2B"
    } else if Pieces::parse(written).is_ok_and(|it| it.time().is_some() && it.offset().is_some()) {
        "lies too far off"
    } else if written.parse::<jiff::civil::DateTime>().is_ok() {
        "says no offset from UTC"
    } else {
        "is no moment"
    };
    let written: String = written.chars().take(40).collect();
    Some(format!(
        "`{name}`: {written:?} {why}; moments look like 2026-12-03T08:00:00+07:00 or \
         2026-12-03T01:00:00Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_moment_is_told_with_what_to_write() {
        for right in ["2026-12-03T08:00:00+07:00", "2026-12-03T01:00:00Z", "2026-12-03 01:00:00Z"] {
            assert_eq!(wrong("start", right), None, "{right}");
        }
        for (written, why) in [
            ("2026-12-03T08:00:00", "says no offset from UTC"),
            ("2026-12-03T08:00", "says no offset from UTC"),
            ("2026-12-03T08:00:00 07:00", "write %2B"),
            ("9999-12-31T00:00:00Z", "lies too far off"),
            ("-009999-01-01T00:00:00+20:00", "lies too far off"),
            ("2026-13-31T00:00:00Z", "is no moment"),
            ("tomorrow", "is no moment"),
            ("", "is no moment"),
        ] {
            let told = wrong("start", written).unwrap();
            assert!(told.starts_with("`start`: ") && told.contains(why), "{written}: {told}");
            assert!(told.ends_with("2026-12-03T01:00:00Z"), "{told}");
        }
        assert_eq!(wrong("title", "tomorrow"), None);
    }
}
