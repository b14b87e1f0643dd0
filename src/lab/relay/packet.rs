//! The bytes of a packet, as far as a router and whoever damages it must know them.
//!
//! Everything works on packets that the two kernels built, and yet nothing here trusts them: a
//! packet that is not understood is not carried.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::lab::world::{Direction, Packet, wording};
use crate::model::Unreachable;
use crate::wire::icmp::Family;

/// IP protocol numbers (IANA).
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;

/// Where a packet's parts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    protocol: u8,
    /// Length of the IP header.
    header: usize,
    tos: u8,
    ttl: u8,
    dont_fragment: bool,
    /// Whether the transport header is here: not so in later fragments.
    first: bool,
}

/// Understands an IP packet; none if it is none, or one that nothing here should touch.
pub(super) fn look(bytes: &[u8]) -> Option<Seen> {
    match bytes.first()? >> 4 {
        4 => {
            let header = usize::from(bytes[0] & 0x0f) * 4;
            if header < 20 || bytes.len() < header {
                return None;
            }
            let fragment = u16::from_be_bytes([bytes[6], bytes[7]]);
            Some(Seen {
                source: IpAddr::V4(v4(bytes, 12)?),
                destination: IpAddr::V4(v4(bytes, 16)?),
                protocol: bytes[9],
                header,
                tos: bytes[1],
                ttl: bytes[8],
                dont_fragment: fragment & 0x4000 != 0,
                first: fragment & 0x1fff == 0,
            })
        }
        6 if bytes.len() >= 40 => Some(Seen {
            source: IpAddr::V6(v6(bytes, 8)?),
            destination: IpAddr::V6(v6(bytes, 24)?),
            protocol: bytes[6],
            header: 40,
            tos: (bytes[0] << 4) | (bytes[1] >> 4),
            ttl: bytes[7],
            dont_fragment: true,
            first: true,
        }),
        _ => None,
    }
}

impl Seen {
    /// What the world needs to know of it.
    pub(super) fn packet(&self, direction: Direction, length: usize) -> Packet {
        let device = match direction {
            Direction::Out => self.destination,
            Direction::Back => self.source,
        };
        Packet {
            direction,
            device,
            length: u16::try_from(length).unwrap_or(u16::MAX),
            tos: self.tos,
            dont_fragment: self.dont_fragment,
            ttl: self.ttl,
        }
    }

    /// Whether an ICMP error may be sent about it: never about an error, nor about any but the
    /// first fragment, nor about a packet that many may have got (RFC 1122 §3.2.2).
    fn may_be_complained_of(&self, bytes: &[u8]) -> bool {
        let kind = bytes.get(self.header).copied();
        let error = match self.protocol {
            // Echo and its reply, time stamp, information and address mask are questions.
            ICMP => !matches!(kind, Some(0 | 8 | 13..=18)),
            ICMPV6 => kind.is_none_or(|kind| kind < 128),
            _ => false,
        };
        let many = match self.destination {
            IpAddr::V4(v4) => v4.is_multicast() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_multicast(),
        };
        self.first && !error && !many
    }
}

/// The ICMP error that a router at `from` sends about a packet, if it may.
pub(super) fn complaint(
    bytes: &[u8],
    seen: &Seen,
    what: Unreachable,
    from: IpAddr,
) -> Option<Vec<u8>> {
    if !seen.may_be_complained_of(bytes) {
        return None;
    }
    match (from, seen.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let (kind, code, mtu) = wording(what, Family::V4);
            // As much as fits 576 bytes in all (RFC 1812 §4.3.2.3).
            let quoted = &bytes[..bytes.len().min(576 - 28)];
            let mut packet = ipv4_header(from, to, 8 + quoted.len());
            packet.extend_from_slice(&[kind, code, 0, 0, 0, 0]);
            packet.extend_from_slice(&u16::to_be_bytes(mtu));
            packet.extend_from_slice(quoted);
            mend(&mut packet);
            Some(packet)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let (kind, code, mtu) = wording(what, Family::V6);
            let quoted = &bytes[..bytes.len().min(1280 - 48)];
            let mut packet = vec![0x60, 0, 0, 0, 0, 0, ICMPV6, 64];
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
            packet.extend_from_slice(&[kind, code, 0, 0]);
            packet.extend_from_slice(&u32::from(mtu).to_be_bytes());
            packet.extend_from_slice(quoted);
            mend(&mut packet);
            Some(packet)
        }
        // A router of the other family cannot complain.
        _ => None,
    }
}

/// The answer that somebody forges to an echo request: by turns one with the right sender and
/// somebody else's payload, and one with our payload and the wrong sender. None for anything but
/// an echo request.
pub(super) fn forgery(bytes: &[u8], seen: &Seen) -> Option<Vec<u8>> {
    let (request, reply) = match seen.protocol {
        ICMP => (8, 0),
        ICMPV6 => (128, 129),
        _ => return None,
    };
    let at = seen.header;
    if bytes.get(at) != Some(&request) || bytes.len() < at + 8 || !seen.first {
        return None;
    }
    let mut forged = bytes.to_vec();
    let (from, to, length) = if seen.source.is_ipv4() { (12, 16, 4) } else { (8, 24, 16) };
    for n in 0..length {
        forged.swap(from + n, to + n);
    }
    forged[at] = reply;
    let odd_sequence = bytes[at + 7] & 1 == 1;
    if odd_sequence {
        forged[from + length - 1] ^= 0x80;
    } else {
        for byte in &mut forged[at + 8..] {
            *byte = !*byte;
        }
    }
    mend(&mut forged);
    Some(forged)
}

/// Counts down the time to live by `hops` and sets the DSCP, if one is to be set.
pub(super) fn travel(bytes: &mut [u8], seen: &Seen, hops: u8, dscp: Option<u8>) {
    if seen.source.is_ipv4() {
        bytes[8] = bytes[8].saturating_sub(hops);
        if let Some(dscp) = dscp {
            bytes[1] = (dscp << 2) | (bytes[1] & 3);
        }
        mend_ipv4_header(bytes, seen.header);
    } else {
        bytes[7] = bytes[7].saturating_sub(hops);
        if let Some(dscp) = dscp {
            let class = (dscp << 2) | (seen.tos & 3);
            bytes[0] = 0x60 | (class >> 4);
            bytes[1] = (class << 4) | (bytes[1] & 0x0f);
        }
    }
}

/// Flips a bit behind the IP header and leaves the checksums as they were.
pub(super) fn flip(bytes: &mut [u8], seen: &Seen, at: u32) {
    let body = bytes.len() - seen.header;
    if body > 0 {
        let at = at as usize;
        bytes[seen.header + at / 8 % body] ^= 1 << (at % 8);
    }
}

/// Cuts a packet short so that fewer than eight bytes are left behind its transport header: too
/// few for any prober to know its own packet by. Lengths and checksums are made to fit, so that
/// the receiver's kernel hands it on.
pub(super) fn cut_short(bytes: &mut Vec<u8>, seen: &Seen, at: u32) {
    let body = seen.header + 8;
    if bytes.len() <= body || !seen.first {
        return;
    }
    bytes.truncate((body + (at % 8) as usize).min(bytes.len() - 1));
    mend(bytes);
}

/// Makes lengths and checksums of a whole packet right.
fn mend(bytes: &mut [u8]) {
    let Some(seen) = look(bytes) else { return };
    let (header, length) = (seen.header, bytes.len());
    let be16 = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
    let pseudo = match (seen.source, seen.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            bytes[2..4].copy_from_slice(&be16(length));
            mend_ipv4_header(bytes, header);
            let sum = sum(&source.octets()) + sum(&destination.octets());
            // ICMP over IPv4 has no pseudo-header (RFC 792).
            if seen.protocol == ICMP { 0 } else { sum }
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            bytes[4..6].copy_from_slice(&be16(length - header));
            sum(&source.octets()) + sum(&destination.octets())
        }
        _ => return,
    };
    let place = match seen.protocol {
        ICMP | ICMPV6 => 2,
        UDP => 6,
        TCP => 16,
        _ => return,
    };
    if length < header + place + 2 {
        return;
    }
    if seen.protocol == UDP {
        bytes[header + 4..header + 6].copy_from_slice(&be16(length - header));
    }
    let at = header + place;
    bytes[at..at + 2].fill(0);
    let mut total = sum(&bytes[header..]) + pseudo;
    if seen.protocol != ICMP {
        total += u64::from(seen.protocol) + (length - header) as u64;
    }
    bytes[at..at + 2].copy_from_slice(&fold(total).to_be_bytes());
}

fn ipv4_header(from: Ipv4Addr, to: Ipv4Addr, payload: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(20 + payload);
    // Precedence 6 on ICMP errors (RFC 1812 §4.3.2.5).
    header.extend_from_slice(&[0x45, 0xc0, 0, 0, 0, 0, 0, 0, 64, ICMP, 0, 0]);
    header.extend_from_slice(&from.octets());
    header.extend_from_slice(&to.octets());
    header
}

fn mend_ipv4_header(bytes: &mut [u8], header: usize) {
    bytes[10..12].fill(0);
    let checksum = fold(sum(&bytes[..header]));
    bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// The sum of 16-bit words (RFC 1071).
fn sum(bytes: &[u8]) -> u64 {
    let mut words = bytes.chunks_exact(2);
    let total: u64 = words.by_ref().map(|w| u64::from(u16::from_be_bytes([w[0], w[1]]))).sum();
    total + words.remainder().first().map_or(0, |last| u64::from(*last) << 8)
}

#[expect(clippy::cast_possible_truncation, reason = "folded to 16 bits")]
const fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    !(total as u16)
}

fn v4(bytes: &[u8], at: usize) -> Option<Ipv4Addr> {
    bytes.get(at..at + 4)?.try_into().ok().map(<[u8; 4]>::into)
}

fn v6(bytes: &[u8], at: usize) -> Option<Ipv6Addr> {
    bytes.get(at..at + 16)?.try_into().ok().map(<[u8; 16]>::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ping of 56 bytes as Linux sends it, checksums right.
    fn ping() -> Vec<u8> {
        let mut packet =
            ipv4_header(Ipv4Addr::new(100, 127, 255, 1), Ipv4Addr::new(10, 64, 2, 10), 64);
        packet.extend_from_slice(&[8, 0, 0, 0, 0x12, 0x34, 0, 2]);
        packet.extend(0..56u8);
        mend(&mut packet);
        packet
    }

    fn ping6() -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, ICMPV6, 64];
        packet.extend_from_slice(&"fd00::1".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend_from_slice(&"fd00::2".parse::<Ipv6Addr>().unwrap().octets());
        packet.extend_from_slice(&[128, 0, 0, 0, 0x12, 0x34, 0, 3]);
        packet.extend(0..56u8);
        mend(&mut packet);
        packet
    }

    fn checks_out(packet: &[u8]) -> bool {
        let seen = look(packet).unwrap();
        let body = &packet[seen.header..];
        match (seen.source, seen.destination) {
            (IpAddr::V4(_), _) => {
                fold(sum(&packet[..seen.header])) == 0
                    && fold(sum(body)) == 0
                    && usize::from(u16::from_be_bytes([packet[2], packet[3]])) == packet.len()
            }
            (IpAddr::V6(s), IpAddr::V6(d)) => {
                let pseudo = sum(&s.octets()) + sum(&d.octets()) + body.len() as u64 + 58;
                fold(sum(body) + pseudo) == 0
            }
            _ => false,
        }
    }

    #[test]
    fn checksums_are_those_of_rfc_1071() {
        // The example of RFC 1071 §3: the sum is ddf2.
        assert_eq!(fold(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), !0xddf2);
        assert!(checks_out(&ping()));
        assert!(checks_out(&ping6()));
    }

    #[test]
    fn a_complaint_quotes_the_packet_and_names_the_router() {
        let packet = ping();
        let seen = look(&packet).unwrap();
        let router = "10.64.2.1".parse().unwrap();
        let what = Unreachable::TooBig { mtu: 1400 };
        let complaint = complaint(&packet, &seen, what, router).unwrap();
        assert!(checks_out(&complaint));
        let said = look(&complaint).unwrap();
        assert_eq!(said.source, router);
        assert_eq!(said.destination, seen.source);
        assert_eq!(complaint[20..22], [3, 4]);
        // Next-hop MTU in the last two bytes of the header (RFC 1191 §4).
        assert_eq!(complaint[26..28], [0x05, 0x78]);
        assert_eq!(complaint[28..], packet);
    }

    #[test]
    fn nobody_complains_of_complaints_or_of_later_fragments() {
        let packet = ping();
        let seen = look(&packet).unwrap();
        let router = "10.64.2.1".parse().unwrap();
        let first = complaint(&packet, &seen, Unreachable::Host, router).unwrap();
        let about = look(&first).unwrap();
        assert_eq!(complaint(&first, &about, Unreachable::Host, router), None);
        let mut fragment = ping();
        fragment[7] = 10;
        let seen = look(&fragment).unwrap();
        assert_eq!(complaint(&fragment, &seen, Unreachable::Host, router), None);
    }

    #[test]
    fn the_other_family_has_its_own_codes() {
        let packet = ping6();
        let seen = look(&packet).unwrap();
        let router = "fd00::ff".parse().unwrap();
        let said = complaint(&packet, &seen, Unreachable::Host, router).unwrap();
        assert!(checks_out(&said));
        assert_eq!(said[40..42], [1, 3]);
        let wrong = "10.64.2.1".parse().unwrap();
        assert_eq!(complaint(&packet, &seen, Unreachable::Host, wrong), None);
    }

    #[test]
    fn forgers_err_by_turns_in_the_payload_and_in_the_sender() {
        let even = ping();
        let seen = look(&even).unwrap();
        let forged = forgery(&even, &seen).unwrap();
        assert!(checks_out(&forged));
        assert_eq!(look(&forged).unwrap().source, seen.destination);
        assert_eq!(forged[20], 0);
        assert_eq!(forged[24..28], even[24..28], "identifier and sequence are right");
        assert_ne!(forged[28..], even[28..]);
        let mut odd = ping();
        odd[27] = 3;
        let forged = forgery(&odd, &look(&odd).unwrap()).unwrap();
        assert_ne!(look(&forged).unwrap().source, seen.destination);
        assert_eq!(forged[28..], odd[28..]);
        assert!(forgery(&forged, &look(&forged).unwrap()).is_none(), "replies are not answered");
        assert!(checks_out(&forgery(&ping6(), &look(&ping6()).unwrap()).unwrap()));
    }

    #[test]
    fn a_short_packet_is_too_short_to_be_known_by_and_still_sound() {
        for at in 0..20 {
            let mut packet = ping();
            let seen = look(&packet).unwrap();
            cut_short(&mut packet, &seen, at);
            assert!(packet.len() < 20 + 8 + 8, "{at}");
            assert!(checks_out(&packet), "{at}");
        }
    }

    #[test]
    fn a_flipped_bit_is_found_by_the_checksum() {
        let mut packet = ping();
        let seen = look(&packet).unwrap();
        flip(&mut packet, &seen, 1234);
        assert!(!checks_out(&packet));
    }

    #[test]
    fn routers_count_down_and_mark() {
        let mut packet = ping();
        let seen = look(&packet).unwrap();
        travel(&mut packet, &seen, 3, Some(46));
        assert!(checks_out(&packet));
        let after = look(&packet).unwrap();
        assert_eq!(after.ttl, 61);
        assert_eq!(after.tos, 46 << 2);
        let mut packet = ping6();
        let seen = look(&packet).unwrap();
        travel(&mut packet, &seen, 3, Some(34));
        let after = look(&packet).unwrap();
        assert_eq!((after.ttl, after.tos), (61, 34 << 2));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            version in 4u8..7,
            at: u32,
        ) {
            if let Some(first) = bytes.first_mut() {
                *first = (version << 4) | (*first & 0x0f);
            }
            if let Some(seen) = look(&bytes) {
                let router = seen.destination;
                complaint(&bytes, &seen, Unreachable::Host, router);
                forgery(&bytes, &seen);
                travel(&mut bytes, &seen, 3, Some(46));
                flip(&mut bytes, &seen, at);
                cut_short(&mut bytes, &seen, at);
            }
        }
    }
}
