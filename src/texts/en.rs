//! Messages in English.
//!
//! Longer than other files, since a message is read from its first line to its last: what follows
//! one another there stands together here, and beside the same in [`super::vi`].

mod advice;
mod evidence;
mod ourselves;
mod words;

use std::time::Duration;

pub(super) use advice::likely;
use advice::{action, contact};
pub(super) use evidence::evidence;
use evidence::observation;
pub(super) use ourselves::{self_doubt, topic};
use words::{count, day, devices_with, duration, hour, moment, nth, precise};
pub(super) use words::{grade, shared};

use super::seen::Seen;
use super::{
    Account, Circle, Facts, Lines, Message, Place, Shared, Stands, TouchedSession, common_cause,
    grouped, kinds, removed, shared_by_all, titled,
};
use crate::model::{Cause, Language, NotificationKind};

/// Writes what is told of one incident.
pub(super) fn message(facts: &Facts<'_>) -> Message {
    Message {
        summary: summary(facts),
        description: description(facts),
        action: action(facts),
        contact: contact(facts),
        link: None,
    }
}

/// Writes a test of the channel.
pub(super) fn test(facts: &Facts<'_>) -> Message {
    let over = facts.kind == NotificationKind::Resolved;
    let (channel, when) = (facts.channel, hour(&facts.now, &facts.now));
    Message {
        summary: if over {
            format!("[TEST] End of the test through channel “{channel}” at {when}")
        } else {
            format!("[TEST] Test through channel “{channel}” at {when}; nothing is wrong")
        },
        description: "This only checks that alerts arrive. If you can read it, the channel works."
            .to_owned(),
        action: "Nothing to do.".to_owned(),
        contact: "Whoever has just started the test.".to_owned(),
        link: None,
    }
}

/// The first line of a drill: what a real alert would say, under a mark.
pub(super) fn as_drill(summary: &str) -> String {
    format!("[DRILL] {summary}")
}

/// A drill before a session: what a real alert would say, marked so that nobody acts on it.
pub(super) fn drill(real: &Message, facts: &Facts<'_>) -> Message {
    let session = facts.session.as_ref().map(|touched| {
        let title = touched.title.map(|title| format!(" “{title}”")).unwrap_or_default();
        format!(" before the session{title} at {}", hour(&touched.start, &facts.now))
    });
    let missed: String =
        facts.missed().map(|doubt| format!("FAILED: {}.\n", self_doubt(doubt))).collect();
    Message {
        summary: if missed.is_empty() {
            as_drill(&real.summary)
        } else {
            // What a phone shows first is what failed: that it is over makes nobody look.
            let missed: Vec<String> = facts.missed().map(self_doubt).collect();
            format!("[DRILL FAILED] {}", missed.join("; "))
        },
        description: format!(
            "{missed}This is a drill{}: NOTHING is wrong, there is no such site. The message took \
             the way of a real alert, from the monitor to channel “{}”.\n{}",
            session.unwrap_or_default(),
            facts.channel,
            real.description
        ),
        action: if missed.is_empty() {
            "Nothing to do. Ask whoever is on duty with you: if somebody did not get this, check \
             their channel now."
        } else {
            "Check the channels named here now, while there is time before the session."
        }
        .to_owned(),
        contact: facts.contacts().unwrap_or_else(|| "Whoever looks after the monitor.".to_owned()),
        link: None,
    }
}

/// Tells what an incident was.
pub(super) fn account(facts: &Facts<'_>) -> Account {
    let fault = if facts.incident.flapping { "unstable".to_owned() } else { plain_fault(facts) };
    Account {
        subject: subject(facts),
        fault,
        likely: likely(facts),
        evidence: facts.evidence().iter().map(|it| observation(it, facts)).collect(),
        action: action(facts),
    }
}

/// A message as one text.
pub(super) fn whole(message: &Message, page: &str) -> String {
    let Message { summary, description, action, contact, link } = message;
    let mut text = format!("{summary}\n\n{description}\n\nWhat to do: {action}\n");
    if !contact.is_empty() {
        text.push_str(&format!("Contact: {contact}\n"));
    }
    text.extend(link.iter().map(|link| format!("Take it on or silence it: {link}\n")));
    text.push_str(&format!("Details: {page}\n"));
    text
}

/// Several incidents that are over, or on, one line each: that of people's own texts if they have
/// one.
pub(super) fn digest(
    all: &[Facts<'_>],
    board: &str,
    link: Option<&str>,
    lines: Lines,
    own: impl Fn(&Facts<'_>) -> Option<String>,
) -> String {
    let on: Vec<&Facts<'_>> = all.iter().filter(|facts| facts.over.is_none()).collect();
    let mut text = format!("{}\n", titled(first_line(all), all, Language::En));
    let mixed = kinds(all).len() > 1;
    for facts in all {
        if let Some(line) = own(facts) {
            text.push_str(&format!("• {line}\n"));
            continue;
        }
        let subject = subject(facts);
        let what = if facts.is_unsteady() { "unstable".to_owned() } else { plain_fault(facts) };
        let line = match &facts.over {
            Some((end, lasted)) => {
                let (times, first) = if lines < Lines::WithoutTimes {
                    let (since, end) = (hour(&facts.since, &facts.now), hour(end, &facts.now));
                    (format!(" {since}–{end}"), first_time(facts))
                } else {
                    (String::new(), None)
                };
                let first = first.map_or_else(String::new, |first| format!(" ({first})"));
                let about = topic(facts).map_or_else(String::new, |it| format!(" with {it}"));
                let gone = if facts.removed { "; no longer monitored" } else { "" };
                let (lasted, still) = (duration(*lasted), still(facts, true));
                format!("{subject} {what}{about}{times}, {lasted}{first}{still}{gone}")
            }
            None => {
                let since = match figure(facts).filter(|_| !facts.is_unsteady()) {
                    Some(figure) => figure,
                    None if lines < Lines::WithoutTimes => {
                        format!(" since {}", hour(&facts.since, &facts.now))
                    }
                    None => String::new(),
                };
                let what = if facts.again.is_some() { format!("{what} again") } else { what };
                let extent = extent(facts);
                let call = if lines == Lines::Full { first_contact(facts) } else { String::new() };
                let again = facts.let_go().map_or_else(String::new, |ack| {
                    format!("; to be taken on again ({} had it)", ack.by)
                });
                let last =
                    if facts.last_for_now { "; you will hear once it stays well" } else { "" };
                format!("{subject} {what}{since}{extent}{again}{last}{call}")
            }
        };
        let mark = if mixed { mark(facts) } else { "" };
        text.push_str(&format!("• {mark}{line}\n"));
    }
    if !on.is_empty() {
        text.extend(who_knows(&on).iter().map(|line| format!("{line}\n")));
        text.extend(link.map(|link| format!("Take on: {link}\n")));
        text.push_str(&format!("Board: {board}\n"));
    }
    text
}

/// The first line about several incidents. Where they are told as different things, it says how
/// many are new and how many are told again; each line that is not new is marked.
pub(super) fn first_line(all: &[Facts<'_>]) -> String {
    use NotificationKind::{Escalation, Firing, Reminder, Resolved, Update};
    let grade = grade(all.iter().map(|facts| facts.severity).max().unwrap_or_default());
    let session = shared_by_all(all, session_in_brief).unwrap_or_default();
    let incidents = count(all.len(), "incident", "incidents");
    match kinds(all).as_slice() {
        [(Resolved, _)] => match all.iter().filter(|facts| facts.removed).count() {
            0 => format!("[RESOLVED] {incidents} over"),
            gone if gone == all.len() => format!("[ENDED] {incidents} no longer monitored"),
            gone => format!(
                "[ENDED] {incidents} over, {gone} of them no longer monitored{}",
                removed(all)
            ),
        },
        [(Update, _)] => format!("[UPDATE – {grade}] {incidents} wider or graver{session}"),
        [(Reminder, _)] => format!("[REMINDER – {grade}] {incidents} still on{session}"),
        [(Escalation, _)] => {
            let after = all.iter().filter_map(Facts::untaken).min();
            let after = after.map_or_else(String::new, waited);
            format!("[ESCALATION – {grade}] {incidents} taken on by nobody{after}{session}")
        }
        [] | [(Firing, _)] => {
            let (one, many) = match common_cause(all) {
                Some(Cause::Access) => ("site offline", "sites offline"),
                Some(Cause::Device) => ("device not answering", "devices not answering"),
                Some(Cause::Service) => ("service out", "services out"),
                Some(Cause::Quality) => ("line degraded", "lines degraded"),
                Some(Cause::Certificate) => {
                    ("certificate to be renewed", "certificates to be renewed")
                }
                Some(Cause::Clock) => ("clock that is off", "clocks that are off"),
                Some(Cause::Monitor | Cause::Uplink) | None => ("incident", "incidents"),
            };
            format!("[{grade}] {}{session}", count(all.len(), one, many))
        }
        several => {
            let words = |(kind, count): &(NotificationKind, usize)| match kind {
                Firing => format!("{count} new"),
                Escalation => format!("{count} taken on by nobody"),
                Update => format!("{count} wider or graver"),
                Reminder => format!("{count} still on"),
                Resolved => format!("{count} over"),
            };
            let counts: Vec<String> = several.iter().map(words).collect();
            format!("[{grade}] {incidents}: {}{session}", counts.join(", "))
        }
    }
}

/// The same with since when they are on, if all are since then.
pub(super) fn brief(all: &[Facts<'_>]) -> String {
    let since = |facts: &Facts<'_>| {
        let since = hour(&facts.since, &facts.now);
        let is_told = facts.over.is_none() && figure(facts).is_none();
        is_told.then(|| format!(" since {since}"))
    };
    let since = shared_by_all(all, since).flatten().unwrap_or_default();
    format!("{}{since}", first_line(all))
}

/// What a line is about among others that are news.
const fn mark(facts: &Facts<'_>) -> &'static str {
    match facts.kind {
        NotificationKind::Firing => "",
        NotificationKind::Escalation => "[ESCALATION] ",
        NotificationKind::Update => "[UPDATE] ",
        NotificationKind::Reminder => "[REMINDER] ",
        NotificationKind::Resolved if facts.removed => "[ENDED] ",
        NotificationKind::Resolved => "[RESOLVED] ",
    }
}

/// Whom to phone first, at the end of a line.
fn first_contact(facts: &Facts<'_>) -> String {
    match facts.alert.contacts.iter().find(|contact| !contact.phone.is_empty()) {
        Some(contact) => format!("; call {} {}", contact.name, contact.phone),
        None => String::new(),
    }
}

fn summary(facts: &Facts<'_>) -> String {
    let subject = subject(facts);
    let extent = extent(facts);
    let since = hour(&facts.since, &facts.now);
    let session = session_in_brief(facts);
    let grade = grade(facts.severity);
    let fault = match (facts.again, facts.is_unsteady()) {
        (Some(_), true) => format!("UNSTABLE, {} AGAIN", fault(facts)),
        (Some(_), false) => format!("{} AGAIN", fault(facts)),
        (None, true) => "UNSTABLE".to_owned(),
        (None, false) => fault(facts),
    };
    let is_named = facts.again.is_some() || !facts.is_unsteady();
    let figure = figure(facts).filter(|_| is_named);
    match facts.kind {
        NotificationKind::Firing => {
            let when = figure.unwrap_or_else(|| format!(" since {since}"));
            let nth = facts.again.map_or_else(String::new, |n| format!(" ({} time)", nth(n)));
            format!("[{grade}] {subject} {fault}{when}{nth}{extent}{session}")
        }
        NotificationKind::Update => {
            let when = figure.unwrap_or_else(|| format!(" since {since}"));
            format!("[UPDATE – {grade}] {subject} {fault}{when}{extent}{session}")
        }
        NotificationKind::Reminder => {
            let still = match figure {
                Some(figure) => format!("{fault}{figure}"),
                None => format!("still {fault} after {}", duration(facts.so_far)),
            };
            format!("[REMINDER – {grade}] {subject} {still}{extent}{session}")
        }
        NotificationKind::Escalation => {
            let still = figure
                .map_or_else(|| format!("still {fault}"), |figure| format!("{fault}{figure}"));
            let after = waited(facts.untaken().unwrap_or(facts.so_far));
            format!(
                "[ESCALATION – {grade}] {subject} {still}, taken on by nobody{after}{extent}{session}"
            )
        }
        NotificationKind::Resolved => {
            let Some((end, lasted)) = &facts.over else {
                return format!("[RESOLVED] {subject} {}{extent}", works_again(facts));
            };
            let (end, lasted) = (hour(end, &facts.now), duration(*lasted));
            if facts.removed {
                return format!(
                    "[ENDED] {subject} no longer monitored since {end}, after {lasted} of trouble"
                );
            }
            let nth = facts.again.map_or_else(String::new, |n| format!(" ({} time)", nth(n)));
            let works_again = works_again(facts);
            format!("[RESOLVED] {subject} {works_again} at {end} after {lasted}{nth}{extent}")
        }
    }
}

/// The day or the amount of a fault that was there before it was noticed, and that says more than
/// since when it is known.
fn figure(facts: &Facts<'_>) -> Option<String> {
    let figure = facts.last_seen(|seen| match seen {
        Seen::CertificateEnded(at) | Seen::CertificateEnds(at) => {
            Some(format!(" on {}", day(&facts.local(at))))
        }
        Seen::CertificateNotYet(at) => Some(format!(", only from {}", day(&facts.local(at)))),
        Seen::ClockOff(by) => {
            Some(format!(" by {}", duration(Duration::from_secs(by.unsigned_abs()))))
        }
        _ => None,
    });
    figure.filter(|_| matches!(facts.cause, Cause::Certificate | Cause::Clock))
}

fn description(facts: &Facts<'_>) -> String {
    let mut lines = vec![what_happened(facts)];
    lines.extend(grown(facts));
    if facts.over.is_none() {
        lines.push(format!("Likely: {}.", likely(facts)));
        lines.extend(evidence(facts).filter(|_| !facts.is_only_doubt()));
    }
    lines.extend(affected(facts));
    lines.extend(facts.session.as_ref().map(|touched| session(touched, facts)));
    lines.extend(facts.had().map(|ack| {
        let at = hour(&facts.local(ack.at), &facts.now);
        format!("Taken on by {} at {at}.", ack.by)
    }));
    if facts.over.is_none() {
        match facts.ack() {
            Some(ack) => {
                let note =
                    if ack.note.is_empty() { String::new() } else { format!(" ({})", ack.note) };
                let at = hour(&facts.local(ack.at), &facts.now);
                let until = ack
                    .until
                    .map(|until| format!(" until {}", hour(&facts.local(until), &facts.now)));
                let until = until.unwrap_or_default();
                lines.push(format!("Taken on by {} at {at}{until}{note}.", ack.by));
            }
            None => lines.extend(untaken(facts)),
        }
        lines.extend(who_knows(&[facts]));
    }
    lines.extend(facts.instead_of.map(|channel| {
        format!("Sent in place of channel “{channel}”, which does not work at present.")
    }));
    lines.extend(late(facts, "Written at"));
    lines.join("\n")
}

/// That it left long after it was decided.
fn late(facts: &Facts<'_>, at: &str) -> Option<String> {
    let left = facts.late.as_ref()?;
    let (written, left) = (hour(&facts.now, left), hour(left, left));
    Some(format!("{at} {written}; it could not be sent before {left}."))
}

/// The same of several, by the oldest of them.
pub(super) fn late_digest(oldest: &Facts<'_>) -> Option<String> {
    late(oldest, "The oldest of this was written at")
}

/// That nobody has it, where the message is about that or somebody may believe that they do.
fn untaken(facts: &Facts<'_>) -> Option<String> {
    let had = facts.let_go().map(|ack| {
        let at = hour(&facts.local(ack.at), &facts.now);
        format!("{} had taken it on at {at}; it has to be taken on again", ack.by)
    });
    let kind = match facts.kind {
        NotificationKind::Escalation => "Escalation",
        NotificationKind::Reminder => "Reminder",
        _ => return had.map(|had| format!("{had}.")),
    };
    let after = facts.untaken().map_or_else(String::new, waited);
    Some(match facts.ran_out() {
        Some((by, until)) => format!(
            "{kind}: {by} had taken it on until {}; now nobody has{after}.",
            hour(&until, &facts.now)
        ),
        None => match had {
            Some(had) => format!("{kind}: {had}, and nobody has{after}."),
            // The first line says it.
            None if facts.kind == NotificationKind::Escalation => return None,
            None => format!("{kind}: nobody has taken it on{after}."),
        },
    })
}

/// After how long, where that is long enough to be worth a word.
fn waited(it: Duration) -> String {
    if it.as_secs() > 0 { format!(" after {}", duration(it)) } else { String::new() }
}

/// For whom a message about all of these is, who else knows, and who was to know and does not.
fn who_knows(all: &[&Facts<'_>]) -> Vec<String> {
    let circle = Circle::of(all);
    let mut lines = Vec::new();
    let readers = circle.readers();
    if !readers.is_empty() {
        lines.push(format!("To: {}.", readers.join(", ")));
    }
    for (what, names) in [("Also told", &circle.told), ("Not reached yet", &circle.unreached)] {
        let channels = names.channels.iter().map(|channel| format!("channel “{channel}”"));
        let people = names.people.iter().map(|name| circle.with_phone(name));
        let names: Vec<String> = people.chain(channels).collect();
        if !names.is_empty() {
            lines.push(format!("{what}: {}.", names.join(", ")));
        }
    }
    lines
}

fn what_happened(facts: &Facts<'_>) -> String {
    let subject = subject(facts);
    let place = where_it_is(facts);
    let began = moment(&facts.began);
    let fault = plain_fault(facts);
    let first = first_time(facts);
    let relapses = match facts.incident.relapses.len() {
        0 => String::new(),
        _ if first.is_some() => String::new(),
        1 => " It recurred once.".to_owned(),
        times => format!(" It recurred {times} times."),
    };
    let first = first.map_or_else(String::new, |first| format!("; {first}"));
    let told = match facts.again {
        Some(_) => format!(", {fault} again since {}", hour(&facts.since, &facts.now)),
        None => String::new(),
    };
    let last = if facts.last_for_now { " You will hear once it stays well." } else { "" };
    let figure = figure(facts);
    let since = match &figure {
        Some(figure) => format!("{figure}, noticed at {began}"),
        None if facts.over.is_some() && facts.again.is_some() => {
            format!(" again since {}", moment(&facts.since))
        }
        None => format!(" since {began}"),
    };
    match &facts.over {
        Some((end, lasted)) if facts.unshown => format!(
            "{subject}{place}: {fault}{since}. Not known any more since {}, as the device shows it \
             no longer; the trouble had lasted {} by then{first}.{relapses}",
            precise(end),
            duration(*lasted)
        ),
        Some((end, lasted)) if facts.removed => format!(
            "{subject}{place}: {fault}{since}. No longer monitored since {}, as it was taken \
             out of the configuration; the trouble had lasted {} by then{first}.{relapses}",
            precise(end),
            duration(*lasted)
        ),
        Some((end, lasted)) => format!(
            "{subject}{place}: {fault}{since}, {} at {}{}. It lasted {}{first}.{relapses}",
            works_again(facts),
            precise(end),
            still(facts, false),
            duration(*lasted)
        ),
        None if facts.is_unsteady() => {
            format!("{subject}{place}: comes and goes since {began}{told}.{relapses}{last}")
        }
        None if figure.is_some() => format!("{subject}{place}: {fault}{since}.{last}"),
        None if facts.since > facts.began => format!(
            "{subject}{place}: {fault} again since {}, for the first time at {}.{relapses}{last}",
            moment(&facts.since),
            hour(&facts.began, &facts.now)
        ),
        None => format!("{subject}{place}: {fault}{since}{}.{relapses}{last}", why(facts)),
    }
}

/// When it first was, and how often it came back, where what was told over is not all of it.
fn first_time(facts: &Facts<'_>) -> Option<String> {
    let first = hour(&facts.began, &facts.now);
    let times = match facts.incident.relapses.len() {
        1 => "once".to_owned(),
        times => format!("{times} times"),
    };
    let is_last_of_several = facts.over.is_some() && facts.again.is_some();
    is_last_of_several.then(|| format!("first at {first}, recurred {times}"))
}

/// What an update is about.
fn grown(facts: &Facts<'_>) -> Option<String> {
    if facts.kind != NotificationKind::Update {
        return None;
    }
    let (severity, sites, place) = facts.told_before()?;
    let mut news = Vec::new();
    if let Some(place) = place {
        let now = match facts.place {
            Place::Everywhere { .. } => subject(facts),
            _ => facts.place_name().to_owned(),
        };
        news.push(format!("place from {place} to {now}"));
    }
    if severity != facts.severity {
        let (from, to) = (grade(severity), grade(facts.severity));
        news.push(format!("severity from {} to {}", from.to_lowercase(), to.to_lowercase()));
    }
    if facts.affected.len() != sites && sites > 0 {
        news.push(format!("affected sites from {sites} to {}", facts.affected.len()));
    }
    (!news.is_empty()).then(|| format!("Changed: {}.", news.join("; ")))
}

/// What the fault is about.
fn subject(facts: &Facts<'_>) -> String {
    let at = match facts.place {
        Place::Monitor => return "Monitor".to_owned(),
        Place::Site { name, .. } => name,
        Place::Behind { name, sites, itself } => {
            let sites = count(sites, "site", "sites");
            let sites = match itself {
                true => format!("{name} and {sites} behind it"),
                false => format!("{sites} behind {name}"),
            };
            return match facts.cause {
                Cause::Quality => format!("Line to {sites}"),
                Cause::Device => format!("Devices at {sites}"),
                Cause::Service => format!("Services at {sites}"),
                _ => sites,
            };
        }
        Place::Shared { what, failing, of, .. } if what.of_devices => {
            let (every, devices) = (failing == of, devices_with(&what));
            return match facts.cause {
                Cause::Service if every => format!("Services on all {of} {devices}"),
                Cause::Service => format!("Services on {failing} of {of} {devices}"),
                _ if every => format!("All {of} {devices}"),
                _ => format!("{failing} of {of} {devices}"),
            };
        }
        Place::Shared { what: Shared { label, value, .. }, failing, of, .. } => {
            let sites = format!("{failing} of {of} sites sharing {} {value}", shared(label));
            return match facts.cause {
                Cause::Quality => format!("Line to {sites}"),
                Cause::Device => format!("Devices at {sites}"),
                Cause::Service => format!("Services at {sites}"),
                _ => sites,
            };
        }
        Place::Everywhere { what, failing, of } => {
            let sites = match failing == of {
                true => format!("all {of} sites"),
                false => format!("{failing} of {of} sites"),
            };
            return match facts.cause {
                Cause::Service => format!("Service {what} at {sites}"),
                _ => format!("Device {what} at {sites}"),
            };
        }
    };
    let device = match facts.device() {
        "" => "device",
        device => device,
    };
    match facts.cause {
        Cause::Monitor => "Monitor".to_owned(),
        Cause::Uplink | Cause::Access => format!("Site {at}"),
        Cause::Device if device == "device" => format!("Device at {at}"),
        Cause::Device => format!("Device {device} at {at}"),
        Cause::Service => match facts.check() {
            "" => format!("Service on {device} at {at}"),
            check => format!("Service {check} on {device} at {at}"),
        },
        Cause::Quality => format!("Line to {at}"),
        Cause::Certificate => format!("Certificate of {device} at {at}"),
        Cause::Clock => format!("Clock of {device} at {at}"),
    }
}

/// The fault in capitals, for the first line.
fn fault(facts: &Facts<'_>) -> String {
    plain_fault(facts).to_uppercase()
}

/// The fault in the middle of a sentence.
fn plain_fault(facts: &Facts<'_>) -> String {
    match facts.cause {
        Cause::Monitor if facts.ails().is_some() => "in trouble",
        Cause::Monitor => "blind",
        Cause::Uplink | Cause::Access | Cause::Device if facts.is_slow() => "answering too late",
        Cause::Uplink | Cause::Access => "offline",
        Cause::Device => "not answering",
        Cause::Service => "out of service",
        Cause::Quality => "degraded",
        Cause::Certificate => {
            let said = facts.last_seen(|seen| match seen {
                Seen::CertificateEnded(_) => Some("expired"),
                Seen::CertificateEnds(_) => Some("about to expire"),
                Seen::CertificateNotYet(_) => Some("not valid yet"),
                _ => None,
            });
            said.unwrap_or("outside its dates")
        }
        Cause::Clock => {
            let said = facts.last_seen(|seen| match seen {
                Seen::ClockOff(by) if by > 0 => Some("fast"),
                Seen::ClockOff(_) => Some("slow"),
                _ => None,
            });
            said.unwrap_or("wrong")
        }
    }
    .to_owned()
}

fn works_again(facts: &Facts<'_>) -> String {
    if let Some(topic) = topic(facts) {
        return format!("over its trouble with {topic}");
    }
    if facts.is_unsteady() {
        return "stable again".to_owned();
    }
    match facts.cause {
        Cause::Monitor => "sees again",
        Cause::Uplink | Cause::Access | Cause::Device if facts.is_slow() => {
            "answering in time again"
        }
        Cause::Uplink | Cause::Access => "back online",
        Cause::Device => "answering again",
        Cause::Service => "back in service",
        Cause::Quality => "stable again",
        Cause::Certificate => {
            let said = facts.last_seen(|seen| match seen {
                Seen::CertificateEnds(_) => Some("renewed"),
                Seen::CertificateNotYet(_) => Some("in force"),
                _ => None,
            });
            said.unwrap_or("valid again")
        }
        Cause::Clock => "right again",
    }
    .to_owned()
}

/// What is wrong with this monitor while it is, after what is said of it.
fn why(facts: &Facts<'_>) -> String {
    let doubt = facts.doubt().filter(|_| facts.over.is_none());
    doubt.map_or_else(String::new, |doubt| format!(": {}", self_doubt(doubt)))
}

/// Who else is affected, or what is wrong with this monitor, for the first line.
fn extent(facts: &Facts<'_>) -> String {
    match facts.place {
        Place::Monitor => why(facts),
        Place::Site { others: 0, .. } => still(facts, true),
        Place::Site { others, .. } if facts.over.is_some() => {
            let still = still(facts, true);
            format!(", with {} behind it{still}", count(others, "site", "sites"))
        }
        Place::Site { others, .. } => {
            format!(", cutting off {} behind it", count(others, "site", "sites"))
        }
        Place::Behind { .. } | Place::Shared { .. } | Place::Everywhere { .. } => {
            still(facts, true)
        }
    }
}

/// Which sites have not come back with the others, after what is said of those.
fn still(facts: &Facts<'_>, in_first_line: bool) -> String {
    let fault = match facts.cause {
        Cause::Quality => "unstable".to_owned(),
        _ => plain_fault(facts),
    };
    match facts.named_passed_on(in_first_line) {
        ([], 0) => String::new(),
        ([], many) => format!("; still {fault}: {}", count(many, "site", "sites")),
        (named, 0) => format!("; still {fault}: {}", named.join(", ")),
        (named, more) => format!("; still {fault}: {} and {more} more", named.join(", ")),
    }
}

/// Level and parent of the site, after its name.
fn where_it_is(facts: &Facts<'_>) -> String {
    let Place::Site { .. } = facts.place else { return String::new() };
    let level = facts.alert.level_name.as_str();
    let parent = facts.alert.parent_name.as_str();
    match (level, parent) {
        ("", "") => String::new(),
        (level, "") => format!(" ({level})"),
        ("", parent) => format!(" (via {parent})"),
        (level, parent) => format!(" ({level}, via {parent})"),
    }
}

fn affected(facts: &Facts<'_>) -> Option<String> {
    let sites = facts.affected.len();
    if sites == 0 {
        return None;
    }
    if let Place::Monitor = facts.place {
        let is = if facts.over.is_some() { "was" } else { "is" };
        let sites = count(sites, "site", "sites");
        let mut text = format!("Affected: the state of {sites} {is} unknown");
        if facts.ails().is_some() {
            let (named, more) = facts.named();
            text.push_str(&format!(": {}", named.join(", ")));
            if more > 0 {
                text.push_str(&format!(" and {more} more"));
            }
        }
        text.push('.');
        return Some(text);
    }
    let of = facts.incident.of as usize;
    let mut text = if sites > 1 && of > sites {
        format!("Affected: {sites} of {of} sites")
    } else {
        format!("Affected: {}", count(sites, "site", "sites"))
    };
    let delegates = facts.incident.delegates;
    if delegates > 0 {
        let word = if delegates == 1 { "delegate" } else { "delegates" };
        text.push_str(&format!(", {} {word}", grouped(delegates.into(), ',')));
    }
    if sites > 1 {
        let (named, more) = facts.named();
        text.push_str(&format!(": {}", named.join(", ")));
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
    }
    text.push('.');
    Some(text)
}

fn session(touched: &TouchedSession<'_>, facts: &Facts<'_>) -> String {
    let title = touched.title.map(|title| format!(" “{title}”")).unwrap_or_default();
    let start = hour(&touched.start, &facts.now);
    match touched.stands {
        Stands::Begins(after) => {
            format!("Session{title} begins at {start}, in {}.", duration(after))
        }
        Stands::On(since) => {
            format!("Session{title} has been on since {start}, for {}.", duration(since))
        }
        Stands::Over => format!("Session{title} at {start} is over."),
    }
}

fn session_in_brief(facts: &Facts<'_>) -> String {
    match &facts.session {
        Some(touched) => match touched.stands {
            Stands::Begins(_) => format!(" (session at {})", hour(&touched.start, &facts.now)),
            Stands::On(_) => " (session is on)".to_owned(),
            Stands::Over => String::new(),
        },
        None => String::new(),
    }
}
