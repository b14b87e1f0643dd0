//! What was in all the histories that a property was tried on.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::Mutex;

use super::{HISTORIES, histories};

/// How often each thing was seen, by what it is.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    pub(super) fn add(&self, what: &str, times: usize) {
        if times == 0 {
            return;
        }
        let mut seen = self.0.lock().unwrap();
        match seen.get_mut(what) {
            Some(known) => *known += times,
            None => {
                seen.insert(what.to_owned(), times);
            }
        }
    }

    /// How often something was seen.
    pub(super) fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    /// Fails where something was not [seen](Self::shows) without which the property says nothing:
    /// once in as many histories as there usually are. In fewer not everything needs to be.
    pub(super) fn holds(self, property: &str, must: &[&str]) {
        self.shows(property, must, (histories() / HISTORIES) as usize);
    }

    /// Prints what was seen, and fails where something was seen less often.
    pub(super) fn shows(self, property: &str, must: &[&str], least: usize) {
        let seen = self.0.into_inner().unwrap();
        let words: Vec<String> = seen.iter().map(|(what, n)| format!("{what} {n}")).collect();
        // Printed whether or not the test passes: a property that holds of nothing looks the same.
        let mut out = std::io::stderr().lock();
        let seed = crate::simulate::seed();
        writeln!(out, "\n{property}, HISTORIES_SEED={seed}: {}", words.join(", ")).unwrap();
        let seen = |what: &str| seen.get(what).copied().unwrap_or_default();
        let missing: Vec<_> = must.iter().filter(|what| seen(what) < least).collect();
        assert!(missing.is_empty(), "seen less than {least} times: {missing:?}");
    }
}
