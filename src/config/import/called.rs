//! What a place is called, apart from how somebody wrote it: the kind in front (xã, phường, huyện),
//! abbreviated or not, and the name itself, compared as it is read.

use crate::config::hint::slug;
use crate::config::names::reading;

/// The kinds of places: the word, its abbreviations.
const KINDS: &[(&str, &[&str])] = &[
    ("Xã", &["x"]),
    ("Phường", &["p"]),
    ("Thị trấn", &["tt", "t.t"]),
    ("Đặc khu", &["đk"]),
    ("Huyện", &["h"]),
    ("Quận", &["q"]),
    ("Thị xã", &["tx", "t.x"]),
    ("Thành phố", &["tp", "t.p"]),
    ("Tỉnh", &["t"]),
];

/// What people put in front of the name of a commune without meaning anything else.
const IN_FRONT: &[&str] = &[
    "điểm cầu",
    "ubnd xã",
    "ubnd phường",
    "ubnd thị trấn",
    "ủy ban nhân dân xã",
    "ủy ban nhân dân phường",
    "ủy ban nhân dân thị trấn",
];

/// A name taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Called {
    /// The whole as it is read.
    pub(super) reading: String,
    /// The kind of place, in full.
    pub(super) kind: Option<&'static str>,
    /// The name without its kind, as it is read.
    pub(super) bare: String,
    /// The name without its kind and without accents.
    pub(super) slug: String,
    /// The name as it should be written.
    pub(super) written: String,
}

impl Called {
    pub(super) fn new(name: &str) -> Self {
        let name = without_front(name);
        let (kind, rest, short) = kind(&name);
        let shouted = kind.is_some() && !name.chars().any(char::is_lowercase);
        let bare_name = if shouted { capitalised(&rest) } else { rest };
        let written = match kind {
            Some(kind) if short || shouted => format!("{kind} {bare_name}"),
            _ => name.clone(),
        };
        Self {
            reading: reading(&written),
            kind,
            bare: reading(&bare_name),
            slug: slug(&bare_name),
            written,
        }
    }

    /// Whether the two may be one place: the same name, and not two kinds that differ.
    pub(super) fn may_be(&self, other: &Self) -> bool {
        self.bare == other.bare && (self.kind.is_none() || other.kind.is_none())
            || self.reading == other.reading
    }
}

/// The name without what only says that it is one.
fn without_front(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    for front in IN_FRONT {
        let length = front.split(' ').count();
        let keep = if front.ends_with("cầu") { length } else { length - kind_length(front) };
        if words.len() > length && reading(&words[..length].join(" ")) == reading(front) {
            return without_front(&words[keep..].join(" "));
        }
    }
    words.join(" ")
}

/// How many words at the end of `front` are the kind, which stays.
fn kind_length(front: &str) -> usize {
    if front.ends_with("thị trấn") { 2 } else { 1 }
}

/// The kind in front of a name, the rest, and whether the kind is abbreviated.
fn kind(name: &str) -> (Option<&'static str>, String, bool) {
    let lower = name.to_lowercase();
    let plain = name.is_ascii();
    for (kind, shorts) in KINDS {
        let words = kind.split(' ').count();
        let head: Vec<&str> = name.split(' ').take(words).collect();
        let rest: Vec<&str> = name.split(' ').skip(words).collect();
        let head = head.join(" ");
        let is_kind = reading(&head) == reading(kind) || plain && slug(&head) == slug(kind);
        if is_kind && !rest.is_empty() {
            return (Some(kind), rest.join(" "), false);
        }
        for short in *shorts {
            let Some(rest) = lower.strip_prefix(short) else { continue };
            // `X.Tân Lập` and `X. Tân Lập`, but not `Xuân Lạc`; `TP Bắc Kạn` needs no dot.
            let dot = rest.starts_with('.') || rest.starts_with(' ') && short.len() > 1;
            let rest = rest.trim_start_matches(['.', ' ']);
            if dot && !rest.is_empty() {
                let from = name.char_indices().rev().nth(rest.chars().count() - 1);
                let rest = from.map_or("", |(at, _)| &name[at..]);
                return (Some(kind), rest.to_owned(), true);
            }
        }
    }
    (None, name.to_owned(), false)
}

/// A name in capitals as it is written elsewhere.
fn capitalised(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().into_iter();
        first.chain(letters.flat_map(char::to_lowercase)).collect::<String>()
    };
    name.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_known_however_it_is_abbreviated() {
        for written in [
            "Xã Tân Lập",
            "X. Tân Lập",
            "X.Tân Lập",
            "XÃ TÂN LẬP",
            "xã  Tân Lập",
            "Điểm cầu xã Tân Lập",
            "UBND xã Tân Lập",
        ] {
            let called = Called::new(written);
            assert_eq!(called.kind, Some("Xã"), "{written}");
            assert_eq!(called.reading, Called::new("Xã Tân Lập").reading, "{written}");
            assert_eq!(called.slug, "tan-lap", "{written}");
        }
        assert_eq!(Called::new("TT. Chợ Rã").written, "Thị trấn Chợ Rã");
        assert_eq!(Called::new("TP Bắc Kạn").written, "Thành phố Bắc Kạn");
        assert_eq!(Called::new("XÃ TÂN LẬP").written, "Xã Tân Lập");
    }

    #[test]
    fn a_name_that_only_begins_like_a_kind_is_left_alone() {
        for name in ["Xuân Lạc", "Quân Hà", "Sở Tài chính", "Phúc Lộc", "Thanh Mai", "Xã"]
        {
            let called = Called::new(name);
            assert_eq!((called.kind, called.written.as_str()), (None, name));
        }
    }

    #[test]
    fn tone_marks_and_missing_kinds_do_not_make_another_place() {
        assert!(Called::new("Xã Hòa Mục").may_be(&Called::new("Hoà Mục")));
        assert!(Called::new("Xã Hòa Mục").may_be(&Called::new("X. Hoà Mục")));
        assert!(!Called::new("Xã Chợ Rã").may_be(&Called::new("Thị trấn Chợ Rã")));
    }
}
