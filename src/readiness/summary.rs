//! A run in the order in which people want to read it: the figures, then what is worst, by cause.

use crate::model::{FindingKind, Found, ReadinessRun, SiteReadiness, Verdict};

/// A run in order.
#[derive(Debug, Clone)]
pub struct Summary<'a> {
    /// The run.
    pub run: &'a ReadinessRun,
    /// Sites that are not simply ready, worst first; within a verdict the largest group first.
    pub groups: Vec<Group<'a>>,
}

/// Sites with one cause.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// What it makes of them.
    pub verdict: Verdict,
    /// What was found.
    pub kind: FindingKind,
    /// The site above them that is at fault: id, name, and whether it answers itself.
    pub above: Option<(&'a str, &'a str, bool)>,
    /// The sites, the one at fault first, then by delegates.
    pub sites: Vec<&'a SiteReadiness>,
}

impl<'a> Summary<'a> {
    /// Puts a run in order.
    ///
    /// 1. A site stands where its gravest finding belongs.
    /// 2. Sites behind one that is silent stand in one group, and it stands there with them.
    #[must_use]
    pub fn of(run: &'a ReadinessRun) -> Self {
        let mut groups: Vec<Group<'a>> = Vec::new();
        for site in &run.sites {
            let Some(main) = site.main() else { continue };
            let (kind, above) = match &main.found {
                Found::Uplink { above, name, answers } => {
                    (FindingKind::Uplink, Some((above.as_str(), name.as_str(), *answers)))
                }
                Found::Silent(_) if leads(run, site) => {
                    (FindingKind::Uplink, Some((site.site.as_str(), site.name.as_str(), false)))
                }
                other => (other.kind(), None),
            };
            let same = |group: &&mut Group<'a>| {
                (group.verdict, group.kind, group.above) == (site.verdict, kind, above)
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.sites.push(site),
                None => {
                    let (verdict, sites) = (site.verdict, vec![site]);
                    groups.push(Group { verdict, kind, above, sites });
                }
            }
        }
        for group in &mut groups {
            let root = group.above.map(|(id, ..)| id);
            group.sites.sort_by_key(|site| {
                (root != Some(site.site.as_str()), std::cmp::Reverse(site.delegates))
            });
        }
        groups.sort_by_key(|group| {
            (std::cmp::Reverse((group.verdict, group.sites.len())), group.kind)
        });
        Self { run, groups }
    }

    /// The groups with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter().filter(move |group| group.verdict == verdict)
    }
}

/// Whether others are silent because this one is.
fn leads(run: &ReadinessRun, site: &SiteReadiness) -> bool {
    run.sites
        .iter()
        .filter_map(SiteReadiness::main)
        .any(|it| matches!(&it.found, Found::Uplink { above, .. } if *above == site.site))
}
