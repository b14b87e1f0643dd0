//! The whole state at one moment, immutable: what metrics, board, API and readiness look at.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Brief, Certificate, ChannelId, Confirmation, DutyView, EngineHealth, Failure, Health, Incident,
    IncidentId, Maintenance, Now, Phase, ReadinessRun, SelfDoubt, Session, SessionId, Silence,
    Stamp, Standing, Topology,
};

/// The whole state at one moment. The views stand at the positions of the topology.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Now,
    /// What is watched.
    pub topology: Arc<Topology>,
    /// Counts the topologies since the start; grows at every reload that changes something.
    pub generation: u32,
    /// One for each target.
    pub targets: Vec<TargetView>,
    /// One for each endpoint.
    pub endpoints: Vec<EndpointView>,
    /// One for each site; the list of the snapshot before while nothing of any changed.
    pub sites: Arc<Vec<SiteView>>,
    /// Open incidents, gravest first, then those resolved within the last hour and those that
    /// somebody has yet to be told to be over.
    pub incidents: Vec<Arc<Incident>>,
    /// Sessions that are on or near, soonest first.
    pub sessions: Vec<SessionView>,
    /// The last readiness run of every session that is to come, on, or just over, soonest first.
    pub readiness: Vec<Arc<ReadinessRun>>,
    /// What people confirmed of picture and sound for those sessions.
    pub confirmations: Vec<Confirmation>,
    /// Silences in force or to come.
    pub silences: Vec<Silence>,
    /// Maintenance windows in force or to come.
    pub maintenance: Vec<Maintenance>,
    /// Who is on duty by each rota, in the order of the settings.
    pub duty: Vec<DutyView>,
    /// How the monitor itself does.
    pub monitor: MonitorView,
}

/// A target at one moment. Counters grow from the start of the daemon; they are half as wide as
/// others, since there are two of every target at times, and last for thirteen years at ten packets
/// a second.
#[derive(Debug, Clone, Default)]
pub struct TargetView {
    /// Its health.
    pub standing: Standing,
    /// Whether it was ever seen to work. What never worked is not missed.
    pub seen_up: bool,
    /// Probes with a reply or a remote failure.
    pub probes: u32,
    /// Probes with a remote failure.
    pub failures: u32,
    /// Probes that this machine failed to make.
    pub local_failures: u32,
    /// Packets sent, for checks that count packets.
    pub sent: u32,
    /// Packets lost.
    pub lost: u32,
    /// Round trip of the last reply.
    pub rtt: Option<Brief>,
    /// When the last outcome came.
    pub last: Option<Stamp>,
    /// What the last failure said, kept also after a success.
    pub last_failure: Option<Arc<(Timestamp, Failure)>>,
    /// Whether the last outcome was a failure.
    pub failing: bool,
    /// What a service showed; none where no service is asked for anything, which is nearly
    /// everywhere.
    pub service: Option<Arc<ServiceView>>,
    /// Reply's time to live, for echo checks.
    pub ttl: Option<u8>,
    /// Reply's TOS byte, for echo checks.
    pub tos: Option<u8>,
}

/// What a service showed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceView {
    /// The last certificate seen.
    pub certificate: Option<Arc<Certificate>>,
    /// The last status code seen.
    pub status: Option<u16>,
    /// The device's clock minus ours, in whole seconds.
    pub clock_offset_s: Option<i64>,
}

impl TargetView {
    /// The last certificate seen.
    #[must_use]
    pub fn certificate(&self) -> Option<&Certificate> {
        self.service.as_ref()?.certificate.as_deref()
    }

    /// The last status code seen.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.service.as_ref()?.status
    }

    /// The device's clock minus ours, in whole seconds.
    #[must_use]
    pub fn clock_offset_s(&self) -> Option<i64> {
        self.service.as_ref()?.clock_offset_s
    }
}

/// An endpoint at one moment.
#[derive(Debug, Clone, Default)]
pub struct EndpointView {
    /// Its health.
    pub standing: Standing,
    /// Quality of the path to it; none without an echo check or enough samples.
    pub quality: Option<Quality>,
}

/// A site at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteView {
    /// Its health.
    pub standing: Standing,
    /// Where it stands relative to its sessions.
    pub phase: Phase,
    /// The session that the phase comes from.
    pub session: Option<SessionId>,
    /// Its delegates in that session.
    pub delegates: u32,
    /// The open incident that explains it.
    pub incident: Option<IncidentId>,
    /// Whether planned work is going on.
    pub in_maintenance: bool,
    /// Whether messages are held back.
    pub silenced: bool,
}

/// Quality of a path over the sliding window. Seven digits are more than any of the figures is
/// worth, and there are two of every endpoint at times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Packets sent in the window.
    pub samples: u16,
    /// Share of packets lost, 0 to 1.
    pub loss: f32,
    /// Median round trip in seconds.
    pub rtt_s: f32,
    /// 95th percentile of the round trip in seconds.
    pub rtt_p95_s: f32,
    /// Round-trip jitter by RFC 3550 §6.4.1 in seconds.
    pub jitter_s: f32,
    /// Transmission rating by ITU-T G.107, 0 to 93.2.
    pub r: f32,
    /// Mean opinion score estimated from `r`, 1 to 4.5.
    pub mos: f32,
    /// The judgement, after hysteresis.
    pub grade: QualityGrade,
}

/// The judgement of a path's quality, best first.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum QualityGrade {
    /// Nobody notices.
    #[default]
    Good,
    /// Some notice.
    Fair,
    /// Everybody notices.
    Poor,
}

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct SessionView {
    /// The session.
    pub session: Arc<Session>,
    /// Where it stands.
    pub phase: Phase,
    /// Taking-part sites by health, in the order of [`Health::ALL`].
    pub sites: [u32; 4],
    /// Delegates at those sites, in the order of [`Health::ALL`].
    pub delegates: [u64; 4],
    /// Seconds that taking-part sites were down since the start, summed over sites.
    pub seconds_lost: u64,
}

impl SessionView {
    /// Taking-part sites with this health.
    #[must_use]
    pub const fn sites_in(&self, health: Health) -> u32 {
        self.sites[health as usize]
    }

    /// Delegates at taking-part sites with this health.
    #[must_use]
    pub const fn delegates_in(&self, health: Health) -> u64 {
        self.delegates[health as usize]
    }
}

/// How the monitor itself does.
#[derive(Debug, Clone, Default)]
pub struct MonitorView {
    /// Whether it can see; if not, everything is unknown.
    pub blind: bool,
    /// Why it cannot see, or what of it does not work; empty when all is well.
    pub reasons: Vec<SelfDoubt>,
    /// Probes under way.
    pub in_flight: u32,
    /// Probes that were due while the one before was still under way, since the start.
    pub overlaps_avoided: u64,
    /// Worst lateness of a probe's start in the last minute.
    pub worst_lateness: Duration,
    /// How the echo engine does; its worst lateness is that of the last minute.
    pub engine: EngineHealth,
    /// When the last drill began that is over, and whether every channel accepted it.
    pub drill: Option<(Timestamp, bool)>,
    /// For each channel, of how many incidents something is to be said and is not yet, since the
    /// messages of the hour are used up or it has yet to last.
    pub held_back: Vec<(ChannelId, u32)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_of_every_target_twice_at_times_is_small() {
        assert!(size_of::<TargetView>() <= 64);
        assert!(size_of::<EndpointView>() <= 40);
        assert!(size_of::<SiteView>() <= 56);
    }
}
