//! The checked configuration: what the rest of the program is given.
//!
//! Whoever holds a [`Config`] need not check anything again.

mod channel;
mod contacts;
mod duty;
mod route;
mod web;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::calendar::{CalendarSettings, CalendarSource};
use super::template::Template;
use crate::model::{
    ChannelId, Language, Paces, PersonId, ReportFormat, RotaId, Session, Topology, Verdict,
};

pub use channel::{
    Address, AlertmanagerSettings, Channel, ChannelKind, EmailSettings, EsmsSettings, ExecSettings,
    ExecVariable, Fallback, MailSecurity, SecretSource, SmsBody, SmsGateway, SmsHttpSettings,
    SmsSettings, TelegramSettings, WebhookSettings, ZaloRecipient, ZaloSettings,
};
pub use contacts::{ContactSettings, Phonebook};
pub use duty::{DatedShift, Days, Handed, Hours, Person, Rota, WeeklyShift};
pub use route::{
    AckSettings, EscalationSettings, Matter, PhaseTimes, QuietSettings, Receiver, ReminderSettings,
    Route, Step, When,
};

pub use web::WebSettings;

/// Everything that people wrote, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// How the daemon behaves.
    pub settings: Settings,
    /// What is watched.
    pub topology: Arc<Topology>,
    /// The calendar, by start.
    pub sessions: Vec<Arc<Session>>,
    /// Texts of people's own for parts of messages.
    pub templates: Vec<Template>,
}

impl Config {
    /// Whether somebody may have to be vouched for: a device by a check that verifies, or whoever a
    /// channel, the heartbeat or a calendar talks to.
    #[must_use]
    pub fn asks_who_is_trusted(&self) -> bool {
        let Settings { channels, heartbeat, calendars, .. } = &self.settings;
        let is_fetched = |it: &CalendarSettings| matches!(it.source, CalendarSource::Url(_));
        !channels.is_empty()
            || heartbeat.is_some()
            || calendars.iter().any(is_fetched)
            || self.topology.checks.iter().any(|check| check.kind.verifies())
    }
}

/// How the daemon behaves: `vchealth.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where the web server listens.
    pub listen: SocketAddr,
    /// Address of the web server as people reach it, without a slash at the end; none when it is
    /// where it listens.
    pub public_url: Option<String>,
    /// Who may reach the web server, and how.
    pub web: WebSettings,
    /// Where the database lies.
    pub state_dir: PathBuf,
    /// Language of messages.
    pub language: Language,
    /// Time zone of messages and of times in files that name none.
    pub time_zone: TimeZone,
    /// Echo engine.
    pub icmp: IcmpSettings,
    /// Name resolution.
    pub resolver: ResolverSettings,
    /// When phases begin and end.
    pub phases: PhaseSettings,
    /// When a suspicion becomes a fact.
    pub hysteresis: Hysteresis,
    /// When a path counts as bad.
    pub quality: QualitySettings,
    /// How failures are brought together under one cause.
    pub correlation: CorrelationSettings,
    /// How something that comes and goes is told.
    pub flapping: FlappingSettings,
    /// When certificates and clocks are complained of.
    pub hygiene: HygieneSettings,
    /// How readiness is found out.
    pub readiness: ReadinessSettings,
    /// What probing may cost.
    pub budget: Budget,
    /// How sessions are written up.
    pub report: ReportSettings,
    /// How long history is kept.
    pub retention: RetentionSettings,
    /// Ways to reach people.
    pub channels: Vec<Channel>,
    /// Calendars that others keep, whose events are sessions.
    pub calendars: Vec<CalendarSettings>,
    /// Whom to phone for what belongs to no site.
    pub contacts: ContactSettings,
    /// Who can be told.
    pub people: Vec<Person>,
    /// Who of them is on duty when.
    pub rotas: Vec<Rota>,
    /// Which alerts reach whom, in order; none means that everything goes to every channel.
    pub routes: Vec<Route>,
    /// How long somebody has to take an incident on, where a route does not say.
    pub escalation: EscalationSettings,
    /// Longest that a message waits for others that are about to be decided, so that they leave as
    /// one.
    pub grouping: Paces,
    /// How often people are told again of what is still on.
    pub reminders: ReminderSettings,
    /// How long an ack holds.
    pub acks: AckSettings,
    /// When messages that can wait do.
    pub quiet_hours: QuietSettings,
    /// The proof before a session that alerts arrive.
    pub drill: DrillSettings,
    /// A sign of life to a watchdog elsewhere, if there is one.
    pub heartbeat: Option<HeartbeatSettings>,
}

impl Settings {
    /// The person with this id.
    #[must_use]
    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.people.iter().find(|person| person.id == *id)
    }

    /// The person who reads a channel, where it is one person's and nobody else's.
    #[must_use]
    pub fn reader(&self, channel: &ChannelId) -> Option<&Person> {
        let known = self.channels.iter().find(|it| it.id == *channel)?;
        let mut people = self.people.iter().filter(|person| person.channels.contains(channel));
        let reader = people.next().filter(|_| known.kind.has_one_reader())?;
        people.next().is_none().then_some(reader)
    }

    /// The rota with this id.
    #[must_use]
    pub fn rota(&self, id: &RotaId) -> Option<&Rota> {
        self.rotas.iter().find(|rota| rota.id == *id)
    }

    /// Where reports are put.
    #[must_use]
    pub fn report_dir(&self) -> PathBuf {
        self.report.dir.clone().unwrap_or_else(|| self.state_dir.join("reports"))
    }

    /// In which language they are written.
    #[must_use]
    pub fn report_language(&self) -> Language {
        self.report.language.unwrap_or(self.language)
    }
}

/// The proof before a session that alerts arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DrillSettings {
    /// A drill is held this long before each session; zero for none.
    pub before: Duration,
    /// A channel has to accept it within this time.
    pub accept_within: Duration,
}

/// A sign of life to a watchdog elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeartbeatSettings {
    /// Where it is given, by a GET. Whoever knows the address can give it in our place.
    pub url: Address,
    /// How often.
    pub every: Duration,
}

/// Which echo engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IcmpEngine {
    /// The kernel engine where the system has all that it needs, surge elsewhere.
    #[default]
    Auto,
    /// Batched system calls and kernel time stamps.
    Kernel,
    /// surge-ping, which needs less of Linux.
    Surge,
}

/// Echo engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpSettings {
    /// Which engine.
    pub engine: IcmpEngine,
    /// Receive buffer asked for, in bytes, per socket.
    pub receive_buffer: u32,
}

/// Name resolution in the background.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverSettings {
    /// Time between two look-ups of one name.
    pub refresh: Duration,
    /// A look-up with no answer after this long has failed; the last good answer stays.
    pub timeout: Duration,
}

/// When phases begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseSettings {
    /// Readiness begins this long before a session.
    pub readiness_before: Duration,
    /// Wrap-up lasts this long after a session.
    pub wrap_up_after: Duration,
}

/// When a suspicion becomes a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hysteresis {
    /// Consecutive failures until a target is down, at least 1. The first asks for quick
    /// confirmation probes.
    pub fail_after: u32,
    /// Consecutive replies until a target is up again, at least 1.
    pub recover_after: u32,
}

/// When a path counts as bad. The worst figure decides.
#[derive(Debug, Clone, PartialEq)]
pub struct QualitySettings {
    /// Length of the sliding window.
    pub window: Duration,
    /// Fewest packets in the window for a judgement.
    pub min_samples: u32,
    /// Loss (0 to 1) from which a path is fair.
    pub fair_loss: f64,
    /// Loss (0 to 1) from which a path is poor.
    pub poor_loss: f64,
    /// Round trip from which a path is fair.
    pub fair_rtt: Duration,
    /// Round trip from which a path is poor.
    pub poor_rtt: Duration,
    /// Round-trip jitter from which a path is fair.
    pub fair_jitter: Duration,
    /// Round-trip jitter from which a path is poor.
    pub poor_jitter: Duration,
    /// A better grade is taken only after it has held for this long.
    pub better_after: Duration,
    /// Equipment impairment factor Ie of the codec's audio (ITU-T G.113).
    pub ie: f64,
    /// Packet-loss robustness factor Bpl of the codec's audio (ITU-T G.113).
    pub bpl: f64,
}

/// How failures are brought together under one cause.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrelationSettings {
    /// Longest that a confirmed failure waits for probes of parent and siblings.
    pub wait: Duration,
    /// Failures within this time of each other may have one cause.
    pub window: Duration,
    /// Share of a site's children that must fail for the fault to lie above them, 0 to 1.
    pub children_share: f64,
    /// Fewest failing sites with a label in common for the label to be the cause.
    pub common_min: u32,
    /// Share of the sites with the label that must fail, 0 to 1.
    pub common_inside: f64,
    /// Share of the sites without it that may fail at most, 0 to 1.
    pub common_outside: f64,
    /// Labels that can be a cause.
    pub common_labels: Vec<String>,
    /// Labels that say what devices a site has: they can be the cause of failing devices and
    /// services, and of nothing else.
    pub device_labels: Vec<String>,
}

/// How something that comes and goes is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlappingSettings {
    /// An incident ends only after its sites were well for this long.
    pub stable_for: Duration,
    /// It is flapping after this many relapses within `window`.
    pub relapses: u32,
    /// The time in which relapses are counted.
    pub window: Duration,
    /// A flapping incident ends only after this long without a relapse.
    pub flapping_stable_for: Duration,
    /// Messages about one incident to one channel within an hour at most.
    pub messages_per_hour: u32,
    /// What comes and goes spends the last of them only on a state that has lasted for this long.
    pub settled_after: Paces,
}

/// When certificates and clocks are complained of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HygieneSettings {
    /// A certificate that ends within this time is an incident.
    pub certificate_before: Duration,
    /// A clock that is off by more than this is an incident.
    pub clock_offset: Duration,
}

/// How readiness is found out, by the daemon at its moments and by `vchealth ready`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadinessSettings {
    /// How long before a session the daemon looks by itself, longest first; never when empty.
    pub at: Vec<Duration>,
    /// The mildest verdict that makes a message; [`Verdict::Ready`] makes one of every run.
    pub tell: Verdict,
    /// Length of the train of echoes to each device.
    pub train: Duration,
    /// Echoes a second in it; fewer where the line's budget is less.
    pub packet_rate: u32,
    /// Bytes of each of its IP packets.
    pub packet_size: u16,
    /// Their code point, 0 to 63.
    pub dscp: u8,
    /// Bytes of an IP packet that must pass whole; none is asked for at 0.
    pub mtu: u16,
    /// Sites that the daemon looks at together; `vchealth ready` looks at all of them at once.
    pub sites_at_once: u32,
}

/// What probing may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Most that probing may put on one site's line in either direction, in kbit/s.
    pub line_kbit_s: u32,
    /// Probes other than echoes under way at once.
    pub in_flight: u32,
}

/// How sessions are written up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportSettings {
    /// Where reports are put once a session is over; none means `reports` in the state directory.
    pub dir: Option<PathBuf>,
    /// In which forms; none at all means that they are only made when asked for.
    pub formats: Vec<ReportFormat>,
    /// In which language; none means that of messages.
    pub language: Option<Language>,
}

/// How long history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Measurements by the minute. Older ones become one row for each session and day.
    pub minutes: Duration,
    /// Everything that reports are made from.
    pub history: Duration,
    /// Messages that were delivered, withdrawn or given up.
    pub messages: Duration,
}
