//! The response to a request, as a device that knows nothing else gives it (RFC 3261 §8.2.6).

use std::fmt::Write as _;
use std::net::SocketAddr;

/// The response to a request: its `Via`, `From`, `To`, `Call-ID` and `CSeq` come back as they were,
/// `To` with a tag, the topmost `Via` with where the request came from (RFC 3581 §4). None for what
/// is no request, and for ACK, which nobody answers.
///
/// `more` are further header lines, each with its end.
#[must_use]
pub fn respond(
    request: &str,
    status: u16,
    reason: &str,
    more: &str,
    peer: Option<SocketAddr>,
) -> Option<String> {
    let mut lines = request.lines();
    let first = lines.next()?;
    if !first.ends_with(" SIP/2.0") || first.starts_with("ACK ") {
        return None;
    }
    let mut answer = format!("SIP/2.0 {status} {reason}\r\n");
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
                let tag = if value.contains(";tag=") { "" } else { ";tag=vchealth" };
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
    let _ = write!(answer, "{more}Content-Length: 0\r\n\r\n");
    Some(answer)
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
        let said = respond(OPTIONS, 486, "Busy Here", "Server: x\r\n", Some(peer)).unwrap();
        assert!(said.starts_with("SIP/2.0 486 Busy Here\r\n"), "{said}");
        assert!(said.contains(";rport=5099;branch=z9hG4bKf5b7;received=192.0.2.7\r\n"), "{said}");
        assert!(said.contains("To: <sip:10.64.2.10>;tag=vchealth\r\n"));
        assert!(said.contains("CSeq: 1 OPTIONS\r\n"));
        assert!(said.ends_with("Server: x\r\nContent-Length: 0\r\n\r\n"), "{said}");
    }

    #[test]
    fn what_is_no_request_gets_no_answer() {
        let ok = |request| respond(request, 200, "OK", "", None);
        assert_eq!(ok(""), None);
        assert_eq!(ok("SIP/2.0 200 OK\r\n\r\n"), None);
        assert_eq!(ok("ACK sip:x SIP/2.0\r\n\r\n"), None);
        assert_eq!(ok("OPTIONS sip:x SIP/2.0\r\nnonsense\r\n\r\n"), None);
    }
}
