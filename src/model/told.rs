//! What was told of an incident, to whom, and what became of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Cause, ChannelId, Incident, IncidentId, NotificationId, NotificationKind, Severity, SiteId,
};

/// A record of having told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Which channel.
    pub channel: ChannelId,
    /// What kind of message.
    pub kind: NotificationKind,
    /// When it was decided.
    pub at: Timestamp,
    /// The severity that was told.
    #[serde(default)]
    pub severity: Severity,
    /// The cause that was told.
    pub cause: Cause,
    /// The number of affected sites that was told.
    #[serde(default)]
    pub affected: u32,
    /// The site at fault that was told; none in records of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// The label that sites share, and its value, where that was told to be at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<(String, String)>,
    /// Names of the people for whom it was; empty when the channel itself was meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// Whether it went there only because these people were on duty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_duty: bool,
    /// The step of escalation that it was; 0 is the route itself.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub step: u32,
    /// Its running number among the messages about the incident; 0 in records of before there was
    /// one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nth: u32,
    /// Whether it used up the messages of the hour about something that comes and goes, so that
    /// nothing is said for a while unless it becomes critical.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub last_for_now: bool,
    /// What became of it when the channel gave it up; none while it may have been heard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given_up: Option<GivenUp>,
}

/// How grave a fault is, how far it reaches and where it lies: what is compared to learn whether it
/// has become worse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// How urgent.
    pub severity: Severity,
    /// What kind of fault.
    pub cause: Cause,
    /// The number of sites affected.
    pub affected: u32,
    /// The site at fault; none where something else is, or where that was not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// The label that sites share, and its value, where that is at fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common: Option<(String, String)>,
}

/// That messages about an incident are held back by a silence or by planned work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Muted {
    /// Since when.
    pub since: Timestamp,
    /// What is held back: how far it had gone then, or when it was last told all the same.
    #[serde(flatten)]
    pub extent: Extent,
}

/// What is not told before the end of quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quieted {
    /// When they end.
    pub until: Timestamp,
    /// Who knows nothing of it until then.
    pub whom: Vec<Waits>,
}

/// A channel that is told later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waits {
    /// Which.
    pub channel: ChannelId,
    /// Names of the people for whom it is; empty when the channel itself is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub people: Vec<String>,
    /// When they are told at the earliest, where that is after the end of quiet hours: too much is
    /// said in the hour before, or what is told has yet to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.people.as_slice() {
            [] => self.channel.fmt(f),
            people => write!(f, "{} ({})", people.join(", "), self.channel),
        }
    }
}

/// How an incident had waited for somebody when messages about it began to be held back. That time
/// stands still until they are not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Since when what was told belongs to this wait: nobody is told a step of it twice.
    pub since: Timestamp,
    /// For how long, in milliseconds, without the times for which messages were held back before.
    pub for_ms: u64,
}

impl Extent {
    /// How an incident is now.
    #[must_use]
    pub fn of(incident: &Incident) -> Self {
        Self {
            severity: incident.severity,
            cause: incident.cause,
            affected: u32::try_from(incident.affected_now().count()).unwrap_or(u32::MAX),
            site: incident.site.clone(),
            common: incident.common.as_ref().map(|it| (it.label.clone(), it.value.clone())),
        }
    }
}

impl Told {
    /// What was told of how grave it is, how far it reaches and where it lies.
    #[must_use]
    pub fn extent(&self) -> Extent {
        Extent {
            severity: self.severity,
            cause: self.cause,
            affected: self.affected,
            site: self.site.clone(),
            common: self.common.clone(),
        }
    }

    /// Whether nobody heard of it: the channel gave it up, and so did whoever stood in.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.through().is_none()
    }

    /// The channel that told it, or is about to: this one, or one that stands in.
    #[must_use]
    pub fn through(&self) -> Option<&ChannelId> {
        match &self.given_up {
            Some(it) if it.by.contains(&self.channel) => {
                it.instead.as_ref().filter(|instead| !it.by.contains(instead))
            }
            _ => Some(&self.channel),
        }
    }

    /// Whether it is to be told anew, as if it had never been decided.
    #[must_use]
    pub fn is_due_again(&self) -> bool {
        self.is_untold() && self.given_up.as_ref().is_some_and(|it| it.again)
    }
}

/// Which channel was to tell a message of this id, or a copy of it, and its running number among
/// the messages about the incident; none for what stands in no incident's record, such as a drill.
#[must_use]
pub fn on_record<'a>(message: &'a NotificationId, incident: &IncidentId) -> Option<(&'a str, u32)> {
    let rest = message.as_str().strip_prefix(incident.as_str())?.strip_prefix('/')?;
    // What follows says who stood in.
    let mut parts = rest.split('/');
    let (channel, _kind, nth) = (parts.next()?, parts.next()?, parts.next()?);
    Some((channel, nth.parse().ok()?))
}

/// That channels gave a message up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GivenUp {
    /// When the last of them did.
    pub at: Timestamp,
    /// Which: the one that was to tell it, those that stood in for it, or both.
    pub by: Vec<ChannelId>,
    /// Which one stands in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead: Option<ChannelId>,
    /// Whether there is reason since to think that the channel works.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}

/// A channel has given a message up, so that the monitor knows who did not hear of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it was about.
    pub incident: IncidentId,
    /// The channel that was to be told.
    pub channel: ChannelId,
    /// Its running number among the messages about the incident.
    pub nth: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// By which channel: that one, or one that stood in.
    pub by: ChannelId,
    /// Which one stands in now.
    pub instead: Option<ChannelId>,
}

impl Refusal {
    /// What it means that a message of this id was given up by a channel; none for what stands in
    /// no incident's record, such as a drill.
    #[must_use]
    pub fn of(
        message: &NotificationId,
        incident: &IncidentId,
        by: &ChannelId,
        instead: Option<&ChannelId>,
        at: Timestamp,
    ) -> Option<Self> {
        let (channel, nth) = on_record(message, incident)?;
        Some(Self {
            incident: incident.clone(),
            channel: ChannelId::new(channel),
            nth,
            at,
            by: by.clone(),
            instead: instead.cloned(),
        })
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
const fn is_zero(n: &u32) -> bool {
    *n == 0
}
