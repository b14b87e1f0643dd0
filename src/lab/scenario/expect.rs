//! What people should be told, as written in a scenario.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::evidence::{self, Observation};
use super::yaml::{self, Mark, Node, Sink, Value};
use crate::model::{Cause, NotificationKind, Severity};

/// One incident that the scenario must lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// Its cause.
    pub cause: Cause,
    /// The site at fault; none for the monitor itself and for a common factor.
    pub site: Option<String>,
    /// The endpoint at fault.
    pub endpoint: Option<String>,
    /// The check that shows it.
    pub check: Option<String>,
    /// What the failing sites share.
    pub common: Option<Common>,
    /// What the first message says instead, where it becomes better known only later.
    pub first: Said,
    /// Sites explained by it at its height, the one at fault included. It has been seen at its
    /// height when it is first told, unless [`first`](Self::first) says otherwise.
    pub affected: Option<u32>,
    /// Sites that could have been: "n of m".
    pub of: Option<u32>,
    /// Its severity at its height.
    pub severity: Option<Severity>,
    /// When the fault begins, on the timeline.
    pub begins: Option<Duration>,
    /// A firing message is accepted by the channel this long after `begins` at the latest.
    pub told_within: Option<Duration>,
    /// When the fault ends, on the timeline.
    pub ends: Option<Duration>,
    /// A resolved message is accepted this long after `ends` at the latest.
    pub resolved_within: Option<Duration>,
    /// Whether it is still open when the scenario ends.
    pub open: bool,
    /// Whether it counts as flapping at its height, where that matters.
    pub flapping: Option<bool>,
    /// What it must rest on, in the first message that says what is expected.
    pub evidence: Vec<Observation>,
    /// What each channel gets of it, in order; nothing is said of channels that are not named.
    pub told: BTreeMap<String, Vec<NotificationKind>>,
    /// Messages about it in all; firing and resolved make two.
    pub messages: Option<Count>,
    /// Where it stands in the file.
    pub mark: Mark,
}

/// What failing sites share.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Common {
    /// The label.
    pub label: String,
    /// Its value.
    pub value: String,
    /// Of all sites with that value so many fail when it is first told.
    pub inside: Option<Share>,
    /// Of all sites without it so many do.
    pub outside: Option<Share>,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// So many.
    pub failing: u32,
    /// Of so many.
    pub of: u32,
}

/// What a message says that an incident is: what somebody heard, or what the first message about it
/// is expected to say instead of what is said in the end.
///
/// Whoever names a cause of a first message names the endpoint and the check with it, and whoever
/// names a site or something in common names both.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Its cause.
    pub cause: Option<Cause>,
    /// The site at fault.
    pub site: Option<String>,
    /// The endpoint at fault, if it is one.
    pub endpoint: Option<String>,
    /// The check that shows it, if one does.
    pub check: Option<String>,
    /// What failing sites share, if that is the cause.
    pub common: Option<Common>,
    /// Sites affected. Heard: now or, once it is over, at any time. Expected at first: it may be
    /// known of more already.
    pub affected: Option<u32>,
    /// Of so many; expected at first: or more.
    pub of: Option<u32>,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Count {
    /// Just so many.
    Exactly(u32),
    /// So many or fewer.
    AtMost(u32),
}

/// What a busy machine may add to any time, however short.
const HICCUP: Duration = Duration::from_secs(5);
/// What it may add besides to a time that is not long.
const DELAY: Duration = Duration::from_secs(10);

impl Expected {
    /// Expects no more than a machine can do that is busy with other things: people are told within
    /// so many times as long and a few seconds more, and those of many sites that are noticed a
    /// little later are not in the first message yet. What takes long anyway, such as counting the
    /// packets that a line loses, takes at most half as long again.
    pub fn be_patient(&mut self, times: u32) {
        for limit in [&mut self.told_within, &mut self.resolved_within] {
            *limit = limit.map(|limit| {
                let more = limit.saturating_mul(times.saturating_sub(1));
                limit + more.min((limit / 2).max(DELAY)) + HICCUP
            });
        }
        let half = |n: u32| n / 2 + 1;
        let least = |first: Option<u32>, whole: Option<u32>| {
            [first, whole.map(half)].into_iter().flatten().min()
        };
        self.first.affected = least(self.first.affected, self.affected);
        self.first.of = least(self.first.of, self.of);
        for common in self.common.iter_mut().chain(&mut self.first.common) {
            (common.inside, common.outside) = (None, None);
        }
    }
}

impl Count {
    /// Whether `n` is as it should be.
    #[must_use]
    pub const fn holds(self, n: u32) -> bool {
        match self {
            Self::Exactly(wanted) => n == wanted,
            Self::AtMost(most) => n <= most,
        }
    }
}

impl Count {
    /// Whether only silence holds.
    pub(super) const fn is_none(self) -> bool {
        matches!(self, Self::Exactly(0) | Self::AtMost(0))
    }
}

impl Share {
    /// Reads `24/25`.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let (failing, of) = text.split_once('/')?;
        Some(Self { failing: failing.trim().parse().ok()?, of: of.trim().parse().ok()? })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.failing, self.of)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(n) => write!(f, "{n}"),
            Self::AtMost(n) => write!(f, "at most {n}"),
        }
    }
}

/// `2` or `{at-most: 3}`.
pub(super) fn count(node: &Node, sink: &Sink) -> Option<Count> {
    if matches!(node.value, Value::Scalar(_)) {
        return yaml::number(node, sink).map(Count::Exactly);
    }
    let map = node.map(sink, "a number of messages")?;
    let most = map.need("at-most", yaml::number).map(Count::AtMost);
    map.close();
    most
}

/// The list under `expect`; `nothing` stands for the empty one.
pub(super) fn list(node: &Node, sink: &Sink) -> Option<Vec<Expected>> {
    if matches!(&node.value, Value::Scalar(text) if text == "nothing") {
        return Some(Vec::new());
    }
    let items = node.list(sink, "`expect`");
    Some(items.iter().filter_map(|item| one(item, sink)).collect())
}

fn one(node: &Node, sink: &Sink) -> Option<Expected> {
    let map = node.map(sink, "an expected incident")?;
    let cause = map.need("cause", cause);
    let expected = Expected {
        cause: Cause::Monitor,
        site: map.read("site", yaml::text),
        endpoint: map.read("endpoint", yaml::text),
        check: map.read("check", yaml::text),
        common: map.read("common", common),
        first: map.read("first", first).unwrap_or_default(),
        affected: map.read("affected", yaml::number),
        of: map.read("of", yaml::number),
        severity: map.read("severity", |node, sink| {
            let words = Severity::ALL.map(Severity::word);
            word(node, sink, "severity", &words).map(|at| Severity::ALL[at])
        }),
        begins: map.read("begins", yaml::length),
        told_within: map.read("told-within", yaml::length),
        ends: map.read("ends", yaml::length),
        resolved_within: map.read("resolved-within", yaml::length),
        open: map.read("open", yaml::flag).unwrap_or(false),
        flapping: map.read("flapping", yaml::flag),
        evidence: map.read("evidence", evidence::list).unwrap_or_default(),
        told: map.read("told", told).unwrap_or_default(),
        messages: map.read("messages", count),
        mark: node.mark,
    };
    for (limit, from, names) in [
        (expected.told_within, expected.begins, ("told-within", "begins")),
        (expected.resolved_within, expected.ends, ("resolved-within", "ends")),
    ] {
        if limit.is_some() && from.is_none() {
            sink.say(node.mark, format!("`{}` needs `{}` to count from", names.0, names.1));
        }
    }
    if expected.open && expected.resolved_within.is_some() {
        sink.say(node.mark, "what is `open` at the end is not resolved");
    }
    map.close();
    Some(Expected { cause: cause?, ..expected })
}

/// Kinds of message by channel.
fn told(node: &Node, sink: &Sink) -> Option<BTreeMap<String, Vec<NotificationKind>>> {
    let map = node.map(sink, "`told`")?;
    let words = NotificationKind::ALL.map(NotificationKind::word);
    let kinds = |node: &Node| -> Vec<NotificationKind> {
        let items = node.list(sink, "what a channel gets").iter();
        let found = items.filter_map(|item| word(item, sink, "kind of message", &words));
        found.map(|at| NotificationKind::ALL[at]).collect()
    };
    Some(map.entries().iter().map(|(key, node)| (key.text.clone(), kinds(node))).collect())
}

fn cause(node: &Node, sink: &Sink) -> Option<Cause> {
    let words = Cause::ALL.map(Cause::word);
    word(node, sink, "cause", &words).map(|at| Cause::ALL[at])
}

/// What the first message says.
fn first(node: &Node, sink: &Sink) -> Option<Said> {
    let map = node.map(sink, "`first`")?;
    let first = Said {
        cause: map.read("cause", cause),
        site: map.read("site", yaml::text),
        endpoint: map.read("endpoint", yaml::text),
        check: map.read("check", yaml::text),
        common: map.read("common", common),
        affected: map.read("affected", yaml::number),
        of: map.read("of", yaml::number),
    };
    map.close();
    if first.cause.is_none() && (first.endpoint.is_some() || first.check.is_some()) {
        sink.say(node.mark, "`first` names the cause with the endpoint or the check");
    }
    Some(first)
}

/// `{power: lo-7}`, or with the ratios `{power: lo-7, inside: 24/24, outside: 0/25}`.
fn common(node: &Node, sink: &Sink) -> Option<Common> {
    let map = node.map(sink, "`common`")?;
    let share = |name: &'static str| {
        map.read(name, |node, sink| {
            let text = node.text(sink, "a share of sites")?;
            let share = Share::from_text(text);
            if share.is_none() {
                sink.say(node.mark, format!("`{text}` should be a share of sites such as 24/25"));
            }
            share
        })
    };
    let (inside, outside) = (share("inside"), share("outside"));
    let labels =
        map.entries().iter().filter(|(key, _)| !matches!(&*key.text, "inside" | "outside"));
    match &labels.collect::<Vec<_>>()[..] {
        [(label, value)] => Some(Common {
            label: label.text.clone(),
            value: value.text(sink, "the value of a label")?.to_owned(),
            inside,
            outside,
        }),
        _ => {
            sink.say(node.mark, "`common` names one label and its value");
            None
        }
    }
}

/// Which of `words` stands here.
pub(super) fn word(node: &Node, sink: &Sink, what: &str, words: &[&str]) -> Option<usize> {
    let text = node.text(sink, what)?;
    let found = words.iter().position(|word| *word == text);
    if found.is_none() {
        let hint = yaml::nearest(text, words.iter().copied());
        sink.say(node.mark, format!("`{text}` is no {what}{hint}"));
    }
    found
}
