//! Guesses at what somebody meant.

use std::cell::Cell;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::diagnostic::Findings;

/// Names that one guess looks at: more than there are sites.
const PATIENCE: usize = 100_000;

/// `did you mean `…`?` with the nearest of `known`, or all of them when they are few.
pub(super) fn nearest<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    out: &Findings,
) -> Option<String> {
    let known: Vec<&str> = known.into_iter().collect();
    match meant_within(word, known.iter().copied(), &out.patience) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if known.is_empty() || known.len() > 12 => None,
        None => Some(format!("known are {}", listed(&known))),
    }
}

/// The one of `known` that was most likely meant; none if nothing is like it.
pub fn meant<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    meant_within(word, known, &Cell::new(PATIENCE))
}

/// The same among many guesses that share what they may cost: one for each name looked at.
pub(super) fn meant_within<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str>,
    patience: &Cell<usize>,
) -> Option<&'a str> {
    let meant = slug(word);
    let far = (meant.chars().count() / 3).max(1);
    known
        .into_iter()
        .take_while(|_| spend(patience))
        .map(|candidate| {
            let near = candidate.len().abs_diff(meant.len()) <= far + 2;
            let distance = if meant.strip_suffix(candidate).is_some_and(|kind| kind.ends_with('-'))
            {
                // The name of a site where its id is asked for: Xã Tân Lập for tan-lap.
                far
            } else if near {
                strsim::damerau_levenshtein(&meant, &slug(candidate))
            } else {
                usize::MAX
            };
            // Of two at the same distance the one that begins alike is meant.
            let alike = strsim::jaro_winkler(&meant, candidate);
            (distance, alike, candidate)
        })
        .filter(|(distance, ..)| *distance <= far)
        .min_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)))
        .map(|(.., candidate)| candidate)
}

/// Hints are worth a moment, not a minute: ten thousand wrong references among ten thousand sites
/// would be a hundred million comparisons.
fn spend(patience: &Cell<usize>) -> bool {
    let left = patience.get();
    patience.set(left.saturating_sub(1));
    left > 0
}

/// `` `a`, `b` and `c` ``.
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.as_slice() {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A text as an id: `Xã Tân Lập` becomes `xa-tan-lap`.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for c in text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'đ' => slug.push('d'),
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(slug.trim_end_matches('-').len());
    slug
}
