//! `GET /sessions/{id}/readiness`: the checklist before a session, on the screen and on paper.
//!
//! Measurements say whether the connection is good. Whether there is a picture and a sound only
//! people can say: for each site they confirm both here, with their name.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use maud::{Markup, html};

use crate::model::{Confirmation, ReadinessRun, Session, SiteReadiness, Verdict};
use crate::readiness::{Group, Summary, words};

use super::pen::{Pen, to_session, to_site};
use super::state::{Causes, State};
use super::{Asked, Here, Page, answer, lost};
use crate::web::app::App;

/// `GET /sessions/{id}/readiness`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let look = asked.look(app.daemon.look(), &headers);
    let shown = app.live.advance(&*app.daemon);
    let snapshot = &shown.snapshot;
    let pen = Pen::new(snapshot, app.daemon.now().wall, look);
    let run = snapshot.readiness.iter().find(|run| run.session.as_str() == id);
    let session =
        snapshot.sessions.iter().map(|view| &view.session).find(|it| it.id.as_str() == id);
    let calendar = app.daemon.calendar();
    let session = session
        .or_else(|| calendar.sessions.iter().map(|(it, _)| it).find(|it| it.id.as_str() == id));
    let (main, title) = match (run, session) {
        (Some(run), _) => (checked(&pen, run), run.title.clone()),
        (None, Some(session)) => (unchecked(&pen, session), session.title.clone()),
        (None, None) => {
            let what =
                pen.pick("Không có phiên họp sắp tới nào là", "No session to come is called");
            return asked.keep(lost(&pen, what, &id));
        }
    };
    let title = format!("{}: {title}", pen.pick("Sẵn sàng", "Readiness"));
    let place = app.live.place(shown.version);
    let page = Page { live: Some(place), refresh: true, ..Page::new(&title, Here::Readiness) };
    asked.keep(answer(StatusCode::OK, &page.write(&pen, &main)))
}

/// A session that was looked at.
fn checked(pen: &Pen<'_>, run: &ReadinessRun) -> Markup {
    let language = pen.look.language;
    let summary = Summary::of(run);
    let confirmed: Vec<&Confirmation> =
        pen.snapshot.confirmations.iter().filter(|it| it.session == run.session).collect();
    html! {
        div #summary data-live {
            p.phase { (pen.pick("Kiểm tra trước phiên", "Before the session")) }
            h1 { a href=(to_session(&run.session)) { (run.title) } }
            p.clock {
                span.label { (pen.pick("bắt đầu lúc ", "begins at ")) (pen.moment(run.start)) }
                @if run.start > pen.now { " · " (pen.until(run.start)) }
            }
            p.large { (words::summary(run, language)) }
            p.dim {
                (pen.pick("Kiểm tra lúc ", "Looked at ")) (pen.moment(run.finished))
                " (" (pen.ago(run.finished)) "). " (words::reservation(language))
            }
        }
        div #groups data-live {
            @for verdict in [Verdict::NotReady, Verdict::CannotTell, Verdict::AtRisk] {
                @if run.count(verdict) > 0 {
                    h2 { span.badge.(class(verdict)) { (mark(verdict)) " " (words::verdict(verdict, language)) }
                        " " span.tally { (run.count(verdict)) } }
                    div.cards { @for it in summary.with(verdict) { (group(pen, it)) } }
                }
            }
        }
        h2 { (pen.pick("Danh sách kiểm tra", "Checklist")) }
        (progress(pen, run, &confirmed))
        div.scroll.tall tabindex="0" role="region" aria-label=(pen.pick("Danh sách kiểm tra", "Checklist")) {
            table #checklist data-live data-session=(run.session) {
                thead { tr {
                    th { (pen.pick("Điểm cầu", "Site")) }
                    th.n { (pen.pick("Đại biểu", "Delegates")) }
                    th { (pen.pick("Kết nối", "Connection")) }
                    th { (pen.pick("Số đo", "Measured")) }
                    th.m { (pen.pick("Hình", "Picture")) }
                    th.m { (pen.pick("Tiếng", "Sound")) }
                    th { (pen.pick("Xác nhận", "Confirmed")) }
                } }
                tbody { @for site in &run.sites { (row(pen, site, &confirmed)) } }
            }
        }
    }
}

/// How many were seen and heard.
fn progress(pen: &Pen<'_>, run: &ReadinessRun, confirmed: &[&Confirmation]) -> Markup {
    let said = |site: &SiteReadiness| confirmed.iter().rev().find(|it| it.site == site.site);
    let both =
        run.sites.iter().filter(|it| said(it).is_some_and(|it| it.picture && it.sound)).count();
    html! {
        p #progress data-live {
            b { (both) "/" (run.sites.len()) } " "
            (pen.pick("điểm cầu đã có người xác nhận hình và tiếng.", "sites were seen and heard by somebody."))
            " " progress max=(run.sites.len()) value=(both) aria-hidden="true" {}
        }
    }
}

fn group(pen: &Pen<'_>, group: &Group<'_>) -> Markup {
    let language = pen.look.language;
    let write = words::Pen { language, time_zone: pen.look.time_zone.clone() };
    html! {
        article.card.(match group.verdict {
            Verdict::NotReady => "critical",
            Verdict::AtRisk => "warning",
            Verdict::CannotTell | Verdict::Ready => "info",
        }) {
            h3 { (words::heading(group, language)) " " span.tally { (group.sites.len()) } }
            p { (pen.pick("Khả năng: ", "Likely: ")) (words::likely(group.kind, language)) }
            p { (pen.pick("Việc cần làm: ", "Try: ")) (words::action(group.kind, language)) }
            ul.plain {
                @for site in &group.sites {
                    li {
                        a href=(to_site(&site.site)) dir="auto" { b { (site.name) } }
                        @if site.delegates > 0 { ", " (site.delegates) " " (pen.words.delegates()) }
                        @for finding in &site.findings { br; span.dim { (write.finding(finding)) } }
                        @for contact in site.contacts.iter().take(1) {
                            br; span dir="auto" { (contact.name) }
                            @if !contact.phone.is_empty() { " " (pen.phone(&contact.phone)) }
                        }
                    }
                }
            }
        }
    }
}

/// One site with what was measured, and what people confirmed.
fn row(pen: &Pen<'_>, site: &SiteReadiness, confirmed: &[&Confirmation]) -> Markup {
    let language = pen.look.language;
    let write = words::Pen { language, time_zone: pen.look.time_zone.clone() };
    let said = confirmed.iter().rev().find(|it| it.site == site.site);
    let mark_of = |seen: Option<bool>| match seen {
        Some(true) => ("✔", pen.pick("có", "yes")),
        Some(false) => ("✘", pen.pick("không", "no")),
        None => ("☐", pen.pick("chưa xác nhận", "not confirmed")),
    };
    let tick = |seen: Option<bool>| {
        let (sign, word) = mark_of(seen);
        html! { span aria-hidden="true" { (sign) } span.v { (word) } }
    };
    html! {
        tr {
            th scope="row" { a href=(to_site(&site.site)) dir="auto" { (site.name) } }
            td.n { (site.delegates) }
            td { span.badge.(class(site.verdict)) { span aria-hidden="true" { (mark(site.verdict)) " " }
                (words::verdict(site.verdict, language)) } }
            td.dim {
                @if let Some(train) = &site.train { (write.train(train)) }
                @if let Some(mtu) = site.mtu { " · MTU " (mtu) }
            }
            td.m { (tick(said.map(|it| it.picture))) }
            td.m { (tick(said.map(|it| it.sound))) }
            td {
                @if let Some(said) = said {
                    span dir="auto" { (said.by) } ", " (pen.moment(said.at))
                    @if !said.note.is_empty() { " – " span dir="auto" { (said.note) } } " "
                }
                button type="button" data-act="confirm" data-site=(site.site) data-name=(site.name) {
                    (if said.is_some() { pen.pick("Sửa", "Change") } else { pen.pick("Xác nhận", "Confirm") })
                    span.v { " " (site.name) }
                }
            }
        }
    }
}

/// A session that was not looked at yet: its sites as they do at this moment.
fn unchecked(pen: &Pen<'_>, session: &Session) -> Markup {
    let causes = Causes::of_all(pen.snapshot);
    let topology = &pen.snapshot.topology;
    html! {
        p.phase { (pen.pick("Kiểm tra trước phiên", "Before the session")) }
        h1 { a href=(to_session(&session.id)) { (session.title) } }
        p.clock {
            span.label { (pen.pick("bắt đầu lúc ", "begins at ")) (pen.moment(session.start)) }
            @if session.start > pen.now { " · " (pen.until(session.start)) }
        }
        p.note { (pen.pick(
            "Chưa kiểm tra lần nào. Hệ thống tự kiểm tra trước phiên một ngày, một giờ và mười phút; \
             lệnh “vchealth ready” kiểm tra ngay. Dưới đây là trạng thái lúc này.",
            "Not looked at yet. That happens by itself a day, an hour and ten minutes before; \
             \"vchealth ready\" does it at once. Below is how the sites do at this moment.",
        )) }
        ul.cells #now data-live {
            @for (ix, delegates) in &session.sites {
                @let state = State::of(pen.snapshot, *ix, &causes);
                @let site = topology.site(*ix);
                li { a.c.(state.word()) href=(to_site(&site.id)) {
                    i aria-hidden="true" { (state.sign()) } b dir="auto" { (site.name) }
                    span.v { ": " (pen.words.state(state)) }
                    @if *delegates > 0 { small { (delegates) } }
                } }
            }
        }
    }
}

const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ready => "good",
        Verdict::AtRisk => "degraded",
        Verdict::CannotTell => "unknown",
        Verdict::NotReady => "lost",
    }
}

const fn mark(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ready => "✓",
        Verdict::AtRisk => "!",
        Verdict::CannotTell => "?",
        Verdict::NotReady => "✕",
    }
}
