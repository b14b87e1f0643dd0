//! `sessions.yaml`: the calendar, who takes part and with how many delegates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::defaults;
use super::diagnostic::Findings;
use super::read::{Defined, Fields, duration, id, line, list, whole, word};
use super::sites::Province;
use super::vchealth::time_zone;
use super::yaml::{Node, Value, brief};
use crate::model::{Importance, LevelIx, Session, SessionId, SiteIx};

/// Most delegates at one site.
pub(super) const DELEGATES: u32 = 100_000;
/// Most sessions.
const SESSIONS: usize = 10_000;

/// Reads the file. Without a province, because its file could not be read, no names are looked up.
pub(super) fn read(
    node: &Node,
    province: Option<&Province>,
    zone: &TimeZone,
    out: &Findings,
) -> Vec<Arc<Session>> {
    if node.is_nothing() {
        let hint = "write `sessions: []` if there are none".to_owned();
        out.hint(node.span, "the file is empty", hint);
        return Vec::new();
    }
    let Some(mut file) = Fields::of_file(node, out) else { return Vec::new() };
    let written = file.need("sessions", list).unwrap_or_default();
    file.end();
    if let Some(extra) = written.get(SESSIONS) {
        out.say(extra.span, format!("more than {SESSIONS} sessions"));
    }
    let mut ids = Defined::new("session");
    let mut sessions: Vec<Arc<Session>> = written
        .iter()
        .take(SESSIONS)
        .filter_map(|node| session(node, province, zone, &mut ids, out))
        .map(Arc::new)
        .collect();
    sessions.sort_by(|a, b| (a.start, &a.id).cmp(&(b.start, &b.id)));
    sessions
}

fn session(
    node: &Node,
    province: Option<&Province>,
    zone: &TimeZone,
    ids: &mut Defined<()>,
    out: &Findings,
) -> Option<Session> {
    let mut fields = Fields::of(node, "a session", out)?;
    let id = fields.need("id", id);
    let span = fields.at("id");
    let id = id.filter(|id| ids.add(id, span, (), out));
    let title = fields.need("title", line(200));
    let zone = fields.read("time_zone", zone.clone(), time_zone);
    let start = fields.need("start", |node, out| moment(node, &zone, out));
    let end = end(&mut fields, start, &zone);
    let importances = word(&[
        ("low", Importance::Low),
        ("normal", Importance::Normal),
        ("high", Importance::High),
    ]);
    let importance = fields.read("importance", defaults::IMPORTANCE, importances);
    let sites = fields.need("sites", |node, out| taking_part(node, province, out));
    let delegates = match fields.get("delegates") {
        Some(node) => Delegates::read(node, province, sites.as_ref(), out),
        None => Delegates::default(),
    };
    fields.end();
    let sites = sites?;
    let province = province?;
    let with_delegates = sites.into_iter().map(|site| (site, delegates.at(site, province)));
    Some(Session {
        id: SessionId::new(id?),
        title: title?,
        start: start?,
        end: end?,
        importance,
        sites: with_delegates.collect(),
    })
}

/// The end of a session, as written or by its duration.
fn end(fields: &mut Fields<'_>, start: Option<Timestamp>, zone: &TimeZone) -> Option<Timestamp> {
    let out = fields.out;
    if fields.has("end") && fields.has("duration") {
        let span = fields.at("duration");
        fields.get("end");
        fields.get("duration");
        out.say(span, "a session has either `end` or `duration`, not both");
        return None;
    }
    if let Some(node) = fields.get("duration") {
        let length = duration(Duration::from_mins(1)..=Session::LONGEST)(node, out)?;
        return start?.checked_add(length).ok();
    }
    if fields.has("duration") {
        return None;
    }
    if !fields.has("end") {
        out.say(fields.span, "a session needs `end` or `duration`");
        return None;
    }
    let end = fields.get("end").and_then(|node| moment(node, zone, out))?;
    let length = end.duration_since(start?);
    let at = fields.at("end");
    if length <= SignedDuration::ZERO {
        let what = if length.is_zero() { "when" } else { "before" };
        out.say(at, format!("the session ends {what} it starts"));
        return None;
    }
    if length.unsigned_abs() > Session::LONGEST {
        out.say(at, "the session lasts longer than 7 days");
        return None;
    }
    Some(end)
}

/// A moment: local time in `zone`, or with its own offset.
pub(super) fn moment(node: &Node, zone: &TimeZone, out: &Findings) -> Option<Timestamp> {
    let text = node.scalar().map_or("", |scalar| scalar.text.as_str());
    // A date alone would be midnight, which nobody means.
    let clock = text.contains(':');
    let timestamp = match (text.parse::<Timestamp>(), text.parse::<DateTime>()) {
        (Ok(timestamp), _) if clock => timestamp,
        (_, Ok(local)) if clock => match zone.to_ambiguous_timestamp(local).unambiguous() {
            Ok(timestamp) => timestamp,
            Err(_) => {
                let reason = format!(
                    "`{text}` does not happen, or happens twice, when the clocks of {} change",
                    zone.iana_name().unwrap_or("that zone")
                );
                let hint = format!("add the offset that holds at that moment, like `{text}+07:00`");
                out.hint(node.span, reason, hint);
                return None;
            }
        },
        _ => {
            let (reason, hint) = no_moment(text);
            let reason = reason
                .unwrap_or_else(|| format!("expected a date and a time, found {}", node.found()));
            out.hint(node.span, reason, hint);
            return None;
        }
    };
    let year = zone.to_datetime(timestamp).year();
    if !(2000..2100).contains(&year) {
        out.say(node.span, format!("the year {year} is not between 2000 and 2099"));
        return None;
    }
    Some(timestamp)
}

/// Why a text is no moment, if that can be said more exactly, and how it is to be written: days and
/// hours without a leading zero, and dates as Vietnamese people write them, are recognised.
fn no_moment(text: &str) -> (Option<String>, String) {
    let usual = || (None, "write it like `2026-12-08 08:00`".to_owned());
    let Some((day, clock)) = text.trim().split_once([' ', 'T']) else { return usual() };
    let numbers = |text: &str, between: char| -> Option<Vec<i16>> {
        text.trim().split(between).map(|part| part.parse().ok()).collect()
    };
    let clock = numbers(clock, ':').or_else(|| numbers(clock, 'h'));
    let parts = [numbers(day, '-'), numbers(day, '/'), numbers(day, '.')];
    let day = parts.into_iter().flatten().find(|parts| parts.len() == 3);
    let (Some(day), Some(clock)) = (day, clock) else { return usual() };
    let (year, month, day) =
        if day[0] > 31 { (day[0], day[1], day[2]) } else { (day[2], day[1], day[0]) };
    let (hour, minute) = (clock[0], clock.get(1).copied().unwrap_or_default());
    let small = |n: i16| i8::try_from(n).unwrap_or(-1);
    if let Ok(first) = Date::new(year, small(month), 1)
        && !(1..=i16::from(first.days_in_month())).contains(&day)
    {
        let days = first.days_in_month();
        let reason = format!("there is no such day: month {month} of {year} has {days} days");
        return (Some(reason), usual().1);
    }
    if Date::new(year, small(month), small(day)).is_err() {
        return (Some(format!("there is no month {month}")), usual().1);
    }
    if Time::new(small(hour), small(minute), 0, 0).is_err() {
        return (Some(format!("there is no such time: {hour}:{minute:02}")), usual().1);
    }
    let meant = format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}");
    (None, format!("did you mean `{meant}`?"))
}

/// The sites that take part: all, or those that are named less those that are excepted.
///
/// 1. `levels`, `classes`, `subtrees` and `list` add up.
/// 2. Where none of them is written, everybody takes part.
/// 3. `except` names in the same ways who does not.
pub(super) fn taking_part(
    node: &Node,
    province: Option<&Province>,
    out: &Findings,
) -> Option<BTreeSet<SiteIx>> {
    let everybody = || province.map(|p| p.topology.site_ixs().collect::<BTreeSet<_>>());
    if let Some(scalar) = node.scalar() {
        if scalar.text == "all" {
            return everybody();
        }
        let hint = "write `all`, or `{list: [SITE, …]}`".to_owned();
        out.hint(node.span, format!("expected `all` or a map, found {}", node.found()), hint);
        return None;
    }
    let mut fields = Fields::of(node, "`sites`", out)?;
    let before = out.count();
    let named = named(&mut fields, province);
    let except = fields.read("except", BTreeSet::new(), |node, out| {
        let mut fields = Fields::of(node, "`except`", out)?;
        let excepted = self::named(&mut fields, province).unwrap_or_default();
        fields.end();
        Some(excepted)
    });
    fields.end();
    let mut sites = match named {
        Some(named) => named,
        None => everybody()?,
    };
    province?;
    sites.retain(|site| !except.contains(site));
    if sites.is_empty() && out.count() == before && province.is_some_and(|p| p.whole) {
        out.say(node.span, "nobody takes part");
        return None;
    }
    Some(sites)
}

/// The sites that are named by level, class, subtree and list; none where no such key is written.
fn named(fields: &mut Fields<'_>, province: Option<&Province>) -> Option<BTreeSet<SiteIx>> {
    let out = fields.out;
    let keys = [
        ("levels", fields.get("levels")),
        ("classes", fields.get("classes")),
        ("subtrees", fields.get("subtrees")),
        ("list", fields.get("list")),
    ];
    let mut sites = BTreeSet::new();
    for (key, node) in keys {
        let (Some(node), Some(province)) = (node, province) else { continue };
        let topology = &province.topology;
        for item in list(node, out).unwrap_or_default() {
            let before = (out.count(), sites.len());
            let mut overlap = false;
            let mut add = |site: SiteIx| overlap |= !sites.insert(site);
            match key {
                "levels" => {
                    if let Some(level) = province.levels.find(item, out) {
                        topology
                            .site_ixs()
                            .filter(|site| topology.site(*site).level == level)
                            .for_each(&mut add);
                    }
                }
                "classes" => {
                    if let Some(class) = province.class_ids.find(item, out) {
                        topology
                            .site_ixs()
                            .filter(|site| province.class_of.get(site.ix()) == Some(&class))
                            .for_each(&mut add);
                    }
                }
                "subtrees" => {
                    if let Some(root) = province.sites.find(item, out)
                        && root.ix() < topology.sites.len()
                    {
                        topology.subtree(root).into_iter().for_each(&mut add);
                    }
                }
                _ => {
                    if let Some(site) = province.sites.find(item, out) {
                        add(site);
                    }
                }
            }
            if province.whole && (out.count(), sites.len()) == before {
                let why = if overlap {
                    "whoever this names is named already"
                } else {
                    "no site is of this kind"
                };
                out.say(item.span, why);
            }
        }
    }
    keys.iter().any(|(key, _)| fields.has(key)).then_some(sites)
}

fn level_of(province: &Province, site: SiteIx) -> Option<LevelIx> {
    province.topology.sites.get(site.ix()).map(|site| site.level)
}

/// How many delegates sit where.
#[derive(Default)]
struct Delegates {
    default: Option<u32>,
    levels: BTreeMap<LevelIx, u32>,
    classes: BTreeMap<usize, u32>,
    sites: BTreeMap<SiteIx, u32>,
}

impl Delegates {
    /// The nearest figure: of the site, its class, its level, or the default.
    fn at(&self, site: SiteIx, province: &Province) -> u32 {
        let class = province.class_of.get(site.ix());
        let level = level_of(province, site);
        self.sites
            .get(&site)
            .or_else(|| class.and_then(|class| self.classes.get(class)))
            .or_else(|| level.and_then(|level| self.levels.get(&level)))
            .copied()
            .or(self.default)
            .unwrap_or(defaults::DELEGATES)
    }

    fn read(
        node: &Node,
        province: Option<&Province>,
        taking_part: Option<&BTreeSet<SiteIx>>,
        out: &Findings,
    ) -> Self {
        if !matches!(node.value, Value::Map(_)) {
            return Self { default: whole(0..=DELEGATES)(node, out), ..Self::default() };
        }
        let mut read = Self::default();
        let Some(mut fields) = Fields::of(node, "`delegates`", out) else { return read };
        read.default = fields.get("default").and_then(|n| whole(0..=DELEGATES)(n, out));
        let keys = [
            ("levels", fields.get("levels")),
            ("classes", fields.get("classes")),
            ("sites", fields.get("sites")),
        ];
        fields.end();
        for (key, node) in keys {
            let (Some(node), Some(province)) = (node, province) else { continue };
            let Some(mut fields) = Fields::of(node, "`delegates`", out) else { continue };
            for (name, figure) in fields.others() {
                let count = whole(0..=DELEGATES)(figure, out);
                let takes_part = match key {
                    "levels" => {
                        province.levels.find_text(&name.text, name.span, out).map(|level| {
                            read.levels.extend(count.map(|count| (level, count)));
                            taking_part.is_none_or(|sites| {
                                sites.iter().any(|s| level_of(province, *s) == Some(level))
                            })
                        })
                    }
                    "classes" => {
                        province.class_ids.find_text(&name.text, name.span, out).map(|class| {
                            read.classes.extend(count.map(|count| (class, count)));
                            taking_part.is_none_or(|sites| {
                                sites.iter().any(|s| province.class_of.get(s.ix()) == Some(&class))
                            })
                        })
                    }
                    _ => province.sites.find_text(&name.text, name.span, out).map(|site| {
                        read.sites.extend(count.map(|count| (site, count)));
                        taking_part.is_none_or(|sites| sites.contains(&site))
                    }),
                };
                if takes_part == Some(false) && province.whole {
                    out.say(name.span, format!("`{}` does not take part", brief(&name.text)));
                }
            }
        }
        read
    }
}
