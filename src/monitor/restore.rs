//! A new beginning with an old memory: after a start from what is durable, after a change of the
//! configuration from the picture before.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Monitor;
use super::blind::{self, Sight};
use super::correlate;
use super::drill::Drills;
use super::flap;
use super::grade::PathRecord;
use super::hygiene::Hygiene;
use super::ledger::{Ledger, Scope, Slot};
use super::lost::Lost;
use super::minutes::Minutes;
use super::mute::Mutes;
use super::ourselves::Weakness;
use super::picture::{Judged, Picture, Starting};
use super::policy;
use super::readiness::Readiness;
use super::record;
use super::rollup::Rollups;
use super::schedule::Schedule;
use super::site::Kind;
use super::target::Watched;
use super::tell::Gathering;
use super::untold::Accepted;
use super::worst::Worst;
use crate::config::Config;
use crate::model::{
    Cause, Change, CheckKind, Durable, EndpointId, HardState, Health, Incident, Mono, Now,
    Resolution, Saw, SelfDoubt, SiteId, SiteIx, TargetKey, Topology,
};

impl Monitor {
    /// A brain that remembers what is `durable`.
    ///
    /// 1. Confirmed health counts until it is learned otherwise; nothing is said of it before
    ///    fresh outcomes confirm or refute it.
    /// 2. Open incidents go on. They end only on fresh evidence, and what was told of them is not
    ///    told again.
    ///    Who was blind is blind until it is known that it sees, and whose clock was wrong has a
    ///    wrong clock until the others' are seen.
    /// 3. What is watched no longer is forgotten, and an incident about it ends with that reason.
    /// 4. What is over is remembered while it may come back, and until everybody who was told of
    ///    it has been told its end.
    #[must_use]
    pub fn new(config: Arc<Config>, mut durable: Durable, now: Now) -> Self {
        let topology = Arc::clone(&config.topology);
        let mut picture = Picture::new(config, now.wall);
        let mut schedule = Schedule::default();
        for ix in topology.target_ixs() {
            let key = topology.target_key(ix);
            let pinged = matches!(topology.check_of(ix).kind, CheckKind::Icmp(_));
            picture.targets.push(Watched::new(durable.health.get(&key), pinged, now.mono));
            let (pace, timeout) = picture.pace(ix);
            schedule.add(&key, pace, timeout, now.mono);
        }
        for ix in topology.endpoint_ixs() {
            let state = durable.health.get(&topology.endpoint_key(ix));
            let judged = Judged::restored(state);
            picture.endpoints[ix.ix()].judged = judged;
            if matches!(judged.hard, Health::Up | Health::Degraded) {
                for target in &topology.endpoint(ix).targets {
                    let target = &mut picture.targets[target.ix()];
                    target.out_at_start = target.streak.hard == Health::Down;
                }
            }
        }
        for ix in topology.site_ixs() {
            let state = durable.health.get(&topology.site_key(ix));
            picture.site_mut(ix).judged = Judged::restored(state);
        }
        let mut monitor = Self {
            generation: 1,
            earlier: BTreeMap::new(),
            active: topology.site_ixs().collect(),
            sight: Sight::new(topology.targets.len()),
            hygiene: Hygiene::default(),
            readiness: Readiness::restored(&mut durable),
            ledger: Ledger::default(),
            mutes: Mutes { silences: durable.silences, maintenance: durable.maintenance },
            drills: Drills::restored(durable.drills),
            mute_at: None,
            tell_at: None,
            gathering: Gathering::default(),
            minute: None,
            duty: Vec::new(),
            handed: durable.duty,
            commands: VecDeque::new(),
            changes: Vec::new(),
            rollups: Rollups::new(now.mono),
            minutes: Minutes::new(durable.sessions, durable.watched, now),
            look_at: now.mono,
            review_at: now.mono,
            reviewed_at: Mono::ZERO,
            commit_at: now.mono,
            lateness: Worst::default(),
            lost: Lost::restored(std::mem::take(&mut durable.lost)),
            accepted: Accepted::default(),
            shown: Arc::default(),
            schedule,
            picture,
        };
        let gone = durable.health.into_keys().filter(|key| !is_watched(&topology, key));
        monitor.changes.extend(gone.flat_map(|key| forget(key, now)));
        let mut incidents: Vec<Incident> = durable.incidents.into_values().collect();
        incidents.sort_by(|a, b| a.opened.cmp(&b.opened).then_with(|| a.id.cmp(&b.id)));
        // Not before all are in their places: what rests under one of these has to go on.
        let gone: Vec<Slot> =
            incidents.into_iter().filter_map(|incident| monitor.remember(incident, now)).collect();
        for slot in gone {
            if monitor.ledger.get(slot).is_some_and(|entry| entry.incident.is_open()) {
                monitor.ledger.resolve(slot, &mut monitor.picture, Resolution::Removed, now);
            }
        }
        monitor.show_duty(now);
        // The settings may be others than before.
        monitor.try_again(now.mono, |_, _| true);
        monitor
    }

    /// Puts an incident back in its place; gives it where it is open and that place is gone.
    fn remember(&mut self, incident: Incident, now: Now) -> Option<Slot> {
        let is_of_clock = || Weakness::of_record(&incident) == Weakness::Clock;
        if incident.cause == Cause::Monitor && is_of_clock() {
            self.hygiene.recall(&self.picture, &incident, now);
        }
        let flapping = &self.picture.settings().flapping;
        let ended_long_ago = !incident.is_open()
            && !flap::may_return(&incident, flapping, now.wall)
            && !policy::owes_an_end(&incident, &self.picture.settings().channels);
        if ended_long_ago {
            return None;
        }
        let topology = Arc::clone(self.topology());
        if incident.cause == Cause::Monitor && incident.is_open() {
            self.doubt_again(&incident, now);
        }
        let scope = scope(&incident, &topology)
            .filter(|scope| !names_what_is_gone(&incident, &topology, scope));
        let kind = Kind::of(incident.cause);
        let known = |site: &SiteId| topology.find_site(site);
        let members: BTreeMap<SiteIx, bool> = match &scope {
            Some(scope @ (Scope::Site(_) | Scope::Below(_) | Scope::Label { .. })) => incident
                .affected
                .iter()
                .filter_map(|affected| Some((known(&affected.site)?, affected.until.is_some())))
                .map(|(site, well)| (site, well || !scope.covers(&topology, site)))
                .collect(),
            _ => BTreeMap::new(),
        };
        // One that has no part in any of its sites any more says nothing of them.
        let scope = scope.filter(|scope| match scope {
            Scope::Below(_) | Scope::Label { .. } => {
                incident.affected.is_empty()
                    || members.keys().any(|site| scope.covers(&topology, *site))
            }
            _ => true,
        });
        let (open, active) = (incident.is_open(), incident.is_active());
        let device = incident.endpoint.clone();
        let still: Vec<SiteIx> =
            members.iter().filter(|(_, well)| !**well).map(|(site, _)| *site).collect();
        if let (Some(Scope::Below(_)), Some(kind)) = (&scope, kind) {
            self.expect_starting(&incident, kind, now);
        }
        let incident = Arc::new(incident);
        let ago = |at| now.mono_at(at);
        let returned_at = incident.affected.iter().filter_map(|affected| affected.until).max();
        let mut returned_at = returned_at.map_or(Mono::ZERO, ago);
        // A graver fault that took its place after it had come back began later still.
        let began = incident.relapses.last().map_or(incident.began, |it| incident.began.max(*it));
        let began_at = ago(began);
        // Since when the site that others hang on answers again, or so many of those that have
        // something in common that silenced them.
        let over_since = match &scope {
            Some(Scope::Below(node)) if open && !still.is_empty() => {
                let id = &topology.site(*node).id;
                let affected = incident.affected.iter().find(|affected| affected.site == *id);
                affected.and_then(|affected| affected.until).map(ago)
            }
            Some(Scope::Label { .. }) if active && kind == Some(Kind::Silent) => {
                self.over_by_record(&members, now).map(|(over, last)| {
                    // Nothing is concluded before it could be seen anew how they do.
                    let window = self.picture.settings().correlation.window;
                    returned_at = returned_at.max(last).max(now.mono.earlier(window));
                    over
                })
            }
            _ => None,
        };
        let placed = scope.clone().unwrap_or(Scope::Gone);
        let slot = self.ledger.restore(incident, placed, kind, members, began_at);
        if let Some(entry) = self.ledger.get_mut(slot) {
            (entry.over_since, entry.returned_at) = (over_since, returned_at);
            // What is about no site lists those of which nothing is known.
            let has_members = !entry.members.is_empty();
            let still = |site: &SiteId| {
                topology.find_site(site).is_some_and(|site| entry.scope.covers(&topology, site))
            };
            let apart = entry.incident.affected_now().filter(|site| has_members && !still(site));
            let apart: Vec<SiteId> = apart.cloned().collect();
            for site in apart {
                record::strike(entry, &site, now);
            }
        }
        let is_gone = scope.is_none() && open;
        match scope {
            Some(Scope::Site(site)) if open => self.picture.site_mut(site).own = Some(slot),
            Some(Scope::Below(_) | Scope::Label { .. }) if active => {
                for site in &still {
                    self.picture.site_mut(*site).group = Some(slot);
                }
            }
            _ => {}
        }
        if kind == Some(Kind::Quality) && open {
            let lossy = self.was_lossy(slot);
            for site in still {
                self.expect_poor_paths(site, device.as_ref(), lossy);
            }
        }
        is_gone.then_some(slot)
    }

    /// When so many of those that something had silenced answered again that this was over, and
    /// when the last of them did; none if it is not over by what is on record.
    fn over_by_record(&self, members: &BTreeMap<SiteIx, bool>, now: Now) -> Option<(Mono, Mono)> {
        let back = members.keys().filter_map(|site| {
            let since = self.picture.answering(*site).filter_map(|it| it.since);
            since.map(|since| now.mono_at(since.into())).min()
        });
        let mut back: Vec<Mono> = back.collect();
        back.sort_unstable();
        let (all, least) = (members.len(), self.picture.settings().correlation.common_inside);
        let enough = (1..=back.len()).find(|n| !correlate::at_least(all - n, least, all))?;
        Some((back[enough - 1], *back.last()?))
    }

    /// Devices that may still have been starting before the restart, their line being back, may be
    /// still: those of the sites of which it was not known how they do.
    fn expect_starting(&mut self, incident: &Incident, kind: Kind, now: Now) {
        let topology = Arc::clone(self.topology());
        let window = self.picture.settings().correlation.window;
        for affected in &incident.affected {
            let Some(site) = topology.find_site(&affected.site) else { continue };
            let Some(back) = affected.until.filter(|at| *at <= now.wall) else { continue };
            let until = now.mono_at(back) + window;
            let known = self.picture.site_mut(site);
            if known.judged.hard == Health::Unknown && now.mono < until {
                known.starting = Some(Starting { kind, until });
            }
        }
    }

    /// Doubts ourselves as before the restart, until more is known: who is blind knows nothing of
    /// anybody, and who knows something has seen since, but for the sites that could not be asked.
    fn doubt_again(&mut self, incident: &Incident, now: Now) {
        if self.picture.sites.iter().all(|it| it.judged.hard == Health::Unknown) {
            let has_gateway = self.picture.gateway().is_some();
            for doubt in incident.doubts() {
                self.sight.remember(doubt, has_gateway, now.mono);
            }
        }
        match Weakness::of_record(incident) {
            // Also what is found out within a second: that a part is not heard of until then must
            // not pass for its being well.
            Weakness::Part(_) => {
                let trouble = incident.doubts().rev().find_map(|doubt| match doubt {
                    SelfDoubt::Trouble { part, detail } => Some((*part, detail.clone())),
                    // A drill keeps its own.
                    _ => None,
                });
                if let Some((part, detail)) = trouble {
                    self.sight.remember_part(part, detail, now.mono);
                }
            }
            Weakness::Sight if !self.sight.is_blind() => {
                let topology = Arc::clone(self.topology());
                for site in incident.affected_now().filter_map(|site| topology.find_site(site)) {
                    self.expect_unasked(site, now.mono);
                }
                self.picture.count_targets();
            }
            // For how long we have been decides how urgent it is.
            Weakness::Sight => {
                let affected = incident.affected.iter().filter(|it| it.until.is_none());
                // Those who were unknown before are listed since the first time.
                let since = affected.map(|affected| affected.since);
                if let Some(since) = since.chain(incident.relapses.last().copied()).max() {
                    self.sight.since = now.mono_at(since);
                }
            }
            _ => {}
        }
    }

    /// Devices that could not be asked before the restart cannot be until they are.
    fn expect_unasked(&mut self, site: SiteIx, now: Mono) {
        let topology = Arc::clone(self.topology());
        let endpoints = topology.site(site).endpoints.iter();
        for target in endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets) {
            self.picture.targets[target.ix()].unasked_since = Some(blind::before_the_doubt(now));
        }
    }

    /// Whether paths were bad because they lost packets, by what stands in evidence of some of
    /// them.
    fn was_lossy(&self, slot: Slot) -> bool {
        let evidence = self.ledger.get(slot).map(|entry| &entry.incident.evidence);
        let mut lost = evidence.into_iter().flatten().filter_map(|evidence| match evidence.saw {
            Saw::Path { lost_permille, .. } => Some(f64::from(lost_permille) / 1000.0),
            _ => None,
        });
        let fair = self.picture.settings().quality.fair_loss;
        lost.clone().next().is_none() || lost.any(|lost| lost >= fair)
    }

    /// Paths that were bad before the restart are bad until they are seen to be good: those to one
    /// device, or all of a bad line.
    fn expect_poor_paths(&mut self, site: SiteIx, device: Option<&EndpointId>, lossy: bool) {
        let topology = Arc::clone(self.topology());
        self.picture.site_mut(site).poor_line = device.is_none();
        for endpoint in &topology.site(site).endpoints {
            if device.is_some_and(|device| topology.endpoint(*endpoint).id != *device) {
                continue;
            }
            for target in &topology.endpoint(*endpoint).targets {
                let watched = &mut self.picture.targets[target.ix()];
                if let Some(path) = &mut watched.path {
                    **path = PathRecord::poor_already(lossy);
                }
            }
        }
    }
}

/// What makes durable that something is watched no longer. That a site is not known from now on
/// stays in its history: should it come back, nobody may think that it was down all the time.
pub(super) fn forget(key: TargetKey, now: Now) -> impl Iterator<Item = Change> {
    let unknown = key.endpoint.is_none().then(|| {
        let (health, since) = (Health::Unknown, now.wall);
        let state = HardState { health, since, began: None, seen_up: false };
        Change::Health { key: key.clone(), state }
    });
    unknown.into_iter().chain([Change::Forget(key)])
}

/// Whether a key names something in the topology.
pub(super) fn is_watched(topology: &Topology, key: &TargetKey) -> bool {
    let Some(site) = topology.find_site(&key.site) else { return false };
    let Some(endpoint) = &key.endpoint else { return true };
    let endpoints = &topology.site(site).endpoints;
    let Some(endpoint) = endpoints.iter().find(|ix| topology.endpoint(**ix).id == *endpoint) else {
        return false;
    };
    let Some(check) = &key.check else { return true };
    let targets = &topology.endpoint(*endpoint).targets;
    targets.iter().any(|ix| topology.check_of(*ix).id == *check)
}

/// Whether a record about a site or a device names a device or a check that is watched no longer.
pub(super) fn names_what_is_gone(incident: &Incident, topology: &Topology, scope: &Scope) -> bool {
    let site = match scope {
        Scope::Site(site) => *site,
        Scope::Item(endpoint, _) => topology.endpoint(*endpoint).site,
        Scope::Below(_) | Scope::Label { .. } | Scope::Monitor(_) | Scope::Gone => return false,
    };
    let Some(named) = &incident.endpoint else { return false };
    let key = TargetKey {
        site: topology.site(site).id.clone(),
        endpoint: Some(named.clone()),
        check: incident.check.clone(),
    };
    !is_watched(topology, &key)
}

/// What a record is about; none when that is watched no longer.
fn scope(incident: &Incident, topology: &Topology) -> Option<Scope> {
    if incident.cause == Cause::Monitor {
        return Some(Scope::Monitor(Weakness::of_record(incident)));
    }
    if let Some(common) = &incident.common {
        return Some(Scope::Label { label: common.label.clone(), value: common.value.clone() });
    }
    let site = topology.find_site(incident.site.as_ref()?)?;
    let endpoint = |id| {
        let endpoints = &topology.site(site).endpoints;
        endpoints.iter().copied().find(|ix| topology.endpoint(*ix).id == id)
    };
    Some(match incident.cause {
        Cause::Uplink => Scope::Below(site),
        Cause::Certificate | Cause::Clock => {
            Scope::Item(endpoint(incident.endpoint.clone()?)?, incident.cause)
        }
        // What lies on a line that others share has others in it.
        Cause::Quality | Cause::Device | Cause::Service if incident.of > 1 => Scope::Below(site),
        _ => Scope::Site(site),
    })
}
