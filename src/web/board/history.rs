//! `GET /sites/{id}/history`: charts, the last probes step by step, and incidents of months. The
//! site's page loads it as a part of itself once it is shown: it reads from the disk. Without a
//! script it is a page of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use serde::Deserialize;

use crate::model::{
    Check, CheckId, EndpointId, Incident, SessionId, SessionRecord, SiteId, SiteIx, TargetIx,
    TargetKey, encoded,
};
use crate::probe::explain::{Style, story};
use crate::probe::{Explanation, Record};
use crate::report::series::{Grid, Point, Series};

use super::chart::{Stretch, charts};
use super::incident;
use super::pen::{Pen, age, to_incident, to_site};
use super::{Here, Page, Reader, unread};
use crate::web::api::past::touches;
use crate::web::app::App;

/// Points of a chart.
const POINTS: usize = 120;
/// How far incidents go back, and how many are shown.
const INCIDENTS: (SignedDuration, usize) = (SignedDuration::from_hours(24 * DAYS), 30);
const DAYS: i64 = 90;
/// Sessions to choose from, and how many are looked through for those with this site.
const SESSIONS: (usize, usize) = (6, 40);
/// Hours to choose from, of which the second is taken unless another is asked for.
const HOURS: [i64; 4] = [1, 6, 24, 7 * 24];

/// What the charts are to show.
#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    /// The last so many hours.
    hours: Option<String>,
    /// A session.
    session: Option<String>,
}

/// What was read from the disk.
struct Found {
    charts: BTreeMap<TargetKey, Vec<Point>>,
    stretch: Stretch,
    /// The one that is shown, if one is.
    session: Option<SessionId>,
    incidents: Vec<Incident>,
    sessions: Vec<SessionRecord>,
}

/// `GET /sites/{id}/history`.
pub(in crate::web) async fn show(
    Shared(app): Shared<Arc<App>>,
    Path(id): Path<String>,
    reader: Reader,
    Query(wanted): Query<Wanted>,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let pen = reader.pen(&app, &snapshot);
    let Some(ix) = snapshot.topology.find_site(&SiteId::new(id.as_str())) else {
        let what = pen.pick("Không có điểm cầu nào tên là", "There is no site called");
        return reader.lost(&pen, what, &id);
    };
    let hours = wanted.hours.and_then(|it| it.parse().ok());
    let hours = hours.filter(|it| HOURS.contains(it)).unwrap_or(HOURS[1]);
    let (now, site) = (pen.now, snapshot.topology.site(ix).id.clone());
    let session = wanted.session.map(SessionId::new);
    let found = app.daemon.past().ask(move |history| {
        let chosen = session.map(|id| history.session(&id)).transpose()?.flatten();
        let (from, until) = match &chosen {
            Some(record) => (record.start, record.end.min(now)),
            None => (now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now), now),
        };
        let grid = Grid::over(from, until, POINTS);
        let mut series = Series::on(grid);
        history.site_rollups(&site, from, until, |rollup| series.add(rollup))?;
        let since = now.checked_sub(INCIDENTS.0).unwrap_or(Timestamp::MIN);
        let here = |it: &Incident| it.absorbed_by.is_none() && touches(it, &site);
        let incidents = history.incidents_back(since, now, None, INCIDENTS.1, here)?;
        let mut sessions = history.sessions_back(now, None, SESSIONS.1)?;
        sessions.retain(|record| record.sites.iter().any(|it| it.site == site));
        sessions.truncate(SESSIONS.0);
        Ok(Found {
            charts: series.points().map(|(key, points)| (key.clone(), points)).collect(),
            stretch: Stretch { from, until, step: grid.step() },
            session: chosen.map(|record| record.id),
            incidents,
            sessions,
        })
    });
    let found = found.await;
    let site = snapshot.topology.site(ix);
    let main = html! {
        nav.way aria-label=(pen.pick("Đường dẫn", "Path")) {
            a href="/" { (pen.pick("Bảng theo dõi", "Board")) } " › "
            a href=(to_site(&site.id)) dir="auto" { (site.name) }
        }
        h1.named dir="auto" { (site.name) }
        section #history aria-label=(pen.pick("Diễn biến và lịch sử", "Course and history")) {
            @match &found {
                Ok(found) => {
                    (choice(&pen, ix, hours, found))
                    (graphs(&pen, ix, found))
                    (stories(&app, &pen, ix))
                    (incidents(&pen, &found.incidents))
                },
                // What is in memory is told all the same.
                Err(error) => { (unread(&pen, error)) (stories(&app, &pen, ix)) },
            }
        }
    };
    let page = Page::new(&site.name, Here::Site);
    reader.answer(StatusCode::OK, &pen, &page, &main)
}

/// Which time the charts show, as links that work without a script.
fn choice(pen: &Pen<'_>, ix: SiteIx, hours: i64, found: &Found) -> Markup {
    let base = format!("{}/history", to_site(&pen.snapshot.topology.site(ix).id));
    let chosen = found.session.as_ref();
    let current = |on: bool| on.then_some("true");
    html! {
        h2 { (pen.pick("Diễn biến", "Course")) }
        nav.choice aria-label=(pen.pick("Khoảng thời gian", "Stretch of time")) {
            @for length in HOURS {
                a href={ (base) "?hours=" (length) }
                    aria-current=[current(chosen.is_none() && hours == length)] {
                    @if length < 48 { (length) " " (pen.pick("giờ", "h")) }
                    @else { (length / 24) " " (pen.pick("ngày", "days")) }
                }
            }
            @for session in &found.sessions {
                a href={ (base) "?session=" (encoded(session.id.as_str())) }
                    aria-current=[current(chosen == Some(&session.id))] dir="auto" {
                    (session.title) " " (pen.day(session.start))
                }
            }
        }
    }
}

fn graphs(pen: &Pen<'_>, ix: SiteIx, found: &Found) -> Markup {
    html! {
        @if found.charts.is_empty() {
            p.dim { (pen.pick("Chưa có số đo nào trong khoảng này.", "Nothing was measured in this time.")) }
        }
        // Those that are still watched, in their order; then those that no longer are.
        @for (key, _) in targets(pen, ix) {
            @if let Some(points) = found.charts.get(&key) { (target(pen, &key, points, found.stretch)) }
        }
        @let gone = |key: &TargetKey| targets(pen, ix).all(|(known, _)| known != *key);
        @for (key, points) in found.charts.iter().filter(|(key, _)| gone(key)) {
            (target(pen, key, points, found.stretch))
        }
    }
}

fn target(pen: &Pen<'_>, key: &TargetKey, points: &[Point], stretch: Stretch) -> Markup {
    html! { h3 { (named(key)) } (charts(pen, points, stretch)) }
}

/// A target as its page names it.
fn named(key: &TargetKey) -> String {
    let endpoint = key.endpoint.as_ref().map_or("", EndpointId::as_str);
    let check = key.check.as_ref().map_or("", CheckId::as_str);
    format!("{endpoint} · {check}")
}

/// The targets of a site, device by device.
fn targets<'a>(pen: &'a Pen<'_>, ix: SiteIx) -> impl Iterator<Item = (TargetKey, TargetIx)> + 'a {
    let topology = &pen.snapshot.topology;
    let endpoints = topology.site(ix).endpoints.iter();
    let targets = endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
    targets.map(|target| (topology.target_key(*target), *target))
}

/// The last probes of each target step by step, the last failures apart from the last successes.
fn stories(app: &App, pen: &Pen<'_>, ix: SiteIx) -> Markup {
    html! {
        h2 { (pen.pick("Các lần kiểm tra gần nhất, từng bước", "The last probes, step by step")) }
        @for (key, target) in targets(pen, ix) {
            @let told = app.daemon.explain(&key).unwrap_or_default();
            details.story {
                summary {
                    (named(&key))
                    @match told.failures.len() {
                        0 => { " · " (pen.pick("không có lỗi gần đây", "no failure lately")) },
                        failures => { " · " (failures) " " (pen.pick("lỗi gần nhất", "last failures")) },
                    }
                }
                (explained(pen, &told, pen.snapshot.topology.check_of(target)))
            }
        }
    }
}

fn explained(pen: &Pen<'_>, told: &Explanation, check: &Check) -> Markup {
    html! {
        @if told.failures.is_empty() && told.successes.is_empty() {
            p.dim { (pen.pick("Chưa có lần kiểm tra nào từ khi khởi động.", "Not probed yet since the start.")) }
        }
        @if !told.failures.is_empty() {
            h4 { (pen.pick("Lỗi gần nhất", "Last failures")) }
            @for failed in told.failures.iter().rev() {
                (steps(pen, "✕", &failed.record, check))
                @if failed.left_out > 0 {
                    p.dim { (pen.pick("Trước đó còn ", "Before it ")) (failed.left_out)
                        (pen.pick(" lần lỗi liên tiếp như vậy.", " more in a row failed alike.")) }
                }
            }
        }
        @if !told.successes.is_empty() {
            h4 { (pen.pick("Thành công gần nhất", "Last successes")) }
            @for record in told.successes.iter().rev() { (steps(pen, "✓", record, check)) }
        }
    }
}

fn steps(pen: &Pen<'_>, sign: &str, record: &Record, check: &Check) -> Markup {
    let style = Style { language: pen.look.language, time_zone: pen.look.time_zone.clone() };
    html! {
        p.when { (sign) " " (pen.second(record.outcome.started.wall)) }
        ol.steps { @for line in story(record, check, &style) { li dir="auto" { (line) } } }
    }
}

fn incidents(pen: &Pen<'_>, all: &[Incident]) -> Markup {
    html! {
        h2 { (pen.pick("Sự cố trong ", "Incidents of ")) (DAYS) (pen.pick(" ngày", " days")) }
        @if all.is_empty() { p.dim { (pen.pick("Không có sự cố nào.", "There was none.")) } }
        ul.plain { @for it in all {
            @let account = incident::account(pen, it);
            li {
                a href=(to_incident(&it.id)) { (pen.moment(it.began)) } " "
                span dir="auto" { (account.subject) } " " (account.fault)
                @match it.ended() {
                    Some(end) => { ", " (pen.words.lasting(age(it.began, end))) },
                    None => { ", " b { (pen.pick("đang diễn ra", "going on")) } },
                }
            }
        } }
    }
}
