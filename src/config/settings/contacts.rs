//! Whom to phone for what belongs to no site.

use std::collections::BTreeMap;

use crate::model::{Cause, CommonFactor, Contact, Incident, Topology};

/// Whom to phone for what belongs to no site.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContactSettings {
    /// For the monitor itself, first one first.
    pub monitor: Vec<Contact>,
    /// For what sites share, such as a provider: by label and value.
    pub labels: BTreeMap<String, BTreeMap<String, Vec<Contact>>>,
}

impl ContactSettings {
    /// Whom to phone for what the sites with this label and value share.
    #[must_use]
    pub fn of_label(&self, label: &str, value: &str) -> &[Contact] {
        self.labels.get(label).and_then(|values| values.get(value)).map_or(&[], Vec::as_slice)
    }
}

/// Everything that says whom to phone about an incident.
#[derive(Debug, Clone, Default)]
pub struct Phonebook {
    /// Who is listed for what belongs to no site.
    pub listed: ContactSettings,
    /// Labels of what lines and power hang on.
    pub common_labels: Vec<String>,
}

impl Phonebook {
    /// Whom to phone about an incident.
    #[must_use]
    pub fn of(&self, incident: &Incident, topology: &Topology) -> Vec<Contact> {
        self.listed.of(incident, topology, &self.common_labels)
    }
}

impl ContactSettings {
    /// Whom to phone: for what sites share whoever is listed for that, otherwise whoever is listed
    /// for the site, and behind them for what its line and its power hang on, which these labels
    /// name, where the fault may lie there.
    #[must_use]
    pub fn of(
        &self,
        incident: &Incident,
        topology: &Topology,
        common_labels: &[String],
    ) -> Vec<Contact> {
        if incident.cause == Cause::Monitor {
            return self.monitor.clone();
        }
        if let Some(common) = &incident.common {
            let listed = self.of_label(&common.label, &common.value);
            // Of what fails everywhere whoever runs the centre knows first.
            let at_the_centre = listed.is_empty() && CommonFactor::is_by_nature(&common.label);
            return if at_the_centre { self.monitor.clone() } else { listed.to_vec() };
        }
        let Some(site) = incident.site.as_ref().and_then(|id| topology.find_site(id)) else {
            return Vec::new();
        };
        let site = topology.site(site);
        let mut all = site.contacts.clone();
        if matches!(incident.cause, Cause::Access | Cause::Uplink) {
            let labels = common_labels.iter();
            for (label, value) in labels.filter_map(|label| site.labels.get_key_value(label)) {
                let more = self.of_label(label, value).iter();
                let more: Vec<_> = more.filter(|it| !all.contains(it)).cloned().collect();
                all.extend(more);
            }
        }
        all
    }
}
