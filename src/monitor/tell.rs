//! Telling: every record that was touched is brought up to date, whoever is to be told is, and
//! both become durable together.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Monitor;
use super::flap;
use super::ledger::{Entry, Slot};
use super::mute::{Mutes, Weight};
use super::picture::Picture;
use super::plan;
use super::policy::{self, Need, Quiet, Rules, Why};
use super::record;
use super::routing::{self, Reach, Standing};
use super::site::Finding;
use crate::config::Channel;
use crate::model::{
    Change, Extent, Health, Incident, Mono, Muted, Notification, NotificationId, NotificationKind,
    Now, Phase, Quieted, Severity, SiteIx, Waited, Waits,
};

/// How many times as long as news what is over may wait for more of its kind.
const ENDS_WAIT: u32 = 5;

/// Until when messages wait at the longest for others that are about to be decided.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gathering {
    /// Messages about certificates and clocks.
    notices: Option<Mono>,
    /// Messages that something is on.
    news: Option<Mono>,
    /// Messages that something is over.
    ends: Option<Mono>,
}

/// What is to be told of an incident, channel by channel in the order of the settings.
struct Weighed {
    slot: Slot,
    /// Whether it is known to be on, and not only from before a start.
    seen: bool,
    standing: Standing,
    reach: Vec<Vec<Reach>>,
    rules: Vec<Rules>,
    needs: Vec<Need>,
}

impl Monitor {
    /// Whatever changes by the clock does so at the beginning of a minute: hours, days and shifts.
    pub(super) fn note_minute(&mut self, now: Now) {
        let minute = Some(now.wall.as_second().div_euclid(60));
        if self.minute == minute {
            return;
        }
        self.minute = minute;
        self.show_duty(now);
        self.retell(now.mono);
    }

    /// Brings every record that was touched up to date, decides who is told, and makes both
    /// durable together.
    ///
    /// 1. What is to be told is weighed for all incidents before anything is.
    /// 2. What is new and what is over waits a little for more of its kind, so that sites that
    ///    fail together are one message.
    /// 3. All that is told at one moment leaves in one batch; the courier makes one letter of it
    ///    for each channel.
    pub(super) fn tell(&mut self, now: Now) {
        if self.tell_at.is_some_and(|at| now.wall >= at) {
            self.tell_at = None;
            for (_, entry) in self.ledger.iter_mut() {
                entry.touched = true;
            }
        }
        let config = Arc::clone(&self.picture.config);
        let channels = &config.settings.channels;
        let mut weighed = Vec::new();
        for (slot, entry) in self.ledger.iter_mut().filter(|(_, entry)| entry.touched) {
            record::derive(entry, &self.picture);
            weighed.push(weigh(slot, entry, &self.picture, &self.mutes, now.wall));
        }
        let notices_wait = self.gather_notices(&weighed, now);
        let (news_wait, ends_wait) = self.gather(&weighed, now);
        let mut later: Option<Timestamp> = self.tell_at;
        let mut changes = Vec::new();
        for mut weighed in weighed {
            let Some(entry) = self.ledger.get_mut(weighed.slot) else { continue };
            (entry.touched, entry.unsaid) = (false, false);
            let notice = entry.is_notice();
            let gathers = |need: &Need, incident: &Incident| match need {
                Need::Tell(_) if notice && notices_wait && gathers(need, incident) => true,
                Need::Tell(Why::News) => news_wait,
                Need::Tell(Why::Over) => ends_wait,
                _ => false,
            };
            // What is told to one may reopen it for the others, before anything is told: a step
            // that was due by what it was until now is not due by what it has become. One that is
            // about to be reopened waits for that.
            let incident = &*entry.incident;
            let reopens =
                |need: &&Need| matches!(need, Need::Tell(why) if policy::reopens(incident, *why));
            let mut reopening = weighed.needs.iter().filter(reopens).peekable();
            let is_reopening = reopening.peek().is_some();
            let reopened = reopening.any(|need| !gathers(need, incident));
            if reopened {
                let incident = entry.change();
                incident.let_go();
                incident.wait_anew(now.wall);
                weighed.weigh_again(&entry.incident, channels, &self.picture, now.wall);
            }
            let may_call = reopened || !is_reopening;
            let mut waits = false;
            let mut notifications = Vec::new();
            // In the second round nothing is told; it is there to learn when there will be more to
            // say.
            for may_tell in [true, false] {
                for (at, channel) in channels.iter().enumerate() {
                    match weighed.needs[at] {
                        Need::Nothing => {}
                        Need::Later(moment)
                        | Need::Unsettled(moment)
                        | Need::Held(moment)
                        | Need::Quiet { until: moment, .. } => {
                            entry.unsaid = true;
                            later = Some(later.map_or(moment, |other| other.min(moment)));
                        }
                        Need::Tell(_) if !may_tell => {}
                        Need::Tell(Why::Untaken(_)) if !may_call => waits = true,
                        need if gathers(&need, &entry.incident) => waits = true,
                        Need::Tell(why) => {
                            let incident = entry.change();
                            if incident.is_open() {
                                incident.waiting_since.get_or_insert(now.wall);
                            } else {
                                // What comes back waits for somebody anew.
                                (incident.waiting_since, incident.waited) = (None, None);
                                incident.let_go();
                            }
                            let reach = &weighed.reach[at];
                            let rules = &weighed.rules[at];
                            let n =
                                policy::note_told(incident, channel, why, reach, rules, now.wall);
                            let kind = why.kind();
                            let id = format!("{}/{}/{}/{n}", incident.id, channel.id, kind.word());
                            notifications.push((NotificationId::new(id), channel.id.clone(), kind));
                        }
                    }
                }
                if notifications.is_empty() {
                    break;
                }
                if may_tell {
                    weighed.weigh_again(&entry.incident, channels, &self.picture, now.wall);
                }
            }
            let held = channels.iter().zip(&weighed.needs);
            let held = held.filter(|(_, need)| matches!(need, Need::Unsettled(_) | Need::Held(_)));
            let held: Vec<_> = held.map(|(channel, _)| channel.id.clone()).collect();
            if entry.incident.held_back != held {
                entry.change().held_back = held;
            }
            let quiet = quieted(&weighed, &entry.incident, channels);
            if entry.incident.quiet != quiet {
                entry.change().quiet = quiet;
            }
            entry.touched = waits;
            if entry.committed.as_ref().is_some_and(|before| **before == *entry.incident) {
                continue;
            }
            entry.committed = Some(Arc::clone(&entry.incident));
            changes.push(Change::Incident(Box::new((*entry.incident).clone())));
            for (id, channel, kind) in notifications {
                let alert = record::alert(&entry.incident, &self.picture, now);
                let notification =
                    Notification { id, channel, kind, created: now.wall, alert, instead_of: None };
                changes.push(Change::Notify(Box::new(notification)));
            }
        }
        self.tell_at = later;
        if let Some(at) = later {
            // Sooner than the next look at the clocks.
            if let Ok(left) = Duration::try_from(at.duration_since(now.wall))
                && left < super::LOOK_EVERY
            {
                self.want_review(now.mono + left);
            }
        }
        if !changes.is_empty() {
            self.changes.extend(changes);
            self.commit_at = now.mono;
        }
    }

    /// Whether what gives notice waits for more of it: a certificate or a clock that several
    /// devices have is seen at their turns, one after the other. Nobody hurries because of it,
    /// unless it is critical in a session: that waits half as long.
    fn gather_notices(&mut self, weighed: &[Weighed], now: Now) -> bool {
        let gathers = |it: &Weighed| {
            let entry = self.ledger.get(it.slot).filter(|entry| entry.is_notice());
            entry.is_some_and(|entry| it.needs.iter().any(|need| gathers(need, &entry.incident)))
        };
        let window = self.picture.settings().correlation.window;
        let patience = |it: &Weighed| {
            let entry = self.ledger.get(it.slot);
            let is_critical = entry.is_some_and(|it| it.incident.severity == Severity::Critical);
            if is_critical && it.standing.phase == Phase::Live { window / 2 } else { window }
        };
        let waiting = weighed.iter().filter(|it| gathers(it));
        let until = waiting.map(|it| now.mono + patience(it)).min();
        let until = until.map(|until| self.gathering.notices.map_or(until, |it| it.min(until)));
        self.gathering.notices = until.filter(|until| now.mono < *until);
        if let Some(until) = self.gathering.notices {
            self.want_review(until);
        }
        self.gathering.notices.is_some()
    }

    /// Whether what is new waits for more, and whether what is over does.
    ///
    /// 1. Nothing waits unless something of its kind is about to be a fact: a failure that lacks
    ///    one confirmation or a cause, or an incident whose sites are well and only rest. So a
    ///    site that fails alone is told at once. Nor is a failure waited for that began later than
    ///    the wait after those that are facts: by then they have been known for long enough.
    /// 2. The wait is that of the most urgent phase among what waits, counted from the first; then
    ///    all leave together. What is over may wait [`ENDS_WAIT`] times as long: nobody hurries
    ///    because of it, and sites return more slowly than they fail. What gives notice waits by
    ///    itself.
    fn gather(&mut self, weighed: &[Weighed], now: Now) -> (bool, bool) {
        let times = &self.picture.config.settings.grouping;
        let is_notice = |slot| self.ledger.get(slot).is_some_and(Entry::is_notice);
        let wait = |why: Why| {
            let these = weighed.iter().filter(|it| it.needs.contains(&Need::Tell(why)));
            let these = these.filter(|it| !is_notice(it.slot));
            these.map(|it| times.get(it.standing.phase)).min()
        };

        let deadline = |began: Option<Mono>, why: Why, factor: u32| {
            let until = now.mono + wait(why)? * factor;
            Some(began.map_or(until, |began| began.min(until)))
        };
        let news = deadline(self.gathering.news, Why::News, 1);
        let ends = deadline(self.gathering.ends, Why::Over, ENDS_WAIT);
        let news = news.filter(|until| {
            let began = weighed.iter().filter(|it| it.needs.contains(&Need::Tell(Why::News)));
            let began = began.filter_map(|it| Some((self.began(it.slot)?, it.standing.phase)));
            let upto = began.map(|(began, phase)| began + times.get(phase)).min();
            now.mono < *until && self.more_may_fail(upto.unwrap_or(Mono::NEVER))
        });
        let ends = ends.filter(|until| now.mono < *until && self.more_may_end(*until, now));
        self.gathering = Gathering { news, ends, ..self.gathering };
        for until in [news, ends].into_iter().flatten() {
            self.want_review(until);
        }
        (news.is_some(), ends.is_some())
    }

    /// When the present trouble of an incident's sites began.
    fn began(&self, slot: Slot) -> Option<Mono> {
        let members = self.ledger.get(slot)?.members.keys();
        let trouble = members.filter_map(|site| self.picture.site(*site).finding.trouble());
        trouble.map(|trouble| trouble.since).min()
    }

    /// Whether a failure that began no later than `upto` is about to be a fact or to be explained.
    fn more_may_fail(&self, upto: Mono) -> bool {
        let (picture, topology) = (&self.picture, self.topology());
        let last = picture.settings().hysteresis.fail_after.saturating_sub(1).max(1);
        self.active.iter().any(|site| {
            if let Finding::Trouble(trouble) = picture.site(*site).finding {
                return trouble.since <= upto && self.ledger.is_unexplained(picture, *site);
            }
            let endpoints = topology.site(*site).endpoints.iter();
            let mut targets = endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
            targets.any(|target| {
                let target = picture.target(*target);
                let pending =
                    target.streak.hard != Health::Down && target.streak.bad_in_a_row() >= last;
                pending && target.bad_since <= upto
            })
        })
    }

    /// Whether an incident that was told ends before `until` unless its sites fail again.
    fn more_may_end(&self, until: Mono, now: Now) -> bool {
        let flapping = &self.picture.config.settings.flapping;
        self.ledger.iter().any(|(_, entry)| {
            let ends = |well_since: Mono| {
                well_since + flap::patience(&entry.incident, flapping, now.wall) <= until
            };
            entry.is_active()
                && !entry.incident.told.is_empty()
                && entry.well_since.is_some_and(ends)
        })
    }
}

/// Whether what is to be said of a certificate or a clock waits for more of its kind. What others
/// know already does not.
const fn gathers(need: &Need, incident: &Incident) -> bool {
    match need {
        Need::Tell(Why::News) => incident.told.is_empty(),
        Need::Tell(Why::Over) => true,
        _ => false,
    }
}

/// What is to be told of an incident.
fn weigh(
    slot: Slot,
    entry: &mut Entry,
    picture: &Picture,
    mutes: &Mutes,
    now: Timestamp,
) -> Weighed {
    let settings = picture.settings();
    not_ahead(entry, now);
    let muted = is_muted(entry, picture, mutes, now) || entry.incident.absorbed_by.is_some();
    let held_back = muted || is_hushed(&entry.incident, picture, now);
    keep_waiting(entry, held_back, now);
    let mut weighed = Weighed {
        slot,
        seen: is_seen(entry, picture),
        standing: Standing::default(),
        reach: Vec::new(),
        rules: Vec::new(),
        needs: Vec::new(),
    };
    let rules = Rules {
        limit: settings.flapping.messages_per_hour,
        settled: Duration::ZERO,
        near: false,
        kept: false,
        muted,
        quiet: None,
        remind_every: None,
    };
    weighed.rules = vec![rules; settings.channels.len()];
    weighed.weigh_again(&entry.incident, &settings.channels, picture, now);
    weighed
}

/// Who is told of an incident, or of its end, only once quiet hours are over. What else waits for
/// that, such as a reminder, is known to them.
fn quieted(weighed: &Weighed, incident: &Incident, channels: &[Channel]) -> Option<Quieted> {
    let mut until = None;
    let mut whom = Vec::new();
    for (at, channel) in channels.iter().enumerate() {
        let Need::Quiet { until: end, at: told_at } = weighed.needs[at] else { continue };
        if incident.is_open() && policy::is_standing(incident, channel) {
            continue;
        }
        let mut people: Vec<String> = Vec::new();
        // A channel of an escalation only is for those of its first step.
        let step = weighed.reach[at].iter().map(|it| it.step).min();
        let first = weighed.reach[at].iter().filter(|it| Some(it.step) == step);
        for name in first.flat_map(|it| &it.people) {
            if !people.contains(name) {
                people.push(name.clone());
            }
        }
        until = Some(end);
        let not_before = Some(told_at).filter(|at| *at > end);
        whom.push(Waits { channel: channel.id.clone(), people, not_before });
    }
    Some(Quieted { until: until?, whom })
}

/// Whether a silence or planned work holds back what is to be said of an incident.
///
/// 1. What it is like when they first do is kept, so that it is known when it becomes worse. It may
///    still unfold then: for the time within which failures may have one cause what comes to it,
///    but a higher severity, is no news to whoever asked for quiet.
/// 2. What is told all the same is what is held back from then on.
fn is_muted(entry: &mut Entry, picture: &Picture, mutes: &Mutes, now: Timestamp) -> bool {
    let incident = &entry.incident;
    let is_held = incident.is_open() && mutes.holds_back(picture, incident, Weight::NONE, now);
    if !is_held {
        if incident.muted.is_some() {
            entry.change().muted = None;
        }
        return false;
    }
    let (mut extent, mut since) = (Extent::of(incident), now);
    if let Some(known) = &incident.muted {
        since = known.since;
        let unfolds =
            now.duration_since(since).unsigned_abs() <= picture.settings().correlation.window;
        extent = if unfolds {
            Extent { severity: known.extent.severity, ..extent }
        } else {
            known.extent.clone()
        };
    }
    let muted = Muted { since, extent };
    if incident.muted.as_ref() != Some(&muted) {
        entry.change().muted = Some(muted.clone());
    }
    let incident = &entry.incident;
    let standing = Standing::of(incident, &picture.config, now);
    let is_critical = incident.severity == Severity::Critical;
    let near_since = standing.near_since.filter(|_| is_critical);
    let worse =
        policy::has_worsened(incident) || policy::worse_than(incident, &muted.extent).is_some();
    mutes.holds_back(picture, incident, Weight { worse, near_since }, now)
}

/// Whether quiet hours hold back whatever could be said of an incident, on every channel.
fn is_hushed(incident: &Incident, picture: &Picture, now: Timestamp) -> bool {
    let settings = picture.settings();
    let is_quiet = |channel: &Channel| Quiet::of(settings, &channel.id, now).is_some();
    let phase = || Standing::of(incident, &picture.config, now).phase;
    settings.channels.iter().all(is_quiet)
        && settings.quiet_hours.can_wait(incident.severity, phase())
}

/// Whether a site that an incident still explains is in trouble for a fact. It is not known right
/// after a start, nor while what was down answers again without being confirmed. Nor is it what was
/// told, while a milder trouble may be about to take its name, or while those that are left of
/// something wider that is over are about to be explained anew. What is about no site goes by its
/// own evidence.
fn is_seen(entry: &Entry, picture: &Picture) -> bool {
    entry.members.is_empty()
        || (!entry.is_turning_milder()
            && entry.over_since.is_none()
            && entry.left().any(|site| picture.site(site).finding.trouble().is_some()))
}

impl Weighed {
    /// Weighs anew, after something was told. Unless it is new, milder or over, nothing is said
    /// before the trouble is seen to be there: it may have been held back meanwhile, or we were
    /// away. So nobody is called out for what was mended, nor told that it is worse than they know
    /// when it is so no longer.
    fn weigh_again(
        &mut self,
        incident: &Incident,
        channels: &[Channel],
        picture: &Picture,
        now: Timestamp,
    ) {
        let settings = picture.settings();
        self.standing = Standing::of(incident, &picture.config, now);
        let phase = self.standing.phase;
        let all = routing::reach_of(incident, picture, self.standing, now);
        let times = match incident.taken_by(now) {
            Some(_) => &settings.reminders.acknowledged,
            None => &settings.reminders.unacknowledged,
        };
        let can_wait = settings.quiet_hours.can_wait(incident.severity, phase);
        let near = matches!(phase, Phase::Readiness | Phase::Live);
        let kept = !near && becomes_critical_soon(incident, picture, now);
        self.reach.clear();
        self.needs.clear();
        for (channel, rules) in channels.iter().zip(&mut self.rules) {
            rules.quiet = Quiet::of(settings, &channel.id, now).filter(|_| can_wait);
            rules.remind_every = times.in_phase(phase);
            rules.settled = settings.flapping.settled_after.get(phase);
            rules.near = near;
            rules.kept = kept;
            let reach: Vec<Reach> =
                all.iter().filter(|reach| reach.channel == channel.id).cloned().collect();
            let need = policy::needs_notification(incident, channel, &reach, rules, now);
            self.needs.push(match need {
                Need::Tell(why) if !self.seen && rests_on_what_is_seen(why) => {
                    Need::Later(now.checked_add(super::LOOK_EVERY).unwrap_or(Timestamp::MAX))
                }
                need => need,
            });
            self.reach.push(reach);
        }
    }
}

/// Whether this is true only while the trouble that the record names is there.
const fn rests_on_what_is_seen(why: Why) -> bool {
    match why {
        Why::Grown | Why::Graver | Why::Still | Why::RanOut | Why::Untaken(_) => true,
        Why::News | Why::Milder | Why::Over => false,
    }
}

/// Whether what came back becomes critical by the calendar within the hour for which its messages
/// are counted: a session of one of its sites begins to be prepared by then. Once it does, what is
/// not critical yet may never be, and is told as it comes.
fn becomes_critical_soon(incident: &Incident, picture: &Picture, now: Timestamp) -> bool {
    if incident.relapses.is_empty() || incident.severity == Severity::Critical {
        return false;
    }
    let topology = picture.topology();
    let readiness = picture.settings().phases.readiness_before;
    let soon = now.checked_add(policy::HOUR + readiness).unwrap_or(Timestamp::MAX);
    let sites: Vec<SiteIx> =
        incident.affected_now().filter_map(|id| topology.find_site(id)).collect();
    let near = picture.config.sessions.iter().filter(|it| it.start <= soon && now < it.end);
    let mut matter = near.filter(|it| plan::matters(Phase::Readiness, it.importance));
    matter.any(|session| sites.iter().any(|site| session.sites.contains_key(site)))
}

/// What a record says of later than now was written by a clock that ran ahead, until this program
/// started or while the incident seemed over: it is no later than now. Else nobody would be waited
/// for until that clock's time, and steps of escalation would count as told.
fn not_ahead(entry: &mut Entry, now: Timestamp) {
    let incident = &entry.incident;
    let acked = incident.ack.as_ref().map(|ack| ack.at);
    let told = incident.told.iter().map(|told| told.at);
    let waited = incident.waited.as_ref().map(|waited| waited.since);
    let waits = incident.waiting_since.into_iter().chain(waited);
    if told.chain(waits).chain(acked).all(|at| at <= now) {
        return;
    }
    let incident = entry.change();
    incident.waiting_since = incident.waiting_since.map(|at| at.min(now));
    if let Some(waited) = &mut incident.waited {
        waited.since = waited.since.min(now);
    }
    if let Some(ack) = &mut incident.ack {
        flap::not_ahead(&mut ack.at, ack.until.as_mut(), now);
    }
    for told in &mut incident.told {
        flap::not_ahead(&mut told.at, None, now);
    }
}

/// Keeps since when an incident has waited for somebody to take it on. While messages are held back
/// nobody is expected to, and the time stands still: afterwards it goes on where it stood, and who
/// was called is not called again. Only where an ack ran out meanwhile does it begin anew. What was
/// told to be over and is on again is not known before it was told again.
fn keep_waiting(entry: &mut Entry, held_back: bool, now: Timestamp) {
    let incident = &entry.incident;
    if !incident.is_open() {
        return;
    }
    let ran_out = incident.ack.as_ref().and_then(|ack| ack.until).filter(|until| *until <= now);
    match (held_back, incident.waiting_since, &incident.waited) {
        (true, Some(since), before) => {
            let or_later = |at: Timestamp| ran_out.map_or(at, |until| until.max(at));
            let so_far = now.duration_since(or_later(since)).as_millis();
            let waited = Waited {
                since: or_later(before.as_ref().map_or(since, |before| before.since)),
                for_ms: u64::try_from(so_far).unwrap_or_default(),
            };
            let incident = entry.change();
            (incident.waiting_since, incident.waited) = (None, Some(waited));
        }
        (false, None, Some(waited)) if ran_out.is_none_or(|until| until <= waited.since) => {
            let since = now.checked_sub(Duration::from_millis(waited.for_ms)).unwrap_or(now);
            entry.change().waiting_since = Some(since);
        }
        (false, None, waited) => {
            // They stand in the order in which they were told.
            let last = incident.told.last();
            let known = last.is_some_and(|told| told.kind != NotificationKind::Resolved);
            if known || waited.is_some() {
                entry.change().wait_anew(now);
            }
        }
        (true, None, _) | (false, Some(_), _) => {}
    }
}

#[cfg(test)]
mod tests;
