//! What probing costs on a site's line, from the sizes of the packets.
//!
//! The figures are those of an ordinary probe whose target answers, in bytes of IP packets; what a
//! line adds below IP is not counted. Where a probe can be of several sizes the largest counts.
//! Confirmation probes after a first failure come on top, twice for each failure, and are not
//! counted. What is assumed:
//!
//! | kind | to the site | from the site |
//! |---|---|---|
//! | `icmp` | `count` echoes: IP header, 8 bytes of ICMP, `size`; in 1500 bytes each | the same |
//! | `tcp`, `h323` | SYN, ACK, FIN, ACK with time stamps | SYN-ACK, ACK, FIN |
//! | `sip` over UDP | 3 requests of 500 bytes | 3 responses of 800 bytes |
//! | `sip` over TCP | a connection, a request of 500 bytes | the same, a response of 800 bytes |
//! | `http` | a connection, a request of 500 bytes | the same, 16 KiB of response |
//! | TLS | 1 KiB of handshake | 5 KiB of handshake with certificates |
//!
//! 16 KiB of a response are what a server may send before it is stopped (RFC 6928); where the body
//! is matched it is 66 KiB. In a live session every other `icmp` probe is a train of three echoes,
//! unless it has more anyway; what counts is the mean of both.

use std::net::IpAddr;
use std::time::Duration;

use super::diagnostic::Findings;
use super::read::written;
use super::settings::Budget;
use super::source::Span;
use crate::model::{
    Check, CheckKind, Host, HttpCheck, HttpMethod, IcmpCheck, Phase, SipTransport, SiteIx,
    TargetIx, Topology,
};

/// What probing puts on a line.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LineCost {
    /// Towards the site, in kbit/s.
    pub to_site: f64,
    /// From the site, in kbit/s.
    pub from_site: f64,
}

impl LineCost {
    /// What the probes of one site's own targets cost in `phase`.
    #[must_use]
    pub fn of_site(topology: &Topology, site: SiteIx, phase: Phase) -> Self {
        targets(topology, site).map(|target| Self::of_target(topology, target, phase)).sum()
    }

    /// What the probes of one target cost in `phase`.
    #[must_use]
    pub fn of_target(topology: &Topology, target: TargetIx, phase: Phase) -> Self {
        let check = topology.check_of(target);
        let host = &topology.endpoint(topology.target(target).endpoint).host;
        let bytes = Bytes::of_probe(check, host, phase);
        let seconds = check.paces.get(phase).as_secs_f64();
        let kbit_s = |bytes: u32| f64::from(bytes) * 8.0 / 1000.0 / seconds;
        Self { to_site: kbit_s(bytes.to), from_site: kbit_s(bytes.from) }
    }

    /// The busier direction, in kbit/s.
    #[must_use]
    pub const fn worst(self) -> f64 {
        self.to_site.max(self.from_site)
    }
}

impl std::iter::Sum for LineCost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |sum, cost| Self {
            to_site: sum.to_site + cost.to_site,
            from_site: sum.from_site + cost.from_site,
        })
    }
}

fn targets(topology: &Topology, site: SiteIx) -> impl Iterator<Item = TargetIx> {
    let endpoints = topology.site(site).endpoints.iter();
    endpoints.flat_map(|endpoint| topology.endpoint(*endpoint).targets.iter().copied())
}

/// Bytes of IP packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bytes {
    to: u32,
    from: u32,
}

/// TCP header with time stamps (RFC 9293 §3.1, RFC 7323 §3.2), and that of a SYN with its options.
const TCP: u32 = 32;
const SYN: u32 = 40;
/// UDP header (RFC 768).
const UDP: u32 = 8;
/// ICMP header (RFC 792).
const ICMP: u32 = 8;
/// Most bytes of data in one TCP segment of a 1500-byte packet.
const SEGMENT: u32 = 1448;
/// Most bytes of one IPv4 fragment behind its header.
const FRAGMENT: u32 = 1480;

impl Bytes {
    fn of_probe(check: &Check, host: &Host, phase: Phase) -> Self {
        let ip = if matches!(host, Host::Ip(IpAddr::V6(_))) { 40 } else { 20 };
        match &check.kind {
            CheckKind::Icmp(echo) => Self::echoes(ip, echo, phase),
            CheckKind::Tcp(_) | CheckKind::H323(_) => Self::connection(ip),
            CheckKind::Sip(options) => {
                let exchange = Self { to: 500, from: 800 };
                match options.transport {
                    SipTransport::Udp => Self {
                        to: 3 * (ip + UDP + exchange.to),
                        from: 3 * (ip + UDP + exchange.from),
                    },
                    SipTransport::Tcp => Self::connection(ip) + Self::stream(ip, exchange),
                    SipTransport::Tls => {
                        Self::connection(ip) + Self::stream(ip, exchange + Self::handshake())
                    }
                }
            }
            CheckKind::Http(request) => {
                Self::connection(ip) + Self::stream(ip, Self::http(request))
            }
        }
    }

    fn echoes(ip: u32, echo: &IcmpCheck, phase: Phase) -> Self {
        let data = ICMP + u32::from(echo.size);
        let packet = data + data.div_ceil(FRAGMENT) * ip;
        let count = u32::from(echo.count);
        let two = match phase {
            Phase::Live => count + count.max(IcmpCheck::THOROUGH_COUNT.into()),
            Phase::Idle | Phase::WrapUp | Phase::Readiness => count * 2,
        };
        let one = (packet * two).div_ceil(2);
        Self { to: one, from: one }
    }

    /// A TCP connection that is opened and closed.
    const fn connection(ip: u32) -> Self {
        Self { to: (ip + SYN) + 3 * (ip + TCP), from: (ip + SYN) + 2 * (ip + TCP) }
    }

    /// Bytes over a connection, with the headers of their segments and an acknowledgement for
    /// every second of the other side's.
    const fn stream(ip: u32, data: Self) -> Self {
        let (to, from) = (data.to.div_ceil(SEGMENT), data.from.div_ceil(SEGMENT));
        let header = ip + TCP;
        Self {
            to: data.to + (to + from.div_ceil(2)) * header,
            from: data.from + (from + to.div_ceil(2)) * header,
        }
    }

    const fn handshake() -> Self {
        Self { to: 1 << 10, from: 5 << 10 }
    }

    fn http(request: &HttpCheck) -> Self {
        let response = match request.method {
            HttpMethod::Head | HttpMethod::Options => 2 << 10,
            HttpMethod::Get if request.expect_body.is_some() => 66 << 10,
            HttpMethod::Get => 16 << 10,
        };
        let exchange = Self { to: 500, from: response };
        if request.tls { exchange + Self::handshake() } else { exchange }
    }
}

impl std::ops::Add for Bytes {
    type Output = Self;
    fn add(self, more: Self) -> Self {
        Self { to: self.to + more.to, from: self.from + more.from }
    }
}

/// Refuses what costs more than the budget of a line, once for each check that costs the most.
pub(super) fn refuse(topology: &Topology, budget: &Budget, spans: &[Span], out: &Findings) {
    let limit = f64::from(budget.line_kbit_s);
    let mut over: Vec<Over> = Vec::new();
    for site in topology.site_ixs() {
        let costs = Phase::ALL.map(|phase| (LineCost::of_site(topology, site, phase), phase));
        let Some((cost, phase)) =
            costs.into_iter().max_by(|(a, _), (b, _)| a.worst().total_cmp(&b.worst()))
        else {
            continue;
        };
        if cost.worst() <= limit {
            continue;
        }
        let dearest = targets(topology, site)
            .map(|target| (LineCost::of_target(topology, target, phase).worst(), target))
            .max_by(|(a, _), (b, _)| a.total_cmp(b));
        let Some((part, target)) = dearest else { continue };
        let check = topology.target(target).check;
        match over.iter_mut().find(|o| o.check == check) {
            Some(group) => group.others += 1,
            None => over.push(Over { site, phase, cost: cost.worst(), part, check, others: 0 }),
        }
    }
    for Over { site, phase, cost, part, check, others } in over {
        let check = &topology.checks[check];
        let also = match others {
            0 => String::new(),
            1 => ", as does 1 more site".to_owned(),
            n => format!(", as do {n} more sites"),
        };
        let reason = format!(
            "probing `{}` costs {cost:.1} kbit/s on its line in phase {}{also}; the budget is \
             {limit} kbit/s",
            topology.site(site).id,
            phase.word()
        );
        let pace: Duration = check.paces.get(phase);
        let hint = format!(
            "the most, {part:.1} kbit/s, is for `{}` every {}: slow it, or raise \
             `budget.line_kbit_s`",
            check.id,
            written(pace)
        );
        if let Some(span) = spans.get(site.ix()) {
            out.hint(*span, reason, hint);
        }
    }
}

/// Sites over the budget because of the same check.
struct Over {
    /// The first of them.
    site: SiteIx,
    phase: Phase,
    /// What its probing costs, in kbit/s.
    cost: f64,
    /// What of that is for the check.
    part: f64,
    /// Position of the check.
    check: usize,
    /// How many more there are.
    others: usize,
}
