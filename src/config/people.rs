//! The sections `people` and `rotas` of `vchealth.yaml`: who is told, and who of them is on duty
//! when.

use jiff::Timestamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::channels::some;
use super::defaults;
use super::diagnostic::Findings;
use super::read::{Defined, Fields, line, list, well_formed_id};
use super::sessions::moment;
use super::settings::{DatedShift, Days, Hours, Person, Receiver, Rota, WeeklyShift};
use super::source::Span;
use super::vchealth::time_zone;
use super::yaml::{Node, Value, brief};
use crate::model::{ChannelId, PersonId, RotaId};

/// Most people and most rotas.
const MANY: usize = 1_000;
/// Most shifts of one rota, weekly and dated each.
const SHIFTS: usize = 1_000;

/// What can be named as somebody to tell. Channels, people and rotas share their names, so that a
/// route needs not say which of them it means.
pub(super) type Names = Defined<Receiver>;

/// The names of all channels, even of those that cannot be read.
pub(super) fn channel_names(channels: Option<&Node>, out: &Findings) -> Names {
    let mut names = Defined::new("channel, person or rota");
    if let Some(Node { value: Value::Map(map), .. }) = channels {
        for (key, _) in map {
            let receiver = Receiver::Channel(ChannelId::new(key.text.as_str()));
            names.add(&key.text, key.span, receiver, out);
        }
    }
    names
}

/// All people; each becomes a name.
pub(super) fn people(node: &Node, names: &mut Names, out: &Findings) -> Option<Vec<Person>> {
    let mut fields = Fields::of(node, "`people`", out)?;
    let written = fields.others();
    few(written.len(), node.span, "people", out)?;
    let mut people = Vec::new();
    let mut ids = Vec::new();
    for (key, node) in written {
        let good = well_formed_id(&key.text, key.span, out);
        let id = PersonId::new(key.text.as_str());
        people.extend(person(&id, node, names, out).filter(|_| good));
        ids.push((key, id));
    }
    // Only now, so that people are reached through channels and not through other people.
    for (key, id) in ids {
        names.add(&key.text, key.span, Receiver::Person(id), out);
    }
    Some(people)
}

fn person(id: &PersonId, node: &Node, names: &Names, out: &Findings) -> Option<Person> {
    let mut fields = Fields::of(node, "a person", out)?;
    let name = fields.need("name", line(120));
    let phone = fields.read("phone", String::new(), line(40));
    let channels = fields.need("channels", some(|node, out| channel(node, names, out)));
    fields.end();
    Some(Person { id: id.clone(), name: name?, phone, channels: channels? })
}

/// The channel that is named here.
pub(super) fn channel(node: &Node, names: &Names, out: &Findings) -> Option<ChannelId> {
    match names.find(node, out)? {
        Receiver::Channel(id) => Some(id),
        Receiver::Person(_) | Receiver::Rota(_) | Receiver::Next(_) => {
            out.say(node.span, "this is no channel");
            None
        }
    }
}

/// All rotas; each becomes a name.
pub(super) fn rotas(
    node: &Node,
    zone: &TimeZone,
    names: &mut Names,
    out: &Findings,
) -> Option<Vec<Rota>> {
    let mut fields = Fields::of(node, "`rotas`", out)?;
    let written = fields.others();
    few(written.len(), node.span, "rotas", out)?;
    let mut rotas = Vec::new();
    let mut ids = Vec::new();
    for (key, node) in written {
        let good = well_formed_id(&key.text, key.span, out);
        let id = RotaId::new(key.text.as_str());
        rotas.extend(rota(&id, node, zone, names, out).filter(|_| good));
        ids.push((key, id));
    }
    for (key, id) in ids {
        names.add(&key.text, key.span, Receiver::Rota(id), out);
    }
    Some(rotas)
}

fn rota(id: &RotaId, node: &Node, zone: &TimeZone, names: &Names, out: &Findings) -> Option<Rota> {
    let before = out.count();
    let mut fields = Fields::of(node, "a rota", out)?;
    let zone = fields.read("time_zone", zone.clone(), time_zone);
    let hand_over = fields.read("hand_over", defaults::HAND_OVER, time);
    let weekly = fields.read("weekly", Vec::new(), |node, out| {
        shifts(node, out, |node| weekly_shift(node, hand_over, names, out))
    });
    let dated = fields.read("dated", Vec::new(), |node, out| {
        shifts(node, out, |node| dated_shift(node, &zone, names, out))
    });
    let otherwise = fields.read("otherwise", Vec::new(), some(|node, out| one(node, names, out)));
    let rota = Rota { id: id.clone(), time_zone: zone, weekly, dated, otherwise, handed: None };
    if out.count() == before {
        has_no_gap(&rota, &fields);
    }
    fields.end();
    Some(rota)
}

/// At every time somebody is on duty: by the shifts of the week, or otherwise.
fn has_no_gap(rota: &Rota, fields: &Fields<'_>) {
    if !rota.otherwise.is_empty() {
        return;
    }
    let hint = "add a shift, or say who is on duty when no shift is: `otherwise: [id]`".to_owned();
    if rota.weekly.is_empty() {
        let reason = "nobody is on duty when no dated shift is";
        fields.out.hint(fields.at("dated"), reason, hint);
        return;
    }
    // A week in which the clocks of no country change.
    if let Some((from, until)) = rota.gap(Date::constant(2026, 1, 5)) {
        let said = |at: Timestamp| {
            strtime::format("%A %H:%M", rota.time_zone.to_datetime(at)).unwrap_or_default()
        };
        let reason = format!("nobody is on duty from {} to {}", said(from), said(until));
        fields.out.hint(fields.at("weekly"), reason, hint);
    }
}

fn shifts<T>(node: &Node, out: &Findings, read: impl Fn(&Node) -> Option<T>) -> Option<Vec<T>> {
    let items = list(node, out)?;
    if items.len() > SHIFTS {
        let reason = format!("{} shifts, at most {SHIFTS} are allowed", items.len());
        out.say(node.span, reason);
        return None;
    }
    if items.is_empty() {
        out.say(node.span, "the list is empty");
        return None;
    }
    Some(items.iter().filter_map(read).collect())
}

fn weekly_shift(
    node: &Node,
    hand_over: Time,
    names: &Names,
    out: &Findings,
) -> Option<WeeklyShift> {
    let mut fields = Fields::of(node, "a weekly shift", out)?;
    let days = fields.read("days", Days::ALL, days);
    let hours = fields.get("hours").map(|node| hours(node, out));
    let who = fields.need("who", some(|node, out| one(node, names, out)));
    fields.end();
    let Hours { from, until } = match hours {
        Some(hours) => hours?,
        None => Hours { from: hand_over, until: hand_over },
    };
    Some(WeeklyShift { days, from, until, who: who? })
}

fn dated_shift(node: &Node, zone: &TimeZone, names: &Names, out: &Findings) -> Option<DatedShift> {
    let mut fields = Fields::of(node, "a dated shift", out)?;
    let from = fields.need("from", |node, out| moment(node, zone, out));
    let until = fields.need("until", |node, out| moment(node, zone, out));
    let who = fields.need("who", some(|node, out| one(node, names, out)));
    if let (Some(from), Some(until)) = (from, until)
        && until <= from
    {
        out.say(fields.at("until"), "the shift ends before it begins");
    }
    fields.end();
    Some(DatedShift { from: from?, until: until?, who: who? })
}

/// The person who is named here.
fn one(node: &Node, names: &Names, out: &Findings) -> Option<PersonId> {
    match names.find(node, out)? {
        Receiver::Person(id) => Some(id),
        Receiver::Channel(_) | Receiver::Rota(_) | Receiver::Next(_) => {
            out.hint(node.span, "this is nobody", "write them into `people`".to_owned());
            None
        }
    }
}

/// Days of the week: a list of days and of stretches of days such as `mon-fri`.
pub(super) fn days(node: &Node, out: &Findings) -> Option<Days> {
    const WEEK: [(&str, Weekday); 7] = [
        ("mon", Weekday::Monday),
        ("tue", Weekday::Tuesday),
        ("wed", Weekday::Wednesday),
        ("thu", Weekday::Thursday),
        ("fri", Weekday::Friday),
        ("sat", Weekday::Saturday),
        ("sun", Weekday::Sunday),
    ];
    let place = |text: &str| WEEK.iter().position(|(name, _)| *name == text.trim());
    let mut found = Days::NONE;
    for item in one_or_more(node) {
        let text = item.scalar().map_or("", |scalar| scalar.text.as_str());
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (Some(from), Some(to)) = (place(from), place(to)) else {
            let reason = format!("expected days of the week, found {}", item.found());
            let hint = "write mon, tue, wed, thu, fri, sat, sun, or `mon-fri`".to_owned();
            out.hint(item.span, reason, hint);
            return None;
        };
        // From Saturday to Monday goes over the end of the week.
        let to = if to < from { to + WEEK.len() } else { to };
        found = (from..=to).fold(found, |days, at| days.with(WEEK[at % WEEK.len()].1));
    }
    Some(found)
}

/// Hours of the day: `07:30-17:00`, over midnight where the second comes first.
pub(super) fn hours(node: &Node, out: &Findings) -> Option<Hours> {
    let text = node.scalar().map_or("", |scalar| scalar.text.as_str());
    let read = |text: &str| clock(text.trim());
    let found = text
        .split_once(['-', '–'])
        .and_then(|(from, until)| Some(Hours { from: read(from)?, until: read(until)? }));
    match found {
        Some(hours) if hours.from == hours.until => {
            let reason = "hours that end when they begin are none, or all of them";
            out.hint(node.span, reason, "leave the line out if you mean the whole day".to_owned());
            None
        }
        Some(hours) => Some(hours),
        None => {
            let reason = format!("expected hours such as `07:30-17:00`, found {}", node.found());
            out.say(node.span, reason);
            None
        }
    }
}

/// A time of the day: `07:30`.
fn time(node: &Node, out: &Findings) -> Option<Time> {
    let found = node.scalar().and_then(|scalar| clock(&scalar.text));
    if found.is_none() {
        let reason = format!("expected a time of the day such as `07:30`, found {}", node.found());
        out.say(node.span, reason);
    }
    found
}

/// Hours and minutes, both with two digits.
fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
    let number = |text: &str| digits(text).then(|| text.parse().ok()).flatten();
    Time::new(number(hour)?, number(minute)?, 0, 0).ok()
}

/// The items of a list, or the one that stands there instead.
pub(super) fn one_or_more(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

fn few(count: usize, at: Span, what: &str, out: &Findings) -> Option<()> {
    if count > MANY {
        out.say(at, format!("{count} {what}, at most {MANY} are allowed"));
        return None;
    }
    Some(())
}

/// What somebody chose to call something.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", brief(name))
}
