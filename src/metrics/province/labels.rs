//! The labels of everything in the topology, written as they are asked for.
//!
//! Those of ten thousand targets take more memory than the page that they end up in, which is
//! handed on in pieces, and every family needs all of them. So each is put together anew, from what
//! it shares with the one before: an endpoint's begin with those of its site, and a target's with
//! those of its endpoint.

use crate::metrics::text::push_label;
use crate::model::{EndpointIx, Site, SiteIx, Snapshot, TargetIx};

/// Finished label lists, one after the other.
pub(super) trait Lists {
    /// The next one; none after the last.
    fn next(&mut self) -> Option<&str>;
}

/// Many short texts end to end, for lists of few things.
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

    fn get(&self, at: usize) -> &str {
        let from = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let to = self.ends.get(at).copied().unwrap_or_default();
        self.text.get(from.unwrap_or_default()..to).unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len()).map(|at| self.get(at))
    }

    pub(super) const fn lists(&self) -> BlockLists<'_> {
        BlockLists { blocks: self, at: 0 }
    }
}

/// The texts of [`Blocks`].
pub(super) struct BlockLists<'b> {
    blocks: &'b Blocks,
    at: usize,
}

impl Lists for BlockLists<'_> {
    fn next(&mut self) -> Option<&str> {
        let at = self.at;
        self.at += 1;
        (at < self.blocks.ends.len()).then(|| self.blocks.get(at))
    }
}

/// The label lists of everything in the topology.
#[derive(Clone, Copy)]
pub(super) struct Labels<'s> {
    snapshot: &'s Snapshot,
}

impl<'s> Labels<'s> {
    pub(super) const fn of(snapshot: &'s Snapshot) -> Self {
        Self { snapshot }
    }

    /// Those of the sites.
    pub(super) fn sites(self) -> SiteLists<'s> {
        SiteLists { snapshot: self.snapshot, at: 0, list: String::new() }
    }

    /// Those of the endpoints.
    pub(super) fn endpoints(self) -> SharedLists<'s> {
        let each = |list: &mut Shared<'s>, at| list.endpoint(EndpointIx::new(at));
        SharedLists::of(self.snapshot, self.snapshot.topology.endpoints.len(), each)
    }

    /// Those of the targets.
    pub(super) fn targets(self) -> SharedLists<'s> {
        let each = |list: &mut Shared<'s>, at| list.target(TargetIx::new(at));
        SharedLists::of(self.snapshot, self.snapshot.topology.targets.len(), each)
    }
}

pub(super) struct SiteLists<'s> {
    snapshot: &'s Snapshot,
    at: usize,
    list: String,
}

impl Lists for SiteLists<'_> {
    fn next(&mut self) -> Option<&str> {
        let site = self.snapshot.topology.sites.get(self.at)?;
        self.at += 1;
        self.list.clear();
        site_labels(self.snapshot, site, &mut self.list);
        Some(&self.list)
    }
}

/// The lists of what belongs to sites, each begun with what it shares with the one before.
pub(super) struct SharedLists<'s> {
    at: usize,
    count: usize,
    list: Shared<'s>,
    /// Writes the list of the one at this place.
    each: fn(&mut Shared<'s>, usize),
}

impl<'s> SharedLists<'s> {
    const fn of(snapshot: &'s Snapshot, count: usize, each: fn(&mut Shared<'s>, usize)) -> Self {
        Self { at: 0, count, list: Shared::of(snapshot), each }
    }
}

impl Lists for SharedLists<'_> {
    fn next(&mut self) -> Option<&str> {
        if self.at == self.count {
            return None;
        }
        (self.each)(&mut self.list, self.at);
        self.at += 1;
        Some(&self.list.list)
    }
}

/// A list that is kept as far as it is the same for the next one.
struct Shared<'s> {
    snapshot: &'s Snapshot,
    list: String,
    /// Whose labels it begins with, and how far they reach.
    site: Option<(SiteIx, usize)>,
    endpoint: Option<(EndpointIx, usize)>,
}

impl<'s> Shared<'s> {
    const fn of(snapshot: &'s Snapshot) -> Self {
        Self { snapshot, list: String::new(), site: None, endpoint: None }
    }

    fn endpoint(&mut self, ix: EndpointIx) {
        let topology = &*self.snapshot.topology;
        let endpoint = topology.endpoint(ix);
        match self.site {
            Some((site, end)) if site == endpoint.site => self.list.truncate(end),
            _ => {
                self.list.clear();
                site_labels(self.snapshot, topology.site(endpoint.site), &mut self.list);
                self.site = Some((endpoint.site, self.list.len()));
            }
        }
        push_label(&mut self.list, "endpoint", endpoint.id.as_str());
        self.endpoint = Some((ix, self.list.len()));
    }

    fn target(&mut self, ix: TargetIx) {
        let topology = &*self.snapshot.topology;
        let target = topology.target(ix);
        match self.endpoint {
            Some((endpoint, end)) if endpoint == target.endpoint => self.list.truncate(end),
            _ => self.endpoint(target.endpoint),
        }
        push_label(&mut self.list, "check", topology.checks[target.check].id.as_str());
    }
}

/// `site`, `level` and `parent` of a site; the parent is empty at the top.
pub(super) fn site_labels(snapshot: &Snapshot, site: &Site, list: &mut String) {
    let topology = &*snapshot.topology;
    push_label(list, "site", site.id.as_str());
    push_label(list, "level", topology.levels[site.level.ix()].id.as_str());
    push_label(list, "parent", site.parent.map_or("", |parent| topology.site(parent).id.as_str()));
}
