//! Keys and tokens, which must not be seen: whoever has one can post in our name.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::model::encoded;

/// Shortest key that is looked for behind a coding. Fewer bytes stand in harmless words by chance.
const SHORTEST_CODED: usize = 4;

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

    /// `text` without this one, as it is, as it stands in a form or an address, and as it stands in
    /// base64, alone or within more, such as a log-in (`AUTH PLAIN`, RFC 4616; HTTP's Basic scheme,
    /// RFC 7617) that a server repeats in its refusal.
    pub(super) fn scrub(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let plain = text.replace(&self.0, "***").replace(&encoded(&self.0), "***");
        if self.0.len() < SHORTEST_CODED { plain } else { self.scrub_coded(&plain) }
    }

    fn scrub_coded(&self, text: &str) -> String {
        let is_code = |c: char| c.is_ascii_alphanumeric() || "+/-_=".contains(c);
        let mut scrubbed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(from) = rest.find(is_code) {
            let (before, code) = rest.split_at(from);
            let (code, after) = code.split_at(code.find(|c| !is_code(c)).unwrap_or(code.len()));
            scrubbed.push_str(before);
            scrubbed.push_str(if self.is_coded_in(code) { "***" } else { code });
            rest = after;
        }
        scrubbed.push_str(rest);
        scrubbed
    }

    /// Whether it stands in this run of base64. What stands before the code without a gap, such as
    /// the slash of an address, shifts where its groups of four begin.
    fn is_coded_in(&self, run: &str) -> bool {
        let config = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent);
        // Padding ends a code; another one may follow.
        run.split('=').filter(|code| code.len() > self.0.len()).any(|code| {
            let alphabets = [&STANDARD, &URL_SAFE].map(|it| GeneralPurpose::new(it, config));
            let holds = |from: usize| {
                let code = &code[from..];
                // A single letter after the last group codes nothing.
                let code = if code.len() % 4 == 1 { &code[..code.len() - 1] } else { code };
                let decoded = alphabets.iter().filter_map(|alphabet| alphabet.decode(code).ok());
                let mut decoded = decoded
                    .map(|bytes| bytes.windows(self.0.len()).any(|part| part == self.0.as_bytes()));
                decoded.any(|found| found)
            };
            (0..4).any(holds)
        })
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
    #[test]
    fn a_log_in_that_a_server_repeats_is_not_told() {
        let key = Secret::new("bi-mat-cua-thu");
        let code = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let coded = [
            code("\0canhbao\0bi-mat-cua-thu"),
            code("canhbao:bi-mat-cua-thu"),
            code("bi-mat-cua-thu"),
            code("x\0bi-mat-cua-thu, and more"),
            code("\0canhbao\0bi-mat-cua-thu").trim_end_matches('=').to_owned(),
        ];
        for code in coded {
            assert_eq!(
                key.scrub(&format!("535 no: AUTH PLAIN {code}.")),
                "535 no: AUTH PLAIN ***."
            );
            assert_eq!(key.scrub(&format!("at /{code}")), "at ***", "{code}");
            assert_eq!(key.scrub(&format!("x{code}")), "***", "{code}");
        }
        let harmless =
            "535 5.7.8 Authentication/credentials-invalid: see https://mail.example/help";
        assert_eq!(key.scrub(harmless), harmless);
        let other = format!("no {}", code("\0canhbao\0something-else"));
        assert_eq!(key.scrub(&other), other);
    }
}
