//! A spreadsheet of sites against `sites.yaml`: what is new, what has changed, what is wrong.
//!
//! A sheet adds and changes; it takes nothing away. An empty cell says nothing, and a site that the
//! sheet does not name stays.

mod matched;
mod written;

use std::collections::BTreeMap;

use super::Plan;
use super::book::{At, Book};
use super::called::Called;
use super::heading::Meaning;
use super::province::{Found, Known};
use super::rows::{self, Got, Row, Rows};
use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::source::{File, SourceSet};

/// What a contact is called of whom only the number is known.
pub(super) const CONTACT: &str = "Trực kỹ thuật";

/// Compares a spreadsheet of sites with what is written.
///
/// # Errors
/// When `vchealth.yaml` or `sites.yaml` is wrong already.
pub fn sites(book: &Book, sources: &SourceSet) -> Result<Plan, Diagnostics> {
    let known = Known::new(super::super::draft(sources)?);
    let mut endpoints: Vec<&str> =
        known.province.kinds.iter().flat_map(|kind| &kind.endpoints).map(String::as_str).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    let mut labels: Vec<&str> = known
        .sites()
        .iter()
        .flat_map(|site| site.labels.keys())
        .map(String::as_str)
        .filter(|label| *label != "code")
        .collect();
    labels.sort_unstable();
    labels.dedup();
    let is_parent = |name: &str| match known.refer(name) {
        Found::One(site) => !known.sites()[site].children.is_empty(),
        _ => matches!(
            Called::new(name).kind,
            Some("Huyện" | "Quận" | "Thị xã" | "Thành phố" | "Tỉnh")
        ),
    };
    let Rows { rows, faults, notes, columns } =
        rows::read(book, &rows::Known { endpoints, labels, is_parent: &is_parent });
    let mut work =
        Work { book, known: &known, faults, wanted: Vec::new(), of_site: BTreeMap::new() };
    work.match_rows(&rows);
    work.find_parents();
    work.check_parents();
    work.check_duplicates();
    let addresses = columns.iter().any(|m| matches!(m, Meaning::Address | Meaning::Endpoint(_)));
    if !addresses
        && work.wanted.iter().any(|wanted| wanted.site.is_none())
        && work.faults.is_empty()
    {
        let first = work.wanted.iter().find(|wanted| wanted.site.is_none());
        let at = first.map_or(At { sheet: 0, row: 1, column: 1 }, |wanted| wanted.row.named_at());
        let reason = "a new site, but no column with addresses".to_owned();
        let hint = "add `IP router` and `IP codec`, or spell the site as in sites.yaml".to_owned();
        work.faults.push(book.fault(at, reason, Some(hint)));
    }
    let text = super::text_of(sources, File::Sites);
    let (lines, edits, totals) = work.changes(&text);
    let mut faults = work.faults;
    faults.sort_by(|a, b| (&a.cell, &a.reason).cmp(&(&b.cell, &b.reason)));
    Ok(Plan::new(book, sources, File::Sites, &text, notes, lines, &totals, edits, faults))
}

/// A site as a row wants it.
pub(super) struct Wanted<'a> {
    pub(super) row: &'a Row,
    /// The existing site; none for a new one.
    site: Option<usize>,
    /// Its id, existing or made.
    pub(super) id: String,
    pub(super) class: usize,
    pub(super) parent: Option<Parent>,
}

/// The site that a line runs through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parent {
    Existing(usize),
    /// Position among the wanted.
    New(usize),
}

pub(super) struct Work<'a> {
    book: &'a Book,
    pub(super) known: &'a Known,
    faults: Vec<Diagnostic>,
    pub(super) wanted: Vec<Wanted<'a>>,
    /// The wanted that each existing site is.
    of_site: BTreeMap<usize, usize>,
}

impl<'a> Work<'a> {
    /// The addresses that a row gives, by the endpoints of its site.
    pub(super) fn addresses(&self, wanted: &Wanted<'a>) -> Vec<(String, &'a Got<String>)> {
        let endpoints = &self.known.province.kinds[wanted.class].endpoints;
        let row = wanted.row;
        let unnamed = row.addresses.get(&None).and_then(|got| {
            let free = |id: &&String| !row.addresses.contains_key(&Some((*id).clone()));
            let codec = endpoints.iter().find(|id| *id == "codec").filter(free);
            Some((codec.or_else(|| endpoints.iter().rfind(free))?.clone(), got))
        });
        let named = row
            .addresses
            .iter()
            .filter_map(|(id, got)| Some((id.clone().filter(|id| endpoints.contains(id))?, got)));
        named.chain(unnamed).collect()
    }

    /// A code with the leading zeros that others of its class have.
    pub(super) fn padded(&self, code: &str, class: usize) -> String {
        let width = self
            .known
            .sites()
            .iter()
            .zip(&self.known.province.class_of)
            .filter(|(_, of)| **of == class)
            .filter_map(|(site, _)| site.labels.get("code").map(String::len))
            .max()
            .unwrap_or_default();
        format!("{code:0>width$}")
    }
}
