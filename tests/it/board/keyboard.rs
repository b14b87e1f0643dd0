//! The board without a mouse.

use vchealth::model::IncidentId;

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
