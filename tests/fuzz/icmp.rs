//! Whatever arrives on an ICMP socket, raw or not, and on its error queue.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vchealth_fuzz::wire::icmp::{Family, find_request, parse, parse_datagram, parse_quoted};

fuzz_target!(|bytes: &[u8]| {
    for family in [Family::V4, Family::V6] {
        let _ = parse(family, bytes);
        let _ = parse_quoted(family, bytes);
        let _ = find_request(family, bytes, |_| None::<()>);
    }
    let _ = parse_datagram(bytes);
});
