//! What is asked of a probe and what it learned.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Mono, Now, TargetIx, micros};

/// Why a probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// Its turn came.
    Scheduled,
    /// A first failure asks for a quick second opinion.
    Confirm,
    /// A neighbour's failure asks how this target does.
    Correlate,
    /// A person or a readiness run asked.
    Demand,
}

/// How much one probe does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// As the check says.
    Normal,
    /// Enough that chance alone does not fail it: an echo probe sends a short train.
    Thorough,
}

/// One order to the hands. Every order is answered by exactly one [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeRequest {
    /// Which topology `target` belongs to.
    pub generation: u32,
    /// What to probe.
    pub target: TargetIx,
    /// Why.
    pub trigger: Trigger,
    /// How thoroughly.
    pub effort: Effort,
    /// When it is due; it may be ordered before. Starting much later than this is lateness of
    /// ours.
    pub due: Mono,
}

impl ProbeRequest {
    /// An order that somebody wants carried out besides the turns of the target.
    #[must_use]
    pub const fn on_demand(generation: u32, target: TargetIx, effort: Effort, due: Mono) -> Self {
        Self { generation, target, trigger: Trigger::Demand, effort, due }
    }

    /// The same about a device that no configuration knows. It has no place in the topology, so the
    /// first stands for it, and nobody looks there.
    #[must_use]
    pub fn to_a_stranger(generation: u32, due: Mono) -> Self {
        Self::on_demand(generation, TargetIx::new(0), Effort::Normal, due)
    }
}

/// One run of a target: what it learned.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The order that this answers.
    pub request: ProbeRequest,
    /// When the first packet left, or would have.
    pub started: Now,
    /// When the result was known.
    pub finished: Mono,
    /// Echo requests of a probe that failed that left this machine and that nobody answered, while
    /// we could see. Those of a reply stand in its detail; other kinds of probe have none.
    pub lost: u16,
    /// When the ICMP error or the late reply came that the failure tells of, where it was about an
    /// earlier request: its sender lived then, which says nothing of now.
    pub heard: Option<Mono>,
    /// A reply, or why there was none.
    pub result: Result<Reply, Failure>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The best figure for the network round trip, where this kind of probe has one.
    pub rtt: Option<Duration>,
    /// What this kind of probe measured besides.
    pub detail: Detail,
}

/// Measurements by kind of check.
#[derive(Debug, Clone, PartialEq)]
pub enum Detail {
    /// Echo replies.
    Icmp(IcmpDetail),
    /// A connection.
    Tcp(TcpDetail),
    /// An HTTP response.
    Http(Box<HttpDetail>),
    /// A SIP response.
    Sip(Box<SipDetail>),
    /// A connection to the call-signalling port.
    H323(TcpDetail),
}

/// What one echo probe measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcmpDetail {
    /// Echo requests that left this machine and whose fate we could see: what we missed through
    /// a fault of our own is not counted, so that it does not look like loss.
    pub sent: u16,
    /// Requests answered in time, each counted once.
    pub received: u16,
    /// Round trips of the answered requests, in sending order. Lost ones are absent.
    pub rtts: RttList,
    /// Time to live of the last reply on arrival.
    pub ttl: Option<u8>,
    /// TOS byte of the last reply: tells whether the path re-marked the packet.
    pub tos: Option<u8>,
    /// Further replies to a request already answered.
    pub duplicates: u16,
}

/// Round trips of one probe. One echo, by far the commonest, needs no allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RttList {
    /// The only one.
    One(Duration),
    /// Several, in sending order.
    Many(Box<[Duration]>),
}

impl RttList {
    /// The round trips in sending order.
    #[must_use]
    pub fn as_slice(&self) -> &[Duration] {
        match self {
            Self::One(rtt) => std::slice::from_ref(rtt),
            Self::Many(rtts) => rtts,
        }
    }
}

/// What a TCP connection measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpDetail {
    /// SYN to SYN-ACK as seen by the application.
    pub connect: Duration,
}

/// What an HTTP exchange measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpDetail {
    /// Status code.
    pub status: u16,
    /// TCP connect.
    pub connect: Option<Duration>,
    /// Request sent to headers received.
    pub first_byte: Duration,
    /// The whole probe.
    pub total: Duration,
    /// What the device presented, over TLS.
    pub certificate: Option<Certificate>,
    /// The device's clock by its `Date` header minus ours, in whole seconds.
    pub clock_offset_s: Option<i64>,
}

/// What a SIP exchange measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipDetail {
    /// Status code of the final response.
    pub status: u16,
    /// Reason phrase as sent, cut at 64 bytes.
    pub reason: String,
    /// `Server` or `User-Agent`, cut at 64 bytes.
    pub server: Option<String>,
    /// How often the request had to be repeated before an answer came.
    pub retransmissions: u8,
    /// What the device presented, over TLS.
    pub certificate: Option<Certificate>,
    /// Our address as the device sees it, when it is not ours: there is NAT on the path.
    pub seen_as: Option<IpAddr>,
    /// The device's clock by its `Date` header minus ours, in whole seconds.
    pub clock_offset_s: Option<i64>,
}

/// A certificate as a measurement; whether it is trusted is a separate question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Valid from.
    pub not_before: Timestamp,
    /// Valid until.
    pub not_after: Timestamp,
    /// Subject, cut at 128 bytes.
    pub subject: String,
    /// Whether it was issued by itself.
    pub self_signed: bool,
}

/// Why there was no reply. Data, not an error of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// The fault lies on the path or at the other end.
    Remote(RemoteFailure),
    /// We could not ask. Nothing was learned about the target.
    Local(LocalFailure),
}

/// What the path or the other end did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RemoteFailure {
    /// Nothing came back in time.
    Timeout,
    /// Nothing came back in time, but lately something did after it: the line is full or the host
    /// overburdened. For whoever needs it now it is as good as gone, and it may have gone since.
    Slow {
        /// Round trip of the late reply in milliseconds, as roughly as people are told it.
        after_ms: u32,
        /// Time limit in milliseconds.
        limit_ms: u32,
    },
    /// The service answered or took the connection, and then not all of its answer came in time:
    /// the host lives, the port is open and no filter stands before it.
    Stalled {
        /// How far it came.
        reached: Reached,
        /// Time limit in milliseconds.
        limit_ms: u32,
    },
    /// A reset or a port-unreachable: the host lives, the service does not listen.
    Refused,
    /// The peer closed or reset in mid-conversation.
    Closed,
    /// An ICMP error said why the packet could not be delivered.
    Unreachable(IcmpError),
    /// Something answered, but not in the protocol. Says what was wrong.
    Malformed(String),
    /// A proper answer that means the service is out: an HTTP status, a SIP 408 or 503.
    ServiceOut {
        /// The status code.
        status: u16,
        /// What it means, such as the reason phrase; cut at 64 bytes.
        reason: String,
    },
    /// The answer did not contain what the check expects.
    Unexpected(String),
    /// The TLS handshake failed. Says why.
    Tls(String),
    /// The TLS handshake failed because the certificate is past its `notAfter` or before its
    /// `notBefore`.
    CertificateTime(Box<Certificate>),
}

/// How far a conversation came before its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reached {
    /// The connection was taken.
    Connected,
    /// The request was sent over it.
    Sent,
    /// A part of the answer came.
    Answering,
}

/// An ICMP error about one of our packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpError {
    /// What it says.
    pub kind: Unreachable,
    /// ICMP type as received.
    pub icmp_type: u8,
    /// ICMP code as received.
    pub icmp_code: u8,
    /// Who says so. Our own address when this machine's kernel gave up.
    pub offender: Option<IpAddr>,
}

/// The meanings of ICMP errors (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreachable {
    /// No route to the network: the router's LAN side is down.
    Net,
    /// Whoever says it gets no answer from where the packet goes next: from the device, if it is
    /// the last router, and from the next router otherwise.
    Host,
    /// The host lives and has no such protocol.
    Protocol,
    /// The host lives and nothing listens there.
    Port,
    /// The packet is too big and must not be fragmented; the next hop takes this many bytes.
    TooBig {
        /// MTU of the next hop in bytes; 0 when the router did not say.
        mtu: u16,
    },
    /// A filter rejects the packet.
    Prohibited,
    /// Time to live ran out: a routing loop or a path that is too long.
    TimeExceeded,
    /// Any other.
    Other,
}

/// Why we could not ask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocalFailure {
    /// The name was never resolved, because the resolver does not answer.
    Unresolved(String),
    /// The resolver says that there is no such name.
    NoSuchName(String),
    /// This machine has no route or its interface is down.
    NoRoute,
    /// The kernel forbids it.
    Forbidden(String),
    /// The probe started, or could be read, too late to mean anything.
    Late,
    /// The machine ran out of buffers, descriptors or ports.
    Exhausted(String),
    /// Too many probes are under way.
    Overloaded,
    /// The daemon is stopping.
    Stopping,
    /// Anything else this machine said.
    Other(String),
}

impl RemoteFailure {
    /// That a reply took `after` where it was waited for until `limit`.
    #[must_use]
    pub fn slow(after: Duration, limit: Duration) -> Self {
        let whole_ms = |duration| micros(duration).div_ceil(1_000);
        // What is about the same is told in the same words: tenths of a second, or hundredths below
        // one, rounded up so that it is never within the limit.
        let step = if after >= Duration::from_secs(1) { 100 } else { 10 };
        let after_ms = whole_ms(after).div_ceil(step).saturating_mul(step);
        Self::Slow { after_ms, limit_ms: whole_ms(limit) }
    }

    /// That a conversation came so far within `limit` and no further.
    #[must_use]
    pub fn stalled(reached: Reached, limit: Duration) -> Self {
        Self::Stalled { reached, limit_ms: micros(limit).div_ceil(1_000) }
    }
}

impl Failure {
    /// Whether this failure proves that the host itself is alive; none when it says nothing
    /// about that.
    #[must_use]
    pub const fn host_alive(&self) -> Option<bool> {
        match self {
            Self::Local(_) | Self::Remote(RemoteFailure::Timeout | RemoteFailure::Slow { .. }) => {
                None
            }
            Self::Remote(RemoteFailure::Unreachable(error)) => match error.kind {
                Unreachable::Port | Unreachable::Protocol => Some(true),
                Unreachable::Net | Unreachable::Host => Some(false),
                _ => None,
            },
            Self::Remote(_) => Some(true),
        }
    }

    /// The word for this failure in metrics and logs: few, stable, without measured values.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Remote(remote) => match remote {
                RemoteFailure::Timeout => "timeout",
                RemoteFailure::Slow { .. } => "slow",
                RemoteFailure::Stalled { .. } => "stalled",
                RemoteFailure::Refused => "refused",
                RemoteFailure::Closed => "closed",
                RemoteFailure::Unreachable(error) => match error.kind {
                    Unreachable::Net => "net-unreachable",
                    Unreachable::Host => "host-unreachable",
                    Unreachable::Protocol => "protocol-unreachable",
                    Unreachable::Port => "port-unreachable",
                    Unreachable::TooBig { .. } => "too-big",
                    Unreachable::Prohibited => "prohibited",
                    Unreachable::TimeExceeded => "time-exceeded",
                    Unreachable::Other => "unreachable",
                },
                RemoteFailure::Malformed(_) => "malformed",
                RemoteFailure::ServiceOut { .. } => "service-out",
                RemoteFailure::Unexpected(_) => "unexpected",
                RemoteFailure::Tls(_) => "tls",
                RemoteFailure::CertificateTime(_) => "certificate-time",
            },
            Self::Local(local) => match local {
                LocalFailure::Unresolved(_) => "unresolved",
                LocalFailure::NoSuchName(_) => "no-such-name",
                LocalFailure::NoRoute => "no-route",
                LocalFailure::Forbidden(_) => "forbidden",
                LocalFailure::Late => "late",
                LocalFailure::Exhausted(_) => "exhausted",
                LocalFailure::Overloaded => "overloaded",
                LocalFailure::Stopping => "stopping",
                LocalFailure::Other(_) => "local",
            },
        }
    }
}

impl Outcome {
    /// Whether this machine failed to ask.
    #[must_use]
    pub const fn is_local_failure(&self) -> bool {
        matches!(self.result, Err(Failure::Local(_)))
    }

    /// How much later than due the probe started.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        self.started.mono - self.request.due
    }
}

/// How the echo engine itself does. Counters grow from the engine's start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineHealth {
    /// Which engine it is, in the word of the settings; empty where none could be had.
    pub name: &'static str,
    /// Whether it sees every packet that comes and its time stamps. If not, `late`, `duplicate`,
    /// `forged`, `foreign`, `coarse_stamps` and `clock_steps` are not known.
    pub sees_all: bool,
    /// Echo requests handed to the kernel.
    pub sent: u64,
    /// Replies matched to a request in time.
    pub received: u64,
    /// Replies after the time limit.
    pub late: u64,
    /// Replies to a request already answered.
    pub duplicate: u64,
    /// Replies whose mark or source address is not that of the request.
    pub forged: u64,
    /// Well-formed packets that belong to nobody here.
    pub foreign: u64,
    /// Packets cut short or damaged on the way.
    pub truncated: u64,
    /// ICMP errors that ended a request of ours.
    pub refused: u64,
    /// ICMP errors about a request of ours that was over, or that quote too little to be sure.
    pub refused_late: u64,
    /// Requests handed to the kernel whose fate is not known, because we could not see at that
    /// moment or they did not get out of this machine.
    pub unknown: u64,
    /// Requests that were never handed to it: their time had passed, or there was no room.
    pub unsent: u64,
    /// Packets the kernel dropped because the receive buffer was full.
    pub socket_drops: u64,
    /// Sends that the kernel refused.
    pub send_errors: u64,
    /// Times the engine woke so late that results of that moment are not trusted.
    pub missed_ticks: u64,
    /// Times the wall clock was set while we were measuring.
    pub clock_steps: u64,
    /// Round trips measured without both time stamps of the kernel.
    pub coarse_stamps: u64,
    /// Worst lateness of a send since the last reading.
    pub worst_lateness: Duration,
    /// Probes accepted and not yet answered for.
    pub in_flight: u32,
    /// Sockets in use.
    pub sockets: u32,
    /// Receive buffer in bytes as the kernel granted it, per socket.
    pub receive_buffer: u32,
}

/// Routers that a packet passed whose time to live is `ttl` now: each takes one away (RFC 791
/// §3.2), and systems begin with 64, 128 or 255.
#[must_use]
pub const fn hops(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 64 - ttl,
        65..=128 => 128 - ttl,
        129.. => u8::MAX - ttl,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Language;

    #[test]
    fn hops_are_counted_from_whatever_the_sender_began_with() {
        assert_eq!([64, 61, 128, 119, 255, 250].map(hops), [0, 3, 0, 9, 0, 5]);
    }

    #[test]
    fn a_slow_round_trip_is_told_roughly_and_never_as_within_the_limit() {
        let told = |us| match RemoteFailure::slow(Duration::from_micros(us), Duration::ZERO) {
            RemoteFailure::Slow { after_ms, .. } => Language::En.seconds(after_ms),
            other => panic!("{other:?}"),
        };
        assert_eq!([200_001, 409_999, 999_000].map(told), ["0.21 s", "0.41 s", "1 s"]);
        assert_eq!([1_000_001, 1_400_000, 2_340_000].map(told), ["1.1 s", "1.4 s", "2.4 s"]);
        assert_eq!(Language::Vi.seconds(1_005), "1,005 s");
    }
}
