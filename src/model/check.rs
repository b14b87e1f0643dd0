//! How to probe: a check is named once in the settings and used by many targets.

use std::time::Duration;

use super::{CheckId, Effort, Phase};

/// A named way of probing: a kind with its parameters, its time limit and its paces.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// The name that endpoints refer to.
    pub id: CheckId,
    /// What is sent and what counts as an answer.
    pub kind: CheckKind,
    /// A probe with no result after this long has failed. Never longer than the shortest pace.
    pub timeout: Duration,
    /// Time from one probe of a target to the next, by phase.
    pub paces: Paces,
    /// Gap before each quick confirmation probe after a target's first failure.
    pub confirm_after: Duration,
}

/// Time between two probes of one target in each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paces {
    /// No session near.
    pub idle: Duration,
    /// Before a session.
    pub readiness: Duration,
    /// During a session.
    pub live: Duration,
    /// Shortly after a session.
    pub wrap_up: Duration,
}

impl Paces {
    /// The pace in `phase`.
    #[must_use]
    pub const fn get(&self, phase: Phase) -> Duration {
        match phase {
            Phase::Idle => self.idle,
            Phase::Readiness => self.readiness,
            Phase::Live => self.live,
            Phase::WrapUp => self.wrap_up,
        }
    }

    /// The quickest of the four.
    #[must_use]
    pub fn quickest(&self) -> Duration {
        self.idle.min(self.readiness).min(self.live).min(self.wrap_up)
    }
}

/// The kinds of check. A new kind is a new variant here; the compiler then names every place that
/// has to learn about it.
#[derive(Debug, Clone, PartialEq)]
pub enum CheckKind {
    /// Echo request and reply (RFC 792, RFC 4443).
    Icmp(IcmpCheck),
    /// A TCP connection that is opened and closed.
    Tcp(TcpCheck),
    /// An HTTP request.
    Http(HttpCheck),
    /// SIP OPTIONS (RFC 3261 §11).
    Sip(SipCheck),
    /// H.323 call signalling: connect to the port and close at once. Never anything that rings.
    H323(H323Check),
}

impl CheckKind {
    /// The word for this kind in settings, metrics and messages.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Icmp(_) => "icmp",
            Self::Tcp(_) => "tcp",
            Self::Http(_) => "http",
            Self::Sip(_) => "sip",
            Self::H323(_) => "h323",
        }
    }

    /// Whether this kind asks for the host itself rather than for something that runs on it.
    #[must_use]
    pub const fn is_reachability(&self) -> bool {
        matches!(self, Self::Icmp(_))
    }

    /// Whether it is a failure here that nobody whom we trust vouches for the other end.
    #[must_use]
    pub const fn verifies(&self) -> bool {
        match self {
            Self::Http(check) => check.tls && check.verify_tls,
            Self::Sip(check) => matches!(check.transport, SipTransport::Tls) && check.verify_tls,
            Self::Icmp(_) | Self::Tcp(_) | Self::H323(_) => false,
        }
    }
}

/// Parameters of an echo probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpCheck {
    /// Echo requests per probe, 1 to 100. The probe fails only when none is answered.
    pub count: u16,
    /// Time between two echo requests of one probe.
    pub spacing: Duration,
    /// Bytes of ICMP payload, 16 to 65,507; 56 makes the 84-byte packet of the usual ping.
    pub size: u16,
    /// Differentiated services code point, 0 to 63 (RFC 2474).
    pub dscp: u8,
    /// Whether routers must not fragment the request (RFC 791, RFC 1191).
    pub dont_fragment: bool,
}

impl IcmpCheck {
    /// Echo requests of a thorough probe, unless the check sends more anyway.
    pub const THOROUGH_COUNT: u16 = 3;

    /// Time between them, at most.
    const THOROUGH_SPACING: Duration = Duration::from_millis(200);

    /// What a probe sends, where each request waits for its reply for `timeout`.
    ///
    /// 1. Normally what the check says.
    /// 2. A thorough probe sends at least three requests: chance alone hardly loses three packets,
    ///    and a router that allows one error or echo at a time is not fooled.
    /// 3. Each of them waits as long as a single one would: what confirms a failure must not fail
    ///    for less. The train makes the probe longer by a tenth of the time limit at most, so the
    ///    shorter that is, the closer together its requests leave.
    #[must_use]
    pub fn with_effort(&self, effort: Effort, timeout: Duration) -> Self {
        if effort == Effort::Normal || self.count >= Self::THOROUGH_COUNT {
            return *self;
        }
        let gaps = u32::from(Self::THOROUGH_COUNT - 1);
        let spacing = Self::THOROUGH_SPACING.min(timeout / (10 * gaps));
        Self { count: Self::THOROUGH_COUNT, spacing, ..*self }
    }
}

/// Parameters of a TCP probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpCheck {
    /// Port to connect to.
    pub port: u16,
}

/// HTTP methods that change nothing on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpMethod {
    /// `GET` (RFC 9110 §9.3.1).
    Get,
    /// `HEAD` (RFC 9110 §9.3.2).
    Head,
    /// `OPTIONS` (RFC 9110 §9.3.7).
    Options,
}

/// Parameters of an HTTP probe.
#[derive(Debug, Clone)]
pub struct HttpCheck {
    /// Whether the request goes over TLS.
    pub tls: bool,
    /// Port; 443 with TLS and 80 without unless set.
    pub port: u16,
    /// Path with an optional query, beginning with `/`.
    pub path: String,
    /// Method of the request.
    pub method: HttpMethod,
    /// Status codes that mean the service works; empty means any of 200 to 399 and 401.
    pub expect_status: Vec<u16>,
    /// Pattern that the first 64 KiB of the body must match.
    pub expect_body: Option<regex::Regex>,
    /// Whether an untrusted certificate fails the probe. Off for self-signed codecs.
    pub verify_tls: bool,
    /// Host name for the `Host` header and TLS, when it differs from the endpoint's address.
    pub host: Option<String>,
}

impl HttpCheck {
    /// A check of the front page as it is unless somebody says otherwise. Codecs sign their own
    /// certificates, so trust is asked for where it is wanted.
    #[must_use]
    pub fn usual(tls: bool) -> Self {
        Self {
            tls,
            port: if tls { 443 } else { 80 },
            path: "/".to_owned(),
            method: HttpMethod::Get,
            expect_status: Vec::new(),
            expect_body: None,
            verify_tls: false,
            host: None,
        }
    }
}

impl PartialEq for HttpCheck {
    fn eq(&self, other: &Self) -> bool {
        let pattern = |check: &Self| check.expect_body.as_ref().map(|p| p.as_str().to_owned());
        self.tls == other.tls
            && self.port == other.port
            && self.path == other.path
            && self.method == other.method
            && self.expect_status == other.expect_status
            && pattern(self) == pattern(other)
            && self.verify_tls == other.verify_tls
            && self.host == other.host
    }
}

/// What carries SIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SipTransport {
    /// Datagrams, with the retransmissions of RFC 3261 §17.1.2.2.
    Udp,
    /// A connection.
    Tcp,
    /// A connection under TLS, port 5061 by default.
    Tls,
}

/// Parameters of a SIP OPTIONS probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipCheck {
    /// What carries the request.
    pub transport: SipTransport,
    /// Port; 5060, or 5061 with TLS, unless set.
    pub port: u16,
    /// User part of the request URI. None asks the server itself (RFC 3261 §11).
    pub user: Option<String>,
    /// Whether an untrusted certificate fails the probe.
    pub verify_tls: bool,
}

impl SipCheck {
    /// A check of the server itself as it is unless somebody says otherwise.
    #[must_use]
    pub const fn usual(transport: SipTransport) -> Self {
        let port = if matches!(transport, SipTransport::Tls) { 5061 } else { 5060 };
        Self { transport, port, user: None, verify_tls: false }
    }
}

/// Parameters of an H.323 probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct H323Check {
    /// Call-signalling port, 1720 unless set (H.225.0).
    pub port: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thorough_probe_sends_three_and_takes_a_tenth_longer_at_most() {
        let train = |count: u16, spacing: u64, timeout: u64, effort| {
            let spacing = Duration::from_millis(spacing);
            let check = IcmpCheck { count, spacing, size: 56, dscp: 0, dont_fragment: false };
            let sent = check.with_effort(effort, Duration::from_millis(timeout));
            (sent.count, sent.spacing.as_millis())
        };
        assert_eq!(train(1, 1000, 1000, Effort::Normal), (1, 1000));
        assert_eq!(train(1, 1000, 1000, Effort::Thorough), (3, 50));
        assert_eq!(train(1, 1000, 5000, Effort::Thorough), (3, 200));
        assert_eq!(train(2, 20, 400, Effort::Thorough), (3, 20));
        assert_eq!(train(5, 20, 1000, Effort::Thorough), (5, 20));
    }
}
