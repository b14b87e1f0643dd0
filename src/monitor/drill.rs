//! Drills: before a session, a site that does not exist fails, and the alert about it takes the way
//! of a real one, so that a way that leads nowhere is found while there is time to mend it.
//!
//! 1. A drill begins when a session starts within the time that the settings name. A device on this
//!    machine answers a probe, then falls silent; the hands that ask every device ask it, and what
//!    they learned comes back to this brain as of any other.
//! 2. With that a site fails in a province that does not exist, which a brain of its own watches by
//!    the settings, silences and planned work of this one; see [`rehearsal`]. What that decides is
//!    what goes out: it is committed with the outbox, carried by the courier, and written in the
//!    texts that people gave, under a mark that no text of theirs can take away, and under a name
//!    that no site has. When it decides nothing in time, that is a trouble of this monitor's own,
//!    until it would or the session is over.
//! 3. It goes where alerts would about the sites of this session, and about this monitor, while it
//!    is live: by the routes, to the people on duty at its start, in every step of escalation at
//!    once, and through the channels that stand in for those. When that is nobody, it is a trouble
//!    of this monitor's own.
//! 4. It is passed when every channel has accepted it. It then ends, and its end is told as well,
//!    with the channels that have not accepted it where it ends without having been passed.
//!    One with several recipients has not as long as any of them refuses it for good.
//! 5. A channel that has not accepted it within the time that the settings allow is a trouble of
//!    this monitor's own, told through the channels that work, until it accepts that or anything
//!    else, or the session is over.
//! 6. Each session has one drill; one that is put off to another time has another, once the first
//!    is over. One in the middle of which the program ended goes on at the next start, for as long
//!    as any: the outbox knows who has accepted it. Its end is told however late that is, since
//!    whoever was told of it waits for that.
//! 7. A drill is no incident: it stands in no report and moves no figure of a site. What a silence
//!    or quiet hours hold back at the session is decided once more without them and goes out: the
//!    channels are to be proven all the same, and that this would be held back is told besides.

mod rehearsal;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::flap::within;
use super::mute::Mutes;
use super::routing::{self, Reach};
use super::{plan, record};
use crate::config::{Channel, Config, DrillSettings, Matter};
use crate::model::{
    Affected, Alert, Cause, Change, ChannelId, Drill, DrillDoubt, DrillOrder, DrillSeen,
    DrillState, Evidence, Importance, Incident, IncidentId, Notification, NotificationId,
    NotificationKind, Phase, Resolution, Saw, SelfDoubt, Session, SessionId, Severity, SiteId,
    SiteIx, TargetKey, Told,
};

/// How long it is remembered that a session had its drill.
const REMEMBERED: Duration = Duration::from_hours(24);
/// Hands that have not said what they saw after this long never will.
const GIVE_UP_AFTER: Duration = Duration::from_mins(2);
/// Id of the site that fails.
const SITE: &str = "drill";

/// The drills that are remembered.
#[derive(Debug, Clone, Default)]
pub(super) struct Drills {
    held: BTreeMap<SessionId, Drill>,
    /// Sessions for whose drills the hands are at work, and since when.
    asked: BTreeMap<SessionId, Timestamp>,
    /// What the hands are to do.
    orders: Vec<DrillOrder>,
    /// Those that go on.
    pending: BTreeMap<SessionId, Pending>,
    /// The minute of the last rehearsal of what would not have been told.
    rehearsed: Option<i64>,
    /// Recipients who refuse for good what others of their channel have.
    refusing: BTreeMap<ChannelId, Vec<String>>,
    /// When each channel last accepted anything for anybody.
    delivered: BTreeMap<ChannelId, Timestamp>,
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
    pub(super) fn look(&mut self, config: &Config, now: Timestamp) -> Vec<Change> {
        let settings = &config.settings.drill;
        let mut changes = Vec::new();
        for session in &config.sessions {
            if self.is_due(session, settings, now) {
                self.prepare(session, config, now, &mut changes);
            }
        }
        self.doubt_again(config, now);
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

    /// What the hands are to do; each once.
    pub(super) fn take_orders(&mut self) -> impl Iterator<Item = DrillOrder> {
        std::mem::take(&mut self.orders).into_iter()
    }

    /// What the hands saw of the device of a drill.
    pub(super) fn seen(
        &mut self,
        config: &Config,
        mutes: &Mutes,
        seen: &DrillSeen,
        now: Timestamp,
    ) -> Vec<Change> {
        let session = config.sessions.iter().find(|session| session.id == seen.session);
        let (Some(_), Some(session)) = (self.asked.remove(&seen.session), session) else {
            return Vec::new();
        };
        if self.is_due(session, &config.settings.drill, now) {
            return self.begin(session, config, mutes, seen, now);
        }
        let Some(drill) = self.held.get_mut(&session.id) else { return Vec::new() };
        let doubt = rehearsal::doubt(session, config, mutes, seen);
        if doubt == drill.doubt {
            return Vec::new();
        }
        if is_unsent(drill) && now < session.start {
            // There is something to send now.
            return self.begin(session, config, mutes, seen, now);
        }
        drill.doubt = doubt;
        vec![Change::Drill(Box::new(drill.clone()))]
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
        self.delivered.insert(channel.clone(), at);
        let before = self.held.values_mut().filter(|drill| drill.at < at);
        match self.refusing.get(channel) {
            // It works again, but for them.
            Some(who) => before.filter_map(|drill| misses_only(drill, channel, who)).collect(),
            None => before.filter_map(|drill| miss_no_longer(drill, channel)).collect(),
        }
    }

    /// What drills have shown to be wrong.
    pub(super) fn reasons(&self, now: Timestamp) -> Vec<SelfDoubt> {
        let near = self.held.values().filter(|drill| now < drill.end);
        let wrong = near.flat_map(|drill| {
            let session = || drill.title.clone();
            let way = match &drill.state {
                DrillState::Failed { missing } => missed(drill, missing),
                DrillState::Nobody => vec![SelfDoubt::NobodyReached { session: session() }],
                DrillState::Running | DrillState::Passed => Vec::new(),
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

    /// Rules 1 and 6.
    fn is_due(&self, session: &Session, settings: &DrillSettings, now: Timestamp) -> bool {
        let opens = session.start.checked_sub(settings.before).unwrap_or(Timestamp::MIN);
        if settings.before.is_zero() || now < opens || now >= session.start {
            return false;
        }
        let held = self.held.get(&session.id).is_some_and(|drill| drill.start == session.start);
        !held && !self.pending.contains_key(&session.id)
    }

    /// Has the hands see a device fall silent, where there is anybody to tell.
    fn prepare(
        &mut self,
        session: &Session,
        config: &Config,
        now: Timestamp,
        changes: &mut Vec<Change>,
    ) {
        if config.settings.channels.is_empty() {
            return;
        }
        let drill = blank(session, config, now);
        if drill.state == DrillState::Nobody {
            changes.push(Change::Drill(Box::new(drill.clone())));
            self.held.insert(session.id.clone(), drill);
        } else {
            self.ask(session, config, now);
        }
    }

    /// Asks the hands, unless they are at work.
    fn ask(&mut self, session: &Session, config: &Config, now: Timestamp) {
        let at_work = self.asked.get(&session.id).is_some_and(|at| within(*at, GIVE_UP_AFTER, now));
        if let Some(check) = rehearsal::check(session, config).filter(|_| !at_work) {
            self.asked.insert(session.id.clone(), now);
            self.orders.push(DrillOrder { session: session.id.clone(), check });
        }
    }

    /// Rehearses once a minute what would not have been told: somebody may have mended it.
    fn doubt_again(&mut self, config: &Config, now: Timestamp) {
        let minute = Some(now.as_second().div_euclid(60));
        if std::mem::replace(&mut self.rehearsed, minute) == minute {
            return;
        }
        let is_doubtful = |session: &&Session| {
            let held = self.held.get(&session.id);
            held.is_some_and(|drill| drill.doubt.is_some() && now < drill.end)
        };
        let sessions = config.sessions.iter().map(|session| &**session);
        let doubtful: Vec<&Session> = sessions.filter(is_doubtful).collect();
        for session in doubtful {
            self.ask(session, config, now);
        }
    }

    /// Rule 2.
    fn begin(
        &mut self,
        session: &Session,
        config: &Config,
        mutes: &Mutes,
        seen: &DrillSeen,
        now: Timestamp,
    ) -> Vec<Change> {
        let mut drill = blank(session, config, now);
        let rehearsed = rehearsal::rehearse(session, config, mutes, seen);
        drill.doubt = rehearsed.doubt;
        drill.played = rehearsed.told.map(|told| Box::new(played(&told, &drill, now)));
        if drill.played.is_some() {
            self.pending.insert(session.id.clone(), Pending::of(&drill, Some(now)));
        } else {
            drill.state = DrillState::Failed { missing: Vec::new() };
        }
        let told = drill.reached.keys();
        let firing = NotificationKind::Firing;
        let mut changes: Vec<Change> =
            told.filter_map(|channel| notify(&drill, channel, firing, config, now)).collect();
        changes.push(Change::Drill(Box::new(drill.clone())));
        self.held.insert(session.id.clone(), drill);
        changes
    }

    /// Rules 4 and 5.
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
        // A channel that has taken nothing since does not work for the others either.
        let works = |id: &ChannelId| self.delivered.get(id).is_some_and(|at| *at >= drill.at);
        let refused = self.refusing.iter();
        let refused = refused.filter(|(id, _)| pending.missing.contains(*id) && works(id));
        drill.refused = refused.map(|(id, who)| (id.clone(), who.clone())).collect();
        drill.state = match pending.missing.is_empty() {
            true => DrillState::Passed,
            false => DrillState::Failed { missing: pending.missing.iter().cloned().collect() },
        };
        let over = NotificationKind::Resolved;
        let hears =
            |channel: &&Channel| channel.send_resolved && drill.reached.contains_key(&channel.id);
        let told = channels.iter().filter(hears);
        changes.extend(told.filter_map(|it| notify(drill, &it.id, over, config, now)));
        changes.push(Change::Drill(Box::new(drill.clone())));
        self.pending.remove(id);
    }
}

/// Which channels have not accepted a drill. One that does not work and one of whose recipients one
/// refuses are two things to mend.
fn missed(drill: &Drill, missing: &[ChannelId]) -> Vec<SelfDoubt> {
    let (some, all): (Vec<_>, Vec<_>) =
        missing.iter().cloned().partition(|it| drill.refused.contains_key(it));
    let both = [(all, BTreeMap::new()), (some, drill.refused.clone())];
    let both = both.into_iter().filter(|(channels, _)| !channels.is_empty());
    let session = || drill.title.clone();
    both.map(|(channels, refused)| SelfDoubt::DrillMissed { session: session(), channels, refused })
        .collect()
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

/// A drill that is over waits for these recipients of a channel only; none if it does not wait for
/// the channel, or that is known.
fn misses_only(drill: &mut Drill, channel: &ChannelId, who: &[String]) -> Option<Change> {
    let DrillState::Failed { missing } = &drill.state else { return None };
    if !missing.contains(channel) || drill.refused.contains_key(channel) {
        return None;
    }
    drill.refused.insert(channel.clone(), who.to_vec());
    Some(Change::Drill(Box::new(drill.clone())))
}

/// Whether nothing of it went out, though there was somebody to tell.
fn is_unsent(drill: &Drill) -> bool {
    let nothing_missing =
        matches!(&drill.state, DrillState::Failed { missing } if missing.is_empty());
    drill.played.is_none() && nothing_missing
}

/// A drill that begins now, of which nothing is decided yet.
fn blank(session: &Session, config: &Config, now: Timestamp) -> Drill {
    let stamp = now.strftime("%Y%m%dT%H%M%SZ");
    let reached = reached(session, config);
    let state = if reached.is_empty() { DrillState::Nobody } else { DrillState::Running };
    Drill {
        session: session.id.clone(),
        incident: IncidentId::new(format!("drill.{}.{stamp}", session.id)),
        title: session.title.clone(),
        start: session.start,
        end: session.end,
        at: now,
        reached,
        played: None,
        doubt: None,
        refused: BTreeMap::new(),
        state,
    }
}

/// Rule 3.
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

/// What was decided in a rehearsal, as it goes out.
///
/// 1. It was decided at the time of the session; all that came before it is as long ago now as it
///    was then.
/// 2. The site that failed stands where one of the session's does, which has failed nothing: it
///    goes by a name of its own, and whom that site would keep from the session is left out.
/// 3. It is told at once to everybody whom it might reach.
fn played(decided: &Notification, drill: &Drill, now: Timestamp) -> Incident {
    let incident = &decided.alert.incident;
    let later = now.duration_since(decided.created);
    let moved = |at: Timestamp| at.saturating_add(later).unwrap_or(at);
    let site = SiteId::new(SITE);
    let about_it = |seen: &&Evidence| Some(&seen.target.site) == incident.site.as_ref();
    let evidence = incident.evidence.iter().filter(about_it).map(|seen| Evidence {
        target: TargetKey { site: site.clone(), ..seen.target.clone() },
        at: moved(seen.at),
        saw: seen.saw.clone(),
    });
    let told = (1..).zip(&drill.reached).map(|(nth, (channel, people))| Told {
        channel: channel.clone(),
        kind: NotificationKind::Firing,
        at: now,
        severity: incident.severity,
        cause: incident.cause,
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
    let began = moved(incident.began);
    Incident {
        site: Some(site.clone()),
        endpoint: incident.endpoint.clone(),
        check: incident.check.clone(),
        opened: moved(incident.opened),
        severity: incident.severity,
        affected: vec![Affected {
            site: site.clone(),
            since: began,
            until: None,
            passed_on: false,
        }],
        of: 1,
        session: Some(drill.session.clone()),
        evidence: evidence.collect(),
        told: told.collect(),
        ..Incident::blank(drill.incident.clone(), incident.cause, began)
    }
}

/// The message of a drill; none where nothing was decided.
fn notify(
    drill: &Drill,
    channel: &ChannelId,
    kind: NotificationKind,
    config: &Config,
    now: Timestamp,
) -> Option<Change> {
    let mut incident = (**drill.played.as_ref()?).clone();
    if kind == NotificationKind::Resolved {
        incident.resolved = Some(now);
        incident.resolution = Some(Resolution::Recovered);
        for affected in &mut incident.affected {
            affected.until = Some(now);
        }
        // That it is over does not say that it was passed.
        if let DrillState::Failed { missing } = &drill.state {
            let target = TargetKey { site: SiteId::new(SITE), endpoint: None, check: None };
            let missed = missed(drill, missing).into_iter().map(Saw::Ourselves);
            let seen = missed.map(|saw| Evidence { target: target.clone(), at: now, saw });
            incident.evidence.extend(seen);
        }
    }
    let settings = &config.settings;
    let session = config.sessions.iter().find(|session| session.id == drill.session);
    let phase = session.map(|session| plan::phase(session, &settings.phases, now));
    let phones = record::phones(&incident, &settings.people);
    Some(Change::Notify(Box::new(Notification {
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
            phase: phase.unwrap_or_default(),
            session_title: Some(drill.title.clone()),
            session_start: Some(drill.start),
            drill: true,
            phones,
            readiness: None,
        },
        instead_of: None,
    })))
}

#[cfg(test)]
pub(super) mod tests;
