//! What a storm of alerts costs the probes: 204 sites lose a service in the same second, each is an
//! incident with a message of its own, and the receiver is slow. How late do probes start
//! meanwhile, beside the quiet seconds before it?
//!
//! `cargo bench --bench alerts -- [SITES]`; 204 unless given.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::config::{File, SourceSet};
use vchealth::daemon::{Daemon, Options, Source};

/// How long the quiet is measured.
const QUIET: Duration = Duration::from_secs(10);
/// Longest that the storm may last.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long the receiver takes over each message.
const SLOW: Duration = Duration::from_millis(50);
/// What a storm may delay a probe by.
const BOUND: Duration = Duration::from_millis(10);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let sites = arguments.first().map_or(204, |text| text.parse().expect("a number"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(storm(sites));
}

async fn storm(sites: usize) {
    let door = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = door.local_addr().unwrap().port();
    let open = Arc::new(AtomicBool::new(true));
    std::thread::spawn({
        let open = Arc::clone(&open);
        move || keep(&door, &open)
    });
    let dir = std::env::temp_dir().join(format!("vchealth-alerts-{}", std::process::id()));
    let daemon = Daemon::start(Options {
        source: Source::prepared(configuration(sites, port, &receiver(), &dir)),
        listener: Some(TcpListener::bind("127.0.0.1:0").unwrap()),
        clock: Clock::start(),
    })
    .unwrap();
    let told = || daemon.snapshot().incidents.len();

    // The first sweep, then the quiet.
    while daemon.snapshot().targets.iter().any(|target| target.last.is_none()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (quiet, _) = worst(&daemon, |began, _| began.elapsed() >= QUIET).await;
    assert_eq!(told(), 0, "nothing is wrong yet");

    open.store(false, Ordering::SeqCst);
    let (stormy, took) = worst(&daemon, |began, delivered| {
        assert!(began.elapsed() < PATIENCE, "{delivered} of {sites} messages in {PATIENCE:?}");
        delivered >= sites as u64
    })
    .await;
    println!(
        "{sites} sites, {sites} incidents at once, a receiver that takes {} ms for each message",
        SLOW.as_millis()
    );
    println!("all told after {:.1} s", took.as_secs_f64());
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let delay = stormy.saturating_sub(quiet);
    println!(
        "worst lateness of a probe: {:.2} ms in quiet, {:.2} ms in the storm: {:.2} ms more ({})",
        ms(quiet),
        ms(stormy),
        ms(delay),
        if delay <= BOUND { "within 10 ms" } else { "MORE THAN 10 ms" }
    );
    daemon.stop().await;
    // It is in the way of nobody if it stays.
    let _ = std::fs::remove_dir_all(dir);
}

/// The worst lateness of a probe until `enough`, which is told since when, and how many messages
/// were accepted; and how long that was.
async fn worst(daemon: &Daemon, enough: impl Fn(Instant, u64) -> bool) -> (Duration, Duration) {
    let began = Instant::now();
    let mut published = daemon.published();
    let mut worst = Duration::ZERO;
    // The state before this moment is not what is measured.
    published.mark_unchanged();
    while !enough(began, daemon.delivered()) {
        published.changed().await.unwrap();
        worst = worst.max(daemon.snapshot().monitor.worst_lateness);
    }
    (worst, began.elapsed())
}

/// A service behind every address of this machine, while it is open.
fn keep(door: &TcpListener, open: &AtomicBool) {
    door.set_nonblocking(true).unwrap();
    while open.load(Ordering::SeqCst) {
        match door.accept() {
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// A receiver of webhooks that takes its time; gives its address.
fn receiver() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

/// Says yes to every request of a connection, slowly.
fn answer(mut stream: TcpStream) -> Option<()> {
    let mut bytes = Vec::new();
    let mut piece = [0; 16_384];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length?.parse().ok()?;
            if bytes.len() >= end + 4 + length {
                bytes.drain(..end + 4 + length);
                std::thread::sleep(SLOW);
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()?;
                continue;
            }
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Sites with a router and a codec on this machine; the codec has a service.
fn configuration(sites: usize, port: u16, receiver: &str, dir: &std::path::Path) -> SourceSet {
    let settings = format!(
        "state_dir: {}\nchannels: {{duty: {{kind: webhook, url: \"http://{receiver}/\"}}}}\n\
         checks:\n  ping: {{pace: 1s}}\n  \
         door: {{kind: tcp, port: {port}, timeout: 1s, pace: 1s, confirm_after: 1s}}\n",
        dir.display()
    );
    let mut list = "levels: [{id: commune, name: Xã}]\nclasses: {commune: {level: commune, \
                    endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, door]}]}}\n\
                    sites:\n"
        .to_owned();
    for n in 0..sites {
        let (high, low) = (n / 200, n % 200 + 1);
        let _ = writeln!(
            list,
            "  - {{id: site-{n}, name: Điểm cầu {n}, router: 127.1.{high}.{low}, codec: 127.2.{high}.{low}}}"
        );
    }
    SourceSet::new()
        .with(File::Settings, "vchealth.yaml", settings)
        .with(File::Sites, "sites.yaml", list)
        .with(File::Sessions, "sessions.yaml", "sessions: []\n")
}
