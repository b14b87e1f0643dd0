//! What the local times of a calendar mean.
//!
//! 1. A name of the IANA database is that zone, also behind a prefix as some programs write it.
//! 2. Outlook and Exchange use names of Windows; the common ones are known.
//! 3. `X-LIC-LOCATION` in the calendar's own definition names a zone of the database.
//! 4. Otherwise that definition (`VTIMEZONE`, RFC 5545 §3.6.5) counts: its offsets, and for summer
//!    time its yearly rules of the form "second Sunday of March".

use icalendar::parser::{Component, Property};
use jiff::tz::{Offset, TimeZone};

use super::ics::{property, text};

/// Names that Windows gives to zones, of the places that Vietnamese calendars name.
const WINDOWS: &[(&str, &str)] = &[
    ("SE Asia Standard Time", "Asia/Ho_Chi_Minh"),
    ("Singapore Standard Time", "Asia/Singapore"),
    ("China Standard Time", "Asia/Shanghai"),
    ("Taipei Standard Time", "Asia/Taipei"),
    ("Tokyo Standard Time", "Asia/Tokyo"),
    ("Korea Standard Time", "Asia/Seoul"),
    ("India Standard Time", "Asia/Kolkata"),
    ("W. Australia Standard Time", "Australia/Perth"),
    ("AUS Eastern Standard Time", "Australia/Sydney"),
    ("UTC", "Etc/UTC"),
    ("GMT Standard Time", "Europe/London"),
    ("W. Europe Standard Time", "Europe/Berlin"),
    ("Romance Standard Time", "Europe/Paris"),
    ("Central Europe Standard Time", "Europe/Budapest"),
    ("Russian Standard Time", "Europe/Moscow"),
    ("Eastern Standard Time", "America/New_York"),
    ("Central Standard Time", "America/Chicago"),
    ("Mountain Standard Time", "America/Denver"),
    ("Pacific Standard Time", "America/Los_Angeles"),
];

/// The zones that a calendar may refer to.
pub(super) struct Zones<'a> {
    components: &'a [Component<'a>],
    /// Of times that name none.
    pub(super) usual: TimeZone,
}

impl<'a> Zones<'a> {
    /// Those of a calendar. Times that name none are in the zone that the calendar itself names, or
    /// else in `usual`.
    pub(super) fn new(
        properties: &[Property<'_>],
        components: &'a [Component<'a>],
        usual: &TimeZone,
    ) -> Self {
        let of_calendar = text(properties, "X-WR-TIMEZONE").and_then(named);
        Self { components, usual: of_calendar.unwrap_or_else(|| usual.clone()) }
    }

    /// The zone of a `TZID`; none when nobody knows what it means.
    pub(super) fn find(&self, id: &str) -> Option<TimeZone> {
        named(id).or_else(|| {
            let defined = self.components.iter().find(|component| {
                component.name.as_str().eq_ignore_ascii_case("VTIMEZONE")
                    && text(&component.properties, "TZID") == Some(id)
            })?;
            let place = text(&defined.properties, "X-LIC-LOCATION");
            place.and_then(named).or_else(|| defined_by_rules(defined))
        })
    }
}

/// Rules 1 and 2.
fn named(id: &str) -> Option<TimeZone> {
    let known = |name: &str| TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
    let windows = || WINDOWS.iter().find(|(name, _)| *name == id).map(|(_, iana)| *iana);
    known(id).or_else(|| windows().and_then(known)).or_else(|| {
        // "/freeassociation.sourceforge.net/Asia/Ho_Chi_Minh"
        let rest = id.strip_prefix('/')?;
        rest.match_indices('/').find_map(|(at, _)| known(&rest[at + 1..]))
    })
}

/// Rule 4: the newest standard time, and the newest summer time if that still begins every year.
fn defined_by_rules(zone: &Component<'_>) -> Option<TimeZone> {
    let newest = |name: &str| {
        zone.components
            .iter()
            .filter(|part| part.name.as_str().eq_ignore_ascii_case(name))
            .max_by_key(|part| text(&part.properties, "DTSTART").unwrap_or_default().to_owned())
    };
    let standard = newest("STANDARD")?;
    let offset = seconds(standard)?;
    let summer = newest("DAYLIGHT").filter(|summer| {
        let rule = text(&summer.properties, "RRULE").unwrap_or_default();
        !rule.is_empty() && !rule.contains("UNTIL")
    });
    let Some(summer) = summer else {
        return Some(TimeZone::fixed(Offset::from_seconds(offset).ok()?));
    };
    // POSIX counts offsets westwards and names both times.
    let posix = format!(
        "<STD>{}<DST>{},{},{}",
        posix_offset(-offset),
        posix_offset(-seconds(summer)?),
        change(summer)?,
        change(standard)?
    );
    TimeZone::posix(&posix).ok()
}

/// `TZOFFSETTO`, such as `+0700` or `-033000`, in seconds.
fn seconds(part: &Component<'_>) -> Option<i32> {
    let written = text(&part.properties, "TZOFFSETTO")?;
    let (sign, digits) = match written.split_at_checked(1)? {
        ("-", digits) => (-1, digits),
        ("+", digits) => (1, digits),
        _ => return None,
    };
    let pair = |at: usize| digits.get(at..at + 2).map_or(Some(0), |pair| pair.parse::<i32>().ok());
    Some(sign * (pair(0)? * 3600 + pair(2)? * 60 + pair(4)?))
}

fn posix_offset(seconds: i32) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let all = seconds.unsigned_abs();
    format!("{sign}{}:{:02}:{:02}", all / 3600, all / 60 % 60, all % 60)
}

/// When a time begins each year, as POSIX writes it: `M3.2.0/2:00:00`.
fn change(part: &Component<'_>) -> Option<String> {
    let rule = text(&part.properties, "RRULE")?;
    let of = |key: &str| rule.split(';').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let month: u8 = of("BYMONTH")?.parse().ok()?;
    let day = of("BYDAY")?;
    let (nth, day) = day.split_at_checked(day.len().checked_sub(2)?)?;
    let nth = match nth.trim_start_matches('+') {
        "-1" => 5,
        nth => nth.parse::<u8>().ok().filter(|nth| (1..=4).contains(nth))?,
    };
    let day = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"].iter().position(|name| *name == day)?;
    let start = property(&part.properties, "DTSTART")?.val.as_str();
    let time = start.split_once('T').map_or("000000", |(_, time)| time);
    let pair = |at: usize| time.get(at..at + 2).unwrap_or("00");
    Some(format!("M{month}.{nth}.{day}/{}:{}:{}", pair(0), pair(2), pair(4)))
}
