//! One echo by surge-ping, and what becomes of it.

use std::future::poll_fn;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use surge_ping::{IcmpPacket, SurgeError};
use tokio::task::spawn_local;
use tokio::time::sleep_until;

use super::super::belated::Word;
use super::super::{PingJob, local_failure, refused_by_own_interface};
use super::client::Client;
use super::{Engine, STALL, lock};
use crate::model::{IcmpError, LocalFailure, Mono, Unreachable};
use crate::wire::icmp::{ECHO_HEADER, Family, MARK, MAX_PAYLOAD, is_refusal, meaning};

/// What surge-ping reads of a packet; the rest of a longer one is cut off.
const SURGE_READS: usize = 2048;

/// How long after its time limit an answer is still listened for: a router looks for a device that
/// has gone for about three seconds before it says so.
const AFTERMATH: Duration = Duration::from_secs(5);

/// The fate of one echo.
pub(super) enum Fate {
    Answered {
        rtt: Duration,
        ttl: Option<u8>,
    },
    Refused(IcmpError),
    /// By an ICMP error that came at this moment, about an earlier one.
    RefusedBefore(IcmpError, Mono),
    /// By our own interface: it never left.
    Barred(IcmpError),
    Cut {
        got: u16,
        sent: u16,
    },
    /// Not answered within the limit, as an earlier one was not.
    Slow {
        after: Duration,
        limit: Duration,
        heard: Mono,
    },
    Lost,
    Unknown(LocalFailure),
}

/// Sends one echo request and waits for what becomes of it. Where a packet may be fragmented, IPv6
/// learns only by an ICMP error that it must be (RFC 8201 §4): then it is sent once more.
pub(super) async fn echo(engine: &Rc<Engine>, client: &Client, job: &PingJob) -> Fate {
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

/// What surge-ping came to.
type Answer = Result<(IcmpPacket, Duration), SurgeError>;

/// Sends one echo request.
///
/// 1. What comes within the limit counts. What is read after it is late, though it came before we
///    gave up: a slow line is one, and a thread that woke late knows nothing.
/// 2. Where nothing came, it is lost only if it had left. While the socket is full it may wait
///    there, so its fate is not known, and it is counted once it is known that it left.
async fn once(engine: &Rc<Engine>, client: &Client, job: &PingJob) -> Fate {
    let address = job.address.to_canonical();
    let size = job.check.size.clamp(u16::try_from(MARK).unwrap_or(0), MAX_PAYLOAD);
    let sent = engine.clock.mono();
    let patience = job.timeout + AFTERMATH;
    let mut asking = {
        let client = client.clone();
        let payload = vec![0x56; usize::from(size)];
        Box::pin(async move { client.ping(address, &payload, patience).await })
    };
    let mut held = false;
    let answer = tokio::select! {
        biased;
        () = engine.stop.cancelled() => return Fate::Unknown(LocalFailure::Stopping),
        answer = poll_fn(|context| {
            let answer = asking.as_mut().poll(context);
            held |= answer.is_pending() && client.is_full();
            answer
        }) => answer,
        () = sleep_until(engine.clock.instant(sent + job.timeout).into()) => {
            let fate = if held {
                Fate::Unknown(LocalFailure::Late)
            } else {
                unanswered(engine, address, job.timeout, sent)
            };
            let engine = Rc::clone(engine);
            // It ends with the runtime, or by itself.
            spawn_local(async move {
                let answer = asking.await;
                if held {
                    count_held(&engine, &answer);
                }
                aftermath(&engine, address, &answer);
            });
            return fate;
        }
    };
    let now = engine.clock.mono();
    match answer {
        Ok((packet, rtt)) if is_late(&packet, address, rtt, job.timeout) => {
            if now - (sent + job.timeout) <= STALL {
                aftermath(engine, address, &Ok((packet, rtt)));
            }
            unanswered(engine, address, job.timeout, sent)
        }
        Ok((packet, rtt)) => {
            // Only now is it known that the kernel took it.
            lock(&engine.health).sent += 1;
            let whole = usize::from(size);
            let fate = read(&packet, address, rtt, now - sent, whole);
            settle(engine, address, fate, now)
        }
        // It waits for longer than this.
        Err(SurgeError::Timeout { .. }) => Fate::Unknown(LocalFailure::Late),
        Err(SurgeError::IOError(error)) => {
            lock(&engine.health).send_errors += 1;
            refused_by_own_interface(Family::of(address), &error)
                .map_or_else(|| Fate::Unknown(local_failure(&error)), Fate::Barred)
        }
        Err(SurgeError::IdenticalRequests { .. }) => {
            lock(&engine.health).unsent += 1;
            Fate::Unknown(LocalFailure::Overloaded)
        }
        Err(other) => Fate::Unknown(LocalFailure::Other(other.to_string())),
    }
}

/// Counts what came in time. What our own machine says is not a router's word.
fn settle(engine: &Engine, address: IpAddr, fate: Fate, now: Mono) -> Fate {
    match fate {
        Fate::Answered { .. } => {
            lock(&engine.belated).forget(address);
            lock(&engine.health).received += 1;
            fate
        }
        Fate::Refused(error) => {
            let judged = lock(&engine.own).at(now).judge(error, address);
            lock(&engine.belated).note(address, judged.clone().into(), now);
            let mut health = lock(&engine.health);
            health.refused += 1;
            judged.map_or_else(
                |ours| {
                    health.unknown += 1;
                    Fate::Unknown(ours)
                },
                Fate::Refused,
            )
        }
        Fate::Cut { .. } => {
            lock(&engine.belated).take_back(address);
            lock(&engine.health).truncated += 1;
            fate
        }
        fate => fate,
    }
}

/// Nothing came within the limit: unless we could not see, what came too late before says why.
fn unanswered(engine: &Engine, address: IpAddr, limit: Duration, sent: Mono) -> Fate {
    lock(&engine.watch).look_again(engine);
    let now = engine.clock.mono();
    lock(&engine.health).sent += 1;
    let overdue = now - (sent + limit) > STALL;
    let ours = if overdue || lock(&engine.blind).covers(sent, now) {
        LocalFailure::Late
    } else {
        match lock(&engine.belated).explain(address, limit, now) {
            None => return Fate::Lost,
            Some((Word::Refused(error), heard)) => return Fate::RefusedBefore(error, heard),
            Some((Word::Slow(after), heard)) => return Fate::Slow { after, limit, heard },
            Some((Word::Ours(ours), _)) => ours,
        }
    };
    lock(&engine.health).unknown += 1;
    Fate::Unknown(ours)
}

/// Whether a packet is a reply that took longer than `limit`.
fn is_late(packet: &IcmpPacket, asked: IpAddr, rtt: Duration, limit: Duration) -> bool {
    rtt > limit && matches!(read(packet, asked, rtt, rtt, 0), Fate::Answered { .. })
}

/// Counts a request of which nothing was known when it was given up, now that it is.
fn count_held(engine: &Engine, answer: &Answer) {
    let mut health = lock(&engine.health);
    match answer {
        Ok(_) | Err(SurgeError::Timeout { .. }) => {
            health.sent += 1;
            health.unknown += 1;
        }
        Err(SurgeError::IOError(_)) => health.send_errors += 1,
        Err(_) => health.unsent += 1,
    }
}

/// What came after the limit explains the silence of requests that follow.
fn aftermath(engine: &Engine, address: IpAddr, answer: &Answer) {
    let Ok((packet, rtt)) = answer else { return };
    let now = engine.clock.mono();
    let word = match read(packet, address, *rtt, *rtt, 0) {
        Fate::Answered { rtt, .. } => {
            lock(&engine.health).late += 1;
            Word::Slow(rtt)
        }
        Fate::Refused(error) => {
            lock(&engine.health).refused_late += 1;
            lock(&engine.own).at(now).judge(error, address).into()
        }
        _ => return,
    };
    lock(&engine.belated).note(address, word, now);
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
