//! Are we ready? What a readiness run says of every site of a session, and what people confirm.
//!
//! A run is a record: it is stored, published and told as it stands, and can be read after the
//! configuration has changed. Nothing in it claims that there is a picture or a sound; that is for
//! people to confirm.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Cause, ChannelId, CheckId, Contact, EndpointId, Failure, LocalFailure, Maintenance, SessionId,
    SiteId, TargetKey, Told, Topology,
};

/// What a readiness run says, best first: the worst of several counts.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The connection is good.
    Ready,
    /// It works, and something was found that may hurt.
    AtRisk,
    /// It could not be measured.
    #[default]
    CannotTell,
    /// The site would not take part.
    NotReady,
}

impl Verdict {
    /// All verdicts, best first.
    pub const ALL: [Self; 4] = [Self::Ready, Self::AtRisk, Self::CannotTell, Self::NotReady];

    /// The word in metrics, settings and the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::AtRisk => "at-risk",
            Self::CannotTell => "cannot-tell",
            Self::NotReady => "not-ready",
        }
    }
}

/// Something that was found at a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it makes of the site.
    pub verdict: Verdict,
    /// The device that shows it; none when it is the site as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointId>,
    /// The check that shows it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckId>,
    /// What was found, with the evidence.
    pub found: Found,
}

/// What can be found, with the evidence, without words, so that it can be told in any language.
/// Gravest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "evidence")]
pub enum Found {
    /// Nothing at the site answers, and neither does what its line runs through.
    Uplink {
        /// The site above at fault.
        above: SiteId,
        /// Its name.
        name: String,
        /// Whether that one answers itself: then the fault lies between it and those below.
        answers: bool,
    },
    /// Nothing at the site answers, everything around it does.
    Silent(Failure),
    /// A device does not answer, something else at the site does.
    Device(Failure),
    /// A service does not answer on a device that lives.
    Service(Failure),
    /// Of packets of this size none passes and nobody says so.
    BlackHole {
        /// Bytes of the whole IP packet that was tried.
        tried: u16,
        /// Largest that passed.
        passes: u16,
    },
    /// The line goes away for moments and comes back.
    Unsteady {
        /// Stretches of the train in which nothing came back.
        silent: u16,
        /// All stretches.
        of: u16,
    },
    /// Packets are lost.
    Loss {
        /// How many.
        lost: u32,
        /// Of how many.
        sent: u32,
    },
    /// Packets take long.
    Delay {
        /// Median round trip in microseconds.
        rtt_us: u32,
    },
    /// Packets come unevenly.
    Jitter {
        /// Round-trip jitter by RFC 3550 §6.4.1 in microseconds.
        jitter_us: u32,
    },
    /// A certificate is out of its time or soon will be.
    Certificate {
        /// Valid from.
        not_before: Timestamp,
        /// Valid until.
        not_after: Timestamp,
    },
    /// A device's clock is off.
    Clock {
        /// Its clock minus ours, in seconds.
        offset_s: i64,
    },
    /// Packets of this size do not pass whole; a router says so.
    SmallMtu {
        /// Bytes of the whole IP packet that was tried.
        tried: u16,
        /// Bytes that pass; 0 when nobody knows.
        mtu: u16,
    },
    /// It came and went lately.
    Flapping {
        /// How often it came back.
        relapses: u32,
    },
    /// It was not ready before earlier sessions.
    FailedBefore {
        /// Of its last sessions so many.
        failed: u32,
        /// So many were looked at.
        of: u32,
    },
    /// Its name cannot be resolved, so it could not be asked.
    Name(LocalFailure),
    /// It could not be asked.
    NotAsked(LocalFailure),
    /// This monitor cannot see.
    Blind(String),
    /// Nothing at the site is watched.
    NotWatched,
}

/// The kinds of finding: what sites are grouped by. Gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the finding of the same name")]
pub enum FindingKind {
    Uplink,
    Silent,
    Device,
    Service,
    BlackHole,
    Unsteady,
    Loss,
    Delay,
    Jitter,
    Certificate,
    Clock,
    SmallMtu,
    Flapping,
    FailedBefore,
    Name,
    NotAsked,
    Blind,
    NotWatched,
}

impl FindingKind {
    /// All kinds, gravest first.
    pub const ALL: [Self; 18] = [
        Self::Uplink,
        Self::Silent,
        Self::Device,
        Self::Service,
        Self::BlackHole,
        Self::Unsteady,
        Self::Loss,
        Self::Delay,
        Self::Jitter,
        Self::Certificate,
        Self::Clock,
        Self::SmallMtu,
        Self::Flapping,
        Self::FailedBefore,
        Self::Name,
        Self::NotAsked,
        Self::Blind,
        Self::NotWatched,
    ];

    /// The word in metrics and the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Silent => "silent",
            Self::Device => "device",
            Self::Service => "service",
            Self::BlackHole => "black-hole",
            Self::Unsteady => "unsteady",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Certificate => "certificate",
            Self::Clock => "clock",
            Self::SmallMtu => "small-mtu",
            Self::Flapping => "flapping",
            Self::FailedBefore => "failed-before",
            Self::Name => "name",
            Self::NotAsked => "not-asked",
            Self::Blind => "blind",
            Self::NotWatched => "not-watched",
        }
    }

    /// The cause that alerts know it by.
    #[must_use]
    pub const fn cause(self) -> Cause {
        match self {
            Self::Uplink => Cause::Uplink,
            Self::Silent => Cause::Access,
            Self::Device => Cause::Device,
            Self::Service | Self::FailedBefore => Cause::Service,
            Self::BlackHole
            | Self::Unsteady
            | Self::Loss
            | Self::Delay
            | Self::Jitter
            | Self::SmallMtu
            | Self::Flapping => Cause::Quality,
            Self::Certificate => Cause::Certificate,
            Self::Clock => Cause::Clock,
            Self::Name | Self::NotAsked | Self::Blind | Self::NotWatched => Cause::Monitor,
        }
    }
}

impl Found {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> FindingKind {
        match self {
            Self::Uplink { .. } => FindingKind::Uplink,
            Self::Silent(_) => FindingKind::Silent,
            Self::Device(_) => FindingKind::Device,
            Self::Service(_) => FindingKind::Service,
            Self::BlackHole { .. } => FindingKind::BlackHole,
            Self::Unsteady { .. } => FindingKind::Unsteady,
            Self::Loss { .. } => FindingKind::Loss,
            Self::Delay { .. } => FindingKind::Delay,
            Self::Jitter { .. } => FindingKind::Jitter,
            Self::Certificate { .. } => FindingKind::Certificate,
            Self::Clock { .. } => FindingKind::Clock,
            Self::SmallMtu { .. } => FindingKind::SmallMtu,
            Self::Flapping { .. } => FindingKind::Flapping,
            Self::FailedBefore { .. } => FindingKind::FailedBefore,
            Self::Name(_) => FindingKind::Name,
            Self::NotAsked(_) => FindingKind::NotAsked,
            Self::Blind(_) => FindingKind::Blind,
            Self::NotWatched => FindingKind::NotWatched,
        }
    }
}

/// What the train of echoes to a site's device showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainFigures {
    /// Echoes sent.
    pub sent: u32,
    /// Echoes lost.
    pub lost: u32,
    /// Median round trip in microseconds; none without a reply.
    pub rtt_us: Option<u32>,
    /// Round-trip jitter by RFC 3550 §6.4.1 in microseconds; none without a reply.
    pub jitter_us: Option<u32>,
}

/// What a run says of one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteReadiness {
    /// The site.
    pub site: SiteId,
    /// Its name.
    pub name: String,
    /// Its delegates in the session.
    pub delegates: u32,
    /// The verdict: the worst of its findings, ready without any.
    pub verdict: Verdict,
    /// What was found, gravest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the worst train of its devices showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<TrainFigures>,
    /// Bytes of the largest packet that passed whole, where that was looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u16>,
    /// Whom to phone, first one first; only where there is something to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<Contact>,
    /// Announced work that goes on at it; only where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub work: Option<AnnouncedWork>,
    /// When it was looked at.
    pub checked: Timestamp,
}

/// Planned work that goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnouncedWork {
    /// When it is to be over.
    pub until: Timestamp,
    /// What is done.
    pub reason: String,
}

impl AnnouncedWork {
    /// What goes on at each site at this moment, the longest of several.
    #[must_use]
    pub fn at_sites<'a>(
        topology: &Topology,
        windows: impl IntoIterator<Item = &'a Maintenance>,
        at: Timestamp,
    ) -> BTreeMap<SiteId, Self> {
        let on = |it: &&Maintenance| it.from <= at && at < it.until;
        let mut on: Vec<&Maintenance> = windows.into_iter().filter(on).collect();
        on.sort_by_key(|it| it.until);
        let works = topology.site_ixs().filter_map(|site| {
            let here =
                |it: &&&Maintenance| it.sites.iter().any(|root| topology.is_below(site, root));
            let work = on.iter().rev().find(here)?;
            let work = Self { until: work.until, reason: work.reason.clone() };
            Some((topology.site(site).id.clone(), work))
        });
        works.collect()
    }
}

impl SiteReadiness {
    /// What it is grouped by: its gravest finding.
    #[must_use]
    pub fn main(&self) -> Option<&Finding> {
        self.findings.first()
    }
}

/// One readiness run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessRun {
    /// The session.
    pub session: SessionId,
    /// Its title.
    pub title: String,
    /// Its start.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// The configured moment that it was made for, as seconds before the start; none when
    /// somebody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_s: Option<u64>,
    /// When it began.
    pub began: Timestamp,
    /// When it was over.
    pub finished: Timestamp,
    /// Why our own clock is suspected, by how many seconds it is off; none when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_clock_off_s: Option<i64>,
    /// Every site of the session, in the order of the file.
    pub sites: Vec<SiteReadiness>,
    /// What was told of the readiness of this session so far, by earlier runs as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// The channels that were told of this very run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub said: Vec<ChannelId>,
}

impl ReadinessRun {
    /// Sites with this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.sites.iter().filter(|site| site.verdict == verdict).count()
    }

    /// Sites by verdict, in the order of [`Verdict::ALL`].
    #[must_use]
    pub fn counts(&self) -> [u32; 4] {
        Verdict::ALL.map(|verdict| u32::try_from(self.count(verdict)).unwrap_or(u32::MAX))
    }

    /// The verdict on the whole: the worst of its sites.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.sites.iter().map(|site| site.verdict).max().unwrap_or(Verdict::CannotTell)
    }
}

/// What a message says of a run: the figures, and the sites of which there is something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessNotice {
    /// Sites by verdict, in the order of [`Verdict::ALL`].
    pub counts: [u32; 4],
    /// The run without the sites that are simply ready.
    pub run: ReadinessRun,
}

impl ReadinessNotice {
    /// What a message says of this run.
    #[must_use]
    pub fn of(run: &ReadinessRun) -> Self {
        let sites = run.sites.iter().filter(|site| !site.findings.is_empty()).cloned().collect();
        Self {
            counts: run.counts(),
            run: ReadinessRun { sites, told: Vec::new(), said: Vec::new(), ..run.clone() },
        }
    }
}

/// An order to measure, for the brain's hands. Answered by exactly one run, or by nothing when it
/// could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessOrder {
    /// The session.
    pub session: SessionId,
    /// The configured moment, as the time before the start; none when a person asked.
    pub lead: Option<Duration>,
}

/// Somebody saw the picture and heard the sound of a site in a trial call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The session.
    pub session: SessionId,
    /// The site.
    pub site: SiteId,
    /// Whether the picture was seen.
    pub picture: bool,
    /// Whether the sound was heard.
    pub sound: bool,
    /// Who says so.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// A verdict of an earlier run, for what is remembered of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastVerdict {
    /// The session.
    pub session: SessionId,
    /// Its start.
    pub start: Timestamp,
    /// What the last run before it said.
    pub verdict: Verdict,
}

impl PastVerdict {
    /// Verdicts that are remembered of each site.
    pub const KEPT: usize = 6;

    /// Adds what a run said of a site, newest session first. The last run before a session is the
    /// one that counts; one that began after its start does not.
    pub fn remember(list: &mut Vec<Self>, run: &ReadinessRun, site: &SiteReadiness) {
        if run.began >= run.start {
            return;
        }
        list.retain(|past| past.session != run.session);
        let session = run.session.clone();
        list.push(Self { session, start: run.start, verdict: site.verdict });
        list.sort_by_key(|past| std::cmp::Reverse(past.start));
        list.truncate(Self::KEPT);
    }
}

/// What a readiness run goes by besides what it measures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Past {
    /// What the last runs before earlier sessions said of each site, newest first.
    pub verdicts: BTreeMap<SiteId, Vec<PastVerdict>>,
    /// How often each site came back lately after it had seemed well.
    pub relapses: BTreeMap<SiteId, u32>,
    /// Targets that were asked and never seen to work: what is switched off on purpose.
    pub never_up: BTreeSet<TargetKey>,
    /// Why the monitor cannot see at present; none when it can, or when nobody knows.
    pub blind: Option<String>,
    /// The sites where announced work goes on, the longest of each.
    pub works: BTreeMap<SiteId, AnnouncedWork>,
}
