//! The labels of everything in the topology, escaped once for some ten families.

use crate::metrics::text::push_label;
use crate::model::{Site, Snapshot};

/// The finished label lists of everything in the topology. Each is written out some ten times, so
/// it is escaped once.
pub(super) struct Labels {
    pub(super) sites: Blocks,
    pub(super) endpoints: Blocks,
    pub(super) targets: Blocks,
}

/// Many short texts end to end.
#[derive(Default)]
pub(super) struct Blocks {
    text: String,
    ends: Vec<usize>,
}

impl Blocks {
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    pub(super) fn get(&self, at: usize) -> &str {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let to = self.ends.get(at).copied().unwrap_or_default();
        self.text.get(from.unwrap_or_default()..to).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.get(at))
    }
}

impl Labels {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let topology = &*snapshot.topology;
        let mut label = String::new();
        let mut sites = Blocks::default();
        for site in &topology.sites {
            label.clear();
            site_labels(snapshot, site, &mut label);
            sites.push(&label);
        }
        let mut endpoints = Blocks::default();
        for endpoint in &topology.endpoints {
            label.clear();
            label.push_str(sites.get(endpoint.site.ix()));
            push_label(&mut label, "endpoint", endpoint.id.as_str());
            endpoints.push(&label);
        }
        let mut targets = Blocks::default();
        for target in &topology.targets {
            label.clear();
            label.push_str(endpoints.get(target.endpoint.ix()));
            push_label(&mut label, "check", topology.checks[target.check].id.as_str());
            targets.push(&label);
        }
        Self { sites, endpoints, targets }
    }
}

/// `site`, `level` and `parent` of a site; the parent is empty at the top.
pub(super) fn site_labels(snapshot: &Snapshot, site: &Site, list: &mut String) {
    let topology = &*snapshot.topology;
    push_label(list, "site", site.id.as_str());
    push_label(list, "level", topology.levels[site.level.ix()].id.as_str());
    push_label(list, "parent", site.parent.map_or("", |parent| topology.site(parent).id.as_str()));
}
