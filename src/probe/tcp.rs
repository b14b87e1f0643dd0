//! The TCP prober: a connection that is opened and closed.

use std::net::SocketAddr;

use super::connect;
use super::converse::Conversation;
use super::notes::Notes;
use crate::model::{Detail, Failure, Reply, TcpCheck, TcpDetail};

/// Connects, and closes with nothing said.
pub(super) async fn probe(
    conversation: &Conversation<'_>,
    check: &TcpCheck,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let peer = SocketAddr::new(conversation.address, check.port);
    let connect = connect::tcp(peer, conversation.clock, notes).await?.took;
    Ok(Reply { rtt: Some(connect), detail: Detail::Tcp(TcpDetail { connect }) })
}
