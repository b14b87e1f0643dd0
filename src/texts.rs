//! What messages say, in Vietnamese and English.
//!
//! The reader stands in a corridor with a phone, minutes before a session: the first line alone
//! must tell what is broken, where and since when; the rest what it means, what to try and whom to
//! phone. Each language is one file that puts the same [`Facts`] into words. Site names stand
//! exactly as written in the settings. Pure: nothing here asks what time it is.
//!
//! Messages and reports tell the same causes in the same words.

mod circle;
mod en;
mod facts;
mod letter;
mod link;
mod readiness;
mod samples;
mod seen;
mod templates;
mod vi;

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::templates::{Templates, alike as alike_templates, check as check_templates};

use self::circle::Circle;
pub(crate) use self::facts::grouped;
use self::facts::{
    Facts, IN_ORDER, Observed, Place, Shared, Stands, TouchedSession, common_cause, kinds, removed,
    shared_by_all, tenths, units,
};
use crate::config::TemplatePart;
use crate::model::{
    Ailment, Alert, ChannelId, Contact, Language, Notification, NotificationId, NotificationKind,
    Part, ReadinessNotice, SelfDoubt, Severity, SiteId, StoreTrouble, encoded, folded,
};

pub use letter::{Item, Letter, Untold};
pub(crate) use letter::{begins, letter_id, test_letter};
pub use link::{About, KEY, LASTS as LINK_LASTS, Link, LinkError, LinkKey, Links};

/// Most characters of a first line that names places.
const TITLE: usize = 120;

/// How messages are written.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    /// In which language.
    pub language: Language,
    /// In which time zone.
    pub time_zone: TimeZone,
    /// Where people find the board, such as `http://10.0.0.5:8080`; without a slash at the end.
    pub board: String,
    /// How links are made with which an incident is taken on; none when people could not open
    /// them.
    pub links: Option<Links>,
    /// The site where this monitor stands, if that is said.
    pub vantage: Option<SiteId>,
    /// Texts of people's own.
    pub templates: Templates,
}

impl Style {
    /// Messages without links, in the built-in texts.
    #[must_use]
    pub fn new(language: Language, time_zone: TimeZone, board: impl Into<String>) -> Self {
        Self {
            language,
            time_zone,
            board: board.into(),
            links: None,
            vantage: None,
            templates: Templates::default(),
        }
    }
}

/// What an incident was, in a few words of one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What failed, such as "Điểm cầu Xã Tân Lập".
    pub subject: String,
    /// What was wrong with it, in the middle of a sentence.
    pub fault: String,
    /// What most likely happened, in the middle of a sentence.
    pub likely: String,
    /// What was seen, gravest first, each in the middle of a sentence.
    pub evidence: Vec<String>,
    /// What to try first.
    pub action: String,
}

/// A message in one language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// One line: how bad, what, where, since when.
    pub summary: String,
    /// Several lines: the cause in words, what was seen, who is affected, which session.
    pub description: String,
    /// What to try first.
    pub action: String,
    /// Whom to phone; says so when nobody is listed, and nothing when nobody need be.
    pub contact: String,
    /// Where the incident is taken on, if anywhere.
    pub link: Option<String>,
}

/// Writes what a letter tells of one incident.
#[must_use]
pub fn write(item: &Item, test: bool, style: &Style) -> Message {
    let alert = &item.notification.alert;
    if let Some(notice) = &alert.readiness {
        let usual = readiness::message(alert, notice, style);
        return match style.templates.readiness(alert, notice, &usual, style) {
            None => usual,
            Some(Ok(own)) => own,
            Some(Err(error)) => {
                let said = templates::failed(TemplatePart::Readiness, &error, style.language);
                Message { description: format!("{}\n{said}", usual.description), ..usual }
            }
        };
    }
    let facts = Facts::new(item, style);
    if test {
        return match style.language {
            Language::Vi => vi::test(&facts),
            Language::En => en::test(&facts),
        };
    }
    let over = item.told_as == NotificationKind::Resolved;
    let links = style.links.as_ref().filter(|_| !facts.alert.drill && !over);
    let link = links.and_then(|links| links.of(&item.notification));
    let message = style.templates.apply(&facts, style, &Message { link, ..usual(&facts, style) });
    match style.language {
        Language::Vi if facts.alert.drill => vi::drill(&message, &facts),
        Language::En if facts.alert.drill => en::drill(&message, &facts),
        Language::Vi | Language::En => message,
    }
}

/// What is told of an incident in the built-in texts.
fn usual(facts: &Facts<'_>, style: &Style) -> Message {
    match style.language {
        Language::Vi => vi::message(facts),
        Language::En => en::message(facts),
    }
}

/// Writes a whole letter as plain text, for channels that carry nothing else: one incident in
/// full, several as a digest of one line each.
#[must_use]
pub fn plain(letter: &Letter, style: &Style) -> String {
    written(letter, style, Lines::Full)
}

/// How much each line of a digest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lines {
    /// What, since when, and whom to phone.
    Full,
    /// Not whom to phone; the board says it.
    WithoutContacts,
    /// Only what.
    WithoutTimes,
}

fn written(letter: &Letter, style: &Style, lines: Lines) -> String {
    let (one, page) = match letter.items.as_slice() {
        [one] => {
            let alert = &one.notification.alert;
            (Some(write(one, letter.test, style)), page(alert, letter.test, &style.board))
        }
        _ => (None, String::new()),
    };
    match (one, style.language) {
        (Some(message), Language::Vi) => vi::whole(&message, &page),
        (Some(message), Language::En) => en::whole(&message, &page),
        (None, language) => {
            let mut items: Vec<&Item> = letter.items.iter().collect();
            items.sort_by_cached_key(|item| place_in_digest(item, style));
            let alerts = items.into_iter().map(|item| (item, &item.notification.alert));
            let (runs, others): (Vec<_>, Vec<_>) =
                alerts.partition(|(_, alert)| alert.readiness.is_some());
            let facts = others.iter().map(|(item, _)| Facts::new(item, style));
            // Drills neither count as incidents nor lend them their urgency.
            let (drills, facts): (Vec<Facts>, Vec<Facts>) =
                facts.partition(|facts| facts.alert.drill);
            let link = style.links.as_ref().and_then(|links| links.of_digest(letter));
            let own = |facts: &Facts<'_>| style.templates.summary(facts, style);
            let mut text = match language {
                _ if facts.is_empty() => String::new(),
                Language::Vi => vi::digest(&facts, &style.board, link.as_deref(), lines, own),
                Language::En => en::digest(&facts, &style.board, link.as_deref(), lines, own),
            };
            let head = text.lines().next().unwrap_or_default();
            match style.templates.digest(&facts, head, style).filter(|_| !facts.is_empty()) {
                None => {}
                Some(Ok(own)) => text.replace_range(..head.len(), &own),
                Some(Err(error)) => {
                    let said = templates::failed(TemplatePart::Digest, &error, language);
                    text.push_str(&format!("{said}\n"));
                }
            }
            for facts in &drills {
                let line = own(facts).unwrap_or_else(|| usual(facts, style).summary);
                let line = match language {
                    Language::Vi => vi::as_drill(&line),
                    Language::En => en::as_drill(&line),
                };
                text.push_str(&format!("• {line}\n"));
            }
            for (_, alert) in runs {
                if let Some(notice) = &alert.readiness {
                    text.push_str(&format!("• {}\n", found(alert, notice, style)));
                }
            }
            text.extend(late(letter, style).map(|line| format!("{line}\n")));
            text
        }
    }
}

/// That some of several messages were decided long before they leave.
fn late(letter: &Letter, style: &Style) -> Option<String> {
    let late = letter.items.iter().filter(|item| item.late.is_some());
    let oldest = Facts::new(late.min_by_key(|item| item.notification.created)?, style);
    match style.language {
        Language::Vi => vi::late_digest(&oldest),
        Language::En => en::late_digest(&oldest),
    }
}

/// What a readiness run found, in one line.
fn found(alert: &Alert, notice: &ReadinessNotice, style: &Style) -> String {
    let usual = readiness::message(alert, notice, style);
    let own = style.templates.readiness(alert, notice, &usual, style);
    own.and_then(Result::ok).unwrap_or(usual).summary
}

/// A letter as a short message in people's own words, if they have some; `fits` says what is short
/// enough, `usual` is what stands there without.
pub(crate) fn short(
    letter: &Letter,
    style: &Style,
    usual: &str,
    fits: impl Fn(&str) -> bool,
) -> Option<String> {
    if letter.test {
        return None;
    }
    let fits = |text: &str| fits(&templates::marked(text.to_owned(), letter, style));
    match style.templates.short(letter, &brief(letter, style), usual, style, fits)? {
        Ok(text) => Some(templates::marked(text, letter, style)),
        Err(error) => {
            // There is no room to say so.
            templates::failed(TemplatePart::Sms, &error, style.language);
            None
        }
    }
}

/// What a message with room for little says of several incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Brief {
    /// How bad, how many, since when if they have that in common.
    pub(crate) head: String,
    /// Where, in the order of a digest, each with how many sites hang on it; last the places that
    /// stand in the head.
    pub(crate) places: Vec<String>,
    /// How many of them do.
    pub(crate) in_head: usize,
    /// Whom to phone about each, if anybody.
    pub(crate) contacts: Vec<Option<Contact>>,
}

/// Writes several incidents for a message with room for little.
pub(crate) fn brief(letter: &Letter, style: &Style) -> Brief {
    let mut items: Vec<&Item> = letter.items.iter().collect();
    items.sort_by_cached_key(|item| place_in_digest(item, style));
    let all: Vec<Facts<'_>> = items.iter().map(|item| Facts::new(item, style)).collect();
    let mut places = places(&all, style.language, |facts| {
        facts.alert.readiness.as_ref().map(|notice| found(facts.alert, notice, style))
    });
    let gone = removed(&all);
    places.sort_by_key(|(_, facts)| !gone.is_empty() && is_only_removed(facts, &all));
    let named = places.iter().filter(|(_, facts)| is_only_removed(facts, &all)).count();
    let contacts = places.iter().map(|(_, facts)| {
        facts.alert.contacts.iter().find(|contact| !contact.phone.is_empty()).cloned()
    });
    let contacts = contacts.collect();
    let places = places.into_iter().map(|(place, _)| place).collect();
    let incident = |facts: &Facts<'_>| !facts.alert.drill && facts.alert.readiness.is_none();
    let incidents: Vec<Facts<'_>> = all.into_iter().filter(incident).collect();
    let head = match style.language {
        _ if incidents.is_empty() => String::new(),
        Language::Vi => vi::brief(&incidents),
        Language::En => en::brief(&incidents),
    };
    let in_head = if names_removed(&head, &gone) { named } else { 0 };
    Brief { head, places, in_head, contacts }
}

/// Whether a first line names the sites that are watched no longer, `gone` as [`removed`] has them.
fn names_removed(head: &str, gone: &str) -> bool {
    !gone.is_empty() && head.ends_with(gone)
}

/// Whether all that is said of a place is that it is watched no longer.
fn is_only_removed(facts: &Facts<'_>, all: &[Facts<'_>]) -> bool {
    let of_it = |it: &&Facts<'_>| {
        it.incident.site == facts.incident.site && it.place_name() == facts.place_name()
    };
    all.iter().filter(of_it).all(|it| it.removed)
}

impl Brief {
    /// Whom to phone about all of them, if that is the same everywhere.
    pub(crate) fn contact_of_all(&self) -> Option<&Contact> {
        let first = self.contacts.first()?.as_ref()?;
        let same = |it: &Option<Contact>| it.as_ref().is_some_and(|it| it.phone == first.phone);
        self.contacts.iter().all(same).then_some(first)
    }
}

/// Where each is, where there is room for little, unless what is said `instead`. Several incidents
/// of one site name it once; of two sites of one name each has its parent's beside it.
fn places<'f, 'a>(
    all: &'f [Facts<'a>],
    language: Language,
    instead: impl Fn(&Facts<'a>) -> Option<String>,
) -> Vec<(String, &'f Facts<'a>)> {
    let mut places: Vec<(String, &Facts<'a>)> = Vec::new();
    for facts in all {
        let text = instead(facts).unwrap_or_else(|| place(facts, language));
        let is_same = |(known, its): &(String, &Facts<'a>)| {
            *known == text && its.incident.site == facts.incident.site
        };
        if !places.iter().any(is_same) {
            places.push((text, facts));
        }
    }
    for (text, facts) in &mut places {
        let is_namesake = |other: &&Facts<'a>| {
            other.incident.site != facts.incident.site
                && other.alert.site_name == facts.alert.site_name
        };
        let parent = facts.alert.parent_name.as_str();
        let is_site = !facts.alert.site_name.is_empty() && !parent.is_empty();
        if is_site && all.iter().any(|other| is_namesake(&other)) {
            *text = format!("{text} ({parent})");
        }
    }
    places
}

/// Where it is, where there is room for little: the name, and how many sites hang on it.
fn place(facts: &Facts<'_>, language: Language) -> String {
    let (name, sites) = match facts.place {
        Place::Monitor => {
            let (monitor, topic) = match language {
                Language::Vi => ("hệ thống giám sát", vi::topic(facts)),
                Language::En => ("monitor", en::topic(facts)),
            };
            return topic
                .map_or_else(|| monitor.to_owned(), |topic| format!("{monitor} ({topic})"));
        }
        Place::Site { name, others: 0 } | Place::Behind { name, sites: 0, .. } => {
            (name.to_owned(), String::new())
        }
        Place::Site { name, others } | Place::Behind { name, sites: others, .. } => {
            (name.to_owned(), format!("+{others}"))
        }
        Place::Shared { what, failing, .. } => (what.value.to_owned(), failing.to_string()),
        Place::Everywhere { what, failing, .. } => (what.to_owned(), failing.to_string()),
    };
    let but = but(facts, language);
    match [sites, but].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>() {
        all if all.is_empty() => name,
        all => format!("{name} ({})", all.join(", ")),
    }
}

/// The first line about several incidents with the places that there is room for: a phone that is
/// locked shows nothing else. What it names already is not named again.
fn titled(head: String, all: &[Facts<'_>], language: Language) -> String {
    // Where some are on and some over, nobody is to go where it is over.
    let is_on = |facts: &&Facts<'_>| facts.over.is_none();
    let only_on = all.iter().any(|facts| is_on(&facts));
    let named = places(all, language, |_| None).into_iter();
    let named = named.filter(|(_, facts)| !only_on || is_on(facts));
    let in_head = names_removed(&head, &removed(all));
    let named = named.filter(|(_, facts)| !in_head || !is_only_removed(facts, all));
    let places: Vec<String> = named.map(|(place, _)| place).collect();
    let named = |named: usize| {
        let more = match places.len() - named {
            0 => String::new(),
            more => format!(", +{more}"),
        };
        format!("{head}: {}{more}", places[..named].join(", "))
    };
    let fits = (1..=places.len()).rev().map(named).find(|line| line.chars().count() <= TITLE);
    fits.unwrap_or(head)
}

/// A severity in words.
const fn grade(severity: Severity, language: Language) -> &'static str {
    match language {
        Language::Vi => vi::grade(severity),
        Language::En => en::grade(severity),
    }
}

/// Which sites a place is not over for, where there is room for little.
fn but(facts: &Facts<'_>, language: Language) -> String {
    let but = language.pick("trừ", "except");
    match facts.passed_on.as_slice() {
        [] => String::new(),
        [one] => format!("{but} {one}"),
        several => format!("{but} {}", several.len()),
    }
}

/// A letter as messages of at most `most` units each, with their texts, the gravest first: as few
/// as can be, since sites that fail together are one message, with lines as full as fit into that
/// many. Several incidents that are too long for one message all the same make several digests, so
/// that each of them stands by itself, with its own first line. One incident stays one text,
/// however long.
pub(crate) fn portions(
    letter: &Letter,
    style: &Style,
    most: usize,
    units: impl Fn(char) -> usize,
) -> Vec<(Letter, String)> {
    let size = |text: &str| text.chars().map(&units).sum::<usize>();
    let whole = plain(letter, style);
    if letter.items.len() == 1 || size(&whole) <= most {
        return vec![(letter.clone(), whole)];
    }
    let fewest = digests(letter, style, Lines::WithoutTimes, most, size);
    [Lines::Full, Lines::WithoutContacts]
        .into_iter()
        .map(|lines| digests(letter, style, lines, most, size))
        .find(|digests| digests.len() <= fewest.len())
        .unwrap_or(fewest)
}

/// A letter as digests of at most `most` each, with lines of this kind.
fn digests(
    letter: &Letter,
    style: &Style,
    lines: Lines,
    most: usize,
    size: impl Fn(&str) -> usize,
) -> Vec<(Letter, String)> {
    let count = letter.items.len();
    let mut into =
        size(&written(letter, style, lines)).div_ceil(most.max(1)).clamp(1, count.max(1));
    let mut items = letter.items.clone();
    items.sort_by_cached_key(|item| place_in_digest(item, style));
    loop {
        let some = items.chunks(count.div_ceil(into)).filter_map(|some| letter.only(some.to_vec()));
        let portions: Vec<_> = some.map(|some| (written(&some, style, lines), some)).collect();
        if into >= count || portions.iter().all(|(text, _)| size(text) <= most) {
            return portions.into_iter().map(|(text, letter)| (letter, text)).collect();
        }
        into += 1;
    }
}

/// Where an incident stands in a digest: what is new before what is told again, of each the gravest
/// first, and where a reader looks for a name, but what does not work of a monitor that sees comes
/// after what it sees; then drills, which are no incidents, and what
/// readiness runs found.
fn place_in_digest(item: &Item, style: &Style) -> impl Ord + use<> {
    let facts = Facts::new(item, style);
    let alert = facts.alert;
    let kind = IN_ORDER.iter().position(|kind| *kind == facts.kind);
    let name = folded(facts.place_name());
    let ails = facts.ails().is_some();
    (alert.readiness.is_some(), alert.drill, kind, ails, Reverse(facts.severity), name)
}

/// The page where what an alert is about can be looked at. A test and a drill have none but the
/// board itself.
#[must_use]
pub fn page(alert: &Alert, test: bool, board: &str) -> String {
    match &alert.readiness {
        _ if test || alert.drill => format!("{board}/"),
        Some(notice) => {
            format!("{board}/sessions/{}/readiness", encoded(notice.run.session.as_str()))
        }
        None => format!("{board}/incidents/{}", encoded(alert.incident.id.as_str())),
    }
}

/// Why this monitor does not trust itself, or what of it does not work, in the middle of a
/// sentence.
#[must_use]
pub fn self_doubt(doubt: &SelfDoubt, language: Language) -> String {
    match language {
        Language::Vi => vi::self_doubt(doubt),
        Language::En => en::self_doubt(doubt),
    }
}

/// What a label that sites share is called, in the middle of a sentence.
#[must_use]
pub fn shared_label(label: &str, language: Language) -> &str {
    match language {
        Language::Vi => vi::shared(label),
        Language::En => en::shared(label),
    }
}

/// What is wrong with the database, in the middle of a sentence.
#[must_use]
pub fn store_trouble(trouble: &StoreTrouble, language: Language) -> String {
    let (part, detail) = (Part::Store, Ailment::Store(trouble.clone()));
    self_doubt(&SelfDoubt::Trouble { part, detail }, language)
}

/// Tells what an incident was.
#[must_use]
pub fn account(alert: &Alert, style: &Style) -> Account {
    let notification = Notification {
        id: NotificationId::new(""),
        channel: ChannelId::new(""),
        kind: NotificationKind::Firing,
        created: alert.incident.resolved.unwrap_or(alert.incident.opened),
        alert: alert.clone(),
        instead_of: None,
    };
    let item = Item::new(NotificationKind::Firing, Arc::new(notification));
    let facts = Facts::new(&item, style);
    match style.language {
        Language::Vi => vi::account(&facts),
        Language::En => en::account(&facts),
    }
}

/// Names of the sites that an alert touches, the site at fault first: those affected now, or, once
/// it is over, all that were.
#[must_use]
pub fn affected_sites(alert: &Alert) -> Vec<&str> {
    let over = alert.incident.resolved.is_some();
    let affected = alert.incident.affected.iter().filter(|it| over || it.until.is_none());
    affected
        .map(|it| alert.names.get(&it.site).map_or_else(|| it.site.as_str(), String::as_str))
        .collect()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the golden files are read and written")]
pub(crate) mod tests;
