//! The `Date` header of HTTP (RFC 9110 §5.6.7) and SIP (RFC 3261 §20.17): what time a device
//! thinks it is.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Longest text that is looked at; a proper date has 29 bytes.
const LIMIT: usize = 64;

/// The moment named by a `Date` header, or none when it is not a date.
///
/// Both protocols demand the fixed-length form in GMT. Other forms of RFC 2822 are taken as well,
/// since devices write them.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > LIMIT {
        return None;
    }
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_the_standard_is_read() {
        let expected: Timestamp = "1994-11-06T08:49:37Z".parse().unwrap();
        assert_eq!(parse("Sun, 06 Nov 1994 08:49:37 GMT"), Some(expected));
        assert_eq!(parse(" Sun, 6 Nov 1994 08:49:37 +0000 "), Some(expected));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "now", "Sun, 06 Nov 1994", "Sun, 99 Nov 1994 08:49:37 GMT"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&"9".repeat(1000)), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_date_or_none(text in ".{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_written_date_is_read_back(second in 0_i64..4_000_000_000) {
            let at = Timestamp::from_second(second).unwrap();
            let text = at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            proptest::prop_assert_eq!(parse(&text), Some(at));
        }
    }
}
