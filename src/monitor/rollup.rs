//! When measurements are handed over for reports.

use std::time::Duration;

use super::picture::Picture;
use crate::model::{Change, Mono, Now, Phase, TargetIx};

/// Time between two rounds.
const EVERY: Duration = Duration::from_secs(60);
/// Rounds in which targets that no session is near are passed over, and one in which they are not.
const IDLE_ROUNDS: u32 = 15;
/// Targets in one go, so that a big batch never stands before an urgent one.
const CHUNK: usize = 512;
/// Time between two goes.
const GAP: Duration = Duration::from_millis(20);

/// Where the round stands: what is near a session is handed over every minute, the rest every
/// quarter of an hour, a chunk at a time.
#[derive(Debug, Clone)]
pub(super) struct Rollups {
    at: Mono,
    began: Mono,
    round: u32,
    next: usize,
}

impl Rollups {
    /// The first round comes after a minute.
    pub(super) fn new(now: Mono) -> Self {
        Self { at: now + EVERY, began: now, round: 1, next: 0 }
    }

    /// When the next go is due.
    pub(super) const fn due(&self) -> Mono {
        self.at
    }

    /// Begins the round anew: targets stand elsewhere now.
    pub(super) const fn start_over(&mut self) {
        self.next = 0;
    }

    /// Everything at once: at the edges of sessions, so that no stretch reaches over one, and when
    /// the daemon stops.
    pub(super) fn all(picture: &mut Picture, now: Now) -> Vec<Change> {
        let config = std::sync::Arc::clone(&picture.config);
        let rules = picture.rules;
        let targets = config.topology.target_ixs().filter_map(|ix| {
            let key = || config.topology.target_key(ix);
            picture.targets[ix.ix()].roll_up(key, &rules, now).map(Box::new).map(Change::Rollup)
        });
        targets.collect()
    }

    /// One go.
    pub(super) fn go(&mut self, picture: &mut Picture, now: Now) -> Vec<Change> {
        let end = (self.next + CHUNK).min(picture.targets.len());
        let idle_too = self.round.is_multiple_of(IDLE_ROUNDS);
        let mut changes = Vec::new();
        let config = std::sync::Arc::clone(&picture.config);
        let rules = picture.rules;
        for at in self.next..end {
            let ix = TargetIx::new(at);
            let idle = picture.plan.site(config.topology.target(ix).site).pace == Phase::Idle;
            if !idle || idle_too {
                let rollup =
                    picture.targets[at].roll_up(|| config.topology.target_key(ix), &rules, now);
                changes.extend(rollup.map(Box::new).map(Change::Rollup));
            }
        }
        if end == picture.targets.len() {
            self.next = 0;
            self.round += 1;
            self.at = (self.began + EVERY * self.round).max(now.mono + GAP);
        } else {
            self.next = end;
            self.at = now.mono + GAP;
        }
        changes
    }
}
