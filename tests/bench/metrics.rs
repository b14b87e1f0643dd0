//! What the page of metrics costs: the sample province, ten thousand and a hundred thousand series,
//! beside the `prometheus` crate holding and writing the same series in the same run.
//!
//! `cargo bench --bench metrics`

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark has clocks and prints what it measured"
)]
#![allow(dead_code, reason = "what it borrows from the tests has more uses there")]

#[path = "../it/exposition.rs"]
mod exposition;
#[path = "../it/province.rs"]
mod province;

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use prometheus::{Encoder as _, GaugeVec, Opts, Registry, TextEncoder};
use vchealth::config;
use vchealth::metrics::{self, Page};
use vchealth::model::Snapshot;

fn main() {
    // Memory first: what a later measurement frees would hide what the next one takes.
    let largest = province::quiet(1_960);
    let before = resident_kib();
    let kept = in_the_crate(&exposition::read(&page(&largest)));
    let taken = resident_kib().saturating_sub(before);
    drop(kept);

    // Arguments of the test harness, such as `--bench`, mean nothing here.
    let settings = config::load(&config::sample()).expect("the sample is sound");
    let sample = province::quiet_in(Arc::unwrap_or_clone(settings.topology));
    println!(
        "{:<26} {:>8} {:>9} {:>9} {:>10} {:>10} {:>11} {:>11}",
        "", "series", "bytes", "gzipped", "write", "gzip", "crate: set", "crate: write"
    );
    compare("the sample, 204 sites", &sample);
    compare("ten thousand series", &province::quiet(196));
    compare("a hundred thousand series", &largest);
    println!("the crate keeps {taken} KiB for the last; the writer keeps nothing between scrapes");
}

fn compare(name: &str, snapshot: &Snapshot) {
    let text = page(snapshot);
    let write = median(|| page(snapshot).len());
    let compress = median(|| gzip(&text).len());
    let read = exposition::read(&text);
    let series: usize = read.families.iter().map(|(.., series)| series.len()).sum();

    let (registry, gauges) = in_the_crate(&read);
    let set = median(|| gauges.iter().map(|(gauge, value)| gauge.set(*value)).count());
    let encode = median(|| {
        let mut out = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut out).expect("a page");
        out.len()
    });
    println!(
        "{name:<26} {series:>8} {:>9} {:>9} {:>10} {:>10} {:>11} {:>11}",
        text.len(),
        gzip(&text).len(),
        shown(write),
        shown(compress),
        shown(set),
        shown(encode),
    );
}

fn page(snapshot: &Snapshot) -> String {
    Page::whole(|page| metrics::write(snapshot, page))
}

/// The same families in the crate, each series with its handle kept.
fn in_the_crate(page: &exposition::Page) -> (Registry, Vec<(prometheus::Gauge, f64)>) {
    let registry = Registry::new();
    let mut gauges = Vec::new();
    for (name, _, series) in &page.families {
        let names: Vec<&str> = series[0].labels.keys().map(String::as_str).collect();
        let family = GaugeVec::new(Opts::new(name, "A family"), &names).expect("a family");
        registry.register(Box::new(family.clone())).expect("one of each");
        for one in series {
            // Free labels differ from site to site, which the crate does not admit.
            let values: Vec<&str> =
                names.iter().map(|name| one.labels.get(*name).map_or("", String::as_str)).collect();
            gauges.push((family.with_label_values(&values), one.value));
        }
    }
    (registry, gauges)
}

/// As far as the daemon compresses it.
fn gzip(page: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(2));
    encoder.write_all(page.as_bytes()).expect("memory");
    encoder.finish().expect("memory")
}

/// The median of some runs, so that a busy neighbour does not count.
fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..25)
        .map(|_| {
            let started = Instant::now();
            std::hint::black_box(run());
            started.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn shown(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Resident memory of this process.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}
