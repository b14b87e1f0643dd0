//! Pages that people come to from elsewhere: an incident that is over, a report, a checklist with
//! names that nobody expected.

use std::sync::Arc;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use vchealth::model::{Extent, Language, Muted, ReportFormat, Silence};
use vchealth::report::{self, Style};

use super::words;
use crate::acting::{path, said};
use crate::browser::Browser;
use crate::province;
use crate::web::House;

#[tokio::test]
async fn an_incident_that_is_over_says_so_first_and_sends_nobody_out() {
    let house = House::open(province::troubled(204));
    let page = house.get("/incidents/cao-ky-1").await.text();
    assert!(page.contains("<title>✓ Điểm cầu "));
    assert!(!page.contains("data-act=\"ack\""), "there is nothing to take on");
    let article = page.split("<article").nth(1).expect("the incident");
    let first = article.split("<details").next().unwrap_or_default();
    assert!(first.find("Đã khắc phục lúc ") < first.find("<h1"), "{first}");
    assert!(!first.contains("Gọi ") && !first.contains("Việc cần làm"), "{first}");
    let text = words(&page);
    for said in [
        "Đã khắc phục lúc 07:11",
        "việc cần làm khi đó",
        "Diễn biến (",
        "xác nhận sự cố",
        "kết thúc",
    ] {
        assert!(text.contains(said), "{said:?} is not in {text}");
    }
    let english = words(&house.get("/incidents/cao-ky-1?lang=en").await.text());
    assert!(english.contains("Resolved at 07:11"), "{english}");

    let open = house.get("/incidents/nam-mau-1").await.text();
    assert!(open.contains("data-act=\"ack\"") && !open.contains("class=\"over\""));
    let text = words(&open);
    let (confirmed, taken) = (text.find("xác nhận sự cố"), text.find("Hà tiếp nhận: đang gọi xã"));
    assert!(confirmed.is_some() && confirmed < taken, "what happened is told in order: {text}");
}

#[tokio::test]
async fn what_is_on_again_is_on_since_it_came_back_wherever_one_looks() {
    let mut snapshot = province::troubled(204);
    let back = province::now().wall - SignedDuration::from_mins(1);
    let all = &mut snapshot.incidents;
    let it = all.iter_mut().find(|it| it.id.as_str() == "cho-don-1").expect("an incident");
    let it = Arc::make_mut(it);
    (it.relapses, it.was_over) = (vec![back], Some(back - SignedDuration::from_secs(30)));
    let house = House::open(snapshot);
    for page in ["/", "/incidents/cho-don-1"] {
        let text = words(&house.get(page).await.text());
        assert!(text.contains("từ 07:41 · 1 phút"), "{page}: {text}");
    }
    let text = words(&house.get(&path("cho-don-1", "n1")).await.text());
    assert!(text.contains("Bắt đầu 07:41 (1 phút)"), "{text}");
    let listed = house.get("/api/v1/incidents").await.json();
    for it in listed["incidents"].as_array().expect("a list") {
        let came_back = it["id"] == "cho-don-1";
        let since = if came_back { back.to_string() } else { it["began"].as_str().unwrap().into() };
        assert_eq!(it["since"], since, "{it}");
    }
    let one = house.get("/api/v1/incidents/cho-don-1").await.json();
    let (began, since) = (one["began"].as_str(), one["since"].as_str());
    assert_eq!((began, since), (Some("2023-11-24T00:38:00Z"), Some("2023-11-24T00:41:00Z")));
    let metrics = house.get("/metrics").await.text();
    let is_since = |line: &&str| line.starts_with("vchealth_incident_since_timestamp_seconds{");
    let mut lines = metrics.lines().filter(is_since).filter(|line| line.contains("cho-don-1"));
    let since = lines.next().and_then(|line| line.rsplit(' ').next()?.parse().ok());
    assert_eq!(since, Some(back.as_second()));
    let at = format!("http://{}", house.address);
    let listed = tokio::task::spawn_blocking(move || said(&["incidents", "--at", &at])).await;
    let listed = listed.expect("it ends");
    assert!(listed.contains("critical uplink at cho-don since 2023-11-24 07:41 +07,"), "{listed}");
}

#[tokio::test]
async fn a_list_of_incidents_names_what_is_silenced_only_where_all_that_fails_is() {
    let listed = async |muted: bool| {
        let mut snapshot = province::troubled(204);
        let all = &mut snapshot.incidents;
        let it = all.iter_mut().find(|it| it.id.as_str() == "cho-don-1").expect("an incident");
        let it = Arc::make_mut(it);
        // What hangs on it fails, and it answers itself.
        it.affected.retain(|affected| affected.site.as_str() != "cho-don");
        let first = it.affected[0].site.clone();
        let (since, extent) = (province::now().wall, Extent::of(it));
        it.muted = muted.then_some(Muted { since, extent });
        snapshot.silences.push(Silence { site: Some(first), ..province::silence("s-1") });
        let house = House::open(snapshot);
        let at = format!("http://{}", house.address);
        let listed = tokio::task::spawn_blocking(move || said(&["incidents", "--at", &at])).await;
        listed.expect("it ends")
    };
    let some = listed(false).await;
    assert!(some.contains("cho-don-1") && !some.contains("silenced"), "{some}");
    let all = listed(true).await;
    assert_eq!(all.matches("    silenced: ").count(), 1, "{all}");
}

#[tokio::test]
async fn a_report_leads_back_where_it_is_a_page_and_nowhere_where_it_is_a_file() {
    let house = House::open(province::quiet(3));
    let page = house.get("/sessions/cho-don-1/report").await.text();
    for way in
        ["href=\"/\"", "href=\"/sessions\"", "href=\"/sessions/cho-don-1/report?format=xlsx\""]
    {
        assert!(page.contains(way), "{way}");
    }
    let style = Style::new(Language::Vi, TimeZone::UTC, "");
    let file = report::write(&crate::report::small(), ReportFormat::Html, &style).unwrap();
    assert!(!String::from_utf8(file).unwrap().contains("href=\"/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_with_an_endless_name_leaves_the_checklist_its_room() {
    let mut snapshot = province::troubled(204);
    let name = format!("Rất dài {}", "A".repeat(104));
    Arc::make_mut(&mut snapshot.topology).sites[40].name.clone_from(&name);
    for run in &mut snapshot.readiness {
        for site in &mut Arc::make_mut(run).sites {
            if site.site == snapshot.topology.sites[40].id {
                site.name.clone_from(&name);
            }
        }
    }
    let house = House::open(snapshot);
    let page = format!("http://{}/sessions/2023-11-24-giao-ban/readiness", house.address);
    let mut browser = Browser::open(1366, 768);
    browser.visit(&page);
    let row = "[...document.querySelectorAll('#checklist tr')].find(it => it.innerText.startsWith('Rất dài'))";
    browser.until("it is there", row);
    for (media, width) in [("screen", 1366), ("screen", 390), ("print", 760)] {
        browser.resize(width, 768, width < 500);
        browser.media("light", media);
        let fits = "(() => { const it = document.querySelector('.scroll'); return it.scrollWidth <= it.clientWidth + 1 })()";
        assert_eq!(browser.eval(fits), true, "{media} {width}");
    }
    browser.resize(1366, 768, false);
    browser.media("light", "screen");
    let tall = format!("{row}.getBoundingClientRect().height");
    let tall = browser.eval(&tall).as_f64().expect("a height");
    assert!(tall < 140.0, "{tall} px: nothing is one word a line");
    browser.picture("checklist-long-name");
    browser.media("light", "print");
    let badge = "getComputedStyle(document.querySelector('.badge')).printColorAdjust";
    assert_eq!(browser.text(badge), "exact", "verdicts keep their ground on paper");
}
