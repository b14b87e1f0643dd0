//! What the numbers of ICMP errors mean (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3).

use super::Family;
use crate::model::Unreachable;

/// Whether a message of this type says that a request cannot be answered. Source quench and
/// redirect are advice and say nothing of the kind.
#[must_use]
pub const fn is_refusal(family: Family, icmp_type: u8) -> bool {
    match family {
        Family::V4 => matches!(icmp_type, 3 | 11 | 12),
        Family::V6 => matches!(icmp_type, 1..=4),
    }
}

/// The meaning of an ICMP error. `mtu` counts only where the message is about size.
#[must_use]
pub fn meaning(family: Family, icmp_type: u8, icmp_code: u8, mtu: u32) -> Unreachable {
    // An MTU beyond 65,535 cannot be what a packet of ours was too big for.
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    match family {
        Family::V4 => match (icmp_type, icmp_code) {
            // Network: unreachable, unknown, unreachable for this TOS.
            (3, 0 | 6 | 11) => Unreachable::Net,
            // Host: unreachable, unknown, isolated, unreachable for this TOS.
            (3, 1 | 7 | 8 | 12) => Unreachable::Host,
            (3, 2) => Unreachable::Protocol,
            (3, 3) => Unreachable::Port,
            (3, 4) => Unreachable::TooBig { mtu },
            // Network, host or communication prohibited; precedence violation and cutoff.
            (3, 9 | 10 | 13..=15) => Unreachable::Prohibited,
            (11, _) => Unreachable::TimeExceeded,
            _ => Unreachable::Other,
        },
        Family::V6 => match (icmp_type, icmp_code) {
            // No route; beyond the scope of the source address.
            (1, 0 | 2) => Unreachable::Net,
            (1, 3) => Unreachable::Host,
            (1, 4) => Unreachable::Port,
            // Prohibited; source address failed a policy; reject route.
            (1, 1 | 5 | 6) => Unreachable::Prohibited,
            (2, _) => Unreachable::TooBig { mtu },
            (3, _) => Unreachable::TimeExceeded,
            // Unrecognized next header: the host has no such protocol.
            (4, 1) => Unreachable::Protocol,
            _ => Unreachable::Other,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_situations_of_a_site_are_told_apart() {
        let v4 = |icmp_type, icmp_code, mtu| meaning(Family::V4, icmp_type, icmp_code, mtu);
        assert_eq!(v4(3, 0, 0), Unreachable::Net);
        assert_eq!(v4(3, 1, 0), Unreachable::Host);
        assert_eq!(v4(3, 13, 0), Unreachable::Prohibited);
        assert_eq!(v4(3, 4, 1400), Unreachable::TooBig { mtu: 1400 });
        assert_eq!(v4(11, 0, 0), Unreachable::TimeExceeded);
        assert_eq!(v4(3, 99, 0), Unreachable::Other);
        let v6 = |icmp_type, icmp_code, mtu| meaning(Family::V6, icmp_type, icmp_code, mtu);
        assert_eq!(v6(1, 0, 0), Unreachable::Net);
        assert_eq!(v6(1, 3, 0), Unreachable::Host);
        assert_eq!(v6(1, 1, 0), Unreachable::Prohibited);
        assert_eq!(v6(2, 0, 1280), Unreachable::TooBig { mtu: 1280 });
        assert_eq!(v6(2, 0, 1_000_000), Unreachable::TooBig { mtu: u16::MAX });
        assert_eq!(v6(3, 0, 0), Unreachable::TimeExceeded);
    }

    #[test]
    fn advice_is_no_refusal() {
        for advice in [4, 5] {
            assert!(!is_refusal(Family::V4, advice));
        }
        for information in [128, 129, 133, 137] {
            assert!(!is_refusal(Family::V6, information));
        }
    }
}
