//! What the brain is told, and what it orders.

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Config;
use crate::model::{
    Ack, Act, Ailment, Batch, ChannelId, Confirmation, DrillOrder, DrillSeen, EngineHealth,
    HandOver, IncidentId, LinkUse, Maintenance, Outcome, Part, ProbeRequest, ReadinessOrder,
    ReadinessRun, Refusal, RotaId, SessionId, Silence, SilenceId, SiteId, TargetKey,
};

/// What the brain can be told.
#[derive(Debug, Clone)]
pub enum Input {
    /// What a probe learned. Every ordered probe is answered by exactly one.
    Outcome(Outcome),
    /// How the echo engine does; about once a second.
    Engine(EngineHealth),
    /// A part of this program reports trouble, or none: it is well.
    Part {
        /// Which part.
        part: Part,
        /// What it says of it.
        trouble: Option<Ailment>,
    },
    /// What probes of the device of a drill learned.
    DrillSeen(Box<DrillSeen>),
    /// A channel has accepted a drill; may be told again and again.
    DrillAccepted {
        /// Which channel.
        channel: ChannelId,
        /// Which drill.
        incident: IncidentId,
    },
    /// Some of several recipients of a channel refuse for good what the others have, or none do any
    /// more; may be told again and again.
    Refusing {
        /// Which channel.
        channel: ChannelId,
        /// Who.
        recipients: Vec<String>,
    },
    /// A channel has accepted something; may be told again and again.
    Delivered {
        /// Which channel.
        channel: ChannelId,
        /// When it last did.
        at: Timestamp,
    },
    /// A channel has given a message up; may be told again and again.
    GivenUp(Refusal),
    /// Time has passed.
    Tick,
    /// Somebody takes an incident on.
    Ack {
        /// Which.
        incident: IncidentId,
        /// Who, when and why.
        ack: Ack,
    },
    /// Messages are held back for a while.
    Silence(Silence),
    /// Planned work is announced.
    Maintenance(Maintenance),
    /// A silence or a maintenance window ends now.
    Lift(SilenceId),
    /// Somebody is on duty in place of whoever a rota says.
    HandOver(Box<HandOver>),
    /// A rota counts again whose duty was handed over.
    TakeDutyBack(RotaId),
    /// Somebody acts with a link in a message, which works once.
    LinkUse {
        /// That it was used.
        used: LinkUse,
        /// What it was used for.
        act: Act,
    },
    /// The configuration has changed; it has been checked.
    Reload(Arc<Config>),
    /// The daemon stops: everything that was measured is to be kept.
    Stop,
    /// Somebody wants these targets probed now; what is not watched any more is passed over.
    Demand(Vec<TargetKey>),
    /// Somebody wants to know now whether everybody is ready for a session.
    LookAhead(SessionId),
    /// A readiness run is over: one that was ordered, or one that a person made.
    Readiness(Box<ReadinessRun>),
    /// A readiness run that was ordered came to nothing.
    NoReadiness,
    /// Somebody confirmed picture and sound of a site.
    Confirm(Box<Confirmation>),
    /// Somebody takes back what was confirmed of a site.
    Unconfirm {
        /// For which session.
        session: SessionId,
        /// Of which site.
        site: SiteId,
    },
}

/// What became of what the brain was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was taken in: what follows from it is ordered, or will be in its time.
    In,
    /// It is about something that is not there, or no longer: nothing was done.
    NotThere,
}

impl Taken {
    /// Taken in, if what it is about was there.
    pub(super) const fn if_there(there: bool) -> Self {
        if there { Self::In } else { Self::NotThere }
    }
}

/// What the brain orders.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Run a probe.
    Probe(ProbeRequest),
    /// Make these changes durable, in one transaction, before anybody is shown or told.
    Commit(Batch),
    /// Find out whether everybody is ready, beside the probes that go on.
    Readiness(ReadinessOrder),
    /// Have a device fall silent and say what probes learn of it, for a drill.
    Drill(Box<DrillOrder>),
}
