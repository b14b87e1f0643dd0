//! What to deliver next, when to try again, and what needs no telling any more. Pure: it is given
//! the time and says what to do.
//!
//! Every channel has a line of its own, so that a dead one holds up nobody else.
//!
//! 1. Messages of one incident leave in the order in which they were decided; the next only when
//!    the one before is settled.
//! 2. What waits and is overtaken is not told: a newer message about an incident takes the place
//!    of the ones that still wait, and tells as firing what the receiver has not heard as firing.
//!    So a fault that came and went while the channel was down is told once, as over, with its
//!    beginning and its end.
//! 3. What is still on goes before what is over. Three or more of a kind leave as one digest, such
//!    as sites that fail together or are well again together, unless they were tried alone before:
//!    a repeat must be recognisable as one. A digest keeps its id while it only loses messages;
//!    with others besides it is another one.
//!    A channel whose receiver knows no ids of letters and would need longer than [`CATCH_UP`] to
//!    take what is due, at its rate or in the time that it took over the last letter, is told in
//!    digests put together anew for each attempt. So a receiver that is back after hours is told
//!    within a minute.
//! 4. After an attempt that failed for the moment, the next one begins [`FIRST_WAIT`] later, then
//!    after twice as long each time, up to [`LONGEST_WAIT`], or as long as the receiver asked. The
//!    time counts from where the attempt began, since one that hangs has waited already. Meanwhile
//!    one message at a time finds out whether the channel works again. Where some recipients have
//!    it, only that message waits for the others; who has it is on record with it, so that a
//!    restart meanwhile repeats it to nobody. Where a receiver asked for longer than we would wait,
//!    it is asked for nothing meanwhile, also after a restart. When the next attempt is due stands
//!    on record beside what the last one said only until the channel accepts anything. So a restart
//!    knows that a channel fails, and counts it as one until then. Where a reload has it lead
//!    elsewhere, what waits is tried there at once, and what is under way to the receiver before
//!    makes nothing wait for long.
//! 5. A message that failed three times in a row lets others go first: the fault may be its own.
//!    The more of them have failed, the oftener each is tried before another one is: then it is
//!    rather the channel, and what was never tried leaves in few digests once that is back. If one
//!    gets through after several had failed, the channel was to blame, and all of them are due at
//!    once.
//! 6. A digest that the receiver refuses for good is told message by message, however long that
//!    takes. A message that it refuses for good, or that failed [`MOST_ATTEMPTS`] times, is given
//!    up, loudly.
//! 7. A channel may have a fallback. What its channel gives up goes there, and so does all that
//!    waits once every attempt has failed for as long as the settings allow, each message once and
//!    under an id that follows from its own. Where the fallback was told of the same outage in its
//!    own right, nothing is told twice. Whoever heard of a problem this way hears of its end this
//!    way, even if the channel works again by then; but a channel that tells no ends is told none
//!    in place of another, and none is told in its place. A fallback that is taken out of the
//!    settings before it told anybody has not stood in: another one does. For how long a channel
//!    has failed counts over a restart, from when the oldest was decided that was tried in vain, or
//!    from when it last accepted anything else.
//! 8. That a message is tried for the first time is on record before it leaves. So a crash in the
//!    middle is repeated under the same id, alone or in the same digest.
//! 9. What some recipients have and others refuse for good is told, and so is what those others did
//!    not take [`MOST_ATTEMPTS`] times. For whoever is not reached with it, it goes through the
//!    fallback at once, as by rule 7, which may be the only other way to them. They are named
//!    and counted, also after a restart, until they accept something again; a drill is not accepted
//!    as long as there is anybody. What is heard of a letter that left under other settings of the
//!    channel changes nothing of this.
//! 10. A letter knows when it leaves which other channels have not got through with what they are
//!     to tell of the same, each time that it leaves: see `untold`.

mod entry;
mod line;
mod stand_in;
mod untold;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{HeardOf, Letter, Receipt};
use crate::config::Fallback;
use crate::model::{
    ChannelId, ChannelStatus, IncidentId, Mono, Notification, NotificationId, Now, on_record,
};
use crate::store::{Mark, MarkState, RecipientKey, Refuses, StandIn, Waiting};
use crate::texts::Untold;
use entry::Entry;
use line::{Line, StandsIn};

/// First wait after a failure.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Longest wait that we choose. With a time limit of 5 to 10 s for an attempt, everything that
/// waited is told within a minute of the receiver's return.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait that a receiver may ask for; a mistaken one must not silence us for a year.
pub(super) const LONGEST_ASKED: Duration = Duration::from_mins(15);
/// Attempts until a message is given up: a day at the longest wait.
pub(super) const MOST_ATTEMPTS: u32 = 2_880;
/// Longest that telling one by one may take.
const CATCH_UP: Duration = Duration::from_secs(20);
/// Failures of one message until others go first.
const PATIENCE: u32 = 3;
/// Letters that have failed for which each is tried twice as often before another one is.
const CROWD: usize = 4;
/// Incidents told through fallbacks that are noted until they are over.
const MOST_STAND_INS: usize = 4_096;
/// Messages of a kind, waiting at once, from which on they leave as one.
const DIGEST_FROM: usize = 3;

/// How much a channel takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Letters under way at once, at least 1.
    pub(super) under_way: usize,
    /// Shortest time from one letter to the next.
    pub(super) gap: Duration,
    /// Most messages in one digest.
    pub(super) bundle: usize,
    /// Whether its receivers know a repeat by the id of the letter.
    pub(super) by_id: bool,
}

/// A channel as the queue sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineSetup {
    pub(super) id: ChannelId,
    pub(super) kind: &'static str,
    pub(super) limits: Limits,
    pub(super) fallback: Option<Fallback>,
    /// Whether it tells that something is over.
    pub(super) ends: bool,
    /// Whether it leads elsewhere than before: what is known of its recipients holds no longer.
    pub(super) anew: bool,
    /// Whom it tells apart, and what the log calls each.
    pub(super) recipients: BTreeMap<RecipientKey, String>,
}

/// A letter that is due.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Due {
    pub(super) letter: Letter,
    /// Whether what the queue wants recorded should be on disk before it leaves.
    pub(super) record_first: bool,
}

/// Something to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A message was given up. `instead` is the channel that has it, if one stands in.
    GivenUp {
        channel: ChannelId,
        id: NotificationId,
        incident: IncidentId,
        reason: String,
        instead: Option<ChannelId>,
    },
    /// A message was given up for those recipients who have not got it; the others have. `instead`
    /// is the channel that tells it as well, if one stands in.
    PartlyTold {
        channel: ChannelId,
        id: NotificationId,
        reason: String,
        instead: Option<ChannelId>,
    },
    /// The first letter that does not get to a recipient any more, and to others, or in part.
    Refused { channel: ChannelId, id: NotificationId, recipient: String, reason: String },
    /// The first that they accept after such.
    Reached { channel: ChannelId, recipient: String },
    /// A message goes through the fallback as well.
    FallsBack { channel: ChannelId, id: NotificationId, to: ChannelId },
    /// The first attempt after one that worked has failed.
    Failing { channel: ChannelId, reason: String },
    /// The first attempt after failed ones has worked.
    Working { channel: ChannelId, failures: u32 },
}

/// All channels' lines.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<ChannelId, Line>,
    next_order: u64,
    /// Which channel has told of which incident in place of which other one, and as the how many
    /// of all that is noted.
    stand_ins: BTreeMap<StandIn, u64>,
    /// What was given up and is on, the oldest first: whoever wrote what still waits did not know.
    given_up: VecDeque<(IncidentId, Untold)>,
    output: Output,
}

/// What is to be recorded and what to be logged, each in order.
#[derive(Debug, Default)]
struct Output {
    marks: Vec<Mark>,
    events: Vec<Event>,
    /// Messages for fallbacks, on their way into those lines, and from when on each is late.
    copies: Vec<(Notification, Mono)>,
    /// Messages that the outbox does not hold yet.
    added: Vec<Arc<Notification>>,
    /// Who has not heard of what, since it was given up.
    given_up: Vec<(IncidentId, Untold)>,
}

impl Queue {
    /// Sets which channels there are. Messages of one that is gone are given up, and go through its
    /// fallback if that is there still.
    pub(super) fn configure(&mut self, setups: Vec<LineSetup>, now: Now) {
        for line in self.lines.values_mut() {
            line.configured = false;
        }
        let ends: BTreeMap<ChannelId, bool> =
            setups.iter().map(|setup| (setup.id.clone(), setup.ends)).collect();
        for setup in setups {
            let line = self.lines.entry(setup.id.clone()).or_insert_with(|| Line::new(&setup));
            line.configured = true;
            line.limits = setup.limits;
            line.fallback = setup.fallback.map(StandsIn::new);
            line.ends = setup.ends;
            if setup.anew {
                line.leads_elsewhere(now, &mut self.output);
            }
            line.recipients = setup.recipients;
            setup.kind.clone_into(&mut line.status.kind);
        }
        // A line that is gone still names the one that stood in for it, which may be gone as well.
        // What is handed on to nobody comes back, and would be handed on again without an end.
        for line in self.lines.values_mut() {
            line.fallback = line.fallback.take().and_then(|it| it.among(&ends));
        }
        self.let_go(now);
        self.fall_back(now);
    }

    /// Takes in a message that was decided.
    pub(super) fn enqueue(&mut self, notification: Arc<Notification>, now: Now) {
        self.admit(Entry::new(notification, now), now);
        self.fall_back(now);
    }

    /// Takes up which fallbacks had told of what is still on when the daemon ended.
    pub(super) fn restore_stand_ins(&mut self, stand_ins: Vec<StandIn>) {
        for stand_in in stand_ins {
            self.note_stand_in(stand_in);
        }
    }

    /// Takes up which drills channels had accepted when the daemon ended.
    pub(super) fn restore_drills(&mut self, accepted: &[(ChannelId, IncidentId)]) {
        for (channel, drill) in accepted {
            if let Some(line) = self.lines.get_mut(channel) {
                line.note_drill(drill);
            }
        }
    }

    /// Takes up who was not reached any more when the daemon ended, as far as they are still meant.
    pub(super) fn restore_refusing(&mut self, refusing: Vec<(ChannelId, Vec<Refuses>)>, now: Now) {
        for (channel, refuses) in refusing {
            if let Some(line) = self.lines.get_mut(&channel) {
                refuses.into_iter().for_each(|it| line.restore_refusing(it, now));
            }
        }
    }

    /// Takes up when channels had last accepted anything when the daemon ended.
    pub(super) fn restore_accepted(&mut self, accepted: &[(ChannelId, Timestamp)]) {
        for (channel, at) in accepted {
            if let Some(line) = self.lines.get_mut(channel) {
                line.accepted_before = Some(*at);
                line.status.last_delivered = Some(*at);
            }
        }
    }

    /// Takes in a message that waited when the daemon ended.
    pub(super) fn restore(&mut self, waiting: Waiting, now: Now) {
        let wait = waiting.next_attempt.map_or(Duration::ZERO, |at| {
            Duration::try_from(at.duration_since(now.wall)).unwrap_or_default()
        });
        // Nothing waits longer than a receiver may ask for: a clock that ran ahead wrote this.
        let wait = if wait > LONGEST_ASKED { Duration::ZERO } else { wait };
        let mut entry = Entry::new(Arc::new(waiting.notification), now);
        entry.told_as = waiting.told_as;
        if let Some(older) = waiting.overtook {
            let older = on_record(&older, &entry.notification.alert.incident.id);
            entry.nth = older.map_or(entry.nth, |(_, nth)| nth.min(entry.nth));
        }
        // It has waited already.
        entry.hangs_at = now.mono;
        entry.attempts = waiting.attempts;
        entry.retry_at = now.mono + wait;
        entry.bundle = waiting.bundle;
        entry.fallback = waiting.fallback;
        entry.heard = waiting.heard;
        entry.error = waiting.error;
        // What some have waits for the others and says nothing of the channel.
        let fails = waiting.next_attempt.is_some() && !entry.is_whole_for_some();
        let fails = entry.error.as_deref().filter(|_| fails);
        let was_tried = entry.attempts > 0 && entry.heard.is_empty();
        if let Some(line) = self.lines.get_mut(&entry.notification.channel) {
            // Since the channel took something else it has not failed: what it has not taken may
            // have a fault of its own.
            let since = entry.notification.created;
            let since = line.accepted_before.map_or(since, |at| at.max(since)).min(now.wall);
            if was_tried || fails.is_some() {
                line.restore_tried(since, now);
            }
            if let Some(error) = fails {
                line.restore_failing(since, error, wait, now, &mut self.output);
            }
        }
        self.admit(entry, now);
        self.fall_back(now);
    }

    /// The next letter that is due, if any. It counts as under way until it is settled.
    pub(super) fn next(&mut self, now: Now) -> Option<Due> {
        self.fall_back(now);
        let output = &mut self.output;
        let mut due = self.lines.values_mut().find_map(|line| line.next(now, output))?;
        self.note_given_up();
        self.note_untold(&mut due.letter, now);
        Some(due)
    }

    /// Takes in how the delivery of a letter went.
    pub(super) fn settle(
        &mut self,
        channel: &ChannelId,
        letter: &NotificationId,
        receipt: impl Into<Receipt>,
        now: Now,
    ) {
        let receipt = receipt.into();
        let Some(line) = self.lines.get_mut(channel) else { return };
        let Some(mut entries) = line.under_way.remove(letter) else { return };
        note_heard(&mut entries, &receipt.heard);
        line.hear(letter, &mut entries, &receipt, now, &mut self.output);
        match receipt.result {
            Ok(()) => {
                line.delivered(&entries, now, &mut self.output);
                self.forget_given_up(channel, &entries);
            }
            Err(error) => line.failed(letter, entries, &error, now, &mut self.output),
        }
        self.let_go(now);
        self.fall_back(now);
    }

    /// Takes in which recipients have a letter whose delivery is broken off.
    pub(super) fn break_off(
        &mut self,
        channel: &ChannelId,
        letter: &NotificationId,
        heard: &HeardOf,
        now: Now,
    ) {
        let Some(line) = self.lines.get_mut(channel) else { return };
        let rests = line.rests();
        let Some(entries) = line.under_way.get_mut(letter) else { return };
        note_heard(entries, heard);
        self.output.marks.extend(entries.iter().map(|it| it.mark_waiting(rests, now)));
    }

    /// When to ask again, if nothing else happens before.
    pub(super) fn poll_timeout(&self) -> Option<Mono> {
        let due = self.lines.values().filter_map(Line::due);
        due.chain(self.lines.values().filter_map(Line::falls_back_at)).min()
    }

    /// What to record, in order.
    pub(super) fn take_marks(&mut self) -> Vec<Mark> {
        std::mem::take(&mut self.output.marks)
    }

    /// Messages that the outbox does not hold yet. They belong into one transaction with the
    /// marks, so that a crash leaves both or neither.
    pub(super) fn take_added(&mut self) -> Vec<Arc<Notification>> {
        std::mem::take(&mut self.output.added)
    }

    /// What to log, in order.
    pub(super) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.output.events)
    }

    /// How the channels do.
    pub(super) fn statuses(&self, now: Now) -> Vec<ChannelStatus> {
        self.lines.values().filter(|line| line.configured).map(|line| line.status(now)).collect()
    }

    fn add(&mut self, mut entry: Entry, now: Now) {
        let channel = &entry.notification.channel;
        let Some(line) = self.lines.get_mut(channel).filter(|line| line.configured) else {
            let reason = format!("there is no channel {channel}");
            self.output.marks.push(entry.mark(MarkState::Failed, now, Some(reason.clone())));
            self.output.events.push(entry.given_up(channel, reason, None));
            self.output.given_up.extend(entry.unheard(channel, None));
            self.take_back(entry.stands_in_for(), now);
            return;
        };
        if line.holds(&entry.notification.id) {
            return;
        }
        entry.order = self.next_order;
        self.next_order += 1;
        let incident = entry.notification.alert.incident.id.clone();
        line.waiting.push(entry);
        line.fold(&incident, now, &mut self.output);
    }

    /// Gives up what waits for channels that are no longer configured, and forgets those with
    /// nothing under way.
    fn let_go(&mut self, now: Now) {
        let gone = || self.lines.values().filter(|line| !line.configured);
        let untold = gone().filter(|line| line.fallback.is_none()).flat_map(|line| &line.waiting);
        let untold: Vec<_> = untold.filter_map(Entry::stands_in_for).collect();
        // Before anything is given up: what a channel that is gone was to tell in place of another
        // one that is gone is told by nobody.
        self.take_back(untold, now);
        for (channel, line) in self.lines.iter_mut().filter(|(_, line)| !line.configured) {
            let reason = format!("the channel {channel} is no longer configured");
            for entry in std::mem::take(&mut line.waiting) {
                line.give_up(entry, reason.clone(), now, &mut self.output);
            }
        }
        self.lines.retain(|_, line| line.configured || !line.under_way.is_empty());
    }
}

fn note_heard(entries: &mut [Entry], heard: &HeardOf) {
    for entry in entries {
        let about = &entry.notification.alert.incident.id;
        entry.heard = heard.get(about).cloned().unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
