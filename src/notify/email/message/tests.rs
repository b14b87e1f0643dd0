//! Mails as they go over the wire.

use std::sync::Arc;

use super::*;
use crate::model::{ChannelId, Language, NotificationId};
use crate::notify::Item;
use crate::store::tests::{at, incident, notification};
use crate::texts::tests::{every_letter, golden, linking, with_levels_in, write_each};

fn mail(id: &str, kind: NotificationKind, incidents: &[&str]) -> String {
    let items: Vec<Item> = incidents
        .iter()
        .map(|name| {
            let mut it = notification(id, incident(name, "tan-lap"), kind);
            it.alert.site_name = "Xã Tân Lập <b>&\"1\"".to_owned();
            it.alert.incident.severity = Severity::Critical;
            if kind == NotificationKind::Resolved {
                it.alert.incident.resolved = Some(it.alert.incident.began);
            }
            Item::new(kind, Arc::new(it))
        })
        .collect();
    let letter = Letter {
        id: NotificationId::new(id),
        channel: ChannelId::new("mail"),
        created: at("2026-02-03T00:42:14Z"),
        items,
        test: false,
    };
    let time_zone = jiff::tz::TimeZone::UTC;
    let style = Style::new(Language::Vi, time_zone, "http://b");
    let from: Mailbox = "Giám sát <canh-bao@tinh.example>".parse().unwrap();
    let to: Vec<Mailbox> =
        ["a@tinh.example", "Trực <b@tinh.example>"].map(|to| to.parse().unwrap()).into();
    let mail = Mail { letter: &letter, style: &style, from: &from, to: &to };
    String::from_utf8(mail.bytes().unwrap()).unwrap()
}

/// The value of a header, unfolded.
fn header(mail: &str, name: &str) -> Option<String> {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let start = format!("{name}: ");
    head.split("\r\n").find_map(|line| Some(line.strip_prefix(&start)?.trim().to_owned()))
}

#[test]
fn all_mails_of_an_incident_refer_to_one_ancestor() {
    let firing = mail("n1", NotificationKind::Firing, &["i1"]);
    let over = mail("n2", NotificationKind::Resolved, &["i1"]);
    assert_eq!(header(&firing, "Message-ID").unwrap(), "<n1@tinh.example>");
    assert_eq!(header(&over, "Message-ID").unwrap(), "<n2@tinh.example>");
    for mail in [&firing, &over] {
        let ancestor = "<incident.i1@tinh.example>";
        assert_eq!(header(mail, "References").unwrap(), ancestor);
        assert_eq!(header(mail, "In-Reply-To").unwrap(), ancestor);
        assert_eq!(header(mail, "Auto-Submitted").unwrap(), "auto-generated");
        assert_eq!(header(mail, "Date").unwrap(), "Tue, 03 Feb 2026 00:42:14 +0000");
    }
    assert_eq!(header(&firing, "Importance").unwrap(), "high");
    assert_eq!(header(&over, "Importance"), None);
    assert_eq!(mail("n1", NotificationKind::Firing, &["i1"]).len(), firing.len());
}

#[test]
fn a_digest_is_in_the_thread_of_no_incident_and_in_one_with_its_end() {
    let ancestor = |incidents: &[&str], kind| {
        let digest = mail("bundle", kind, incidents);
        let [references, reply] =
            ["References", "In-Reply-To"].map(|name| header(&digest, name).unwrap());
        assert_eq!(references, reply);
        assert_eq!(references.matches('<').count(), 1, "{references}");
        references
    };
    let begun = ancestor(&["i1", "i2", "i3"], NotificationKind::Firing);
    assert!(begun.starts_with("<incidents."), "{begun}");
    assert_eq!(begun, ancestor(&["i3", "i1", "i2"], NotificationKind::Resolved));
    assert_ne!(begun, ancestor(&["i1", "i2"], NotificationKind::Resolved));
    assert_ne!(begun, ancestor(&["i1", "i2", "i4"], NotificationKind::Firing));
    // Two lines about one incident are about one incident.
    assert_eq!(ancestor(&["i1", "i1"], NotificationKind::Firing), "<incident.i1@tinh.example>");
}

#[test]
fn a_name_holds_only_what_a_name_may_hold() {
    let odd = mail("a b<c>@d..e.\r\nBcc: x", NotificationKind::Firing, &["i"]);
    let name = header(&odd, "Message-ID").unwrap();
    assert_eq!(name, "<a=20b=3cc=3e=40d.=2ee.=0d=0aBcc=3a=20x@tinh.example>");
    assert_eq!(header(&odd, "Bcc"), None);
}

#[test]
fn html_shows_names_as_they_stand_and_addresses_as_links() {
    let page = html("Xã <b>&\"1\"\nXem http://10.0.0.5:8080/#i1.\n\nGọi 'A'", "#b2182b");
    assert!(page.contains(
        "background:#b2182b;color:#fff;font-weight:bold\">Xã &lt;b&gt;&amp;&quot;1&quot;</p>"
    ));
    assert!(page.contains("<a href=\"http://10.0.0.5:8080/#i1\""));
    assert!(page.contains(">http://10.0.0.5:8080/#i1</a>."));
    assert!(page.contains("Gọi &#39;A&#39;</p>"));
    let page = html("x\nLiên hệ: <Tú>: 1\nChi tiết: http://b/i?a=1&b\n• a: http://b/", "#b2182b");
    assert!(page.contains("<b>Liên hệ:</b> &lt;Tú&gt;: 1<br>"), "{page}");
    assert!(page.contains("<a href=\"http://b/i?a=1&amp;b\" style=\"display"), "{page}");
    assert!(page.contains(">Chi tiết</a>") && page.contains("• a: <a href"), "{page}");
}

/// A mail of a letter, with all that it takes.
fn of<T>(letter: &Letter, style: &Style, make: impl Fn(&Mail<'_>) -> T) -> T {
    let from: Mailbox = "Giám sát <canh-bao@tinh.example>".parse().unwrap();
    let to: Vec<Mailbox> =
        ["a@tinh.example", "Trực <b@tinh.example>"].map(|to| to.parse().unwrap()).into();
    make(&Mail { letter, style, from: &from, to: &to })
}

/// What a list of mails shows, and what makes a thread of them.
#[test]
fn what_stands_over_a_mail_can_be_read() {
    write_each("email", &every_letter(), |letter, style| {
        of(letter, style, |it| {
            let mail = String::from_utf8(it.bytes().unwrap()).unwrap();
            let mut shown = format!("Subject: {}\n", it.subject(&texts::plain(letter, style)));
            for name in ["Importance", "Date", "Message-ID", "In-Reply-To"] {
                if let Some(value) = header(&mail, name) {
                    shown += &format!("{name}: {value}\n");
                }
            }
            shown
        })
    });
}

/// The page of a mail, to be opened in a browser.
#[test]
fn what_a_mail_looks_like_can_be_seen() {
    for (language, dir) in [(Language::Vi, "vi"), (Language::En, "en")] {
        let style = linking(language);
        for (name, wanted) in [
            ("firing", "access: firing"),
            ("resolved", "access: resolved"),
            ("several", "digest: mixed"),
            ("two-dozen", "two dozen: firing"),
            ("readiness", "readiness: some are not ready"),
            ("drill", "drill: firing to mail"),
            ("test", "test: firing"),
        ] {
            let found = every_letter().into_iter().find(|(heading, _)| *heading == wanted);
            let letter = with_levels_in(language, &found.unwrap().1);
            let text = texts::plain(&letter, &style);
            let page = of(&letter, &style, |it| html(&text, it.colour()));
            golden(&format!("{dir}/email-{name}.html"), &page);
        }
    }
}
