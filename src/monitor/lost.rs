//! The time that sites of a session were down while it was on, summed over sites.
//!
//! Kept from look to look, and made durable now and then: what was lost before a restart is lost.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Change, LostTime, SessionId};

/// Time between two records of a session's lost time.
const RECORD_EVERY: Duration = Duration::from_mins(1);
/// A record is forgotten this long after it was made.
const KEPT_FOR: Duration = Duration::from_hours(24 * 2);

/// What each session lost so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Lost {
    sessions: BTreeMap<SessionId, Tally>,
}

#[derive(Debug, Clone, Copy)]
struct Tally {
    ms: u64,
    /// Until when it is counted.
    upto: Timestamp,
    /// When it was made durable last, and how much it was then.
    recorded: (Timestamp, u64),
}

impl Lost {
    pub(super) fn restored(records: BTreeMap<SessionId, LostTime>) -> Self {
        let tally = |record: LostTime| Tally {
            ms: record.ms,
            upto: record.at,
            recorded: (record.at, record.ms),
        };
        Self { sessions: records.into_iter().map(|(id, record)| (id, tally(record))).collect() }
    }

    /// What a session lost so far, in milliseconds.
    pub(super) fn of(&self, session: &SessionId) -> u64 {
        self.sessions.get(session).map_or(0, |tally| tally.ms)
    }

    /// Counts the time since the last look for a session that is on: so many of its sites are down.
    ///
    /// 1. The first look after a start counts the time since the last record as well: what was down
    ///    when the daemon went, and is not heard again yet, was down meanwhile.
    /// 2. Nothing before the session's start counts, and a clock that is set back takes nothing
    ///    away.
    pub(super) fn count(&mut self, id: &SessionId, start: Timestamp, down: usize, now: Timestamp) {
        let fresh = Tally { ms: 0, upto: start, recorded: (now, 0) };
        let tally = self.sessions.entry(id.clone()).or_insert(fresh);
        let since = Duration::try_from(now.duration_since(tally.upto.max(start)));
        let ms = since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        tally.ms += ms * u64::try_from(down).unwrap_or(0);
        tally.upto = now;
    }

    /// What is to be made durable.
    pub(super) fn changes(&mut self, now: Timestamp) -> Vec<Change> {
        self.sessions.retain(|_, tally| now.duration_since(tally.upto).unsigned_abs() <= KEPT_FOR);
        let mut changes = Vec::new();
        for (session, tally) in &mut self.sessions {
            let (at, ms) = tally.recorded;
            if tally.ms != ms && now.duration_since(at).unsigned_abs() >= RECORD_EVERY {
                tally.recorded = (now, tally.ms);
                let lost = LostTime { at: tally.upto, ms: tally.ms };
                changes.push(Change::Lost { session: session.clone(), lost });
            }
        }
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Batch, Durable};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_571_200 + seconds).unwrap()
    }

    fn seconds(lost: &Lost, session: &str) -> u64 {
        lost.of(&SessionId::new(session)) / 1000
    }

    #[test]
    fn what_is_lost_is_sites_times_time_from_the_start_on() {
        let mut lost = Lost::default();
        let id = SessionId::new("s");
        lost.count(&id, at(100), 3, at(101));
        assert_eq!(seconds(&lost, "s"), 3, "three sites were down when it began");
        for second in 102..=160 {
            lost.count(&id, at(100), usize::from(second <= 131) * 2, at(second));
        }
        assert_eq!(seconds(&lost, "s"), 3 + 60);
        lost.count(&id, at(100), 2, at(120));
        assert_eq!(seconds(&lost, "s"), 63, "a clock that was set back takes nothing away");
    }

    #[test]
    fn a_restart_loses_nothing_and_what_is_still_down_was_down_meanwhile() {
        let mut lost = Lost::default();
        let mut durable = Durable::default();
        let id = SessionId::new("s");
        for second in 1..=90 {
            lost.count(&id, at(0), 1, at(second));
            durable.apply(&Batch { changes: lost.changes(at(second)) });
        }
        assert_eq!(durable.lost.values().map(|it| it.ms).sum::<u64>(), 61_000);
        let mut lost = Lost::restored(durable.lost);
        lost.count(&id, at(0), 1, at(100));
        assert_eq!(seconds(&lost, "s"), 100);
    }
}
