//! The board: what its pages say, and how they behave in a real browser.

#[path = "board/acts.rs"]
mod acts;
#[path = "board/history.rs"]
mod history;
#[path = "board/keyboard.rs"]
mod keyboard;
#[path = "board/pages.rs"]
mod pages;
#[path = "board/pictures.rs"]
mod pictures;
#[path = "board/roles.rs"]
mod roles;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vchealth::model::{
    ChannelId, Health, IncidentId, Quieted, SelfDoubt, SiteId, Snapshot, Standing, StoreTrouble,
    Waits,
};
use vchealth::web::{Limits, ReloadError};

use crate::browser::Browser;
use crate::province;
use crate::web::House;

/// Longer than anything here takes on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The texts of a page without its tags, with single spaces.
fn words(page: &str) -> String {
    let body = page.split("<body").nth(1).expect("a body");
    let body = body.split("<dialog").next().unwrap_or_default();
    let mut text = String::new();
    for piece in body.split('<') {
        text += piece.split_once('>').map_or(piece, |(_, after)| after);
        text.push(' ');
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_board_tells_what_fails_why_since_when_and_whom_to_phone() {
    let house = House::open(province::troubled(204));
    let reply = house.get("/").await;
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    let page = reply.text();
    assert!(page.starts_with("<!DOCTYPE html><html lang=\"vi\">"));
    let text = words(&page);
    for said in [
        "✓ 180 /204 kết nối tốt",
        "! 1 suy giảm",
        // The line is cut at 21 sites; at one the line is well and the codec is not.
        "◆ 1 hỏng thiết bị",
        "✕ 21 mất kết nối",
        "đại biểu bị ảnh hưởng",
        "Sự cố đang mở 3",
        "Điểm cầu Huyện Chợ Đồn mất kết nối từ 07:38 · 4 phút",
        "21 điểm cầu bị ảnh hưởng · 1.113 đại biểu",
        "Thiết bị codec tại điểm cầu Xã Nam Mẫu không phản hồi",
        "Gọi Cán bộ trực 0209 3870 000",
        "Đã tiếp nhận: Hà lúc 07:33 – đang gọi xã",
        "Việc cần làm",
        "Đang họp Phiên họp UBND tỉnh tháng 11 còn 2 giờ 18 phút 07:30–10:00",
        "? Xã Cổ Linh : chưa rõ",
        "✓ Xã Tân Sơn : kết nối tốt, bảo trì",
        "Vừa thay đổi",
    ] {
        assert!(
            text.contains(said),
            "{said:?} is not in {}",
            &text[..text.floor_char_boundary(6000)]
        );
    }
    // Explained by the cut line, hence no incident of its own.
    assert!(!text.contains("Điểm cầu Xã Tân Lập mất kết nối"));
    assert_eq!(page.matches("<a class=\"c ").count(), 204, "every site has one cell");
}

#[tokio::test]
async fn the_board_speaks_english_when_asked_and_remembers() {
    let house = House::open(province::troubled(204));
    let reply = house.get("/?lang=en").await;
    assert!(reply.header("set-cookie").starts_with("lang=en;"));
    let page = reply.text();
    assert!(page.contains("<html lang=\"en\">"));
    let text = words(&page);
    for said in ["✕ 21 lost", "Huyện Chợ Đồn offline", "Live", "ends in 2 h 18 min"] {
        assert!(
            text.contains(said),
            "{said:?} is not in {}",
            &text[..text.floor_char_boundary(6000)]
        );
    }
    let kept = house.ask("GET", "/", &[("Cookie", "x=1; lang=en")], "").await;
    assert!(kept.text().contains("<html lang=\"en\">"));
    let back = house.ask("GET", "/?lang=vi", &[("Cookie", "lang=en")], "").await;
    assert!(back.text().contains("<html lang=\"vi\">"));
    for unknown in ["/?lang=fr", "/?lang=", "/?lang=%3Cscript%3E"] {
        assert!(house.get(unknown).await.text().contains("<html lang=\"vi\">"), "{unknown}");
    }
}

#[tokio::test]
async fn what_is_over_stands_on_the_board_while_somebody_has_yet_to_hear_it() {
    let mut snapshot = province::troubled(204);
    let over = snapshot.incidents.iter_mut().find(|it| it.id.as_str() == "cho-don-1").unwrap();
    let over = Arc::make_mut(over);
    over.resolved = Some(snapshot.taken.wall);
    over.held_back = vec![ChannelId::new("duty")];
    let zalo = Waits {
        channel: ChannelId::new("zalo"),
        people: vec!["Lan".to_owned()],
        not_before: Some(snapshot.taken.wall + Duration::from_secs(5_400)),
    };
    let until = snapshot.taken.wall + Duration::from_secs(3_600);
    over.quiet = Some(Quieted { until, whom: vec![zalo] });
    let house = House::open(snapshot);
    for (path, all) in [
        (
            "/",
            [
                "Chưa báo đã khắc phục Điểm cầu Huyện Chợ Đồn mất kết nối, đã hết từ 07:42",
                "Chưa báo đã khắc phục : Lan (zalo) (sớm nhất 09:12); chờ hết giờ yên lặng, đến 08:42",
                "Tạm giữ tin đã khắc phục : duty; chờ đến khi ổn định và còn lượt gửi trong giờ",
            ],
        ),
        (
            "/?lang=en",
            [
                "Not told yet to be over Site Huyện Chợ Đồn offline, over since 07:42",
                "Not told yet that it is over : Lan (zalo) (not before 09:12); quiet hours until 08:42",
                "Held back that it is over : duty; until that has lasted and the hour has room",
            ],
        ),
    ] {
        let text = words(&house.get(path).await.text());
        for said in all {
            assert!(text.contains(said), "{said:?} is not in {text}");
        }
    }
}

#[tokio::test]
async fn the_board_needs_nothing_from_elsewhere() {
    let mut snapshot = province::troubled(204);
    let hostile = "<script>alert(1)</script>\"'><img src=http://evil.example/x>";
    let topology = Arc::make_mut(&mut snapshot.topology);
    hostile.clone_into(&mut topology.sites[40].name);
    hostile.clone_into(&mut topology.sites[0].name);
    let house = House::open(snapshot);
    for path in ["/", "/?lang=en"] {
        let reply = house.get(path).await;
        let policy = reply.header("content-security-policy").to_owned();
        for part in ["default-src 'none'", "script-src 'self';", "style-src 'self';"] {
            assert!(policy.contains(part), "{policy}");
        }
        let page = reply.text();
        assert_eq!(page.matches("<script").count(), 2, "the script, and its words");
        assert!(!page.contains("<img"), "{path}");
        assert!(page.contains("&lt;script&gt;alert(1)"), "{path}");
        for link in page.split("href=\"").chain(page.split(" src=\"")).skip(1) {
            let inside = ["/", "?", "#", "tel:", "data:,", "<!"].iter();
            assert!(inside.clone().any(|from| link.starts_with(*from)), "{}", &link[..40]);
        }
    }
}

#[tokio::test]
async fn every_page_and_all_it_needs_is_small() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let gzip = [("Accept-Encoding", "gzip")];
    for path in [
        "/",
        "/sites/nam-mau",
        "/sites/nam-mau/history?hours=168",
        "/sites/bac-kan",
        "/incidents/na-ri-1",
        "/sessions",
        "/sessions/2023-11-24-ubnd",
        "/sessions/2023-11-24-giao-ban/readiness",
        "/sessions/2023-11-24-ubnd/readiness",
        &format!("/sessions/{}/report", crate::report::small().id),
    ] {
        let page = house.get(path).await;
        assert_eq!(page.status, 200, "{path}");
        let page = page.text();
        // What is not compressed by us is sent as it is.
        let mut bytes = house.ask("GET", path, &gzip, "").await.body.len();
        for asset in page.split('"').filter(|it| it.starts_with("/assets/")) {
            let reply = house.ask("GET", asset, &gzip, "").await;
            assert_eq!(reply.status, 200, "{asset}");
            assert!(reply.header("cache-control").contains("immutable"), "{asset}");
            bytes += reply.body.len();
        }
        println!("{path} of 204 sites: {bytes} bytes with style and script");
        assert!(bytes < 100_000, "{path}: {bytes}");
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let house = House::open(province::troubled(204));
    let page = house.get("/").await.text();
    let assets = page.split('"').filter(|it| it.starts_with("/assets/")).map(str::to_owned);
    let document = "/api/v1/openapi.json".to_owned();
    for fixed in assets.chain([document]) {
        let first = house.get(&fixed).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with("W/\"") && !first.body.is_empty(), "{fixed}: {tag}");
        for encoding in ["gzip", "identity"] {
            let known = [("If-None-Match", tag.as_str()), ("Accept-Encoding", encoding)];
            let again = house.ask("GET", &fixed, &known, "").await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{fixed}");
            for kept in ["etag", "cache-control", "vary"] {
                assert_eq!(again.header(kept), first.header(kept), "{fixed}");
            }
        }
        let other = [("If-None-Match", "\"0\"")];
        assert_eq!(house.ask("GET", &fixed, &other, "").await.status, 200, "{fixed}");
    }
    let old = house.get("/assets/0123456789abcdef.css").await;
    assert_eq!((old.status, old.header("cache-control")), (200, "no-store"));
    assert_eq!(house.get("/assets/passwd").await.status, 404);
    // What changes with every moment is not kept.
    for path in ["/", "/sites/nam-mau", "/api/v1/sites", "/metrics"] {
        assert_eq!(house.get(path).await.header("cache-control"), "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_service_that_never_worked_is_marked_and_said_to_be_no_incident() {
    let page = |seen_up: bool| async move {
        let mut snapshot = province::quiet(204);
        let topology = Arc::clone(&snapshot.topology);
        let site = topology.find_site(&SiteId::new("nam-mau")).unwrap();
        let codec = topology.site(site).endpoints[1];
        let service = *topology.endpoint(codec).targets.last().unwrap();
        let view = &mut snapshot.targets[service.ix()];
        (view.standing.hard, view.seen_up) = (Health::Down, seen_up);
        let house = House::open(snapshot);
        let api = house.get("/api/v1/sites/nam-mau").await.text();
        (words(&house.get("/sites/nam-mau").await.text()), api)
    };
    let (text, api) = page(false).await;
    assert!(text.contains("chưa từng hoạt động"), "{text}");
    assert!(text.contains("Dịch vụ chưa từng hoạt động không bị coi là sự cố"), "{text}");
    assert!(api.contains("\"seen_up\":false"), "{api}");
    let (text, api) = page(true).await;
    assert!(!text.contains("chưa từng hoạt động"), "{text}");
    assert!(!api.contains("\"seen_up\":false"), "{api}");
}

#[tokio::test]
async fn the_board_says_when_it_cannot_see_or_tell() {
    let mut snapshot = province::quiet(204);
    snapshot.monitor.blind = true;
    snapshot.monitor.reasons = vec![SelfDoubt::ProbesFail { how: "no-route".to_owned() }];
    let house = House::open(snapshot);
    *house.daemon.trouble.lock().unwrap() = Some(StoreTrouble::Full { dir: "/var/lib".into() });
    *house.daemon.reload.lock().unwrap() =
        Err(ReloadError::Refused("sites.yaml:3:5: unknown parent\nmore".to_owned()));
    let text = words(&house.get("/").await.text());
    for said in [
        "không quan sát được mạng",
        "máy giám sát không gửi được phép đo (không có đường ra mạng)",
        "Không lưu được gì lúc này: đĩa chứa /var/lib đã đầy.",
        "Cấu hình mới bị từ chối, cấu hình cũ vẫn chạy (07:42). sites.yaml:3:5: unknown parent",
        "Kênh cảnh báo webhook không gửi được",
        "Kênh cảnh báo sms: người nhận 2 không nhận được tin nữa",
        "eSMS trả lời 108",
        "Không có sự cố nào.",
        "Không có phiên họp nào sắp tới",
    ] {
        assert!(
            text.contains(said),
            "{said:?} is not in {}",
            &text[..text.floor_char_boundary(6000)]
        );
    }
    assert!(!text.contains("more"), "one line is enough");
}

/// What a stream says, event by event.
struct Stream {
    connection: TcpStream,
    text: String,
}

impl Stream {
    async fn open(house: &House, after: &str) -> Self {
        Self::ask(house, &format!("/live?after={after}")).await
    }

    async fn ask(house: &House, path: &str) -> Self {
        let mut connection = house.connect().await;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        connection.write_all(request.as_bytes()).await.expect("sent");
        Self { connection, text: String::new() }
    }

    /// The data of the next event of this kind.
    async fn next(&mut self, kind: &str) -> Value {
        let head = format!("event: {kind}\ndata: ");
        let reading = async {
            loop {
                if let Some((_, rest)) = self.text.split_once(&head)
                    && let Some((data, rest)) = rest.split_once("\n\n")
                {
                    let data = serde_json::from_str(data).expect("JSON");
                    self.text = rest.to_owned();
                    return data;
                }
                let mut some = [0; 16 << 10];
                let read = self.connection.read(&mut some).await.expect("it reads");
                assert!(read > 0, "the stream ended before {kind}: {}", self.text);
                self.text += std::str::from_utf8(&some[..read]).expect("text");
            }
        };
        tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("no {kind}"))
    }
}

fn place(page: &str) -> String {
    page.split("data-place=\"")
        .nth(1)
        .and_then(|it| it.split('"').next())
        .expect("a place")
        .to_owned()
}

fn with_lost(site: &str) -> Snapshot {
    let mut snapshot = province::quiet(204);
    let ix = snapshot.topology.find_site(&SiteId::new(site)).expect("a site");
    let since = Some(province::now().wall.into());
    province::site_mut(&mut snapshot, ix).standing =
        Standing { hard: Health::Down, soft: Health::Down, since };
    for endpoint in &snapshot.topology.site(ix).endpoints {
        snapshot.endpoints[endpoint.ix()].standing = snapshot.sites[ix.ix()].standing;
    }
    snapshot
}

#[tokio::test]
async fn whoever_follows_is_told_only_what_changed() {
    let house = House::open(province::quiet(204));
    let seen = place(&house.get("/").await.text());
    let mut stream = Stream::open(&house, &seen).await;
    stream.next("beat").await;
    house.daemon.publish(with_lost("tan-lap"));
    let delta = stream.next("delta").await;
    let cells = delta["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 1, "{delta}");
    assert_eq!((cells[0][1].as_u64(), delta["lost"].as_u64()), (Some(3), Some(1)));
    let parts: Vec<_> = delta["parts"].as_array().unwrap().iter().map(|it| it[0].clone()).collect();
    assert_eq!(parts, ["totals", "n6"], "the totals and the tally of its district");
    assert!(delta["cards"].is_null() && delta["order"].is_null());

    // Whoever was away meanwhile is given the same.
    let mut late = Stream::open(&house, &seen).await;
    let again = late.next("delta").await;
    assert_eq!(again, delta);
}

#[tokio::test]
async fn whoever_does_not_say_what_they_have_seen_is_told_what_changes_from_now_on() {
    let house = House::open(province::quiet(204));
    place(&house.get("/").await.text());
    // Nobody looked when this came, so that it is compared with what was before only now.
    house.daemon.publish(with_lost("nam-mau"));
    let mut stream = Stream::ask(&house, "/live").await;
    stream.next("beat").await;
    house.daemon.publish(with_lost("tan-lap"));
    let delta = stream.next("delta").await;
    assert_eq!(delta["cells"].as_array().map(Vec::len), Some(2), "one back, one lost: {delta}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_finds_no_place_among_the_streams_keeps_up_all_the_same() {
    let limits = Limits { streams: 1, ..Limits::default() };
    let house = House::open_with(province::quiet(204), limits);
    let mut holder = Stream::ask(&house, "/live").await;
    holder.next("beat").await;
    let refused = house.get("/live").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "30"));

    let mut browser = Browser::open(1366, 768);
    browser.visit(&format!("http://{}/", house.address));
    browser.until("it says so", "!document.getElementById('stale').hidden");
    let told = browser.text("document.getElementById('stale').innerText");
    assert!(told.contains("quá nhiều người xem"), "{told}");
    house.daemon.publish(province::troubled(204));
    let cell = "document.querySelector('a[href=\"/sites/nam-mau\"]')";
    browser.until("its cell changes", &format!("{cell}.classList.contains('fault')"));
    assert_eq!(browser.eval("document.body.classList.contains('old')"), false, "it is not old");
    drop(holder);
    browser.until("it follows", "document.getElementById('stale').hidden");
}

#[tokio::test]
async fn whoever_cannot_be_told_what_was_missed_is_told_to_load_the_page_again() {
    let house = House::open(province::quiet(204));
    let seen = place(&house.get("/").await.text());
    for unknown in ["", "x", "1-0", &format!("{seen}9"), "ffffffffffffffffffffff-1"] {
        Stream::open(&house, unknown).await.next("again").await;
    }
    // Whoever has seen nothing may begin now.
    let mut new = Stream::ask(&house, "/live").await;
    new.next("beat").await;
    house.daemon.publish(with_lost("tan-lap"));
    assert_eq!(new.next("delta").await["lost"], 1);
    let seen = place(&house.get("/").await.text());
    // Other sites stand in the cells now.
    let mut stream = Stream::open(&house, &seen).await;
    stream.next("beat").await;
    let mut other = province::quiet(150);
    other.generation += 1;
    house.daemon.publish(other);
    stream.next("again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_dies_on_an_open_page_somebody_takes_it_on_and_it_recovers() {
    let house = House::open(province::quiet(204));
    let address = format!("http://{}/", house.address);
    let mut browser = Browser::open(1920, 1080);
    browser.visit(&address);
    let cell = "document.querySelector('a[href=\"/sites/nam-mau\"]')";
    assert!(browser.text(&format!("{cell}.className")).contains("good"));
    house.daemon.publish(province::troubled(204));
    browser.until("its cell changes", &format!("{cell}.classList.contains('fault')"));
    browser.until("the incident appears", "document.getElementById('nam-mau-1')");
    assert!(browser.text(&format!("{cell}.innerText")).contains('◆'));
    browser.until("the title tells it", "document.title.startsWith('(21✕)')");
    browser.picture("wall");

    browser.click("#na-ri-1 [data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Nguyễn Thị Lan");
    browser.click("#ask [data-say]");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    let acks = house.daemon.acks.lock().unwrap().clone();
    assert_eq!(acks.len(), 1);
    assert_eq!(acks[0].0, IncidentId::new("na-ri-1"));
    assert_eq!(acks[0].1.by, "Nguyễn Thị Lan");

    house.daemon.publish(province::quiet(204));
    browser.until("it recovers", &format!("{cell}.classList.contains('good')"));
    browser.until("nothing is left", "!document.querySelector('#cards .card')");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_fits_a_wall_a_laptop_and_a_phone() {
    let house = House::open(province::troubled(204));
    let address = format!("http://{}/", house.address);
    let mut browser = Browser::open(1920, 1080);
    browser.visit(&address);
    for (name, width, height, phone) in
        [("wall", 1920, 1080, false), ("laptop", 1366, 768, false), ("phone", 390, 844, true)]
    {
        browser.resize(width, height, phone);
        for scheme in ["light", "dark"] {
            browser.media(scheme, "screen");
            browser.picture(&format!("{name}-{scheme}"));
        }
        let wide = browser.eval("document.documentElement.scrollWidth").as_u64();
        assert!(
            wide <= Some(u64::from(width)),
            "{name}: {wide:?} pixels are wider than the window"
        );
    }
    // On a phone the incidents come first, and what is pressed is as large as a finger.
    let top = |id: &str| format!("document.getElementById('{id}').getBoundingClientRect().top");
    assert!(browser.eval(&format!("{} < {}", top("cards"), top("grid"))).as_bool().unwrap());
    for pressed in ["[data-act=ack]", "#cards .phone"] {
        let height = format!("document.querySelector('{pressed}').getBoundingClientRect().height");
        assert!(browser.eval(&height).as_f64() >= Some(36.0), "{pressed}");
    }
    let called = browser.text("document.querySelector('#cards .phone').getAttribute('href')");
    assert_eq!(called, "tel:02093870000");
    // On a wall everything is on the screen, and what matters is large.
    browser.resize(1920, 1080, false);
    let large = "parseFloat(getComputedStyle(document.querySelector('SELECTOR')).fontSize)";
    for (selector, least) in [("#totals b", 64.0), (".clock .count", 48.0), (".card h3", 28.0)] {
        let size = browser.eval(&large.replace("SELECTOR", selector)).as_f64();
        assert!(size >= Some(least), "{selector}: {size:?}");
    }
    let bottom = browser.eval("document.getElementById('grid').getBoundingClientRect().bottom");
    assert!(bottom.as_f64() <= Some(1080.0), "the last site is at {bottom}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bang_lung_finds_it_with_all_its_marks() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1366, 768);
    browser.visit(&format!("http://{}/?q=bang+lung", house.address));
    let shown = "[...document.querySelectorAll('#grid li:not([hidden]) b')]\
                 .map(it => it.textContent).join()";
    browser.until(
        "only that is shown",
        "document.querySelectorAll('#grid li:not([hidden])').length === 1",
    );
    assert_eq!(browser.text(shown), "Thị trấn Bằng Lũng");
    browser.eval("(() => { const it = document.forms[0].elements; it.q.value = ''; it.state.value = 'fault'; it.q.dispatchEvent(new Event('input', {bubbles: true})) })()");
    browser.until("by state", "document.querySelectorAll('#grid li:not([hidden])').length === 1");
    assert_eq!(browser.text(shown), "Xã Nam Mẫu");
    browser.eval("(() => { const it = document.forms[0].elements; it.q.value = 'ĐON'; it.state.value = ''; it.q.dispatchEvent(new Event('input', {bubbles: true})) })()");
    browser.until("Đôn Phong", "document.querySelector('#grid li:not([hidden])')");
    assert!(browser.text(shown).contains("Xã Đôn Phong"));
    assert!(browser.text("location.search").contains("q="), "the address says what is looked for");
}

#[tokio::test]
async fn what_is_not_there_is_said_in_words() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    for path in [
        "/sites/khong-co",
        "/sites/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "/incidents/x",
        "/sessions/x",
        "/sessions/x/readiness",
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, 404, "{path}");
        let page = reply.text();
        assert!(words(&page).contains("Không tìm thấy"), "{path}");
        assert!(!page.contains("<script>alert"), "{path}");
    }
    let nowhere = house.ask("GET", "/no/where", &[("Accept", "text/html,*/*")], "").await;
    assert_eq!(nowhere.status, 404);
    assert!(words(&nowhere.text()).contains("Không có trang nào ở “ /no/where ”"));
    assert_eq!(house.get("/no/where").await.text(), "there is no such page\n", "for programs");
}

#[tokio::test]
async fn each_page_tells_its_part() {
    let house = House::open(province::troubled(204));
    for (path, said) in [
        ("/sites/nam-mau", "◆ hỏng thiết bị đã 11 phút"),
        ("/sites/nam-mau", "Cán bộ trực 0209 3870 000"),
        ("/sites/nam-mau", "Bảng theo dõi › Tỉnh Bắc Kạn › Huyện Ba Bể"),
        ("/sites/na-ri", "Mất gói 4,2 %"),
        ("/sites/cho-don", "Điểm cầu phía sau 20"),
        ("/sites/cao-ky", "Sự cố vừa qua"),
        ("/incidents/nam-mau-1", "Đã tiếp nhận: Hà lúc 07:33 – đang gọi xã"),
        ("/incidents/cao-ky-1", "kéo dài"),
        ("/sessions/2023-11-24-ubnd", "204 điểm cầu"),
        ("/sessions/2023-11-24-ubnd/readiness", "Danh sách kiểm tra"),
        ("/sessions/2023-11-24-giao-ban/readiness", "sẵn sàng kết nối"),
        ("/sessions", "Lịch họp và báo cáo"),
    ] {
        let reply = house.get(path).await;
        assert_eq!(reply.status, 200, "{path}");
        let text = words(&reply.text());
        let start = &text[..text.floor_char_boundary(3000)];
        assert!(text.contains(said), "{path}: {said:?} is not in {start}");
        assert_eq!(house.get(&format!("{path}?lang=en")).await.status, 200, "{path}");
    }
    let near = house.get("/readiness").await;
    assert_eq!(near.header("location"), "/sessions/2023-11-24-ubnd/readiness");
    let empty = House::open(province::empty());
    assert!(words(&empty.get("/readiness").await.text()).contains("chưa có gì để kiểm tra"));
}

/// A province with everything that people have ever put into a name, and more trouble than fits.
fn hostile() -> Snapshot {
    let mut snapshot = province::troubled(204);
    let topology = Arc::make_mut(&mut snapshot.topology);
    let names = [
        "<script>alert(1)</script>".to_owned(),
        "\"'><img src=x onerror=alert(1)>".to_owned(),
        "\u{202e}txet desrever\u{202c} مرحبا".to_owned(),
        "Xã".repeat(150),
        "a\u{301}\u{301}\u{301}\u{301} {0} ${1} &amp; </title>".to_owned(),
    ];
    for (site, name) in topology.sites.iter_mut().skip(30).zip(names.iter().cycle()).take(40) {
        site.name.clone_from(name);
        site.contacts[0].name.clone_from(name);
        site.contacts[0].phone = format!("javascript:alert(1){name}");
    }
    let ids: Vec<SiteId> = topology.sites.iter().map(|site| site.id.clone()).collect();
    let first = Arc::clone(&snapshot.incidents[0]);
    for (nth, id) in ids.iter().cycle().take(400).enumerate() {
        let mut incident = (*first).clone();
        incident.id = IncidentId::new(format!("{nth}-\"'<x>"));
        incident.site = Some(id.clone());
        incident.affected.truncate(1);
        snapshot.incidents.push(Arc::new(incident));
    }
    snapshot
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_and_hundreds_of_incidents_break_nothing() {
    let house = House::open(province::quiet(204));
    let mut browser = Browser::open(390, 844);
    browser.resize(390, 844, true);
    browser.visit(&format!("http://{}/", house.address));
    house.daemon.publish(hostile());
    browser.until("they are shown", "document.querySelectorAll('#cards .card').length === 100");
    assert_eq!(browser.text("document.getElementById('active').textContent"), "403");
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64();
    assert!(wide <= Some(390), "{wide:?} pixels are wider than the phone");
    browser.click("#cards [data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    let foreign = "document.querySelectorAll('main script, main img, [onerror]').length";
    assert_eq!(browser.eval(foreign).as_u64(), Some(0));
    let called =
        browser.text("[...document.querySelectorAll('a.phone')].map(it => it.href).join()");
    assert!(called.split(',').all(|it| it.starts_with("tel:")), "{called}");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

/// The rules of axe-core, from the registry of npm.
fn axe() -> String {
    const VERSION: &str = "4.10.3";
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe");
    let archive = dir.join(format!("axe-core-{VERSION}.tgz"));
    if !archive.exists() {
        std::fs::create_dir_all(&dir).unwrap();
        let mut npm = std::process::Command::new("npm");
        npm.args(["pack", "--silent", &format!("axe-core@{VERSION}")]).current_dir(&dir);
        let packed = npm.output().expect("npm, see .ci/packages");
        assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    }
    let mut tar = std::process::Command::new("tar");
    tar.args(["-xzOf"]).arg(&archive).arg("package/axe.min.js");
    String::from_utf8(tar.output().expect("tar").stdout).expect("a script")
}

/// What axe-core finds on the page that is open and calls serious or critical.
fn violations(browser: &mut Browser, rules: &str) -> Vec<Value> {
    browser.eval(&format!("{rules}; 0"));
    let found = browser.eval(
        "axe.run(document).then(it => it.passes.length < 15 ? ['it did not run'] : it.violations\
         .filter(it => ['serious', 'critical'].includes(it.impact))\
         .map(it => it.id + ': ' + it.help + ': ' + it.nodes.slice(0, 2)\
         .map(node => node.html + ' ' + node.failureSummary).join(' | ')))",
    );
    found.as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_keeps_people_with_a_handicap_from_any_page() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let rules = axe();
    let mut browser = Browser::open(1366, 768);
    // The pages let no script in that is not theirs; the examiner is let in by the browser.
    browser.call("Page.setBypassCSP", &serde_json::json!({ "enabled": true }));
    let mut wrong = Vec::new();
    for path in [
        "/",
        "/?lang=en",
        "/sites/nam-mau",
        "/sites/nam-mau/history",
        "/sites/cho-don",
        "/incidents/nam-mau-1",
        "/sessions",
        "/sessions/2023-11-24-ubnd",
        "/sessions/2023-11-24-ubnd/readiness",
        "/sites/nowhere",
    ] {
        for scheme in ["light", "dark"] {
            browser.media(scheme, "screen");
            browser.visit(&format!("http://{}{path}", house.address));
            browser.eval(
                "document.querySelectorAll('main details').forEach(it => { it.open = true; })",
            );
            for violation in violations(&mut browser, &rules) {
                wrong.push(format!("{path} {scheme}: {violation}"));
            }
        }
        let name = path.split('?').next().unwrap_or_default().replace('/', "-");
        browser.picture(&format!("page{name}-dark"));
        browser.media("light", "screen");
        browser.picture(&format!("page{name}-light"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_sites_only_what_changed_is_touched() {
    let house = House::open(province::quiet(10_000));
    let mut browser = Browser::open(1920, 1080);
    browser.call("Performance.enable", &Value::Object(serde_json::Map::default()));
    browser.visit(&format!("http://{}/", house.address));
    let none = Value::Object(serde_json::Map::default());
    let spent = |browser: &mut Browser| {
        let metrics = browser.call("Performance.getMetrics", &none);
        let of = |name: &str| {
            let all = metrics["metrics"].as_array().expect("figures").iter();
            all.clone().find(|it| it["name"] == name).and_then(|it| it["value"].as_f64()).unwrap()
        };
        of("LayoutDuration") + of("RecalcStyleDuration") + of("ScriptDuration")
    };
    let cell = "document.querySelector('a[href=\"/sites/tan-lap\"]')";
    browser.eval(
        "(() => { window.touched = new Set(); new MutationObserver(all => all.forEach(it => { \
         const cell = (it.target.closest ?? it.target.parentElement?.closest)?.call(it.target.closest ? it.target : it.target.parentElement, '.c'); \
         if (cell) window.touched.add(cell.id); })).observe(document.getElementById('grid'), \
         { subtree: true, childList: true, attributes: true, characterData: true }); })()",
    );
    let loading = spent(&mut browser);
    let mut snapshot = province::quiet(10_000);
    let ix = snapshot.topology.find_site(&SiteId::new("tan-lap")).expect("a site");
    let since = Some(province::now().wall.into());
    province::site_mut(&mut snapshot, ix).standing =
        Standing { hard: Health::Down, soft: Health::Down, since };
    house.daemon.publish(snapshot);
    browser.until("its cell changes", &format!("!{cell}.classList.contains('good')"));
    let updating = spent(&mut browser) - loading;
    println!(
        "10,000 sites: {:.0} ms of script, style and layout to load, {:.1} ms to update",
        loading * 1e3,
        updating * 1e3
    );
    let touched = browser.text("[...window.touched].join()");
    assert_eq!(touched, format!("s{}", ix.ix()), "no other cell is touched");
}

/// The program with an emulated province, played by a script.
struct Demo {
    child: std::process::Child,
    address: String,
    scenario: std::path::PathBuf,
}

impl Demo {
    fn play(script: &str) -> Self {
        use std::io::{BufRead as _, BufReader};
        let name = format!("vchealth-board-{}.yaml", std::process::id());
        let scenario = std::env::temp_dir().join(name);
        std::fs::write(&scenario, script).unwrap();
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_vchealth"))
            .args(["demo", "--json", "--listen", "127.0.0.1:0", "--scenario"])
            .arg(&scenario)
            .env("TMPDIR", "/dev/shm")
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let address = loop {
            let line = lines.next().expect("it says where it listens").expect("a line");
            let event: Value = serde_json::from_str(&line).expect("JSON");
            if let Some(address) = event["listen"].as_str() {
                break address.to_owned();
            }
        };
        // Somebody has to take in what it says.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, scenario }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).expect("a pid")),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.scenario);
    }
}

/// A commune loses power in a live session and returns; later the daemon is restarted.
const SCRIPT: &str = "
name: A site dies under an open board
description: It is seen, taken on and over; then the daemon goes away for a while.
province:
  tree:
    bac-kan:
      cho-don: [bang-lung, tan-lap, ban-thi, quang-bach, yen-thinh]
      bach-thong: [phu-thong, vi-huong, luc-binh]
sessions:
  - {title: Phiên họp trực tuyến toàn tỉnh, from: -1m, to: +1h, delegates: 50}
lasts: 5m
timeline:
  - {at: 15s, site: tan-lap, fault: power-cut}
  - {at: 50s, site: tan-lap, clear: power-cut}
  - {at: 80s, restart: {away: 6s}}
expect:
  - {cause: access, site: tan-lap, begins: 15s, told-within: 5s, ends: 50s, resolved-within: 10s}
";

#[test]
fn in_the_lab_a_site_dies_is_taken_on_and_recovers_and_the_daemon_may_restart() {
    let demo = Demo::play(SCRIPT);
    let mut wall = Browser::open(1920, 1080);
    let mut phone = Browser::open(390, 844);
    phone.resize(390, 844, true);
    wall.visit(&format!("http://{}/", demo.address));
    phone.visit(&format!("http://{}/?lang=en", demo.address));
    let cell = "document.querySelector('a[href=\"/sites/tan-lap\"]')";
    for browser in [&mut wall, &mut phone] {
        browser.until("all is well", &format!("{cell}.classList.contains('good')"));
    }
    wall.until("it dies", &format!("{cell}.classList.contains('lost')"));
    phone.until("its incident comes", "document.querySelector('#cards .card')");
    phone.click("#cards [data-act=ack]");
    phone.until("it asks", "document.getElementById('ask').open");
    phone.enter("Hoàng Văn Nam");
    phone.click("#ask [data-say]");
    phone.press("Enter");
    wall.until(
        "the wall tells who has it",
        "document.querySelector('#cards .ack')?.innerText.includes('Hoàng Văn Nam')",
    );
    let said = wall.text("document.querySelector('#cards h3').textContent");
    assert!(said.contains("mất kết nối"), "{said}");
    phone.until(
        "its card says what it is",
        "(it => { it.scrollIntoView(); return it.innerText.includes('offline') })\
         (document.querySelector('#cards h3'))",
    );
    wall.picture("lab-wall");
    phone.picture("lab-phone");
    for browser in [&mut wall, &mut phone] {
        browser.until("it recovers", &format!("{cell}.classList.contains('good')"));
        browser.until("its incident is over", "!document.querySelector('#cards .card')");
    }
    let place = wall.text("document.body.dataset.place.split('-')[0]");
    wall.until("it says that it lost touch", "!document.getElementById('stale').hidden");
    assert!(wall.text("document.getElementById('stale').innerText").contains("Mất liên lạc"));
    wall.picture("lab-stale");
    wall.until("it has caught up", "document.getElementById('stale').hidden");
    let other = format!("document.body.dataset.place.split('-')[0] !== '{place}'");
    wall.until("what it shows is of the new start", &other);
}
