//! A TCP connection with its measurements, for every prober that needs one.
//!
//! The standard library's connect keeps nothing of the socket when it fails. Here the socket stays,
//! so that its error queue can be asked who said no.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpStream, UdpSocket};

use super::kernel_says;
use super::notes::Notes;
use crate::clock::Clock;
use crate::model::{Failure, StepKind};

/// A connection and how long it took.
#[derive(Debug)]
pub(super) struct Connection {
    /// The connection.
    pub(super) stream: TcpStream,
    /// Our end.
    pub(super) local: SocketAddr,
    /// SYN to SYN-ACK as seen from here.
    pub(super) took: Duration,
}

/// Connects to `peer`. Has no time limit of its own.
pub(super) async fn tcp(
    peer: SocketAddr,
    clock: Clock,
    notes: &mut Notes,
) -> Result<Connection, Failure> {
    let at_once = |error: io::Error| kernel_says::at_once(&error);
    notes.add(StepKind::Connecting(peer));
    let socket = open(peer.ip(), Type::STREAM, Protocol::TCP).map_err(at_once)?;
    socket.set_tcp_nodelay(true).map_err(at_once)?;
    let began = clock.mono();
    match socket.connect(&peer.into()) {
        Err(error) if error.raw_os_error() != Some(Errno::EINPROGRESS as i32) => {
            return Err(match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::ECONNREFUSED) => kernel_says::later(&error, &socket),
                _ => kernel_says::at_once(&error),
            });
        }
        _ => {}
    }
    let stream = TcpStream::from_std(socket.into()).map_err(at_once)?;
    stream.writable().await.map_err(at_once)?;
    if let Some(error) = stream.take_error().map_err(at_once)? {
        return Err(kernel_says::later(&error, &stream));
    }
    let took = clock.mono() - began;
    let local = stream.local_addr().map_err(at_once)?;
    notes.add(StepKind::Connected { local });
    Ok(Connection { stream, local, took })
}

/// A datagram socket that talks with `peer` only. Sends nothing.
pub(super) fn udp(peer: SocketAddr) -> Result<(UdpSocket, SocketAddr), Failure> {
    let bound = || {
        let socket = open(peer.ip(), Type::DGRAM, Protocol::UDP)?;
        socket.connect(&peer.into())?;
        let socket = UdpSocket::from_std(socket.into())?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    bound().map_err(|error: io::Error| kernel_says::at_once(&error))
}

/// A socket that does not block and keeps the reasons of its errors.
fn open(peer: IpAddr, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    let domain = if peer.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, kind.nonblocking(), Some(protocol))?;
    kernel_says::ask_for_reasons(&socket, peer)?;
    Ok(socket)
}
