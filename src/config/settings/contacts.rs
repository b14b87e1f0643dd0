//! Whom to phone for what belongs to no site.

use std::collections::BTreeMap;

use crate::model::Contact;

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
