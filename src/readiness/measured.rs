//! What the hands brought back of a survey.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Failure, Reply, SiteId, TargetKey};

/// Everything that was measured. What is not in it was not asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// What each target said when it was asked, once or, if it failed, twice.
    pub outcomes: BTreeMap<TargetKey, Vec<Result<Reply, Failure>>>,
    /// The stretches of the train to each device, in order of time.
    pub trains: BTreeMap<TargetKey, Vec<Burst>>,
    /// How large packets fared on the way to each device.
    pub mtus: BTreeMap<TargetKey, MtuSeen>,
    /// When each site was looked at.
    pub checked: BTreeMap<SiteId, Timestamp>,
}

/// One stretch of a train of echoes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Burst {
    /// Echoes whose fate could be seen.
    pub sent: u32,
    /// Round trips of those that were answered, in the order sent.
    pub rtts: Vec<Duration>,
}

/// How large packets fared that must not be fragmented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MtuSeen {
    /// The size asked for passes.
    Passes,
    /// It does not, and a router says so: bytes that pass, 0 when it did not say.
    Told(u16),
    /// It does not and nobody says why; the largest size that passed.
    Vanishes(u16),
    /// Nothing was learned: our own interface is smaller, or no size was answered.
    Unknown,
}
