//! Who may ask from a browser: only a page of ours.
//!
//! A person's own browser, which any web page can make send requests, adds the password that was
//! given to it, and where none is asked for it reaches what only this machine does. Therefore, for
//! methods that change something:
//!
//! 1. `Sec-Fetch-Site`, where the browser sends it, must be `same-origin` or `none`.
//! 2. `Origin`, where there is one, must be `http` or `https` with exactly the host that was asked
//!    for. Every browser sends it with such requests; `null` is nobody's.
//! 3. Where it is let in because it is on this machine, it must have asked for an address of this
//!    machine or `localhost`: otherwise a name was pointed here by somebody else's server (DNS
//!    rebinding).
//! 4. A body must be `application/json`, which no form can send.
//!
//! A program that is no browser sends neither header and passes.
//!
//! And for all methods, on a loopback listener where nobody has to log in: `Host` must be
//! `localhost`, a loopback address or the host of `public_url`. Otherwise a name was pointed here
//! by somebody else's server (DNS rebinding), whose page would read what this server says and not
//! only ask for it. Under TLS no certificate is good for such a name.

use axum::http::{HeaderMap, Uri, header};
use std::net::IpAddr;

/// Why a request to a server that only this machine reaches is refused; none when it is not. A
/// proxy may pass on requests for the host of `public`, an address.
pub(super) fn misled(headers: &HeaderMap, public: Option<&str>) -> Option<&'static str> {
    // What speaks so old a protocol that it names no host is no browser.
    let host = headers.get(header::HOST)?.to_str().unwrap_or_default();
    let public = public.and_then(|url| url.parse::<Uri>().ok());
    let known = public.as_ref().and_then(Uri::host);
    if is_loopback(host) || known.is_some_and(|known| known.eq_ignore_ascii_case(name_of(host))) {
        return None;
    }
    Some(
        "this server is reached only as localhost or by its loopback address; `public_url` says \
         under which other name a proxy passes requests on",
    )
}

/// Why a request that would change something is refused; none when it is not.
///
/// Where being on this machine is enough (`by_place`), the server is asked for by a loopback
/// address or by its `own`.
pub(super) fn refusal(
    headers: &HeaderMap,
    by_place: bool,
    own: Option<IpAddr>,
) -> Option<&'static str> {
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
        if by_place && !is_loopback(host) && own.is_none_or(|own| address(host) != Some(own)) {
            return Some("from this machine this server is reached by its address or as localhost");
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
    name_of(host).eq_ignore_ascii_case("localhost")
        || address(host).is_some_and(|address| address.is_loopback())
}

/// The address in a `Host` value, where it is one and no name.
fn address(host: &str) -> Option<IpAddr> {
    name_of(host).trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// A `Host` value without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        headers
    }

    fn refused(pairs: &[(&'static str, &'static str)]) -> bool {
        refusal(&of(pairs), true, None).is_some()
    }

    #[test]
    fn a_program_passes() {
        assert!(!refused(&[("host", "127.0.0.1:9473")]));
        assert!(!refused(&[("host", "x"), ("content-type", "application/json")]));
    }

    #[test]
    fn a_page_of_ours_passes() {
        let ours = [
            ("host", "localhost:9473"),
            ("origin", "http://localhost:9473"),
            ("sec-fetch-site", "same-origin"),
        ];
        assert!(!refused(&ours));
        let v6 = [("host", "[::1]:9473"), ("origin", "http://[::1]:9473")];
        assert!(!refused(&v6));
        let named = [("host", "giam-sat.example:80"), ("origin", "https://giam-sat.example:80")];
        assert!(refusal(&of(&named), false, None).is_none());
        assert!(refused(&named), "where being here is enough, it was pointed here");
        let own = [("host", "10.9.0.1:9473"), ("origin", "http://10.9.0.1:9473")];
        assert!(refusal(&of(&own), true, Some(IpAddr::from([10, 9, 0, 1]))).is_none());
        assert!(refusal(&of(&named), true, Some(IpAddr::from([10, 9, 0, 1]))).is_some());
        assert!(refusal(&of(&own), true, Some(IpAddr::from([10, 9, 0, 2]))).is_some());
    }

    #[test]
    fn a_page_of_another_site_does_not() {
        let host = ("host", "127.0.0.1:9473");
        assert!(refused(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(refused(&[host, ("sec-fetch-site", "same-site")]));
        assert!(refused(&[host, ("origin", "http://evil.example")]));
        assert!(refused(&[host, ("origin", "http://127.0.0.1:9474")]));
        assert!(refused(&[host, ("origin", "null")]));
        assert!(refused(&[host, ("origin", "file://127.0.0.1:9473")]));
        assert!(refused(&[("origin", "http://")]));
    }

    #[test]
    fn a_name_that_was_pointed_here_misleads() {
        let public = Some("https://giam-sat.example/tinh");
        let misled = |host| misled(&of(&[("host", host)]), public).is_some();
        for here in
            ["localhost", "LOCALHOST:9473", "127.0.0.1:9473", "127.1.2.3", "[::1]:1", "[::1]"]
        {
            assert!(!misled(here), "{here}");
        }
        for passed_on in ["giam-sat.example", "Giam-Sat.example:8443"] {
            assert!(!misled(passed_on), "{passed_on}");
        }
        for elsewhere in [
            "evil.example:9473",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "giam-sat.example.evil.example",
            "10.0.0.5:9473",
            "[2001:db8::1]:9473",
            "::1",
            "",
        ] {
            assert!(misled(elsewhere), "{elsewhere}");
        }
        assert!(super::misled(&of(&[("host", "giam-sat.example")]), None).is_some());
        assert!(super::misled(&of(&[]), None).is_none(), "no browser");
    }

    #[test]
    fn a_form_does_not() {
        let host = ("host", "127.0.0.1:9473");
        for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", ""] {
            assert!(refused(&[host, ("content-type", kind)]), "{kind}");
        }
        assert!(!refused(&[host, ("content-type", "application/json; charset=utf-8")]));
    }
}
