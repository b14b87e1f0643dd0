//! The echo engine that needs less of Linux: surge-ping, with its traps closed.
//!
//! It runs in a single-threaded runtime on a thread of its own: with more workers it stamps some
//! replies before their requests. It measures in user space, so a busy machine adds to its round
//! trips, and it learns why a host is unreachable only on raw sockets.
//!
//! Its channels have no bound and need none: every result answers a job, and whoever submits jobs
//! has only so many under way. Bounded ones would make the brain wait for this engine.

mod client;
mod echo;
mod sys;

use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Client, Clients, Dropped, Kind};
use self::echo::{Fate, echo};
use super::belated::Belated;
use super::blind::{Blindness, Suspense};
use super::manner::Manner;
use super::own::OwnSince;
use super::pacing::Pacing;
use super::tally::{Summary, Tally};
use super::{
    EchoParams, PingDone, PingJob, Pinger, Sink, StartError, local_failure, warn_of_small_buffer,
};
use crate::clock::Clock;
use crate::config::IcmpSettings;
use crate::model::{EngineHealth, Failure, LocalFailure, Mono};
use crate::wire::icmp::Family;

/// How often the engine looks after itself.
const TICK: Duration = Duration::from_millis(50);

/// Being woken later than this means that silence proves nothing.
const STALL: Duration = Duration::from_millis(100);

/// How long a time of blindness is remembered; longer than any echo is waited for.
const MEMORY: Duration = Duration::from_secs(120);

/// The engine, as its owner sees it.
pub(super) struct Surge {
    jobs: Option<UnboundedSender<Vec<PingJob>>>,
    health: Arc<Mutex<EngineHealth>>,
    thread: Option<JoinHandle<()>>,
}

impl Surge {
    /// Opens the first socket and starts the thread.
    ///
    /// # Errors
    /// When no socket is permitted or no thread can be had.
    pub(super) fn start(
        settings: &IcmpSettings,
        clock: Clock,
        sink: Sink,
    ) -> Result<Self, StartError> {
        let kind = Kind::permitted()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let health = Arc::new(Mutex::new(EngineHealth::default()));
        let clients = {
            let _context = runtime.enter();
            let mut clients = Clients::new(kind, settings.receive_buffer);
            // The commonest manner; a machine on which even this fails should not start.
            clients.get(Manner::PLAIN)?;
            warn_of_small_buffer(settings.receive_buffer, clients.granted_buffer());
            clients
        };
        let (jobs, inbox) = unbounded_channel();
        let engine = Engine {
            clock,
            clients: Mutex::new(clients),
            health: Arc::clone(&health),
            blind: Mutex::default(),
            watch: Mutex::new(Watch::new(clock.mono())),
            belated: Mutex::default(),
            own: Mutex::default(),
            stop: CancellationToken::new(),
        };
        let thread = thread::Builder::new()
            .name("echo-surge".to_owned())
            .spawn(move || LocalSet::new().block_on(&runtime, run(Rc::new(engine), inbox, sink)))
            .map_err(StartError::Thread)?;
        Ok(Self { jobs: Some(jobs), health, thread: Some(thread) })
    }
}

impl Pinger for Surge {
    fn submit(&self, jobs: Vec<PingJob>) {
        if jobs.is_empty() {
            return;
        }
        lock(&self.health).in_flight += u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        if let Some(sender) = &self.jobs {
            // The other end lives until this one is dropped.
            let _ = sender.send(jobs);
        }
    }

    fn health(&self) -> EngineHealth {
        let mut health = lock(&self.health);
        let reading = EngineHealth { name: self.name(), ..*health };
        health.worst_lateness = Duration::ZERO;
        reading
    }

    fn name(&self) -> &'static str {
        "surge"
    }
}

impl Drop for Surge {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread was reported when it happened.
            let _ = thread.join();
        }
    }
}

/// What every probe of the engine uses.
struct Engine {
    clock: Clock,
    clients: Mutex<Clients>,
    health: Arc<Mutex<EngineHealth>>,
    blind: Mutex<Blindness>,
    watch: Mutex<Watch>,
    /// What came too late about addresses that do not answer.
    belated: Mutex<Belated>,
    own: Mutex<OwnSince>,
    stop: CancellationToken,
}

/// Takes jobs and hands out results until the owner is gone; then answers what is still open.
async fn run(engine: Rc<Engine>, mut inbox: UnboundedReceiver<Vec<PingJob>>, sink: Sink) {
    let (results, mut outbox) = unbounded_channel();
    let probes = TaskTracker::new();
    let mut next = engine.clock.mono() + TICK;
    loop {
        let tick = engine.clock.instant(next).into();
        tokio::select! {
            jobs = inbox.recv() => {
                let Some(jobs) = jobs else { break };
                for job in jobs {
                    let (engine, results) = (Rc::clone(&engine), results.clone());
                    probes.spawn_local(async move {
                        let done = probe(&engine, job).await;
                        // The other end outlives every probe.
                        let _ = results.send(done);
                    });
                }
            }
            Some(done) = outbox.recv() => deliver(&engine, done, &mut outbox, &sink),
            () = sleep_until(tick) => {
                let now = engine.clock.mono();
                lock(&engine.watch).look(&engine, now - next > STALL);
                next = now + TICK;
            }
        }
    }
    engine.stop.cancel();
    probes.close();
    probes.wait().await;
    drop(results);
    while let Some(done) = outbox.recv().await {
        deliver(&engine, done, &mut outbox, &sink);
    }
}

/// Hands on `first` and whatever else is ready, in one batch.
fn deliver(
    engine: &Engine,
    first: PingDone,
    outbox: &mut UnboundedReceiver<PingDone>,
    sink: &Sink,
) {
    let mut batch = vec![first];
    while let Ok(done) = outbox.try_recv() {
        batch.push(done);
    }
    let mut health = lock(&engine.health);
    let count = u32::try_from(batch.len()).unwrap_or(u32::MAX);
    health.in_flight = health.in_flight.saturating_sub(count);
    drop(health);
    sink(batch);
}

/// The engine's look at itself.
struct Watch {
    looked: Mono,
    dropped: Dropped,
    suspense: Suspense,
}

impl Watch {
    /// How old a look may be that tells of now.
    const FRESH: Duration = Duration::from_millis(1);

    fn new(now: Mono) -> Self {
        let suspense = Suspense::new(Clock::suspended(), now);
        Self { looked: now, dropped: Dropped::default(), suspense }
    }

    /// A look that comes far too late, packets that the kernel had to drop, or a machine that was
    /// suspended make the time since the last look one in which silence proves nothing.
    fn look(&mut self, engine: &Engine, stalled: bool) {
        let now = engine.clock.mono();
        let before = std::mem::replace(&mut self.looked, now);
        let stalled = self.suspense.look(Clock::suspended(), now).is_some() || stalled;
        let clients = lock(&engine.clients);
        let dropped = clients.drops();
        let crowded = dropped.crowded_since(&self.dropped);
        let mut health = lock(&engine.health);
        health.missed_ticks += u64::from(stalled);
        health.socket_drops += crowded;
        health.receive_buffer = clients.granted_buffer();
        health.sockets = clients.sockets();
        let mut blind = lock(&engine.blind);
        if stalled || crowded > 0 {
            blind.record(before, now);
        }
        blind.forget(now.earlier(MEMORY));
        self.dropped = dropped;
    }

    /// Looks, unless that was just done.
    fn look_again(&mut self, engine: &Engine) {
        if engine.clock.mono() - self.looked > Self::FRESH {
            self.look(engine, false);
        }
    }
}

/// Runs one job to its end.
async fn probe(engine: &Rc<Engine>, job: PingJob) -> PingDone {
    let mut tally = Tally::new(job.check.count);
    let pacing = Pacing::new(job.check.spacing, job.check.planned);
    let started = match begin(engine, &job).await {
        Ok(client) => {
            let started = engine.clock.now();
            train(engine, &client, &job, pacing, &mut tally).await;
            started
        }
        Err(failure) => {
            tally.unknown(failure);
            engine.clock.now()
        }
    };
    let finished = engine.clock.mono();
    let Summary { lost, heard, result } = if engine.stop.is_cancelled() {
        // What was seen of a part says nothing.
        let result = Err(Failure::Local(LocalFailure::Stopping));
        Summary { lost: 0, heard: None, result }
    } else {
        tally.result()
    };
    PingDone { token: job.token, started, finished, lost, heard, result }
}

/// Waits until the job is due and finds the socket for it.
async fn begin(engine: &Engine, job: &PingJob) -> Result<Client, LocalFailure> {
    sleep_or_stop(engine, job.due).await?;
    let late = engine.clock.mono() - job.due;
    {
        let mut health = lock(&engine.health);
        health.worst_lateness = health.worst_lateness.max(late);
        if late > job.timeout {
            health.unsent += u64::from(job.check.count.max(1));
            return Err(LocalFailure::Late);
        }
    }
    let EchoParams { dscp, dont_fragment, .. } = job.check;
    let manner = Manner { family: Family::of(job.address.to_canonical()), dscp, dont_fragment };
    lock(&engine.clients).get(manner).map_err(|error| match error {
        StartError::NotPermitted(_) => LocalFailure::Forbidden(error.to_string()),
        StartError::Socket(source) => local_failure(&source),
        other => LocalFailure::Other(other.to_string()),
    })
}

/// Waits until `until`, or fails because the engine stops.
async fn sleep_or_stop(engine: &Engine, until: Mono) -> Result<(), LocalFailure> {
    tokio::select! {
        biased;
        () = engine.stop.cancelled() => Err(LocalFailure::Stopping),
        () = sleep_until(engine.clock.instant(until).into()) => Ok(()),
    }
}

/// Sends the echoes of a job at their pace and gathers their fates.
async fn train(
    engine: &Rc<Engine>,
    client: &Client,
    job: &PingJob,
    pacing: Pacing,
    tally: &mut Tally,
) {
    if job.check.count <= 1 {
        judge(tally, 0, echo(engine, client, job).await);
        return;
    }
    let mut echoes = JoinSet::new();
    let mut due = job.due;
    for index in 0..job.check.count {
        if sleep_or_stop(engine, due).await.is_err() {
            break;
        }
        let turn = pacing.turn(index == 0, due, engine.clock.mono());
        due = turn.next;
        if !turn.leaves {
            lock(&engine.health).unsent += 1;
            tally.unknown(LocalFailure::Late);
            continue;
        }
        let (engine, client, job) = (Rc::clone(engine), client.clone(), *job);
        echoes.spawn_local(async move { (index, echo(&engine, &client, &job).await) });
    }
    while let Some(echo) = echoes.join_next().await {
        if let Ok((index, fate)) = echo {
            judge(tally, index, fate);
        }
    }
}

fn judge(tally: &mut Tally, index: u16, fate: Fate) {
    match fate {
        Fate::Answered { rtt, ttl } => tally.answered(index, rtt, ttl, None),
        Fate::Refused(error) => tally.refused(error),
        Fate::RefusedBefore(error, heard) => tally.refused_before(error, heard),
        Fate::Slow { after, limit, heard } => tally.slow(after, limit, heard),
        Fate::Barred(error) => tally.barred(error),
        Fate::Cut { got, sent } => {
            tally.cut(got, sent);
            tally.lost();
        }
        Fate::Lost => tally.lost(),
        Fate::Unknown(ours) => tally.unknown(ours),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
