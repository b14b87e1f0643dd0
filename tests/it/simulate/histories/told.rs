//! Whether what was told was told rightly.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vchealth::config::Settings;
use vchealth::lab::scenario::gravity;
use vchealth::model::{
    Incident, Notification, NotificationKind, PersonId, Phase, Severity, SiteId, Told,
};

use super::{ALL, CRITICAL, NO_ENDS};
use crate::simulate::run::{self, explains};

/// The time over which messages are counted.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// Most messages about one incident to one channel within it.
const MOST_IN_AN_HOUR: usize = 3;
/// So often it may be said within it that something is on, whatever incident it is said to be of.
const MOST_FIRINGS: usize = 2;

/// What is wrong with what was told: every firing is followed by one resolved to the same channel
/// and the same people, never two of a kind in a row, no id twice. Where there is a `limit` there
/// are never more in an hour of one incident that comes and goes, what was said in between before
/// it first came back apart, and the first that says, while a session is on or near, that it has
/// become critical, and calls to what is critical and stays on; where there is but `one_cause`, nor
/// of the same trouble of one place, which may have been told as an incident of its own before.
pub(super) fn mistold(
    told: &[(Duration, Notification)],
    limit: bool,
    one_cause: bool,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut on: BTreeMap<(&str, &str), Vec<&Notification>> = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for (nth, (at, message)) in told.iter().enumerate() {
        if !ids.insert(message.id.as_str()) {
            found.push(format!("{at:?}: {} went out twice", message.id));
        }
        let key = (message.alert.incident.id.as_str(), message.channel.as_str());
        let before = on.entry(key).or_default();
        let is_on = before.last().is_some_and(|last| last.kind != NotificationKind::Resolved);
        if message.kind == NotificationKind::Resolved
            && let Some(missed) = unmet(before, message)
        {
            found.push(format!("{at:?}: {} does not reach {missed}", message.id));
        }
        let fits = match message.kind {
            NotificationKind::Firing => !is_on,
            NotificationKind::Resolved => is_on && message.channel.as_str() != NO_ENDS,
            NotificationKind::Update | NotificationKind::Reminder => is_on,
            // It may be the first that a channel hears.
            NotificationKind::Escalation => true,
        };
        if !fits {
            found.push(format!("{at:?}: {} after {:?}", message.id, before.last().map(|m| m.kind)));
        }
        before.push(message);
        let relapses = &message.alert.incident.relapses;
        let is_near = matches!(message.alert.phase, Phase::Readiness | Phase::Live);
        let settled = run::settings().flapping.settled_after.get(message.alert.phase);
        // What is critical and stays on for so long toggles no more: who is called to it is.
        let is_call = |m: &Notification| {
            let since = relapses.iter().rfind(|at| **at <= m.created);
            matches!(m.kind, NotificationKind::Reminder | NotificationKind::Escalation)
                && m.alert.incident.severity == Severity::Critical
                && since.is_some_and(|at| m.created.duration_since(*at).unsigned_abs() >= settled)
        };
        let counts = |m: &&&Notification| {
            let is_state = matches!(m.kind, NotificationKind::Firing | NotificationKind::Resolved);
            let has_come_back = relapses.first().is_some_and(|first| *first <= m.created);
            let is_recent = message.created.duration_since(m.created) < HOUR;
            is_recent && (is_state || has_come_back) && !is_call(m)
        };
        let recent = before.iter().filter(counts);
        let (latest, earlier) = (&message.alert.incident, recent.clone().rev().skip(1));
        let is_less = |m: &&Notification| {
            let was = &m.alert.incident;
            was.severity < Severity::Critical || gravity(was.cause) < gravity(latest.cause)
        };
        let is_critical = latest.severity == Severity::Critical;
        let rises = is_near && is_critical && earlier.into_iter().all(is_less);
        let is_free = is_near && is_call(message);
        if limit && !is_free && recent.count() > MOST_IN_AN_HOUR + usize::from(rises) {
            found.push(format!("{at:?}: {} is one too many within the hour", message.id));
        }
        let is_again = |before: &Notification| {
            before.kind == NotificationKind::Firing
                && before.channel == message.channel
                && message.created.duration_since(before.created) < HOUR
                && place(before) == place(message)
        };
        let again = told[..nth].iter().map(|(_, before)| before).filter(|before| is_again(before));
        let rises_here = is_near && is_critical && again.clone().all(|before| is_less(&before));
        let is_firing = message.kind == NotificationKind::Firing;
        let most = MOST_FIRINGS + usize::from(rises_here);
        if limit && one_cause && is_firing && again.count() >= most {
            found.push(format!("{at:?}: {} tells of this place too often", message.id));
        }
    }
    found
}

/// Somebody who was told through a channel that it is on and whom its end is not for.
fn unmet<'a>(before: &[&'a Notification], end: &Notification) -> Option<&'a str> {
    let people = |message: &'a Notification| {
        let told = &message.alert.incident.told;
        let last = told.iter().rfind(|told| told.channel == message.channel);
        last.map_or(&[][..], |told| &told.people)
    };
    let last = end.alert.incident.told.iter().rfind(|told| told.channel == end.channel);
    let of_end = last.map_or(&[][..], |told| &told.people);
    let since = before.iter().rev().take_while(|it| it.kind != NotificationKind::Resolved);
    let mut met = since.flat_map(|message| people(message));
    met.find(|person| !of_end.contains(person)).map(String::as_str)
}

/// What is said to be the matter, and where.
fn place(message: &Notification) -> impl PartialEq + '_ {
    let Incident { cause, site, endpoint, common, .. } = &message.alert.incident;
    let common = common.as_ref().map(|common| (&common.label, &common.value));
    (cause, site, endpoint, common)
}

/// What a message says, for whoever looks into it.
pub(super) fn words(message: &Notification) -> String {
    let Incident { cause, site, endpoint, of, evidence, .. } = &message.alert.incident;
    let affected: Vec<_> = message.alert.incident.affected_now().map(SiteId::as_str).collect();
    let saw: Vec<_> = evidence.iter().map(|it| format!("{} {:?}", it.target, it.saw)).collect();
    let (id, cause) = (&message.id, cause.word());
    format!("{id}: {cause} at {site:?} {endpoint:?}, {affected:?} of {of}: {saw:#?}")
}

/// Firings that were never followed by a resolved.
pub(super) fn left_on(told: &[(Duration, Notification)]) -> Vec<String> {
    let mut on = BTreeMap::new();
    for (_, message) in told.iter().filter(|(_, message)| message.channel.as_str() != NO_ENDS) {
        let key = (message.alert.incident.id.clone(), message.channel.clone());
        on.insert(key, message.kind != NotificationKind::Resolved);
    }
    let left = on.into_iter().filter(|(_, on)| *on);
    left.map(|((incident, channel), _)| format!("{channel} was never told that {incident} is over"))
        .collect()
}

/// Whom an open incident reaches that has not heard of it, or not how grave it is, how far it
/// reaches or where it lies.
///
/// 1. Whoever wants to know everything, and whoever is on duty now; of what is critical also who
///    wants to know that.
/// 2. While somebody has it, those whom it newly reaches need not know, unless it is
///    [worse](is_worse) than anything that was told.
/// 3. Messages of the hour may be used up, or the last of them be kept for what lasts.
pub(super) fn unheard(incident: &Incident, settings: &Settings, now: Timestamp) -> Option<String> {
    let is_worse = |told: &Told| is_worse(incident, told);
    let duty = settings.rotas[0].on_duty(now).into_iter().map(PersonId::as_str);
    let critical = Some(CRITICAL).filter(|_| incident.severity == Severity::Critical);
    for channel in [ALL, NO_ENDS].into_iter().chain(duty).chain(critical) {
        let told = || incident.told.iter().filter(|told| told.channel.as_str() == channel);
        let last = told().next_back();
        let standing = last.filter(|told| told.kind != NotificationKind::Resolved);
        let others_know =
            incident.taken_by(now).is_some() && incident.told.iter().any(|told| !is_worse(told));
        let knows = standing.map_or(others_know, |told| !is_worse(told));
        let recent = told().filter(|told| now.duration_since(told.at).abs() <= HOUR).count();
        // That it is critical takes the last message at once, where nothing told was.
        let is_news = told().all(|told| told.severity < Severity::Critical);
        let is_urgent = incident.severity == Severity::Critical && is_news;
        if !knows && recent < if is_urgent { MOST_IN_AN_HOUR } else { 2 } {
            return Some(format!("{channel} has not heard of it, only {last:?}"));
        }
    }
    None
}

/// Whether an incident is so much worse than what was told that people must hear of it: more
/// urgent, a graver trouble, at least twice as many sites and two more, or at another place, so
/// that somebody else must be called.
fn is_worse(incident: &Incident, told: &Told) -> bool {
    let (now, then) = (incident.affected_now().count(), told.affected as usize);
    let common = incident.common.as_ref().map(|it| (it.label.clone(), it.value.clone()));
    incident.severity > told.severity
        || gravity(incident.cause) > gravity(told.cause)
        || (now >= then + 2 && now >= then * 2)
        || (explains(incident) && (&incident.site, &common) != (&told.site, &told.common))
}
