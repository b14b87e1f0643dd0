//! What stands in braces in the request to a gateway for short messages.
//!
//! Many gateways say "accepted" to anything. A name that is misspelt, or a request without the
//! number or the text, would be noticed by nobody but whoever waits for a message.

use crate::config::SmsHttpSettings;
use crate::config::diagnostic::Findings;
use crate::config::hint::{meant_within, nearest};
use crate::config::source::Span;
use crate::config::yaml::brief;

/// Shorter texts are no keys.
const KEY: usize = 8;

/// Tells names in braces that stand for nothing, and, if `told` says that nothing else is wrong
/// with the request, that the number or the text stands nowhere in it; that is told at `url`.
/// `texts` are all that are filled in, `secrets` the names of the secrets.
pub(super) fn judge(
    texts: &[(Span, &str)],
    secrets: &[&str],
    url: Span,
    told: impl Fn() -> bool,
    out: &Findings,
) {
    let known: Vec<&str> =
        SmsHttpSettings::GIVEN.into_iter().chain(secrets.iter().copied()).collect();
    for (span, text) in texts {
        if may_hold_a_key(text, &known) {
            out.hide(*span);
        }
        for name in names(text).filter(|name| !known.contains(name) && is_meant(name)) {
            let braced: Vec<String> = known.iter().map(|name| format!("{{{name}}}")).collect();
            let hint = nearest(name, braced.iter().map(String::as_str), out);
            // What is near no name may be a key, put in braces as the manual of a gateway has it.
            let near = meant_within(name, known.iter().copied(), &out.patience);
            let is_no_key = name.len() < near.map_or(0, str::len) + KEY;
            let what = is_no_key.then(|| format!("`{{{}}}`", brief(name)));
            let what = what.as_deref().unwrap_or("a name in braces");
            let reason = format!("nothing is put in the place of {what}");
            out.hint(*span, reason, hint);
        }
    }
    if told() {
        return;
    }
    for (name, what) in [("phone", "whom a message is for"), ("text", "what a message says")] {
        if !texts.iter().any(|(_, text)| names(text).any(|it| it == name)) {
            let hint = "write it into `url`, or into a text of `form`, `json` or `headers`";
            let reason = format!("`{{{name}}}` stands nowhere: the gateway never learns {what}");
            out.hint(url, reason, hint.to_owned());
        }
    }
}

/// What stands in braces, as it is looked for when a request is filled in.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('{').filter_map(|(at, _)| Some(text[at + 1..].split_once('}')?.0))
}

/// Whether somebody means a name by it, and not a piece of another notation such as JSON.
fn is_meant(name: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.');
    name.chars().any(char::is_alphanumeric) && name.chars().all(plain)
}

/// Whether there is more in it than what is filled in, and enough for a key.
fn may_hold_a_key(text: &str, known: &[&str]) -> bool {
    let filled = |rest: String, name: &&str| rest.replace(&format!("{{{name}}}"), "");
    known.iter().fold(text.to_owned(), filled).len() >= KEY
}
