//! What happens to messages whose channel does not work, and to whoever heard of them elsewhere.

use super::*;
use crate::model::Incident;
use crate::store::StandIn;

const AFTER: Duration = Duration::from_secs(30);

/// Channels that stand in for each other in this order.
fn chain(ids: &[&str]) -> Desk {
    let now = Now { mono: Mono::ZERO, wall: at("2026-02-03T01:00:00Z") };
    let mut queue = Queue::default();
    queue.configure(lines(ids), now);
    Desk { queue, now, told: Vec::new() }
}

fn lines(ids: &[&str]) -> Vec<LineSetup> {
    let limits = Limits { under_way: 1, gap: Duration::ZERO, bundle: 100, by_id: false };
    let next =
        |at: usize| ids.get(at + 1).map(|to| Fallback { to: ChannelId::new(*to), after: AFTER });
    let set = |(at, id): (usize, &&str)| LineSetup { fallback: next(at), ..line(id, limits) };
    ids.iter().enumerate().map(set).collect()
}

impl Desk {
    fn truc(&self) -> ChannelStatus {
        let statuses = self.queue.statuses(self.now);
        statuses.into_iter().find(|it| it.id.as_str() == "truc").unwrap()
    }
}

/// `channel kind id` of what was accepted.
fn told(desk: &Desk) -> Vec<String> {
    let items = desk.told.iter().flat_map(|letter| &letter.items);
    let said = items.map(|item| {
        let it = &item.notification;
        format!("{} {} {}", it.channel, item.told_as.word(), it.id)
    });
    said.collect()
}

/// Everything through `dead` fails.
fn without(dead: &'static [&'static str]) -> impl FnMut(&Letter, Now) -> Result<(), DeliveryError> {
    move |letter, _| if dead.contains(&letter.channel.as_str()) { Err(later()) } else { Ok(()) }
}

#[test]
fn what_a_channel_refuses_for_good_goes_through_its_fallback_at_once() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.fail("a", Retry::Never);
    desk.run(Duration::ZERO, without(&[]));
    assert_eq!(told(&desk)[1..], ["sms firing a/via/sms"]);
    let events = desk.queue.take_events();
    let instead = Some(ChannelId::new("sms"));
    assert!(matches!(&events[0], Event::GivenUp { instead: it, .. } if *it == instead));
    assert_eq!(desk.marks(), ["a Failed", "a/via/sms Delivered"]);
    assert_eq!(desk.queue.take_added().len(), 1, "and stands in the outbox");
}

#[test]
fn what_one_recipient_refuses_for_good_goes_through_the_fallback_at_once_and_so_does_its_end() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.settle("a", receipt(Ok(()), true));
    desk.run(Duration::ZERO, without(&[]));
    assert_eq!(told(&desk), ["truc firing a", "sms firing a/via/sms"]);
    assert_eq!(desk.marks(), ["a Delivered", "a/via/sms Delivered"]);
    assert_eq!((desk.truc().refused, desk.truc().fallen_back), (1, 1));
    let events = desk.queue.take_events();
    assert!(events.iter().any(|event| matches!(event, Event::FallsBack { .. })), "{events:?}");
    desk.decide("over", "i1", RESOLVED);
    assert_eq!(desk.take().as_deref(), Some("over/via/sms"));
    assert_eq!(desk.take().as_deref(), Some("over"));
    desk.settle("over", receipt(Ok(()), true));
    assert_eq!(desk.take(), None, "once");
    assert_eq!((desk.truc().refused, desk.truc().fallen_back), (2, 2));
}

#[test]
fn an_end_that_waits_while_a_fallback_is_told_of_the_problem_follows_it() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.decide("over", "i1", RESOLVED);
    desk.settle("a", receipt(Ok(()), true));
    desk.run(Duration::ZERO, without(&[]));
    let all: Vec<String> = told(&desk).split_off(1);
    assert!(all.contains(&"truc resolved over".to_owned()), "{all:?}");
    let sms: Vec<&String> = all.iter().filter(|it| it.starts_with("sms")).collect();
    assert_eq!(sms.last().map(|it| &***it), Some("sms resolved over/via/sms"), "{all:?}");
    assert!(desk.queue.stand_ins.is_empty());
    assert_eq!(desk.truc().fallen_back, 2);
}

#[test]
fn an_end_is_told_last_where_a_fallback_is_told_of_all_at_once() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.settle("a", Err(later()));
    desk.wait(seconds(1));
    assert_eq!(desk.take().as_deref(), Some("a"), "it hangs from now on");
    desk.decide("over", "i1", RESOLVED);
    desk.wait(2 * AFTER);
    assert_eq!(desk.take().as_deref(), Some("over/via/sms"));
    assert_eq!(desk.told.last().map(|letter| letter.items[0].told_as), Some(RESOLVED));
    assert!(desk.queue.stand_ins.is_empty(), "what begins after it is news");
}

#[test]
fn what_one_refuses_while_another_is_waited_for_goes_through_the_fallback_at_once_and_once() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.take();
    let waits = || {
        let retry = Retry::Partly { after: seconds(20), works: true };
        let mut waits = receipt(Err(DeliveryError { retry, text: "429".to_owned() }), true);
        waits.recipients[2].result = Err(later());
        waits
    };
    desk.settle("a", waits());
    assert_eq!(desk.take().as_deref(), Some("a/via/sms"));
    let mark = desk.queue.take_marks().into_iter().rfind(|it| it.id.as_str() == "a").unwrap();
    assert_eq!(mark.fallback, Some(ChannelId::new("sms")), "a restart knows it");
    desk.wait(seconds(20));
    assert_eq!(desk.take().as_deref(), Some("a"));
    let mut again = waits();
    again.recipients[1].asked = false;
    desk.settle("a", again);
    assert_eq!((desk.truc().refused, desk.truc().fallen_back), (1, 1), "it is the same refusal");
    desk.wait(seconds(20));
    assert_eq!(desk.take().as_deref(), Some("a"));
}

#[test]
fn a_channel_that_fails_for_long_is_stood_in_for_and_its_own_message_still_goes() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER - seconds(1), without(&["truc"]));
    assert!(told(&desk).is_empty(), "a receiver that restarts is waited for");
    desk.run(seconds(1), without(&["truc"]));
    assert_eq!(told(&desk), ["sms firing a/via/sms"]);
    desk.decide("b", "i2", FIRING);
    desk.run(Duration::ZERO, without(&["truc"]));
    assert_eq!(told(&desk)[1..], ["sms firing b/via/sms"], "nobody waits a second time");
    desk.run(Duration::from_hours(2), without(&["truc"]));
    assert_eq!(told(&desk).len(), 2, "each once, however long it lasts");
    desk.run(seconds(60), without(&[]));
    assert_eq!(told(&desk)[2..], ["truc firing a", "truc firing b"]);
}

#[test]
fn a_fallback_that_is_taken_out_before_it_told_anybody_gives_way_to_another() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER + seconds(5), without(&["truc", "sms"]));
    assert!(told(&desk).is_empty());
    desk.queue.configure(lines(&["truc", "siren"]), desk.now);
    desk.run(seconds(60), without(&["truc"]));
    assert_eq!(told(&desk), ["siren firing a/via/siren"]);
    assert_eq!(desk.marks(), ["a Waiting", "a/via/siren Delivered", "a/via/sms Failed"]);
    desk.decide("over", "i1", RESOLVED);
    desk.run(seconds(60), without(&[]));
    let rest = told(&desk).split_off(1);
    assert_eq!(rest, ["siren resolved over/via/siren", "truc resolved over"]);

    // The same when it was taken out while the daemon was away.
    let mut desk = chain(&["truc", "siren"]);
    let waiting = |id: &str, channel: &str, fallback: Option<&str>, instead_of: Option<&str>| {
        let mut it = notification(id, incident("i1", "tan-lap"), FIRING);
        it.channel = ChannelId::new(channel);
        it.instead_of = instead_of.map(ChannelId::new);
        Waiting {
            notification: it,
            attempts: 3,
            next_attempt: None,
            bundle: None,
            fallback: fallback.map(ChannelId::new),
            told_as: FIRING,
            heard: Vec::new(),
            overtook: None,
            error: None,
        }
    };
    desk.queue.restore(waiting("a", "truc", Some("sms"), None), desk.now);
    desk.queue.restore(waiting("a/via/sms", "sms", None, Some("truc")), desk.now);
    desk.run(seconds(60), without(&["truc"]));
    assert_eq!(told(&desk), ["siren firing a/via/siren"]);
}

#[test]
fn the_end_follows_to_whoever_heard_of_the_problem() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    desk.run(seconds(60), without(&[]));
    desk.decide("over", "i1", RESOLVED);
    desk.run(Duration::ZERO, without(&[]));
    let all = ["sms firing a/via/sms", "truc firing a", "sms resolved over/via/sms"];
    assert_eq!(told(&desk)[..3], all);
    assert_eq!(told(&desk)[3..], ["truc resolved over"]);
    desk.decide("b", "i1", FIRING);
    desk.decide("b-over", "i1", RESOLVED);
    desk.run(seconds(60), without(&[]));
    assert!(told(&desk)[4..].iter().all(|it| it.starts_with("truc")), "{:?}", told(&desk));
}

#[test]
fn a_fallback_that_fails_as_well_is_stood_in_for_and_hears_of_the_end_in_turn() {
    let mut desk = chain(&["truc", "sms", "siren"]);
    desk.decide("a", "i1", FIRING);
    desk.run(2 * AFTER, without(&["truc", "sms"]));
    assert_eq!(told(&desk), ["siren firing a/via/sms/via/siren"]);
    desk.decide("over", "i1", RESOLVED);
    desk.run(seconds(60), without(&["truc"]));
    let rest = told(&desk).split_off(1);
    assert!(rest.contains(&"sms resolved over/via/sms".to_owned()), "{rest:?}");
    assert!(rest.contains(&"siren resolved over/via/sms/via/siren".to_owned()), "{rest:?}");
    assert_eq!(rest.len(), 2, "sms has heard of its end only: {rest:?}");
}

#[test]
fn news_of_what_the_fallback_knows_are_told_as_news() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    desk.decide("b", "i1", UPDATE);
    desk.run(seconds(10), without(&["truc"]));
    assert_eq!(told(&desk), ["sms firing a/via/sms", "sms update b/via/sms"]);
    desk.run(seconds(60), without(&[]));
    assert_eq!(told(&desk)[2..], ["truc firing b"], "which is its first word of it");
}

#[test]
fn who_was_told_in_their_own_right_is_not_told_twice() {
    let mut desk = chain(&["truc", "sms"]);
    let mut it = incident("i1", "tan-lap");
    it.told.push(crate::store::tests::told("sms", FIRING, desk.now.wall));
    desk.queue.enqueue(Arc::new(notification("a", it, FIRING)), desk.now);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert!(told(&desk).is_empty());
    assert_eq!(desk.queue.poll_timeout().map(|due| due > desk.now.mono), Some(true));
}

#[test]
fn who_was_told_of_an_outage_before_in_their_own_right_is_told_of_this_one() {
    let mut desk = chain(&["truc", "sms"]);
    let mut it = incident("i1", "tan-lap");
    let began = desk.now.wall;
    let told_at = |(channel, kind, minute): (&str, NotificationKind, i64)| {
        let at = began + jiff::SignedDuration::from_mins(minute);
        crate::store::tests::told(channel, kind, at)
    };
    let before = [
        ("truc", FIRING, 0),
        ("sms", ESCALATION, 20),
        ("truc", RESOLVED, 30),
        ("sms", RESOLVED, 30),
    ];
    it.told = before.map(told_at).to_vec();
    it.relapses.push(told_at(("", FIRING, 45)).at);
    it.told.push(told_at(("truc", FIRING, 45)));
    let decide = |desk: &mut Desk, id: &str, it: &Incident, kind| {
        desk.queue.enqueue(Arc::new(notification(id, it.clone(), kind)), desk.now);
    };
    decide(&mut desk, "b", &it, FIRING);
    desk.run(AFTER, without(&["truc"]));
    assert_eq!(told(&desk), ["sms firing b/via/sms"]);
    // By the end the record holds of what was told long ago only what is of use still.
    it.told.retain(|told| told.channel.as_str() == "sms");
    it.told.push(told_at(("truc", RESOLVED, 180)));
    let heard_it_elsewhere = it.clone();
    it.told.push(told_at(("sms", RESOLVED, 180)));
    decide(&mut desk, "over", &heard_it_elsewhere, RESOLVED);
    desk.run(Duration::ZERO, without(&["truc"]));
    assert_eq!(told(&desk)[1..], ["sms resolved over/via/sms"]);

    // Who is told of its end in their own right is told it once.
    let mut desk = chain(&["truc", "sms"]);
    decide(&mut desk, "over", &it, RESOLVED);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert!(told(&desk).is_empty());
}

/// Another channel stands in from now on; the one that did is there still.
fn mail_stands_in(desk: &mut Desk) {
    let mut all = lines(&["truc", "mail"]);
    all.extend(lines(&["sms"]));
    desk.queue.configure(all, desk.now);
}

/// Two have heard of one problem, one after the other, in place of a channel that does not work.
fn two_stood_in() -> Desk {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    mail_stands_in(&mut desk);
    desk.decide("b", "i1", REMINDER);
    desk.run(Duration::ZERO, without(&["truc"]));
    desk
}

#[test]
fn whoever_heard_of_one_problem_through_different_fallbacks_hears_of_its_end() {
    let mut desk = two_stood_in();
    assert_eq!(told(&desk), ["sms firing a/via/sms", "mail firing b/via/mail"]);
    desk.decide("over", "i1", RESOLVED);
    desk.run(Duration::ZERO, without(&["truc"]));
    let ends = ["mail resolved over/via/mail", "sms resolved over/via/sms"];
    assert_eq!(told(&desk)[2..], ends);
    assert_eq!(fallen_back(&desk, "truc"), 4);
    assert!(desk.queue.stand_ins.is_empty());
    let mark = desk.queue.take_marks().into_iter().rfind(|m| m.id.as_str() == "over").unwrap();
    assert_eq!(mark.fallback, Some(ChannelId::new("mail")), "the one that stands in by now");
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert_eq!(told(&desk).len(), 4, "once");
}

#[test]
fn who_of_two_that_heard_of_a_problem_is_there_still_hears_of_its_end_once() {
    let mut desk = two_stood_in();
    desk.queue.configure(lines(&["truc", "mail"]), desk.now);
    desk.decide("over", "i1", RESOLVED);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert_eq!(told(&desk)[2..], ["mail resolved over/via/mail"]);
    assert_eq!(fallen_back(&desk, "truc"), 4, "the end once to each");
}

#[test]
fn an_end_that_one_fallback_has_follows_to_another_that_hears_of_the_problem_after_it() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    desk.run(seconds(60), without(&[]));
    mail_stands_in(&mut desk);
    desk.decide("b", "i1", UPDATE);
    desk.take();
    desk.decide("over", "i1", RESOLVED);
    desk.settle("b", receipt(Ok(()), true));
    let before = desk.told.len();
    desk.run(Duration::ZERO, without(&[]));
    let ends = ["mail resolved over/via/mail", "sms resolved over/via/sms", "truc resolved over"];
    assert_eq!(told(&desk)[before..], ends);
    assert!(desk.queue.stand_ins.is_empty());
}

#[test]
fn a_letter_that_hangs_does_not_hold_up_the_fallback() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    assert_eq!(desk.take().as_deref(), Some("a"));
    assert_eq!(desk.queue.poll_timeout(), Some(Mono::ZERO + AFTER));
    desk.wait(AFTER);
    assert_eq!(desk.take().as_deref(), Some("a/via/sms"));
    desk.ok("a");
    assert_eq!(desk.marks()[0], "a Delivered");
}

#[test]
fn a_restart_remembers_who_stood_in() {
    let mut desk = chain(&["truc", "sms"]);
    desk.queue.restore_stand_ins(vec![StandIn {
        channel: ChannelId::new("truc"),
        incident: IncidentId::new("i1"),
        fallback: ChannelId::new("sms"),
    }]);
    let waiting = Waiting {
        notification: notification("a", incident("i1", "x"), FIRING),
        attempts: 4,
        next_attempt: None,
        bundle: None,
        fallback: Some(ChannelId::new("sms")),
        told_as: FIRING,
        heard: Vec::new(),
        overtook: None,
        error: None,
    };
    desk.queue.restore(waiting, desk.now);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert!(told(&desk).is_empty(), "the fallback told it before the restart");
    desk.decide("over", "i1", RESOLVED);
    desk.run(Duration::ZERO, without(&["truc"]));
    assert_eq!(told(&desk), ["sms resolved over/via/sms"]);
    let mark = desk.queue.take_marks().into_iter().rfind(|m| m.id.as_str() == "over").unwrap();
    assert_eq!(mark.fallback, Some(ChannelId::new("sms")), "so the next restart knows as well");
}

#[test]
fn messages_of_a_channel_that_is_taken_out_go_through_its_fallback() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.queue.configure(lines(&["sms"]), desk.now);
    desk.run(Duration::ZERO, without(&[]));
    assert_eq!(told(&desk), ["sms firing a/via/sms"]);
}

fn fallen_back(desk: &Desk, channel: &str) -> u64 {
    let statuses = desk.queue.statuses(desk.now);
    statuses.iter().find(|it| it.id.as_str() == channel).unwrap().fallen_back
}

#[test]
fn a_fallback_that_tells_no_ends_is_told_none() {
    let mut desk = chain(&["truc", "sms"]);
    let mut all = lines(&["truc", "sms"]);
    all[1].ends = false;
    desk.queue.configure(all, desk.now);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    desk.decide("b", "i1", RESOLVED);
    desk.run(AFTER, without(&[]));
    assert_eq!(told(&desk), ["sms firing a/via/sms", "truc resolved b"]);
    assert_eq!(fallen_back(&desk, "truc"), 1, "only what was handed on counts");
    let mark = desk.queue.take_marks().into_iter().rfind(|mark| mark.id.as_str() == "b").unwrap();
    assert_eq!(mark.fallback, None);
}

#[test]
fn an_end_that_a_dead_channel_cannot_tell_is_not_handed_to_one_that_tells_none() {
    let mut desk = chain(&["truc", "sms"]);
    let mut all = lines(&["truc", "sms"]);
    all[1].ends = false;
    desk.queue.configure(all, desk.now);
    desk.decide("b", "i1", RESOLVED);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert!(told(&desk).is_empty());
    assert_eq!(fallen_back(&desk, "truc"), 0);
    let handed = |event: &Event| matches!(event, Event::FallsBack { .. });
    assert!(!desk.queue.take_events().iter().any(handed));
}

#[test]
fn what_a_channel_that_tells_no_ends_told_elsewhere_is_forgotten_when_it_is_over() {
    let mut desk = chain(&["truc", "sms", "mail"]);
    let mut all = lines(&["truc", "sms", "mail"]);
    (all[0].ends, all[1].fallback) = (false, None);
    desk.queue.configure(all, desk.now);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc"]));
    assert_eq!(desk.queue.stand_ins.len(), 1);
    desk.decide_for("mail", "b", "i1", RESOLVED);
    assert!(desk.queue.stand_ins.is_empty());
    let of = |n| StandIn {
        channel: ChannelId::new("truc"),
        incident: IncidentId::new(format!("i{n}")),
        fallback: ChannelId::new("sms"),
    };
    desk.queue.restore_stand_ins((0..=MOST_STAND_INS).rev().map(of).collect());
    assert_eq!(desk.queue.stand_ins.len(), MOST_STAND_INS, "whatever never ends");
    assert!(!desk.queue.stand_ins.contains_key(&of(MOST_STAND_INS)), "the one noted first goes");
    assert!(desk.queue.stand_ins.contains_key(&of(0)));
}

/// Every channel gives way to a mail that knows nothing of them.
fn only_mail_is_left(desk: &mut Desk) {
    desk.queue.configure(lines(&["mail"]), desk.now);
}

/// The messages that were given up, each with who is said to stand in.
fn given_up(desk: &mut Desk) -> Vec<(String, Option<String>)> {
    let events = desk.queue.take_events().into_iter();
    let of = |event| match event {
        Event::GivenUp { id, instead, .. } => {
            Some((id.to_string(), instead.map(|it| it.to_string())))
        }
        _ => None,
    };
    events.filter_map(of).collect()
}

#[test]
fn a_letter_that_hangs_while_its_channel_and_the_one_that_stands_in_go_is_given_up_once() {
    for waits in [Duration::ZERO, AFTER - seconds(5)] {
        let mut desk = chain(&["truc", "sms"]);
        desk.decide("a", "i1", FIRING);
        assert_eq!(desk.take().as_deref(), Some("a"), "it hangs from now on");
        desk.wait(waits);
        only_mail_is_left(&mut desk);
        desk.wait(2 * AFTER);
        assert_eq!(desk.take(), None);
        assert_eq!(desk.queue.poll_timeout(), None, "there is nobody to hand it on to");
        assert_eq!(given_up(&mut desk), [], "it is under way");
        desk.fail("a", Retry::Later);
        assert_eq!(given_up(&mut desk), [("a".to_owned(), None)]);
        assert_eq!(desk.marks(), ["a Failed"]);
        assert!(desk.queue.take_added().is_empty(), "nobody stood in");
        assert!(desk.queue.lines.keys().map(ChannelId::as_str).eq(["mail"]));
    }
}

#[test]
fn a_copy_that_waits_in_a_fallback_while_both_go_is_given_up_and_so_is_what_it_is_a_copy_of() {
    for hangs in [true, false] {
        let mut desk = chain(&["truc", "sms"]);
        desk.decide_for("sms", "other", "i9", FIRING);
        desk.decide("a", "i1", FIRING);
        assert_eq!([desk.take(), desk.take()].map(Option::unwrap), ["other", "a"]);
        desk.wait(AFTER);
        desk.queue.fall_back(desk.now);
        assert_eq!((desk.truc().fallen_back, desk.truc().queued), (1, 1));
        if !hangs {
            desk.fail("a", Retry::Later);
        }
        only_mail_is_left(&mut desk);
        desk.wait(2 * AFTER);
        assert_eq!(desk.take(), None);
        if hangs {
            desk.fail("a", Retry::Later);
        }
        let mut all = given_up(&mut desk);
        all.sort_unstable();
        assert_eq!(all, ["a", "a/via/sms"].map(|id| (id.to_owned(), None)), "hangs: {hangs}");
        assert_eq!(desk.marks(), ["a Failed", "a/via/sms Failed", "other Waiting"]);
        assert!(desk.queue.stand_ins.is_empty());
    }
}

#[test]
fn a_fallback_that_is_not_there_stands_in_for_nobody_though_its_channel_is() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", FIRING);
    desk.run(AFTER, without(&["truc", "sms"]));
    desk.queue.configure(vec![lines(&["truc", "sms"]).remove(0)], desk.now);
    assert_eq!(given_up(&mut desk), [("a/via/sms".to_owned(), None)]);
    desk.decide("b", "i2", FIRING);
    desk.run(Duration::from_hours(1), without(&["truc"]));
    assert_eq!(desk.truc().fallback, None);
    desk.run(seconds(60), without(&[]));
    assert_eq!(told(&desk), ["truc firing a", "truc firing b"]);
}

/// A message that was tried when the daemon ended.
fn tried(id: &str, decided: Timestamp, next_attempt: Option<Timestamp>) -> Waiting {
    let mut notification = notification(id, incident(id, "tan-lap"), FIRING);
    notification.created = decided;
    Waiting {
        notification,
        attempts: 1,
        next_attempt,
        bundle: None,
        fallback: None,
        told_as: FIRING,
        heard: Vec::new(),
        overtook: None,
        error: next_attempt.map(|_| "429".to_owned()),
    }
}

#[test]
fn for_how_long_a_channel_has_failed_counts_over_a_restart() {
    let told_after = |before: u64, answers: bool| {
        let mut desk = chain(&["truc", "sms"]);
        desk.queue.restore(tried("a", desk.now.wall - seconds(before), None), desk.now);
        let began = desk.now.mono;
        desk.run(seconds(60), |letter, _| {
            let dead = letter.channel.as_str() == "truc" && !answers;
            if dead { Err(later()) } else { Ok(()) }
        });
        let its = desk.queue.take_marks().into_iter().find(|it| it.id.as_str() == "a/via/sms");
        let at = its.map(|mark| mark.at.duration_since(at("2026-02-03T01:00:00Z")).as_secs());
        assert!(began == Mono::ZERO);
        at
    };
    assert_eq!(told_after(0, false), Some(30));
    assert_eq!(told_after(20, false), Some(10));
    assert_eq!(told_after(3_600, false), Some(0), "once it has failed again");
    assert_eq!(told_after(3_600, true), None, "it works again");
}

#[test]
fn an_escalation_that_is_the_first_that_a_fallback_hears_of_it_is_an_escalation() {
    let mut desk = chain(&["truc", "sms"]);
    desk.decide("a", "i1", ESCALATION);
    desk.take();
    desk.fail("a", Retry::Never);
    desk.run(Duration::ZERO, without(&[]));
    assert_eq!(told(&desk)[1..], ["sms escalation a/via/sms"]);
}

#[test]
fn a_receiver_who_asked_for_a_while_has_it_after_a_restart_too() {
    let due = |asked: u64| {
        let mut desk = chain(&["truc"]);
        let next = desk.now.wall + seconds(asked);
        desk.queue.restore(tried("a", desk.now.wall - seconds(1), Some(next)), desk.now);
        desk.decide("b", "i2", FIRING);
        desk.queue.poll_timeout().unwrap()
    };
    assert_eq!(due(800), Mono::ZERO + seconds(800));
    assert_eq!(due(20), Mono::ZERO, "so long only that one waits, by our own choice");
}

#[test]
fn after_a_restart_what_a_channel_does_not_take_by_its_own_fault_makes_nothing_else_go_another_way()
{
    let mut desk = chain(&["truc", "sms"]);
    let long_ago = desk.now.wall - seconds(10_800);
    let accepted = (ChannelId::new("truc"), desk.now.wall - seconds(5));
    desk.queue.restore_accepted(&[accepted]);
    desk.queue.restore(tried("poison", long_ago, None), desk.now);
    desk.decide("b", "i2", FIRING);
    desk.decide("c", "i3", FIRING);
    desk.run(seconds(20), |letter, _| {
        let mut ids = letter.items.iter().map(|it| it.notification.id.as_str());
        let poison = letter.channel.as_str() == "truc" && ids.any(|id| id == "poison");
        if poison { Err(later()) } else { Ok(()) }
    });
    assert_eq!(
        told(&desk).iter().filter(|it| it.starts_with("sms")).count(),
        0,
        "{:?}",
        told(&desk)
    );
}
