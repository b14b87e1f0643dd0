//! What waits for the disk, kept small however long the disk does not take it. Pure.
//!
//! While the disk works this holds a few changes for a few milliseconds. When it does not, hours
//! may pass, and memory must not grow with them:
//!
//! 1. The last record of every incident, session, silence, maintenance window, duty and the last
//!    health of everything is kept, always; records that a later one replaces go.
//! 2. A message that is still to be told is kept, always. One that was told or given up
//!    meanwhile, its disk row never having been written, goes.
//! 3. Earlier changes of health matter for reports only: beyond the limit the oldest go, counted.
//! 4. Measurements of one target that follow each other become one; beyond the limit the oldest
//!    go, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Mark, MarkState};
use crate::model::{Batch, Change, NotificationId, Rollup};

/// Changes, other than measurements, from which on what is replaced goes.
const MANY_CHANGES: usize = 20_000;
/// Measurements from which on those that follow each other become one.
const MANY_ROLLUPS: usize = 50_000;
/// Measurements that are company enough: as many take a MiB, and few more are handed over at once.
const COMPANY: usize = 2_000;
/// Longest stretch that measurements are brought together into, in seconds.
const LONGEST_STRETCH: u32 = 900;

/// What waits for the disk, in the order in which it was decided.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    changes: Vec<Change>,
    rollups: Vec<Rollup>,
    marks: BTreeMap<NotificationId, Mark>,
    /// Length of `changes` after the last time that replaced ones went.
    settled_len: usize,
    /// Measurements and old changes of health given up since the start.
    lost: u64,
}

impl Backlog {
    /// Takes in a batch; tells whether it holds anything but measurements.
    pub(super) fn absorb(&mut self, batch: Batch) -> bool {
        let mut changes = batch.changes;
        let measured = changes.extract_if(.., |change| matches!(change, Change::Rollup(_)));
        self.rollups.extend(measured.filter_map(|change| match change {
            Change::Rollup(rollup) => Some(*rollup),
            _ => None,
        }));
        let urgent = !changes.is_empty();
        if self.changes.is_empty() {
            // Ten thousand at once are not copied.
            self.changes = changes;
        } else {
            self.changes.append(&mut changes);
        }
        self.stay_small();
        urgent
    }

    /// Takes in how far messages are.
    pub(super) fn absorb_marks(&mut self, marks: impl IntoIterator<Item = Mark>) {
        self.marks.extend(marks.into_iter().map(|mark| (mark.id.clone(), mark)));
    }

    /// Puts back what the disk did not take, before what came since.
    pub(super) fn put_back(&mut self, mut older: Self) {
        older.changes.append(&mut self.changes);
        older.rollups.append(&mut self.rollups);
        older.marks.append(&mut self.marks);
        older.lost += self.lost;
        *self = older;
        self.stay_small();
    }

    /// Everything in it, leaving it empty.
    pub(super) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// How many changes wait.
    pub(super) fn len(&self) -> usize {
        self.changes.len() + self.rollups.len() + self.marks.len()
    }

    /// How many measurements wait.
    pub(super) fn measurements(&self) -> usize {
        self.rollups.len()
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether nothing but a few measurements waits.
    pub(super) fn can_wait(&self) -> bool {
        self.changes.is_empty() && self.marks.is_empty() && self.rollups.len() < COMPANY
    }

    /// What is to be written: changes, measurements, marks.
    pub(super) fn parts(&self) -> (&[Change], &[Rollup], impl Iterator<Item = &Mark>) {
        (&self.changes, &self.rollups, self.marks.values())
    }

    /// Measurements and old changes of health given up since the last call.
    pub(super) fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    fn stay_small(&mut self) {
        if self.changes.len() > MANY_CHANGES.max(2 * self.settled_len) {
            self.drop_replaced();
            self.settled_len = self.changes.len();
        }
        if self.rollups.len() > MANY_ROLLUPS {
            self.join_rollups();
        }
    }

    /// Rules 1 to 3, from the newest change backwards.
    fn drop_replaced(&mut self) {
        let marks = &mut self.marks;
        let mut seen_incident = BTreeSet::new();
        let mut seen_silence = BTreeSet::new();
        let mut seen_duty = BTreeSet::new();
        let mut seen_health = BTreeSet::new();
        let mut seen_drill = BTreeSet::new();
        let mut seen_session = BTreeSet::new();
        let mut seen_watch = BTreeSet::new();
        let mut seen_lost = BTreeSet::new();
        let mut history = 0;
        let mut lost = 0;
        let mut kept: Vec<Change> = Vec::new();
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            let keep = match &change {
                Change::Incident(incident) => seen_incident.insert(incident.id.clone()),
                Change::Silence(silence) => seen_silence.insert(silence.id.clone()),
                Change::Maintenance(window) => seen_silence.insert(window.id.clone()),
                Change::Lift(id) => seen_silence.insert(id.clone()),
                Change::Duty { rota, .. } => seen_duty.insert(rota.clone()),
                Change::Forget(key) => seen_health.insert(key.clone()),
                Change::Health { key, .. } => {
                    let last = seen_health.insert(key.clone());
                    history += usize::from(!last);
                    let keep = last || history <= MANY_CHANGES / 2;
                    lost += u64::from(!keep);
                    keep
                }
                Change::Notify(notification) => {
                    let settled = marks
                        .get(&notification.id)
                        .is_some_and(|mark| mark.state != MarkState::Waiting);
                    if settled {
                        marks.remove(&notification.id);
                    }
                    !settled
                }
                Change::Drill(drill) => seen_drill.insert(drill.session.clone()),
                Change::Session(record) => seen_session.insert(record.id.clone()),
                Change::Cancelled(id) => seen_session.insert(id.clone()),
                Change::Watch(watch) => seen_watch.insert(watch.since),
                Change::Lost { session, .. } => seen_lost.insert(session.clone()),
                Change::Readiness(_)
                | Change::Confirm(_)
                | Change::Unconfirm { .. }
                | Change::LinkUse(_)
                | Change::Rollup(_)
                | Change::Reported { .. } => true,
            };
            if keep {
                kept.push(change);
            }
        }
        kept.reverse();
        self.changes = kept;
        self.lost += lost;
    }

    /// Rule 4.
    fn join_rollups(&mut self) {
        let mut rollups = std::mem::take(&mut self.rollups);
        rollups.sort_by(|a, b| a.key.cmp(&b.key).then(a.from.cmp(&b.from)));
        let mut joined: Vec<Rollup> = Vec::with_capacity(rollups.len());
        for rollup in rollups {
            match joined.last_mut() {
                Some(last) if follows(last, &rollup) => last.join(&rollup),
                _ => joined.push(rollup),
            }
        }
        joined.sort_by_key(|rollup| rollup.from);
        // Room for as many again, so that this work is not done for every single one.
        let surplus = joined.len().saturating_sub(MANY_ROLLUPS / 2);
        joined.drain(..surplus);
        self.lost += surplus as u64;
        self.rollups = joined;
    }
}

/// Whether `next` begins where `last` ends, of the same target, and both fit one stretch.
fn follows(last: &Rollup, next: &Rollup) -> bool {
    last.key == next.key
        && last.seconds.saturating_add(next.seconds) <= LONGEST_STRETCH
        && last
            .from
            .checked_add(Duration::from_secs(u64::from(last.seconds)))
            .is_ok_and(|end| end == next.from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Durable, Health, NotificationKind};
    use crate::store::tests::{at, batch, health, incident, mark, notification, rollup};

    fn second(n: usize) -> String {
        let (h, m, s) = (n / 3600 % 24, n / 60 % 60, n % 60);
        format!("2026-02-{:02}T{h:02}:{m:02}:{s:02}Z", 1 + n / 86_400)
    }

    #[test]
    fn a_day_without_a_disk_keeps_the_last_word_on_everything() {
        let mut backlog = Backlog::default();
        let mut expected = Durable::default();
        for n in 0..86_400_usize {
            let site = format!("s{}", n % 200);
            let state = Health::ALL[n / 200 % 3];
            let mut it = incident(&format!("i{}", n % 50), &site);
            it.of = u32::try_from(n).unwrap();
            let changes =
                batch(vec![health(&site, state, &second(n)), Change::Incident(Box::new(it))]);
            expected.apply(&changes);
            backlog.absorb(changes);
        }
        assert!(backlog.len() < 3 * MANY_CHANGES, "{}", backlog.len());
        let mut restored = Durable::default();
        restored.apply(&batch(backlog.parts().0.to_vec()));
        assert_eq!(restored, expected);
        assert!(backlog.take_lost() > 0, "old changes of health are given up and counted");
    }

    #[test]
    fn a_message_still_to_be_told_is_never_dropped() {
        let mut backlog = Backlog::default();
        let notify = |n: usize| {
            let it = notification(&format!("n{n}"), incident("i1", "a"), NotificationKind::Firing);
            batch(vec![Change::Notify(Box::new(it))])
        };
        for n in 0..MANY_CHANGES {
            backlog.absorb(notify(n));
            if n % 10 != 0 {
                backlog.absorb_marks([mark(&format!("n{n}"), MarkState::Delivered)]);
            }
        }
        backlog.absorb(notify(MANY_CHANGES));
        let waiting = backlog.parts().0.len();
        assert_eq!(waiting, MANY_CHANGES / 10 + 1, "those told meanwhile need no row");
        assert_eq!(backlog.parts().2.count(), 0, "nor a mark");
    }

    #[test]
    fn what_the_disk_refused_goes_back_before_what_came_since() {
        let mut backlog = Backlog::default();
        backlog.absorb(batch(vec![health("a", Health::Down, "2026-02-03T00:00:00Z")]));
        backlog.absorb_marks([mark("n1", MarkState::Waiting), mark("n2", MarkState::Waiting)]);
        let refused = backlog.take();
        assert!(backlog.is_empty());
        backlog.absorb(batch(vec![health("a", Health::Up, "2026-02-03T00:01:00Z")]));
        backlog.absorb_marks([mark("n1", MarkState::Delivered)]);
        backlog.put_back(refused);
        let mut restored = Durable::default();
        restored.apply(&batch(backlog.parts().0.to_vec()));
        assert_eq!(restored.health.values().next().unwrap().health, Health::Up);
        let states: Vec<_> = backlog.parts().2.map(|mark| mark.state).collect();
        assert_eq!(states, [MarkState::Delivered, MarkState::Waiting]);
    }

    #[test]
    fn measurements_become_coarser_before_any_is_lost() {
        let mut backlog = Backlog::default();
        for n in 0..=MANY_ROLLUPS {
            let (minute, site) = (n / 500, n % 500);
            let it = rollup(&format!("s{site}"), &second(minute * 60), 60);
            backlog.absorb(batch(vec![Change::Rollup(Box::new(it))]));
        }
        let (_, rollups, _) = backlog.parts();
        assert!(rollups.len() < MANY_ROLLUPS / 10, "{}", rollups.len());
        assert!(rollups.iter().all(|it| it.seconds <= LONGEST_STRETCH));
        let probes: u64 = rollups.iter().map(|it| u64::from(it.probes)).sum();
        assert_eq!(probes, 60 * (MANY_ROLLUPS as u64 + 1), "none is lost");
        let it = &rollups[0];
        assert_eq!(
            (it.rtt_min_us, it.rtt_mean_us, it.rtt_max_us),
            (Some(900), Some(1_500), Some(70_000))
        );
        assert_eq!(backlog.take_lost(), 0);
    }

    #[test]
    fn measurements_that_do_not_join_go_oldest_first_and_are_counted() {
        let mut backlog = Backlog::default();
        for n in 0..=MANY_ROLLUPS {
            // A gap after each, so that none follows another.
            let it = rollup("s", &second(n * 2), 1);
            backlog.absorb(batch(vec![Change::Rollup(Box::new(it))]));
        }
        let kept = backlog.parts().1;
        assert_eq!(kept.last().unwrap().from, at(&second(MANY_ROLLUPS * 2)));
        assert_eq!(kept.len(), MANY_ROLLUPS / 2);
        assert_eq!(backlog.take_lost(), (MANY_ROLLUPS / 2 + 1) as u64);
    }
}
