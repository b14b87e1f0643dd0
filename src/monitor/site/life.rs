//! Whether a device lives, by everything that was asked of it and whatever vouches for it.

use std::time::Duration;

use crate::model::{EndpointIx, Health, Mono, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::target::Watched;

/// Whether a device lives, by all of its targets together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::monitor) enum Life {
    /// Nothing was learned, or nothing since the start.
    Unknown,
    /// It answers, or was heard, and that is confirmed.
    Alive,
    /// It answers again; not confirmed yet.
    Recovering,
    /// It has not answered since this moment; not confirmed yet.
    Failing(Mono),
    /// It has not answered since this moment.
    Dead(Mono),
}

/// Whether a device lives.
///
/// 1. The targets that ask for the host itself decide; where there are none, all targets.
/// 2. A device whose host no target reaches is still alive when something else vouches for it: a
///    service that answered since and is not confirmed dead, a failure that only a living host
///    causes, or an ICMP error that it sent about another device. So a filter on echoes, or a
///    router that is too busy to answer them, does not look like a dead device. What was dead needs
///    more than one such sign.
/// 3. It is dead when a target that decides is confirmed down and nothing vouches for it. What was
///    down already when another one vouched for it says nothing more once we fail to ask that one.
pub(in crate::monitor) fn life(picture: &Picture, endpoint: EndpointIx, now: Mono) -> Life {
    // Since when it has been silent, and since when by what was seen since the start.
    let (mut onset, mut failing) = (Mono::NEVER, Mono::NEVER);
    let (mut dead, mut good, mut confirmed, mut stale) = (false, false, false, false);
    for ix in picture.reachability(endpoint) {
        let target = picture.target(ix);
        let down = target.streak.hard == Health::Down;
        if target.streak.is_failing() {
            failing = failing.min(target.bad_since);
            // What was silent before a start was so when others proved the device alive.
            onset = onset.min(if target.out_at_start { Mono::ZERO } else { target.bad_since });
            dead |= down;
        } else if target.is_good() {
            good = true;
            confirmed |= target.streak.hard == Health::Up;
        } else if target.streak.hard != Health::Unknown {
            stale = true;
        }
    }
    if good {
        return if confirmed { Life::Alive } else { Life::Recovering };
    }
    if onset == Mono::NEVER || stale {
        return Life::Unknown;
    }
    let targets = &picture.topology().endpoint(endpoint).targets;
    let (mut since, mut recovering) = (Mono::NEVER, false);
    for ix in targets {
        let target = picture.target(*ix);
        if target.proof_at >= onset && target.proof_at > Mono::ZERO {
            match target.host.hard {
                Health::Up => return Life::Alive,
                _ => recovering |= target.host.soft == Health::Up,
            }
        }
        if target.streak.is_failing() && target.bad_since >= picture.endpoint(endpoint).alive_at {
            since = since.min(target.bad_since);
        }
    }
    if is_heard(picture, endpoint, onset, now) {
        return Life::Alive;
    }
    if recovering {
        return Life::Recovering;
    }
    if dead && is_vouched_by_unasked(picture, endpoint) {
        return Life::Unknown;
    }
    let since = if since == Mono::NEVER { failing } else { since };
    if dead { Life::Dead(since) } else { Life::Failing(since) }
}

/// Whether what is confirmed down was so by itself, as far as we can ask: of a target that proved
/// the device alive since all of that was silent, nothing is known by now. Where the device lived
/// at a start in spite of what was down, it is what was up then that had proved it.
fn is_vouched_by_unasked(picture: &Picture, endpoint: EndpointIx) -> bool {
    let down = picture.reachability(endpoint).map(|ix| picture.target(ix));
    let down = down.filter(|it| it.streak.is_failing() && it.streak.hard == Health::Down);
    let silent = down.map(|it| if it.out_at_start { Mono::ZERO } else { it.silent_since });
    let Some(silent) = silent.max() else { return false };
    let mut targets = picture.topology().endpoint(endpoint).targets.iter();
    targets.any(|ix| {
        let target = picture.target(*ix);
        (target.proof_at > silent && is_unknown(target))
            || (silent == Mono::ZERO && target.up_at_start)
    })
}

/// Whether a target has no health, confirmed or hinted at.
fn is_unknown(target: &Watched) -> bool {
    target.streak.hard == Health::Unknown && target.streak.soft == Health::Unknown
}

/// Whether what is found of a site may change by time alone: a device of it was heard through an
/// error, which counts for a while only.
pub(in crate::monitor) fn is_passing(picture: &Picture, site: SiteIx) -> bool {
    let endpoints = &picture.topology().site(site).endpoints;
    endpoints.iter().any(|endpoint| picture.endpoint(*endpoint).heard_at > Mono::ZERO)
}

/// Whether a device was heard lately and since `onset` through an ICMP error about another one.
/// Such errors are rare, one a second at most, and come only while we probe what is behind it.
fn is_heard(picture: &Picture, endpoint: EndpointIx, onset: Mono, now: Mono) -> bool {
    let known = picture.endpoint(endpoint);
    let heard = match known.judged.hard {
        Health::Up | Health::Degraded => known.heard_at,
        Health::Down | Health::Unknown => known.heard_before,
    };
    if heard < onset || heard == Mono::ZERO {
        return false;
    }
    let site = picture.topology().endpoint(endpoint).site;
    let slowest = picture
        .topology()
        .site(site)
        .endpoints
        .iter()
        .flat_map(|endpoint| picture.reachability(*endpoint))
        .map(|target| picture.pace(target).0)
        .max()
        .unwrap_or_default();
    now - heard <= (slowest * 5 / 2).max(Duration::from_secs(10))
}

/// Whether nothing is known of a device: no target of it has a health, confirmed or hinted at.
pub(super) fn is_blank(picture: &Picture, endpoint: EndpointIx) -> bool {
    let targets = &picture.topology().endpoint(endpoint).targets;
    targets.iter().all(|ix| is_unknown(picture.target(*ix)))
}

/// Whether a device that was seen to work cannot be asked from here, by any of its checks.
pub(super) fn is_unasked(picture: &Picture, endpoint: EndpointIx) -> bool {
    let mut targets = picture.topology().endpoint(endpoint).targets.iter();
    has_lived(picture, endpoint)
        && is_blank(picture, endpoint)
        && targets.all(|ix| picture.target(*ix).streak.is_mute())
}

/// Whether a device of which nothing is known is about to be asked: it is new, or what was known
/// was forgotten while we could not see.
pub(super) fn is_awaited(picture: &Picture, endpoint: EndpointIx) -> bool {
    let mut targets = picture.topology().endpoint(endpoint).targets.iter();
    targets.any(|ix| !picture.target(*ix).streak.is_mute())
}

/// Whether a device of which nothing is known has yet to be heard: it was seen to work, or it was
/// not asked with all of its checks since we know nothing of it. What never worked and cannot be
/// asked from here is not waited for.
pub(super) fn is_missed(picture: &Picture, endpoint: EndpointIx) -> bool {
    has_lived(picture, endpoint) || is_awaited(picture, endpoint)
}

/// Whether a device was ever seen to work.
fn has_lived(picture: &Picture, endpoint: EndpointIx) -> bool {
    let known = picture.endpoint(endpoint);
    known.judged.seen_up || known.alive_at > Mono::ZERO
}
