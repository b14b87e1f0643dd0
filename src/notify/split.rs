//! Long texts in pieces that a service takes, cut where a person would cut. Pure.

/// `text` in pieces of at most `most` units, counted by `units` (which must add up over
/// characters). Pieces end at the end of a line if there is one in them, else between words, else
/// anywhere between two characters. Blank ends of pieces go; an empty text gives no piece.
///
/// A piece is never empty, so a character that alone is larger than `most` stands by itself.
pub(super) fn pieces(text: &str, most: usize, units: impl Fn(char) -> usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut(rest, most, &units));
        pieces.push(piece.trim_end());
        rest = after.trim_start();
    }
    pieces
}

/// How many bytes of `rest` the next piece takes.
fn cut(rest: &str, most: usize, units: &impl Fn(char) -> usize) -> usize {
    let (mut size, mut line, mut word) = (0, None, None);
    for (at, c) in rest.char_indices() {
        match c {
            '\n' => line = Some(at),
            ' ' => word = Some(at),
            _ => {}
        }
        size += units(c);
        if size > most {
            return line.or(word).unwrap_or(at).max(rest.chars().next().map_or(1, char::len_utf8));
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(_: char) -> usize {
        1
    }

    #[test]
    fn a_short_text_is_one_piece() {
        assert_eq!(pieces("một dòng\nhai dòng", 20, one), ["một dòng\nhai dòng"]);
        assert_eq!(pieces("  \n ", 20, one), [""; 0]);
    }

    #[test]
    fn lines_stay_whole_where_they_can() {
        assert_eq!(pieces("aaaa\nbbbb\ncccc", 10, one), ["aaaa\nbbbb", "cccc"]);
        assert_eq!(pieces("aaaa\nbbbb", 4, one), ["aaaa", "bbbb"]);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_words_and_a_word_anywhere() {
        assert_eq!(pieces("Điểm cầu Tân Lập", 10, one), ["Điểm cầu", "Tân Lập"]);
        assert_eq!(pieces("đđđđđđ", 4, one), ["đđđđ", "đđ"]);
    }

    #[test]
    fn a_character_too_large_stands_alone() {
        assert_eq!(pieces("😀😀", 1, char::len_utf16), ["😀", "😀"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_piece_is_too_long(text in "[aă\u{1F600} \n]{0,200}", most in 2usize..30) {
            let cut = pieces(&text, most, char::len_utf16);
            for piece in &cut {
                prop_assert!(!piece.is_empty());
                prop_assert!(piece.chars().map(char::len_utf16).sum::<usize>() <= most);
            }
            let letters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&cut.concat()), letters(&text));
        }
    }
}
