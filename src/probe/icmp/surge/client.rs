//! surge-ping's sockets: one for each manner of sending.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};
use surge_ping::{Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};

use super::super::manner::Manner;
use super::super::sockopt;
use super::super::{StartError, errno};
use super::sys::with_socket_of;
use crate::wire::icmp::Family;

/// Which kind of socket the machine lets us have.
///
/// surge-ping tries the other kind by itself when the first is refused and does not say so;
/// deciding beforehand makes what it opened checkable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(Type);

impl Kind {
    /// The unprivileged kind where the kernel allows it, the raw one otherwise.
    pub(super) fn permitted() -> Result<Self, StartError> {
        let open = |kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4));
        match open(Type::DGRAM) {
            Ok(_) => Ok(Self(Type::DGRAM)),
            Err(refused) => match open(Type::RAW) {
                Ok(_) => Ok(Self(Type::RAW)),
                Err(_) => Err(StartError::NotPermitted(refused)),
            },
        }
    }
}

/// The clients opened so far.
pub(super) struct Clients {
    kind: Kind,
    receive_buffer: u32,
    granted_buffer: u32,
    open: BTreeMap<Manner, Client>,
}

impl Clients {
    pub(super) const fn new(kind: Kind, receive_buffer: u32) -> Self {
        Self { kind, receive_buffer, granted_buffer: 0, open: BTreeMap::new() }
    }

    /// The client for a manner of sending, opened when first needed. Must be called inside the
    /// runtime.
    pub(super) fn get(&mut self, manner: Manner) -> Result<Client, StartError> {
        if let Some(client) = self.open.get(&manner) {
            return Ok(client.clone());
        }
        let client = self.open(manner)?;
        self.open.insert(manner, client.clone());
        Ok(client)
    }

    fn open(&mut self, manner: Manner) -> Result<Client, StartError> {
        let icmp = match manner.family {
            Family::V4 => ICMP::V4,
            Family::V6 => ICMP::V6,
        };
        let config = Config::builder().kind(icmp).sock_type_hint(self.kind.0).build();
        let surge = surge_ping::Client::new(&config).map_err(|error| match errno(&error) {
            Errno::EPERM | Errno::EACCES => StartError::NotPermitted(error),
            _ => StartError::Socket(error),
        })?;
        if surge.get_socket().get_type() != self.kind.0 {
            return Err(StartError::WrongSocket);
        }
        self.granted_buffer = with_socket_of(&surge, |socket| -> io::Result<u32> {
            manner.put_on(&socket)?;
            sockopt::raise_receive_buffer(&socket, self.receive_buffer)
        })
        .map_err(StartError::Socket)?;
        let mut first = [0; 4];
        getrandom::fill(&mut first).map_err(|error| StartError::Socket(error.into()))?;
        let next = Arc::new(AtomicU32::new(u32::from_ne_bytes(first)));
        Ok(Client { surge, next })
    }

    /// Packets that the kernel dropped at any of the sockets.
    pub(super) fn drops(&self) -> Dropped {
        let mut all = Dropped::default();
        for (&Manner { family, .. }, client) in &self.open {
            let memory = with_socket_of(&client.surge, |socket| sockopt::memory(&socket));
            let drops = memory.map_or(0, |memory| u64::from(memory.drops));
            if (family, self.kind) == (Family::V6, Kind(Type::RAW)) {
                all.checking += drops;
                all.sockets += 1;
            } else {
                all.crowded += drops;
            }
        }
        if all.sockets > 0 {
            all.damaged = damaged().unwrap_or(0);
        }
        all
    }

    /// Receive buffer of the socket opened last, as granted.
    pub(super) const fn granted_buffer(&self) -> u32 {
        self.granted_buffer
    }

    pub(super) fn sockets(&self) -> u32 {
        u32::try_from(self.open.len()).unwrap_or(u32::MAX)
    }
}

/// Packets that the kernel dropped since the sockets were opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    /// For want of room.
    crowded: u64,
    /// By raw IPv6 sockets, which also drop what is damaged.
    checking: u64,
    /// How many of those there are.
    sockets: u64,
    /// `ICMPv6` packets with a wrong checksum that this machine has got. Each is dropped at every
    /// raw IPv6 socket.
    damaged: u64,
}

impl Dropped {
    /// How many were dropped for want of room since `before`: all that were not damaged.
    pub(super) const fn crowded_since(&self, before: &Self) -> u64 {
        let damaged = self.damaged.saturating_sub(before.damaged).saturating_mul(self.sockets);
        let checking = self.checking.saturating_sub(before.checking).saturating_sub(damaged);
        self.crowded.saturating_sub(before.crowded).saturating_add(checking)
    }
}

/// `ICMPv6` packets with a wrong checksum, as the kernel counts them in the network of this thread.
fn damaged() -> Option<u64> {
    let counters = std::fs::read_to_string("/proc/thread-self/net/snmp6").ok()?;
    let line = counters.lines().find_map(|line| line.strip_prefix("Icmp6InCsumErrors"))?;
    line.trim().parse().ok()
}

/// One socket of surge-ping.
#[derive(Clone)]
pub(super) struct Client {
    surge: surge_ping::Client,
    /// Identifier and sequence number of the next request in one number, so that no two requests
    /// share both, whatever they ask.
    next: Arc<AtomicU32>,
}

impl Client {
    /// How often another number is tried. On an unprivileged socket the kernel chooses the
    /// identifier, and a request still open from 65,536 requests ago may hold the number.
    const TRIES: usize = 16;

    /// Whether the socket holds so much that has not left that the next request may have to wait.
    pub(super) fn is_full(&self) -> bool {
        with_socket_of(&self.surge, |socket| {
            let mut polled = [PollFd::new(socket, PollFlags::POLLOUT)];
            matches!(poll(&mut polled, PollTimeout::ZERO), Ok(0))
        })
    }

    /// Sends one echo request and waits for what surge-ping matches to it.
    pub(super) async fn ping(
        &self,
        address: IpAddr,
        payload: &[u8],
        timeout: Duration,
    ) -> Result<(IcmpPacket, Duration), SurgeError> {
        let mut tries = 0;
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let [a, b, c, d] = number.to_be_bytes();
            let ident = PingIdentifier(u16::from_be_bytes([a, b]));
            let sequence = PingSequence(u16::from_be_bytes([c, d]));
            let mut pinger = self.surge.pinger(address, ident).await;
            pinger.timeout(timeout);
            match pinger.ping(sequence, payload).await {
                Err(SurgeError::IdenticalRequests { .. }) if tries < Self::TRIES => tries += 1,
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_damaged_was_not_dropped_for_want_of_room() {
        let before = Dropped { crowded: 5, checking: 10, sockets: 2, damaged: 3 };
        let after = |crowded, checking, damaged| Dropped { crowded, checking, damaged, ..before };
        assert_eq!(after(5, 10, 3).crowded_since(&before), 0);
        assert_eq!(after(5, 16, 6).crowded_since(&before), 0, "three, at two sockets each");
        assert_eq!(after(5, 17, 6).crowded_since(&before), 1);
        assert_eq!(after(7, 10, 9).crowded_since(&before), 2);
    }
}
