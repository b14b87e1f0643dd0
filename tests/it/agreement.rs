//! The emulated province with packets and the one without agree: what the real probers learn of
//! every fault is what a virtual run says they would, and what they learn over an echo engine whose
//! network is played.
//!
//! One lab, one site for each trouble, all probed at once by the probe room as the daemon uses it,
//! and again, so that what came too late for one probe counts in the next.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config;
use vchealth::lab::fault::{Fault, Loss, Says};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place, World};
use vchealth::lab::{self, Engine, Lab};
use vchealth::model::{
    CheckId, CheckKind, Detail, Effort, Failure, IcmpDetail, Reply, SiteIx, Target, TargetIx,
    Topology,
};
use vchealth::probe::icmp::Pinger;
use vchealth::probe::{Probes, Trust};

/// What is wrong at each commune, in order; nothing at the last.
fn troubles() -> Vec<Vec<Fault>> {
    let after = Duration::from_millis;
    let mut troubles: Vec<Vec<Fault>> = [
        Fault::PowerCut,
        Fault::UplinkCut { says: None },
        Fault::UplinkCut { says: Some(Says::HostUnreachable) },
        Fault::LanDown,
        Fault::DeviceOff { after: Duration::ZERO },
        Fault::DeviceOff { after: after(2_000) },
        Fault::Firewall,
        Fault::Rejected,
        Fault::RoutingLoop,
        Fault::SipHung,
        Fault::SipStatus(503),
        Fault::SipStatus(486),
        Fault::SipClosed,
        Fault::H323Closed,
        Fault::HttpStatus(500),
        Fault::HttpHung,
        Fault::HttpEndless,
        Fault::HttpClosed,
        Fault::ServicesClosed,
        Fault::Garbage,
        Fault::CertificateEnds { in_s: -86_400 },
        Fault::CertificateEnds { in_s: 5 * 86_400 },
        Fault::ClockOff { by_s: -7200 },
        Fault::Delay(after(120)),
        Fault::Jitter(after(20)),
        Fault::Bandwidth { kbit_s: 2_000 },
        Fault::Loss(Loss { out: 0.0, back: 1.0, best_effort_only: true }),
        Fault::Mtu { bytes: 1_000, silent: false },
        Fault::Mtu { bytes: 1_000, silent: true },
        Fault::Remark { dscp: 8 },
        Fault::Corrupt(1.0),
        Fault::Truncate(1.0),
        Fault::Forge(1.0),
        Fault::Duplicate(1.0),
        Fault::Reorder(1.0),
        Fault::Late { share: 1.0, by: after(1_000) },
    ]
    .map(|fault| vec![fault])
    .into();
    troubles.push(vec![Fault::LanDown, Fault::NoUnreachables]);
    troubles.push(vec![Fault::Mtu { bytes: 1_000, silent: false }, Fault::NoUnreachables]);
    troubles
}

/// Whether virtual conversations may differ from real ones: their packets have one size each.
fn is_about_size(fault: &Fault) -> bool {
    matches!(fault, Fault::Mtu { .. })
}

/// A district with a commune for each fault and one more, and limits short enough for a test.
fn province() -> Arc<Topology> {
    let communes: Vec<String> = (0..=troubles().len()).map(|n| format!("c{n}")).collect();
    let text = format!(
        "name: x\nprovince: {{tree: {{tinh: {{a: [{}]}}}}}}\nlasts: 1s\nexpect: nothing\n",
        communes.join(", ")
    );
    let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
    let mut topology = scenario.topology().expect("drawn");
    ask_with_large_packets(&mut topology);
    for check in &mut topology.checks {
        check.timeout = match check.kind {
            CheckKind::Icmp(_) => Duration::from_millis(800),
            _ => Duration::from_millis(2_500),
        };
    }
    Arc::new(topology)
}

/// Asks every device for an echo that takes more than a narrow path carries.
fn ask_with_large_packets(topology: &mut Topology) {
    let mut large = topology.checks[0].clone();
    let CheckKind::Icmp(echo) = &mut large.kind else { panic!("the first check is an echo") };
    (echo.count, echo.spacing) = (2, Duration::from_millis(100));
    (echo.size, echo.dont_fragment, echo.dscp) = (1_200, true, 0);
    large.id = CheckId::new("large");
    topology.checks.push(large);
    let check = topology.checks.len() - 1;
    for endpoint in topology.endpoint_ixs() {
        let ix = TargetIx::new(topology.targets.len());
        let site = topology.endpoint(endpoint).site;
        topology.endpoints[endpoint.ix()].targets.push(ix);
        topology.targets.push(Target { site, endpoint, check });
    }
}

fn commune(nth: usize) -> SiteIx {
    // The province and the district come first.
    SiteIx::new(nth + 2)
}

/// What was learned, in words: enough to tell any two situations apart.
fn words(result: &Result<Reply, Failure>) -> String {
    match result {
        Err(Failure::Remote(failure)) => {
            let mut words = Failure::Remote(failure.clone()).word().to_owned();
            if let vchealth::model::RemoteFailure::Unreachable(error) = failure
                && let Some(from) = error.offender
            {
                words += &format!(" from {from}");
            }
            words
        }
        Err(failure) => failure.word().to_owned(),
        Ok(reply) => match &reply.detail {
            Detail::Icmp(IcmpDetail { sent, received, duplicates, ttl, tos, .. }) => {
                format!("{received} of {sent}, {duplicates} twice, ttl {ttl:?}, tos {tos:?}")
            }
            Detail::Tcp(_) | Detail::H323(_) => "reply".to_owned(),
            Detail::Sip(detail) => format!(
                "reply {} {}, clock {}",
                detail.status,
                detail.reason,
                about(detail.clock_offset_s)
            ),
            Detail::Http(detail) => {
                let days = detail.certificate.as_ref().map(|certificate| {
                    let left = certificate.not_after.duration_since(jiff::Timestamp::now());
                    left.as_hours() / 24
                });
                format!(
                    "reply {}, {days:?} days left, clock {}",
                    detail.status,
                    about(detail.clock_offset_s)
                )
            }
        },
    }
}

/// A clock's offset in minutes: seconds depend on the moment.
fn about(offset_s: Option<i64>) -> String {
    format!("{:?}", offset_s.map(|seconds| (seconds + 30).div_euclid(60)))
}

/// What probes over an engine learn of targets, in order.
async fn learned(
    probes: &Probes,
    topology: &Topology,
    asked: &[TargetIx],
    how: Effort,
) -> Vec<String> {
    let asked = asked.iter().map(|target| {
        let key = topology.target_key(*target);
        async move {
            let record = probes.run_once(&key, how).await.expect("a target");
            words(&record.outcome.result)
        }
    });
    // Together, so that silence is waited for once.
    join_all(asked).await
}

async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut all = true;
        for (future, done) in &mut waiting {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[test]
fn real_probers_learn_of_every_fault_what_a_virtual_run_says() {
    let thread = std::thread::spawn(|| {
        let topology = province();
        let nature =
            Nature { rtt: Duration::from_millis(2), jitter: Duration::ZERO, ..Nature::default() };
        let clock = Clock::start();
        let entered = lab::enter(&lab::Options::default());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(Arc::clone(&topology), nature, clock);
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        let mut world = World::new(Arc::clone(&topology), nature);
        for (n, troubles) in troubles().into_iter().enumerate() {
            for fault in troubles {
                let place = Place::Site(commune(n), None);
                lab.place(place.clone(), fault);
                world.place(clock.now(), place, fault);
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(agree(&lab, world, clock));
        lab.shutdown();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn agree(lab: &Lab, mut world: World, clock: Clock) {
    let topology = Arc::clone(lab.topology());
    let settings = config::load(&config::sample()).expect("the sample").settings;
    let start = |engine: Option<Arc<Mutex<World>>>| {
        let topology = Arc::clone(&topology);
        match engine {
            None => Probes::start(&settings, 1, topology, Trust::of([]), clock),
            Some(world) => {
                Probes::start_with(&settings, 1, topology, Trust::of([]), clock, |sink| {
                    let engine = Engine::start(world, clock, sink);
                    Ok(Arc::new(engine.expect("a thread")) as Arc<dyn Pinger>)
                })
            }
        }
    };
    let played = start(Some(Arc::new(Mutex::new(world.clone()))));
    let real = start(None);
    assert_eq!(played.engine(), Ok("emulated"));
    assert_eq!(real.engine(), Ok("kernel"), "surge hears less");
    let targets: Vec<TargetIx> = topology
        .target_ixs()
        .filter(|ix| topology.target(*ix).site.ix() >= 2)
        .filter(|ix| {
            let trouble = troubles().into_iter().nth(topology.target(*ix).site.ix() - 2);
            is_echo(&topology, *ix) || !trouble.iter().flatten().any(is_about_size)
        })
        .collect();
    let echoes: Vec<TargetIx> =
        targets.iter().copied().filter(|ix| is_echo(&topology, *ix)).collect();
    let (mut apart, mut agreed) = (Vec::new(), 0);
    // Devices take a moment to follow a fault, and a busy machine may be slow once.
    for round in 0..8 {
        let how = if round % 2 == 0 { Effort::Normal } else { Effort::Thorough };
        let now = clock.now();
        let virtually: Vec<String> =
            targets.iter().map(|target| words(&world.probe(now, *target, how).result)).collect();
        let (really, played) = tokio::join!(
            learned(&real, &topology, &targets, how),
            learned(&played, &topology, &echoes, how),
        );
        let played: BTreeMap<TargetIx, String> = echoes.iter().copied().zip(played).collect();
        apart.clear();
        for ((target, really), virtually) in targets.iter().zip(really).zip(virtually) {
            let played = played.get(target).unwrap_or(&virtually);
            if [&virtually, played] != [&really; 2] {
                let trouble = troubles().into_iter().nth(topology.target(*target).site.ix() - 2);
                let key = topology.target_key(*target);
                apart.push(format!(
                    "{trouble:?}: {key} {how:?}: really {really}, virtually {virtually}, \
                     played {played}"
                ));
            }
        }
        agreed = if apart.is_empty() { agreed + 1 } else { 0 };
        if agreed == 2 {
            break;
        }
    }
    real.stop().await;
    played.stop().await;
    assert_eq!(agreed, 2, "{}", apart.join("\n"));
}

fn is_echo(topology: &Topology, target: TargetIx) -> bool {
    matches!(topology.check_of(target).kind, CheckKind::Icmp(_))
}
