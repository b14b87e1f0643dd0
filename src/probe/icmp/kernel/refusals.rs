//! What was said of addresses that do not answer, for a while.
//!
//! A router looks for a device that has just gone for about three seconds before it says that the
//! device does not respond, and it says so seldom. By then the request has long been given up, so
//! the word explains the silence of those that follow.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{IcmpError, LocalFailure, Mono, Unreachable};

/// Why an address does not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// Somebody on the way said so.
    Refused(IcmpError),
    /// Our own machine did: it is about our network, not about them.
    Ours(LocalFailure),
}

/// The latest word about each address.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    by_address: BTreeMap<IpAddr, (Word, Mono)>,
}

impl Refusals {
    /// How long a word explains silence: through the slowest pace of the shipped checks, with the
    /// time limit.
    const KEPT: Duration = Duration::from_secs(20);

    /// Most addresses of which something is remembered. Beyond, silence is just silence.
    const MOST: usize = 4_096;

    /// Remembers what was said of an address.
    ///
    /// 1. What is about the size of one packet says nothing about others.
    /// 2. What only a living host can say is no reason for silence.
    pub(super) fn note(&mut self, address: IpAddr, word: Word, now: Mono) {
        if let Word::Refused(error) = &word
            && let Unreachable::TooBig { .. } | Unreachable::Port | Unreachable::Protocol =
                error.kind
        {
            return;
        }
        if self.by_address.len() >= Self::MOST {
            self.by_address.retain(|_, (_, heard)| now - *heard <= Self::KEPT);
        }
        if self.by_address.len() < Self::MOST || self.by_address.contains_key(&address) {
            self.by_address.insert(address, (word, now));
        }
    }

    /// The address has answered.
    pub(super) fn forget(&mut self, address: IpAddr) {
        if !self.by_address.is_empty() {
            self.by_address.remove(&address);
        }
    }

    /// What was said of an address, and when.
    pub(super) fn of(&self, address: IpAddr, now: Mono) -> Option<(Word, Mono)> {
        let known = self.by_address.get(&address);
        known.filter(|(_, heard)| now - *heard <= Self::KEPT).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    fn word(kind: Unreachable) -> Word {
        Word::Refused(IcmpError { kind, icmp_type: 3, icmp_code: 1, offender: None })
    }

    #[test]
    fn a_word_explains_silence_until_it_is_old_or_the_address_answers() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut refusals = Refusals::default();
        refusals.note(host, word(Unreachable::Host), at(3));
        assert_eq!(refusals.of(host, at(23)), Some((word(Unreachable::Host), at(3))));
        assert_eq!(refusals.of(host, at(24)), None);
        assert_eq!(refusals.of(IpAddr::from([10, 0, 0, 8]), at(4)), None);
        refusals.forget(host);
        assert_eq!(refusals.of(host, at(4)), None);
    }

    #[test]
    fn what_is_about_a_packet_or_from_a_living_host_explains_nothing() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut refusals = Refusals::default();
        for kind in [Unreachable::TooBig { mtu: 1400 }, Unreachable::Port, Unreachable::Protocol] {
            refusals.note(host, word(kind), at(3));
            assert_eq!(refusals.of(host, at(3)), None);
        }
    }

    #[test]
    fn whoever_invents_addresses_takes_no_more_room_than_there_is() {
        let mut refusals = Refusals::default();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..10_000 {
            refusals.note(address(n), word(Unreachable::Host), at(3));
        }
        assert_eq!(refusals.by_address.len(), Refusals::MOST);
        refusals.note(address(9_999), word(Unreachable::Net), at(30));
        assert_eq!(refusals.of(address(9_999), at(30)), Some((word(Unreachable::Net), at(30))));
        assert_eq!(refusals.by_address.len(), 1);
    }
}
