//! The far end of a link of ours, where a test decides what becomes of each echo request.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tun_rs::SyncDevice;
use vchealth::clock::Clock;
use vchealth::config::IcmpEngine;
use vchealth::model::Mono;

use super::engine::Engine;
use super::namespace::in_namespace;
use super::tun;

/// A device behind the link.
pub(crate) const HOST_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 0, 7));
pub(crate) const HOST_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd02, 0, 0, 0, 0, 0, 0, 7));
/// The router in front of it.
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 254);
const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, 0xfe);

/// A packet and how long after the request it comes.
pub(crate) type Answer = (Duration, Vec<u8>);

/// An echo request that came by the link.
pub(crate) struct Asked {
    packet: Vec<u8>,
}

impl Asked {
    fn is_v6(&self) -> bool {
        self.packet[0] >> 4 == 6
    }

    fn header(&self) -> usize {
        if self.is_v6() { 40 } else { 20 }
    }

    /// The router's address.
    pub(crate) fn router(&self) -> IpAddr {
        if self.is_v6() { ROUTER_V6.into() } else { ROUTER_V4.into() }
    }

    /// The echo reply.
    pub(crate) fn reply(&self) -> Vec<u8> {
        let mut reply = self.packet.clone();
        assert!(tun::answer(&mut reply), "it is a request");
        reply
    }

    /// The same with a checksum that does not fit.
    pub(crate) fn damaged(&self) -> Vec<u8> {
        let mut reply = self.reply();
        *reply.last_mut().expect("it has a payload") ^= 0x55;
        reply
    }

    /// An ICMP error of the router that quotes so many bytes behind the IP header of the request.
    pub(crate) fn error(&self, (icmp_type, code): (u8, u8), word: u32, quoted: usize) -> Vec<u8> {
        let mut icmp = vec![icmp_type, code, 0, 0];
        icmp.extend(word.to_be_bytes());
        let quoted = self.packet.len().min(self.header() + quoted);
        icmp.extend(&self.packet[..quoted]);
        match self.router() {
            IpAddr::V4(router) => self.datagram(&router.octets(), icmp),
            IpAddr::V6(router) => self.datagram(&router.octets(), icmp),
        }
    }

    /// "The host does not respond", quoting so much.
    pub(crate) fn host_unreachable(&self, quoted: usize) -> Vec<u8> {
        self.error(if self.is_v6() { (1, 3) } else { (3, 1) }, 0, quoted)
    }

    /// "Too big, the next hop takes 1,400 bytes".
    pub(crate) fn too_big(&self) -> Vec<u8> {
        self.error(if self.is_v6() { (2, 0) } else { (3, 4) }, 1_400, 128)
    }

    /// An IP packet to whoever sent the request.
    fn datagram(&self, from: &[u8], mut icmp: Vec<u8>) -> Vec<u8> {
        (icmp[2], icmp[3]) = (0, 0);
        let length = u16::try_from(icmp.len()).expect("it is short");
        if self.is_v6() {
            let to = &self.packet[8..24];
            let mut pseudo = [from, to].concat();
            pseudo.extend(u32::from(length).to_be_bytes());
            pseudo.extend([0, 0, 0, 58]);
            pseudo.extend(&icmp);
            icmp[2..4].copy_from_slice(&checksum(&pseudo));
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(length.to_be_bytes());
            packet.extend([58, 60]);
            packet.extend([from, to].concat());
            packet.extend(icmp);
            return packet;
        }
        let sum = checksum(&icmp);
        icmp[2..4].copy_from_slice(&sum);
        let mut packet = vec![0x45, 0];
        packet.extend((length + 20).to_be_bytes());
        packet.extend([0, 0, 0, 0, 60, 1, 0, 0]);
        packet.extend(from);
        packet.extend(&self.packet[12..16]);
        let sum = checksum(&packet);
        packet[10..12].copy_from_slice(&sum);
        packet.extend(icmp);
        packet
    }
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes
        .chunks(2)
        .map(|two| u32::from(two[0]) << 8 | u32::from(two.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(!sum & 0xffff).expect("it is folded").to_be_bytes()
}

/// Runs `test` for the kernel engine on both kinds of socket and in both families, with the address
/// to ask. `react` says what comes back for a request, `nth` of its family.
pub(crate) fn on_every_socket(
    react: impl Fn(&Asked, u32) -> Vec<Answer> + Sync,
    test: impl Fn(&Engine, IpAddr, bool) + Sync,
) {
    on_every_socket_of(4 << 20, react, test);
}

/// The same with another receive buffer.
pub(crate) fn on_every_socket_of(
    receive_buffer: u32,
    react: impl Fn(&Asked, u32) -> Vec<Answer> + Sync,
    test: impl Fn(&Engine, IpAddr, bool) + Sync,
) {
    for unprivileged in [true, false] {
        for host in [HOST_V4, HOST_V6] {
            in_namespace(unprivileged, || {
                let device = link();
                let engine = Engine::start_with(IcmpEngine::Kernel, receive_buffer);
                let over = AtomicBool::new(false);
                std::thread::scope(|scope| {
                    let far = scope.spawn(|| answer(&device, engine.clock, &react, &over));
                    // The far end ends with the test, however that does.
                    let _ends = Ends(&over);
                    test(&engine, host, unprivileged);
                    over.store(true, Ordering::Relaxed);
                    far.join().expect("it answers to the end");
                });
            });
        }
    }
}

/// Says that it is over when it goes.
pub(crate) struct Ends<'a>(pub(crate) &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The link, to be read without waiting.
pub(crate) fn link() -> SyncDevice {
    let device = tun::open(10_000);
    device.set_nonblocking(true).expect("it can be");
    device
}

/// Answers what comes by the link as `react` says, until it is over; tells when the last packet of
/// each sender was on our side.
pub(crate) fn answer(
    device: &SyncDevice,
    clock: Clock,
    react: &impl Fn(&Asked, u32) -> Vec<Answer>,
    over: &AtomicBool,
) -> BTreeMap<IpAddr, Mono> {
    let (mut waiting, mut seen) = (Vec::<(Mono, Vec<u8>)>::new(), 0);
    let mut arrived = BTreeMap::new();
    let mut packet = [0; 4_096];
    while !over.load(Ordering::Relaxed) {
        while let Ok(length) = device.recv(&mut packet) {
            let is_request = match packet[0] >> 4 {
                4 => length >= 28 && packet[9] == 1 && packet[20] == 8,
                _ => length >= 48 && packet[6] == 58 && packet[40] == 128,
            };
            if is_request {
                let asked = Asked { packet: packet[..length].to_vec() };
                let now = clock.mono();
                let answers = react(&asked, seen).into_iter();
                waiting.extend(answers.map(|(after, packet)| (now + after, packet)));
                seen += 1;
            }
        }
        let now = clock.mono();
        for (_, packet) in waiting.extract_if(.., |(due, _)| *due <= now) {
            device.send(&packet).expect("the link is up");
            arrived.insert(sender(&packet), clock.mono());
        }
        let mut polled = [PollFd::new(device.as_fd(), PollFlags::POLLIN)];
        poll(&mut polled, PollTimeout::from(1_u8)).expect("it is open");
    }
    arrived
}

fn sender(packet: &[u8]) -> IpAddr {
    if packet[0] >> 4 == 4 {
        IpAddr::from(<[u8; 4]>::try_from(&packet[12..16]).expect("four"))
    } else {
        IpAddr::from(<[u8; 16]>::try_from(&packet[8..24]).expect("sixteen"))
    }
}
