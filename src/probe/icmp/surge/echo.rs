//! One echo by surge-ping, and what becomes of it.

use std::net::IpAddr;
use std::time::Duration;

use surge_ping::{IcmpPacket, SurgeError};

use super::super::{PingJob, local_failure, refused_by_own_interface};
use super::client::Client;
use super::{Engine, STALL, lock};
use crate::model::{IcmpError, LocalFailure, Unreachable};
use crate::wire::icmp::{ECHO_HEADER, Family, MARK, MAX_PAYLOAD, is_refusal, meaning};

/// What surge-ping reads of a packet; the rest of a longer one is cut off.
const SURGE_READS: usize = 2048;

/// The fate of one echo.
pub(super) enum Fate {
    Answered {
        rtt: Duration,
        ttl: Option<u8>,
    },
    Refused(IcmpError),
    /// By our own interface: it never left.
    Barred(IcmpError),
    Cut {
        got: u16,
        sent: u16,
    },
    Lost,
    Unknown(LocalFailure),
}

/// Sends one echo request and waits for what becomes of it. Where a packet may be fragmented, IPv6
/// learns only by an ICMP error that it must be (RFC 8201 §4): then it is sent once more.
pub(super) async fn echo(engine: &Engine, client: &Client, job: &PingJob) -> Fate {
    let fate = once(engine, client, job).await;
    match fate {
        Fate::Refused(IcmpError { kind: Unreachable::TooBig { .. }, .. })
            if job.address.to_canonical().is_ipv6() && !job.check.dont_fragment =>
        {
            {
                // Each echo is counted once.
                let mut health = lock(&engine.health);
                health.sent = health.sent.saturating_sub(1);
                health.refused = health.refused.saturating_sub(1);
            }
            once(engine, client, job).await
        }
        fate => fate,
    }
}

async fn once(engine: &Engine, client: &Client, job: &PingJob) -> Fate {
    let address = job.address.to_canonical();
    let size = job.check.size.clamp(u16::try_from(MARK).unwrap_or(0), MAX_PAYLOAD);
    let payload = vec![0x56; usize::from(size)];
    let sent = engine.clock.mono();
    let answer = tokio::select! {
        biased;
        () = engine.stop.cancelled() => return Fate::Unknown(LocalFailure::Stopping),
        answer = client.ping(address, &payload, job.timeout) => answer,
    };
    let now = engine.clock.mono();
    let mut health = lock(&engine.health);
    // Only now is it known that the kernel took it.
    health.sent += u64::from(matches!(answer, Ok(_) | Err(SurgeError::Timeout { .. })));
    match answer {
        Ok((packet, rtt)) => {
            let fate = read(&packet, address, rtt, now - sent, payload.len());
            match fate {
                Fate::Answered { .. } => health.received += 1,
                Fate::Refused(_) => health.refused += 1,
                Fate::Cut { .. } => health.truncated += 1,
                Fate::Lost | Fate::Barred(_) | Fate::Unknown(_) => {}
            }
            fate
        }
        Err(SurgeError::Timeout { .. }) => {
            let overdue = now - (sent + job.timeout) > STALL;
            if overdue || lock(&engine.blind).covers(sent, now) {
                health.unknown += 1;
                Fate::Unknown(LocalFailure::Late)
            } else {
                Fate::Lost
            }
        }
        Err(SurgeError::IOError(error)) => {
            health.send_errors += 1;
            refused_by_own_interface(Family::of(address), &error)
                .map_or_else(|| Fate::Unknown(local_failure(&error)), Fate::Barred)
        }
        Err(SurgeError::IdenticalRequests { .. }) => {
            health.unsent += 1;
            Fate::Unknown(LocalFailure::Overloaded)
        }
        Err(other) => Fate::Unknown(LocalFailure::Other(other.to_string())),
    }
}

/// What a packet that surge-ping matched to the request means. It matches ICMP errors as well.
///
/// `elapsed` is the time around the whole exchange: it stands in for a round trip of zero, which
/// surge-ping gives when it stamped the reply before it stamped the request.
fn read(
    packet: &IcmpPacket,
    asked: IpAddr,
    rtt: Duration,
    elapsed: Duration,
    payload: usize,
) -> Fate {
    let (family, icmp_type, icmp_code, source, size, ttl) = match packet {
        IcmpPacket::V4(packet) => (
            Family::V4,
            packet.get_icmp_type().0,
            packet.get_icmp_code().0,
            IpAddr::V4(packet.get_source()),
            packet.get_size(),
            packet.get_ttl(),
        ),
        IcmpPacket::V6(packet) => (
            Family::V6,
            packet.get_icmpv6_type().0,
            packet.get_icmpv6_code().0,
            IpAddr::V6(packet.get_source()),
            packet.get_size(),
            None,
        ),
    };
    let is_reply = match family {
        Family::V4 => icmp_type == 0,
        Family::V6 => icmp_type == 129,
    };
    if is_reply && source == asked {
        let got = size.saturating_sub(ECHO_HEADER);
        // What surge-ping itself cut off cannot be held against the other end; 20 bytes of
        // header stand before the message on a raw socket.
        if got < payload.min(SURGE_READS - ECHO_HEADER - 20) {
            let narrow = |bytes| u16::try_from(bytes).unwrap_or(u16::MAX);
            return Fate::Cut { got: narrow(got), sent: narrow(payload) };
        }
        return Fate::Answered { rtt: if rtt.is_zero() { elapsed } else { rtt }, ttl };
    }
    if is_refusal(family, icmp_type) {
        let kind = meaning(family, icmp_type, icmp_code, 0);
        return Fate::Refused(IcmpError { kind, icmp_type, icmp_code, offender: Some(source) });
    }
    Fate::Lost
}
