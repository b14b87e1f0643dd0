//! Echo engines side by side in one run: what a ping costs and how far what they say is from what
//! a capture on the interface says.
//!
//! Every engine runs in a process of its own against addresses of the loopback, or with `--far`
//! against a network that others answer for, in a network namespace of its own.
//! `cargo bench --bench icmp -- --help` tells the options.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a benchmark has hands, prints, and ends where something is not as it must be"
)]

#[path = "icmp/blackbox.rs"]
mod blackbox;
#[path = "icmp/capture.rs"]
mod capture;
#[path = "icmp/engine.rs"]
mod engine;
#[path = "icmp/far.rs"]
mod far;
#[path = "icmp/fping.rs"]
mod fping;
#[path = "icmp/options.rs"]
mod options;
#[path = "icmp/process.rs"]
mod process;
#[path = "icmp/table.rs"]
mod table;
#[path = "icmp/targets.rs"]
mod targets;
#[path = "../it/icmp/tun.rs"]
mod tun;

use std::process::ExitCode;

use crate::capture::Capture;
use crate::options::{Load, Options, Subject};
use crate::process::Busy;
use crate::table::{Duel, Row, Table};
use crate::targets::{Run, Timing};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--child") {
        return engine::child(&arguments[1..]);
    }
    let mut options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::from(64);
        }
    };
    process::own_network(options.unprivileged);
    if options.far {
        far::start();
    }
    let mut table = Table::default();
    for program in options.subjects.iter().filter_map(|subject| subject.program()) {
        if !process::is_installed(program) {
            table.leave_out(format!("left out: {program} is not installed"));
        }
    }
    options.subjects.retain(|subject| subject.program().is_none_or(process::is_installed));
    if options.capture && !process::is_installed("tcpdump") {
        table.leave_out("without a capture: tcpdump is not installed".to_owned());
        options.capture = false;
    }
    for &targets in &options.targets {
        let Options { seconds, far, .. } = options;
        let run = Run { targets, seconds, timing: Timing::Spread, far };
        for &load in &options.loads {
            let busy = Busy::start(if load == Load::Busy { 2 } else { 0 });
            for &subject in &options.subjects {
                if options.measures(subject, targets) {
                    table.add(measure(subject, run, load, options.capture));
                }
            }
            let both = [Subject::Kernel, Subject::Fping];
            if options.turns > 0 && both.iter().all(|one| options.measures(*one, targets)) {
                table.add_duel(duel(run, load, options.turns));
            }
            drop(busy);
        }
        if options.one_tick {
            for &subject in &options.subjects {
                if subject.is_ours() && subject.carries(targets) {
                    let run = Run { timing: Timing::OneTick, ..run };
                    table.add(measure(subject, run, Load::Idle, options.capture));
                }
            }
        }
    }
    println!("\n{table}");
    let complaints = if options.judge { table.judge() } else { Vec::new() };
    for complaint in &complaints {
        println!("{complaint}");
    }
    if complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The kernel engine and fping in turns, each first in every other one.
fn duel(run: Run, load: Load, turns: u32) -> Duel {
    let run = Run { seconds: run.seconds.div_ceil(2), ..run };
    let turn = |nth: u32| {
        eprintln!("kernel and fping, {} targets, {load}, turn {} …", run.targets, nth + 1);
        let ours = || engine::run(Subject::Kernel.word(), run).cpu_per_ping();
        let theirs = || fping::run(run).cpu_per_ping();
        if nth.is_multiple_of(2) {
            (ours(), theirs())
        } else {
            let theirs = theirs();
            (ours(), theirs)
        }
    };
    Duel { run, load, turns: (0..turns).map(turn).collect() }
}

/// One engine, one size, one load, beside a capture of a sample of its packets.
fn measure(subject: Subject, run: Run, load: Load, with_capture: bool) -> Row {
    eprintln!("{subject}, {} targets, {load}, {:?} …", run.targets, run.timing);
    let capture = with_capture.then(|| Capture::start(run));
    let told = match subject {
        Subject::Kernel | Subject::Surge => engine::run(subject.word(), run),
        Subject::Fping => fping::run(run),
        Subject::Blackbox => blackbox::run(run),
    };
    let seen = capture.map(Capture::stop);
    Row::new(subject, run, load, told, seen.as_ref())
}
