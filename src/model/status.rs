//! How the hands do that keep and tell: what metrics, the board and the monitor itself look at.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ChannelId, IncidentId, Mono, Now};

/// How a channel does. Counters grow from the start of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Which channel.
    pub id: ChannelId,
    /// What it is, as in the settings.
    pub kind: String,
    /// The channel that stands in for it.
    #[serde(skip)]
    pub fallback: Option<ChannelId>,
    /// Messages that wait or are on their way.
    pub queued: u32,
    /// Messages that were accepted.
    pub delivered: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Attempts that failed and were, or will be, made again.
    pub retried: u64,
    /// Messages that needed no sending any more, as a later one tells the same.
    pub withdrawn: u64,
    /// Messages that went through the fallback channel as well.
    pub fallen_back: u64,
    /// When the oldest waiting message was decided.
    pub oldest: Option<Timestamp>,
    /// When the oldest of those was decided that has reached none of the channel's recipients.
    #[serde(skip)]
    pub untold: Option<Timestamp>,
    /// Since when every attempt has failed; none while the channel works.
    pub failing_since: Option<Timestamp>,
    /// The same on the clock that nobody sets, to measure by.
    #[serde(skip)]
    pub failing_from: Option<Mono>,
    /// What the last failed attempt said, without secrets; kept also after a success.
    pub last_error: Option<String>,
    /// When a message was last accepted.
    pub last_delivered: Option<Timestamp>,
    /// The last drills that were accepted, the latest at the end.
    pub drills: Vec<IncidentId>,
    /// Times that one of several recipients refused for good, or did not take for a day, what
    /// others have.
    pub refused: u64,
    /// Those of several recipients who were not reached with the last that they were offered.
    pub refusing: Vec<Refusing>,
}

/// One of several recipients of a channel who is not reached any more, though others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusing {
    /// Who, by a number of a group or a place in the settings; nobody's number or address.
    pub recipient: String,
    /// Since when.
    pub since: Timestamp,
    /// What the service said last, without secrets.
    pub reason: String,
}

impl ChannelStatus {
    /// One that nothing was sent through yet.
    pub fn idle(id: ChannelId, kind: impl Into<String>) -> Self {
        Self {
            id,
            kind: kind.into(),
            fallback: None,
            queued: 0,
            delivered: 0,
            failed: 0,
            retried: 0,
            withdrawn: 0,
            fallen_back: 0,
            oldest: None,
            untold: None,
            failing_since: None,
            failing_from: None,
            last_error: None,
            last_delivered: None,
            drills: Vec::new(),
            refused: 0,
            refusing: Vec::new(),
        }
    }
}

/// How the database does. Counters grow from the start of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// What is wrong; none while everything that was decided is on disk in time.
    pub trouble: Option<StoreTrouble>,
    /// Since when.
    pub since: Option<Now>,
    /// Changes that are not on disk yet.
    pub waiting: u32,
    /// Transactions that reached the disk.
    pub commits: u64,
    /// Transactions that did not.
    pub failures: u64,
    /// Measurements that were given up because the disk did not take them.
    pub lost_rollups: u64,
    /// How long the last transaction took.
    pub last_commit: Duration,
    /// Size of the database in bytes, its log included.
    pub bytes: u64,
}

/// Why the database does not take what was decided. Displayed, it says what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreTrouble {
    /// There is no room left.
    Full {
        /// Where the database lies.
        dir: PathBuf,
    },
    /// Another program holds it.
    Held {
        /// Where it lies.
        dir: PathBuf,
    },
    /// It may not be written.
    ReadOnly {
        /// Where it lies.
        dir: PathBuf,
    },
    /// It is no database any more.
    Damaged {
        /// Where it lies.
        dir: PathBuf,
    },
    /// Another file lies in its place.
    Replaced {
        /// Where it lay.
        dir: PathBuf,
    },
    /// The disk fails in some other way.
    Failing {
        /// Where the database lies.
        dir: PathBuf,
    },
    /// The disk neither takes a change nor refuses it.
    Silent {
        /// Since so many seconds at least.
        seconds: u64,
    },
}

impl fmt::Display for StoreTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { dir } => {
                write!(f, "the disk is full: free some space for {}", dir.display())
            }
            Self::Held { dir } => {
                write!(f, "another program holds the database in {}: end it", dir.display())
            }
            Self::ReadOnly { dir } => write!(
                f,
                "{} cannot be written: check its owner and that the disk is not read-only",
                dir.display()
            ),
            Self::Damaged { dir } => write!(
                f,
                "the database in {} is damaged: restart vchealth, which moves it aside and saves \
                 what can be read",
                dir.display()
            ),
            Self::Replaced { dir } => write!(
                f,
                "the database in {} was replaced while in use: restart vchealth to go on with the \
                 new file, or move that away to have the former one put back",
                dir.display()
            ),
            Self::Failing { dir } => write!(f, "the disk fails under {}: check it", dir.display()),
            Self::Silent { seconds } => {
                write!(f, "the disk has not taken a change for {seconds} s")
            }
        }
    }
}
