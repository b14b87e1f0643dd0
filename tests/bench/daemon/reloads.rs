//! What reloads cost: time, turns of targets, memory.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::daemon::{Daemon, Options, Source};

use super::{Installed, SECOND, address, child as process, resident};

/// Longest that the loop may stand still for a reload.
const STILL_MOST: f64 = 100.0;

/// Runs the reloads and judges them.
pub(super) fn run(targets: usize, reloads: usize) -> ExitCode {
    println!("{targets} targets, {reloads} reloads, each with a change");
    let program = Installed::new();
    let output = process(&program.0, "--child-reloads", targets, reloads).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let rows = text.lines().map(|line| line.split_whitespace().map(|it| it.parse().unwrap()));
    let mut rows: Vec<Vec<f64>> = rows.map(Iterator::collect).collect();
    let turns = rows.pop().unwrap();
    let held: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    let column = |at: usize| {
        let mut column: Vec<f64> = rows[1..].iter().map(|row| row[at]).collect();
        column.sort_by(f64::total_cmp);
        (column[column.len() / 2], column[column.len() - 1])
    };
    let ((took, took_most), (still, still_most)) = (column(1), column(2));
    let (asked, missed) = (turns[0], turns[1]);
    println!(
        "a reload takes {took:.0} ms, {took_most:.0} at most, of which the loop stands still for \
         {still:.0}, {still_most:.0} at most; {asked:.0} probes meanwhile, {missed:.0} turns missed"
    );
    let most = |from: usize, to: usize| held[from..=to].iter().copied().fold(0.0, f64::max);
    let half = reloads / 2;
    let (first, second) = (most(0, half), most(half, reloads));
    println!(
        "held after the start {:.1} MiB, after the first reload {:.1}; at most {first:.1} in the \
         first half of the reloads and {second:.1} in the second; at the end {:.1}",
        held[0], held[1], held[reloads]
    );
    let well = second <= first * 1.1 && still_most <= STILL_MOST && missed < 1.0;
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A daemon that reads its configuration from files, again and again. Prints what it holds, first
/// after the start; with each reload how long it took, and for how long the loop stood still; at
/// the end how many probes there were meanwhile, and how many there should have been besides.
pub(super) fn child(targets: usize, reloads: usize) {
    let dir = std::env::temp_dir().join(format!("vchealth-reloads-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let state = dir.join("state");
    let settings = format!(
        "state_dir: {}\nvantage: site-0\nchannels: {{}}\nchecks:\n  ping:\n    kind: icmp\n    \
         pace: {{idle: 1s, readiness: 1s, live: 1s, wrap_up: 1s}}\n",
        state.display()
    );
    fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    fs::write(dir.join("sessions.yaml"), "sessions: []\n").unwrap();
    write_sites(&dir, targets, 0);
    let listener = Some(TcpListener::bind("127.0.0.1:0").unwrap());
    let options = Options { source: Source::directory(&dir), listener, clock: Clock::start() };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let daemon = Daemon::start(options).unwrap();
        // The first round of probes is over.
        tokio::time::sleep(SECOND * 10).await;
        println!("{}", resident("RssAnon"));
        let before = daemon.snapshot();
        for reload in 1..=reloads {
            write_sites(&dir, targets, reload);
            let (began, mut still) = (Instant::now(), Duration::ZERO);
            let mut reload = std::pin::pin!(daemon.reload());
            loop {
                tokio::select! {
                    done = &mut reload => {
                        done.unwrap_or_else(|wrong| panic!("{wrong}"));
                        break;
                    }
                    () = tokio::time::sleep(SECOND / 1000) => {
                        still = still.max(daemon.stalled_for());
                    }
                }
            }
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let took = began.elapsed();
            tokio::time::sleep(SECOND).await;
            println!("{} {} {}", resident("RssAnon"), ms(took), ms(still));
        }
        let after = daemon.snapshot();
        // Each target has a turn a second; the first and the last may lie outside.
        let turns = (after.taken.mono - before.taken.mono).as_secs() - 1;
        let targets = after.targets.iter().zip(&before.targets);
        let asked = targets.map(|(after, before)| u64::from(after.probes - before.probes));
        let (asked, missed) = asked.fold((0, 0), |(asked, missed), probes| {
            (asked + probes, missed + turns.saturating_sub(probes))
        });
        println!("{asked} {missed}");
        daemon.stop().await;
    });
    fs::remove_dir_all(dir).unwrap();
}

/// Two endpoints a site, with one ping check each. Every writing gives one site another name.
fn write_sites(dir: &Path, targets: usize, nth: usize) {
    let mut text = "levels:\n  - {id: commune, name: {vi: Xã, en: Commune}}\nclasses:\n  \
                    commune:\n    level: commune\n    endpoints:\n      \
                    - {id: router, checks: [ping]}\n      - {id: codec, checks: [ping]}\nsites:\n"
        .to_owned();
    for site in 0..targets / 2 {
        let named = if site == 0 { targets + nth } else { site };
        let (router, codec) = (address(2 * site), address(2 * site + 1));
        writeln!(
            text,
            "  - {{id: site-{site}, name: Điểm cầu {named}, class: commune, router: {router}, \
             codec: {codec}}}"
        )
        .unwrap();
    }
    fs::write(dir.join("sites.yaml"), text).unwrap();
}
