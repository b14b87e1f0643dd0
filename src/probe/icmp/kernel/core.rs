//! The engine without hands: it is told what happened and says what to send and what was learned.
//!
//! The thread around it reads clocks and sockets and calls in here, so that every history of
//! replies, losses, lateness and stops runs in a test in no time.
//!
//! One echo after another: [`accept`](Core::accept) → [`next_send`](Core::next_send) →
//! [`sent`](Core::sent) or [`unsendable`](Core::unsendable) → [`left`](Core::left) → [`reply`](Core::reply), [`refusal`](Core::refusal) or
//! [`expire`](Core::expire). A probe whose last echo is over stands in
//! [`take_done`](Core::take_done).

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use slab::Slab;

use super::super::blind::Blindness;
use super::super::tally::Tally;
use super::super::{EchoParams, PingDone, PingJob};
use super::queue::Queue;
use super::table::{Echo, PER_SOCKET, ProbeKey, Standing, Table};
use crate::model::{EngineHealth, IcmpError, LocalFailure, Mono, Now};
use crate::wire::icmp::{self, Family, MARK, MAX_PAYLOAD, Mark, Quoted};

/// What requests must have in common to leave through the same socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) family: Family,
    pub(super) dscp: u8,
    pub(super) dont_fragment: bool,
}

/// One echo request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Number of the class that it belongs to.
    pub(super) lane: u16,
    pub(super) slot: u32,
    pub(super) address: IpAddr,
    pub(super) mark: Mark,
    /// Bytes of payload, the mark included.
    pub(super) size: u16,
}

impl Outgoing {
    /// Which of the lane's sockets it leaves by.
    pub(super) const fn socket(&self) -> u32 {
        self.slot / PER_SOCKET
    }

    /// Its sequence number.
    pub(super) fn sequence(&self) -> u16 {
        u16::try_from(self.slot % PER_SOCKET).unwrap_or(0)
    }
}

/// Where and when a packet arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    /// The class of the socket.
    pub(super) lane: u16,
    /// Which of the lane's sockets.
    pub(super) socket: u32,
    /// Who sent it.
    pub(super) from: IpAddr,
    pub(super) ttl: Option<u8>,
    pub(super) tos: Option<u8>,
    /// When we read it.
    pub(super) now: Mono,
}

/// Why a request never left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unsendable {
    /// Our own interface refuses it as a router would.
    Refused(IcmpError),
    /// Nothing was learned.
    Ours(LocalFailure),
}

/// Everything that the engine knows.
#[derive(Debug)]
pub(super) struct Core {
    lanes: Vec<Lane>,
    probes: Slab<Probe>,
    serial: u32,
    queue: Queue,
    /// Requests whose reply is awaited, by time limit, each list in sending order and so in the
    /// order in which they expire.
    awaited: BTreeMap<Duration, VecDeque<Awaited>>,
    /// Room for what expires at one time, kept between calls.
    over: Vec<Awaited>,
    blind: Blindness,
    longest: Duration,
    seals: RandomState,
    done: Vec<PingDone>,
    health: EngineHealth,
}

#[derive(Debug)]
struct Lane {
    class: Class,
    table: Table,
}

#[derive(Debug)]
struct Probe {
    job: PingJob,
    serial: u32,
    lane: u16,
    /// When the first request left, or would have.
    started: Option<Now>,
    /// When the first request was due or, if that was missed, left. The others keep their
    /// distance to it.
    base: Mono,
    /// Requests taken from the queue so far.
    next: u16,
    /// Requests whose fate is not known yet, those to be sent included.
    open: u16,
    tally: Tally,
}

#[derive(Debug, Clone, Copy)]
struct Awaited {
    limit: Mono,
    slot: u32,
    round: u32,
    lane: u16,
}

impl Core {
    /// Payloads up to this size fit into the 576 bytes that every link must carry whole (RFC 791).
    /// They leave with DF, which means nothing for them and spares the kernel the choice of an IP
    /// identification.
    const WHOLE: u16 = 576 - 28;

    /// A request is given up this long after its time limit: its reply may have been on time and
    /// still wait to be read, and it may have left a little after it was handed over.
    const GRACE: Duration = Duration::from_millis(1);

    /// A first request that is late by more than this shifts the train behind it.
    const PUNCTUAL: Duration = Duration::from_millis(1);

    /// Sockets per lane: a million echoes of one class under way.
    const SOCKETS: u32 = 16;

    /// Lists of awaited requests that are kept though empty, for the time limits in common use.
    const LIMITS: usize = 64;

    /// Lanes at most: every DSCP in both families, with and without fragments.
    const LANES: usize = 256;

    /// An engine with nothing to do. `seals` is what makes its marks unguessable.
    pub(super) fn new(seals: RandomState) -> Self {
        Self {
            lanes: Vec::new(),
            probes: Slab::new(),
            serial: 0,
            queue: Queue::default(),
            awaited: BTreeMap::new(),
            over: Vec::new(),
            blind: Blindness::default(),
            longest: Duration::ZERO,
            seals,
            done: Vec::new(),
            health: EngineHealth::default(),
        }
    }

    /// Takes in jobs.
    pub(super) fn accept(&mut self, jobs: impl IntoIterator<Item = PingJob>) {
        for mut job in jobs {
            job.address = job.address.to_canonical();
            let EchoParams { count, size, dscp, .. } = &mut job.check;
            *count = (*count).max(1);
            *size = (*size).clamp(u16::try_from(MARK).unwrap_or(u16::MAX), MAX_PAYLOAD);
            *dscp &= 0x3f;
            self.longest = self.longest.max(job.timeout);
            self.serial = self.serial.wrapping_add(1);
            let lane = self.lane(&job);
            let at = self.probes.insert(Probe {
                job,
                serial: self.serial,
                lane,
                started: None,
                base: job.due,
                next: 0,
                open: job.check.count,
                tally: Tally::new(job.check.count),
            });
            self.queue.push(job.due, at, job.check.count > 1);
        }
    }

    /// The number of the lane for a job, opened when first needed.
    fn lane(&mut self, job: &PingJob) -> u16 {
        let class = Class {
            family: Family::of(job.address),
            dscp: job.check.dscp,
            dont_fragment: job.check.dont_fragment || job.check.size <= Self::WHOLE,
        };
        let at = self.lanes.iter().position(|lane| lane.class == class).unwrap_or_else(|| {
            self.lanes.push(Lane { class, table: Table::new(Self::SOCKETS) });
            self.lanes.len() - 1
        });
        debug_assert!(at < Self::LANES, "a class has no more values than this");
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// What requests of a lane have in common.
    pub(super) fn class(&self, lane: u16) -> Option<Class> {
        Some(self.lanes.get(usize::from(lane))?.class)
    }

    /// The next request that is due; it is then told to [`Self::sent`] or
    /// [`Self::unsendable`].
    ///
    /// 1. Requests leave in the order in which they are due.
    /// 2. One that is late by more than the time limit of its probe would be mistaken for the
    ///    next: it is not sent, and its fate is unknown.
    /// 3. The requests of a train keep their distance to the first.
    pub(super) fn next_send(&mut self, now: Now) -> Option<Outgoing> {
        while let Some((due, at)) = self.queue.pop(now.mono) {
            let Some(probe) = self.probes.get_mut(at) else { continue };
            let late = now.mono - due;
            self.health.worst_lateness = self.health.worst_lateness.max(late);
            let index = probe.next;
            probe.next += 1;
            if probe.started.is_none() {
                probe.started = Some(now);
                if late > Self::PUNCTUAL {
                    probe.base = now.mono;
                }
            }
            if probe.next < probe.job.check.count {
                let spacing = probe.job.check.spacing * u32::from(probe.next);
                self.queue.push(probe.base + spacing, at, true);
            }
            let (job, lane) = (probe.job, probe.lane);
            let serial = probe.serial;
            let key = ProbeKey { at: u32::try_from(at).unwrap_or(u32::MAX), serial };
            if late > job.timeout {
                self.unknown(key, LocalFailure::Late, now.mono);
                continue;
            }
            let taken = self
                .lanes
                .get_mut(usize::from(lane))
                .and_then(|lane| lane.table.take(job.address, key, index, now.mono));
            let Some((slot, round)) = taken else {
                self.unknown(key, LocalFailure::Overloaded, now.mono);
                continue;
            };
            let seal = self.seal(lane, slot, round, job.address);
            let mark = Mark { slot, round, seal };
            return Some(Outgoing { lane, slot, address: job.address, mark, size: job.check.size });
        }
        None
    }

    /// The kernel took the request at `asked`.
    pub(super) fn sent(&mut self, lane: u16, slot: u32, asked: Now) {
        let Some(lane_of) = self.lanes.get_mut(usize::from(lane)) else { return };
        let round = lane_of.table.sent(slot, asked.mono);
        let Some((echo, _)) = lane_of.table.awaited(slot) else { return };
        let Some(probe) = self.probes.get_mut(echo.probe.at as usize) else { return };
        if echo.index == 0 {
            probe.started = Some(asked);
        }
        self.health.sent += 1;
        let timeout = probe.job.timeout;
        let limit = asked.mono + timeout + Self::GRACE;
        let awaited = Awaited { limit, slot, round, lane };
        self.awaited.entry(timeout).or_default().push_back(awaited);
    }

    /// The request can never leave.
    pub(super) fn unsendable(&mut self, lane: u16, slot: u32, why: Unsendable, now: Mono) {
        let Some(echo) = self.table(lane).and_then(|table| table.withdraw(slot, now)) else {
            return;
        };
        self.health.send_errors += 1;
        match why {
            Unsendable::Refused(error) => {
                self.settle(echo.probe, now, |tally| tally.refused(error));
            }
            Unsendable::Ours(ours) => self.unknown(echo.probe, ours, now),
        }
    }

    /// When the awaited request that a frame of ours carries was handed to the kernel; none when
    /// the frame carries none.
    pub(super) fn asked(&self, lane: u16, request: &Quoted) -> Option<Mono> {
        let mark = request.mark?;
        let (echo, round) = self.lanes.get(usize::from(lane))?.table.awaited(mark.slot)?;
        let seal = self.seal(lane, mark.slot, round, echo.address);
        (mark.round == round && mark.seal == seal).then_some(echo.asked)
    }

    /// The kernel says that the request left at `at`. It is one that [`Self::asked`] knows.
    pub(super) fn left(&mut self, lane: u16, request: &Quoted, at: Mono) {
        if let Some(mark) = request.mark
            && let Some(table) = self.table(lane)
        {
            table.left(mark.slot, mark.round, at);
        }
    }

    /// When the request left that a reply claims to answer: the reply cannot be older.
    pub(super) fn earliest(&self, lane: u16, reply: &icmp::Reply) -> Option<Mono> {
        let (echo, _) = self.lanes.get(usize::from(lane))?.table.awaited(reply.mark?.slot)?;
        Some(echo.left)
    }

    /// An echo reply came. `stamp` is when, by the kernel; none when it did not say.
    ///
    /// 1. Without a mark it is truncated.
    /// 2. Its seal must be the one for its place, its round and its sender. Otherwise it is
    ///    forged if it claims to answer a request of ours, and else belongs to nobody here.
    /// 3. To a request given up or answered it is late or a duplicate.
    /// 4. If it carries less than was sent it is truncated, and the request stays open.
    /// 5. It answers the request if its round trip is within the time limit, and else is late.
    pub(super) fn reply(&mut self, arrival: &Arrival, reply: &icmp::Reply, stamp: Option<Mono>) {
        let &Arrival { lane, socket, from, ttl, tos, now } = arrival;
        let claimed = socket * PER_SOCKET + u32::from(reply.sequence);
        let Some(mark) = reply.mark else {
            self.health.truncated += 1;
            self.cut(lane, claimed, from, reply.payload);
            return;
        };
        let seal = self.seal(lane, mark.slot, mark.round, from);
        let Some(table) = self.table(lane) else { return };
        if mark.seal != seal || mark.slot != claimed {
            if table.is_known(claimed) {
                self.health.forged += 1;
            } else {
                self.health.foreign += 1;
            }
            return;
        }
        match table.standing(mark.slot, mark.round) {
            Standing::Unknown => self.health.forged += 1,
            Standing::Late => self.health.late += 1,
            Standing::Duplicate(probe) => {
                self.health.duplicate += 1;
                if let Some(probe) = probe.and_then(|key| self.probe(key)) {
                    probe.tally.duplicated();
                }
            }
            Standing::Awaited(echo) => {
                let Some(probe) = self.probe(echo.probe) else { return };
                if reply.payload < usize::from(probe.job.check.size) {
                    self.health.truncated += 1;
                    self.cut(lane, claimed, from, reply.payload);
                    return;
                }
                let timeout = probe.job.timeout;
                let rtt = (stamp.unwrap_or(now) - echo.left).max(Duration::from_nanos(1));
                let in_time = rtt <= timeout;
                if let Some(table) = self.table(lane) {
                    table.end(mark.slot, in_time, now);
                    if !in_time {
                        // The next reply to it is a duplicate.
                        table.standing(mark.slot, mark.round);
                    }
                }
                if in_time {
                    self.health.received += 1;
                    self.health.coarse_stamps += u64::from(!echo.stamped || stamp.is_none());
                    self.settle(echo.probe, now, |tally| {
                        tally.answered(echo.index, rtt, ttl, tos);
                    });
                } else {
                    self.health.late += 1;
                    self.give_up(&echo, now);
                }
            }
        }
    }

    /// A reply to the request in `slot` carries only `got` bytes.
    fn cut(&mut self, lane: u16, slot: u32, from: IpAddr, got: usize) {
        let echo = self.lanes.get(usize::from(lane)).and_then(|lane| lane.table.awaited(slot));
        if let Some((&echo, _)) = echo
            && echo.address == from
            && let Some(probe) = self.probe(echo.probe)
        {
            let sent = probe.job.check.size;
            probe.tally.cut(u16::try_from(got).unwrap_or(u16::MAX), sent);
        }
    }

    /// A packet came that is cut short or damaged beyond recognition.
    pub(super) const fn garbled(&mut self) {
        self.health.truncated += 1;
    }

    /// A packet came that belongs to nobody here.
    pub(super) const fn foreign(&mut self) {
        self.health.foreign += 1;
    }

    /// An ICMP error came from `offender`, about the request that it quotes. What it quotes must
    /// fit: the address asked and, where it quotes enough, the mark.
    pub(super) fn refusal(&mut self, arrival: &Arrival, refusal: &icmp::Refusal) {
        let &Arrival { lane, socket, from, now, .. } = arrival;
        let slot = socket * PER_SOCKET + u32::from(refusal.request.sequence);
        let echo = self.lanes.get(usize::from(lane)).and_then(|lane| lane.table.awaited(slot));
        let genuine = echo.filter(|(echo, round)| {
            let seal = self.seal(lane, slot, *round, echo.address);
            let expected = Mark { slot, round: *round, seal };
            echo.address == refusal.destination
                && refusal.request.mark.is_none_or(|mark| mark == expected)
        });
        let Some((&echo, _)) = genuine else {
            self.health.foreign += 1;
            return;
        };
        let icmp::Refusal { icmp_type, icmp_code, mtu, .. } = *refusal;
        let kind = icmp::meaning(Family::of(echo.address), icmp_type, icmp_code, mtu);
        let error = IcmpError { kind, icmp_type, icmp_code, offender: Some(from) };
        if let Some(table) = self.table(lane) {
            table.end(slot, false, now);
        }
        self.health.refused += 1;
        self.settle(echo.probe, now, |tally| tally.refused(error));
    }

    /// Nothing could be seen from `from` to `until`.
    pub(super) fn blind(&mut self, from: Mono, until: Mono) {
        self.blind.record(from, until);
    }

    /// Whether the time limit of an awaited request has passed.
    pub(super) fn is_expiring(&mut self, now: Mono) -> bool {
        self.next_limit().is_some_and(|limit| limit <= now)
    }

    /// Gives up the requests whose time limit has passed. The sockets have been read before.
    pub(super) fn expire(&mut self, now: Mono) {
        let mut over = std::mem::take(&mut self.over);
        for awaited in self.awaited.values_mut() {
            while let Some(first) = awaited.front()
                && first.limit <= now
            {
                over.push(*first);
                awaited.pop_front();
            }
        }
        for Awaited { slot, round, lane, .. } in over.drain(..) {
            let Some(table) = self.table(lane) else { continue };
            let Some((&echo, current)) = table.awaited(slot) else { continue };
            if current == round {
                table.end(slot, false, now);
                self.give_up(&echo, now);
            }
        }
        self.over = over;
        self.blind.forget(now.earlier(self.longest + Duration::from_secs(1)));
    }

    /// A request stays unanswered: lost, or unknown if we could not see all the time.
    fn give_up(&mut self, echo: &Echo, now: Mono) {
        if self.blind.covers(echo.asked, now) {
            self.unknown(echo.probe, LocalFailure::Late, now);
        } else {
            self.settle(echo.probe, now, Tally::lost);
        }
    }

    /// Answers every open probe, since the engine stops.
    pub(super) fn stop(&mut self, now: Now) {
        self.queue.clear();
        self.awaited.clear();
        for mut probe in self.probes.drain() {
            probe.tally.unknown(LocalFailure::Stopping);
            self.done.push(probe.done(now));
        }
    }

    /// The probes that are over since the last call.
    pub(super) fn take_done(&mut self) -> Vec<PingDone> {
        std::mem::take(&mut self.done)
    }

    /// When to ask [`Self::next_send`] again at the latest.
    pub(super) fn next_wake(&self) -> Option<Mono> {
        self.queue.next_wake()
    }

    /// When the next request is given up, unless it is answered before. Those that were answered
    /// are forgotten here, so that nobody is woken for them.
    pub(super) fn next_limit(&mut self) -> Option<Mono> {
        let Self { lanes, awaited, .. } = self;
        let is_over = |first: &Awaited| {
            let table = lanes.get(usize::from(first.lane)).map(|lane| &lane.table);
            let current = table.and_then(|table| table.awaited(first.slot));
            current.is_none_or(|(_, round)| round != first.round)
        };
        for awaited in awaited.values_mut() {
            while awaited.front().is_some_and(is_over) {
                awaited.pop_front();
            }
        }
        if awaited.len() > Self::LIMITS {
            awaited.retain(|_, awaited| !awaited.is_empty());
        }
        awaited.values().filter_map(VecDeque::front).map(|first| first.limit).min()
    }

    /// Probes accepted and not over.
    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.probes.len()).unwrap_or(u32::MAX)
    }

    /// The figures about the engine itself, for reading and for those that the thread counts.
    pub(super) const fn health(&mut self) -> &mut EngineHealth {
        &mut self.health
    }

    /// What only we can compute: a short keyed hash (`SipHash`) over what identifies a request.
    fn seal(&self, lane: u16, slot: u32, round: u32, address: IpAddr) -> u64 {
        self.seals.hash_one((lane, slot, round, address))
    }

    fn table(&mut self, lane: u16) -> Option<&mut Table> {
        Some(&mut self.lanes.get_mut(usize::from(lane))?.table)
    }

    fn probe(&mut self, key: ProbeKey) -> Option<&mut Probe> {
        self.probes.get_mut(key.at as usize).filter(|probe| probe.serial == key.serial)
    }

    /// Nothing is known of a request, through a fault of our own.
    fn unknown(&mut self, key: ProbeKey, ours: LocalFailure, now: Mono) {
        self.health.unknown += 1;
        self.settle(key, now, |tally| tally.unknown(ours));
    }

    /// The fate of one more request of a probe is known; with the last one the probe is over.
    fn settle(&mut self, key: ProbeKey, now: Mono, fate: impl FnOnce(&mut Tally)) {
        let Some(probe) = self.probe(key) else { return };
        fate(&mut probe.tally);
        probe.open = probe.open.saturating_sub(1);
        if probe.open == 0 {
            let probe = self.probes.remove(key.at as usize);
            let started = probe.started;
            if let Some(started) = started {
                let finished = started.plus(now - started.mono);
                self.done.push(probe.done(finished));
            }
        }
    }
}

impl Probe {
    fn done(self, now: Now) -> PingDone {
        PingDone {
            token: self.job.token,
            started: self.started.unwrap_or(now),
            finished: now.mono,
            result: self.tally.result(),
        }
    }
}

#[cfg(test)]
mod tests;
