//! The outbox: what is still to be told, and how far each message is.

use jiff::Timestamp;
use rusqlite::{Connection, Row};
use serde::{Deserialize, Serialize};

use super::heard::{self, Heard, Refuses};
use super::value::{instant, nanos, parse};
use super::{Store, StoreError};
use crate::model::{
    ChannelId, IncidentId, Notification, NotificationId, NotificationKind, Refusal,
};

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarkState {
    /// It waits for its first or next attempt.
    Waiting,
    /// The receiver accepted it.
    Delivered,
    /// It was given up.
    Failed,
    /// It needs no sending any more: a later one tells it.
    Withdrawn,
}

/// A message as the outbox knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// What it says.
    pub notification: Notification,
    /// How far it is. Its instant is when it was settled, or when it was decided.
    pub mark: Mark,
}

impl MarkState {
    fn of(number: i64) -> Self {
        match number {
            1 => Self::Delivered,
            2 => Self::Failed,
            3 => Self::Withdrawn,
            _ => Self::Waiting,
        }
    }

    /// The number in the table.
    const fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Delivered => 1,
            Self::Failed => 2,
            Self::Withdrawn => 3,
        }
    }
}

/// Everything about a message that changes on its way. The newest mark of a message replaces the
/// one before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which message.
    pub id: NotificationId,
    /// How far it is.
    pub state: MarkState,
    /// When it got there.
    pub at: Timestamp,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt is due. Where nobody has it and an error stands beside it, the channel
    /// has accepted nothing since.
    pub next_attempt: Option<Timestamp>,
    /// What the last attempt said, why it was withdrawn, or which recipients refuse what the others
    /// have. Holds no secrets.
    pub error: Option<String>,
    /// The name under which it leaves together with others.
    pub bundle: Option<NotificationId>,
    /// The channel that tells it as well, because its own one does not work.
    pub fallback: Option<ChannelId>,
    /// What it is about for the receiver, who may not have heard the message before.
    pub told_as: NotificationKind,
    /// Which of several recipients have it, or refuse it, while it waits for the others.
    #[serde(default)]
    pub heard: Vec<Heard>,
    /// Which recipients of its channel are not reached, when it is delivered.
    #[serde(default)]
    pub refusing: Vec<Refuses>,
}

/// A message that waited when the daemon ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Waiting {
    /// The message.
    pub notification: Notification,
    /// Attempts made so far.
    pub attempts: u32,
    /// When the next attempt is due.
    pub next_attempt: Option<Timestamp>,
    /// What the last attempt said.
    pub error: Option<String>,
    /// The name under which it leaves together with others.
    pub bundle: Option<NotificationId>,
    /// The channel that tells it as well.
    pub fallback: Option<ChannelId>,
    /// What it is about for the receiver.
    pub told_as: NotificationKind,
    /// Which of several recipients have it, or refuse it.
    pub heard: Vec<Heard>,
    /// The oldest message that was withdrawn for it, which nobody heard of either.
    pub overtook: Option<NotificationId>,
}

/// A channel has told of an incident in place of another one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StandIn {
    /// The channel that should have told.
    pub channel: ChannelId,
    /// Of what.
    pub incident: IncidentId,
    /// The channel that has.
    pub fallback: ChannelId,
}

/// What the courier takes up when the daemon starts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outstanding {
    /// Messages that wait, in the order in which they were decided.
    pub messages: Vec<Waiting>,
    /// Who told of what is still on in place of whom.
    pub stand_ins: Vec<StandIn>,
    /// Which channels have accepted which drills, in order.
    pub drills: Vec<(ChannelId, IncidentId)>,
    /// What was given up about incidents that are not over, in order.
    pub given_up: Vec<Refusal>,
    /// Which recipients of which channels were not reached with the last that was delivered.
    pub refusing: Vec<(ChannelId, Vec<Refuses>)>,
    /// When each channel last accepted anything.
    pub accepted: Vec<(ChannelId, Timestamp)>,
}

/// The outbox of one channel in figures, over the time that the outbox is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelTotals {
    /// Which channel.
    pub channel: ChannelId,
    /// Messages that wait.
    pub queued: u64,
    /// Messages that were accepted.
    pub delivered: u64,
    /// Messages that were given up.
    pub failed: u64,
    /// Messages that needed no sending any more.
    pub withdrawn: u64,
    /// Attempts beyond the first of each message.
    pub retried: u64,
    /// When the oldest waiting message was decided.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// What is left to tell, and what whoever tells it must know.
    ///
    /// # Errors
    /// When SQLite cannot read the table.
    pub fn outstanding(&self) -> Result<Outstanding, StoreError> {
        self.as_decided(|db| {
            Ok(Outstanding {
                messages: waiting(db)?,
                stand_ins: stand_ins(db)?,
                drills: drills(db)?,
                given_up: given_up(db)?,
                refusing: refusing(db)?,
                accepted: accepted(db)?,
            })
        })
    }

    /// The messages that wait, in the order in which they were decided. One that cannot be read
    /// is logged and left where it is.
    ///
    /// # Errors
    /// When SQLite cannot read the table.
    pub fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.as_decided(waiting)
    }

    /// The last message that each channel accepted about each incident that is not over, for
    /// channels that tell again of what stands. One that cannot be read is left out.
    ///
    /// # Errors
    /// When SQLite cannot read the table.
    pub fn standing(&self) -> Result<Vec<Notification>, StoreError> {
        self.as_decided(standing)
    }
}

/// Who was not reached with the last that each channel accepted.
fn refusing(db: &Connection) -> rusqlite::Result<Vec<(ChannelId, Vec<Refuses>)>> {
    let mut select = db.prepare(
        "SELECT it.channel, it.refusing, max(it.seq)
         FROM (SELECT channel, max(settled) AS settled FROM outbox
               WHERE state = 1 GROUP BY channel) AS last
         JOIN outbox AS it ON it.channel = last.channel AND it.settled = last.settled
         WHERE it.state = 1 GROUP BY it.channel",
    )?;
    let rows = select.query_map([], |row| {
        Ok((ChannelId::new(row.get::<_, String>(0)?), heard::read(row.get(1)?)))
    })?;
    rows.collect()
}

/// When each channel last accepted anything.
fn accepted(db: &Connection) -> rusqlite::Result<Vec<(ChannelId, Timestamp)>> {
    let mut select = db.prepare(
        "SELECT channel, max(settled) FROM outbox
         WHERE state = 1 AND settled IS NOT NULL GROUP BY channel",
    )?;
    let rows = select.query_map([], |row| {
        Ok((ChannelId::new(row.get::<_, String>(0)?), instant(row.get(1)?)))
    })?;
    rows.collect()
}

/// The messages that were given up about incidents that are not over.
fn given_up(db: &Connection) -> rusqlite::Result<Vec<Refusal>> {
    let mut select = db.prepare(
        "SELECT it.id, it.incident, it.channel, it.fallback, it.settled
         FROM incident JOIN outbox AS it ON it.incident = incident.id
         WHERE incident.resolved IS NULL AND it.state = 2 ORDER BY it.seq",
    )?;
    let rows = select.query_map([], |row| {
        let id = NotificationId::new(row.get::<_, String>(0)?);
        let incident = IncidentId::new(row.get::<_, String>(1)?);
        let by = ChannelId::new(row.get::<_, String>(2)?);
        let instead = row.get::<_, Option<String>>(3)?.map(ChannelId::new);
        let at = row.get::<_, Option<i64>>(4)?.map_or(Timestamp::UNIX_EPOCH, instant);
        Ok(Refusal::of(&id, &incident, &by, instead.as_ref(), at))
    })?;
    rows.filter_map(Result::transpose).collect()
}

/// The drills that every recipient accepted. Their ids begin alike; a site of that name is no
/// harm, since its incidents are no drills that anybody waits for.
fn drills(db: &Connection) -> rusqlite::Result<Vec<(ChannelId, IncidentId)>> {
    let mut select = db.prepare(
        "SELECT channel, incident FROM outbox
         WHERE incident >= 'drill.' AND incident < 'drill/' AND state = 1 AND error IS NULL
         ORDER BY seq",
    )?;
    let rows = select.query_map([], |row| {
        Ok((ChannelId::new(row.get::<_, String>(0)?), IncidentId::new(row.get::<_, String>(1)?)))
    })?;
    rows.collect()
}

/// The problems that went through a fallback and whose end did not yet, in the order in which
/// they did: an end that was handed on or told follows to all whom it has to. The incident may
/// have come back since, and what was handed on since stands for itself. What is over long
/// since, so that nothing waits for it any more, is none of them: a channel may tell no ends.
/// Drills are no incidents on record.
fn stand_ins(db: &Connection) -> rusqlite::Result<Vec<StandIn>> {
    let mut select = db.prepare(
        "SELECT channel, incident, fallback FROM outbox AS it
         WHERE fallback IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM outbox AS over
              WHERE over.channel = it.channel AND over.incident = it.incident
                AND over.seq >= it.seq AND over.told_as = 'resolved'
                AND (over.fallback IS NOT NULL OR over.state IN (1, 2)))
           AND (NOT EXISTS (SELECT 1 FROM incident
                            WHERE id = it.incident AND resolved IS NOT NULL)
                OR EXISTS (SELECT 1 FROM outbox AS waits
                           WHERE waits.incident = it.incident AND waits.state = 0))
         GROUP BY channel, incident, fallback ORDER BY MIN(seq)",
    )?;
    let rows = select.query_map([], |row| {
        Ok(StandIn {
            channel: ChannelId::new(row.get::<_, String>(0)?),
            incident: IncidentId::new(row.get::<_, String>(1)?),
            fallback: ChannelId::new(row.get::<_, String>(2)?),
        })
    })?;
    rows.collect()
}

/// The messages that wait, in the order in which they were decided. What was withdrawn for one of
/// them came after the last that its channel has told of the incident: looked for once for each of
/// both, since a great many may wait.
fn waiting(db: &Connection) -> rusqlite::Result<Vec<Waiting>> {
    let mut select = db.prepare(
        "WITH told AS MATERIALIZED
             (SELECT channel, incident, max(seq) AS seq FROM outbox
              WHERE state = 1 AND incident IN (SELECT incident FROM outbox WHERE state = 0)
              GROUP BY channel, incident),
         older AS MATERIALIZED
             (SELECT it.channel, it.incident, it.id, min(it.seq) AS seq FROM outbox AS it
              LEFT JOIN told ON told.channel = it.channel AND told.incident = it.incident
              WHERE it.state = 3 AND it.seq > ifnull(told.seq, 0)
                AND it.incident IN (SELECT incident FROM outbox WHERE state = 0)
              GROUP BY it.channel, it.incident)
         SELECT it.id, notification, attempts, next_attempt, bundle, told_as, fallback, heard,
                CASE WHEN older.seq < it.seq THEN older.id END, it.error
         FROM outbox AS it
         LEFT JOIN older ON older.channel = it.channel AND older.incident = it.incident
         WHERE it.state = 0 ORDER BY it.seq",
    )?;
    let mut rows = select.query([])?;
    let mut waiting = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, text): (String, String) = (row.get(0)?, row.get(1)?);
        match serde_json::from_str::<Notification>(&text) {
            Ok(notification) => waiting.push(Waiting {
                attempts: row.get(2)?,
                next_attempt: row.get::<_, Option<i64>>(3)?.map(instant),
                bundle: row.get::<_, Option<String>>(4)?.map(NotificationId::new),
                told_as: kind(&row.get::<_, String>(5)?).unwrap_or(notification.kind),
                fallback: row.get::<_, Option<String>>(6)?.map(ChannelId::new),
                heard: heard::read(row.get(7)?),
                overtook: row.get::<_, Option<String>>(8)?.map(NotificationId::new),
                error: row.get(9)?,
                notification,
            }),
            Err(reason) => tracing::error!(
                notification = id, %reason,
                "a waiting message cannot be read and is not told; its row stays in `outbox`"
            ),
        }
    }
    Ok(waiting)
}

/// What each channel accepted last about each incident that is not over.
fn standing(db: &Connection) -> rusqlite::Result<Vec<Notification>> {
    let mut select = db.prepare(
        "SELECT o.notification, max(o.seq)
         FROM outbox o JOIN incident i ON i.id = o.incident AND i.resolved IS NULL
         WHERE o.state = 1 GROUP BY o.channel, o.incident ORDER BY max(o.seq)",
    )?;
    let rows = select.query_map([], |row| row.get::<_, String>(0))?;
    let mut standing = Vec::new();
    for text in rows {
        standing.extend(serde_json::from_str::<Notification>(&text?).ok());
    }
    Ok(standing)
}

/// Adds a message; one that is already there stays as it is.
pub(super) fn add(db: &Connection, notification: &Notification) -> rusqlite::Result<()> {
    let text = serde_json::to_string(notification)
        .map_err(|e| rusqlite::Error::ToSqlConversionFailure(e.into()))?;
    db.prepare_cached(
        "INSERT INTO outbox (id, channel, incident, told_as, created, notification)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id) DO NOTHING",
    )?
    .execute((
        notification.id.as_str(),
        notification.channel.as_str(),
        notification.alert.incident.id.as_str(),
        notification.kind.word(),
        nanos(notification.created),
        text,
    ))?;
    Ok(())
}

/// Records how far a message is.
pub(super) fn mark(db: &Connection, mark: &Mark) -> rusqlite::Result<()> {
    let settled = (mark.state != MarkState::Waiting).then(|| nanos(mark.at));
    db.prepare_cached(
        "UPDATE outbox SET state = ?2, settled = ?3, attempts = ?4, next_attempt = ?5, error = ?6,
                bundle = ?7, told_as = ?8, fallback = ?9, heard = ?10,
                refusing = ?11
         WHERE id = ?1",
    )?
    .execute((
        mark.id.as_str(),
        mark.state.number(),
        settled,
        mark.attempts,
        mark.next_attempt.map(nanos),
        mark.error.as_deref(),
        mark.bundle.as_ref().map(NotificationId::as_str),
        mark.told_as.word(),
        mark.fallback.as_ref().map(ChannelId::as_str),
        heard::written(&mark.heard)?,
        heard::written(&mark.refusing)?,
    ))?;
    Ok(())
}

/// The figures of every channel that the outbox knows.
pub(super) fn totals(db: &Connection) -> rusqlite::Result<Vec<ChannelTotals>> {
    let mut select = db.prepare(
        "SELECT channel, sum(state = 0), sum(state = 1), sum(state = 2), sum(state = 3),
                sum(max(attempts - 1, 0)), min(CASE WHEN state = 0 THEN created END)
         FROM outbox GROUP BY channel ORDER BY channel",
    )?;
    let rows = select.query_map([], |row| {
        Ok(ChannelTotals {
            channel: ChannelId::new(row.get::<_, String>(0)?),
            queued: count(row, 1)?,
            delivered: count(row, 2)?,
            failed: count(row, 3)?,
            withdrawn: count(row, 4)?,
            retried: count(row, 5)?,
            oldest: row.get::<_, Option<i64>>(6)?.map(instant),
        })
    })?;
    rows.collect()
}

/// The messages about one incident, in the order in which they were decided.
pub(super) fn about(db: &Connection, incident: &IncidentId) -> rusqlite::Result<Vec<Message>> {
    let mut select = db.prepare_cached(
        "SELECT notification, state, settled, attempts, next_attempt, error, bundle, told_as,
                fallback, heard, refusing
         FROM outbox WHERE incident = ? ORDER BY seq",
    )?;
    let rows = select.query_map([incident.as_str()], |row| {
        let notification: Notification = parse(row.get::<_, String>(0)?)?;
        let mark = Mark {
            id: notification.id.clone(),
            state: MarkState::of(row.get(1)?),
            at: row.get::<_, Option<i64>>(2)?.map_or(notification.created, instant),
            attempts: row.get(3)?,
            next_attempt: row.get::<_, Option<i64>>(4)?.map(instant),
            error: row.get(5)?,
            bundle: row.get::<_, Option<String>>(6)?.map(NotificationId::new),
            told_as: kind(&row.get::<_, String>(7)?).unwrap_or(notification.kind),
            fallback: row.get::<_, Option<String>>(8)?.map(ChannelId::new),
            heard: heard::read(row.get(9)?),
            refusing: heard::read(row.get(10)?),
        };
        Ok(Message { notification, mark })
    })?;
    rows.collect()
}

/// A column that counts.
fn count(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or_default())
}

fn kind(word: &str) -> Option<NotificationKind> {
    NotificationKind::ALL.into_iter().find(|kind| kind.word() == word)
}
