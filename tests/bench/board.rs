//! What viewers of the board cost: the daemon watches sites on this machine of which one group or
//! another is always coming or going, first with nobody looking, then with many viewers on the
//! live stream, then with nobody again. The viewers are a process of their own; what counts is the
//! daemon's processor time over that of the same seconds without them.
//!
//! `cargo bench --bench board -- [VIEWERS [SECONDS [SITES]]]`; 500, 60 and 204 unless given.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use vchealth::clock::Clock;
use vchealth::config::{File, SourceSet};
use vchealth::daemon::{Daemon, Options, Source};

/// Groups of sites, each behind a door of its own.
const GROUPS: usize = 8;
/// How long a door stays as it is.
const TURN: Duration = Duration::from_secs(3);
/// Share of a core that the viewers may cost.
const BOUND: f64 = 0.05;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    if arguments.first().is_some_and(|it| it == "--viewers") {
        return look(&arguments[1], arguments[2].parse().unwrap());
    }
    let number = |at: usize, usual: usize| {
        arguments.get(at).map_or(usual, |text| text.parse().expect("a number"))
    };
    let (viewers, seconds, sites) = (number(0, 500), number(1, 60), number(2, 204));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure(viewers, Duration::from_secs(seconds as u64), sites));
}

async fn measure(viewers: usize, lasting: Duration, sites: usize) {
    let doors: Vec<TcpListener> =
        (0..GROUPS).map(|_| TcpListener::bind("0.0.0.0:0").unwrap()).collect();
    let ports: Vec<u16> = doors.iter().map(|it| it.local_addr().unwrap().port()).collect();
    std::thread::spawn(move || turn(doors));
    let dir = std::env::temp_dir().join(format!("vchealth-board-{}", std::process::id()));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let daemon = Daemon::start(Options {
        source: Source::prepared(configuration(sites, &ports, &dir)),
        listener: Some(listener),
        clock: Clock::start(),
    })
    .unwrap();
    while daemon.snapshot().targets.iter().any(|target| target.last.is_none()) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let half = lasting / 2;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = share(half).await;
    let mut crowd = Crowd::gather(&address, viewers);
    let busy = share(lasting).await;
    let (events, bytes) = crowd.leave();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = share(half).await;
    let quiet = f64::midpoint(before, after);
    let cost = busy - quiet;
    let percent = |share: f64| share * 100.0;
    println!("{sites} sites, {viewers} viewers for {} s", lasting.as_secs());
    println!(
        "each viewer was sent {:.1} events and {:.1} KB",
        events as f64 / viewers as f64,
        bytes as f64 / viewers as f64 / 1e3
    );
    println!(
        "the daemon took {:.2} % of a core without them ({:.2} % before, {:.2} % after), {:.2} % with them",
        percent(quiet),
        percent(before),
        percent(after),
        percent(busy)
    );
    println!(
        "the viewers cost {:.2} % of a core ({})",
        percent(cost),
        if cost <= BOUND { "within 5 %" } else { "MORE THAN 5 %" }
    );
    daemon.stop().await;
    // It is in the way of nobody if it stays.
    let _ = std::fs::remove_dir_all(dir);
}

/// The share of a core that this process takes for a while.
async fn share(lasting: Duration) -> f64 {
    let spent = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        (usage.user_time().num_microseconds() + usage.system_time().num_microseconds()) as f64 / 1e6
    };
    let (before, began) = (spent(), Instant::now());
    tokio::time::sleep(lasting).await;
    (spent() - before) / began.elapsed().as_secs_f64()
}

/// Opens and shuts the doors in turn, for ever.
fn turn(doors: Vec<TcpListener>) {
    let addresses: Vec<_> = doors.iter().map(|it| it.local_addr().unwrap()).collect();
    let mut doors: Vec<Option<TcpListener>> = doors.into_iter().map(Some).collect();
    for door in doors.iter().flatten() {
        door.set_nonblocking(true).unwrap();
    }
    let mut next = (0, Instant::now() + TURN);
    loop {
        for door in doors.iter().flatten() {
            while door.accept().is_ok() {}
        }
        if Instant::now() >= next.1 {
            let at = next.0;
            doors[at] = match doors[at].take() {
                Some(_) => None,
                None => TcpListener::bind(addresses[at]).ok().inspect(|door| {
                    door.set_nonblocking(true).unwrap();
                }),
            };
            next = ((at + 1) % GROUPS, Instant::now() + TURN);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Viewers, as a process of their own.
struct Crowd {
    child: Child,
    says: BufReader<std::process::ChildStdout>,
}

impl Crowd {
    /// Starts them and waits until all look.
    fn gather(address: &str, viewers: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--viewers", address, &viewers.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut says = BufReader::new(child.stdout.take().unwrap());
        says.read_line(&mut String::new()).unwrap();
        Self { child, says }
    }

    /// Sends them away; gives the events and the bytes that they were sent.
    fn leave(&mut self) -> (u64, u64) {
        drop(self.child.stdin.take());
        let mut said = String::new();
        self.says.read_line(&mut said).unwrap();
        let _ = self.child.wait();
        let mut figures = said.split_whitespace().map(|it| it.parse().unwrap());
        (figures.next().unwrap(), figures.next().unwrap())
    }
}

/// Loads the page once and then follows what changes, so many times, until nobody listens.
fn look(address: &str, viewers: usize) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let place = page.split("data-place=\"").nth(1).unwrap().split('"').next().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (events, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    runtime.block_on(async {
        let request = format!("GET /live?after={place} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        for _ in 0..viewers {
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let (events, bytes) = (Arc::clone(&events), Arc::clone(&bytes));
            tokio::spawn(async move {
                let mut some = vec![0; 64 << 10];
                while let Ok(read @ 1..) = stream.read(&mut some).await {
                    let count = some[..read].windows(7).filter(|it| it == b"event: ").count();
                    events.fetch_add(count as u64, Ordering::Relaxed);
                    bytes.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        println!("all look");
        let nobody = || std::io::stdin().read_to_end(&mut Vec::new());
        tokio::task::spawn_blocking(nobody).await.unwrap().unwrap();
    });
    println!("{} {}", events.load(Ordering::Relaxed), bytes.load(Ordering::Relaxed));
}

/// Sites with a router and a codec on this machine; each codec stands behind one of the doors.
fn configuration(sites: usize, ports: &[u16], dir: &std::path::Path) -> SourceSet {
    let mut settings =
        format!("state_dir: {}\nchannels: {{}}\nchecks:\n  ping: {{pace: 1s}}\n", dir.display());
    let mut list = "levels: [{id: commune, name: Xã}]\nclasses:\n".to_owned();
    for (nth, port) in ports.iter().enumerate() {
        let _ = writeln!(
            settings,
            "  door-{nth}: {{kind: tcp, port: {port}, timeout: 1s, pace: 1s, confirm_after: 1s}}"
        );
        let _ = writeln!(
            list,
            "  behind-{nth}: {{level: commune, endpoints: [{{id: router, checks: [ping]}}, \
             {{id: codec, checks: [door-{nth}]}}]}}"
        );
    }
    list.push_str("sites:\n");
    for n in 0..sites {
        let (high, low) = (n / 200, n % 200 + 1);
        let group = n % GROUPS;
        let _ = writeln!(
            list,
            "  - {{id: site-{n}, name: Điểm cầu {n}, class: behind-{group}, router: 127.1.{high}.{low}, \
             codec: 127.2.{high}.{low}}}"
        );
    }
    SourceSet::new()
        .with(File::Settings, "vchealth.yaml", settings)
        .with(File::Sites, "sites.yaml", list)
        .with(File::Sessions, "sessions.yaml", "sessions: []\n".to_owned())
}
