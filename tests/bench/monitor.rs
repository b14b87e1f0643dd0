//! What thinking costs: a province of 5,000 targets for one virtual hour, through several kinds of
//! history: an ordinary hour, and hours in which all of it sits in a live session, which is asked
//! for many times as often.
//!
//! `cargo bench --bench monitor -- [--judge]`; with `--judge` it ends with an error if a story
//! takes longer than is asked, or if what chance alone loses is told.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has clocks and prints what it measured"
)]
#![allow(dead_code, reason = "what it borrows from the tests has more uses there")]

#[path = "../it/simulate/run.rs"]
mod run;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vchealth::config::Config;
use vchealth::lab::fault::{Fault, Loss};
use vchealth::lab::world::{Nature, Place, World};
use vchealth::model::{Importance, Session, SessionId, SiteIx};

use self::run::Run;

/// Sites of five targets each.
const SITES: usize = 1_000;
const HOUR: Duration = Duration::from_secs(3_600);

/// What happens in the hour.
struct Story {
    name: &'static str,
    /// Whether the whole province sits in a session.
    live: bool,
    loss: f64,
    happens: fn(&mut Run),
    /// How long all of it may take, the emulated province included.
    asked: Asked,
    /// How many messages there may be, where that is a question.
    messages: Option<usize>,
}

#[derive(Clone, Copy)]
enum Asked {
    Within(Duration),
    /// So many times as long as a live session in which nothing happens.
    Times(u32),
}

const STORIES: [Story; 5] = [
    Story {
        name: "no session, nothing happens",
        live: false,
        loss: 0.0,
        happens: |run| run.until(HOUR),
        asked: Asked::Within(Duration::from_secs(5)),
        messages: Some(0),
    },
    Story {
        name: "live, nothing happens",
        live: true,
        loss: 0.0,
        happens: |run| run.until(HOUR),
        asked: Asked::Within(Duration::from_secs(5)),
        messages: Some(0),
    },
    Story {
        name: "live, 1 % of all packets are lost",
        live: true,
        loss: 0.01,
        happens: |run| run.until(HOUR),
        asked: Asked::Within(Duration::from_secs(5)),
        messages: Some(0),
    },
    Story {
        name: "live, a district cut every five minutes",
        live: true,
        loss: 0.0,
        happens: cuts,
        asked: Asked::Within(Duration::from_secs(5)),
        messages: None,
    },
    // No province does that. It is here so that a storm is seen to cost a small multiple.
    Story {
        name: "live, all come and go every minute",
        live: true,
        loss: 0.0,
        happens: flaps,
        asked: Asked::Times(4),
        messages: None,
    },
];

/// A district, its line, and a lossy commune elsewhere, twelve times.
fn cuts(run: &mut Run) {
    for n in 0..12u32 {
        let district = SiteIx::new(1 + n as usize % 10);
        let lossy = SiteIx::new(500 + n as usize);
        run.until(Duration::from_secs(300) * n + Duration::from_secs(30));
        run.world.place(run.now, Place::Site(district, None), Fault::UplinkCut { says: None });
        run.world.place(run.now, Place::Site(lossy, None), Fault::Loss(Loss::round_trip(0.1)));
        run.until(run.elapsed() + Duration::from_secs(120));
        run.world.lift(&Place::Site(district, None), None);
        run.world.lift(&Place::Site(lossy, None), None);
    }
    run.until(HOUR);
}

/// Every site but ours is dark for half of every minute, each at its own time.
fn flaps(run: &mut Run) {
    for second in 0..HOUR.as_secs() {
        run.until(Duration::from_secs(second));
        for site in (1..run.topology.sites.len()).map(SiteIx::new) {
            match (second + site.ix() as u64 * 7) % 60 {
                0 => run.world.place(run.now, Place::Site(site, None), Fault::PowerCut),
                30 => run.world.lift(&Place::Site(site, None), None),
                _ => {}
            }
        }
    }
    run.until(HOUR);
}

fn start(story: &Story) -> Run {
    let begins = "2026-03-02T01:00:00Z".parse().unwrap();
    let topology = Arc::new(run::large(SITES));
    let session = Session {
        id: SessionId::new("s"),
        title: "the whole province".to_owned(),
        start: begins,
        end: begins + jiff::SignedDuration::from_hours(3),
        importance: Importance::Normal,
        sites: topology.site_ixs().map(|site| (site, 50)).collect(),
    };
    let world = World::new(Arc::clone(&topology), Nature { loss: story.loss, ..Nature::default() });
    let config = Config {
        settings: run::settings(),
        topology,
        sessions: story.live.then(|| Arc::new(session)).into_iter().collect(),
        templates: Vec::new(),
    };
    let mut run = Run::new(config, world, begins);
    run.strict = false;
    run
}

fn main() -> ExitCode {
    let judges = std::env::args().any(|argument| argument == "--judge");
    let mut missed = Vec::new();
    let targets = SITES * 5;
    println!("{SITES} sites, {targets} targets, one virtual hour");
    println!(
        "{:<40} {:>10} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "probes", "messages", "thinking", "per probe", "in all", "asked"
    );
    let mut quiet = Duration::ZERO;
    for story in STORIES {
        // Once to see what all of it takes, once with a look at the clock at every thought.
        let began = Instant::now();
        let mut run = start(&story);
        assert_eq!(run.topology.targets.len(), targets);
        (story.happens)(&mut run);
        let all = began.elapsed();
        let mut watched = start(&story);
        watched.thought = Some(Duration::ZERO);
        (story.happens)(&mut watched);
        if story.live && quiet.is_zero() {
            quiet = all;
        }
        let asked = match story.asked {
            Asked::Within(asked) => asked,
            Asked::Times(times) => quiet * times,
        };
        let thought = watched.thought.unwrap_or_default();
        println!(
            "{:<40} {:>10} {:>9} {:>7.2} s {:>6.0} ns {:>7.2} s {:>7.0} s",
            story.name,
            run.probes,
            run.told.len(),
            thought.as_secs_f64(),
            thought.as_secs_f64() * 1e9 / run.probes as f64,
            all.as_secs_f64(),
            asked.as_secs_f64(),
        );
        if all > asked || story.messages.is_some_and(|most| run.told.len() > most) {
            missed.push(story.name);
        }
    }
    if judges && !missed.is_empty() {
        println!("not as asked: {}", missed.join("; "));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
