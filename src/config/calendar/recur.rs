//! Which days an event happens on: `RRULE`, `RDATE`, `EXDATE` (RFC 5545 §3.8.5).
//!
//! The rule is followed on the local clock, as if there were no zones, and each local time is then
//! placed in the event's zone: a weekly session at 8 stays at 8 when clocks change, and where a
//! local time is skipped or happens twice RFC 5545 §3.3.5 says which moment is meant. The `rrule`
//! crate does the former; with a zone of its own it loses and doubles occurrences around such
//! changes.

use chrono::{DateTime as Stamp, Datelike as _, TimeZone as _, Timelike as _};
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rrule::{RRule, RRuleSet, Tz, Unvalidated};

/// Most occurrences that one rule is followed over, also those long over: every day for a century.
const STEPS_OF_RULE: u32 = 40_000;
/// Most occurrences that the rules of one calendar are followed over together.
const STEPS: u32 = 2_000_000;
/// What a rule counts as that names no day: only after a hundred thousand tries is it clear that a
/// 30 February never comes.
const STEPS_OF_NEVER: u32 = 200_000;
/// Most rules of one calendar.
const RULES: u32 = 1_000;
/// Longest rule, in bytes.
const LONGEST: usize = 1_000;

/// A date, or a date and a time, as a calendar writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct When {
    pub(super) local: DateTime,
    /// Whether only a date is written.
    pub(super) all_day: bool,
    /// Whether it is in UTC.
    pub(super) utc: bool,
}

impl When {
    /// Reads `20261209`, `20261209T080000` or `20261209T010000Z` (RFC 5545 §3.3.4, §3.3.5).
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, utc) = match text.strip_suffix('Z') {
            Some(text) => (text, true),
            None => (text, false),
        };
        let (date, time) = match text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let digits = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(date, 8) || time.is_some_and(|time| !digits(time, 6)) || utc && time.is_none() {
            return None;
        }
        let two = |text: &str, at: usize| text[at..at + 2].parse::<i8>().ok();
        let date = Date::new(date[..4].parse().ok()?, two(date, 4)?, two(date, 6)?).ok()?;
        let clock = match time {
            // A leap second is the second before it.
            Some(time) => Time::new(two(time, 0)?, two(time, 2)?, two(time, 4)?.min(59), 0).ok()?,
            None => Time::midnight(),
        };
        Some(Self { local: date.to_datetime(clock), all_day: time.is_none(), utc })
    }

    /// The moment, if the local time is one of `zone`.
    pub(super) fn moment(self, zone: &TimeZone) -> Option<Timestamp> {
        if self.utc { moment(self.local, &TimeZone::UTC) } else { moment(self.local, zone) }
    }
}

/// What moment a local time is. A skipped one is as late after the gap as it was to be, and of two
/// the first counts (RFC 5545 §3.3.5).
pub(super) fn moment(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).compatible().ok()
}

/// What following the rules of one calendar may still cost. Somebody who is let write an event
/// could else keep a processor busy for minutes with a few lines.
pub(super) struct Budget {
    rules: u32,
    steps: u32,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { rules: RULES, steps: STEPS }
    }
}

/// The local starts of an event between two moments, in order; also the first, whatever the rule
/// says, as RFC 5545 §3.8.5.3 has it.
///
/// # Errors
/// Why the rule is not followed.
pub(super) fn starts(
    first: When,
    rules: &[&str],
    zone: &TimeZone,
    (from, until): (Timestamp, Timestamp),
    budget: &mut Budget,
) -> Result<Vec<DateTime>, String> {
    let utc = TimeZone::UTC;
    let zone = if first.utc { &utc } else { zone };
    let mut starts = vec![first.local];
    let stamp = stamp(first.local).ok_or("its start is no date that is reckoned with")?;
    for rule in rules {
        let rule = checked(rule, first, zone)?;
        let rule: RRule<Unvalidated> = rule
            .parse()
            .map_err(|error| format!("its rule `{rule}` is not understood: {error}"))?;
        let set: RRuleSet =
            rule.build(stamp).map_err(|error| format!("its rule is not followed: {error}"))?;
        let day = SignedDuration::from_hours(24);
        let local = |moment: Timestamp| zone.to_datetime(moment);
        let bounds = [from.checked_sub(day), until.checked_add(day)];
        let [Ok(from), Ok(until)] = bounds else { continue };
        let (Some(from), Some(until)) = (self::stamp(local(from)), self::stamp(local(until)))
        else {
            continue;
        };
        starts.extend(follow(&set.limit(), from, until, budget)?);
    }
    starts.sort_unstable();
    starts.dedup();
    Ok(starts)
}

/// The occurrences of a rule between two moments.
fn follow(
    set: &RRuleSet,
    from: Stamp<Tz>,
    until: Stamp<Tz>,
    budget: &mut Budget,
) -> Result<Vec<DateTime>, String> {
    let too_many = || "its rule goes through more days than are followed".to_owned();
    let most = STEPS_OF_RULE.min(budget.steps);
    if most == 0 {
        return Err(too_many());
    }
    budget.rules = budget
        .rules
        .checked_sub(1)
        .ok_or_else(|| format!("the rules beyond the first {RULES} are not followed"))?;
    let mut found = Vec::new();
    let (mut steps, mut never) = (0, true);
    for occurrence in set {
        never = false;
        if occurrence > until {
            break;
        }
        steps += 1;
        if steps > most {
            budget.steps -= most;
            return Err(too_many());
        }
        if occurrence >= from {
            found.extend(civil(&occurrence));
        }
    }
    let cost = if never { STEPS_OF_NEVER } else { steps };
    budget.steps = budget.steps.saturating_sub(cost);
    if never { Err("its rule names no day that ever comes".to_owned()) } else { Ok(found) }
}

/// A rule that the crate is trusted with: nothing more often than daily, and its end on the local
/// clock.
fn checked(rule: &str, first: When, zone: &TimeZone) -> Result<String, String> {
    if rule.len() > LONGEST {
        return Err("its rule is longer than any that people make".to_owned());
    }
    let mut parts = Vec::new();
    for part in rule.split(';').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` in its rule"))?;
        let key = key.trim().to_ascii_uppercase();
        let value = value.trim().to_ascii_uppercase();
        match key.as_str() {
            "FREQ" if !matches!(value.as_str(), "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY") => {
                return Err(format!("it would happen {}", value.to_ascii_lowercase()));
            }
            "BYSECOND" | "BYMINUTE" | "BYHOUR" | "BYEASTER" => {
                return Err(format!("{key} in its rule is not followed"));
            }
            "UNTIL" => {
                let until = When::parse(&value).ok_or_else(|| format!("`{value}` in its rule"))?;
                let local = match (until.all_day, until.utc) {
                    // A date alone is meant with the whole day.
                    (true, _) => until.local.date().at(23, 59, 59, 0),
                    (false, true) if !first.utc => {
                        let moment = moment(until.local, &TimeZone::UTC);
                        moment.map_or(until.local, |moment| zone.to_datetime(moment))
                    }
                    (false, _) => until.local,
                };
                parts.push(format!("UNTIL={}Z", local.strftime("%Y%m%dT%H%M%S")));
            }
            _ => parts.push(format!("{key}={value}")),
        }
    }
    Ok(parts.join(";"))
}

/// A local time as the crate wants it: called UTC, whatever it is.
fn stamp(local: DateTime) -> Option<Stamp<Tz>> {
    let two = |n: i8| u32::try_from(n).unwrap_or_default();
    Tz::UTC
        .with_ymd_and_hms(
            local.year().into(),
            two(local.month()),
            two(local.day()),
            two(local.hour()),
            two(local.minute()),
            two(local.second()),
        )
        .single()
}

fn civil(stamp: &Stamp<Tz>) -> Option<DateTime> {
    let two = |n: u32| i8::try_from(n).unwrap_or_default();
    let date =
        Date::new(i16::try_from(stamp.year()).ok()?, two(stamp.month()), two(stamp.day())).ok()?;
    let time = Time::new(two(stamp.hour()), two(stamp.minute()), two(stamp.second()), 0).ok()?;
    Some(date.to_datetime(time))
}
