//! What both languages put into words: everything that there is to say of one incident, in the
//! order, the amount and the time zone in which it is told.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::seen::Seen;
use super::{Item, Style, Untold, affected_sites};
use crate::model::{
    Ack, Alert, Cause, ChannelId, CheckId, CommonFactor, Contact, Evidence, Extent, Incident,
    Language, NotificationKind, Part, Phase, Resolution, SelfDoubt, Severity, SiteId, TargetKey,
    Told,
};

/// Affected sites that a description names, and how many when the list is to be read to somebody.
const NAMED: (usize, usize) = (10, 60);
/// Sites that a first line names that have not come back with the others.
const FEW: usize = 2;
/// Letters of names that a first line has room for.
const REMOVED: usize = 40;
/// Observations of targets that a description names.
const SEEN: usize = 3;
/// Failures that began further apart than this are told with a time each.
const TOGETHER: Duration = Duration::from_secs(60);
/// Age from which on what was seen at a moment is told with its time.
const OLD: Duration = Duration::from_secs(30);

/// What both languages put into words.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) kind: NotificationKind,
    pub(super) alert: &'a Alert,
    pub(super) incident: &'a Incident,
    pub(super) cause: Cause,
    pub(super) severity: Severity,
    pub(super) channel: &'a str,
    /// When it left, where that is long after it was decided.
    pub(super) late: Option<DateTime>,
    /// The other channels that have not got through with it.
    pub(super) untold: &'a [Untold],
    /// The channel that it stands in for.
    pub(super) instead_of: Option<&'a str>,
    /// When the message was decided, here and in the time zone of the messages.
    pub(super) decided: Timestamp,
    pub(super) now: DateTime,
    pub(super) began: DateTime,
    /// Since when it is on this time, or was the last time.
    pub(super) since: DateTime,
    /// For which time it is on, where the message is about its having come back, or was, where that
    /// is over.
    pub(super) again: Option<usize>,
    /// Whether nothing is said of it for a while unless it becomes critical.
    pub(super) last_for_now: bool,
    /// How long it has been on this time when the message was decided.
    pub(super) so_far: Duration,
    /// When it was over, and after how long since it last came back, as people know it.
    pub(super) over: Option<(DateTime, Duration)>,
    /// Sites that have not come back with the others now that it is over.
    pub(super) passed_on: Vec<&'a str>,
    /// Whether it ended because the site is watched no longer.
    pub(super) removed: bool,
    /// Whether that is so because what answers shows it no longer, and not by the configuration.
    pub(super) unshown: bool,
    pub(super) place: Place<'a>,
    pub(super) affected: Vec<&'a str>,
    pub(super) session: Option<TouchedSession<'a>>,
    pub(super) tz: &'a TimeZone,
}

/// Observations that say the same.
#[derive(Debug)]
pub(super) struct Observed<'a> {
    pub(super) seen: Seen<'a>,
    /// The earliest, of those of the site at fault if there are any.
    pub(super) at: Timestamp,
    pub(super) targets: Vec<&'a TargetKey>,
}

/// Where the fault lies.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// With the monitor itself.
    Monitor,
    /// At one site, with so many others behind it affected as well.
    Site { name: &'a str, others: usize },
    /// Between a site that answers and those behind it. What ails devices and services there may
    /// ail its own as well.
    Behind { name: &'a str, sites: usize, itself: bool },
    /// With something that sites share.
    Shared { what: Shared<'a>, failing: u32, of: u32, others: (u32, u32) },
    /// Nearly wherever there is this: a service by its check, or a device by its id.
    Everywhere { what: &'a str, failing: u32, of: u32 },
}

/// What sites share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shared<'a> {
    pub(super) label: &'a str,
    pub(super) value: &'a str,
    /// Whether their devices have it in common, and not what is around them.
    pub(super) of_devices: bool,
}

/// The session that a fault touches.
#[derive(Debug)]
pub(super) struct TouchedSession<'a> {
    pub(super) title: Option<&'a str>,
    pub(super) start: DateTime,
    pub(super) stands: Stands,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stands {
    /// It begins after so long.
    Begins(Duration),
    /// It has been on for so long.
    On(Duration),
    /// It is over.
    Over,
}

impl<'a> Facts<'a> {
    pub(super) fn new(item: &'a Item, style: &'a Style) -> Self {
        let notification = &*item.notification;
        let alert = &notification.alert;
        let incident = &alert.incident;
        let tz = &style.time_zone;
        let over = incident.ended().filter(|_| item.told_as == NotificationKind::Resolved);
        let unshown = incident.resolution == Some(Resolution::Unshown);
        let removed = unshown || incident.resolution == Some(Resolution::Removed);
        let passed_on: Vec<&SiteId> = match over.is_some() && !removed {
            true => incident.passed_on().collect(),
            false => Vec::new(),
        };
        // By a clock that was set back it began after the message was written.
        let since = incident.last_since().min(notification.created);
        let began = incident.began.min(since);
        let is_news = item.told_as == NotificationKind::Firing && since > began;
        // What is told is that it comes and goes, and it has done so since it began.
        let since = if incident.flapping && !is_news { began } else { since };
        let is_again = is_news || over.is_some() && since > began;
        let told = incident.told.iter().rfind(|told| told.channel == notification.channel);
        Self {
            kind: item.told_as,
            alert,
            incident,
            cause: incident.cause,
            severity: incident.severity,
            channel: notification.channel.as_str(),
            late: item.late.map(|at| tz.to_datetime(at)),
            untold: &item.untold,
            instead_of: notification.instead_of.as_ref().map(ChannelId::as_str),
            decided: notification.created,
            now: tz.to_datetime(notification.created),
            began: tz.to_datetime(began),
            since: tz.to_datetime(since),
            again: is_again.then(|| incident.nth_time()),
            last_for_now: told.is_some_and(|told| told.last_for_now),
            so_far: between(since, notification.created),
            over: over.map(|at| (tz.to_datetime(at), between(since, at))),
            removed,
            unshown,
            place: Place::of(alert, &passed_on, style.language),
            passed_on: passed_on.into_iter().map(|site| name_of(alert, site)).collect(),
            affected: affected_sites(alert),
            session: TouchedSession::of(alert, notification.created, tz),
            tz,
        }
    }

    /// Whether it is to be called unsteady rather than down. What was cut twice is down a second
    /// time, also where that uses up the messages of the hour.
    pub(super) const fn is_unsteady(&self) -> bool {
        self.incident.flapping
    }

    /// Whether replies come, only too late to be of use.
    pub(super) fn is_slow(&self) -> bool {
        self.evidence().iter().any(|observed| observed.seen.is_slow())
    }

    /// Whether connections are taken and nothing else is wrong but that no answer comes in time.
    pub(super) fn is_stalled(&self) -> bool {
        let seen = self.evidence();
        let mut failures = seen.iter().filter(|observed| observed.seen.is_failure()).peekable();
        failures.peek().is_some() && failures.all(|observed| observed.seen.is_stalled())
    }

    /// Who took it on, while that holds, or had it when it ended.
    pub(super) fn ack(&self) -> Option<&'a Ack> {
        self.incident.whose(self.decided)
    }

    /// Who had taken it on last, now that it is over, for who wants to ask them. What they had was
    /// this outage: whoever had an earlier one, of which the end was told before it came back, has
    /// nothing to do with it.
    pub(super) fn had(&self) -> Option<&'a Ack> {
        let before = self.incident.over_before();
        let of_this = |ack: &&Ack| before.is_none_or(|end| end < ack.at);
        self.ack().filter(|_| self.over.is_some()).filter(of_this)
    }

    /// Who had taken it on and has it no longer, because it became graver or came back since;
    /// nobody else has it.
    pub(super) fn let_go(&self) -> Option<&'a Ack> {
        let waits = self.over.is_none() && self.incident.is_open() && self.incident.ack.is_none();
        self.incident.earlier_acks.last().filter(|_| waits)
    }

    /// Who had taken it on until a moment ago, and until when.
    pub(super) fn ran_out(&self) -> Option<(&'a str, DateTime)> {
        let ack = self.incident.ack.as_ref().filter(|ack| !ack.holds(self.decided))?;
        Some((&ack.by, self.local(ack.until?)))
    }

    /// For how long people have known of it and nobody has taken it on.
    pub(super) fn untaken(&self) -> Option<Duration> {
        Some(between(self.incident.called_since(self.decided)?, self.decided))
    }

    /// What it is to be looked for under: the site, or what sites have in common.
    pub(super) fn place_name(&self) -> &'a str {
        match self.place {
            Place::Monitor => "",
            Place::Site { name, .. } | Place::Behind { name, .. } => name,
            Place::Shared { what, .. } => what.value,
            Place::Everywhere { what, .. } => what,
        }
    }

    /// The device and the check at fault, as far as they are known.
    pub(super) fn device(&self) -> &'a str {
        self.incident.endpoint.as_ref().map_or("", |id| id.as_str())
    }

    pub(super) fn check(&self) -> &'a str {
        self.incident.check.as_ref().map_or("", |id| id.as_str())
    }

    /// The observations to name: of each target the latest, failures before successes, and how
    /// the neighbours do. What fails alike since about the same time is named together. Where
    /// nobody behind the site at fault can be reached, that says enough of those, if the site has
    /// failures of its own to show.
    pub(super) fn evidence(&self) -> Vec<Observed<'a>> {
        let mut latest: Vec<&Evidence> = Vec::new();
        // Of what came back counts what failed since, not what did before it was well.
        let back = self.incident.relapses.last();
        let counts = |it: &&Evidence| back.is_none_or(|back| it.at >= *back);
        let seen = &self.incident.evidence;
        let anew = seen.iter().any(|it| counts(&it) && Seen::of(it).is_failure());
        for evidence in seen.iter().filter(|it| !anew || counts(it)) {
            // The monitor's own troubles all stand under one name.
            let same = |other: &&mut &Evidence| {
                other.target == evidence.target && self.incident.site.is_some()
            };
            match latest.iter_mut().find(same) {
                Some(older) => *older = evidence,
                None => latest.push(evidence),
            }
        }
        let here = |key: &TargetKey| self.incident.site.as_ref() == Some(&key.site);
        let none_behind = |it: &&Evidence| {
            let counted = match Seen::of(it) {
                Seen::Below { answer, .. } => answer == 0 || self.is_all_out(),
                _ => false,
            };
            counted && here(&it.target)
        };
        let fails = |it: &Evidence| Seen::of(it).is_failure();
        let shows_itself = latest.iter().any(|it| here(&it.target) && fails(it));
        if shows_itself && latest.iter().any(none_behind) {
            latest.retain(|it| here(&it.target) || !fails(it));
        }
        let mut all: Vec<Observed<'_>> = Vec::new();
        for evidence in latest {
            let seen = match Seen::of(evidence) {
                // It was counted before the last of them failed.
                Seen::Below { of, .. }
                    if self.is_all_out()
                        && self.incident.site.as_ref() == Some(&evidence.target.site) =>
                {
                    Seen::Below { answer: 0, of }
                }
                seen => seen,
            };
            let alike = |other: &&mut Observed<'_>| {
                let apart = between(other.at, evidence.at).max(between(evidence.at, other.at));
                other.seen == seen && seen.is_failure() && apart < TOGETHER
            };
            match all.iter_mut().find(alike) {
                Some(alike) => {
                    // Devices of other sites may have failed before: it is since the site at fault
                    // did.
                    let known = alike.targets.iter().any(|key| here(key));
                    alike.at = match (known, here(&evidence.target)) {
                        (true, false) => alike.at,
                        (false, true) => evidence.at,
                        _ => alike.at.min(evidence.at),
                    };
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
        if self.cause == Cause::Monitor {
            // When our gateway last answered is for whoever looks closer.
            own.retain(|it| !it.seen.is_good());
        }
        own.truncate(SEEN);
        own.extend(neighbours.into_iter().take(1));
        own
    }

    /// When something was seen, where the message was decided so much later that it may be
    /// otherwise by then.
    pub(super) fn seen_before(&self, observed: &Observed<'_>) -> Option<DateTime> {
        let is_old = between(observed.at, self.decided) >= OLD && observed.seen.is_of_a_moment();
        is_old.then(|| self.local(observed.at))
    }

    /// Whether everything that could be is affected now, the sites behind the one at fault as well.
    fn is_all_out(&self) -> bool {
        let of = self.incident.of as usize;
        of > 1 && self.incident.affected_now().count() == of
    }

    /// The last observation of which `read` makes something.
    pub(super) fn last_seen<T>(&self, read: impl Fn(Seen<'a>) -> Option<T>) -> Option<T> {
        self.incident.evidence.iter().rev().find_map(|evidence| read(Seen::of(evidence)))
    }

    /// What is wrong with this monitor while it sees all the same; none when it does not, or when
    /// the fault is another's.
    pub(super) fn ails(&self) -> Option<&'a SelfDoubt> {
        let sees = |doubt: &&SelfDoubt| {
            let misses_some = matches!(
                doubt,
                SelfDoubt::SitesUnasked { .. } | SelfDoubt::Trouble { part: Part::Resolver, .. }
            );
            self.affected.is_empty() || misses_some
        };
        self.doubt().filter(sees)
    }

    /// What is wrong with this monitor, whether it sees or not; none when the fault is another's.
    pub(super) fn doubt(&self) -> Option<&'a SelfDoubt> {
        let doubt = |seen: Seen<'a>| match seen {
            Seen::Ourselves(doubt) => Some(doubt),
            _ => None,
        };
        self.last_seen(doubt).filter(|_| self.cause == Cause::Monitor)
    }

    /// Which channels have not accepted a drill that is over.
    pub(super) fn missed(&self) -> impl Iterator<Item = &'a SelfDoubt> {
        let over = self.alert.drill && self.over.is_some();
        let seen = self.incident.evidence.iter().filter(move |_| over);
        seen.filter_map(|evidence| match Seen::of(evidence) {
            Seen::Ourselves(doubt) => Some(doubt),
            _ => None,
        })
    }

    /// Whether nothing was seen besides what is wrong with this monitor, which the first line says.
    pub(super) fn is_only_doubt(&self) -> bool {
        self.doubt().is_some() && self.evidence().len() == 1
    }

    /// The affected sites to name, and how many more there are.
    pub(super) fn named(&self) -> (&[&'a str], usize) {
        let most = match self.place {
            Place::Shared { .. } | Place::Everywhere { .. } => NAMED.1,
            _ => NAMED.0,
        };
        first(&self.affected, most)
    }

    /// The sites to name that have not come back with the others, and how many more there are; in
    /// a first line only if there are few.
    pub(super) fn named_passed_on(&self, in_first_line: bool) -> (&[&'a str], usize) {
        match (in_first_line, self.passed_on.len()) {
            (false, _) => first(&self.passed_on, NAMED.0),
            (true, 0..=FEW) => (&self.passed_on, 0),
            (true, many) => (&[], many),
        }
    }

    /// The name of a site that the alert knows, or its id.
    pub(super) fn name_of(&self, site: &'a SiteId) -> &'a str {
        name_of(self.alert, site)
    }

    /// What was probed: each device with its checks, and its site unless it is the one at fault.
    /// `at` is what stands between device and site.
    pub(super) fn seen_at(&self, targets: &[&'a TargetKey], at: &str) -> String {
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

    /// What this channel was told before: how grave, how many sites, and where, if that was
    /// elsewhere.
    pub(super) fn told_before(&self) -> Option<(Severity, usize, Option<&'a str>)> {
        let channel = &self.channel;
        let before = |told: &&Told| {
            told.channel.as_str() == *channel && told.at < self.decided && !told.is_untold()
        };
        let told = self.incident.told.iter().rfind(before)?;
        let now = Extent::of(self.incident);
        let site = told.site.as_ref().filter(|site| now.site.as_ref() != Some(*site));
        let common = told.common.as_ref().filter(|common| now.common.as_ref() != Some(*common));
        let place = site.map(|site| self.name_of(site));
        let place = place.or(common.map(|(_, value)| value.as_str()));
        Some((told.severity, told.affected as usize, place))
    }

    pub(super) fn local(&self, at: Timestamp) -> DateTime {
        self.tz.to_datetime(at)
    }

    /// Whether a session is on or about to begin.
    pub(super) fn session_is_near(&self) -> bool {
        matches!(self.alert.phase, Phase::Live | Phase::Readiness)
    }

    /// Everybody who may be phoned or written to, each with the ways; none when nobody is listed.
    pub(super) fn contacts(&self) -> Option<String> {
        let person = |contact: &Contact| {
            let ways = [contact.phone.as_str(), contact.email.as_str()];
            let ways: Vec<&str> = ways.into_iter().filter(|way| !way.is_empty()).collect();
            match ways.as_slice() {
                [] => contact.name.clone(),
                ways => format!("{}: {}", contact.name, ways.join(", ")),
            }
        };
        let people: Vec<String> = self.alert.contacts.iter().map(person).collect();
        (!people.is_empty()).then(|| people.join("; "))
    }
}

impl<'a> Place<'a> {
    /// Of what it is over for, without the sites that are `passed_on`.
    fn of(alert: &'a Alert, passed_on: &[&SiteId], language: Language) -> Self {
        let incident = &alert.incident;
        if alert.drill {
            let name = match language {
                Language::Vi => "Điểm cầu diễn tập",
                Language::En => "“Drill”",
            };
            return Self::Site { name, others: 0 };
        }
        if let Some(common) = &incident.common {
            let passed_on = u32::try_from(passed_on.len()).unwrap_or(u32::MAX);
            let (failing, of) = (common.inside_failing.saturating_sub(passed_on), common.inside);
            if CommonFactor::is_by_nature(&common.label) {
                return Self::Everywhere { what: &common.value, failing, of };
            }
            return Self::Shared {
                what: Shared {
                    label: &common.label,
                    value: &common.value,
                    of_devices: common.of_devices,
                },
                failing,
                of,
                others: (common.outside_failing, common.outside),
            };
        }
        let Some(site) = &incident.site else { return Self::Monitor };
        let name = if alert.site_name.is_empty() { site.as_str() } else { &alert.site_name };
        let sites = affected_sites(alert).len().saturating_sub(passed_on.len());
        let itself = incident.affected.iter().any(|affected| affected.site == *site)
            && !passed_on.contains(&site);
        let on_the_way =
            matches!(incident.cause, Cause::Device | Cause::Service) && incident.of > 1;
        match itself {
            true if on_the_way && sites > 1 => {
                Self::Behind { name, sites: sites - 1, itself: true }
            }
            false if sites > 0 => Self::Behind { name, sites, itself: false },
            _ => Self::Site { name, others: sites.saturating_sub(1) },
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

fn name_of<'a>(alert: &'a Alert, site: &'a SiteId) -> &'a str {
    match alert.names.get(site) {
        Some(name) => name,
        None if site.as_str() == alert.parent && !alert.parent_name.is_empty() => {
            &alert.parent_name
        }
        None => site.as_str(),
    }
}

/// The first so many of these names, and how many more there are.
fn first<'a, 'n>(names: &'n [&'a str], most: usize) -> (&'n [&'a str], usize) {
    // Leaving out one or two would save nothing and cost the reader a question.
    let show = if names.len() <= most + 2 { names.len() } else { most };
    (&names[..show], names.len() - show)
}

/// What all have in common, if they do.
pub(super) fn shared_by_all<'a, T: PartialEq>(
    all: &[Facts<'a>],
    what: impl Fn(&Facts<'a>) -> T,
) -> Option<T> {
    let first = what(all.first()?);
    all[1..].iter().all(|facts| what(facts) == first).then_some(first)
}

/// The kinds of messages in the order in which several are told: what is new first, then what
/// somebody has to do something about.
pub(super) const IN_ORDER: [NotificationKind; 5] = {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved, Update};
    [Firing, Escalation, Update, Reminder, Resolved]
};

/// How many incidents are told as what, in that order.
pub(super) fn kinds(all: &[Facts<'_>]) -> Vec<(NotificationKind, usize)> {
    let count = |kind| (kind, all.iter().filter(|facts| facts.kind == kind).count());
    IN_ORDER.into_iter().map(count).filter(|(_, count)| *count > 0).collect()
}

/// The cause of several incidents that are news, if all have the same and none comes and goes.
pub(super) fn common_cause(all: &[Facts<'_>]) -> Option<Cause> {
    let cause = all.first()?.cause;
    all.iter().all(|facts| facts.cause == cause && !facts.is_unsteady()).then_some(cause)
}

/// Which sites are watched no longer, in brackets, where that is short enough for a first line.
pub(super) fn removed(all: &[Facts<'_>]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for facts in all.iter().filter(|facts| facts.removed) {
        if !names.contains(&facts.place_name()) {
            names.push(facts.place_name());
        }
    }
    let names = names.join(", ");
    let fits = !names.is_empty() && names.chars().count() <= REMOVED;
    if fits { format!(" ({names})") } else { String::new() }
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
pub(super) fn units(duration: Duration) -> [u64; 4] {
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
pub(super) fn tenths(tenths: u32, point: char) -> String {
    format!("{}{point}{}", tenths / 10, tenths % 10)
}
