//! Connections: how many, how long, how big; and how they end.
//!
//! 1. No more than [`Limits::connections`] at once, of one address no more than its share; who
//!    gives way is decided by [`super::crowd`].
//! 2. A TLS handshake, then a request head must be complete within [`Limits::head`] and within
//!    [`Limits::head_bytes`].
//!    The same time limit ends connections on which nothing is asked.
//! 3. A request must be answered within [`Limits::request`], its body included.
//! 4. A peer that does not take in its answer for [`Limits::write`] is cut off.
//! 5. When told to stop, the listener closes at once, requests under way are answered, and what
//!    is still open after [`Limits::drain`] is dropped.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::TlsServer;
use crate::metrics::Figures;

use super::board::Live;
use super::crowd::{Crowd, Seat};
use super::gate::{Address, Peer};
use super::stream::Impatient;
use super::{Daemon, app};

/// What a client may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, at least 1.
    pub connections: usize,
    /// Connections of one address at once, at least 1.
    pub per_address: usize,
    /// Connections of one address on which nothing is asked, at least 1.
    pub waiting: usize,
    /// Boards that are kept up to date at once, fewer than connections: others want to be answered
    /// too.
    pub streams: usize,
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
            per_address: 768,
            waiting: 128,
            streams: 700,
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
        let live = Arc::new(Live::new(daemon.now(), &figures, limits.streams));
        let listen = listener.local_addr()?.ip();
        let router =
            app::router(Arc::clone(&daemon), figures.clone(), &limits, listen, Arc::clone(&live));
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
        let slots = Arc::new(Semaphore::new(limits.connections.max(1)));
        let crowd = Crowd::new(limits.per_address, limits.waiting);
        let open = TaskTracker::new();
        open.spawn(Arc::clone(&live).run(Arc::clone(&daemon)));
        let cut = CancellationToken::new();
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let (stream, ip) = match accepted {
                Ok((stream, from)) => (stream, from.ip()),
                Err(error) => {
                    rest_after(&error).await;
                    continue;
                }
            };
            let slot = tokio::select! {
                () = stop.cancelled() => break,
                slot = free_slot(&slots, &crowd) => slot,
            };
            let Some(seat) = crowd.join(Address::of(ip)) else {
                tracing::debug!(address = %ip, "too many connections from this address");
                continue;
            };
            let counted = figures.connected();
            let seat = Arc::new(seat);
            let way = seat.cut.clone();
            let connection = Connection {
                seat,
                ip,
                daemon: Arc::clone(&daemon),
                router: TowerToHyperService::new(router.clone()),
                limits: limits.clone(),
                stop: stop.clone(),
            };
            let cut = cut.clone();
            open.spawn(async move {
                tokio::select! {
                    () = connection.serve(stream) => {}
                    () = way.cancelled() => {}
                    () = cut.cancelled() => {}
                }
                drop((counted, slot));
            });
            // Whoever connects in thousands is not waited for to the end.
            tokio::task::yield_now().await;
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

/// How long is waited for somebody to leave before somebody else is asked to.
const ROOM: Duration = Duration::from_millis(50);

/// A place among all connections. Whoever waits gives way to who comes; while nobody does, who
/// comes waits.
async fn free_slot(slots: &Arc<Semaphore>, crowd: &Crowd) -> Option<OwnedSemaphorePermit> {
    loop {
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Some(slot);
        }
        crowd.make_room();
        let slot = tokio::time::timeout(ROOM, Arc::clone(slots).acquire_owned()).await;
        if let Ok(slot) = slot {
            // The semaphore is never closed.
            return slot.ok();
        }
    }
}

/// What a client that speaks HTTP to a server of HTTPS is told, as with Go's servers.
const PLAIN: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n\
    this server is reached by https://\n";
/// How a TLS record with a handshake begins (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// One connection.
struct Connection {
    seat: Arc<Seat>,
    ip: IpAddr,
    daemon: Arc<dyn Daemon>,
    router: TowerToHyperService<Router>,
    limits: Limits,
    stop: CancellationToken,
}

impl Connection {
    /// Serves to the end.
    async fn serve(self, stream: TcpStream) {
        // A page is sent in a few large writes; waiting for more to send only delays its tail.
        let _ = stream.set_nodelay(true);
        // What holds now: a certificate that was renewed is shown from the next connection on.
        let access = self.daemon.access();
        let stream_limit = self.limits.write;
        let Some(tls) = &access.tls else {
            let peer = Peer { address: self.ip, certificate: None };
            return self.speak(Impatient::new(stream, stream_limit), peer).await;
        };
        let secured = tokio::time::timeout(self.limits.head, secure(stream, tls)).await;
        match secured {
            Ok(Ok((stream, certificate))) => {
                let peer = Peer { address: self.ip, certificate };
                self.speak(Impatient::new(stream, stream_limit), peer).await;
            }
            Ok(Err(error)) => {
                tracing::debug!(address = %self.ip, %error, "no connection was made");
            }
            Err(_) => tracing::debug!(address = %self.ip, "a handshake did not end"),
        }
    }

    /// Answers requests for as long as there are any.
    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer) {
        let Self { seat, router, limits, stop, .. } = self;
        let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let working = seat.work();
            let answer = router.call(request);
            async move {
                let answer = answer.await?;
                Ok::<_, Infallible>(answer.map(|body| {
                    // Dropped with the body, once the answer is sent.
                    Body::new(body.map_frame(move |frame| {
                        let _ = &working;
                        frame
                    }))
                }))
            }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head)
            .max_buf_size(limits.head_bytes.max(8 << 10))
            .serve_connection(TokioIo::new(stream), service);
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
}

/// Makes the handshake; gives the name in the certificate of the client, if it showed one.
async fn secure(
    mut stream: TcpStream,
    tls: &TlsServer,
) -> io::Result<(tokio_rustls::server::TlsStream<TcpStream>, Option<Arc<str>>)> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1
        && first[0].is_ascii_alphabetic()
        && first[0] != HANDSHAKE
    {
        stream.write_all(PLAIN).await?;
        stream.shutdown().await?;
        return Err(io::Error::other("it speaks HTTP without TLS"));
    }
    let stream = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream).await?;
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let names = shown.map(|certificate| names(certificate)).unwrap_or_default();
    let allowed = tls.allowed.is_empty() || names.iter().any(|name| tls.allowed.contains(name));
    if !allowed {
        let why = format!("the certificate of the client holds none of the names: {names:?}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let name = names.into_iter().next().map(Arc::from);
    Ok((stream, name))
}

/// The names in a certificate: its alternative names, then the common name of old.
fn names(certificate: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let alternative = alternative.iter().flat_map(|names| &names.value.general_names);
    let mut names: Vec<String> = alternative
        .filter_map(|name| match name {
            GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => {
                Some((*name).to_owned())
            }
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes).ok().map(|it| IpAddr::from(it).to_string()),
                16 => <[u8; 16]>::try_from(*bytes).ok().map(|it| IpAddr::from(it).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let common = certificate.subject().iter_common_name();
    names.extend(common.filter_map(|name| name.as_str().ok().map(str::to_owned)));
    names
}
