//! Drills: before a session, a site that does not exist fails, and the alert about it takes the way
//! of a real one, so that a way that leads nowhere is found while there is time to mend it.
//!
//! 1. A drill begins when a session starts within the time that the settings name. Its alert is
//!    decided here, committed with the outbox, carried by the courier, and written in the texts
//!    that people gave, under a mark that no text of theirs can take away.
//! 2. It goes where alerts would about the sites of this session, and about this monitor, while it
//!    is live: by the routes, to the people on duty at its start, in every step of escalation at
//!    once, and through the channels that stand in for those. When that is nobody, it is a trouble
//!    of this monitor's own.
//! 3. It is passed when every channel has accepted it. It then ends, and its end is told as well.
//! 4. A channel that has not accepted it within the time that the settings allow is a trouble of
//!    this monitor's own, told through the channels that work, until it accepts or the session
//!    is over.
//! 5. Each session has one drill; one that is put off to another time has another. A drill in the
//!    middle of which the program ended is held again: nobody knows who accepted it.
//! 6. A drill is no incident: it stands in no report, moves no figure of a site and is held back by
//!    no silence and no quiet hours. What is probed and how failures become facts is not part of
//!    it: that shows every minute.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::flap::within;
use super::routing::{self, Reach};
use crate::config::{Channel, Config, DrillSettings, Matter};
use crate::model::{
    Affected, Alert, Cause, Change, ChannelId, CheckId, Drill, DrillState, EndpointId, Evidence,
    Failure, Importance, Incident, IncidentId, Notification, NotificationId, NotificationKind,
    Phase, RemoteFailure, Resolution, Saw, SelfDoubt, Session, SessionId, Severity, SiteId, SiteIx,
    TargetKey, Told,
};

/// How long it is remembered that a session had its drill.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Id of the site that fails.
const SITE: &str = "drill";

/// The drills that are remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Drills {
    held: BTreeMap<SessionId, Drill>,
    /// Those that go on.
    pending: BTreeMap<SessionId, Pending>,
}

/// A drill that goes on.
#[derive(Debug, Clone)]
struct Pending {
    /// Whom it reaches.
    reached: People,
    /// Channels that have not accepted it.
    missing: BTreeSet<ChannelId>,
}

/// Channels with the people for whom a message is; none when the channel itself is meant.
type People = BTreeMap<ChannelId, Vec<String>>;

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
                pending.missing.remove(channel);
            }
            if let DrillState::Failed { missing } = &mut drill.state {
                missing.retain(|other| other != channel);
            }
        }
    }

    /// What drills have shown to be wrong.
    pub(super) fn reasons(&self, now: Timestamp) -> Vec<SelfDoubt> {
        let near = self.held.values().filter(|drill| now < drill.end);
        let wrong = near.filter_map(|drill| {
            let session = drill.title.clone();
            match &drill.state {
                DrillState::Failed { missing } if !missing.is_empty() => {
                    Some(SelfDoubt::DrillMissed { session, channels: missing.clone() })
                }
                DrillState::Nobody => Some(SelfDoubt::NobodyReached { session }),
                DrillState::Running | DrillState::Passed | DrillState::Failed { .. } => None,
            }
        });
        wrong.collect()
    }

    /// The last drill that is over, and whether everybody accepted it.
    pub(super) fn last(&self) -> Option<(Timestamp, bool)> {
        let over = self.held.values().filter_map(|drill| match &drill.state {
            DrillState::Running => None,
            DrillState::Passed => Some((drill.at, true)),
            DrillState::Nobody => Some((drill.at, false)),
            DrillState::Failed { missing } => Some((drill.at, missing.is_empty())),
        });
        over.max()
    }

    /// Rules 1 and 5.
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
        if config.settings.channels.is_empty() {
            return;
        }
        let reached = reached(session, config);
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        let mut drill = Drill {
            session: session.id.clone(),
            incident: IncidentId::new(format!("drill.{}.{stamp}", session.id)),
            title: session.title.clone(),
            start: session.start,
            end: session.end,
            at: now,
            state: DrillState::Running,
        };
        if reached.is_empty() {
            drill.state = DrillState::Nobody;
        }
        let firing = NotificationKind::Firing;
        let tell = |channel| notify(&drill, &reached, channel, firing, now);
        changes.extend(reached.keys().map(tell));
        changes.push(Change::Drill(drill.clone()));
        if !reached.is_empty() {
            let missing = reached.keys().cloned().collect();
            self.pending.insert(session.id.clone(), Pending { reached, missing });
        }
        self.held.insert(session.id.clone(), drill);
    }

    /// Rules 3 and 4.
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
        pending.missing.retain(|id| channels.iter().any(|channel| channel.id == *id));
        let patience = within(drill.at, config.settings.drill.accept_within, now);
        if !pending.missing.is_empty() && patience {
            return;
        }
        drill.state = match pending.missing.is_empty() {
            true => DrillState::Passed,
            false => DrillState::Failed { missing: pending.missing.iter().cloned().collect() },
        };
        let over = NotificationKind::Resolved;
        let hears =
            |channel: &&Channel| channel.send_resolved && pending.reached.contains_key(&channel.id);
        let told = channels.iter().filter(hears);
        let tell = |channel: &Channel| notify(drill, &pending.reached, &channel.id, over, now);
        changes.extend(told.map(tell));
        changes.push(Change::Drill(drill.clone()));
        self.pending.remove(id);
    }
}

/// Rule 2.
fn reached(session: &Session, config: &Config) -> People {
    let settings = &config.settings;
    let mut reached = People::new();
    let mut add = |Reach { channel, people, .. }: Reach| {
        let known = reached.entry(channel).or_default();
        known.extend(people.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>());
    };
    let sites: Vec<SiteIx> = session.sites.keys().copied().collect();
    routing::reach(settings, &matter(session, config, None, &sites), session.start)
        .into_iter()
        .for_each(&mut add);
    for site in &sites {
        let alone = [*site];
        let matter = matter(session, config, Some(*site), &alone);
        routing::reach(settings, &matter, session.start).into_iter().for_each(&mut add);
    }
    // No fallback leads back to where it began.
    let mut stands_in: Vec<ChannelId> = reached.keys().cloned().collect();
    while let Some(id) = stands_in.pop() {
        let channel = settings.channels.iter().find(|channel| channel.id == id);
        let fallback = channel.and_then(|channel| channel.fallback.as_ref());
        if let Some(to) =
            fallback.map(|fallback| &fallback.to).filter(|to| !reached.contains_key(*to))
        {
            reached.insert(to.clone(), Vec::new());
            stands_in.push(to.clone());
        }
    }
    reached
}

/// What the routes look at when a site of the session fails, or, without one, this monitor.
fn matter<'a>(
    session: &Session,
    config: &'a Config,
    site: Option<SiteIx>,
    affected: &'a [SiteIx],
) -> Matter<'a> {
    Matter {
        topology: &config.topology,
        site,
        common: None,
        affected,
        cause: if site.is_some() { Cause::Access } else { Cause::Monitor },
        severity: match session.importance {
            Importance::Low => Severity::Warning,
            Importance::Normal | Importance::High => Severity::Critical,
        },
        phase: Phase::Live,
        importance: Some(session.importance),
        at: config.settings.time_zone.to_datetime(session.start),
    }
}

/// The message of a drill.
fn notify(
    drill: &Drill,
    reached: &People,
    channel: &ChannelId,
    kind: NotificationKind,
    now: Timestamp,
) -> Change {
    let over = (kind == NotificationKind::Resolved).then_some(now);
    let site = SiteId::new(SITE);
    let target = TargetKey {
        site: site.clone(),
        endpoint: Some(EndpointId::new("router")),
        check: Some(CheckId::new("ping")),
    };
    let silent = Saw::Failed(Failure::Remote(RemoteFailure::Timeout));
    // As loud as the alerts that matter: a way that is open for whispers proves nothing.
    let severity = Severity::Critical;
    let told = (1..).zip(reached).map(|(nth, (channel, people))| Told {
        channel: channel.clone(),
        kind: NotificationKind::Firing,
        at: drill.at,
        severity,
        affected: 1,
        people: people.clone(),
        on_duty: false,
        step: 0,
        nth,
        last_for_now: false,
    });
    let incident = Incident {
        site: Some(site.clone()),
        resolved: over,
        severity,
        affected: vec![Affected { site, since: drill.at, until: over }],
        of: 1,
        session: Some(drill.session.clone()),
        evidence: vec![Evidence { target, at: drill.at, saw: silent }],
        resolution: over.map(|_| Resolution::Recovered),
        told: told.collect(),
        ..Incident::blank(drill.incident.clone(), Cause::Access, drill.at)
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
        let said = [SelfDoubt::DrillMissed {
            session: "Giao ban".to_owned(),
            channels: vec![ChannelId::new("sms")],
        }];
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

    /// Channels for three routes, one of them with a channel that stands in for it.
    fn routed(routes: &str) -> Config {
        let settings = format!(
            "channels:
  all: {{kind: webhook, url: \"http://127.0.0.1:1/\"}}
  boss: {{kind: webhook, url: \"http://127.0.0.1:2/\", fallback: siren}}
  siren: {{kind: webhook, url: \"http://127.0.0.1:3/\"}}
  idle: {{kind: webhook, url: \"http://127.0.0.1:4/\"}}
people: {{ha: {{name: Hà, channels: [boss]}}}}
drill: {{before: 2h}}
routes:
{routes}"
        );
        let sessions = "sessions: [{id: giao-ban, title: Giao ban, start: 2026-12-03 08:00, duration: 2h, sites: {levels: [commune]}}]\n";
        let files: SourceSet = sample().with(File::Settings, "vchealth.yaml", settings).with(
            File::Sessions,
            "sessions.yaml",
            sessions,
        );
        load(&files).unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn it_goes_where_an_alert_of_the_session_would_in_every_step_and_to_no_other_channel() {
        let config = routed(
            "  - when: {severity: critical, phase: live}
    to: [all]
    escalate: [{after: 5m, to: [ha]}]
  - {to: [idle]}
",
        );
        let mut drills = Drills::default();
        let begun = drills.look(&config, at("00:00:00"));
        assert_eq!(told(&begun), ["all firing", "boss firing", "siren firing"]);
        let to_boss = begun.iter().find_map(|change| match change {
            Change::Notify(it) if it.channel.as_str() == "boss" => Some(it),
            _ => None,
        });
        let incident = &to_boss.expect("a message").alert.incident;
        let own = incident.told.iter().find(|told| told.channel.as_str() == "boss").unwrap();
        assert_eq!(own.people, ["Hà"], "it says for whom it is");
        assert_eq!((incident.cause, incident.severity), (Cause::Access, Severity::Critical));
        for channel in ["all", "boss", "siren"] {
            drills.accepted(&ChannelId::new(channel), &incident.id);
        }
        let over = drills.look(&config, at("00:00:05"));
        assert_eq!(told(&over), ["all resolved", "boss resolved", "siren resolved"]);
    }

    #[test]
    fn routes_that_lead_to_nobody_are_our_own_trouble() {
        let mut drills = Drills::default();
        assert!(told(&drills.look(&routed("  - {to: []}\n"), at("00:00:00"))).is_empty());
        let said = [SelfDoubt::NobodyReached { session: "Giao ban".to_owned() }];
        assert_eq!(drills.reasons(at("00:00:00")), said);
        assert_eq!(drills.last(), Some((at("00:00:00"), false)));
        assert!(drills.look(&routed("  - {to: []}\n"), at("00:00:01")).is_empty(), "once");
    }

    #[test]
    fn without_the_setting_there_are_none() {
        let (mut drills, mut config) = (Drills::default(), config());
        config.settings.drill.before = Duration::ZERO;
        assert!(drills.look(&config, at("00:00:00")).is_empty());
    }
}
