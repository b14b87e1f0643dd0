//! The far end of a network: it answers every echo request, as devices elsewhere do.
//!
//! On the loopback whoever asks also does the work of answering, inside the very call that sends:
//! a good third of what a ping costs our engine there is the kernel making the reply, which weighs
//! the more the less an engine takes itself. Here a thread of the benchmark answers behind a TUN
//! device, so that what an engine takes is what it takes on a real network. This is the fair
//! comparison; that on the loopback is kept because anybody can repeat it without a device.

use std::process::Command;
use std::thread;

use tun_rs::{DeviceBuilder, SyncDevice};

/// Name of the interface.
pub(crate) const LINK: &str = "far0";

/// Packets that wait for the far end: all targets on one tick.
const QUEUE: u32 = 200_000;

/// Makes the interface, leads 10.0.0.0/8 there, and answers until the program ends.
pub(crate) fn start() {
    let device = DeviceBuilder::new()
        .name(LINK)
        .mtu(1_500)
        .tx_queue_len(QUEUE)
        .build_sync()
        .expect("a TUN device: run this as root");
    for arguments in [
        format!("address add 192.0.2.1/24 dev {LINK}"),
        format!("link set {LINK} up"),
        format!("route add 10.0.0.0/8 dev {LINK} src 192.0.2.1"),
    ] {
        let done = Command::new("ip").args(arguments.split(' ')).status();
        assert!(done.is_ok_and(|status| status.success()), "ip {arguments}");
    }
    thread::spawn(move || answer(&device));
}

/// Sends every IPv4 echo request back as its reply.
fn answer(device: &SyncDevice) {
    let mut packet = [0; 2_048];
    while let Ok(length) = device.recv(&mut packet) {
        let packet = &mut packet[..length];
        let is_request = length >= 28 && packet[0] == 0x45 && packet[9] == 1 && packet[20] == 8;
        if !is_request {
            continue;
        }
        let (from, to) = packet[12..20].split_at_mut(4);
        from.swap_with_slice(to);
        packet[20] = 0;
        // The type was 8 in the upper half of its word: the sum grows by as much (RFC 1624).
        let sum = u32::from(u16::from_be_bytes([packet[22], packet[23]])) + 0x0800;
        let sum = sum + (sum >> 16);
        packet[22..24].copy_from_slice(&sum.to_be_bytes()[2..]);
        if device.send(packet).is_err() {
            return;
        }
    }
}
