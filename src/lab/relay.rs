//! The wide-area network: carries packets between the near and the far namespace and lets happen
//! to each what the [world](super::world) says.
//!
//! One thread reads whatever is waiting on either link, asks the world about each packet, and
//! keeps what is under way in a heap ordered by time of arrival. There is no task and no timer
//! per packet, so 10,000 pings a second are a small part of one core.

mod packet;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::time::TimeSpec;
use tun_rs::SyncDevice;

use super::error::LabError;
use super::namespace;
use super::world::{Damage, Direction, Vanished, Verdict, World};
use crate::clock::Clock;
use crate::model::Mono;

/// Packets taken from one link before the other has its turn.
const BATCH: usize = 64;
/// Packets under way at most; more than any scenario needs, less than any machine has memory for.
const UNDER_WAY: usize = 400_000;
/// Longest packet.
const LONGEST: usize = 65_535;

/// What the relay did, from its start. What a prober counts can be compared with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets that arrived at a device, forgeries and repeats aside.
    pub out: u64,
    /// Packets that arrived at us, likewise.
    pub back: u64,
    /// Packets that vanished, by reason, in the order of [`Vanished::ALL`].
    pub vanished: [u64; Vanished::ALL.len()],
    /// ICMP errors sent by emulated routers.
    pub errors: u64,
    /// Replies that arrived twice.
    pub twice: u64,
    /// Replies that were overtaken.
    pub overtaken: u64,
    /// Replies with a flipped bit.
    pub flipped: u64,
    /// Replies cut short.
    pub cut_short: u64,
    /// Replies that came late.
    pub late: u64,
    /// Answers that somebody forged.
    pub forged: u64,
    /// Packets that were not understood or found no room.
    pub refused: u64,
    /// How much later than due a packet was handed on, at worst.
    pub worst_lateness: Duration,
}

impl Tally {
    /// How many vanished for this reason.
    #[must_use]
    pub fn vanished(&self, why: Vanished) -> u64 {
        Vanished::ALL.iter().position(|w| *w == why).map_or(0, |at| self.vanished[at])
    }
}

/// What the relay shares with whoever directs it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) tally: Mutex<Tally>,
    /// Written to when the world changed or it is time to stop.
    bell: EventFd,
    stop: std::sync::atomic::AtomicBool,
}

impl Shared {
    pub(super) fn new(world: World) -> Result<Self, LabError> {
        let bell = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC);
        Ok(Self {
            world: Mutex::new(world),
            tally: Mutex::default(),
            bell: bell.map_err(|error| LabError::failed("make a bell", error))?,
            stop: false.into(),
        })
    }

    /// The world. A thread that died while it held the world left it whole enough to go on.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the relay that the world changed.
    pub(super) fn ring(&self) {
        let _ = self.bell.write(1);
    }

    /// Tells the relay to stop.
    pub(super) fn stop(&self) {
        self.stop.store(true, std::sync::atomic::Ordering::Relaxed);
        self.ring();
    }
}

/// Starts the relay. It belongs to the namespace of the calling thread, which is near.
pub(super) fn start(
    shared: Arc<Shared>,
    near: SyncDevice,
    far: SyncDevice,
    clock: Clock,
) -> Result<JoinHandle<()>, LabError> {
    let relay = Relay {
        shared,
        near,
        far,
        clock,
        under_way: BinaryHeap::new(),
        spare: Vec::new(),
        order: 0,
        link_is_up: true,
        tally: Tally::default(),
    };
    std::thread::Builder::new()
        .name("lab-relay".to_owned())
        .spawn(move || relay.run())
        .map_err(|error| LabError::failed("start the relay", error))
}

struct Relay {
    shared: Arc<Shared>,
    near: SyncDevice,
    far: SyncDevice,
    clock: Clock,
    under_way: BinaryHeap<Reverse<UnderWay>>,
    /// Buffers of packets that have arrived, to be used again.
    spare: Vec<Vec<u8>>,
    order: u64,
    link_is_up: bool,
    tally: Tally,
}

/// A packet on its way.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct UnderWay {
    due: Mono,
    /// Of two that are due together the one sent first arrives first.
    order: u64,
    to_device: bool,
    bytes: Vec<u8>,
}

impl Relay {
    fn run(mut self) {
        let mut buffer = vec![0; LONGEST];
        while !self.shared.stop.load(std::sync::atomic::Ordering::Relaxed) {
            self.wait();
            self.follow_link();
            self.take(Direction::Out, &mut buffer);
            self.deliver();
            self.take(Direction::Back, &mut buffer);
            self.deliver();
            let mut told = self.shared.tally.lock().unwrap_or_else(PoisonError::into_inner);
            told.clone_from(&self.tally);
        }
    }

    /// Sleeps until a packet comes or is due, or the bell rings.
    fn wait(&self) {
        let due = self.under_way.peek().map(|Reverse(next)| next.due - self.clock.mono());
        let timeout = TimeSpec::from(due.unwrap_or(Duration::from_secs(1)));
        let mut ends = [
            PollFd::new(self.near.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.far.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.shared.bell.as_fd(), PollFlags::POLLIN),
        ];
        // An interrupted wait is a short one.
        let _ = ppoll(&mut ends, Some(timeout), None);
        if ends[2].any().unwrap_or(true) {
            let _ = self.shared.bell.read();
        }
    }

    /// Takes our own link down or up when the world says so.
    fn follow_link(&mut self) {
        let wanted = !self.shared.world().own_link_down();
        if wanted != self.link_is_up {
            match namespace::set_link(wanted) {
                Ok(()) => self.link_is_up = wanted,
                Err(error) => {
                    tracing::warn!(%error, "our own link stays as it is");
                    self.link_is_up = wanted;
                }
            }
        }
    }

    /// Reads what waits on one link and asks the world about each packet.
    fn take(&mut self, direction: Direction, buffer: &mut [u8]) {
        let shared = Arc::clone(&self.shared);
        let mut world = shared.world();
        for _ in 0..BATCH {
            let link = match direction {
                Direction::Out => &self.near,
                Direction::Back => &self.far,
            };
            let Ok(length) = link.recv(buffer) else { return };
            let bytes = &buffer[..length];
            let Some(seen) = packet::look(bytes) else {
                self.tally.refused += 1;
                continue;
            };
            let now = self.clock.mono();
            match world.carry(now, &seen.packet(direction, length)) {
                Verdict::Deliver(delivery) => {
                    self.carry(now, direction, bytes, &seen, &delivery);
                }
                Verdict::Vanish(why) => {
                    let at = Vanished::ALL.iter().position(|w| *w == why).unwrap_or(0);
                    self.tally.vanished[at] += 1;
                }
                Verdict::Answer(answer) => {
                    let from: IpAddr = answer.from;
                    if let Some(said) = packet::complaint(bytes, &seen, answer.what, from) {
                        self.tally.errors += 1;
                        // The complaint goes to whoever sent the packet.
                        let to_device = direction == Direction::Back;
                        self.send(now + answer.after, to_device, said);
                    }
                }
            }
        }
    }

    /// Puts a packet on its way, damaged as it is to be.
    fn carry(
        &mut self,
        now: Mono,
        direction: Direction,
        bytes: &[u8],
        seen: &packet::Seen,
        delivery: &super::world::Delivery,
    ) {
        let to_device = direction == Direction::Out;
        if let Some(after) = delivery.forged
            && let Some(forged) = packet::forgery(bytes, seen)
        {
            self.tally.forged += 1;
            self.send(now + after, false, forged);
        }
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        packet::travel(&mut copy, seen, delivery.hops, delivery.dscp);
        let due = now + delivery.after;
        match delivery.damage {
            None => {}
            Some(Damage::Twice(again)) => {
                self.tally.twice += 1;
                self.send(due + again, to_device, copy.clone());
            }
            Some(Damage::Overtaken) => self.tally.overtaken += 1,
            Some(Damage::Flipped { at }) => {
                self.tally.flipped += 1;
                packet::flip(&mut copy, seen, at);
            }
            Some(Damage::CutShort { at }) => {
                self.tally.cut_short += 1;
                packet::cut_short(&mut copy, seen, at);
            }
            Some(Damage::Late) => self.tally.late += 1,
        }
        match direction {
            Direction::Out => self.tally.out += 1,
            Direction::Back => self.tally.back += 1,
        }
        self.send(due, to_device, copy);
    }

    fn send(&mut self, due: Mono, to_device: bool, bytes: Vec<u8>) {
        if self.under_way.len() >= UNDER_WAY {
            self.tally.refused += 1;
            return;
        }
        self.order += 1;
        self.under_way.push(Reverse(UnderWay { due, order: self.order, to_device, bytes }));
    }

    /// Hands on every packet that is due.
    fn deliver(&mut self) {
        let now = self.clock.mono();
        while let Some(Reverse(next)) = self.under_way.peek() {
            if next.due > now {
                break;
            }
            let Some(Reverse(arrived)) = self.under_way.pop() else { break };
            self.tally.worst_lateness = self.tally.worst_lateness.max(now - arrived.due);
            let link = if arrived.to_device { &self.far } else { &self.near };
            match link.send(&arrived.bytes) {
                Ok(_) => {}
                // A link that is down takes nothing: that is what it is for.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                Err(_) => self.tally.refused += 1,
            }
            if self.spare.len() < 4 * BATCH {
                self.spare.push(arrived.bytes);
            }
        }
    }
}
