//! Sites that we fail to ask, while we see the others.

use super::{DISTRUST, DOUBT, Sight};
use crate::model::{EndpointIx, Failure, Health, LocalFailure, Mono, Part, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::target::Watched;

impl Sight {
    /// The sites of which we fail to ask a device, each with the word for why if it is known, once
    /// that is so of one for longer than anything is held in doubt: the others share its fate.
    /// Where no name server answers, that is an incident of its own; a name that nobody knows is
    /// missed only where it was known before.
    pub(in crate::monitor) fn unasked<'a>(
        &'a self,
        picture: &'a Picture,
        now: Mono,
    ) -> impl Iterator<Item = (SiteIx, Option<&'static str>)> + 'a {
        let topology = picture.topology();
        let unasked = topology.site_ixs().filter_map(move |site| {
            let endpoints = topology.site(site).endpoints.iter();
            let unasked = endpoints.filter_map(|endpoint| self.unasked_device(picture, *endpoint));
            let (since, how) = unasked.min_by_key(|(since, _)| *since)?;
            Some((site, how, now - since.max(self.seeing_since)))
        });
        let unasked: Vec<_> = unasked.filter(|(.., lasts)| *lasts >= DISTRUST).collect();
        let told = unasked.iter().any(|(.., lasts)| *lasts >= DOUBT);
        unasked.into_iter().filter(move |_| told).map(|(site, how, _)| (site, how))
    }

    /// Since when we fail to ask a device, and the word for why.
    fn unasked_device(
        &self,
        picture: &Picture,
        endpoint: EndpointIx,
    ) -> Option<(Mono, Option<&'static str>)> {
        let answers = |it: &Watched| it.unasked_since.is_none() && it.is_good();
        // A service that is silent as well says nothing about the host.
        let targets = picture.topology().endpoint(endpoint).targets.iter();
        if targets.map(|ix| picture.target(*ix)).any(answers) {
            return None;
        }
        let is_unasked =
            |host: &Watched| host.unasked_since.is_some() && host.streak.hard == Health::Unknown;
        // Services have their turn less often than the host they run on.
        let hosts = || picture.reachability(endpoint).map(|ix| picture.target(ix));
        if !hosts().all(is_unasked) {
            return None;
        }
        let since = hosts().filter_map(|host| host.unasked_since).max()?;
        let failure = hosts().find_map(|host| host.last_failure()).map(|(_, failure)| failure);
        let known = picture.endpoint(endpoint);
        let told = match failure {
            Some(Failure::Local(LocalFailure::Unresolved(_))) => {
                !self.parts.contains_key(&Part::Resolver)
            }
            Some(Failure::Local(LocalFailure::NoSuchName(_))) => {
                known.judged.seen_up || known.alive_at > Mono::ZERO
            }
            _ => true,
        };
        told.then(|| (since, failure.map(Failure::word)))
    }
}

/// A moment from which on nothing is held in doubt any more.
pub(in crate::monitor) fn before_the_doubt(now: Mono) -> Mono {
    now.earlier(DOUBT)
}
