//! How urgent an incident is.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::picture::Picture;
use super::plan;
use crate::model::{Cause, Importance, Phase, SessionId, Severity, SiteIx};

/// Delegates from which even a bad path or a hung service during a session is critical.
const MANY_DELEGATES: u32 = 200;

/// A certificate that ends within this time is more than worth knowing.
const A_WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is at stake at the sites that an incident affects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stake {
    /// The phase of the session that counts.
    pub(super) phase: Phase,
    /// The session at which most is at stake among those that count at the affected sites.
    pub(super) session: Option<SessionId>,
    /// How much that session matters.
    importance: Importance,
    /// Delegates at the affected sites, each in the session that counts there.
    pub(super) delegates: u32,
    /// Whether a site of the highest level, or half of all sites, is affected.
    heads: bool,
}

impl Stake {
    /// What is at stake at these sites.
    pub(super) fn at(picture: &Picture, sites: impl IntoIterator<Item = SiteIx>) -> Self {
        let topology = picture.topology();
        let mut stake = Self::default();
        let (mut count, mut start) = (0, None);
        for site in sites {
            let standpoint = picture.plan.site(site);
            stake.delegates = stake.delegates.saturating_add(standpoint.delegates);
            stake.heads |= topology.site(site).level.ix() == 0;
            count += 1;
            let Some(session) = &standpoint.session else { continue };
            let more = start.is_none_or(|at| {
                let before = plan::weight(stake.phase, stake.importance);
                (plan::weight(standpoint.phase, session.importance), Reverse(session.start))
                    > (before, Reverse(at))
            });
            if more {
                start = Some(session.start);
                stake.session = Some(session.id.clone());
                (stake.phase, stake.importance) = (standpoint.phase, session.importance);
            }
        }
        stake.heads |= count * 2 >= topology.sites.len() && count > 1;
        stake
    }
}

/// How urgent a fault is.
///
/// 1. **What keeps sites from taking part** (uplink, access, device, and a service without
///    which they cannot): critical from readiness to the end of the session, since people are
///    waiting or about to; a mere warning when the session is of low importance. However few they
///    are: their number is often not written down, and orders what is equally urgent. Outside, a
///    warning: it is mended in working hours. Only when a site of the highest level or half of the
///    province is gone is it critical at any hour.
/// 2. **Impairments** (quality, and a service beside which others work): a warning from readiness
///    to the end, critical when 200 delegates or more suffer it live, otherwise worth knowing.
/// 3. **Clocks**: a warning at any time; they give notice. Certificates: see [`of_certificate`].
/// 4. **This monitor**: see [`of_ourselves`].
///
/// So a dead site with 200 delegates five minutes before the start outranks a district at two in
/// the morning.
pub(super) fn severity(cause: Cause, down: bool, stake: &Stake) -> Severity {
    let on = matches!(stake.phase, Phase::Readiness | Phase::Live);
    let matters = plan::matters(stake.phase, stake.importance);
    match cause {
        Cause::Certificate | Cause::Clock => Severity::Warning,
        Cause::Quality => impairment(on, stake),
        Cause::Service if !down => impairment(on, stake),
        Cause::Monitor => of_ourselves(stake, false),
        Cause::Uplink | Cause::Access | Cause::Device | Cause::Service => {
            if matters || stake.heads { Severity::Critical } else { Severity::Warning }
        }
    }
}

/// How urgent it is that this monitor cannot see the sites at stake, or fails in something else:
/// critical while people wait for a session or sit in it, else a warning, unless it `lasts` and a
/// site of the highest level or half of the province may be gone without anybody knowing.
pub(super) fn of_ourselves(stake: &Stake, lasts: bool) -> Severity {
    if plan::matters(stake.phase, stake.importance) || (lasts && stake.heads) {
        Severity::Critical
    } else {
        Severity::Warning
    }
}

/// How urgent it is that a certificate is out of its time or soon will be: worth knowing until a
/// week before it ends, then a warning. Once it is out of its time devices may refuse each other,
/// which is critical while people wait for a session or sit in it.
pub(super) fn of_certificate(
    not_before: Timestamp,
    not_after: Timestamp,
    stake: &Stake,
    now: Timestamp,
) -> Severity {
    let is_out = now < not_before || not_after <= now;
    if is_out && plan::matters(stake.phase, stake.importance) {
        Severity::Critical
    } else if is_out || not_after.duration_since(now) <= A_WEEK {
        Severity::Warning
    } else {
        Severity::Info
    }
}

fn impairment(on: bool, stake: &Stake) -> Severity {
    if stake.phase == Phase::Live && stake.delegates >= MANY_DELEGATES {
        Severity::Critical
    } else if on {
        Severity::Warning
    } else {
        Severity::Info
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stake: phase, importance, delegates, and whether the province's seat or half of it is hit.
    fn stake(phase: Phase, importance: Importance, delegates: u32, heads: bool) -> Stake {
        Stake { phase, session: None, importance, delegates, heads }
    }

    #[test]
    fn severity_follows_from_the_phase_the_delegates_and_the_level() {
        use Cause::{Access, Certificate, Clock, Device, Quality, Service, Uplink};
        use Importance::{High, Low, Normal};
        use Phase::{Idle, Live, Readiness, WrapUp};
        use Severity::{Critical, Info, Warning};
        // Cause, whether it keeps the site from taking part, phase, importance, delegates, whether
        // the seat of the province or half of it is affected.
        let table = [
            // A dead site with 200 delegates before the start outranks a district at night.
            (Access, true, Readiness, Normal, 200, false, Critical),
            (Uplink, true, Idle, Normal, 0, false, Warning),
            // What keeps sites from taking part.
            (Access, true, Live, Normal, 50, false, Critical),
            (Access, true, Live, Low, 50, false, Warning),
            (Access, true, Live, High, 1, false, Critical),
            // Nobody may have written down how many come.
            (Device, true, Live, Normal, 0, false, Critical),
            (Service, true, Readiness, Normal, 10, false, Critical),
            (Access, true, WrapUp, Normal, 200, false, Warning),
            (Uplink, true, Idle, Normal, 0, true, Critical),
            (Device, true, WrapUp, Low, 0, true, Critical),
            // Impairments.
            (Quality, false, Idle, Normal, 0, false, Info),
            (Quality, false, WrapUp, High, 500, true, Info),
            (Quality, false, Readiness, Normal, 500, false, Warning),
            (Quality, false, Live, Normal, MANY_DELEGATES - 1, false, Warning),
            (Quality, false, Live, Normal, MANY_DELEGATES, false, Critical),
            (Service, false, Live, Normal, MANY_DELEGATES - 1, false, Warning),
            (Service, false, Live, Normal, MANY_DELEGATES, false, Critical),
            // What gives notice.
            (Clock, false, Live, High, 500, true, Warning),
            (Certificate, false, Idle, Normal, 0, false, Warning),
        ];
        for (cause, down, phase, importance, delegates, heads, wanted) in table {
            let stake = stake(phase, importance, delegates, heads);
            let given = severity(cause, down, &stake);
            assert_eq!(given, wanted, "{} {down} {stake:?}", cause.word());
        }
    }
}
