//! What a storm of alerts costs the probes: 204 sites lose a service in the same second, each is an
//! incident with a message of its own, and a channel of every kind is to tell of all of them, to
//! receivers that take their time. How late do probes start meanwhile?
//!
//! Messages wait for no others (`grouping` is 0 s), each is written with a link, a contact and a
//! template that takes its time, and the ways out are encrypted where they would be. The receivers
//! run in a process of their own, as they do elsewhere; the daemon has the two threads that the
//! program gives it.
//!
//! The daemon tells the worst lateness of the last minute. So the quiet that is measured begins a
//! minute after the first sweep is over, and what is told in the storm is of the storm and of the
//! quiet before it, never of the start. What is judged is the worst itself, not what it is more
//! than in the quiet.
//!
//! `cargo bench --bench alerts -- [--judge] [SITES]`; 204 unless given. With `--judge` it ends with
//! an error if a probe starts more than 10 ms late.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

#[path = "alerts/receivers.rs"]
mod receivers;

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use receivers::Receivers;
use vchealth::clock::Clock;
use vchealth::daemon::{Daemon, Options, Source};

/// How long the first sweep is waited out: the daemon tells the worst of the last minute.
const FORGOTTEN: Duration = Duration::from_secs(62);
/// How long the quiet is measured.
const QUIET: Duration = Duration::from_secs(20);
/// Longest that the storm may last.
const PATIENCE: Duration = Duration::from_secs(120);
/// What a storm may delay a probe by.
const BOUND: Duration = Duration::from_millis(10);
/// Channels that have to tell of every site.
const CHANNELS: u64 = 8;
/// What is given to the process of the daemon.
const CHILD: &str = "--child-daemon";

fn main() -> ExitCode {
    let (flags, arguments): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let child = flags.iter().any(|flag| flag == CHILD);
    let sites = arguments.first().map_or(204, |text| text.parse().expect("a number"));
    if child {
        let dir = PathBuf::from(&arguments[1]);
        return storm(sites, &dir, flags.iter().any(|flag| flag == "--judge"));
    }
    let dir = std::env::temp_dir().join(format!("vchealth-alerts-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let receivers = Receivers::start(&dir);
    configure(&dir, sites, &receivers);
    let mut daemon = Command::new(std::env::current_exe().unwrap());
    daemon.args([CHILD, &sites.to_string(), &dir.display().to_string()]);
    daemon.args(flags.iter().filter(|flag| *flag == "--judge"));
    // The authority of the receivers is one that this machine trusts.
    daemon.env("SSL_CERT_FILE", receivers.certificate());
    let status = daemon.status().unwrap();
    receivers.print();
    // It is in the way of nobody if it stays.
    let _ = std::fs::remove_dir_all(dir);
    if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn storm(sites: usize, dir: &Path, judges: bool) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (quiet, stormy) = runtime.block_on(measured(sites, dir));
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "worst lateness of a probe: {:.2} ms in quiet, {:.2} ms in the storm ({})",
        ms(quiet),
        ms(stormy),
        if stormy <= BOUND { "within 10 ms" } else { "MORE THAN 10 ms" }
    );
    if judges && stormy > BOUND { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The worst lateness in quiet and in the storm.
async fn measured(sites: usize, dir: &Path) -> (Duration, Duration) {
    let port = std::fs::read_to_string(dir.join("door")).unwrap().parse().unwrap();
    let door = TcpListener::bind(("0.0.0.0", port)).unwrap();
    let open = Arc::new(AtomicBool::new(true));
    std::thread::spawn({
        let open = Arc::clone(&open);
        move || keep(&door, &open)
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let page = listener.local_addr().unwrap().to_string();
    let daemon = Daemon::start(Options {
        source: Source::directory(dir),
        listener: Some(listener),
        clock: Clock::start(),
    })
    .unwrap();

    while daemon.snapshot().targets.iter().any(|target| target.last.is_none()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(FORGOTTEN).await;
    let before = Starts::read(&page);
    let (quiet, took) = worst(&daemon, |began, _| began.elapsed() >= QUIET).await;
    let calm = Starts::read(&page);
    assert_eq!(daemon.snapshot().incidents.len(), 0, "nothing is wrong yet");
    println!("{took:>6.1?} of quiet: {}", calm.since(&before));

    open.store(false, Ordering::SeqCst);
    let due = sites as u64 * CHANNELS;
    let (stormy, took) = worst(&daemon, |began, delivered| {
        assert!(began.elapsed() < PATIENCE, "{delivered} of {due} messages in {PATIENCE:?}");
        delivered >= due
    })
    .await;
    let incidents = daemon.snapshot().incidents.len();
    assert_eq!(incidents, sites, "each site is an incident of its own");
    println!("{took:>6.1?} of storm: {}", Starts::read(&page).since(&calm));
    println!("{incidents} incidents at once, each told through {CHANNELS} channels");
    daemon.stop().await;
    (quiet, stormy)
}

/// The worst lateness of a probe until `enough`, which is told since when, and how many messages
/// were accepted; and how long that was.
async fn worst(daemon: &Daemon, enough: impl Fn(Instant, u64) -> bool) -> (Duration, Duration) {
    let began = Instant::now();
    let mut published = daemon.published();
    let mut worst = Duration::ZERO;
    while !enough(began, daemon.delivered()) {
        published.changed().await.unwrap();
        worst = worst.max(daemon.snapshot().monitor.worst_lateness);
    }
    (worst, began.elapsed())
}

/// How many probes have started so far, and how many of them within a bound, as the daemon's page
/// of metrics has it.
struct Starts {
    all: u64,
    within: [(&'static str, u64); 3],
}

impl Starts {
    fn read(page: &str) -> Self {
        let mut stream = TcpStream::connect(page).unwrap();
        write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let sum = |ending: &str| {
            let lines = text.lines().filter(|line| {
                line.starts_with("vchealth_probe_lateness_seconds_") && line.contains(ending)
            });
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "counts, which the page writes as numbers"
        )]
        let count = |ending: &str| sum(ending) as u64;
        let within = |bound| (bound, count(&format!("le=\"{bound}\"")));
        Self {
            all: count("seconds_count"),
            within: [within("0.001"), within("0.005"), within("0.02")],
        }
    }

    /// What came since then, in words.
    fn since(&self, before: &Self) -> String {
        let all = self.all - before.all;
        let mut text = format!("{all} probes");
        for ((bound, now), (_, then)) in self.within.iter().zip(&before.within) {
            let _ = write!(text, ", {} over {bound} s late", all - (now - then));
        }
        text
    }
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

/// Sites with a router and a codec on this machine; the codec has a service.
fn configure(dir: &Path, sites: usize, receivers: &Receivers) {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let port = TcpListener::bind("0.0.0.0:0").unwrap().local_addr().unwrap().port();
    write("door", &port.to_string());
    write("key", "bi-mat-cua-thu");
    let settings = format!(
        "state_dir: {state}\npublic_url: https://giam-sat.example\n\
         grouping: {{idle: 0s, readiness: 0s, live: 0s, wrap_up: 0s}}\n\
         correlation: {{common_min: 10000}}\n\
         channels:\n{channels}\
         checks:\n  ping: {{pace: 1s}}\n  \
         door: {{kind: tcp, port: {port}, timeout: 1s, pace: 1s, confirm_after: 1s}}\n",
        state = dir.join("state").display(),
        channels = receivers.channels(&dir.join("key")),
    );
    write("vchealth.yaml", &settings);
    write("sessions.yaml", "sessions: []\n");
    // What people write may be slow: a loop within the bounds that templates have.
    write(
        "templates/vi/description.txt",
        "{{ default.description }}\n{% for sign in page %}{{ page * 99 }}{% endfor %}\n",
    );
    let mut list = "levels: [{id: commune, name: Xã}]\nclasses: {commune: {level: commune, \
                    endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, door]}]}}\n\
                    sites:\n"
        .to_owned();
    for n in 0..sites {
        let (high, low) = (n / 200, n % 200 + 1);
        let _ = writeln!(
            list,
            "  - {{id: site-{n}, name: Điểm cầu {n}, router: 127.1.{high}.{low}, codec: \
             127.2.{high}.{low}, contacts: [{{name: Nông Văn {n}, phone: 0209 387 {n:04}}}]}}"
        );
    }
    write("sites.yaml", &list);
}
