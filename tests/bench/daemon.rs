//! What the whole daemon costs beside its echo engine alone: the same addresses at one ping a
//! second, probes and state and metrics that are scraped every five seconds, each in a process of
//! its own. Both are this same program under the memory settings of the service, so both hold pages
//! of it; what they hold besides is told apart. How much of the program counts is the kernel's
//! choice: with each page that is used it maps the others of the piece of the file that its cache
//! holds together. A linker writes page by page, so a program fresh from it counts for a quarter
//! less than one that was installed; what is measured is a copy, as installing makes one, wholly in
//! the cache for both.
//!
//! CPU is that of watching; what the first ten seconds take is told apart.
//!
//! `cargo bench --bench daemon -- [--judge] [TARGETS [SECONDS]]`; 10,000 and 40 unless given. With
//! `--judge` both run in three turns, one right behind the other, and it ends with an error if a
//! ping is lost, if more than one in a thousand was not made or its fate is not known, or if by the
//! median of the turns the daemon takes more than twice the CPU that the engine takes for each, or
//! more than twice its memory.
//!
//! `cargo bench --bench daemon -- province [SECONDS]`; 120 unless given: the memory of the daemon
//! of a province, 204 sites with six checks each at one probe a second. It ends with an error if
//! that is more than 30 MiB, or the second half of the time adds a tenth to what it holds.
//!
//! `cargo bench --bench daemon -- reloads [TARGETS [RELOADS]]`; 10,000 and 50 unless given: how
//! long it takes to read the configuration again and again, whether every target is asked at each
//! of its turns meanwhile, and whether memory stays what it is. It ends with an error if a turn is
//! missed, the loop stands still for more than 100 ms, or the second half of the reloads adds a
//! tenth to what it holds.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

#[path = "daemon/reloads.rs"]
mod reloads;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use vchealth::clock::Clock;
use vchealth::config::{self, Config, File, SourceSet};
use vchealth::daemon::{AHEAD, Daemon, Options, Source};
use vchealth::model::{
    Check, CheckId, CheckKind, ClassId, Endpoint, EndpointId, EndpointIx, Failure, Few, Host,
    IcmpCheck, Level, LevelIx, Paces, Site, SiteId, SiteIx, Snapshot, Target, TargetIx, TargetView,
    TcpCheck, Topology,
};
use vchealth::probe::icmp::{self, EchoParams, PingJob};

const SECOND: Duration = Duration::from_secs(1);

/// CPU that is taken before this long after the start is that of the start: a first sweep, of which
/// everything is news, and what is remembered of it.
const STARTED: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let (flags, arguments): (Vec<String>, Vec<String>) = std::env::args()
        .skip(1)
        .partition(|argument| ["--bench", "--judge"].contains(&argument.as_str()));
    let judges = flags.iter().any(|flag| flag == "--judge");
    let number = |at: usize, usual: usize| {
        arguments.get(at).map_or(usual, |text| text.parse().expect("a number"))
    };
    match arguments.first().map(String::as_str) {
        Some("--child-daemon") => daemon(topology(number(1, 0) / 2, &[echo(56)]), number(2, 0)),
        Some("--child-province") => daemon(province(), number(2, 0)),
        Some("--child-engine") => engine(number(1, 0), number(2, 0)),
        Some("--child-reloads") => reloads::child(number(1, 0), number(2, 0)),
        Some("province") => return small(number(1, 120)),
        Some("reloads") => return reloads::run(number(1, 10_000), number(2, 50)),
        _ => return compare(number(0, 10_000), number(1, 40), judges),
    }
    ExitCode::SUCCESS
}

/// A copy of this program; it goes when this is dropped.
struct Installed(PathBuf);

impl Installed {
    /// Writes it as whoever installs a program does: from the beginning to the end, in large
    /// pieces. It lies beside the original, since pages of a file system in memory would count as
    /// another kind.
    fn new() -> Self {
        let original = std::env::current_exe().unwrap();
        let copy = Self(original.with_extension(format!("installed-{}", std::process::id())));
        let bytes = std::fs::read(&original).unwrap();
        let mut file = std::fs::OpenOptions::new();
        let mut file = file.write(true).create_new(true).mode(0o755).open(&copy.0).unwrap();
        bytes.chunks(1 << 20).for_each(|piece| file.write_all(piece).unwrap());
        copy
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// A program once more, with the memory settings that the service gives the daemon.
fn child(program: &Path, mode: &str, targets: usize, second: usize) -> Command {
    let unit = include_str!("../../deploy/systemd/vchealth.service");
    let settings = unit.lines().filter_map(|line| line.strip_prefix("Environment="));
    let mut command = Command::new(program);
    command.args([mode, &targets.to_string(), &second.to_string()]);
    command.envs(settings.filter_map(|setting| setting.split_once('=')));
    command
}

/// Turns of both by which they are judged: what else the machine does must hit two of them to
/// count.
const TURNS: usize = 3;

/// How many times the CPU and the memory the daemon may take that its engine takes alone.
const MOST: f64 = 2.0;

/// MiB that the daemon of a province may take.
const PROVINCE_MOST: f64 = 30.0;

/// Has no factor in common with a round number of targets.
const SPREADS: usize = 7_919;

/// Sites of a province.
const SITES: usize = 204;

/// What a process says of itself at its end.
struct Figures {
    /// CPU seconds since it was started, and until then.
    cpu_s: f64,
    start_s: f64,
    /// MiB at their height, and those of them that are the program's own pages.
    rss: f64,
    program: f64,
    /// MiB held besides after half of the time, and at the end.
    held: [f64; 2],
    /// Since it was started.
    pings: f64,
    /// In all: pings that nobody answered, and those of which nothing is known.
    lost: f64,
    unknown: f64,
}

/// What a process had taken and done when it was started.
struct Start {
    cpu_s: f64,
    pings: u64,
}

impl Start {
    /// Whatever happens from now on is no longer part of the start.
    fn is_over(pings: u64) -> Self {
        Self { cpu_s: usage().0, pings }
    }
}

impl Figures {
    /// Runs a child to its end.
    fn of(mut child: Command) -> Self {
        let output = child.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        let mut figures = text.split_whitespace();
        let mut figure = || figures.next().unwrap().parse::<f64>().unwrap();
        Self {
            cpu_s: figure(),
            start_s: figure(),
            rss: figure(),
            program: figure(),
            held: [figure(), figure()],
            pings: figure(),
            lost: figure(),
            unknown: figure(),
        }
    }

    /// Whether as many pings were made as there were turns for, and their fate is known. What the
    /// daemon shows is a second old.
    fn is_whole(&self, targets: usize, seconds: usize) -> bool {
        let turns = targets as f64 * (seconds as f64 - STARTED.as_secs_f64() - 1.0);
        self.pings >= turns * 0.999 && self.unknown <= turns * 0.001
    }

    /// Prints those of this process.
    fn tell(start: &Start, held_at_half: f64, Counts { pings, lost, unknown }: Counts) {
        let (cpu, rss) = usage();
        let (cpu, pings, start) = (cpu - start.cpu_s, pings - start.pings, start.cpu_s);
        let (program, held) = (resident("RssFile"), resident("RssAnon"));
        println!("{cpu} {start} {rss} {program} {held_at_half} {held} {pings} {lost} {unknown}");
    }
}

/// What became of pings.
#[derive(Default)]
struct Counts {
    pings: u64,
    lost: u64,
    unknown: u64,
}

/// How many times what the engine takes the daemon takes, in one turn of both.
struct Ratios {
    cpu: f64,
    memory: f64,
}

/// Runs both and prints what they took; an error if that is to be judged and too much.
fn compare(targets: usize, seconds: usize, judges: bool) -> ExitCode {
    println!("{targets} targets at 1 Hz for {seconds} s on loopback");
    let program = Installed::new();
    let (mut lost, mut whole) = (0.0, true);
    let turns = if judges { TURNS } else { 1 };
    let turns: Vec<Ratios> = (0..turns)
        .map(|_| {
            let (engine, daemon) = turn(&program, targets, seconds);
            lost += engine.lost + daemon.lost;
            whole &= [&engine, &daemon].iter().all(|it| it.is_whole(targets, seconds));
            ratios(&engine, &daemon)
        })
        .collect();
    let (cpu, memory) = (median(&turns, |it| it.cpu), median(&turns, |it| it.memory));
    if judges {
        println!("by the median of {TURNS} turns: CPU {cpu:.2}, memory {memory:.2}; {lost} lost");
    }
    if judges && (cpu.max(memory) > MOST || lost > 0.0 || !whole) {
        println!("both are to be {MOST} at most, nothing lost, and every turn taken");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Runs the engine and the daemon, one right behind the other, and prints what they took.
fn turn(program: &Installed, targets: usize, seconds: usize) -> (Figures, Figures) {
    let run = |name: &str, mode: &str| {
        let it = Figures::of(child(&program.0, mode, targets, seconds));
        println!(
            "{name}: {:.2} of a core, {:.2} us CPU a ping; {:.2} s CPU for the start; {:.1} MiB at most, of which {:.1} is the \
             program itself; {:.1} held besides at the end, {:.0} bytes a target; {} pings, {} lost, \
             {} unknown",
            it.cpu_s / (seconds as f64 - STARTED.as_secs_f64()),
            it.cpu_s * 1e6 / it.pings,
            it.start_s,
            it.rss,
            it.program,
            it.held[1],
            it.held[1] * f64::from(1 << 20) / targets as f64,
            it.pings,
            it.lost,
            it.unknown,
        );
        it
    };
    (run("engine alone", "--child-engine"), run("whole daemon", "--child-daemon"))
}

/// Works out and prints what the daemon takes of what the engine takes.
fn ratios(engine: &Figures, daemon: &Figures) -> Ratios {
    let ratio = |of: fn(&Figures) -> f64| of(daemon) / of(engine);
    let it = Ratios { cpu: ratio(|it| it.cpu_s / it.pings), memory: ratio(|it| it.rss) };
    println!(
        "whole daemon / engine alone: CPU {:.2}, memory {:.2} (program {:.2}, held besides {:.2})",
        it.cpu,
        it.memory,
        ratio(|it| it.program),
        ratio(|it| it.held[1]),
    );
    it
}

/// The middle one of a figure of the turns.
fn median(turns: &[Ratios], of: fn(&Ratios) -> f64) -> f64 {
    let mut figures: Vec<f64> = turns.iter().map(of).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Runs the daemon of a province and judges its memory.
fn small(seconds: usize) -> ExitCode {
    let topology = province();
    let (sites, targets) = (topology.sites.len(), topology.targets.len());
    println!("{sites} sites, {targets} targets at 1 Hz for {seconds} s on loopback");
    let program = Installed::new();
    let it = Figures::of(child(&program.0, "--child-province", targets, seconds));
    println!(
        "{:.1} MiB at most, of which {:.1} is the program itself; held besides after half of the \
         time {:.1}, at the end {:.1}",
        it.rss, it.program, it.held[0], it.held[1]
    );
    let flat = it.held[1] <= it.held[0] * 1.1;
    if it.rss <= PROVINCE_MOST && flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What this process has taken so far: CPU seconds, and MiB of memory at its height. Not as
/// `getrusage` tells the latter: that counts what its parent held when it began.
fn usage() -> (f64, f64) {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let seconds =
        |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    (seconds(usage.user_time()) + seconds(usage.system_time()), resident("VmHWM"))
}

/// MiB of this process's memory of this kind at this moment: `RssAnon`, what it holds, `RssFile`,
/// its program and libraries as far as they are used, or `VmHWM`, all of it at its height.
fn resident(kind: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(kind)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn address(n: usize) -> IpAddr {
    let n = n as u32 + 0x0101;
    IpAddr::V4(Ipv4Addr::from(0x7f00_0000 | (n % 0x00ff_ffff)))
}

fn echo(size: u16) -> CheckKind {
    CheckKind::Icmp(IcmpCheck {
        count: 1,
        spacing: Duration::from_millis(200),
        size,
        dscp: 34,
        dont_fragment: false,
    })
}

/// The settings of an empty file.
fn settings() -> Config {
    let files = SourceSet::new()
        .with(File::Settings, "vchealth.yaml", "channels: {}\n")
        .with(File::Sites, "sites.yaml", include_str!("../../config/sites.yaml"))
        .with(File::Sessions, "sessions.yaml", "sessions: []\n");
    config::load(&files).unwrap_or_else(|wrong| panic!("{wrong}"))
}

fn engine(targets: usize, seconds: usize) {
    let clock = Clock::start();
    let counts = Arc::new(Mutex::new(Counts::default()));
    let sink = {
        let counts = Arc::clone(&counts);
        Box::new(move |results: Vec<icmp::PingDone>| {
            let mut counts = counts.lock().unwrap();
            for done in results {
                counts.pings += 1;
                counts.lost += u64::from(matches!(done.result, Err(Failure::Remote(_))));
                counts.unknown += u64::from(matches!(done.result, Err(Failure::Local(_))));
            }
        })
    };
    let CheckKind::Icmp(check) = echo(56) else { unreachable!("it is one") };
    let engine = icmp::start(&settings().settings.icmp, clock, sink).unwrap();
    let start = clock.mono() + SECOND / 10;
    // Orders come as the daemon gives them: twenty milliseconds' worth at a time, ahead of it.
    let slices = 50;
    let slice_lasts = SECOND / slices as u32;
    let (mut held, mut started) = (0.0, None);
    for slice in 0..seconds * slices {
        if slice == seconds * slices / 2 {
            held = resident("RssAnon");
        }
        if slice == seconds.min(STARTED.as_secs() as usize) * slices {
            started = Some(Start::is_over(counts.lock().unwrap().pings));
        }
        let second = start + SECOND * (slice / slices) as u32;
        let part = slice % slices;
        std::thread::sleep((second + slice_lasts * part as u32).earlier(AHEAD) - clock.mono());
        // In an order that has nothing to do with their addresses, as those of the daemon.
        let whom = |turn: usize| turn * SPREADS % targets;
        let jobs = (targets * part / slices..targets * (part + 1) / slices).map(|turn| PingJob {
            token: whom(turn) as u64,
            address: address(whom(turn)),
            check: EchoParams::from(&check),
            timeout: SECOND,
            due: second + SECOND * turn as u32 / targets as u32,
        });
        engine.submit(jobs.collect());
    }
    // The last are due a little later, and are answered at once.
    std::thread::sleep(SECOND);
    let started = started.expect("it runs for longer than it takes to start");
    Figures::tell(&started, held, std::mem::take(&mut counts.lock().unwrap()));
}

/// Six checks a site: two sizes of echo and a connection, to the router and to what is behind it.
fn province() -> Topology {
    // Whatever address of the loopback is asked, this is who answers, for as long as it runs.
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    topology(SITES, &[echo(56), echo(1_372), CheckKind::Tcp(TcpCheck { port })])
}

/// Two endpoints a site, with each of these checks.
fn topology(sites: usize, kinds: &[CheckKind]) -> Topology {
    let pace = Paces { idle: SECOND, readiness: SECOND, live: SECOND, wrap_up: SECOND };
    let checks = kinds.iter().enumerate().map(|(n, kind)| Check {
        id: CheckId::new(format!("check-{n}")),
        kind: kind.clone(),
        timeout: SECOND,
        paces: pace,
        confirm_after: Duration::from_millis(100),
    });
    let mut topology = Topology {
        levels: vec![Level::named("commune", "Xã", "Commune")],
        checks: checks.collect(),
        ..Topology::default()
    };
    // Ids that many have in common are shared, as those of a configuration that is read.
    let class = ClassId::new("agency");
    let names = ["router", "codec"].map(EndpointId::new);
    for n in 0..sites {
        let id = SiteId::new(format!("site-{n}"));
        let site = SiteIx::new(n);
        let mut endpoints = Few::new();
        for (m, name) in names.iter().enumerate() {
            let ix = 2 * n + m;
            let endpoint = EndpointIx::new(ix);
            let first = topology.targets.len();
            let targets = (0..kinds.len()).map(|check| Target { endpoint, site, check });
            topology.targets.extend(targets);
            topology.endpoints.push(Endpoint {
                id: name.clone(),
                site,
                host: Host::Ip(address(ix)),
                targets: (first..topology.targets.len()).map(TargetIx::new).collect(),
            });
            endpoints.push(endpoint);
        }
        topology.sites.push(Site {
            name: format!("Điểm cầu {n}"),
            level: LevelIx::new(0),
            class: class.clone(),
            parent: None,
            children: Vec::new(),
            contacts: Vec::new(),
            labels: BTreeMap::new(),
            endpoints,
            id,
        });
    }
    // As when a configuration is read.
    let by_id = topology.site_ixs().map(|ix| (topology.site(ix).id.clone(), ix));
    topology.site_by_id = by_id.collect();
    topology
}

fn daemon(topology: Topology, seconds: usize) {
    let mut config = settings();
    config.topology = Arc::new(topology);
    config.sessions = Vec::new();
    let state = std::env::temp_dir().join(format!("vchealth-bench-{}", std::process::id()));
    config.settings.state_dir.clone_from(&state);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let board = listener.local_addr().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let options = Options {
        source: Source::made(move || config.clone()),
        listener: Some(listener),
        clock: Clock::start(),
    };
    runtime.block_on(async {
        let daemon = Daemon::start(options).unwrap();
        let start = Instant::now();
        let (mut held, mut started) = (None, None);
        while start.elapsed() < SECOND * seconds as u32 {
            if start.elapsed() * 2 >= SECOND * seconds as u32 {
                held.get_or_insert_with(|| resident("RssAnon"));
            }
            if start.elapsed() >= STARTED {
                started.get_or_insert_with(|| Start::is_over(counted(&daemon.snapshot()).pings));
            }
            tokio::time::sleep(SECOND * 5).await;
            tokio::task::spawn_blocking(move || scrape(board)).await.unwrap();
        }
        let counts = counted(&daemon.snapshot());
        // The end of the daemon is not part of what is measured.
        let started = started.expect("it runs for longer than it takes to start");
        Figures::tell(&started, held.unwrap_or_default(), counts);
        daemon.stop().await;
    });
    std::fs::remove_dir_all(state).unwrap();
}

/// What became of the echoes so far.
fn counted(snapshot: &Snapshot) -> Counts {
    let sum =
        |of: fn(&TargetView) -> u32| snapshot.targets.iter().map(|it| u64::from(of(it))).sum();
    Counts {
        pings: sum(|target| target.sent),
        lost: sum(|target| target.lost),
        unknown: sum(|target| target.local_failures),
    }
}

/// One scrape, as Prometheus does it. What it brings is not kept: it would count as the daemon's
/// memory.
fn scrape(board: std::net::SocketAddr) {
    let mut stream = TcpStream::connect(board).unwrap();
    let head = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n";
    write!(stream, "{head}Connection: close\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(String::from_utf8_lossy(&head), "HTTP/1.1 200");
    std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
}
