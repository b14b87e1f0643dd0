//! Silences and planned work, told with the incidents of whose sites they are.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{Remote, Silences, Sites, Windows};
use crate::cli::Failed;
use crate::model::{Incident, Maintenance, Silence, SiteId};

/// Sites on the line from one to the top that are looked at: whoever answers may be anybody.
const LONGEST: usize = 100;

/// What is on at this moment.
pub(super) struct Quiet {
    silences: Vec<Silence>,
    maintenance: Vec<Maintenance>,
    /// What each site hangs on, where that matters.
    parents: BTreeMap<SiteId, SiteId>,
}

impl Quiet {
    pub(super) fn ask(remote: &Remote, now: Timestamp) -> Result<Self, Failed> {
        let Silences { mut silences } = remote.get("/api/v1/silences")?;
        let Windows { mut maintenance } = remote.get("/api/v1/maintenance")?;
        silences.retain(|it| it.from <= now);
        maintenance.retain(|it| it.from <= now);
        let sites = match silences.is_empty() && maintenance.is_empty() {
            true => Vec::new(),
            false => remote.get::<Sites>("/api/v1/sites")?.sites,
        };
        let parents = sites.into_iter().filter_map(|it| Some((it.id, it.parent?))).collect();
        Ok(Self { silences, maintenance, parents })
    }

    /// What is on at any of the sites of an incident of which messages are held back, or at the
    /// site at fault: not each of these holds back by itself, and a message has other reasons too.
    pub(super) fn about(&self, incident: &Incident, remote: &Remote) -> Vec<String> {
        if incident.muted.is_none() {
            return Vec::new();
        }
        let above = |id: &&SiteId| self.parents.get(*id);
        let sites = incident.affected_now().chain(&incident.site);
        let lines = sites.flat_map(|site| std::iter::successors(Some(site), above).take(LONGEST));
        let line: BTreeSet<&SiteId> = lines.collect();
        let silences = self.silences.iter().filter_map(|it| {
            let of = match &it.site {
                None => "everything",
                Some(of) => line.contains(of).then_some(of.as_str())?,
            };
            let line = remote.line(of, it.from, it.until, &it.by, &it.reason);
            Some(format!("silenced: {line}"))
        });
        let works = self.maintenance.iter().filter_map(|it| {
            let of = it.sites.iter().find(|of| line.contains(of))?;
            let line = remote.line(of.as_str(), it.from, it.until, &it.by, &it.reason);
            Some(format!("planned work: {line}"))
        });
        silences.chain(works).collect()
    }
}
