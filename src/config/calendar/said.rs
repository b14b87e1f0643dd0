//! What an event says of itself: who takes part, with how many delegates, as which session.
//!
//! It stands in the event's description, one line each, and in its categories:
//!
//! ```text
//! sites: commune, ba-be+, song-cau, -so-tai-chinh     (or: điểm cầu: …)
//! delegates: 40, district 90, bac-kan 260            (or: đại biểu: …)
//! session: hdnd-2026-12                              (its id; else one is made of its UID)
//! importance: high
//! ```
//! A word is `all`, a level, a site's id or its name; `+` behind a site means everything
//! below it as well, `-` in front takes away. Categories that name a level or a site add
//! to the sites. What is not understood is told, and the event is still a session.

use std::collections::{BTreeMap, BTreeSet};

use icalendar::parser::Property;
use unicode_normalization::UnicodeNormalization as _;

use super::CalendarSettings;
use super::ics::text;
use crate::config::hint::slug;
use crate::config::names::reading;
use crate::config::sessions::DELEGATES;
use crate::model::{Importance, SiteIx, Topology};

/// Longest id that an event gives its session; the day of one of a series comes behind it.
const ID: usize = 50;

/// What an event says of itself.
pub(super) struct Said<'a> {
    notes: BTreeMap<&'static str, String>,
    categories: Vec<String>,
    calendar: &'a CalendarSettings,
    topology: &'a Topology,
}

impl<'a> Said<'a> {
    pub(super) fn by(
        of: &[Property<'_>],
        calendar: &'a CalendarSettings,
        topology: &'a Topology,
    ) -> Self {
        Self { notes: notes(of), categories: categories(of), calendar, topology }
    }

    /// Whether it is of the category whose events are sessions.
    pub(super) fn is_wanted(&self) -> bool {
        self.calendar.category.as_ref().is_none_or(|wanted| {
            self.categories.iter().any(|category| reading(category) == reading(wanted))
        })
    }

    /// The id that it asks for, without the day.
    pub(super) fn id(&self) -> Option<String> {
        let id: String = slug(self.notes.get("session")?).chars().take(ID).collect();
        Some(id).filter(|id| !id.is_empty())
    }

    /// How much an outage matters.
    pub(super) fn importance(&self, troubles: &mut Vec<String>) -> Importance {
        match self.notes.get("importance").map(String::as_str) {
            Some("low") => Importance::Low,
            Some("normal") => Importance::Normal,
            Some("high") => Importance::High,
            Some(word) => {
                troubles.push(format!("the importance `{word}` is none of low, normal and high"));
                self.calendar.importance
            }
            None => self.calendar.importance,
        }
    }

    /// Who takes part, with how many delegates.
    pub(super) fn sites(&self, troubles: &mut Vec<String>) -> BTreeMap<SiteIx, u32> {
        let mut sites: BTreeSet<SiteIx> = BTreeSet::new();
        let mut named = false;
        for category in &self.categories {
            if let Some(found) = find(self.topology, category) {
                named = true;
                sites.extend(found);
            }
        }
        if let Some(line) = self.notes.get("sites") {
            let words: Vec<&str> =
                line.split([',', ';']).map(str::trim).filter(|w| !w.is_empty()).collect();
            let (less, more): (Vec<&str>, Vec<&str>) =
                words.into_iter().partition(|word| word.starts_with('-'));
            if more.is_empty() && !named {
                sites.extend(&self.calendar.sites);
            }
            named = true;
            for word in more {
                match find(self.topology, word) {
                    Some(found) => sites.extend(found),
                    None => troubles.push(format!("there is no level or site `{word}`")),
                }
            }
            for word in less {
                match find(self.topology, word.trim_start_matches('-').trim()) {
                    Some(found) => sites.retain(|site| !found.contains(site)),
                    None => troubles.push(format!("there is no level or site `{word}`")),
                }
            }
        }
        if !named || sites.is_empty() {
            sites.clone_from(&self.calendar.sites);
        }
        let mut figures: BTreeMap<SiteIx, u32> =
            sites.iter().map(|site| (*site, self.calendar.delegates)).collect();
        let line = self.notes.get("delegates").map_or("", String::as_str);
        for word in line.split([',', ';']).map(str::trim).filter(|word| !word.is_empty()) {
            let (who, figure) = word.rsplit_once([' ', ':', '=']).unwrap_or(("", word));
            let figure = figure.trim().parse::<u32>().ok().filter(|figure| *figure <= DELEGATES);
            let who = who.trim().trim_end_matches([':', '=']);
            let whom = if who.is_empty() { Some(sites.clone()) } else { find(self.topology, who) };
            match (figure, whom) {
                (Some(figure), Some(whom)) => {
                    for site in whom {
                        figures.entry(site).and_modify(|now| *now = figure);
                    }
                }
                _ => troubles.push(format!("`{word}` is no number of delegates")),
            }
        }
        figures
    }
}

/// The sites that a word names.
fn find(topology: &Topology, word: &str) -> Option<BTreeSet<SiteIx>> {
    let word = word.trim();
    if word == "all" || reading(word) == reading("tất cả") {
        return Some(topology.site_ixs().collect());
    }
    let (word, below) = match word.strip_suffix('+') {
        Some(word) => (word.trim(), true),
        None => (word, false),
    };
    let level = topology.level_ixs().find(|level| {
        let level = &topology.levels[level.ix()];
        level.id.as_str() == word
            || reading(&level.name.vi) == reading(word)
            || reading(&level.name.en) == reading(word)
    });
    if let Some(level) = level {
        return Some(
            topology.site_ixs().filter(|site| topology.site(*site).level == level).collect(),
        );
    }
    let mut called = topology.site_ixs().filter(|site| {
        let site = topology.site(*site);
        site.id.as_str() == word || reading(&site.name) == reading(word)
    });
    let site = called.next().filter(|_| called.next().is_none())?;
    Some(if below { topology.subtree(site).into_iter().collect() } else { BTreeSet::from([site]) })
}

/// The lines `key: value` of a description whose keys mean something, in lower case.
fn notes(of: &[Property<'_>]) -> BTreeMap<&'static str, String> {
    const KEYS: &[(&str, &str)] = &[
        ("sites", "sites"),
        ("điểm cầu", "sites"),
        ("delegates", "delegates"),
        ("đại biểu", "delegates"),
        ("session", "session"),
        ("mã phiên", "session"),
        ("importance", "importance"),
    ];
    let mut notes = BTreeMap::new();
    for line in text(of, "DESCRIPTION").unwrap_or_default().split('\n').take(500) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let known = KEYS.iter().find(|(name, _)| reading(name) == reading(key));
        if let Some((_, key)) = known {
            notes.insert(*key, value.trim().nfc().collect::<String>());
        }
    }
    notes
}

fn categories(of: &[Property<'_>]) -> Vec<String> {
    of.iter()
        .filter(|property| property.name.as_str().eq_ignore_ascii_case("CATEGORIES"))
        .flat_map(|property| property.val.as_str().split(','))
        .map(|category| category.trim().replace('\\', ""))
        .filter(|category| !category.is_empty())
        .take(50)
        .collect()
}
