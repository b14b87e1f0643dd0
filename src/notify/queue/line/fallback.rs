//! What of a line goes through the channel that stands in for it: rule 7 of the queue.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::entry::{Entry, fall_back};
use super::super::stand_in::told_itself;
use super::super::{Event, LONGEST_WAIT, Output};
use super::{Fails, Line};
use crate::config::Fallback;
use crate::model::{ChannelId, Mono, NotificationId, Now};
use crate::notify::trouble::PATIENCE;

/// The channel that stands in for another one.
#[derive(Debug, Clone)]
pub(in super::super) struct StandsIn {
    pub(in super::super) to: ChannelId,
    after: Duration,
    /// Whether it tells that something is over.
    ends: bool,
}

impl StandsIn {
    pub(in super::super) fn new(fallback: Fallback) -> Self {
        Self { to: fallback.to, after: fallback.after, ends: true }
    }

    /// The same among the channels that there are, each with whether it tells ends; none if it is
    /// not one of them.
    pub(in super::super) fn among(self, channels: &BTreeMap<ChannelId, bool>) -> Option<Self> {
        let ends = *channels.get(&self.to)?;
        Some(Self { ends, ..self })
    }

    /// Whether it has to tell this: it was not handed on yet, and its people neither know nor are
    /// spared it.
    pub(in super::super) fn is_due(&self, entry: &Entry) -> bool {
        entry.fallback.is_none()
            && (self.ends || !entry.is_over())
            && !told_itself(&entry.notification, &self.to)
    }
}

impl Line {
    /// Rule 7: hands on what has failed for long enough.
    pub(in super::super) fn fall_back(&mut self, now: Now, output: &mut Output) {
        let Some(fallback) = self.fallback.clone() else { return };
        let (after, rests) = (fallback.after, self.rests());
        let all = self.fails_for_long_at(after).is_some_and(|at| now.mono >= at);
        let waiting = self.waiting.iter_mut().map(|entry| (false, entry));
        let under_way = self.under_way.values_mut().flatten().map(|entry| (true, entry));
        // What has left comes first, so that the end of an incident is told after its beginning.
        for (left, entry) in under_way.chain(waiting) {
            let is_time = all || left && now.mono >= entry.left_at + after;
            if !is_time || !fall_back(entry, &fallback, output) {
                continue;
            }
            self.status.fallen_back += 1;
            output.marks.push(entry.mark_waiting(rests, now));
            output.events.push(Event::FallsBack {
                channel: self.status.id.clone(),
                id: entry.notification.id.clone(),
                to: fallback.to.clone(),
            });
        }
    }

    /// Rule 9: hands on what somebody is not reached with, whoever else is. It goes on record with
    /// what comes of its letter.
    pub(in super::super) fn stand_in(&mut self, entries: &mut [Entry], output: &mut Output) {
        let Some(fallback) = &self.fallback else { return };
        for entry in entries {
            if !fall_back(entry, fallback, output) {
                continue;
            }
            self.status.fallen_back += 1;
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
        let owed = |entry: &&Entry| fallback.is_due(entry);
        let any = self.on_their_way().any(|entry| owed(&entry));
        let all = any.then(|| self.fails_for_long_at(fallback.after)).flatten();
        let left = self.under_way.values().flatten().filter(owed);
        all.into_iter().chain(left.map(|entry| entry.left_at + fallback.after)).min()
    }

    /// From when on every attempt has failed for so long. What it had failed for before a restart
    /// counts once an attempt has failed since: it may work again.
    fn fails_for_long_at(&self, after: Duration) -> Option<Mono> {
        let after = after.saturating_sub(self.failed_before);
        (self.failing_from < Mono::NEVER).then(|| self.failing_from + after)
    }

    /// Takes up that a message was tried, and not told, when the daemon ended. It was decided about
    /// when it was first tried, at `since`.
    pub(in super::super) fn restore_tried(&mut self, since: Timestamp, now: Now) {
        let age = Duration::try_from(now.wall.duration_since(since)).unwrap_or_default();
        self.failed_before = self.failed_before.max(age);
    }

    /// Takes up that a message had failed, and nothing was accepted after it, when the daemon
    /// ended. A receiver who asked for a time is not asked for anything else either.
    ///
    /// While it is still waited for, nothing will have told otherwise: then it has failed for as
    /// long as the record says. What is due by now shows soon whether the channel works again,
    /// however long nobody was there to ask; until then it has failed since the start.
    pub(in super::super) fn restore_failing(
        &mut self,
        since: Timestamp,
        error: &str,
        wait: Duration,
        now: Now,
        output: &mut Output,
    ) {
        if wait > LONGEST_WAIT {
            self.retry_at = self.retry_at.max(now.mono + wait);
        }
        let age = Duration::try_from(now.wall.duration_since(since)).unwrap_or_default();
        let for_a_while = !wait.is_zero() && age >= PATIENCE;
        let mut fails = self.failed_first.unwrap_or(Fails { from: now, before: None });
        fails.before = Some(fails.before.map_or(since, |before| before.min(since)));
        if for_a_while {
            fails.from.mono = Mono::ZERO;
        }
        self.status.last_error = Some(error.to_owned());
        if self.failed_first.replace(fails).is_none() {
            let (channel, reason) = (self.status.id.clone(), error.to_owned());
            output.events.push(Event::Failing { channel, reason });
        }
    }

    /// What a channel that is gone was to tell in place of this one, and did not, may go another
    /// way again.
    pub(in super::super) fn take_back(
        &mut self,
        id: &NotificationId,
        gone: &ChannelId,
        now: Now,
        output: &mut Output,
    ) {
        let rests = self.rests();
        let on_their_way = self.waiting.iter_mut().chain(self.under_way.values_mut().flatten());
        let is_it = |entry: &&mut Entry| {
            entry.notification.id == *id && entry.fallback.as_ref() == Some(gone)
        };
        for entry in on_their_way.filter(is_it) {
            entry.fallback = None;
            output.marks.push(entry.mark_waiting(rests, now));
        }
    }
}
