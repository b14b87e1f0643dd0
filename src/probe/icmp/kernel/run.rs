//! The thread of the engine: it reads clocks and sockets, lets the core decide, sends what the
//! core says and sleeps until the core wants to be woken.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

use super::super::blind::Suspense;
use super::super::{PERMISSION, Sink, errno, local_failure};
use super::Shared;
use super::coarse::Coarse;
use super::core::{Core, Unsendable};
use super::receive::Receiver;
use super::socket::{Drops, Socket};
use super::stamps::{Reading, Stamps};
use super::transmit::{Outbox, Transmitter};
use crate::clock::Clock;
use crate::model::{EngineHealth, LocalFailure, Mono, Now};

/// Requests between two looks at the sockets, so that neither of their queues overflows.
const BURST: usize = 256;

/// What a packet takes of a socket's buffer besides its bytes, which themselves count up to half
/// as much again: the kernel's bookkeeping.
const OVERHEAD: usize = 768;

/// Being back later than this means that silence proves nothing.
const STALL: Duration = Duration::from_millis(100);

/// How often the drop counters are read while replies are awaited.
const WATCH: Duration = Duration::from_millis(100);

/// How soon a socket without room is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// Both clocks, and what ties them together.
pub(super) struct Clocks {
    clock: Clock,
    pub(super) stamps: Stamps,
}

impl Clocks {
    fn new(clock: Clock) -> Self {
        let stamps = Stamps::new(reading(clock).1);
        Self { clock, stamps }
    }

    /// Reads both clocks and returns monotonic time.
    pub(super) fn observe(&mut self) -> Mono {
        self.now().mono
    }

    fn now(&mut self) -> Now {
        let (now, reading) = reading(self.clock);
        self.stamps.observe(reading);
        now
    }
}

/// Why nothing is sent when there is no socket to send it by.
fn no_socket(error: &io::Error) -> LocalFailure {
    match errno(error) {
        Errno::EACCES | Errno::EPERM => LocalFailure::Forbidden(PERMISSION.to_owned()),
        _ => local_failure(error),
    }
}

fn reading(clock: Clock) -> (Now, Reading) {
    let before = clock.mono();
    let wall = Timestamp::now();
    let after = clock.mono();
    let nanos = i64::try_from(wall.as_nanosecond()).unwrap_or(i64::MAX);
    (Now { mono: after, wall }, Reading { before, wall: nanos, after })
}

/// The thread's possessions.
pub(super) struct Engine {
    shared: Arc<Shared>,
    sink: Sink,
    core: Core,
    clocks: Clocks,
    outlets: Vec<Outlet>,
    transmitter: Transmitter,
    receiver: Receiver,
    receive_buffer: u32,
    first_ident: u16,
    /// When we meant to be back.
    expected: Mono,
    suspense: Suspense,
    /// When the drop counters were read last.
    watched: Mono,
    /// When the sockets were read last, and the time before.
    drained: (Mono, Mono),
    /// Room in a socket's buffer that the replies to the last burst may take.
    awaited: usize,
    coarse: Coarse,
}

/// A socket of a lane and what waits to leave by it.
struct Outlet {
    lane: u16,
    number: u32,
    socket: Socket,
    outbox: Outbox,
    /// Whether something may have arrived: we sent, or the kernel says so.
    stirred: bool,
    /// When it was last read to the end.
    emptied: Mono,
}

impl Engine {
    pub(super) fn new(
        shared: Arc<Shared>,
        sink: Sink,
        core: Core,
        clock: Clock,
        receive_buffer: u32,
        first_ident: u16,
    ) -> Self {
        Self {
            shared,
            sink,
            core,
            clocks: Clocks::new(clock),
            outlets: Vec::new(),
            transmitter: Transmitter::new(),
            receiver: Receiver::new(),
            receive_buffer,
            first_ident,
            expected: Mono::NEVER,
            suspense: Suspense::new(Clock::suspended(), clock.mono()),
            watched: Mono::ZERO,
            drained: (Mono::ZERO, Mono::ZERO),
            awaited: 0,
            coarse: Coarse::default(),
        }
    }

    /// Runs until the owner is gone.
    pub(super) fn run(mut self) {
        loop {
            let now = self.clocks.now();
            self.notice_stall(now.mono);
            let stopped = self.take_jobs();
            if stopped {
                self.core.stop(now);
                self.deliver();
                return;
            }
            let is_more_due = self.send(now);
            // What has arrived by now is read below, so what then stays unanswered was not
            // answered by now. Of what comes while we read, or are kept from it, that is not known.
            let now = self.clocks.observe();
            let is_expiring = self.core.is_expiring(now);
            let is_more_there = self.receive(is_expiring);
            if is_expiring || now - self.watched > WATCH {
                let now = self.clocks.observe();
                self.watch(now);
            }
            let Self { core, receiver, .. } = &mut self;
            core.expire(now, |now| receiver.own(now));
            self.deliver();
            self.expected = now;
            if !is_more_due && !is_more_there {
                self.sleep();
            }
        }
    }

    /// Being away for long means that whatever stayed unanswered since is unknown.
    fn notice_stall(&mut self, now: Mono) {
        let late = (now - self.expected > STALL).then_some(self.expected);
        let suspended = self.suspense.look(Clock::suspended(), now);
        if let Some(since) = suspended.or(late) {
            self.core.health().missed_ticks += 1;
            self.core.blind(since, now);
        }
    }

    /// Takes in what was submitted. Returns whether the owner is gone.
    fn take_jobs(&mut self) -> bool {
        let mut inbox = self.shared.inbox();
        inbox.awake_at = Mono::ZERO;
        let portions = std::mem::take(&mut inbox.portions);
        let stopped = inbox.stopped;
        drop(inbox);
        for portion in &portions {
            self.receiver.make_room(portion.largest());
        }
        self.core.accept(portions);
        stopped
    }

    /// Sends a burst of what is due. Returns whether more is due.
    ///
    /// The socket's buffer holds each request twice until we look: as the copy that comes back with
    /// its time stamp, and as the reply, which may be there at once. Replies to the burst before
    /// may wait in it as well.
    fn send(&mut self, now: Now) -> bool {
        let buffers = self.outlets.iter().map(|outlet| outlet.socket.receive_buffer);
        let buffer = buffers.min().unwrap_or(self.receive_buffer) as usize;
        let mut room = buffer.saturating_sub(std::mem::take(&mut self.awaited));
        let mut taken = 0;
        while taken < BURST
            && room > 0
            && let Some(outgoing) = self.core.next_send(now)
        {
            taken += 1;
            let bytes = usize::from(outgoing.size);
            let each = bytes + bytes / 2 + OVERHEAD;
            room = room.saturating_sub(2 * each);
            self.awaited += each;
            match self.outlet(outgoing.lane, outgoing.socket()) {
                Ok(outlet) => outlet.outbox.push(outgoing),
                Err(error) => {
                    let why = Unsendable::Ours(no_socket(&error));
                    self.core.unsendable(outgoing.lane, outgoing.slot, why, now.mono);
                }
            }
        }
        let Self { outlets, core, transmitter, clocks, .. } = self;
        for outlet in outlets {
            if !outlet.outbox.is_empty() {
                transmitter.flush(core, &outlet.socket, &mut outlet.outbox, clocks.clock);
                outlet.stirred = true;
            }
        }
        taken == BURST || room == 0
    }

    /// The socket number `number` of a lane, opened when first needed.
    fn outlet(&mut self, lane: u16, number: u32) -> io::Result<&mut Outlet> {
        let found =
            self.outlets.iter().position(|outlet| (outlet.lane, outlet.number) == (lane, number));
        let at = match found {
            Some(at) => at,
            None => {
                let manner = self.core.manner(lane).ok_or(Errno::EINVAL)?;
                // Each has another one, and none has zero.
                let nth = usize::from(self.first_ident) + self.outlets.len();
                let ident = u16::try_from(1 + nth % usize::from(u16::MAX)).unwrap_or(1);
                let socket = Socket::open(manner, ident, self.receive_buffer)?;
                let outbox = Outbox::default();
                let emptied = self.clocks.clock.mono();
                self.outlets.push(Outlet { lane, number, socket, outbox, stirred: true, emptied });
                self.outlets.len() - 1
            }
        };
        Ok(&mut self.outlets[at])
    }

    /// Reads every socket, or every one at which something may have arrived. Returns whether there
    /// is more at any: a flood must not keep us from sending and from giving results. What it keeps
    /// us from reading may be an answer, so until the socket is empty its silence proves nothing.
    fn receive(&mut self, every: bool) -> bool {
        let Self { outlets, core, receiver, clocks, drained, .. } = self;
        let mut is_more_there = false;
        for outlet in outlets {
            if std::mem::take(&mut outlet.stirred) || every {
                let lane = (outlet.lane, outlet.number);
                let began = clocks.clock.mono();
                if receiver.drain(core, &mut outlet.socket, lane, clocks) {
                    outlet.emptied = began;
                } else {
                    core.blind_in(outlet.lane, outlet.emptied, clocks.clock.mono());
                    outlet.stirred = true;
                    is_more_there = true;
                }
                *drained = (clocks.clock.mono(), drained.0);
            }
        }
        is_more_there
    }

    /// Reads the drop counters. What was dropped for want of room makes the time since the last
    /// look one in which silence at that socket proves nothing; what was damaged belonged to
    /// nobody. A damaged packet is dropped once at every socket that looks at checksums.
    fn watch(&mut self, now: Mono) {
        let mut damaged = 0;
        for outlet in &mut self.outlets {
            match outlet.socket.new_drops() {
                Some(Drops::Crowded(drops)) => {
                    self.core.health().socket_drops += u64::from(drops);
                    self.core.blind_in(outlet.lane, self.watched, now);
                }
                Some(Drops::Damaged(drops)) => damaged = damaged.max(drops),
                None => {}
            }
        }
        let health = self.core.health();
        health.truncated += u64::from(damaged);
        match self.coarse.note(health.received, health.coarse_stamps, now) {
            None => {}
            Some(true) => tracing::warn!(
                "the kernel does not stamp the time of most echoes, so what this machine itself \
                 takes adds to their round trips: the network interface or its driver has no \
                 software time stamps (ethtool -T)"
            ),
            Some(false) => tracing::info!("the kernel stamps the time of most echoes again"),
        }
        self.watched = now;
    }

    /// Hands out what is over. Whoever gets a result finds it counted.
    fn deliver(&mut self) {
        self.publish();
        let done = self.core.take_done();
        if !done.is_empty() {
            (self.sink)(done);
        }
    }

    fn publish(&mut self) {
        let in_flight = self.core.in_flight();
        let sockets = u32::try_from(self.outlets.len()).unwrap_or(u32::MAX);
        let receive_buffer = self.outlets.last().map_or(0, |outlet| outlet.socket.receive_buffer);
        let clock_steps = self.clocks.stamps.steps();
        let mut shared = self.shared.health();
        let worst_lateness = shared.worst_lateness.max(self.core.health().worst_lateness);
        *shared = EngineHealth {
            worst_lateness,
            in_flight,
            sockets,
            receive_buffer,
            clock_steps,
            ..*self.core.health()
        };
        self.core.health().worst_lateness = Duration::ZERO;
    }

    /// Sleeps until something is due, arrives or is submitted.
    fn sleep(&mut self) {
        let is_blocked = self.outlets.iter().any(|outlet| !outlet.outbox.is_empty());
        let now = self.clocks.clock.mono();
        let until =
            [self.core.next_wake(), self.core.next_limit(), is_blocked.then(|| now + RETRY)]
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(Mono::NEVER);
        {
            let mut inbox = self.shared.inbox();
            if inbox.stopped || !inbox.portions.is_empty() {
                self.expected = now;
                return;
            }
            (inbox.awake_at, inbox.lags) = (until, self.core.lags());
        }
        self.expected = until;
        let (last, before) = self.drained;
        let rest = self.core.rest();
        let rested = last + rest;
        if last - before < rest && now < rested {
            // Replies come thick: let some gather. Submissions and what is due still wake us.
            let woken = self.wait(until.min(rested), false);
            if until <= rested {
                // The next requests leave first; then everything is read.
                self.outlets.iter_mut().for_each(|outlet| outlet.stirred = true);
            }
            if woken || until <= rested {
                return;
            }
        }
        self.wait(until, true);
    }

    /// Waits until `until` for a submission and, if wanted, for what arrives. Returns whether
    /// something was submitted.
    fn wait(&mut self, until: Mono, sockets: bool) -> bool {
        let mut polled = Vec::with_capacity(1 + self.outlets.len());
        polled.push(PollFd::new(self.shared.wake.as_fd(), PollFlags::POLLIN));
        if sockets {
            polled.extend(
                self.outlets
                    .iter()
                    .map(|outlet| PollFd::new(outlet.socket.as_fd(), PollFlags::POLLIN)),
            );
        }
        let timeout = (until != Mono::NEVER)
            .then(|| TimeSpec::from_duration(until - self.clocks.clock.mono()));
        // An interrupted or refused wait is followed by a look at everything, which is harmless.
        let ready = ppoll(&mut polled, timeout, None).unwrap_or(0);
        if ready == 0 {
            return false;
        }
        let stirred = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        let woken = stirred(&polled[0]);
        let stirred: Vec<bool> = polled[1..].iter().map(stirred).collect();
        for (outlet, stirred) in self.outlets.iter_mut().zip(stirred) {
            outlet.stirred |= stirred;
        }
        if woken {
            self.shared.rest();
        }
        woken
    }
}
