//! A spreadsheet of who takes part in a session, and with how many delegates, against
//! `sessions.yaml`.
//!
//! Every row that names a site is a taking-part site, unless a column says that it is not. What the
//! file says in general (levels, classes, except) is left alone as long as it means the same.

use std::collections::BTreeMap;

use super::book::{At, Book};
use super::layout::{Edit, Spot, What, column, layout, line_break, line_end};
use super::province::{Found, Known, other};
use super::rows::{self, Row, Rows};
use super::{Plan, Totals, counted};
use crate::config::diagnostic::{Diagnostic, Diagnostics};
use crate::config::source::{File, SourceSet};
use crate::config::{Config, load};
use crate::model::{Session, SiteIx};

/// Widest line of a list that is written.
const WIDTH: usize = 100;

/// Why a session cannot be looked up.
#[derive(Debug)]
pub enum NoSession {
    /// The configuration is wrong already.
    Configuration(Diagnostics),
    /// `sessions.yaml` has no such session; these it has.
    Unknown(Vec<String>),
}

/// Compares a spreadsheet of participants with what is written of a session.
///
/// # Errors
/// When the configuration is wrong already, or has no such session.
pub fn session(book: &Book, sources: &SourceSet, id: &str) -> Result<Plan, NoSession> {
    let config = load(sources).map_err(NoSession::Configuration)?;
    let known = Known::new(super::super::draft(sources).map_err(NoSession::Configuration)?);
    let text = super::text_of(sources, File::Sessions);
    let root = layout(&text);
    let spot = root.as_ref().and_then(|root| root.get("sessions")).and_then(|sessions| {
        sessions.items().iter().find(|spot| spot.get("id").and_then(Spot::scalar) == Some(id))
    });
    let session = config.sessions.iter().find(|session| session.id.as_str() == id);
    let (Some(spot), Some(session)) = (spot, session) else {
        let ids = config.sessions.iter().map(|session| session.id.to_string()).collect();
        return Err(NoSession::Unknown(ids));
    };
    let is_parent = |name: &str| match known.refer(name) {
        Found::One(site) => !known.sites()[site].children.is_empty(),
        _ => false,
    };
    let reading = rows::Known { endpoints: Vec::new(), labels: Vec::new(), is_parent: &is_parent };
    let Rows { rows, mut faults, notes, .. } = rows::read(book, &reading);
    let wanted = taking_part(book, &known, &rows, &mut faults);
    if wanted.is_empty() && faults.is_empty() {
        let at = At { sheet: 0, row: 1, column: 1 };
        faults.push(book.fault(at, "nobody takes part".to_owned(), None));
    }
    let (lines, totals, figures) = compare(&config, session, &wanted);
    let edits = if faults.is_empty() {
        edits(&text, spot, &config, session, &wanted, &figures)
    } else {
        Vec::new()
    };
    Ok(Plan::new(book, sources, File::Sessions, &text, notes, lines, &totals, edits, faults))
}

/// What the sheet says of a taking-part site.
struct Wanted {
    at: At,
    delegates: Option<(u32, At)>,
}

fn taking_part(
    book: &Book,
    known: &Known,
    rows: &[Row],
    faults: &mut Vec<Diagnostic>,
) -> BTreeMap<SiteIx, Wanted> {
    let mut wanted: BTreeMap<SiteIx, Wanted> = BTreeMap::new();
    let mut out: BTreeMap<usize, At> = BTreeMap::new();
    for row in rows {
        let parent = match &row.parent {
            Some(parent) => match known.refer(&parent.value) {
                Found::One(site) => Some(site),
                Found::Several(_) => None,
                Found::None => {
                    faults.push(known.nobody(book, parent));
                    continue;
                }
            },
            None => None,
        };
        let site = match known.site_of(book, row, parent) {
            Ok(Some(site)) => site,
            Ok(None) => {
                let named = row.name.as_ref().or(row.id.as_ref()).or(row.code.as_ref());
                faults.extend(named.map(|named| known.nobody(book, named)));
                continue;
            }
            Err(fault) => {
                faults.push(*fault);
                continue;
            }
        };
        let at = row.named_at();
        let first =
            wanted.get(&SiteIx::new(site)).map(|first| first.at).or(out.get(&site).copied());
        if let Some(first) = first {
            let name = &known.sites()[site].name;
            let mut fault = book.fault(at, format!("a second row about `{name}`"), None);
            fault.other = Some(other(book, first));
            faults.push(fault);
        } else if row.takes_part.as_ref().is_some_and(|got| !got.value) {
            out.insert(site, at);
        } else {
            let delegates = row.delegates.as_ref().map(|got| (got.value, got.at));
            wanted.insert(SiteIx::new(site), Wanted { at, delegates });
        }
    }
    wanted
}

/// Says what would change, and gives the delegates of each site as they would be.
fn compare(
    config: &Config,
    session: &Session,
    wanted: &BTreeMap<SiteIx, Wanted>,
) -> (Vec<String>, Totals, BTreeMap<SiteIx, u32>) {
    let topology = &config.topology;
    let mut lines = Vec::new();
    let mut figures = BTreeMap::new();
    let (mut joined, mut dropped, mut changed) = (0, 0, 0);
    for (site, row) in wanted {
        let before = session.sites.get(site).copied();
        let now = row.delegates.map_or(before.unwrap_or_default(), |(figure, _)| figure);
        figures.insert(*site, now);
        let (id, name, at) = (&topology.site(*site).id, &topology.site(*site).name, row.at.row);
        match before {
            None => {
                joined += 1;
                lines.push(format!("+ {id:<22} {name}: {now} delegates   row {at}"));
            }
            Some(before) if before != now => {
                changed += 1;
                lines.push(format!("~ {id:<22} delegates: {before} → {now}   row {at}"));
            }
            Some(_) => {}
        }
    }
    for site in session.sites.keys().filter(|site| !wanted.contains_key(site)) {
        dropped += 1;
        lines.push(format!(
            "- {:<22} {}",
            topology.site(*site).id.to_string(),
            topology.site(*site).name
        ));
    }
    let total: u64 = figures.values().map(|figure| u64::from(*figure)).sum();
    let text = format!(
        "session {}: +{}, -{}, delegates changed at {}; {} and {total} delegates after that, {} and {} \
         before",
        session.id,
        counted(joined, "site"),
        counted(dropped, "site"),
        counted(changed, "site"),
        counted(wanted.len(), "site"),
        session.sites.len(),
        session.delegates(),
    );
    let totals = Totals { session: Some(text), ..Totals::default() };
    (lines, totals, figures)
}

/// The changes of the text.
///
/// 1. The same sites: `sites` stays as it is written; else it becomes a list.
/// 2. The same figures: `delegates` stays as it is written. The same sites with other figures: only
///    those are set below `delegates.sites`. Other sites: it is written anew, since what it says of
///    levels and classes may be about nobody any more.
fn edits(
    text: &str,
    spot: &Spot,
    config: &Config,
    session: &Session,
    wanted: &BTreeMap<SiteIx, Wanted>,
    figures: &BTreeMap<SiteIx, u32>,
) -> Vec<Edit> {
    let mut edits = Vec::new();
    let id = |site: SiteIx| config.topology.site(site).id.to_string();
    let same_sites = session.sites.keys().eq(wanted.keys());
    let first = wanted.values().next().map_or(At { sheet: 0, row: 1, column: 1 }, |row| row.at);
    let depth = match &spot.what {
        What::Map(map) => map.first().map_or(4, |(_, at, _)| column(text, *at)),
        _ => 4,
    };
    let mut set = |key: &str, from: At, build: &dyn Fn() -> (String, Vec<(usize, At)>)| {
        let (written, from) = match build() {
            (written, list) if list.is_empty() => (written, vec![(0, from)]),
            built => built,
        };
        match spot.get(key) {
            Some(old) => edits.push(Edit { range: old.range.clone(), text: written, from }),
            None => {
                let What::Map(map) = &spot.what else { return };
                let Some((.., last)) = map.last() else { return };
                let (place, lead) = if spot.flow {
                    (last.range.end, format!(", {key}: "))
                } else {
                    let line = format!("{}{}{key}: ", line_break(text), " ".repeat(depth));
                    (line_end(text, last.range.end), line)
                };
                let from = from.into_iter().map(|(n, at)| (n + lead.len(), at)).collect();
                edits.push(Edit { range: place..place, text: lead + &written, from });
            }
        }
    };
    if !same_sites {
        set("sites", first, &|| {
            let items = wanted.iter().map(|(site, row)| (id(*site), row.at));
            let (list, from) = wrapped(items, depth + 4, line_break(text));
            let lead = "{list: [";
            let from = from.into_iter().map(|(n, at)| (n + lead.len(), at)).collect();
            (format!("{lead}{list}]}}"), from)
        });
    }
    let differing: Vec<(SiteIx, u32)> = figures
        .iter()
        .filter(|(site, figure)| session.sites.get(site) != Some(figure))
        .map(|(site, figure)| (*site, *figure))
        .collect();
    if differing.is_empty() && same_sites {
        return edits;
    }
    let cell = |site: &SiteIx| {
        let row = wanted.get(site);
        row.map_or(first, |row| row.delegates.map_or(row.at, |(_, at)| at))
    };
    let delegates = spot.get("delegates");
    let by_site = delegates.and_then(|delegates| delegates.get("sites"));
    if same_sites
        && let Some(by_site) =
            by_site.filter(|map| map.flow || !matches!(&map.what, What::Scalar(_)))
    {
        let missing: Vec<(SiteIx, u32)> = differing
            .iter()
            .filter(|(site, figure)| match by_site.get(&id(*site)) {
                Some(old) => {
                    let from = vec![(0, cell(site))];
                    edits.push(Edit { range: old.range.clone(), text: figure.to_string(), from });
                    false
                }
                None => true,
            })
            .copied()
            .collect();
        if let (What::Map(map), false) = (&by_site.what, missing.is_empty()) {
            for (site, figure) in missing {
                let (place, lead) = match map.last() {
                    Some((.., last)) if by_site.flow => (last.range.end, ", ".to_owned()),
                    Some((_, at, last)) => {
                        let indent = " ".repeat(column(text, *at));
                        (line_end(text, last.range.end), format!("{}{indent}", line_break(text)))
                    }
                    None => (by_site.range.start + 1, String::new()),
                };
                let from = vec![(lead.len(), cell(&site))];
                let text = format!("{lead}{}: {figure}", id(site));
                edits.push(Edit { range: place..place, text, from });
            }
        }
        return edits;
    }
    // Whatever has one figure for most says so once. Where no figure is that of most, what was the
    // default stays it: it also counts for sites that join at the last minute.
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for figure in figures.values() {
        *counts.entry(*figure).or_default() += 1;
    }
    let (most, n) = counts
        .iter()
        .max_by_key(|(figure, n)| (**n, **figure))
        .map_or((0, 0), |(figure, n)| (*figure, *n));
    let usual =
        delegates.and_then(written_default).filter(|_| n * 2 <= figures.len()).unwrap_or(most);
    let others: Vec<(SiteIx, u32)> = figures
        .iter()
        .filter(|(_, figure)| **figure != usual)
        .map(|(site, figure)| (*site, *figure))
        .collect();
    set("delegates", first, &|| {
        if others.is_empty() {
            return (format!("{{default: {usual}}}"), Vec::new());
        }
        let items =
            others.iter().map(|(site, figure)| (format!("{}: {figure}", id(*site)), cell(site)));
        let (list, from) = wrapped(items, depth + 4, line_break(text));
        let lead = format!("{{default: {usual}, sites: {{");
        let from = from.into_iter().map(|(n, at)| (n + lead.len(), at)).collect();
        (format!("{lead}{list}}}}}"), from)
    });
    edits
}

/// The figure that `delegates` has for whoever it says nothing of.
fn written_default(delegates: &Spot) -> Option<u32> {
    match (&delegates.what, delegates.get("default")) {
        (What::Scalar(figure), _) => figure.trim().parse().ok(),
        (_, Some(Spot { what: What::Scalar(figure), .. })) => figure.trim().parse().ok(),
        _ => None,
    }
}

/// Items with commas between them, on as many lines as they need.
fn wrapped(
    items: impl Iterator<Item = (String, At)>,
    indent: usize,
    eol: &str,
) -> (String, Vec<(usize, At)>) {
    let (mut text, mut from, mut width) = (String::new(), Vec::new(), WIDTH);
    for (item, at) in items {
        if !text.is_empty() {
            text.push(',');
        }
        if width + item.len() + 2 > WIDTH {
            text += eol;
            text += &" ".repeat(indent);
            width = indent;
        } else {
            text.push(' ');
            width += 1;
        }
        from.push((text.len(), at));
        width += item.len() + 1;
        text += &item;
    }
    (text, from)
}
