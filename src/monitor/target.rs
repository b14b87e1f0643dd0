//! What is kept of one target: its health, its counts, its echoes and what people look at.
//!
//! It is one type in one file: one outcome changes nearly all of it, and what of it has to change
//! together is seen side by side.

mod stretch;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::stretch::Stretch;
use super::grade::{GradeRules, PathRecord};
use super::hysteresis::{Sign, Streak};
use super::picture::{Learned, Trust};
use crate::config::Hysteresis;
use crate::model::{
    Brief, Certificate, Detail, Failure, HardState, Health, Mono, Now, Outcome, RemoteFailure,
    Reply, Rollup, ServiceView, Stamp, Standing, TargetKey, TargetView,
};

/// How long what somebody said of a silence is told instead of the silence that follows.
const TOLD_FOR: SignedDuration = SignedDuration::from_secs(60);

/// What is kept of one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    pub(super) streak: Streak,
    /// Whether the device lives, as far as this target shows it: a refusal is a failure and yet a
    /// sign of life.
    pub(super) host: Streak,
    /// When the confirmed health last changed.
    pub(super) since: Option<Stamp>,
    /// Whether it ever worked.
    pub(super) seen_up: bool,
    /// Whether it was down by itself, while its device lived, when we ceased to be able to ask it.
    pub(super) was_out: bool,
    /// The same when we were started, and it has not answered since.
    pub(super) out_at_start: bool,
    /// Whether it was up when we were started, and has not been found down since.
    pub(super) up_at_start: bool,
    /// Whether what fails is its certificate's time. In a row of failures one that says otherwise
    /// is chance.
    pub(super) by_certificate: bool,
    /// Whether the last one said otherwise.
    otherwise: bool,
    /// When the first failure of the present row was asked for.
    pub(super) bad_since: Mono,
    /// When the first failure since the device last proved alive here was asked for, however often
    /// rows were broken off since because we could not ask.
    pub(super) silent_since: Mono,
    /// When the first reply since the last failure was asked for, whatever was begun anew
    /// meanwhile; [`Mono::NEVER`] while it fails.
    answered_since: Mono,
    /// The same when it was last confirmed up.
    pub(super) back_since: Mono,
    /// When the last probe that was answered, and the last that learned anything, was asked for.
    pub(super) good_at: Mono,
    pub(super) asked_at: Mono,
    /// Since when every probe has failed on this machine; none when the last was asked.
    pub(super) unasked_since: Option<Mono>,
    /// When the one before that was asked for.
    pub(super) asked_before: Mono,
    /// When the first of the present row of replies was asked for.
    pub(super) good_since: Mono,
    /// When the last probe was asked whose outcome proved the device alive.
    pub(super) proof_at: Mono,
    /// The echoes, for targets that are pinged.
    pub(super) path: Option<Box<PathRecord>>,
    seen: Seen,
    counts: Counts,
    stretch: Stretch,
}

/// The latest of everything that is shown.
#[derive(Debug, Clone, Default)]
struct Seen {
    rtt: Option<Brief>,
    last: Option<Stamp>,
    /// Shared with what people look at: every snapshot has it.
    last_failure: Option<Arc<(Timestamp, Failure)>>,
    service: Option<Box<Service>>,
    ttl: Option<u8>,
    tos: Option<u8>,
}

/// What only services show. Most targets are none, and there are many.
#[derive(Debug, Clone, Default)]
struct Service {
    /// Shared with what people look at as well.
    shown: Arc<ServiceView>,
    shows_clock: bool,
    ours_set_by_s: Option<i64>,
}

/// Counts since the start of the daemon.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    probes: u32,
    failures: u32,
    local: u32,
    sent: u32,
    lost: u32,
}

impl Watched {
    /// A target that is seen for the first time, or as it was before a restart.
    pub(super) fn new(before: Option<&HardState>, pinged: bool, now: Mono) -> Self {
        Self {
            stretch: Stretch::new(now),
            answered_since: Mono::NEVER,
            streak: Streak::restored(before.map_or(Health::Unknown, |state| state.health)),
            // Of what was down it is not known whether its host was.
            host: Streak::restored(match before.map(|state| state.health) {
                Some(Health::Up) => Health::Up,
                _ => Health::Unknown,
            }),
            since: before.map(|state| state.since.into()),
            seen_up: before.is_some_and(|state| state.seen_up),
            up_at_start: before.is_some_and(|state| state.health == Health::Up),
            path: pinged.then(Box::default),
            ..Self::default()
        }
    }

    /// Takes in an outcome. Failures that are not trusted count as if we had not asked.
    pub(super) fn take_in(
        &mut self,
        outcome: &Outcome,
        rule: &Hysteresis,
        grades: &GradeRules,
        pace: Duration,
        trust: Trust,
    ) -> Learned {
        let asked = outcome.started.mono;
        self.seen.last = Some(outcome.started.wall.into());
        self.count(outcome, trust);
        let mut graded = match &outcome.result {
            Ok(reply) => self.note_reply(reply, asked, grades, pace),
            Err(failure) => {
                self.note_failure(failure, outcome.started.wall);
                false
            }
        };
        let sign = match (&outcome.result, trust) {
            (Ok(_), _) => Sign::Good,
            (Err(Failure::Remote(_)), Trust::Full) => Sign::Bad,
            (Err(Failure::Remote(_)), Trust::Stale) => return Learned::default(),
            (Err(_), _) => Sign::Nothing,
        };
        self.was_out &= sign != Sign::Good;
        self.out_at_start &= sign != Sign::Good;
        if sign != Sign::Nothing {
            self.asked_before = std::mem::replace(&mut self.asked_at, asked);
        }
        if sign == Sign::Bad {
            let late = match &outcome.result {
                Err(Failure::Remote(RemoteFailure::Slow { after_ms, .. })) => {
                    Some(Duration::from_millis(u64::from(*after_ms)))
                }
                _ => None,
            };
            graded |= self.note_silence(asked, outcome.lost, late, grades, pace);
        }
        if trust == Trust::Full {
            self.note_lost(outcome.lost);
        }
        match sign {
            Sign::Good => {
                self.answered_since = self.answered_since.min(asked);
            }
            Sign::Bad => {
                self.answered_since = Mono::NEVER;
                self.note_reason(outcome.result.as_ref().err());
            }
            Sign::Nothing => {}
        }
        let lives = outcome.result.as_ref().err().is_none_or(|f| f.host_alive() == Some(true));
        let host = self.host.step(if lives { Sign::Good } else { sign }, rule);
        let (was, row) = (self.streak.hard, self.streak.bad_in_a_row());
        let mut step = self.streak.step(sign, rule);
        self.up_at_start &= self.streak.hard != Health::Down;
        step.confirm |= host.confirm;
        if step.changed {
            self.since = Some(outcome.started.wall.into());
            if self.streak.hard == Health::Up {
                self.seen_up = true;
                self.back_since = self.answered_since.min(asked);
            }
        }
        if let Some(path) = &mut self.path
            && (step.changed || step.anew)
        {
            path.start_over(self.streak.bad_in_a_row());
        }
        let doubtful = self.path.as_ref().is_some_and(|path| path.is_doubtful());
        let ends_row_of = if sign == Sign::Good { row } else { 0 };
        Learned { was, step, graded, doubtful, ends_row_of }
    }

    /// All that a site is judged by, but for when it was last asked.
    pub(super) fn stand(&self, rules: &GradeRules) -> impl PartialEq + use<> {
        let streak =
            |streak: &Streak| (streak.hard, streak.soft, streak.is_failing(), streak.is_mute());
        let path = self.path.as_ref();
        let path = path.map(|path| (path.grade(), path.is_doubtful(), path.is_known(rules)));
        let rows =
            (self.bad_since, self.good_since, self.seen_up, self.was_out, self.by_certificate);
        (streak(&self.streak), streak(&self.host), rows, path)
    }

    /// Whether it was down by itself when we ceased to be able to ask it, which we still are not.
    pub(super) fn is_still_out(&self) -> bool {
        self.was_out && self.streak.hard == Health::Unknown
    }

    /// Makes rows begin anew: what was seen so far is not to be trusted.
    pub(super) fn start_over(&mut self) {
        self.streak.start_over();
        self.host.start_over();
    }

    /// Takes over another configuration.
    pub(super) fn adapt(&mut self, pinged: bool, before: &GradeRules, rules: &GradeRules) {
        match (&mut self.path, pinged) {
            (Some(path), true) => path.adapt(before, rules),
            (None, true) => self.path = Some(Box::default()),
            (path, false) => *path = None,
        }
    }

    /// Whether echoes to it may show how good the path is: what does not answer at all shows
    /// nothing, however many are sent.
    pub(super) fn shows_path(&self) -> bool {
        self.path.is_some() && self.streak.hard != Health::Down
    }

    /// Whether the path to it loses enough to be worth a closer look.
    pub(super) fn is_suspicious(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.is_suspicious())
    }

    /// Whether its last outcome that learned anything was a reply.
    pub(super) fn is_good(&self) -> bool {
        self.asked_at > Mono::ZERO && self.streak.soft == Health::Up
    }

    /// The failure of the last outcome, unless that was a reply.
    pub(super) fn failure(&self) -> Option<&Failure> {
        let failing = self.streak.is_failing() || self.streak.hard == Health::Down;
        self.seen.last_failure.as_deref().filter(|_| failing).map(|(_, failure)| failure)
    }

    /// The last failure with its moment, kept also after a success.
    pub(super) fn last_failure(&self) -> Option<&(Timestamp, Failure)> {
        self.seen.last_failure.as_deref()
    }

    /// The round trip of the last reply, and when the last outcome came.
    pub(super) fn last_reply(&self) -> (Option<Duration>, Option<Timestamp>) {
        (self.seen.rtt.map(Duration::from), self.seen.last.map(Timestamp::from))
    }

    /// The last certificate seen.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.seen.service.as_ref()?.shown.certificate.as_deref()
    }

    /// The device's clock minus ours, in seconds.
    pub(super) fn clock_offset_s(&self) -> Option<i64> {
        self.seen.service.as_ref()?.shown.clock_offset_s
    }

    /// The device shows no certificate here any more.
    pub(super) fn forget_certificate(&mut self) {
        if let Some(service) = &mut self.seen.service {
            Arc::make_mut(&mut service.shown).certificate = None;
        }
    }

    /// The device shows no clock here any more.
    pub(super) fn forget_clock(&mut self) {
        if let Some(service) = &mut self.seen.service {
            service.shows_clock = false;
            Arc::make_mut(&mut service.shown).clock_offset_s = None;
        }
    }

    /// Whether the device ever showed its clock here.
    pub(super) fn shows_clock(&self) -> bool {
        self.seen.service.as_ref().is_some_and(|service| service.shows_clock)
    }

    /// By how many seconds ours was set since the device's was right by it, if it was since then.
    pub(super) fn ours_set_by_s(&self) -> Option<i64> {
        self.seen.service.as_ref()?.ours_set_by_s
    }

    /// Ours was set: what was seen of the device's is not known any more, only whether it
    /// `was_right` until then.
    pub(super) fn our_clock_was_set(&mut self, by_s: i64, was_right: bool) {
        let before = self.ours_set_by_s().or(was_right.then_some(0));
        if before.is_none() && self.seen.service.is_none() {
            return;
        }
        let service = self.seen.service();
        service.ours_set_by_s = before.map(|before| before.saturating_add(by_s));
        if service.shown.clock_offset_s.is_some() {
            Arc::make_mut(&mut service.shown).clock_offset_s = None;
        }
    }

    /// The device's clock is right by ours.
    pub(super) fn clock_is_right(&mut self) {
        if let Some(service) = &mut self.seen.service {
            service.ours_set_by_s = None;
        }
    }

    /// The confirmed health as it is kept.
    pub(super) fn hard_state(&self, at: Timestamp) -> HardState {
        HardState {
            health: self.streak.hard,
            since: self.since.map_or(at, Timestamp::from),
            began: None,
            seen_up: self.seen_up,
        }
    }

    /// Makes it unknown: nothing is known of it any more.
    pub(super) fn forget_health(&mut self, at: Timestamp) -> bool {
        let known = self.streak.hard != Health::Unknown;
        self.streak = Streak::default();
        self.host = Streak::default();
        if known {
            self.since = Some(at.into());
        }
        known
    }

    /// What people look at.
    pub(super) fn view(&self) -> TargetView {
        TargetView {
            standing: Standing {
                hard: self.streak.hard,
                soft: self.streak.soft,
                since: self.since,
            },
            seen_up: self.seen_up,
            probes: self.counts.probes,
            failures: self.counts.failures,
            local_failures: self.counts.local,
            sent: self.counts.sent,
            lost: self.counts.lost,
            rtt: self.seen.rtt,
            last: self.seen.last,
            last_failure: self.seen.last_failure.clone(),
            failing: self.streak.is_failing(),
            service: self.seen.service.as_ref().map(|service| Arc::clone(&service.shown)),
            ttl: self.seen.ttl,
            tos: self.seen.tos,
        }
    }

    /// Ends the present stretch: its measurements, unless there are none.
    pub(super) fn roll_up(
        &mut self,
        key: impl FnOnce() -> TargetKey,
        rules: &GradeRules,
        now: Now,
    ) -> Option<Rollup> {
        self.stretch.roll_up(key, rules, now)
    }

    /// Counts an outcome, and notes when the target was last answered, could be asked, or proved
    /// its device alive.
    fn count(&mut self, outcome: &Outcome, trust: Trust) {
        let asked = outcome.started.mono;
        match &outcome.result {
            Ok(_) => {
                self.counts.probes += 1;
                self.stretch.probes += 1;
                self.unasked_since = None;
                (self.good_at, self.proof_at) = (asked, asked);
                if self.streak.soft != Health::Up {
                    self.good_since = asked;
                }
            }
            Err(failure @ Failure::Remote(_)) => {
                self.counts.probes += 1;
                self.counts.failures += 1;
                self.stretch.probes += 1;
                self.stretch.failed += 1;
                if trust != Trust::Stale {
                    self.unasked_since = None;
                }
                if failure.host_alive() == Some(true) {
                    self.proof_at = asked;
                }
            }
            Err(Failure::Local(_)) => {
                self.counts.local += 1;
                self.stretch.local += 1;
                self.unasked_since.get_or_insert(asked);
            }
        }
    }

    /// Notes that nothing came back. A row that was made to begin anew is still the same silence,
    /// unless there was a sign of life in between.
    fn note_silence(
        &mut self,
        asked: Mono,
        lost: u16,
        late: Option<Duration>,
        grades: &GradeRules,
        pace: Duration,
    ) -> bool {
        if self.silent_since <= self.proof_at {
            self.silent_since = asked;
        }
        let same = self.streak.hard == Health::Down && self.bad_since > self.proof_at;
        if !self.streak.is_failing() && !same {
            self.bad_since = asked;
        }
        // What does not answer at all has no path to judge. What answers too late to count, again
        // and again, has one of that delay.
        let answers = self.streak.hard != Health::Down;
        match (&mut self.path, late) {
            (Some(path), Some(after)) if !answers => path.late(asked, after, grades, pace),
            (Some(path), _) if answers => {
                path.silent(asked, lost, grades, pace);
                false
            }
            _ => false,
        }
    }

    /// Keeps what a reply shows; whether the judgement on the path changed.
    fn note_reply(
        &mut self,
        reply: &Reply,
        asked: Mono,
        grades: &GradeRules,
        pace: Duration,
    ) -> bool {
        if let Some(rtt) = reply.rtt {
            self.seen.rtt = Some(rtt.into());
            self.stretch.measure(rtt);
        }
        match &reply.detail {
            Detail::Icmp(detail) => {
                self.seen.ttl = detail.ttl;
                self.seen.tos = detail.tos;
                let lost = detail.sent.saturating_sub(detail.received);
                self.counts.sent += u32::from(detail.sent);
                self.counts.lost += u32::from(lost);
                self.stretch.sent += u32::from(detail.sent);
                self.stretch.lost += u32::from(lost);
                if let Some(path) = &mut self.path {
                    return path.answered(asked, detail, grades, pace);
                }
            }
            Detail::Tcp(_) | Detail::H323(_) => {}
            Detail::Http(detail) => {
                self.note_status(detail.status);
                self.note_clock(detail.clock_offset_s);
                self.note_certificate(detail.certificate.as_ref());
            }
            Detail::Sip(detail) => {
                self.note_status(detail.status);
                self.note_clock(detail.clock_offset_s);
                self.note_certificate(detail.certificate.as_ref());
            }
        }
        false
    }

    /// Notes whether it is its certificate that fails.
    fn note_reason(&mut self, failure: Option<&Failure>) {
        let remote = failure.and_then(|failure| match failure {
            Failure::Remote(remote) => Some(remote),
            Failure::Local(_) => None,
        });
        let is = matches!(remote, Some(RemoteFailure::CertificateTime(_)));
        let agrees = is == self.by_certificate;
        self.otherwise = !agrees && !self.otherwise && self.streak.is_failing();
        if !self.otherwise {
            self.by_certificate = is;
        }
    }

    /// Counts echoes that nobody answered, of a probe that failed.
    fn note_lost(&mut self, lost: u16) {
        let down = self.streak.hard == Health::Down;
        self.counts.sent += u32::from(lost);
        self.counts.lost += u32::from(lost);
        self.stretch.sent += u32::from(lost);
        self.stretch.lost += u32::from(lost);
        self.stretch.lost_down += if down { u32::from(lost) } else { 0 };
    }

    /// Keeps the last failure. Silence does not replace what somebody said of the same silence a
    /// short while ago: routers say it seldom, and it is why nothing answers.
    fn note_failure(&mut self, failure: &Failure, at: Timestamp) {
        use RemoteFailure::{CertificateTime, ServiceOut};
        match failure {
            Failure::Remote(CertificateTime(certificate)) => {
                self.note_certificate(Some(certificate));
            }
            Failure::Remote(ServiceOut { status, .. }) => self.note_status(*status),
            _ => {}
        }
        if let Some(last) = &self.seen.last_failure
            && self.streak.is_failing()
            && *failure == Failure::Remote(RemoteFailure::Timeout)
            && matches!(last.1, Failure::Remote(RemoteFailure::Unreachable(_)))
            && last.1.host_alive() != Some(true)
            && at.duration_since(last.0) <= TOLD_FOR
        {
            return;
        }
        // Most failures are like the one before; then only what a snapshot still has is copied.
        match &mut self.seen.last_failure {
            Some(last) if last.1 == *failure => Arc::make_mut(last).0 = at,
            other => *other = Some(Arc::new((at, failure.clone()))),
        }
    }

    fn note_status(&mut self, status: u16) {
        let shown = &mut self.seen.service().shown;
        if shown.status != Some(status) {
            Arc::make_mut(shown).status = Some(status);
        }
    }

    fn note_clock(&mut self, offset_s: Option<i64>) {
        if offset_s.is_some() {
            let service = self.seen.service();
            service.shows_clock = true;
            if service.shown.clock_offset_s != offset_s {
                Arc::make_mut(&mut service.shown).clock_offset_s = offset_s;
            }
        }
    }

    fn note_certificate(&mut self, certificate: Option<&Certificate>) {
        let Some(certificate) = certificate else { return };
        let shown = &mut self.seen.service().shown;
        if shown.certificate.as_deref() != Some(certificate) {
            Arc::make_mut(shown).certificate = Some(Arc::new(certificate.clone()));
        }
    }
}

impl Seen {
    /// What a service shows, from now on if nothing did before.
    fn service(&mut self) -> &mut Service {
        self.service.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::QualitySettings;
    use crate::model::{
        Effort, IcmpDetail, IcmpError, LocalFailure, ProbeRequest, RttList, TargetIx, Trigger,
        Unreachable,
    };

    const RULE: Hysteresis = Hysteresis { fail_after: 3, recover_after: 2 };

    fn outcome(second: u64, lost: u16, result: Result<Reply, Failure>) -> Outcome {
        let mono = Mono::ZERO + Duration::from_secs(second);
        let request = ProbeRequest {
            generation: 1,
            target: TargetIx::new(0),
            trigger: Trigger::Scheduled,
            effort: Effort::Normal,
            due: mono,
        };
        let started = Now { mono, wall: Timestamp::UNIX_EPOCH };
        Outcome { request, started, finished: mono, lost, heard: None, result }
    }

    #[test]
    fn of_one_silence_what_somebody_said_of_it_is_told_for_a_while() {
        let rules = GradeRules::new(&QualitySettings::default());
        let mut target = Watched::new(None, true, Mono::ZERO);
        let mut told = |second: i64, failure: Option<RemoteFailure>| {
            let rtts = RttList::One(Duration::from_millis(9));
            let detail =
                IcmpDetail { sent: 1, received: 1, rtts, ttl: None, tos: None, duplicates: 0 };
            let result = match failure {
                Some(failure) => Err(Failure::Remote(failure)),
                None => Ok(Reply { rtt: None, detail: Detail::Icmp(detail) }),
            };
            let mut outcome = outcome(u64::try_from(second).unwrap(), 1, result);
            outcome.started.wall = Timestamp::from_second(second).unwrap();
            target.take_in(&outcome, &RULE, &rules, Duration::from_secs(1), Trust::Full);
            target.failure().map(Failure::word)
        };
        let gone =
            IcmpError { kind: Unreachable::Host, icmp_type: 3, icmp_code: 1, offender: None };
        assert_eq!(told(1, Some(RemoteFailure::Timeout)), Some("timeout"));
        assert_eq!(told(2, Some(RemoteFailure::Unreachable(gone))), Some("host-unreachable"));
        assert_eq!(told(3, Some(RemoteFailure::Timeout)), Some("host-unreachable"));
        assert_eq!(told(4, Some(RemoteFailure::Closed)), Some("closed"), "it lives");
        assert_eq!(told(5, Some(RemoteFailure::Timeout)), Some("timeout"));
        assert_eq!(told(6, Some(RemoteFailure::Unreachable(gone))), Some("host-unreachable"));
        assert_eq!(told(66, Some(RemoteFailure::Timeout)), Some("host-unreachable"));
        assert_eq!(told(67, Some(RemoteFailure::Timeout)), Some("timeout"), "it was long ago");
        assert_eq!(told(68, Some(RemoteFailure::Unreachable(gone))), Some("host-unreachable"));
        told(69, None);
        told(70, None);
        assert_eq!(told(71, Some(RemoteFailure::Timeout)), Some("timeout"), "another silence");
    }

    #[test]
    fn a_train_that_failed_counts_its_echoes_and_not_what_we_missed() {
        let rules = GradeRules::new(&QualitySettings::default());
        let mut target = Watched::new(None, true, Mono::ZERO);
        let mut take_in = |outcome: Outcome, trust| {
            target.take_in(&outcome, &RULE, &rules, Duration::from_secs(1), trust);
            (target.counts.sent, target.counts.lost)
        };
        let rtts = RttList::Many(vec![Duration::from_millis(9); 50].into());
        let detail =
            IcmpDetail { sent: 50, received: 50, rtts, ttl: None, tos: None, duplicates: 0 };
        let reply = Reply { rtt: None, detail: Detail::Icmp(detail) };
        for second in 1..=3 {
            take_in(outcome(second, 0, Ok(reply.clone())), Trust::Full);
        }
        let timeout = || Err(Failure::Remote(RemoteFailure::Timeout));
        assert_eq!(take_in(outcome(4, 50, timeout()), Trust::Full), (200, 50), "a quarter");
        assert_eq!(take_in(outcome(5, 50, timeout()), Trust::None), (200, 50), "not believed");
        let late = Err(Failure::Local(LocalFailure::Late));
        assert_eq!(take_in(outcome(6, 1, late), Trust::Full), (201, 51));
        let quality = target.path.as_ref().unwrap().quality(&rules).unwrap();
        // Those since it was confirmed to be up, one that was answered and one that was not.
        assert!((quality.loss - 0.5).abs() < 1e-9, "{quality:?}");
    }
}
