//! Debian's `blackbox_exporter`, asked over HTTP as Prometheus asks it.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{Memory, apart, cpu_so_far};
use crate::targets::{Run, Told};

const LISTEN: &str = "127.0.0.1:9115";

/// Connections that ask, each for its share of the targets.
const CLIENTS: u32 = 20;

const CONFIGURATION: &str =
    "modules: { icmp: { prober: icmp, timeout: 900ms, icmp: { preferred_ip_protocol: ip4 } } }";

/// Runs the exporter and asks it for every target once a second.
pub(crate) fn run(run: Run) -> Told {
    let file = std::env::temp_dir().join(format!("blackbox-{}.yml", std::process::id()));
    fs::write(&file, CONFIGURATION).unwrap();
    let mut exporter = apart("prometheus-blackbox-exporter")
        .arg(format!("--config.file={}", file.display()))
        .args(["--web.listen-address", LISTEN, "--log.level=error"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus-blackbox-exporter is installed");
    let memory = Memory::watch(exporter.id());
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(LISTEN).is_err() {
        assert!(Instant::now() < patience, "the exporter does not listen");
        thread::sleep(Duration::from_millis(50));
    }
    let cpu_before = cpu_so_far(exporter.id());
    let began = Instant::now();
    let answers: Vec<(usize, Vec<Option<u64>>)> = thread::scope(|scope| {
        let clients: Vec<_> =
            (0..CLIENTS).map(|client| scope.spawn(move || ask(run, client, began))).collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let mut told = Told {
        cpu: cpu_so_far(exporter.id()) - cpu_before,
        took: began.elapsed(),
        ..Told::default()
    };
    exporter.kill().ok();
    exporter.wait().ok();
    fs::remove_file(&file).ok();
    told.rss_kib = memory.most();
    told.sample = vec![Vec::new(); usize::try_from(run.sample()).unwrap()];
    for (place, rtts) in answers {
        told.sent += rtts.len() as u64;
        told.received += rtts.iter().flatten().count() as u64;
        told.sample[place] = rtts;
    }
    told
}

/// One connection: asks for its targets in turn, each at its time.
fn ask(run: Run, client: u32, began: Instant) -> Vec<(usize, Vec<Option<u64>>)> {
    let mut stream = BufReader::new(TcpStream::connect(LISTEN).unwrap());
    let targets: Vec<u32> = (client..run.targets).step_by(CLIENTS as usize).collect();
    let mut answers: Vec<(usize, Vec<Option<u64>>)> = targets
        .iter()
        .map(|target| (Run::place(run.address(*target)).unwrap(), Vec::new()))
        .collect();
    for round in 0..run.seconds {
        for (target, (_, rtts)) in targets.iter().zip(&mut answers) {
            let phase = Duration::from_secs(1) * *target / run.targets;
            let due = began + Duration::from_secs(u64::from(round)) + phase;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let address = run.address(*target);
            write!(
                stream.get_mut(),
                "GET /probe?module=icmp&target={address} HTTP/1.1\r\nHost: {LISTEN}\r\n\r\n"
            )
            .unwrap();
            rtts.push(round_trip(&read_body(&mut stream)));
        }
    }
    answers
}

/// The body of an HTTP/1.1 response, by its length or in chunks.
fn read_body(stream: &mut BufReader<TcpStream>) -> String {
    let (mut length, mut chunked) = (0, false);
    let mut line = String::new();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let header = line.trim().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= header == "transfer-encoding: chunked";
        if header.is_empty() {
            break;
        }
    }
    let mut body = Vec::new();
    loop {
        if chunked {
            line.clear();
            stream.read_line(&mut line).unwrap();
            length = usize::from_str_radix(line.trim(), 16).unwrap();
        }
        let from = body.len();
        body.resize(from + length, 0);
        stream.read_exact(&mut body[from..]).unwrap();
        if chunked {
            line.clear();
            stream.read_line(&mut line).unwrap();
        }
        if !chunked || length == 0 {
            return String::from_utf8_lossy(&body).into_owned();
        }
    }
}

/// The round trip in nanoseconds, if the probe succeeded.
fn round_trip(metrics: &str) -> Option<u64> {
    let value = |name: &str| -> Option<f64> {
        let line = metrics.lines().find(|line| line.starts_with(name))?;
        line.rsplit(' ').next()?.parse().ok()
    };
    (value("probe_success")? > 0.5).then_some(())?;
    let seconds = value("probe_icmp_duration_seconds{phase=\"rtt\"}")?;
    u64::try_from(Duration::from_secs_f64(seconds).as_nanos()).ok()
}
