//! Where the turns of a target lie in time: a grid of intervals, and its own place within each.

use std::time::Duration;

use crate::model::{Mono, TargetKey};

/// Interval and time limit in nanoseconds: few of them, of each check in each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rhythm {
    pub(super) pace: u64,
    pub(super) timeout: u64,
}

impl Rhythm {
    /// Whether a turn is one that every other of its target's is. Its place says which of two, so
    /// that half of those that are in any interval are such.
    pub(super) fn is_every_other(self, place: u32, at: Mono) -> bool {
        (at.as_nanos() / self.pace.max(1) + u64::from(place)).is_multiple_of(2)
    }

    /// The next place in the grid of intervals, after `now`, of who has this place within each.
    pub(super) fn turn_after(self, place: u32, now: Mono) -> Mono {
        let pace = self.pace.max(1);
        let offset = nanos(fraction(Duration::from_nanos(self.pace), place));
        let now = now.as_nanos();
        if now < offset {
            return Mono::from_nanos(offset);
        }
        Mono::from_nanos(now + pace - (now - offset) % pace)
    }
}

/// A target's place within its interval: FNV-1a over its key, then mixed so that keys that differ
/// in one letter end up far apart.
pub(super) fn place(key: &TargetKey) -> u32 {
    let parts = [
        key.site.as_str(),
        key.endpoint.as_ref().map_or("", |e| e.as_str()),
        key.check.as_ref().map_or("", |c| c.as_str()),
    ];
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([b'/'])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    u32::try_from(hash >> 32).unwrap_or(0)
}

/// `place` / 2^32 of a duration.
pub(super) fn fraction(of: Duration, place: u32) -> Duration {
    let part = (u128::from(nanos(of)) * u128::from(place)) >> 32;
    Duration::from_nanos(u64::try_from(part).unwrap_or(0))
}

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
