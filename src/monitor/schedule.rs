//! When each target is probed next.

mod rhythm;

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

use self::rhythm::{Rhythm, fraction, nanos, place};
use crate::model::{Effort, Mono, ProbeRequest, TargetIx, TargetKey, Trigger};

/// The first round after a start, and after the configuration or our sight came back, is spread
/// over this time at most.
const FIRST_ROUND: Duration = Duration::from_secs(3);
/// How long before its time whoever carries out a probe may let it begin, so that several that are
/// due soon after each other begin together.
const EARLY: Duration = Duration::from_millis(12);
/// A probe whose outcome has not come back this long after its time limit never will.
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
/// Overtaken turns that may lie about, besides one for every fourth target.
const OVERTAKEN: usize = 64;

/// When each target is probed next.
///
/// 1. Every target has its own place within its interval, a hash of its key. So targets are
///    spread evenly, the same ones meet in every run, and a change of pace makes no burst.
/// 2. Probes of one target never overlap. A probe that comes due while one is under way follows
///    as soon as that one is back.
/// 3. A demanded probe (to confirm, to correlate, because a person asked) comes at its own moment;
///    afterwards the target returns to its place.
/// 4. A probe whose outcome does not come back is given up a while after its time limit.
/// 5. Turns are handed out `ahead` of their time, since whoever carries them out comes round only
///    so often; not to a target that still has a probe under way. What is wanted before one begins
///    that was handed out is served by it.
#[derive(Debug, Clone, Default)]
pub(super) struct Schedule {
    slots: Vec<Slot>,
    rhythms: Vec<Rhythm>,
    queue: BinaryHeap<Reverse<Turn>>,
    in_flight: u32,
    overlaps: u64,
    /// How long before its time a turn is handed out.
    ahead: Duration,
    /// When it was last looked whether something fails alike everywhere, by what that is.
    everywhere: BTreeMap<String, Mono>,
}

/// A turn in the queue. One whose `stamp` is not its slot's has been overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    /// When it is handed out.
    at: Mono,
    target: u32,
    stamp: u32,
}

/// The turns of one target. There are as many as targets, so what many share stands elsewhere.
#[derive(Debug, Clone)]
struct Slot {
    /// Place within the interval, as a fraction of 2^32.
    place: u32,
    stamp: u32,
    /// Which of the rhythms is its.
    rhythm: u32,
    /// When the turn in the queue is due.
    due: Mono,
    /// Why the next turn comes and how much it does.
    trigger: Trigger,
    effort: Effort,
    /// The probe under way.
    under_way: Option<ProbeRequest>,
    /// What comes when the probe under way is back.
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// The turn in the queue.
    Wait,
    /// The turn that came due meanwhile, at once.
    Missed,
    /// A demanded probe, not before this moment.
    Demanded(Mono, Trigger, Effort),
}

/// What a moment brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Probe when it is due.
    Probe {
        /// What.
        target: TargetIx,
        /// Why.
        trigger: Trigger,
        /// How thoroughly.
        effort: Effort,
        /// When it is due.
        due: Mono,
    },
    /// This probe's outcome will not come any more.
    GivenUp(ProbeRequest),
}

impl Schedule {
    /// Whether what fails alike may be asked for everywhere now; not again before `gap` has passed.
    pub(super) fn may_ask_everywhere(&mut self, what: &str, gap: Duration, now: Mono) -> bool {
        let last = self.everywhere.get(what).copied();
        if last.is_some_and(|last| now < last + gap) {
            return false;
        }
        self.everywhere.insert(what.to_owned(), now);
        true
    }

    /// Adds a target at the end of the table. Its first turn comes within the first round.
    pub(super) fn add(&mut self, key: &TargetKey, pace: Duration, timeout: Duration, now: Mono) {
        let place = place(key);
        let due = now + fraction(pace.min(FIRST_ROUND), place);
        let rhythm = self.rhythm(Rhythm { pace: nanos(pace), timeout: nanos(timeout) });
        self.slots.push(Slot {
            place,
            stamp: 0,
            rhythm,
            due,
            trigger: Trigger::Scheduled,
            effort: Effort::Normal,
            under_way: None,
            then: Then::Wait,
        });
        self.push(self.slots.len() - 1);
    }

    /// Adds a target that was watched under another configuration: its turn and the probe under
    /// way go on. With another pace its turn moves to its place in the new interval.
    pub(super) fn carry_over(
        &mut self,
        other: &Self,
        from: TargetIx,
        pace: Duration,
        timeout: Duration,
        now: Mono,
    ) {
        let mut slot = other.slots[from.ix()].clone();
        let before = other.rhythms[slot.rhythm as usize];
        let rhythm = Rhythm { pace: nanos(pace), timeout: nanos(timeout) };
        slot.rhythm = self.rhythm(rhythm);
        if before.pace != rhythm.pace && slot.trigger == Trigger::Scheduled {
            slot.due = rhythm.turn_after(slot.place, slot.taken_until(now));
        }
        self.in_flight += u32::from(slot.under_way.is_some());
        self.slots.push(slot);
        self.push(self.slots.len() - 1);
    }

    /// Keeps over a change of configuration what is not of a target.
    pub(super) fn carry_over_rest(&mut self, other: &Self) {
        self.overlaps = other.overlaps;
        self.ahead = other.ahead;
    }

    /// Hands turns out so long before their time from now on.
    pub(super) fn hand_out_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
        self.queue.clear();
        for at in 0..self.slots.len() {
            self.push(at);
        }
    }

    /// Sets the pace of a target; its next turn moves to its place in the new interval, unless it
    /// has a demanded one before that.
    pub(super) fn set_pace(&mut self, target: TargetIx, pace: Duration, now: Mono) {
        let before = self.rhythm_of(target);
        let rhythm = Rhythm { pace: nanos(pace), ..before };
        if rhythm == before {
            return;
        }
        let number = self.rhythm(rhythm);
        let slot = &mut self.slots[target.ix()];
        slot.rhythm = number;
        if slot.trigger == Trigger::Scheduled {
            slot.due = rhythm.turn_after(slot.place, slot.taken_until(now));
            self.push(target.ix());
        }
    }

    /// Asks for a probe of a target at `at`, besides its turns.
    ///
    /// 1. A turn that comes no later serves as well; nothing is put off.
    /// 2. While a probe is under way the demanded one follows it, unless that turns out to have
    ///    begun only after `at`, and is as thorough.
    pub(super) fn demand(&mut self, target: TargetIx, trigger: Trigger, effort: Effort, at: Mono) {
        let slot = &mut self.slots[target.ix()];
        if slot.under_way.is_some() {
            let sooner = match slot.then {
                Then::Demanded(other, ..) => at < other,
                Then::Wait | Then::Missed => true,
            };
            if sooner {
                slot.then = Then::Demanded(at, trigger, effort);
            }
            return;
        }
        if slot.trigger == Trigger::Scheduled {
            slot.trigger = trigger;
        }
        if effort == Effort::Thorough {
            slot.effort = effort;
        }
        if at < slot.due {
            slot.due = at;
            self.push(target.ix());
        }
    }

    /// Whether an outcome answers the probe under way, which `began` then, unless it could not be
    /// asked; then the target is free again.
    pub(super) fn finished(
        &mut self,
        request: &ProbeRequest,
        target: TargetIx,
        began: Option<Mono>,
        now: Mono,
    ) -> bool {
        let Some(slot) = self.slots.get_mut(target.ix()) else { return false };
        let answers = |under_way: &ProbeRequest| {
            under_way.due == request.due && under_way.trigger == request.trigger
        };
        if !slot.under_way.as_ref().is_some_and(answers) {
            return false;
        }
        slot.under_way = None;
        self.in_flight -= 1;
        let serves = |at: Mono, effort: Effort| {
            began > Some(at) && (effort == Effort::Normal || request.effort == effort)
        };
        match std::mem::replace(&mut slot.then, Then::Wait) {
            Then::Missed => {
                slot.trigger = Trigger::Scheduled;
                slot.effort = Effort::Normal;
                slot.due = now;
                self.push(target.ix());
            }
            Then::Demanded(at, trigger, effort) if !serves(at, effort) => {
                slot.trigger = trigger;
                slot.effort = effort;
                slot.due = slot.due.min(at.max(now));
                self.push(target.ix());
            }
            // A turn that was put off meanwhile is handed out now.
            Then::Wait | Then::Demanded(..) if slot.due.earlier(self.ahead) < now => {
                self.push(target.ix());
            }
            Then::Wait | Then::Demanded(..) => {}
        }
        true
    }

    /// What `now` brings, and what comes so soon that it is handed out already, one at a time.
    /// Whether a turn that nobody demanded more of is `thorough` may depend on whether it is one
    /// that every other turn is: those of half of the targets of a second come in it, those of the
    /// others in the next.
    pub(super) fn poll(
        &mut self,
        now: Mono,
        thorough: impl Fn(TargetIx, bool) -> bool,
    ) -> Option<Due> {
        loop {
            let mut top = self.queue.peek_mut()?;
            let Turn { at, target, stamp } = top.0;
            if at > now {
                return None;
            }
            let slot = &mut self.slots[target as usize];
            if slot.stamp != stamp {
                PeekMut::pop(top);
                continue;
            }
            let ix = TargetIx::new(target as usize);
            let (due, rhythm) = (slot.due, self.rhythms[slot.rhythm as usize]);
            let next = rhythm.turn_after(slot.place, now.max(due));
            if slot.under_way.is_some() && due > now {
                top.0.at = due;
                continue;
            }
            if let Some(under_way) = slot.under_way {
                slot.due = next;
                top.0.at = next.earlier(self.ahead);
                if now - under_way.due > Duration::from_nanos(rhythm.timeout) + GIVE_UP_AFTER {
                    return Some(Due::GivenUp(under_way));
                }
                if slot.then == Then::Wait {
                    slot.then = Then::Missed;
                }
                self.overlaps += 1;
                continue;
            }
            let (trigger, mut effort) = (slot.trigger, slot.effort);
            slot.trigger = Trigger::Scheduled;
            slot.effort = Effort::Normal;
            slot.due = next;
            top.0.at = next.earlier(self.ahead);
            if effort == Effort::Normal && thorough(ix, rhythm.is_every_other(slot.place, due)) {
                effort = Effort::Thorough;
            }
            return Some(Due::Probe { target: ix, trigger, effort, due });
        }
    }

    /// Notes that a probe has been ordered.
    pub(super) fn started(&mut self, request: ProbeRequest) {
        if let Some(slot) = self.slots.get_mut(request.target.ix()) {
            slot.under_way = Some(request);
            self.in_flight += 1;
        }
    }

    /// When the next turn is handed out.
    pub(super) fn next(&self) -> Option<Mono> {
        self.queue.peek().map(|turn| turn.0.at)
    }

    /// When a target's next turn comes.
    pub(super) fn due(&self, target: TargetIx) -> Mono {
        self.slots[target.ix()].due
    }

    /// Whether a probe of a target is under way that begins at `since` or later.
    pub(super) fn is_under_way_since(&self, target: TargetIx, since: Mono) -> bool {
        let from = since + self.ahead.min(EARLY);
        self.slots[target.ix()].under_way.is_some_and(|it| it.due >= from)
    }

    /// All probes under way as they were ordered, each with where its target stands now.
    pub(super) fn all_under_way(&self) -> impl Iterator<Item = (TargetIx, &ProbeRequest)> {
        let slots = self.slots.iter().enumerate();
        slots.filter_map(|(at, slot)| Some((TargetIx::new(at), slot.under_way.as_ref()?)))
    }

    /// The place of a target in a first round that starts at `now`.
    pub(super) fn first_round(&self, target: TargetIx, now: Mono) -> Mono {
        let pace = Duration::from_nanos(self.rhythm_of(target).pace);
        now + fraction(pace.min(FIRST_ROUND), self.slots[target.ix()].place)
    }

    /// Probes under way.
    pub(super) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Turns that came due while the probe before was still under way.
    pub(super) const fn overlaps(&self) -> u64 {
        self.overlaps
    }

    fn rhythm_of(&self, target: TargetIx) -> Rhythm {
        self.rhythms[self.slots[target.ix()].rhythm as usize]
    }

    /// The number of a rhythm, a new one if there is none like it.
    fn rhythm(&mut self, rhythm: Rhythm) -> u32 {
        let known = self.rhythms.iter().position(|it| *it == rhythm);
        let at = known.unwrap_or_else(|| {
            self.rhythms.push(rhythm);
            self.rhythms.len() - 1
        });
        // There are no more than targets, whose positions are 32 bits wide.
        u32::try_from(at).unwrap_or(u32::MAX)
    }

    /// Puts a slot's turn into the queue; the one there before is overtaken. Such turns go when
    /// there are too many of them: after a start every target is asked out of turn.
    fn push(&mut self, at: usize) {
        if self.queue.len() >= self.slots.len() + self.slots.len() / 4 + OVERTAKEN {
            let slots = &self.slots;
            self.queue.retain(|turn| slots[turn.0.target as usize].stamp == turn.0.stamp);
        }
        let slot = &mut self.slots[at];
        slot.stamp = slot.stamp.wrapping_add(1);
        // Positions are 32 bits wide everywhere.
        if let Ok(target) = u32::try_from(at) {
            let at = slot.due.earlier(self.ahead);
            self.queue.push(Reverse(Turn { at, target, stamp: slot.stamp }));
        }
    }
}

impl Slot {
    /// Until when its turns are handed out already.
    fn taken_until(&self, now: Mono) -> Mono {
        self.under_way.map_or(now, |under_way| under_way.due.max(now))
    }
}

#[cfg(test)]
mod tests;
