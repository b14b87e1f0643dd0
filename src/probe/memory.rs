//! What the last probes of each target looked like, for whoever asks "why?".
//!
//! The last successes and the last failures are kept apart, so that a fault of last night is still
//! there after a morning of successes. A dead device fails the same way every second; of such a
//! row of failures the first and the latest are kept, so that it does not push out what was before.
//! Memory is bounded: so many records for each target, so many steps for each record.
//!
//! Whoever waits for the next probe of a target is handed its record when it is remembered.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::sync::oneshot;

use super::echoes;
use crate::model::{
    Detail, Effort, Failure, IcmpCheck, IcmpDetail, Mono, Now, Outcome, ProbeRequest, RttList,
    Stamp, TargetIx, Topology, Trace, Trigger,
};

/// Failures kept for each target.
const FAILURES: usize = 5;
/// Successes kept for each target.
const SUCCESSES: usize = 2;
/// Failures kept of a row of the same: the first and the latest.
const ENDS: u32 = 2;

/// One probe with all that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it learned.
    pub outcome: Outcome,
    /// Whom it asked; none when the name was not resolved.
    pub address: Option<IpAddr>,
    /// What happened step by step. Echo probes take no notes: there are too many of them, and
    /// their outcome says it all.
    pub trace: Trace,
}

/// The last probes of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explanation {
    /// The last that had a reply, oldest first; at most two.
    pub successes: Vec<Record>,
    /// The last that had none, oldest first; at most five.
    pub failures: Vec<Failed>,
}

/// A probe that had no reply.
#[derive(Debug, Clone, PartialEq)]
pub struct Failed {
    /// The probe.
    pub record: Record,
    /// How many between the one before it in the list and this one failed for the same reason, one
    /// after the other, and are left out.
    pub left_out: u64,
}

/// The last probes of every target of one topology.
#[derive(Debug, Default)]
pub(super) struct Memory {
    generation: u32,
    targets: Vec<Remembered>,
    /// Who waits for the next probe of a target.
    waiting: BTreeMap<TargetIx, Vec<Waiter>>,
}

#[derive(Debug, Default)]
struct Remembered {
    /// Oldest first.
    successes: [Option<Success>; SUCCESSES],
    /// None until one failed: most never did.
    failed: Option<Box<Failures>>,
}

#[derive(Debug, Default)]
struct Failures {
    last: VecDeque<Failed>,
    /// How many failed for the same reason one after the other, up to now.
    alike: u64,
}

/// A probe that had a reply. What it asked is the target that it is remembered of.
#[derive(Debug)]
enum Success {
    /// One echo that was answered. Nearly all are, of nearly every target, so no more of it is
    /// kept than there is to know.
    Echo(Echo<Ipv4Addr, 1>),
    Echo6(Box<Echo<Ipv6Addr, 1>>),
    /// A train that was answered whole. When a line comes back every target behind it is asked for
    /// one, to confirm what it said first.
    Train(Box<Echo<IpAddr, TRAIN>>),
    Other(Box<Record>),
}

/// Echoes of a train where a check asks for fewer.
const TRAIN: usize = IcmpCheck::THOROUGH_COUNT as usize;

/// All that there is to know of so many echoes of a probe that were answered once each.
#[derive(Debug, Clone, Copy)]
struct Echo<A, const N: usize> {
    due: Mono,
    began: Stamp,
    /// Nanoseconds from `due` to the beginning, below zero if it began before; two seconds at most.
    late: i32,
    /// Nanoseconds from there to the end, and of the round trips; below four seconds each.
    took: u32,
    rtts: [u32; N],
    address: A,
    trigger: Trigger,
    effort: Effort,
    ttl: Option<u8>,
    tos: Option<u8>,
}

#[derive(Debug)]
struct Waiter {
    since: Mono,
    caller: oneshot::Sender<Record>,
}

impl Memory {
    /// Remembers one probe. One of a target that is gone is forgotten at once.
    pub(super) fn remember(&mut self, record: Record) {
        let request = &record.outcome.request;
        if request.generation != self.generation {
            return;
        }
        let target = request.target;
        let Some(remembered) = self.targets.get_mut(target.ix()) else { return };
        if !self.waiting.is_empty() {
            hand_out(&mut self.waiting, target, &record);
        }
        remembered.add(record);
    }

    /// The record of the first probe of a target that begins at `since` or later, when it is over.
    /// Nothing comes if the configuration changes meanwhile.
    pub(super) fn next(&mut self, target: TargetIx, since: Mono) -> oneshot::Receiver<Record> {
        let (caller, record) = oneshot::channel();
        let waiters = self.waiting.entry(target).or_default();
        waiters.retain(|waiter| !waiter.caller.is_closed());
        waiters.push(Waiter { since, caller });
        record
    }

    /// What is remembered of a target.
    pub(super) fn explain(&self, target: TargetIx) -> Explanation {
        let Some(kept) = self.targets.get(target.ix()) else { return Explanation::default() };
        let asked = Asked { generation: self.generation, target };
        Explanation {
            successes: kept.successes.iter().flatten().map(|it| it.record(asked)).collect(),
            failures: kept.failed.iter().flat_map(|failed| &failed.last).cloned().collect(),
        }
    }

    /// Moves over to another topology; targets that stay keep what is remembered of them.
    pub(super) fn move_to(&mut self, generation: u32, topology: &Topology, from: &Topology) {
        let mut before = std::mem::take(&mut self.targets);
        let mut kept =
            |ix| Some(std::mem::take(before.get_mut(from.same_target(topology, ix)?.ix())?));
        self.generation = generation;
        self.waiting.clear();
        self.targets = topology.target_ixs().map(|ix| kept(ix).unwrap_or_default()).collect();
    }
}

impl Remembered {
    fn add(&mut self, record: Record) {
        let Err(why) = &record.outcome.result else {
            if let Some(failed) = &mut self.failed {
                failed.alike = 0;
            }
            self.successes.rotate_left(1);
            self.successes[SUCCESSES - 1] = Some(Success::of(record));
            return;
        };
        let word = why.word();
        let Failures { last, alike } = &mut **self.failed.get_or_insert_default();
        let same = last.back().is_some_and(|last| last.word() == Some(word));
        *alike = if same && *alike > 0 { *alike + 1 } else { 1 };
        match last.back_mut() {
            Some(last) if *alike > u64::from(ENDS) => {
                *last = Failed { record, left_out: last.left_out + 1 };
            }
            _ => push(last, Failed { record, left_out: 0 }),
        }
    }
}

/// What a probe asked.
#[derive(Debug, Clone, Copy)]
struct Asked {
    generation: u32,
    target: TargetIx,
}

impl Success {
    fn of(record: Record) -> Self {
        let ProbeRequest { generation, target, .. } = record.outcome.request;
        let asked = Asked { generation, target };
        if let Some(echo) = Echo::<_, 1>::all_of(&record, asked) {
            return match echo.address {
                IpAddr::V4(address) => Self::Echo(echo.to(address)),
                IpAddr::V6(address) => Self::Echo6(Box::new(echo.to(address))),
            };
        }
        match Echo::all_of(&record, asked) {
            Some(train) => Self::Train(Box::new(train)),
            None => Self::Other(Box::new(record)),
        }
    }

    fn record(&self, asked: Asked) -> Record {
        match self {
            Self::Echo(echo) => echo.record(asked),
            Self::Echo6(echo) => echo.record(asked),
            Self::Train(train) => train.record(asked),
            Self::Other(record) => {
                let mut record = (**record).clone();
                let Asked { generation, target } = asked;
                let request = record.outcome.request;
                record.outcome.request = ProbeRequest { generation, target, ..request };
                record
            }
        }
    }
}

impl<const N: usize> Echo<IpAddr, N> {
    /// The probe, if this says all that there is to know of it.
    fn all_of(record: &Record, asked: Asked) -> Option<Self> {
        Self::of(record).filter(|echo| echo.record(asked) == *record)
    }

    /// The probe, if it may be one of those.
    fn of(record: &Record) -> Option<Self> {
        let Record { outcome, address: Some(address), .. } = record else {
            return None;
        };
        let Outcome { request, started, finished, result: Ok(reply), .. } = outcome else {
            return None;
        };
        let Detail::Icmp(IcmpDetail { rtts: times, ttl, tos, .. }) = &reply.detail else {
            return None;
        };
        let nanos = |time: Duration| u32::try_from(time.as_nanos()).ok();
        let mut rtts = [0; N];
        let times: &[Duration; N] = times.as_slice().try_into().ok()?;
        for (rtt, time) in rtts.iter_mut().zip(times) {
            *rtt = nanos(*time)?;
        }
        Some(Self {
            due: request.due,
            began: started.wall.into(),
            late: late(started.mono, request.due)?,
            took: nanos(*finished - started.mono)?,
            rtts,
            address: *address,
            trigger: request.trigger,
            effort: request.effort,
            ttl: *ttl,
            tos: *tos,
        })
    }
}

impl<A: Copy + Into<IpAddr>, const N: usize> Echo<A, N> {
    fn record(&self, Asked { generation, target }: Asked) -> Record {
        let &Self { due, trigger, effort, ttl, tos, .. } = self;
        let time = |nanos: u32| Duration::from_nanos(nanos.into());
        let off = time(self.late.unsigned_abs());
        let mono = if self.late < 0 { due.earlier(off) } else { due + off };
        let started = Now { mono, wall: self.began.into() };
        let rtts = match self.rtts.as_slice() {
            [one] => RttList::One(time(*one)),
            many => RttList::Many(many.iter().map(|rtt| time(*rtt)).collect()),
        };
        let sent = u16::try_from(N).unwrap_or(u16::MAX);
        let detail = IcmpDetail { sent, received: sent, rtts, ttl, tos, duplicates: 0 };
        let outcome = Outcome {
            request: ProbeRequest { generation, target, trigger, effort, due },
            started,
            finished: started.mono + time(self.took),
            lost: 0,
            heard: None,
            result: Ok(echoes::reply(detail)),
        };
        Record { outcome, address: Some(self.address.into()), trace: Trace::default() }
    }

    /// The same with its address told in another way.
    const fn to<B: Copy>(&self, address: B) -> Echo<B, N> {
        let &Self { due, began, late, took, rtts, trigger, effort, ttl, tos, .. } = self;
        Echo { due, began, late, took, rtts, address, trigger, effort, ttl, tos }
    }
}

/// Nanoseconds from `due` to the beginning, below zero for one that begins early.
fn late(began: Mono, due: Mono) -> Option<i32> {
    let nanos = |from: Mono, to: Mono| i32::try_from((to - from).as_nanos()).ok();
    if began < due { nanos(began, due).map(|early| -early) } else { nanos(due, began) }
}

impl Failed {
    fn word(&self) -> Option<&'static str> {
        self.record.outcome.result.as_ref().err().map(Failure::word)
    }
}

/// Adds one, and drops the oldest when there are too many.
fn push(failures: &mut VecDeque<Failed>, one: Failed) {
    if failures.len() == FAILURES {
        failures.pop_front();
    }
    if failures.len() == failures.capacity() {
        // One at a time: most targets never have more than one or two, and there are many.
        failures.reserve_exact(1);
    }
    failures.push_back(one);
}

/// Gives a record to those who wait for one that began so late.
fn hand_out(waiting: &mut BTreeMap<TargetIx, Vec<Waiter>>, target: TargetIx, record: &Record) {
    let Some(waiters) = waiting.get_mut(&target) else { return };
    let began = record.outcome.started.mono;
    for waiter in waiters.extract_if(.., |waiter| waiter.since <= began) {
        // Whoever no longer waits does not want to know.
        let _ = waiter.caller.send(record.clone());
    }
    if waiters.is_empty() {
        waiting.remove(&target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RemoteFailure, Reply, TcpDetail};

    /// The record of a probe of the first target that began `secs` after the start.
    fn record(secs: u64, result: Result<(), RemoteFailure>) -> Record {
        let mono = Mono::ZERO + Duration::from_secs(secs);
        let request = ProbeRequest {
            generation: 0,
            target: TargetIx::new(0),
            trigger: Trigger::Scheduled,
            effort: Effort::Normal,
            due: mono,
        };
        let detail = Detail::Tcp(TcpDetail { connect: Duration::from_millis(3) });
        let result = result.map(|()| Reply { rtt: None, detail }).map_err(Failure::Remote);
        let started = Now { mono, wall: jiff::Timestamp::UNIX_EPOCH };
        let outcome = Outcome { request, started, finished: mono, lost: 0, heard: None, result };
        Record { outcome, address: None, trace: Trace::default() }
    }

    fn memory() -> Memory {
        Memory { targets: vec![Remembered::default()], ..Memory::default() }
    }

    fn began(record: &Record) -> u64 {
        record.outcome.started.mono.as_nanos() / 1_000_000_000
    }

    #[test]
    fn a_long_outage_does_not_push_out_the_fault_of_last_night() {
        let mut memory = memory();
        memory.remember(record(1, Err(RemoteFailure::Refused)));
        memory.remember(record(2, Ok(())));
        for at in 3..1_000 {
            memory.remember(record(at, Err(RemoteFailure::Timeout)));
        }
        let told = memory.explain(TargetIx::new(0));
        let failures: Vec<(u64, u64)> =
            told.failures.iter().map(|failed| (began(&failed.record), failed.left_out)).collect();
        assert_eq!(failures, [(1, 0), (3, 0), (999, 995)]);
        assert_eq!(told.successes.len(), 1);
    }

    #[test]
    fn echoes_are_told_as_they_were_though_little_of_them_is_kept() {
        let rtts = |rtts: &[u64]| rtts.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let (one, many) =
            (RttList::One(Duration::from_nanos(7_000_001)), RttList::Many(rtts(&[9, 3, 8])));
        let slow = RttList::One(Duration::from_secs(5));
        let train = RttList::Many(rtts(&[12, 7, 11]));
        let lists = [
            (one.clone(), 0, 0),
            (slow, 0, 0),
            (one, 1, 2),
            (many, 1, 2),
            (train.clone(), 0, 0),
            (train, 0, 1),
        ];
        let echoed = lists.map(|(rtts, lost, duplicates)| {
            let received = u16::try_from(rtts.as_slice().len()).unwrap();
            let (ttl, tos) = (Some(61), Some(136));
            let detail = IcmpDetail { sent: received + lost, received, rtts, ttl, tos, duplicates };
            let mut record = record(u64::from(received), Ok(()));
            record.outcome.request.effort = Effort::Thorough;
            record.outcome.request.trigger = Trigger::Confirm;
            record.outcome.result = Ok(echoes::reply(detail));
            record.address = Some(IpAddr::from([10, 0, 0, 1]));
            record
        });
        let over_six = Some(IpAddr::from(Ipv6Addr::LOCALHOST));
        let same_over_six = echoed.clone().map(|record| Record { address: over_six, ..record });
        for echoed in echoed.chunks(SUCCESSES).chain(same_over_six.chunks(SUCCESSES)) {
            let mut memory = memory();
            for record in echoed {
                memory.remember(record.clone());
            }
            assert_eq!(memory.explain(TargetIx::new(0)).successes, echoed);
        }
        assert!(size_of::<Option<Success>>() <= 40, "there are two of every target");
        assert!(size_of::<Echo<IpAddr, TRAIN>>() <= 64, "there is one of each after a start");
        assert!(matches!(Success::of(echoed[4].clone()), Success::Train(_)));
    }

    #[test]
    fn little_is_kept_of_an_echo_that_leaves_before_or_after_its_time() {
        let early_and_late = [995, 1_000, 1_020].map(|began| {
            let detail = IcmpDetail {
                sent: 1,
                received: 1,
                rtts: RttList::One(Duration::from_millis(3)),
                ttl: Some(61),
                tos: Some(136),
                duplicates: 0,
            };
            let mut record = record(1, Ok(()));
            record.outcome.started.mono = Mono::ZERO + Duration::from_millis(began);
            record.outcome.finished = record.outcome.started.mono + Duration::from_millis(3);
            record.outcome.result = Ok(echoes::reply(detail));
            record.address = Some(IpAddr::from([10, 0, 0, 1]));
            record
        });
        for echoed in early_and_late {
            let ProbeRequest { generation, target, .. } = echoed.outcome.request;
            let kept = Success::of(echoed.clone());
            assert!(matches!(kept, Success::Echo(_)));
            assert_eq!(kept.record(Asked { generation, target }), echoed);
        }
    }

    #[test]
    fn a_success_between_makes_two_rows_of_failures() {
        let mut memory = memory();
        for at in 0..10 {
            let result = if at % 2 == 0 { Err(RemoteFailure::Timeout) } else { Ok(()) };
            memory.remember(record(at, result));
        }
        let told = memory.explain(TargetIx::new(0));
        let failures: Vec<u64> = told.failures.iter().map(|it| began(&it.record)).collect();
        assert_eq!(failures, [0, 2, 4, 6, 8]);
        let successes: Vec<u64> = told.successes.iter().map(began).collect();
        assert_eq!(successes, [7, 9]);
    }

    #[test]
    fn who_waits_gets_a_probe_that_began_after_they_asked() {
        let mut memory = memory();
        let since = Mono::ZERO + Duration::from_secs(5);
        let mut next = memory.next(TargetIx::new(0), since);
        memory.remember(record(4, Ok(())));
        assert!(next.try_recv().is_err(), "that one was under way already");
        memory.remember(record(6, Err(RemoteFailure::Timeout)));
        assert_eq!(began(&next.try_recv().unwrap()), 6);
        assert!(memory.waiting.is_empty());
    }
}
