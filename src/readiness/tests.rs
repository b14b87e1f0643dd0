//! Verdicts over made-up measurements, and how they are written down.
//!
//! The sheets are kept in `tests/golden/readiness/`. With `BLESS=1` in the environment they are
//! written anew; read them before committing, as whoever prepares a session.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use proptest::prelude::*;
use unicode_normalization::is_nfc;

use super::*;
use crate::config::{Config, LineCost};
use crate::model::{
    AnnouncedWork, Certificate, CheckId, CheckKind, Confirmation, Contact, Detail, EndpointId,
    Failure, FindingKind, Found, HttpDetail, IcmpCheck, IcmpDetail, IcmpError, Language,
    LocalFailure, Past, PastVerdict, Phase, ReadinessRun, RemoteFailure, Reply, RttList, Session,
    SessionId, SipDetail, SiteId, TargetIx, TargetKey, TcpDetail, Unreachable, Verdict,
};
use crate::monitor::tests::{config, province, session, start};

const TREE: &str =
    "{tinh: {cho-don: [tan-lap, bang-lang, nam-cuong], ba-be: [nam-mau, quang-khe]}}";

/// A province of which everything answers, to be spoilt.
struct World {
    config: Config,
    session: Arc<Session>,
    measured: Measured,
    past: Past,
}

fn now() -> Timestamp {
    start().wall
}

fn seconds(n: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(n)
}

impl World {
    fn new() -> Self {
        let mut topology = province(TREE);
        for site in &mut topology.sites {
            site.contacts = vec![Contact {
                name: format!("Trực {}", site.id),
                phone: "0209 000 0169".to_owned(),
                email: String::new(),
            }];
        }
        let mut config = config(topology);
        let session = session(&config.topology, "giao-ban", 3600, 10_800);
        config.sessions = vec![Arc::clone(&session)];
        let mut world =
            Self { config, session, measured: Measured::default(), past: Past::default() };
        let topology = Arc::clone(&world.config.topology);
        for ix in topology.target_ixs() {
            let key = topology.target_key(ix);
            world.measured.outcomes.insert(key.clone(), vec![world.well(ix)]);
            if topology.check_of(ix).kind.is_reachability() {
                let burst = Burst { sent: 25, rtts: vec![Duration::from_millis(9); 25] };
                world.measured.trains.insert(key.clone(), vec![burst; 10]);
                world.measured.mtus.insert(key, MtuSeen::Passes);
            }
        }
        for site in &topology.sites {
            world.measured.checked.insert(site.id.clone(), now() + seconds(8));
        }
        world
    }

    fn well(&self, ix: TargetIx) -> Result<Reply, Failure> {
        let rtt = Some(Duration::from_millis(9));
        let connected = TcpDetail { connect: Duration::from_millis(9) };
        let detail = match &self.config.topology.check_of(ix).kind {
            CheckKind::Icmp(_) => Detail::Icmp(IcmpDetail {
                sent: 3,
                received: 3,
                rtts: RttList::Many(vec![Duration::from_millis(9); 3].into()),
                ttl: Some(61),
                tos: Some(136),
                duplicates: 0,
            }),
            CheckKind::Tcp(_) => Detail::Tcp(connected),
            CheckKind::H323(_) => Detail::H323(connected),
            CheckKind::Http(_) => Detail::Http(Box::new(http(400, 0))),
            CheckKind::Sip(_) => Detail::Sip(Box::new(SipDetail {
                status: 200,
                reason: "OK".to_owned(),
                server: None,
                retransmissions: 0,
                certificate: None,
                seen_as: None,
                clock_offset_s: None,
            })),
        };
        Ok(Reply { rtt, detail })
    }

    /// Every target of a device, or of a site, answers like this from now on.
    fn all(&mut self, site: &str, endpoint: Option<&str>, outcome: &Result<Reply, Failure>) {
        let here = |key: &TargetKey| {
            key.site.as_str() == site
                && endpoint
                    .is_none_or(|it| key.endpoint.as_ref().is_some_and(|id| id.as_str() == it))
        };
        for (key, outcomes) in &mut self.measured.outcomes {
            if here(key) {
                *outcomes = vec![outcome.clone(), outcome.clone()];
            }
        }
        if outcome.is_err() {
            self.measured.trains.retain(|key, _| !here(key));
            self.measured.mtus.retain(|key, _| !here(key));
        }
    }

    fn silence(&mut self, site: &str) {
        self.all(site, None, &timeout());
    }

    fn set(&mut self, site: &str, check: &str, outcome: Result<Reply, Failure>) {
        self.measured.outcomes.insert(key(site, check), vec![outcome]);
    }

    fn judge(&self) -> ReadinessRun {
        let occasion = Occasion {
            session: &self.session,
            lead_s: Some(3600),
            began: now(),
            finished: now() + seconds(9),
            before: None,
        };
        judge(&self.config, &occasion, &self.measured, &self.past)
    }

    /// The verdict on a site and the kinds of what was found there.
    fn of(&self, site: &str) -> (Verdict, Vec<FindingKind>) {
        let run = self.judge();
        let site = run.sites.iter().find(|it| it.site.as_str() == site).unwrap();
        (site.verdict, site.findings.iter().map(|it| it.found.kind()).collect())
    }
}

/// A target of a site's codec.
fn key(site: &str, check: &str) -> TargetKey {
    TargetKey {
        site: SiteId::new(site),
        endpoint: Some(EndpointId::new("codec")),
        check: Some(CheckId::new(check)),
    }
}

fn http(days: i64, clock_offset_s: i64) -> HttpDetail {
    HttpDetail {
        status: 200,
        connect: None,
        first_byte: Duration::from_millis(12),
        total: Duration::from_millis(20),
        certificate: Some(Certificate {
            not_before: now() - seconds(86_400 * 30),
            not_after: now() + seconds(86_400 * days),
            subject: "CN=codec".to_owned(),
            self_signed: true,
        }),
        clock_offset_s: Some(clock_offset_s),
    }
}

fn web(days: i64, clock_offset_s: i64) -> Result<Reply, Failure> {
    Ok(Reply { rtt: None, detail: Detail::Http(Box::new(http(days, clock_offset_s))) })
}

fn timeout() -> Result<Reply, Failure> {
    Err(Failure::Remote(RemoteFailure::Timeout))
}

fn refused() -> Result<Reply, Failure> {
    Err(Failure::Remote(RemoteFailure::Refused))
}

fn unplugged() -> Result<Reply, Failure> {
    Err(Failure::Remote(RemoteFailure::Unreachable(IcmpError {
        kind: Unreachable::Host,
        icmp_type: 3,
        icmp_code: 1,
        offender: Some([10, 64, 3, 1].into()),
    })))
}

#[test]
fn a_site_of_which_everything_answers_is_ready_and_nothing_is_said_of_it() {
    let run = World::new().judge();
    assert_eq!(run.verdict(), Verdict::Ready);
    assert_eq!(run.counts(), [8, 0, 0, 0]);
    assert!(run.sites.iter().all(|site| site.findings.is_empty() && site.contacts.is_empty()));
    assert_eq!(run.sites[2].train.unwrap().sent, 250);
    assert_eq!(run.sites[2].mtu, Some(1500));
}

#[test]
fn a_dead_site_is_the_sites_own_as_long_as_its_neighbours_answer() {
    let mut world = World::new();
    world.silence("tan-lap");
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Silent]));
    assert_eq!(world.of("bang-lang").0, Verdict::Ready);
}

#[test]
fn a_dead_uplink_is_one_group_with_the_site_at_fault_first() {
    let mut world = World::new();
    for site in ["cho-don", "tan-lap", "bang-lang", "nam-cuong"] {
        world.silence(site);
    }
    let run = world.judge();
    let summary = Summary::of(&run);
    let [group] = &summary.groups[..] else { panic!("{:#?}", summary.groups) };
    assert_eq!((group.kind, group.verdict), (FindingKind::Uplink, Verdict::NotReady));
    assert_eq!(group.above, Some(("cho-don", "cho-don", false)));
    assert_eq!(group.sites.len(), 4);
    assert_eq!(group.sites[0].site.as_str(), "cho-don");
    let commune = &group.sites[1];
    assert_eq!(commune.contacts[0].name, "Trực cho-don", "the people at the node are phoned");
}

#[test]
fn when_most_below_a_site_that_answers_are_silent_it_lies_between() {
    let mut world = World::new();
    for site in ["tan-lap", "bang-lang", "nam-cuong"] {
        world.silence(site);
    }
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Uplink]));
    let run = world.judge();
    assert_eq!(Summary::of(&run).groups[0].above, Some(("cho-don", "cho-don", true)));
}

#[test]
fn a_silent_router_through_which_others_answer_explains_nobody_elses_silence() {
    // Our own: had it cut us off, nobody would answer.
    let mut world = World::new();
    world.silence("tinh");
    world.silence("tan-lap");
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Silent]));
    assert_eq!(world.of("tinh"), (Verdict::NotReady, vec![FindingKind::Silent]));

    // One above: the line through it carries its other communes.
    let mut world = World::new();
    world.silence("cho-don");
    world.silence("tan-lap");
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Silent]));
    assert_eq!(world.of("bang-lang").0, Verdict::Ready);
}

#[test]
fn silence_cannot_be_told_when_our_own_way_out_is_silent() {
    let mut world = World::new();
    let topology = Arc::clone(&world.config.topology);
    for site in &topology.sites {
        world.silence(site.id.as_str());
    }
    let run = world.judge();
    assert_eq!(run.count(Verdict::CannotTell), 8);
    assert_eq!(run.verdict(), Verdict::CannotTell);

    // The same where nobody says which site is ours.
    let mut anywhere = (*topology).clone();
    anywhere.vantage = None;
    world.config.topology = Arc::new(anywhere);
    assert_eq!(world.judge().count(Verdict::CannotTell), 8);

    let mut world = World::new();
    world.silence("tan-lap");
    world.past.blind = Some("our own link is down".to_owned());
    assert_eq!(world.of("tan-lap"), (Verdict::CannotTell, vec![FindingKind::Blind]));
    assert_eq!(world.of("nam-mau").0, Verdict::Ready, "what answers was seen");
}

#[test]
fn silence_cannot_be_told_where_this_machine_may_not_send_echoes() {
    let mut world = World::new();
    world.silence("tan-lap");
    let forbidden = || Err(Failure::Local(LocalFailure::Forbidden("by a firewall".to_owned())));
    for (key, outcomes) in &mut world.measured.outcomes {
        let is_ping = key.check.as_ref().is_some_and(|check| check.as_str() == "ping");
        if key.site.as_str() == "tan-lap" && is_ping {
            *outcomes = vec![forbidden(), forbidden()];
        }
    }
    let (verdict, kinds) = world.of("tan-lap");
    assert_eq!(verdict, Verdict::CannotTell, "what else it asks may be stopped here as well");
    assert!(kinds.iter().all(|kind| *kind == FindingKind::NotAsked), "{kinds:?}");
}

#[test]
fn a_name_that_is_not_resolved_is_no_fault_of_the_site() {
    let mut world = World::new();
    let gone = LocalFailure::NoSuchName("codec.tan-lap.example".to_owned());
    world.all("tan-lap", Some("codec"), &Err(Failure::Local(gone)));
    let (verdict, kinds) = world.of("tan-lap");
    assert_eq!(verdict, Verdict::CannotTell);
    assert!(kinds.iter().all(|kind| *kind == FindingKind::Name), "{kinds:?}");
}

#[test]
fn a_device_that_is_off_is_told_from_a_site_that_is_dark() {
    let mut world = World::new();
    world.all("tan-lap", Some("codec"), &unplugged());
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Device]));
}

#[test]
fn a_router_that_keeps_quiet_is_nothing() {
    let mut world = World::new();
    world.all("tan-lap", Some("router"), &timeout());
    assert_eq!(world.of("tan-lap"), (Verdict::Ready, vec![]));
}

#[test]
fn one_way_to_call_left_is_a_risk_and_none_is_not_ready() {
    let mut world = World::new();
    world.set("tan-lap", "sip", timeout());
    assert_eq!(world.of("tan-lap"), (Verdict::AtRisk, vec![FindingKind::Service]));
    world.set("tan-lap", "h323", refused());
    let both = vec![FindingKind::Service, FindingKind::Service];
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, both));
    let mut world = World::new();
    world.set("tan-lap", "web", refused());
    assert_eq!(world.of("tan-lap").0, Verdict::AtRisk, "nobody calls a web page");
}

#[test]
fn what_never_worked_is_switched_off_on_purpose_as_long_as_something_else_works() {
    let mut world = World::new();
    world.past.never_up = [key("tan-lap", "sip"), key("tan-lap", "h323")].into();
    world.set("tan-lap", "sip", timeout());
    assert_eq!(world.of("tan-lap"), (Verdict::Ready, vec![]));
    world.set("tan-lap", "h323", refused());
    assert_eq!(world.of("tan-lap").0, Verdict::NotReady);
}

#[test]
fn paths_weigh_by_the_limits_of_the_settings() {
    let train = |answered: usize, rtts: &[u64]| {
        let rtts = rtts.iter().map(|ms| Duration::from_millis(*ms)).cycle().take(answered);
        vec![Burst { sent: 25, rtts: rtts.collect() }; 10]
    };
    for (bursts, verdict, kind) in [
        (train(25, &[9]), Verdict::Ready, None),
        (train(24, &[9]), Verdict::AtRisk, Some(FindingKind::Loss)),
        (train(20, &[9]), Verdict::NotReady, Some(FindingKind::Loss)),
        (train(25, &[200]), Verdict::AtRisk, Some(FindingKind::Delay)),
        (train(25, &[500]), Verdict::NotReady, Some(FindingKind::Delay)),
        (train(25, &[9, 49]), Verdict::AtRisk, Some(FindingKind::Jitter)),
        (train(25, &[9, 109]), Verdict::NotReady, Some(FindingKind::Jitter)),
    ] {
        let mut world = World::new();
        world.measured.trains.insert(key("tan-lap", "ping"), bursts);
        assert_eq!(world.of("tan-lap"), (verdict, kind.into_iter().collect()));
    }
    // Two lost packets of 250 are no share of anything.
    let mut bursts = train(25, &[9]);
    bursts[3].rtts.truncate(23);
    let mut world = World::new();
    world.measured.trains.insert(key("tan-lap", "ping"), bursts);
    assert_eq!(world.of("tan-lap"), (Verdict::Ready, vec![]));
}

#[test]
fn a_line_that_comes_and_goes_is_no_lossy_one_and_no_black_hole() {
    let mut world = World::new();
    let train = world.measured.trains.get_mut(&key("tan-lap", "ping")).unwrap();
    train[4].rtts.clear();
    train[5].rtts.clear();
    world.measured.mtus.insert(key("tan-lap", "ping"), MtuSeen::Vanishes(1400));
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::Unsteady]));

    let mut world = World::new();
    let echoes = world.measured.outcomes.get_mut(&key("tan-lap", "ping")).unwrap();
    echoes.insert(0, timeout());
    assert_eq!(world.of("tan-lap"), (Verdict::AtRisk, vec![FindingKind::Unsteady]));
}

#[test]
fn large_packets_that_vanish_break_calls_and_those_that_are_refused_may() {
    let mut world = World::new();
    world.measured.mtus.insert(key("tan-lap", "ping"), MtuSeen::Vanishes(1400));
    assert_eq!(world.of("tan-lap"), (Verdict::NotReady, vec![FindingKind::BlackHole]));
    world.measured.mtus.insert(key("tan-lap", "ping"), MtuSeen::Told(1400));
    assert_eq!(world.of("tan-lap"), (Verdict::AtRisk, vec![FindingKind::SmallMtu]));
    world.measured.mtus.insert(key("tan-lap", "ping"), MtuSeen::Unknown);
    assert_eq!(world.of("tan-lap"), (Verdict::Ready, vec![]));
}

#[test]
fn certificates_and_clocks_are_a_risk_unless_it_is_our_clock() {
    let mut world = World::new();
    world.set("tan-lap", "web", web(-1, 0));
    world.set("nam-mau", "web", web(13, 0));
    world.set("bang-lang", "web", web(400, -900));
    assert_eq!(world.of("tan-lap"), (Verdict::AtRisk, vec![FindingKind::Certificate]));
    assert_eq!(world.of("nam-mau"), (Verdict::AtRisk, vec![FindingKind::Certificate]));
    assert_eq!(world.of("bang-lang"), (Verdict::AtRisk, vec![FindingKind::Clock]));
    let mut world = World::new();
    for site in ["tinh", "cho-don", "tan-lap", "bang-lang", "nam-mau"] {
        world.set(site, "web", web(400, -900));
    }
    let run = world.judge();
    assert_eq!((run.own_clock_off_s, run.verdict()), (Some(900), Verdict::Ready));
}

#[test]
fn what_failed_before_and_what_flapped_lately_is_a_risk() {
    let mut world = World::new();
    let past = |n: i64, verdict| PastVerdict {
        session: SessionId::new(format!("phien-{n}")),
        start: now() - seconds(86_400 * n),
        verdict,
    };
    let (bad, good) = (Verdict::NotReady, Verdict::Ready);
    let verdicts =
        vec![past(1, bad), past(2, good), past(3, bad), past(4, good), past(5, bad), past(6, bad)];
    world.past.verdicts.insert(SiteId::new("tan-lap"), verdicts);
    world.past.verdicts.insert(SiteId::new("nam-mau"), vec![past(1, bad), past(2, good)]);
    world.past.relapses.insert(SiteId::new("bang-lang"), 3);
    let run = world.judge();
    let found = |id: &str| {
        run.sites
            .iter()
            .find(|it| it.site.as_str() == id)
            .unwrap()
            .main()
            .map(|it| it.found.clone())
    };
    assert_eq!(found("tan-lap"), Some(Found::FailedBefore { failed: 3, of: 5 }));
    assert_eq!(found("nam-mau"), None, "once is no habit");
    assert_eq!(found("bang-lang"), Some(Found::Flapping { relapses: 3 }));
    let pen = words::Pen { language: Language::En, time_zone: TimeZone::UTC };
    let text = pen.evidence(&found("tan-lap").unwrap());
    assert_eq!(text, "failed readiness in 3 of its last 5 sessions");
    let text = |relapses| pen.evidence(&Found::Flapping { relapses });
    assert_eq!([text(1), text(3)], ["it relapsed lately", "it relapsed 3 times lately"]);
}

#[test]
fn a_site_that_was_not_looked_at_again_stands_as_it_did() {
    let mut world = World::new();
    world.silence("tan-lap");
    let before = world.judge();
    let mut again = World::new();
    again.measured.checked.retain(|site, _| site.as_str() == "nam-mau");
    let occasion = Occasion {
        session: &again.session,
        lead_s: None,
        began: now(),
        finished: now() + seconds(60),
        before: Some(&before),
    };
    let run = judge(&again.config, &occasion, &again.measured, &again.past);
    assert_eq!(run.sites.len(), 8);
    assert_eq!(run.count(Verdict::NotReady), 1);
    let occasion = Occasion { before: None, ..occasion };
    let run = judge(&again.config, &occasion, &again.measured, &again.past);
    assert_eq!(run.count(Verdict::CannotTell), 7, "nothing is known of the others");
}

#[test]
fn no_line_carries_more_than_its_budget() {
    let mut world = World::new();
    for budget in [30, 64, 1000] {
        world.config.settings.budget.line_kbit_s = budget;
        let survey = survey(&world.config, &world.session, &Scope::All);
        assert_eq!(survey.sites.len(), 8);
        for site in &survey.sites {
            let ix = world.config.topology.find_site(&site.site).unwrap();
            let live = LineCost::of_site(&world.config.topology, ix, Phase::Live).worst();
            let bits = |check: &IcmpCheck| {
                f64::from(check.size + 28) * 8.0 / 1000.0 / check.spacing.as_secs_f64()
            };
            let train: f64 = site.trains.iter().map(|it| bits(&it.stretch)).sum();
            let large: f64 = site.mtus.iter().map(|it| bits(&it.large)).sum();
            let most = f64::from(budget) - live;
            assert!(train <= most.max(5.0) + 0.1, "{budget}: {train} beside {live}");
            assert!(large <= most.max(8.0) + 0.1, "{budget}: {large} beside {live}");
            for it in &site.trains {
                let length = it.period() * u32::from(it.stretches);
                assert!(length >= Duration::from_secs(5) && length < Duration::from_secs(7));
            }
        }
    }
    let only = Scope::Only(BTreeSet::from([SiteId::new("tan-lap")]));
    let one = survey(&world.config, &world.session, &only);
    assert_eq!(one.sites.len(), 1);
    let around: Vec<&str> = one.around.iter().map(|key| key.site.as_str()).collect();
    assert_eq!(around, ["tinh", "cho-don"], "what its line runs through is asked as well");
}

/// A run with most kinds of finding, as a person would meet them.
fn morning() -> (World, ReadinessRun) {
    let mut world = World::new();
    let names = [
        ("tinh", "Tỉnh Bắc Kạn"),
        ("cho-don", "Huyện Chợ Đồn"),
        ("tan-lap", "Xã Tân Lập"),
        ("bang-lang", "Xã Bằng Lãng"),
        ("nam-cuong", "Xã Nam Cường"),
        ("ba-be", "Huyện Ba Bể"),
        ("nam-mau", "Xã Nam Mẫu"),
        ("quang-khe", "Xã Quảng Khê"),
    ];
    let mut topology = (*world.config.topology).clone();
    for (id, name) in names {
        let ix = topology.find_site(&SiteId::new(id)).unwrap();
        name.clone_into(&mut topology.sites[ix.ix()].name);
        topology.sites[ix.ix()].contacts[0].name = format!("Trực {name}");
    }
    world.config.topology = Arc::new(topology);
    let mut session = (*world.session).clone();
    "Giao ban trực tuyến tháng 1".clone_into(&mut session.title);
    world.session = Arc::new(session);
    world.silence("tan-lap");
    world.all("bang-lang", Some("codec"), &unplugged());
    world.set("nam-cuong", "sip", timeout());
    world.measured.mtus.insert(key("nam-mau", "ping"), MtuSeen::Vanishes(1400));
    let gone = LocalFailure::Unresolved("codec.quang-khe.example".to_owned());
    world.all("quang-khe", Some("codec"), &Err(Failure::Local(gone)));
    world.set("ba-be", "web", web(5, 0));
    let run = world.judge();
    (world, run)
}

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/readiness").join(name);
    assert!(is_nfc(text), "{name} holds composed letters only");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, expected, "{name} changed; BLESS=1 writes it anew, then read it");
}

#[test]
fn a_run_reads_well_on_every_sheet_and_claims_no_picture() {
    let (_, run) = morning();
    let confirmed = [Confirmation {
        session: run.session.clone(),
        site: SiteId::new("tinh"),
        picture: true,
        sound: true,
        by: "Nguyễn Thị Hà".to_owned(),
        at: now() + seconds(60),
        note: "gọi thử <2 phút>".to_owned(),
    }];
    for (language, name) in [(Language::Vi, "vi"), (Language::En, "en")] {
        let sheet = Sheet {
            language,
            time_zone: TimeZone::fixed(Offset::constant(7)),
            confirmed: &confirmed,
            now: run.finished,
        };
        let (text, html, junit) = (text(&run, &sheet), html(&run, &sheet), junit(&run, &sheet));
        golden(&format!("{name}.txt"), &text);
        golden(&format!("{name}.html"), &html);
        golden(&format!("{name}.xml"), &junit);
        assert!(!html.contains("<2 phút>"), "what people wrote is no markup");
        for sheet in [&text, &html] {
            assert!(sheet.contains(words::reservation(language)));
        }
    }
}

/// What a target may say.
fn outcome() -> impl Strategy<Value = Result<Reply, Failure>> {
    let connected = Detail::Tcp(TcpDetail { connect: Duration::from_millis(3) });
    prop_oneof![
        Just(Ok(Reply { rtt: None, detail: connected })),
        Just(timeout()),
        Just(refused()),
        Just(unplugged()),
        Just(Err(Failure::Local(LocalFailure::NoRoute))),
        Just(Err(Failure::Local(LocalFailure::Unresolved("x".to_owned())))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the targets say: every site stands there once, with the worst of its findings, and
    /// what only we failed at is never their fault.
    #[test]
    fn verdicts_follow_from_findings(said in proptest::collection::vec(outcome(), 40)) {
        let mut world = World::new();
        let keys: Vec<TargetKey> = world.measured.outcomes.keys().cloned().collect();
        for (key, outcome) in keys.iter().zip(said.iter().cycle()) {
            world.measured.outcomes.insert(key.clone(), vec![outcome.clone()]);
        }
        world.measured.trains.clear();
        let run = world.judge();
        prop_assert_eq!(run.sites.len(), 8);
        let summary = Summary::of(&run);
        let listed: usize = summary.groups.iter().map(|group| group.sites.len()).sum();
        prop_assert_eq!(listed, run.sites.iter().filter(|it| !it.findings.is_empty()).count());
        prop_assert!(summary.groups.windows(2).all(|two| two[0].verdict >= two[1].verdict));
        let mut remote: BTreeMap<&SiteId, bool> = BTreeMap::new();
        for (key, outcomes) in &world.measured.outcomes {
            let failed = matches!(outcomes.last(), Some(Err(Failure::Remote(_))));
            *remote.entry(&key.site).or_default() |= failed;
        }
        for site in &run.sites {
            let worst = site.findings.iter().map(|it| it.verdict).max();
            prop_assert_eq!(site.verdict, worst.unwrap_or(Verdict::Ready));
            prop_assert!(remote[&site.site] || site.verdict != Verdict::NotReady);
        }
    }
}

#[test]
fn of_a_site_that_is_worked_on_the_work_is_told_with_what_is_found() {
    let mut world = World::new();
    world.silence("tan-lap");
    let work = AnnouncedWork { until: now() + seconds(3_600), reason: "thay router".to_owned() };
    let ids = ["tan-lap", "nam-mau"].map(SiteId::new);
    world.past.works = ids.into_iter().map(|id| (id, work.clone())).collect();
    let run = world.judge();
    let of = |id: &str| run.sites.iter().find(|site| site.site.as_str() == id).unwrap();
    let pen = words::Pen { language: Language::En, time_zone: TimeZone::UTC };
    let said = pen.main(of("tan-lap"));
    assert!(said.contains("; announced work until ") && said.ends_with(" (thay router)"), "{said}");
    assert!(pen.findings(of("tan-lap")).last().unwrap().starts_with("announced work"));
    assert_eq!(of("nam-mau").work, None, "there is nothing to explain");
}
