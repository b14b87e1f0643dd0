//! Connections: how many, how long, how big; and how they end.
//!
//! 1. No more than [`Limits::connections`] at once; further ones wait in the kernel's queue.
//! 2. A request head must be complete within [`Limits::head`] and within [`Limits::head_bytes`].
//!    The same time limit ends connections on which nothing is asked.
//! 3. A request must be answered within [`Limits::request`], its body included.
//! 4. A peer that does not take in its answer for [`Limits::write`] is cut off.
//! 5. When told to stop, the listener closes at once, requests under way are answered, and what
//!    is still open after [`Limits::drain`] is dropped.

use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Figures;

use super::board::Live;
use super::stream::Impatient;
use super::{Daemon, app};

/// What a client may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Time for a request line with its headers, and for the next request on an idle connection.
    pub head: Duration,
    /// Bytes of a request line with its headers, at least 8,192.
    pub head_bytes: usize,
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Time for the rest of a request and its handling, up to the first byte of the answer.
    pub request: Duration,
    /// Time without progress while an answer is sent.
    pub write: Duration,
    /// Time for requests under way when the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    /// Limits for hundreds of viewers on a small machine: a Prometheus scrape is answered within
    /// milliseconds, so whoever takes seconds is broken or hostile.
    fn default() -> Self {
        Self {
            connections: 1_024,
            head: Duration::from_secs(10),
            head_bytes: 16 << 10,
            body_bytes: 16 << 10,
            request: Duration::from_secs(15),
            write: Duration::from_secs(20),
            drain: Duration::from_secs(5),
        }
    }
}

/// The web server, ready to run.
pub struct Server {
    listener: TcpListener,
    router: Router,
    limits: Limits,
    figures: Figures,
    daemon: Arc<dyn Daemon>,
    live: Arc<Live>,
}

impl Server {
    /// A server on `listener`, which may have been bound anywhere, in another network namespace
    /// for instance.
    ///
    /// # Errors
    /// When the operating system refuses to tell the listener's address or to make it
    /// non-blocking.
    pub fn new(
        listener: TcpListener,
        daemon: Arc<dyn Daemon>,
        figures: Figures,
        limits: Limits,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let live = Arc::new(Live::new(daemon.now()));
        let local = listener.local_addr()?;
        let router =
            app::router(Arc::clone(&daemon), figures.clone(), &limits, local, Arc::clone(&live));
        #[cfg(target_os = "linux")]
        {
            let process = prometheus::process_collector::ProcessCollector::for_self();
            // It is there already when figures are shared by two servers.
            let _ = figures.registry().register(Box::new(process));
        }
        Ok(Self { listener, router, limits, figures, daemon, live })
    }

    /// Serves until `stop` is cancelled and requests under way are answered.
    ///
    /// # Errors
    /// When the listener cannot be watched; once it is, nothing ends the server but `stop`.
    pub async fn run(self, stop: CancellationToken) -> io::Result<()> {
        let Self { listener, router, limits, figures, daemon, live } = self;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let service = TowerToHyperService::new(router);
        let slots = Arc::new(Semaphore::new(limits.connections.max(1)));
        let open = TaskTracker::new();
        open.spawn(Arc::clone(&live).run(daemon));
        let cut = CancellationToken::new();
        loop {
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = Arc::clone(&slots).acquire_owned() => slot,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    rest_after(&error).await;
                    continue;
                }
            };
            let counted = figures.connected();
            let connection = serve(stream, service.clone(), limits.clone(), stop.clone());
            let cut = cut.clone();
            open.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = cut.cancelled() => {}
                }
                drop((counted, slot));
            });
        }
        drop(listener);
        live.stopping.cancel();
        open.close();
        if tokio::time::timeout(limits.drain, open.wait()).await.is_err() {
            tracing::warn!(connections = open.len(), "cut off what did not end in time");
            cut.cancel();
            open.wait().await;
        }
        Ok(())
    }
}

/// Waits when accepting fails because the machine ran out of something; the queue of the kernel
/// keeps who is waiting. A connection that was gone before it was accepted needs no rest.
async fn rest_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    if !matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    ) {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Serves one connection to its end.
async fn serve(
    stream: TcpStream,
    service: TowerToHyperService<Router>,
    limits: Limits,
    stop: CancellationToken,
) {
    // A page is sent in a few large writes; waiting for more to send only delays its tail.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Impatient::new(stream, limits.write));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes.max(8 << 10))
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}
