//! What people do about incidents: by the link in a message, from the command line, through the
//! API; against a server of which the test decides everything, and against the program itself.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use vchealth::model::{Act, ChannelId, Chosen, NotificationId, NotificationKind, SiteId};
use vchealth::notify::{Item, Letter, Links};

use crate::fixtures::{Scratch, incident, notification};
use crate::ports::free_port;
use crate::province;
use crate::web::{House, key};

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// The path of the link in a message about this incident, sent through `duty` an hour ago.
pub(crate) fn path(about: &str, id: &str) -> String {
    let mut message = notification(id, incident(about, "x"), NotificationKind::Firing);
    message.channel = ChannelId::new("duty");
    message.created = province::now().wall - SignedDuration::from_hours(1);
    let links = Links { key: key(), base: String::new() };
    links.of(&message).expect("a link")
}

/// The path of the link in a message about four, one of which somebody has and one is over.
pub(crate) fn digest_path() -> String {
    let items = ["cho-don-1", "na-ri-1", "nam-mau-1", "cao-ky-1"].map(|id| {
        let it = notification(id, incident(id, "x"), NotificationKind::Firing);
        Item::new(NotificationKind::Firing, Arc::new(it))
    });
    let letter = Letter {
        id: NotificationId::new("digest-n8"),
        channel: ChannelId::new("duty"),
        created: province::now().wall - SignedDuration::from_hours(1),
        items: items.to_vec(),
        test: false,
    };
    Links { key: key(), base: String::new() }.of_digest(&letter).expect("a link")
}

#[tokio::test]
async fn looking_at_a_link_changes_nothing_and_pressing_a_button_acts_once() {
    let house = House::open(province::troubled(204));
    let link = path("cho-don-1", "n1");
    for _ in 0..3 {
        let page = house.get(&link).await;
        assert_eq!(page.status, 200, "{}", page.text());
        let text = page.text();
        for shown in ["Huyện Chợ Đồn", "Tôi tiếp nhận xử lý", "method=\"post\"", "duty"]
        {
            assert!(text.contains(shown), "{shown} in {text}");
        }
        assert!(page.header("content-security-policy").contains("form-action 'self'"));
        assert_eq!(page.header("referrer-policy"), "no-referrer");
    }
    assert!(house.daemon.link_uses.lock().unwrap().is_empty(), "a preview is no click");
    assert!(house.get(&format!("{link}?lang=en")).await.text().contains("I take this on"));

    let sent = "act=ack&name=H%C3%A0&note=%C4%91ang+g%E1%BB%8Di";
    let reply = house.ask("POST", &link, &[FORM], sent).await;
    assert_eq!((reply.status, reply.header("location")), (303, link.as_str()));
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    assert_eq!((used.incident.as_str(), &*used.by), ("cho-don-1", "Hà (duty)"));
    let Act::Ack(ack) = act else { panic!("an ack") };
    let until = province::now().wall + SignedDuration::from_mins(30);
    assert_eq!((&*ack.by, &*ack.note, ack.until), ("Hà (duty)", "đang gọi", Some(until)));

    let page = house.get(&link).await.text();
    assert!(page.contains("✓ Đã tiếp nhận lúc"), "{page}");
    assert!(page.contains("Hà (duty)") && !page.contains("<form"), "{page}");
    let again = house.ask("POST", &link, &[FORM], sent).await;
    assert_eq!(again.status, 303, "pressed twice it is done: {}", again.text());
    for (other, missed) in [
        ("act=silence-4&name=H%C3%A0", "KHÔNG tạm tắt cảnh báo 4 giờ: liên kết này đã được dùng"),
        ("act=ack&why=calling&name=Lan", "KHÔNG tiếp nhận cho Lan: liên kết này đã được dùng"),
        ("act=ack", "Lần bấm này KHÔNG được ghi nhận: liên kết này đã được dùng"),
        ("act=nothing", "Lần bấm này KHÔNG được ghi nhận: liên kết này đã được dùng"),
    ] {
        let again = house.ask("POST", &link, &[FORM], other).await;
        assert_eq!(again.status, 409, "{other}");
        let page = again.text();
        assert!(page.contains(missed) && page.contains("Hà (duty)"), "{other}: {page}");
    }
    let english = house.ask("POST", &format!("{link}?lang=en"), &[FORM], "act=silence-1").await;
    assert!(english.text().contains("Messages are NOT held back for 1 h"), "{}", english.text());
    assert_eq!(house.daemon.link_uses.lock().unwrap().len(), 1, "it works once");
}

#[tokio::test]
async fn a_link_announces_planned_work_at_its_site_with_a_reason() {
    let house = House::open(province::troubled(204));
    let link = path("na-ri-1", "n20");
    let bare = house.ask("POST", &link, &[FORM], "act=maintain-4&name=Lan").await;
    assert_eq!(bare.status, 400);
    assert!(bare.text().contains("hãy chọn hoặc ghi lý do"), "{}", bare.text());
    assert!(house.daemon.link_uses.lock().unwrap().is_empty());
    let sent = "act=maintain-4&name=Lan&why=planned";
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303);
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    let Act::Maintain(window) = act else { panic!("{act:?}") };
    let until = province::now().wall + SignedDuration::from_hours(4);
    assert_eq!((window.from, window.until), (province::now().wall, until));
    assert_eq!(window.sites, [SiteId::new("na-ri")]);
    assert_eq!((&*window.by, &*window.reason), ("Lan (duty)", "đã biết, đang bảo trì"));
    assert_eq!(used.chosen, Chosen::Maintenance { until });
    assert!(house.get(&link).await.text().contains("✓ Đã báo bảo trì lúc"));
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303, "pressed twice");
    let other = house.ask("POST", &link, &[FORM], "act=maintain-1&name=Lan&why=planned").await;
    assert_eq!(other.status, 409);
    assert!(other.text().contains("KHÔNG báo bảo trì 1 giờ"), "{}", other.text());
}

#[tokio::test]
async fn nobody_takes_an_incident_on_without_a_reason() {
    let house = House::open(province::troubled(204));
    let link = path("cho-don-1", "n21");
    let bare = house.ask("POST", &link, &[FORM], "act=ack&name=Lan").await;
    assert_eq!(bare.status, 400);
    assert!(bare.text().contains("CHƯA ghi nhận: hãy chọn hoặc ghi lý do"), "{}", bare.text());
    assert!(house.daemon.link_uses.lock().unwrap().is_empty());
    let touched = "act=ack&name=Lan&why=going";
    assert_eq!(house.ask("POST", &link, &[FORM], touched).await.status, 303, "one touch is enough");
}

#[tokio::test]
async fn a_link_that_is_not_answered_in_time_says_so_to_whoever_pressed_it() {
    let house = House::open(province::troubled(204));
    house.daemon.late.store(true, Ordering::SeqCst);
    let link = path("cho-don-1", "n9");
    let reply = house.ask("POST", &link, &[FORM], "act=ack&why=calling&name=Lan").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("chưa biết việc này đã được ghi nhận"), "{}", reply.text());
    let english = format!("{link}?lang=en");
    let english = house.ask("POST", &english, &[FORM], "act=ack&why=calling&name=Lan").await;
    assert!(english.text().contains("it is not known whether this is done"), "{}", english.text());
    house.daemon.late.store(false, Ordering::SeqCst);
    assert!(house.get(&link).await.text().contains("Tôi tiếp nhận xử lý"));
}

#[tokio::test]
async fn a_silence_by_link_is_about_the_site_and_bounded() {
    let house = House::open(province::troubled(204));
    let link = path("cho-don-1", "n2");
    let sent = "act=silence-1&name=Lan&why=power&note=g%E1%BB%8Di+l%C3%BAc+8h";
    let reply = house.ask("POST", &link, &[FORM], sent).await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    let Act::Silence(silence) = act else { panic!("a silence") };
    let until = province::now().wall + SignedDuration::from_hours(1);
    assert_eq!((used.by.as_str(), silence.by.as_str()), ("Lan (duty)", "Lan (duty)"));
    assert_eq!(silence.reason, "mất điện, chờ có điện; gọi lúc 8h");
    assert_eq!(silence.site.as_ref().map(SiteId::as_str), Some("cho-don"));
    assert_eq!((silence.until, used.chosen), (until, Chosen::Silence { until }));
    assert!(house.get(&link).await.text().contains("Đã tạm tắt cảnh báo"));
    let longer = house.ask("POST", &link, &[FORM], "act=silence-4&name=Lan").await;
    let text = longer.text();
    assert!(longer.status == 409 && text.contains("KHÔNG tạm tắt cảnh báo 4 giờ"), "{text}");
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303);
}

#[tokio::test]
async fn who_acts_by_a_link_says_their_name_where_it_could_be_anybody_and_why_where_all_is_quiet() {
    let house = House::open(province::troubled(204));
    let link = path("cho-don-1", "n10");
    let page = house.get(&link).await.text();
    assert!(page.contains("name=\"name\" required"), "a group reads it: {page}");
    for (sent, said) in [
        ("act=ack&why=going&until=120", "hãy ghi tên của bạn"),
        ("act=ack&why=calling&name=+%09&until=120&why=going", "hãy ghi tên của bạn"),
        ("act=silence-1&name=Lan&until=120", "hãy chọn hoặc ghi lý do"),
        ("act=silence-1&name=Lan&note=+&until=120&why=unknown", "hãy chọn hoặc ghi lý do"),
    ] {
        let reply = house.ask("POST", &link, &[FORM], sent).await;
        let text = reply.text();
        assert!(reply.status == 400 && text.contains(said), "{sent}: {text}");
        assert!(text.contains("value=\"120\" checked"), "what was chosen stays: {text}");
    }
    assert!(house.daemon.link_uses.lock().unwrap().is_empty(), "nothing is done, and it is left");

    *house.daemon.reader.lock().unwrap() = Some("Đàm Thị Hà".to_owned());
    let page = house.get(&link).await.text();
    assert!(page.contains("value=\"Đàm Thị Hà\"") && !page.contains(" required"), "{page}");
    let reply = house.ask("POST", &link, &[FORM], "act=ack&why=calling&name=&why=going").await;
    assert_eq!(reply.status, 303, "{}", reply.text());
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    let Act::Ack(ack) = act else { panic!("an ack") };
    assert_eq!((&*used.by, &*ack.note), ("Đàm Thị Hà (duty)", "đang cử người đến"));
    let again = house.ask("POST", &link, &[FORM], "act=ack&why=going").await;
    assert_eq!(again.status, 303, "pressed twice it is done: {}", again.text());
}

#[tokio::test]
async fn an_ack_by_link_lasts_as_long_as_was_chosen_and_no_longer_than_the_settings_say() {
    let now = province::now().wall;
    let minutes = |n: i64| Some(now + SignedDuration::from_mins(n));
    let end = |house: &House| {
        let snapshot = vchealth::web::Daemon::snapshot(&*house.daemon);
        let incident = snapshot.incidents.iter().find(|it| it.id.as_str() == "cho-don-1").unwrap();
        let id = incident.session.clone().expect("a session");
        snapshot.sessions.iter().find(|it| it.session.id == id).unwrap().session.end
    };
    for (n, (sent, until)) in [
        ("", minutes(30)),
        ("&until=30", minutes(30)),
        ("&until=120", minutes(120)),
        ("&until=over", None),
        ("&until=session", Some(Timestamp::MAX)),
    ]
    .into_iter()
    .enumerate()
    {
        let house = House::open(province::troubled(204));
        let until = until.map(|at| if at == Timestamp::MAX { end(&house) } else { at });
        let link = path("cho-don-1", &format!("n11-{n}"));
        let sent = format!("act=ack&why=calling&name=Lan{sent}");
        assert_eq!(house.ask("POST", &link, &[FORM], &sent).await.status, 303, "{sent}");
        let (_, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
        let Act::Ack(ack) = act else { panic!("an ack") };
        assert_eq!(ack.until, until, "{sent}");
        // Once that is known of the incident, another time is another wish.
        let mut snapshot = province::troubled(204);
        let its = snapshot.incidents.iter_mut().find(|it| it.id.as_str() == "cho-don-1").unwrap();
        Arc::make_mut(its).ack = Some(ack);
        house.daemon.publish(snapshot);
        assert_eq!(house.ask("POST", &link, &[FORM], &sent).await.status, 303, "{sent} again");
        let other =
            house.ask("POST", &link, &[FORM], "act=ack&why=calling&name=Lan&until=45").await;
        assert_eq!(other.status, 409, "{sent}: {}", other.text());
    }
}

#[tokio::test]
async fn two_who_press_the_same_link_at_once_are_one_who_did_and_one_who_is_told() {
    let house = House::open(province::troubled(204));
    let link = path("cho-don-1", "n12");
    let press = async |name: &str| {
        let sent = format!("act=ack&why=calling&name={name}");
        house.ask("POST", &link, &[FORM], &sent).await.status
    };
    let (one, other) = tokio::join!(press("Lan"), press("Nam"));
    let mut both = [one, other];
    both.sort_unstable();
    assert_eq!(both, [303, 409]);
    assert_eq!(house.daemon.link_uses.lock().unwrap().len(), 1);
    for method in ["PUT", "DELETE", "PATCH"] {
        assert_eq!(
            house.ask(method, &link, &[FORM], "act=ack&why=calling&name=x").await.status,
            405
        );
    }
    let long = format!("act=ack&why=calling&name={}", "x".repeat(10_000));
    let other = path("na-ri-1", "n13");
    let reply = house.ask("POST", &other, &[FORM], &long).await;
    assert!(reply.status == 400 && reply.text().contains("tên phải ngắn gọn"), "{}", reply.text());
    let tags = "act=ack&why=calling&name=%3Cscript%3Ealert(1)%3C/script%3E";
    assert_eq!(house.ask("POST", &other, &[FORM], tags).await.status, 303);
    let page = house.get(&other).await.text();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
}

#[tokio::test]
async fn a_link_that_is_over_forged_or_misused_does_nothing_and_says_why() {
    let house = House::open(province::troubled(204));
    let over = path("cao-ky-1", "n3");
    let page = house.get(&over).await;
    assert!(page.text().contains("Sự cố này đã kết thúc"), "{}", page.text());
    assert_eq!(page.status, 410);
    house.ask("POST", &over, &[FORM], "act=ack").await;
    let gone = path("long-gone-1", "n4");
    assert_eq!(house.get(&gone).await.status, 410);
    house.ask("POST", &gone, &[FORM], "act=ack").await;

    let mut old = notification("n5", incident("cho-don-1", "x"), NotificationKind::Firing);
    old.created = province::now().wall - SignedDuration::from_hours(24);
    let links = Links { key: key(), base: String::new() };
    let old = links.of(&old).unwrap();
    let page = house.get(&old).await;
    assert!(page.status == 410 && page.text().contains("hết hạn"), "{}", page.text());
    house.ask("POST", &old, &[FORM], "act=ack").await;

    let good = path("cho-don-1", "n6");
    for (body, why) in [
        ("act=delete", "no such choice"),
        ("act=silence-99999", "no such choice"),
        ("name=x", "`act` is missing"),
        ("act=ack&until=0&name=x", "no such choice"),
        ("act=ack&until=99999999&name=x", "no such choice"),
        ("act=ack&until=never&name=x", "no such choice"),
        ("act=ack&why=calling&name=a%0Ab", "tên phải ngắn gọn trên một dòng"),
        ("act=ack&why=calling&name=%E2%80%AEb", "tên phải ngắn gọn trên một dòng"),
        ("act=ack&name=Lan&note=%E2%80%AEb", "lý do quá dài hoặc có ký tự ẩn"),
    ] {
        let reply = house.ask("POST", &good, &[FORM], body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(reply.text().contains(why), "{body}: {}", reply.text());
    }
    for forged in [format!("{}0", &good[..good.len() - 1]), "/a/x".to_owned(), "/a/%00~".to_owned()]
    {
        let reply = house.ask("POST", &forged, &[FORM], "act=ack").await;
        assert!(reply.status == 404 || forged.ends_with(&good[good.len() - 1..]), "{forged}");
    }
    assert!(house.daemon.link_uses.lock().unwrap().is_empty());

    let mut refused = 0;
    for n in 0..40 {
        refused += usize::from(house.get(&format!("/a/guess-{n}")).await.status == 429);
    }
    assert!(refused >= 15, "guessing gets slow: {refused}");
    assert_eq!(house.get(&good).await.status, 200, "and keeps nobody out");
}

#[tokio::test]
async fn what_somebody_has_is_taken_over_by_link_only_by_whoever_is_asked_and_says_so() {
    let house = House::open(province::troubled(204));
    let link = path("nam-mau-1", "n7");
    let page = house.get(&link).await.text();
    assert!(page.contains("Hà đã tiếp nhận sự cố này lúc"), "{page}");
    assert!(page.contains("Tôi nhận thay Hà"), "{page}");
    // Who presses the button of a page from before somebody had it, or while another one had it.
    for seen in ["", "&over=nam-mau-1+T%C3%BA"] {
        let sent = format!("act=ack&name=Lan&note=%C4%91ang+g%E1%BB%8Di{seen}");
        let reply = house.ask("POST", &link, &[FORM], &sent).await;
        assert_eq!(reply.status, 409);
        for shown in ["Hà đã tiếp nhận sự cố này lúc", "value=\"Lan\"", "value=\"đang gọi\""]
        {
            assert!(reply.text().contains(shown), "{shown}: {}", reply.text());
        }
    }
    assert!(house.daemon.link_uses.lock().unwrap().is_empty());
    let sent = "act=ack&why=calling&name=Lan&over=nam-mau-1+H%C3%A0";
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303);
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    assert_eq!(used.by, "Lan (duty)");
    assert!(matches!(act, Act::Ack(_)));
}

#[tokio::test]
async fn the_link_of_a_digest_offers_all_of_it_and_each_incident_is_taken_on_once() {
    let house = House::open(province::troubled(204));
    let link = digest_path();
    let page = house.get(&link).await.text();
    for shown in ["4 sự cố", "Huyện Chợ Đồn", "Đã tiếp nhận: Hà", "Đã kết thúc lúc"]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let offers = |page: &str| {
        let free = page.matches("name=\"take\"").count();
        let chosen = page.matches(" checked><span><b>").count();
        (free, chosen, page.matches("name=\"over\"").count())
    };
    assert_eq!(offers(&page), (2, 2, 1), "what somebody has is not chosen: {page}");
    let taken = || {
        let uses = house.daemon.link_uses.lock().unwrap();
        uses.iter().map(|(used, _)| used.incident.to_string()).collect::<Vec<_>>()
    };

    for (sent, status, said) in [
        ("act=ack&why=calling&name=Lan", 400, "Hãy chọn ít nhất một sự cố."),
        ("act=ack&why=calling&take=cho-don-1", 400, "hãy ghi tên của bạn"),
        ("act=ack&why=calling&name=Lan&take=cao-ky-1", 400, "Hãy chọn ít nhất một sự cố."),
        ("act=ack&why=calling&name=Lan&take=elsewhere-1", 400, "Hãy chọn ít nhất một sự cố."),
        (
            "act=ack&why=calling&name=Lan&take=nam-mau-1",
            409,
            "Có sự cố vừa có người khác tiếp nhận",
        ),
        ("act=silence-1&take=cho-don-1", 400, "there is no such choice"),
    ] {
        let reply = house.ask("POST", &link, &[FORM], sent).await;
        assert_eq!(reply.status, status, "{sent}: {}", reply.text());
        assert!(reply.text().contains(said), "{sent}: {}", reply.text());
    }
    assert!(taken().is_empty());

    let sent = "act=ack&why=calling&name=Lan&take=cho-don-1";
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303);
    assert_eq!(taken(), ["cho-don-1"]);
    assert_eq!(offers(&house.get(&link).await.text()), (1, 1, 1), "the rest is still there");
    let sent = "act=ack&why=calling&name=Lan&take=cho-don-1&take=na-ri-1&over=nam-mau-1+H%C3%A0";
    assert_eq!(house.ask("POST", &link, &[FORM], sent).await.status, 303);
    let mut all = taken();
    all.sort();
    assert_eq!(all, ["cho-don-1", "na-ri-1", "nam-mau-1"], "each once");
    let page = house.get(&link).await;
    assert!(page.status == 200 && !page.text().contains("<button"), "{}", page.text());
    let own = "act=ack&why=calling&name=Lan&take=na-ri-1&over=nam-mau-1+H%C3%A0";
    assert_eq!(house.ask("POST", &link, &[FORM], own).await.status, 303, "pressed twice");
    let late =
        house.ask("POST", &link, &[FORM], "act=ack&why=calling&name=T%C3%BA&take=na-ri-1").await;
    assert_eq!(late.status, 409);
    assert!(late.text().contains("KHÔNG ghi nhận thêm gì"), "{}", late.text());
    assert_eq!(taken().len(), 3);
}

#[tokio::test]
async fn planned_work_is_announced_listed_and_ended() {
    let mut snapshot = province::troubled(204);
    snapshot.maintenance = vec![province::maintenance("m-1")];
    let house = House::open(snapshot);
    let until = province::now().wall + SignedDuration::from_hours(3);
    let body = json!({ "sites": ["cho-don"], "until": until, "by": "Hà", "reason": "thay router" });
    let reply = house.post("/api/v1/maintenance", &body).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    let window = house.daemon.windows.lock().unwrap()[0].clone();
    assert_eq!((window.from, window.until), (province::now().wall, until));
    assert_eq!(reply.header("location"), format!("/api/v1/maintenance/{}", window.id));
    assert_eq!(house.ask("DELETE", "/api/v1/maintenance/m-1", &[], "").await.status, 204);
    assert_eq!(house.ask("DELETE", "/api/v1/maintenance/nope", &[], "").await.status, 404);
    for (bad, why) in [
        (json!({ "sites": [], "until": until, "by": "Hà", "reason": "x" }), "1 to 1000"),
        (json!({ "sites": ["cho-dan"], "until": until, "by": "Hà", "reason": "x" }), "no site"),
        (
            json!({ "sites": ["cho-don"], "until": until, "by": "Hà", "reason": " " }),
            "what is done",
        ),
        (json!({ "sites": ["cho-don"], "until": until, "by": "Hà" }), "missing field `reason`"),
    ] {
        let reply = house.post("/api/v1/maintenance", &bad).await;
        assert_eq!(reply.status, 400, "{bad}");
        assert!(reply.text().contains(why), "{}", reply.text());
    }
}

/// A receiver of webhooks that keeps what came.
pub(crate) struct Duty {
    pub(crate) address: String,
    posts: Arc<Mutex<Vec<Value>>>,
    /// Requests that post nothing: signs of life.
    pub(crate) beats: Arc<AtomicUsize>,
}

impl Duty {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let posts: Arc<Mutex<Vec<Value>>> = Arc::default();
        let beats: Arc<AtomicUsize> = Arc::default();
        let (kept, counted) = (Arc::clone(&posts), Arc::clone(&beats));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let post = answer(stream);
                counted.fetch_add(usize::from(post.is_none()), Ordering::SeqCst);
                kept.lock().unwrap().extend(post);
            }
        });
        Self { address, posts, beats }
    }

    /// The annotations of the last alert with this status, once there is one.
    fn wait_for(&self, status: &str) -> Value {
        wait(|| {
            let posts = self.posts.lock().unwrap();
            let found = posts.iter().rev().find(|post| post["alerts"][0]["status"] == status);
            found.map(|post| post["alerts"][0]["annotations"].clone())
        })
    }
}

/// Reads a request and says yes; gives its JSON.
fn answer(mut stream: TcpStream) -> Option<Value> {
    let (head, body) = read(&mut stream)?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
    head.starts_with("POST").then(|| serde_json::from_slice(&body).ok()).flatten()
}

/// The head and the body of one message of HTTP.
pub(crate) fn read(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            let length: usize = length.unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                return Some((head, bytes[end + 4..end + 4 + length].to_vec()));
            }
        }
        match stream.read(&mut piece).ok()? {
            0 => return None,
            n => bytes.extend_from_slice(&piece[..n]),
        }
    }
}

/// Asks the program's web server. A body is a form.
pub(crate) fn ask(address: &str, method: &str, path: &str, form: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let length = form.len();
    let kind = match form {
        "" => "",
        _ => "Content-Type: application/x-www-form-urlencoded\r\n",
    };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{kind}\
         Content-Length: {length}\r\n\r\n{form}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (head, body) = read(&mut stream).expect("an answer");
    (head, String::from_utf8(body).unwrap())
}

pub(crate) fn wait<T>(what: impl Fn() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < end, "it does not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The program, killed when the test is over.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn run(dir: &Path) -> Running {
    let child = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["run", "--config"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    Running(child.expect("the program starts"))
}

fn command(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vchealth"));
    command.args(args).env("USER", "ha").env_remove("SUDO_USER").output().expect("it runs")
}

/// What a command prints; it must succeed.
pub(crate) fn said(args: &[&str]) -> String {
    let output = command(args);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// A configuration with one site on this machine, one of whose ports is a service.
fn configure(dir: &Path, listen: &str, duty: &str, dead_port: u16) {
    std::fs::create_dir_all(dir).unwrap();
    let state = dir.join("state");
    let settings = format!(
        "listen: {listen}\nstate_dir: {}\npublic_url: http://{listen}/\nlanguage: vi\n\
         heartbeat: {{url: \"http://{duty}/beat\", every: 10s}}\n\
         channels: {{duty: {{kind: webhook, url: \"http://{duty}/\"}}}}\n\
         people: {{ha: {{name: Đàm Thị Hà, channels: [duty]}}, tu: {{name: Lý A Tú, channels: [duty]}}}}\n\
         rotas: {{truc: {{otherwise: [ha]}}}}\n\
         checks: {{dead: {{kind: tcp, port: {dead_port}, timeout: 500ms, pace: 1s, confirm_after: 1s}}}}\n",
        state.display()
    );
    let sites = "levels: [{id: commune, name: Xã}]\n\
                 classes: {commune: {level: commune, endpoints: [{id: router, checks: [ping]}, {id: codec, checks: [ping, dead]}]}}\n\
                 sites: [{id: tan-lap, name: Xã Tân Lập, router: 127.0.0.1, codec: 127.0.0.2}]\n";
    std::fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    std::fs::write(dir.join("sites.yaml"), sites).unwrap();
    std::fs::write(dir.join("sessions.yaml"), "sessions: []\n").unwrap();
}

/// The program with an incident of which people were told, and the path of the link in that.
fn run_with_a_fault(dir: &Path, listen: &str, duty: &Duty) -> (Running, String) {
    let service = TcpListener::bind("127.0.0.2:0").unwrap();
    configure(dir, listen, &duty.address, service.local_addr().unwrap().port());
    let running = run(dir);
    // What never worked is no fault, so it works at first.
    wait(|| TcpStream::connect(listen).ok());
    wait(|| {
        let (_, site) = ask(listen, "GET", "/api/v1/sites/tan-lap", "");
        let site: Value = serde_json::from_str(&site).ok()?;
        (site["endpoints"][1]["targets"][1]["health"] == "up").then_some(())
    });
    drop(service);
    let annotations = duty.wait_for("firing");
    let link = annotations["ack_url"].as_str().expect("a link").to_owned();
    let path = link.strip_prefix(&format!("http://{listen}")).expect("our address").to_owned();
    (running, path)
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The whole way: a fault is told with a link, the link is used from a phone, the program is killed
/// in the same moment and remembers; the command line does the rest.
#[test]
fn a_link_from_a_real_message_acts_once_even_over_a_crash_and_commands_do_the_rest() {
    let scratch = Scratch::new("acting");
    let dir = scratch.path();
    let duty = Duty::open();
    let listen = format!("127.0.0.1:{}", free_port());
    let (running, path) = run_with_a_fault(dir, &listen, &duty);
    wait(|| (duty.beats.load(Ordering::SeqCst) > 0).then_some(()));
    let (head, page) = ask(&listen, "GET", &path, "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}\n{page}");
    assert!(page.contains("Xã Tân Lập"), "{page}");
    let (head, _) = ask(&listen, "POST", &path, "act=ack&why=calling&name=Nguyen+Ha");
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    // What was confirmed is on disk: the program gets no time to tidy up.
    let config = dir.to_str().unwrap();
    let hand = ["duty", "--to", "Lý A Tú", "--for", "8h", "--reason", "bị ốm", "--config", config];
    let handed = said(&hand);
    assert!(handed.starts_with("Lý A Tú has the duty by truc until "), "{handed}");
    drop(running);

    let running = run(dir);
    wait(|| TcpStream::connect(&listen).ok());
    let on_duty = said(&["duty", "--config", config]);
    assert!(
        on_duty.starts_with("truc: Lý A Tú until ") && on_duty.contains(": bị ốm"),
        "{on_duty}"
    );
    assert!(said(&["duty", "truc", "--end", "--config", config]).contains("is the rota's again"));
    assert_eq!(said(&["duty", "--config", config]), "truc: Đàm Thị Hà\n");
    let (_, page) = ask(&listen, "GET", &path, "");
    assert!(page.contains("Đã tiếp nhận lúc") && page.contains("Nguyen Ha (duty)"), "{page}");
    let (head, page) = ask(&listen, "POST", &path, "act=silence-4");
    assert!(head.starts_with("HTTP/1.1 409") && page.contains("KHÔNG tạm tắt"), "{head}\n{page}");
    let taken_until = json_of(&ask(&listen, "GET", "/api/v1/incidents", "").1);
    let ack = &taken_until["incidents"][0]["ack"];
    let lasts = |ack: &Value| -> SignedDuration {
        let at = |it: &Value| it.as_str().expect("a moment").parse::<Timestamp>().unwrap();
        at(&ack["until"]).duration_since(at(&ack["at"]))
    };
    assert_eq!(lasts(ack), SignedDuration::from_hours(8), "no session is near");
    assert_eq!(said(&["silence", "--config", config]), "nothing is silenced\n");

    let listed = said(&["incidents", "--config", config]);
    assert!(listed.contains("taken on by Nguyen Ha (duty)"), "{listed}");
    let id = listed.lines().next().unwrap().to_owned();
    let taken = command(&["ack", &id, "--reason", "x", "--config", config]);
    let refusal = String::from_utf8_lossy(&taken.stderr).into_owned();
    assert!(
        !taken.status.success() && refusal.contains("Nguyen Ha (duty) took this on at 20"),
        "{refusal}"
    );
    assert!(refusal.contains(" +07; `--take-over` relieves"), "{refusal}");
    let over =
        ["ack", &id, "--take-over", "--for", "30m", "--reason", "đang đi", "--config", config];
    let taken = said(&over);
    assert!(taken.starts_with(&format!("{id} is taken on until ")), "{taken}");
    assert!(said(&["incidents", "--config", config]).contains("taken on by ha at"));
    let taken = said(&["ack", "Xã Tân Lập", "--for", "over", "--reason", "x", "--config", config]);
    let whole = format!("{id} is taken on until it is over;");
    assert!(taken.starts_with(&whole), "the only one there: {taken}");
    let session = command(&["ack", &id, "--for", "session", "--reason", "x", "--config", config]);
    let refusal = String::from_utf8_lossy(&session.stderr).into_owned();
    assert!(!session.status.success() && refusal.contains("touches no session"), "{refusal}");
    let at = format!("http://{listen}");
    let set = said(&["silence", "Xã Tân Lập", "--for", "2h", "--reason", "kéo cáp", "--at", &at]);
    assert!(set.starts_with("tan-lap is silenced until "), "{set}");
    assert!(set.contains(" +07; end it"), "in the time zone of the daemon, wherever we are: {set}");
    assert!(said(&["silence", "--config", config]).contains("by ha: kéo cáp"));
    let listed = said(&["incidents", "--config", config]);
    let silenced = listed.lines().find(|it| it.starts_with("    silenced: tan-lap, ")).unwrap();
    assert!(silenced.ends_with(" +07, by ha: kéo cáp"), "{listed}");
    let by = ["unsilence", "tan-lap", "--by", "Hùng", "--config", config];
    assert!(said(&by).contains("is over"));
    let work = ["maintenance", "tan-lap", "--for", "1h", "--reason", "thay router"];
    let set = said(&[&work[..], &["--config", config]].concat());
    let end = set.trim_end().rsplit(' ').next().unwrap().to_owned();
    assert!(said(&["maintenance", "--config", config]).contains("by ha: thay router"));
    let listed = said(&["incidents", "--config", config]);
    assert!(listed.contains("\n    planned work: tan-lap, "), "{listed}");
    assert!(
        listed.contains(" +07, by ha: thay router") && !listed.contains("silenced"),
        "{listed}"
    );
    assert!(said(&["maintenance", "--end", &end, "--config", config]).contains("is over"));

    for (args, code, why) in [
        (&["ack", "nothing", "--reason", "x", "--at", &at][..], 1, "there is no such incident"),
        (&["ack", &id, "--at", &at], 64, "say what you do about it, such as `--reason"),
        (
            &["silence", "tan-lpa", "--for", "1h", "--reason", "x", "--at", &at],
            1,
            "did you mean `tan-lap`?",
        ),
        (
            &["silence", "xa Tân lập", "--for", "1h", "--reason", "x", "--at", &at],
            1,
            "did you mean `Xã Tân Lập`?",
        ),
        (&["silence", "tan-lap", "--at", &at], 64, "say for how long"),
        (&["silence", "tan-lap", "--for", "1h", "--at", &at], 64, "say why, such as `--reason"),
        (&["unsilence", "tan-lap", "--at", &at], 1, "no silence tan-lap"),
        (&["duty", "--to", "tu", "--at", &at], 64, "say for how long"),
        (&["duty", "--to", "tu", "--for", "1h", "--at", &at], 64, "say why, such as `--reason"),
        (&["duty", "--for", "1h", "--at", &at], 64, "say who takes over"),
        (&["duty", "--end", "--at", &at], 1, "is not handed over, or no longer"),
        (&["maintenance", "tan-lap", "--for", "1h", "--at", &at], 64, "say what is done"),
        (&["incidents", "--at", "http://127.0.0.1:1"], 1, "is `vchealth run` running"),
    ] {
        let output = command(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(why), "{args:?}: {stderr}");
    }
    drop(running);
}

/// While the disk takes nothing people are shown what they did, and told that it may be forgotten.
/// What is said to be kept outlives a kill in the same moment.
#[test]
fn what_the_disk_has_not_taken_is_never_confirmed_without_saying_so() {
    let scratch = Scratch::new("unkept");
    let dir = scratch.path();
    let duty = Duty::open();
    let listen = format!("127.0.0.1:{}", free_port());
    // Nor is there room of its own for what the database does not take.
    std::fs::create_dir_all(dir.join("state/spare")).unwrap();
    let (running, link) = run_with_a_fault(dir, &listen, &duty);
    let (database, aside) = (dir.join("state/vchealth.db"), dir.join("state/aside"));
    // Another file in the place of the database is not written to.
    let trouble = || {
        std::fs::rename(&database, &aside).unwrap();
        std::fs::write(&database, "somebody else's").unwrap();
    };
    let mend = || std::fs::rename(&aside, &database).unwrap();
    let forgotten = "if the monitor stops before it has, it is forgotten";
    let (at, site) = (format!("http://{listen}"), "Xã Tân Lập");
    let config = dir.to_str().unwrap();
    let refusal = |args: &[&str]| {
        let output = command(&[args, &["--at", &at]].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let set = said(&["silence", site, "--for", "2h", "--reason", "kéo cáp", "--at", &at]);
    assert!(set.starts_with("tan-lap is silenced until "), "{set}");

    trouble();
    for args in [
        &["ack", site, "--reason", "on the way"][..],
        &["unsilence", "tan-lap"],
        &["maintenance", site, "--for", "1h", "--reason", "new router"],
    ] {
        let told = refusal(args);
        assert!(told.contains("it is done, but") && told.contains(forgotten), "{args:?}: {told}");
    }
    let (head, _) = ask(&listen, "POST", &link, "act=ack&why=calling&name=Ha&over=x");
    assert!(head.starts_with("HTTP/1.1 409"), "all the same everybody goes by it: {head}");
    let id = said(&["incidents", "--at", &at]).lines().next().unwrap().to_owned();
    let over = format!("act=ack&why=calling&name=Nguyen+Ha&over={id}+ha");
    let (head, _) = ask(&listen, "POST", &link, &over);
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    let page = || ask(&listen, "GET", &link, "").1;
    let unkept = "chưa ghi được vào đĩa";
    assert!(page().contains("Đã tiếp nhận lúc") && page().contains(unkept), "{}", page());
    drop(running);
    mend();

    // What was forgotten is what they were told about.
    let running = run(dir);
    wait(|| TcpStream::connect(&listen).ok());
    assert!(page().contains("Tôi tiếp nhận xử lý"), "{}", page());
    assert!(said(&["silence", "--config", config]).contains("tan-lap"));
    assert_eq!(said(&["maintenance", "--config", config]), "no work is planned\n");

    trouble();
    let (head, _) = ask(&listen, "POST", &link, "act=ack&why=calling&name=Nguyen+Ha");
    assert!(head.starts_with("HTTP/1.1 303"), "{head}");
    assert!(page().contains(unkept), "{}", page());
    mend();
    // As soon as nobody is warned any more, it is there for good.
    wait(|| (!page().contains(unkept)).then_some(()));
    drop(running);
    let running = run(dir);
    wait(|| TcpStream::connect(&listen).ok());
    assert!(page().contains("Nguyen Ha (duty)") && !page().contains(unkept), "{}", page());
    drop(running);
}

#[test]
fn a_template_with_a_mistake_is_told_with_its_place_before_it_is_needed() {
    let scratch = Scratch::new("templates");
    let dir = scratch.path();
    configure(dir, "127.0.0.1:1", "127.0.0.1:1", 1);
    let config = dir.to_str().unwrap();
    let templates = dir.join("templates/vi");
    std::fs::create_dir_all(&templates).unwrap();
    std::fs::write(templates.join("summary.txt"), "{{ severity | upper }} {{ default.summary }}\n")
        .unwrap();
    let sound = said(&["check-config", "--config", config]);
    assert!(sound.contains("Texts of your own: vi/summary."), "{sound}");

    std::fs::write(templates.join("action.txt"), "Gọi ngay.\n{{ sitee }}\n").unwrap();
    std::fs::write(templates.join("contact.txt"), "{{ contacts[0].name }}\n").unwrap();
    let output = command(&["check-config", "--config", config]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{stderr}");
    for told in [
        "templates/vi/action.txt:2:4: error: undefined value",
        "2 | {{ sitee }}",
        "a template knows kind, over",
        "templates/vi/contact.txt:1:",
        "2 problems in 2 files",
    ] {
        assert!(stderr.contains(told), "{told} in {stderr}");
    }

    std::fs::write(templates.join("sumary.txt"), "x").unwrap();
    let output = command(&["check-config", "--config", config]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("sumary.txt:1:1: error: no part of a message"), "{stderr}");
}

/// Whoever checks, starts or reloads learns that a key is not there, and not only whoever waits for
/// the message.
#[test]
fn a_key_that_is_not_there_is_told_when_it_is_checked_at_the_start_and_at_a_reload() {
    let scratch = Scratch::new("lacks");
    let dir = scratch.path();
    let listen = format!("127.0.0.1:{}", free_port());
    configure(dir, &listen, "127.0.0.1:1", 1);
    let settings = dir.join("vchealth.yaml");
    let key = dir.join("token");
    let bot = format!(
        "channels: {{bot: {{kind: telegram, token_file: {}, chats: [1]}}, duty:",
        key.display()
    );
    let with_bot = std::fs::read_to_string(&settings).unwrap().replace("channels: {duty:", &bot);
    std::fs::write(&settings, with_bot).unwrap();
    let checked = said(&["check-config", "--config", dir.to_str().unwrap()]);
    assert!(checked.contains("note: channel bot: the file "), "{checked}");

    let log = dir.join("log");
    let child = Command::new(env!("CARGO_BIN_EXE_vchealth"))
        .args(["run", "--config"])
        .arg(dir)
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&log).unwrap())
        .stderr(std::fs::File::options().append(true).open(&log).unwrap())
        .spawn();
    let running = Running(child.expect("the program starts"));
    let warned = |times: usize| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        let is_told =
            |line: &&str| line.contains("WARN") && line.contains("channel bot: the file ");
        (log.lines().filter(is_told).count() == times).then_some(())
    };
    wait(|| warned(1));
    wait(|| TcpStream::connect(&listen).ok());
    let (head, _) = ask(&listen, "POST", "/-/reload", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    wait(|| warned(2));
    drop(running);
}

/// Whoever was told of a drill hears its end, and of no second one, though the program dies in the
/// middle of it.
#[test]
fn a_drill_in_the_middle_of_which_the_program_is_killed_goes_on_and_ends() {
    let scratch = Scratch::new("drill");
    let dir = scratch.path();
    let duty = Duty::open();
    // Takes connections and never says a word, so that the drill is not over before.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    configure(dir, &listen, &duty.address, 1);
    let settings = std::fs::read_to_string(dir.join("vchealth.yaml")).unwrap();
    let channel =
        format!("mute: {{kind: webhook, url: \"http://{}/\"}}", mute.local_addr().unwrap());
    let settings = settings.replace("channels: {", &format!("channels: {{{channel}, "));
    let settings = settings + "drill: {before: 2h, accept_within: 5s}\n";
    std::fs::write(dir.join("vchealth.yaml"), settings).unwrap();
    let start = Timestamp::now() + Duration::from_secs(3_600);
    let start = TimeZone::fixed(Offset::constant(7)).to_datetime(start);
    let start = start.strftime("%Y-%m-%d %H:%M").to_string();
    let sessions = format!(
        "sessions: [{{id: giao-ban, title: Giao ban, start: {start}, duration: 2h, \
         sites: {{levels: [commune]}}}}]\n"
    );
    std::fs::write(dir.join("sessions.yaml"), sessions).unwrap();
    // Incident and message of every post about a drill with this status.
    let told = |status: &str| -> Vec<(String, String)> {
        let posts = duty.posts.lock().unwrap();
        let alerts = posts.iter().map(|post| &post["alerts"][0]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let alerts = alerts.filter(|alert| alert["status"] == status);
        alerts
            .map(|it| (text(&it["labels"]["incident"]), text(&it["annotations"]["notification"])))
            .filter(|(incident, _)| incident.starts_with("drill."))
            .collect()
    };
    let running = run(dir);
    wait(|| (!told("firing").is_empty()).then_some(()));
    drop(running);
    assert!(told("resolved").is_empty());
    let said = duty.posts.lock().unwrap()[0]["alerts"][0]["annotations"]["description"].to_string();
    assert!(said.contains("codec (sip): "), "what the hands saw of a device: {said}");

    let running = run(dir);
    let over = wait(|| told("resolved").pop());
    drop(running);
    let begun: BTreeSet<(String, String)> = told("firing").into_iter().collect();
    assert_eq!(begun.len(), 1, "whatever is repeated carries the same id: {begun:?}");
    assert!(begun.iter().all(|(incident, _)| *incident == over.0), "{begun:?} {over:?}");
}
