//! Processes: a network of one's own, busy neighbours, what a child took.

use std::ffi::OsStr;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{UsageWho, getrusage};

/// Moves this process into an empty network namespace with a loopback.
pub(crate) fn own_network(unprivileged: bool) {
    unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace: run this as root");
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    assert!(up.is_ok_and(|status| status.success()), "ip link set lo up");
    let range = if unprivileged { "0 2147483647" } else { "1 0" };
    fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
}

/// Processes that do nothing but take processor time, until dropped.
pub(crate) struct Busy(Vec<Child>);

impl Busy {
    pub(crate) fn start(count: usize) -> Self {
        let spin =
            |_| Command::new("sh").args(["-c", "while :; do :; done"]).spawn().expect("a shell");
        Self((0..count).map(spin).collect())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// Whether a program is there to be run.
pub(crate) fn is_installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|path| path.join(program).is_file())
}

/// A command in a session of its own, as what starts services does. The scheduler then shares
/// processor time between it and the busy ones as one, however many these are (`sched(7)`,
/// autogroup).
pub(crate) fn apart(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setsid");
    command.arg(program);
    command
}

/// What a child wrote and took.
pub(crate) struct Ended {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) cpu: Duration,
    pub(crate) rss_kib: u64,
}

/// Runs a command to its end. No other child may end meanwhile, or its time is counted in.
pub(crate) fn run(command: &mut Command) -> Ended {
    let before = children_cpu();
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let memory = Memory::watch(child.id());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ended {
        stdout: text(output.stdout),
        stderr: text(output.stderr),
        cpu: children_cpu() - before,
        rss_kib: memory.most(),
    }
}

/// Processor time of all children that have ended.
fn children_cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let time = |value: nix::sys::time::TimeVal| {
        Duration::from_secs(value.tv_sec().unsigned_abs())
            + Duration::from_micros(value.tv_usec().unsigned_abs())
    };
    time(usage.user_time()) + time(usage.system_time())
}

/// Watches the resident memory of a process.
pub(crate) struct Memory {
    most: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Memory {
    pub(crate) fn watch(pid: u32) -> Self {
        let (most, over) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let thread = thread::spawn({
            let (most, over) = (Arc::clone(&most), Arc::clone(&over));
            move || {
                while !over.load(Ordering::Relaxed) {
                    if let Some(kib) = high_water(pid) {
                        most.fetch_max(kib, Ordering::Relaxed);
                    }
                    thread::sleep(Duration::from_millis(250));
                }
            }
        });
        Self { most, over, thread }
    }

    pub(crate) fn most(self) -> u64 {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().ok();
        self.most.load(Ordering::Relaxed)
    }
}

/// `VmHWM` of a process in KiB.
fn high_water(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Processor time of a running process, by its clock of 100 ticks a second.
pub(crate) fn cpu_so_far(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name in brackets may contain blanks; the 12th and 13th field behind it are the times.
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
    let ticks: u64 = fields[12].parse::<u64>().unwrap() + fields[13].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}
