//! What a site's own evidence says: which of its devices live, and what is therefore wrong.
//!
//! It looks at one site only. Whether something above the site explains it is for the rooms that
//! see the whole province.

mod life;
mod path;
mod services;

pub(super) use self::life::{Life, is_passing, life};
use self::life::{is_awaited, is_blank, is_missed, is_unasked};
pub(super) use self::path::grade;
use self::path::path;
use self::services::{services, services_out};
use super::picture::Picture;
use crate::model::{Cause, EndpointIx, Health, Mono, QualityGrade, SiteIx, TargetIx};

/// What a site's own evidence comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing is known: it was not asked, or we could not ask.
    #[default]
    Unknown,
    /// Something hints at a change and is not a fact yet, or the evidence is from before a
    /// restart. What was judged stays.
    Unsettled,
    /// Everything answers, and a path may soon be judged bad, or good again. What was judged of
    /// that stays.
    Doubtful,
    /// Everything that should work does.
    Well,
    /// Something does not work, for a fact.
    Trouble(Trouble),
}

/// What does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: Kind,
    /// The device at fault; none when it is the site as a whole.
    pub(super) endpoint: Option<EndpointIx>,
    /// The target that shows it, when it is one service.
    pub(super) target: Option<TargetIx>,
    /// When the first probe was asked that failed because of it.
    pub(super) since: Mono,
    /// Whether the site cannot take part in a session.
    pub(super) down: bool,
    /// Whether everything that could refute it has been heard since it began.
    pub(super) settled: bool,
}

/// Kinds of trouble, the least grave first: a graver one hides the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A path loses, delays or jitters too much.
    Quality,
    /// A device answers, a service on it does not.
    Service,
    /// The router answers, a device does not.
    Device,
    /// Nothing at the site answers.
    Silent,
}

impl Kind {
    /// The kind of trouble that a cause stands for; none for what only gives notice.
    pub(super) const fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Uplink | Cause::Access => Some(Self::Silent),
            Cause::Device => Some(Self::Device),
            Cause::Service => Some(Self::Service),
            Cause::Quality => Some(Self::Quality),
            Cause::Monitor | Cause::Certificate | Cause::Clock => None,
        }
    }
}

impl Finding {
    /// The trouble, if there is one.
    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Trouble(trouble) => Some(trouble),
            _ => None,
        }
    }

    /// Whether there is trouble of this kind.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.trouble().is_some_and(|trouble| trouble.kind == kind)
    }
}

/// What the site's own evidence comes to.
///
/// 1. If no device lives, the site is silent. That is settled once the router is confirmed dead
///    and whatever stands behind it has failed to answer since, or once everything is confirmed
///    dead. While the router, or something behind it, has not been heard either way, it is not.
/// 2. If some device lives, the line does. What is dead behind the router is a device in trouble.
///    A router that alone does not answer while what is behind it does is only keeping quiet. A
///    first device that is asked for services is no router, but one of those behind a router that
///    is not watched.
/// 3. Of a device that lives, a service confirmed down is trouble, unless it was never seen to
///    work and nothing answers for it: then it is switched off or filtered on purpose. A
///    certificate out of its time is judged elsewhere.
/// 4. A bad path to everything is the line's; to one device behind a good router, or beside a
///    device with a good path, it is the device's; to the router alone it is none: routers answer
///    echoes when they have time.
/// 5. The site cannot take part when it is silent, or when every device behind the router is
///    dead or has no service left.
/// 6. What has not been asked since the start, or answers again without being confirmed, leaves
///    everything as it was judged. So does a device that we fail to ask, and a service that was out
///    and that we fail to ask since; where that is so of all devices, nothing is known of the site.
///    A path that may soon be judged bad leaves only that open: the site answers.
pub(super) fn find(picture: &Picture, site: SiteIx, now: Mono) -> Finding {
    let endpoints = &picture.topology().site(site).endpoints;
    let watched =
        endpoints.iter().filter(|ix| !picture.topology().endpoint(**ix).targets.is_empty());
    let lives: Vec<(EndpointIx, Life)> =
        watched.map(|endpoint| (*endpoint, life(picture, *endpoint, now))).collect();
    if lives.is_empty() || lives.iter().all(|(endpoint, _)| is_blank(picture, *endpoint)) {
        return Finding::Unknown;
    }
    if lives.iter().any(is_dead)
        && let Some(trouble) = silence_or_device(picture, &lives)
    {
        return Finding::Trouble(trouble);
    }
    if let Some(trouble) = services(picture, &lives) {
        return Finding::Trouble(trouble);
    }
    if let Some(trouble) = path(picture, site, &lives) {
        return Finding::Trouble(trouble);
    }
    let unasked = |(endpoint, _): &(EndpointIx, Life)| is_unasked(picture, *endpoint);
    if behind(picture, &lives).iter().all(unasked) {
        return Finding::Unknown;
    }
    let targets = |endpoint: EndpointIx| picture.topology().endpoint(endpoint).targets.iter();
    let restless = lives.iter().any(|(endpoint, life)| match life {
        Life::Failing(_) | Life::Recovering => true,
        Life::Unknown => !is_blank(picture, *endpoint) || is_missed(picture, *endpoint),
        Life::Alive => targets(*endpoint).any(|target| is_returning(picture, *target)),
        Life::Dead(_) => false,
    });
    let doubtful = lives.iter().filter(|(_, life)| *life == Life::Alive).any(|(endpoint, _)| {
        let mut paths = targets(*endpoint).filter_map(|ix| picture.target(*ix).path.as_ref());
        paths.any(|path| path.is_doubtful())
    });
    match (restless, doubtful) {
        (true, _) => Finding::Unsettled,
        (false, true) => Finding::Doubtful,
        (false, false) => Finding::Well,
    }
}

/// The health of a device, as far as it can be judged now; none leaves it as it was.
pub(super) fn endpoint_health(
    picture: &Picture,
    endpoint: EndpointIx,
    now: Mono,
) -> Option<Health> {
    if is_blank(picture, endpoint) {
        return Some(Health::Unknown);
    }
    match life(picture, endpoint, now) {
        Life::Unknown | Life::Recovering | Life::Failing(_) => None,
        Life::Dead(_) => Some(Health::Down),
        Life::Alive => {
            let (out, offered) = services_out(picture, endpoint);
            if picture.services(endpoint).any(|ix| picture.target(ix).is_still_out()) {
                return None;
            }
            Some(match () {
                () if out > 0 && out == offered => Health::Down,
                () if out > 0 || grade(picture, endpoint) == QualityGrade::Poor => Health::Degraded,
                () => Health::Up,
            })
        }
    }
}

/// Since when a dead device has been silent. That we failed to ask it in between makes it no other
/// silence: who answered beside it meanwhile need not do so again for the line to be up.
fn silent_since(picture: &Picture, endpoint: EndpointIx, dead_since: Mono) -> Mono {
    let failing = picture.reachability(endpoint).map(|ix| picture.target(ix));
    let silent = failing.filter(|it| it.streak.is_failing()).map(|it| it.silent_since);
    let silent = silent.filter(|at| *at >= picture.endpoint(endpoint).alive_at).min();
    silent.map_or(dead_since, |at| at.min(dead_since))
}

fn is_dead((_, life): &(EndpointIx, Life)) -> bool {
    matches!(life, Life::Dead(_))
}

/// Rules 1 and 2 of [`find`], for a site of which a device is dead.
fn silence_or_device(picture: &Picture, lives: &[(EndpointIx, Life)]) -> Option<Trouble> {
    let silent = lives.iter().filter_map(|(endpoint, life)| match life {
        Life::Dead(since) => Some(silent_since(picture, *endpoint, *since)),
        _ => None,
    });
    let (since, last) = (silent.clone().min()?, silent.max()?);
    let fresh = |endpoint: EndpointIx| {
        let known = picture.endpoint(endpoint);
        known.alive_at.max(known.heard_at) >= since
    };
    let lives_now = |(endpoint, life): &(EndpointIx, Life)| {
        matches!(life, Life::Alive | Life::Recovering) && fresh(*endpoint)
    };
    let behind = behind(picture, lives);
    if lives.iter().any(lives_now) {
        let (endpoint, since) = behind.iter().find_map(|(endpoint, life)| match life {
            Life::Dead(since) => Some((*endpoint, *since)),
            _ => None,
        })?;
        // A line that has just come back is answered by the router first: the device must have been
        // asked since.
        let back = lives.iter().filter(|life| lives_now(life)).filter_map(|(endpoint, _)| {
            let targets = picture.reachability(*endpoint).map(|ix| picture.target(ix));
            targets.filter(|target| target.is_good()).map(|target| target.good_since).min()
        });
        let back = back.min().unwrap_or_default();
        let asked = picture.reachability(endpoint).map(|ix| picture.target(ix).asked_at).max();
        return Some(Trouble {
            kind: Kind::Device,
            endpoint: Some(endpoint),
            target: None,
            since,
            down: behind.iter().all(is_dead),
            settled: asked.is_some_and(|asked| asked >= back),
        });
    }
    // With every dead device silent already it was judged while the router was known. Now we fail
    // to ask that, or have not yet since we see again: rule 6.
    let [(router, of_router), ..] = lives else { return None };
    let was_asked = |ix| picture.target(ix).asked_at >= last;
    if *of_router == Life::Unknown
        && is_blank(picture, *router)
        && is_missed(picture, *router)
        && picture.reachability(*router).any(was_asked)
    {
        return None;
    }
    let heard_nothing = |(endpoint, life): &(EndpointIx, Life)| match life {
        Life::Dead(_) | Life::Failing(_) => true,
        Life::Unknown => is_blank(picture, *endpoint),
        Life::Alive | Life::Recovering => false,
    };
    let router_silent = match lives[0] {
        (_, Life::Dead(_)) => true,
        (router, Life::Unknown) => is_blank(picture, router) && !is_awaited(picture, router),
        _ => false,
    };
    // A device may have been dead long before the rest fell silent, and a router may have kept
    // quiet while the rest was heard.
    let onsets = lives.iter().filter_map(|(_, life)| match life {
        Life::Dead(at) | Life::Failing(at) => Some(*at),
        _ => None,
    });
    let last = onsets.clone().max().unwrap_or(since);
    let together = last.earlier(picture.settings().correlation.window);
    let heard = lives.iter().map(|(endpoint, _)| {
        let known = picture.endpoint(*endpoint);
        known.alive_at.max(known.heard_at)
    });
    let heard = heard.max().unwrap_or_default();
    Some(Trouble {
        kind: Kind::Silent,
        endpoint: None,
        target: None,
        since: onsets.filter(|at| *at >= together && *at >= heard).min().unwrap_or(last),
        down: true,
        settled: router_silent && lives.iter().all(heard_nothing),
    })
}

/// What stands behind the router: all but the first, unless that is no router or stands alone.
fn behind<'a>(picture: &Picture, lives: &'a [(EndpointIx, Life)]) -> &'a [(EndpointIx, Life)] {
    match lives {
        [(first, _), rest @ ..] if !rest.is_empty() && is_router(picture, *first) => rest,
        all => all,
    }
}

/// Whether a site's first device is a router: nothing runs on it that is watched.
fn is_router(picture: &Picture, first: EndpointIx) -> bool {
    picture.services(first).next().is_none()
}

/// Whether it is still to be heard how a target does: it was down and answers again without being
/// confirmed, or it has not been asked since the start, or since its device came back.
fn is_returning(picture: &Picture, ix: TargetIx) -> bool {
    let target = picture.target(ix);
    let endpoint = picture.topology().target(ix).endpoint;
    match target.streak.hard {
        Health::Down => !target.streak.is_failing(),
        Health::Unknown if target.is_still_out() => true,
        Health::Unknown if target.seen_up && !target.streak.is_mute() => {
            target.streak.is_failing() || target.asked_at < picture.endpoint(endpoint).back_at
        }
        _ => false,
    }
}
