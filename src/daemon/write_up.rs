//! Writing sessions up: gathers what the store knows of a session, and puts the reports of those
//! that are over where people find them.
//!
//! The store remembers which sessions are closed and not written up yet, so nothing is forgotten
//! when this program, or the disk, is away at the wrong moment: what is due is written at the next
//! start, or as soon as the disk takes it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::face::Face;
use crate::config::Settings;
use crate::model::{Batch, Change, ReportFormat, SessionId, SessionRecord, chain};
use crate::report::{self, Material, Measured, Report, Style, Totals, WriteError};
use crate::store::{History, StoreError, Ticket, write_whole};

/// Longest that a session's last changes are waited for until they are on disk.
const ON_DISK: Duration = Duration::from_secs(30);
/// Time between two attempts when a report cannot be written.
const RETRY: Duration = Duration::from_secs(30);

/// Why a session is not written up.
#[derive(Debug)]
enum WriteUpError {
    /// The history cannot be read.
    Store(StoreError),
    /// The report does not go into one of its forms.
    Form(WriteError),
    /// A file cannot be put in place.
    File { path: PathBuf, source: io::Error },
}

impl fmt::Display for WriteUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(_) => f.write_str("the history cannot be read"),
            Self::Form(why) => why.fmt(f),
            Self::File { path, .. } => write!(f, "cannot write {}", path.display()),
        }
    }
}

impl std::error::Error for WriteUpError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Store(source) => Some(source),
            Self::Form(why) => why.source(),
            Self::File { source, .. } => Some(source),
        }
    }
}

impl From<StoreError> for WriteUpError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Works out the report on a session from the history in `state_dir`, as of `as_of`.
///
/// # Errors
/// When the history cannot be read.
pub fn write_up(
    state_dir: &Path,
    session: SessionRecord,
    as_of: Timestamp,
) -> Result<Report, StoreError> {
    work_out(&History::open(state_dir)?, session, as_of)
}

/// Works out the report on a session from a history that is open.
pub(super) fn work_out(
    history: &History,
    session: SessionRecord,
    as_of: Timestamp,
) -> Result<Report, StoreError> {
    let mut before = history.sessions(Timestamp::MIN, session.start)?;
    let skip = before.len().saturating_sub(report::EARLIER);
    let earlier = before
        .drain(skip..)
        .map(|record| gather(history, record, as_of))
        .collect::<Result<Vec<Material>, StoreError>>()?;
    let mut material = gather(history, session, as_of)?;
    let mut measured = Measured::of(&material.session);
    history.path_rollups(
        material.session.start,
        material.session.end.min(as_of),
        &measured.wanted(),
        |rollup| measured.add(&rollup),
    )?;
    material.measured = measured;
    Ok(report::compile(&material, &earlier))
}

/// The figures of all sites of a session together.
pub(super) fn totals(
    history: &History,
    session: SessionRecord,
    as_of: Timestamp,
) -> Result<Totals, StoreError> {
    Ok(report::compile(&gather(history, session, as_of)?, &[]).totals)
}

/// What the history knows of the time of a session, but for measurements.
fn gather(
    history: &History,
    session: SessionRecord,
    as_of: Timestamp,
) -> Result<Material, StoreError> {
    // What was confirmed shortly after the end may have begun before it.
    let (from, until) = (session.start, session.settled());
    Ok(Material {
        as_of,
        health: history.site_health(from, until)?,
        watches: history.watches(from, until)?,
        maintenance: history.maintenance(from, until)?,
        incidents: history.incidents(from, until)?,
        measured: Measured::default(),
        session,
    })
}

/// Writes what is due whenever a session is closed, until told to stop.
pub(super) async fn run(
    face: Arc<Face>,
    mut closed: watch::Receiver<Option<Ticket>>,
    stop: CancellationToken,
) {
    loop {
        let ticket = *closed.borrow_and_update();
        if let Some(ticket) = ticket {
            face.writer.committed(ticket, ON_DISK).await;
        }
        let all = write_due(&face).await;
        let retry = async {
            if all {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(RETRY).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            more = closed.changed() => if more.is_err() { return },
            () = retry => {}
        }
    }
}

/// Writes the reports that are due; whether that is all of them.
async fn write_due(face: &Arc<Face>) -> bool {
    let settings = face.settings.load_full();
    let now = face.clock.now().wall;
    let work = tokio::task::spawn_blocking(move || {
        let due = match History::open(&settings.state_dir).and_then(|it| it.unreported()) {
            Ok(due) => due,
            Err(why) => {
                error!("cannot look for sessions to write up: {}", chain(&why));
                return (Vec::new(), 1);
            }
        };
        let mut written = Vec::new();
        let mut failed = 0;
        for session in due {
            match write_one(&settings, &session, now) {
                Ok(files) => {
                    let files: Vec<String> =
                        files.iter().map(|file| file.display().to_string()).collect();
                    info!(%session, files = files.join(", "), "session written up");
                    written.push(session);
                }
                Err(why) => {
                    error!(%session, "cannot write the session up, trying again: {}", chain(&why));
                    failed += 1;
                }
            }
        }
        (written, failed)
    });
    // A panic was logged by its own thread; the session stays due.
    let (written, failed) = work.await.unwrap_or_else(|_| (Vec::new(), 1));
    face.figures.written_up(written.len(), failed);
    if !written.is_empty() {
        let changes =
            written.into_iter().map(|session| Change::Reported { session, at: now }).collect();
        let ticket = face.writer.submit(Batch { changes }, None);
        face.writer.committed(ticket, ON_DISK).await;
    }
    failed == 0
}

/// Writes the report on a session in every form that the settings name.
fn write_one(
    settings: &Settings,
    session: &SessionId,
    now: Timestamp,
) -> Result<Vec<PathBuf>, WriteUpError> {
    let history = History::open(&settings.state_dir)?;
    let Some(record) = history.session(session)? else { return Ok(Vec::new()) };
    let report = write_up(&settings.state_dir, record, now)?;
    let style = Style::new(settings.report_language(), settings.time_zone.clone(), "");
    let dir = settings.report_dir();
    let mut files = Vec::new();
    for format in &settings.report.formats {
        let bytes = report::write(&report, *format, &style).map_err(WriteUpError::Form)?;
        let path = dir.join(file_name(&report.id, *format));
        if let Err(source) = put(&path, &bytes) {
            return Err(WriteUpError::File { path, source });
        }
        files.push(path);
    }
    Ok(files)
}

/// The name of a report's file.
#[must_use]
pub fn file_name(session: &SessionId, format: ReportFormat) -> String {
    // Ids are letters, digits and hyphens by the rules of the configuration; one from elsewhere
    // must not lead out of the directory.
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = session.as_str().chars().map(plain).collect();
    format!("{}.{}", name.trim_start_matches('.'), format.word())
}

/// Puts what people read in place, and the directory for it if there is none.
///
/// 1. A file is replaced whole or not at all.
/// 2. A link stays, and what it leads to is replaced.
/// 3. What is no file, such as `/dev/stdout`, is written to and never replaced.
///
/// # Errors
/// When the directory cannot be made or the file cannot be written.
pub fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.metadata().is_ok_and(|found| !found.is_file()) {
        return fs::write(path, bytes);
    }
    let followed = path.canonicalize();
    let path = followed.as_deref().unwrap_or(path);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o750).create(dir)?;
    }
    write_whole(path, bytes, 0o640)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, symlink};

    use nix::sys::stat::Mode;

    use super::*;
    use crate::store::tests::Scratch;

    #[test]
    fn a_link_stays_and_what_is_no_file_is_written_to() {
        let scratch = Scratch::new("put");
        let place = |name: &str| scratch.path().join(name);
        put(&place("new/report.html"), b"one").unwrap();
        symlink("new/report.html", place("last.html")).unwrap();
        put(&place("last.html"), b"two").unwrap();
        assert_eq!(fs::read(place("new/report.html")).unwrap(), b"two");
        assert!(place("last.html").is_symlink());

        nix::unistd::mkfifo(&place("pipe"), Mode::S_IRWXU).unwrap();
        symlink("pipe", place("out")).unwrap();
        let read = std::thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read(place("pipe")).unwrap());
            put(&place("out"), b"three").unwrap();
            reader.join().unwrap()
        });
        assert_eq!(read, b"three");
        assert!(place("pipe").metadata().unwrap().file_type().is_fifo());
    }
}
