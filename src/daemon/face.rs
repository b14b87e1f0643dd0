//! The daemon as others see it: the web server asks here, and so does a reload on SIGHUP.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::brain::{Heartbeat, Request};
use super::files::Source;
use super::together::Together;
use crate::clock::Clock;
use crate::config::{Config, Settings};
use crate::metrics::Figures;
use crate::model::{
    Ack, ChannelStatus, Confirmation, IncidentId, Now, ReadinessRun, Session, SessionId, Silence,
    SilenceId, Snapshot, StoreStatus,
};
use crate::monitor::Input;
use crate::notify::{Remote, Setup};
use crate::store::WriterHandle;
use crate::web::{Answer, ControlError, Daemon, Look, Reloaded};

/// Longest that the loop may take to take something in before whoever asked is told so.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is shared by everything that is not the brain.
pub(super) struct Face {
    pub(super) clock: Clock,
    pub(super) source: Source,
    pub(super) board: String,
    pub(super) shown: Arc<Shown>,
    pub(super) settings: ArcSwap<Settings>,
    pub(super) sessions: ArcSwap<Vec<Arc<Session>>>,
    pub(super) heartbeat: Arc<Heartbeat>,
    /// Emptied when the daemon stops, which ends the loop.
    pub(super) requests: ArcSwap<Option<mpsc::Sender<Request>>>,
    pub(super) writer: WriterHandle,
    pub(super) courier: Remote,
    pub(super) figures: Figures,
    /// One reload at a time, for all who ask meanwhile.
    pub(super) reloading: Together<Result<Reloaded, String>>,
}

/// What everybody sees.
pub(super) struct Shown {
    pub(super) snapshot: ArcSwap<Snapshot>,
    pub(super) published: watch::Sender<u64>,
}

impl Shown {
    /// Makes a snapshot the one that everybody sees.
    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(snapshot);
        self.published.send_modify(|count| *count += 1);
    }
}

impl Face {
    /// Tells the brain something and waits until it has taken it in.
    pub(super) async fn tell(&self, input: Input) -> Result<(), ControlError> {
        let requests = self.requests.load_full();
        let Some(requests) = requests.as_ref() else { return Err(ControlError::Stopping) };
        let (taken, answer) = oneshot::channel();
        let request = Request { input, taken: Some(taken) };
        let told = async {
            requests.send(request).await.map_err(|_| ControlError::Stopping)?;
            answer.await.map_err(|_| ControlError::Stopping)
        };
        let late = || ControlError::Refused("the event loop does not answer".to_owned());
        tokio::time::timeout(PATIENCE, told).await.map_err(|_| late())?
    }

    /// Reads the configuration again and takes it on, or leaves everything as it was.
    async fn load_again(&self) -> Result<Reloaded, String> {
        let began = self.clock.mono();
        let source = self.source.clone();
        // Reading may take as long as a disk takes.
        let read = tokio::task::spawn_blocking(move || source.load()).await;
        let config = match read {
            Ok(Ok(config)) => config,
            Ok(Err(wrong)) => return Err(super::error::chain(&wrong)),
            Err(panicked) => return Err(panicked.to_string()),
        };
        self.warn_of_restart(&config.settings);
        let config = Arc::new(config);
        self.tell(Input::Reload(Arc::clone(&config))).await.map_err(|error| error.to_string())?;
        self.courier.configure(Setup::of(&config.settings, &self.board));
        self.settings.store(Arc::new(config.settings.clone()));
        self.sessions.store(Arc::new(config.sessions.clone()));
        Ok(summary(&config, self.clock.mono() - began))
    }

    /// Whether a session stands in the calendar.
    fn knows(&self, session: &SessionId) -> bool {
        self.sessions.load().iter().any(|it| it.id == *session)
    }

    /// Some settings take part in what was done once at the start.
    fn warn_of_restart(&self, new: &Settings) {
        let old = self.settings.load();
        for (setting, changed) in [
            ("listen", old.listen != new.listen),
            ("state_dir", old.state_dir != new.state_dir),
            ("icmp", old.icmp != new.icmp),
        ] {
            if changed {
                warn!(setting, "this setting takes effect at the next start");
            }
        }
    }
}

/// What a configuration amounts to.
pub(super) fn summary(config: &Config, took: Duration) -> Reloaded {
    Reloaded {
        sites: config.topology.sites.len(),
        targets: config.topology.targets.len(),
        sessions: config.sessions.len(),
        took,
    }
}

impl Daemon for Face {
    fn now(&self) -> Now {
        self.clock.now()
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        self.shown.snapshot.load_full()
    }

    fn published(&self) -> watch::Receiver<u64> {
        self.shown.published.subscribe()
    }

    fn stalled_for(&self) -> Duration {
        self.clock.mono() - self.heartbeat.last()
    }

    fn store(&self) -> StoreStatus {
        self.writer.status()
    }

    fn channels(&self) -> Arc<Vec<ChannelStatus>> {
        self.courier.statuses()
    }

    fn look(&self) -> Look {
        let settings = self.settings.load();
        Look { language: settings.language, time_zone: settings.time_zone.clone() }
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, String>> {
        Box::pin(self.reloading.run(async {
            let done = self.load_again().await;
            self.figures.reloaded(done.is_ok(), self.clock.now().wall);
            match &done {
                Ok(reloaded) => info!("{reloaded}"),
                Err(wrong) => error!("configuration refused, the old one stays:\n{wrong}"),
            }
            done
        }))
    }

    fn ack(&self, incident: IncidentId, ack: Ack) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(async {
            let snapshot = self.shown.snapshot.load();
            if !snapshot.incidents.iter().any(|i| i.id == incident && i.is_open()) {
                return Err(ControlError::NotFound);
            }
            self.tell(Input::Ack { incident, ack }).await
        })
    }

    fn silence(&self, silence: Silence) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.tell(Input::Silence(silence)))
    }

    fn keep_readiness(&self, run: ReadinessRun) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(async {
            if !self.knows(&run.session) {
                return Err(ControlError::NotFound);
            }
            self.tell(Input::Readiness(Box::new(run))).await
        })
    }

    fn confirm(&self, said: Confirmation) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(async {
            if !self.knows(&said.session) {
                return Err(ControlError::NotFound);
            }
            self.tell(Input::Confirm(Box::new(said))).await
        })
    }

    fn lift(&self, silence: SilenceId) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(async {
            let snapshot = self.shown.snapshot.load();
            let known = snapshot.silences.iter().any(|s| s.id == silence)
                || snapshot.maintenance.iter().any(|m| m.id == silence);
            if !known {
                return Err(ControlError::NotFound);
            }
            self.tell(Input::Lift(silence)).await
        })
    }
}
