//! One existing site against its row: each value that differs is said and changed in its place.

use super::Totals;
use super::book::At;
use super::called::Called;
use super::layout::{Edit, Spot, What, column, line_break, line_end, scalar};
use super::rows::Row;
use super::sites::{CONTACT, Parent, Work};
use crate::model::Host;

/// An existing site being compared with its row.
pub(super) struct Existing<'w, 'a> {
    pub(super) work: &'w Work<'a>,
    pub(super) at: usize,
    pub(super) site: usize,
    pub(super) spot: &'w Spot,
    pub(super) text: &'w str,
    pub(super) lines: &'w mut Vec<String>,
    pub(super) edits: &'w mut Vec<Edit>,
    pub(super) totals: &'w mut Totals,
}

impl Existing<'_, '_> {
    pub(super) fn compare(&mut self) {
        let wanted = &self.work.wanted[self.at];
        let known = self.work.known;
        let site = &known.sites()[self.site];
        let row = wanted.row;
        if let Some(name) = &row.name {
            let (old, new) = (&known.called[self.site], Called::new(&name.value));
            let plain = name.value.is_ascii() && old.slug == new.slug;
            if !old.may_be(&new) && !plain {
                let new = match (new.kind, old.kind) {
                    // `Tân Sơn` for what was `Xã Tân Lập` is a commune still.
                    (None, Some(kind)) => format!("{kind} {}", new.written),
                    _ => new.written,
                };
                self.totals.renamed += 1;
                self.change("name", &site.name, &scalar(&new), &new, name.at);
            }
        }
        if let (Some(parent), Some(cell)) = (wanted.parent, &row.parent) {
            let id = match parent {
                Parent::Existing(parent) => known.sites()[parent].id.to_string(),
                Parent::New(new) => self.work.wanted[new].id.clone(),
            };
            let old = known.parent(self.site).map(|parent| known.sites()[parent].id.to_string());
            if old.as_ref() != Some(&id) {
                self.totals.moved += 1;
                let old = old.unwrap_or_else(|| "none".to_owned());
                self.change("parent", &old, &id, &id, cell.at);
            }
        }
        for (endpoint, got) in self.work.addresses(wanted) {
            let topology = &known.province.topology;
            let old = topology
                .endpoints
                .iter()
                .find(|known| known.site.ix() == self.site && known.id.as_str() == endpoint)
                .map_or("none".to_owned(), |endpoint| match &endpoint.host {
                    Host::Ip(ip) => ip.to_string(),
                    Host::Name(name) => name.clone(),
                });
            if old != got.value {
                self.totals.addresses += 1;
                self.change(&endpoint, &old, &scalar(&got.value), &got.value, got.at);
            }
        }
        self.compare_contact(row);
        let mut labels: Vec<(&str, String, At)> =
            row.labels.iter().map(|(key, got)| (key.as_str(), got.value.clone(), got.at)).collect();
        if let Some(code) = &row.code {
            let old = site.labels.get("code").map(|old| old.trim_start_matches('0'));
            if old != Some(code.value.trim_start_matches('0')) {
                labels.push(("code", self.work.padded(&code.value, wanted.class), code.at));
            }
        }
        let changed: Vec<(&str, String, At)> = labels
            .into_iter()
            .filter(|(key, value, _)| site.labels.get(*key) != Some(value))
            .collect();
        for (key, value, at) in &changed {
            let old = site.labels.get(*key).map_or("none", String::as_str);
            self.totals.labels += 1;
            self.say(key, old, value, *at);
        }
        self.set_map("labels", &changed);
    }

    /// Compares the first contact.
    fn compare_contact(&mut self, row: &Row) {
        let site = &self.work.known.sites()[self.site];
        let first = site.contacts.first();
        let old_name = first.map(|contact| contact.name.as_str());
        let old_phone = first.map(|contact| contact.phone.as_str());
        let old_email = first.map(|contact| contact.email.as_str());
        let name = row.contact.as_ref().filter(|got| {
            old_name.is_none_or(|old| Called::new(old).reading != Called::new(&got.value).reading)
        });
        let phone = row
            .phone
            .as_ref()
            .filter(|got| old_phone.is_none_or(|old| !super::value::same_phone(old, &got.value)));
        let email = row
            .email
            .as_ref()
            .filter(|got| old_email.is_none_or(|old| !old.eq_ignore_ascii_case(&got.value)));
        let changes: Vec<(&str, String, At)> = [("name", name), ("phone", phone), ("email", email)]
            .into_iter()
            .filter_map(|(key, got)| got.map(|got| (key, got.value.clone(), got.at)))
            .collect();
        let Some((.., at)) = changes.first() else { return };
        self.totals.contacts += 1;
        for (key, value, at) in &changes {
            let old = match *key {
                "name" => old_name,
                "phone" => old_phone,
                _ => old_email,
            };
            let key = if *key == "name" { "contact" } else { key };
            self.say(key, old.filter(|old| !old.is_empty()).unwrap_or("none"), value, *at);
        }
        let own = self.spot.get("contacts").and_then(|contacts| contacts.items().first());
        match own {
            Some(first) => self.edit_map(first, &changes),
            None => {
                // Its contacts were those of its class; from now on it has one of its own.
                let of_class = first.filter(|_| name.is_none());
                let name = row.contact.as_ref().map(|got| got.value.as_str());
                let name = name.or(of_class.map(|c| c.name.as_str())).unwrap_or(CONTACT);
                let mut text = format!("[{{name: {}", scalar(name));
                for (key, value, _) in changes.iter().filter(|(key, ..)| *key != "name") {
                    text += &format!(", {key}: {}", scalar(value));
                }
                let at = *at;
                self.insert(self.spot, "contacts", &(text + "}]"), at);
            }
        }
    }

    fn say(&mut self, what: &str, old: &str, new: &str, at: At) {
        let id = &self.work.wanted[self.at].id;
        self.lines.push(format!("~ {id:<22} {what}: {old} → {new}   row {}", at.row));
    }

    /// Sets one key of the site.
    fn change(&mut self, key: &str, old: &str, written: &str, new: &str, at: At) {
        self.say(key, old, new, at);
        match self.spot.get(key) {
            // An address may have checks of its own beside it.
            Some(value) if value.get("address").is_some() => {
                if let Some(address) = value.get("address") {
                    self.replace(address, written, at);
                }
            }
            Some(value) => self.replace(value, written, at),
            None => self.insert(self.spot, key, written, at),
        }
    }

    fn replace(&mut self, spot: &Spot, written: &str, at: At) {
        let edit =
            Edit { range: spot.range.clone(), text: written.to_owned(), from: vec![(0, at)] };
        self.edits.push(edit);
    }

    /// Sets keys of a map of the site, which may not be there yet.
    fn set_map(&mut self, key: &str, values: &[(&str, String, At)]) {
        let Some((.., first)) = values.first() else { return };
        match self.spot.get(key) {
            Some(map) => self.edit_map(map, values),
            None => {
                let texts: Vec<String> = values
                    .iter()
                    .map(|(key, value, _)| format!("{key}: {}", scalar(value)))
                    .collect();
                self.insert(self.spot, key, &format!("{{{}}}", texts.join(", ")), *first);
            }
        }
    }

    fn edit_map(&mut self, map: &Spot, values: &[(&str, String, At)]) {
        for (key, value, at) in values {
            match map.get(key) {
                Some(spot) => self.replace(spot, &scalar(value), *at),
                None => self.insert(map, key, &scalar(value), *at),
            }
        }
    }

    /// Adds a key behind the last one of a map, in the style of that map.
    fn insert(&mut self, map: &Spot, key: &str, written: &str, at: At) {
        let What::Map(entries) = &map.what else { return };
        let Some((_, first, _)) = entries.first() else { return };
        let Some((.., last)) = entries.last() else { return };
        let (place, lead) = if map.flow {
            (last.range.end, ", ".to_owned())
        } else {
            let indent = " ".repeat(column(self.text, *first));
            (line_end(self.text, last.range.end), format!("{}{indent}", line_break(self.text)))
        };
        let from = vec![(lead.len(), at)];
        let text = format!("{lead}{key}: {written}");
        self.edits.push(Edit { range: place..place, text, from });
    }
}
