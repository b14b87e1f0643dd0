//! How long history is kept. State is kept for ever.

use std::time::Duration;

use jiff::Timestamp;

use super::value::nanos;
use super::{Doing, Store, StoreError};

/// Days for which it is known what a link was used for; it ends after one.
const LINKS_DAYS: u64 = 7;

/// How long each kind of history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Measurements.
    pub rollups: Duration,
    /// Resolved incidents, confirmed changes of health and readiness runs.
    pub incidents: Duration,
    /// Messages that were delivered, withdrawn or given up.
    pub outbox: Duration,
}

impl Default for Retention {
    /// Thirteen months of everything that reports compare, three of messages.
    fn default() -> Self {
        let days = |days: u64| Duration::from_hours(24 * days);
        Self { rollups: days(400), incidents: days(400), outbox: days(90) }
    }
}

impl Store {
    /// Deletes history that is older than it is kept, at most `limit` rows of each kind, so that
    /// no commit waits long; gives how many rows went. Open incidents, waiting messages and the
    /// last change of every target stay whatever their age.
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
            let mut deleted = 0;
            deleted += transaction.execute(
                "DELETE FROM rollup WHERE (at, target) IN
                     (SELECT at, target FROM rollup WHERE at < ? LIMIT ?)",
                (before(retention.rollups).as_second(), limit),
            )?;
            let incidents = nanos(before(retention.incidents));
            deleted += transaction.execute(
                "DELETE FROM incident WHERE id IN
                     (SELECT id FROM incident WHERE resolved < ? LIMIT ?)",
                (incidents, limit),
            )?;
            deleted += transaction.execute(
                "DELETE FROM health_change WHERE (target, at) IN
                     (SELECT target, at FROM health_change AS old WHERE at < ?1 AND EXISTS
                          (SELECT 1 FROM health_change AS new
                           WHERE new.target = old.target AND new.at > old.at AND new.at <= ?1)
                      LIMIT ?2)",
                (incidents, limit),
            )?;
            deleted += transaction.execute(
                "DELETE FROM outbox WHERE seq IN
                     (SELECT seq FROM outbox WHERE state <> 0 AND settled < ? LIMIT ?)",
                (nanos(before(retention.outbox)), limit),
            )?;
            for (table, column) in [
                ("readiness", "start"),
                ("readiness_verdict", "start"),
                ("confirmation", "at"),
                ("session_lost", "at"),
            ] {
                deleted += transaction
                    .execute(&format!("DELETE FROM {table} WHERE {column} < ?"), [incidents])?;
            }
            for table in ["silence", "maintenance"] {
                deleted += transaction
                    .execute(&format!("DELETE FROM {table} WHERE until < ?"), [incidents])?;
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
