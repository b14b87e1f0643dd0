//! How fast each address may do something.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::config::Limit;
use crate::model::Mono;

/// Addresses that are remembered at most; those beyond share one measure.
const REMEMBERED: usize = 16_384;
/// How often what is full again is forgotten, when there is much of it.
const FORGET_EVERY: Duration = Duration::from_secs(1);
/// The measure of all that are not remembered.
const OTHERS: Address = Address(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

/// Whom a request is laid to: an IPv4 address, or the /64 that one subscriber of IPv6 has whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::web) struct Address(IpAddr);

impl Address {
    pub(in crate::web) fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => {
                let subscriber = u128::from(ip) >> 64 << 64;
                // ::1 has no neighbours.
                Self(if ip.is_loopback() { ip } else { Ipv6Addr::from(subscriber) }.into())
            }
        }
    }
}

/// Counts by address what happens, as the generic cell rate algorithm does (ITU-T I.371): of each
/// address it keeps one moment, at which all that it has used up will be there again.
#[derive(Debug, Default)]
pub(in crate::web) struct Meter(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    full_at: BTreeMap<Address, Mono>,
    /// When what was full again was last forgotten.
    forgot: Mono,
}

impl Meter {
    /// Uses up one.
    ///
    /// # Errors
    /// When none is left: how long until there is.
    pub(in crate::web) fn take(
        &self,
        limit: Limit,
        from: Address,
        now: Mono,
    ) -> Result<(), Duration> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { full_at, forgot } = &mut *state;
        if full_at.len() >= REMEMBERED
            && now - *forgot >= FORGET_EVERY
            && !full_at.contains_key(&from)
        {
            *forgot = now;
            full_at.retain(|_, at| *at > now);
        }
        let known = full_at.len() < REMEMBERED || full_at.contains_key(&from);
        let from = if known { from } else { OTHERS };
        let before = full_at.get(&from).copied().unwrap_or_default().max(now);
        let after = before + limit.interval;
        let most = now + limit.interval * limit.burst;
        if after > most {
            return Err(after - most);
        }
        full_at.insert(from, after);
        Ok(())
    }

    /// Gives one back that was not needed.
    pub(in crate::web) fn give_back(&self, limit: Limit, from: Address) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = state.full_at.get_mut(&from) {
            *at = at.earlier(limit.interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = Limit { interval: Duration::from_secs(3), burst: 20 };

    fn v4(last: u8) -> Address {
        Address::of(IpAddr::from([10, 0, 0, last]))
    }

    fn at(seconds: u64) -> Mono {
        Mono::ZERO + Duration::from_secs(1_000 + seconds)
    }

    #[test]
    fn a_burst_passes_and_then_one_in_an_interval() {
        let meter = Meter::default();
        let passed = (0..30).filter(|_| meter.take(LIMIT, v4(1), at(0)).is_ok()).count();
        assert_eq!(passed, 20);
        assert_eq!(meter.take(LIMIT, v4(1), at(1)), Err(Duration::from_secs(2)));
        assert_eq!(meter.take(LIMIT, v4(1), at(3)), Ok(()));
        assert!(meter.take(LIMIT, v4(1), at(3)).is_err());
        assert_eq!(meter.take(LIMIT, v4(2), at(3)), Ok(()), "others are not held up");
        let later = (0..30).filter(|_| meter.take(LIMIT, v4(1), at(600)).is_ok()).count();
        assert_eq!(later, 20, "and no more is saved up than a burst");
    }

    #[test]
    fn what_was_not_needed_comes_back() {
        let meter = Meter::default();
        for _ in 0..1_000 {
            assert_eq!(meter.take(LIMIT, v4(1), at(0)), Ok(()));
            meter.give_back(LIMIT, v4(1));
        }
    }

    #[test]
    fn a_subscriber_is_one_however_many_addresses_it_has() {
        let of = |text: &str| Address::of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), v4(1));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
        assert_ne!(of("::1"), of("::2"));
    }

    #[test]
    fn millions_of_addresses_cost_no_memory() {
        let meter = Meter::default();
        let address = |n: u32| Address::of(IpAddr::from(n.to_be_bytes()));
        let passed = (1..200_000).filter(|n| meter.take(LIMIT, address(*n), at(0)).is_ok()).count();
        assert_eq!(passed, REMEMBERED + 20, "those beyond share one measure");
        assert!(meter.0.lock().unwrap().full_at.len() <= REMEMBERED + 1);
        assert_eq!(
            meter.take(LIMIT, address(999_999), at(3)),
            Ok(()),
            "the old ones are forgotten"
        );
    }
}
