//! The page behind the link in a message, as a person reads it on a phone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use vchealth::config::{ContactSettings, Phonebook};
use vchealth::model::{Act, CommonFactor, Contact, Incident};
use vchealth::web::Limits;

use crate::acting::{FORM, digest_path, path};
use crate::browser::Browser;
use crate::province;
use crate::web::House;

fn listed(name: &str, phone: &str) -> Vec<Contact> {
    vec![Contact { name: name.to_owned(), phone: phone.to_owned(), email: String::new() }]
}

/// Whom the settings list for what belongs to no site.
fn phonebook() -> Phonebook {
    let providers = ["vnpt", "viettel"].map(|it| {
        (it.to_owned(), listed(&format!("{} Bắc Kạn", it.to_uppercase()), "0209 800 126"))
    });
    Phonebook {
        listed: ContactSettings {
            monitor: listed("Phòng CNTT, Sở KH&CN", "0209 000 0100"),
            labels: BTreeMap::from([("isp".to_owned(), BTreeMap::from(providers))]),
        },
        common_labels: vec!["isp".to_owned()],
    }
}

/// What a page says, each block on a line, with what can be pressed or written in brackets.
fn read(page: &str) -> String {
    let body = page.split_once("<body>").expect("a body").1;
    let mut text = String::new();
    for piece in body.split('<').skip(1) {
        let (tag, said) = piece.split_once('>').expect("a whole tag");
        let name = tag.split(' ').next().unwrap_or_default();
        match name {
            "button" => text += "\n[",
            "/button" => text.push(']'),
            "input" if tag.contains("hidden") => {}
            "input" if tag.contains("radio") => {
                text += if tag.contains(" checked") { "\n(x) " } else { "\n( ) " };
            }
            "input" if tag.contains("checkbox") => {
                text += if tag.contains(" checked") { "\n[x] " } else { "\n[ ] " };
            }
            "input" => {
                let of = |name: &str| {
                    let after = tag.split(&format!("{name}=\"")).nth(1)?;
                    after.split('"').next().filter(|it| !it.is_empty())
                };
                let hint = of("value").or_else(|| of("placeholder")).unwrap_or_default();
                let must = if tag.contains(" required") { "*" } else { "" };
                let _ = write!(text, "{must} [{hint}]");
            }
            "dd" | "/dt" => text += ": ",
            "a" if tag.contains("tel:") => {
                let _ = write!(text, "({}) ", tag.split('"').nth(1).unwrap_or_default());
            }
            "a" | "/a" | "b" | "/b" | "em" | "/em" | "span" | "/span" | "/dd" => {}
            _ => text.push('\n'),
        }
        text += said;
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join("\n").replace(": : ", ": ");
    text.replace("&amp;", "&").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">")
}

#[tokio::test]
async fn golden_files_show_the_page_of_a_link_in_both_languages() {
    for language in ["vi", "en"] {
        let mut all = String::new();
        let mut show = |heading: &str, page: &str| {
            let _ = writeln!(all, "=== {heading}\n\n{}\n", read(page));
        };
        let mut snapshot = province::troubled(204);
        let of = |id: &str| -> Incident {
            let found = snapshot.incidents.iter().find(|it| it.id.as_str() == id);
            (**found.expect("an incident")).clone()
        };
        let shared = Incident {
            id: vchealth::model::IncidentId::new("isp-1"),
            site: None,
            common: Some(CommonFactor {
                label: "isp".to_owned(),
                value: "vnpt".to_owned(),
                of_devices: false,
                inside_failing: 21,
                inside: 130,
                outside_failing: 0,
                outside: 74,
            }),
            ..of("cho-don-1")
        };
        let monitor = Incident {
            id: vchealth::model::IncidentId::new("monitor-1"),
            cause: vchealth::model::Cause::Monitor,
            site: None,
            affected: Vec::new(),
            delegates: 0,
            ..of("na-ri-1")
        };
        snapshot.incidents.extend([shared, monitor].map(Arc::new));
        let house = House::open_with(snapshot, Limits::default());
        *house.daemon.phonebook.lock().unwrap() = Arc::new(phonebook());
        let get = async |link: &str| house.get(&format!("{link}?lang={language}")).await.text();
        let send = async |link: &str, sent: &str| {
            house.ask("POST", &format!("{link}?lang={language}"), &[FORM], sent).await.text()
        };

        let link = path("cho-don-1", "n1");
        show("one that is on", &get(&link).await);
        show("what sites share", &get(&path("isp-1", "n2")).await);
        show("the monitor", &get(&path("monitor-1", "n3")).await);
        show("one that somebody has", &get(&path("nam-mau-1", "n4")).await);
        let pressed = "act=ack&name=Lan&until=over&why=calling";
        show("one that somebody has, pressed", &send(&path("nam-mau-1", "n4"), pressed).await);
        show("without a name", &send(&link, "act=ack&why=power").await);
        show("without a reason", &send(&link, "act=ack&name=Lan").await);
        *house.daemon.reader.lock().unwrap() = Some("Đàm Thị Hà".to_owned());
        show("in a channel of one person", &get(&link).await);
        *house.daemon.reader.lock().unwrap() = None;
        show("one that is over", &get(&path("cao-ky-1", "n5")).await);
        show("several", &get(&digest_path()).await);
        show("several, none chosen", &send(&digest_path(), "act=ack&why=calling&name=Lan").await);
        send(&link, "act=ack&name=H%C3%A0&note=%C4%91ang+g%E1%BB%8Di").await;
        show("taken on", &get(&link).await);
        show("used before", &send(&link, "act=silence-4&name=Lan").await);
        let link = path("na-ri-1", "n6");
        send(&link, "act=silence-4&name=Lan&why=power").await;
        show("silenced", &get(&link).await);
        let link = path("na-ri-1", "n7");
        send(&link, "act=maintain-4&name=Lan&why=planned").await;
        show("being worked on", &get(&link).await);
        show("no link", &get("/a/nothing").await);

        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/messages");
        let file = dir.join(language).join("link.txt");
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &all).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(
            all, expected,
            "{language}/link.txt changed; BLESS=1 writes it anew, then read it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_a_link_fits_a_phone_and_is_filled_in_with_a_thumb() {
    let house = House::open(province::troubled(204));
    let mut browser = Browser::open(390, 844);
    browser.resize(390, 844, true);
    browser.visit(&format!("http://{}{}", house.address, path("cho-don-1", "n20")));
    browser.picture("link");
    let wide = browser.eval("document.documentElement.scrollWidth").as_u64();
    assert!(wide <= Some(390), "{wide:?} pixels are wider than the phone");
    let small = "[...document.querySelectorAll('.chip,button')]\
        .filter(it => it.getBoundingClientRect().height < 44).length";
    assert_eq!(browser.eval(small).as_u64(), Some(0), "what is touched is as large as a thumb");
    browser.click("main button.main");
    let asked = "document.activeElement.name";
    browser.until("it asks for the name", &format!("{asked} === 'name'"));
    assert!(house.daemon.link_uses.lock().unwrap().is_empty());
    browser.enter("Lan");
    browser.click("[name=until][value='120']");
    browser.click("[name=why][value=going]");
    browser.click("main button.main");
    browser.until("it is done", "document.querySelector('.done')");
    browser.picture("link-done");
    let (used, act) = house.daemon.link_uses.lock().unwrap()[0].clone();
    let Act::Ack(ack) = act else { panic!("an ack") };
    let until = province::now().wall + jiff::SignedDuration::from_hours(2);
    assert_eq!((&*used.by, &*ack.note), ("Lan (duty)", "đang cử người đến"));
    assert_eq!(ack.until, Some(until));
    assert!(browser.complaints.is_empty(), "{:?}", browser.complaints);
}
