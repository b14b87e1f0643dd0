//! A SIP user agent that knows one thing: how to answer a request (RFC 3261 §8.2.6).

use std::io;
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::{Behaviour, NOISE, now};
use crate::lab::SERVER;
use crate::lab::world::{Service, SipState, sip_reason};
use crate::wire::sip::respond;

/// Longest request that is read.
const LONGEST: usize = 8192;

/// Answers datagrams until the socket is closed.
pub(super) async fn serve_udp(socket: UdpSocket, behaviour: Behaviour) {
    let mut buffer = vec![0; LONGEST];
    loop {
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let service = now(&behaviour);
        if service.garbage {
            let _ = socket.send_to(&NOISE, peer).await;
        } else if let SipState::Answers(status) = service.sip
            && let Ok(request) = std::str::from_utf8(&buffer[..length])
            && let Some(answer) = answer(request, status, &service, Some(peer))
        {
            let _ = socket.send_to(answer.as_bytes(), peer).await;
        }
    }
}

/// Answers requests on a connection until it is closed.
pub(super) async fn serve_stream(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    behaviour: &Behaviour,
) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        let mut buffer = [0; 2048];
        let length = stream.read(&mut buffer).await?;
        if length == 0 || heard.len() > LONGEST {
            return Ok(());
        }
        heard.extend_from_slice(&buffer[..length]);
        let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let request = heard.drain(..end + 4).collect::<Vec<u8>>();
        let service = now(behaviour);
        if let SipState::Answers(status) = service.sip
            && let Ok(request) = std::str::from_utf8(&request)
            && let Some(answer) = answer(request, status, &service, None)
        {
            stream.write_all(answer.as_bytes()).await?;
        }
    }
}

/// The response of such a device to a request.
fn answer(
    request: &str,
    status: u16,
    service: &Service,
    peer: Option<SocketAddr>,
) -> Option<String> {
    let more = format!(
        "Server: {SERVER}\r\nDate: {}\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n",
        date(service)
    );
    respond(request, status, sip_reason(status), &more, peer)
}

/// The device's own idea of what time it is, as RFC 9110 §5.6.7 and RFC 3261 §20.17 write it.
pub(super) fn date(service: &Service) -> String {
    let off = SignedDuration::from_secs(service.clock_off_s);
    let time = Timestamp::now().checked_add(off).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
