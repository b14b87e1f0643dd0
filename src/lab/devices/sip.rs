//! A SIP user agent that knows one thing: how to answer a request (RFC 3261 §8.2.6).

use std::fmt::Write as _;
use std::io;

use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;

use super::{Behaviour, NOISE, now};
use crate::lab::SERVER;
use crate::lab::world::{Service, SipState, sip_reason};

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

/// The response to a request: its `Via`, `From`, `To`, `Call-ID` and `CSeq` come back as they were,
/// `To` with a tag, the topmost `Via` with where the request came from (RFC 3581 §4). None for what
/// is no request, and for ACK, which nobody answers.
fn answer(
    request: &str,
    status: u16,
    service: &Service,
    peer: Option<std::net::SocketAddr>,
) -> Option<String> {
    let mut lines = request.lines();
    let first = lines.next()?;
    if !first.ends_with(" SIP/2.0") || first.starts_with("ACK ") {
        return None;
    }
    let mut answer = format!("SIP/2.0 {status} {}\r\n", sip_reason(status));
    let mut topmost = true;
    for line in lines.take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        match name.trim().to_ascii_lowercase().as_str() {
            "via" | "v" => {
                let mut via = value.to_owned();
                if let Some(peer) = peer.filter(|_| topmost) {
                    let port = format!(";rport={}", peer.port());
                    via = via.replacen(";rport", &port, 1);
                    let _ = write!(via, ";received={}", peer.ip());
                }
                topmost = false;
                let _ = write!(answer, "Via: {via}\r\n");
            }
            "from" | "f" => {
                let _ = write!(answer, "From: {value}\r\n");
            }
            "to" | "t" => {
                let tag = if value.contains(";tag=") { "" } else { ";tag=lab" };
                let _ = write!(answer, "To: {value}{tag}\r\n");
            }
            "call-id" | "i" => {
                let _ = write!(answer, "Call-ID: {value}\r\n");
            }
            "cseq" => {
                let _ = write!(answer, "CSeq: {value}\r\n");
            }
            _ => {}
        }
    }
    let _ = write!(
        answer,
        "Server: {SERVER}\r\nDate: {}\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n\
         Content-Length: 0\r\n\r\n",
        date(service)
    );
    Some(answer)
}

/// The device's own idea of what time it is, as RFC 9110 §5.6.7 and RFC 3261 §20.17 write it.
pub(super) fn date(service: &Service) -> String {
    let off = SignedDuration::from_secs(service.clock_off_s);
    let time = Timestamp::now().checked_add(off).unwrap_or(Timestamp::UNIX_EPOCH);
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:10.64.2.10 SIP/2.0\r\n\
        Via: SIP/2.0/UDP 100.127.255.1:43982;rport;branch=z9hG4bKf5b7\r\n\
        From: <sip:vchealth@x>;tag=9\r\nTo: <sip:10.64.2.10>\r\nCall-ID: 245f@x\r\n\
        CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

    #[test]
    fn a_request_comes_back_as_its_answer() {
        let peer = "192.0.2.7:5099".parse().unwrap();
        let said = answer(OPTIONS, 486, &Service::default(), Some(peer)).unwrap();
        assert!(said.starts_with("SIP/2.0 486 Busy Here\r\n"), "{said}");
        assert!(said.contains(";rport=5099;branch=z9hG4bKf5b7;received=192.0.2.7\r\n"), "{said}");
        assert!(said.contains("To: <sip:10.64.2.10>;tag=lab\r\n"));
        assert!(said.contains("CSeq: 1 OPTIONS\r\n"));
        assert!(said.ends_with("\r\n\r\n"));
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        let service = Service::default();
        assert_eq!(answer("", 200, &service, None), None);
        assert_eq!(answer("SIP/2.0 200 OK\r\n\r\n", 200, &service, None), None);
        assert_eq!(answer("ACK sip:x SIP/2.0\r\n\r\n", 200, &service, None), None);
        assert_eq!(answer("OPTIONS sip:x SIP/2.0\r\nnonsense\r\n\r\n", 200, &service, None), None);
    }
}
