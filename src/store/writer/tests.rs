//! Commit, then publish, then deliver; and what happens when the disk does not play along.

use std::sync::mpsc::{Receiver, channel};

use rusqlite::Connection;

use super::*;
use crate::model::{Ack, Durable, Health, NotificationKind, StoreTrouble};
use crate::store::tests::{
    Scratch, at, batch, health, incident, mark, notification, rollup, site_key,
};
use crate::store::{FILE_NAME, History, MarkState};

/// Long enough for any machine; nothing waits that long unless it fails.
const LONG: Duration = Duration::from_secs(60);

fn start(store: Store) -> (Writer, Receiver<News>) {
    let (send, news) = channel();
    let on_news = move |it| {
        let _ = send.send(it);
    };
    (Writer::start(store, Clock::start(), on_news).unwrap(), news)
}

fn firing(id: &str) -> Change {
    let it = notification(id, incident("i1", "tan-lap"), NotificationKind::Firing);
    Change::Notify(Box::new(it))
}

/// Another program holds the database, and this connection does not wait for it. There is no room
/// beside it either.
fn hold(scratch: &Scratch, store: &mut Store) -> Connection {
    store.spare.spare = None;
    hold_alone(scratch, store)
}

/// The same, but there is room beside it.
fn hold_alone(scratch: &Scratch, store: &Store) -> Connection {
    store.db.busy_timeout(Duration::ZERO).unwrap();
    let other = Connection::open(scratch.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[test]
fn what_is_published_is_on_disk() {
    let scratch = Scratch::new("publish");
    let (store, _) = scratch.open();
    let (writer, news) = start(store);
    let handle = writer.handle();
    handle
        .submit(batch(vec![health("a", Health::Down, "2026-02-03T00:00:00Z"), firing("n1")]), None);
    let first = news.recv_timeout(LONG).unwrap();
    assert!(first.durable);
    assert!(matches!(&first.mail[..], [it] if it.id.as_str() == "n1"));
    let history = History::open(scratch.path()).unwrap();
    assert_eq!(history.outbox().unwrap()[0].queued, 1);
    assert_eq!(writer.stop(LONG), 0);
}

#[test]
fn measurements_wait_for_company_and_are_not_lost_at_the_end() {
    let scratch = Scratch::new("lazy");
    let (store, _) = scratch.open();
    let (writer, _news) = start(store);
    let handle = writer.handle();
    let measured = Change::Rollup(Box::new(rollup("a", "2026-02-03T00:00:00Z", 60)));
    handle.submit(batch(vec![measured]), None);
    assert_eq!(handle.status().waiting, 1);
    assert_eq!(writer.stop(LONG), 0);
    let history = History::open(scratch.path()).unwrap();
    let all = history.rollups(at("2026-02-01T00:00:00Z"), at("2026-03-01T00:00:00Z")).unwrap();
    assert_eq!(all.len(), 1);
}

#[test]
fn a_database_that_refuses_delays_no_alert_and_loses_nothing() {
    let scratch = Scratch::new("refuses");
    let (mut store, _) = scratch.open();
    let other = hold(&scratch, &mut store);
    let (writer, news) = start(store);
    let handle = writer.handle();
    let ticket = handle.submit(batch(vec![firing("n1")]), None);
    let first = news.recv_timeout(LONG).unwrap();
    assert!(!first.durable);
    assert_eq!(first.mail.len(), 1);
    let status = handle.status();
    let dir = scratch.path().to_owned();
    assert_eq!(status.trouble, Some(StoreTrouble::Held { dir }));
    assert!(status.since.is_some());
    assert_eq!(status.waiting, 1);

    // Told meanwhile; the outbox learns of both at once.
    let _ = handle.note(Vec::new(), vec![mark("n1", MarkState::Delivered)]);
    other.execute_batch("ROLLBACK").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(handle.committed(ticket, LONG)));
    assert_eq!(writer.stop(LONG), 0);
    let totals = &History::open(scratch.path()).unwrap().outbox().unwrap()[0];
    assert_eq!((totals.queued, totals.delivered), (0, 1));
    let status = handle.status();
    assert_eq!((status.trouble, status.since, status.waiting), (None, None, 0));
    assert!(status.failures >= 1);
}

#[test]
fn a_database_that_never_takes_anything_does_not_keep_the_daemon_from_ending() {
    let scratch = Scratch::new("never");
    let (mut store, _) = scratch.open();
    let other = hold(&scratch, &mut store);
    let (writer, news) = start(store);
    writer.handle().submit(batch(vec![firing("n1")]), None);
    assert!(!news.recv_timeout(LONG).unwrap().durable);
    assert_eq!(writer.stop(Duration::ZERO), 1);
    drop(other);
}

#[test]
fn batches_handed_over_during_a_commit_share_the_next_one() {
    let scratch = Scratch::new("group");
    let (mut store, _) = scratch.open();
    let other = hold(&scratch, &mut store);
    let (writer, news) = start(store);
    let handle = writer.handle();
    for n in 0..100 {
        let since = format!("2026-02-03T00:00:{:02}Z", n % 60);
        handle.submit(batch(vec![health(&format!("s{n}"), Health::Down, &since)]), None);
    }
    let last = handle.submit(batch(vec![firing("n1")]), None);
    assert!(!news.recv_timeout(LONG).unwrap().durable);
    other.execute_batch("ROLLBACK").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(handle.committed(last, LONG)));
    assert_eq!(handle.status().commits, 1);
    assert_eq!(writer.stop(LONG), 0);
    let (_, durable): (_, Durable) = scratch.open();
    assert_eq!(durable.health.len(), 100);
    assert!(durable.health.contains_key(&site_key("s99")));
}

#[test]
fn what_a_database_refuses_is_on_disk_beside_it_and_known_after_a_crash() {
    let scratch = Scratch::new("beside");
    let (store, _) = scratch.open();
    let other = hold_alone(&scratch, &store);
    let (writer, news) = start(store);
    let handle = writer.handle();
    let mut acked = incident("i1", "tan-lap");
    let open = Change::Incident(Box::new(acked.clone()));
    handle.submit(batch(vec![open, firing("n1"), firing("n2")]), None);
    assert_eq!(news.recv_timeout(LONG).unwrap().mail.len(), 2, "people are told at once");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let kept = |ticket| runtime.block_on(handle.committed(ticket, LONG));
    assert!(kept(handle.note(Vec::new(), vec![mark("n1", MarkState::Delivered)])));
    // What comes while it fails does not wait for the next attempt, however far off that is.
    let at_once = at("2026-02-03T00:43:00Z");
    let ack = |note: &str| Ack { by: "Hà".into(), at: at_once, note: note.into(), until: None };
    acked.ack = Some(ack("gọi VNPT"));
    let change = Change::Incident(Box::new(acked.clone()));
    assert!(kept(handle.submit(batch(vec![change]), None)));
    assert!(matches!(handle.status().trouble, Some(StoreTrouble::Held { .. })), "and that is said");

    // Killed here, with nothing of it in the database.
    let copy = Scratch::new("beside-copy");
    crate::store::tests::copy(scratch.path(), copy.path());
    let (store, durable) = copy.open();
    assert_eq!(durable.incidents[&acked.id], acked);
    let waiting = store.waiting().unwrap();
    assert!(matches!(&waiting[..], [it] if it.notification.id.as_str() == "n2"), "{waiting:?}");
    drop(store);
    let totals = &History::open(copy.path()).unwrap().outbox().unwrap()[0];
    assert_eq!((totals.queued, totals.delivered), (1, 1));

    // The database takes it all again; what is beside it is no more.
    other.execute_batch("ROLLBACK").unwrap();
    acked.ack = Some(ack("đã xong"));
    assert!(kept(handle.submit(batch(vec![Change::Incident(Box::new(acked.clone()))]), None)));
    while handle.status().trouble.is_some() {
        std::thread::yield_now();
    }
    assert_eq!(writer.stop(LONG), 0);
    let (_, durable) = scratch.open();
    assert_eq!(durable.incidents[&acked.id], acked, "an old account undoes nothing");
}

#[test]
fn what_is_beside_a_database_that_still_refuses_at_the_start_is_known_and_goes_in_later() {
    let scratch = Scratch::new("still-beside");
    let (mut store, _) = scratch.open();
    let it = incident("i1", "tan-lap");
    let changes = [Change::Incident(Box::new(it.clone())), firing("n1")];
    store.keep_aside(&changes, []).unwrap();
    drop(store);
    let other = Connection::open(scratch.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut store, durable) = scratch.open();
    assert_eq!(durable.incidents[&it.id], it);
    assert_eq!(store.waiting().unwrap().len(), 1);
    // Another crash, and another.
    store.keep_aside(&[firing("n2")], []).unwrap();
    drop(store);
    let (mut store, _) = scratch.open();
    assert_eq!(store.waiting().unwrap().len(), 2);
    other.execute_batch("ROLLBACK").unwrap();
    store.commit(&[batch(vec![firing("n3")])], &[], at("2026-02-03T01:00:00Z")).unwrap();
    drop(store);
    let totals = &History::open(scratch.path()).unwrap().outbox().unwrap()[0];
    assert_eq!(totals.queued, 3);
    let (store, _) = scratch.open();
    assert_eq!(store.waiting().unwrap().len(), 3);
}
