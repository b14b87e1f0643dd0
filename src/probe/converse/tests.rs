//! Every prober against peers on loopback that do what peers should not.

mod fakes;
mod http;
mod sip;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::model::{CheckId, Paces, Reached, Step, TcpCheck, Trace};

/// Long enough for any answer that does come.
const PATIENT: Duration = Duration::from_secs(20);
/// For answers that never come.
const SHORT: Duration = Duration::from_millis(400);

/// Probes `peer` once.
async fn probe(
    peer: SocketAddr,
    kind: CheckKind,
    limit: Duration,
) -> (Result<Reply, Failure>, Trace) {
    probe_as(&Host::Ip(peer.ip()), peer, kind, limit, &Trust::of([])).await
}

async fn probe_as(
    host: &Host,
    peer: SocketAddr,
    kind: CheckKind,
    limit: Duration,
    trust: &Trust,
) -> (Result<Reply, Failure>, Trace) {
    let pace = Duration::from_secs(60);
    let paces = Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace };
    let id = CheckId::new("tested");
    let check = Check { id, kind, timeout: limit, paces, confirm_after: pace };
    let clock = Clock::start();
    let mut notes = Notes::begin(clock);
    let address = peer.ip();
    let result = converse(Conversation { address, host, clock, trust }, &check, &mut notes).await;
    (result, notes.into_trace())
}

fn remote(failure: RemoteFailure) -> Result<Reply, Failure> {
    Err(Failure::Remote(failure))
}

fn stalled(reached: Reached, limit: Duration) -> Result<Reply, Failure> {
    remote(RemoteFailure::stalled(reached, limit))
}

/// Whether a step like this was noted.
fn noted(trace: &Trace, wanted: impl Fn(&StepKind) -> bool) -> bool {
    trace.steps().iter().any(|Step { kind, .. }| wanted(kind))
}

fn tcp(peer: SocketAddr) -> CheckKind {
    CheckKind::Tcp(TcpCheck { port: peer.port() })
}

#[tokio::test]
async fn an_open_port_is_a_reply_and_nothing_is_said_to_it() {
    let (peer, heard) = fakes::listener().await;
    let (result, trace) = probe(peer, tcp(peer), PATIENT).await;
    assert!(result.unwrap().rtt.is_some());
    assert!(noted(&trace, |step| matches!(step, StepKind::Connected { .. })));
    assert_eq!(heard.await.unwrap(), b"", "closed with nothing said");
}

#[tokio::test]
async fn h323_says_nothing_and_closes_at_once() {
    let (peer, heard) = fakes::listener().await;
    let check = CheckKind::H323(crate::model::H323Check { port: peer.port() });
    let (result, _) = probe(peer, check, PATIENT).await;
    assert!(matches!(result.unwrap().detail, crate::model::Detail::H323(_)));
    assert_eq!(heard.await.unwrap(), b"", "a byte could ring the room");
}

#[tokio::test]
async fn a_closed_port_is_a_refusal() {
    let peer = fakes::closed_port().await;
    let (result, _) = probe(peer, tcp(peer), PATIENT).await;
    assert_eq!(result, remote(RemoteFailure::Refused));
}

#[tokio::test]
async fn a_missing_route_is_a_fault_of_ours() {
    let nowhere = "224.0.0.1:9".parse().unwrap();
    let (result, _) = probe(nowhere, tcp(nowhere), PATIENT).await;
    assert_eq!(result, Err(Failure::Local(LocalFailure::NoRoute)));
}
