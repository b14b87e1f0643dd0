//! Texts that must not be seen: addresses and keys whose parts let anybody post in our name.

use std::fmt;

/// A text that shows itself only on request.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    /// What of an address may be told: scheme, host and port. User, password, path and query may
    /// hold keys.
    pub(super) fn origin(&self) -> &str {
        let after_scheme = self.0.find("://").map_or(0, |at| at + 3);
        let (scheme, rest) = self.0.split_at(after_scheme);
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        if authority.contains('@') {
            // Cutting the middle out would need a copy; the host alone tells enough.
            return authority.rsplit('@').next().unwrap_or_default();
        }
        &self.0[..scheme.len() + authority.len()]
    }

    /// `text` without this address or any of its telling parts.
    pub(super) fn scrub(&self, text: &str) -> String {
        let mut clean = text.replace(&self.0, "***");
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(authority_end);
        let user = authority.rsplit_once('@').map(|(user, _)| user);
        let parts = user.into_iter().flat_map(|user| user.split(':'));
        let parts = parts.chain(path.split(['/', '?', '#', '&', '=']));
        // Short parts, such as `api`, are no keys and stand in harmless words.
        for part in parts.filter(|part| part.len() >= 8) {
            clean = clean.replace(part, "***");
        }
        clean
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
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
            assert_eq!(Secret::new(address).origin(), told, "{address}");
        }
        assert_eq!(format!("{:?}", Secret::new("https://a/T0K3N")), "***");
    }

    #[test]
    fn an_echoed_key_is_scrubbed() {
        let secret =
            Secret::new("https://someone:password1@h.example/api/T0K3NT0K3N?sig=s1gs1gs1g");
        let echoed = "no such path: /api/T0K3NT0K3N?sig=s1gs1gs1g for someone, password1";
        let clean = secret.scrub(echoed);
        assert_eq!(clean, "no such path: /api/***?sig=*** for someone, ***");
    }
}
