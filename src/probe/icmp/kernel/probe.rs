//! One probe under way: its echoes to send and what is known of them.

use std::net::IpAddr;
use std::time::Duration;

use super::super::PingDone;
use super::super::pacing::{Pacing, Turn};
use super::super::tally::{Summary, Tally};
use super::backlog::Job;
use crate::model::{Failure, LocalFailure, Mono, Now};

/// A probe. Most send one echo and have learned nothing until they are over, so what trains need
/// is kept apart.
#[derive(Debug, Clone)]
pub(super) struct Probe {
    token: u64,
    /// Tells it from others that had the same number before.
    pub(super) serial: u32,
    pub(super) lane: u16,
    /// Bytes of payload.
    pub(super) size: u16,
    pub(super) address: IpAddr,
    pub(super) timeout: Duration,
    /// When the first request left, or would have; its time, until then.
    pub(super) started: Mono,
    course: Option<Box<Course>>,
}

/// What a probe needs whose result is more than the fate of one echo.
#[derive(Debug, Clone)]
struct Course {
    count: u16,
    /// Requests taken from the queue so far.
    next: u16,
    /// Requests whose fate is not known yet, those to be sent included.
    open: u16,
    pacing: Pacing,
    tally: Tally,
}

impl Probe {
    /// A probe that has not begun.
    pub(super) fn new(job: &Job, serial: u32, lane: u16) -> Self {
        let &Job { count, size, .. } = job;
        let pacing = Pacing::new(job.spacing(), job.planned);
        let course =
            |count| Course { count, next: 0, open: count, pacing, tally: Tally::new(count) };
        Self {
            token: job.token,
            serial,
            lane,
            size,
            address: job.address,
            timeout: job.timeout(),
            started: job.due,
            course: (count > 1).then(|| Box::new(course(count))),
        }
    }

    /// The next request, due at `due`, has its turn now. Returns its place in the train, none if it
    /// is to stay, and when the one behind it is due.
    pub(super) fn advance(&mut self, due: Mono, now: Mono) -> (Option<u16>, Option<Mono>) {
        let is_first = self.course.as_ref().is_none_or(|course| course.next == 0);
        if is_first {
            self.started = now;
        }
        let Some(course) = &mut self.course else { return (Some(0), None) };
        let index = course.next;
        course.next += 1;
        let Turn { leaves, next } = course.pacing.turn(is_first, due, now);
        (leaves.then_some(index), (course.next < course.count).then_some(next))
    }

    /// Until when a request due at `due`, whose turn is now, may wait for its socket: one of a
    /// train must not come close to the next, any other is good for nothing past its limit.
    pub(super) fn latest(&self, due: Mono, now: Mono) -> Mono {
        let train = self.course.as_ref().filter(|course| course.count > 1);
        let patience = train.and_then(|course| course.pacing.patience());
        patience.map_or(due + self.timeout, |patience| now + patience)
    }

    /// Notes what does not end an echo.
    pub(super) fn note(&mut self, what: impl FnOnce(&mut Tally)) {
        let one = || {
            let (count, tally) = (1, Tally::new(1));
            let pacing = Pacing::new(Duration::ZERO, false);
            Box::new(Course { count, next: 1, open: 1, pacing, tally })
        };
        what(&mut self.course.get_or_insert_with(one).tally);
    }

    /// The fate of one more echo is known. Returns all that is known if it was the last.
    pub(super) fn settle(&mut self, fate: impl FnOnce(&mut Tally)) -> Option<Tally> {
        let Some(course) = &mut self.course else {
            let mut tally = Tally::new(1);
            fate(&mut tally);
            return Some(tally);
        };
        fate(&mut course.tally);
        course.open = course.open.saturating_sub(1);
        if course.open > 0 {
            return None;
        }
        self.course.take().map(|course| course.tally)
    }

    /// The result, known at `now`. `clock` ties its times to the wall clock.
    pub(super) fn done(&self, tally: Tally, now: Mono, clock: Now) -> PingDone {
        let started = self.started(clock);
        let Summary { lost, heard, result } = tally.result();
        PingDone { token: self.token, started, finished: now, lost, heard, result }
    }

    /// The result when the engine stops at `now`: what was seen of a part says nothing.
    pub(super) fn stopped(&self, now: Now) -> PingDone {
        let result = Err(Failure::Local(LocalFailure::Stopping));
        let started = self.started(now);
        PingDone { token: self.token, started, finished: now.mono, lost: 0, heard: None, result }
    }

    fn started(&self, clock: Now) -> Now {
        Now { mono: self.started, wall: clock.wall_at(self.started) }
    }
}
