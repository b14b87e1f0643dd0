//! What is to be asked of whom, within what each line may carry.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::config::{Budget, Config, LineCost, ReadinessSettings};
use crate::model::{
    CheckKind, EndpointIx, Host, IcmpCheck, Phase, Session, SiteId, SiteIx, TargetIx, TargetKey,
    Topology,
};

/// Sizes that lines have, largest first: Ethernet, `PPPoE`, and what the usual tunnels leave, down
/// to what every host takes (RFC 791 §3.1). A search for the MTU halves this list.
pub(super) const MTU_LADDER: [u16; 17] = [
    1500, 1492, 1480, 1476, 1472, 1460, 1450, 1440, 1420, 1400, 1380, 1360, 1340, 1300, 1280, 1000,
    576,
];
/// Length of one stretch of a train: an outage shorter than this looks like loss.
const STRETCH: Duration = Duration::from_millis(500);
/// Most echoes in one stretch.
const MOST: u32 = 100;
/// Bytes of the headers that lie before the payload of an echo, with IPv4 and with IPv6.
const HEADERS: [u16; 2] = [28, 48];
/// Echoes of the large size, so that chance alone hardly loses all of them.
const LARGE: u16 = 3;

/// Which sites of a session are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All that take part.
    All,
    /// These of them.
    Only(BTreeSet<SiteId>),
}

/// What is to be asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Survey {
    /// The sites of the session, in the order of the file.
    pub sites: Vec<SiteSurvey>,
    /// Routers of sites that do not take part and that lines of the others run through.
    pub around: Vec<TargetKey>,
}

/// What is to be asked of one site.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteSurvey {
    /// The site.
    pub site: SiteId,
    /// Every target, once.
    pub targets: Vec<TargetKey>,
    /// Trains to its devices.
    pub trains: Vec<TrainPlan>,
    /// Large packets to its devices.
    pub mtus: Vec<MtuPlan>,
}

/// A train of echoes to one device.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainPlan {
    /// The target whose device is asked.
    pub target: TargetKey,
    /// One stretch of it.
    pub stretch: IcmpCheck,
    /// Stretches, one right after the other.
    pub stretches: u16,
}

/// Large packets to one device.
#[derive(Debug, Clone, PartialEq)]
pub struct MtuPlan {
    /// The target whose device is asked.
    pub target: TargetKey,
    /// Echoes of the size that must pass, not to be fragmented.
    pub large: IcmpCheck,
    /// Bytes of headers that come on top of its payload.
    pub headers: u16,
}

impl TrainPlan {
    /// Time from the first echo of one stretch to the first of the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.stretch.spacing * u32::from(self.stretch.count)
    }
}

impl MtuPlan {
    /// Bytes of the IP packets that must pass.
    #[must_use]
    pub const fn bytes(&self) -> u16 {
        self.large.size.saturating_add(self.headers)
    }

    /// The same with packets of this many bytes.
    #[must_use]
    pub fn of_bytes(&self, bytes: u16) -> IcmpCheck {
        IcmpCheck { size: bytes.saturating_sub(self.headers).max(16), ..self.large }
    }
}

/// What is to be asked of the sites of a session.
///
/// 1. Every check of every site once, services included.
/// 2. A train like a codec's packets to each device behind the router, or to the router where
///    there is none, and packets of the full size that must not be fragmented.
/// 3. A train takes what the line's budget leaves beside the probes that go on meanwhile, shared
///    among the site's devices: its packets come at a lower rate then, and never fewer than five a
///    second. Large packets are spaced so that they fit as well.
/// 4. The routers above that do not take part are pinged, so that a cut line is not taken for a
///    dead site.
#[must_use]
pub fn survey(config: &Config, session: &Session, scope: &Scope) -> Survey {
    let topology = &config.topology;
    let mut sites = Vec::new();
    let mut around = BTreeSet::new();
    for ix in topology.site_ixs().filter(|ix| session.sites.contains_key(ix)) {
        let id = &topology.site(ix).id;
        if matches!(scope, Scope::Only(only) if !only.contains(id)) {
            continue;
        }
        sites.push(of_site(topology, ix, &config.settings.readiness, &config.settings.budget));
        around.extend(topology.ancestors(ix));
        around.extend(topology.vantage);
    }
    let asked: BTreeSet<SiteId> = sites.iter().map(|site| site.site.clone()).collect();
    let around = around.into_iter().filter(|ix| !asked.contains(&topology.site(*ix).id));
    let pulse = |ix: SiteIx| {
        let router = *topology.site(ix).endpoints.first()?;
        pinged(topology, router).map(|target| topology.target_key(target))
    };
    Survey { around: around.filter_map(pulse).collect(), sites }
}

fn of_site(
    topology: &Topology,
    ix: SiteIx,
    settings: &ReadinessSettings,
    budget: &Budget,
) -> SiteSurvey {
    let site = topology.site(ix);
    let targets = site.endpoints.iter().flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
    let targets = targets.map(|target| topology.target_key(*target)).collect();
    let devices: Vec<TargetIx> = devices(topology, ix)
        .into_iter()
        .filter_map(|endpoint| pinged(topology, endpoint))
        .collect();
    let spare = spare_bytes(topology, ix, budget) / devices.len().max(1) as f64;
    let plan = |target: &TargetIx| {
        let host = &topology.endpoint(topology.target(*target).endpoint).host;
        let headers = HEADERS[usize::from(matches!(host, Host::Ip(IpAddr::V6(_))))];
        let key = topology.target_key(*target);
        (train(key.clone(), headers, settings, spare), large(key, headers, settings, spare))
    };
    let (trains, mtus): (Vec<_>, Vec<_>) = devices.iter().map(plan).unzip();
    let mtus = mtus.into_iter().flatten().collect();
    SiteSurvey { site: site.id.clone(), targets, trains, mtus }
}

/// The devices whose path matters: what stands behind the router.
pub(super) fn devices(topology: &Topology, site: SiteIx) -> Vec<EndpointIx> {
    let endpoints = topology.site(site).endpoints.iter().copied();
    let watched: Vec<EndpointIx> =
        endpoints.filter(|ix| !topology.endpoint(*ix).targets.is_empty()).collect();
    if watched.len() > 1 { watched[1..].to_vec() } else { watched }
}

/// The target of a device that asks for the host itself.
fn pinged(topology: &Topology, endpoint: EndpointIx) -> Option<TargetIx> {
    let targets = topology.endpoint(endpoint).targets.iter().copied();
    targets.into_iter().find(|ix| matches!(topology.check_of(*ix).kind, CheckKind::Icmp(_)))
}

/// Bytes a second that the line takes beside the probes that go on, at the pace of readiness or of
/// a session that is on.
fn spare_bytes(topology: &Topology, site: SiteIx, budget: &Budget) -> f64 {
    let busy = [Phase::Readiness, Phase::Live]
        .map(|phase| LineCost::of_site(topology, site, phase).worst());
    let spare = f64::from(budget.line_kbit_s) - busy[0].max(busy[1]);
    spare.max(0.0) * 1000.0 / 8.0
}

fn train(target: TargetKey, headers: u16, settings: &ReadinessSettings, spare: f64) -> TrainPlan {
    let bytes = f64::from(settings.packet_size.max(headers + 16));
    let rate = f64::from(settings.packet_rate).min((spare / bytes).max(5.0));
    let spacing = Duration::from_secs_f64(1.0 / rate);
    let count = (STRETCH.as_secs_f64() * rate).round().clamp(2.0, f64::from(MOST));
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 2..=100 before"
    )]
    let count = count as u16;
    let length = spacing * u32::from(count);
    let stretches = settings.train.as_nanos().div_ceil(length.as_nanos().max(1));
    let stretch = IcmpCheck {
        count,
        spacing,
        size: settings.packet_size.saturating_sub(headers).max(16),
        dscp: settings.dscp,
        dont_fragment: false,
    };
    TrainPlan { target, stretch, stretches: u16::try_from(stretches).unwrap_or(u16::MAX).max(1) }
}

fn large(
    target: TargetKey,
    headers: u16,
    settings: &ReadinessSettings,
    spare: f64,
) -> Option<MtuPlan> {
    let size = settings.mtu.checked_sub(headers)?;
    let apart = f64::from(settings.mtu) / spare.max(1000.0);
    let large = IcmpCheck {
        count: LARGE,
        spacing: Duration::from_secs_f64(apart).max(Duration::from_millis(20)),
        size,
        dscp: settings.dscp,
        dont_fragment: true,
    };
    Some(MtuPlan { target, large, headers })
}
