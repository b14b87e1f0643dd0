//! How long readiness takes: `cargo bench --bench readiness`.
//!
//! The shipped province of 204 sites stands in an emulated network, real packets and all; it is
//! looked at once with everybody alive and once with three sites in ten dark, as `vchealth ready`
//! looks. Needs what the demo needs: namespaces and `/dev/net/tun`.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark reads clocks, prints, and ends with a panic"
)]

use std::sync::Arc;
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config;
use vchealth::lab::fault::Fault;
use vchealth::lab::world::{Nature, Place};
use vchealth::lab::{self, Lab};
use vchealth::model::{Importance, Past, ReadinessRun, Session, SessionId, Verdict};
use vchealth::probe::{self, Probes, Trust};
use vchealth::readiness::{self, Occasion, Scope};

fn main() {
    let base = config::load(&config::sample()).unwrap();
    let clock = Clock::start();
    let now = clock.now().wall;
    let topology = Arc::clone(&base.topology);
    let session = Session {
        id: SessionId::new("all"),
        title: "all".to_owned(),
        start: now + Duration::from_secs(3600),
        end: now + Duration::from_secs(7200),
        importance: Importance::Normal,
        sites: topology.site_ixs().map(|ix| (ix, 50)).collect(),
    };
    let config = config::Config { sessions: vec![Arc::new(session)], ..base };
    let entered = lab::enter(&lab::Options::default()).unwrap();
    let lab = entered.start(Arc::clone(&topology), Nature::default(), clock).unwrap();
    report("all alive", 10, &run(&config, clock), &lab);
    let root = topology.vantage.unwrap();
    // Communes and agencies: what hangs on nobody goes dark by itself.
    let leaves =
        topology.site_ixs().filter(|ix| *ix != root && topology.site(*ix).children.is_empty());
    let dark = topology.sites.len() * 3 / 10;
    for ix in leaves.take(dark) {
        lab.place(Place::Site(ix, None), Fault::PowerCut);
    }
    report("30 % dead", 30, &run(&config, clock), &lab);
    lab.shutdown();
}

/// A run and how long it took, from the start of the engine to the verdicts.
fn run(config: &config::Config, clock: Clock) -> (ReadinessRun, Duration) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let began = clock.mono();
    let run = runtime.block_on(async {
        let topology = Arc::clone(&config.topology);
        let probes = Probes::start(&config.settings, 1, topology, Trust::system(), clock);
        let probes = Arc::new(probes);
        let session = &config.sessions[0];
        let started = clock.now().wall;
        let survey = readiness::survey(config, session, &Scope::All);
        let sites = survey.sites.len();
        let measured = probe::survey(Arc::clone(&probes), clock, survey, sites, 512, |_| {}).await;
        probes.stop().await;
        let finished = clock.now().wall;
        let occasion = Occasion { session, lead_s: None, began: started, finished, before: None };
        readiness::judge(config, &occasion, &measured, &Past::default())
    });
    (run, clock.mono() - began)
}

fn report(what: &str, limit_s: u64, (run, took): &(ReadinessRun, Duration), lab: &Lab) {
    let [ready, at_risk, cannot_tell, not_ready] = Verdict::ALL.map(|it| run.count(it));
    let trains: u32 = run.sites.iter().filter_map(|site| site.train).map(|it| it.sent).sum();
    println!(
        "{what}: {:.1} s of {limit_s} s for {} sites: {ready} ready, {at_risk} at risk, \
         {cannot_tell} cannot be told, {not_ready} not ready; {trains} echoes in trains, the relay \
         was late by {:.1} ms at worst",
        took.as_secs_f64(),
        run.sites.len(),
        lab.tally().worst_lateness.as_secs_f64() * 1000.0
    );
}
