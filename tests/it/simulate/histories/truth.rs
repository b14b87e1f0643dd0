//! What is the matter in truth, and whether the brain says so when nothing has changed for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vchealth::config::Config;
use vchealth::lab::fault::{Fault, FaultKind};
use vchealth::lab::scenario::Act;
use vchealth::lab::world::Place;
use vchealth::model::{
    Cause, CheckKind, CommonFactor, Effort, Failure, Health, IcmpError, Incident, RemoteFailure,
    SiteId, SiteIx, Topology,
};

use super::drawn::History;
use super::tally::Tally;
use super::told;
use crate::simulate::run::{Run, explains};

/// How often a target is tried to learn what is the matter with it in truth.
const TRIES: u32 = 5;

/// What is the matter with a site in truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    /// Every target answers.
    Well,
    /// No target answers and nobody there says a word.
    Silent,
    /// Something answers, and a device behind the router or a service does not.
    Missing,
    /// Something between that keeps nobody from taking part: a router that is asked in vain while
    /// what is behind it answers, or echoes of a device whose services answer.
    Ailing,
}

/// What is the matter with each site of the province, whether or not it is watched and whether or
/// not we could see it now.
pub(super) fn truths(run: &Run) -> Vec<Truth> {
    let mut world = run.world.clone();
    world.lift(&Place::Own, None);
    // One answer is enough: a path may lose what is sent over it and live.
    let tries = if world.faults().any(|(_, fault)| worsens(fault)) { TRIES } else { 1 };
    let whole = &run.topology;
    let truth = |site: SiteIx| {
        let endpoints = &whole.site(site).endpoints;
        let addresses: Vec<String> =
            endpoints.iter().map(|ix| whole.endpoint(*ix).host.to_string()).collect();
        let (mut answers, mut fails, mut speaks) = (0, 0, 0);
        let mut is_missing = false;
        for target in endpoints.iter().flat_map(|endpoint| &whole.endpoint(*endpoint).targets) {
            let mut sight = world.probe(run.now, *target, Effort::Thorough);
            for _ in 1..tries {
                if sight.result.is_err() {
                    sight = world.probe(run.now, *target, Effort::Thorough);
                }
            }
            let Err(failure) = sight.result else {
                answers += 1;
                continue;
            };
            fails += 1;
            is_missing |= !matches!(whole.check_of(*target).kind, CheckKind::Icmp(_));
            // What was said of an earlier request is not said now.
            if sight.heard.is_some() {
                continue;
            }
            speaks += usize::from(failure.host_alive() == Some(true));
            if let Failure::Remote(RemoteFailure::Unreachable(IcmpError {
                offender: Some(from),
                ..
            })) = failure
            {
                speaks += usize::from(addresses.contains(&from.to_string()));
            }
        }
        match (answers, fails, speaks) {
            (_, 0, _) => Truth::Well,
            (0, _, 0) => Truth::Silent,
            _ if is_missing => Truth::Missing,
            _ => Truth::Ailing,
        }
    };
    whole.site_ixs().map(truth).collect()
}

/// Whether a fault leaves everybody within reach, but worse than before.
pub(super) const fn worsens(fault: &Fault) -> bool {
    matches!(fault.kind(), FaultKind::Loss | FaultKind::Delay | FaultKind::Jitter)
}

/// What is the matter with each site that is watched now.
fn watched(run: &Run) -> Vec<(SiteIx, Truth)> {
    let (truths, whole) = (truths(run), &run.topology);
    let watched = &run.config.topology;
    let there = |site| whole.find_site(&watched.site(site).id).expect("it is drawn");
    watched.site_ixs().map(|site| (site, truths[there(site).ix()])).collect()
}

/// Whether the path to a site that is watched was ever bad: it takes its time to be called good.
fn was_bad_path(run: &Run, history: &History) -> Vec<bool> {
    let whole = &run.topology;
    let script = history.scenario().script(whole).unwrap_or_else(|problems| panic!("{problems}"));
    let mut bad = vec![false; whole.sites.len()];
    for step in &script.steps {
        let Act::Place { places, fault } = &step.act else { continue };
        for place in places.iter().filter(|_| worsens(fault)) {
            let Place::Site(site, _) = place else { continue };
            whole.subtree(*site).into_iter().for_each(|below| bad[below.ix()] = true);
        }
    }
    let watched = &run.config.topology;
    let there = |site| whole.find_site(&watched.site(site).id).expect("it is drawn");
    watched.site_ixs().map(|site| bad[there(site).ix()]).collect()
}

/// What is wrong with what the brain says when nothing has changed for long.
///
/// 1. A site of which nothing answers is down, and one of which everything does is up.
/// 2. There are no more incidents than sites with a trouble that no silent site above explains,
///    which those do behind which nobody answers. Neither is held against sites whose paths were
///    bad.
/// 3. What is well is affected by nothing, and what is silent is explained
///    [at the highest place](misexplained) that explains it.
/// 4. Whatever is open is [what it is said to be](misnamed), and was [told](told::unheard).
/// 5. Or, when our own gateway and nearly everything is silent, we are blind.
pub(super) fn is_wrong(run: &mut Run, history: &History, tally: &Tally) -> Result<(), String> {
    let truths = watched(run);
    let topology = run.config.topology.clone();
    let snapshot = run.snapshot();
    let truth = |site: SiteIx| truths[site.ix()].1;
    let bad_path = was_bad_path(run, history);
    let open: Vec<_> = snapshot.incidents.iter().filter(|i| i.is_active()).collect();
    let words = || {
        let lines: Vec<String> = open
            .iter()
            .map(|i| {
                format!(
                    "{}: {:?}, told {}",
                    i.id,
                    i.affected_now().map(SiteId::as_str).collect::<Vec<_>>(),
                    i.told.len()
                )
            })
            .collect();
        let sites: Vec<String> = truths
            .iter()
            .map(|(ix, truth)| format!("{} {truth:?}", topology.site(*ix).id))
            .collect();
        format!("{}\n{}", sites.join(", "), lines.join("\n"))
    };
    if snapshot.monitor.blind {
        let silent = truths.iter().filter(|(_, truth)| *truth == Truth::Silent).count();
        // Without a gateway to ask, nearly everything being silent is blindness too.
        let alone = topology.vantage.is_none_or(|site| truth(site) != Truth::Well);
        return if alone && silent * 10 >= truths.len() * 5 {
            Ok(())
        } else {
            Err(format!("it is blind and need not be: {:?}\n{}", snapshot.monitor.reasons, words()))
        };
    }
    for site in topology.site_ixs() {
        let hard = snapshot.sites[site.ix()].standing.hard;
        let fits = match truth(site) {
            Truth::Silent => hard == Health::Down,
            Truth::Well => hard == Health::Up || bad_path[site.ix()],
            Truth::Missing | Truth::Ailing => true,
        };
        if !fits {
            let id = &topology.site(site).id;
            return Err(format!("{id} is {hard:?} while it is {:?}\n{}", truth(site), words()));
        }
        tally.add(&format!("in the end {:?}", truth(site)), 1);
    }
    let roots: BTreeSet<SiteIx> = topology
        .site_ixs()
        .filter(|site| truth(*site) != Truth::Well && highest(&topology, &truth, *site) == *site)
        .collect();
    // What has something in common may have failed by that before the line above it did, and is one
    // cause more.
    let is_root = |id: &SiteId| topology.find_site(id).is_some_and(|site| roots.contains(&site));
    // One that affects nobody any more is only held open to see whether it stays so.
    let is_good_path =
        |id: &SiteId| topology.find_site(id).is_some_and(|site| !bad_path[site.ix()]);
    let explaining = open
        .iter()
        .filter(|incident| explains(incident) && incident.affected_now().any(is_good_path))
        .filter(|incident| incident.common.is_none() || incident.affected_now().any(is_root))
        .count();
    let roots = roots.len();
    if explaining > roots {
        return Err(format!("{explaining} incidents for {roots} causes\n{}", words()));
    }
    if let Some(why) = misexplained(&open, &topology, &truth, tally) {
        return Err(format!("{why}\n{}", words()));
    }
    for incident in open.iter().filter(|incident| explains(incident)) {
        let mut affected = incident.affected_now().filter_map(|id| topology.find_site(id));
        let is_well = |site: &SiteIx| truth(*site) == Truth::Well && !bad_path[site.ix()];
        if let Some(site) = affected.find(is_well) {
            let id = &topology.site(site).id;
            return Err(format!("{id} is well and affected by {}\n{}", incident.id, words()));
        }
    }
    for incident in open.iter().filter(|incident| incident.affected_now().next().is_some()) {
        let wrong = misnamed(incident, &run.config, &truth)
            .or_else(|| told::unheard(incident, &run.config.settings, run.now.wall));
        if let Some(why) = wrong {
            return Err(format!("{}: {why}\n{}", incident.id, words()));
        }
    }
    tally.add("sites judged in the end", truths.len());
    Ok(())
}

/// A site that is called up while a device or a service of it does not answer, all of which were
/// seen to work before: what never was is not missed.
pub(super) fn overlooked(run: &mut Run, tally: &Tally) -> Option<String> {
    let (snapshot, topology) = (run.snapshot(), Arc::clone(&run.config.topology));
    let worked = |site: &SiteIx| {
        let mut targets = topology.target_ixs().filter(|ix| topology.target(*ix).site == *site);
        targets.all(|ix| snapshot.targets[ix.ix()].seen_up)
    };
    let missing = watched(run).into_iter().filter(|(_, truth)| *truth == Truth::Missing);
    let missing: Vec<SiteIx> = missing.map(|(site, _)| site).filter(worked).collect();
    tally.add("sites of which something is missed", missing.len());
    let is_up = |site: &&SiteIx| snapshot.sites[site.ix()].standing.hard == Health::Up;
    let site = topology.site(*missing.iter().find(is_up)?);
    Some(format!("{} is up and something of it is missing", site.id))
}

/// The highest site whose silence explains that of this one, itself if none above does: one through
/// which others answer explains nobody's silence but its own.
fn highest(topology: &Topology, truth: &impl Fn(SiteIx) -> Truth, site: SiteIx) -> SiteIx {
    let silent = |site: &SiteIx| truth(*site) == Truth::Silent;
    let explains = |above: &SiteIx| topology.subtree(*above).iter().all(silent);
    if !silent(&site) {
        return site;
    }
    topology.ancestors(site).into_iter().take_while(explains).last().unwrap_or(site)
}

/// Which silent site is explained elsewhere than at the highest place that explains it.
///
/// 1. That is [the highest silent site](highest) on its line; or one above it, where several are
///    silent that hang on that; or what sites have in common.
/// 2. All who are explained at the same highest site are so by one incident. Whoever fell silent
///    when that was silent already may have gone with others, for a reason that lies above it.
fn misexplained(
    open: &[&Arc<Incident>],
    topology: &Topology,
    truth: &impl Fn(SiteIx) -> Truth,
    tally: &Tally,
) -> Option<String> {
    let mut explained: BTreeMap<SiteIx, &Incident> = BTreeMap::new();
    for site in topology.site_ixs().filter(|site| truth(*site) == Truth::Silent) {
        let id = &topology.site(site).id;
        let explains_it = |incident: &&&Arc<Incident>| {
            explains(incident) && incident.affected_now().any(|affected| affected == id)
        };
        let Some(incident) = open.iter().find(explains_it) else {
            return Some(format!("nothing explains {id}"));
        };
        let top = highest(topology, truth, site);
        if incident.common.is_some() {
            tally.add("explained by something in common", 1);
            continue;
        }
        let at = incident.site.as_ref().and_then(|id| topology.find_site(id));
        let is_high = at.is_some_and(|at| at == top || topology.ancestors(top).contains(&at));
        if !is_high {
            let top = &topology.site(top).id;
            return Some(format!("{id} is explained by {} and not at {top}", incident.id));
        }
        if at == Some(top) {
            let first = explained.entry(top).or_insert(incident);
            if first.id != incident.id {
                return Some(format!("{id} is explained by {} beside {}", incident.id, first.id));
            }
        }
        tally.add("explained from above", usize::from(top != site));
        tally.add("explained from above by two levels", {
            let parent = topology.site(site).parent;
            usize::from(top != site && Some(top) != parent)
        });
    }
    None
}

/// What an incident says that cannot be, when nothing has changed for long.
///
/// 1. Where nothing answers, it is the line or the power; or what sites have in common took the
///    devices of most and silenced this one.
/// 2. It is [where it may be](misplaced). What lies on a site's line concerns several of them while
///    the site itself answers.
fn misnamed(
    incident: &Incident,
    config: &Config,
    truth: &impl Fn(SiteIx) -> Truth,
) -> Option<String> {
    if !explains(incident) {
        return None;
    }
    let topology = &config.topology;
    let affected: Vec<SiteIx> =
        incident.affected_now().filter_map(|id| topology.find_site(id)).collect();
    let silences = |common: &CommonFactor| silences(config, common);
    let is_dark = matches!(incident.cause, Cause::Access | Cause::Uplink)
        || (incident.cause == Cause::Device && incident.common.as_ref().is_some_and(silences));
    if let Some(dead) = affected.iter().find(|site| truth(**site) == Truth::Silent && !is_dark) {
        let (id, cause) = (&topology.site(*dead).id, incident.cause.word());
        return Some(format!("nothing answers at {id}, and its cause is {cause}"));
    }
    if let Some(why) = misplaced(incident, config) {
        return Some(why);
    }
    let at = incident.site.as_ref().and_then(|id| topology.find_site(id));
    if let (Cause::Uplink, Some(at)) = (incident.cause, at)
        && !affected.contains(&at)
        && affected.iter().filter(|ix| topology.site(**ix).parent == Some(at)).count() < 2
    {
        return Some("what hangs on it has not failed together".to_owned());
    }
    None
}

/// Whether what sites have in common can silence them, and not only their devices.
fn silences(config: &Config, common: &CommonFactor) -> bool {
    config.settings.correlation.common_labels.contains(&common.label)
}

/// Whether a site has what others share: a label, a device of this id, or a service that is asked
/// for by this check.
fn has(topology: &Topology, site: SiteIx, common: &CommonFactor) -> bool {
    let site = topology.site(site);
    let mut endpoints = site.endpoints.iter().map(|endpoint| topology.endpoint(*endpoint));
    match common.label.as_str() {
        CommonFactor::ENDPOINT => endpoints.any(|it| it.id.as_str() == common.value),
        CommonFactor::CHECK => endpoints
            .flat_map(|it| &it.targets)
            .any(|target| topology.check_of(*target).id.as_str() == common.value),
        _ => site.labels.get(&common.label) == Some(&common.value),
    }
}

/// Whom an incident says to be affected who cannot be.
///
/// 1. What concerns one site concerns no other; what lies on a site's line concerns only those that
///    hang on it. What sites have in common concerns only those that have it and, unless it is
///    about their devices, those that hang on them.
/// 2. No more are affected than could be.
pub(super) fn misplaced(incident: &Incident, config: &Config) -> Option<String> {
    let topology = &config.topology;
    let affected: Vec<SiteIx> =
        incident.affected_now().filter_map(|id| topology.find_site(id)).collect();
    let at = incident.site.as_ref().and_then(|id| topology.find_site(id));
    let concerned: Vec<SiteIx> = match (&incident.common, at) {
        (Some(common), _) => {
            let has = |site: &SiteIx| has(topology, *site, common);
            let labelled = topology.site_ixs().filter(has);
            if silences(config, common) {
                labelled.flat_map(|site| topology.subtree(site)).collect()
            } else {
                labelled.collect()
            }
        }
        (None, Some(at)) if incident.of > 1 || incident.cause == Cause::Uplink => {
            topology.subtree(at)
        }
        (None, at) => at.into_iter().collect(),
    };
    if let Some(other) = affected.iter().find(|site| !concerned.contains(site)) {
        return Some(format!("{} has nothing to do with it", topology.site(*other).id));
    }
    let (now, of) = (affected.len(), incident.of as usize);
    (now > of || of > concerned.len()).then(|| format!("{now} of {of} are affected"))
}
