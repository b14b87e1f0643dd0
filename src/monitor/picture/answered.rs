//! When our own network worked for a fact.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::{Detail, Failure, Mono, Outcome, RemoteFailure, Reply};

/// Time between two moments that are kept of those at which we were answered.
const ANSWERED_EVERY: Duration = Duration::from_millis(50);
/// What took longer may have been answered at a second try only; when the first was made our
/// network may not have worked.
const FIRST_TRY: Duration = Duration::from_millis(450);
/// So many of them are kept: those of longer than anything is held in doubt.
const ANSWERED_MOST: usize = 2_048;

/// Moments at which our own network worked for a fact, as far as those who answered stand: what was
/// asked then was answered.
#[derive(Debug, Clone, Default)]
pub(in crate::monitor) struct Answered(VecDeque<Mono>);

impl Answered {
    /// Keeps a moment, unless one close to it is known. Answers come in another order than they
    /// were asked for.
    pub(super) fn note(&mut self, at: Option<Mono>) {
        let Some(asked) = at else { return };
        let close = |at: &Mono| at.since(asked).max(asked.since(*at)) < ANSWERED_EVERY;
        if self.0.back().is_some_and(close) {
            return;
        }
        let place = self.0.partition_point(|at| *at <= asked);
        let before = place.checked_sub(1).and_then(|before| self.0.get(before));
        if before.is_some_and(close) || self.0.get(place).is_some_and(close) {
            return;
        }
        self.0.insert(place, asked);
        if self.0.len() > ANSWERED_MOST {
            self.0.pop_front();
        }
    }

    /// Whether they follow each other from `from` to `to` without a longer `gap`.
    pub(in crate::monitor) fn steadily(&self, from: Mono, to: Mono, gap: Duration) -> bool {
        let later = self.0.range(self.0.partition_point(|at| *at < from)..).copied();
        let mut last = from;
        later.filter(|at| *at < to).chain([to]).all(|at| {
            let before = std::mem::replace(&mut last, at);
            at - before <= gap
        })
    }

    /// Whether there is one from `from` to `to`.
    pub(in crate::monitor) fn within(&self, from: Mono, to: Mono) -> bool {
        let first = self.0.get(self.0.partition_point(|at| *at < from));
        first.is_some_and(|at| *at <= to)
    }
}

/// A moment at which our network worked for a fact, by an outcome that proves somebody alive. Of a
/// train of echoes of which some were lost it is not known which.
pub(super) fn answered_at(outcome: &Outcome) -> Option<Mono> {
    let (asked, finished) = (outcome.started.mono, outcome.finished);
    let at_first_try = finished - asked <= FIRST_TRY;
    match &outcome.result {
        Ok(Reply { detail: Detail::Icmp(detail), .. }) => {
            (detail.received == detail.sent).then_some(asked)
        }
        Err(Failure::Remote(RemoteFailure::Unreachable(_))) => {
            (at_first_try && outcome.heard.is_none()).then_some(asked)
        }
        // Else it was answered at the end at the latest.
        _ => Some(if at_first_try { asked } else { finished }),
    }
}
