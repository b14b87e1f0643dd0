//! The emulated province with packets and the one without agree: what the real probers learn of
//! every fault is what a virtual run says they would.
//!
//! One lab, one site for each fault, all probed at once by the probe room as the daemon uses it.

use std::sync::Arc;
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config;
use vchealth::lab::fault::{Fault, Loss, Says};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place, World};
use vchealth::lab::{self, Lab};
use vchealth::model::{CheckKind, Detail, Effort, Failure, Reply, SiteIx, TargetIx, Topology};
use vchealth::probe::{Probes, Trust};

/// A fault for each commune, in order; the last has none.
fn faults() -> Vec<Fault> {
    vec![
        Fault::PowerCut,
        Fault::UplinkCut { says: None },
        Fault::UplinkCut { says: Some(Says::HostUnreachable) },
        Fault::LanDown,
        Fault::DeviceOff { after: Duration::ZERO },
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
        Fault::Delay(Duration::from_millis(120)),
        Fault::Loss(Loss { out: 0.0, back: 1.0, best_effort_only: true }),
        Fault::Corrupt(1.0),
        Fault::Duplicate(1.0),
    ]
}

/// A district with a commune for each fault and one more, and limits short enough for a test.
fn province() -> Arc<Topology> {
    let communes: Vec<String> = (0..=faults().len()).map(|n| format!("c{n}")).collect();
    let text = format!(
        "name: x\nprovince: {{tree: {{tinh: {{a: [{}]}}}}}}\nlasts: 1s\nexpect: nothing\n",
        communes.join(", ")
    );
    let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
    let mut topology = scenario.topology().expect("drawn");
    for check in &mut topology.checks {
        check.timeout = match check.kind {
            CheckKind::Icmp(_) => Duration::from_millis(800),
            _ => Duration::from_millis(2_500),
        };
    }
    Arc::new(topology)
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
            Detail::Icmp(detail) => format!("reply, twice: {}", detail.duplicates),
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

/// What the virtual world says of a target.
fn virtually(world: &mut World, clock: Clock, target: TargetIx, kernel_echo: bool) -> String {
    let sight = world.probe(clock.now(), target, Effort::Normal);
    let said = words(&sight.result);
    // surge hears no ICMP errors on unprivileged sockets.
    let icmp = matches!(world.topology().check_of(target).kind, CheckKind::Icmp(_));
    if icmp && !kernel_echo && said.contains(" from ") { "timeout".to_owned() } else { said }
}

/// What the real probers say of all targets of the communes, in order.
async fn really(lab: &Lab, probes: &Probes, targets: &[TargetIx]) -> Vec<String> {
    let asked = targets.iter().map(|target| {
        let key = lab.topology().target_key(*target);
        async move {
            let record = probes.run_once(&key, Effort::Normal).await.expect("a target");
            words(&record.outcome.result)
        }
    });
    let mut said = Vec::new();
    // Together, so that silence is waited for once.
    for answer in join_all(asked).await {
        said.push(answer);
    }
    said
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
        for (n, fault) in faults().into_iter().enumerate() {
            let place = Place::Site(commune(n), None);
            lab.place(place.clone(), fault);
            world.place(clock.now(), place, fault);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(agree(&lab, &mut world, clock));
        lab.shutdown();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

async fn agree(lab: &Lab, world: &mut World, clock: Clock) {
    let topology = Arc::clone(lab.topology());
    let settings = config::load(&config::sample()).expect("the sample").settings;
    let trust = Trust::of([]);
    let probes = Probes::start(&settings, 1, Arc::clone(&topology), trust, clock);
    let kernel_echo = probes.engine().expect("an engine") == "kernel";
    let targets: Vec<TargetIx> =
        topology.target_ixs().filter(|ix| topology.target(*ix).site.ix() >= 2).collect();
    let mut apart = Vec::new();
    // Devices take a moment to follow a fault, and a busy machine may be slow once.
    for _ in 0..5 {
        let real = really(lab, &probes, &targets).await;
        apart.clear();
        for (target, real) in targets.iter().zip(real) {
            let fault = faults().get(topology.target(*target).site.ix() - 2).copied();
            let said = virtually(world, clock, *target, kernel_echo);
            if real != said {
                let key = topology.target_key(*target);
                apart.push(format!("{fault:?}: {key}: really {real}, virtually {said}"));
            }
        }
        if apart.is_empty() {
            break;
        }
    }
    probes.stop().await;
    assert!(apart.is_empty(), "{}", apart.join("\n"));
}
