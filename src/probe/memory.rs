//! What the last probes of each target looked like, for whoever asks "why?".
//!
//! The last successes and the last failures are kept apart, so that a fault of last night is still
//! there after a morning of successes. A dead device fails the same way every second; of such a
//! row of failures the first and the latest are kept, so that it does not push out what was before.
//! Memory is bounded: so many records for each target, so many steps for each record.
//!
//! Whoever waits for the next probe of a target is handed its record when it is remembered.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use tokio::sync::oneshot;

use super::echoes;
use crate::model::{
    Detail, Failure, IcmpDetail, Mono, Now, Outcome, ProbeRequest, TargetIx, TargetKey, Topology,
    Trace,
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
    failures: VecDeque<Failed>,
    /// How many failed for the same reason one after the other, up to now.
    alike: u64,
}

/// A probe that had a reply.
#[derive(Debug)]
enum Success {
    /// Echoes that were answered. Nearly all are, of nearly every target, so no more of them is
    /// kept than echoes have.
    Echo(Echo),
    Other(Box<Record>),
}

#[derive(Debug)]
struct Echo {
    request: ProbeRequest,
    started: Now,
    finished: Mono,
    address: IpAddr,
    detail: IcmpDetail,
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
        Explanation {
            successes: kept.successes.iter().flatten().map(Success::record).collect(),
            failures: kept.failures.iter().cloned().collect(),
        }
    }

    /// Moves over to another topology; targets that stay keep what is remembered of them.
    pub(super) fn move_to(&mut self, generation: u32, topology: &Topology, from: &Topology) {
        let mut before: BTreeMap<TargetKey, Remembered> = from
            .target_ixs()
            .zip(std::mem::take(&mut self.targets))
            .map(|(ix, remembered)| (from.target_key(ix), remembered))
            .collect();
        self.generation = generation;
        self.waiting.clear();
        self.targets = topology
            .target_ixs()
            .map(|ix| before.remove(&topology.target_key(ix)).unwrap_or_default())
            .collect();
    }
}

impl Remembered {
    fn add(&mut self, record: Record) {
        let Err(why) = &record.outcome.result else {
            self.alike = 0;
            self.successes.rotate_left(1);
            self.successes[SUCCESSES - 1] = Some(Success::of(record));
            return;
        };
        let word = why.word();
        let same = self.failures.back().is_some_and(|last| last.word() == Some(word));
        self.alike = if same && self.alike > 0 { self.alike + 1 } else { 1 };
        match self.failures.back_mut() {
            Some(last) if self.alike > u64::from(ENDS) => {
                *last = Failed { record, left_out: last.left_out + 1 };
            }
            _ => push(&mut self.failures, Failed { record, left_out: 0 }),
        }
    }
}

impl Success {
    fn of(record: Record) -> Self {
        let Record { outcome, address: Some(address), trace } = &record else {
            return Self::Other(Box::new(record));
        };
        let Outcome { request, started, finished, lost: 0, heard: None, result: Ok(reply) } =
            outcome
        else {
            return Self::Other(Box::new(record));
        };
        match &reply.detail {
            Detail::Icmp(detail) if *trace == Trace::default() => Self::Echo(Echo {
                request: *request,
                started: *started,
                finished: *finished,
                address: *address,
                detail: detail.clone(),
            }),
            _ => Self::Other(Box::new(record)),
        }
    }

    fn record(&self) -> Record {
        let echo = match self {
            Self::Echo(echo) => echo,
            Self::Other(record) => return (**record).clone(),
        };
        let &Echo { request, started, finished, address, ref detail } = echo;
        let result = Ok(echoes::reply(detail.clone()));
        let outcome = Outcome { request, started, finished, lost: 0, heard: None, result };
        Record { outcome, address: Some(address), trace: Trace::default() }
    }
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
    use std::time::Duration;

    use super::*;
    use crate::model::{Effort, RemoteFailure, Reply, RttList, TcpDetail, Trigger};

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
        let mut memory = memory();
        let rtts = |rtts: &[u64]| rtts.iter().map(|ms| Duration::from_millis(*ms)).collect();
        let lists = [RttList::One(Duration::from_millis(7)), RttList::Many(rtts(&[9, 3, 8]))];
        let echoed = lists.map(|rtts| {
            let answered = u16::try_from(rtts.as_slice().len()).unwrap();
            let detail = IcmpDetail {
                sent: answered + 1,
                received: answered,
                rtts,
                ttl: Some(61),
                tos: Some(136),
                duplicates: 2,
            };
            let mut record = record(u64::from(answered), Ok(()));
            record.outcome.request.effort = Effort::Thorough;
            record.outcome.request.trigger = Trigger::Confirm;
            record.outcome.result = Ok(echoes::reply(detail));
            record.address = Some(IpAddr::from([10, 0, 0, 1]));
            record
        });
        for record in &echoed {
            memory.remember(record.clone());
        }
        assert_eq!(memory.explain(TargetIx::new(0)).successes, echoed);
        assert!(size_of::<Success>() <= 120, "there are two of every target");
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
