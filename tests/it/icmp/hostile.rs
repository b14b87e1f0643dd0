//! The kernel engine in trouble: too much at once, no room, no way out, no time left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{IoSlice, Read as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};
use socket2::{Domain, Protocol, Socket, Type};
use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings};
use vchealth::model::{Failure, LocalFailure, RemoteFailure};
use vchealth::probe::icmp::{EchoParams, PingDone, PingJob, Pinger, start};

use super::engine::{Engine, PLAIN};
use super::far::Ends;
use super::namespace::{in_namespace, ip};

const MS: Duration = Duration::from_millis(1);

/// Runs `test` for the kernel engine on both kinds of socket.
fn on_both_kinds(test: impl Fn(&Engine) + Sync) {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || test(&Engine::start(IcmpEngine::Kernel)));
    }
}

/// The same, giving the engine away.
fn on_both_kinds_owned(test: impl Fn(Engine) + Sync) {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || test(Engine::start(IcmpEngine::Kernel)));
    }
}

/// A network of our own behind which nobody is.
fn dummy() {
    ip("tuntap add dev d0 mode tun");
    ip("address add 10.9.0.1/24 dev d0");
    ip("link set d0 up");
}

#[test]
fn a_train_of_every_sequence_number_at_once_loses_nothing() {
    on_both_kinds(|engine| {
        let check = EchoParams { count: u16::MAX, spacing: Duration::ZERO, size: 16, ..PLAIN };
        let job = PingJob {
            token: 1,
            address: Ipv4Addr::LOCALHOST.into(),
            check,
            timeout: Duration::from_secs(50),
            due: engine.clock.mono(),
        };
        let done = engine.run(vec![job]).remove(&1).expect("one");
        let detail = done.result.expect("replies");
        assert_eq!((detail.sent, detail.received, detail.duplicates), (u16::MAX, u16::MAX, 0));
    });
}

#[test]
fn the_largest_echoes_come_back_whole() {
    on_both_kinds(|engine| {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let check = EchoParams { count: 200, spacing: Duration::ZERO, size: 65_000, ..PLAIN };
            // However busy this machine is.
            let timeout = Duration::from_secs(50);
            let job = PingJob { token: 1, address, check, timeout, due: engine.clock.mono() };
            let done = engine.run(vec![job]).remove(&1).expect("one");
            let detail = done.result.expect("replies");
            assert_eq!((detail.sent, detail.received), (200, 200), "{address}");
        }
        assert_eq!(engine.pinger.health().truncated, 0);
    });
}

#[test]
fn a_flood_of_jobs_from_many_threads_is_answered_whole() {
    on_both_kinds(|engine| {
        let due = engine.clock.mono();
        let job = |token: u64| PingJob {
            token,
            address: Ipv4Addr::new(127, 0, 0, 1).into(),
            check: PLAIN,
            // However busy this machine is.
            timeout: Duration::from_secs(50),
            due,
        };
        // More than there are sequence numbers, so that a second socket is needed.
        let mine: Vec<PingJob> = (0..20_000).map(job).collect();
        std::thread::scope(|scope| {
            for nth in 1..4 {
                let pinger = Arc::clone(&engine.pinger);
                scope.spawn(move || {
                    for token in nth * 20_000..(nth + 1) * 20_000 {
                        pinger.submit(vec![job(token)]);
                    }
                });
            }
        });
        let theirs = (20_000..80_000).collect();
        let done = engine.run_beside(mine, theirs);
        assert_eq!(done.len(), 80_000);
        let odd = done.values().find(|done| done.result.is_err());
        assert_eq!(odd, None);
    });
}

#[test]
fn with_a_receive_buffer_too_small_for_two_they_go_one_by_one_and_nobody_is_lost() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            let engine = Engine::start_with(IcmpEngine::Kernel, 1);
            let due = engine.clock.mono();
            let check = EchoParams { size: 1_400, ..PLAIN };
            let job = |token: u64| PingJob {
                token,
                address: Ipv4Addr::LOCALHOST.into(),
                check,
                timeout: 500 * MS,
                due,
            };
            let done = engine.run((0..2_000).map(job).collect());
            let (mut answered, mut unknown) = (0, 0);
            for done in done.values() {
                match &done.result {
                    Ok(_) => answered += 1,
                    Err(Failure::Local(LocalFailure::Late)) => unknown += 1,
                    Err(other) => panic!("{other:?}"),
                }
            }
            let health = engine.pinger.health();
            assert_eq!(health.unknown + health.unsent, unknown);
            assert!(answered >= 200, "{answered} of 2,000: {health:?}");
        });
    }
}

/// Sends errors about echo requests that nobody sent, and replies to ours that are not, as fast as
/// it can until `stop`; gives how many. It has seen our identifier, as who stands on the way has.
fn rave(stop: &AtomicBool) -> u32 {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("we are root");
    let mut packet = [0; 128];
    while packet[20] != 8 {
        let _ = (&socket).read(&mut packet).expect("requests pass here");
    }
    let ident = [packet[24], packet[25]];
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into();
    let mut sent = 0;
    for sequence in (0_u16..4_000).cycle().take_while(|_| !stop.load(Ordering::Relaxed)) {
        let [high, low] = sequence.to_be_bytes();
        let mut error = vec![3, 1, 0, 0, 0, 0, 0, 0];
        error.extend([0x45, 0, 0, 84, 0, 0, 0x40, 0, 64, 1, 0, 0, 127, 0, 0, 1, 127, 200, 0, 1]);
        error.extend([8, 0, 0, 0, ident[0], ident[1], high, low]);
        let mut reply = vec![0, 0, 0, 0, ident[0], ident[1], high, low];
        reply.resize(64, high);
        for mut packet in [error, reply] {
            let sum = packet.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
            let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
            packet[2..4].copy_from_slice(&(!fold(fold(sum))).to_be_bytes()[2..]);
            sent += u32::from(socket.send_to(&packet, &to).is_ok());
        }
    }
    sent
}

#[test]
fn a_router_gone_mad_neither_refuses_nor_answers_for_anybody() {
    on_both_kinds(|engine| {
        let begin = engine.clock.mono() + 20 * MS;
        let job = |nth: u32| PingJob {
            token: nth.into(),
            address: Ipv4Addr::from(0x7f00_0100 + nth).into(),
            check: PLAIN,
            timeout: 2_000 * MS,
            due: begin + MS * nth,
        };
        let stop = AtomicBool::new(false);
        let (done, raved) = std::thread::scope(|scope| {
            let mad = scope.spawn(|| rave(&stop));
            let done = engine.run((0..2_000).map(job).collect());
            // However slowly it raves on this machine.
            let heard = |engine: &Engine| {
                let health = engine.pinger.health();
                health.foreign > 1_000 && health.forged > 100
            };
            let end = engine.clock.mono() + Duration::from_secs(60);
            while !heard(engine) && engine.clock.mono() < end {
                std::thread::park_timeout(10 * MS);
            }
            stop.store(true, Ordering::Relaxed);
            (done, mad.join().expect("it raves to the end"))
        });
        assert!(raved > 1_000, "only {raved}");
        let mut answered = 0;
        for done in done.values() {
            match &done.result {
                Ok(detail) => {
                    assert_eq!((detail.sent, detail.received, detail.duplicates), (1, 1, 0));
                    answered += 1;
                }
                // What it crowds out of our buffer is unknown.
                Err(Failure::Local(LocalFailure::Late)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        let health = engine.pinger.health();
        // How much it crowds out is a matter of how often this thread has its turn.
        assert!(answered > 0, "none of 2,000: {health:?}");
        assert_eq!((health.refused, health.refused_late), (0, 0));
        assert!(health.foreign > 1_000 && health.forged > 100, "{health:?}");
    });
}

/// Sends replies to requests that nobody sent, with our identifier, as fast as it can.
fn flood(stop: &AtomicBool) -> u64 {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).expect("we are root");
    let mut packet = [0; 128];
    while packet[20] != 8 {
        let _ = (&socket).read(&mut packet).expect("requests pass here");
    }
    let mut reply = [0; 24];
    reply[4..6].copy_from_slice(&packet[24..26]);
    let sum = u16::from_be_bytes([packet[24], packet[25]]);
    reply[2..4].copy_from_slice(&(!sum).to_be_bytes());
    let to = SockaddrStorage::from(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    let mut headers = MultiHeaders::preallocate(128, None);
    let (slices, to) = ([[IoSlice::new(&reply)]; 128], [Some(to); 128]);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let flags = MsgFlags::empty();
        let batch = sendmmsg(socket.as_raw_fd(), &mut headers, &slices, to, [], flags);
        sent += batch.map_or(0, |batch| batch.count() as u64);
    }
    sent
}

/// More comes than can be read, without a break: what is due leaves nevertheless, everybody gets a
/// result, and the engine can be stopped.
#[test]
fn a_flood_that_never_ends_keeps_nobody_waiting() {
    on_both_kinds_owned(|engine| {
        let stop = AtomicBool::new(false);
        let ends = Ends(&stop);
        std::thread::scope(|scope| {
            let floods: Vec<_> = (0..2).map(|_| scope.spawn(|| flood(&stop))).collect();
            // For those who flood to see what we look like.
            let heard = || engine.pinger.health().foreign + engine.pinger.health().forged;
            while heard() < 1_000 {
                engine.ask(Ipv4Addr::LOCALHOST, PLAIN);
            }
            let due = engine.clock.mono();
            let job = |token: u64| PingJob {
                token,
                address: Ipv4Addr::LOCALHOST.into(),
                check: PLAIN,
                timeout: 2_000 * MS,
                due: due + MS * u32::try_from(token).expect("few"),
            };
            for done in engine.run((0..500).map(job).collect()).values() {
                match &done.result {
                    // What the flood crowds out of our buffer is unknown.
                    Ok(_) | Err(Failure::Local(LocalFailure::Late)) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            let health = engine.pinger.health();
            // Whoever reads until nothing comes any more sends nothing in the time limit.
            assert!(health.unsent < 250, "{health:?}");
            // Without an end of the flood it ends.
            engine.stop();
            drop(ends);
            let sent: u64 = floods.into_iter().map(|flood| flood.join().expect("it floods")).sum();
            assert!(sent > 10_000, "only {sent}: {health:?}");
        });
    });
}

#[test]
fn an_interface_that_goes_down_and_comes_back_is_nobody_else_s_fault() {
    on_both_kinds(|engine| {
        dummy();
        let ask = |last: u8, timeout: Duration| {
            let job = PingJob {
                token: 1,
                address: [10, 9, 0, last].into(),
                check: PLAIN,
                timeout,
                due: engine.clock.mono(),
            };
            engine.run(vec![job]).remove(&1).expect("one").result
        };
        // Again when this machine was too slow to see what became of it.
        let ask = |last: u8, timeout: Duration| loop {
            let result = ask(last, timeout);
            if result != Err(Failure::Local(LocalFailure::Late)) {
                break result;
            }
        };
        let silence = Err(Failure::Remote(RemoteFailure::Timeout));
        assert_eq!(ask(2, 50 * MS), silence);
        ip("link set d0 down");
        assert_eq!(ask(3, 50 * MS), Err(Failure::Local(LocalFailure::NoRoute)));
        ip("link set d0 up");
        assert_eq!(ask(4, 50 * MS), silence);
        // Our own address there is answered by ourselves.
        assert!(ask(1, Duration::from_secs(5)).is_ok());
    });
}

#[test]
fn what_the_kernel_will_not_send_says_why_and_is_not_lost() {
    on_both_kinds(|engine| {
        dummy();
        ip("route add prohibit 10.10.0.0/24");
        ip("route add unreachable 10.11.0.0/24");
        ip("route add blackhole 10.12.0.0/24");
        let word = |address: IpAddr| match engine.ask(address, PLAIN).result {
            Err(Failure::Local(failure)) => Failure::Local(failure).word(),
            other => panic!("{address}: {other:?}"),
        };
        let no_one: Ipv6Addr = "2001:db8::1".parse().expect("an address");
        assert_eq!(word([10, 10, 0, 1].into()), "forbidden");
        assert_eq!(word([10, 9, 0, 255].into()), "forbidden", "a broadcast address");
        assert_eq!(word([10, 11, 0, 1].into()), "no-route");
        assert_eq!(word(no_one.into()), "no-route");
        word([10, 12, 0, 1].into());
        word("fe80::1".parse::<Ipv6Addr>().expect("an address").into());
        // One that cannot be sent does not hold back the others in its batch.
        let due = engine.clock.mono();
        let jobs = (0..1_000_u64).map(|token| PingJob {
            token,
            address: if token % 2 == 0 { [127, 0, 0, 1] } else { [10, 11, 0, 1] }.into(),
            check: PLAIN,
            timeout: Duration::from_secs(50),
            due,
        });
        for (token, done) in engine.run(jobs.collect()) {
            assert_eq!(done.result.is_ok(), token % 2 == 0, "{done:?}");
        }
    });
}

#[test]
fn a_machine_without_ipv6_says_so_and_pings_on_by_ipv4() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1").expect("it is ours");
            let engine = Engine::start(IcmpEngine::Kernel);
            for address in [Ipv6Addr::LOCALHOST, "2001:db8::1".parse().expect("an address")] {
                let done = engine.ask(address, PLAIN);
                assert_eq!(done.result, Err(Failure::Local(LocalFailure::NoRoute)), "{address}");
            }
            assert!(engine.ask(Ipv4Addr::LOCALHOST, PLAIN).result.is_ok());
        });
    }
}

#[test]
fn dropping_the_engine_answers_every_open_job_once() {
    for unprivileged in [true, false] {
        in_namespace(unprivileged, || {
            dummy();
            let (sender, results) = channel::<Vec<PingDone>>();
            let sender = Mutex::new(sender);
            let sink = Box::new(move |batch| {
                sender.lock().expect("nobody died").send(batch).expect("somebody listens");
            });
            let clock = Clock::start();
            let settings = IcmpSettings { engine: IcmpEngine::Kernel, receive_buffer: 4 << 20 };
            let pinger: Arc<dyn Pinger> = start(&settings, clock, sink).expect("permitted");
            let now = clock.mono();
            // Under way, due later, and in the middle of a train.
            let jobs = (0..3_000_u64).map(|token| PingJob {
                token,
                address: [10, 9, 0, 2].into(),
                check: EchoParams { count: if token % 3 == 2 { 100 } else { 1 }, ..PLAIN },
                timeout: Duration::from_secs(60),
                due: if token % 3 == 1 { now + Duration::from_secs(60) } else { now },
            });
            pinger.submit(jobs.collect());
            drop(pinger);
            let mut answered = BTreeMap::new();
            for done in results.iter().flatten() {
                *answered.entry(done.token).or_insert(0) += 1;
                assert_eq!(done.result, Err(Failure::Local(LocalFailure::Stopping)));
            }
            assert_eq!(answered.len(), 3_000);
            assert!(answered.values().all(|times| *times == 1));
        });
    }
}
