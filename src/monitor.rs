//! The brain: told the time and what probes learned, it says what to probe, what is wrong, and
//! who is to be told.
//!
//! It has no hands. Everything comes in through [`Monitor::handle`] together with the moment, and
//! everything goes out through [`Monitor::poll_command`]; [`Monitor::poll_timeout`] says when it
//! wants to be woken. So the same history always gives the same incidents, and a week of outages
//! runs in a test in a second.
//!
//! An outcome passes, in this order:
//! [`plan`] (which phase is each site in) ▸ [`schedule`] (when is each target probed) ▸
//! [`target`] and [`hysteresis`] (is a failure a fact).

#[allow(dead_code, reason = "the judgement of sites reads it")]
mod hysteresis;
mod plan;
#[allow(dead_code, reason = "the judgement of sites reads it")]
mod schedule;
#[allow(dead_code, reason = "the judgement of sites reads it")]
mod target;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use self::plan::Plan;
use self::schedule::{Due, Schedule};
use self::target::{EchoRules, Watched};
use crate::config::{Config, QualitySettings};
use crate::model::{
    Ack, Batch, Change, CheckKind, Durable, Effort, EndpointIx, EndpointView, EngineHealth,
    Failure, HardState, Health, Incident, IncidentId, LocalFailure, Maintenance, MonitorView, Mono,
    Now, Outcome, Phase, ProbeRequest, QualityGrade, SessionView, Silence, SilenceId, SiteIx,
    SiteView, Snapshot, Standing, TargetIx, Topology, Trigger,
};
use crate::quality::{CodecLoss, Limits, LossTest};

/// Time between two looks at the calendar and the wall clock.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Time between two rollups of what is near a session.
const ROLLUP_EVERY: Duration = Duration::from_secs(60);
/// Rollups of what no session is near, in units of [`ROLLUP_EVERY`].
const IDLE_ROLLUPS: u32 = 15;
/// Targets rolled up in one go, so that a big batch never stands before an urgent one.
const ROLLUP_CHUNK: usize = 512;
/// Time between two goes.
const ROLLUP_GAP: Duration = Duration::from_millis(20);

/// The brain.
#[derive(Debug)]
pub struct Monitor {
    config: Arc<Config>,
    generation: u32,
    /// Where targets of earlier generations stand now; probes of theirs may be under way.
    earlier: BTreeMap<u32, Vec<Option<TargetIx>>>,
    plan: Plan,
    echo_rules: EchoRules,
    schedule: Schedule,
    targets: Vec<Watched>,
    endpoints: Vec<Judged>,
    sites: Vec<Judged>,
    durable: Durable,
    engine: EngineHealth,
    troubles: BTreeMap<Part, String>,
    worst_lateness: Duration,
    commands: VecDeque<Command>,
    changes: Vec<Change>,
    look_at: Mono,
    rollup_at: Mono,
    rollup_next: usize,
    rollup_round: u32,
    rollup_began: Mono,
}

/// A confirmed health of an endpoint or a site.
#[derive(Debug, Clone, Copy, Default)]
struct Judged {
    hard: Health,
    since: Option<Timestamp>,
    seen_up: bool,
}

/// What the brain can be told.
#[derive(Debug, Clone)]
pub enum Input {
    /// What a probe learned. Every ordered probe is answered by exactly one.
    Outcome(Outcome),
    /// How the echo engine does; about once a second.
    Engine(EngineHealth),
    /// A part of this program reports trouble in plain words, or none: it is well.
    Part {
        /// Which part.
        part: Part,
        /// What is wrong.
        trouble: Option<String>,
    },
    /// Time has passed.
    Tick,
    /// Somebody takes an incident on.
    Ack {
        /// Which.
        incident: IncidentId,
        /// Who, when and why.
        ack: Ack,
    },
    /// Messages are held back for a while.
    Silence(Silence),
    /// Planned work is announced.
    Maintenance(Maintenance),
    /// A silence or a maintenance window ends now.
    Lift(SilenceId),
    /// The configuration has changed; it has been checked.
    Reload(Arc<Config>),
    /// Somebody wants a target probed now.
    Demand {
        /// Which target of the present topology.
        target: TargetIx,
    },
}

/// A part of this program that may be in trouble without stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Name resolution: no name server answers.
    Resolver,
    /// The database: the disk is full or does not write.
    Store,
    /// Delivery: messages cannot be handed over to any channel.
    Courier,
    /// The echo engine stands still.
    Engine,
}

/// What the brain orders.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run a probe.
    Probe(ProbeRequest),
    /// Make these changes durable, in one transaction, before anybody is shown or told.
    Commit(Batch),
}

impl Monitor {
    /// A brain that remembers what is `durable`.
    #[must_use]
    pub fn new(config: Arc<Config>, durable: Durable, now: Now) -> Self {
        let topology = Arc::clone(&config.topology);
        let mut monitor = Self {
            plan: Plan::read(&config, now.wall),
            echo_rules: echo_rules(&config.settings.quality),
            generation: 1,
            earlier: BTreeMap::new(),
            schedule: Schedule::default(),
            targets: Vec::with_capacity(topology.targets.len()),
            endpoints: Vec::new(),
            sites: Vec::new(),
            engine: EngineHealth::default(),
            troubles: BTreeMap::new(),
            worst_lateness: Duration::ZERO,
            commands: VecDeque::new(),
            changes: Vec::new(),
            look_at: now.mono,
            rollup_at: now.mono + ROLLUP_EVERY,
            rollup_next: 0,
            rollup_round: 0,
            rollup_began: now.mono,
            durable,
            config,
        };
        for ix in topology.target_ixs() {
            let key = topology.target_key(ix);
            let pinged = matches!(topology.check_of(ix).kind, CheckKind::Icmp(_));
            monitor.targets.push(Watched::new(monitor.durable.health.get(&key), pinged, now.mono));
            let (pace, timeout) = monitor.pace(ix);
            monitor.schedule.add(&key, pace, timeout, now.mono);
        }
        let restored = |state: Option<&HardState>| {
            state.map_or_else(Judged::default, |state| Judged {
                hard: state.health,
                since: Some(state.since),
                seen_up: state.seen_up,
            })
        };
        for ix in topology.endpoint_ixs() {
            let state = monitor.durable.health.get(&topology.endpoint_key(ix));
            monitor.endpoints.push(restored(state));
        }
        for ix in topology.site_ixs() {
            let state = monitor.durable.health.get(&topology.site_key(ix));
            monitor.sites.push(restored(state));
        }
        monitor
    }

    /// Takes in what happened at `now`. Moments must not go back on the monotonic clock.
    pub fn handle(&mut self, input: Input, now: Now) {
        match input {
            Input::Outcome(outcome) => self.handle_outcome(&outcome, now),
            Input::Engine(health) => self.engine = health,
            Input::Part { part, trouble } => {
                match trouble {
                    Some(words) => self.troubles.insert(part, words),
                    None => self.troubles.remove(&part),
                };
            }
            Input::Tick => {}
            Input::Ack { incident, ack } => {
                if let Some(incident) = self.durable.incidents.get(&incident) {
                    let acked = Incident { ack: Some(ack), ..incident.clone() };
                    self.changes.push(Change::Incident(Box::new(acked)));
                }
            }
            Input::Silence(silence) => self.changes.push(Change::Silence(silence)),
            Input::Maintenance(window) => self.changes.push(Change::Maintenance(window)),
            Input::Lift(id) => self.changes.push(Change::Lift(id)),
            Input::Reload(config) => self.reload(config, now),
            Input::Demand { target } => {
                if target.ix() < self.targets.len() {
                    self.schedule.demand(target, Trigger::Demand, Effort::Normal, now.mono);
                }
            }
        }
        self.advance(now);
    }

    /// The next order; to be asked until there is none, after every [`handle`](Self::handle).
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When [`handle`](Self::handle) wants to be called with [`Input::Tick`] at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        let timers = self.look_at.min(self.rollup_at);
        Some(self.schedule.next().map_or(timers, |due| due.min(timers)))
    }

    /// What is watched now.
    #[must_use]
    pub fn topology(&self) -> &Arc<Topology> {
        &self.config.topology
    }

    /// What it goes by now.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Counts the topologies since the start: which one the orders that come next are about.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// The whole state at `now`.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let settings = &self.config.settings;
        let topology = &self.config.topology;
        let codec = CodecLoss { ie: settings.quality.ie, bpl: settings.quality.bpl };
        let endpoints = topology.endpoint_ixs().map(|ix| {
            let endpoint = topology.endpoint(ix);
            let records =
                endpoint.targets.iter().filter_map(|t| self.targets[t.ix()].echoes.as_ref());
            let figures = records.filter_map(|echoes| echoes.window.figures()).next();
            EndpointView {
                standing: self.endpoints[ix.ix()].standing(),
                quality: figures.map(|f| f.quality(codec, QualityGrade::Good)),
            }
        });
        let sites = topology.site_ixs().map(|ix| {
            let standpoint = self.plan.site(ix);
            SiteView {
                standing: self.sites[ix.ix()].standing(),
                phase: standpoint.phase,
                session: standpoint.session.as_ref().map(|session| session.id.clone()),
                delegates: standpoint.delegates,
                ..SiteView::default()
            }
        });
        let sessions = self.plan.near().iter().map(|session| {
            let mut view = SessionView {
                session: Arc::clone(session),
                phase: plan::phase(session, &settings.phases, now.wall),
                sites: [0; 4],
                delegates: [0; 4],
                seconds_lost: 0,
            };
            for (site, delegates) in &session.sites {
                let health = self.sites[site.ix()].hard as usize;
                view.sites[health] += 1;
                view.delegates[health] += u64::from(*delegates);
            }
            view
        });
        Snapshot {
            taken: now,
            topology: Arc::clone(topology),
            generation: self.generation,
            targets: self.targets.iter().map(Watched::view).collect(),
            endpoints: endpoints.collect(),
            sites: sites.collect(),
            incidents: self.durable.incidents.values().map(|i| Arc::new(i.clone())).collect(),
            sessions: sessions.collect(),
            silences: self.durable.silences.values().cloned().collect(),
            maintenance: self.durable.maintenance.values().cloned().collect(),
            monitor: MonitorView {
                blind: false,
                reasons: self.troubles.values().cloned().collect(),
                in_flight: self.schedule.in_flight(),
                overlaps_avoided: self.schedule.overlaps(),
                worst_lateness: std::mem::take(&mut self.worst_lateness),
                engine: self.engine,
            },
        }
    }

    /// An outcome of an order that is not under way any more is ignored: it was given up, or its
    /// target is watched no longer.
    fn handle_outcome(&mut self, outcome: &Outcome, now: Now) {
        let request = &outcome.request;
        let target = if request.generation == self.generation {
            Some(request.target)
        } else {
            let earlier = self.earlier.get(&request.generation);
            earlier.and_then(|map| map.get(request.target.ix()).copied().flatten())
        };
        let Some(target) = target else { return };
        if self.schedule.finished(request, target, now.mono) {
            self.worst_lateness = self.worst_lateness.max(outcome.lateness());
            self.take_in(target, outcome, now);
        }
    }

    fn take_in(&mut self, target: TargetIx, outcome: &Outcome, now: Now) {
        let settings = &self.config.settings;
        let window = quality_window(&settings.quality, self.schedule.pace(target));
        let watched = &mut self.targets[target.ix()];
        let step = watched.take_in(outcome, &settings.hysteresis, &self.echo_rules, window, true);
        if step.confirm {
            let check = self.config.topology.check_of(target);
            let at = now.mono + check.confirm_after;
            self.schedule.demand(target, Trigger::Confirm, Effort::Thorough, at);
        }
        if step.changed {
            let state = watched.hard_state(now.wall);
            let key = self.config.topology.target_key(target);
            self.changes.push(Change::Health { key, state });
            self.judge(target, now);
        }
    }

    /// Orders what is due and does what time brings.
    fn advance(&mut self, now: Now) {
        while let Some(due) = self.schedule.poll(now.mono, |_| false) {
            match due {
                Due::Probe { target, trigger, effort, due } => {
                    let request =
                        ProbeRequest { generation: self.generation, target, trigger, effort, due };
                    self.schedule.started(request);
                    self.commands.push_back(Command::Probe(request));
                }
                Due::GivenUp(request) => {
                    let words = "the probe never came back".to_owned();
                    let outcome = Outcome {
                        request,
                        started: now,
                        finished: now.mono,
                        result: Err(Failure::Local(LocalFailure::Other(words))),
                    };
                    self.handle_outcome(&outcome, now);
                }
            }
        }
        if now.mono >= self.look_at {
            self.look_at = now.mono + LOOK_EVERY;
            if self.plan.is_over(now.wall) {
                self.plan = Plan::read(&self.config, now.wall);
                for ix in self.config.topology.target_ixs() {
                    let (pace, _) = self.pace(ix);
                    self.schedule.set_pace(ix, pace, now.mono);
                }
            }
        }
        if now.mono >= self.rollup_at {
            self.roll_up(now);
        }
        if !self.changes.is_empty() {
            let batch = Batch { changes: std::mem::take(&mut self.changes) };
            self.durable.apply(&batch);
            self.commands.push_back(Command::Commit(batch));
        }
    }

    /// Interval and time limit of a target.
    fn pace(&self, target: TargetIx) -> (Duration, Duration) {
        let topology = &self.config.topology;
        let check = topology.check_of(target);
        let phase = self.plan.site(topology.target(target).site).pace;
        (check.paces.get(phase), check.timeout)
    }
}

impl Monitor {
    /// Works out the health of the target's endpoint and site anew.
    fn judge(&mut self, target: TargetIx, now: Now) {
        let topology = Arc::clone(&self.config.topology);
        let Some(watched) = topology.targets.get(target.ix()) else { return };
        let endpoint = self.endpoint_health(watched.endpoint);
        if self.endpoints[watched.endpoint.ix()].set(endpoint, now.wall) {
            let state = self.endpoints[watched.endpoint.ix()].hard_state(now.wall);
            let key = topology.endpoint_key(watched.endpoint);
            self.changes.push(Change::Health { key, state });
        }
        let site = self.site_health(watched.site);
        if self.sites[watched.site.ix()].set(site, now.wall) {
            let state = self.sites[watched.site.ix()].hard_state(now.wall);
            self.changes.push(Change::Health { key: topology.site_key(watched.site), state });
        }
    }

    fn endpoint_health(&self, endpoint: EndpointIx) -> Health {
        let targets = &self.config.topology.endpoint(endpoint).targets;
        let known: Vec<Health> = targets
            .iter()
            .map(|target| self.targets[target.ix()].streak.hard)
            .filter(|health| *health != Health::Unknown)
            .collect();
        worst_unless_all(&known)
    }

    fn site_health(&self, site: SiteIx) -> Health {
        let endpoints = &self.config.topology.site(site).endpoints;
        let known: Vec<Health> = endpoints
            .iter()
            .map(|endpoint| self.endpoints[endpoint.ix()].hard)
            .filter(|health| *health != Health::Unknown)
            .collect();
        worst_unless_all(&known)
    }

    /// Takes over a new configuration: what is known of targets, endpoints and sites that are
    /// still there stays, turns and probes under way included; what is gone is forgotten.
    fn reload(&mut self, config: Arc<Config>, now: Now) {
        let old = Arc::clone(&self.config.topology);
        let new = Arc::clone(&config.topology);
        self.plan = Plan::read(&config, now.wall);
        self.echo_rules = echo_rules(&config.settings.quality);
        self.config = config;
        let place: BTreeMap<_, _> = old.target_ixs().map(|ix| (old.target_key(ix), ix)).collect();
        let mut moved = vec![None; old.targets.len()];
        let mut schedule = Schedule::default();
        schedule.carry_over_counts(&self.schedule);
        let mut targets = Vec::with_capacity(new.targets.len());
        for ix in new.target_ixs() {
            let key = new.target_key(ix);
            let (pace, timeout) = self.pace(ix);
            let pinged = matches!(new.check_of(ix).kind, CheckKind::Icmp(_));
            if let Some(from) = place.get(&key) {
                moved[from.ix()] = Some(ix);
                schedule.carry_over(&self.schedule, *from, pace, timeout, now.mono);
                targets.push(std::mem::take(&mut self.targets[from.ix()]));
            } else {
                schedule.add(&key, pace, timeout, now.mono);
                targets.push(Watched::new(None, pinged, now.mono));
            }
        }
        let mut known: BTreeMap<_, _> = BTreeMap::new();
        known.extend(old.endpoint_ixs().map(|ix| (old.endpoint_key(ix), self.endpoints[ix.ix()])));
        known.extend(old.site_ixs().map(|ix| (old.site_key(ix), self.sites[ix.ix()])));
        let mut gone: Vec<_> = known.keys().chain(place.keys()).cloned().collect();
        let find = |key| known.get(&key).copied().unwrap_or_default();
        self.endpoints = new.endpoint_ixs().map(|ix| find(new.endpoint_key(ix))).collect();
        self.sites = new.site_ixs().map(|ix| find(new.site_key(ix))).collect();
        gone.retain(|key| {
            let endpoint = |id| {
                new.find_site(&key.site).is_some_and(|site| {
                    new.site(site).endpoints.iter().any(|e| new.endpoint(*e).id == id)
                })
            };
            let kept = match (key.endpoint.clone(), key.check.clone()) {
                (Some(id), Some(check)) => new.find_target(&key.site, &id, &check).is_some(),
                (Some(id), None) => endpoint(id),
                (None, _) => new.find_site(&key.site).is_some(),
            };
            !kept && self.durable.health.contains_key(key)
        });
        self.changes.extend(gone.into_iter().map(Change::Forget));
        self.schedule = schedule;
        self.targets = targets;
        for map in self.earlier.values_mut() {
            for at in map.iter_mut() {
                *at = at.and_then(|ix| moved[ix.ix()]);
            }
        }
        self.earlier.insert(self.generation, moved);
        while self.earlier.len() > 4 {
            self.earlier.pop_first();
        }
        self.generation += 1;
    }

    /// Hands measurements over for reports, a chunk at a time: those near a session every minute,
    /// the others every quarter of an hour.
    fn roll_up(&mut self, now: Now) {
        let topology = &self.config.topology;
        if self.rollup_next == 0 {
            self.rollup_round += 1;
        }
        let end = (self.rollup_next + ROLLUP_CHUNK).min(self.targets.len());
        let idle_too = self.rollup_round.is_multiple_of(IDLE_ROLLUPS);
        for at in self.rollup_next..end {
            let ix = TargetIx::new(at);
            let idle = self.plan.site(topology.target(ix).site).pace == Phase::Idle;
            if idle && !idle_too {
                continue;
            }
            let rollup = self.targets[at].roll_up(|| topology.target_key(ix), now);
            self.changes.extend(rollup.map(Change::Rollup));
        }
        if end == self.targets.len() {
            self.rollup_next = 0;
            self.rollup_at = self.rollup_began + ROLLUP_EVERY * (self.rollup_round + 1);
        } else {
            self.rollup_next = end;
            self.rollup_at = now.mono + ROLLUP_GAP;
        }
    }
}

impl Judged {
    /// Takes over a health; whether that is news.
    fn set(&mut self, health: Health, at: Timestamp) -> bool {
        let news = self.hard != health;
        if news {
            self.hard = health;
            self.since = Some(at);
            self.seen_up |= health == Health::Up;
        }
        news
    }

    fn hard_state(&self, at: Timestamp) -> HardState {
        HardState { health: self.hard, since: self.since.unwrap_or(at), seen_up: self.seen_up }
    }

    const fn standing(&self) -> Standing {
        Standing { hard: self.hard, soft: self.hard, since: self.since }
    }
}

/// Down only when everything is; degraded when something is.
fn worst_unless_all(known: &[Health]) -> Health {
    match known {
        [] => Health::Unknown,
        all if all.iter().all(|health| *health == Health::Down) => Health::Down,
        all if all.iter().any(|health| *health != Health::Up) => Health::Degraded,
        _ => Health::Up,
    }
}

fn echo_rules(quality: &QualitySettings) -> EchoRules {
    EchoRules {
        limits: Limits { fair: quality.fair_rtt, poor: quality.poor_rtt },
        loss: LossTest::between(quality.fair_loss, quality.poor_loss),
    }
}

/// How far back echoes count: the window, or longer where the pace is so slow that it would hold
/// too few.
fn quality_window(quality: &QualitySettings, pace: Duration) -> Duration {
    quality.window.max(pace.saturating_mul(quality.min_samples))
}
