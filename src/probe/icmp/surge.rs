//! The portable echo engine: surge-ping, with its traps closed.
//!
//! It runs in a single-threaded runtime on a thread of its own: with more workers it stamps some
//! replies before their requests. It measures in user space, so a busy machine adds to its round
//! trips, and it learns why a host is unreachable only on raw sockets.

mod client;

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use surge_ping::{IcmpPacket, SurgeError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::client::{Client, Clients, Kind};
use super::blind::Blindness;
use super::tally::Tally;
use super::{PingDone, PingJob, Pinger, Sink, StartError, local_failure, refused_by_own_interface};
use crate::clock::Clock;
use crate::config::IcmpSettings;
use crate::model::{EngineHealth, IcmpError, LocalFailure, Mono};
use crate::wire::icmp::{ECHO_HEADER, Family, MARK, MAX_PAYLOAD, is_refusal, meaning};

/// How often the engine looks after itself.
const TICK: Duration = Duration::from_millis(50);

/// Being woken later than this means that silence proves nothing.
const STALL: Duration = Duration::from_millis(100);

/// How long a time of blindness is remembered; longer than any echo is waited for.
const MEMORY: Duration = Duration::from_secs(120);

/// What surge-ping reads of a packet; the rest of a longer one is cut off.
const SURGE_READS: usize = 2048;

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
            // The commonest class; a machine on which even this fails should not start.
            clients.get(Family::V4, 0, false)?;
            clients
        };
        let (jobs, inbox) = unbounded_channel();
        let engine = Engine {
            clock,
            clients: Mutex::new(clients),
            health: Arc::clone(&health),
            blind: Mutex::new(Blindness::default()),
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
    stop: CancellationToken,
}

/// Takes jobs and hands out results until the owner is gone; then answers what is still open.
async fn run(engine: Rc<Engine>, mut inbox: UnboundedReceiver<Vec<PingJob>>, sink: Sink) {
    let (results, mut outbox) = unbounded_channel();
    let probes = TaskTracker::new();
    let mut watch = Watch::new(engine.clock.mono());
    loop {
        let tick = engine.clock.instant(watch.next).into();
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
            () = sleep_until(tick) => watch.tick(&engine),
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
    next: Mono,
    drops: u64,
}

impl Watch {
    fn new(now: Mono) -> Self {
        Self { next: now + TICK, drops: 0 }
    }

    /// A tick that comes far too late, or packets that the kernel had to drop, make the time
    /// since the last tick one in which silence proves nothing.
    fn tick(&mut self, engine: &Engine) {
        let now = engine.clock.mono();
        let before = self.next.earlier(TICK);
        let stalled = now - self.next > STALL;
        let clients = lock(&engine.clients);
        let drops = clients.drops();
        let mut health = lock(&engine.health);
        health.missed_ticks += u64::from(stalled);
        health.socket_drops = drops;
        health.receive_buffer = clients.granted_buffer();
        health.sockets = clients.sockets();
        let mut blind = lock(&engine.blind);
        if stalled || drops != self.drops {
            blind.record(before, now);
        }
        blind.forget(now.earlier(MEMORY));
        self.drops = drops;
        self.next = now + TICK;
    }
}

/// The fate of one echo.
enum Fate {
    Answered { rtt: Duration, ttl: Option<u8> },
    Refused(IcmpError),
    Cut { got: u16, sent: u16 },
    Lost,
    Unknown(LocalFailure),
}

/// Runs one job to its end.
async fn probe(engine: &Rc<Engine>, job: PingJob) -> PingDone {
    let mut tally = Tally::new(job.check.count);
    let started = match begin(engine, &job).await {
        Ok(client) => {
            let started = engine.clock.now();
            train(engine, &client, &job, started.mono, &mut tally).await;
            started
        }
        Err(failure) => {
            tally.unknown(failure);
            engine.clock.now()
        }
    };
    let finished = engine.clock.mono();
    PingDone { token: job.token, started, finished, result: tally.result() }
}

/// Waits until the job is due and finds the socket for it.
async fn begin(engine: &Engine, job: &PingJob) -> Result<Client, LocalFailure> {
    sleep_or_stop(engine, job.due).await?;
    let late = engine.clock.mono() - job.due;
    {
        let mut health = lock(&engine.health);
        health.worst_lateness = health.worst_lateness.max(late);
        if late > job.timeout {
            health.unknown += 1;
            return Err(LocalFailure::Late);
        }
    }
    let family = Family::of(job.address.to_canonical());
    lock(&engine.clients).get(family, job.check.dscp, job.check.dont_fragment).map_err(|error| {
        match error {
            StartError::NotPermitted(_) => LocalFailure::Forbidden(error.to_string()),
            StartError::Socket(source) => local_failure(&source),
            other => LocalFailure::Other(other.to_string()),
        }
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
    started: Mono,
    tally: &mut Tally,
) {
    if job.check.count <= 1 {
        judge(tally, 0, echo(engine, client, job).await);
        return;
    }
    let mut echoes = JoinSet::new();
    for index in 0..job.check.count {
        let at = started + job.check.spacing * u32::from(index);
        let (engine, client, job) = (Rc::clone(engine), client.clone(), *job);
        echoes.spawn_local(async move {
            match sleep_or_stop(&engine, at).await {
                Ok(()) => (index, echo(&engine, &client, &job).await),
                Err(failure) => (index, Fate::Unknown(failure)),
            }
        });
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
        Fate::Cut { got, sent } => {
            tally.cut(got, sent);
            tally.lost();
        }
        Fate::Lost => tally.lost(),
        Fate::Unknown(ours) => tally.unknown(ours),
    }
}

/// Sends one echo request and waits for what becomes of it.
async fn echo(engine: &Engine, client: &Client, job: &PingJob) -> Fate {
    let address = job.address.to_canonical();
    let size = job.check.size.clamp(u16::try_from(MARK).unwrap_or(0), MAX_PAYLOAD);
    let payload = vec![0x56; usize::from(size)];
    let sent = engine.clock.mono();
    lock(&engine.health).sent += 1;
    let answer = tokio::select! {
        biased;
        () = engine.stop.cancelled() => return Fate::Unknown(LocalFailure::Stopping),
        answer = client.ping(address, &payload, job.timeout) => answer,
    };
    let now = engine.clock.mono();
    let mut health = lock(&engine.health);
    match answer {
        Ok((packet, rtt)) => {
            let fate = read(&packet, address, rtt, now - sent, payload.len());
            match fate {
                Fate::Answered { .. } => health.received += 1,
                Fate::Refused(_) => health.refused += 1,
                Fate::Cut { .. } => health.truncated += 1,
                Fate::Lost | Fate::Unknown(_) => {}
            }
            fate
        }
        Err(SurgeError::Timeout { .. }) => {
            let overdue = now - (sent + job.timeout) > STALL;
            if overdue || lock(&engine.blind).covers(sent, now) {
                health.unknown += 1;
                Fate::Unknown(LocalFailure::Late)
            } else {
                Fate::Lost
            }
        }
        Err(SurgeError::IOError(error)) => {
            health.send_errors += 1;
            refused_by_own_interface(Family::of(address), &error)
                .map_or_else(|| Fate::Unknown(local_failure(&error)), Fate::Refused)
        }
        Err(SurgeError::IdenticalRequests { .. }) => Fate::Unknown(LocalFailure::Overloaded),
        Err(other) => Fate::Unknown(LocalFailure::Other(other.to_string())),
    }
}

/// What a packet that surge-ping matched to the request means. It matches ICMP errors as well.
///
/// `elapsed` is the time around the whole exchange: it stands in for a round trip of zero, which
/// surge-ping gives when it stamped the reply before it stamped the request.
fn read(
    packet: &IcmpPacket,
    asked: IpAddr,
    rtt: Duration,
    elapsed: Duration,
    payload: usize,
) -> Fate {
    let (family, icmp_type, icmp_code, source, size, ttl) = match packet {
        IcmpPacket::V4(packet) => (
            Family::V4,
            packet.get_icmp_type().0,
            packet.get_icmp_code().0,
            IpAddr::V4(packet.get_source()),
            packet.get_size(),
            packet.get_ttl(),
        ),
        IcmpPacket::V6(packet) => (
            Family::V6,
            packet.get_icmpv6_type().0,
            packet.get_icmpv6_code().0,
            IpAddr::V6(packet.get_source()),
            packet.get_size(),
            None,
        ),
    };
    let is_reply = match family {
        Family::V4 => icmp_type == 0,
        Family::V6 => icmp_type == 129,
    };
    if is_reply && source == asked {
        let got = size.saturating_sub(ECHO_HEADER);
        // What surge-ping itself cut off cannot be held against the other end; 20 bytes of
        // header stand before the message on a raw socket.
        if got < payload.min(SURGE_READS - ECHO_HEADER - 20) {
            let narrow = |bytes| u16::try_from(bytes).unwrap_or(u16::MAX);
            return Fate::Cut { got: narrow(got), sent: narrow(payload) };
        }
        return Fate::Answered { rtt: if rtt.is_zero() { elapsed } else { rtt }, ttl };
    }
    if is_refusal(family, icmp_type) {
        let kind = meaning(family, icmp_type, icmp_code, 0);
        return Fate::Refused(IcmpError { kind, icmp_type, icmp_code, offender: Some(source) });
    }
    Fate::Lost
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
