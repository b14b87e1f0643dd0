//! Replies that come just within the time limit are in time, however long they wait to be read.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tun_rs::{DeviceBuilder, SyncDevice};
use vchealth::clock::Clock;
use vchealth::config::IcmpEngine;
use vchealth::model::{Failure, LocalFailure, Mono, RemoteFailure};
use vchealth::probe::icmp::PingJob;

use super::engine::{Engine, PLAIN};
use super::namespace::{in_namespace, ip};

const MS: Duration = Duration::from_millis(1);
/// So many that replies come thick and gather before they are read.
const TARGETS: u32 = 5_000;
const TIMEOUT: Duration = Duration::from_millis(100);
const AFTER: Duration = Duration::from_millis(98);

/// Answers the echo requests that come by `device`, each [`AFTER`] it came, until all have been;
/// tells when each reply had arrived.
fn answer(device: &SyncDevice, clock: Clock) -> BTreeMap<Ipv4Addr, Mono> {
    let (mut waiting, mut arrived) = (VecDeque::<(Mono, Vec<u8>)>::new(), BTreeMap::new());
    let mut packet = [0; 2_048];
    let end = clock.mono() + MS * 20_000;
    while arrived.len() < TARGETS as usize && clock.mono() < end {
        while let Ok(length) = device.recv(&mut packet) {
            if length >= 28 && packet[0] == 0x45 && packet[9] == 1 && packet[20] == 8 {
                waiting.push_back((clock.mono() + AFTER, packet[..length].to_vec()));
            }
        }
        while let Some((_, mut reply)) = waiting.pop_front_if(|(due, _)| *due <= clock.mono()) {
            let (from, to) = reply[12..20].split_at_mut(4);
            from.swap_with_slice(to);
            let who = Ipv4Addr::from(<[u8; 4]>::try_from(&reply[12..16]).expect("four"));
            // The type goes from 8 to 0, so the sum grows by as much (RFC 1624).
            reply[20] = 0;
            let sum = u32::from(u16::from_be_bytes([reply[22], reply[23]])) + 0x0800;
            let sum = sum + (sum >> 16);
            reply[22..24].copy_from_slice(&sum.to_be_bytes()[2..]);
            device.send(&reply).expect("the link is up");
            arrived.insert(who, clock.mono());
        }
        let mut polled = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::from(1_u8)).expect("it is open");
    }
    arrived
}

#[test]
fn a_reply_that_arrives_within_the_limit_is_never_a_loss() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            let device = DeviceBuilder::new().name("late0").tx_queue_len(10_000).build_sync();
            let device = device.expect("this test needs root");
            device.set_nonblocking(true).expect("it can be");
            ip("address add 192.0.2.1/24 dev late0");
            ip("link set late0 up");
            ip("route add 10.0.0.0/8 dev late0 src 192.0.2.1");
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
            let (done, arrived) = std::thread::scope(|scope| {
                let far = scope.spawn(|| answer(&device, engine.clock));
                let done = engine.run((0..TARGETS).map(job).collect());
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
                        let at = arrived.get(&address(nth)).copied();
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
