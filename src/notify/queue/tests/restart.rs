//! What a restart knows of channels that failed, from what is on record of the messages that wait.

use super::*;
use crate::notify::trouble;

const SAME: Limits = Limits { under_way: 4, gap: Duration::ZERO, bundle: 100, by_id: true };

/// What the outbox holds of a queue's messages.
#[derive(Default)]
struct Outbox {
    waiting: Vec<Waiting>,
    accepted: Vec<(ChannelId, Timestamp)>,
}

impl Outbox {
    fn decide(&mut self, desk: &mut Desk, channel: &str, id: &str, about: &str) {
        let mut message = notification(id, incident(about, "tan-lap"), FIRING);
        message.created = desk.now.wall;
        message.channel = ChannelId::new(channel);
        desk.queue.enqueue(Arc::new(message.clone()), desk.now);
        self.waiting.push(Waiting {
            notification: message,
            attempts: 0,
            next_attempt: None,
            error: None,
            bundle: None,
            fallback: None,
            told_as: FIRING,
            heard: Vec::new(),
            overtook: None,
        });
    }

    /// The daemon dies, and what is on record by then is left; it starts again so much later.
    fn restart(&mut self, desk: &mut Desk, later: Duration) -> Desk {
        for mark in desk.queue.take_marks() {
            let at = self.waiting.iter().position(|it| it.notification.id == mark.id).unwrap();
            match mark.state {
                MarkState::Waiting => {
                    let Mark { attempts, next_attempt, error, bundle, heard, .. } = mark;
                    let notification = self.waiting[at].notification.clone();
                    let (fallback, told_as) = (mark.fallback, mark.told_as);
                    let overtook = None;
                    self.waiting[at] = Waiting {
                        notification,
                        attempts,
                        next_attempt,
                        error,
                        bundle,
                        fallback,
                        told_as,
                        heard,
                        overtook,
                    };
                }
                MarkState::Delivered => {
                    let channel = self.waiting.remove(at).notification.channel;
                    self.accepted.retain(|(known, _)| *known != channel);
                    self.accepted.push((channel, mark.at));
                }
                MarkState::Failed | MarkState::Withdrawn => drop(self.waiting.remove(at)),
            }
        }
        let now = Now { mono: Mono::ZERO + seconds(1), wall: desk.now.wall + later };
        let mut queue = Queue::default();
        queue.configure(vec![line("chat", SAME), line("truc", SAME)], now);
        queue.restore_accepted(&self.accepted);
        for waiting in &self.waiting {
            queue.restore(waiting.clone(), now);
        }
        Desk { queue, now, told: Vec::new() }
    }
}

fn desk() -> Desk {
    let mut desk = Desk::with(SAME);
    desk.queue.configure(vec![line("chat", SAME), line("truc", SAME)], desk.now);
    desk
}

fn asks(minutes: u64) -> Retry {
    Retry::After(Duration::from_mins(minutes))
}

impl Desk {
    fn truc_now(&self) -> ChannelStatus {
        let statuses = self.queue.statuses(self.now);
        statuses.into_iter().find(|it| it.id.as_str() == "truc").unwrap()
    }

    fn trouble(&self) -> Option<String> {
        trouble(&self.queue.statuses(self.now), self.now.mono)
    }
}

#[test]
fn a_channel_whose_receiver_asked_for_time_fails_after_a_restart_until_it_accepts_something() {
    let (mut desk, mut outbox) = (desk(), Outbox::default());
    let began = desk.now.wall;
    outbox.decide(&mut desk, "truc", "a", "i1");
    desk.take();
    desk.fail("a", asks(10));
    desk.wait(seconds(60));
    let mut desk = outbox.restart(&mut desk, seconds(5));
    assert_eq!(desk.trouble().as_deref(), Some("truc"), "from the start");
    let status = desk.truc_now();
    assert_eq!((status.failing_since, status.last_error.as_deref()), (Some(began), Some("503")));
    let failing = |event: &Event| matches!(event, Event::Failing { .. });
    assert_eq!(desk.queue.take_events().iter().filter(|it| failing(it)).count(), 1);

    // What is decided by now is not about to be told there.
    outbox.decide(&mut desk, "truc", "b", "i2");
    outbox.decide(&mut desk, "chat", "c", "i2");
    assert_eq!(desk.take().as_deref(), Some("c"));
    let untold = &desk.told[0].items[0].untold;
    assert_eq!(untold.iter().map(|it| it.channel.as_str()).collect::<Vec<_>>(), ["truc"]);
    let (chat, c) = (ChannelId::new("chat"), NotificationId::new("c"));
    desk.queue.settle(&chat, &c, Ok(()), desk.now);
    assert_eq!(desk.trouble(), None, "another one works");

    // A second restart knows no less.
    desk.wait(seconds(60));
    let mut desk = outbox.restart(&mut desk, seconds(5));
    assert_eq!(desk.truc_now().failing_since, Some(began));
    assert_eq!(desk.trouble(), None, "another one has told somebody since");
    desk.run(Duration::from_mins(10), |_, _| Ok(()));
    let status = desk.truc_now();
    assert_eq!((status.delivered, status.failing_since), (2, None));
    let mut desk = outbox.restart(&mut desk, seconds(5));
    assert_eq!((desk.truc_now().failing_since, desk.take()), (None, None));
}

#[test]
fn what_takes_the_place_of_a_message_that_failed_tells_a_restart_that_the_channel_fails() {
    let (mut desk, mut outbox) = (desk(), Outbox::default());
    outbox.decide(&mut desk, "truc", "a", "i1");
    desk.take();
    desk.fail("a", asks(10));
    desk.wait(seconds(60));
    outbox.decide(&mut desk, "truc", "b", "i1");
    let mut desk = outbox.restart(&mut desk, seconds(5));
    assert_eq!(outbox.waiting.len(), 1, "it is told by the newer one");
    assert!(desk.truc_now().failing_since.is_some());
    assert_eq!(desk.take(), None);
    assert_eq!(desk.queue.poll_timeout(), Some(desk.now.mono + seconds(600 - 65)));
}

#[test]
fn a_channel_that_accepted_something_after_a_failure_works_after_a_restart() {
    for partly in [false, true] {
        let (mut desk, mut outbox) = (desk(), Outbox::default());
        outbox.decide(&mut desk, "truc", "a", "i1");
        outbox.decide(&mut desk, "truc", "b", "i2");
        assert_eq!([desk.take(), desk.take()].map(Option::unwrap), ["a", "b"]);
        desk.fail("a", asks(10));
        desk.wait(seconds(1));
        if partly {
            let retry = Retry::Partly { after: Duration::ZERO, works: true };
            let (recipient, message) = (RecipientKey::of("1"), NotificationId::new("b"));
            let heard = vec![Heard { recipient, message, has: Has::Whole(FIRING) }];
            let heard = HeardOf::from([(IncidentId::new("i2"), heard)]);
            let said = Err(DeliveryError { retry, text: "429".to_owned() });
            desk.settle("b", Receipt { heard, ..said.into() });
        } else {
            desk.ok("b");
        }
        desk.wait(seconds(60));
        assert_eq!(desk.truc_now().failing_since, None);
        let mut desk = outbox.restart(&mut desk, seconds(5));
        assert_eq!((desk.truc_now().failing_since, desk.trouble()), (None, None));
        assert!(desk.take().is_some(), "nor does it rest");
    }
}

#[test]
fn what_was_never_tried_or_waits_for_some_recipients_says_nothing_of_its_channel_after_a_restart() {
    let (mut desk, mut outbox) = (desk(), Outbox::default());
    outbox.decide(&mut desk, "truc", "a", "i1");
    desk.take();
    let (recipient, message) = (RecipientKey::of("1"), NotificationId::new("a"));
    let heard = vec![Heard { recipient, message, has: Has::Whole(FIRING) }];
    let heard = HeardOf::from([(IncidentId::new("i1"), heard)]);
    let retry = Retry::Partly { after: Duration::from_mins(10), works: true };
    let said = Err(DeliveryError { retry, text: "429".to_owned() });
    desk.settle("a", Receipt { heard, ..said.into() });
    outbox.decide(&mut desk, "truc", "b", "i2");
    assert_eq!(desk.take().as_deref(), Some("b"), "it is on its way when the program dies");
    outbox.decide(&mut desk, "truc", "c", "i3");
    desk.wait(seconds(60));
    let mut desk = outbox.restart(&mut desk, seconds(5));
    let status = desk.truc_now();
    assert_eq!((status.queued, status.failing_since, status.last_error), (3, None, None));
    assert_eq!([desk.take(), desk.take()].map(Option::unwrap), ["b", "c"]);
    assert_eq!(desk.take(), None, "the others have it, and this one asked for time");
}

#[test]
fn what_is_under_way_again_when_the_program_dies_tells_that_its_channel_fails_but_not_for_how_long()
{
    let (mut desk, mut outbox) = (desk(), Outbox::default());
    outbox.decide(&mut desk, "truc", "a", "i1");
    desk.run(seconds(20), |_, _| Err(later()));
    desk.wait(seconds(20));
    assert_eq!(desk.take().as_deref(), Some("a"));
    // Nobody was there for a day.
    let mut desk = outbox.restart(&mut desk, seconds(86_400));
    assert!(desk.truc_now().failing_since.is_some());
    assert_eq!(desk.trouble(), None, "it is tried at once, and may work");
    desk.run(seconds(29), |_, _| Err(later()));
    assert_eq!(desk.trouble(), None);
    desk.run(seconds(1), |_, _| Err(later()));
    assert_eq!(desk.trouble().as_deref(), Some("truc"));
}
