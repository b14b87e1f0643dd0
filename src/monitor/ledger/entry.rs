//! One incident in the ledger: its record, and what is known of it beside that.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::FlappingSettings;
use crate::model::{Cause, EndpointIx, Incident, Mono, Now, SiteIx, Topology};
use crate::monitor::flap;
use crate::monitor::ourselves::Weakness;
use crate::monitor::picture::{Picture, labels};
use crate::monitor::site::{Kind, Trouble};

/// The place of an incident in the ledger; grows with every one that is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::monitor) struct Slot(pub(super) u32);

/// What an incident is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::monitor) enum Scope {
    /// Something of this monitor.
    Monitor(Weakness),
    /// One site's own trouble. A site has one at a time, whatever its kind.
    Site(SiteIx),
    /// A site and what hangs on it, or only the latter.
    Below(SiteIx),
    /// Sites with a label in common.
    Label {
        /// The label.
        label: String,
        /// Its value.
        value: String,
    },
    /// Something about one device that does not keep it from working.
    Item(EndpointIx, Cause),
    /// Something that is watched no longer.
    Gone,
}

impl Scope {
    /// Whether it can explain this site where that stands in the topology.
    pub(in crate::monitor) fn covers(&self, topology: &Topology, site: SiteIx) -> bool {
        let at_or_above = || std::iter::once(site).chain(topology.ancestors(site));
        match self {
            Self::Site(at) => site == *at,
            Self::Below(node) => at_or_above().any(|at| at == *node),
            // What hangs on a site that shares the label shares its fate.
            Self::Label { label, value } => {
                at_or_above().any(|at| labels::has(topology, at, label, value))
            }
            Self::Item(endpoint, _) => topology.endpoint(*endpoint).site == site,
            Self::Monitor(_) | Self::Gone => false,
        }
    }
}

/// An incident in the ledger.
#[derive(Debug, Clone)]
pub(in crate::monitor) struct Entry {
    pub(in crate::monitor) incident: Arc<Incident>,
    pub(in crate::monitor) scope: Scope,
    /// The kind of trouble; none for the monitor and for items.
    pub(in crate::monitor) kind: Option<Kind>,
    /// Whom it explains, and whether each is well again.
    pub(in crate::monitor) members: BTreeMap<SiteIx, bool>,
    /// When the fault began, or came back, as far as this run knows.
    pub(in crate::monitor) began_at: Mono,
    /// Since when everything it explains is well.
    pub(in crate::monitor) well_since: Option<Mono>,
    /// Since when what made it wide is over, while some of its members are not well.
    pub(in crate::monitor) over_since: Option<Mono>,
    /// When one of its members was last seen to come back.
    pub(in crate::monitor) returned_at: Mono,
    /// The trouble that it was last named after.
    pub(in crate::monitor) named: Option<Trouble>,
    /// Since when its site has had a milder trouble than that, whichever.
    pub(super) milder_since: Option<Mono>,
    /// Whether the record must be looked at.
    pub(in crate::monitor) touched: bool,
    /// Whether something about it is still to be told, later.
    pub(in crate::monitor) unsaid: bool,
    /// The record as it was last made durable.
    pub(in crate::monitor) committed: Option<Arc<Incident>>,
}

impl Entry {
    /// An incident of which nothing more is known yet.
    pub(in crate::monitor) fn of(
        incident: Arc<Incident>,
        scope: Scope,
        kind: Option<Kind>,
        began_at: Mono,
    ) -> Self {
        Self {
            incident,
            scope,
            kind,
            members: BTreeMap::new(),
            began_at,
            well_since: None,
            over_since: None,
            returned_at: Mono::ZERO,
            named: None,
            milder_since: None,
            touched: true,
            unsaid: false,
            committed: None,
        }
    }

    /// It is on again since `since`, having seemed over or been told to be. By that moment it is
    /// known what fails together with it.
    pub(super) fn relapse(&mut self, since: Mono, settings: &FlappingSettings, now: Now) {
        (self.well_since, self.over_since) = (None, None);
        self.began_at = since;
        flap::relapse(self.change(), settings, now.wall_at(since), now.wall);
    }

    /// Whether its site has a milder trouble by now, which may be about to give it its name.
    pub(in crate::monitor) const fn is_turning_milder(&self) -> bool {
        self.milder_since.is_some()
    }

    /// Whether a milder trouble than the one that it was named after has lasted, while something
    /// wider explained it, for so long that it would have given it its name.
    pub(super) fn is_outlasted_by(&self, trouble: &Trouble, picture: &Picture, now: Now) -> bool {
        let settles = picture.settings().correlation.window * 2;
        Some(trouble.kind) < self.kind && now.mono - trouble.since >= settles
    }

    /// Whether it is open and nothing wider explains it.
    pub(in crate::monitor) fn is_active(&self) -> bool {
        self.incident.is_active()
    }

    /// Whether it only gives notice of something about a device.
    pub(in crate::monitor) const fn is_notice(&self) -> bool {
        matches!(self.scope, Scope::Item(..))
    }

    pub(super) fn is_open(&self) -> bool {
        self.incident.is_open()
    }

    /// The sites that it still explains.
    pub(in crate::monitor) fn left(&self) -> impl Iterator<Item = SiteIx> + '_ {
        self.members.iter().filter(|(_, well)| !**well).map(|(site, _)| *site)
    }

    pub(super) fn is_all_well(&self) -> bool {
        self.members.values().all(|well| *well)
    }

    pub(in crate::monitor) fn change(&mut self) -> &mut Incident {
        self.touched = true;
        Arc::make_mut(&mut self.incident)
    }
}
