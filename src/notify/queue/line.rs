//! The line of one channel: what waits, what is under way, and how the channel has behaved.

mod choice;
mod fallback;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::super::{DeliveryError, Item, Letter, Receipt, Retry};
use super::entry::{Entry, fall_back, told_as};
use super::{
    Due, Event, FIRST_WAIT, LONGEST_ASKED, LONGEST_WAIT, Limits, LineSetup, MOST_ATTEMPTS, Output,
};
use crate::model::{ChannelStatus, IncidentId, Mono, NotificationId, Now, Refusing};
use crate::store::{Mark, MarkState, RecipientKey, Refuses};

pub(super) use fallback::StandsIn;

/// Drills that a channel is known to have accepted: more than there are at a time.
const DRILLS: usize = 32;

/// Letters refused for good in a row, with none accepted in between, from which on the channel is
/// what fails.
const REFUSALS: u32 = 2;

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
    /// Attempts without a success since one succeeded, and when the first of them had failed.
    failures: u32,
    failed_first: Option<Now>,
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
        let (decided_as, knew) = (newest.told_as, newest.heard.len());
        its.iter().rev().for_each(|older| newest.inherit(&older.heard));
        for older in its {
            newest.told_as = told_as(older.told_as, newest.told_as);
            newest.order = newest.order.min(older.order);
            let reason = format!("told by {}", newest.notification.id);
            self.drop_entry(&older, reason, now, output);
        }
        if newest.told_as != decided_as || newest.heard.len() > knew {
            output.marks.push(newest.mark(MarkState::Waiting, now, None));
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
        let behind = self.is_behind(now.mono);
        let mut entries: Vec<Entry> = Vec::new();
        for at in self.bundle_with(first, now.mono).into_iter().rev() {
            entries.push(self.waiting.remove(at));
        }
        entries.reverse();
        let head = entries.first()?;
        let id = match (&head.bundle, entries.len()) {
            (Some(bundle), _) if !behind => bundle.clone(),
            (_, 1) => head.notification.id.clone(),
            (_, _) => NotificationId::new(format!("digest-{}", head.notification.id)),
        };
        // A channel that became another kind may leave the rest of a larger digest behind.
        let taken = self.under_way.contains_key(&id);
        let rest = || NotificationId::new(format!("{id}-{}", head.notification.id));
        let id = if taken { rest() } else { id };
        let record_first = entries.iter().any(|entry| entry.attempts == 0);
        let several = entries.len() > 1;
        for entry in &mut entries {
            entry.attempts = entry.attempts.saturating_add(1);
            entry.left_at = now.mono;
            entry.generation = self.generation;
            if several {
                entry.bundle = Some(id.clone());
            } else if behind {
                entry.bundle = None;
            }
            output.marks.push(entry.mark(MarkState::Waiting, now, entry.error.clone()));
        }
        self.next_slot = now.mono + self.limits.gap;
        let item = |entry: &Entry| Item {
            told_as: entry.told_as,
            notification: Arc::clone(&entry.notification),
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

    /// Rule 9, but for what comes of the letter itself.
    pub(super) fn hear(
        &mut self,
        letter: &NotificationId,
        entries: &mut [Entry],
        receipt: &Receipt,
        now: Now,
        output: &mut Output,
    ) {
        if entries.iter().any(|entry| entry.generation != self.generation) {
            return;
        }
        let id = self.status.id.clone();
        let channel = || id.clone();
        for fared in receipt.recipients.iter().filter(|fared| fared.result.is_ok()) {
            if self.refusing.remove(&fared.key).is_some() {
                let recipient = fared.recipient.clone();
                output.events.push(Event::Reached { channel: channel(), recipient });
            }
        }
        let last = entries.iter().any(|entry| entry.attempts >= MOST_ATTEMPTS);
        for (fared, error) in receipt.lacking() {
            if error.retry != Retry::Never && !last {
                continue;
            }
            // Who refused it before stands in the receipt of every repeat.
            let of_this = entries.iter_mut().map(|it| it.refused_by.insert(fared.key.clone()));
            self.status.refused += u64::from(of_this.fold(false, |new, it| new | it));
            self.stand_in(entries, output);
            let (label, reason) = (fared.recipient.clone(), error.text.clone());
            if let Some(known) = self.refusing.get_mut(&fared.key) {
                known.reason = reason;
                continue;
            }
            let (id, recipient, why) = (letter.clone(), label.clone(), reason.clone());
            output.events.push(Event::Refused { channel: channel(), id, recipient, reason: why });
            let unreached = Unreached { label, since: now, before: None, reason };
            self.refusing.insert(fared.key.clone(), unreached);
        }
    }

    /// Takes up that somebody was not reached when the daemon ended.
    pub(super) fn restore_refusing(&mut self, it: Refuses, now: Now) {
        let Refuses { recipient, since, reason } = it;
        if let Some(label) = self.recipients.get(&recipient).cloned() {
            let unreached = Unreached { label, since: now, before: Some(since), reason };
            self.refusing.insert(recipient, unreached);
        }
    }

    pub(super) fn delivered(&mut self, entries: &[Entry], now: Now, output: &mut Output) {
        let refused = self.refused();
        for entry in entries {
            self.status.delivered += 1;
            if entry.notification.alert.drill && refused.is_none() {
                self.note_drill(&entry.notification.alert.incident.id);
            }
            output.marks.push(self.mark_delivered(entry, refused.clone(), now));
        }
        self.status.last_delivered = Some(now.wall);
        self.takes = entries.first().map_or(Duration::ZERO, |entry| now.mono - entry.left_at);
        self.works(output);
    }

    /// Who has not got what the others have, if anybody.
    fn refused(&self) -> Option<String> {
        let all = self.refusing.values();
        let mut all: Vec<String> =
            all.map(|it| format!("recipient {}: {}", it.label, it.reason)).collect();
        all.sort_unstable();
        (!all.is_empty()).then(|| all.join("; "))
    }

    /// A message that some have, with who of the channel is not reached.
    fn mark_delivered(&self, entry: &Entry, error: Option<String>, now: Now) -> Mark {
        let refuses = |(recipient, it): (&RecipientKey, &Unreached)| Refuses {
            recipient: recipient.clone(),
            since: it.since(now),
            reason: it.reason.clone(),
        };
        let refusing = self.refusing.iter().map(refuses).collect();
        Mark { refusing, ..entry.mark(MarkState::Delivered, now, error) }
    }

    /// Notes that a drill was accepted: its end as well, since that is all that is told of it where
    /// the channel did not work before.
    pub(super) fn note_drill(&mut self, drill: &IncidentId) {
        let drills = &mut self.status.drills;
        drills.retain(|other| other != drill);
        drills.push(drill.clone());
        if drills.len() > DRILLS {
            drills.remove(0);
        }
    }

    pub(super) fn failed(
        &mut self,
        letter: &NotificationId,
        entries: Vec<Entry>,
        error: &DeliveryError,
        now: Now,
        output: &mut Output,
    ) {
        self.status.last_error = Some(error.text.clone());
        let asked = match error.retry {
            Retry::Never if entries.len() > 1 => {
                // One of them, or their number, is to blame: each is tried alone.
                for mut entry in entries {
                    entry.bundle = None;
                    entry.error = Some(error.text.clone());
                    output.marks.push(entry.mark(MarkState::Waiting, now, entry.error.clone()));
                    self.put_back(entry, now, output);
                }
                self.answers();
                return;
            }
            Retry::Never => {
                for entry in entries {
                    self.give_up(entry, error.text.clone(), now, output);
                }
                // It answered: what others say may be to its liking.
                self.answers();
                self.refusals = self.refusals.saturating_add(1);
                self.fails(self.refusals >= REFUSALS, error, now, output);
                return;
            }
            Retry::Later => Duration::ZERO,
            Retry::After(asked) => asked.min(LONGEST_ASKED),
            Retry::Partly { after, works } => {
                // Only this letter waits, for those who have not got it.
                if works {
                    self.works(output);
                }
                self.repeat(entries, after.min(LONGEST_ASKED), error, now, output);
                return;
            }
        };
        let left_at = entries.first().map_or(now.mono, |entry| entry.left_at);
        if self.streak == 0 {
            self.failing_from = left_at;
        }
        self.fails(true, error, now, output);
        self.streak = self.streak.saturating_add(1);
        self.struck_several |= self.struck.as_ref().is_some_and(|struck| struck != letter);
        self.struck.get_or_insert_with(|| letter.clone());
        let again = next_attempt(left_at, self.streak, asked, now.mono);
        self.retry_at = self.retry_at.max(again);
        self.repeat(entries, asked, error, now, output);
    }

    /// Rule 9: a message that some have, and the others will not get this way any more.
    fn partly_told(&mut self, mut entry: Entry, reason: String, now: Now, output: &mut Output) {
        if let Some(fallback) = &self.fallback {
            self.status.fallen_back += u64::from(fall_back(&mut entry, fallback, output));
        }
        self.status.delivered += 1;
        output.marks.push(self.mark_delivered(&entry, Some(reason.clone()), now));
        let (channel, id) = (self.status.id.clone(), entry.notification.id.clone());
        let instead = entry.fallback;
        output.events.push(Event::PartlyTold { channel, id, reason, instead });
    }

    /// Has messages tried again, each after a while of its own.
    fn repeat(
        &mut self,
        entries: Vec<Entry>,
        asked: Duration,
        error: &DeliveryError,
        now: Now,
        output: &mut Output,
    ) {
        for mut entry in entries {
            entry.strikes = entry.strikes.saturating_add(1);
            if entry.attempts >= MOST_ATTEMPTS {
                let reason = format!("after {} attempts: {}", entry.attempts, error.text);
                if let Retry::Partly { .. } = error.retry {
                    self.partly_told(entry, reason, now, output);
                    continue;
                }
                self.give_up(entry, reason, now, output);
                continue;
            }
            self.status.retried += 1;
            entry.retry_at = next_attempt(entry.left_at, entry.strikes, asked, now.mono);
            entry.error = Some(error.text.clone());
            let mut mark = entry.mark(MarkState::Waiting, now, entry.error.clone());
            mark.next_attempt = Some(now.wall_at(entry.retry_at));
            output.marks.push(mark);
            self.put_back(entry, now, output);
        }
    }

    /// Lets a message wait again, in its place; what came meanwhile may have overtaken it.
    fn put_back(&mut self, entry: Entry, now: Now, output: &mut Output) {
        let incident = entry.notification.alert.incident.id.clone();
        let at = self.waiting.partition_point(|other| other.order < entry.order);
        self.waiting.insert(at, entry);
        self.fold(&incident, now, output);
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
            failing_since: self.failed_first.map(|then| now.told(then)),
            failing_from: self.failed_first.map(|then| then.mono),
            fallback: self.fallback.as_ref().map(|fallback| fallback.to.clone()),
            refusing,
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            oldest: oldest(&mut self.on_their_way()),
            untold: oldest(&mut self.on_their_way().filter(|entry| !entry.is_told_to_some())),
            ..self.status.clone()
        }
    }

    fn on_their_way(&self) -> impl Iterator<Item = &Entry> {
        self.waiting.iter().chain(self.under_way.values().flatten())
    }

    /// From when on another letter may leave; none while as many as may be are under way.
    fn free_at(&self) -> Option<Mono> {
        // A channel that fails is asked with one letter at a time.
        let most = if self.streak > 0 { 1 } else { self.limits.under_way.max(1) };
        (self.under_way.len() < most).then(|| self.next_slot.max(self.retry_at))
    }

    /// Counts an attempt without success, and says so of the first that speaks for itself: a letter
    /// that is refused for good may only be odd.
    fn fails(&mut self, speaks: bool, error: &DeliveryError, now: Now, output: &mut Output) {
        self.failures = self.failures.saturating_add(1);
        if speaks && self.failed_first.is_none() {
            self.failed_first = Some(now);
            output.events.push(Event::Failing {
                channel: self.status.id.clone(),
                reason: error.text.clone(),
            });
        }
    }

    /// The receiver has accepted something.
    fn works(&mut self, output: &mut Output) {
        let failures = std::mem::take(&mut self.failures);
        self.refusals = 0;
        if self.failed_first.take().is_some() {
            output.events.push(Event::Working { channel: self.status.id.clone(), failures });
        }
        self.answers();
    }

    /// The receiver has answered: whatever failed may be tried again.
    fn answers(&mut self) {
        if self.streak == 0 {
            return;
        }
        if self.struck_several {
            for entry in &mut self.waiting {
                entry.strikes = 0;
                entry.retry_at = Mono::ZERO;
            }
        }
        self.streak = 0;
        self.struck = None;
        self.struck_several = false;
        self.retry_at = Mono::ZERO;
        self.failing_from = Mono::NEVER;
    }

    pub(super) fn give_up(
        &mut self,
        mut entry: Entry,
        reason: String,
        now: Now,
        output: &mut Output,
    ) {
        if let Some(fallback) = &self.fallback {
            self.status.fallen_back += u64::from(fall_back(&mut entry, fallback, output));
        }
        self.status.failed += 1;
        output.marks.push(entry.mark(MarkState::Failed, now, Some(reason.clone())));
        let instead = entry.fallback.clone();
        output.events.push(entry.given_up(&self.status.id, reason, instead));
    }

    fn drop_entry(&mut self, entry: &Entry, reason: String, now: Now, output: &mut Output) {
        self.status.withdrawn += 1;
        output.marks.push(entry.mark(MarkState::Withdrawn, now, Some(reason)));
    }
}

/// Rule 4: when to try again after so many failures in a row, of which the last left at `left_at`.
fn next_attempt(left_at: Mono, failures: u32, asked: Duration, now: Mono) -> Mono {
    (left_at + wait_after(failures)).max(now + FIRST_WAIT.max(asked))
}

/// Rule 4: the wait after so many failures in a row.
fn wait_after(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT)
}
