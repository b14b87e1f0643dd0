//! What survives a restart: state, history and outbox in one SQLite file under the state directory.
//!
//! One thread owns the connection that writes ([`Writer`]); whoever reads opens a [`History`] of
//! their own, which never makes the writer wait. State and the messages about it change in one
//! transaction, so a crash at any moment leaves either both or neither.

mod backlog;
mod commit;
mod decided;
mod heard;
mod history;
mod keep;
mod lock;
mod open;
mod outbox;
mod past;
mod readiness;
mod restore;
mod retention;
mod salvage;
mod schema;
mod spare;
mod value;
mod whole;
mod writer;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use heard::{Has, Heard, RecipientKey, Refuses};
pub use history::{Before, History};
pub use outbox::{ChannelTotals, Mark, MarkState, Message, Outstanding, StandIn, Waiting};
pub use past::{Past, PastError};
pub use retention::Retention;
pub use salvage::Damage;
pub use whole::write_whole;
pub use writer::{News, Ticket, Writer, WriterHandle};

/// Name of the database in the state directory.
pub const FILE_NAME: &str = "vchealth.db";

/// The connection that writes. Whoever holds it is the only one on this state directory.
#[derive(Debug)]
pub struct Store {
    db: Connection,
    dir: PathBuf,
    damage: Option<Damage>,
    lost_log: bool,
    /// The file behind `db`.
    identity: keep::Identity,
    spare: Aside,
    /// What stands in the spare and `db` did not take at the start either.
    lacking: Option<spare::Account>,
    /// Locked as long as the store lives; the lock goes with the process, however it ends.
    lock: lock::Lock,
}

/// Where what the database does not take is kept.
#[derive(Debug)]
struct Aside {
    /// None if there is no room for it.
    spare: Option<spare::Spare>,
    /// The state of the database that accounts belong to.
    epoch: u64,
    /// Whether the spare holds an account of this epoch.
    in_use: bool,
}

impl Store {
    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether the newest that was written is missing: the program was killed before, and somebody
    /// removed the log beside the database.
    #[must_use]
    pub const fn has_lost_its_log(&self) -> bool {
        self.lost_log
    }

    /// What was wrong with the file found at opening; none if it was sound or new.
    #[must_use]
    pub const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Size of the database in bytes, its log included.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let file = self.dir.join(FILE_NAME);
        [file.clone(), open::beside(&file, "-wal")]
            .iter()
            .filter_map(|path| std::fs::metadata(path).ok())
            .map(|found| found.len())
            .sum()
    }
}

/// Why the state cannot be kept or read.
#[derive(Debug)]
pub enum StoreError {
    /// The state directory or a file in it cannot be made or used.
    File {
        /// What was tried, such as `create`.
        doing: &'static str,
        /// With which path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Where the database belongs lies something that is no file, such as a pipe.
    NoFile {
        /// The place.
        path: PathBuf,
    },
    /// Another vchealth uses this state directory.
    InUse {
        /// The state directory.
        dir: PathBuf,
        /// Its process id, if it left one.
        process: Option<u32>,
    },
    /// A newer vchealth wrote the file.
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The file is a database of another program.
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Another file was put in the place of the one in use.
    Replaced {
        /// The place.
        path: PathBuf,
    },
    /// SQLite refused.
    Database {
        /// What was tried, such as `commit`.
        doing: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
}

impl StoreError {
    /// Whether a query was broken off because it was to be.
    pub(crate) fn is_interrupted(&self) -> bool {
        use rusqlite::ErrorCode::OperationInterrupted;
        matches!(self, Self::Database { source, .. }
            if source.sqlite_error_code() == Some(OperationInterrupted))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { doing, path, .. } => write!(f, "cannot {doing} {}", path.display()),
            Self::NoFile { path } => write!(
                f,
                "{} is no file; remove it, or set `state_dir` to a directory that is vchealth's own",
                path.display()
            ),
            Self::InUse { dir, process } => {
                write!(f, "another vchealth ")?;
                if let Some(process) = process {
                    write!(f, "(process {process}) ")?;
                }
                write!(
                    f,
                    "uses the state directory {}; stop it or set `state_dir` to a directory of its own",
                    dir.display()
                )
            }
            Self::Newer { path, found, known } => write!(
                f,
                "{} was written by a newer vchealth (schema {found}, this one knows up to {known}); \
                 run the newer version, or move the file away to start without its history",
                path.display()
            ),
            Self::Foreign { path } => write!(
                f,
                "{} is a database of another program; set `state_dir` to a directory of its own",
                path.display()
            ),
            Self::Replaced { path } => {
                write!(f, "{} is another file than the one in use", path.display())
            }
            Self::Database { doing, .. } => write!(f, "cannot {doing} the database"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Database { source, .. } => Some(source),
            Self::NoFile { .. }
            | Self::InUse { .. }
            | Self::Newer { .. }
            | Self::Foreign { .. }
            | Self::Replaced { .. } => None,
        }
    }
}

/// Names what was tried when SQLite refused.
trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Database { doing, source })
    }
}

#[cfg(test)]
pub(crate) mod tests;
