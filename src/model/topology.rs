//! The province: levels, sites, endpoints, targets, and how they hang together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use smallvec::SmallVec;

use super::{
    Bilingual, Check, CheckId, ClassId, EndpointId, EndpointIx, LevelId, LevelIx, SiteId, SiteIx,
    TargetIx, TargetKey,
};

/// Everything that is watched, checked and laid out for quick access.
///
/// Sites stand in the order of the file; a site's endpoints and an endpoint's targets are
/// contiguous.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Topology {
    /// The levels, highest first.
    pub levels: Vec<Level>,
    /// The named ways of probing.
    pub checks: Vec<Check>,
    /// The places.
    pub sites: Vec<Site>,
    /// The devices.
    pub endpoints: Vec<Endpoint>,
    /// Endpoint × check.
    pub targets: Vec<Target>,
    /// Textual id → position.
    pub site_by_id: BTreeMap<SiteId, SiteIx>,
    /// The site where this monitor stands, if it stands at one. Its router is our own gateway:
    /// when that is silent, we are blind.
    pub vantage: Option<SiteIx>,
}

/// A level of sites. Its number and its names are configuration: districts came and went.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The id used in labels and rules.
    pub id: LevelId,
    /// What people call it.
    pub name: Bilingual,
}

/// A place that joins sessions (điểm cầu).
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its id, unique in the province.
    pub id: SiteId,
    /// Its name exactly as written, in NFC.
    pub name: String,
    /// Its level.
    pub level: LevelIx,
    /// Its class: what a site of its kind has.
    pub class: ClassId,
    /// The site its line runs through.
    pub parent: Option<SiteIx>,
    /// The sites whose lines run through this one, in file order.
    pub children: Vec<SiteIx>,
    /// Whom to phone, first one first.
    pub contacts: Vec<Contact>,
    /// Free labels, such as `isp` or `power`.
    pub labels: BTreeMap<String, String>,
    /// Its endpoints, the router before what is behind it.
    pub endpoints: Few<EndpointIx>,
}

/// Of which there are few in nearly every place, and very many places.
pub type Few<T> = SmallVec<[T; 4]>;

/// Someone to phone.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Contact {
    /// Name, with the role if it helps.
    pub name: String,
    /// Phone number as written.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phone: String,
    /// Mail address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub email: String,
}

/// Where an endpoint answers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A literal address.
    Ip(IpAddr),
    /// A name that is resolved in the background.
    Name(String),
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A device at a site.
#[derive(Debug, Clone, PartialEq)]
pub struct Endpoint {
    /// Its id, unique within the site.
    pub id: EndpointId,
    /// Where it stands.
    pub site: SiteIx,
    /// Where it answers.
    pub host: Host,
    /// Its targets.
    pub targets: Few<TargetIx>,
}

/// One endpoint under one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The device.
    pub endpoint: EndpointIx,
    /// The site of the device, so that a lookup needs one step.
    pub site: SiteIx,
    /// Position of the check in [`Topology::checks`].
    pub check: usize,
}

impl Topology {
    /// The site at `ix`.
    #[must_use]
    pub fn site(&self, ix: SiteIx) -> &Site {
        &self.sites[ix.ix()]
    }

    /// The endpoint at `ix`.
    #[must_use]
    pub fn endpoint(&self, ix: EndpointIx) -> &Endpoint {
        &self.endpoints[ix.ix()]
    }

    /// The target at `ix`.
    #[must_use]
    pub fn target(&self, ix: TargetIx) -> &Target {
        &self.targets[ix.ix()]
    }

    /// The check of the target at `ix`.
    #[must_use]
    pub fn check_of(&self, ix: TargetIx) -> &Check {
        &self.checks[self.target(ix).check]
    }

    /// The level of the site at `ix`.
    #[must_use]
    pub fn level_of(&self, ix: SiteIx) -> &Level {
        &self.levels[self.site(ix).level.ix()]
    }

    /// The site with this id.
    #[must_use]
    pub fn find_site(&self, id: &SiteId) -> Option<SiteIx> {
        self.site_by_id.get(id).copied()
    }

    /// The durable name of the target at `ix`.
    #[must_use]
    pub fn target_key(&self, ix: TargetIx) -> TargetKey {
        let target = self.target(ix);
        TargetKey {
            check: Some(self.checks[target.check].id.clone()),
            ..self.endpoint_key(target.endpoint)
        }
    }

    /// The durable name of the endpoint at `ix`.
    #[must_use]
    pub fn endpoint_key(&self, ix: EndpointIx) -> TargetKey {
        let endpoint = self.endpoint(ix);
        TargetKey {
            site: self.site(endpoint.site).id.clone(),
            endpoint: Some(endpoint.id.clone()),
            check: None,
        }
    }

    /// The durable name of the site at `ix`.
    #[must_use]
    pub fn site_key(&self, ix: SiteIx) -> TargetKey {
        TargetKey { site: self.site(ix).id.clone(), endpoint: None, check: None }
    }

    /// The target with this endpoint and check at this site.
    #[must_use]
    pub fn find_target(
        &self,
        site: &SiteId,
        endpoint: &EndpointId,
        check: &CheckId,
    ) -> Option<TargetIx> {
        let endpoint = self.find_endpoint(site, endpoint)?;
        let targets = &self.endpoint(endpoint).targets;
        targets.iter().find(|ix| self.check_of(**ix).id == *check).copied()
    }

    /// The endpoint with this id at this site.
    #[must_use]
    pub fn find_endpoint(&self, site: &SiteId, endpoint: &EndpointId) -> Option<EndpointIx> {
        let site = self.site(self.find_site(site)?);
        site.endpoints.iter().find(|ix| self.endpoint(**ix).id == *endpoint).copied()
    }

    /// Where the target at `ix` of another topology stands in this one.
    #[must_use]
    pub fn same_target(&self, other: &Self, ix: TargetIx) -> Option<TargetIx> {
        let Target { endpoint, site, check } = other.target(ix);
        let (site, endpoint) = (&other.site(*site).id, &other.endpoint(*endpoint).id);
        self.find_target(site, endpoint, &other.checks[*check].id)
    }

    /// Where the endpoint at `ix` of another topology stands in this one.
    #[must_use]
    pub fn same_endpoint(&self, other: &Self, ix: EndpointIx) -> Option<EndpointIx> {
        let endpoint = other.endpoint(ix);
        self.find_endpoint(&other.site(endpoint.site).id, &endpoint.id)
    }

    /// All site positions, in file order.
    pub fn site_ixs(&self) -> impl Iterator<Item = SiteIx> + use<> {
        (0..self.sites.len()).map(SiteIx::new)
    }

    /// All endpoint positions.
    pub fn endpoint_ixs(&self) -> impl Iterator<Item = EndpointIx> + use<> {
        (0..self.endpoints.len()).map(EndpointIx::new)
    }

    /// All target positions.
    pub fn target_ixs(&self) -> impl Iterator<Item = TargetIx> + use<> {
        (0..self.targets.len()).map(TargetIx::new)
    }

    /// The site and everything whose line runs through it, nearest first.
    #[must_use]
    pub fn subtree(&self, root: SiteIx) -> Vec<SiteIx> {
        let mut found = vec![root];
        let mut next = 0;
        while next < found.len() {
            found.extend_from_slice(&self.site(found[next]).children);
            next += 1;
        }
        found
    }

    /// The sites that the line of `site` runs through, nearest first.
    #[must_use]
    pub fn ancestors(&self, site: SiteIx) -> Vec<SiteIx> {
        std::iter::successors(self.site(site).parent, |ix| self.site(*ix).parent).collect()
    }

    /// Whether a site is `root` or its line runs through it.
    #[must_use]
    pub fn is_below(&self, site: SiteIx, root: &SiteId) -> bool {
        let mut line = std::iter::successors(Some(site), |ix| self.site(*ix).parent);
        line.any(|ix| self.site(ix).id == *root)
    }

    /// All level positions, highest first.
    pub fn level_ixs(&self) -> impl Iterator<Item = LevelIx> + use<> {
        (0..self.levels.len()).map(LevelIx::new)
    }

    /// The same without some sites, and where each of the sites stands now. Sites whose parent is
    /// left out have none.
    #[must_use]
    pub fn without(&self, left_out: &[SiteIx]) -> (Self, Vec<Option<SiteIx>>) {
        let mut next = 0;
        let places: Vec<Option<SiteIx>> = self
            .site_ixs()
            .map(|ix| {
                let stays = !left_out.contains(&ix);
                next += usize::from(stays);
                stays.then(|| SiteIx::new(next - 1))
            })
            .collect();
        let place = |ix: SiteIx| places[ix.ix()];
        let mut rest = Self {
            levels: self.levels.clone(),
            checks: self.checks.clone(),
            vantage: self.vantage.and_then(place),
            ..Self::default()
        };
        for (site, new) in self.sites.iter().zip(&places) {
            let Some(new) = *new else { continue };
            let mut endpoints = Few::with_capacity(site.endpoints.len());
            for old in &site.endpoints {
                let endpoint = EndpointIx::new(rest.endpoints.len());
                let mut targets = Few::new();
                for target in &self.endpoint(*old).targets {
                    targets.push(TargetIx::new(rest.targets.len()));
                    let check = self.target(*target).check;
                    rest.targets.push(Target { endpoint, site: new, check });
                }
                rest.endpoints.push(Endpoint { site: new, targets, ..self.endpoint(*old).clone() });
                endpoints.push(endpoint);
            }
            rest.site_by_id.insert(site.id.clone(), new);
            rest.sites.push(Site {
                parent: site.parent.and_then(place),
                children: site.children.iter().copied().filter_map(place).collect(),
                endpoints,
                ..site.clone()
            });
        }
        (rest, places)
    }
}

impl Level {
    /// A level with the same name in both languages.
    #[must_use]
    pub fn named(id: &str, vi: &str, en: &str) -> Self {
        Self { id: LevelId::new(id), name: Bilingual { vi: vi.to_owned(), en: en.to_owned() } }
    }
}
