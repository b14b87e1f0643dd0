//! Sessions, and where a site stands relative to them.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{SessionId, SiteIx};

/// A session (phiên họp).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// What people call it.
    pub title: String,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends; after `start`.
    pub end: Timestamp,
    /// How much an outage matters.
    pub importance: Importance,
    /// The sites that take part, each with its delegates.
    pub sites: BTreeMap<SiteIx, u32>,
}

impl Session {
    /// Longest session that is believed: whoever writes a longer one has mistaken a date.
    pub const LONGEST: Duration = Duration::from_hours(7 * 24);
}

/// How much an outage during a session matters.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Importance {
    /// A rehearsal or a technical test.
    Low,
    /// An ordinary session.
    #[default]
    Normal,
    /// The government or the whole province is on the line.
    High,
}

/// Where a site stands relative to its sessions, from far to near.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No session near.
    #[default]
    Idle,
    /// A session has just ended.
    WrapUp,
    /// A session is about to begin.
    Readiness,
    /// A session is on.
    Live,
}

impl Phase {
    /// The word in metrics and settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::WrapUp => "wrap-up",
            Self::Readiness => "readiness",
            Self::Live => "live",
        }
    }

    /// All phases, from far to near.
    pub const ALL: [Self; 4] = [Self::Idle, Self::WrapUp, Self::Readiness, Self::Live];
}

impl Session {
    /// Where this session stands at `at`: readiness begins `lead` before the start, wrap-up lasts
    /// `tail` after the end. The start belongs to live, the end to wrap-up.
    #[must_use]
    pub fn phase(&self, at: Timestamp, lead: Duration, tail: Duration) -> Phase {
        let opens = self.start.checked_sub(lead).unwrap_or(Timestamp::MIN);
        let closes = self.end.checked_add(tail).unwrap_or(Timestamp::MAX);
        if at < opens || at >= closes {
            Phase::Idle
        } else if at < self.start {
            Phase::Readiness
        } else if at < self.end {
            Phase::Live
        } else {
            Phase::WrapUp
        }
    }

    /// Delegates at all sites together.
    #[must_use]
    pub fn delegates(&self) -> u64 {
        self.sites.values().map(|delegates| u64::from(*delegates)).sum()
    }
}
