//! One session, whether it is to come, on or over: when, who takes part, how they do.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::look_back;
use super::views::SessionRow;
use crate::model::{
    Confirmation, Health, Importance, IncidentId, Session, SessionId, SessionRecord, SiteId,
    Snapshot, Verdict,
};
use crate::web::app::{App, problem};
use crate::web::asked::Id;

/// Where a session stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum When {
    Coming,
    On,
    Over,
}

/// A session with its sites.
#[derive(Serialize)]
struct Detail<'a> {
    taken: Timestamp,
    id: &'a SessionId,
    title: &'a str,
    start: Timestamp,
    end: Timestamp,
    importance: Importance,
    /// Where it is known from; none when only the record is left.
    source: Option<&'a str>,
    when: When,
    /// Until the start; negative once it has begun.
    starts_in_seconds: i64,
    /// Until the end; negative once it is over.
    ends_in_seconds: i64,
    delegates: u64,
    /// How it does; none when it is neither near nor on.
    now: Option<SessionRow<'a>>,
    sites: Vec<Part<'a>>,
}

/// A site that takes part.
#[derive(Serialize)]
struct Part<'a> {
    site: &'a SiteId,
    name: &'a str,
    delegates: u32,
    /// None when it is watched no longer.
    health: Option<Health>,
    incident: Option<&'a IncidentId>,
    /// What the last readiness run said.
    verdict: Option<Verdict>,
    confirmation: Option<&'a Confirmation>,
}

/// `GET /api/v1/sessions/{id}`.
pub(in crate::web) async fn show(State(app): State<Arc<App>>, Id(id): Id) -> Response {
    let (snapshot, calendar) = (app.daemon.snapshot(), app.daemon.calendar());
    let id = SessionId::new(id);
    let now = app.daemon.now().wall;
    let on_show = snapshot.sessions.iter().find(|view| view.session.id == id);
    let known = calendar.sessions.iter().find(|(session, _)| session.id == id);
    let known = known.map(|(session, source)| (session, Some(source.as_str())));
    if let Some((session, source)) = known.or_else(|| on_show.map(|view| (&view.session, None))) {
        return Json(Detail::of(session, source, &snapshot, now)).into_response();
    }
    let of = id.clone();
    match look_back(app.daemon.past(), move |history| history.session(&of)).await {
        Ok(Some(record)) => Json(Detail::of_record(&record, &snapshot, now)).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, "there is no such session"),
        Err(response) => response,
    }
}

impl<'a> Detail<'a> {
    fn of(
        session: &'a Session,
        source: Option<&'a str>,
        snapshot: &'a Snapshot,
        now: Timestamp,
    ) -> Self {
        let topology = &snapshot.topology;
        let sites = session.sites.iter().filter_map(|(ix, delegates)| {
            let site = topology.sites.get(ix.ix())?;
            Some(Part::of(&session.id, &site.id, &site.name, *delegates, snapshot))
        });
        let view = snapshot.sessions.iter().find(|view| view.session.id == session.id);
        Self {
            taken: now,
            id: &session.id,
            title: &session.title,
            start: session.start,
            end: session.end,
            importance: session.importance,
            source,
            when: when(session.start, session.end, now),
            starts_in_seconds: session.start.duration_since(now).as_secs(),
            ends_in_seconds: session.end.duration_since(now).as_secs(),
            delegates: session.delegates(),
            now: view.map(SessionRow::of),
            sites: sites.collect(),
        }
    }

    fn of_record(record: &'a SessionRecord, snapshot: &'a Snapshot, now: Timestamp) -> Self {
        let part = |it: &'a crate::model::Attendance| {
            Part::of(&record.id, &it.site, &it.name, it.delegates, snapshot)
        };
        Self {
            taken: now,
            id: &record.id,
            title: &record.title,
            start: record.start,
            end: record.end,
            importance: record.importance,
            source: None,
            when: when(record.start, record.end, now),
            starts_in_seconds: record.start.duration_since(now).as_secs(),
            ends_in_seconds: record.end.duration_since(now).as_secs(),
            delegates: record.delegates(),
            now: None,
            sites: record.sites.iter().map(part).collect(),
        }
    }
}

impl<'a> Part<'a> {
    fn of(
        session: &SessionId,
        site: &'a SiteId,
        name: &'a str,
        delegates: u32,
        snapshot: &'a Snapshot,
    ) -> Self {
        let view = snapshot.topology.find_site(site).map(|ix| &snapshot.sites[ix.ix()]);
        let run = snapshot.readiness.iter().find(|run| run.session == *session);
        let found = run.and_then(|run| run.sites.iter().find(|it| it.site == *site));
        let mut said = snapshot.confirmations.iter();
        Self {
            site,
            name,
            delegates,
            health: view.map(|view| view.standing.hard),
            incident: view.and_then(|view| view.incident.as_ref()),
            verdict: found.map(|found| found.verdict),
            confirmation: said.find(|it| it.session == *session && it.site == *site),
        }
    }
}

fn when(start: Timestamp, end: Timestamp, now: Timestamp) -> When {
    if now < start {
        When::Coming
    } else if now < end {
        When::On
    } else {
        When::Over
    }
}
