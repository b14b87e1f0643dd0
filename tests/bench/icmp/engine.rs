//! An engine of ours in a process of its own.

use std::io::{Write, stdout};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::model::{Failure, Mono};
use vchealth::probe::icmp::{EchoParams, PingDone, PingJob, start};

use crate::process;
use crate::targets::{Run, Timing, Told};

/// How long before its time a job is handed over, and how often some are.
const AHEAD: Duration = Duration::from_millis(240);
const HAND_OVER: Duration = Duration::from_millis(200);

/// Jobs handed over in one call at most.
const PORTION: usize = 1_000;

const TIMEOUT: Duration = Duration::from_millis(900);

/// Runs an engine in a child and reads what it tells.
pub(crate) fn run(engine: &str, run: Run) -> Told {
    let timing = match run.timing {
        Timing::Spread => "spread",
        Timing::OneTick => "one-tick",
    };
    let ended = process::run(process::apart(std::env::current_exe().unwrap()).args([
        "--child",
        engine,
        &run.targets.to_string(),
        &run.seconds.to_string(),
        timing,
        if run.far { "far" } else { "near" },
    ]));
    let mut told = Told { cpu: ended.cpu, rss_kib: ended.rss_kib, ..Told::default() };
    for line in ended.stdout.lines() {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number = || rest.parse::<u64>().unwrap();
        match word {
            "sent" => told.sent = number(),
            "received" => told.received = number(),
            "unknown" => told.unknown = number(),
            "late" => told.late = Some(Duration::from_nanos(number())),
            "took" => told.took = Duration::from_nanos(number()),
            "rtts" => told.sample.push(rest.split(' ').map(|rtt| rtt.parse().ok()).collect()),
            _ => eprintln!("{line}"),
        }
    }
    assert!(told.sent > 0, "the child failed:\n{}", ended.stderr);
    if !ended.stderr.is_empty() {
        eprint!("{}", ended.stderr);
    }
    told
}

#[derive(Default)]
struct Results {
    answered: u64,
    unknown: u64,
    sample: Vec<Vec<Option<u64>>>,
}

/// The child: pings and tells.
pub(crate) fn child(arguments: &[String]) -> ExitCode {
    let [engine, targets, seconds, timing, way] = arguments else { return ExitCode::from(64) };
    let engine = if engine == "surge" { IcmpEngine::Surge } else { IcmpEngine::Kernel };
    let timing = if timing == "spread" { Timing::Spread } else { Timing::OneTick };
    let run = Run {
        targets: targets.parse().unwrap(),
        seconds: seconds.parse().unwrap(),
        timing,
        far: way == "far",
    };
    let began = Instant::now();
    let clock = Clock::start();
    let rounds = usize::try_from(run.seconds).unwrap();
    let sample = vec![vec![None; rounds]; usize::try_from(run.sample()).unwrap()];
    let results = Arc::new(Mutex::new(Results { sample, ..Results::default() }));
    let sink = {
        let results = Arc::clone(&results);
        Box::new(move |batch: Vec<PingDone>| {
            let mut results = results.lock().unwrap();
            for done in batch {
                note(&mut results, run, &done);
            }
        })
    };
    let settings = IcmpSettings { engine, receive_buffer: 8 << 20 };
    let pinger = start(&settings, clock, sink).expect("echo requests are permitted");
    // Stamping is switched on for the whole machine a moment after the first socket asks for it.
    let first = clock.mono() + Duration::from_millis(300);
    let due = |target: u32, round: u32| {
        let phase = match timing {
            Timing::Spread => Duration::from_secs(1) * target / run.targets,
            Timing::OneTick => Duration::ZERO,
        };
        first + Duration::from_secs(u64::from(round)) + phase
    };
    // Ahead of its time and many at once, as whoever wants the least of an engine's CPU hands over;
    // the daemon bench measures it fed by the brain's rounds.
    let (mut target, mut round, mut late) = (0, 0, Duration::ZERO);
    while round < run.seconds {
        let horizon = clock.mono() + AHEAD;
        let mut jobs = Vec::new();
        while round < run.seconds && due(target, round) < horizon {
            if jobs.len() == PORTION {
                pinger.submit(std::mem::take(&mut jobs));
            }
            jobs.push(job(run, target, round, due(target, round)));
            target += 1;
            if target == run.targets {
                (target, round) = (0, round + 1);
            }
        }
        pinger.submit(jobs);
        late = late.max(pinger.health().worst_lateness);
        thread::sleep(HAND_OVER);
    }
    while pinger.health().in_flight > 0 {
        thread::sleep(HAND_OVER);
    }
    let health = pinger.health();
    drop(pinger);
    let results = results.lock().unwrap();
    let mut out = stdout().lock();
    // Not the results: those say nothing of a request that was never sent.
    writeln!(out, "sent {}\nreceived {}", health.sent, results.answered).unwrap();
    writeln!(out, "unknown {}\nlate {}", results.unknown, late.as_nanos()).unwrap();
    writeln!(out, "took {}", began.elapsed().as_nanos()).unwrap();
    for rtts in &results.sample {
        let text = |rtt: &Option<u64>| rtt.map_or_else(|| "-".to_owned(), |rtt| rtt.to_string());
        writeln!(out, "rtts {}", rtts.iter().map(text).collect::<Vec<_>>().join(" ")).unwrap();
    }
    eprintln!("  {health:?}");
    ExitCode::SUCCESS
}

fn job(run: Run, target: u32, round: u32, due: Mono) -> PingJob {
    PingJob {
        token: u64::from(round) << 32 | u64::from(target),
        address: run.address(target).into(),
        check: EchoParams {
            count: 1,
            spacing: Duration::from_millis(20),
            size: 56,
            dscp: 0,
            dont_fragment: false,
            planned: false,
        },
        timeout: TIMEOUT,
        due,
    }
}

fn note(results: &mut Results, run: Run, done: &PingDone) {
    match &done.result {
        Ok(detail) => {
            results.answered += 1;
            let target = u32::try_from(done.token & 0xffff_ffff).unwrap();
            if let Some(nth) = run.sampled(target) {
                let round = usize::try_from(done.token >> 32).unwrap();
                let rtt = detail.rtts.as_slice()[0].as_nanos();
                let place = usize::try_from(nth).unwrap();
                results.sample[place][round] = u64::try_from(rtt).ok();
            }
        }
        Err(failure) => {
            results.unknown += u64::from(matches!(failure, Failure::Local(_)));
        }
    }
}
