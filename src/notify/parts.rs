//! A letter in parts: several recipients, or one text in several pieces. Pure.
//!
//! Where some parts were accepted and others not, the courier repeats the letter as a whole. The
//! channel remembers what was accepted, so that a repeat brings nobody the same part twice. The
//! memory is this process's own: after a restart in between, a repeat is told by its id.

use std::collections::{BTreeSet, VecDeque};

use super::{DeliveryError, Retry};
use crate::model::NotificationId;

/// Letters that are remembered. A channel has few under way at once.
const REMEMBERED: usize = 64;

/// The parts of letters that were accepted while others were not.
#[derive(Debug, Default)]
pub(super) struct Accepted {
    letters: VecDeque<(NotificationId, BTreeSet<usize>)>,
}

impl Accepted {
    /// Which parts of a letter were accepted before.
    pub(super) fn of(&self, letter: &NotificationId) -> BTreeSet<usize> {
        let found = self.letters.iter().find(|(id, _)| id == letter);
        found.map(|(_, parts)| parts.clone()).unwrap_or_default()
    }

    /// Remembers what was accepted of a letter that will be repeated; forgets one that will not.
    pub(super) fn keep(&mut self, letter: &NotificationId, parts: BTreeSet<usize>, repeated: bool) {
        self.letters.retain(|(id, _)| id != letter);
        if repeated && !parts.is_empty() {
            self.letters.push_back((letter.clone(), parts));
            if self.letters.len() > REMEMBERED {
                self.letters.pop_front();
            }
        }
    }
}

/// What comes of a letter whose parts fared differently:
///
/// 1. While a part may still get through, the letter is repeated, as late as any receiver asked.
/// 2. Else, if any part was accepted, so is the letter: somebody was reached. What was refused is
///    told to the log by the caller.
/// 3. Else it failed, with the first reason.
pub(super) fn verdict(
    any_accepted: bool,
    failures: Vec<DeliveryError>,
) -> Result<(), DeliveryError> {
    let later = failures.iter().filter(|f| f.retry != Retry::Never).max_by_key(|f| match f.retry {
        Retry::After(wait) => wait,
        Retry::Later | Retry::Never => std::time::Duration::ZERO,
    });
    match later.cloned() {
        Some(later) => Err(later),
        None if any_accepted => Ok(()),
        None => failures.into_iter().next().map_or(Ok(()), Err),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn failed(retry: Retry) -> DeliveryError {
        DeliveryError { retry, text: "no".to_owned() }
    }

    #[test]
    fn a_repeat_brings_nobody_the_same_part_twice() {
        let mut accepted = Accepted::default();
        let id = NotificationId::new("n1");
        accepted.keep(&id, BTreeSet::from([0, 2]), true);
        assert_eq!(accepted.of(&id), BTreeSet::from([0, 2]));
        accepted.keep(&id, BTreeSet::from([0, 1, 2]), false);
        assert!(accepted.of(&id).is_empty());
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut accepted = Accepted::default();
        for n in 0..1000 {
            accepted.keep(&NotificationId::new(format!("n{n}")), BTreeSet::from([0]), true);
        }
        assert_eq!(accepted.letters.len(), REMEMBERED);
        assert_eq!(accepted.of(&NotificationId::new("n999")), BTreeSet::from([0]));
    }

    #[test]
    fn a_part_that_may_get_through_keeps_the_letter_waiting() {
        let wait = failed(Retry::After(Duration::from_secs(34)));
        let failures = vec![failed(Retry::Never), failed(Retry::Later), wait.clone()];
        assert_eq!(verdict(true, failures), Err(wait));
    }

    #[test]
    fn somebody_reached_is_enough_when_the_others_are_refused_for_good() {
        assert_eq!(verdict(true, vec![failed(Retry::Never)]), Ok(()));
        assert_eq!(verdict(false, vec![failed(Retry::Never)]), Err(failed(Retry::Never)));
        assert_eq!(verdict(true, Vec::new()), Ok(()));
    }
}
