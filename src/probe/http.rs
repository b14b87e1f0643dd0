//! The HTTP prober: one request on a connection of its own, and no more of the answer than needed.
//!
//! It drives hyper, the engine under reqwest, on a connection that it opens itself. A client
//! library keeps to itself what a probe is for: how long TCP took, when TLS stood and with which
//! certificate, and which router said that the host cannot be reached. What has to be switched off
//! in such a client – redirects, proxies from the environment, a pool of connections – is not here
//! at all: a redirect is an answer.

use std::error::Error;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, DATE, HOST, HeaderMap, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::connect;
use super::converse::{AGENT, Conversation};
use super::notes::{Notes, cut};
use super::tls;
use crate::model::{
    Detail, Failure, HttpCheck, HttpDetail, HttpMethod, Judgement, LocalFailure, Mono,
    RemoteFailure, Reply,
};
use crate::wire::date;

/// Longest part of a body that a pattern is looked for in, in bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// Longest head of a response, in bytes. Browsers and servers agree on less.
const HEAD_LIMIT: usize = 64 * 1024;

/// Longest reason phrase that is kept, in bytes.
const REASON_LIMIT: usize = 64;

/// Asks, and judges status and body.
pub(super) async fn probe(
    conversation: &Conversation<'_>,
    check: &HttpCheck,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let clock = conversation.clock;
    let began = clock.mono();
    let name = check.host.clone().unwrap_or_else(|| conversation.host.to_string());
    let request = request(check, &name)?;
    let peer = SocketAddr::new(conversation.address, check.port);
    let connection = connect::tcp(peer, clock, notes).await?;
    let connect = connection.took;

    let (answer, certificate) = if check.tls {
        let now = clock.now().wall;
        let (stream, certificate) = tls::handshake(
            connection.stream,
            &name,
            check.verify_tls,
            conversation.trust,
            now,
            notes,
        )
        .await?;
        (exchange(stream, request, check, conversation, notes).await?, certificate)
    } else {
        (exchange(connection.stream, request, check, conversation, notes).await?, None)
    };

    judge(&answer, check, notes)?;
    let detail = HttpDetail {
        status: answer.status.as_u16(),
        connect: Some(connect),
        first_byte: answer.headers_at - answer.sent_at,
        total: clock.mono() - began,
        certificate,
        clock_offset_s: answer.clock_offset_s,
    };
    Ok(Reply { rtt: Some(connect), detail: Detail::Http(Box::new(detail)) })
}

/// What came back.
struct Answer {
    status: StatusCode,
    reason: String,
    sent_at: Mono,
    headers_at: Mono,
    clock_offset_s: Option<i64>,
    /// As much of the body as a pattern is looked for in; none when nothing is looked for.
    body: Option<Vec<u8>>,
}

/// The request, which differs in nothing from one probe to the next.
fn request(check: &HttpCheck, name: &str) -> Result<Request<Empty<&'static [u8]>>, Failure> {
    let default_port = if check.tls { 443 } else { 80 };
    let mut host = if name.parse::<IpAddr>().is_ok_and(|ip| ip.is_ipv6()) {
        format!("[{name}]")
    } else {
        name.to_owned()
    };
    if check.port != default_port {
        let _ = write!(host, ":{}", check.port);
    }
    Request::builder()
        .method(match check.method {
            HttpMethod::Get => Method::GET,
            HttpMethod::Head => Method::HEAD,
            HttpMethod::Options => Method::OPTIONS,
        })
        .uri(check.path.as_str())
        .header(HOST, host)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .body(Empty::new())
        .map_err(|error| Failure::Local(LocalFailure::Other(format!("no such request: {error}"))))
}

/// Sends the request and reads what is needed of the response.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Empty<&'static [u8]>>,
    check: &HttpCheck,
    conversation: &Conversation<'_>,
    notes: &mut Notes,
) -> Result<Answer, Failure> {
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    notes.sent(&format!("{} {} HTTP/1.1", request.method(), request.uri()));
    let talk = async {
        let sent_at = conversation.clock.mono();
        let response = sender.send_request(request).await?;
        read(response, sent_at, check, conversation, notes).await
    };
    // The connection is driven beside the talk. When it ends first, the talk has what it needs or
    // knows why not.
    tokio::pin!(talk);
    let told = tokio::select! {
        told = &mut talk => told,
        ended = connection => match (talk.await, ended) {
            (Err(error), Err(why)) if error.is_canceled() => Err(why),
            (told, _) => told,
        },
    };
    told.map_err(|error| failure(&error))
}

/// Reads the head, and of the body as much as a pattern is looked for in.
async fn read(
    response: Response<Incoming>,
    sent_at: Mono,
    check: &HttpCheck,
    conversation: &Conversation<'_>,
    notes: &mut Notes,
) -> Result<Answer, hyper::Error> {
    let now = conversation.clock.now();
    let (head, mut body) = response.into_parts();
    let reason = head
        .extensions
        .get::<hyper::ext::ReasonPhrase>()
        .map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned())
        .unwrap_or_else(|| head.status.canonical_reason().unwrap_or_default().to_owned());
    let reason = cut(&reason, REASON_LIMIT);
    notes.received(&format!("{:?} {} {reason}", head.version, head.status.as_u16()));
    let mut kept = check.expect_body.is_some().then(Vec::new);
    if let Some(kept) = &mut kept {
        while kept.len() < BODY_LIMIT
            && let Some(frame) = body.frame().await
        {
            if let Ok(data) = frame?.into_data() {
                let room = BODY_LIMIT - kept.len();
                kept.extend_from_slice(&data[..data.len().min(room)]);
            }
        }
        notes.received(&format!("{} bytes of body", kept.len()));
    }
    Ok(Answer {
        status: head.status,
        reason,
        sent_at,
        headers_at: now.mono,
        clock_offset_s: clock_offset(&head.headers, now.wall),
        body: kept,
    })
}

/// The device's clock by its `Date` header minus ours.
fn clock_offset(headers: &HeaderMap, now: jiff::Timestamp) -> Option<i64> {
    let date = date::parse(headers.get(DATE)?.to_str().ok()?)?;
    Some(date.as_second() - now.as_second())
}

/// Judges an answer.
///
/// 1. A status that is expected passes. With nothing said, 200 to 399 pass, and 401: whoever asks
///    for a password is alive.
/// 2. Any other status means that the service is out.
/// 3. A body must match its pattern.
fn judge(answer: &Answer, check: &HttpCheck, notes: &mut Notes) -> Result<(), Failure> {
    let status = answer.status.as_u16();
    let expected = if check.expect_status.is_empty() {
        matches!(status, 200..=399 | 401)
    } else {
        check.expect_status.contains(&status)
    };
    if !expected {
        notes.judged(Judgement::StatusUnexpected);
        let reason = answer.reason.clone();
        return Err(Failure::Remote(RemoteFailure::ServiceOut { status, reason }));
    }
    if let (Some(pattern), Some(body)) = (&check.expect_body, &answer.body) {
        if !pattern.is_match(&String::from_utf8_lossy(body)) {
            let pattern = cut(pattern.as_str(), REASON_LIMIT);
            let why = format!("the body does not match {pattern:?}");
            notes.judged(Judgement::BodyUnexpected(pattern));
            return Err(Failure::Remote(RemoteFailure::Unexpected(why)));
        }
        notes.judged(Judgement::BodyExpected);
    } else {
        notes.judged(Judgement::StatusExpected);
    }
    Ok(())
}

/// Why an exchange failed.
fn failure(error: &hyper::Error) -> Failure {
    if error.is_parse() {
        return Failure::Remote(RemoteFailure::Malformed(format!("not HTTP: {error}")));
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(cause) => tls::broken(cause),
        None => Failure::Remote(RemoteFailure::Closed),
    }
}
