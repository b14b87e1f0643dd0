//! The network that the world plays for an echo engine.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{Answer, Damage, Delivery, Direction, Packet, Verdict, World};
use crate::model::{EndpointIx, Host, LocalFailure, Mono, Unreachable};
use crate::probe::icmp::{Coming, Network, Request, What};
use crate::wire::icmp::{ECHO_HEADER, Family};

/// Time to live that both ends give their packets.
pub(super) const TTL: u8 = 64;

/// What becomes of one packet to a device and of the one that the device sends back.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    /// Somebody forged an answer to it that arrives this much later.
    pub(super) forged: Option<Duration>,
    /// A router says why it does not pass.
    pub(super) told: Option<Answer>,
    /// How the answer arrives, and how long after the packet left.
    pub(super) back: Option<(Duration, Delivery)>,
}

/// What comes back because of a request, or why it cannot leave.
pub(super) type Back = Result<Vec<Coming>, LocalFailure>;

/// The network as far as it lies between us and one device, whatever address was asked.
pub(super) struct Toward<'a> {
    pub(super) world: &'a mut World,
    pub(super) endpoint: EndpointIx,
    /// What is known already to become of the next requests.
    pub(super) next: VecDeque<Back>,
}

impl Network for Toward<'_> {
    fn send(&mut self, at: Mono, request: &Request) -> Back {
        let known = self.next.pop_front();
        known.unwrap_or_else(|| self.world.echo_to(at, Some(self.endpoint), request))
    }
}

impl Network for World {
    fn send(&mut self, at: Mono, request: &Request) -> Back {
        let endpoint = self.find(request.address);
        self.echo_to(at, endpoint, request)
    }
}

impl World {
    /// The address of an endpoint. A name leads somewhere in a virtual province; nothing here
    /// depends on where.
    pub(super) fn address(&self, endpoint: EndpointIx) -> IpAddr {
        match self.topology().endpoint(endpoint).host {
            Host::Ip(ip) => ip,
            Host::Name(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// A packet to a device, and what the device sends back.
    pub(super) fn round(&mut self, at: Mono, endpoint: EndpointIx, packet: Packet) -> Round {
        let there = match self.carry_for(at, endpoint, &packet) {
            Verdict::Deliver(delivery) => delivery,
            Verdict::Vanish(_) => return Round::default(),
            Verdict::Answer(answer) => return Round { told: Some(answer), ..Round::default() },
        };
        // The device answers with the TOS it saw.
        let tos = there.tos(packet.tos);
        let packet = Packet { direction: Direction::Back, tos, ttl: TTL, ..packet };
        let back = match self.carry_for(at + there.after, endpoint, &packet) {
            Verdict::Deliver(back) => {
                let dscp = Some(back.tos(tos) >> 2);
                Some((there.after + back.after, Delivery { dscp, ..back }))
            }
            Verdict::Vanish(_) | Verdict::Answer(_) => None,
        };
        Round { forged: there.forged, told: None, back }
    }

    /// What comes back because of an echo request, which nobody may answer.
    pub(super) fn echo_to(
        &mut self,
        at: Mono,
        endpoint: Option<EndpointIx>,
        request: &Request,
    ) -> Back {
        self.refresh();
        if self.cut.link_down {
            return Err(LocalFailure::NoRoute);
        }
        let &Request { address, size, dscp, dont_fragment } = request;
        let Some(endpoint) = endpoint else { return Ok(Vec::new()) };
        let family = Family::of(address);
        let packet = Packet {
            direction: Direction::Out,
            device: address,
            length: size.saturating_add(headers(family)),
            tos: dscp << 2,
            dont_fragment,
            ttl: TTL,
        };
        let Round { forged, told, back } = self.round(at, endpoint, packet);
        let mut all = Vec::new();
        let reply = |tos, ttl| What::Reply { genuine: true, payload: size, ttl, tos };
        if let Some(after) = forged {
            // The right sender with another's payload, or the wrong one with ours.
            let is_ours = self.dice[endpoint.ix()].chance(0.5);
            let from = if is_ours { beside(address) } else { address };
            let what = What::Reply { genuine: is_ours, payload: size, ttl: TTL, tos: packet.tos };
            all.push(Coming { after, from, what });
        }
        if let Some(Answer { what, from, after }) = told {
            let (icmp_type, icmp_code, mtu) = wording(what, family);
            all.push(Coming { after, from, what: What::Error { icmp_type, icmp_code, mtu } });
        }
        if let Some((after, back)) = back {
            let what = reply(back.tos(packet.tos), TTL - back.hops);
            let coming = Coming { after, from: address, what };
            match back.damage {
                // The kernel drops what has a wrong checksum.
                Some(Damage::Flipped { .. }) => {}
                Some(Damage::CutShort { at }) => {
                    let left = u16::try_from(at % 8).unwrap_or(0);
                    let payload = left.min(size.saturating_sub(1));
                    let (ttl, tos) = (TTL - back.hops, back.tos(packet.tos));
                    let what = What::Reply { genuine: true, payload, ttl, tos };
                    all.push(Coming { what, ..coming });
                }
                Some(Damage::Twice(again)) => {
                    all.push(coming);
                    all.push(Coming { after: after + again, ..coming });
                }
                Some(Damage::Late | Damage::Overtaken) | None => all.push(coming),
            }
        }
        Ok(all)
    }
}

impl Delivery {
    /// The TOS byte with which a packet arrives that left with `tos`.
    fn tos(&self, tos: u8) -> u8 {
        self.dscp.map_or(tos, |dscp| dscp << 2)
    }
}

/// Bytes of the headers before an echo's payload.
fn headers(family: Family) -> u16 {
    let ip = match family {
        Family::V4 => 20,
        Family::V6 => 40,
    };
    ip + u16::try_from(ECHO_HEADER).unwrap_or(0)
}

/// An address near another: nobody's.
fn beside(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) ^ 0x80).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) ^ 0x80).into()),
    }
}

/// How a router words an ICMP error: type, code and MTU (RFC 792, RFC 1191 §4, RFC 1812 §5.2.7.1,
/// RFC 4443 §3).
pub(crate) const fn wording(what: Unreachable, family: Family) -> (u8, u8, u16) {
    match (family, what) {
        (Family::V4, Unreachable::Net) => (3, 0, 0),
        (Family::V4, Unreachable::Host) => (3, 1, 0),
        (Family::V4, Unreachable::Protocol) => (3, 2, 0),
        (Family::V4, Unreachable::Port) => (3, 3, 0),
        (Family::V4, Unreachable::TooBig { mtu }) => (3, 4, mtu),
        (Family::V4, Unreachable::Prohibited) => (3, 13, 0),
        (Family::V4, Unreachable::TimeExceeded) => (11, 0, 0),
        (Family::V4, Unreachable::Other) => (3, 5, 0),
        (Family::V6, Unreachable::Net | Unreachable::Other) => (1, 0, 0),
        (Family::V6, Unreachable::Prohibited) => (1, 1, 0),
        (Family::V6, Unreachable::Host) => (1, 3, 0),
        (Family::V6, Unreachable::Port) => (1, 4, 0),
        (Family::V6, Unreachable::TooBig { mtu }) => (2, 0, mtu),
        (Family::V6, Unreachable::TimeExceeded) => (3, 0, 0),
        (Family::V6, Unreachable::Protocol) => (4, 1, 0),
    }
}
