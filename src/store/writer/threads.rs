//! What the two threads of the writer do: one commits, the other publishes and passes on.

use std::path::Path;
use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{error, info, warn};

use super::{News, PATIENCE, Shared, State};
use crate::model::{Mono, Now, StoreTrouble, chain};
use crate::store::{Retention, Store, StoreError};

/// Longest that measurements wait for company.
pub(super) const LAZY: Duration = Duration::from_secs(5);
/// Wait after the first failure, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// Time between two looks for old history, and the rows deleted at once.
const PRUNE: (Duration, u32) = (Duration::from_hours(1), 2_000);

/// When to write again after a failure.
#[derive(Debug, Clone, Copy, Default)]
struct Retry {
    at: Mono,
    /// The same when there is something that is not on the disk at all.
    news_at: Mono,
}

/// The writer thread.
pub(super) fn write(mut store: Store, shared: &Shared) {
    let mut failures = 0_u32;
    let mut retry = Retry::default();
    let mut prune_at = shared.clock.mono() + PRUNE.0;
    loop {
        let mut state = shared.lock();
        let (work, upto) = loop {
            let now = shared.clock.mono();
            let stopping = state.stop_by;
            if state.backlog.is_empty() && stopping.is_some()
                || stopping.is_some_and(|end| now >= end && failures > 0)
            {
                state.writer_ended = true;
                shared.news.notify_all();
                return;
            }
            let due = due(&state, stopping.is_some(), retry);
            if due <= now {
                state.lazy_since = None;
                break (state.backlog.take(), state.submitted);
            }
            if due == Mono::NEVER && now >= prune_at {
                let retention = state.retention;
                drop(state);
                let more = prune(&mut store, retention, shared.clock.now());
                prune_at = now + if more { RETRY.0 } else { PRUNE.0 };
                state = shared.lock();
                continue;
            }
            state = wait(&shared.work, state, due.min(prune_at).max(now) - now);
        };
        drop(state);

        let began = shared.clock.now();
        let (changes, rollups, marks) = work.parts();
        let result = store.write(changes, rollups, marks, began.wall);
        let took = shared.clock.mono() - began.mono;
        let bytes = store.bytes();
        let aside = result.is_err().then(|| {
            let (changes, _, marks) = work.parts();
            store.keep_aside(changes, marks)
        });

        let mut state = shared.lock();
        state.status.bytes = bytes;
        match result {
            Ok(()) => {
                state.committed = upto;
                state.status.commits += 1;
                state.status.last_commit = took;
                state.status.since = None;
                if state.status.trouble.take().is_some() {
                    info!(failures, "the database takes changes again; nothing is missing");
                }
                failures = 0;
                shared.committed.send_replace(upto);
            }
            Err(error) => {
                state.backlog.put_back(work);
                let lost = state.backlog.take_lost();
                state.status.lost_rollups += lost;
                state.status.failures += 1;
                let trouble = trouble(&error, store.dir());
                if state.status.trouble.as_ref() != Some(&trouble) {
                    error!(reason = %chain(&error), waiting = state.backlog.len(), "{trouble}");
                }
                state.status.trouble = Some(trouble);
                state.status.since.get_or_insert(began);
                let is_aside = matches!(aside, Some(Ok(())));
                if is_aside {
                    state.committed = upto;
                    shared.committed.send_replace(upto);
                }
                if let Some(Err(reason)) = aside
                    && failures == 0
                {
                    warn!(%reason, "what the database refuses is not kept beside it either");
                }
                let now = shared.clock.mono();
                let wait = RETRY.0.saturating_mul(1 << failures.min(16)).min(RETRY.1);
                failures = failures.saturating_add(1);
                // A large account takes its time; half of it is left for others.
                let soon = now + (now - began.mono).max(RETRY.0);
                retry = Retry { at: now + wait, news_at: if is_aside { soon } else { now + wait } };
            }
        }
        drop(state);
        shared.news.notify_all();
    }
}

/// When to write next.
fn due(state: &State, stopping: bool, retry: Retry) -> Mono {
    if state.backlog.is_empty() {
        return Mono::NEVER;
    }
    let wanted = match state.lazy_since {
        Some(since) if state.backlog.can_wait() && !stopping => since + LAZY,
        _ => Mono::ZERO,
    };
    let has_news = state.submitted > state.committed;
    wanted.max(if has_news { retry.news_at.min(retry.at) } else { retry.at })
}

fn prune(store: &mut Store, retention: Retention, now: Now) -> bool {
    match store.prune(retention, now.wall, PRUNE.1) {
        Ok(deleted) => deleted >= PRUNE.1 as usize,
        Err(error) => {
            warn!(reason = %chain(&error), "old history could not be deleted");
            false
        }
    }
}

/// The publisher thread.
pub(super) fn publish(shared: &Shared, mut on_news: impl FnMut(News)) {
    loop {
        let mut state = shared.lock();
        let news = loop {
            if let Some(news) = next_news(&mut state, shared.clock.now()) {
                break news;
            }
            if state.writer_ended && state.unpublished.is_empty() {
                state.publisher_ended = true;
                shared.news.notify_all();
                return;
            }
            let now = shared.clock.mono();
            let due = state.unpublished.front().map_or(Mono::NEVER, |first| first.due);
            state = wait(&shared.news, state, (due.max(now) - now).min(Duration::from_mins(1)));
        };
        drop(state);
        on_news(news);
    }
}

/// Everything that may be published now, as one.
fn next_news(state: &mut State, now: Now) -> Option<News> {
    let mut news: Option<News> = None;
    while let Some(first) = state.unpublished.front() {
        let durable = first.ticket <= state.committed;
        let anyway = state.status.trouble.is_some() || state.writer_ended || now.mono >= first.due;
        if !durable && !anyway || news.as_ref().is_some_and(|news| news.durable != durable) {
            break;
        }
        if !durable && state.status.trouble.is_none() {
            let trouble = StoreTrouble::Silent { seconds: PATIENCE.as_secs() };
            error!("{trouble}; alerts go out all the same");
            state.status.trouble = Some(trouble);
            state.status.since = Some(now);
        }
        let Some(first) = state.unpublished.pop_front() else { break };
        let news = news.get_or_insert(News { snapshot: None, mail: Vec::new(), durable });
        news.snapshot = first.snapshot.or(news.snapshot.take());
        news.mail.extend(first.mail);
    }
    news
}

/// What a failed commit means to people.
fn trouble(error: &StoreError, dir: &Path) -> StoreTrouble {
    use rusqlite::ErrorCode;
    let dir = dir.to_owned();
    let code = match error {
        StoreError::Replaced { .. } => return StoreTrouble::Replaced { dir },
        StoreError::Database { source, .. } => source.sqlite_error_code(),
        _ => None,
    };
    match code {
        Some(ErrorCode::DiskFull) => StoreTrouble::Full { dir },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreTrouble::Held { dir },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StoreTrouble::ReadOnly { dir },
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreTrouble::Damaged { dir },
        _ => StoreTrouble::Failing { dir },
    }
}

/// Waits to be woken, for so long at most.
pub(super) fn wait<'a>(
    condition: &Condvar,
    state: MutexGuard<'a, State>,
    longest: Duration,
) -> MutexGuard<'a, State> {
    condition.wait_timeout(state, longest).unwrap_or_else(PoisonError::into_inner).0
}
