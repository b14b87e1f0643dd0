//! Whether we can see: our own network, clock, machine and load, judged before anybody else is.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::picture::{Picture, Trust};
use super::site::{self, Kind, Life, Trouble};
use super::witness;
use crate::model::{
    Ailment, Detail, EndpointIx, EngineHealth, Failure, Health, LocalFailure, Mono, Now, Outcome,
    Part, SelfDoubt, SiteIx,
};

/// A wall clock that moved this much against the monotonic one was set.
const STEP: Duration = Duration::from_secs(5);
/// Time between two readings that are compared.
const CLOCKS_EVERY: Duration = Duration::from_secs(1);
/// After a step the clock must run evenly for this long.
const SETTLES_AFTER: Duration = Duration::from_secs(5);
/// Share of the sites asked that must be silent for the fault to be ours.
const NEARLY_ALL: f64 = 0.9;
/// Share of the sites that answer again from which we can see.
const SOME: f64 = 0.2;
/// Fewest sites that must have been asked.
const FEWEST: usize = 5;
/// Share of local failures among the latest outcomes from which we are blind, and below which we
/// see again.
const LOCAL: (f32, f32) = (0.6, 0.3);
/// Share of echoes that the kernel dropped on our side from which timeouts are not believed.
const DROPPED: f64 = 0.01;
/// While our gateway is silent and nobody else has been heard either, nothing is decided for this
/// long: those who are asked by connections, or seldom, take a while to be silent for a fact.
const DOUBT: Duration = Duration::from_secs(60);
/// Timeouts are not believed for this long after the engine was in trouble.
const DISTRUST: Duration = Duration::from_secs(3);
/// A failed probe that started this late says more about us than about its target.
const LATE: Duration = Duration::from_secs(1);

/// What we know of ourselves.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Running share of outcomes that were our own failures.
    local: f32,
    /// Weight of one outcome in that share.
    weight: f32,
    /// The last such failure, for words.
    last_local: Option<LocalFailure>,
    pub(super) engine: EngineHealth,
    /// Failures are not believed before this moment.
    distrust_until: Mono,
    /// Since when failures have not been believed.
    distrust_since: Option<Mono>,
    /// What failed may have failed because of us if it was asked before this moment: we could not
    /// see until then, or our gateway did not answer.
    sees_since: Mono,
    /// Since when we see, or have seen again.
    seeing_since: Mono,
    /// The last reading of both clocks.
    clocks: Option<(Mono, Timestamp)>,
    /// The last step of the wall clock in seconds, and until when it matters.
    step: Option<(i64, Mono)>,
    /// Parts of this program in trouble.
    pub(super) parts: BTreeMap<Part, Ailment>,
    /// Why we are blind, and since when.
    pub(super) blind: BTreeMap<Blindness, SelfDoubt>,
    pub(super) since: Mono,
}

/// Why we cannot see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Blindness {
    /// Our gateway is silent, and nearly everything with it.
    Gateway,
    /// Nearly everything is silent, and there is no gateway to ask.
    Everything,
    /// Most probes fail on this machine.
    Local,
    /// The echo engine does not keep up.
    Engine,
    /// The clock was set.
    Clock,
}

impl Sight {
    /// We see, as far as we know. `targets` is how many outcomes make a round.
    pub(super) fn new(targets: usize) -> Self {
        Self {
            local: 0.0,
            weight: weight(targets),
            last_local: None,
            engine: EngineHealth::default(),
            distrust_until: Mono::ZERO,
            distrust_since: None,
            sees_since: Mono::ZERO,
            seeing_since: Mono::ZERO,
            clocks: None,
            step: None,
            parts: BTreeMap::new(),
            blind: BTreeMap::new(),
            since: Mono::ZERO,
        }
    }

    /// Takes up a doubt from before a restart: who could not see does not see yet. That all was
    /// silent is known, and what of it was silent for which reason is not to be learned anew.
    pub(super) fn remember(&mut self, doubt: &SelfDoubt, has_gateway: bool, now: Mono) {
        let reason = match doubt {
            SelfDoubt::GatewaySilent { .. } | SelfDoubt::GatewayUnasked { .. } if has_gateway => {
                Blindness::Gateway
            }
            SelfDoubt::NobodyAnswers => Blindness::Everything,
            // Whatever else there is shows at once if it is still so.
            _ => return,
        };
        self.blind.insert(reason, doubt.clone());
        self.since = now;
    }

    /// Takes over another number of targets.
    pub(super) fn resize(&mut self, targets: usize) {
        self.weight = weight(targets);
    }

    pub(super) fn is_blind(&self) -> bool {
        !self.blind.is_empty()
    }

    /// How far a failure may be believed.
    pub(super) fn trust(&self, outcome: &Outcome, now: Mono) -> Trust {
        if self.is_blind() || now < self.distrust_until || outcome.lateness() >= LATE {
            Trust::None
        } else if outcome.started.mono < self.sees_since {
            Trust::Stale
        } else {
            Trust::Full
        }
    }

    /// Notes that what was asked from this moment on was asked with open eyes.
    pub(super) fn sees_from(&mut self, at: Mono) {
        self.sees_since = self.sees_since.max(at);
    }

    /// Counts an outcome. Names that do not resolve are not a matter of this machine's network.
    pub(super) fn note_outcome(&mut self, outcome: &Outcome) {
        let local = match &outcome.result {
            Err(Failure::Local(
                LocalFailure::Unresolved(_) | LocalFailure::NoSuchName(_) | LocalFailure::Stopping,
            )) => return,
            Err(Failure::Local(failure)) => {
                if self.last_local.as_ref() != Some(failure) {
                    self.last_local = Some(failure.clone());
                }
                1.0
            }
            _ => 0.0,
        };
        self.local += (local - self.local) * self.weight;
    }

    /// Takes in how the echo engine does. When it missed its ticks, or the kernel dropped replies
    /// on our side, timeouts of this while are not believed.
    pub(super) fn note_engine(&mut self, health: EngineHealth, now: Mono) {
        let before = std::mem::replace(&mut self.engine, health);
        let grew = |new: u64, old: u64| new.saturating_sub(old);
        let sent = grew(health.sent, before.sent);
        let dropped = grew(health.socket_drops, before.socket_drops);
        let missed = grew(health.missed_ticks, before.missed_ticks);
        let share = |part: u64, whole: u64| {
            let number = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            number(part) / number(whole.max(1))
        };
        if missed > 0 || (dropped >= 3 && share(dropped, sent) >= DROPPED) {
            if now >= self.distrust_until {
                self.distrust_since = Some(now);
            }
            self.distrust_until = now + DISTRUST;
        }
    }

    /// Compares the clocks. By how many seconds the wall clock was set, if it was.
    pub(super) fn note_clocks(&mut self, now: Now) -> Option<i64> {
        let mut set = None;
        if let Some((mono, wall)) = self.clocks {
            let moved = moved(Now { mono, wall }, now);
            if moved.unsigned_abs() > STEP {
                self.step = Some((moved.as_secs(), now.mono + SETTLES_AFTER));
                set = Some(moved.as_secs());
            } else if now.mono - mono < CLOCKS_EVERY {
                // Seldom enough for a clock that is turned slowly to be seen turning.
                return None;
            }
        }
        self.clocks = Some((now.mono, now.wall));
        set
    }

    /// Whether we are blind, and why.
    ///
    /// 1. Our gateway is dead and nearly all the sites asked since have been silent as well: it is
    ///    our own network. While others answer, the gateway just does not answer echoes. Those that
    ///    have been silent for a fact before need not be asked again. Where there are no others,
    ///    everything behind the gateway is silent too. A gateway that we fail to ask may be dead.
    /// 2. Where no gateway is known, or ours keeps quiet while others answer, nearly everything
    ///    falling silent is taken for our own network too: we cannot tell, and 117 alerts would
    ///    help nobody.
    ///
    ///    For both only those sites count that [answered](Self::counts) before: what was never
    ///    connected, or has been dead for long, says nothing by being silent. And while somebody
    ///    still answers though most have fallen silent, it is them and not us.
    /// 3. Most of the latest outcomes are our own failures.
    /// 4. The engine has not kept up for a while.
    /// 5. The wall clock was set: what was known may be older than it seems.
    ///
    /// We see again when the gateway or some sites are confirmed to answer, however few they are
    /// if they do for long, when most probes can be made, when the clock runs evenly. Gives whether
    /// blindness came or went.
    pub(super) fn look(&mut self, picture: &Picture, now: Mono) -> bool {
        let was_blind = self.is_blind();
        let mut reasons = BTreeMap::new();
        if let Some((reason, doubt)) = self.silence(picture, now) {
            reasons.insert(reason, doubt);
        }
        let local = if self.blind.contains_key(&Blindness::Local) { LOCAL.1 } else { LOCAL.0 };
        if self.local >= local {
            let why = self.last_local.as_ref().map(|failure| Failure::Local(failure.clone()));
            let why = why.as_ref().map_or("local", Failure::word);
            reasons.insert(Blindness::Local, SelfDoubt::ProbesFail { how: why.to_owned() });
        }
        let long = |since: Mono| now - since >= DISTRUST * 3;
        if now < self.distrust_until && self.distrust_since.is_some_and(long) {
            reasons.insert(Blindness::Engine, SelfDoubt::EngineLate);
        }
        if let Some((by_s, _)) = self.step.filter(|(_, until)| now < *until) {
            reasons.insert(Blindness::Clock, SelfDoubt::ClockSet { by_s });
        }
        self.blind = reasons;
        match (was_blind, self.is_blind()) {
            (false, true) => self.since = now,
            (true, false) => self.seeing_since = now,
            _ => {}
        }
        self.is_blind() != was_blind
    }

    /// The sites of which we fail to ask a device, each with the word for why if it is known, once
    /// that is so of one for longer than anything is held in doubt: the others share its fate.
    /// Where no name server answers, that is an incident of its own; a name that nobody knows is
    /// missed only where it was known before.
    pub(super) fn unasked<'a>(
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
        let targets = &picture.topology().endpoint(endpoint).targets;
        if !targets.iter().all(|ix| picture.target(*ix).unasked_since.is_some()) {
            return None;
        }
        // Services have their turn less often than the host they run on.
        let hosts = || picture.reachability(endpoint).map(|ix| picture.target(ix));
        if hosts().any(|host| host.streak.hard != Health::Unknown) {
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

    /// Whether it is known that we see: our gateway or some of the others answer, or at least one
    /// of them does all the time. After a start it has to be learned first.
    pub(super) fn sees(&self, picture: &Picture, now: Mono) -> bool {
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

    /// Whether somebody has answered all the time for longer than anything is held in doubt, and
    /// since we went blind.
    fn is_answered_steadily(&self, picture: &Picture, now: Mono) -> bool {
        let paces = confirmed(picture).filter_map(|site| picture.pulse(site));
        let Some(pace) = paces.map(|pulse| picture.pace(pulse).0).min() else { return false };
        let gap = (pace * 5 / 2).max(Duration::from_secs(10));
        let from = now.earlier(DOUBT.max(gap * 2));
        (!self.is_blind() || from >= self.since) && picture.answered.steadily(from, now, gap)
    }

    /// Whether it may soon turn out that we are blind: our gateway does not answer, and nobody
    /// has been heard since, for a short while now.
    pub(super) fn is_in_doubt(picture: &Picture, now: Mono) -> bool {
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
    pub(super) fn may_be_ours(
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

    /// Rules 1 and 2 of [`look`](Self::look).
    fn silence(&self, picture: &Picture, now: Mono) -> Option<(Blindness, SelfDoubt)> {
        for reason in [Blindness::Gateway, Blindness::Everything] {
            // A gateway that was taken out of the configuration is silent no longer.
            let stands = reason == Blindness::Everything || picture.gateway().is_some();
            if let Some(doubt) = self.blind.get(&reason).filter(|_| stands) {
                return (!self.sees(picture, now)).then(|| (reason, doubt.clone()));
            }
        }
        let silent_enough = |Answering { asked, alive, witnesses, middle }| {
            let alone = others(picture).next().is_none() && own_is_silent(picture);
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

/// A moment from which on nothing is held in doubt any more.
pub(super) fn before_the_doubt(now: Mono) -> Mono {
    now.earlier(DOUBT)
}

/// How far the wall clock moved against the monotonic one.
fn moved(before: Now, now: Now) -> SignedDuration {
    now.wall.duration_since(before.wall_at(now.mono))
}

/// Whether our clock was not set between two moments.
pub(super) fn is_one_time(before: Now, now: Now) -> bool {
    moved(before, now).unsigned_abs() <= STEP
}

/// The same outcome without what it shows of the device's clock.
pub(super) fn without_clock(mut outcome: Outcome) -> Outcome {
    if let Ok(reply) = &mut outcome.result {
        match &mut reply.detail {
            Detail::Http(detail) => detail.clock_offset_s = None,
            Detail::Sip(detail) => detail.clock_offset_s = None,
            Detail::Icmp(_) | Detail::Tcp(_) | Detail::H323(_) => {}
        }
    }
    outcome
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
fn others(picture: &Picture) -> impl Iterator<Item = SiteIx> {
    let vantage = picture.topology().vantage;
    picture.topology().site_ixs().filter(move |site| Some(*site) != vantage)
}

/// Whether any of the others answered what was asked since a moment.
fn anybody_answers(picture: &Picture, since: Mono) -> bool {
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
fn onset(picture: &Picture, now: Mono) -> Option<Mono> {
    let down = |site: SiteIx| picture.site(site).finding.trouble().filter(|trouble| trouble.down);
    let fresh = now.earlier(picture.settings().correlation.window);
    let since = picture.topology().site_ixs().filter_map(down).map(|trouble| trouble.since);
    since.filter(|at| *at >= fresh).min()
}

/// Whether we fail to ask a device.
fn is_mute(picture: &Picture, endpoint: EndpointIx) -> bool {
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

/// The weight of one outcome among those of a round of `targets`.
fn weight(targets: usize) -> f32 {
    1.0 / f32::from(u16::try_from(targets).unwrap_or(u16::MAX).clamp(8, 64))
}

fn at_least(part: usize, whole: usize) -> bool {
    share(part, whole) >= NEARLY_ALL
}

fn share(part: usize, whole: usize) -> f64 {
    let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    number(part) / number(whole.max(1))
}
