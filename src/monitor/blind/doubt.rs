//! What may yet turn out to be our own network's, and so is not decided.

use super::silence::{anybody_answers, is_mute, onset, others};
use super::{DOUBT, LATE, Sight};
use crate::model::{Health, Mono, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::site::{self, Kind, Life, Trouble};

/// Whose fault a trouble is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::monitor) enum Whose {
    /// The site's, or that of something above it.
    Theirs,
    /// It may turn out until then that it is our own network's.
    PerhapsOurs {
        /// When that is over.
        until: Mono,
    },
    /// Nobody knows before the site is asked again.
    ToBeAsked,
}

impl Sight {
    /// Whether it may soon turn out that we are blind: our gateway does not answer, and nobody
    /// has been heard since, for a short while now.
    pub(in crate::monitor) fn is_in_doubt(picture: &Picture, now: Mono) -> bool {
        let Some(gateway) = picture.gateway() else { return false };
        match site::life(picture, gateway, now) {
            // It is asked again in a moment.
            Life::Recovering => true,
            // Who answered only after it was asked last proves nothing: it may answer too by now.
            Life::Failing(since) | Life::Dead(since) => {
                let asked = picture.reachability(gateway).map(|ix| picture.target(ix).asked_at);
                let asked = asked.max().unwrap_or_default();
                now - since < DOUBT && !picture.answered.within(since, asked)
            }
            Life::Unknown if is_mute(picture, gateway) => onset(picture, now)
                .is_some_and(|since| now - since < DOUBT && !anybody_answers(picture, since)),
            Life::Alive | Life::Unknown => false,
        }
    }

    /// Whose fault a site's trouble is. It may yet turn out to be our own network's when everything
    /// that failed there was asked while nobody answered us, though somebody else could have.
    ///
    /// 1. A row of failures says something about its target when, between the first and the last
    ///    but one of them, something was asked that was answered: our network cannot have been gone
    ///    for all of it, and that it went again just before the last one would be strange. An
    ///    answer to what was asked before or after the row says nothing about it, nor about the
    ///    site's trouble does one from before that began: a router may have kept quiet for long.
    ///    What stands beside us answers for what stands there.
    ///    Of a row that was broken off because we could not ask, and that one failure takes up
    ///    again, only this one is about the trouble: nothing lies between.
    /// 2. Where one failure is enough nothing can be asked in between, and where nobody else was
    ///    up, nor heard lately by who stands at this site, nobody could have answered: then there
    ///    is nothing to wait for. Our gateway could, unless all that is asked of it fails as well
    ///    and the trouble is its own.
    /// 3. After [`DOUBT`] it is the site's, once everything on our gateway has been asked since it
    ///    began and whether that is dead is known. But when somebody has answered since its last
    ///    failure, our network may have been gone for all of the row: then it is asked again first.
    pub(in crate::monitor) fn whose(
        picture: &Picture,
        site: SiteIx,
        trouble: &Trouble,
        now: Mono,
    ) -> Whose {
        if trouble.kind == Kind::Quality {
            return Whose::Theirs;
        }
        let topology = picture.topology();
        let (mut rows, mut proven, mut latest) = (false, false, Mono::ZERO);
        let own = topology.vantage == Some(site);
        let answered = |from: Mono, to: Mono| {
            picture.answered.within(from, to) || (own && picture.answered_here.within(from, to))
        };
        for endpoint in &topology.site(site).endpoints {
            if trouble.endpoint.is_some_and(|of| of != *endpoint) {
                continue;
            }
            for ix in &topology.endpoint(*endpoint).targets {
                let target = picture.target(*ix);
                let (first, last) = (target.bad_since.max(trouble.since), target.asked_at);
                let taken_up = target.bad_since == last && target.streak.bad_in_a_row() > 1;
                let is_row = first < last || taken_up;
                if target.streak.hard == Health::Down && target.streak.is_failing() && is_row {
                    let before =
                        if target.asked_before > first { target.asked_before } else { last };
                    rows = true;
                    proven |= answered(first, before);
                    latest = latest.max(last);
                }
            }
        }
        let lately = trouble.since.earlier(DOUBT);
        let up = |other: SiteIx| {
            let known = picture.site(other);
            let heard = own && known.alive_at > Mono::ZERO && known.alive_at >= lately;
            let is_up = matches!(known.judged.hard, Health::Up | Health::Degraded);
            other != site && (is_up || heard)
        };
        let gateway = picture.gateway().is_some_and(|gateway| {
            let mut asked = picture.reachability(gateway);
            topology.endpoint(gateway).site != site
                || trouble.endpoint.is_some_and(|endpoint| endpoint != gateway)
                || asked.any(|ix| !picture.target(ix).streak.is_failing())
        });
        let elsewhere = gateway || others(picture).any(up);
        let mut on_gateway =
            picture.gateway().into_iter().flat_map(|gateway| picture.reachability(gateway));
        let asked = on_gateway.all(|ix| {
            let target = picture.target(ix);
            target.asked_at >= trouble.since || target.streak.is_mute()
        });
        let wavers = picture.gateway().is_some_and(|gateway| {
            let mut asked = picture.reachability(gateway);
            picture.endpoint(gateway).alive_at < trouble.since
                && asked.any(|ix| picture.target(ix).streak.is_failing())
                && !matches!(site::life(picture, gateway, now), Life::Dead(_))
        });
        let until = trouble.since + DOUBT;
        match () {
            () if !rows || proven || !elsewhere => Whose::Theirs,
            () if now < until => Whose::PerhapsOurs { until },
            () if !asked => Whose::PerhapsOurs { until: now + LATE },
            () if answered(latest, now) => Whose::ToBeAsked,
            () if wavers => Whose::PerhapsOurs { until: now + LATE },
            () => Whose::Theirs,
        }
    }
}
