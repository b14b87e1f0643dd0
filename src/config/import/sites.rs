//! A spreadsheet of sites against `sites.yaml`: what is new, what has changed, what is wrong.
//!
//! A sheet adds and changes; it takes nothing away. An empty cell says nothing, and a site that the
//! sheet does not name stays.

use std::collections::BTreeMap;

use super::book::{At, Book};
use super::called::Called;
use super::existing::Existing;
use super::heading::Meaning;
use super::layout::{Edit, Spot, layout, line_break, line_end, scalar};
use super::province::{Found, Known, other};
use super::rows::{self, Got, Row, Rows};
use super::{Plan, Totals};
use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::hint::slug;
use crate::config::source::{File, SourceSet};
use crate::model::SiteIx;

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
    /// Finds the existing site of every row, and what is new.
    fn match_rows(&mut self, rows: &'a [Row]) {
        let mut taken: Vec<String> =
            self.known.sites().iter().map(|site| site.id.to_string()).collect();
        for row in rows {
            let parent = match row.parent.as_ref().map(|parent| self.known.refer(&parent.value)) {
                Some(Found::One(site)) => Some(site),
                _ => None,
            };
            let site = match self.known.site_of(self.book, row, parent) {
                Ok(site) => site,
                Err(fault) => {
                    self.faults.push(*fault);
                    continue;
                }
            };
            if let Some(site) = site {
                if let Some(first) = self.of_site.get(&site) {
                    let first = &self.wanted[*first];
                    let name = &self.known.sites()[site].name;
                    let mut fault = self.book.fault(
                        row.named_at(),
                        format!("a second row about `{name}`"),
                        None,
                    );
                    fault.other = Some(other(self.book, first.row.named_at()));
                    self.faults.push(fault);
                    continue;
                }
                self.of_site.insert(site, self.wanted.len());
                let id = self.known.sites()[site].id.to_string();
                let class = self.known.province.class_of[site];
                self.wanted.push(Wanted { row, site: Some(site), id, class, parent: None });
                continue;
            }
            if let Some(fault) = self.misspelt(row, parent) {
                self.faults.push(fault);
                continue;
            }
            let Some(id) = self.new_id(row, &taken) else { continue };
            match self.known.class_of(self.book, row) {
                Ok(class) => {
                    taken.push(id.clone());
                    self.wanted.push(Wanted { row, site: None, id, class, parent: None });
                }
                Err(fault) => self.faults.push(*fault),
            }
        }
    }

    /// A new site whose name differs from that of an existing one only by its accents is that one
    /// misspelt, unless the row gives it an id or a code of its own.
    fn misspelt(&self, row: &Row, parent: Option<usize>) -> Option<Diagnostic> {
        let name = row.name.as_ref().filter(|_| row.id.is_none() && row.code.is_none())?;
        let like = |name: &str| slug(&Called::new(name).written);
        let wanted = like(&name.value);
        let known = self.known.sites().iter().enumerate().find(|(at, site)| {
            like(&site.name) == wanted && (parent.is_none() || self.known.parent(*at) == parent)
        })?;
        let known = known.1;
        let reason = format!("`{}` is nearly `{}` (`{}`)", name.value, known.name, known.id);
        let hint = "spell it alike if it is that one; if it is new, give it an id".to_owned();
        Some(self.book.fault(name.at, reason, Some(hint)))
    }

    /// The id of a new site: what the row says, or else made of its name.
    fn new_id(&mut self, row: &Row, taken: &[String]) -> Option<String> {
        let is_taken = |id: &String| taken.contains(id);
        if let Some(id) = &row.id {
            let meant: String = slug(&id.value).chars().take(63).collect();
            if meant != id.value || meant.is_empty() {
                let reason = format!(
                    "`{}` is no id: it has lower-case letters, digits and hyphens, at most 63",
                    id.value
                );
                let hint = (!meant.is_empty()).then(|| format!("did you mean `{meant}`?"));
                self.faults.push(self.book.fault(id.at, reason, hint));
                return None;
            }
            if is_taken(&meant) {
                let mut fault =
                    self.book.fault(id.at, format!("a second row with the id `{meant}`"), None);
                let first = self.wanted.iter().find(|wanted| wanted.id == meant);
                fault.other = first.map(|first| other(self.book, first.row.named_at()));
                self.faults.push(fault);
                return None;
            }
            if row.name.is_none() {
                let reason = format!("`{meant}` is a new site without a name");
                self.faults.push(self.book.fault(id.at, reason, None));
                return None;
            }
            return Some(meant);
        }
        let Some(name) = &row.name else {
            let reason =
                format!("no site has the code {}, and the row gives no name", row.called());
            self.faults.push(self.book.fault(row.named_at(), reason, None));
            return None;
        };
        let slug: String = Called::new(&name.value).slug.chars().take(50).collect();
        if slug.is_empty() {
            let reason = format!("`{}` is no name", name.value);
            self.faults.push(self.book.fault(name.at, reason, None));
            return None;
        }
        let parent = row.parent.as_ref().map(|parent| Called::new(&parent.value).slug);
        let with_parent = parent.map(|parent| format!("{slug}-{parent}"));
        let numbered = (2..1000).map(|n| format!("{slug}-{n}"));
        std::iter::once(slug.clone()).chain(with_parent).chain(numbered).find(|id| !is_taken(id))
    }

    /// Finds the site that each line runs through: an existing one, or a new one of the sheet.
    fn find_parents(&mut self) {
        for at in 0..self.wanted.len() {
            let row = self.wanted[at].row;
            let found = match &row.parent {
                Some(parent) => self.parent_of(at, parent),
                None if self.wanted[at].site.is_some() => Ok(None),
                None => self.usual_parent(at),
            };
            match found {
                Ok(parent) => self.wanted[at].parent = parent,
                Err(fault) => self.faults.push(*fault),
            }
        }
    }

    fn parent_of(
        &self,
        at: usize,
        parent: &Got<String>,
    ) -> Result<Option<Parent>, Box<Diagnostic>> {
        let itself = |site: usize| self.wanted[at].site == Some(site);
        let existing = match self.known.refer(&parent.value) {
            Found::One(site) if !itself(site) => Some(site),
            Found::Several(sites) => {
                // A parent is something that others hang on already, or the one that is so now.
                let hub = |site: &usize| !self.known.sites()[*site].children.is_empty();
                let hubs: Vec<usize> =
                    sites.iter().copied().filter(hub).filter(|s| !itself(*s)).collect();
                let now = self.wanted[at].site.and_then(|site| self.known.parent(site));
                match hubs.as_slice() {
                    [one] => Some(*one),
                    several => match now.filter(|now| several.contains(now)) {
                        Some(now) => Some(now),
                        None => {
                            let reason = format!("`{}` may be any of several sites", parent.value);
                            let hint = format!("{}: write the id", self.known.told(&sites));
                            return Err(self.book.wrong(parent.at, reason, Some(hint)));
                        }
                    },
                }
            }
            _ => None,
        };
        let called = Called::new(&parent.value);
        let new = self.wanted.iter().enumerate().find(|(other, wanted)| {
            *other != at
                && wanted.site.is_none()
                && (wanted.id == parent.value || Called::new(wanted.row.called()).may_be(&called))
        });
        match (existing, new) {
            (Some(site), _) => Ok(Some(Parent::Existing(site))),
            (None, Some((new, _))) => Ok(Some(Parent::New(new))),
            (None, None) => Err(Box::new(self.known.nobody(self.book, parent))),
        }
    }

    /// The parent of a new site that names none: that of all sites of its class.
    fn usual_parent(&self, at: usize) -> Result<Option<Parent>, Box<Diagnostic>> {
        let class = self.wanted[at].class;
        let mut parents: Vec<Option<usize>> = (0..self.known.sites().len())
            .filter(|site| self.known.province.class_of[*site] == class)
            .map(|site| self.known.parent(site))
            .collect();
        parents.sort_unstable();
        parents.dedup();
        match parents.as_slice() {
            [one] => Ok(one.map(Parent::Existing)),
            // Nobody of its kind is there yet: it stands alone, as the first sites of a province
            // do.
            [] => Ok(None),
            _ => {
                let reason = "which site does the line of this new one run through?".to_owned();
                let hint = "add a column `Trực thuộc` or `Parent`".to_owned();
                Err(self.book.wrong(self.wanted[at].row.named_at(), reason, Some(hint)))
            }
        }
    }

    /// No line runs in a circle.
    fn check_parents(&mut self) {
        let above = |place: Parent| -> Option<Parent> {
            let wanted = match place {
                Parent::New(at) => Some(at),
                Parent::Existing(site) => self.of_site.get(&site).copied(),
            };
            let written = wanted.and_then(|at| self.wanted[at].parent);
            written.or(match place {
                Parent::Existing(site) => self.known.parent(site).map(Parent::Existing),
                Parent::New(_) => None,
            })
        };
        let most = self.wanted.len() + self.known.sites().len();
        let mut faults = Vec::new();
        for (at, wanted) in self.wanted.iter().enumerate() {
            let (Some(parent), Some(cell)) = (wanted.parent, &wanted.row.parent) else { continue };
            let itself = wanted.site.map_or(Parent::New(at), Parent::Existing);
            let mut up = Some(parent);
            for _ in 0..most {
                match up {
                    Some(here) if here == itself => {
                        let reason = "the lines run in a circle".to_owned();
                        faults.push(self.book.fault(cell.at, reason, None));
                        break;
                    }
                    Some(here) => up = above(here),
                    None => break,
                }
            }
        }
        self.faults.extend(faults);
    }

    /// No address belongs to two devices, no code to two sites, no name to two below one parent.
    fn check_duplicates(&mut self) {
        let mut faults = Vec::new();
        let mut addresses: BTreeMap<String, (Option<usize>, At)> = BTreeMap::new();
        let mut codes: BTreeMap<&str, At> = BTreeMap::new();
        let mut names: BTreeMap<(String, Option<usize>, Option<usize>), At> = BTreeMap::new();
        let mut changed: BTreeMap<(usize, String), String> = BTreeMap::new();
        for wanted in &self.wanted {
            for (endpoint, got) in self.addresses(wanted) {
                if let Some(site) = wanted.site {
                    changed.insert((site, endpoint), got.value.clone());
                }
                if got.value == "none" {
                    continue;
                }
                if let Some((_, first)) = addresses.get(&got.value) {
                    let reason = format!("address `{}` equals row {}", got.value, first.row);
                    let mut fault = self.book.fault(got.at, reason, None);
                    fault.other = Some(other(self.book, *first));
                    faults.push(fault);
                } else {
                    addresses.insert(got.value.clone(), (wanted.site, got.at));
                }
            }
            if let Some(code) = &wanted.row.code {
                if let Some(first) = codes.get(code.value.as_str()) {
                    let mut fault = self.book.fault(
                        code.at,
                        format!("code {} equals row {}", code.value, first.row),
                        None,
                    );
                    fault.other = Some(other(self.book, *first));
                    faults.push(fault);
                } else {
                    codes.insert(&code.value, code.at);
                }
            }
            if let (None, Some(name)) = (wanted.site, &wanted.row.name) {
                let parent = match wanted.parent {
                    Some(Parent::Existing(site)) => (Some(site), None),
                    Some(Parent::New(at)) => (None, Some(at)),
                    None => (None, None),
                };
                let key = (Called::new(&name.value).reading, parent.0, parent.1);
                if let Some(first) = names.get(&key) {
                    let reason = format!("`{}` stands in row {} already", name.value, first.row);
                    let mut fault = self.book.fault(name.at, reason, None);
                    fault.other = Some(other(self.book, *first));
                    faults.push(fault);
                } else {
                    names.insert(key, name.at);
                }
            }
        }
        // Against what is written and stays.
        let topology = &self.known.province.topology;
        for endpoint in &topology.endpoints {
            let key = (endpoint.site.ix(), endpoint.id.to_string());
            let stays = !changed.contains_key(&key);
            if let Some((_, at)) = addresses.get(&endpoint.host.to_string()).filter(|_| stays) {
                let site = topology.site(endpoint.site);
                let reason = format!(
                    "address `{}` is that of `{}` of `{}`",
                    endpoint.host, endpoint.id, site.id
                );
                let hint = format!("{} keeps it: the sheet gives that site no other", site.name);
                faults.push(self.book.fault(*at, reason, Some(hint)));
            }
        }
        self.faults.extend(faults);
    }

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

    /// What is to be said and written.
    fn changes(&mut self, text: &str) -> (Vec<String>, Vec<Edit>, Totals) {
        let (mut lines, mut edits, mut totals) = (Vec::new(), Vec::new(), Totals::default());
        let Some(root) = layout(text) else { return (lines, edits, totals) };
        let Some(list) = root.get("sites") else { return (lines, edits, totals) };
        let mut untouched = 0;
        for at in 0..self.wanted.len() {
            let Some(site) = self.wanted[at].site else { continue };
            let Some(spot) = list.items().get(site) else { continue };
            let before = lines.len();
            Existing {
                work: self,
                at,
                site,
                spot,
                text,
                lines: &mut lines,
                edits: &mut edits,
                totals: &mut totals,
            }
            .compare();
            untouched += usize::from(lines.len() == before);
        }
        totals.unchanged = untouched;
        totals.absent = self.known.sites().len() - self.of_site.len();
        self.add(text, list, &mut lines, &mut edits, &mut totals);
        (lines, edits, totals)
    }

    /// The new sites, each behind the last one below the same parent.
    fn add(
        &mut self,
        text: &str,
        list: &Spot,
        lines: &mut Vec<String>,
        edits: &mut Vec<Edit>,
        totals: &mut Totals,
    ) {
        let mut behind: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
        for at in 0..self.wanted.len() {
            if self.wanted[at].site.is_none() {
                behind.entry(self.anchor(at)).or_default().push(at);
            }
        }
        let eol = line_break(text);
        for (anchor, mut news) in behind {
            // Those that hang on another new one stand behind it.
            news.sort_by_key(|at| self.rank(*at));
            let mut edit = Edit { range: 0..0, text: String::new(), from: Vec::new() };
            let spot = anchor.and_then(|site| list.items().get(site));
            for at in news {
                let (flow, from) = self.flow(at, lines, totals);
                let start = edit.text.len();
                let lead = match spot {
                    Some(_) if list.flow => format!(",{eol}  "),
                    Some(spot) => format!("{eol}{}", dash(text, spot)),
                    None if list.flow && list.items().is_empty() => format!("{eol}  - "),
                    None if list.flow => format!(",{eol}  "),
                    None => format!(
                        "{eol}{}",
                        list.items().last().map_or("  - ".to_owned(), |last| dash(text, last))
                    ),
                };
                edit.text += &lead;
                edit.text += &flow;
                let shifted = from.into_iter().map(|(n, at)| (start + lead.len() + n, at));
                edit.from.extend(shifted);
            }
            let at = match spot {
                Some(spot) if list.flow => spot.range.end,
                Some(spot) => line_end(text, spot.range.end),
                None => match list.items().last() {
                    Some(last) if list.flow => last.range.end,
                    Some(last) => line_end(text, last.range.end),
                    // `sites: []` becomes a list with lines.
                    None => {
                        edit.range = list.range.clone();
                        edits.push(edit);
                        continue;
                    }
                },
            };
            edit.range = at..at;
            edits.push(edit);
        }
    }

    /// The existing site behind which a new one stands: the last in the file below the same
    /// parent, or the parent itself.
    fn anchor(&self, at: usize) -> Option<usize> {
        let mut parent = self.wanted[at].parent;
        for _ in 0..self.wanted.len() {
            match parent {
                Some(Parent::New(new)) => parent = self.wanted[new].parent,
                Some(Parent::Existing(site)) => {
                    let topology = &self.known.province.topology;
                    let class = self.wanted[at].class;
                    let siblings = &topology.site(SiteIx::new(site)).children;
                    // Among sites of its own kind, if there are any.
                    let alike = siblings
                        .iter()
                        .filter(|sibling| self.known.province.class_of[sibling.ix()] == class);
                    let last = alike.map(|sibling| sibling.ix()).max();
                    return Some(
                        last.or_else(|| siblings.iter().map(|s| s.ix()).max()).unwrap_or(site),
                    );
                }
                None => break,
            }
        }
        self.known.sites().len().checked_sub(1)
    }

    /// Parents before children, otherwise the order of the sheet.
    fn rank(&self, at: usize) -> (Vec<usize>, usize) {
        let mut path = vec![at];
        let mut up = self.wanted[at].parent;
        while let Some(Parent::New(parent)) = up {
            if path.contains(&parent) {
                break;
            }
            path.push(parent);
            up = self.wanted[parent].parent;
        }
        path.reverse();
        (path, at)
    }

    /// A new site on one line, and where in it stands what comes from which cell.
    fn flow(
        &mut self,
        at: usize,
        lines: &mut Vec<String>,
        totals: &mut Totals,
    ) -> (String, Vec<(usize, At)>) {
        let known = self.known;
        let wanted = &self.wanted[at];
        let row = wanted.row;
        let kind = &known.province.kinds[wanted.class];
        let mut flow = Flow { text: "{".to_owned(), from: vec![(0, row.named_at())] };
        flow.put("id", &scalar(&wanted.id), row.id.as_ref().map_or(row.named_at(), |got| got.at));
        let name = Called::new(row.called()).written;
        flow.put("name", &scalar(&name), row.named_at());
        if self.known.province.default_class != Some(wanted.class) {
            let said = row.class.as_ref().or(row.level.as_ref());
            flow.put("class", &kind.id, said.map_or(row.named_at(), |got| got.at));
        }
        let parent = wanted.parent.map(|parent| match parent {
            Parent::Existing(site) => {
                (self.known.sites()[site].id.to_string(), self.known.sites()[site].name.clone())
            }
            Parent::New(new) => {
                (self.wanted[new].id.clone(), Called::new(self.wanted[new].row.called()).written)
            }
        });
        if let Some((id, _)) = &parent {
            flow.put("parent", id, row.parent.as_ref().map_or(row.named_at(), |got| got.at));
        }
        let addresses = self.addresses(wanted);
        let mut told = Vec::new();
        for endpoint in &kind.endpoints {
            let got = addresses.iter().find(|(id, _)| id == endpoint).map(|(_, got)| *got);
            let value = got.map_or("none", |got| got.value.as_str());
            flow.put(endpoint, &scalar(value), got.map_or(row.named_at(), |got| got.at));
            told.push(format!("{endpoint} {value}"));
        }
        if addresses.iter().all(|(_, got)| got.value == "none") && row.sound {
            let reason = format!("`{name}` is new and has no address: nothing could be watched");
            let hint = "give it one, or spell the name as in sites.yaml if it is there".to_owned();
            self.faults.push(self.book.fault(row.named_at(), reason, Some(hint)));
        }
        if let Some(contact) = contact(row) {
            flow.put("contacts", &format!("[{}]", contact.0), contact.1);
        }
        let mut labels: Vec<(String, String, At)> = Vec::new();
        if let Some(code) = &row.code {
            labels.push(("code".to_owned(), self.padded(&code.value, wanted.class), code.at));
        }
        labels.extend(row.labels.iter().map(|(k, got)| (k.clone(), got.value.clone(), got.at)));
        if let Some((_, _, first)) = labels.first() {
            let first = *first;
            let texts: Vec<String> =
                labels.iter().map(|(key, value, _)| format!("{key}: {}", scalar(value))).collect();
            flow.put("labels", &format!("{{{}}}", texts.join(", ")), first);
        }
        flow.text.push('}');
        let level = kind.level.and_then(|level| {
            self.known.province.topology.levels.get(level.ix()).map(|level| level.id.to_string())
        });
        *totals.added.entry(level.unwrap_or_default()).or_default() += 1;
        let below = parent.map_or(String::new(), |(_, name)| format!(" ({name})"));
        lines.push(format!(
            "+ {:<22} {name}{below}: {}   row {}",
            wanted.id,
            told.join(", "),
            row.named_at().row
        ));
        (flow.text, flow.from)
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

/// What begins the line of an item beside `spot`.
fn dash(text: &str, spot: &Spot) -> String {
    let start = text[..spot.range.start].rfind(['\n', '\r']).map_or(0, |n| n + 1);
    let line = &text[start..spot.range.start];
    let spaces = line.len() - line.trim_start_matches(' ').len();
    format!("{}- ", " ".repeat(spaces))
}

/// A map in braces as it grows.
struct Flow {
    text: String,
    from: Vec<(usize, At)>,
}

impl Flow {
    fn put(&mut self, key: &str, value: &str, at: At) {
        if self.text.len() > 1 {
            self.text.push_str(", ");
        }
        self.from.push((self.text.len(), at));
        self.text += &format!("{key}: {value}");
    }
}

/// The contact of a row as a map in braces, and its cell.
fn contact(row: &Row) -> Option<(String, At)> {
    let got = row.contact.as_ref().or(row.phone.as_ref()).or(row.email.as_ref())?;
    let name = row.contact.as_ref().map_or(CONTACT, |got| &got.value);
    let mut text = format!("{{name: {}", scalar(name));
    if let Some(phone) = &row.phone {
        text += &format!(", phone: {}", scalar(&phone.value));
    }
    if let Some(email) = &row.email {
        text += &format!(", email: {}", scalar(&email.value));
    }
    Some((text + "}", got.at))
}
