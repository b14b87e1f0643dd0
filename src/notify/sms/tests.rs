//! What a phone shows: letters of every shape as short messages, kept in
//! `tests/golden/messages/`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use crate::config::{SmsBody, SmsHttpSettings};
use crate::model::{Language, Saw, SelfDoubt, WebAddress};
use crate::texts::Item;
use crate::texts::tests::{digests, every_letter, golden, style, with_levels_in};

#[test]
fn every_letter_fits_into_one_message_that_names_places_and_cuts_no_number() {
    for (language, dir) in [(Language::Vi, "vi"), (Language::En, "en")] {
        let style = style(language);
        let mut all = String::new();
        for (heading, letter) in every_letter() {
            let text = short(&with_levels_in(language, &letter), &style);
            assert!(text.is_ascii() && text.len() <= LONGEST, "{text}");
            let contacts = letter.items.iter().flat_map(|it| &it.notification.alert.contacts);
            let known: Vec<String> = contacts.map(|it| it.phone.replace(' ', "")).collect();
            let digits = text.split(|c: char| !c.is_ascii_digit());
            for number in digits.filter(|digits| digits.len() > 4) {
                assert!(known.iter().any(|known| known == number), "{number} in {text}");
            }
            let call = style.language.pick("Goi", "Call");
            assert_eq!(text.contains(call), known.iter().any(|it| text.ends_with(it)), "{text}");
            let _ = writeln!(all, "=== {heading}\n\n{text}\n");
        }
        golden(&format!("{dir}/sms.txt"), &all);
    }
}

#[test]
fn what_is_the_matter_with_us_is_said_whatever_the_session_is_called() {
    let title = "Phiên họp trực tuyến toàn tỉnh sơ kết sáu tháng đầu năm, triển khai nhiệm vụ \
                 trọng tâm sáu tháng cuối năm";
    let all = every_letter();
    for (name, vi, en) in [
        ("drill", "kenh sms, zalo", "channel sms, zalo"),
        ("nobody", "khong ai nhan duoc canh bao", "nobody would get the alerts"),
        ("muted", "dang tam tat", "silences or planned work hold back"),
        ("unwatched", "khong ai duoc bao trong hai phut", "nobody would hear within two minutes"),
    ] {
        let found = all.iter().find(|(heading, _)| *heading == format!("ourselves: {name}"));
        let mut letter = found.expect("such a letter").1.clone();
        for item in &mut letter.items {
            for seen in &mut Arc::make_mut(&mut item.notification).alert.incident.evidence {
                if let Saw::Ourselves(
                    SelfDoubt::DrillMissed { session, .. }
                    | SelfDoubt::NobodyReached { session }
                    | SelfDoubt::SessionMuted { session }
                    | SelfDoubt::SessionUnwatched { session },
                ) = &mut seen.saw
                {
                    title.clone_into(session);
                }
            }
        }
        for (language, said) in [(Language::Vi, vi), (Language::En, en)] {
            let text = short(&letter, &style(language));
            assert!(text.len() <= LONGEST && text.contains(said), "{text}");
        }
    }
}

#[test]
fn of_many_sites_as_many_are_named_as_there_is_room_for() {
    let style = style(Language::Vi);
    let together = digests().remove(0).1;
    let mut many = together.clone();
    let numbered = (1..).zip(together.items.iter().cycle()).take(24).map(|(n, item)| {
        let mut it = (*item.notification).clone();
        it.alert.site_name = format!("Xã Tân Lập {n}");
        Item { notification: Arc::new(it), ..item.clone() }
    });
    many.items = numbered.collect();
    let text = short(&many, &style);
    assert!(text.starts_with("(NGHIEM TRONG) 24 su co"), "{text}");
    let (named, more) = text.rsplit_once(", +").expect("more than fit");
    assert_eq!(named.matches("Xa ").count(), 24 - more.parse::<usize>().unwrap(), "{text}");
    assert!(text.len() > 120 && !text.contains("Goi"), "{text}");
}

#[test]
fn the_end_of_a_wide_fault_names_who_is_not_back() {
    let said = |wanted: &str| {
        let mut all = every_letter().into_iter();
        let letter = all.find(|(name, _)| name == wanted).unwrap().1;
        short(&letter, &style(Language::Vi))
    };
    let one = said("wide: a district, over but for one");
    assert!(one.ends_with("cung 14 diem cau phia sau; con mat ket noi: Xa Banh Trach"), "{one}");
    let many = said("wide: a district, over but for many");
    assert!(many.ends_with("cung 1 diem cau phia sau; con mat ket noi: 14 diem cau"), "{many}");
    let two = said("wide: a district, over but for one, among others");
    assert!(two.ends_with("Huyen Pac Nam (+3, tru Xa Cong Bang), Xa Tan Lap"), "{two}");
}

/// What a brand name that is registered with a provider may say, word for word.
#[test]
fn a_registered_form_is_kept_whatever_it_tells_of() {
    let text = "TT HNTH Bac Kan thong bao: {{ count }} su co tai {{ places | join(', ') }}\
                {% if more %} va {{ more }} noi khac{% endif %}. \
                {% if contact %}LH {{ contact.phone }}. {% endif %}Tran trong.";
    let template = crate::config::Template {
        language: Language::Vi,
        part: crate::config::TemplatePart::Sms,
        file: "templates/vi/sms.txt".to_owned(),
        text: text.to_owned(),
    };
    texts::check_templates(std::slice::from_ref(&template)).unwrap();
    let templates = texts::Templates::new(&[template]);
    let style = Style { templates, ..style(Language::Vi) };
    let mut seen = 0;
    for (name, letter) in every_letter() {
        let text = short(&letter, &style);
        assert!(text.is_ascii() && text.len() <= LONGEST, "{text}");
        if name.starts_with("test") {
            assert!(text.starts_with("(THU NGHIEM)"), "a test tells of nothing: {text}");
            continue;
        }
        let unmarked = text.strip_prefix("(DIEN TAP) ").unwrap_or(&text);
        assert_eq!(unmarked.len() < text.len(), name.starts_with("drill"), "{text}");
        assert!(unmarked.starts_with("TT HNTH Bac Kan thong bao: "), "{name}: {text}");
        assert!(text.ends_with(". Tran trong."), "{name}: {text}");
        seen += 1;
    }
    assert!(seen > 80, "{seen}");
    let dozen = texts::tests::two_dozen(crate::model::NotificationKind::Firing);
    let text = short(&dozen, &style);
    assert!(text.contains("24 su co tai ") && text.contains(" noi khac"), "{text}");
}

#[test]
fn a_form_of_ones_own_says_since_when_it_is_on_and_when_it_first_was() {
    let template = crate::config::Template {
        language: Language::Vi,
        part: crate::config::TemplatePart::Sms,
        file: "templates/vi/sms.txt".to_owned(),
        text: "tu {{ since }}, lan dau {{ began }}".to_owned(),
    };
    texts::check_templates(std::slice::from_ref(&template)).unwrap();
    let style = Style { templates: texts::Templates::new(&[template]), ..style(Language::Vi) };
    let of = |wanted: &str| {
        let mut all = every_letter().into_iter();
        let letter = all.find(|(name, _)| name == wanted).unwrap().1;
        short(&letter, &style)
    };
    let again = "tu 07:55 03/02/2026, lan dau 07:42 03/02/2026";
    assert_eq!(of("special: on again"), again);
    assert_eq!(of("special: two that are on again"), again);
    assert_eq!(of("access: firing"), "tu 07:42 03/02/2026, lan dau 07:42 03/02/2026");
}

/// A gateway that is asked at an address of this machine.
fn gateway_at(port: u16, to: &[&str]) -> SmsSettings {
    SmsSettings {
        gateway: SmsGateway::Http(SmsHttpSettings {
            url: WebAddress::new(format!("http://127.0.0.1:{port}/?to={{phone}}&id={{id}}")),
            body: SmsBody::None,
            headers: BTreeMap::new(),
            secrets: BTreeMap::new(),
            accepted_if: None,
        }),
        to: to.iter().map(|it| (*it).to_owned()).collect(),
        timeout: Duration::from_secs(5),
    }
}

#[tokio::test]
async fn a_number_keeps_its_id_where_another_is_taken_out_while_a_message_waits() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<Mutex<Vec<(String, String)>>> = Arc::default();
    let seen = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 8192];
            let got = stream.read(&mut bytes).await.unwrap();
            let head = String::from_utf8_lossy(&bytes[..got]).into_owned();
            let (_, query) = head.split_whitespace().nth(1).unwrap().split_once("to=").unwrap();
            let (to, id) = query.split_once("&id=").unwrap();
            let answer = {
                let mut seen = seen.lock().unwrap();
                let is_first = seen.iter().all(|(before, _)| before != to);
                seen.push((to.to_owned(), id.to_owned()));
                match to {
                    "1" => "400 Bad Request",
                    "3" if is_first => "503 Busy",
                    _ => "200 OK",
                }
            };
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let style = Arc::new(style(Language::Vi));
    let http = Http::new(crate::clock::Clock::start());
    let letter = every_letter().remove(0).1;
    let all = gateway_at(port, &["1", "2", "3"]);
    let before = Sms::new(&all, Arc::clone(&style), http.clone(), Arc::default());
    assert!(before.deliver(&letter).await.result.is_err(), "one of them is busy");
    let rest = gateway_at(port, &["2", "3"]);
    let after = Sms::new(&rest, style, http, before.recipients());
    after.deliver(&letter).await.result.unwrap();
    let asked = asked.lock().unwrap();
    let ids = |of: &str| -> Vec<&str> {
        asked.iter().filter(|(to, _)| to == of).map(|(_, id)| &**id).collect()
    };
    let third = ids("3");
    assert!(third.len() == 2 && third[0] == third[1], "the same at the repeat: {asked:?}");
    assert!(!ids("2").contains(&third[0]), "no other number had it before: {asked:?}");
}

#[tokio::test]
async fn a_number_that_a_gateway_repeats_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let said = "not valid: +84912345678, 84912345678, 0912345678 (912345678)";
        let size = said.len();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut vec![0; 8192]).await.unwrap();
            let answer = format!(
                "HTTP/1.1 400 No\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n{said}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    for phone in ["+84912345678", "0912345678"] {
        let mut settings = gateway_at(port, &[phone]);
        if let SmsGateway::Http(gateway) = &mut settings.gateway {
            gateway.url = WebAddress::new(format!("http://127.0.0.1:{port}/"));
            let fields = [("to".to_owned(), "{phone}".to_owned())].into();
            gateway.body = SmsBody::Json(fields);
        }
        let http = Http::new(crate::clock::Clock::start());
        let sms = Sms::new(&settings, Arc::new(style(Language::Vi)), http, Arc::default());
        let error = sms.deliver(&every_letter().remove(0).1).await.result.unwrap_err();
        assert!(error.text.ends_with("not valid: ***, ***, *** (***)"), "{error}");
    }
}

#[test]
fn several_places_with_other_people_to_phone_have_a_number_each_or_the_first_has_one() {
    let style = style(Language::Vi);
    let together = digests().remove(0).1;
    let phones = ["0209 111 1111", "0209 222 2222", ""];
    let of = |names: [&str; 3]| {
        let items = together.items.iter().cycle().zip(names.into_iter().zip(phones));
        let items = items.take(3).map(|(item, (name, phone))| {
            let mut it = (*item.notification).clone();
            it.alert.site_name = name.to_owned();
            let contact = Contact { name: "Tú".into(), phone: phone.into(), email: String::new() };
            it.alert.contacts = vec![contact];
            Item { notification: Arc::new(it), ..item.clone() }
        });
        short(&together.only(items.collect()).unwrap(), &style)
    };
    let text = of(["Xã A", "Xã B", "Xã C"]);
    assert!(text.contains(" 02091111111") && text.contains(" 02092222222"), "{text}");
    assert!(!text.contains("Goi"), "{text}");
    let long = ["Xã Ánh", "Xã Bê tông hóa kênh mương", "Xã Cải tạo lưới điện nông thôn"];
    let text = of(long);
    assert!(text.contains("Xa Anh") && text.len() <= LONGEST, "{text}");
    let named = text.split(". Goi ").nth(1);
    assert!(named.is_none_or(|it| it.ends_with(": 02091111111")), "{text}");
}
