//! The channels of services on the web against fakes that follow the documented tables of errors:
//! what is sent where, what is done about each kind of answer, and that no key is ever told.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::{Value, json};
use vchealth::config::{
    ChannelKind, EsmsSettings, SecretSource, SmsBody, SmsGateway, SmsHttpSettings, SmsSettings,
    TelegramSettings, ZaloRecipient, ZaloSettings,
};
use vchealth::model::{NotificationId, NotificationKind, WebAddress};
use vchealth::notify::{Letter, Retry};

use crate::channels::{Fake, Got, Place, direct, letter};
use crate::ports::free_port;

const TIMEOUT: Duration = Duration::from_secs(20);

fn firing() -> Letter {
    letter("n1", "i1", NotificationKind::Firing)
}

fn json_of(got: &Got) -> Value {
    serde_json::from_str(&got.body).unwrap()
}

fn ok(body: &Value) -> (u16, String) {
    (200, body.to_string())
}

// --- Zalo ---

/// A Zalo that gives tokens R1→A1,R2→A2,R3…, each refresh token once, and takes only the newest
/// access token.
async fn zalo() -> Fake {
    zalo_with_tokens_for("90000").await
}

/// The same, with access tokens that last for so many seconds.
async fn zalo_with_tokens_for(seconds: &'static str) -> Fake {
    Fake::start(move |now, before| {
        let spent = before.iter().filter(|got| got.path == "/v4/oa/access_token").count();
        if now.path == "/v4/oa/access_token" {
            let due =
                format!("refresh_token=refresh-{}&app_id=123&grant_type=refresh_token", spent + 1);
            if now.body != due || now.headers["secret_key"] != "the-secret-key" {
                return ok(&json!({"error": -14014, "error_name": "Invalid refresh token"}));
            }
            return ok(&json!({
                "access_token": format!("access-{}", spent + 1),
                "refresh_token": format!("refresh-{}", spent + 2),
                "expires_in": seconds,
            }));
        }
        if now.headers["access_token"] != format!("access-{spent}").as_str() {
            return ok(&json!({"error": -216, "message": "Access token is invalid"}));
        }
        let recipient = json_of(now)["recipient"].clone();
        match recipient["user_id"].as_str() {
            Some("stranger") => ok(&json!({"error": -230, "message": "no interaction"})),
            Some("busy") => ok(&json!({"error": -32, "message": "rate limit"})),
            _ => ok(&json!({"error": 0, "message": "Success", "data": {"message_id": "m"}})),
        }
    })
    .await
}

fn zalo_settings(fake: &Fake, place: &Place, to: &[ZaloRecipient]) -> ZaloSettings {
    ZaloSettings {
        app_id: "123".to_owned(),
        secret_key: place.key("secret", "the-secret-key"),
        refresh_token: place.key("refresh", "refresh-1"),
        token_store: place.path().join("zalo-oa.json"),
        to: to.to_vec(),
        base_url: WebAddress::new(fake.url.clone()),
        oauth_url: WebAddress::new(fake.url.clone()),
        timeout: TIMEOUT,
    }
}

fn group() -> ZaloRecipient {
    ZaloRecipient::Group("g1".to_owned())
}

fn user(id: &str) -> ZaloRecipient {
    ZaloRecipient::User(id.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn zalo_tells_a_group_and_a_person_with_one_token() {
    let (fake, place) = (zalo().await, Place::new("zalo"));
    let settings = zalo_settings(&fake, &place, &[group(), user("u1")]);
    let channel = direct(ChannelKind::Zalo(settings.clone()));
    channel.deliver(&firing()).await.unwrap();
    let got = fake.got();
    let paths: Vec<&str> = got.iter().map(|got| &*got.path).collect();
    assert_eq!(paths, ["/v4/oa/access_token", "/v3.0/oa/group/message", "/v3.0/oa/message/cs"]);
    let text = json_of(&got[1])["message"]["text"].as_str().unwrap().to_owned();
    assert!(text.starts_with("[NGHIÊM TRỌNG] Điểm cầu Xã Tân Lập"), "{text}");
    // A daemon started anew goes on with the tokens that were kept.
    direct(ChannelKind::Zalo(settings)).deliver(&firing()).await.unwrap();
    assert_eq!(fake.got().len(), 5);
    let kept = std::fs::metadata(place.path().join("zalo-oa.json")).unwrap();
    assert_eq!(kept.permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn zalo_is_asked_for_a_token_once_when_one_is_refused() {
    let (fake, place) = (zalo().await, Place::new("zalo"));
    let settings = zalo_settings(&fake, &place, &[group()]);
    let first = direct(ChannelKind::Zalo(settings.clone()));
    first.deliver(&firing()).await.unwrap();
    // Somebody else has spent the next refresh token: the access token that we hold is void.
    let other = Place::new("zalo-other");
    let mut elsewhere = zalo_settings(&fake, &other, &[group()]);
    elsewhere.refresh_token = other.key("refresh", "refresh-2");
    direct(ChannelKind::Zalo(elsewhere)).deliver(&firing()).await.unwrap();
    let error = first.deliver(&firing()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never, "{error}");
    assert!(error.text.contains("put a new refresh token in its place"), "{error}");
    assert!(!error.text.contains("refresh-2") && !error.text.contains("the-secret-key"));
    // A new one in the settings is taken up without a restart.
    place.write("refresh", "refresh-3");
    // The fake counts the refused attempt as well.
    let spent = fake.got().iter().filter(|got| got.path == "/v4/oa/access_token").count();
    place.write("refresh", &format!("refresh-{}", spent + 1));
    first.deliver(&firing()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn zalo_is_told_through_by_two_processes_that_share_their_tokens() {
    // Each token is so short that every letter needs another one.
    let (fake, place) = (zalo_with_tokens_for("60").await, Place::new("zalo"));
    let settings = zalo_settings(&fake, &place, &[group()]);
    let daemon = direct(ChannelKind::Zalo(settings.clone()));
    daemon.deliver(&firing()).await.unwrap();
    // A test of the channel beside the daemon, as each is a process of its own.
    direct(ChannelKind::Zalo(settings.clone())).deliver(&firing()).await.unwrap();
    daemon.deliver(&firing()).await.unwrap();
    // The first use of both at the same moment.
    let (fake, place) = (zalo().await, Place::new("zalo"));
    let settings = zalo_settings(&fake, &place, &[group()]);
    let one = direct(ChannelKind::Zalo(settings.clone()));
    let two = direct(ChannelKind::Zalo(settings));
    let letter = firing();
    let (one, two) = tokio::join!(one.deliver(&letter), two.deliver(&letter));
    assert_eq!((one, two), (Ok(()), Ok(())));
    let asked = fake.got().iter().filter(|got| got.path == "/v4/oa/access_token").count();
    assert_eq!(asked, 1, "one has spent the token, the other found what came of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn zalo_tells_with_tokens_that_no_disk_takes_and_keeps_them_once_it_does() {
    let (fake, place) = (zalo().await, Place::new("zalo"));
    let mut settings = zalo_settings(&fake, &place, &[group()]);
    settings.token_store = place.path().join("missing/zalo.json");
    let channel = direct(ChannelKind::Zalo(settings));
    channel.deliver(&firing()).await.unwrap();
    channel.deliver(&firing()).await.unwrap();
    let tokens = || fake.got().iter().filter(|got| got.path == "/v4/oa/access_token").count();
    assert_eq!((tokens(), fake.got().len()), (1, 3), "no other token is spent");
    std::fs::create_dir(place.path().join("missing")).unwrap();
    channel.deliver(&firing()).await.unwrap();
    assert!(place.path().join("missing/zalo.json").exists());
    assert_eq!((tokens(), fake.got().len()), (1, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn zalo_repeats_only_what_was_not_accepted() {
    let (fake, place) = (zalo().await, Place::new("zalo"));
    let to = [group(), user("stranger"), user("busy")];
    let channel = direct(ChannelKind::Zalo(zalo_settings(&fake, &place, &to)));
    let error = channel.deliver(&firing()).await.unwrap_err();
    let partly = Retry::Partly { after: Duration::from_secs(60), works: true };
    assert_eq!(error.retry, partly, "{error}");
    channel.deliver(&firing()).await.unwrap_err();
    let groups = fake.got().iter().filter(|got| got.path == "/v3.0/oa/group/message").count();
    assert_eq!(groups, 1, "the group got it once");
    // Somebody was reached, the rest is refused for good: that is delivered.
    let to = [group(), user("stranger")];
    let channel = direct(ChannelKind::Zalo(zalo_settings(&fake, &place, &to)));
    channel.deliver(&letter("n2", "i1", NotificationKind::Firing)).await.unwrap();
    let nobody = direct(ChannelKind::Zalo(zalo_settings(&fake, &place, &[user("stranger")])));
    assert_eq!(nobody.deliver(&firing()).await.unwrap_err().retry, Retry::Never);
}

// --- Telegram ---

fn telegram_settings(fake: &Fake, place: &Place, chats: &[&str]) -> TelegramSettings {
    TelegramSettings {
        token: place.key("token", "12345:SECRETTOKEN"),
        chats: chats.iter().map(|chat| (*chat).to_owned()).collect(),
        base_url: WebAddress::new(fake.url.clone()),
        timeout: TIMEOUT,
    }
}

fn refusal(code: u16, description: &str, parameters: &Value) -> (u16, String) {
    let body = json!({
        "ok": false, "error_code": code, "description": description, "parameters": parameters,
    });
    (code, body.to_string())
}

/// A Telegram with a group that moved, one that is flooded, and one that threw the bot out.
async fn telegram() -> Fake {
    Fake::start(|now, _| {
        if now.path != "/bot12345:SECRETTOKEN/sendMessage" {
            return refusal(404, "Not Found", &json!({}));
        }
        let body = json_of(now);
        if body["text"].as_str().unwrap().encode_utf16().count() > 4_096 {
            return refusal(400, "Bad Request: message is too long", &json!({}));
        }
        match body["chat_id"].as_i64() {
            Some(-1) => refusal(400, "upgraded", &json!({"migrate_to_chat_id": -1001})),
            Some(-2) => refusal(429, "Too Many Requests", &json!({"retry_after": 34})),
            Some(-3) => refusal(403, "Forbidden: bot was kicked", &json!({})),
            _ => ok(&json!({"ok": true, "result": {"message_id": 1}})),
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_follows_a_group_that_moved() {
    let (fake, place) = (telegram().await, Place::new("telegram"));
    let channel = direct(ChannelKind::Telegram(telegram_settings(&fake, &place, &["-1"])));
    channel.deliver(&firing()).await.unwrap();
    channel.deliver(&letter("n2", "i1", NotificationKind::Resolved)).await.unwrap();
    let chats: Vec<i64> =
        fake.got().iter().map(|got| json_of(got)["chat_id"].as_i64().unwrap()).collect();
    assert_eq!(chats, [-1, -1001, -1001], "it is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_waits_as_long_as_it_is_asked_and_repeats_nothing() {
    let (fake, place) = (telegram().await, Place::new("telegram"));
    let settings = telegram_settings(&fake, &place, &["-9", "-2", "-3"]);
    let channel = direct(ChannelKind::Telegram(settings));
    let asked = Duration::from_secs(34);
    let error = channel.deliver(&firing()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Partly { after: asked, works: true });
    assert!(!error.text.contains("SECRETTOKEN"), "{error}");
    // Neither the same letter nor the next one is posted there before that time.
    let error = channel.deliver(&firing()).await.unwrap_err();
    assert!(matches!(error.retry, Retry::Partly { after, works: false } if after <= asked));
    channel.deliver(&letter("n2", "i2", NotificationKind::Firing)).await.unwrap_err();
    let told = |chat: i64| fake.got().iter().filter(|got| json_of(got)["chat_id"] == chat).count();
    assert_eq!([-9, -2].map(told), [2, 1]);
    let thrown_out = direct(ChannelKind::Telegram(telegram_settings(&fake, &place, &["-3"])));
    assert_eq!(thrown_out.deliver(&firing()).await.unwrap_err().retry, Retry::Never);
}

/// A letter about so many sites, with their contacts.
fn digest(sites: usize) -> Letter {
    let one = |n: usize| {
        let mut letter = letter(&format!("n{n}"), &format!("i{n}"), NotificationKind::Firing);
        let mut notification = (*letter.items[0].notification).clone();
        notification.alert.site_name = format!("Xã thứ {n:03} trên tuyến đường truyền Chợ Đồn");
        letter.items[0].notification = notification.into();
        letter
    };
    let mut all: Vec<Letter> = (0..sites).map(one).collect();
    let items = all.iter_mut().flat_map(|letter| std::mem::take(&mut letter.items)).collect();
    let id = NotificationId::new("digest-n0");
    Letter { id, items, ..all.remove(0) }
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_gets_a_long_digest_as_several_messages_each_line_once_and_in_order() {
    // The second message finds the chat flooded, once.
    let fake = Fake::start(|_, before| match before.len() {
        1 => refusal(429, "Too Many Requests", &json!({"retry_after": 1})),
        _ => ok(&json!({"ok": true, "result": {"message_id": 1}})),
    })
    .await;
    let place = Place::new("telegram");
    let channel = direct(ChannelKind::Telegram(telegram_settings(&fake, &place, &["-9"])));
    let digest = digest(160);
    let error = channel.deliver(&digest).await.unwrap_err();
    assert_eq!(error.retry, Retry::After(Duration::from_secs(1)), "the only chat: all waits");
    tokio::time::sleep(Duration::from_secs(1)).await;
    channel.deliver(&digest).await.unwrap();
    let texts: Vec<String> =
        fake.got().iter().map(|got| json_of(got)["text"].as_str().unwrap().to_owned()).collect();
    assert!(texts.len() >= 4 && texts.iter().all(|it| it.encode_utf16().count() <= 4_096));
    let accepted = texts.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, text)| text);
    let sites: Vec<&str> = accepted
        .inspect(|text| assert!(text.starts_with("[NGHIÊM TRỌNG] "), "{text}"))
        // The first line names as many as fit, besides.
        .filter_map(|text| text.split_once('\n'))
        .flat_map(|(_, lines)| lines.split("Xã thứ ").skip(1).map(|rest| &rest[..3]))
        .collect();
    let all: Vec<String> = (0..160).map(|n| format!("{n:03}")).collect();
    assert_eq!(sites, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_gets_a_long_text_about_one_incident_in_pieces() {
    let (fake, place) = (telegram().await, Place::new("telegram"));
    let channel = direct(ChannelKind::Telegram(telegram_settings(&fake, &place, &["-9"])));
    let mut long = firing();
    let mut notification = (*long.items[0].notification).clone();
    let contact = notification.alert.contacts[0].clone();
    notification.alert.contacts = vec![contact; 400];
    long.items[0].notification = notification.into();
    channel.deliver(&long).await.unwrap();
    let texts: Vec<String> =
        fake.got().iter().map(|got| json_of(got)["text"].as_str().unwrap().to_owned()).collect();
    assert!(texts.len() > 1);
    // A piece may end between two words.
    let whole = texts.join(" ");
    assert_eq!(whole.matches("Nông Văn Tú").count(), 400);
    assert!(whole.starts_with("[NGHIÊM TRỌNG]") && whole.contains("Chi tiết: "), "{whole}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_away_is_tried_again_and_no_key_is_told() {
    let place = Place::new("away");
    let token = place.key("token", "12345:SECRETTOKEN");
    let base_url = WebAddress::new(format!("http://127.0.0.1:{}", free_port()));
    let settings =
        TelegramSettings { token, chats: vec!["1".to_owned()], base_url, timeout: TIMEOUT };
    let error = direct(ChannelKind::Telegram(settings)).deliver(&firing()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Later);
    assert!(!error.text.contains("SECRETTOKEN"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_not_followed_with_a_key() {
    let fake = Fake::start(|_, _| (307, String::new())).await;
    let place = Place::new("redirect");
    let channel = direct(ChannelKind::Telegram(telegram_settings(&fake, &place, &["1"])));
    assert_eq!(channel.deliver(&firing()).await.unwrap_err().retry, Retry::Later);
    assert_eq!(fake.got().len(), 1);
}

// --- SMS ---

fn sms(gateway: SmsGateway, to: &[&str]) -> ChannelKind {
    let to = to.iter().map(|to| (*to).to_owned()).collect();
    ChannelKind::Sms(SmsSettings { gateway, to, timeout: TIMEOUT })
}

#[tokio::test(flavor = "multi_thread")]
async fn esms_gets_one_short_message_without_diacritics_for_each_phone() {
    let fake = Fake::start(|now, _| {
        let body = json_of(now);
        let code = match (body["SecretKey"].as_str(), body["Phone"].as_str()) {
            (Some("esms-secret"), Some("0900000000")) => "108",
            (Some("esms-secret"), _) => "100",
            _ => "101",
        };
        ok(&json!({"CodeResult": code, "ErrorMessage": "x"}))
    })
    .await;
    let place = Place::new("esms");
    let account = EsmsSettings {
        api_key: place.key("api", "esms-api-key"),
        secret_key: place.key("secret", "esms-secret"),
        brandname: "BACKAN".to_owned(),
        base_url: WebAddress::new(fake.url.clone()),
    };
    let gateway = SmsGateway::Esms(account.clone());
    direct(sms(gateway.clone(), &["0912345678", "0900000000"])).deliver(&firing()).await.unwrap();
    let body = json_of(&fake.got()[0]);
    let text = body["Content"].as_str().unwrap();
    assert!(text.starts_with("(NGHIEM TRONG) Diem cau Xa Tan Lap MAT KET NOI"), "{text}");
    assert!(text.ends_with(". Goi Nong Van Tu 0912000001"), "whom to phone: {text}");
    assert!(text.is_ascii() && text.len() <= 160, "{text}");
    assert_eq!((&body["SmsType"], &body["IsUnicode"]), (&json!("2"), &json!("0")));
    // At most 50 characters, and another one for every phone.
    let ids: Vec<String> = fake
        .got()
        .iter()
        .map(|got| json_of(got)["RequestId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids[0].len(), 32);
    assert_ne!(ids[0], ids[1]);
    let wrong = EsmsSettings { secret_key: place.key("wrong", "no-such-secret"), ..account };
    let error = direct(sms(SmsGateway::Esms(wrong), &["0912345678"])).deliver(&firing()).await;
    let error = error.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert_eq!(error.text, "eSMS answers 101 (the keys are wrong): x");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_gateway_is_asked_as_the_settings_say() {
    let fake = Fake::start(|now, _| {
        let good = now.headers["x-key"] == "gateway-key" && now.path == "/send?to=%2B84912345678";
        if good { (200, "queued".to_owned()) } else { (200, "refused gateway-key".to_owned()) }
    })
    .await;
    let place = Place::new("gateway");
    let gateway = |url: &str, source: SecretSource| {
        SmsGateway::Http(SmsHttpSettings {
            url: WebAddress::new(format!("{}{url}", fake.url)),
            body: SmsBody::Form(BTreeMap::from([("m".to_owned(), "{text}".to_owned())])),
            headers: BTreeMap::from([("x-key".to_owned(), "{key}".to_owned())]),
            secrets: BTreeMap::from([("key".to_owned(), source)]),
            accepted_if: Some("queued".to_owned()),
        })
    };
    let key = || place.key("key", "gateway-key");
    let good = sms(gateway("/send?to={phone}", key()), &["+84912345678"]);
    direct(good).deliver(&firing()).await.unwrap();
    assert!(fake.got()[0].body.starts_with("m=%28NGHIEM%20TRONG%29%20Diem%20cau"));
    let bad = sms(gateway("/elsewhere", key()), &["+84912345678"]);
    let error = direct(bad).deliver(&firing()).await.unwrap_err();
    assert_eq!(error.retry, Retry::Never);
    assert!(error.text.ends_with("answers 200, which is no acceptance: refused ***"), "{error}");
}
