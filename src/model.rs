//! The words of the house as types: what a site is, what a probe learned, what an incident says.
//!
//! Everything else in the crate is written in these words, so this room depends on nothing but
//! plain data crates. It holds no logic beyond what keeps a value valid.

mod batch;
mod check;
mod health;
mod id;
mod incident;
mod outcome;
mod session;
mod snapshot;
mod status;
mod text;
mod time;
mod topology;
mod trace;

pub use batch::{Batch, Change, Durable, Maintenance, Rollup, Silence, Withdrawal};
pub use check::{
    Check, CheckKind, H323Check, HttpCheck, HttpMethod, IcmpCheck, Paces, SipCheck, SipTransport,
    TcpCheck,
};
pub use health::{HardState, Health, Standing};
pub use id::{
    ChannelId, CheckId, ClassId, EndpointId, EndpointIx, IncidentId, LevelId, LevelIx,
    NotificationId, PersonId, RotaId, SessionId, SilenceId, SiteId, SiteIx, TargetIx, TargetKey,
};
pub use incident::{
    Ack, Affected, Alert, Cause, CommonFactor, Evidence, Incident, Notification, NotificationKind,
    Resolution, Saw, SelfDoubt, Severity, Told,
};
pub use outcome::{
    Certificate, Detail, Effort, EngineHealth, Failure, HttpDetail, IcmpDetail, IcmpError,
    LocalFailure, Outcome, ProbeRequest, RemoteFailure, Reply, RttList, SipDetail, TcpDetail,
    Trigger, Unreachable,
};
pub use session::{Importance, Phase, Session};
pub use snapshot::{
    DutyView, EndpointView, MonitorView, OnDuty, Quality, QualityGrade, SessionView, SiteView,
    Snapshot, TargetView,
};
pub use status::{ChannelStatus, StoreStatus};
pub use text::{Bilingual, Language};
pub use time::{Mono, Now};
pub use topology::{Contact, Endpoint, Host, Level, Site, Target, Topology};
pub use trace::{Judgement, Step, StepKind, Trace};
