//! Who else is asked when something fails, and whether they have all spoken.
//!
//! A verdict on a site needs its neighbours' word from after the failure began. They are asked at
//! the first doubt, so that their word is there when the doubt becomes a fact.

use std::collections::BTreeMap;
use std::time::Duration;

use super::correlate::Alike;
use super::picture::Picture;
use super::schedule::Schedule;
use super::site::{Kind, Trouble};
use crate::model::{CheckKind, Effort, EndpointIx, Health, Mono, SiteIx, TargetIx, Trigger};

/// Witnesses of one kind that are asked at most.
const MOST: usize = 48;
/// Gap between two questions, so that asking many makes no burst.
const GAP: Duration = Duration::from_millis(4);
/// Of so many witnesses one may fail at any moment by chance.
const ONE_IN: usize = 20;
/// A witness whose turn comes within this time need not be asked besides.
const SOON: Duration = Duration::from_millis(500);
/// What each target of the province adds to the time between two looks at what fails alike.
const LOOK_PER_TARGET: Duration = Duration::from_micros(200);
/// Shortest time between two connections to a room's call-signalling port; some codecs have few
/// slots for calls.
const CALL_SIGNALLING: Duration = Duration::from_secs(10);

/// Asks those who can tell more about a failing target, at its `nth` failure in a row.
///
/// 1. At the first failure: the other devices of the site and the other targets of the device,
///    the sites that the line runs through up to our own gateway, and some of those whose line
///    runs through it.
/// 2. At the second, when chance is unlikely: the siblings, all the sites below, and the sites that
///    share a label which can silence sites.
/// 3. The failure of a service asks only for its own device, the services beside it and the router.
///    One beside it that fails as well waits for its own confirmation: asked once for each of the
///    others it would be down by what lasts a moment.
/// 4. At the second failure of a service or a device, the same at the parent and at the siblings:
///    what keeps people from it may lie on the way that they share.
/// 5. What fails alike at more sites than chance explains, a service by the same check or a device
///    by the same id, is asked for at all the others: it may fail everywhere.
pub(super) fn ask(
    picture: &Picture,
    schedule: &mut Schedule,
    target: TargetIx,
    nth: u32,
    now: Mono,
) {
    let topology = picture.topology();
    let (endpoint, site) = (topology.target(target).endpoint, topology.target(target).site);
    let since = picture.target(target).bad_since;
    let only_once = picture.settings().hysteresis.fail_after <= 1;
    let is_host = picture.reachability(endpoint).any(|ix| ix == target);
    let mut questions = Questions { picture, schedule, since, now, asked: 0, waits: false };
    if nth == 1 {
        for ix in &topology.endpoint(endpoint).targets {
            questions.ask(*ix);
        }
        for other in &topology.site(site).endpoints {
            for ix in picture.reachability(*other) {
                questions.ask(ix);
            }
        }
        if is_host {
            for above in topology.ancestors(site) {
                questions.pulse(above);
            }
            if let Some(gateway) = picture.gateway() {
                questions.host(gateway);
            }
            for below in topology.site(site).children.iter().take(8) {
                questions.pulse(*below);
            }
        }
    }
    if is_host && (nth == 2 || (nth == 1 && only_once)) {
        if let Some(parent) = topology.site(site).parent {
            questions.some(&topology.site(parent).children);
        }
        questions.some(&topology.subtree(site));
        for (label, value) in &topology.site(site).labels {
            questions.some(picture.labels.silenced_by(label, value));
        }
        if picture.gateway().is_some_and(|gateway| gateway == endpoint) {
            let everybody: Vec<SiteIx> = topology.site_ixs().collect();
            questions.some(&everybody);
        }
    }
    // A router that fails is about its line.
    let is_router = topology.site(site).endpoints.first() == Some(&endpoint) && is_host;
    if !is_router {
        let alike = Alike::to(picture, target);
        if (nth == 2 || (nth == 1 && only_once))
            && let Some(parent) = topology.site(site).parent
        {
            let near = std::iter::once(parent).chain(evenly(&topology.site(parent).children));
            for other in near.flat_map(|near| alike.targets_at(picture, near)) {
                questions.ask(other);
            }
        }
        // Looking at all of them at each of so many failures would take their square.
        let gap = LOOK_PER_TARGET * u32::try_from(topology.targets.len()).unwrap_or(u32::MAX);
        if !questions.schedule.may_ask_everywhere(&alike.to_string(), gap, now) {
            return;
        }
        if let Some(since) = alike.latest_failures(picture, target) {
            (questions.since, questions.waits) = (since, true);
            for other in alike.targets(picture) {
                questions.ask(other);
            }
        }
    }
}

/// Up to [`MOST`] of the sites, evenly chosen.
fn evenly(sites: &[SiteIx]) -> impl Iterator<Item = SiteIx> + '_ {
    sites.iter().copied().step_by(sites.len().div_ceil(MOST).max(1))
}

/// Questions about one failure.
struct Questions<'a> {
    picture: &'a Picture,
    schedule: &'a mut Schedule,
    since: Mono,
    now: Mono,
    asked: u32,
    /// Whether who must be spared now is asked as soon as need not be.
    waits: bool,
}

impl Questions<'_> {
    fn pulse(&mut self, site: SiteIx) {
        if let Some(target) = self.picture.pulse(site) {
            self.ask(target);
        }
    }

    fn host(&mut self, endpoint: EndpointIx) {
        let targets: Vec<TargetIx> = self.picture.reachability(endpoint).collect();
        for target in targets {
            self.ask(target);
        }
    }

    /// Asks some of the sites.
    fn some(&mut self, sites: &[SiteIx]) {
        for site in evenly(sites) {
            self.pulse(site);
        }
    }

    /// Asks a target, unless it has spoken since, is about to, or must be spared.
    fn ask(&mut self, target: TargetIx) {
        let known = self.picture.target(target);
        let under_way = self.schedule.is_under_way_since(target, self.since);
        let call = matches!(self.picture.topology().check_of(target).kind, CheckKind::H323(_));
        let free_at = if call && known.asked_at > Mono::ZERO {
            known.asked_at + CALL_SIGNALLING
        } else {
            self.now
        };
        let spared = free_at > self.now && !self.waits;
        let soon = self.schedule.due(target) <= free_at.max(self.now + SOON);
        let is_service = !self.picture.topology().check_of(target).kind.is_reachability();
        let doubted = is_service && known.streak.is_failing() && known.streak.hard != Health::Down;
        if known.asked_at >= self.since || under_way || soon || spared || doubted {
            return;
        }
        let at = free_at.max(self.now + GAP * self.asked);
        self.asked += 1;
        self.schedule.demand(target, Trigger::Correlate, Effort::Normal, at);
    }
}

/// What the neighbours have said, gathered once for all sites that wait.
#[derive(Debug, Default)]
pub(super) struct Testimony {
    /// What the children of each parent said.
    children: BTreeMap<SiteIx, Said>,
    /// What the sites with each value of a label said.
    labelled: BTreeMap<(String, String), Said>,
    /// Since when everything below a site has been asked.
    below: BTreeMap<SiteIx, Mono>,
}

/// What a number of witnesses said.
#[derive(Debug, Clone, Copy)]
struct Said {
    /// Since when each of them has proved alive, unless it is silent for a fact.
    since: Mono,
    /// Whether so many of them fail at this moment that it cannot be chance.
    wavering: bool,
}

impl Testimony {
    /// Whether everybody who could explain or refute a site's silence has spoken since it began.
    ///
    /// 1. Witnesses are the parent, our gateway, the siblings, the sites below and the sites with
    ///    the same label, as far as they were asked. One that we cannot ask is no witness.
    /// 2. One that is silent for a fact has spoken, and so has one that proved alive since. But
    ///    while the parent, or more siblings than chance explains, fail at this moment, they are
    ///    about to fall silent themselves.
    /// 3. Below, any outcome is enough.
    pub(super) fn is_complete(
        &mut self,
        picture: &Picture,
        site: SiteIx,
        trouble: &Trouble,
    ) -> bool {
        let topology = picture.topology();
        let since = trouble.since;
        if let Some(parent) = topology.site(site).parent {
            let said = listen(picture, &[parent]);
            if said.since < since || is_failing(picture, parent) {
                return false;
            }
            let siblings = &topology.site(parent).children;
            let said = self.children.entry(parent).or_insert_with(|| listen(picture, siblings));
            if said.since < since || said.wavering {
                return false;
            }
        }
        if let Some(gateway) = picture.gateway() {
            let vantage = topology.endpoint(gateway).site;
            let known = picture.endpoint(gateway);
            let spoken = known.alive_at.max(known.heard_at);
            if vantage != site && spoken < since && !picture.site(vantage).finding.is(Kind::Silent)
            {
                return false;
            }
        }
        for (label, value) in &topology.site(site).labels {
            let sites = picture.labels.silenced_by(label, value);
            if sites.is_empty() {
                continue;
            }
            let key = (label.clone(), value.clone());
            let said = self.labelled.entry(key).or_insert_with(|| listen(picture, sites));
            if said.since < since || said.wavering {
                return false;
            }
        }
        let below = self.below.entry(site).or_insert_with(|| {
            let below = topology.subtree(site).into_iter().skip(1);
            below.map(|site| asked(picture, site)).min().unwrap_or(Mono::NEVER)
        });
        *below >= since
    }
}

/// What those of the sites said that are asked.
fn listen(picture: &Picture, sites: &[SiteIx]) -> Said {
    let mut said = Said { since: Mono::NEVER, wavering: false };
    let (mut witnesses, mut failing) = (0, 0);
    for site in evenly(sites) {
        let known = picture.site(site);
        if known.finding.is(Kind::Silent) || is_no_witness(picture, site) {
            continue;
        }
        said.since = said.since.min(known.alive_at);
        witnesses += 1;
        failing += usize::from(is_failing(picture, site));
    }
    said.wavering = failing > witnesses / ONE_IN;
    said
}

/// Whether more of the sites fail at this moment than chance explains.
pub(super) fn wavers(picture: &Picture, sites: &[SiteIx]) -> bool {
    listen(picture, sites).wavering
}

/// Whether devices fail at this moment, without being down for a fact, at more of the sites than
/// chance explains.
pub(super) fn devices_waver(picture: &Picture, sites: &[SiteIx]) -> bool {
    let topology = picture.topology();
    let (mut witnesses, mut failing) = (0, 0);
    for site in evenly(sites) {
        let endpoints = topology.site(site).endpoints.iter();
        let mut hosts = endpoints.flat_map(|endpoint| picture.reachability(*endpoint));
        witnesses += 1;
        failing += usize::from(hosts.any(|ix| {
            let streak = picture.target(ix).streak;
            streak.is_failing() && streak.hard != Health::Down
        }));
    }
    failing > witnesses / ONE_IN
}

/// Whether the site's pulse is failing at this moment, without being silent for a fact.
pub(super) fn is_failing(picture: &Picture, site: SiteIx) -> bool {
    !picture.site(site).finding.is(Kind::Silent)
        && picture.pulse(site).is_some_and(|target| picture.target(target).streak.is_failing())
}

/// When a site was last asked, with any outcome; [`Mono::NEVER`] when it need not be.
fn asked(picture: &Picture, site: SiteIx) -> Mono {
    let known = picture.site(site);
    let done = known.finding.is(Kind::Silent) || is_no_witness(picture, site);
    if done { Mono::NEVER } else { known.asked_at }
}

/// Whether a site cannot be asked: nothing at it is watched, or we fail to ask.
pub(super) fn is_no_witness(picture: &Picture, site: SiteIx) -> bool {
    picture.pulse(site).is_none_or(|target| picture.target(target).streak.is_mute())
}
