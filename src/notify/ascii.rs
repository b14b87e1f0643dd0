//! Vietnamese without diacritics, for short messages. Pure.
//!
//! A short message in the default alphabet of GSM (3GPP TS 23.038, section 6.2.1) holds 160
//! characters; a single letter outside of it makes the whole message UCS-2 with 70. Brand-name
//! gateways in Vietnam take texts without diacritics as the rule.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// `text` in letters of ASCII that take one unit each in the default alphabet of GSM, on one line.
///
/// 1. Vietnamese letters lose their marks; đ and Đ become d and D.
/// 2. Typographic signs become their plain forms.
/// 3. ASCII signs that GSM lacks, or codes in two units, become near ones.
/// 4. What remains becomes `?`, so that nobody reads a name that is not written.
/// 5. Line ends and runs of blanks become one blank.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut blank = false;
    for c in text.trim().nfd().filter(|c| !is_combining_mark(*c)) {
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            plain.push(' ');
        }
        match c {
            'đ' => plain.push('d'),
            'Đ' => plain.push('D'),
            '–' | '—' | '‒' | '−' | '‑' | '·' | '•' | '~' => plain.push('-'),
            '“' | '”' | '„' | '«' | '»' => plain.push('"'),
            '‘' | '’' | '`' => plain.push('\''),
            '…' => plain.push_str("..."),
            '→' => plain.push_str("->"),
            '≥' => plain.push_str(">="),
            '≤' => plain.push_str("<="),
            '×' => plain.push('x'),
            '[' | '{' => plain.push('('),
            ']' | '}' => plain.push(')'),
            '\\' | '|' => plain.push('/'),
            '^' => plain.push('*'),
            ' '..='~' => plain.push(c),
            // Signs that are not seen, such as those that turn the direction of writing.
            '\u{AD}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' => {}
            _ => plain.push('?'),
        }
    }
    plain
}

/// `plain` in at most `most` characters, cut before a word that does not fit whole unless that
/// would cost more than a quarter, with `...` for what is missing.
pub(super) fn shortened(plain: &str, most: usize) -> String {
    if plain.len() <= most || !plain.is_ascii() {
        return plain.chars().take(most).collect();
    }
    let room = most.saturating_sub(3);
    let whole_words =
        if plain.as_bytes()[room] == b' ' { Some(room) } else { plain[..room].rfind(' ') };
    let at = whole_words.filter(|at| *at >= room - room / 4).unwrap_or(room);
    let mut short = plain[..at].trim_end_matches([' ', ',', ';', ':', '.', '-']).to_owned();
    short.push_str(&"..."[..most.min(3)]);
    short
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_vietnamese_letter_loses_its_marks() {
        let small =
            "aàảãáạăằẳẵắặâầẩẫấậ eèẻẽéẹêềểễếệ iìỉĩíị oòỏõóọôồổỗốộơờởỡớợ uùủũúụưừửữứự yỳỷỹýỵ đ";
        let bare =
            "aaaaaaaaaaaaaaaaaa eeeeeeeeeeee iiiiii oooooooooooooooooo uuuuuuuuuuuu yyyyyy d";
        assert_eq!(plain(small), bare);
        assert_eq!(plain(&small.to_uppercase()), bare.to_uppercase());
        // The same text as combining marks, as some keyboards write it.
        assert_eq!(plain(&small.nfd().collect::<String>()), bare);
    }

    #[test]
    fn a_message_reads_on() {
        assert_eq!(
            plain(
                "[NGHIÊM TRỌNG] Điểm cầu xã Tân Lập\nMẤT KẾT NỐI lúc 07:42 – phiên họp “Giao ban”…"
            ),
            "(NGHIEM TRONG) Diem cau xa Tan Lap MAT KET NOI luc 07:42 - phien hop \"Giao ban\"..."
        );
        assert_eq!(plain("日本 ≥ 5 %"), "?? >= 5 %");
    }

    #[test]
    fn what_does_not_fit_goes_word_by_word_from_the_end() {
        assert_eq!(shortened("Tan Lap mat ket noi", 19), "Tan Lap mat ket noi");
        assert_eq!(shortened("Tan Lap mat ket noi", 18), "Tan Lap mat ket...");
        assert_eq!(shortened("Tan Lap mat ket, noi nua", 20), "Tan Lap mat ket...");
        assert_eq!(shortened(&"a".repeat(200), 160).len(), 160);
        assert_eq!(shortened("abcdef", 2), "..");
    }

    const TWO_UNITS: &[u8] = b"[]{}\\|^~`";

    proptest! {
        #[test]
        fn no_text_leaves_the_alphabet_or_the_length(text in any::<String>(), most in 1usize..200) {
            let short = shortened(&plain(&text), most);
            prop_assert!(short.len() <= most);
            let single = short.bytes().all(|b| (b' '..=b'~').contains(&b) && !TWO_UNITS.contains(&b));
            prop_assert!(single);
        }
    }
}
