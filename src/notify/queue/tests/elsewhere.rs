//! What waits in a channel when a reload has it lead elsewhere.

use super::*;

const SAME: Limits = Limits { under_way: 4, gap: Duration::ZERO, bundle: 100, by_id: true };

impl Desk {
    fn reload(&mut self, anew: bool) {
        self.queue.configure(vec![LineSetup { anew, ..line("truc", SAME) }], self.now);
    }
}

fn asks_for_ten_minutes() -> DeliveryError {
    DeliveryError { retry: Retry::After(Duration::from_mins(10)), text: "429".to_owned() }
}

#[test]
fn what_waits_because_the_receiver_asked_for_time_is_tried_at_once_where_the_channel_leads_by_now()
{
    let mut desk = Desk::with(SAME);
    desk.decide("a", "i1", FIRING);
    desk.run(seconds(60), |_, _| Err(asks_for_ten_minutes()));
    desk.decide("b", "i2", FIRING);
    desk.reload(false);
    assert_eq!(desk.take(), None, "the same receiver has its time");
    desk.reload(true);
    assert!(desk.status().failing_since.is_some(), "nothing is accepted there yet");
    let mark = desk.queue.take_marks().into_iter().rfind(|it| it.id.as_str() == "a").unwrap();
    assert_eq!(mark.next_attempt, Some(desk.now.wall), "after a restart, too");
    assert_eq!(desk.run(seconds(1), |_, _| Ok(())), ["a", "b"]);
    assert_eq!(desk.status().failing_since, None);
}

#[test]
fn a_rest_from_before_a_restart_ends_as_well_where_the_channel_leads_elsewhere() {
    let mut desk = Desk::with(SAME);
    let waiting = Waiting {
        notification: notification("a", incident("i1", "x"), FIRING),
        attempts: 1,
        next_attempt: Some(desk.now.wall + seconds(600)),
        error: Some("429".to_owned()),
        bundle: None,
        fallback: None,
        told_as: FIRING,
        heard: Vec::new(),
        overtook: None,
    };
    desk.queue.restore(waiting, desk.now);
    assert_eq!(desk.take(), None, "the settings may be the same");
    desk.reload(true);
    assert_eq!(desk.take().as_deref(), Some("a"));
}

#[test]
fn what_waits_for_one_of_several_recipients_is_tried_at_once_where_they_are_others() {
    let mut desk = Desk::with(SAME);
    desk.decide("a", "i1", FIRING);
    desk.take();
    desk.fail("a", Retry::Partly { after: Duration::from_mins(10), works: true });
    desk.wait(seconds(1));
    assert_eq!(desk.take(), None);
    desk.reload(true);
    assert_eq!(desk.take().as_deref(), Some("a"));
}

#[test]
fn for_what_the_receiver_before_a_reload_asks_the_one_after_it_need_not_wait() {
    for partly in [false, true] {
        let mut desk = Desk::with(SAME);
        desk.decide("a", "i1", FIRING);
        desk.take();
        desk.reload(true);
        let after = Duration::from_mins(10);
        desk.fail(
            "a",
            if partly { Retry::Partly { after, works: false } } else { Retry::After(after) },
        );
        desk.decide("b", "i2", FIRING);
        let mut told = desk.run(seconds(1), |_, _| Ok(()));
        told.sort_unstable();
        assert_eq!(told, ["a", "b"], "{partly}");
    }
}

#[test]
fn for_how_long_a_channel_has_failed_counts_on_where_it_fails_elsewhere_as_well() {
    let mut desk = Desk::with(SAME);
    let to = ChannelId::new("sms");
    let fallback = Some(Fallback { to: to.clone(), after: seconds(100) });
    let truc = |anew| LineSetup { anew, fallback: fallback.clone(), ..line("truc", SAME) };
    desk.queue.configure(vec![truc(false), line("sms", SAME)], desk.now);
    desk.decide("a", "i1", FIRING);
    let mut answer = |letter: &Letter, _| {
        if letter.channel == to { Ok(()) } else { Err(later()) }
    };
    assert_eq!(desk.run(seconds(60), &mut answer), [""; 0]);
    desk.queue.configure(vec![truc(true), line("sms", SAME)], desk.now);
    assert_eq!(desk.run(seconds(39), &mut answer), [""; 0]);
    assert_eq!(desk.run(seconds(1), &mut answer), ["a/via/sms"]);
}
