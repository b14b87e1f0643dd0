//! What is wrong with a text that is not YAML, in words that help whoever wrote it.

use super::brief;
use crate::config::diagnostic::Findings;
use crate::config::source::{File, Span, lines, short};

/// Tells that the syntax is wrong. `message` is of the form `a at line 3 column 5, while b at line
/// 2 column 1`, and `b` is told as the other place.
pub(super) fn not_yaml(file: File, text: &str, at: (usize, usize), message: &str, out: &Findings) {
    let (what, context) = message.split_once(", while ").unwrap_or((message, ""));
    let what = what.split(" at line ").next().unwrap_or(what);
    let (context, begins) = match context.split_once(" at line ") {
        Some((context, place)) => (context, two_numbers(place)),
        None => (context, None),
    };
    let reason = match context {
        "" => format!("this is not YAML: {what}"),
        context => format!("this is not YAML: {what}, while {context}"),
    };
    let span = within(file, text, at);
    let written = lines(text).nth(at.0.saturating_sub(1)).unwrap_or_default();
    let indent = &written[..written.len() - written.trim_start().len()];
    let hint = if indent.contains('\t') {
        Some("YAML forbids tabs for indentation: use spaces".to_owned())
    } else {
        unquoted(what, written).or_else(|| uneven(text, at.0))
    };
    match begins.filter(|begins| *begins != at) {
        Some(begins) => {
            out.clash(span, reason, (within(file, text, begins), "it begins here"), hint);
        }
        None => out.hint(span, reason, hint),
    }
}

/// What a value with a colon in it needs, if that is what the line holds.
fn unquoted(what: &str, line: &str) -> Option<String> {
    let (_, value) = line.split_once(": ").filter(|_| what.starts_with("mapping values"))?;
    let value = value.trim();
    let plain = value.contains(": ") && !value.starts_with(['"', '\'', '[', '{', '&', '*', '!']);
    plain.then(|| format!("a value with a colon in it needs quotes: `\"{}\"`", brief(value)))
}

/// What the indentation of a line says about a syntax error in it.
fn uneven(text: &str, line: usize) -> Option<String> {
    let meant = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let here = lines(text).nth(line.checked_sub(1)?).filter(meant)?;
    let before = lines(text).take(line - 1).filter(meant).last()?;
    // What belongs to a key alone on its line is indented further, and rightly so.
    if before.trim_end().ends_with([':', '|', '>']) {
        return None;
    }
    let (here, before) = (indent(here), indent(before));
    (here != before).then(|| {
        format!(
            "keys that belong together begin in the same column; this line begins in column {}, \
             the one before in column {}",
            here + 1,
            before + 1
        )
    })
}

/// `3 column 5` as numbers.
fn two_numbers(text: &str) -> Option<(usize, usize)> {
    let (line, column) = text.split_once(" column ")?;
    let digits = column.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((line.parse().ok()?, digits.parse().ok()?))
}

/// A place in the text. What lies behind its last line is told at that line's end.
pub(super) fn within(file: File, text: &str, (line, column): (usize, usize)) -> Span {
    let text = text.trim_end();
    let last = lines(text).count();
    let (line, column) =
        if line > last { (last, usize::MAX) } else { (line.max(1), column.max(1)) };
    let length = lines(text).nth(line - 1).unwrap_or_default().chars().count();
    let (column, width) = if column > length { (length + 1, 0) } else { (column, 1) };
    Span { file, line: short(line), column: short(column), width }
}
