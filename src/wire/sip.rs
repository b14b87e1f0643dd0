//! SIP OPTIONS: the request written, responses read (RFC 3261).
//!
//! A probe needs one request and the head of its response, and a device that only answers the
//! response to it, so this is no SIP stack. The reader
//! takes what real devices write: lines that end in a bare LF, folded headers, compact names, any
//! case, parameters in any order. It copies nothing that a probe does not use, and looks at no more
//! than [`HEAD_LIMIT`] bytes of a head.

mod respond;

use std::fmt;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;

pub use self::respond::respond;
use super::date;
use crate::model::SipTransport;

/// Longest head of a message that is read, in bytes. A response to OPTIONS has about 500.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// Longest body that is skipped on a connection, in bytes. An SDP body has about 1,000.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Header lines of one message that are read.
const LINES_LIMIT: usize = 256;

/// What tells one request from every other: fresh for each probe, unguessable, so that nobody can
/// answer who did not see the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ids {
    /// Transaction: the `branch` of Via, beginning with the magic cookie (§8.1.1.7).
    pub branch: String,
    /// The `tag` of From (§19.3).
    pub tag: String,
    /// The Call-ID (§8.1.1.4).
    pub call_id: String,
    /// The sequence number of CSeq, below 2³¹ (§8.1.1.5).
    pub cseq: u32,
}

impl Ids {
    /// Ids made of 24 random bytes.
    #[must_use]
    pub fn from_random(random: [u8; 24]) -> Self {
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        Self {
            branch: format!("z9hG4bK{}", hex(&random[..8])),
            tag: hex(&random[8..12]),
            call_id: hex(&random[12..]),
            cseq: 1,
        }
    }
}

/// An OPTIONS request (§11).
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// What carries it.
    pub transport: SipTransport,
    /// Name or address of the device, as the configuration writes it.
    pub host: &'a str,
    /// Port of the device.
    pub port: u16,
    /// Whom to ask there; none asks the server itself (§11: no user part).
    pub user: Option<&'a str>,
    /// Our end, where the response is to go.
    pub local: SocketAddr,
    /// What makes this request unlike any other.
    pub ids: &'a Ids,
    /// Who asks. Some servers drop names that scanners use, so it is the honest one.
    pub agent: &'a str,
}

impl Options<'_> {
    /// The request as bytes, about 400 of them: well below the 1,300 from which UDP is not allowed
    /// (§18.1.1).
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let (carrier, default_port, uri_param) = match self.transport {
            SipTransport::Udp => ("UDP", 5060, ""),
            SipTransport::Tcp => ("TCP", 5060, ";transport=tcp"),
            SipTransport::Tls => ("TLS", 5061, ";transport=tls"),
        };
        let mut uri = String::from("sip:");
        if let Some(user) = self.user {
            escape_user(user, &mut uri);
            uri.push('@');
        }
        uri.push_str(&in_uri(self.host));
        if self.port != default_port {
            let _ = write!(uri, ":{}", self.port);
        }
        uri.push_str(uri_param);
        let local = self.local;
        let ours = in_uri(&local.ip().to_string());
        let Ids { branch, tag, call_id, cseq } = self.ids;
        let agent = self.agent;
        format!(
            "OPTIONS {uri} SIP/2.0\r\n\
             Via: SIP/2.0/{carrier} {local};rport;branch={branch}\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:vchealth@{ours}>;tag={tag}\r\n\
             To: <{uri}>\r\n\
             Call-ID: {call_id}\r\n\
             CSeq: {cseq} OPTIONS\r\n\
             Contact: <sip:vchealth@{local}{uri_param}>\r\n\
             Accept: application/sdp\r\n\
             User-Agent: {agent}\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

/// The head of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code, 100 to 699 (§21).
    pub status: u16,
    /// Reason phrase as sent, in valid UTF-8.
    pub reason: String,
    /// The topmost Via: ours, with what the device added to it.
    pub via: Via,
    /// The Call-ID.
    pub call_id: String,
    /// Sequence number of CSeq.
    pub cseq: u32,
    /// Method of CSeq.
    pub method: String,
    /// `Server`, or `User-Agent` in its place.
    pub server: Option<String>,
    /// What time the device thinks it is.
    pub date: Option<Timestamp>,
    /// Bytes of body behind the head; zero when the device did not say.
    pub content_length: usize,
}

/// What matters of a Via (§20.42).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Via {
    /// Transaction.
    pub branch: String,
    /// Where the request came from, as the device saw it (§18.2.1).
    pub received: Option<IpAddr>,
    /// The port it came from, as the device saw it (RFC 3581).
    pub rport: Option<u16>,
}

/// Why something is not a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Nothing but line ends.
    Empty,
    /// The blank line behind the head is missing.
    Truncated,
    /// The head is longer than [`HEAD_LIMIT`].
    HeadTooLong,
    /// The body is said to be longer than [`BODY_LIMIT`].
    BodyTooLong,
    /// A request, or another protocol.
    NotAResponse,
    /// The status code is not a number from 100 to 699.
    BadStatus,
    /// A line of the head is no header.
    BadHeader,
    /// A header without which nothing can be matched is missing or not understood.
    Missing(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("an empty message"),
            Self::Truncated => f.write_str("the head has no end"),
            Self::HeadTooLong => write!(f, "the head is longer than {HEAD_LIMIT} bytes"),
            Self::BodyTooLong => write!(f, "the body is longer than {BODY_LIMIT} bytes"),
            Self::NotAResponse => f.write_str("not a SIP response"),
            Self::BadStatus => f.write_str("the status code is not one of 100 to 699"),
            Self::BadHeader => f.write_str("a line of the head is no header"),
            Self::Missing(name) => write!(f, "no usable {name} header"),
        }
    }
}

/// Why a response is not the answer to our request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// Another transaction.
    Branch,
    /// Another method or sequence number.
    CSeq,
    /// Another Call-ID.
    CallId,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Branch => "the branch is not ours",
            Self::CSeq => "the CSeq is not ours",
            Self::CallId => "the Call-ID is not ours",
        })
    }
}

impl Response {
    /// Reads the response at the beginning of `bytes`: a datagram, or what a connection gave so
    /// far. What follows the head is not looked at.
    ///
    /// # Errors
    /// What keeps it from being a response.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let head = &bytes[..head_len(bytes)?.ok_or(Malformed::Truncated)?];
        let lines = unfold(head)?;
        let mut lines = lines.iter();
        let (status, reason) = status_line(lines.next().ok_or(Malformed::Empty)?)?;

        let (mut via, mut call_id, mut cseq, mut server, mut agent) =
            (None, None, None, None, None);
        let (mut date, mut content_length) = (None, 0);
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed::BadHeader)?;
            let name = name.trim_end().to_ascii_lowercase();
            let value = value.trim();
            // The topmost of several counts (§17.1.3), and the first of what may come once.
            match name.as_str() {
                "via" | "v" if via.is_none() => via = Some(value),
                "call-id" | "i" if call_id.is_none() => call_id = Some(value),
                "cseq" if cseq.is_none() => cseq = Some(value),
                "server" if server.is_none() => server = Some(value),
                "user-agent" if agent.is_none() => agent = Some(value),
                "date" if date.is_none() => date = date::parse(value),
                "content-length" | "l" => {
                    content_length =
                        value.parse().map_err(|_| Malformed::Missing("Content-Length"))?;
                }
                _ => {}
            }
        }
        if content_length > BODY_LIMIT {
            return Err(Malformed::BodyTooLong);
        }
        let via = via.and_then(Via::parse).ok_or(Malformed::Missing("Via"))?;
        let call_id = call_id.filter(|id| !id.is_empty()).ok_or(Malformed::Missing("Call-ID"))?;
        let (cseq, method) = cseq
            .and_then(|text| text.split_once(|c: char| c.is_ascii_whitespace()))
            .and_then(|(number, method)| Some((number.parse().ok()?, method.trim_start())))
            .filter(|(_, method)| !method.is_empty())
            .ok_or(Malformed::Missing("CSeq"))?;
        Ok(Self {
            status,
            reason,
            via,
            call_id: call_id.to_owned(),
            cseq,
            method: method.to_owned(),
            server: server.or(agent).filter(|text| !text.is_empty()).map(str::to_owned),
            date,
            content_length,
        })
    }

    /// Whether this answers the request with these ids.
    ///
    /// Branch and CSeq method decide (§17.1.3). Call-ID and CSeq number are copied by every device
    /// (§8.2.6.2), so another one is another's.
    ///
    /// # Errors
    /// What is not ours.
    pub fn answers(&self, ids: &Ids) -> Result<(), Mismatch> {
        if !self.via.branch.eq_ignore_ascii_case(&ids.branch) {
            Err(Mismatch::Branch)
        } else if self.method != "OPTIONS" || self.cseq != ids.cseq {
            Err(Mismatch::CSeq)
        } else if self.call_id != ids.call_id {
            Err(Mismatch::CallId)
        } else {
            Ok(())
        }
    }

    /// Whether more is to come: 1xx (§21.1).
    #[must_use]
    pub const fn is_provisional(&self) -> bool {
        self.status < 200
    }
}

/// The length of the message head at the beginning of `bytes`, with the blank line behind it and
/// any line ends before it (§7.5); none while the blank line has not come.
///
/// # Errors
/// When more than [`HEAD_LIMIT`] bytes hold no blank line.
pub fn head_len(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let window = &bytes[..bytes.len().min(HEAD_LIMIT)];
    let start = window.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    if let Some(start) = start {
        let mut line = start;
        while let Some(length) = window[line..].iter().position(|byte| *byte == b'\n') {
            if matches!(&window[line..line + length], b"" | b"\r") {
                return Ok(Some(line + length + 1));
            }
            line += length + 1;
        }
    }
    if bytes.len() >= HEAD_LIMIT {
        return Err(Malformed::HeadTooLong);
    }
    Ok(None)
}

impl Via {
    /// Reads the first of the comma-separated values of a Via header.
    fn parse(value: &str) -> Option<Self> {
        let value = first_of_list(value);
        let mut parts = value.split(';');
        let protocol = parts.next()?;
        if !protocol.trim_start().get(..3)?.eq_ignore_ascii_case("sip") {
            return None;
        }
        let mut via = Self::default();
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim();
            match name.trim().to_ascii_lowercase().as_str() {
                "branch" => value.clone_into(&mut via.branch),
                "received" => {
                    via.received = value.trim_matches(['[', ']']).parse().ok();
                }
                "rport" => via.rport = value.parse().ok(),
                _ => {}
            }
        }
        (!via.branch.is_empty()).then_some(via)
    }
}

/// `SIP/2.0 200 OK` → 200, `OK`.
fn status_line(line: &str) -> Result<(u16, String), Malformed> {
    let mut words = line.splitn(3, ' ');
    let version = words.next().unwrap_or_default();
    if !version.eq_ignore_ascii_case("SIP/2.0") {
        return Err(Malformed::NotAResponse);
    }
    let status = words
        .next()
        .filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|code| code.parse().ok())
        .filter(|code| (100..700).contains(code))
        .ok_or(Malformed::BadStatus)?;
    Ok((status, words.next().unwrap_or_default().trim().to_owned()))
}

/// The lines of a head, continuation lines joined to the line they continue (§7.3.1).
fn unfold(head: &[u8]) -> Result<Vec<String>, Malformed> {
    let mut lines: Vec<String> = Vec::new();
    for line in head.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let text = String::from_utf8_lossy(line);
        if let (b' ' | b'\t', Some(before)) = (line[0], lines.last_mut()) {
            before.push(' ');
            before.push_str(text.trim());
        } else if lines.len() < LINES_LIMIT {
            lines.push(text.into_owned());
        } else {
            return Err(Malformed::HeadTooLong);
        }
    }
    Ok(lines)
}

/// What stands before the first comma that is not quoted.
fn first_of_list(value: &str) -> &str {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return &value[..at],
            _ => {}
        }
    }
    value
}

/// A host as it stands in a URI: an IPv6 address in brackets; nothing that could end the line.
fn in_uri(host: &str) -> String {
    let host: String = host.chars().filter(char::is_ascii_graphic).collect();
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host }
}

/// The user part of a URI, with everything escaped that may not stand there (§25.1).
fn escape_user(user: &str, into: &mut String) {
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/".contains(&byte) {
            into.push(char::from(byte));
        } else {
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests;
