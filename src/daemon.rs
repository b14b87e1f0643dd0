//! The daemon: joins the brain with its hands, and starts and ends them in order.
//!
//! ```text
//!            orders                 commit, then publish, then deliver
//!  brain ───────────────▶ probes        ┌────────▶ store
//!  (own   ◀─────────────── outcomes     │            │
//!  thread) ───────────────────────────▶ writer ──▶ snapshot ──▶ web
//!         ◀─────── reload, ack ──────── web          │
//!                                                  courier ──▶ channels
//! ```
//! Start and reload read the configuration on the same path, which `files` begins.
//!
//! `brain` is the loop on its thread, `hands` what it moves, `face` what the web server and signals
//! see of it, `acts` what people do through that; `journal` logs what was decided. Beside the loop
//! run `calendar`, which fetches calendars, `readiness`, which looks at sites before a session,
//! `drill`, which has a device fall silent for a drill, `write_up`, which makes reports of those
//! that ended, and `watchdog`, which gives the sign of life to a watchdog elsewhere. `together`
//! carries out once what many ask for at once.

mod acts;
mod brain;
mod calendar;
mod drill;
mod error;
mod face;
mod files;
mod hands;
mod journal;
mod probe_now;
mod readiness;
mod together;
mod watchdog;
mod write_up;

use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use self::acts::UsedLinks;
use self::brain::{Heartbeat, Loop};
use self::calendar::Keeper;
use self::face::{Face, Shown};
use self::hands::Hands;
use self::journal::Journal;
use self::probe_now::Demands;
use self::together::Together;
use crate::clock::Clock;
use crate::config::Settings;
use crate::metrics::Figures;
use crate::model::Snapshot;
use crate::monitor::{Input, Monitor};
use crate::notify::{Courier, Inbox, Setup, load_link_key};
use crate::probe::{Probes, Trust};
use crate::store::{Past, Store, Writer};
use crate::web::{Condition, ControlError, Daemon as _, Limits, ReloadError, Reloaded, Server};

pub use self::brain::AHEAD;
pub use self::calendar::kept_sessions;
pub use self::error::DaemonError;
pub use self::files::{Source, read};
pub use self::write_up::{file_name, put, write_up};

/// Requests that wait for the brain at most; more means that it stands still.
const REQUESTS: usize = 64;
/// Longest that the end of the daemon waits for messages on their way, and for the disk.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a daemon is started with.
pub struct Options {
    /// Where the configuration comes from, now and at every reload.
    pub source: Source,
    /// What the web server listens on, if it was bound before; otherwise the configuration says.
    pub listener: Option<TcpListener>,
    /// The clock of everything.
    pub clock: Clock,
}

/// A running daemon. Ended in order by [`Daemon::stop`].
pub struct Daemon {
    face: Arc<Face>,
    probes: Arc<Probes>,
    courier: Courier,
    writer: Writer,
    brain: JoinHandle<()>,
    brain_ended: CancellationToken,
    server: tokio::task::JoinHandle<()>,
    stop_server: CancellationToken,
    reporter: tokio::task::JoinHandle<()>,
    stop_reporter: CancellationToken,
}

impl Daemon {
    /// Reads the configuration and starts everything. Must be called within a multi-threaded
    /// tokio runtime.
    ///
    /// # Errors
    /// When the configuration is wrong, or port, state directory or echo sockets cannot be had.
    pub fn start(options: Options) -> Result<Self, DaemonError> {
        let Options { source, listener, clock } = options;
        let config = Arc::new(source.load()?);
        let settings = &config.settings;
        let listener = match listener {
            Some(listener) => listener,
            None => listen(settings)?,
        };
        let address = listener.local_addr().map_err(DaemonError::System)?;
        let now = clock.now();
        let (store, durable) =
            Store::open(&settings.state_dir, now.wall).map_err(DaemonError::Store)?;
        let key = load_link_key(store.dir()).map_err(DaemonError::System)?;
        let link_uses = store.link_uses().map_err(DaemonError::Store)?;
        let waiting = store.outstanding().map_err(DaemonError::Store)?;
        let standing = store.standing().map_err(DaemonError::Store)?;
        let figures = Figures::new(env!("CARGO_PKG_VERSION"), now.wall);
        let keeper = Arc::new(Keeper::open(&settings.state_dir, figures.clone()));
        let gathered = Arc::new(keeper.gather(&config, now.wall));
        let mut monitor = Monitor::new(Arc::clone(&gathered), durable, now);
        monitor.order_ahead(AHEAD);
        let probes = Arc::new(start_probes(settings, &monitor, clock)?);

        let mut tally = figures.tally();
        tally.adopt(monitor.topology(), monitor.generation());
        let known = monitor.snapshot(now);
        let journal = Journal::knowing(known.incidents.iter().map(|it| &**it));
        let heartbeat = Arc::new(Heartbeat::default());
        heartbeat.beat(now.mono);
        heartbeat.learn(now.mono);
        let shown = Arc::new(Shown {
            snapshot: ArcSwap::from_pointee(known),
            published: watch::Sender::new(0),
        });

        let (inbox, orders) = Inbox::new();
        let writer = {
            let (shown, inbox) = (Arc::clone(&shown), inbox.clone());
            Writer::start(store, clock, move |news| {
                if let Some(snapshot) = news.snapshot {
                    shown.publish(snapshot);
                }
                if !news.mail.is_empty() {
                    inbox.deliver(news.mail);
                }
            })
            .map_err(DaemonError::System)?
        };
        let setup = Setup::of(&config, address, Some(&key));
        if setup.style.links.is_none() && !setup.channels.is_empty() {
            info!(
                listen = %address,
                "messages carry no links to take an incident on: nobody else reaches this address; \
                 set `public_url`"
            );
        }
        let courier = Courier::start(inbox, orders, &setup, waiting, writer.handle(), clock)
            .map_err(DaemonError::System)?;
        courier.restore(standing);

        let (requests, incoming) = mpsc::channel(REQUESTS);
        let answers = requests.downgrade();
        let face = Arc::new(Face {
            clock,
            source,
            address,
            key,
            links: Arc::new(UsedLinks::known(link_uses)),
            shown,
            settings: ArcSwap::from_pointee(settings.clone()),
            access: ArcSwap::new(Arc::clone(&settings.web.access)),
            started: settings.clone(),
            keeper,
            base: ArcSwap::new(Arc::clone(&config)),
            gathering: tokio::sync::Mutex::default(),
            heartbeat: Arc::clone(&heartbeat),
            requests: ArcSwap::from_pointee(Some(requests)),
            writer: writer.handle(),
            courier: courier.remote(),
            figures: figures.clone(),
            reloading: Together::new(clock),
            reporting: tokio::sync::Mutex::default(),
            past: Past::new(&settings.state_dir, clock),
            demands: Demands::new(Arc::clone(&probes), clock),
            condition: Mutex::new(Condition { loaded: now.wall, ..Condition::default() }),
        });
        face.writer.set_retention(face::retention(settings));
        let (closed, news) = watch::channel(None);
        let stop_reporter = CancellationToken::new();
        let reporter = tokio::spawn(write_up::run(Arc::clone(&face), news, stop_reporter.clone()));
        let stop_server = CancellationToken::new();
        let server = Server::new(listener, Arc::clone(&face) as _, figures, Limits::default())
            .map_err(DaemonError::System)?;
        let server = tokio::spawn({
            let stop = stop_server.clone();
            async move {
                if let Err(failed) = server.run(stop).await {
                    error!("the web server ended: {failed}");
                }
            }
        });

        tokio::spawn(watchdog::run(Arc::clone(&face), stop_server.clone()));
        tokio::spawn(face::keep(Arc::clone(&face), stop_server.clone()));
        tokio::spawn(face::watch_door(Arc::clone(&face), stop_server.clone()));
        let hands = Hands {
            probes: Arc::clone(&probes),
            writer: writer.handle(),
            courier: courier.remote(),
            tally,
            journal,
            closed,
        };
        let waiting = Vec::new();
        let runtime = Handle::current();
        let brain = Loop {
            monitor,
            hands,
            requests: incoming,
            answers,
            runtime,
            clock,
            heartbeat,
            waiting,
        };
        let brain_ended = CancellationToken::new();
        let ended = brain_ended.clone().drop_guard();
        let brain = std::thread::Builder::new()
            .name("brain".to_owned())
            .spawn(move || {
                // Dropped at the end, by a panic as well.
                let _ended = ended;
                // Timers of its own: one of the common runtime wakes the worker that waits for all
                // of them, and then us.
                match Builder::new_current_thread().enable_time().build() {
                    Ok(own) => own.block_on(brain.run()),
                    Err(failed) => error!("the event loop cannot begin: {failed}"),
                }
            })
            .map_err(DaemonError::System)?;
        face::warn_of_lacks(settings);
        let amounts_to = face::summary(&gathered, Duration::ZERO);
        info!(
            sites = amounts_to.sites,
            targets = amounts_to.targets,
            sessions = amounts_to.sessions,
            engine = probes.engine().unwrap_or_default(),
            "watching; board and metrics at {}",
            setup.style.board
        );
        Ok(Self {
            face,
            probes,
            courier,
            writer,
            brain,
            brain_ended,
            server,
            stop_server,
            reporter,
            stop_reporter,
        })
    }

    /// Reads the configuration again; a wrong one is refused whole and logged.
    ///
    /// # Errors
    /// When it is wrong, or not taken on.
    pub async fn reload(&self) -> Result<Reloaded, ReloadError> {
        self.face.reload().await
    }

    /// Tells the brain something: that an incident is taken on, that planned work is announced.
    ///
    /// # Errors
    /// When the daemon is stopping or stands still.
    pub async fn tell(&self, input: Input) -> Result<(), ControlError> {
        self.face.tell(input).await
    }

    /// The newest state.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.face.snapshot()
    }

    /// How long ago the event loop last came round.
    #[must_use]
    pub fn stalled_for(&self) -> Duration {
        self.face.stalled_for()
    }

    /// What has not come round for so long that only a start helps, if anything: a probe loop that
    /// stands for longer than `patience`, or a courier that something holds. What either waits for,
    /// such as a disk or a receiver, it waits for beside its round.
    #[must_use]
    pub fn stands_still(&self, patience: Duration) -> Option<&'static str> {
        if self.stalled_for() > patience {
            return Some("the probe loop");
        }
        self.face.courier.is_stalled(self.face.clock.mono()).then_some("the courier")
    }

    /// Messages that channels have accepted since the start.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.face.channels().iter().map(|channel| channel.delivered).sum()
    }

    /// Changes whenever a snapshot is published.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<u64> {
        self.face.published()
    }

    /// Returns when the event loop or the courier has ended by itself, which only a mistake of ours
    /// makes them do; which of them. Nothing is watched any more, or nobody told: the daemon is to
    /// be stopped and started anew.
    pub async fn broken(&self) -> &'static str {
        tokio::select! {
            () = self.brain_ended.cancelled() => "the event loop",
            () = self.courier.ended() => "the courier",
        }
    }

    /// Ends everything in order: what was decided is committed, messages on their way get a few
    /// seconds, and what still waits stays in the outbox.
    pub async fn stop(self) {
        let Self {
            face,
            probes,
            courier,
            writer,
            brain,
            server,
            stop_server,
            reporter,
            stop_reporter,
            ..
        } = self;
        info!("stopping");
        face.requests.store(Arc::new(None));
        stop_server.cancel();
        // The loop ends once nobody can send it requests; a panic in it was logged when it was.
        let ended = tokio::task::spawn_blocking(move || brain.join());
        if tokio::time::timeout(LAST_WORDS, ended).await.is_err() {
            warn!("the event loop does not end");
        }
        probes.stop().await;
        // A report that is half done is written at the next start.
        stop_reporter.cancel();
        let _ = tokio::time::timeout(LAST_WORDS, reporter).await;
        let untold = courier.stop(LAST_WORDS).await;
        if untold > 0 {
            warn!(messages = untold, "not delivered yet; they are sent after the next start");
        }
        let unwritten = tokio::task::spawn_blocking(move || writer.stop(LAST_WORDS)).await;
        if let Ok(changes @ 1..) = unwritten {
            error!(changes, "not on disk: the store did not take them");
        }
        // Its connections were given their time limit by the server itself.
        let _ = server.await;
        info!("stopped");
    }
}

fn listen(settings: &Settings) -> Result<TcpListener, DaemonError> {
    let failed = |source| DaemonError::Listen { address: settings.listen.to_string(), source };
    TcpListener::bind(settings.listen).map_err(failed)
}

/// The hands that probe. A monitor that cannot ping would call everything unknown, so it does not
/// start without.
fn start_probes(
    settings: &Settings,
    monitor: &Monitor,
    clock: Clock,
) -> Result<Probes, DaemonError> {
    let topology = Arc::clone(monitor.topology());
    let probes = Probes::start(settings, monitor.generation(), topology, Trust::system(), clock);
    match probes.engine() {
        Ok(_) => Ok(probes),
        Err(why) => Err(DaemonError::Icmp(why.to_owned())),
    }
}
