//! Which channel tells what in place of which other one, over all lines: rule 7 of the queue.
//!
//! What each line hands on is decided by itself, in `line/fallback`; here it gets into the line of
//! the channel that stands in, and it is noted until the problem is over who heard of it how.

use std::sync::Arc;

use super::entry::Entry;
use super::{MOST_STAND_INS, Queue};
use crate::model::{ChannelId, Notification, NotificationId, NotificationKind, Now, Told};
use crate::store::{MarkState, StandIn};

impl Queue {
    /// Notes that a fallback tells of an incident; whether it is the first time. How many are noted
    /// is bounded, whatever never ends: what was noted first is forgotten first.
    pub(super) fn note_stand_in(&mut self, stand_in: StandIn) -> bool {
        if self.stand_ins.contains_key(&stand_in) {
            return false;
        }
        self.stand_ins.insert(stand_in, self.next_order);
        self.next_order += 1;
        if self.stand_ins.len() > MOST_STAND_INS {
            let oldest = self.stand_ins.iter().min_by_key(|(_, order)| **order);
            if let Some(oldest) = oldest.map(|(stand_in, _)| stand_in.clone()) {
                self.stand_ins.remove(&oldest);
            }
        }
        true
    }

    /// Rule 7: the end of a problem follows to whoever heard of it through a fallback, unless they
    /// are told of no end. What a channel told that tells none is over with its incident.
    pub(super) fn admit(&mut self, mut entry: Entry, now: Now) {
        let notification = Arc::clone(&entry.notification);
        if notification.kind == NotificationKind::Resolved {
            self.note_given_up();
            let (lines, over) = (&self.lines, &notification.alert.incident.id);
            let tells_ends = |id: &ChannelId| lines.get(id).is_none_or(|line| line.ends);
            self.stand_ins.retain(|it, _| it.incident != *over || tells_ends(&it.channel));
            self.given_up.retain(|(about, _)| about != over);
        }
        let is_end = notification.kind == NotificationKind::Resolved && entry.fallback.is_none();
        let heard = if is_end { self.heard_through(&notification) } else { Vec::new() };
        for heard in heard {
            self.stand_ins.remove(&heard);
            let tells_ends = self.lines.get(&heard.fallback).is_none_or(|line| line.ends);
            if tells_ends
                && !told_itself(&notification, &heard.fallback)
                && let Some(line) = self.lines.get_mut(&notification.channel)
            {
                line.status.fallen_back += 1;
                self.output.copies.push(entry.copy(&heard.fallback));
                entry.fallback = Some(heard.fallback);
                // On record together with the copy.
                self.output.marks.push(entry.mark(MarkState::Waiting, now, None));
            }
        }
        self.add(entry, now);
    }

    /// Who has told of the incident in place of the channel of a message, in the order in which
    /// they began to: there are several where the settings named another one meanwhile. The one
    /// that stands in by now comes last, as the one that the message is on record with.
    fn heard_through(&self, notification: &Notification) -> Vec<StandIn> {
        let about = (&notification.channel, &notification.alert.incident.id);
        let now = self.lines.get(about.0).and_then(|line| line.fallback.as_ref()).map(|it| &it.to);
        let heard = self.stand_ins.iter().filter(|(it, _)| (&it.channel, &it.incident) == about);
        let mut heard: Vec<(&StandIn, &u64)> = heard.collect();
        heard.sort_unstable_by_key(|(it, order)| (Some(&it.fallback) == now, **order));
        heard.into_iter().map(|(it, _)| it.clone()).collect()
    }

    /// Rule 7: hands on what has to go through a fallback, over any number of them.
    pub(super) fn fall_back(&mut self, now: Now) {
        loop {
            for line in self.lines.values_mut() {
                line.fall_back(now, &mut self.output);
            }
            let copies = std::mem::take(&mut self.output.copies);
            if copies.is_empty() {
                return;
            }
            for (mut copy, late_at) in copies {
                let Some(channel) = copy.instead_of.clone() else { continue };
                let stand_in = StandIn {
                    channel,
                    incident: copy.alert.incident.id.clone(),
                    fallback: copy.channel.clone(),
                };
                if copy.kind == NotificationKind::Resolved {
                    self.stand_ins.remove(&stand_in);
                } else {
                    let new = self.note_stand_in(stand_in.clone());
                    if new {
                        self.hand_on_end(&stand_in, now);
                    }
                    copy.kind = match copy.kind {
                        // That nobody has it is what its people have to hear above all.
                        NotificationKind::Escalation => NotificationKind::Escalation,
                        _ if new => NotificationKind::Firing,
                        NotificationKind::Firing => NotificationKind::Update,
                        other => other,
                    };
                }
                let copy = Arc::new(copy);
                self.output.added.push(Arc::clone(&copy));
                self.admit(Entry { late_at, ..Entry::new(copy, now) }, now);
            }
        }
    }

    /// Rule 7: hands on the end of a problem that waits already when a fallback is told of it.
    fn hand_on_end(&mut self, heard: &StandIn, now: Now) {
        let tells_ends = self.lines.get(&heard.fallback).is_none_or(|line| line.ends);
        let line = self.lines.get_mut(&heard.channel).filter(|_| tells_ends);
        let is_end = |entry: &&mut Entry| {
            let it = &entry.notification;
            it.kind == NotificationKind::Resolved
                && it.alert.incident.id == heard.incident
                && entry.fallback.as_ref() != Some(&heard.fallback)
                && !told_itself(it, &heard.fallback)
        };
        let Some(line) = line else { return };
        let rests = line.rests();
        let Some(end) = line.waiting.iter_mut().find(is_end) else { return };
        line.status.fallen_back += 1;
        self.output.copies.push(end.copy(&heard.fallback));
        end.fallback = Some(heard.fallback.clone());
        self.output.marks.push(end.mark_waiting(rests, now));
        self.stand_ins.remove(heard);
    }

    /// Rule 7: what was to be told by a fallback that is gone may go another way.
    pub(super) fn take_back(
        &mut self,
        untold: impl IntoIterator<Item = (StandIn, NotificationId)>,
        now: Now,
    ) {
        for (stand_in, original) in untold {
            self.stand_ins.remove(&stand_in);
            if let Some(line) = self.lines.get_mut(&stand_in.channel) {
                line.take_back(&original, &stand_in.fallback, now, &mut self.output);
            }
        }
    }
}

/// Whether a channel was told in its own right of the outage that a message is about. The same
/// incident may have come back; who was told its end then knows of nothing that is on since.
pub(super) fn told_itself(notification: &Notification, channel: &ChannelId) -> bool {
    let incident = &notification.alert.incident;
    let end = incident.over_before();
    let ended_before =
        |it: &Told| it.kind == NotificationKind::Resolved && end.is_some_and(|end| it.at <= end);
    let told = incident.told.iter().rev().filter(|it| it.channel == *channel);
    told.take_while(|it| !ended_before(it)).any(|it| !it.is_untold())
}
