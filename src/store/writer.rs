//! The thread that owns the writing connection, and the order of things: commit, then publish,
//! then deliver.
//!
//! Whoever decides hands over a batch and goes on; a slow disk never holds up a probe. Two threads
//! share the work. The writer commits whatever has come since its last transaction. The publisher
//! watches: as soon as a batch is on disk it publishes the snapshot and passes on the messages.
//! When the disk fails, or simply does not answer, the publisher goes ahead after
//! [`PATIENCE`], marked as not durable: an alert that is told and may be told again after a crash
//! is better than silence. Everything is kept in memory and tried again until the disk takes it.
//!
//! 1. A batch that holds more than measurements is written at once, together with all that waits.
//! 2. Measurements alone wait up to [`LAZY`](threads::LAZY) while they are few, so that the disk is
//!    not woken for each of them.
//! 3. After a failure the next attempt waits 100 ms, then twice as long each time, up to 5 s.
//! 4. What the database refuses is kept beside it, in room that is ours already, and is on the disk
//!    then as well; so what comes meanwhile is not left waiting for the next attempt.
//! 5. While a failure lasts, publishing waits for nothing.
//! 6. History beyond its age is deleted in small pieces when there is nothing else to do.

mod threads;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::watch;

use self::threads::{publish, wait, write};
use super::backlog::Backlog;
use super::{Mark, Retention, Store};
use crate::clock::Clock;
use crate::model::{Batch, Change, Mono, Notification, Now, Snapshot, StoreStatus};

/// Longest that publishing waits for the disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// What has happened for good, or as good as.
#[derive(Debug, Clone)]
pub struct News {
    /// The state to publish, if there is a new one.
    pub snapshot: Option<Arc<Snapshot>>,
    /// What the courier is to tell, in the order decided.
    pub mail: Vec<Arc<Notification>>,
    /// Whether it is on disk.
    pub durable: bool,
}

/// Names a moment in the order of what was handed over; the default is the one before all that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// The two threads. Ends them when dropped, without waiting; [`Writer::stop`] waits.
#[derive(Debug)]
pub struct Writer {
    handle: WriterHandle,
    threads: Vec<JoinHandle<()>>,
}

/// A way to hand things to the writer, for as many as need one.
#[derive(Debug, Clone)]
pub struct WriterHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes the publisher, and whoever waits for the end.
    news: Condvar,
    committed: watch::Sender<u64>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct State {
    backlog: Backlog,
    /// When the oldest measurement that waits for company came.
    lazy_since: Option<Mono>,
    submitted: u64,
    committed: u64,
    unpublished: VecDeque<Unpublished>,
    status: StoreStatus,
    retention: Retention,
    /// When to give up writing; set when the daemon stops.
    stop_by: Option<Mono>,
    writer_ended: bool,
    publisher_ended: bool,
}

#[derive(Debug)]
struct Unpublished {
    ticket: u64,
    due: Mono,
    snapshot: Option<Arc<Snapshot>>,
    mail: Vec<Arc<Notification>>,
}

impl Writer {
    /// Starts the two threads. `on_news` is called by one of them and must not block.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub fn start(
        store: Store,
        clock: Clock,
        on_news: impl FnMut(News) + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            news: Condvar::new(),
            committed: watch::Sender::new(0),
            clock,
        });
        let handle = WriterHandle { shared };
        let mut writer = Self { handle: handle.clone(), threads: Vec::new() };
        let name = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let shared = Arc::clone(&handle.shared);
        writer.threads.push(name("store").spawn(move || write(store, &shared))?);
        let shared = handle.shared;
        writer.threads.push(name("publish").spawn(move || publish(&shared, on_news))?);
        Ok(writer)
    }

    /// A way to hand things over.
    #[must_use]
    pub fn handle(&self) -> WriterHandle {
        self.handle.clone()
    }

    /// Writes and publishes what waits, for at most `within`; gives how many changes did not
    /// reach the disk.
    #[must_use]
    pub fn stop(mut self, within: Duration) -> usize {
        let shared = Arc::clone(&self.handle.shared);
        let end = shared.clock.mono() + within;
        let mut state = shared.lock();
        state.stop_by = Some(end);
        shared.work.notify_all();
        shared.news.notify_all();
        while !(state.writer_ended && state.publisher_ended) {
            let left = end + PATIENCE - shared.clock.mono();
            if left.is_zero() {
                break;
            }
            state = wait(&shared.news, state, left);
        }
        let ended = state.writer_ended && state.publisher_ended;
        let is_kept = state.committed >= state.submitted;
        let unsaved = if is_kept { state.backlog.measurements() } else { state.backlog.len() };
        drop(state);
        if ended {
            for thread in self.threads.drain(..) {
                // A thread that panicked has said so already.
                let _ = thread.join();
            }
        }
        unsaved
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        let now = shared.clock.mono();
        shared.lock().stop_by.get_or_insert(now);
        shared.work.notify_all();
        shared.news.notify_all();
    }
}

impl WriterHandle {
    /// Hands over what was decided, and the state after it. Returns at once.
    pub fn submit(&self, batch: Batch, snapshot: Option<Arc<Snapshot>>) -> Ticket {
        let now = self.shared.clock.mono();
        let mail: Vec<_> = batch.changes.iter().filter_map(message_of).collect();
        let mut state = self.shared.lock();
        let lost_before = state.backlog.take_lost();
        let urgent = state.backlog.absorb(batch);
        state.status.lost_rollups += lost_before + state.backlog.take_lost();
        state.submitted += u64::from(urgent);
        if !state.backlog.is_empty() {
            state.lazy_since.get_or_insert(now);
        }
        let ticket = state.submitted;
        if snapshot.is_some() || !mail.is_empty() {
            let due = now + PATIENCE;
            state.unpublished.push_back(Unpublished { ticket, due, snapshot, mail });
        }
        drop(state);
        self.shared.work.notify_one();
        self.shared.news.notify_all();
        Ticket(ticket)
    }

    /// Hands over how far messages are. Returns at once; the ticket tells when it is on disk.
    /// `added` are messages that the courier decided itself, for channels that stand in; they
    /// become rows in the same transaction, and are not passed on as news.
    #[must_use]
    pub fn note(&self, added: Vec<Arc<Notification>>, marks: Vec<Mark>) -> Ticket {
        let added = added.into_iter().map(Arc::unwrap_or_clone).map(Box::new).map(Change::Notify);
        let batch = Batch { changes: added.collect() };
        let mut state = self.shared.lock();
        if !marks.is_empty() || !batch.changes.is_empty() {
            state.backlog.absorb(batch);
            state.backlog.absorb_marks(marks);
            state.submitted += 1;
        }
        let ticket = state.submitted;
        drop(state);
        self.shared.work.notify_one();
        Ticket(ticket)
    }

    /// Waits until everything up to `ticket` is on disk, for at most `within`; whether it is.
    pub async fn committed(&self, ticket: Ticket, within: Duration) -> bool {
        let mut committed = self.shared.committed.subscribe();
        let reached = committed.wait_for(|upto| *upto >= ticket.0);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }

    /// Whether everything up to `ticket` is on disk.
    #[must_use]
    pub fn has_committed(&self, ticket: Ticket) -> bool {
        *self.shared.committed.borrow() >= ticket.0
    }

    /// Whether a snapshot waits for the disk. It is large, so another one is best not made before.
    #[must_use]
    pub fn holds_snapshot(&self) -> bool {
        self.shared.lock().unpublished.iter().any(|waiting| waiting.snapshot.is_some())
    }

    /// How the database does.
    #[must_use]
    pub fn status(&self) -> StoreStatus {
        let state = self.shared.lock();
        let waiting = u32::try_from(state.backlog.len()).unwrap_or(u32::MAX);
        let now = self.shared.clock.now();
        let since = state.status.since.map(|then| Now { wall: now.told(then), ..then });
        StoreStatus { waiting, since, ..state.status.clone() }
    }

    /// Sets how long history is kept, from the next look on.
    pub fn set_retention(&self, retention: Retention) {
        self.shared.lock().retention = retention;
    }
}

impl Shared {
    /// The state. A thread that panicked while holding it cannot have left it half-changed in a
    /// way that matters: every change of it is one assignment.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message_of(change: &Change) -> Option<Arc<Notification>> {
    match change {
        Change::Notify(notification) => Some(Arc::new((**notification).clone())),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
