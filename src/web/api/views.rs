//! Snapshots as the API tells them: field names and units that stay the same whatever the model
//! looks like inside.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{
    Certificate, CheckId, Contact, DutyView, EndpointId, EndpointIx, Failure, Health, Importance,
    IncidentId, LevelId, Maintenance, PersonId, Phase, Quality, SessionId, SessionView, Silence,
    SiteId, SiteIx, Snapshot, Standing, TargetIx,
};

/// A count by health.
#[derive(Serialize)]
pub(super) struct ByHealth<T> {
    up: T,
    degraded: T,
    down: T,
    unknown: T,
}

impl<T: Copy> ByHealth<T> {
    pub(super) fn of(counts: &[T; 4]) -> Self {
        Self {
            up: counts[Health::Up as usize],
            degraded: counts[Health::Degraded as usize],
            down: counts[Health::Down as usize],
            unknown: counts[Health::Unknown as usize],
        }
    }
}

/// All sites.
#[derive(Serialize)]
pub(super) struct Sites<'a> {
    taken: Timestamp,
    sites: Vec<SiteRow<'a>>,
    /// What to give as `after` for the next page; none when this is the last.
    next: Option<&'a SiteId>,
}

impl<'a> Sites<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let sites = snapshot.topology.site_ixs().map(|ix| SiteRow::of(snapshot, ix)).collect();
        Self { taken: snapshot.taken.wall, sites, next: None }
    }

    /// Some of them; whether there are `more` behind.
    pub(super) fn page(snapshot: &'a Snapshot, found: &[SiteIx], more: bool) -> Self {
        let sites = found.iter().map(|ix| SiteRow::of(snapshot, *ix)).collect();
        let next = found.last().filter(|_| more).map(|ix| &snapshot.topology.site(*ix).id);
        Self { taken: snapshot.taken.wall, sites, next }
    }
}

/// A site in a list.
#[derive(Serialize)]
pub(super) struct SiteRow<'a> {
    id: &'a SiteId,
    name: &'a str,
    level: &'a LevelId,
    parent: Option<&'a SiteId>,
    health: Health,
    suspected: Health,
    since: Option<Timestamp>,
    phase: Phase,
    session: Option<&'a SessionId>,
    delegates: u32,
    incident: Option<&'a IncidentId>,
    in_maintenance: bool,
    silenced: bool,
}

impl<'a> SiteRow<'a> {
    fn of(snapshot: &'a Snapshot, ix: SiteIx) -> Self {
        let topology = &snapshot.topology;
        let site = topology.site(ix);
        let view = &snapshot.sites[ix.ix()];
        let Standing { hard, soft, since } = view.standing;
        Self {
            id: &site.id,
            name: &site.name,
            level: &topology.level_of(ix).id,
            parent: site.parent.map(|parent| &topology.site(parent).id),
            health: hard,
            suspected: soft,
            since: since.map(Timestamp::from),
            phase: view.phase,
            session: view.session.as_ref(),
            delegates: view.delegates,
            incident: view.incident.as_ref(),
            in_maintenance: view.in_maintenance,
            silenced: view.silenced,
        }
    }
}

/// A site with all that is known of it.
#[derive(Serialize)]
pub(super) struct SiteDetail<'a> {
    taken: Timestamp,
    #[serde(flatten)]
    row: SiteRow<'a>,
    contacts: &'a [Contact],
    labels: &'a BTreeMap<String, String>,
    endpoints: Vec<EndpointDetail<'a>>,
}

impl<'a> SiteDetail<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, ix: SiteIx) -> Self {
        let site = snapshot.topology.site(ix);
        let endpoint = |ix: &EndpointIx| EndpointDetail::of(snapshot, *ix);
        Self {
            taken: snapshot.taken.wall,
            row: SiteRow::of(snapshot, ix),
            contacts: &site.contacts,
            labels: &site.labels,
            endpoints: site.endpoints.iter().map(endpoint).collect(),
        }
    }
}

/// A device.
#[derive(Serialize)]
struct EndpointDetail<'a> {
    id: &'a EndpointId,
    address: String,
    health: Health,
    suspected: Health,
    since: Option<Timestamp>,
    quality: Option<Quality>,
    targets: Vec<TargetDetail<'a>>,
}

impl<'a> EndpointDetail<'a> {
    fn of(snapshot: &'a Snapshot, ix: EndpointIx) -> Self {
        let endpoint = snapshot.topology.endpoint(ix);
        let view = &snapshot.endpoints[ix.ix()];
        let Standing { hard, soft, since } = view.standing;
        let target = |ix: &TargetIx| TargetDetail::of(snapshot, *ix);
        Self {
            id: &endpoint.id,
            address: endpoint.host.to_string(),
            health: hard,
            suspected: soft,
            since: since.map(Timestamp::from),
            quality: view.quality,
            targets: endpoint.targets.iter().map(target).collect(),
        }
    }
}

/// A device under one check.
#[derive(Serialize)]
struct TargetDetail<'a> {
    check: &'a CheckId,
    kind: &'static str,
    health: Health,
    suspected: Health,
    seen_up: bool,
    since: Option<Timestamp>,
    last: Option<Timestamp>,
    failing: bool,
    last_failure: Option<FailureDetail<'a>>,
    probes: u32,
    failures: u32,
    local_failures: u32,
    packets_sent: u32,
    packets_lost: u32,
    rtt_seconds: Option<f64>,
    status: Option<u16>,
    certificate: Option<&'a Certificate>,
    clock_offset_seconds: Option<i64>,
    ttl: Option<u8>,
    tos: Option<u8>,
}

/// A failure: its word and the record as it is.
#[derive(Serialize)]
struct FailureDetail<'a> {
    at: Timestamp,
    reason: &'static str,
    detail: &'a Failure,
}

impl<'a> TargetDetail<'a> {
    fn of(snapshot: &'a Snapshot, ix: TargetIx) -> Self {
        let check = snapshot.topology.check_of(ix);
        let view = &snapshot.targets[ix.ix()];
        let Standing { hard, soft, since } = view.standing;
        Self {
            check: &check.id,
            kind: check.kind.word(),
            health: hard,
            suspected: soft,
            seen_up: view.seen_up,
            since: since.map(Timestamp::from),
            last: view.last.map(Timestamp::from),
            failing: view.failing,
            last_failure: view.last_failure.as_deref().map(|(at, failure)| FailureDetail {
                at: *at,
                reason: failure.word(),
                detail: failure,
            }),
            probes: view.probes,
            failures: view.failures,
            local_failures: view.local_failures,
            packets_sent: view.sent,
            packets_lost: view.lost,
            rtt_seconds: view.rtt.map(|rtt| Duration::from(rtt).as_secs_f64()),
            status: view.status(),
            certificate: view.certificate(),
            clock_offset_seconds: view.clock_offset_s(),
            ttl: view.ttl,
            tos: view.tos,
        }
    }
}

/// Sessions that are on or near, soonest first.
#[derive(Serialize)]
pub(super) struct Sessions<'a> {
    taken: Timestamp,
    sessions: Vec<SessionRow<'a>>,
}

impl<'a> Sessions<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let sessions = snapshot.sessions.iter().map(SessionRow::of).collect();
        Self { taken: snapshot.taken.wall, sessions }
    }
}

/// A session.
#[derive(Serialize)]
pub(super) struct SessionRow<'a> {
    id: &'a SessionId,
    title: &'a str,
    start: Timestamp,
    end: Timestamp,
    importance: Importance,
    phase: Phase,
    expected_sites: usize,
    expected_delegates: u64,
    sites: ByHealth<u32>,
    delegates: ByHealth<u64>,
    lost_seconds: u64,
}

impl<'a> SessionRow<'a> {
    pub(super) fn of(view: &'a SessionView) -> Self {
        let session = &view.session;
        Self {
            id: &session.id,
            title: &session.title,
            start: session.start,
            end: session.end,
            importance: session.importance,
            phase: view.phase,
            expected_sites: session.sites.len(),
            expected_delegates: session.delegates(),
            sites: ByHealth::of(&view.sites),
            delegates: ByHealth::of(&view.delegates),
            lost_seconds: view.seconds_lost,
        }
    }
}

/// Who is on duty.
#[derive(Serialize)]
pub(super) struct OnCall<'a> {
    taken: Timestamp,
    rotas: &'a [DutyView],
    /// Whom the duty can be handed over to.
    people: Vec<Named>,
}

/// A person.
#[derive(Serialize)]
struct Named {
    id: PersonId,
    name: String,
}

impl<'a> OnCall<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, people: Vec<(PersonId, String)>) -> Self {
        let people = people.into_iter().map(|(id, name)| Named { id, name }).collect();
        Self { taken: snapshot.taken.wall, rotas: &snapshot.duty, people }
    }
}

/// Silences in force or to come.
#[derive(Serialize)]
pub(super) struct Silences<'a> {
    taken: Timestamp,
    silences: &'a [Silence],
}

/// Planned work that goes on or is to come.
#[derive(Serialize)]
pub(super) struct MaintenanceWindows<'a> {
    taken: Timestamp,
    maintenance: &'a [Maintenance],
}

impl<'a> MaintenanceWindows<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self { taken: snapshot.taken.wall, maintenance: &snapshot.maintenance }
    }
}

impl<'a> Silences<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        Self { taken: snapshot.taken.wall, silences: &snapshot.silences }
    }
}
