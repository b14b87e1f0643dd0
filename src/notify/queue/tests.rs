//! The queue over virtual time: hours of a dead receiver in a millisecond.

mod catching_up;
mod elsewhere;
mod fallback;
mod refused;
mod restart;
mod together;
mod untold;

use std::collections::BTreeSet;

use super::*;
use crate::model::{NotificationKind, WebAddress};
use crate::notify::{DeliveryError, Fared, Receipt, Retry};
use crate::store::tests::{at, incident, notification};
use crate::store::{Has, Heard, RecipientKey};
use crate::texts::letter_id;

/// A queue with one channel, and a clock that only the test moves.
struct Desk {
    queue: Queue,
    now: Now,
    told: Vec<Letter>,
}

impl Desk {
    fn new(under_way: usize) -> Self {
        Self::with(Limits { under_way, gap: Duration::ZERO, bundle: 100, by_id: false })
    }

    fn with(limits: Limits) -> Self {
        let now = Now { mono: Mono::ZERO, wall: at("2026-02-03T01:00:00Z") };
        let mut queue = Queue::default();
        queue.configure(vec![line("truc", limits)], now);
        Self { queue, now, told: Vec::new() }
    }

    fn wait(&mut self, by: Duration) {
        self.now = self.now.plus(by);
    }

    /// A message about incident `about` is decided.
    fn decide(&mut self, id: &str, about: &str, kind: NotificationKind) {
        self.decide_for("truc", id, about, kind);
    }

    fn decide_for(&mut self, channel: &str, id: &str, about: &str, kind: NotificationKind) {
        let mut it = incident(about, "tan-lap");
        it.resolved = (kind == NotificationKind::Resolved).then_some(self.now.wall);
        let mut message = notification(id, it, kind);
        message.created = self.now.wall;
        message.channel = ChannelId::new(channel);
        self.queue.enqueue(Arc::new(message), self.now);
    }

    /// Takes the next letter and gives its id.
    fn take(&mut self) -> Option<String> {
        let letter = self.queue.next(self.now)?.letter;
        let id = letter.id.to_string();
        self.told.push(letter);
        Some(id)
    }

    fn ok(&mut self, id: &str) {
        self.settle(id, Ok(()));
    }

    fn fail(&mut self, id: &str, retry: Retry) {
        self.settle(id, Err(DeliveryError { retry, text: "503".to_owned() }));
    }

    fn settle(&mut self, id: &str, receipt: impl Into<Receipt>) {
        let (channel, id) = (ChannelId::new("truc"), NotificationId::new(id));
        self.queue.settle(&channel, &id, receipt, self.now);
    }

    /// Lets the receiver answer `answer` until nothing more is due within `longest`; gives the
    /// ids in the order in which they were accepted.
    fn run(
        &mut self,
        longest: Duration,
        mut answer: impl FnMut(&Letter, Now) -> Result<(), DeliveryError>,
    ) -> Vec<String> {
        let end = self.now.mono + longest;
        let mut accepted = Vec::new();
        loop {
            while let Some(Due { letter, .. }) = self.queue.next(self.now) {
                let result = answer(&letter, self.now);
                if result.is_ok() {
                    accepted.push(letter.id.to_string());
                    self.told.push(letter.clone());
                }
                self.queue.settle(&letter.channel, &letter.id, result, self.now);
            }
            let Some(due) = self.queue.poll_timeout().filter(|due| *due <= end) else { break };
            assert!(due > self.now.mono, "what is due is given out");
            self.wait(due - self.now.mono);
        }
        self.wait(end - self.now.mono);
        accepted
    }

    fn status(&self) -> ChannelStatus {
        self.queue.statuses(self.now).remove(0)
    }

    /// The last mark of each message, as `id state`.
    fn marks(&mut self) -> Vec<String> {
        let mut last = BTreeMap::new();
        for mark in self.queue.take_marks() {
            last.insert(mark.id.clone(), mark.state);
        }
        last.into_iter().map(|(id, state)| format!("{id} {state:?}")).collect()
    }
}

fn line(id: &str, limits: Limits) -> LineSetup {
    let id = ChannelId::new(id);
    let recipients = BTreeMap::new();
    LineSetup { id, kind: "webhook", limits, fallback: None, ends: true, anew: false, recipients }
}

fn later() -> DeliveryError {
    DeliveryError { retry: Retry::Later, text: "503".to_owned() }
}

const FIRING: NotificationKind = NotificationKind::Firing;
const UPDATE: NotificationKind = NotificationKind::Update;
const REMINDER: NotificationKind = NotificationKind::Reminder;
const ESCALATION: NotificationKind = NotificationKind::Escalation;
const RESOLVED: NotificationKind = NotificationKind::Resolved;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The id of a digest of these messages.
fn digest(messages: &[&str]) -> String {
    let messages: Vec<NotificationId> = messages.iter().copied().map(NotificationId::new).collect();
    letter_id(&messages).unwrap().to_string()
}

/// The ids of all messages in these letters, in order.
fn told_ids(letters: &[Letter]) -> Vec<&str> {
    let items = letters.iter().flat_map(|letter| &letter.items);
    items.map(|item| item.notification.id.as_str()).collect()
}

#[test]
fn sites_that_fail_together_leave_as_one_letter_and_return_as_one() {
    let mut desk = Desk::new(4);
    for kind in [FIRING, REMINDER, ESCALATION, RESOLVED] {
        for n in 0..24 {
            desk.decide(&format!("{}-{n:02}", kind.word()), &format!("i{n}"), kind);
        }
        let id = desk.take().unwrap();
        let letter = desk.told.last().unwrap();
        assert_eq!(letter.items.len(), 24);
        assert!(letter.items.iter().all(|item| item.told_as == kind));
        assert_eq!(desk.take(), None);
        desk.ok(&id);
    }
}

#[test]
fn news_and_reminders_are_not_mixed_in_one_letter() {
    let mut desk = Desk::new(4);
    for n in 0..3 {
        desk.decide(&format!("on{n}"), &format!("i{n}"), FIRING);
        desk.decide(&format!("still{n}"), &format!("j{n}"), REMINDER);
    }
    assert_eq!(desk.take(), Some(digest(&["on0", "on1", "on2"])));
    assert_eq!(desk.take(), Some(digest(&["still0", "still1", "still2"])));
}

#[test]
fn a_letter_of_several_that_is_refused_is_told_one_by_one() {
    let mut desk = Desk::new(1);
    for n in 0..3 {
        desk.decide(&format!("m{n}"), &format!("i{n}"), FIRING);
    }
    let together = desk.take().unwrap();
    assert_eq!(together, digest(&["m0", "m1", "m2"]));
    desk.fail(&together, Retry::Never);
    assert_eq!(desk.run(seconds(5), |_, _| Ok(())), ["m0", "m1", "m2"]);
    assert_eq!((desk.status().failed, desk.status().delivered), (0, 3));
}

#[test]
fn who_is_told_that_nobody_has_it_hears_that_above_all() {
    let mut desk = Desk::new(1);
    desk.decide("other", "o", FIRING);
    desk.take();
    desk.decide("a-firing", "a", FIRING);
    desk.decide("a-escalation", "a", ESCALATION);
    desk.decide("a-update", "a", UPDATE);
    desk.ok("other");
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["a-update"]);
    assert_eq!(desk.told.last().unwrap().items[0].told_as, ESCALATION);
}

#[test]
fn a_message_leaves_at_once_and_only_once() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    desk.decide("a", "i1", FIRING);
    assert_eq!(desk.take().as_deref(), Some("a"));
    assert_eq!((desk.take(), desk.queue.poll_timeout()), (None, None));
    desk.ok("a");
    assert_eq!(desk.take(), None);
    assert_eq!(desk.marks(), ["a Delivered"]);
    let status = desk.status();
    assert_eq!((status.queued, status.delivered, status.oldest), (0, 1, None));
}

#[test]
fn messages_of_one_incident_never_overtake_each_other() {
    let mut desk = Desk::new(4);
    desk.decide("a-firing", "a", FIRING);
    assert_eq!(desk.take().as_deref(), Some("a-firing"));
    desk.decide("a-over", "a", RESOLVED);
    desk.decide("b-firing", "b", FIRING);
    assert_eq!(desk.take().as_deref(), Some("b-firing"), "another incident need not wait");
    assert_eq!(desk.take(), None);
    desk.ok("a-firing");
    assert_eq!(desk.take().as_deref(), Some("a-over"));
}

#[test]
fn waits_double_up_to_thirty_seconds_and_start_anew_after_a_success() {
    let mut desk = Desk::new(4);
    desk.decide("a", "i1", FIRING);
    let mut attempts = Vec::new();
    desk.run(seconds(120), |_, now| {
        attempts.push(now.mono.as_nanos() / 1_000_000);
        Err(later())
    });
    assert_eq!(attempts, [0, 250, 750, 1_750, 3_750, 7_750, 15_750, 31_750, 61_750, 91_750]);
    let status = desk.status();
    assert_eq!((status.queued, status.retried, status.failed), (1, 10, 0));
    assert_eq!(status.failing_since, Some(at("2026-02-03T01:00:00Z")));

    assert_eq!(desk.run(seconds(30), |_, _| Ok(())), ["a"]);
    assert_eq!(desk.status().failing_since, None);
    desk.decide("b", "i2", FIRING);
    let mut attempts = 0;
    desk.run(FIRST_WAIT, |_, _| {
        attempts += 1;
        Err(later())
    });
    assert_eq!(attempts, 2, "soon after the first again");
}

#[test]
fn a_receiver_that_names_a_time_is_left_alone_until_then() {
    let mut desk = Desk::new(4);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.fail("a", Retry::After(seconds(90)));
    desk.decide("b", "i2", FIRING);
    assert_eq!(desk.take(), None, "the other messages wait as well");
    assert_eq!(desk.queue.poll_timeout(), Some(Mono::ZERO + seconds(90)));

    desk.wait(seconds(90));
    desk.take();
    desk.fail("a", Retry::After(seconds(365 * 86_400)));
    assert_eq!(desk.queue.poll_timeout(), Some(desk.now.mono + LONGEST_ASKED));
}

#[test]
fn what_is_refused_for_good_is_given_up_loudly_and_holds_up_nobody() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    desk.decide("b", "i2", FIRING);
    desk.take();
    desk.fail("a", Retry::Never);
    assert_eq!(desk.take().as_deref(), Some("b"));
    assert_eq!(desk.status().failed, 1);
    assert_eq!(
        desk.queue.take_events(),
        [Event::GivenUp {
            channel: ChannelId::new("truc"),
            id: NotificationId::new("a"),
            incident: IncidentId::new("i1"),
            reason: "503".to_owned(),
            instead: None,
        }]
    );
    assert_eq!(desk.marks(), ["a Failed", "b Waiting"]);
}

#[test]
fn a_message_that_never_gets_through_is_given_up_after_a_day() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    desk.run(Duration::from_hours(25), |_, _| Err(later()));
    assert_eq!((desk.status().queued, desk.status().failed), (0, 1));
}

#[test]
fn one_poisonous_message_does_not_hold_up_the_others() {
    let mut desk = Desk::new(4);
    desk.decide("poison", "i0", FIRING);
    desk.take();
    desk.fail("poison", Retry::Later);
    for n in 1..=50 {
        desk.decide(&format!("m{n:02}"), &format!("i{n}"), FIRING);
    }
    let answer = |letter: &Letter, _| {
        if letter.id.as_str() == "poison" { Err(later()) } else { Ok(()) }
    };
    desk.told.clear();
    desk.run(seconds(60), answer);
    let told: Vec<&str> = told_ids(&desk.told);
    assert_eq!(told.len(), 50);
    assert!(told.is_sorted());
    assert_eq!(desk.status().queued, 1, "the poison still waits");
}

#[test]
fn a_fault_that_came_and_went_unheard_is_told_once_as_over() {
    let mut desk = Desk::new(4);
    desk.decide("a-firing", "a", FIRING);
    desk.take();
    desk.fail("a-firing", Retry::Later);
    desk.wait(seconds(600));
    desk.decide("a-over", "a", RESOLVED);
    assert_eq!(desk.run(seconds(60), |_, _| Ok(())), ["a-over"]);
    assert_eq!(desk.marks(), ["a-firing Withdrawn", "a-over Delivered"]);
    assert_eq!(desk.status().withdrawn, 1);
}

#[test]
fn an_update_of_what_was_never_heard_is_told_as_the_beginning() {
    let mut desk = Desk::new(1);
    desk.decide("other", "o", FIRING);
    desk.take();
    desk.decide("a-firing", "a", FIRING);
    desk.decide("a-update", "a", UPDATE);
    desk.decide("a-reminder", "a", REMINDER);
    desk.decide("b-update", "b", UPDATE);
    desk.decide("b-reminder", "b", REMINDER);
    desk.ok("other");
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["a-reminder", "b-reminder"]);
    let told: Vec<_> = desk.told.iter().map(|letter| letter.items[0].told_as).collect();
    assert_eq!(told, [FIRING, FIRING, UPDATE]);
}

#[test]
fn what_came_while_its_elder_was_under_way_overtakes_it_when_that_fails() {
    let mut desk = Desk::new(1);
    desk.decide("a-firing", "a", FIRING);
    desk.take();
    desk.decide("a-update", "a", UPDATE);
    desk.fail("a-firing", Retry::Later);
    assert_eq!(desk.run(seconds(5), |_, _| Ok(())), ["a-update"]);
    assert_eq!(desk.told.last().unwrap().items[0].told_as, FIRING);
}

#[test]
fn a_fault_that_returns_before_its_end_was_told_is_told_as_it_stands() {
    let mut desk = Desk::new(1);
    desk.decide("other", "o", FIRING);
    desk.take();
    desk.decide("a-over", "a", RESOLVED);
    desk.decide("a-again", "a", UPDATE);
    desk.ok("other");
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["a-again"]);
}

#[test]
fn what_is_over_leaves_as_one_digest_after_what_is_still_on() {
    let mut desk = Desk::new(4);
    desk.decide("probe", "p", FIRING);
    desk.take();
    for n in 0..5 {
        desk.decide(&format!("over{n}"), &format!("i{n}"), RESOLVED);
    }
    desk.decide("on", "x", FIRING);
    desk.fail("probe", Retry::Later);
    desk.wait(seconds(1));
    let over = digest(&["over0", "over1", "over2", "over3", "over4"]);
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["probe", "on", &over]);
    assert!(desk.told.last().unwrap().is_resolved());
    assert_eq!(desk.status().delivered, 7);
}

#[test]
fn a_digest_says_the_same_at_its_repeat_and_after_a_restart() {
    let mut desk = Desk::new(4);
    for n in 0..3 {
        desk.decide(&format!("over{n}"), &format!("i{n}"), RESOLVED);
    }
    let together = digest(&["over0", "over1", "over2"]);
    assert_eq!(desk.take().as_ref(), Some(&together));
    let first = desk.told.remove(0);
    desk.decide("over3", "i3", RESOLVED);
    desk.fail(&together, Retry::Later);
    desk.wait(seconds(1));
    assert_eq!(desk.take().as_ref(), Some(&together));
    assert_eq!(desk.told.remove(0), first);

    // The daemon is killed here. The outbox holds what the marks said.
    let bundles: BTreeMap<_, _> =
        desk.queue.take_marks().into_iter().map(|mark| (mark.id.clone(), mark.bundle)).collect();
    let mut restarted = Desk::new(4);
    for n in 0..4 {
        let mut message =
            notification(&format!("over{n}"), incident(&format!("i{n}"), "x"), RESOLVED);
        message.created = first.created;
        let id = message.id.clone();
        let bundle = bundles.get(&id).cloned().flatten();
        let waiting = Waiting {
            notification: message,
            attempts: u32::from(bundle.is_some()),
            next_attempt: None,
            bundle,
            fallback: None,
            told_as: RESOLVED,
            heard: Vec::new(),
            overtook: None,
            error: None,
        };
        restarted.queue.restore(waiting, restarted.now);
    }
    assert_eq!(restarted.take(), Some(together));
    assert_eq!(restarted.told[0].items.len(), 3);
    assert_eq!(restarted.take().as_deref(), Some("over3"));
}

#[test]
fn two_hours_without_a_receiver_are_made_up_for_within_a_minute() {
    let mut desk = Desk::new(4);
    let mut over = BTreeSet::new();
    for n in 0..300_u64 {
        desk.decide(&format!("n{n:03}-firing"), &format!("i{n:03}"), FIRING);
        desk.run(seconds(12), |_, _| Err(later()));
        if n % 3 == 0 {
            desk.decide(&format!("n{n:03}-over"), &format!("i{n:03}"), RESOLVED);
            over.insert(format!("i{n:03}"));
        }
        desk.run(seconds(12), |_, _| Err(later()));
    }
    assert_eq!(desk.status().queued, 300, "what came and went waits as one message");

    let returned = desk.now;
    let mut last = returned;
    desk.told.clear();
    desk.run(seconds(60), |_, now| {
        last = now;
        Ok(())
    });
    assert!(last.mono - returned.mono <= LONGEST_WAIT, "told within one wait of the return");
    assert_eq!(desk.status().queued, 0);
    // The one that found out comes first; then those still on, in the order decided.
    let firing = |letters: &[Letter]| -> Vec<String> {
        let ids = told_ids(letters).into_iter().filter(|id| id.ends_with("-firing"));
        ids.map(str::to_owned).collect()
    };
    assert!(firing(&desk.told[1..]).is_sorted());
    assert_eq!(firing(&desk.told).len(), 200);
    let told: BTreeSet<String> = desk
        .told
        .iter()
        .flat_map(|letter| &letter.items)
        .filter(|item| item.told_as == RESOLVED)
        .map(|item| item.notification.alert.incident.id.to_string())
        .collect();
    assert_eq!(told, over);
}

#[test]
fn a_channel_with_a_rate_is_never_asked_faster() {
    let mut desk = Desk::with(Limits { under_way: 1, gap: seconds(3), bundle: 1, by_id: false });
    for n in 0..4 {
        desk.decide(&format!("m{n}"), &format!("i{n}"), FIRING);
    }
    let mut times = Vec::new();
    desk.run(seconds(60), |_, now| {
        times.push(now.mono.as_nanos() / 1_000_000_000);
        Ok(())
    });
    assert_eq!(times, [0, 3, 6, 9]);
}

#[test]
fn a_channel_that_refuses_everything_for_good_is_one_that_fails() {
    let mut desk = Desk::new(1);
    let never = || DeliveryError { retry: Retry::Never, text: "535 wrong password".to_owned() };
    desk.decide("a", "i1", FIRING);
    desk.run(seconds(1), |_, _| Err(never()));
    assert_eq!(desk.status().failing_since, None, "that letter may be odd");
    desk.decide("b", "i2", FIRING);
    desk.run(seconds(1), |_, _| Err(never()));
    assert!(desk.status().failing_since.is_some());
    let failing = |event: &Event| matches!(event, Event::Failing { .. });
    assert_eq!(desk.queue.take_events().iter().filter(|event| failing(event)).count(), 1);

    desk.decide("c", "i3", FIRING);
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["c"]);
    assert_eq!(desk.status().failing_since, None);
    let events = desk.queue.take_events();
    let works = |event: &Event| matches!(event, Event::Working { failures: 2, .. });
    assert_eq!(events.iter().filter(|event| works(event)).count(), 1, "{events:?}");

    // A refusal after failures is no sign that it works.
    desk.decide("d", "i4", FIRING);
    desk.run(seconds(1), |_, _| Err(later()));
    desk.run(seconds(60), |_, _| Err(never()));
    assert!(desk.status().failing_since.is_some());
}

#[test]
fn one_recipient_who_is_to_be_tried_later_does_not_hold_up_what_the_others_are_told() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.fail("a", Retry::Partly { after: Duration::from_mins(15), works: true });
    assert_eq!(desk.status().failing_since, None);
    desk.decide("b", "i2", FIRING);
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["b"]);
    assert_eq!(desk.run(Duration::from_mins(15), |_, _| Ok(())), ["a"]);
}

#[test]
fn a_repeat_that_nobody_new_accepts_is_no_sign_that_the_channel_works() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.fail("a", Retry::Partly { after: Duration::ZERO, works: true });
    desk.decide("b", "i2", FIRING);
    let partly = || DeliveryError {
        retry: Retry::Partly { after: Duration::ZERO, works: false },
        text: "503".to_owned(),
    };
    desk.run(seconds(60), |letter, _| {
        Err(if letter.id.as_str() == "a" { partly() } else { later() })
    });
    let status = desk.status();
    assert!(status.failing_from.is_some(), "whoever is asked anew does not answer");
    assert_eq!(status.queued, 2);
}

#[test]
fn what_some_have_and_others_never_accept_is_no_message_that_nobody_was_told() {
    let mut desk = Desk::new(1);
    desk.decide("a", "i1", FIRING);
    let mut works = true;
    desk.run(Duration::from_hours(25), |_, _| {
        let works = std::mem::take(&mut works);
        let retry = Retry::Partly { after: Duration::ZERO, works };
        Err(DeliveryError { retry, text: "mailbox full".to_owned() })
    });
    let status = desk.status();
    assert_eq!((status.queued, status.failed, status.delivered), (0, 0, 1));
    let events = desk.queue.take_events();
    assert!(matches!(&events[..], [Event::PartlyTold { .. }]), "{events:?}");
}

#[test]
fn what_somebody_is_not_reached_with_for_a_day_goes_through_the_fallback_and_is_counted() {
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 100, by_id: false };
    let mut desk = Desk::with(limits);
    let to = ChannelId::new("siren");
    let fallback = Some(Fallback { to: to.clone(), after: Duration::from_hours(100) });
    let setups = vec![LineSetup { fallback, ..line("truc", limits) }, line("siren", limits)];
    desk.queue.configure(setups, desk.now);
    desk.decide("a", "a", FIRING);
    let mut told = Vec::new();
    for _ in 0..2 * MOST_ATTEMPTS {
        let Some(due) = desk.queue.poll_timeout() else { break };
        desk.wait(due - desk.now.mono);
        let Some(Due { letter, .. }) = desk.queue.next(desk.now) else { continue };
        if letter.channel == to {
            told.push(letter.id.to_string());
            desk.queue.settle(&letter.channel, &letter.id, Ok(()), desk.now);
            continue;
        }
        let full = |retry| DeliveryError { retry, text: "mailbox full".to_owned() };
        let waits = Retry::Partly { after: Duration::ZERO, works: false };
        let mut full_box = receipt(Err(full(waits)), false);
        full_box.recipients[1].result = Err(full(Retry::Later));
        desk.settle("a", full_box);
    }
    assert_eq!(told, ["a/via/siren"]);
    let status = desk.queue.statuses(desk.now).remove(1);
    assert_eq!((status.delivered, status.refused, status.fallen_back), (1, 1, 1));
    assert_eq!(status.refusing[0].recipient, "2", "until they accept something");
}

#[test]
fn who_has_a_message_that_is_overtaken_stays_on_record_with_the_newer_one() {
    let mut desk = Desk::new(1);
    desk.decide("a-1", "a", FIRING);
    desk.take();
    let heard = Heard {
        recipient: RecipientKey::of("0912 345 901"),
        message: NotificationId::new("a-1"),
        has: Has::Whole(FIRING),
    };
    let waits = Retry::Partly { after: Duration::ZERO, works: true };
    let busy = Err(DeliveryError { retry: waits, text: "busy".to_owned() });
    let heard_of = HeardOf::from([(IncidentId::new("a"), vec![heard.clone()])]);
    desk.settle("a-1", Receipt { heard: heard_of, ..busy.into() });
    let on_record = |desk: &mut Desk, id: &str| {
        let marks = desk.queue.take_marks();
        marks.into_iter().rfind(|mark| mark.id.as_str() == id).map(|mark| mark.heard)
    };
    assert_eq!(on_record(&mut desk, "a-1"), Some(vec![heard.clone()]));
    let status = desk.status();
    assert_eq!((status.oldest.is_some(), status.untold), (true, None), "it has reached somebody");
    desk.decide("a-2", "a", UPDATE);
    let status = desk.status();
    assert_eq!((status.untold, status.oldest.is_some()), (status.oldest, true), "nobody has it");
    assert_eq!(on_record(&mut desk, "a-2"), Some(vec![heard.clone()]));
    desk.wait(seconds(1));
    assert_eq!(desk.take().as_deref(), Some("a-2"));
    assert_eq!(on_record(&mut desk, "a-2"), Some(vec![heard]), "a crash in the middle");
    desk.ok("a-2");
    assert_eq!(on_record(&mut desk, "a-2"), Some(Vec::new()), "everybody has it");
}

#[test]
fn whoever_refuses_a_message_is_nobody_whom_it_has_reached() {
    let mut desk = Desk::new(1);
    desk.decide("a", "a", FIRING);
    for (has, reached) in [(Has::Refused("410".to_owned()), false), (Has::Whole(FIRING), true)] {
        desk.wait(seconds(60));
        assert_eq!(desk.take().as_deref(), Some("a"));
        let (recipient, message) = (RecipientKey::of("1"), NotificationId::new("a"));
        let heard = vec![Heard { recipient, message, has }];
        let heard = HeardOf::from([(IncidentId::new("a"), heard)]);
        desk.settle("a", Receipt { heard, ..Receipt::from(Err(later())) });
        assert_eq!(desk.status().untold.is_none(), reached);
    }
}

/// What three recipients said, of whom the second refuses if that is so.
fn receipt(result: Result<(), DeliveryError>, refuses: bool) -> Receipt {
    let fared = |recipient: &str| {
        let never = || DeliveryError { retry: Retry::Never, text: "410".to_owned() };
        let result = if refuses && recipient == "2" { Err(never()) } else { Ok(()) };
        let key = RecipientKey::of(recipient);
        Fared { recipient: recipient.to_owned(), key, asked: true, result }
    };
    Receipt { recipients: ["1", "2", "3"].map(fared).to_vec(), ..result.into() }
}

#[test]
fn who_refuses_what_others_have_is_named_and_counted_until_they_accept_something() {
    let mut desk = Desk::new(1);
    for (id, refuses) in [("a", true), ("b", true), ("c", false), ("d", true)] {
        desk.decide(id, id, FIRING);
        desk.take();
        desk.settle(id, receipt(Ok(()), refuses));
        let status = desk.status();
        let refusing: Vec<_> = status.refusing.iter().map(|it| it.recipient.as_str()).collect();
        assert_eq!(refusing, if refuses { &["2"][..] } else { &[] }, "{id}");
        desk.wait(seconds(60));
    }
    let status = desk.status();
    assert_eq!((status.delivered, status.failed, status.refused), (4, 0, 3));
    assert_eq!(status.refusing[0].since, at("2026-02-03T01:03:00Z"));
    assert_eq!(status.refusing[0].reason, "410");
    let said = desk.queue.take_events();
    let said: Vec<_> = said
        .iter()
        .map(|event| match event {
            Event::Refused { id, recipient, .. } => format!("{recipient} refused {id}"),
            Event::Reached { recipient, .. } => format!("{recipient} reached"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, ["2 refused a", "2 reached", "2 refused d"]);
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 100, by_id: false };
    let elsewhere = LineSetup { anew: true, ..line("truc", limits) };
    desk.queue.configure(vec![elsewhere], desk.now);
    assert_eq!(desk.status().refusing, [], "the settings name others now");
}

#[test]
fn what_a_letter_says_that_left_under_older_settings_is_not_held_against_anybody() {
    let mut desk = Desk::new(1);
    desk.decide("a", "a", FIRING);
    desk.take();
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 100, by_id: false };
    let elsewhere = LineSetup { anew: true, ..line("truc", limits) };
    desk.queue.configure(vec![elsewhere], desk.now);
    desk.settle("a", receipt(Ok(()), true));
    assert_eq!((desk.status().delivered, desk.status().refusing), (1, Vec::new()));
    desk.decide("b", "b", FIRING);
    desk.take();
    desk.settle("b", receipt(Ok(()), true));
    assert_eq!(desk.status().refusing.len(), 1);
}

#[test]
fn who_refuses_is_known_after_a_restart_as_long_as_the_settings_name_them() {
    let mut desk = Desk::new(1);
    desk.decide("a", "a", FIRING);
    desk.take();
    desk.settle("a", receipt(Ok(()), true));
    let marks = desk.queue.take_marks();
    let on_record = marks.last().map(|mark| mark.refusing.clone()).unwrap();
    let since = on_record[0].since;
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 100, by_id: false };
    let after = |to: &[&str]| {
        let mut desk = Desk::new(1);
        desk.wait(seconds(3_600));
        let recipients = to.iter().enumerate();
        let recipients = recipients.map(|(at, to)| (RecipientKey::of(to), format!("no. {at}")));
        let recipients = recipients.collect();
        let setup = LineSetup { recipients, ..line("truc", limits) };
        desk.queue.configure(vec![setup], desk.now);
        let refusing = vec![(ChannelId::new("truc"), on_record.clone())];
        desk.queue.restore_refusing(refusing, desk.now);
        desk
    };
    assert_eq!(after(&["1", "3"]).status().refusing, [], "they were taken out");
    let mut desk = after(&["0", "1", "2", "3"]);
    let refusing = desk.status().refusing.remove(0);
    assert_eq!((&*refusing.recipient, refusing.since, &*refusing.reason), ("no. 2", since, "410"));
    desk.decide("b", "b", FIRING);
    desk.take();
    desk.settle("b", receipt(Ok(()), false));
    assert_eq!(desk.status().refusing, []);
}

#[test]
fn whom_nobody_else_has_it_before_is_refused_is_not_named_twice() {
    let mut desk = Desk::new(1);
    desk.decide("a", "a", FIRING);
    desk.take();
    desk.settle("a", receipt(Err(later()), true));
    assert_eq!(desk.status().refused, 0, "nobody has it: it is offered to all again");
    desk.wait(seconds(60));
    desk.take();
    let partly = Retry::Partly { after: Duration::ZERO, works: true };
    let partly = DeliveryError { retry: partly, text: "503".to_owned() };
    desk.settle("a", receipt(Err(partly), true));
    desk.wait(seconds(60));
    desk.take();
    desk.settle("a", Ok(()));
    let status = desk.status();
    assert_eq!((status.delivered, status.refused, status.refusing.len()), (1, 1, 1));
}

#[test]
fn a_drill_that_a_recipient_refuses_is_not_accepted_and_a_restart_knows_that() {
    for refuses in [true, false] {
        let mut desk = Desk::new(1);
        let mut message = notification("d", incident("drill.giao-ban", "drill"), FIRING);
        message.channel = ChannelId::new("truc");
        message.alert.drill = true;
        desk.queue.enqueue(Arc::new(message), desk.now);
        desk.take();
        desk.queue.take_marks();
        desk.settle("d", receipt(Ok(()), refuses));
        assert_eq!(desk.status().drills.is_empty(), refuses);
        let marks = desk.queue.take_marks();
        let said = marks.iter().map(|mark| (mark.state, mark.error.as_deref()));
        let why = refuses.then_some("recipient 2: 410");
        assert_eq!(said.collect::<Vec<_>>(), [(MarkState::Delivered, why)]);
    }
}

#[test]
fn a_clock_that_is_set_while_messages_wait_changes_neither_their_turns_nor_how_long_it_fails() {
    for set in ["2026-02-03T02:00:01Z", "2026-02-03T00:00:01Z"] {
        let mut desk = Desk::new(1);
        desk.decide("a", "i1", FIRING);
        assert_eq!(desk.run(seconds(1), |_, _| Err(later())), Vec::<String>::new());
        let due = desk.queue.poll_timeout();
        desk.now.wall = at(set);
        assert_eq!(desk.queue.poll_timeout(), due);
        let status = desk.status();
        assert_eq!(status.failing_from, Some(Mono::ZERO));
        let since = status.failing_since.unwrap();
        assert_eq!(desk.now.wall.duration_since(since).as_secs(), 1, "by the clock as it is now");
        assert_eq!(desk.run(seconds(60), |_, _| Ok(())), ["a"]);
    }
}

#[test]
fn a_channel_that_is_gone_gives_up_its_messages_and_the_others_go_on() {
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 1, by_id: false };
    let mut desk = Desk::with(limits);
    desk.decide("a", "i1", FIRING);
    desk.decide("b", "i2", FIRING);
    desk.take();
    desk.queue.configure(vec![line("new", limits)], desk.now);
    assert_eq!(desk.marks(), ["a Waiting", "b Failed"]);
    assert_eq!(desk.queue.statuses(desk.now).len(), 1);
    desk.ok("a");
    assert_eq!(desk.marks(), ["a Delivered"], "what was under way is still recorded");
    desk.decide("c", "i3", FIRING);
    assert_eq!(desk.marks(), ["c Failed"]);
    assert_eq!(desk.queue.take_events().len(), 2);
}

/// Half of all attempts fail at random; whatever happens, every incident's last word is told and
/// none is told out of order.
#[test]
fn whatever_fails_the_last_word_of_every_incident_is_told_in_order() {
    proptest::proptest!(|(plan in proptest::collection::vec((0..6_u8, 0..4_u8, 0..40_u64), 1..60),
                          luck in proptest::collection::vec(proptest::bool::ANY, 1..40))| {
        let mut desk = Desk::new(4);
        let mut last_word = BTreeMap::new();
        let mut luck = luck.into_iter().cycle();
        for (n, (about, kind, pause)) in plan.into_iter().enumerate() {
            let kind = [FIRING, UPDATE, REMINDER, RESOLVED][kind as usize];
            let id = format!("m{n:03}");
            desk.decide(&id, &format!("i{about}"), kind);
            last_word.insert(format!("i{about}"), id);
            desk.run(seconds(pause), |_, _| {
                if luck.next() == Some(true) { Ok(()) } else { Err(later()) }
            });
        }
        desk.run(Duration::from_hours(1), |_, _| Ok(()));
        let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for item in desk.told.iter().flat_map(|letter| &letter.items) {
            let incident = item.notification.alert.incident.id.to_string();
            told.entry(incident).or_default().push(item.notification.id.to_string());
        }
        for (incident, word) in last_word {
            let told = &told[&incident];
            proptest::prop_assert_eq!(told.last(), Some(&word));
            proptest::prop_assert!(told.is_sorted_by(|a, b| a < b), "{:?}", told);
        }
        proptest::prop_assert_eq!(desk.status().queued, 0);
    });
}

#[test]
fn a_wait_from_before_a_restart_is_kept_unless_a_wrong_clock_wrote_it() {
    let restored = |next_attempt: Option<Timestamp>| {
        let mut desk = Desk::new(1);
        let waiting = Waiting {
            notification: notification("a", incident("i1", "x"), FIRING),
            attempts: 2,
            next_attempt,
            bundle: None,
            fallback: None,
            told_as: FIRING,
            heard: Vec::new(),
            overtook: None,
            error: None,
        };
        desk.queue.restore(waiting, desk.now);
        desk.queue.poll_timeout().unwrap() - Mono::ZERO
    };
    assert_eq!(restored(None), Duration::ZERO);
    assert_eq!(restored(Some(at("2026-02-03T00:00:00Z"))), Duration::ZERO);
    assert_eq!(restored(Some(at("2026-02-03T01:00:20Z"))), seconds(20));
    assert_eq!(restored(Some(at("2026-02-03T01:15:00Z"))), LONGEST_ASKED);
    assert_eq!(restored(Some(at("2026-02-03T03:00:20Z"))), Duration::ZERO, "it was set back");
    assert_eq!(restored(Some(at("2036-02-03T01:00:20Z"))), Duration::ZERO);
}

#[test]
fn a_clock_that_jumps_while_messages_wait_hurries_and_delays_none() {
    for jump in [-7_200, 7_200] {
        let mut desk = Desk::new(4);
        desk.decide("a", "i1", FIRING);
        assert_eq!(desk.take().as_deref(), Some("a"));
        desk.fail("a", Retry::After(seconds(20)));
        desk.now.wall += jiff::SignedDuration::from_secs(jump);
        desk.decide("b", "i2", FIRING);
        assert_eq!(desk.run(seconds(19), |_, _| Ok(())), [""; 0], "{jump}");
        assert_eq!(desk.run(seconds(2), |_, _| Ok(())), ["a", "b"], "{jump}");
        assert_eq!(desk.status().queued, 0);
    }
}

#[test]
fn ten_thousand_messages_that_waited_are_each_told_once_and_in_order() {
    let mut desk = Desk::new(4);
    for n in 0..10_000 {
        let waiting = Waiting {
            notification: notification(
                &format!("n{n:05}"),
                incident(&format!("i{n:05}"), "x"),
                FIRING,
            ),
            attempts: 0,
            next_attempt: None,
            bundle: None,
            fallback: None,
            told_as: FIRING,
            heard: Vec::new(),
            overtook: None,
            error: None,
        };
        desk.queue.restore(waiting, desk.now);
    }
    let mut failures = 0;
    let letters = desk.run(Duration::from_mins(10), |letter, _| {
        assert!(letter.items.len() <= 100);
        failures += 1;
        if failures % 2 == 0 { Ok(()) } else { Err(later()) }
    });
    assert_eq!(letters.len(), 100);
    let told = told_ids(&desk.told);
    assert_eq!(told.len(), 10_000);
    assert!(told.is_sorted(), "none overtakes an older one");
    assert_eq!(desk.status().queued, 0);
}

#[test]
fn a_digest_that_has_lost_some_of_its_messages_is_the_same_still() {
    let mut desk = Desk::new(1);
    for n in 0..4 {
        desk.decide(&format!("on{n}"), &format!("i{n}"), FIRING);
    }
    let first = desk.take().unwrap();
    // The gateway may have taken it, though its answer is lost. One site is back before the repeat.
    desk.decide("over1", "i1", RESOLVED);
    desk.fail(&first, Retry::Later);
    desk.wait(seconds(1));
    assert_eq!(desk.take(), Some(first));
    assert_eq!(told_ids(&desk.told[1..]), ["on0", "on2", "on3"]);
}

#[test]
fn what_was_tried_alone_is_repeated_alone() {
    let mut desk = Desk::new(4);
    desk.decide("over0", "i0", RESOLVED);
    let first = desk.queue.next(desk.now).unwrap();
    assert!(first.record_first, "a crash from here on is known to have been in the middle");
    desk.decide("over1", "i1", RESOLVED);
    desk.decide("over2", "i2", RESOLVED);
    desk.decide("over3", "i3", RESOLVED);
    desk.fail("over0", Retry::Later);
    desk.wait(seconds(1));
    let rest = digest(&["over1", "over2", "over3"]);
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["over0", &rest]);
}

#[test]
fn the_rest_of_a_digest_that_is_too_large_by_now_leaves_beside_it() {
    let mut desk = Desk::with(Limits { under_way: 2, gap: Duration::ZERO, bundle: 2, by_id: true });
    for n in 0..4 {
        let waiting = Waiting {
            notification: notification(&format!("n{n}"), incident(&format!("i{n}"), "x"), FIRING),
            attempts: 1,
            next_attempt: None,
            bundle: Some(NotificationId::new("digest-n0")),
            fallback: None,
            told_as: FIRING,
            heard: Vec::new(),
            overtook: None,
            error: None,
        };
        desk.queue.restore(waiting, desk.now);
    }
    let both = [desk.take().unwrap(), desk.take().unwrap()];
    assert_eq!(both, [digest(&["n0", "n1"]), "digest-n0".to_owned()]);
    both.iter().for_each(|id| desk.fail(id, Retry::Later));
    for left in &both {
        desk.wait(seconds(1));
        assert_eq!(desk.take().as_ref(), Some(left), "each is repeated as it left");
        desk.ok(left);
    }
    assert_eq!((desk.status().queued, desk.status().delivered), (0, 4));
}
