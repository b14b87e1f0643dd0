//! The brain: told the time and what probes learned, it says what to probe, what is wrong, and
//! who is to be told.
//!
//! It has no hands. Everything comes in through [`Monitor::handle`] together with the moment, and
//! everything goes out through [`Monitor::poll_command`]; [`Monitor::poll_timeout`] says when it
//! wants to be woken. So the same history always gives the same incidents, and a week of outages
//! runs in a test in a second.
//!
//! ## The way of an outcome
//! - `plan`: which phase each site is in, and so how often it is probed;
//! - `schedule`: when each target's turn comes, and what is asked besides;
//! - `hysteresis`: when a failure is a fact; `grade`: when a path is bad;
//! - `witness`: who else is asked at the first doubt;
//! - `site`: what a site's own evidence says is wrong;
//! - `blind`: whether it is not us; `correlate`: whether something wider explains it;
//! - `ledger`: which incidents are open, how they grow, rest and end; `flap`: when they are over;
//! - `readiness`: when it is looked whether everybody is ready, and what becomes of it;
//! - `hygiene`: what gives notice; `severity`, `mute`, `routing`, `policy`, `tell`: who is told
//!   what, and when;
//! - `untold`: who did not hear of it after all;
//! - `acts`: what people do about it;
//! - `duty`: who took over from whom; `drill`: the proof before a session that alerts arrive;
//!   `ourselves`: what is wrong with us;
//! - `record`: how all that is written down; `minutes`: who took part in which session; `lost`: how
//!   much of it; `rollup`: what reports measure by;
//! - `snapshot`: what everybody is shown; `restore`, `reload`: how it goes on after a
//!   restart or a change of the configuration; `input`: what comes in and goes out.
//!
//! What these rooms know lies in the `picture`. `review` walks through them; it runs when
//! something changed, not with every outcome.

mod acts;
mod blind;
mod correlate;
mod drill;
mod duty;
mod flap;
mod grade;
mod hygiene;
mod hysteresis;
mod input;
mod ledger;
mod lost;
mod minutes;
mod mute;
mod ourselves;
mod picture;
mod plan;
mod policy;
mod readiness;
mod record;
mod reload;
mod restore;
mod review;
mod rollup;
pub(crate) mod routing;
mod schedule;
mod severity;
mod site;
mod snapshot;
mod target;
mod tell;
#[cfg(test)]
pub(crate) mod tests;
mod untold;
mod witness;
mod worst;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::blind::Sight;
use self::drill::Drills;
use self::hygiene::{Hygiene, Shown};
pub use self::input::{Command, Input, Taken};
use self::ledger::Ledger;
use self::lost::Lost;
use self::minutes::Minutes;
use self::mute::Mutes;
use self::picture::{Picture, Trust};
use self::readiness::Readiness;
use self::rollup::Rollups;
use self::schedule::{Due, Schedule};
use self::tell::Gathering;
use self::untold::Accepted;
use self::worst::Worst;
use crate::config::Config;
use crate::model::{
    Batch, Change, DutyView, Effort, Failure, HandOver, Health, LocalFailure, Mono, Now, Outcome,
    Phase, ProbeRequest, RotaId, SiteIx, SiteView, Target, TargetIx, TargetKey, Topology, Trigger,
};

/// Time between two looks at the calendar, the clocks and ourselves.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two reviews, so that what fails all at once is reviewed fifty times a
/// second and not with every outcome.
const REVIEW_GAP: Duration = Duration::from_millis(20);
/// What each site that is not simply well adds to that time: a review looks at all of them, so the
/// more they are the longer it takes, and the fewer reviews there must be.
const REVIEW_GAP_PER_SITE: Duration = Duration::from_micros(400);
/// Longest that a review waits for the one before to have been long enough ago.
const REVIEW_GAP_MOST: Duration = Duration::from_millis(500);
/// Changes that nobody is told of are committed after this long at the latest, so that a storm of
/// them makes few transactions.
const COMMIT_WITHIN: Duration = Duration::from_millis(200);

/// The brain.
#[derive(Debug)]
pub struct Monitor {
    /// Counts the topologies since the start.
    generation: u32,
    /// Where the targets stand now whose probes under way were ordered in an earlier generation: by
    /// that generation and where they stood in it.
    earlier: BTreeMap<(u32, TargetIx), TargetIx>,
    picture: Picture,
    schedule: Schedule,
    ledger: Ledger,
    mutes: Mutes,
    drills: Drills,
    sight: Sight,
    hygiene: Hygiene,
    readiness: Readiness,
    /// Sites that are not simply well.
    active: BTreeSet<SiteIx>,
    commands: VecDeque<Command>,
    changes: Vec<Change>,
    rollups: Rollups,
    minutes: Minutes,
    look_at: Mono,
    review_at: Mono,
    reviewed_at: Mono,
    commit_at: Mono,
    /// When the next silence or window begins or ends.
    mute_at: Option<Timestamp>,
    /// When something that had to wait may be told.
    tell_at: Option<Timestamp>,
    /// Until when messages wait for others at the longest.
    gathering: Gathering,
    /// The minute of the wall clock for which `duty` holds: whatever changes by the clock, such as
    /// hours and shifts, does so at the beginning of one.
    minute: Option<i64>,
    /// Who is on duty.
    duty: Vec<DutyView>,
    /// Whose duty somebody took over.
    handed: BTreeMap<RotaId, HandOver>,
    lateness: Worst,
    lost: Lost,
    accepted: Accepted,
    /// The sites as people looked at them last.
    shown: Arc<Vec<SiteView>>,
}

impl Monitor {
    /// Takes in what happened at `now`. Moments must not go back on the monotonic clock.
    ///
    /// What a person did becomes durable with the orders that this leads to: whoever commits those
    /// has kept it.
    pub fn handle(&mut self, input: Input, now: Now) -> Taken {
        self.watch_the_clock(now);
        let mut there = true;
        match input {
            Input::Outcome(outcome) => self.handle_outcome(&outcome, now),
            Input::Engine(health) => self.sight.note_engine(health, now.mono),
            Input::Part { part, trouble } => {
                if self.sight.note_part(part, trouble, now.mono) {
                    self.want_review(now.mono);
                }
            }
            Input::DrillSeen(seen) => {
                let config = Arc::clone(&self.picture.config);
                let changes = self.drills.seen(&config, &self.mutes, &seen, now.wall);
                self.keep(changes, now.mono);
            }
            Input::DrillAccepted { channel, incident } => {
                let changes = self.drills.accepted(&channel, &incident);
                self.keep(changes, now.mono);
            }
            Input::Refusing { channel, recipients } => self.drills.refusing(channel, recipients),
            Input::Delivered { channel, at } => {
                let changes = self.drills.delivered(&channel, at);
                self.keep(changes, now.mono);
                self.note_accepted(&channel, at, now.mono);
            }
            Input::GivenUp(refusal) => self.note_given_up(&refusal, now.mono),
            Input::Tick => {}
            Input::Ack { incident, ack } => there = self.take_on(&incident, ack, now.mono),
            Input::Silence(silence) => self.silence(silence, now.mono),
            Input::Maintenance(window) => self.maintain(window, now.mono),
            Input::Lift(id) => there = self.lift(id, now.mono),
            Input::HandOver(handed) => there = self.hand_over(*handed, now),
            Input::TakeDutyBack(rota) => there = self.take_duty_back(rota, now),
            Input::LinkUse { used, act } => there = self.use_link(used, act, now.mono),
            Input::Reload(config) => self.reload(config, now),
            Input::Stop => {
                self.changes.extend(Rollups::all(&mut self.picture, now));
                self.commit_at = now.mono;
            }
            Input::Demand(targets) => self.demand(&targets, now),
            Input::LookAhead(session) => self.readiness.wish(session),
            Input::Readiness(run) => self.take_in_readiness(*run, now),
            Input::NoReadiness => self.readiness_failed(now),
            Input::Confirm(said) => self.confirm(*said, now),
            Input::Unconfirm { session, site } => there = self.unconfirm(session, site, now),
        }
        self.advance(now);
        Taken::if_there(there)
    }

    /// The next order; to be asked until there is none, after every [`handle`](Self::handle).
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`handle`](Self::handle) wants to be called with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Mono {
        let turn = self.schedule.next().unwrap_or(Mono::NEVER);
        let look = self.look_at.min(self.review_at).min(self.commit_at);
        turn.min(look).min(self.rollups.due()).min(self.minutes.watch_due())
    }

    /// Has probes ordered so long before their time from now on: whoever carries them out comes
    /// round only so often, and then waits for the time of each.
    pub fn order_ahead(&mut self, ahead: Duration) {
        self.schedule.hand_out_ahead(ahead);
    }

    /// What is watched now.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.picture.config.topology
    }

    /// What it goes by now.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.picture.config
    }

    /// Incidents that it keeps in mind: those that are open, and those that ended so recently that
    /// they may come back.
    #[must_use]
    pub fn incidents_in_mind(&self) -> usize {
        self.ledger.iter().count()
    }

    /// Counts the topologies since the start: which one the orders that come next are about.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// An outcome of an order that is not under way any more is ignored: it was given up, or its
    /// target is watched no longer.
    fn handle_outcome(&mut self, outcome: &Outcome, now: Now) {
        let request = &outcome.request;
        let target = if request.generation == self.generation {
            Some(request.target)
        } else {
            self.earlier.get(&(request.generation, request.target)).copied()
        };
        let Some(target) = target else { return };
        let began = (!outcome.is_local_failure()).then_some(outcome.started.mono);
        if self.schedule.finished(request, target, began, now.mono) {
            self.lateness.note(now.mono, outcome.lateness());
            self.take_in(target, outcome, now);
        }
    }

    /// Takes in what was learned and asks for what else must be known.
    ///
    /// 1. What hints at a change is confirmed at once, `confirm_after` later, thoroughly; what is
    ///    not believed as soon as it would be. That somebody answers of whom nothing is known takes
    ///    no more than it takes at any turn: after a start that is everybody.
    /// 2. At the first and second failure the witnesses are asked.
    /// 3. A host that is back is asked for its services; it may still be starting. When it is our
    ///    gateway that is back, everybody is asked again. When it only failed for a moment, those
    ///    are whose silence nothing explains yet. What was asked before it answered again and
    ///    failed says nothing about anybody.
    /// 4. A path that loses enough to be suspected gets trains of echoes instead of single ones,
    ///    and in and before a session also more of them, until it is clear what it is. One that was
    ///    bad and loses nothing any more gets more of them at any time.
    fn take_in(&mut self, target: TargetIx, outcome: &Outcome, now: Now) {
        let without_clock;
        let outcome = if blind::is_one_time(outcome.started, now) {
            outcome
        } else {
            // Our clock was set meanwhile: what it shows of the device's is neither here nor there.
            without_clock = blind::without_clock(outcome.clone());
            &without_clock
        };
        self.sight.note_outcome(outcome);
        let trust = self.sight.trust(outcome, now.mono);
        let unheard = self.picture.target(target).good_at == Mono::ZERO;
        let learned = self.picture.take_in(target, outcome, trust);
        let watched = self.picture.target(target);
        let topology = self.picture.topology();
        let &Target { site, endpoint, .. } = topology.target(target);
        let confirm_at = now.mono + topology.check_of(target).confirm_after;
        let undecided = trust == Trust::Stale && outcome.result.is_err();
        if learned.step.confirm || undecided {
            let at = confirm_at.max(self.sight.distrusts_until());
            let begins = learned.was == Health::Unknown && outcome.result.is_ok();
            let effort = if begins { Effort::Normal } else { Effort::Thorough };
            self.schedule.demand(target, Trigger::Confirm, effort, at);
            self.active.insert(site);
        }
        if watched.streak.is_failing() && watched.streak.bad_in_a_row() <= 2 {
            let nth = watched.streak.bad_in_a_row();
            witness::ask(&self.picture, &mut self.schedule, target, nth, now.mono);
        }
        let watched = self.picture.target(target);
        let is_near = || self.picture.plan.site(site).pace >= Phase::Readiness;
        if let Some(path) = &watched.path
            && ((path.is_worth_a_closer_look() && is_near())
                || (outcome.result.is_ok() && path.may_be_good_again(&self.picture.rules)))
        {
            self.schedule.demand(target, Trigger::Confirm, Effort::Thorough, confirm_at);
        }
        if let Some(shown) = Shown::by(&outcome.result) {
            self.hygiene.note(target, shown);
        }
        let is_gateway = self.picture.gateway() == Some(endpoint);
        // One lost echo is chance, but for the first after the start.
        if is_gateway && (learned.ends_row_of > 1 || (learned.ends_row_of == 1 && unheard)) {
            self.gateway_answers_again(outcome.started.mono, now);
        }
        let watched = self.picture.target(target);
        if learned.step.changed {
            let state = watched.hard_state(now.wall);
            let key = self.topology().target_key(target);
            let back = watched.streak.hard == Health::Up;
            if back {
                self.ask_services(target, outcome.started.mono, now);
            }
            if is_gateway && back && learned.was == Health::Down {
                // Whoever was asked while our own way out was gone has to be asked again.
                self.see_again(now);
            }
            self.changes.push(Change::Health { key, state });
            self.commit_at = self.commit_at.min(now.mono + COMMIT_WITHIN);
        }
        if learned.step.changed || learned.graded || learned.doubtful {
            self.active.insert(site);
            self.want_review(now.mono);
        } else if self.review_at < Mono::NEVER {
            // Somebody waits for witnesses, and this may be one.
            self.want_review(now.mono);
        }
    }

    /// Has changes written soon, if there are any.
    fn keep(&mut self, changes: Vec<Change>, now: Mono) {
        if !changes.is_empty() {
            self.changes.extend(changes);
            self.commit_at = now;
        }
    }

    /// Rule 3 of [`take_in`](Self::take_in). What failed on it only while the host did is unknown
    /// until it is heard; what had failed before, or since while the host was merely not asked, is
    /// still down.
    fn ask_services(&mut self, it: TargetIx, asked: Mono, now: Now) {
        let topology = Arc::clone(self.topology());
        let endpoint = topology.target(it).endpoint;
        if self.picture.reachability(endpoint).all(|ix| ix != it) {
            return;
        }
        self.picture.endpoints[endpoint.ix()].back_at = asked;
        self.picture.site_mut(topology.endpoint(endpoint).site).found = false;
        let (pace, timeout) = self.picture.pace(it);
        let host = self.picture.target(it);
        let since = host.bad_since.earlier(pace + timeout);
        // A host that answered before we failed to ask it was back then already.
        let until = if host.back_since < host.good_since { host.back_since } else { now.mono };
        for other in topology.endpoint(endpoint).targets.iter().filter(|ix| **ix != it) {
            let watched = self.picture.target(*other);
            if !watched.streak.is_failing() && watched.streak.hard != Health::Down {
                continue;
            }
            self.picture.start_over(*other);
            let watched = &mut self.picture.targets[other.ix()];
            let with_it = (since..=until).contains(&watched.bad_since);
            if with_it && watched.forget_health(now.wall) {
                let state = watched.hard_state(now.wall);
                self.changes.push(Change::Health { key: topology.target_key(*other), state });
            }
            self.schedule.demand(*other, Trigger::Confirm, Effort::Normal, now.mono);
        }
    }

    /// Orders what is due and does what time brings.
    fn advance(&mut self, now: Now) {
        self.order(now);
        if now.mono >= self.look_at {
            self.look(now);
        }
        if now.mono >= self.review_at {
            self.review(now);
            // A review may have asked for probes at once.
            self.order(now);
        }
        if now.mono >= self.rollups.due() {
            let rollups = self.rollups.go(&mut self.picture, now);
            self.changes.extend(rollups);
            self.commit_at = now.mono;
        }
        if now.mono >= self.minutes.watch_due() {
            self.commit_at = now.mono;
        }
        if now.mono >= self.commit_at {
            self.commit_at = Mono::NEVER;
            if !self.changes.is_empty() || now.mono >= self.minutes.watch_due() {
                // Whatever is known was seen: the sign that we were there goes with it.
                self.changes.push(self.minutes.watch(&self.picture, now));
                let batch = Batch { changes: std::mem::take(&mut self.changes) };
                self.commands.push_back(Command::Commit(batch));
            }
        }
    }

    /// Orders a probe of each of these, besides their turns. One under way is not disturbed: the
    /// demanded one follows it, or is that one if it has not begun.
    fn demand(&mut self, targets: &[TargetKey], now: Now) {
        let topology = Arc::clone(self.topology());
        for key in targets {
            let (Some(endpoint), Some(check)) = (&key.endpoint, &key.check) else { continue };
            if let Some(target) = topology.find_target(&key.site, endpoint, check) {
                self.schedule.demand(target, Trigger::Demand, Effort::Normal, now.mono);
            }
        }
    }

    /// Orders the probes that are due, or will be before long.
    ///
    /// 1. Where losses raise a suspicion, all turns of those who show the path are trains of
    ///    echoes.
    /// 2. In a live session every other turn of who answers is one anyway: single echoes, one a
    ///    second, take so long to meet the first losses of a bad path that it would often not be
    ///    told within the minute.
    fn order(&mut self, now: Now) {
        loop {
            let picture = &self.picture;
            let due = self.schedule.poll(now.mono, |target, every_other| {
                let site = picture.topology().target(target).site;
                let is_live = || picture.plan.site(site).pace == Phase::Live;
                let watched = picture.target(target);
                watched.shows_path()
                    && (picture.site(site).suspicious > 0
                        || (every_other && watched.is_good() && is_live()))
            });
            match due {
                Some(Due::Probe { target, trigger, effort, due }) => {
                    let request =
                        ProbeRequest { generation: self.generation, target, trigger, effort, due };
                    self.schedule.started(request);
                    self.commands.push_back(Command::Probe(request));
                }
                Some(Due::GivenUp(request)) => {
                    let words = "the probe never came back".to_owned();
                    let outcome = Outcome {
                        request,
                        started: now,
                        finished: now.mono,
                        lost: 0,
                        heard: None,
                        result: Err(Failure::Local(LocalFailure::Other(words))),
                    };
                    self.handle_outcome(&outcome, now);
                }
                None => return,
            }
        }
    }

    /// Asks for a review, now or as soon after the last one as is reasonable.
    fn want_review(&mut self, now: Mono) {
        let active = u32::try_from(self.active.len()).unwrap_or(u32::MAX);
        let gap = REVIEW_GAP + REVIEW_GAP_PER_SITE.saturating_mul(active);
        let at = now.max(self.reviewed_at + gap.min(REVIEW_GAP_MOST));
        self.review_at = self.review_at.min(at);
    }

    /// Lets every open incident be looked at again for whether somebody is to be told. What led to
    /// it is made durable at once.
    fn retell(&mut self, now: Mono) {
        self.commit_at = self.commit_at.min(now);
        for (_, entry) in self.ledger.iter_mut() {
            entry.touched = true;
        }
        self.want_review(now);
    }
}
