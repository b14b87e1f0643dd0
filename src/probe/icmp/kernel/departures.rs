//! Whether requests to a part of the world are seen to leave, so that one which is not seen to did
//! not.
//!
//! The kernel stamps a request when the driver of the interface takes it. One that is dropped in
//! our own queue, or waits there for a gateway that does not respond, has no stamp; its silence
//! says nothing of whom it asks. Not every interface stamps, a tunnel's for one, so it must be
//! known that requests which go the same way are.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::Mono;

/// The networks to which requests leave stamped, each with when one last did and was answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Departures {
    stamped: BTreeMap<Network, Mono>,
}

/// What shares a way from here for sure enough: the first 24 bits of an IPv4 address, 64 of an IPv6
/// one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Network {
    V4(u32),
    V6(u128),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::V4(u32::from(v4) >> 8),
            IpAddr::V6(v6) => Self::V6(u128::from(v6) >> 64),
        }
    }
}

impl Departures {
    /// How long it is believed that the way there still stamps: a route may change.
    const KEPT: Duration = Duration::from_secs(60);

    /// Most networks of which something is known. Of others a missing stamp says nothing.
    const MOST: usize = 16_384;

    /// A request to `address`, stamped or not, was answered: it left.
    pub(super) fn note(&mut self, address: IpAddr, stamped: bool, now: Mono) {
        let network = Network::from(address);
        if !stamped {
            self.stamped.remove(&network);
            return;
        }
        if let Some(last) = self.stamped.get_mut(&network) {
            *last = now;
            return;
        }
        if self.stamped.len() >= Self::MOST {
            self.stamped.retain(|_, last| now - *last <= Self::KEPT);
        }
        if self.stamped.len() < Self::MOST {
            self.stamped.insert(network, now);
        }
    }

    /// Whether a request to `address` would have been stamped had it left.
    pub(super) fn are_stamped(&self, address: IpAddr, now: Mono) -> bool {
        self.stamped.get(&address.into()).is_some_and(|last| now - *last <= Self::KEPT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_missing_stamp_says_something_only_where_the_neighbours_of_an_address_have_one() {
        let at = |seconds: u64| Mono::ZERO + Duration::from_secs(seconds);
        let mut departures = Departures::default();
        departures.note(ip("10.0.7.1"), true, at(1));
        departures.note(ip("2001:db8::1"), true, at(1));
        assert!(departures.are_stamped(ip("10.0.7.9"), at(61)));
        assert!(departures.are_stamped(ip("2001:db8::9"), at(61)));
        assert!(!departures.are_stamped(ip("10.0.8.1"), at(1)));
        assert!(!departures.are_stamped(ip("10.0.7.9"), at(62)), "a route may have changed");
        departures.note(ip("10.0.7.2"), false, at(2));
        assert!(!departures.are_stamped(ip("10.0.7.9"), at(2)), "it goes another way now");
    }

    #[test]
    fn networks_without_end_take_no_more_room_than_there_is() {
        let mut departures = Departures::default();
        for n in 0..40_000_u32 {
            departures.note(IpAddr::from((n << 8).to_be_bytes()), true, Mono::ZERO);
        }
        assert_eq!(departures.stamped.len(), Departures::MOST);
    }
}
