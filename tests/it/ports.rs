//! Ports for peers and programs that must be told where to listen.
//!
//! A port that the system chooses is one of those that it gives to whoever connects next as well,
//! so between the choice and its use a connection of another test may take it. These lie below.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems give to outgoing connections: 32768 and up on Linux.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// A port of the loopback address that neither TCP nor UDP uses, nor the one after it, which some
/// peers take for TLS. No other test of this process is given either.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let pairs = (PORTS.end - PORTS.start) / 2;
    // Another process that runs tests begins elsewhere.
    let first = u16::try_from(std::process::id() * 97 % u32::from(pairs)).unwrap();
    for _ in 0..pairs {
        let nth = (first + GIVEN.fetch_add(1, Ordering::Relaxed) % pairs) % pairs;
        let port = PORTS.start + 2 * nth;
        if is_free(port) && is_free(port + 1) {
            return port;
        }
    }
    panic!("no port is free");
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::LOCALHOST, port);
    TcpListener::bind(at).is_ok() && UdpSocket::bind(at).is_ok()
}
