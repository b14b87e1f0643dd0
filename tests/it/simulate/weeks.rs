//! Two weeks of a small province: a session each morning, a dozen outages that nobody wrote down,
//! two messages for each, and nothing that grows.

use std::fmt::Write as _;
use std::time::Duration;

use vchealth::lab::scenario::Scenario;
use vchealth::lab::world::Dice;
use vchealth::model::{Cause, NotificationKind};

use super::run::Run;

const DAYS: u64 = 14;
const OUTAGES: u64 = 12;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 3600;
/// From midnight to a session, and how long it lasts.
const SESSION: (u64, u64) = (8 * 3600, 15 * MINUTE);

/// What may happen, and what people are told that it is.
const KINDS: [(&str, Cause, &str); 5] = [
    ("site: xa-a, fault: power-cut", Cause::Access, "xa-a"),
    ("site: xa-c, fault: uplink-cut", Cause::Access, "xa-c"),
    ("subtree: huyen, fault: power-cut", Cause::Uplink, "huyen"),
    ("site: xa-b, endpoint: codec, fault: device-off", Cause::Device, "xa-b"),
    ("site: huyen, endpoint: codec, fault: sip-hung", Cause::Service, "huyen"),
];

/// An outage, in seconds from the first midnight.
struct Outage {
    at: u64,
    lasts: u64,
    kind: usize,
}

/// At most one a day: every third in the session, the others while none is near, so that none
/// becomes more urgent meanwhile.
fn outages(dice: &mut Dice) -> Vec<Outage> {
    let mut days: Vec<(u64, u64)> = (0..DAYS).map(|day| (dice.throw(), day)).collect();
    days.sort_unstable();
    let mut outages: Vec<Outage> = days[..usize::try_from(OUTAGES).unwrap()]
        .iter()
        .map(|(throw, day)| {
            let midnight = day * DAY;
            let (at, lasts) = if throw % 3 == 0 {
                let (from, _) = SESSION;
                (from + MINUTE + dice.up_to(5 * MINUTE), 2 * MINUTE + dice.up_to(3 * MINUTE))
            } else {
                (10 * 3600 + dice.up_to(10 * 3600), 15 * MINUTE + dice.up_to(40 * MINUTE))
            };
            let kind = usize::try_from(dice.up_to(KINDS.len() as u64 - 1)).unwrap();
            Outage { at: midnight + at, lasts, kind }
        })
        .collect();
    outages.sort_by_key(|outage| outage.at);
    outages
}

fn scenario(outages: &[Outage]) -> Scenario {
    let mut text = "name: Two weeks\nprovince: {tree: {tinh: {huyen: [xa-a, xa-b], xa-c: ~}}}\n\
                    starts: 2026-03-02T00:00:00+07:00\nreal: false\nexpect: nothing\n"
        .to_owned();
    writeln!(text, "lasts: {}s\nsessions:", DAYS * DAY).unwrap();
    for day in 0..DAYS {
        let from = day * DAY + SESSION.0;
        let to = from + SESSION.1;
        writeln!(text, "  - {{title: day {day}, from: +{from}s, to: +{to}s}}").unwrap();
    }
    text += "timeline:\n";
    for Outage { at, lasts, kind } in outages {
        writeln!(text, "  - {{at: {at}s, {}, for: {lasts}s}}", KINDS[*kind].0).unwrap();
    }
    Scenario::parse("weeks.yaml", &text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn two_weeks_with_a_session_each_morning_and_a_dozen_outages_make_two_messages_each() {
    let seed = super::seed();
    let outages = outages(&mut Dice::new(seed, 0x3EE5));
    let scenario = scenario(&outages);
    let (mut run, steps) = Run::of(&scenario);
    let mut left = &steps[..];
    for day in 1..=DAYS {
        let midnight = Duration::from_secs(day * DAY);
        let today = left.partition_point(|step| step.at < midnight);
        run.play(&left[..today], midnight);
        left = &left[today..];
        // Whatever was the matter was over hours ago.
        let snapshot = run.snapshot();
        assert_eq!(snapshot.incidents.len(), 0, "HISTORIES_SEED={seed}, day {day}");
        assert_eq!(run.monitor.as_ref().unwrap().incidents_in_mind(), 0, "day {day}");
        assert!(snapshot.sessions.len() <= 1, "day {day}: {:?}", snapshot.sessions);
    }
    assert_eq!(run.complaints, [""; 0]);
    let told: Vec<_> = run
        .told
        .iter()
        .map(|(at, message)| {
            let incident = &message.alert.incident;
            let site = incident.site.as_ref().map_or("", |site| site.as_str());
            (at.as_secs(), message.kind, incident.cause, site)
        })
        .collect();
    let words = || format!("HISTORIES_SEED={seed}: {told:#?}\n{}", scenario_words(&outages));
    assert_eq!(told.len(), outages.len() * 2, "{}", words());
    for (outage, said) in outages.iter().zip(told.chunks(2)) {
        let (_, cause, site) = KINDS[outage.kind];
        let ends = outage.at + outage.lasts;
        let [(on, firing, ..), (over, resolved, ..)] = said else { unreachable!() };
        let kinds = (*firing, *resolved) == (NotificationKind::Firing, NotificationKind::Resolved);
        let right = said.iter().all(|(.., said, at)| (*said, *at) == (cause, site));
        assert!(kinds && right && (outage.at..ends).contains(on) && ends <= *over, "{}", words());
    }
}

fn scenario_words(outages: &[Outage]) -> String {
    let words = |it: &Outage| format!("at {} s for {} s: {}\n", it.at, it.lasts, KINDS[it.kind].0);
    outages.iter().map(words).collect()
}
