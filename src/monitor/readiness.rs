//! When the daemon looks whether everybody is ready, what it remembers of that, and who is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::flap::within;
use super::routing::{self, Standing};
use super::{Command, Monitor};
use crate::config::Config;
use crate::model::{
    Affected, Alert, Cause, Change, ChannelId, Confirmation, Durable, Health, Importance, Incident,
    IncidentId, Mono, Notification, NotificationId, NotificationKind, Now, Past, PastVerdict,
    Phase, ReadinessNotice, ReadinessOrder, ReadinessRun, SessionId, Severity, SiteId,
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
    /// The run under way, and when it was ordered.
    under_way: Option<(ReadinessOrder, Mono)>,
    /// No run is ordered before this.
    not_before: Mono,
}

impl Readiness {
    pub(super) fn restored(durable: &mut Durable) -> Self {
        let runs = std::mem::take(&mut durable.readiness).into_iter();
        Self {
            runs: runs.map(|(session, run)| (session, Arc::new(run))).collect(),
            confirmations: std::mem::take(&mut durable.confirmations),
            verdicts: std::mem::take(&mut durable.verdicts),
            ..Self::default()
        }
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
            let order = ReadinessOrder { session: session.id.clone(), lead };
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
    /// Orders the readiness run that is due, if there is one. While we cannot see there is none:
    /// it would say nothing.
    pub(super) fn look_ahead(&mut self, now: Now) {
        self.readiness.expire(&self.picture.config, now.wall);
        if let Some((_, since)) = &self.readiness.under_way
            && now.mono - *since < GIVE_UP_AFTER
        {
            return;
        }
        self.readiness.under_way = None;
        if self.sight.is_blind() || now.mono < self.readiness.not_before {
            return;
        }
        if let Some(order) = self.readiness.due(&self.picture.config, now) {
            self.readiness.under_way = Some((order.clone(), now.mono));
            self.commands.push_back(Command::Readiness(order));
        }
    }

    /// Takes in a run: keeps it, and tells who is to be told.
    pub(super) fn take_in_readiness(&mut self, run: ReadinessRun, now: Now) {
        let ordered = |(order, _): &(ReadinessOrder, Mono)| {
            order.session == run.session && Some(order.lead.as_secs()) == run.lead_s
        };
        if self.readiness.under_way.as_ref().is_some_and(ordered) {
            self.readiness.under_way = None;
        }
        let run = Arc::new(run);
        let before = self.readiness.runs.get(&run.session).cloned();
        self.readiness.remember(&run);
        self.changes.push(Change::Readiness(Box::new((*run).clone())));
        self.tell_readiness(&run, before.as_deref(), now);
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

    /// What a run goes by besides what it measures.
    #[must_use]
    pub fn past(&self, now: Now) -> Past {
        let window = self.picture.settings().flapping.window;
        let mut relapses: BTreeMap<SiteId, u32> = BTreeMap::new();
        for (_, entry) in self.ledger.iter() {
            let lately = entry.incident.relapses.iter().filter(|at| within(**at, window, now.wall));
            let lately = u32::try_from(lately.count()).unwrap_or(u32::MAX);
            for affected in entry.incident.affected.iter().filter(|_| lately > 0) {
                let known = relapses.entry(affected.site.clone()).or_default();
                *known = (*known).max(lately);
            }
        }
        let topology = self.topology();
        let never_up = topology.target_ixs().filter(|ix| {
            let target = self.picture.target(*ix);
            target.streak.hard == Health::Down && !target.seen_up
        });
        Past {
            verdicts: self.readiness.verdicts.clone(),
            relapses,
            never_up: never_up.map(|ix| topology.target_key(ix)).collect(),
            blind: self.sight.is_blind().then(|| {
                let doubts = self.reasons(now.wall);
                doubts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
            }),
        }
    }

    /// Tells what a run found: one message for each channel, or none.
    ///
    /// 1. A run that the calendar asked for is told when its worst verdict is one that the settings
    ///    name. A person who asked has seen the answer.
    /// 2. A run that finds all well is told when the one before it was told, or when every run is
    ///    to be: never a problem without its end.
    /// 3. A silence over everything holds it back, as does one over each site that is not ready.
    /// 4. It goes where the routes send an incident at these sites at once; nobody takes it on, so
    ///    that there is nothing to escalate. That all is well goes where the problem went.
    fn tell_readiness(&mut self, run: &ReadinessRun, before: Option<&ReadinessRun>, now: Now) {
        let settings = &self.picture.config.settings;
        let tell = settings.readiness.tell;
        let bad = run.verdict() >= tell.max(Verdict::AtRisk);
        let was_bad = before
            .is_some_and(|it| it.lead_s.is_some() && it.verdict() >= tell.max(Verdict::AtRisk));
        let over = !bad && (was_bad || (tell == Verdict::Ready && run.lead_s.is_some()));
        if !(over || bad && run.lead_s.is_some()) {
            return;
        }
        let kind = if bad { NotificationKind::Firing } else { NotificationKind::Resolved };
        let incident = self.incident_of(run, bad, now.wall);
        if self.mutes.holds_back(&self.picture, &incident, now.wall) && bad {
            return;
        }
        let reached = match before.filter(|_| !bad && was_bad) {
            Some(before) => {
                let problem = self.incident_of(before, true, before.finished);
                self.reached_at_once(&problem, before.finished)
            }
            None => self.reached_at_once(&incident, now.wall),
        };
        let alert = self.readiness_alert(run, incident, now);
        let mut messages = Vec::new();
        for channel in &settings.channels {
            if !reached.contains(&channel.id) || (!bad && was_bad && !channel.send_resolved) {
                continue;
            }
            let id = format!(
                "{}/{}/{}/{}",
                alert.incident.id,
                channel.id,
                kind.word(),
                run.began.as_second()
            );
            messages.push(Change::Notify(Box::new(Notification {
                id: NotificationId::new(id),
                channel: channel.id.clone(),
                kind,
                created: now.wall,
                alert: alert.clone(),
                instead_of: None,
            })));
        }
        self.changes.extend(messages);
    }

    /// The channels through which an incident is told before any step of escalation.
    fn reached_at_once(&self, incident: &Incident, now: Timestamp) -> BTreeSet<ChannelId> {
        let standing = Standing::of(incident, &self.picture.config, now);
        let reached = routing::reach_of(incident, &self.picture, standing, now);
        reached.into_iter().filter(|reach| reach.step == 0).map(|reach| reach.channel).collect()
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
                .map(|site| Affected { site: site.site.clone(), since: run.began, until: None })
                .collect(),
            of: u32::try_from(run.sites.len()).unwrap_or(u32::MAX),
            delegates,
            session: Some(run.session.clone()),
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
            readiness: Some(Box::new(ReadinessNotice::of(run))),
            incident,
        }
    }
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
mod tests {
    use super::*;
    use crate::config::{Channel, Receiver, Route, Step, When};
    use crate::lab::world::{Nature, World};
    use crate::model::{
        Batch, Failure, Finding, Found, Importance, Maintenance, Outcome, RemoteFailure, Session,
        Silence, SilenceId,
    };
    use crate::monitor::tests as testing;
    use crate::monitor::{Command, Input};

    /// A monitor of a province in which all is well, what it orders, and what it made durable.
    struct Desk {
        monitor: Monitor,
        world: World,
        durable: Durable,
        orders: Vec<(i64, ReadinessOrder)>,
        messages: Vec<Notification>,
        now: Now,
    }

    fn at(seconds: i64) -> Now {
        testing::start().plus(Duration::from_secs(u64::try_from(seconds).unwrap()))
    }

    /// A small province with a session that begins after so many seconds.
    fn config(start: i64) -> Config {
        let mut config = testing::config(testing::province("{tinh: [a, b, c]}"));
        config.sessions = vec![testing::session(&config.topology, "s", start, start + 7200)];
        config
    }

    impl Desk {
        fn open(config: Config, durable: Durable, now: Now) -> Self {
            let world = World::new(Arc::clone(&config.topology), Nature::default());
            let monitor = Monitor::new(Arc::new(config), durable.clone(), now);
            Self { monitor, world, durable, orders: Vec::new(), messages: Vec::new(), now }
        }

        fn tell(&mut self, input: Input) {
            let now = self.now;
            self.monitor.handle(input, now);
            while let Some(command) = self.monitor.poll_command() {
                match command {
                    Command::Probe(request) => {
                        let sight = self.world.probe(now, request.target, request.effort);
                        let finished = now.mono + sight.took;
                        let result = sight.result;
                        let outcome = Outcome { request, started: now, finished, result };
                        self.monitor.handle(Input::Outcome(outcome), now);
                    }
                    Command::Readiness(order) => {
                        let since = self.now.wall.duration_since(testing::start().wall);
                        self.orders.push((since.as_secs(), order));
                    }
                    Command::Commit(batch) => self.commit(batch),
                }
            }
        }

        fn commit(&mut self, batch: Batch) {
            self.durable.apply(&batch);
            for change in batch.changes {
                if let Change::Notify(message) = change {
                    self.messages.push(*message);
                }
            }
        }

        /// Lets time pass until so many seconds after the beginning; answers every order after
        /// half a minute with what `found` says of the sites.
        fn pass(&mut self, until: i64, found: &[(&str, Found, Verdict)]) {
            while self.now.wall < at(until).wall {
                self.now = self.now.plus(Duration::from_secs(1));
                self.tell(Input::Tick);
                if let Some((ordered, order)) = self.orders.last().cloned()
                    && self.now.wall == at(ordered + 30).wall
                {
                    let run = self.run(Some(&order), found);
                    self.tell(Input::Readiness(Box::new(run)));
                }
            }
        }

        fn session(&self) -> Arc<Session> {
            Arc::clone(&self.monitor.config().sessions[0])
        }

        fn run(
            &self,
            order: Option<&ReadinessOrder>,
            found: &[(&str, Found, Verdict)],
        ) -> ReadinessRun {
            let session = self.session();
            let sites = session.sites.iter().map(|(ix, delegates)| {
                let site = self.monitor.topology().site(*ix);
                let here = found.iter().filter(|(id, ..)| *id == site.id.as_str());
                let findings: Vec<Finding> = here
                    .map(|(_, found, verdict)| Finding {
                        verdict: *verdict,
                        endpoint: None,
                        check: None,
                        found: found.clone(),
                    })
                    .collect();
                SiteReadiness {
                    site: site.id.clone(),
                    name: site.name.clone(),
                    delegates: *delegates,
                    verdict: findings.first().map_or(Verdict::Ready, |it| it.verdict),
                    findings,
                    train: None,
                    mtu: None,
                    contacts: Vec::new(),
                    checked: self.now.wall,
                }
            });
            ReadinessRun {
                session: session.id.clone(),
                title: session.title.clone(),
                start: session.start,
                end: session.end,
                lead_s: order.map(|order| order.lead.as_secs()),
                began: order.map_or(self.now.wall, |_| at(self.orders.last().unwrap().0).wall),
                finished: self.now.wall,
                own_clock_off_s: None,
                sites: sites.collect(),
            }
        }
    }

    fn silent() -> Found {
        Found::Silent(Failure::Remote(RemoteFailure::Timeout))
    }

    fn dead(site: &str) -> (&str, Found, Verdict) {
        (site, silent(), Verdict::NotReady)
    }

    const DAY: i64 = 86_400;

    #[test]
    fn the_daemon_looks_at_each_of_its_moments_and_at_no_other() {
        let start = DAY + 3600;
        let mut desk = Desk::open(config(start), Durable::default(), at(0));
        desk.pass(start + 600, &[]);
        let moments: Vec<i64> = desk.orders.iter().map(|(at, _)| start - at).collect();
        assert_eq!(moments, [86_400, 3600, 1800, 600]);
        let leads: Vec<u64> = desk.orders.iter().map(|(_, order)| order.lead.as_secs()).collect();
        assert_eq!(leads, [86_400, 3600, 1800, 600]);
        assert!(desk.messages.is_empty(), "nothing is said while all are ready");
    }

    #[test]
    fn a_restart_repeats_no_run_and_makes_up_the_one_that_was_missed() {
        let start = 4 * 3600;
        let mut desk = Desk::open(config(start), Durable::default(), at(0));
        desk.pass(10, &[]);
        assert_eq!(desk.orders.len(), 1, "the day's run was missed before the first start");
        desk.pass(60, &[]);
        // Back after the hour's moment, well before the half hour's.
        let mut desk = Desk::open(config(start), desk.durable, at(start - 3000));
        desk.pass(start - 2900, &[]);
        let leads: Vec<u64> = desk.orders.iter().map(|(_, order)| order.lead.as_secs()).collect();
        assert_eq!(leads, [3600]);
        let mut desk = Desk::open(config(start), desk.durable, at(start - 2890));
        desk.pass(start - 1801, &[]);
        assert!(desk.orders.is_empty(), "it was done: {:?}", desk.orders);
        // Back four minutes before the next moment: that one is enough.
        let mut desk = Desk::open(config(start), Durable::default(), at(start - 2040));
        desk.pass(start - 1801, &[]);
        assert!(desk.orders.is_empty(), "{:?}", desk.orders);
        // Back when the session is about to begin: nobody could mend anything.
        let mut desk = Desk::open(config(start), Durable::default(), at(start - 200));
        desk.pass(start + 60, &[]);
        assert!(desk.orders.is_empty(), "{:?}", desk.orders);
    }

    #[test]
    fn a_run_that_never_comes_back_is_ordered_again() {
        let mut desk = Desk::open(config(1700), Durable::default(), at(0));
        desk.tell(Input::Tick);
        for second in 1..700 {
            desk.now = at(second);
            desk.tell(Input::Tick);
        }
        assert_eq!(desk.orders.len(), 2, "{:?}", desk.orders);
        desk.tell(Input::NoReadiness);
        let before = desk.orders.len();
        for second in 700..762 {
            desk.now = at(second);
            desk.tell(Input::Tick);
        }
        assert_eq!(desk.orders.len(), before + 1, "tried again after a minute");
    }

    #[test]
    fn what_is_not_ready_is_one_message_and_what_is_mended_one_more() {
        let start = 2 * 3600;
        let mut desk = Desk::open(config(start), Durable::default(), at(0));
        desk.pass(
            start - 3500,
            &[dead("a"), ("b", Found::Clock { offset_s: 300 }, Verdict::AtRisk)],
        );
        let [first, second] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
        assert_ne!(first.id, second.id, "the run that was made up, and the hour's");
        assert_eq!(second.kind, NotificationKind::Firing);
        let notice = second.alert.readiness.as_ref().unwrap();
        assert_eq!(notice.counts, [2, 1, 0, 1]);
        assert_eq!(notice.run.sites.len(), 2, "only those of which there is something to say");
        let incident = &second.alert.incident;
        assert_eq!((incident.cause, incident.severity), (Cause::Access, Severity::Warning));
        assert_eq!(incident.affected[0].site.as_str(), "a");
        desk.messages.clear();
        desk.pass(start - 1700, &[]);
        let [over] = &desk.messages[..] else { panic!("{:?}", desk.messages) };
        assert_eq!(over.kind, NotificationKind::Resolved);
        desk.messages.clear();
        desk.pass(start - 500, &[]);
        assert!(desk.messages.is_empty(), "all well twice is no news");
    }

    #[test]
    fn it_is_urgent_shortly_before_and_sooner_when_it_matters_more() {
        for (importance, left, severity) in [
            (Importance::Normal, 3500, Severity::Warning),
            (Importance::High, 3500, Severity::Critical),
            (Importance::Normal, 1700, Severity::Critical),
        ] {
            let mut config = config(3600);
            let mut session = (*config.sessions[0]).clone();
            session.importance = importance;
            config.sessions = vec![Arc::new(session)];
            let mut desk = Desk::open(config, Durable::default(), at(3600 - left));
            let found = [dead("a")];
            let order =
                ReadinessOrder { session: SessionId::new("s"), lead: Duration::from_secs(3600) };
            desk.orders.push((3600 - left, order.clone()));
            let run = desk.run(Some(&order), &found);
            desk.tell(Input::Readiness(Box::new(run)));
            let told: Vec<Severity> =
                desk.messages.iter().map(|it| it.alert.incident.severity).collect();
            assert_eq!(told, [severity], "{importance:?} {left}");
        }
    }

    #[test]
    fn the_settings_say_what_is_told() {
        let risk = [("b", Found::Clock { offset_s: 300 }, Verdict::AtRisk)];
        for (tell, found, messages) in [
            (Verdict::NotReady, &risk[..], 0),
            (Verdict::AtRisk, &risk[..], 1),
            (Verdict::Ready, &[][..], 1),
            (Verdict::NotReady, &[][..], 0),
        ] {
            let mut config = config(3500);
            config.settings.readiness.tell = tell;
            let mut desk = Desk::open(config, Durable::default(), at(0));
            desk.pass(60, found);
            assert_eq!(desk.messages.len(), messages, "{tell:?} {found:?}");
        }
    }

    #[test]
    fn routes_say_who_is_told_and_the_end_goes_where_the_problem_went() {
        let start = 7200;
        let mut config = config(start);
        let first = config.settings.channels[0].clone();
        let channel = |id: &str| Channel { id: ChannelId::new(id), ..first.clone() };
        config.settings.channels = ["urgent", "later", "rest"].map(channel).to_vec();
        let to = |id: &str| vec![Receiver::Channel(ChannelId::new(id))];
        let route = |severities: Vec<Severity>, id: &str| Route {
            name: id.to_owned(),
            when: When { severities, ..When::default() },
            to: to(id),
            escalate: Vec::new(),
            goes_on: false,
        };
        let minute = Duration::from_mins(1);
        let mut urgent = route(vec![Severity::Critical], "urgent");
        urgent.escalate = vec![Step { after: minute, live: minute, to: to("later") }];
        config.settings.routes = vec![urgent, route(Vec::new(), "rest")];
        let mut desk = Desk::open(config, Durable::default(), at(start - 1900));
        desk.pass(start - 1700, &[dead("a")]);
        let told = |desk: &mut Desk| -> Vec<String> {
            let messages = desk.messages.drain(..);
            messages.map(|it| format!("{} {}", it.channel, it.kind.word())).collect()
        };
        assert_eq!(
            told(&mut desk),
            ["urgent firing"],
            "at once, and nobody is asked to take it on"
        );
        desk.pass(start - 500, &[]);
        assert_eq!(told(&mut desk), ["urgent resolved"], "though its end is no longer critical");
    }

    #[test]
    fn a_person_who_asked_has_seen_the_answer_and_silences_hold() {
        let mut desk = Desk::open(config(8000), Durable::default(), at(0));
        desk.now = at(5);
        let run = desk.run(None, &[dead("a")]);
        desk.tell(Input::Readiness(Box::new(run)));
        assert!(desk.messages.is_empty());
        let window = |site: Option<&str>| Silence {
            id: SilenceId::new("q"),
            site: site.map(SiteId::new),
            from: at(0).wall,
            until: at(9000).wall,
            by: "Hà".to_owned(),
            reason: String::new(),
        };
        desk.tell(Input::Silence(window(Some("a"))));
        desk.pass(8000 - 3500, &[dead("a")]);
        assert!(desk.messages.is_empty(), "the only one that is not ready is silenced");
        desk.pass(8000 - 1700, &[dead("a"), dead("b")]);
        assert_eq!(desk.messages.len(), 1);
        let work = Maintenance {
            id: SilenceId::new("w"),
            sites: vec![SiteId::new("b")],
            from: at(0).wall,
            until: at(9000).wall,
            by: "Hà".to_owned(),
            reason: String::new(),
        };
        desk.tell(Input::Maintenance(work));
        desk.pass(8000 - 500, &[dead("a"), dead("b")]);
        assert_eq!(desk.messages.len(), 1, "planned work is no news");
    }

    #[test]
    fn what_was_found_and_confirmed_survives_a_restart_and_is_remembered() {
        let mut desk = Desk::open(config(7200), Durable::default(), at(0));
        desk.pass(7200 - 3500, &[dead("a")]);
        let said = Confirmation {
            session: SessionId::new("s"),
            site: SiteId::new("b"),
            picture: true,
            sound: false,
            by: "Hà".to_owned(),
            at: desk.now.wall,
            note: String::new(),
        };
        desk.tell(Input::Confirm(Box::new(said.clone())));
        let mut desk = Desk::open(config(7200), desk.durable, at(7200 - 3400));
        let snapshot = desk.monitor.snapshot(desk.now);
        assert_eq!(snapshot.confirmations, [said]);
        assert_eq!(snapshot.readiness[0].count(Verdict::NotReady), 1);
        let past = desk.monitor.past(desk.now);
        assert_eq!(past.verdicts[&SiteId::new("a")][0].verdict, Verdict::NotReady);
        // Long after the session it is no longer shown, and still remembered.
        let mut desk = Desk::open(config(7200), desk.durable, at(7200 * 2 + 3700));
        desk.pass(7200 * 2 + 3710, &[]);
        assert!(desk.monitor.snapshot(desk.now).readiness.is_empty());
        assert!(!desk.monitor.past(desk.now).verdicts.is_empty());
    }
}
