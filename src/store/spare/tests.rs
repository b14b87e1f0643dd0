//! What stands beside the database comes back, whole or not at all.

use super::*;
use crate::model::{Ack, Evidence, Failure, Health, NotificationKind, RemoteFailure, Saw};
use crate::store::tests::{Scratch, at, health, incident, notification};

fn open(scratch: &Scratch, epoch: u64) -> (Spare, Option<Account>) {
    std::fs::create_dir_all(scratch.path()).unwrap();
    let (spare, account) = Spare::open(scratch.path(), epoch);
    (spare.unwrap(), account)
}

fn open_incident(id: &str) -> Change {
    Change::Incident(Box::new(incident(id, "tan-lap")))
}

#[test]
fn the_last_account_of_this_epoch_comes_back() {
    let scratch = Scratch::new("spare");
    let (mut spare, nothing) = open(&scratch, 7);
    assert_eq!(nothing, None);
    let [first, second] = ["i1", "i2"].map(open_incident);
    spare.keep(7, vec![&first], vec![]).unwrap();
    spare.keep(7, vec![&first, &second], vec![]).unwrap();
    let (mut spare, account) = open(&scratch, 7);
    assert_eq!(account.unwrap().changes, [first, second.clone()]);
    assert_eq!(open(&scratch, 8).1, None, "the database has taken something since");
    spare.keep(8, vec![&second], vec![]).unwrap();
    assert_eq!(open(&scratch, 8).1.unwrap().changes, [second]);
    assert_eq!(open(&scratch, 7).1, None, "a database from before knows nothing of this");
}

#[test]
fn an_account_that_a_crash_cuts_short_leaves_the_one_before() {
    let scratch = Scratch::new("spare-torn");
    let (mut spare, _) = open(&scratch, 0);
    let [first, second] = ["i1", "i2"].map(open_incident);
    spare.keep(0, vec![&first], vec![]).unwrap();
    let path = scratch.path().join(SPARE_NAME);
    let before = std::fs::read(&path).unwrap();
    spare.keep(0, vec![&first, &second], vec![]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    let changed: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != before[*at]).collect();
    let (from, to) = (changed[0], changed.last().unwrap() + 1);
    for cut in (from..to).step_by(7) {
        let torn = [&whole[..cut], &before[cut..]].concat();
        std::fs::write(&path, torn).unwrap();
        assert_eq!(
            open(&scratch, 0).1.unwrap().changes,
            std::slice::from_ref(&first),
            "cut at {cut}"
        );
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(open(&scratch, 0).1.unwrap().changes, [first, second]);
}

#[test]
fn a_province_that_fails_while_the_disk_is_full_fits_and_what_does_not_is_refused() {
    let scratch = Scratch::new("spare-large");
    let (mut spare, _) = open(&scratch, 0);
    let mut changes = Vec::new();
    for n in 0..204 {
        let mut it = incident(&format!("xa-so-{n}.access.20260203T0042{:02}Z", n % 60), "tan-lap");
        for evidence in 0..24 {
            it.evidence.push(Evidence {
                target: crate::store::tests::site_key(&format!("xa-{n}-{evidence}")),
                at: it.opened,
                saw: Saw::Failed(Failure::Remote(RemoteFailure::Timeout)),
            });
        }
        for channel in ["zalo", "mail", "sms"] {
            let id = format!("{}/{channel}/firing/1", it.id);
            let message = notification(&id, it.clone(), NotificationKind::Firing);
            changes.push(Change::Notify(Box::new(message)));
        }
        changes.push(Change::Incident(Box::new(it)));
    }
    spare.keep(0, changes.iter().collect(), vec![]).unwrap();
    assert_eq!(open(&scratch, 0).1.unwrap().changes, changes);

    // Ever more health, such as of weeks, gives way to what people were told.
    let healths: Vec<Change> = (0..200_000)
        .map(|n| {
            health(&format!("s{n}-{}", n * 7919 % 104_729), Health::Down, "2026-02-03T00:00:00Z")
        })
        .collect();
    let (mut spare, _) = open(&scratch, 0);
    spare.keep(0, healths.iter().chain(&changes).collect(), vec![]).unwrap();
    assert_eq!(open(&scratch, 0).1.unwrap().changes, changes);

    // What does not fit at all is said, and what was kept stays.
    let mut random = 1_u64;
    let noise: Vec<Change> = (0..40)
        .map(|n| {
            let mut it = incident(&format!("n{n}"), "tan-lap");
            let note = (0..60_000)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    char::from(b'!' + u8::try_from(random >> 40 & 63).unwrap())
                })
                .collect();
            let at = at("2026-02-03T00:43:00Z");
            it.ack = Some(Ack { by: "Hà".to_owned(), at, note, until: None });
            Change::Incident(Box::new(it))
        })
        .collect();
    let (mut spare, _) = open(&scratch, 0);
    assert!(spare.keep(0, noise.iter().collect(), vec![]).is_err());
    assert_eq!(open(&scratch, 0).1.unwrap().changes, changes);
}

#[test]
fn what_would_go_into_a_file_that_was_removed_is_not_called_kept() {
    let scratch = Scratch::new("spare-removed");
    let (mut spare, _) = open(&scratch, 0);
    spare.keep(0, vec![], vec![]).unwrap();
    std::fs::remove_file(scratch.path().join(SPARE_NAME)).unwrap();
    assert_eq!(spare.keep(0, vec![], vec![]).unwrap_err().kind(), io::ErrorKind::NotFound);
}
