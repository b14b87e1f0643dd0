//! An echo engine whose network is the emulated province: real time, no socket, no packet.
//!
//! It is handed to [`Probes`](crate::probe::Probes) in place of a real one, so that everything
//! above the engine runs on as it does in service, on any machine and without any right.
//! Everything happens at its own time, however late the thread wakes.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use super::world::World;
use crate::clock::Clock;
use crate::model::{EngineHealth, Mono};
use crate::probe::icmp::{Emulated, PingJob, Pinger, Sink};

/// The engine, as its owner sees it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    inbox: Mutex<Inbox>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Inbox {
    jobs: Vec<PingJob>,
    health: EngineHealth,
    stopped: bool,
}

impl Engine {
    /// Starts the engine over `world`, in which its owner may break and mend things meanwhile.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn start(world: Arc<Mutex<World>>, clock: Clock, sink: Sink) -> std::io::Result<Self> {
        let shared = Arc::new(Shared { inbox: Mutex::default(), bell: Condvar::new() });
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("echo-emulated".to_owned())
            .spawn(move || run(&of_thread, &world, clock, &sink))?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Pinger for Engine {
    fn submit(&self, jobs: Vec<PingJob>) {
        let mut inbox = lock(&self.shared.inbox);
        inbox.jobs.extend(jobs);
        self.shared.bell.notify_one();
    }

    fn health(&self) -> EngineHealth {
        let inbox = lock(&self.shared.inbox);
        let waiting = u32::try_from(inbox.jobs.len()).unwrap_or(u32::MAX);
        let in_flight = inbox.health.in_flight.saturating_add(waiting);
        EngineHealth { name: self.name(), sees_all: true, in_flight, ..inbox.health }
    }

    fn name(&self) -> &'static str {
        "emulated"
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        lock(&self.shared.inbox).stopped = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// Takes jobs and hands out results until the owner is gone; then answers what is still open.
fn run(shared: &Shared, world: &Mutex<World>, clock: Clock, sink: &Sink) {
    let mut engine = Emulated::new(clock.now());
    let mut stopped = false;
    while !stopped {
        let mut inbox = lock(&shared.inbox);
        let next = engine.next_event().unwrap_or(Mono::NEVER);
        if inbox.jobs.is_empty() && !inbox.stopped {
            let patience = next - clock.mono();
            let woken = shared.bell.wait_timeout(inbox, patience);
            inbox = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        let jobs = std::mem::take(&mut inbox.jobs);
        stopped = inbox.stopped;
        drop(inbox);
        engine.submit(&jobs);
        let now = clock.now();
        let mut done = engine.advance(now, &mut *lock(world));
        if stopped {
            done.extend(engine.stop(now));
        }
        let health = EngineHealth { in_flight: engine.in_flight(), ..*engine.health() };
        lock(&shared.inbox).health = health;
        if !done.is_empty() {
            sink(done);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
