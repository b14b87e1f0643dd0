//! What sites have in common: who shares a label that can be the cause of troubles.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::CorrelationSettings;
use crate::model::{CheckId, CommonFactor, EndpointId, SiteIx, Topology};
use crate::monitor::site::Kind;

/// Sites by a label and its value.
type Labelled = BTreeMap<String, BTreeMap<String, Vec<SiteIx>>>;

/// Sites by the labels that can be a cause.
#[derive(Debug, Clone)]
pub(in crate::monitor) struct Labels {
    /// By those of what is around the sites, which can silence them.
    by_common_label: Labelled,
    /// By those of their devices, which can be the cause of failing devices and services only.
    by_device_label: Labelled,
    /// By the checks of services, which have in common what is asked by them and from here.
    by_check: Labelled,
    /// By the ids of their devices.
    by_endpoint: Labelled,
}

impl Labels {
    /// Who shares what, as far as the settings let it be a cause.
    pub(super) fn of(topology: &Topology, settings: &CorrelationSettings) -> Self {
        let labelled = |labels: &[String]| {
            let mut labelled = Labelled::new();
            for label in labels {
                for ix in topology.site_ixs() {
                    if let Some(value) = topology.site(ix).labels.get(label) {
                        let values = labelled.entry(label.clone()).or_default();
                        values.entry(value.clone()).or_default().push(ix);
                    }
                }
            }
            labelled
        };
        let by_nature = |label: &str, values: &dyn Fn(SiteIx) -> BTreeSet<String>| {
            let mut sites: BTreeMap<String, Vec<SiteIx>> = BTreeMap::new();
            for ix in topology.site_ixs() {
                for value in values(ix) {
                    sites.entry(value).or_default().push(ix);
                }
            }
            Labelled::from([(label.to_owned(), sites)])
        };
        Self {
            by_common_label: labelled(&settings.common_labels),
            by_device_label: labelled(&settings.device_labels),
            by_check: by_nature(CommonFactor::CHECK, &|site| {
                checks(topology, site).map(ToString::to_string).collect()
            }),
            by_endpoint: by_nature(CommonFactor::ENDPOINT, &|site| {
                endpoints(topology, site).map(ToString::to_string).collect()
            }),
        }
    }

    /// What can be the cause of troubles of this kind: each label and value with its sites.
    pub(in crate::monitor) fn causes(
        &self,
        kind: Kind,
    ) -> impl Iterator<Item = ((&String, &String), &[SiteIx])> {
        let devices = matches!(kind, Kind::Device | Kind::Service);
        let by_nature = match kind {
            Kind::Device => Some(&self.by_endpoint),
            Kind::Service => Some(&self.by_check),
            Kind::Silent | Kind::Quality => None,
        };
        let by_device_label = Some(&self.by_device_label).filter(|_| devices);
        let labels = [&self.by_common_label].into_iter().chain(by_device_label).chain(by_nature);
        let labels = labels.flatten();
        labels.flat_map(|(label, values)| {
            values.iter().map(move |(value, sites)| ((label, value), sites.as_slice()))
        })
    }

    /// The sites that share what is around them and can silence them all.
    pub(in crate::monitor) fn silenced_by(&self, label: &str, value: &str) -> &[SiteIx] {
        find(&self.by_common_label, label, value).unwrap_or_default()
    }

    /// Whether this value of a label can silence sites.
    pub(in crate::monitor) fn can_silence(&self, label: &str, value: &str) -> bool {
        find(&self.by_common_label, label, value).is_some()
    }

    /// Whether this is what devices have in common, and not what is around them.
    pub(in crate::monitor) fn is_of_devices(&self, label: &str, value: &str) -> bool {
        !self.can_silence(label, value) && self.find(label, value).is_some()
    }

    /// The sites with this value of a label that can be a cause.
    pub(in crate::monitor) fn sharing(&self, label: &str, value: &str) -> &[SiteIx] {
        self.find(label, value).unwrap_or_default()
    }

    fn find(&self, label: &str, value: &str) -> Option<&[SiteIx]> {
        let all = [&self.by_common_label, &self.by_device_label, &self.by_check, &self.by_endpoint];
        all.into_iter().find_map(|labelled| find(labelled, label, value))
    }
}

/// Whether a site has this value of a label that can be a cause.
pub(in crate::monitor) fn has(topology: &Topology, site: SiteIx, label: &str, value: &str) -> bool {
    match label {
        CommonFactor::CHECK => checks(topology, site).any(|id| id.as_str() == value),
        CommonFactor::ENDPOINT => endpoints(topology, site).any(|id| id.as_str() == value),
        _ => topology.site(site).labels.get(label).is_some_and(|it| it == value),
    }
}

/// The checks of services at a site, one for each device that is asked so.
fn checks(topology: &Topology, site: SiteIx) -> impl Iterator<Item = &CheckId> {
    let endpoints = topology.site(site).endpoints.iter();
    let targets = endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
    let checks = targets.map(|target| topology.check_of(*target));
    checks.filter(|it| !it.kind.is_reachability()).map(|it| &it.id)
}

/// The devices at a site.
fn endpoints(topology: &Topology, site: SiteIx) -> impl Iterator<Item = &EndpointId> {
    topology.site(site).endpoints.iter().map(|endpoint| &topology.endpoint(*endpoint).id)
}

fn find<'a>(labelled: &'a Labelled, label: &str, value: &str) -> Option<&'a [SiteIx]> {
    labelled.get(label)?.get(value).map(Vec::as_slice)
}
