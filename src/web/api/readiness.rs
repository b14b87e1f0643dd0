//! Readiness through the API: the last run of a session, runs that people made, and what they
//! confirmed of picture and sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::change::{Unfit, signed, text};
use super::{Body, look_back, read, refused, unreadable};
use crate::model::{Confirmation, ReadinessRun, SessionId, SiteId, Snapshot, Verdict};
use crate::readiness::Document;
use crate::web::app::{App, carry_out, problem};
use crate::web::asked::Id;
use crate::web::gate::{Caller, Operator};

/// Largest run that is taken: ten thousand sites of which none is ready.
pub(in crate::web) const LARGEST: usize = 8 << 20;
/// How far the clock of whoever made a run may be ahead of ours.
const AHEAD: SignedDuration = SignedDuration::from_mins(5);

/// `GET /api/v1/sessions/{id}/readiness`.
pub(in crate::web) async fn show(State(app): State<Arc<App>>, Id(id): Id) -> Response {
    let snapshot = app.daemon.snapshot();
    match snapshot.readiness.iter().find(|run| run.session.as_str() == id) {
        Some(run) => Json(Document::of(run, &snapshot.confirmations)).into_response(),
        None => {
            let calendar = app.daemon.calendar();
            let known = calendar.sessions.iter().any(|(session, _)| session.id.as_str() == id);
            let why = if known {
                "this session was not looked at yet; POST …/readiness/runs has that done"
            } else {
                "there is no such session"
            };
            problem(StatusCode::NOT_FOUND, why)
        }
    }
}

/// `POST /api/v1/sessions/{id}/readiness`.
pub(in crate::web) async fn keep(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    body: Result<Json<ReadinessRun>, JsonRejection>,
) -> Response {
    let run = match body {
        Ok(Json(run)) => run,
        Err(wrong) => {
            let (status, why) = unreadable(&wrong, LARGEST);
            return problem(status, why);
        }
    };
    if let Err(why) = sound(&run, &id, &app.daemon.snapshot(), app.daemon.now().wall) {
        return problem(StatusCode::BAD_REQUEST, why);
    }
    // Only the daemon's own runs are for a configured moment.
    // What was told is for us to know.
    let run = ReadinessRun { lead_s: None, told: Vec::new(), said: Vec::new(), ..run };
    let (daemon, sites) = (Arc::clone(&app.daemon), run.sites.len());
    match carry_out(async move { daemon.keep_readiness(run).await }).await {
        Some(Ok(())) => {
            tracing::info!(session = id, sites, %caller, "a readiness run came through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

/// A readiness run in figures.
#[derive(Serialize)]
struct RunRow {
    began: Timestamp,
    finished: Timestamp,
    /// How long before the start it was due; none when a person made it.
    lead_s: Option<u64>,
    verdict: Verdict,
    counts: BTreeMap<&'static str, usize>,
}

/// All readiness runs of a session.
#[derive(Serialize)]
struct Runs {
    taken: Timestamp,
    session: SessionId,
    /// Newest first, as many as the document says at most.
    runs: Vec<RunRow>,
    confirmations: Vec<Confirmation>,
}

/// Most runs of a list.
const RUNS: usize = 100;

/// `GET /api/v1/sessions/{id}/readiness/runs`.
pub(in crate::web) async fn runs(State(app): State<Arc<App>>, Id(id): Id) -> Response {
    let session = SessionId::new(id);
    let of = session.clone();
    let found = look_back(app.daemon.past(), move |history| {
        let row = |run: &ReadinessRun| RunRow {
            began: run.began,
            finished: run.finished,
            lead_s: run.lead_s,
            verdict: run.verdict(),
            counts: Verdict::ALL.map(|verdict| (verdict.word(), run.count(verdict))).into(),
        };
        let mut rows = Vec::new();
        history.readiness_back(&of, RUNS, |run| rows.push(row(run)))?;
        Ok((rows, history.confirmations(&of)?))
    });
    match found.await {
        Ok((runs, confirmations)) => {
            let taken = app.daemon.now().wall;
            Json(Runs { taken, session, runs, confirmations }).into_response()
        }
        Err(response) => response,
    }
}

/// `POST /api/v1/sessions/{id}/readiness/runs`.
pub(in crate::web) async fn order(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
) -> Response {
    let (daemon, of) = (Arc::clone(&app.daemon), SessionId::new(id.as_str()));
    match carry_out(async move { daemon.look_ahead(of).await }).await {
        Some(Ok(())) => {
            tracing::info!(session = id, by = %caller, "a readiness run was asked for");
            StatusCode::ACCEPTED.into_response()
        }
        failed => refused(failed),
    }
}

/// `DELETE /api/v1/sessions/{id}/confirmations/{site}`.
pub(in crate::web) async fn unconfirm(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id((session, site)): Id<(String, String)>,
) -> Response {
    let daemon = Arc::clone(&app.daemon);
    let (of, at) = (SessionId::new(session.as_str()), SiteId::new(site.as_str()));
    match carry_out(async move { daemon.unconfirm(of, at).await }).await {
        Some(Ok(())) => {
            tracing::info!(session, site, by = %caller, "a confirmation was taken back through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

/// Somebody saw the picture and heard the sound of a site.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfirmationRequest {
    site: String,
    picture: bool,
    sound: bool,
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    note: String,
}

/// `POST /api/v1/sessions/{id}/confirmations`.
pub(in crate::web) async fn confirm(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    body: Body,
) -> Response {
    let request: ConfirmationRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    let said = match request.checked(&caller, &id, &app.daemon.snapshot(), app.daemon.now().wall) {
        Ok(said) => said,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let (daemon, given) = (Arc::clone(&app.daemon), said.clone());
    match carry_out(async move { daemon.confirm(given).await }).await {
        Some(Ok(())) => {
            let (site, by) = (&said.site, &said.by);
            tracing::info!(session = id, %site, by, "confirmed through the API");
            Json(said).into_response()
        }
        failed => refused(failed),
    }
}

impl ConfirmationRequest {
    /// What was confirmed, or why it makes no sense.
    fn checked(
        self,
        caller: &Caller,
        session: &str,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Confirmation, Unfit> {
        let Self { site, picture, sound, by, note } = self;
        let (by, note) = (signed(by.as_deref(), caller)?, text("note", &note)?);
        let site = SiteId::new(site);
        if snapshot.topology.find_site(&site).is_none() {
            return Err(Unfit::new(format!("`site`: there is no site {:?}", site.as_str())));
        }
        let session = SessionId::new(session);
        Ok(Confirmation { session, site, picture, sound, by, at: now, note })
    }
}

/// Whether a run can be what it says.
fn sound(run: &ReadinessRun, id: &str, snapshot: &Snapshot, now: Timestamp) -> Result<(), Unfit> {
    if run.session.as_str() != id {
        return Err(Unfit::new(format!("`session`: this is a run of {:?}", run.session.as_str())));
    }
    let latest = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
    if run.began > run.finished || run.finished > latest {
        return Err(Unfit::new("`began` must lie before `finished`, and that not in the future"));
    }
    let topology = &snapshot.topology;
    if run.sites.len() > topology.sites.len() {
        return Err(Unfit::new("`sites`: there are more than are watched"));
    }
    match run.sites.iter().find(|site| topology.find_site(&site.site).is_none()) {
        Some(unknown) => {
            Err(Unfit::new(format!("`sites`: there is no site {:?}", unknown.site.as_str())))
        }
        None => Ok(()),
    }
}
