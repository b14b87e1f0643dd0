//! Whether what was told was told rightly.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use vchealth::config::Settings;
use vchealth::model::{
    Cause, Incident, Notification, NotificationKind, PersonId, Severity, SiteId, Told,
};

use super::{ALL, CRITICAL, NO_ENDS};

/// The time over which messages are counted.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What is wrong with what was told: every firing is followed by one resolved to the same channel,
/// never two of a kind in a row, no id twice.
pub(super) fn mistold(told: &[(Duration, Notification)], limit: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut on: BTreeMap<(&str, &str), Vec<&Notification>> = BTreeMap::new();
    let mut ids = std::collections::BTreeSet::new();
    for (at, message) in told {
        if !ids.insert(message.id.as_str()) {
            found.push(format!("{at:?}: {} went out twice", message.id));
        }
        let key = (message.alert.incident.id.as_str(), message.channel.as_str());
        let before = on.entry(key).or_default();
        let is_on = before.last().is_some_and(|last| last.kind != NotificationKind::Resolved);
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
        let last_before = before.last().copied();
        before.push(message);
        let recent = before.iter().filter(|m| message.created.duration_since(m.created) < HOUR);
        let recent: Vec<_> = recent.collect();
        // What is critical may take one more.
        let is_critical = |m: &Notification| m.alert.incident.severity == Severity::Critical;
        let told_as_critical = last_before.is_some_and(is_critical);
        let is_critical = is_critical(message)
            || (message.kind == NotificationKind::Resolved && told_as_critical);
        if limit && recent.len() > 3 + usize::from(is_critical) {
            found.push(format!("{at:?}: {} is one too many within the hour", message.id));
        }
    }
    found
}

/// What a message says, for whoever looks into it.
pub(super) fn words(message: &Notification) -> String {
    let Incident { cause, site, endpoint, of, evidence, .. } = &message.alert.incident;
    let affected: Vec<_> = message.alert.incident.affected_now().map(SiteId::as_str).collect();
    let saw: Vec<_> = evidence.iter().map(|it| format!("{} {:?}", it.target, it.saw)).collect();
    let (id, cause) = (&message.id, cause.word());
    format!("{id}: {cause} at {site:?} {endpoint:?}, {affected:?} of {of}: {saw:#?}")
}

/// How much a trouble keeps a site from.
pub(super) const fn gravity(cause: Cause) -> u8 {
    match cause {
        Cause::Monitor | Cause::Certificate | Cause::Clock => 0,
        Cause::Quality => 1,
        Cause::Service => 2,
        Cause::Device => 3,
        Cause::Access | Cause::Uplink => 4,
    }
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

/// Whom an open incident reaches that has not heard of it, or not how grave it is.
///
/// 1. Whoever wants to know everything, and whoever is on duty now; of what is critical also who
///    wants to know that.
/// 2. While somebody has it, those whom it newly reaches need not know, unless it is graver than
///    anything that was told.
/// 3. Messages of the hour may be used up, or the last of them be kept for what lasts.
pub(super) fn unheard(incident: &Incident, settings: &Settings, now: Timestamp) -> Option<String> {
    let is_graver = |told: &Told| {
        incident.severity > told.severity || gravity(incident.cause) > gravity(told.cause)
    };
    let duty = settings.rotas[0].on_duty(now).into_iter().map(PersonId::as_str);
    let critical = Some(CRITICAL).filter(|_| incident.severity == Severity::Critical);
    for channel in [ALL, NO_ENDS].into_iter().chain(duty).chain(critical) {
        let told = || incident.told.iter().filter(|told| told.channel.as_str() == channel);
        let last = told().next_back();
        let standing = last.filter(|told| told.kind != NotificationKind::Resolved);
        let others_know =
            incident.taken_by(now).is_some() && incident.told.iter().any(|told| !is_graver(told));
        let knows = standing.map_or(others_know, |told| !is_graver(told));
        let recent = told().filter(|told| now.duration_since(told.at).abs() <= HOUR).count();
        // What is critical does not wait for the last message of the hour, and has one more.
        let is_over = last.is_some_and(|told| told.kind == NotificationKind::Resolved);
        let is_urgent = incident.severity == Severity::Critical && is_over;
        if !knows && recent < if is_urgent { 4 } else { 2 } {
            return Some(format!("{channel} has not heard of it, only {last:?}"));
        }
    }
    None
}
