//! How the hands do that keep and tell: what metrics, the board and the monitor itself look at.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ChannelId, IncidentId};

/// How a channel does. Counters grow from the start of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// Which channel.
    pub id: ChannelId,
    /// What it is, as in the settings.
    pub kind: String,
    /// Messages that wait or are on their way.
    pub queued: u32,
    /// Messages that were accepted.
    pub delivered: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Attempts that failed and were, or will be, made again.
    pub retried: u64,
    /// Messages that needed no sending any more: told by a later one, or taken back.
    pub withdrawn: u64,
    /// Messages that went through the fallback channel as well.
    pub fallen_back: u64,
    /// When the oldest waiting message was decided.
    pub oldest: Option<Timestamp>,
    /// Since when every attempt has failed; none while the channel works.
    pub failing_since: Option<Timestamp>,
    /// What the last failed attempt said, without secrets; kept also after a success.
    pub last_error: Option<String>,
    /// When a message was last accepted.
    pub last_delivered: Option<Timestamp>,
    /// The last drill that was accepted.
    pub drill: Option<IncidentId>,
}

/// How the database does. Counters grow from the start of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreStatus {
    /// What is wrong, in plain words; none while everything that was decided is on disk in time.
    pub trouble: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
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
