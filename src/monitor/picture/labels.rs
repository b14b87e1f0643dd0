//! What sites have in common: who shares a label that can be the cause of troubles.

use std::collections::BTreeMap;

use crate::config::CorrelationSettings;
use crate::model::{SiteIx, Topology};
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
        Self {
            by_common_label: labelled(&settings.common_labels),
            by_device_label: labelled(&settings.device_labels),
        }
    }

    /// What can be the cause of troubles of this kind: each label and value with its sites.
    pub(in crate::monitor) fn causes(
        &self,
        kind: Kind,
    ) -> impl Iterator<Item = ((&String, &String), &[SiteIx])> {
        let devices = matches!(kind, Kind::Device | Kind::Service);
        let by_device_label = Some(&self.by_device_label).filter(|_| devices);
        let labels = [&self.by_common_label].into_iter().chain(by_device_label).flatten();
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
        find(&self.by_device_label, label, value).is_some()
    }

    /// The sites with this value of a label that can be a cause.
    pub(in crate::monitor) fn sharing(&self, label: &str, value: &str) -> &[SiteIx] {
        let of_devices = || find(&self.by_device_label, label, value);
        find(&self.by_common_label, label, value).or_else(of_devices).unwrap_or_default()
    }
}

fn find<'a>(labelled: &'a Labelled, label: &str, value: &str) -> Option<&'a [SiteIx]> {
    labelled.get(label)?.get(value).map(Vec::as_slice)
}
