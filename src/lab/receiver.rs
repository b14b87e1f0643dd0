//! A receiver of alerts that stands in the lab: what a demo shows and an end-to-end test waits
//! for.
//!
//! It takes what the webhook channel posts (Alertmanager's webhook JSON, version 4) and notes when
//! it came. It can be told to misbehave, because alerts have to survive that.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::model::Now;

/// Longest post that is taken, in bytes.
const LONGEST: usize = 1 << 20;
/// Posts kept; older ones are forgotten first.
const KEPT: usize = 100_000;

/// Something that was posted.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// When it was accepted.
    pub at: Now,
    /// What it said; none when it was not the agreed JSON.
    pub post: Option<Post>,
    /// The body as it came.
    pub body: Bytes,
}

/// The parts of a post that the lab reads.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Post {
    /// Version of the format, `4`.
    pub version: String,
    /// `firing` or `resolved`, of the group.
    pub status: String,
    /// The alerts, one for each incident.
    pub alerts: Vec<PostedAlert>,
}

/// One alert of a post.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PostedAlert {
    /// `firing` or `resolved`.
    pub status: String,
    /// What it is about.
    pub labels: BTreeMap<String, String>,
    /// What it says.
    pub annotations: BTreeMap<String, String>,
    /// When the incident began.
    pub starts_at: String,
    /// When it ended.
    pub ends_at: String,
    /// The same for every message about one incident.
    pub fingerprint: String,
}

/// A receiver that listens until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Inner>,
    end: CancellationToken,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    posts: Mutex<Vec<Posted>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Listens on a free port of this namespace's loopback.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start(clock: Clock) -> io::Result<Self> {
        Self::serve(TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?, clock)
    }

    /// Listens on a socket that is bound already, here or on the host. Must be called within a
    /// runtime.
    ///
    /// # Errors
    /// When the socket cannot be used.
    pub fn serve(listener: TcpListener, clock: Clock) -> io::Result<Self> {
        let address = listener.local_addr()?;
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shared =
            Arc::new(Inner { clock, posts: Mutex::default(), count: watch::Sender::new(0) });
        let router = Router::new()
            .route("/", post(take))
            // Whatever path a channel posts to.
            .route("/{*path}", post(take))
            .layer(DefaultBodyLimit::max(LONGEST))
            .with_state(Arc::clone(&shared));
        let end = CancellationToken::new();
        let ended = end.clone();
        tokio::spawn(async move {
            // It ends with the lab; a socket that breaks before shows as silence.
            let serving = axum::serve(listener, router);
            let _ = serving.with_graceful_shutdown(ended.cancelled_owned()).await;
        });
        Ok(Self { address, shared, end })
    }

    /// Where to post.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Everything accepted so far, in order.
    #[must_use]
    pub fn posts(&self) -> Vec<Posted> {
        self.shared.posts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `enough` says so of everything accepted so far, looking again at every post.
    pub async fn wait_for(&self, mut enough: impl FnMut(&[Posted]) -> bool) {
        let mut count = self.shared.count.subscribe();
        loop {
            let posts = self.posts();
            if enough(&posts) {
                return;
            }
            // The sender lives as long as this receiver.
            let _ = count.changed().await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn take(State(shared): State<Arc<Inner>>, body: Bytes) -> StatusCode {
    let posted = Posted { at: shared.clock.now(), post: serde_json::from_slice(&body).ok(), body };
    let count = {
        let mut posts = shared.posts.lock().unwrap_or_else(PoisonError::into_inner);
        if posts.len() == KEPT {
            posts.remove(0);
        }
        posts.push(posted);
        posts.len()
    };
    shared.count.send_replace(count);
    StatusCode::OK
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Posts a body and returns the status.
    async fn post_to(receiver: &Receiver, body: &str) -> u16 {
        let mut stream = tokio::net::TcpStream::connect(receiver.address).await.unwrap();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[tokio::test]
    async fn posts_are_kept_with_the_time_of_their_arrival() {
        let clock = Clock::start();
        let receiver = Receiver::start(clock).unwrap();
        let before = clock.mono();
        let body = r#"{"version":"4","status":"firing","alerts":[{"labels":{"site":"a"}}]}"#;
        assert_eq!(post_to(&receiver, body).await, 200);
        assert_eq!(post_to(&receiver, "no json").await, 200);
        receiver.wait_for(|posts| posts.len() == 2).await;
        let posts = receiver.posts();
        assert!(posts[0].at.mono >= before);
        assert_eq!(posts[0].post.as_ref().unwrap().alerts[0].labels["site"], "a");
        assert_eq!(posts[1].post, None);
        assert_eq!(posts[1].body, "no json");
    }
}
