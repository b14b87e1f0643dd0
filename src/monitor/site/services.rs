//! Which services of the devices that live are out.

use super::{Kind, Life, Trouble, behind};
use crate::model::{EndpointIx, Failure, Health, Mono, RemoteFailure, TargetIx};
use crate::monitor::picture::Picture;
use crate::monitor::target::Watched;

/// Rule 3 of [`find`](super::find).
pub(super) fn services(picture: &Picture, lives: &[(EndpointIx, Life)]) -> Option<Trouble> {
    let mut first: Option<Trouble> = None;
    for (endpoint, life) in lives {
        if *life != Life::Alive {
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

/// Services of a device that are out, and those that it offers. Once one is out for a fact, another
/// that began to fail at the same time is no chance either, nor is one that was out when we ceased
/// to be able to ask it.
pub(super) fn services_out(picture: &Picture, endpoint: EndpointIx) -> (u32, u32) {
    let (mut out, mut failing, mut offered) = (0, 0, 0);
    let window = picture.settings().correlation.window;
    let since = picture.services(endpoint).filter(|ix| is_missed(picture, *ix));
    let since = since.map(|ix| picture.target(ix).bad_since).max().unwrap_or_default();
    let together = |at: Mono| at.since(since).max(since.since(at)) <= window;
    let fails_too = |target: &Watched| {
        target.seen_up && target.streak.is_failing() && together(target.bad_since)
    };
    for ix in picture.services(endpoint) {
        let target = picture.target(ix);
        if is_missed(picture, ix) {
            out += 1;
        } else if target.is_still_out() || fails_too(target) {
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
        _ if target.by_certificate => false,
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
