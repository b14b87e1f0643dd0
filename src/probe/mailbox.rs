//! Where outcomes wait for the brain: many put in, one takes everything out.
//!
//! It has no bound of its own and needs none: an outcome answers an order, a target never has two
//! orders under way, so it never holds more than one outcome for each target. A bounded channel
//! would make the echo engine's thread wait for the brain.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::model::Outcome;

/// Outcomes that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    outcomes: Mutex<Vec<Outcome>>,
    bell: Notify,
}

impl Mailbox {
    /// Puts outcomes in. Returns at once.
    pub(super) fn put(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).extend(outcomes);
        self.bell.notify_one();
    }

    /// Takes out all there are, as soon as there are any. Losing this future loses no outcome.
    pub(super) async fn take(&self) -> Vec<Outcome> {
        loop {
            let outcomes =
                std::mem::take(&mut *self.outcomes.lock().unwrap_or_else(PoisonError::into_inner));
            if !outcomes.is_empty() {
                return outcomes;
            }
            self.bell.notified().await;
        }
    }
}
