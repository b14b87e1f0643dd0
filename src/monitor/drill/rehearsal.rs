//! What this brain would do if a site of a session fell silent while it is on.
//!
//! A drill that is only posted proves the way from the outbox on. Whether there would be anything
//! to post is for the brain to say, and the only honest way to ask is to let it happen: a small
//! province that does not exist is watched by a brain of its own, with the settings, silences and
//! planned work of the real one, at the time of the session.
//!
//! 1. The site that fails stands where one of the session's stands: its id, level, labels and
//!    parents decide what the routes and silences make of it. It is one that nobody has silenced,
//!    if there is one.
//! 2. Its parents and a few sites beside them answer all the time, so that it is the site that is
//!    at fault and neither the network of this monitor nor something wider.
//! 3. It answers at first, then no more, from just after it was asked: that takes longest to
//!    notice. Every order of that brain is answered by what the hands learned of a device on this
//!    machine while it answered, and once it was mute: only how often that is asked is played, so
//!    that it takes no time.
//! 4. It is noticed when a message is decided about this site that somebody is to get. Messages
//!    about something else, such as a monitor that cannot ask, do not count.
//! 5. What holds messages back, silences, planned work and quiet hours, fails the rehearsal. Then
//!    it is played once more without any of them, and with more patience, for something to send.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, QuietSettings};
use crate::model::{
    Change, Check, CheckId, CheckKind, ClassId, DrillDoubt, DrillSeen, Durable, Endpoint,
    EndpointId, EndpointIx, Few, Host, Mono, Notification, NotificationKind, Now, Outcome,
    ProbeRequest, Session, SipCheck, SipTransport, Site, SiteId, SiteIx, Target, TargetIx,
    Topology,
};
use crate::monitor::mute::{Mutes, Place};
use crate::monitor::{Command, Input, Monitor, plan};

/// So long everybody answers.
const WELL: Duration = Duration::from_secs(20);
/// So long it is waited for a message, which takes seconds where nothing holds it back.
const PATIENCE: Duration = Duration::from_mins(2);
/// So long it is waited for one of which only the words are wanted.
const MORE_PATIENCE: Duration = Duration::from_mins(15);
/// Sites that answer besides.
const BESIDE: usize = 3;
/// The only target of the site that fails.
const FAILING: usize = 0;

/// What came of a rehearsal.
pub(super) struct Rehearsed {
    /// Why an alert about the sites of the session would not be told while it is on.
    pub(super) doubt: Option<DrillDoubt>,
    /// The first message about the site that failed, by the time of the session.
    pub(super) told: Option<Box<Notification>>,
}

/// Rules 4 and 5.
pub(super) fn rehearse(
    session: &Session,
    config: &Config,
    mutes: &Mutes,
    seen: &DrillSeen,
) -> Rehearsed {
    let (doubt, told) = attempt(session, config, mutes, seen);
    if told.is_some() {
        return Rehearsed { doubt, told };
    }
    let settings = &config.settings;
    let settings =
        crate::config::Settings { quiet_hours: QuietSettings::default(), ..settings.clone() };
    let unhindered = Config { settings, ..config.clone() };
    let site = stands_in(session, config, &Mutes::default());
    let told = site.and_then(|(site, _)| {
        let rehearsal = Rehearsal::new(site, session, &unhindered, &Mutes::default(), seen)?;
        rehearsal.first_message(MORE_PATIENCE)
    });
    Rehearsed { doubt, told }
}

/// Why an alert about the sites of a session would not be told while it is on; none if it would.
pub(super) fn doubt(
    session: &Session,
    config: &Config,
    mutes: &Mutes,
    seen: &DrillSeen,
) -> Option<DrillDoubt> {
    attempt(session, config, mutes, seen).0
}

/// How the device of a drill is asked: as often and with as much patience as the site in whose
/// place it stands; none when no site is asked anything.
pub(super) fn check(session: &Session, config: &Config) -> Option<Check> {
    let (site, _) = stands_in(session, config, &Mutes::default())?;
    probing(&config.topology, site)
}

/// Plays it as everything is; what was told in time, or why nothing was.
fn attempt(
    session: &Session,
    config: &Config,
    mutes: &Mutes,
    seen: &DrillSeen,
) -> (Option<DrillDoubt>, Option<Box<Notification>>) {
    let Some((site, held_back)) = stands_in(session, config, mutes) else {
        return (Some(DrillDoubt::Unnoticed), None);
    };
    if held_back {
        return (Some(DrillDoubt::HeldBack), None);
    }
    let rehearsal = Rehearsal::new(site, session, config, mutes, seen);
    match rehearsal.and_then(|rehearsal| rehearsal.first_message(PATIENCE)) {
        Some(told) => (None, Some(told)),
        None => (Some(DrillDoubt::Unnoticed), None),
    }
}

/// Rule 1: a site of the session, and whether all of them are silenced. One that is asked, if any
/// is.
fn stands_in(session: &Session, config: &Config, mutes: &Mutes) -> Option<(SiteIx, bool)> {
    let topology = &config.topology;
    let is_asked = |site: &SiteIx| !topology.site(*site).endpoints.is_empty();
    let asked = session.sites.keys().copied().filter(is_asked);
    let since = plan::readiness_begins(session, &config.settings.phases);
    let place = |site: SiteIx| Place { topology, site, at: session.start };
    let heard = |site: &SiteIx| !mutes.is_muted(place(*site), since);
    let any = asked.clone().next().or_else(|| session.sites.keys().next().copied())?;
    Some(
        asked
            .clone()
            .find(heard)
            .map_or((any, asked.clone().next().is_some()), |site| (site, false)),
    )
}

/// A brain in a province that does not exist, and what is on the way to it.
struct Rehearsal<'a> {
    monitor: Monitor,
    /// The site that fails.
    site: SiteId,
    seen: &'a DrillSeen,
    /// When it begins.
    begins: Now,
    /// Since when the site fails.
    fails_since: Option<Mono>,
    /// Outcomes by when they are known.
    coming: BTreeMap<Mono, VecDeque<Outcome>>,
}

impl<'a> Rehearsal<'a> {
    /// None when no site is asked anything.
    fn new(
        site: SiteIx,
        session: &Session,
        config: &Config,
        mutes: &Mutes,
        seen: &'a DrillSeen,
    ) -> Option<Self> {
        let topology = province(&config.topology, site)?;
        let id = config.topology.site(site).id.clone();
        let mut settings = config.settings.clone();
        settings.drill.before = Duration::ZERO;
        let delegates = session.sites.get(&site).copied().unwrap_or_default();
        let session = Session {
            sites: topology.site_ixs().map(|ix| (ix, delegates)).collect(),
            ..session.clone()
        };
        let begins = Now { mono: Mono::ZERO + WELL, wall: session.start };
        let config = Config {
            settings,
            topology: Arc::new(topology),
            sessions: vec![Arc::new(session)],
            templates: Vec::new(),
        };
        let durable = Durable {
            silences: mutes.silences.clone(),
            maintenance: mutes.maintenance.clone(),
            ..Durable::default()
        };
        let monitor = Monitor::new(Arc::new(config), durable, begins);
        Some(Self { monitor, site: id, seen, begins, fails_since: None, coming: BTreeMap::new() })
    }

    /// Lets the site fail; the first message about it, if one is decided in time.
    fn first_message(mut self, patience: Duration) -> Option<Box<Notification>> {
        let turn = self.monitor.topology().check_of(TargetIx::new(FAILING)).paces.live;
        let last = self.begins.mono + WELL + turn * 2;
        let mut now = self.begins;
        while now.mono < self.fails_since.unwrap_or(last) + patience {
            let input = match self.coming.first_entry() {
                Some(mut due) if *due.key() <= now.mono => {
                    let outcome = due.get_mut().pop_front();
                    if due.get().is_empty() {
                        due.remove();
                    }
                    outcome.map_or(Input::Tick, Input::Outcome)
                }
                _ => Input::Tick,
            };
            self.monitor.handle(input, now);
            while let Some(command) = self.monitor.poll_command() {
                match command {
                    Command::Probe(order) => self.answer(order, now),
                    Command::Commit(batch) => {
                        let mut told = batch.changes.into_iter().filter_map(told_of(&self.site));
                        if let Some(message) = told.next() {
                            return Some(message);
                        }
                    }
                    Command::Readiness(_) | Command::Drill(_) => {}
                }
            }
            let known = self.coming.keys().next().copied();
            let wakes = self.monitor.poll_timeout();
            let next = known.map_or(wakes, |known| known.min(wakes)).max(now.mono);
            now = Now {
                wall: now.wall.saturating_add(next - now.mono).unwrap_or(now.wall),
                mono: next,
            };
        }
        None
    }

    /// Rule 3.
    fn answer(&mut self, request: ProbeRequest, now: Now) {
        let is_it = request.target.ix() == FAILING;
        let fails = is_it && self.fails_since.is_some();
        if is_it && now.mono >= self.begins.mono + WELL {
            self.fails_since.get_or_insert(now.mono);
        }
        let was = if fails { &self.seen.mute } else { &self.seen.answered };
        let finished = now.mono + (was.finished - was.started.mono);
        let outcome = Outcome { request, started: now, finished, ..was.clone() };
        self.coming.entry(finished).or_default().push_back(outcome);
    }
}

/// Rules 1 and 2; none when nothing is asked of the site.
fn province(real: &Topology, site: SiteIx) -> Option<Topology> {
    let mut topology = Topology {
        levels: real.levels.clone(),
        checks: vec![probing(real, site)?],
        ..Topology::default()
    };
    let above = real.ancestors(site);
    let mut line = std::iter::once(site).chain(above).map(|ix| real.site(ix)).peekable();
    while let Some(copied) = line.next() {
        let next = SiteIx::new(topology.sites.len() + 1);
        let children = topology.sites.len().checked_sub(1).map(SiteIx::new).into_iter().collect();
        let parent = line.peek().map(|_| next);
        add(&mut topology, Site { parent, children, ..copied.clone() });
    }
    for nth in 1..=BESIDE {
        let beside = Site {
            id: SiteId::new(format!("drill-{nth}")),
            class: ClassId::new("drill"),
            parent: None,
            children: Vec::new(),
            labels: BTreeMap::new(),
            ..real.site(site).clone()
        };
        add(&mut topology, beside);
    }
    Some(topology)
}

/// Adds a site with one device.
fn add(topology: &mut Topology, site: Site) {
    let at = topology.sites.len();
    let (ix, endpoint, target) = (SiteIx::new(at), EndpointIx::new(at), TargetIx::new(at));
    topology.site_by_id.insert(site.id.clone(), ix);
    topology.sites.push(Site {
        endpoints: Few::from_iter([endpoint]),
        contacts: Vec::new(),
        ..site
    });
    topology.endpoints.push(Endpoint {
        id: EndpointId::new("codec"),
        site: ix,
        host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        targets: Few::from_iter([target]),
    });
    topology.targets.push(Target { endpoint, site: ix, check: 0 });
}

/// Asks as the site is asked for its life, or for whatever else, or as any other is.
fn probing(real: &Topology, site: SiteIx) -> Option<Check> {
    let endpoints = real.site(site).endpoints.iter();
    let asked = endpoints.flat_map(|ix| &real.endpoint(*ix).targets).map(|ix| real.check_of(*ix));
    let is_echo = |check: &&Check| matches!(check.kind, CheckKind::Icmp(_));
    let like = asked.clone().find(is_echo).or_else(|| asked.clone().next());
    let like = like.or_else(|| real.checks.first())?;
    let kind = CheckKind::Sip(SipCheck::usual(SipTransport::Udp));
    Some(Check { id: CheckId::new("sip"), kind, ..like.clone() })
}

/// Gives the message that a change sends out, if it says that this site has failed.
fn told_of(site: &SiteId) -> impl FnMut(Change) -> Option<Box<Notification>> {
    move |change| match change {
        Change::Notify(message) => {
            let about = message.alert.incident.site.as_ref() == Some(site);
            (about && message.kind == NotificationKind::Firing).then_some(message)
        }
        _ => None,
    }
}
