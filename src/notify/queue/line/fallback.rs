//! What of a line goes through the channel that stands in for it: rule 7 of the queue.

use super::super::entry::{Entry, fall_back};
use super::super::{Event, Output, told_itself};
use super::Line;
use crate::model::{Mono, NotificationId, Now};
use crate::store::MarkState;

impl Line {
    /// Rule 7: hands on what has failed for long enough.
    pub(in super::super) fn fall_back(&mut self, now: Now, output: &mut Output) {
        let Some(fallback) = self.fallback.clone() else { return };
        let after = fallback.after;
        let all = self.failing_from < Mono::NEVER && now.mono >= self.failing_from + after;
        let on_their_way = self.waiting.iter_mut().map(|entry| (false, entry));
        let under_way = self.under_way.values_mut().flatten().map(|entry| (true, entry));
        for (left, entry) in on_their_way.chain(under_way) {
            if entry.fallback.is_some() || !(all || left && now.mono >= entry.left_at + after) {
                continue;
            }
            if !fall_back(entry, &fallback, output) {
                continue;
            }
            self.status.fallen_back += 1;
            let mut mark = entry.mark(MarkState::Waiting, now, entry.error.clone());
            mark.next_attempt = (entry.retry_at > now.mono).then(|| now.wall_at(entry.retry_at));
            output.marks.push(mark);
            output.events.push(Event::FallsBack {
                channel: self.status.id.clone(),
                id: entry.notification.id.clone(),
                to: fallback.to.clone(),
            });
        }
    }

    /// When something is to be handed on, if nothing gets through before.
    pub(in super::super) fn falls_back_at(&self) -> Option<Mono> {
        let fallback = self.fallback.as_ref()?;
        let owed = |entry: &&Entry| {
            entry.fallback.is_none() && !told_itself(&entry.notification, &fallback.to)
        };
        let all = self.on_their_way().any(|entry| owed(&entry)).then_some(self.failing_from);
        let left = self.under_way.values().flatten().filter(owed).map(|entry| entry.left_at);
        let from = all.into_iter().chain(left).min().filter(|from| *from < Mono::NEVER)?;
        Some(from + fallback.after)
    }

    /// What a channel that is gone was to tell in place of this one, and did not, may go another
    /// way again.
    pub(in super::super) fn take_back(
        &mut self,
        id: &NotificationId,
        now: Now,
        output: &mut Output,
    ) {
        let on_their_way = self.waiting.iter_mut().chain(self.under_way.values_mut().flatten());
        for entry in on_their_way.filter(|entry| entry.notification.id == *id) {
            entry.fallback = None;
            let mut mark = entry.mark(MarkState::Waiting, now, entry.error.clone());
            mark.next_attempt = (entry.retry_at > now.mono).then(|| now.wall_at(entry.retry_at));
            output.marks.push(mark);
        }
    }
}
