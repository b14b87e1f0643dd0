//! Whether it is the line of a site that is bad, or the path to one of its devices.

use super::{Kind, Life, Trouble, behind};
use crate::model::{EndpointIx, QualityGrade, SiteIx};
use crate::monitor::grade::DOUBTFUL;
use crate::monitor::picture::Picture;

/// The worst grade of the paths to a device.
pub(in crate::monitor) fn grade(picture: &Picture, endpoint: EndpointIx) -> QualityGrade {
    let targets = &picture.topology().endpoint(endpoint).targets;
    let paths = targets.iter().filter_map(|ix| picture.target(*ix).path.as_ref());
    paths.map(|path| path.grade()).max().unwrap_or_default()
}

/// Rule 4 of [`find`](super::find).
///
/// Router and device see the same line, so what raises a suspicion at both counts together: the
/// line is bad when the two suspicions make a whole one. Having been bad it is good again when it
/// is to both.
pub(super) fn path(
    picture: &Picture,
    site: SiteIx,
    lives: &[(EndpointIx, Life)],
) -> Option<Trouble> {
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
        let since = if is_poor(of) {
            paths(of).map(|path| path.since()).max().unwrap_or_default()
        } else {
            // Its grade is that of what was before. When it turned bad is not known better than by
            // when it was asked last.
            let targets = &picture.topology().endpoint(of).targets;
            let pinged =
                targets.iter().map(|ix| picture.target(*ix)).filter(|it| it.path.is_some());
            pinged.map(|it| it.asked_at).max().unwrap_or_default()
        };
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
