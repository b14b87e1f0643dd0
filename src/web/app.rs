//! Routes, what all answers have in common, and what handlers share.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};

use crate::metrics::{self, Figures};
use crate::model::Snapshot;

use super::gate::{Asked, Gate, Peer};
use super::server::Limits;
use super::shared::Shared;
use super::{Daemon, admin, api, board, calendar, link, openapi, report};

/// What handlers share.
pub(super) struct App {
    /// The daemon.
    pub(super) daemon: Arc<dyn Daemon>,
    /// What is counted.
    pub(super) figures: Figures,
    /// The page of metrics.
    pub(super) metrics: Shared,
    /// The session view.
    pub(super) boards: board::Boards,
    /// What keeps boards up to date.
    pub(super) live: Arc<board::Live>,
    /// The list of sites.
    pub(super) sites: Shared,
    /// Held while somebody takes an incident on.
    pub(super) acking: Arc<tokio::sync::Mutex<()>>,
    /// Who is let in.
    gate: Gate,
    /// How often somebody may try a link that does not exist.
    pub(super) guesses: link::Guesses,
    /// Whether every target has had its first outcome; stays so.
    swept: AtomicBool,
    /// Time for a request.
    patience: Duration,
}

impl App {
    /// Targets that have not been probed since the start. Targets that a reload adds later do not
    /// count: the sweep after the start is what makes the state trustworthy.
    pub(super) fn unprobed(&self, snapshot: &Snapshot) -> usize {
        if self.swept.load(Ordering::Relaxed) {
            return 0;
        }
        let unprobed = snapshot.targets.iter().filter(|target| target.last.is_none()).count();
        if unprobed == 0 {
            self.swept.store(true, Ordering::Relaxed);
        }
        unprobed
    }
}

/// All routes. The OpenAPI document describes all but the pages for people.
pub(super) fn router(
    daemon: Arc<dyn Daemon>,
    figures: Figures,
    limits: &Limits,
    listen: IpAddr,
    live: Arc<board::Live>,
) -> Router {
    let app = Arc::new(App {
        daemon,
        figures,
        metrics: Shared::new(metrics::CONTENT_TYPE),
        boards: board::Boards::new(),
        live,
        sites: Shared::new("application/json"),
        acking: Arc::default(),
        gate: Gate::new(listen),
        guesses: link::Guesses::default(),
        swept: AtomicBool::new(false),
        patience: limits.request,
    });
    Router::new()
        .route("/", get(board::show))
        .route("/live", get(board::follow))
        .route("/login", get(board::login))
        .route("/incidents/{id}", get(board::incident))
        .route("/readiness", get(board::readiness))
        .route("/sessions", get(board::sessions))
        .route("/sessions/{id}", get(board::session))
        .route("/sessions/{id}/readiness", get(board::checklist))
        .route("/sites/{id}", get(board::site))
        .route("/sites/{id}/history", get(board::history))
        .route("/assets/{name}", get(board::asset))
        .route(LINK, get(link::show).post(link::act))
        .route("/metrics", get(admin::metrics))
        .route("/-/healthy", get(admin::healthy))
        .route("/-/ready", get(admin::ready))
        .route("/-/reload", post(admin::reload))
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/sites", get(api::sites))
        .route("/api/v1/sites/{id}", get(api::site))
        .route("/api/v1/sites/{id}/outcomes", get(api::outcomes::show))
        .route("/api/v1/sites/{id}/probe", post(api::outcomes::probe))
        .route("/api/v1/sites/{id}/series", get(api::past::series))
        .route("/api/v1/sites/{id}/history", get(api::past::history))
        .route("/api/v1/incidents", get(api::past::incidents))
        .route("/api/v1/incidents/{id}", get(api::incident))
        .route("/api/v1/incidents/{id}/timeline", get(api::timeline::show))
        .route("/api/v1/incidents/{id}/ack", post(api::ack))
        .route("/api/v1/sessions", get(api::sessions).post(calendar::create))
        .route(
            "/api/v1/sessions/{id}",
            get(api::sessions::show).put(calendar::change).delete(calendar::withdraw),
        )
        .route("/api/v1/calendar", get(calendar::coming))
        .route("/api/v1/oncall", get(api::oncall))
        .route("/api/v1/oncall/{id}", put(api::hand_over).delete(api::take_duty_back))
        .route(
            "/api/v1/sessions/{id}/readiness",
            get(api::readiness::show).merge(
                post(api::readiness::keep)
                    .layer(DefaultBodyLimit::max(limits.body_bytes.max(api::readiness::LARGEST))),
            ),
        )
        .route(
            "/api/v1/sessions/{id}/readiness/runs",
            get(api::readiness::runs).post(api::readiness::order),
        )
        .route("/api/v1/sessions/{id}/confirmations", post(api::readiness::confirm))
        .route("/api/v1/sessions/{id}/confirmations/{site}", delete(api::readiness::unconfirm))
        .route("/api/v1/reports", get(api::past::reports))
        .route("/api/v1/sessions/{id}/report", get(report::data))
        .route("/sessions/{id}/report", get(report::page))
        .route("/api/v1/silences", get(api::silences).post(api::silence))
        .route("/api/v1/silences/{id}", delete(api::lift))
        .route("/api/v1/maintenance", get(api::maintenance).post(api::maintain))
        .route("/api/v1/maintenance/{id}", delete(api::end_maintenance))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(DefaultBodyLimit::max(limits.body_bytes))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), around))
        .with_state(app)
}

/// Carries a change out to its end, even if whoever asked for it goes away meanwhile: half a
/// reload would be worse than none. No answer means that it panicked.
pub(super) async fn carry_out<T: Send + 'static>(
    change: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    tokio::spawn(change).await.ok()
}

/// An error as the API tells it.
pub(super) fn problem(status: StatusCode, error: impl Into<String>) -> Response {
    let error: String = error.into();
    (status, Json(serde_json::json!({ "error": error }))).into_response()
}

async fn nowhere(
    State(app): State<Arc<App>>,
    reader: board::Reader,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if uri.path().starts_with("/api/") {
        problem(StatusCode::NOT_FOUND, "there is no such resource")
    } else if accepts.is_some_and(|accepts| accepts.contains("text/html")) {
        board::nowhere(&app, uri.path(), &reader)
    } else {
        (StatusCode::NOT_FOUND, "there is no such page\n").into_response()
    }
}

async fn not_so() -> Response {
    problem(StatusCode::METHOD_NOT_ALLOWED, "this is asked for by other methods; see `allow`")
}

/// Around every request: the gate, the time limit, the headers, the count, and a line in the log
/// for everything that changes something.
async fn around(
    State(app): State<Arc<App>>,
    path: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let route = path.as_ref().map(MatchedPath::as_str);
    let access = app.daemon.access();
    // Whoever has a link may act by it, from whatever page: the link is the proof.
    let by_link = route == Some(LINK);
    let peer = request.extensions().get::<Peer>().cloned();
    let change = (!request.method().is_safe()).then(|| {
        // A link is a secret.
        let path = if by_link { LINK.to_owned() } else { request.uri().path().to_owned() };
        (request.method().clone(), path)
    });
    let mut who = None;
    let answer = async {
        if let (false, Some(peer)) = (by_link, &peer) {
            let public = app.daemon.public_url();
            let asked = Asked {
                method: request.method(),
                path: request.uri().path(),
                version: request.version(),
                headers: request.headers(),
                public: public.as_deref(),
            };
            match app.gate.admit(&access, peer, asked, app.daemon.now().mono).await {
                Ok(caller) => {
                    who = Some(caller.clone());
                    request.extensions_mut().insert(caller);
                }
                Err(refusal) => return refusal.into_response(),
            }
        }
        if let (Some(route), Some(query)) = (route, request.uri().query())
            && let Some(why) = openapi::misasked(request.method().as_str(), route, query)
        {
            return problem(StatusCode::BAD_REQUEST, why);
        }
        next.run(request).await
    };
    let mut response = match tokio::time::timeout(app.patience, answer).await {
        Ok(response) => response,
        Err(_) => problem(StatusCode::REQUEST_TIMEOUT, "this took too long"),
    };
    if let Some((method, path)) = change {
        let address = peer.map(|peer| peer.address.to_canonical().to_string());
        let user = who.and_then(|who| who.name);
        let (user, address) = (user.as_deref().unwrap_or("-"), address.unwrap_or_default());
        let status = response.status().as_u16();
        tracing::info!(user, address, %method, path, status, "asked for a change");
    }
    let headers = response.headers_mut();
    for (name, value) in &access.headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value.as_str()))
        {
            headers.insert(name, value);
        }
    }
    for (name, value) in COMMON {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    let handler = route.unwrap_or("none");
    app.figures.answered(handler, response.status().as_str());
    response
}

/// The page behind a link in a message.
const LINK: &str = "/a/{token}";
/// Headers of every answer, unless it says something else itself: nothing is kept, guessed, framed
/// or fetched from elsewhere.
const COMMON: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
];
