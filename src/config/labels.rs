//! Labels that other files than `sites.yaml` name: what no site has is a slip, and would be looked
//! for in vain when it matters.

use std::collections::BTreeSet;

use super::diagnostic::Findings;
use super::hint::nearest;
use super::people::quoted;
use super::sites::{Province, well_formed_label};
use super::source::Span;
use super::yaml::Key;
use crate::model::Site;

/// The labels of all sites; none while those cannot be read, and then nothing is said of them.
#[derive(Clone, Copy)]
pub(super) struct KnownLabels<'a>(Option<&'a [Site]>);

/// A label that is written, and the values that sites have for it.
pub(super) struct Label<'a> {
    pub(super) name: String,
    values: Option<BTreeSet<&'a str>>,
}

impl<'a> KnownLabels<'a> {
    pub(super) fn of(province: Option<&'a Province>) -> Self {
        let whole = province.filter(|province| province.whole);
        Self(whole.map(|province| province.topology.sites.as_slice()))
    }

    /// The label of this name.
    pub(super) fn label(&self, key: &Key, out: &Findings) -> Option<Label<'a>> {
        let name = well_formed_label(key, out)?;
        let values: Option<BTreeSet<&str>> = self.0.map(|sites| {
            sites.iter().filter_map(|site| site.labels.get(&name)).map(String::as_str).collect()
        });
        if values.as_ref().is_some_and(BTreeSet::is_empty) {
            let all = self.0.into_iter().flatten().flat_map(|site| site.labels.keys());
            let all: BTreeSet<&str> = all.map(String::as_str).collect();
            let hint = nearest(&name, all, out);
            out.hint(key.span, format!("no site has a label {}", quoted(&name)), hint);
            return None;
        }
        Some(Label { name, values })
    }
}

impl Label<'_> {
    /// Whether a site has it with this value.
    pub(super) fn has(&self, value: &str, span: Span, out: &Findings) -> bool {
        let Some(known) = self.values.as_ref().filter(|known| !known.contains(value)) else {
            return true;
        };
        let reason = format!("no site has the label `{}` with {}", self.name, quoted(value));
        out.hint(span, reason, nearest(value, known.iter().copied(), out));
        false
    }
}
