//! The hands: orders in, exactly one outcome for each out.
//!
//! 1. Echoes go to the engine in batches. Everything else is a conversation in a task of its own.
//! 2. So many conversations go on at once; as many again wait, no longer than their time limit.
//!    What is beyond that is answered as overload of ours.
//! 3. An order is answered whatever happens: when its name is not resolved, when its topology is
//!    gone, when its prober panics, when the daemon stops.
//! 4. Two probes of one target never go on at once. The brain sees to that; here it would only cost
//!    a wrong measurement, no harm.

mod settings;
mod shared;

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use self::settings::ProbeSettings;
use self::shared::{Scene, Shared, Ticket};
use super::echoes::{Echoes, Waiting};
use super::icmp::{self, EchoParams, PingJob, Pinger, Sink};
use super::mailbox::Mailbox;
use super::memory::{Explanation, Record};
use super::resolver::{Resolver, ResolverHealth};
use super::tls::Trust;
use crate::clock::Clock;
use crate::model::{
    Check, CheckKind, Effort, EngineHealth, Host, IcmpCheck, LocalFailure, Mono, Outcome,
    ProbeRequest, TargetKey, Topology, chain,
};

/// The hands of the daemon. Dropping them stops everything; [`Probes::stop`] does it in order.
pub struct Probes {
    shared: Arc<Shared>,
    /// Why there is none, in its place.
    engine: Result<Arc<dyn Pinger>, String>,
    resolver: Resolver,
    /// Where conversations go on, whoever orders them.
    runtime: Handle,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probes").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

impl Probes {
    /// Hands for this topology, with the echo engine that the settings name. Needs a tokio runtime.
    ///
    /// Without an echo engine everything else goes on; echo probes then fail locally, with the
    /// reason that [`Probes::engine`] tells.
    #[must_use]
    pub fn start(
        settings: impl Into<ProbeSettings>,
        generation: u32,
        topology: Arc<Topology>,
        trust: Trust,
        clock: Clock,
    ) -> Self {
        let settings = settings.into();
        let icmp = settings.icmp.clone();
        Self::start_with(settings, generation, topology, trust, clock, |sink| {
            icmp::start(&icmp, clock, sink).map_err(|error| chain(&error))
        })
    }

    /// Hands with an echo engine of the caller's own; `open_engine` is handed the place where its
    /// results go.
    #[must_use]
    pub fn start_with(
        settings: impl Into<ProbeSettings>,
        generation: u32,
        topology: Arc<Topology>,
        trust: Trust,
        clock: Clock,
        open_engine: impl FnOnce(Sink) -> Result<Arc<dyn Pinger>, String>,
    ) -> Self {
        let settings = settings.into();
        let resolver = Resolver::start(clock, settings.resolver.clone());
        let shared = Arc::new(Shared {
            clock,
            trust,
            scene: ArcSwap::from_pointee(Scene::new(&settings, 0, Arc::default())),
            echoes: Mutex::default(),
            memory: Mutex::default(),
            mailbox: Mailbox::default(),
            conversations: AtomicUsize::new(0),
        });
        let sink = {
            let shared = Arc::clone(&shared);
            Box::new(move |done| shared.echoes_done(done))
        };
        let engine = open_engine(sink);
        let stopping = CancellationToken::new();
        let (runtime, tasks) = (Handle::current(), TaskTracker::new());
        let probes = Self { shared, engine, resolver, runtime, tasks, stopping };
        probes.replace(settings, generation, topology);
        probes
    }

    /// Goes over to another configuration. Probes under way end as they began; what is remembered
    /// of targets that stay is kept.
    pub fn replace(
        &self,
        settings: impl Into<ProbeSettings>,
        generation: u32,
        topology: Arc<Topology>,
    ) {
        let settings = settings.into();
        let names = topology.endpoints.iter().filter_map(|endpoint| match &endpoint.host {
            Host::Name(name) => Some(name.clone()),
            Host::Ip(_) => None,
        });
        self.resolver.watch(names.collect::<BTreeSet<_>>(), settings.resolver.clone());
        // The lock keeps records from being remembered between the two changes.
        let mut memory = self.shared.memory();
        memory.move_to(generation, &topology, &self.shared.scene.load().topology);
        self.shared.scene.store(Arc::new(Scene::new(&settings, generation, topology)));
    }

    /// Takes orders over. Returns at once; each is answered by exactly one outcome.
    pub fn submit(&self, orders: &[ProbeRequest]) {
        let scene = self.shared.scene.load();
        let mut jobs = Vec::new();
        let mut refused = Vec::new();
        let mut echoes = None;
        for order in orders {
            match self.place(*order, &scene) {
                Err(failure) => refused.push(self.shared.not_asked(*order, failure)),
                Ok(address) => match &scene.topology.check_of(order.target).kind {
                    CheckKind::Icmp(echo) if self.engine.is_ok() => {
                        let echoes = echoes.get_or_insert_with(|| self.shared.echoes());
                        let limit = scene.topology.check_of(order.target).timeout;
                        let waiting = Waiting { request: *order, address, caller: None };
                        jobs.push(job(waiting, echo, limit, echoes));
                    }
                    CheckKind::Icmp(_) => {
                        refused.push(self.shared.not_asked(*order, self.no_engine()));
                    }
                    CheckKind::Tcp(_)
                    | CheckKind::Http(_)
                    | CheckKind::Sip(_)
                    | CheckKind::H323(_) => self.converse(*order, address, &scene),
                },
            }
        }
        drop(echoes);
        if let (Ok(engine), false) = (&self.engine, jobs.is_empty()) {
            engine.submit(jobs);
        }
        if !refused.is_empty() {
            self.shared.answer(refused);
        }
    }

    /// The outcomes since the last call, as soon as there are any. Losing this future loses no
    /// outcome.
    pub async fn outcomes(&self) -> Vec<Outcome> {
        self.shared.mailbox.take().await
    }

    /// Probes a target once, now, and tells all about it; none when there is no such target. The
    /// outcome goes to the caller only.
    pub async fn run_once(&self, target: &TargetKey, effort: Effort) -> Option<Record> {
        let scene = self.shared.scene.load_full();
        let due = self.shared.clock.mono();
        let order = ProbeRequest::on_demand(scene.generation, scene.find(target)?, effort, due);
        let address = match self.place(order, &scene) {
            Ok(address) => address,
            Err(failure) => return Some(self.shared.not_asked(order, failure)),
        };
        let check = scene.topology.check_of(order.target);
        let CheckKind::Icmp(echo) = &check.kind else {
            let talk = self.shared.talk(order, address, &scene.topology);
            let record = self.stopping.run_until_cancelled(talk).await;
            let stopped = || self.shared.not_asked(order, LocalFailure::Stopping);
            return Some(record.unwrap_or_else(stopped));
        };
        let Ok(engine) = &self.engine else {
            return Some(self.shared.not_asked(order, self.no_engine()));
        };
        let (caller, answer) = oneshot::channel();
        let waiting = Waiting { request: order, address, caller: Some(caller) };
        let job = job(waiting, echo, check.timeout, &mut self.shared.echoes());
        engine.submit(vec![job]);
        // Whoever waits here is always answered: by the engine, or when everything stops.
        let stopped = |_| self.shared.not_asked(order, LocalFailure::Stopping);
        Some(answer.await.unwrap_or_else(stopped))
    }

    /// Asks a device that no configuration knows, once and now, by any check but echoes. The
    /// outcome goes to the caller only.
    pub async fn ask_stranger(&self, address: IpAddr, check: &Check) -> Outcome {
        let generation = self.shared.scene.load().generation;
        let order = ProbeRequest::to_a_stranger(generation, self.shared.clock.mono());
        let host = Host::Ip(address);
        let talk = self.shared.talk_to(order, address, &host, check);
        let record = self.stopping.run_until_cancelled(talk).await;
        let stopped = || self.shared.not_asked(order, LocalFailure::Stopping);
        record.unwrap_or_else(stopped).outcome
    }

    /// Sends echoes of the caller's own making to the device of a target, one train at each of
    /// `dues`, and gives the outcome of each, in that order; nothing when there is no such target.
    /// All are handed to the engine at once, ahead of their time.
    pub async fn echoes(
        &self,
        target: &TargetKey,
        check: &IcmpCheck,
        timeout: Duration,
        dues: &[Mono],
    ) -> Vec<Outcome> {
        let scene = self.shared.scene.load_full();
        let Some(ix) = scene.find(target) else { return Vec::new() };
        let order = |due: Mono| ProbeRequest::on_demand(scene.generation, ix, Effort::Normal, due);
        let asked = self.place(order(self.shared.clock.mono()), &scene).and_then(|address| {
            let engine = self.engine.as_ref().map_err(|_| self.no_engine())?;
            Ok((address, engine))
        });
        let (address, engine) = match asked {
            Ok(asked) => asked,
            Err(why) => {
                let not_asked =
                    |due: &Mono| self.shared.not_asked(order(*due), why.clone()).outcome;
                return dues.iter().map(not_asked).collect();
            }
        };
        let (mut jobs, mut answers) = (Vec::new(), Vec::new());
        let planned = dues.len() > 1;
        {
            let mut echoes = self.shared.echoes();
            for due in dues {
                let (caller, answer) = oneshot::channel();
                let waiting = Waiting { request: order(*due), address, caller: Some(caller) };
                jobs.push(PingJob {
                    token: echoes.take(waiting),
                    address,
                    check: EchoParams { planned, ..EchoParams::from(check) },
                    timeout,
                    due: *due,
                });
                answers.push(answer);
            }
        }
        engine.submit(jobs);
        let mut learned = Vec::with_capacity(answers.len());
        for (due, answer) in dues.iter().zip(answers) {
            // Whoever waits here is always answered: by the engine, or when everything stops.
            let stopped = |_| self.shared.not_asked(order(*due), LocalFailure::Stopping);
            learned.push(answer.await.unwrap_or_else(stopped).outcome);
        }
        learned
    }

    /// What the last probes of a target looked like; none when there is no such target.
    #[must_use]
    pub fn explain(&self, target: &TargetKey) -> Option<Explanation> {
        let memory = self.shared.memory();
        let scene = self.shared.scene.load();
        Some(memory.explain(scene.find(target)?))
    }

    /// The record of the first probe of a target that begins at `since` or later, whoever orders
    /// it; none when there is no such target. Nothing comes if the configuration changes meanwhile.
    #[must_use]
    pub fn next(&self, target: &TargetKey, since: Mono) -> Option<oneshot::Receiver<Record>> {
        let mut memory = self.shared.memory();
        let target = self.shared.scene.load().find(target)?;
        Some(memory.next(target, since))
    }

    /// Returns once every name was looked up at least once, so that a first round of probes does
    /// not fail for want of addresses. Takes as long as the resolver's time limit, times a few when
    /// there are many names and no answer: whoever waits for it should not wait for ever.
    pub async fn names_settled(&self) {
        self.resolver.settled().await;
    }

    /// How name resolution does.
    #[must_use]
    pub fn resolver_health(&self) -> ResolverHealth {
        self.resolver.health()
    }

    /// How the echo engine does. To be read in one place: reading resets its worst lateness.
    #[must_use]
    pub fn engine_health(&self) -> EngineHealth {
        self.engine.as_ref().map(|engine| engine.health()).unwrap_or_default()
    }

    /// The echo engine's name, or why there is none.
    ///
    /// # Errors
    /// Why no engine could be opened, in words for whoever installs the daemon.
    pub fn engine(&self) -> Result<&'static str, &str> {
        self.engine.as_ref().map(|engine| engine.name()).map_err(String::as_str)
    }

    /// Probes under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.echoes().len() + self.shared.conversations.load(Ordering::Relaxed)
    }

    /// Ends everything. When it returns, every order has been answered.
    pub async fn stop(&self) {
        self.stopping.cancel();
        let left = self.shared.echoes().give_back_all();
        let stopping = |waiting: Waiting| {
            let record = self.shared.not_asked(waiting.request, LocalFailure::Stopping);
            (waiting.caller, record)
        };
        self.shared.deliver(left.into_iter().map(stopping));
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Where an order goes.
    fn place(&self, order: ProbeRequest, scene: &Scene) -> Result<IpAddr, LocalFailure> {
        if self.stopping.is_cancelled() {
            return Err(LocalFailure::Stopping);
        }
        let topology = &scene.topology;
        if order.generation != scene.generation || order.target.ix() >= topology.targets.len() {
            return Err(LocalFailure::Other("the configuration has changed meanwhile".to_owned()));
        }
        let endpoint = topology.target(order.target).endpoint;
        self.resolver.lookup(&topology.endpoint(endpoint).host)
    }

    fn no_engine(&self) -> LocalFailure {
        LocalFailure::Forbidden(self.engine.as_ref().err().cloned().unwrap_or_default())
    }

    /// Puts a conversation into a task of its own, if there is room.
    fn converse(&self, order: ProbeRequest, address: IpAddr, scene: &Scene) {
        let (ticket, before) = Ticket::take(order, &self.shared);
        if before >= scene.in_flight.saturating_mul(2) {
            return ticket.answer(self.shared.not_asked(order, LocalFailure::Overloaded));
        }
        let topology = Arc::clone(&scene.topology);
        let places = Arc::clone(&scene.places);
        let stopping = self.stopping.clone();
        let shared = Arc::clone(&self.shared);
        let conversation = async move {
            let work = async {
                let due = shared.clock.instant(order.due);
                tokio::time::sleep_until(due.into()).await;
                let patience = topology.check_of(order.target).timeout;
                match timeout(patience, places.acquire()).await {
                    Ok(_place) => shared.talk(order, address, &topology).await,
                    Err(_) => shared.not_asked(order, LocalFailure::Overloaded),
                }
            };
            let record = match stopping.run_until_cancelled(work).await {
                Some(record) => record,
                None => shared.not_asked(order, LocalFailure::Stopping),
            };
            ticket.answer(record);
        };
        self.tasks.spawn_on(conversation, &self.runtime);
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        self.stopping.cancel();
    }
}

/// The job of an echo probe, its place taken.
fn job(waiting: Waiting, echo: &IcmpCheck, timeout: Duration, echoes: &mut Echoes) -> PingJob {
    let Waiting { address, request: ProbeRequest { due, effort, .. }, .. } = waiting;
    let check = EchoParams::from(&echo.with_effort(effort, timeout));
    PingJob { token: echoes.take(waiting), address, check, timeout, due }
}

#[cfg(test)]
mod tests;
