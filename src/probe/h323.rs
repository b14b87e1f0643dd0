//! The H.323 prober: the call-signalling port takes a connection, and gets it back at once.
//!
//! Whatever reads like a call rings the room, and some stacks ring for a SETUP that is released in
//! the same segment. A connection without a byte rings nowhere; but some stacks hold a call object
//! for it until it closes and have few of them, so it is never kept open. Level two, STATUS
//! ENQUIRY, would tell little more: devices answer it with a status, a release, a close or silence,
//! and all four mean the same.

use std::net::SocketAddr;

use super::connect;
use super::converse::Conversation;
use super::notes::Notes;
use crate::model::{Detail, Failure, H323Check, Reply, TcpDetail};

/// Connects, and closes with nothing said.
pub(super) async fn probe(
    conversation: &Conversation<'_>,
    check: &H323Check,
    notes: &mut Notes,
) -> Result<Reply, Failure> {
    let peer = SocketAddr::new(conversation.address, check.port);
    let connect = connect::tcp(peer, conversation.clock, notes).await?.took;
    Ok(Reply { rtt: Some(connect), detail: Detail::H323(TcpDetail { connect }) })
}
