//! Whom a letter may name as told when it leaves, and whom it must not.

use super::*;
use crate::texts::Untold;

const SAME: Limits = Limits { under_way: 4, gap: Duration::ZERO, bundle: 100, by_id: false };

/// A chat, the telephone of somebody, and one that stands in for that.
fn desk() -> Desk {
    let mut desk = Desk::with(SAME);
    let to = ChannelId::new("stand-in");
    let fallback = Some(Fallback { to, after: seconds(20) });
    let lan = LineSetup { fallback, ..line("lan", SAME) };
    desk.queue.configure(vec![line("chat", SAME), lan, line("stand-in", SAME)], desk.now);
    desk
}

impl Desk {
    /// Who is untold in a message that the chat is to tell now: `channel`, `channel via another`.
    fn untold(&mut self, id: &str, about: &str) -> Vec<String> {
        self.decide_for("chat", id, about, UPDATE);
        let taken = self.leave();
        let own = taken.iter().find(|letter| letter.channel.as_str() == "chat").unwrap();
        self.answer(own, Ok(()));
        let all = own.items.iter().flat_map(|item| &item.untold);
        let said = all.map(|it| match &it.through {
            Some(through) => format!("{} via {through}", it.channel),
            None => it.channel.to_string(),
        });
        said.collect()
    }

    /// Whatever is due leaves.
    fn leave(&mut self) -> Vec<Letter> {
        std::iter::from_fn(|| self.queue.next(self.now)).map(|due| due.letter).collect()
    }

    fn answer(&mut self, letter: &Letter, result: Result<(), DeliveryError>) {
        self.queue.settle(&letter.channel, &letter.id, result, self.now);
    }
}

#[test]
fn who_was_tried_in_vain_is_untold_until_it_gets_through() {
    let mut desk = desk();
    desk.decide_for("lan", "a", "i1", FIRING);
    let first = desk.leave().remove(0);
    desk.answer(&first, Err(later()));
    assert_eq!(desk.untold("b", "i1"), ["lan"]);
    desk.wait(seconds(1));
    let again = desk.leave().remove(0);
    assert_eq!(desk.untold("c", "i1"), ["lan"], "while it is tried again, too");
    desk.answer(&again, Ok(()));
    assert_eq!(desk.untold("d", "i1"), [""; 0]);
    desk.decide_for("lan", "over", "i1", RESOLVED);
    let over = desk.leave().remove(0);
    desk.answer(&over, Err(later()));
    assert_eq!(desk.untold("e", "i1"), [""; 0], "an end is no reason to phone anybody");
}

#[test]
fn what_leaves_in_the_same_second_counts_as_told_but_not_what_hangs() {
    let mut desk = desk();
    desk.decide_for("lan", "a", "i1", FIRING);
    assert_eq!(desk.untold("b", "i1"), [""; 0]);
    desk.wait(seconds(9));
    assert_eq!(desk.untold("c", "i1"), [""; 0]);
    desk.wait(seconds(1));
    assert_eq!(desk.untold("d", "i1"), ["lan"]);
}

#[test]
fn what_was_given_up_is_untold_in_what_was_written_before_until_the_channel_takes_something() {
    let mut desk = desk();
    let [chat, lan] = ["chat", "lan"].map(|id| line(id, SAME));
    desk.queue.configure(vec![chat.clone(), lan], desk.now);
    let refused = || DeliveryError { retry: Retry::Never, text: "403".to_owned() };
    desk.decide_for("lan", "i1/lan/firing/1", "i1", FIRING);
    let first = desk.leave().remove(0);
    desk.answer(&first, Err(refused()));
    assert_eq!(desk.untold("b", "i1"), ["lan"], "it has refused it");
    desk.decide_for("lan", "i1/lan/firing/3", "i1", FIRING);
    assert_eq!(desk.untold("c", "i1"), [""; 0], "it is about to be told");
    let again = NotificationId::new("i1/lan/firing/3");
    desk.queue.settle(&ChannelId::new("lan"), &again, Ok(()), desk.now);
    assert_eq!(desk.untold("d", "i1"), [""; 0], "it has it now");

    // A reload takes the channel away with what waits in it.
    desk.decide_for("lan", "i2/lan/firing/1", "i2", FIRING);
    desk.queue.configure(vec![chat], desk.now);
    assert_eq!(desk.untold("e", "i2"), ["lan"]);
    desk.decide_for("chat", "over", "i2", RESOLVED);
    let over = desk.leave().remove(0);
    desk.answer(&over, Ok(()));
    assert_eq!(desk.untold("f", "i2"), [""; 0], "what comes back is another matter");
}

#[test]
fn what_leaves_late_says_when_it_left() {
    let mut desk = Desk::with(SAME);
    desk.decide("a", "i1", FIRING);
    let first = desk.leave().remove(0);
    assert_eq!(first.items[0].late, None);
    desk.answer(&first, Err(DeliveryError { retry: Retry::After(seconds(60)), ..later() }));
    desk.wait(seconds(60));
    let again = desk.leave().remove(0);
    assert_eq!(again.items[0].late, Some(desk.now.wall));
}

#[test]
fn a_clock_that_is_set_makes_nothing_late_and_hides_nothing_that_is() {
    let hour = seconds(3_600);
    for (set_back, waits, late) in [(false, 0, false), (true, 60, true)] {
        let mut desk = desk();
        desk.decide_for("lan", "a", "i1", FIRING);
        if set_back {
            desk.now.wall -= hour;
        } else {
            desk.now.wall += hour;
        }
        if waits > 0 {
            let first = desk.leave().remove(0);
            desk.answer(&first, Err(DeliveryError { retry: Retry::After(seconds(60)), ..later() }));
            desk.wait(seconds(waits));
        }
        let left = desk.leave();
        assert_eq!(left.len(), 1 + usize::from(late), "what stands in leaves as well");
        for letter in left {
            assert_eq!(letter.items[0].late.is_some(), late, "{}", letter.channel);
        }
    }
}

#[test]
fn what_has_waited_since_before_a_restart_is_late_by_the_wall_clock() {
    for (waited, late) in [(59, false), (60, true)] {
        let mut desk = desk();
        let mut message = notification("a", incident("i1", "tan-lap"), FIRING);
        message.channel = ChannelId::new("lan");
        message.created = desk.now.wall - seconds(waited);
        let waiting = Waiting {
            notification: message,
            told_as: FIRING,
            attempts: 1,
            next_attempt: None,
            bundle: None,
            fallback: None,
            heard: Vec::new(),
            overtook: None,
            error: None,
        };
        desk.queue.restore(waiting, desk.now);
        assert_eq!(desk.leave()[0].items[0].late.is_some(), late);
    }
}

#[test]
fn what_waits_in_a_channel_that_fails_is_untold_before_it_is_tried() {
    let mut desk = desk();
    desk.decide_for("lan", "a", "i1", FIRING);
    let first = desk.leave().remove(0);
    desk.answer(&first, Err(later()));
    desk.decide_for("lan", "b", "i2", FIRING);
    assert_eq!(desk.untold("c", "i2"), ["lan"]);
    assert_eq!(desk.untold("d", "i3"), [""; 0], "of which it is to tell nothing");
}

#[test]
fn what_one_of_several_recipients_has_counts_as_told() {
    let mut desk = desk();
    desk.decide_for("lan", "a", "i1", FIRING);
    let first = desk.leave().remove(0);
    let recipient = RecipientKey::of("her number");
    let message = NotificationId::new("a");
    let heard = Heard { recipient, message, has: Has::Whole(FIRING) };
    let partly = DeliveryError {
        retry: Retry::Partly { after: Duration::ZERO, works: true },
        text: "503".to_owned(),
    };
    let mut receipt = Receipt::from(Err(partly));
    receipt.heard = HeardOf::from([(IncidentId::new("i1"), vec![heard])]);
    desk.queue.settle(&first.channel, &first.id, receipt, desk.now);
    assert_eq!(desk.untold("b", "i1"), [""; 0]);
}

#[test]
fn what_another_channel_tells_in_its_place_is_told_by_that_one_unless_it_fails_as_well() {
    let mut desk = desk();
    desk.decide_for("lan", "a", "i1", FIRING);
    let first = desk.leave().remove(0);
    desk.answer(&first, Err(later()));
    desk.wait(seconds(20));
    let taken = desk.leave();
    let of = |channel| taken.iter().find(|letter| letter.channel.as_str() == channel).unwrap();
    assert_eq!(desk.untold("b", "i1"), ["lan via stand-in"]);
    desk.answer(of("lan"), Err(later()));
    desk.answer(of("stand-in"), Err(later()));
    assert_eq!(desk.untold("c", "i1"), ["lan", "stand-in"]);
}

#[test]
fn what_was_tried_before_a_restart_is_untold_after_it() {
    let mut desk = desk();
    let mut message = notification("a", incident("i1", "tan-lap"), FIRING);
    message.channel = ChannelId::new("lan");
    let restored = |attempts| Waiting {
        notification: message.clone(),
        told_as: FIRING,
        attempts,
        next_attempt: Some(desk.now.wall + seconds(30)),
        bundle: None,
        fallback: None,
        heard: Vec::new(),
        overtook: None,
        error: None,
    };
    let tried = restored(1);
    desk.queue.restore(tried, desk.now);
    assert_eq!(desk.untold("b", "i1"), ["lan"]);
}

#[test]
fn what_overtook_another_counts_from_the_oldest_that_nobody_has_heard() {
    let mut desk = desk();
    desk.decide_for("lan", "i1/lan/firing/7", "i1", FIRING);
    let first = desk.leave().remove(0);
    desk.answer(&first, Err(later()));
    desk.queue.configure(vec![line("chat", SAME), line("lan", SAME)], desk.now);
    desk.wait(seconds(60));
    // Whichever way the clock was set meanwhile.
    desk.now.wall -= seconds(7_200);
    desk.decide_for("lan", "i1/lan/escalation/8", "i1", ESCALATION);
    desk.decide_for("chat", "i1/chat/update/9", "i1", UPDATE);
    let own = desk.leave().into_iter().find(|letter| letter.channel.as_str() == "chat").unwrap();
    let lan = Untold { channel: ChannelId::new("lan"), nth: 7, through: None };
    assert_eq!(own.items[0].untold, [lan]);
}

/// A message about `i1` that the channel `lan` has yet to tell after a restart.
fn restored(desk: &mut Desk, id: &str, kind: NotificationKind, overtook: Option<&str>) {
    let mut message = notification(id, incident("i1", "tan-lap"), kind);
    message.channel = ChannelId::new("lan");
    message.created = desk.now.wall;
    let waiting = Waiting {
        notification: message,
        told_as: kind,
        attempts: 0,
        next_attempt: None,
        bundle: None,
        fallback: None,
        heard: Vec::new(),
        overtook: overtook.map(NotificationId::new),
        error: None,
    };
    desk.queue.restore(waiting, desk.now);
}

#[test]
fn what_overtook_another_before_a_restart_counts_from_that_one_and_is_not_about_to_be_told() {
    for (overtook, nth) in [(None, 8), (Some("i1/lan/firing/7"), 7)] {
        let mut desk = desk();
        desk.queue.configure(vec![line("chat", SAME), line("lan", SAME)], desk.now);
        restored(&mut desk, "i1/lan/escalation/8", ESCALATION, overtook);
        desk.decide_for("chat", "i1/chat/update/9", "i1", UPDATE);
        let left = desk.leave();
        let own = left.iter().find(|letter| letter.channel.as_str() == "chat").unwrap();
        let lan = Untold { channel: ChannelId::new("lan"), nth, through: None };
        assert_eq!(own.items[0].untold, [lan], "right after the start");
    }
}

#[test]
fn what_was_told_before_a_restart_counts_as_told_though_a_later_one_waits() {
    let mut desk = desk();
    desk.queue.configure(vec![line("chat", SAME), line("lan", SAME)], desk.now);
    restored(&mut desk, "i1/lan/firing/8", FIRING, None);
    desk.decide_for("chat", "i1/chat/update/9", "i1", UPDATE);
    let own = desk.leave().into_iter().find(|letter| letter.channel.as_str() == "chat").unwrap();
    assert_eq!(own.items[0].untold[0].nth, 8, "what came before was an outage of its own");
}
