//! The hands as the loop moves them: probes, store, counters.

use std::sync::Arc;

use tokio::sync::watch;

use super::journal::Journal;
use crate::config::Config;
use crate::metrics::Tally;
use crate::model::{
    Ailment, Batch, Change, IncidentId, Mono, Outcome, Part, ProbeRequest, Snapshot,
};
use crate::monitor::Input;
use crate::notify::{self, Remote};
use crate::probe::{Probes, ResolverHealth};
use crate::store::{Ticket, WriterHandle};

/// What carries out the brain's commands.
pub(super) struct Hands {
    pub(super) probes: Arc<Probes>,
    pub(super) writer: WriterHandle,
    pub(super) courier: Remote,
    pub(super) tally: Tally,
    pub(super) journal: Journal,
    /// Told whenever a session is closed, with when that is on disk.
    pub(super) closed: watch::Sender<Option<Ticket>>,
}

impl Hands {
    /// Takes orders for probes over. Each is answered by exactly one outcome, sooner or later.
    pub(super) fn probe(&self, orders: &[ProbeRequest]) {
        if !orders.is_empty() {
            self.probes.submit(orders);
        }
    }

    /// What probes have learned since the last call, as soon as there is something. Losing this
    /// future loses no outcome.
    pub(super) async fn outcomes(&self) -> Vec<Outcome> {
        self.probes.outcomes().await
    }

    /// Counts outcomes for the metrics.
    pub(super) fn count(&mut self, outcomes: &[Outcome]) {
        for outcome in outcomes {
            self.tally.record(outcome);
        }
    }

    /// Commits what changed, then publishes the snapshot, then delivers.
    /// The ticket tells when it is on disk.
    pub(super) fn commit(&mut self, batch: Batch, snapshot: Option<Arc<Snapshot>>) -> Ticket {
        self.journal.log(&batch);
        let closes =
            |change: &Change| matches!(change, Change::Session(record) if record.closed.is_some());
        let closed = batch.changes.iter().any(closes);
        let ticket = self.writer.submit(batch, snapshot);
        if closed {
            self.closed.send_replace(Some(ticket));
        }
        ticket
    }

    /// Whether the snapshot before is not published yet.
    pub(super) fn holds_snapshot(&self) -> bool {
        self.writer.holds_snapshot()
    }

    /// Goes over to another configuration, before the first order that belongs to it.
    pub(super) fn adopt(&mut self, config: &Config, generation: u32) {
        self.tally.adopt(&config.topology, generation);
        self.probes.replace(&config.settings, generation, Arc::clone(&config.topology));
    }

    /// How the parts of this program do.
    pub(super) fn readings(&self, now: Mono) -> Vec<Input> {
        let resolver = resolver_trouble(&self.probes.resolver_health());
        let store = self.writer.status().trouble;
        let statuses = self.courier.statuses();
        let all = || statuses.iter().map(|it| it.id.as_str()).collect::<Vec<_>>().join(", ");
        let stalled = self.courier.is_stalled(now) && !statuses.is_empty();
        let courier = if stalled { Some(all()) } else { notify::trouble(&statuses, now) };
        let unreached = notify::unreached(&statuses);
        let accepted = statuses.iter().flat_map(|status| {
            let of = |incident: &IncidentId| {
                let (channel, incident) = (status.id.clone(), incident.clone());
                Input::DrillAccepted { channel, incident }
            };
            status.drills.iter().map(of)
        });
        let refusing = statuses.iter().map(|status| Input::Refusing {
            channel: status.id.clone(),
            recipients: status.refusing.iter().map(|it| it.recipient.clone()).collect(),
        });
        let delivered = statuses.iter().filter_map(|status| {
            Some(Input::Delivered { channel: status.id.clone(), at: status.last_delivered? })
        });
        let parts = [
            Input::Engine(self.probes.engine_health()),
            Input::Part { part: Part::Resolver, trouble: resolver.map(Ailment::Words) },
            Input::Part { part: Part::Store, trouble: store.map(Ailment::Store) },
            Input::Part { part: Part::Courier, trouble: courier.map(Ailment::Words) },
            Input::Part { part: Part::Recipients, trouble: unreached.map(Ailment::Words) },
        ];
        let given_up = self.courier.take_given_up().into_iter().map(Input::GivenUp);
        parts.into_iter().chain(refusing).chain(accepted).chain(delivered).chain(given_up).collect()
    }
}

/// Why names are not resolved, when no look-up of any name gets an answer. One name without an
/// answer is that name's own fault, and shows at its site.
fn resolver_trouble(health: &ResolverHealth) -> Option<String> {
    let dead = health.names > 0 && health.failing == health.names;
    let why = || health.reason.clone().unwrap_or_else(|| "no answer".to_owned());
    dead.then(why)
}
