//! The outbound heartbeat: a sign of life to a watchdog elsewhere, which raises the alarm when it
//! stays away. When to give it is decided here, purely; [`Beep`] only carries it out.
//!
//! 1. A sign is due once in every period; one that did not get through is repeated after
//!    [`AGAIN`].
//! 2. None is given while the event loop stands still, while no probe tells anything of a site
//!    though several should have, while the monitor has been blind for [`BLIND`], while what is
//!    decided does not reach the disk for [`UNWRITTEN`], while the courier stands still, or while
//!    no channel reaches anybody. A probe that fails on this machine tells nothing. A process that
//!    lives and does not watch, or watches and can tell nobody, has to look dead, or nobody comes:
//!    then the watchdog is the last channel.
//! 3. As soon as all is well again, a sign that was held back is given at once.

use std::time::Duration;

use reqwest::header::HeaderMap;

use super::http::{Body, Http, Request};
use super::{DeliveryError, keys};
use crate::clock::Clock;
use crate::config::Address;
use crate::model::{CheckKind, Mono, Phase, Topology};

/// Wait after a sign that did not get through.
const AGAIN: Duration = Duration::from_secs(10);
/// A sign without an answer after this long got lost.
const LIMIT: Duration = Duration::from_secs(5);
/// The event loop comes round several times a second; so long means that it hangs.
const STALLED: Duration = Duration::from_secs(10);
/// Probes that may be missing in a row, and the shortest time that counts as too long.
const SILENT: (u32, Duration) = (3, Duration::from_secs(30));
/// How long this monitor may say that it cannot see; a clock that was set is over sooner.
const BLIND: Duration = Duration::from_mins(1);
/// How long a disk may refuse what was decided.
const UNWRITTEN: Duration = Duration::from_mins(1);

/// What tells whether this monitor watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// When the event loop last came round.
    pub turned: Mono,
    /// When a probe last told something of a site.
    pub learned: Mono,
    /// How often one should, at least; none when there is nothing to probe.
    pub every: Option<Duration>,
    /// For how long it has been blind, as it says itself.
    pub blind: Option<Duration>,
    /// For how long what was decided has not reached the disk.
    pub unwritten: Option<Duration>,
    /// Whether every channel fails or refuses what it is told, as [`trouble`](super::trouble()) has
    /// it.
    pub untold: bool,
    /// Whether the courier stands still, as [`Remote::is_stalled`](super::Remote::is_stalled) has
    /// it.
    pub stalled: bool,
}

/// When the next sign is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beats {
    every: Duration,
    due: Mono,
}

impl Signs {
    /// Why this monitor does not watch; none while it does.
    #[must_use]
    pub fn wrong(&self, now: Mono) -> Option<&'static str> {
        let silent = self.every.map(|every| every.saturating_mul(SILENT.0).max(SILENT.1));
        if now - self.turned >= STALLED {
            Some("the event loop stands still")
        } else if silent.is_some_and(|silent| now - self.learned >= silent) {
            Some("no probe tells anything of a site")
        } else if self.blind.is_some_and(|lasting| lasting >= BLIND) {
            Some("the monitor cannot see")
        } else if self.unwritten.is_some_and(|lasting| lasting >= UNWRITTEN) {
            Some("what is decided does not reach the disk")
        } else if self.stalled {
            Some("the courier stands still")
        } else if self.untold {
            Some("no channel reaches anybody")
        } else {
            None
        }
    }
}

impl Beats {
    /// A sign every so often, the first at `now`.
    #[must_use]
    pub const fn new(every: Duration, now: Mono) -> Self {
        Self { every, due: now }
    }

    /// Whether a sign is to be given now.
    #[must_use]
    pub fn is_due(&self, now: Mono) -> bool {
        now >= self.due
    }

    /// A sign was given at `at`, and got through or not.
    pub fn given(&mut self, through: bool, at: Mono) {
        self.due = at + if through { self.every } else { AGAIN.min(self.every) };
    }
}

/// Gives signs. The address is a secret: whoever knows it can give them in our place.
#[derive(Debug)]
pub struct Beep {
    url: Address,
    http: Http,
}

impl Beep {
    /// Signs to this address.
    #[must_use]
    pub fn new(url: &Address, clock: Clock) -> Self {
        Self { url: url.clone(), http: Http::new(clock) }
    }

    /// Gives one.
    ///
    /// # Errors
    /// When the watchdog does not take it.
    pub async fn give(&self) -> Result<(), DeliveryError> {
        let url = keys::address(&self.url).await?;
        let request = Request { url: url.clone(), headers: HeaderMap::new(), body: Body::None };
        let answer = self.http.exchange(request, LIMIT).await?;
        if answer.is_success() { Ok(()) } else { Err(answer.unexplained(&url, &[])) }
    }
}

/// How often some probe should come to an end, whatever the phase: the pace of the quickest target
/// in its slowest phase, and the time that a probe may take.
#[must_use]
pub fn expected(topology: &Topology) -> Option<Duration> {
    let checks = topology.target_ixs().map(|target| topology.check_of(target));
    checks
        .map(|check| {
            let slowest = Phase::ALL.map(|phase| check.paces.get(phase)).into_iter().max();
            let echoes = match &check.kind {
                CheckKind::Icmp(icmp) => icmp.spacing.saturating_mul(icmp.count.into()),
                _ => Duration::ZERO,
            };
            slowest.unwrap_or_default() + check.timeout + echoes
        })
        .min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(seconds)
    }

    const EVERY: Duration = Duration::from_secs(60);

    fn well(now: Mono) -> Signs {
        let every = Some(Duration::from_secs(15));
        Signs {
            turned: now,
            learned: now,
            every,
            blind: None,
            unwritten: None,
            untold: false,
            stalled: false,
        }
    }

    #[test]
    fn a_sign_is_given_once_in_every_period_and_soon_again_when_it_got_lost() {
        let mut beats = Beats::new(EVERY, at(0));
        let mut given = Vec::new();
        for second in 0..200 {
            if beats.is_due(at(second)) {
                given.push(second);
                // The third is lost once.
                beats.given(given.len() != 3, at(second));
            }
        }
        assert_eq!(given, [0, 60, 120, 130, 190]);
    }

    #[test]
    fn a_monitor_that_lives_and_does_not_watch_looks_dead() {
        let now = at(1_000);
        assert_eq!(well(now).wrong(now), None);
        let stalled = Signs { turned: at(990), ..well(now) };
        assert_eq!(stalled.wrong(now), Some("the event loop stands still"));
        let silent = Signs { learned: at(955), ..well(now) };
        assert_eq!(silent.wrong(now), Some("no probe tells anything of a site"));
        assert_eq!(Signs { learned: at(956), ..well(now) }.wrong(now), None, "three may miss");
        assert_eq!(Signs { learned: at(0), every: None, ..well(now) }.wrong(now), None);
        let quick = Signs { every: Some(Duration::from_secs(1)), learned: at(971), ..well(now) };
        assert_eq!(quick.wrong(now), None, "a burst of slow ones is no standstill");
        let blind = |seconds| Signs { blind: Some(Duration::from_secs(seconds)), ..well(now) };
        assert_eq!(blind(59).wrong(now), None);
        assert_eq!(blind(60).wrong(now), Some("the monitor cannot see"));
        let full = |seconds| Signs { unwritten: Some(Duration::from_secs(seconds)), ..well(now) };
        assert_eq!(full(59).wrong(now), None);
        assert_eq!(full(60).wrong(now), Some("what is decided does not reach the disk"));
        let mute = Signs { untold: true, ..well(now) };
        assert_eq!(mute.wrong(now), Some("no channel reaches anybody"));
        let stalled = Signs { stalled: true, ..well(now) };
        assert_eq!(stalled.wrong(now), Some("the courier stands still"));
    }
}
