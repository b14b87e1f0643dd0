//! `GET` and `POST /a/{token}`: the page behind the link in a message.
//!
//! The reader stands in a corridor with a phone and has no account; the link itself is the proof of
//! who it was sent to. Programs that show previews of links fetch them, and so do mail scanners:
//! therefore a `GET` only shows, and only the `POST` of a button acts, once for each link. The page
//! has no scripts and nothing from elsewhere.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;

use crate::model::{Ack, Chosen, Incident, LinkUse, Mono, Severity, Silence, Site, Snapshot};
use crate::notify::{Link, LinkError};

use super::api::{self, Unfit};
use super::app::{App, carry_out};
use super::board::{Words, age};
use super::look::Asked;
use super::{Act, ControlError, Look};

/// Tokens that nobody made, accepted to be looked at in a row, and how soon another one is.
const GUESSES: (u32, Duration) = (20, Duration::from_secs(3));
/// What the page may do: send its own form, nothing else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
     form-action 'self'; frame-ancestors 'none'",
);

/// How many wrong tokens may still be tried. Right ones cost nothing, so that nobody's guessing
/// keeps a technician out.
#[derive(Debug)]
pub(super) struct Guesses(Mutex<(u32, Mono)>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new((GUESSES.0, Mono::ZERO)))
    }
}

impl Guesses {
    /// Counts a wrong token; whether there were too many.
    fn is_too_many(&self, now: Mono) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let earned = (now - since).as_nanos() / GUESSES.1.as_nanos();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        let since = if earned > 0 { now } else { since };
        let left = left.saturating_add(earned).min(GUESSES.0);
        *state = (left.saturating_sub(1), since);
        left == 0
    }
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    /// Which button.
    act: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    note: String,
}

/// What there is to show.
enum View<'a> {
    /// A choice.
    Open(&'a Incident),
    /// The link was used.
    Used(&'a LinkUse, Option<&'a Incident>),
    /// The incident is over.
    Over(Option<&'a Incident>),
    /// The link does not work.
    Broken(LinkError),
}

/// `GET /a/{token}`: shows, and changes nothing.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Asked(look): Asked,
) -> Response {
    let link = match open(&app, &token, &look) {
        Ok(link) => link,
        Err(response) => return *response,
    };
    let snapshot = app.daemon.snapshot();
    let used = app.daemon.link_use(&link);
    let known = snapshot.incidents.iter().find(|it| it.id == link.incident).map(|it| &**it);
    let (status, view) = match (&used, known) {
        (Some(used), incident) => (StatusCode::OK, View::Used(used, incident)),
        (None, Some(incident)) if incident.is_open() => (StatusCode::OK, View::Open(incident)),
        (None, incident) => (StatusCode::GONE, View::Over(incident)),
    };
    let page = Page { snapshot: &snapshot, link: Some(&link), now: app.daemon.now().wall, look };
    page.answer(status, &view)
}

/// `POST /a/{token}`: does what was chosen, once.
pub(super) async fn act(
    State(app): State<Arc<App>>,
    Path(token): Path<String>,
    Asked(look): Asked,
    address: Uri,
    form: Result<Form<Sent>, FormRejection>,
) -> Response {
    let link = match open(&app, &token, &look) {
        Ok(link) => link,
        Err(response) => return *response,
    };
    let now = app.daemon.now().wall;
    let snapshot = app.daemon.snapshot();
    // Shown again, the page says why nothing happened: it is over, or the link was used.
    let again = || Redirect::to(&address.to_string()).into_response();
    let Some(incident) = snapshot.incidents.iter().find(|it| it.id == link.incident) else {
        return again();
    };
    if !incident.is_open() {
        return again();
    }
    let chosen = form.map_err(|error| Unfit::new(error.body_text()));
    let chosen = chosen.and_then(|Form(sent)| choose(&sent, &link, incident, now));
    let (act, used) = match chosen {
        Ok(chosen) => chosen,
        Err(why) => return (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
    };
    let by = used.by.clone();
    let daemon = Arc::clone(&app.daemon);
    let done = carry_out(async move { daemon.use_link(used, act).await }).await;
    if done == Some(Ok(())) {
        tracing::info!(incident = %link.incident, channel = %link.channel, by, "a link was used");
    }
    match done {
        Some(Ok(()) | Err(ControlError::Used | ControlError::NotFound)) => again(),
        Some(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        None => (StatusCode::INTERNAL_SERVER_ERROR, "this broke off\n").into_response(),
    }
}

/// What a button means: who is the name that was given and the channel that got the link.
fn choose(
    sent: &Sent,
    link: &Link,
    incident: &Incident,
    now: Timestamp,
) -> Result<(Act, LinkUse), Unfit> {
    let channel = link.channel.as_str();
    let by = match sent.name.trim() {
        "" => channel.to_owned(),
        name => api::person(&format!("{name} ({channel})"))?,
    };
    let note = api::text("note", &sent.note)?;
    let (act, chosen) = match sent.act.strip_prefix("silence-") {
        None if sent.act == "ack" => {
            (Act::Ack(Ack { by: by.clone(), at: now, note, until: None }), Chosen::Ack)
        }
        Some(hours @ ("1" | "4")) => {
            let hours = if hours == "1" { 1 } else { 4 };
            let until = now.checked_add(Duration::from_hours(hours)).unwrap_or(Timestamp::MAX);
            let Some(site) = incident.site.clone() else {
                return Err(Unfit::new("there is no site to silence"));
            };
            let silence = Silence {
                id: api::new_id()?,
                site: Some(site),
                from: now,
                until,
                by: by.clone(),
                reason: note,
            };
            (Act::Silence(silence), Chosen::Silence { until })
        }
        _ => return Err(Unfit::new("there is no such choice")),
    };
    let used =
        LinkUse { nonce: link.nonce.clone(), incident: link.incident.clone(), at: now, by, chosen };
    Ok((act, used))
}

/// The link of a token, or what to answer.
fn open(app: &App, token: &str, look: &Look) -> Result<Link, Box<Response>> {
    let now = app.daemon.now();
    app.daemon.open_link(token).map_err(|error| {
        if error == LinkError::Foreign && app.guesses.is_too_many(now.mono) {
            let wait = [(header::RETRY_AFTER, GUESSES.1.as_secs().to_string())];
            let text = "too many wrong links\n";
            return Box::new((StatusCode::TOO_MANY_REQUESTS, wait, text).into_response());
        }
        let snapshot = app.daemon.snapshot();
        let page = Page { snapshot: &snapshot, link: None, now: now.wall, look: look.clone() };
        let status = match error {
            LinkError::Foreign => StatusCode::NOT_FOUND,
            LinkError::Expired => StatusCode::GONE,
        };
        Box::new(page.answer(status, &View::Broken(error)))
    })
}

struct Page<'a> {
    snapshot: &'a Snapshot,
    link: Option<&'a Link>,
    now: Timestamp,
    look: Look,
}

impl Page<'_> {
    const fn words(&self) -> Words {
        Words(self.look.language)
    }

    const fn pick<'a>(&self, vi: &'a str, en: &'a str) -> &'a str {
        self.look.language.pick(vi, en)
    }

    fn answer(&self, status: StatusCode, view: &View<'_>) -> Response {
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
                    style { (PreEscaped(include_str!("link/style.css"))) }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guessing_is_slow_after_the_first_few() {
        let guesses = Guesses::default();
        let now = Mono::ZERO + Duration::from_secs(60);
        let refused = (0..30).filter(|_| guesses.is_too_many(now)).count();
        assert_eq!(refused, 10);
        assert!(!guesses.is_too_many(now + GUESSES.1), "another one after a while");
        assert!(guesses.is_too_many(now + GUESSES.1));
    }
}
