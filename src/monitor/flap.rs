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

/// Notes that it is on again since `since`, after it had seemed over, or had been told to be. What
/// is at stake is weighed anew: the session of then may be over.
pub(super) fn relapse(
    incident: &mut Incident,
    settings: &FlappingSettings,
    since: Timestamp,
    now: Timestamp,
) {
    // What fails again may do so before the end of what was before is decided.
    let before = incident.told.iter().map(|told| told.at).chain(incident.resolved);
    let before = before.chain(incident.relapses.last().copied());
    let since = before.fold(since, Timestamp::max).min(now);
    if incident.resolved.is_some() {
        // What is over waits for nobody, whether they were told so or not.
        (incident.waiting_since, incident.waited) = (None, None);
    }
    incident.was_over = incident.resolved.take().or(incident.was_over);
    incident.resolution = None;
    incident.severity = Severity::Info;
    incident.delegates = 0;
    incident.session = None;
    if incident.relapses.len() == KEPT {
        // Since when it is on stays known, however often it dips from then on.
        let back = incident.came_back();
        let counts = incident.relapses.first().copied() == back;
        incident.relapses.remove(usize::from(counts));
    }
    incident.relapses.push(since);
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
    use crate::model::{ChannelId, GivenUp, NotificationKind, Told};
    use crate::store::tests::{at, incident, told};

    fn minute(minute: u32) -> Timestamp {
        at(&format!("2026-02-03T01:{minute:02}:00Z"))
    }

    fn came_back_at(incident: &mut Incident, minutes: u32) {
        relapse(incident, &FlappingSettings::default(), minute(minutes), minute(minutes));
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

    #[test]
    fn what_came_back_and_went_unheard_is_not_when_it_is_on_again_since() {
        let mut it = incident("i", "tan-lap");
        it.began = minute(0);
        it.told.push(told("truc", NotificationKind::Firing, minute(1)));
        ended_at(&mut it, 10);
        it.told.push(told("truc", NotificationKind::Resolved, minute(10)));
        came_back_at(&mut it, 15);
        ended_at(&mut it, 16);
        came_back_at(&mut it, 40);
        it.told.push(told("truc", NotificationKind::Firing, minute(41)));
        came_back_at(&mut it, 45);
        assert_eq!((it.since(), it.nth_time()), (minute(40), 2));
    }

    #[test]
    fn what_every_channel_gave_up_was_heard_by_nobody() {
        let mut it = incident("i", "tan-lap");
        it.began = minute(0);
        let by = vec![ChannelId::new("truc")];
        let given_up = GivenUp { at: minute(2), by, instead: None, again: false };
        let lost =
            Told { given_up: Some(given_up), ..told("truc", NotificationKind::Firing, minute(1)) };
        it.told.push(lost.clone());
        ended_at(&mut it, 10);
        came_back_at(&mut it, 20);
        assert_eq!((it.since(), it.nth_time()), (minute(20), 2), "nobody knew of it before");
        it.told.push(told("truc", NotificationKind::Firing, minute(21)));
        ended_at(&mut it, 30);
        it.told.push(Told { kind: NotificationKind::Resolved, at: minute(30), ..lost });
        came_back_at(&mut it, 40);
        assert_eq!((it.since(), it.nth_time()), (minute(0), 1), "nobody heard of that end");
    }

    #[test]
    fn since_when_it_is_on_and_the_how_many_time_depends_on_no_dips() {
        let mut it = incident("i", "tan-lap");
        it.began = minute(0);
        it.told.push(told("truc", NotificationKind::Firing, minute(1)));
        came_back_at(&mut it, 5);
        ended_at(&mut it, 10);
        it.told.push(told("truc", NotificationKind::Resolved, minute(10)));
        came_back_at(&mut it, 15);
        it.told.push(told("truc", NotificationKind::Firing, minute(15)));
        for dip in 0..2 * KEPT {
            came_back_at(&mut it, 16 + u32::try_from(dip).unwrap() / 10);
            assert_eq!((it.since(), it.nth_time()), (minute(15), 2), "after {dip} dips");
            assert!(it.relapses.len() <= KEPT);
        }
    }

    #[test]
    fn it_came_back_when_what_came_back_began_but_after_what_was_said_of_before() {
        let mut it = incident("i", "tan-lap");
        let settings = FlappingSettings::default();
        it.told.push(told("truc", NotificationKind::Firing, minute(1)));
        ended_at(&mut it, 10);
        it.told.push(told("truc", NotificationKind::Resolved, minute(10)));
        relapse(&mut it, &settings, minute(15), minute(17));
        assert_eq!(it.since(), minute(15));
        ended_at(&mut it, 20);
        it.told.push(told("truc", NotificationKind::Resolved, minute(20)));
        relapse(&mut it, &settings, minute(19), minute(21));
        assert_eq!((it.since(), it.nth_time()), (minute(20), 3));
        // The clock was set back since.
        relapse(&mut it, &settings, minute(11), minute(12));
        assert_eq!(it.relapses.last(), Some(&minute(12)));
    }

    #[test]
    fn what_was_over_waits_for_nobody_and_what_only_rested_does() {
        let mut it = incident("i", "tan-lap");
        it.waiting_since = Some(minute(1));
        came_back_at(&mut it, 5);
        assert_eq!(it.waiting_since, Some(minute(1)));
        ended_at(&mut it, 10);
        came_back_at(&mut it, 15);
        assert_eq!(it.waiting_since, None);
    }
}
