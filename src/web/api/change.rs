//! What people send to change something, and what makes it acceptable.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::model::{
    Ack, HandOver, Incident, Maintenance, PersonId, RotaId, Silence, SilenceId, SiteId, Snapshot,
    is_unseen,
};
use crate::web::acks::{Circumstances, Until};
use crate::web::gate::Caller;

/// Longest name of a person, in characters.
const NAME: usize = 100;
/// Longest note or reason, in characters.
const NOTE: usize = 1_000;
/// Most sites that one announcement names; each stands for all below it.
const SITES: usize = 1_000;
/// Most people who have a duty together.
const ON_DUTY: usize = 20;
/// Longest silence: what is not to be told for longer than this belongs into the configuration.
const LONGEST_SILENCE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Most silences that are on or to come, and most windows of planned work: each is looked at for
/// every incident. Who asks at the same moment as others may get one more.
const MOST: usize = 1_000;
/// How far ahead one may begin.
const FURTHEST: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Why what somebody sent makes no sense, for them to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web) struct Unfit(String);

impl Unfit {
    pub(in crate::web) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unfit {}

impl From<Unfit> for String {
    fn from(unfit: Unfit) -> Self {
        unfit.0
    }
}

/// Somebody takes on an incident.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AckRequest {
    #[serde(default)]
    by: Option<String>,
    /// None is refused with what it is for.
    #[serde(default)]
    note: String,
    #[serde(default)]
    until: Option<String>,
    #[serde(default)]
    take_over: bool,
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
    #[serde(default)]
    by: Option<String>,
    #[serde(default)]
    reason: String,
}

/// Somebody announces planned work.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MaintenanceRequest {
    sites: Vec<String>,
    #[serde(default)]
    from: Option<Timestamp>,
    until: Timestamp,
    #[serde(default)]
    by: Option<String>,
    reason: String,
}

/// Somebody hands the duty by a rota over.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HandOverRequest {
    people: Vec<String>,
    until: Timestamp,
    #[serde(default)]
    by: Option<String>,
    reason: String,
}

/// Somebody ends what was to last longer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Ending {
    #[serde(default)]
    by: Option<String>,
}

impl Ending {
    /// Who ends it, as far as that is known: what is told again afterwards harms nobody who need
    /// be asked.
    pub(super) fn by(&self, caller: &Caller) -> Result<Option<String>, Unfit> {
        let is_said = self.by.as_deref().is_some_and(|by| !by.trim().is_empty());
        let is_known = is_said || caller.name.is_some();
        is_known.then(|| signed(self.by.as_deref(), caller)).transpose()
    }
}

impl AckRequest {
    /// Whether whoever has the incident is to be relieved of it.
    pub(super) const fn takes_over(&self) -> bool {
        self.take_over
    }

    /// The ack, or why it makes no sense.
    pub(super) fn checked(
        self,
        caller: &Caller,
        incident: &Incident,
        circumstances: &Circumstances<'_>,
    ) -> Result<Ack, Unfit> {
        let Self { by, note, until, take_over: _ } = self;
        let by = signed(by.as_deref(), caller)?;
        circumstances.ack(incident, by, &note, Until::read(until.as_deref())?)
    }
}

impl SilenceRequest {
    /// The silence, or why it makes no sense.
    pub(super) fn checked(
        self,
        caller: &Caller,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Silence, Unfit> {
        let Self { site, from, until, by, reason } = self;
        let by = signed(by.as_deref(), caller)?;
        let site = site.map(SiteId::new);
        if let Some(unknown) = site.as_ref().filter(|id| snapshot.topology.find_site(id).is_none())
        {
            return Err(Unfit::new(format!("`site`: there is no site {:?}", unknown.as_str())));
        }
        let from = from.unwrap_or(now);
        bounded("a silence", from, until, now)?;
        new_silence(snapshot, site, (from, until), by, &reason)
    }
}

impl MaintenanceRequest {
    /// The window, or why it makes no sense.
    pub(super) fn checked(
        self,
        caller: &Caller,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Result<Maintenance, Unfit> {
        let Self { sites, from, until, by, reason } = self;
        let by = signed(by.as_deref(), caller)?;
        if sites.is_empty() || sites.len() > SITES {
            return Err(Unfit::new(format!("`sites` must name 1 to {SITES} sites")));
        }
        let sites: Vec<SiteId> = sites.into_iter().map(SiteId::new).collect();
        if let Some(unknown) = sites.iter().find(|id| snapshot.topology.find_site(id).is_none()) {
            return Err(Unfit::new(format!("`sites`: there is no site {:?}", unknown.as_str())));
        }
        let from = from.unwrap_or(now);
        bounded("planned work", from, until, now)?;
        new_window(snapshot, sites, (from, until), by, &reason)
    }
}

impl HandOverRequest {
    /// Who has the duty until when, or why that makes no sense.
    pub(super) fn checked(
        self,
        caller: &Caller,
        rota: RotaId,
        known: &[(PersonId, String)],
        now: Timestamp,
    ) -> Result<HandOver, Unfit> {
        let Self { people, until, by, reason } = self;
        let by = signed(by.as_deref(), caller)?;
        if people.is_empty() || people.len() > ON_DUTY {
            return Err(Unfit::new(format!("`people` must name 1 to {ON_DUTY} people")));
        }
        let mut who: Vec<PersonId> = Vec::new();
        for id in people.into_iter().map(PersonId::new) {
            if !known.iter().any(|(it, _)| *it == id) {
                let ids: Vec<&str> = known.iter().map(|(it, _)| it.as_str()).take(30).collect();
                let why = format!(
                    "`people`: there is no person {:?} in the settings; there is {}",
                    id.as_str(),
                    ids.join(", ")
                );
                return Err(Unfit::new(why));
            }
            if !who.contains(&id) {
                who.push(id);
            }
        }
        bounded("a duty that is handed over", now, until, now)?;
        let reason = said("why it is handed over", &reason)?;
        Ok(HandOver { rota, people: who, until, by, at: now, reason, relieved: Vec::new() })
    }
}

/// Whether a stretch of time lies ahead and ends before people forget it.
fn bounded(what: &str, from: Timestamp, until: Timestamp, now: Timestamp) -> Result<(), Unfit> {
    if until <= now || until <= from {
        return Err(Unfit::new("`until` must lie in the future and after `from`"));
    }
    if until.duration_since(from) > LONGEST_SILENCE {
        return Err(Unfit::new(format!("{what} lasts 31 days at most")));
    }
    if from.duration_since(now) > FURTHEST {
        return Err(Unfit::new(format!(
            "`from` lies too far off: {what} begins within 366 days; announce it nearer the time"
        )));
    }
    Ok(())
}

/// A silence with an id of its own: there is room for it, and it says why. Whoever comes after
/// finds messages missing and wants to know.
pub(in crate::web) fn new_silence(
    snapshot: &Snapshot,
    site: Option<SiteId>,
    (from, until): (Timestamp, Timestamp),
    by: String,
    reason: &str,
) -> Result<Silence, Unfit> {
    room("silences", "silences", snapshot.silences.len())?;
    let reason = said("why messages are held back", reason)?;
    Ok(Silence { id: numbered("s")?, site, from, until, by, reason })
}

/// Planned work, if there is room for it and a reason.
pub(in crate::web) fn new_window(
    snapshot: &Snapshot,
    sites: Vec<SiteId>,
    (from, until): (Timestamp, Timestamp),
    by: String,
    reason: &str,
) -> Result<Maintenance, Unfit> {
    room("windows of planned work", "maintenance", snapshot.maintenance.len())?;
    let reason = said("what is done", reason)?;
    Ok(Maintenance { id: numbered("m")?, sites, from, until, by, reason })
}

/// A reason, which there must be.
fn said(what: &str, reason: &str) -> Result<String, Unfit> {
    let reason = text("reason", reason)?;
    if reason.is_empty() {
        return Err(Unfit::new(format!("`reason` must say {what}")));
    }
    Ok(reason)
}

fn room(what: &str, path: &str, there: usize) -> Result<(), Unfit> {
    if there < MOST {
        return Ok(());
    }
    Err(Unfit::new(format!(
        "there are {there} {what} already, as many as can be; see them at /api/v1/{path}, and end \
         those that nobody needs with DELETE /api/v1/{path}/ID"
    )))
}

/// Who asks for a change: the name that they give, and the user who vouches for it. Whoever has
/// logged in need not give one.
pub(in crate::web) fn signed(by: Option<&str>, caller: &Caller) -> Result<String, Unfit> {
    match (by.filter(|by| !by.trim().is_empty()), &caller.name) {
        (None, Some(user)) => Ok(user.to_string()),
        (by, None) => person(by.unwrap_or_default()),
        (Some(by), Some(user)) => {
            let by = person(by)?;
            Ok(if *by == **user { by } else { format!("{by} ({user})") })
        }
    }
}

/// The name of a person: one line.
pub(in crate::web) fn person(written: &str) -> Result<String, Unfit> {
    let name = written.trim();
    if name.is_empty() {
        return Err(Unfit::new("`by` must say who asks for this"));
    }
    if name.chars().count() > NAME {
        return Err(Unfit::new(format!("`by` is longer than {NAME} characters")));
    }
    if name.chars().any(is_unseen) {
        return Err(Unfit::new("`by` holds control characters or others that nobody sees"));
    }
    Ok(name.to_owned())
}

/// A text, as one line: in a message or a log a second one would pass for somebody else's words.
pub(in crate::web) fn text(field: &str, written: &str) -> Result<String, Unfit> {
    let text = written.trim();
    if text.chars().count() > NOTE {
        return Err(Unfit::new(format!("`{field}` is longer than {NOTE} characters")));
    }
    if text.chars().any(|c| is_unseen(c) && !matches!(c, '\n' | '\r' | '\t')) {
        let why = format!("`{field}` holds control characters or others that nobody sees");
        return Err(Unfit::new(why));
    }
    Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// An id that nothing else has.
fn numbered(letter: &str) -> Result<SilenceId, Unfit> {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).map_err(|error| Unfit::new(format!("no randomness: {error}")))?;
    Ok(SilenceId::new(format!("{letter}-{:016x}", u64::from_be_bytes(bytes))))
}
