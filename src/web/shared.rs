//! One rendering for all: a page is made at most once per snapshot, however many ask for it.
//!
//! A page of ten thousand endpoints is nearly as large as all else that is known of them, and
//! shrinks to a twenty-fifth when it is compressed. So it is made piece by piece and kept
//! compressed only; who does not take that gets it unpacked on the way.

use std::io::{self, Cursor, Read as _, Write as _};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderValue, Response, header};
use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use hyper::body::{Frame, SizeHint};
use tokio::sync::Mutex;

use crate::model::{Mono, Snapshot};

/// A page that does not change for this long is made anew all the same, since it shows more than
/// the snapshot: age of messages, the process itself.
const MAX_AGE: Duration = Duration::from_secs(2);

/// Bytes that are unpacked at a time.
const PIECE: usize = 64 << 10;

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
    gzip: Bytes,
    /// Bytes that it has unpacked.
    length: u64,
}

impl Shared {
    /// A page of this type.
    pub(super) fn new(content_type: &'static str) -> Self {
        Self { content_type: HeaderValue::from_static(content_type), last: Arc::default() }
    }

    /// The page for `snapshot`, made by `render` unless it is there; compressed if `headers` say
    /// that the client takes that. `render` hands over one piece of the page after the other.
    pub(super) async fn get(
        &self,
        snapshot: &Arc<Snapshot>,
        now: Mono,
        headers: &HeaderMap,
        render: impl FnOnce(&mut dyn FnMut(&str)) + Send + 'static,
    ) -> Response<Body> {
        let rendering = self.rendering(snapshot, now, render).await;
        let gzip = rendering.gzip.clone();
        let mut response = if takes_gzip(headers) {
            let mut response = Response::new(Body::from(gzip));
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        } else {
            let (left, page) = (rendering.length, GzDecoder::new(Cursor::new(gzip)));
            Response::new(Body::new(Unpacked { page, left }))
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
        render: impl FnOnce(&mut dyn FnMut(&str)) + Send + 'static,
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
            let (gzip, length) = compressed(render);
            let rendering = Arc::new(Rendering { of, made: now, gzip, length });
            *last = Some(Arc::clone(&rendering));
            rendering
        });
        // Only a panic keeps the task from ending; an empty page then shows that something is
        // wrong.
        made.await.unwrap_or_else(|_| {
            let (gzip, length) = compressed(|_| {});
            Arc::new(Rendering { of: Weak::new(), made: now, gzip, length })
        })
    }
}

/// How far pages are compressed. The text is so repetitive that it shrinks to a twenty-fifth, in a
/// quarter of the time of the highest level, which gives a sixth less. The lowest takes as long as
/// this one and leaves half as much again.
const LEVEL: u32 = 2;

/// Compresses a page. Gives the length before as well.
pub(super) fn compressed(render: impl FnOnce(&mut dyn FnMut(&str))) -> (Bytes, u64) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    let mut length = 0;
    render(&mut |piece| {
        length += piece.len() as u64;
        // Writing to memory cannot fail.
        let _ = encoder.write_all(piece.as_bytes());
    });
    let mut gzip = encoder.finish().unwrap_or_default();
    // What gathered piece by piece has room for up to as much again.
    gzip.shrink_to_fit();
    (Bytes::from(gzip), length)
}

/// A page that is made for one reader, compressed if they take that: a checklist of two hundred
/// sites shrinks to a tenth.
pub(super) fn packed(page: String, gzip: bool) -> Response<Body> {
    let mut response = if gzip {
        let mut response = Response::new(Body::from(compressed(|take| take(&page)).0));
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
        response
    } else {
        Response::new(Body::from(page))
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// A page on its way to a client that does not take it compressed.
struct Unpacked {
    page: GzDecoder<Cursor<Bytes>>,
    /// Bytes still to come.
    left: u64,
}

impl HttpBody for Unpacked {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let mut piece = Vec::with_capacity(PIECE);
        let read = this.page.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        Poll::Ready(match read {
            Ok(0) => None,
            Ok(read) => {
                this.left = this.left.saturating_sub(read as u64);
                Some(Ok(Frame::data(Bytes::from(piece))))
            }
            Err(error) => Some(Err(error)),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Whether `Accept-Encoding` admits gzip (RFC 9110 §12.5.3): named, or by `*`, with a weight above
/// zero. A name counts before the asterisk.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
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

    #[tokio::test]
    async fn a_page_of_many_pieces_is_the_same_unpacked_on_the_way() {
        use http_body_util::BodyExt as _;

        let pieces: Vec<String> =
            (0..5_000).map(|n| format!("series{{n=\"{n}\"}} {n}\n")).collect();
        let whole = pieces.concat();
        assert!(whole.len() > PIECE);
        let (gzip, length) = compressed(|take| pieces.iter().for_each(|piece| take(piece)));
        assert_eq!(length, whole.len() as u64);
        let body = Unpacked { page: GzDecoder::new(Cursor::new(gzip)), left: length };
        assert_eq!(body.size_hint().exact(), Some(length));
        assert_eq!(body.collect().await.unwrap().to_bytes(), whole);
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
