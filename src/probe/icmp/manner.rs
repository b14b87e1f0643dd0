//! How a request is sent. Requests that are sent alike share their sockets.

use std::io;
use std::os::fd::AsFd;

use super::sockopt::{set_dscp, set_fragmenting};
use crate::wire::icmp::Family;

/// What requests must have in common to leave through the same socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Manner {
    pub(super) family: Family,
    pub(super) dscp: u8,
    pub(super) dont_fragment: bool,
}

impl Manner {
    /// The usual one of IPv4.
    pub(super) const PLAIN: Self = Self { family: Family::V4, dscp: 0, dont_fragment: false };

    /// Makes a socket send in this manner.
    pub(super) fn put_on(self, socket: &impl AsFd) -> io::Result<()> {
        set_dscp(socket, self.family, self.dscp)?;
        set_fragmenting(socket, self.family, !self.dont_fragment)
    }
}
