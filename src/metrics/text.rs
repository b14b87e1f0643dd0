//! The text exposition format 0.0.4: families, label values, numbers.
//!
//! A province has tens of thousands of series that change at every scrape. Writing them straight
//! into text costs a tenth of keeping a metric object for each.
//!
//! 1. A family is written in one piece: `HELP`, `TYPE`, then its series.
//! 2. A family without a series is not written at all.
//! 3. In label values, backslash, double quote and line feed are escaped; in help texts backslash
//!    and line feed. Everything else is UTF-8 as it stands.
//! 4. Numbers have at most six decimals, never an exponent: a microsecond is finer than any
//!    judgement made here, and shorter numbers make a smaller page.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use super::table::Metric;

/// How much of a page gathers before it is handed on, in bytes.
const PIECE: usize = 16 << 10;

/// A page under way. The whole of ten thousand endpoints takes more memory than all else that is
/// known of them, so it is handed on in pieces.
pub struct Page<'t> {
    text: String,
    take: &'t mut dyn FnMut(&str),
}

impl Page<'_> {
    /// Has `write` write a page, of which `take` gets one piece after the other.
    pub fn in_pieces(take: &mut dyn FnMut(&str), write: impl FnOnce(&mut Page<'_>)) {
        let mut page = Page { text: String::with_capacity(2 * PIECE), take };
        write(&mut page);
        page.hand_on();
    }

    /// The page that `write` writes, in one piece.
    #[must_use]
    pub fn whole(write: impl FnOnce(&mut Page<'_>)) -> String {
        let mut whole = String::new();
        Self::in_pieces(&mut |piece| whole.push_str(piece), write);
        whole
    }

    /// The end of the text, to be written on.
    pub(super) fn text(&mut self) -> &mut String {
        if self.text.len() >= PIECE {
            self.hand_on();
        }
        &mut self.text
    }

    fn hand_on(&mut self) {
        (self.take)(&self.text);
        self.text.clear();
    }
}

/// One family being written.
pub(super) struct Family<'o, 't> {
    out: &'o mut Page<'t>,
    metric: &'static Metric,
    opened: bool,
}

impl<'o, 't> Family<'o, 't> {
    /// Begins the family; nothing is written before its first series.
    pub(super) fn new(out: &'o mut Page<'t>, metric: &'static Metric) -> Self {
        Self { out, metric, opened: false }
    }

    /// Writes one series. `labels` is a finished list such as [`push_label`] makes.
    pub(super) fn series(&mut self, labels: &str, value: impl Value) {
        let text = self.begin();
        if !labels.is_empty() {
            text.push('{');
            text.push_str(labels);
            text.push('}');
        }
        end(text, value);
    }

    /// Writes one series with one more label, whose value needs no escaping because it is a word
    /// of ours.
    pub(super) fn series_with(
        &mut self,
        labels: &str,
        name: &str,
        word: &'static str,
        value: impl Value,
    ) {
        let text = self.begin();
        text.push('{');
        text.push_str(labels);
        if !labels.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        text.push_str(word);
        text.push_str("\"}");
        end(text, value);
    }

    fn begin(&mut self) -> &mut String {
        let text = self.out.text();
        if !self.opened {
            self.opened = true;
            let Metric { name, kind, help, .. } = self.metric;
            text.push_str("# HELP ");
            text.push_str(name);
            text.push(' ');
            push_help(text, help);
            text.push_str("\n# TYPE ");
            text.push_str(name);
            text.push(' ');
            text.push_str(kind.word());
            text.push('\n');
        }
        text.push_str(self.metric.name);
        text
    }
}

fn end(text: &mut String, value: impl Value) {
    text.push(' ');
    value.push(text);
    text.push('\n');
}

/// Appends `name="value"` to a list of labels, escaped.
pub(super) fn push_label(list: &mut String, name: &str, value: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(name);
    list.push_str("=\"");
    push_escaped(list, value, true);
    list.push('"');
}

fn push_help(out: &mut String, help: &str) {
    push_escaped(out, help, false);
}

/// Rule 3. Texts without anything to escape, nearly all of them, are copied in one piece.
fn push_escaped(out: &mut String, text: &str, quotes: bool) {
    let special = |c: char| c == '\\' || c == '\n' || (quotes && c == '"');
    let mut rest = text;
    while let Some(at) = rest.find(special) {
        out.push_str(&rest[..at]);
        out.push('\\');
        out.push(if rest.as_bytes()[at] == b'\n' { 'n' } else { char::from(rest.as_bytes()[at]) });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Something that can stand as the value of a series.
pub(super) trait Value {
    /// Appends the number.
    fn push(self, out: &mut String);
}

impl Value for bool {
    fn push(self, out: &mut String) {
        out.push(if self { '1' } else { '0' });
    }
}

impl Value for u64 {
    fn push(self, out: &mut String) {
        push_integer(out, self);
    }
}

impl Value for u32 {
    fn push(self, out: &mut String) {
        push_integer(out, u64::from(self));
    }
}

impl Value for i64 {
    fn push(self, out: &mut String) {
        if self < 0 {
            out.push('-');
        }
        push_integer(out, self.unsigned_abs());
    }
}

/// Seconds.
impl Value for Duration {
    fn push(self, out: &mut String) {
        push_integer(out, self.as_secs());
        push_fraction(out, self.subsec_micros());
    }
}

/// Unix seconds; the milliseconds are kept.
impl Value for Timestamp {
    fn push(self, out: &mut String) {
        let milliseconds = self.as_millisecond();
        if milliseconds < 0 {
            out.push('-');
        }
        let milliseconds = milliseconds.unsigned_abs();
        push_integer(out, milliseconds / 1000);
        let rest = u32::try_from(milliseconds % 1000).unwrap_or_default();
        push_fraction(out, rest * 1000);
    }
}

/// A figure of seven digits: no more of them are shown.
impl Value for f32 {
    #[allow(clippy::cast_possible_truncation, reason = "it was one of those before")]
    fn push(self, out: &mut String) {
        if !self.is_finite() {
            return f64::from(self).push(out);
        }
        let rounded = (f64::from(self) * 1e6).round() / 1e6;
        // Writing to a string cannot fail. The shortest text that is this number has no digits
        // that come from the way from one width to the other.
        let _ = write!(out, "{}", rounded as f32);
    }
}

impl Value for f64 {
    fn push(self, out: &mut String) {
        if self.is_nan() {
            out.push_str("NaN");
        } else if self.is_infinite() {
            out.push_str(if self > 0.0 { "+Inf" } else { "-Inf" });
        } else {
            let rounded = (self * 1e6).round() / 1e6;
            // A number too large to be scaled has no decimals to round.
            let shown = if rounded.is_finite() { rounded } else { self };
            // Writing to a string cannot fail.
            let _ = write!(out, "{shown}");
        }
    }
}

/// Appends a whole number. The formatting machinery of the standard library takes several times
/// as long, and this runs for every series.
fn push_integer(out: &mut String, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder of ten is below ten.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.push_str(std::str::from_utf8(&digits[at..]).unwrap_or_default());
}

/// Appends the fraction of `millionths`, below a million, without trailing zeros; nothing when it
/// is zero.
fn push_fraction(out: &mut String, mut millionths: u32) {
    if millionths == 0 {
        return;
    }
    out.push('.');
    let mut unit = 100_000;
    while millionths > 0 {
        out.push(char::from(b'0' + u8::try_from(millionths / unit).unwrap_or_default()));
        millionths %= unit;
        unit /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: impl Value) -> String {
        let mut out = String::new();
        value.push(&mut out);
        out
    }

    #[test]
    fn numbers_are_short_and_have_no_exponent() {
        assert_eq!(shown(0_u64), "0");
        assert_eq!(shown(u64::MAX), "18446744073709551615");
        assert_eq!(shown(-7_i64), "-7");
        assert_eq!(shown(i64::MIN), "-9223372036854775808");
        assert_eq!(shown(Duration::from_nanos(12_345_678)), "0.012345");
        assert_eq!(shown(Duration::from_micros(1_500_000)), "1.5");
        assert_eq!(shown(Duration::from_micros(7)), "0.000007");
        assert_eq!(shown(Duration::from_secs(60)), "60");
        assert_eq!(shown(1.0 / 60.0), "0.016667");
        assert_eq!(shown(4.41), "4.41");
        assert_eq!(shown(0.000_000_1), "0");
        assert_eq!(shown(f64::NAN), "NaN");
        assert_eq!(shown(f64::INFINITY), "+Inf");
        assert_eq!(shown(f64::NEG_INFINITY), "-Inf");
        assert!(!shown(f64::MAX).contains(['e', 'E']));
        assert_eq!(shown(true), "1");
    }

    #[test]
    fn times_are_unix_seconds() {
        let at: Timestamp = "2023-11-24T00:30:00.25Z".parse().unwrap();
        assert_eq!(shown(at), "1700785800.25");
        let before: Timestamp = "1969-12-31T23:59:58.5Z".parse().unwrap();
        assert_eq!(shown(before), "-1.5");
    }

    #[test]
    fn every_duration_reads_back_to_the_microsecond() {
        for micros in [1_u64, 10, 99, 100_000, 999_999, 1_000_001, 86_400_000_000] {
            let text = shown(Duration::from_micros(micros));
            let read: f64 = text.parse().unwrap();
            #[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
            let expected = micros as f64 / 1e6;
            assert!((read - expected).abs() < 1e-9, "{micros} became {text}");
        }
    }

    #[test]
    fn only_what_the_format_names_is_escaped() {
        let mut list = String::new();
        push_label(&mut list, "name", "Xã \"Tân\\Lập\"\n\tBắc Kạn");
        assert_eq!(list, "name=\"Xã \\\"Tân\\\\Lập\\\"\\n\tBắc Kạn\"");
        let mut help = String::new();
        push_help(&mut help, "says \"no\"\\\n");
        assert_eq!(help, "says \"no\"\\\\\\n");
    }
}
