//! Silences and planned work, told with the incidents that they are about.

use jiff::Timestamp;

use super::{Remote, Silences, Site, Sites, Windows};
use crate::cli::Failed;
use crate::model::{Maintenance, Silence, SiteId};

/// Sites on the line from one to the top that are looked at: whoever answers may be anybody.
const LONGEST: usize = 100;

/// What holds back messages at this moment.
pub(super) struct Quiet {
    silences: Vec<Silence>,
    maintenance: Vec<Maintenance>,
    /// All sites, where their lines matter.
    sites: Vec<Site>,
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
        Ok(Self { silences, maintenance, sites })
    }

    /// What holds at a site, or for what belongs to none.
    pub(super) fn about(&self, site: Option<&SiteId>, remote: &Remote) -> Vec<String> {
        let above = |id: &&SiteId| self.sites.iter().find(|it| it.id == **id)?.parent.as_ref();
        let line: Vec<&SiteId> = std::iter::successors(site, above).take(LONGEST).collect();
        let silences = self.silences.iter().filter_map(|it| {
            let of = match &it.site {
                None => "everything",
                Some(of) => line.contains(&of).then_some(of.as_str())?,
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
