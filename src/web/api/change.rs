//! What people send to change something, and what makes it acceptable.

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::model::{Ack, Silence, SilenceId, SiteId, Snapshot};

/// Longest name of a person, in characters.
const NAME: usize = 100;
/// Longest note or reason, in characters.
const NOTE: usize = 1_000;
/// Longest silence: what is not to be told for longer than this belongs into the configuration.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Somebody takes on an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AckRequest {
    by: String,
    #[serde(default)]
    note: String,
    #[serde(default)]
    until: Option<Timestamp>,
}

/// Somebody wants messages held back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SilenceRequest {
    #[serde(default)]
    site: Option<String>,
    #[serde(default)]
    from: Option<Timestamp>,
    until: Timestamp,
    by: String,
    #[serde(default)]
    reason: String,
}

impl AckRequest {
    /// The ack, or why it makes no sense.
    pub(super) fn checked(self, now: Timestamp) -> Result<Ack, String> {
        let Self { by, note, until } = self;
        let by = person(&by)?;
        if until.is_some_and(|until| until <= now) {
            return Err("`until` must lie in the future".to_owned());
        }
        Ok(Ack { by, at: now, note: text("note", &note)?, until })
    }
}

impl SilenceRequest {
    /// The silence, or why it makes no sense.
    pub(super) fn checked(self, snapshot: &Snapshot, now: Timestamp) -> Result<Silence, String> {
        let Self { site, from, until, by, reason } = self;
        let by = person(&by)?;
        let site = site.map(SiteId::new);
        if let Some(unknown) = site.as_ref().filter(|id| snapshot.topology.find_site(id).is_none())
        {
            return Err(format!("`site`: there is no site {:?}", unknown.as_str()));
        }
        let from = from.unwrap_or(now);
        if until <= now || until <= from {
            return Err("`until` must lie in the future and after `from`".to_owned());
        }
        if until.duration_since(from) > LONGEST_SILENCE {
            return Err("a silence lasts 31 days at most".to_owned());
        }
        let id = new_id()?;
        Ok(Silence { id, site, from, until, by, reason: text("reason", &reason)? })
    }
}

/// Who asks for a change: one line.
pub(super) fn person(written: &str) -> Result<String, String> {
    let name = written.trim();
    if name.is_empty() {
        return Err("`by` must say who asks for this".to_owned());
    }
    if name.chars().count() > NAME {
        return Err(format!("`by` is longer than {NAME} characters"));
    }
    if name.chars().any(char::is_control) {
        return Err("`by` holds control characters".to_owned());
    }
    Ok(name.to_owned())
}

/// A text of several lines, without the control characters that could forge others in a log.
pub(super) fn text(field: &str, written: &str) -> Result<String, String> {
    let text = written.trim();
    if text.chars().count() > NOTE {
        return Err(format!("`{field}` is longer than {NOTE} characters"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n') {
        return Err(format!("`{field}` holds control characters"));
    }
    Ok(text.to_owned())
}

/// An id that no other silence has.
fn new_id() -> Result<SilenceId, String> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(SilenceId::new(format!("s-{:016x}", u64::from_be_bytes(bytes))))
}
