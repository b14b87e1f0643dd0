//! Reports on sessions: as data under the API, and as the page or file that people want.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use crate::model::{ReportFormat, SessionId};
use crate::report::{self, Style};

use super::app::{App, problem};
use super::asked::{Id, Tongue};
use super::look::Asked;
use super::shared::{packed, takes_gzip};
use super::{ControlError, Look, api};

/// In what form.
#[derive(Deserialize)]
pub(super) struct Form {
    format: Option<String>,
}

/// `GET /api/v1/sessions/{id}/report`.
pub(super) async fn data(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Tongue(language): Tongue,
    headers: HeaderMap,
) -> Response {
    let look = Look { language, ..app.daemon.look() };
    answer(&app, id, look, ReportFormat::Json, takes_gzip(&headers)).await
}

/// `GET /sessions/{id}/report`: the page, or another form with `?format=`.
pub(super) async fn page(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Asked(look): Asked,
    super::asked::Asked(form): super::asked::Asked<Form>,
    headers: HeaderMap,
) -> Response {
    let format = match form.format.as_deref() {
        None => ReportFormat::Html,
        Some(word) => match ReportFormat::named(word) {
            Some(format) => format,
            None => {
                return problem(StatusCode::BAD_REQUEST, "format is html, xlsx, csv or json");
            }
        },
    };
    answer(&app, id, look, format, takes_gzip(&headers)).await
}

async fn answer(app: &App, id: String, look: Look, format: ReportFormat, gzip: bool) -> Response {
    let made = match app.daemon.report(SessionId::new(id)).await {
        Ok(made) => made,
        Err(error) => return refused(error),
    };
    let style = Style::new(look.language, look.time_zone, "");
    // Writing a large workbook takes longer than a thread that serves others may be held up.
    let name = format!("{}.{}", made.id, format.word());
    let written = tokio::task::spawn_blocking(move || match format {
        ReportFormat::Html => Ok(report::page(&made, &style).into_bytes()),
        _ => report::write(&made, format, &style),
    })
    .await;
    match written {
        Ok(Ok(bytes)) => {
            // A workbook is compressed already.
            let mut response = match String::from_utf8(bytes) {
                Ok(text) => packed(text, gzip),
                Err(other) => other.into_bytes().into_response(),
            };
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
            let file = matches!(format, ReportFormat::Xlsx | ReportFormat::Csv);
            let named = format!("attachment; filename=\"{name}\"");
            if let (true, Ok(value)) = (file, HeaderValue::from_str(&named)) {
                headers.insert(header::CONTENT_DISPOSITION, value);
            }
            response
        }
        Ok(Err(why)) => problem(StatusCode::INTERNAL_SERVER_ERROR, why.to_string()),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "this broke off"),
    }
}

/// Why there is no report.
fn refused(error: ControlError) -> Response {
    match error {
        ControlError::NotFound => problem(
            StatusCode::NOT_FOUND,
            "there is no such session on record, or it has not begun",
        ),
        error => api::refused(Some::<Result<(), _>>(Err(error))),
    }
}
