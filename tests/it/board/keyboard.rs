//! The board without a mouse, and without movement.

use vchealth::model::{IncidentId, Silence, SiteId};

use crate::browser::Browser;
use crate::province;
use crate::web::House;

/// Goes on by the tabulator until what has the focus fits.
fn tab_to(browser: &mut Browser, what: &str, fits: &str) {
    for _ in 0..60 {
        browser.press("Tab");
        if browser.eval(&format!("!!document.activeElement?.matches('{fits}')")) == true {
            return;
        }
    }
    panic!("{what} is not reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_is_taken_on_by_the_keyboard_alone() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1366, 768);
    browser.visit(&format!("http://{}/", house.address));
    browser.press("Tab");
    assert_eq!(browser.text("document.activeElement.className"), "skip", "the content is first");
    tab_to(&mut browser, "the button", "#cards [data-act=ack]");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_ne!(browser.text(outline), "none", "what has the focus is seen");
    let incident = browser.text("document.activeElement.closest('.card').id");

    // Somebody who thinks better of it is back where they were.
    browser.press("Enter");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.press("Escape");
    browser.until("it no longer asks", "!document.getElementById('ask').open");
    assert!(house.daemon.acks.lock().unwrap().is_empty());
    let back = "document.activeElement.matches('#cards [data-act=ack]')";
    assert_eq!(browser.eval(back), true);

    browser.press("Enter");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Hà");
    browser.press("Tab");
    browser.enter("đang gọi xã");
    tab_to(&mut browser, "what sends it", "#ask [type=submit]");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    let acks = house.daemon.acks.lock().unwrap().clone();
    let told: Vec<_> = acks.iter().map(|(id, ack)| (id, &*ack.by, &*ack.note)).collect();
    assert_eq!(told, [(&IncidentId::new(incident), "Hà", "đang gọi xã")]);
    assert_eq!(browser.eval(back), true, "the focus is where it was");
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

/// Notes something in the dialog and sends it.
fn note_and_send(browser: &mut Browser, note: &str) {
    tab_to(browser, "the note", "#ask [name=note]");
    browser.enter(note);
    tab_to(browser, "what sends it", "#ask [type=submit]");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_is_probed_silenced_and_heard_again_by_the_keyboard_alone() {
    let mut snapshot = province::troubled(204);
    let site = Some(SiteId::new("nam-mau"));
    snapshot.silences = vec![Silence { site, ..province::silence("s-1") }];
    let house = House::open(snapshot);
    house.daemon.remember();
    let mut browser = Browser::open(1366, 768);
    browser.visit(&format!("http://{}/sites/nam-mau", house.address));

    tab_to(&mut browser, "what ends a silence", "#site [data-lift]");
    browser.press("Enter");
    browser.until("it is lifted", "document.getElementById('say').textContent");
    let lifted = house.daemon.lifted.lock().unwrap().clone();
    assert_eq!(lifted.len(), 1);
    house.daemon.publish(province::troubled(204));
    browser.until("it is gone", "!document.querySelector('[data-lift]')");

    tab_to(&mut browser, "the probe", "#site [data-probe]");
    browser.press("Enter");
    browser.until("it is told", "document.querySelector('#probed details')");
    let probe = "document.activeElement.matches('[data-probe]')";
    assert_eq!(browser.eval(probe), true, "the focus is where it was");

    tab_to(&mut browser, "the silence", "#site [data-act=silence]");
    browser.press("Enter");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Hà");
    tab_to(&mut browser, "for how long", "#ask [name=hours]");
    browser.press("4");
    assert_eq!(browser.text("document.activeElement.value"), "4");
    tab_to(&mut browser, "why", "#ask [name=note]");
    browser.enter("kéo cáp");
    tab_to(&mut browser, "what sends it", "#ask [type=submit]");
    browser.press("Enter");
    browser.until("it is done", "!document.getElementById('ask').open");
    let silences = house.daemon.silences.lock().unwrap().clone();
    assert_eq!(silences.len(), 1);
    let hours = silences[0].until.duration_since(silences[0].from).as_secs_f64() / 3600.0;
    assert!((3.9..4.1).contains(&hours), "{hours}");
    assert_eq!(silences[0].site.as_ref().map(SiteId::as_str), Some("nam-mau"));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_and_sound_are_confirmed_by_the_keyboard_alone() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(1366, 768);
    let page = "/sessions/2023-11-24-giao-ban/readiness";
    browser.visit(&format!("http://{}{page}", house.address));
    tab_to(&mut browser, "the button", "#checklist [data-act=confirm]");
    let site = browser.text("document.activeElement.dataset.site");
    browser.press("Enter");
    browser.until("it asks", "document.getElementById('ask').open");
    browser.enter("Hà");
    tab_to(&mut browser, "the sound", "#ask [name=sound]");
    browser.press(" ");
    assert_eq!(browser.eval("document.activeElement.checked"), false);
    note_and_send(&mut browser, "micro tắt");
    let said = house.daemon.confirmed.lock().unwrap().clone();
    let said: Vec<_> =
        said.iter().map(|it| (it.site.as_str(), it.picture, it.sound, &*it.note)).collect();
    assert_eq!(said, [(&*site, true, false, "micro tắt")]);
    let back = "document.activeElement.matches('#checklist [data-act=confirm]')";
    browser.until("the focus is where it was", back);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_has_the_focus_is_seen_and_named() {
    let house = House::open(province::troubled(204));
    house.daemon.remember();
    let mut browser = Browser::open(1366, 768);
    for path in ["/?q=nam+mau", "/sites/nam-mau", "/sessions", "/incidents/na-ri-1"] {
        browser.visit(&format!("http://{}{path}", house.address));
        let mut seen = 0;
        for _ in 0..150 {
            browser.press("Tab");
            if browser.eval("document.activeElement === document.body") == true {
                break;
            }
            seen += 1;
            let it = browser.eval(
                "(it => { const style = getComputedStyle(it); return { \
                 html: it.outerHTML.slice(0, 200), \
                 outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, \
                 box: it.getBoundingClientRect().width > 0, \
                 name: (it.ariaLabel || it.innerText || it.labels?.[0]?.textContent || \
                 it.placeholder || '').trim() } })(document.activeElement)",
            );
            assert_eq!((&it["outline"], &it["box"]), (&true.into(), &true.into()), "{path}: {it}");
            assert_ne!(it["name"], "", "{path}: {it}");
        }
        assert!(seen > 6, "{path}: {seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_moves_for_whoever_does_not_want_that() {
    let house = House::open(province::quiet(204));
    let mut browser = Browser::open(1366, 768);
    let cell = "document.querySelector('a[href=\"/sites/nam-mau\"]')";
    for (reduced, moves) in [(true, "none"), (false, "fresh")] {
        browser.motion(reduced);
        house.daemon.publish(province::quiet(204));
        browser.visit(&format!("http://{}/", house.address));
        browser.until("all is well", &format!("{cell}.classList.contains('good')"));
        house.daemon.publish(province::troubled(204));
        browser.until("it fails", &format!("{cell}.classList.contains('fault')"));
        let moving = browser.text(&format!("getComputedStyle({cell}).animationName"));
        assert_eq!(moving, moves, "reduced: {reduced}");
    }
    let others =
        browser.eval("document.getAnimations().filter(it => it.animationName !== 'fresh').length");
    assert_eq!(others, 0);
}
