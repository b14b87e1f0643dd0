//! The calendar, and changes of it at the last minute: a session more, one called off, sites added
//! or dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::api::{Body, Unfit, read, refused, signed};
use super::app::{App, carry_out, problem};
use super::asked::Id;
use super::gate::{Caller, Operator};
use crate::config::gather::ChangeError;
use crate::model::{
    Calendar, CalendarStatus, Importance, Session, SessionChange, SessionId, SiteId, Topology,
};

/// Longest title, in characters.
const TITLE: usize = 200;
/// Longest id of a session, as in `sessions.yaml`.
const ID: usize = 63;
/// Most delegates at one site.
const DELEGATES: u32 = 100_000;

/// Everything that is coming.
#[derive(Serialize)]
struct Coming<'a> {
    taken: Timestamp,
    sessions: Vec<Row<'a>>,
    calendars: &'a [CalendarStatus],
}

/// A session that is known.
#[derive(Serialize)]
struct Row<'a> {
    id: &'a SessionId,
    title: &'a str,
    start: Timestamp,
    end: Timestamp,
    importance: Importance,
    source: &'a str,
    sites: BTreeMap<&'a SiteId, u32>,
}

impl<'a> Row<'a> {
    fn of(session: &'a Session, source: &'a str, topology: &'a Topology) -> Self {
        let sites = session
            .sites
            .iter()
            .filter_map(|(site, delegates)| Some((&topology.sites.get(site.ix())?.id, *delegates)));
        Self {
            id: &session.id,
            title: &session.title,
            start: session.start,
            end: session.end,
            importance: session.importance,
            source,
            sites: sites.collect(),
        }
    }
}

/// What somebody wants changed about a session.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SessionRequest {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    start: Option<Timestamp>,
    #[serde(default)]
    end: Option<Timestamp>,
    #[serde(default)]
    importance: Option<Importance>,
    #[serde(default)]
    cancelled: bool,
    #[serde(default)]
    all: bool,
    #[serde(default)]
    add: BTreeSet<SiteId>,
    #[serde(default)]
    drop: BTreeSet<SiteId>,
    #[serde(default)]
    delegates: BTreeMap<SiteId, u32>,
    #[serde(default)]
    by: Option<String>,
}

impl SessionRequest {
    /// The change, or why it makes no sense.
    fn checked(
        self,
        caller: &Caller,
        id: SessionId,
        now: Timestamp,
        topology: &Topology,
    ) -> Result<SessionChange, Unfit> {
        let by = signed(self.by.as_deref(), caller)?;
        let named = self.add.iter().chain(&self.drop).chain(self.delegates.keys());
        let unknown: Vec<&str> =
            named.filter(|id| topology.find_site(id).is_none()).map(SiteId::as_str).collect();
        if let Some(first) = unknown.first() {
            return Err(Unfit::new(format!("there is no site {first:?}")));
        }
        if let Some(both) = self.add.intersection(&self.drop).next() {
            return Err(Unfit::new(format!("{:?} is both added and dropped", both.as_str())));
        }
        if self.delegates.values().any(|figure| *figure > DELEGATES) {
            return Err(Unfit::new(format!("a site has {DELEGATES} delegates at most")));
        }
        if let (Some(start), Some(end)) = (self.start, self.end)
            && end <= start
        {
            return Err(Unfit::new(ChangeError::Backwards.to_string()));
        }
        let title = match self.title {
            Some(title) => {
                let title = title.trim().to_owned();
                let length = title.chars().count();
                if length == 0 || length > TITLE || title.chars().any(char::is_control) {
                    return Err(Unfit::new(format!(
                        "`title` is one line of 1 to {TITLE} characters"
                    )));
                }
                Some(title)
            }
            None => None,
        };
        Ok(SessionChange {
            id,
            title,
            start: self.start,
            end: self.end,
            importance: self.importance,
            cancelled: self.cancelled,
            all: self.all,
            add: self.add,
            drop: self.drop,
            delegates: self.delegates,
            by,
            at: now,
            over: None,
        })
    }
}

/// `GET /api/v1/calendar`.
pub(super) async fn coming(State(app): State<Arc<App>>) -> Response {
    let (calendar, snapshot) = (app.daemon.calendar(), app.daemon.snapshot());
    let Calendar { sessions, calendars } = &*calendar;
    let taken = app.daemon.now().wall;
    let rows = sessions
        .iter()
        .filter(|(session, _)| session.end > taken)
        .map(|(session, source)| Row::of(session, source, &snapshot.topology));
    Json(Coming { taken, sessions: rows.collect(), calendars }).into_response()
}

/// `POST /api/v1/sessions`.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: Body,
) -> Response {
    let request: SessionRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    let Some(id) = request.id.clone() else {
        return problem(StatusCode::BAD_REQUEST, "a new session needs `id`");
    };
    if request.cancelled {
        return problem(StatusCode::BAD_REQUEST, "a session that is called off is changed by PUT");
    }
    if app.daemon.calendar().sessions.iter().any(|(session, _)| session.id.as_str() == id) {
        let why = "there is a session with this id: change it by PUT";
        return problem(StatusCode::CONFLICT, why);
    }
    set(&app, &caller, id, request, StatusCode::CREATED).await
}

/// `PUT /api/v1/sessions/{id}`.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    body: Body,
) -> Response {
    let request: SessionRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    if request.id.as_ref().is_some_and(|written| *written != id) {
        return problem(StatusCode::BAD_REQUEST, "`id` is not that of the path");
    }
    set(&app, &caller, id, request, StatusCode::OK).await
}

/// `DELETE /api/v1/sessions/{id}`.
pub(super) async fn withdraw(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
) -> Response {
    let (daemon, of) = (Arc::clone(&app.daemon), SessionId::new(id.as_str()));
    match carry_out(async move { daemon.change_session(of, None).await }).await {
        Some(Ok(())) => {
            tracing::info!(session = id, %caller, "change of a session withdrawn through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

async fn set(
    app: &App,
    caller: &Caller,
    id: String,
    request: SessionRequest,
    done: StatusCode,
) -> Response {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let good = (1..=ID).contains(&id.len())
        && id.bytes().all(|b| plain(b) || b == b'-')
        && id.bytes().next().is_some_and(plain);
    if !good {
        let why = "an id has lower-case letters, digits and hyphens, at most 63";
        return problem(StatusCode::BAD_REQUEST, why);
    }
    let (snapshot, now) = (app.daemon.snapshot(), app.daemon.now());
    let id = SessionId::new(id);
    let checked = request.checked(caller, id.clone(), now.wall, &snapshot.topology);
    let change = match checked {
        Ok(change) => change,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let (daemon, given, at) = (Arc::clone(&app.daemon), change.clone(), id.clone());
    match carry_out(async move { daemon.change_session(at, Some(given)).await }).await {
        Some(Ok(())) => {
            let (by, cancelled) = (&change.by, change.cancelled);
            tracing::info!(session = %id, by, cancelled, "session changed through the API");
            let place = format!("/api/v1/sessions/{id}");
            (done, [(header::LOCATION, place)], Json(change)).into_response()
        }
        failed => refused(failed),
    }
}
