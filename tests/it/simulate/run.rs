//! A run of the brain in virtual time against the emulated province: no socket, no clock, no
//! waiting, and the same every time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use slab::Slab;
use vchealth::config::{
    self, Channel, ChannelKind, Config, File, Settings, SourceSet, WebhookSettings,
};
use vchealth::daemon::AHEAD;
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::{Act, Heard, Judgement, Scenario, Step};
use vchealth::lab::world::{Place, Sight, World};
use vchealth::model::{
    Ack, Ailment, Batch, Cause, Change, ChannelId, CheckId, Detail, Durable, Endpoint, EndpointId,
    EndpointIx, EngineHealth, Few, Health, Host, Incident, IncidentId, Maintenance, Mono,
    Notification, Now, Outcome, Part, ProbeRequest, Session, Silence, SilenceId, Site, SiteId,
    SiteIx, Snapshot, Target, TargetIx, TargetKey, Topology, WebAddress,
};
use vchealth::monitor::{Command, Input, Monitor};

/// What the hands add to a probe's own time.
const HANDS: Duration = Duration::from_millis(1);
/// How long before its time the engine lets an echo leave.
const EARLY: Duration = Duration::from_millis(12);
/// How often the brain is told how the echo engine does, while it does badly.
const REPORT: Duration = Duration::from_secs(1);
/// The wall-clock time at which a scenario begins unless it says otherwise.
pub(crate) const BEGINS: &str = "2026-03-02T01:00:00Z";
/// The brain has been running for this long when a scenario begins.
pub(crate) const WARM_UP: Duration = Duration::from_secs(60);

/// Changes what a probe of a target of the whole province learned.
pub(crate) type Tamper = Box<dyn FnMut(&ProbeRequest, TargetIx, Now, &mut Sight)>;

/// Hears every message when it is written down, with what is durable then, and says what is wrong
/// with it.
pub(crate) type Listener = Box<dyn FnMut(&Notification, &Durable, &Config, Now) -> Vec<String>>;

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
    /// Every change of a confirmed health, with the moment it was committed.
    pub(crate) changed: Vec<(Duration, TargetKey, Health)>,
    /// What was committed and must never be: see [`contradictions`].
    pub(crate) complaints: Vec<String>,
    /// Whether what is committed is looked at for contradictions.
    pub(crate) strict: bool,
    /// Whether a step makes our clock wrong, so that the devices' clocks are off from then on.
    /// Usually it was wrong before.
    pub(crate) steps_wrongly: bool,
    /// Judges what is told.
    pub(crate) listener: Option<Listener>,
    /// Does something to what probes learn.
    pub(crate) tamper: Option<Tamper>,
    /// Every outcome that the brain was told, while somebody keeps them.
    pub(crate) outcomes: Option<Vec<Outcome>>,
    /// How long before their time probes are ordered.
    ahead: Duration,
    /// How long before its time an echo may leave, together with others that are due then.
    early: Duration,
    /// Those that were ordered and wait for their time, and whom they ask.
    ordered: BTreeMap<(Mono, u64), (ProbeRequest, TargetIx)>,
    /// Time that the brain has taken to think, while somebody measures it.
    pub(crate) thought: Option<Duration>,
    /// The whole province, whatever is left out of the configuration.
    pub(crate) topology: Arc<Topology>,
    /// The calendar of the whole province.
    sessions: Vec<Arc<Session>>,
    begins: Now,
    /// Everything that was committed, and everything that probes learned as it was told to the
    /// brain, if somebody wants to look back.
    pub(crate) kept: Option<Kept>,
    /// What probes will have learned when they are back, and of which site.
    under_way: Slab<(SiteIx, Outcome)>,
    /// Where that stands, by when they are back; of those that are at once the first asked first.
    returns: BinaryHeap<Reverse<(Mono, u64, usize)>>,
    /// When the daemon is back.
    pub(crate) returns_at: Option<Mono>,
    orders: u64,
    /// Whether the brain was told that no name server answers; none if it was told nothing yet.
    is_nameless: Option<bool>,
    /// How late our own probes leave.
    late: Duration,
    /// When the brain is told that again.
    reports_at: Option<Mono>,
    /// Maps the targets of the brain's present topology to those of the whole province.
    targets: Vec<TargetIx>,
}

/// What happened.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) batches: Vec<Batch>,
    pub(crate) learned: Vec<Learned>,
}

/// What a probe learned.
pub(crate) struct Learned {
    pub(crate) site: SiteId,
    /// When it was asked, and when the brain was told.
    pub(crate) asked: Timestamp,
    pub(crate) told: Timestamp,
    /// Whether a reply came; none when it could not be asked.
    pub(crate) reply: Option<bool>,
}

impl Run {
    /// A brain that has just been started for the first time.
    pub(crate) fn new(config: Config, world: World, begins: Timestamp) -> Self {
        let mut run = Self::ready(config, world, begins);
        run.start();
        run
    }

    /// A brain that remembers, of which everything is kept.
    pub(crate) fn remembering(
        config: Config,
        world: World,
        begins: Timestamp,
        durable: Durable,
    ) -> Self {
        let kept = Some(Kept::default());
        let mut run = Self { durable, kept, ..Self::ready(config, world, begins) };
        run.start();
        run
    }

    fn ready(config: Config, world: World, begins: Timestamp) -> Self {
        let now = Now { mono: Mono::ZERO + Duration::from_secs(10_000), wall: begins };
        let topology = Arc::clone(&config.topology);
        let config = Arc::new(config);
        Self {
            monitor: None,
            sessions: config.sessions.clone(),
            world,
            durable: Durable::default(),
            told: Vec::new(),
            begins: now,
            now,
            probes: 0,
            changed: Vec::new(),
            complaints: Vec::new(),
            strict: true,
            steps_wrongly: false,
            listener: None,
            tamper: None,
            outcomes: None,
            ahead: Duration::ZERO,
            early: Duration::ZERO,
            ordered: BTreeMap::new(),
            thought: None,
            kept: None,
            under_way: Slab::new(),
            returns: BinaryHeap::new(),
            returns_at: None,
            orders: 0,
            is_nameless: Some(false),
            late: Duration::ZERO,
            reports_at: None,
            targets: topology.target_ixs().collect(),
            topology,
            config,
        }
    }

    /// The run of a scenario, warmed up, with time zero now.
    pub(crate) fn of(scenario: &Scenario) -> (Self, Vec<Step>) {
        Self::with(scenario, settings(), WARM_UP)
    }

    /// The same with other settings, warmed up for so long.
    pub(crate) fn with(
        scenario: &Scenario,
        settings: Settings,
        warm_up: Duration,
    ) -> (Self, Vec<Step>) {
        let topology = scenario.topology().map_or_else(sample_topology, |t| Arc::new(shaped(&t)));
        let begins = scenario.starts.unwrap_or_else(|| BEGINS.parse().unwrap());
        let sessions: Vec<Session> = scenario.sessions(&topology, begins).unwrap();
        let steps = scenario.script(&topology).unwrap_or_else(|p| panic!("{p}")).steps;
        let mut sessions: Vec<Arc<Session>> = sessions.into_iter().map(Arc::new).collect();
        sessions.sort_by_key(|session| session.start);
        let settings = match &scenario.settings {
            Some(text) => settings_from(text, &topology),
            None => settings,
        };
        let config =
            Config { settings, topology: Arc::clone(&topology), sessions, templates: Vec::new() };
        let world = World::new(topology, scenario.nature);
        let before = begins.checked_sub(warm_up).unwrap();
        let mut run = Self::new(config, world, before);
        run.until(warm_up);
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

    /// Whether people were told what the scenario expects, and whether what they are not to be told
    /// was noticed.
    pub(crate) fn judgement(&self, scenario: &Scenario) -> Judgement {
        let mut judgement = scenario.judge(&self.heard());
        judgement.complaints.extend(scenario.overlooked(self.durable.incidents.values()));
        judgement
    }

    /// Time since the beginning.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now.mono - self.begins.mono
    }

    /// What the clock of this machine would show if nobody had set it.
    pub(crate) fn right_time(&self) -> Timestamp {
        self.begins.wall_at(self.now.mono)
    }

    /// Has probes ordered so long before their time, now and after a restart.
    pub(crate) fn order_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
        if let Some(monitor) = &mut self.monitor {
            monitor.order_ahead(ahead);
        }
    }

    /// Has probes ordered and carried out as the daemon does it from now on.
    pub(crate) fn order_as_the_daemon(&mut self) {
        self.early = EARLY;
        self.order_ahead(AHEAD);
    }

    /// Runs until `elapsed` after the beginning.
    pub(crate) fn until(&mut self, elapsed: Duration) {
        let end = self.begins.mono + elapsed;
        loop {
            let wake = self.monitor.as_ref().map(Monitor::poll_timeout);
            let back = self.returns.peek().map(|Reverse((at, ..))| *at);
            let leaves = self.ordered.keys().next().map(|(due, _)| *due);
            let next = [wake, back, leaves, self.returns_at, self.reports_at];
            let next = next.into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else { break };
            self.pass(next.max(self.now.mono));
            if self.returns_at.is_some_and(|at| at <= self.now.mono) {
                self.returns_at = None;
                self.start();
            }
            if self.reports_at.is_some_and(|at| at <= self.now.mono) {
                self.report();
            }
            while let Some(first) = self.ordered.first_entry()
                && first.key().0 <= self.now.mono
            {
                let (request, target) = first.remove();
                self.ask(request, target);
            }
            let mut quiet = true;
            while let Some(Reverse((at, _, place))) = self.returns.peek().copied()
                && at <= self.now.mono
            {
                self.returns.pop();
                let (site, outcome) = self.under_way.remove(place);
                if let Some(outcomes) = &mut self.outcomes {
                    outcomes.push(outcome.clone());
                }
                self.keep(site, &outcome);
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
        let began = self.thought.map(|_| Instant::now());
        monitor.handle(input, self.now);
        if let (Some(began), Some(thought)) = (began, &mut self.thought) {
            *thought += began.elapsed();
        }
        while let Some(command) = self.monitor.as_mut().and_then(Monitor::poll_command) {
            match command {
                Command::Probe(request) => {
                    self.probes += 1;
                    let target = self.targets[request.target.ix()];
                    let is_echo = self.topology.check_of(target).kind.is_reachability();
                    let twelfths = if is_echo { (self.orders * 7 % 13) as u32 } else { 0 };
                    let leaves = request.due.earlier(self.early * twelfths / 12);
                    if leaves <= self.now.mono {
                        self.ask(request, target);
                    } else {
                        self.orders += 1;
                        self.ordered.insert((leaves, self.orders), (request, target));
                    }
                }
                Command::Commit(batch) => self.commit(&batch),
                // Nothing is measured beside the probes here.
                Command::Readiness(_) | Command::Drill(_) => {}
            }
        }
    }

    /// Asks at this moment; what is learned comes back in its time.
    fn ask(&mut self, request: ProbeRequest, target: TargetIx) {
        let mut sight = self.world.probe(self.now, target, request.effort);
        if self.steps_wrongly
            && let Ok(reply) = &mut sight.result
        {
            let off = self.right_time().duration_since(self.now.wall).as_secs();
            match &mut reply.detail {
                Detail::Http(detail) => detail.clock_offset_s = Some(off),
                Detail::Sip(detail) => detail.clock_offset_s = Some(off),
                _ => {}
            }
        }
        if let Some(tamper) = &mut self.tamper {
            tamper(&request, target, self.now, &mut sight);
        }
        let finished = self.now.mono + sight.took + HANDS;
        self.orders += 1;
        let outcome = Outcome {
            request,
            started: self.now,
            finished,
            lost: sight.lost,
            heard: sight.heard,
            result: sight.result,
        };
        let site = self.topology.target(target).site;
        let place = self.under_way.insert((site, outcome));
        self.returns.push(Reverse((finished, self.orders, place)));
    }

    /// Does what a step of a scenario says.
    pub(crate) fn act(&mut self, act: &Act) {
        let asks = matches!(act, Act::Ack { .. } | Act::Silence { .. } | Act::Maintenance { .. });
        if let Some(back) = self.returns_at.filter(|_| asks) {
            // Whoever asks for something while the daemon is away asks again when it is back.
            self.until(back - self.begins.mono);
        }
        self.world.apply(self.now, act);
        self.tell_of_ourselves();
        match act {
            Act::Place { .. } | Act::Lift { .. } => {}
            Act::ClockStep(by) => self.now.wall = self.now.wall.checked_add(*by).unwrap(),
            Act::Restart { away, killed: _ } => self.stop(*away),
            Act::Reload { without } => self.reload(without),
            Act::Ack { sites, by, lasts } => self.ack(sites, by, *lasts),
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
        self.returns.clear();
        self.ordered.clear();
        self.is_nameless = None;
        self.returns_at = Some(self.now.mono + away);
    }

    /// Another run that goes on from here, of a brain that remembers only what is written down.
    /// Nobody listens to it and nothing is done to what its probes learn.
    pub(crate) fn fork(&self) -> Self {
        let (config, topology) = (Arc::clone(&self.config), Arc::clone(&self.topology));
        let mut fork = Self {
            monitor: None,
            world: self.world.clone(),
            durable: self.durable.clone(),
            told: self.told.clone(),
            changed: self.changed.clone(),
            complaints: Vec::new(),
            listener: None,
            tamper: None,
            outcomes: None,
            ordered: BTreeMap::new(),
            kept: None,
            under_way: Slab::new(),
            returns: BinaryHeap::new(),
            is_nameless: None,
            sessions: self.sessions.clone(),
            targets: self.targets.clone(),
            topology,
            config,
            ..*self
        };
        if fork.returns_at.is_none() {
            fork.start();
        }
        fork
    }

    /// What the board would show now.
    pub(crate) fn snapshot(&mut self) -> Snapshot {
        let now = self.now;
        self.monitor.as_mut().expect("the daemon runs").snapshot(now)
    }

    fn start(&mut self) {
        let mut monitor = Monitor::new(Arc::clone(&self.config), self.durable.clone(), self.now);
        monitor.order_ahead(self.ahead);
        self.monitor = Some(monitor);
        self.tell(Input::Tick);
        self.tell_of_ourselves();
    }

    /// Tells what the daemon's hands tell the brain of themselves, if it has changed.
    fn tell_of_ourselves(&mut self) {
        let ours = self.world.faults().filter(|(place, _)| **place == Place::Own);
        let (mut dead, mut late) = (false, Duration::ZERO);
        for (_, fault) in ours {
            match fault {
                Fault::OwnResolverDead => dead = true,
                Fault::OwnEngineLate { by } => late = *by,
                _ => {}
            }
        }
        if self.is_nameless != Some(dead) {
            self.is_nameless = Some(dead);
            let trouble = dead.then(|| Ailment::Words("no name server answers".to_owned()));
            self.tell(Input::Part { part: Part::Resolver, trouble });
        }
        if self.reports_at.is_none() && !late.is_zero() {
            self.reports_at = Some(self.now.mono);
        }
        self.late = late;
    }

    /// Tells how late probes leave, and again in a second while they do.
    fn report(&mut self) {
        self.reports_at = (!self.late.is_zero()).then(|| self.now.mono + REPORT);
        let health = EngineHealth { worst_lateness: self.late, ..EngineHealth::default() };
        self.tell(Input::Engine(health));
    }

    fn reload(&mut self, without: &[SiteIx]) {
        let topology = leave_out(&self.topology, without);
        self.reconfigure(topology, self.config.settings.clone(), SiteId::clone);
    }

    /// The configuration is read again. `was` says under which id a site is known to the world.
    pub(crate) fn reconfigure(
        &mut self,
        topology: Topology,
        settings: Settings,
        was: impl Fn(&SiteId) -> SiteId,
    ) {
        let topology = Arc::new(topology);
        let there = |ix| {
            let key = topology.target_key(ix);
            find(&self.topology, &TargetKey { site: was(&key.site), ..key })
        };
        self.targets =
            topology.target_ixs().map(|ix| there(ix).expect("the world has it")).collect();
        let moved = |session: &Arc<Session>| {
            let sites = topology.site_ixs().filter_map(|site| {
                let there = self.topology.find_site(&was(&topology.site(site).id))?;
                Some((site, *session.sites.get(&there)?))
            });
            Arc::new(Session { sites: sites.collect(), ..(**session).clone() })
        };
        let sessions = self.sessions.iter().map(moved).collect();
        // Probes under way are answered as they were asked.
        self.config = Arc::new(Config { settings, topology, sessions, templates: Vec::new() });
        self.tell(Input::Reload(Arc::clone(&self.config)));
    }

    fn ack(&mut self, sites: &[SiteIx], by: &str, lasts: Option<Duration>) {
        if self.monitor.is_none() {
            return;
        }
        let ids: Vec<_> = sites.iter().map(|site| self.topology.site(*site).id.clone()).collect();
        let open = self.snapshot().incidents;
        let open = open.iter().filter(|incident| incident.is_active());
        let theirs: Vec<_> = open
            .filter(|incident| incident.affected_now().any(|site| ids.contains(site)))
            .map(|incident| incident.id.clone())
            .collect();
        for incident in theirs {
            let until = lasts.map(|lasts| self.now.wall.checked_add(lasts).unwrap());
            let ack = Ack { by: by.to_owned(), at: self.now.wall, note: String::new(), until };
            self.tell(Input::Ack { incident, ack });
        }
    }

    fn keep(&mut self, site: SiteIx, outcome: &Outcome) {
        let Some(kept) = &mut self.kept else { return };
        kept.learned.push(Learned {
            site: self.topology.site(site).id.clone(),
            asked: outcome.started.wall,
            told: self.now.wall,
            reply: (!outcome.is_local_failure()).then_some(outcome.result.is_ok()),
        });
    }

    fn commit(&mut self, batch: &Batch) {
        self.durable.apply(batch);
        if let Some(kept) = &mut self.kept {
            kept.batches.push(batch.clone());
        }
        let at = self.elapsed();
        let mut judged = false;
        for change in &batch.changes {
            match change {
                Change::Notify(notification) => {
                    if let Some(listener) = &mut self.listener {
                        let wrong = listener(notification, &self.durable, &self.config, self.now);
                        self.complaints.extend(wrong.into_iter().map(|it| format!("{at:?}: {it}")));
                    }
                    self.told.push((at, (**notification).clone()));
                }
                Change::Health { key, state } => {
                    judged |= key.endpoint.is_none();
                    self.changed.push((at, key.clone(), state.health));
                }
                Change::Incident(_) => judged = true,
                _ => {}
            }
        }
        if judged && self.strict {
            let found = contradictions(&self.durable);
            self.complaints.extend(found.into_iter().map(|c| format!("{at:?}: {c}")));
        }
    }

    fn pass(&mut self, to: Mono) {
        let by = to - self.now.mono;
        self.now = self.now.plus(by);
    }
}

/// The shipped settings with one channel that wants to know everything.
pub(crate) fn settings() -> Settings {
    let url = WebAddress::new("http://127.0.0.1/").into();
    Settings {
        channels: vec![Channel {
            id: ChannelId::new("on-call"),
            kind: ChannelKind::Webhook(WebhookSettings {
                url,
                secret: None,
                timeout: Duration::from_secs(5),
            }),
            send_resolved: true,
            fallback: None,
        }],
        ..Settings::default()
    }
}

/// The settings that a scenario writes, checked against its province.
pub(crate) fn settings_from(text: &str, topology: &Topology) -> Settings {
    let mut sites = String::from("levels:\n");
    for level in &topology.levels {
        sites += &format!("  - {{id: {}, name: {}}}\n", level.id, level.name.vi);
    }
    sites += "classes:\n";
    for level in &topology.levels {
        sites += &format!(
            "  {0}: {{level: {0}, endpoints: [{{id: router, checks: [ping]}}]}}\n",
            level.id
        );
    }
    sites += "sites:\n";
    for (n, site) in topology.sites.iter().enumerate() {
        let parent = site.parent.map(|parent| &topology.site(parent).id);
        let parent = parent.map(|id| format!(", parent: {id}")).unwrap_or_default();
        let labels: Vec<String> = site.labels.iter().map(|(k, v)| format!("{k}: {v:?}")).collect();
        sites += &format!(
            "  - {{id: {}, name: {:?}, class: {}{parent}, router: 10.0.{}.{}, labels: {{{}}}}}\n",
            site.id,
            site.name,
            site.class,
            n / 200,
            n % 200 + 1,
            labels.join(", ")
        );
    }
    let sources = SourceSet::new()
        .with(File::Settings, "settings", text)
        .with(File::Sites, "sites.yaml", sites)
        .with(File::Sessions, "sessions.yaml", "sessions: []\n");
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")).settings
}

/// The shipped sample.
pub(crate) fn sample_topology() -> Arc<Topology> {
    let sources: SourceSet = config::sample();
    config::load(&sources).unwrap_or_else(|problems| panic!("{problems:?}")).topology
}

/// Where what is durable contradicts itself.
///
/// 1. A site that is down or degraded is explained by exactly one open incident, and no site by
///    two.
/// 2. What rests does so under something that is open; what is over affects nobody any more and
///    says how it ended; and no more are affected than could be.
pub(crate) fn contradictions(durable: &Durable) -> Vec<String> {
    let mut explained: BTreeMap<&SiteId, Vec<&Incident>> = BTreeMap::new();
    for incident in durable.incidents.values().filter(|i| i.is_active() && explains(i)) {
        for site in incident.affected_now() {
            explained.entry(site).or_default().push(incident);
        }
    }
    let mut found = Vec::new();
    for (site, incidents) in &explained {
        if incidents.len() > 1 {
            let ids: Vec<_> = incidents.iter().map(|incident| incident.id.as_str()).collect();
            found.push(format!("{site} is explained more than once: {ids:?}"));
        }
    }
    for (key, state) in &durable.health {
        let bad = matches!(state.health, Health::Down | Health::Degraded);
        if bad && key.endpoint.is_none() && !explained.contains_key(&key.site) {
            found.push(format!("{} is {} and nothing says why", key.site, state.health.word()));
        }
    }
    for incident in durable.incidents.values() {
        let is_open = |id: &&IncidentId| durable.incidents.get(*id).is_some_and(Incident::is_open);
        let above = incident.absorbed_by.as_ref().filter(|_| incident.is_open());
        if let Some(above) = above.filter(|above| !is_open(above)) {
            found.push(format!("{} rests under {above}, which is not open", incident.id));
        }
        let now = incident.affected_now().count();
        if !incident.is_open() && (now > 0 || incident.resolution.is_none()) {
            found.push(format!("{} is over and {now} are affected", incident.id));
        }
        if explains(incident) && incident.is_active() && now > incident.of as usize {
            found.push(format!("{}: {now} of {} are affected", incident.id, incident.of));
        }
    }
    found
}

/// Whether an incident is of those that explain why a site does badly.
pub(crate) const fn explains(incident: &Incident) -> bool {
    !matches!(incident.cause, Cause::Monitor | Cause::Certificate | Cause::Clock)
}

/// A province in which some sites are built otherwise than drawn ones usually are, as the ends of
/// their ids say: `-bare` has a codec without a router before it, `-line` a router and nothing
/// behind it, `-mute` nothing that is pinged.
fn shaped(drawn: &Topology) -> Topology {
    let usual = ["-bare", "-line", "-mute"];
    if !drawn.sites.iter().any(|site| usual.iter().any(|end| site.id.as_str().ends_with(end))) {
        return drawn.clone();
    }
    select(
        drawn,
        |_| true,
        |site, endpoint, check| {
            let ends = |end| site.id.as_str().ends_with(end);
            !(ends("-bare") && endpoint.as_str() == "router"
                || ends("-line") && endpoint.as_str() != "router"
                || ends("-mute") && check.as_str() == "ping")
        },
    )
}

/// A topology without some sites; what hung on them hangs on what they hung on.
pub(crate) fn leave_out(whole: &Topology, without: &[SiteIx]) -> Topology {
    select(whole, |site| !without.contains(&site), |_, _, _| true)
}

/// The sites and targets of a topology that are wanted. An endpoint of which no target is left is
/// left out too.
pub(crate) fn select(
    whole: &Topology,
    wants: impl Fn(SiteIx) -> bool,
    asks: impl Fn(&Site, &EndpointId, &CheckId) -> bool,
) -> Topology {
    let mut left = Topology {
        levels: whole.levels.clone(),
        checks: whole.checks.clone(),
        ..Topology::default()
    };
    let mut moved = BTreeMap::new();
    for site in whole.site_ixs().filter(|site| wants(*site)) {
        moved.insert(site, SiteIx::new(moved.len()));
    }
    for (from, to) in &moved {
        let before = whole.site(*from);
        let nearest = whole.ancestors(*from).into_iter().find(|above| moved.contains_key(above));
        let parent = nearest.map(|above| moved[&above]);
        let mut site = Site { parent, children: Vec::new(), ..before.clone() };
        site.endpoints.clear();
        for ix in &before.endpoints {
            let endpoint = whole.endpoint(*ix);
            let kept = endpoint
                .targets
                .iter()
                .filter(|target| asks(before, &endpoint.id, &whole.check_of(**target).id));
            let here = EndpointIx::new(left.endpoints.len());
            let first = left.targets.len();
            let kept = kept.map(|target| whole.target(*target).check);
            left.targets.extend(kept.map(|check| Target { endpoint: here, site: *to, check }));
            let targets: Few<_> = (first..left.targets.len()).map(TargetIx::new).collect();
            if !targets.is_empty() {
                left.endpoints.push(Endpoint { site: *to, targets, ..endpoint.clone() });
                site.endpoints.push(here);
            }
        }
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

/// A province of this many sites built as drawn ones are: a seat, a district for every hundred
/// communes, and the communes.
pub(crate) fn large(sites: usize) -> Topology {
    let text = "name: x\nprovince: {tree: {tinh: {huyen: [xa]}}}\nlasts: 1s\nexpect: nothing\n";
    let drawn = Scenario::parse("large.yaml", text).expect("fine").topology().expect("drawn");
    let districts = sites / 100 + 1;
    let mut large = Topology {
        levels: drawn.levels.clone(),
        checks: drawn.checks.clone(),
        vantage: Some(SiteIx::new(0)),
        ..Topology::default()
    };
    for n in 0..sites {
        let ix = SiteIx::new(n);
        let (like, parent) = match n {
            0 => (0, None),
            n if n <= districts => (1, Some(SiteIx::new(0))),
            n => (2, Some(SiteIx::new(1 + n % districts))),
        };
        let like = drawn.site(SiteIx::new(like));
        let id = SiteId::new(format!("site-{n}"));
        let mut site = Site { id, parent, children: Vec::new(), ..like.clone() };
        for endpoint in &mut site.endpoints {
            let before = drawn.endpoint(*endpoint);
            *endpoint = EndpointIx::new(large.endpoints.len());
            let first = large.targets.len();
            let checks = before.targets.iter().map(|target| drawn.target(*target).check);
            large.targets.extend(checks.map(|check| Target {
                endpoint: *endpoint,
                site: ix,
                check,
            }));
            let targets = (first..large.targets.len()).map(TargetIx::new).collect();
            let host = Host::Name(format!("{}.{n}", before.id));
            large.endpoints.push(Endpoint { site: ix, host, targets, ..before.clone() });
        }
        large.site_by_id.insert(site.id.clone(), ix);
        if let Some(parent) = parent {
            large.sites[parent.ix()].children.push(ix);
        }
        large.sites.push(site);
    }
    large
}

/// The target with this key.
fn find(topology: &Topology, key: &TargetKey) -> Option<TargetIx> {
    topology.find_target(&key.site, key.endpoint.as_ref()?, key.check.as_ref()?)
}
