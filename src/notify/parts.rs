//! A letter in parts: several recipients, or one text in several pieces.
//!
//! Where some parts were accepted and others not, the courier repeats the letter as a whole. The
//! channel remembers what was accepted as soon as it is, even if the letter then takes too long, so
//! that a repeat brings nobody the same part twice. A part is known by what it says, not by its
//! place: a digest whose members became fewer has other pieces. The memory is this process's own:
//! after a restart in between, a repeat is told by its id.

use std::collections::{BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{DeliveryError, Retry};
use crate::model::NotificationId;

/// Letters that are remembered. A channel has few under way at once.
const REMEMBERED: usize = 64;

/// The parts of letters that were accepted while others were not.
#[derive(Debug, Default)]
pub(super) struct Accepted(Mutex<VecDeque<(NotificationId, BTreeSet<Part>)>>);

/// A piece of a text for one recipient, by its place in the settings.
type Part = (usize, u64);

fn part(recipient: usize, piece: &str) -> Part {
    let mut hasher = DefaultHasher::new();
    piece.hash(&mut hasher);
    (recipient, hasher.finish())
}

/// How one piece of a letter is handed over.
pub(super) trait Post: Sync {
    /// Hands a piece over to the recipient at this place of the settings.
    fn post(
        &self,
        recipient: usize,
        piece: &str,
    ) -> impl Future<Output = Result<(), DeliveryError>> + Send;

    /// What the log calls that recipient.
    fn name(&self, recipient: usize) -> String;
}

impl Accepted {
    /// Whether a recipient has accepted this piece of a letter before.
    pub(super) fn has(&self, letter: &NotificationId, recipient: usize, piece: &str) -> bool {
        let letters = self.letters();
        let known = letters.iter().find(|(id, _)| id == letter);
        known.is_some_and(|(_, parts)| parts.contains(&part(recipient, piece)))
    }

    /// Remembers that a recipient has accepted a piece of a letter that may be repeated.
    fn keep(&self, letter: &NotificationId, recipient: usize, piece: &str) {
        let mut letters = self.letters();
        let at = letters.iter().position(|(id, _)| id == letter);
        let mut known = at.and_then(|at| letters.remove(at));
        let (_, parts) = known.get_or_insert_with(|| (letter.clone(), BTreeSet::new()));
        parts.insert(part(recipient, piece));
        letters.extend(known);
        if letters.len() > REMEMBERED {
            letters.pop_front();
        }
    }

    /// Forgets a letter that will not be repeated.
    pub(super) fn forget(&self, letter: &NotificationId) {
        self.letters().retain(|(id, _)| id != letter);
    }

    /// Hands the pieces of a letter over to each of so many recipients, one after the other: what
    /// was not accepted before, up to the first that a recipient does not accept.
    ///
    /// # Errors
    /// See [`verdict`].
    pub(super) async fn deliver(
        &self,
        letter: &NotificationId,
        recipients: usize,
        pieces: &[&str],
        way: &impl Post,
    ) -> Result<(), DeliveryError> {
        let (mut any, mut failures) = (false, Vec::new());
        for recipient in 0..recipients {
            for piece in pieces {
                if self.has(letter, recipient, piece) {
                    any = true;
                    continue;
                }
                if let Err(error) = way.post(recipient, piece).await {
                    // Of the only one the courier says it.
                    if recipients > 1 {
                        let recipient = way.name(recipient);
                        tracing::warn!(recipient, %error, "a recipient did not accept a message");
                    }
                    failures.push(error);
                    break;
                }
                any = true;
                self.keep(letter, recipient, piece);
            }
        }
        let verdict = verdict(any, failures);
        if verdict.is_ok() {
            self.forget(letter);
        }
        verdict
    }

    /// Every change of it is one step, so a panic leaves it whole.
    fn letters(&self) -> MutexGuard<'_, VecDeque<(NotificationId, BTreeSet<Part>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What comes of a letter whose parts fared differently:
///
/// 1. While a part may still get through, the letter is repeated, as late as any receiver asked.
///    Where others have it, only this letter waits: they are to hear what comes next in time.
/// 2. Else, if any part was accepted, so is the letter: somebody was reached. What was refused
///    stands in the log.
/// 3. Else it failed, with the first reason.
pub(super) fn verdict(
    any_accepted: bool,
    failures: Vec<DeliveryError>,
) -> Result<(), DeliveryError> {
    let wait = |failure: &&DeliveryError| match failure.retry {
        Retry::After(wait) | Retry::Partly(wait) => wait,
        Retry::Later | Retry::Never => Duration::ZERO,
    };
    let later = failures.iter().filter(|f| f.retry != Retry::Never).max_by_key(wait);
    match later {
        Some(later) if any_accepted => {
            Err(DeliveryError { retry: Retry::Partly(wait(&later)), text: later.text.clone() })
        }
        Some(later) => Err(later.clone()),
        None if any_accepted => Ok(()),
        None => failures.into_iter().next().map_or(Ok(()), Err),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(retry: Retry) -> DeliveryError {
        DeliveryError { retry, text: "no".to_owned() }
    }

    /// Recipients, one of whom hangs at the second piece, and one who refuses for now.
    #[derive(Default)]
    struct Row(Mutex<Vec<String>>);

    impl Post for Row {
        async fn post(&self, recipient: usize, piece: &str) -> Result<(), DeliveryError> {
            self.0.lock().unwrap().push(format!("{recipient}{piece}"));
            match (recipient, piece) {
                (1, "b") => std::future::pending().await,
                (2, _) => Err(failed(Retry::Later)),
                _ => Ok(()),
            }
        }

        fn name(&self, recipient: usize) -> String {
            recipient.to_string()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_repeat_brings_nobody_the_same_part_twice() {
        let (accepted, id) = (Accepted::default(), NotificationId::new("n1"));
        let way = Row::default();
        let limit = Duration::from_secs(1);
        let late = tokio::time::timeout(limit, accepted.deliver(&id, 3, &["a", "b"], &way)).await;
        assert!(late.is_err(), "the second recipient hangs");
        let known = [(0, "a"), (0, "b"), (1, "a")];
        assert!(known.iter().all(|(to, piece)| accepted.has(&id, *to, piece)), "it took too long");
        let again = tokio::time::timeout(limit, accepted.deliver(&id, 3, &["a", "b"], &way)).await;
        assert!(again.is_err());
        assert_eq!(*way.0.lock().unwrap(), ["0a", "0b", "1a", "1b", "1b"]);
    }

    #[tokio::test]
    async fn what_is_accepted_by_everybody_is_not_remembered() {
        let (accepted, id) = (Accepted::default(), NotificationId::new("n1"));
        assert_eq!(accepted.deliver(&id, 1, &["a", "b"], &Row::default()).await, Ok(()));
        assert!(!accepted.has(&id, 0, "a"));
        let way = Row::default();
        let told = accepted.deliver(&id, 3, &["a"], &way).await;
        assert_eq!(told, Err(failed(Retry::Partly(Duration::ZERO))));
        assert!(accepted.has(&id, 0, "a") && accepted.has(&id, 1, "a"));
        assert!(!accepted.has(&id, 2, "a"));
    }

    #[tokio::test]
    async fn a_digest_that_became_shorter_is_told_to_whoever_has_not_got_it() {
        let (accepted, id) = (Accepted::default(), NotificationId::new("digest-n1"));
        let way = Row::default();
        accepted.deliver(&id, 3, &["both", "halves"], &way).await.unwrap_err();
        way.0.lock().unwrap().clear();
        accepted.deliver(&id, 3, &["one"], &way).await.unwrap_err();
        assert_eq!(*way.0.lock().unwrap(), ["0one", "1one", "2one"]);
    }

    #[test]
    fn the_memory_is_bounded() {
        let accepted = Accepted::default();
        for n in 0..1000 {
            accepted.keep(&NotificationId::new(format!("n{n}")), 0, "a");
        }
        assert_eq!(accepted.letters().len(), REMEMBERED);
        assert!(accepted.has(&NotificationId::new("n999"), 0, "a"));
    }

    #[test]
    fn a_part_that_may_get_through_keeps_the_letter_waiting() {
        let asked = Duration::from_secs(34);
        let wait = failed(Retry::After(asked));
        let failures = vec![failed(Retry::Never), failed(Retry::Later), wait.clone()];
        assert_eq!(verdict(false, failures.clone()), Err(wait));
        assert_eq!(verdict(true, failures), Err(failed(Retry::Partly(asked))));
    }

    #[test]
    fn somebody_reached_is_enough_when_the_others_are_refused_for_good() {
        assert_eq!(verdict(true, vec![failed(Retry::Never)]), Ok(()));
        assert_eq!(verdict(false, vec![failed(Retry::Never)]), Err(failed(Retry::Never)));
        assert_eq!(verdict(true, Vec::new()), Ok(()));
    }
}
