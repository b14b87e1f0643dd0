//! Who is told what, and when: rare messages, and never a problem without its end.
//!
//! The rules stand in one file with what follows them: each gives way to others, and one that is
//! read alone is misread.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::flap::within;
use super::routing::Reach;
use super::site::Kind;
use crate::config::{Channel, ChannelKind, Settings};
use crate::model::{Cause, ChannelId, Extent, Incident, NotificationKind, Severity, Told};

/// The time over which messages are counted.
pub(super) const HOUR: Duration = Duration::from_secs(3600);
/// An incident has grown when this many more sites are affected than were told, and at least twice
/// as many.
const GROWN_BY: u32 = 2;

/// Why a channel is to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It has not been told of this incident, or only that it was over.
    News,
    /// Far more is affected than was told, or the fault lies elsewhere.
    Grown,
    /// It is more urgent than was told, or keeps people from more.
    Graver,
    /// What is left of it keeps people from less, and is somebody else's to mend.
    Milder,
    /// It is still on.
    Still,
    /// It is still on, and whoever had taken it on has it no longer.
    RanOut,
    /// Nobody has taken it on for so long that this step is due.
    Untaken(u32),
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
    /// Something is to be said, but not before this moment, and nobody misses it until then.
    Later(Timestamp),
    /// That it is on again, or over, is to be said once it has lasted until this moment.
    Unsettled(Timestamp),
    /// Something was to be said now, but the messages of the hour are used up until this moment.
    Held(Timestamp),
    /// Something was to be said now, but there are quiet hours.
    Quiet {
        /// When they end.
        until: Timestamp,
        /// When it is said as far as can be told by now: then, or later where too much is said in
        /// the hour before, or where it has not lasted for long enough then.
        at: Timestamp,
    },
}

/// What decides, besides the incident and the channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// Most messages about one incident to one channel in an hour.
    pub(super) limit: u32,
    /// How long a state must have lasted for the last of these messages to be spent on it.
    pub(super) settled: Duration,
    /// Whether a session is on or near: people sit in it or wait for it, and whom to call matters
    /// at once.
    pub(super) near: bool,
    /// Whether the last of these messages is kept for what is critical: by the calendar it becomes
    /// so within the hour.
    pub(super) kept: bool,
    /// Whether messages are held back: a silence, a maintenance window, or a wider incident.
    pub(super) muted: bool,
    /// The quiet hours whose end this message can wait for.
    pub(super) quiet: Option<Quiet>,
    /// How often it is told again of what is still on.
    pub(super) remind_every: Option<Duration>,
}

/// Quiet hours that are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quiet {
    /// When they began.
    pub(super) since: Timestamp,
    /// When they end.
    pub(super) until: Timestamp,
}

impl Quiet {
    /// Those that are on for a channel at `now`.
    pub(super) fn of(settings: &Settings, channel: &ChannelId, now: Timestamp) -> Option<Self> {
        let (quiet, zone) = (&settings.quiet_hours, &settings.time_zone);
        quiet
            .is_on(channel, zone.to_datetime(now))
            .then(|| Self { since: quiet.begin(now, zone), until: quiet.end(now, zone) })
    }
}

impl Why {
    /// What kind of message it makes.
    pub(super) const fn kind(self) -> NotificationKind {
        match self {
            Self::News => NotificationKind::Firing,
            Self::Grown | Self::Graver | Self::Milder => NotificationKind::Update,
            Self::Still | Self::RanOut => NotificationKind::Reminder,
            Self::Untaken(_) => NotificationKind::Escalation,
            Self::Over => NotificationKind::Resolved,
        }
    }
}

/// Whether a channel is to be told of an incident at `now`; `reach` are the steps in which the
/// incident reaches it, due or not.
///
/// 1. One message when it is on, and one when it is over: to those who were told that it is on,
///    and to all of them, whatever is silenced and whoever is on duty meanwhile, unless a channel
///    wants no ends. Who never heard of it, since the channel gave it up, hears of no end, and what
///    is due again counts as never told.
/// 2. In between when it has grown: far more sites, a higher severity or a graver trouble than was
///    told, or a fault that lies elsewhere, such as above the site that was told; and while a
///    session is on or near also when a milder trouble is left: the line is back and the codec has
///    hung, so somebody else must be called. Only those are told whom it still reaches, or who are
///    not told as people on duty: whose duty is over hear the end and nothing before.
/// 3. While nobody has taken it on, each step of escalation once its time has come, and reminders.
///    While somebody has, those whom it newly reaches are not told, and the reminders are others:
///    unless it has become worse than anybody was told, who may be off duty by now.
///    Where all that was told since it waits was given up, the next step waits for nobody. The one
///    that comes in the place of a step to nobody has its own time where that one was told.
///    When an ack runs out, those who know are reminded at once and the steps begin anew; while
///    messages are held back their time stands still. All of this rests while everything is well
///    and only the end has not come, and what comes and goes makes messages enough without
///    reminders. Nor does anybody who was told that it is over hear that it came back before it is
///    seen to fail.
/// 4. While messages are held back (`muted`), nothing of rules 1 to 3 is said but the end. What is
///    still on afterwards is told then. In quiet hours everything that can wait does, until they
///    are over and there is room by rules 5 to 8, the end of what was told before them too; but
///    that goes at once to whom it was told in these hours, who was woken by it, and to everybody
///    where somebody took it on, who may be on the way. What becomes worse than what is held back
///    breaks a silence, planned work does not end by that.
///    Work that began before the readiness for that session holds back nothing that is critical for
///    it: whoever works on into a session has to hear of it, also of what was well until then. Work
///    that is announced within a session has its peace. See [`super::mute::Mutes::holds_back`].
/// 5. Of what has come back at most `limit` messages in any hour, reminders and escalations
///    included. What is said in between needs two messages left, for itself and for the end; a mere
///    reminder three, so that what comes back after the end is never late because of it. What has
///    not come back yet makes no more messages than it is worth: that it is on and that it is over,
///    that it is worse than all that was told in the hour, and the steps of escalation are told at
///    once; and once it does come back, its growth and its steps of before do not count. Nor does
///    what is critical toggle any more once it has been on for `settled` without a break: while a
///    session is on or near its steps, and that an ack ran out, are told at once, and count for
///    nothing. There are no more of them than steps and acks.
/// 6. What comes and goes spends the last message of an hour only on a state that has lasted for
///    `settled`, which is shorter while a session is on or near: so what toggles says little, what
///    was told is still so, and what is told next is likely to stay so.
///    - That it is over, once everything has been well for so long.
///    - That it is on again, once it came back so long ago and fails at this moment. It is told at
///      once where it is critical, or a session is on or near, and people had known for so long
///      that it was over: what they were told has lasted and they went by it, so this is another
///      outage and no toggling. So it is where it is critical and known to come and go: that it
///      does is what lasts, and who was told that it is over must not rely on it.
///    - That it is critical, at once, when nothing told in this hour was, or nothing as grave: so
///      what came and went as a warning, or only lost packets, does not hide what now keeps a
///      session from going on. While a session is on or near that may be one message beyond the
///      limit, and no more than one: a line that is bad, good and bad again has told all there is
///      room for, and it may yet be cut. What toggles never gets there, since it was as grave
///      before.
/// 7. For that the last message is `kept` where a session of its sites begins to be prepared within
///    the hour, and what fails will be critical by the calendar alone: until then what is less than
///    that spends it on nothing but the end.
/// 8. What has no room waits until there is some, and no longer: so the last state is always told.
///    The oldest message has fallen out of the hour then, or the two oldest where one was told
///    beyond the limit. The one that uses up the hour of what comes and goes says that the next one
///    comes when it is stable, which only that one does not wait for; see [`note_told`].
pub(super) fn needs_notification(
    incident: &Incident,
    channel: &Channel,
    reach: &[Reach],
    rules: &Rules,
    now: Timestamp,
) -> Need {
    let told = told_to(incident, channel);
    let standing = standing(&told);
    let why = match (incident.is_open(), standing) {
        (true, _) if rules.muted => return Need::Nothing,
        (true, standing) => match on(incident, &told, standing, reach, rules, now) {
            Need::Tell(why) => why,
            other => return other,
        },
        (false, None) => return Need::Nothing,
        (false, Some(_)) if !channel.send_resolved || !knows(&told) => return Need::Nothing,
        (false, Some(_)) => Why::Over,
    };
    in_time(incident, channel, why, rules, now)
}

/// When there is quiet and room for what is to be said: rules 4 to 8 of [`needs_notification`].
pub(super) fn in_time(
    incident: &Incident,
    channel: &Channel,
    why: Why,
    rules: &Rules,
    now: Timestamp,
) -> Need {
    let told = told_to(incident, channel);
    if let Some(Quiet { since, until }) = rules.quiet {
        let concerns_somebody_now = why == Why::Over
            && (incident.first_ack().is_some() || told.iter().any(|told| told.at >= since));
        if !concerns_somebody_now {
            let loud = Rules { quiet: None, ..*rules };
            let at = match in_time(incident, channel, why, &loud, until) {
                Need::Later(at) | Need::Unsettled(at) | Need::Held(at) => at.max(until),
                _ => until,
            };
            return Need::Quiet { until, at };
        }
    }
    if incident.relapses.is_empty() && is_worth_it(incident, &told, why, now) {
        return Need::Tell(why);
    }
    let calls = matches!(why, Why::RanOut | Why::Untaken(_)) && incident.affected_now().count() > 0;
    if calls && rules.near && is_steady(incident, incident.severity, now, rules.settled) {
        return Need::Tell(why);
    }
    // It holds what is on until it hears that it is over, and spares people by itself.
    let holds_state = matches!(channel.kind, ChannelKind::Alertmanager(_));
    if holds_state && matches!(why, Why::News | Why::Over) {
        return Need::Tell(why);
    }
    let limit = rules.limit.max(2);
    let recent = counted(incident, &told, rules.settled, now);
    let again = came_back(incident, &told).filter(|_| matches!(why, Why::News));
    let is_critical = incident.severity == Severity::Critical;
    let spare = match why {
        Why::News if again.is_some() => 2,
        Why::News => 1,
        Why::Untaken(_) if standing(&told).is_none() => 1,
        Why::Over | Why::Grown | Why::Graver | Why::Milder | Why::RanOut | Why::Untaken(_) => 2,
        Why::Still => 3,
    };
    if spare > limit {
        return Need::Nothing;
    }
    let used = u32::try_from(recent.len()).unwrap_or(u32::MAX);
    // When no more than so many are left of those that were told in the hour.
    let down_to = |most: u32| match used.checked_sub(most + 1).map(|nth| recent[nth as usize]) {
        Some(at) => at.saturating_add(SignedDuration::from_secs(3601)).unwrap_or(Timestamp::MAX),
        None => now,
    };
    let lasts_since = match (why, again) {
        (Why::Over, _) => incident.ended().map(|at| later(at, rules.settled)),
        (_, Some(again)) if is_critical || !rules.kept => {
            let is_another = (is_critical || rules.near) && again.well_for >= rules.settled;
            let at_once = is_another || (is_critical && incident.flapping);
            Some(if at_once { again.since } else { later(again.since, rules.settled) })
        }
        _ => None,
    };
    let last = lasts_since.map(|at| at.max(down_to(limit - 1)));
    let beyond = if rules.near { limit } else { limit - 1 };
    let urgent = rises_to_critical(incident, &told, why, now).then(|| down_to(beyond));
    let at = [last, urgent].into_iter().flatten().fold(down_to(limit - spare), Timestamp::min);
    if at <= now {
        Need::Tell(why)
    } else if why == Why::Still {
        Need::Later(at)
    } else if used >= limit {
        Need::Held(at)
    } else if matches!(why, Why::News | Why::Over) {
        Need::Unsettled(at)
    } else {
        // What toggles is not held back by the limit yet.
        Need::Later(at)
    }
}

/// Rule 5 of [`needs_notification`]: what is told at once of an incident that has not come back.
fn is_worth_it(incident: &Incident, told: &[&Told], why: Why, now: Timestamp) -> bool {
    let mut recent = told.iter().filter(|told| within(told.at, HOUR, now));
    match why {
        Why::News | Why::Over | Why::Untaken(_) => true,
        Why::Grown | Why::Graver => recent.all(|it| worse_than(incident, &it.extent()).is_some()),
        Why::Milder | Why::RanOut | Why::Still => false,
    }
}

/// When a channel was told in the last hour what counts for its limit: rule 5 of
/// [`needs_notification`]. What nobody heard and is told anew was no message.
fn counted(
    incident: &Incident,
    told: &[&Told],
    settled: Duration,
    now: Timestamp,
) -> Vec<Timestamp> {
    let counts = |told: &&Told| {
        let is_state = matches!(told.kind, NotificationKind::Firing | NotificationKind::Resolved);
        let is_before = incident.relapses.first().is_some_and(|first| told.at < *first);
        let is_call =
            matches!(told.kind, NotificationKind::Escalation | NotificationKind::Reminder);
        let is_free = is_call && is_steady(incident, told.severity, told.at, settled);
        within(told.at, HOUR, now) && (is_state || !is_before) && !is_free
    };
    told.iter().copied().filter(counts).map(|told| told.at).collect()
}

/// Whether what has come back was critical then and on for so long without a break.
fn is_steady(incident: &Incident, severity: Severity, then: Timestamp, settled: Duration) -> bool {
    let last = incident.relapses.iter().rfind(|at| **at <= then);
    let lasts = last.is_some_and(|since| later(*since, settled) <= then);
    severity == Severity::Critical && lasts
}

/// It came back after its end was told.
#[derive(Debug, Clone, Copy)]
struct Again {
    /// When.
    since: Timestamp,
    /// For how long people had known by then that it was over.
    well_for: Duration,
}

/// Its coming back after its end was told, where that was the last that was told.
fn came_back(incident: &Incident, told: &[&Told]) -> Option<Again> {
    let end = told.last().filter(|told| told.kind == NotificationKind::Resolved)?;
    let since = incident.back_after(end.at)?;
    Some(Again { since, well_for: since.duration_since(end.at).unsigned_abs() })
}

/// Rule 6 of [`needs_notification`]: it is critical, and nothing told in this hour was as grave.
fn rises_to_critical(incident: &Incident, told: &[&Told], why: Why, now: Timestamp) -> bool {
    let mut recent = told.iter().filter(|told| within(told.at, HOUR, now));
    let kind = Kind::of(incident.cause);
    incident.severity == Severity::Critical
        && matches!(why, Why::News | Why::Graver | Why::Untaken(_))
        && recent.all(|told| told.severity < Severity::Critical || Kind::of(told.cause) < kind)
}

/// Rules 1 to 3 for an incident that is on and not muted.
fn on(
    incident: &Incident,
    told: &[&Told],
    standing: Option<&Told>,
    reach: &[Reach],
    rules: &Rules,
    now: Timestamp,
) -> Need {
    let (since, called_since) = (incident.waits_since(now), incident.called_since(now));
    let mut affected = incident.affected.iter().peekable();
    let rests = affected.peek().is_some() && affected.all(|site| site.until.is_some());
    let taken = incident.taken_by(now).is_some() || rests;
    let unheard = unheard_upto(incident, called_since);
    let is_next = |it: &Reach| unheard.is_some_and(|last| it.follows <= last && last < it.step);
    let due_at = |step: &Reach| {
        let (since, called_since) = (since?, called_since?);
        if is_next(step) {
            return Some(since);
        }
        let before = was_called_before(incident, step, called_since);
        Some(later(since, if before { step.own_after } else { step.after }))
    };
    let due =
        reach.iter().filter(|it| it.step > 0 && !taken && due_at(it).is_some_and(|at| at <= now));
    let due = due.map(|it| it.step).max();
    let heard = told.iter().filter(|told| called_since.is_some_and(|since| told.at >= since));
    let heard = heard.map(|told| told.step).max().unwrap_or_default();
    let reached = due.is_some() || reach.iter().any(|it| it.step == 0);
    let until = incident.ack.as_ref().and_then(|ack| ack.until);
    let steps = reach.iter().filter(|it| !taken && it.step > heard).filter_map(due_at);
    let steps = steps.chain(until.filter(|until| *until > now));
    if standing.is_none() && rests {
        return Need::Nothing;
    }
    let Some(last) = standing else {
        return match (reach.iter().any(|it| it.step == 0), due) {
            (_, Some(step)) => Need::Tell(Why::Untaken(step)),
            // Others were told before, and somebody has it or it seems over.
            (true, None)
                if taken
                    && told.is_empty()
                    && !incident.told.is_empty()
                    && !has_worsened(incident) =>
            {
                soonest(steps)
            }
            (true, None) => Need::Tell(Why::News),
            (false, None) => soonest(steps),
        };
    };
    if let Some(step) = due.filter(|step| *step > heard) {
        return Need::Tell(Why::Untaken(step));
    }
    if reached || !last.on_duty {
        if let Some(why) = worse_than(incident, &last.extent()) {
            return Need::Tell(why);
        }
        if Kind::of(incident.cause) < Kind::of(last.cause) && rules.near && !rests {
            return Need::Tell(Why::Milder);
        }
    }
    if !reached {
        return soonest(steps);
    }
    if until.is_some_and(|until| until <= now && last.at < until) {
        return Need::Tell(Why::RanOut);
    }
    let every = rules.remind_every.filter(|_| !rests && !incident.flapping);
    let again = every.map(|every| later(last.at, every));
    match again {
        Some(at) if at <= now => Need::Tell(Why::Still),
        again => soonest(steps.chain(again)),
    }
}

/// What a channel was told, as far as it counts: what it gave up and is to be told anew does not.
fn told_to<'a>(incident: &'a Incident, channel: &Channel) -> Vec<&'a Told> {
    let told = incident.told.iter().filter(|told| told.channel == channel.id);
    told.filter(|told| !told.is_due_again()).collect()
}

/// The last that it was told, unless that was the end.
fn standing<'a>(told: &[&'a Told]) -> Option<&'a Told> {
    told.last().copied().filter(|told| told.kind != NotificationKind::Resolved)
}

/// Whether a channel was told of an incident, and not of its end since.
pub(super) fn is_standing(incident: &Incident, channel: &Channel) -> bool {
    standing(&told_to(incident, channel)).is_some()
}

/// Whether a channel of which this was told has heard that it is on.
fn knows(told: &[&Told]) -> bool {
    let since = told.iter().rev().take_while(|told| told.kind != NotificationKind::Resolved);
    since.into_iter().any(|told| !told.is_untold())
}

/// Rule 3: the last step of those of which nobody has heard, where nobody has of anything that was
/// told `since`. The one that follows it waits for nobody.
fn unheard_upto(incident: &Incident, since: Option<Timestamp>) -> Option<u32> {
    let told = incident.told.iter().filter(|told| since.is_some_and(|since| told.at >= since));
    let last = told.clone().map(|told| told.step).max()?;
    told.into_iter().all(Told::is_untold).then_some(last)
}

/// Rule 3: whether somebody has heard `since` of a step in whose place this one would come: it
/// leads to nobody by now, as when whoever was called by it took the duty over.
fn was_called_before(incident: &Incident, step: &Reach, since: Timestamp) -> bool {
    let between = step.follows + 1..step.step;
    let mut told = incident.told.iter().filter(|told| told.at >= since && !told.is_untold());
    told.any(|told| between.contains(&told.step))
}

/// Notes that a channel was told; gives the running number of the message. What nothing goes by any
/// more is forgotten.
///
/// When that uses up the messages of the hour and the incident has come back before, it says so:
/// whoever hears no more of it for a while shall know why.
pub(super) fn note_told(
    incident: &mut Incident,
    channel: &Channel,
    why: Why,
    reach: &[Reach],
    rules: &Rules,
    now: Timestamp,
) -> u32 {
    let extent = Extent::of(incident);
    let step = if let Why::Untaken(step) = why { step } else { 0 };
    let before = incident.told.iter().rfind(|told| told.channel == channel.id);
    let mut reach = reach.iter().filter(|reach| reach.step == step).peekable();
    let (people, on_duty) = if reach.peek().is_some() {
        reach.fold((Vec::new(), true), |(mut people, on_duty), reach| {
            people.extend(reach.people.iter().cloned());
            (people, on_duty && reach.on_duty)
        })
    } else {
        // It is told because it was told before.
        before.map_or_else(Default::default, |told| (told.people.clone(), told.on_duty))
    };
    let used_up = counted(incident, &told_to(incident, channel), rules.settled, now).len() + 1;
    let used_up = used_up >= rules.limit.max(2) as usize;
    let last_for_now = used_up && !incident.relapses.is_empty() && why != Why::Over;
    // Records of before messages were numbered count by their place.
    let known = u32::try_from(incident.told.len()).unwrap_or(u32::MAX);
    let last = incident.told.iter().map(|told| told.nth).max().unwrap_or_default();
    let nth = last.max(known).saturating_add(1);
    incident.told.push(Told {
        nth,
        channel: channel.id.clone(),
        kind: why.kind(),
        at: now,
        severity: extent.severity,
        cause: extent.cause,
        affected: extent.affected,
        site: extent.site.clone(),
        common: extent.common.clone(),
        people,
        on_duty,
        step,
        last_for_now,
        given_up: None,
    });
    if let Some(muted) = &mut incident.muted {
        muted.extent = extent;
    }
    forget(incident, now);
    nth
}

/// Forgets what was told long ago, so that a fault that comes and goes for weeks has a record of
/// bounded size.
///
/// Of each channel there stay what was told in the last hour, the first and the last message, the
/// last end, and the last of each step of escalation: all else has no say in who is told of what.
fn forget(incident: &mut Incident, now: Timestamp) {
    let told = &incident.told;
    let stays = |at: usize| {
        let this = &told[at];
        let same = |other: &&Told| other.channel == this.channel;
        let mut later = told[at + 1..].iter().filter(same);
        within(this.at, HOUR, now)
            || !told[..at].iter().any(|other| other.channel == this.channel)
            || later.clone().next().is_none()
            || (this.kind == NotificationKind::Resolved
                && !later.clone().any(|other| other.kind == this.kind))
            || (this.step > 0 && !later.any(|other| other.step == this.step))
    };
    let mut stays = (0..told.len()).map(stays).collect::<Vec<_>>().into_iter();
    incident.told.retain(|_| stays.next().unwrap_or(true));
}

/// Whether people who acknowledged it should look again: it is worse than they were told. A channel
/// that hears of it later, as when its quiet hours end, takes it from nobody who knew.
pub(super) fn reopens(incident: &Incident, why: Why) -> bool {
    let is_known = |told: &Told, by: Timestamp| {
        told.at <= by
            && told.kind != NotificationKind::Resolved
            && worse_than(incident, &told.extent()).is_none()
    };
    let is_worse =
        matches!(why, Why::Grown | Why::Graver) || (why == Why::News && has_worsened(incident));
    let ack = incident.ack.as_ref();
    is_worse && !ack.is_some_and(|ack| incident.told.iter().any(|told| is_known(told, ack.at)))
}

/// Whether an incident is worse than all were told who know that it is on.
pub(super) fn has_worsened(incident: &Incident) -> bool {
    let last = |told: &&Told| {
        let mut later = incident.told.iter().filter(|it| it.channel == told.channel);
        later
            .next_back()
            .is_some_and(|it| it.nth == told.nth && it.kind != NotificationKind::Resolved)
    };
    let mut standing = incident.told.iter().filter(last).peekable();
    standing.peek().is_some() && standing.all(|told| worse_than(incident, &told.extent()).is_some())
}

/// In what an incident is worse than it `was`: more urgent, a graver trouble, far more sites, or a
/// fault that lies elsewhere, so that other people must be called.
pub(super) fn worse_than(incident: &Incident, was: &Extent) -> Option<Why> {
    let now = Extent::of(incident);
    let (many, sites) = (now.affected, was.affected);
    let has_grown = many >= sites.saturating_add(GROWN_BY) && many >= sites.saturating_mul(2);
    let is_known = was.site.is_some() || was.common.is_some();
    let is_elsewhere = is_known && (&now.site, &now.common) != (&was.site, &was.common);
    // The site's own line, as was told, and now that of sites behind it.
    let is_wider = (was.cause, now.cause) == (Cause::Access, Cause::Uplink) && many > sites;
    if now.severity > was.severity || Kind::of(now.cause) > Kind::of(was.cause) {
        Some(Why::Graver)
    } else {
        (has_grown || is_elsewhere || is_wider).then_some(Why::Grown)
    }
}

/// Whether somebody who was told that it is on is still to be told that it is over.
pub(super) fn owes_an_end(incident: &Incident, channels: &[Channel]) -> bool {
    channels.iter().filter(|channel| channel.send_resolved).any(|channel| {
        let told = told_to(incident, channel);
        standing(&told).is_some() && knows(&told)
    })
}

fn soonest(moments: impl Iterator<Item = Timestamp>) -> Need {
    moments.min().map_or(Need::Nothing, Need::Later)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
