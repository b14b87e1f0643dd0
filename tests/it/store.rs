//! What was acknowledged survives: the process killed, the log torn, the disk full.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use vchealth::clock::Clock;
use vchealth::model::{Batch, Change, Durable, Health, NotificationKind, StoreTrouble};
use vchealth::store::{FILE_NAME, History, Store, StoreError, Writer};

use crate::fixtures::{
    Scratch, at, child, health, in_namespaces, incident, kills, notification, random,
};

/// Long enough for any machine; nothing waits that long unless it fails.
const LONG: Duration = Duration::from_secs(60);
/// How often whoever writes to a store is killed.
const KILLS_OF_A_STORE: usize = 20;

/// The `n`th batch: a health, an incident and a message that belong together.
fn batch(n: u64) -> Batch {
    let site = format!("s{}", n % 50);
    let mut it = incident(&format!("i{}", n % 20), &site);
    it.delegates = u32::try_from(n).unwrap();
    let since = at("2026-02-03T00:00:00Z") + Duration::from_secs(n);
    let state = if n.is_multiple_of(2) { Health::Down } else { Health::Up };
    Batch {
        changes: vec![
            health(&site, state, since),
            Change::Incident(Box::new(it.clone())),
            Change::Notify(Box::new(notification(&format!("{n}"), it, NotificationKind::Firing))),
        ],
    }
}

/// Opens what a crash left; gives the last batch in it after checking that every batch up to it
/// is there whole and nothing of a later one.
fn last_whole_batch(dir: &Path) -> Option<u64> {
    let (store, durable) = Store::open(dir, at("2026-02-03T01:00:00Z")).unwrap();
    assert_eq!(store.damage(), None);
    let numbers: Vec<u64> = store
        .waiting()
        .unwrap()
        .iter()
        .map(|it| it.notification.id.as_str().parse().unwrap())
        .collect();
    let last = numbers.last().copied();
    let mut expected = Durable::default();
    for n in 0..last.map_or(0, |last| last + 1) {
        assert_eq!(numbers.get(usize::try_from(n).unwrap()), Some(&n), "no message is missing");
        expected.apply(&batch(n));
    }
    assert_eq!(durable, expected, "state and messages are of one moment");
    last
}

#[test]
#[ignore = "run as a child by the test below, which kills it"]
fn child_that_commits() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let (store, _) = Store::open(dir, at("2026-02-03T01:00:00Z")).unwrap();
    let next = store.waiting().unwrap().len() as u64;
    let writer = Writer::start(store, Clock::start(), |news| {
        assert!(news.durable);
        for message in news.mail {
            println!("acknowledged {}", message.id);
        }
    })
    .unwrap();
    let handle = writer.handle();
    for n in next.. {
        handle.submit(batch(n), None);
        // Some batches go together, some alone.
        if n % 7 == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
        if handle.status().waiting > 1_000 {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_that_was_acknowledged() {
    let mut acknowledged = None;
    let mut scratch = Scratch::new("kill");
    for round in 0..kills() {
        // All that was ever written is looked at after each kill.
        if round % KILLS_OF_A_STORE == 0 {
            assert!(round == 0 || acknowledged.is_some(), "the children wrote something");
            (scratch, acknowledged) = (Scratch::new(&format!("kill-{round}")), None);
        }
        let variables = [("VCHEALTH_CHILD_DIR", scratch.path().to_str().unwrap())];
        let mut running = child("store::child_that_commits", &variables);
        let output = BufReader::new(running.stdout.take().unwrap());
        let (send, lines) = channel();
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let number = line.rsplit_once("acknowledged ").and_then(|(_, n)| n.parse().ok());
                if let Some(number) = number {
                    let _ = send.send(number);
                }
            }
        });
        // Every fourth time somewhere while it opens, else somewhere while it writes.
        let mut last: Option<u64> = None;
        if round % 4 != 0 {
            last = Some(lines.recv_timeout(LONG).unwrap());
        }
        let moment = Instant::now() + Duration::from_millis(random(120));
        while let Ok(number) = lines.recv_timeout(moment.saturating_duration_since(Instant::now()))
        {
            last = Some(number);
        }
        running.kill().unwrap();
        running.wait().unwrap();
        reader.join().unwrap();
        acknowledged = lines.try_iter().last().or(last).or(acknowledged);
        let found = last_whole_batch(scratch.path());
        assert!(found >= acknowledged, "{acknowledged:?} was acknowledged, {found:?} is there");
    }
    assert!(acknowledged.is_some(), "the children wrote something");
}

/// Copies the state directory as a crash would leave it.
fn crash(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for name in [FILE_NAME.to_owned(), format!("{FILE_NAME}-wal")] {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn a_torn_last_write_loses_nothing_that_was_acknowledged_before() {
    let scratch = Scratch::new("torn");
    let (live, copy) = (scratch.path().join("live"), scratch.path().join("copy"));
    let (mut store, _) = Store::open(&live, at("2026-02-03T01:00:00Z")).unwrap();
    let log = live.join(format!("{FILE_NAME}-wal"));
    for n in 0..20 {
        store.commit(&[batch(n)], &[], Timestamp::UNIX_EPOCH).unwrap();
    }
    let before = fs::metadata(&log).unwrap().len();
    store.commit(&[batch(20)], &[], Timestamp::UNIX_EPOCH).unwrap();
    let after = fs::metadata(&log).unwrap().len();
    assert!(after > before);

    for tear in 0..60 {
        crash(&live, &copy);
        let torn = copy.join(format!("{FILE_NAME}-wal"));
        let mut bytes = fs::read(&torn).unwrap();
        let at = usize::try_from(before + random(after - before)).unwrap();
        match tear % 3 {
            0 => bytes.truncate(at),
            1 => bytes[at] ^= 0x40,
            _ => bytes[at..].fill(0),
        }
        fs::write(&torn, bytes).unwrap();
        assert_eq!(last_whole_batch(&copy), Some(19), "tear {tear} at {at}");
    }
    crash(&live, &copy);
    assert_eq!(last_whole_batch(&copy), Some(20), "untorn, the last one is there as well");
}

#[test]
fn a_log_that_somebody_removed_after_a_crash_is_missed() {
    let scratch = Scratch::new("no-log");
    let (live, copy) = (scratch.path().join("live"), scratch.path().join("copy"));
    let (mut store, _) = Store::open(&live, at("2026-02-03T01:00:00Z")).unwrap();
    assert!(!store.has_lost_its_log(), "a new one");
    store.commit(&[batch(0)], &[], Timestamp::UNIX_EPOCH).unwrap();
    let crashed = || {
        crash(&live, &copy);
        fs::copy(live.join("lock"), copy.join("lock")).unwrap();
    };
    let opened = || Store::open(&copy, at("2026-02-03T01:00:00Z")).unwrap().0;

    crashed();
    assert!(!opened().has_lost_its_log(), "a crash alone loses nothing");
    assert_eq!(last_whole_batch(&copy), Some(0));
    assert!(!opened().has_lost_its_log(), "nor does a stop in order");

    crashed();
    fs::remove_file(copy.join(format!("{FILE_NAME}-wal"))).unwrap();
    let found = opened();
    assert!(found.has_lost_its_log());
    assert!(found.damage().is_none(), "what is left is sound");
    drop(found);
    assert!(!opened().has_lost_its_log(), "said once");
}

#[test]
fn a_database_that_is_deleted_while_in_use_is_put_back_whole() {
    let scratch = Scratch::new("deleted");
    let state = scratch.path().join("state");
    let (mut store, _) = Store::open(&state, at("2026-02-03T01:00:00Z")).unwrap();
    let mut commit = |n| store.commit(&[batch(n)], &[], Timestamp::UNIX_EPOCH).unwrap();
    (0..10).for_each(&mut commit);
    fs::remove_file(state.join(FILE_NAME)).unwrap();
    (10..20).for_each(&mut commit);
    fs::remove_dir_all(&state).unwrap();
    (20..30).for_each(&mut commit);
    let second = Store::open(&state, at("2026-02-03T01:00:00Z"));
    assert!(matches!(second, Err(StoreError::InUse { .. })), "{second:?}");
    drop(store);
    assert_eq!(last_whole_batch(&state), Some(29));
}

#[test]
fn a_database_in_the_place_of_the_one_in_use_is_not_touched() {
    let scratch = Scratch::new("replaced");
    let state = scratch.path().join("state");
    let (mut store, _) = Store::open(&state, at("2026-02-03T01:00:00Z")).unwrap();
    let mut commit = |n| store.commit(&[batch(n)], &[], Timestamp::UNIX_EPOCH);
    commit(0).unwrap();
    let other = scratch.path().join("other");
    fs::write(&other, "a backup").unwrap();
    fs::rename(&other, state.join(FILE_NAME)).unwrap();
    let refused = commit(1);
    assert!(matches!(refused, Err(StoreError::Replaced { .. })), "{refused:?}");
    assert_eq!(fs::read(state.join(FILE_NAME)).unwrap(), b"a backup");

    fs::remove_file(state.join(FILE_NAME)).unwrap();
    commit(1).unwrap();
    drop(store);
    assert_eq!(last_whole_batch(&state), Some(1));
}

#[test]
#[ignore = "run as a child by the test below, on a small disk of its own"]
fn child_on_a_small_disk() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let state = dir.join("state");
    let (store, _) = Store::open(&state, at("2026-02-03T01:00:00Z")).unwrap();
    let (send, news) = channel();
    let writer = Writer::start(store, Clock::start(), move |it| {
        let _ = send.send(it);
    })
    .unwrap();
    let handle = writer.handle();
    let mut told = BTreeMap::new();
    let mut next = 0..;
    let mut tell = |told: &mut BTreeMap<String, bool>| {
        let submitted = Instant::now();
        handle.submit(batch(next.next().unwrap()), None);
        let it = news.recv_timeout(LONG).unwrap();
        assert!(submitted.elapsed() < LONG / 2, "an alert waits for no disk");
        for message in it.mail {
            told.insert(message.id.to_string(), it.durable);
        }
        it.durable
    };
    assert!(tell(&mut told));

    // Something else fills the disk; there was no room for anything of ours beside the database.
    let filler = dir.join("filler");
    fill(&filler);
    while tell(&mut told) {}
    for _ in 0..50 {
        assert!(!tell(&mut told));
    }
    let status = handle.status();
    let trouble = status.trouble.unwrap();
    assert_eq!(trouble, StoreTrouble::Full { dir: state.clone() });
    assert!(status.waiting >= 50);

    fs::remove_file(&filler).unwrap();
    let deadline = Instant::now() + LONG;
    while handle.status().trouble.is_some() {
        assert!(Instant::now() < deadline, "{:?}", handle.status());
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(tell(&mut told));
    assert_eq!(writer.stop(LONG), 0);
    let last = last_whole_batch(&state).unwrap();
    assert_eq!(told.len() as u64, last + 1, "everything that was told is on disk in the end");
    let totals = History::open(&state).unwrap().outbox().unwrap();
    assert_eq!(totals[0].queued, last + 1);
    println!("small disk survived");
}

#[test]
fn a_full_disk_delays_no_alert_and_loses_nothing() {
    let scratch = Scratch::new("full");
    let disk = r#"mount -t tmpfs -o size=2m none "$VCHEALTH_CHILD_DIR""#;
    let said = in_namespaces("--mount", disk, &["store::child_on_a_small_disk"], scratch.path());
    assert!(said.contains("small disk survived"), "{said}");
}

/// Fills the disk to the last byte.
pub(crate) fn fill(filler: &Path) {
    let mut block = 1 << 20;
    let mut file = fs::File::create(filler).unwrap();
    while block > 0 {
        if std::io::Write::write_all(&mut file, &vec![0xAA; block]).is_err() {
            block /= 2;
        }
    }
}

#[test]
#[ignore = "run as a child by the test below, on a small disk of its own"]
fn child_that_is_killed_while_the_disk_is_full() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let state = dir.join("state");
    let filler = dir.join("filler");
    // The second time it is started on a disk that is full still.
    let known = if filler.exists() { last_whole_batch(&state) } else { None };
    let (store, _) = Store::open(&state, at("2026-02-03T01:00:00Z")).unwrap();
    let writer = Writer::start(store, Clock::start(), |_| {}).unwrap();
    let handle = writer.handle();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let first = known.map_or(0, |last| last + 1);
    for n in first..first + 60 {
        if n == 5 {
            fill(&filler);
        }
        let ticket = handle.submit(batch(n), None);
        assert!(runtime.block_on(handle.committed(ticket, LONG)), "{n}");
    }
    let trouble = handle.status().trouble;
    if known.is_none() {
        // Until the database needs more than it has; its log grows with every batch.
        let mut n = first + 60;
        while handle.status().trouble.is_none() {
            let ticket = handle.submit(batch(n), None);
            assert!(runtime.block_on(handle.committed(ticket, LONG)), "{n}");
            n += 1;
        }
        println!("acknowledged {}", n - 1);
    } else {
        println!("acknowledged {} with {trouble:?}", first + 59);
    }
    kill(Pid::this(), Signal::SIGKILL).unwrap();
}

#[test]
#[ignore = "run as a child by the test below, after the one above was killed"]
fn child_that_finds_room_again() {
    let Some(dir) = std::env::var_os("VCHEALTH_CHILD_DIR") else { return };
    let dir = Path::new(&dir);
    let state = dir.join("state");
    let while_full = last_whole_batch(&state).unwrap();
    fs::remove_file(dir.join("filler")).unwrap();
    assert_eq!(last_whole_batch(&state), Some(while_full));
    let totals = History::open(&state).unwrap().outbox().unwrap();
    assert_eq!(totals[0].queued, while_full + 1, "it is in the database now");
    println!("found {while_full}");
}

#[test]
fn what_was_acknowledged_on_a_full_disk_survives_kills() {
    let scratch = Scratch::new("full-killed");
    let disk = r#"mount -t tmpfs -o size=6m none "$VCHEALTH_CHILD_DIR""#;
    let killed = "store::child_that_is_killed_while_the_disk_is_full";
    let children = [killed, killed, "store::child_that_finds_room_again"];
    let said = in_namespaces("--mount", disk, &children, scratch.path());
    let number = |line: &str, word: &str| -> Option<u64> {
        line.split_once(word)?.1.split(' ').next()?.parse().ok()
    };
    let acknowledged = said.lines().filter_map(|line| number(line, "acknowledged ")).max();
    let found = said.lines().find_map(|line| number(line, "found "));
    assert!(acknowledged.is_some() && acknowledged == found, "{said}");
}
