//! What comes of a letter of a line: whether its messages are told, wait or are given up, who of
//! the channel is reached, and what it says of the channel: rules 4 to 9 of the queue.

use std::time::Duration;

use super::super::entry::{Entry, fall_back};
use super::super::{Event, FIRST_WAIT, LONGEST_ASKED, LONGEST_WAIT, MOST_ATTEMPTS, Output};
use super::{Fails, Line, Unreached};
use crate::model::{IncidentId, Mono, NotificationId, Now};
use crate::notify::{DeliveryError, Receipt, Retry};
use crate::store::{Mark, MarkState, RecipientKey, Refuses};

/// Drills that a channel is known to have accepted: more than there are at a time.
const DRILLS: usize = 32;
/// Letters refused for good in a row, with none accepted in between, from which on the channel is
/// what fails.
const REFUSALS: u32 = 2;

impl Line {
    /// Rule 9, but for what comes of the letter itself.
    pub(in super::super) fn hear(
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
    pub(in super::super) fn restore_refusing(&mut self, it: Refuses, now: Now) {
        let Refuses { recipient, since, reason } = it;
        if let Some(label) = self.recipients.get(&recipient).cloned() {
            let unreached = Unreached { label, since: now, before: Some(since), reason };
            self.refusing.insert(recipient, unreached);
        }
    }

    pub(in super::super) fn delivered(&mut self, entries: &[Entry], now: Now, output: &mut Output) {
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
        self.works(now, output);
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
    pub(in super::super) fn note_drill(&mut self, drill: &IncidentId) {
        let drills = &mut self.status.drills;
        drills.retain(|other| other != drill);
        drills.push(drill.clone());
        if drills.len() > DRILLS {
            drills.remove(0);
        }
    }

    pub(in super::super) fn failed(
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
                    entry.alone = true;
                    self.status.retried += 1;
                    entry.error = Some(error.text.clone());
                    output.marks.push(entry.mark_waiting(self.rests(), now));
                    self.put_back(entry, now, output);
                }
                self.answers(now, output);
                return;
            }
            Retry::Never => {
                for entry in entries {
                    self.give_up(entry, error.text.clone(), now, output);
                }
                // It answered: what others say may be to its liking.
                self.answers(now, output);
                self.refusals = self.refusals.saturating_add(1);
                self.fails(self.refusals >= REFUSALS, error, now, output);
                return;
            }
            Retry::Later => Duration::ZERO,
            Retry::After(asked) => self.grants(&entries, asked),
            Retry::Partly { after, works } => {
                // Only this letter waits, for those who have not got it.
                if works {
                    self.works(now, output);
                }
                let asked = self.grants(&entries, after);
                self.repeat(entries, asked, error, now, output);
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

    /// Rule 4: how long a receiver is left alone who asked for so long. One whom the settings do
    /// not name any more has asked for nobody.
    fn grants(&self, entries: &[Entry], asked: Duration) -> Duration {
        let is_other = entries.iter().any(|entry| entry.generation != self.generation);
        if is_other { Duration::ZERO } else { asked.min(LONGEST_ASKED) }
    }

    /// Rule 4: the channel leads elsewhere from now on. That it has failed stands until it accepts
    /// something; for how long counts for the fallback once it has failed there as well.
    pub(in super::super) fn leads_elsewhere(&mut self, now: Now, output: &mut Output) {
        self.refusing.clear();
        self.generation = self.generation.wrapping_add(1);
        if self.failing_from < Mono::NEVER {
            self.failed_before += now.mono - self.failing_from;
        }
        (self.streak, self.failing_from) = (0, Mono::NEVER);
        (self.struck, self.struck_several) = (None, false);
        self.retry_at = Mono::ZERO;
        for entry in &mut self.waiting {
            (entry.strikes, entry.retry_at) = (0, Mono::ZERO);
        }
        self.record_waits(now, output);
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
            output.marks.push(entry.mark_waiting(self.rests(), now));
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

    /// Counts an attempt without success, and says so of the first that speaks for itself: a letter
    /// that is refused for good may only be odd.
    fn fails(&mut self, speaks: bool, error: &DeliveryError, now: Now, output: &mut Output) {
        self.failures = self.failures.saturating_add(1);
        if speaks && self.failed_first.is_none() {
            self.failed_first = Some(Fails { from: now, before: None });
            output.events.push(Event::Failing {
                channel: self.status.id.clone(),
                reason: error.text.clone(),
            });
        }
    }

    /// The receiver has accepted something.
    fn works(&mut self, now: Now, output: &mut Output) {
        let failures = std::mem::take(&mut self.failures);
        self.refusals = 0;
        let failed = self.failed_first.take().is_some();
        self.answers(now, output);
        if failed {
            output.events.push(Event::Working { channel: self.status.id.clone(), failures });
            self.record_waits(now, output);
        }
    }

    /// Records anew what a restart would take a channel to fail, or to rest, by.
    pub(in super::super) fn record_waits(&self, now: Now, output: &mut Output) {
        let failed = self.on_their_way().filter(|entry| entry.error.is_some());
        output.marks.extend(failed.map(|entry| entry.mark_waiting(self.rests(), now)));
    }

    /// The receiver has answered: whatever failed may be tried again.
    fn answers(&mut self, now: Now, output: &mut Output) {
        self.failed_before = Duration::ZERO;
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
        // What has refused is no less one that fails.
        if self.failed_first.is_some() {
            self.record_waits(now, output);
        }
    }

    pub(in super::super) fn give_up(
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
        output.given_up.extend(entry.unheard(&self.status.id, instead.clone()));
        output.events.push(entry.given_up(&self.status.id, reason, instead));
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
