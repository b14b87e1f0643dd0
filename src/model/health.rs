//! How well something does, and how sure we are.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Stamp;

/// How well a target, an endpoint or a site does. Ordered from best to worst, unknown last: it is
/// the absence of a judgement.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Works.
    Up,
    /// Works, but badly.
    Degraded,
    /// Does not work.
    Down,
    /// Nothing was learned.
    #[default]
    Unknown,
}

impl Health {
    /// All values, in the order of the metrics table.
    pub const ALL: [Self; 4] = [Self::Up, Self::Degraded, Self::Down, Self::Unknown];

    /// The word in metrics, logs and the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

/// The confirmed health and what the latest outcomes hint at.
///
/// Packed, since there are two of every target and endpoint at times: six bytes of sixteen would
/// be empty.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(Rust, packed(2))]
pub struct Standing {
    /// Confirmed: what people are told.
    pub hard: Health,
    /// What the last outcome says. Differs from `hard` until confirmed or forgotten.
    pub soft: Health,
    /// When `hard` last changed; none before the first judgement.
    pub since: Option<Stamp>,
}

/// A confirmed health as it is kept over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HardState {
    /// The confirmed health.
    pub health: Health,
    /// Since when it is confirmed.
    pub since: Timestamp,
    /// When it began, by the first outcome that said so; none when that is not known. What was
    /// lost counts from here, not from the moment at which it was confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Timestamp>,
    /// Whether it was ever seen to work. What never worked is not missed.
    #[serde(default)]
    pub seen_up: bool,
}

/// A confirmed change of health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HealthChange {
    /// When it was confirmed.
    pub at: Timestamp,
    /// When it began, by the first outcome that said so; none when that is not known.
    pub began: Option<Timestamp>,
    /// The health from then on.
    pub health: Health,
}
