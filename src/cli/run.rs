//! `vchealth run`: the daemon in the foreground, as a service manager wants it.
//!
//! Under systemd it says when it is ready, when it reloads and stops, and feeds the watchdog for as
//! long as the probe loop turns: a process that lives and watches nothing is started anew.

use std::path::Path;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, warn};

use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::daemon::{Daemon, DaemonError, Options, Source};

/// How often the loop is looked at where no watchdog says so.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Watches until SIGTERM or SIGINT; SIGHUP reads the configuration again.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    let runtime = runtime()?;
    let ended = runtime.block_on(watch(dir));
    // Whatever had to end in order has. What still goes on waits for a disk or a name server that
    // does not answer, and nobody waits for it.
    runtime.shutdown_background();
    ended
}

/// The daemon from its start to its end.
async fn watch(dir: &Path) -> Result<Exit, Failed> {
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
    let mut watchdog = Watchdog::new();
    say(&[NotifyState::Ready]);
    let exit = loop {
        tokio::select! {
            _ = terminate.recv() => break Exit::Well,
            _ = interrupt.recv() => break Exit::Well,
            // Whoever supervises us starts us anew; a daemon that stayed would watch nothing, or
            // tell nobody.
            part = daemon.broken() => {
                error!("{part} broke off; ending, to be started anew");
                break Exit::Failed;
            }
            _ = hangup.recv() => {
                say(&[NotifyState::Reloading]);
                tokio::select! {
                    // Refused or not, the log says so.
                    _ = daemon.reload() => {}
                    // A disk that does not answer must not keep the daemon from ending.
                    _ = terminate.recv() => break Exit::Well,
                    _ = interrupt.recv() => break Exit::Well,
                }
                say(&[NotifyState::Ready]);
            }
            _ = watchdog.ticks.tick() => watchdog.look(&daemon),
        }
    };
    say(&[NotifyState::Stopping]);
    daemon.stop().await;
    Ok(exit)
}

/// Feeds the service manager's watchdog.
struct Watchdog {
    ticks: Interval,
    /// Time without a sign of life after which it is no longer fed.
    patience: Duration,
    /// What stood still at the last look.
    still: Option<&'static str>,
}

impl Watchdog {
    /// What the service manager asks for, if it does; half of its time is for one late look.
    fn new() -> Self {
        let limit = sd_notify::watchdog_enabled();
        let mut ticks = interval(limit.map_or(LOOK_EVERY, |limit| limit / 4));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { ticks, patience: limit.unwrap_or(3 * LOOK_EVERY) / 2, still: None }
    }

    fn look(&mut self, daemon: &Daemon) {
        let still = daemon.stands_still(self.patience);
        if still != self.still {
            if let Some(what) = still {
                error!("{what} stands still");
            }
            self.still = still;
        }
        if still.is_none() {
            say(&[NotifyState::Watchdog]);
        }
    }
}

/// Tells the service manager, if there is one.
fn say(states: &[NotifyState<'_>]) {
    if let Err(failed) = sd_notify::notify(states) {
        warn!("the service manager cannot be told: {failed}");
    }
}
