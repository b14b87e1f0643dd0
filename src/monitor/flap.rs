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
    incident.resolved = None;
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
