//! The board behind a log-in: whoever may only look is offered nothing that would be refused.

use std::sync::Arc;

use vchealth::model::{Incident, IncidentId, Silence, SiteId, Snapshot};

use super::{axe, violations, words};
use crate::browser::Browser;
use crate::door::{basic, only_users};
use crate::province;
use crate::web::House;

/// Pages with something to do on them, and how much that is at least.
const PAGES: [(&str, u64); 4] = [
    ("/", 6),
    ("/sites/nam-mau", 3),
    ("/incidents/na-ri-1", 2),
    ("/sessions/2023-11-24-giao-ban/readiness", 20),
];
/// How many buttons somebody sees in the content of a page.
const BUTTONS: &str =
    "[...document.querySelectorAll('main button')].filter(it => it.checkVisibility()).length";

fn troubled() -> Snapshot {
    let mut snapshot = province::troubled(204);
    let site = Some(SiteId::new("nam-mau"));
    snapshot.silences = vec![Silence { site, ..province::silence("s-1") }];
    snapshot
}

#[tokio::test]
async fn pages_say_what_their_reader_may_do() {
    let house = House::open(troubled());
    // Without users: the machine itself may act, what a proxy passes on may not.
    let passed_on = [("X-Forwarded-For", "10.0.0.5")];
    for (path, _) in PAGES {
        let here = house.get(path).await.text();
        assert!(here.contains(" data-may=\"act\""), "{path}");
        assert!(here.contains("<dialog") && !here.contains("/login"), "{path}");
        let there = house.ask("GET", path, &passed_on, "").await.text();
        assert!(there.contains(" data-may=\"look\""), "{path}");
        assert!(there.contains("Chỉ xem") && !there.contains("<dialog"), "{path}");
    }
    let why = house.ask("GET", "/login", &passed_on, "").await;
    assert_eq!(why.status, 200);
    assert!(words(&why.text()).contains("chỉ chính nó được phép thao tác"));
    let back = house.get("/login?back=/sites/nam-mau?lang=en").await;
    assert_eq!((back.status, back.header("location")), (303, "/sites/nam-mau?lang=en"));
    for elsewhere in ["//evil.example", "https://evil.example", "/%5Cevil.example", "", "%FF"] {
        let back = house.get(&format!("/login?back={elsewhere}")).await;
        assert_eq!((back.status, back.header("location")), (303, "/"), "{elsewhere}");
    }

    *house.daemon.access.lock().unwrap() = only_users();
    let (ha, tram) = (basic("ha"), basic("tram"));
    let (ha, tram) = ([(ha.0, ha.1.as_str())], [(tram.0, tram.1.as_str())]);
    for (path, _) in PAGES {
        // In either order: one is not shown what was written for the other.
        for _ in 0..2 {
            let looking = house.ask("GET", path, &tram, "").await.text();
            assert!(looking.contains(" data-may=\"look\""), "{path}");
            assert!(looking.contains("Đăng nhập để thao tác"), "{path}");
            let acting = house.ask("GET", path, &ha, "").await.text();
            assert!(acting.contains(" data-may=\"act\""), "{path}");
            assert!(!acting.contains("/login"), "{path}");
        }
    }
    let refused = house.ask("GET", "/login?back=/", &tram, "").await;
    assert_eq!(refused.status, 401, "the browser asks for another name");
    assert!(refused.header("www-authenticate").starts_with("Basic realm="));
    assert!(words(&refused.text()).contains("tài khoản tram , chỉ được xem."));
    let gone_on = house.ask("GET", "/login?back=/sites/nam-mau", &ha, "").await;
    assert_eq!((gone_on.status, gone_on.header("location")), (303, "/sites/nam-mau"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_sees_no_button_logs_in_as_an_operator_and_acts() {
    let house = House::open(troubled());
    house.daemon.remember();
    *house.daemon.access.lock().unwrap() = only_users();
    let address = |path: &str| format!("http://{}{path}", house.address);
    let rules = axe();
    let mut browser = Browser::open(1366, 768);
    browser.call("Page.setBypassCSP", &serde_json::json!({ "enabled": true }));
    browser.log_in_as("tram", "tram");
    for (path, _) in PAGES {
        browser.visit(&address(path));
        assert_eq!(browser.eval(BUTTONS), 0, "{path}");
        let offered = browser.text("document.querySelector('header a.only').innerText");
        assert_eq!(offered, "Đăng nhập để thao tác", "{path}");
        let wrong = violations(&mut browser, &rules);
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    // Nor do what comes while they look, and what is loaded anew.
    browser.visit(&address("/"));
    let mut snapshot = troubled();
    let mut other: Incident = (*snapshot.incidents[0]).clone();
    other.id = IncidentId::new("one-more");
    snapshot.incidents.push(Arc::new(other));
    house.daemon.publish(snapshot);
    browser.until("it comes", "document.getElementById('one-more')");
    assert_eq!(browser.eval(BUTTONS), 0);
    browser.picture("viewer");
    browser.resize(360, 780, true);
    browser.picture("viewer-phone");
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64();
    assert!(wide <= Some(360), "{wide:?} pixels are wider than the phone");
    browser.resize(1366, 768, false);

    browser.visit(&address("/sites/nam-mau"));
    browser.log_in_as("ha", "ha");
    browser.click("header a.only");
    browser.until(
        "they are back, as an operator",
        "location.pathname === '/sites/nam-mau' && document.body.dataset.may === 'act'",
    );
    for (path, least) in PAGES {
        browser.visit(&address(path));
        let buttons = browser.eval(BUTTONS).as_u64();
        assert!(buttons >= Some(least), "{path}: {buttons:?}");
        assert_eq!(browser.eval("document.querySelector('a.only')"), serde_json::Value::Null);
        let wrong = violations(&mut browser, &rules);
        assert!(wrong.is_empty(), "{path}: {wrong:?}");
    }
    browser.visit(&address("/incidents/na-ri-1"));
    browser.click("[data-act=ack]");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Nguyễn Thị Hà");
    browser.click("#ask [data-say]");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    let acks = house.daemon.acks.lock().unwrap().clone();
    assert_eq!(acks.len(), 1);
    assert_eq!((&acks[0].0, &*acks[0].1.by), (&IncidentId::new("na-ri-1"), "Nguyễn Thị Hà (ha)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_script_nothing_is_offered_that_needs_one() {
    let house = House::open(troubled());
    let mut browser = Browser::open(1366, 768);
    browser.call("Emulation.setScriptExecutionDisabled", &serde_json::json!({ "value": true }));
    for (path, _) in PAGES {
        browser.visit(&format!("http://{}{path}", house.address));
        assert_eq!(browser.eval(BUTTONS), 0, "{path}");
        let told = browser.text("document.querySelector('main').innerText");
        assert!(told.len() > 200, "{path}: {told}");
    }
}
