//! Scenario files: a province, its sessions, what goes wrong when, and what people should be told.
//!
//! The same file is run with virtual time against the pure monitor and in real time against the
//! emulated province. It is read in two steps: [`Scenario::parse`] understands the text, and
//! [`Scenario::script`] with [`Scenario::sessions`] fit it to a topology, which may be the
//! shipped sample or the small [province](Province) that the file itself draws. Both steps report
//! everything that is wrong, with line and column.
//!
//! ```yaml
//! name: A commune loses power during a live session and returns
//! province:                       # or `sample`: the shipped configuration
//!   tree: {tinh: {cho-don: [tan-lap, bang-lang], ba-be: [nam-mau]}}
//! sessions:
//!   - {title: Phiên họp, from: -1m, to: +1h, delegates: 50}
//! lasts: 2m
//! timeline:
//!   - {at: 10s, site: tan-lap, fault: power-cut}
//!   - {at: 40s, site: tan-lap, clear: power-cut}
//! expect:
//!   - cause: access
//!     site: tan-lap
//!     begins: 10s
//!     told-within: 5s
//!     ends: 40s
//!     resolved-within: 10s
//!     messages: 2
//! ```
//!
//! **Whom an entry concerns** is said by `site` (one or several), `subtree` (a site and everything
//! whose line runs through it), `below` (the same without the site), `level`, `label` (a map; all
//! must fit), `everywhere: true` and `except`; several together mean what fits all of them.
//! `endpoint` narrows it to one device. Faults of devices and services spare a site's router
//! unless it is named.
//!
//! **How long** is said by a later `clear: <fault>` or `clear: all` for the same sites, or by
//! `for: 30s`. `flap: {down: 8s, up: 12s}` (or `{period: 20s}`) makes it come and go. `spread: 5s`
//! lets it befall the sites one after the other within that time, in the order given by
//! `order: file | reverse | shuffled`.
//!
//! The faults and their parameters are those of [`Fault`]. Our own, which concern no site, begin
//! with `own-`: `own-network-cut`, `own-link-down`, and in virtual runs `own-resolver-dead` and
//! `own-engine-late: 1400ms`.
//!
//! **What is told** is judged by the first message, which is the one that people act on, and by the
//! last: both must say what is expected. Where something becomes better known only later, `first`
//! says what the first message has instead: `first: {cause: access, site: tan-lap, affected: 1}`.
//! With `common` the ratios may stand: `common: {power: lo-7, inside: 24/24, outside: 0/25}`. What
//! is expected with `messages: 0` must have been noticed all the same.
//!
//! **What it rests on** is said by `evidence`, a list of what was probed, what came back and, where
//! the network said who, from which device: `{target: tan-lap/codec/ping, saw: host-unreachable,
//! from: tan-lap/router}`. What was seen is a word, or one with a value such as `{loss: 5%}`, which
//! is the least that it must show. Messages that leave out what they rest on are not judged by it.
//!
//! **Who is told** is said by `settings`, the text of a `vchealth.yaml` with channels, people,
//! rotas and routes, and judged by `told` of an expected incident: what each channel gets, in
//! order. `letters` counts what leaves as one message once.

mod demo;
mod evidence;
mod expect;
mod judge;
mod province;
mod read;
mod script;
mod stage;
#[cfg(test)]
mod tests;
mod yaml;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use evidence::{Observation, Observed, Showed};
pub use expect::{Common, Count, Expected, Said, Share};
pub use judge::{Heard, Judgement, Row, gravity};
pub use province::{Province, Tree};
pub use script::{Act, Script, Step};
pub use yaml::{Mark, Problem, Problems};

use super::fault::{Fault, FaultKind};
use super::world::Nature;
use crate::model::Importance;

/// A scenario as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file it was read from, for messages.
    pub file: String,
    /// One line for tables.
    pub name: String,
    /// What it shows and why it matters.
    pub description: String,
    /// Which province it plays in.
    pub province: Province,
    /// How that province is when nothing is wrong.
    pub nature: Nature,
    /// The wall-clock time of its start; runs in real time start when they start.
    pub starts: Option<Timestamp>,
    /// How long it runs.
    pub lasts: Duration,
    /// Whether it also makes sense in real time, with real packets.
    pub real: bool,
    /// The calendar.
    pub sessions: Vec<SessionPlan>,
    /// What happens.
    pub timeline: Vec<Entry>,
    /// The incidents that people should be told of, and no others.
    pub expect: Vec<Expected>,
    /// Messages in all, when that is not the sum over `expect`.
    pub messages: Option<Count>,
    /// Letters in all: messages of a kind that a channel gets at one moment leave as one.
    pub letters: Option<Count>,
    /// What stands in `vchealth.yaml`, for scenarios about who is told. Virtual runs only.
    pub settings: Option<String>,
}

impl Scenario {
    /// Whether devices are known by names that no name server knows.
    fn has_names(&self) -> bool {
        matches!(&self.province, Province::Tree(tree) if !tree.names.is_empty())
    }
}

/// A session relative to the start of the scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPlan {
    /// Its id; `session-1` and so on unless written.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// Its start minus the scenario's.
    pub from: SignedDuration,
    /// Its end minus the scenario's start.
    pub to: SignedDuration,
    /// Who takes part. Everybody unless written.
    pub who: Who,
    /// Delegates at each site.
    pub delegates: u32,
    /// How much an outage matters.
    pub importance: Importance,
    /// Where it stands in the file.
    pub mark: Mark,
}

/// One line of the timeline, as written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Duration,
    /// What.
    pub what: What,
    /// Whom it concerns.
    pub who: Who,
    /// When it ends by itself.
    pub lasts: Option<Duration>,
    /// How it comes and goes.
    pub flap: Option<Flap>,
    /// The time over which it reaches the sites one after the other.
    pub spread: Duration,
    /// In which order it reaches them.
    pub order: Order,
    /// Where it stands in the file.
    pub mark: Mark,
}

/// What happens.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Something goes wrong.
    Fault(Fault),
    /// It is well again: this kind of fault, or all of them.
    Clear(Option<FaultKind>),
    /// Somebody sets the wall clock. Virtual runs only.
    ClockStep(SignedDuration),
    /// The daemon is stopped and started again after this long.
    Restart {
        /// How long it is away.
        away: Duration,
        /// Whether it dies without a chance to say goodbye.
        killed: bool,
    },
    /// The configuration is read again, now without the sites this concerns, or whole again.
    Reload {
        /// Whether sites are left out: those the entry concerns.
        without: bool,
    },
    /// Somebody takes on whatever is open at the sites.
    Ack {
        /// Who.
        by: String,
    },
    /// Nothing is told of the sites while it lasts.
    Silence,
    /// The sites are being worked on while it lasts.
    Maintenance,
}

/// Going down and up again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flap {
    /// How long the fault stays.
    pub down: Duration,
    /// How long it is away.
    pub up: Duration,
}

/// The order in which several sites are reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// As the topology has them: parents before children.
    #[default]
    File,
    /// Children before parents.
    Reverse,
    /// By the dice.
    Shuffled,
}

/// Whom an entry concerns. What is absent does not narrow the choice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Who {
    /// These sites.
    pub sites: Vec<(String, Mark)>,
    /// These sites and everything whose line runs through them.
    pub subtree: Vec<(String, Mark)>,
    /// The same without the sites themselves.
    pub below: Vec<(String, Mark)>,
    /// Sites of these levels.
    pub level: Vec<(String, Mark)>,
    /// Sites with these labels.
    pub label: BTreeMap<String, (String, Mark)>,
    /// But not these.
    pub except: Vec<(String, Mark)>,
    /// All of them, said aloud.
    pub everywhere: bool,
    /// This device only.
    pub endpoint: Option<(String, Mark)>,
}
