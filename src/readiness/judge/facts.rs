//! What the measurements say of devices, services and clocks, before any verdict.

use jiff::Timestamp;

use super::Look;
use crate::model::{
    Certificate, CheckKind, Detail, EndpointIx, Failure, LocalFailure, Reply, SiteIx, TargetIx,
};

/// Fewest clocks that must be off for ours to be suspected.
const FEWEST_CLOCKS: usize = 3;
/// Sites that must all be silent for us to be suspected, where nothing says which is ours.
const FEWEST_SITES: usize = 5;

/// Whether a device or a site lives, by everything that was asked of it.
#[derive(Debug, Clone)]
pub(super) enum Life {
    Alive,
    Dead(Failure),
    Unknown(LocalFailure),
}

impl<'a> Look<'a> {
    /// Rule 4: why silence says nothing about others.
    pub(super) fn why_blind(&self) -> Option<String> {
        let alive = self.lives.values().any(|life| matches!(life, Life::Alive));
        if let Some(vantage) = self.topology().vantage {
            let dead = matches!(self.lives.get(&vantage), Some(Life::Dead(_)));
            let name = &self.topology().site(vantage).name;
            let why = || format!("the router at {name}, our own way out, is silent");
            return (dead && !alive).then(why);
        }
        let dead = self.lives.values().filter(|life| matches!(life, Life::Dead(_))).count();
        (dead >= FEWEST_SITES && !alive).then(|| "nothing at all answers".to_owned())
    }

    /// Rule 4: whether somebody answers through a site.
    pub(super) fn passes(&self, site: SiteIx) -> bool {
        let below = self.topology().subtree(site).into_iter().filter(|ix| *ix != site);
        below.into_iter().any(|ix| matches!(self.lives.get(&ix), Some(Life::Alive)))
    }

    /// Whether a site lives; none when nothing of it was asked.
    pub(super) fn site_life(&self, ix: SiteIx) -> Option<Life> {
        let endpoints = &self.topology().site(ix).endpoints;
        let mut worst: Option<Life> = None;
        for life in endpoints.iter().filter_map(|ix| self.life(*ix)) {
            match (&life, &worst) {
                (Life::Alive, _) => return Some(life),
                (Life::Dead(_), Some(Life::Dead(_))) => {}
                (Life::Dead(_), _) | (Life::Unknown(_), None) => worst = Some(life),
                (Life::Unknown(_), _) => {}
            }
        }
        worst
    }

    /// Whether a device lives; none when nothing of it was asked. Anything that answers proves it
    /// alive. That it is silent is told by what asks for the host itself, where there is such, as
    /// for the monitor: while this machine fails to send that, what else came to nothing may have
    /// done so here as well.
    pub(super) fn life(&self, ix: EndpointIx) -> Option<Life> {
        let endpoint = self.topology().endpoint(ix);
        let asks_host = |ix: TargetIx| self.topology().check_of(ix).kind.is_reachability();
        let any = endpoint.targets.iter().any(|ix| asks_host(*ix));
        let mut silent: Option<Failure> = None;
        let mut unknown: Option<LocalFailure> = None;
        for target in &endpoint.targets {
            let key = self.topology().target_key(*target);
            let train = self.measured.trains.get(&key).map_or(&[][..], Vec::as_slice);
            if train.iter().any(|burst| !burst.rtts.is_empty()) {
                return Some(Life::Alive);
            }
            for outcome in self.measured.outcomes.get(&key)? {
                match outcome {
                    Ok(_) => return Some(Life::Alive),
                    Err(failure) if failure.host_alive() == Some(true) => return Some(Life::Alive),
                    Err(Failure::Local(why)) => {
                        unknown.get_or_insert_with(|| why.clone());
                    }
                    Err(failure) if !any || asks_host(*target) => {
                        silent.get_or_insert_with(|| failure.clone());
                    }
                    Err(_) => {}
                }
            }
        }
        silent.map(Life::Dead).or(unknown.map(Life::Unknown))
    }

    /// What a target said last.
    pub(super) fn last(&self, ix: TargetIx) -> Option<&'a Result<Reply, Failure>> {
        self.measured.outcomes.get(&self.topology().target_key(ix))?.last()
    }

    pub(super) fn calls(&self, ix: EndpointIx) -> impl Iterator<Item = TargetIx> {
        let topology = self.topology();
        let targets = topology.endpoint(ix).targets.iter().copied();
        targets.filter(|target| is_call(&topology.check_of(*target).kind))
    }

    pub(super) fn offers_calls(&self, ix: EndpointIx) -> bool {
        self.calls(ix).next().is_some()
    }

    pub(super) fn is_out(&self, ix: TargetIx) -> bool {
        matches!(self.last(ix), Some(Err(Failure::Remote(_))))
    }

    /// Rule 6: whether nothing to call with is left on a device. Where no check asks for calls,
    /// every service counts.
    pub(super) fn is_useless(&self, ix: EndpointIx) -> bool {
        let topology = self.topology();
        let mut counting: Vec<TargetIx> = self.calls(ix).collect();
        if counting.is_empty() {
            let targets = topology.endpoint(ix).targets.iter().copied();
            counting =
                targets.filter(|ix| !topology.check_of(*ix).kind.is_reachability()).collect();
        }
        !counting.is_empty() && counting.iter().all(|target| self.is_out(*target))
    }

    /// Rule 6: whether a service was never seen to work while something else to call with does.
    pub(super) fn is_off_on_purpose(&self, ix: EndpointIx, target: TargetIx) -> bool {
        let never = self.past.never_up.contains(&self.topology().target_key(target));
        never && self.calls(ix).any(|other| matches!(self.last(other), Some(Ok(_))))
    }

    /// Rule 8: whether a certificate is, or will soon be, out of its time.
    pub(super) fn is_out_of_time(&self, certificate: &Certificate) -> bool {
        let before = self.config.settings.hygiene.certificate_before;
        let soon = self.now.checked_add(before).unwrap_or(Timestamp::MAX);
        certificate.not_before > self.now || certificate.not_after <= soon.max(self.session.end)
    }

    pub(super) fn is_off(&self, offset_s: i64) -> bool {
        offset_s.unsigned_abs() > self.config.settings.hygiene.clock_offset.as_secs()
    }

    /// Rule 9: by how much our own clock seems to be off.
    pub(super) fn suspect_own_clock(&self) -> Option<i64> {
        let last = self.measured.outcomes.values().filter_map(|outcomes| outcomes.last());
        let seen: Vec<i64> = last.filter_map(|outcome| shows(outcome.as_ref().ok()?).1).collect();
        let mut off: Vec<i64> = seen.iter().copied().filter(|it| self.is_off(*it)).collect();
        if off.len() < FEWEST_CLOCKS || off.len() * 2 <= seen.len() {
            return None;
        }
        off.sort_unstable();
        Some(-off[off.len() / 2])
    }
}

/// Whether a check asks for something to call with.
pub(super) const fn is_call(kind: &CheckKind) -> bool {
    matches!(kind, CheckKind::Sip(_) | CheckKind::H323(_))
}

/// The certificate and the clock that a reply shows.
pub(super) fn shows(reply: &Reply) -> (Option<&Certificate>, Option<i64>) {
    match &reply.detail {
        Detail::Http(http) => (http.certificate.as_ref(), http.clock_offset_s),
        Detail::Sip(sip) => (sip.certificate.as_ref(), sip.clock_offset_s),
        Detail::Icmp(_) | Detail::Tcp(_) | Detail::H323(_) => (None, None),
    }
}
