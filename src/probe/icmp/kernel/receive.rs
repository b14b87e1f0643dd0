//! Reading replies, errors and time stamps in batches, and telling the core what they are.
//!
//! A socket has two queues. One holds what came from the network. The other, the error queue,
//! holds our own packets with the time when they left, and on unprivileged sockets the ICMP
//! errors. A reply must not be judged before the time of its request is known, so replies are
//! fetched first, then the whole error queue is read, and only then are the replies looked at.

use std::io::IoSliceMut;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, MultiHeaders, RecvMsg, SockaddrStorage, recvmmsg,
};
use nix::sys::time::TimeSpec;
use nix::{cmsg_space, sys::socket::Timestamps};

use super::super::super::error_queue::Queued;
use super::super::own::OwnSince;
use super::super::{Own, ip_of};
use super::core::{Arrival, Core};
use super::run::Clocks;
use super::socket::{Kind, Socket};
use crate::model::{IcmpError, Mono};
use crate::wire::icmp::{
    Family, Flaw, Message, Refusal, find_request, is_refusal, parse, parse_datagram, parse_quoted,
};

/// Messages per system call at most.
const BATCH: usize = 128;

/// Messages per system call when little is going on.
const FEW: usize = 8;

/// Room for a message: what usual links carry whole. Larger requests make it grow. An odd number
/// of cache lines, so that the beginnings of messages do not compete for the same ones.
const MESSAGE: usize = 25 * 64;

/// Room for the beginning of a packet of ours that comes back: link header, IP header with
/// options or a fragment header, echo header and mark.
const FRAME: usize = 192;

/// Messages read from a socket at a time, beyond what its buffer holds at usual sizes: who sends
/// faster than we read must not keep us from everything else.
const TURN: usize = 16_384;

/// Errors that are about another packet and merely wait at the socket are cleared and the call
/// repeated, so often at most.
const REPEATS: u32 = 4;

/// Buffers, shared by all sockets.
pub(super) struct Receiver {
    messages: Vec<u8>,
    message: usize,
    frames: Vec<u8>,
    /// How many messages the next call asks for.
    width: usize,
    own: OwnSince,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            messages: vec![0; MESSAGE * BATCH],
            message: MESSAGE,
            frames: vec![0; FRAME * BATCH],
            width: FEW,
            own: OwnSince::default(),
        }
    }

    /// The addresses of this machine.
    pub(super) fn own(&mut self, now: Mono) -> Own {
        self.own.at(now).clone()
    }

    /// Makes room for replies that carry `payload` bytes.
    pub(super) fn make_room(&mut self, payload: u16) {
        // Echo header, and an IP header with options on a raw socket.
        let wanted = usize::from(payload) + 8 + 60;
        if wanted > self.message {
            self.message = wanted;
            self.messages = vec![0; wanted * BATCH];
        }
    }

    /// Reads what waits at a socket of `lane`. Returns whether that was all.
    pub(super) fn drain(
        &mut self,
        core: &mut Core,
        socket: &mut Socket,
        lane: (u16, u32),
        clocks: &mut Clocks,
    ) -> bool {
        let (mut repeats, mut turn) = (0, 0);
        loop {
            let width = self.width;
            let mut slices = pieces(&mut self.messages, self.message, width);
            let space = cmsg_space!(Timestamps, libc::c_int, libc::c_int);
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(width, Some(space));
            let fetched = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT,
                None,
            );
            let (frames, own) = (&mut self.frames, &mut self.own);
            let errors = Self::drain_errors(frames, width, core, socket, lane, clocks, own);
            let now = clocks.observe();
            let mut count = 0;
            match fetched {
                Ok(messages) => {
                    for message in messages {
                        count += 1;
                        socket.fill.fetched(message.bytes);
                        read_message(core, socket, lane, &message, clocks, own, now);
                    }
                }
                Err(Errno::EAGAIN) => {}
                Err(_) if repeats < REPEATS => {
                    repeats += 1;
                    socket.clear_error();
                    continue;
                }
                Err(_) => {}
            }
            let most = count.max(errors);
            // A little more than last time, so that a call that finds them all is the only one.
            let wanted = if most < width { most + most / 4 + 1 } else { 2 * most };
            self.width = wanted.clamp(FEW, BATCH);
            turn += count + errors;
            if count < width {
                return errors < TURN;
            }
            if turn >= TURN {
                return false;
            }
        }
    }

    /// Reads the error queue, beginning with `width` messages, and returns how many there were;
    /// [`TURN`] or more only when it was left before the end.
    fn drain_errors(
        frames: &mut [u8],
        mut width: usize,
        core: &mut Core,
        socket: &mut Socket,
        lane: (u16, u32),
        clocks: &mut Clocks,
        own: &mut OwnSince,
    ) -> usize {
        let mut total = 0;
        loop {
            let mut slices = pieces(frames, FRAME, width);
            let space = cmsg_space!(
                Timestamps,
                (libc::sock_extended_err, libc::sockaddr_in6),
                libc::c_int,
                libc::c_int
            );
            let mut headers = MultiHeaders::<SockaddrStorage>::preallocate(width, Some(space));
            let Ok(messages) = recvmmsg(
                socket.as_raw_fd(),
                &mut headers,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_ERRQUEUE,
                None,
            ) else {
                return total;
            };
            let now = clocks.observe();
            let mut count = 0;
            for message in messages {
                count += 1;
                socket.fill.fetched(message.bytes);
                read_error(core, socket, lane, &message, clocks, own, now);
            }
            total += count;
            if count < width || total >= TURN {
                return total;
            }
            width = BATCH;
        }
    }
}

/// The first `count` pieces of `length` bytes, each to receive one message.
fn pieces(buffer: &mut [u8], length: usize, count: usize) -> Vec<[IoSliceMut<'_>; 1]> {
    buffer.chunks_exact_mut(length).take(count).map(|piece| [IoSliceMut::new(piece)]).collect()
}

type Received<'a, 'b> = RecvMsg<'a, 'b, SockaddrStorage>;

/// What the kernel says about a message besides its bytes.
#[derive(Default)]
struct Ancillary {
    /// Nanoseconds since 1970.
    stamp: Option<i64>,
    ttl: Option<u8>,
    tos: Option<u8>,
    queued: Option<Queued>,
}

impl Ancillary {
    fn of(message: &Received<'_, '_>) -> Self {
        let mut ancillary = Self::default();
        // Fails only when there was too little room, of which there is enough.
        let Ok(all) = message.cmsgs() else { return ancillary };
        for one in all {
            match one {
                ControlMessageOwned::ScmTimestampsns(stamps) => {
                    ancillary.stamp = nanos(stamps.system);
                }
                ControlMessageOwned::Ipv4Ttl(ttl) | ControlMessageOwned::Ipv6HopLimit(ttl) => {
                    ancillary.ttl = u8::try_from(ttl).ok();
                }
                ControlMessageOwned::Ipv4Tos(tos) => ancillary.tos = Some(tos),
                ControlMessageOwned::Ipv6TClass(class) => ancillary.tos = u8::try_from(class).ok(),
                other => ancillary.queued = Queued::of(&other).or(ancillary.queued),
            }
        }
        ancillary
    }
}

/// Tells the core what came from the network.
fn read_message(
    core: &mut Core,
    socket: &Socket,
    (lane, number): (u16, u32),
    message: &Received<'_, '_>,
    clocks: &Clocks,
    own: &mut OwnSince,
    now: Mono,
) {
    let bytes = message.iovs().next().unwrap_or_default();
    let Ancillary { stamp, mut ttl, mut tos, .. } = Ancillary::of(message);
    let family = socket.manner.family;
    let parsed = if (family, socket.kind) == (Family::V4, Kind::Raw) {
        parse_datagram(bytes).map(|(header, parsed)| {
            (ttl, tos) = (Some(header.ttl), Some(header.tos));
            parsed
        })
    } else {
        parse(family, bytes)
    };
    let Some(from) = message.address.as_ref().and_then(ip_of) else { return core.foreign() };
    let arrival = Arrival { lane, socket: number, from, ttl, tos, now };
    match parsed {
        Ok(Message::Reply(reply)) => {
            let earliest = core.earliest(lane, &reply).unwrap_or(Mono::ZERO);
            let at = stamp.and_then(|stamp| clocks.stamps.to_mono(stamp, earliest, now));
            core.reply(&arrival, &reply, at);
        }
        // A raw socket gets the errors about every echo request of the machine.
        Ok(Message::Error(refusal)) if refusal.request.ident == socket.ident => {
            core.refusal(&arrival, &refusal, own.at(now));
        }
        Ok(Message::Error(_) | Message::Other) | Err(Flaw::Foreign) => core.foreign(),
        Err(Flaw::Truncated | Flaw::Checksum) => core.garbled(),
    }
}

/// Tells the core what came on the error queue.
fn read_error(
    core: &mut Core,
    socket: &Socket,
    (lane, number): (u16, u32),
    message: &Received<'_, '_>,
    clocks: &Clocks,
    own: &mut OwnSince,
    now: Mono,
) {
    let bytes = message.iovs().next().unwrap_or_default();
    let Ancillary { stamp, queued: Some(queued), .. } = Ancillary::of(message) else { return };
    let family = socket.manner.family;
    // A raw IPv4 socket delivers ICMP errors as they came, besides.
    if !queued.is_stamp() && (family, socket.kind) == (Family::V4, Kind::Raw) {
        return;
    }
    if queued.is_stamp() {
        if let Some(stamp) = stamp
            && let Some((request, asked)) =
                find_request(family, bytes, |request| core.asked(lane, request))
            && let Some(left) = clocks.stamps.to_mono(stamp, asked, now)
        {
            core.left(lane, &request, left);
        }
        return;
    }
    // What the kernel refused on the spot was already said by the call that sent it.
    if let Some(IcmpError { icmp_type, icmp_code, offender: Some(from), .. }) = queued.icmp()
        && is_refusal(family, icmp_type)
        && let Some(request) = parse_quoted(family, bytes)
        && let Some(destination) = message.address.as_ref().and_then(ip_of)
    {
        let mtu = queued.mtu();
        let refusal = Refusal { icmp_type, icmp_code, mtu, destination, request };
        let arrival = Arrival { lane, socket: number, from, ttl: None, tos: None, now };
        core.refusal(&arrival, &refusal, own.at(now));
    }
}

/// Nanoseconds since 1970; none for the zero that means "not stamped".
fn nanos(time: TimeSpec) -> Option<i64> {
    let nanos = time.tv_sec().checked_mul(1_000_000_000)?.checked_add(time.tv_nsec())?;
    (nanos != 0).then_some(nanos)
}
