//! The JSON API: what snapshots say, and requests for changes.
//!
//! Ids, words and units are those of the metrics; times are RFC 3339 in UTC. An answer holds no
//! secrets, since the configuration's never enter a snapshot.

mod change;
pub(super) mod outcomes;
pub(super) mod past;
pub(super) mod readiness;
pub(super) mod sessions;
mod status;
pub(super) mod timeline;
mod views;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::model::{
    Health, IncidentId, RotaId, SessionId, SilenceId, SiteId, SiteIx, Snapshot, folded,
};
use crate::store::{History, Past, PastError, StoreError};

use super::acks::{self, Circumstances};
use super::admin::not_ready;
use super::app::{App, carry_out, problem};
use super::asked::{Asked, Id};
use super::gate::Operator;
use super::moment;
use super::{ControlError, Limits};
use change::{AckRequest, Ending, HandOverRequest, MaintenanceRequest, SilenceRequest};
pub(super) use change::{Unfit, new_silence, new_window, person, signed, text};
use status::Status;
use views::{MaintenanceWindows, OnCall, Sessions, Silences, SiteDetail, Sites};

/// `GET /api/v1/status`.
pub(super) async fn status(State(app): State<Arc<App>>) -> Response {
    let reasons = not_ready(&app);
    let (store, channels) = (app.daemon.store(), app.daemon.channels());
    let (condition, calendar) = (app.daemon.condition(), app.daemon.calendar());
    let (snapshot, zone) = (app.daemon.snapshot(), app.daemon.look().time_zone);
    let status = Status::of(&snapshot, &reasons, &store, &channels, &condition, &calendar, &zone);
    Json(status).into_response()
}

/// Which sites are asked for.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct SitesAsked {
    health: Option<Health>,
    level: Option<String>,
    parent: Option<String>,
    session: Option<String>,
    search: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Most sites of a list that is asked for with a limit.
pub(super) const MOST_SITES: usize = 10_000;

/// `GET /api/v1/sites`.
pub(super) async fn sites(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<SitesAsked>,
    headers: HeaderMap,
) -> Response {
    let snapshot = app.daemon.snapshot();
    if asked == SitesAsked::default() {
        let of = Arc::clone(&snapshot);
        let render = move |take: &mut dyn FnMut(&str)| {
            take(&serde_json::to_string(&Sites::of(&of)).unwrap_or_default());
        };
        return app.sites.get(&snapshot, app.daemon.now().mono, &headers, render).await;
    }
    if asked.limit.is_some_and(|limit| !(1..=MOST_SITES).contains(&limit)) {
        let why = format!("`limit` is 1 to {MOST_SITES}");
        return problem(StatusCode::BAD_REQUEST, why);
    }
    let topology = &snapshot.topology;
    let behind = match &asked.after {
        None => None,
        Some(id) => match topology.find_site(&SiteId::new(id.as_str())) {
            Some(ix) => Some(ix),
            None => return problem(StatusCode::NOT_FOUND, "`after` names no site"),
        },
    };
    let sought = asked.search.as_deref().map(folded);
    let is = |asked: &Option<String>, it: Option<&str>| {
        asked.as_deref().is_none_or(|asked| it == Some(asked))
    };
    let wanted = |ix: &SiteIx| {
        let (site, view) = (topology.site(*ix), &snapshot.sites[ix.ix()]);
        behind.is_none_or(|behind| *ix > behind)
            && asked.health.is_none_or(|health| view.standing.hard == health)
            && is(&asked.level, Some(topology.level_of(*ix).id.as_str()))
            && is(&asked.parent, site.parent.map(|parent| topology.site(parent).id.as_str()))
            && is(&asked.session, view.session.as_ref().map(SessionId::as_str))
            && sought.as_deref().is_none_or(|sought| {
                let said = |text: &str| folded(text).contains(sought);
                site.id.as_str().contains(sought)
                    || said(&site.name)
                    || site.labels.values().any(|value| said(value))
                    || site
                        .endpoints
                        .iter()
                        .any(|at| said(&topology.endpoint(*at).host.to_string()))
            })
    };
    let most = asked.limit.unwrap_or(MOST_SITES);
    let mut found: Vec<SiteIx> = topology.site_ixs().filter(wanted).take(most + 1).collect();
    let more = found.len() > most;
    found.truncate(most);
    Json(Sites::page(&snapshot, &found, more)).into_response()
}

/// `GET /api/v1/sites/{id}`.
pub(super) async fn site(State(app): State<Arc<App>>, Id(id): Id) -> Response {
    let snapshot = app.daemon.snapshot();
    match snapshot.topology.find_site(&SiteId::new(id)) {
        Some(ix) => Json(SiteDetail::of(&snapshot, ix)).into_response(),
        None => problem(StatusCode::NOT_FOUND, "there is no such site"),
    }
}

/// `GET /api/v1/incidents/{id}`.
pub(super) async fn incident(State(app): State<Arc<App>>, Id(id): Id) -> Response {
    match past::find(&app, &id).await {
        Ok(incident) => Json(past::Shown::of(&*incident)).into_response(),
        Err(response) => response,
    }
}

/// `POST /api/v1/incidents/{id}/ack`.
pub(super) async fn ack(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    body: Body,
) -> Response {
    let request: AckRequest = match read_or(body, &acks::WORDS) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    // One after the other: of two who press at once, the second is told of the first.
    let turn = Arc::clone(&app.acking).lock_owned().await;
    let snapshot = app.daemon.snapshot();
    let Some(incident) = snapshot.incidents.iter().find(|i| i.id.as_str() == id) else {
        return problem(StatusCode::NOT_FOUND, "there is no such incident, or no longer");
    };
    if !incident.is_open() {
        return problem(StatusCode::CONFLICT, "this incident is over");
    }
    let (now, takes_over) = (app.daemon.now().wall, request.takes_over());
    let lasts = app.daemon.ack_lasts();
    let circumstances = Circumstances { snapshot: &snapshot, lasts: &lasts, now };
    let ack = match request.checked(&caller, incident, &circumstances) {
        Ok(ack) => ack,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    if let Some(held) = incident.taken_by(now).filter(|held| held.by != ack.by && !takes_over) {
        let at = held.at.to_zoned_datetime(app.daemon.look().time_zone);
        let at = at.strftime("%Y-%m-%d %H:%M %:::z");
        let why = format!("{} took this on at {at}; `take_over` relieves them of it", held.by);
        let body = serde_json::json!({ "error": why, "held": held });
        return (StatusCode::CONFLICT, Json(body)).into_response();
    }
    let (daemon, of, given) = (Arc::clone(&app.daemon), IncidentId::new(id.as_str()), ack.clone());
    let done = carry_out(async move {
        let done = daemon.ack(of, given).await;
        drop(turn);
        done
    });
    match done.await {
        Some(Ok(())) => {
            tracing::info!(incident = id, by = ack.by, "acknowledged through the API");
            Json(ack).into_response()
        }
        failed => refused(failed),
    }
}

/// `GET /api/v1/sessions`.
pub(super) async fn sessions(State(app): State<Arc<App>>) -> Response {
    Json(Sessions::of(&app.daemon.snapshot())).into_response()
}

/// `GET /api/v1/oncall`.
pub(super) async fn oncall(State(app): State<Arc<App>>) -> Response {
    Json(OnCall::of(&app.daemon.snapshot(), app.daemon.people())).into_response()
}

/// `PUT /api/v1/oncall/{id}`.
pub(super) async fn hand_over(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(rota): Id,
    body: Body,
) -> Response {
    let request: HandOverRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    let snapshot = app.daemon.snapshot();
    if !snapshot.duty.iter().any(|view| view.rota.as_str() == rota) {
        return problem(StatusCode::NOT_FOUND, no_rota(&snapshot));
    }
    let (now, people) = (app.daemon.now().wall, app.daemon.people());
    let handed = match request.checked(&caller, RotaId::new(rota), &people, now) {
        Ok(handed) => handed,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let (daemon, given) = (Arc::clone(&app.daemon), handed.clone());
    match carry_out(async move { daemon.hand_over(given).await }).await {
        Some(Ok(())) => Json(handed).into_response(),
        failed => refused(failed),
    }
}

/// `DELETE /api/v1/oncall/{id}`.
pub(super) async fn take_duty_back(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(rota): Id,
    Asked(ending): Asked<Ending>,
) -> Response {
    let by = match ending.by(&caller) {
        Ok(by) => by,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let snapshot = app.daemon.snapshot();
    let Some(view) = snapshot.duty.iter().find(|view| view.rota.as_str() == rota) else {
        return problem(StatusCode::NOT_FOUND, no_rota(&snapshot));
    };
    if view.handed.is_none() {
        return problem(StatusCode::NOT_FOUND, "its duty is not handed over, or no longer");
    }
    let (daemon, id) = (Arc::clone(&app.daemon), view.rota.clone());
    match carry_out(async move { daemon.take_duty_back(id).await }).await {
        Some(Ok(())) => {
            tracing::info!(rota, by, %caller, "duty taken back through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

/// That a rota is not known, and which are.
fn no_rota(snapshot: &Snapshot) -> String {
    let known: Vec<&str> = snapshot.duty.iter().map(|view| view.rota.as_str()).collect();
    match known.as_slice() {
        [] => "there are no rotas in the settings".to_owned(),
        known => format!("there is no such rota; there is {}", known.join(", ")),
    }
}

/// `GET /api/v1/silences`.
pub(super) async fn silences(State(app): State<Arc<App>>) -> Response {
    Json(Silences::of(&app.daemon.snapshot())).into_response()
}

/// `POST /api/v1/silences`.
pub(super) async fn silence(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: Body,
) -> Response {
    let request: SilenceRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    let silence = match request.checked(&caller, &app.daemon.snapshot(), app.daemon.now().wall) {
        Ok(silence) => silence,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let (daemon, given) = (Arc::clone(&app.daemon), silence.clone());
    match carry_out(async move { daemon.silence(given).await }).await {
        Some(Ok(())) => {
            tracing::info!(silence = %silence.id, by = silence.by, "silence set through the API");
            let place = format!("/api/v1/silences/{}", silence.id);
            (StatusCode::CREATED, [(header::LOCATION, place)], Json(silence)).into_response()
        }
        failed => refused(failed),
    }
}

/// `DELETE /api/v1/silences/{id}`.
pub(super) async fn lift(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    Asked(ending): Asked<Ending>,
) -> Response {
    let by = match ending.by(&caller) {
        Ok(by) => by,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let snapshot = app.daemon.snapshot();
    if !snapshot.silences.iter().any(|silence| silence.id.as_str() == id) {
        return problem(StatusCode::NOT_FOUND, "there is no such silence, or no longer");
    }
    let (daemon, lifted) = (Arc::clone(&app.daemon), SilenceId::new(id.as_str()));
    match carry_out(async move { daemon.lift(lifted).await }).await {
        Some(Ok(())) => {
            tracing::info!(silence = id, by, %caller, "silence lifted through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

/// `GET /api/v1/maintenance`.
pub(super) async fn maintenance(State(app): State<Arc<App>>) -> Response {
    Json(MaintenanceWindows::of(&app.daemon.snapshot())).into_response()
}

/// `POST /api/v1/maintenance`.
pub(super) async fn maintain(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: Body,
) -> Response {
    let request: MaintenanceRequest = match read(body) {
        Ok(request) => request,
        Err((status, why)) => return problem(status, why),
    };
    let window = match request.checked(&caller, &app.daemon.snapshot(), app.daemon.now().wall) {
        Ok(window) => window,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let (daemon, given) = (Arc::clone(&app.daemon), window.clone());
    match carry_out(async move { daemon.maintain(given).await }).await {
        Some(Ok(())) => {
            tracing::info!(maintenance = %window.id, by = window.by, "announced through the API");
            let place = format!("/api/v1/maintenance/{}", window.id);
            (StatusCode::CREATED, [(header::LOCATION, place)], Json(window)).into_response()
        }
        failed => refused(failed),
    }
}

/// `DELETE /api/v1/maintenance/{id}`.
pub(super) async fn end_maintenance(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    Asked(ending): Asked<Ending>,
) -> Response {
    let by = match ending.by(&caller) {
        Ok(by) => by,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let snapshot = app.daemon.snapshot();
    if !snapshot.maintenance.iter().any(|window| window.id.as_str() == id) {
        return problem(StatusCode::NOT_FOUND, "there is no such maintenance, or no longer");
    }
    let (daemon, ended) = (Arc::clone(&app.daemon), SilenceId::new(id.as_str()));
    match carry_out(async move { daemon.lift(ended).await }).await {
        Some(Ok(())) => {
            tracing::info!(maintenance = id, by, %caller, "ended through the API");
            StatusCode::NO_CONTENT.into_response()
        }
        failed => refused(failed),
    }
}

/// What a body looks like, for whoever sent something else.
const EXAMPLE: &str = r#"{"by": "Hà"}"#;
/// Where it is written what a body must hold.
const DESCRIBED: &str = "/api/v1/openapi.json describes it";

/// A body that should be a JSON object.
pub(super) type Body = Result<Json<Map<String, Value>>, JsonRejection>;

/// Reads a request from its body. It is read as an object first, since a record would also be
/// taken from a list of its fields.
pub(super) fn read<T: DeserializeOwned>(body: Body) -> Result<T, (StatusCode, String)> {
    read_or(body, &[])
}

/// The same where some words may stand for a moment.
fn read_or<T: DeserializeOwned>(body: Body, words: &[&str]) -> Result<T, (StatusCode, String)> {
    let Json(fields) = body.map_err(|wrong| unreadable(&wrong, Limits::default().body_bytes))?;
    let written = fields.iter().filter_map(|(name, value)| Some((name, value.as_str()?)));
    let mut moments = written.filter(|(_, value)| !words.contains(value));
    if let Some(why) = moments.find_map(|(name, value)| moment::wrong(name, value)) {
        let or = words.iter().map(|word| format!(", or `{word}`")).collect::<String>();
        return Err((StatusCode::BAD_REQUEST, format!("{why}{or}")));
    }
    serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| {
        let place = error.path().to_string();
        let why = error.into_inner();
        let told = if place == "." { why.to_string() } else { format!("`{place}`: {why}") };
        (StatusCode::BAD_REQUEST, told)
    })
}

/// Why a body is not taken that may have this many bytes, where it goes wrong, and what to send.
pub(super) fn unreadable(wrong: &JsonRejection, most: usize) -> (StatusCode, String) {
    // The library's own words begin with what it tried; where and why follow a colon.
    let said = wrong.body_text();
    let where_and_why = said.split_once(": ").map_or(&*said, |(_, rest)| rest);
    let why = match wrong {
        JsonRejection::JsonSyntaxError(_) => {
            format!("the body is no JSON: {where_and_why}; send an object, such as {EXAMPLE}")
        }
        JsonRejection::JsonDataError(_) => {
            format!("the body is not what is asked for here: {where_and_why}; {DESCRIBED}")
        }
        JsonRejection::MissingJsonContentType(_) => {
            "send the body as JSON, with `Content-Type: application/json`".to_owned()
        }
        rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            format!("the body is longer than the {} KiB that it may be; send less", most >> 10)
        }
        _ => "the body broke off; send it again".to_owned(),
    };
    let status = match wrong.status() {
        StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
        status => status,
    };
    (status, why)
}

/// What the daemon did not do.
pub(super) fn refused<T>(failed: Option<Result<T, ControlError>>) -> Response {
    let error = failed.and_then(Result::err).unwrap_or(ControlError::Broken);
    let status = match error {
        ControlError::NotFound => StatusCode::NOT_FOUND,
        ControlError::Used => StatusCode::CONFLICT,
        ControlError::Refused(_) => StatusCode::BAD_REQUEST,
        ControlError::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
        ControlError::Failed(_) | ControlError::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        ControlError::Late | ControlError::Unkept | ControlError::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    };
    let mut response = problem(status, error.to_string());
    if let ControlError::Busy(wait) = error {
        let seconds = HeaderValue::from(wait.as_secs().max(1));
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    response
}

/// Asks the history, or says why not.
pub(super) async fn look_back<T: Send + 'static>(
    past: &Past,
    question: impl FnOnce(&History) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Response> {
    past.ask(question).await.map_err(|error| match error {
        PastError::Busy => {
            refused::<()>(Some(Err(ControlError::Busy(std::time::Duration::from_secs(2)))))
        }
        PastError::TookTooLong | PastError::Store(_) | PastError::BrokenOff => {
            if let PastError::Store(why) = &error {
                tracing::error!(error = why as &dyn std::error::Error, "{error}");
            }
            problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
    })
}
