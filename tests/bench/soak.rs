//! Ten minutes at ten thousand targets in the lab, with packets lost, delayed beyond the time
//! limit, cut short, duplicated, reordered and forged: every count must be exact.
//!
//! `cargo bench --bench soak -- [ENDPOINTS [SECONDS [raw|unprivileged [v4|v6]]]]`; 10,000 and 600 on
//! raw sockets and IPv4 unless given, which is what the service has. Takes root.

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
use vchealth::wire::icmp::Family;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let number = |at: usize, usual: usize| {
        arguments.get(at).map_or(usual, |text| text.parse().expect("a number"))
    };
    let word = |at: usize| arguments.get(at).map(String::as_str);
    let socket = Socket {
        unprivileged: word(2) == Some("unprivileged"),
        family: if word(3) == Some("v6") { Family::V6 } else { Family::V4 },
    };
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
