//! Sites that we fail to ask, while we see the others.

use super::{DISTRUST, DOUBT, Sight};
use crate::model::{EndpointIx, Failure, Health, LocalFailure, Mono, Part, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::target::Watched;

impl Sight {
    /// The sites of which we fail to ask a device or a service, each with the word for why if it is
    /// known, once that is so of one for longer than anything is held in doubt: the others share
    /// its fate. Where no name server answers, that is an incident of its own, and once one does
    /// again everybody is to be asked first; a name that nobody knows is missed only where it was
    /// known before.
    pub(in crate::monitor) fn unasked<'a>(
        &'a self,
        picture: &'a Picture,
        now: Mono,
    ) -> impl Iterator<Item = (SiteIx, Option<&'static str>)> + 'a {
        let unasked = with_unasked(picture).filter_map(move |site| {
            let endpoints = picture.topology().site(site).endpoints.iter();
            let unasked = endpoints.filter_map(|endpoint| self.unasked_device(picture, *endpoint));
            let (since, how) = unasked.min_by_key(|(since, _)| *since)?;
            Some((site, how, now.since(since.max(self.seeing_since))))
        });
        let unasked: Vec<_> = unasked.filter(|(.., lasts)| *lasts >= DISTRUST).collect();
        let told = unasked.iter().any(|(.., lasts)| *lasts >= DOUBT);
        unasked.into_iter().filter(move |_| told).map(|(site, how, _)| (site, how))
    }

    /// The sites of which a device or a service cannot be asked since no name server answers.
    pub(in crate::monitor) fn unresolved<'a>(
        &'a self,
        picture: &'a Picture,
    ) -> impl Iterator<Item = SiteIx> + 'a {
        let topology = picture.topology();
        let is_unresolved = |it: &Watched| {
            let failure = it.last_failure().map(|(_, failure)| failure);
            is_unasked(it) && matches!(failure, Some(Failure::Local(LocalFailure::Unresolved(_))))
        };
        let troubled = self.parts.contains_key(&Part::Resolver);
        with_unasked(picture).filter(move |site| {
            let endpoints = topology.site(*site).endpoints.iter();
            let mut targets = endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
            troubled && targets.any(|target| is_unresolved(picture.target(*target)))
        })
    }

    /// Since when we fail to ask a device, or a service of one that answers, and the word for why.
    fn unasked_device(
        &self,
        picture: &Picture,
        endpoint: EndpointIx,
    ) -> Option<(Mono, Option<&'static str>)> {
        let answers = |it: &Watched| it.unasked_since.is_none() && it.is_good();
        let targets = picture.topology().endpoint(endpoint).targets.iter();
        // A service that is silent as well says nothing about the host.
        let lives = targets.clone().map(|ix| picture.target(*ix)).any(answers);
        let hosts = || picture.reachability(endpoint).map(|ix| picture.target(ix));
        let (since, failure) = if lives {
            // Services have their turn less often than the host they run on: they are to be asked
            // again first when that is.
            let back = hosts().filter(|it| answers(it)).map(|host| host.good_since).min()?;
            let unasked = picture.services(endpoint).filter_map(|ix| {
                let service = Some(picture.target(ix)).filter(|it| is_unasked(it))?;
                let (pace, timeout) = picture.pace(ix);
                Some((service.unasked_since?.max(back + pace + timeout), service.last_failure()))
            });
            unasked.min_by_key(|(since, _)| *since)?
        } else {
            if !hosts().all(is_unasked) {
                return None;
            }
            let since = hosts().filter_map(|host| host.unasked_since).max()?;
            (since, hosts().find_map(|host| host.last_failure()))
        };
        let failure = failure.map(|(_, failure)| failure);
        let known = picture.endpoint(endpoint);
        let turns = targets.map(|ix| picture.pace(*ix)).map(|(pace, timeout)| pace + timeout);
        let since = match failure {
            Some(Failure::Local(LocalFailure::Unresolved(_))) => {
                since.max(self.resolving_since + turns.max()?)
            }
            _ => since,
        };
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

/// Whether we have failed to ask for so long that nothing is known.
fn is_unasked(it: &Watched) -> bool {
    it.unasked_since.is_some() && it.streak.hard == Health::Unknown
}

/// The sites at which something was not asked the last time.
fn with_unasked(picture: &Picture) -> impl Iterator<Item = SiteIx> + '_ {
    picture.topology().site_ixs().filter(|site| picture.site(*site).unasked > 0)
}

/// A moment from which on nothing is held in doubt any more.
pub(in crate::monitor) fn before_the_doubt(now: Mono) -> Mono {
    now.earlier(DOUBT)
}
