//! Addresses on the web that may hold keys: whoever knows one can post in our name.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::percent_decode_str;

/// An address on the web that shows where it leads, and no more of itself: user, password, path
/// and query may hold keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebAddress(String);

impl WebAddress {
    /// An address as it is written.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// All of it, for the one place that needs it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A place below this one; `path` begins with a slash.
    #[must_use]
    pub fn below(&self, path: &str) -> Self {
        Self(format!("{}{path}", self.0.trim_end_matches('/')))
    }

    /// What may be told of it: scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = self.0.split_at(after_scheme);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.contains('@') {
            // Cutting the middle out would need a copy; the host alone tells enough.
            return authority.rsplit('@').next().unwrap_or_default();
        }
        &self.0[..scheme.len() + authority.len()]
    }

    /// Whether there is nothing in it that may not be told.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.origin() == self.0.trim_end_matches('/')
    }

    /// `text` without this address or any of its telling parts.
    #[must_use]
    pub fn scrub(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut clean = text.replace(&self.0, "***");
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_end);
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        if let Some(user) = user {
            clean = clean.replace(&basic(user), "***");
        }
        let parts = user.into_iter().flat_map(|user| user.split(':'));
        let parts = parts.chain(path.split(['/', '?', '#', '&', '=']));
        for part in parts {
            let meant = percent_decode_str(part).decode_utf8_lossy();
            // Short parts, such as `api`, are no keys and stand in harmless words.
            for form in [part, &*meant].into_iter().filter(|form| form.len() >= 8) {
                clean = clean.replace(form, "***");
            }
        }
        clean
    }
}

/// How user and password of an address are sent (RFC 7617 §2).
fn basic(user: &str) -> String {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let parts: [Vec<u8>; 2] = [name, password].map(|part| percent_decode_str(part).collect());
    BASE64_STANDARD.encode(parts.join(&b':'))
}

impl fmt::Display for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.origin())
    }
}

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebAddress({})", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_are_told() {
        for (address, told) in [
            ("https://hooks.example/services/T0K3N?key=abc", "https://hooks.example"),
            ("http://user:pass@10.0.0.5:9093/x", "10.0.0.5:9093"),
            ("http://10.0.0.5:9093", "http://10.0.0.5:9093"),
            ("http://u:p@host\\@other/x", "host"),
            ("nonsense", "nonsense"),
            ("", ""),
        ] {
            let it = WebAddress::new(address);
            assert_eq!(it.origin(), told, "{address}");
            assert_eq!(format!("{it} {it:?}"), format!("{told} WebAddress({told})"));
        }
    }

    #[test]
    fn an_echoed_key_is_scrubbed() {
        let address =
            WebAddress::new("https://someone:password1@h.example/api/T0K3NT0K3N?sig=s1gs1gs1g");
        let echoed = "no such path: /api/T0K3NT0K3N?sig=s1gs1gs1g for someone, password1";
        let clean = address.scrub(echoed);
        assert_eq!(clean, "no such path: /api/***?sig=*** for someone, ***");
        assert_eq!(WebAddress::new("").scrub("a b"), "a b");
    }

    #[test]
    fn a_key_is_scrubbed_in_every_form_that_it_is_sent_in() {
        // RFC 7617 §2 and its §2.1, with a character that an address cannot hold as it is.
        for (user, sent) in [
            ("Aladdin:open%20sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("test:123%C2%A3", "dGVzdDoxMjPCow=="),
            ("alone", "YWxvbmU6"),
        ] {
            let address = WebAddress::new(format!("https://{user}@h.example/"));
            let told = address.scrub(&format!("authorization: Basic {sent}, no"));
            assert_eq!(told, "authorization: Basic ***, no", "{user}");
        }
        let address = WebAddress::new("https://h.example/?key=secret%2Fkey");
        assert_eq!(address.scrub("secret/key or secret%2Fkey"), "*** or ***");
    }

    #[test]
    fn a_place_below_keeps_the_prefix() {
        for base in ["http://a/b", "http://a/b/"] {
            assert_eq!(WebAddress::new(base).below("/x").reveal(), "http://a/b/x");
        }
    }
}
