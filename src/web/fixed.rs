//! What stays as it is for as long as this program runs: kept compressed, and not sent again to who
//! has it.

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shared::{compressed, takes_gzip};

/// A text that does not change.
pub(super) struct Fixed {
    content_type: &'static str,
    text: Bytes,
    gzip: Bytes,
    /// A number that changes with what is in it.
    number: String,
}

impl Fixed {
    pub(super) fn new(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        // FNV-1a: it tells versions apart, and nobody gains by making two alike.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in &text {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        let gzip = compressed(|take| take(&String::from_utf8_lossy(&text))).0;
        Self { content_type, text, gzip, number: format!("{hash:016x}") }
    }

    /// A number that changes with what is in it.
    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// The text, or that it is still the same (RFC 9110 §13.1.2). `keep` says for how long it may
    /// be used without asking again. The tag is a weak one, since it stands for the compressed
    /// text as well.
    pub(super) fn answer(&self, headers: &HeaderMap, keep: &'static str) -> Response {
        let tag = format!("W/\"{}\"", self.number);
        let mut response = if knows(headers, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if takes_gzip(headers) {
            let mut response = self.gzip.clone().into_response();
            let gzip = HeaderValue::from_static("gzip");
            response.headers_mut().insert(header::CONTENT_ENCODING, gzip);
            response
        } else {
            self.text.clone().into_response()
        };
        let kind = HeaderValue::from_static(self.content_type);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, kind);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// Whether the client says that it has what carries this tag. Weak and strong ones count alike
/// (RFC 9110 §8.8.3.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    let opaque = |tag: &str| tag.strip_prefix("W/").unwrap_or(tag).to_owned();
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|it| it.to_str().ok());
    named
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|it| it == "*" || opaque(it) == opaque(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_it_is_told_so_and_who_has_another_is_sent_it() {
        let fixed = Fixed::new("text/css", "a{b:c}");
        let ask = |tags: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, tags.parse().unwrap());
            fixed.answer(&headers, "no-cache")
        };
        let number = fixed.number();
        for known in [
            format!("W/\"{number}\""),
            format!("\"{number}\""),
            format!("\"x\", W/\"{number}\" ,W/\"y\""),
            "*".to_owned(),
        ] {
            let answer = ask(&known);
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
            for kept in [header::ETAG, header::CACHE_CONTROL, header::VARY] {
                assert!(answer.headers().contains_key(&kept), "{kept}");
            }
        }
        for other in ["", "\"\"", number, "W/\"0123456789abcdef\"", ",;"] {
            assert_eq!(ask(other).status(), StatusCode::OK, "{other:?}");
        }
        assert_ne!(number, Fixed::new("text/css", "a{b:d}").number());
    }
}
