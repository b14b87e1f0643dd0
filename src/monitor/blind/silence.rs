//! Whether everybody's silence is our own, and when it is known that we see.

use std::time::Duration;

use super::{Blindness, DISTRUST, DOUBT, Sight};
use crate::model::{EndpointIx, Health, Mono, SelfDoubt, SiteIx};
use crate::monitor::picture::Picture;
use crate::monitor::site::{self, Kind, Life};
use crate::monitor::witness;

/// Share of the sites asked that must be silent for the fault to be ours.
const NEARLY_ALL: f64 = 0.9;
/// Share of the sites that answer again from which we can see.
const SOME: f64 = 0.2;
/// Fewest sites that must have been asked.
const FEWEST: usize = 5;

impl Sight {
    /// Whether it is known that we see: our gateway or some of the others answer, or at least one
    /// of them does all the time. After a start it has to be learned first.
    pub(in crate::monitor) fn sees(&self, picture: &Picture, now: Mono) -> bool {
        let answers = |gateway| {
            matches!(site::life(picture, gateway, now), Life::Alive)
                || is_confirmed(picture, gateway)
        };
        let known = others(picture).filter(|site| has_lived(picture, *site)).count();
        picture.gateway().is_some_and(answers)
            || share(confirmed(picture).count(), known) >= SOME
            || (others(picture).next().is_none() && own_is_confirmed(picture))
            || self.is_answered_steadily(picture, now)
    }

    /// Rules 1 and 2 of [`look`](Self::look).
    pub(super) fn silence(&self, picture: &Picture, now: Mono) -> Option<(Blindness, SelfDoubt)> {
        for reason in [Blindness::Gateway, Blindness::Everything] {
            // A gateway that was taken out of the configuration is silent no longer.
            let stands = reason == Blindness::Everything || picture.gateway().is_some();
            if let Some(doubt) = self.blind.get(&reason).filter(|_| stands) {
                return (!self.sees(picture, now)).then(|| (reason, doubt.clone()));
            }
        }
        let silent_enough = |Answering { asked, alive, witnesses, middle }| {
            let unasked = |site| witness::is_no_witness(picture, site);
            let alone = others(picture).all(unasked) && own_is_silent(picture);
            let enough = asked >= FEWEST.min(witnesses).max(1);
            let answered =
                |middle: Mono| picture.answered.within(middle.max(now.earlier(DISTRUST)), now);
            alone
                || (enough
                    && at_least(asked - alive.min(asked), asked)
                    && !middle.is_some_and(answered))
        };
        if let Some(gateway) = picture.gateway() {
            let host = || picture.topology().endpoint(gateway).host.to_string();
            let (since, doubt) = match site::life(picture, gateway, now) {
                Life::Dead(since) => (since, SelfDoubt::GatewaySilent { host: host() }),
                Life::Unknown if is_mute(picture, gateway) => {
                    let last = picture.reachability(gateway).filter_map(|target| {
                        picture.target(target).last_failure().map(|(_, failure)| failure.word())
                    });
                    let how = last.last().unwrap_or("local").to_owned();
                    (onset(picture, now)?, SelfDoubt::GatewayUnasked { host: host(), how })
                }
                _ => return None,
            };
            if silent_enough(self.answering(picture, since)) {
                return Some((Blindness::Gateway, doubt));
            }
            // Others answered after it fell silent: it is no witness.
        }
        let onset = onset(picture, now)?;
        let was_well = others(picture).any(|site| picture.site(site).judged.hard == Health::Up);
        let count = others(picture).filter(|site| self.counts(picture, *site, onset)).count();
        (count >= FEWEST && was_well && silent_enough(self.answering(picture, onset)))
            .then_some((Blindness::Everything, SelfDoubt::NobodyAnswers))
    }

    /// Whether somebody has answered all the time for longer than anything is held in doubt, and
    /// since we went blind.
    fn is_answered_steadily(&self, picture: &Picture, now: Mono) -> bool {
        let paces = confirmed(picture).filter_map(|site| picture.pulse(site));
        let Some(pace) = paces.map(|pulse| picture.pace(pulse).0).min() else { return false };
        let gap = (pace * 5 / 2).max(Duration::from_secs(10));
        let from = now.earlier(DOUBT.max(gap * 2));
        (!self.is_blind() || from >= self.since) && picture.answered.steadily(from, now, gap)
    }

    /// Whether somebody answers all the time, and has just done so unless we were blind before: who
    /// answered until our network failed proves nothing.
    pub(super) fn is_answered_lately(&self, picture: &Picture, now: Mono) -> bool {
        let paces = confirmed(picture).filter_map(|site| picture.pulse(site));
        let Some(pace) = paces.map(|pulse| picture.pace(pulse).0).min() else { return false };
        let lately = now.earlier(DISTRUST.max(pace * 3 / 2));
        self.is_answered_steadily(picture, now)
            && (self.is_blind() || picture.answered.within(lately, now))
    }

    /// How the others do that were asked since a moment. When nobody has answered yet all of them
    /// count.
    fn answering(&self, picture: &Picture, since: Mono) -> Answering {
        let counts = |site: &SiteIx| self.counts(picture, *site, since);
        let nobody_yet = !others(picture).any(|site| counts(&site));
        let mut answering = Answering { asked: 0, alive: 0, witnesses: 0, middle: None };
        let mut silent = Vec::new();
        for site in others(picture).filter(|site| nobody_yet || counts(site)) {
            let known = picture.site(site);
            let asked = known.asked_at >= since;
            answering.asked += usize::from(asked);
            answering.alive += usize::from(known.alive_at >= since);
            let trouble = known.finding.trouble().filter(|trouble| trouble.kind == Kind::Silent);
            silent.extend(trouble.map(|trouble| trouble.since));
            let may_speak = trouble.is_none() && !witness::is_no_witness(picture, site);
            answering.witnesses += usize::from(asked || may_speak);
        }
        silent.sort_unstable();
        answering.middle = silent.get(silent.len() / 2).copied();
        answering
    }

    /// Whether a site's silence since a moment may be due to us: it worked before, as far as we
    /// could see, and has not been silent for longer than faults that belong together.
    fn counts(&self, picture: &Picture, site: SiteIx, since: Mono) -> bool {
        let known = picture.site(site);
        let worked = matches!(known.judged.hard, Health::Up | Health::Degraded)
            || (known.alive_at > Mono::ZERO && known.alive_at >= self.seeing_since);
        let earliest = since.earlier(picture.settings().correlation.window);
        let gone = known
            .finding
            .trouble()
            .is_some_and(|trouble| trouble.kind == Kind::Silent && trouble.since < earliest);
        worked && !gone
    }
}

/// How many of the others were asked since a moment, and how many answered.
#[derive(Debug, Clone, Copy)]
struct Answering {
    asked: usize,
    alive: usize,
    /// Those that were asked or may yet have something to say.
    witnesses: usize,
    /// When half of those that are silent had fallen silent.
    middle: Option<Mono>,
}

/// All sites but ours.
pub(super) fn others(picture: &Picture) -> impl Iterator<Item = SiteIx> {
    let vantage = picture.topology().vantage;
    picture.topology().site_ixs().filter(move |site| Some(*site) != vantage)
}

/// Whether any of the others answered what was asked since a moment.
pub(super) fn anybody_answers(picture: &Picture, since: Mono) -> bool {
    others(picture).any(|site| picture.site(site).alive_at >= since)
}

/// Whether a site was ever seen to work.
fn has_lived(picture: &Picture, site: SiteIx) -> bool {
    let known = picture.site(site);
    known.judged.seen_up || known.alive_at > Mono::ZERO
}

/// Those of the others that have proved alive more than once since we went blind: everything that
/// was known was forgotten then.
fn confirmed(picture: &Picture) -> impl Iterator<Item = SiteIx> {
    let topology = picture.topology();
    let lives = |site: &SiteIx| {
        topology.site(*site).endpoints.iter().any(|endpoint| is_confirmed(picture, *endpoint))
    };
    others(picture).filter(lives)
}

/// Whether a device has proved alive more than once since we went blind. A refused connection is
/// such a proof, although nothing on the device works.
fn is_confirmed(picture: &Picture, endpoint: EndpointIx) -> bool {
    let mut targets = picture.topology().endpoint(endpoint).targets.iter();
    targets.any(|target| picture.target(*target).host.hard == Health::Up)
}

/// When the first of the sites went down, among those that did within the window.
pub(super) fn onset(picture: &Picture, now: Mono) -> Option<Mono> {
    let down = |site: SiteIx| picture.site(site).finding.trouble().filter(|trouble| trouble.down);
    let fresh = now.earlier(picture.settings().correlation.window);
    let since = picture.topology().site_ixs().filter_map(down).map(|trouble| trouble.since);
    since.filter(|at| *at >= fresh).min()
}

/// Whether we fail to ask a device.
pub(super) fn is_mute(picture: &Picture, endpoint: EndpointIx) -> bool {
    picture.reachability(endpoint).all(|target| picture.target(target).streak.is_mute())
}

/// Whether something where we stand has proved alive more than once since we went blind.
fn own_is_confirmed(picture: &Picture) -> bool {
    let topology = picture.topology();
    let own = topology.vantage.map(|site| &topology.site(site).endpoints);
    own.is_some_and(|own| own.iter().any(|endpoint| is_confirmed(picture, *endpoint)))
}

/// Whether nothing answers where we stand.
fn own_is_silent(picture: &Picture) -> bool {
    picture.topology().vantage.is_some_and(|site| picture.site(site).finding.is(Kind::Silent))
}

fn at_least(part: usize, whole: usize) -> bool {
    share(part, whole) >= NEARLY_ALL
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    number(part) / number(whole.max(1))
}
