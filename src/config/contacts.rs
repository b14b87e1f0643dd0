//! The section `contacts` of `vchealth.yaml`: whom to phone for what belongs to no site. Read after
//! the sites, whose labels it names.

use std::collections::BTreeMap;

use super::diagnostic::Findings;
use super::labels::KnownLabels;
use super::read::Fields;
use super::settings::ContactSettings;
use super::sites::{Province, contacts};
use super::yaml::Node;
use crate::model::Contact;

/// Most values of one label with contacts of their own.
const VALUES: usize = 1_000;

/// Reads the section.
pub(super) fn read(
    node: &Node,
    province: Option<&Province>,
    out: &Findings,
) -> Option<ContactSettings> {
    let mut fields = Fields::of(node, "`contacts`", out)?;
    let known = KnownLabels::of(province);
    let read = ContactSettings {
        monitor: fields.read("monitor", Vec::new(), contacts),
        labels: fields.read("labels", BTreeMap::new(), |node, out| labels(node, known, out)),
    };
    fields.end();
    Some(read)
}

/// Labels, each with contacts by its value.
fn labels(
    node: &Node,
    known: KnownLabels<'_>,
    out: &Findings,
) -> Option<BTreeMap<String, BTreeMap<String, Vec<Contact>>>> {
    let mut found = BTreeMap::new();
    for (key, node) in Fields::of(node, "`labels`", out)?.others() {
        let Some(label) = known.label(key, out) else { continue };
        let Some(mut fields) = Fields::of(node, "a label", out) else { continue };
        let written = fields.others();
        if written.len() > VALUES {
            out.say(node.span, format!("more than {VALUES} values"));
        }
        let mut of = BTreeMap::new();
        for (value, node) in written.into_iter().take(VALUES) {
            let there = label.has(&value.text, value.span, out);
            of.extend(contacts(node, out).filter(|_| there).map(|it| (value.text.clone(), it)));
        }
        found.insert(label.name, of);
    }
    Some(found)
}
