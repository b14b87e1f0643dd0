//! One probe of a kind that talks: given an address and a time limit, it has a result in time.

use std::net::{IpAddr, SocketAddr};

use tokio::time::timeout;

use super::notes::Notes;
use super::tls::Trust;
use super::{h323, http, sip, tcp};
use crate::clock::Clock;
use crate::model::{Check, CheckKind, Failure, Host, LocalFailure, RemoteFailure, Reply, StepKind};

/// Who asks. Honest, so that a device's owner can allow or forbid it; some SIP servers drop names
/// that scanners use.
pub(super) const AGENT: &str = concat!("vchealth/", env!("CARGO_PKG_VERSION"));

/// What every prober needs besides its check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conversation<'a> {
    /// Whom to talk to.
    pub(super) address: IpAddr,
    /// The same as the configuration writes it.
    pub(super) host: &'a Host,
    /// What time it is.
    pub(super) clock: Clock,
    /// Whom to trust.
    pub(super) trust: &'a Trust,
}

/// Probes once. Has a result after the check's time limit at the latest.
pub(super) async fn converse(
    conversation: Conversation<'_>,
    check: &Check,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let conversation = &conversation;
    let port = match &check.kind {
        CheckKind::Icmp(_) => 0,
        CheckKind::Tcp(tcp) => tcp.port,
        CheckKind::Http(http) => http.port,
        CheckKind::Sip(sip) => sip.port,
        CheckKind::H323(h323) => h323.port,
    };
    notes.add(StepKind::Address(SocketAddr::new(conversation.address, port)));
    let talk = async {
        match &check.kind {
            // The hands give these to the echo engine.
            CheckKind::Icmp(_) => {
                Err(Failure::Local(LocalFailure::Other("an echo is no conversation".to_owned())))
            }
            CheckKind::Tcp(check) => tcp::probe(conversation, check, &mut *notes).await,
            CheckKind::Http(check) => http::probe(conversation, check, &mut *notes).await,
            CheckKind::Sip(check) => sip::probe(conversation, check, &mut *notes).await,
            CheckKind::H323(check) => h323::probe(conversation, check, &mut *notes).await,
        }
    };
    match timeout(check.timeout, talk).await {
        Ok(result) => result,
        Err(_) => {
            notes.add(StepKind::TimedOut);
            Err(Failure::Remote(match (notes.gibberish(), notes.reached()) {
                (Some(why), _) => RemoteFailure::Malformed(why.to_owned()),
                (None, Some(reached)) => RemoteFailure::stalled(reached, check.timeout),
                (None, None) => RemoteFailure::Timeout,
            }))
        }
    }
}

#[cfg(test)]
mod tests;
