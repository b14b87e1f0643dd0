//! What is wrong with this monitor itself, in English.

use std::time::Duration;

use super::words::duration;
use crate::model::{Ailment, Language, Part, SelfDoubt, StoreTrouble, Strain, missed};
use crate::texts::Facts;

/// What is likely, and what to do, when some recipients refuse what others of their channel have.
const RECIPIENTS: (&str, &str) = (
    "a wrong number or address, somebody who left the group or blocked the account, or a \
     mailbox that is full",
    "In vchealth.yaml look at the recipient in brackets: the place in `to`, or the id of the \
     group. Mend or take it out, and try with `vchealth alert-test`. This is over once they \
     take the next alert or drill, or the channel's settings change. The others are told.",
);

/// What is likely, and what to do, when it is known what of this monitor is wrong.
pub(super) fn of_ourselves(facts: &Facts<'_>) -> Option<(&'static str, &'static str)> {
    match facts.doubt()? {
        SelfDoubt::Trouble { part: Part::Recipients, .. } => Some(RECIPIENTS),
        doubt @ SelfDoubt::DrillMissed { .. } if doubt.is_of_recipients() => Some(RECIPIENTS),
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
        SelfDoubt::SessionMuted { .. } => Some((
            "a silence or planned work of another day was not ended",
            "See `vchealth silence` and `vchealth maintenance`, and end before the session with \
             `vchealth unsilence` what is not meant for it.",
        )),
        SelfDoubt::SessionUnwatched { .. } => Some((
            "probes come too seldom during a session, or too many of them have to fail",
            "Look at `pace` and `confirm_after` of the checks and at `hysteresis` in \
             vchealth.yaml: five seconds are usual.",
        )),
        SelfDoubt::Trouble { part: Part::Resolver, .. } => Some((
            "the name server is down, or the way to it",
            "Check the name server in /etc/resolv.conf. Devices given by address are watched \
             all the same.",
        )),
        SelfDoubt::Trouble { detail: Ailment::Store(trouble), .. } => Some(store_advice(trouble)),
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
        SelfDoubt::SitesUnasked { .. } => Some((
            "a route, an interface or a firewall rule of the monitoring machine, or a name that is \
             gone from DNS; the state of these sites is unknown for now",
            "On the monitoring machine look at the routes, the firewall and the names of these \
             sites; `vchealth probe` with one of them says more. Until then ask them by phone.",
        )),
        SelfDoubt::GatewaySilent { .. }
        | SelfDoubt::GatewayUnasked { .. }
        | SelfDoubt::NobodyAnswers => Some((
            "the monitoring machine has lost its network, or the gateway or the line where it \
             stands is down; the state of the sites is unknown for now",
            "Check the network cable of the monitoring machine, the gateway and the line there. \
             Until then ask the sites by phone.",
        )),
        SelfDoubt::ProbesFail { .. } => Some((
            "the monitoring machine has lost its network, lacks a right or has run out of \
             resources; the state of the sites is unknown for now",
            "Check network, load and log of the monitoring machine (`journalctl -u vchealth`). \
             Until then ask the sites by phone.",
        )),
        SelfDoubt::EngineStrained(strain) if strain.is_of_buffer() => Some((
            "so many replies come at once that the receive buffer is too small for them; the \
             state of the sites is unknown for now",
            "Raise `net.core.rmem_max` on the monitoring machine and `icmp.receive_buffer` in \
             vchealth.yaml, and restart vchealth. Until then ask the sites by phone.",
        )),
        SelfDoubt::EngineStrained(_) => Some((
            "the machine is overloaded, or was paused; the state of the sites is unknown for now",
            "Look at load and memory of the monitoring machine, and of its host if it is a virtual \
             one; end what is not needed. Until then ask the sites by phone.",
        )),
        SelfDoubt::ClockSet { .. } => Some((
            "somebody or a time server set it, or a virtual machine was moved or woken up",
            "Check time synchronisation (chrony or NTP) and time zone of the monitoring machine. \
             The sites are watched again once each has been probed anew.",
        )),
        SelfDoubt::ClockOff { .. } => Some((
            "the monitoring machine does not synchronise with a time server (NTP)",
            "Switch on time synchronisation (chrony or NTP) on the monitoring machine and check \
             its time zone. The sites are watched all the same; until then the times in messages \
             and reports are wrong.",
        )),
    }
}

/// What of this monitor is in trouble apart from whether it sees: troubles that somebody else has
/// to mend each have another name, so that the end of one is not taken for that of another.
pub(in crate::texts) fn topic(facts: &Facts<'_>) -> Option<&'static str> {
    Some(match facts.ails()? {
        doubt if doubt.is_of_recipients() => "recipients of alerts",
        SelfDoubt::ClockSet { .. } | SelfDoubt::ClockOff { .. } => "its clock",
        SelfDoubt::DrillMissed { .. }
        | SelfDoubt::NobodyReached { .. }
        | SelfDoubt::SessionMuted { .. }
        | SelfDoubt::SessionUnwatched { .. } => "the alerts of a session",
        SelfDoubt::Trouble { part: Part::Resolver, .. } => "the name servers",
        SelfDoubt::Trouble { part: Part::Store, .. } => "disk and database",
        SelfDoubt::Trouble { part: Part::Courier, .. } => "the alert channels",
        _ => return None,
    })
}

/// Why the monitor does not trust itself.
pub(in crate::texts) fn self_doubt(doubt: &SelfDoubt) -> String {
    match doubt {
        SelfDoubt::GatewaySilent { host } => {
            format!("neither gateway {host} nor any site answers")
        }
        SelfDoubt::GatewayUnasked { host, how } => {
            let how = how.replace('-', " ");
            format!("gateway {host} cannot be asked from here ({how}), and no site answers")
        }
        SelfDoubt::NobodyAnswers => "no site answers any more".to_owned(),
        SelfDoubt::ProbesFail { how } => {
            format!("probes cannot be sent ({})", how.replace('-', " "))
        }
        SelfDoubt::SitesUnasked { how } => {
            format!("some sites cannot be asked from here ({})", how.replace('-', " "))
        }
        SelfDoubt::EngineStrained(strain) if strain.is_of_buffer() => format!(
            "the machine dropped {} echo replies for want of room in a buffer of {} KiB",
            strain.dropped, strain.buffer_kib
        ),
        SelfDoubt::EngineStrained(strain) => {
            format!("the machine does not keep up with its probes{}", figures(*strain))
        }
        SelfDoubt::ClockSet { by_s } => {
            let by = duration(Duration::from_secs(by_s.unsigned_abs()));
            let way = if *by_s > 0 { "forward" } else { "back" };
            format!("the machine's clock was set {way} by {by}")
        }
        SelfDoubt::ClockOff { by_s, devices, of } => {
            let off = duration(Duration::from_secs(by_s.unsigned_abs()));
            let way = if *by_s > 0 { "fast" } else { "slow" };
            format!("the machine's clock seems {off} {way}: {devices} of {of} devices disagree")
        }
        SelfDoubt::Trouble { part: Part::Resolver, detail } => {
            format!("no name server answers ({detail})")
        }
        SelfDoubt::Trouble { detail: Ailment::Store(trouble), .. } => store(trouble),
        SelfDoubt::Trouble { part: Part::Store, detail } => {
            format!("the monitor cannot write its data ({detail})")
        }
        SelfDoubt::Trouble { part: Part::Recipients, detail } => {
            format!(
                "alerts no longer reach recipients {detail}, though others of the channel get them"
            )
        }
        SelfDoubt::Trouble { part: Part::Courier, detail } => {
            format!("no alert channel gets a message through ({detail})")
        }
        SelfDoubt::DrillMissed { session, channels, refused } => format!(
            "the alert drill did not reach channel {} before session “{session}”",
            missed(channels, refused, "recipient")
        ),
        SelfDoubt::SessionMuted { session } => {
            format!("silences or planned work hold back every alert of session “{session}”")
        }
        SelfDoubt::SessionUnwatched { session } => {
            format!("nobody would hear within two minutes of a dead site in session “{session}”")
        }
        SelfDoubt::NobodyReached { session } => {
            format!("nobody would get the alerts of session “{session}” (look at `routes`)")
        }
    }
}

/// What strained the engine, in brackets; nothing when nothing was counted.
fn figures(Strain { late_ms, missed_ticks, dropped, .. }: Strain) -> String {
    let mut all = Vec::new();
    if late_ms > 0 {
        all.push(format!("up to {} late", Language::En.seconds(late_ms)));
    }
    match missed_ticks {
        0 => {}
        1 => all.push("paused once".to_owned()),
        times => all.push(format!("paused {times} times")),
    }
    match dropped {
        0 => {}
        1 => all.push("1 reply dropped".to_owned()),
        times => all.push(format!("{times} replies dropped")),
    }
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

/// What is wrong with the database.
fn store(trouble: &StoreTrouble) -> String {
    match trouble {
        StoreTrouble::Full { dir } => format!("the disk that holds {} is full", dir.display()),
        StoreTrouble::Held { dir } => {
            format!("another program holds the database in {}", dir.display())
        }
        StoreTrouble::ReadOnly { dir } => format!("{} cannot be written", dir.display()),
        StoreTrouble::Damaged { dir } => format!("the database in {} is damaged", dir.display()),
        StoreTrouble::Replaced { dir } => {
            format!("the database in {} was replaced while in use", dir.display())
        }
        StoreTrouble::Failing { dir } => format!("the disk that holds {} fails", dir.display()),
        StoreTrouble::Silent { seconds } => {
            format!("the disk has taken nothing for {seconds} seconds")
        }
    }
}

/// What is likely of the database, and what to do.
const fn store_advice(trouble: &StoreTrouble) -> (&'static str, &'static str) {
    match trouble {
        StoreTrouble::Full { .. } => (
            "logs, backups or other data take all the room",
            "Delete files from that disk, or move them away. Alerts go out all the same, but what \
             is not written is lost if the machine stops now.",
        ),
        StoreTrouble::Held { .. } => (
            "a backup tool, or somebody who opened the database with another program",
            "End that program. Alerts go out all the same, but what is not written is lost if the \
             machine stops now.",
        ),
        StoreTrouble::ReadOnly { .. } => (
            "the directory has the wrong owner, or the disk became read-only after an error",
            "Check the owner of the directory, and whether the disk is mounted read-only. Alerts \
             go out all the same, but what is not written is lost if the machine stops now.",
        ),
        StoreTrouble::Damaged { .. } => (
            "a faulty disk, or another program wrote over the file",
            "Restart vchealth: the damaged file is moved aside, and what can be read is kept. Then \
             check the disk.",
        ),
        StoreTrouble::Replaced { .. } => (
            "somebody copied a backup there while vchealth was running",
            "To keep the former data: move the new file away, and vchealth puts the former one \
             back. To use the new file: restart vchealth.",
        ),
        StoreTrouble::Failing { .. } => (
            "a faulty disk, or a network disk that is gone",
            "Check the disk and the system log. Alerts go out all the same, but what is not \
             written is lost if the machine stops now.",
        ),
        StoreTrouble::Silent { .. } => (
            "the disk is overloaded, about to fail, or a network disk is gone",
            "Check load and health of the disk. Alerts go out all the same, but what is not \
             written is lost if the machine stops now.",
        ),
    }
}
