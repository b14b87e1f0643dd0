//! The log of what was decided: one line for each hard change, each incident and each message.

use tracing::{error, info, warn};

use crate::model::{
    Batch, Change, Drill, DrillState, Health, Incident, Notification, ReadinessRun, Verdict,
};

/// Logs what a batch changes for good.
pub(super) fn log(batch: &Batch) {
    for change in &batch.changes {
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
            Change::Incident(incident) => log_incident(incident),
            Change::Notify(notification) => log_notification(notification),
            Change::Withdraw(withdrawal) => {
                info!(id = %withdrawal.id, reason = withdrawal.reason, "message withdrawn");
            }
            Change::Silence(silence) => {
                let site = silence.site.as_ref().map_or("everything", |site| site.as_str());
                info!(id = %silence.id, site, until = %silence.until, by = silence.by, "silenced");
            }
            Change::Maintenance(window) => {
                info!(id = %window.id, until = %window.until, by = window.by, "maintenance announced");
            }
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
            Change::Forget(_) | Change::Rollup(_) | Change::Watch(_) | Change::Lost { .. } => {}
        }
    }
}

fn log_drill(drill: &Drill) {
    let session = &drill.session;
    match &drill.state {
        DrillState::Running => info!(%session, "a drill begins"),
        DrillState::Passed => info!(%session, "every channel accepted the drill"),
        DrillState::Nobody => warn!(%session, "the routes send alerts of a session to nobody"),
        DrillState::Failed { missing } => {
            error!(%session, ?missing, "channels did not accept the drill in time");
        }
    }
}

fn log_incident(incident: &Incident) {
    let site = incident.site.as_ref().map_or("", |site| site.as_str());
    let endpoint = incident.endpoint.as_ref().map_or("", |endpoint| endpoint.as_str());
    let (id, cause) = (&incident.id, incident.cause.word());
    let affected = incident.affected_now().count();
    for channel in &incident.held_back {
        warn!(%id, %channel, "message held back: those of this hour are used up");
    }
    match (incident.resolved, &incident.ack) {
        (Some(_), _) => info!(%id, cause, site, endpoint, "incident resolved"),
        (None, Some(ack)) => info!(%id, cause, site, by = ack.by, "incident acknowledged"),
        (None, None) if affected == 0 => {
            info!(%id, cause, site, endpoint, "incident rests: all its sites are well again");
        }
        (None, None) => {
            let severity = incident.severity.word();
            warn!(%id, cause, site, endpoint, severity, affected, "incident open");
        }
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
