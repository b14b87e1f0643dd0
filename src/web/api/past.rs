//! Looking back: measurements for charts (`series`), what a site went through, incidents and
//! sessions long over. Everything here is bounded in length and in time, and lists go back page by
//! page.

mod series;

use std::borrow::Borrow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{look_back, refused};
use crate::model::{
    Cause, HealthChange, Importance, Incident, IncidentId, Maintenance, SessionId, SessionRecord,
    Severity, SiteId, TargetKey,
};
use crate::report::Totals;
use crate::store::Before;
use crate::web::app::{App, problem};
use crate::web::asked::{Asked, Id};
pub(in crate::web) use series::{MOST_POINTS, series};

/// Entries of a list, unless somebody wants another number.
const ENTRIES: usize = 50;
/// Most entries of a list.
pub(in crate::web) const MOST_ENTRIES: usize = 200;
/// Most sessions of a list: each is worked out anew.
pub(in crate::web) const MOST_SESSIONS: usize = 20;
/// Longest stretch of time that is looked back on at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(400 * 24);
/// How far the history of a site goes back, unless somebody wants another time.
const LATELY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How far incidents go back, unless somebody wants another time.
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// A stretch of time that is asked for.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Timestamp,
    until: Timestamp,
}

impl Stretch {
    /// From `from` to `until`; where one is not given, to now and `before` back.
    fn of(
        from: Option<Timestamp>,
        until: Option<Timestamp>,
        now: Timestamp,
        before: SignedDuration,
    ) -> Result<Self, &'static str> {
        let until = until.unwrap_or(now);
        let from = from.unwrap_or_else(|| until.checked_sub(before).unwrap_or(Timestamp::MIN));
        if from >= until {
            return Err("`from` must lie before `until`");
        }
        if until.duration_since(from) > LONGEST {
            return Err("400 days are looked back on at most");
        }
        Ok(Self { from, until })
    }
}

/// A stretch of time and how much of a list.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct HistoryAsked {
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    limit: Option<usize>,
}

/// What a site went through.
#[derive(Serialize)]
struct SiteHistory {
    taken: Timestamp,
    site: SiteId,
    from: Timestamp,
    until: Timestamp,
    /// Confirmed changes, oldest first, led by the one in force at the beginning; the latest ones
    /// when there are more than the limit.
    health: Vec<HealthChange>,
    /// Incidents that it was at fault in or affected by, latest first.
    incidents: Vec<Shown<Incident>>,
    /// Planned work that named it, by its beginning.
    maintenance: Vec<Maintenance>,
}

/// `GET /api/v1/sites/{id}/history`.
pub(in crate::web) async fn history(
    State(app): State<Arc<App>>,
    Id(id): Id,
    Asked(asked): Asked<HistoryAsked>,
) -> Response {
    let now = app.daemon.now().wall;
    let (limit, stretch) =
        match (limit(asked.limit, MOST_ENTRIES), Stretch::of(asked.from, asked.until, now, LATELY))
        {
            (Ok(limit), Ok(stretch)) => (limit, stretch),
            (Err(why), _) => return problem(StatusCode::BAD_REQUEST, why),
            (_, Err(why)) => return problem(StatusCode::BAD_REQUEST, why),
        };
    let site = SiteId::new(id);
    if app.daemon.snapshot().topology.find_site(&site).is_none() {
        return problem(StatusCode::NOT_FOUND, "there is no such site");
    }
    let found = look_back(app.daemon.past(), move |history| {
        let Stretch { from, until } = stretch;
        let key = TargetKey { site: site.clone(), endpoint: None, check: None };
        let mut health = history.health(&key, from, until)?;
        health.drain(..health.len().saturating_sub(limit));
        let touches = |it: &Incident| touches(it, &site);
        let incidents = history.incidents_back(from, until, None, limit, touches)?;
        let incidents = incidents.into_iter().map(Shown::of).collect();
        let mut maintenance = history.maintenance(from, until)?;
        maintenance.retain(|window| window.sites.contains(&site));
        maintenance.drain(..maintenance.len().saturating_sub(limit));
        Ok(SiteHistory { taken: now, site, from, until, health, incidents, maintenance })
    });
    match found.await {
        Ok(found) => Json(found).into_response(),
        Err(response) => response,
    }
}

/// Which incidents are asked for.
#[derive(Debug, Default, Deserialize)]
pub(in crate::web) struct IncidentsAsked {
    state: Option<Stage>,
    site: Option<String>,
    session: Option<String>,
    cause: Option<Cause>,
    severity: Option<Severity>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<String>,
    limit: Option<usize>,
}

/// Whether an incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Open,
    Resolved,
    All,
}

impl IncidentsAsked {
    /// Whether more is asked for than what everybody sees now.
    const fn looks_back(&self) -> bool {
        self.from.is_some() || self.until.is_some() || self.after.is_some()
    }

    fn wants(&self, incident: &Incident) -> bool {
        let state = match self.state {
            Some(Stage::Open) => incident.is_open(),
            Some(Stage::Resolved) => !incident.is_open(),
            Some(Stage::All) | None => true,
        };
        state
            && self.site.as_ref().is_none_or(|site| touches(incident, &SiteId::new(site.as_str())))
            && self.session.as_deref().is_none_or(|session| {
                incident.session.as_ref().is_some_and(|it| it.as_str() == session)
            })
            && self.cause.is_none_or(|cause| incident.cause == cause)
            && self.severity.is_none_or(|severity| incident.severity == severity)
    }
}

/// Whether a site is or was at fault or affected.
pub(in crate::web) fn touches(incident: &Incident, site: &SiteId) -> bool {
    incident.site.as_ref() == Some(site) || incident.affected.iter().any(|it| it.site == *site)
}

/// A page of incidents.
#[derive(Serialize)]
struct IncidentPage<I> {
    taken: Timestamp,
    incidents: Vec<Shown<I>>,
    /// What to give as `after` for the next page; none when this is the last.
    next: Option<IncidentId>,
}

/// `GET /api/v1/incidents`.
pub(in crate::web) async fn incidents(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<IncidentsAsked>,
) -> Response {
    let limit = match limit(asked.limit, MOST_ENTRIES) {
        Ok(limit) => limit,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    if !asked.looks_back() {
        let snapshot = app.daemon.snapshot();
        let wanted = snapshot.incidents.iter().filter(|incident| asked.wants(incident));
        let most = if asked.limit.is_some() { limit } else { usize::MAX };
        let incidents: Vec<Shown<&Incident>> =
            wanted.take(most).map(|incident| Shown::of(&**incident)).collect();
        let taken = snapshot.taken.wall;
        return Json(IncidentPage { taken, incidents, next: None }).into_response();
    }
    let now = app.daemon.now().wall;
    let Stretch { from, until } = match Stretch::of(asked.from, asked.until, now, YEAR) {
        Ok(stretch) => stretch,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let found = look_back(app.daemon.past(), move |history| {
        let before = match &asked.after {
            None => None,
            Some(id) => match history.incident(&IncidentId::new(id.as_str()))? {
                Some(last) => Some(Before { at: last.began, id: last.id }),
                None => return Ok(None),
            },
        };
        let wanted = |incident: &Incident| asked.wants(incident);
        let mut incidents =
            history.incidents_back(from, until, before.as_ref(), limit + 1, wanted)?;
        let more = incidents.len() > limit;
        incidents.truncate(limit);
        let next = incidents.last().filter(|_| more).map(|last| last.id.clone());
        let incidents = incidents.into_iter().map(Shown::of).collect();
        Ok(Some(IncidentPage { taken: now, incidents, next }))
    });
    match found.await {
        Ok(Some(page)) => Json(page).into_response(),
        Ok(None) => problem(StatusCode::NOT_FOUND, "`after` names no incident on record"),
        Err(response) => response,
    }
}

/// An incident, and what readers would have to work out from its record.
#[derive(Serialize)]
pub(super) struct Shown<I> {
    #[serde(flatten)]
    incident: I,
    /// Since when it is on this time.
    since: Timestamp,
}

impl<I: Borrow<Incident>> Shown<I> {
    pub(super) fn of(incident: I) -> Self {
        let since = incident.borrow().since();
        Self { incident, since }
    }
}

/// The incident with this id, of now or of the past.
pub(super) async fn find(app: &App, id: &str) -> Result<Arc<Incident>, Response> {
    let snapshot = app.daemon.snapshot();
    if let Some(known) = snapshot.incidents.iter().find(|incident| incident.id.as_str() == id) {
        return Ok(Arc::clone(known));
    }
    let id = IncidentId::new(id);
    let found = look_back(app.daemon.past(), move |history| history.incident(&id)).await?;
    let missing = || problem(StatusCode::NOT_FOUND, "there is no such incident on record");
    found.map(Arc::new).ok_or_else(missing)
}

/// How much of the list of sessions.
#[derive(Debug, Deserialize)]
pub(in crate::web) struct HeldAsked {
    after: Option<String>,
    limit: Option<usize>,
}

/// Sessions that were held, to be compared.
#[derive(Serialize)]
struct Held<'a> {
    taken: Timestamp,
    sessions: Vec<HeldRow<'a>>,
    /// What to give as `after` for the next page; none when this is the last.
    next: Option<&'a SessionId>,
}

#[derive(Serialize)]
struct HeldRow<'a> {
    id: &'a SessionId,
    title: &'a str,
    start: Timestamp,
    end: Timestamp,
    importance: Importance,
    /// Whether everything about it is known.
    closed: bool,
    sites: usize,
    delegates: u64,
    well: usize,
    degraded: usize,
    interrupted: usize,
    unseen: usize,
    delegates_interrupted: u64,
    availability: Option<f64>,
    lost_seconds: f64,
    outages: usize,
}

impl<'a> HeldRow<'a> {
    fn of((record, totals): &'a (SessionRecord, Totals)) -> Self {
        Self {
            id: &record.id,
            title: &record.title,
            start: record.start,
            end: record.end,
            importance: record.importance,
            closed: record.closed.is_some(),
            sites: totals.sites,
            delegates: totals.delegates,
            well: totals.well,
            degraded: totals.degraded,
            interrupted: totals.interrupted,
            unseen: totals.unseen,
            delegates_interrupted: totals.delegates_interrupted,
            availability: totals.availability(),
            lost_seconds: totals.lost.as_secs_f64(),
            outages: totals.outages,
        }
    }
}

/// `GET /api/v1/reports`.
pub(in crate::web) async fn reports(
    State(app): State<Arc<App>>,
    Asked(asked): Asked<HeldAsked>,
) -> Response {
    let limit = match limit(asked.limit.or(Some(MOST_SESSIONS / 2)), MOST_SESSIONS) {
        Ok(limit) => limit,
        Err(why) => return problem(StatusCode::BAD_REQUEST, why),
    };
    let found = match app.daemon.held(asked.after.map(SessionId::new), limit + 1).await {
        Ok(found) => found,
        failed => return refused(Some(failed)),
    };
    let sessions: Vec<HeldRow<'_>> = found.iter().take(limit).map(HeldRow::of).collect();
    let next = sessions.last().filter(|_| found.len() > limit).map(|last| last.id);
    Json(Held { taken: app.daemon.now().wall, sessions, next }).into_response()
}

/// How many entries are wanted.
fn limit(asked: Option<usize>, most: usize) -> Result<usize, String> {
    let limit = asked.unwrap_or(ENTRIES);
    if (1..=most).contains(&limit) { Ok(limit) } else { Err(format!("`limit` is 1 to {most}")) }
}
