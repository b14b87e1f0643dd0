//! Probing a site because a person asks: through the same hands, with the same checks, and what is
//! learned counts like any other probe.
//!
//! 1. The brain orders the probes, so a demanded one never overlaps one that is under way: it
//!    follows it, or is that one if it has not begun.
//! 2. Of any number who ask for one site at about the same time, the first has it probed and the
//!    rest are told the same.
//! 3. So many sites are probed for people at once, each for a second at least: more are turned
//!    away, so that a crowd of viewers cannot make this monitor flood the network.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::face::Face;
use crate::clock::Clock;
use crate::model::{Mono, SiteId, TargetKey};
use crate::monitor::Input;
use crate::probe::{Probes, Record};
use crate::web::{ControlError, Probed};

/// Sites that are probed for people at once.
const AT_ONCE: usize = 8;
/// How long each takes its place at least.
const SHORTEST: Duration = Duration::from_secs(1);
/// An answer serves those who ask so soon after it was given.
const FRESH: Duration = Duration::from_secs(2);
/// Longest that the probes are waited for. What has not ended by then goes on, and is remembered.
const PATIENCE: Duration = Duration::from_secs(12);

/// Everybody who wants sites probed.
pub(super) struct Demands {
    clock: Clock,
    probes: Arc<Probes>,
    places: Arc<Semaphore>,
    sites: Mutex<BTreeMap<SiteId, Arc<Turn>>>,
}

/// The last answer about one site, and when it was given; locked while one is sought.
type Turn = tokio::sync::Mutex<Option<(Mono, Arc<Vec<Probed>>)>>;

impl Demands {
    pub(super) fn new(probes: Arc<Probes>, clock: Clock) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { clock, probes, places, sites: Mutex::default() }
    }

    /// What is remembered of a target's last probes.
    pub(super) fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Has the targets of a site probed now.
    pub(super) async fn probe(
        &self,
        face: &Face,
        site: SiteId,
        targets: Vec<TargetKey>,
    ) -> Result<Arc<Vec<Probed>>, ControlError> {
        let asked = self.clock.mono();
        let turn = self.turn(site);
        let mut last = turn.lock().await;
        if let Some((at, answer)) = &*last
            && asked <= *at + FRESH
        {
            return Ok(Arc::clone(answer));
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| ControlError::Busy(SHORTEST))?;
        let free_at = self.clock.instant(self.clock.mono() + SHORTEST);
        let answer = Arc::new(self.ask(face, targets).await?);
        tokio::spawn(async move {
            tokio::time::sleep_until(free_at.into()).await;
            drop(place);
        });
        *last = Some((self.clock.mono(), Arc::clone(&answer)));
        Ok(answer)
    }

    async fn ask(&self, face: &Face, targets: Vec<TargetKey>) -> Result<Vec<Probed>, ControlError> {
        let since = self.clock.mono();
        let deadline = self.clock.instant(since + PATIENCE).into();
        let waiting: Vec<_> = targets
            .into_iter()
            .filter_map(|key| Some((self.probes.next(&key, since)?, key)))
            .collect();
        let wanted = waiting.iter().map(|(_, key)| key.clone()).collect();
        face.tell(Input::Demand(wanted)).await?;
        let mut answers = Vec::with_capacity(waiting.len());
        for (record, target) in waiting {
            // Nothing comes when the configuration changes meanwhile.
            let record: Option<Record> =
                timeout_at(deadline, record).await.ok().and_then(Result::ok);
            answers.push(Probed { target, record });
        }
        Ok(answers)
    }

    /// The turn of a site. Answers that are too old to serve anybody are dropped.
    fn turn(&self, site: SiteId) -> Arc<Turn> {
        let now = self.clock.mono();
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        sites.retain(|_, turn| {
            let idle = Arc::strong_count(turn) == 1;
            !idle
                || turn
                    .try_lock()
                    .is_ok_and(|last| last.as_ref().is_some_and(|(at, _)| now <= *at + FRESH))
        });
        Arc::clone(sites.entry(site).or_default())
    }
}
