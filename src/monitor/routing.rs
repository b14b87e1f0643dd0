//! Whom an incident reaches: routes, people and rotas, at one moment.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::picture::Picture;
use super::plan;
use crate::config::{Config, Matter, Receiver, Settings};
use crate::model::{ChannelId, Importance, Incident, PersonId, Phase, Session, SiteIx};

/// Somebody whom an incident reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Which way.
    pub(crate) channel: ChannelId,
    /// The step of escalation; 0 is the route itself.
    pub(crate) step: u32,
    /// The step before it that leads to somebody.
    pub(crate) follows: u32,
    /// How long nobody must have taken the incident on; less than its own time where it comes in
    /// the place of a step that leads to nobody.
    pub(crate) after: Duration,
    /// Its own time. It counts where the step in whose place it would come was told, since that
    /// led to somebody then.
    pub(crate) own_after: Duration,
    /// Names of the people for whom it is; empty when the channel itself is meant.
    pub(crate) people: Vec<String>,
    /// Whether only because these people are on duty.
    pub(crate) on_duty: bool,
}

/// Where the session that an incident touches stands, and how much it matters.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing {
    pub(super) phase: Phase,
    importance: Option<Importance>,
    /// When readiness for it began, while it is on or about to begin.
    pub(super) near_since: Option<Timestamp>,
}

impl Standing {
    pub(super) fn of(incident: &Incident, config: &Config, now: Timestamp) -> Self {
        let id = incident.session.as_ref();
        let session: Option<&Session> =
            id.and_then(|id| config.sessions.iter().find(|s| s.id == *id)).map(|s| &**s);
        session.map_or_else(Self::default, |session| {
            let phases = &config.settings.phases;
            let phase = plan::phase(session, phases, now);
            let is_near = matches!(phase, Phase::Readiness | Phase::Live);
            let near_since = is_near.then(|| plan::readiness_begins(session, phases));
            Self { phase, importance: Some(session.importance), near_since }
        })
    }
}

/// Whom an incident reaches at `now`, in every step, due or not.
pub(super) fn reach_of(
    incident: &Incident,
    picture: &Picture,
    standing: Standing,
    now: Timestamp,
) -> Vec<Reach> {
    let (topology, settings) = (picture.topology(), picture.settings());
    let affected: Vec<SiteIx> =
        incident.affected_now().filter_map(|site| topology.find_site(site)).collect();
    let matter = Matter {
        topology,
        site: incident.site.as_ref().and_then(|site| topology.find_site(site)),
        common: incident.common.as_ref().map(|it| (it.label.as_str(), it.value.as_str())),
        affected: &affected,
        cause: incident.cause,
        severity: incident.severity,
        phase: standing.phase,
        importance: standing.importance,
        at: settings.time_zone.to_datetime(now),
    };
    reach(settings, &matter, now)
}

/// Whom a matter reaches at `now`: of every step each channel once.
///
/// 1. Without routes everything goes to every channel.
/// 2. Routes are tried in order; the first that fits is the last one unless it says `continue`.
/// 3. A person is reached through all of their channels, a rota through whoever is on duty at this
///    moment, by its shifts or because they took over.
/// 4. A step that leads to nobody, since the only other one on the rota was relieved, is not waited
///    for: the next step comes in its place, as soon as that one would have, and follows the one
///    before it; in its own time, where the one in whose place it would come was told before it led
///    to nobody. When none comes after it, those on duty are called again in its time.
pub(crate) fn reach(settings: &Settings, matter: &Matter<'_>, now: Timestamp) -> Vec<Reach> {
    if settings.routes.is_empty() {
        let all = settings.channels.iter().map(|channel| Reach {
            channel: channel.id.clone(),
            step: 0,
            follows: 0,
            after: Duration::ZERO,
            own_after: Duration::ZERO,
            people: Vec::new(),
            on_duty: false,
        });
        return all.collect();
    }
    let mut reached: BTreeMap<(u32, ChannelId), Reach> = BTreeMap::new();
    for route in &settings.routes {
        if !route.when.fits(matter) {
            continue;
        }
        let first = (0, Duration::ZERO, &route.to);
        let steps = (1..).zip(&route.escalate);
        let steps = steps.map(|(nth, step)| (nth, step.wait(matter.phase), &step.to));
        let (mut follows, mut passed_over) = (0, Vec::new());
        for (step, after, to) in std::iter::once(first).chain(steps) {
            let all: Vec<Way> = to.iter().flat_map(|it| resolve(settings, it, now)).collect();
            if all.is_empty() && step > 0 {
                passed_over.push((step, after, to));
                continue;
            }
            let soonest = passed_over.drain(..).map(|(_, sooner, _)| sooner).chain([after]).min();
            add(&mut reached, all, (step, follows), (soonest.unwrap_or(after), after));
            follows = step;
        }
        for (step, after, to) in passed_over {
            let again = to.iter().flat_map(|it| resolve(settings, &called_again(it), now));
            add(&mut reached, again.collect(), (step, follows), (after, after));
            follows = step;
        }
        if !route.goes_on {
            break;
        }
    }
    let mut reached: Vec<Reach> = reached.into_values().collect();
    // Channels in the order of the settings, so that messages leave in it.
    let place = |id: &ChannelId| settings.channels.iter().position(|channel| channel.id == *id);
    reached.retain(|reach| place(&reach.channel).is_some());
    reached.sort_by_key(|reach| (reach.step, place(&reach.channel)));
    reached
}

/// Notes where a step leads that follows another one, after a time that may be its own.
fn add(
    reached: &mut BTreeMap<(u32, ChannelId), Reach>,
    ways: Vec<Way>,
    (step, follows): (u32, u32),
    (after, own_after): (Duration, Duration),
) {
    for (channel, person, on_duty) in ways {
        let known = reached.entry((step, channel.clone())).or_insert_with(|| Reach {
            channel,
            step,
            follows,
            after,
            own_after,
            people: Vec::new(),
            on_duty: true,
        });
        known.after = known.after.min(after);
        known.own_after = known.own_after.min(own_after);
        known.follows = known.follows.min(follows);
        known.on_duty &= on_duty;
        known.people.extend(person.filter(|name| !known.people.contains(name)));
    }
}

/// Who is called where nobody is next.
fn called_again(receiver: &Receiver) -> Receiver {
    match receiver {
        Receiver::Next(rota) => Receiver::Rota(rota.clone()),
        other => other.clone(),
    }
}

/// A channel, the person it is for, and whether that is so because of a rota.
type Way = (ChannelId, Option<String>, bool);

/// The ways that a receiver stands for now.
fn resolve(settings: &Settings, receiver: &Receiver, now: Timestamp) -> Vec<Way> {
    let on_duty = |people: Vec<&PersonId>| {
        people.into_iter().flat_map(|id| of_person(settings, id, true)).collect()
    };
    match receiver {
        Receiver::Channel(id) => vec![(id.clone(), None, false)],
        Receiver::Person(id) => of_person(settings, id, false),
        Receiver::Rota(id) => {
            settings.rota(id).map_or(Vec::new(), |rota| on_duty(rota.on_duty(now)))
        }
        Receiver::Next(id) => {
            settings.rota(id).map_or(Vec::new(), |rota| on_duty(rota.next_to_call(now)))
        }
    }
}

fn of_person(settings: &Settings, id: &PersonId, on_duty: bool) -> Vec<Way> {
    let Some(person) = settings.person(id) else { return Vec::new() };
    let channels = person.channels.iter().cloned();
    channels.map(|channel| (channel, Some(person.name.clone()), on_duty)).collect()
}
