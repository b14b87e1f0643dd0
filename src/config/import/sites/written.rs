//! What is written into `sites.yaml`: the new sites, and what existing ones get.

use std::collections::BTreeMap;

use super::{CONTACT, Parent, Work};
use crate::config::import::Totals;
use crate::config::import::book::At;
use crate::config::import::called::Called;
use crate::config::import::existing::Existing;
use crate::config::import::layout::{Edit, Spot, layout, line_break, line_end, scalar};
use crate::config::import::rows::Row;
use crate::model::SiteIx;

impl Work<'_> {
    /// What is to be said and written.
    pub(super) fn changes(&mut self, text: &str) -> (Vec<String>, Vec<Edit>, Totals) {
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
