//! The outbox as it was decided, where the database does not hold all of it: after a start on a
//! disk that is still full.
//!
//! What the database lacks is not only messages of its own. It may say of messages in the database
//! that they were told, given up or went through a fallback, and of incidents that they are over.
//! So it is read as what it will be once the database takes it: as much of the database as matters
//! is copied into memory, and what is lacking is written to that, the same way.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use jiff::Timestamp;
use rusqlite::Connection;
use rusqlite::types::{ToSqlOutput, ValueRef};

use super::commit::write_change;
use super::schema::{self, STEPS};
use super::spare::Account;
use super::{Doing, FILE_NAME, Store, StoreError, outbox};

/// What whoever tells the rest has to know: all about incidents that are on, by the database or by
/// what it lacks, and about those of which something waits; drills; and the last that each channel
/// accepted.
const COPY: &str = "
INSERT OR REPLACE INTO outbox SELECT * FROM disk.outbox AS it
WHERE incident IN (SELECT id FROM incident WHERE resolved IS NULL
                   UNION SELECT id FROM disk.incident WHERE resolved IS NULL
                   UNION SELECT incident FROM outbox
                   UNION SELECT incident FROM disk.outbox WHERE state = 0)
   OR (incident >= 'drill.' AND incident < 'drill/')
   OR (state = 1 AND (channel, settled) IN
          (SELECT channel, max(settled) FROM disk.outbox WHERE state = 1 GROUP BY channel));
INSERT OR IGNORE INTO incident SELECT * FROM disk.incident
WHERE resolved IS NULL OR id IN (SELECT incident FROM outbox);
";

impl Store {
    /// Reads from the outbox as if the database had taken what it lacks.
    ///
    /// # Errors
    /// When SQLite cannot read it.
    pub(super) fn as_decided<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let read = match &self.lacking {
            None => read(&self.db),
            Some(lacking) => whole(&self.dir.join(FILE_NAME), lacking).and_then(|db| read(&db)),
        };
        read.doing("read")
    }
}

/// The database in memory, as far as the outbox needs it, with what it lacks.
fn whole(path: &Path, lacking: &Account) -> rusqlite::Result<Connection> {
    let mut db = Connection::open_in_memory()?;
    schema::upgrade(&mut db, 0, STEPS)?;
    let path = ToSqlOutput::Borrowed(ValueRef::Text(path.as_os_str().as_bytes()));
    db.execute("ATTACH ? AS disk", [path])?;
    // What is lacking was decided after all that is there, and comes after it.
    db.execute_batch("INSERT INTO sqlite_sequence SELECT * FROM disk.sqlite_sequence")?;
    for change in &lacking.changes {
        write_change(&db, change, Timestamp::MAX)?;
    }
    db.execute_batch(COPY)?;
    for mark in &lacking.marks {
        outbox::mark(&db, mark)?;
    }
    Ok(db)
}
