//! What the kernel puts into a socket's error queue (`IP_RECVERR`, ip(7)): ICMP errors with their
//! senders, and our own packets with the time when they left.

use std::net::IpAddr;

use nix::libc;
use nix::sys::socket::{ControlMessageOwned, SockaddrIn, SockaddrIn6};

use crate::model::IcmpError;
use crate::wire::icmp::{Family, meaning};

/// One entry of the queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    family: Family,
    error: libc::sock_extended_err,
    offender: Option<IpAddr>,
}

impl Queued {
    /// What a control message says of the packet that it came with; none if that is not from the
    /// error queue.
    pub(super) fn of(message: &ControlMessageOwned) -> Option<Self> {
        match message {
            ControlMessageOwned::Ipv4RecvErr(error, offender) => {
                let offender = offender.map(|from| SockaddrIn::from(from).ip().into());
                Some(Self { family: Family::V4, error: *error, offender })
            }
            ControlMessageOwned::Ipv6RecvErr(error, offender) => {
                let offender = offender.map(|from| SockaddrIn6::from(from).ip().into());
                Some(Self { family: Family::V6, error: *error, offender })
            }
            _ => None,
        }
    }

    /// Whether it is a packet of ours with the time when it left.
    pub(super) const fn is_stamp(&self) -> bool {
        self.error.ee_origin == libc::SO_EE_ORIGIN_TIMESTAMPING
    }

    /// The MTU of the next hop, where it is an ICMP error that names one.
    pub(super) const fn mtu(&self) -> u32 {
        self.error.ee_info
    }

    /// The ICMP error, if it is one.
    pub(super) fn icmp(&self) -> Option<IcmpError> {
        let &Self { family, error, offender } = self;
        let origin = match family {
            Family::V4 => libc::SO_EE_ORIGIN_ICMP,
            Family::V6 => libc::SO_EE_ORIGIN_ICMP6,
        };
        (error.ee_origin == origin).then(|| IcmpError {
            kind: meaning(family, error.ee_type, error.ee_code, error.ee_info),
            icmp_type: error.ee_type,
            icmp_code: error.ee_code,
            offender,
        })
    }
}
