//! Whether the daemon's memory stays what it is over reloads.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;

use vchealth::clock::Clock;
use vchealth::daemon::{Daemon, Options, Source};

use super::{SECOND, address, child as process, resident};

/// Runs the reloads and judges them.
pub(super) fn run(targets: usize, reloads: usize) -> ExitCode {
    println!("{targets} targets, {reloads} reloads, each with a change");
    let output = process("--child-reloads", targets, reloads).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let held: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    let most = |from: usize, to: usize| held[from..=to].iter().copied().fold(0.0, f64::max);
    let half = reloads / 2;
    let (first, second) = (most(0, half), most(half, reloads));
    println!(
        "held after the start {:.1} MiB, after the first reload {:.1}; at most {first:.1} in the \
         first half of the reloads and {second:.1} in the second; at the end {:.1}",
        held[0], held[1], held[reloads]
    );
    if second <= first * 1.1 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A daemon that reads its configuration from files, again and again. Prints what it holds, first
/// after the start.
pub(super) fn child(targets: usize, reloads: usize) {
    let dir = std::env::temp_dir().join(format!("vchealth-reloads-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let state = dir.join("state");
    let settings = format!("state_dir: {}\nvantage: site-0\nchannels: {{}}\n", state.display());
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
        for reload in 1..=reloads {
            write_sites(&dir, targets, reload);
            daemon.reload().await.unwrap_or_else(|wrong| panic!("{wrong}"));
            tokio::time::sleep(SECOND).await;
            println!("{}", resident("RssAnon"));
        }
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
        let named = if site == 0 { nth } else { site };
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
