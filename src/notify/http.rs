//! The HTTP client of the channels: bounded in time and size, and blind to what it is not told.
//!
//! It follows no redirect: the body holds names and phone numbers that are meant for the address
//! in the settings and no other. One is tried again, as a log-in page is that answers by itself:
//! both may pass. It takes no proxy from the environment, since a variable left behind by some
//! other program must not reroute alerts.

mod exchange;

use std::error::Error;
use std::fmt::Display;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{
    CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION, RETRY_AFTER,
};
use reqwest::{Client, ClientBuilder, StatusCode, redirect};
use rustls::ClientConfig;

pub(super) use exchange::{Answer, Body, Request, one_line, repeatable};

use super::secret::Secret;
use super::{DeliveryError, Retry};
use crate::clock::Clock;
use crate::model::{WebAddress, chain};
use crate::trust;

/// Bytes of a refusal's body that are read, for the log.
const EXCERPT: usize = 1_024;
/// Longest that a refusal's body is waited for.
const EXCERPT_WAIT: Duration = Duration::from_millis(500);

/// A client whose copies share their connections.
#[derive(Debug, Clone)]
pub(super) struct Http {
    /// Made when something is to be posted: not every channel does.
    client: Arc<OnceLock<Client>>,
    clock: Clock,
}

impl Http {
    /// A client that trusts whom this machine trusts.
    pub(super) fn new(clock: Clock) -> Self {
        Self { client: Arc::default(), clock }
    }

    /// The client itself.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    fn client(&self) -> Result<&Client, DeliveryError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = client().map_err(|error| DeliveryError {
            retry: Retry::Later,
            text: format!("encrypted connections cannot be set up: {}", chain(&error)),
        })?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Posts JSON; the answer counts as soon as its head is here, so that a body without end
    /// cannot keep an accepted letter from being recorded.
    ///
    /// # Errors
    /// When it was not accepted, within `limit` or at all. The text names scheme, host and port
    /// of `url` and nothing else of it, and none of the `secrets` that the headers hold.
    pub(super) async fn post(
        &self,
        url: &WebAddress,
        headers: HeaderMap,
        body: Vec<u8>,
        limit: Duration,
        secrets: &[&Secret],
    ) -> Result<(), DeliveryError> {
        let request = self
            .client()?
            .post(url.reveal())
            .headers(headers)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .timeout(limit);
        let answer = request.send().await.map_err(|error| unanswered(url, &error, limit))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let retry = retry(status, answer.headers(), self.clock.now().wall);
        if status.is_redirection() {
            let text = redirected(url, &status, points_to(&answer).as_deref());
            return Err(DeliveryError { retry, text });
        }
        let excerpt = tokio::time::timeout(EXCERPT_WAIT, excerpt(answer)).await.unwrap_or_default();
        let mut text = format!("{} answers {status}", url.origin());
        let excerpt = repeatable(&excerpt, url, secrets);
        if !excerpt.is_empty() {
            text.push_str(": ");
            text.push_str(&excerpt);
        }
        Err(DeliveryError { retry, text })
    }
}

/// The client itself: it trusts whom this machine trusts, follows nothing and takes no proxy.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> Result<Client, reqwest::Error> {
    builder(tls()).build()
}

/// A client that is about to be: it trusts whom `tls` does, follows nothing and takes no proxy.
pub fn builder(tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("vchealth/", env!("CARGO_PKG_VERSION")))
        .pool_max_idle_per_host(4)
}

/// A header from text that may not be fit for one; what does not fit is left out.
pub(super) fn header(name: &'static str, value: &str) -> Option<(HeaderName, HeaderValue)> {
    Some((HeaderName::from_static(name), HeaderValue::from_str(value).ok()?))
}

/// TLS that trusts whom this machine trusts.
///
/// # Panics
/// Never: ring offers both protocol versions.
#[must_use]
pub fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring offers both protocol versions")
        .with_root_certificates(trust::authorities())
        .with_no_client_auth()
}

/// Whether a refusal may be tried again (RFC 9110 §15): 408, 425, 429 and every 5xx say "not now",
/// the other 4xx "not like this". A redirect may be that of something in between, such as a log-in
/// page, and one of the receiver itself is mended there or in the settings. A 1xx at the end says
/// nothing at all.
fn retry(status: StatusCode, headers: &HeaderMap, now: Timestamp) -> Retry {
    let passing = status.is_server_error()
        || matches!(status.as_u16(), 100..=199 | 300..=399 | 408 | 425 | 429);
    if !passing {
        return Retry::Never;
    }
    // A date is one by the receiver's clock, which need not agree with ours.
    let date = headers.get(DATE).and_then(|value| moment(value.to_str().ok()?));
    let now = date.unwrap_or(now);
    match headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now)) {
        Some(wait) => Retry::After(wait),
        None => Retry::Later,
    }
}

/// `Retry-After`: seconds or a date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::try_from(moment(text)?.duration_since(now)).unwrap_or_default())
}

/// A date in a header (RFC 9110 §5.6.7).
fn moment(text: &str) -> Option<Timestamp> {
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp())
}

/// The origin that a redirect points to; none where it names nothing.
fn points_to(answer: &reqwest::Response) -> Option<String> {
    let location = answer.headers().get(LOCATION)?.to_str().ok()?;
    let to = answer.url().join(location).ok()?;
    Some(WebAddress::new(to.as_str()).origin().to_owned())
}

/// What is told of a redirect: that to its own path may hold a key, and so may the page that comes
/// with it.
fn redirected(url: &WebAddress, status: &impl Display, to: Option<&str>) -> String {
    let from = url.origin();
    match to.filter(|to| *to != from) {
        Some(to) => format!("{from} answers {status} and points to {to}"),
        None => format!("{from} answers {status} and points to another page of its own"),
    }
}

/// Why there was no answer, without the address.
fn unanswered(url: &WebAddress, error: &reqwest::Error, limit: Duration) -> DeliveryError {
    let origin = url.origin();
    if error.is_builder() {
        let text = "the address in the settings is not valid".to_owned();
        return DeliveryError { retry: Retry::Never, text };
    }
    let mut root: &dyn Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    let text = if error.is_timeout() {
        format!("{origin} does not answer within {} s", limit.as_secs_f32())
    } else if error.is_connect() {
        format!("{origin} cannot be reached: {}", url.scrub(&root.to_string()))
    } else {
        format!("{origin} broke off: {}", url.scrub(&root.to_string()))
    };
    DeliveryError { retry: Retry::Later, text }
}

/// The beginning of a body.
async fn excerpt(mut answer: reqwest::Response) -> String {
    let mut bytes = Vec::new();
    while bytes.len() < EXCERPT {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk[..chunk.len().min(EXCERPT)]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_to_come_back_at_is_one_by_the_receivers_clock() {
        let (ours, theirs) = ("2026-02-03T03:00:00Z", "Tue, 03 Feb 2026 01:00:00 GMT");
        let told = |date: Option<&'static str>, after: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            if let Some(date) = date {
                headers.insert(DATE, HeaderValue::from_static(date));
            }
            retry(StatusCode::SERVICE_UNAVAILABLE, &headers, ours.parse().unwrap())
        };
        let at = "Tue, 03 Feb 2026 01:00:30 GMT";
        assert_eq!(told(Some(theirs), at), Retry::After(Duration::from_secs(30)));
        assert_eq!(told(Some("no date"), at), Retry::After(Duration::ZERO));
        assert_eq!(told(None, at), Retry::After(Duration::ZERO));
        assert_eq!(told(Some(theirs), "7"), Retry::After(Duration::from_secs(7)));
    }
}
