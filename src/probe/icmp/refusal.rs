//! What it means when our own kernel does not take a packet.

use std::io;

use nix::errno::Errno;

use crate::model::{IcmpError, LocalFailure, Unreachable};
use crate::wire::icmp::Family;

/// Why this machine could not send.
pub(in crate::probe) fn local_failure(error: &io::Error) -> LocalFailure {
    match errno(error) {
        Errno::ENETUNREACH
        | Errno::EHOSTUNREACH
        | Errno::ENETDOWN
        | Errno::EADDRNOTAVAIL
        | Errno::EAFNOSUPPORT => LocalFailure::NoRoute,
        // A firewall on the way out.
        Errno::EPERM => LocalFailure::Forbidden(error.to_string()),
        // Linux says the same of both; neither is about our rights.
        Errno::EACCES => LocalFailure::Forbidden(
            "a broadcast address, or a route of this machine that prohibits it".to_owned(),
        ),
        Errno::ENOBUFS | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE => {
            LocalFailure::Exhausted(error.to_string())
        }
        _ => LocalFailure::Other(error.to_string()),
    }
}

/// A packet that is larger than our own interface takes is refused as a router would refuse it,
/// except that nobody says so in a message. Its MTU is not known here.
pub(super) fn refused_by_own_interface(family: Family, error: &io::Error) -> Option<IcmpError> {
    let (icmp_type, icmp_code) = match family {
        Family::V4 => (3, 4),
        Family::V6 => (2, 0),
    };
    let kind = Unreachable::TooBig { mtu: 0 };
    (errno(error) == Errno::EMSGSIZE).then_some(IcmpError {
        kind,
        icmp_type,
        icmp_code,
        offender: None,
    })
}

/// What the kernel said.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}
