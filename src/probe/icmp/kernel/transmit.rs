//! Sending echo requests in batches: many packets, one system call.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg};

use super::super::{local_failure, refused_by_own_interface};
use super::core::{Core, Outgoing, Unsendable};
use super::socket::Socket;
use crate::clock::Clock;
use crate::model::Mono;
use crate::wire::icmp::{MARK, MAX_PAYLOAD, echo_request};

/// Packets per system call.
const BATCH: usize = 128;

/// How often a packet is offered. An error may be a message about another packet that waits at
/// the socket; only one that stays is about this packet. Where a router gone mad sends messages by
/// the thousand there is often a new one, so it has to stay for long.
const OFFERS: u32 = 16;

/// The same after another packet of the batch failed for this reason, so that many that cannot
/// leave do not cost as much each.
const OFFERS_AGAIN: u32 = 3;

/// A socket that takes nothing for this long has no room, not just a busy interface.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been taken from the core and waits for its socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Vec<Outgoing>,
    blocked: Option<Mono>,
}

impl Outbox {
    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.waiting.push(outgoing);
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The first `done` are over. When none is left nobody is kept waiting any more.
    fn over(&mut self, done: usize) {
        self.waiting.drain(..done);
        if self.waiting.is_empty() {
            self.blocked = None;
        }
    }
}

/// What every batch uses.
pub(super) struct Transmitter {
    headers: MultiHeaders<SockaddrStorage>,
    /// What follows the mark in every payload: the counting bytes of the usual ping.
    filler: Vec<u8>,
    /// The requests of a batch, one behind the other: the kernel takes a packet in one piece for
    /// less than one in two.
    requests: Vec<u8>,
    addresses: Vec<Option<SockaddrStorage>>,
}

impl Transmitter {
    pub(super) fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            filler: Vec::new(),
            requests: Vec::new(),
            addresses: Vec::with_capacity(BATCH),
        }
    }

    /// Sends what waits in `outbox`, as far as the socket takes it.
    pub(super) fn flush(
        &mut self,
        core: &mut Core,
        socket: &Socket,
        outbox: &mut Outbox,
        clock: Clock,
    ) {
        let (mut done, mut offers, mut certain) = (0, 0, None);
        while let Some(first) = outbox.waiting.get(done) {
            let (lane, slot) = (first.lane, first.slot);
            let asked = clock.mono();
            if first.by < asked {
                core.held_up(first, asked);
                (done, offers) = (done + 1, 0);
                continue;
            }
            // Offered again it goes alone: a batch takes a while to make, and another message may
            // come meanwhile.
            let most = if offers == 0 { BATCH } else { 1 };
            let batch = outbox.waiting[done..].iter().take(most);
            let batch = batch.take_while(|outgoing| outgoing.by >= asked).count();
            let error = match self.send(socket, &outbox.waiting[done..done + batch]) {
                Ok(sent) => {
                    for outgoing in &outbox.waiting[done..done + sent] {
                        core.sent(outgoing, asked);
                    }
                    (done, offers, outbox.blocked) = (done + sent, 0, None);
                    continue;
                }
                Err(Errno::EAGAIN) => {
                    let since = *outbox.blocked.get_or_insert(asked);
                    if asked - since < PATIENCE {
                        break;
                    }
                    Errno::ENOBUFS
                }
                Err(Errno::EINTR) => continue,
                Err(error) => error,
            };
            offers += 1;
            if offers < if certain == Some(error) { OFFERS_AGAIN } else { OFFERS } {
                socket.clear_error();
                continue;
            }
            certain = Some(error);
            let error = io::Error::from(error);
            let why = refused_by_own_interface(socket.manner.family, &error)
                .map_or_else(|| Unsendable::Ours(local_failure(&error)), Unsendable::Refused);
            core.unsendable(lane, slot, why, asked);
            (done, offers) = (done + 1, 0);
        }
        outbox.over(done);
    }

    /// Offers a batch to the kernel and says how many it took, at least one.
    fn send(&mut self, socket: &Socket, batch: &[Outgoing]) -> Result<usize, Errno> {
        self.prepare_filler(batch.iter().map(|outgoing| outgoing.size).max().unwrap_or(0));
        let Self { headers, filler, requests, addresses } = self;
        requests.clear();
        addresses.clear();
        let mut ends = Vec::with_capacity(batch.len());
        for outgoing in batch {
            let &Outgoing { mark, address, size, .. } = outgoing;
            let filler = &filler[..usize::from(size).saturating_sub(MARK).min(filler.len())];
            let sequence = outgoing.sequence();
            let family = socket.manner.family;
            let head = echo_request(family, socket.ident, sequence, mark, filler);
            requests.extend_from_slice(&head);
            requests.extend_from_slice(filler);
            ends.push(requests.len());
            addresses.push(Some(storage(address)));
        }
        let mut from = 0;
        let piece = |end: usize| [IoSlice::new(&requests[std::mem::replace(&mut from, end)..end])];
        let slices: Vec<_> = ends.into_iter().map(piece).collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let sent = sendmmsg(socket.as_raw_fd(), headers, &slices, &*addresses, [], flags)?;
        Ok(sent.count())
    }

    fn prepare_filler(&mut self, largest: u16) {
        let wanted = usize::from(largest.min(MAX_PAYLOAD)).saturating_sub(MARK);
        if self.filler.len() < wanted {
            self.filler = (0x10..=u8::MAX).chain(0..0x10).cycle().take(wanted).collect();
        }
    }
}

fn storage(address: IpAddr) -> SockaddrStorage {
    match address {
        IpAddr::V4(address) => SocketAddrV4::new(address, 0).into(),
        IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, 0).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wire::icmp::Mark;

    #[test]
    fn a_socket_that_has_let_go_of_everything_is_given_patience_anew() {
        let mark = Mark { slot: 0, round: 0, seal: 0 };
        let address = Ipv4Addr::LOCALHOST.into();
        let mut outbox = Outbox { blocked: Some(Mono::ZERO), ..Outbox::default() };
        for slot in 0..2 {
            let (due, by) = (Mono::ZERO, Mono::NEVER);
            outbox.push(Outgoing { lane: 0, slot, address, mark, size: 56, due, by });
        }
        outbox.over(1);
        assert_eq!((outbox.waiting.len(), outbox.blocked), (1, Some(Mono::ZERO)));
        outbox.over(1);
        assert!(outbox.is_empty() && outbox.blocked.is_none());
    }
}
