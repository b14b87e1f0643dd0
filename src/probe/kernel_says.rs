//! What the kernel says about a socket, as a failure: whose fault is it, ours or theirs?
//!
//! The number alone does not tell: "no route to host" is said when this machine has no route, when
//! a neighbour does not answer, and when a router far away sent an ICMP error. So sockets ask for
//! their error queue (`IP_RECVERR`, ip(7)), where the kernel puts the ICMP message with its sender.

use std::io::{self, IoSliceMut};
use std::net::IpAddr;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg, sockopt};

use super::error_queue::Queued;
use super::icmp::{Own, ip_of, local_failure};
use crate::model::{Failure, IcmpError, LocalFailure, RemoteFailure, Unreachable};

/// Asks the kernel to keep ICMP errors about this socket with their senders.
pub(super) fn ask_for_reasons(socket: &socket2::Socket, peer: IpAddr) -> io::Result<()> {
    match peer {
        IpAddr::V4(_) => nix::sys::socket::setsockopt(socket, sockopt::Ipv4RecvErr, &true)?,
        IpAddr::V6(_) => nix::sys::socket::setsockopt(socket, sockopt::Ipv6RecvErr, &true)?,
    }
    Ok(())
}

/// The failure behind an error that a call returned at once, before anything could have come back:
/// this machine's own.
pub(super) fn at_once(error: &io::Error) -> Failure {
    Failure::Local(match error.raw_os_error().map(Errno::from_raw) {
        // How connect says that no local port is left (connect(2)).
        Some(Errno::EADDRNOTAVAIL) => LocalFailure::Exhausted(error.to_string()),
        _ => local_failure(error),
    })
}

/// The failure behind an error that came while a packet was under way.
///
/// 1. An ICMP message in the error queue says it best, with its sender; when that is ourselves and
///    it is about a gateway of ours, the failure is our own.
/// 2. A reset, or a port-unreachable, is a refusal: the host lives.
/// 3. Without a message the number is translated back into the one that causes it.
pub(super) fn later(error: &io::Error, socket: &impl AsRawFd) -> Failure {
    if let Some((icmp, asked)) = queued(socket) {
        let judged = asked.map_or(Ok(icmp), |asked| Own::read().judge(icmp, asked));
        return match judged {
            Ok(IcmpError { kind: Unreachable::Port, .. }) => {
                Failure::Remote(RemoteFailure::Refused)
            }
            Ok(icmp) => Failure::Remote(RemoteFailure::Unreachable(icmp)),
            Err(ours) => Failure::Local(ours),
        };
    }
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ECONNREFUSED) => Failure::Remote(RemoteFailure::Refused),
        Some(Errno::ECONNRESET | Errno::EPIPE | Errno::ECONNABORTED) => {
            Failure::Remote(RemoteFailure::Closed)
        }
        Some(Errno::ETIMEDOUT) => Failure::Remote(RemoteFailure::Timeout),
        Some(Errno::EHOSTUNREACH) => unnamed(Unreachable::Host, 1),
        Some(Errno::ENETUNREACH) => unnamed(Unreachable::Net, 0),
        _ => at_once(error),
    }
}

/// A destination-unreachable whose message nobody kept.
const fn unnamed(kind: Unreachable, icmp_code: u8) -> Failure {
    Failure::Remote(RemoteFailure::Unreachable(IcmpError {
        kind,
        icmp_type: 3,
        icmp_code,
        offender: None,
    }))
}

/// The first ICMP message in the socket's error queue, with whom the packet was for.
fn queued(socket: &impl AsRawFd) -> Option<(IcmpError, Option<IpAddr>)> {
    let mut payload = [0; 64];
    let mut slices = [IoSliceMut::new(&mut payload)];
    let mut space = nix::cmsg_space!(libc::sock_extended_err, libc::sockaddr_in6);
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut space), flags)
            .ok()?;
    let asked = message.address.as_ref().and_then(ip_of);
    let icmp = message.cmsgs().ok()?.find_map(|one| Queued::of(&one)?.icmp())?;
    Some((icmp, asked))
}
