//! What may yet turn out to be our own network's, and so is not decided.

use super::silence::{anybody_answers, is_mute, onset, others};
use super::{DOUBT, Sight};
use crate::model::{Health, Mono, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::site::{self, Kind, Life, Trouble};

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

    /// Whether a site's trouble may yet turn out to be our own network's: everything that failed
    /// there was asked while nobody answered us, though somebody else could have.
    ///
    /// 1. A row of failures says something about its target when, between the first and the last
    ///    of them, something was asked that was answered: our network cannot have been gone for
    ///    all of it. An answer to what was asked before or after the row says nothing about it, nor
    ///    about the site's trouble does one from before that began: a router may have kept quiet
    ///    for long.
    /// 2. Where one failure is enough there is no between, and where nobody else was up, nor heard
    ///    lately by who stands at this site, nobody could have answered: then there is nothing to
    ///    wait for. Our gateway could, unless the trouble is its own.
    /// 3. After [`DOUBT`] it is the site's.
    pub(in crate::monitor) fn may_be_ours(
        picture: &Picture,
        site: SiteIx,
        trouble: &Trouble,
        now: Mono,
    ) -> Option<Mono> {
        let until = trouble.since + DOUBT;
        if now >= until || trouble.kind == Kind::Quality {
            return None;
        }
        let topology = picture.topology();
        let (mut rows, mut proven) = (false, false);
        for endpoint in &topology.site(site).endpoints {
            if trouble.endpoint.is_some_and(|of| of != *endpoint) {
                continue;
            }
            for ix in &topology.endpoint(*endpoint).targets {
                let target = picture.target(*ix);
                let (first, last) = (target.bad_since.max(trouble.since), target.asked_at);
                if target.streak.hard == Health::Down && target.streak.is_failing() && first < last
                {
                    rows = true;
                    proven |= picture.answered.within(first, last);
                }
            }
        }
        let own = topology.vantage == Some(site);
        let lately = trouble.since.earlier(DOUBT);
        let up = |other: SiteIx| {
            let known = picture.site(other);
            let heard = own && known.alive_at > Mono::ZERO && known.alive_at >= lately;
            let is_up = matches!(known.judged.hard, Health::Up | Health::Degraded);
            other != site && (is_up || heard)
        };
        let gateway = picture.gateway().is_some_and(|gateway| {
            topology.endpoint(gateway).site != site
                || trouble.endpoint.is_some_and(|endpoint| endpoint != gateway)
        });
        let elsewhere = gateway || others(picture).any(up);
        (rows && !proven && elsewhere).then_some(until)
    }
}
