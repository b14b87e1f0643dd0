//! A run of the brain in virtual time against the emulated province: no socket, no clock, no
//! waiting, and the same every time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vchealth::config::{self, Channel, ChannelKind, Config, Settings, SourceSet, WebhookSettings};
use vchealth::lab::scenario::{Act, Heard, Scenario, Step};
use vchealth::lab::world::World;
use vchealth::model::{
    Ack, Batch, Change, ChannelId, Durable, Maintenance, Mono, Notification, Now, Outcome, Session,
    Severity, Silence, SilenceId, SiteIx, Snapshot, TargetIx, TargetKey, Topology,
};
use vchealth::monitor::{Command, Input, Monitor};

/// What the hands add to a probe's own time.
const HANDS: Duration = Duration::from_millis(1);
/// The wall-clock time at which a scenario begins unless it says otherwise.
const BEGINS: &str = "2026-03-02T01:00:00Z";
/// The brain has been running for this long when a scenario begins.
pub(crate) const WARM_UP: Duration = Duration::from_secs(60);

/// A brain, the province it watches, and what it has said so far.
pub(crate) struct Run {
    /// None while the daemon is away.
    pub(crate) monitor: Option<Monitor>,
    pub(crate) world: World,
    pub(crate) config: Arc<Config>,
    /// What has been committed.
    pub(crate) durable: Durable,
    /// Every message, with the moment it was committed.
    pub(crate) told: Vec<(Duration, Notification)>,
    pub(crate) now: Now,
    /// Probes ordered since the beginning.
    pub(crate) probes: u64,
    begins: Now,
    topology: Arc<Topology>,
    under_way: BTreeMap<(Mono, u64), Outcome>,
    returns_at: Option<Mono>,
    orders: u64,
    /// Maps the targets of the brain's present topology to those of the whole province.
    targets: Vec<TargetIx>,
}

impl Run {
    /// A brain that has just been started for the first time.
    pub(crate) fn new(config: Config, world: World, begins: Timestamp) -> Self {
        let now = Now { mono: Mono::ZERO + Duration::from_secs(10_000), wall: begins };
        let topology = Arc::clone(&config.topology);
        let config = Arc::new(config);
        let mut run = Self {
            monitor: None,
            world,
            durable: Durable::default(),
            told: Vec::new(),
            begins: now,
            now,
            probes: 0,
            under_way: BTreeMap::new(),
            returns_at: None,
            orders: 0,
            targets: topology.target_ixs().collect(),
            topology,
            config,
        };
        run.start();
        run
    }

    /// The run of a scenario, warmed up, with time zero now.
    pub(crate) fn of(scenario: &Scenario) -> (Self, Vec<Step>) {
        let topology = scenario.topology().map_or_else(sample_topology, Arc::new);
        let begins = scenario.starts.unwrap_or_else(|| BEGINS.parse().unwrap());
        let sessions: Vec<Session> = scenario.sessions(&topology, begins).unwrap();
        let steps = scenario.script(&topology).unwrap_or_else(|p| panic!("{p}")).steps;
        let mut sessions: Vec<Arc<Session>> = sessions.into_iter().map(Arc::new).collect();
        sessions.sort_by_key(|session| session.start);
        let config = Config { settings: settings(), topology: Arc::clone(&topology), sessions };
        let world = World::new(topology, scenario.nature);
        let before = begins.checked_sub(WARM_UP).unwrap();
        let mut run = Self::new(config, world, before);
        run.until(WARM_UP);
        run.begins = run.now;
        assert!(run.told.is_empty(), "something was told before anything happened");
        (run, steps)
    }

    /// Carries out the steps of a scenario to its end.
    pub(crate) fn play(&mut self, steps: &[Step], lasts: Duration) {
        for step in steps {
            self.until(step.at);
            self.act(&step.act);
        }
        self.until(lasts);
    }

    /// What people heard, as scenarios judge it.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.told.iter().map(|(at, n)| Heard::from_notification(*at, n)).collect()
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now.mono - self.begins.mono
    }

    /// Runs until `elapsed` after the beginning.
    pub(crate) fn until(&mut self, elapsed: Duration) {
        let end = self.begins.mono + elapsed;
        loop {
            let wake = self.monitor.as_ref().and_then(Monitor::poll_timeout);
            let back = self.under_way.keys().next().map(|(at, _)| *at);
            let next = [wake, back, self.returns_at].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.pass(next.max(self.now.mono));
            if self.returns_at.is_some_and(|at| at <= self.now.mono) {
                self.returns_at = None;
                self.start();
            }
            let mut quiet = true;
            while let Some(((at, _), _)) = self.under_way.first_key_value()
                && *at <= self.now.mono
            {
                let (_, outcome) = self.under_way.pop_first().unwrap();
                self.tell(Input::Outcome(outcome));
                quiet = false;
            }
            if quiet {
                self.tell(Input::Tick);
            }
        }
        self.pass(end);
    }

    /// Tells the brain something and carries out what it orders.
    pub(crate) fn tell(&mut self, input: Input) {
        let Some(monitor) = &mut self.monitor else { return };
        monitor.handle(input, self.now);
        while let Some(command) = self.monitor.as_mut().unwrap().poll_command() {
            match command {
                Command::Probe(request) => {
                    self.probes += 1;
                    let target = self.targets[request.target.ix()];
                    let sight = self.world.probe(self.now, target, request.effort);
                    let finished = self.now.mono + sight.took + HANDS;
                    self.orders += 1;
                    let outcome =
                        Outcome { request, started: self.now, finished, result: sight.result };
                    self.under_way.insert((finished, self.orders), outcome);
                }
                Command::Commit(batch) => self.commit(&batch),
                // Nothing is measured beside the probes here.
                Command::Readiness(_) => {}
            }
        }
    }

    /// Does what a step of a scenario says.
    pub(crate) fn act(&mut self, act: &Act) {
        self.world.apply(self.now, act);
        match act {
            Act::Place { .. } | Act::Lift { .. } => {}
            Act::ClockStep(by) => self.now.wall = self.now.wall.checked_add(*by).unwrap(),
            Act::Restart { away, killed: _ } => self.stop(*away),
            Act::Reload { without } => self.reload(without),
            Act::Ack { sites, by } => self.ack(sites, by),
            Act::Silence { sites, lasts } => {
                for site in sites {
                    let silence = Silence {
                        id: SilenceId::new(format!("silence-{}", self.orders)),
                        site: Some(self.topology.site(*site).id.clone()),
                        from: self.now.wall,
                        until: self.now.wall.checked_add(*lasts).unwrap(),
                        by: "tester".to_owned(),
                        reason: String::new(),
                    };
                    self.orders += 1;
                    self.tell(Input::Silence(silence));
                }
            }
            Act::Maintenance { sites, lasts } => {
                let window = Maintenance {
                    id: SilenceId::new(format!("maintenance-{}", self.orders)),
                    sites: sites.iter().map(|s| self.topology.site(*s).id.clone()).collect(),
                    from: self.now.wall,
                    until: self.now.wall.checked_add(*lasts).unwrap(),
                    by: "tester".to_owned(),
                    reason: String::new(),
                };
                self.orders += 1;
                self.tell(Input::Maintenance(window));
            }
        }
    }

    /// The daemon is gone for a while; what was under way is lost.
    pub(crate) fn stop(&mut self, away: Duration) {
        self.monitor = None;
        self.under_way.clear();
        self.returns_at = Some(self.now.mono + away);
    }

    /// What the board would show now.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let now = self.now;
        self.monitor.as_mut().expect("the daemon runs").snapshot(now)
    }

    fn start(&mut self) {
        let monitor = Monitor::new(Arc::clone(&self.config), self.durable.clone(), self.now);
        self.monitor = Some(monitor);
        self.tell(Input::Tick);
    }

    fn reload(&mut self, without: &[SiteIx]) {
        let topology = Arc::new(leave_out(&self.topology, without));
        self.targets = topology
            .target_ixs()
            .map(|ix| find(&self.topology, &topology.target_key(ix)).expect("it was there"))
            .collect();
        let moved = |session: &Arc<Session>| {
            let sites = session.sites.iter().filter_map(|(site, delegates)| {
                let id = &self.topology.site(*site).id;
                Some((topology.find_site(id)?, *delegates))
            });
            Arc::new(Session { sites: sites.collect(), ..(**session).clone() })
        };
        let sessions = self.config.sessions.iter().map(moved).collect();
        let config = Config { settings: self.config.settings.clone(), topology, sessions };
        // Probes under way are answered as they were asked.
        self.config = Arc::new(config);
        self.tell(Input::Reload(Arc::clone(&self.config)));
    }

    fn ack(&mut self, sites: &[SiteIx], by: &str) {
        let ids: Vec<_> = sites.iter().map(|site| self.topology.site(*site).id.clone()).collect();
        let open = self.snapshot().incidents;
        let open = open.iter().filter(|incident| incident.is_active());
        let theirs: Vec<_> = open
            .filter(|incident| incident.affected_now().any(|site| ids.contains(site)))
            .map(|incident| incident.id.clone())
            .collect();
        for incident in theirs {
            let ack =
                Ack { by: by.to_owned(), at: self.now.wall, note: String::new(), until: None };
            self.tell(Input::Ack { incident, ack });
        }
    }

    fn commit(&mut self, batch: &Batch) {
        self.durable.apply(batch);
        let at = self.elapsed();
        for change in &batch.changes {
            if let Change::Notify(notification) = change {
                self.told.push((at, (**notification).clone()));
            }
        }
    }

    fn pass(&mut self, to: Mono) {
        let by = to - self.now.mono;
        self.now = self.now.plus(by);
    }
}

/// The shipped settings with one channel that wants to know everything.
pub(crate) fn settings() -> Settings {
    let url = "http://127.0.0.1/".to_owned();
    Settings {
        channels: vec![Channel {
            id: ChannelId::new("on-call"),
            kind: ChannelKind::Webhook(WebhookSettings { url, timeout: Duration::from_secs(5) }),
            min_severity: Severity::Info,
            send_resolved: true,
        }],
        ..Settings::default()
    }
}

/// The shipped sample.
pub(crate) fn sample_topology() -> Arc<Topology> {
    let sources: SourceSet = config::sample();
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}")).topology
}

/// A topology without some sites; what hung on them hangs on what they hung on.
pub(crate) fn leave_out(whole: &Topology, without: &[SiteIx]) -> Topology {
    let mut left = Topology {
        levels: whole.levels.clone(),
        checks: whole.checks.clone(),
        ..Topology::default()
    };
    let mut moved = BTreeMap::new();
    for site in whole.site_ixs().filter(|site| !without.contains(site)) {
        moved.insert(site, SiteIx::new(moved.len()));
    }
    for (from, to) in &moved {
        let mut site = whole.site(*from).clone();
        let nearest = whole.ancestors(*from).into_iter().find(|above| moved.contains_key(above));
        site.parent = nearest.map(|above| moved[&above]);
        site.children.clear();
        site.endpoints = site
            .endpoints
            .iter()
            .map(|endpoint| {
                let mut endpoint = whole.endpoint(*endpoint).clone();
                let ix = vchealth::model::EndpointIx::new(left.endpoints.len());
                endpoint.site = *to;
                endpoint.targets = endpoint
                    .targets
                    .iter()
                    .map(|target| {
                        let target = vchealth::model::Target {
                            endpoint: ix,
                            site: *to,
                            ..whole.target(*target).clone()
                        };
                        left.targets.push(target);
                        TargetIx::new(left.targets.len() - 1)
                    })
                    .collect();
                left.endpoints.push(endpoint);
                ix
            })
            .collect();
        left.site_by_id.insert(site.id.clone(), *to);
        left.sites.push(site);
    }
    for ix in left.site_ixs() {
        if let Some(parent) = left.site(ix).parent {
            left.sites[parent.ix()].children.push(ix);
        }
    }
    left.vantage = whole.vantage.and_then(|site| moved.get(&site).copied());
    left
}

/// The target with this key.
fn find(topology: &Topology, key: &TargetKey) -> Option<TargetIx> {
    topology.find_target(&key.site, key.endpoint.as_ref()?, key.check.as_ref()?)
}
