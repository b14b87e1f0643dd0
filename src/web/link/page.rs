//! The page behind the link in a message, as a phone shows it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::model::{Chosen, Incident, LinkUse, Severity, Site, Snapshot};
use crate::notify::{Link, LinkError};
use crate::web::Look;
use crate::web::board::{Words, age};

/// What the page may do: send its own form, nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// What there is to show.
pub(super) enum View<'a> {
    /// A choice.
    Open(&'a Incident),
    /// The link was used.
    Used(&'a LinkUse, Option<&'a Incident>),
    /// The incident is over.
    Over(Option<&'a Incident>),
    /// The link does not work.
    Broken(LinkError),
}

/// What the page goes by.
pub(super) struct Page<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) link: Option<&'a Link>,
    pub(super) now: Timestamp,
    pub(super) look: Look,
    /// Whether the disk takes what is decided.
    pub(super) kept: bool,
}

impl Page<'_> {
    const fn words(&self) -> Words {
        Words(self.look.language)
    }

    const fn pick<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        self.look.language.pick(vi, en)
    }

    /// The page with this status.
    pub(super) fn answer(&self, status: StatusCode, view: &View<'_>) -> Response {
        let page = self.whole(view).into_string();
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, POLICY),
        ];
        (status, headers, page).into_response()
    }

    fn whole(&self, view: &View<'_>) -> Markup {
        let words = self.words();
        let (href, lang, name) = words.other_language();
        html! {
            (DOCTYPE)
            html lang=(words.code()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.pick("Tiếp nhận sự cố", "Take on an incident")) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(include_str!("style.css"))) }
                }
                body {
                    nav {
                        span { (words.title()) }
                        a href=(href.trim_start_matches('/')) lang=(lang) hreflang=(lang) { (name) }
                    }
                    main { (self.view(view)) }
                }
            }
        }
    }

    fn view(&self, view: &View<'_>) -> Markup {
        match view {
            View::Open(incident) => html! {
                (self.incident(incident))
                (self.form(incident))
            },
            View::Used(used, incident) => html! {
                (self.done(used))
                @if let Some(incident) = incident { (self.incident(incident)) }
            },
            View::Over(incident) => html! {
                p.done role="status" {
                    (self.pick("✓ Sự cố này đã kết thúc", "✓ This incident is over"))
                    @if let Some(at) = incident.and_then(|incident| incident.resolved) {
                        " " (self.pick("lúc", "since")) " " (self.moment(at))
                    }
                    (self.pick(". Không cần làm gì thêm.", ". There is nothing left to do."))
                }
                @if let Some(incident) = incident { (self.incident(incident)) }
            },
            View::Broken(LinkError::Foreign) => html! {
                p.broken role="alert" {
                    (self.pick(
                        "Liên kết không hợp lệ hoặc không đầy đủ. Hãy mở lại từ tin nhắn.",
                        "This link is not valid or not whole. Open it from the message again.",
                    ))
                }
            },
            View::Broken(LinkError::Expired) => html! {
                p.broken role="alert" {
                    (self.pick(
                        "Liên kết đã hết hạn: mỗi liên kết dùng được trong một ngày.",
                        "This link has expired: each works for a day.",
                    ))
                }
            },
        }
    }

    /// What the link was used for, by whom and when.
    fn done(&self, used: &LinkUse) -> Markup {
        let at = self.moment(used.at);
        html! {
            p.done role="status" {
                @match used.chosen {
                    Chosen::Ack => {
                        (self.pick("✓ Đã tiếp nhận lúc ", "✓ Taken on at ")) (at)
                    }
                    Chosen::Silence { until } => {
                        (self.pick("✓ Đã tạm tắt cảnh báo lúc ", "✓ Messages held back at ")) (at)
                        (self.pick(", đến ", ", until ")) (self.moment(until))
                    }
                }
                ", " (used.by) "."
            }
            @if !self.kept {
                p.broken role="alert" {
                    (self.pick(
                        "Nhưng máy giám sát hiện không ghi được vào đĩa: nếu máy dừng trước khi sửa \
                         xong, việc này sẽ bị quên. Hãy báo cho người quản trị.",
                        "But the monitor cannot write to its disk at present: if it stops before \
                         that is mended, this is forgotten. Tell whoever looks after it.",
                    ))
                }
            }
            p.soft {
                (self.pick(
                    "Mỗi liên kết chỉ dùng được một lần. Khi sự cố kết thúc vẫn có tin báo.",
                    "Each link works once. You will still be told when it is over.",
                ))
            }
        }
    }

    fn incident(&self, incident: &Incident) -> Markup {
        let words = self.words();
        let site = incident.site.as_ref().and_then(|id| self.snapshot.topology.find_site(id));
        let site = site.map(|ix| self.snapshot.topology.site(ix));
        let affected = incident.affected_now().count();
        let session = incident
            .session
            .as_ref()
            .and_then(|id| self.snapshot.sessions.iter().find(|view| view.session.id == *id));
        let urgent = match incident.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Info => "info",
        };
        html! {
            article.(urgent) {
                p.grade { (words.severity(incident.severity)) }
                h1 { (place(incident, site)) }
                p.what {
                    (words.cause(incident.cause))
                    @if let Some(endpoint) = &incident.endpoint { " · " (endpoint) }
                    @if let Some(check) = &incident.check { " · " (check) }
                }
                dl {
                    dt { (self.pick("Bắt đầu", "Since")) }
                    dd {
                        (self.moment(incident.began))
                        @if incident.is_open() {
                            " (" (words.lasting(age(incident.began, self.now))) ")"
                        }
                    }
                    @if affected > 1 || incident.delegates > 0 {
                        dt { (self.pick("Ảnh hưởng", "Affects")) }
                        dd {
                            (affected.max(1)) " " (words.sites())
                            @if incident.delegates > 0 {
                                ", " (incident.delegates) " " (words.delegates())
                            }
                        }
                    }
                    @if let Some(view) = session {
                        dt { (self.pick("Phiên họp", "Session")) }
                        dd { (view.session.title) ", " (self.moment(view.session.start)) }
                    }
                    @if let Some(contact) = site.and_then(|site| site.contacts.first()) {
                        dt { (self.pick("Liên hệ", "Contact")) }
                        dd {
                            (contact.name)
                            @if !contact.phone.is_empty() {
                                @let dialled: String = contact.phone.chars()
                                    .filter(|c| c.is_ascii_digit() || *c == '+').collect();
                                " " a href={ "tel:" (dialled) } { (contact.phone) }
                            }
                        }
                    }
                    @if let Some(ack) = &incident.ack {
                        dt { (self.pick("Đã tiếp nhận", "Taken on")) }
                        dd {
                            (ack.by) ", " (self.moment(ack.at))
                            @if !ack.note.is_empty() { " – " (ack.note) }
                        }
                    }
                }
            }
        }
    }

    /// The choices. Without a target the form goes to the address of the page itself.
    fn form(&self, incident: &Incident) -> Markup {
        html! {
            form method="post" {
                label {
                    (self.pick("Tên của bạn", "Your name"))
                    input name="name" maxlength="60" autocomplete="name"
                        placeholder=(self.pick("không bắt buộc", "if you like"));
                }
                label {
                    (self.pick("Ghi chú", "Note"))
                    input name="note" maxlength="200" autocomplete="off"
                        placeholder=(self.pick("ví dụ: đang gọi xã", "such as: on the phone"));
                }
                button.main name="act" value="ack" {
                    (self.pick("Tôi tiếp nhận xử lý", "I take this on"))
                }
                @if incident.site.is_some() {
                    p.soft {
                        (self.pick(
                            "Hoặc tạm tắt cảnh báo của điểm cầu này và các điểm cầu phía sau:",
                            "Or hold back messages about this site and those behind it:",
                        ))
                    }
                    div.row {
                        button name="act" value="silence-1" { (self.pick("1 giờ", "1 hour")) }
                        button name="act" value="silence-4" { (self.pick("4 giờ", "4 hours")) }
                    }
                }
                @if let Some(link) = self.link {
                    p.soft {
                        (self.pick("Liên kết này được gửi qua kênh ", "This link was sent through "))
                        b { (link.channel) }
                        (self.pick(
                            " và dùng được một lần; việc bạn chọn được ghi lại.",
                            " and works once; what you choose is recorded.",
                        ))
                    }
                }
            }
        }
    }

    fn moment(&self, at: Timestamp) -> String {
        self.words().moment(at, self.now, &self.look.time_zone)
    }
}

/// The site at fault, or what the sites have in common.
fn place(incident: &Incident, site: Option<&Site>) -> String {
    match (site, &incident.site, &incident.common) {
        (Some(site), ..) => site.name.clone(),
        (None, Some(id), _) => id.to_string(),
        (None, None, Some(common)) => format!("{}: {}", common.label, common.value),
        (None, None, None) => "vchealth".to_owned(),
    }
}
