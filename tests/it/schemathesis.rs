//! The API as a stranger reads it: schemathesis takes the OpenAPI document, asks for everything
//! that it allows and much that it forbids, and holds every answer against it. The daemon is a real
//! one, watching the emulated province.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::fixtures::Scratch;

/// Where tests/run installs it.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/schemathesis/bin/st");
/// How it is to judge.
const SETTINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/schemathesis.toml");
/// How long it asks.
const SECONDS: &str = "60";
/// What it draws from, so that what it finds once it finds again.
const SEED: &str = "20260203";
/// Longer than a demonstration takes to begin on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A demonstration that ends with the test.
struct Demo(Child);

impl Demo {
    fn start(address: SocketAddr) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vchealth"));
        // A disk that other tests keep busy for seconds would be told of as an error of ours.
        let memory = Path::new("/dev/shm");
        if memory.is_dir() {
            command.env("TMPDIR", memory);
        }
        let child = command
            .args(["demo", "--listen", &address.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut demo = Self(child);
        let began = Instant::now();
        while !demo.answers(address) {
            assert!(began.elapsed() < PATIENCE, "the demonstration does not begin");
            std::thread::sleep(Duration::from_millis(100));
        }
        demo
    }

    /// Whether every target was probed once; the listener is there long before.
    fn answers(&mut self, address: SocketAddr) -> bool {
        use std::io::{Read as _, Write as _};
        let ended = self.0.try_wait().expect("it can be asked");
        assert!(ended.is_none(), "the demonstration ended: {ended:?}");
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let request = "GET /-/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        let asked = stream
            .set_read_timeout(Some(Duration::from_secs(1)))
            .and_then(|()| stream.write_all(request.as_bytes()))
            .and_then(|()| stream.read_to_string(&mut answer));
        asked.is_ok() && answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        let _ = self.0.wait();
    }
}

#[test]
fn the_api_keeps_what_its_document_promises() {
    assert!(
        Path::new(PROGRAM).exists(),
        "schemathesis is missing: install what the tests need with tests/run"
    );
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    let _demo = Demo::start(address);
    // What it remembers of its runs is of no use to anybody.
    let scratch = Scratch::new("schemathesis");
    let run = Command::new(PROGRAM)
        .current_dir(scratch.path())
        .args(["--no-color", "--config-file", SETTINGS, "run"])
        .arg(format!("http://{address}/api/v1/openapi.json"))
        .args(["--max-time", SECONDS, "--seed", SEED])
        // What does not end cannot be judged; the tests of the board follow it.
        .args(["--exclude-path", "/live"])
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{told}\n{}", String::from_utf8_lossy(&run.stderr));
}
