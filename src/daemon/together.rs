//! Work that many may ask for at once and that is carried out once for all of them.
//!
//! Whoever asks wants a run that begins after they asked. One that began before may have missed
//! what they changed. So of any number that ask during a run, the first starts another one, and the
//! rest share its result. Without this, a storm of requests whose clients have long gone would keep
//! the daemon busy for minutes.

use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::model::Mono;

/// One kind of work.
pub(super) struct Together<T> {
    clock: Clock,
    /// When the last run began and how it ended; locked while one is under way.
    last: Mutex<Option<(Mono, T)>>,
}

impl<T: Clone> Together<T> {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, last: Mutex::default() }
    }

    /// The result of a run that begins from now on, `work` itself or what somebody else started.
    pub(super) async fn run(&self, work: impl Future<Output = T>) -> T {
        let asked = self.clock.mono();
        let mut last = self.last.lock().await;
        if let Some((_, result)) = last.as_ref().filter(|(began, _)| *began > asked) {
            return result.clone();
        }
        let began = self.clock.mono();
        let result = work.await;
        *last = Some((began, result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test]
    async fn a_storm_of_requests_is_two_runs() {
        let together = Arc::new(Together::new(Clock::start()));
        let (asked, runs) = (watch::Sender::new(0), watch::Sender::new(0));
        let mut storm = JoinSet::new();
        for _ in 0..500 {
            let (together, asked, runs) = (Arc::clone(&together), asked.clone(), runs.clone());
            storm.spawn(async move {
                asked.send_modify(|asked| *asked += 1);
                let work = async {
                    runs.send_modify(|runs| *runs += 1);
                    // A run lasts until everybody has asked.
                    asked.subscribe().wait_for(|asked| *asked == 500).await.unwrap();
                    *runs.borrow()
                };
                together.run(work).await
            });
        }
        let mut results = storm.join_all().await;
        results.sort_unstable();
        assert_eq!(*runs.borrow(), 2);
        assert_eq!(results[..2], [1, 2]);
    }

    #[tokio::test]
    async fn who_asks_after_a_run_gets_one_of_their_own() {
        let together = Together::new(Clock::start());
        assert_eq!(together.run(async { 1 }).await, 1);
        assert_eq!(together.run(async { 2 }).await, 2);
    }
}
