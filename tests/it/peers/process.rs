//! A real server as a child process in a directory of its own, ended with everything it started.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::ports::free_port;
use crate::probing::PATIENT;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A server.
pub(super) struct Peer {
    program: &'static str,
    dir: PathBuf,
    child: Option<Child>,
}

impl Peer {
    /// A server that does not run yet.
    ///
    /// # Panics
    /// When its package is not installed: a test that cannot run must not look as if it passed.
    pub(super) fn new(package: &str, program: &'static str) -> Self {
        assert!(
            Path::new(program).exists(),
            "{program} is missing: install the Debian package {package}, or all that the tests \
             need with tests/run"
        );
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("vchealth-peer-{}-{count}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a directory of its own");
        Self { program, dir, child: None }
    }

    /// Where it runs.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Writes a file for it.
    pub(super) fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.join(name), text).expect("its directory can be written");
    }

    /// Starts it. What it says goes into a file that a failing test shows.
    pub(super) fn start(&mut self, arguments: &[&str]) {
        let log = fs::File::create(self.log()).expect("its directory can be written");
        let child = Command::new(self.program)
            .args(arguments)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log)
            // A group of its own, so that its children end with it.
            .process_group(0)
            .spawn();
        self.child = Some(child.expect("it starts"));
    }

    /// Waits until it takes connections at `at`.
    pub(super) async fn until_open(&mut self, at: SocketAddr) {
        let polling = async {
            while tokio::net::TcpStream::connect(at).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(PATIENT, polling).await.is_err() {
            let log = fs::read_to_string(self.log()).unwrap_or_default();
            panic!("{} does not listen at {at}:\n{log}", self.program);
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take()
            && let Ok(group) = i32::try_from(child.id())
        {
            // Asked, it ends its own children; only what does not is ended by force.
            let _ = killpg(Pid::from_raw(group), Signal::SIGTERM);
            for _ in 0..100 {
                if !matches!(child.try_wait(), Ok(None)) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Where a peer on loopback may listen.
pub(super) fn somewhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}
