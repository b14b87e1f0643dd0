//! Where every site stands relative to its sessions, read from the calendar.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{Config, PhaseSettings};
use crate::model::{Phase, Session, SiteIx, Topology};

/// Where the sites stand at one moment, and until when that holds.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    sites: Vec<Standpoint>,
    /// Sessions that are not idle, soonest first.
    near: Vec<Arc<Session>>,
    /// The moments for which it holds: from the last change of any session's phase to the next.
    holds: [Timestamp; 2],
}

/// Where one site stands.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Standpoint {
    /// Its own phase.
    pub(super) phase: Phase,
    /// The phase that its probes keep pace with: the nearest among its own and those of the sites
    /// whose lines run through it.
    pub(super) pace: Phase,
    /// The session that the phase comes from; none when idle.
    pub(super) session: Option<Arc<Session>>,
    /// Its delegates in that session.
    pub(super) delegates: u32,
}

impl Plan {
    /// Reads the calendar at `at`.
    ///
    /// 1. A site is in the nearest phase of all its sessions: live before readiness before
    ///    wrap-up before idle. Of two sessions in the same phase the one that starts first counts.
    /// 2. A site is probed at the pace of the nearest phase among itself and everything whose
    ///    line runs through it: a session is only as good as the uplinks under it. Where this
    ///    monitor stands everything runs through.
    /// 3. Instants are compared, never local times, so neither midnight nor a change of the
    ///    clocks' zone matters.
    pub(super) fn read(config: &Config, at: Timestamp) -> Self {
        let topology = &config.topology;
        let mut sites = vec![Standpoint::default(); topology.sites.len()];
        let mut near = Vec::new();
        let mut holds = [Timestamp::MIN, Timestamp::MAX];
        for session in &config.sessions {
            let phase = phase(session, &config.settings.phases, at);
            for edge in edges(session, &config.settings.phases) {
                if edge <= at {
                    holds[0] = holds[0].max(edge);
                } else {
                    holds[1] = holds[1].min(edge);
                }
            }
            if phase == Phase::Idle {
                continue;
            }
            near.push(Arc::clone(session));
            for (site, delegates) in &session.sites {
                let Some(standpoint) = sites.get_mut(site.ix()) else { continue };
                let sooner =
                    standpoint.session.as_ref().is_none_or(|other| session.start < other.start);
                if phase > standpoint.phase || (phase == standpoint.phase && sooner) {
                    standpoint.phase = phase;
                    standpoint.session = Some(Arc::clone(session));
                    standpoint.delegates = *delegates;
                }
            }
        }
        near.sort_by_key(|session| session.start);
        spread_pace(topology, &mut sites);
        Self { sites, near, holds }
    }

    /// Whether it no longer says what the calendar says at `at`; also after the clock was set.
    pub(super) fn is_over(&self, at: Timestamp) -> bool {
        at < self.holds[0] || at >= self.holds[1]
    }

    /// Where a site stands.
    pub(super) fn site(&self, site: SiteIx) -> &Standpoint {
        &self.sites[site.ix()]
    }

    /// The sessions that are on or near, soonest first.
    pub(super) fn near(&self) -> &[Arc<Session>] {
        &self.near
    }
}

/// Where a session stands.
pub(super) fn phase(session: &Session, phases: &PhaseSettings, at: Timestamp) -> Phase {
    session.phase(at, phases.readiness_before, phases.wrap_up_after)
}

/// The moments at which a session's phase changes.
fn edges(session: &Session, phases: &PhaseSettings) -> [Timestamp; 4] {
    [
        session.start.checked_sub(phases.readiness_before).unwrap_or(Timestamp::MIN),
        session.start,
        session.end,
        session.end.checked_add(phases.wrap_up_after).unwrap_or(Timestamp::MAX),
    ]
}

/// Gives every site the nearest phase among itself and what hangs on it.
fn spread_pace(topology: &Topology, sites: &mut [Standpoint]) {
    let mut nearest = Phase::Idle;
    for site in topology.site_ixs() {
        let phase = sites[site.ix()].phase;
        nearest = nearest.max(phase);
        let mut at = Some(site);
        while let Some(here) = at {
            let standpoint = &mut sites[here.ix()];
            if here != site && standpoint.pace >= phase {
                break;
            }
            standpoint.pace = standpoint.pace.max(phase);
            at = topology.site(here).parent;
        }
    }
    if let Some(vantage) = topology.vantage {
        sites[vantage.ix()].pace = nearest;
    }
}
