//! When the daemon looks whether everybody is ready, what it remembers of that, and who is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::flap::within;
use super::mute::Weight;
use super::policy::{self, Need, Quiet, Rules, Why};
use super::routing::{self, Reach, Standing};
use super::{Command, Monitor};
use crate::config::Config;
use crate::model::{
    Affected, Alert, AnnouncedWork, Cause, Change, Confirmation, Durable, Health, Importance,
    Incident, IncidentId, Mono, Notification, NotificationId, NotificationKind, Now, Past,
    PastVerdict, Phase, ReadinessNotice, ReadinessOrder, ReadinessRun, SessionId, Severity, SiteId,
    SiteReadiness, Verdict,
};

/// A moment that was missed by more than this was missed.
const MISSED: Duration = Duration::from_mins(1);
/// A missed moment is not made up when the next one, or the session, comes this soon.
const SOON: Duration = Duration::from_mins(5);
/// A run that is not back after this long never will be.
const GIVE_UP_AFTER: Duration = Duration::from_mins(10);
/// Wait until a run that came to nothing is tried again.
const AGAIN_AFTER: Duration = Duration::from_mins(1);
/// What was found is shown for this long after the end of its session.
const SHOWN_FOR: Duration = Duration::from_hours(1);
/// Messages are urgent from this long before a session on.
const URGENT: Duration = Duration::from_mins(30);

/// Everything about readiness.
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness {
    /// The last run of each session.
    pub(super) runs: BTreeMap<SessionId, Arc<ReadinessRun>>,
    /// What people confirmed.
    pub(super) confirmations: BTreeMap<(SessionId, SiteId), Confirmation>,
    /// What the last runs before each site's sessions said of it, newest first.
    verdicts: BTreeMap<SiteId, Vec<PastVerdict>>,
    /// Sessions that people want looked at now.
    wishes: BTreeSet<SessionId>,
    /// The run under way, and when it was ordered.
    under_way: Option<(ReadinessOrder, Mono)>,
    /// No run is ordered before this.
    not_before: Mono,
    /// Sessions of whose last run something may be left to say, and whether the calendar asked.
    unsaid: BTreeMap<SessionId, bool>,
}

impl Readiness {
    pub(super) fn restored(durable: &mut Durable) -> Self {
        let runs = std::mem::take(&mut durable.readiness);
        let unsaid = runs.iter().map(|(session, run)| (session.clone(), run.lead_s.is_some()));
        Self {
            unsaid: unsaid.collect(),
            runs: runs.into_iter().map(|(session, run)| (session, Arc::new(run))).collect(),
            confirmations: std::mem::take(&mut durable.confirmations),
            verdicts: std::mem::take(&mut durable.verdicts),
            ..Self::default()
        }
    }

    /// Has a session looked at as soon as can be, unless that goes on already.
    pub(super) fn wish(&mut self, session: SessionId) {
        if self.under_way.as_ref().is_none_or(|(order, _)| order.session != session) {
            self.wishes.insert(session);
        }
    }

    /// The run that somebody wants.
    fn wished(&mut self, config: &Config, now: Timestamp) -> Option<ReadinessOrder> {
        let is_left =
            |id: &SessionId| config.sessions.iter().any(|it| it.id == *id && it.end > now);
        self.wishes.retain(is_left);
        let session = self.wishes.pop_first()?;
        Some(ReadinessOrder { session, lead: None })
    }

    /// The run that is due.
    ///
    /// 1. A moment is due from its time on until the next one of that session. It is done once any
    ///    run of the session began at or after it, whoever asked for it, so a restart repeats none.
    /// 2. A moment that was missed is made up, unless the next one or the session comes soon.
    /// 3. One run at a time, that of the session that begins first.
    fn due(&self, config: &Config, now: Now) -> Option<ReadinessOrder> {
        let mut waiting: Vec<_> =
            config.sessions.iter().filter(|session| session.start > now.wall).collect();
        waiting.sort_by_key(|session| session.start);
        waiting.into_iter().find_map(|session| {
            let left = Duration::try_from(session.start.duration_since(now.wall)).ok()?;
            let passed = config.settings.readiness.at.iter().filter(|lead| **lead >= left);
            let lead = *passed.min()?;
            let at = session.start.checked_sub(lead).unwrap_or(Timestamp::MIN);
            let is_done = self.runs.get(&session.id).is_some_and(|run| run.began >= at);
            let following = config.settings.readiness.at.iter().filter(|next| **next < lead).max();
            let until_next = left.saturating_sub(following.copied().unwrap_or_default());
            let missed = lead - left > MISSED;
            let order = ReadinessOrder { session: session.id.clone(), lead: Some(lead) };
            let is_moot = is_done || (missed && until_next <= SOON);
            (!is_moot).then_some(order)
        })
    }

    /// Takes in what a run said.
    fn remember(&mut self, run: &Arc<ReadinessRun>) {
        for site in &run.sites {
            PastVerdict::remember(self.verdicts.entry(site.site.clone()).or_default(), run, site);
        }
        self.runs.insert(run.session.clone(), Arc::clone(run));
    }

    /// Forgets what is long over.
    fn expire(&mut self, config: &Config, now: Timestamp) {
        self.runs.retain(|_, run| run.end > now || within(run.end, SHOWN_FOR, now));
        let runs = &self.runs;
        self.confirmations.retain(|(session, _), _| {
            runs.contains_key(session) || config.sessions.iter().any(|it| it.id == *session)
        });
    }
}

impl Monitor {
    /// Orders the readiness run that somebody wants or that is due, if there is one. While we
    /// cannot see there is none: it would say nothing.
    pub(super) fn look_ahead(&mut self, now: Now) {
        self.readiness.expire(&self.picture.config, now.wall);
        self.tell_readiness(now);
        if let Some((_, since)) = &self.readiness.under_way
            && now.mono - *since < GIVE_UP_AFTER
        {
            return;
        }
        self.readiness.under_way = None;
        if self.sight.is_blind() || now.mono < self.readiness.not_before {
            return;
        }
        let wished = self.readiness.wished(&self.picture.config, now.wall);
        if let Some(order) = wished.or_else(|| self.readiness.due(&self.picture.config, now)) {
            self.readiness.under_way = Some((order.clone(), now.mono));
            self.commands.push_back(Command::Readiness(order));
        }
    }

    /// Takes in a run: keeps it, and tells who is to be told.
    pub(super) fn take_in_readiness(&mut self, run: ReadinessRun, now: Now) {
        let ordered = |(order, _): &(ReadinessOrder, Mono)| {
            order.session == run.session && order.lead.map(|lead| lead.as_secs()) == run.lead_s
        };
        if self.readiness.under_way.as_ref().is_some_and(ordered) {
            self.readiness.under_way = None;
        }
        let session = run.session.clone();
        let before = self.readiness.runs.get(&session);
        let told = before.map(|before| before.told.clone()).unwrap_or_default();
        let run = Arc::new(ReadinessRun { told, said: Vec::new(), ..run });
        // Whoever waits to be told what the calendar asked for is told what was found last.
        let owed = self.readiness.unsaid.get(&session).copied().unwrap_or_default();
        self.readiness.unsaid.insert(session.clone(), owed || run.lead_s.is_some());
        self.readiness.remember(&run);
        if !self.tell_readiness(now).contains(&session) {
            self.changes.push(Change::Readiness(Box::new((*run).clone())));
        }
        self.commit_at = now.mono;
    }

    /// A run came to nothing.
    pub(super) fn readiness_failed(&mut self, now: Now) {
        self.readiness.under_way = None;
        self.readiness.not_before = now.mono + AGAIN_AFTER;
    }

    /// Takes in what somebody confirmed.
    pub(super) fn confirm(&mut self, said: Confirmation, now: Now) {
        let key = (said.session.clone(), said.site.clone());
        self.changes.push(Change::Confirm(Box::new(said.clone())));
        self.readiness.confirmations.insert(key, said);
        self.commit_at = now.mono;
    }

    /// Takes back what was confirmed of a site; whether anything was.
    pub(super) fn unconfirm(&mut self, session: SessionId, site: SiteId, now: Now) -> bool {
        let key = (session, site);
        let there = self.readiness.confirmations.remove(&key).is_some();
        if there {
            let (session, site) = key;
            self.changes.push(Change::Unconfirm { session, site });
            self.commit_at = now.mono;
        }
        there
    }

    /// What a run goes by besides what it measures.
    #[must_use]
    pub fn past(&self, now: Now) -> Past {
        let window = self.picture.settings().flapping.window;
        let mut relapses: BTreeMap<SiteId, u32> = BTreeMap::new();
        for (_, entry) in self.ledger.iter() {
            let lately = entry.incident.relapses.iter().filter(|at| within(**at, window, now.wall));
            let lately = u32::try_from(lately.count()).unwrap_or(u32::MAX);
            // Who hangs on the site at fault had nothing to do with it.
            let at_fault = entry.incident.site.iter();
            let alike = entry.incident.affected.iter().map(|affected| &affected.site);
            let alike = alike.filter(|_| entry.incident.site.is_none());
            for site in at_fault.chain(alike).filter(|_| lately > 0) {
                let known = relapses.entry(site.clone()).or_default();
                *known = (*known).max(lately);
            }
        }
        let topology = self.topology();
        let never_up = topology.target_ixs().filter(|ix| {
            let target = self.picture.target(*ix);
            target.streak.hard == Health::Down && !target.seen_up
        });
        let windows = self.mutes.maintenance.values();
        Past {
            works: AnnouncedWork::at_sites(topology, windows, now.wall),
            verdicts: self.readiness.verdicts.clone(),
            relapses,
            never_up: never_up.map(|ix| topology.target_key(ix)).collect(),
            blind: self.sight.is_blind().then(|| {
                let doubts = self.reasons(now);
                doubts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }),
        }
    }

    /// Tells what the last runs found, as far as it may be told now: one message for each channel,
    /// or none. What was told is kept with the run; gives the sessions of which something was.
    ///
    /// 1. A run that the calendar asked for is told when its worst verdict is one that the settings
    ///    name. A person who asked has seen the answer.
    /// 2. It goes where the routes send an incident at these sites at once; nobody takes it on, so
    ///    that there is nothing to escalate.
    /// 3. That all is well is told to every channel that was told of a problem, or when every run
    ///    is to be: never a problem without its end.
    /// 4. A silence over everything holds it back, as does one over each site that is not ready.
    ///    In quiet hours what can wait does: what is not ready a day before, not what is not ready
    ///    ten minutes before. It counts against the messages of the hour as an incident does. What
    ///    had to wait is told of the last run then, unless the session has begun meanwhile.
    fn tell_readiness(&mut self, now: Now) -> BTreeSet<SessionId> {
        let mut told = BTreeSet::new();
        for (session, asked) in std::mem::take(&mut self.readiness.unsaid) {
            let Some(run) = self.readiness.runs.get(&session).cloned() else { continue };
            let Words { run, messages, waits } = self.words_of(&run, asked, now);
            if waits {
                self.readiness.unsaid.insert(session.clone(), asked);
            }
            if messages.is_empty() {
                continue;
            }
            self.changes.push(Change::Readiness(Box::new(run.clone())));
            self.changes.extend(messages);
            self.commit_at = now.mono;
            self.readiness.runs.insert(session.clone(), Arc::new(run));
            told.insert(session);
        }
        told
    }

    /// What is to be said of a run now.
    fn words_of(&self, run: &ReadinessRun, asked: bool, now: Now) -> Words {
        let settings = &self.picture.config.settings;
        let tell = settings.readiness.tell;
        let bad = run.verdict() >= tell.max(Verdict::AtRisk);
        let kind = if bad { NotificationKind::Firing } else { NotificationKind::Resolved };
        let mut incident = self.incident_of(run, bad, now.wall);
        let muted = bad && self.mutes.holds_back(&self.picture, &incident, Weight::NONE, now.wall);
        let standing = Standing::of(&incident, &self.picture.config, now.wall);
        let reached = routing::reach_of(&incident, &self.picture, standing, now.wall);
        let reached: Vec<Reach> = reached.into_iter().filter(|reach| reach.step == 0).collect();
        let can_wait = settings.quiet_hours.can_wait(incident.severity, standing.phase);
        let begun = now.wall >= run.start;
        let mut words = Words { run: run.clone(), messages: Vec::new(), waits: false };
        let mut leave = Vec::new();
        for channel in &settings.channels {
            let reach: Vec<Reach> =
                reached.iter().filter(|reach| reach.channel == channel.id).cloned().collect();
            let mut last = incident.told.iter().filter(|told| told.channel == channel.id);
            let knows = last.next_back().is_some_and(|it| it.kind != NotificationKind::Resolved);
            let is_news = asked && !begun && !reach.is_empty() && !run.said.contains(&channel.id);
            let why = match (bad, knows) {
                (true, _) if is_news => Why::News,
                (false, true) if channel.send_resolved => Why::Over,
                (false, false) if is_news && tell == Verdict::Ready => Why::Over,
                _ => continue,
            };
            let rules = Rules {
                limit: settings.flapping.messages_per_hour,
                settled: settings.flapping.settled_after.get(Phase::Readiness),
                near: false,
                kept: false,
                muted,
                quiet: Quiet::of(settings, &channel.id, now.wall).filter(|_| can_wait),
                remind_every: None,
            };
            let need = policy::in_time(&incident, channel, why, &rules, now.wall);
            if muted || !matches!(need, Need::Tell(_)) {
                words.waits = true;
                continue;
            }
            policy::note_told(&mut incident, channel, why, &reach, &rules, now.wall);
            words.run.said.push(channel.id.clone());
            leave.push(channel.id.clone());
        }
        words.run.told.clone_from(&incident.told);
        let alert = self.readiness_alert(run, incident, now);
        words.messages.extend(leave.into_iter().map(|channel| {
            let (incident, began) = (&alert.incident.id, run.began.as_second());
            Change::Notify(Box::new(Notification {
                id: NotificationId::new(format!("{incident}/{channel}/{}/{began}", kind.word())),
                channel,
                kind,
                created: now.wall,
                alert: alert.clone(),
                instead_of: None,
            }))
        }));
        words
    }

    /// A run as the record that messages go by: which sites, how urgent, since when.
    fn incident_of(&self, run: &ReadinessRun, bad: bool, now: Timestamp) -> Incident {
        let worst =
            if run.count(Verdict::NotReady) > 0 { Verdict::NotReady } else { run.verdict() };
        let touched = run.sites.iter().filter(|site| bad && site.verdict == worst);
        let touched: Vec<&SiteReadiness> = touched.collect();
        let delegates = touched.iter().map(|site| site.delegates).fold(0, u32::saturating_add);
        Incident {
            opened: run.finished,
            resolved: (!bad).then_some(run.finished),
            severity: self.readiness_severity(run, now),
            affected: touched
                .iter()
                .map(|site| Affected {
                    site: site.site.clone(),
                    since: run.began,
                    until: None,
                    passed_on: false,
                })
                .collect(),
            of: u32::try_from(run.sites.len()).unwrap_or(u32::MAX),
            delegates,
            session: Some(run.session.clone()),
            told: run.told.clone(),
            ..Incident::blank(
                IncidentId::new(format!("readiness.{}", run.session)),
                commonest_cause(&touched),
                run.began,
            )
        }
    }

    /// How urgent a run is: what is not ready shortly before a session, or before one that matters,
    /// is to be mended now.
    fn readiness_severity(&self, run: &ReadinessRun, now: Timestamp) -> Severity {
        let sessions = &self.picture.config.sessions;
        let session = sessions.iter().find(|session| session.id == run.session);
        let high = session.is_some_and(|session| session.importance == Importance::High);
        let left = Duration::try_from(run.start.duration_since(now)).unwrap_or_default();
        let urgent = left <= if high { URGENT * 2 } else { URGENT };
        match run.verdict() {
            Verdict::NotReady if urgent => Severity::Critical,
            Verdict::NotReady | Verdict::Ready => Severity::Warning,
            Verdict::CannotTell | Verdict::AtRisk => Severity::Info,
        }
    }

    fn readiness_alert(&self, run: &ReadinessRun, incident: Incident, now: Now) -> Alert {
        let touched: BTreeSet<&SiteId> = incident.affected.iter().map(|it| &it.site).collect();
        let names = run.sites.iter().filter(|site| touched.contains(&site.site));
        let names = names.map(|site| (site.site.clone(), site.name.clone())).collect();
        Alert {
            names,
            site_name: String::new(),
            level: String::new(),
            level_name: String::new(),
            parent: String::new(),
            parent_name: String::new(),
            contacts: Vec::new(),
            phase: if now.wall < run.start { Phase::Readiness } else { Phase::Live },
            session_title: Some(run.title.clone()),
            session_start: Some(run.start),
            drill: false,
            phones: BTreeMap::new(),
            readiness: Some(Box::new(ReadinessNotice::of(run))),
            incident,
        }
    }
}

/// What is to be said of a run.
struct Words {
    /// The run, with what is told of it now.
    run: ReadinessRun,
    messages: Vec<Change>,
    /// Whether there is more to say, which has to wait.
    waits: bool,
}

/// The cause of most of these sites; the graver one of two.
fn commonest_cause(sites: &[&SiteReadiness]) -> Cause {
    let mut counts: BTreeMap<Cause, usize> = BTreeMap::new();
    for finding in sites.iter().filter_map(|site| site.main()) {
        *counts.entry(finding.found.kind().cause()).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(cause, n)| (*n, std::cmp::Reverse(*cause)));
    most.map_or(Cause::Monitor, |(cause, _)| cause)
}

#[cfg(test)]
mod tests;
