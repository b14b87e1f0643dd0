//! Measuring for readiness: every check of a site once, large packets, a train of echoes.
//!
//! 1. Sites are looked at side by side, as many as the caller allows; of one site everything that
//!    asks for little goes at once.
//! 2. What fails is asked a second time, so that one lost packet is not taken for a fault. A
//!    service on a host that nothing reaches is not: it would only take time.
//! 3. Trains and large packets go to devices that live, one after the other, so that a line never
//!    carries both. A device that answers large packets is asked for no other size; where they
//!    vanish, a search finds the largest that passes.
//! 4. Conversations are bounded as those of the daemon are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Probes;
use crate::clock::Clock;
use crate::model::{
    Detail, Effort, Failure, IcmpCheck, Mono, Outcome, RemoteFailure, Reply, TargetKey, Unreachable,
};
use crate::readiness::{
    Burst, Measured, MtuPlan, MtuSearch, MtuSeen, MtuStep, SiteSurvey, SizeSeen, Survey, TrainPlan,
};

/// An echo without a reply after this long is lost.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time from handing a train to the engine to its first echo.
const AHEAD: Duration = Duration::from_millis(20);
/// Time until something that failed at once is asked again.
const AGAIN: Duration = Duration::from_millis(500);

/// How far a survey is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Sites looked at.
    pub done: usize,
    /// All sites.
    pub of: usize,
}

/// Carries a survey out.
///
/// `at_once` bounds the sites under way, `conversations` those that are not echoes. `on` is told
/// after each site. Dropping the future gives everything up.
pub async fn survey(
    probes: Arc<Probes>,
    clock: Clock,
    survey: Survey,
    at_once: usize,
    conversations: usize,
    mut on: impl FnMut(Progress),
) -> Measured {
    let of = survey.sites.len();
    let hands = Arc::new(Surveyor {
        probes,
        clock,
        conversations: Semaphore::new(conversations.clamp(1, Semaphore::MAX_PERMITS)),
        turn: AtomicUsize::new(0),
    });
    let places = Arc::new(Semaphore::new(at_once.clamp(1, Semaphore::MAX_PERMITS)));
    let mut tasks = JoinSet::new();
    for key in survey.around {
        let hands = Arc::clone(&hands);
        tasks.spawn(async move {
            let mut measured = Measured::default();
            let outcomes = hands.ask(&key).await;
            measured.outcomes.insert(key, outcomes);
            measured
        });
    }
    for site in survey.sites {
        let (hands, places) = (Arc::clone(&hands), Arc::clone(&places));
        tasks.spawn(async move {
            // The semaphore is never closed.
            let _place = places.acquire().await;
            hands.site(&site).await
        });
    }
    let mut all = Measured::default();
    while let Some(ended) = tasks.join_next().await {
        // A task that panicked leaves its site unasked, which shows as that.
        let Ok(measured) = ended else { continue };
        all.outcomes.extend(measured.outcomes);
        all.trains.extend(measured.trains);
        all.mtus.extend(measured.mtus);
        all.checked.extend(measured.checked);
        on(Progress { done: all.checked.len(), of });
    }
    all
}

struct Surveyor {
    probes: Arc<Probes>,
    clock: Clock,
    conversations: Semaphore,
    /// Counts trains, so that those of many sites do not go in step.
    turn: AtomicUsize,
}

impl Surveyor {
    async fn site(self: &Arc<Self>, site: &SiteSurvey) -> Measured {
        let mut measured = Measured::default();
        let mut asking = JoinSet::new();
        for key in site.targets.iter().cloned() {
            let hands = Arc::clone(self);
            asking.spawn(async move { (hands.ask(&key).await, key) });
        }
        while let Some(asked) = asking.join_next().await {
            if let Ok((outcomes, key)) = asked {
                measured.outcomes.insert(key, outcomes);
            }
        }
        for plan in &site.mtus {
            if lives(&measured, &plan.target) {
                let seen = self.mtu(plan).await;
                measured.mtus.insert(plan.target.clone(), seen);
            }
        }
        // Trains to several devices of a site share its line, and so go together.
        let mut trains = JoinSet::new();
        for plan in site.trains.iter().filter(|plan| lives(&measured, &plan.target)).cloned() {
            let hands = Arc::clone(self);
            trains.spawn(async move { (hands.train(&plan).await, plan.target) });
        }
        while let Some(train) = trains.join_next().await {
            if let Ok((bursts, key)) = train {
                measured.trains.insert(key, bursts);
            }
        }
        measured.checked.insert(site.site.clone(), self.clock.now().wall);
        measured
    }

    /// Asks a target once, or twice if it fails and the second time may tell something else.
    async fn ask(&self, key: &TargetKey) -> Vec<Result<Reply, Failure>> {
        let mut outcomes = Vec::new();
        loop {
            let place = self.conversations.acquire().await;
            let Some(record) = self.probes.run_once(key, Effort::Thorough).await else { break };
            drop(place);
            let worth_another = match &record.outcome.result {
                Ok(_) | Err(Failure::Local(_)) => false,
                // What talks has repeated itself before it gave up; echoes have not.
                Err(Failure::Remote(RemoteFailure::Timeout)) => record.trace.steps().is_empty(),
                Err(Failure::Remote(RemoteFailure::Stalled { .. })) => false,
                Err(Failure::Remote(_)) => true,
            };
            outcomes.push(record.outcome.result);
            if outcomes.len() == 2 || !worth_another {
                break;
            }
            tokio::time::sleep(AGAIN).await;
        }
        outcomes
    }

    /// How large packets fare.
    async fn mtu(&self, plan: &MtuPlan) -> MtuSeen {
        let mut search = MtuSearch::new(plan);
        loop {
            match search.step() {
                MtuStep::Ask(check) => {
                    let seen = self.size(plan, &check).await;
                    if seen == SizeSeen::Nothing {
                        tokio::time::sleep(AGAIN).await;
                    }
                    search.take_in(seen);
                }
                MtuStep::Over(seen) => return seen,
            }
        }
    }

    /// What becomes of packets of one size. They vanish if all of them are seen to.
    async fn size(&self, plan: &MtuPlan, check: &IcmpCheck) -> SizeSeen {
        let due = [self.clock.mono()];
        let outcomes = self.probes.echoes(&plan.target, check, PATIENCE, &due).await;
        let Some(outcome) = outcomes.into_iter().next() else { return SizeSeen::Nothing };
        match outcome.result {
            Ok(_) => SizeSeen::Passes,
            Err(Failure::Local(_)) => SizeSeen::Nothing,
            Err(Failure::Remote(RemoteFailure::Unreachable(error))) => match error.kind {
                Unreachable::TooBig { .. } if error.offender.is_none() => SizeSeen::OwnLink,
                Unreachable::TooBig { mtu } => SizeSeen::Told(mtu),
                _ => SizeSeen::Nothing,
            },
            Err(Failure::Remote(_)) if outcome.lost < check.count => SizeSeen::Nothing,
            Err(Failure::Remote(_)) => SizeSeen::Vanishes,
        }
    }

    /// Sends a train. All stretches are handed over ahead of their time, so that none waits for
    /// this task.
    async fn train(&self, plan: &TrainPlan) -> Vec<Burst> {
        let turn = u32::try_from(self.turn.fetch_add(1, Ordering::Relaxed) % 64).unwrap_or(0);
        let start = self.clock.mono() + AHEAD + plan.stretch.spacing * turn / 64;
        let dues: Vec<Mono> =
            (0..u32::from(plan.stretches)).map(|nth| start + plan.period() * nth).collect();
        let outcomes = self.probes.echoes(&plan.target, &plan.stretch, PATIENCE, &dues).await;
        outcomes.iter().map(burst).collect()
    }
}

/// A stretch of a train. What we failed to send or to see says nothing.
fn burst(outcome: &Outcome) -> Burst {
    match &outcome.result {
        Ok(Reply { detail: Detail::Icmp(detail), .. }) => {
            Burst { sent: u32::from(detail.sent), rtts: detail.rtts.as_slice().to_vec() }
        }
        Ok(_) | Err(_) => Burst { sent: u32::from(outcome.lost), rtts: Vec::new() },
    }
}

/// Whether anything says that the device of this target lives.
fn lives(measured: &Measured, target: &TargetKey) -> bool {
    let here = |key: &TargetKey| key.site == target.site && key.endpoint == target.endpoint;
    let outcomes = measured.outcomes.iter().filter(|(key, _)| here(key));
    outcomes.flat_map(|(_, outcomes)| outcomes).any(|outcome| match outcome {
        Ok(_) => true,
        Err(failure) => failure.host_alive() == Some(true),
    })
}
