//! Messages in English.

use std::time::Duration;

use jiff::civil::DateTime;

use super::seen::{Seen, named_by};
use super::{
    Account, Facts, Message, Observed, Place, Stands, TouchedSession, grouped, shared_by_all,
    tenths, units,
};
use crate::model::{
    Cause, Failure, NotificationKind, Part, RemoteFailure, SelfDoubt, Severity, joined,
};

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
    Message {
        summary: as_drill(&real.summary),
        description: format!(
            "This is a drill{}: NOTHING is wrong, there is no such site. The message took the way \
             of a real alert, from the monitor to channel “{}”.\n{}",
            session.unwrap_or_default(),
            facts.channel,
            real.description
        ),
        action: "Nothing to do. Ask whoever is on duty with you: if somebody did not get this, \
                 check their channel now."
            .to_owned(),
        contact: "Whoever looks after the monitor.".to_owned(),
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
pub(super) fn whole(message: &Message, board: &str) -> String {
    let Message { summary, description, action, contact, link } = message;
    let link =
        link.as_ref().map(|link| format!("Take it on or silence it: {link}\n")).unwrap_or_default();
    format!(
        "{summary}\n\n{description}\n\nWhat to do: {action}\nContact: {contact}\n{link}\
         Board: {board}\n"
    )
}

/// Several incidents that are over, or on, one line each: that of people's own texts if they have
/// one.
pub(super) fn digest(
    all: &[Facts<'_>],
    board: &str,
    own: impl Fn(&Facts<'_>) -> Option<String>,
) -> String {
    let over = all.iter().all(|facts| facts.over.is_some());
    let mut text = if over {
        format!("[RESOLVED] {} over\n", count(all.len(), "incident", "incidents"))
    } else {
        headline(all)
    };
    for facts in all {
        if let Some(line) = own(facts) {
            text.push_str(&format!("• {line}\n"));
            continue;
        }
        let subject = subject(facts);
        let what = if facts.is_unsteady() { "unstable".to_owned() } else { plain_fault(facts) };
        let line = match &facts.over {
            Some((end, lasted)) => format!(
                "{subject} {what} {}–{}, {}",
                hour(&facts.began, &facts.now),
                hour(end, &facts.now),
                duration(*lasted)
            ),
            None => {
                let since = hour(facts.since(), &facts.now);
                let what = if facts.again.is_some() { format!("{what} again") } else { what };
                format!("{subject} {what} since {since}{}{}", extent(facts), first_contact(facts))
            }
        };
        text.push_str(&format!("• {line}\n"));
    }
    if !over {
        let who = shared_by_all(all, who_knows).unwrap_or_default();
        text.extend(who.iter().map(|line| format!("{line}\n")));
        text.push_str(&format!("Board: {board}\n"));
    }
    text
}

/// The first line about several incidents that are on.
fn headline(all: &[Facts<'_>]) -> String {
    let grade = grade(all.iter().map(|facts| facts.severity).max().unwrap_or_default());
    let session = shared_by_all(all, session_in_brief).unwrap_or_default();
    let incidents = count(all.len(), "incident", "incidents");
    match all.first().map(|facts| facts.kind) {
        Some(NotificationKind::Update) => {
            format!("[UPDATE – {grade}] {incidents} wider or graver{session}\n")
        }
        Some(NotificationKind::Reminder) => {
            format!("[REMINDER – {grade}] {incidents} still on{session}\n")
        }
        Some(NotificationKind::Escalation) => {
            let after = all.iter().filter_map(Facts::untaken).min();
            let after = after.map_or_else(String::new, |it| format!(" after {}", duration(it)));
            format!("[ESCALATION – {grade}] {incidents} taken on by nobody{after}{session}\n")
        }
        _ => format!("[{grade}] {incidents}{session}\n"),
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
    let since = hour(facts.since(), &facts.now);
    let session = session_in_brief(facts);
    let grade = grade(facts.severity);
    let fault = match (facts.again, facts.is_unsteady()) {
        (Some(_), true) => format!("UNSTABLE, {} AGAIN", fault(facts)),
        (Some(_), false) => format!("{} AGAIN", fault(facts)),
        (None, true) => "UNSTABLE".to_owned(),
        (None, false) => fault(facts),
    };
    match facts.kind {
        NotificationKind::Firing if matches!(facts.cause, Cause::Certificate | Cause::Clock) => {
            noticed(facts, &subject)
        }
        NotificationKind::Firing => {
            let nth = facts.again.map_or_else(String::new, |(_, n)| format!(" ({} time)", nth(n)));
            format!("[{grade}] {subject} {fault} since {since}{nth}{extent}{session}")
        }
        NotificationKind::Update => {
            format!("[UPDATE – {grade}] {subject} {fault} since {since}{extent}{session}")
        }
        NotificationKind::Reminder => format!(
            "[REMINDER – {grade}] {subject} still {fault} after {}{extent}{session}",
            duration(facts.so_far)
        ),
        NotificationKind::Escalation => {
            let after = facts.untaken().unwrap_or(facts.so_far);
            format!(
                "[ESCALATION – {grade}] {subject} still {fault}, taken on by nobody after \
                 {}{extent}{session}",
                duration(after)
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
            format!("[RESOLVED] {subject} {} at {end} after {lasted}{extent}", works_again(facts))
        }
    }
}

/// The first line about a fault that was there before it was noticed.
fn noticed(facts: &Facts<'_>, subject: &str) -> String {
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
    let (grade, figure) = (grade(facts.severity), figure.unwrap_or_default());
    format!("[{grade}] {subject} {}{figure}{}", fault(facts), session_in_brief(facts))
}

fn description(facts: &Facts<'_>) -> String {
    let mut lines = vec![what_happened(facts)];
    lines.extend(grown(facts));
    if facts.over.is_none() {
        lines.push(format!("Likely: {}.", likely(facts)));
        lines.extend(evidence(facts));
    }
    lines.extend(affected(facts));
    lines.extend(facts.session.as_ref().map(|touched| session(touched, facts)));
    if facts.over.is_none() {
        match facts.ack() {
            Some(ack) => {
                let note =
                    if ack.note.is_empty() { String::new() } else { format!(" ({})", ack.note) };
                let at = hour(&facts.local(ack.at), &facts.now);
                lines.push(format!("Taken on by {} at {at}{note}.", ack.by));
            }
            None => lines.extend(untaken(facts)),
        }
        lines.extend(who_knows(facts));
    }
    lines.extend(facts.instead_of.map(|channel| {
        format!("Sent in place of channel “{channel}”, which does not work at present.")
    }));
    lines.join("\n")
}

/// That nobody has it, where the message is about that.
fn untaken(facts: &Facts<'_>) -> Option<String> {
    let kind = match facts.kind {
        NotificationKind::Escalation => "Escalation",
        NotificationKind::Reminder => "Reminder",
        _ => return None,
    };
    let after = facts.untaken().filter(|it| !it.is_zero());
    let after = after.map_or_else(String::new, |it| format!(" after {}", duration(it)));
    Some(match facts.ran_out() {
        Some((by, until)) => format!(
            "{kind}: {by} had taken it on until {}; now nobody has{after}.",
            hour(&until, &facts.now)
        ),
        None => format!("{kind}: nobody has taken it on{after}."),
    })
}

/// For whom the message is and who else knows.
fn who_knows(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    if !facts.addressed().is_empty() {
        lines.push(format!("To: {}.", facts.addressed().join(", ")));
    }
    let also = facts.also_told();
    let channels = also.channels.iter().map(|channel| format!("channel “{channel}”"));
    let names: Vec<String> =
        also.people.iter().map(|name| (*name).to_owned()).chain(channels).collect();
    if !names.is_empty() {
        lines.push(format!("Also told: {}.", names.join(", ")));
    }
    lines
}

fn what_happened(facts: &Facts<'_>) -> String {
    let subject = subject(facts);
    let place = where_it_is(facts);
    let began = moment(&facts.began);
    let fault = plain_fault(facts);
    let relapses = match facts.incident.relapses.len() {
        0 => String::new(),
        1 => " It recurred once.".to_owned(),
        times => format!(" It recurred {times} times."),
    };
    let told = match facts.again {
        Some((again, _)) => format!(", {fault} again since {}", moment(&again)),
        None => String::new(),
    };
    let last = if facts.last_for_now { " You will hear when it is stable." } else { "" };
    match &facts.over {
        Some((end, lasted)) if facts.removed => format!(
            "{subject}{place}: {fault} since {began}. No longer monitored since {}, as it was taken \
             out of the configuration; the trouble had lasted {} by then.{relapses}",
            precise(end),
            duration(*lasted)
        ),
        Some((end, lasted)) => format!(
            "{subject}{place}: {fault} since {began}, {} at {}. It lasted {}.{relapses}",
            works_again(facts),
            precise(end),
            duration(*lasted)
        ),
        None if facts.is_unsteady() => {
            format!("{subject}{place}: comes and goes since {began}{told}.{relapses}{last}")
        }
        None if matches!(facts.cause, Cause::Certificate | Cause::Clock) => {
            format!("{subject}{place}: {fault}, noticed at {began}.")
        }
        None => match &facts.again {
            Some((again, _)) => format!(
                "{subject}{place}: {fault} again since {}, for the first time at {began}.{relapses}",
                moment(again)
            ),
            None => format!("{subject}{place}: {fault} since {began}.{relapses}"),
        },
    }
}

/// A place in a row.
fn nth(n: usize) -> String {
    let ending = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// What an update is about.
fn grown(facts: &Facts<'_>) -> Option<String> {
    if facts.kind != NotificationKind::Update {
        return None;
    }
    let (severity, sites) = facts.told_before()?;
    let mut news = Vec::new();
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
        Place::Behind { name, sites } => {
            let sites = format!("{} behind {name}", count(sites, "site", "sites"));
            return match facts.cause {
                Cause::Quality => format!("Line to {sites}"),
                _ => sites,
            };
        }
        Place::Shared { label, value, failing, of, .. } => {
            let sites = format!("{failing} of {of} sites sharing {} {value}", shared(label));
            return match facts.cause {
                Cause::Quality => format!("Line to {sites}"),
                _ => sites,
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

const fn works_again(facts: &Facts<'_>) -> &'static str {
    if facts.is_unsteady() {
        return "stable again";
    }
    match facts.cause {
        Cause::Monitor => "sees again",
        Cause::Uplink | Cause::Access => "back online",
        Cause::Device => "answering again",
        Cause::Service => "back in service",
        Cause::Quality => "stable again",
        Cause::Certificate => "valid again",
        Cause::Clock => "right again",
    }
}

/// Who else is affected, for the first line.
fn extent(facts: &Facts<'_>) -> String {
    match facts.place {
        Place::Site { others: 0, .. } | Place::Monitor => String::new(),
        Place::Site { others, .. } if facts.over.is_some() => {
            format!(", with {} behind it", count(others, "site", "sites"))
        }
        Place::Site { others, .. } => {
            format!(", cutting off {} behind it", count(others, "site", "sites"))
        }
        Place::Behind { .. } | Place::Shared { .. } => String::new(),
    }
}

/// What most likely happened.
pub(super) fn likely(facts: &Facts<'_>) -> String {
    if let Some((likely, _)) = of_ourselves(facts) {
        return likely.to_owned();
    }
    match facts.place {
        Place::Behind { name, .. } => {
            return format!("the line from {name} to the sites behind it; {name} itself answers");
        }
        Place::Shared { label, value, others: (failing, of), .. } => {
            let outside = match (failing, of) {
                (_, 0) => String::new(),
                (0, _) => "; all other sites are well".to_owned(),
                (failing, of) => {
                    format!("; of all other sites only {failing} of {of} are in trouble")
                }
            };
            return format!("a fault of the {} {value}{outside}", shared(label));
        }
        Place::Monitor | Place::Site { .. } => {}
    }
    if facts.is_unsteady() && matches!(facts.cause, Cause::Uplink | Cause::Access) {
        return "a loose cable, or unstable power or line".to_owned();
    }
    match facts.cause {
        Cause::Monitor => {
            "the monitoring machine has lost its network, is overloaded, has a full disk or a wrong \
             clock; how the sites do is not known for now"
        }
        Cause::Uplink => "power failure or cut line where the sites behind it pass through",
        Cause::Access => "power failure or cut line at this site alone",
        Cause::Device => {
            "the device is off, hangs or lost its network cable; the router there answers"
        }
        Cause::Service => {
            "the service is off, hangs or is blocked by a firewall; the device answers"
        }
        Cause::Quality => "congestion, or a faulty cable or port",
        Cause::Certificate => {
            let likely = facts.last_seen(|seen| match seen {
                Seen::CertificateEnds(_) => {
                    Some("nobody has renewed it; after that day secure connections are refused")
                }
                Seen::CertificateNotYet(_) => {
                    Some("it was made while the device's clock was wrong")
                }
                _ => None,
            });
            likely.unwrap_or("nobody has renewed it; secure connections are refused")
        }
        Cause::Clock => {
            "the device cannot synchronise with its time server (NTP); a wrong clock breaks secure \
             connections and schedules"
        }
    }
    .to_owned()
}

/// What is likely, and what to do, when this monitor sees but something else of it is wrong.
fn of_ourselves(facts: &Facts<'_>) -> Option<(&'static str, &'static str)> {
    match facts.ails()? {
        SelfDoubt::DrillMissed { .. } => Some((
            "the channel has a wrong address or key, no credit left, or no way out",
            "Run `vchealth alert-test`, mend the channel by the reason given, and try until \
             whoever is on duty gets the message before the session.",
        )),
        SelfDoubt::NobodyReached { .. } => Some((
            "`routes` lead the alerts of this session to no channel and nobody on duty",
            "Mend `routes` in vchealth.yaml before the session; look ahead with `vchealth \
             who` and one of its sites.",
        )),
        SelfDoubt::Trouble { part: Part::Resolver, .. } => Some((
            "the name server is down, or the way to it",
            "Check the name server in /etc/resolv.conf. Devices given by address are watched \
             all the same.",
        )),
        SelfDoubt::Trouble { part: Part::Store, .. } => Some((
            "the disk is full, broken or held by another program",
            "Do what is said above. Alerts go out all the same, but what is not written is \
             lost if the machine stops now.",
        )),
        SelfDoubt::Trouble { part: Part::Courier, .. } => Some((
            "the monitor has no way out, or the message services are down",
            "Check the way to the internet, and each channel with `vchealth alert-test`. \
             Until then watch the board itself.",
        )),
        _ => None,
    }
}

fn action(facts: &Facts<'_>) -> String {
    if facts.over.is_some() {
        return "Nothing more. If somebody is on the way, call them back.".to_owned();
    }
    if let Some((_, action)) = of_ourselves(facts) {
        return action.to_owned();
    }
    let first = match (facts.cause, facts.place) {
        (_, Place::Shared { label: "power", .. }) => {
            "Call the power company for extent and duration of the outage; ask which sites have a \
             generator or a UPS. No need to ask every site for the cause."
        }
        (Cause::Quality, Place::Shared { .. }) => {
            "Have the provider check the shared line; read the list of sites above to them."
        }
        (_, Place::Shared { .. }) => {
            "Call the provider, or whoever runs what these sites share, and read the list above to \
             them. No need to ask every site for the cause."
        }
        (Cause::Quality, Place::Behind { .. }) => {
            "Have the provider check the shared line for congestion; pause large transfers on it."
        }
        (_, Place::Behind { .. }) => {
            "Check the port and the switch that lead to the sites behind; report the cut to the \
             provider. No need to call the sites behind it."
        }
        (Cause::Monitor, _) => {
            "Check network cable, gateway, disk space and clock of the monitoring machine. Until \
             then ask the sites by phone."
        }
        (Cause::Uplink | Cause::Access, Place::Site { .. }) if facts.is_unsteady() => {
            "Call the technician on duty there: check plugs, power adapters and cable ends of router \
             and optical modem. If that does not help, have the provider check the line."
        }
        (Cause::Uplink, _) => {
            "Call the technician on duty there: is there power, is the router lit? If so, report a \
             cut line to the provider. No need to call the sites behind it."
        }
        (Cause::Access, _) => {
            "Call the technician on duty at the site: is there power? Check router and optical \
             modem. If LOS is red or PON is dark, report a fibre cut to the provider."
        }
        (Cause::Device, _) => {
            "Call the technician on duty: switch the device on, re-plug the cable between device \
             and router; if it hangs, unplug its power for 10 seconds."
        }
        (Cause::Service, _) => {
            "Restart the device; if that does not help, check the service's settings and whether a \
             firewall blocks its port."
        }
        (Cause::Quality, _) => {
            "Ask the site to pause large transfers; re-plug the cable between router and modem. If \
             that does not help, have the provider check the line."
        }
        (Cause::Certificate, _) => {
            "Renew or replace the certificate on the device, after checking its date and time."
        }
        (Cause::Clock, _) => {
            "Set date, time and time zone of the device, and check the NTP server in its settings."
        }
    };
    let fallback = match facts.cause {
        Cause::Uplink | Cause::Access | Cause::Device if facts.session_is_near() => {
            " If it cannot be mended in time: let the delegates join over 4G or from the nearest \
             site."
        }
        _ => "",
    };
    format!("{first}{fallback}")
}

fn contact(facts: &Facts<'_>) -> String {
    let people: Vec<String> = facts
        .alert
        .contacts
        .iter()
        .map(|contact| {
            let ways = [contact.phone.as_str(), contact.email.as_str()];
            let ways: Vec<&str> = ways.into_iter().filter(|way| !way.is_empty()).collect();
            match ways.as_slice() {
                [] => contact.name.clone(),
                ways => format!("{}: {}", contact.name, ways.join(", ")),
            }
        })
        .collect();
    match (people.as_slice(), facts.place) {
        ([], Place::Site { .. }) => "nobody is listed for this site".to_owned(),
        ([], _) => "the technician on duty".to_owned(),
        (people, _) => people.join("; "),
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

pub(super) fn evidence(facts: &Facts<'_>) -> Option<String> {
    let seen = facts.evidence();
    let parts: Vec<String> = seen.iter().map(|it| observation(it, facts)).collect();
    (!parts.is_empty()).then(|| format!("Seen: {}.", parts.join("; ")))
}

fn observation(observed: &Observed<'_>, facts: &Facts<'_>) -> String {
    let what = facts.seen_at(&observed.targets, "at");
    let when = precise(&facts.local(observed.at));
    match observed.seen {
        Seen::Failed(failed) => {
            let words = failure(failed);
            match (failed, named_by(failed)) {
                (Failure::Remote(RemoteFailure::Unreachable(_)), Some(router)) => {
                    format!("{what}: {words} (reported by {router}) since {when}")
                }
                (_, Some(detail)) => format!("{what}: {words} ({detail}) since {when}"),
                (_, None) => format!("{what}: {words} since {when}"),
            }
        }
        Seen::Answers { rtt_us: Some(rtt) } => {
            format!("{what}: answers within {} ms", tenths(rtt / 100, '.'))
        }
        Seen::Answers { rtt_us: None } => format!("{what}: answers"),
        Seen::Below { answer: 0, of } => format!("none of {of} sites behind {what} answers"),
        Seen::Below { answer, of } if answer == of => {
            format!("all {of} sites behind {what} answer")
        }
        Seen::Below { answer, of } => format!("{answer} of {of} sites behind {what} answer"),
        Seen::Path { lost_permille, rtt_ms, jitter_ms } => {
            format!(
                "{what}: loss {} %, round trip {rtt_ms} ms, jitter {jitter_ms} ms",
                tenths(lost_permille, '.')
            )
        }
        Seen::ClockOff(by) => {
            let off = duration(Duration::from_secs(by.unsigned_abs()));
            format!("{what}: clock {off} {}", if by > 0 { "fast" } else { "slow" })
        }
        Seen::CertificateEnded(at) => format!("{what}: expired on {}", day(&facts.local(at))),
        Seen::CertificateEnds(at) => format!("{what}: expires on {}", day(&facts.local(at))),
        Seen::CertificateNotYet(at) => {
            format!("{what}: valid only from {}", day(&facts.local(at)))
        }
        Seen::Ourselves(doubt) => format!("{} at {when}", self_doubt(doubt)),
        Seen::Words(words) => format!("{words} at {when}"),
    }
}

/// Why the monitor does not trust itself.
fn self_doubt(doubt: &SelfDoubt) -> String {
    match doubt {
        SelfDoubt::GatewaySilent { host } => {
            format!("neither gateway {host} nor any site answers")
        }
        SelfDoubt::NobodyAnswers => "no site answers any more".to_owned(),
        SelfDoubt::ProbesFail { how } => format!("probes cannot be sent ({how})"),
        SelfDoubt::EngineLate => "the machine does not keep up with its probes".to_owned(),
        SelfDoubt::ClockSet { by_s } => format!("the machine's clock was set by {by_s} s"),
        SelfDoubt::ClockOff { by_s, devices, of } => {
            let off = duration(Duration::from_secs(by_s.unsigned_abs()));
            let way = if *by_s > 0 { "fast" } else { "slow" };
            format!("the machine's clock seems {off} {way}: {devices} of {of} devices disagree")
        }
        SelfDoubt::Trouble { part: Part::Resolver, detail } => {
            format!("no name server answers ({detail})")
        }
        SelfDoubt::Trouble { part: Part::Store, detail } => {
            format!("the monitor cannot write its data ({detail})")
        }
        SelfDoubt::Trouble { part: Part::Courier, detail } => {
            format!("no alert channel gets a message through ({detail})")
        }
        SelfDoubt::DrillMissed { session, channels } => format!(
            "the alert drill before session “{session}” did not reach channel {}",
            joined(channels)
        ),
        SelfDoubt::NobodyReached { session } => format!(
            "alerts about the sites of session “{session}” would reach nobody (look at `routes`)"
        ),
        SelfDoubt::Part { words } => words.clone(),
    }
}

/// What a failure means, in a few words.
fn failure(failure: &Failure) -> &'static str {
    match failure.word() {
        "timeout" => "no answer",
        "refused" => "connections refused",
        "closed" => "breaks off",
        "net-unreachable" => "no route",
        "host-unreachable" => "absent from its local network",
        "protocol-unreachable" | "port-unreachable" => "port closed",
        "prohibited" => "rejected by a firewall",
        "too-big" => "takes no big packets",
        "time-exceeded" => "cut off by a routing loop",
        "unreachable" => "cannot be reached",
        "malformed" => "answers outside the protocol",
        "service-out" => "reports its service out",
        "unexpected" => "answers otherwise than expected",
        "tls" => "TLS handshake fails",
        "certificate-time" => "certificate outside its dates",
        _ => "could not be asked from here",
    }
}

fn affected(facts: &Facts<'_>) -> Option<String> {
    let sites = facts.affected.len();
    if sites == 0 {
        return None;
    }
    if let Place::Monitor = facts.place {
        let (known, done) = if facts.over.is_some() { ("was", "did") } else { ("is", "do") };
        let sites = count(sites, "site", "sites");
        return Some(format!("Affected: it {known} not known how {sites} {done}."));
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

/// What a label that sites share is called.
fn shared(label: &str) -> &str {
    match label {
        "isp" => "provider",
        "power" => "power supply",
        other => other,
    }
}

const fn grade(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFO",
        Severity::Warning => "WARNING",
        Severity::Critical => "CRITICAL",
    }
}

fn count(count: usize, one: &str, many: &str) -> String {
    let word = if count == 1 { one } else { many };
    format!("{} {word}", grouped(count as u64, ','))
}

fn duration(duration: Duration) -> String {
    let [days, hours, minutes, seconds] = units(duration);
    let parts = [(days, "day"), (hours, "hour"), (minutes, "minute"), (seconds, "second")];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" }))
        .collect();
    if parts.is_empty() { "less than a second".to_owned() } else { parts.join(" ") }
}

/// Hour and minute, with the day unless it is that of `today`.
fn hour(at: &DateTime, today: &DateTime) -> String {
    if at.date() == today.date() {
        at.strftime("%H:%M").to_string()
    } else if at.year() == today.year() {
        at.strftime("%H:%M on %-d %B").to_string()
    } else {
        at.strftime("%H:%M on %-d %B %Y").to_string()
    }
}

fn day(at: &DateTime) -> String {
    at.strftime("%-d %B %Y").to_string()
}

fn precise(at: &DateTime) -> String {
    at.strftime("%H:%M:%S").to_string()
}

fn moment(at: &DateTime) -> String {
    at.strftime("%H:%M:%S on %A %-d %B %Y").to_string()
}
