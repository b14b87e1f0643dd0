//! What a site's own evidence says: which of its devices live, and what is therefore wrong.
//!
//! It looks at one site only. Whether something above the site explains it is for the rooms that
//! see the whole province.

mod life;

pub(super) use self::life::{Life, is_passing, life};
use self::life::{is_blank, is_unasked};
use super::grade::DOUBTFUL;
use super::picture::Picture;
use crate::model::{
    Cause, EndpointIx, Failure, Health, Mono, QualityGrade, RemoteFailure, SiteIx, TargetIx,
};

/// What a site's own evidence comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing is known: it was not asked, or we could not ask.
    #[default]
    Unknown,
    /// Something hints at a change and is not a fact yet, or the evidence is from before a
    /// restart. What was judged stays.
    Unsettled,
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
/// 6. What has not been asked since the start, answers again without being confirmed, or has a
///    path that may soon be judged bad, leaves everything as it was judged. So does a device that
///    we fail to ask; where that is so of all of them, nothing is known of the site.
pub(super) fn find(picture: &Picture, site: SiteIx, now: Mono) -> Finding {
    let endpoints = &picture.topology().site(site).endpoints;
    let watched =
        endpoints.iter().filter(|ix| !picture.topology().endpoint(**ix).targets.is_empty());
    let lives: Vec<(EndpointIx, Life)> =
        watched.map(|endpoint| (*endpoint, life(picture, *endpoint, now))).collect();
    if lives.is_empty() || lives.iter().all(|(endpoint, _)| is_blank(picture, *endpoint)) {
        return Finding::Unknown;
    }
    let since = lives.iter().filter_map(|(_, life)| match life {
        Life::Dead(since) => Some(*since),
        _ => None,
    });
    if let Some(since) = since.min()
        && let Some(trouble) = silence_or_device(picture, &lives, since)
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
    let restless = lives.iter().any(|(endpoint, life)| match life {
        Life::Failing(_) | Life::Recovering => true,
        Life::Unknown => !is_blank(picture, *endpoint) || is_unasked(picture, *endpoint),
        Life::Alive => {
            let targets = &picture.topology().endpoint(*endpoint).targets;
            targets.iter().any(|target| {
                is_returning(picture, *target)
                    || picture.target(*target).path.as_ref().is_some_and(|path| path.is_doubtful())
            })
        }
        Life::Dead(_) => false,
    });
    if restless { Finding::Unsettled } else { Finding::Well }
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
            Some(match () {
                () if out > 0 && out == offered => Health::Down,
                () if out > 0 || grade(picture, endpoint) == QualityGrade::Poor => Health::Degraded,
                () => Health::Up,
            })
        }
    }
}

/// The worst grade of the paths to a device.
pub(super) fn grade(picture: &Picture, endpoint: EndpointIx) -> QualityGrade {
    let targets = &picture.topology().endpoint(endpoint).targets;
    let paths = targets.iter().filter_map(|ix| picture.target(*ix).path.as_ref());
    paths.map(|path| path.grade()).max().unwrap_or_default()
}

/// Rules 1 and 2 of [`find`], for a site of which a device is dead since `since`.
fn silence_or_device(
    picture: &Picture,
    lives: &[(EndpointIx, Life)],
    since: Mono,
) -> Option<Trouble> {
    let fresh = |endpoint: EndpointIx| {
        let known = picture.endpoint(endpoint);
        known.alive_at.max(known.heard_at) >= since
    };
    let lives_now = |(endpoint, life): &(EndpointIx, Life)| {
        matches!(life, Life::Alive | Life::Recovering) && fresh(*endpoint)
    };
    let behind = behind(picture, lives);
    let is_dead = |(_, life): &(EndpointIx, Life)| matches!(life, Life::Dead(_));
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
    let heard_nothing = |(endpoint, life): &(EndpointIx, Life)| match life {
        Life::Dead(_) | Life::Failing(_) => true,
        Life::Unknown => is_blank(picture, *endpoint),
        Life::Alive | Life::Recovering => false,
    };
    let router_silent = match lives[0] {
        (_, Life::Dead(_)) => true,
        (router, Life::Unknown) => is_blank(picture, router),
        _ => false,
    };
    // A device may have been dead long before the rest fell silent, and a router may have kept quiet
    // while the rest was heard.
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

/// Rule 3 of [`find`].
fn services(picture: &Picture, lives: &[(EndpointIx, Life)]) -> Option<Trouble> {
    let mut first: Option<Trouble> = None;
    for (endpoint, life) in lives {
        if !matches!(life, Life::Alive | Life::Recovering) {
            continue;
        }
        for ix in picture.services(*endpoint).filter(|ix| is_out(picture, *ix)) {
            let target = picture.target(ix);
            let trouble = first.get_or_insert(Trouble {
                kind: Kind::Service,
                endpoint: Some(*endpoint),
                target: Some(ix),
                since: target.bad_since,
                down: false,
                settled: true,
            });
            if trouble.target != Some(ix) && trouble.endpoint == Some(*endpoint) {
                trouble.target = None;
                trouble.since = trouble.since.min(target.bad_since);
            }
            // Proof that the host lives must be younger than the failure, and whether the other
            // services on it work must be known.
            trouble.settled &= picture.endpoint(*endpoint).alive_at >= target.bad_since
                && picture.services(*endpoint).all(|other| {
                    let other = picture.target(other);
                    let unsure = other.streak.is_failing() && other.streak.hard == Health::Up;
                    !other.seen_up || (other.asked_at >= target.bad_since && !unsure)
                });
        }
    }
    let behind = behind(picture, lives);
    let useless = |(endpoint, life): &(EndpointIx, Life)| {
        let (out, offered) = services_out(picture, *endpoint);
        matches!(life, Life::Dead(_)) || (out > 0 && out == offered)
    };
    first.map(|trouble| Trouble { down: behind.iter().all(useless), ..trouble })
}

/// Rule 4 of [`find`].
///
/// Router and device see the same line, so what raises a suspicion at both counts together: the
/// line is bad when the two suspicions make a whole one. Having been bad it is good again when it
/// is to both.
fn path(picture: &Picture, site: SiteIx, lives: &[(EndpointIx, Life)]) -> Option<Trouble> {
    let paths = |endpoint: EndpointIx| {
        let targets = &picture.topology().endpoint(endpoint).targets;
        targets.iter().filter_map(|ix| picture.target(*ix).path.as_ref())
    };
    let suspicion =
        |endpoint: EndpointIx| paths(endpoint).map(|path| path.suspicion()).fold(0.0, f32::max);
    let is_poor = |endpoint: EndpointIx| grade(picture, endpoint) == QualityGrade::Poor;
    let doubtful = |endpoint: EndpointIx| paths(endpoint).any(|path| path.is_doubtful());
    let known = |endpoint: EndpointIx| paths(endpoint).any(|path| path.is_known(&picture.rules));
    let is_pinged = |endpoint: EndpointIx| paths(endpoint).next().is_some();
    let judged =
        |(endpoint, life): &&(EndpointIx, Life)| *life == Life::Alive && is_pinged(*endpoint);
    let order = |a: &EndpointIx, b: &EndpointIx| {
        let weight = |endpoint: EndpointIx| (is_poor(endpoint), suspicion(endpoint));
        weight(*a).partial_cmp(&weight(*b)).unwrap_or(std::cmp::Ordering::Equal)
    };
    let behind = behind(picture, lives);
    let devices = behind.iter().filter(judged).map(|(endpoint, _)| *endpoint);
    let worst = devices.clone().max_by(order);
    // What the worst is held against: the router, or else the best of the others.
    let router = if behind.len() < lives.len() {
        lives.first().filter(judged).map(|(endpoint, _)| *endpoint)
    } else {
        devices.filter(|endpoint| Some(*endpoint) != worst).min_by(order)
    };
    let trouble = |endpoint: Option<EndpointIx>, of: EndpointIx, settled: bool| {
        let since = paths(of).map(|path| path.since()).max().unwrap_or_default();
        let (kind, target, down) = (Kind::Quality, None, false);
        Some(Trouble { kind, endpoint, target, since, down, settled })
    };
    let Some(worst) = worst else {
        return router.filter(|router| is_poor(*router)).and_then(|it| trouble(None, it, true));
    };
    let Some(router) = router else {
        return if is_poor(worst) { trouble(None, worst, true) } else { None };
    };
    let both = suspicion(worst).min(suspicion(router)) >= DOUBTFUL
        && suspicion(worst) + suspicion(router) >= 1.0;
    match (is_poor(router), is_poor(worst)) {
        (true, true) => trouble(None, worst, true),
        (false, false) => {
            if both {
                trouble(None, worst, true)
            } else {
                None
            }
        }
        (false, true) if doubtful(router) => trouble(None, worst, true),
        (false, true) => trouble(Some(worst), worst, known(router)),
        (true, false) if doubtful(worst) => trouble(None, router, true),
        (true, false) => {
            if picture.site(site).poor_line {
                trouble(None, router, true)
            } else if known(worst) {
                None
            } else {
                trouble(None, router, false)
            }
        }
    }
}

/// Services of a device that are out, and those that it offers. Once one is out for a fact, another
/// that began to fail at the same time is no chance either.
fn services_out(picture: &Picture, endpoint: EndpointIx) -> (u32, u32) {
    let (mut out, mut failing, mut offered) = (0, 0, 0);
    let window = picture.settings().correlation.window;
    let since = picture.services(endpoint).filter(|ix| is_missed(picture, *ix));
    let since = since.map(|ix| picture.target(ix).bad_since).max().unwrap_or_default();
    let together = |at: Mono| at.since(since).max(since.since(at)) <= window;
    for ix in picture.services(endpoint) {
        let target = picture.target(ix);
        if is_missed(picture, ix) {
            out += 1;
        } else if target.seen_up && target.streak.is_failing() && together(target.bad_since) {
            failing += 1;
        } else if target.seen_up {
            offered += 1;
        }
    }
    let all = out + failing + offered;
    (if out > 0 { out + failing } else { 0 }, all)
}

/// Whether a service is confirmed down and missed, and has not answered since.
fn is_out(picture: &Picture, target: TargetIx) -> bool {
    picture.target(target).streak.is_failing() && is_missed(picture, target)
}

/// Whether a service is confirmed down and missed; it may be on its way back.
fn is_missed(picture: &Picture, target: TargetIx) -> bool {
    let target = picture.target(target);
    if target.streak.hard != Health::Down {
        return false;
    }
    match target.failure() {
        Some(Failure::Remote(RemoteFailure::CertificateTime(_))) => false,
        Some(Failure::Remote(
            RemoteFailure::ServiceOut { .. }
            | RemoteFailure::Malformed(_)
            | RemoteFailure::Unexpected(_)
            | RemoteFailure::Tls(_)
            | RemoteFailure::Closed,
        )) => true,
        _ => target.seen_up,
    }
}

/// Whether it is still to be heard how a target does: it was down and answers again without being
/// confirmed, or it has not been asked since the start, or since its device came back.
fn is_returning(picture: &Picture, ix: TargetIx) -> bool {
    let target = picture.target(ix);
    let endpoint = picture.topology().target(ix).endpoint;
    match target.streak.hard {
        Health::Down => !target.streak.is_failing(),
        Health::Unknown if target.seen_up && !target.streak.is_mute() => {
            target.streak.is_failing() || target.asked_at < picture.endpoint(endpoint).back_at
        }
        _ => false,
    }
}
