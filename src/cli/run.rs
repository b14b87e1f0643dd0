//! `vchealth run`: the daemon in the foreground, as a service manager wants it.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::daemon::{Daemon, DaemonError, Options, Source};

/// Watches until SIGTERM or SIGINT; SIGHUP reads the configuration again.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    runtime()?.block_on(async {
        // Signals are caught before anything starts, so that an early one is not fatal.
        let caught = |kind| signal(kind).map_err(DaemonError::System);
        let (mut terminate, mut interrupt) =
            (caught(SignalKind::terminate())?, caught(SignalKind::interrupt())?);
        let mut hangup = caught(SignalKind::hangup())?;
        let daemon = Daemon::start(Options {
            source: Source::directory(dir),
            listener: None,
            clock: Clock::start(),
        })?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                // Refused or not, the log says so.
                _ = hangup.recv() => drop(daemon.reload().await),
            }
        }
        daemon.stop().await;
        Ok(Exit::Well)
    })
}
