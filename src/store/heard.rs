//! What is on record of a channel's recipients: who has, or refuses, a message that waits for the
//! others of them, and who is not reached any more.

use std::fmt;

use jiff::Timestamp;
use ring::digest::{SHA256, digest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::model::{NotificationId, NotificationKind};

/// Bytes of a hash that are kept: none of a channel's recipients is ever taken for another one.
const KEPT: usize = 8;

/// A recipient by a hash of their number or address, which is nobody's business who reads the
/// outbox. It stays the same when others are added before them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecipientKey(String);

/// What one of several recipients has of a message that waits for the others, or that they refuse
/// it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// Who.
    pub recipient: RecipientKey,
    /// The last message about the incident that they have or refuse: this one, or one that it
    /// overtook.
    pub message: NotificationId,
    /// How much of it.
    pub has: Has,
}

/// How much of a message somebody has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Has {
    /// All, told as this.
    Whole(NotificationKind),
    /// The first so many pieces of its text.
    Pieces(usize),
    /// Nothing, or no more than they have: they refuse it for good, in these words, which hold no
    /// secrets.
    Refused(String),
}

/// One of several recipients who is not reached any more, though others are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refuses {
    /// Who.
    pub recipient: RecipientKey,
    /// Since when.
    pub since: Timestamp,
    /// What the service said last, without secrets.
    pub reason: String,
}

impl RecipientKey {
    /// Who is reached at this number or address.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let hash = digest(&SHA256, name.as_bytes());
        Self(hash.as_ref().iter().take(KEPT).map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What stands in the table; nothing for nobody.
pub(super) fn written<T: Serialize>(all: &[T]) -> rusqlite::Result<Option<String>> {
    let text = (!all.is_empty()).then(|| serde_json::to_string(all)).transpose();
    text.map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))
}

/// What stood in the table. What cannot be read is as good as unknown: it is learned again.
pub(super) fn read<T: DeserializeOwned>(text: Option<String>) -> Vec<T> {
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipient_has_a_key_of_their_own_that_does_not_tell_who_they_are() {
        let key = RecipientKey::of("0912 345 901");
        assert_eq!(key, RecipientKey::of("0912 345 901"));
        assert_ne!(key, RecipientKey::of("0912 345 902"));
        assert!(!format!("{key:?}").contains("345"), "{key:?}");
    }
}
