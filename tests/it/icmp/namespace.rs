//! A network namespace for one test.

use std::fs;
use std::process::Command;
use std::thread;

use nix::sched::{CloneFlags, unshare};

/// Runs `test` on a thread in an empty network namespace whose loopback is up and in which
/// unprivileged echo sockets are permitted or not.
///
/// # Panics
/// When the namespace cannot be had, or `test` panics.
pub(crate) fn in_namespace(unprivileged: bool, test: impl FnOnce() + Send) {
    thread::scope(|scope| {
        scope
            .spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET).expect("tests of real packets need root");
                ip("link set lo up");
                let range = if unprivileged { "0 2147483647" } else { "1 0" };
                // What stands under /proc/sys/net is that of the writing thread's namespace.
                fs::write("/proc/sys/net/ipv4/ping_group_range", range).expect("it is ours");
                test();
            })
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Runs the `ip` tool in the namespace of the calling thread.
///
/// # Panics
/// When it fails.
pub(crate) fn ip(arguments: &str) {
    let output =
        Command::new("ip").args(arguments.split(' ')).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}
