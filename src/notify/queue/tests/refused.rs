//! A receiver that refuses letters for good, of a channel that tells in digests when it is behind.

use super::catching_up::kinds;
use super::*;
use crate::notify::channel;

/// So few in a minute that a handful is told in digests.
const SLOW: Limits =
    Limits { under_way: 1, gap: Duration::from_secs(3), bundle: 100, by_id: false };

fn refuses() -> DeliveryError {
    DeliveryError { retry: Retry::Never, text: "403".to_owned() }
}

fn refuses_several(letter: &Letter) -> Result<(), DeliveryError> {
    if letter.items.len() > 1 { Err(refuses()) } else { Ok(()) }
}

/// 24 sites fail together.
fn fail_together(desk: &mut Desk) -> Vec<String> {
    let ids: Vec<String> = (0..24).map(|n| format!("m{n:02}")).collect();
    for id in &ids {
        desk.decide(id, &format!("i-{id}"), FIRING);
    }
    ids
}

#[test]
fn a_digest_that_a_slow_channel_refuses_is_told_one_by_one_at_its_rate() {
    let mut desk = Desk::with(SLOW);
    let ids = fail_together(&mut desk);
    let told = desk.run(seconds(24 * 3), |letter, _| refuses_several(letter));
    assert_eq!(told, ids);
    let status = desk.status();
    assert_eq!((status.queued, status.delivered, status.failed), (0, 24, 0));
    assert_eq!((status.retried, status.failing_since), (24, None));
}

#[test]
fn what_a_slow_channel_refuses_in_every_way_goes_through_its_fallback_and_is_seen() {
    let mut desk = Desk::with(SLOW);
    let to = ChannelId::new("sms");
    let fallback = Some(Fallback { to: to.clone(), after: Duration::from_mins(10) });
    let setups = vec![LineSetup { fallback, ..line("truc", SLOW) }, line("sms", SLOW)];
    desk.queue.configure(setups, desk.now);
    let ids = fail_together(&mut desk);
    let told =
        desk.run(
            seconds(25 * 3),
            |letter, _| {
                if letter.channel == to { Ok(()) } else { Err(refuses()) }
            },
        );
    assert_eq!(told, ids.iter().map(|id| format!("{id}/via/sms")).collect::<Vec<_>>());
    let statuses = desk.queue.statuses(desk.now);
    let truc = statuses.iter().find(|it| it.id.as_str() == "truc").unwrap();
    assert_eq!((truc.queued, truc.failed, truc.fallen_back), (0, 24, 24));
    assert_eq!(truc.failing_since, Some(at("2026-02-03T01:00:06Z")), "two were refused alone");
}

#[test]
fn no_kind_of_channel_repeats_a_digest_that_was_refused_for_good() {
    for (kind, manner) in kinds() {
        let word = kind.word();
        let mut desk = Desk::with(channel::limits(&kind));
        desk.decide("first", "i-first", FIRING);
        let mut digests: Vec<String> = Vec::new();
        let mut alone = 0;
        while desk.status().queued > 0 {
            let Some(id) = desk.take() else {
                let due = desk.queue.poll_timeout().unwrap();
                desk.wait(due - desk.now.mono);
                continue;
            };
            desk.wait(manner.takes);
            let letter = desk.told.pop().unwrap();
            if letter.items.len() > 1 {
                digests.extend(told_ids(&[letter]).into_iter().map(str::to_owned));
                assert!(digests.len() <= 24, "{word}: {digests:?}");
                desk.fail(&id, Retry::Never);
                continue;
            }
            desk.ok(&id);
            if id == "first" {
                fail_together(&mut desk);
            }
            alone += 1;
        }
        let status = desk.status();
        assert_eq!((alone, status.delivered, status.failed), (25, 25, 0), "{word}");
    }
}

/// Attempts fail at random, for now or for good. Whatever happens, every incident's last word is
/// told or was refused alone, none is told out of order, and nothing is left.
#[test]
fn whatever_is_refused_the_last_word_of_every_incident_is_told_or_given_up_in_order() {
    let message = (0..12_u8, 0..4_u8, 0..3_u64);
    proptest::proptest!(|(plan in proptest::collection::vec(message, 1..60),
                          luck in proptest::collection::vec(0..4_u8, 1..40),
                          gap in 0..8_u64,
                          by_id in proptest::bool::ANY,
                          in_the_end in 0..3_u8)| {
        let mut desk = Desk::with(Limits { gap: seconds(gap), by_id, ..SLOW });
        let (mut last_word, mut given_up) = (BTreeMap::new(), BTreeSet::new());
        let mut luck = luck.into_iter().cycle();
        let mut answer = |letter: &Letter, luck| {
            let result = match luck {
                0 => Ok(()),
                1 => refuses_several(letter),
                2 => Err(refuses()),
                _ => Err(later()),
            };
            if let (Err(_), [alone]) = (&result, &letter.items[..]) && luck == 2 {
                given_up.insert(alone.notification.id.to_string());
            }
            result
        };
        for (n, (about, kind, pause)) in plan.into_iter().enumerate() {
            let kind = [FIRING, UPDATE, REMINDER, RESOLVED][kind as usize];
            let id = format!("m{n:03}");
            desk.decide(&id, &format!("i{about}"), kind);
            last_word.insert(format!("i{about}"), id);
            desk.run(seconds(pause), |letter, _| answer(letter, luck.next().unwrap_or(0)));
        }
        desk.run(Duration::from_hours(1), |letter, _| answer(letter, in_the_end));
        proptest::prop_assert_eq!(desk.status().queued, 0);
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for item in desk.told.iter().flat_map(|letter| &letter.items) {
            let incident = item.notification.alert.incident.id.to_string();
            told.entry(incident).or_default().push(item.notification.id.to_string());
        }
        for (incident, word) in last_word {
            let told = told.remove(&incident).unwrap_or_default();
            let is_told = told.last() == Some(&word);
            proptest::prop_assert!(is_told != given_up.contains(&word), "{}", word);
            proptest::prop_assert!(told.is_sorted_by(|a, b| a < b), "{:?}", told);
        }
    });
}
