//! One outcome that does not fit the rest, of every kind that a probe can come back with.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use jiff::SignedDuration;
use vchealth::lab::world::{Dice, Nature, World};
use vchealth::model::{
    Certificate, CheckKind, Detail, Effort, Failure, IcmpDetail, IcmpError, Now, Reached,
    RemoteFailure, Reply, RttList, TargetIx, Unreachable,
};

use super::drawn::History;
use super::tally::Tally;
use super::{play, run_of, told};
use crate::simulate::run::Run;

/// A service that is asked once a minute is down for a fact after three.
const SETTLED: Duration = Duration::from_secs(400);
/// Everybody is asked at least once within this time, and what comes of it has become of it.
const SEEN_WITHIN: Duration = Duration::from_secs(150);
/// How many odd outcomes there are in a history, one after the other.
const ONES: usize = 3;
/// What must have been seen for the property to mean something.
pub(super) const SEEN: [&str; 19] = [
    "odd: timeout",
    "odd: slow",
    "odd: refused",
    "odd: closed",
    "odd: stalled",
    "odd: host-unreachable",
    "odd: net-unreachable",
    "odd: port-unreachable",
    "odd: prohibited",
    "odd: time-exceeded",
    "odd: malformed",
    "odd: service-out",
    "odd: unexpected",
    "odd: tls",
    "odd: certificate-time",
    "odd: good",
    "odd: half of a train lost",
    "odd: a clock an hour off",
    "sites that are down",
];
/// A reply by which a device's clock is wrong.
const CLOCK: &str = "a clock an hour off";

/// An outcome that does not fit the rest, and what it is.
fn odd(run: &Run, ix: TargetIx, now: Now, dice: &mut Dice) -> (String, Result<Reply, Failure>) {
    let topology = &run.topology;
    let mut from = |n: usize| usize::try_from(dice.up_to(n as u64 - 1)).unwrap();
    let kind = &topology.check_of(ix).kind;
    let unreachable = [
        (Unreachable::Net, 0),
        (Unreachable::Host, 1),
        (Unreachable::Protocol, 2),
        (Unreachable::Port, 3),
        (Unreachable::TooBig { mtu: 1400 }, 4),
        (Unreachable::Prohibited, 13),
        (Unreachable::TimeExceeded, 0),
        (Unreachable::Other, 5),
    ][from(8)];
    let offender = &topology.endpoints[from(topology.endpoints.len())];
    let unreachable = RemoteFailure::Unreachable(IcmpError {
        icmp_type: if unreachable.0 == Unreachable::TimeExceeded { 11 } else { 3 },
        icmp_code: unreachable.1,
        offender: offender.host.to_string().parse().ok(),
        kind: unreachable.0,
    });
    let slow = RemoteFailure::slow(Duration::from_millis(1400), Duration::from_secs(1));
    let words = || "made up".to_owned();
    let out = RemoteFailure::ServiceOut { status: 503, reason: words() };
    let everywhere = [RemoteFailure::Timeout, slow, unreachable];
    let reached = [Reached::Connected, Reached::Sent, Reached::Answering][from(3)];
    let stalled = RemoteFailure::Stalled { reached, limit_ms: 1_000 };
    let connected = [RemoteFailure::Refused, RemoteFailure::Closed, stalled];
    let spoken = [
        out,
        RemoteFailure::Malformed(words()),
        RemoteFailure::Unexpected(words()),
        RemoteFailure::Tls(words()),
    ];
    let mut failures: Vec<RemoteFailure> = everywhere.into();
    if !matches!(kind, CheckKind::Icmp(_)) {
        failures.extend(connected);
    }
    if matches!(kind, CheckKind::Http(_) | CheckKind::Sip(_)) {
        failures.extend(spoken);
        if shows_certificate(run, ix, now) {
            failures.push(RemoteFailure::CertificateTime(Box::new(certificate(now))));
        }
    } else if matches!(kind, CheckKind::H323(_)) {
        failures.push(RemoteFailure::Malformed(words()));
    }
    // One in four is a reply.
    if from(4) > 0 {
        let failure = Failure::Remote(failures.swap_remove(from(failures.len())));
        return (failure.word().to_owned(), Err(failure));
    }
    let mut world = World::new(topology.clone(), Nature::default());
    let mut result = world.probe(now, ix, Effort::Normal).result;
    let mut word = "good";
    if let Ok(reply) = &mut result {
        let is_odd = from(2) > 0;
        match &mut reply.detail {
            Detail::Icmp(detail) if is_odd => {
                word = "half of a train lost";
                let rtts = RttList::Many(vec![Duration::from_millis(8); 5].into());
                *detail = IcmpDetail { sent: 10, received: 5, rtts, ..detail.clone() };
            }
            Detail::Http(detail) if is_odd => {
                word = CLOCK;
                detail.clock_offset_s = Some(3600);
            }
            Detail::Sip(detail) if is_odd => {
                word = CLOCK;
                detail.clock_offset_s = Some(-3600);
            }
            _ => {}
        }
    }
    (word.to_owned(), result)
}

/// Whether a target shows a certificate when all is well.
fn shows_certificate(run: &Run, ix: TargetIx, now: Now) -> bool {
    let mut world = World::new(run.topology.clone(), Nature::default());
    match world.probe(now, ix, Effort::Normal).result.map(|reply| reply.detail) {
        Ok(Detail::Http(detail)) => detail.certificate.is_some(),
        Ok(Detail::Sip(detail)) => detail.certificate.is_some(),
        _ => false,
    }
}

/// One that ended an hour ago.
fn certificate(now: Now) -> Certificate {
    let (hour, year) = (SignedDuration::from_hours(1), SignedDuration::from_hours(24 * 365));
    Certificate {
        not_before: now.wall - year,
        not_after: now.wall - hour,
        subject: "CN=made up".to_owned(),
        self_signed: true,
    }
}

/// Has the next probe of a target come back with this; whether it has.
pub(super) fn give_once(
    run: &mut Run,
    target: TargetIx,
    outcome: Result<Reply, Failure>,
) -> Rc<Cell<bool>> {
    let given = Rc::new(Cell::new(false));
    let (gives, mut once) = (Rc::clone(&given), Some(outcome));
    run.tamper = Some(Box::new(move |_, asked, _, sight| {
        if asked == target
            && let Some(outcome) = once.take()
        {
            sight.result = outcome;
            sight.took = Duration::from_millis(30);
            gives.set(true);
        }
    }));
    given
}

/// What one outcome that does not fit the rest changes for good, when nothing has changed for long.
pub(super) fn changes(history: &History, tally: &Tally) -> Result<(), String> {
    tally.add("histories", 1);
    let scenario = history.scenario();
    let (mut run, steps) = run_of(&scenario);
    let (over, settles) = history.calm();
    let before = steps.partition_point(|step| step.at < over + settles);
    play(&mut run, &steps[..before], &mut |_, _| Ok(()))?;
    let mut until = SETTLED;
    run.until(until);
    for site in run.snapshot().sites.iter() {
        let is = format!("sites that are {}", site.standing.hard.word());
        tally.add(&is, 1);
    }
    if run.snapshot().monitor.blind {
        // What it says of that depends on how long it lasts.
        tally.add("blind before", 1);
        return Ok(());
    }
    let mut dice = Dice::new(u64::from(history.seed), 8);
    // Each of another target: two in a row are not one.
    let mut targets: Vec<_> = run.topology.target_ixs().map(|ix| (dice.throw(), ix)).collect();
    targets.sort_unstable();
    let mut is_a_clock_off = false;
    for (_, target) in targets.into_iter().take(ONES) {
        let (word, outcome) = odd(&run, target, run.now, &mut dice);
        // Two of two or three clocks are not odd any more: ours may be wrong.
        if word == CLOCK && std::mem::replace(&mut is_a_clock_off, true) {
            continue;
        }
        let words = format!("{} got {outcome:?}", run.topology.target_key(target));
        let given = give_once(&mut run, target, outcome);
        let (changes, before) = (run.changed.len(), run.told.len());
        until += SEEN_WITHIN;
        run.until(until);
        if !given.get() {
            return Err(format!("nobody asked: {words}"));
        }
        tally.add(&format!("odd: {word}"), 1);
        if let Some((at, key, health)) = run.changed.get(changes) {
            return Err(format!("{at:?}: {key} became {health:?} when {words}"));
        }
        if let Some((at, said)) = run.told.get(before) {
            return Err(format!("{at:?}: {} was told when {words}", told::words(said)));
        }
    }
    Ok(())
}
