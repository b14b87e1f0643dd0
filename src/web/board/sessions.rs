//! `GET /sessions` and `GET /sessions/{id}`: the calendar, what was, and one session of either.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use crate::model::{Calendar, CalendarStatus, Importance, Phase, Session, SessionView, encoded};

use super::pen::{Pen, to_session};
use super::state::session as main_session;
use super::{Asked, Here, Page, answer, lost};
use crate::web::app::App;

/// `GET /sessions`.
pub(in crate::web) async fn list(
    Shared(app): Shared<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let look = asked.look(app.daemon.look(), &headers);
    let snapshot = app.daemon.snapshot();
    let pen = Pen::new(&snapshot, app.daemon.now().wall, look);
    let calendar = app.daemon.calendar();
    let main = html! {
        h1 { (pen.pick("Lịch họp và báo cáo", "Sessions and reports")) }
        (coming(&pen, &calendar))
        (calendars(&pen, &calendar.calendars))
    };
    let page = Page::new(pen.pick("Lịch họp và báo cáo", "Sessions and reports"), Here::Sessions);
    asked.keep(answer(StatusCode::OK, &page.write(&pen, &main)))
}

/// `GET /sessions/{id}`.
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
    let calendar = app.daemon.calendar();
    let known = calendar.sessions.iter().find(|(it, _)| it.id.as_str() == id);
    let view = snapshot.sessions.iter().find(|view| view.session.id.as_str() == id);
    let session = view.map(|view| &view.session).or_else(|| known.map(|(it, _)| it));
    let Some(session) = session else {
        // One that is over has a report, if it is on record.
        return match app.daemon.report(crate::model::SessionId::new(id.as_str())).await {
            Ok(_) => Redirect::to(&format!("/sessions/{}/report", encoded(&id))).into_response(),
            Err(_) => {
                let what = pen.pick("Không có phiên họp nào là", "There is no session called");
                asked.keep(lost(&pen, what, &id))
            }
        };
    };
    let main = whole(&pen, session, view, known.map(|(_, origin)| origin.as_str()));
    let place = app.live.place(shown.version);
    let page =
        Page { live: Some(place), refresh: true, ..Page::new(&session.title, Here::Sessions) };
    asked.keep(answer(StatusCode::OK, &page.write(&pen, &main)))
}

/// `GET /readiness`: that of the session that is on or comes next.
pub(in crate::web) async fn readiness(
    Shared(app): Shared<Arc<App>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let now = app.daemon.now().wall;
    let calendar = app.daemon.calendar();
    let near = main_session(&snapshot).map(|view| &view.session);
    let next = calendar.sessions.iter().map(|(it, _)| it).find(|it| it.end > now);
    match near.or(next) {
        Some(session) => {
            Redirect::to(&format!("{}/readiness", to_session(&session.id))).into_response()
        }
        None => {
            let pen = Pen::new(&snapshot, now, asked.look(app.daemon.look(), &headers));
            let main = html! {
                h1 { (pen.pick("Sẵn sàng", "Readiness")) }
                p { (pen.pick(
                    "Không có phiên họp nào sắp tới, nên chưa có gì để kiểm tra.",
                    "No session is to come, so there is nothing to look at.",
                )) }
            };
            let page = Page::new(pen.pick("Sẵn sàng", "Readiness"), Here::Readiness);
            asked.keep(answer(StatusCode::OK, &page.write(&pen, &main)))
        }
    }
}

/// What is on or comes, day by day.
fn coming(pen: &Pen<'_>, calendar: &Calendar) -> Markup {
    let mut days: Vec<(String, Vec<(&Session, &str)>)> = Vec::new();
    for (session, origin) in calendar.sessions.iter().filter(|(it, _)| it.end > pen.now) {
        let day = pen.weekday(session.start);
        match days.last_mut() {
            Some((same, all)) if *same == day => all.push((session, origin)),
            _ => days.push((day, vec![(session, origin)])),
        }
    }
    html! {
        h2 { (pen.pick("Sắp tới", "To come")) }
        @if days.is_empty() { p.dim { (pen.pick("Không có phiên họp nào.", "There is none.")) } }
        @for (day, sessions) in &days {
            h3.day { (day) }
            ul.plain.sessions { @for (session, origin) in sessions { li {
                span.hours { (pen.hour(session.start)) "–" (pen.hour(session.end)) } " "
                a href=(to_session(&session.id)) { b { (session.title) } }
                (importance(pen, session.importance))
                " · " (session.sites.len()) " " (pen.words.sites())
                " · " (session.delegates()) " " (pen.words.delegates())
                " · " a href={ (to_session(&session.id)) "/readiness" } { (pen.pick("sẵn sàng?", "ready?")) }
                span.dim { " · " (origin) }
            } } }
        }
    }
}

fn importance(pen: &Pen<'_>, importance: Importance) -> Markup {
    html! {
        @match importance {
            Importance::High => { " " span.badge.degraded { (pen.pick("quan trọng", "important")) } },
            Importance::Low => { " " span.badge.unknown { (pen.pick("phiên thử", "rehearsal")) } },
            Importance::Normal => {},
        }
    }
}

/// How the calendars do.
fn calendars(pen: &Pen<'_>, calendars: &[CalendarStatus]) -> Markup {
    html! {
        @for calendar in calendars {
            @if let Some(since) = calendar.failing_since {
                p.alarm.mild {
                    b { (pen.pick("Không đọc được lịch ", "Cannot read calendar ")) (calendar.name) }
                    " " (pen.pick("đã", "for")) " " (pen.ago(since))
                    @if let Some(error) = &calendar.last_error { ": " (error) }
                }
            }
            @for trouble in &calendar.troubles { p.note { (calendar.name) ": " (trouble) } }
        }
    }
}

/// One session that is on, near or to come.
fn whole(
    pen: &Pen<'_>,
    session: &Session,
    view: Option<&SessionView>,
    origin: Option<&str>,
) -> Markup {
    let phase = view.map_or(Phase::Idle, |view| view.phase);
    let begun = session.start <= pen.now;
    html! {
        div #session data-live {
            p.phase class=(phase.word()) { (pen.words.phase(phase)) }
            h1 { (session.title) (importance(pen, session.importance)) }
            p.clock {
                @if !begun {
                    span.label { (pen.pick("bắt đầu sau ", "begins in ")) } (pen.until(session.start))
                } @else if session.end > pen.now {
                    span.label { (pen.pick("còn ", "ends in ")) } (pen.until(session.end))
                }
                span.label { " " (pen.weekday(session.start)) ", " (pen.hour(session.start)) "–" (pen.hour(session.end)) }
            }
            p.large { (session.sites.len()) " " (pen.words.sites()) " · " (session.delegates()) " " (pen.words.delegates()) }
            @if let Some(view) = view.filter(|view| view.seconds_lost > 0) {
                p { (pen.pick("Đã mất: ", "Lost so far: ")) b { (view.seconds_lost / 60) }
                    (pen.pick(" phút, cộng của mọi điểm cầu", " minutes, of all sites together")) }
            }
            @if let Some(origin) = origin { p.dim { (pen.pick("Nguồn: ", "Known from: ")) (origin) } }
        }
        ul.plain.links {
            li { a href="/" { (pen.pick("Bảng theo dõi", "The board")) } }
            li { a href={ (to_session(&session.id)) "/readiness" } { (pen.pick("Danh sách kiểm tra trước phiên", "The checklist before it")) } }
            @if begun {
                li { a href={ (to_session(&session.id)) "/report" } { (pen.pick("Báo cáo đến lúc này", "The report so far")) } }
            }
        }
    }
}
