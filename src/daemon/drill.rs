//! The device of a drill: it answers, then it is mute, and the hands ask it as they do all others.
//!
//! It is a SIP user agent on this machine's loopback. Nothing else of the kind falls silent as a
//! codec without power does: the kernel answers every echo to a loopback address, and refuses what
//! is sent to a port that is closed, which only a living host does.

use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::str;

use tokio::net::UdpSocket;

use crate::clock::Clock;
use crate::model::{
    Check, CheckKind, DrillOrder, DrillSeen, Failure, LocalFailure, Outcome, ProbeRequest,
    SipCheck, SipTransport, chain,
};
use crate::probe::Probes;
use crate::wire::sip;

/// Where it stands.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Has the device asked while it answers, and once it is mute.
pub(super) async fn play(probes: &Probes, order: DrillOrder, clock: Clock) -> DrillSeen {
    let DrillOrder { session, check } = order;
    let opened = async {
        let socket = UdpSocket::bind((ADDRESS, 0)).await?;
        let port = socket.local_addr()?.port();
        Ok::<_, io::Error>((socket, port))
    };
    let (socket, port) = match opened.await {
        Ok(opened) => opened,
        Err(error) => {
            let none = unasked(&error, clock);
            return DrillSeen { session, answered: none.clone(), mute: none };
        }
    };
    let sip = SipCheck { port, ..SipCheck::usual(SipTransport::Udp) };
    let check = Check { kind: CheckKind::Sip(sip), ..check };
    let answered = tokio::select! {
        outcome = probes.ask_stranger(ADDRESS, &check) => outcome,
        error = answer(&socket) => unasked(&error, clock),
    };
    // The port stays open: nobody refuses what nobody reads.
    let mute = probes.ask_stranger(ADDRESS, &check).await;
    drop(socket);
    DrillSeen { session, answered, mute }
}

/// Answers whatever is asked, until the socket fails.
async fn answer(socket: &UdpSocket) -> io::Error {
    let mut buffer = vec![0; sip::HEAD_LIMIT];
    loop {
        let (length, peer) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            Err(error) => return error,
        };
        let request = str::from_utf8(&buffer[..length]).unwrap_or_default();
        let Some(answer) = sip::respond(request, 200, "OK", "", Some(peer)) else { continue };
        if let Err(error) = socket.send_to(answer.as_bytes(), peer).await {
            return error;
        }
    }
}

/// What is learned of a device that this machine cannot have.
fn unasked(error: &io::Error, clock: Clock) -> Outcome {
    let started = clock.now();
    let request = ProbeRequest::to_a_stranger(0, started.mono);
    let result = Err(Failure::Local(LocalFailure::Other(chain(error))));
    Outcome { request, started, finished: started.mono, lost: 0, heard: None, result }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::Settings;
    use crate::model::{CheckId, Detail, Paces, RemoteFailure, SessionId};
    use crate::probe::Trust;

    #[tokio::test]
    async fn the_device_of_a_drill_answers_a_real_probe_and_then_no_more() {
        let clock = Clock::start();
        let none = |_| Err("no echoes".to_owned());
        let settings = Settings::default();
        let probes = Probes::start_with(&settings, 0, Arc::default(), Trust::system(), clock, none);
        let second = Duration::from_secs(1);
        let check = Check {
            id: CheckId::new("sip"),
            kind: CheckKind::Sip(SipCheck::usual(SipTransport::Udp)),
            timeout: Duration::from_millis(300),
            paces: Paces { idle: second, readiness: second, live: second, wrap_up: second },
            confirm_after: second,
        };
        let order = DrillOrder { session: SessionId::new("giao-ban"), check };
        let seen = play(&probes, order, clock).await;
        let reply = seen.answered.result.expect("it answers");
        assert!(matches!(&reply.detail, Detail::Sip(sip) if sip.status == 200), "{reply:?}");
        let silent = Err(Failure::Remote(RemoteFailure::Timeout));
        assert_eq!(seen.mute.result, silent, "nor does the kernel refuse it");
        probes.stop().await;
    }
}
