//! Ten minutes at ten thousand targets in the lab, with packets lost, delayed beyond the time
//! limit, cut short, duplicated, reordered and forged: every count must be exact.
//!
//! `cargo bench --bench soak -- [ENDPOINTS [SECONDS]]`; 10,000 and 600 unless given. Takes root.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

#[path = "../it/damage.rs"]
mod damage;

use std::process::ExitCode;
use std::time::Duration;

use damage::Plan;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |at: usize, usual: usize| {
        arguments.get(at).map_or(usual, |text| text.parse().expect("a number"))
    };
    let plan = Plan {
        endpoints: number(0, 10_000),
        seconds: number(1, 600) as u32,
        share: 0.01,
        timeout: Duration::from_secs(2),
        by: Duration::from_secs(4),
    };
    println!(
        "{} endpoints at 1 Hz for {} s; {} of the packets damaged in each of six ways",
        plan.endpoints, plan.seconds, plan.share
    );
    let counts = damage::run(plan);
    println!("{counts}");
    if counts.are_exact() && counts.least() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
