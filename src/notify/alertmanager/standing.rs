//! Which alerts stand at a cluster, and what to post when one begins, changes or ends. Pure.
//!
//! An Alertmanager knows an alert by its labels, and some of ours change while an incident grows:
//! the severity, the session, the cause. Therefore:
//!
//! 1. When the labels change, the same post that begins the alert under the new ones ends it under
//!    the old.
//! 2. What ends, ends under the labels that it stands under.
//! 3. A letter counts only once it was accepted; until then what stood before stands.
//! 4. What is about to end is not told again, even if its end is not accepted: it lapses.
//! 5. An end never lies before its beginning, which Alertmanager refuses.
//! 6. Two monitors that watch the same province say the same of a fault: the labels are what is at
//!    fault, why, how grave it is and in which session, and nothing of who says so. The id of the
//!    incident, which each monitor makes by itself, is an annotation. Only what a monitor says of
//!    itself is told apart, by the label `vantage`.
//! 7. Of two incidents with the same labels, one that comes right after the other, neither the end
//!    of the first nor its change to other labels ends the second.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::AlertJson;
use crate::model::{Cause, IncidentId, Notification, NotificationKind};
use crate::notify::{Item, Letter, Style, webhook};

pub(super) type Labels = BTreeMap<&'static str, String>;

/// The alerts that stand.
#[derive(Debug, Default)]
pub(super) struct Standing {
    alerts: BTreeMap<IncidentId, AlertJson>,
    /// Those whose end is on its way.
    ending: BTreeSet<IncidentId>,
}

impl Standing {
    /// What to post for a letter.
    pub(super) fn alerts(
        &mut self,
        letter: &Letter,
        style: &Style,
        now: Timestamp,
        lapse: Duration,
    ) -> Vec<AlertJson> {
        let mut alerts = Vec::new();
        for item in &letter.items {
            let incident = &item.notification.alert.incident;
            let mut new = alert(item, letter.test, style);
            let before = self.alerts.get(&incident.id);
            if item.told_as == NotificationKind::Resolved {
                if let Some(before) = before {
                    new.labels.clone_from(&before.labels);
                }
                self.ending.insert(incident.id.clone());
                if !self.others_stand(&incident.id, &new) {
                    let over = incident.resolved.unwrap_or(letter.created).min(now);
                    alerts.push(ending(new, over));
                }
            } else {
                let before = before.filter(|before| before.labels != new.labels);
                if let Some(before) = before.filter(|it| !self.others_stand(&incident.id, it)) {
                    alerts.push(ending(before.clone(), now));
                }
                // What a readiness run found is of no use once its session is on.
                let start = item.notification.alert.session_start;
                let end = start.filter(|_| item.notification.alert.readiness.is_some());
                alerts.push(ending(new, end.unwrap_or_else(|| later(now, lapse))));
            }
        }
        alerts
    }

    /// Rule 7: whether another incident stands under the same labels.
    fn others_stand(&self, incident: &IncidentId, alert: &AlertJson) -> bool {
        let others =
            self.alerts.iter().filter(|(id, _)| *id != incident && !self.ending.contains(*id));
        others.map(|(_, other)| other).any(|other| other.labels == alert.labels)
    }

    /// The end that the letter tells was refused for good, and will not be tried again: it lapses.
    pub(super) fn refused(&mut self, letter: &Letter) {
        // Of several, each is tried alone first.
        if let [one] = letter.items.as_slice()
            && one.told_as == NotificationKind::Resolved
        {
            let id = &one.notification.alert.incident.id;
            self.alerts.remove(id);
            self.ending.remove(id);
        }
    }

    /// The letter was accepted.
    pub(super) fn accepted(&mut self, letter: &Letter, style: &Style) {
        for item in &letter.items {
            let id = &item.notification.alert.incident.id;
            self.ending.remove(id);
            if item.told_as == NotificationKind::Resolved {
                self.alerts.remove(id);
            } else if item.notification.alert.readiness.is_none() {
                self.alerts.insert(id.clone(), alert(item, letter.test, style));
            }
        }
    }

    /// What was accepted before the daemon ended and is not over. What was told since is newer.
    pub(super) fn restore(&mut self, notification: Notification, style: &Style) {
        let id = notification.alert.incident.id.clone();
        if notification.kind == NotificationKind::Resolved || self.ending.contains(&id) {
            return;
        }
        let item = Item::new(notification.kind, Arc::new(notification));
        self.alerts.entry(id).or_insert_with(|| alert(&item, false, style));
    }

    /// Everything to tell again.
    pub(super) fn all(&self, now: Timestamp, lapse: Duration) -> Vec<AlertJson> {
        let standing = self.alerts.iter().filter(|(id, _)| !self.ending.contains(*id));
        standing.map(|(_, alert)| ending(alert.clone(), later(now, lapse))).collect()
    }
}

/// The alert of an incident, without an end. Labels without a value go, as Alertmanager would have
/// it.
fn alert(item: &Item, test: bool, style: &Style) -> AlertJson {
    let contract = webhook::AlertJson::new(item, test, style);
    let incident = &item.notification.alert.incident;
    let (mut labels, mut annotations) = (contract.labels, contract.annotations);
    if let Some(id) = labels.remove("incident") {
        annotations.insert("incident", id);
    }
    match (incident.cause, &incident.endpoint) {
        // Of these a site may have several at once, one for each device.
        (Cause::Certificate | Cause::Clock, Some(endpoint)) => {
            labels.insert("endpoint", endpoint.to_string());
        }
        (Cause::Monitor, _) => {
            let vantage = style.vantage.as_ref().map(ToString::to_string);
            labels.insert("vantage", vantage.unwrap_or_default());
        }
        _ => {}
    }
    if let Some(common) = &incident.common {
        labels.insert("common", format!("{}={}", common.label, common.value));
    }
    labels.retain(|_, value| !value.is_empty());
    let began = incident.began.to_string();
    AlertJson {
        labels,
        annotations,
        ends_at: began.clone(),
        starts_at: began,
        generator_url: contract.generator_url,
    }
}

/// The same with this end.
fn ending(alert: AlertJson, end: Timestamp) -> AlertJson {
    let began: Timestamp = alert.starts_at.parse().unwrap_or(end);
    AlertJson { ends_at: end.max(began).to_string(), ..alert }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
