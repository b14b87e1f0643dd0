//! A receiver that was gone for hours, and how soon everything is told once it is back.

use super::*;
use crate::config::{ChannelKind, SmsBody, SmsGateway, SmsHttpSettings, SmsSettings};
use crate::config::{SecretSource, TelegramSettings, WebhookSettings, ZaloSettings};
use crate::notify::channel;

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
        ChannelKind::Webhook(WebhookSettings { url: WebAddress::new(""), secret: None, timeout }),
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
