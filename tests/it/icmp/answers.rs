//! What comes back besides replies, on both kinds of socket and in both families: errors of
//! routers, in time and late, whole and cut short; late and repeated replies; damage.

use std::net::IpAddr;
use std::process::Command;
use std::time::Duration;

use vchealth::model::{EngineHealth, Failure, LocalFailure, RemoteFailure, Unreachable};
use vchealth::probe::icmp::{EchoParams, PingDone, PingJob};

use super::engine::{Engine, PLAIN};
use super::far::{on_every_socket, on_every_socket_of};

const MS: Duration = Duration::from_millis(1);
/// Longer than anything here takes.
const PATIENT: Duration = Duration::from_secs(50);

/// Asks once and again until this machine was quick enough to see what became of it.
fn ask(engine: &Engine, address: IpAddr, check: EchoParams, timeout: Duration) -> PingDone {
    loop {
        let due = engine.clock.mono();
        let job = PingJob { token: 1, address, check, timeout, due };
        let done = engine.run(vec![job]).remove(&1).expect("one");
        if done.result != Err(Failure::Local(LocalFailure::Late)) {
            return done;
        }
    }
}

/// The engine's figures once they are as they should be; as they are after a long wait otherwise.
fn figures(engine: &Engine, right: impl Fn(&EngineHealth) -> bool) -> EngineHealth {
    for _ in 0..3_000 {
        let health = engine.pinger.health();
        if right(&health) {
            return health;
        }
        std::thread::park_timeout(10 * MS);
    }
    engine.pinger.health()
}

fn kind_and_teller(done: &PingDone) -> (Unreachable, Option<IpAddr>) {
    match &done.result {
        Err(Failure::Remote(RemoteFailure::Unreachable(error))) => (error.kind, error.offender),
        other => panic!("{other:?}"),
    }
}

fn router(of: IpAddr) -> IpAddr {
    if of.is_ipv4() { [192, 0, 2, 254].into() } else { "fd01::fe".parse().expect("an address") }
}

#[test]
fn what_our_own_queue_has_no_room_for_is_not_lost() {
    on_every_socket(
        |asked, _| vec![(MS, asked.reply())],
        |engine, host, _| {
            assert!(ask(engine, host, PLAIN, PATIENT).result.is_ok());
            tc("qdisc replace dev far0 root pfifo limit 0");
            let errors = engine.pinger.health().send_errors;
            match ask(engine, host, PLAIN, 200 * MS).result {
                Err(Failure::Local(LocalFailure::Exhausted(_))) => {}
                other => panic!("{host}: {other:?}"),
            }
            // In IPv6 only the missing time stamp tells.
            let said = engine.pinger.health().send_errors - errors;
            assert!(host.is_ipv6() || said > 0, "the kernel says so at once");
            tc("qdisc delete dev far0 root");
            assert!(ask(engine, host, PLAIN, PATIENT).result.is_ok());
        },
    );
}

/// Sets how packets queue in the namespace of the calling thread.
fn tc(arguments: &str) {
    let status = Command::new("tc").args(arguments.split(' ')).status();
    assert!(status.expect("iproute2 is installed").success(), "tc {arguments}");
}

#[test]
fn a_router_s_error_is_the_reason_and_concerns_nobody_else() {
    on_every_socket(
        |asked, _| vec![(MS, asked.host_unreachable(128))],
        |engine, host, _| {
            // Each marking has a socket of its own.
            for dscp in [0, 34, 46] {
                let done = ask(engine, host, EchoParams { dscp, ..PLAIN }, PATIENT);
                assert_eq!(kind_and_teller(&done), (Unreachable::Host, Some(router(host))));
                assert_eq!(done.heard, None);
            }
            let health = engine.pinger.health();
            assert_eq!((health.refused, health.refused_late, health.foreign), (3, 0, 0));
            assert_eq!((health.sockets, health.truncated), (3, 0));
        },
    );
}

#[test]
fn an_error_that_comes_after_the_limit_is_the_reason_of_the_next_silence() {
    on_every_socket(
        // As a router that looks for the device before it says so, and says it seldom.
        |asked, nth| match nth {
            0 => vec![(300 * MS, asked.host_unreachable(128))],
            _ => vec![],
        },
        |engine, host, _| {
            let first = ask(engine, host, PLAIN, 50 * MS);
            assert_eq!(first.result, Err(Failure::Remote(RemoteFailure::Timeout)));
            let health = figures(engine, |health| health.refused_late == 1);
            assert_eq!((health.refused, health.refused_late, health.foreign), (0, 1, 0));
            let next = ask(engine, host, PLAIN, 50 * MS);
            assert_eq!(kind_and_teller(&next), (Unreachable::Host, Some(router(host))));
            assert!(next.heard.is_some());
        },
    );
}

#[test]
fn an_error_that_quotes_eight_bytes_ends_nothing() {
    on_every_socket(
        |asked, nth| match nth {
            0 => vec![(MS, asked.host_unreachable(8))],
            _ => vec![(MS, asked.host_unreachable(8)), (100 * MS, asked.reply())],
        },
        |engine, host, _| {
            let done = ask(engine, host, PLAIN, 100 * MS);
            if host.is_ipv4() {
                assert_eq!(kind_and_teller(&done), (Unreachable::Host, Some(router(host))));
                assert!(done.heard.is_some());
            } else {
                // Routers quote all that fits, so this is none.
                assert_eq!(done.result, Err(Failure::Remote(RemoteFailure::Timeout)));
            }
            assert!(ask(engine, host, PLAIN, PATIENT).result.is_ok());
        },
    );
}

#[test]
fn late_and_repeated_replies_are_counted_as_that() {
    on_every_socket(
        |asked, _| vec![(300 * MS, asked.reply()), (310 * MS, asked.reply())],
        |engine, host, _| {
            let done = ask(engine, host, PLAIN, 50 * MS);
            assert_eq!(done.result, Err(Failure::Remote(RemoteFailure::Timeout)));
            let sent = engine.pinger.health().sent;
            let health = figures(engine, |health| health.duplicate == sent);
            assert_eq!((health.late, health.duplicate), (sent, sent));
            assert_eq!((health.received, health.forged, health.foreign), (0, 0, 0));
            // Whoever is asked next is known to live, and to be too slow.
            let next = ask(engine, host, PLAIN, 50 * MS);
            let slow = |after: u32, limit| after >= 300 && limit == 50;
            assert!(
                matches!(
                    next.result,
                    Err(Failure::Remote(RemoteFailure::Slow { after_ms, limit_ms }))
                        if slow(after_ms, limit_ms)
                ),
                "{next:?}"
            );
            assert!(next.heard.is_some());
        },
    );
}

#[test]
fn a_narrow_path_refuses_what_must_not_be_fragmented_and_nothing_else() {
    on_every_socket(
        |asked, nth| match nth {
            0 | 2 => vec![(MS, asked.too_big())],
            _ => vec![(MS, asked.reply())],
        },
        |engine, host, _| {
            let whole = EchoParams { dont_fragment: true, ..PLAIN };
            let done = ask(engine, host, whole, PATIENT);
            let too_big = Unreachable::TooBig { mtu: 1_400 };
            assert_eq!(kind_and_teller(&done), (too_big, Some(router(host))));
            assert!(ask(engine, host, whole, PATIENT).result.is_ok());
            if host.is_ipv6() {
                // How the sender learns that it has to fragment.
                let detail = ask(engine, host, PLAIN, PATIENT).result.expect("a reply");
                assert_eq!((detail.sent, detail.received), (1, 1));
                assert_eq!(engine.pinger.health().sent, 3);
            }
        },
    );
}

#[test]
fn damaged_packets_blind_nobody() {
    const MANY: u32 = 40;
    on_every_socket(
        |asked, _| (0..MANY).map(|_| (MS, asked.damaged())).collect(),
        |engine, host, unprivileged| {
            let done = ask(engine, host, PLAIN, 300 * MS);
            assert_eq!(done.result, Err(Failure::Remote(RemoteFailure::Timeout)));
            let sent = engine.pinger.health().sent;
            // An unprivileged socket never hears of them.
            let damaged = if unprivileged { 0 } else { u64::from(MANY) * sent };
            let health = figures(engine, |health| health.truncated == damaged);
            assert_eq!((health.truncated, health.socket_drops), (damaged, 0));
            assert_eq!((health.foreign, health.forged), (0, 0));
        },
    );
}

#[test]
fn what_was_crowded_out_makes_silence_unknown_and_never_a_loss() {
    on_every_socket_of(
        1,
        // One of two is answered far more often than the buffer has room for, the other never.
        |asked, nth| match nth % 2 {
            0 => (0..500).map(|_| (Duration::ZERO, asked.reply())).collect(),
            _ => vec![],
        },
        |engine, host, _| {
            for _ in 0..100 {
                let before = engine.pinger.health().socket_drops;
                let due = engine.clock.mono();
                let job =
                    |token| PingJob { token, address: host, check: PLAIN, timeout: 100 * MS, due };
                let done = engine.run(vec![job(0), job(1)]);
                if engine.pinger.health().socket_drops == before {
                    continue;
                }
                for done in done.values() {
                    match &done.result {
                        Ok(_) | Err(Failure::Local(LocalFailure::Late)) => {}
                        other => panic!("{other:?}"),
                    }
                }
                return;
            }
            panic!("there was room for all: {:?}", engine.pinger.health());
        },
    );
}
