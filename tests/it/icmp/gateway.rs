//! Our own gateway, and our neighbours, that are gone: what our own kernel says then is no router's
//! word.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use vchealth::config::IcmpEngine;
use vchealth::model::{Failure, LocalFailure, RemoteFailure, Unreachable};
use vchealth::probe::icmp::{PingDone, PingJob};

use super::engine::{Engine, PLAIN};
use super::namespace::{in_namespace, ip};

const MS: Duration = Duration::from_millis(1);

/// A network on which we are alone, with a way out by a gateway that is not there. The kernel asks
/// for a neighbour three times, waiting so many milliseconds for each answer.
fn alone(wait: &str) {
    ip("link add hub type veth peer name lan");
    for name in ["hub", "lan"] {
        fs::write(format!("/proc/sys/net/ipv6/conf/{name}/accept_dad"), "0").expect("it is ours");
    }
    for family in ["ipv4", "ipv6"] {
        let file = format!("/proc/sys/net/{family}/neigh/hub/retrans_time_ms");
        fs::write(file, wait).expect("it is ours");
    }
    ip("address add 10.9.0.1/24 dev hub");
    ip("address add fd09::1/64 dev hub nodad");
    ip("link set lan up");
    ip("link set hub up");
    ip("route add default via 10.9.0.254");
    ip("-6 route add default via fd09::fe");
}

/// Runs `test` with an address behind the gateway and one beside it, for each socket on which the
/// engine hears what routers say.
fn on_every_hearing_socket(wait: &str, test: impl Fn(&Engine, IpAddr, IpAddr) + Sync) {
    let kinds =
        [(IcmpEngine::Kernel, true), (IcmpEngine::Kernel, false), (IcmpEngine::Surge, false)];
    for (kind, unprivileged) in kinds {
        in_namespace(unprivileged, || {
            alone(wait);
            let engine = Engine::start(kind);
            for (behind, beside) in [("10.20.0.1", "10.9.0.77"), ("fd20::1", "fd09::77")] {
                let ip = |text: &str| text.parse().expect("an address");
                test(&engine, ip(behind), ip(beside));
            }
        });
    }
}

fn ask(engine: &Engine, address: IpAddr, timeout: Duration) -> PingDone {
    loop {
        let job = PingJob { token: 1, address, check: PLAIN, timeout, due: engine.clock.mono() };
        let done = engine.run(vec![job]).remove(&1).expect("one");
        // Again when this machine was too slow to see what became of it.
        if done.result != Err(Failure::Local(LocalFailure::Late)) {
            return done;
        }
    }
}

#[test]
fn a_gateway_of_ours_that_is_gone_is_our_trouble_and_a_neighbour_s_silence_is_its_own() {
    on_every_hearing_socket("50", |engine, behind, beside| {
        let patient = Duration::from_secs(30);
        let gone = ask(engine, behind, patient).result;
        assert_eq!(gone, Err(Failure::Local(LocalFailure::NoRoute)), "{behind}");
        match ask(engine, beside, patient).result {
            Err(Failure::Remote(RemoteFailure::Unreachable(error))) => {
                assert_eq!((error.kind, error.offender), (Unreachable::Host, None), "{beside}");
            }
            other => panic!("{beside}: {other:?}"),
        }
    });
}

#[test]
fn a_gateway_that_is_found_gone_only_after_the_limit_is_our_trouble_from_then_on() {
    on_every_hearing_socket("500", |engine, behind, _| {
        let silence = Err(Failure::Remote(RemoteFailure::Timeout));
        assert_eq!(ask(engine, behind, 100 * MS).result, silence, "{behind}");
        let end = engine.clock.mono() + Duration::from_secs(30);
        let told = loop {
            let result = ask(engine, behind, 100 * MS).result;
            if result != silence || engine.clock.mono() > end {
                break result;
            }
        };
        assert_eq!(told, Err(Failure::Local(LocalFailure::NoRoute)), "{behind}");
    });
}
