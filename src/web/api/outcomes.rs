//! The last outcomes of a site's targets, explained step by step, and probing it now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::refused;
use crate::model::{
    Check, CheckId, EndpointId, Language, SiteId, SiteIx, Snapshot, TargetIx, TargetKey, Trigger,
};
use crate::probe::explain::{Style, story};
use crate::probe::{Failed, Record};
use crate::web::app::{App, carry_out, problem};
use crate::web::asked::{Id, Tongue};
use crate::web::gate::Operator;

/// What is remembered of a site's last probes.
#[derive(Serialize)]
struct Outcomes<'a> {
    taken: Timestamp,
    site: &'a SiteId,
    language: Language,
    targets: Vec<TargetOutcomes<'a>>,
}

/// A target's last probes.
#[derive(Serialize)]
struct TargetOutcomes<'a> {
    endpoint: &'a EndpointId,
    check: &'a CheckId,
    /// Newest first.
    failures: Vec<FailedOutcome>,
    /// Newest first.
    successes: Vec<ToldOutcome>,
}

/// A probe that failed.
#[derive(Serialize)]
struct FailedOutcome {
    #[serde(flatten)]
    outcome: ToldOutcome,
    left_out: u64,
}

/// A probe as it is told.
#[derive(Serialize)]
struct ToldOutcome {
    at: Timestamp,
    took_seconds: f64,
    trigger: Trigger,
    address: Option<String>,
    /// The word of the failure; none when there was a reply.
    failure: Option<&'static str>,
    rtt_seconds: Option<f64>,
    story: Vec<String>,
}

impl ToldOutcome {
    fn of(record: &Record, check: &Check, style: &Style) -> Self {
        let outcome = &record.outcome;
        let rtt = outcome.result.as_ref().ok().and_then(|reply| reply.rtt);
        Self {
            at: outcome.started.wall,
            took_seconds: (outcome.finished - outcome.started.mono).as_secs_f64(),
            trigger: outcome.request.trigger,
            address: record.address.map(|address| address.to_string()),
            failure: outcome.result.as_ref().err().map(crate::model::Failure::word),
            rtt_seconds: rtt.map(|rtt| rtt.as_secs_f64()),
            story: story(record, check, style),
        }
    }
}

/// `GET /api/v1/sites/{id}/outcomes`.
pub(in crate::web) async fn show(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Tongue(language): Tongue,
) -> Response {
    let snapshot = app.daemon.snapshot();
    let Some(site) = snapshot.topology.find_site(&SiteId::new(id)) else {
        return problem(StatusCode::NOT_FOUND, "there is no such site");
    };
    let style = Style { language, time_zone: app.daemon.look().time_zone };
    let targets = targets_of(&snapshot, site).map(|target| {
        let (key, check) =
            (snapshot.topology.target_key(target), snapshot.topology.check_of(target));
        let told = app.daemon.explain(&key).unwrap_or_default();
        let failed = |failed: &Failed| FailedOutcome {
            outcome: ToldOutcome::of(&failed.record, check, &style),
            left_out: failed.left_out,
        };
        let success = |record: &Record| ToldOutcome::of(record, check, &style);
        TargetOutcomes {
            endpoint: endpoint_of(&snapshot, target),
            check: &check.id,
            failures: told.failures.iter().rev().map(failed).collect(),
            successes: told.successes.iter().rev().map(success).collect(),
        }
    });
    let (taken, targets) = (app.daemon.now().wall, targets.collect());
    let site = &snapshot.topology.site(site).id;
    Json(Outcomes { taken, site, language, targets }).into_response()
}

/// What probing a site now has shown.
#[derive(Serialize)]
struct ProbedNow<'a> {
    taken: Timestamp,
    site: &'a SiteId,
    language: Language,
    targets: Vec<ProbedTarget<'a>>,
}

/// What probing a target now has shown.
#[derive(Serialize)]
struct ProbedTarget<'a> {
    endpoint: &'a EndpointId,
    check: &'a CheckId,
    /// None when the probe did not end in time; it is remembered when it does.
    outcome: Option<ToldOutcome>,
}

/// `POST /api/v1/sites/{id}/probe`.
pub(in crate::web) async fn probe(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Id(id): Id,
    Tongue(language): Tongue,
) -> Response {
    let site = SiteId::new(id);
    tracing::debug!(%site, by = %caller, "wants a site probed");
    let (daemon, of) = (Arc::clone(&app.daemon), site.clone());
    let probed = match carry_out(async move { daemon.probe_now(of).await }).await {
        Some(Ok(probed)) => probed,
        failed => return refused(failed),
    };
    let snapshot = app.daemon.snapshot();
    let style = Style { language, time_zone: app.daemon.look().time_zone };
    let targets = probed.iter().filter_map(|probed| {
        let target = find(&snapshot, &probed.target)?;
        let check = snapshot.topology.check_of(target);
        let told = |record: &Record| ToldOutcome::of(record, check, &style);
        let outcome = probed.record.as_ref().map(told);
        Some(ProbedTarget { endpoint: endpoint_of(&snapshot, target), check: &check.id, outcome })
    });
    let (taken, targets) = (app.daemon.now().wall, targets.collect());
    Json(ProbedNow { taken, site: &site, language, targets }).into_response()
}

/// Every target of a site, device by device.
fn targets_of(snapshot: &Snapshot, site: SiteIx) -> impl Iterator<Item = TargetIx> {
    let topology = &snapshot.topology;
    let endpoints = topology.site(site).endpoints.iter();
    endpoints.flat_map(|endpoint| topology.endpoint(*endpoint).targets.iter().copied())
}

fn endpoint_of(snapshot: &Snapshot, target: TargetIx) -> &EndpointId {
    let topology = &snapshot.topology;
    &topology.endpoint(topology.target(target).endpoint).id
}

fn find(snapshot: &Snapshot, key: &TargetKey) -> Option<TargetIx> {
    let (endpoint, check) = (key.endpoint.as_ref()?, key.check.as_ref()?);
    snapshot.topology.find_target(&key.site, endpoint, check)
}
