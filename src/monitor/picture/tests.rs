//! What a device with a bad line says of the others beside it.

use std::sync::Arc;
use std::time::Duration;

use crate::lab::fault::{Fault, Loss};
use crate::lab::world::{Nature, Place, World};
use crate::model::{
    Cause, Change, Durable, Endpoint, EndpointId, EndpointIx, Few, Host, NotificationKind, Now,
    Outcome, SiteId, Target, TargetIx, Topology,
};
use crate::monitor::tests::{config, province, session, start};
use crate::monitor::{Command, Input, Monitor};

/// A province in which one commune has a second device, `mcu`, with all checks.
fn with_two_devices() -> Topology {
    let mut topology = province("{tinh: {huyen: [a, b, c, d], khac: [e, f, g, h]}}");
    let site = topology.find_site(&SiteId::new("a")).unwrap();
    let endpoint = EndpointIx::new(topology.endpoints.len());
    let mut targets = Few::with_capacity(4);
    for check in 0..topology.checks.len() {
        targets.push(TargetIx::new(topology.targets.len()));
        topology.targets.push(Target { endpoint, site, check });
    }
    let host = Host::Ip("10.99.0.9".parse().unwrap());
    topology.endpoints.push(Endpoint { id: EndpointId::new("mcu"), site, host, targets });
    topology.sites[site.ix()].endpoints.push(endpoint);
    topology
}

/// After how many seconds in a session it is told that a service of `mcu` is out, while this share
/// of what goes to the codec beside it is lost.
fn told_after(fault: &Fault, lost: f64) -> Option<u64> {
    let mut config = config(with_two_devices());
    config.sessions = vec![session(&config.topology, "s", -60, 72_000)];
    let mut now = start();
    let mut world = World::new(Arc::clone(&config.topology), Nature::default());
    let mut monitor = Monitor::new(Arc::new(config), Durable::default(), now);
    let site = monitor.topology().find_site(&SiteId::new("a")).unwrap();
    let at = |device: &str| Place::Site(site, Some(EndpointId::new(device)));
    let begins = now.plus(Duration::from_secs(400));
    let mut is_placed = false;
    if lost > 0.0 {
        world.place(now, at("codec"), Fault::Loss(Loss::round_trip(lost)));
    }
    while now.mono < begins.mono + Duration::from_secs(600) {
        now = now.plus(Duration::from_millis(20));
        if now.mono >= begins.mono && !is_placed {
            world.place(now, at("mcu"), *fault);
            is_placed = true;
        }
        monitor.handle(Input::Tick, now);
        while let Some(command) = monitor.poll_command() {
            match command {
                Command::Probe(request) => {
                    let sight = world.probe(now, request.target, request.effort);
                    let finished = now.mono + sight.took;
                    let (lost, heard, result) = (sight.lost, sight.heard, sight.result);
                    let outcome = Outcome { request, started: now, finished, lost, heard, result };
                    monitor.handle(Input::Outcome(outcome), now);
                }
                Command::Commit(batch) if is_told(&batch.changes) => {
                    return Some(seconds(begins, now));
                }
                Command::Commit(_) | Command::Readiness(_) | Command::Drill(_) => {}
            }
        }
    }
    None
}

fn is_told(changes: &[Change]) -> bool {
    changes.iter().any(|change| {
        matches!(change, Change::Notify(it) if it.kind != NotificationKind::Resolved
            && it.alert.incident.cause == Cause::Service
            && it.alert.incident.endpoint == Some(EndpointId::new("mcu")))
    })
}

fn seconds(from: Now, to: Now) -> u64 {
    (to.mono - from.mono).as_secs()
}

#[test]
fn a_lossy_line_to_one_device_says_nothing_of_the_services_of_another() {
    for fault in [Fault::SipHung, Fault::H323Closed] {
        let usual = told_after(&fault, 0.0).unwrap();
        let beside = told_after(&fault, 0.5).unwrap();
        assert!(beside <= usual + 5, "{fault:?}: {beside} s instead of {usual} s");
    }
}
