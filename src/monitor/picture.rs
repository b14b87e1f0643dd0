//! The picture: everything that is known of targets, endpoints and sites at this moment.
//!
//! The rooms beside this one read it to judge; only outcomes and judgements change it.

mod answered;
pub(super) mod labels;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::answered::{Answered, answered_at};
use self::labels::Labels;
use super::grade::{self, GradeRules, PathRecord};
use super::hysteresis::Step;
use super::ledger::Slot;
use super::plan::Plan;
use super::site::{Finding, Kind};
use super::target::Watched;
use crate::config::{Config, Settings};
use crate::model::{
    CheckKind, EndpointIx, Failure, HardState, Health, Host, Mono, Outcome, RemoteFailure, SiteIx,
    Stamp, Standing, Target, TargetIx, Topology,
};

/// Everything that is known now.
#[derive(Debug, Clone)]
pub(super) struct Picture {
    pub(super) config: Arc<Config>,
    pub(super) plan: Plan,
    pub(super) rules: GradeRules,
    pub(super) targets: Vec<Watched>,
    pub(super) endpoints: Vec<EndpointNow>,
    pub(super) sites: Vec<SiteNow>,
    /// Whose address an ICMP error may come from, in the order of the addresses.
    by_address: Vec<EndpointIx>,
    gateway: Option<EndpointIx>,
    /// Who shares a label that can be a cause.
    pub(super) labels: Labels,
    /// When we asked our gateway, or somebody beyond it, and were answered.
    pub(super) answered: Answered,
    /// When we asked whatever stands at our own site and were answered.
    pub(super) answered_here: Answered,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EndpointNow {
    pub(super) judged: Judged,
    /// When the last probe was asked whose outcome proved it alive.
    pub(super) alive_at: Mono,
    /// When the last probe of another device was asked about which it sent an ICMP error.
    pub(super) heard_at: Mono,
    /// The same for the error before that one.
    pub(super) heard_before: Mono,
    /// When it was last confirmed to be back.
    pub(super) back_at: Mono,
}

/// What is known of a site.
#[derive(Debug, Clone, Default)]
pub(super) struct SiteNow {
    pub(super) judged: Judged,
    /// When the last probe was asked whose outcome proved anything at it alive.
    pub(super) alive_at: Mono,
    /// When the last probe was asked that learned anything about it.
    pub(super) asked_at: Mono,
    /// What its own evidence came to at the last look.
    pub(super) finding: Finding,
    /// Whether that still holds: nothing was learned since that could change it.
    pub(super) found: bool,
    /// Since when it has been silent, whatever single reply came meanwhile; zero when it is not.
    pub(super) silent_since: Mono,
    /// Whether its line was found bad and not good since.
    pub(super) poor_line: bool,
    /// Since when that finding has been waiting for an explanation.
    pub(super) waits_since: Mono,
    /// The gravest kind of trouble that has been waiting since then.
    pub(super) waits_for: Option<Kind>,
    /// That its devices may still be starting.
    pub(super) starting: Option<Starting>,
    /// Targets whose losses raise a suspicion.
    pub(super) suspicious: u16,
    /// Targets that we failed to ask the last time.
    pub(super) unasked: u16,
    /// The incident of its own trouble.
    pub(super) own: Option<Slot>,
    /// The wider incident that explains it.
    pub(super) group: Option<Slot>,
}

/// A site's line or power is back, and its devices may still be starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Starting {
    /// Troubles that are milder than this may pass by themselves.
    pub(super) kind: Kind,
    /// That long.
    pub(super) until: Mono,
}

/// A confirmed health of an endpoint or a site.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judged {
    pub(super) hard: Health,
    pub(super) since: Option<Stamp>,
    /// When the present health began by the outcomes, for sites; it never goes back.
    pub(super) began: Option<Stamp>,
    pub(super) seen_up: bool,
}

/// What an outcome changed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Learned {
    /// The confirmed health before.
    pub(super) was: Health,
    pub(super) step: Step,
    /// Whether the judgement on a path changed.
    pub(super) graded: bool,
    /// Whether it may soon change.
    pub(super) doubtful: bool,
    /// Failures in the row that this reply ends.
    pub(super) ends_row_of: u32,
}

impl SiteNow {
    /// Whether its trouble may pass by itself, since its devices may still be starting.
    pub(super) fn may_be_starting(&self) -> bool {
        let milder =
            |starting: Starting| self.finding.trouble().is_some_and(|it| it.kind < starting.kind);
        self.starting.is_some_and(milder)
    }
}

impl Picture {
    /// A picture of `config` in which nothing is known yet.
    pub(super) fn new(config: Arc<Config>, at: Timestamp) -> Self {
        let topology = &config.topology;
        let mut by_address: Vec<EndpointIx> =
            topology.endpoint_ixs().filter(|ix| address(topology, *ix).is_some()).collect();
        // Of those that share one, the first stands for all.
        by_address.sort_by_key(|ix| (address(topology, *ix), *ix));
        by_address.dedup_by_key(|ix| address(topology, *ix));
        by_address.shrink_to_fit();
        Self {
            plan: Plan::read(&config, at),
            rules: GradeRules::new(&config.settings.quality),
            targets: Vec::with_capacity(topology.targets.len()),
            endpoints: vec![EndpointNow::default(); topology.endpoints.len()],
            sites: vec![SiteNow::default(); topology.sites.len()],
            gateway: gateway(topology),
            by_address,
            labels: Labels::of(topology, &config.settings.correlation),
            answered: Answered::default(),
            answered_here: Answered::default(),
            config,
        }
    }

    pub(super) fn topology(&self) -> &Topology {
        &self.config.topology
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.config.settings
    }

    pub(super) fn target(&self, ix: TargetIx) -> &Watched {
        &self.targets[ix.ix()]
    }

    pub(super) fn endpoint(&self, ix: EndpointIx) -> &EndpointNow {
        &self.endpoints[ix.ix()]
    }

    pub(super) fn site(&self, ix: SiteIx) -> &SiteNow {
        &self.sites[ix.ix()]
    }

    /// Whether a site counts in "n of m": it was seen to work, or is seen not to.
    pub(super) fn is_known(&self, ix: SiteIx) -> bool {
        let known = self.site(ix);
        known.judged.seen_up || known.alive_at > Mono::ZERO || known.finding.trouble().is_some()
    }

    pub(super) fn site_mut(&mut self, ix: SiteIx) -> &mut SiteNow {
        &mut self.sites[ix.ix()]
    }

    /// The endpoint that has this address.
    fn at_address(&self, ip: IpAddr) -> Option<EndpointIx> {
        let of = |ix: &EndpointIx| address(self.topology(), *ix);
        let at = self.by_address.binary_search_by_key(&Some(ip), of).ok()?;
        self.by_address.get(at).copied()
    }

    /// Lets the rows of a target begin anew: what was seen so far is not to be trusted.
    pub(super) fn start_over(&mut self, target: TargetIx) {
        let site = self.topology().target(target).site;
        self.targets[target.ix()].start_over();
        self.site_mut(site).found = false;
    }

    /// Counts anew at each site the targets whose losses raise a suspicion, and those that we
    /// failed to ask.
    pub(super) fn count_targets(&mut self) {
        for site in &mut self.sites {
            (site.suspicious, site.unasked) = (0, 0);
        }
        for (ix, target) in self.targets.iter().enumerate() {
            let site = self.config.topology.target(TargetIx::new(ix)).site;
            let site = &mut self.sites[site.ix()];
            site.suspicious += u16::from(target.is_suspicious());
            site.unasked += u16::from(target.unasked_since.is_some());
        }
    }

    /// Makes the health of a target unknown; whether that is news. What was down while its device
    /// lived is still out until it is asked again.
    pub(super) fn forget_health(&mut self, target: TargetIx, at: Timestamp) -> bool {
        let endpoint = self.topology().target(target).endpoint;
        let alive_at = self.endpoint(endpoint).alive_at;
        let watched = &mut self.targets[target.ix()];
        watched.was_out |= watched.streak.hard == Health::Down && alive_at >= watched.bad_since;
        watched.forget_health(at)
    }

    /// The endpoint that stands between us and everything else: the first one where we stand,
    /// unless that takes calls and is one of several, and so is no router.
    pub(super) const fn gateway(&self) -> Option<EndpointIx> {
        self.gateway
    }

    /// Interval and time limit of a target in the present phase.
    pub(super) fn pace(&self, target: TargetIx) -> (Duration, Duration) {
        let topology = self.topology();
        let check = topology.check_of(target);
        let phase = self.plan.site(topology.target(target).site).pace;
        (check.paces.get(phase), check.timeout)
    }

    /// The targets of an endpoint that ask for the host itself; all of them where there are none.
    pub(super) fn reachability(&self, endpoint: EndpointIx) -> impl Iterator<Item = TargetIx> + '_ {
        let topology = self.topology();
        let targets = &topology.endpoint(endpoint).targets;
        let is = |target: TargetIx| topology.check_of(target).kind.is_reachability();
        let any = targets.iter().any(|target| is(*target));
        targets.iter().copied().filter(move |target| !any || is(*target))
    }

    /// The targets of an endpoint that ask for something that runs on it, where the host itself
    /// is asked for as well.
    pub(super) fn services(&self, endpoint: EndpointIx) -> impl Iterator<Item = TargetIx> + '_ {
        let topology = self.topology();
        let targets = &topology.endpoint(endpoint).targets;
        targets.iter().copied().filter(move |ix| !topology.check_of(*ix).kind.is_reachability())
    }

    /// The target that tells soonest whether a site lives: the first that asks for a host itself
    /// and worked last, or the first of all.
    pub(super) fn pulse(&self, site: SiteIx) -> Option<TargetIx> {
        let endpoints = &self.topology().site(site).endpoints;
        let all = || endpoints.iter().flat_map(|endpoint| self.reachability(*endpoint));
        let up = |target: &TargetIx| self.target(*target).streak.hard == Health::Up;
        all().find(up).or_else(|| all().next())
    }

    /// The devices of a site that do well, or not badly, for a fact.
    pub(super) fn answering(&self, site: SiteIx) -> impl Iterator<Item = &Judged> {
        let all = self.topology().site(site).endpoints.iter();
        let judged = all.map(|endpoint| &self.endpoint(*endpoint).judged);
        judged.filter(|it| matches!(it.hard, Health::Up | Health::Degraded))
    }

    /// Whether a service did not answer while the path to its device loses much.
    fn is_drowned(&self, target: TargetIx, outcome: &Outcome) -> bool {
        let is_service = || !self.topology().check_of(target).kind.is_reachability();
        is_unheard(outcome)
            && is_service()
            && self
                .paths_to(target)
                .any(|(ix, path)| path.drowns(self.target(ix).streak.bad_in_a_row()))
    }

    /// Chance that one more failure of a target is an echo lost on the site's line.
    fn chance_of_loss(&self, target: TargetIx) -> f64 {
        let chances = self.paths_to(target).map(|(ix, path)| {
            let row = self.target(ix).streak.bad_in_a_row();
            path.chance_of_loss(row + u32::from(ix == target))
        });
        chances.fold(0.0, f64::max)
    }

    /// The paths to a target's device and to the router of its site: what that one loses the line
    /// does.
    fn paths_to(&self, target: TargetIx) -> impl Iterator<Item = (TargetIx, &PathRecord)> {
        let topology = self.topology();
        let Target { site, endpoint, .. } = *topology.target(target);
        let is_router =
            |first: &&EndpointIx| **first != endpoint && self.services(**first).next().is_none();
        let router = topology.site(site).endpoints.first().filter(is_router);
        let endpoints = router.copied().into_iter().chain([endpoint]);
        let targets = endpoints.flat_map(|endpoint| &topology.endpoint(endpoint).targets);
        targets.filter_map(|ix| Some((*ix, self.target(*ix).path.as_deref()?)))
    }

    /// Takes in what a probe of `target` learned. Failures count as far as `trust` goes; replies
    /// always do.
    ///
    /// 1. A reply proves the device alive, and so does a failure that only a living host can
    ///    cause: a refused connection, a broken conversation, a service that says it is out.
    /// 2. An ICMP error proves the device alive that sent it, whatever it says: a router that
    ///    reports its neighbour dead has been heard.
    /// 3. A probe that was asked before its device came back and failed says nothing about now. Nor
    ///    does it say anything of a service that it does not answer where the path to its device
    ///    loses so much that no answer is no wonder.
    pub(super) fn take_in(&mut self, target: TargetIx, outcome: &Outcome, trust: Trust) -> Learned {
        let (endpoint, site) = {
            let target = self.topology().target(target);
            (target.endpoint, target.site)
        };
        let asked = outcome.started.mono;
        let (pace, _) = self.pace(target);
        let mut rule = self.config.settings.hysteresis;
        if is_unheard(outcome) {
            rule.fail_after = grade::sure_after(self.chance_of_loss(target), rule.fail_after);
        }
        let trusted = trust == Trust::Full;
        let stale = asked < self.endpoints[endpoint.ix()].back_at;
        let trust = if trusted && (stale || self.is_drowned(target, outcome)) {
            Trust::Stale
        } else {
            trust
        };
        let watched = &mut self.targets[target.ix()];
        let was_unasked = watched.unasked_since.is_some();
        let (suspicious, before) = (watched.is_suspicious(), watched.stand(&self.rules));
        let learned = watched.take_in(outcome, &rule, &self.rules, pace, trust);
        if learned.was == Health::Down && watched.streak.hard == Health::Unknown {
            watched.was_out |= self.endpoints[endpoint.ix()].alive_at >= watched.bad_since;
        }
        let counts = &mut self.sites[site.ix()];
        recount(&mut counts.suspicious, suspicious, watched.is_suspicious());
        recount(&mut counts.unasked, was_unasked, watched.unasked_since.is_some());
        // More of the same changes nothing. Whether a path is bad is weighed anew as long as it is
        // in doubt.
        let same = before == watched.stand(&self.rules) && !suspicious && !watched.is_suspicious();
        let proof = match &outcome.result {
            Ok(_) => true,
            Err(failure) => {
                if let Failure::Remote(RemoteFailure::Unreachable(error)) = failure
                    && let Some(from) = error.offender.and_then(|ip| self.at_address(ip))
                {
                    // Who spoke of an earlier request lived then.
                    let asked = outcome.heard.unwrap_or(asked);
                    let heard = &mut self.endpoints[from.ix()];
                    if asked > heard.heard_at {
                        heard.heard_before = std::mem::replace(&mut heard.heard_at, asked);
                    }
                    let heard_site = self.config.topology.endpoint(from).site;
                    if self.config.topology.vantage != Some(heard_site) {
                        self.answered.note(answered_at(outcome));
                    }
                    let heard_site = &mut self.sites[heard_site.ix()];
                    heard_site.alive_at = heard_site.alive_at.max(asked);
                    heard_site.found = false;
                }
                failure.host_alive() == Some(true)
            }
        };
        let here = self.topology().vantage == Some(site);
        if proof && here {
            self.answered_here.note(answered_at(outcome));
        }
        if proof && (!here || self.gateway() == Some(endpoint)) {
            self.answered.note(answered_at(outcome));
        }
        let site = &mut self.sites[site.ix()];
        site.found &= same
            && match site.finding {
                Finding::Well => true,
                Finding::Trouble(trouble) => trouble.settled && !proof,
                Finding::Unknown | Finding::Unsettled | Finding::Doubtful => false,
            };
        if proof {
            let endpoint = &mut self.endpoints[endpoint.ix()];
            endpoint.alive_at = endpoint.alive_at.max(asked);
            site.alive_at = site.alive_at.max(asked);
        }
        if proof || (trusted && !outcome.is_local_failure()) {
            site.asked_at = site.asked_at.max(asked);
        }
        learned
    }
}

/// The address of an endpoint, if it is known by one.
fn address(topology: &Topology, ix: EndpointIx) -> Option<IpAddr> {
    match topology.endpoint(ix).host {
        Host::Ip(ip) => Some(ip),
        Host::Name(_) => None,
    }
}

/// See [`Picture::gateway`].
fn gateway(topology: &Topology) -> Option<EndpointIx> {
    let here = &topology.site(topology.vantage?).endpoints;
    let first = *here.first()?;
    let mut targets = topology.endpoint(first).targets.iter();
    let takes_calls = targets.any(|target| {
        matches!(topology.check_of(*target).kind, CheckKind::Sip(_) | CheckKind::H323(_))
    });
    (here.len() == 1 || !takes_calls).then_some(first)
}

/// How far a failure is believed. Replies always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// Wholly.
    Full,
    /// It says nothing about now: it is about a time that is past, or the answer may have been lost
    /// on our side. It is asked again.
    Stale,
    /// Not at all: it may be ours.
    None,
}

impl Judged {
    /// As it was before a restart.
    pub(super) fn restored(state: Option<&HardState>) -> Self {
        state.map_or_else(Self::default, |state| Self {
            hard: state.health,
            since: Some(state.since.into()),
            began: state.began.map(Stamp::from),
            seen_up: state.seen_up,
        })
    }

    /// Takes over a health; whether that is news.
    pub(super) fn set(&mut self, health: Health, at: Timestamp) -> bool {
        let news = self.hard != health;
        if news {
            self.hard = health;
            self.since = Some(at.into());
            self.began = None;
            self.seen_up |= health == Health::Up;
        }
        news
    }

    /// Takes over a health that by the outcomes began at `began`; whether that is news. It does not
    /// begin before the one that it follows.
    pub(super) fn set_from(&mut self, health: Health, began: Timestamp, at: Timestamp) -> bool {
        let before = self.began.or(self.since).map_or(Timestamp::MIN, Timestamp::from);
        let news = self.set(health, at);
        if news {
            self.began = Some(began.max(before.min(at)).min(at).into());
        }
        news
    }

    /// As it is kept.
    pub(super) fn hard_state(&self, at: Timestamp) -> HardState {
        HardState {
            health: self.hard,
            since: self.since.map_or(at, Timestamp::from),
            began: self.began.map(Timestamp::from),
            seen_up: self.seen_up,
        }
    }

    /// As it is shown; `soft` is what the latest evidence hints at.
    pub(super) const fn standing(&self, soft: Health) -> Standing {
        Standing { hard: self.hard, soft, since: self.since }
    }
}
/// Counts one that was among those that are counted, or is now.
const fn recount(count: &mut u16, was: bool, is: bool) {
    match (was, is) {
        (false, true) => *count += 1,
        (true, false) => *count -= 1,
        _ => {}
    }
}

/// Whether nothing came back, or nothing more, which may be chance. Whatever else did is an answer.
const fn is_unheard(outcome: &Outcome) -> bool {
    use RemoteFailure::{Stalled, Timeout};
    matches!(outcome.result, Err(Failure::Remote(Timeout | Stalled { .. })))
}

#[cfg(test)]
mod tests;
