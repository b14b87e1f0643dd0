//! The event loop that joins brain and hands: outcomes and requests in, probes and commits out.
//!
//! It runs on a thread of its own, so that rendering a page or encrypting a mail never delays a
//! probe. It decides nothing: that is the monitor's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::hands::Hands;
use super::{drill, readiness};
use crate::clock::Clock;
use crate::model::{Batch, DrillOrder, Failure, Mono, Outcome, ReadinessOrder};
use crate::monitor::{Command, Input, Monitor, Taken};
use crate::store::Ticket;

/// Shortest time between two rounds. What comes meanwhile is handled together, which keeps ten
/// thousand targets a second cheap: waking, with caches gone cold, costs as much as many outcomes.
const ROUND: Duration = Duration::from_millis(20);
/// How long before its time a probe is ordered, so that it is punctual though rounds are far
/// between: a round, and as much again for one that comes late and for the engine, which lets
/// echoes leave together that are due soon after each other.
pub const AHEAD: Duration = Duration::from_millis(40);
/// Time between two readings of engine, resolver and store.
const READ_EVERY: Duration = Duration::from_secs(1);
/// Longest time between two snapshots.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two snapshots, so that a storm of changes costs ten a second at most.
const PUBLISH_GAP: Duration = Duration::from_millis(100);

/// Something the monitor is to be told, and who waits until it has taken it in.
pub(super) struct Request {
    /// What.
    pub(super) input: Input,
    /// Who waits.
    pub(super) taken: Option<oneshot::Sender<Receipt>>,
}

/// What whoever told the monitor something may rely on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receipt {
    /// What became of it.
    pub(super) taken: Taken,
    /// Names the transaction that it is part of.
    pub(super) ticket: Ticket,
    /// A snapshot from this moment on shows it.
    pub(super) at: Mono,
}

/// The loop's sign of life: it stands still when the loop does.
#[derive(Debug, Default)]
pub(super) struct Heartbeat {
    turned: AtomicU64,
    learned: AtomicU64,
    /// Lets a test hold the loop.
    #[cfg(test)]
    pub(super) gate: tests::Gate,
}

impl Heartbeat {
    /// When the loop last came round.
    pub(super) fn last(&self) -> Mono {
        Mono::from_nanos(self.turned.load(Ordering::Relaxed))
    }

    /// When a probe last told something of a site.
    pub(super) fn learned(&self) -> Mono {
        Mono::from_nanos(self.learned.load(Ordering::Relaxed))
    }

    pub(super) fn beat(&self, now: Mono) {
        self.turned.store(now.as_nanos(), Ordering::Relaxed);
    }

    pub(super) fn learn(&self, now: Mono) {
        self.learned.store(now.as_nanos(), Ordering::Relaxed);
    }
}

/// The brain, its hands and what reaches them.
pub(super) struct Loop {
    pub(super) monitor: Monitor,
    pub(super) hands: Hands,
    pub(super) requests: mpsc::Receiver<Request>,
    /// For what comes back later. It does not keep the loop from ending.
    pub(super) answers: mpsc::WeakSender<Request>,
    /// Where what takes long is done.
    pub(super) runtime: Handle,
    pub(super) clock: Clock,
    pub(super) heartbeat: Arc<Heartbeat>,
    /// Who waits for what they told to be handed over for committing.
    pub(super) waiting: Vec<(oneshot::Sender<Receipt>, Taken)>,
}

/// When what was last done.
struct Times {
    read: Mono,
    published: Mono,
    /// Whether something has changed since.
    unpublished: bool,
}

impl Times {
    /// When the next snapshot is due.
    fn publish_at(&self) -> Mono {
        self.published + if self.unpublished { PUBLISH_GAP } else { PUBLISH_EVERY }
    }

    /// When the loop has to wake for itself after a round that `began`. While a snapshot `waits`
    /// for the disk none follows: whether it still does is looked at no more often than one is
    /// made.
    fn wake_at(&self, began: Mono, waits: bool) -> Mono {
        let publish_at = self.publish_at();
        let publish_at = if waits { publish_at.max(began + PUBLISH_GAP) } else { publish_at };
        publish_at.min(self.read + READ_EVERY)
    }
}

impl Loop {
    /// Runs until nobody can send requests any more. Everything decided by then has been handed
    /// over for committing.
    pub(super) async fn run(mut self) {
        let mut times = Times { read: Mono::ZERO, published: Mono::ZERO, unpublished: true };
        let mut rests = false;
        loop {
            #[cfg(test)]
            self.heartbeat.gate.pass();
            let began = self.clock.mono();
            self.heartbeat.beat(began);
            self.round(&mut times);
            let wake = times.wake_at(began, self.hands.holds_snapshot());
            let wake = self.monitor.poll_timeout().min(wake);
            let rested = self.clock.instant(began + ROUND);
            let rests_until = std::mem::take(&mut rests).then_some(rested);
            let outcomes = async {
                if let Some(rested) = rests_until {
                    sleep_until(rested.into()).await;
                }
                self.hands.outcomes().await
            };
            let wake = wake.max(began + ROUND);
            // Losing any of these to another loses nothing. People come first: there are always
            // more outcomes.
            tokio::select! {
                biased;
                request = self.requests.recv() => match request {
                    Some(request) => self.take_in(request),
                    None => break,
                },
                outcomes = outcomes => {
                    self.learn(outcomes);
                    // More of them will come soon.
                    rests = true;
                }
                () = sleep_until(self.clock.instant(wake).into()) => {}
            }
        }
        self.monitor.handle(Input::Stop, self.clock.now());
        let batch = self.carry_out();
        let snapshot = Arc::new(self.monitor.snapshot(self.clock.now()));
        self.hands.commit(batch, Some(snapshot));
    }

    /// What one round does once the news are in.
    fn round(&mut self, times: &mut Times) {
        let now = self.clock.now();
        if now.mono - times.read >= READ_EVERY {
            times.read = now.mono;
            for input in self.hands.readings(now.mono) {
                self.monitor.handle(input, now);
            }
        }
        self.monitor.handle(Input::Tick, now);
        let batch = self.carry_out();
        times.unpublished |= !batch.changes.is_empty();
        // What is made while one waits for the disk would only wait behind it, and each is large.
        let due = now.mono >= times.publish_at() && !self.hands.holds_snapshot();
        let snapshot = due.then(|| {
            (times.published, times.unpublished) = (now.mono, false);
            Arc::new(self.monitor.snapshot(now))
        });
        if snapshot.is_some() || !batch.changes.is_empty() || !self.waiting.is_empty() {
            let ticket = self.hands.commit(batch, snapshot);
            for (waits, taken) in self.waiting.drain(..) {
                // Whoever asked may have gone away meanwhile.
                let _ = waits.send(Receipt { taken, ticket, at: now.mono });
            }
        }
    }

    /// Hands the monitor's orders to the hands; gives what is to be committed.
    fn carry_out(&mut self) -> Batch {
        let mut batch = Batch::default();
        let mut orders = Vec::new();
        while let Some(command) = self.monitor.poll_command() {
            match command {
                Command::Probe(order) => orders.push(order),
                Command::Commit(more) if batch.changes.is_empty() => batch = more,
                Command::Commit(more) => batch.changes.extend(more.changes),
                Command::Readiness(order) => self.look_ahead(order),
                Command::Drill(order) => self.play(*order),
            }
        }
        self.hands.probe(&orders);
        batch
    }

    /// Has readiness measured in a task of its own; what it learns comes back as a request.
    fn look_ahead(&self, order: ReadinessOrder) {
        let config = Arc::clone(self.monitor.config());
        let past = self.monitor.past(self.clock.now());
        let (probes, clock) = (Arc::clone(&self.hands.probes), self.clock);
        self.answer_later(async move {
            let run = readiness::run(probes, &config, &order, &past, clock).await;
            run.map_or(Input::NoReadiness, |run| Input::Readiness(Box::new(run)))
        });
    }

    /// Has the device of a drill asked; what was learned of it comes back as a request.
    fn play(&self, order: DrillOrder) {
        let (probes, clock) = (Arc::clone(&self.hands.probes), self.clock);
        self.answer_later(async move {
            Input::DrillSeen(Box::new(drill::play(&probes, order, clock).await))
        });
    }

    /// Has something done in a task of its own, and hands what comes of it back as a request.
    fn answer_later(&self, work: impl Future<Output = Input> + Send + 'static) {
        let answers = self.answers.clone();
        self.runtime.spawn(async move {
            let input = work.await;
            // The daemon may have ended meanwhile.
            if let Some(answers) = answers.upgrade() {
                let _ = answers.send(Request { input, taken: None }).await;
            }
        });
    }

    fn learn(&mut self, outcomes: Vec<Outcome>) {
        let now = self.clock.now();
        // What this machine failed to ask tells nothing of a site: a monitor that only fails lives
        // and does not watch.
        if outcomes.iter().any(|outcome| !matches!(outcome.result, Err(Failure::Local(_)))) {
            self.heartbeat.learn(now.mono);
        }
        self.hands.count(&outcomes);
        for outcome in outcomes {
            self.monitor.handle(Input::Outcome(outcome), now);
        }
    }

    fn take_in(&mut self, Request { input, taken }: Request) {
        let reloads = matches!(input, Input::Reload(_));
        let became = self.monitor.handle(input, self.clock.now());
        if reloads {
            self.hands.adopt(self.monitor.config(), self.monitor.generation());
        }
        self.waiting.extend(taken.map(|waits| (waits, became)));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::{self, Receiver, SyncSender};

    use super::*;

    /// A place where the loop can be made to stand still.
    #[derive(Debug, Default)]
    pub(in crate::daemon) struct Gate(Mutex<Option<(SyncSender<()>, Receiver<()>)>>);

    impl Gate {
        /// Returns once the loop stands still, which it does until the sender is dropped.
        pub(in crate::daemon) fn hold(&self) -> SyncSender<()> {
            let (stands, waits) = mpsc::sync_channel(1);
            let (goes, held) = mpsc::sync_channel(1);
            *self.0.lock().unwrap() = Some((stands, held));
            waits.recv().expect("the loop comes round");
            goes
        }

        pub(super) fn pass(&self) {
            let held = self.0.lock().unwrap().take();
            if let Some((stands, held)) = held {
                let _ = stands.send(());
                let _ = held.recv();
            }
        }
    }

    #[test]
    fn while_a_snapshot_waits_for_the_disk_the_loop_does_not_spin() {
        let began = Mono::ZERO + Duration::from_secs(100);
        let times = |unpublished| Times {
            read: began.earlier(Duration::from_millis(300)),
            published: began.earlier(Duration::from_millis(200)),
            unpublished,
        };
        assert!(times(true).wake_at(began, false) < began, "it is due");
        assert_eq!(times(true).wake_at(began, true), began + PUBLISH_GAP);
        assert_eq!(times(false).wake_at(began, true), began + Duration::from_millis(700));
    }
}
