//! The words of the house as types: what a site is, what a probe learned, what an incident says.
//!
//! Everything else in the crate is written in these words, so this room depends on nothing but
//! plain data crates. It holds no logic beyond what keeps a value valid.

mod address;
mod batch;
mod calendar;
mod check;
mod drill;
mod duty;
mod form;
mod health;
mod id;
mod incident;
mod outcome;
mod readiness;
mod record;
mod retold;
mod session;
mod sketch;
mod snapshot;
mod status;
mod text;
mod time;
mod told;
mod topology;
mod trace;

pub use address::WebAddress;
pub use batch::{
    Act, Batch, Change, Chosen, Durable, LinkUse, LostTime, Maintenance, Rollup, Silence, Watch,
};
pub use calendar::{Calendar, CalendarStatus, SessionChange};
pub use check::{
    Check, CheckKind, H323Check, HttpCheck, HttpMethod, IcmpCheck, Paces, SipCheck, SipTransport,
    TcpCheck,
};
pub use drill::{Drill, DrillDoubt, DrillOrder, DrillSeen, DrillState};
pub use duty::{DutyView, HandOver, OnDuty};
pub use form::ReportFormat;
pub use health::{HardState, Health, HealthChange, Standing};
pub use id::{
    ChannelId, CheckId, ClassId, EndpointId, EndpointIx, IncidentId, LevelId, LevelIx,
    NotificationId, PersonId, RotaId, SessionId, SilenceId, SiteId, SiteIx, TargetIx, TargetKey,
};
pub(crate) use incident::missed;
pub use incident::{
    Ack, Affected, Ailment, Alert, Cause, CommonFactor, Evidence, Incident, Notification,
    NotificationKind, Part, Resolution, Saw, SelfDoubt, Severity, Strain,
};
pub use outcome::{
    Certificate, Detail, Effort, EngineHealth, Failure, HttpDetail, IcmpDetail, IcmpError,
    LocalFailure, Outcome, ProbeRequest, Reached, RemoteFailure, Reply, RttList, SipDetail,
    TcpDetail, Trigger, Unreachable, hops,
};
pub use readiness::{
    AnnouncedWork, Confirmation, Finding, FindingKind, Found, Past, PastVerdict, ReadinessNotice,
    ReadinessOrder, ReadinessRun, SiteReadiness, TrainFigures, Verdict,
};
pub use record::{Attendance, SessionRecord, Stay};
pub use retold::{quoted, retold};
pub use session::{Importance, Phase, Session};
pub use sketch::{Sketch, Spread};
pub use snapshot::{
    EndpointView, MonitorView, Quality, QualityGrade, ServiceView, SessionView, SiteView, Snapshot,
    TargetView,
};
pub use status::{ChannelStatus, Refusing, StoreStatus, StoreTrouble};
pub use text::{Bilingual, Language, chain, encoded, folded, is_unseen};
pub use time::{Brief, Mono, Now, Stamp, micros};
pub use told::{Extent, GivenUp, Muted, Quieted, Refusal, Told, Waited, Waits, on_record};
pub use topology::{Contact, Endpoint, Few, Host, Level, Site, Target, Topology};
pub use trace::{Judgement, Step, StepKind, Trace};
