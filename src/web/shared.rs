//! One rendering for all: a page is made at most once per snapshot, however many ask for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use tokio::sync::{Mutex, OnceCell};

use crate::model::{Mono, Snapshot};

/// A page that does not change for this long is made anew all the same, since it shows more than
/// the snapshot: age of messages, the process itself.
const MAX_AGE: Duration = Duration::from_secs(2);

/// A page that is the same for everybody.
pub(super) struct Shared {
    content_type: HeaderValue,
    /// The lock is held while a page is made: whoever comes meanwhile waits for that one.
    last: Arc<Mutex<Option<Arc<Rendering>>>>,
}

/// A page as it was at one snapshot.
struct Rendering {
    /// Weak, so that a page nobody asks for again does not keep an old state alive.
    of: Weak<Snapshot>,
    made: Mono,
    plain: Bytes,
    gzip: OnceCell<Bytes>,
}

impl Shared {
    /// A page of this type.
    pub(super) fn new(content_type: &'static str) -> Self {
        Self { content_type: HeaderValue::from_static(content_type), last: Arc::default() }
    }

    /// The page for `snapshot`, made by `render` unless it is there; compressed if `headers` say
    /// that the client takes that.
    pub(super) async fn get(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Mono,
        headers: &HeaderMap,
        render: impl FnOnce() -> String + Send + 'static,
    ) -> Response<Body> {
        let rendering = self.rendering(snapshot, now, render).await;
        let mut response = if takes_gzip(headers) {
            let plain = rendering.plain.clone();
            let gzip = rendering.gzip.get_or_init(|| compress(plain)).await.clone();
            let mut response = Response::new(Body::from(gzip));
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        } else {
            Response::new(Body::from(rendering.plain.clone()))
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        response
    }

    async fn rendering(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Mono,
        render: impl FnOnce() -> String + Send + 'static,
    ) -> Arc<Rendering> {
        let last = Arc::clone(&self.last).lock_owned().await;
        if let Some(rendering) = &*last
            && std::ptr::eq(rendering.of.as_ptr(), Arc::as_ptr(snapshot))
            && now - rendering.made < MAX_AGE
        {
            return Arc::clone(rendering);
        }
        // The task ends, and its page is kept, even if whoever asked first goes away meanwhile:
        // else clients that give up early could keep a large page from ever being made.
        let of = Arc::downgrade(snapshot);
        let made = tokio::task::spawn_blocking(move || {
            let mut last = last;
            // The page before is not kept beside the new one: they are large.
            *last = None;
            let plain = Bytes::from(render());
            let rendering = Arc::new(Rendering { of, made: now, plain, gzip: OnceCell::new() });
            *last = Some(Arc::clone(&rendering));
            rendering
        });
        // Only a panic keeps the task from ending; an empty page then shows that something is
        // wrong.
        made.await.unwrap_or_else(|_| {
            let (of, plain, gzip) = (Weak::new(), Bytes::new(), OnceCell::new());
            Arc::new(Rendering { of, made: now, plain, gzip })
        })
    }
}

/// Compresses at the lowest level: the text is so repetitive that it shrinks to a twentieth
/// anyway, in a tenth of the time of the highest.
async fn compress(plain: Bytes) -> Bytes {
    let compressed = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        let half = Vec::with_capacity(plain.len() / 8);
        let mut encoder = flate2::write::GzEncoder::new(half, flate2::Compression::fast());
        // Writing to memory cannot fail.
        let _ = encoder.write_all(&plain);
        encoder.finish().unwrap_or_default()
    });
    Bytes::from(compressed.await.unwrap_or_default())
}

/// Whether `Accept-Encoding` admits gzip (RFC 9110 §12.5.3): named, or by `*`, with a weight above
/// zero. A name counts before the asterisk.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let mut named = None;
    let mut any = None;
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    for coding in values.flat_map(|value| value.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(Some(1.0), |weight| weight.parse::<f64>().ok());
        let taken = weight.is_some_and(|weight| weight > 0.0);
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            named = Some(named.unwrap_or(false) || taken);
        } else if name == "*" {
            any = Some(taken);
        }
    }
    named.or(any).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(accept: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        takes_gzip(&headers)
    }

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        assert!(!takes_gzip(&HeaderMap::new()));
        assert!(takes("gzip"));
        assert!(takes("deflate, GZIP;q=0.5"));
        assert!(takes("*"));
        assert!(takes("br;q=1.0, *;q=0.1"));
        assert!(!takes("gzip;q=0"));
        assert!(!takes("gzip;q=0, *"));
        assert!(!takes("identity"));
        assert!(!takes("gzipped"));
        assert!(!takes("gzip;q=nonsense"));
        assert!(!takes(",;,=;q"));
    }
}
