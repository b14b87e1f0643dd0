//! Duty that somebody handed over, and who is on duty as everybody is shown it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ChannelId, PersonId, RotaId};

/// Somebody is on duty in place of whoever a rota says, until a moment: a night shift that is ill,
/// a car that does not start. What is known long before stands in the settings as a dated shift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// By which rota.
    pub rota: RotaId,
    /// Who is on duty, at least one.
    pub people: Vec<PersonId>,
    /// Until when.
    pub until: Timestamp,
    /// Who arranged it.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Who had the duty before and has it no longer, by this and by what was handed over before it
    /// passed back. The monitor writes it down.
    #[serde(default)]
    pub relieved: Vec<PersonId>,
}

/// A rota at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DutyView {
    /// Which rota.
    pub rota: RotaId,
    /// Who is on duty.
    pub now: Vec<OnDuty>,
    /// Until when, if that ever changes.
    pub until: Option<Timestamp>,
    /// Who comes on duty next, others than now.
    pub next: Vec<OnDuty>,
    /// When they do.
    pub next_from: Option<Timestamp>,
    /// That the duty was handed over, while that lasts.
    pub handed: Option<HandOver>,
    /// Whom it was handed to that the settings do not know any more: they are told nothing.
    pub gone: Vec<PersonId>,
}

/// Somebody on duty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnDuty {
    /// Who.
    pub id: PersonId,
    /// Their name.
    pub name: String,
    /// Their telephone number, as written; empty when none is.
    pub phone: String,
    /// The ways to reach them.
    pub channels: Vec<ChannelId>,
}
