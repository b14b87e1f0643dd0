//! Replies that come just within the time limit are in time, however long they wait to be read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use vchealth::config::IcmpEngine;
use vchealth::model::{Failure, LocalFailure, Mono, RemoteFailure};
use vchealth::probe::icmp::PingJob;

use super::engine::{Engine, PLAIN};
use super::far::{Asked, Ends, answer, link};
use super::namespace::in_namespace;

const MS: Duration = Duration::from_millis(1);
/// So many that replies come thick and gather before they are read.
const TARGETS: u32 = 5_000;
const TIMEOUT: Duration = Duration::from_millis(100);
const AFTER: Duration = Duration::from_millis(98);

#[test]
fn a_reply_that_arrives_within_the_limit_is_never_a_loss() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            let device = link();
            let engine = Engine::start(IcmpEngine::Kernel);
            let begin = engine.clock.mono() + 50 * MS;
            let address = |nth: u32| Ipv4Addr::from(0x0a01_0001 + nth);
            let job = |nth: u32| PingJob {
                token: nth.into(),
                address: address(nth).into(),
                check: PLAIN,
                timeout: TIMEOUT,
                due: begin + MS / 5 * nth,
            };
            let over = &AtomicBool::new(false);
            let (done, arrived) = std::thread::scope(|scope| {
                let react = |asked: &Asked, _| vec![(AFTER, asked.reply())];
                let far = scope.spawn(move || answer(&device, engine.clock, &react, over));
                let ends = Ends(over);
                let done = engine.run((0..TARGETS).map(job).collect());
                drop(ends);
                (done, far.join().expect("it answers"))
            });
            let mut judged = 0;
            for (token, done) in done {
                match done.result {
                    Ok(_) => judged += 1,
                    // On a machine too busy for them many are unknown.
                    Err(Failure::Local(LocalFailure::Late)) => {}
                    // The far end may have been slow itself.
                    Err(Failure::Remote(RemoteFailure::Timeout | RemoteFailure::Slow { .. })) => {
                        let nth = u32::try_from(token).expect("one of ours");
                        let at = arrived.get(&IpAddr::from(address(nth))).copied();
                        judged += u32::from(at.is_some());
                        let at = at.unwrap_or(Mono::NEVER);
                        let took = at.since(done.started.mono);
                        assert!(took > TIMEOUT, "lost, though its reply was there after {took:?}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert!(judged >= TARGETS / 10, "only {judged} of {TARGETS} came to anything");
        });
    }
}
