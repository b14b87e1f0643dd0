//! What came too late to count, by the address that was asked, for a while.
//!
//! A router looks for a device that has just gone for about three seconds before it says that the
//! device does not respond, and it says so seldom. A line that is full lets every reply come after
//! the time limit. Either way the request has long been given up, so what comes explains the
//! silence of those that follow.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{IcmpError, LocalFailure, Mono, Unreachable};

/// Why an address does not answer in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// Somebody on the way said so.
    Refused(IcmpError),
    /// Our own machine did: it is about our network, not about them.
    Ours(LocalFailure),
    /// It does answer, after so long.
    Slow(Duration),
}

/// What an ICMP error is judged to mean.
impl From<Result<IcmpError, LocalFailure>> for Word {
    fn from(judged: Result<IcmpError, LocalFailure>) -> Self {
        judged.map_or_else(Self::Ours, Self::Refused)
    }
}

/// The latest word about each address.
#[derive(Debug, Clone, Default)]
pub(super) struct Belated {
    by_address: BTreeMap<IpAddr, (Word, Mono)>,
}

impl Belated {
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

    /// The address has answered in time.
    pub(super) fn forget(&mut self, address: IpAddr) {
        if !self.by_address.is_empty() {
            self.by_address.remove(&address);
        }
    }

    /// Whether nothing is remembered of anybody.
    pub(super) fn is_empty(&self) -> bool {
        self.by_address.is_empty()
    }

    /// The address has sent something, if not in time: what others said of it is no longer so.
    pub(super) fn take_back(&mut self, address: IpAddr) {
        if let Some((Word::Refused(_) | Word::Ours(_), _)) = self.by_address.get(&address) {
            self.by_address.remove(&address);
        }
    }

    /// What explains that an address did not answer within `limit`, and when that came. A reply
    /// that took less would have been in time, had we not read it late or waited for less.
    pub(super) fn explain(
        &self,
        address: IpAddr,
        limit: Duration,
        now: Mono,
    ) -> Option<(Word, Mono)> {
        let (word, heard) = self.by_address.get(&address)?;
        let explains = match word {
            Word::Slow(after) => *after > limit,
            Word::Refused(_) | Word::Ours(_) => true,
        };
        (explains && now - *heard <= Self::KEPT).then(|| (word.clone(), *heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    const fn at(seconds: u64) -> Mono {
        Mono::from_nanos(seconds * 1_000_000_000)
    }

    const fn word(kind: Unreachable) -> Word {
        Word::Refused(IcmpError { kind, icmp_type: 3, icmp_code: 1, offender: None })
    }

    #[test]
    fn a_word_explains_silence_until_it_is_old_or_the_address_answers() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut belated = Belated::default();
        belated.note(host, word(Unreachable::Host), at(3));
        let said = Some((word(Unreachable::Host), at(3)));
        assert_eq!(belated.explain(host, SECOND, at(23)), said);
        assert_eq!(belated.explain(host, SECOND, at(24)), None);
        assert_eq!(belated.explain(IpAddr::from([10, 0, 0, 8]), SECOND, at(4)), None);
        belated.forget(host);
        assert_eq!(belated.explain(host, SECOND, at(4)), None);
    }

    #[test]
    fn what_is_about_a_packet_or_from_a_living_host_explains_nothing() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut belated = Belated::default();
        for kind in [Unreachable::TooBig { mtu: 1400 }, Unreachable::Port, Unreachable::Protocol] {
            belated.note(host, word(kind), at(3));
            assert_eq!(belated.explain(host, SECOND, at(3)), None);
        }
    }

    #[test]
    fn a_slow_reply_explains_only_why_nothing_came_within_a_shorter_limit() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut belated = Belated::default();
        belated.note(host, word(Unreachable::Host), at(3));
        let slow = Word::Slow(Duration::from_millis(1_400));
        belated.note(host, slow.clone(), at(4));
        assert_eq!(belated.explain(host, SECOND, at(5)), Some((slow, at(4))));
        assert_eq!(belated.explain(host, 2 * SECOND, at(5)), None);
    }

    #[test]
    fn what_others_said_is_taken_back_by_whatever_the_address_sends_and_its_slowness_is_not() {
        let host = IpAddr::from([10, 0, 0, 7]);
        let mut belated = Belated::default();
        for said in [word(Unreachable::Host), Word::Ours(LocalFailure::NoRoute)] {
            belated.note(host, said, at(3));
            belated.take_back(host);
            assert_eq!(belated.explain(host, SECOND, at(4)), None);
        }
        let slow = Word::Slow(Duration::from_millis(1_400));
        belated.note(host, slow.clone(), at(5));
        belated.take_back(host);
        assert_eq!(belated.explain(host, SECOND, at(6)), Some((slow, at(5))));
    }

    #[test]
    fn whoever_invents_addresses_takes_no_more_room_than_there_is() {
        let mut belated = Belated::default();
        let address = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..10_000 {
            belated.note(address(n), word(Unreachable::Host), at(3));
        }
        assert_eq!(belated.by_address.len(), Belated::MOST);
        belated.note(address(9_999), word(Unreachable::Net), at(30));
        let said = Some((word(Unreachable::Net), at(30)));
        assert_eq!(belated.explain(address(9_999), SECOND, at(30)), said);
        assert_eq!(belated.by_address.len(), 1);
    }
}
