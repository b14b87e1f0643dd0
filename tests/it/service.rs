//! The daemon as a service: what it tells the service manager, and how little its unit lets it do.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::channels::Place;

/// Longest that anything here takes on a machine with other work to do.
const PATIENT: Duration = Duration::from_secs(60);

/// What the service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(PATIENT)).unwrap();
        Self(socket)
    }

    /// The next thing it hears that is not `unless`.
    fn hears(&self, unless: &str) -> String {
        let began = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).expect("the daemon says something");
            let said = String::from_utf8_lossy(&buffer[..length]).trim().to_owned();
            if said != unless {
                return said;
            }
            assert!(began.elapsed() < PATIENT, "nothing but {unless}");
        }
    }
}

#[test]
fn the_service_manager_hears_of_readiness_reload_and_end_and_is_fed_meanwhile() {
    let place = Place::new("service");
    let state = place.path().join("state");
    place.write(
        "vchealth.yaml",
        &format!("state_dir: {}\nlisten: 127.0.0.1:0\nchannels: {{}}\n", state.display()),
    );
    place.write(
        "sites.yaml",
        "levels: [{id: l, name: L}]\n\
         classes: {c: {level: l, endpoints: [{id: router, checks: [ping]}]}}\n\
         sites: [{id: a, name: A, router: 127.0.0.2}]\n",
    );
    place.write("sessions.yaml", "sessions: []\n");
    let socket = place.path().join("notify");
    let manager = Manager::at(&socket);
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["run", "--config"])
        .arg(place.path())
        .env("NOTIFY_SOCKET", &socket)
        .env("WATCHDOG_USEC", "400000")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = Pid::from_raw(i32::try_from(daemon.id()).unwrap());
    assert_eq!(manager.hears("WATCHDOG=1"), "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hears(""), "WATCHDOG=1");
    }
    kill(process, Signal::SIGHUP).unwrap();
    assert_eq!(manager.hears("WATCHDOG=1"), "RELOADING=1");
    assert_eq!(manager.hears("WATCHDOG=1"), "READY=1");
    kill(process, Signal::SIGTERM).unwrap();
    assert_eq!(manager.hears("WATCHDOG=1"), "STOPPING=1");
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn the_unit_lets_the_service_do_little() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/vchealth.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(unit)
        .output()
        .expect("systemd-analyze of the Debian package systemd");
    let said = String::from_utf8_lossy(&output.stdout);
    let verdict = said.lines().last().unwrap_or_default();
    assert!(output.status.success(), "more exposed than 1.5: {verdict}");
}
