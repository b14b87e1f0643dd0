//! The echo engine in a province whose lines lose, delay, cut short, duplicate, reorder and forge
//! packets: what the engine counted beside what was really done to them.
//!
//! The test of seconds and the benchmark of minutes share this.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::world::{Nature, Place, Vanished};
use vchealth::lab::{self, Lab, Tally};
use vchealth::model::{
    Check, CheckId, CheckKind, ClassId, Endpoint, EndpointId, EndpointIx, EngineHealth, Failure,
    Host, IcmpCheck, Level, LevelIx, Mono, Paces, RemoteFailure, Site, SiteId, SiteIx, Target,
    TargetIx, Topology,
};
use vchealth::probe::icmp::{self, EchoParams, PingDone, PingJob};

use crate::socket::Socket;

/// How much is damaged for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) socket: Socket,
    /// Endpoints, each pinged once a second.
    pub(crate) endpoints: usize,
    pub(crate) seconds: u32,
    /// Share of packets that each kind of damage befalls.
    pub(crate) share: f64,
    /// Beyond this a reply is late.
    pub(crate) timeout: Duration,
    /// How much later late replies come.
    pub(crate) by: Duration,
}

/// What both sides counted.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Pings ordered.
    pub(crate) ordered: u64,
    /// By the lab: what was done.
    pub(crate) tally: Tally,
    /// By the engine: what it saw.
    pub(crate) health: EngineHealth,
    /// By their results: what became of the pings.
    pub(crate) answered: u64,
    pub(crate) timed_out: u64,
    pub(crate) malformed: u64,
    pub(crate) unknown: u64,
    pub(crate) other: u64,
}

impl Counts {
    /// What was counted, what must have been, and what it is.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, u64, u64)> {
        let Self { tally, health, .. } = self;
        let lost = tally.vanished(Vanished::Lost);
        // A ping without an answer in time is unknown, and not lost, when we could not see.
        let blind = health.missed_ticks > 0 || health.socket_drops > 0;
        let unknown = if blind { health.unknown + health.unsent } else { 0 };
        vec![
            ("echo requests sent", health.sent, self.ordered),
            ("pings answered", self.answered, tally.back - tally.late - tally.cut_short),
            ("replies in time", health.received, self.answered),
            ("late replies", health.late, tally.late),
            ("duplicate replies", health.duplicate, tally.twice),
            ("truncated replies", health.truncated, tally.cut_short),
            ("forged replies", health.forged, tally.forged),
            ("foreign packets", health.foreign, 0),
            ("pings timed out", self.timed_out + unknown, lost + tally.late),
            ("pings answered by a stump only", self.malformed, tally.cut_short),
            ("pings of unknown fate", self.unknown, unknown),
            ("pings with any other result", self.other, 0),
            ("packets that the lab dropped", tally.refused, 0),
        ]
    }

    /// Whether every packet was counted as what it was.
    pub(crate) fn are_exact(&self) -> bool {
        self.pairs().iter().all(|(_, counted, done)| counted == done)
    }

    /// Everything that befell at least one packet, to see that it did.
    pub(crate) fn least(&self) -> u64 {
        let Tally { late, twice, cut_short, forged, overtaken, .. } = self.tally;
        let lost = self.tally.vanished(Vanished::Lost);
        [late, twice, cut_short, forged, overtaken, lost].into_iter().min().unwrap_or(0)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | counted | done |     |\n|:---|---:|---:|:---|")?;
        for (what, counted, done) in self.pairs() {
            let verdict = if counted == done { "exact" } else { "WRONG" };
            writeln!(f, "| {what} | {counted} | {done} | {verdict} |")?;
        }
        let Self { health, tally, .. } = self;
        write!(
            f,
            "lost on the way {}, overtaken {}; lab at worst {:.1?} late; engine at worst {:.1?} \
             late, {} missed ticks, {} socket drops",
            tally.vanished(Vanished::Lost),
            tally.overtaken,
            tally.worst_lateness,
            health.worst_lateness,
            health.missed_ticks,
            health.socket_drops
        )
    }
}

/// Runs the plan in a lab of its own, on a thread of its own.
pub(crate) fn run(plan: Plan) -> Counts {
    let thread = std::thread::spawn(move || {
        let clock = Clock::start();
        let nature =
            Nature { rtt: Duration::from_millis(2), jitter: Duration::ZERO, ..Nature::default() };
        let entered = lab::enter(&plan.socket.options());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(Arc::new(topology(plan)), nature, clock);
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        damage(&lab, plan);
        let counts = ping(&lab, clock, plan);
        lab.shutdown();
        counts
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn damage(lab: &Lab, plan: Plan) {
    let Plan { share, by, .. } = plan;
    for site in lab.topology().site_ixs() {
        for fault in [
            Fault::Loss(Loss::round_trip(share)),
            Fault::Late { share, by },
            Fault::Truncate(share),
            Fault::Duplicate(share),
            Fault::Forge(share),
            Fault::Reorder(share),
        ] {
            lab.place(Place::Site(site, None), fault);
        }
    }
}

fn ping(lab: &Lab, clock: Clock, plan: Plan) -> Counts {
    const PORTION: Duration = Duration::from_millis(50);
    let results: Arc<[AtomicU64; 5]> = Arc::default();
    let count = |of: usize| results[of].load(Ordering::Relaxed);
    let sink = {
        let results = Arc::clone(&results);
        Box::new(move |batch: Vec<PingDone>| {
            for done in batch {
                let kind = match done.result {
                    Ok(_) => 0,
                    Err(Failure::Remote(RemoteFailure::Timeout | RemoteFailure::Slow { .. })) => 1,
                    Err(Failure::Remote(RemoteFailure::Malformed(_))) => 2,
                    Err(Failure::Local(_)) => 3,
                    Err(_) => 4,
                };
                results[kind].fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let settings = IcmpSettings { engine: IcmpEngine::Kernel, receive_buffer: 8 << 20 };
    let pinger = icmp::start(&settings, clock, sink).expect("an engine");
    let began = clock.mono() + PORTION;
    let (mut ordered, mut worst_lateness) = (0, Duration::ZERO);
    let due = |n: u64| -> Mono {
        let (round, place) = (n / plan.endpoints as u64, n % plan.endpoints as u64);
        let within = 1_000_000_000 * place / plan.endpoints as u64;
        began + Duration::from_secs(round) + Duration::from_nanos(within)
    };
    let all = plan.endpoints as u64 * u64::from(plan.seconds);
    while ordered < all {
        let horizon = clock.mono() + PORTION * 2;
        let first = ordered;
        while ordered < all && due(ordered) < horizon {
            ordered += 1;
        }
        let jobs = (first..ordered).map(|n| PingJob {
            token: n,
            address: address(plan, usize::try_from(n % plan.endpoints as u64).expect("small")),
            check: EchoParams::from(&echo()),
            timeout: plan.timeout,
            due: due(n),
        });
        pinger.submit(jobs.collect());
        worst_lateness = worst_lateness.max(pinger.health().worst_lateness);
        std::thread::park_timeout(PORTION);
    }
    // What is late is under way still, and what is cut is known to be lost when its time is over.
    let patience = Instant::now() + plan.timeout + plan.by + Duration::from_secs(20);
    let counts = || Counts {
        ordered: all,
        tally: lab.tally(),
        health: EngineHealth { worst_lateness, ..pinger.health() },
        answered: count(0),
        timed_out: count(1),
        malformed: count(2),
        unknown: count(3),
        other: count(4),
    };
    loop {
        let counts = counts();
        if counts.are_exact() || Instant::now() > patience {
            return counts;
        }
        std::thread::park_timeout(PORTION);
    }
}

fn echo() -> IcmpCheck {
    IcmpCheck {
        count: 1,
        spacing: Duration::from_millis(20),
        size: 56,
        dscp: 34,
        dont_fragment: false,
    }
}

/// Endpoints at one site.
const AT_ONE: usize = 100;

fn address(plan: Plan, n: usize) -> IpAddr {
    let [_, _, high, low] = u32::try_from(n / AT_ONE).expect("small").to_be_bytes();
    let host = u8::try_from(n % AT_ONE + 1).expect("small");
    plan.socket.address(Ipv4Addr::new(10, 64 + high, low, host))
}

/// Sites with a hundred endpoints each that answer pings and nothing else.
fn topology(plan: Plan) -> Topology {
    let endpoints = plan.endpoints;
    let pace = Duration::from_secs(1);
    let mut topology = Topology {
        levels: vec![Level::named("commune", "Xã", "Commune")],
        checks: vec![Check {
            id: CheckId::new("ping"),
            kind: CheckKind::Icmp(echo()),
            timeout: pace,
            paces: Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace },
            confirm_after: Duration::from_millis(100),
        }],
        ..Topology::default()
    };
    for n in 0..endpoints.div_ceil(AT_ONE) {
        let id = SiteId::new(format!("site-{n}"));
        let site = SiteIx::new(n);
        let here = n * AT_ONE..endpoints.min((n + 1) * AT_ONE);
        for ix in here.clone() {
            let endpoint = EndpointIx::new(ix);
            topology.targets.push(Target { endpoint, site, check: 0 });
            topology.endpoints.push(Endpoint {
                id: EndpointId::new(format!("device-{ix}")),
                site,
                host: Host::Ip(address(plan, ix)),
                targets: vec![TargetIx::new(ix)].into(),
            });
        }
        topology.site_by_id.insert(id.clone(), site);
        topology.sites.push(Site {
            name: format!("Điểm cầu {n}"),
            level: LevelIx::new(0),
            class: ClassId::new("room"),
            parent: None,
            children: Vec::new(),
            contacts: Vec::new(),
            labels: BTreeMap::new(),
            endpoints: here.map(EndpointIx::new).collect(),
            id,
        });
    }
    topology
}
