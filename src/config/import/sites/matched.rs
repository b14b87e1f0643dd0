//! Which site every row is about, what its line runs through, and what contradicts itself.

use std::collections::BTreeMap;

use super::{Parent, Wanted, Work};
use crate::config::diagnostic::Diagnostic;
use crate::config::hint::slug;
use crate::config::import::book::At;
use crate::config::import::called::Called;
use crate::config::import::province::{Found, other};
use crate::config::import::rows::{Got, Row};

impl<'a> Work<'a> {
    /// Finds the existing site of every row, and what is new.
    pub(super) fn match_rows(&mut self, rows: &'a [Row]) {
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
    pub(super) fn misspelt(&self, row: &Row, parent: Option<usize>) -> Option<Diagnostic> {
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
    pub(super) fn new_id(&mut self, row: &Row, taken: &[String]) -> Option<String> {
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
    pub(super) fn find_parents(&mut self) {
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

    pub(super) fn parent_of(
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
    pub(super) fn usual_parent(&self, at: usize) -> Result<Option<Parent>, Box<Diagnostic>> {
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
    pub(super) fn check_parents(&mut self) {
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
    pub(super) fn check_duplicates(&mut self) {
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
}
