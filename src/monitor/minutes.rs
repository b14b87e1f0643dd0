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
    /// Since when nobody watched, until the first look.
    away_since: Option<Timestamp>,
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
    pub(super) fn new(
        records: BTreeMap<SessionId, SessionRecord>,
        watched: Option<Watch>,
        now: Now,
    ) -> Self {
        let entry = |(id, record)| (id, Entry { record, seen: None });
        Self {
            records: records.into_iter().map(entry).collect(),
            looked: now.wall,
            away_since: watched.map(|watch| watch.until),
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
    /// 4. One that began and ended while this program was away is written down at the next start as
    ///    well, so that its report says that nobody watched. Of what was over before this program
    ///    ever ran there is nothing to tell.
    pub(super) fn look(&mut self, picture: &Picture, now: Now) -> Looked {
        let at = now.wall;
        let mut looked = Looked::default();
        let topology = picture.topology();
        let away_since = self.away_since.take();
        let missed = |session: &&Arc<Session>| {
            away_since.is_some_and(|since| session.end > since && session.end <= at)
        };
        let missed = picture.config.sessions.iter().filter(missed);
        let near = picture.plan.near().iter().filter(|session| session.end > at);
        for session in missed.chain(near) {
            if !self.records.contains_key(&session.id) {
                let record = SessionRecord::planned(session, topology);
                looked.changes.push(Change::Session(Box::new(record.clone())));
                let entry = Entry { record, seen: Some(Arc::clone(session)) };
                self.records.insert(session.id.clone(), entry);
            }
        }
        for session in picture.plan.near() {
            let Some(entry) = self.records.get_mut(&session.id) else { continue };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::tests as testing;

    /// What the first look finds of sessions that are over, when the last watch ended `away`
    /// seconds before.
    fn first_look(away: Option<i64>) -> Vec<(String, bool)> {
        let mut config = testing::config(testing::province("{tinh: [a, b]}"));
        config.sessions = vec![
            testing::session(&config.topology, "before", -9_000, -5_000),
            testing::session(&config.topology, "missed", -4_000, -1_000),
            testing::session(&config.topology, "to-come", 90_000, 99_000),
        ];
        let now = testing::start();
        let picture = Picture::new(Arc::new(config), now.wall);
        let watched = away.map(|away| {
            let until = now.wall - jiff::SignedDuration::from_secs(away);
            Watch { since: Timestamp::MIN, until }
        });
        let mut minutes = Minutes::new(BTreeMap::new(), watched, now);
        let told = |looked: Looked| -> Vec<(String, bool)> {
            let records = looked.changes.into_iter().filter_map(|change| match change {
                Change::Session(record) => Some((record.id.to_string(), record.closed.is_some())),
                _ => None,
            });
            records.collect()
        };
        let first = told(minutes.look(&picture, now));
        assert_eq!(told(minutes.look(&picture, now)), [], "once is enough");
        first
    }

    #[test]
    fn a_session_that_was_held_while_nobody_watched_is_written_down_at_the_next_start() {
        let missed = |closed| ("missed".to_owned(), closed);
        assert_eq!(first_look(Some(4_500)), [missed(false), missed(true)]);
        // We left in the middle of it, and it was planned after that.
        assert_eq!(first_look(Some(2_000)), [missed(false), missed(true)]);
    }

    #[test]
    fn what_was_over_before_anybody_watched_is_not_written_down() {
        assert_eq!(first_look(Some(500)), []);
        assert_eq!(first_look(None), []);
    }
}
