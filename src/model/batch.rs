//! What one step of the brain changes for good: committed as one transaction, replayed after a
//! restart.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Ack, Confirmation, Drill, HandOver, HardState, Incident, IncidentId, Notification, PastVerdict,
    ReadinessRun, RotaId, SessionId, SessionRecord, SilenceId, SiteId, Spread, TargetKey,
};

/// Durable changes that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// In the order in which they were decided.
    pub changes: Vec<Change>,
}

/// One durable change. Those of health come by the ten thousand; whatever is larger is boxed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A confirmed health: of a target, an endpoint or a site.
    Health {
        /// Of what.
        key: TargetKey,
        /// The new state.
        state: HardState,
    },
    /// Something is watched no longer.
    Forget(TargetKey),
    /// An incident was opened, changed or resolved; replaces the record with this id.
    Incident(Box<Incident>),
    /// A silence was set or changed.
    Silence(Box<Silence>),
    /// A maintenance window was set or changed.
    Maintenance(Box<Maintenance>),
    /// A silence or maintenance window was ended early.
    Lift(SilenceId),
    /// The duty by a rota was handed over, or was taken back; replaces what was said of it before.
    Duty {
        /// Which rota.
        rota: RotaId,
        /// To whom and until when; none when the rota counts again.
        handed: Option<Box<HandOver>>,
    },
    /// A message goes out.
    Notify(Box<Notification>),
    /// A drill began or ended.
    Drill(Box<Drill>),
    /// A link in a message was used.
    LinkUse(Box<LinkUse>),
    /// Measurements of one target over a stretch of time.
    Rollup(Box<Rollup>),
    /// What is known of a session that is near, on or over; replaces the record with this id.
    Session(Box<SessionRecord>),
    /// A session is not held: it was taken out of the calendar before it began.
    Cancelled(SessionId),
    /// The report on a session was written; it need not be again.
    Reported {
        /// Which session.
        session: SessionId,
        /// When.
        at: Timestamp,
    },
    /// Up to when this monitor has been watching without a break.
    Watch(Watch),
    /// A readiness run is over.
    Readiness(Box<ReadinessRun>),
    /// What a session lost so far; replaces what was said before.
    Lost {
        /// The session.
        session: SessionId,
        /// How much.
        lost: LostTime,
    },
    /// Somebody confirmed picture and sound of a site; replaces what was said of it before.
    Confirm(Box<Confirmation>),
    /// What was confirmed of a site is taken back.
    Unconfirm {
        /// For which session.
        session: SessionId,
        /// Of which site.
        site: SiteId,
    },
}

/// A stretch of time for which this monitor was there to see. What lies between two of them it
/// did not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// When it was started.
    pub since: Timestamp,
    /// When it was last there for sure.
    pub until: Timestamp,
}

/// Time that sites of a session were down while it was on, summed over sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostTime {
    /// Until when it is counted.
    pub at: Timestamp,
    /// Milliseconds.
    pub ms: u64,
}

/// Messages about something are held back for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// The site and everything below it; none means everything.
    pub site: Option<SiteId>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who set it.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// Planned work: what happens to these sites meanwhile is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Its id.
    pub id: SilenceId,
    /// The sites, each with everything below it.
    pub sites: Vec<SiteId>,
    /// From when.
    pub from: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// Who announced it.
    pub by: String,
    /// What is done.
    pub reason: String,
}

/// What the link in a message was used for. It works once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkUse {
    /// The number of the link.
    pub nonce: String,
    /// What it is about.
    pub incident: IncidentId,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
    /// What was chosen.
    pub chosen: Chosen,
}

/// What somebody does about an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Takes it on.
    Ack(Ack),
    /// Holds back messages about its site.
    Silence(Silence),
    /// Announces planned work at its site.
    Maintain(Maintenance),
}

/// What somebody chose with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chosen {
    /// To take the incident on.
    Ack,
    /// To hold back messages.
    Silence {
        /// Until when.
        until: Timestamp,
    },
    /// To announce planned work.
    Maintenance {
        /// Until when.
        until: Timestamp,
    },
}

/// Measurements of one target over one stretch of time, for reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollup {
    /// What was measured.
    pub key: TargetKey,
    /// Beginning of the stretch.
    pub from: Timestamp,
    /// Its length in seconds.
    pub seconds: u32,
    /// Probes with a result.
    pub probes: u32,
    /// Probes that failed.
    pub failed: u32,
    /// Probes that could not be made.
    pub local: u32,
    /// Packets sent, for checks that count packets.
    pub sent: u32,
    /// Packets lost.
    pub lost: u32,
    /// Packets of those lost while the target was confirmed down: then there is no path to judge.
    pub lost_down: u32,
    /// Smallest round trip in microseconds; none without a reply.
    pub rtt_min_us: Option<u32>,
    /// Mean round trip in microseconds.
    pub rtt_mean_us: Option<u32>,
    /// Largest round trip in microseconds.
    pub rtt_max_us: Option<u32>,
    /// Round-trip jitter by RFC 3550 at the end of the stretch, in microseconds.
    pub jitter_us: Option<u32>,
    /// The same as distributions.
    pub spread: Spread,
}

impl Rollup {
    /// Adds the measurements of a later stretch of the same target. The mean is weighted by the
    /// probes with a reply. Whatever is added in whatever order comes to the same distributions.
    pub fn join(&mut self, later: &Self) {
        let replies = |it: &Self| u64::from(it.probes.saturating_sub(it.failed));
        self.rtt_mean_us = match (self.rtt_mean_us, later.rtt_mean_us) {
            (Some(a), Some(b)) => {
                let weight = (replies(self) + replies(later)).max(1);
                let sum = u64::from(a) * replies(self) + u64::from(b) * replies(later);
                Some(u32::try_from(sum / weight).unwrap_or(u32::MAX))
            }
            (one, other) => one.or(other),
        };
        let either = |a: Option<u32>, b: Option<u32>, pick: fn(u32, u32) -> u32| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, other) => one.or(other),
        };
        self.rtt_min_us = either(self.rtt_min_us, later.rtt_min_us, u32::min);
        self.rtt_max_us = either(self.rtt_max_us, later.rtt_max_us, u32::max);
        self.jitter_us = later.jitter_us.or(self.jitter_us);
        for (sum, more) in [
            (&mut self.seconds, later.seconds),
            (&mut self.probes, later.probes),
            (&mut self.failed, later.failed),
            (&mut self.local, later.local),
            (&mut self.sent, later.sent),
            (&mut self.lost, later.lost),
            (&mut self.lost_down, later.lost_down),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.spread.merge(&later.spread);
    }
}

/// What the brain must remember over a restart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durable {
    /// Confirmed health by what it is of.
    pub health: BTreeMap<TargetKey, HardState>,
    /// Open incidents, and those resolved so recently that they may flap.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// Silences that have not ended.
    pub silences: BTreeMap<SilenceId, Silence>,
    /// Maintenance windows that have not ended.
    pub maintenance: BTreeMap<SilenceId, Maintenance>,
    /// Duty that was handed over and has not passed back, or not long ago.
    pub duty: BTreeMap<RotaId, HandOver>,
    /// Drills of late.
    pub drills: BTreeMap<SessionId, Drill>,
    /// When this monitor was last watching; none when it never was.
    pub watched: Option<Watch>,
    /// Sessions that are not closed, and those that ended so recently that they may go on.
    pub sessions: BTreeMap<SessionId, SessionRecord>,
    /// The last readiness run of each session that is not long over.
    pub readiness: BTreeMap<SessionId, ReadinessRun>,
    /// What people confirmed for those sessions.
    pub confirmations: BTreeMap<(SessionId, SiteId), Confirmation>,
    /// What each session that is on, or was lately, lost so far.
    pub lost: BTreeMap<SessionId, LostTime>,
    /// What the last runs before each site's sessions said of it, newest first.
    pub verdicts: BTreeMap<SiteId, Vec<PastVerdict>>,
}

impl Durable {
    /// Applies what a batch changed; outbox and history are not part of what the brain remembers.
    pub fn apply(&mut self, batch: &Batch) {
        for change in &batch.changes {
            match change {
                Change::Health { key, state } => {
                    self.health.insert(key.clone(), *state);
                }
                Change::Forget(key) => {
                    self.health.remove(key);
                }
                Change::Incident(incident) => {
                    self.incidents.insert(incident.id.clone(), (**incident).clone());
                }
                Change::Silence(silence) => {
                    self.silences.insert(silence.id.clone(), (**silence).clone());
                }
                Change::Maintenance(window) => {
                    self.maintenance.insert(window.id.clone(), (**window).clone());
                }
                Change::Lift(id) => {
                    self.silences.remove(id);
                    self.maintenance.remove(id);
                }
                Change::Duty { rota, handed: Some(handed) } => {
                    self.duty.insert(rota.clone(), (**handed).clone());
                }
                Change::Duty { rota, handed: None } => {
                    self.duty.remove(rota);
                }
                Change::Drill(drill) => {
                    self.drills.insert(drill.session.clone(), (**drill).clone());
                }
                Change::Session(record) => {
                    self.sessions.insert(record.id.clone(), (**record).clone());
                }
                Change::Cancelled(id) => {
                    self.sessions.remove(id);
                }
                Change::Readiness(run) => {
                    for site in &run.sites {
                        let list = self.verdicts.entry(site.site.clone()).or_default();
                        PastVerdict::remember(list, run, site);
                    }
                    self.readiness.insert(run.session.clone(), (**run).clone());
                }
                Change::Lost { session, lost } => {
                    self.lost.insert(session.clone(), *lost);
                }
                Change::Confirm(said) => {
                    let key = (said.session.clone(), said.site.clone());
                    self.confirmations.insert(key, (**said).clone());
                }
                Change::Unconfirm { session, site } => {
                    self.confirmations.remove(&(session.clone(), site.clone()));
                }
                Change::Notify(_)
                | Change::LinkUse(_)
                | Change::Rollup(_)
                | Change::Reported { .. } => {}
                Change::Watch(watch) => {
                    let newer =
                        |known: Watch| known.since == watch.since || known.until <= watch.until;
                    if self.watched.is_none_or(newer) {
                        self.watched = Some(*watch);
                    }
                }
            }
        }
    }
}
