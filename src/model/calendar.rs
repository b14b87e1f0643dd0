//! The calendar: the sessions that are known, where each is known from, and how the calendars of
//! others that some come from do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Importance, Session, SessionId, SiteId};

/// The sessions that are known, of whatever source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    /// The sessions, by start, each with where it is known from: `sessions.yaml`, the name of a
    /// calendar, `API`, or a combination such as `sessions.yaml, API`.
    pub sessions: Vec<(Arc<Session>, String)>,
    /// The calendars, in the order of the settings.
    pub calendars: Vec<CalendarStatus>,
}

/// How a calendar does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CalendarStatus {
    /// Its name in the settings.
    pub name: String,
    /// Sessions known from it.
    pub sessions: u32,
    /// When it was last read with success; none when that was before the start of the daemon.
    pub last_success: Option<Timestamp>,
    /// Since when every look at it has failed; none while it works. The sessions known from it
    /// stay.
    pub failing_since: Option<Timestamp>,
    /// What the last failed look said.
    pub last_error: Option<String>,
    /// What in it is not followed, in words, as many as are listed.
    pub troubles: Vec<String>,
}

/// What somebody changed about a session at the last minute. It lies over what files and calendars
/// say of the session with this id, until it is withdrawn; what it does not say stays theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionChange {
    /// Which session; one that nobody knows is made by it.
    pub id: SessionId,
    /// What people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// When it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Timestamp>,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Timestamp>,
    /// How much an outage matters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub importance: Option<Importance>,
    /// Whether it does not take place.
    #[serde(default)]
    pub cancelled: bool,
    /// Whether every site takes part.
    #[serde(default)]
    pub all: bool,
    /// Sites that take part besides.
    #[serde(default)]
    pub add: BTreeSet<SiteId>,
    /// Sites that do not take part.
    #[serde(default)]
    pub drop: BTreeSet<SiteId>,
    /// Delegates of single sites.
    #[serde(default)]
    pub delegates: BTreeMap<SiteId, u32>,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What the session was added by, where neither files nor calendars know it: the change lies
    /// over that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Box<SessionChange>>,
}

impl SessionChange {
    /// Whether it says all that makes a session.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let someone = self.all || !self.add.is_empty();
        self.title.is_some() && self.start.is_some() && self.end.is_some() && someone
    }
}
