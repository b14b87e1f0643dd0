//! The sign of life that the program gives to a watchdog elsewhere.

use std::process::Command;
use std::sync::atomic::Ordering;

use crate::acting::{Duty, ask, run, wait};
use crate::fixtures::{Scratch, in_namespaces};
use crate::ports::free_port;

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split(' ')).status().expect("ip of iproute2");
    assert!(done.success(), "ip {args}");
}

#[test]
#[ignore = "run as a child by the test below, in a network of its own"]
fn child_that_loses_the_way_to_its_sites() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = std::path::Path::new(&dir);
    let (way, listen) = ("addr add 10.77.0.1/32 dev lo", format!("127.0.0.1:{}", free_port()));
    ip("link set lo up");
    ip(way);
    let duty = Duty::open();
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).unwrap();
    write(
        "vchealth.yaml",
        format!(
            "listen: {listen}\nstate_dir: {1}\n\
             heartbeat: {{url: \"http://{0}/beat\", every: 10s}}\n\
             channels: {{duty: {{kind: webhook, url: \"http://{0}/\"}}}}\n\
             checks: {{quick: {{kind: icmp, pace: 1s, timeout: 500ms, confirm_after: 1s}}}}\n",
            duty.address,
            dir.join("state").display(),
        ),
    );
    let sites = "levels: [{id: commune, name: Xã}]\n\
                 classes: {commune: {level: commune, endpoints: [{id: router, checks: [quick]}]}}\n\
                 sites: [{id: tan-lap, name: Xã Tân Lập, router: 10.77.0.1}]\n";
    write("sites.yaml", sites.to_owned());
    write("sessions.yaml", "sessions: []\n".to_owned());
    let _running = run(dir);
    let figure = |name: &str| -> f64 {
        let metrics = ask(&listen, "GET", "/metrics", "").1;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or(f64::NAN)
    };
    let is_held_back = || figure("vchealth_heartbeat_held_back") > 0.0;
    let beats = || duty.beats.load(Ordering::SeqCst);
    wait(|| std::net::TcpStream::connect(&listen).ok());
    wait(|| (beats() > 0 && !is_held_back()).then_some(()));

    // From now on this machine has no route to the site: probes end as often as before, and none of
    // them asks anybody.
    ip(&way.replace(" add ", " del "));
    wait(|| is_held_back().then_some(()));
    let before = beats();
    ip(way);
    wait(|| (!is_held_back()).then_some(()));
    wait(|| (beats() > before).then_some(()));
    println!("looked dead, and alive again");
}

#[test]
fn a_monitor_that_can_ask_nobody_gives_no_sign_of_life() {
    let scratch = Scratch::new("watchdog");
    let child = "watchdog::child_that_loses_the_way_to_its_sites";
    let said = in_namespaces("--net", "true", &[child], scratch.path());
    assert!(said.contains("looked dead, and alive again"), "{said}");
}
