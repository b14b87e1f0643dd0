//! The calendar as a whole: the sessions of the files, those of the calendars that others keep, and
//! what people changed at the last minute.
//!
//! 1. A session is known by its id. What `sessions.yaml` says of one counts before what a calendar
//!    says, and of two calendars the one that stands first in the settings.
//! 2. A change lies over all of them: title, times, importance, sites added or dropped, delegates,
//!    or that it does not take place. A change of a session that nobody knows makes one, if it says
//!    when; a later change of that session lies over the one that made it.
//! 3. What cannot be read takes nothing away: a calendar without a good copy has no sessions, the
//!    others stay. A change that no longer fits what it lies over is left out, and told.
//! 4. A change is spent once its session is long over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Config;
use super::calendar::{self, CalendarError, Read};
use crate::model::{Session, SessionChange, SessionId, SiteIx, Topology};

/// Most sessions altogether.
const SESSIONS: usize = 20_000;
/// A change is kept for this long after the end of its session.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A change of a session that nobody knows, so that nobody knows its end, is kept for this long
/// after it was made: as long as calendars are followed ahead.
const KEPT_UNKNOWN: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What is known together.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// The sessions by start, each with where it is known from.
    pub sessions: Vec<(Arc<Session>, String)>,
    /// Those that somebody called off, by start.
    pub called_off: Vec<CalledOff>,
    /// What each calendar gave; none for one of which there is no copy.
    pub calendars: BTreeMap<String, Result<Read, CalendarError>>,
    /// Changes that do not fit what they lie over, and why; they are left out.
    pub unfit: BTreeMap<SessionId, ChangeError>,
    /// Changes that are of no use any more.
    pub spent: BTreeSet<SessionId>,
}

/// A session that does not take place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CalledOff {
    /// The session as files and calendars have it, or as it was added.
    pub session: Arc<Session>,
    /// Where it is known from.
    pub source: String,
    /// Who called it off.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// Why a change cannot be laid over a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeError {
    /// It calls off what nobody knows.
    Unknown,
    /// It is of a session that nobody knows, and would have to say this to make one.
    Missing(&'static str),
    /// The session would end before it starts.
    Backwards,
    /// The session would last longer than 7 days.
    TooLong,
    /// No site would take part.
    Nobody,
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("nobody knows this session, so it cannot be called off"),
            Self::Missing(what) => write!(f, "a session that nobody knows yet needs `{what}`"),
            Self::Backwards => f.write_str("the session ends before it starts"),
            Self::TooLong => f.write_str("the session lasts longer than 7 days"),
            Self::Nobody => f.write_str("nobody would take part"),
        }
    }
}

impl std::error::Error for ChangeError {}

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
    let mut gathered = Gathered::default();
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
        gathered.calendars.insert(calendar.name.clone(), read);
    }
    for (id, change) in changes {
        let before = known.remove(id).or_else(|| made(change, &base.topology));
        let session = before.as_ref().map(|(session, _)| &**session);
        if is_spent(change, session, now) {
            gathered.spent.insert(id.clone());
        }
        match apply(change, session, &base.topology) {
            Ok(Some(session)) => {
                let source = match before {
                    Some((_, source)) if source != API => format!("{source}, {API}"),
                    _ => API.to_owned(),
                };
                known.insert(id.clone(), (Arc::new(session), source));
            }
            Ok(None) => gathered.called_off.extend(before.map(|(session, source)| CalledOff {
                session,
                source,
                by: change.by.clone(),
                at: change.at,
            })),
            Err(why) => {
                gathered.unfit.insert(id.clone(), why);
                known.extend(before.map(|before| (id.clone(), before)));
            }
        }
    }
    gathered.sessions = known.into_values().collect();
    gathered.called_off.sort_by_key(|it| (it.session.start, it.session.id.clone()));
    gathered.sessions.sort_by(|(a, _), (b, _)| (a.start, &a.id).cmp(&(b.start, &b.id)));
    gathered
}

/// Where a session is known from that was added through the API.
const API: &str = "API";

/// The session that a change lies over where nobody else knows it: the one that was added, or, of
/// one that was added and is called off in the same breath, what it would have been.
fn made(change: &SessionChange, topology: &Topology) -> Option<(Arc<Session>, String)> {
    let whole = SessionChange { cancelled: false, ..change.clone() };
    let added = match &change.over {
        Some(added) => added,
        None if change.cancelled => &whole,
        None => return None,
    };
    let session = apply(added, None, topology).ok().flatten()?;
    Some((Arc::new(session), API.to_owned()))
}

/// Rule 4.
fn is_spent(change: &SessionChange, session: Option<&Session>, now: Timestamp) -> bool {
    let ends = [change.end, session.map(|session| session.end)];
    let (last, kept) = match ends.into_iter().flatten().max() {
        Some(end) => (end, KEPT),
        None => (change.at, KEPT_UNKNOWN),
    };
    last.checked_add(kept).is_ok_and(|until| until < now)
}

/// A session with a change over it; none when it does not take place.
fn apply(
    change: &SessionChange,
    before: Option<&Session>,
    topology: &Topology,
) -> Result<Option<Session>, ChangeError> {
    if change.cancelled {
        return before.map(|_| None).ok_or(ChangeError::Unknown);
    }
    let missing = |what: &'static str| ChangeError::Missing(what);
    let title = change.title.clone().or(before.map(|s| s.title.clone()));
    let start = change.start.or(before.map(|s| s.start)).ok_or_else(|| missing("start"))?;
    let end = change.end.or(before.map(|s| s.end)).ok_or_else(|| missing("end"))?;
    let length = end.duration_since(start);
    if length <= SignedDuration::ZERO {
        return Err(ChangeError::Backwards);
    }
    if length.unsigned_abs() > Session::LONGEST {
        return Err(ChangeError::TooLong);
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
        return Err(ChangeError::Nobody);
    }
    Ok(Some(Session {
        id: change.id.clone(),
        title: title.ok_or_else(|| missing("title"))?,
        start,
        end,
        importance: change.importance.or(before.map(|s| s.importance)).unwrap_or_default(),
        sites,
    }))
}
