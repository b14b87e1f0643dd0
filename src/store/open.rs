//! Opening the state directory: one daemon at a time, no file of a stranger or of a newer version,
//! and a damaged file is never thrown away.
//!
//! 1. The directory is made if it is missing and locked; a second daemon is refused.
//! 2. A new file gets the present tables, an older one the steps it lacks. A newer one is refused:
//!    its meaning is not known here.
//! 3. The tables that decide who is alerted are checked page by page. The long history of
//!    measurements is not: reading it all would delay the start, and a damaged page there shows
//!    when it is read.
//! 4. A damaged file is moved aside under a name that says so, whatever can still be read of it is
//!    carried over into a fresh one, and the log says what happened and what to do. A monitor that
//!    refuses to start would be worse than one that has lost a page of history.
//! 5. What the database did not take before the program was stopped, but the `spare` beside it did,
//!    is given to it.
//! 6. Of a file whose log somebody removed after a crash, the newest is missing, and nothing in it
//!    says so. The lock does: whoever closes the database notes that in it.

use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};
use tracing::{error, info, warn};

use super::commit::spare_epoch;
use super::keep::Identity;
use super::lock::lock;
use super::salvage::replace;
use super::schema::{self, STEPS, Version};
use super::spare::Spare;
use super::{Aside, Doing, FILE_NAME, Store, StoreError};
use crate::model::{Batch, Durable, chain};

/// How long a writer outside this daemon, such as a backup, is waited for.
const BUSY: std::time::Duration = std::time::Duration::from_secs(2);
/// Tables that decide who is alerted.
const VITAL: &[&str] = &[
    "meta",
    "target",
    "health",
    "incident",
    "silence",
    "maintenance",
    "duty",
    "outbox",
    "session",
];

impl Store {
    /// Opens the state directory, or makes it, and restores what the brain must remember. `now`
    /// names a damaged file and tells which silences are over.
    ///
    /// # Errors
    /// When the directory cannot be used, another daemon uses it, or its file is a newer
    /// version's or a stranger's. A damaged file is no error: see [`Store::damage`].
    pub fn open(dir: &Path, now: Timestamp) -> Result<(Self, Durable), StoreError> {
        make_dir(dir)?;
        let lock = lock(dir)?;
        let path = dir.join(FILE_NAME);
        // Whoever is killed leaves SQLite's log behind; who closes the database takes it along.
        let lost_log = lock.cut_short && path.exists() && !beside(&path, "-wal").exists();
        if lost_log {
            error!(
                log = %beside(&path, "-wal").display(),
                "the program was killed, and the database's log is gone since: what was decided in \
                 the minutes before is not known any more, and alerts of then may be told again; \
                 leave the files beside the database where they are"
            );
        }
        let (db, damage) = match open_sound(&path) {
            Ok(db) => (db, None),
            Err(Unusable::Damaged(found)) => {
                let (db, damage) = replace(&path, found, now)?;
                (db, Some(damage))
            }
            Err(Unusable::Refused(error)) => return Err(error),
        };
        let identity = Identity::of(&path).map_err(|source| StoreError::File {
            doing: "look at",
            path: path.clone(),
            source,
        })?;
        let epoch = spare_epoch(&db).doing("read")?;
        let (spare, lacking) = Spare::open(dir, epoch);
        let spare = Aside { spare, epoch, in_use: lacking.is_some() };
        let mut store =
            Self { db, dir: dir.to_owned(), identity, damage, lost_log, lock, spare, lacking };
        store.catch_up(now);
        let mut durable = store.restore(now)?;
        if let Some(lacking) = &store.lacking {
            durable.apply(&Batch { changes: lacking.changes.clone() });
        }
        Ok((store, durable))
    }

    /// Gives the database what it did not take before the program was stopped. If it does not take
    /// it now either, it goes before whatever is written next.
    fn catch_up(&mut self, now: Timestamp) {
        let Some(lacking) = &self.lacking else { return };
        let (changes, messages) = (lacking.changes.len(), lacking.waiting().count());
        match self.write([].iter(), [].iter(), [].iter(), now) {
            Ok(()) => info!(
                changes,
                messages,
                "what the database did not take before the program was stopped was kept beside it \
                 and is in it now"
            ),
            Err(error) => warn!(
                changes, messages, reason = %chain(&error),
                "the database still does not take what it did not take before the program was \
                 stopped; that is known all the same"
            ),
        }
    }
}

/// Opens the file for reading only, beside a daemon that writes it.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    file_or_nothing(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).doing("open")?;
    db.busy_timeout(BUSY).doing("open")?;
    match schema::version(&db).doing("open")? {
        Version::Ours(found) if found <= known() => Ok(db),
        Version::Ours(found) => Err(newer(path, found)),
        Version::Foreign | Version::Empty => Err(StoreError::Foreign { path: path.to_owned() }),
    }
}

/// The path with `suffix` appended, as SQLite names the files beside a database.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Why a file is not opened as it is.
enum Unusable {
    /// It is damaged; says how.
    Damaged(String),
    /// It must not be touched, or the machine does not let us.
    Refused(StoreError),
}

impl From<StoreError> for Unusable {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Database { source, .. } if is_corruption(&source) => {
                Self::Damaged(source.to_string())
            }
            other => Self::Refused(other),
        }
    }
}

fn is_corruption(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    // Messages hold phone numbers: nobody else needs to read them.
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| StoreError::File {
        doing: "create",
        path: dir.to_owned(),
        source,
    })
}

/// Opening a pipe would wait for ever for somebody at its other end, and a device may act on it.
pub(super) fn file_or_nothing(path: &Path) -> Result<(), StoreError> {
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(StoreError::NoFile { path: path.to_owned() }),
        // What cannot be looked at is reported by whoever opens it.
        _ => Ok(()),
    }
}

pub(super) fn known() -> i64 {
    i64::try_from(STEPS.len()).unwrap_or(i64::MAX)
}

fn newer(path: &Path, found: i64) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: known() }
}

fn open_sound(path: &Path) -> Result<Connection, Unusable> {
    let mut db = connect(path)?;
    match schema::version(&db).doing("read")? {
        Version::Empty => schema::upgrade(&mut db, 0, STEPS).doing("create")?,
        Version::Foreign => {
            return Err(Unusable::Refused(StoreError::Foreign { path: path.to_owned() }));
        }
        Version::Ours(found) if found > known() => {
            return Err(Unusable::Refused(newer(path, found)));
        }
        Version::Ours(found) => {
            check(&db)?;
            if found < known() {
                info!(from = found, to = known(), "bringing the database to this version");
                let taken = usize::try_from(found).unwrap_or_default();
                schema::upgrade(&mut db, taken, STEPS).doing("upgrade")?;
            }
        }
    }
    Ok(db)
}

/// Opens the file and sets how this connection writes.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    file_or_nothing(path)?;
    // Names, telephone numbers and messages lie here: for nobody else to read, even where the
    // directory was there before. SQLite gives its log the mode of the database.
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::File { doing: "open", path: path.to_owned(), source })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).doing("open")?;
    db.busy_timeout(BUSY).doing("open")?;
    // The write-ahead log lets others read while we write; FULL has it on disk before a commit
    // returns. Without checking cell sizes a damaged page can pass for a sound one. What is written
    // most, measurements, goes to the end of its table and is not read here again: a quarter
    // of a MiB of pages is enough, and the kernel has the others.
    db.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA journal_size_limit = 16777216;
         PRAGMA cache_size = -256;
         PRAGMA cell_size_check = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA temp_store = MEMORY;",
    )
    .doing("open")?;
    Ok(db)
}

/// Checks the vital tables page by page.
fn check(db: &Connection) -> Result<(), Unusable> {
    for table in VITAL {
        // An older version's file has fewer.
        if !db.table_exists(None, *table).unwrap_or(true) {
            continue;
        }
        let mut found: Option<String> = None;
        let checked = db.pragma(None, "quick_check", table, |row| {
            let lines: String = row.get(0)?;
            // SQLite heads its findings with a line of asterisks.
            let line = lines.lines().find(|line| !line.starts_with("***")).unwrap_or(&lines);
            if line != "ok" {
                found.get_or_insert_with(|| line.to_owned());
            }
            Ok(())
        });
        match checked {
            Err(error) if is_corruption(&error) => {
                found.get_or_insert_with(|| error.to_string());
            }
            other => other.doing("check")?,
        }
        if let Some(found) = found {
            return Err(Unusable::Damaged(format!("table {table}: {found}")));
        }
    }
    Ok(())
}
