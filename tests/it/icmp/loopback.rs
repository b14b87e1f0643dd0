//! What holds for any engine on any kind of socket, on the loopback.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use vchealth::config::IcmpEngine;
use vchealth::model::{Failure, LocalFailure};
use vchealth::probe::icmp::{EchoParams, PingJob};

use super::engine::{Engine, PLAIN};
use super::namespace::in_namespace;

const MS: Duration = Duration::from_millis(1);

/// Runs `test` for every engine on both kinds of socket.
fn for_each(test: impl Fn(&Engine) + Sync) {
    for unprivileged in [true, false] {
        for kind in [IcmpEngine::Surge, IcmpEngine::Kernel] {
            in_namespace(unprivileged, || test(&Engine::start(kind)));
        }
    }
}

#[test]
fn a_living_host_answers_every_echo_of_a_train() {
    for_each(|engine| {
        for address in [IpAddr::from([127, 0, 0, 5]), Ipv6Addr::LOCALHOST.into()] {
            for (count, size) in [(1, 56), (5, 16), (3, 1400), (2, 1900)] {
                let echo = EchoParams { count, size, spacing: 2 * MS, ..PLAIN };
                let ask = || engine.ask(address, echo).result.expect("a reply");
                // Of what our own machine holds up for so long that it would be a burst, nothing is
                // sent.
                let whole = (0..20).map(|_| ask()).find(|detail| {
                    assert_eq!((detail.received, detail.duplicates), (detail.sent, 0));
                    detail.sent == count
                });
                let detail = whole.expect("a train that was sent whole");
                assert_eq!(detail.rtts.as_slice().len(), usize::from(count));
                for rtt in detail.rtts.as_slice() {
                    assert!(!rtt.is_zero() && *rtt < Duration::from_secs(1), "{rtt:?}");
                }
            }
        }
    });
}

#[test]
fn targets_that_share_an_address_do_not_collide() {
    for_each(|engine| {
        let due = engine.clock.mono();
        let job = |token| PingJob {
            token,
            address: Ipv4Addr::LOCALHOST.into(),
            check: PLAIN,
            timeout: Duration::from_secs(5),
            due,
        };
        let done = engine.run((0..500).map(job).collect());
        assert!(done.values().all(|done| done.result.is_ok()));
        assert_eq!(engine.pinger.health().in_flight, 0);
    });
}

#[test]
fn a_machine_without_a_route_says_so_and_blames_nobody() {
    for_each(|engine| {
        let done = engine.ask([192, 0, 2, 1], PLAIN);
        assert_eq!(done.result, Err(Failure::Local(LocalFailure::NoRoute)));
    });
}

#[test]
fn work_ahead_of_time_waits_for_it() {
    for_each(|engine| {
        let now = engine.clock.mono();
        let job = |token, after| PingJob {
            token,
            address: Ipv4Addr::LOCALHOST.into(),
            check: PLAIN,
            timeout: Duration::from_secs(1),
            due: now + after,
        };
        let done = engine.run(vec![job(1, 60 * MS), job(2, 30 * MS)]);
        for (token, after) in [(1, 60 * MS), (2, 30 * MS)] {
            let started = done[&token].started.mono;
            assert!(started + MS >= now + after, "{:?} early", (now + after) - started);
        }
    });
}

#[test]
fn stopping_answers_what_is_ahead_of_its_time() {
    for unprivileged in [true, false] {
        for kind in [IcmpEngine::Surge, IcmpEngine::Kernel] {
            in_namespace(unprivileged, || {
                let engine = Engine::start(kind);
                let jobs = (0..3).map(|token| PingJob {
                    token,
                    address: Ipv4Addr::LOCALHOST.into(),
                    check: EchoParams { count: 1 + 4 * u16::from(token == 2), ..PLAIN },
                    timeout: Duration::from_secs(5),
                    due: engine.clock.mono() + Duration::from_secs(600),
                });
                engine.pinger.submit(jobs.collect());
                let mut done = engine.stop();
                done.sort_by_key(|done| done.token);
                let tokens: Vec<u64> = done.iter().map(|done| done.token).collect();
                assert_eq!(tokens, [0, 1, 2]);
                for done in done {
                    assert_eq!(done.result, Err(Failure::Local(LocalFailure::Stopping)));
                }
            });
        }
    }
}

#[test]
fn the_kernel_engine_measures_with_the_kernel_s_stamps_and_tells_hops_and_marking() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            let engine = Engine::start(IcmpEngine::Kernel);
            // Stamping is switched on for the whole machine a moment after it is asked for.
            let warm = |engine: &Engine| {
                let before = engine.pinger.health().coarse_stamps;
                engine.ask([127, 0, 0, 9], PLAIN);
                engine.pinger.health().coarse_stamps == before
            };
            let tries = (0..1_000).position(|_| warm(&engine));
            assert!(tries.is_some(), "the kernel never stamps");
            let before = engine.pinger.health();
            for address in [IpAddr::from([127, 1, 2, 3]), Ipv6Addr::LOCALHOST.into()] {
                for dscp in [0, 46] {
                    for (size, dont_fragment) in [(56, false), (56, true), (1_000, false)] {
                        let check = EchoParams { count: 5, dscp, size, dont_fragment, ..PLAIN };
                        let detail = engine.ask(address, check).result.expect("a reply");
                        assert_eq!(detail.received, 5);
                        assert_eq!((detail.ttl, detail.tos), (Some(64), Some(dscp << 2)));
                    }
                }
            }
            let after = engine.pinger.health();
            assert_eq!(after.received - before.received, 60);
            assert_eq!(after.coarse_stamps, before.coarse_stamps, "{after:?}");
            assert_eq!((after.forged, after.foreign, after.truncated), (0, 0, 0));
            assert_eq!((after.duplicate, after.late, after.unknown), (0, 0, 0));
            assert_eq!(after.sockets, 8);
            assert!(after.receive_buffer >= 4 << 20, "{after:?}");
        });
    }
}
