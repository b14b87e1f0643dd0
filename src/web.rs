//! The web server: metrics, health, reload, a JSON API and the board for people.
//!
//! It looks at snapshots and asks the daemon for changes through one handle, [`Daemon`], so it
//! can be tried against any state without a daemon behind it. Whatever many people look at is
//! rendered once per snapshot and shared. Everything that comes in is bounded in size, number and
//! time, and passes the gate, which knows who may do what.
//!
//! `server` is about connections, `crowd` about who gives way when there are too many, `stream`
//! about peers who do not read; `app` about routes and what all answers have in common, `gate`
//! about who asks and whether they may, `guard` about which pages may ask for changes, `look` about
//! the language of an answer. Behind the routes are `admin` for machines, `api` and `openapi` for
//! programs, `calendar` for changes at the last minute, `board`, `report` and `link`, the page
//! behind a link in a message, for people. `acks` is what makes an ack, wherever it comes from.
//! `shared` keeps one rendering for all, `fixed` what never changes; `story` tells what happened to
//! an incident.

mod acks;
mod admin;
mod api;
mod app;
mod asked;
mod board;
mod calendar;
mod crowd;
mod fixed;
mod gate;
mod guard;
mod link;
mod look;
mod moment;
mod openapi;
mod report;
mod server;
mod shared;
mod story;
mod stream;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use crate::config::{Access, PhaseTimes, Phonebook};
use crate::model::{
    Ack, Act, Calendar, ChannelId, ChannelStatus, Confirmation, HandOver, IncidentId, Language,
    LinkUse, Maintenance, Now, PersonId, ReadinessRun, RotaId, SessionChange, SessionId,
    SessionRecord, Silence, SilenceId, SiteId, Snapshot, StoreStatus, TargetKey,
};
use crate::notify::{Link, LinkError};
use crate::probe::{Explanation, Record};
use crate::report::{Report, Totals};
use crate::store::Past;

pub use server::{Limits, Server};

/// What the daemon does when asked, some time later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The daemon as the web server sees it. What it tells about itself is read from memory and takes
/// no time worth mentioning; what it is asked to do is answered once it is done.
pub trait Daemon: Send + Sync + 'static {
    /// The current moment.
    fn now(&self) -> Now;

    /// The newest state.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Changes whenever a snapshot is published; holds the number of snapshots so far.
    fn published(&self) -> watch::Receiver<u64>;

    /// How long ago the event loop last came round.
    fn stalled_for(&self) -> Duration;

    /// How the store does.
    fn store(&self) -> StoreStatus;

    /// How deliveries do, by channel.
    fn channels(&self) -> Arc<Vec<ChannelStatus>>;

    /// How texts for people are written at present; a reload may change it.
    fn look(&self) -> Look;

    /// How long an ack holds that does not say so.
    fn ack_lasts(&self) -> PhaseTimes;

    /// The name of the person who reads a channel, where it is one person's and nobody else's.
    fn reader(&self, channel: &ChannelId) -> Option<String>;

    /// Who may reach the web server, and how; it may change at any time.
    fn access(&self) -> Arc<Access>;

    /// Where people reach the web server, if the settings say.
    fn public_url(&self) -> Option<String>;

    /// Reads the configuration again; with an error the old one stays.
    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadError>>;

    /// The calendar: the sessions that are known, and how the calendars of others do.
    fn calendar(&self) -> Arc<Calendar>;

    /// Sets what somebody changed about a session, or withdraws it.
    fn change_session(
        &self,
        id: SessionId,
        change: Option<SessionChange>,
    ) -> Answer<'_, Result<(), ControlError>>;

    /// Records that somebody took on an incident.
    fn ack(&self, incident: IncidentId, ack: Ack) -> Answer<'_, Result<(), ControlError>>;

    /// Holds back messages for a while.
    fn silence(&self, silence: Silence) -> Answer<'_, Result<(), ControlError>>;

    /// Announces planned work.
    fn maintain(&self, window: Maintenance) -> Answer<'_, Result<(), ControlError>>;

    /// Everybody who can be on duty: ids and names.
    fn people(&self) -> Vec<(PersonId, String)>;

    /// Hands the duty by a rota over.
    fn hand_over(&self, handed: HandOver) -> Answer<'_, Result<(), ControlError>>;

    /// Has a rota count again whose duty was handed over.
    fn take_duty_back(&self, rota: RotaId) -> Answer<'_, Result<(), ControlError>>;

    /// Reads and checks the token of a link in a message.
    ///
    /// # Errors
    /// When it was not made here, or has expired.
    fn open_link(&self, token: &str) -> Result<Link, LinkError>;

    /// What the link of this number was used for; none when it was not, as far as is known.
    fn link_use(&self, nonce: &str) -> Option<UsedLink>;

    /// Does what somebody chose with a link, once for each link.
    fn use_link(&self, used: LinkUse, act: Act) -> Answer<'_, Result<(), ControlError>>;

    /// Has it looked now whether everybody is ready for a session; the run is shown once it is
    /// over.
    fn look_ahead(&self, session: SessionId) -> Answer<'_, Result<(), ControlError>>;

    /// Keeps a readiness run that a person made.
    fn keep_readiness(&self, run: ReadinessRun) -> Answer<'_, Result<(), ControlError>>;

    /// Records what somebody confirmed of picture and sound.
    fn confirm(&self, said: Confirmation) -> Answer<'_, Result<(), ControlError>>;

    /// Ends a silence or planned work early.
    fn lift(&self, silence: SilenceId) -> Answer<'_, Result<(), ControlError>>;

    /// Writes up a session that is on or over, from the history.
    fn report(&self, session: SessionId) -> Answer<'_, Result<Arc<Report>, ControlError>>;

    /// Sessions that are on or over with their figures, the one that ended last first: `most` at
    /// most, behind the one named.
    fn held(
        &self,
        behind: Option<SessionId>,
        most: usize,
    ) -> Answer<'_, Result<Vec<(SessionRecord, Totals)>, ControlError>>;

    /// The history, for whoever looks back.
    fn past(&self) -> &Past;

    /// What the last probes of a target looked like; none when there is no such target.
    fn explain(&self, target: &TargetKey) -> Option<Explanation>;

    /// Has every target of a site probed now, and tells what that showed.
    fn probe_now(&self, site: SiteId) -> Answer<'_, Result<Arc<Vec<Probed>>, ControlError>>;

    /// Takes back what was confirmed of picture and sound of a site.
    fn unconfirm(&self, session: SessionId, site: SiteId) -> Answer<'_, Result<(), ControlError>>;

    /// What became of the configuration.
    fn condition(&self) -> Condition;
}

/// What a link in a message was used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedLink {
    /// For what, by whom and when.
    pub used: LinkUse,
    /// Whether that is on disk: a crash now would undo what is not.
    pub kept: bool,
}

/// A target that somebody wanted probed.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// Which.
    pub target: TargetKey,
    /// What the probe showed; none when it did not end in time.
    pub record: Option<Record>,
}

/// What became of the configuration as it was last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// When the one that counts was read.
    pub loaded: Timestamp,
    /// Why a later one is not taken on; none when none was refused since.
    pub refused: Option<Refused>,
    /// Settings that have changed and take effect at the next start.
    pub waits_for_restart: Vec<&'static str>,
}

/// How texts for people are written.
#[derive(Debug, Clone)]
pub struct Look {
    /// The language, unless somebody asks for another.
    pub language: Language,
    /// The time zone of all times shown.
    pub time_zone: TimeZone,
    /// Whom they say to phone.
    pub phonebook: Arc<Phonebook>,
}

/// A reload that was refused whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// When one was refused first since the one that counts was read.
    pub since: Timestamp,
    /// When one was refused last.
    pub at: Timestamp,
    /// The full text of all diagnostics of that.
    pub why: String,
}

/// What a successful reload took on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// Sites that are watched now.
    pub sites: usize,
    /// Targets that are probed now.
    pub targets: usize,
    /// Sessions in the calendar.
    pub sessions: usize,
    /// How long it took.
    pub took: Duration,
    /// Settings that have changed and take effect at the next start.
    pub waits_for_restart: Vec<&'static str>,
}

impl fmt::Display for Reloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sites, targets, sessions, took, waits_for_restart } = self;
        write!(
            f,
            "configuration reloaded in {} ms: {sites} sites, {targets} targets, {sessions} sessions",
            took.as_millis()
        )?;
        if !waits_for_restart.is_empty() {
            let settings = waits_for_restart.join("`, `");
            write!(f, "; what has changed of `{settings}` takes effect at the next start")?;
        }
        Ok(())
    }
}

/// Why a reload changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReloadError {
    /// The configuration is wrong. Holds the full text of all diagnostics.
    Refused(String),
    /// The configuration is sound, and was not taken on all the same.
    NotTaken(ControlError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(diagnostics) => f.write_str(diagnostics),
            Self::NotTaken(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for ReloadError {}

/// Why the daemon did not do as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlError {
    /// There is no such thing, or no longer.
    NotFound,
    /// The link was used before.
    Used,
    /// It makes no sense; says why.
    Refused(String),
    /// Whether it is done was not told in time. It may be done yet.
    Late,
    /// It is done, but the disk takes nothing at present: a crash now would undo it.
    Unkept,
    /// What it takes does not work: the disk, most often. Says why.
    Failed(String),
    /// A mistake of ours broke it off.
    Broken,
    /// Too many ask; try again after this long.
    Busy(Duration),
    /// The daemon is stopping.
    Stopping,
}

impl fmt::Display for ControlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such thing, or no longer"),
            Self::Used => f.write_str("this link was used before"),
            Self::Refused(why) | Self::Failed(why) => f.write_str(why),
            Self::Late => f.write_str("the event loop does not answer in time; it may do it yet"),
            Self::Unkept => f.write_str(
                "it is done, but the disk has not taken it in time: if the monitor stops before \
                 it has, it is forgotten",
            ),
            Self::Broken => f.write_str("this broke off"),
            Self::Busy(_) => f.write_str("too many ask for this at once; try again in a moment"),
            Self::Stopping => f.write_str("the daemon is stopping"),
        }
    }
}

impl std::error::Error for ControlError {}
