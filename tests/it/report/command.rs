//! The command and the daemon: a session that ended while nobody was there is written up at the
//! next start, and the command makes it again at any time, beside a daemon that runs.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use vchealth::clock::Clock;
use vchealth::daemon::{Daemon, Options, Source};
use vchealth::model::{Batch, Change, HardState, Health, SessionRecord, SiteId, TargetKey, Watch};
use vchealth::store::{History, Store};

use crate::fixtures::Scratch;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A configuration of two sites on this very machine, with a session that is over and one to come.
fn write_config(dir: &Path, now: Timestamp) {
    let hours = |by: i64| now.checked_add(jiff::SignedDuration::from_hours(by)).unwrap();
    let state = dir.join("state");
    let settings = format!(
        "listen: 127.0.0.1:0\nstate_dir: {}\nchannels: {{}}\nreport: {{formats: [html, xlsx, csv, json]}}\n",
        state.display()
    );
    let sites = "levels:\n  - {id: commune, name: {vi: Xã, en: Commune}}\nclasses:\n  commune:\n    \
                 level: commune\n    endpoints:\n      - {id: router, checks: [ping]}\n\
                 default_class: commune\nsites:\n  - {id: tan-lap, name: Xã Tân Lập, router: 127.0.0.1}\n  \
                 - {id: nam-mau, name: Xã Nam Mẫu, router: 127.0.0.2}\n";
    let sessions = format!(
        "sessions:\n  - {{id: da-qua, title: Phiên đã qua, start: '{}', end: '{}', sites: all, delegates: 20}}\n  \
         - {{id: sap-toi, title: Phiên sắp tới, start: '{}', duration: 1h, sites: all}}\n",
        hours(-3),
        hours(-2),
        hours(48)
    );
    fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    fs::write(dir.join("sites.yaml"), sites).unwrap();
    fs::write(dir.join("sessions.yaml"), sessions).unwrap();
}

/// What a daemon knew that died in the middle of the session.
fn remember(dir: &Path) -> SessionRecord {
    let config = Source::directory(dir).load().unwrap();
    let session = &config.sessions[0];
    let record = SessionRecord::planned(session, &config.topology);
    let at = |minutes: u64| session.start.checked_add(Duration::from_secs(minutes * 60)).unwrap();
    let health = |health, since: Timestamp, began| Change::Health {
        key: TargetKey { site: SiteId::new("tan-lap"), endpoint: None, check: None },
        state: HardState { health, since, began, seen_up: true },
    };
    let changes = vec![
        Change::Session(Box::new(record.clone())),
        Change::Watch(Watch { since: session.start, until: at(45) }),
        health(Health::Up, session.start, None),
        health(Health::Down, at(11), Some(at(10))),
        health(Health::Up, at(21), Some(at(20))),
    ];
    let (mut store, _) = Store::open(&config.settings.state_dir, session.end).unwrap();
    store.commit(&[Batch { changes }], &[], at(45)).unwrap();
    record
}

fn report(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["report", "--config"])
        .arg(dir)
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Asks until it is so.
async fn soon(what: &str, mut so: impl FnMut() -> bool) {
    let asked = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("{what}"));
}

fn start(dir: &Path) -> (Daemon, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let source = Source::directory(dir);
    let options = Options { source, listener: Some(listener), clock: Clock::start() };
    (Daemon::start(options).unwrap(), address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_ended_while_nobody_was_there_is_written_up_at_the_next_start() {
    let scratch = Scratch::new("written-up");
    let dir = scratch.path();
    write_config(dir, Clock::start().now().wall);
    remember(dir);
    let reports = dir.join("state/reports");
    let names = ["html", "xlsx", "csv", "json"].map(|form| reports.join(format!("da-qua.{form}")));

    let (daemon, address) = start(dir);
    soon("the reports are written", || names.iter().all(|name| name.exists())).await;
    let history = History::open(&dir.join("state")).unwrap();
    soon("that is remembered", || history.unreported().unwrap().is_empty()).await;
    let data: Value = serde_json::from_slice(&fs::read(&names[3]).unwrap()).unwrap();
    assert_eq!(data["totals"]["lost_s"], 600.0, "ten minutes, from the first failed probe");
    assert_eq!(data["excluded"][0]["why"], "unwatched", "the last quarter of an hour");
    assert!(fs::read_to_string(&names[0]).unwrap().contains("Phiên đã qua"));

    let answer = get(address, "/api/v1/sessions/da-qua/report");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let served: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(served["totals"], data["totals"]);
    let page = get(address, "/sessions/da-qua/report?lang=en");
    assert!(page.contains("text/html") && page.contains("0 of 2 sites"), "{page}");
    assert!(get(address, "/sessions/da-qua/report?format=pdf").starts_with("HTTP/1.1 400"));
    assert!(get(address, "/sessions/nirgends/report").starts_with("HTTP/1.1 404"));
    assert!(get(address, "/sessions/sap-toi/report").starts_with("HTTP/1.1 404"));

    // The command, beside the daemon.
    let told = report(dir, &["--format", "json"]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["totals"], data["totals"], "the last one that ended, and the same");

    daemon.stop().await;
    for name in &names {
        fs::remove_file(name).unwrap();
    }
    let (daemon, _) = start(dir);
    let published = daemon.published();
    soon("it runs", || *published.borrow() > 2).await;
    daemon.stop().await;
    assert!(names.iter().all(|name| !name.exists()), "what was written up is not written again");
}

#[test]
fn the_command_writes_where_it_is_told_and_says_what_is_wrong() {
    let scratch = Scratch::new("report-command");
    let dir = scratch.path();
    write_config(dir, Clock::start().now().wall);
    let refused = |arguments: &[&str], status: i32, says: &str| {
        let told = report(dir, arguments);
        let error = String::from_utf8_lossy(&told.stderr).into_owned();
        assert_eq!(told.status.code(), Some(status), "{arguments:?}: {error}");
        assert!(error.contains(says), "{arguments:?}: {error}");
    };
    refused(&[], 1, "there is no history in");
    remember(dir);
    refused(&["da-quá"], 64, "did you mean `da-qua`?");
    refused(&["sap-toi"], 64, "has not begun");
    refused(&["--format", "pdf"], 64, "expected html, xlsx, csv or json");
    refused(&["--lang", "fr"], 64, "expected vi or en");
    refused(&["da-qua", "-o", "/proc/nirgends/x.html"], 1, "cannot write /proc/nirgends/x.html");

    let told = report(dir, &["da-qua", "--format", "xlsx", "-o", dir.to_str().unwrap()]);
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    assert!(fs::read(dir.join("da-qua.xlsx")).unwrap().starts_with(b"PK"));
    let told = report(dir, &["--lang", "en", "--format", "csv"]);
    let text = String::from_utf8(told.stdout).unwrap();
    assert!(text.starts_with("\u{feff}site,name,level"), "{text}");
    assert!(text.contains("\r\ntan-lap,Xã Tân Lập,commune,Commune,20,"), "{text}");

    fs::write(dir.join("vchealth.yaml"), "channels: {}\nreport: {formats: [pdf]}\n").unwrap();
    refused(&[], 78, "pdf");
}
