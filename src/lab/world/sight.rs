//! What a probe would learn, packet by packet, without a packet.
//!
//! A virtual run needs outcomes, not bytes. They are made from the same verdicts that the relay
//! gets. Echoes are judged by the engine itself, over the network that this world plays; for the
//! rest the sender's part is played as the probe room plays it: the kernel's repeated SYN, the
//! retransmissions of RFC 3261. So a share of lost packets has the same effect on a virtual target
//! as on a real one.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::echo::{Back, Round, TTL, Toward};
use super::{
    Answer, Damage, Direction, HttpState, OwnNetwork, Packet, Service, SipState, World, wording,
};
use crate::model::{
    Certificate, CheckKind, Detail, Effort, EndpointIx, Failure, Host, HttpCheck, HttpDetail,
    IcmpCheck, IcmpError, LocalFailure, Mono, Now, Reached, RemoteFailure, Reply, SipCheck,
    SipDetail, SipTransport, TargetIx, TcpDetail,
};
use crate::probe::echo_reply;
use crate::probe::icmp::{Emulated, PingDone, PingJob};
use crate::wire::icmp::Family;

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

/// What became of one question and its answer.
enum Trip {
    Answered(Duration),
    /// Too little of the answer is left for any use of it.
    Cut(Duration),
    Lost,
    Told(Answer),
}

impl World {
    /// What a probe of `target` started at `at` would learn with the faults of this moment. What
    /// changes while it runs does not show.
    pub fn probe(&mut self, at: Now, target: TargetIx, effort: Effort) -> Sight {
        self.refresh();
        let topology = self.topology().clone();
        let check = topology.check_of(target);
        let endpoint = topology.target(target).endpoint;
        if let Some(ours) = self.ours(&topology.endpoint(endpoint).host) {
            let result = Err(Failure::Local(ours));
            return Sight { lost: 0, heard: None, result, took: Duration::ZERO };
        }
        let ask = Ask { at, endpoint, timeout: check.timeout, service: self.service(endpoint) };
        let found = match &check.kind {
            CheckKind::Icmp(icmp) => return self.echo(&ask, icmp, effort),
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
        let (result, took) = match found {
            Ok((reply, took)) if took <= ask.timeout => (Ok(reply), took),
            Err((failure, took)) if took <= ask.timeout => (Err(failure), took),
            Ok(_) | Err(_) => (Err(RemoteFailure::Timeout), ask.timeout),
        };
        Sight { lost: 0, heard: None, result: result.map_err(Failure::Remote), took }
    }

    /// Why a host cannot be asked from here, if it cannot.
    fn ours(&self, host: &Host) -> Option<LocalFailure> {
        let OwnNetwork { link_down, nameless, late, .. } = self.cut;
        match host {
            _ if late => Some(LocalFailure::Late),
            Host::Name(name) if nameless => Some(LocalFailure::Unresolved(name.clone())),
            _ => link_down.then_some(LocalFailure::NoRoute),
        }
    }

    /// Echo requests, as the engine sends and judges them. Each device has an engine to itself, for
    /// probes are looked at one after the other and those of several devices overlap. Where two of
    /// one device do, the later one may learn of what comes only after its end.
    ///
    /// Nearly always every echo is answered once, and nothing has come before that matters. Then
    /// there is nothing to weigh, and no engine is needed.
    fn echo(&mut self, ask: &Ask, check: &IcmpCheck, effort: Effort) -> Sight {
        let (endpoint, due) = (ask.endpoint, ask.at.mono);
        let params = (&check.with_effort(effort, ask.timeout)).into();
        let address = self.address(endpoint);
        let job = PingJob { token: 0, address, check: params, timeout: ask.timeout, due };
        if self.engines[endpoint.ix()].is_some() {
            return learned(self.weigh(ask.at, endpoint, job, VecDeque::new()), due);
        }
        let (request, leaves) = Emulated::requests(&job);
        let mut replies = Vec::new();
        for at in leaves {
            match self.echo_to(at, Some(endpoint), &request) {
                Ok(all) if matches!(&all[..], [it] if Emulated::is_answered(&job, it)) => {
                    // The only one needs no list of its own.
                    match replies.is_empty() {
                        true => replies = all,
                        false => replies.extend(all),
                    }
                }
                back => {
                    let next = replies.into_iter().map(|reply| Ok(vec![reply])).chain([back]);
                    return learned(self.weigh(ask.at, endpoint, job, next.collect()), due);
                }
            }
        }
        learned(Emulated::answered(&job, &replies, ask.at), due)
    }

    /// What the engine of a device makes of a job, if `next` becomes of its first requests.
    fn weigh(
        &mut self,
        at: Now,
        endpoint: EndpointIx,
        job: PingJob,
        next: VecDeque<Back>,
    ) -> PingDone {
        let engine = self.engines[endpoint.ix()].take();
        let mut engine = engine.unwrap_or_else(|| Box::new(Emulated::new(at)));
        engine.submit(&[job]);
        let done = engine.finish(at, &mut Toward { world: self, endpoint, next }).pop();
        self.engines[endpoint.ix()] = (!engine.is_blank()).then_some(engine);
        done.unwrap_or_else(|| unreachable!("an engine answers every job"))
    }

    /// Opens a connection.
    fn connect(
        &mut self,
        ask: &Ask,
        open: bool,
    ) -> Result<(TcpDetail, Duration), (RemoteFailure, Duration)> {
        for sent in SYN.into_iter().take_while(|sent| *sent < ask.timeout) {
            match self.trip(ask.at.mono + sent, ask.endpoint, SMALL) {
                Trip::Answered(rtt) if sent + rtt > ask.timeout => break,
                Trip::Answered(rtt) if open => {
                    return Ok((TcpDetail { connect: sent + rtt }, sent + rtt));
                }
                Trip::Answered(rtt) => return Err((RemoteFailure::Refused, sent + rtt)),
                Trip::Told(answer) => {
                    return Err((RemoteFailure::Unreachable(error(&answer)), sent + answer.after));
                }
                // The kernel drops a segment without a whole header.
                Trip::Cut(_) | Trip::Lost => {}
            }
        }
        Err((RemoteFailure::Timeout, ask.timeout))
    }

    /// One exchange on an open connection: what is lost is sent again until the time is up.
    fn exchange(
        &mut self,
        ask: &Ask,
        since: Duration,
        reached: Reached,
    ) -> Result<Duration, (RemoteFailure, Duration)> {
        let (mut sent, mut wait) = (since, REPEAT);
        while sent < ask.timeout {
            match self.trip(ask.at.mono + sent, ask.endpoint, LARGE) {
                Trip::Answered(rtt) if sent + rtt > ask.timeout => break,
                Trip::Answered(rtt) => return Ok(sent + rtt),
                // An established connection outlives ICMP errors (RFC 1122 §4.2.3.9).
                Trip::Told(_) | Trip::Cut(_) | Trip::Lost => sent += wait,
            }
            wait *= 2;
        }
        Err(ask.stalled(reached))
    }

    fn http(&mut self, ask: &Ask, check: &HttpCheck) -> Found {
        let service = ask.service;
        let open = service.listening && service.http != HttpState::Closed;
        let (connected, mut took) = self.connect(ask, open)?;
        let mut certificate = None;
        if check.tls {
            // TLS 1.3 takes one exchange before the request can go.
            took = self.exchange(ask, took, Reached::Connected)?;
            if service.garbage {
                return Err((RemoteFailure::Tls("not TLS".to_owned()), took));
            }
            certificate = Some(handshake(ask, check.verify_tls, took)?);
        }
        let asked = took;
        took = self.exchange(ask, took, Reached::Sent)?;
        if service.garbage {
            return Err((RemoteFailure::Malformed("not HTTP".to_owned()), took));
        }
        let status = match service.http {
            HttpState::Answers(status) => status,
            // The body is not waited for beyond what the pattern may look at.
            HttpState::Endless => 200,
            HttpState::Hung | HttpState::Closed => {
                return Err(ask.stalled(Reached::Sent));
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
                took = self.exchange(ask, took, Reached::Connected)?;
                if service.garbage {
                    return Err((RemoteFailure::Tls("not TLS".to_owned()), took));
                }
                certificate = Some(handshake(ask, check.verify_tls, took)?);
            }
            self.exchange(ask, took, Reached::Sent)?
        };
        if service.garbage {
            return Err((RemoteFailure::Malformed("not SIP".to_owned()), took));
        }
        let SipState::Answers(status) = service.sip else {
            return Err(ask.stalled(Reached::Sent));
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
            match self.trip(ask.at.mono + sent, ask.endpoint, LARGE) {
                Trip::Answered(rtt) if !open => {
                    return Err((RemoteFailure::Refused, sent + rtt));
                }
                Trip::Cut(rtt) if ask.service.sip != SipState::Hung => {
                    let what = RemoteFailure::Malformed("cut short".to_owned());
                    return Err((what, sent + rtt));
                }
                Trip::Answered(rtt) if ask.service.sip != SipState::Hung => {
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

    /// A packet of a conversation there and one back.
    fn trip(&mut self, at: Mono, endpoint: EndpointIx, length: u16) -> Trip {
        let device = self.address(endpoint);
        let (direction, dont_fragment) = (Direction::Out, true);
        let packet = Packet { direction, device, length, tos: 0, dont_fragment, ttl: TTL };
        match self.round(at, endpoint, packet) {
            Round { told: Some(answer), .. } => Trip::Told(answer),
            Round { back: Some((rtt, back)), .. } => match back.damage {
                Some(Damage::CutShort { .. }) => Trip::Cut(rtt),
                // The kernel drops what has a wrong checksum.
                Some(Damage::Flipped { .. }) => Trip::Lost,
                _ => Trip::Answered(rtt),
            },
            Round { told: None, back: None, .. } => Trip::Lost,
        }
    }
}

/// What a probe whose echoes are over learned; it was due at `due`.
pub(super) fn learned(done: PingDone, due: Mono) -> Sight {
    let PingDone { finished, lost, heard, result, .. } = done;
    let heard = heard.map(|heard| heard.min(finished));
    Sight { lost, heard, result: result.map(echo_reply), took: finished - due }
}

/// What is asked of one probe.
struct Ask {
    at: Now,
    endpoint: EndpointIx,
    timeout: Duration,
    service: Service,
}

impl Ask {
    /// A conversation that came so far when its time was up.
    fn stalled(&self, reached: Reached) -> (RemoteFailure, Duration) {
        (RemoteFailure::stalled(reached, self.timeout), self.timeout)
    }
}

/// What a probe of one kind learned, and when it knew.
type Found = Result<(Reply, Duration), (RemoteFailure, Duration)>;

/// Bytes of a SYN.
const SMALL: u16 = 60;
/// Bytes of a request of a few hundred.
const LARGE: u16 = 420;

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
    let (icmp_type, icmp_code, _) = wording(answer.what, Family::of(answer.from));
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
