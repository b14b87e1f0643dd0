//! What the echo engine makes of the emulated province: eight situations told apart by who says
//! what, and damage counted as it was done.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place};
use vchealth::lab::{self, Lab};
use vchealth::model::{
    CheckKind, Detail, Effort, Failure, Host, IcmpCheck, RemoteFailure, Reply, SiteIx, TcpCheck,
    Topology,
};
use vchealth::probe::{Probes, Trust};
use vchealth::wire::icmp::Family;

use crate::damage::{self, Plan};
use crate::socket::Socket;

/// Runs `test` for every kind of socket and family of addresses, all at once.
fn on_every_socket(test: impl Fn(Socket) + Sync) {
    std::thread::scope(|scope| {
        for socket in Socket::ALL {
            let test = &test;
            scope.spawn(move || test(socket));
        }
    });
}

/// Runs `with` on a thread in a lab of its own.
fn in_lab(socket: Socket, topology: Arc<Topology>, with: impl FnOnce(&Lab, Clock) + Send) {
    let lab = move || {
        let clock = Clock::start();
        let nature =
            Nature { rtt: Duration::from_millis(2), jitter: Duration::ZERO, ..Nature::default() };
        let entered = lab::enter(&socket.options());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(topology, nature, clock);
        let lab = lab.unwrap_or_else(|error| panic!("{error}"));
        with(&lab, clock);
        lab.shutdown();
    };
    std::thread::scope(|scope| {
        if let Err(panic) = scope.spawn(lab).join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// A small province, with addresses of the socket's family.
fn drawn(socket: Socket, communes: &str) -> Topology {
    let text = format!(
        "name: x\nprovince: {{tree: {{tinh: {{a: [{communes}]}}}}}}\nlasts: 1s\nexpect: nothing\n"
    );
    let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
    let mut topology = scenario.topology().expect("drawn");
    for endpoint in &mut topology.endpoints {
        if let Host::Ip(IpAddr::V4(v4)) = endpoint.host {
            endpoint.host = Host::Ip(socket.address(v4));
        }
    }
    topology
}

/// What was learned and who said so.
fn words(result: &Result<impl Sized, Failure>) -> String {
    match result {
        Ok(_) => "reply".to_owned(),
        Err(Failure::Remote(RemoteFailure::Unreachable(error))) => {
            let from = error.offender.expect("somebody said so");
            format!("{}/{} from {from}", error.icmp_type, error.icmp_code)
        }
        Err(Failure::Remote(RemoteFailure::Slow { after_ms, limit_ms })) => {
            format!("slow: {after_ms} ms of {limit_ms} ms")
        }
        Err(failure @ Failure::Local(_)) => format!("{OURS}{}", failure.word()),
        Err(failure) => failure.word().to_owned(),
    }
}

/// What stands before the word for a trouble of this machine: on a busy one it may miss a reply.
const OURS: &str = "ours: ";

/// Whether it says nothing of the other end but that nothing came.
fn is_silent(word: &str) -> bool {
    word == "timeout" || word.starts_with(OURS)
}

/// What the codecs of the eight situations say to `engine`.
fn eight_situations(engine: IcmpEngine, socket: Socket) -> Vec<String> {
    let mut topology =
        drawn(socket, "healthy, codec-off, lan-down, filtered, rejected, cut, closed, too-big");
    // The devices listen where they are usually asked.
    let province = Arc::new(topology.clone());
    // Less the headers of IP and ICMP.
    let fills_the_packet = match socket.family {
        Family::V4 => 1500 - 28,
        Family::V6 => 1500 - 48,
    };
    for check in &mut topology.checks {
        check.timeout = Duration::from_millis(1_500);
        match check.id.as_str() {
            // In place of SIP an echo that fills the packet, in place of the web page a port on
            // which nobody listens.
            "sip" => {
                check.kind = CheckKind::Icmp(IcmpCheck {
                    count: 1,
                    spacing: Duration::from_millis(10),
                    size: fills_the_packet,
                    dscp: 0,
                    dont_fragment: true,
                });
            }
            "web" => check.kind = CheckKind::Tcp(TcpCheck { port: 1 }),
            _ => {}
        }
    }
    let asked = Arc::new(topology);
    let mut seen = Vec::new();
    in_lab(socket, province, |lab, clock| {
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
        seen = runtime.expect("a runtime").block_on(signatures(engine, asked, clock));
    });
    seen
}

/// What they must say, where an engine `hears` what routers say.
fn told_apart(socket: Socket, hears: bool) -> Vec<String> {
    let [net, host, prohibited, too_big] = match socket.family {
        Family::V4 => ["3/0", "3/1", "3/13", "3/4"],
        Family::V6 => ["1/0", "1/3", "1/1", "2/0"],
    };
    // Each router has the first address of its site's network; the province and the district come
    // before the communes.
    let said = |what: &str, site: u8| {
        format!("{what} from {}", socket.address(Ipv4Addr::new(10, 64, site, 1)))
    };
    let echo = |said: &str| if hears { said.to_owned() } else { "timeout".to_owned() };
    let refused = |id: &str, said: &str| {
        let echo = echo(said);
        format!("{id}: reply | {echo} | {echo} | {said} | {said}")
    };
    let too_big = echo(&said(too_big, 9));
    vec![
        // router | codec | full packet | TCP 1720 | a closed port
        "healthy: reply | reply | reply | reply | refused".to_owned(),
        refused("codec-off", &said(host, 3)),
        refused("lan-down", &said(net, 4)),
        "filtered: reply | timeout | timeout | timeout | timeout".to_owned(),
        refused("rejected", &said(prohibited, 6)),
        "cut: timeout | timeout | timeout | timeout | timeout".to_owned(),
        "closed: reply | reply | reply | refused | refused".to_owned(),
        format!("too-big: reply | reply | {too_big} | reply | refused"),
    ]
}

#[test]
fn the_eight_situations_are_told_apart_with_who_says_so() {
    on_every_socket(|socket| {
        let seen = eight_situations(IcmpEngine::Kernel, socket);
        assert_eq!(seen, told_apart(socket, true), "{socket}");
    });
}

/// surge-ping hears what routers say only on raw sockets. On unprivileged ones everything that is
/// silent looks alike to its echoes, and only connections tell the situations apart.
#[test]
fn surge_tells_the_eight_situations_apart_as_far_as_it_hears_of_them() {
    on_every_socket(|socket| {
        let seen = eight_situations(IcmpEngine::Surge, socket);
        assert_eq!(seen, told_apart(socket, !socket.unprivileged), "{socket}");
    });
}

fn probes(engine: IcmpEngine, topology: &Arc<Topology>, clock: Clock) -> Probes {
    let mut settings = vchealth::config::load(&vchealth::config::sample()).expect("fine").settings;
    settings.icmp = IcmpSettings { engine, receive_buffer: 8 << 20 };
    Probes::start(&settings, 1, Arc::clone(topology), Trust::of([]), clock)
}

/// What `engine` says of the codecs at the first two of the drawn communes, again and again until
/// it tells something of the first.
fn until_told(
    engine: IcmpEngine,
    socket: Socket,
    communes: &str,
    faults: [Fault; 2],
) -> Vec<(String, String)> {
    let asked = Arc::new(drawn(socket, communes));
    let mut said: Vec<(String, String)> = Vec::new();
    in_lab(socket, Arc::clone(&asked), |lab, clock| {
        for (nth, fault) in faults.into_iter().enumerate() {
            lab.place(Place::Site(SiteIx::new(nth + 2), None), fault);
        }
        let codec = |nth: usize| {
            let site = asked.site(SiteIx::new(nth + 2));
            asked.target_key(asked.endpoint(site.endpoints[1]).targets[0])
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let probes = probes(engine, &asked, clock);
            let ask = async |nth: usize| {
                let record = probes.run_once(&codec(nth), Effort::Thorough).await;
                words(&record.expect("a target").outcome.result)
            };
            while said.len() < 60 && said.last().is_none_or(|(first, _)| is_silent(first)) {
                said.push(tokio::join!(ask(0), ask(1)));
            }
            probes.stop().await;
        });
    });
    said
}

/// A router looks for a device that has gone for three seconds before it says so, longer than any
/// request is waited for; a filter never says anything.
#[test]
fn a_codec_that_is_off_is_told_from_a_filter_however_long_the_router_looks_for_it() {
    on_every_socket(|socket| {
        let engines = [IcmpEngine::Kernel, IcmpEngine::Surge];
        // surge-ping hears what routers say only on raw sockets.
        for engine in engines.into_iter().take(if socket.unprivileged { 1 } else { 2 }) {
            let faults = [Fault::DeviceOff { after: Duration::from_secs(3) }, Fault::Firewall];
            let said = until_told(engine, socket, "codec-off, filtered", faults);
            let router = socket.address(Ipv4Addr::new(10, 64, 2, 1));
            let wanted = match socket.family {
                Family::V4 => format!("3/1 from {router}"),
                Family::V6 => format!("1/3 from {router}"),
            };
            let (off, _) = said.last().expect("one");
            assert_eq!(*off, wanted, "{engine:?}, {socket}: {said:?}");
            assert!(said.iter().all(|(_, filtered)| is_silent(filtered)), "{said:?}");
        }
    });
}

/// A line that is so full that every reply comes after the limit is as good as none, but whoever
/// looks for the fault must not look for a cut.
#[test]
fn a_line_slower_than_the_limit_is_told_from_a_filter_with_how_slow_it_is() {
    on_every_socket(|socket| {
        for engine in [IcmpEngine::Kernel, IcmpEngine::Surge] {
            let faults = [Fault::Delay(Duration::from_millis(1_400)), Fault::Firewall];
            let said = until_told(engine, socket, "slow, filtered", faults);
            let (slow, _) = said.last().expect("one");
            assert!(slow.starts_with("slow: "), "{engine:?}, {socket}: {said:?}");
            assert!(slow.ends_with(" of 1000 ms"), "{said:?}");
            assert!(said.iter().all(|(_, filtered)| is_silent(filtered)), "{said:?}");
        }
    });
}

/// What confirms a failure waits no less for its replies than the probe that failed: a line that
/// is slow within the limit would otherwise be called dead by the first lost packet.
#[test]
fn a_line_slow_within_the_limit_answers_a_thorough_probe_as_it_does_any() {
    let [socket, ..] = Socket::ALL;
    let asked = Arc::new(drawn(socket, "satellite"));
    in_lab(socket, Arc::clone(&asked), |lab, clock| {
        lab.place(Place::Site(SiteIx::new(2), None), Fault::Delay(Duration::from_millis(700)));
        let key =
            asked.target_key(asked.endpoint(asked.site(SiteIx::new(2)).endpoints[0]).targets[0]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let probes = probes(IcmpEngine::Kernel, &asked, clock);
            for effort in [Effort::Normal, Effort::Thorough] {
                let mut seen = Vec::new();
                // On a busy machine the emulated line may itself be late now and then.
                for _ in 0..20 {
                    let record = probes.run_once(&key, effort).await.expect("a target");
                    if let Ok(Reply { detail: Detail::Icmp(detail), .. }) = &record.outcome.result
                        && detail.received == detail.sent
                    {
                        break;
                    }
                    seen.push(record.outcome.result);
                }
                assert!(seen.len() < 20, "{effort:?}: {seen:?}");
            }
            probes.stop().await;
        });
    });
}

/// What each commune looks like from here.
async fn signatures(engine: IcmpEngine, topology: Arc<Topology>, clock: Clock) -> Vec<String> {
    let probes = Arc::new(probes(engine, &topology, clock));
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

/// `cargo bench --bench soak` does the same with ten thousand endpoints for ten minutes.
#[test]
fn damage_is_counted_as_it_was_done() {
    on_every_socket(|socket| {
        let counts = damage::run(Plan {
            socket,
            endpoints: 400,
            seconds: 6,
            share: 0.05,
            timeout: Duration::from_secs(1),
            by: Duration::from_millis(2_500),
        });
        assert!(counts.are_exact(), "{socket}\n{counts}");
        assert!(counts.least() > 50, "{socket}\n{counts}");
    });
}
