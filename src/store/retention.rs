//! How long history is kept. State is kept for ever.
//!
//! Measurements get coarser before they go. Minutes are kept for a few weeks; then those of one
//! target in one session become one row, and those outside sessions one row for each day. Nothing
//! that a report says changes by that: counts and distributions add up without loss, and a row
//! never reaches over the edge of a session.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::commit::insert_rollup;
use super::history::{ROLLUP_COLUMNS, read_rollup};
use super::value::{key, nanos};
use super::{Doing, Store, StoreError};
use crate::model::{Rollup, TargetKey};

/// Seconds of a day.
const DAY: i64 = 86_400;
/// Nanoseconds of a second.
const SECOND: i64 = 1_000_000_000;

/// Days for which it is known what a link was used for; it ends after one.
const LINKS_DAYS: u64 = 7;

/// How long each kind of history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Measurements by the minute, before they are brought together.
    pub minutes: Duration,
    /// Sessions with all that reports say of them: incidents, changes of health, measurements
    /// brought together.
    pub history: Duration,
    /// Messages that were delivered, withdrawn or given up.
    pub messages: Duration,
}

impl Default for Retention {
    /// Two weeks of minutes, thirteen months of everything that reports compare, three of
    /// messages.
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        Self { minutes: days(14), history: days(400), messages: days(90) }
    }
}

impl Store {
    /// Brings measurements together and deletes history that is older than it is kept, at most
    /// `limit` rows of each kind, so that no commit waits long; gives how many rows went. Open
    /// incidents, waiting messages and the last change of every target stay whatever their age.
    ///
    /// # Errors
    /// When SQLite refuses.
    pub fn prune(
        &mut self,
        retention: Retention,
        now: Timestamp,
        limit: u32,
    ) -> Result<usize, StoreError> {
        let before = |age| now.checked_sub::<Duration>(age).unwrap_or(Timestamp::MIN);
        let transaction = self.db.transaction().doing("prune")?;
        let deleted = (|| {
            let mut deleted = bring_together(&transaction, before(retention.minutes), limit)?;
            let old = before(retention.history);
            for table in ["rollup", "rollup_old"] {
                deleted += transaction.execute(
                    &format!(
                        "DELETE FROM {table} WHERE (at, target) IN
                             (SELECT at, target FROM {table} WHERE at < ? LIMIT ?)"
                    ),
                    (old.as_second(), limit),
                )?;
            }
            let old = nanos(old);
            deleted += transaction.execute(
                "DELETE FROM incident WHERE id IN
                     (SELECT id FROM incident WHERE resolved < ? LIMIT ?)",
                (old, limit),
            )?;
            deleted += transaction.execute(
                "DELETE FROM session WHERE id IN
                     (SELECT id FROM session WHERE ended < ? AND closed IS NOT NULL LIMIT ?)",
                (old, limit),
            )?;
            deleted += transaction.execute(
                "DELETE FROM watch WHERE since IN
                     (SELECT since FROM watch WHERE until < ? LIMIT ?)",
                (old, limit),
            )?;
            deleted += transaction.execute(
                "DELETE FROM health_change WHERE (target, at) IN
                     (SELECT target, at FROM health_change AS old WHERE at < ?1 AND EXISTS
                          (SELECT 1 FROM health_change AS new
                           WHERE new.target = old.target AND new.at > old.at AND new.at <= ?1)
                      LIMIT ?2)",
                (old, limit),
            )?;
            deleted += transaction.execute(
                // What was told of what is still on is asked for at every start.
                "DELETE FROM outbox WHERE seq IN
                     (SELECT seq FROM outbox WHERE state <> 0 AND settled < ? AND NOT EXISTS
                          (SELECT 1 FROM incident WHERE id = outbox.incident AND resolved IS NULL)
                      LIMIT ?)",
                (nanos(before(retention.messages)), limit),
            )?;
            for (table, column) in [
                ("readiness", "start"),
                ("readiness_verdict", "start"),
                ("confirmation", "at"),
                ("session_lost", "at"),
            ] {
                deleted += transaction
                    .execute(&format!("DELETE FROM {table} WHERE {column} < ?"), [old])?;
            }
            for table in ["silence", "maintenance"] {
                deleted +=
                    transaction.execute(&format!("DELETE FROM {table} WHERE until < ?"), [old])?;
            }
            deleted += transaction.execute(
                "DELETE FROM link_use WHERE at < ?",
                [nanos(before(Duration::from_hours(24 * LINKS_DAYS)))],
            )?;
            Ok(deleted)
        })();
        let deleted = deleted.doing("prune")?;
        transaction.commit().doing("prune")?;
        Ok(deleted)
    }
}

/// Brings up to `limit` of the oldest measurements by the minute that began before `before`
/// together; gives how many rows went. What is already together grows.
fn bring_together(db: &Transaction<'_>, before: Timestamp, limit: u32) -> rusqlite::Result<usize> {
    let rows: Vec<(i64, TargetKey, Rollup)> = db
        .prepare_cached(&format!(
            r#"SELECT target, site, endpoint, "check", {ROLLUP_COLUMNS}
               FROM rollup JOIN target ON target.id = rollup.target
               WHERE at < ? ORDER BY at, target LIMIT ?"#
        ))?
        .query_map((before.as_second(), limit), |row| {
            let key = key(row, 1)?;
            Ok((row.get(0)?, key.clone(), read_rollup(row, 4, key)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    let mut spans = BTreeMap::new();
    let mut together: BTreeMap<(i64, i64), Rollup> = BTreeMap::new();
    for (target, key, rollup) in &rows {
        let at = rollup.from.as_second();
        let span = match spans.get(&at) {
            Some(span) => *span,
            None => *spans.entry(at).or_insert(span_of(db, at)?),
        };
        let place = (span, *target);
        if !together.contains_key(&place)
            && let Some(known) = old_rollup(db, span, *target, key)?
        {
            together.insert(place, known);
        }
        match together.get_mut(&place) {
            Some(sum) => sum.join(rollup),
            None => {
                let from = Timestamp::from_second(span).unwrap_or(rollup.from);
                together.insert(place, Rollup { from, ..rollup.clone() });
            }
        }
    }
    for ((_, target), sum) in &together {
        insert_rollup(db, "rollup_old", *target, sum)?;
    }
    let mut delete = db.prepare_cached("DELETE FROM rollup WHERE at = ? AND target = ?")?;
    for (target, _, rollup) in &rows {
        delete.execute((rollup.from.as_second(), target))?;
    }
    Ok(rows.len())
}

/// Where the stretch begins that the second `at` is brought together into: the last of the
/// beginning of its day and the edges of sessions up to it.
fn span_of(db: &Connection, at: i64) -> rusqlite::Result<i64> {
    let day = at - at.rem_euclid(DAY);
    let within = (day.saturating_mul(SECOND), at.saturating_mul(SECOND));
    let edge: Option<i64> = db
        .prepare_cached(
            "SELECT max(edge) FROM
                 (SELECT began AS edge FROM session UNION ALL SELECT ended FROM session)
             WHERE edge > ?1 AND edge <= ?2",
        )?
        .query_row(within, |row| row.get(0))?;
    // A session holds together over midnight.
    let whole: Option<i64> = db
        .prepare_cached("SELECT max(began) FROM session WHERE began <= ?1 AND ended > ?2")?
        .query_row(within, |row| row.get(0))?;
    let edge =
        edge.or(whole).map(|edge| edge.div_euclid(SECOND) + i64::from(edge.rem_euclid(SECOND) > 0));
    Ok(edge.unwrap_or(day).min(at))
}

/// What is already together of a target in the stretch that begins at `span`.
fn old_rollup(
    db: &Connection,
    span: i64,
    target: i64,
    key: &TargetKey,
) -> rusqlite::Result<Option<Rollup>> {
    db.prepare_cached(&format!(
        "SELECT {ROLLUP_COLUMNS} FROM rollup_old WHERE at = ? AND target = ?"
    ))?
    .query_row((span, target), |row| read_rollup(row, 0, key.clone()))
    .optional()
}
