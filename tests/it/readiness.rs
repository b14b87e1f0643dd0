//! Readiness over real packets: faults planted across an emulated province are each named with the
//! right cause, and nobody else is accused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config::{self, Config};
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place};
use vchealth::lab::{self, Lab};
use vchealth::model::{
    EndpointId, FindingKind, Host, Importance, Past, ReadinessRun, Session, SessionId, SiteId,
    Verdict,
};
use vchealth::probe::{self, Probes, Trust};
use vchealth::readiness::{self, Occasion, Scope};

/// A commune for each fault, three that are well, and a district of which nothing answers.
const PROVINCE: &str = "
name: x
province:
  tree:
    tinh:
      a: [dead, off, hung, lossy, slow, jittery, hole, narrow, expired, clock, refused, nameless]
      b: [flapping, well-1, well-2, well-3]
      c: [c1, c2]
lasts: 1s
expect: nothing
";

/// What is planted where, and what is to be found.
const PLANTED: &[(&str, Fault, FindingKind, Verdict)] = &[
    ("dead", Fault::PowerCut, FindingKind::Silent, Verdict::NotReady),
    ("off", Fault::DeviceOff { after: Duration::ZERO }, FindingKind::Device, Verdict::NotReady),
    ("hung", Fault::SipHung, FindingKind::Service, Verdict::AtRisk),
    (
        "lossy",
        Fault::Loss(Loss { out: 0.2, back: 0.0, best_effort_only: false }),
        FindingKind::Loss,
        Verdict::NotReady,
    ),
    ("slow", Fault::Delay(Duration::from_millis(600)), FindingKind::Delay, Verdict::NotReady),
    ("jittery", Fault::Jitter(Duration::from_millis(120)), FindingKind::Jitter, Verdict::NotReady),
    ("hole", Fault::Mtu { bytes: 1400, silent: true }, FindingKind::BlackHole, Verdict::NotReady),
    ("narrow", Fault::Mtu { bytes: 1400, silent: false }, FindingKind::SmallMtu, Verdict::AtRisk),
    (
        "expired",
        Fault::CertificateEnds { in_s: -86_400 },
        FindingKind::Certificate,
        Verdict::AtRisk,
    ),
    ("clock", Fault::ClockOff { by_s: 900 }, FindingKind::Clock, Verdict::AtRisk),
    ("refused", Fault::H323Closed, FindingKind::Service, Verdict::AtRisk),
    ("c", Fault::UplinkCut { says: None }, FindingKind::Silent, Verdict::NotReady),
];

/// Runs `with` in a lab of its own.
fn in_lab<T: Send + 'static>(with: impl FnOnce(Lab, Config) -> T + Send + 'static) -> T {
    let thread = std::thread::spawn(move || {
        let scenario = Scenario::parse("x.yaml", PROVINCE).expect("a scenario");
        let mut topology = scenario.topology().expect("drawn");
        let ix = topology.find_site(&SiteId::new("nameless")).expect("a site");
        let codec = topology.site(ix).endpoints[1];
        topology.endpoints[codec.ix()].host = Host::Name("codec.nameless.invalid".to_owned());
        let topology = Arc::new(topology);
        let now = Clock::start().now().wall;
        let session = Session {
            id: SessionId::new("giao-ban"),
            title: "Giao ban".to_owned(),
            start: now + Duration::from_secs(3600),
            end: now + Duration::from_secs(7200),
            importance: Importance::Normal,
            sites: topology.site_ixs().map(|ix| (ix, 20)).collect(),
        };
        let base = config::load(&config::sample()).expect("the sample");
        let sessions = vec![Arc::new(session)];
        let config = Config { settings: base.settings, topology: Arc::clone(&topology), sessions };
        let nature =
            Nature { rtt: Duration::from_millis(4), jitter: Duration::ZERO, ..Nature::default() };
        let entered = lab::enter(&lab::Options::default());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(topology, nature, Clock::start());
        with(lab.unwrap_or_else(|error| panic!("{error}")), config)
    });
    match thread.join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn place(lab: &Lab, site: &str) -> Place {
    Place::Site(lab.topology().find_site(&SiteId::new(site)).expect("a site"), None)
}

/// One run, as `vchealth ready` makes it.
fn run(config: &Config, scope: &Scope, before: Option<&ReadinessRun>) -> ReadinessRun {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let clock = Clock::start();
    runtime.block_on(async {
        let topology = Arc::clone(&config.topology);
        let probes = Probes::start(&config.settings, 1, topology, Trust::system(), clock);
        let probes = Arc::new(probes);
        // Nobody answers for names here; how long that takes is the resolver's own affair.
        let _ = tokio::time::timeout(Duration::from_secs(5), probes.names_settled()).await;
        let session = &config.sessions[0];
        let began = clock.now().wall;
        let survey = readiness::survey(config, session, scope);
        let measured = probe::survey(Arc::clone(&probes), clock, survey, 1000, 512, |_| {}).await;
        probes.stop().await;
        let finished = clock.now().wall;
        let occasion = Occasion { session, lead_s: None, began, finished, before };
        readiness::judge(config, &occasion, &measured, &Past::default())
    })
}

#[test]
fn every_planted_fault_is_named_with_its_cause_and_nobody_else_is_accused() {
    in_lab(|lab, config| {
        let lab = Arc::new(lab);
        for (site, fault, ..) in PLANTED {
            lab.place(place(&lab, site), *fault);
        }
        let over = Arc::new(AtomicBool::new(false));
        let shaker = {
            let (lab, over) = (Arc::clone(&lab), Arc::clone(&over));
            std::thread::spawn(move || {
                // The line goes away for longer than a stretch of the train, again and again.
                let text = PROVINCE.replace("lasts: 1s", "lasts: 3s")
                    + "timeline: [{at: 0s, site: flapping, fault: power-cut, for: 1200ms}]\n";
                let scenario = Scenario::parse("x.yaml", &text).expect("a scenario");
                let script = scenario.script(lab.topology()).expect("a script");
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let runtime = runtime.expect("a runtime");
                while !over.load(Ordering::Relaxed) {
                    runtime.block_on(lab.play(&script, |_| {}));
                }
            })
        };
        let found = run(&config, &Scope::All, None);
        over.store(true, Ordering::Relaxed);
        shaker.join().expect("the shaker");
        let mut wanted: BTreeMap<&str, (Option<FindingKind>, Verdict)> = PLANTED
            .iter()
            .map(|(site, _, kind, verdict)| (*site, (Some(*kind), *verdict)))
            .collect();
        wanted.insert("flapping", (Some(FindingKind::Unsteady), Verdict::NotReady));
        wanted.insert("nameless", (Some(FindingKind::Name), Verdict::CannotTell));
        for below in ["c1", "c2"] {
            wanted.insert(below, (Some(FindingKind::Uplink), Verdict::NotReady));
        }
        let wrong: Vec<String> = found
            .sites
            .iter()
            .filter(|site| {
                let well = (None, Verdict::Ready);
                let wanted = wanted.get(site.site.as_str()).unwrap_or(&well);
                (site.main().map(|it| it.found.kind()), site.verdict) != *wanted
            })
            .map(|site| format!("{}: {:?} {:#?}", site.site, site.verdict, site.findings))
            .collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));

        // What is mended is found so by looking again at those that were not ready.
        let router = EndpointId::new("router");
        for (site, ..) in PLANTED {
            lab.lift(place(&lab, site), None);
        }
        let left = found.sites.iter().filter(|site| site.verdict != Verdict::Ready);
        let left = left.map(|site| site.site.clone()).collect();
        let again = run(&config, &Scope::Only(left), Some(&found));
        for site in &again.sites {
            let expected =
                if site.site.as_str() == "nameless" { Verdict::CannotTell } else { Verdict::Ready };
            assert_eq!(site.verdict, expected, "{}: {:#?}", site.site, site.findings);
            assert!(site.findings.iter().all(|it| it.endpoint.as_ref() != Some(&router)));
        }
        let was = |id: &str| found.sites.iter().find(|it| it.site.as_str() == id).unwrap().checked;
        let is = |id: &str| again.sites.iter().find(|it| it.site.as_str() == id).unwrap().checked;
        assert_eq!(was("well-1"), is("well-1"), "a site that was ready is not looked at again");
        assert_ne!(was("dead"), is("dead"));
    });
}
