//! One cause with all it explains, and what is said about it.
//!
//! All of it is written down and read back as one record, whose parts have little to say by
//! themselves; so they stand in one file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::told::{Muted, Quieted, Waited};
use super::{
    ChannelId, CheckId, Contact, EndpointId, Failure, IncidentId, NotificationId, Phase,
    ReadinessNotice, SessionId, SiteId, StoreTrouble, TargetKey, Told,
};

/// Why something fails, as far as it can be told from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// This monitor cannot see: its own network, clock, disk or load.
    Monitor,
    /// A site that others hang on is out, with its children.
    Uplink,
    /// The site's own line or power.
    Access,
    /// The router answers, the device does not.
    Device,
    /// The device answers, the service on it does not.
    Service,
    /// Loss, delay or jitter.
    Quality,
    /// A certificate has expired, is about to, or is not valid yet.
    Certificate,
    /// A device's clock is off.
    Clock,
}

impl Cause {
    /// All causes, in order of explaining power.
    pub const ALL: [Self; 8] = [
        Self::Monitor,
        Self::Uplink,
        Self::Access,
        Self::Device,
        Self::Service,
        Self::Quality,
        Self::Certificate,
        Self::Clock,
    ];

    /// The word in labels, settings and the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Monitor => "monitor",
            Self::Uplink => "uplink",
            Self::Access => "access",
            Self::Device => "device",
            Self::Service => "service",
            Self::Quality => "quality",
            Self::Certificate => "certificate",
            Self::Clock => "clock",
        }
    }
}

/// How urgently people should act.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    #[default]
    Info,
    /// Mend it in working hours.
    Warning,
    /// Mend it now.
    Critical,
}

impl Severity {
    /// All severities, lowest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word in labels, settings and the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Earlier acks that a record keeps, so that it stays of bounded size.
const EARLIER_ACKS: usize = 20;

/// One cause with all it explains. The record is whole: it is stored, shown and restored as it
/// stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id, for ever.
    pub id: IncidentId,
    /// What kind of fault.
    pub cause: Cause,
    /// The site at fault; none when the monitor itself or a common factor is.
    pub site: Option<SiteId>,
    /// The device at fault, for `device`, `service`, `quality`, `certificate` and `clock`.
    pub endpoint: Option<EndpointId>,
    /// The check that shows it, for `service`, `certificate` and `clock`.
    pub check: Option<CheckId>,
    /// What the failing sites share, when that and not a parent explains them.
    pub common: Option<CommonFactor>,
    /// When the fault began: the first failed outcome.
    pub began: Timestamp,
    /// When it was confirmed and opened.
    pub opened: Timestamp,
    /// When it was over; none while open.
    pub resolved: Option<Timestamp>,
    /// How urgent, the highest so far while open.
    pub severity: Severity,
    /// Everything explained by it, the site at fault first.
    pub affected: Vec<Affected>,
    /// How many sites were asked that could have been affected: "20 of 20 communes".
    pub of: u32,
    /// Delegates at the affected sites in the nearest session.
    pub delegates: u32,
    /// The session that it touches.
    pub session: Option<SessionId>,
    /// What led to the judgement.
    pub evidence: Vec<Evidence>,
    /// Who took it on.
    pub ack: Option<Ack>,
    /// Those who had it before and have it no longer: somebody else took it over, it grew so much
    /// that it waits for somebody anew, or what they had taken on was over. Oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_acks: Vec<Ack>,
    /// Since when it waits for somebody to take it on, which escalation counts from: when it was
    /// first told, or when it became so much graver that it was told anew. None before that and
    /// while messages about it are held back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
    /// How it had waited when messages about it were last held back, from which it goes on; none
    /// where it has waited anew since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited: Option<Waited>,
    /// Whether it is held open because it comes and goes.
    pub flapping: bool,
    /// When it came back after it had seemed over, oldest first: when what came back began, but not
    /// before anything that was said of what was before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relapses: Vec<Timestamp>,
    /// When it was over before it last came back from that, whoever was told so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_over: Option<Timestamp>,
    /// That messages about it are held back by a silence or by planned work, and what is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted: Option<Muted>,
    /// The wider incident that explains it for now. Nothing is told of it meanwhile; it goes on by
    /// itself when that one ends and its site is not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absorbed_by: Option<IncidentId>,
    /// How it ended; none while open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolution: Option<Resolution>,
    /// What was told, to whom, when.
    pub told: Vec<Told>,
    /// Channels that something is to be said to and is not, since the messages of the hour are
    /// used up, or since it has yet to last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_back: Vec<ChannelId>,
    /// Whom nobody tells before quiet hours end that it is on, or that it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet: Option<Quieted>,
}

/// How an incident ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resolution {
    /// What failed works again.
    Recovered,
    /// What failed is watched no longer: it was taken out of the configuration.
    Removed,
    /// What was wrong is shown no longer by what answers: it is not known to be right.
    Unshown,
}

/// A site explained by an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The site.
    pub site: SiteId,
    /// Since when it is affected.
    pub since: Timestamp,
    /// When it was well again, while the incident as a whole goes on, or something else explained
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it is not well all the same: something else explains it since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passed_on: bool,
}

/// What failing sites share besides a parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonFactor {
    /// The label, such as `isp` or `power`.
    pub label: String,
    /// Its value at the failing sites.
    pub value: String,
    /// Whether it is a label of devices, such as their model, and only those of them fail.
    #[serde(default)]
    pub of_devices: bool,
    /// Failing sites with that value.
    pub inside_failing: u32,
    /// All sites with that value.
    pub inside: u32,
    /// Failing sites without it.
    pub outside_failing: u32,
    /// All sites without it.
    pub outside: u32,
}

impl CommonFactor {
    /// The label of what is the same wherever the same is asked for: its value is a check, by its
    /// id, that fails nearly everywhere. No site can have a label of this name.
    pub const CHECK: &str = "check";
    /// The same of devices: its value is the id that they have at each of the sites.
    pub const ENDPOINT: &str = "endpoint";

    /// Whether this is a label that nobody has to write down.
    #[must_use]
    pub fn is_by_nature(label: &str) -> bool {
        matches!(label, Self::CHECK | Self::ENDPOINT)
    }
}

/// One observation that a judgement rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was probed.
    pub target: TargetKey,
    /// When.
    pub at: Timestamp,
    /// What came back.
    pub saw: Saw,
}

/// What an observation showed, without words, so that it can be told in any language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Saw {
    /// A probe failed.
    Failed(Failure),
    /// A reply came.
    Answered {
        /// Round trip in microseconds, where the check measures one.
        rtt_us: Option<u32>,
    },
    /// Figures of a path over its window.
    Path {
        /// Packets lost, in tenths of a percent.
        lost_permille: u32,
        /// Packets that this is a share of.
        samples: u32,
        /// Median round trip in milliseconds.
        rtt_ms: u32,
        /// Round-trip jitter by RFC 3550 in milliseconds.
        jitter_ms: u32,
    },
    /// A device's clock.
    Clock {
        /// Its clock minus ours, in seconds.
        offset_s: i64,
    },
    /// A certificate that is out of its time or soon will be.
    Certificate {
        /// Valid from.
        not_before: Timestamp,
        /// Valid until.
        not_after: Timestamp,
    },
    /// How the sites behind a site do.
    Below {
        /// Sites that answer.
        answer: u32,
        /// Sites that were asked.
        of: u32,
    },
    /// Why the monitor does not trust itself.
    Ourselves(SelfDoubt),
    /// The same in words, as records of earlier versions have it.
    Words(String),
}

/// Why the monitor does not trust what it sees, or something that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfDoubt {
    /// Our own gateway is silent, and so is what is behind it.
    GatewaySilent {
        /// The gateway, as the configuration names it.
        host: String,
    },
    /// This machine fails to ask our own gateway, and what is behind it is silent.
    GatewayUnasked {
        /// The gateway, as the configuration names it.
        host: String,
        /// The word of the failure.
        how: String,
    },
    /// Nearly all sites fell silent, and no gateway is known that could be asked.
    NobodyAnswers,
    /// Most probes fail on this machine.
    ProbesFail {
        /// The word of the last such failure.
        how: String,
    },
    /// Some sites cannot be asked from this machine.
    SitesUnasked {
        /// The word of the failure.
        how: String,
    },
    /// The echo engine misses what it should see: it does not keep up, or the kernel drops what it
    /// has not read yet.
    EngineStrained(Strain),
    /// The wall clock of this machine was set.
    ClockSet {
        /// By so many seconds.
        by_s: i64,
    },
    /// The clocks of most devices disagree with ours.
    ClockOff {
        /// Ours minus theirs, in seconds.
        by_s: i64,
        /// Devices that disagree.
        devices: u32,
        /// Devices whose clocks were seen.
        of: u32,
    },
    /// A part of this program is in trouble.
    Trouble {
        /// Which.
        part: Part,
        /// What it says of it.
        detail: Ailment,
    },
    /// Channels did not accept the drill before a session.
    DrillMissed {
        /// Title of the session.
        session: String,
        /// Which channels have not yet.
        channels: Vec<ChannelId>,
        /// Which of their recipients refuse it, where the others have it.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        refused: BTreeMap<ChannelId, Vec<String>>,
    },
    /// Alerts about the sites of a session would reach nobody.
    NobodyReached {
        /// Title of the session.
        session: String,
    },
    /// Silences or planned work hold back what is about any site of a session.
    SessionMuted {
        /// Title of the session.
        session: String,
    },
    /// A site of a session that fell silent would lead to no message in time.
    SessionUnwatched {
        /// Title of the session.
        session: String,
    },
}

/// What strained the echo engine when it was found not to be trusted.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Strain {
    /// The latest that an echo request left, in milliseconds after its time.
    pub late_ms: u32,
    /// Times the engine woke so late that results of that moment are not known.
    pub missed_ticks: u32,
    /// Replies that the kernel dropped because the receive buffer was full.
    pub dropped: u32,
    /// The receive buffer in KiB, as the kernel granted it.
    pub buffer_kib: u32,
}

impl Strain {
    /// Whether it is the buffer that is too small, and not the machine that is too slow.
    #[must_use]
    pub const fn is_of_buffer(&self) -> bool {
        self.dropped > 0 && self.late_ms < 1_000 && self.missed_ticks == 0
    }
}

/// A part of this program that may be in trouble without stopping it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Name resolution: no name server answers; the detail says how.
    Resolver,
    /// The database: the disk is full or does not write; the detail says what to do.
    Store,
    /// Delivery: no channel takes messages; the detail names them.
    Courier,
    /// Delivery: recipients are not reached though others of their channel are; the detail names
    /// them.
    Recipients,
}

/// What ails a part of this program.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Ailment {
    /// Of the database, to be worded in the reader's language.
    Store(StoreTrouble),
    /// Words of others, such as an error of the operating system, or names.
    Words(String),
}

impl fmt::Display for Ailment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(trouble) => trouble.fmt(f),
            Self::Words(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for SelfDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GatewaySilent { host } => {
                write!(f, "our gateway {host} does not answer, nor does what is behind it")
            }
            Self::GatewayUnasked { host, how } => {
                write!(
                    f,
                    "our gateway {host} cannot be asked ({how}), and nobody behind it answers"
                )
            }
            Self::NobodyAnswers => f.write_str("no site answers any more"),
            Self::ProbesFail { how } => write!(f, "probes fail on this machine: {how}"),
            Self::SitesUnasked { how } => {
                write!(f, "some sites cannot be asked from this machine: {how}")
            }
            Self::EngineStrained(Strain { late_ms, missed_ticks, dropped, .. }) => write!(
                f,
                "the echo engine does not keep up: up to {late_ms} ms late, {missed_ticks} \
                 pauses, {dropped} replies dropped"
            ),
            Self::ClockSet { by_s } => write!(f, "the clock was set by {by_s} s"),
            Self::ClockOff { by_s, devices, of } => write!(
                f,
                "our clock seems to be off by {by_s} s: {devices} of {of} devices disagree"
            ),
            Self::Trouble { part: Part::Resolver, detail } => {
                write!(f, "no name server answers: {detail}")
            }
            Self::Trouble { part: Part::Courier, detail } => {
                write!(f, "no channel takes messages any more: {detail}")
            }
            Self::Trouble { part: Part::Recipients, detail } => {
                write!(f, "recipients are told nothing any more, though others are: {detail}")
            }
            Self::DrillMissed { session, channels, refused } => write!(
                f,
                "the drill before session {session} was not accepted by: {}",
                missed(channels, refused, "recipient")
            ),
            Self::NobodyReached { session } => {
                write!(f, "alerts about the sites of session {session} would reach nobody")
            }
            Self::SessionMuted { session } => {
                write!(f, "all messages about the sites of session {session} are held back")
            }
            Self::SessionUnwatched { session } => {
                write!(f, "a dead site of session {session} would be told to nobody in time")
            }
            Self::Trouble { part: Part::Store, detail } => detail.fmt(f),
        }
    }
}

impl SelfDoubt {
    /// Whether it is that some recipients refuse what others of their channel have.
    #[must_use]
    pub fn is_of_recipients(&self) -> bool {
        match self {
            Self::Trouble { part, .. } => *part == Part::Recipients,
            Self::DrillMissed { channels, refused, .. } => {
                !channels.is_empty() && channels.iter().all(|it| refused.contains_key(it))
            }
            _ => false,
        }
    }
}

/// Names of channels in one line, each with those of its recipients whom it is about, if it is not
/// about all of them; `recipient` is the word for one.
pub(crate) fn missed(
    channels: &[ChannelId],
    refused: &BTreeMap<ChannelId, Vec<String>>,
    recipient: &str,
) -> String {
    let one = |channel: &ChannelId| match refused.get(channel) {
        Some(who) => format!("{channel} ({recipient} {})", who.join(", ")),
        None => channel.to_string(),
    };
    channels.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Somebody took an incident on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why, or what they do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Until when it holds; none means until it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Ack {
    /// Whether it holds at `at`.
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.until.is_none_or(|until| until > at)
    }
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NotificationKind {
    /// It is on.
    Firing,
    /// It is on and has grown: more sites, a higher severity, a better-known cause.
    Update,
    /// It is still on.
    Reminder,
    /// It is still on, nobody took it on, and therefore others are told as well.
    Escalation,
    /// It is over.
    Resolved,
}

impl NotificationKind {
    /// All kinds, in the order in which they may follow each other.
    pub const ALL: [Self; 5] =
        [Self::Firing, Self::Update, Self::Reminder, Self::Escalation, Self::Resolved];

    /// The word in logs, metrics and ids.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Update => "update",
            Self::Reminder => "reminder",
            Self::Escalation => "escalation",
            Self::Resolved => "resolved",
        }
    }
}

/// One message to one channel: a row of the outbox.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The same at every repeat, so that a receiver can drop repeats.
    pub id: NotificationId,
    /// Which way it goes.
    pub channel: ChannelId,
    /// What it is about.
    pub kind: NotificationKind,
    /// When it was decided.
    pub created: Timestamp,
    /// What it says.
    pub alert: Alert,
    /// The channel that should have told it, when this one stands in for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<ChannelId>,
}

/// What an incident says to people at one moment. It holds everything a text needs, so that a
/// message can be written after the configuration has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The incident as it stood.
    pub incident: Incident,
    /// Name of the site at fault.
    pub site_name: String,
    /// Id of its level.
    pub level: String,
    /// Name of its level, in the configured language.
    pub level_name: String,
    /// Id of its parent, empty at the top.
    pub parent: String,
    /// Name of its parent, empty at the top.
    pub parent_name: String,
    /// Whom to phone.
    pub contacts: Vec<Contact>,
    /// Names of the affected sites by id.
    pub names: BTreeMap<SiteId, String>,
    /// Where the site stands relative to its session.
    pub phase: Phase,
    /// Title of the session it touches.
    pub session_title: Option<String>,
    /// Start of that session.
    pub session_start: Option<Timestamp>,
    /// Whether it only proves that alerts arrive.
    #[serde(default, skip_serializing_if = "is_false")]
    pub drill: bool,
    /// Telephone numbers of people who were told, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub phones: BTreeMap<String, String>,
    /// What a readiness run found, when the message is about that. The incident beside it is then
    /// no entry of the ledger: it only says how urgent, since when and which sites, so that order,
    /// repeats and threads work as for any other message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Box<ReadinessNotice>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Incident {
    /// A record that says nothing but what kind of fault has been open since `began`.
    #[must_use]
    pub const fn blank(id: IncidentId, cause: Cause, began: Timestamp) -> Self {
        Self {
            id,
            cause,
            site: None,
            endpoint: None,
            check: None,
            common: None,
            began,
            opened: began,
            resolved: None,
            severity: Severity::Info,
            affected: Vec::new(),
            of: 0,
            delegates: 0,
            session: None,
            evidence: Vec::new(),
            ack: None,
            earlier_acks: Vec::new(),
            waiting_since: None,
            waited: None,
            flapping: false,
            relapses: Vec::new(),
            was_over: None,
            absorbed_by: None,
            resolution: None,
            told: Vec::new(),
            held_back: Vec::new(),
            quiet: None,
            muted: None,
        }
    }

    /// Whether it is not over.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.resolved.is_none()
    }

    /// Whether it is the one to look at: not over, and no wider incident explains it.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.resolved.is_none() && self.absorbed_by.is_none()
    }

    /// Whether somebody is to hear something of it and does not yet: the messages of the hour are
    /// used up, or quiet hours are on.
    #[must_use]
    pub const fn waits_to_be_told(&self) -> bool {
        !self.held_back.is_empty() || self.quiet.is_some()
    }

    /// Since when it is on this time, as people know it; of what is over, since it first was. What
    /// became graver after it had come back is on since that began.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        if self.is_open() { self.last_since() } else { self.began }
    }

    /// When it came back from being over, as people know it.
    #[must_use]
    pub fn came_back(&self) -> Option<Timestamp> {
        self.known_back_after(self.over_before()?)
    }

    /// When it came back after it was over at `end`, as people know it: the last time before any of
    /// them was told so. What came back before that, and was well again, was told to nobody; that
    /// it dips afterwards changes nothing for who knows that it is on.
    fn known_back_after(&self, end: Timestamp) -> Option<Timestamp> {
        let is_on = |told: &&Told| told.at > end && told.kind != NotificationKind::Resolved;
        let told = self.heard().filter(is_on).map(|told| told.at).min();
        let known = |at: &Timestamp| told.is_none_or(|told| *at <= told);
        let next_end = self.ends_heard().filter(|at| *at > end).min();
        let of_this = |at: &Timestamp| *at >= end && next_end.is_none_or(|next| *at < next);
        let mut back = self.relapses.iter().copied().filter(of_this).peekable();
        let first = back.peek().copied()?;
        Some(back.rfind(known).unwrap_or(first))
    }

    /// When it came back after it was over at `end`.
    #[must_use]
    pub fn back_after(&self, end: Timestamp) -> Option<Timestamp> {
        self.relapses.iter().copied().find(|at| *at >= end)
    }

    /// When it was over the last time before it came back, as people know it: when any of them was
    /// told so, or when it was over before any had heard of it. For who knows that it is on and
    /// hears of no end it has been on throughout, however often it seemed over.
    #[must_use]
    pub fn over_before(&self) -> Option<Timestamp> {
        let last = self.relapses.last()?;
        let told = self.ends_heard().filter(|at| at <= last).max();
        let is_news = |end: &Timestamp| self.heard().all(|told| told.at > *end);
        told.max(self.was_over.filter(is_news))
    }

    /// The how many of what people know as one after the other it is.
    #[must_use]
    pub fn nth_time(&self) -> usize {
        let returns = self.ends_heard().filter_map(|end| self.known_back_after(end));
        let returns: BTreeSet<Timestamp> = returns.chain(self.came_back()).collect();
        returns.len() + 1
    }

    fn heard(&self) -> impl Iterator<Item = &Told> {
        self.told.iter().filter(|told| !told.is_untold())
    }

    /// When people were told that it was over.
    fn ends_heard(&self) -> impl Iterator<Item = Timestamp> + '_ {
        let ends = self.heard().filter(|told| told.kind == NotificationKind::Resolved);
        ends.map(|told| told.at)
    }

    /// Since when everything has been well of what is not over: it is watched until it is known to
    /// stay so.
    #[must_use]
    pub fn well_since(&self) -> Option<Timestamp> {
        if !self.is_open() {
            return None;
        }
        let ends: Option<Vec<Timestamp>> = self.affected.iter().map(|it| it.until).collect();
        ends?.into_iter().max()
    }

    /// When the fault was over: when its last site was well again. That is a while before the
    /// incident is resolved, which waits to see whether it stays so. None while open.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        let resolved = self.resolved?;
        let last = self.affected.iter().map(|it| it.until.unwrap_or(resolved)).max();
        Some(last.unwrap_or(resolved).min(resolved))
    }

    /// Since when it is on this time, or was the last time that it was, as people know it.
    #[must_use]
    pub fn last_since(&self) -> Timestamp {
        self.came_back().map_or(self.began, |back| back.max(self.began))
    }

    /// The sites that were not well when it was over for the others, and that something else
    /// explains. The site at fault is one of them only where others came back without it: else it
    /// was about nothing but that one.
    pub fn passed_on(&self) -> impl Iterator<Item = &SiteId> {
        let at_fault = |it: &Affected| self.site.as_ref() == Some(&it.site);
        let others_are_back = self.affected.iter().any(|it| !it.passed_on && !at_fault(it));
        let passed_on = self.affected.iter().filter(|it| it.passed_on);
        passed_on.filter(move |it| others_are_back || !at_fault(it)).map(|it| &it.site)
    }

    /// Who has taken it on, while that holds.
    #[must_use]
    pub fn taken_by(&self, now: Timestamp) -> Option<&Ack> {
        self.ack.as_ref().filter(|ack| ack.holds(now))
    }

    /// Nobody has it any longer; who had it stays on record. Whether somebody did.
    pub fn let_go(&mut self) -> bool {
        let Some(ack) = self.ack.take() else { return false };
        if self.earlier_acks.len() >= EARLIER_ACKS {
            // Who was first is what reports ask for.
            self.earlier_acks.remove(1);
        }
        self.earlier_acks.push(ack);
        true
    }

    /// Who took it on first.
    #[must_use]
    pub fn first_ack(&self) -> Option<&Ack> {
        self.earlier_acks.first().or(self.ack.as_ref())
    }

    /// Who has it at `now`, or, once it is over, had it last.
    #[must_use]
    pub fn whose(&self, now: Timestamp) -> Option<&Ack> {
        match self.is_open() {
            true => self.taken_by(now),
            false => self.ack.as_ref().or(self.earlier_acks.last()),
        }
    }

    /// Since when it waits for somebody to take it on: since it was told, or since an ack ran out,
    /// and later by as long as messages were held back. None while somebody has it.
    #[must_use]
    pub fn waits_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.waiting_since.filter(|_| self.taken_by(now).is_none())?;
        let ran_out = self.ack.as_ref().and_then(|ack| ack.until);
        Some(ran_out.map_or(since, |until| until.max(since)))
    }

    /// Since when what was told belongs to the time for which it waits now. That is when the wait
    /// began, however long messages were held back since. None while somebody has it.
    #[must_use]
    pub fn called_since(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.waits_since(now)?;
        let Some(waited) = &self.waited else { return Some(since) };
        let ran_out = self.ack.as_ref().and_then(|ack| ack.until);
        Some(ran_out.map_or(waited.since, |until| until.max(waited.since)))
    }

    /// It waits for somebody from `now` on, whatever was before.
    pub const fn wait_anew(&mut self, now: Timestamp) {
        self.waiting_since = Some(now);
        self.waited = None;
    }

    /// Why this monitor doubted itself, the first reason first.
    #[must_use]
    pub fn doubts(&self) -> impl DoubleEndedIterator<Item = &SelfDoubt> {
        self.evidence.iter().filter_map(|evidence| match &evidence.saw {
            Saw::Ourselves(doubt) => Some(doubt),
            _ => None,
        })
    }

    /// Sites affected at this moment.
    pub fn affected_now(&self) -> impl Iterator<Item = &SiteId> {
        self.affected.iter().filter(|a| a.until.is_none()).map(|a| &a.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rests_is_well_since_its_last_site_was() {
        let second = |at: i64| Timestamp::from_second(at).unwrap();
        let mut it = Incident::blank(IncidentId::new("i"), Cause::Uplink, second(0));
        assert_eq!(it.well_since(), None, "it is about no site");
        let site = |id: &str, until: Option<i64>| Affected {
            site: SiteId::new(id),
            since: second(0),
            until: until.map(second),
            passed_on: false,
        };
        it.affected = vec![site("a", Some(5)), site("b", None)];
        assert_eq!(it.well_since(), None);
        it.affected[1] = site("b", Some(3));
        assert_eq!(it.well_since(), Some(second(5)));
        it.resolved = Some(second(9));
        assert_eq!(it.well_since(), None, "it is over");
    }
}
