//! What messages say, in Vietnamese and English.
//!
//! The reader stands in a corridor with a phone, minutes before a session: the first line alone
//! must tell what is broken, where and since when; the rest what it means, what to try and whom to
//! phone. Each language is one file that puts the same [`Facts`] into words. Site names stand
//! exactly as written in the settings. Pure: nothing here asks what time it is.
//!
//! Messages and reports tell the same causes in the same words.

mod en;
mod letter;
mod link;
mod readiness;
mod samples;
mod seen;
mod templates;
mod vi;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub use self::templates::{Templates, check as check_templates};

use self::seen::Seen;
use crate::model::{
    Ack, Alert, Cause, ChannelId, CheckId, Evidence, Incident, Language, Notification,
    NotificationId, NotificationKind, Phase, Resolution, SelfDoubt, Severity, SiteId, TargetKey,
    Told,
};

pub(crate) use letter::test_letter;
pub use letter::{Item, Letter};
pub use link::{KEY, LASTS as LINK_LASTS, Link, LinkError, LinkKey, Links};

/// Affected sites that a description names, and how many when the list is to be read to somebody.
const NAMED: (usize, usize) = (10, 60);
/// Observations of targets that a description names.
const SEEN: usize = 3;

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
    /// Whom to phone; says so when nobody is listed.
    pub contact: String,
    /// Where the incident is taken on, if anywhere.
    pub link: Option<String>,
}

/// Writes what a letter tells of one incident.
#[must_use]
pub fn write(item: &Item, test: bool, style: &Style) -> Message {
    let alert = &item.notification.alert;
    if let Some(notice) = &alert.readiness {
        return readiness::message(alert, notice, style);
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
    let one = match letter.items.as_slice() {
        [one] => Some(write(one, letter.test, style)),
        _ => None,
    };
    match (one, style.language) {
        (Some(message), Language::Vi) => vi::whole(&message, &style.board),
        (Some(message), Language::En) => en::whole(&message, &style.board),
        (None, language) => {
            let alerts = letter.items.iter().map(|item| (item, &item.notification.alert));
            let (runs, others): (Vec<_>, Vec<_>) =
                alerts.partition(|(_, alert)| alert.readiness.is_some());
            let facts = others.iter().map(|(item, _)| Facts::new(item, style));
            // Drills are no incidents: they neither count as such nor lend them their urgency.
            let (drills, facts): (Vec<Facts>, Vec<Facts>) =
                facts.partition(|facts| facts.alert.drill);
            let own = |facts: &Facts<'_>| style.templates.summary(facts, style);
            let mut text = match language {
                _ if facts.is_empty() => String::new(),
                Language::Vi => vi::digest(&facts, &style.board, own),
                Language::En => en::digest(&facts, &style.board, own),
            };
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
                    text.push_str(&format!("• {}\n", readiness::line(alert, notice, style)));
                }
            }
            text
        }
    }
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
    let item = Item { told_as: NotificationKind::Firing, notification: Arc::new(notification) };
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

/// What both languages put into words.
#[derive(Debug)]
struct Facts<'a> {
    kind: NotificationKind,
    alert: &'a Alert,
    incident: &'a Incident,
    cause: Cause,
    severity: Severity,
    channel: &'a str,
    /// The channel that it stands in for.
    instead_of: Option<&'a str>,
    /// When the message was decided, here and in the time zone of the messages.
    decided: Timestamp,
    now: DateTime,
    began: DateTime,
    /// When it came back, where the message is about that, and for which time it is on.
    again: Option<(DateTime, usize)>,
    /// Whether nothing is said of it for a while unless it becomes critical.
    last_for_now: bool,
    /// How long it has been on when the message was decided.
    so_far: Duration,
    /// When it was over, and after how long.
    over: Option<(DateTime, Duration)>,
    /// Whether it ended because the site is watched no longer.
    removed: bool,
    place: Place<'a>,
    affected: Vec<&'a str>,
    session: Option<TouchedSession<'a>>,
    tz: &'a TimeZone,
}

/// Who else knows of a fault.
#[derive(Debug, Default, PartialEq, Eq)]
struct Also<'a> {
    people: Vec<&'a str>,
    channels: Vec<&'a str>,
}

/// Observations that say the same.
#[derive(Debug)]
struct Observed<'a> {
    seen: Seen<'a>,
    /// The earliest.
    at: Timestamp,
    targets: Vec<&'a TargetKey>,
}

/// Where the fault lies.
#[derive(Debug, Clone, Copy)]
enum Place<'a> {
    /// With the monitor itself.
    Monitor,
    /// At one site, with so many others behind it affected as well.
    Site { name: &'a str, others: usize },
    /// Between a site that answers and those behind it.
    Behind { name: &'a str, sites: usize },
    /// With something that sites share.
    Shared { label: &'a str, value: &'a str, failing: u32, of: u32, others: (u32, u32) },
}

/// The session that a fault touches.
#[derive(Debug)]
struct TouchedSession<'a> {
    title: Option<&'a str>,
    start: DateTime,
    stands: Stands,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy)]
enum Stands {
    /// It begins after so long.
    Begins(Duration),
    /// It has been on for so long.
    On(Duration),
    /// It is over.
    Over,
}

impl<'a> Facts<'a> {
    fn new(item: &'a Item, style: &'a Style) -> Self {
        let notification = &*item.notification;
        let alert = &notification.alert;
        let incident = &alert.incident;
        let tz = &style.time_zone;
        let over = incident
            .ended()
            .filter(|_| item.told_as == NotificationKind::Resolved)
            .map(|at| (tz.to_datetime(at), between(incident.began, at)));
        let again = incident
            .relapses
            .last()
            .filter(|_| item.told_as == NotificationKind::Firing && over.is_none());
        let told = incident.told.iter().rfind(|told| told.channel == notification.channel);
        Self {
            kind: item.told_as,
            alert,
            incident,
            cause: incident.cause,
            severity: incident.severity,
            channel: notification.channel.as_str(),
            instead_of: notification.instead_of.as_ref().map(ChannelId::as_str),
            decided: notification.created,
            now: tz.to_datetime(notification.created),
            began: tz.to_datetime(incident.began),
            again: again.map(|at| (tz.to_datetime(*at), incident.relapses.len() + 1)),
            last_for_now: told.is_some_and(|told| told.last_for_now),
            so_far: between(incident.began, notification.created),
            over,
            removed: incident.resolution == Some(Resolution::Removed),
            place: Place::of(alert, style.language),
            affected: affected_sites(alert),
            session: TouchedSession::of(alert, notification.created, tz),
            tz,
        }
    }

    /// Since when it is on: since it came back, if that is what the message is about.
    fn since(&self) -> &DateTime {
        self.again.as_ref().map_or(&self.began, |(at, _)| at)
    }

    /// Whether it is to be called unsteady rather than down: it is known to come and go, or
    /// nothing is said of it for a while because it does.
    const fn is_unsteady(&self) -> bool {
        self.incident.flapping || self.last_for_now
    }

    /// Who took it on, while that holds.
    fn ack(&self) -> Option<&'a Ack> {
        self.incident.taken_by(self.decided)
    }

    /// Who had taken it on until a moment ago, and until when.
    fn ran_out(&self) -> Option<(&'a str, DateTime)> {
        let ack = self.incident.ack.as_ref().filter(|ack| !ack.holds(self.decided))?;
        Some((&ack.by, self.local(ack.until?)))
    }

    /// How long it has waited for somebody to take it on.
    fn untaken(&self) -> Option<Duration> {
        Some(between(self.incident.waits_since(self.decided)?, self.decided))
    }

    /// The people for whom this message is.
    fn addressed(&self) -> &'a [String] {
        let own = |told: &&Told| told.channel.as_str() == self.channel;
        self.incident.told.iter().rfind(own).map_or(&[], |told| &told.people)
    }

    /// Who else knows of it: names of people, or channels that stand for themselves.
    fn also_told(&self) -> Also<'a> {
        let mut also = Also::default();
        let mut last: BTreeMap<&str, &Told> = BTreeMap::new();
        for told in &self.incident.told {
            last.insert(told.channel.as_str(), told);
        }
        let known = last.into_values().filter(|told| {
            told.kind != NotificationKind::Resolved && told.channel.as_str() != self.channel
        });
        for told in known {
            if told.people.is_empty() {
                also.channels.push(told.channel.as_str());
            }
            for person in told.people.iter().map(String::as_str) {
                let here = self.addressed().iter().any(|name| name == person);
                if !here && !also.people.contains(&person) {
                    also.people.push(person);
                }
            }
        }
        also
    }

    /// The device and the check at fault, as far as they are known.
    fn device(&self) -> &'a str {
        self.incident.endpoint.as_ref().map_or("", |id| id.as_str())
    }

    fn check(&self) -> &'a str {
        self.incident.check.as_ref().map_or("", |id| id.as_str())
    }

    /// The observations to name: of each target the latest, failures before successes, and how
    /// the neighbours do. What fails alike is named together.
    fn evidence(&self) -> Vec<Observed<'a>> {
        let mut latest: Vec<&Evidence> = Vec::new();
        for evidence in &self.incident.evidence {
            // The monitor's own troubles all stand under one name.
            let same = |other: &&mut &Evidence| {
                other.target == evidence.target && self.incident.site.is_some()
            };
            match latest.iter_mut().find(same) {
                Some(older) => *older = evidence,
                None => latest.push(evidence),
            }
        }
        let mut all: Vec<Observed<'_>> = Vec::new();
        for evidence in latest {
            let seen = Seen::of(evidence);
            match all.iter_mut().find(|other| other.seen == seen && seen.is_failure()) {
                Some(alike) => {
                    alike.at = alike.at.min(evidence.at);
                    alike.targets.push(&evidence.target);
                }
                None => {
                    all.push(Observed { seen, at: evidence.at, targets: vec![&evidence.target] });
                }
            }
        }
        let (neighbours, mut own): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|it| matches!(it.seen, Seen::Below { .. }));
        own.sort_by_key(|it| it.seen.is_good());
        own.truncate(SEEN);
        own.extend(neighbours.into_iter().take(1));
        own
    }

    /// The last observation of which `read` makes something.
    fn last_seen<T>(&self, read: impl Fn(Seen<'a>) -> Option<T>) -> Option<T> {
        self.incident.evidence.iter().rev().find_map(|evidence| read(Seen::of(evidence)))
    }

    /// What is wrong with this monitor while it sees all the same; none when it does not, or when
    /// the fault is another's.
    fn ails(&self) -> Option<&'a SelfDoubt> {
        let ours = self.cause == Cause::Monitor && self.affected.is_empty();
        let doubt = |seen: Seen<'a>| match seen {
            Seen::Ourselves(doubt) => Some(doubt),
            _ => None,
        };
        self.last_seen(doubt).filter(|_| ours)
    }

    /// The affected sites to name, and how many more there are.
    fn named(&self) -> (&[&'a str], usize) {
        let most = match self.place {
            Place::Shared { .. } => NAMED.1,
            _ => NAMED.0,
        };
        // Leaving out one or two would save nothing and cost the reader a question.
        let show = if self.affected.len() <= most + 2 { self.affected.len() } else { most };
        (&self.affected[..show], self.affected.len() - show)
    }

    /// The name of a site that the alert knows, or its id.
    fn name_of(&self, site: &'a SiteId) -> &'a str {
        match self.alert.names.get(site) {
            Some(name) => name,
            None if site.as_str() == self.alert.parent && !self.alert.parent_name.is_empty() => {
                &self.alert.parent_name
            }
            None => site.as_str(),
        }
    }

    /// What was probed: each device with its checks, and its site unless it is the one at fault.
    /// `at` is what stands between device and site.
    fn seen_at(&self, targets: &[&'a TargetKey], at: &str) -> String {
        let mut devices: Vec<(String, Vec<&str>)> = Vec::new();
        for key in targets {
            let elsewhere = self.incident.site.as_ref() != Some(&key.site);
            let device = match (&key.endpoint, elsewhere) {
                (Some(device), true) => format!("{device} {at} {}", self.name_of(&key.site)),
                (Some(device), false) => device.to_string(),
                (None, _) => self.name_of(&key.site).to_owned(),
            };
            let check = key.check.as_ref().map(CheckId::as_str);
            match devices.iter_mut().find(|(other, _)| *other == device) {
                Some((_, checks)) => checks.extend(check),
                None => devices.push((device, check.into_iter().collect())),
            }
        }
        let device = |(device, checks): (String, Vec<&str>)| match checks.as_slice() {
            [] => device,
            checks => format!("{device} ({})", checks.join(", ")),
        };
        devices.into_iter().map(device).collect::<Vec<_>>().join(", ")
    }

    /// What this channel was told before: how grave, and how many sites.
    fn told_before(&self) -> Option<(Severity, usize)> {
        let channel = &self.channel;
        let before = |told: &&Told| told.channel.as_str() == *channel && told.at < self.decided;
        let told = self.incident.told.iter().rfind(before)?;
        Some((told.severity, told.affected as usize))
    }

    fn local(&self, at: Timestamp) -> DateTime {
        self.tz.to_datetime(at)
    }

    /// Whether a session is on or about to begin.
    fn session_is_near(&self) -> bool {
        matches!(self.alert.phase, Phase::Live | Phase::Readiness)
    }
}

impl<'a> Place<'a> {
    fn of(alert: &'a Alert, language: Language) -> Self {
        let incident = &alert.incident;
        if alert.drill {
            let name = match language {
                Language::Vi => "Điểm cầu diễn tập",
                Language::En => "“Drill”",
            };
            return Self::Site { name, others: 0 };
        }
        if let Some(common) = &incident.common {
            return Self::Shared {
                label: &common.label,
                value: &common.value,
                failing: common.inside_failing,
                of: common.inside,
                others: (common.outside_failing, common.outside),
            };
        }
        let Some(site) = &incident.site else { return Self::Monitor };
        let name = if alert.site_name.is_empty() { site.as_str() } else { &alert.site_name };
        let sites = affected_sites(alert).len();
        let itself = incident.affected.iter().any(|affected| affected.site == *site);
        if itself || sites == 0 {
            Self::Site { name, others: sites.saturating_sub(1) }
        } else {
            Self::Behind { name, sites }
        }
    }
}

impl<'a> TouchedSession<'a> {
    fn of(alert: &'a Alert, now: Timestamp, tz: &TimeZone) -> Option<Self> {
        let start = alert.session_start?;
        let stands = if now < start {
            Stands::Begins(whole_minutes(between(now, start)))
        } else if alert.phase == Phase::Live {
            Stands::On(between(start, now))
        } else {
            Stands::Over
        };
        let title = alert.session_title.as_deref().filter(|title| !title.is_empty());
        Some(Self { title, start: tz.to_datetime(start), stands })
    }
}

/// What all have in common, if they do.
fn shared_by_all<'a, T: PartialEq>(all: &[Facts<'a>], what: impl Fn(&Facts<'a>) -> T) -> Option<T> {
    let first = what(all.first()?);
    all[1..].iter().all(|facts| what(facts) == first).then_some(first)
}

/// From one moment to a later one; zero when the clock was set back in between.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// What is left until a moment, as people count it: "in 18 minutes" until the 17 are full.
fn whole_minutes(left: Duration) -> Duration {
    Duration::from_secs(left.as_secs().next_multiple_of(60))
}

/// A duration as its two largest units: days, hours, minutes, seconds. Seconds are told only of
/// what is shorter than a minute.
fn units(duration: Duration) -> [u64; 4] {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => [0, 0, 0, seconds],
        (0, hours, minutes) => [0, hours, minutes, 0],
        (days, hours, _) => [days, hours, 0, 0],
    }
}

/// A count with its digits in threes.
pub(crate) fn grouped(count: u64, separator: char) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A number of tenths with its decimal point.
fn tenths(tenths: u32, point: char) -> String {
    format!("{}{point}{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the golden files are read and written")]
mod tests;
