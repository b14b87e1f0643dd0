//! What really went over the interface: tcpdump, with the kernel's time stamps.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::far;
use crate::targets::Run;

/// A capture of the sample's packets under way.
pub(crate) struct Capture {
    tcpdump: Child,
    messages: BufReader<ChildStderr>,
    file: PathBuf,
}

/// What was captured.
pub(crate) struct Seen {
    /// Round trips in nanoseconds by place in the sample, in the order of the requests; none
    /// where no reply went over the interface.
    pub(crate) sample: BTreeMap<usize, Vec<Option<u64>>>,
    /// Packets that tcpdump says it missed.
    pub(crate) missed: u64,
}

impl Capture {
    pub(crate) fn start(run: Run) -> Self {
        let file = std::env::temp_dir().join(format!("capture-{}.pcap", std::process::id()));
        let mut tcpdump = Command::new("tcpdump")
            .args([
                "-i",
                if run.far { far::LINK } else { "lo" },
                "-n",
                "-B",
                "65536",
                "-s",
                "64",
                "-Z",
                "root",
            ])
            .args(["--time-stamp-precision=nano", "-w"])
            .arg(&file)
            .arg("icmp and (net 127.200.0.0/16 or net 10.200.0.0/16)")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump is installed");
        let mut messages = BufReader::new(tcpdump.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert!(messages.read_line(&mut line).unwrap() > 0, "tcpdump ended");
        }
        Self { tcpdump, messages, file }
    }

    pub(crate) fn stop(mut self) -> Seen {
        // What the kernel has gathered is handed to tcpdump within a second.
        thread::sleep(Duration::from_millis(1_200));
        let pid = Pid::from_raw(i32::try_from(self.tcpdump.id()).unwrap());
        kill(pid, Signal::SIGINT).unwrap();
        let mut missed = 0;
        for line in self.messages.lines() {
            let line = line.unwrap();
            if let Some(count) = line.strip_suffix(" packets dropped by kernel") {
                missed = count.trim().parse().unwrap_or(0);
            }
        }
        self.tcpdump.wait().unwrap();
        let bytes = fs::read(&self.file).unwrap();
        fs::remove_file(&self.file).ok();
        Seen { sample: round_trips(&bytes), missed }
    }
}

/// The round trips in a capture file with nanoseconds.
fn round_trips(bytes: &[u8]) -> BTreeMap<usize, Vec<Option<u64>>> {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!(number(0), 0xa1b2_3c4d, "a capture with nanoseconds in this machine's order");
    // The loopback looks like Ethernet (link type 1); a TUN device has bare packets.
    let link = if number(20) == 1 { 14 } else { 0 };
    let mut asked: BTreeMap<(usize, u16, u16), (usize, u64)> = BTreeMap::new();
    let mut sample: BTreeMap<usize, Vec<Option<u64>>> = BTreeMap::new();
    let mut at = 24;
    while at + 16 <= bytes.len() {
        let stamp = u64::from(number(at)) * 1_000_000_000 + u64::from(number(at + 4));
        let length = number(at + 8) as usize;
        let packet = &bytes[at + 16 + link..at + 16 + length];
        at += 16 + length;
        let address = |from: usize| {
            let octets: [u8; 4] = packet[from..from + 4].try_into().unwrap();
            Run::place(Ipv4Addr::from(octets))
        };
        let icmp = &packet[20..];
        let ident = u16::from_be_bytes([icmp[4], icmp[5]]);
        let sequence = u16::from_be_bytes([icmp[6], icmp[7]]);
        match icmp[0] {
            8 => {
                let Some(place) = address(16) else { continue };
                let rounds = sample.entry(place).or_default();
                asked.insert((place, ident, sequence), (rounds.len(), stamp));
                rounds.push(None);
            }
            0 => {
                let Some(place) = address(12) else { continue };
                if let Some((round, sent)) = asked.remove(&(place, ident, sequence)) {
                    sample.get_mut(&place).unwrap()[round] = Some(stamp - sent);
                }
            }
            _ => {}
        }
    }
    sample
}
