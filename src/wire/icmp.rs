//! ICMP echo requests, replies and errors, for IPv4 (RFC 792) and IPv6 (RFC 4443).
//!
//! A request carries a sealed mark in the first bytes of its payload, so that whoever gets a
//! reply can tell whether it ever asked for it, without remembering all that was asked.

mod meaning;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use meaning::{is_refusal, meaning};

/// Bytes of an echo header: type, code, checksum, identifier, sequence number.
pub const ECHO_HEADER: usize = 8;

/// Bytes of the mark that opens the payload of every request.
pub const MARK: usize = 16;

/// Largest payload of an echo request: 65,535 less an IPv4 header and the echo header.
pub const MAX_PAYLOAD: u16 = 65_507;

const V4_ECHO_REPLY: u8 = 0;
const V4_ECHO_REQUEST: u8 = 8;
const V6_ECHO_REQUEST: u8 = 128;
const V6_ECHO_REPLY: u8 = 129;

/// Protocol numbers of IP (RFC 792, RFC 4443 §1).
const PROTOCOL_ICMP: u8 = 1;
const PROTOCOL_ICMPV6: u8 = 58;

const V4_HEADER: usize = 20;
const V6_HEADER: usize = 40;

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// ICMP over IPv4.
    V4,
    /// `ICMPv6`.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What a request says about itself, to come back in the reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which place of the sender's table.
    pub slot: u32,
    /// Which use of that place.
    pub round: u32,
    /// What only the sender can compute from slot, round and the address asked.
    pub seal: u64,
}

impl Mark {
    /// As the payload carries it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; MARK] {
        let mut bytes = [0; MARK];
        bytes[..4].copy_from_slice(&self.slot.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.round.to_be_bytes());
        bytes[8..].copy_from_slice(&self.seal.to_be_bytes());
        bytes
    }

    /// The mark at the beginning of `payload`, if it is long enough for one.
    #[must_use]
    pub fn read(payload: &[u8]) -> Option<Self> {
        Some(Self {
            slot: u32::from_be_bytes(array(payload, 0)?),
            round: u32::from_be_bytes(array(payload, 4)?),
            seal: u64::from_be_bytes(array(payload, 8)?),
        })
    }
}

/// Header and mark of an echo request whose payload ends in `filler`.
///
/// The checksum is filled in for IPv4. For IPv6 it covers addresses that only the kernel knows,
/// which computes it itself on every kind of socket (RFC 3542 §3.1).
#[must_use]
pub fn echo_request(
    family: Family,
    ident: u16,
    sequence: u16,
    mark: Mark,
    filler: &[u8],
) -> [u8; ECHO_HEADER + MARK] {
    let mut head = [0; ECHO_HEADER + MARK];
    head[4..6].copy_from_slice(&ident.to_be_bytes());
    head[6..8].copy_from_slice(&sequence.to_be_bytes());
    head[ECHO_HEADER..].copy_from_slice(&mark.to_bytes());
    match family {
        Family::V4 => {
            head[0] = V4_ECHO_REQUEST;
            let sum = checksum(&[&head, filler]);
            head[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        Family::V6 => head[0] = V6_ECHO_REQUEST,
    }
    head
}

/// An ICMP message that may concern a sender of echo requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// An echo reply.
    Reply(Reply),
    /// An error about an echo request.
    Error(Refusal),
    /// Anything else: requests of others, errors about other protocols, router advertisements.
    Other,
}

/// An echo reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// Identifier.
    pub ident: u16,
    /// Sequence number.
    pub sequence: u16,
    /// The mark, if the payload is long enough for one.
    pub mark: Option<Mark>,
    /// Bytes of payload.
    pub payload: usize,
}

/// An ICMP error with what it quotes of the echo request that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// Type of the error.
    pub icmp_type: u8,
    /// Code of the error.
    pub icmp_code: u8,
    /// MTU of the next hop, where the error names one; 0 when the router did not say
    /// (RFC 1191 §4, RFC 4443 §3.2).
    pub mtu: u32,
    /// Whom the request asked.
    pub destination: IpAddr,
    /// What it quotes of the request.
    pub request: Quoted,
}

/// The beginning of an echo request as somebody else quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    /// Identifier.
    pub ident: u16,
    /// Sequence number.
    pub sequence: u16,
    /// The mark, when the quotation is long enough. Many routers quote only the first eight
    /// bytes (RFC 792).
    pub mark: Option<Mark>,
}

/// Why bytes are no ICMP message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Shorter than its own header says or needs.
    Truncated,
    /// The checksum is wrong.
    Checksum,
    /// Not the protocol that was asked for.
    Foreign,
}

/// Reads an ICMP message without its IP header, its checksum already verified by the kernel.
///
/// # Errors
/// When it is cut short.
pub fn parse(family: Family, bytes: &[u8]) -> Result<Message, Flaw> {
    let &[icmp_type, icmp_code, _, _, ref rest @ ..] = bytes else {
        return Err(Flaw::Truncated);
    };
    let reply = match family {
        Family::V4 => V4_ECHO_REPLY,
        Family::V6 => V6_ECHO_REPLY,
    };
    if icmp_type == reply {
        let Quoted { ident, sequence, mark } =
            read_echo(bytes).filter(|_| icmp_code == 0).ok_or(Flaw::Truncated)?;
        let payload = bytes.len() - ECHO_HEADER;
        return Ok(Message::Reply(Reply { ident, sequence, mark, payload }));
    }
    if !is_refusal(family, icmp_type) {
        return Ok(Message::Other);
    }
    let word: [u8; 4] = array(rest, 0).ok_or(Flaw::Truncated)?;
    let quoted = rest.get(4..).ok_or(Flaw::Truncated)?;
    let Some((destination, request)) = read_quotation(family, quoted)? else {
        return Ok(Message::Other);
    };
    let mtu = match (family, icmp_type, icmp_code) {
        (Family::V4, 3, 4) => u32::from(u16::from_be_bytes([word[2], word[3]])),
        (Family::V6, 2, _) => u32::from_be_bytes(word),
        _ => 0,
    };
    Ok(Message::Error(Refusal { icmp_type, icmp_code, mtu, destination, request }))
}

/// What an IPv4 datagram says about its journey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4Header {
    /// Who sent it.
    pub source: Ipv4Addr,
    /// Time to live on arrival.
    pub ttl: u8,
    /// TOS byte on arrival.
    pub tos: u8,
}

/// Reads an ICMP message inside an IPv4 datagram, as a raw socket delivers it: before anybody
/// looked at the ICMP checksum, so it is verified here.
///
/// # Errors
/// When it is cut short, damaged or not ICMP.
pub fn parse_datagram(bytes: &[u8]) -> Result<(V4Header, Message), Flaw> {
    let total = usize::from(u16::from_be_bytes(array(bytes, 2).ok_or(Flaw::Truncated)?));
    let (header, body) = split_v4(bytes.get(..total).ok_or(Flaw::Truncated)?)?;
    if checksum(&[body]) != 0 {
        return Err(Flaw::Checksum);
    }
    Ok((header, parse(Family::V4, body)?))
}

/// Reads the beginning of an echo request that is quoted without its IP header.
#[must_use]
pub fn parse_quoted(family: Family, bytes: &[u8]) -> Option<Quoted> {
    let request = match family {
        Family::V4 => V4_ECHO_REQUEST,
        Family::V6 => V6_ECHO_REQUEST,
    };
    read_echo(bytes).filter(|_| bytes[0] == request)
}

/// The echo request inside a frame of our own that the kernel hands back with its time stamp.
///
/// What stands before the IP header depends on the interface: nothing, a link header of 14 bytes
/// and more, or also the headers of a tunnel. The header is therefore looked for at every even
/// place, behind the usual link header first, which finds candidates only; `ours` decides by the
/// mark, and says what it knows of the request.
#[must_use]
pub fn find_request<T>(
    family: Family,
    frame: &[u8],
    ours: impl Fn(&Quoted) -> Option<T>,
) -> Option<(Quoted, T)> {
    [14].into_iter().chain((0..frame.len()).step_by(2)).find_map(|at: usize| {
        let (_, request) = read_quotation(family, frame.get(at..)?).ok()??;
        ours(&request).map(|known| (request, known))
    })
}

/// The Internet checksum (RFC 1071) over `parts` as if they stood in a row. Every part but the
/// last must have an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let words = part.chunks_exact(2);
        if let &[last] = words.remainder() {
            sum += u64::from(last) << 8;
        }
        for word in words {
            sum += u64::from(u16::from_be_bytes([word[0], word[1]]));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    #[allow(clippy::cast_possible_truncation, reason = "folded to 16 bits just above")]
    let folded = sum as u16;
    !folded
}

/// Header and body of an IPv4 datagram that carries the first fragment of an ICMP message.
fn split_v4(bytes: &[u8]) -> Result<(V4Header, &[u8]), Flaw> {
    let header = bytes.get(..V4_HEADER).ok_or(Flaw::Truncated)?;
    let later_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x1fff != 0;
    if header[0] >> 4 != 4 || header[9] != PROTOCOL_ICMP || later_fragment {
        return Err(Flaw::Foreign);
    }
    let length = usize::from(header[0] & 0x0f) * 4;
    let body = bytes.get(length..).filter(|_| length >= V4_HEADER).ok_or(Flaw::Truncated)?;
    let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
    Ok((V4Header { source, ttl: header[8], tos: header[1] }, body))
}

/// The echo request in a quoted IP packet, with its destination; none when it is another
/// protocol or message.
fn read_quotation(family: Family, quoted: &[u8]) -> Result<Option<(IpAddr, Quoted)>, Flaw> {
    let (destination, body): (IpAddr, _) = match family {
        Family::V4 => match split_v4(quoted) {
            Ok((_, body)) => {
                let octets: [u8; 4] = array(quoted, 16).ok_or(Flaw::Truncated)?;
                (Ipv4Addr::from(octets).into(), body)
            }
            Err(Flaw::Foreign) => return Ok(None),
            Err(flaw) => return Err(flaw),
        },
        Family::V6 => {
            let header = quoted.get(..V6_HEADER).ok_or(Flaw::Truncated)?;
            let octets: [u8; 16] = array(quoted, 24).ok_or(Flaw::Truncated)?;
            if header[0] >> 4 != 6 {
                return Ok(None);
            }
            let Some(body) = v6_body(header[6], &quoted[V6_HEADER..])? else { return Ok(None) };
            (Ipv6Addr::from(octets).into(), body)
        }
    };
    if body.len() < ECHO_HEADER {
        return Err(Flaw::Truncated);
    }
    Ok(parse_quoted(family, body).map(|request| (destination, request)))
}

/// What follows the only extension header that a request of ours can have got: a fragment header
/// (RFC 8200 §4.5), put there by the kernel for a large payload. None when it is not `ICMPv6`.
fn v6_body(next: u8, rest: &[u8]) -> Result<Option<&[u8]>, Flaw> {
    const FRAGMENT: u8 = 44;
    match next {
        PROTOCOL_ICMPV6 => Ok(Some(rest)),
        FRAGMENT => {
            let header: [u8; 8] = array(rest, 0).ok_or(Flaw::Truncated)?;
            let later_fragment = u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0;
            let is_icmp = header[0] == PROTOCOL_ICMPV6 && !later_fragment;
            Ok(is_icmp.then(|| &rest[8..]))
        }
        _ => Ok(None),
    }
}

/// Identifier, sequence number and mark of an echo message of either direction.
fn read_echo(bytes: &[u8]) -> Option<Quoted> {
    Some(Quoted {
        ident: u16::from_be_bytes(array(bytes, 4)?),
        sequence: u16::from_be_bytes(array(bytes, 6)?),
        mark: Mark::read(bytes.get(ECHO_HEADER..)?),
    })
}

/// The `N` bytes at `from`, if there are that many.
fn array<const N: usize>(bytes: &[u8], from: usize) -> Option<[u8; N]> {
    bytes.get(from..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests;
