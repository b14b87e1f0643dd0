//! Texts that exist in both languages, texts as parts of addresses, and errors as texts.

use serde::{Deserialize, Serialize};

use super::Reached;

/// A language that users read.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Vietnamese.
    #[default]
    Vi,
    /// English.
    En,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Vi, Self::En];

    /// One of two texts.
    #[must_use]
    pub const fn pick<'a>(self, vi: &'a str, en: &'a str) -> &'a str {
        match self {
            Self::Vi => vi,
            Self::En => en,
        }
    }

    /// So many milliseconds in seconds, with as many decimals as they have.
    #[must_use]
    pub fn seconds(self, ms: u32) -> String {
        let decimals = format!("{:03}", ms % 1_000);
        match decimals.trim_end_matches('0') {
            "" => format!("{} s", ms / 1_000),
            decimals => format!("{}{}{decimals} s", ms / 1_000, self.pick(",", ".")),
        }
    }

    /// How late a reply came, in the middle of a sentence.
    #[must_use]
    pub fn slow(self, after_ms: u32, limit_ms: u32) -> String {
        let [after, limit] = [after_ms, limit_ms].map(|ms| self.seconds(ms));
        match self {
            Self::Vi => format!("sau {after}, giới hạn {limit}"),
            Self::En => format!("after {after}, limit {limit}"),
        }
    }

    /// How far a conversation came before its time was up.
    #[must_use]
    pub fn stalled(self, reached: Reached, limit_ms: u32) -> String {
        let limit = self.seconds(limit_ms);
        match (self, reached) {
            (Self::Vi, Reached::Connected | Reached::Sent) => {
                format!("nhận kết nối nhưng không trả lời trong {limit}")
            }
            (Self::Vi, Reached::Answering) => {
                format!("bắt đầu trả lời nhưng không xong trong {limit}")
            }
            (Self::En, Reached::Connected | Reached::Sent) => {
                format!("accepts the connection but does not answer within {limit}")
            }
            (Self::En, Reached::Answering) => {
                format!("begins to answer but does not finish within {limit}")
            }
        }
    }

    /// Its code (ISO 639-1), as settings, options and pages have it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    /// The language of a code.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.word() == word)
    }
}

/// One text in Vietnamese and English.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bilingual {
    /// The Vietnamese text.
    pub vi: String,
    /// The English text.
    pub en: String,
}

impl Bilingual {
    /// The text in `language`.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        match language {
            Language::Vi => &self.vi,
            Language::En => &self.en,
        }
    }
}

/// `text` without case and without the marks of Vietnamese letters, its words apart by one space:
/// what people search by who have no such keyboard. "Bằng Lũng" and "bang  lung" become the same.
#[must_use]
pub fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    use unicode_normalization::char::is_combining_mark;
    let bare = text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase);
    // The stroke of đ is no mark to Unicode.
    let bare: String = bare.map(|c| if c == 'đ' { 'd' } else { c }).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a character takes no place, turns the text around or is no text at all. Names hold none,
/// whoever writes them: what nobody sees can make one name look like another, or a line like two.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// `text` for one value in an address or a form: everything but unreserved characters of RFC 3986
/// §2.3 in percent-encoding.
#[must_use]
pub fn encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// An error with everything that led to it, each cause once.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_without_their_marks() {
        assert_eq!(folded("Thị trấn Bằng Lũng"), "thi tran bang lung");
        assert_eq!(folded("  ĐỒNG\tThắng "), "dong thang");
        assert_eq!(folded("Ba\u{306}\u{300}ng"), "bang");
        assert_eq!(folded("\u{301}"), "");
    }
}
