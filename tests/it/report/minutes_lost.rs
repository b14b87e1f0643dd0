//! Minutes lost, twice: as the report says, from what the brain decided and the store kept; and
//! recomputed here from nothing but the outcomes of the probes. Over random histories of power
//! cuts, cut lines, restarts, planned work and sites that come and go, the two are equal to the
//! nanosecond.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use vchealth::config::Config;
use vchealth::daemon::write_up;
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::{Act, Step};
use vchealth::lab::world::{Nature, Place, World};
use vchealth::model::{
    Change, Check, CheckId, CheckKind, ClassId, Durable, Endpoint, EndpointId, EndpointIx, Host,
    IcmpCheck, Importance, Level, LevelIx, Paces, Session, SessionId, Site, SiteId, SiteIx, Target,
    TargetIx, Topology,
};
use vchealth::monitor::Input;
use vchealth::store::{History, Store};

use crate::fixtures::{Scratch, at};
use crate::simulate::run::{Learned, Run, WARM_UP, settings};

/// Districts, and communes of each. The line of the last one is never cut: a monitor before which
/// nearly everything falls silent at once rightly takes it for its own network and says unknown.
const DISTRICTS: usize = 3;
const COMMUNES: usize = 4;
/// The session begins and ends so long after the history does.
const SESSION: (u64, u64) = (120, 1_500);
/// How long the history lasts.
const LASTS: u64 = 1_600;

/// What happens.
#[derive(Debug, Clone)]
enum Event {
    PowerCut { commune: usize, lasts: u64 },
    LineCut { district: usize, lasts: u64 },
    Restart { away: u64 },
    Maintenance { site: usize, lasts: u64 },
    LeftOut { commune: usize, lasts: u64 },
}

/// A province in which every site has one router that is pinged, so that whether a site can take
/// part follows from its own outcomes alone.
pub(super) fn topology() -> Topology {
    let second = Duration::from_secs(1);
    let echo = IcmpCheck {
        count: 1,
        spacing: Duration::from_millis(20),
        size: 56,
        dscp: 34,
        dont_fragment: false,
    };
    let mut topology = Topology {
        levels: vec![
            Level::named("province", "Tỉnh", "Province"),
            Level::named("district", "Cụm", "Cluster"),
            Level::named("commune", "Xã", "Commune"),
        ],
        checks: vec![Check {
            id: CheckId::new("ping"),
            kind: CheckKind::Icmp(echo),
            timeout: second,
            paces: Paces {
                idle: second * 5,
                readiness: second * 5,
                live: second,
                wrap_up: second * 5,
            },
            confirm_after: Duration::from_millis(100),
        }],
        ..Topology::default()
    };
    add(&mut topology, "tinh", 0, None);
    for district in 0..DISTRICTS {
        let parent = add(&mut topology, &format!("cum-{district}"), 1, Some(SiteIx::new(0)));
        for commune in 0..COMMUNES {
            add(&mut topology, &format!("xa-{district}-{commune}"), 2, Some(parent));
        }
    }
    topology
}

fn add(topology: &mut Topology, id: &str, level: usize, parent: Option<SiteIx>) -> SiteIx {
    let n = topology.sites.len();
    let (site, endpoint) = (SiteIx::new(n), EndpointIx::new(n));
    topology.sites.push(Site {
        id: SiteId::new(id),
        name: id.to_owned(),
        level: LevelIx::new(level),
        class: ClassId::new("router"),
        parent,
        children: Vec::new(),
        contacts: Vec::new(),
        labels: BTreeMap::new(),
        endpoints: [endpoint].into_iter().collect(),
    });
    topology.endpoints.push(Endpoint {
        id: EndpointId::new("router"),
        site,
        host: Host::Ip(format!("10.64.{n}.1").parse().unwrap()),
        targets: [TargetIx::new(n)].into_iter().collect(),
    });
    topology.targets.push(Target { endpoint, site, check: 0 });
    topology.site_by_id.insert(SiteId::new(id), site);
    if let Some(parent) = parent {
        topology.sites[parent.ix()].children.push(site);
    }
    site
}

fn district(nth: usize) -> SiteIx {
    SiteIx::new(1 + nth * (COMMUNES + 1))
}

fn commune(nth: usize) -> SiteIx {
    SiteIx::new(2 + nth % COMMUNES + nth / COMMUNES * (COMMUNES + 1))
}

/// Steps and, for the recomputation, when the daemon went away and which sites were left out when.
fn steps(events: &[(u64, Event)]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |at: u64, act: Act| steps.push(Step { at: Duration::from_secs(at), act });
    let mut busy = 0;
    for (at, event) in events {
        match event {
            Event::PowerCut { commune: nth, lasts } => {
                let places = vec![Place::Site(commune(*nth), None)];
                step(*at, Act::Place { places: places.clone(), fault: Fault::PowerCut });
                step(at + lasts, Act::Lift { places, kind: Some(Fault::PowerCut.kind()) });
            }
            Event::LineCut { district: nth, lasts } => {
                let places = vec![Place::Site(district(*nth), None)];
                let fault = Fault::UplinkCut { says: None };
                step(*at, Act::Place { places: places.clone(), fault });
                step(at + lasts, Act::Lift { places, kind: Some(fault.kind()) });
            }
            // One thing at a time is done to the daemon itself.
            Event::Restart { away } if *at >= busy => {
                busy = at + away + 10;
                step(*at, Act::Restart { away: Duration::from_secs(*away), killed: false });
            }
            Event::LeftOut { commune: nth, lasts } if *at >= busy => {
                busy = at + lasts + 10;
                step(*at, Act::Reload { without: vec![commune(*nth)] });
                step(at + lasts, Act::Reload { without: Vec::new() });
            }
            Event::Maintenance { site, lasts } if *at >= busy => {
                busy = at + 10;
                let sites = vec![SiteIx::new(*site)];
                step(*at, Act::Maintenance { sites, lasts: Duration::from_secs(*lasts) });
            }
            Event::Restart { .. } | Event::LeftOut { .. } | Event::Maintenance { .. } => {}
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

/// Stretches of time.
type Spans = Vec<(Timestamp, Timestamp)>;

/// When a site could not take part, from its outcomes alone: from the first of three failures in a
/// row to the first of two replies in a row. Rows begin anew when the daemon does, and nothing at
/// all is known of a site that was left out.
fn down(learned: &[&Learned], starts: &[Timestamp], gone: &Spans, end: Timestamp) -> Spans {
    let mut spans = Vec::new();
    let (mut since, mut bad, mut good): (Option<Timestamp>, Vec<Timestamp>, Vec<Timestamp>) =
        Default::default();
    let mut before = Timestamp::MIN;
    for it in learned {
        if starts.iter().any(|start| before < *start && *start <= it.asked) {
            bad.clear();
            good.clear();
        }
        if let Some((from, _)) = gone.iter().find(|(from, _)| before < *from && *from <= it.told) {
            spans.extend(since.take().map(|since| (since, *from)));
            bad.clear();
            good.clear();
        }
        before = it.told;
        // What was under way when its site was left out is about nothing any more.
        if gone.iter().any(|(from, _)| it.asked < *from && *from <= it.told) {
            continue;
        }
        match it.reply {
            Some(true) => {
                bad.clear();
                good.push(it.asked);
            }
            Some(false) => {
                good.clear();
                bad.push(it.asked);
            }
            None => {}
        }
        if bad.len() >= 3 && since.is_none() {
            since = Some(bad[0]);
        }
        if good.len() >= 2 {
            spans.extend(since.take().map(|since| (since, good[0])));
        }
    }
    spans.extend(since.map(|since| (since, end)));
    spans
}

/// Time that lies in one of `spans` and in one of each of `within`, and in none of `without`.
fn measure(spans: &Spans, within: &[&Spans], without: &Spans) -> SignedDuration {
    let all = within.iter().copied().chain([spans, without]);
    let mut edges: Vec<Timestamp> = all.flatten().flat_map(|(a, b)| [*a, *b]).collect();
    edges.sort_unstable();
    edges.dedup();
    let is_in = |spans: &Spans, at| spans.iter().any(|(a, b)| *a <= at && at < *b);
    edges
        .windows(2)
        .filter(|pair| {
            let at = pair[0];
            is_in(spans, at) && within.iter().all(|it| is_in(it, at)) && !is_in(without, at)
        })
        .map(|pair| pair[1].duration_since(pair[0]))
        .sum()
}

/// Plays a history; gives what happened and, apart from it, when the daemon started and which
/// sites were left out.
fn play(events: &[(u64, Event)]) -> (Run, Vec<Timestamp>, BTreeMap<SiteId, Spans>) {
    let topology = Arc::new(topology());
    let begins = at("2026-03-02T01:00:00Z");
    let after = |seconds: u64| begins.checked_add(Duration::from_secs(seconds)).unwrap();
    let session = Session {
        id: SessionId::new("s"),
        title: "Phiên họp".to_owned(),
        start: after(SESSION.0),
        end: after(SESSION.1),
        importance: Importance::Normal,
        sites: topology.site_ixs().map(|site| (site, 10)).collect(),
    };
    let config = Config {
        templates: Vec::new(),
        settings: settings(),
        topology: Arc::clone(&topology),
        sessions: vec![Arc::new(session)],
    };
    let before = begins.checked_sub(WARM_UP).unwrap();
    let world = World::new(Arc::clone(&topology), Nature::default());
    let mut run = Run::remembering(config, world, before, Durable::default());
    let mut starts = vec![before];
    let mut left_out: BTreeMap<SiteId, Spans> = BTreeMap::new();
    let mut out: Option<(SiteIx, Timestamp)> = None;
    for step in steps(events) {
        run.until(WARM_UP + step.at);
        match &step.act {
            Act::Restart { away, .. } => {
                run.tell(Input::Stop);
                starts.push(run.now.wall.checked_add(*away).unwrap());
            }
            Act::Reload { without } => {
                if let Some((site, since)) = out.take() {
                    let id = topology.site(site).id.clone();
                    left_out.entry(id).or_default().push((since, run.now.wall));
                }
                out = without.first().map(|site| (*site, run.now.wall));
            }
            _ => {}
        }
        run.act(&step.act);
    }
    run.until(WARM_UP + Duration::from_secs(LASTS));
    run.tell(Input::Stop);
    if let Some((site, since)) = out {
        let id = topology.site(site).id.clone();
        left_out.entry(id).or_default().push((since, Timestamp::MAX));
    }
    (run, starts, left_out)
}

/// Compares the report with the recomputation, site by site.
fn compare(events: &[(u64, Event)]) -> Result<Duration, TestCaseError> {
    let (run, starts, left_out) = play(events);
    let kept = run.kept.as_ref().unwrap();
    let scratch = Scratch::new(&format!("minutes-{:?}", std::thread::current().id()));
    let (mut store, _) = Store::open(scratch.path(), run.now.wall).unwrap();
    store.commit(&kept.batches, &[], run.now.wall).unwrap();
    let history = History::open(scratch.path()).unwrap();
    let record = history.session(&SessionId::new("s")).unwrap().expect("the session was kept");
    prop_assert!(record.closed.is_some(), "the session is over and everything is known");
    let report = write_up(scratch.path(), record.clone(), run.now.wall).unwrap();

    let session: Spans = vec![(record.start, record.end)];
    let changes = || kept.batches.iter().flat_map(|batch| &batch.changes);
    let watched: Spans = history
        .watches(Timestamp::MIN, Timestamp::MAX)
        .unwrap()
        .iter()
        .map(|watch| (watch.since, watch.until))
        .collect();
    let whole = topology();
    let mut sum = SignedDuration::ZERO;
    let always = vec![(Timestamp::MIN, Timestamp::MAX)];
    for site in &report.sites {
        let ix = whole.find_site(&site.site).unwrap();
        let line: Vec<SiteId> =
            whole.ancestors(ix).iter().map(|ix| whole.site(*ix).id.clone()).collect();
        let planned: Spans = changes()
            .filter_map(|change| match change {
                Change::Maintenance(window)
                    if window.sites.iter().any(|it| *it == site.site || line.contains(it)) =>
                {
                    Some((window.from, window.until))
                }
                _ => None,
            })
            .collect();
        let learned: Vec<&Learned> =
            kept.learned.iter().filter(|it| it.site == site.site).collect();
        let gone = left_out.get(&site.site).cloned().unwrap_or_default();
        let mut absent = gone.clone();
        absent.extend(&planned);
        let spans = down(&learned, &starts, &gone, run.now.wall);
        let expected = measure(&spans, &[&session, &watched, &always], &absent);
        let told = SignedDuration::try_from(site.time.down).unwrap();
        prop_assert_eq!(
            told,
            expected,
            "{}: {:?}, the report says {:?}",
            site.site,
            spans,
            site.outages
        );
        sum += expected;
    }
    prop_assert_eq!(SignedDuration::try_from(report.totals.lost).unwrap(), sum);
    let all = SignedDuration::from_secs(i64::try_from(SESSION.1 - SESSION.0).unwrap());
    for site in &report.sites {
        let time = site.time;
        let parts = time.counted() + time.unseen + time.unwatched + time.planned + time.absent;
        prop_assert_eq!(
            SignedDuration::try_from(parts).unwrap(),
            all,
            "{} is told without gaps",
            site.site
        );
    }
    Ok(report.totals.lost)
}

fn event() -> impl Strategy<Value = Event> {
    let communes = DISTRICTS * COMMUNES;
    let sites = 1 + DISTRICTS * (COMMUNES + 1);
    prop_oneof![
        6 => (0..communes, 15..400u64).prop_map(|(commune, lasts)| Event::PowerCut { commune, lasts }),
        2 => (0..DISTRICTS - 1, 15..300u64)
            .prop_map(|(district, lasts)| Event::LineCut { district, lasts }),
        1 => (5..90u64).prop_map(|away| Event::Restart { away }),
        1 => (1..sites, 60..600u64).prop_map(|(site, lasts)| Event::Maintenance { site, lasts }),
        1 => (0..communes, 30..300u64).prop_map(|(commune, lasts)| Event::LeftOut { commune, lasts }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn minutes_lost_are_those_that_the_outcomes_come_to(
        mut events in proptest::collection::vec((1..LASTS - 100, event()), 1..14),
    ) {
        events.sort_by_key(|(at, _)| *at);
        compare(&events)?;
    }
}

#[test]
fn an_outage_of_five_minutes_is_five_minutes_lost() {
    let lost = compare(&[(300, Event::PowerCut { commune: 0, lasts: 300 })]).unwrap();
    let off = lost.abs_diff(Duration::from_secs(300));
    assert!(off <= Duration::from_secs(2), "{lost:?}, within two probes of the truth");
}

#[test]
fn a_district_line_cut_costs_its_seat_and_its_communes() {
    let lost = compare(&[(300, Event::LineCut { district: 0, lasts: 60 })]).unwrap();
    let off = lost.abs_diff(Duration::from_secs(60 * (COMMUNES as u64 + 1)));
    assert!(off <= Duration::from_secs(2 * (COMMUNES as u64 + 1)), "{lost:?}");
}

#[test]
fn a_site_that_was_left_out_while_it_was_dark_and_came_back_dark_counts_from_then() {
    let events = [
        (785, Event::PowerCut { commune: 5, lasts: 183 }),
        (786, Event::LeftOut { commune: 5, lasts: 30 }),
        (968, Event::PowerCut { commune: 5, lasts: 202 }),
    ];
    compare(&events).unwrap();
}
