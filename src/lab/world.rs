//! The emulated province as a pure value: what stands where, what is wrong with it, and what
//! therefore becomes of a packet or a probe.
//!
//! It is handed the time and throws its own seeded dice, so the relay (with real packets) and a
//! virtual run (with none) see the same world, and the same seed gives the same run. The relay
//! asks [`World::carry`] packet by packet; an echo engine has the world for its network; a virtual
//! run asks [`World::probe`], which is built on the same answers.
//!
//! ## What lies between us and a device
//! Our own network, then the line of every site from ours to the one in question, then that
//! site's router, then its LAN. A fault placed at a site concerns that site only, except a cut
//! line, which concerns everything that runs through it.

mod carry;
mod dice;
mod echo;
mod path;
mod sight;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use carry::{Answer, Damage, Delivery, Direction, Packet, Vanished, Verdict};
pub use dice::Dice;
pub(crate) use echo::wording;
pub use path::{HttpState, Service, SipState};
pub use sight::Sight;
pub(crate) use sight::sip_reason;

use crate::model::{EndpointId, EndpointIx, Host, Mono, Now, SiteIx, Topology};
use crate::probe::icmp::Emulated;

use self::path::Path;
use super::fault::{Fault, FaultKind};

/// How the province is when nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nature {
    /// Usual round trip to a site. Each site has its own, between half and one and a half times
    /// this.
    pub rtt: Duration,
    /// Usual jitter as RFC 3550 §6.4.1 measures it.
    pub jitter: Duration,
    /// Usual loss of round trips, 0 to 1.
    pub loss: f64,
    /// ICMP errors that one router sends in a second at most. Linux sends one per receiver.
    pub errors_per_second: Option<u32>,
    /// What the dice start from.
    pub seed: u64,
}

impl Default for Nature {
    fn default() -> Self {
        Self {
            rtt: Duration::from_millis(8),
            jitter: Duration::from_micros(500),
            loss: 0.0,
            errors_per_second: None,
            seed: 1,
        }
    }
}

/// Where a fault is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// With us.
    Own,
    /// At a site, or at one of its endpoints.
    Site(SiteIx, Option<EndpointId>),
}

/// The province and what is wrong with it.
#[derive(Debug, Clone)]
pub struct World {
    topology: Arc<Topology>,
    nature: Nature,
    faults: BTreeMap<(Place, FaultKind), Since>,
    /// How many faults were ever placed.
    placed: u64,
    by_address: BTreeMap<IpAddr, EndpointIx>,
    /// What each endpoint's path and applications are like now.
    paths: Vec<Path>,
    /// Whether `paths` is older than `faults`.
    stale: bool,
    dice: Vec<Dice>,
    lines: Vec<Line>,
    cut: OwnNetwork,
    /// The echo engine of each endpoint's virtual probes, with what it still awaits.
    engines: Vec<Option<Box<Emulated>>>,
}

/// A fault and when it was placed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Since {
    fault: Fault,
    wall: Timestamp,
    /// Of two that contradict each other the later one holds.
    order: u64,
}

/// What a site's line remembers from packet to packet.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// When the line will have sent what is queued, out and back.
    free: [Mono; 2],
    /// When the router may send its next ICMP error.
    next_error: Mono,
}

/// The state of our own side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct OwnNetwork {
    silent: bool,
    link_down: bool,
    nameless: bool,
    late: bool,
}

impl World {
    /// A province in which nothing is wrong.
    #[must_use]
    pub fn new(topology: Arc<Topology>, nature: Nature) -> Self {
        let mut by_address = BTreeMap::new();
        for ix in topology.endpoint_ixs() {
            if let Host::Ip(ip) = topology.endpoint(ix).host {
                // Where two endpoints share an address the first one answers.
                by_address.entry(ip).or_insert(ix);
            }
        }
        let lanes = (1..).take(topology.endpoints.len());
        Self {
            by_address,
            faults: BTreeMap::new(),
            placed: 0,
            paths: Vec::new(),
            stale: true,
            dice: lanes.map(|lane| Dice::new(nature.seed, lane)).collect(),
            lines: vec![Line::default(); topology.sites.len()],
            cut: OwnNetwork::default(),
            engines: vec![None; topology.endpoints.len()],
            nature,
            topology,
        }
    }

    /// What is emulated.
    #[must_use]
    pub const fn topology(&self) -> &Arc<Topology> {
        &self.topology
    }

    /// Places a fault. One of the same kind at the same place is replaced.
    pub fn place(&mut self, at: Now, place: Place, fault: Fault) {
        let place = if fault.kind().is_own() { Place::Own } else { place };
        self.placed += 1;
        let since = Since { fault, wall: at.wall, order: self.placed };
        self.faults.insert((place, fault.kind()), since);
        self.stale = true;
    }

    /// Takes faults of this kind, or of every kind, away from a place. Naming a site without an
    /// endpoint means all its endpoints too.
    pub fn lift(&mut self, place: &Place, kind: Option<FaultKind>) {
        self.faults.retain(|(at, of), _| {
            let here = match (place, at) {
                (Place::Site(site, None), Place::Site(other, _)) => site == other,
                _ => at == place,
            };
            !(here && kind.is_none_or(|kind| kind == *of))
        });
        self.stale = true;
    }

    /// Everything that is wrong now.
    pub fn faults(&self) -> impl Iterator<Item = (&Place, &Fault)> {
        self.faults.iter().map(|((place, _), since)| (place, &since.fault))
    }

    /// Whether our own interface is to be down.
    #[must_use]
    pub fn own_link_down(&self) -> bool {
        self.faults.contains_key(&(Place::Own, FaultKind::OwnLinkDown))
    }

    /// How the applications of an endpoint behave now.
    pub fn service(&mut self, endpoint: EndpointIx) -> Service {
        self.refresh();
        self.paths[endpoint.ix()].service
    }

    /// The endpoint with this address.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> Option<EndpointIx> {
        self.by_address.get(&address).copied()
    }

    /// Works out what the faults mean for each endpoint, if any fault came or went.
    fn refresh(&mut self) {
        if self.stale {
            self.paths = path::all(&self.topology, &self.nature, &self.faults);
            let ours = |kind| self.faults.contains_key(&(Place::Own, kind));
            self.cut = OwnNetwork {
                silent: ours(FaultKind::OwnNetworkCut),
                link_down: self.own_link_down(),
                nameless: ours(FaultKind::OwnResolverDead),
                late: ours(FaultKind::OwnEngineLate),
            };
            self.stale = false;
        }
    }
}

#[cfg(test)]
mod tests;
