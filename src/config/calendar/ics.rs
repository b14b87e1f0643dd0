//! The text of a calendar as components and properties. The grammar is the `icalendar` crate's;
//! what it trusts its input with is bounded here first.

use icalendar::parser::{Component, Property, read_calendar};

use super::{CalendarError, LARGEST};

/// Deepest nesting: a calendar, an event, an alarm.
const DEEPEST: usize = 6;
/// Longest line once it is unfolded: a description of many pages.
pub(super) const LONGEST: usize = 64 << 10;

/// The properties of a calendar, and its components.
type Parts<'a> = (Vec<Property<'a>>, Vec<Component<'a>>);

/// The text as one line for each property.
///
/// Lines end as the author's program likes (RFC 5545 §3.1 asks for CRLF), sometimes mixed, and a
/// line that begins with a space or a tab goes on with the one before.
///
/// # Errors
/// Why this is no calendar that is read.
pub(super) fn unfolded(bytes: &[u8]) -> Result<String, CalendarError> {
    if bytes.len() > LARGEST {
        return Err(CalendarError::TooLarge);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| CalendarError::NotUtf8 { from: error.valid_up_to() })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if !text.trim_start().get(..15).is_some_and(|head| head.eq_ignore_ascii_case("BEGIN:VCALENDAR"))
    {
        return Err(CalendarError::NoCalendar);
    }
    let mut unfolded = String::with_capacity(text.len());
    let (mut depth, mut length) = (0_usize, 0);
    for line in text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        if let Some(rest) = line.strip_prefix([' ', '\t']) {
            length += rest.len();
            if length > LONGEST {
                return Err(CalendarError::LongLine);
            }
            unfolded.push_str(rest);
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        if !unfolded.is_empty() {
            unfolded.push('\n');
        }
        length = line.len();
        let begins =
            |word: &str| line.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        if begins("BEGIN:") {
            depth += 1;
        } else if begins("END:") {
            depth = depth.saturating_sub(1);
        }
        if length > LONGEST {
            return Err(CalendarError::LongLine);
        }
        if depth > DEEPEST {
            return Err(CalendarError::Nested);
        }
        unfolded.push_str(line);
    }
    unfolded.push('\n');
    if depth > 0 {
        return Err(CalendarError::CutShort);
    }
    Ok(unfolded)
}

/// The components of an unfolded text, below the calendar itself, and its properties.
///
/// # Errors
/// Where the grammar is not kept.
pub(super) fn parse(text: &str) -> Result<Parts<'_>, CalendarError> {
    let calendar = read_calendar(text).map_err(|error| {
        let first = error.lines().map(str::trim).find(|line| line.contains("line")).unwrap_or("");
        CalendarError::Grammar(first.trim_end_matches(':').to_owned())
    })?;
    Ok((calendar.properties, calendar.components))
}

/// The first property of a name.
pub(super) fn property<'a, 'b>(of: &'b [Property<'a>], name: &str) -> Option<&'b Property<'a>> {
    of.iter().find(|property| property.name.as_str().eq_ignore_ascii_case(name))
}

/// The text of the first property of a name.
pub(super) fn text<'b>(of: &'b [Property<'_>], name: &str) -> Option<&'b str> {
    property(of, name).map(|property| property.val.as_str())
}

/// A parameter of a property, without quotes.
pub(super) fn parameter<'b>(of: &'b Property<'_>, name: &str) -> Option<&'b str> {
    let found = of.params.iter().find(|param| param.key.as_str().eq_ignore_ascii_case(name))?;
    found.val.as_ref().map(|value| value.as_str().trim_matches('"'))
}
