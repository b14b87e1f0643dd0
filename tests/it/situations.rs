//! What the echo engine makes of the emulated province: eight situations told apart by who says
//! what, and damage counted as it was done.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place, Vanished};
use vchealth::lab::{self, Lab};
use vchealth::model::{
    CheckKind, Effort, Failure, Host, IcmpCheck, Mono, RemoteFailure, SiteIx, TcpCheck, Topology,
};
use vchealth::probe::icmp::{self, EchoParams, PingDone, PingJob};
use vchealth::probe::{Probes, Trust};

fn settings() -> IcmpSettings {
    IcmpSettings { engine: IcmpEngine::Kernel, receive_buffer: 8 << 20 }
}

/// A lab on a thread of its own.
fn in_lab(topology: Arc<Topology>, with: impl FnOnce(&Lab, Clock) + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let clock = Clock::start();
        let nature =
            Nature { rtt: Duration::from_millis(2), jitter: Duration::ZERO, ..Nature::default() };
        let entered = lab::enter(&lab::Options::default());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(topology, nature, clock);
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        with(&lab, clock);
        lab.shutdown();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn drawn(communes: &str) -> Topology {
    let text = format!(
        "name: x\nprovince: {{tree: {{tinh: {{a: [{communes}]}}}}}}\nlasts: 1s\nexpect: nothing\n"
    );
    let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
    scenario.topology().expect("drawn")
}

/// What was learned and who said so.
fn words(result: &Result<impl Sized, Failure>) -> String {
    match result {
        Ok(_) => "reply".to_owned(),
        Err(Failure::Remote(RemoteFailure::Unreachable(error))) => {
            let from = error.offender.expect("somebody said so");
            format!("{}/{} from {from}", error.icmp_type, error.icmp_code)
        }
        Err(failure) => failure.word().to_owned(),
    }
}

#[test]
fn the_eight_situations_are_told_apart_with_who_says_so() {
    let mut topology =
        drawn("healthy, codec-off, lan-down, filtered, rejected, cut, closed, too-big");
    // The devices listen where they are usually asked.
    let province = Arc::new(topology.clone());
    for check in &mut topology.checks {
        check.timeout = Duration::from_millis(1_500);
        match check.id.as_str() {
            // In place of SIP an echo that fills the packet, in place of the web page a port on
            // which nobody listens.
            "sip" => {
                check.kind = CheckKind::Icmp(IcmpCheck {
                    count: 1,
                    spacing: Duration::from_millis(10),
                    size: 1472,
                    dscp: 0,
                    dont_fragment: true,
                });
            }
            "web" => check.kind = CheckKind::Tcp(TcpCheck { port: 1 }),
            _ => {}
        }
    }
    let asked = Arc::new(topology);
    in_lab(province, move |lab, clock| {
        let at = |nth: usize| Place::Site(SiteIx::new(nth + 2), None);
        for (nth, fault) in [
            (1, Fault::DeviceOff { after: Duration::ZERO }),
            (2, Fault::LanDown),
            (3, Fault::Firewall),
            (4, Fault::Rejected),
            (5, Fault::UplinkCut { says: None }),
            (6, Fault::H323Closed),
            (7, Fault::Mtu { bytes: 1400, silent: false }),
        ] {
            lab.place(at(nth), fault);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let seen = runtime.expect("a runtime").block_on(signatures(asked, clock));
        // Each router has the first address of its site's network, the fourth site's being
        // 10.64.3.1: the province and the district come before the communes.
        let wanted = [
            // router | codec | full packet | TCP 1720 | a closed port
            "healthy: reply | reply | reply | reply | refused",
            "codec-off: reply | 3/1 from 10.64.3.1 | 3/1 from 10.64.3.1 | 3/1 from 10.64.3.1 | \
             3/1 from 10.64.3.1",
            "lan-down: reply | 3/0 from 10.64.4.1 | 3/0 from 10.64.4.1 | 3/0 from 10.64.4.1 | \
             3/0 from 10.64.4.1",
            "filtered: reply | timeout | timeout | timeout | timeout",
            "rejected: reply | 3/13 from 10.64.6.1 | 3/13 from 10.64.6.1 | 3/13 from 10.64.6.1 | \
             3/13 from 10.64.6.1",
            "cut: timeout | timeout | timeout | timeout | timeout",
            "closed: reply | reply | reply | refused | refused",
            "too-big: reply | reply | 3/4 from 10.64.9.1 | reply | refused",
        ];
        assert_eq!(seen, wanted);
    });
}

/// What each commune looks like from here.
async fn signatures(topology: Arc<Topology>, clock: Clock) -> Vec<String> {
    let mut settings = vchealth::config::load(&vchealth::config::sample()).expect("fine").settings;
    settings.icmp = self::settings();
    let probes = Arc::new(Probes::start(&settings, 1, Arc::clone(&topology), Trust::of([]), clock));
    let sites: Vec<SiteIx> = topology.site_ixs().skip(2).collect();
    let mut tasks = Vec::new();
    for site in &sites {
        for endpoint in &topology.site(*site).endpoints {
            for target in &topology.endpoint(*endpoint).targets {
                let (probes, key) = (Arc::clone(&probes), topology.target_key(*target));
                tasks.push(tokio::spawn(async move {
                    let record = probes.run_once(&key, Effort::Normal).await.expect("a target");
                    (key, words(&record.outcome.result))
                }));
            }
        }
    }
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for task in tasks {
        let (key, word) = task.await.expect("a probe");
        said.insert(key.to_string(), word);
    }
    probes.stop().await;
    let signature = |site: &SiteIx| {
        let id = &topology.site(*site).id;
        let order = ["router/ping", "codec/ping", "codec/sip", "codec/h323", "codec/web"];
        let words: Vec<&str> =
            order.iter().map(|path| said[&format!("{id}/{path}")].as_str()).collect();
        format!("{id}: {}", words.join(" | "))
    };
    sites.iter().map(signature).collect()
}

#[test]
fn damage_is_counted_as_it_was_done() {
    let communes: Vec<String> = (0..100).map(|n| format!("c{n}")).collect();
    let topology = Arc::new(drawn(&communes.join(", ")));
    in_lab(topology, |lab, clock| {
        let addresses: Vec<IpAddr> = lab
            .topology()
            .endpoints
            .iter()
            .filter_map(|endpoint| match endpoint.host {
                Host::Ip(ip) => Some(ip),
                Host::Name(_) => None,
            })
            .collect();
        for site in lab.topology().site_ixs() {
            for fault in [
                Fault::Loss(Loss::round_trip(0.05)),
                Fault::Late { share: 0.05, by: Duration::from_millis(1_200) },
                Fault::Truncate(0.05),
                Fault::Duplicate(0.05),
                Fault::Forge(0.05),
                Fault::Reorder(0.05),
            ] {
                lab.place(Place::Site(site, None), fault);
            }
        }
        let done: Arc<Mutex<Vec<PingDone>>> = Arc::default();
        let sink = {
            let done = Arc::clone(&done);
            Box::new(move |batch: Vec<PingDone>| done.lock().expect("nobody died").extend(batch))
        };
        let pinger = icmp::start(&settings(), clock, sink).expect("an engine");
        let rounds = 10u32;
        let check = EchoParams {
            count: 1,
            spacing: Duration::from_millis(10),
            size: 56,
            dscp: 34,
            dont_fragment: false,
        };
        let began = clock.mono() + Duration::from_millis(20);
        let mut jobs = Vec::new();
        for round in 0..rounds {
            for (n, address) in addresses.iter().enumerate() {
                // Spread over the round; two of one address are further apart than the time limit.
                let n = u32::try_from(n).expect("small");
                let due: Mono =
                    began + Duration::from_millis(600) * round + Duration::from_micros(2_500) * n;
                let (token, timeout) = (u64::from(n), Duration::from_millis(500));
                jobs.push(PingJob { token, address: *address, check, timeout, due });
            }
        }
        let sent = u64::try_from(jobs.len()).expect("small");
        pinger.submit(jobs);
        let all_done = || done.lock().expect("nobody died").len() as u64 == sent;
        wait_until("every probe is done", all_done);
        // What is late is under way still.
        let settled = || {
            let (health, tally) = (pinger.health(), lab.tally());
            health.late == tally.late && health.duplicate == tally.twice
        };
        wait_until("what was late has come", settled);
        let (health, tally) = (pinger.health(), lab.tally());
        let answered =
            done.lock().expect("nobody died").iter().filter(|d| d.result.is_ok()).count();
        assert_eq!(health.sent, sent);
        assert_eq!(tally.out + tally.vanished(Vanished::Lost) - (tally.out - tally.back), sent);
        assert_eq!(health.late, tally.late);
        assert_eq!(health.duplicate, tally.twice);
        assert_eq!(health.truncated, tally.cut_short);
        assert_eq!(health.forged, tally.forged);
        assert_eq!(answered as u64, tally.back - tally.late - tally.cut_short);
        assert_eq!(health.received, answered as u64);
        assert_eq!((health.socket_drops, health.foreign), (0, 0));
        for (what, n) in [
            ("late", tally.late),
            ("twice", tally.twice),
            ("cut short", tally.cut_short),
            ("forged", tally.forged),
            ("overtaken", tally.overtaken),
            ("lost", tally.vanished(Vanished::Lost)),
        ] {
            assert!(n > 20, "only {n} were {what}");
        }
    });
}

fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited too long until {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
