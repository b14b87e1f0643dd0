//! Readiness over real packets: faults planted across an emulated province are each named with the
//! right cause, and nobody else is accused.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config::{self, Config};
use vchealth::daemon::{Daemon, Options, Source};
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Nature, Place};
use vchealth::lab::{self, Lab, Receiver};
use vchealth::model::{
    EndpointId, FindingKind, Found, Host, Importance, Past, ReadinessRun, Session, SessionId,
    SiteId, Verdict,
};
use vchealth::probe::{self, Probes, Trust};
use vchealth::readiness::{self, Occasion, Scope};
use vchealth::store::History;

use crate::channels::{client, get};
use crate::fixtures::Scratch;

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
        let config = Config {
            settings: base.settings,
            topology: Arc::clone(&topology),
            sessions,
            templates: Vec::new(),
        };
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

/// Whether the relay between here and there explains what was found: on a busy machine it hands
/// packets on late, once each way, and a line that is late is a slow line. Longer than a probe
/// waits is as good as a loss.
fn is_of_the_relay(found: &Found, late: Duration) -> bool {
    let both_ways = 2 * late;
    let explains =
        |us: &u32| Duration::from_micros((*us).into()) <= Duration::from_millis(10) + both_ways;
    match found {
        Found::Delay { rtt_us } => explains(rtt_us),
        Found::Jitter { jitter_us } => explains(jitter_us),
        Found::Loss { .. } | Found::Unsteady { .. } => both_ways >= Duration::from_secs(1),
        _ => false,
    }
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
        let late = lab.tally().worst_lateness;
        let wrong: Vec<String> = found
            .sites
            .iter()
            .filter(|site| {
                let well = (None, Verdict::Ready);
                let wanted = wanted.get(site.site.as_str()).unwrap_or(&well);
                let mut found = site.findings.iter().filter(|it| {
                    Some(it.found.kind()) == wanted.0 || !is_of_the_relay(&it.found, late)
                });
                let main = found.next();
                (main.map(|it| it.found.kind()), main.map_or(Verdict::Ready, |it| it.verdict))
                    != *wanted
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
            let late = lab.tally().worst_lateness;
            let mut left = site.findings.iter().filter(|it| !is_of_the_relay(&it.found, late));
            let verdict = left.next().map_or(Verdict::Ready, |it| it.verdict);
            assert_eq!(verdict, expected, "{}: {:#?}", site.site, site.findings);
            assert!(site.findings.iter().all(|it| it.endpoint.as_ref() != Some(&router)));
        }
        let was = |id: &str| found.sites.iter().find(|it| it.site.as_str() == id).unwrap().checked;
        let is = |id: &str| again.sites.iter().find(|it| it.site.as_str() == id).unwrap().checked;
        assert_eq!(was("well-1"), is("well-1"), "a site that was ready is not looked at again");
        assert_ne!(was("dead"), is("dead"));
    });
}

/// Three sites, of which one will be dark, and a session that begins in twenty minutes.
fn small_province(dir: &Path, listen: u16, channel: &str) {
    let now = Clock::start().now().wall.as_second();
    let start = jiff::Timestamp::from_second(now + 20 * 60).expect("a time");
    let vchealth = format!(
        "listen: 127.0.0.1:{listen}
state_dir: {}/state
language: en
vantage: tinh
channels: {channel}
readiness: {{at: [30m], train: 1s}}
",
        dir.display()
    );
    let sites = "levels: [{id: any, name: Any}]
classes:
  any: {level: any, endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, sip, h323]}]}
sites:
  - {id: tinh, name: Tỉnh, router: 10.64.0.1, codec: 10.64.0.10}
  - {id: a, name: Xã A, parent: tinh, router: 10.64.1.1, codec: 10.64.1.10, contacts: [{name: Trực A, phone: 0209 000 0001}]}
  - {id: b, name: Xã B, parent: tinh, router: 10.64.2.1, codec: 10.64.2.10}
";
    let sessions = format!(
        "sessions:\n  - {{id: giao-ban, title: Giao ban, start: \"{start}\", duration: 2h, sites: all, \
         delegates: 20}}\n"
    );
    for (name, text) in
        [("vchealth.yaml", vchealth.as_str()), ("sites.yaml", sites), ("sessions.yaml", &sessions)]
    {
        std::fs::write(dir.join(name), text).expect("a file");
    }
}

/// What a run of `vchealth ready` gives: exit status, standard output, standard error.
fn ready(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["ready", "--config"])
        .arg(dir)
        .args(arguments)
        .output()
        .expect("the program");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Runs `with` beside an emulated province of this configuration.
fn beside(dir: &Path, with: impl FnOnce(&Path, Lab) + Send + 'static) {
    let dir = dir.to_owned();
    let thread = std::thread::spawn(move || {
        let config = Source::directory(&dir).load().unwrap_or_else(|error| panic!("{error}"));
        let entered = lab::enter(&lab::Options::default());
        let entered = entered.unwrap_or_else(|error| panic!("{error}"));
        let lab = entered.start(config.topology, Nature::default(), Clock::start());
        with(&dir, lab.unwrap_or_else(|error| panic!("{error}")));
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_command_answers_with_its_exit_status_and_knows_its_last_result() {
    let scratch = Scratch::new("ready-alone");
    small_province(scratch.path(), 9, "{}");
    beside(scratch.path(), |dir, lab| {
        let (status, none, why) = ready(dir, &["--again"]);
        assert_eq!((status, none.as_str()), (64, ""), "{why}");
        assert!(why.contains("no earlier result"), "{why}");
        let (status, _, why) = ready(dir, &["giao"]);
        assert_eq!(status, 64);
        assert!(why.contains("did you mean `giao-ban`"), "{why}");

        let (status, text, progress) = ready(dir, &[]);
        assert_eq!(status, 0, "{text}{progress}");
        assert!(text.starts_with("3 of 3 ready to connect\n"), "{text}");
        assert!(progress.contains("3/3") && !progress.contains('\r'), "{progress}");

        let (status, _, why) = ready(dir, &["--again"]);
        assert_eq!(status, 0);
        assert!(why.contains("every site was ready at"), "{why}");

        lab.place(place(&lab, "a"), Fault::PowerCut);
        lab.place(place(&lab, "b"), Fault::H323Closed);
        let page = dir.join("ready.html");
        let (status, line, _) =
            ready(dir, &["--format", "html", "-o", page.to_str().expect("a path")]);
        assert_eq!(status, 2);
        assert_eq!(line, "1 of 3 ready to connect: 1 not ready, 1 at risk\n");
        let html = std::fs::read_to_string(&page).expect("a page");
        assert!(html.contains("Xã A") && html.contains("0209 000 0001"), "{html}");

        lab.lift(place(&lab, "a"), None);
        let (status, json, why) = ready(dir, &["--again", "--format", "json"]);
        assert_eq!(status, 1, "{json}");
        assert!(why.contains("looking again at 2 of 3 sites"), "{why}");
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(json["counts"]["at-risk"], 1);
        assert_eq!(json["sites"].as_array().map(Vec::len), Some(3));
        let (status, junit, _) = ready(dir, &["giao ban", "--format", "junit", "--lang", "vi"]);
        assert_eq!(status, 1);
        assert!(junit.contains("failures=\"0\" errors=\"0\""), "{junit}");

        let (status, said, why) =
            ready(dir, &["--confirm", "a", "--confirm", "Xã B", "--by", "Hà"]);
        assert_eq!((status, said.as_str()), (0, "recorded for 2 sites of giao-ban\n"), "{why}");
        let history = History::open(&dir.join("state")).expect("a history");
        let session = SessionId::new("giao-ban");
        let confirmed = history.confirmations(&session).expect("confirmations");
        assert_eq!(confirmed.len(), 2);
        assert!(confirmed.iter().all(|it| it.picture && it.sound && it.by == "Hà"));
        let verdicts = history.verdicts().expect("verdicts");
        assert_eq!(verdicts[&SiteId::new("b")][0].verdict, Verdict::AtRisk, "the last one counts");
        lab.shutdown();
    });
}

#[test]
fn the_daemon_looks_by_itself_tells_once_and_takes_in_what_people_find() {
    let scratch = Scratch::new("ready-beside");
    let clock = Clock::start();
    small_province(scratch.path(), 9, "{}");
    beside(scratch.path(), move |dir, lab| {
        lab.place(place(&lab, "a"), Fault::PowerCut);
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let receiver = runtime.block_on(async { Receiver::start(clock) }).expect("a receiver");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let channel = format!("{{duty: {{kind: webhook, url: \"{}\"}}}}", receiver.url());
        small_province(dir, port, &channel);
        let options = Options { source: Source::directory(dir), listener: Some(listener), clock };
        let daemon = runtime.block_on(async { Daemon::start(options) }).expect("a daemon");
        let snapshot = soon(|| Some(daemon.snapshot()).filter(|it| !it.readiness.is_empty()));
        let run = Arc::clone(&snapshot.readiness[0]);
        assert_eq!((run.lead_s, run.counts()), (Some(1800), [2, 0, 0, 1]));
        let told = || -> Vec<String> {
            let posts = receiver.posts();
            let alerts = posts.iter().filter_map(|it| it.post.as_ref()).flat_map(|it| &it.alerts);
            let ready =
                alerts.filter(|it| it.labels.get("alertname").is_some_and(|n| n == "NotReady"));
            ready.map(|it| it.annotations["summary"].clone()).collect()
        };
        let messages = soon(|| Some(told()).filter(|it| !it.is_empty()));
        assert!(messages[0].starts_with("[NOT READY] 2 of 3 ready to connect: 1 not ready"));

        // A person looks again beside the daemon, which has the store.
        lab.lift(place(&lab, "a"), None);
        let (status, text, why) = ready(dir, &["--again"]);
        assert_eq!(status, 0, "{text}{why}");
        let snapshot = soon(|| {
            let newest = daemon.snapshot();
            (newest.readiness[0].lead_s.is_none()).then_some(newest)
        });
        assert_eq!(snapshot.readiness[0].counts(), [3, 0, 0, 0]);
        let (status, _, why) = ready(dir, &["--confirm", "a", "--no-sound", "--by", "Hà"]);
        assert_eq!(status, 0, "{why}");
        let said = soon(|| daemon.snapshot().confirmations.first().cloned());
        assert!(said.picture && !said.sound);
        let messages = soon(|| Some(told()).filter(|it| it.len() > 1));
        assert!(messages[1].starts_with("[READY] 3 of 3"), "{messages:?}");
        assert_eq!(messages.len(), 2, "one message for a run, and one for its end");

        // The calendar changes: the session is known, and what was counted stays counted.
        let page = || runtime.block_on(get(&format!("http://127.0.0.1:{port}/metrics"))).unwrap();
        let counted = |page: &str| -> f64 {
            let lines = page.lines().filter(|line| line.starts_with("vchealth_probes_total{"));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
        };
        let before = counted(&soon(|| Some(page()).filter(|page| counted(page) > 0.0)));
        let change = r#"{"id": "bat-thuong", "title": "Bất thường", "all": true, "by": "Hà",
            "start": "2099-01-01T01:00:00Z", "end": "2099-01-01T02:00:00Z"}"#;
        let url = format!("http://127.0.0.1:{port}/api/v1/sessions");
        let answer = runtime.block_on(async {
            let post = client().post(url).header("content-type", "application/json");
            post.body(change).send().await.expect("an answer").status()
        });
        assert_eq!(answer, 201);
        let known = runtime.block_on(get(&format!("http://127.0.0.1:{port}/api/v1/calendar")));
        assert!(known.expect("the calendar").contains("bat-thuong"));
        soon(|| {
            let now = counted(&page());
            assert!(now >= before, "{now} probes are counted after {before}");
            (now > before).then_some(())
        });
        let snapshot = daemon.snapshot();
        assert_eq!(snapshot.readiness.len(), 1, "nor is what was found forgotten");
        runtime.block_on(daemon.stop());
        lab.shutdown();
    });
}

/// Looks until there is something, for what another thread is about to do.
fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "it never came");
        std::thread::yield_now();
    }
}
