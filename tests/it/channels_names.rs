//! Names as people give them, however odd, end to end through every channel: written from right to
//! left, with pictures in them, without end, in letters of every kind of composition.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vchealth::config::{
    ChannelKind, ExecSettings, SmsBody, SmsGateway, SmsHttpSettings, SmsSettings, TelegramSettings,
    WebhookSettings, ZaloRecipient, ZaloSettings,
};
use vchealth::model::{NotificationKind, WebAddress};
use vchealth::notify::Letter;

use crate::channels::{Fake, Place, direct, letter};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Names, and how a short message has them.
pub(crate) fn names() -> Vec<(String, String)> {
    let pair = |name: &str, short: &str| (name.to_owned(), short.to_owned());
    let long = |word: &str| word.repeat(100);
    vec![
        pair("Xã Bộc Bố 📡🚑", "Xa Boc Bo ??"),
        pair("نقطة اتصال", "???? ?????"),
        pair(
            "Sở Y tế <b>&amp; \"Nội vụ\"</b> \\n {{x}}",
            "So Y te <b>&amp; \"Noi vu\"</b> /n ((x))",
        ),
        pair("*Chợ_Đồn* [x](http://y) `z`", "*Cho_Don* (x)(http://y) 'z'"),
        pair("%s %n {phone} ${HOME} $(id)", "%s %n (phone) $(HOME) $(id)"),
        // Composed of letters and marks of their own.
        pair("Xa\u{303} Cô\u{309} Linh", "Xa Co Linh"),
        pair(&long("Xã "), &format!("{}Xa...", "Xa ".repeat(15))),
        pair(&long("ậ"), &format!("{}...", "a".repeat(47))),
    ]
}

/// A letter about a site of this name.
pub(crate) fn about(name: &str) -> Letter {
    let mut letter = letter("n1", "i1", NotificationKind::Firing);
    let mut notification = (*letter.items[0].notification).clone();
    name.clone_into(&mut notification.alert.site_name);
    for known in notification.alert.names.values_mut() {
        name.clone_into(known);
    }
    letter.items[0].notification = Arc::new(notification);
    letter
}

/// How a message begins.
pub(crate) fn begins(name: &str) -> String {
    format!("[NGHIÊM TRỌNG] Điểm cầu {name} MẤT KẾT NỐI lúc ")
}

fn json_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_and_a_program_get_every_name_as_it_is_written() {
    let (fake, place) = (Fake::start(|_, _| (200, String::new())).await, Place::new("names"));
    let url = WebAddress::new(fake.url.clone()).into();
    let webhook = WebhookSettings { url, secret: None, timeout: TIMEOUT };
    let webhook = direct(ChannelKind::Webhook(webhook));
    let kept = place.path().join("input");
    let exec = direct(ChannelKind::Exec(ExecSettings {
        program: "/bin/sh".into(),
        args: vec!["-c".to_owned(), format!("cat > {}", kept.display())],
        env: BTreeMap::new(),
        timeout: TIMEOUT,
    }));
    for (name, short) in names() {
        webhook.deliver(&about(&name)).await.unwrap();
        exec.deliver(&about(&name)).await.unwrap();
        let posted = json_of(&fake.got().pop().unwrap().body);
        let given = json_of(&std::fs::read_to_string(&kept).unwrap());
        let annotations = &posted["alerts"][0]["annotations"];
        let summary = annotations["summary"].as_str().unwrap();
        assert!(summary.starts_with(&begins(&name)), "{summary}");
        assert_eq!(annotations["affected_sites"], name.as_str());
        assert!(given["text"].as_str().unwrap().starts_with(&begins(&name)), "{given}");
        assert!(given["short"].as_str().unwrap().contains(&short), "{given}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messengers_get_every_name_as_it_is_written_and_read_no_marks_in_it() {
    let fake = Fake::start(|now, _| match now.path.as_str() {
        "/v4/oa/access_token" => {
            let tokens = json!({"access_token": "a", "refresh_token": "r", "expires_in": "90000"});
            (200, tokens.to_string())
        }
        _ => (200, json!({"ok": true, "error": 0}).to_string()),
    })
    .await;
    let (place, base_url) = (Place::new("names"), WebAddress::new(fake.url.clone()));
    let telegram = direct(ChannelKind::Telegram(TelegramSettings {
        token: place.key("token", "12345:SECRETTOKEN"),
        chats: vec!["1".to_owned()],
        base_url: base_url.clone(),
        timeout: TIMEOUT,
    }));
    let zalo = direct(ChannelKind::Zalo(ZaloSettings {
        app_id: "123".to_owned(),
        secret_key: place.key("secret", "the-secret-key"),
        refresh_token: place.key("refresh", "refresh-1"),
        token_store: place.path().join("zalo-oa.json"),
        to: vec![ZaloRecipient::Group("g1".to_owned())],
        base_url: base_url.clone(),
        oauth_url: base_url,
        timeout: TIMEOUT,
    }));
    for (name, _) in names() {
        telegram.deliver(&about(&name)).await.unwrap();
        let posted = json_of(&fake.got().pop().unwrap().body);
        assert!(posted["text"].as_str().unwrap().starts_with(&begins(&name)), "{posted}");
        assert!(posted.get("parse_mode").is_none(), "{posted}");
        zalo.deliver(&about(&name)).await.unwrap();
        let posted = json_of(&fake.got().pop().unwrap().body);
        assert!(
            posted["message"]["text"].as_str().unwrap().starts_with(&begins(&name)),
            "{posted}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_message_says_what_is_wrong_however_long_or_strange_the_name() {
    let fake = Fake::start(|_, _| (200, "queued".to_owned())).await;
    let sms = direct(ChannelKind::Sms(SmsSettings {
        to: vec!["+84912345678".to_owned()],
        gateway: SmsGateway::Http(SmsHttpSettings {
            url: WebAddress::new(format!("{}/send", fake.url)),
            body: SmsBody::Json(
                [("to", "{phone}"), ("text", "{text}")]
                    .map(|(field, value)| (field.to_owned(), value.to_owned()))
                    .into(),
            ),
            headers: BTreeMap::new(),
            secrets: BTreeMap::new(),
            accepted_if: None,
        }),
        timeout: TIMEOUT,
    }));
    for (name, short) in names() {
        sms.deliver(&about(&name)).await.unwrap();
        let posted = json_of(&fake.got().pop().unwrap().body);
        let text = posted["text"].as_str().unwrap();
        let begins = format!("(NGHIEM TRONG) Diem cau {short} MAT KET NOI luc ");
        assert!(text.starts_with(&begins), "{text}");
        assert!(text.is_ascii() && text.len() <= 160, "{} {text}", text.len());
        assert_eq!(posted["to"], "+84912345678");
    }
}
