//! Whom to ping, and what was told of it.

use std::net::Ipv4Addr;
use std::time::Duration;

/// Targets of which every packet is captured and every round trip kept, at most.
pub(crate) const SAMPLE: u32 = 200;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) targets: u32,
    pub(crate) seconds: u32,
    pub(crate) timing: Timing,
    /// Whether the targets are behind the interface of [`crate::far`].
    pub(crate) far: bool,
}

/// When in the second the targets have their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timing {
    /// Evenly spread.
    Spread,
    /// All at once.
    OneTick,
}

impl Run {
    /// Which of the sample target number `target` is, if it is.
    pub(crate) const fn sampled(self, target: u32) -> Option<u32> {
        let every = self.targets.div_ceil(SAMPLE);
        if target.is_multiple_of(every) { Some(target / every) } else { None }
    }

    /// How many are in the sample.
    pub(crate) const fn sample(self) -> u32 {
        self.targets.div_ceil(self.targets.div_ceil(SAMPLE))
    }

    /// The address of target number `target`. Those in the sample have a network of their own,
    /// by which the capture knows them.
    pub(crate) fn address(self, target: u32) -> Ipv4Addr {
        let (net, host) = match self.sampled(target) {
            Some(nth) => (200, nth),
            None => (1, target),
        };
        let base = if self.far { 0x0a00_0000 } else { 0x7f00_0000 };
        Ipv4Addr::from(base | ((net << 16) + host / 250 * 256 + host % 250 + 1))
    }

    /// The place in the sample of an address.
    pub(crate) fn place(address: Ipv4Addr) -> Option<usize> {
        let [10 | 127, 200, high, low] = address.octets() else { return None };
        (usize::from(high) * 250 + usize::from(low)).checked_sub(1)
    }

    /// Those to the sample.
    pub(crate) const fn sampled_pings(self) -> u64 {
        self.sample() as u64 * self.seconds as u64
    }

    /// Pings in all.
    pub(crate) const fn pings(self) -> u64 {
        self.targets as u64 * self.seconds as u64
    }
}

/// What an engine says and what it took.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Of unknown fate, by the engine's own word.
    pub(crate) unknown: u64,
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    /// Most memory that it had in use.
    pub(crate) rss_kib: u64,
    /// Worst lateness of a send.
    pub(crate) late: Option<Duration>,
    /// How long the run took.
    pub(crate) took: Duration,
    /// Round trips of the sample in nanoseconds, by place and round; none where it was lost.
    pub(crate) sample: Vec<Vec<Option<u64>>>,
}

impl Told {
    /// What a ping cost, in microseconds of processor time.
    pub(crate) fn cpu_per_ping(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.sent as f64
    }
}
