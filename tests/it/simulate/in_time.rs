//! How soon people are told during a session, at any moment within the turns of probing.
//!
//! The table: `cargo test --test it in_time -- --nocapture`

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use vchealth::config::Config;
use vchealth::lab::fault::Fault;
use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::{Dice, Nature, Place, World};
use vchealth::model::{
    CheckKind, Effort, Importance, NotificationKind, Session, SessionId, SiteIx, Topology,
};

use super::run::{self, Run};

/// Runs of each situation.
const RUNS: u64 = 100;
/// Longest that a site may be dead in a session before the alert goes out, in 99 of 100 cases.
const PROMISED: Duration = Duration::from_secs(5);
/// The brain has been running for this long, and a little more, when something happens.
const WARM_UP: Duration = Duration::from_secs(10);
/// What has not been told by then never is.
const PATIENCE: Duration = Duration::from_secs(20);
/// Communes that lose their power at once.
const AT_ONCE: usize = 24;

/// What happens in a run: gives the sites that die, and how long after the beginning each does.
type Happens = fn(&Topology, &mut Dice) -> Vec<(SiteIx, Duration)>;

struct Situation {
    name: &'static str,
    /// Share of all packets that are lost, whatever happens.
    loss: f64,
    fault: Fault,
    happens: Happens,
}

const SITUATIONS: [Situation; 6] = [
    Situation {
        name: "a commune loses its power",
        loss: 0.0,
        fault: Fault::PowerCut,
        happens: |topology, dice| vec![(commune(topology, dice), Duration::ZERO)],
    },
    Situation {
        name: "the same while 1 % of all packets are lost",
        loss: 0.01,
        fault: Fault::PowerCut,
        happens: |topology, dice| vec![(commune(topology, dice), Duration::ZERO)],
    },
    Situation {
        name: "two communes, up to a second apart",
        loss: 0.0,
        fault: Fault::PowerCut,
        happens: |topology, dice| {
            let apart = Duration::from_millis(dice.up_to(1000));
            vec![(commune(topology, dice), Duration::ZERO), (commune(topology, dice), apart)]
        },
    },
    Situation {
        name: "two communes, up to five seconds apart",
        loss: 0.0,
        fault: Fault::PowerCut,
        happens: |topology, dice| {
            let apart = Duration::from_millis(dice.up_to(5000));
            vec![(commune(topology, dice), Duration::ZERO), (commune(topology, dice), apart)]
        },
    },
    Situation {
        name: "24 communes of all districts at once",
        loss: 0.0,
        fault: Fault::PowerCut,
        happens: |topology, dice| {
            let mut sites: Vec<SiteIx> = (0..AT_ONCE).map(|_| commune(topology, dice)).collect();
            sites.sort_unstable();
            sites.dedup();
            sites.into_iter().map(|site| (site, Duration::ZERO)).collect()
        },
    },
    Situation {
        name: "the line of a district is cut",
        loss: 0.0,
        fault: Fault::UplinkCut { says: None },
        happens: |topology, dice| {
            let districts: Vec<SiteIx> =
                topology.site_ixs().filter(|ix| depth(topology, *ix) == 1).collect();
            vec![(pick(&districts, dice), Duration::ZERO)]
        },
    },
];

fn depth(topology: &Topology, site: SiteIx) -> usize {
    topology.ancestors(site).len()
}

fn pick(sites: &[SiteIx], dice: &mut Dice) -> SiteIx {
    sites[usize::try_from(dice.up_to(sites.len() as u64 - 1)).unwrap()]
}

fn commune(topology: &Topology, dice: &mut Dice) -> SiteIx {
    let communes: Vec<SiteIx> =
        topology.site_ixs().filter(|ix| depth(topology, *ix) == 2).collect();
    pick(&communes, dice)
}

/// How long after its death each site was told of, and the number of messages.
fn play(situation: &Situation, topology: &Arc<Topology>, nth: u64) -> (Vec<Duration>, usize) {
    let mut dice = Dice::new(2026, nth);
    let begins = "2026-03-02T01:00:00Z".parse().unwrap();
    let session = Session {
        id: SessionId::new("s"),
        title: "the whole province".to_owned(),
        start: begins,
        end: begins + jiff::SignedDuration::from_hours(3),
        importance: Importance::Normal,
        sites: topology.site_ixs().map(|site| (site, 50)).collect(),
    };
    let nature = Nature { loss: situation.loss, seed: nth, ..Nature::default() };
    let config = Config {
        settings: run::settings(),
        topology: Arc::clone(topology),
        sessions: vec![Arc::new(session)],
        templates: Vec::new(),
    };
    let mut run = Run::new(config, World::new(Arc::clone(topology), nature), begins);
    let at = WARM_UP + Duration::from_millis(dice.up_to(1000));
    let mut dead = (situation.happens)(topology, &mut dice);
    dead.sort_by_key(|(_, later)| *later);
    for (site, later) in &dead {
        run.until(at + *later);
        run.world.place(run.now, Place::Site(*site, None), situation.fault);
    }
    run.until(at + PATIENCE);
    assert_eq!(run.complaints, [""; 0], "{}, run {nth}", situation.name);
    let told = dead.iter().map(|(site, later)| {
        let id = &topology.site(*site).id;
        let about = |incident: &vchealth::model::Incident| {
            incident.affected_now().any(|affected| affected == id)
        };
        let first = run.told.iter().find(|(_, message)| {
            message.kind != NotificationKind::Resolved && about(&message.alert.incident)
        });
        first.map_or(PATIENCE, |(told, _)| told.saturating_sub(at + *later))
    });
    (told.collect(), run.told.len())
}

#[test]
#[allow(clippy::print_stdout, reason = "the table is there to be read")]
fn a_site_that_dies_in_a_session_is_told_within_five_seconds_whenever_it_does() {
    let topology = run::sample_topology();
    println!("{:<44} {:>6} {:>6} {:>6} {:>9}", "", "p50", "p99", "max", "messages");
    let mut late = Vec::new();
    for situation in &SITUATIONS {
        let (mut times, mut messages) = (Vec::new(), 0);
        for nth in 0..RUNS {
            let (told, said) = play(situation, &topology, nth);
            times.extend(told);
            messages += said;
        }
        times.sort_unstable();
        let percentile = |of: usize| times[(times.len() * of).div_ceil(100) - 1];
        println!(
            "{:<44} {:>5.2}s {:>5.2}s {:>5.2}s {:>9.2}",
            situation.name,
            percentile(50).as_secs_f64(),
            percentile(99).as_secs_f64(),
            percentile(100).as_secs_f64(),
            messages as f64 / RUNS as f64,
        );
        if percentile(99) > PROMISED {
            late.push((situation.name, percentile(99)));
        }
    }
    assert!(late.is_empty(), "{late:?}");
}

#[test]
fn trains_of_echoes_go_in_a_session_to_who_answers_and_to_nobody_else_at_every_other_turn() {
    let text = "name: x\nprovince: {tree: {tinh: {huyen: [xa-a, xa-b], khac: [xa-c]}}}\n\
                sessions: [{title: x, from: +2h, to: +3h, subtree: huyen}]\nlasts: 3h\n\
                timeline:\n  - {at: 1h, site: xa-b, fault: power-cut}\nexpect: nothing\n";
    let scenario = Scenario::parse("trains.yaml", text).unwrap_or_else(|it| panic!("{it}"));
    let (mut run, steps) = Run::of(&scenario);
    let seen = Rc::new(RefCell::new(BTreeMap::<_, (u32, u32)>::new()));
    let (noted, whole) = (Rc::clone(&seen), Arc::clone(&run.topology));
    let begins = run.now.mono;
    run.tamper = Some(Box::new(move |request, target, now, _| {
        let site = whole.site(whole.target(target).site).id.to_string();
        let live = now.mono >= begins + Duration::from_secs(2 * 3600 + 60);
        let quiet = now.mono < begins + Duration::from_secs(1800);
        if (live || quiet) && matches!(whole.check_of(target).kind, CheckKind::Icmp(_)) {
            let mut noted = noted.borrow_mut();
            let (single, trains) = noted.entry((site, live)).or_default();
            *(if request.effort == Effort::Thorough { trains } else { single }) += 1;
        }
    }));
    run.play(&steps, Duration::from_secs(2 * 3600 + 600));
    let seen = seen.borrow();
    for ((site, live), (single, trains)) in seen.iter() {
        let wanted = *live && !["xa-b", "khac", "xa-c"].contains(&site.as_str());
        let fits = if wanted { single.abs_diff(*trains) <= 2 } else { *trains == 0 };
        assert!(fits && *single > 0, "{site}, live: {live}: {single} and {trains} trains");
    }
    assert!(seen.contains_key(&("xa-a".to_owned(), true)), "{seen:?}");
}
