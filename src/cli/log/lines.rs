//! Log lines on their way out, so that whoever reads the log never holds up what is logged about.
//!
//! The event loop logs. A pipe whose reader hangs, a terminal that was stopped or a full disk would
//! make it stand still, and a reader that is gone would make it fail. So lines are handed over to a
//! thread that does nothing but write them. When too many wait, further ones are dropped and
//! counted; when writing fails there is nobody left to tell.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Most that waits, in bytes: hours of an ordinary day, minutes of a bad one.
const ROOM: usize = 4 << 20;
/// Longest that the end of the program waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Takes lines in, each as one write. Never fails and never waits.
#[derive(Clone)]
pub(super) struct Lines(Arc<Shared>);

/// Waits for the last lines when it is dropped.
pub(in crate::cli) struct Rest(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines dropped since this was last told.
    lost: u64,
    /// Whether some are being written.
    writing: bool,
}

impl Lines {
    /// Starts the thread that writes to `out`. It ends with the process. `on_loss` is told how many
    /// lines were dropped, once there is room again.
    pub(super) fn start(
        mut out: impl Write + Send + 'static,
        on_loss: impl Fn(u64) + Send + 'static,
    ) -> io::Result<(Self, Rest)> {
        let shared = Arc::new(Shared::default());
        let (lines, rest) = (Self(Arc::clone(&shared)), Rest(Arc::clone(&shared)));
        std::thread::Builder::new().name("log".to_owned()).spawn(move || {
            loop {
                let mut state = shared.lock();
                state.writing = false;
                shared.changed.notify_all();
                let mut state = shared
                    .changed
                    .wait_while(state, |state| state.waiting.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
                let (bytes, lost) = (mem::take(&mut state.waiting), mem::take(&mut state.lost));
                state.writing = true;
                drop(state);
                let _ = out.write_all(&bytes).and_then(|()| out.flush());
                if lost > 0 {
                    on_loss(lost);
                }
            }
        })?;
        Ok((lines, rest))
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut state = self.0.lock();
        if state.waiting.is_empty() || state.waiting.len() + line.len() <= ROOM {
            state.waiting.extend_from_slice(line);
            self.0.changed.notify_all();
        } else {
            state.lost += 1;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let unwritten = |state: &mut State| state.writing || !state.waiting.is_empty();
        // Whether it was written or not, the program ends.
        let _ = self.0.changed.wait_timeout_while(self.0.lock(), LAST_LINES, unwritten);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read};
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn the_last_line_is_written_before_the_program_ends() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (mut lines, rest) = Lines::start(writer, |_| {}).unwrap();
        lines.write_all(b"one\n").unwrap();
        lines.write_all(b"two\n").unwrap();
        drop(rest);
        let mut read = [0; 8];
        reader.read_exact(&mut read).unwrap();
        assert_eq!(&read, b"one\ntwo\n");
    }

    #[test]
    fn a_reader_that_is_gone_stops_nobody() {
        let (reader, writer) = io::pipe().unwrap();
        drop::<PipeReader>(reader);
        let (mut lines, rest) = Lines::start(writer, |_| {}).unwrap();
        lines.write_all(b"to nobody\n").unwrap();
        drop(rest);
        lines.write_all(b"still to nobody\n").unwrap();
    }

    /// Takes nothing in until the other end of the gate is gone.
    struct Hanging {
        gate: mpsc::Receiver<()>,
        taken: Arc<AtomicUsize>,
    }

    impl Write for Hanging {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.gate.recv();
            self.taken.fetch_add(bytes.len(), Ordering::SeqCst);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_hangs_stops_nobody_and_what_is_dropped_is_counted() {
        let (gate_keeper, gate) = mpsc::channel();
        let (taken, lost) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
        let hanging = Hanging { gate, taken: Arc::clone(&taken) };
        let losses = Arc::clone(&lost);
        let on_loss = move |lines| {
            losses.fetch_add(lines, Ordering::SeqCst);
        };
        let (mut lines, rest) = Lines::start(hanging, on_loss).unwrap();
        let line = vec![b'x'; 1 << 20];
        for _ in 0..20 {
            lines.write_all(&line).unwrap();
        }
        drop(gate_keeper);
        drop(rest);
        // What the thread holds and what waits are four lines each at most.
        let lost = lost.load(Ordering::SeqCst);
        assert!(lost >= 12, "{lost}");
        assert_eq!(taken.load(Ordering::SeqCst) as u64 / (1 << 20) + lost, 20);
    }
}
