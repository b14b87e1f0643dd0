//! Sessions with the shape of the five of 2023, replayed through the real brain with planted
//! faults, written up, and kept as golden files in `tests/golden/reports`: data for programs, the
//! table, and what the page says to its readers in both languages.
//!
//! With `BLESS=1` in the environment the files are written anew. Read them before committing, as
//! the office that asked for the session would.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use vchealth::config::{self, Config};
use vchealth::daemon::write_up;
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::scenario::{Act, Step};
use vchealth::lab::world::{Nature, Place, World};
use vchealth::model::{
    CheckKind, Durable, EndpointId, Language, Paces, ReportFormat, Session, SiteId, SiteIx,
    Topology,
};
use vchealth::monitor::Input;
use vchealth::report::{self, Report};
use vchealth::store::{History, Store};

use super::style;
use crate::fixtures::{Scratch, at};
use crate::simulate::run::{Run, settings};

/// The monitor has been running for this long when a session begins.
const BEFORE: Duration = Duration::from_secs(120);
/// And goes on for this long after it.
const AFTER: Duration = Duration::from_secs(60);

/// A session, what goes wrong in it, and how many sites and delegates it has.
struct Plan {
    id: &'static str,
    sites: usize,
    delegates: u64,
    timeline: Vec<(u64, Happens)>,
}

/// Something that happens so many seconds after the start of a session.
enum Happens {
    /// A fault at a site, or at one of its devices, for so many seconds.
    Goes(&'static str, Option<&'static str>, Fault, u64),
    /// Somebody takes on what is wrong at a site.
    Taken(&'static str, &'static str),
    /// Announced work at a site for so many seconds.
    Work(&'static str, u64),
    /// The daemon is away for so many seconds.
    Away(u64),
    /// A site is taken out, or all are there again.
    Without(Option<&'static str>),
    /// Our own network is cut for so many seconds.
    Blind(u64),
}

use Happens::{Away, Blind, Goes, Taken, Without, Work};

/// The five, each with faults of its own: a quiet one, one with a district cut, one with flapping
/// and bad lines, one in which everything happens, and one that this monitor partly missed.
fn plans() -> Vec<Plan> {
    let off = Fault::DeviceOff { after: Duration::from_secs(3) };
    let cut = Fault::UplinkCut { says: None };
    let lossy = Fault::Loss(Loss::round_trip(0.12));
    let slow = Fault::Delay(Duration::from_millis(480));
    vec![
        Plan {
            id: "nghi-quyet-2026-03",
            sites: 196,
            delegates: 10_899,
            timeline: vec![
                (1_000, Goes("tan-lap", None, Fault::PowerCut, 754)),
                (1_090, Taken("tan-lap", "Nguyễn Văn Hà")),
            ],
        },
        Plan {
            id: "ubnd-2026-06",
            sites: 188,
            delegates: 7_753,
            timeline: vec![
                (2_400, Goes("cho-don", None, cut, 372)),
                (2_460, Taken("cho-don", "Trực kỹ thuật tỉnh")),
                (5_000, Goes("nam-mau", Some("codec"), off, 1_260)),
                (5_600, Taken("nam-mau", "Hoàng Thị Lan")),
            ],
        },
        Plan {
            id: "hdnd-2026-12",
            sites: 200,
            delegates: 9_000,
            timeline: (0..6)
                .map(|n| (3_000 + n * 160, Goes("tan-lap", None, Fault::PowerCut, 60)))
                .chain([
                    (9_000, Goes("bang-van", None, lossy, 1_800)),
                    (12_000, Goes("quang-khe", None, slow, 900)),
                ])
                .collect(),
        },
        Plan {
            id: "chinh-phu-2027-01",
            sites: 204,
            delegates: 11_631,
            timeline: vec![
                (900, Goes("ba-be", None, cut, 95)),
                (960, Taken("ba-be", "Trực kỹ thuật tỉnh")),
                (2_000, Goes("tan-lap", None, Fault::PowerCut, 1_980)),
                (2_300, Taken("tan-lap", "Nguyễn Văn Hà")),
                (3_500, Work("ngan-son", 1_200)),
                (3_600, Goes("ngan-son", None, cut, 600)),
                (5_000, Goes("nam-mau", Some("codec"), off, 420)),
                (6_500, Goes("bang-van", None, lossy, 1_500)),
                (8_000, Blind(75)),
                (9_000, Goes("yen-duong", Some("codec"), Fault::SipHung, 700)),
                (10_500, Goes("so-y-te", None, Fault::PowerCut, 240)),
                (13_900, Goes("cong-bang", None, Fault::PowerCut, 900)),
            ],
        },
        Plan {
            id: "chuyen-doi-so-2027-03",
            sites: 194,
            delegates: 8_214,
            timeline: vec![
                (1_500, Away(420)),
                (3_000, Without(Some("so-y-te"))),
                (4_200, Without(None)),
                (5_000, Goes("van-vu", None, Fault::PowerCut, 130)),
            ],
        },
    ]
}

/// The shipped province, probed at a pace that keeps this test short: what is reported does not
/// depend on it but for a few seconds.
fn config() -> Config {
    let shipped = config::load(&config::sample()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let mut topology = (*shipped.topology).clone();
    for check in &mut topology.checks {
        let ping = matches!(check.kind, CheckKind::Icmp(_));
        let pace = Duration::from_secs(if ping { 10 } else { 60 });
        check.paces = Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace };
    }
    Config {
        settings: settings(),
        topology: Arc::new(topology),
        sessions: shipped.sessions,
        templates: Vec::new(),
    }
}

fn steps(plan: &Plan, topology: &Topology) -> Vec<Step> {
    let site = |id: &str| topology.find_site(&SiteId::new(id)).unwrap_or_else(|| panic!("{id}"));
    let mut steps = Vec::new();
    let mut step = |at: u64, act: Act| {
        steps.push(Step { at: BEFORE + Duration::from_secs(at), act });
    };
    for (at, happens) in &plan.timeline {
        match happens {
            Goes(id, endpoint, fault, lasts) => {
                let place = Place::Site(site(id), endpoint.map(EndpointId::new));
                let places = vec![place];
                step(*at, Act::Place { places: places.clone(), fault: *fault });
                step(at + lasts, Act::Lift { places, kind: Some(fault.kind()) });
            }
            Taken(id, by) => {
                step(*at, Act::Ack { sites: vec![site(id)], by: (*by).to_owned(), lasts: None });
            }
            Work(id, lasts) => {
                let lasts = Duration::from_secs(*lasts);
                step(*at, Act::Maintenance { sites: vec![site(id)], lasts });
            }
            Away(lasts) => {
                step(*at, Act::Restart { away: Duration::from_secs(*lasts), killed: true });
            }
            Without(id) => {
                let without: Vec<SiteIx> = id.iter().map(|id| site(id)).collect();
                step(*at, Act::Reload { without });
            }
            Blind(lasts) => {
                let places = vec![Place::Own];
                let fault = Fault::OwnNetworkCut;
                step(*at, Act::Place { places: places.clone(), fault });
                step(at + lasts, Act::Lift { places, kind: Some(fault.kind()) });
            }
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

/// Replays one session into the store.
fn replay(plan: &Plan, store: &mut Store, durable: Durable) -> Durable {
    let config = config();
    let topology = Arc::clone(&config.topology);
    let session: &Session = config
        .sessions
        .iter()
        .find(|session| session.id.as_str() == plan.id)
        .expect("a session of the sample");
    assert_eq!((session.sites.len(), session.delegates()), (plan.sites, plan.delegates));
    let lasts = Duration::try_from(session.end.duration_since(session.start)).unwrap();
    let begins = session.start.checked_sub(BEFORE).unwrap();
    let nature = Nature { loss: 0.0004, seed: plan.sites as u64, ..Nature::default() };
    let world = World::new(Arc::clone(&topology), nature);
    let mut run = Run::remembering(config, world, begins, durable);
    for step in steps(plan, &topology) {
        run.until(step.at);
        if matches!(step.act, Act::Restart { killed: false, .. }) {
            run.tell(Input::Stop);
        }
        run.act(&step.act);
        flush(&mut run, store);
    }
    run.until(BEFORE + lasts + AFTER);
    run.tell(Input::Stop);
    flush(&mut run, store);
    run.durable
}

fn flush(run: &mut Run, store: &mut Store) {
    let kept = run.kept.as_mut().expect("it is kept");
    kept.learned.clear();
    store.commit(&std::mem::take(&mut kept.batches), &[], run.now.wall).unwrap();
}

/// What a reader sees of a page, line by line.
fn text(html: &str) -> String {
    let body = html.split("<body>").nth(1).expect("a body");
    let mut text = String::new();
    let mut rest = body;
    while let Some((before, after)) = rest.split_once('<') {
        text.push_str(before);
        let (tag, after) = after.split_once('>').expect("a whole tag");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
        let label = tag.split("data-label=\"").nth(1).and_then(|it| it.split('"').next());
        match name {
            "td" | "th" | "small" | "span" | "dt" | "dd" if !tag.starts_with('/') => {
                text.push_str(" | ");
                if let Some(label) = label {
                    let _ = write!(text, "{label}: ");
                }
            }
            "b" | "i" | "strong" | "br" | "td" | "th" | "small" | "span" | "dt" | "dd" | "svg"
            | "rect" | "path" => {}
            _ => text.push('\n'),
        }
        rest = after;
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut text = lines.collect::<Vec<_>>().join("\n");
    for (code, sign) in [("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\"")] {
        text = text.replace(code, sign);
    }
    text + "\n"
}

/// The data without the many sites of which there is nothing to say.
fn data(report: &Report) -> String {
    let bytes = report::write(report, ReportFormat::Json, &style(Language::Vi)).unwrap();
    let mut value: Value = serde_json::from_slice(&bytes).unwrap();
    let sites = value["sites"].as_array_mut().expect("sites");
    assert_eq!(sites.len(), report.totals.sites);
    let well = |site: &Value| {
        let time = &site["time"];
        ["degraded_s", "down_s", "planned_s", "absent_s"].iter().all(|key| time[key] == 0.0)
    };
    sites.retain(|site| !well(site));
    // Who was affected by everything is everybody.
    for list in ["groups", "excluded", "incidents"] {
        for it in value[list].as_array_mut().expect("a list") {
            let sites = it["sites"].as_array().map_or(0, Vec::len);
            if sites > 30 {
                it["sites"] = Value::from(sites);
            }
        }
    }
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

fn golden(name: &str, found: &str, wrong: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/reports").join(name);
    if std::env::var_os("BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
    } else if fs::read_to_string(&path).unwrap_or_default() != found {
        let fresh = std::env::temp_dir().join(name.replace('/', "-"));
        fs::write(&fresh, found).unwrap();
        wrong.push(format!("{name} differs from {}", fresh.display()));
    }
}

/// Where a copy of the pages is wanted, to look at them.
fn show(name: &str, bytes: &[u8]) {
    if let Some(dir) = std::env::var_os("SHOW_REPORTS") {
        let dir = PathBuf::from(dir);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join(name), bytes).unwrap();
    }
}

#[test]
fn the_five_sessions_are_written_up_as_they_were() {
    let scratch = Scratch::new("replays");
    let (mut store, _) = Store::open(scratch.path(), at("2026-03-01T00:00:00Z")).unwrap();
    let mut durable = Durable::default();
    let mut wrong = Vec::new();
    for plan in plans() {
        durable = replay(&plan, &mut store, durable);
        let history = History::open(scratch.path()).unwrap();
        let record = history.session(&vchealth::model::SessionId::new(plan.id)).unwrap().unwrap();
        let as_of: Timestamp = record.closed.expect("it is over");
        let report = write_up(scratch.path(), record, as_of).unwrap();
        assert_eq!(report.totals.sites, plan.sites);
        for language in [Language::Vi, Language::En] {
            let html = report::write(&report, ReportFormat::Html, &style(language)).unwrap();
            let word = if language == Language::Vi { "vi" } else { "en" };
            show(&format!("{}.{word}.html", plan.id), &html);
            let html = String::from_utf8(html).unwrap();
            assert!(
                !html.contains("http://") && !html.contains("<script"),
                "nothing from elsewhere"
            );
            golden(&format!("{}.{word}.txt", plan.id), &text(&html), &mut wrong);
        }
        golden(&format!("{}.json", plan.id), &data(&report), &mut wrong);
        let csv = report::write(&report, ReportFormat::Csv, &style(Language::En)).unwrap();
        golden(&format!("{}.csv", plan.id), std::str::from_utf8(&csv).unwrap(), &mut wrong);
        let xlsx = report::write(&report, ReportFormat::Xlsx, &style(Language::Vi)).unwrap();
        assert!(xlsx.starts_with(b"PK"), "a workbook");
        show(&format!("{}.xlsx", plan.id), &xlsx);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
