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
//!    One with several recipients has not as long as any of them refuses it for good.
//! 4. A channel that has not accepted it within the time that the settings allow is a trouble of
//!    this monitor's own, told through the channels that work, until it accepts that or anything
//!    else, or the session is over.
//! 5. Each session has one drill; one that is put off to another time has another, once the first
//!    is over. One in the middle of which the program ended goes on at the next start, for as long
//!    as any: the outbox knows who has accepted it. Its end is told however late that is, since
//!    whoever was told of it waits for that.
//! 6. A drill is no incident: it stands in no report, moves no figure of a site and is held back by
//!    no silence and no quiet hours. Whether a real alert would be is rehearsed besides: a site
//!    that falls silent in the session is played through a brain of its own. When that tells
//!    nobody, it is a trouble of this monitor's own, until it would or the session is over.

mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::flap::within;
use super::mute::Mutes;
use super::record;
use super::routing::{self, Reach};
use crate::config::{Channel, Config, DrillSettings, Matter, Settings};
use crate::model::{
    Affected, Alert, Cause, Change, ChannelId, CheckId, Drill, DrillDoubt, DrillState, EndpointId,
    Evidence, Failure, Importance, Incident, IncidentId, Notification, NotificationId,
    NotificationKind, Phase, RemoteFailure, Resolution, Saw, SelfDoubt, Session, SessionId,
    Severity, SiteId, SiteIx, TargetKey, Told,
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
    /// The minute of the last rehearsal of what would not have been told.
    rehearsed: Option<i64>,
    /// Recipients who refuse for good what others of their channel have.
    refusing: BTreeMap<ChannelId, Vec<String>>,
}

/// A drill that goes on.
#[derive(Debug, Clone)]
struct Pending {
    /// Since when it is waited for channels to accept it; none until they have been asked.
    since: Option<Timestamp>,
    /// Channels that have not accepted it.
    missing: BTreeSet<ChannelId>,
}

impl Pending {
    fn of(drill: &Drill, since: Option<Timestamp>) -> Self {
        Self { since, missing: drill.reached.keys().cloned().collect() }
    }
}

/// Channels with the people for whom a message is; none when the channel itself is meant.
type People = BTreeMap<ChannelId, Vec<String>>;

impl Drills {
    /// Drills from before a restart.
    pub(super) fn restored(held: BTreeMap<SessionId, Drill>) -> Self {
        let running = held.iter().filter(|(_, drill)| drill.state == DrillState::Running);
        let pending = running.map(|(session, drill)| (session.clone(), Pending::of(drill, None)));
        Self { pending: pending.collect(), held, ..Self::default() }
    }

    /// Our wall clock was set by so many seconds; how long it is waited stays the same.
    pub(super) fn our_clock_was_set(&mut self, by_s: i64) {
        for pending in self.pending.values_mut() {
            let moved =
                |at: Timestamp| at.saturating_add(SignedDuration::from_secs(by_s)).unwrap_or(at);
            pending.since = pending.since.map(moved);
        }
    }

    /// What is to be done at `now`; nothing most of the time.
    pub(super) fn look(&mut self, config: &Config, mutes: &Mutes, now: Timestamp) -> Vec<Change> {
        let settings = &config.settings.drill;
        let mut changes = Vec::new();
        for session in &config.sessions {
            if self.is_due(session, settings, now) {
                self.begin(session, config, mutes, now, &mut changes);
            }
        }
        self.rehearse_again(config, mutes, now, &mut changes);
        let ids: Vec<SessionId> = self.pending.keys().cloned().collect();
        for id in ids {
            self.settle(&id, config, now, &mut changes);
        }
        let pending = &self.pending;
        self.held.retain(|session, drill| {
            now < drill.start
                || within(drill.start, REMEMBERED, now)
                || pending.contains_key(session)
        });
        changes
    }

    /// A channel has accepted this drill, perhaps after it had been given up on.
    pub(super) fn accepted(&mut self, channel: &ChannelId, incident: &IncidentId) -> Vec<Change> {
        for (session, pending) in &mut self.pending {
            if self.held.get(session).is_some_and(|drill| drill.incident == *incident) {
                pending.missing.remove(channel);
            }
        }
        let these = self.held.values_mut().filter(|drill| drill.incident == *incident);
        these.filter_map(|drill| miss_no_longer(drill, channel)).collect()
    }

    /// These recipients refuse for good what others of their channel have.
    pub(super) fn refusing(&mut self, channel: ChannelId, recipients: Vec<String>) {
        match recipients.is_empty() {
            true => self.refusing.remove(&channel),
            false => self.refusing.insert(channel, recipients),
        };
    }

    /// A channel has accepted something at `at`: what it refused before was its trouble of then.
    pub(super) fn delivered(&mut self, channel: &ChannelId, at: Timestamp) -> Vec<Change> {
        if self.refusing.contains_key(channel) {
            return Vec::new();
        }
        let before = self.held.values_mut().filter(|drill| drill.at < at);
        before.filter_map(|drill| miss_no_longer(drill, channel)).collect()
    }

    /// What drills have shown to be wrong.
    pub(super) fn reasons(&self, now: Timestamp) -> Vec<SelfDoubt> {
        let near = self.held.values().filter(|drill| now < drill.end);
        let wrong = near.flat_map(|drill| {
            let session = || drill.title.clone();
            let way = match &drill.state {
                DrillState::Failed { missing } if !missing.is_empty() => {
                    let (channels, refused) = (missing.clone(), drill.refused.clone());
                    Some(SelfDoubt::DrillMissed { session: session(), channels, refused })
                }
                DrillState::Nobody => Some(SelfDoubt::NobodyReached { session: session() }),
                DrillState::Running | DrillState::Passed | DrillState::Failed { .. } => None,
            };
            let untold = drill.doubt.map(|doubt| match doubt {
                DrillDoubt::HeldBack => SelfDoubt::SessionMuted { session: session() },
                DrillDoubt::Unnoticed => SelfDoubt::SessionUnwatched { session: session() },
            });
            way.into_iter().chain(untold)
        });
        wrong.collect()
    }

    /// The last drill that is over, and whether everybody accepted it and would be told.
    pub(super) fn last(&self) -> Option<(Timestamp, bool)> {
        let over = self.held.values().filter_map(|drill| {
            let accepted = match &drill.state {
                DrillState::Running => return None,
                DrillState::Passed => true,
                DrillState::Nobody => false,
                DrillState::Failed { missing } => missing.is_empty(),
            };
            Some((drill.at, accepted && drill.doubt.is_none()))
        });
        over.max()
    }

    /// Rules 1 and 5.
    fn is_due(&self, session: &Session, settings: &DrillSettings, now: Timestamp) -> bool {
        let opens = session.start.checked_sub(settings.before).unwrap_or(Timestamp::MIN);
        if settings.before.is_zero() || now < opens || now >= session.start {
            return false;
        }
        let held = self.held.get(&session.id).is_some_and(|drill| drill.start == session.start);
        !held && !self.pending.contains_key(&session.id)
    }

    /// Rehearses once a minute what would not have been told: somebody may have mended it.
    fn rehearse_again(
        &mut self,
        config: &Config,
        mutes: &Mutes,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        let minute = Some(now.as_second().div_euclid(60));
        if std::mem::replace(&mut self.rehearsed, minute) == minute {
            return;
        }
        let doubtful =
            self.held.values_mut().filter(|drill| drill.doubt.is_some() && now < drill.end);
        for drill in doubtful {
            let session = config.sessions.iter().find(|session| session.id == drill.session);
            let doubt = session.and_then(|session| rehearsal::doubt(session, config, mutes));
            if doubt != drill.doubt {
                drill.doubt = doubt;
                changes.push(Change::Drill(Box::new(drill.clone())));
            }
        }
    }

    fn begin(
        &mut self,
        session: &Session,
        config: &Config,
        mutes: &Mutes,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        if config.settings.channels.is_empty() {
            return;
        }
        let stamp = now.strftime("%Y%m%dT%H%M%SZ");
        let mut drill = Drill {
            session: session.id.clone(),
            incident: IncidentId::new(format!("drill.{}.{stamp}", session.id)),
            title: session.title.clone(),
            start: session.start,
            end: session.end,
            at: now,
            reached: reached(session, config),
            doubt: None,
            refused: BTreeMap::new(),
            state: DrillState::Running,
        };
        if drill.reached.is_empty() {
            drill.state = DrillState::Nobody;
        } else {
            drill.doubt = rehearsal::doubt(session, config, mutes);
            self.pending.insert(session.id.clone(), Pending::of(&drill, Some(now)));
        }
        let firing = NotificationKind::Firing;
        let settings = &config.settings;
        let told = drill.reached.keys();
        changes.extend(told.map(|channel| notify(&drill, channel, firing, settings, now)));
        changes.push(Change::Drill(Box::new(drill.clone())));
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
        let since = *pending.since.get_or_insert(now);
        let patience = within(since, config.settings.drill.accept_within, now);
        if !pending.missing.is_empty() && patience {
            return;
        }
        let refused = self.refusing.iter().filter(|(id, _)| pending.missing.contains(*id));
        drill.refused = refused.map(|(id, who)| (id.clone(), who.clone())).collect();
        drill.state = match pending.missing.is_empty() {
            true => DrillState::Passed,
            false => DrillState::Failed { missing: pending.missing.iter().cloned().collect() },
        };
        let over = NotificationKind::Resolved;
        let hears =
            |channel: &&Channel| channel.send_resolved && drill.reached.contains_key(&channel.id);
        let told = channels.iter().filter(hears);
        let settings = &config.settings;
        changes.extend(told.map(|channel| notify(drill, &channel.id, over, settings, now)));
        changes.push(Change::Drill(Box::new(drill.clone())));
        self.pending.remove(id);
    }
}

/// A drill that is over waits for this channel no longer, which a restart shall know; none if it
/// did not.
fn miss_no_longer(drill: &mut Drill, channel: &ChannelId) -> Option<Change> {
    let DrillState::Failed { missing } = &mut drill.state else { return None };
    let before = missing.len();
    missing.retain(|other| other != channel);
    drill.refused.remove(channel);
    (missing.len() < before).then(|| Change::Drill(Box::new(drill.clone())))
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
    channel: &ChannelId,
    kind: NotificationKind,
    settings: &Settings,
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
    let (severity, cause) = (Severity::Critical, Cause::Access);
    let told = (1..).zip(&drill.reached).map(|(nth, (channel, people))| Told {
        channel: channel.clone(),
        kind: NotificationKind::Firing,
        at: drill.at,
        severity,
        cause,
        affected: 1,
        site: Some(site.clone()),
        common: None,
        people: people.clone(),
        on_duty: false,
        step: 0,
        nth,
        last_for_now: false,
        given_up: None,
    });
    let incident = Incident {
        site: Some(site.clone()),
        resolved: over,
        severity,
        affected: vec![Affected { site: site.clone(), since: drill.at, until: over }],
        of: 1,
        session: Some(drill.session.clone()),
        evidence: vec![Evidence { target, at: drill.at, saw: silent }],
        resolution: over.map(|_| Resolution::Recovered),
        told: told.collect(),
        ..Incident::blank(drill.incident.clone(), cause, drill.at)
    };
    let phones = record::phones(&incident, &settings.people);
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
            contacts: settings.contacts.monitor.clone(),
            names: BTreeMap::new(),
            phase: Phase::Readiness,
            session_title: Some(drill.title.clone()),
            session_start: Some(drill.start),
            drill: true,
            phones,
            readiness: None,
        },
        instead_of: None,
    }))
}

#[cfg(test)]
pub(super) mod tests;
