//! Events → sessions: when they happen, who takes part, which are moved and which cancelled.
//!
//! 1. Of several versions of an event, or of one occurrence, the newest counts (RFC 5545 §3.8.7.4).
//! 2. A changed occurrence takes the place of the one that it names by `RECURRENCE-ID`; with
//!    `RANGE=THISANDFUTURE` also that of all later ones, moved by as much as it is (§3.2.13).
//! 3. What is not followed is told, and takes nothing else away.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use icalendar::parser::{Component, Property};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use unicode_normalization::UnicodeNormalization as _;

use super::ics::{parameter, parse, property, text, unfolded};
use super::recur::{Budget, When, moment, starts};
use super::said::Said;
use super::zone::Zones;
use super::{CalendarError, CalendarSettings, fingerprint};
use crate::model::{Session, SessionId, Topology, is_unseen};

/// Most events of one calendar and most sessions made of them.
const EVENTS: usize = 5_000;
/// How far back and how far ahead sessions are known.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Troubles that are listed at most.
const TROUBLES: usize = 20;
/// Most dates that one event adds or excepts.
const DATES: usize = 1_000;

/// What a calendar holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Its sessions near `now`, by start.
    pub sessions: Vec<Arc<Session>>,
    /// What in it is not followed, in words, as many as are listed; the sessions are known all the
    /// same.
    pub troubles: Vec<String>,
    /// How many such things there are, also those that are not listed.
    pub troubled: usize,
}

impl Read {
    /// What is not followed, a line each; the last says how many things are not listed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let untold = self.troubled.saturating_sub(self.troubles.len());
        let more = (untold > 0).then(|| format!("and {untold} more"));
        self.troubles.iter().cloned().chain(more).collect()
    }
}

/// Reads a calendar as it is at `now`.
///
/// # Errors
/// Why it is no calendar; whatever was known before should then stay.
pub fn sessions(
    bytes: &[u8],
    calendar: &CalendarSettings,
    topology: &Topology,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Read, CalendarError> {
    let unfolded = unfolded(bytes)?;
    let (properties, components) = parse(&unfolded)?;
    let mut reader = Reader {
        calendar,
        topology,
        zones: Zones::new(&properties, &components, zone),
        from: now.checked_sub(BACK).unwrap_or(Timestamp::MIN),
        until: now.checked_add(AHEAD).unwrap_or(Timestamp::MAX),
        budget: Budget::new(),
        ids: BTreeSet::new(),
        read: Read::default(),
    };
    // A calendar that only calls events off (RFC 5546 §3.2.5) has none left.
    let calls_off = text(&properties, "METHOD").is_some_and(|it| it.eq_ignore_ascii_case("CANCEL"));
    if !calls_off {
        reader.events(&components);
    }
    let mut read = reader.read;
    read.sessions.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    Ok(read)
}

/// One event or one changed occurrence of it, the newest version that there is.
struct Event<'a> {
    of: &'a [Property<'a>],
    start: When,
    zone: TimeZone,
    length: Length,
    cancelled: bool,
}

impl Event<'_> {
    /// Rule 1.
    fn is_newer(&self, than: Option<&Self>) -> bool {
        than.is_none_or(|old| version(old.of) <= version(self.of))
    }
}

/// How long an event lasts.
#[derive(Clone, Copy)]
enum Length {
    /// As days pass on the local clock.
    Days(i64),
    Exact(SignedDuration),
}

/// The versions of one event that count.
#[derive(Default)]
struct Series<'a> {
    whole: Option<Event<'a>>,
    /// Single occurrences that are changed, by when they were to begin.
    changed: BTreeMap<Timestamp, Event<'a>>,
    /// Changes of all occurrences from one on, by when that was to begin.
    onwards: BTreeMap<Timestamp, Event<'a>>,
}

/// What of its series an event changes.
enum Changes {
    Whole,
    One(Timestamp),
    Onwards(Timestamp),
}

/// Dates that an event lists.
#[derive(Default)]
struct Dates {
    moments: BTreeSet<Timestamp>,
    days: BTreeSet<Date>,
}

struct Reader<'a> {
    calendar: &'a CalendarSettings,
    topology: &'a Topology,
    zones: Zones<'a>,
    from: Timestamp,
    until: Timestamp,
    budget: Budget,
    /// The ids that were given.
    ids: BTreeSet<SessionId>,
    read: Read,
}

impl Reader<'_> {
    fn trouble(&mut self, of: &[Property<'_>], what: impl std::fmt::Display) {
        let start = text(of, "DTSTART").unwrap_or("no start");
        let told = format!("event `{}` ({start}): {what}", title(of));
        // One that recurs says the same of each day.
        if self.read.troubles.contains(&told) {
            return;
        }
        self.read.troubled += 1;
        if self.read.troubles.len() < TROUBLES {
            self.read.troubles.push(told);
        }
    }

    fn events(&mut self, components: &[Component<'_>]) {
        let events = components.iter().filter(|it| it.name.as_str().eq_ignore_ascii_case("VEVENT"));
        let mut all: BTreeMap<String, Series<'_>> = BTreeMap::new();
        for (n, component) in events.enumerate() {
            let of = component.properties.as_slice();
            if n >= EVENTS {
                let what = format!("it and all after it are beyond the {EVENTS} that are read");
                self.trouble(of, what);
                break;
            }
            let read = self.event(of).and_then(|event| Ok((self.changes(of, &event)?, event)));
            let (changes, event) = match read {
                Ok(read) => read,
                Err(why) => {
                    self.trouble(of, why);
                    continue;
                }
            };
            let uid = text(of, "UID").unwrap_or_else(|| title_raw(of)).to_owned();
            let series = all.entry(uid).or_default();
            match changes {
                Changes::Whole if event.is_newer(series.whole.as_ref()) => {
                    series.whole = Some(event);
                }
                Changes::One(which) if event.is_newer(series.changed.get(&which)) => {
                    series.changed.insert(which, event);
                }
                Changes::Onwards(which) if event.is_newer(series.onwards.get(&which)) => {
                    series.onwards.insert(which, event);
                }
                _ => {}
            }
        }
        for (uid, series) in all {
            self.series(&uid, &series);
        }
    }

    /// Reads when an event is, once.
    fn event<'b>(&self, of: &'b [Property<'b>]) -> Result<Event<'b>, String> {
        let start = property(of, "DTSTART").ok_or("it has no start")?;
        let (start, zone) = self.when(start)?;
        let cancelled = text(of, "STATUS").is_some_and(|it| it.eq_ignore_ascii_case("CANCELLED"));
        let length = match (property(of, "DTEND"), text(of, "DURATION")) {
            (Some(end), _) => {
                let (end, end_zone) = self.when(end)?;
                if start.all_day {
                    let days =
                        end.local.date().since(start.local.date()).map_or(0, |s| s.get_days());
                    Length::Days(i64::from(days))
                } else {
                    let end = end.moment(&end_zone).ok_or("its end is no moment")?;
                    let start = start.moment(&zone).ok_or("its start is no moment")?;
                    Length::Exact(end.duration_since(start))
                }
            }
            (None, Some(duration)) => {
                let span: jiff::Span =
                    duration.parse().map_err(|_| format!("`{duration}` is no duration"))?;
                let days = jiff::SpanRelativeTo::days_are_24_hours();
                Length::Exact(span.to_duration(days).map_err(|error| error.to_string())?)
            }
            (None, None) if start.all_day => Length::Days(1),
            (None, None) if cancelled => Length::Exact(SignedDuration::from_hours(1)),
            (None, None) => return Err("it has no end".to_owned()),
        };
        Ok(Event { of, start, zone, length, cancelled })
    }

    /// A date or time and the zone that it is in.
    fn when(&self, of: &Property<'_>) -> Result<(When, TimeZone), String> {
        let written = of.val.as_str();
        let when = When::parse(written).ok_or_else(|| format!("`{written}` is no date or time"))?;
        let zone = match parameter(of, "TZID") {
            Some(id) if !when.utc => {
                self.zones.find(id).ok_or_else(|| format!("nobody knows the time zone `{id}`"))?
            }
            _ if when.utc => TimeZone::UTC,
            _ => self.zones.usual.clone(),
        };
        Ok((when, zone))
    }

    /// What of its series an event changes.
    fn changes(&self, of: &[Property<'_>], event: &Event<'_>) -> Result<Changes, String> {
        let Some(which) = property(of, "RECURRENCE-ID") else { return Ok(Changes::Whole) };
        let (when, zone) = self.when(which)?;
        // A date alone, or a local time without a zone, is meant as the series is.
        let zone =
            if parameter(which, "TZID").is_none() && !when.utc { event.zone.clone() } else { zone };
        let at = when.moment(&zone).ok_or("its RECURRENCE-ID is no moment")?;
        match parameter(which, "RANGE") {
            None => Ok(Changes::One(at)),
            Some(range) if range.eq_ignore_ascii_case("THISANDFUTURE") => Ok(Changes::Onwards(at)),
            Some(range) => Err(format!("a change of the range {range} is not followed")),
        }
    }

    fn series(&mut self, uid: &str, series: &Series<'_>) {
        let whole = series.whole.as_ref();
        if let Some(whole) = whole.filter(|whole| !whole.cancelled) {
            let repeats = whole.of.iter().any(|p| matches!(p.name.as_str(), "RRULE" | "RDATE"));
            for start in self.starts(whole) {
                let Some(at) = moment(start, &whole.zone) else { continue };
                if series.changed.contains_key(&at) {
                    continue;
                }
                let until_then = (Unbounded, Included(at));
                match series.onwards.range(until_then).next_back() {
                    None => {
                        let id = self.id(uid, whole, repeats.then_some(start));
                        self.add(whole, id, start);
                    }
                    Some((_, changed)) if changed.cancelled => {}
                    Some((from, changed)) => {
                        let id = self.id(uid, changed, Some(start));
                        match moved(changed, *from, at) {
                            Some(start) => self.add(changed, id, start),
                            None => self.trouble(changed.of, "it is moved to where no time is"),
                        }
                    }
                }
            }
        } else if whole.is_none() {
            for (_, changed) in series.onwards.iter().filter(|(_, it)| !it.cancelled) {
                let what = "the series that it changes is not in the calendar; it is known once";
                self.trouble(changed.of, what);
            }
        }
        let alone = series.onwards.iter().filter(|_| whole.is_none());
        for (which, changed) in series.changed.iter().chain(alone) {
            if changed.cancelled {
                continue;
            }
            // Its id stays that of the day that it was to be on.
            let zone = whole.map_or(&changed.zone, |whole| &whole.zone);
            let id = self.id(uid, changed, Some(zone.to_datetime(*which)));
            self.add(changed, id, changed.start.local);
        }
    }

    /// The local starts of an event that are not excepted.
    fn starts(&mut self, event: &Event<'_>) -> Vec<DateTime> {
        let rules: Vec<&str> = named(event.of, "RRULE").map(|rule| rule.val.as_str()).collect();
        let near = (self.from, self.until);
        let found = starts(event.start, &rules, &event.zone, near, &mut self.budget);
        let mut found = found.unwrap_or_else(|why| {
            self.trouble(event.of, format!("{why}; only its first occurrence is known"));
            vec![event.start.local]
        });
        if named(event.of, "EXRULE").next().is_some() {
            self.trouble(event.of, "EXRULE is not followed: what it excepts is known as well");
        }
        let more = self.dates(event, "RDATE");
        let less = self.dates(event, "EXDATE");
        found.extend(more.moments.into_iter().map(|moment| event.zone.to_datetime(moment)));
        let clock = event.start.local.time();
        found.extend(more.days.into_iter().map(|day| day.to_datetime(clock)));
        found.retain(|start| {
            let at = moment(*start, &event.zone);
            let excepted = at.is_some_and(|moment| less.moments.contains(&moment));
            !excepted && !less.days.contains(&start.date())
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The dates that the properties of a name list.
    fn dates(&mut self, event: &Event<'_>, name: &'static str) -> Dates {
        let mut dates = Dates::default();
        let listed = named(event.of, name)
            .flat_map(|property| property.val.as_str().split(',').map(move |one| (property, one)));
        for (n, (property, one)) in listed.enumerate() {
            if n >= DATES {
                self.trouble(event.of, format!("beyond the {DATES} dates of {name} that are read"));
                break;
            }
            let one = match one.split_once('/') {
                Some((start, _)) => {
                    let what = "how long a period of RDATE lasts is not followed";
                    self.trouble(event.of, what);
                    start
                }
                None => one,
            };
            let zone = match parameter(property, "TZID") {
                Some(id) => self.zones.find(id),
                None => Some(event.zone.clone()),
            };
            let when = When::parse(one);
            match (when, zone) {
                (Some(when), _) if when.all_day => {
                    dates.days.insert(when.local.date());
                }
                (Some(when), Some(zone)) => dates.moments.extend(when.moment(&zone)),
                (Some(_), None) => {
                    self.trouble(event.of, format!("nobody knows the time zone of {name}"));
                }
                (None, _) => self.trouble(event.of, format!("`{one}` in {name} is no date")),
            }
        }
        dates
    }

    /// The id of a session: what the event says, or one that stays the same as long as its UID
    /// does; with the day for one of a series.
    fn id(&self, uid: &str, event: &Event<'_>, day: Option<DateTime>) -> String {
        let said = Said::by(event.of, self.calendar, self.topology);
        let mut id = said.id().unwrap_or_else(|| {
            format!("{}-{:08x}", self.calendar.name, fingerprint(uid.as_bytes()))
        });
        if let Some(day) = day {
            id += &day.strftime("-%Y%m%d").to_string();
        }
        id
    }

    fn add(&mut self, event: &Event<'_>, id: String, local: DateTime) {
        let of = event.of;
        let said = Said::by(of, self.calendar, self.topology);
        if !said.is_wanted() {
            return;
        }
        let Some(start) = moment(local, &event.zone) else { return };
        let end = match event.length {
            Length::Days(days) => {
                local.checked_add(days.days()).ok().and_then(|end| moment(end, &event.zone))
            }
            Length::Exact(length) => start.checked_add(length).ok(),
        };
        let Some(end) = end else { return };
        if end <= self.from || start >= self.until {
            return;
        }
        let length = end.duration_since(start);
        if length <= SignedDuration::ZERO || length.unsigned_abs() > Session::LONGEST {
            let what = if length > SignedDuration::ZERO {
                "it lasts longer than 7 days"
            } else {
                "it ends when it starts"
            };
            self.trouble(of, what);
            return;
        }
        if self.read.sessions.len() >= EVENTS {
            self.trouble(of, format!("beyond the {EVENTS} sessions that are known"));
            return;
        }
        let id = SessionId::new(id);
        if !self.ids.insert(id.clone()) {
            self.trouble(of, format!("another event is the session `{id}` already"));
            return;
        }
        let mut troubles = Vec::new();
        let (sites, importance) = (said.sites(&mut troubles), said.importance(&mut troubles));
        for what in troubles {
            self.trouble(of, what);
        }
        self.read.sessions.push(Arc::new(Session {
            id,
            title: title(of),
            start,
            end,
            importance,
            sites,
        }));
    }
}

/// When an occurrence begins that was to begin at `at`, by a change of all from `from` on: as much
/// later on the clock as the changed one is.
fn moved(changed: &Event<'_>, from: Timestamp, at: Timestamp) -> Option<DateTime> {
    let local = |moment: Timestamp| changed.zone.to_datetime(moment);
    let by = local(from).duration_until(changed.start.local);
    local(at).checked_add(by).ok()
}

/// The properties of a name.
fn named<'b>(of: &'b [Property<'b>], name: &'static str) -> impl Iterator<Item = &'b Property<'b>> {
    of.iter().filter(move |property| property.name.as_str().eq_ignore_ascii_case(name))
}

fn title_raw<'b>(of: &'b [Property<'_>]) -> &'b str {
    text(of, "SUMMARY").unwrap_or("?")
}

/// What people call an event, on one line that is safe to show.
fn title(of: &[Property<'_>]) -> String {
    let plain = title_raw(of).nfc().map(|c| if c.is_whitespace() { ' ' } else { c });
    let plain: String = plain.filter(|c| !is_unseen(*c)).take(200).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { "?".to_owned() } else { plain }
}

/// What makes one version of an event newer than another (RFC 5545 §3.8.7.4).
fn version(of: &[Property<'_>]) -> (i64, String) {
    let sequence = text(of, "SEQUENCE").and_then(|n| n.trim().parse().ok()).unwrap_or(0);
    (sequence, text(of, "DTSTAMP").unwrap_or_default().to_owned())
}
