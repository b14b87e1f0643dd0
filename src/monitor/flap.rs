//! When something that comes and goes is over.

use jiff::Timestamp;
use std::time::Duration;

use crate::config::FlappingSettings;
use crate::model::{Incident, Resolution, Severity};

/// Relapses kept in a record at most; enough to judge by, and bounded.
const KEPT: usize = 64;

/// How long everything must have been well for an incident to end.
///
/// 1. `stable_for`, so that the end is told soon.
/// 2. When it came back `relapses` times within `window` it is flapping. Then it is held open
///    until there was no relapse for `flapping_stable_for`.
pub(super) fn patience(
    incident: &Incident,
    settings: &FlappingSettings,
    now: Timestamp,
) -> Duration {
    if incident.flapping && recent(incident, settings, now) >= settings.relapses {
        settings.flapping_stable_for
    } else {
        settings.stable_for
    }
}

/// Whether an incident that ended is so young that the same trouble is a relapse of it rather
/// than something new.
pub(super) fn may_return(incident: &Incident, settings: &FlappingSettings, now: Timestamp) -> bool {
    incident.resolution == Some(Resolution::Recovered)
        && incident.resolved.is_some_and(|ended| within(ended, settings.window, now))
}

/// Notes that it came back after it had seemed over, or had been told to be. What is at stake is
/// weighed anew: the session of then may be over.
pub(super) fn relapse(incident: &mut Incident, settings: &FlappingSettings, now: Timestamp) {
    incident.was_over = incident.resolved.take().or(incident.was_over);
    incident.resolution = None;
    incident.severity = Severity::Info;
    incident.delegates = 0;
    incident.session = None;
    if incident.relapses.len() == KEPT {
        incident.relapses.remove(0);
    }
    incident.relapses.push(now);
    incident.flapping = recent(incident, settings, now) >= settings.relapses;
}

fn recent(incident: &Incident, settings: &FlappingSettings, now: Timestamp) -> u32 {
    let recent = incident.relapses.iter().filter(|at| within(**at, settings.window, now));
    u32::try_from(recent.count()).unwrap_or(u32::MAX)
}

/// Sets right what was written by a clock that ran ahead of `now`: it began no later than now, and
/// lasts for as long as it was meant to. Whether it was ahead.
pub(super) fn not_ahead(at: &mut Timestamp, until: Option<&mut Timestamp>, now: Timestamp) -> bool {
    let ahead = at.duration_since(now);
    if !ahead.is_positive() {
        return false;
    }
    *at = now;
    if let Some(until) = until {
        *until = until.checked_sub(ahead).unwrap_or(*until);
    }
    true
}

/// Whether `at` lies no more than `window` before `now`, or after it by a clock that was set.
pub(super) fn within(at: Timestamp, window: Duration, now: Timestamp) -> bool {
    now.duration_since(at).unsigned_abs() <= window
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NotificationKind;
    use crate::store::tests::{at, incident, told};

    fn minute(minute: u32) -> Timestamp {
        at(&format!("2026-02-03T01:{minute:02}:00Z"))
    }

    fn came_back_at(incident: &mut Incident, minutes: u32) {
        relapse(incident, &FlappingSettings::default(), minute(minutes));
    }

    fn ended_at(incident: &mut Incident, minutes: u32) {
        incident.resolved = Some(minute(minutes));
    }

    #[test]
    fn it_is_on_since_it_came_back_from_an_end_that_was_told_whatever_dips_follow() {
        let mut it = incident("i", "tan-lap");
        it.began = minute(0);
        it.told.push(told("truc", NotificationKind::Firing, minute(1)));
        came_back_at(&mut it, 5);
        assert_eq!(it.since(), minute(0), "it only rested");
        ended_at(&mut it, 7);
        came_back_at(&mut it, 8);
        assert_eq!(it.since(), minute(0), "nobody heard of that end");
        ended_at(&mut it, 10);
        it.told.push(told("truc", NotificationKind::Resolved, minute(10)));
        came_back_at(&mut it, 15);
        assert_eq!(it.since(), minute(15));
        it.told.push(told("truc", NotificationKind::Firing, minute(16)));
        for dip in [20, 21, 22] {
            came_back_at(&mut it, dip);
            assert_eq!((it.since(), it.flapping), (minute(15), true), "a dip at {dip}");
        }
        it.began = minute(25);
        assert_eq!(it.since(), minute(25), "it became graver");
        ended_at(&mut it, 30);
        assert_eq!(it.since(), minute(25), "what is over is told as a whole");
    }

    #[test]
    fn what_was_over_before_anybody_heard_of_it_is_on_since_it_came_back() {
        let mut it = incident("i", "tan-lap");
        it.began = minute(0);
        ended_at(&mut it, 10);
        came_back_at(&mut it, 40);
        it.told.push(told("truc", NotificationKind::Firing, minute(41)));
        came_back_at(&mut it, 45);
        assert_eq!(it.since(), minute(40));
    }
}
