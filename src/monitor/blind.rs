//! Whether we can see: our own network, clock, machine and load, judged before anybody else is.

mod distrust;
mod doubt;
mod silence;
mod unasked;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::distrust::Distrust;
pub(super) use self::doubt::Whose;
pub(super) use self::unasked::before_the_doubt;
use super::picture::{Picture, Trust};
use super::worst::Worst;
use crate::model::{
    Ailment, Detail, EngineHealth, Failure, LocalFailure, Mono, Now, Outcome, Part, RemoteFailure,
    SelfDoubt, Strain, micros,
};

/// A wall clock that moved this much against the monotonic one was set.
const STEP: Duration = Duration::from_secs(5);
/// Time between two readings that are compared.
const CLOCKS_EVERY: Duration = Duration::from_secs(1);
/// After a step the clock must run evenly for this long.
const SETTLES_AFTER: Duration = Duration::from_secs(5);
/// Share of local failures among the latest outcomes from which we are blind, and below which we
/// see again.
const LOCAL: (f32, f32) = (0.6, 0.3);
/// Share of echoes that the kernel dropped on our side from which timeouts are not believed.
const DROPPED: f64 = 0.01;
/// While our gateway is silent and nobody else has been heard either, nothing is decided for this
/// long: those who are asked by connections, or seldom, take a while to be silent for a fact.
const DOUBT: Duration = Duration::from_secs(60);
/// Lost echoes are not believed for this long after the engine was in trouble.
const DISTRUST: Duration = Duration::from_secs(3);
/// What strained the engine counts together while no more than this lies between.
const TOGETHER: Duration = Duration::from_secs(30);
/// An engine that sends this late does not keep up.
const LATE: Duration = Duration::from_secs(1);
/// How long a part that was in trouble before a restart may take to find that it still is: every
/// channel has to fail for half of it, every name is asked for once.
const TRIES_FOR: Duration = Duration::from_secs(60);

/// What we know of ourselves.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Running share of outcomes that were our own failures.
    local: f32,
    /// Weight of one outcome in that share.
    weight: f32,
    /// The last such failure, for words.
    last_local: Option<LocalFailure>,
    engine: EngineHealth,
    /// How late it sends.
    lateness: Worst,
    /// Lost echoes are not believed before this moment.
    distrust_until: Mono,
    /// When that was so.
    distrust: Distrust,
    /// What the engine was strained by of late, and when that was last so.
    strain: (Strain, Mono),
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
    /// When a name server answered again.
    resolving_since: Mono,
    /// Those that were before a restart: until when they may not have tried yet, and whether they
    /// say that they are well.
    untried: BTreeMap<Part, (Mono, bool)>,
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
            lateness: Worst::default(),
            distrust_until: Mono::ZERO,
            distrust: Distrust::default(),
            strain: (Strain::default(), Mono::ZERO),
            sees_since: Mono::ZERO,
            seeing_since: Mono::ZERO,
            clocks: None,
            step: None,
            parts: BTreeMap::new(),
            resolving_since: Mono::ZERO,
            untried: BTreeMap::new(),
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

    /// The same of a part of this program. It knows nothing of its trouble until it has tried, so
    /// that it is well is not believed at once.
    pub(super) fn remember_part(&mut self, part: Part, trouble: Ailment, now: Mono) {
        self.parts.insert(part, trouble);
        self.untried.insert(part, (now + TRIES_FOR, false));
    }

    /// Takes in how a part does; whether that is news.
    pub(super) fn note_part(&mut self, part: Part, trouble: Option<Ailment>, now: Mono) -> bool {
        let was = self.parts.contains_key(&part);
        if let Some(trouble) = trouble {
            self.parts.insert(part, trouble);
            self.untried.remove(&part);
        } else if let Some((_, well)) = self.untried.get_mut(&part) {
            *well = true;
        } else {
            self.is_well(part, now);
        }
        was != self.parts.contains_key(&part)
    }

    /// Believes those that are well and have had the time to try.
    pub(super) fn believe_parts(&mut self, now: Mono) {
        let tried: Vec<_> = self.untried.extract_if(.., |_, (until, _)| now >= *until).collect();
        for (part, (_, well)) in tried {
            if well {
                self.is_well(part, now);
            }
        }
    }

    fn is_well(&mut self, part: Part, now: Mono) {
        if self.parts.remove(&part).is_some() && part == Part::Resolver {
            self.resolving_since = now;
        }
    }

    /// Takes over another number of targets.
    pub(super) fn resize(&mut self, targets: usize) {
        self.weight = weight(targets);
    }

    pub(super) fn is_blind(&self) -> bool {
        !self.blind.is_empty()
    }

    /// How far a failure may be believed.
    ///
    /// 1. Not at all while we are blind.
    /// 2. What was asked before we saw again says nothing about now.
    /// 3. While the engine is in trouble lost echoes have to be asked again. Whatever else failed
    ///    is no matter of the engine, and what a router says of an echo was not missed.
    pub(super) fn trust(&self, outcome: &Outcome, now: Mono) -> Trust {
        let is_lost = outcome.lost > 0
            && matches!(
                outcome.result,
                Err(Failure::Remote(RemoteFailure::Timeout | RemoteFailure::Slow { .. }))
            );
        if self.is_blind() {
            Trust::None
        } else if outcome.started.mono < self.sees_since || (is_lost && now < self.distrust_until) {
            Trust::Stale
        } else {
            Trust::Full
        }
    }

    /// When what is not believed is to be asked again at the earliest.
    pub(super) const fn distrusts_until(&self) -> Mono {
        self.distrust_until
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

    /// Takes in how the echo engine does. When the kernel dropped replies on our side, or the
    /// engine sends far too late, lost echoes of this while are not believed. A pause is no reason:
    /// the replies waited in the buffer meanwhile, and of what it could not see the engine itself
    /// says that it is not known.
    pub(super) fn note_engine(&mut self, health: EngineHealth, now: Mono) {
        let before = std::mem::replace(&mut self.engine, health);
        let grew = |new: u64, old: u64| new.saturating_sub(old);
        let sent = grew(health.sent, before.sent);
        let dropped = grew(health.socket_drops, before.socket_drops);
        let share = |part: u64, whole: u64| {
            let number = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
            number(part) / number(whole.max(1))
        };
        self.lateness.note(now, self.engine.worst_lateness);
        let missed = grew(health.missed_ticks, before.missed_ticks);
        self.note_strain(dropped, missed, now);
        let drops = dropped >= 3 && share(dropped, sent) >= DROPPED;
        if drops || self.engine.worst_lateness >= LATE {
            self.distrust_until = now + DISTRUST;
            self.distrust.note(now, self.distrust_until);
        }
    }

    /// Adds up what strains the engine, for whoever is told that it is not trusted.
    fn note_strain(&mut self, dropped: u64, missed: u64, now: Mono) {
        let late = self.engine.worst_lateness;
        if dropped == 0 && missed == 0 && late < LATE {
            return;
        }
        let (strain, last) = &mut self.strain;
        if now - std::mem::replace(last, now) > TOGETHER {
            *strain = Strain::default();
        }
        let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        strain.late_ms = strain.late_ms.max(micros(late) / 1_000);
        strain.missed_ticks = strain.missed_ticks.saturating_add(small(missed));
        strain.dropped = strain.dropped.saturating_add(small(dropped));
        strain.buffer_kib = self.engine.receive_buffer / 1_024;
    }

    /// Why the engine is not trusted, in figures of when that began.
    fn strained(&self, reason: Blindness) -> SelfDoubt {
        match self.blind.get(&reason) {
            Some(known @ SelfDoubt::EngineStrained(_)) => known.clone(),
            _ => SelfDoubt::EngineStrained(self.strain.0),
        }
    }

    /// How the echo engine does, with the worst lateness of the last minute.
    pub(super) fn engine(&mut self, now: Mono) -> EngineHealth {
        EngineHealth { worst_lateness: self.lateness.get(now), ..self.engine }
    }

    /// Compares the clocks. By how many seconds the wall clock was set, if it was.
    pub(super) fn note_clocks(&mut self, now: Now) -> Option<i64> {
        let mut set = None;
        if let Some((mono, wall)) = self.clocks {
            let moved = moved(Now { mono, wall }, now);
            if moved.unsigned_abs() > STEP {
                let by_s = whole_seconds(moved);
                self.step = Some((by_s, now.mono + SETTLES_AFTER));
                set = Some(by_s);
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
    ///    or none that we can ask, everything behind the gateway is silent too. A gateway that we
    ///    fail to ask may be dead.
    /// 2. Where no gateway is known, or ours keeps quiet while others answer, nearly everything
    ///    falling silent is taken for our own network too: we cannot tell, and 117 alerts would
    ///    help nobody.
    ///
    ///    For both only those sites count that [answered](Self::counts) before: what was never
    ///    connected, or has been dead for long, says nothing by being silent. And while somebody
    ///    still answers though most have fallen silent, it is them and not us.
    /// 3. Most of the latest outcomes are our own failures, and nobody answers beside them: while
    ///    somebody does all the time, we only fail to ask the others. Where they were asked and we
    ///    were too slow to see the answers, it is the engine that is strained.
    /// 4. Too much of the last while the engine was in trouble: for all of it together lost echoes
    ///    were not believed, so that nobody could be found dead.
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
        if self.local >= local && !self.is_answered_lately(picture, now) {
            let doubt = match &self.last_local {
                // Nobody keeps us from asking: it is us who are too slow to, or to see the answers.
                Some(LocalFailure::Late) => self.strained(Blindness::Local),
                Some(failure) => {
                    let how = Failure::Local(failure.clone()).word().to_owned();
                    SelfDoubt::ProbesFail { how }
                }
                None => SelfDoubt::ProbesFail { how: "local".to_owned() },
            };
            reasons.insert(Blindness::Local, doubt);
        }
        let already = self.blind.contains_key(&Blindness::Engine);
        if self.distrust.is_too_much(already, now) {
            reasons.insert(Blindness::Engine, self.strained(Blindness::Engine));
        } else if already {
            // What was not trusted before counts no more, or we would be blind again at once.
            self.distrust = Distrust::default();
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
}

/// How far the wall clock moved against the monotonic one.
fn moved(before: Now, now: Now) -> SignedDuration {
    now.wall.duration_since(before.wall_at(now.mono))
}

/// To the nearest second, as people are told it: a step of three minutes is measured as a little
/// less or more.
fn whole_seconds(time: SignedDuration) -> i64 {
    let half = SignedDuration::from_millis(500);
    (if time.is_negative() { time - half } else { time + half }).as_secs()
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

/// The weight of one outcome among those of a round of `targets`.
fn weight(targets: usize) -> f32 {
    1.0 / f32::from(u16::try_from(targets).unwrap_or(u16::MAX).clamp(8, 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_the_clock_is_told_to_the_nearest_second() {
        let seconds = |ms| whole_seconds(SignedDuration::from_millis(ms));
        assert_eq!([179_900, 180_100, -179_900, -180_100].map(seconds), [180, 180, -180, -180]);
    }
}
