//! Looking back: what reports, the board and the command line read while the daemon writes.
//!
//! A history is a connection of its own that cannot write. It sees every transaction whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::value::{health, instant, key, key_columns, nanos, parse};
use super::{ChannelTotals, Doing, FILE_NAME, Message, StoreError, open, outbox};
use crate::model::{
    HealthChange, Incident, IncidentId, Maintenance, Rollup, SessionId, SessionRecord, SiteId,
    Spread, TargetKey, Watch,
};

/// A connection that reads.
#[derive(Debug)]
pub struct History {
    db: Connection,
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

    pub(super) const fn db_mut(&mut self) -> &mut Connection {
        &mut self.db
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

    /// The incidents that were on at any moment in `from..until` and that `wanted` says yes to, the
    /// one that began last first, `most` at most; behind `before` in that order.
    ///
    /// # Errors
    /// When the file or a record in it cannot be read.
    pub fn incidents_back(
        &self,
        from: Timestamp,
        until: Timestamp,
        before: Option<&Before<IncidentId>>,
        most: usize,
        wanted: impl Fn(&Incident) -> bool,
    ) -> Result<Vec<Incident>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT record FROM incident
                 WHERE began <= ?2 AND (resolved IS NULL OR resolved > ?1)
                     AND (began, id) < (?3, ?4)
                 ORDER BY began DESC, id DESC",
            )
            .doing("read")?;
        let (at, id) = behind(before, IncidentId::as_str);
        let rows = select
            .query_map((nanos(from), nanos(until).saturating_sub(1), at, id), |row| {
                parse(row.get::<_, String>(0)?)
            })
            .doing("read")?;
        let mut found = Vec::new();
        for incident in rows {
            let incident = incident.doing("read")?;
            if found.len() < most && wanted(&incident) {
                found.push(incident);
            }
            if found.len() >= most {
                break;
            }
        }
        Ok(found)
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
                   SELECT at, health, began FROM health_change
                   WHERE target = (SELECT id FROM it) AND at < ?5 AND at >= coalesce(
                       (SELECT max(at) FROM health_change
                        WHERE target = (SELECT id FROM it) AND at <= ?4), ?4)
                   ORDER BY at"#,
            )
            .doing("read")?;
        let [site, endpoint, check] = key_columns(key);
        let rows = select
            .query_map((site, endpoint, check, nanos(from), nanos(until)), |row| {
                Ok(HealthChange {
                    at: instant(row.get(0)?),
                    health: health(row.get(1)?),
                    began: row.get::<_, Option<i64>>(2)?.map(instant),
                })
            })
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The confirmed changes of every site in `from..until`, oldest first, each led by the one in
    /// force at `from` if there was any.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn site_health(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<SiteId, Vec<HealthChange>>, StoreError> {
        let mut sites = self
            .db
            .prepare_cached(r#"SELECT site FROM target WHERE endpoint = '' AND "check" = ''"#)
            .doing("read")?;
        let sites = sites.query_map([], |row| row.get::<_, String>(0)).doing("read")?;
        let mut changes = BTreeMap::new();
        for site in sites {
            let site = SiteId::new(site.doing("read")?);
            let key = TargetKey { site: site.clone(), endpoint: None, check: None };
            changes.insert(site, self.health(&key, from, until)?);
        }
        Ok(changes)
    }

    /// The measurements of all targets that began in `from..until`, in order of time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn rollups(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Rollup>, StoreError> {
        let mut all = Vec::new();
        self.each_rollup(from, until, |_| true, |rollup| all.push(rollup))?;
        Ok(all)
    }

    /// Hands out the measurements of the `wanted` targets that began in `from..until`: those that
    /// have been brought together before the others, each in order of time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn path_rollups(
        &self,
        from: Timestamp,
        until: Timestamp,
        wanted: &BTreeSet<TargetKey>,
        take: impl FnMut(Rollup),
    ) -> Result<(), StoreError> {
        self.each_rollup(from, until, |key| wanted.contains(key), take)
    }

    /// Hands out the measurements of one site's checks that began in `from..until`, target by
    /// target: those that have been brought together before the others, each in order of time.
    ///
    /// Rows lie in order of time, with those of all targets together, so the moments at which
    /// there are rows are walked through and the few rows of this site picked out of each: what it
    /// costs depends on the number of moments and not on that of targets.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn site_rollups(
        &self,
        site: &SiteId,
        from: Timestamp,
        until: Timestamp,
        mut take: impl FnMut(Rollup),
    ) -> Result<(), StoreError> {
        let mut keys = self
            .db
            .prepare_cached(
                r#"SELECT id, site, endpoint, "check" FROM target WHERE site = ? AND "check" <> ''"#,
            )
            .doing("read")?;
        let keys =
            keys.query_map([site.as_str()], |row| Ok((row.get(0)?, key(row, 1)?))).doing("read")?;
        let keys: Vec<(i64, TargetKey)> = keys.collect::<rusqlite::Result<_>>().doing("read")?;
        for table in ["rollup_old", "rollup"] {
            let mut select = self
                .db
                .prepare_cached(&format!(
                    "WITH RECURSIVE moment(m) AS (
                         SELECT (SELECT min(at) FROM {table} WHERE at >= ?1)
                         UNION ALL
                         SELECT (SELECT min(at) FROM {table} WHERE at > m) FROM moment WHERE m < ?2
                     )
                     SELECT {ROLLUP_COLUMNS} FROM moment CROSS JOIN {table}
                     WHERE at = m AND m < ?2 AND target = ?3"
                ))
                .doing("read")?;
            for (id, key) in &keys {
                let bounds = [seconds_from(from), seconds_from(until), *id];
                let mut rows = select.query(bounds).doing("read")?;
                while let Some(row) = rows.next().doing("read")? {
                    take(read_rollup(row, 0, key.clone()).doing("read")?);
                }
            }
        }
        Ok(())
    }

    fn each_rollup(
        &self,
        from: Timestamp,
        until: Timestamp,
        wanted: impl Fn(&TargetKey) -> bool,
        mut take: impl FnMut(Rollup),
    ) -> Result<(), StoreError> {
        let mut keys = self
            .db
            .prepare_cached(r#"SELECT id, site, endpoint, "check" FROM target"#)
            .doing("read")?;
        let keys = keys.query_map([], |row| Ok((row.get(0)?, key(row, 1)?))).doing("read")?;
        let keys: BTreeMap<i64, TargetKey> = keys.collect::<rusqlite::Result<_>>().doing("read")?;
        for table in ["rollup_old", "rollup"] {
            let mut select = self
                .db
                .prepare_cached(&format!(
                    "SELECT target, {ROLLUP_COLUMNS} FROM {table}
                     WHERE at >= ?1 AND at < ?2 ORDER BY at, target"
                ))
                .doing("read")?;
            let bounds = [seconds_from(from), seconds_from(until)];
            let mut rows = select.query(bounds).doing("read")?;
            while let Some(row) = rows.next().doing("read")? {
                let target: i64 = row.get(0).doing("read")?;
                if let Some(key) = keys.get(&target).filter(|key| wanted(key)) {
                    take(read_rollup(row, 1, key.clone()).doing("read")?);
                }
            }
        }
        Ok(())
    }

    /// The sessions that ended in `from..until`, the one that ended first first.
    ///
    /// # Errors
    /// When the file or a record in it cannot be read.
    pub fn sessions(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT record FROM session WHERE ended >= ?1 AND ended < ?2 ORDER BY ended, id",
            )
            .doing("read")?;
        let rows = select
            .query_map([nanos(from), nanos(until)], |row| parse(row.get::<_, String>(0)?))
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The sessions that had begun by `until`, the one that ended last first, `most` at most;
    /// behind `before` in that order.
    ///
    /// # Errors
    /// When the file or a record in it cannot be read.
    pub fn sessions_back(
        &self,
        until: Timestamp,
        before: Option<&Before<SessionId>>,
        most: usize,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT record FROM session WHERE began <= ?1 AND (ended, id) < (?2, ?3)
                 ORDER BY ended DESC, id DESC LIMIT ?4",
            )
            .doing("read")?;
        let (at, id) = behind(before, SessionId::as_str);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = select
            .query_map((nanos(until), at, id, most), |row| parse(row.get::<_, String>(0)?))
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The session with this id.
    ///
    /// # Errors
    /// When the file or the record cannot be read.
    pub fn session(&self, id: &SessionId) -> Result<Option<SessionRecord>, StoreError> {
        self.db
            .query_row("SELECT record FROM session WHERE id = ?", [id.as_str()], |row| {
                parse(row.get::<_, String>(0)?)
            })
            .optional()
            .doing("read")
    }

    /// The sessions that are closed and of which no report was written, the oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn unreported(&self) -> Result<Vec<SessionId>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT id FROM session WHERE closed IS NOT NULL AND reported IS NULL
                 ORDER BY ended, id",
            )
            .doing("read")?;
        let rows = select
            .query_map([], |row| Ok(SessionId::new(row.get::<_, String>(0)?)))
            .doing("read")?;
        rows.collect::<rusqlite::Result<_>>().doing("read")
    }

    /// The planned work that went on at any moment in `from..until`, by its beginning; what was
    /// ended early ends then.
    ///
    /// # Errors
    /// When the file or a record in it cannot be read.
    pub fn maintenance(
        &self,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Maintenance>, StoreError> {
        let mut select = self
            .db
            .prepare_cached("SELECT record, until FROM maintenance WHERE until > ?1")
            .doing("read")?;
        let rows = select
            .query_map([nanos(from)], |row| {
                let window: Maintenance = parse(row.get::<_, String>(0)?)?;
                Ok(Maintenance { until: instant(row.get(1)?), ..window })
            })
            .doing("read")?;
        let mut windows: Vec<Maintenance> = rows.collect::<rusqlite::Result<_>>().doing("read")?;
        windows.retain(|window| window.from < until && window.from < window.until);
        windows.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
        Ok(windows)
    }

    /// When this monitor was watching in `from..until`, in order.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn watches(&self, from: Timestamp, until: Timestamp) -> Result<Vec<Watch>, StoreError> {
        let mut select = self
            .db
            .prepare_cached(
                "SELECT since, until FROM watch WHERE until > ?1 AND since < ?2 ORDER BY since",
            )
            .doing("read")?;
        let rows = select
            .query_map([nanos(from), nanos(until)], |row| {
                Ok(Watch { since: instant(row.get(0)?), until: instant(row.get(1)?) })
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

/// A place in a list that goes back in time: what comes before it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before<Id> {
    /// The moment that the list is ordered by.
    pub at: Timestamp,
    /// Which of those of the same moment.
    pub id: Id,
}

/// The bounds of what lies behind a place; of everything when there is none.
fn behind<'a, Id>(
    before: Option<&'a Before<Id>>,
    text: impl Fn(&'a Id) -> &'a str,
) -> (i64, &'a str) {
    before.map_or((i64::MAX, ""), |before| (nanos(before.at), text(&before.id)))
}

/// The columns that [`read_rollup`] reads, in its order.
pub(super) const ROLLUP_COLUMNS: &str = "at, seconds, probes, failed, local, sent, lost,
    rtt_min, rtt_mean, rtt_max, jitter, lost_down, spread";

/// The measurements of a row whose columns from `first` on are [`ROLLUP_COLUMNS`].
pub(super) fn read_rollup(row: &Row<'_>, first: usize, key: TargetKey) -> rusqlite::Result<Rollup> {
    let spread: Option<Vec<u8>> = row.get(first + 12)?;
    Ok(Rollup {
        key,
        from: Timestamp::from_second(row.get(first)?).unwrap_or_default(),
        seconds: row.get(first + 1)?,
        probes: row.get(first + 2)?,
        failed: row.get(first + 3)?,
        local: row.get(first + 4)?,
        sent: row.get(first + 5)?,
        lost: row.get(first + 6)?,
        rtt_min_us: row.get(first + 7)?,
        rtt_mean_us: row.get(first + 8)?,
        rtt_max_us: row.get(first + 9)?,
        jitter_us: row.get(first + 10)?,
        lost_down: row.get(first + 11)?,
        // A garbled distribution costs its percentiles, not the counts.
        spread: spread.and_then(|bytes| Spread::decode(&bytes)).unwrap_or_default(),
    })
}

/// The first whole second that is not before `at`.
fn seconds_from(at: Timestamp) -> i64 {
    at.as_second() + i64::from(at.subsec_nanosecond() > 0)
}
