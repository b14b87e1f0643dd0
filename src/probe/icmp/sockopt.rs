//! The socket options that echo engines need and that the socket crates do not name.
//!
//! `nix` writes the call for an option that is described to it, so there is no unsafe code here.

use std::io;
use std::os::fd::AsFd;

use nix::libc;
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
use socket2::SockRef;

use crate::wire::icmp::Family;

/// `SO_MEMINFO` of Linux, not in `libc`.
const SO_MEMINFO: libc::c_int = 55;
/// Figures that [`SO_MEMINFO`] gives: what waits to be read, and dropped packets, among others.
const MEMINFO_FIGURES: usize = 9;
const MEMINFO_HELD: usize = 0;
const MEMINFO_DROPS: usize = 8;

sockopt_impl!(V4MtuDiscover, SetOnly, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::c_int);
sockopt_impl!(V6MtuDiscover, SetOnly, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::c_int);
sockopt_impl!(MemInfo, GetOnly, libc::SOL_SOCKET, SO_MEMINFO, [u32; MEMINFO_FIGURES]);

/// Asks for a receive buffer of `bytes`, beyond the system's limit where that is permitted, and
/// returns what the kernel granted. Linux counts its own bookkeeping in, and so grants twice
/// what is asked for.
pub(super) fn raise_receive_buffer(socket: &impl AsFd, bytes: u32) -> io::Result<u32> {
    let wanted = usize::try_from(bytes).unwrap_or(usize::MAX);
    if setsockopt(socket, sockopt::RcvBufForce, &wanted).is_err() {
        setsockopt(socket, sockopt::RcvBuf, &wanted)?;
    }
    Ok(u32::try_from(getsockopt(socket, sockopt::RcvBuf)?).unwrap_or(u32::MAX))
}

/// Sets the DSCP of what the socket sends: the upper six bits of the TOS byte and of the traffic
/// class (RFC 2474 §3).
pub(super) fn set_dscp(socket: &impl AsFd, family: Family, dscp: u8) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let tos = u32::from(dscp & 0x3f) << 2;
    match family {
        Family::V4 => socket.set_tos_v4(tos),
        Family::V6 => socket.set_tclass_v6(tos),
    }
}

/// Says whether what the socket sends may be fragmented. If not, requests leave with DF set and
/// whatever size was asked for, without regard to path MTUs learned before: a search for the
/// path MTU must see the path, not the kernel's memory of it.
pub(super) fn set_fragmenting(
    socket: &impl AsFd,
    family: Family,
    may_fragment: bool,
) -> io::Result<()> {
    match family {
        Family::V4 => {
            let how = if may_fragment { libc::IP_PMTUDISC_DONT } else { libc::IP_PMTUDISC_PROBE };
            setsockopt(socket, V4MtuDiscover, &how)?;
        }
        Family::V6 => {
            let how =
                if may_fragment { libc::IPV6_PMTUDISC_DONT } else { libc::IPV6_PMTUDISC_PROBE };
            setsockopt(socket, V6MtuDiscover, &how)?;
        }
    }
    Ok(())
}

/// What the kernel says of a socket's receive buffer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Bytes of it that are taken, the kernel's bookkeeping included.
    pub(super) held: u32,
    /// Packets that were dropped since the socket was opened: because the buffer was full, and at
    /// raw IPv6 sockets also because their checksum was wrong.
    pub(super) drops: u32,
}

/// Asks the kernel about a socket's receive buffer.
pub(super) fn memory(socket: &impl AsFd) -> io::Result<Memory> {
    let figures = getsockopt(socket, MemInfo)?;
    Ok(Memory { held: figures[MEMINFO_HELD], drops: figures[MEMINFO_DROPS] })
}
