//! The walk through all judgements, from what is known to what is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::blind::Sight;
use super::picture::Picture;
use super::plan::Plan;
use super::rollup::Rollups;
use super::site::{self, Finding, Kind, Life};
use super::{Command, LOOK_EVERY, Monitor, correlate, flap};
use crate::model::{Change, Effort, EndpointIx, Health, Mono, Now, Phase, SiteIx, Trigger};

/// Gap between two sites that are asked again, so that asking many makes no burst.
const GAP: Duration = Duration::from_millis(4);

impl Monitor {
    /// Notes when our clock is set: what was seen of others was seen by another time.
    pub(super) fn watch_the_clock(&mut self, now: Now) {
        if let Some(by_s) = self.sight.note_clocks(now) {
            self.hygiene.our_clock_was_set(&mut self.picture, by_s);
            self.ledger.our_clock_was_set(by_s);
            self.drills.our_clock_was_set(by_s);
            self.retell(now.mono);
        }
    }

    /// What happens about once a second: the calendar, the clocks, the ends of silences.
    pub(super) fn look(&mut self, now: Now) {
        self.look_at = now.mono + LOOK_EVERY;
        self.sight.believe_parts(now.mono);
        self.want_review(now.mono);
        if self.picture.plan.is_over(now.wall) {
            self.picture.plan = Plan::read(&self.picture.config, now.wall);
            for ix in self.picture.config.topology.target_ixs() {
                let (pace, _) = self.picture.pace(ix);
                self.schedule.set_pace(ix, pace, now.mono);
            }
            self.retell(now.mono);
        }
        for session in self.picture.plan.near() {
            let phase = super::plan::phase(session, &self.picture.settings().phases, now.wall);
            if phase == Phase::Live {
                let down = session.sites.keys().filter(|site| {
                    self.picture.sites.get(site.ix()).is_some_and(|s| s.judged.hard == Health::Down)
                });
                self.lost.count(&session.id, session.start, down.count(), now.wall);
            }
        }
        self.take_minutes(now);
        let lost = self.lost.changes(now.wall);
        if !lost.is_empty() {
            self.changes.extend(lost);
            self.commit_at = now.mono;
        }
        self.look_ahead(now);
        let over = self.mutes.expire(now.wall);
        if !over.is_empty() || self.mutes_changed_since(now) {
            self.changes.extend(over);
            self.retell(now.mono);
        }
        self.note_minute(now);
        let drills = self.drills.look(&self.picture.config, now.wall);
        self.keep(drills, now.mono);
        self.commands.extend(self.drills.take_orders().map(Box::new).map(Command::Drill));
        let flapping = &self.picture.config.settings.flapping;
        self.ledger.retain(|entry| {
            entry.incident.is_open()
                || entry.touched
                || entry.unsaid
                || flap::may_return(&entry.incident, flapping, now.wall)
        });
        self.want_review(now.mono);
    }

    /// Writes down who takes part in which session from now on.
    pub(super) fn take_minutes(&mut self, now: Now) {
        let looked = self.minutes.look(&self.picture, now);
        if looked.edge {
            // No stretch of measurements reaches over the edge of a session.
            self.changes.extend(Rollups::all(&mut self.picture, now));
        }
        if looked.edge || !looked.changes.is_empty() {
            self.changes.extend(looked.changes);
            self.commit_at = now.mono;
        }
    }

    /// Whether a silence or a window began since the last look.
    fn mutes_changed_since(&mut self, now: Now) -> bool {
        let due = self.mute_at.is_some_and(|at| now.wall >= at);
        self.mute_at = self.mutes.next_change(now.wall);
        due
    }

    /// Walks through all judgements.
    ///
    /// 1. What does each site's own evidence say?
    /// 2. Can we see at all? If not, everything is unknown and nothing more is decided.
    /// 3. What explains what is wrong, and which incidents are over?
    /// 4. What is therefore each site's health?
    /// 5. What gives notice?
    /// 6. Who is to be told?
    pub(super) fn review(&mut self, now: Now) {
        self.reviewed_at = now.mono;
        self.review_at = Mono::NEVER;
        self.find(now);
        if self.sight.look(&self.picture, now.mono) {
            if self.sight.is_blind() {
                self.go_blind(now);
            } else {
                self.see_again(now);
            }
        }
        if !self.sight.is_blind() {
            self.explain(now);
            self.judge_sites(now);
        }
        self.hygiene.look(&mut self.ledger, &mut self.picture, now);
        self.watch_ourselves(now);
        self.tell(now);
    }

    /// Step 1, for those of whom something was learned that may change what is found.
    pub(super) fn find(&mut self, now: Now) {
        let topology = Arc::clone(self.topology());
        for site in &self.active {
            if self.picture.site(*site).found && !site::is_passing(&self.picture, *site) {
                debug_assert_eq!(
                    self.picture.site(*site).finding,
                    site::find(&self.picture, *site, now.mono),
                    "{} was found otherwise",
                    topology.site(*site).id
                );
                continue;
            }
            let finding = site::find(&self.picture, *site, now.mono);
            let is_alive = |endpoint: &EndpointIx| {
                site::life(&self.picture, *endpoint, now.mono) == Life::Alive
            };
            let was_silent = self.picture.site(*site).silent_since > Mono::ZERO;
            let lives = was_silent && topology.site(*site).endpoints.iter().any(is_alive);
            let known = self.picture.site_mut(*site);
            match finding {
                Finding::Trouble(trouble) if trouble.kind == Kind::Silent => {
                    if known.silent_since == Mono::ZERO {
                        known.silent_since = trouble.since;
                    }
                }
                // One reply is chance, and that we could not ask for a while ends no silence: who
                // answered through it meanwhile need not do so again.
                Finding::Unsettled => {}
                Finding::Trouble(_) | Finding::Unknown if !lives => {}
                _ => known.silent_since = Mono::ZERO,
            }
            // Whether a line is bad depends on whether it was.
            (known.finding, known.found) = (finding, !finding.is(Kind::Quality));
            known.poor_line = match finding {
                Finding::Well => false,
                Finding::Trouble(trouble) if trouble.kind == Kind::Quality => {
                    trouble.endpoint.is_none()
                }
                _ => known.poor_line,
            };
            if self.sight.is_blind() {
                continue;
            }
            for endpoint in &topology.site(*site).endpoints {
                let Some(health) = site::endpoint_health(&self.picture, *endpoint, now.mono) else {
                    continue;
                };
                let judged = &mut self.picture.endpoints[endpoint.ix()].judged;
                if judged.set(health, now.wall) {
                    let state = judged.hard_state(now.wall);
                    let key = topology.endpoint_key(*endpoint);
                    self.changes.push(Change::Health { key, state });
                }
            }
        }
    }

    /// Step 3. While it may turn out that we are blind nothing new is decided.
    fn explain(&mut self, now: Now) {
        let mut waiting = BTreeSet::new();
        let (mut wake, mut ask_again) = (Mono::NEVER, BTreeSet::new());
        for site in &self.active {
            let known = self.picture.site_mut(*site);
            let answers = matches!(known.finding, Finding::Well | Finding::Doubtful);
            known.starting = known.starting.filter(|it| !answers && now.mono < it.until);
            wake = known.starting.map_or(wake, |starting| wake.min(starting.until));
            if self.ledger.is_unexplained(&self.picture, *site) {
                waiting.insert(*site);
                let known = self.picture.site_mut(*site);
                let kind = known.finding.trouble().map(|trouble| trouble.kind);
                // What turns out to be graver has other witnesses.
                if known.waits_since == Mono::ZERO || kind > known.waits_for {
                    known.waits_since = now.mono;
                    known.waits_for = kind;
                }
            } else {
                let known = self.picture.site_mut(*site);
                (known.waits_since, known.waits_for) = (Mono::ZERO, None);
            }
        }
        if !waiting.is_empty() && Sight::is_in_doubt(&self.picture, now.mono) {
            wake = wake.min(now.mono + super::REVIEW_GAP * 10);
        } else if !waiting.is_empty() {
            let decision = correlate::explain(&self.picture, &self.ledger, &waiting, now.mono);
            wake = wake.min(decision.again_at.unwrap_or(Mono::NEVER));
            ask_again = decision.ask_again;
            self.ledger.settle(&mut self.picture, decision.verdicts, now);
        }
        let pass = self.ledger.follow(&mut self.picture, now);
        if !pass.left.is_empty() {
            let verdicts =
                correlate::explain_left(&self.picture, &self.ledger, &pass.left, now.mono);
            self.ledger.settle(&mut self.picture, verdicts, now);
        }
        wake = wake.min(pass.again_at.unwrap_or(Mono::NEVER));
        if wake < Mono::NEVER {
            self.want_review(wake);
        }
        ask_again.extend(pass.ask_again);
        for (n, site) in (0u32..).zip(ask_again) {
            self.ask_again(site, now.mono + GAP * n);
        }
    }

    /// Lets a site's state be learned anew: failures before this moment prove nothing any more,
    /// replies still do.
    fn ask_again(&mut self, site: SiteIx, at: Mono) {
        let topology = Arc::clone(self.topology());
        let endpoints = &topology.site(site).endpoints;
        for target in endpoints.iter().flat_map(|endpoint| &topology.endpoint(*endpoint).targets) {
            let watched = self.picture.target(*target);
            if watched.streak.hard == Health::Down {
                if watched.streak.is_failing() {
                    self.picture.start_over(*target);
                }
                self.schedule.demand(*target, Trigger::Correlate, Effort::Thorough, at);
            }
        }
    }

    /// Step 4.
    ///
    /// 1. A site in trouble is down, or degraded if it can still take part, from the moment that an
    ///    incident explains it, never before: what people see and what they are told agree. One
    ///    that something milder explains is down from when it is known what the graver trouble is:
    ///    it may yet be ours.
    /// 2. A site of which everything works is up, one of which nothing is known is unknown. One
    ///    that only has a path in doubt is no longer down.
    /// 3. What is unsettled changes nothing, as long as an incident says why it was judged as it
    ///    was: one whose cause was taken out of the configuration does not. How a site does whose
    ///    devices may still be starting is unknown.
    /// 4. Being down counts from its first failed probe to the first reply after it, however long
    ///    it takes to be sure of either.
    fn judge_sites(&mut self, now: Now) {
        let mut calm = Vec::new();
        for site in &self.active {
            let explained = self.ledger.is_explained(&self.picture, *site);
            let back = self.back_since(*site, now);
            let known = self.picture.site(*site);
            let was = known.judged.hard;
            let falls = was != Health::Down && known.finding.trouble().is_some_and(|it| it.down);
            let waits = falls && explained && self.ledger.is_unexplained(&self.picture, *site);
            let known = self.picture.site_mut(*site);
            let (health, began) = match known.finding {
                Finding::Well if was == Health::Down => (Health::Up, back),
                Finding::Well => (Health::Up, now.wall),
                Finding::Unknown => (Health::Unknown, now.wall),
                Finding::Trouble(_) if waits => (was, now.wall),
                Finding::Trouble(trouble) if explained && trouble.down => {
                    (Health::Down, now.wall_at(trouble.since))
                }
                Finding::Trouble(_) if explained && was == Health::Down => (Health::Degraded, back),
                Finding::Trouble(trouble) if explained => {
                    (Health::Degraded, now.wall_at(trouble.since))
                }
                Finding::Doubtful if was == Health::Down && !explained => (Health::Up, back),
                Finding::Trouble(_) | Finding::Unsettled | Finding::Doubtful => match was {
                    Health::Down | Health::Degraded if !explained => (Health::Unknown, now.wall),
                    was => (was, now.wall),
                },
            };
            if known.judged.set_from(health, began, now.wall) {
                let state = known.judged.hard_state(now.wall);
                let key = self.picture.config.topology.site_key(*site);
                self.changes.push(Change::Health { key, state });
                self.commit_at = now.mono;
            }
            let known = self.picture.site(*site);
            let settled = matches!(known.finding, Finding::Well | Finding::Unknown);
            let explained = known.own.is_some() || known.group.is_some();
            if settled && !explained && !has_begun_to_fail(&self.picture, *site) {
                calm.push(*site);
            }
        }
        for site in calm {
            self.active.remove(&site);
        }
    }

    /// Since when a site that was down can take part again: the first reply of the last of its
    /// targets that came back since, or now when that is not known.
    fn back_since(&self, site: SiteIx, now: Now) -> Timestamp {
        let topology = self.topology();
        let endpoints = &topology.site(site).endpoints;
        let targets = endpoints.iter().flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
        let back = targets.map(|ix| self.picture.target(*ix).back_since).max();
        let judged = &self.picture.site(site).judged;
        let began = judged.began.or(judged.since).map(Timestamp::from);
        let back = back.map(|at| now.wall_at(at));
        back.filter(|at| began.is_none_or(|began| *at > began)).unwrap_or(now.wall)
    }

    /// Everything is unknown from now on: what the last outcomes said was said about us.
    fn go_blind(&mut self, now: Now) {
        let topology = Arc::clone(self.topology());
        for ix in topology.target_ixs() {
            if self.picture.forget_health(ix, now.wall) {
                let state = self.picture.target(ix).hard_state(now.wall);
                self.changes.push(Change::Health { key: topology.target_key(ix), state });
            }
        }
        for ix in topology.endpoint_ixs() {
            let judged = &mut self.picture.endpoints[ix.ix()].judged;
            if judged.set(Health::Unknown, now.wall) {
                let state = judged.hard_state(now.wall);
                self.changes.push(Change::Health { key: topology.endpoint_key(ix), state });
            }
        }
        for ix in topology.site_ixs() {
            let known = self.picture.site_mut(ix);
            (known.finding, known.found) = (Finding::Unknown, false);
            known.silent_since = Mono::ZERO;
            (known.waits_since, known.waits_for) = (Mono::ZERO, None);
            if known.judged.set(Health::Unknown, now.wall) {
                let state = known.judged.hard_state(now.wall);
                self.changes.push(Change::Health { key: topology.site_key(ix), state });
            }
            self.active.insert(ix);
        }
        // That what seemed over has lasted is to be seen.
        let sites = self.ledger.iter_mut().filter(|(_, entry)| entry.kind.is_some());
        sites.for_each(|(_, entry)| entry.well_since = None);
        self.commit_at = now.mono;
    }

    /// Our gateway answered what was asked at `asked`, having failed before. Who fell silent
    /// meanwhile is asked again before anything is said of it: it may have been our own network.
    pub(super) fn gateway_answers_again(&mut self, asked: Mono, now: Now) {
        self.sight.sees_from(asked);
        let open = |site: &&SiteIx| !self.ledger.is_explained(&self.picture, **site);
        let sites: Vec<SiteIx> = self.active.iter().filter(open).copied().collect();
        for (n, site) in (0u32..).zip(sites) {
            self.ask_again(site, now.mono + GAP * n);
        }
    }

    /// Everybody is asked again, in one quick round, before anything is said of them.
    pub(super) fn see_again(&mut self, now: Now) {
        self.sight.sees_from(now.mono);
        let topology = Arc::clone(self.topology());
        for ix in topology.target_ixs() {
            self.picture.start_over(ix);
            let at = self.schedule.first_round(ix, now.mono);
            self.schedule.demand(ix, Trigger::Correlate, Effort::Normal, at);
        }
        self.active.extend(topology.site_ixs());
    }
}

/// Whether something at a site has failed and is not down for a fact. A refusal is such a failure
/// that leaves everything well: the host lives, and what is told may still have to wait for it.
fn has_begun_to_fail(picture: &Picture, site: SiteIx) -> bool {
    let topology = picture.topology();
    let endpoints = topology.site(site).endpoints.iter();
    endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets).any(|target| {
        let streak = picture.target(*target).streak;
        streak.is_failing() && streak.hard != Health::Down
    })
}
