//! The SIP prober: one OPTIONS request, and any final response to it means alive.
//!
//! A response says what an INVITE would have been told (RFC 3261 §11.2), so "busy" and "not found"
//! come from a device that works. Three say that what is behind the answering hop is out: 408, 503
//! and 504, as the trunk monitors of the usual call managers judge them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::converse::{AGENT, Conversation};
use super::notes::{Notes, cut};
use super::{connect, kernel_says, tls};
use crate::model::{
    Detail, Failure, Judgement, LocalFailure, Mono, RemoteFailure, Reply, SipCheck, SipDetail,
    SipTransport,
};
use crate::wire::sip::{self, Ids, Options, Response};

/// RFC 3261 §17.1.2.2: the first repetition comes after T1, each further one after twice as long.
const T1: Duration = Duration::from_millis(500);

/// Sends of one request over UDP. The standard goes on for 32 s; a monitor asks anew instead.
const SENDS: u8 = 3;

/// Messages that do not count until a peer is taken for one that speaks something else.
const IGNORED_LIMIT: u32 = 64;

/// Room for one read from a connection, in bytes.
const READ: usize = 4096;

/// Longest reason phrase or server name that is kept, in bytes.
const TEXT_LIMIT: usize = 64;

/// Asks, over whatever carries it.
pub(super) async fn probe(
    conversation: &Conversation<'_>,
    check: &SipCheck,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let ids = fresh_ids()?;
    let peer = SocketAddr::new(conversation.address, check.port);
    let host = conversation.host.to_string();
    let request = |local| {
        let user = check.user.as_deref();
        let (transport, port) = (check.transport, check.port);
        let agent = AGENT;
        Options { transport, host: &host, port, user, local, ids: &ids, agent }.write()
    };
    let clock = conversation.clock;
    let (answer, local, rtt, certificate) = match check.transport {
        SipTransport::Udp => {
            let (socket, local) = connect::udp(peer)?;
            let (answer, rtt) =
                over_datagrams(&socket, &request(local), &ids, conversation, notes).await?;
            (answer, local, rtt, None)
        }
        SipTransport::Tcp => {
            let made = connect::tcp(peer, clock, notes).await?;
            let answer = over_stream(made.stream, &request(made.local), &ids, notes).await?;
            (answer, made.local, Some(made.took), None)
        }
        SipTransport::Tls => {
            let made = connect::tcp(peer, clock, notes).await?;
            let now = clock.now().wall;
            let (verify, trust) = (check.verify_tls, conversation.trust);
            let (stream, certificate) =
                tls::handshake(made.stream, &host, verify, trust, now, notes).await?;
            let answer = over_stream(stream, &request(made.local), &ids, notes).await?;
            (answer, made.local, Some(made.took), certificate)
        }
    };
    let Answer { response, retransmissions } = answer;
    let now = clock.now().wall;
    judge(&response, notes)?;
    let detail = SipDetail {
        status: response.status,
        reason: cut(&response.reason, TEXT_LIMIT),
        server: response.server.as_deref().map(|text| cut(text, TEXT_LIMIT)),
        retransmissions,
        certificate,
        seen_as: seen_as(&response, local.ip(), notes),
        clock_offset_s: response.date.map(|date| date.as_second() - now.as_second()),
    };
    Ok(Reply { rtt, detail: Detail::Sip(Box::new(detail)) })
}

/// A final response, and how often the request had to be repeated for it.
struct Answer {
    response: Response,
    retransmissions: u8,
}

/// Ids that nobody can guess who did not see the request.
fn fresh_ids() -> Result<Ids, Failure> {
    let mut random = [0; 24];
    getrandom::fill(&mut random)
        .map_err(|error| Failure::Local(LocalFailure::Other(error.to_string())))?;
    Ok(Ids::from_random(random))
}

/// Asks over UDP, repeating the request until something matching comes.
async fn over_datagrams(
    socket: &UdpSocket,
    request: &[u8],
    ids: &Ids,
    conversation: &Conversation<'_>,
    notes: &mut Notes,
) -> Result<(Answer, Option<Duration>), Failure> {
    let clock = conversation.clock;
    let broken = |error: io::Error| kernel_says::later(&error, socket);
    let mut buffer = vec![0; sip::HEAD_LIMIT];
    let mut course = Course::begin(clock.mono());
    socket.send(request).await.map_err(broken)?;
    notes.sent(&first_line(request));
    let next = sleep(T1);
    tokio::pin!(next);
    loop {
        let length = tokio::select! {
            biased;
            received = socket.recv(&mut buffer) => received.map_err(broken)?,
            () = &mut next, if course.may_repeat() => {
                socket.send(request).await.map_err(broken)?;
                notes.sent(&first_line(request));
                next.as_mut().reset(tokio::time::Instant::now() + course.repeated());
                continue;
            }
        };
        match Response::parse(&buffer[..length]) {
            Ok(response) => match response.answers(ids) {
                Ok(()) => {
                    if !course.provisional || !response.is_provisional() {
                        note_response(&response, notes);
                    }
                    course.answered(clock.mono(), response.is_provisional());
                    if !response.is_provisional() {
                        let retransmissions = course.sends - 1;
                        return Ok((Answer { response, retransmissions }, course.rtt));
                    }
                }
                Err(mismatch) => notes.ignored(mismatch),
            },
            Err(malformed) => notes.not_understood(malformed),
        }
        if notes.ignored_count() > IGNORED_LIMIT {
            return Err(gibberish());
        }
    }
}

/// How a request over UDP fares.
///
/// 1. It is sent at 0, 0.5 and 1.5 s (§17.1.2.2).
/// 2. A provisional response takes the hurry out: the next repetition would come after T2, 4 s,
///    when the probe is over.
/// 3. The round trip is that of the first matching response, provisional or not, and only when the
///    request was sent once: a response to a repeated request may answer either (Karn's rule).
struct Course {
    began: Mono,
    sends: u8,
    gap: Duration,
    provisional: bool,
    rtt: Option<Duration>,
}

impl Course {
    /// The request leaves for the first time.
    const fn begin(now: Mono) -> Self {
        Self { began: now, sends: 1, gap: T1, provisional: false, rtt: None }
    }

    const fn may_repeat(&self) -> bool {
        self.sends < SENDS && !self.provisional
    }

    /// The request left again; the time until it may leave once more.
    fn repeated(&mut self) -> Duration {
        self.sends += 1;
        self.gap *= 2;
        self.gap
    }

    /// A matching response came.
    fn answered(&mut self, now: Mono, provisional: bool) {
        if self.sends == 1 && self.rtt.is_none() {
            self.rtt = Some(now - self.began);
        }
        self.provisional |= provisional;
    }
}

/// Asks over a connection. Nothing is repeated: TCP does that.
async fn over_stream(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
    ids: &Ids,
    notes: &mut Notes,
) -> Result<Answer, Failure> {
    let broken = |error: io::Error| tls::broken(&error);
    stream.write_all(request).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    notes.sent(&first_line(request));
    let mut heap = Heap::default();
    let mut provisional = false;
    loop {
        heap.bytes.reserve(READ);
        if stream.read_buf(&mut heap.bytes).await.map_err(broken)? == 0 {
            return Err(Failure::Remote(RemoteFailure::Closed));
        }
        while let Some(response) = heap.next().map_err(|malformed| {
            Failure::Remote(RemoteFailure::Malformed(format!("not SIP: {malformed}")))
        })? {
            match response.answers(ids) {
                Ok(()) => {
                    if !provisional || !response.is_provisional() {
                        note_response(&response, notes);
                    }
                    provisional = true;
                    if !response.is_provisional() {
                        return Ok(Answer { response, retransmissions: 0 });
                    }
                }
                Err(mismatch) => notes.ignored(mismatch),
            }
            if notes.ignored_count() > IGNORED_LIMIT {
                return Err(gibberish());
            }
        }
    }
}

/// What a connection gave and nobody has read yet. It never holds more than the limits of
/// [`sip`] and one read.
#[derive(Default)]
struct Heap {
    bytes: Vec<u8>,
    /// Bytes of a body that are still to be skipped.
    skip: usize,
}

impl Heap {
    /// The next response, once its head is there. Its body is skipped as it arrives.
    fn next(&mut self) -> Result<Option<Response>, sip::Malformed> {
        let skipped = self.skip.min(self.bytes.len());
        self.bytes.drain(..skipped);
        self.skip -= skipped;
        if self.skip > 0 {
            return Ok(None);
        }
        let Some(head) = sip::head_len(&self.bytes)? else { return Ok(None) };
        let response = Response::parse(&self.bytes)?;
        self.bytes.drain(..head);
        self.skip = response.content_length;
        Ok(Some(response))
    }
}

fn gibberish() -> Failure {
    let why = format!("more than {IGNORED_LIMIT} messages and no answer among them");
    Failure::Remote(RemoteFailure::Malformed(why))
}

/// A final response that means the service behind is out.
fn judge(response: &Response, notes: &mut Notes) -> Result<(), Failure> {
    let status = response.status;
    if matches!(status, 408 | 503 | 504) {
        notes.judged(Judgement::ServiceOut);
        let reason = cut(&response.reason, TEXT_LIMIT);
        return Err(Failure::Remote(RemoteFailure::ServiceOut { status, reason }));
    }
    notes.judged(Judgement::Alive);
    Ok(())
}

/// Our address as the device sees it, when that is another: there is NAT on the path (RFC 3581).
fn seen_as(response: &Response, local: IpAddr, notes: &mut Notes) -> Option<IpAddr> {
    let seen = response.via.received.filter(|seen| *seen != local)?;
    notes.judged(Judgement::SeenAs(seen));
    Some(seen)
}

fn note_response(response: &Response, notes: &mut Notes) {
    notes.received(&format!("SIP/2.0 {} {}", response.status, response.reason));
}

/// The request line.
fn first_line(request: &[u8]) -> String {
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    String::from_utf8_lossy(line).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::ZERO + Duration::from_millis(millis)
    }

    #[test]
    fn a_request_leaves_at_0_and_500_and_1500_ms() {
        let mut course = Course::begin(at(0));
        assert!(course.may_repeat());
        assert_eq!(course.repeated(), Duration::from_secs(1));
        assert!(course.may_repeat());
        course.repeated();
        assert!(!course.may_repeat());
        assert_eq!(course.sends, 3);
    }

    #[test]
    fn a_provisional_response_stops_the_repetition_and_gives_the_round_trip() {
        let mut course = Course::begin(at(100));
        course.answered(at(130), true);
        assert!(!course.may_repeat());
        course.answered(at(2000), false);
        assert_eq!(course.rtt, Some(Duration::from_millis(30)));
    }

    #[test]
    fn a_repeated_request_has_no_round_trip() {
        let mut course = Course::begin(at(0));
        course.repeated();
        course.answered(at(510), false);
        assert_eq!(course.rtt, None);
    }
}
