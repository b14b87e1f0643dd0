//! Keys and tokens, which must not be seen: whoever has one can post in our name.

use std::fmt;

use crate::model::encoded;

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

    /// `text` without this one, as it is and as it stands in a form or an address.
    pub(super) fn scrub(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        text.replace(&self.0, "***").replace(&encoded(&self.0), "***")
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
    fn a_key_shows_itself_to_nobody() {
        let key = Secret::new("k3y");
        assert_eq!(format!("{key:?}"), "***");
        assert_eq!(key.scrub("no such key: k3y, k3y"), "no such key: ***, ***");
        assert_eq!(Secret::new("k/3=").scrub("key=k%2F3%3D is k/3="), "key=*** is ***");
        assert_eq!(Secret::new("").scrub("a b"), "a b");
    }
}
