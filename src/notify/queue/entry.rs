//! One message on its way through the line of a channel.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::line::StandsIn;
use super::untold::ABOUT_TO_BE;
use super::{Event, Output};
use crate::model::{
    ChannelId, IncidentId, Mono, Notification, NotificationId, NotificationKind, Now, on_record,
};
use crate::store::{Has, Heard, Mark, MarkState, RecipientKey, StandIn};
use crate::texts::{Untold, begins};

/// How long after it was decided a message is late.
const LATE: Duration = Duration::from_mins(1);

/// A message on its way.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) order: u64,
    pub(super) notification: Arc<Notification>,
    pub(super) told_as: NotificationKind,
    pub(super) attempts: u32,
    pub(super) retry_at: Mono,
    pub(super) bundle: Option<NotificationId>,
    /// Whether it is told alone: a digest in which it left was refused for good.
    pub(super) alone: bool,
    /// The channel that tells it as well.
    pub(super) fallback: Option<ChannelId>,
    /// From when on it is not about to be told any more, if it is not told by then.
    pub(super) hangs_at: Mono,
    /// From when on what leaves says that it is late: who has it by now, and for how long nobody
    /// has, is not known here.
    pub(super) late_at: Mono,
    /// When the last attempt began.
    pub(super) left_at: Mono,
    /// Failures since the channel last proved to be at fault.
    pub(super) strikes: u32,
    /// The running number of the oldest of what it tells among the messages about the incident, be
    /// it this message or one that it overtook; 0 for what stands in no incident's record.
    pub(super) nth: u32,
    /// What the last attempt said, with it or with what it took the place of.
    pub(super) error: Option<String>,
    /// Which of several recipients have it, or one that it overtook, or refuse it.
    pub(super) heard: Vec<Heard>,
    /// Who is known not to get it this way any more, though others have it.
    pub(super) refused_by: BTreeSet<RecipientKey>,
    /// Which settings of its channel it left under.
    pub(super) generation: u32,
}

impl Entry {
    /// A message that was not tried yet. Its order is given by the queue. How old it is already is
    /// told by the wall clock, which nobody sets just then; from now on no set clock matters.
    pub(super) fn new(notification: Arc<Notification>, now: Now) -> Self {
        let age = Duration::try_from(now.wall.duration_since(notification.created));
        let nth = on_record(&notification.id, &notification.alert.incident.id);
        Self {
            order: 0,
            told_as: notification.kind,
            nth: nth.map_or(0, |(_, nth)| nth),
            notification,
            attempts: 0,
            retry_at: Mono::ZERO,
            bundle: None,
            alone: false,
            fallback: None,
            hangs_at: now.mono + ABOUT_TO_BE,
            late_at: now.mono + LATE.saturating_sub(age.unwrap_or_default()),
            left_at: Mono::ZERO,
            strikes: 0,
            error: None,
            heard: Vec::new(),
            refused_by: BTreeSet::new(),
            generation: 0,
        }
    }

    pub(super) fn mark(&self, state: MarkState, now: Now, error: Option<String>) -> Mark {
        Mark {
            id: self.notification.id.clone(),
            state,
            at: now.wall,
            attempts: self.attempts,
            next_attempt: None,
            error,
            bundle: self.bundle.clone(),
            fallback: self.fallback.clone(),
            told_as: self.told_as,
            heard: match state {
                MarkState::Waiting => self.heard.clone(),
                MarkState::Delivered | MarkState::Failed | MarkState::Withdrawn => Vec::new(),
            },
            refusing: Vec::new(),
        }
    }

    /// That it waits. `rests` says until when its channel is asked for nothing, where that has
    /// accepted nothing since it failed: only there it is on record that what failed is due again,
    /// and with what took its place. So a restart knows that the channel fails.
    pub(super) fn mark_waiting(&self, rests: Option<Mono>, now: Now) -> Mark {
        let due = if self.is_whole_for_some() {
            Some(self.retry_at).filter(|at| *at > now.mono)
        } else {
            let rests = rests.filter(|_| self.error.is_some());
            rests.map(|until| self.retry_at.max(until).max(now.mono))
        };
        let mark = self.mark(MarkState::Waiting, now, self.error.clone());
        Mark { next_attempt: due.map(|at| now.wall_at(at)), ..mark }
    }

    /// Whether some recipients have all of this very message, which waits for the others only,
    /// whatever the channel does.
    pub(super) fn is_whole_for_some(&self) -> bool {
        self.heard_itself().any(|has| matches!(has, Has::Whole(_)))
    }

    /// Whether some recipients have this very message, which waits for the others only.
    pub(super) fn is_told_to_some(&self) -> bool {
        self.heard_itself().any(|has| !matches!(has, Has::Refused(_)))
    }

    /// What each recipient has of this very message, or that they refuse it.
    fn heard_itself(&self) -> impl Iterator<Item = &Has> {
        let its = self.heard.iter().filter(|heard| heard.message == self.notification.id);
        its.map(|heard| &heard.has)
    }

    /// Takes over who has heard of the incident in an older message.
    pub(super) fn inherit(&mut self, older: &[Heard]) {
        let new = |it: &&Heard| self.heard.iter().all(|own| own.recipient != it.recipient);
        let older: Vec<Heard> = older.iter().filter(new).cloned().collect();
        self.heard.extend(older);
    }

    pub(super) fn given_up(
        &self,
        channel: &ChannelId,
        reason: String,
        instead: Option<ChannelId>,
    ) -> Event {
        Event::GivenUp {
            channel: channel.clone(),
            id: self.notification.id.clone(),
            incident: self.notification.alert.incident.id.clone(),
            reason,
            instead,
        }
    }

    /// Who has not heard of what is on where it is given up, and of which incident; none where some
    /// recipients have.
    pub(super) fn unheard(
        &self,
        channel: &ChannelId,
        through: Option<ChannelId>,
    ) -> Option<(IncidentId, Untold)> {
        let untold = || Untold { channel: channel.clone(), nth: self.nth, through };
        let incident = self.notification.alert.incident.id.clone();
        (!self.is_over() && !self.is_told_to_some()).then(|| (incident, untold()))
    }

    /// In place of which channel it tells what, and the id of the message that it is a copy of.
    pub(super) fn stands_in_for(&self) -> Option<(StandIn, NotificationId)> {
        let it = &*self.notification;
        let original = it.id.as_str().strip_suffix(&via(&it.channel))?;
        let stand_in = StandIn {
            channel: it.instead_of.clone()?,
            incident: it.alert.incident.id.clone(),
            fallback: it.channel.clone(),
        };
        Some((stand_in, NotificationId::new(original)))
    }

    /// The same for a channel that stands in, and from when on it is late there.
    pub(super) fn copy(&self, to: &ChannelId) -> (Notification, Mono) {
        let original = &*self.notification;
        let copy = Notification {
            id: NotificationId::new(format!("{}{}", original.id, via(to))),
            channel: to.clone(),
            kind: self.told_as,
            created: original.created,
            alert: original.alert.clone(),
            instead_of: Some(original.channel.clone()),
        };
        (copy, self.late_at)
    }

    /// The letter that it is one of when it is tried again.
    pub(super) fn letter(&self) -> &str {
        self.group().unwrap_or(self.notification.id.as_str())
    }

    /// With what it is tried again, if it left in a digest: with whatever left in one that began
    /// alike, however many of those there were.
    pub(super) fn group(&self) -> Option<&str> {
        self.bundle.as_ref().map(begins)
    }

    pub(super) fn is_over(&self) -> bool {
        self.told_as == NotificationKind::Resolved
    }
}

/// What the id of a copy ends with.
fn via(to: &ChannelId) -> String {
    format!("/via/{to}")
}

/// Hands a message on where that is due; whether it was.
pub(super) fn fall_back(entry: &mut Entry, fallback: &StandsIn, output: &mut Output) -> bool {
    if !fallback.is_due(entry) {
        return false;
    }
    output.copies.push(entry.copy(&fallback.to));
    entry.fallback = Some(fallback.to.clone());
    true
}

/// What a message is about for a receiver who has not heard the one before it.
pub(super) fn told_as(unheard: NotificationKind, newer: NotificationKind) -> NotificationKind {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved, Update};
    match (unheard, newer) {
        (_, Resolved) => Resolved,
        (_, Escalation) => Escalation,
        (Firing, _) | (_, Firing) => Firing,
        (Escalation, Update) => Escalation,
        (Update | Resolved, _) | (_, Update) => Update,
        (Escalation, Reminder) => Escalation,
        (Reminder, Reminder) => Reminder,
    }
}
