//! The HTTP prober.

use std::net::SocketAddr;

use super::fakes::{self, Habit};
use super::*;
use crate::model::{Detail, HttpCheck, HttpDetail, Reached};

pub(super) fn check(peer: SocketAddr) -> HttpCheck {
    HttpCheck {
        port: peer.port(),
        path: "/status?x=1".to_owned(),
        verify_tls: true,
        ..HttpCheck::usual(false)
    }
}

pub(super) fn detail(result: Result<Reply, Failure>) -> HttpDetail {
    match result.unwrap().detail {
        Detail::Http(http) => *http,
        other => panic!("not HTTP: {other:?}"),
    }
}

async fn ask(habit: Habit, limit: Duration) -> (Result<Reply, Failure>, Trace) {
    let peer = fakes::tcp(habit).await;
    probe(peer, CheckKind::Http(check(peer)), limit).await
}

async fn ask_for(habit: Habit, pattern: &str, limit: Duration) -> Result<Reply, Failure> {
    let peer = fakes::tcp(habit).await;
    let pattern = Some(regex::Regex::new(pattern).unwrap());
    probe(peer, CheckKind::Http(HttpCheck { expect_body: pattern, ..check(peer) }), limit).await.0
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_good_answer_is_a_reply_with_its_figures() {
    let (result, trace) = ask(Habit::Says(ok("")), PATIENT).await;
    let http = detail(result);
    assert_eq!(http.status, 200);
    assert!(http.connect.is_some() && http.first_byte <= http.total);
    assert_eq!((http.certificate, http.clock_offset_s), (None, None));
    let sent = StepKind::Sent("GET /status?x=1 HTTP/1.1".to_owned());
    assert!(noted(&trace, |step| *step == sent));
    let received = StepKind::Received("HTTP/1.1 200 OK".to_owned());
    assert!(noted(&trace, |step| *step == received));
}

#[tokio::test]
async fn the_request_says_who_asks_and_for_whom() {
    let echo = |question: &str| ok(question);
    let peer = fakes::tcp(Habit::Answers(echo)).await;
    let pattern = format!(
        "^GET /status\\?x=1 HTTP/1.1\r\nhost: codec.example:{}\r\nuser-agent: vchealth/",
        peer.port()
    );
    let check = HttpCheck {
        host: Some("codec.example".to_owned()),
        expect_body: Some(regex::Regex::new(&pattern).unwrap()),
        ..check(peer)
    };
    assert_eq!(detail(probe(peer, CheckKind::Http(check), PATIENT).await.0).status, 200);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n".to_vec();
    let (result, _) = ask(Habit::Says(elsewhere), PATIENT).await;
    assert_eq!(detail(result).status, 302);
}

#[tokio::test]
async fn the_status_decides() {
    let asked = |status: &'static str, expected: &[u16]| {
        let expect_status = expected.to_vec();
        async move {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes();
            let peer = fakes::tcp(Habit::Says(text)).await;
            let check = HttpCheck { expect_status, ..check(peer) };
            probe(peer, CheckKind::Http(check), PATIENT).await.0
        }
    };
    let out = |status, reason: &str| {
        remote(RemoteFailure::ServiceOut { status, reason: reason.to_owned() })
    };
    assert_eq!(detail(asked("401 Unauthorized", &[]).await).status, 401, "alive");
    assert_eq!(asked("404 Not Found", &[]).await, out(404, "Not Found"));
    assert_eq!(asked("503 Down for work", &[]).await, out(503, "Down for work"));
    assert_eq!(detail(asked("404 Not Found", &[200, 404]).await).status, 404);
    assert_eq!(asked("204 No Content", &[200]).await, out(204, "No Content"));
}

#[tokio::test]
async fn the_body_must_match_its_pattern() {
    let good = ask_for(Habit::Says(ok("<State>Ready</State>")), "Ready|Idle", PATIENT).await;
    assert_eq!(detail(good).status, 200);
    let bad = ask_for(Habit::Says(ok("<State>Halt</State>")), "Ready|Idle", PATIENT).await;
    assert!(matches!(bad, Err(Failure::Remote(RemoteFailure::Unexpected(_)))), "{bad:?}");
}

#[tokio::test]
async fn a_pattern_is_looked_for_in_the_first_64_kib_only() {
    let early = "x".repeat(65_000) + "Ready" + &"x".repeat(100_000);
    assert!(ask_for(Habit::Says(ok(&early)), "Ready", PATIENT).await.is_ok());
    let late = "x".repeat(65_536) + "Ready";
    assert!(ask_for(Habit::Says(ok(&late)), "Ready", PATIENT).await.is_err());
}

#[tokio::test]
async fn a_body_without_end_is_cut_off() {
    let endless = Habit::Endless(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 1000]);
    assert_eq!(detail(ask(endless.clone(), PATIENT).await.0).status, 200);
    let result = ask_for(endless, "Ready", PATIENT).await;
    assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Unexpected(_)))), "{result:?}");
}

#[tokio::test]
async fn a_head_without_end_is_malformed() {
    let lines = Habit::Endless(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Y: z\r\n".to_vec());
    let line = Habit::Endless(b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1000]);
    for habit in [lines, line] {
        let (result, _) = ask(habit, PATIENT).await;
        assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Malformed(_)))), "{result:?}");
    }
}

#[tokio::test]
async fn a_head_that_drips_runs_into_the_time_limit() {
    let (result, trace) = ask(Habit::Drips(b"HTTP/1.1 200 OK\r\nX: ".to_vec()), SHORT).await;
    assert_eq!(result, stalled(Reached::Sent, SHORT));
    assert!(noted(&trace, |step| *step == StepKind::TimedOut));
}

#[tokio::test]
async fn a_body_that_drips_matters_only_when_something_is_looked_for() {
    let drips = Habit::Drips(b"HTTP/1.1 200 OK\r\n\r\n".to_vec());
    assert_eq!(detail(ask(drips.clone(), PATIENT).await.0).status, 200);
    assert_eq!(ask_for(drips, "Ready", SHORT).await, stalled(Reached::Answering, SHORT));
}

#[tokio::test]
async fn a_peer_that_accepts_and_says_nothing_runs_into_the_time_limit() {
    let (result, trace) = ask(Habit::Silent, SHORT).await;
    assert_eq!(result, stalled(Reached::Sent, SHORT));
    assert!(noted(&trace, |step| matches!(step, StepKind::Connected { .. })), "the trace tells");
}

#[tokio::test]
async fn another_protocol_is_malformed() {
    for garbage in [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"\x00\xff\xfe\x80\r\n\r\n", b"<html>\r\n\r\n"]
    {
        let (result, _) = ask(Habit::Keeps(garbage.to_vec()), PATIENT).await;
        assert!(matches!(result, Err(Failure::Remote(RemoteFailure::Malformed(_)))), "{result:?}");
    }
}

#[tokio::test]
async fn a_peer_that_closes_in_mid_conversation_is_told_apart() {
    for text in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nX: y\r\n"] {
        let (result, _) = ask(Habit::Says(text.into()), PATIENT).await;
        assert_eq!(result, remote(RemoteFailure::Closed), "{text:?}");
    }
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec();
    assert_eq!(ask_for(Habit::Says(half), "Ready", PATIENT).await, remote(RemoteFailure::Closed));
}

#[tokio::test]
async fn the_date_header_tells_how_far_the_clock_is_off() {
    let answer = |_: &str| {
        let late = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(3600);
        let date = late.strftime("%a, %d %b %Y %H:%M:%S GMT");
        format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    };
    let offset = detail(ask(Habit::Answers(answer), PATIENT).await.0).clock_offset_s.unwrap();
    assert!((-3700..=-3599).contains(&offset), "{offset}");
}

#[tokio::test]
async fn an_impossible_path_is_a_fault_of_ours() {
    let peer = fakes::tcp(Habit::Silent).await;
    let check = HttpCheck { path: "/a b".to_owned(), ..check(peer) };
    let (result, _) = probe(peer, CheckKind::Http(check), PATIENT).await;
    assert!(matches!(result, Err(Failure::Local(LocalFailure::Other(_)))), "{result:?}");
}
