//! Which alerts reach whom, and when.
//!
//! Routes follow Alertmanager's convention: they are tried in order, the first that fits takes an
//! alert, and one that says `continue` lets those behind it be tried as well.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::duty::{Days, Hours};
use crate::model::{
    Cause, ChannelId, ClassId, Importance, LevelId, PersonId, Phase, RotaId, Severity, SiteId,
    SiteIx, Topology,
};

/// One rule of who is told of what.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// What people call it.
    pub name: String,
    /// Which alerts it takes.
    pub when: When,
    /// Who is told at once; nobody if nobody is to be told.
    pub to: Vec<Receiver>,
    /// Who is told if nobody takes the incident on, soonest first.
    pub escalate: Vec<Step>,
    /// Whether the routes behind it are tried as well.
    pub goes_on: bool,
}

/// Who is told if nobody takes an incident on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// This long after the incident was told.
    pub after: Duration,
    /// The same while its session is live.
    pub live: Duration,
    /// Who; at least one.
    pub to: Vec<Receiver>,
}

/// How long somebody has to take an incident on before the next step of escalation, where a route
/// does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EscalationSettings {
    /// After the first message, and after each step.
    pub after: Duration,
    /// The same while its session is live.
    pub live: Duration,
}

/// Whom a route names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receiver {
    /// A channel itself.
    Channel(ChannelId),
    /// A person, through all of their channels.
    Person(PersonId),
    /// Whoever is on duty by this rota.
    Rota(RotaId),
    /// Whoever comes on duty next by this rota.
    Next(RotaId),
}

/// Which alerts a route takes: those that fit everything that is said. A list that is empty says
/// nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// The site at fault is of one of these levels.
    pub levels: Vec<LevelId>,
    /// It is one of these sites or its line runs through one of them.
    pub subtrees: Vec<SiteId>,
    /// It is one of these sites.
    pub sites: Vec<SiteId>,
    /// It is of one of these classes.
    pub classes: Vec<ClassId>,
    /// It has each of these labels with one of the values.
    pub labels: BTreeMap<String, Vec<String>>,
    /// The cause is one of these.
    pub causes: Vec<Cause>,
    /// The severity is one of these.
    pub severities: Vec<Severity>,
    /// The session that is touched stands in one of these phases.
    pub phases: Vec<Phase>,
    /// The session that is touched is of one of these.
    pub importances: Vec<Importance>,
    /// It is one of these days.
    pub days: Days,
    /// It is one of these hours.
    pub hours: Option<Hours>,
}

/// What a route looks at.
#[derive(Debug, Clone, Copy)]
pub struct Matter<'a> {
    /// What is watched.
    pub topology: &'a Topology,
    /// The site at fault; none for the monitor itself and for a common factor.
    pub site: Option<SiteIx>,
    /// The common factor, if it is one: label and value.
    pub common: Option<(&'a str, &'a str)>,
    /// The sites that are affected.
    pub affected: &'a [SiteIx],
    /// What kind of fault.
    pub cause: Cause,
    /// How urgent.
    pub severity: Severity,
    /// Where the session that it touches stands.
    pub phase: Phase,
    /// How much that session matters; none without a session.
    pub importance: Option<Importance>,
    /// When, in the time zone of the settings.
    pub at: DateTime,
}

/// When messages that can wait do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuietSettings {
    /// From when until when; none means never.
    pub hours: Option<Hours>,
    /// What is below this severity waits, unless its session is on or about to begin.
    pub below: Severity,
    /// The channels that are quiet; none means all.
    pub channels: Vec<ChannelId>,
}

/// How often people are told again of what is still on. None means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderSettings {
    /// While nobody has taken it on.
    pub unacknowledged: PhaseTimes,
    /// While somebody has.
    pub acknowledged: PhaseTimes,
}

/// How long an ack holds that does not say so itself; none means until the incident is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckSettings {
    /// By the phase in which it is given.
    pub lasts: PhaseTimes,
}

/// A time for each phase of the session that an incident touches. None means never, or without an
/// end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PhaseTimes {
    /// When no session is near.
    pub idle: Option<Duration>,
    /// Before a session.
    pub readiness: Option<Duration>,
    /// During a session.
    pub live: Option<Duration>,
    /// After a session.
    pub wrap_up: Option<Duration>,
}

impl Default for When {
    fn default() -> Self {
        Self {
            levels: Vec::new(),
            subtrees: Vec::new(),
            sites: Vec::new(),
            classes: Vec::new(),
            labels: BTreeMap::new(),
            causes: Vec::new(),
            severities: Vec::new(),
            phases: Vec::new(),
            importances: Vec::new(),
            days: Days::ALL,
            hours: None,
        }
    }
}

impl When {
    /// Whether an alert fits everything that is said.
    ///
    /// 1. Level, subtree, site, class and label are those of the site at fault.
    /// 2. Where no single site is at fault, all sites that are affected must fit, and at least one
    ///    must be; or the common factor is what is said of labels and nothing else is said of
    ///    places. So what concerns the whole province is not taken by the route of one district.
    #[must_use]
    pub fn fits(&self, matter: &Matter<'_>) -> bool {
        self.fits_place(matter)
            && named(&self.causes, &matter.cause)
            && named(&self.severities, &matter.severity)
            && named(&self.phases, &matter.phase)
            && (self.importances.is_empty()
                || matter.importance.is_some_and(|it| self.importances.contains(&it)))
            && self.fits_time(matter.at)
    }

    /// Whether something is said of places.
    #[must_use]
    pub fn has_place(&self) -> bool {
        self.has_place_but_labels() || !self.labels.is_empty()
    }

    /// Whether a site fits what is said of places.
    #[must_use]
    pub fn fits_site(&self, topology: &Topology, ix: SiteIx) -> bool {
        let site = topology.site(ix);
        let below = |root: &SiteId| {
            site.id == *root
                || topology.ancestors(ix).iter().any(|above| topology.site(*above).id == *root)
        };
        let labelled = |(label, values): (&String, &Vec<String>)| {
            site.labels.get(label).is_some_and(|value| values.contains(value))
        };
        named(&self.levels, &topology.level_of(ix).id)
            && (self.subtrees.is_empty() || self.subtrees.iter().any(below))
            && named(&self.sites, &site.id)
            && named(&self.classes, &site.class)
            && self.labels.iter().all(labelled)
    }

    /// Whether it takes everything that `other` takes, as far as places are left aside.
    pub(in crate::config) fn covers_but_places(&self, other: &Self) -> bool {
        fn wider<T: PartialEq>(mine: &[T], theirs: &[T]) -> bool {
            mine.is_empty() || (!theirs.is_empty() && theirs.iter().all(|it| mine.contains(it)))
        }
        wider(&self.causes, &other.causes)
            && wider(&self.severities, &other.severities)
            && wider(&self.phases, &other.phases)
            && wider(&self.importances, &other.importances)
            && other.days.within(self.days)
            && (self.hours.is_none() || self.hours == other.hours)
            // Hours over midnight belong to the day on which they begin.
            && (self.days == Days::ALL || self.hours == other.hours)
    }

    fn fits_place(&self, matter: &Matter<'_>) -> bool {
        if !self.has_place() {
            return true;
        }
        if let Some(site) = matter.site {
            return self.fits_site(matter.topology, site);
        }
        let shared = matter.common.is_some_and(|(label, value)| {
            !self.has_place_but_labels()
                && self.labels.len() == 1
                && self.labels.get(label).is_some_and(|values| values.iter().any(|v| v == value))
        });
        shared
            || (!matter.affected.is_empty()
                && matter.affected.iter().all(|site| self.fits_site(matter.topology, *site)))
    }

    const fn has_place_but_labels(&self) -> bool {
        !(self.levels.is_empty()
            && self.subtrees.is_empty()
            && self.sites.is_empty()
            && self.classes.is_empty())
    }

    /// Hours over midnight belong to the day on which they begin.
    fn fits_time(&self, at: DateTime) -> bool {
        let Some(hours) = self.hours else { return self.days.has(at.weekday()) };
        let early = hours.over_midnight() && at.time() < hours.until && at.time() < hours.from;
        let day = if early { at.date().yesterday().unwrap_or(at.date()) } else { at.date() };
        hours.has(at.time()) && self.days.has(day.weekday())
    }
}

impl QuietSettings {
    /// Whether a channel is quiet at `at`, local time.
    #[must_use]
    pub fn is_on(&self, channel: &ChannelId, at: DateTime) -> bool {
        self.hours.is_some_and(|hours| hours.has(at.time()))
            && (self.channels.is_empty() || self.channels.contains(channel))
    }

    /// Whether what is so urgent, with a session in this phase, can wait.
    #[must_use]
    pub fn can_wait(&self, severity: Severity, phase: Phase) -> bool {
        severity < self.below && !matches!(phase, Phase::Readiness | Phase::Live)
    }

    /// When the quiet hours that are on at `at` began.
    #[must_use]
    pub fn begin(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let Some(hours) = self.hours else { return at };
        let now = zone.to_datetime(at);
        let today = now.date();
        let yesterday = today.yesterday().unwrap_or(today);
        let day = if hours.from <= now.time() { today } else { yesterday };
        let begin = zone.to_ambiguous_timestamp(day.to_datetime(hours.from)).compatible();
        begin.map_or(at, |begin| begin.min(at))
    }

    /// When the quiet hours that are on at `at` end.
    #[must_use]
    pub fn end(&self, at: Timestamp, zone: &TimeZone) -> Timestamp {
        let Some(hours) = self.hours else { return at };
        let now = zone.to_datetime(at);
        let today = now.date();
        let tomorrow = today.tomorrow().unwrap_or(today);
        let day = if now.time() < hours.until { today } else { tomorrow };
        let end = zone.to_ambiguous_timestamp(day.to_datetime(hours.until)).compatible();
        end.map_or(at, |end| end.max(at))
    }
}

impl PhaseTimes {
    /// The time in this phase.
    #[must_use]
    pub const fn in_phase(&self, phase: Phase) -> Option<Duration> {
        match phase {
            Phase::Idle => self.idle,
            Phase::Readiness => self.readiness,
            Phase::Live => self.live,
            Phase::WrapUp => self.wrap_up,
        }
    }

    /// The shortest of them.
    #[must_use]
    pub fn shortest(&self) -> Option<Duration> {
        Phase::ALL.into_iter().filter_map(|phase| self.in_phase(phase)).min()
    }
}

impl Step {
    /// How long after the incident was told, in this phase.
    #[must_use]
    pub const fn wait(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Live => self.live,
            Phase::Idle | Phase::Readiness | Phase::WrapUp => self.after,
        }
    }
}

/// Whether a list says nothing or names this.
fn named<T: PartialEq>(list: &[T], what: &T) -> bool {
    list.is_empty() || list.contains(what)
}
