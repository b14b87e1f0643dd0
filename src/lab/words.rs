//! Faults and steps in words, for the lines that a demo prints and for logs.

use std::fmt;

use super::fault::{Fault, Says};
use super::scenario::Act;
use super::world::Place;
use crate::model::{SiteIx, Topology};

/// Sites that are named; of more only the number is told.
const NAMED: usize = 3;

impl fmt::Display for Fault {
    /// As it is written in a scenario: the word, and the parameter where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().word())?;
        let percent = |share: f64| format!("{:.1}%", share * 100.0);
        let signed = |seconds: i64| signed(jiff::SignedDuration::from_secs(seconds));
        match *self {
            Self::UplinkCut { says: Some(Says::NetUnreachable) } => f.write_str(" net-unreachable"),
            Self::UplinkCut { says: Some(Says::HostUnreachable) } => {
                f.write_str(" host-unreachable")
            }
            Self::DeviceOff { after } if !after.is_zero() => write!(f, " after {after:?}"),
            Self::Loss(loss) => {
                let whole = percent(1.0 - (1.0 - loss.out) * (1.0 - loss.back));
                let spared = if loss.best_effort_only { " of unmarked packets" } else { "" };
                write!(f, " {whole}{spared}")
            }
            Self::Delay(time) | Self::Jitter(time) => write!(f, " {time:?}"),
            Self::Bandwidth { kbit_s } => write!(f, " {kbit_s} kbit/s"),
            Self::Mtu { bytes, silent } => {
                write!(f, " {bytes}{}", if silent { ", silently" } else { "" })
            }
            Self::Remark { dscp } => write!(f, " to DSCP {dscp}"),
            Self::Duplicate(share)
            | Self::Reorder(share)
            | Self::Corrupt(share)
            | Self::Truncate(share)
            | Self::Forge(share) => write!(f, " {}", percent(share)),
            Self::Late { share, by } => write!(f, " {} by {by:?}", percent(share)),
            Self::SipStatus(status) | Self::HttpStatus(status) => write!(f, " {status}"),
            Self::CertificateEnds { in_s } => write!(f, " {}", signed(in_s)),
            Self::ClockOff { by_s } => write!(f, " {}", signed(by_s)),
            Self::OwnEngineLate { by } => write!(f, " by {by:?}"),
            _ => Ok(()),
        }
    }
}

impl Act {
    /// What happens, in one line.
    #[must_use]
    pub fn words(&self, topology: &Topology) -> String {
        match self {
            Self::Place { places, fault } => format!("{fault} {}", at(places, topology)),
            Self::Lift { places, kind: Some(kind) } => {
                format!("{} is over {}", kind.word(), at(places, topology))
            }
            Self::Lift { places, kind: None } => format!("all is well {}", at(places, topology)),
            Self::ClockStep(by) => format!("the wall clock is set by {}", signed(*by)),
            Self::Restart { away, killed: true } => {
                format!("the daemon is killed and comes back after {away:?}")
            }
            Self::Restart { away, killed: false } => {
                format!("the daemon is stopped and comes back after {away:?}")
            }
            Self::Reload { without } if without.is_empty() => {
                "the configuration is read again".to_owned()
            }
            Self::Reload { without } => {
                format!("the configuration is read again without {}", sites(without, topology))
            }
            Self::Ack { sites: of, by, .. } => format!("{by} takes on {}", sites(of, topology)),
            Self::Silence { sites: of, lasts } => {
                format!("{} silenced for {lasts:?}", sites(of, topology))
            }
            Self::Maintenance { sites: of, lasts } => {
                format!("maintenance of {} for {lasts:?}", sites(of, topology))
            }
        }
    }
}

/// A length of time with its sign in front, as scenarios write it.
fn signed(time: jiff::SignedDuration) -> String {
    let sign = if time.is_negative() { '-' } else { '+' };
    format!("{sign}{:#}", time.abs())
}

fn at(places: &[Place], topology: &Topology) -> String {
    if let [Place::Site(site, Some(endpoint))] = places {
        return format!("at {} of {}", endpoint, name(*site, topology));
    }
    let of: Vec<SiteIx> = places
        .iter()
        .filter_map(|place| match place {
            Place::Own => None,
            Place::Site(site, _) => Some(*site),
        })
        .collect();
    if of.is_empty() { "with us".to_owned() } else { format!("at {}", sites(&of, topology)) }
}

fn sites(of: &[SiteIx], topology: &Topology) -> String {
    if of.len() > NAMED {
        return format!("{} sites", of.len());
    }
    let names: Vec<String> = of.iter().map(|site| name(*site, topology)).collect();
    names.join(", ")
}

fn name(site: SiteIx, topology: &Topology) -> String {
    topology.sites.get(site.ix()).map_or_else(String::new, |site| site.name.clone())
}

#[cfg(test)]
mod tests {
    use crate::lab::scenario::Scenario;

    #[test]
    fn steps_read_like_what_happens() {
        let text = "
name: x
province: {tree: {tinh: {a: [a1, a2, a3]}}}
lasts: 1m
real: false
expect: nothing
timeline:
  - {at: 1s, site: a1, fault: power-cut, for: 5s}
  - {at: 10s, subtree: a, fault: {loss: 10%}}
  - {at: 11s, site: [a1, a2], endpoint: codec, fault: {clock-off: -3h}}
  - {at: 12s, fault: own-network-cut}
  - {at: 13s, site: a1, clear: all}
  - {at: 14s, clock-step: 2h}
  - {at: 15s, restart: kill}
  - {at: 16s, site: a1, reload: without}
  - {at: 17s, site: a1, ack: Lan}
  - {at: 18s, everywhere: true, fault: {late: {share: 5%, by: 3s}}}
";
        let scenario = Scenario::parse("x.yaml", text).unwrap_or_else(|p| panic!("{p}"));
        let topology = scenario.topology().unwrap();
        let script = scenario.script(&topology).unwrap_or_else(|p| panic!("{p}"));
        let mut lines: Vec<String> =
            script.steps.iter().map(|step| step.act.words(&topology)).collect();
        lines.dedup();
        assert_eq!(
            lines,
            [
                "power-cut at a1",
                "power-cut is over at a1",
                "loss 10.0% at 4 sites",
                "clock-off -3h at a1, a2",
                "own-network-cut with us",
                "all is well at a1",
                "the wall clock is set by +2h",
                "the daemon is killed and comes back after 2s",
                "the configuration is read again without a1",
                "Lan takes on a1",
                "late 5.0% by 3s at 5 sites",
            ]
        );
    }
}
