//! What tasks and the engine's thread share: what orders are about, and where their outcomes go.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::{Semaphore, oneshot};

use super::ProbeSettings;
use crate::clock::Clock;
use crate::model::{
    Check, Failure, Host, LocalFailure, Now, Outcome, ProbeRequest, Reply, TargetIx, TargetKey,
    Topology, Trace,
};
use crate::probe::converse::{Conversation, converse};
use crate::probe::echoes::{self, Echoes, Waiting};
use crate::probe::icmp::PingDone;
use crate::probe::mailbox::Mailbox;
use crate::probe::memory::{Memory, Record};
use crate::probe::notes::Notes;
use crate::probe::tls::Trust;

/// What tasks and the engine's thread need.
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) trust: Trust,
    pub(super) scene: ArcSwap<Scene>,
    pub(super) echoes: Mutex<Echoes>,
    pub(super) memory: Mutex<Memory>,
    pub(super) mailbox: Mailbox,
    /// Conversations that go on or wait to.
    pub(super) conversations: AtomicUsize,
}

/// What orders are about at present.
pub(super) struct Scene {
    pub(super) generation: u32,
    pub(super) topology: Arc<Topology>,
    pub(super) places: Arc<Semaphore>,
    pub(super) in_flight: usize,
}

impl Scene {
    pub(super) fn new(settings: &ProbeSettings, generation: u32, topology: Arc<Topology>) -> Self {
        let in_flight = usize::try_from(settings.in_flight).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)));
        Self { generation, topology, places, in_flight }
    }

    pub(super) fn find(&self, target: &TargetKey) -> Option<TargetIx> {
        let (endpoint, check) = (target.endpoint.as_ref()?, target.check.as_ref()?);
        self.topology.find_target(&target.site, endpoint, check)
    }
}

impl Shared {
    pub(super) fn echoes(&self) -> MutexGuard<'_, Echoes> {
        self.echoes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a conversation.
    pub(super) async fn talk(
        &self,
        order: ProbeRequest,
        address: IpAddr,
        topology: &Topology,
    ) -> Record {
        let host = &topology.endpoint(topology.target(order.target).endpoint).host;
        self.talk_to(order, address, host, topology.check_of(order.target)).await
    }

    /// Has a conversation with whoever is there.
    pub(super) async fn talk_to(
        &self,
        order: ProbeRequest,
        address: IpAddr,
        host: &Host,
        check: &Check,
    ) -> Record {
        let started = self.clock.now();
        let conversation = Conversation { address, host, clock: self.clock, trust: &self.trust };
        let mut notes = Notes::begin(self.clock);
        let result = converse(conversation, check, &mut notes).await;
        self.record(order, started, result, Some(address), notes.into_trace())
    }

    /// The record of a probe that could not be made.
    pub(super) fn not_asked(&self, order: ProbeRequest, why: LocalFailure) -> Record {
        let result = Err(Failure::Local(why));
        self.record(order, self.clock.now(), result, None, Trace::default())
    }

    pub(super) fn record(
        &self,
        request: ProbeRequest,
        started: Now,
        result: Result<Reply, Failure>,
        address: Option<IpAddr>,
        trace: Trace,
    ) -> Record {
        let finished = self.clock.mono();
        let outcome = Outcome { request, started, finished, lost: 0, heard: None, result };
        Record { outcome, address, trace }
    }

    /// The echo engine has results. Runs in its thread.
    pub(super) fn echoes_done(&self, done: Vec<PingDone>) {
        let mut places = self.echoes();
        let records: Vec<_> = done
            .into_iter()
            .filter_map(|done| {
                let PingDone { token, started, finished, lost, heard, result } = done;
                let Waiting { request, address, caller } = places.give_back(token)?;
                let result = result.map(echoes::reply);
                let outcome = Outcome { request, started, finished, lost, heard, result };
                let trace = Trace::default();
                Some((caller, Record { outcome, address: Some(address), trace }))
            })
            .collect();
        drop(places);
        self.deliver(records);
    }

    /// Hands records to whoever waits: a caller, or the brain.
    pub(super) fn deliver(
        &self,
        records: impl IntoIterator<Item = (Option<oneshot::Sender<Record>>, Record)>,
    ) {
        let mut for_brain = Vec::new();
        for (caller, record) in records {
            match caller {
                // Whoever no longer waits does not want to know.
                Some(caller) => drop(caller.send(record)),
                None => for_brain.push(record),
            }
        }
        if !for_brain.is_empty() {
            self.answer(for_brain);
        }
    }

    /// Remembers records and hands their outcomes to the brain.
    pub(super) fn answer(&self, records: Vec<Record>) {
        let outcomes: Vec<Outcome> = records.iter().map(|record| record.outcome.clone()).collect();
        let mut memory = self.memory();
        for record in records {
            memory.remember(record);
        }
        drop(memory);
        self.mailbox.put(outcomes);
    }
}

/// An order to be answered: if nobody does, it answers itself when it is dropped, which is what
/// happens when a prober panics.
pub(super) struct Ticket {
    pub(super) order: ProbeRequest,
    shared: Arc<Shared>,
    answered: bool,
}

impl Ticket {
    /// A ticket, and how many there were before it.
    pub(super) fn take(order: ProbeRequest, shared: &Arc<Shared>) -> (Self, usize) {
        let before = shared.conversations.fetch_add(1, Ordering::Relaxed);
        (Self { order, shared: Arc::clone(shared), answered: false }, before)
    }

    pub(super) fn answer(mut self, record: Record) {
        self.answered = true;
        self.shared.answer(vec![record]);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.shared.conversations.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            let why = LocalFailure::Other("the probe was broken off".to_owned());
            self.shared.answer(vec![self.shared.not_asked(self.order, why)]);
        }
    }
}
