//! For machines that look after this one: metrics, health, readiness, reload.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::metrics::{self, Page};

use super::ReloadError;
use super::app::{App, carry_out};
use super::gate::Operator;

/// The event loop comes round several times a second. When it has not for this long, it hangs.
const STALLED: Duration = Duration::from_secs(10);

/// `GET /metrics`.
pub(super) async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let snapshot = app.daemon.snapshot();
    let now = app.daemon.now().mono;
    let (shown, of) = (Arc::clone(&app), Arc::clone(&snapshot));
    let render = move |take: &mut dyn FnMut(&str)| {
        let started = shown.daemon.now().mono;
        Page::in_pieces(take, |page| {
            metrics::write(&of, page);
            let (store, channels) = (shown.daemon.store(), shown.daemon.channels());
            metrics::write_delivery(&store, &channels, shown.daemon.now().wall, page);
            shown.figures.rendered(shown.daemon.now().mono - started);
            shown.figures.write(page);
        });
    };
    app.metrics.get(&snapshot, now, &headers, render).await
}

/// `GET /-/healthy`: whether the process lives and its event loop comes round.
pub(super) async fn healthy(State(app): State<Arc<App>>) -> Response {
    match stalled(&app) {
        None => (StatusCode::OK, "healthy\n").into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

/// `GET /-/ready`: whether what this server shows can be relied on. Says why not, as plain text or
/// as JSON for who accepts that.
pub(super) async fn ready(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let reasons = not_ready(&app);
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains("application/json")) {
        let body = serde_json::json!({ "ready": ready, "reasons": reasons });
        return (status, Json(body)).into_response();
    }
    let text = if ready { "ready".to_owned() } else { reasons.join("\n") };
    (status, text + "\n").into_response()
}

/// `POST /-/reload`: reads the configuration again. A bad one is refused whole, with everything
/// that is wrong about it.
pub(super) async fn reload(State(app): State<Arc<App>>, _: Operator) -> Response {
    let daemon = Arc::clone(&app.daemon);
    match carry_out(async move { daemon.reload().await }).await {
        None => (StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off\n").into_response(),
        Some(Ok(reloaded)) => (StatusCode::OK, format!("{reloaded}\n")).into_response(),
        Some(Err(error)) => {
            let status = match error {
                ReloadError::Refused(_) => StatusCode::BAD_REQUEST,
                ReloadError::NotTaken(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            let mut text = error.to_string();
            if !text.ends_with('\n') {
                text.push('\n');
            }
            (status, text).into_response()
        }
    }
}

/// Why what this server shows cannot be relied on; nothing when it can.
pub(super) fn not_ready(app: &App) -> Vec<String> {
    let mut reasons: Vec<String> = stalled(app).into_iter().collect();
    let snapshot = app.daemon.snapshot();
    let unprobed = app.unprobed(&snapshot);
    if unprobed > 0 {
        let all = snapshot.targets.len();
        reasons.push(format!(
            "the first sweep is not done: {unprobed} of {all} targets have not been probed yet"
        ));
    }
    if let Some(trouble) = app.daemon.store().trouble {
        reasons.push(format!("what is decided does not reach the disk: {trouble}"));
    }
    reasons
}

fn stalled(app: &App) -> Option<String> {
    let stalled = app.daemon.stalled_for();
    (stalled >= STALLED)
        .then(|| format!("the event loop has stood still for {} s", stalled.as_secs()))
}
