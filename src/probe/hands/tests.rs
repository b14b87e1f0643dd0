//! Every order is answered once, whatever happens to it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::net::TcpListener;

use super::*;
use crate::config::{IcmpEngine, IcmpSettings, ResolverSettings};
use crate::model::{
    Check, CheckId, ClassId, Detail, Effort, Endpoint, EndpointId, EndpointIx, Failure, IcmpDetail,
    Level, LevelIx, Mono, Paces, RemoteFailure, Reply, RttList, Site, SiteId, SiteIx, Target,
    TargetIx, TcpCheck, Trigger,
};
use crate::probe::icmp::PingDone;

fn settings(in_flight: u32) -> ProbeSettings {
    let (refresh, timeout) = (Duration::from_secs(60), Duration::from_secs(1));
    ProbeSettings {
        icmp: IcmpSettings { engine: IcmpEngine::Auto, receive_buffer: 0 },
        resolver: ResolverSettings { refresh, timeout },
        in_flight,
    }
}

/// One site with an endpoint for each host, each with the same check.
fn topology(kind: &CheckKind, timeout: Duration, hosts: &[Host]) -> Arc<Topology> {
    let pace = Duration::from_secs(60);
    let paces = Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace };
    let id = CheckId::new("tested");
    let check = Check { id, kind: kind.clone(), timeout, paces, confirm_after: pace };
    let site = Site {
        id: SiteId::new("tan-lap"),
        name: "Xã Tân Lập".to_owned(),
        level: LevelIx::new(0),
        class: ClassId::new("commune"),
        parent: None,
        children: Vec::new(),
        contacts: Vec::new(),
        labels: BTreeMap::new(),
        endpoints: (0..hosts.len()).map(EndpointIx::new).collect(),
    };
    let endpoint = |(at, host): (usize, &Host)| Endpoint {
        id: EndpointId::new(format!("device-{at}")),
        site: SiteIx::new(0),
        host: host.clone(),
        targets: [TargetIx::new(at)].into_iter().collect(),
    };
    let target =
        |at: usize| Target { endpoint: EndpointIx::new(at), site: SiteIx::new(0), check: 0 };
    Arc::new(Topology {
        levels: vec![Level::named("commune", "Xã", "Commune")],
        checks: vec![check],
        site_by_id: BTreeMap::from([(site.id.clone(), SiteIx::new(0))]),
        sites: vec![site],
        endpoints: hosts.iter().enumerate().map(endpoint).collect(),
        targets: (0..hosts.len()).map(target).collect(),
        vantage: None,
    })
}

fn name(at: usize) -> TargetKey {
    TargetKey {
        site: SiteId::new("tan-lap"),
        endpoint: Some(EndpointId::new(format!("device-{at}"))),
        check: Some(CheckId::new("tested")),
    }
}

fn order(generation: u32, target: usize) -> ProbeRequest {
    ProbeRequest {
        generation,
        target: TargetIx::new(target),
        trigger: Trigger::Scheduled,
        effort: Effort::Normal,
        due: Mono::ZERO,
    }
}

/// An engine whose test decides when it answers and what.
#[derive(Default)]
struct Puppet {
    jobs: Mutex<Vec<PingJob>>,
    sink: Mutex<Option<Sink>>,
}

impl Pinger for Puppet {
    fn submit(&self, jobs: Vec<PingJob>) {
        self.jobs.lock().unwrap().extend(jobs);
    }
    fn health(&self) -> EngineHealth {
        EngineHealth { sent: 7, ..EngineHealth::default() }
    }
    fn name(&self) -> &'static str {
        "puppet"
    }
}

impl Puppet {
    fn jobs(&self) -> Vec<PingJob> {
        std::mem::take(&mut *self.jobs.lock().unwrap())
    }

    fn answer(&self, jobs: &[PingJob], result: &Result<IcmpDetail, Failure>) {
        let started = Clock::start().now();
        let done = |job: &PingJob| PingDone {
            token: job.token,
            started,
            finished: started.mono,
            lost: u16::from(matches!(result, Err(Failure::Remote(_)))) * job.check.count,
            heard: None,
            result: result.clone(),
        };
        self.sink.lock().unwrap().as_ref().unwrap()(jobs.iter().map(done).collect());
    }
}

fn pong() -> Result<IcmpDetail, Failure> {
    let rtts = RttList::One(Duration::from_millis(12));
    Ok(IcmpDetail { sent: 1, received: 1, rtts, ttl: Some(63), tos: Some(0), duplicates: 0 })
}

fn echo() -> CheckKind {
    let spacing = Duration::from_secs(1);
    CheckKind::Icmp(IcmpCheck { count: 1, spacing, size: 56, dscp: 46, dont_fragment: true })
}

const LONG: Duration = Duration::from_secs(30);
const HERE: Host = Host::Ip(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

fn start(in_flight: u32, topology: Arc<Topology>) -> (Probes, Arc<Puppet>) {
    let puppet = Arc::new(Puppet::default());
    let engine = Arc::clone(&puppet);
    let trust = Trust::of([]);
    let probes =
        Probes::start_with(settings(in_flight), 1, topology, trust, Clock::start(), |sink| {
            *engine.sink.lock().unwrap() = Some(sink);
            Ok(engine.clone() as Arc<dyn Pinger>)
        });
    (probes, puppet)
}

/// As many outcomes as were asked for, and no more within reach.
async fn outcomes(probes: &Probes, count: usize) -> Vec<Outcome> {
    let collecting = async {
        let mut found = Vec::new();
        while found.len() < count {
            found.extend(probes.outcomes().await);
        }
        found
    };
    let mut found = timeout(LONG, collecting).await.expect("every order is answered");
    found.sort_by_key(|outcome| outcome.request.target);
    assert_eq!(found.len(), count, "once");
    found
}

fn local(why: LocalFailure) -> Result<Reply, Failure> {
    Err(Failure::Local(why))
}

#[tokio::test]
async fn echoes_go_to_the_engine_in_one_batch_and_come_back_as_outcomes() {
    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE, HERE, HERE]));
    probes.submit(&[order(1, 0), order(1, 1), order(1, 2)]);
    let jobs = puppet.jobs();
    assert_eq!(jobs.len(), 3);
    assert_eq!((jobs[0].check.dscp, jobs[0].check.dont_fragment), (46, true));
    assert_eq!(probes.in_flight(), 3);
    puppet.answer(&jobs, &pong());
    let found = outcomes(&probes, 3).await;
    assert_eq!(found[1].request, order(1, 1));
    assert!(matches!(found[2].result, Ok(Reply { detail: Detail::Icmp(_), rtt: Some(_) })));
    assert_eq!(probes.in_flight(), 0);
}

#[tokio::test]
async fn a_result_that_the_engine_gives_twice_is_one_outcome() {
    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE, HERE]));
    probes.submit(&[order(1, 0)]);
    let jobs = puppet.jobs();
    puppet.answer(&[jobs[0], jobs[0]], &pong());
    puppet.answer(&jobs, &pong());
    probes.submit(&[order(1, 1)]);
    puppet.answer(&jobs, &pong());
    assert_eq!(outcomes(&probes, 1).await[0].request, order(1, 0));
    puppet.answer(&puppet.jobs(), &pong());
    assert_eq!(outcomes(&probes, 1).await[0].request, order(1, 1));
}

#[tokio::test]
async fn without_an_engine_only_echoes_fail_and_say_why() {
    let topology = topology(&echo(), LONG, &[HERE]);
    let (trust, clock) = (Trust::of([]), Clock::start());
    let no_engine = |_| Err("no ICMP socket for you".to_owned());
    let probes = Probes::start_with(settings(4), 1, topology, trust, clock, no_engine);
    assert_eq!(probes.engine(), Err("no ICMP socket for you"));
    probes.submit(&[order(1, 0)]);
    let why = LocalFailure::Forbidden("no ICMP socket for you".to_owned());
    assert_eq!(outcomes(&probes, 1).await[0].result, local(why));
}

#[tokio::test]
async fn an_order_of_another_topology_is_answered() {
    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE, HERE]));
    probes.submit(&[order(1, 9), order(7, 0)]);
    for outcome in outcomes(&probes, 2).await {
        assert!(matches!(outcome.result, Err(Failure::Local(LocalFailure::Other(_)))));
    }
    probes.submit(&[order(1, 1)]);
    probes.replace(settings(4), 2, topology(&echo(), LONG, &[HERE]));
    puppet.answer(&puppet.jobs(), &pong());
    let late = outcomes(&probes, 1).await;
    assert_eq!(late[0].request, order(1, 1), "what was under way ends as it began");
    assert!(late[0].result.is_ok());
    probes.submit(&[order(1, 0), order(2, 0)]);
    assert_eq!(puppet.jobs().len(), 1);
    assert_eq!(outcomes(&probes, 1).await[0].request, order(1, 0));
}

#[tokio::test]
async fn a_name_without_address_fails_at_once_and_locally() {
    let nowhere = Host::Name("codec.invalid.".to_owned());
    let (probes, _) = start(4, topology(&echo(), LONG, &[nowhere]));
    probes.submit(&[order(1, 0)]);
    let found = outcomes(&probes, 1).await;
    assert!(matches!(
        found[0].result,
        Err(Failure::Local(LocalFailure::Unresolved(_) | LocalFailure::NoSuchName(_)))
    ));
}

/// A port that accepts and keeps silent, and a check that waits for it.
async fn silence(timeout: Duration, count: usize) -> (TcpListener, Arc<Topology>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let check = CheckKind::Sip(crate::model::SipCheck {
        transport: crate::model::SipTransport::Tcp,
        port,
        user: None,
        verify_tls: false,
    });
    (listener, topology(&check, timeout, &vec![HERE; count]))
}

#[tokio::test]
async fn beyond_the_budget_orders_wait_and_beyond_that_they_are_refused() {
    let (_listener, topology) = silence(LONG, 5).await;
    let (probes, _) = start(2, topology);
    let orders: Vec<ProbeRequest> = (0..5).map(|target| order(1, target)).collect();
    probes.submit(&orders);
    let refused = outcomes(&probes, 1).await;
    assert_eq!(refused[0].request, order(1, 4));
    assert_eq!(refused[0].result, local(LocalFailure::Overloaded));
    assert_eq!(probes.in_flight(), 4);
    probes.stop().await;
    for outcome in outcomes(&probes, 4).await {
        assert_eq!(outcome.result, local(LocalFailure::Stopping));
    }
    assert_eq!(probes.in_flight(), 0);
}

#[tokio::test]
async fn an_order_waits_no_longer_than_its_time_limit() {
    let (_listener, topology) = silence(Duration::from_millis(200), 2).await;
    let (probes, _) = start(1, topology);
    probes.submit(&[order(1, 0), order(1, 1)]);
    let found = outcomes(&probes, 2).await;
    // The connection is taken by the listener's kernel.
    let stalled = |outcome: &Outcome| {
        matches!(outcome.result, Err(Failure::Remote(RemoteFailure::Stalled { .. })))
    };
    assert!(stalled(&found[0]), "{found:?}");
    assert!(stalled(&found[1]) || found[1].result == local(LocalFailure::Overloaded), "{found:?}");
}

#[tokio::test]
async fn stopping_answers_everything_that_is_under_way() {
    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE, HERE]));
    probes.submit(&[order(1, 0), order(1, 1)]);
    let jobs = puppet.jobs();
    probes.stop().await;
    puppet.answer(&jobs, &pong());
    for outcome in outcomes(&probes, 2).await {
        assert_eq!(outcome.result, local(LocalFailure::Stopping));
    }
    probes.submit(&[order(1, 0)]);
    assert_eq!(outcomes(&probes, 1).await[0].result, local(LocalFailure::Stopping));
    let record = probes.run_once(&name(0), Effort::Normal).await.unwrap();
    assert_eq!(record.outcome.result, local(LocalFailure::Stopping));
}

#[tokio::test]
async fn a_probe_that_is_broken_off_answers_for_itself() {
    let (probes, _) = start(4, topology(&echo(), LONG, &[HERE]));
    let (ticket, _) = Ticket::take(order(1, 0), &probes.shared);
    let broken = tokio::spawn(async move {
        let _ticket = ticket;
        panic!("a prober with a fault");
    });
    assert!(broken.await.is_err());
    let found = outcomes(&probes, 1).await;
    assert!(matches!(found[0].result, Err(Failure::Local(LocalFailure::Other(_)))));
    assert_eq!(probes.in_flight(), 0);
}

#[tokio::test]
async fn running_once_answers_the_caller_and_nobody_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (probes, _) = start(4, topology(&CheckKind::Tcp(TcpCheck { port }), LONG, &[HERE]));
    let record = probes.run_once(&name(0), Effort::Normal).await.unwrap();
    assert_eq!(probes.run_once(&name(9), Effort::Normal).await, None);
    assert!(record.outcome.result.is_ok());
    assert!(record.trace.steps().len() >= 3);

    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE]));
    let answering = async {
        loop {
            let jobs = puppet.jobs();
            if !jobs.is_empty() {
                return puppet.answer(&jobs, &pong());
            }
            tokio::task::yield_now().await;
        }
    };
    let name = name(0);
    let (record, ()) = tokio::join!(probes.run_once(&name, Effort::Thorough), answering);
    let record = record.unwrap();
    assert!(record.outcome.result.is_ok());
    probes.stop().await;
    probes.submit(&[order(1, 0)]);
    assert_eq!(outcomes(&probes, 1).await.len(), 1, "only what was ordered since");
}

#[tokio::test]
async fn failures_are_remembered_beside_the_last_success_and_over_a_reload() {
    let (probes, puppet) = start(4, topology(&echo(), LONG, &[HERE, HERE]));
    let timeout = Err(Failure::Remote(RemoteFailure::Timeout));
    let script = [pong(), timeout.clone(), timeout.clone(), timeout.clone(), timeout, pong()];
    for result in script {
        probes.submit(&[order(1, 1)]);
        puppet.answer(&puppet.jobs(), &result);
        outcomes(&probes, 1).await;
    }
    let told = probes.explain(&name(1)).unwrap();
    assert_eq!(told.failures.len(), 2, "the first and the latest of a row");
    assert_eq!(told.failures[1].left_out, 2);
    assert_eq!(told.successes.len(), 2);
    assert_eq!(probes.explain(&name(0)), Some(Explanation::default()));
    assert_eq!(probes.explain(&name(5)), None);
    probes.replace(settings(4), 2, topology(&echo(), LONG, &[HERE, HERE, HERE]));
    let kept = probes.explain(&name(1)).unwrap();
    assert_eq!(kept.failures, told.failures);
    let learned = |told: &Explanation| -> Vec<_> {
        let learned = |it: &Record| (it.outcome.started, it.outcome.result.clone(), it.address);
        told.successes.iter().map(learned).collect()
    };
    assert_eq!(learned(&kept), learned(&told), "asked where its target stands now");
    probes.replace(settings(4), 3, topology(&echo(), LONG, &[HERE]));
    assert_eq!(probes.explain(&name(1)), None);
}

#[tokio::test]
async fn an_order_ahead_of_its_time_waits_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (probes, _) = start(4, topology(&CheckKind::Tcp(TcpCheck { port }), LONG, &[HERE]));
    let due = probes.shared.clock.mono() + Duration::from_millis(100);
    probes.submit(&[ProbeRequest { due, ..order(1, 0) }]);
    let found = outcomes(&probes, 1).await;
    assert!(found[0].started.mono >= due);
}
