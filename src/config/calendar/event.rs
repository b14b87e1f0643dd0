//! Events → sessions: when they happen, who takes part, which are moved and which cancelled.
//!
//! What an event says of itself stands in its description, one line each, and in its categories:
//!
//! ```text
//! sites: commune, ba-be+, song-cau, -so-tai-chinh     (or: điểm cầu: …)
//! delegates: 40, district 90, bac-kan 260            (or: đại biểu: …)
//! session: hdnd-2026-12                              (its id; else one is made of its UID)
//! importance: high
//! ```
//! A word is `all`, a level, a site's id or its name; `+` behind a site means everything
//! below it as well, `-` in front takes away. Categories that name a level or a site add
//! to the sites. What is not understood is told, and the event is still a session.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use icalendar::parser::{Component, Property};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use unicode_normalization::UnicodeNormalization as _;

use super::Calendar;
use super::ics::{parameter, parse, property, text, unfolded};
use super::recur::{When, moment, starts};
use super::zone::Zones;
use crate::config::diagnostic::unseen;
use crate::config::hint::slug;
use crate::config::names::reading;
use crate::model::{Importance, Session, SessionId, SiteIx, Topology};

/// Most events of one calendar and most sessions made of them.
const EVENTS: usize = 5_000;
/// Longest session, as in `sessions.yaml`.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How far back and how far ahead sessions are known.
const BACK: SignedDuration = SignedDuration::from_hours(7 * 24);
const AHEAD: SignedDuration = SignedDuration::from_hours(400 * 24);
/// Troubles that are listed at most.
const TROUBLES: usize = 20;
/// Most delegates at one site.
const DELEGATES: u32 = 100_000;

/// What a calendar holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Read {
    /// Its sessions near `now`, by start.
    pub sessions: Vec<Arc<Session>>,
    /// What in it was not understood, in words; the sessions are known all the same.
    pub troubles: Vec<String>,
}

/// Reads a calendar as it is at `now`.
///
/// # Errors
/// Why it is no calendar; whatever was known before should then stay.
pub fn sessions(
    bytes: &[u8],
    calendar: &Calendar,
    topology: &Topology,
    zone: &TimeZone,
    now: Timestamp,
) -> Result<Read, String> {
    let unfolded = unfolded(bytes)?;
    let (properties, components) = parse(&unfolded)?;
    let mut reader = Reader {
        calendar,
        topology,
        zones: Zones::new(&properties, &components, zone),
        from: now.checked_sub(BACK).unwrap_or(Timestamp::MIN),
        until: now.checked_add(AHEAD).unwrap_or(Timestamp::MAX),
        read: Read::default(),
        untold: 0,
    };
    // A calendar that only calls events off (RFC 5546 §3.2.5) has none left.
    let calls_off = text(&properties, "METHOD").is_some_and(|it| it.eq_ignore_ascii_case("CANCEL"));
    if !calls_off {
        reader.events(&components);
    }
    let Reader { mut read, untold, .. } = reader;
    if untold > 0 {
        read.troubles.push(format!("and {untold} more"));
    }
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

/// How long an event lasts.
#[derive(Clone, Copy)]
enum Length {
    /// As days pass on the local clock.
    Days(i64),
    Exact(SignedDuration),
}

struct Reader<'a> {
    calendar: &'a Calendar,
    topology: &'a Topology,
    zones: Zones<'a>,
    from: Timestamp,
    until: Timestamp,
    read: Read,
    untold: usize,
}

impl Reader<'_> {
    fn trouble(&mut self, of: &[Property<'_>], what: impl std::fmt::Display) {
        if self.read.troubles.len() >= TROUBLES {
            self.untold += 1;
            return;
        }
        let start = text(of, "DTSTART").unwrap_or("no start");
        self.read.troubles.push(format!("event `{}` ({start}): {what}", title(of)));
    }

    fn events(&mut self, components: &[Component<'_>]) {
        let events = components.iter().filter(|it| it.name.as_str().eq_ignore_ascii_case("VEVENT"));
        // By identity and, for a changed occurrence, the moment that it was to begin.
        let mut series: BTreeMap<String, BTreeMap<Option<Timestamp>, Event<'_>>> = BTreeMap::new();
        for (n, component) in events.enumerate() {
            let of = component.properties.as_slice();
            if n >= EVENTS {
                self.trouble(
                    of,
                    format!("it and all after it are beyond the {EVENTS} that are read"),
                );
                break;
            }
            match self.event(of) {
                Ok(event) => {
                    let uid = text(of, "UID").unwrap_or_else(|| title_raw(of)).to_owned();
                    let occurrence = match self.occurrence(of, &event) {
                        Ok(occurrence) => occurrence,
                        Err(why) => {
                            self.trouble(of, why);
                            continue;
                        }
                    };
                    let versions = series.entry(uid).or_default();
                    let newer =
                        versions.get(&occurrence).is_none_or(|old| version(old.of) <= version(of));
                    if newer {
                        versions.insert(occurrence, event);
                    }
                }
                Err(why) => self.trouble(of, why),
            }
        }
        for (uid, versions) in series {
            self.series(&uid, &versions);
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

    /// Which occurrence of its series an event changes.
    fn occurrence(
        &self,
        of: &[Property<'_>],
        event: &Event<'_>,
    ) -> Result<Option<Timestamp>, String> {
        let Some(which) = property(of, "RECURRENCE-ID") else { return Ok(None) };
        if parameter(which, "RANGE").is_some() {
            return Err("a change of this and all later occurrences is not followed".to_owned());
        }
        let (when, zone) = self.when(which)?;
        // A date alone, or a local time without a zone, is meant as the series is.
        let zone =
            if parameter(which, "TZID").is_none() && !when.utc { event.zone.clone() } else { zone };
        when.moment(&zone).map(Some).ok_or_else(|| "its RECURRENCE-ID is no moment".to_owned())
    }

    fn series(&mut self, uid: &str, versions: &BTreeMap<Option<Timestamp>, Event<'_>>) {
        if let Some(whole) = versions.get(&None)
            && !whole.cancelled
        {
            let repeats = whole.of.iter().any(|p| matches!(p.name.as_str(), "RRULE" | "RDATE"));
            for start in self.starts(whole) {
                let Some(at) = moment(start, &whole.zone) else { continue };
                if !versions.contains_key(&Some(at)) {
                    let id = self.id(uid, whole, repeats.then_some(start));
                    self.add(whole, id, start);
                }
            }
        }
        for (which, changed) in versions {
            let Some(which) = which.filter(|_| !changed.cancelled) else { continue };
            // Its id stays that of the day that it was to be on.
            let zone = versions.get(&None).map_or(&changed.zone, |whole| &whole.zone);
            let id = self.id(uid, changed, Some(zone.to_datetime(which)));
            self.add(changed, id, changed.start.local);
        }
    }

    /// The local starts of an event that are not excepted.
    fn starts(&mut self, event: &Event<'_>) -> Vec<DateTime> {
        let values = |name: &str| -> Vec<&Property<'_>> {
            event.of.iter().filter(|p| p.name.as_str().eq_ignore_ascii_case(name)).collect()
        };
        let rules: Vec<&str> = values("RRULE").iter().map(|rule| rule.val.as_str()).collect();
        let mut found = match starts(event.start, &rules, &event.zone, self.from, self.until) {
            Ok(found) => found,
            Err(why) => {
                self.trouble(event.of, format!("{why}; only its first occurrence is known"));
                vec![event.start.local]
            }
        };
        let mut dates = |name: &str| -> (Vec<Timestamp>, Vec<jiff::civil::Date>) {
            let (mut moments, mut days) = (Vec::new(), Vec::new());
            for property in values(name) {
                for one in property.val.as_str().split(',') {
                    // A period begins with its start.
                    let one = one.split('/').next().unwrap_or_default();
                    let zone = match parameter(property, "TZID") {
                        Some(id) => self.zones.find(id),
                        None => Some(event.zone.clone()),
                    };
                    match (When::parse(one), zone) {
                        (Some(when), _) if when.all_day => days.push(when.local.date()),
                        (Some(when), Some(zone)) => moments.extend(when.moment(&zone)),
                        _ => {
                            let what = format!("`{one}` in {name} is no date");
                            if self.read.troubles.len() < TROUBLES {
                                let text = format!("event `{}`: {what}", title(event.of));
                                self.read.troubles.push(text);
                            }
                        }
                    }
                }
            }
            (moments, days)
        };
        let (more, more_days) = dates("RDATE");
        let (less, less_days) = dates("EXDATE");
        found.extend(more.into_iter().take(1000).map(|moment| event.zone.to_datetime(moment)));
        let clock = event.start.local.time();
        found.extend(more_days.into_iter().take(1000).map(|day| day.to_datetime(clock)));
        found.retain(|start| {
            let excepted = moment(*start, &event.zone).is_some_and(|moment| less.contains(&moment));
            !excepted && !less_days.contains(&start.date())
        });
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The id of a session: what the event says, or one that stays the same as long as its UID
    /// does; with the day for one of a series.
    fn id(&self, uid: &str, event: &Event<'_>, day: Option<DateTime>) -> String {
        let said =
            notes(event.of).remove("session").map(|id| slug(&id)).filter(|id| !id.is_empty());
        let mut id: String = match said {
            Some(id) => id.chars().take(50).collect(),
            None => format!("{}-{:08x}", self.calendar.name, fingerprint(uid)),
        };
        if let Some(day) = day {
            id += &day.strftime("-%Y%m%d").to_string();
        }
        id
    }

    fn add(&mut self, event: &Event<'_>, id: String, local: DateTime) {
        let of = event.of;
        if let Some(wanted) = &self.calendar.category
            && !categories(of).iter().any(|category| reading(category) == reading(wanted))
        {
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
        if length <= SignedDuration::ZERO || length > LONGEST {
            let what = if length > LONGEST {
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
        let sites = self.sites(of);
        let importance = match notes(of).get("importance").map(String::as_str) {
            Some("low") => Importance::Low,
            Some("normal") => Importance::Normal,
            Some("high") => Importance::High,
            _ => self.calendar.importance,
        };
        let id = SessionId::new(id);
        self.read.sessions.push(Arc::new(Session {
            id,
            title: title(of),
            start,
            end,
            importance,
            sites,
        }));
    }

    /// Who takes part, with how many delegates.
    fn sites(&mut self, of: &[Property<'_>]) -> BTreeMap<SiteIx, u32> {
        let notes = notes(of);
        let mut sites: BTreeSet<SiteIx> = BTreeSet::new();
        let mut named = false;
        for category in categories(of) {
            if let Some(found) = find(self.topology, &category) {
                named = true;
                sites.extend(found);
            }
        }
        if let Some(line) = notes.get("sites") {
            let words: Vec<&str> =
                line.split([',', ';']).map(str::trim).filter(|w| !w.is_empty()).collect();
            let (less, more): (Vec<&str>, Vec<&str>) =
                words.into_iter().partition(|word| word.starts_with('-'));
            if more.is_empty() && !named {
                sites.extend(&self.calendar.sites);
            }
            named = true;
            for word in more {
                match find(self.topology, word) {
                    Some(found) => sites.extend(found),
                    None => self.trouble(of, format!("there is no level or site `{word}`")),
                }
            }
            for word in less {
                match find(self.topology, word.trim_start_matches('-').trim()) {
                    Some(found) => sites.retain(|site| !found.contains(site)),
                    None => self.trouble(of, format!("there is no level or site `{word}`")),
                }
            }
        }
        if !named || sites.is_empty() {
            sites.clone_from(&self.calendar.sites);
        }
        let mut figures: BTreeMap<SiteIx, u32> =
            sites.iter().map(|site| (*site, self.calendar.delegates)).collect();
        let line = notes.get("delegates").cloned().unwrap_or_default();
        for word in line.split([',', ';']).map(str::trim).filter(|word| !word.is_empty()) {
            let (who, figure) = word.rsplit_once([' ', ':', '=']).unwrap_or(("", word));
            let figure = figure.trim().parse::<u32>().ok().filter(|figure| *figure <= DELEGATES);
            let who = who.trim().trim_end_matches([':', '=']);
            let whom = if who.is_empty() { Some(sites.clone()) } else { find(self.topology, who) };
            match (figure, whom) {
                (Some(figure), Some(whom)) => {
                    for site in whom {
                        figures.entry(site).and_modify(|now| *now = figure);
                    }
                }
                _ => self.trouble(of, format!("`{word}` is no number of delegates")),
            }
        }
        figures
    }
}

/// The sites that a word names.
fn find(topology: &Topology, word: &str) -> Option<BTreeSet<SiteIx>> {
    let word = word.trim();
    if word == "all" || reading(word) == reading("tất cả") {
        return Some(topology.site_ixs().collect());
    }
    let (word, below) = match word.strip_suffix('+') {
        Some(word) => (word.trim(), true),
        None => (word, false),
    };
    let level = topology.level_ixs().find(|level| {
        let level = &topology.levels[level.ix()];
        level.id.as_str() == word
            || reading(&level.name.vi) == reading(word)
            || reading(&level.name.en) == reading(word)
    });
    if let Some(level) = level {
        return Some(
            topology.site_ixs().filter(|site| topology.site(*site).level == level).collect(),
        );
    }
    let mut called = topology.site_ixs().filter(|site| {
        let site = topology.site(*site);
        site.id.as_str() == word || reading(&site.name) == reading(word)
    });
    let site = called.next().filter(|_| called.next().is_none())?;
    Some(if below { topology.subtree(site).into_iter().collect() } else { BTreeSet::from([site]) })
}

/// The lines `key: value` of a description whose keys mean something, in lower case.
fn notes(of: &[Property<'_>]) -> BTreeMap<&'static str, String> {
    const KEYS: &[(&str, &str)] = &[
        ("sites", "sites"),
        ("điểm cầu", "sites"),
        ("delegates", "delegates"),
        ("đại biểu", "delegates"),
        ("session", "session"),
        ("mã phiên", "session"),
        ("importance", "importance"),
    ];
    let mut notes = BTreeMap::new();
    for line in text(of, "DESCRIPTION").unwrap_or_default().split('\n').take(500) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let known = KEYS.iter().find(|(name, _)| reading(name) == reading(key));
        if let Some((_, key)) = known {
            notes.insert(*key, value.trim().nfc().collect::<String>());
        }
    }
    notes
}

fn categories(of: &[Property<'_>]) -> Vec<String> {
    of.iter()
        .filter(|property| property.name.as_str().eq_ignore_ascii_case("CATEGORIES"))
        .flat_map(|property| property.val.as_str().split(','))
        .map(|category| category.trim().replace('\\', ""))
        .filter(|category| !category.is_empty())
        .take(50)
        .collect()
}

fn title_raw<'b>(of: &'b [Property<'_>]) -> &'b str {
    text(of, "SUMMARY").unwrap_or("?")
}

/// What people call an event, on one line that is safe to show.
fn title(of: &[Property<'_>]) -> String {
    let plain = title_raw(of).nfc().map(|c| if c.is_whitespace() { ' ' } else { c });
    let plain: String = plain.filter(|c| !unseen(*c)).take(200).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    if plain.is_empty() { "?".to_owned() } else { plain }
}

/// What makes one version of an event newer than another (RFC 5545 §3.8.7.4).
fn version(of: &[Property<'_>]) -> (i64, String) {
    let sequence = text(of, "SEQUENCE").and_then(|n| n.trim().parse().ok()).unwrap_or(0);
    (sequence, text(of, "DTSTAMP").unwrap_or_default().to_owned())
}

/// A short name for a long UID (FNV-1a, 32 bits).
fn fingerprint(uid: &str) -> u32 {
    uid.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
