//! When somebody takes the file away from under the daemon.
//!
//! A file that is deleted or moved while it is open can be written on and on, and all of it is gone
//! with the process: the next start would know of nothing. So every write first looks whether the
//! file is still the one at its path.
//!
//! 1. It is: nothing more is done. That costs one `stat`.
//! 2. There is nothing: what is held open is put back there, whole, with directory and lock.
//! 3. There is another file: somebody restored a copy or started over. That is theirs to decide, so
//!    nothing is overwritten; the write fails and says what to do.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use tracing::error;

use super::lock::{LOCK_NAME, lock};
use super::open::{beside, connect, make_dir};
use super::{Doing, FILE_NAME, Store, StoreError};

/// A file as the operating system tells it from others, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    /// What lies at `path`.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|found| Self { device: found.dev(), inode: found.ino() })
    }
}

impl Store {
    /// Sees to it that what is written next is found at the path at the next start.
    pub(super) fn keep(&mut self) -> Result<(), StoreError> {
        let path = self.dir.join(FILE_NAME);
        match Identity::of(&path) {
            Ok(found) if found == self.identity => Ok(()),
            Ok(_) => Err(StoreError::Replaced { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.put_back(&path),
            // Whatever else is wrong with the disk, the write itself says best.
            Err(_) => Ok(()),
        }
    }

    /// Writes what is held open to its path again and goes on with that.
    fn put_back(&mut self, path: &Path) -> Result<(), StoreError> {
        make_dir(&self.dir)?;
        let held = self.lock.file.metadata().map(|held| (held.dev(), held.ino())).ok();
        let there = fs::metadata(self.dir.join(LOCK_NAME)).map(|lock| (lock.dev(), lock.ino()));
        let fresh_lock = if held == there.ok() { None } else { Some(lock(&self.dir)?) };
        // Beside a new file they would be taken for its own.
        for suffix in ["-wal", "-shm"] {
            let _ = fs::remove_file(beside(path, suffix));
        }
        let copy = beside(path, ".new");
        let _ = fs::remove_file(&copy);
        let failed = |source| StoreError::File { doing: "put back", path: path.to_owned(), source };
        // SQLite writes into an empty file; this one is for nobody else to read.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&copy).map_err(failed)?;
        self.db.execute("VACUUM INTO ?", [copy.to_string_lossy()]).doing("copy")?;
        File::open(&copy).and_then(|copy| copy.sync_all()).map_err(failed)?;
        fs::rename(&copy, path).map_err(failed)?;
        self.db = connect(path)?;
        self.identity = Identity::of(path).map_err(failed)?;
        if let Some(fresh_lock) = fresh_lock {
            self.lock = fresh_lock;
        }
        error!(
            path = %path.display(),
            "the database was deleted or moved away while in use; it was put back with all that \
             was in it"
        );
        Ok(())
    }
}
