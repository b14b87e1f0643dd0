//! The far end of a network: it answers every echo request, as devices elsewhere do.
//!
//! On the loopback whoever asks also does the work of answering, inside the very call that sends:
//! a good third of what a ping costs our engine there is the kernel making the reply, which weighs
//! the more the less an engine takes itself. Here a thread of the benchmark answers behind a TUN
//! device, so that what an engine takes is what it takes on a real network. This is the fair
//! comparison; that on the loopback is kept because anybody can repeat it without a device.

use std::thread;

pub(crate) use tun::LINK;
use tun_rs::SyncDevice;

use crate::tun;

/// Packets that wait for the far end: all targets on one tick.
const QUEUE: u32 = 200_000;

/// Makes the interface and answers until the program ends.
pub(crate) fn start() {
    let device = tun::open(QUEUE);
    thread::spawn(move || answer(&device));
}

/// Sends every echo request back as its reply.
fn answer(device: &SyncDevice) {
    let mut packet = [0; 2_048];
    while let Ok(length) = device.recv(&mut packet) {
        let packet = &mut packet[..length];
        if tun::answer(packet) && device.send(packet).is_err() {
            return;
        }
    }
}
