//! What echo engines have to work with: one kind of socket or the other, one family of addresses or
//! the other. What the service ships with is only one of the four.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vchealth::lab;
use vchealth::wire::icmp::Family;

/// A kind of socket with a family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Socket {
    /// Whether unprivileged sockets are permitted, so that they are not raw.
    pub(crate) unprivileged: bool,
    pub(crate) family: Family,
}

impl Socket {
    /// All four.
    pub(crate) const ALL: [Self; 4] = [
        Self { unprivileged: true, family: Family::V4 },
        Self { unprivileged: true, family: Family::V6 },
        Self { unprivileged: false, family: Family::V4 },
        Self { unprivileged: false, family: Family::V6 },
    ];

    /// A lab in which this is the socket.
    pub(crate) fn options(self) -> lab::Options {
        lab::Options { unprivileged_ping: self.unprivileged, ..lab::Options::default() }
    }

    /// The address of this family that stands for an IPv4 one: with a /64 for each /24.
    pub(crate) fn address(self, v4: Ipv4Addr) -> IpAddr {
        let [_, high, low, host] = v4.octets().map(u16::from);
        match self.family {
            Family::V4 => v4.into(),
            Family::V6 => Ipv6Addr::new(0xfd64, 0, high, low, 0, 0, 0, host).into(),
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.unprivileged { "unprivileged" } else { "raw" };
        let family = match self.family {
            Family::V4 => "v4",
            Family::V6 => "v6",
        };
        write!(f, "{kind}-{family}")
    }
}
