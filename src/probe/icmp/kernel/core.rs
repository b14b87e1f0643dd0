//! The engine without hands: it is told what happened and says what to send and what was learned.
//!
//! The thread around it reads clocks and sockets and calls in here, so that every history of
//! replies, losses, lateness and stops runs in a test in no time.
//!
//! One echo after another: [`accept`](Core::accept) → [`next_send`](Core::next_send) →
//! [`sent`](Core::sent), [`held_up`](Core::held_up) or [`unsendable`](Core::unsendable) →
//! [`left`](Core::left) → [`reply`](Core::reply), [`refusal`](Core::refusal) or
//! [`expire`](Core::expire). A probe whose last echo is over stands in
//! [`take_done`](Core::take_done).

mod expiry;
mod judge;

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, VecDeque};
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use slab::Slab;

use super::super::PingDone;
use super::super::belated::Belated;
use super::super::blind::Blindness;
use super::super::manner::Manner;
use super::super::tally::Tally;
use super::backlog::{Backlog, Job, Portion};
use super::departures::Departures;
use super::probe::Probe;
use super::queue::{Lags, Queue};
use super::table::{PER_SOCKET, ProbeKey, Table};
use crate::model::{EngineHealth, IcmpError, LocalFailure, Mono, Now};
use crate::wire::icmp::{Family, Mark};

/// One echo request to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outgoing {
    /// Number of the lane that it belongs to.
    pub(super) lane: u16,
    pub(super) slot: u32,
    pub(super) address: IpAddr,
    pub(super) mark: Mark,
    /// Bytes of payload, the mark included.
    pub(super) size: u16,
    /// When it was to leave.
    pub(super) due: Mono,
    /// When it is too late to leave, if its socket has no room for so long.
    pub(super) by: Mono,
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
    /// The lane of the socket.
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
#[derive(Debug, Clone)]
pub(super) struct Core {
    lanes: Vec<Lane>,
    backlog: Backlog,
    /// Probes whose time has come.
    probes: Slab<Probe>,
    serial: u32,
    queue: Queue,
    /// Echoes to be sent once more, by probe and place in the train.
    again: Vec<(ProbeKey, u16)>,
    /// Requests whose reply is awaited, by time limit, each list in sending order and so in the
    /// order in which they expire.
    awaited: BTreeMap<Duration, VecDeque<Awaited>>,
    /// Those of them that have time left beyond their turn there, since our own queue held them
    /// back, with their time limits.
    held: Vec<(Duration, Awaited)>,
    blind: Blindness,
    /// What came too late about addresses that do not answer.
    belated: Belated,
    /// Where requests are seen to leave.
    departures: Departures,
    longest: Duration,
    /// The last reading of both clocks.
    clock: Now,
    seals: RandomState,
    done: Vec<PingDone>,
    health: EngineHealth,
}

/// Everything that is sent in one manner.
#[derive(Debug, Clone)]
struct Lane {
    manner: Manner,
    table: Table,
    /// When we could not see what came by its sockets.
    blind: Blindness,
}

/// A request whose reply is awaited. There are as many as requests within a time limit, answered
/// ones included, so it is small.
#[derive(Debug, Clone, Copy)]
struct Awaited {
    slot: u32,
    round: u32,
    lane: u16,
}

impl Core {
    /// Sockets per lane: a million echoes of one manner under way.
    const SOCKETS: u32 = 16;

    /// Lanes at most: every DSCP in both families, with and without fragments.
    const LANES: usize = 256;

    /// An engine with nothing to do. `seals` is what makes its marks unguessable.
    pub(super) fn new(seals: RandomState, clock: Now) -> Self {
        Self {
            lanes: Vec::new(),
            backlog: Backlog::default(),
            probes: Slab::new(),
            serial: 0,
            queue: Queue::default(),
            again: Vec::new(),
            awaited: BTreeMap::new(),
            held: Vec::new(),
            blind: Blindness::default(),
            belated: Belated::default(),
            departures: Departures::default(),
            longest: Duration::ZERO,
            clock,
            seals,
            done: Vec::new(),
            health: EngineHealth::default(),
        }
    }

    /// Takes in jobs.
    pub(super) fn accept(&mut self, portions: impl IntoIterator<Item = Portion>) {
        for portion in portions {
            self.backlog.push(portion);
        }
    }

    /// Begins the probes whose first request may be the next to leave.
    fn open(&mut self, now: Mono) {
        for strict in [true, false] {
            if let Some(due) = self.backlog.first(strict)
                && self.queue.is_next(due, strict, now)
            {
                for job in self.backlog.pop(strict) {
                    self.begin(&job);
                }
            }
        }
    }

    fn begin(&mut self, job: &Job) {
        self.longest = self.longest.max(job.timeout());
        self.serial = self.serial.wrapping_add(1);
        let lane = self.lane(job);
        let at = self.probes.insert(Probe::new(job, self.serial, lane));
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        self.queue.push(job.due, at, job.is_train());
    }

    /// The number of the lane for a job, opened when first needed.
    fn lane(&mut self, job: &Job) -> u16 {
        let manner = Manner {
            family: Family::of(job.address),
            dscp: job.dscp,
            dont_fragment: job.dont_fragment,
        };
        let at = self.lanes.iter().position(|lane| lane.manner == manner).unwrap_or_else(|| {
            let table = Table::new(Self::SOCKETS);
            self.lanes.push(Lane { manner, table, blind: Blindness::default() });
            self.lanes.len() - 1
        });
        debug_assert!(at < Self::LANES, "there are no more manners than this");
        u16::try_from(at).unwrap_or(u16::MAX)
    }

    /// How requests of a lane are sent.
    pub(super) fn manner(&self, lane: u16) -> Option<Manner> {
        Some(self.lanes.get(usize::from(lane))?.manner)
    }

    /// The next request that is due; it is then told to [`Self::sent`], [`Self::held_up`] or
    /// [`Self::unsendable`].
    ///
    /// 1. Requests leave in the order in which they are due.
    /// 2. One that is late by more than the time limit of its probe would be mistaken for the
    ///    next: it is not sent, and its fate is unknown.
    /// 3. The requests of a train keep their distance, see
    ///    [`Pacing`](super::super::pacing::Pacing).
    /// 4. One that is sent once more goes at once.
    pub(super) fn next_send(&mut self, now: Now) -> Option<Outgoing> {
        self.clock = now;
        while let Some((key, index)) = self.again.pop() {
            let times = (now.mono, Mono::NEVER);
            if let Some(outgoing) = self.prepare(key, index, true, times, now.mono) {
                return Some(outgoing);
            }
        }
        loop {
            self.open(now.mono);
            let (due, at) = self.queue.pop(now.mono)?;
            let Some(probe) = self.probes.get_mut(at as usize) else { continue };
            let (index, next) = probe.advance(due, now.mono);
            if let Some(next) = next {
                self.queue.push(next, at, true);
            }
            let &mut Probe { serial, timeout, .. } = probe;
            let times = (due, probe.latest(due, now.mono));
            let key = ProbeKey { at, serial };
            self.note_lateness(due, now.mono);
            let Some(index) = index.filter(|_| now.mono - due <= timeout) else {
                self.unsent(key, LocalFailure::Late, now.mono);
                continue;
            };
            if let Some(outgoing) = self.prepare(key, index, false, times, now.mono) {
                return Some(outgoing);
            }
        }
    }

    /// The request for echo number `index` of a probe, for the first time or `again`, to leave at
    /// one time and before another; none when there is no probe or no place for it.
    fn prepare(
        &mut self,
        key: ProbeKey,
        index: u16,
        again: bool,
        (due, by): (Mono, Mono),
        now: Mono,
    ) -> Option<Outgoing> {
        let &mut Probe { lane, size, address, .. } = self.probe(key)?;
        let taken = self.table(lane)?.take(key, index, again, now);
        let Some((slot, round)) = taken else {
            self.unsent(key, LocalFailure::Overloaded, now);
            return None;
        };
        let seal = self.seal(lane, slot, round, address);
        self.table(lane)?.seal(slot, seal);
        Some(Outgoing { lane, slot, address, mark: Mark { slot, round, seal }, size, due, by })
    }

    /// The kernel took the request at `asked`.
    pub(super) fn sent(&mut self, outgoing: &Outgoing, asked: Mono) {
        let &Outgoing { lane, slot, due, .. } = outgoing;
        self.note_lateness(due, asked);
        let Some(echo) = self.table(lane).and_then(|table| table.sent(slot, asked)) else { return };
        let Some(probe) = self.probe(echo.probe) else { return };
        if echo.index == 0 {
            probe.started = asked;
        }
        let awaited = Awaited { slot, round: echo.round, lane };
        let timeout = probe.timeout;
        self.awaited.entry(timeout).or_default().push_back(awaited);
        self.health.sent += u64::from(!echo.again);
    }

    /// The request waited for its socket until it was too late: it does not leave.
    pub(super) fn held_up(&mut self, outgoing: &Outgoing, now: Mono) {
        let &Outgoing { lane, slot, due, .. } = outgoing;
        self.note_lateness(due, now);
        let echo = self.table(lane).and_then(|table| table.withdraw(slot, now));
        if let Some(echo) = echo {
            self.unsent(echo.probe, LocalFailure::Late, now);
        }
    }

    /// The request can never leave.
    pub(super) fn unsendable(&mut self, lane: u16, slot: u32, why: Unsendable, now: Mono) {
        let Some(echo) = self.table(lane).and_then(|table| table.withdraw(slot, now)) else {
            return;
        };
        self.health.send_errors += 1;
        match why {
            Unsendable::Refused(error) => {
                self.settle(echo.probe, now, |tally| tally.barred(error));
            }
            Unsendable::Ours(ours) => self.settle(echo.probe, now, |tally| tally.unknown(ours)),
        }
    }

    /// Nothing could be seen from `from` to `until`.
    pub(super) fn blind(&mut self, from: Mono, until: Mono) {
        self.blind.record(from, until);
    }

    /// Nothing that came by the sockets of a lane could be seen from `from` to `until`.
    pub(super) fn blind_in(&mut self, lane: u16, from: Mono, until: Mono) {
        if let Some(lane) = self.lanes.get_mut(usize::from(lane)) {
            lane.blind.record(from, until);
        }
    }

    /// Answers every open probe, since the engine stops.
    pub(super) fn stop(&mut self, now: Now) {
        for strict in [true, false] {
            while self.backlog.first(strict).is_some() {
                self.backlog.pop(strict).iter().for_each(|job| self.begin(job));
            }
        }
        self.queue.clear();
        self.again.clear();
        self.awaited.clear();
        self.held.clear();
        self.done.extend(self.probes.drain().map(|probe| probe.stopped(now)));
    }

    /// The probes that are over since the last call.
    pub(super) fn take_done(&mut self) -> Vec<PingDone> {
        std::mem::take(&mut self.done)
    }

    /// When to ask [`Self::next_send`] again at the latest.
    pub(super) fn next_wake(&self) -> Option<Mono> {
        if !self.again.is_empty() {
            return Some(self.clock.mono);
        }
        let lags = self.queue.lags();
        let waiting =
            [true, false].map(|strict| Some(self.backlog.first(strict)? + lags.of(strict)));
        waiting.into_iter().chain([self.queue.next_wake()]).flatten().min()
    }

    /// When the next request is due, however long it may wait for company.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let waiting = [true, false].map(|strict| self.backlog.first(strict));
        waiting.into_iter().chain([self.queue.next_due()]).flatten().min()
    }

    /// Whether a request is to leave at `now`.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        !self.again.is_empty() || self.next_due().is_some_and(|due| due <= now)
    }

    /// How long after their time requests may leave now.
    pub(super) fn lags(&self) -> Lags {
        self.queue.lags()
    }

    /// How long replies that come thick may gather before they are read.
    pub(super) fn rest(&self) -> Duration {
        self.queue.rest()
    }

    /// Probes accepted and not over.
    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.probes.len() + self.backlog.len()).unwrap_or(u32::MAX)
    }

    /// Whether no probe is open and nothing was heard that explains the silence of an address.
    pub(super) fn is_blank(&self) -> bool {
        self.in_flight() == 0 && self.belated.is_empty()
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

    /// A request leaves at `now`, or would have.
    fn note_lateness(&mut self, due: Mono, now: Mono) {
        self.health.worst_lateness = self.health.worst_lateness.max(now - due);
    }

    /// A request is not sent, through a fault of our own.
    fn unsent(&mut self, key: ProbeKey, ours: LocalFailure, now: Mono) {
        self.health.unsent += 1;
        self.settle(key, now, |tally| tally.unknown(ours));
    }

    /// Nothing is known of a request that was sent, through a fault of our own.
    fn unknown(&mut self, key: ProbeKey, ours: LocalFailure, now: Mono) {
        self.health.unknown += 1;
        self.settle(key, now, |tally| tally.unknown(ours));
    }

    /// The fate of one more request of a probe is known; with the last one the probe is over.
    fn settle(&mut self, key: ProbeKey, now: Mono, fate: impl FnOnce(&mut Tally)) {
        let Some(probe) = self.probe(key) else { return };
        if let Some(tally) = probe.settle(fate) {
            let probe = self.probes.remove(key.at as usize);
            self.done.push(probe.done(tally, now, self.clock));
        }
    }
}

#[cfg(test)]
mod tests;
