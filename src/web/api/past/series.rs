//! Measurements of a site's targets over time, for charts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::super::look_back;
use super::Stretch;
use crate::model::{CheckId, EndpointId, Quality, SessionId, SiteId, TargetKey};
use crate::report::series::{Grid, Point, Series, Span};
use crate::web::app::{App, problem};
use crate::web::asked::{Asked, Id};

/// Points of a chart, unless somebody wants another number.
const POINTS: usize = 120;
/// Most points of a chart.
pub(in crate::web) const MOST_POINTS: usize = 500;
/// How far a chart goes back, unless somebody wants another time.
const CHART: SignedDuration = SignedDuration::from_hours(6);

/// What a chart is to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SeriesAsked {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    session: Option<String>,
    endpoint: Option<String>,
    points: Option<usize>,
}

/// Measurements of a site's targets over time.
#[derive(Serialize)]
struct Charts {
    taken: Timestamp,
    site: SiteId,
    from: Timestamp,
    until: Timestamp,
    step_seconds: u64,
    series: Vec<Chart>,
}

/// Measurements of a target over time.
#[derive(Serialize)]
struct Chart {
    endpoint: EndpointId,
    check: CheckId,
    /// The path to the device at this moment; none while it is not known.
    now: Option<Quality>,
    points: Vec<ChartPoint>,
}

#[derive(Serialize)]
struct ChartPoint {
    at: Timestamp,
    probes: u32,
    failed: u32,
    loss: Option<f64>,
    rtt_seconds: Option<ChartSpan>,
    jitter_seconds: Option<ChartSpan>,
    mos: Option<ChartSpan>,
}

#[derive(Serialize)]
struct ChartSpan {
    min: f64,
    median: f64,
    max: f64,
}

impl ChartPoint {
    fn of(point: &Point) -> Self {
        let span = |span: Span, unit: f64| ChartSpan {
            min: f64::from(span.min) / unit,
            median: f64::from(span.median) / unit,
            max: f64::from(span.max) / unit,
        };
        Self {
            at: point.at,
            probes: point.probes,
            failed: point.failed,
            loss: point.loss(),
            rtt_seconds: point.rtt_us.map(|it| span(it, 1e6)),
            jitter_seconds: point.jitter_us.map(|it| span(it, 1e6)),
            mos: point.mos.map(|it| span(it, 100.0)),
        }
    }
}

/// `GET /api/v1/sites/{id}/series`.
pub(in crate::web) async fn series(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Asked(asked): Asked<SeriesAsked>,
) -> Response {
    let SeriesAsked { from, until, session, endpoint, points } = asked;
    let points = points.unwrap_or(POINTS);
    if !(1..=MOST_POINTS).contains(&points) {
        let why = format!("`points` is 1 to {MOST_POINTS}");
        return problem(StatusCode::BAD_REQUEST, why);
    }
    let snapshot = app.daemon.snapshot();
    let Some(ix) = snapshot.topology.find_site(&SiteId::new(id)) else {
        return problem(StatusCode::NOT_FOUND, "there is no such site");
    };
    let site = snapshot.topology.site(ix).id.clone();
    let now = app.daemon.now().wall;
    let (from, until) = match session {
        None => (from, until),
        Some(session) if from.is_none() && until.is_none() => {
            let session = SessionId::new(session);
            match look_back(app.daemon.past(), move |history| history.session(&session)).await {
                Ok(Some(record)) => (Some(record.start), Some(record.end.min(now))),
                Ok(None) => {
                    let why = "there is no such session on record";
                    return problem(StatusCode::NOT_FOUND, why);
                }
                Err(response) => return response,
            }
        }
        Some(_) => {
            let why = "give either `session` or `from` and `until`";
            return problem(StatusCode::BAD_REQUEST, why);
        }
    };
    let stretch = match Stretch::of(from, until, now, CHART) {
        Ok(stretch) => stretch,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let Stretch { from, until } = stretch;
    let grid = Grid::over(from, until, points);
    let of = site.clone();
    let found = look_back(app.daemon.past(), move |history| {
        let wanted = |key: &TargetKey| {
            let at = key.endpoint.as_ref().map(EndpointId::as_str);
            endpoint.is_none() || at == endpoint.as_deref()
        };
        let mut series = Series::on(grid);
        history.site_rollups(&of, from, until, |rollup| {
            if wanted(&rollup.key) {
                series.add(rollup);
            }
        })?;
        let charts = series.points().filter_map(|(key, points)| {
            let (endpoint, check) = (key.endpoint.clone()?, key.check.clone()?);
            Some((endpoint, check, points.iter().map(ChartPoint::of).collect()))
        });
        Ok(charts.collect::<Vec<_>>())
    });
    let charts = match found.await {
        Ok(charts) => charts,
        Err(response) => return response,
    };
    let topology = &snapshot.topology;
    let quality = |id: &EndpointId| {
        let mut endpoints = topology.site(ix).endpoints.iter();
        let at = endpoints.find(|at| topology.endpoint(**at).id == *id)?;
        snapshot.endpoints[at.ix()].quality
    };
    let series = charts.into_iter().map(|(endpoint, check, points)| Chart {
        now: quality(&endpoint),
        endpoint,
        check,
        points,
    });
    let (series, step_seconds) = (series.collect(), grid.step());
    Json(Charts { taken: now, site, from, until, step_seconds, series }).into_response()
}
