//! Drills: the proof before a session that an alert about a site of it would arrive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ChannelId, Check, Incident, IncidentId, Outcome, SessionId};

/// A marked alert that took the way of a real one before a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drill {
    /// Before which session.
    pub session: SessionId,
    /// The name under which it went out.
    pub incident: IncidentId,
    /// Title of the session.
    pub title: String,
    /// When the session begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// When the drill began.
    pub at: Timestamp,
    /// The channels that it went to, with the people for whom a message was; none of these when
    /// the channel itself was meant.
    #[serde(default)]
    pub reached: BTreeMap<ChannelId, Vec<String>>,
    /// What was decided when its site fell silent, as it went out; none where nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub played: Option<Box<Incident>>,
    /// Why an alert about the session's sites would not be told while it is on, where it would not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<DrillDoubt>,
    /// Recipients who refused it for good where others of their channel have it, among the channels
    /// that miss it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<ChannelId, Vec<String>>,
    /// How it went.
    pub state: DrillState,
}

/// Why an alert about the sites of a session would not be told while it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillDoubt {
    /// Silences or planned work hold back what is about any of them.
    HeldBack,
    /// A site of them that fell silent led to no message in time.
    Unnoticed,
}

/// How a drill went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrillState {
    /// It goes on.
    Running,
    /// Every channel accepted it.
    Passed,
    /// The routes send alerts about the session's sites to nobody.
    Nobody,
    /// Some did not in time, or there was nothing to send them.
    Failed {
        /// Which have not yet.
        missing: Vec<ChannelId>,
    },
}

/// A device on this machine is to be asked while it answers, and again once it is mute.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillOrder {
    /// For the drill before which session.
    pub session: SessionId,
    /// How to ask. It is a SIP check, whose port is that of the device.
    pub check: Check,
}

/// What probes of the device of a drill learned.
#[derive(Debug, Clone, PartialEq)]
pub struct DrillSeen {
    /// For the drill before which session.
    pub session: SessionId,
    /// While it answered.
    pub answered: Outcome,
    /// Once it was mute.
    pub mute: Outcome,
}
