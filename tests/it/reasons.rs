//! Who said that a device cannot be reached, and was it us? Real ICMP errors of a real router.
//!
//! The test's thread is the hub. A second thread in a namespace of its own is the router of the
//! site: Linux sends each kind of ICMP error for the kind of route that stands there.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, unshare};
use vchealth::model::{
    CheckKind, Failure, HttpCheck, IcmpError, LocalFailure, RemoteFailure, Reply, SipCheck,
    SipTransport, TcpCheck, Unreachable,
};

use crate::icmp::namespace::{in_namespace, ip};
use crate::probing::{ask_at, remote};

const ROUTER: &str = "10.9.0.254";

/// Runs `test` in a hub whose only way out leads to the router.
fn behind_a_router(test: impl Future<Output = ()> + Send) {
    in_namespace(false, || {
        let (tell, told) = mpsc::channel();
        let (finish, finished) = mpsc::channel::<()>();
        thread::scope(|scope| {
            scope.spawn(move || {
                unshare(CloneFlags::CLONE_NEWNET).expect("a namespace for the router");
                tell.send(nix::unistd::gettid()).expect("the hub waits");
                // Until the hub has given us our end of the line.
                finished.recv().expect("the hub goes on");
                ip("link set lo up");
                ip(&format!("addr add {ROUTER}/24 dev site"));
                ip("addr add fd09::fe/64 dev site nodad");
                ip("link set site up");
                ip("route add unreachable 10.9.1.0/24");
                ip("route add prohibit 10.9.3.0/24");
                ip("-6 route add prohibit fd09:3::/64");
                for (name, value) in [
                    ("ipv4/ip_forward", "1"),
                    ("ipv6/conf/all/forwarding", "1"),
                    ("ipv4/icmp_ratelimit", "0"),
                    ("ipv6/icmp/ratelimit", "0"),
                ] {
                    fs::write(format!("/proc/sys/net/{name}"), value).expect("it is ours");
                }
                tell.send(nix::unistd::gettid()).expect("the hub waits");
                let _ = finished.recv();
            });
            let router = told.recv().expect("the router's thread runs");
            ip("link add hub type veth peer name site");
            ip(&format!("link set site netns {router}"));
            ip("addr add 10.9.0.1/24 dev hub");
            ip("addr add fd09::1/64 dev hub nodad");
            ip("link set hub up");
            ip(&format!("route add default via {ROUTER}"));
            ip("-6 route add default via fd09::fe");
            finish.send(()).expect("the router's thread runs");
            told.recv().expect("the router is ready");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(test);
            drop(finish);
        });
    });
}

/// Every kind of check that talks to this address.
fn kinds() -> Vec<CheckKind> {
    let sip = |transport| CheckKind::Sip(SipCheck::usual(transport));
    vec![
        CheckKind::Tcp(TcpCheck { port: 1720 }),
        CheckKind::Http(HttpCheck::usual(true)),
        sip(SipTransport::Udp),
        sip(SipTransport::Tcp),
    ]
}

fn says(kind: Unreachable, icmp_type: u8, icmp_code: u8, who: &str) -> Result<Reply, Failure> {
    let offender: IpAddr = who.parse().expect("an address");
    let error = IcmpError { kind, icmp_type, icmp_code, offender: Some(offender) };
    remote(RemoteFailure::Unreachable(error))
}

async fn every_kind_hears(address: &str, expected: Result<Reply, Failure>) {
    let peer = SocketAddr::new(address.parse().expect("an address"), 1);
    for kind in kinds() {
        assert_eq!(ask_at(peer, kind.clone()).await, expected, "{kind:?} at {address}");
    }
}

#[test]
fn the_router_that_says_no_is_named_with_its_reason() {
    behind_a_router(async {
        every_kind_hears("10.9.1.1", says(Unreachable::Host, 3, 1, ROUTER)).await;
        every_kind_hears("10.9.2.1", says(Unreachable::Net, 3, 0, ROUTER)).await;
        every_kind_hears("10.9.3.1", says(Unreachable::Prohibited, 3, 13, ROUTER)).await;
        every_kind_hears("fd09:2::1", says(Unreachable::Net, 1, 0, "fd09::fe")).await;
        every_kind_hears("fd09:3::1", says(Unreachable::Prohibited, 1, 1, "fd09::fe")).await;
        every_kind_hears(ROUTER, remote(RemoteFailure::Refused)).await;
        every_kind_hears("fd09::fe", remote(RemoteFailure::Refused)).await;
    });
}

#[test]
fn a_neighbour_that_is_gone_is_told_by_our_own_kernel() {
    behind_a_router(async {
        // It is no router's word, so nobody is named.
        let (kind, icmp_type, icmp_code, offender) = (Unreachable::Host, 3, 1, None);
        let error = IcmpError { kind, icmp_type, icmp_code, offender };
        let own = remote(RemoteFailure::Unreachable(error));
        let peer = "10.9.0.77:1".parse().expect("an address");
        assert_eq!(ask_at(peer, kinds().remove(0)).await, own);
    });
}

#[test]
fn a_gateway_that_is_gone_is_our_own_fault_whatever_is_asked_behind_it() {
    behind_a_router(async {
        for family in ["ipv4", "ipv6"] {
            let file = format!("/proc/sys/net/{family}/neigh/hub/retrans_time_ms");
            fs::write(file, "50").expect("it is ours");
        }
        ip("route replace default via 10.9.0.99");
        ip("-6 route replace default via fd09::99");
        every_kind_hears("10.9.1.1", Err(Failure::Local(LocalFailure::NoRoute))).await;
        every_kind_hears("fd09:3::1", Err(Failure::Local(LocalFailure::NoRoute))).await;
    });
}

#[test]
fn without_a_route_the_fault_is_ours() {
    behind_a_router(async {
        ip("route del default");
        ip("-6 route del default");
        every_kind_hears("10.9.1.1", Err(Failure::Local(LocalFailure::NoRoute))).await;
        every_kind_hears("fd09:3::1", Err(Failure::Local(LocalFailure::NoRoute))).await;
        ip("link set hub down");
        every_kind_hears(ROUTER, Err(Failure::Local(LocalFailure::NoRoute))).await;
    });
}
