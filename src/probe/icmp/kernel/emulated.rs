//! The engine's judgement over a network that is played: no socket, no thread, no clock.
//!
//! What becomes of an echo, and what that says of the next one, is decided by [`Core`] alone. So
//! whoever plays a network packet by packet learns here what the engine makes of it, and needs no
//! copy of its rules.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::super::tally::Tally;
use super::super::{Own, PingDone, PingJob};
use super::backlog::{Job, Portion};
use super::core::{Arrival, Core, Outgoing, Unsendable};
use super::probe::Probe;
use crate::model::{EngineHealth, LocalFailure, Mono, Now};
use crate::wire::icmp::{Family, MARK, Mark, Quoted, Refusal, Reply};

/// A network that is played.
pub trait Network {
    /// What comes back because of a request that leaves at `at`, in any order.
    ///
    /// # Errors
    /// Why it cannot leave.
    fn send(&mut self, at: Mono, request: &Request) -> Result<Vec<Coming>, LocalFailure>;
}

/// An echo request, as far as a network must know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Whom it asks.
    pub address: IpAddr,
    /// Bytes of ICMP payload.
    pub size: u16,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Whether nobody may fragment it. In IPv6 also while nobody has said that it is too big
    /// (RFC 8201 §4).
    pub dont_fragment: bool,
}

/// What comes back because of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// How long after the request left.
    pub after: Duration,
    /// Who sends it.
    pub from: IpAddr,
    /// What it is.
    pub what: What,
}

/// What can come back because of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// An echo reply.
    Reply {
        /// Whether it carries what the request did, and not what somebody made up.
        genuine: bool,
        /// Bytes of ICMP payload.
        payload: u16,
        /// Time to live, or hop limit, that is left.
        ttl: u8,
        /// The TOS or traffic-class byte.
        tos: u8,
    },
    /// An ICMP error that quotes the request.
    Error {
        /// Its type.
        icmp_type: u8,
        /// Its code.
        icmp_code: u8,
        /// Its MTU in bytes, where it is about a size.
        mtu: u16,
    },
}

/// An echo engine whose network is played.
#[derive(Debug, Clone)]
pub struct Emulated {
    core: Core,
    /// What is on its way back, with the request that it belongs to. What was sent first arrives
    /// first of what arrives together.
    coming: BTreeMap<(Mono, u64), (Outgoing, Coming)>,
    order: u64,
    /// IPv6 addresses the way to which is known to be narrow, so that we fragment.
    narrow: BTreeSet<IpAddr>,
}

impl Emulated {
    /// An engine with nothing to do.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            core: Core::new(RandomState::new(), now),
            coming: BTreeMap::new(),
            order: 0,
            narrow: BTreeSet::new(),
        }
    }

    /// The request of a job, each time the same, as an engine sends it that knows nothing of the
    /// address; and when it leaves.
    pub fn requests(job: &PingJob) -> (Request, impl Iterator<Item = Mono> + use<>) {
        let job = Job::from(job);
        let is_v6 = Family::of(job.address) == Family::V6;
        let request = Request {
            address: job.address,
            size: job.size,
            dscp: job.dscp,
            dont_fragment: job.dont_fragment || is_v6,
        };
        (request, (0..job.count).map(move |index| job.leaves(index)))
    }

    /// Whether this is the reply to a request of a job, whole and in time, so that no engine has
    /// anything to weigh where nothing else comes back.
    #[must_use]
    pub fn is_answered(job: &PingJob, coming: &Coming) -> bool {
        let job = Job::from(job);
        let &Coming { after, from, what } = coming;
        matches!(what, What::Reply { genuine: true, payload, .. } if payload >= job.size)
            && from == job.address
            && after <= job.timeout()
    }

    /// What a job comes to each of whose requests [is answered](Self::is_answered), in their order.
    #[must_use]
    pub fn answered(job: &PingJob, replies: &[Coming], clock: Now) -> PingDone {
        let job = Job::from(job);
        let mut tally = Tally::new(job.count);
        let arrives = |index: u16| {
            let reply = replies.get(usize::from(index));
            job.leaves(index) + reply.map_or(Duration::ZERO, |reply| reply.after)
        };
        let last = (0..job.count).max_by_key(|index| arrives(*index)).unwrap_or(0);
        // What the last one says of the way stands in the end.
        let order = (0..job.count).filter(|index| *index != last).chain([last]);
        for index in order {
            let Some(Coming { after, what, .. }) = replies.get(usize::from(index)) else {
                continue;
            };
            if let What::Reply { ttl, tos, .. } = *what {
                let rtt = (*after).max(Duration::from_nanos(1));
                tally.answered(index, rtt, Some(ttl), Some(tos));
            }
        }
        Probe::new(&job, 0, 0).done(tally, arrives(last), clock)
    }

    /// Whether a new engine would do as well: it awaits nothing, and nothing that came before says
    /// anything of what comes.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.coming.is_empty() && self.narrow.is_empty() && self.core.is_blank()
    }

    /// Accepts jobs, in any order of `due`.
    pub fn submit(&mut self, jobs: &[PingJob]) {
        self.core.accept(Portion::of(jobs));
    }

    /// When something happens next.
    pub fn next_event(&mut self) -> Option<Mono> {
        let coming = self.coming.keys().next().map(|(at, _)| *at);
        [coming, self.core.next_due(), self.core.next_limit()].into_iter().flatten().min()
    }

    /// Lets everything happen up to `now`, each thing at its own time, and returns what is done.
    pub fn advance(&mut self, now: Now, network: &mut impl Network) -> Vec<PingDone> {
        while let Some(at) = self.next_event().filter(|at| *at <= now.mono) {
            self.step(at, now, network);
        }
        self.core.take_done()
    }

    /// Lets everything happen until something is done, however long that takes, and returns it.
    /// `clock` ties times to the wall clock. Nothing is done only when nothing is to be done.
    pub fn finish(&mut self, clock: Now, network: &mut impl Network) -> Vec<PingDone> {
        loop {
            let done = self.core.take_done();
            if !done.is_empty() || self.core.in_flight() == 0 {
                return done;
            }
            let Some(at) = self.next_event() else { return done };
            self.step(at, clock, network);
        }
    }

    /// Answers every open job, since the engine stops.
    pub fn stop(&mut self, now: Now) -> Vec<PingDone> {
        self.core.stop(now);
        self.core.take_done()
    }

    /// How the engine does.
    #[must_use]
    pub const fn health(&mut self) -> &mut EngineHealth {
        self.core.health()
    }

    /// Jobs accepted and not over.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.core.in_flight()
    }

    /// What happens at `at`: packets arrive, requests are given up, others leave.
    fn step(&mut self, at: Mono, clock: Now, network: &mut impl Network) {
        while let Some(first) = self.coming.first_entry()
            && first.key().0 <= at
        {
            let (outgoing, coming) = first.remove();
            self.arrive(&outgoing, &coming, at);
        }
        self.core.expire(at, |_| Own::default());
        let now = Now { mono: at, wall: clock.wall_at(at) };
        while self.core.is_due(at)
            && let Some(outgoing) = self.core.next_send(now)
        {
            self.send(outgoing, at, network);
        }
    }

    fn send(&mut self, outgoing: Outgoing, at: Mono, network: &mut impl Network) {
        let Outgoing { lane, slot, address, mark, size, .. } = outgoing;
        let Some(manner) = self.core.manner(lane) else { return };
        let is_whole = Family::of(address) == Family::V6 && !self.narrow.contains(&address);
        let request = Request {
            address,
            size,
            dscp: manner.dscp,
            dont_fragment: manner.dont_fragment || is_whole,
        };
        match network.send(at, &request) {
            Err(ours) => self.core.unsendable(lane, slot, Unsendable::Ours(ours), at),
            Ok(all) => {
                self.core.sent(&outgoing, at);
                let sequence = outgoing.sequence();
                self.core.left(lane, &Quoted { ident: 0, sequence, mark: Some(mark) }, at);
                for coming in all {
                    self.order += 1;
                    self.coming.insert((at + coming.after, self.order), (outgoing, coming));
                }
            }
        }
    }

    fn arrive(&mut self, to: &Outgoing, coming: &Coming, now: Mono) {
        let &Coming { from, what, .. } = coming;
        let (lane, socket, sequence) = (to.lane, to.socket(), to.sequence());
        let mut arrival = Arrival { lane, socket, from, ttl: None, tos: None, now };
        match what {
            What::Reply { genuine, payload, ttl, tos } => {
                (arrival.ttl, arrival.tos) = (Some(ttl), Some(tos));
                let seal = if genuine { to.mark.seal } else { !to.mark.seal };
                let payload = usize::from(payload);
                let mark = (payload >= MARK).then_some(Mark { seal, ..to.mark });
                self.core.reply(&arrival, &Reply { ident: 0, sequence, mark, payload }, Some(now));
            }
            What::Error { icmp_type, icmp_code, mtu } => {
                if mtu > 0 && Family::of(to.address) == Family::V6 {
                    self.narrow.insert(to.address);
                }
                let request = Quoted { ident: 0, sequence, mark: Some(to.mark) };
                let (mtu, destination) = (mtu.into(), to.address);
                let refusal = Refusal { icmp_type, icmp_code, mtu, destination, request };
                self.core.refusal(&arrival, &refusal, &Own::default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::probe::icmp::EchoParams;

    /// What comes back because of each request, one after the other.
    struct Script(VecDeque<Coming>);

    impl Network for Script {
        fn send(&mut self, _: Mono, _: &Request) -> Result<Vec<Coming>, LocalFailure> {
            Ok(self.0.pop_front().into_iter().collect())
        }
    }

    proptest! {
        #[test]
        fn what_is_answered_comes_to_what_an_engine_makes_of_it(
            afters in prop::collection::vec(0_u64..=1_000, 1..12),
            spacing in 0_u64..60,
            planned in any::<bool>(),
        ) {
            let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
            let due = Mono::ZERO + Duration::from_secs(5);
            let check = EchoParams {
                count: u16::try_from(afters.len()).unwrap(),
                spacing: Duration::from_millis(spacing),
                size: 56,
                dscp: 0,
                dont_fragment: false,
                planned,
            };
            let job = PingJob { token: 7, address, check, timeout: Duration::from_secs(1), due };
            let reply = |(nth, after): (u8, u64)| {
                let what = What::Reply { genuine: true, payload: 56, ttl: 40 + nth, tos: nth };
                Coming { after: Duration::from_millis(after), from: address, what }
            };
            let replies: Vec<Coming> = (0..).zip(afters).map(reply).collect();
            let clock = Now { mono: due, wall: jiff::Timestamp::UNIX_EPOCH };
            prop_assert!(replies.iter().all(|it| Emulated::is_answered(&job, it)));
            let mut engine = Emulated::new(clock);
            engine.submit(&[job]);
            let made = engine.finish(clock, &mut Script(replies.clone().into()));
            prop_assert_eq!(made, [Emulated::answered(&job, &replies, clock)]);
            prop_assert!(engine.is_blank());
        }
    }
}
