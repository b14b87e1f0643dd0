//! fping on the same targets.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use crate::process;
use crate::targets::{Run, Told};

/// Runs fping and reads the round trips that it lists at its end.
pub(crate) fn run(run: Run) -> Told {
    let file = std::env::temp_dir().join(format!("fping-targets-{}", std::process::id()));
    let mut list = String::new();
    for target in 0..run.targets {
        writeln!(list, "{}", run.address(target)).unwrap();
    }
    fs::write(&file, list).unwrap();
    // A little faster than once a second needs, so that fping's own time does not add up.
    let interval = 1_000.0 / f64::from(run.targets) * 0.97;
    let began = Instant::now();
    let ended = process::run(
        process::apart("fping")
            .args(["-q", "-r", "0", "-p", "1000", "-t", "900"])
            .args(["-C", &run.seconds.to_string(), "-i", &format!("{interval:.4}")])
            .arg("-f")
            .arg(&file),
    );
    fs::remove_file(&file).ok();
    let took = began.elapsed();
    let mut told = Told { cpu: ended.cpu, rss_kib: ended.rss_kib, took, ..Told::default() };
    told.sample = vec![Vec::new(); usize::try_from(run.sample()).unwrap()];
    for line in ended.stderr.lines() {
        // Address, colon, one round trip in milliseconds or a dash for each ping.
        let Some((address, rtts)) = line.split_once(" : ") else { continue };
        let rtts = rtts.split_whitespace().map(|rtt| rtt.parse::<f64>().ok());
        let rtts: Vec<Option<u64>> = rtts
            .map(|rtt| {
                let nanos = Duration::from_secs_f64(rtt? / 1_000.0).as_nanos();
                u64::try_from(nanos).ok()
            })
            .collect();
        told.sent += rtts.len() as u64;
        told.received += rtts.iter().flatten().count() as u64;
        if let Some(place) = address.trim().parse().ok().and_then(Run::place) {
            told.sample[place] = rtts;
        }
    }
    assert!(told.sent > 0, "fping failed:\n{}", ended.stderr);
    told
}
