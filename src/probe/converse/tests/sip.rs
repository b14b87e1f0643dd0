//! The SIP prober.

use std::net::SocketAddr;

use super::fakes::{self, Habit};
use super::*;
use crate::model::{Detail, Reached, SipCheck, SipDetail, SipTransport};

pub(super) fn check(peer: SocketAddr, transport: SipTransport) -> SipCheck {
    SipCheck { transport, port: peer.port(), user: None, verify_tls: false }
}

pub(super) fn detail(result: Result<Reply, Failure>) -> SipDetail {
    match result.unwrap().detail {
        Detail::Sip(sip) => *sip,
        other => panic!("not SIP: {other:?}"),
    }
}

/// A response as every user agent makes it: Via, From, To, Call-ID and CSeq copied (RFC 3261
/// §8.2.6.2), further headers appended.
pub(super) fn respond(request: &str, status: &str, further: &str) -> Vec<u8> {
    let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
    let mut text = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().filter(|line| copied.iter().any(|name| line.starts_with(name))) {
        text += line;
        text += "\r\n";
    }
    (text + further + "Content-Length: 0\r\n\r\n").into_bytes()
}

async fn ask_udp(
    limit: Duration,
    answer: impl Fn(&str, usize) -> Vec<Vec<u8>> + Send + 'static,
) -> (Result<Reply, Failure>, Trace) {
    let peer = fakes::udp(answer).await;
    probe(peer, CheckKind::Sip(check(peer, SipTransport::Udp)), limit).await
}

async fn ask_tcp(habit: Habit, limit: Duration) -> (Result<Reply, Failure>, Trace) {
    let peer = fakes::tcp(habit).await;
    probe(peer, CheckKind::Sip(check(peer, SipTransport::Tcp)), limit).await
}

fn ignored(trace: &Trace, why: &str) -> bool {
    noted(trace, |step| matches!(step, StepKind::Ignored(text) if text.contains(why)))
}

#[tokio::test]
async fn a_final_response_is_a_reply_with_its_figures() {
    let (result, trace) = ask_udp(PATIENT, |request, _| {
        assert!(request.contains("User-Agent: vchealth/"));
        vec![respond(request, "200 OK", "Server: Codec 9\r\n")]
    })
    .await;
    let rtt = result.as_ref().unwrap().rtt;
    let sip = detail(result);
    assert_eq!((sip.status, sip.reason.as_str()), (200, "OK"));
    assert_eq!(rtt.is_some(), sip.retransmissions == 0, "known unless the machine was too slow");
    assert_eq!(sip.server.as_deref(), Some("Codec 9"));
    assert_eq!(sip.seen_as, None);
    assert!(noted(
        &trace,
        |step| matches!(step, StepKind::Sent(l) if l.starts_with("OPTIONS sip:"))
    ));
}

#[tokio::test]
async fn any_final_response_means_alive_but_three_mean_out() {
    for status in [301, 401, 404, 407, 480, 483, 486, 488, 500, 501, 600, 699] {
        let (result, _) = ask_udp(PATIENT, move |request, _| {
            vec![respond(request, &format!("{status} Whatever"), "")]
        })
        .await;
        assert_eq!(detail(result).status, status);
    }
    for status in [408, 503, 504] {
        let (result, _) = ask_udp(PATIENT, move |request, _| {
            vec![respond(request, &format!("{status} Out"), "")]
        })
        .await;
        let reason = "Out".to_owned();
        assert_eq!(result, remote(RemoteFailure::ServiceOut { status, reason }));
    }
}

#[tokio::test]
async fn a_request_is_repeated_and_its_round_trip_is_then_unknown() {
    let (result, _) =
        ask_udp(
            PATIENT,
            |request, before| {
                if before == 0 { vec![] } else { vec![respond(request, "200 OK", "")] }
            },
        )
        .await;
    assert_eq!(result.as_ref().unwrap().rtt, None, "the reply may answer either");
    assert!(detail(result).retransmissions >= 1);
}

#[tokio::test]
async fn a_provisional_response_is_waited_out() {
    let (result, trace) = ask_udp(PATIENT, |request, _| {
        let trying = respond(request, "100 Trying", "");
        vec![trying.clone(), trying, respond(request, "486 Busy Here", "")]
    })
    .await;
    assert_eq!(detail(result).status, 486);
    let received = |step: &&Step| matches!(step.kind, StepKind::Received(_));
    assert_eq!(trace.steps().iter().filter(received).count(), 2, "the same is not told twice");
}

#[tokio::test]
async fn replies_to_others_are_ignored_and_the_right_one_is_taken() {
    let (result, trace) = ask_udp(PATIENT, |request, _| {
        let right = respond(request, "200 OK", "");
        let text = String::from_utf8(right.clone()).unwrap();
        let changed = |from: &str, to: &str| text.replace(from, to).into_bytes();
        vec![
            b"\x00\x01garbage".to_vec(),
            changed("z9hG4bK", "z9hG4bKx"),
            changed("1 OPTIONS", "1 INVITE"),
            changed("1 OPTIONS", "7 OPTIONS"),
            changed("Call-ID: ", "Call-ID: x"),
            text.as_bytes()[..text.len() - 40].to_vec(),
            right.clone(),
            right,
        ]
    })
    .await;
    assert_eq!(detail(result).status, 200);
    for why in ["the head has no end", "branch is not", "CSeq is not", "Call-ID is not"] {
        assert!(ignored(&trace, why), "{why}: {trace:?}");
    }
}

#[tokio::test]
async fn replies_to_others_alone_are_silence() {
    let (result, trace) = ask_udp(SHORT, |request, _| {
        let text = String::from_utf8(respond(request, "200 OK", "")).unwrap();
        vec![text.replace("z9hG4bK", "z9hG4bKx").into_bytes()]
    })
    .await;
    assert_eq!(result, remote(RemoteFailure::Timeout));
    assert!(ignored(&trace, "branch"));
}

#[tokio::test]
async fn garbage_alone_is_malformed() {
    let (result, _) =
        ask_udp(SHORT, |_, _| vec![b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]).await;
    let why = "not a SIP response".to_owned();
    assert_eq!(result, remote(RemoteFailure::Malformed(why)));
}

#[tokio::test]
async fn a_flood_of_garbage_is_cut_off() {
    let (result, trace) = ask_udp(PATIENT, |_, _| vec![b"x".to_vec(); 200]).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Malformed(_)))), "{result:?}");
    assert!(trace.steps().len() < 20);
}

#[tokio::test]
async fn silence_runs_into_the_time_limit() {
    let (result, trace) = ask_udp(SHORT, |_, _| vec![]).await;
    assert_eq!(result, remote(RemoteFailure::Timeout));
    assert!(noted(&trace, |step| *step == StepKind::TimedOut));
}

#[tokio::test]
async fn a_closed_udp_port_is_a_refusal() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let peer = socket.local_addr().unwrap();
    drop(socket);
    let (result, _) = probe(peer, CheckKind::Sip(check(peer, SipTransport::Udp)), PATIENT).await;
    assert_eq!(result, remote(RemoteFailure::Refused));
}

#[tokio::test]
async fn nat_on_the_path_is_seen() {
    let (result, _) = ask_udp(PATIENT, |request, _| {
        let text = String::from_utf8(respond(request, "200 OK", "")).unwrap();
        vec![text.replace(";rport;", ";rport=1;received=203.0.113.9;").into_bytes()]
    })
    .await;
    assert_eq!(detail(result).seen_as, Some("203.0.113.9".parse().unwrap()));
    let (result, _) = ask_udp(PATIENT, |request, _| {
        let text = String::from_utf8(respond(request, "200 OK", "")).unwrap();
        vec![text.replace(";rport;", ";rport=1;received=127.0.0.1;").into_bytes()]
    })
    .await;
    assert_eq!(detail(result).seen_as, None, "that is our own address");
}

#[tokio::test]
async fn a_connection_carries_it_too_in_any_pieces() {
    let answer = |request: &str| {
        let foreign = String::from_utf8(respond(request, "200 OK", "")).unwrap();
        let foreign = foreign.replace("z9hG4bK", "z9hG4bKx").replace("Length: 0", "Length: 4");
        let mut text = b"\r\n\r\n".to_vec();
        text.extend(foreign.as_bytes());
        text.extend(b"v=0\n");
        text.extend(respond(request, "100 Trying", ""));
        text.extend(respond(request, "404 Not Found", ""));
        text
    };
    let (result, trace) = ask_tcp(Habit::Answers(answer), PATIENT).await;
    assert!(result.as_ref().unwrap().rtt.is_some(), "that of the connection");
    assert_eq!(detail(result).status, 404);
    assert!(ignored(&trace, "branch is not ours"));
}

#[tokio::test]
async fn hostile_peers_on_a_connection_fail_each_in_its_way() {
    let malformed = |result: &Result<Reply, Failure>| {
        matches!(result, Err(Failure::Remote(RemoteFailure::Malformed(_))))
    };
    let silent = ask_tcp(Habit::Silent, SHORT).await.0;
    assert_eq!(silent, stalled(Reached::Sent, SHORT));
    let closes = ask_tcp(Habit::Says(vec![]), PATIENT).await.0;
    assert_eq!(closes, remote(RemoteFailure::Closed));
    let half = ask_tcp(Habit::Says(b"SIP/2.0 200 OK\r\n".to_vec()), PATIENT).await.0;
    assert_eq!(half, remote(RemoteFailure::Closed));
    let other = ask_tcp(Habit::Keeps(b"HTTP/1.1 400 Bad\r\n\r\n".to_vec()), PATIENT).await.0;
    assert!(malformed(&other), "{other:?}");
    let head = Habit::Endless(b"SIP/2.0 200 OK\r\n".to_vec(), b"X: y\r\n".to_vec());
    let endless = ask_tcp(head, PATIENT).await.0;
    assert!(malformed(&endless), "{endless:?}");
    let breaks = ask_tcp(Habit::Endless(vec![], b"\r\n".to_vec()), PATIENT).await.0;
    assert!(malformed(&breaks), "{breaks:?}");
    let drips = ask_tcp(Habit::Drips(b"SIP/2.0 200 OK\r\nX: ".to_vec()), SHORT).await.0;
    assert_eq!(drips, stalled(Reached::Sent, SHORT));
}

#[tokio::test]
async fn a_flood_of_others_responses_is_cut_off() {
    let foreign = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP a;branch=z9hG4bKx\r\nCall-ID: a\r\nCSeq: 1 \
        OPTIONS\r\nContent-Length: 0\r\n\r\n";
    let (result, _) = ask_tcp(Habit::Endless(vec![], foreign.to_vec()), PATIENT).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Malformed(_)))), "{result:?}");
}
