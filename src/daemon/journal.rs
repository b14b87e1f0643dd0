//! The log of what was decided: one line for each hard change, each turn of an incident and each
//! message.
//!
//! The record of an incident changes more often than there is something to say: with every message
//! and every step of an escalation. So it is kept what was said of each.

use std::collections::BTreeMap;

use tracing::{error, info, warn};

use crate::model::{
    Batch, Cause, Change, ChannelId, Drill, DrillDoubt, DrillState, Health, Incident, IncidentId,
    Notification, PersonId, ReadinessRun, Severity, Verdict, missed,
};

/// Incidents of which it is kept what was said; those that are over are forgotten first.
const KEPT: usize = 4_096;

/// The log, and what it has said of incidents.
#[derive(Debug, Default)]
pub(super) struct Journal {
    said: BTreeMap<IncidentId, Said>,
}

/// What was said of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    stands: Stands,
    cause: Cause,
    severity: Severity,
    affected: usize,
    /// Who took it on, and the note.
    ack: Option<(String, String)>,
    held_back: Vec<ChannelId>,
    quiet: Vec<ChannelId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    On,
    Rests,
    Over,
}

/// What is to be said of an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
enum News {
    Open,
    /// It is graver, wider or called otherwise.
    Grown,
    Acknowledged,
    Rests,
    Resolved,
    HeldBack(ChannelId),
    /// It waits for the end of quiet hours.
    Quiet(ChannelId),
}

impl Journal {
    /// A log that has spoken of these before.
    pub(super) fn knowing<'a>(incidents: impl IntoIterator<Item = &'a Incident>) -> Self {
        let said = incidents.into_iter().map(|it| (it.id.clone(), Said::of(it))).collect();
        Self { said }
    }

    /// Logs what a batch changes for good.
    pub(super) fn log(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Incident(incident) => {
                    for news in self.take_in(incident) {
                        log_incident(incident, &news);
                    }
                }
                change => log_change(change),
            }
        }
    }

    /// What is new about an incident.
    fn take_in(&mut self, incident: &Incident) -> Vec<News> {
        let now = Said::of(incident);
        let news = now.since(self.said.get(&incident.id));
        self.said.insert(incident.id.clone(), now);
        if self.said.len() > KEPT {
            self.said.retain(|_, said| said.stands != Stands::Over);
        }
        news
    }
}

impl Said {
    fn of(incident: &Incident) -> Self {
        let affected = incident.affected_now().count();
        let stands = match incident.resolved {
            Some(_) => Stands::Over,
            None if incident.well_since().is_some() => Stands::Rests,
            None => Stands::On,
        };
        Self {
            stands,
            cause: incident.cause,
            severity: incident.severity,
            affected,
            ack: incident.ack.as_ref().map(|ack| (ack.by.clone(), ack.note.clone())),
            held_back: incident.held_back.clone(),
            quiet: incident
                .quiet
                .iter()
                .flat_map(|it| &it.whom)
                .map(|it| it.channel.clone())
                .collect(),
        }
    }

    /// What is new since something else was said.
    fn since(&self, before: Option<&Self>) -> Vec<News> {
        let was = before.map(|before| before.stands);
        let held = |channel: &&ChannelId| !before.is_some_and(|it| it.held_back.contains(channel));
        let held = self.held_back.iter().filter(held).cloned().map(News::HeldBack);
        let quiet = |channel: &&ChannelId| !before.is_some_and(|it| it.quiet.contains(channel));
        let quiet = self.quiet.iter().filter(quiet).cloned().map(News::Quiet);
        let mut news: Vec<News> = held.chain(quiet).collect();
        match self.stands {
            Stands::Over if was != Some(Stands::Over) => news.push(News::Resolved),
            Stands::Rests if was != Some(Stands::Rests) => news.push(News::Rests),
            Stands::On if was != Some(Stands::On) => news.push(News::Open),
            Stands::On => {
                let grown = |it: &Self| {
                    self.severity > it.severity
                        || self.affected > it.affected
                        || self.cause != it.cause
                };
                if before.is_some_and(grown) {
                    news.push(News::Grown);
                }
            }
            Stands::Over | Stands::Rests => {}
        }
        let acked = self.ack.is_some() && before.is_none_or(|before| before.ack != self.ack);
        if acked && self.stands != Stands::Over {
            news.push(News::Acknowledged);
        }
        news
    }
}

fn log_change(change: &Change) {
    match change {
        Change::Health { key, state } => {
            let (what, health) = (key.to_string(), state.health.word());
            // The first judgement after an empty start is no news when it is good.
            if matches!(state.health, Health::Down | Health::Degraded) {
                warn!(what, health, "health changed");
            } else {
                info!(what, health, "health changed");
            }
        }
        Change::Notify(notification) => log_notification(notification),
        Change::Silence(silence) => {
            let site = silence.site.as_ref().map_or("everything", |site| site.as_str());
            info!(id = %silence.id, site, until = %silence.until, by = silence.by, "silenced");
        }
        Change::Maintenance(window) => {
            info!(id = %window.id, until = %window.until, by = window.by, "maintenance announced");
        }
        Change::Duty { rota, handed: Some(handed) } => {
            let people = handed.people.iter().map(PersonId::as_str).collect::<Vec<_>>().join(", ");
            let (by, until) = (&*handed.by, handed.until);
            info!(%rota, people, %until, by, reason = handed.reason, "the duty is handed over");
        }
        Change::Duty { rota, handed: None } => info!(%rota, "nobody else has the duty any more"),
        Change::Lift(id) => info!(%id, "silence or maintenance ended"),
        Change::Drill(drill) => log_drill(drill),
        Change::LinkUse(used) => info!(incident = %used.incident, by = used.by, "link used"),
        Change::Session(record) => {
            let (id, sites) = (&record.id, record.sites.len());
            match record.closed {
                Some(_) => info!(%id, sites, "session over, everything about it is known"),
                None => info!(%id, sites, start = %record.start, "session written down"),
            }
        }
        Change::Cancelled(id) => info!(%id, "session cancelled"),
        Change::Reported { session, .. } => info!(%session, "report written"),
        Change::Readiness(run) => log_readiness(run),
        Change::Confirm(said) => {
            let (session, site, by) = (&said.session, &said.site, &said.by);
            info!(%session, %site, by, said.picture, said.sound, "picture and sound");
        }
        Change::Unconfirm { session, site } => {
            info!(%session, %site, "picture and sound no longer confirmed");
        }
        Change::Incident(_)
        | Change::Forget(_)
        | Change::Rollup(_)
        | Change::Watch(_)
        | Change::Lost { .. } => {}
    }
}

fn log_drill(drill: &Drill) {
    let session = &drill.session;
    match &drill.state {
        DrillState::Running => info!(%session, "a drill begins"),
        DrillState::Passed => info!(%session, "every channel accepted the drill"),
        DrillState::Nobody => warn!(%session, "the routes send alerts of a session to nobody"),
        // The doubt says why there was nothing to accept.
        DrillState::Failed { missing } if missing.is_empty() => {}
        DrillState::Failed { missing } => {
            let missing = missed(missing, &drill.refused, "recipient");
            error!(%session, missing, "channels did not accept the drill in time");
        }
    }
    match drill.doubt {
        None => {}
        Some(DrillDoubt::HeldBack) => {
            error!(%session, "silences or planned work hold back all alerts of the session");
        }
        Some(DrillDoubt::Unnoticed) => {
            error!(%session, "a dead site of the session would be told to nobody in time");
        }
    }
}

fn log_incident(incident: &Incident, news: &News) {
    let site = incident.site.as_ref().map_or("", |site| site.as_str());
    let endpoint = incident.endpoint.as_ref().map_or("", |endpoint| endpoint.as_str());
    let (id, cause) = (&incident.id, incident.cause.word());
    let (severity, affected) = (incident.severity.word(), incident.affected_now().count());
    match news {
        News::HeldBack(channel) => {
            warn!(%id, %channel, "message held back: those of this hour are used up, or it has yet to last");
        }
        News::Quiet(channel) => {
            let until = incident.quiet.as_ref().map(|quiet| {
                let mut whom = quiet.whom.iter().filter(|it| it.channel == *channel);
                whom.find_map(|it| it.not_before).unwrap_or(quiet.until).to_string()
            });
            info!(%id, %channel, until, "message waits for the end of quiet hours");
        }
        News::Open => warn!(%id, cause, site, endpoint, severity, affected, "incident open"),
        News::Grown => warn!(%id, cause, site, endpoint, severity, affected, "incident has grown"),
        News::Acknowledged => {
            let by = incident.ack.as_ref().map_or("", |ack| ack.by.as_str());
            info!(%id, cause, site, by, "incident acknowledged");
        }
        News::Rests => {
            info!(%id, cause, site, endpoint, "incident rests: all its sites are well again");
        }
        News::Resolved => info!(%id, cause, site, endpoint, "incident resolved"),
    }
}

fn log_notification(notification: &Notification) {
    let Notification { id, channel, kind, .. } = notification;
    info!(%id, %channel, kind = kind.word(), "message queued");
}

fn log_readiness(run: &ReadinessRun) {
    let (session, sites) = (&run.session, run.sites.len());
    let [ready, at_risk, cannot_tell, not_ready] = Verdict::ALL.map(|verdict| run.count(verdict));
    let took_s = run.finished.duration_since(run.began).as_secs();
    info!(%session, sites, ready, at_risk, cannot_tell, not_ready, took_s, "readiness");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Ack, Affected, Quieted, SiteId, Waits};
    use crate::store::tests::incident;

    #[test]
    fn each_turn_of_an_incident_is_said_once() {
        let mut journal = Journal::default();
        let mut it = incident("tan-lap.access.x", "tan-lap");
        let began = it.began;
        let affects = |site: &str| Affected {
            site: SiteId::new(site),
            since: began,
            until: None,
            passed_on: false,
        };
        it.affected = vec![affects("tan-lap")];
        assert_eq!(journal.take_in(&it), [News::Open]);
        it.waiting_since = Some(began);
        assert_eq!(journal.take_in(&it), [], "somebody was told");
        it.ack = Some(Ack { by: "Hà".to_owned(), at: began, note: String::new(), until: None });
        assert_eq!(journal.take_in(&it), [News::Acknowledged]);
        it.affected.push(affects("ban-thi"));
        assert_eq!(journal.take_in(&it), [News::Grown]);
        it.held_back = vec![ChannelId::new("sms")];
        assert_eq!(journal.take_in(&it), [News::HeldBack(ChannelId::new("sms"))]);
        assert_eq!(journal.take_in(&it), []);
        let waits = |channel: &str| Waits {
            channel: ChannelId::new(channel),
            people: Vec::new(),
            not_before: None,
        };
        it.quiet = Some(Quieted { until: began, whom: vec![waits("zalo")] });
        assert_eq!(journal.take_in(&it), [News::Quiet(ChannelId::new("zalo"))]);
        it.quiet = None;
        assert_eq!(journal.take_in(&it), [], "the log says what is told");
        for affected in &mut it.affected {
            affected.until = Some(began);
        }
        assert_eq!(journal.take_in(&it), [News::Rests]);
        it.resolved = Some(began);
        assert_eq!(journal.take_in(&it), [News::Resolved]);
        it.held_back.clear();
        assert_eq!(journal.take_in(&it), [], "its end was told");
        it.resolved = None;
        it.affected[0].until = None;
        assert_eq!(journal.take_in(&it), [News::Open], "it is back");
        assert_eq!(Journal::knowing([&it]).take_in(&it), [], "a restart is no news");
    }

    #[test]
    fn what_is_about_no_site_does_not_rest_from_the_start() {
        let mut it = incident("vchealth.monitor.x", "vchealth");
        (it.site, it.affected) = (None, Vec::new());
        assert_eq!(Journal::default().take_in(&it), [News::Open]);
    }
}
