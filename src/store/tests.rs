//! What goes in comes out again, also after a crash of the file.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::model::{
    Affected, Alert, Batch, Cause, Change, ChannelId, CheckId, Confirmation, Contact, Durable,
    EndpointId, Failure, Finding, Found, HandOver, HardState, Health, Importance, Incident,
    IncidentId, LostTime, Maintenance, Notification, NotificationId, NotificationKind, PersonId,
    Phase, ReadinessRun, RemoteFailure, Rollup, RotaId, SessionId, SessionRecord, Severity,
    Silence, SilenceId, SiteId, SiteReadiness, Sketch, Spread, TargetKey, Told, Verdict,
};

/// A directory of its own that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("vchealth-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }

    pub(crate) fn open(&self) -> (Store, Durable) {
        Store::open(&self.0, at("2026-02-03T01:00:00Z")).unwrap()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies the files of a state directory as they are on the disk at this moment.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn site_key(site: &str) -> TargetKey {
    TargetKey { site: SiteId::new(site), endpoint: None, check: None }
}

pub(crate) fn health(site: &str, health: Health, since: &str) -> Change {
    Change::Health {
        key: site_key(site),
        state: HardState { health, since: at(since), began: None, seen_up: true },
    }
}

pub(crate) fn incident(id: &str, site: &str) -> Incident {
    Incident {
        site: Some(SiteId::new(site)),
        opened: at("2026-02-03T00:42:02Z"),
        severity: Severity::Critical,
        affected: vec![Affected {
            site: SiteId::new(site),
            since: at("2026-02-03T00:42:00.5Z"),
            until: None,
            passed_on: false,
        }],
        of: 1,
        delegates: 31,
        ..Incident::blank(IncidentId::new(id), Cause::Access, at("2026-02-03T00:42:00.5Z"))
    }
}

/// How far a message got at its first attempt.
pub(crate) fn mark(id: &str, state: MarkState) -> Mark {
    Mark {
        id: NotificationId::new(id),
        state,
        at: now(),
        attempts: 1,
        next_attempt: None,
        error: None,
        bundle: None,
        fallback: None,
        told_as: NotificationKind::Firing,
        heard: Vec::new(),
        refusing: Vec::new(),
    }
}

/// That a channel was told of an incident of its own, and nobody by name.
pub(crate) fn told(channel: &str, kind: NotificationKind, at: Timestamp) -> Told {
    Told {
        nth: 1,
        channel: ChannelId::new(channel),
        kind,
        at,
        severity: Severity::Critical,
        cause: Cause::Access,
        affected: 1,
        site: None,
        common: None,
        people: Vec::new(),
        on_duty: false,
        step: 0,
        last_for_now: false,
        given_up: None,
    }
}

pub(crate) fn notification(id: &str, incident: Incident, kind: NotificationKind) -> Notification {
    let site = incident.site.clone().unwrap();
    Notification {
        id: NotificationId::new(id),
        channel: ChannelId::new("truc"),
        kind,
        created: at("2026-02-03T00:42:02Z"),
        alert: Alert {
            incident,
            site_name: "Xã Tân Lập".to_owned(),
            level: "commune".to_owned(),
            level_name: "Xã".to_owned(),
            parent: String::new(),
            parent_name: String::new(),
            contacts: vec![Contact {
                name: "Trực".to_owned(),
                phone: "0209 387 0000".to_owned(),
                email: String::new(),
            }],
            names: [(site, "Xã Tân Lập".to_owned())].into(),
            phase: Phase::Live,
            session_title: None,
            session_start: None,
            drill: false,
            phones: [].into(),
            readiness: None,
        },
        instead_of: None,
    }
}

pub(crate) fn rollup(site: &str, from: &str, seconds: u32) -> Rollup {
    Rollup {
        key: TargetKey {
            site: SiteId::new(site),
            endpoint: Some(EndpointId::new("codec")),
            check: Some(CheckId::new("ping")),
        },
        from: at(from),
        seconds,
        probes: 60,
        failed: 1,
        local: 0,
        sent: 60,
        lost: 1,
        rtt_min_us: Some(900),
        rtt_mean_us: Some(1_500),
        rtt_max_us: Some(70_000),
        jitter_us: None,
        lost_down: 0,
        spread: Spread { rtt: Sketch::of(1_500), ..Spread::default() },
    }
}

pub(crate) fn batch(changes: Vec<Change>) -> Batch {
    Batch { changes }
}

/// A run of a session that begins at one o'clock.
fn readiness(began: &str, verdict: Verdict) -> ReadinessRun {
    ReadinessRun {
        session: SessionId::new("giao-ban"),
        title: "Giao ban".to_owned(),
        start: at("2026-02-03T01:00:00Z"),
        end: at("2026-02-03T03:00:00Z"),
        lead_s: Some(1800),
        began: at(began),
        finished: at(began),
        own_clock_off_s: None,
        sites: vec![SiteReadiness {
            work: None,
            site: SiteId::new("tan-lap"),
            name: "Xã Tân Lập".to_owned(),
            delegates: 22,
            verdict,
            findings: vec![Finding {
                verdict,
                endpoint: None,
                check: None,
                found: Found::Silent(Failure::Remote(RemoteFailure::Timeout)),
            }],
            train: None,
            mtu: None,
            contacts: Vec::new(),
            checked: at(began),
        }],
        told: Vec::new(),
        said: Vec::new(),
    }
}

fn handed(rota: &str, until: &str) -> Change {
    let handed = HandOver {
        rota: RotaId::new(rota),
        people: vec![PersonId::new("tu")],
        until: at(until),
        by: "Ánh".to_owned(),
        at: at("2026-01-02T19:00:00Z"),
        reason: "ốm".to_owned(),
        relieved: Vec::new(),
    };
    Change::Duty { rota: handed.rota.clone(), handed: Some(Box::new(handed)) }
}

fn everything() -> Batch {
    let open = incident("i1", "tan-lap");
    let mut over = incident("i2", "co-linh");
    over.resolved = Some(at("2026-02-03T00:50:00Z"));
    let mut long_over = incident("i3", "co-linh");
    long_over.resolved = Some(at("2026-01-01T00:00:00Z"));
    let until = |until: &str, id: &str| Silence {
        id: SilenceId::new(id),
        site: None,
        from: at("2026-02-01T00:00:00Z"),
        until: at(until),
        by: "Ánh".to_owned(),
        reason: "thay modem".to_owned(),
    };
    batch(vec![
        health("tan-lap", Health::Up, "2026-02-01T00:00:00Z"),
        health("tan-lap", Health::Down, "2026-02-03T00:42:00.123456789Z"),
        health("gone", Health::Up, "2026-02-01T00:00:00Z"),
        Change::Forget(site_key("gone")),
        Change::Incident(Box::new(open.clone())),
        Change::Incident(Box::new(over)),
        Change::Incident(Box::new(long_over)),
        Change::Silence(Box::new(until("2026-02-04T00:00:00Z", "s1"))),
        Change::Silence(Box::new(until("2026-02-02T00:00:00Z", "past"))),
        Change::Silence(Box::new(until(
            "2026-02-03T00:00:00Z",
            "over, by a clock that may be ahead",
        ))),
        Change::Silence(Box::new(until("2026-02-04T00:00:00Z", "lifted"))),
        Change::Lift(SilenceId::new("lifted")),
        Change::Maintenance(Box::new(Maintenance {
            id: SilenceId::new("m1"),
            sites: vec![SiteId::new("co-linh")],
            from: at("2026-02-03T00:00:00Z"),
            until: at("2026-02-03T10:00:00Z"),
            by: "Ánh".to_owned(),
            reason: "cắt điện".to_owned(),
        })),
        handed("truc-tinh", "2026-02-03T09:00:00Z"),
        handed("truc-huyen", "2026-02-03T09:00:00Z"),
        Change::Duty { rota: RotaId::new("truc-huyen"), handed: None },
        handed("truc-xa", "2026-01-03T09:00:00Z"),
        Change::Readiness(Box::new(readiness("2026-02-03T00:00:00Z", Verdict::NotReady))),
        Change::Readiness(Box::new(readiness("2026-02-03T00:30:00Z", Verdict::AtRisk))),
        // Made while the session was on, it is no verdict before it.
        Change::Readiness(Box::new(readiness("2026-02-03T01:30:00Z", Verdict::CannotTell))),
        Change::Confirm(Box::new(Confirmation {
            session: SessionId::new("giao-ban"),
            site: SiteId::new("tan-lap"),
            picture: true,
            sound: false,
            by: "Hà".to_owned(),
            at: at("2026-02-03T00:45:00Z"),
            note: "micro tắt".to_owned(),
        })),
        Change::Lost {
            session: SessionId::new("giao-ban"),
            lost: LostTime { at: at("2026-02-03T00:50:00Z"), ms: 61_000 },
        },
        Change::Notify(Box::new(notification("n1", open, NotificationKind::Firing))),
        Change::Rollup(Box::new(rollup("tan-lap", "2026-02-03T00:41:00Z", 60))),
    ])
}

fn now() -> Timestamp {
    at("2026-02-03T01:00:00Z")
}

#[test]
fn a_restart_restores_what_the_brain_must_remember() {
    let scratch = Scratch::new("restore");
    let (mut store, nothing) = scratch.open();
    assert_eq!(nothing, Durable::default());
    store.commit(&[everything()], &[], now()).unwrap();
    drop(store);

    let (store, durable) = scratch.open();
    let mut expected = Durable::default();
    expected.apply(&everything());
    expected.incidents.remove(&IncidentId::new("i3")).expect("resolved long ago");
    expected.silences.remove(&SilenceId::new("past")).expect("over");
    expected.duty.remove(&RotaId::new("truc-xa")).expect("long over");
    assert!(expected.duty.len() == 1, "what was taken back is no more");
    assert_eq!(durable, expected);
    let waiting = store.waiting().unwrap();
    let ids: Vec<&str> = waiting.iter().map(|w| w.notification.id.as_str()).collect();
    assert_eq!(ids, ["n1"]);
    assert_eq!(waiting[0].notification.alert.incident, incident("i1", "tan-lap"));
}

#[test]
fn committing_the_same_twice_changes_nothing() {
    let scratch = Scratch::new("twice");
    let (mut store, _) = scratch.open();
    store.commit(&[everything()], &[], now()).unwrap();
    store.commit(&[everything()], &[], now()).unwrap();
    let history = History::open(scratch.path()).unwrap();
    assert_eq!(history.outbox().unwrap()[0].queued, 1);
    assert_eq!(history.rollups(Timestamp::MIN, Timestamp::MAX).unwrap().len(), 1);
}

#[test]
fn history_is_read_while_the_daemon_writes() {
    let scratch = Scratch::new("history");
    let (mut store, _) = scratch.open();
    let history = History::open(scratch.path()).unwrap();
    store.commit(&[everything()], &[], now()).unwrap();

    let ids = |from: &str, until: &str| -> Vec<String> {
        let found = history.incidents(at(from), at(until)).unwrap();
        found.iter().map(|i| i.id.to_string()).collect()
    };
    assert_eq!(ids("2026-02-03T00:00:00Z", "2026-02-03T00:30:00Z"), [""; 0]);
    assert_eq!(ids("2026-02-03T00:00:00Z", "2026-02-03T00:45:00Z"), ["i1", "i2"]);
    assert_eq!(ids("2026-02-03T00:55:00Z", "2026-02-03T01:45:00Z"), ["i1"], "still open");
    assert_eq!(history.incident(&IncidentId::new("i1")).unwrap(), Some(incident("i1", "tan-lap")));
    assert_eq!(history.incident(&IncidentId::new("i9")).unwrap(), None);

    let changes = |from: &str, until: &str| -> Vec<Health> {
        let found = history.health(&site_key("tan-lap"), at(from), at(until)).unwrap();
        found.iter().map(|change| change.health).collect()
    };
    assert_eq!(
        changes("2026-02-02T00:00:00Z", "2026-02-04T00:00:00Z"),
        [Health::Up, Health::Down],
        "led by the one in force at the beginning"
    );
    assert_eq!(changes("2026-02-02T00:00:00Z", "2026-02-03T00:00:00Z"), [Health::Up]);
    assert_eq!(changes("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"), []);

    let rollups = history.rollups(at("2026-02-03T00:41:00Z"), at("2026-02-03T00:42:00Z")).unwrap();
    assert_eq!(rollups, [rollup("tan-lap", "2026-02-03T00:41:00Z", 60)]);
}

fn heard(name: &str, has: Has) -> Heard {
    Heard { recipient: RecipientKey::of(name), message: NotificationId::new("n1"), has }
}

#[test]
fn marks_follow_a_message_on_its_way() {
    let scratch = Scratch::new("marks");
    let (mut store, _) = scratch.open();
    store.commit(&[everything()], &[], now()).unwrap();
    let mut mark = Mark {
        attempts: 3,
        next_attempt: Some(at("2026-02-03T01:00:04Z")),
        error: Some("503".to_owned()),
        bundle: Some(NotificationId::new("b")),
        heard: vec![
            heard("0912 345 901", Has::Whole(NotificationKind::Firing)),
            heard("0912 345 902", Has::Pieces(2)),
            heard("0912 345 903", Has::Refused("410".to_owned())),
        ],
        ..mark("n1", MarkState::Waiting)
    };
    store.commit(&[], std::slice::from_ref(&mark), now()).unwrap();
    let waiting = &store.waiting().unwrap()[0];
    assert_eq!(waiting.heard, mark.heard);
    let on_record = History::open(scratch.path()).unwrap();
    let on_record = on_record.messages(&IncidentId::new("i1")).unwrap();
    assert_eq!(on_record[0].mark.heard, mark.heard);
    assert_eq!((waiting.attempts, waiting.next_attempt), (3, mark.next_attempt));
    assert_eq!(waiting.error, mark.error);
    assert_eq!((&waiting.bundle, waiting.told_as), (&mark.bundle, NotificationKind::Firing));

    mark.state = MarkState::Delivered;
    mark.attempts = 4;
    let later = notification("n2", incident("i1", "tan-lap"), NotificationKind::Update);
    let told_by_n1 = Mark {
        id: later.id.clone(),
        state: MarkState::Withdrawn,
        attempts: 0,
        told_as: NotificationKind::Update,
        ..mark.clone()
    };
    let later = batch(vec![Change::Notify(Box::new(later))]);
    store.commit(&[later], &[mark, told_by_n1], now()).unwrap();
    assert!(store.waiting().unwrap().is_empty());
    let totals = &History::open(scratch.path()).unwrap().outbox().unwrap()[0];
    assert_eq!((totals.queued, totals.delivered, totals.withdrawn, totals.retried), (0, 1, 1, 3));
}

#[test]
fn a_message_that_waits_names_the_oldest_that_it_overtook_since_its_channel_last_told_anything() {
    let scratch = Scratch::new("overtook");
    let (mut store, _) = scratch.open();
    let add = |channel: &str, nth: u32| {
        let id = format!("i1/{channel}/update/{nth}");
        let mut it = notification(&id, incident("i1", "x"), NotificationKind::Update);
        it.channel = ChannelId::new(channel);
        Change::Notify(Box::new(it))
    };
    let mut changes: Vec<Change> = (1..=5).map(|nth| add("lan", nth)).collect();
    changes.push(add("chat", 6));
    let settled = |nth: u32, state| mark(&format!("i1/lan/update/{nth}"), state);
    let overtaken = [2, 3, 4].map(|nth| settled(nth, MarkState::Withdrawn));
    store.commit(&[batch(changes)], &overtaken, now()).unwrap();
    let overtook = |store: &Store| -> Vec<(String, Option<String>)> {
        let waiting = store.waiting().unwrap().into_iter();
        let of = |it: Waiting| (it.notification.id.to_string(), it.overtook);
        waiting.map(of).map(|(id, overtook)| (id, overtook.map(|it| it.to_string()))).collect()
    };
    let some = |nth: u32| Some(format!("i1/lan/update/{nth}"));
    assert_eq!(overtook(&store)[1], ("i1/lan/update/5".to_owned(), some(2)));
    assert_eq!(overtook(&store)[2].1, None, "of another channel");
    // The first was told after all, and one more came.
    store.commit(&[], &[settled(1, MarkState::Delivered)], now()).unwrap();
    assert_eq!(overtook(&store)[0], ("i1/lan/update/5".to_owned(), some(2)));
    let later = [settled(5, MarkState::Delivered)];
    store.commit(&[batch(vec![add("lan", 7)])], &later, now()).unwrap();
    let last = overtook(&store).pop().unwrap();
    assert_eq!(last, ("i1/lan/update/7".to_owned(), None), "those were told by the one before");
}

#[test]
fn what_was_last_accepted_about_an_open_incident_stands() {
    let scratch = Scratch::new("standing");
    let (mut store, _) = scratch.open();
    let over = Incident { resolved: Some(now()), ..incident("i2", "bang-lung") };
    let told = |id: &str, of: &Incident, kind| {
        Change::Notify(Box::new(notification(id, of.clone(), kind)))
    };
    let open = incident("i1", "tan-lap");
    let changes = vec![
        Change::Incident(Box::new(open.clone())),
        Change::Incident(Box::new(over.clone())),
        told("a", &open, NotificationKind::Firing),
        told("b", &open, NotificationKind::Update),
        told("c", &open, NotificationKind::Reminder),
        told("d", &over, NotificationKind::Firing),
    ];
    store.commit(&[batch(changes)], &[], now()).unwrap();
    assert!(store.standing().unwrap().is_empty(), "nothing was accepted yet");
    let delivered = ["b", "a", "d"].map(|id| mark(id, MarkState::Delivered));
    store.commit(&[], &delivered, now()).unwrap();
    let standing: Vec<NotificationId> =
        store.standing().unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(standing, [NotificationId::new("b")], "`c` still waits, `d` is over");
}

#[test]
fn a_second_daemon_is_refused_and_told_who_is_there() {
    let scratch = Scratch::new("second");
    let (store, _) = scratch.open();
    let refused = Store::open(scratch.path(), now()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "another vchealth (process {}) uses the state directory {}; stop it or set \
             `state_dir` to a directory of its own",
            std::process::id(),
            scratch.path().display()
        )
    );
    drop(store);
    scratch.open();
}

#[test]
fn a_newer_file_and_a_strangers_file_are_refused_untouched() {
    let scratch = Scratch::new("newer");
    drop(scratch.open());
    let file = scratch.path().join(FILE_NAME);
    let set = |sql: &str| Connection::open(&file).unwrap().execute_batch(sql).unwrap();
    set("PRAGMA user_version = 99");
    let refused = Store::open(scratch.path(), now()).unwrap_err();
    let known = i64::try_from(schema::STEPS.len()).unwrap();
    let is_newer = matches!(refused, StoreError::Newer { found: 99, known: it, .. } if it == known);
    assert!(is_newer, "{refused}");
    assert!(History::open(scratch.path()).is_err());

    set("PRAGMA user_version = 2; PRAGMA application_id = 7");
    let refused = Store::open(scratch.path(), now()).unwrap_err();
    assert!(matches!(refused, StoreError::Foreign { .. }), "{refused}");
}

#[test]
fn a_pipe_where_a_file_belongs_is_refused_at_once() {
    for name in [FILE_NAME, lock::LOCK_NAME] {
        let scratch = Scratch::new("pipe");
        let pipe = scratch.path().join(name);
        std::fs::create_dir_all(scratch.path()).unwrap();
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let refused = Store::open(scratch.path(), now()).unwrap_err();
        assert!(matches!(&refused, StoreError::NoFile { path } if *path == pipe), "{refused}");
        assert!(name == lock::LOCK_NAME || History::open(scratch.path()).is_err());
    }
}

#[test]
fn a_garbage_file_is_moved_aside_and_a_fresh_one_started() {
    let scratch = Scratch::new("garbage");
    drop(scratch.open());
    let file = scratch.path().join(FILE_NAME);
    std::fs::write(&file, b"not a database at all".repeat(500)).unwrap();
    let (store, durable) = scratch.open();
    assert_eq!(durable, Durable::default());
    let damage = store.damage().unwrap();
    assert_eq!(damage.saved, 0);
    assert_eq!(std::fs::read(&damage.moved_to).unwrap()[..21], *b"not a database at all");
    drop(store);
    let (store, _) = scratch.open();
    assert_eq!(store.damage(), None, "the fresh file is sound");
}

#[test]
fn a_damaged_page_costs_only_what_was_on_it() {
    let scratch = Scratch::new("page");
    let (mut store, _) = scratch.open();
    let incidents =
        (0..400).map(|n| Change::Incident(Box::new(incident(&format!("i{n:03}"), "tan-lap"))));
    store.commit(&[everything(), batch(incidents.collect())], &[], now()).unwrap();
    let root: usize = store
        .db
        .query_row(
            "SELECT pageno FROM dbstat WHERE name = 'incident' AND pagetype = 'leaf'
             ORDER BY path LIMIT 1 OFFSET 30",
            [],
            |row| row.get::<_, i64>(0),
        )
        .map_or(0, |page| usize::try_from(page).unwrap());
    store.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(store);

    let file = scratch.path().join(FILE_NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    // Without the statistics table a leaf is found by what is written on it.
    let page = if root == 0 {
        bytes.windows(4).position(|found| found == b"i200").unwrap() / 4096
    } else {
        root - 1
    };
    bytes[page * 4096..(page + 1) * 4096].fill(0xA5);
    std::fs::write(&file, bytes).unwrap();

    let (store, durable) = scratch.open();
    let damage = store.damage().unwrap();
    assert!(damage.found.starts_with("table incident: "), "{}", damage.found);
    assert_eq!(damage.incomplete, ["incident"]);
    let kept = durable.incidents.len();
    assert!((300..401).contains(&kept), "{kept} of 401 records on other pages were kept");
    assert_eq!(durable.health.len(), 1);
    assert_eq!(store.waiting().unwrap().len(), 1);
}

#[test]
fn old_history_goes_and_what_is_open_stays() {
    let scratch = Scratch::new("prune");
    let (mut store, _) = scratch.open();
    store.commit(&[everything()], &[], now()).unwrap();
    let day = Duration::from_hours(24);
    let retention = Retention { minutes: day, history: day, messages: day };
    assert_eq!(store.prune(retention, at("2026-02-03T01:00:00Z"), 1_000).unwrap(), 2);

    let much_later = at("2027-02-03T00:00:00Z");
    while store.prune(retention, much_later, 1).unwrap() > 0 {}
    let history = History::open(scratch.path()).unwrap();
    assert!(history.rollups(Timestamp::MIN, Timestamp::MAX).unwrap().is_empty());
    let incidents = history.incidents(Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(incidents.len(), 1, "the open one");
    assert_eq!(store.waiting().unwrap().len(), 1);
    let changes = history.health(&site_key("tan-lap"), Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!(changes.len(), 1, "the state that a later report begins with");
}

#[test]
fn what_was_told_of_what_is_still_on_is_kept_however_old() {
    let scratch = Scratch::new("prune-told");
    let (mut store, _) = scratch.open();
    let mut over = incident("i9", "co-linh");
    over.resolved = Some(at("2026-02-03T00:50:00Z"));
    let told = notification("n9", over.clone(), NotificationKind::Firing);
    let more = vec![Change::Incident(Box::new(over)), Change::Notify(Box::new(told))];
    let marks = ["n1", "n9"].map(|id| mark(id, MarkState::Delivered));
    store.commit(&[everything(), batch(more)], &marks, now()).unwrap();
    let day = Duration::from_hours(24);
    let retention = Retention { minutes: day, history: day * 3_650, messages: day };
    while store.prune(retention, at("2026-06-03T00:00:00Z"), 1).unwrap() > 0 {}
    let standing: Vec<_> = store.standing().unwrap().into_iter().map(|it| it.id).collect();
    assert_eq!(standing, [NotificationId::new("n1")]);
    let history = History::open(scratch.path()).unwrap();
    let outbox = history.outbox().unwrap();
    assert_eq!(outbox.iter().map(|it| it.delivered).sum::<u64>(), 1, "the other one is over");
}

/// A message that went through the channel `sms` as well.
fn fallen_back(id: &str, state: MarkState, told_as: NotificationKind) -> Mark {
    Mark { attempts: 3, fallback: Some(ChannelId::new("sms")), told_as, ..mark(id, state) }
}

#[test]
fn who_stood_in_what_links_did_and_which_drills_were_held_is_known_after_a_restart() {
    use crate::model::{Chosen, Drill, DrillDoubt, DrillState, LinkUse, SessionId};
    let scratch = Scratch::new("arriving");
    let (mut store, _) = scratch.open();
    let told = |id: &str, about: &str, kind| {
        Change::Notify(Box::new(notification(id, incident(about, "x"), kind)))
    };
    let used = LinkUse {
        nonce: "0123".to_owned(),
        incident: IncidentId::new("i1"),
        at: now(),
        by: "Hà (duty)".to_owned(),
        chosen: Chosen::Ack,
    };
    let again = LinkUse { by: "another".to_owned(), ..used.clone() };
    let drill = Drill {
        session: SessionId::new("giao-ban"),
        incident: IncidentId::new("drill.giao-ban.x"),
        title: "Giao ban".to_owned(),
        start: now(),
        end: now(),
        at: now(),
        reached: [(ChannelId::new("sms"), vec!["Hà".to_owned()])].into(),
        played: Some(Box::new(incident("drill.giao-ban", "drill"))),
        doubt: Some(DrillDoubt::HeldBack),
        refused: [(ChannelId::new("sms"), vec!["2".to_owned()])].into(),
        state: DrillState::Failed { missing: vec![ChannelId::new("sms")] },
    };
    let changes = vec![
        told("a", "i1", NotificationKind::Firing),
        told("b", "i2", NotificationKind::Firing),
        told("b-over", "i2", NotificationKind::Resolved),
        told("b-again", "i2", NotificationKind::Firing),
        told("c", "i3", NotificationKind::Firing),
        told("c-over", "i3", NotificationKind::Resolved),
        told("d", "i4", NotificationKind::Firing),
        told("d-over", "i4", NotificationKind::Resolved),
        told("e", "i5", NotificationKind::Firing),
        told("e-over", "i5", NotificationKind::Resolved),
        told("e-again", "i5", NotificationKind::Firing),
        Change::LinkUse(Box::new(used.clone())),
        Change::LinkUse(Box::new(again)),
        Change::Drill(Box::new(drill.clone())),
    ];
    let marks = [
        fallen_back("a", MarkState::Waiting, NotificationKind::Firing),
        fallen_back("b", MarkState::Waiting, NotificationKind::Firing),
        fallen_back("b-over", MarkState::Waiting, NotificationKind::Resolved),
        fallen_back("b-again", MarkState::Waiting, NotificationKind::Firing),
        fallen_back("c", MarkState::Delivered, NotificationKind::Firing),
        Mark {
            told_as: NotificationKind::Resolved,
            fallback: Some(ChannelId::new("mail")),
            ..mark("c-over", MarkState::Waiting)
        },
        fallen_back("d", MarkState::Delivered, NotificationKind::Firing),
        Mark { told_as: NotificationKind::Resolved, ..mark("d-over", MarkState::Delivered) },
        fallen_back("e", MarkState::Delivered, NotificationKind::Firing),
        // Nobody was told it: it was back by then.
        Mark { told_as: NotificationKind::Resolved, ..mark("e-over", MarkState::Withdrawn) },
        mark("e-again", MarkState::Delivered),
    ];
    store.commit(&[Batch { changes }], &marks, now()).unwrap();
    drop(store);

    let (store, durable) = scratch.open();
    let outstanding = store.outstanding().unwrap();
    let stood_in: Vec<&str> = outstanding.stand_ins.iter().map(|it| it.incident.as_str()).collect();
    assert_eq!(
        stood_in,
        ["i1", "i2", "i5"],
        "the others have told of its end all that they had to"
    );
    let sms = |it: &StandIn| (it.channel.as_str(), it.fallback.as_str()) == ("truc", "sms");
    assert!(outstanding.stand_ins.iter().all(sms));
    let fallbacks: Vec<_> =
        outstanding.messages.iter().filter_map(|it| it.fallback.as_ref()).collect();
    assert_eq!(
        fallbacks,
        ["sms", "sms", "sms", "sms", "mail"].map(ChannelId::new).iter().collect::<Vec<_>>()
    );
    assert_eq!(store.link_uses().unwrap(), [used], "the first use stays");
    assert_eq!(durable.drills.values().collect::<Vec<_>>(), [&drill]);
}

#[test]
fn a_drill_that_a_recipient_refused_is_not_accepted_after_a_restart_either() {
    let scratch = Scratch::new("drills");
    let (mut store, _) = scratch.open();
    let drill = |id: &str| {
        let about = incident(&format!("drill.{id}"), "drill");
        Change::Notify(Box::new(notification(id, about, NotificationKind::Firing)))
    };
    let changes = vec![drill("whole"), drill("refused")];
    let delivered = |id: &str, error: Option<&str>| Mark {
        error: error.map(str::to_owned),
        ..mark(id, MarkState::Delivered)
    };
    let marks = [delivered("whole", None), delivered("refused", Some("recipient 2: no"))];
    store.commit(&[Batch { changes }], &marks, now()).unwrap();
    drop(store);
    let (store, _) = scratch.open();
    let accepted = store.outstanding().unwrap().drills;
    let accepted: Vec<&str> = accepted.iter().map(|(_, drill)| drill.as_str()).collect();
    assert_eq!(accepted, ["drill.whole"]);
}

#[test]
fn who_was_not_reached_with_the_last_that_was_delivered_is_known_after_a_restart() {
    let scratch = Scratch::new("refusing");
    let (mut store, _) = scratch.open();
    let told = |id: &str| {
        let message = notification(id, incident(id, "tan-lap"), NotificationKind::Firing);
        Change::Notify(Box::new(message))
    };
    store.commit(&[batch(vec![told("a"), told("b"), told("c")])], &[], now()).unwrap();
    let refuses = |reason: &str| Refuses {
        recipient: RecipientKey::of("0912 345 902"),
        since: now(),
        reason: reason.to_owned(),
    };
    let delivered = |id: &str, seconds: u64, refusing: Vec<Refuses>| Mark {
        at: now() + Duration::from_secs(seconds),
        refusing,
        ..mark(id, MarkState::Delivered)
    };
    // In the order in which they were accepted, which is not that in which they were decided.
    let marks = [delivered("a", 2, vec![refuses("108")]), delivered("b", 1, Vec::new())];
    store.commit(&[], &marks, now()).unwrap();
    let channel = ChannelId::new("truc");
    let known = |store: &Store| store.outstanding().unwrap().refusing;
    assert_eq!(known(&store), [(channel.clone(), vec![refuses("108")])]);
    store.commit(&[], &[delivered("c", 3, Vec::new())], now()).unwrap();
    assert_eq!(known(&store), [(channel, Vec::new())], "they accept again");
}

/// A database that does not take what came of its messages before it is opened again, as on a full
/// disk, and who keeps it from doing so.
fn that_lacks(name: &str, changes: &[Change], marks: &[Mark]) -> (Scratch, Connection) {
    let scratch = Scratch::new(name);
    let (mut store, _) = scratch.open();
    let firing = |id: &str, about: &str| {
        let it = notification(id, incident(about, "x"), NotificationKind::Firing);
        Change::Notify(Box::new(it))
    };
    let before = vec![
        firing("i1/truc/firing/1", "i1"),
        firing("i2/truc/firing/1", "i2"),
        firing("i3/truc/firing/1", "i3"),
        firing("drill.giao-ban/truc/firing/1", "drill.giao-ban"),
        Change::Incident(Box::new(incident("i1", "x"))),
        Change::Incident(Box::new(incident("i2", "x"))),
        Change::Incident(Box::new(incident("i3", "x"))),
    ];
    store.commit(&[batch(before)], &[], now()).unwrap();
    store.keep_aside(changes, marks).unwrap();
    drop(store);
    let other = Connection::open(scratch.path().join(FILE_NAME)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    (scratch, other)
}

#[test]
fn what_was_told_while_the_disk_was_full_is_not_told_again_by_a_start_on_a_disk_still_full() {
    let over = Incident { resolved: Some(now()), ..incident("i3", "x") };
    let end = notification("i3/truc/resolved/2", over.clone(), NotificationKind::Resolved);
    let changes = [Change::Incident(Box::new(over)), Change::Notify(Box::new(end))];
    let refuses = vec![Refuses {
        recipient: RecipientKey::of("0912 345 902"),
        since: now(),
        reason: "108".to_owned(),
    }];
    let marks = [
        fallen_back("i1/truc/firing/1", MarkState::Waiting, NotificationKind::Firing),
        Mark {
            at: now() + Duration::from_secs(1),
            refusing: refuses.clone(),
            ..mark("i1/truc/firing/1", MarkState::Delivered)
        },
        fallen_back("i2/truc/firing/1", MarkState::Failed, NotificationKind::Firing),
        mark("i3/truc/firing/1", MarkState::Withdrawn),
        mark("drill.giao-ban/truc/firing/1", MarkState::Delivered),
    ];
    let (scratch, full) = that_lacks("told-while-full", &changes, &marks);
    let known = |store: &Store| {
        let all = store.outstanding().unwrap();
        assert_eq!(store.waiting().unwrap(), all.messages);
        let waiting: Vec<(String, Option<String>)> = all
            .messages
            .iter()
            .map(|it| {
                (it.notification.id.to_string(), it.overtook.as_ref().map(ToString::to_string))
            })
            .collect();
        let i3 = |kind: &str, nth: u32| format!("i3/truc/{kind}/{nth}");
        assert_eq!(waiting, [(i3("resolved", 2), Some(i3("firing", 1)))]);
        let stand_ins: Vec<&str> = all.stand_ins.iter().map(|it| it.incident.as_str()).collect();
        assert_eq!(stand_ins, ["i2"]);
        let given_up: Vec<_> = all.given_up.iter().map(|it| it.incident.as_str()).collect();
        assert_eq!(given_up, ["i2"]);
        let truc = ChannelId::new("truc");
        assert_eq!(all.drills, [(truc.clone(), IncidentId::new("drill.giao-ban"))]);
        assert_eq!(all.refusing, [(truc, refuses.clone())]);
        let standing = store.standing().unwrap();
        let standing: Vec<&str> = standing.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(standing, ["i1/truc/firing/1"]);
    };
    let (store, _) = scratch.open();
    known(&store);
    drop(store);
    let (store, _) = scratch.open();
    known(&store);
    drop((store, full));
    let (store, _) = scratch.open();
    assert!(store.lacking.is_none(), "there is room now");
    known(&store);
}

#[test]
fn who_stood_in_for_what_is_long_over_is_forgotten() {
    let scratch = Scratch::new("stood-in");
    let (mut store, _) = scratch.open();
    let over = |about: &str| Incident { resolved: Some(now()), ..incident(about, "x") };
    let told = |id: &str, about: Incident| {
        Change::Notify(Box::new(notification(id, about, NotificationKind::Firing)))
    };
    let changes = vec![
        told("a", incident("open", "x")),
        told("b", over("over")),
        told("c", over("ends")),
        Change::Incident(Box::new(incident("open", "x"))),
        Change::Incident(Box::new(over("over"))),
        Change::Incident(Box::new(over("ends"))),
    ];
    let marks = [
        fallen_back("a", MarkState::Failed, NotificationKind::Firing),
        fallen_back("b", MarkState::Failed, NotificationKind::Firing),
        // Its end may wait.
        fallen_back("c", MarkState::Waiting, NotificationKind::Firing),
    ];
    store.commit(&[Batch { changes }], &marks, now()).unwrap();
    drop(store);

    let (store, _) = scratch.open();
    let stand_ins = store.outstanding().unwrap().stand_ins;
    let about: Vec<&str> = stand_ins.iter().map(|it| it.incident.as_str()).collect();
    assert_eq!(about, ["open", "ends"]);
}

#[test]
fn a_file_of_the_first_version_keeps_all_that_is_in_it() {
    let scratch = Scratch::new("first-version");
    std::fs::create_dir_all(scratch.path()).unwrap();
    let mut old = Connection::open(scratch.path().join(FILE_NAME)).unwrap();
    schema::upgrade(&mut old, 0, &schema::STEPS[..1]).unwrap();
    old.execute_batch(
        r#"INSERT INTO target VALUES (1, 'tan-lap', '', ''), (2, 'tan-lap', 'codec', 'ping');
           INSERT INTO health VALUES (1, 2, 1770000000000000000, 1);
           INSERT INTO health_change VALUES (1, 1770000000000000000, 2);
           INSERT INTO rollup VALUES
               (1770000060, 2, 60, 60, 3, 0, 60, 3, 900, 1500, 70000, 400);"#,
    )
    .unwrap();
    let waits = notification("n1", incident("i1", "tan-lap"), NotificationKind::Firing);
    old.execute(
        "INSERT INTO outbox (id, channel, incident, told_as, created, notification)
         VALUES ('n1', 'truc', 'i1', 'firing', 1770000000000000000, ?)",
        [serde_json::to_string(&waits).unwrap()],
    )
    .unwrap();
    drop(old);

    let (store, durable) = scratch.open();
    assert_eq!(store.damage(), None);
    assert_eq!(durable.health[&site_key("tan-lap")].health, Health::Down);
    let waiting = store.waiting().unwrap();
    assert_eq!((&waiting[0].notification, &*waiting[0].heard), (&waits, &[][..]));
    let history = History::open(scratch.path()).unwrap();
    let changes = history.health(&site_key("tan-lap"), Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!((changes.len(), changes[0].began), (1, None));
    let rollups = history.rollups(Timestamp::MIN, Timestamp::MAX).unwrap();
    assert_eq!((rollups[0].sent, rollups[0].lost, rollups[0].lost_down), (60, 3, 0));
    assert_eq!(rollups[0].spread, Spread::default(), "what was not kept is not made up");
}

#[test]
fn a_session_that_goes_on_after_it_was_closed_is_reported_again() {
    let scratch = Scratch::new("sessions");
    let (mut store, _) = scratch.open();
    let mut record = SessionRecord {
        id: SessionId::new("s"),
        title: "Phiên họp".to_owned(),
        start: at("2026-02-03T00:00:00Z"),
        end: at("2026-02-03T01:00:00Z"),
        importance: Importance::Normal,
        sites: Vec::new(),
        levels: Default::default(),
        names: Default::default(),
        closed: None,
    };
    let mut keep = |changes: Vec<Change>| store.commit(&[batch(changes)], &[], now()).unwrap();
    let session = |record: &SessionRecord| vec![Change::Session(Box::new(record.clone()))];
    keep(session(&record));
    let history = History::open(scratch.path()).unwrap();
    let unreported = || history.unreported().unwrap().len();
    assert_eq!(unreported(), 0, "it is not over");
    record.closed = Some(at("2026-02-03T01:00:20Z"));
    keep(session(&record));
    assert_eq!(unreported(), 1);
    let reported = Change::Reported { session: record.id.clone(), at: at("2026-02-03T01:00:25Z") };
    keep(vec![reported]);
    assert_eq!(unreported(), 0);
    (record.end, record.closed) = (at("2026-02-03T02:00:00Z"), None);
    keep(session(&record));
    record.closed = Some(at("2026-02-03T02:00:20Z"));
    keep(session(&record));
    assert_eq!(unreported(), 1, "the whole of it is still to be written up");
    assert_eq!(history.session(&record.id).unwrap(), Some(record.clone()));
    let (_, durable) = {
        drop(store);
        scratch.open()
    };
    assert_eq!(durable.sessions[&record.id], record, "it may go on once more");
}

/// A program that is being started has a copy of every open file until it runs.
#[test]
fn a_copy_of_our_open_files_holds_no_lock_once_the_database_is_closed() {
    let scratch = Scratch::new("copied");
    let (store, _) = scratch.open();
    let _copy = store.lock.file.try_clone().unwrap();
    drop(store);
    scratch.open();
}
