//! What is done about a damaged database: it is moved aside, and a fresh one gets whatever can
//! still be read of it, the newest first.

use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use tracing::error;

use super::open::{beside, connect, known};
use super::schema::{self, STEPS, Version};
use super::{Doing, StoreError};

/// All tables with the order of their rows, the most needed first.
const TABLES: &[(&str, &str)] = &[
    ("meta", "key"),
    ("target", "id"),
    ("incident", "id"),
    ("outbox", "seq"),
    ("health", "target"),
    ("silence", "id"),
    ("maintenance", "id"),
    ("duty", "rota"),
    ("link_use", "nonce"),
    ("drill", "session"),
    ("readiness", "session, began"),
    ("readiness_verdict", "site, start, session"),
    ("confirmation", "session, site"),
    ("session_lost", "session"),
    ("health_change", "target, at"),
    ("session", "id"),
    ("watch", "since"),
    ("rollup_old", "at, target"),
    ("rollup", "at, target"),
];
/// Rows of one table that are carried over at most, newest first, so that the start stays short.
const CARRIED_OVER: usize = 1_000_000;

/// What was wrong with the file found at opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What SQLite said.
    pub found: String,
    /// Where the damaged file lies now.
    pub moved_to: PathBuf,
    /// Rows that were carried over.
    pub saved: u64,
    /// Tables of which not every row could be read.
    pub incomplete: Vec<String>,
}

/// Moves the damaged file aside and starts a fresh one with what can still be read.
pub(super) fn replace(
    path: &Path,
    found: String,
    now: Timestamp,
) -> Result<(Connection, Damage), StoreError> {
    let moved_to = beside(path, &format!(".damaged-{}", now.strftime("%Y%m%dT%H%M%SZ")));
    move_aside(path, &moved_to)?;
    let (db, saved, incomplete) = carry_over(&moved_to, path)?;
    let damage = Damage { found, moved_to, saved, incomplete };
    error!(
        found = damage.found,
        moved_to = %damage.moved_to.display(),
        rows_saved = damage.saved,
        incomplete_tables = damage.incomplete.join(", "),
        "the database was damaged: it was moved aside and a fresh one holds what could be read; \
         check the disk, then look into the old file with `sqlite3 FILE .recover`, or delete it"
    );
    Ok((db, damage))
}

fn move_aside(path: &Path, moved_to: &Path) -> Result<(), StoreError> {
    for suffix in ["", "-wal"] {
        let from = beside(path, suffix);
        match std::fs::rename(&from, beside(moved_to, suffix)) {
            Err(source) if suffix.is_empty() || source.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::File { doing: "move aside", path: from, source });
            }
            _ => {}
        }
    }
    // The index of the log can be made again from the log.
    let _ = std::fs::remove_file(beside(path, "-shm"));
    Ok(())
}

/// Copies what can be read into a fresh file; gives the rows saved and the incomplete tables.
fn carry_over(from: &Path, to: &Path) -> Result<(Connection, u64, Vec<String>), StoreError> {
    let mut fresh = connect(to)?;
    let readable = connect(from).and_then(|old| {
        let version = schema::version(&old).doing("read")?;
        Ok((old, version))
    });
    let (mut saved, mut incomplete) = (0, Vec::new());
    let mut taken = 0;
    match readable {
        // The fresh file first gets the tables as they were when the rows were written.
        Ok((old, Version::Ours(found))) if (1..=known()).contains(&found) => {
            taken = usize::try_from(found).unwrap_or_default();
            schema::upgrade(&mut fresh, 0, &STEPS[..taken]).doing("create")?;
            let transaction = fresh.transaction().doing("write")?;
            for (table, order) in TABLES {
                // An older version's file has fewer.
                if !transaction.table_exists(None, *table).doing("write")? {
                    continue;
                }
                let (rows, whole) = copy_table(&old, &transaction, table, order);
                saved += rows;
                if !whole {
                    incomplete.push((*table).to_owned());
                }
            }
            transaction.commit().doing("write")?;
        }
        _ => incomplete.extend(TABLES.iter().map(|(table, _)| (*table).to_owned())),
    }
    schema::upgrade(&mut fresh, taken, STEPS).doing("create")?;
    Ok((fresh, saved, incomplete))
}

/// Copies a table from its newest row backwards and, where that meets a damaged page, from the
/// oldest forwards. Gives the rows copied and whether all were.
fn copy_table(old: &Connection, new: &Connection, table: &str, order: &str) -> (u64, bool) {
    let backwards = order.replace(',', " DESC,") + " DESC";
    let (rows, whole) = copy_rows(old, new, table, &backwards);
    if whole {
        return (rows, true);
    }
    let (more, _) = copy_rows(old, new, table, order);
    (rows + more, false)
}

fn copy_rows(old: &Connection, new: &Connection, table: &str, order: &str) -> (u64, bool) {
    let mut rows = 0;
    let copied = (|| -> rusqlite::Result<()> {
        let mut select =
            old.prepare(&format!("SELECT * FROM {table} ORDER BY {order} LIMIT {CARRIED_OVER}"))?;
        let columns = select.column_count();
        let marks = vec!["?"; columns].join(", ");
        let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} VALUES ({marks})"))?;
        let mut found = select.query([])?;
        while let Some(row) = found.next()? {
            let values: Vec<rusqlite::types::Value> =
                (0..columns).map(|at| row.get(at)).collect::<rusqlite::Result<_>>()?;
            // A row that the tables do not take was garbled; the ones after it may be sound.
            rows += insert.execute(rusqlite::params_from_iter(values)).unwrap_or(0) as u64;
        }
        Ok(())
    })();
    (rows, copied.is_ok())
}
