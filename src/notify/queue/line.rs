//! The line of one channel: what waits, what is under way, and how the channel has behaved.

mod choice;
mod fallback;
mod outcome;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::{Item, Letter};
use super::entry::{Entry, told_as};
use super::{Due, Limits, LineSetup, Output};
use crate::model::{ChannelStatus, IncidentId, Mono, NotificationId, Now, Refusing};
use crate::store::{MarkState, RecipientKey};
use crate::texts::letter_id;

pub(super) use fallback::StandsIn;

/// The line of one channel.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) limits: Limits,
    pub(super) fallback: Option<StandsIn>,
    /// Whether it tells that something is over.
    pub(super) ends: bool,
    /// Whether the settings still name it. One that they do not only finishes what is under way.
    pub(super) configured: bool,
    /// In the order decided.
    pub(super) waiting: Vec<Entry>,
    pub(super) under_way: BTreeMap<NotificationId, Vec<Entry>>,
    pub(super) status: ChannelStatus,
    /// Attempts that failed since the receiver last answered.
    streak: u32,
    /// When the first of them left.
    failing_from: Mono,
    /// When it last accepted anything before a restart.
    pub(super) accepted_before: Option<Timestamp>,
    /// For how long it had failed by then before a restart.
    pub(super) failed_before: Duration,
    /// Attempts without a success since one succeeded, and when the first of them had failed.
    failures: u32,
    pub(super) failed_first: Option<Fails>,
    /// Letters refused for good since then. One may be its own fault, several are the channel's.
    refusals: u32,
    /// Whom the settings name, and what the log calls each.
    pub(super) recipients: BTreeMap<RecipientKey, String>,
    /// Those who were not reached with the last that they were offered and others have.
    pub(super) refusing: BTreeMap<RecipientKey, Unreached>,
    /// Counts the settings under which letters leave.
    pub(super) generation: u32,
    /// The letter that failed in this streak, and whether another one did, too.
    struck: Option<NotificationId>,
    struck_several: bool,
    retry_at: Mono,
    next_slot: Mono,
    /// How long the receiver took over the last letter that it accepted.
    takes: Duration,
}

/// Since when a channel fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fails {
    /// In this run of the program: its origin for what had failed for a while before.
    from: Now,
    /// Since when, if that was before a restart.
    before: Option<Timestamp>,
}

/// A recipient who is not reached any more.
#[derive(Debug, Clone)]
pub(super) struct Unreached {
    /// What the log calls them.
    label: String,
    since: Now,
    /// Since when, if that was before a restart.
    before: Option<Timestamp>,
    reason: String,
}

impl Unreached {
    fn since(&self, now: Now) -> Timestamp {
        self.before.unwrap_or_else(|| now.told(self.since))
    }
}

impl Fails {
    fn since(&self, now: Now) -> Timestamp {
        self.before.unwrap_or_else(|| now.told(self.from))
    }
}

impl Line {
    pub(super) fn new(setup: &LineSetup) -> Self {
        Self {
            limits: setup.limits,
            fallback: None,
            ends: setup.ends,
            configured: true,
            waiting: Vec::new(),
            under_way: BTreeMap::new(),
            status: ChannelStatus::idle(setup.id.clone(), setup.kind),
            streak: 0,
            failing_from: Mono::NEVER,
            accepted_before: None,
            failed_before: Duration::ZERO,
            failures: 0,
            failed_first: None,
            refusals: 0,
            recipients: BTreeMap::new(),
            refusing: BTreeMap::new(),
            generation: 0,
            struck: None,
            struck_several: false,
            retry_at: Mono::ZERO,
            next_slot: Mono::ZERO,
            takes: Duration::ZERO,
        }
    }

    /// Whether it has this message already.
    pub(super) fn holds(&self, id: &NotificationId) -> bool {
        self.on_their_way().any(|entry| entry.notification.id == *id)
    }

    /// Rule 2, for one incident: from the oldest waiting message on, each is overtaken by the next.
    pub(super) fn fold(&mut self, incident: &IncidentId, now: Now, output: &mut Output) {
        let is_it = |entry: &Entry| entry.notification.alert.incident.id == *incident;
        if self.waiting.iter().filter(|entry| is_it(entry)).count() < 2 {
            return;
        }
        let (mut its, others): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(is_it);
        self.waiting = others;
        its.sort_by_key(|entry| entry.order);
        let Some(mut newest) = its.pop() else { return };
        let (decided_as, knew, said) = (newest.told_as, newest.heard.len(), newest.error.is_some());
        if self.failed_first.is_some() && !said {
            newest.error = its.iter().rev().find_map(|older| older.error.clone());
        }
        let fails = newest.error.is_some() && !said;
        its.iter().rev().for_each(|older| newest.inherit(&older.heard));
        for older in its {
            newest.told_as = told_as(older.told_as, newest.told_as);
            newest.order = newest.order.min(older.order);
            newest.nth = newest.nth.min(older.nth);
            newest.hangs_at = newest.hangs_at.min(older.hangs_at);
            let reason = format!("told by {}", newest.notification.id);
            self.drop_entry(&older, reason, now, output);
        }
        if newest.told_as != decided_as || newest.heard.len() > knew || fails {
            output.marks.push(newest.mark_waiting(self.rests(), now));
        }
        let at = self.waiting.partition_point(|entry| entry.order < newest.order);
        self.waiting.insert(at, newest);
    }

    /// The next letter that is due.
    pub(super) fn next(&mut self, now: Now, output: &mut Output) -> Option<Due> {
        if self.free_at()? > now.mono {
            return None;
        }
        let first = self.choose(now.mono)?;
        let mut entries: Vec<Entry> = Vec::new();
        for at in self.bundle_with(first, now.mono).into_iter().rev() {
            entries.push(self.waiting.remove(at));
        }
        entries.reverse();
        // What has lost some of its messages is the same digest still. Not so what has others
        // besides, or a part of one that is too large for what the channel has become: a gateway
        // that took what it begins with would drop the rest.
        let again = entries.first()?.bundle.clone().filter(|bundle| {
            let is_in = |entry: &Entry| entry.bundle.as_ref() == Some(bundle);
            let is_beside = self.under_way.contains_key(bundle) || self.waiting.iter().any(is_in);
            entries.iter().all(is_in) && !is_beside
        });
        let anew = || letter_id(entries.iter().map(|entry| &entry.notification.id));
        let id = again.or_else(anew)?;
        let rests = self.rests();
        let record_first = entries.iter().any(|entry| entry.attempts == 0);
        for entry in &mut entries {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.left_at = now.mono;
            entry.generation = self.generation;
            entry.bundle = (id != entry.notification.id).then(|| id.clone());
            output.marks.push(entry.mark_waiting(rests, now));
        }
        self.next_slot = now.mono + self.limits.gap;
        let item = |entry: &Entry| {
            let late = (now.mono >= entry.late_at).then_some(now.wall);
            Item { late, ..Item::new(entry.told_as, Arc::clone(&entry.notification)) }
        };
        let letter = Letter {
            id: id.clone(),
            channel: self.status.id.clone(),
            created: entries.iter().map(|e| e.notification.created).max().unwrap_or(now.wall),
            items: entries.iter().map(item).collect(),
            test: false,
        };
        self.under_way.insert(id, entries);
        Some(Due { letter, record_first })
    }

    /// When to ask for a letter again; none while only the end of a delivery can change anything.
    pub(super) fn due(&self) -> Option<Mono> {
        let free_at = self.free_at()?;
        self.tellable().map(|at| self.waiting[at].retry_at.max(free_at)).min()
    }

    pub(super) fn status(&self, now: Now) -> ChannelStatus {
        let queued = self.on_their_way().count();
        let refusing = self.refusing.values().map(|it| Refusing {
            recipient: it.label.clone(),
            since: it.since(now),
            reason: it.reason.clone(),
        });
        let mut refusing: Vec<Refusing> = refusing.collect();
        let oldest = |entries: &mut dyn Iterator<Item = &Entry>| {
            entries.map(|entry| entry.notification.created).min()
        };
        refusing.sort_unstable_by(|a, b| a.recipient.cmp(&b.recipient));
        ChannelStatus {
            failing_since: self.failed_first.map(|it| it.since(now)),
            failing_from: self.failed_first.map(|it| it.from.mono),
            fallback: self.fallback.as_ref().map(|fallback| fallback.to.clone()),
            refusing,
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            oldest: oldest(&mut self.on_their_way()),
            untold: oldest(&mut self.on_their_way().filter(|entry| !entry.is_told_to_some())),
            ..self.status.clone()
        }
    }

    pub(super) fn on_their_way(&self) -> impl Iterator<Item = &Entry> {
        self.waiting.iter().chain(self.under_way.values().flatten())
    }

    /// Until when a channel that fails is asked for nothing; none for one that works.
    pub(super) fn rests(&self) -> Option<Mono> {
        self.failed_first.map(|_| self.retry_at)
    }

    /// From when on another letter may leave; none while as many as may be are under way.
    fn free_at(&self) -> Option<Mono> {
        // A channel that fails is asked with one letter at a time.
        let most = if self.streak > 0 { 1 } else { self.limits.under_way.max(1) };
        (self.under_way.len() < most).then(|| self.next_slot.max(self.retry_at))
    }

    fn drop_entry(&mut self, entry: &Entry, reason: String, now: Now, output: &mut Output) {
        self.status.withdrawn += 1;
        output.marks.push(entry.mark(MarkState::Withdrawn, now, Some(reason)));
    }
}
