//! A receiver that was gone for hours, and how soon everything is told once it is back.

use super::*;
use crate::config::{ChannelKind, SmsBody, SmsGateway, SmsHttpSettings, SmsSettings};
use crate::config::{SecretSource, TelegramSettings, WebhookSettings, ZaloSettings};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::tz::TimeZone;

use crate::model::Language;
use crate::notify::parts::{Message, Pace, Post, Recipients};
use crate::notify::{Style, channel, telegram};

/// Every kind of channel that has to keep to a rate, and one that need not.
fn kinds() -> [ChannelKind; 4] {
    let secret = || SecretSource::Env("NONE".to_owned());
    let timeout = seconds(10);
    let gateway = SmsGateway::Http(SmsHttpSettings {
        url: WebAddress::new(""),
        body: SmsBody::None,
        headers: BTreeMap::new(),
        secrets: BTreeMap::new(),
        accepted_if: None,
    });
    [
        ChannelKind::Webhook(WebhookSettings { url: WebAddress::new("").into(), secret: None, timeout }),
        ChannelKind::Telegram(TelegramSettings {
            token: secret(),
            chats: Vec::new(),
            base_url: WebAddress::new(""),
            timeout,
        }),
        ChannelKind::Sms(SmsSettings { gateway, to: Vec::new(), timeout }),
        ChannelKind::Zalo(ZaloSettings {
            app_id: String::new(),
            secret_key: secret(),
            refresh_token: secret(),
            token_store: std::path::PathBuf::new(),
            to: Vec::new(),
            base_url: WebAddress::new(""),
            oauth_url: WebAddress::new(""),
            timeout,
        }),
    ]
}

/// 300 incidents begin in two hours, every third is over after ten minutes, and nothing gets
/// through. `back_after` is the time from the last attempt to the receiver's return.
fn two_hours_gone(kind: &ChannelKind, back_after: Duration) {
    let limits = channel::limits(kind);
    let mut desk = Desk::with(limits);
    let begin = desk.now;
    for n in 0..300_u32 {
        desk.decide(&format!("i{n:03}-firing"), &format!("i{n:03}"), FIRING);
        if n >= 25 && n % 3 == 0 {
            let over = n - 25;
            desk.decide(&format!("i{over:03}-over"), &format!("i{over:03}"), RESOLVED);
        }
        desk.run(seconds(24), |_, _| Err(later()));
    }
    assert!(desk.now.mono - begin.mono >= Duration::from_hours(2));
    desk.run(back_after, |_, _| Err(later()));

    let back = desk.now.mono;
    let mut left: Vec<Mono> = Vec::new();
    desk.run(seconds(60), |_, now| {
        left.push(now.mono);
        Ok(())
    });
    let word = kind.word();
    let status = desk.status();
    assert_eq!((status.queued, status.failed), (0, 0), "{word}: all told within 60 s of {back:?}");
    assert!(left.windows(2).all(|two| two[1] - two[0] >= limits.gap), "{word}: within its rate");

    // The first one found out that the receiver is back; whose turn that was is chance.
    let first = desk.told[0].items.len();
    let items: Vec<_> = desk.told.iter().flat_map(|letter| &letter.items).collect();
    assert_eq!(items.len(), 300, "{word}: each incident is told once, as it stands");
    let over = items.iter().filter(|item| item.told_as == RESOLVED).count();
    assert_eq!(over, 91, "{word}");
    let in_order = |over: bool| {
        let ids: Vec<_> = items
            .iter()
            .skip(first)
            .filter(|item| (item.told_as == RESOLVED) == over)
            .map(|item| item.notification.alert.incident.id.clone())
            .collect();
        ids.is_sorted()
    };
    assert!(in_order(true), "{word}: the ones that are over");
    if limits.gap > Duration::ZERO {
        assert!(in_order(false), "{word}: the ones that are on");
    }
}

#[test]
fn a_receiver_gone_for_two_hours_is_told_of_300_incidents_within_a_minute() {
    for kind in kinds() {
        for back_after in [0, 1, 14, 29] {
            two_hours_gone(&kind, seconds(back_after));
        }
    }
}

#[test]
fn a_few_messages_of_a_slow_channel_are_told_one_by_one() {
    let mut desk = Desk::with(Limits { under_way: 1, gap: seconds(3), bundle: 50 });
    for n in 0..2 {
        desk.decide(&format!("a{n}"), &format!("i{n}"), FIRING);
    }
    assert_eq!(desk.run(seconds(20), |_, _| Ok(())), ["a0", "a1"]);
    for n in 0..7 {
        desk.decide(&format!("b{n}"), &format!("j{n}"), FIRING);
    }
    assert_eq!(desk.run(seconds(20), |_, _| Ok(())), ["digest-b0"], "24 sites are one message");
}

/// A chat of Telegram that takes what the documents say and no more: a message a second, 20 a
/// minute to a group. Whoever sends more is told to wait.
struct Group {
    posts: Mutex<Vec<tokio::time::Instant>>,
    texts: Mutex<Vec<String>>,
    refused: AtomicUsize,
}

impl Post for Group {
    fn names(&self) -> Vec<String> {
        vec!["-1001".to_owned()]
    }

    fn label(&self, _: usize) -> String {
        "-1001".to_owned()
    }

    fn pace(&self, _: usize) -> Pace {
        telegram::pace("-1001")
    }

    fn messages(&self, letter: &Letter) -> Vec<Message> {
        let style = Style::new(Language::Vi, TimeZone::UTC, "http://10.0.0.5:8080");
        Message::several(letter, &style, 4_096, char::len_utf16)
    }

    async fn post(&self, _: usize, _: &Letter, text: &str) -> Result<(), DeliveryError> {
        let mut posts = self.posts.lock().unwrap();
        let now = tokio::time::Instant::now();
        let within = |most: Duration| posts.iter().filter(|at| now - **at < most).count();
        if within(seconds(1)) > 0 || within(seconds(60)) >= 20 {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let retry = Retry::After(seconds(30));
            return Err(DeliveryError { retry, text: "Too Many Requests".to_owned() });
        }
        posts.push(now);
        self.texts.lock().unwrap().push(text.to_owned());
        Ok(())
    }
}

/// The queue and what a channel knows of its recipients, with nothing in between.
#[tokio::test(start_paused = true)]
async fn a_group_that_was_gone_is_told_of_300_incidents_within_what_the_service_allows() {
    let chats = ChannelKind::Telegram(TelegramSettings {
        token: SecretSource::Env("NONE".to_owned()),
        chats: Vec::new(),
        base_url: WebAddress::new(""),
        timeout: seconds(10),
    });
    let mut desk = Desk::with(channel::limits(&chats));
    for n in 0..300 {
        desk.decide(&format!("n{n:03}"), &format!("i{n:03}"), FIRING);
        desk.run(seconds(24), |_, _| Err(later()));
    }
    let group =
        Group { posts: Mutex::default(), texts: Mutex::default(), refused: AtomicUsize::new(0) };
    let known = Recipients::default();
    let began = desk.now.mono;
    while let Some(due) = desk.queue.poll_timeout() {
        let before = tokio::time::Instant::now();
        if due > desk.now.mono {
            tokio::time::advance(due - desk.now.mono).await;
        }
        let letter = desk.queue.next(desk.now.plus(before.elapsed())).map(|due| due.letter);
        let result = match &letter {
            Some(letter) => known.deliver(letter, &group).await,
            None => Ok(()),
        };
        desk.now = desk.now.plus(before.elapsed());
        if let Some(letter) = letter {
            desk.queue.settle(&letter.channel, &letter.id, result, desk.now);
        }
    }
    assert_eq!((desk.status().queued, desk.status().delivered), (0, 300));
    assert!(desk.now.mono - began <= seconds(60), "{:?}", desk.now.mono - began);
    assert_eq!(group.refused.load(Ordering::Relaxed), 0, "nobody had to ask for time");
    let texts = group.texts.lock().unwrap();
    assert!(texts.len() > 6, "six digests in several messages each: {}", texts.len());
    let lines = texts.iter().flat_map(|text| text.lines()).filter(|line| line.starts_with('•'));
    assert_eq!(lines.count(), 300);
}
