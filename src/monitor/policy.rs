//! Who is told what, and when: rare messages, and never a problem without its end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::flap::within;
use crate::config::Channel;
use crate::model::{ChannelId, Incident, NotificationKind, Told};

/// The time over which messages are counted.
const HOUR: Duration = Duration::from_secs(3600);
/// An incident has grown when this many more sites are affected than were told, and at least twice
/// as many.
const GROWN_BY: u32 = 2;

/// Why a channel is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It has not been told of this incident, or only that it was over.
    News,
    /// Far more is affected than was told.
    Grown,
    /// It is more urgent than was told.
    Graver,
    /// It is over.
    Over,
}

/// Whether a channel is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// There is nothing to say.
    Nothing,
    /// Now.
    Tell(Why),
    /// Something is to be said, but not before this moment.
    Later(Timestamp),
}

impl Why {
    /// What kind of message it makes.
    pub(super) const fn kind(self) -> NotificationKind {
        match self {
            Self::News => NotificationKind::Firing,
            Self::Grown | Self::Graver => NotificationKind::Update,
            Self::Over => NotificationKind::Resolved,
        }
    }
}

/// Whether a channel is to be told of an incident at `now`.
///
/// 1. One message when it is on, and one when it is over: to those who were told that it is on,
///    and to all of them, whatever is silenced meanwhile, unless a channel wants no ends.
/// 2. In between only when it has grown: far more sites, or a higher severity than was told.
/// 3. While messages are held back (`muted`: a silence, a maintenance window, or a wider incident
///    that explains it), nothing of rules 1 and 2 is said but the end. What is still on afterwards
///    is told then.
/// 4. A channel is told from its own `min_severity` on.
/// 5. At most `limit` messages an hour. The last one that is left is kept for telling that it is
///    on again, unless the incident has never come back; so an end may be told late, but is always
///    told. Growth needs two messages left: for itself and for the end.
pub(super) fn needs_notification(
    incident: &Incident,
    channel: &Channel,
    limit: u32,
    muted: bool,
    now: Timestamp,
) -> Need {
    let told: Vec<&Told> = incident.told.iter().filter(|told| told.channel == channel.id).collect();
    let last = told.last().filter(|told| told.kind != NotificationKind::Resolved);
    let why = match (incident.is_open(), last) {
        (true, None) if muted || incident.severity < channel.min_severity => return Need::Nothing,
        (true, None) => Why::News,
        (true, Some(_)) if muted => return Need::Nothing,
        (true, Some(last)) if incident.severity > last.severity => Why::Graver,
        (true, Some(last)) if has_grown(incident, last) => Why::Grown,
        (true, Some(_)) | (false, None) => return Need::Nothing,
        (false, Some(_)) if !channel.send_resolved => return Need::Nothing,
        (false, Some(_)) => Why::Over,
    };
    let spare = match why {
        Why::News => 1,
        Why::Over if incident.relapses.is_empty() => 1,
        Why::Over | Why::Grown | Why::Graver => 2,
    };
    let limit = limit.max(2);
    let recent: Vec<Timestamp> =
        told.iter().map(|told| told.at).filter(|at| within(*at, HOUR, now)).collect();
    let used = u32::try_from(recent.len()).unwrap_or(u32::MAX);
    if used + spare <= limit {
        return Need::Tell(why);
    }
    // The message that must fall out of the hour for enough to be left.
    let nth = (used + spare - limit - 1) as usize;
    let at = recent.get(nth).copied().unwrap_or(now);
    Need::Later(at.saturating_add(SignedDuration::from_secs(3601)).unwrap_or(Timestamp::MAX))
}

/// Notes that a channel was told; gives the running number of the message.
pub(super) fn note_told(
    incident: &mut Incident,
    channel: &ChannelId,
    kind: NotificationKind,
    now: Timestamp,
) -> usize {
    let affected = u32::try_from(incident.affected_now().count()).unwrap_or(u32::MAX);
    let (severity, channel) = (incident.severity, channel.clone());
    incident.told.push(Told { channel, kind, at: now, severity, affected });
    incident.told.len()
}

/// Whether people who acknowledged it should look again: it has grown since they were told.
pub(super) const fn reopens(why: Why) -> bool {
    matches!(why, Why::Grown | Why::Graver)
}

fn has_grown(incident: &Incident, last: &Told) -> bool {
    let now = u32::try_from(incident.affected_now().count()).unwrap_or(u32::MAX);
    now >= last.affected.saturating_add(GROWN_BY) && now >= last.affected.saturating_mul(2)
}
