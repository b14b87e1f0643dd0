//! What becomes of one packet.

use std::net::IpAddr;
use std::time::Duration;

use super::path::Way;
use super::{Dice, World};
use crate::lab::fault::QUEUE;
use crate::model::{EndpointIx, Mono, Unreachable};

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From us to a device.
    Out,
    /// From a device to us.
    Back,
}

/// What a path needs to know of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Which way it goes.
    pub direction: Direction,
    /// The device's address: the destination on the way out, the source on the way back.
    pub device: IpAddr,
    /// Length of the whole IP packet in bytes.
    pub length: u16,
    /// The TOS or traffic-class byte.
    pub tos: u8,
    /// Whether routers must not fragment it. Always so in IPv6.
    pub dont_fragment: bool,
    /// Time to live, or hop limit.
    pub ttl: u8,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives.
    Deliver(Delivery),
    /// It vanishes.
    Vanish(Vanished),
    /// It vanishes, and a router tells its sender.
    Answer(Answer),
}

/// How a packet arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How much later.
    pub after: Duration,
    /// Routers that counted down its time to live.
    pub hops: u8,
    /// The DSCP that the path puts on it, where it puts one.
    pub dscp: Option<u8>,
    /// What happened to it. At most one thing, and only on the way back, so that what a prober
    /// counts can be compared with what the world did.
    pub damage: Option<Damage>,
    /// A forged answer reaches the sender first, this much later. Only on the way out.
    pub forged: Option<Duration>,
}

/// What can happen to a packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// It arrives a second time, this much after the first.
    Twice(Duration),
    /// Later ones overtake it.
    Overtaken,
    /// A bit is flipped; `at` says where, modulo the length of the payload.
    Flipped {
        /// A random number.
        at: u32,
    },
    /// It is cut short; `at` says where, modulo the length of the payload.
    CutShort {
        /// A random number.
        at: u32,
    },
    /// It arrives long after anybody waits for it.
    Late,
}

/// Why a packet vanished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vanished {
    /// Nobody has that address.
    Nobody,
    /// Our own network is cut.
    OwnNetwork,
    /// A line is cut.
    Cut,
    /// The device has no power.
    Dark,
    /// A filter swallowed it, or a router keeps quiet about it.
    Swallowed,
    /// Chance.
    Lost,
    /// The line is full.
    Full,
    /// It was too big and nobody said so.
    TooBig,
    /// A router would have said something but has said too much already.
    Limited,
}

impl Vanished {
    /// All reasons, in the order of [`Vanished`].
    pub const ALL: [Self; 9] = [
        Self::Nobody,
        Self::OwnNetwork,
        Self::Cut,
        Self::Dark,
        Self::Swallowed,
        Self::Lost,
        Self::Full,
        Self::TooBig,
        Self::Limited,
    ];
}

/// An ICMP error about a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub what: Unreachable,
    /// Who says it.
    pub from: IpAddr,
    /// When it reaches the sender.
    pub after: Duration,
}

/// A duplicate follows this close.
const AGAIN: Duration = Duration::from_micros(700);
/// An overtaken packet is held back at least this long: longer than the spacing of a train.
const HELD: Duration = Duration::from_millis(60);

impl World {
    /// What becomes of this packet, sent at `at`.
    ///
    /// 1. Nothing leaves or enters a network of ours that is cut.
    /// 2. A closed way closes it, with or without a router saying so.
    /// 3. A packet that is too big for the path does not pass.
    /// 4. A time to live that does not reach ends at the site's router.
    /// 5. Chance and a full line take their share.
    /// 6. What is left arrives, late and damaged as the path has it.
    pub fn carry(&mut self, at: Mono, packet: &Packet) -> Verdict {
        match self.find(packet.device) {
            Some(endpoint) => self.carry_for(at, endpoint, packet),
            None => Verdict::Vanish(Vanished::Nobody),
        }
    }

    /// The same for an endpoint that is already known.
    pub(super) fn carry_for(&mut self, at: Mono, endpoint: EndpointIx, packet: &Packet) -> Verdict {
        self.refresh();
        if self.cut.silent || self.cut.link_down {
            return Verdict::Vanish(Vanished::OwnNetwork);
        }
        let path = &self.paths[endpoint.ix()];
        let dice = &mut self.dice[endpoint.ix()];
        let line = &mut self.lines[path.site.ix()];
        let (way, out) = match packet.direction {
            Direction::Out => (0, true),
            Direction::Back => (1, false),
        };
        let one_way = path.half + wobble(dice, path.wobble);
        let mut tell = |what: Unreachable, from: IpAddr, after: Duration| {
            if let Some(rate) = self.nature.errors_per_second {
                if at < line.next_error {
                    return Verdict::Vanish(Vanished::Limited);
                }
                line.next_error = at + Duration::from_secs(1) / rate.max(1);
            }
            Verdict::Answer(Answer { what, from, after })
        };
        match path.way {
            Way::Open => {}
            Way::Cut => return Verdict::Vanish(Vanished::Cut),
            Way::Dark => return Verdict::Vanish(Vanished::Dark),
            Way::Swallowed => return Verdict::Vanish(Vanished::Swallowed),
            // What a device sends while its router says it is not there does not pass either.
            Way::Says { .. } if !out => return Verdict::Vanish(Vanished::Swallowed),
            Way::Says { what, from, after, at_site } => {
                let lost = at_site && (dice.chance(path.loss[0]) || dice.chance(path.loss[1]));
                if lost {
                    return Verdict::Vanish(Vanished::Lost);
                }
                let travel = if at_site { one_way * 2 } else { Duration::from_micros(200) };
                return tell(what, from, travel + after);
            }
        }
        if let Some((mtu, silent)) = path.mtu
            && packet.length > mtu
            && packet.dont_fragment
        {
            return match path.router {
                Some(from) if out && !silent => {
                    tell(Unreachable::TooBig { mtu }, from, one_way * 2)
                }
                _ => Verdict::Vanish(Vanished::TooBig),
            };
        }
        if out && packet.ttl <= path.hops {
            return match path.router {
                Some(from) => tell(Unreachable::TimeExceeded, from, one_way * 2),
                None => Verdict::Vanish(Vanished::Swallowed),
            };
        }
        let losses = if packet.tos >> 2 == 0 { path.loss_best_effort } else { path.loss };
        if dice.chance(losses[way]) {
            return Verdict::Vanish(Vanished::Lost);
        }
        let mut after = one_way;
        if let Some(kbit_s) = path.kbit_s {
            let busy = line.free[way].max(at);
            let waits = busy - at;
            if waits > QUEUE {
                return Verdict::Vanish(Vanished::Full);
            }
            let takes = Duration::from_micros(u64::from(packet.length) * 8_000 / u64::from(kbit_s));
            line.free[way] = busy + takes;
            after += waits + takes;
        }
        let (mut damage, mut forged) = (None, None);
        if out {
            // Whoever forges an answer stands nearer than the device.
            forged = dice.chance(path.forge).then(|| after / 2);
        } else if dice.chance(path.late.map_or(0.0, |(share, _)| share)) {
            after += path.late.map_or(Duration::ZERO, |(_, by)| by);
            damage = Some(Damage::Late);
        } else if dice.chance(path.truncate) {
            damage = Some(Damage::CutShort { at: pick(dice) });
        } else if dice.chance(path.corrupt) {
            damage = Some(Damage::Flipped { at: pick(dice) });
        } else if dice.chance(path.duplicate) {
            damage = Some(Damage::Twice(AGAIN));
        } else if dice.chance(path.reorder) {
            after += HELD;
            damage = Some(Damage::Overtaken);
        }
        Verdict::Deliver(Delivery { after, hops: path.hops, dscp: path.remark, damage, forged })
    }
}

/// How much longer this packet takes than the quickest.
fn wobble(dice: &mut Dice, limit: Duration) -> Duration {
    Duration::from_nanos(dice.up_to(u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX)))
}

/// A random place in a packet.
#[expect(clippy::cast_possible_truncation, reason = "any 32 of the bits will do")]
fn pick(dice: &mut Dice) -> u32 {
    dice.throw() as u32
}
