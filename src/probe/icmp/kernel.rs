//! The echo engine of our own for Linux.
//!
//! One thread sends and receives in batches and measures by the kernel's time stamps, so that
//! neither many targets nor a busy machine bend what it says. `core` decides, over `backlog` (what
//! is to be done), `probe` (what is known of each), `queue` (what is due), `table` (what is under
//! way), `fill` (whether buffers were full), `stamps` (what time it was), `coarse` (whether that is
//! known) and `departures` (whether requests are seen to leave); all nine are pure. `run` is the
//! thread, `socket`, `transmit` and `receive` are its hands; `emulated` is `core` without them.

mod backlog;
mod coarse;
mod core;
mod departures;
mod emulated;
mod fill;
mod probe;
mod queue;
mod receive;
mod run;
mod socket;
mod stamps;
mod table;
mod transmit;

use std::collections::hash_map::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

pub use self::emulated::{Coming, Emulated, Network, Request, What};

use self::backlog::Portion;
use self::core::Core;
use self::queue::Lags;
use self::run::Engine;
use self::socket::Socket;
use super::manner::Manner;
use super::{PingJob, Pinger, Sink, StartError, errno, warn_of_small_buffer};
use crate::clock::Clock;
use crate::config::IcmpSettings;
use crate::model::{EngineHealth, Mono};

/// The engine, as its owner sees it.
pub(super) struct Kernel {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the owner and the thread share.
struct Shared {
    inbox: Mutex<Inbox>,
    wake: EventFd,
    health: Mutex<EngineHealth>,
}

/// What the thread has not taken in yet.
#[derive(Default)]
struct Inbox {
    portions: Vec<Portion>,
    /// When the thread looks again by itself. Zero while it is awake.
    awake_at: Mono,
    /// How long after their time requests may leave.
    lags: Lags,
    stopped: bool,
}

impl Inbox {
    /// Whether some of this would have to wait here for longer than it may.
    fn is_urgent(&self, portions: &[Portion]) -> bool {
        let by = |portion: &Portion| portion.due + self.lags.of(portion.is_strict());
        portions.iter().any(|portion| by(portion) < self.awake_at)
    }
}

impl Kernel {
    /// Tries whether this machine lets us have a socket with all that the engine needs, and returns
    /// the receive buffer that it grants.
    ///
    /// # Errors
    /// When no socket is permitted, or one lacks something.
    pub(super) fn can_start(settings: &IcmpSettings) -> Result<u32, StartError> {
        let opened = Socket::open(Manner::PLAIN, 1, settings.receive_buffer);
        opened.map(|socket| socket.receive_buffer).map_err(|error| match errno(&error) {
            Errno::EACCES | Errno::EPERM => StartError::NotPermitted(error),
            _ => StartError::Socket(error),
        })
    }

    /// Tries whether sockets are permitted and starts the thread.
    ///
    /// # Errors
    /// When no socket is permitted or no thread can be had.
    pub(super) fn start(
        settings: &IcmpSettings,
        clock: Clock,
        sink: Sink,
    ) -> Result<Self, StartError> {
        warn_of_small_buffer(settings.receive_buffer, Self::can_start(settings)?);
        let mut ident = [0; 2];
        getrandom::fill(&mut ident).map_err(|error| StartError::Thread(error.into()))?;
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)
            .map_err(|errno| StartError::Thread(errno.into()))?;
        let shared = Arc::new(Shared { inbox: Mutex::default(), wake, health: Mutex::default() });
        let of_thread = Arc::clone(&shared);
        let (receive_buffer, first_ident) = (settings.receive_buffer, u16::from_ne_bytes(ident));
        let run = move || {
            let core = Core::new(RandomState::new(), clock.now());
            Engine::new(of_thread, sink, core, clock, receive_buffer, first_ident).run();
        };
        let thread = thread::Builder::new()
            .name("echo-kernel".to_owned())
            .spawn(run)
            .map_err(StartError::Thread)?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Pinger for Kernel {
    fn submit(&self, jobs: Vec<PingJob>) {
        let portions: Vec<Portion> = Portion::of(&jobs).collect();
        drop(jobs);
        let mut inbox = self.shared.inbox();
        let wake = inbox.is_urgent(&portions);
        inbox.portions.extend(portions);
        drop(inbox);
        if wake {
            self.shared.wake_up();
        }
    }

    fn health(&self) -> EngineHealth {
        let waiting: usize = self.shared.inbox().portions.iter().map(Portion::len).sum();
        let mut health = self.shared.health();
        let mut reading = EngineHealth { name: self.name(), sees_all: true, ..*health };
        health.worst_lateness = Duration::ZERO;
        reading.in_flight =
            reading.in_flight.saturating_add(u32::try_from(waiting).unwrap_or(u32::MAX));
        reading
    }

    fn name(&self) -> &'static str {
        "kernel"
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.shared.inbox().stopped = true;
        self.shared.wake_up();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn health(&self) -> MutexGuard<'_, EngineHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the thread's sleep.
    fn wake_up(&self) {
        // Fails only when it has been told four billion billion times already.
        let _ = self.wake.write(1);
    }

    /// Takes back [`Self::wake_up`].
    fn rest(&self) {
        // There may be nothing to take back.
        let _ = self.wake.read();
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::super::EchoParams;
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn job(due: u32, count: u16) -> PingJob {
        let (dont_fragment, planned) = (false, false);
        let check = EchoParams { count, spacing: MS, size: 56, dscp: 0, dont_fragment, planned };
        let address = Ipv4Addr::LOCALHOST.into();
        PingJob { token: 0, address, check, timeout: 900 * MS, due: Mono::ZERO + MS * due }
    }

    /// Whether the thread has to be woken for these.
    fn is_urgent(inbox: &Inbox, jobs: &[PingJob]) -> bool {
        inbox.is_urgent(&Portion::of(jobs).collect::<Vec<_>>())
    }

    #[test]
    fn the_thread_is_woken_only_for_what_cannot_wait_until_it_wakes_by_itself() {
        let lags = Lags::new(MS, 9 * MS);
        let inbox = Inbox { awake_at: Mono::ZERO + 100 * MS, lags, ..Inbox::default() };
        assert!(!is_urgent(&inbox, &[job(91, 1), job(200, 1)]));
        assert!(is_urgent(&inbox, &[job(200, 1), job(90, 1)]));
        assert!(!is_urgent(&inbox, &[job(99, 2)]));
        assert!(is_urgent(&inbox, &[job(98, 2), job(91, 1)]), "a train keeps its time");
        let asleep = Inbox { awake_at: Mono::NEVER, lags, ..Inbox::default() };
        assert!(is_urgent(&asleep, &[job(10_000, 1)]));
        assert!(!is_urgent(&Inbox::default(), &[job(0, 1)]), "it is awake");
    }
}
