//! What a probe would learn, packet by packet, without a packet.
//!
//! A virtual run needs outcomes, not bytes. They are made from the same verdicts that the relay
//! gets, with the sender's part played as the probe room plays it: echo trains, the kernel's
//! repeated SYN, the retransmissions of RFC 3261. So a share of lost packets has the same effect
//! on a virtual target as on a real one.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{Answer, Damage, Direction, HttpState, Packet, Service, SipState, Verdict, World};
use crate::model::{
    Certificate, CheckKind, Detail, Effort, EndpointIx, Failure, Host, HttpCheck, HttpDetail,
    IcmpCheck, IcmpDetail, IcmpError, LocalFailure, Mono, Now, RemoteFailure, Reply, RttList,
    SipCheck, SipDetail, SipTransport, TargetIx, TcpDetail, Unreachable,
};

/// What a probe learned and how long it took to learn it.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// As in an outcome.
    pub lost: u16,
    /// As in an outcome.
    pub heard: Option<Mono>,
    /// As in an outcome.
    pub result: Result<Reply, Failure>,
    /// From the first packet to the result.
    pub took: Duration,
}

/// When Linux repeats a SYN, after the first (RFC 6298 §2, doubling from one second).
const SYN: [Duration; 4] =
    [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(7)];
/// When an OPTIONS request over UDP is sent (RFC 3261 §17.1.2.2, the first three of timer E).
const OPTIONS: [Duration; 3] =
    [Duration::ZERO, Duration::from_millis(500), Duration::from_millis(1500)];
/// Linux's shortest wait before it repeats data on a connection.
const REPEAT: Duration = Duration::from_millis(200);
/// How long an ICMP error about an earlier echo explains the silence of others.
const SAID_FOR: Duration = Duration::from_secs(20);
/// Most of them that are under way for one endpoint.
const SAID_MOST: usize = 64;
/// Headers of IPv4 and ICMP.
const HEADERS: u16 = 28;

/// What became of one question and its answer.
enum Trip {
    Answered { rtt: Duration, tos: u8, ttl: u8, again: bool },
    Lost,
    Told(Answer),
}

impl World {
    /// What a probe of `target` started at `at` would learn with the faults of this moment. What
    /// changes while it runs does not show.
    pub fn probe(&mut self, at: Now, target: TargetIx, effort: Effort) -> Sight {
        if self.own_link_down() {
            let result = Err(Failure::Local(LocalFailure::NoRoute));
            return Sight { lost: 0, heard: None, result, took: Duration::ZERO };
        }
        let topology = self.topology().clone();
        let check = topology.check_of(target);
        let endpoint = topology.target(target).endpoint;
        let ask = Ask { at, endpoint, timeout: check.timeout, service: self.service(endpoint) };
        let found = match &check.kind {
            CheckKind::Icmp(icmp) => self.echo(&ask, icmp, effort),
            CheckKind::Tcp(tcp) => {
                self.connect(&ask, ask.service.open_on(tcp.port)).map(|(detail, took)| {
                    (Reply { rtt: Some(detail.connect), detail: Detail::Tcp(detail) }, took)
                })
            }
            CheckKind::H323(_) => self
                .connect(&ask, ask.service.listening && ask.service.h323)
                .map(|(detail, took)| {
                    (Reply { rtt: Some(detail.connect), detail: Detail::H323(detail) }, took)
                }),
            CheckKind::Http(http) => self.http(&ask, http),
            CheckKind::Sip(sip) => self.sip(&ask, sip),
        };
        // The last echo of a train has its own time limit.
        let is_echo = matches!(check.kind, CheckKind::Icmp(_));
        let (mut result, took) = match found {
            Ok((reply, took)) if is_echo || took <= ask.timeout => (Ok(reply), took),
            Err((failure, took)) if is_echo || took <= ask.timeout => (Err(failure), took),
            Ok(_) | Err(_) => (Err(RemoteFailure::Timeout), ask.timeout),
        };
        let lost = match &check.kind {
            CheckKind::Icmp(icmp) if result.is_err() => {
                icmp.with_effort(effort, ask.timeout).count.max(1)
            }
            _ => 0,
        };
        let mut heard = None;
        if is_echo && result.is_ok() {
            self.said.remove(&endpoint);
        } else if is_echo
            && result == Err(RemoteFailure::Timeout)
            && let Some((why, at)) = self.said_of(endpoint, at.mono + took)
        {
            (result, heard) = (Err(why), Some(at));
        }
        Sight { lost, heard, result: result.map_err(Failure::Remote), took }
    }

    /// What came last about an endpoint too late for a request, an ICMP error or its reply, and
    /// when.
    fn said_of(&mut self, endpoint: EndpointIx, now: Mono) -> Option<(RemoteFailure, Mono)> {
        let said = self.said.get_mut(&endpoint)?;
        while said.get(1).is_some_and(|(_, at)| *at <= now) {
            said.pop_front();
        }
        said.front().filter(|(_, at)| *at <= now && now - *at <= SAID_FOR).cloned()
    }

    /// Keeps what comes at `at` too late for a request.
    fn say_of(&mut self, endpoint: EndpointIx, what: RemoteFailure, at: Mono) {
        let said = self.said.entry(endpoint).or_default();
        if said.len() >= SAID_MOST {
            said.pop_front();
        }
        // What was sent earlier may come later.
        let place = said.partition_point(|(_, other)| *other <= at);
        said.insert(place, (what, at));
    }

    /// Echo requests, one after the other. Any answer in time makes it a reply, whose round trip is
    /// the median; else an ICMP error says more than silence.
    fn echo(&mut self, ask: &Ask, check: &IcmpCheck, effort: Effort) -> Found {
        let IcmpCheck { count, spacing, .. } = check.with_effort(effort, ask.timeout);
        let (count, wait) = (count.max(1), ask.timeout);
        let (mut rtts, mut told, mut duplicates) = (Vec::new(), None, 0u16);
        let (mut last, mut took) = (None, Duration::ZERO);
        for nth in 0..count {
            let sent = spacing * u32::from(nth);
            let size = check.size.saturating_add(HEADERS);
            let question =
                Question { size, tos: check.dscp << 2, dont_fragment: check.dont_fragment };
            match self.trip(ask.at.mono + sent, ask.endpoint, question) {
                Trip::Answered { rtt, tos, ttl, again } if rtt <= wait => {
                    rtts.push(rtt);
                    // The probe is over before the last reply is repeated.
                    duplicates += u16::from(again && nth + 1 < count);
                    last = Some((tos, ttl));
                    took = took.max(sent + rtt);
                }
                Trip::Told(answer) if answer.after <= wait => {
                    told.get_or_insert(answer);
                    took = took.max(sent + answer.after);
                }
                Trip::Told(answer) => {
                    let what = RemoteFailure::Unreachable(error(&answer));
                    self.say_of(ask.endpoint, what, ask.at.mono + sent + answer.after);
                    took = took.max(sent + wait);
                }
                Trip::Answered { rtt, .. } => {
                    let what = RemoteFailure::slow(rtt, wait);
                    self.say_of(ask.endpoint, what, ask.at.mono + sent + rtt);
                    took = took.max(sent + wait);
                }
                _ => took = took.max(sent + wait),
            }
        }
        let Some((tos, ttl)) = last else {
            return Err(match told {
                Some(answer) => (RemoteFailure::Unreachable(error(&answer)), took),
                None => (RemoteFailure::Timeout, took),
            });
        };
        let received = u16::try_from(rtts.len()).unwrap_or(u16::MAX);
        let mut sorted = rtts.clone();
        sorted.sort_unstable();
        let median = sorted.get((sorted.len() - 1) / 2).copied();
        let rtts = match rtts[..] {
            [rtt] => RttList::One(rtt),
            _ => RttList::Many(rtts.into()),
        };
        let detail =
            IcmpDetail { sent: count, received, rtts, ttl: Some(ttl), tos: Some(tos), duplicates };
        Ok((Reply { rtt: median, detail: Detail::Icmp(detail) }, took))
    }

    /// Opens a connection.
    fn connect(
        &mut self,
        ask: &Ask,
        open: bool,
    ) -> Result<(TcpDetail, Duration), (RemoteFailure, Duration)> {
        for sent in SYN.into_iter().take_while(|sent| *sent < ask.timeout) {
            match self.trip(ask.at.mono + sent, ask.endpoint, Question::SMALL) {
                Trip::Answered { rtt, .. } if open => {
                    return Ok((TcpDetail { connect: sent + rtt }, sent + rtt));
                }
                Trip::Answered { rtt, .. } => return Err((RemoteFailure::Refused, sent + rtt)),
                Trip::Told(answer) => {
                    return Err((RemoteFailure::Unreachable(error(&answer)), sent + answer.after));
                }
                Trip::Lost => {}
            }
        }
        Err((RemoteFailure::Timeout, ask.timeout))
    }

    /// One exchange on an open connection: what is lost is sent again until the time is up.
    fn exchange(
        &mut self,
        ask: &Ask,
        since: Duration,
    ) -> Result<Duration, (RemoteFailure, Duration)> {
        let (mut sent, mut wait) = (since, REPEAT);
        while sent < ask.timeout {
            match self.trip(ask.at.mono + sent, ask.endpoint, Question::LARGE) {
                Trip::Answered { rtt, .. } => return Ok(sent + rtt),
                // An established connection outlives ICMP errors (RFC 1122 §4.2.3.9).
                Trip::Told(_) | Trip::Lost => sent += wait,
            }
            wait *= 2;
        }
        Err((RemoteFailure::Timeout, ask.timeout))
    }

    fn http(&mut self, ask: &Ask, check: &HttpCheck) -> Found {
        let service = ask.service;
        let open = service.listening && service.http != HttpState::Closed;
        let (connected, mut took) = self.connect(ask, open)?;
        let mut certificate = None;
        if check.tls {
            // TLS 1.3 takes one exchange before the request can go.
            took = self.exchange(ask, took)?;
            if service.garbage {
                return Err((RemoteFailure::Tls("not TLS".to_owned()), took));
            }
            certificate = Some(handshake(ask, check.verify_tls, took)?);
        }
        let asked = took;
        took = self.exchange(ask, took)?;
        if service.garbage {
            return Err((RemoteFailure::Malformed("not HTTP".to_owned()), took));
        }
        let status = match service.http {
            HttpState::Answers(status) => status,
            // The body is not waited for beyond what the pattern may look at.
            HttpState::Endless => 200,
            HttpState::Hung | HttpState::Closed => {
                return Err((RemoteFailure::Timeout, ask.timeout));
            }
        };
        let expected = if check.expect_status.is_empty() {
            (200..400).contains(&status) || status == 401
        } else {
            check.expect_status.contains(&status)
        };
        if !expected {
            let reason = format!("HTTP {status}");
            return Err((RemoteFailure::ServiceOut { status, reason }, took));
        }
        let detail = HttpDetail {
            status,
            connect: Some(connected.connect),
            first_byte: took - asked,
            total: took,
            certificate,
            clock_offset_s: Some(service.clock_off_s),
        };
        Ok((Reply { rtt: Some(connected.connect), detail: Detail::Http(Box::new(detail)) }, took))
    }

    fn sip(&mut self, ask: &Ask, check: &SipCheck) -> Found {
        let service = ask.service;
        let open = service.listening && service.sip != SipState::Closed;
        let (mut retransmissions, mut certificate, mut rtt) = (0, None, None);
        let took = if check.transport == SipTransport::Udp {
            let (again, took) = self.options(ask, open)?;
            retransmissions = again;
            if again == 0 {
                rtt = Some(took);
            }
            took
        } else {
            let (connected, mut took) = self.connect(ask, open)?;
            rtt = Some(connected.connect);
            if check.transport == SipTransport::Tls {
                took = self.exchange(ask, took)?;
                if service.garbage {
                    return Err((RemoteFailure::Tls("not TLS".to_owned()), took));
                }
                certificate = Some(handshake(ask, check.verify_tls, took)?);
            }
            self.exchange(ask, took)?
        };
        if service.garbage {
            return Err((RemoteFailure::Malformed("not SIP".to_owned()), took));
        }
        let SipState::Answers(status) = service.sip else {
            return Err((RemoteFailure::Timeout, ask.timeout));
        };
        let reason = sip_reason(status).to_owned();
        // 408 and 503 say that the service behind is out, 504 that of a gateway (RFC 3261 §21.5).
        if matches!(status, 408 | 503 | 504) {
            return Err((RemoteFailure::ServiceOut { status, reason }, took));
        }
        let detail = SipDetail {
            status,
            reason,
            server: Some(super::super::SERVER.to_owned()),
            retransmissions,
            certificate,
            seen_as: None,
            clock_offset_s: Some(service.clock_off_s),
        };
        Ok((Reply { rtt, detail: Detail::Sip(Box::new(detail)) }, took))
    }

    /// OPTIONS over UDP: how often it was repeated and when the answer came.
    fn options(
        &mut self,
        ask: &Ask,
        open: bool,
    ) -> Result<(u8, Duration), (RemoteFailure, Duration)> {
        for (again, sent) in (0..).zip(OPTIONS).take_while(|(_, sent)| *sent < ask.timeout) {
            match self.trip(ask.at.mono + sent, ask.endpoint, Question::LARGE) {
                Trip::Answered { rtt, .. } if !open => {
                    return Err((RemoteFailure::Refused, sent + rtt));
                }
                Trip::Answered { rtt, .. } if ask.service.sip != SipState::Hung => {
                    return Ok((again, sent + rtt));
                }
                Trip::Told(answer) => {
                    return Err((RemoteFailure::Unreachable(error(&answer)), sent + answer.after));
                }
                _ => {}
            }
        }
        Err((RemoteFailure::Timeout, ask.timeout))
    }

    /// A packet there and one back.
    fn trip(&mut self, at: Mono, endpoint: EndpointIx, question: Question) -> Trip {
        let device = match self.topology().endpoint(endpoint).host {
            Host::Ip(ip) => ip,
            // A name leads somewhere in a virtual province; nothing here depends on where.
            Host::Name(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        };
        let mut packet = Packet {
            direction: Direction::Out,
            device,
            length: question.size,
            tos: question.tos,
            dont_fragment: question.dont_fragment,
            ttl: 64,
        };
        let there = match self.carry_for(at, endpoint, &packet) {
            Verdict::Deliver(delivery) => delivery,
            Verdict::Vanish(_) => return Trip::Lost,
            Verdict::Answer(answer) => return Trip::Told(answer),
        };
        // The device answers with the TOS it saw.
        packet.tos = there.dscp.map_or(packet.tos, |dscp| dscp << 2);
        packet.direction = Direction::Back;
        match self.carry_for(at + there.after, endpoint, &packet) {
            Verdict::Deliver(back) => match back.damage {
                // Neither is an answer to anything that was asked.
                Some(Damage::CutShort { .. } | Damage::Flipped { .. }) => Trip::Lost,
                damage => Trip::Answered {
                    rtt: there.after + back.after,
                    tos: back.dscp.map_or(packet.tos, |dscp| dscp << 2),
                    ttl: 64 - back.hops,
                    again: matches!(damage, Some(Damage::Twice(_))),
                },
            },
            Verdict::Vanish(_) | Verdict::Answer(_) => Trip::Lost,
        }
    }
}

/// What is asked of one probe.
struct Ask {
    at: Now,
    endpoint: EndpointIx,
    timeout: Duration,
    service: Service,
}

/// What a probe of one kind learned, and when it knew.
type Found = Result<(Reply, Duration), (RemoteFailure, Duration)>;

/// What the path needs to know of what is sent.
#[derive(Clone, Copy)]
struct Question {
    size: u16,
    tos: u8,
    dont_fragment: bool,
}

impl Question {
    /// A SYN.
    const SMALL: Self = Self { size: 60, tos: 0, dont_fragment: true };
    /// A request of a few hundred bytes.
    const LARGE: Self = Self { size: 420, tos: 0, dont_fragment: true };
}

impl Service {
    /// Whether a connection to this port is taken.
    #[must_use]
    pub fn open_on(&self, port: u16) -> bool {
        self.listening
            && match port {
                5060 | 5061 => self.sip != SipState::Closed,
                1720 => self.h323,
                80 | 443 | 8080 | 8443 => self.http != HttpState::Closed,
                _ => true,
            }
    }
}

/// What the device presents, unless the check refuses it.
fn handshake(
    ask: &Ask,
    verify: bool,
    took: Duration,
) -> Result<Certificate, (RemoteFailure, Duration)> {
    let certificate = certificate(ask.at.wall, ask.service.certificate_ends);
    if verify && certificate.not_after < ask.at.wall {
        return Err((RemoteFailure::CertificateTime(Box::new(certificate)), took));
    }
    Ok(certificate)
}

/// What an emulated device presents: valid for a year unless it is to end at `ends`.
fn certificate(now: Timestamp, ends: Option<Timestamp>) -> Certificate {
    let day = SignedDuration::from_hours(24);
    let not_after = ends.unwrap_or_else(|| now.checked_add(day * 365).unwrap_or(Timestamp::MAX));
    let not_before = not_after.min(now).checked_sub(day * 90).unwrap_or(Timestamp::MIN);
    Certificate {
        not_before,
        not_after,
        subject: format!("CN={}", super::super::SERVER),
        self_signed: true,
    }
}

fn error(answer: &Answer) -> IcmpError {
    // RFC 792; RFC 1812 §5.2.7.1.
    let (icmp_type, icmp_code) = match answer.what {
        Unreachable::Net => (3, 0),
        Unreachable::Host => (3, 1),
        Unreachable::Protocol => (3, 2),
        Unreachable::Port => (3, 3),
        Unreachable::TooBig { .. } => (3, 4),
        Unreachable::Prohibited => (3, 13),
        Unreachable::TimeExceeded => (11, 0),
        Unreachable::Other => (3, 5),
    };
    IcmpError { kind: answer.what, icmp_type, icmp_code, offender: Some(answer.from) }
}

/// The usual phrase of a SIP status (RFC 3261 §21).
pub(crate) const fn sip_reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        408 => "Request Timeout",
        480 => "Temporarily Unavailable",
        486 => "Busy Here",
        500 => "Server Internal Error",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        600 => "Busy Everywhere",
        _ => "Answer",
    }
}
