//! What this brain would do if a site of a session fell silent while it is on.
//!
//! A drill that is only posted proves the way from the outbox on. Whether there would be anything
//! to post is for the brain to say, and the only honest way to ask is to let it happen: a small
//! province that does not exist is watched by a brain of its own, with the settings, silences and
//! planned work of the real one, at the time of the session.
//!
//! 1. The site that fails stands where one of the session's stands: its id, level, labels and
//!    parents decide what the routes and silences make of it. It is one that nobody has silenced.
//! 2. Its parents and a few sites beside them answer all the time, so that it is the site that is
//!    at fault and neither the network of this monitor nor something wider.
//! 3. It answers at first, then no more. Every order of that brain is answered as such a device
//!    would have it: at once, or not within the time limit.
//! 4. It is noticed when a message is decided that somebody is to get.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::model::{
    Change, Check, CheckId, CheckKind, ClassId, Detail, DrillDoubt, Durable, Endpoint, EndpointId,
    EndpointIx, Failure, Few, Host, IcmpCheck, IcmpDetail, Mono, NotificationKind, Now, Outcome,
    ProbeRequest, RemoteFailure, Reply, RttList, Session, Site, SiteId, SiteIx, Target, TargetIx,
    Topology,
};
use crate::monitor::mute::Mutes;
use crate::monitor::{Command, Input, Monitor};

/// So long everybody answers.
const WELL: Duration = Duration::from_secs(20);
/// So long it is waited for a message, which takes seconds where nothing holds it back.
const PATIENCE: Duration = Duration::from_mins(2);
/// Sites that answer besides.
const BESIDE: usize = 3;
/// The only target of the site that fails.
const FAILING: usize = 0;
/// How long an answer takes.
const ROUND_TRIP: Duration = Duration::from_millis(2);

/// Why an alert about the sites of a session would not be told while it is on; none if it would.
pub(super) fn doubt(session: &Session, config: &Config, mutes: &Mutes) -> Option<DrillDoubt> {
    let topology = &config.topology;
    let is_asked = |site: &SiteIx| !topology.site(*site).endpoints.is_empty();
    let mut asked = session.sites.keys().copied().filter(is_asked).peekable();
    asked.peek()?;
    let heard = |site: &SiteIx| !mutes.is_muted(topology, *site, session.start);
    let Some(site) = asked.find(heard) else { return Some(DrillDoubt::HeldBack) };
    let rehearsal = Rehearsal::new(site, session, config, mutes)?;
    (!rehearsal.tells_somebody()).then_some(DrillDoubt::Unnoticed)
}

/// A brain in a province that does not exist, and what is on the way to it.
struct Rehearsal {
    monitor: Monitor,
    /// When it begins.
    begins: Now,
    /// Outcomes by when they are known.
    coming: BTreeMap<Mono, VecDeque<Outcome>>,
}

impl Rehearsal {
    fn new(site: SiteIx, session: &Session, config: &Config, mutes: &Mutes) -> Option<Self> {
        let topology = province(&config.topology, site)?;
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
        Some(Self { monitor, begins, coming: BTreeMap::new() })
    }

    /// Lets the site fail; whether anybody would be told.
    fn tells_somebody(mut self) -> bool {
        let ends = self.begins.mono + WELL + PATIENCE;
        let mut now = self.begins;
        while now.mono < ends {
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
                    Command::Commit(batch) if batch.changes.iter().any(is_told) => return true,
                    Command::Commit(_) | Command::Readiness(_) => {}
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
        false
    }

    /// Rule 3.
    fn answer(&mut self, request: ProbeRequest, now: Now) {
        let topology = self.monitor.topology();
        let fails = request.target.ix() == FAILING && now.mono >= self.begins.mono + WELL;
        let (after, lost, result) = if fails {
            let limit = topology.check_of(request.target).timeout;
            (limit, 1, Err(Failure::Remote(RemoteFailure::Timeout)))
        } else {
            let detail = Detail::Icmp(IcmpDetail {
                sent: 1,
                received: 1,
                rtts: RttList::One(ROUND_TRIP),
                ttl: None,
                tos: None,
                duplicates: 0,
            });
            (ROUND_TRIP, 0, Ok(Reply { rtt: Some(ROUND_TRIP), detail }))
        };
        let finished = now.mono + after;
        let outcome = Outcome { request, started: now, finished, lost, heard: None, result };
        self.coming.entry(finished).or_default().push_back(outcome);
    }
}

/// Rules 1 and 2; none when nothing is asked of the site.
fn province(real: &Topology, site: SiteIx) -> Option<Topology> {
    let mut topology = Topology {
        levels: real.levels.clone(),
        checks: vec![ping(real, site)?],
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

/// Adds a site with one device that answers echoes.
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
        id: EndpointId::new("router"),
        site: ix,
        host: Host::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        targets: Few::from_iter([target]),
    });
    topology.targets.push(Target { endpoint, site: ix, check: 0 });
}

/// One echo at a time, as often as the real ones, or as whatever else is asked of the site.
fn ping(real: &Topology, site: SiteIx) -> Option<Check> {
    let endpoints = real.site(site).endpoints.iter();
    let asked = endpoints.flat_map(|ix| &real.endpoint(*ix).targets).map(|ix| real.check_of(*ix));
    let is_echo = |check: &&Check| matches!(check.kind, CheckKind::Icmp(_));
    let like = asked.clone().find(is_echo).or_else(|| asked.clone().next())?;
    let echo =
        IcmpCheck { count: 1, spacing: Duration::ZERO, size: 56, dscp: 0, dont_fragment: false };
    Some(Check { id: CheckId::new("ping"), kind: CheckKind::Icmp(echo), ..like.clone() })
}

/// Whether a message goes out by this.
fn is_told(change: &Change) -> bool {
    matches!(change, Change::Notify(message) if message.kind == NotificationKind::Firing)
}
