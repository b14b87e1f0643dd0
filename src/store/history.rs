//! Looking back: what reports, the board and the command line read while the daemon writes.
//!
//! A history is a connection of its own that cannot write. It sees every transaction whole.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::value::{health, instant, key, key_columns, nanos, parse};
use super::{ChannelTotals, Doing, FILE_NAME, Message, StoreError, open, outbox};
use crate::model::{Health, Incident, IncidentId, Rollup, TargetKey};

/// A connection that reads.
#[derive(Debug)]
pub struct History {
    db: Connection,
}

/// A confirmed change of health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChange {
    /// When it came.
    pub at: Timestamp,
    /// The health from then on.
    pub health: Health,
}

impl History {
    /// Opens the history in the state directory `dir`.
    ///
    /// # Errors
    /// When there is none, it is a newer version's, or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: open::open_to_read(&dir.join(FILE_NAME))? })
    }

    /// The connection, for the other rooms of history.
    pub(super) const fn db(&self) -> &Connection {
        &self.db
    }

    /// The incidents that were on at any moment in `from..until`, oldest first.
    ///
    /// # Errors
    /// When the file or a record in it cannot be read.
    pub fn incidents(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Incident>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT record FROM incident
                 WHERE began < ?2 AND (resolved IS NULL OR resolved > ?1) ORDER BY began, id",
            )
            .doing("read")?;
        let rows = select
            .query_map([nanos(from), nanos(until)], |row| parse(row.get::<_, String>(0)?))
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The incident with this id.
    ///
    /// # Errors
    /// When the file or the record cannot be read.
    pub fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        self.db
            .query_row("SELECT record FROM incident WHERE id = ?", [id.as_str()], |row| {
                parse(row.get::<_, String>(0)?)
            })
            .optional()
            .doing("read")
    }

    /// The confirmed changes of a target, an endpoint or a site in `from..until`, oldest first,
    /// led by the one in force at `from` if there was any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn health(
        &self,
        key: &TargetKey,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<HealthChange>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                r#"WITH it AS (SELECT id FROM target
                               WHERE site = ?1 AND endpoint = ?2 AND "check" = ?3)
                   SELECT at, health FROM health_change
                   WHERE target = (SELECT id FROM it) AND at < ?5 AND at >= coalesce(
                       (SELECT max(at) FROM health_change
                        WHERE target = (SELECT id FROM it) AND at <= ?4), ?4)
                   ORDER BY at"#,
            )
            .doing("read")?;
        let [site, endpoint, check] = key_columns(key);
        let rows = select
            .query_map((site, endpoint, check, nanos(from), nanos(until)), |row| {
                Ok(HealthChange { at: instant(row.get(0)?), health: health(row.get(1)?) })
            })
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The measurements of all targets that began in `from..until`, in order of time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rollups(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Rollup>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                r#"SELECT site, endpoint, "check", at, seconds, probes, failed, local, sent, lost,
                          rtt_min, rtt_mean, rtt_max, jitter
                   FROM rollup JOIN target ON target.id = rollup.target
                   WHERE at >= ?1 AND at < ?2 ORDER BY at, target"#,
            )
            .doing("read")?;
        let rows = select
            .query_map([from.as_second(), until.as_second()], |row| {
                Ok(Rollup {
                    key: key(row, 0)?,
                    from: Timestamp::from_second(row.get(3)?).unwrap_or_default(),
                    seconds: row.get(4)?,
                    probes: row.get(5)?,
                    failed: row.get(6)?,
                    local: row.get(7)?,
                    sent: row.get(8)?,
                    lost: row.get(9)?,
                    rtt_min_us: row.get(10)?,
                    rtt_mean_us: row.get(11)?,
                    rtt_max_us: row.get(12)?,
                    jitter_us: row.get(13)?,
                })
            })
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// What was told of an incident, to whom and with what success, in the order decided.
    ///
    /// # Errors
    /// When the file or a message in it cannot be read.
    pub fn messages(&self, incident: &IncidentId) -> Result<Vec<Message>, StoreError> {
        outbox::about(&self.db, incident).doing("read")
    }

    /// The outbox in figures, for every channel that it knows.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn outbox(&self) -> Result<Vec<ChannelTotals>, StoreError> {
        outbox::totals(&self.db).doing("read")
    }
}
