//! Histories of the engine over virtual time: what a network does, and what must be told of it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::prelude::*;

use super::super::super::{EchoParams, Own, PingJob};
use super::*;
use crate::model::{Failure, IcmpDetail, RemoteFailure, Unreachable};
use crate::wire::icmp::{self, Quoted};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOST: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 254));

/// A core with a clock that only moves when told.
struct World {
    core: Core,
    now: Now,
    own: Own,
    done: BTreeMap<u64, PingDone>,
}

impl World {
    fn new() -> Self {
        let now = Now { mono: Mono::from_nanos(7_000_000_000), wall: Timestamp::UNIX_EPOCH };
        let own = Own::default();
        Self { core: Core::new(RandomState::new(), now), now, own, done: BTreeMap::new() }
    }

    fn job(&self, token: u64) -> PingJob {
        let (dont_fragment, planned) = (false, false);
        let check =
            EchoParams { count: 1, spacing: 20 * MS, size: 56, dscp: 0, dont_fragment, planned };
        PingJob { token, address: HOST, check, timeout: SECOND, due: self.now.mono }
    }

    fn train(&self, token: u64, count: u16) -> PingJob {
        let mut job = self.job(token);
        job.check.count = count;
        job
    }

    fn accept(&mut self, jobs: &[PingJob]) {
        self.core.accept(Portion::of(jobs));
    }

    /// Lets time pass and sends what is due.
    fn pass(&mut self, by: Duration) -> Vec<Outgoing> {
        self.now = self.now.plus(by);
        let mut sent = Vec::new();
        while let Some(outgoing) = self.core.next_send(self.now) {
            self.core.sent(&outgoing, self.now.mono);
            sent.push(outgoing);
        }
        sent
    }

    fn arrival(&self, outgoing: &Outgoing, from: IpAddr) -> Arrival {
        Arrival {
            lane: outgoing.lane,
            socket: outgoing.socket(),
            from,
            ttl: Some(60),
            tos: Some(0),
            now: self.now.mono,
        }
    }

    /// A reply arrives now, changed by `change`.
    fn reply(&mut self, to: &Outgoing, from: IpAddr, change: impl FnOnce(&mut icmp::Reply)) {
        let mut reply = icmp::Reply {
            ident: 0,
            sequence: to.sequence(),
            mark: Some(to.mark),
            payload: usize::from(to.size),
        };
        change(&mut reply);
        let arrival = self.arrival(to, from);
        self.core.reply(&arrival, &reply, Some(self.now.mono));
    }

    /// The kernel says that a request leaves now.
    fn left(&mut self, outgoing: &Outgoing) {
        let (sequence, mark) = (outgoing.sequence(), Some(outgoing.mark));
        self.core.left(outgoing.lane, &Quoted { ident: 0, sequence, mark }, self.now.mono);
    }

    fn answer(&mut self, to: &Outgoing) {
        self.reply(to, to.address, |_| {});
    }

    /// A router says that the host is unreachable, quoting `mark`.
    fn refuse(&mut self, to: &Outgoing, destination: IpAddr, mark: Option<Mark>) {
        let request = Quoted { ident: 0, sequence: to.sequence(), mark };
        let refusal = icmp::Refusal { icmp_type: 3, icmp_code: 1, mtu: 0, destination, request };
        let arrival = self.arrival(to, ROUTER);
        self.core.refusal(&arrival, &refusal, &Own::default());
    }

    /// What became of a probe, which is told once.
    fn result(&mut self, token: u64) -> Option<Result<IcmpDetail, Failure>> {
        self.core.expire(self.now.mono, |_| self.own.clone());
        for done in self.core.take_done() {
            let again = self.done.insert(done.token, done);
            assert!(again.is_none(), "told twice");
        }
        self.done.get(&token).map(|done| done.result.clone())
    }
}

#[test]
fn a_job_ahead_of_its_time_waits_for_it() {
    let mut world = World::new();
    let mut job = world.job(1);
    job.due = world.now.mono + 30 * MS;
    world.accept(&[job]);
    assert!(world.core.next_wake().is_some_and(|wake| wake - job.due < MS));
    assert!(world.pass(28 * MS).is_empty());
    let sent = world.pass(2 * MS);
    assert_eq!(sent.len(), 1);
    world.now = world.now.plus(5 * MS);
    world.answer(&sent[0]);
    let detail = world.result(1).unwrap().unwrap();
    assert_eq!(detail.rtts.as_slice(), [5 * MS]);
    assert_eq!((detail.ttl, detail.tos), (Some(60), Some(0)));
    assert_eq!(world.done[&1].started.mono, job.due);
    assert_eq!(world.done[&1].finished, job.due + 5 * MS);
}

#[test]
fn silence_is_a_timeout_and_what_comes_later_is_late() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let sent = world.pass(Duration::ZERO);
    world.pass(SECOND);
    assert_eq!(world.result(1), None, "the last reply in time may still wait to be read");
    world.pass(2 * MS);
    assert_eq!(world.result(1), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
    for _ in 0..3 {
        world.answer(&sent[0]);
    }
    let health = *world.core.health();
    assert_eq!((health.late, health.duplicate, health.received), (1, 2, 0));
}

#[test]
fn a_reply_read_late_but_stamped_in_time_is_in_time() {
    let mut world = World::new();
    world.accept(&[world.job(1), world.job(2)]);
    let sent = world.pass(Duration::ZERO);
    let arrived = world.now.mono + 999 * MS;
    world.pass(3 * SECOND);
    for (outgoing, stamp) in sent.iter().zip([arrived, arrived + 2 * MS]) {
        let arrival = world.arrival(outgoing, HOST);
        let reply = icmp::Reply {
            ident: 0,
            sequence: outgoing.sequence(),
            mark: Some(outgoing.mark),
            payload: 56,
        };
        world.core.reply(&arrival, &reply, Some(stamp));
    }
    assert_eq!(world.result(1).unwrap().unwrap().rtts.as_slice(), [999 * MS]);
    let now = world.now.mono;
    assert_eq!(told_slow(&mut world, 2), (1_100, now));
    assert_eq!(world.core.health().late, 1);
}

#[test]
fn what_stays_unanswered_while_we_were_blind_is_unknown() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    world.pass(Duration::ZERO);
    let from = world.pass(10 * MS).len();
    assert_eq!(from, 0);
    world.core.blind(world.now.mono, world.now.mono + 150 * MS);
    world.pass(2 * SECOND);
    assert_eq!(world.result(1), Some(Err(Failure::Local(LocalFailure::Late))));
    // A later one is judged again.
    world.accept(&[world.job(2)]);
    world.pass(Duration::ZERO);
    world.pass(2 * SECOND);
    assert_eq!(world.result(2), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
    assert_eq!(world.core.health().unknown, 1);
}

#[test]
fn what_was_dropped_at_one_socket_leaves_the_others_their_sight() {
    let mut world = World::new();
    let mut marked = world.job(2);
    marked.check.dscp = 46;
    world.accept(&[world.job(1), marked]);
    let sent = world.pass(Duration::ZERO);
    let lane = sent.iter().map(|outgoing| outgoing.lane).max().unwrap();
    assert_eq!(lane, 1);
    world.core.blind_in(lane, world.now.mono, world.now.mono + 100 * MS);
    world.pass(2 * SECOND);
    let fates = [world.result(1), world.result(2)].map(|fate| fate.unwrap().unwrap_err());
    let silence = Failure::Remote(RemoteFailure::Timeout);
    assert!(fates.contains(&silence) && fates.contains(&Failure::Local(LocalFailure::Late)));
}

/// Whether a request to `HOST` that stays unanswered is lost, by whether it `left` and whether an
/// earlier one that was answered did by the kernel's word.
fn unanswered(world: &mut World, token: u64, before: Option<bool>, left: bool) -> bool {
    if let Some(stamped) = before {
        world.accept(&[world.job(100 + token)]);
        let sent = world.pass(Duration::ZERO);
        if stamped {
            world.left(&sent[0]);
        }
        world.now = world.now.plus(3 * MS);
        world.answer(&sent[0]);
        assert!(world.result(100 + token).unwrap().is_ok());
    }
    world.accept(&[world.job(token)]);
    let sent = world.pass(Duration::ZERO);
    if left {
        world.left(&sent[0]);
    }
    world.pass(2 * SECOND);
    match world.result(token).unwrap() {
        Err(Failure::Remote(RemoteFailure::Timeout)) => true,
        Err(Failure::Local(LocalFailure::Exhausted(_))) => false,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_never_left_this_machine_is_unknown_and_not_lost() {
    let mut world = World::new();
    assert!(unanswered(&mut world, 1, None, false), "the interface may not stamp");
    assert!(!unanswered(&mut world, 2, Some(true), false), "what goes the same way is stamped");
    assert_eq!((world.core.health().unknown, world.core.health().sent), (1, 3));
    assert!(unanswered(&mut world, 3, Some(true), true));
    assert!(unanswered(&mut world, 4, Some(false), false), "it goes another way now");
    assert!(!unanswered(&mut world, 5, Some(true), false));
    world.pass(60 * SECOND);
    assert!(unanswered(&mut world, 6, None, false), "what is long ago says nothing of now");
}

#[test]
fn a_neighbour_that_does_not_respond_is_silent_though_what_asks_it_never_leaves() {
    let mut world = World::new();
    world.own = Own::of(&[("10.0.0.1", "255.255.255.0")]);
    assert!(unanswered(&mut world, 1, Some(true), false));
    world.own = Own::of(&[("10.0.1.1", "255.255.255.0")]);
    assert!(!unanswered(&mut world, 2, Some(true), false));
}

#[test]
fn what_our_own_queue_held_back_has_all_of_its_time() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let sent = world.pass(Duration::ZERO);
    world.pass(400 * MS);
    world.left(&sent[0]);
    world.pass(700 * MS);
    assert_eq!(world.result(1), None, "it left but seven tenths of a second ago");
    world.answer(&sent[0]);
    let detail = world.result(1).unwrap().unwrap();
    assert_eq!(detail.rtts.as_slice(), [700 * MS]);
    let silent = Some(Err(Failure::Remote(RemoteFailure::Timeout)));
    world.accept(&[world.job(2)]);
    let sent = world.pass(Duration::ZERO);
    world.accept(&[world.job(3)]);
    let punctual = world.pass(MS);
    world.left(&punctual[0]);
    world.pass(399 * MS);
    world.left(&sent[0]);
    world.pass(602 * MS);
    assert_eq!((world.result(2), world.result(3)), (None, silent.clone()), "nobody waits for it");
    assert_eq!(world.core.next_limit(), Some(world.now.mono + 398 * MS));
    world.pass(398 * MS);
    assert_eq!(world.result(2), silent);
}

#[test]
fn what_waits_for_its_socket_until_it_would_be_a_burst_does_not_leave() {
    let mut world = World::new();
    world.accept(&[world.job(1), world.train(2, 2)]);
    let taken: Vec<Outgoing> = std::iter::from_fn(|| world.core.next_send(world.now)).collect();
    let now = world.now.mono;
    let waits: Vec<Duration> = taken.iter().map(|outgoing| outgoing.by - now).collect();
    assert_eq!(waits, [10 * MS, SECOND], "a train keeps half of its spacing");
    world.now = world.now.plus(11 * MS);
    world.core.held_up(&taken[0], world.now.mono);
    world.core.sent(&taken[1], world.now.mono);
    let health = world.core.health();
    assert_eq!((health.worst_lateness, health.unsent, health.send_errors), (11 * MS, 1, 0));
    world.answer(&taken[1]);
    assert!(world.result(1).unwrap().is_ok());
    let sent = world.pass(9 * MS);
    world.answer(&sent[0]);
    let detail = world.result(2).unwrap().unwrap();
    assert_eq!((detail.sent, detail.received), (1, 1), "the one that never left is not lost");
}

#[test]
fn what_would_leave_too_late_does_not_leave() {
    let mut world = World::new();
    world.accept(&[world.job(1), world.train(2, 3)]);
    let sent = world.pass(SECOND + 500 * MS);
    assert_eq!(sent.len(), 0, "the first of the train shifts the rest behind it");
    assert_eq!(world.result(1), Some(Err(Failure::Local(LocalFailure::Late))));
    assert!(world.core.health().worst_lateness >= SECOND);
    for _ in 0..2 {
        let sent = world.pass(20 * MS);
        world.answer(&sent[0]);
    }
    let detail = world.result(2).unwrap().unwrap();
    assert_eq!((detail.sent, detail.received), (2, 2), "the one that never left is not lost");
}

#[test]
fn a_train_keeps_its_pace_and_its_order() {
    let mut world = World::new();
    world.accept(&[world.train(1, 4)]);
    let mut sent = world.pass(Duration::ZERO);
    for _ in 0..3 {
        assert!(world.pass(18 * MS).is_empty());
        sent.extend(world.pass(2 * MS));
    }
    assert_eq!(sent.len(), 4);
    for at in [2, 0, 3] {
        world.answer(&sent[at]);
    }
    world.answer(&sent[2]);
    assert_eq!(world.result(1), None);
    world.pass(2 * SECOND);
    let detail = world.result(1).unwrap().unwrap();
    assert_eq!((detail.sent, detail.received, detail.duplicates), (4, 3, 1));
    assert_eq!(detail.rtts.as_slice(), [60 * MS, 20 * MS, Duration::from_nanos(1)]);
}

#[test]
fn a_pause_amid_trains_sends_no_burst_and_what_stayed_is_not_lost() {
    let mut world = World::new();
    let stretch = |nth: u32| {
        let mut job = world.train(u64::from(nth), 25);
        job.due = job.due + 500 * MS * nth;
        job.check.planned = true;
        job
    };
    let stretches: Vec<PingJob> = (0..4).map(stretch).collect();
    world.accept(&stretches);
    let (mut times, mut now) = (Vec::new(), 0);
    while now < 5_000 {
        // Half a second is missed in the second of them.
        let step = if now == 700 { 500 } else { 1 };
        now += step;
        for outgoing in world.pass(MS * step) {
            times.push(now);
            world.answer(&outgoing);
        }
        world.result(0);
    }
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 10), "{times:?}");
    let details = world.done.values().map(|done| done.result.clone().unwrap());
    let counts: Vec<_> = details.map(|detail| (detail.sent, detail.received)).collect();
    let sent: u16 = counts.iter().map(|(sent, _)| sent).sum();
    assert!(counts.iter().all(|(sent, received)| sent == received), "{counts:?}");
    assert_eq!((counts[0].0, counts[3].0), (25, 25));
    assert!((74..=76).contains(&sent), "{counts:?}");
    assert_eq!(u64::from(100 - sent), world.core.health().unsent);
}

#[test]
fn an_icmp_error_is_the_reason_at_once_with_who_said_so() {
    let mut world = World::new();
    world.accept(&[world.job(1), world.job(2)]);
    let sent = world.pass(Duration::ZERO);
    for outgoing in &sent {
        world.refuse(outgoing, HOST, Some(outgoing.mark));
    }
    for token in [1, 2] {
        let Some(Err(Failure::Remote(RemoteFailure::Unreachable(error)))) = world.result(token)
        else {
            panic!("no reason for {token}")
        };
        assert_eq!((error.kind, error.offender), (Unreachable::Host, Some(ROUTER)));
        assert_eq!(world.done[&token].heard, None);
    }
    assert_eq!(world.core.health().refused, 2);
}

/// What a router said of `token`, which was known only at its time limit, and when it was said.
fn told_before(world: &mut World, token: u64) -> (Option<IpAddr>, Mono) {
    let Some(Err(Failure::Remote(RemoteFailure::Unreachable(error)))) = world.result(token) else {
        panic!("no reason for {token}: {:?}", world.done.get(&token))
    };
    (error.offender, world.done[&token].heard.expect("it was about an earlier request"))
}

#[test]
fn an_icmp_error_about_a_request_that_is_over_explains_the_silence_of_the_next() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let first = world.pass(Duration::ZERO)[0];
    world.pass(2 * SECOND);
    assert_eq!(world.result(1), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
    // The router has looked for the host for three seconds.
    world.pass(SECOND);
    world.refuse(&first, HOST, Some(first.mark));
    let heard = world.now.mono;
    assert_eq!((world.core.health().refused_late, world.core.health().foreign), (1, 0));
    world.accept(&[world.job(2)]);
    world.pass(Duration::ZERO);
    assert_eq!(world.result(2), None, "it may answer by now");
    world.pass(2 * SECOND);
    assert_eq!(told_before(&mut world, 2), (Some(ROUTER), heard));
    // One reply, and silence is silence again.
    world.accept(&[world.job(3)]);
    let third = world.pass(Duration::ZERO)[0];
    world.answer(&third);
    world.accept(&[world.job(4)]);
    world.pass(Duration::ZERO);
    world.pass(2 * SECOND);
    assert_eq!(world.result(4), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
}

/// That replies come, only too late, which was known at the time limit of `token`: how late, and
/// when the last came.
fn told_slow(world: &mut World, token: u64) -> (u32, Mono) {
    let Some(Err(Failure::Remote(RemoteFailure::Slow { after_ms, limit_ms: 1_000 }))) =
        world.result(token)
    else {
        panic!("not slow: {:?}", world.done.get(&token))
    };
    (after_ms, world.done[&token].heard.expect("it was an earlier one"))
}

#[test]
fn a_reply_after_the_limit_explains_the_silence_of_the_next() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let first = world.pass(Duration::ZERO)[0];
    world.pass(1_002 * MS);
    assert_eq!(world.result(1), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
    world.accept(&[world.job(2)]);
    let second = world.pass(Duration::ZERO)[0];
    world.pass(398 * MS);
    world.answer(&first);
    let heard = world.now.mono;
    world.pass(604 * MS);
    assert_eq!(told_slow(&mut world, 2), (1_400, heard));
    // The second is late as well, when its place has been used again.
    world.pass(SECOND);
    world.accept(&[world.job(3)]);
    let third = world.pass(Duration::ZERO)[0];
    world.accept(&[world.job(4)]);
    let fourth = world.pass(Duration::ZERO)[0];
    assert!([third.slot, fourth.slot].contains(&second.slot));
    world.pass(98 * MS);
    world.answer(&second);
    let heard = world.now.mono;
    world.pass(SECOND);
    assert_eq!(told_slow(&mut world, 3), (2_100, heard));
    // A router that knows better has the last word, and a reply in time takes all back.
    world.accept(&[world.job(5)]);
    world.pass(Duration::ZERO);
    world.refuse(&third, HOST, Some(third.mark));
    let heard = world.now.mono;
    world.pass(2 * SECOND);
    assert_eq!(told_before(&mut world, 5), (Some(ROUTER), heard));
    world.answer(&fourth);
    world.accept(&[world.job(6)]);
    let sixth = world.pass(Duration::ZERO)[0];
    world.answer(&sixth);
    world.accept(&[world.job(7)]);
    world.pass(Duration::ZERO);
    world.pass(2 * SECOND);
    assert_eq!(world.result(7), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
}

/// After a router has said of the first of `world`'s requests that nobody is there.
fn said_to_be_gone(world: &mut World) -> Outgoing {
    world.accept(&[world.job(1)]);
    let first = world.pass(Duration::ZERO)[0];
    world.pass(2 * SECOND);
    world.result(1);
    world.pass(SECOND);
    world.refuse(&first, HOST, Some(first.mark));
    first
}

#[test]
fn a_reply_cut_short_takes_back_what_a_router_said() {
    let mut world = World::new();
    said_to_be_gone(&mut world);
    world.accept(&[world.job(2)]);
    let second = world.pass(Duration::ZERO)[0];
    world.reply(&second, HOST, |reply| reply.payload = 20);
    world.pass(2 * SECOND);
    let failure = world.result(2).unwrap().unwrap_err();
    assert_eq!((failure.word(), failure.host_alive()), ("malformed", Some(true)));
    assert_eq!(world.done[&2].heard, None);
    // A later silence is just that.
    world.accept(&[world.job(3)]);
    world.pass(Duration::ZERO);
    world.pass(2 * SECOND);
    assert_eq!(world.result(3), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
}

#[test]
fn a_reply_however_late_or_repeated_takes_back_what_a_router_said() {
    for repeated in [false, true] {
        let mut world = World::new();
        let old = said_to_be_gone(&mut world);
        if repeated {
            world.answer(&old);
        }
        // Its place is used twice more, and the router says it of the last.
        for token in [2, 3] {
            world.accept(&[world.job(token)]);
            let next = world.pass(Duration::ZERO)[0];
            assert_eq!(next.slot, old.slot);
            world.pass(2 * SECOND);
            world.result(token);
            world.pass(SECOND);
            world.refuse(&next, HOST, Some(next.mark));
        }
        world.answer(&old);
        let health = *world.core.health();
        assert_eq!((health.late, health.duplicate), (1, u64::from(repeated)));
        world.accept(&[world.job(4)]);
        world.pass(Duration::ZERO);
        world.pass(2 * SECOND);
        assert_eq!(world.result(4), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
        // What nobody here has asked for takes nothing back.
        world.refuse(&old, HOST, Some(old.mark));
        let heard = world.now.mono;
        world.reply(&old, HOST, |reply| reply.mark = Some(Mark { round: 99, ..old.mark }));
        world.accept(&[world.job(5)]);
        world.pass(Duration::ZERO);
        world.pass(2 * SECOND);
        assert_eq!(told_before(&mut world, 5), (Some(ROUTER), heard));
    }
}

#[test]
fn an_icmp_error_that_quotes_eight_bytes_ends_nothing_and_explains_what_stays_silent() {
    let mut world = World::new();
    world.accept(&[world.job(1), world.job(2)]);
    let sent = world.pass(Duration::ZERO);
    for outgoing in &sent {
        world.refuse(outgoing, HOST, None);
    }
    let heard = world.now.mono;
    assert_eq!((world.result(1), world.result(2)), (None, None));
    assert_eq!((world.core.health().refused, world.core.health().refused_late), (0, 2));
    world.pass(2 * SECOND);
    assert_eq!(told_before(&mut world, 1), (Some(ROUTER), heard));
    // About an address that was not asked there it is nobody's.
    world.refuse(&sent[0], ROUTER, None);
    assert_eq!(world.core.health().foreign, 1);
}

#[test]
fn an_ipv6_echo_that_may_be_fragmented_is_sent_once_more_when_the_path_is_narrower() {
    let host = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7]);
    let mut world = World::new();
    let mut narrow = |dont_fragment: bool| {
        let mut job = world.job(u64::from(dont_fragment));
        (job.address, job.check.dont_fragment) = (host, dont_fragment);
        world.accept(&[job]);
        world.pass(Duration::ZERO)[0]
    };
    let (may, must_not) = (narrow(false), narrow(true));
    let told = |world: &mut World, about: &Outgoing| {
        let request = Quoted { ident: 0, sequence: about.sequence(), mark: Some(about.mark) };
        let (icmp_type, icmp_code, mtu) = (2, 0, 1400);
        let refusal = icmp::Refusal { icmp_type, icmp_code, mtu, destination: host, request };
        let arrival = world.arrival(about, ROUTER);
        world.core.refusal(&arrival, &refusal, &Own::default());
        world.pass(MS)
    };
    assert_eq!(told(&mut world, &must_not).len(), 0);
    assert_eq!(world.result(1).unwrap().unwrap_err().word(), "too-big");
    let again = told(&mut world, &may)[0];
    assert_eq!(world.result(0), None);
    world.reply(&again, host, |_| {});
    let detail = world.result(0).unwrap().unwrap();
    assert_eq!((detail.sent, detail.received), (1, 1));
    assert_eq!(world.core.health().sent, 2, "each echo once");
}

#[test]
fn an_icmp_error_that_does_not_fit_the_request_ends_nothing() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let sent = world.pass(Duration::ZERO);
    world.refuse(&sent[0], ROUTER, Some(sent[0].mark));
    let other = Mark { seal: !sent[0].mark.seal, ..sent[0].mark };
    world.refuse(&sent[0], HOST, Some(other));
    assert_eq!(world.result(1), None);
    assert_eq!(world.core.health().foreign, 2);
    world.answer(&sent[0]);
    assert!(world.result(1).unwrap().is_ok());
    world.refuse(&sent[0], HOST, Some(sent[0].mark));
    assert_eq!(world.core.health().refused_late, 1, "the request is over");
}

#[test]
fn forged_foreign_and_truncated_replies_answer_nothing() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let sent = world.pass(Duration::ZERO)[0];
    world.reply(&sent, ROUTER, |_| {});
    world.reply(&sent, HOST, |reply| reply.mark = Some(Mark { seal: 1, ..sent.mark }));
    world.reply(&sent, HOST, |reply| reply.mark = Some(Mark { round: 9, ..sent.mark }));
    world.reply(&sent, HOST, |reply| reply.sequence += 1);
    world.reply(&sent, HOST, |reply| {
        reply.sequence = 9;
        reply.mark = Some(Mark { slot: 9, ..sent.mark });
    });
    world.reply(&sent, HOST, |reply| reply.payload = 55);
    world.reply(&sent, HOST, |reply| (reply.payload, reply.mark) = (3, None));
    world.core.garbled();
    assert_eq!(world.result(1), None);
    let health = *world.core.health();
    assert_eq!((health.forged, health.foreign, health.truncated), (3, 2, 3));
    world.pass(2 * SECOND);
    let cut = world.result(1).unwrap().unwrap_err();
    assert_eq!(cut.word(), "malformed", "something answers, but not properly");
}

#[test]
fn what_the_kernel_refuses_is_not_lost() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let outgoing = world.core.next_send(world.now).unwrap();
    let why = Unsendable::Ours(LocalFailure::NoRoute);
    world.core.unsendable(outgoing.lane, outgoing.slot, why, world.now.mono);
    assert_eq!(world.result(1), Some(Err(Failure::Local(LocalFailure::NoRoute))));
    assert_eq!((world.core.health().sent, world.core.health().send_errors), (0, 1));
}

#[test]
fn a_job_waits_in_half_the_room_that_it_takes_under_way() {
    let under_way = size_of::<Probe>() + Table::ROOM + size_of::<Awaited>();
    assert!(2 * size_of::<Job>() <= under_way, "{} and {under_way}", size_of::<Job>());
}

#[test]
fn stopping_answers_what_is_open() {
    let mut world = World::new();
    let mut later = world.job(3);
    later.due = later.due + SECOND;
    world.accept(&[world.job(1), world.train(2, 5), later]);
    let sent = world.pass(Duration::ZERO);
    // That of the train, which goes first of what is due together.
    world.answer(&sent[0]);
    world.core.stop(world.now);
    for token in [1, 2, 3] {
        let stopping = Err(Failure::Local(LocalFailure::Stopping));
        assert_eq!(world.result(token), Some(stopping), "{token}");
    }
    assert_eq!(world.core.in_flight(), 0);
}

#[test]
fn a_duplicate_is_counted_with_its_own_probe_only() {
    let mut world = World::new();
    world.accept(&[world.job(1)]);
    let first = world.pass(Duration::ZERO)[0];
    world.answer(&first);
    assert!(world.result(1).is_some());
    // The next probe has the same place among the probes.
    world.accept(&[world.train(2, 2)]);
    let second = world.pass(Duration::ZERO)[0];
    world.answer(&first);
    world.answer(&second);
    let third = world.pass(20 * MS)[0];
    world.answer(&third);
    assert_eq!(world.result(2).unwrap().unwrap().duplicates, 0);
    assert_eq!(world.core.health().duplicate, 1);
}

#[test]
fn a_train_that_is_stopped_after_a_loss_is_no_dead_host() {
    let mut world = World::new();
    let mut train = world.train(1, 3);
    train.check.spacing = 2 * SECOND;
    world.accept(&[train]);
    world.pass(Duration::ZERO);
    world.pass(2 * SECOND);
    assert_eq!(world.result(1), None, "one is lost, one is under way");
    world.core.stop(world.now);
    assert_eq!(world.result(1), Some(Err(Failure::Local(LocalFailure::Stopping))));
}

#[test]
fn a_train_into_a_black_hole_counts_every_echo_as_lost() {
    let mut world = World::new();
    world.accept(&[world.train(1, 50)]);
    for _ in 0..50 {
        world.pass(20 * MS);
    }
    world.pass(2 * SECOND);
    assert_eq!(world.result(1), Some(Err(Failure::Remote(RemoteFailure::Timeout))));
    assert_eq!((world.done[&1].lost, world.core.health().sent), (50, 50));
}

/// What the network does with one echo.
#[derive(Debug, Clone)]
struct Fate {
    /// Arrivals of intact replies, in milliseconds after the request.
    replies: BTreeSet<u64>,
    /// When a router refuses it.
    refused: Option<u64>,
    /// When a reply arrives that is cut short, and one that is forged.
    cut: Option<u64>,
    forged: Option<u64>,
}

fn fate() -> impl Strategy<Value = Fate> {
    let replies = prop::collection::btree_set(1_u64..3_000, 0..4);
    let rarely = || prop::option::weighted(0.2, 1_u64..1_500);
    (replies, rarely(), rarely(), rarely()).prop_map(|(replies, refused, cut, forged)| Fate {
        replies,
        refused,
        cut,
        forged,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the network does, every job is told once and every packet is counted as exactly
    /// what it was.
    #[test]
    fn counts_are_exact(
        jobs in prop::collection::vec((0_u64..4_000, prop::collection::vec(fate(), 1..4)), 1..40),
    ) {
        enum Event { Intact, Refused, Cut, Forged }
        let mut world = World::new();
        let start = world.now.mono;
        let mut fates = BTreeMap::new();
        for (token, (due, train)) in (0..).zip(&jobs) {
            let mut job = world.train(token, u16::try_from(train.len()).unwrap());
            job.due = start + MS * u32::try_from(*due).unwrap();
            job.address = IpAddr::from([10, 0, 1, u8::try_from(token).unwrap()]);
            world.accept(&[job]);
            fates.insert(job.address, train.clone());
        }
        // What must come out, by the rules.
        let mut expected = EngineHealth::default();
        for train in fates.values() {
            for fate in train {
                expected.sent += 1;
                // A request is given up at the end of this tick, a millisecond after its limit.
                const LAST: u64 = 1_001;
                let first = fate.replies.first().copied().filter(|at| *at <= LAST);
                let end = first.filter(|at| *at < LAST);
                let refused = fate
                    .refused
                    .filter(|at| *at <= LAST && first.is_none_or(|first| *at < first));
                expected.refused += u64::from(refused.is_some());
                expected.refused_late += u64::from(fate.refused.is_some() && refused.is_none());
                // At one time a cut reply comes after an intact one and before a refusal.
                let over = refused.map(|at| at + 1).or(first).unwrap_or(LAST + 1);
                let in_time = refused.is_none() && end.is_some();
                expected.received += u64::from(in_time);
                expected.forged += u64::from(fate.forged.is_some());
                // A cut reply to a request that is over is late or a duplicate like any other.
                let cut_open = fate.cut.filter(|at| *at < over);
                expected.truncated += u64::from(cut_open.is_some());
                let after_end = fate.replies.len() - usize::from(in_time)
                    + usize::from(fate.cut.is_some() && cut_open.is_none());
                let late = usize::from(!in_time && after_end > 0);
                expected.late += late as u64;
                expected.duplicate += (after_end - late) as u64;
            }
        }
        // One millisecond after another. What comes at one time comes by rank; a reply at the time
        // limit is read before the limit is enforced.
        let mut events: BTreeMap<u64, Vec<(u8, Event, Outgoing)>> = BTreeMap::new();
        let mut taken: BTreeMap<IpAddr, usize> = BTreeMap::new();
        for tick in 0..9_000_u64 {
            for outgoing in world.pass(if tick == 0 { Duration::ZERO } else { MS }) {
                let index = taken.entry(outgoing.address).or_default();
                let fate = &fates[&outgoing.address][*index];
                *index += 1;
                let mut add = |after: u64, rank, event| {
                    events.entry(tick + after).or_default().push((rank, event, outgoing));
                };
                fate.refused.into_iter().for_each(|at| add(at, 3, Event::Refused));
                fate.cut.into_iter().for_each(|at| add(at, 2, Event::Cut));
                fate.forged.into_iter().for_each(|at| add(at, 0, Event::Forged));
                fate.replies.iter().for_each(|at| add(*at, 1, Event::Intact));
            }
            let mut due = events.remove(&tick).unwrap_or_default();
            due.sort_by_key(|(rank, ..)| *rank);
            for (_, event, outgoing) in due {
                match event {
                    Event::Intact => world.answer(&outgoing),
                    Event::Refused => {
                        world.refuse(&outgoing, outgoing.address, Some(outgoing.mark));
                    }
                    Event::Cut => world.reply(&outgoing, outgoing.address, |reply| reply.payload = 20),
                    Event::Forged => world.reply(&outgoing, ROUTER, |_| {}),
                }
            }
            world.result(0);
        }
        prop_assert_eq!(world.done.len(), jobs.len());
        let health = *world.core.health();
        let figures = |health: &EngineHealth| {
            [health.sent, health.received, health.late, health.duplicate, health.forged,
             health.foreign, health.truncated, health.refused, health.refused_late,
             health.unknown]
        };
        prop_assert_eq!(figures(&health), figures(&expected));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever goes wrong with us, what is told of the targets adds up to what was sent and seen.
    #[test]
    fn what_is_told_is_what_was_sent_and_not_missed(
        trains in prop::collection::vec((0_u64..3_000, 1_u16..6, any::<u8>()), 1..30),
        stalls in prop::collection::vec((0_u64..3_000, 1_u64..1_500, any::<bool>()), 0..6),
        answers in prop::collection::vec(0_u8..10, 50),
    ) {
        let mut world = World::new();
        let start = world.now.mono;
        let at = |ms: u64| start + Duration::from_millis(ms);
        for (token, (due, count, host)) in (0..).zip(&trains) {
            let mut job = world.train(token, *count);
            job.due = at(*due);
            job.check.planned = token % 2 == 0;
            job.address = IpAddr::from([10, 0, 1, *host]);
            world.accept(&[job]);
        }
        let (mut nth, mut now) = (0, 0);
        while now < 8_000 {
            let step = match stalls.iter().find(|(from, ..)| *from == now) {
                Some((_, length, blind)) => {
                    if *blind {
                        world.core.blind(at(now), at(now + length));
                    }
                    *length
                }
                None => 1,
            };
            now += step;
            for outgoing in world.pass(Duration::from_millis(step)) {
                nth += 1;
                match answers[nth % answers.len()] {
                    0..5 => world.answer(&outgoing),
                    5 => world.refuse(&outgoing, outgoing.address, None),
                    _ => {}
                }
            }
            world.result(0);
        }
        prop_assert_eq!(world.done.len(), trains.len());
        let told = |done: &PingDone| match &done.result {
            Ok(detail) => u64::from(detail.sent),
            Err(_) => u64::from(done.lost),
        };
        let health = *world.core.health();
        let told: u64 = world.done.values().map(told).sum();
        prop_assert_eq!(told, health.sent - health.unknown);
        let asked: u64 = trains.iter().map(|(_, count, _)| u64::from(*count)).sum();
        prop_assert_eq!(asked, health.sent + health.unsent);
    }
}
