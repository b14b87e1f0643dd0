//! A scenario fitted to a province: who does what at which moment, in order.
//!
//! A runner, virtual or real, needs nothing else: it waits for the next step and carries it out.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::yaml::{self, Mark, Problems, Sink};
use super::{Entry, Order, Province, Scenario, What, Who};
use crate::lab::fault::{Fault, FaultKind};
use crate::lab::world::{Dice, Place, World};
use crate::model::{EndpointId, Now, Session, SessionId, SiteId, SiteIx, Topology};

/// The steps of a scenario in the order of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Script {
    /// The steps.
    pub steps: Vec<Step>,
    /// How long the scenario runs.
    pub lasts: Duration,
}

/// Something happens.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When, from the start.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// A fault appears at these places.
    Place {
        /// Where.
        places: Vec<Place>,
        /// What.
        fault: Fault,
    },
    /// Faults of a kind, or all of them, go away.
    Lift {
        /// Where.
        places: Vec<Place>,
        /// Which; all when none.
        kind: Option<FaultKind>,
    },
    /// Somebody sets the wall clock.
    ClockStep(SignedDuration),
    /// The daemon goes away for a while.
    Restart {
        /// For how long.
        away: Duration,
        /// Whether it is killed.
        killed: bool,
    },
    /// The configuration is read again, without these sites.
    Reload {
        /// The sites left out; none when it is whole again.
        without: Vec<SiteIx>,
    },
    /// Somebody takes on whatever is open at these sites.
    Ack {
        /// The sites.
        sites: Vec<SiteIx>,
        /// Who.
        by: String,
        /// For how long; none is until it is over.
        lasts: Option<Duration>,
    },
    /// Nothing is told of these sites for this long.
    Silence {
        /// The sites.
        sites: Vec<SiteIx>,
        /// For how long.
        lasts: Duration,
    },
    /// These sites are being worked on for this long.
    Maintenance {
        /// The sites.
        sites: Vec<SiteIx>,
        /// For how long.
        lasts: Duration,
    },
}

/// Most steps that a scenario may come to: a week of flapping at one site every second.
const MOST: usize = 2_000_000;

impl Scenario {
    /// The drawn province, unless the scenario plays in the shipped one.
    #[must_use]
    pub fn topology(&self) -> Option<Topology> {
        match &self.province {
            Province::Sample => None,
            Province::Tree(tree) => Some(tree.topology()),
        }
    }

    /// Fits the timeline to a province.
    ///
    /// # Errors
    /// Every site, level, label and endpoint that the province does not have.
    pub fn script(&self, topology: &Topology) -> Result<Script, Problems> {
        let sink = Sink::default();
        let mut steps = Vec::new();
        for (n, entry) in self.timeline.iter().enumerate() {
            let dice = Dice::new(self.nature.seed, 0xE47E_0000 + n as u64);
            expand(entry, topology, self.lasts, dice, &mut steps, &sink);
        }
        for expected in &self.expect {
            known_expectation(expected, topology, &sink);
        }
        if let Some(problems) = sink.into_problems(&self.file) {
            return Err(problems);
        }
        // Stable: what the file says first happens first.
        steps.sort_by_key(|step| step.at);
        Ok(Script { steps, lasts: self.lasts })
    }

    /// The calendar of a run that starts at `start`.
    ///
    /// # Errors
    /// Every site, level and label that the province does not have.
    pub fn sessions(
        &self,
        topology: &Topology,
        start: Timestamp,
    ) -> Result<Vec<Session>, Problems> {
        let sink = Sink::default();
        let sessions = self.sessions.iter().map(|plan| {
            let at = |offset: SignedDuration| start.checked_add(offset).unwrap_or(start);
            let said = sink.said();
            let sites: Vec<SiteIx> = match plan.who.is_empty() && plan.who.except.is_empty() {
                true => topology.site_ixs().collect(),
                false => plan.who.sites(topology, &sink),
            };
            if sites.is_empty() && sink.said() == said {
                sink.say(plan.mark, "nobody takes part in this session");
            }
            Session {
                id: SessionId::new(plan.id.as_str()),
                title: plan.title.clone(),
                start: at(plan.from),
                end: at(plan.to),
                importance: plan.importance,
                sites: sites.into_iter().map(|site| (site, plan.delegates)).collect(),
            }
        });
        let sessions = sessions.collect();
        match sink.into_problems(&self.file) {
            Some(problems) => Err(problems),
            None => Ok(sessions),
        }
    }
}

impl World {
    /// Carries out a step as far as it concerns the province; the rest concerns the daemon.
    pub fn apply(&mut self, at: Now, act: &Act) {
        match act {
            Act::Place { places, fault } => {
                for place in places {
                    self.place(at, place.clone(), *fault);
                }
            }
            Act::Lift { places, kind } => {
                for place in places {
                    self.lift(place, *kind);
                }
            }
            Act::ClockStep(_)
            | Act::Restart { .. }
            | Act::Reload { .. }
            | Act::Ack { .. }
            | Act::Silence { .. }
            | Act::Maintenance { .. } => {}
        }
    }
}

/// Turns one entry into steps: one after the other if it is spread, there and away again if it
/// flaps or lasts.
fn expand(
    entry: &Entry,
    topology: &Topology,
    end: Duration,
    mut dice: Dice,
    steps: &mut Vec<Step>,
    sink: &Sink,
) {
    let said = sink.said();
    let sites = entry.who.sites(topology, sink);
    if sites.is_empty() && !entry.who.is_empty() && sink.said() == said {
        sink.say(entry.mark, "no site fits all that is said here");
    }
    let at = entry.at;
    let lasts = entry.lasts.unwrap_or(end.saturating_sub(at));
    let act = match &entry.what {
        What::Fault(fault) if fault.kind().is_own() => {
            return come_and_go(entry, &[Place::Own], *fault, at, end, steps, sink);
        }
        What::Fault(fault) => {
            let places = places(&entry.who, &sites, topology, sink);
            for (places, at) in spread(entry, places, &mut dice) {
                come_and_go(entry, &places, *fault, at, end, steps, sink);
            }
            return;
        }
        What::Clear(Some(kind)) if kind.is_own() => {
            Act::Lift { places: vec![Place::Own], kind: Some(*kind) }
        }
        What::Clear(kind) => {
            let places = places(&entry.who, &sites, topology, sink);
            for (places, at) in spread(entry, places, &mut dice) {
                steps.push(Step { at, act: Act::Lift { places, kind: *kind } });
            }
            return;
        }
        What::ClockStep(by) => Act::ClockStep(*by),
        What::Restart { away, killed } => Act::Restart { away: *away, killed: *killed },
        What::Reload { without: true } => Act::Reload { without: sites },
        What::Reload { without: false } => Act::Reload { without: Vec::new() },
        What::Ack { by } => Act::Ack { sites, by: by.clone(), lasts: entry.lasts },
        What::Silence => Act::Silence { sites, lasts },
        What::Maintenance => Act::Maintenance { sites, lasts },
    };
    steps.push(Step { at, act });
}

/// A fault that appears at `at` and goes away as its entry says.
fn come_and_go(
    entry: &Entry,
    places: &[Place],
    fault: Fault,
    at: Duration,
    end: Duration,
    steps: &mut Vec<Step>,
    sink: &Sink,
) {
    let over = entry.lasts.map_or(end, |lasts| (at + lasts).min(end));
    let place = |at| Step { at, act: Act::Place { places: places.to_vec(), fault } };
    let lift =
        |at| Step { at, act: Act::Lift { places: places.to_vec(), kind: Some(fault.kind()) } };
    let Some(flap) = entry.flap else {
        steps.push(place(at));
        if over < end {
            steps.push(lift(over));
        }
        return;
    };
    let mut next = at;
    while next < over {
        if steps.len() >= MOST {
            sink.say(entry.mark, "this flaps too often for one scenario");
            return;
        }
        steps.push(place(next));
        steps.push(lift((next + flap.down).min(over)));
        next += flap.down + flap.up;
    }
}

/// The places of an entry with the moments at which they are reached: all at once, or one after
/// the other.
fn spread(entry: &Entry, mut places: Vec<Place>, dice: &mut Dice) -> Vec<(Vec<Place>, Duration)> {
    if entry.spread.is_zero() {
        return vec![(places, entry.at)];
    }
    match entry.order {
        Order::File => {}
        Order::Reverse => places.reverse(),
        Order::Shuffled => {
            let mut keyed: Vec<(u64, Place)> =
                places.into_iter().map(|p| (dice.throw(), p)).collect();
            keyed.sort();
            places = keyed.into_iter().map(|(_, place)| place).collect();
        }
    }
    let gaps = u32::try_from(places.len().saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    let gap = entry.spread / gaps;
    let moments = (0u32..).map(|n| entry.at + gap * n);
    places.into_iter().map(|place| vec![place]).zip(moments).collect()
}

/// Sites, or one device at each of them.
fn places(who: &Who, sites: &[SiteIx], topology: &Topology, sink: &Sink) -> Vec<Place> {
    let Some((named, mark)) = &who.endpoint else {
        return sites.iter().map(|site| Place::Site(*site, None)).collect();
    };
    let endpoint = EndpointId::new(named.as_str());
    let with = sites.iter().filter(|site| {
        topology.site(**site).endpoints.iter().any(|ix| topology.endpoint(*ix).id == endpoint)
    });
    let places: Vec<Place> = with.map(|site| Place::Site(*site, Some(endpoint.clone()))).collect();
    if places.is_empty() && !sites.is_empty() {
        let known: BTreeSet<&str> = sites
            .iter()
            .flat_map(|site| &topology.site(*site).endpoints)
            .map(|ix| topology.endpoint(*ix).id.as_str())
            .collect();
        let hint = yaml::nearest(named, known);
        sink.say(*mark, format!("no such endpoint `{named}` there{hint}"));
    }
    places
}

impl Who {
    /// The sites that fit everything that is said, in the order of the topology.
    pub(super) fn sites(&self, topology: &Topology, sink: &Sink) -> Vec<SiteIx> {
        let everybody = || topology.site_ixs().collect::<BTreeSet<_>>();
        let find = |(id, mark): &(String, Mark)| find(id, *mark, topology, sink);
        let mut fit: Vec<BTreeSet<SiteIx>> = Vec::new();
        if !self.sites.is_empty() {
            fit.push(self.sites.iter().filter_map(find).collect());
        }
        if !self.subtree.is_empty() {
            let roots = self.subtree.iter().filter_map(find);
            fit.push(roots.flat_map(|root| topology.subtree(root)).collect());
        }
        if !self.below.is_empty() {
            let roots = self.below.iter().filter_map(find);
            fit.push(roots.flat_map(|root| topology.subtree(root).split_off(1)).collect());
        }
        if !self.level.is_empty() {
            for (level, mark) in &self.level {
                let known = topology.levels.iter().map(|level| level.id.as_str());
                if !known.clone().any(|id| id == level) {
                    let hint = yaml::nearest(level, known);
                    sink.say(*mark, format!("there is no level `{level}`{hint}"));
                }
            }
            let of_level = topology.site_ixs().filter(|ix| {
                self.level.iter().any(|(id, _)| topology.level_of(*ix).id.as_str() == id)
            });
            fit.push(of_level.collect());
        }
        for (label, (value, mark)) in &self.label {
            let with: BTreeSet<SiteIx> = topology
                .site_ixs()
                .filter(|ix| topology.site(*ix).labels.get(label) == Some(value))
                .collect();
            if with.is_empty() {
                sink.say(*mark, format!("no site has the label `{label}: {value}`"));
            }
            fit.push(with);
        }
        let mut sites = fit.into_iter().reduce(|a, b| &a & &b).unwrap_or_else(|| {
            if self.is_empty() && self.except.is_empty() { BTreeSet::new() } else { everybody() }
        });
        for site in self.except.iter().filter_map(find) {
            sites.remove(&site);
        }
        sites.into_iter().collect()
    }
}

fn find(id: &str, mark: Mark, topology: &Topology, sink: &Sink) -> Option<SiteIx> {
    let found = topology.find_site(&SiteId::new(id));
    if found.is_none() {
        let known = topology.sites.iter().map(|site| site.id.as_str());
        sink.say(mark, format!("there is no site `{id}`{}", yaml::nearest(id, known)));
    }
    found
}

/// An expectation about something that does not exist would never be met.
fn known_expectation(expected: &super::Expected, topology: &Topology, sink: &Sink) {
    if let Some(site) = &expected.first.site {
        find(site, expected.mark, topology, sink);
    }
    let Some(site) = &expected.site else { return };
    let Some(site) = find(site, expected.mark, topology, sink) else { return };
    let endpoints = topology.site(site).endpoints.iter().map(|ix| topology.endpoint(*ix));
    if let Some(named) = &expected.endpoint {
        let known = endpoints.clone().map(|endpoint| endpoint.id.as_str());
        if !known.clone().any(|id| id == named) {
            let hint = yaml::nearest(named, known);
            sink.say(expected.mark, format!("no such endpoint `{named}` there{hint}"));
        }
    }
    if let Some(named) = &expected.check {
        let targets = endpoints.flat_map(|endpoint| &endpoint.targets);
        let known: BTreeSet<&str> =
            targets.map(|target| topology.check_of(*target).id.as_str()).collect();
        if !known.contains(named.as_str()) {
            let hint = yaml::nearest(named, known);
            sink.say(expected.mark, format!("no such check `{named}` there{hint}"));
        }
    }
}
