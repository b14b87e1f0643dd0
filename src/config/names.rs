//! Names that people would take for the same although the machine does not.
//!
//! Vietnamese can be written composed or decomposed (NFC, NFD), which looks the same, and with the
//! tone mark on either vowel of some pairs: `Hòa` and `Hoà` are one word. Two sites whose names
//! differ only like that are one site entered twice, or two that nobody can tell apart.

use std::collections::BTreeMap;

use unicode_normalization::UnicodeNormalization;

use super::diagnostic::Findings;
use super::source::Span;

/// The tone marks of Vietnamese: grave, acute, tilde, hook above, dot below.
const TONES: [char; 5] = ['\u{300}', '\u{301}', '\u{303}', '\u{309}', '\u{323}'];

/// The names seen so far.
#[derive(Default)]
pub(super) struct Names {
    /// By what they are read as: as written, and where.
    by_reading: BTreeMap<String, (String, Span)>,
    /// By name and parent.
    by_place: BTreeMap<(String, Option<usize>), Span>,
}

impl Names {
    /// Adds the name of a site below `parent` and tells when it is too near to one before.
    ///
    /// 1. A name that differs from another only in what is not seen or not meant is refused
    ///    wherever the two sites stand.
    /// 2. The very same name is refused only below the same parent: many districts have a Tân Lập.
    pub(super) fn add(&mut self, written: &str, span: Span, parent: Option<usize>, out: &Findings) {
        let first = self
            .by_reading
            .entry(reading(written))
            .or_insert_with(|| (written.to_owned(), span))
            .clone();
        if first.0 != written {
            let reason =
                format!("this name differs from another only by {}", difference(&first.0, written));
            let hint = format!("write `{}` in both places, or tell the two apart", first.0.nfc());
            out.clash(span, reason, (first.1, "the other"), hint);
            return;
        }
        let place = (written.to_owned(), parent);
        if let Some(other) = self.by_place.get(&place) {
            let reason = "two sites below the same parent have this name";
            out.clash(span, reason, (*other, "the other"), None);
        } else {
            self.by_place.insert(place, span);
        }
    }
}

/// What a name is read as: lower case, with every word's tone marks at its end.
pub(super) fn reading(name: &str) -> String {
    let mut reading = String::new();
    for word in name.split_whitespace() {
        let lower: String = word.to_lowercase();
        let (letters, tones): (Vec<char>, Vec<char>) =
            lower.nfd().partition(|c| !TONES.contains(c));
        reading.extend(letters.into_iter().chain(tones).chain([' ']));
    }
    reading
}

/// How two names that are read alike differ.
fn difference(a: &str, b: &str) -> &'static str {
    let composed = |name: &str| name.nfc().collect::<String>();
    let (a, b) = (composed(a), composed(b));
    if a == b {
        return "Unicode normalisation: one is composed, the other is not";
    }
    let spaced = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
    if spaced(&a) == spaced(&b) {
        return "spaces";
    }
    if a.to_lowercase() == b.to_lowercase() {
        return "capital letters";
    }
    "where the tone mark stands"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_mark_is_read_the_same_on_either_vowel() {
        assert_eq!(reading("Xã Hòa Mục"), reading("Xã Hoà Mục"));
        assert_eq!(reading("Thuỷ"), reading("Thủy"));
        assert_eq!(reading("Quý"), reading("Qúy"));
    }

    #[test]
    fn different_words_are_read_differently() {
        for (a, b) in [("Tân", "Tấn"), ("Hoa", "Hoà"), ("Mỹ", "Mị"), ("Lang", "Lăng"), ("Đa", "Da")]
        {
            assert_ne!(reading(a), reading(b), "{a} and {b}");
        }
    }

    #[test]
    fn composed_and_decomposed_are_read_the_same() {
        let composed = "Đồng Thắng";
        let decomposed: String = composed.nfd().collect();
        assert_ne!(composed, decomposed);
        assert_eq!(reading(composed), reading(&decomposed));
        assert!(difference(composed, &decomposed).contains("normalisation"));
    }
}
