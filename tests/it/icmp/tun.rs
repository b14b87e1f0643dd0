//! A link of ours behind which everybody is, and the answer that a device there gives.
//!
//! Tests and benchmarks share this.

use std::process::Command;

use tun_rs::{DeviceBuilder, SyncDevice};

/// Name of the interface.
pub(crate) const LINK: &str = "far0";

/// Makes the link and leads 10.0.0.0/8 and `fd02::/16` there. Up to `queue` packets wait for
/// whoever reads it.
///
/// # Panics
/// When that is not permitted.
pub(crate) fn open(queue: u32) -> SyncDevice {
    let device = DeviceBuilder::new().name(LINK).mtu(1_500).tx_queue_len(queue).build_sync();
    let device = device.expect("a TUN device: run this as root");
    for arguments in [
        "address add 192.0.2.1/24 dev far0",
        "link set far0 up",
        "address add fd01::1/64 dev far0 nodad",
        "route add 10.0.0.0/8 dev far0 src 192.0.2.1",
        "route add fd02::/16 dev far0 src fd01::1",
    ] {
        let done = Command::new("ip").args(arguments.split(' ')).status();
        assert!(done.is_ok_and(|status| status.success()), "ip {arguments}");
    }
    device
}

/// Turns an echo request into its reply; false if it is none.
pub(crate) fn answer(packet: &mut [u8]) -> bool {
    let (request, reply, icmp) = match packet {
        [0x45, _, _, _, _, _, _, _, _, 1, ..] => (8, 0, 20),
        [version, _, _, _, _, _, 58, ..] if *version >> 4 == 6 => (128, 129, 40),
        _ => return false,
    };
    if packet.get(icmp) != Some(&request) || packet.len() < icmp + 8 {
        return false;
    }
    let (addresses, length) = if icmp == 20 { (12, 4) } else { (8, 16) };
    let (from, to) = packet[addresses..addresses + 2 * length].split_at_mut(length);
    from.swap_with_slice(to);
    packet[icmp] = reply;
    // The type is the upper half of its word. The checksum is the complement of the sum, so it
    // takes what the type has lost, in ones' complement (RFC 1624).
    let sum = u16::from_be_bytes([packet[icmp + 2], packet[icmp + 3]]);
    let (sum, carry) = if request > reply {
        sum.overflowing_add(u16::from(request - reply) << 8)
    } else {
        let (sum, borrow) = sum.overflowing_sub(u16::from(reply - request) << 8);
        (if borrow { sum.wrapping_sub(1) } else { sum }, false)
    };
    let sum = sum + u16::from(carry);
    packet[icmp + 2..icmp + 4].copy_from_slice(&sum.to_be_bytes());
    true
}
