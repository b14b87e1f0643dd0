//! `GET /sessions` and `GET /sessions/{id}`: the calendar, what was, and one session of either.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use crate::model::{
    Calendar, CalendarStatus, Importance, Phase, Session, SessionId, SessionRecord, SessionView,
    encoded,
};
use crate::report::Totals;

use super::pen::{Pen, to_session};
use super::state::session as main_session;
use super::{Here, Page, Reader};
use crate::web::ControlError;
use crate::web::app::App;

/// Sessions of the past on one page.
const HELD: usize = 20;

/// What the list may be asked for.
#[derive(Deserialize)]
pub(in crate::web) struct Listed {
    /// Show what was held before this session.
    before: Option<String>,
}

/// `GET /sessions`.
pub(in crate::web) async fn list(
    Shared(app): Shared<Arc<App>>,
    reader: Reader,
    Query(Listed { before }): Query<Listed>,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let pen = reader.pen(&app, &snapshot);
    let calendar = app.daemon.calendar();
    let on = calendar.sessions.iter().filter(|(it, _)| it.start <= pen.now && it.end > pen.now);
    // One more, which the oldest on the page is compared with, and those that are on, which stand
    // among what was held in the history and above it here.
    let most = HELD + 1 + on.count();
    let held = app.daemon.held(before.clone().map(SessionId::new), most).await;
    let held = held.map(|mut held| {
        held.retain(|(record, _)| record.end <= pen.now);
        held.truncate(HELD + 1);
        held
    });
    let title = pen.pick("Lịch họp và báo cáo", "Sessions and reports");
    let main = html! {
        h1 { (title) }
        @if before.is_none() {
            (coming(&pen, &calendar))
            (calendars(&pen, &calendar.calendars))
        }
        (past(&pen, &held))
    };
    reader.answer(StatusCode::OK, &pen, &Page::new(title, Here::Sessions), &main)
}

/// `GET /sessions/{id}`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    reader: Reader,
) -> Response {
    let shown = app.live.advance(&*app.daemon);
    let snapshot = &shown.snapshot;
    let pen = reader.pen(&app, snapshot);
    let calendar = app.daemon.calendar();
    let known = calendar.sessions.iter().find(|(it, _)| it.id.as_str() == id);
    let view = snapshot.sessions.iter().find(|view| view.session.id.as_str() == id);
    let session = view.map(|view| &view.session).or_else(|| known.map(|(it, _)| it));
    let Some(session) = session else {
        // One that is over has a report, if it is on record.
        return match app.daemon.report(SessionId::new(id.as_str())).await {
            Ok(_) => {
                let report = format!("/sessions/{}/report", encoded(&id));
                reader.sent(Redirect::to(&report).into_response())
            }
            Err(_) => {
                let what = pen.pick("Không có phiên họp nào là", "There is no session called");
                reader.lost(&pen, what, &id)
            }
        };
    };
    let main = whole(&pen, session, view, known.map(|(_, origin)| origin.as_str()));
    let place = app.live.place(shown.version);
    let page =
        Page { live: Some(place), refresh: true, ..Page::new(&session.title, Here::Sessions) };
    reader.answer(StatusCode::OK, &pen, &page, &main)
}

/// `GET /readiness`: that of the session that is on or comes next.
pub(in crate::web) async fn readiness(Shared(app): Shared<Arc<App>>, reader: Reader) -> Response {
    let snapshot = app.daemon.snapshot();
    let pen = reader.pen(&app, &snapshot);
    let calendar = app.daemon.calendar();
    let near = main_session(&snapshot).map(|view| &view.session);
    let next = calendar.sessions.iter().map(|(it, _)| it).find(|it| it.end > pen.now);
    match near.or(next) {
        Some(session) => {
            let checklist = format!("{}/readiness", to_session(&session.id));
            reader.sent(Redirect::to(&checklist).into_response())
        }
        None => {
            let title = pen.pick("Sẵn sàng", "Readiness");
            let main = html! {
                h1 { (title) }
                p { (pen.pick(
                    "Không có phiên họp nào sắp tới, nên chưa có gì để kiểm tra.",
                    "No session is to come, so there is nothing to look at.",
                )) }
            };
            reader.answer(StatusCode::OK, &pen, &Page::new(title, Here::Readiness), &main)
        }
    }
}

/// A session and where it is known from.
type Known = (Arc<Session>, String);

/// What is on, and what comes, day by day.
fn coming(pen: &Pen<'_>, calendar: &Calendar) -> Markup {
    let left = calendar.sessions.iter().filter(|(it, _)| it.end > pen.now);
    let (on, ahead): (Vec<_>, Vec<_>) = left.partition(|(it, _)| it.start <= pen.now);
    let mut days: Vec<(String, Vec<&Known>)> = Vec::new();
    for known in ahead {
        let day = pen.weekday(known.0.start);
        match days.last_mut() {
            Some((same, all)) if *same == day => all.push(known),
            _ => days.push((day, vec![known])),
        }
    }
    html! {
        @if !on.is_empty() {
            h2 { (pen.words.phase(Phase::Live)) }
            ul.plain.sessions { @for (session, origin) in on { (line(pen, session, origin)) } }
        }
        h2 { (pen.pick("Sắp tới", "To come")) }
        @if days.is_empty() { p.dim { (pen.pick("Không có phiên họp nào.", "There is none.")) } }
        @for (day, sessions) in &days {
            h3.day { (day) }
            ul.plain.sessions { @for (session, origin) in sessions { (line(pen, session, origin)) } }
        }
    }
}

/// A session that is on or comes, on one line.
fn line(pen: &Pen<'_>, session: &Session, origin: &str) -> Markup {
    let began = session.start <= pen.now;
    html! {
        li {
            span.hours { (pen.hour(session.start)) "–" (pen.hour(session.end)) } " "
            a href=(to_session(&session.id)) { b dir="auto" { (session.title) } }
            (importance(pen, session.importance))
            " · " (pen.count(session.sites.len())) " " (pen.words.sites())
            " · " (pen.count(session.delegates())) " " (pen.words.delegates())
            " · " a href={ (to_session(&session.id)) "/readiness" } {
                (pen.pick("kiểm tra sẵn sàng", "readiness"))
            }
            @if began {
                " · " a href={ (to_session(&session.id)) "/report" } {
                    (pen.pick("báo cáo đến lúc này", "report so far"))
                }
            }
            span.dim { " · " (origin) }
        }
    }
}

/// What was held, each compared with the one before it.
fn past(pen: &Pen<'_>, held: &Result<Vec<(SessionRecord, Totals)>, ControlError>) -> Markup {
    html! {
        section aria-labelledby="past-title" {
            h2 #past-title { (pen.pick("Đã họp", "Held")) }
            @match held {
                Ok(held) if held.is_empty() => {
                    p.dim { (pen.pick("Chưa có phiên họp nào được ghi lại.", "None is on record.")) }
                },
                Ok(held) => (compared(pen, held)),
                Err(ControlError::NotFound) => {
                    p.dim { (pen.pick("Không có phiên họp đó.", "There is no such session.")) }
                },
                Err(error) => {
                    p.alarm.mild { (pen.pick("Chưa đọc được lịch sử: ", "The history cannot be read: ")) (error) }
                },
            }
        }
    }
}

fn compared(pen: &Pen<'_>, held: &[(SessionRecord, Totals)]) -> Markup {
    let title = pen.pick("Đã họp", "Held");
    html! {
        p.dim { (pen.pick(
            "▲ tốt hơn, ▼ kém hơn phiên liền trước.",
            "▲ better, ▼ worse than the session before it.",
        )) }
        div.scroll tabindex="0" role="region" aria-label=(title) {
            table {
                thead { tr {
                    th { (pen.pick("Ngày", "Day")) }
                    th { (pen.pick("Phiên họp", "Session")) }
                    th.n { (pen.pick("Điểm cầu", "Sites")) }
                    th.n { (pen.pick("Đại biểu", "Delegates")) }
                    th.n { (pen.pick("Tốt", "Well")) }
                    th.n { (pen.pick("Suy giảm", "Degraded")) }
                    th.n { (pen.pick("Gián đoạn", "Interrupted")) }
                    th.n { (pen.pick("Phút mất", "Minutes lost")) }
                    th.n { (pen.pick("Khả dụng", "Availability")) }
                } }
                tbody { @for (nth, (record, totals)) in held.iter().take(HELD).enumerate() {
                    @let earlier = held.get(nth + 1).map(|(_, totals)| totals);
                    tr {
                        td { (pen.day(record.start)) " " (pen.hour(record.start)) }
                        th scope="row" {
                            a href={ (to_session(&record.id)) "/report" } dir="auto" { (record.title) }
                            (importance(pen, record.importance))
                            @if record.closed.is_none() { " " span.dim { (pen.pick("chưa chốt", "not final")) } }
                        }
                        td.n { (totals.sites) }
                        td.n { (pen.count(totals.delegates)) }
                        td.n { (totals.well) }
                        td.n { (totals.degraded) }
                        td.n { (totals.interrupted) }
                        td.n { (pen.number(totals.lost.as_secs_f64() / 60.0, 0)) }
                        td.n { (availability(pen, totals, earlier)) }
                    }
                } }
            }
        }
        @if held.len() > HELD {
            p.links { a href={ "/sessions?before=" (encoded(held[HELD - 1].0.id.as_str())) } {
                (pen.pick("Các phiên trước đó", "Earlier sessions"))
            } }
        }
    }
}

/// The share of time that sites could take part, and by how much it differs from before.
fn availability(pen: &Pen<'_>, totals: &Totals, earlier: Option<&Totals>) -> Markup {
    let here = totals.availability();
    let change = here.zip(earlier.and_then(Totals::availability)).map(|(now, before)| now - before);
    // What is written as no difference is none.
    let change = change.map(|it| it * 100.0).filter(|it| it.abs() >= 0.005);
    html! {
        @match here {
            Some(share) => { (pen.number(share * 100.0, 2)) " %" },
            None => "–",
        }
        @if let Some(change) = change {
            @let (class, sign) = if change > 0.0 { ("better", "▲") } else { ("worse", "▼") };
            " " span class=(class) { (sign) (pen.number(change.abs(), 2)) }
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
            p.phase.(phase.word()) { (pen.words.phase(phase)) }
            h1 { (session.title) (importance(pen, session.importance)) }
            p.clock {
                @if !begun {
                    span.label { (pen.pick("bắt đầu sau ", "begins in ")) } (pen.until(session.start))
                } @else if session.end > pen.now {
                    span.label { (pen.pick("còn ", "ends in ")) } (pen.until(session.end))
                }
                span.label { " " (pen.weekday(session.start)) ", " (pen.hour(session.start)) "–" (pen.hour(session.end)) }
            }
            p.large {
                (pen.count(session.sites.len())) " " (pen.words.sites())
                " · " (pen.count(session.delegates())) " " (pen.words.delegates())
            }
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
