//! All sessions together: those of the files, those of the calendars, and what people changed at the
//! last minute.
//!
//! 1. A session is known by its id. What `sessions.yaml` says of one counts before what a calendar
//!    says, and of two calendars the one that stands first in the settings.
//! 2. A change lies over all of them: title, times, importance, sites added or dropped, delegates,
//!    or that it does not take place. A change of a session that nobody knows makes one, if it says
//!    when.
//! 3. What cannot be read takes nothing away: a calendar without a good copy has no sessions, the
//!    others stay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Config;
use super::calendar::{self, Read};
use crate::model::{Session, SessionChange, SessionId, SiteIx, Topology};

/// Most sessions altogether.
const SESSIONS: usize = 20_000;
/// Longest session.
const LONGEST: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known together.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The sessions by start, each with where it is known from.
    pub sessions: Vec<(Arc<Session>, String)>,
    /// What each calendar gave; none for one of which there is no copy.
    pub calendars: BTreeMap<String, Result<Read, String>>,
}

/// Gathers the sessions. `base` is what the files say, `copies` the calendars by name.
#[must_use]
pub fn gather(
    base: &Config,
    copies: &BTreeMap<String, Arc<[u8]>>,
    changes: &BTreeMap<SessionId, SessionChange>,
    now: Timestamp,
) -> Gathered {
    let mut known: BTreeMap<SessionId, (Arc<Session>, String)> = BTreeMap::new();
    for session in &base.sessions {
        known.insert(session.id.clone(), (Arc::clone(session), "sessions.yaml".to_owned()));
    }
    let mut calendars = BTreeMap::new();
    let settings = &base.settings;
    for calendar in &settings.calendars {
        let Some(copy) = copies.get(&calendar.name) else { continue };
        let read = calendar::sessions(copy, calendar, &base.topology, &settings.time_zone, now);
        for session in read.iter().flat_map(|read| &read.sessions) {
            if known.len() < SESSIONS {
                let source = || (Arc::clone(session), calendar.name.clone());
                known.entry(session.id.clone()).or_insert_with(source);
            }
        }
        calendars.insert(calendar.name.clone(), read);
    }
    for (id, change) in changes {
        let before = known.remove(id);
        let (session, source) = match &before {
            Some((session, source)) => (Some(&**session), format!("{source}, API")),
            None => (None, "API".to_owned()),
        };
        if change.cancelled {
            continue;
        }
        match apply(change, session, &base.topology) {
            Ok(session) => known.insert(id.clone(), (Arc::new(session), source)),
            // A change of something that is gone, or that no longer fits: what is left stays.
            Err(_) => before.and_then(|before| known.insert(id.clone(), before)),
        };
    }
    let mut sessions: Vec<(Arc<Session>, String)> = known.into_values().collect();
    sessions.sort_by(|(a, _), (b, _)| (a.start, &a.id).cmp(&(b.start, &b.id)));
    Gathered { sessions, calendars }
}

/// A session with a change over it.
///
/// # Errors
/// Why that would be no session.
pub fn apply(
    change: &SessionChange,
    before: Option<&Session>,
    topology: &Topology,
) -> Result<Session, String> {
    let missing = |what: &str| format!("a session that nobody knows yet needs `{what}`");
    let title = change.title.clone().or(before.map(|s| s.title.clone()));
    let start = change.start.or(before.map(|s| s.start)).ok_or_else(|| missing("start"))?;
    let end = change.end.or(before.map(|s| s.end)).ok_or_else(|| missing("end"))?;
    let length = end.duration_since(start);
    if length <= SignedDuration::ZERO {
        return Err("the session ends before it starts".to_owned());
    }
    if length > LONGEST {
        return Err("the session lasts longer than 7 days".to_owned());
    }
    let mut sites: BTreeMap<SiteIx, u32> = before.map(|s| s.sites.clone()).unwrap_or_default();
    if change.all {
        for site in topology.site_ixs() {
            sites.entry(site).or_default();
        }
    }
    let dropped: BTreeSet<SiteIx> =
        change.drop.iter().filter_map(|id| topology.find_site(id)).collect();
    for site in change.add.iter().filter_map(|id| topology.find_site(id)) {
        sites.entry(site).or_default();
    }
    sites.retain(|site, _| !dropped.contains(site));
    for (id, figure) in &change.delegates {
        if let Some(site) = topology.find_site(id) {
            sites.entry(site).and_modify(|now| *now = *figure);
        }
    }
    if sites.is_empty() {
        return Err("nobody would take part".to_owned());
    }
    Ok(Session {
        id: change.id.clone(),
        title: title.ok_or_else(|| missing("title"))?,
        start,
        end,
        importance: change.importance.or(before.map(|s| s.importance)).unwrap_or_default(),
        sites,
    })
}
