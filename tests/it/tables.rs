//! Every number in the tables of Zalo and eSMS, from the service that says it to what becomes of
//! the message: another channel has it, it is said again, or a token was renewed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use vchealth::config::{
    Channel, ChannelKind, EsmsSettings, Fallback, SmsGateway, SmsSettings, ZaloRecipient,
    ZaloSettings,
};
use vchealth::model::{ChannelId, ChannelStatus, NotificationKind, WebAddress};

use crate::channels::{Fake, Got, Place};
use crate::fixtures::Scratch;
use crate::notify::{Office, setup, webhook};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What becomes of a message that a service answers with a number once, and accepts then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Becomes {
    Accepted,
    /// The fallback has it, and nothing is tried again.
    FallsBack,
    /// It is tried again soon.
    Repeated,
    /// It waits as long as the service needs.
    Waits,
    /// It is told with another token.
    Refreshed,
}

use Becomes::{Accepted, FallsBack, Refreshed, Repeated, Waits};

const ZALO: [(i64, Becomes); 26] = [
    (0, Accepted),
    (-32, Waits),
    (-200, Repeated),
    (-201, FallsBack),
    (-204, FallsBack),
    (-205, FallsBack),
    (-209, FallsBack),
    (-211, FallsBack),
    (-213, FallsBack),
    (-216, Refreshed),
    (-217, FallsBack),
    (-218, FallsBack),
    (-220, Refreshed),
    (-221, FallsBack),
    (-224, FallsBack),
    (-227, FallsBack),
    (-230, FallsBack),
    (-232, FallsBack),
    (-233, FallsBack),
    (-234, FallsBack),
    (-237, FallsBack),
    (-240, FallsBack),
    (-244, FallsBack),
    (-320, FallsBack),
    (-321, FallsBack),
    (-403, FallsBack),
];
const ESMS: [(i64, Becomes); 10] = [
    (100, Accepted),
    (124, Accepted),
    (99, FallsBack),
    (101, FallsBack),
    (103, FallsBack),
    (104, FallsBack),
    (108, FallsBack),
    (118, FallsBack),
    (140, FallsBack),
    (146, FallsBack),
];

/// The person or the phone that a message is for: the number that is to be answered.
fn asked_for(got: &Got) -> Option<i64> {
    let body: Value = serde_json::from_str(&got.body).ok()?;
    let of = |text: &Value| text.as_str().map(str::to_owned);
    match of(&body["recipient"]["user_id"]) {
        Some(user) => user.parse().ok(),
        None => of(&body["Phone"])?.strip_prefix("0912000")?.parse().ok(),
    }
}

/// Both services and the receiver of the fallback.
async fn services() -> Fake {
    Fake::start(|now, before| {
        let body = match (&*now.path, asked_for(now)) {
            ("/hook", _) => json!({}),
            ("/v4/oa/access_token", _) => json!({
                "access_token": format!("access-{}", before.len()),
                "refresh_token": format!("refresh-{}", before.len()),
                "expires_in": "90000",
            }),
            ("/v3.0/oa/message/cs", Some(number)) => {
                let again = before.iter().any(|got| asked_for(got) == Some(number));
                json!({"error": if again { 0 } else { number }, "message": "x"})
            }
            (_, number) => json!({"CodeResult": number.unwrap().to_string(), "ErrorMessage": "x"}),
        };
        (200, body.to_string())
    })
    .await
}

fn channel(id: &str, kind: ChannelKind) -> Channel {
    let fallback = Fallback { to: ChannelId::new("hook"), after: Duration::from_mins(5) };
    Channel { id: ChannelId::new(id), kind, send_resolved: true, fallback: Some(fallback) }
}

fn zalo(number: i64, fake: &Fake, place: &Place) -> Channel {
    let settings = ZaloSettings {
        app_id: "123".to_owned(),
        secret_key: place.key("secret", "the-secret-key"),
        refresh_token: place.key("refresh", "refresh-1"),
        token_store: place.path().join(format!("tokens{number}")),
        to: vec![ZaloRecipient::User(number.to_string())],
        base_url: WebAddress::new(fake.url.clone()),
        oauth_url: WebAddress::new(fake.url.clone()),
        timeout: TIMEOUT,
    };
    channel(&format!("zalo{number}"), ChannelKind::Zalo(settings))
}

fn esms(number: i64, fake: &Fake, place: &Place) -> Channel {
    let account = EsmsSettings {
        api_key: place.key("api", "esms-api-key"),
        secret_key: place.key("secret", "esms-secret"),
        brandname: "BACKAN".to_owned(),
        base_url: WebAddress::new(fake.url.clone()),
    };
    let gateway = SmsGateway::Esms(account);
    let settings =
        SmsSettings { gateway, to: vec![format!("0912000{number:03}")], timeout: TIMEOUT };
    channel(&format!("esms{number}"), ChannelKind::Sms(settings))
}

/// Whether that is what becomes of it, as far as the channel's figures tell.
fn is_so(becomes: Becomes, status: &ChannelStatus) -> bool {
    let it = status;
    let counts = (it.queued, it.delivered, it.failed, it.retried, it.fallen_back);
    counts
        == match becomes {
            Accepted | Refreshed => (0, 1, 0, 0, 0),
            FallsBack => (0, 0, 1, 0, 1),
            Repeated => (0, 1, 0, 1, 0),
            Waits => (1, 0, 0, 1, 0),
        }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_number_of_the_tables_leads_to_somebody_being_told() {
    let (fake, place, scratch) = (services().await, Place::new("tables"), Scratch::new("tables"));
    let zalos = ZALO.map(|(number, becomes)| (zalo(number, &fake, &place), number, becomes));
    let phones = ESMS.map(|(number, becomes)| (esms(number, &fake, &place), number, becomes));
    let all: Vec<_> = zalos.into_iter().chain(phones).collect();
    let mut channels: Vec<Channel> = all.iter().map(|(channel, ..)| channel.clone()).collect();
    channels.push(webhook("hook", &format!("{}/hook", fake.url), TIMEOUT));
    let office = Office::open(scratch.path(), &setup(channels));
    for (channel, ..) in &all {
        office.decide_for(&channel.id, &format!("n{}", channel.id), NotificationKind::Firing);
    }
    for (channel, _, becomes) in &all {
        office.until(|it| it.id == channel.id && is_so(*becomes, it)).await;
    }
    let fallen: BTreeSet<String> = all
        .iter()
        .filter(|(.., becomes)| *becomes == FallsBack)
        .map(|(channel, ..)| format!("n{}/via/hook", channel.id))
        .collect();
    let many = u64::try_from(fallen.len()).unwrap();
    office.until(|it| it.id.as_str() == "hook" && it.delivered == many).await;
    office.close(scratch.path()).await;

    let got = fake.got();
    let hooked = got.iter().filter(|got| got.path == "/hook").flat_map(|got| {
        let body: Value = serde_json::from_str(&got.body).unwrap();
        let alerts = body["alerts"].as_array().unwrap().clone();
        alerts.into_iter().map(|it| it["annotations"]["notification"].as_str().unwrap().to_owned())
    });
    assert_eq!(hooked.collect::<BTreeSet<String>>(), fallen, "each that was refused, and no other");
    let mut posts: BTreeMap<i64, Vec<&Got>> = BTreeMap::new();
    for post in &got {
        posts.entry(asked_for(post).unwrap_or(1)).or_default().push(post);
    }
    for (channel, number, becomes) in &all {
        let posts = &posts[number];
        let asked = if matches!(becomes, Repeated | Refreshed) { 2 } else { 1 };
        assert_eq!(posts.len(), asked, "{}", channel.id);
        let tokens: BTreeSet<_> =
            posts.iter().map(|post| post.headers.get("access_token").cloned()).collect();
        let renewed = *becomes == Refreshed;
        assert_eq!(tokens.len(), if renewed { 2 } else { 1 }, "{}: its token", channel.id);
    }
}
