//! Sites that fail together, through what every kind of channel takes and makes of it.

use jiff::tz::TimeZone;

use super::catching_up::kinds;
use super::*;
use crate::clock::Clock;
use crate::config::{Channel, ChannelKind};
use crate::model::Language;
use crate::notify::channel::{self, Hand, Shared};
use crate::notify::parts::{Message, Post};
use crate::notify::{Style, sms};
use crate::texts::tests::two_dozen;

/// The texts in which a letter leaves to each recipient.
fn texts(hand: &Hand, letter: &Letter) -> Vec<String> {
    let pieces = |messages: Vec<Message>| messages.into_iter().flat_map(|it| it.pieces).collect();
    match hand {
        Hand::Zalo(zalo) => pieces(zalo.messages(letter)),
        Hand::Telegram(_) => pieces(Message::several(letter, &style(), 4_096, char::len_utf16)),
        Hand::Sms(sms) => pieces(sms.messages(letter)),
        // A post, a mail, a run of the program: whatever the letter holds.
        Hand::Webhook(_) | Hand::Alertmanager(_) | Hand::Email(_) | Hand::Exec(_) => {
            vec![crate::texts::plain(letter, &style())]
        }
    }
}

fn style() -> Style {
    Style::new(Language::Vi, TimeZone::UTC, "https://giam-sat.backan.example")
}

#[tokio::test]
async fn twenty_four_sites_are_one_message_with_twenty_four_lines_on_every_channel() {
    let shared = Shared::new(Clock::start());
    for kind in [FIRING, UPDATE, REMINDER, ESCALATION, RESOLVED] {
        let all = two_dozen(kind);
        for (channel, _) in kinds() {
            let word = channel.word();
            let mut desk = Desk::with(channel::limits(&channel));
            for item in &all.items {
                desk.queue.enqueue(Arc::clone(&item.notification), desk.now);
            }
            let told = desk.run(seconds(60), |_, _| Ok(()));
            assert_eq!(told.len(), 1, "{word}: one letter");
            let letter = &desk.told[0];
            assert_eq!(letter.items.len(), 24, "{word}");

            let settings = Channel {
                id: ChannelId::new("truc"),
                kind: channel.clone(),
                send_resolved: true,
                fallback: None,
            };
            let hand = Hand::new(&settings, &Arc::new(style()), &shared, None);
            let texts = texts(&hand, letter);
            let [text] = texts.as_slice() else { panic!("{word}: {} messages", texts.len()) };
            if matches!(channel, ChannelKind::Sms(_)) {
                assert!(
                    ["24 su co", "24 diem cau"].iter().any(|it| text.contains(it))
                        && text.contains(", +"),
                    "{text}"
                );
                continue;
            }
            assert_eq!(text.lines().filter(|line| line.starts_with('•')).count(), 24, "{text}");
            for item in &letter.items {
                let name = &item.notification.alert.site_name;
                assert!(text.contains(name.as_str()), "{word}: {name} in {text}");
            }
        }
        // What a siren is given to show on its display.
        assert!(sms::short(&all, &style()).starts_with('('));
    }
}
