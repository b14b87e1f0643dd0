//! The incident as it is written down: its id, its name, its evidence, whom it affects, and what
//! it says to people.
//!
//! What fills a record stands in one file, in the order of the record, so that none of its parts
//! is forgotten where one is written anew.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::ledger::{Entry, Scope};
use super::picture::{Picture, labels};
use super::severity::{self, Stake};
use super::site::{self, Finding, Kind, Life};
use crate::config::Person;
use crate::model::{
    Affected, Alert, Cause, CheckId, CommonFactor, Contact, EndpointId, Evidence, Health, Incident,
    IncidentId, Mono, Now, Phase, Saw, SiteId, SiteIx, TargetIx, TargetKey, micros,
};

/// Observations kept with an incident at most.
const MOST_EVIDENCE: usize = 24;
/// The first of them are kept whatever follows: they say what an incident was opened for.
const FIRST_EVIDENCE: usize = 6;
/// Targets of one site that are put in evidence at most.
const EVIDENCE_PER_SITE: usize = 6;
/// Sites besides the one at fault whose targets are put in evidence.
pub(super) const EXAMPLES: usize = 3;

/// The cause that a scope and a kind of trouble stand for.
pub(super) const fn cause(scope: &Scope, kind: Option<Kind>) -> Cause {
    match (scope, kind) {
        (Scope::Item(_, cause), _) => *cause,
        (Scope::Below(_), Some(Kind::Silent)) => Cause::Uplink,
        (_, Some(Kind::Silent)) => Cause::Access,
        (_, Some(Kind::Device)) => Cause::Device,
        (_, Some(Kind::Service)) => Cause::Service,
        (_, Some(Kind::Quality)) => Cause::Quality,
        (_, None) => Cause::Monitor,
    }
}

/// The id of an incident that opens at `at`: what it is about, why, and when.
pub(super) fn id(picture: &Picture, scope: &Scope, cause: Cause, at: Timestamp) -> IncidentId {
    let topology = picture.topology();
    let about = match scope {
        Scope::Monitor(_) | Scope::Gone => "vchealth".to_owned(),
        Scope::Site(site) | Scope::Below(site) => topology.site(*site).id.to_string(),
        Scope::Label { label, value } => format!("{}-{}", plain(label), plain(value)),
        Scope::Item(endpoint, _) => topology.site(topology.endpoint(*endpoint).site).id.to_string(),
    };
    IncidentId::new(format!("{about}.{}.{}", cause.word(), at.strftime("%Y%m%dT%H%M%SZ")))
}

/// The `n`th id that looks like this one, from 1.
pub(super) fn nth(id: &IncidentId, n: u32) -> IncidentId {
    if n <= 1 { id.clone() } else { IncidentId::new(format!("{id}-{n}")) }
}

/// A text as part of an id: letters and digits, hyphens for the rest.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

/// Writes down what an incident is about as it is known now, with the evidence for it.
pub(super) fn name(entry: &mut Entry, picture: &Picture, now: Now) {
    let topology = picture.topology();
    let scope = entry.scope.clone();
    let cause = cause(&scope, entry.kind);
    let members: Vec<SiteIx> = entry.members.keys().copied().collect();
    let left: Vec<SiteIx> = match entry.kind {
        Some(Kind::Silent) => entry.left().collect(),
        _ => Vec::new(),
    };
    let began = Some(entry.began_at).filter(|_| entry.kind == Some(Kind::Silent));
    entry.named = match scope {
        Scope::Site(site) => picture.site(site).finding.trouble().copied(),
        _ => None,
    };
    let incident = entry.change();
    incident.cause = cause;
    (incident.endpoint, incident.check) = (None, None);
    incident.site = match &scope {
        Scope::Site(site) => {
            if let Some(trouble) = picture.site(*site).finding.trouble() {
                incident.began = incident.began.min(now.wall_at(trouble.since));
                incident.endpoint = trouble.endpoint.map(|ix| topology.endpoint(ix).id.clone());
                incident.check = trouble.target.map(|ix| topology.check_of(ix).id.clone());
            }
            Some(topology.site(*site).id.clone())
        }
        Scope::Below(site) => Some(topology.site(*site).id.clone()),
        Scope::Item(endpoint, _) => {
            let endpoint = topology.endpoint(*endpoint);
            incident.endpoint = Some(endpoint.id.clone());
            Some(topology.site(endpoint.site).id.clone())
        }
        Scope::Monitor(_) | Scope::Label { .. } | Scope::Gone => None,
    };
    let mut seen = Vec::new();
    match &scope {
        Scope::Site(site) => {
            observe(picture, *site, None, EVIDENCE_PER_SITE, now, &mut seen);
            if let Some(parent) = topology.site(*site).parent {
                neighbours(picture, parent, &[], now, &mut seen);
            }
        }
        Scope::Below(node) => {
            observe(picture, *node, None, EVIDENCE_PER_SITE, now, &mut seen);
            for member in members.iter().filter(|member| *member != node).take(EXAMPLES) {
                observe(picture, *member, began, 2, now, &mut seen);
            }
            neighbours(picture, *node, &left, now, &mut seen);
        }
        Scope::Label { label, value } => {
            match label.as_str() {
                CommonFactor::CHECK => incident.check = Some(CheckId::new(value.clone())),
                CommonFactor::ENDPOINT => incident.endpoint = Some(EndpointId::new(value.clone())),
                _ => {}
            }
            for member in members.iter().take(EXAMPLES * 2) {
                observe(picture, *member, began, 2, now, &mut seen);
            }
        }
        Scope::Monitor(_) | Scope::Item(..) | Scope::Gone => {}
    }
    add_evidence(incident, seen);
}

/// Adds observations. When there are too many the oldest give way, but for the first.
pub(super) fn add_evidence(incident: &mut Incident, seen: Vec<Evidence>) {
    for evidence in seen {
        if !incident.evidence.contains(&evidence) {
            incident.evidence.push(evidence);
        }
    }
    let excess = incident.evidence.len().saturating_sub(MOST_EVIDENCE);
    if excess > 0 {
        incident.evidence.drain(FIRST_EVIDENCE..FIRST_EVIDENCE + excess);
    }
}

/// Writes down that a site is affected since `since`.
pub(super) fn affect(entry: &mut Entry, picture: &Picture, site: SiteIx, since: Mono, now: Now) {
    let id = picture.topology().site(site).id.clone();
    let incident = entry.change();
    match incident.affected.iter_mut().find(|affected| affected.site == id) {
        Some(known) => (known.until, known.passed_on) = (None, false),
        None => {
            let since = now.wall_at(since);
            let affected = Affected { site: id, since, until: None, passed_on: false };
            incident.affected.push(affected);
        }
    }
}

/// Writes down that a site is well again, or explained otherwise since `now`: what is as bad there
/// as before has not come back with the others.
pub(super) fn release(entry: &mut Entry, picture: &Picture, site: SiteIx, now: Now) {
    let id = &picture.topology().site(site).id;
    let is_in_trouble = picture.site(site).finding.trouble().is_some();
    let incident = entry.change();
    let cause = incident.cause;
    let affected = incident.affected.iter_mut().filter(|affected| affected.until.is_none());
    for known in affected.filter(|affected| affected.site == *id) {
        known.until = Some(now.wall.max(known.since));
        known.passed_on = is_in_trouble && !is_back(picture, cause, id);
    }
}

/// Whether what an incident of this cause is about is known to be over at a site; it is of one that
/// is watched no longer.
fn is_back(picture: &Picture, cause: Cause, site: &SiteId) -> bool {
    let (Some(kind), Some(site)) = (Kind::of(cause), picture.topology().find_site(site)) else {
        return true;
    };
    match picture.site(site).finding {
        Finding::Unknown | Finding::Unsettled => false,
        Finding::Doubtful => kind > Kind::Quality,
        Finding::Well => true,
        Finding::Trouble(trouble) => trouble.kind < kind,
    }
}

/// Writes down that a site is watched no longer.
pub(super) fn strike(entry: &mut Entry, site: &SiteId, now: Now) {
    let incident = entry.change();
    if let Some(known) = incident.affected.iter_mut().find(|affected| affected.site == *site) {
        known.until.get_or_insert(now.wall);
    }
}

/// Brings what follows from the rest up to date: severity, session, delegates, "n of m" and order.
pub(super) fn derive(entry: &mut Entry, picture: &Picture) {
    let topology = picture.topology();
    if entry.kind.is_none() || !entry.incident.is_open() {
        return;
    }
    let cause = entry.incident.cause;
    let returned = |it: &Affected| it.passed_on && is_back(picture, cause, &it.site);
    if entry.incident.affected.iter().any(returned) {
        let affected = entry.change().affected.iter_mut();
        affected.filter(|it| returned(it)).for_each(|it| it.passed_on = false);
    }
    let still: Vec<SiteIx> = entry.left().collect();
    if still.is_empty() {
        return;
    }
    let stake = Stake::at(picture, still.iter().copied());
    // A graver trouble that waits to be explained may yet be ours, and says nothing of this one.
    let is_explained = |kind| Some(kind) <= entry.kind || entry.explains(picture, kind);
    let down = still.iter().any(|site| {
        let trouble = picture.site(*site).finding.trouble();
        trouble.is_some_and(|trouble| trouble.down && is_explained(trouble.kind))
    });
    let of = match &entry.scope {
        Scope::Below(node) => {
            // A node that answers is not one of those that could have failed.
            let answers = usize::from(!entry.members.contains_key(node));
            let below = topology.subtree(*node).into_iter().skip(answers);
            // One that is just back in the configuration is known by what explains its silence.
            let could = |site: &SiteIx| picture.is_known(*site) || entry.members.contains_key(site);
            below.filter(could).count()
        }
        Scope::Label { label, value } => {
            let sites = picture.labels.sharing(label, value);
            // Who hangs on one of them could fail as well, with the label or without.
            let others = entry.members.keys().filter(|site| !sites.contains(site)).count();
            let could = |site: &SiteIx| picture.is_known(*site) || entry.members.contains_key(site);
            others + sites.iter().filter(|site| could(site)).count()
        }
        Scope::Site(_) | Scope::Item(..) | Scope::Monitor(_) | Scope::Gone => 1,
    };
    let scope = entry.scope.clone();
    let shares = |label: &str, value: &str| {
        still.iter().filter(|site| labels::has(topology, **site, label, value)).count()
    };
    let elsewhere = elsewhere(entry, picture);
    let incident = entry.change();
    if let Some(common) = &mut incident.common {
        // Others have followed, with it and without.
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let inside = number(shares(&common.label, &common.value));
        common.inside_failing = common.inside_failing.max(inside).min(common.inside);
        common.outside_failing = common.outside_failing.max(number(elsewhere)).min(common.outside);
    }
    incident.of = u32::try_from(of).unwrap_or(u32::MAX);
    incident.severity = incident.severity.max(severity::severity(incident.cause, down, &stake));
    incident.delegates = incident.delegates.max(stake.delegates);
    if stake.session.is_some() {
        incident.session = stake.session;
    }
    if let (Scope::Below(node), Some(at)) = (scope, incident.site.clone()) {
        debug_assert_eq!(topology.site(node).id, at);
        incident.affected.sort_by_key(|affected| (affected.site != at, affected.since));
    }
}

/// How many sites without what an incident's sites have in common fail as well and have since about
/// then, those left out that hang on one of them or on one of its own.
fn elsewhere(entry: &Entry, picture: &Picture) -> usize {
    let (Scope::Label { label, value }, Some(kind)) = (&entry.scope, entry.kind) else { return 0 };
    let (topology, window) = (picture.topology(), picture.settings().correlation.window);
    let fails = |site: SiteIx| {
        let trouble = picture.site(site).finding.trouble();
        trouble.is_some_and(|it| it.kind == kind && it.since >= entry.began_at.earlier(window))
    };
    let others = topology.site_ixs().filter(|site| {
        let has = labels::has(topology, *site, label, value);
        let hangs = kind == Kind::Silent
            && topology.site(*site).parent.is_some_and(|it| picture.site(it).finding.is(kind));
        !has && !hangs && !entry.members.contains_key(site) && fails(*site)
    });
    others.count()
}

/// What an incident says to people now.
pub(super) fn alert(incident: &Incident, picture: &Picture, now: Now) -> Alert {
    let topology = picture.topology();
    let language = picture.settings().language;
    let site = incident.site.as_ref().and_then(|id| topology.find_site(id));
    let names: BTreeMap<_, _> = incident
        .affected
        .iter()
        .map(|affected| &affected.site)
        .chain(&incident.site)
        .chain(incident.told.iter().filter_map(|told| told.site.as_ref()))
        .filter_map(|id| Some((id.clone(), topology.site(topology.find_site(id)?).name.clone())))
        .collect();
    let session = incident
        .session
        .as_ref()
        .and_then(|id| picture.config.sessions.iter().find(|session| session.id == *id));
    let phases = &picture.settings().phases;
    let mut incident = incident.clone();
    for affected in &mut incident.affected {
        affected.passed_on &= !is_back(picture, incident.cause, &affected.site);
    }
    let mut alert = Alert {
        site_name: String::new(),
        level: String::new(),
        level_name: String::new(),
        parent: String::new(),
        parent_name: String::new(),
        contacts: contacts(&incident, picture),
        names,
        phase: session.map_or(Phase::Idle, |session| super::plan::phase(session, phases, now.wall)),
        session_title: session.map(|session| session.title.clone()),
        session_start: session.map(|session| session.start),
        drill: false,
        phones: phones(&incident, &picture.settings().people),
        readiness: None,
        incident,
    };
    if let Some(ix) = site {
        let site = topology.site(ix);
        let level = topology.level_of(ix);
        alert.site_name.clone_from(&site.name);
        alert.level = level.id.to_string();
        level.name.get(language).clone_into(&mut alert.level_name);
        if let Some(parent) = site.parent {
            let parent = topology.site(parent);
            alert.parent = parent.id.to_string();
            alert.parent_name.clone_from(&parent.name);
        }
    }
    alert
}

/// Whom to phone.
fn contacts(incident: &Incident, picture: &Picture) -> Vec<Contact> {
    let settings = picture.settings();
    settings.contacts.of(incident, picture.topology(), &settings.correlation.common_labels)
}

/// The telephone numbers of the people who were told or will be. Of two people of one name none is
/// given.
pub(super) fn phones(incident: &Incident, people: &[Person]) -> BTreeMap<String, String> {
    let told = incident.told.iter().flat_map(|told| &told.people);
    let waiting = incident.quiet.iter().flat_map(|quiet| &quiet.whom);
    let told = told.chain(waiting.flat_map(|waits| &waits.people));
    let number = |name: &String| {
        let mut so_called = people.iter().filter(|person| person.name == *name);
        let person = so_called.next().filter(|person| !person.phone.is_empty())?;
        so_called.next().is_none().then(|| (name.clone(), person.phone.clone()))
    };
    told.filter_map(number).collect()
}

/// Puts up to `most` targets of a site in evidence: first those that fail, then the last reply of
/// those that do not. A reply from before the trouble says nothing about it, nor does one from
/// before what explains the site `began` where its own trouble is not a fact yet.
fn observe(
    picture: &Picture,
    site: SiteIx,
    began: Option<Mono>,
    most: usize,
    now: Now,
    seen: &mut Vec<Evidence>,
) {
    let topology = picture.topology();
    let own = picture.site(site).finding.trouble().map(|trouble| trouble.since);
    let since = own.or(began).map(|since| now.wall_at(since));
    let telling = |evidence: &Evidence| {
        !matches!(evidence.saw, Saw::Answered { .. }) || since.is_none_or(|at| evidence.at >= at)
    };
    let endpoints = &topology.site(site).endpoints;
    let targets = endpoints.iter().flat_map(|ix| topology.endpoint(*ix).targets.iter().copied());
    let observed = targets.filter_map(|target| observation(picture, target, now));
    let mut observed: Vec<Evidence> = observed.filter(telling).collect();
    observed.sort_by_key(|it| !matches!(it.saw, Saw::Failed(_)));
    seen.extend(observed.into_iter().take(most));
}

/// What shows that it is us: when our gateway last answered and how it has failed since, and how
/// the first few of these sites have.
pub(super) fn observe_from_here(
    picture: &Picture,
    sites: impl Iterator<Item = SiteIx>,
    now: Now,
) -> Vec<Evidence> {
    let topology = picture.topology();
    let evidence = |ix, at, saw| Evidence { target: topology.target_key(ix), at, saw };
    // What was judged of them is forgotten by now; what came back last is not.
    let failed = |ix: TargetIx| {
        let target = picture.target(ix);
        let (at, failure) = target.last_failure()?;
        let silent_since = Some(target.bad_since).filter(|at| *at > target.good_at);
        let began = [silent_since, target.unasked_since].into_iter().flatten().min()?;
        Some(evidence(ix, now.wall_at(began).min(*at), Saw::Failed(failure.clone())))
    };
    let answered = |ix: TargetIx| {
        let target = picture.target(ix);
        let rtt_us = target.last_reply().0.map(micros);
        (target.good_at > Mono::ZERO)
            .then(|| evidence(ix, now.wall_at(target.good_at), Saw::Answered { rtt_us }))
    };
    let gateway = picture.gateway().into_iter().flat_map(|gateway| picture.reachability(gateway));
    let mut seen: Vec<_> = gateway.flat_map(|ix| [answered(ix), failed(ix)]).flatten().collect();
    let first_of = |site: SiteIx| {
        let endpoints = topology.site(site).endpoints.iter();
        endpoints.flat_map(|ix| &topology.endpoint(*ix).targets).find_map(|ix| failed(*ix))
    };
    seen.extend(sites.filter_map(first_of).take(EXAMPLES));
    seen
}

fn observation(picture: &Picture, ix: TargetIx, now: Now) -> Option<Evidence> {
    let target = picture.target(ix);
    let key = picture.topology().target_key(ix);
    if let Some((at, failure)) = target.last_failure().filter(|_| target.failure().is_some()) {
        // It has failed since the first of the row, by the same count as the incident.
        let began = now.wall_at(target.bad_since);
        let at = if target.bad_since > Mono::ZERO { began.min(*at) } else { *at };
        return Some(Evidence { target: key, at, saw: Saw::Failed(failure.clone()) });
    }
    let (rtt, at) = target.last_reply();
    // Two paths may be bad together of which neither is by itself.
    let bad_line = picture.site(picture.topology().target(ix).site).finding.is(Kind::Quality);
    let is_poor = |grade| grade == crate::model::QualityGrade::Poor;
    let poor = target.path.as_ref().filter(|path| bad_line || is_poor(path.grade()));
    let saw = match (poor, rtt) {
        (Some(path), _) => path.seen(),
        (None, rtt) => Saw::Answered { rtt_us: rtt.map(micros) },
    };
    (target.streak.soft == Health::Up).then_some(Evidence { target: key, at: at?, saw })
}

/// Puts a site and the number of its children that answer in evidence. Whose silence is
/// `explained` from above does not answer, be it a fact by itself yet or not.
fn neighbours(
    picture: &Picture,
    parent: SiteIx,
    explained: &[SiteIx],
    now: Now,
    seen: &mut Vec<Evidence>,
) {
    let topology = picture.topology();
    let children = &topology.site(parent).children;
    if let Some(target) = picture.pulse(parent)
        && site::life(picture, topology.target(target).endpoint, now.mono) == Life::Alive
    {
        seen.extend(observation(picture, target, now));
    }
    let known: Vec<&SiteIx> = children.iter().filter(|site| picture.is_known(**site)).collect();
    let is_silent =
        |site: &SiteIx| explained.contains(site) || picture.site(*site).finding.is(Kind::Silent);
    let silent = known.iter().filter(|site| is_silent(site)).count();
    if known.len() > 1 {
        let target =
            TargetKey { site: topology.site(parent).id.clone(), endpoint: None, check: None };
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let saw = Saw::Below { answer: count(known.len() - silent), of: count(known.len()) };
        seen.push(Evidence { target, at: now.wall, saw });
    }
}

#[cfg(test)]
mod tests;
