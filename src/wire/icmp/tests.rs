//! Requests, replies and errors of ICMP as bytes, and bytes that are none of them.

use proptest::prelude::*;

use super::*;

const MARKED: Mark = Mark { slot: 7, round: 9, seal: 0x0123_4567_89ab_cdef };

/// An IPv4 header without options before `body`.
fn datagram(source: [u8; 4], destination: [u8; 4], body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(V4_HEADER + body.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0xb8, total[0], total[1], 0, 0, 0, 0, 61, 1, 0, 0];
    bytes.extend(source);
    bytes.extend(destination);
    bytes.extend(body);
    bytes
}

/// An `ICMPv4` message with a right checksum.
fn summed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum(&[&message]).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// The echo reply to a request of ours.
fn answer(family: Family, request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    match family {
        Family::V4 => {
            reply[0] = V4_ECHO_REPLY;
            summed(reply)
        }
        Family::V6 => {
            reply[0] = V6_ECHO_REPLY;
            reply
        }
    }
}

#[test]
fn the_checksum_is_that_of_rfc_1071() {
    // RFC 1071 §3: the sum is ddf2, its complement 220d.
    assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03], &[0xf4, 0xf5, 0xf6, 0xf7]]), 0x220d);
    assert_eq!(checksum(&[&[0xff]]), 0x00ff);
}

#[test]
fn a_request_is_what_ping_sends() {
    let head = echo_request(Family::V4, 0x1234, 5, MARKED, &[]);
    assert_eq!(head[..2], [8, 0]);
    assert_eq!(head[4..8], [0x12, 0x34, 0, 5]);
    assert_eq!(checksum(&[&head]), 0, "a right checksum makes the whole sum to zero");
    let v6 = echo_request(Family::V6, 0x1234, 5, MARKED, &[]);
    assert_eq!(v6[..4], [128, 0, 0, 0]);
    assert_eq!(v6[4..], head[4..]);
}

#[test]
fn fragmentation_needed_names_the_router_s_mtu_and_our_request() {
    // The message a Linux router sends for a link of 1,400 bytes, about a 1,500-byte request.
    let head = echo_request(Family::V4, 0x1234, 5, MARKED, &[0; 4]);
    let mut error = vec![3, 4, 0, 0, 0, 0, 0x05, 0x78];
    error.extend(datagram([10, 10, 0, 1], [10, 10, 10, 20], &head));
    let packet = datagram([10, 10, 0, 254], [10, 10, 0, 1], &summed(error));
    let (header, message) = parse_datagram(&packet).unwrap();
    assert_eq!(header.source, Ipv4Addr::new(10, 10, 0, 254));
    let Message::Error(refusal) = message else { panic!("{message:?}") };
    assert_eq!((refusal.icmp_type, refusal.icmp_code, refusal.mtu), (3, 4, 1400));
    assert_eq!(refusal.destination, IpAddr::from([10, 10, 10, 20]));
    assert_eq!(refusal.request, Quoted { ident: 0x1234, sequence: 5, mark: Some(MARKED) });
}

#[test]
fn a_router_that_quotes_eight_bytes_is_understood() {
    let head = echo_request(Family::V4, 0x1234, 5, MARKED, &[]);
    let mut error = vec![3, 1, 0, 0, 0, 0, 0, 0];
    error.extend(datagram([10, 10, 0, 1], [10, 10, 10, 20], &head[..8]));
    let Ok(Message::Error(refusal)) = parse(Family::V4, &error) else { panic!() };
    assert_eq!(refusal.request, Quoted { ident: 0x1234, sequence: 5, mark: None });
}

#[test]
fn an_error_about_another_protocol_is_not_about_us() {
    let mut udp = datagram([10, 10, 0, 1], [10, 10, 10, 20], &[0; 8]);
    udp[9] = 17;
    let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
    error.extend(udp);
    assert_eq!(parse(Family::V4, &error), Ok(Message::Other));
}

#[test]
fn an_ipv6_error_is_read_behind_a_fragment_header() {
    let head = echo_request(Family::V6, 3, 4, MARKED, &[]);
    let mut quoted = vec![0x60, 0, 0, 0, 0, 0, 44, 64];
    quoted.extend(Ipv6Addr::LOCALHOST.octets());
    quoted.extend("2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
    quoted.extend([58, 0, 0, 1, 0, 0, 0, 9]);
    quoted.extend(head);
    let mut error = vec![2, 0, 0, 0, 0, 0, 0x05, 0x00];
    error.extend(&quoted);
    let Ok(Message::Error(refusal)) = parse(Family::V6, &error) else { panic!() };
    assert_eq!(refusal.mtu, 1280);
    assert_eq!(refusal.destination, "2001:db8::7".parse::<IpAddr>().unwrap());
    assert_eq!(refusal.request.mark, Some(MARKED));
    // A later fragment has no echo header; its bytes must not be taken for one.
    error[8 + 40 + 2] = 1;
    assert_eq!(parse(Family::V6, &error), Ok(Message::Other));
}

#[test]
fn our_request_is_found_behind_any_link_header_and_tunnel() {
    let head = echo_request(Family::V4, 1, 2, MARKED, &[]);
    // The last three behind the headers of IPIP, GRE and VXLAN tunnels over Ethernet.
    for link in [0, 4, 14, 16, 18, 22, 34, 38, 64] {
        let mut frame = vec![0; link];
        frame.extend(datagram([127, 0, 0, 1], [127, 0, 0, 2], &head));
        let found =
            find_request(Family::V4, &frame, |quoted| (quoted.mark == Some(MARKED)).then_some(7));
        let found = found.map(|(quoted, known)| (quoted.sequence, known));
        assert_eq!(found, Some((2, 7)), "{link} bytes before");
        assert_eq!(find_request(Family::V4, &frame, |_| None::<()>), None);
    }
}

#[test]
fn a_damaged_datagram_is_not_read() {
    let head = echo_request(Family::V4, 1, 2, MARKED, &[]);
    let reply = answer(Family::V4, &head);
    let good = datagram([10, 0, 0, 1], [10, 0, 0, 2], &reply);
    assert!(parse_datagram(&good).is_ok());
    for at in V4_HEADER..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert_eq!(parse_datagram(&bad), Err(Flaw::Checksum), "byte {at}");
    }
    for length in 0..good.len() {
        assert_eq!(parse_datagram(&good[..length]), Err(Flaw::Truncated), "{length} bytes");
    }
}

proptest! {
    #[test]
    fn what_was_asked_comes_back_in_the_reply(
        slot: u32, round: u32, seal: u64, ident: u16, sequence: u16,
        filler in prop::collection::vec(any::<u8>(), 0..200),
        v6: bool,
    ) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let mark = Mark { slot, round, seal };
        let mut request = echo_request(family, ident, sequence, mark, &filler).to_vec();
        request.extend(&filler);
        prop_assert_eq!(parse(family, &request), Ok(Message::Other));
        let reply = answer(family, &request);
        let payload = MARK + filler.len();
        let expected = Message::Reply(Reply { ident, sequence, mark: Some(mark), payload });
        prop_assert_eq!(parse(family, &reply), Ok(expected));
        if !v6 {
            let datagram = datagram([10, 0, 0, 1], [10, 0, 0, 2], &reply);
            let (header, message) = parse_datagram(&datagram).unwrap();
            prop_assert_eq!(message, expected);
            prop_assert_eq!((header.ttl, header.tos), (61, 0xb8));
        }
    }

    #[test]
    fn no_bytes_make_the_parsers_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        first in prop::sample::select(vec![0_u8, 1, 2, 3, 4, 11, 12, 129, 0x45, 0x4f, 0x60]),
    ) {
        let mut likely = bytes.clone();
        if let Some(byte) = likely.first_mut() {
            *byte = first;
        }
        for bytes in [&bytes, &likely] {
            for family in [Family::V4, Family::V6] {
                if let Ok(Message::Reply(reply)) = parse(family, bytes) {
                    prop_assert_eq!(reply.payload + ECHO_HEADER, bytes.len());
                    prop_assert_eq!(reply.mark.is_some(), reply.payload >= MARK);
                }
                let _ = find_request(family, bytes, |_| Some(()));
            }
            let _ = parse_datagram(bytes);
        }
    }
}
