//! What the pages tell of the past, and probing a site from its page.

use std::sync::atomic::Ordering;

use serde_json::Value;

use super::{Stream, place, words};
use crate::browser::Browser;
use crate::province;
use crate::web::House;

#[tokio::test]
async fn a_sites_history_has_charts_the_last_probes_step_by_step_and_incidents() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let first = house.get("/sites/nam-mau").await.text();
    assert!(!first.contains("<svg"), "what comes from the disk is brought later");
    assert!(first.contains("data-lazy=\"/sites/nam-mau/history\""));

    let page = house.get("/sites/nam-mau/history").await.text();
    assert_eq!(page.matches("<svg ").count(), 4, "round trip, loss, jitter and MOS of the codec");
    for said in [
        // A spike of a minute among two hours; medians are those of a sketch.
        "aria-label=\"Độ trễ khứ hồi: gần nhất 20,2 ms, cao nhất 400,0 ms\"",
        "aria-label=\"Mất gói: gần nhất 0,0 %, cao nhất 0,6 %\"",
        "aria-label=\"MOS: gần nhất 4,35, thấp nhất 4,35\"",
        "href=\"/sites/nam-mau/history?hours=6\" aria-current=\"true\"",
        "href=\"/incidents/nam-mau-1\"",
    ] {
        assert!(page.contains(said), "{said:?} is not in {page}");
    }
    let text = words(&page);
    for said in [
        "codec · ping · 1 lỗi gần nhất",
        "Lỗi gần nhất ✕ 07:42:",
        "Trước đó còn 41 lần lỗi liên tiếp như vậy.",
        "Thành công gần nhất ✓ 07:42:",
        "Sự cố trong 90 ngày",
        "Số liệu dạng bảng Từ lúc Lỗi / số lần",
    ] {
        assert!(text.contains(said), "{said:?} is not in {text}");
    }

    let session = "/sites/nam-mau/history?session=2023-11-24-ubnd";
    let page = house.get(&format!("{session}&lang=en")).await.text();
    assert!(page.contains(&format!("href=\"{session}\" aria-current=\"true\"")), "{page}");
    // It began twelve minutes ago.
    assert_eq!(page.matches("<svg ").count(), 4);
    assert!(page.contains("Loss: last 0.0 %, highest 1.7 %"), "{page}");
    assert_eq!(page.matches("<th scope=\"row\">").count(), 12, "a row for each minute of it");

    for odd in ["?hours=x", "?hours=-1", "?session=nowhere", "?hours=99999999999999999999"] {
        assert_eq!(house.get(&format!("/sites/nam-mau/history{odd}")).await.status, 200, "{odd}");
    }
    let quiet = words(&house.get("/sites/tan-lap/history").await.text());
    assert!(quiet.contains("Chưa có số đo nào trong khoảng này."), "{quiet}");
    assert_eq!(house.get("/sites/nowhere/history").await.status, 404);
}

#[tokio::test]
async fn without_a_history_the_page_says_so_and_still_tells_the_last_probes() {
    let house = House::open(province::troubled(204));
    let reply = house.get("/sites/nam-mau/history").await;
    assert_eq!(reply.status, 200);
    let text = words(&reply.text());
    assert!(text.contains("Không đọc được lịch sử trên đĩa"), "{text}");
    assert!(text.contains("Thành công gần nhất"), "{text}");
    let reply = house.get("/incidents/long-ago").await;
    assert_eq!(reply.status, 503);
    assert!(words(&reply.text()).contains("Không đọc được lịch sử"));
}

#[tokio::test]
async fn a_link_to_an_incident_that_is_long_over_still_leads_to_it() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    house.daemon.publish(province::quiet(204));
    let page = house.get("/incidents/nam-mau-1").await;
    assert_eq!(page.status, 200);
    let page = page.text();
    assert!(words(&page).contains("codec tại điểm cầu Xã Nam Mẫu không phản hồi"), "{page}");
    assert!(!page.contains("data-place"), "nothing about it changes any more");
    // So does one whose site is gone.
    let mut empty = province::empty();
    empty.generation += 1;
    house.daemon.publish(empty);
    let page = house.get("/incidents/nam-mau-1").await;
    assert_eq!(page.status, 200);
    assert!(words(&page.text()).contains("nam-mau"));
    assert_eq!(house.get("/incidents/never-was").await.status, 404);
}

#[tokio::test]
async fn sessions_that_were_held_are_compared_and_lead_to_their_reports() {
    let house = House::open(province::troubled(204));
    let page = house.get("/sessions").await.text();
    assert!(page.contains("href=\"/sessions/2023-11-24-ubnd/report\""), "{page}");
    let text = words(&page);
    for said in ["Đã họp", "Khả dụng", "▲", "chưa chốt"] {
        assert!(text.contains(said), "{said:?} is not in {text}");
    }
    assert!(!page.contains("class=\"worse\""), "it went better and better: {text}");
    assert!(!page.contains("-on/report"), "what is on was not held yet: {text}");
    let nowhere = words(&house.get("/sessions?before=nowhere").await.text());
    assert!(nowhere.contains("Không có phiên họp đó."), "{nowhere}");
}

#[tokio::test]
async fn who_looks_at_the_board_is_counted() {
    let house = House::open(province::quiet(204));
    let seen = place(&house.get("/").await.text());
    let viewers = async |house: &House| {
        // The page of metrics is written once for each state.
        house.daemon.publish(province::quiet(204));
        house.figure("vchealth_board_viewers").await
    };
    assert_eq!(viewers(&house).await, 0.0);
    let mut stream = Stream::open(&house, &seen).await;
    stream.next("beat").await;
    assert_eq!(viewers(&house).await, 1.0);
    let reply = house.get("/live?lang=fr").await;
    assert_eq!(reply.status, 400, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_probed_from_its_page_and_the_result_is_shown() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let mut browser = Browser::open(1366, 900);
    browser.visit(&format!("http://{}/sites/nam-mau", house.address));
    browser.until("the history is brought", "document.querySelector('#history svg')");
    browser.picture("site-light");
    browser.media("dark", "screen");
    browser.picture("site-dark");

    browser.click("[data-probe]");
    browser.until("it is told", "document.querySelector('#probed details')");
    let said = browser.text("document.getElementById('probed').textContent");
    for part in ["Kiểm tra lúc", "trả lời", "✓", "✕", "? ", "chưa xong"] {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    let open = "[...document.querySelectorAll('#probed details')].filter(it => it.open).every(it => it.textContent.startsWith('✕'))";
    assert_eq!(browser.eval(open), Value::Bool(true), "failures are told in full");
    browser.picture("site-probed-dark");
    browser.media("light", "screen");
    browser.picture("site-probed-light");

    house.daemon.busy.store(true, Ordering::SeqCst);
    browser.click("[data-probe]");
    browser.until("it is refused", "document.querySelector('#probed .error')");
    house.daemon.busy.store(false, Ordering::SeqCst);

    // Another stretch of time comes into the same page.
    browser.eval("window.same = true");
    browser.click("#history .choice a[href$='hours=1']");
    let chosen =
        "document.querySelector('#history .choice a[aria-current]').href.endsWith('hours=1')";
    browser.until("it is shown", chosen);
    assert_eq!(browser.eval("window.same"), Value::Bool(true), "the page was not left");
    browser.eval("document.querySelector('#history').scrollIntoView()");
    browser.picture("site-charts-light");
    browser.media("dark", "screen");
    browser.picture("site-charts-dark");
    browser.resize(390, 844, true);
    browser.picture("site-charts-phone");
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64();
    assert!(wide <= Some(390), "{wide:?} pixels are wider than the phone");
    // The refusal is in the browser's log, as it should be.
    let complaints: Vec<_> =
        browser.complaints.iter().filter(|it| !it.contains("/probe")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}
