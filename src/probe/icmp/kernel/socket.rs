//! A socket of the engine, made ready: kind, filter, time stamps, error queue, buffers.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use nix::libc;
use nix::sys::socket::{TimestampingFlag, setsockopt, sockopt};
use nix::{setsockopt_impl, sockopt_impl};
use socket2::{Domain, Protocol, SockFilter, Type};

use super::super::manner::Manner;
use super::super::sockopt::{memory, raise_receive_buffer};
use super::fill::Fill;
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
    pub(super) manner: Manner,
    pub(super) kind: Kind,
    /// Identifier of the requests, where we choose it.
    pub(super) ident: u16,
    /// Receive buffer as granted.
    pub(super) receive_buffer: u32,
    /// What the drop counter read last.
    drops: u32,
    /// How full the receive buffer may have been since then.
    pub(super) fill: Fill,
}

/// Packets that the kernel dropped at a socket, which never got to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drops {
    /// For want of room.
    Crowded(u32),
    /// Because they were damaged.
    Damaged(u32),
}

impl Socket {
    /// Opens a socket: unprivileged where the kernel allows it, raw otherwise.
    /// `ident` becomes the identifier on a raw one.
    ///
    /// # Errors
    /// What the kernel said to the unprivileged kind when it allows neither.
    pub(super) fn open(manner: Manner, ident: u16, receive_buffer: u32) -> io::Result<Self> {
        let (domain, protocol) = match manner.family {
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
        let mut socket = Self {
            socket,
            manner,
            kind,
            ident,
            receive_buffer: 0,
            drops: 0,
            fill: Fill::default(),
        };
        socket.prepare(receive_buffer)?;
        Ok(socket)
    }

    fn prepare(&mut self, receive_buffer: u32) -> io::Result<()> {
        let family = self.manner.family;
        self.socket.set_nonblocking(true)?;
        if self.kind == Kind::Raw {
            self.filter()?;
        }
        self.manner.put_on(&self.socket)?;
        self.receive_buffer = raise_receive_buffer(&self.socket, receive_buffer)?;
        self.socket.set_send_buffer_size(SEND_BUFFER)?;
        match (family, self.kind) {
            (Family::V4, Kind::Datagram) => {
                setsockopt(&self.socket, sockopt::Ipv4RecvTtl, &true)?;
                self.socket.set_recv_tos_v4(true)?;
                setsockopt(&self.socket, sockopt::Ipv4RecvErr, &true)?;
            }
            // A raw socket delivers IPv4 headers and ICMP errors as they came. With this it also
            // says when our own queue has no room, which it keeps to itself otherwise (ip(7)).
            (Family::V4, Kind::Raw) => setsockopt(&self.socket, sockopt::Ipv4RecvErr, &true)?,
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
        self.drops = memory(&self.socket)?.drops;
        Ok(())
    }

    /// Lets a raw socket see echo replies with our identifier and errors that quote it, and nothing
    /// else. The first filter spares the kernel a copy of every other ICMP packet of the machine.
    fn filter(&self) -> io::Result<()> {
        match self.manner.family {
            Family::V4 => {
                let blocked: u32 = !(1 << 0 | 1 << 3 | 1 << 11 | 1 << 12);
                setsockopt(&self.socket, V4Filter, &blocked)?;
                self.socket.attach_filter(&v4_program(self.ident))
            }
            Family::V6 => {
                let mut blocked = [u32::MAX; 8];
                for icmp_type in [1_usize, 2, 3, 4, 129] {
                    blocked[icmp_type / 32] &= !(1 << (icmp_type % 32));
                }
                setsockopt(&self.socket, V6Filter, &blocked)?;
                self.socket.attach_filter(&v6_program(self.ident))
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

    /// Packets dropped since the last call, if any. Only a raw IPv6 socket looks at checksums
    /// itself.
    pub(super) fn new_drops(&mut self) -> Option<Drops> {
        let now = memory(&self.socket).ok()?;
        let new = now.drops.wrapping_sub(self.drops);
        self.drops = now.drops;
        let was_full = self.fill.was_full(now.held, self.receive_buffer);
        let looks = (self.manner.family, self.kind) == (Family::V6, Kind::Raw);
        (new > 0).then_some(if was_full || !looks {
            Drops::Crowded(new)
        } else {
            Drops::Damaged(new)
        })
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

// What the filters load: a byte or two at a fixed place, or beyond X.
const BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const WORD: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_ABS;
const BYTE_X: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
const WORD_X: u32 = libc::BPF_LD | libc::BPF_H | libc::BPF_IND;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const GO: u32 = libc::BPF_JMP | libc::BPF_JA;
const GIVE: u32 = libc::BPF_RET | libc::BPF_K;

/// One instruction of a filter: what it does with which number, and how many it skips when that
/// holds and when it does not.
const fn op(code: u32, k: u32, yes: u8, no: u8) -> SockFilter {
    #[allow(clippy::cast_possible_truncation, reason = "codes have eight bits")]
    SockFilter::new(code as u16, yes, no, k)
}

/// Accepts an IPv4 packet with an echo reply that has our identifier, or with an error about an
/// ICMP message that has it. What is too short for that is not accepted.
fn v4_program(ident: u16) -> Vec<SockFilter> {
    let alu = |what| libc::BPF_ALU | libc::BPF_K | what;
    vec![
        // X = length of the IP header.
        op(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0, 0, 0),
        op(BYTE_X, 0, 0, 0),
        op(EQUALS, 0, 9, 0),
        // An error: the protocol of the packet that it quotes from its ninth byte on …
        op(BYTE_X, 8 + 9, 0, 0),
        op(EQUALS, 1, 0, 10),
        // … and what follows that one's header.
        op(BYTE_X, 8, 0, 0),
        op(alu(libc::BPF_AND), 0x0f, 0, 0),
        op(alu(libc::BPF_LSH), 2, 0, 0),
        op(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X, 0, 0, 0),
        op(libc::BPF_MISC | libc::BPF_TAX, 0, 0, 0),
        op(WORD_X, 8 + 4, 0, 0),
        op(GO, 1, 0, 0),
        op(WORD_X, 4, 0, 0),
        op(EQUALS, u32::from(ident), 0, 1),
        op(GIVE, u32::MAX, 0, 0),
        op(GIVE, 0, 0, 0),
    ]
}

/// The same for IPv6, whose raw sockets deliver packets without their header. The request that an
/// error quotes may have a fragment header.
fn v6_program(ident: u16) -> Vec<SockFilter> {
    const QUOTED: u32 = 8;
    const BODY: u32 = QUOTED + 40;
    vec![
        op(BYTE, 0, 0, 0),
        op(EQUALS, 129, 9, 0),
        op(BYTE, QUOTED + 6, 0, 0),
        op(EQUALS, 58, 5, 0),
        op(EQUALS, 44, 0, 9),
        op(BYTE, BODY, 0, 0),
        op(EQUALS, 58, 0, 7),
        op(WORD, BODY + 8 + 4, 0, 0),
        op(GO, 3, 0, 0),
        op(WORD, BODY + 4, 0, 0),
        op(GO, 1, 0, 0),
        op(WORD, 4, 0, 0),
        op(EQUALS, u32::from(ident), 0, 1),
        op(GIVE, u32::MAX, 0, 0),
        op(GIVE, 0, 0, 0),
    ]
}
