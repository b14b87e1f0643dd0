//! Looking back on behalf of many, beside everything else that goes on.
//!
//! 1. A question is answered on a thread that may be held up, with a connection of its own, so it
//!    never delays a probe, a page or the writer.
//! 2. So many are answered at once; who waits longer than a moment is turned away.
//! 3. A question that takes too long, or whose asker has gone, is broken off in the middle.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Doing, History, StoreError};
use crate::clock::Clock;

/// Questions that are answered at once: one may be long, and another still finds a place.
const AT_ONCE: usize = 2;
/// Longest that a question waits for its turn.
const WAIT: Duration = Duration::from_secs(4);
/// Longest that an answer takes.
const LIMIT: Duration = Duration::from_secs(8);
/// Steps of SQLite's machine between two looks at the time; a step takes well below a microsecond.
const STEPS: i32 = 2_000;

/// Why a question about the past is not answered.
#[derive(Debug)]
pub enum PastError {
    /// Too many are being answered.
    Busy,
    /// It took too long.
    TookTooLong,
    /// The history cannot be read.
    Store(StoreError),
    /// It was broken off by a mistake of ours.
    BrokenOff,
}

impl fmt::Display for PastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => f.write_str("too many look back at once; try again in a moment"),
            Self::TookTooLong => {
                f.write_str("looking back took too long; ask for a shorter stretch of time")
            }
            Self::Store(_) => f.write_str("the history cannot be read"),
            Self::BrokenOff => f.write_str("looking back broke off"),
        }
    }
}

impl std::error::Error for PastError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Busy | Self::TookTooLong | Self::BrokenOff => None,
        }
    }
}

/// The history as many may ask about it.
#[derive(Debug, Clone)]
pub struct Past {
    dir: PathBuf,
    clock: Clock,
    places: Arc<Semaphore>,
    limit: Duration,
}

impl Past {
    /// The history in the state directory `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, clock: Clock) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { dir: dir.into(), clock, places, limit: LIMIT }
    }

    /// Answers a question. Dropping the future breaks it off.
    ///
    /// # Errors
    /// When there are too many, it takes too long, or the history cannot be read.
    pub async fn ask<T, F>(&self, question: F) -> Result<T, PastError>
    where
        T: Send + 'static,
        F: FnOnce(&History) -> Result<T, StoreError> + Send + 'static,
    {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.places).acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(place)) = turn else { return Err(PastError::Busy) };
        let gone = CancellationToken::new();
        let _gone_with_the_asker = gone.clone().drop_guard();
        let (dir, clock) = (self.dir.clone(), self.clock);
        let deadline = clock.mono() + self.limit;
        let work = tokio::task::spawn_blocking(move || {
            // Kept to the end, though whoever asked may have gone.
            let _place = place;
            let mut history = History::open(&dir)?;
            let over = move || gone.is_cancelled() || clock.mono() >= deadline;
            history.break_off_when(over)?;
            question(&history)
        });
        match work.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_interrupted() => Err(PastError::TookTooLong),
            Ok(Err(error)) => Err(PastError::Store(error)),
            // A panic was logged by its own thread.
            Err(_) => Err(PastError::BrokenOff),
        }
    }
}

impl History {
    /// Has whatever is asked from now on fail as interrupted once `over` holds.
    fn break_off_when(
        &mut self,
        over: impl FnMut() -> bool + Send + 'static,
    ) -> Result<(), StoreError> {
        self.db_mut().progress_handler(STEPS, Some(over)).doing("read")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::Scratch;

    /// Counts without end.
    fn endless(history: &History) -> Result<i64, StoreError> {
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                   SELECT max(i) FROM n";
        history.db().query_row(sql, [], |row| row.get(0)).doing("read")
    }

    #[tokio::test]
    async fn a_question_without_end_is_broken_off_and_makes_room() {
        let scratch = Scratch::new("past-endless");
        let _store = scratch.open();
        let mut past = Past::new(scratch.path(), Clock::start());
        past.limit = Duration::from_millis(50);
        for _ in 0..=AT_ONCE {
            let answer = past.ask(endless).await;
            assert!(matches!(answer, Err(PastError::TookTooLong)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn who_goes_away_frees_the_place() {
        let scratch = Scratch::new("past-gone");
        let _store = scratch.open();
        let past = Past::new(scratch.path(), Clock::start());
        for _ in 0..AT_ONCE {
            let asked = past.clone();
            let asker = tokio::spawn(async move { asked.ask(endless).await });
            tokio::task::yield_now().await;
            asker.abort();
            let _ = asker.await;
        }
        let answer =
            past.ask(|history| history.sessions(jiff::Timestamp::MIN, jiff::Timestamp::MAX));
        assert_eq!(answer.await.unwrap(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_is_turned_away() {
        let past = Past::new("/nowhere", Clock::start());
        let _all = Arc::clone(&past.places).acquire_many_owned(2).await;
        let answer = past.ask(|_| Ok(())).await;
        assert!(matches!(answer, Err(PastError::Busy)));
    }
}
