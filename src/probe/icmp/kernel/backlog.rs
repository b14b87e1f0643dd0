//! Jobs that wait for their time, as they were submitted.
//!
//! They come in portions, each long before its time or just before it, and with a hundred thousand
//! targets there are as many at once. So a job waits here in half the room that it takes under way,
//! and a portion is opened when the first of it may leave.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::time::Duration;

use super::super::{EchoParams, PingJob};
use crate::model::{Mono, micros};
use crate::wire::icmp::{MARK, MAX_PAYLOAD};

/// A job with what it asks for made possible, packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) token: u64,
    pub(super) due: Mono,
    pub(super) address: IpAddr,
    timeout: Micros,
    spacing: Micros,
    pub(super) count: u16,
    /// Bytes of payload.
    pub(super) size: u16,
    pub(super) dscp: u8,
    pub(super) dont_fragment: bool,
    pub(super) planned: bool,
}

/// Whole microseconds, up to 71 minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Micros(u32);

impl From<Duration> for Micros {
    fn from(duration: Duration) -> Self {
        Self(micros(duration))
    }
}

impl From<Micros> for Duration {
    fn from(Micros(micros): Micros) -> Self {
        Self::from_micros(micros.into())
    }
}

impl Job {
    /// How long each of its requests waits for its reply.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout.into()
    }

    /// Time from one of its requests to the next.
    pub(super) fn spacing(&self) -> Duration {
        self.spacing.into()
    }

    /// When one of its requests leaves whose time all of them keep.
    pub(super) fn leaves(&self, index: u16) -> Mono {
        self.due + self.spacing() * u32::from(index)
    }

    /// Whether the distance of its requests to each other matters.
    pub(super) const fn is_train(&self) -> bool {
        self.count > 1
    }
}

impl From<&PingJob> for Job {
    fn from(job: &PingJob) -> Self {
        let &PingJob { token, address, check, timeout, due } = job;
        let EchoParams { count, spacing, size, dscp, dont_fragment, planned } = check;
        let least = u16::try_from(MARK).unwrap_or(u16::MAX);
        Self {
            token,
            due,
            address: address.to_canonical(),
            timeout: timeout.into(),
            spacing: spacing.into(),
            count: count.max(1),
            size: size.clamp(least, MAX_PAYLOAD),
            dscp: dscp & 0x3f,
            dont_fragment,
            planned,
        }
    }
}

/// Jobs that were submitted together: all of them trains, or none.
#[derive(Debug, Clone)]
pub(super) struct Portion {
    /// When the first of them is due.
    pub(super) due: Mono,
    jobs: Box<[Job]>,
}

impl Portion {
    /// Sorts jobs into portions.
    pub(super) fn of(jobs: &[PingJob]) -> impl Iterator<Item = Self> {
        [true, false].into_iter().filter_map(|trains| {
            let jobs = jobs.iter().map(Job::from).filter(|job| job.is_train() == trains);
            let jobs: Box<[Job]> = jobs.collect();
            let due = jobs.iter().map(|job| job.due).min()?;
            Some(Self { due, jobs })
        })
    }

    /// Whether they are trains.
    pub(super) fn is_strict(&self) -> bool {
        self.jobs.first().is_some_and(Job::is_train)
    }

    /// Jobs in it.
    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Most bytes of payload that one of its requests carries.
    pub(super) fn largest(&self) -> u16 {
        self.jobs.iter().map(|job| job.size).max().unwrap_or(0)
    }
}

/// A portion by its time; of those with the same the one that came first.
#[derive(Debug, Clone)]
struct Turn {
    number: u64,
    portion: Portion,
}

impl Turn {
    const fn order(&self) -> Reverse<(Mono, u64)> {
        Reverse((self.portion.due, self.number))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Turn {}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// All portions that wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Backlog {
    strict: BinaryHeap<Turn>,
    loose: BinaryHeap<Turn>,
    pushed: u64,
    jobs: usize,
}

impl Backlog {
    /// Takes in a portion.
    pub(super) fn push(&mut self, portion: Portion) {
        self.jobs += portion.len();
        self.pushed += 1;
        let turns = if portion.is_strict() { &mut self.strict } else { &mut self.loose };
        turns.push(Turn { number: self.pushed, portion });
    }

    /// When the first train, or the first request that stands alone, is due.
    pub(super) fn first(&self, strict: bool) -> Option<Mono> {
        let turns = if strict { &self.strict } else { &self.loose };
        turns.peek().map(|turn| turn.portion.due)
    }

    /// Opens the portion that holds it.
    pub(super) fn pop(&mut self, strict: bool) -> Box<[Job]> {
        let turns = if strict { &mut self.strict } else { &mut self.loose };
        let jobs = turns.pop().map_or_else(Box::default, |turn| turn.portion.jobs);
        self.jobs -= jobs.len();
        jobs
    }

    /// Jobs that wait.
    pub(super) const fn len(&self) -> usize {
        self.jobs
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn job(token: u64, due: u64, count: u16) -> PingJob {
        let spacing = Duration::from_millis(20);
        let (dont_fragment, planned) = (true, true);
        let check = EchoParams { count, spacing, size: 56, dscp: 34, dont_fragment, planned };
        let timeout = Duration::from_millis(900);
        let address = Ipv4Addr::LOCALHOST.into();
        PingJob { token, address, check, timeout, due: Mono::from_nanos(due) }
    }

    #[test]
    fn portions_are_opened_by_the_time_of_their_first_and_by_their_coming() {
        let mut backlog = Backlog::default();
        for jobs in [&[job(1, 50, 1), job(2, 20, 1)][..], &[job(3, 10, 1)], &[job(4, 20, 1)]] {
            Portion::of(jobs).for_each(|portion| backlog.push(portion));
        }
        assert_eq!(backlog.len(), 4);
        let mut opened = Vec::new();
        while let Some(due) = backlog.first(false) {
            let tokens: Vec<u64> = backlog.pop(false).iter().map(|job| job.token).collect();
            opened.push((due.as_nanos(), tokens));
        }
        assert_eq!(opened, [(10, vec![3]), (20, vec![1, 2]), (20, vec![4])]);
        assert_eq!(backlog.len(), 0);
    }

    #[test]
    fn trains_wait_apart_from_requests_that_stand_alone() {
        let mut backlog = Backlog::default();
        let jobs = [job(1, 50, 1), job(2, 70, 3), job(3, 60, 1)];
        Portion::of(&jobs).for_each(|portion| backlog.push(portion));
        assert_eq!(backlog.first(true), Some(Mono::from_nanos(70)));
        assert_eq!(backlog.first(false), Some(Mono::from_nanos(50)));
        assert_eq!(backlog.pop(true).len(), 1);
        assert_eq!(backlog.first(true), None);
        assert_eq!(backlog.pop(false).len(), 2);
        assert!(backlog.pop(false).is_empty());
    }

    #[test]
    fn what_cannot_be_is_made_possible_and_the_rest_kept() {
        let kept = Job::from(&job(7, 9, 3));
        assert_eq!((kept.token, kept.due.as_nanos(), kept.count), (7, 9, 3));
        assert_eq!((kept.size, kept.dscp), (56, 34));
        assert!(kept.dont_fragment && kept.planned);
        assert_eq!(kept.timeout(), Duration::from_millis(900));
        assert_eq!(kept.spacing(), Duration::from_millis(20));
        let mut odd = job(7, 9, 0);
        odd.address = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        odd.check = EchoParams { size: 3, dscp: 0xff, spacing: Duration::MAX, ..odd.check };
        let made = Job::from(&odd);
        assert_eq!((made.count, usize::from(made.size), made.dscp), (1, MARK, 0x3f));
        assert_eq!(made.address, IpAddr::from(Ipv4Addr::LOCALHOST));
        assert!(made.spacing() > Duration::from_secs(3_600));
    }
}
