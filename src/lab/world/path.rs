//! What all faults together mean for one endpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use super::{Dice, Nature, Place, Since};
use crate::lab::fault::{Fault, FaultKind, Says};
use crate::model::{EndpointIx, Host, SiteIx, Topology, Unreachable};

/// Round trip over a site's own LAN.
const LAN: Duration = Duration::from_micros(300);

/// The way to an endpoint and back, with everything that is wrong taken into account.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// Whether anything arrives at all.
    pub(super) way: Way,
    /// The site, whose line and router this is.
    pub(super) site: SiteIx,
    /// Who speaks for the site.
    pub(super) router: Option<IpAddr>,
    /// One-way delay before variation.
    pub(super) half: Duration,
    /// Each way takes up to this much longer, evenly spread.
    pub(super) wobble: Duration,
    /// Share lost on the way out and back.
    pub(super) loss: [f64; 2],
    /// The same for packets without a DSCP.
    pub(super) loss_best_effort: [f64; 2],
    pub(super) kbit_s: Option<u32>,
    pub(super) mtu: Option<(u16, bool)>,
    pub(super) remark: Option<u8>,
    pub(super) duplicate: f64,
    pub(super) reorder: f64,
    pub(super) corrupt: f64,
    pub(super) truncate: f64,
    pub(super) forge: f64,
    pub(super) late: Option<(f64, Duration)>,
    /// Routers on the way.
    pub(super) hops: u8,
    /// The applications.
    pub(super) service: Service,
}

/// Whether packets get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// They do.
    Open,
    /// The site's line does not carry anything.
    Cut,
    /// The device has no power.
    Dark,
    /// A filter swallows them, or a router that ought to say something keeps quiet.
    Swallowed,
    /// A router says that they do not.
    Says {
        what: Unreachable,
        from: IpAddr,
        after: Duration,
        /// Whether the one who says it stands at the site; else it is one of ours.
        at_site: bool,
    },
}

/// How the applications of one endpoint behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Service {
    /// SIP.
    pub sip: SipState,
    /// Whether the H.323 call-signalling port is open.
    pub h323: bool,
    /// The web server.
    pub http: HttpState,
    /// Whether whatever answers speaks no protocol.
    pub garbage: bool,
    /// Whether anything listens at all.
    pub listening: bool,
    /// When certificates run out, where that is not in the far future.
    pub certificate_ends: Option<Timestamp>,
    /// The device's clock minus the right one, in seconds.
    pub clock_off_s: i64,
}

/// How SIP behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SipState {
    /// It answers with this status.
    Answers(u16),
    /// It takes requests and says nothing.
    Hung,
    /// Nothing listens.
    Closed,
}

/// How the web server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpState {
    /// It answers with this status.
    Answers(u16),
    /// It takes requests and says nothing.
    Hung,
    /// It answers without end.
    Endless,
    /// Nothing listens.
    Closed,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            sip: SipState::Answers(200),
            h323: true,
            http: HttpState::Answers(200),
            garbage: false,
            listening: true,
            certificate_ends: None,
            clock_off_s: 0,
        }
    }
}

/// Whether this endpoint stands for its site's router: it is the first of several, or it is only
/// ever asked whether it is there.
pub(super) fn is_router(topology: &Topology, ix: EndpointIx) -> bool {
    let endpoint = topology.endpoint(ix);
    let site = topology.site(endpoint.site);
    let first = site.endpoints.first() == Some(&ix);
    let only_asked =
        || endpoint.targets.iter().all(|target| topology.check_of(*target).kind.is_reachability());
    first && (site.endpoints.len() > 1 || only_asked())
}

/// The router of a site, where it has an address of its own.
fn router_of(topology: &Topology, site: SiteIx) -> Option<IpAddr> {
    let first = topology.site(site).endpoints.first()?;
    match topology.endpoint(*first).host {
        Host::Ip(ip) if is_router(topology, *first) => Some(ip),
        _ => None,
    }
}

/// The path to every endpoint, in their order.
pub(super) fn all(
    topology: &Topology,
    nature: &Nature,
    faults: &BTreeMap<(Place, FaultKind), Since>,
) -> Vec<Path> {
    let mut at_site: Vec<Vec<_>> = vec![Vec::new(); topology.sites.len()];
    for ((place, _), since) in faults {
        if let Place::Site(site, endpoint) = place
            && let Some(here) = at_site.get_mut(site.ix())
        {
            here.push((endpoint, since));
        }
    }
    let mut paths = Vec::with_capacity(topology.endpoints.len());
    let mut healthy = Vec::with_capacity(topology.sites.len());
    for site in topology.site_ixs() {
        healthy.push(approach(topology, nature, &at_site, site));
    }
    for ix in topology.endpoint_ixs() {
        let endpoint = topology.endpoint(ix);
        let mut path = healthy[endpoint.site.ix()].clone();
        let router = is_router(topology, ix);
        if !router {
            path.half += LAN / 2;
        }
        let first = topology.site(endpoint.site).endpoints.first();
        let first = first.map(|first| &topology.endpoint(*first).id);
        let here = at_site[endpoint.site.ix()].iter().filter(|(named, since)| match named {
            // Of what is behind a router that says nothing nobody else says anything.
            Some(id) if since.fault.kind() == FaultKind::NoUnreachables => {
                *id == endpoint.id || Some(id) == first
            }
            Some(id) => *id == endpoint.id,
            None => !(router && since.fault.kind().spares_router()),
        });
        let mut here: Vec<&Since> = here.map(|(_, since)| *since).collect();
        here.sort_by_key(|since| since.order);
        befall(&mut path, &here, router);
        paths.push(path);
    }
    paths
}

/// The way to a site's door: distance, and every line between us and it.
fn approach(
    topology: &Topology,
    nature: &Nature,
    at_site: &[Vec<(&Option<crate::model::EndpointId>, &Since)>],
    site: SiteIx,
) -> Path {
    let lines = lines_between(topology, site);
    let own = Some(site) == topology.vantage;
    let rtt = if own {
        LAN
    } else {
        let spread = Dice::new(nature.seed, 0x517E_0000 + site.ix() as u64).share();
        nature.rtt.mul_f64(0.5 + spread)
    };
    let loss = if own { 0.0 } else { 1.0 - (1.0 - nature.loss.clamp(0.0, 1.0)).sqrt() };
    let mut path = Path {
        way: Way::Open,
        site,
        router: router_of(topology, site),
        half: rtt / 2,
        wobble: if own { Duration::ZERO } else { wobble(nature.jitter) },
        loss: [loss; 2],
        loss_best_effort: [loss; 2],
        kbit_s: None,
        mtu: None,
        remark: None,
        duplicate: 0.0,
        reorder: 0.0,
        corrupt: 0.0,
        truncate: 0.0,
        forge: 0.0,
        late: None,
        hops: u8::try_from(lines.len()).unwrap_or(30).min(30),
        service: Service::default(),
    };
    for line in &lines {
        for (_, since) in &at_site[line.ix()] {
            if let Fault::UplinkCut { says } = since.fault {
                path.way = match (says, topology.vantage.and_then(|v| router_of(topology, v))) {
                    (Some(says), Some(from)) => {
                        let what = match says {
                            Says::NetUnreachable => Unreachable::Net,
                            Says::HostUnreachable => Unreachable::Host,
                        };
                        Way::Says { what, from, after: Duration::ZERO, at_site: false }
                    }
                    _ => Way::Cut,
                };
            }
        }
    }
    let looping = |(_, since): &(_, &Since)| since.fault == Fault::RoutingLoop;
    if path.way == Way::Open && at_site[site.ix()].iter().any(looping) {
        let above = topology.site(site).parent.or(topology.vantage);
        path.way = match above.and_then(|above| router_of(topology, above)) {
            Some(from) => Way::Says {
                what: Unreachable::TimeExceeded,
                from,
                after: Duration::ZERO,
                at_site: true,
            },
            None => Way::Swallowed,
        };
    }
    path
}

/// The sites whose lines a packet from us to `site` runs over: up from where we stand and down to
/// the site, but not the line above the point where the two ways meet. Leaving our own site
/// always takes its line.
fn lines_between(topology: &Topology, site: SiteIx) -> Vec<SiteIx> {
    let up = |from: SiteIx| {
        let mut lines = vec![from];
        lines.extend(topology.ancestors(from));
        lines
    };
    let Some(own) = topology.vantage else { return up(site) };
    if own == site {
        return Vec::new();
    }
    let (theirs, ours) = (up(site), up(own));
    let shared: BTreeSet<SiteIx> = theirs.iter().filter(|s| ours.contains(s)).copied().collect();
    let mut lines = vec![own];
    lines.extend(ours.iter().chain(&theirs).filter(|s| **s != own && !shared.contains(s)));
    lines
}

/// Applies the faults of one endpoint to its path. Where several keep packets from arriving the
/// one nearest to us decides, as it would on a real path.
fn befall(path: &mut Path, faults: &[&Since], is_router: bool) {
    let has = |wanted: FaultKind| faults.iter().find(|since| since.fault.kind() == wanted);
    let quiet = has(FaultKind::NoUnreachables).is_some();
    let says = |what, after, path: &Path| match path.router {
        Some(from) if !quiet && !is_router => Way::Says { what, from, after, at_site: true },
        _ => Way::Swallowed,
    };
    if path.way != Way::Open {
    } else if has(FaultKind::PowerCut).is_some() {
        path.way = Way::Dark;
    } else if has(FaultKind::Rejected).is_some() {
        path.way = says(Unreachable::Prohibited, Duration::ZERO, path);
    } else if has(FaultKind::Firewall).is_some() {
        path.way = Way::Swallowed;
    } else if has(FaultKind::LanDown).is_some() && !is_router {
        path.way = says(Unreachable::Net, Duration::ZERO, path);
    } else if let Some(Since { fault: Fault::DeviceOff { after }, .. }) = has(FaultKind::DeviceOff)
    {
        path.way = says(Unreachable::Host, *after, path);
    }
    for since in faults {
        apply(path, since);
    }
}

/// Faults that worsen the path or the applications without closing the way.
fn apply(path: &mut Path, since: &Since) {
    let join = |a: f64, b: f64| 1.0 - (1.0 - a) * (1.0 - b.clamp(0.0, 1.0));
    let service = &mut path.service;
    match since.fault {
        Fault::Loss(loss) => {
            for (way, share) in [loss.out, loss.back].into_iter().enumerate() {
                path.loss_best_effort[way] = join(path.loss_best_effort[way], share);
                if !loss.best_effort_only {
                    path.loss[way] = join(path.loss[way], share);
                }
            }
        }
        Fault::Delay(delay) => path.half += delay / 2,
        Fault::Jitter(jitter) => path.wobble += wobble(jitter),
        Fault::Bandwidth { kbit_s } => path.kbit_s = Some(kbit_s.max(1)),
        Fault::Mtu { bytes, silent } => path.mtu = Some((bytes.max(68), silent)),
        Fault::Remark { dscp } => path.remark = Some(dscp & 0x3f),
        Fault::Duplicate(share) => path.duplicate = share,
        Fault::Reorder(share) => path.reorder = share,
        Fault::Corrupt(share) => path.corrupt = share,
        Fault::Truncate(share) => path.truncate = share,
        Fault::Forge(share) => path.forge = share,
        Fault::Late { share, by } => path.late = Some((share, by)),
        Fault::SipHung => service.sip = SipState::Hung,
        Fault::SipStatus(status) => service.sip = SipState::Answers(status),
        Fault::SipClosed => service.sip = SipState::Closed,
        Fault::H323Closed => service.h323 = false,
        Fault::HttpStatus(status) => service.http = HttpState::Answers(status),
        Fault::HttpHung => service.http = HttpState::Hung,
        Fault::HttpEndless => service.http = HttpState::Endless,
        Fault::HttpClosed => service.http = HttpState::Closed,
        Fault::ServicesClosed => service.listening = false,
        Fault::Garbage => service.garbage = true,
        Fault::CertificateEnds { in_s } => {
            let ends = since.wall.checked_add(jiff::SignedDuration::from_secs(in_s));
            service.certificate_ends = ends.ok();
        }
        Fault::ClockOff { by_s } => service.clock_off_s = by_s,
        Fault::PowerCut
        | Fault::UplinkCut { .. }
        | Fault::LanDown
        | Fault::DeviceOff { .. }
        | Fault::Firewall
        | Fault::Rejected
        | Fault::NoUnreachables
        | Fault::RoutingLoop
        | Fault::OwnNetworkCut
        | Fault::OwnLinkDown
        | Fault::OwnResolverDead
        | Fault::OwnEngineLate { .. } => {}
    }
}

/// How far each way must vary, evenly, for the round trip to show this jitter: consecutive round
/// trips then differ by 7/15 of it on average (the mean deviation of four even throws).
fn wobble(jitter: Duration) -> Duration {
    jitter.mul_f64(15.0 / 7.0)
}
