//! Which engine there is on a machine that lacks something, and what whoever installs the daemon
//! is told about it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::model::{Failure, LocalFailure};
use vchealth::probe::icmp::{EchoParams, StartError, start};

use super::engine::{Engine, PLAIN};
use super::namespace::in_namespace;
use crate::channels::Place;

/// Longest that anything here takes on a machine with other work to do.
const PATIENT: Duration = Duration::from_secs(60);

/// Runs `test` where the kernel allows raw sockets but has no room for the filters on them.
fn without_filters(test: impl FnOnce() + Send) {
    in_namespace(false, || {
        fs::write("/proc/sys/net/core/optmem_max", "0").expect("a kernel from 6.9 on");
        test();
    });
}

#[test]
fn left_to_choose_it_takes_the_kernel_engine_on_both_kinds_of_socket() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            let engine = Engine::start(IcmpEngine::Auto);
            assert_eq!(engine.pinger.name(), "kernel");
            assert_eq!(engine.pinger.health().name, "kernel");
        });
    }
}

#[test]
fn where_the_kernel_engine_cannot_be_had_surge_pings_instead() {
    without_filters(|| {
        let engine = Engine::start(IcmpEngine::Auto);
        assert_eq!(engine.pinger.name(), "surge");
        assert_eq!(engine.pinger.health().name, "surge");
        assert!(engine.ask(Ipv4Addr::LOCALHOST, PLAIN).result.is_ok());
    });
}

#[test]
fn surge_keeps_to_the_kind_of_socket_that_it_was_told_to_open() {
    in_namespace(true, || {
        let engine = Engine::start(IcmpEngine::Surge);
        assert!(engine.ask(Ipv4Addr::LOCALHOST, PLAIN).result.is_ok());
        let began = Instant::now();
        while engine.pinger.health().receive_buffer < 4 << 20 {
            assert!(began.elapsed() < PATIENT, "{:?}", engine.pinger.health());
            std::thread::sleep(Duration::from_millis(20));
        }
        // Another marking needs another socket, and surge-ping would take a raw one in silence.
        fs::write("/proc/sys/net/ipv4/ping_group_range", "1 0").expect("it is ours");
        let marked = EchoParams { dscp: 46, ..PLAIN };
        match engine.ask(Ipv4Addr::LOCALHOST, marked).result {
            Err(Failure::Local(LocalFailure::Other(why))) => {
                assert!(why.contains("another kind of socket"), "{why}");
            }
            other => panic!("{other:?}"),
        }
        assert!(engine.ask(Ipv4Addr::LOCALHOST, PLAIN).result.is_ok(), "what it has it keeps");
    });
}

#[test]
fn the_kernel_engine_asked_for_by_name_is_not_replaced_in_silence() {
    without_filters(|| {
        let settings = IcmpSettings { engine: IcmpEngine::Kernel, receive_buffer: 4 << 20 };
        match start(&settings, Clock::start(), Box::new(|_| {})) {
            Err(why @ StartError::Socket(_)) => {
                assert!(why.to_string().contains("icmp.engine: surge"), "{why}");
            }
            Err(other) => panic!("{other:?}"),
            Ok(engine) => panic!("{} started", engine.name()),
        }
    });
}

#[test]
fn the_daemon_says_in_log_and_metrics_which_engine_stands_in() {
    let place = sites();
    without_filters(|| {
        let mut daemon = Running::start(
            Command::new(env!("CARGO_BIN_EXE_vchealth"))
                .args(["run", "--config"])
                .arg(place.path()),
        );
        let fallback = daemon.says("the kernel engine cannot be had");
        assert!(fallback.contains("Cannot allocate memory"), "{fallback}");
        let watching = daemon.says("watching;");
        assert!(watching.contains("surge"), "{watching}");
        let began = Instant::now();
        while !scrape().contains("\nvchealth_engine_info{engine=\"surge\"} 1\n") {
            assert!(began.elapsed() < PATIENT, "{}", scrape());
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_daemon_without_any_permission_does_not_start_and_says_how_to_grant_it() {
    let place = sites();
    in_namespace(false, || {
        let mut daemon = Running::start(
            Command::new("setpriv")
                .args(["--bounding-set=-net_raw", "--inh-caps=-net_raw"])
                .args([env!("CARGO_BIN_EXE_vchealth"), "run", "--config"])
                .arg(place.path()),
        );
        daemon.says("sysctl -w net.ipv4.ping_group_range='0 2147483647'");
        daemon.says("setcap cap_net_raw+ep");
        daemon.says("AmbientCapabilities=CAP_NET_RAW");
        assert!(!daemon.child.wait().expect("it ends").success());
    });
}

/// A province of one site, in a directory of its own.
fn sites() -> Place {
    let place = Place::new("choice");
    let state = place.path().join("state");
    let settings = format!("state_dir: {}\nlisten: 127.0.0.1:9722\n", state.display());
    place.write("vchealth.yaml", &(settings + "channels: {}\n"));
    place.write(
        "sites.yaml",
        "levels: [{id: l, name: L}]\n\
         classes: {c: {level: l, endpoints: [{id: router, checks: [ping]}]}}\n\
         sites: [{id: a, name: A, router: 127.0.0.2}]\n",
    );
    place.write("sessions.yaml", "sessions: []\n");
    place
}

/// A daemon with what it logs; killed when the test is over.
struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let log = BufReader::new(child.stderr.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, lines }
    }

    /// The next line with these words.
    fn says(&mut self, words: &str) -> String {
        let mut before = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENT);
            let line = line.unwrap_or_else(|_| panic!("it never says {words}, only\n{before}"));
            if line.contains(words) {
                return line;
            }
            before += &line;
            before.push('\n');
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the daemon of this namespace tells Prometheus; nothing while it does not listen yet.
fn scrape() -> String {
    let mut page = String::new();
    if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, 9722)) {
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).expect("it takes a request");
        stream.read_to_string(&mut page).expect("it answers");
    }
    page
}
