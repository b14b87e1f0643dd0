//! How much a year of sessions takes on disk.

use std::time::Duration;

use jiff::Timestamp;
use vchealth::config;
use vchealth::model::{
    Batch, Change, Rollup, SessionId, SessionRecord, Sketch, Spread, TargetKey, Watch,
};
use vchealth::report::Measured;
use vchealth::store::{History, Retention, Store};

use crate::fixtures::{Scratch, at};

/// Sessions in the measured while, and how long each lasts.
const SESSIONS: usize = 2;
const LASTS: Duration = Duration::from_secs(4 * 3600);

/// What a target that is pinged every second is written down with for a minute; a round trip
/// wanders as it does on a line of a province.
fn minute(key: &TargetKey, from: Timestamp, seed: u64) -> Rollup {
    let pinged = key.check.as_ref().is_some_and(|check| check.as_str() == "ping");
    let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |limit: u64| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        dice % limit
    };
    let usual = 4_000 + next(20_000);
    let mut rtt = Sketch::default();
    let probes = if pinged { 60 } else { 4 };
    for _ in 0..probes {
        rtt.record(u32::try_from(usual + next(usual / 4) + next(50) / 49 * 9_000).unwrap());
    }
    let (low, high) = (rtt.percentile(0), rtt.percentile(100));
    let spread = match pinged {
        true => Spread {
            jitter: Sketch::of(u32::try_from(300 + next(900)).unwrap()),
            loss: Sketch::of(if next(20) == 0 { 167 } else { 0 }),
            mos: Sketch::of(u32::try_from(435 + next(6)).unwrap()),
            rtt,
        },
        false => Spread { rtt, ..Spread::default() },
    };
    let sent = if pinged { 60 } else { 0 };
    Rollup {
        key: key.clone(),
        from,
        seconds: 60,
        probes,
        failed: 0,
        local: 0,
        sent,
        lost: u32::from(pinged && next(20) == 0),
        lost_down: 0,
        rtt_min_us: low,
        rtt_mean_us: Some(u32::try_from(usual).unwrap()),
        rtt_max_us: high,
        jitter_us: pinged.then_some(700),
        spread,
    }
}

/// Bytes that the tables take, without what is free.
fn bytes(store: &Store) -> u64 {
    let db = rusqlite::Connection::open(store.dir().join(vchealth::store::FILE_NAME)).unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap();
    let pages = pragma("page_count") - pragma("freelist_count");
    u64::try_from(pages * pragma("page_size")).unwrap()
}

#[test]
fn a_year_of_weekly_sessions_is_small_and_loses_nothing_that_reports_tell() {
    let config = config::load(&config::sample()).unwrap_or_else(|problems| panic!("{problems:?}"));
    let topology = &config.topology;
    let scratch = Scratch::new("size");
    let begins = at("2026-03-02T01:00:00Z");
    let (mut store, _) = Store::open(scratch.path(), begins).unwrap();
    let planned = config.sessions.iter().find(|it| it.sites.len() == 204).unwrap();
    let keys: Vec<TargetKey> = topology.target_ixs().map(|ix| topology.target_key(ix)).collect();
    let empty = bytes(&store);
    let mut records = Vec::new();
    for nth in 0..SESSIONS {
        let week = Duration::from_hours(24 * 7) * u32::try_from(nth).unwrap();
        let start = begins.checked_add(week).unwrap();
        let end = start.checked_add(LASTS).unwrap();
        let mut record = SessionRecord::planned(planned, topology);
        record.id = SessionId::new(format!("tuan-{nth}"));
        (record.start, record.end, record.closed) = (start, end, Some(end));
        let mut changes = vec![
            Change::Session(Box::new(record.clone())),
            Change::Watch(Watch { since: start, until: end }),
        ];
        for minute_of in 0..LASTS.as_secs() / 60 {
            let from = start.checked_add(Duration::from_secs(minute_of * 60)).unwrap();
            changes.extend(keys.iter().enumerate().map(|(at, key)| {
                Change::Rollup(Box::new(minute(key, from, minute_of * 1_000 + at as u64 + 7)))
            }));
        }
        store.commit(&[Batch { changes }], &[], end).unwrap();
        records.push(record);
    }
    let history = History::open(scratch.path()).unwrap();
    let told = |record: &SessionRecord| {
        let mut measured = Measured::of(record);
        let wanted = measured.wanted();
        history.path_rollups(record.start, record.end, &wanted, |it| measured.add(&it)).unwrap();
        let sites = record.sites.iter();
        sites
            .map(|it| {
                let sum = measured.at(&it.site).expect("it was measured");
                (sum.sent, sum.lost, sum.lost_down, sum.spread.clone())
            })
            .collect::<Vec<_>>()
    };
    let fresh = (bytes(&store) - empty) / SESSIONS as u64;
    let before: Vec<_> = records.iter().map(told).collect();

    let retention = Retention::default();
    let later = records[SESSIONS - 1].end.checked_add(retention.minutes).unwrap();
    let later = later.checked_add(Duration::from_hours(1)).unwrap();
    while store.prune(retention, later, 2_000).unwrap() > 0 {}
    let after: Vec<_> = records.iter().map(told).collect();
    assert!(before == after, "what reports tell of paths is the same to the last echo");
    let kept = (bytes(&store) - empty) / SESSIONS as u64;

    let year = 52 * kept + 2 * fresh;
    println!(
        "a session of 204 sites and 4 hours, {} targets: {:.1} MB by the minute for two weeks, \
         {:.2} MB afterwards; a year of weekly ones: {:.0} MB",
        keys.len(),
        fresh as f64 / 1e6,
        kept as f64 / 1e6,
        year as f64 / 1e6,
    );
    assert!(fresh < 25_000_000, "{fresh} bytes by the minute");
    assert!(kept < 600_000, "{kept} bytes brought together");
}
