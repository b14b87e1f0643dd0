//! Ten minutes at ten thousand targets in the lab, with packets lost, delayed beyond the time
//! limit, cut short, duplicated, reordered and forged: every count must be exact.
//!
//! `cargo bench --bench soak -- [ENDPOINTS [SECONDS [SOCKET]]]`; 10,000 and 600 unless given. The
//! socket is one of `raw-v4`, as the service has it, `raw-v6`, `unprivileged-v4` and
//! `unprivileged-v6`. Takes root.

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
#[path = "../it/socket.rs"]
mod socket;

use std::process::ExitCode;
use std::time::Duration;

use damage::Plan;
use socket::Socket;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |at: usize, usual: usize| {
        arguments.get(at).map_or(usual, |text| text.parse().expect("a number"))
    };
    let word = arguments.get(2).map_or("raw-v4", String::as_str);
    let known = Socket::ALL.into_iter().find(|socket| socket.to_string() == word);
    let socket = known.expect("a kind of socket with a family");
    let plan = Plan {
        socket,
        endpoints: number(0, 10_000),
        seconds: number(1, 600) as u32,
        share: 0.01,
        timeout: Duration::from_secs(2),
        by: Duration::from_secs(4),
    };
    println!(
        "{socket}: {} endpoints at 1 Hz for {} s; {} of the packets damaged in each of six ways",
        plan.endpoints, plan.seconds, plan.share
    );
    let counts = damage::run(plan);
    println!("{counts}");
    if counts.are_exact() && counts.least() > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
