//! The lock on a state directory: one daemon at a time, and a word of how the last one ended.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;
use super::open::file_or_nothing;

/// Name of the lock in the state directory.
pub(super) const LOCK_NAME: &str = "lock";
/// What stands beside the process id in the lock while the database is open.
const OPEN: &str = "open";

/// The lock on a state directory. It goes with the process, however that ends; what stands in the
/// file then tells whether the database was closed.
#[derive(Debug)]
pub(super) struct Lock {
    pub(super) file: File,
    /// Whether whoever had it before did not close the database.
    pub(super) cut_short: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Only a hint for the next start.
        let _ = self.file.set_len(0);
        // A program that is just being started holds a copy of every open file until it runs, and
        // would hold the lock for as long.
        let _ = self.file.unlock();
    }
}

/// Takes the lock and leaves our process id in it, for whoever is refused, with a word that only
/// a process that was killed leaves behind.
pub(super) fn lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join(LOCK_NAME);
    file_or_nothing(&path)?;
    let failed = |doing, source| StoreError::File { doing, path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| failed("open", source))?;
    let locked = file.try_lock();
    let mut text = String::new();
    // A process id is short; what else may be in the file is not ours to read.
    let read = Read::by_ref(&mut file).take(24).read_to_string(&mut text);
    let mut words = text.split_whitespace().take(read.map_or(0, |_| 2));
    let process = words.next().and_then(|id| id.parse().ok());
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse { dir: dir.to_owned(), process });
        }
        Err(TryLockError::Error(source)) => return Err(failed("lock", source)),
    }
    let cut_short = words.next() == Some(OPEN);
    // The id only makes another daemon's refusal clearer; on a full disk the lock is enough.
    let _ = file
        .set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{} {OPEN}", std::process::id()));
    Ok(Lock { file, cut_short })
}
