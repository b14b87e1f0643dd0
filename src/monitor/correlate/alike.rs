//! What fails alike wherever it is asked for: a service by the same check, a device by the same id.
//! Where nearly all of them do, the fault lies with none of them: with a firewall on the way, a
//! server that all use, or what was changed at all of them.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::{CheckId, CommonFactor, EndpointIx, Health, Mono, SiteIx, TargetIx};
use crate::monitor::ledger::Scope;
use crate::monitor::picture::Picture;
use crate::monitor::site::{Kind, Trouble};
use crate::monitor::witness;

/// Fewest sites at which it must fail together for that to be no chance.
const FEWEST: usize = 3;

/// What can fail alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::monitor) struct Alike<'a> {
    /// [`CommonFactor::CHECK`] or [`CommonFactor::ENDPOINT`].
    label: &'a str,
    /// Which check, or which device.
    value: &'a str,
}

impl fmt::Display for Alike<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.label, self.value)
    }
}

impl<'a> Alike<'a> {
    /// None for a label that somebody has written down.
    pub(super) fn of(label: &'a str, value: &'a str) -> Option<Self> {
        CommonFactor::is_by_nature(label).then_some(Self { label, value })
    }

    /// What a target would be an example of.
    pub(in crate::monitor) fn to(picture: &'a Picture, target: TargetIx) -> Self {
        let topology = picture.topology();
        let check = topology.check_of(target);
        if check.kind.is_reachability() {
            let endpoint = topology.endpoint(topology.target(target).endpoint);
            Self { label: CommonFactor::ENDPOINT, value: endpoint.id.as_str() }
        } else {
            Self { label: CommonFactor::CHECK, value: check.id.as_str() }
        }
    }

    /// Its targets at all sites.
    pub(in crate::monitor) fn targets(
        self,
        picture: &'a Picture,
    ) -> impl Iterator<Item = TargetIx> + 'a {
        let sites = picture.labels.sharing(self.label, self.value).iter();
        sites.flat_map(move |site| self.targets_at(picture, *site))
    }

    /// Its targets at a site.
    pub(in crate::monitor) fn targets_at(
        self,
        picture: &'a Picture,
        site: SiteIx,
    ) -> impl Iterator<Item = TargetIx> + 'a {
        let endpoints = picture.topology().site(site).endpoints.iter();
        let targets = endpoints.flat_map(|ix| &picture.topology().endpoint(*ix).targets);
        targets.copied().filter(move |ix| Self::to(picture, *ix) == self)
    }

    /// Whether a trouble is an example of it.
    pub(super) fn is_shown_by(self, picture: &Picture, trouble: &Trouble) -> bool {
        match (self.label, trouble.endpoint) {
            (CommonFactor::CHECK, Some(endpoint)) if trouble.kind == Kind::Service => {
                checks_out(picture, trouble, endpoint).any(|check| check.as_str() == self.value)
            }
            (CommonFactor::ENDPOINT, Some(endpoint)) if trouble.kind == Kind::Device => {
                picture.topology().endpoint(endpoint).id.as_str() == self.value
            }
            _ => false,
        }
    }

    /// Whether a site may soon show it: it fails, and that is not a fact yet, while the line holds.
    pub(super) fn may_be_shown_by(self, picture: &Picture, site: SiteIx) -> bool {
        may_fail(picture, site, self.targets_at(picture, site))
    }

    /// When the last few of those began to fail that fail together with a target, if they are so
    /// many that chance is unlikely. Where the line is silent that says nothing of what is behind.
    pub(in crate::monitor) fn latest_failures(
        self,
        picture: &Picture,
        target: TargetIx,
    ) -> Option<Mono> {
        let since = picture.target(target).bad_since;
        let window = picture.settings().correlation.window;
        let fails = |ix: &TargetIx| {
            let site = picture.topology().target(*ix).site;
            picture.target(*ix).streak.is_failing() && !super::is_silent_or_failing(picture, site)
        };
        // Several devices of one site have one cause there.
        let mut failing: BTreeMap<SiteIx, Mono> = BTreeMap::new();
        for ix in self.targets(picture).filter(fails) {
            let at = picture.target(ix).bad_since;
            if at.since(since).max(since.since(at)) <= window {
                failing.insert(picture.topology().target(ix).site, at);
            }
        }
        let mut failing: Vec<Mono> = failing.into_values().collect();
        failing.sort_unstable();
        failing.iter().rev().nth(FEWEST - 1).copied()
    }
}

/// Whether a site may soon be in such a trouble, of devices or of services: one of them fails, and
/// that is not a fact yet, while the line holds.
pub(super) fn may_soon_fail(picture: &Picture, site: SiteIx, kind: Kind) -> bool {
    may_fail(picture, site, of_kind(picture, site, kind))
}

/// Whether there are devices, or services, behind the router of a site.
pub(super) fn is_asked_for(picture: &Picture, site: SiteIx, kind: Kind) -> bool {
    of_kind(picture, site, kind).next().is_some()
}

/// What a site's devices, or services, are asked by.
fn of_kind(picture: &Picture, site: SiteIx, kind: Kind) -> impl Iterator<Item = TargetIx> + '_ {
    let topology = picture.topology();
    let endpoints = &topology.site(site).endpoints;
    let is_host = move |ix: &TargetIx| topology.check_of(*ix).kind.is_reachability();
    // The first device is the router, which is about the line.
    let behind = usize::from(kind == Kind::Device);
    let targets = endpoints.iter().skip(behind).flat_map(|ix| &topology.endpoint(*ix).targets);
    targets.copied().filter(move |ix| is_host(ix) == (kind == Kind::Device))
}

/// Whether one of these targets of a site fails, and that is not a fact yet, while the line holds.
fn may_fail(picture: &Picture, site: SiteIx, mut targets: impl Iterator<Item = TargetIx>) -> bool {
    let fails = |ix: TargetIx| {
        let target = picture.target(ix);
        target.seen_up && target.streak.is_failing() && target.streak.hard != Health::Down
    };
    targets.any(fails) && !witness::is_failing(picture, site)
}

/// The wider incidents that a site's trouble would be an example of.
pub(super) fn scopes(picture: &Picture, trouble: &Trouble) -> Vec<Scope> {
    let scope = |label: &str, value: &str| Scope::Label {
        label: label.to_owned(),
        value: value.to_owned(),
    };
    match (trouble.kind, trouble.endpoint) {
        (Kind::Service, Some(endpoint)) => checks_out(picture, trouble, endpoint)
            .map(|check| scope(CommonFactor::CHECK, check.as_str()))
            .collect(),
        (Kind::Device, Some(endpoint)) => {
            let id = &picture.topology().endpoint(endpoint).id;
            vec![scope(CommonFactor::ENDPOINT, id.as_str())]
        }
        _ => Vec::new(),
    }
}

/// The checks that show which services are out.
fn checks_out<'a>(
    picture: &'a Picture,
    trouble: &Trouble,
    endpoint: EndpointIx,
) -> impl Iterator<Item = &'a CheckId> {
    let one = trouble.target;
    let out = move |ix: &TargetIx| match one {
        Some(target) => target == *ix,
        None => picture.target(*ix).streak.hard == Health::Down,
    };
    picture.services(endpoint).filter(out).map(|ix| &picture.topology().check_of(ix).id)
}
