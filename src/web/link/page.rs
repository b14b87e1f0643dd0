//! The page behind the link in a message, as a phone shows it: what there is to know. `form` is
//! what there is to press.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::Row;
use super::sent::{Amiss, Choice, Sent};
use crate::config::PhaseTimes;
use crate::model::{
    Ack, Cause, Chosen, Contact, Incident, Language, SelfDoubt, Severity, Snapshot,
};
use crate::notify::{About, Link, LinkError};
use crate::texts::{grouped, self_doubt, shared_label};
use crate::web::board::{Words, age};
use crate::web::{Look, UsedLink};

/// What the page may do: send its own form, nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// What there is to show.
pub(super) enum View<'a> {
    /// A choice, perhaps after one that was not carried out.
    Open(&'a Incident, Option<(&'a Sent, Amiss)>),
    /// The incidents of a digest, with a choice among those that are left.
    Several(&'a [Row<'a>], Option<(&'a Sent, Amiss)>),
    /// The link was used; perhaps after something else was chosen, which is not done.
    Used(&'a UsedLink, Option<&'a Incident>, Option<&'a Sent>),
    /// The incident is over.
    Over(Option<&'a Incident>),
    /// The link does not work.
    Broken(LinkError),
    /// What was chosen is not done; true if it may be done yet.
    Failed(bool),
}

/// What the page goes by.
pub(super) struct Page<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) link: Option<(&'a Link, Offer)>,
    pub(super) now: Timestamp,
    pub(super) look: Look,
}

/// What the settings say of the choices.
pub(super) struct Offer {
    /// Whose channel the link was sent through, where it is one person's.
    pub(super) reader: Option<String>,
    /// How long an ack holds that does not say so.
    pub(super) lasts: PhaseTimes,
}

impl Page<'_> {
    pub(super) const fn words(&self) -> Words {
        Words(self.look.language)
    }

    pub(super) const fn pick<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        self.look.language.pick(vi, en)
    }

    /// Whether there is one incident to choose about.
    pub(super) fn is_about_one(&self) -> bool {
        self.link.as_ref().is_none_or(|(link, _)| matches!(link.about, About::One(_)))
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
            View::Open(incident, sent) => html! {
                (self.incident(incident))
                (self.form(incident, *sent))
            },
            View::Several(rows, sent) => self.several(rows, *sent),
            View::Used(link, incident, missed) => html! {
                @if let Some(sent) = missed { (self.missed(sent)) }
                (self.done(link, *incident))
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
            View::Failed(maybe) => html! {
                p.broken role="alert" {
                    @if *maybe {
                        (self.pick(
                            "Máy giám sát chưa trả lời, nên chưa biết việc này đã được ghi nhận hay \
                             chưa. Hãy mở lại liên kết sau một phút để xem. Nếu đang gấp, đừng \
                             chờ: hãy gọi báo cho nhau.",
                            "The monitor does not answer in time, so it is not known whether this \
                             is done. Open the link again in a minute to see. If it is urgent do \
                             not wait: phone each other.",
                        ))
                    } @else {
                        (self.pick(
                            "Việc này CHƯA được ghi nhận: máy giám sát đang khởi động lại hoặc gặp \
                             lỗi. Hãy thử lại sau một phút.",
                            "This is NOT done: the monitor is being restarted or is in trouble. \
                             Try again in a minute.",
                        ))
                    }
                }
            },
        }
    }

    /// What the link was used for, by whom and when.
    fn done(&self, UsedLink { used, kept }: &UsedLink, incident: Option<&Incident>) -> Markup {
        let at = self.moment(used.at);
        let ack = incident.and_then(|incident| incident.ack.as_ref());
        let until = ack.filter(|ack| ack.by == used.by && ack.at == used.at).map(|ack| ack.until);
        html! {
            p.done role="status" {
                @match used.chosen {
                    Chosen::Ack => {
                        (self.pick("✓ Đã tiếp nhận lúc ", "✓ Taken on at ")) (at)
                        @if let Some(until) = until.flatten() {
                            (self.pick(", đến ", ", until ")) (self.moment(until))
                        }
                    }
                    Chosen::Silence { until } => {
                        (self.pick("✓ Đã tạm tắt cảnh báo lúc ", "✓ Messages held back at ")) (at)
                        (self.with_those_behind(incident))
                        (self.pick(", đến ", ", until ")) (self.moment(until))
                    }
                    Chosen::Maintenance { until } => {
                        (self.pick("✓ Đã báo bảo trì lúc ", "✓ Planned work announced at ")) (at)
                        (self.with_those_behind(incident))
                        (self.pick(", đến ", ", until ")) (self.moment(until))
                    }
                }
                ", " (used.by) "."
            }
            @if !kept { (self.unkept()) }
            p.soft {
                (self.pick(
                    "Mỗi liên kết chỉ dùng được một lần. Khi sự cố kết thúc vẫn có tin báo.",
                    "Each link works once. You will still be told when it is over.",
                ))
                @if until.flatten().is_some() {
                    (self.pick(
                        " Nếu đến giờ đó chưa xong, mọi người được nhắc lại và cần có người tiếp \
                         nhận lại.",
                        " If it is not over by that time everybody is told again, and it has to be \
                         taken on again.",
                    ))
                }
            }
        }
    }

    /// That what was chosen holds for the sites behind as well.
    fn with_those_behind(&self, incident: Option<&Incident>) -> Markup {
        let below = incident.map_or(0, |incident| self.below(incident).len());
        html! {
            @if below > 0 {
                (self.pick(" cho điểm cầu này và ", " for this site and the "))
                (self.sites(below)) (self.pick(" phía sau", " behind it"))
            }
        }
    }

    /// The names of the sites whose line runs through the one at fault, nearest first: what is
    /// silenced or worked on there is so at them, too.
    pub(super) fn below(&self, incident: &Incident) -> Vec<&str> {
        let topology = &self.snapshot.topology;
        let site = incident.site.as_ref().and_then(|id| topology.find_site(id));
        let all = site.map(|site| topology.subtree(site)).unwrap_or_default();
        all.into_iter().skip(1).map(|below| &*topology.site(below).name).collect()
    }

    pub(super) fn sites(&self, many: usize) -> String {
        match many {
            1 => self.pick("1 điểm cầu", "1 site").to_owned(),
            _ => format!("{} {}", self.count(many as u64), self.words().sites()),
        }
    }

    /// That what was chosen is not done, as the link was used.
    fn missed(&self, sent: &Sent) -> Markup {
        html! {
            p.broken role="alert" {
                @match (sent.choice(false), sent.name.trim()) {
                    (Ok(Choice::Silence(hours)), _) => {
                        (self.pick("KHÔNG tạm tắt cảnh báo ", "Messages are NOT held back for "))
                        (hours) (self.pick(" giờ", " h"))
                    }
                    (Ok(Choice::Maintain(hours)), _) => {
                        (self.pick("KHÔNG báo bảo trì ", "Planned work is NOT announced for "))
                        (hours) (self.pick(" giờ", " h"))
                    }
                    (_, "") => (self.pick("Lần bấm này KHÔNG được ghi nhận", "This is NOT done")),
                    (_, name) => {
                        (self.pick("KHÔNG tiếp nhận cho ", "NOT taken on by ")) (name)
                    }
                }
                (self.pick(
                    ": liên kết này đã được dùng trước đó, xem bên dưới. Nếu vẫn cần, hãy mở liên \
                     kết trong một tin khác về sự cố này.",
                    ": this link was used before, as it says below. If it is still needed, open the \
                     link in another message about this incident.",
                ))
            }
        }
    }

    /// That what is done may be forgotten.
    pub(super) fn unkept(&self) -> Markup {
        html! {
            p.broken role="alert" {
                (self.pick(
                    "Nhưng việc này chưa ghi được vào đĩa của máy giám sát: nếu máy dừng trước \
                     khi ghi xong, việc này sẽ bị quên. Hãy báo cho người quản trị.",
                    "But this is not on the monitor's disk yet: if it stops before it is, this \
                     is forgotten. Tell whoever looks after it.",
                ))
            }
        }
    }

    pub(super) fn incident(&self, incident: &Incident) -> Markup {
        let words = self.words();
        let contacts = self.look.phonebook.of(incident, &self.snapshot.topology);
        let affected = incident.affected_now().count();
        let session = incident
            .session
            .as_ref()
            .and_then(|id| self.snapshot.sessions.iter().find(|view| view.session.id == *id));
        html! {
            article.(urgency(incident.severity)) {
                p.grade { (words.severity(incident.severity)) }
                h1 { (self.place(incident)) }
                p.what { (self.what(incident)) }
                dl {
                    dt { (self.pick("Bắt đầu", "Since")) }
                    dd {
                        (self.moment(incident.since()))
                        @if incident.is_open() {
                            " (" (words.lasting(age(incident.since(), self.now))) ")"
                        }
                    }
                    @if affected > 1 || incident.delegates > 0 {
                        dt { (self.pick("Ảnh hưởng", "Affects")) }
                        dd {
                            (self.sites(affected.max(1)))
                            @if incident.delegates > 0 {
                                ", " (self.count(incident.delegates.into())) " " (words.delegates())
                            }
                        }
                    }
                    @if let Some(view) = session {
                        dt { (self.pick("Phiên họp", "Session")) }
                        dd { (view.session.title) ", " (self.moment(view.session.start)) }
                    }
                    @if !contacts.is_empty() {
                        dt { (self.pick("Liên hệ", "Contact")) }
                        @for contact in &contacts { dd { (phone(contact)) } }
                    }
                    @if let Some(ack) = incident.whose(self.now) {
                        dt { (self.pick("Đã tiếp nhận", "Taken on")) }
                        dd { (self.who(ack)) }
                    }
                }
            }
        }
    }

    pub(super) fn what(&self, incident: &Incident) -> Markup {
        html! {
            (self.words().cause(incident.cause))
            @if let Some(endpoint) = &incident.endpoint { " · " (endpoint) }
            @if let Some(check) = &incident.check { " · " (check) }
            @if let Some(doubt) = doubt(incident) {
                ": " (self_doubt(doubt, self.look.language))
            }
        }
    }

    pub(super) fn place(&self, incident: &Incident) -> String {
        place(self.snapshot, incident, self.look.language)
    }

    pub(super) fn who(&self, ack: &Ack) -> Markup {
        html! {
            (ack.by) ", " (self.moment(ack.at))
            @if let Some(until) = ack.until {
                (self.pick(", đến ", ", until ")) (self.moment(until))
            }
            @if !ack.note.is_empty() { " – " (ack.note) }
        }
    }

    /// A count as messages write it.
    fn count(&self, count: u64) -> String {
        let separator = match self.look.language {
            Language::Vi => '.',
            Language::En => ',',
        };
        grouped(count, separator)
    }

    pub(super) fn moment(&self, at: Timestamp) -> String {
        self.words().moment(at, self.now, &self.look.time_zone)
    }
}

/// What is wrong with the monitor itself, by what was seen last.
fn doubt(incident: &Incident) -> Option<&SelfDoubt> {
    incident.doubts().next_back().filter(|_| incident.cause == Cause::Monitor)
}

/// Whom to phone, by a touch.
fn phone(contact: &Contact) -> Markup {
    let dialled: String =
        contact.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect();
    html! {
        (contact.name)
        @if !contact.phone.is_empty() { " " a href={ "tel:" (dialled) } { (contact.phone) } }
    }
}

/// The site at fault, or what the sites have in common.
pub(super) fn place(snapshot: &Snapshot, incident: &Incident, language: Language) -> String {
    let known = incident.site.as_ref().and_then(|id| snapshot.topology.find_site(id));
    match (known, &incident.site, &incident.common) {
        (Some(ix), ..) => snapshot.topology.site(ix).name.clone(),
        (None, Some(id), _) => id.to_string(),
        (None, None, Some(common)) => {
            let (same, what) =
                (language.pick("Cùng", "Same"), shared_label(&common.label, language));
            format!("{same} {what}: {}", common.value)
        }
        (None, None, None) => "vchealth".to_owned(),
    }
}

pub(super) const fn urgency(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}
