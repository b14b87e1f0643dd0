//! The whole state at one moment, made from what the brain holds.

use std::sync::Arc;

use super::ledger::Entry;
use super::mute::Place;
use super::site::{self, Life};
use super::target::Watched;
use super::{Monitor, plan};
use crate::model::{
    ChannelId, EndpointView, Health, Incident, IncidentId, MonitorView, Now, ReadinessRun,
    SessionView, Severity, SiteView, Snapshot,
};

/// Incidents that ended are shown for this long.
const SHOWN_FOR: std::time::Duration = std::time::Duration::from_secs(3600);

impl Monitor {
    /// The whole state at `now`.
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        let sites = self.site_views(now);
        let picture = &self.picture;
        let topology = Arc::clone(&picture.config.topology);
        let endpoints = topology.endpoint_ixs().map(|ix| {
            let targets = topology.endpoint(ix).targets.iter();
            let paths = targets.filter_map(|target| picture.target(*target).path.as_ref());
            let soft = match site::life(picture, ix, now.mono) {
                Life::Alive | Life::Recovering => Health::Up,
                Life::Failing(_) | Life::Dead(_) => Health::Down,
                Life::Unknown => picture.endpoint(ix).judged.hard,
            };
            EndpointView {
                standing: picture.endpoint(ix).judged.standing(soft),
                quality: paths.filter_map(|path| path.quality(&picture.rules)).next(),
            }
        });
        let sessions = picture.plan.near().iter().map(|session| {
            let mut view = SessionView {
                phase: plan::phase(session, &picture.settings().phases, now.wall),
                sites: [0; 4],
                delegates: [0; 4],
                seconds_lost: self.lost.of(&session.id) / 1000,
                session: Arc::clone(session),
            };
            for (site, delegates) in &session.sites {
                let Some(at) = sites.get(site.ix()) else { continue };
                view.sites[at.standing.hard as usize] += 1;
                view.delegates[at.standing.hard as usize] += u64::from(*delegates);
            }
            view
        });
        Snapshot {
            taken: now,
            generation: self.generation,
            targets: picture.targets.iter().map(Watched::view).collect(),
            endpoints: endpoints.collect(),
            sessions: sessions.collect(),
            incidents: self.incidents(now),
            readiness: self.runs(),
            confirmations: self.readiness.confirmations.values().cloned().collect(),
            silences: self.mutes.silences_ahead(now.wall).cloned().collect(),
            maintenance: self.mutes.windows_ahead(now.wall).cloned().collect(),
            duty: self.duty.clone(),
            monitor: MonitorView {
                blind: self.sight.is_blind(),
                reasons: self.reasons(now),
                in_flight: self.schedule.in_flight(),
                overlaps_avoided: self.schedule.overlaps(),
                worst_lateness: self.lateness.get(now.mono),
                engine: self.sight.engine(now.mono),
                drill: self.drills.last(),
                held_back: self.held_back(),
            },
            sites,
            topology,
        }
    }

    fn held_back(&self) -> Vec<(ChannelId, u32)> {
        let channels = self.picture.settings().channels.iter();
        let held = channels.map(|channel| {
            let waits = |entry: &Entry| entry.incident.held_back.contains(&channel.id);
            let count = self.ledger.iter().filter(|(_, entry)| waits(entry)).count();
            (channel.id.clone(), u32::try_from(count).unwrap_or(u32::MAX))
        });
        held.collect()
    }

    /// Those of all sites. Nothing changes of any for minutes or hours, and a snapshot lives beside
    /// the one before it, so both have the same list then.
    fn site_views(&mut self, now: Now) -> Arc<Vec<SiteView>> {
        let sites = self.picture.topology().site_ixs().map(|ix| self.site_view(ix, now));
        let sites: Vec<SiteView> = sites.collect();
        if *self.shown != sites {
            self.shown = Arc::new(sites);
        }
        Arc::clone(&self.shown)
    }

    fn site_view(&self, ix: crate::model::SiteIx, now: Now) -> SiteView {
        let picture = &self.picture;
        let known = picture.site(ix);
        let standpoint = picture.plan.site(ix);
        let soft = match known.finding {
            site::Finding::Well => Health::Up,
            site::Finding::Trouble(trouble) if trouble.down => Health::Down,
            site::Finding::Trouble(_) => Health::Degraded,
            site::Finding::Unknown | site::Finding::Unsettled | site::Finding::Doubtful => {
                known.judged.hard
            }
        };
        let place = Place { topology: picture.topology(), site: ix, at: now.wall };
        let explaining = self.ledger.explaining(picture, ix);
        let incident: Option<IncidentId> = explaining.map(|entry| entry.incident.id.clone());
        SiteView {
            standing: known.judged.standing(soft),
            phase: standpoint.phase,
            session: standpoint.session.as_ref().map(|session| session.id.clone()),
            delegates: standpoint.delegates,
            incident,
            in_maintenance: self.mutes.is_in_maintenance(place),
            silenced: self.mutes.is_silenced(place),
        }
    }

    /// The last readiness runs, that of the session that begins first first.
    fn runs(&self) -> Vec<Arc<ReadinessRun>> {
        let mut runs: Vec<_> = self.readiness.runs.values().cloned().collect();
        runs.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| a.session.cmp(&b.session)));
        runs
    }

    /// Open incidents, gravest first, then those that ended lately or whose end not everybody has
    /// heard who is to, the latest first.
    fn incidents(&self, now: Now) -> Vec<Arc<Incident>> {
        let entries = self.ledger.iter().map(|(_, entry)| &entry.incident);
        let (mut open, mut over): (Vec<_>, Vec<_>) =
            entries.cloned().partition(|incident| incident.is_open());
        let weight = |incident: &Incident| -> (bool, Severity, u32, usize) {
            let affected = incident.affected_now().count();
            (incident.is_active(), incident.severity, incident.delegates, affected)
        };
        open.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.id.cmp(&b.id)));
        let shown = now.wall.checked_sub(SHOWN_FOR).unwrap_or(now.wall);
        over.retain(|it| it.waits_to_be_told() || it.resolved.is_some_and(|at| at >= shown));
        over.sort_by(|a, b| b.resolved.cmp(&a.resolved).then_with(|| a.id.cmp(&b.id)));
        open.extend(over);
        open
    }
}
