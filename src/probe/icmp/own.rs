//! Which addresses are this machine's own, and which are its neighbours'.
//!
//! The kernel reports a neighbour that does not respond by an ICMP error from an address of our
//! own. That is no router's word, and if the neighbour is our gateway it says nothing about whom we
//! asked.

use std::net::IpAddr;
use std::time::Duration;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::model::{IcmpError, LocalFailure, Mono};

/// The addresses of this machine, each with the mask of its network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::probe) struct Own(Vec<(IpAddr, Option<IpAddr>)>);

impl Own {
    /// As they are now in the network of the calling thread; none when the kernel does not say.
    pub(in crate::probe) fn read() -> Self {
        let Ok(all) = getifaddrs() else { return Self::default() };
        let ip = |address: Option<SockaddrStorage>| address.as_ref().and_then(ip_of);
        Self(all.filter_map(|one| Some((ip(one.address)?, ip(one.netmask)))).collect())
    }

    /// These, each with its mask.
    #[cfg(test)]
    pub(super) fn of(all: &[(&str, &str)]) -> Self {
        let ip = |text: &str| text.parse().unwrap();
        Self(all.iter().map(|(ours, mask)| (ip(ours), Some(ip(mask)))).collect())
    }

    /// Whether `address` is ours.
    pub(in crate::probe) fn is(&self, address: IpAddr) -> bool {
        self.0.iter().any(|(ours, _)| *ours == address)
    }

    /// Whether `address` is on a network that we are on, so that no gateway is needed.
    pub(in crate::probe) fn is_neighbour(&self, address: IpAddr) -> bool {
        self.0.iter().any(|&(ours, mask)| match (ours, mask, address) {
            (IpAddr::V4(ours), Some(IpAddr::V4(mask)), IpAddr::V4(address)) => {
                ours & mask == address & mask
            }
            (IpAddr::V6(ours), Some(IpAddr::V6(mask)), IpAddr::V6(address)) => {
                ours & mask == address & mask
            }
            _ => false,
        })
    }

    /// What an error about a packet to `asked` means, given whose word it is: one of our own about
    /// a neighbour is nobody's in particular, and one about a gateway of ours is our own trouble.
    pub(in crate::probe) fn judge(
        &self,
        error: IcmpError,
        asked: IpAddr,
    ) -> Result<IcmpError, LocalFailure> {
        match error.offender {
            Some(offender) if self.is(offender) => {
                if self.is(asked) || self.is_neighbour(asked) {
                    Ok(IcmpError { offender: None, ..error })
                } else {
                    Err(LocalFailure::NoRoute)
                }
            }
            _ => Ok(error),
        }
    }
}

/// Our own addresses and when they were read; they are wanted only when there are ICMP errors.
#[derive(Debug, Default)]
pub(super) struct OwnSince(Option<(Own, Mono)>);

impl OwnSince {
    /// How long what is known is good for.
    const GOOD_FOR: Duration = Duration::from_secs(10);

    /// The addresses, read anew where they are not known well enough.
    pub(super) fn at(&mut self, now: Mono) -> &Own {
        let Self(known) = self;
        if known.as_ref().is_some_and(|(_, read)| now - *read > Self::GOOD_FOR) {
            *known = None;
        }
        &known.get_or_insert_with(|| (Own::read(), now)).0
    }
}

/// The IP address in an address of the kernel's.
pub(in crate::probe) fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unreachable;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_word_of_our_own_is_no_router_s_and_about_a_gateway_it_is_our_trouble() {
        let own = Own(vec![
            (ip("10.81.0.1"), Some(ip("255.255.255.0"))),
            (ip("2001:db8::1"), Some(ip("ffff:ffff:ffff:ffff::"))),
            (ip("10.99.0.1"), None),
        ]);
        let said = |by: &str, about: &str| {
            let offender = Some(ip(by));
            let error = IcmpError { kind: Unreachable::Host, icmp_type: 3, icmp_code: 1, offender };
            own.judge(error, ip(about)).map(|error| error.offender)
        };
        let router = Ok(Some(ip("10.81.0.254")));
        assert_eq!(said("10.81.0.254", "10.82.0.9"), router);
        assert_eq!(said("10.81.0.254", "10.81.0.9"), router);
        assert_eq!(said("10.81.0.1", "10.81.0.9"), Ok(None));
        assert_eq!(said("10.81.0.1", "10.82.0.9"), Err(LocalFailure::NoRoute));
        assert_eq!(said("2001:db8::1", "2001:db8::9"), Ok(None));
        assert_eq!(said("2001:db8::1", "2001:db9::9"), Err(LocalFailure::NoRoute));
        assert_eq!(said("10.99.0.1", "10.99.0.9"), Err(LocalFailure::NoRoute));
    }
}
