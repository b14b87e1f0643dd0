//! Drills: before a session, a marked alert takes the way of a real one, so that a way that leads
//! nowhere is found while there is time to mend it.
//!
//! 1. A drill begins when a session starts within the time that the settings name. It is decided
//!    here, committed with the outbox, carried by the courier, and goes through every channel.
//! 2. It is passed when every channel has accepted it. It then ends, and its end is told as well.
//! 3. A channel that has not accepted it within the time that the settings allow is a trouble of
//!    this monitor's own, told through the channels that work, until it accepts or the session
//!    is over.
//! 4. Each session has one drill; one that is put off to another time has another. A drill in the
//!    middle of which the program ended is held again: nobody knows who accepted it.
//! 5. A drill is no incident: it stands in no report, moves no figure of a site and is held back by
//!    no silence.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::flap::within;
use crate::config::{Config, DrillSettings};
use crate::model::{
    Alert, Cause, Change, ChannelId, Drill, DrillState, Incident, IncidentId, Notification,
    NotificationId, NotificationKind, Phase, Resolution, Session, SessionId, Severity,
};

/// How long it is remembered that a session had its drill.
const REMEMBERED: Duration = Duration::from_hours(24);

/// The drills that are remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Drills {
    held: BTreeMap<SessionId, Drill>,
    /// Channels that have not accepted the drill that goes on.
    pending: BTreeMap<SessionId, BTreeSet<ChannelId>>,
}

impl Drills {
    /// Drills from before a restart.
    pub(super) fn restored(held: BTreeMap<SessionId, Drill>) -> Self {
        Self { held, pending: BTreeMap::new() }
    }

    /// What is to be done at `now`; nothing most of the time.
    pub(super) fn look(&mut self, config: &Config, now: Timestamp) -> Vec<Change> {
        let settings = &config.settings.drill;
        let mut changes = Vec::new();
        for session in &config.sessions {
            if self.is_due(session, settings, now) {
                self.begin(session, config, now, &mut changes);
            }
        }
        let ids: Vec<SessionId> = self.pending.keys().cloned().collect();
        for id in ids {
            self.settle(&id, config, now, &mut changes);
        }
        self.held.retain(|_, drill| now < drill.start || within(drill.start, REMEMBERED, now));
        changes
    }

    /// A channel has accepted this drill, perhaps after it had been given up on.
    pub(super) fn accepted(&mut self, channel: &ChannelId, incident: &IncidentId) {
        for (session, drill) in &mut self.held {
            if drill.incident != *incident {
                continue;
            }
            if let Some(pending) = self.pending.get_mut(session) {
                pending.remove(channel);
            }
            if let DrillState::Failed { missing } = &mut drill.state {
                missing.retain(|other| other != channel);
            }
        }
    }

    /// What drills have shown to be wrong, in plain words.
    pub(super) fn reasons(&self, now: Timestamp) -> Vec<String> {
        let failed = self.held.values().filter(|drill| now < drill.end);
        let missing = failed.filter_map(|drill| match &drill.state {
            DrillState::Failed { missing } if !missing.is_empty() => Some((drill, missing)),
            _ => None,
        });
        let words = missing.map(|(drill, missing)| {
            let names: Vec<&str> = missing.iter().map(ChannelId::as_str).collect();
            let (session, names) = (&drill.session, names.join(", "));
            format!("the drill before session {session} was not accepted by: {names}")
        });
        words.collect()
    }

    /// The last drill that is over, and whether everybody accepted it.
    pub(super) fn last(&self) -> Option<(Timestamp, bool)> {
        let over = self.held.values().filter_map(|drill| match &drill.state {
            DrillState::Running => None,
            DrillState::Passed => Some((drill.at, true)),
            DrillState::Failed { missing } => Some((drill.at, missing.is_empty())),
        });
        over.max()
    }

    /// Rules 1 and 4.
    fn is_due(&self, session: &Session, settings: &DrillSettings, now: Timestamp) -> bool {
        let opens = session.start.checked_sub(settings.before).unwrap_or(Timestamp::MIN);
        if settings.before.is_zero() || now < opens || now >= session.start {
            return false;
        }
        let held = self.held.get(&session.id).filter(|drill| drill.start == session.start);
        held.is_none_or(|drill| {
            drill.state == DrillState::Running && !self.pending.contains_key(&session.id)
        })
    }

    fn begin(
        &mut self,
        session: &Session,
        config: &Config,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let channels: BTreeSet<ChannelId> =
            config.settings.channels.iter().map(|channel| channel.id.clone()).collect();
        if channels.is_empty() {
            return;
        }
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        let drill = Drill {
            session: session.id.clone(),
            incident: IncidentId::new(format!("drill.{}.{stamp}", session.id)),
            title: session.title.clone(),
            start: session.start,
            end: session.end,
            at: now,
            state: DrillState::Running,
        };
        let firing = NotificationKind::Firing;
        changes.extend(channels.iter().map(|channel| notify(&drill, channel, firing, now)));
        changes.push(Change::Drill(drill.clone()));
        self.pending.insert(session.id.clone(), channels);
        self.held.insert(session.id.clone(), drill);
    }

    /// Rules 2 and 3.
    fn settle(
        &mut self,
        id: &SessionId,
        config: &Config,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let (Some(drill), Some(pending)) = (self.held.get_mut(id), self.pending.get_mut(id)) else {
            return;
        };
        let channels = &config.settings.channels;
        // Nobody waits for a channel that was taken out meanwhile.
        pending.retain(|id| channels.iter().any(|channel| channel.id == *id));
        let patience = within(drill.at, config.settings.drill.accept_within, now);
        if !pending.is_empty() && patience {
            return;
        }
        drill.state = match pending.is_empty() {
            true => DrillState::Passed,
            false => DrillState::Failed { missing: pending.iter().cloned().collect() },
        };
        let over = NotificationKind::Resolved;
        let told = channels.iter().filter(|channel| channel.send_resolved);
        changes.extend(told.map(|channel| notify(drill, &channel.id, over, now)));
        changes.push(Change::Drill(drill.clone()));
        self.pending.remove(id);
    }
}

/// The message of a drill.
fn notify(drill: &Drill, channel: &ChannelId, kind: NotificationKind, now: Timestamp) -> Change {
    let over = kind == NotificationKind::Resolved;
    let incident = Incident {
        resolved: over.then_some(now),
        // As loud as the alerts that matter: a way that is open for whispers proves nothing.
        severity: Severity::Critical,
        session: Some(drill.session.clone()),
        resolution: over.then_some(Resolution::Recovered),
        ..Incident::blank(drill.incident.clone(), Cause::Monitor, drill.at)
    };
    Change::Notify(Box::new(Notification {
        id: NotificationId::new(format!("{}/{channel}/{}", drill.incident, kind.word())),
        channel: channel.clone(),
        kind,
        created: now,
        alert: Alert {
            incident,
            site_name: String::new(),
            level: String::new(),
            level_name: String::new(),
            parent: String::new(),
            parent_name: String::new(),
            contacts: Vec::new(),
            names: BTreeMap::new(),
            phase: Phase::Readiness,
            session_title: Some(drill.title.clone()),
            session_start: Some(drill.start),
            drill: true,
            readiness: None,
        },
        instead_of: None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{File, SourceSet, load, sample};

    /// Two channels, and a session at 08:00 in Hà Nội with a drill two hours before.
    fn config() -> Config {
        let settings = "channels:
  duty: {kind: webhook, url: \"http://127.0.0.1:1/\"}
  sms: {kind: webhook, url: \"http://127.0.0.1:2/\"}
drill: {before: 2h, accept_within: 2m}
";
        let sessions = "sessions: [{id: giao-ban, title: Giao ban, start: 2026-12-03 08:00, duration: 2h, sites: {levels: [commune]}}]\n";
        let files: SourceSet = sample().with(File::Settings, "vchealth.yaml", settings).with(
            File::Sessions,
            "sessions.yaml",
            sessions,
        );
        load(&files).unwrap_or_else(|problems| panic!("{problems}"))
    }

    fn at(text: &str) -> Timestamp {
        format!("2026-12-03T{text}Z").parse().unwrap()
    }

    /// `channel kind` of the messages in it.
    fn told(changes: &[Change]) -> Vec<String> {
        let messages = changes.iter().filter_map(|change| match change {
            Change::Notify(it) if it.alert.drill => {
                Some(format!("{} {}", it.channel, it.kind.word()))
            }
            _ => None,
        });
        messages.collect()
    }

    fn incident(drills: &Drills) -> IncidentId {
        drills.held.values().next().expect("a drill").incident.clone()
    }

    #[test]
    fn a_drill_goes_through_every_channel_two_hours_before_and_ends_when_all_have_it() {
        let (mut drills, config) = (Drills::default(), config());
        assert_eq!(told(&drills.look(&config, at("22:59:59"))), Vec::<String>::new());
        let before = |text: &str| format!("2026-12-02T{text}Z").parse::<Timestamp>().unwrap();
        assert!(told(&drills.look(&config, before("22:59:59"))).is_empty());
        assert_eq!(told(&drills.look(&config, before("23:00:00"))), ["duty firing", "sms firing"]);
        assert!(drills.look(&config, before("23:00:01")).is_empty(), "once");
        let id = incident(&drills);
        drills.accepted(&ChannelId::new("duty"), &id);
        assert!(drills.look(&config, before("23:00:02")).is_empty());
        drills.accepted(&ChannelId::new("sms"), &id);
        let over = drills.look(&config, before("23:00:03"));
        assert_eq!(told(&over), ["duty resolved", "sms resolved"]);
        assert_eq!(drills.last(), Some((before("23:00:00"), true)));
        assert!(drills.reasons(before("23:30:00")).is_empty());
        assert!(drills.look(&config, at("00:59:59")).is_empty(), "no second one");
    }

    #[test]
    fn a_channel_that_does_not_accept_is_our_own_trouble_until_it_does() {
        let (mut drills, config) = (Drills::default(), config());
        let begin = at("00:00:00");
        drills.look(&config, begin);
        let id = incident(&drills);
        drills.accepted(&ChannelId::new("duty"), &id);
        assert!(drills.look(&config, at("00:01:59")).is_empty());
        assert_eq!(told(&drills.look(&config, at("00:02:01"))), ["duty resolved", "sms resolved"]);
        let said = ["the drill before session giao-ban was not accepted by: sms"];
        assert_eq!(drills.reasons(at("00:02:01")), said);
        assert_eq!(drills.last(), Some((begin, false)));
        drills.accepted(&ChannelId::new("sms"), &IncidentId::new("another"));
        assert_eq!(drills.reasons(at("00:10:00")), said);
        assert!(drills.reasons(at("03:00:00")).is_empty(), "the session is over");
        drills.accepted(&ChannelId::new("sms"), &id);
        assert!(drills.reasons(at("00:10:00")).is_empty(), "it came late");
    }

    #[test]
    fn a_restart_repeats_only_what_it_cut_short_and_a_session_put_off_has_another() {
        let (mut drills, mut config) = (Drills::default(), config());
        drills.look(&config, at("00:00:00"));
        let mut again = Drills::restored(drills.held.clone());
        assert_eq!(told(&again.look(&config, at("00:00:10"))).len(), 2, "cut short");
        let id = incident(&again);
        assert_ne!(id, incident(&drills), "under another id, for receivers that drop repeats");
        for channel in ["duty", "sms"] {
            again.accepted(&ChannelId::new(channel), &id);
        }
        again.look(&config, at("00:00:20"));
        let mut third = Drills::restored(again.held.clone());
        assert!(third.look(&config, at("00:00:30")).is_empty());

        let mut later = (*config.sessions[0]).clone();
        later.start = at("09:00:00");
        later.end = at("11:00:00");
        config.sessions = vec![std::sync::Arc::new(later)];
        assert!(third.look(&config, at("06:59:59")).is_empty());
        assert_eq!(told(&third.look(&config, at("07:00:00"))).len(), 2);
    }

    #[test]
    fn without_the_setting_there_are_none() {
        let (mut drills, mut config) = (Drills::default(), config());
        config.settings.drill.before = Duration::ZERO;
        assert!(drills.look(&config, at("00:00:00")).is_empty());
    }
}
