//! Work on files that may never end: a disk may be dead, and a path may lead anywhere.
//!
//! It is done on threads that may wait for a disk, and is waited for only so long. One file is
//! worked on by one thread at a time: whoever comes later waits for their turn, within their own
//! time. So a file that hangs costs one thread, however often and for however long it is tried,
//! and what lies elsewhere is read all the same.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::sync::{Mutex as Turn, Semaphore};

/// Longest that a file is waited for that should be there at once.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Files that may hang at once. The runtime has some hundred threads for this and for looking up
/// names; when no more than these are taken, the others still do their work.
const PLACES: usize = 128;

static HERE: LazyLock<Disk> = LazyLock::new(Disk::default);

/// Which files are being worked on.
struct Disk {
    turns: Mutex<BTreeMap<PathBuf, Arc<Turn<()>>>>,
    places: Arc<Semaphore>,
}

impl Default for Disk {
    fn default() -> Self {
        Self { turns: Mutex::default(), places: Arc::new(Semaphore::new(PLACES)) }
    }
}

/// What `work` on the file at `path` gives, for which it is waited so long.
///
/// # Errors
/// Those of `work`, and [`io::ErrorKind::TimedOut`] when it takes too long; it may still be done
/// then, before anything else is with this file.
pub(super) async fn apart<T: Send + 'static>(
    path: &Path,
    within: Duration,
    work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    HERE.apart(path, within, work).await
}

/// What stands in a file of at most `longest` bytes; of a longer one a byte more than that.
///
/// # Errors
/// When it cannot be read, or is none.
pub(super) fn bytes(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path)?.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// Those of [`bytes`], and when it is no UTF-8.
pub(super) fn text(path: &Path, longest: u64) -> io::Result<String> {
    let no_text = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
    String::from_utf8(bytes(path, longest)?).map_err(no_text)
}

/// Opens a file for reading. What is none, such as a pipe that nobody writes to, is not waited for.
fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no file")) }
}

impl Disk {
    async fn apart<T: Send + 'static>(
        &self,
        path: &Path,
        within: Duration,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let turn = self.turn(path);
        let working = async {
            let turn = turn.lock_owned().await;
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(io::Error::other)?;
            let path = path.to_owned();
            let work = tokio::task::spawn_blocking(move || {
                let _until_it_is_done = (turn, place);
                work(&path)
            });
            work.await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
        };
        tokio::time::timeout(within, working).await.unwrap_or_else(|_| {
            let why = format!("its disk does not answer within {} s", within.as_secs());
            Err(io::Error::new(io::ErrorKind::TimedOut, why))
        })
    }

    /// Where to wait for the file to be free. Nothing is kept of files that are.
    fn turn(&self, path: &Path) -> Arc<Turn<()>> {
        // Every change is one step, so a panic leaves it whole.
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        Arc::clone(turns.entry(path.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    /// A pipe that nobody writes to: opening it like a file waits for ever. Whoever waits goes on
    /// when this is dropped.
    struct Pipe(PathBuf);

    impl Pipe {
        fn new() -> Self {
            let name = format!("vchealth-hangs-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
            Self(path)
        }

        /// Somebody who writes. Opened for reading as well, it waits for nobody itself.
        fn writer(&self) -> File {
            OpenOptions::new().read(true).write(true).open(&self.0).unwrap()
        }
    }

    impl Drop for Pipe {
        fn drop(&mut self) {
            // Of many who wait, one writer wakes only some.
            for _ in 0..100 * PLACES {
                drop(self.writer());
                std::thread::yield_now();
            }
            std::fs::remove_file(&self.0).unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_hangs_costs_one_thread_and_keeps_nobody_from_another_one() {
        let (disk, pipe) = (Disk::default(), Pipe::new());
        for _ in 0..2 * PLACES {
            let mut hangs = pin!(disk.apart(&pipe.0, PATIENCE, |path| std::fs::read(path)));
            assert!(futures_util::poll!(&mut hangs).is_pending());
            tokio::time::advance(PATIENCE + Duration::from_millis(1)).await;
            let late = hangs.await.unwrap_err();
            assert_eq!(late.kind(), io::ErrorKind::TimedOut);
            assert_eq!(late.to_string(), "its disk does not answer within 5 s");
        }
        assert_eq!(disk.places.available_permits(), PLACES - 1);
        let other = disk.apart(Path::new("/dev/null"), PATIENCE, |path| std::fs::read(path));
        assert_eq!(other.await.unwrap(), b"");
        drop(disk.turn(Path::new("another")));
        let known: Vec<PathBuf> = disk.turns.lock().unwrap().keys().cloned().collect();
        assert_eq!(known, [pipe.0.clone(), "another".into()], "nothing is kept of what is done");
    }

    #[tokio::test]
    async fn a_file_that_answers_again_is_read_again() {
        let disk = Disk::default();
        let (ends, end) = std::sync::mpsc::channel::<()>();
        let path = Path::new("/etc/hostname");
        let long = disk.apart(path, Duration::ZERO, move |_| {
            let _ = end.recv();
            Ok(())
        });
        assert_eq!(long.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        let mut next = pin!(disk.apart(path, PATIENCE, |_| Ok("read")));
        assert!(futures_util::poll!(&mut next).is_pending(), "it waits for its turn");
        drop(ends);
        assert_eq!(next.await.unwrap(), "read");
    }

    #[test]
    fn a_pipe_is_no_file_and_is_not_waited_for() {
        let path = std::env::temp_dir().join(format!("vchealth-pipe-{}", std::process::id()));
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = text(&path, 10).unwrap_err();
        std::fs::remove_file(path).unwrap();
        assert_eq!(error.to_string(), "it is no file");
    }
}
