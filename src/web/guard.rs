//! Who may ask for changes from a browser: only a page of ours.
//!
//! A person's own browser, which any web page can make send requests, adds the password that was
//! given to it, and where none is asked for it reaches what only this machine does. Therefore, for
//! methods that change something:
//!
//! 1. `Sec-Fetch-Site`, where the browser sends it, must be `same-origin` or `none`.
//! 2. `Origin`, where there is one, must be `http` or `https` with exactly the host that was asked
//!    for. Every browser sends it with such requests; `null` is nobody's.
//! 3. Where it is let in because it is on this machine, it must have asked for a loopback address
//!    or `localhost`: otherwise a name was pointed here by somebody else's server (DNS rebinding).
//! 4. A body must be `application/json`, which no form can send.
//!
//! A program that is no browser sends neither header and passes.

use axum::http::{HeaderMap, header};
use std::net::IpAddr;

/// Why a request that would change something is refused; none when it is not.
pub(super) fn refusal(headers: &HeaderMap, by_place: bool) -> Option<&'static str> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site"))
        && site != "same-origin"
        && site != "none"
    {
        return Some("a page of another site asked for this");
    }
    if let Some(origin) = text(header::ORIGIN) {
        let host = text(header::HOST).unwrap_or_default();
        let from = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if host.is_empty() || from.is_none_or(|from| !from.eq_ignore_ascii_case(host)) {
            return Some("a page of another site asked for this");
        }
        if by_place && !is_loopback(host) {
            return Some("this server is reached only as localhost or by its loopback address");
        }
    }
    if let Some(kind) = text(header::CONTENT_TYPE) {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Some("a body must be application/json");
        }
    }
    None
}

/// Whether a `Host` value names this machine by itself.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(pairs: &[(&'static str, &'static str)], loopback: bool) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        refusal(&headers, loopback).is_some()
    }

    #[test]
    fn a_program_passes() {
        assert!(!refused(&[("host", "127.0.0.1:9473")], true));
        assert!(!refused(&[("host", "x"), ("content-type", "application/json")], true));
    }

    #[test]
    fn a_page_of_ours_passes() {
        let ours = [
            ("host", "localhost:9473"),
            ("origin", "http://localhost:9473"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(!refused(&ours, true));
        let v6 = [("host", "[::1]:9473"), ("origin", "http://[::1]:9473")];
        assert!(!refused(&v6, true));
        let named = [("host", "giam-sat.example:80"), ("origin", "https://giam-sat.example:80")];
        assert!(!refused(&named, false));
    }

    #[test]
    fn a_page_of_another_site_does_not() {
        let host = ("host", "127.0.0.1:9473");
        assert!(refused(&[host, ("sec-fetch-site", "cross-site")], true));
        assert!(refused(&[host, ("sec-fetch-site", "same-site")], true));
        assert!(refused(&[host, ("origin", "http://evil.example")], true));
        assert!(refused(&[host, ("origin", "http://127.0.0.1:9474")], true));
        assert!(refused(&[host, ("origin", "null")], true));
        assert!(refused(&[host, ("origin", "file://127.0.0.1:9473")], true));
        assert!(refused(&[("origin", "http://")], true));
    }

    #[test]
    fn a_name_that_was_pointed_here_does_not() {
        let rebound = [("host", "evil.example:9473"), ("origin", "http://evil.example:9473")];
        assert!(refused(&rebound, true));
        let lookalike =
            [("host", "127.0.0.1.evil.example"), ("origin", "http://127.0.0.1.evil.example")];
        assert!(refused(&lookalike, true));
    }

    #[test]
    fn a_form_does_not() {
        let host = ("host", "127.0.0.1:9473");
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""] {
            assert!(refused(&[host, ("content-type", kind)], true), "{kind}");
        }
        assert!(!refused(&[host, ("content-type", "application/json; charset=utf-8")], true));
    }
}
