//! A socket of the engine, made ready: kind, filter, time stamps, error queue, buffers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::libc;
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, Protocol, SockFilter, Type};

use super::super::sockopt::{drops, raise_receive_buffer, set_dscp, set_fragmenting};
use super::core::Class;
use crate::wire::icmp::Family;

/// `ICMP_FILTER` and `ICMPV6_FILTER` (RFC 3542 §3.2) of Linux, not in `libc`.
const ICMP_FILTER: libc::c_int = 1;
const ICMPV6_FILTER: libc::c_int = 1;

sockopt_impl!(V4Filter, SetOnly, libc::SOL_RAW, ICMP_FILTER, u32);
sockopt_impl!(V6Filter, SetOnly, libc::IPPROTO_ICMPV6, ICMPV6_FILTER, [u32; 8]);

/// What the send buffer is asked to be. It holds what a slow interface has not sent yet.
const SEND_BUFFER: usize = 1 << 20;

/// How the kernel lets us send echo requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An unprivileged socket: the kernel chooses the identifier and delivers what fits it.
    Datagram,
    /// A raw socket, with filters that let through the same.
    Raw,
}

/// One socket.
#[derive(Debug)]
pub(super) struct Socket {
    socket: socket2::Socket,
    pub(super) class: Class,
    pub(super) kind: Kind,
    /// Identifier of the requests, where we choose it.
    pub(super) ident: u16,
    /// Receive buffer as granted.
    pub(super) receive_buffer: u32,
    /// What the drop counter read last.
    drops: u32,
}

impl Socket {
    /// Opens a socket for a class: unprivileged where the kernel allows it, raw otherwise.
    /// `ident` becomes the identifier on a raw one.
    ///
    /// # Errors
    /// What the kernel said to the unprivileged kind when it allows neither.
    pub(super) fn open(class: Class, ident: u16, receive_buffer: u32) -> io::Result<Self> {
        let (domain, protocol) = match class.family {
            Family::V4 => (Domain::IPV4, Protocol::ICMPV4),
            Family::V6 => (Domain::IPV6, Protocol::ICMPV6),
        };
        let (kind, socket) = match socket2::Socket::new(domain, Type::DGRAM, Some(protocol)) {
            Ok(socket) => (Kind::Datagram, socket),
            Err(refused) => match socket2::Socket::new(domain, Type::RAW, Some(protocol)) {
                Ok(socket) => (Kind::Raw, socket),
                Err(_) => return Err(refused),
            },
        };
        let mut socket =
            Self { socket, class, kind, ident: ident.max(1), receive_buffer: 0, drops: 0 };
        socket.prepare(receive_buffer)?;
        Ok(socket)
    }

    fn prepare(&mut self, receive_buffer: u32) -> io::Result<()> {
        let Class { family, dscp, dont_fragment } = self.class;
        self.socket.set_nonblocking(true)?;
        if self.kind == Kind::Raw {
            self.filter()?;
        }
        set_dscp(&self.socket, family, dscp)?;
        set_fragmenting(&self.socket, family, !dont_fragment)?;
        self.receive_buffer = raise_receive_buffer(&self.socket, receive_buffer)?;
        self.socket.set_send_buffer_size(SEND_BUFFER)?;
        match (family, self.kind) {
            (Family::V4, Kind::Datagram) => {
                setsockopt(&self.socket, sockopt::Ipv4RecvTtl, &true)?;
                self.socket.set_recv_tos_v4(true)?;
                setsockopt(&self.socket, sockopt::Ipv4RecvErr, &true)?;
            }
            // A raw socket delivers IPv4 headers and ICMP errors as they came.
            (Family::V4, Kind::Raw) => {}
            (Family::V6, kind) => {
                self.socket.set_recv_hoplimit_v6(true)?;
                self.socket.set_recv_tclass_v6(true)?;
                if kind == Kind::Datagram {
                    setsockopt(&self.socket, sockopt::Ipv6RecvErr, &true)?;
                }
            }
        }
        // Sent packets come back on the error queue with the time of their leaving. They come
        // back whole: the mark inside says for certain which they are, where a counter of ours
        // could fall out of step with the kernel's.
        let stamps = TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE
            | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE;
        setsockopt(&self.socket, sockopt::Timestamping, &stamps)?;
        self.discard();
        self.drops = drops(&self.socket)?;
        Ok(())
    }

    /// Lets a raw socket see echo replies with our identifier and errors, and nothing else. The
    /// first filter spares the kernel a copy of every other ICMP packet of the machine.
    fn filter(&self) -> io::Result<()> {
        match self.class.family {
            Family::V4 => {
                let blocked: u32 = !(1 << 0 | 1 << 3 | 1 << 11 | 1 << 12);
                setsockopt(&self.socket, V4Filter, &blocked)?;
                self.socket.attach_filter(&program(
                    &[
                        // X = length of the IP header; A = ICMP type.
                        (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
                        (libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0),
                    ],
                    0,
                    (libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 4),
                    self.ident,
                ))
            }
            Family::V6 => {
                let mut blocked = [u32::MAX; 8];
                for icmp_type in [1_usize, 2, 3, 4, 129] {
                    blocked[icmp_type / 32] &= !(1 << (icmp_type % 32));
                }
                setsockopt(&self.socket, V6Filter, &blocked)?;
                self.socket.attach_filter(&program(
                    &[(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0)],
                    129,
                    (libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 4),
                    self.ident,
                ))
            }
        }
    }

    /// Throws away what arrived before the filter stood.
    fn discard(&self) {
        for _ in 0..10_000 {
            if self.socket.recv(&mut []).is_err() {
                break;
            }
        }
    }

    /// Packets dropped because the buffer was full, since the last call.
    pub(super) fn new_drops(&mut self) -> u32 {
        let Ok(now) = drops(&self.socket) else { return 0 };
        let new = now.wrapping_sub(self.drops);
        self.drops = now;
        new
    }

    /// Takes away an error that waits for the next call, whoever it is about.
    pub(super) fn clear_error(&self) {
        // Only the side effect is wanted.
        let _ = self.socket.take_error();
    }

    pub(super) fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A filter that accepts echo replies (`reply` is their type, which `load_type` loads) whose
/// identifier, loaded by `load_ident`, is ours, and all other types that came so far.
fn program(
    load_type: &[(u32, u32)],
    reply: u32,
    load_ident: (u32, u32),
    ident: u16,
) -> Vec<SockFilter> {
    let jump = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    let give = libc::BPF_RET | libc::BPF_K;
    let op = |(code, k): (u32, u32), jt, jf| {
        SockFilter::new(u16::try_from(code).unwrap_or(0), jt, jf, k)
    };
    let mut program: Vec<SockFilter> = load_type.iter().map(|&load| op(load, 0, 0)).collect();
    program.extend([
        op((jump, reply), 0, 2),
        op(load_ident, 0, 0),
        op((jump, u32::from(ident)), 0, 1),
        op((give, u32::MAX), 0, 0),
        op((give, 0), 0, 0),
    ]);
    program
}
