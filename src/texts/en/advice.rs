//! What is likely, what to do about it and whom to phone, in English.

use super::ourselves::of_ourselves;
use super::words::{devices_with, shared};
use crate::model::Cause;
use crate::texts::seen::Seen;
use crate::texts::{Facts, Place, Shared};

/// What most likely happened.
pub(in crate::texts) fn likely(facts: &Facts<'_>) -> String {
    if let Some((likely, _)) = of_ourselves(facts) {
        return likely.to_owned();
    }
    match facts.place {
        Place::Behind { name, .. } if matches!(facts.cause, Cause::Device | Cause::Service) => {
            let alive = match facts.cause {
                Cause::Service => "the devices themselves answer",
                _ => "the routers there answer",
            };
            return format!(
                "one cause on the line by way of {name}: a firewall, or small packets pass and big \
                 ones do not (MTU); {alive}"
            );
        }
        Place::Behind { name, .. } => {
            return format!("the line from {name} to the sites behind it; {name} itself answers");
        }
        Place::Shared { what, others, .. } => {
            let outside = match others {
                (_, 0) => String::new(),
                (0, _) => "; no other site was hit like this at the same time".to_owned(),
                (hit, of) => format!(
                    "; of all other sites only {hit} of {of} {} hit like this at the same time",
                    if hit == 1 { "was" } else { "were" }
                ),
            };
            return if what.of_devices {
                format!(
                    "a fault that all {} share: new firmware or settings pushed to them, or a \
                     licence that ran out{outside}",
                    devices_with(&what)
                )
            } else {
                format!("a fault of the {} {}{outside}", shared(what.label), what.value)
            };
        }
        Place::Everywhere { .. } => {
            return match facts.cause {
                Cause::Service => {
                    "one cause for all of them: a firewall on the way, the central server that \
                     they use, or settings changed at all of them; the devices themselves answer"
                }
                _ => {
                    "one cause for all of them: a firewall on the way, or an update or settings \
                     pushed to all of them; the routers there answer"
                }
            }
            .to_owned();
        }
        Place::Monitor | Place::Site { .. } => {}
    }
    if facts.is_unsteady() && matches!(facts.cause, Cause::Uplink | Cause::Access) {
        return "a loose cable, or unstable power or line".to_owned();
    }
    if facts.is_slow() && matches!(facts.cause, Cause::Uplink | Cause::Access) {
        return "a line so full or so poor that replies come too late to be of use".to_owned();
    }
    match facts.cause {
        Cause::Monitor => {
            "the monitoring machine has lost its network, is overloaded, has a full disk or a wrong \
             clock; the state of the sites is unknown for now"
        }
        Cause::Uplink => "power failure or cut line where the sites behind it pass through",
        Cause::Access => "power failure or cut line at this site alone",
        Cause::Device => {
            "the device is off, hangs or lost its network cable; the router there answers"
        }
        Cause::Service if facts.is_stalled() => {
            "the service hangs or is overloaded, as it accepts connections and answers too late"
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

/// What helps a line that is too full.
const RELIEVE: &str = "\
    Ask the site to pause large transfers; re-plug the cable between router and modem. If that does \
    not help, have the provider check the line.";

pub(super) fn action(facts: &Facts<'_>) -> String {
    if facts.unshown {
        return "It is not known to be right, only shown no longer: look at the device itself."
            .to_owned();
    }
    if facts.removed {
        return "It is not known to be mended, only watched no longer. If it was taken out by \
                mistake, put it back into the configuration."
            .to_owned();
    }
    if !facts.passed_on.is_empty() {
        return "What has not come back is still to be mended: call nobody back who is on the way \
                there. If somebody is on the way to another site, call them back."
            .to_owned();
    }
    if facts.over.is_some() {
        return "Nothing more. If somebody is on the way, call them back.".to_owned();
    }
    if let Some((_, action)) = of_ourselves(facts) {
        return action.to_owned();
    }
    let first = match (facts.cause, facts.place) {
        (_, Place::Shared { what: Shared { of_devices: true, .. }, .. }) => {
            "Ask whoever manages the devices what was updated or changed just now; stop it, and roll \
             it back if possible. Restart one device: if that helps, do so at each of the sites \
             above; if not, call the vendor."
        }
        (_, Place::Shared { what: Shared { label: "power", .. }, .. }) => {
            "Call the power company for extent and duration of the outage; ask which sites have a \
             generator or a UPS. No need to ask every site for the cause."
        }
        (_, Place::Everywhere { .. }) => {
            "Look at the centre first: what was changed just now at the firewall, at the central \
             server or in the settings of the devices? Take it back. No need to call every site."
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
        (Cause::Device | Cause::Service, Place::Behind { .. }) => {
            "Look at that line first: what was changed just now at its firewall, in its filters or \
             in its packet size (MTU)? Take it back, or have the provider check it. No need to call \
             the sites behind it."
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
        (Cause::Uplink | Cause::Access, Place::Site { .. }) if facts.is_slow() => RELIEVE,
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
        (Cause::Service, _) if facts.is_stalled() => {
            "Restart the device; if that does not help, see whether it or its line is overloaded."
        }
        (Cause::Service, _) => {
            "Restart the device; if that does not help, check the service's settings and whether a \
             firewall blocks its port."
        }
        (Cause::Quality, _) => RELIEVE,
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

pub(super) fn contact(facts: &Facts<'_>) -> String {
    facts.contacts().unwrap_or_else(|| match facts.place {
        Place::Site { .. } | Place::Behind { .. } => "nobody is listed for this site".to_owned(),
        Place::Shared { what, .. } => format!("nobody is listed for “{}”", what.value),
        Place::Everywhere { what, .. } => format!("nobody is listed for “{what}”"),
        Place::Monitor => "nobody is listed for the monitor".to_owned(),
    })
}
