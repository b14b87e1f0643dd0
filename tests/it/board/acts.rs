//! What the board offers beyond taking on an incident: looking now whether all are ready, recording
//! what was seen and heard before anything was measured, silences that everybody is told of.

use std::sync::Arc;

use serde_json::json;
use vchealth::model::{ReadinessRun, SessionId, Silence, SiteId};

use super::words;
use crate::browser::Browser;
use crate::province;
use crate::web::House;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_was_never_looked_at_is_confirmed_and_looked_at_from_its_page() {
    let mut snapshot = province::troubled(204);
    let runs = std::mem::take(&mut snapshot.readiness);
    let house = House::open(snapshot.clone());
    let mut browser = Browser::open(1366, 768);
    let page = "/sessions/2023-11-24-ubnd/readiness";
    browser.visit(&format!("http://{}{page}", house.address));
    let rows = "document.querySelectorAll('#checklist [data-act=confirm]').length";
    assert_eq!(browser.eval(rows), 204, "whoever is phoned can be noted at once");
    let heads =
        "[...document.querySelectorAll('#checklist tr.group')].map(it => it.innerText.trim())";
    let heads = browser.eval(heads);
    assert_eq!(heads[1], "Thành phố Bắc Kạn 0/9", "in the order of the board: {heads}");

    browser.click("#checklist [data-site=nam-mau]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Hà");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    let said = house.daemon.confirmed.lock().unwrap().clone();
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].session.as_str(), said[0].site.as_str()), ("2023-11-24-ubnd", "nam-mau"));

    browser.click("[data-ready]");
    browser.until(
        "it is on its way",
        "document.getElementById('checking').innerText.includes('Đang')",
    );
    let wished = house.daemon.wished.lock().unwrap().clone();
    assert_eq!(wished, [SessionId::new("2023-11-24-ubnd")]);
    snapshot.readiness = runs.clone();
    house.daemon.publish(snapshot.clone());
    let shown = "document.querySelector('#summary .large')";
    browser.until("the run is shown", shown);
    browser.until("nothing goes on", "!document.getElementById('checking').innerText");
    browser.picture("readiness-first-run");

    // And again: another run takes the place of the one that is shown.
    let before = browser.text("document.getElementById('summary').dataset.run");
    browser.click("[data-ready]");
    let later: Vec<Arc<ReadinessRun>> = runs
        .iter()
        .map(|run| Arc::new(ReadinessRun { began: run.finished, ..(**run).clone() }))
        .collect();
    snapshot.readiness = later;
    house.daemon.publish(snapshot);
    let other = format!("document.getElementById('summary').dataset.run !== '{before}'");
    browser.until("the next run is shown", &other);
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_presses_stays_until_they_let_go_however_often_it_changes() {
    for page in ["/", "/incidents/na-ri-1"] {
        let house = House::open(province::troubled(204));
        let mut browser = Browser::open(1366, 768);
        browser.visit(&format!("http://{}{page}", house.address));
        let place = "document.body.dataset.place";
        let before = browser.text(place);
        let loads = "performance.getEntriesByType('resource') \
                     .filter(it => it.name === location.href && it.responseEnd).length";
        if page != "/" {
            browser.until("it follows", loads);
        }
        let loaded = browser.text(loads);
        let pressed = browser.hold("[data-incident=na-ri-1] [data-act=ack]");
        let mut snapshot = province::troubled(204);
        let at = snapshot.incidents.iter().position(|it| it.id.as_str() == "na-ri-1").unwrap();
        let mut graver = (*snapshot.incidents[at]).clone();
        graver.severity = vchealth::model::Severity::Critical;
        snapshot.incidents[at] = Arc::new(graver);
        house.daemon.publish(snapshot);
        let here = if page == "/" {
            format!("{place} !== '{before}'")
        } else {
            format!("{loads} > {loaded}")
        };
        browser.until("the change is here", &here);
        assert!(browser.let_go(&pressed), "{page}");
        browser.until("it asks", "document.getElementById('ask').open");
        browser.press("Escape");
        let now = "document.querySelector('[data-incident=na-ri-1] .mark.critical')";
        browser.until("the change is shown", now);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_presses_second_is_told_who_was_first_and_may_take_over() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1366, 768);
    browser.visit(&format!("http://{}/", house.address));
    browser.click("#na-ri-1 [data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Hà");
    browser.click("#ask [data-say]");
    let mut snapshot = province::troubled(204);
    let of = |id: &str| snapshot.incidents.iter().position(|it| it.id.as_str() == id).unwrap();
    let (at, held) = (of("na-ri-1"), of("nam-mau-1"));
    let mut taken = (*snapshot.incidents[at]).clone();
    taken.ack.clone_from(&snapshot.incidents[held].ack);
    taken.ack.as_mut().unwrap().by = "Lan".to_owned();
    snapshot.incidents[at] = Arc::new(taken);
    house.daemon.publish(snapshot);
    browser.press("Enter");
    browser.until("it is told", "!document.querySelector('#ask .error').hidden");
    let told = browser.text("document.querySelector('#ask .error').innerText");
    assert_eq!(told, "Đã có Lan tiếp nhận. Bấm lần nữa để nhận thay.");
    assert!(house.daemon.acks.lock().unwrap().is_empty());
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    assert_eq!(house.daemon.acks.lock().unwrap().len(), 1);
    // The server goes away: that is told in words of the page's language.
    browser.call(
        "Network.emulateNetworkConditions",
        &json!({
            "offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1,
        }),
    );
    browser.click("#cho-don-1 [data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.click("#ask [data-say]");
    browser.press("Enter");
    browser.until("it is told", "!document.querySelector('#ask .error').hidden");
    let told = browser.text("document.querySelector('#ask .error').innerText");
    assert_eq!(told, "Không gửi được: mất mạng. Hãy thử lại.");
}

#[tokio::test]
async fn planned_work_and_what_is_over_are_told_on_their_pages() {
    let mut snapshot = province::troubled(204);
    snapshot.maintenance = vec![province::maintenance("m-1")];
    let named = snapshot.maintenance[0].sites[0].clone();
    let ix = snapshot.topology.find_site(&named).expect("a site");
    let topology = Arc::clone(&snapshot.topology);
    let below = topology.site(ix).children.first().map(|child| &topology.site(*child).id);
    let house = House::open(snapshot);
    for site in std::iter::once(&named).chain(below) {
        let text = words(&house.get(&format!("/sites/{site}")).await.text());
        let elsewhere = format!("Bảo trì của {} từ", topology.site(ix).name);
        let said = if *site == named { "Bảo trì từ" } else { elsewhere.as_str() };
        assert!(text.contains(said), "{site}: {said:?} is not in {text}");
    }
    let over = house.get("/incidents/cao-ky-1").await.text();
    let text = words(&over);
    assert!(text.contains("✓ Đã khắc phục lúc"), "{text}");
    assert!(!over.contains("data-act="), "nothing is to be done about it: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_told_wherever_its_incident_is_and_ends_from_there() {
    let house = House::open(province::troubled(204));
    let address = |path: &str| format!("http://{}{path}", house.address);
    let mut browser = Browser::open(1366, 768);
    browser.visit(&address("/"));
    let card = "document.getElementById('nam-mau-1')";
    let offered = format!("{card}.querySelector('[data-act=silence]')");
    assert_ne!(browser.eval(&format!("!!{offered}")), false);
    let mut snapshot = province::troubled(204);
    let own = Silence { site: Some(SiteId::new("nam-mau")), ..province::silence("s-own") };
    let above = Silence { site: Some(SiteId::new("ba-be")), ..province::silence("s-above") };
    snapshot.silences = vec![own, above];
    house.daemon.publish(snapshot);
    browser.until("the open page tells it", &format!("{card}.querySelector('[data-lift]')"));
    let told = browser.text(&format!("{card}.textContent"));
    for said in ["Tạm tắt cảnh báo từ", "của Huyện Ba Bể", "Hà – kéo cáp"] {
        assert!(told.contains(said), "{said:?} is not in {told}");
    }
    assert_eq!(browser.eval(&format!("!!{offered}")), false, "it is silenced already");
    let other = "document.querySelectorAll('#na-ri-1 [data-lift]').length";
    assert_eq!(browser.eval(other), 0);
    for path in ["/incidents/nam-mau-1", "/sites/nam-mau"] {
        let page = house.get(path).await.text();
        assert_eq!(page.matches("data-lift=").count() % 2, 0, "{path}");
        assert!(words(&page).contains("Tạm tắt cảnh báo của Huyện Ba Bể từ"), "{path}");
    }
    browser.click("#nam-mau-1 [data-lift=s-own]");
    browser.until("it is done", "document.getElementById('say').textContent");
    assert_eq!(house.daemon.lifted.lock().unwrap().len(), 1);
    house.daemon.publish(province::troubled(204));
    browser.until("it is over", &format!("!{card}.querySelector('[data-lift]')"));
}

#[tokio::test(flavor = "multi_thread")]
async fn words_are_found_from_their_beginning_and_devices_by_their_address() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1366, 768);
    let shown =
        "[...document.querySelectorAll('#grid li:not([hidden]) b')].map(it => it.textContent)";
    for (asked, names) in [("song cau", json!(["Phường Sông Cầu"])), ("ong cau", json!([]))] {
        let address = format!("http://{}/?q={}", house.address, asked.replace(' ', "+"));
        browser.visit(&address);
        browser.until("it is filtered", "document.getElementById('found').innerText");
        assert_eq!(browser.eval(shown), names, "{asked}");
    }

    let api = house.get("/api/v1/sites?search=nam-mau").await.json();
    assert_eq!(api["sites"][0]["id"], "nam-mau");
    let site = house.get("/api/v1/sites/nam-mau").await.json();
    let host = site["endpoints"][1]["address"].as_str().expect("an address").to_owned();
    let by_host = house.get(&format!("/api/v1/sites?search={host}")).await.json();
    let ids: Vec<&str> =
        by_host["sites"].as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
    assert!(ids.contains(&"nam-mau"), "{ids:?}");
    browser.visit(&format!("http://{}/?q={host}", house.address));
    browser.until("the server has found it", &format!("{shown}.includes('Xã Nam Mẫu')"));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wall_says_how_much_is_below_its_edge_and_whose_a_cut_column_is() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1920, 1080);
    browser.visit(&format!("http://{}/", house.address));
    assert_eq!(browser.eval("document.getElementById('more').hidden"), true);
    let latest = "document.querySelector('#changes li').getBoundingClientRect().bottom";
    let latest = browser.eval(latest).as_f64();
    assert!(latest <= Some(1080.0), "what changed last is at {latest:?}");
    browser.until("columns are named", "document.querySelector('li[data-again]')");
    // Every column begins with a name: that of a district, or that of the one that goes on.
    let nameless = browser.eval(
        "(() => { const grid = document.getElementById('grid'); const tops = new Map(); \
         for (const it of grid.querySelectorAll('h2, li')) { const box = it.getBoundingClientRect(); \
         const column = Math.floor((box.left - grid.getBoundingClientRect().left) / (grid.clientWidth / 4)); \
         const top = tops.get(column); \
         if (!top || box.top < top.top - 4) tops.set(column, { top: box.top, named: it.localName === 'h2' || 'again' in it.dataset, text: it.innerText }); } \
         return [...tops.values()].filter(it => !it.named).map(it => it.text); })()",
    );
    assert_eq!(nameless.as_array().map(Vec::len), Some(0), "{nameless}");

    let mut snapshot = province::troubled(204);
    let first = Arc::clone(&snapshot.incidents[0]);
    for nth in 0..12 {
        let mut other = (*first).clone();
        other.id = vchealth::model::IncidentId::new(format!("more-{nth}"));
        snapshot.incidents.push(Arc::new(other));
    }
    house.daemon.publish(snapshot);
    browser.until("it says so", "!document.getElementById('more').hidden");
    let more = browser.text("document.getElementById('more').innerText");
    let below = browser.eval(
        "[...document.querySelectorAll('#cards .card')].filter(it => { \
         const box = it.getBoundingClientRect(); \
         return box.top + 0.6 * box.height > innerHeight; }).length",
    );
    assert_eq!(more, format!("▼ còn {below} sự cố nữa ở dưới"));
    browser.picture("wall-crowded");
    let bottom = browser.eval("document.getElementById('more').getBoundingClientRect().bottom");
    assert!(bottom.as_f64() <= Some(1080.0), "it is seen: {bottom}");
    // A wall of four times the pixels shows the same, twice as large.
    browser.resize(3840, 2160, false);
    let size =
        browser.eval("parseFloat(getComputedStyle(document.querySelector('.card h3')).fontSize)");
    assert!(size.as_f64() >= Some(40.0), "{size}");
}
