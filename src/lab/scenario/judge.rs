//! Whether people were told what a scenario expects: the same judgement for virtual runs, for
//! end-to-end tests and for the end of a demo.
//!
//! It looks at messages only, not at the state behind them: what nobody was told did not happen
//! as far as the technician is concerned. All complaints stand in one file, so that it can be seen
//! what a run that passes has been held to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;

use super::evidence::Observed;
use super::expect::Expected;
use super::{Common, Count, Said, Scenario, Share, What};
use crate::lab::receiver::Post;
use crate::model::{Cause, Incident, Notification, NotificationKind, Phase, Severity, SiteId};

/// One message about one incident, as somebody got it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Heard {
    /// When it was accepted, from the start of the scenario.
    pub at: Duration,
    /// Whether it said that it is over.
    pub resolved: bool,
    /// Which incident, the same in all messages about it.
    pub incident: String,
    /// What it is said to be.
    pub said: Said,
    /// How urgent.
    pub severity: Option<Severity>,
    /// Whether it is said to come and go, where the message says so.
    pub flapping: Option<bool>,
    /// Through which channel, where that is known.
    pub channel: Option<String>,
    /// What kind of message, where that is known.
    pub kind: Option<NotificationKind>,
    /// Where the session that it touches stood when it was decided, where that is known.
    pub phase: Option<Phase>,
    /// What it rests on, where the message carries that.
    pub evidence: Option<Vec<Observed>>,
}

/// How the expectations of a scenario were met.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// One for each expectation, in the order of the file.
    pub rows: Vec<Row>,
    /// What is wrong beyond the rows: incidents that nobody expected, too many messages.
    pub complaints: Vec<String>,
    /// Messages in all.
    pub messages: u32,
}

/// How one expectation was met.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// What was expected, in a few words.
    pub what: String,
    /// From the beginning of the fault to the first message.
    pub told_after: Option<Duration>,
    /// From the end of the fault to the message that it is over.
    pub resolved_after: Option<Duration>,
    /// Messages about it.
    pub messages: u32,
    /// How many sites were affected at its height, where messages said so.
    pub affected: Option<u32>,
    /// What is wrong with it.
    pub complaints: Vec<String>,
}

impl Judgement {
    /// Whether everything was told as expected and nothing else.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complaints.is_empty() && self.rows.iter().all(|row| row.complaints.is_empty())
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: Option<Duration>| {
            time.map_or_else(|| "-".to_owned(), |time| format!("{:.1} s", time.as_secs_f64()))
        };
        for row in &self.rows {
            let mark = if row.complaints.is_empty() { "ok  " } else { "FAIL" };
            let (told, over) = (time(row.told_after), time(row.resolved_after));
            writeln!(
                f,
                "{mark} {:<40} told after {told:>7}, over after {over:>7}, {} messages",
                row.what, row.messages
            )?;
            for complaint in &row.complaints {
                writeln!(f, "       {complaint}")?;
            }
        }
        for complaint in &self.complaints {
            writeln!(f, "FAIL {complaint}")?;
        }
        if self.rows.is_empty() && self.complaints.is_empty() {
            writeln!(f, "ok   nothing to tell, and nothing was told")?;
        }
        Ok(())
    }
}

impl Scenario {
    /// Judges what was heard in a run of this scenario.
    ///
    /// 1. Each expected incident takes the first incident heard of that fits it and that no other
    ///    expectation took.
    /// 2. It must be told and resolved in time, with the right numbers, and never before there
    ///    was anything to tell. What it is must be said [in the first message](first), which is
    ///    the one that somebody drives out for, and not only in the last.
    /// 3. Unless it is expected to be open at the end it must have been resolved, and not twice in
    ///    a row. What comes back after it was said to be over counts by its last end.
    /// 4. Of one incident no channel is told [too often](crowded), unless our clock is set: then an
    ///    hour is not what it is by the clock.
    /// 5. What is expected in evidence stands in that of the first message that names the cause and
    ///    the place that are expected; see [`missing`](Self::missing).
    /// 6. Whatever nobody expected is wrong.
    #[must_use]
    pub fn judge(&self, heard: &[Heard]) -> Judgement {
        let mut incidents = incidents(heard);
        let steps = self.steps_the_clock();
        let crowded = incidents.iter().filter(|_| !steps).filter_map(crowded);
        let mut complaints: Vec<String> = crowded.collect();
        let messages = u32::try_from(heard.len()).unwrap_or(u32::MAX);
        let rows = self.expect.iter().map(|expected| {
            let at = incidents.iter().position(|incident| incident.fits(expected));
            let told = at.map(|at| incidents.remove(at));
            let missing = told.as_ref().map_or(Vec::new(), |told| self.unshown(expected, told));
            let mut row = judge(expected, told);
            row.complaints.extend(missing);
            row
        });
        let rows: Vec<Row> = rows.collect();
        complaints.extend(incidents.iter().map(|incident| {
            let at = incident.told.first().map_or(0.0, |heard| heard.at.as_secs_f64());
            format!("nobody expected {}, told at {at:.1} s", incident.words())
        }));
        if let Some(count) = self.messages
            && !count.holds(messages)
        {
            complaints.push(format!("{messages} messages in all instead of {count}"));
        }
        let letters = letters(heard);
        if let Some(count) = self.letters.filter(|count| !count.holds(letters)) {
            complaints.push(format!("{letters} letters in all instead of {count}"));
        }
        Judgement { rows, complaints, messages }
    }

    /// What is expected in evidence and does not stand there, all of it where no message before the
    /// end names what it is about. A message that carries no evidence is not held to it.
    fn unshown(&self, expected: &Expected, told: &Told<'_>) -> Vec<String> {
        let says = |heard: &&&Heard| !heard.resolved && names(&heard.said, expected);
        let Some(heard) = told.told.iter().find(says) else {
            let all = expected.evidence.iter();
            return all
                .map(|it| format!("no message that says so before the end shows {it}"))
                .collect();
        };
        let Some(seen) = &heard.evidence else { return Vec::new() };
        self.missing(&expected.evidence, expected.begins, heard.at, seen)
    }

    /// Whether somebody sets our clock.
    pub(super) fn steps_the_clock(&self) -> bool {
        self.timeline.iter().any(|entry| matches!(entry.what, What::ClockStep(_)))
    }

    /// What is to be kept quiet about and is not among what was noticed: nobody was told of it for
    /// another reason than the one that the scenario is about.
    #[must_use]
    pub fn overlooked<'a>(&self, noticed: impl IntoIterator<Item = &'a Incident>) -> Vec<String> {
        let noticed: Vec<&Incident> = noticed.into_iter().collect();
        let quiet = self.expect.iter().filter(|it| it.messages.is_some_and(Count::is_none));
        let overlooked = quiet.filter(|expected| {
            !noticed.iter().any(|incident| {
                incident.cause == expected.cause
                    && incident.site.as_ref().map(SiteId::as_str) == expected.site.as_deref()
            })
        });
        overlooked.map(|expected| format!("nobody noticed {}", what(expected))).collect()
    }
}

/// Messages from which on those of a kind that a channel gets at one moment leave as one.
const TOGETHER: usize = 3;

/// How many letters the messages are.
fn letters(heard: &[Heard]) -> u32 {
    let mut together: BTreeMap<_, usize> = BTreeMap::new();
    for message in heard {
        *together.entry((message.at, &message.channel, message.kind)).or_default() += 1;
    }
    let letters = together.into_values().map(|n| if n >= TOGETHER { 1 } else { n });
    u32::try_from(letters.sum::<usize>()).unwrap_or(u32::MAX)
}

/// Most messages of an hour about one incident to one channel, without what says before it first
/// came back that it has grown or that nobody took it on, and the first that says, while a session
/// is on or near, that it has become critical, or critical by a graver trouble.
const MOST_IN_AN_HOUR: usize = 3;
const HOUR: Duration = Duration::from_secs(3600);

/// Whether a channel is told more of an incident than fits into an hour.
fn crowded(incident: &Told<'_>) -> Option<String> {
    let mut by_channel: BTreeMap<_, Vec<&Heard>> = BTreeMap::new();
    for heard in &incident.told {
        let before = by_channel.entry(&heard.channel).or_default();
        let has_come_back = before.iter().any(|it| it.resolved);
        let is_between =
            heard.kind.is_some_and(|kind| kind != NotificationKind::Firing && !heard.resolved);
        if is_between && !has_come_back {
            continue;
        }
        let within = before.iter().filter(|it| heard.at - it.at < HOUR);
        let how_grave = |it: &Heard| it.said.cause.map(gravity);
        let as_grave =
            |it: &Heard| it.severity >= heard.severity && how_grave(it) >= how_grave(heard);
        let is_near =
            heard.phase.is_none_or(|phase| matches!(phase, Phase::Readiness | Phase::Live));
        let is_critical = heard.severity == Some(Severity::Critical);
        let rises = is_near && is_critical && !within.clone().any(|it| as_grave(it));
        let recent = within.count() + 1;
        before.push(heard);
        if recent > MOST_IN_AN_HOUR + usize::from(rises) {
            let (what, at) = (incident.words(), heard.at.as_secs_f64());
            return Some(format!("{what} is told {recent} times within the hour, at {at:.1} s"));
        }
    }
    None
}

/// How much a trouble keeps a site from.
#[must_use]
pub const fn gravity(cause: Cause) -> u8 {
    match cause {
        Cause::Monitor | Cause::Certificate | Cause::Clock => 0,
        Cause::Quality => 1,
        Cause::Service => 2,
        Cause::Device => 3,
        Cause::Access | Cause::Uplink => 4,
    }
}

/// Everything heard of one incident.
struct Told<'a> {
    told: Vec<&'a Heard>,
}

/// The incidents in the order in which they were first heard of.
fn incidents(heard: &[Heard]) -> Vec<Told<'_>> {
    let mut by_id: BTreeMap<&str, Vec<&Heard>> = BTreeMap::new();
    for message in heard {
        by_id.entry(&message.incident).or_default().push(message);
    }
    let mut incidents: Vec<Told<'_>> = by_id.into_values().map(|told| Told { told }).collect();
    for incident in &mut incidents {
        incident.told.sort_by_key(|heard| heard.at);
    }
    incidents.sort_by_key(|incident| incident.told.first().map(|heard| heard.at));
    incidents
}

impl Told<'_> {
    /// The greatest that was said of something.
    fn most<T: Ord>(&self, what: impl Fn(&Heard) -> Option<T>) -> Option<T> {
        self.told.iter().filter_map(|heard| what(heard)).max()
    }

    fn fits(&self, expected: &Expected) -> bool {
        self.told.last().is_some_and(|last| names(&last.said, expected))
    }

    fn words(&self) -> String {
        self.told.last().map_or_else(String::new, |last| place(&last.said))
    }
}

/// Whether a message names the cause and the place that are expected.
fn names(said: &Said, expected: &Expected) -> bool {
    said.cause == Some(expected.cause)
        && said.site == expected.site
        && same_common(expected.common.as_ref(), said.common.as_ref())
        && same(&expected.endpoint, &said.endpoint)
        && same(&expected.check, &said.check)
}

/// Whether a device or a check that is expected is the one that is said. Whoever expects none does
/// not care.
fn same(wanted: &Option<String>, said: &Option<String>) -> bool {
    wanted.is_none() || wanted == said
}

/// Whether what is said to be in common is what is expected, or nothing is.
fn same_common(wanted: Option<&Common>, said: Option<&Common>) -> bool {
    match (wanted, said) {
        (None, None) => true,
        (Some(wanted), Some(said)) => wanted.label == said.label && wanted.value == said.value,
        _ => false,
    }
}

/// What a message says it is, and where.
fn place(said: &Said) -> String {
    let cause = said.cause.map_or("an unknown cause", Cause::word);
    words(cause, said.site.as_ref(), said.endpoint.as_ref(), said.common.as_ref())
}

/// A cause and its place in words.
fn words(
    cause: &str,
    site: Option<&String>,
    endpoint: Option<&String>,
    common: Option<&Common>,
) -> String {
    let mut words = cause.to_owned();
    if let Some(site) = site {
        words += &format!(" at {site}");
    }
    if let Some(endpoint) = endpoint {
        words += &format!("/{endpoint}");
    }
    if let Some(Common { label, value, .. }) = common {
        words += &format!(" with {label} {value}");
    }
    words
}

fn judge(expected: &Expected, told: Option<Told<'_>>) -> Row {
    let mut row = Row { what: what(expected), ..Row::default() };
    let Some(told) = told else {
        // Only what is to be kept quiet about is met by silence: a few messages at most are one at
        // least.
        if !expected.messages.is_some_and(Count::is_none) {
            row.complaints.push("nobody was told".to_owned());
        }
        return row;
    };
    row.messages = u32::try_from(told.told.len()).unwrap_or(u32::MAX);
    let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
    let mut complain = |complaint: String| row.complaints.push(complaint);
    let beginning = told.told.iter().find(|heard| !heard.resolved);
    match (beginning.map(|heard| heard.at), expected.begins) {
        (None, _) => complain("it was said to be over and never to be on".to_owned()),
        (Some(at), Some(begins)) if at < begins => {
            complain(format!("it was told at {}, before it began", seconds(at)));
        }
        (Some(at), Some(begins)) => {
            row.told_after = Some(at - begins);
            if let Some(within) = expected.told_within.filter(|within| at - begins > *within) {
                let after = seconds(at - begins);
                complain(format!("it was told after {after} instead of {}", seconds(within)));
            }
        }
        (Some(_), None) => {}
    }
    // What was said to be over and then to be on again is not over.
    let last = told.told.iter().rposition(|heard| !heard.resolved).map_or(0, |at| at + 1);
    // Each channel is told once.
    let over = &told.told[last..];
    let channels: BTreeSet<_> = over.iter().map(|heard| &heard.channel).collect();
    let again = over.len() > channels.len();
    let mut over = over.iter().map(|heard| heard.at);
    match (over.next(), expected.ends) {
        (Some(at), _) if expected.open => {
            complain(format!("it was said to be over at {} and is not", seconds(at)));
        }
        (None, _) if expected.open => {}
        (None, _) => complain("nobody was told that it is over".to_owned()),
        (Some(at), Some(ends)) if at < ends => {
            complain(format!("it was said to be over at {}, before it was", seconds(at)));
        }
        (Some(at), Some(ends)) => {
            row.resolved_after = Some(at - ends);
            if let Some(within) = expected.resolved_within.filter(|within| at - ends > *within) {
                let after = seconds(at - ends);
                complain(format!("it was over after {after} instead of {}", seconds(within)));
            }
        }
        (Some(_), None) => {}
    }
    if again {
        complain("it was said to be over more than once".to_owned());
    }
    for (channel, wanted) in &expected.told {
        let kinds = told.told.iter().filter(|heard| heard.channel.as_ref() == Some(channel));
        let kinds: Vec<_> = kinds.filter_map(|heard| heard.kind).collect();
        if kinds != *wanted {
            let words = |kinds: &[NotificationKind]| match kinds {
                [] => "nothing".to_owned(),
                kinds => kinds.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", "),
            };
            complain(format!("{channel} got {} instead of {}", words(&kinds), words(wanted)));
        }
    }
    for complaint in beginning.into_iter().flat_map(|heard| first(expected, &heard.said)) {
        complain(complaint);
    }
    row.affected = told.most(|heard| heard.said.affected);
    for (what, wanted, said) in [
        ("affected", expected.affected, row.affected),
        ("that could have been", expected.of, told.most(|heard| heard.said.of)),
    ] {
        if let (Some(wanted), Some(said)) = (wanted, said)
            && wanted != said
        {
            complain(format!("{said} sites {what} instead of {wanted}"));
        }
    }
    if let (Some(wanted), Some(said)) = (expected.severity, told.most(|heard| heard.severity))
        && wanted != said
    {
        complain(format!("it was {} instead of {}", said.word(), wanted.word()));
    }
    if let (Some(wanted), Some(said)) = (expected.flapping, told.most(|heard| heard.flapping))
        && wanted != said
    {
        complain(format!("it was {}said to come and go", if said { "" } else { "not " }));
    }
    if let Some(count) = expected.messages.filter(|count| !count.holds(row.messages)) {
        complain(format!("{} messages instead of {count}", row.messages));
    }
    row
}

/// What is wrong with what the first message says.
///
/// 1. Cause, site, device, check and what is in common are those that are expected, or those that
///    `first` names instead.
/// 2. So are the numbers: "n of m", and how many fail of those that have something in common and
///    of the others. Where it grows, `first` says of how many it is known at least.
fn first(expected: &Expected, heard: &Said) -> Vec<String> {
    let first = &expected.first;
    let named = first.cause.is_some();
    let cause = first.cause.unwrap_or(expected.cause);
    let placed = first.site.is_some() || first.common.is_some();
    let of = if placed { (&first.site, &first.common) } else { (&expected.site, &expected.common) };
    let (site, common) = of;
    let of =
        if named { (&first.endpoint, &first.check) } else { (&expected.endpoint, &expected.check) };
    let (endpoint, check) = of;
    let mut wrong = Vec::new();
    let fits = heard.cause == Some(cause)
        && heard.site == *site
        && same_common(common.as_ref(), heard.common.as_ref())
        && same(endpoint, &heard.endpoint);
    if !fits {
        let wanted = words(cause.word(), site.as_ref(), endpoint.as_ref(), common.as_ref());
        wrong.push(format!("the first message says {} instead of {wanted}", place(heard)));
    } else if !same(check, &heard.check) {
        let word = |check: &Option<String>| check.clone().unwrap_or_else(|| "none".to_owned());
        let (said, wanted) = (word(&heard.check), word(check));
        wrong.push(format!("the first message names the check {said} instead of {wanted}"));
    }
    let ratio = |of: fn(&Common) -> Option<Share>| {
        let wanted = common.as_ref().and_then(of).map(|share| share.to_string());
        (wanted, heard.common.as_ref().and_then(of).map(|share| share.to_string()))
    };
    let number = |first: Option<u32>, expected: Option<u32>, said: Option<u32>| {
        if first.is_some() && said >= first {
            return (None, None);
        }
        (first.or(expected).map(|n| n.to_string()), said.map(|n| n.to_string()))
    };
    for (what, (wanted, said)) in [
        ("affected", number(first.affected, expected.affected, heard.affected)),
        ("that could have been", number(first.of, expected.of, heard.of)),
        ("that have it in common", ratio(|common| common.inside)),
        ("that do not", ratio(|common| common.outside)),
    ] {
        if wanted.is_some() && wanted != said {
            let word = |said: Option<String>| said.unwrap_or_else(|| "no number".to_owned());
            let (said, wanted) = (word(said), word(wanted));
            wrong.push(format!("the first message says {said} sites {what} instead of {wanted}"));
        }
    }
    wrong
}

/// What is expected, in a few words.
fn what(expected: &Expected) -> String {
    let Expected { site, endpoint, common, .. } = expected;
    let mut what = words(expected.cause.word(), site.as_ref(), endpoint.as_ref(), common.as_ref());
    if expected.messages.is_some_and(Count::is_none) {
        what += ", kept quiet";
    }
    what
}

impl Heard {
    /// What a notification says, accepted at `at`.
    #[must_use]
    pub fn from_notification(at: Duration, notification: &Notification) -> Self {
        let incident = &notification.alert.incident;
        let affected = match incident.resolved {
            Some(_) => incident.affected.len(),
            None => incident.affected_now().count(),
        };
        let told = SignedDuration::try_from(at).unwrap_or(SignedDuration::MAX);
        let seen = incident.evidence.iter().map(|evidence| Observed {
            at: told - notification.created.duration_since(evidence.at),
            evidence: evidence.clone(),
        });
        Self {
            evidence: Some(seen.collect()),
            at,
            resolved: notification.kind == NotificationKind::Resolved,
            incident: incident.id.to_string(),
            said: Said {
                cause: Some(incident.cause),
                site: incident.site.as_ref().map(ToString::to_string),
                endpoint: incident.endpoint.as_ref().map(ToString::to_string),
                check: incident.check.as_ref().map(ToString::to_string),
                common: incident.common.as_ref().map(|common| Common {
                    label: common.label.clone(),
                    value: common.value.clone(),
                    inside: Some(Share { failing: common.inside_failing, of: common.inside }),
                    outside: Some(Share { failing: common.outside_failing, of: common.outside }),
                }),
                affected: u32::try_from(affected).ok(),
                of: Some(incident.of),
            },
            severity: Some(incident.severity),
            flapping: Some(incident.flapping),
            channel: Some(notification.channel.to_string()),
            kind: Some(notification.kind),
            phase: Some(notification.alert.phase),
        }
    }

    /// What a post says, accepted at `at`: one for each of its alerts.
    #[must_use]
    pub fn from_post(at: Duration, post: &Post) -> Vec<Self> {
        let alerts = post.alerts.iter().map(|alert| {
            let label =
                |name: &str| alert.labels.get(name).filter(|text| !text.is_empty()).cloned();
            let said =
                |name: &str| alert.annotations.get(name).filter(|text| !text.is_empty()).cloned();
            let number = |name: &str| said(name)?.parse().ok();
            let share = |name: &str| Share::from_text(&said(name)?);
            let cause = label("cause");
            let severity = label("severity");
            Self {
                at,
                resolved: alert.status == "resolved",
                incident: label("incident").unwrap_or_else(|| alert.fingerprint.clone()),
                said: Said {
                    cause: Cause::ALL.into_iter().find(|c| Some(c.word()) == cause.as_deref()),
                    site: label("site"),
                    endpoint: said("endpoint"),
                    check: said("check"),
                    common: said("common_label").map(|label| Common {
                        label,
                        value: said("common_value").unwrap_or_default(),
                        inside: share("common_inside"),
                        outside: share("common_outside"),
                    }),
                    affected: number("affected"),
                    of: number("of"),
                },
                severity: Severity::ALL.into_iter().find(|s| Some(s.word()) == severity.as_deref()),
                flapping: None,
                channel: None,
                kind: None,
                phase: None,
                evidence: None,
            }
        });
        alerts.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = "
name: x
province: {tree: {tinh: {a: [a1, a2]}}}
lasts: 1m
expect:
  - {cause: uplink, site: a, affected: 3, begins: 10s, told-within: 5s, ends: 30s,
     resolved-within: 10s, messages: 2}
";

    fn judged(scenario: &str, heard: &[Heard]) -> String {
        let scenario = Scenario::parse("x.yaml", scenario).unwrap_or_else(|p| panic!("{p}"));
        let judgement = scenario.judge(heard);
        let rows = judgement.rows.iter().flat_map(|row| &row.complaints);
        let all: Vec<&str> = rows.chain(&judgement.complaints).map(String::as_str).collect();
        assert_eq!(judgement.holds(), all.is_empty());
        all.join("; ")
    }

    fn heard(at: u64, resolved: bool) -> Heard {
        Heard {
            at: Duration::from_secs(at),
            resolved,
            incident: "1".to_owned(),
            said: Said {
                cause: Some(Cause::Uplink),
                site: Some("a".to_owned()),
                affected: Some(3),
                of: Some(3),
                ..Said::default()
            },
            ..Heard::default()
        }
    }

    /// The same as somebody heard it of something else.
    fn of(said: Said, heard: Heard) -> Heard {
        Heard { said: Said { affected: Some(1), of: Some(1), ..said }, ..heard }
    }

    #[test]
    fn what_is_told_in_time_holds() {
        assert_eq!(judged(SCENARIO, &[heard(13, false), heard(35, true)]), "");
        let table = Scenario::parse("x.yaml", SCENARIO)
            .unwrap_or_else(|p| panic!("{p}"))
            .judge(&[heard(13, false), heard(35, true)])
            .to_string();
        assert!(table.starts_with("ok   uplink at a"), "{table}");
        assert!(table.contains("told after   3.0 s, over after   5.0 s, 2 messages"), "{table}");
    }

    #[test]
    fn each_way_to_miss_an_expectation_is_said() {
        let two = Said { affected: Some(2), ..heard(13, false).said };
        let cases: [(&[Heard], &str); 8] = [
            (&[], "nobody was told"),
            (&[heard(16, false), heard(35, true)], "it was told after 6.0 s instead of 5.0 s"),
            (&[heard(9, false), heard(35, true)], "it was told at 9.0 s, before it began"),
            (&[heard(13, false)], "nobody was told that it is over; 1 messages instead of 2"),
            (
                &[heard(13, false), heard(29, true)],
                "it was said to be over at 29.0 s, before it was",
            ),
            (&[heard(13, false), heard(41, true)], "it was over after 11.0 s instead of 10.0 s"),
            (
                &[heard(13, false), heard(35, true), heard(36, true)],
                "it was said to be over more than once; 3 messages instead of 2",
            ),
            (
                &[
                    Heard { said: two.clone(), ..heard(13, false) },
                    Heard { said: two, ..heard(35, true) },
                ],
                "the first message says 2 sites affected instead of 3; 2 sites affected instead of 3",
            ),
        ];
        for (heard, wanted) in cases {
            assert_eq!(judged(SCENARIO, heard), wanted);
        }
    }

    #[test]
    fn the_first_message_must_say_what_it_is_and_not_only_the_last() {
        let (cause, site) = (Some(Cause::Access), Some("a1".to_owned()));
        let one = of(Said { cause, site, ..Said::default() }, heard(13, false));
        let told = [one, heard(35, true)];
        assert_eq!(
            judged(SCENARIO, &told),
            "the first message says access at a1 instead of uplink at a; the first message says 1 \
             sites affected instead of 3"
        );
        let better =
            |first: &str| SCENARIO.replace("affected", &format!("first: {first}, affected"));
        assert_eq!(judged(&better("{cause: access, site: a1, affected: 1, of: 1}"), &told), "");
        assert_eq!(
            judged(&better("{cause: access, site: a2, affected: 1, of: 2}"), &told),
            "the first message says access at a1 instead of access at a2; the first message says 1 \
             sites that could have been instead of 2"
        );
    }

    #[test]
    fn a_device_and_what_sites_share_must_be_said_where_they_are_expected() {
        let scenario = "
name: x
province: {tree: {tinh: {a: [a1, a2]}}}
lasts: 1m
expect:
  - {cause: device, common: {power: lo-7, inside: 2/3, outside: 0/5}, begins: 10s, open: true}
";
        let share = |failing, of| Some(Share { failing, of });
        let said = |inside, label: &str| {
            let (label, value) = (label.to_owned(), "lo-7".to_owned());
            let common = Some(Common { label, value, inside, outside: share(0, 5) });
            of(Said { cause: Some(Cause::Device), common, ..Said::default() }, heard(13, false))
        };
        assert_eq!(judged(scenario, &[said(share(2, 3), "power")]), "");
        assert_eq!(
            judged(scenario, &[said(share(3, 3), "power")]),
            "the first message says 3/3 sites that have it in common instead of 2/3"
        );
        assert_eq!(
            judged(scenario, &[said(share(2, 3), "isp")]),
            "nobody was told; nobody expected device with isp lo-7, told at 13.0 s"
        );
        let device = "
name: x
province: {tree: {tinh: {a: [a1, a2]}}}
lasts: 1m
expect:
  - {cause: device, site: a1, endpoint: codec, begins: 10s, open: true}
";
        let codec = |endpoint: Option<&str>| {
            let (cause, site) = (Some(Cause::Device), Some("a1".to_owned()));
            let endpoint = endpoint.map(str::to_owned);
            of(Said { cause, site, endpoint, ..Said::default() }, heard(13, false))
        };
        assert_eq!(judged(device, &[codec(Some("codec"))]), "");
        assert_eq!(
            judged(device, &[codec(None)]),
            "nobody was told; nobody expected device at a1, told at 13.0 s"
        );
    }

    #[test]
    fn what_nobody_expected_is_wrong() {
        let (cause, site) = (Some(Cause::Access), Some("a1".to_owned()));
        let child = Heard { incident: "2".to_owned(), ..heard(14, false) };
        let child = of(Said { cause, site, ..Said::default() }, child);
        assert_eq!(
            judged(SCENARIO, &[heard(13, false), child, heard(35, true)]),
            "nobody expected access at a1, told at 14.0 s"
        );
        let nothing =
            "name: x\nprovince: {tree: {tinh: }}\nlasts: 1m\nexpect: nothing\nmessages: 0";
        assert_eq!(judged(nothing, &[]), "");
    }

    #[test]
    fn two_faults_at_one_place_take_their_incidents_in_turn() {
        let twice = "
name: x
province: {tree: {tinh: {a: [a1, a2]}}}
lasts: 3m
expect:
  - {cause: uplink, site: a, begins: 10s, told-within: 5s, ends: 30s, resolved-within: 10s}
  - {cause: uplink, site: a, begins: 90s, told-within: 5s, open: true}
";
        let again = Heard { incident: "0".to_owned(), ..heard(92, false) };
        assert_eq!(judged(twice, &[heard(13, false), heard(35, true), again]), "");
    }

    #[test]
    fn an_incident_is_told_three_times_in_any_hour_at_most_however_critical() {
        let scenario = SCENARIO.replace("30s,", "4s,").replace("resolved-within: 10s, ", "");
        let scenario = scenario.replace("messages: 2", "messages: {at-most: 9}");
        let told = |times: &[u64]| -> Vec<Heard> {
            let heard = |(nth, at): (usize, &u64)| heard(*at, nth % 2 == 1);
            let told = times.iter().enumerate().map(heard);
            told.map(|heard| Heard { severity: Some(Severity::Critical), ..heard }).collect()
        };
        let times = [13, 35, 100, 3_612];
        let words = "uplink at a is told 4 times within the hour, at 3612.0 s";
        assert_eq!(judged(&scenario, &told(&times)), words);
        assert_eq!(judged(&scenario, &told(&[13, 35, 100, 3_613])), "");
        let mut channels = told(&times);
        channels[1].channel = Some("another".to_owned());
        assert!(!judged(&scenario, &channels).contains("within the hour"), "each for itself");
    }

    #[test]
    fn silence_is_what_is_expected_of_a_silenced_incident() {
        let quiet = SCENARIO.replace("messages: 2", "messages: 0");
        assert_eq!(judged(&quiet, &[]), "");
    }

    #[test]
    fn silence_is_not_what_is_meant_by_a_few_messages_at_most() {
        let few = SCENARIO.replace("messages: 2", "messages: {at-most: 3}");
        assert_eq!(judged(&few, &[]), "nobody was told");
        assert_eq!(judged(&few, &[heard(13, false), heard(35, true)]), "");
    }

    #[test]
    fn a_post_is_heard_alert_by_alert() {
        let post: Post = serde_json::from_str(
            r#"{"version":"4","status":"firing","alerts":[{"status":"firing","labels":{"site":"a",
            "cause":"uplink","severity":"critical","incident":"i7"},"annotations":{"affected":"21",
            "of":"24","endpoint":"codec","check":"sip","common_label":"power","common_value":"lo-7",
            "common_inside":"21/24","common_outside":"0/9"},
            "startsAt":"2026-03-02T00:42:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"f"}]}"#,
        )
        .unwrap();
        let [heard] = &Heard::from_post(Duration::from_secs(3), &post)[..] else { panic!("one") };
        assert_eq!(heard.said.cause, Some(Cause::Uplink));
        assert_eq!(heard.incident, "i7");
        assert_eq!((heard.said.affected, heard.said.of), (Some(21), Some(24)));
        assert_eq!(heard.said.endpoint.as_deref(), Some("codec"));
        assert_eq!(heard.said.check.as_deref(), Some("sip"));
        let common = heard.said.common.as_ref().unwrap();
        assert_eq!((&*common.label, &*common.value), ("power", "lo-7"));
        assert_eq!(common.inside, Some(Share { failing: 21, of: 24 }));
        assert_eq!(common.outside, Some(Share { failing: 0, of: 9 }));
        assert_eq!(heard.severity, Some(Severity::Critical));
        assert!(!heard.resolved);
    }
}
