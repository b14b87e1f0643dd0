//! The minutes of sessions (biên bản): who takes part from when to when, and when everything about
//! a session is known. From these the report is written, whatever happened to the configuration
//! or to this program meanwhile.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::picture::Picture;
use crate::model::{Change, Mono, Now, Phase, Session, SessionId, SessionRecord, Watch};

/// Time between two signs that we are there to see, while a session is on. What was seen after
/// the last one before a crash counts as not seen.
const LIVE_EVERY: Duration = Duration::from_secs(5);
/// The same while none is.
const IDLE_EVERY: Duration = Duration::from_secs(60);

/// The records of sessions that are near, and since when we watch.
#[derive(Debug, Clone)]
pub(super) struct Minutes {
    records: BTreeMap<SessionId, Entry>,
    /// Edges of sessions up to here have been taken notice of.
    looked: Timestamp,
    watch: Watch,
    watch_at: Mono,
}

#[derive(Debug, Clone)]
struct Entry {
    record: SessionRecord,
    /// The entry of the calendar that it was last brought up to date with.
    seen: Option<Arc<Session>>,
}

/// What a look came to.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) changes: Vec<Change>,
    /// Whether a session began or ended since the last look.
    pub(super) edge: bool,
}

impl Minutes {
    /// What a monitor that starts at `now` knows of sessions from before.
    pub(super) fn new(records: BTreeMap<SessionId, SessionRecord>, now: Now) -> Self {
        let entry = |(id, record)| (id, Entry { record, seen: None });
        Self {
            records: records.into_iter().map(entry).collect(),
            looked: now.wall,
            watch: Watch { since: now.wall, until: now.wall },
            watch_at: now.mono,
        }
    }

    /// Brings the records up to date with the calendar.
    ///
    /// 1. A session is written down once it is near, and again whenever its entry in the calendar
    ///    changes.
    /// 2. One that was taken out of the calendar before it began is not held. One that was taken
    ///    out while it was on ended then.
    /// 3. What happened until the end may be confirmed a little later: only then is it closed.
    ///    One that ended while this program was away is closed at the next start.
    pub(super) fn look(&mut self, picture: &Picture, now: Now) -> Looked {
        let at = now.wall;
        let mut looked = Looked::default();
        let topology = picture.topology();
        for session in picture.plan.near() {
            let entry = match self.records.get_mut(&session.id) {
                Some(entry) => entry,
                // Of what was over before we came there is nothing to tell.
                None if session.end <= at => continue,
                None => {
                    let record = SessionRecord::planned(session, topology);
                    looked.changes.push(Change::Session(Box::new(record.clone())));
                    let entry = Entry { record, seen: Some(Arc::clone(session)) };
                    self.records.entry(session.id.clone()).or_insert(entry)
                }
            };
            if entry.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, session)) {
                continue;
            }
            entry.seen = Some(Arc::clone(session));
            // What is over is not rewritten by a later version of the calendar.
            let goes_on = session.end > at || entry.record.end > at;
            if goes_on && entry.record.follow(session, topology, at) {
                looked.changes.push(Change::Session(Box::new(entry.record.clone())));
            }
        }
        let near = |id: &SessionId| picture.plan.near().iter().any(|session| session.id == *id);
        let planned =
            |id: &SessionId| picture.config.sessions.iter().any(|session| session.id == *id);
        self.records.retain(|id, entry| {
            let record = &mut entry.record;
            if record.closed.is_some() {
                return near(id) || record.end > at;
            }
            if record.end > at && !planned(id) {
                if record.start >= at {
                    looked.changes.push(Change::Cancelled(id.clone()));
                    return false;
                }
                record.end = at;
                looked.changes.push(Change::Session(Box::new(record.clone())));
            }
            if at >= record.settled() {
                record.closed = Some(at);
                looked.changes.push(Change::Session(Box::new(record.clone())));
            }
            true
        });
        let since = std::mem::replace(&mut self.looked, at);
        looked.edge = self.records.values().any(|entry| {
            [entry.record.start, entry.record.end].iter().any(|edge| since < *edge && *edge <= at)
        });
        looked
    }

    /// When the next sign of life is due.
    pub(super) const fn watch_due(&self) -> Mono {
        self.watch_at
    }

    /// The sign that we have been there up to `now`. When somebody sets the clock back before the
    /// beginning, it begins anew.
    pub(super) fn watch(&mut self, picture: &Picture, now: Now) -> Change {
        let live = picture.plan.near().iter().any(|session| {
            super::plan::phase(session, &picture.settings().phases, now.wall) == Phase::Live
        });
        self.watch_at = now.mono + if live { LIVE_EVERY } else { IDLE_EVERY };
        if now.wall < self.watch.since {
            self.watch.since = now.wall;
        }
        self.watch.until = now.wall;
        Change::Watch(self.watch)
    }
}
