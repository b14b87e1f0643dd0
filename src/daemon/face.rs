//! The daemon as others see it: the web server asks here, and so does a reload on SIGHUP.
//!
//! It is long since all that the web server may ask, [`Daemon`], is answered in this one place;
//! each answer is a few lines that lead to whoever knows it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::acts::UsedLinks;
use super::brain::{Heartbeat, Request};
use super::calendar::{EVERY, GATHER_EVERY, KeepError, Keeper};
use super::files::Source;
use super::probe_now::Demands;
use super::together::Together;
use super::write_up;
use crate::clock::Clock;
use crate::config::gather::ChangeError;
use crate::config::{
    self, Access, Config, PhaseTimes, Phonebook, RetentionSettings, Settings, SourceSet,
};
use crate::metrics::Figures;
use crate::model::{
    Ack, Act, Calendar, ChannelId, ChannelStatus, Confirmation, HandOver, IncidentId, LinkUse,
    Maintenance, Now, PersonId, ReadinessRun, RotaId, SessionChange, SessionId, SessionRecord,
    Silence, SilenceId, SiteId, Snapshot, StoreStatus, TargetKey, chain,
};
use crate::monitor::Input;
use crate::notify::{Link, LinkError, LinkKey, Remote, Setup, lacking};
use crate::probe::Explanation;
use crate::report::{Report, Totals};
use crate::store::{Before, Past, PastError, Retention, WriterHandle};
use crate::web::{
    Answer, Condition, ControlError, Daemon, Look, Probed, Refused, ReloadError, Reloaded, UsedLink,
};

/// What is shared by everything that is not the brain.
pub(super) struct Face {
    pub(super) clock: Clock,
    pub(super) source: Source,
    /// Where the web server listens.
    pub(super) address: SocketAddr,
    pub(super) key: LinkKey,
    /// What links were used for.
    pub(super) links: Arc<UsedLinks>,
    pub(super) shown: Arc<Shown>,
    pub(super) settings: ArcSwap<Settings>,
    /// Who may reach the web server; it is read again by itself when its files change.
    pub(super) access: ArcSwap<Access>,
    /// What it was started with.
    pub(super) started: Settings,
    /// Calendars and last-minute changes.
    pub(super) keeper: Arc<Keeper>,
    /// What the files say, without those.
    pub(super) base: ArcSwap<Config>,
    /// One change of what is known together at a time. Holds whether the brain may go by something
    /// else than what is shown, because it did not say in time whether it took that.
    pub(super) gathering: tokio::sync::Mutex<bool>,
    pub(super) heartbeat: Arc<Heartbeat>,
    /// Emptied when the daemon stops, which ends the loop.
    pub(super) requests: ArcSwap<Option<mpsc::Sender<Request>>>,
    pub(super) writer: WriterHandle,
    pub(super) courier: Remote,
    pub(super) figures: Figures,
    /// One reload at a time, for all who ask meanwhile.
    pub(super) reloading: Together<Result<Reloaded, ReloadError>>,
    /// One report at a time, and the last one of a session that is over, which stays as it is.
    pub(super) reporting: tokio::sync::Mutex<Option<(SessionRecord, Arc<Report>)>>,
    /// The history, for whoever looks back.
    pub(super) past: Past,
    /// Sites that people want probed.
    pub(super) demands: Demands,
    /// What became of the configuration. Every change of it is one step, so a panic leaves it
    /// whole.
    pub(super) condition: Mutex<Condition>,
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
    /// Reads the configuration again and takes it on, or leaves everything as it was.
    async fn load_again(&self) -> Result<Reloaded, ReloadError> {
        let began = self.clock.mono();
        let source = self.source.clone();
        // Reading may take as long as a disk takes.
        let read = blocking(move || source.load()).await.map_err(ReloadError::NotTaken)?;
        let config = read.map_err(|wrong| ReloadError::Refused(chain(&wrong)))?;
        let waits = self.waits_for_restart(&config.settings);
        let base = Arc::new(config);
        let mut unsure = self.gathering.lock().await;
        let before = self.keeper.shown();
        let config = self.gather(&base).await.map_err(ReloadError::NotTaken)?;
        // The brain tells through a new channel as soon as it knows it, and may have told through
        // one that is gone until then: the courier gives up what it has no channel for.
        let setup = Setup::of(&config, self.address, Some(&self.key));
        self.courier.configure(setup.beside(&self.settings.load().channels));
        let told = self.tell_calendar(&config, before, &mut unsure).await;
        told.map_err(ReloadError::NotTaken)?;
        self.courier.configure(setup);
        self.base.store(Arc::clone(&base));
        self.access.store(Arc::clone(&config.settings.web.access));
        self.writer.set_retention(retention(&config.settings));
        // The store stays where it was opened until the next start.
        let state_dir = self.settings.load().state_dir.clone();
        self.settings.store(Arc::new(Settings { state_dir, ..config.settings.clone() }));
        let keeper = Arc::clone(&self.keeper);
        blocking(move || keeper.tidy(&base)).await.map_err(ReloadError::NotTaken)?;
        self.warn_of_duty(&config.settings);
        warn_of_lacks(&config.settings);
        for setting in &waits {
            warn!(setting, "this setting takes effect at the next start");
        }
        Ok(Reloaded { waits_for_restart: waits, ..summary(&config, self.clock.mono() - began) })
    }

    /// Says whom duty was handed to whom the settings do not know any more.
    fn warn_of_duty(&self, settings: &Settings) {
        let snapshot = self.shown.snapshot.load();
        for handed in snapshot.duty.iter().filter_map(|view| view.handed.as_ref()) {
            let gone = handed.people.iter().filter(|id| settings.person(id).is_none());
            let gone = gone.map(PersonId::as_str).collect::<Vec<_>>().join(", ");
            if !gone.is_empty() {
                warn!(
                    rota = %handed.rota, gone, until = %handed.until,
                    "the duty was handed over to somebody whom the settings do not know any more; \
                     they are told nothing: hand it over again"
                );
            }
        }
    }

    /// Tells the brain what is known together, if that is not what it goes by.
    async fn gather_again(&self) -> Result<(), ControlError> {
        let mut unsure = self.gathering.lock().await;
        self.gather_within(&mut unsure).await
    }

    async fn gather_within(&self, unsure: &mut bool) -> Result<(), ControlError> {
        let before = self.keeper.shown();
        let config = self.gather(&self.base.load_full()).await?;
        if before.sessions == self.keeper.shown().sessions && !*unsure {
            return Ok(());
        }
        info!(sessions = config.sessions.len(), "the calendar has changed");
        self.tell_calendar(&config, before, unsure).await
    }

    /// Tells the brain of a gathered configuration; what is shown is what it goes by.
    async fn tell_calendar(
        &self,
        config: &Arc<Config>,
        before: Arc<Calendar>,
        unsure: &mut bool,
    ) -> Result<(), ControlError> {
        let told = self.tell(Input::Reload(Arc::clone(config))).await;
        *unsure = told.is_err();
        if told.is_err() {
            self.keeper.show_again(before);
        }
        told
    }

    async fn gather(&self, base: &Arc<Config>) -> Result<Arc<Config>, ControlError> {
        let (keeper, base) = (Arc::clone(&self.keeper), Arc::clone(base));
        let now = self.clock.now().wall;
        blocking(move || Arc::new(keeper.gather(&base, now))).await
    }

    /// Changes a session, or withdraws what was changed about it. What the brain does not take is
    /// taken back.
    async fn change(
        &self,
        id: SessionId,
        change: Option<SessionChange>,
    ) -> Result<(), ControlError> {
        let mut unsure = self.gathering.lock().await;
        let withdrawn = change.is_none();
        let (keeper, base) = (Arc::clone(&self.keeper), self.base.load_full());
        let (of, now) = (id.clone(), self.clock.now().wall);
        let kept = blocking(move || keeper.change(&base, &of, change, now)).await?;
        let before = kept.map_err(|why| match why {
            KeepError::Unfit(ChangeError::Unknown) => ControlError::NotFound,
            KeepError::Unfit(_) | KeepError::Many => ControlError::Refused(why.to_string()),
            KeepError::Disk(_) => ControlError::Failed(chain(&why)),
        })?;
        if withdrawn && before.is_none() {
            return Err(ControlError::NotFound);
        }
        let told = self.gather_within(&mut unsure).await;
        if told.is_err() {
            let keeper = Arc::clone(&self.keeper);
            blocking(move || keeper.change_back(&id, before)).await?;
        }
        told
    }

    /// Whether a session stands in the calendar.
    pub(super) fn knows(&self, session: &SessionId) -> bool {
        self.keeper.shown().sessions.iter().any(|(it, _)| it.id == *session)
    }

    /// Settings that take part in what was done once at the start, and that `new` changes.
    fn waits_for_restart(&self, new: &Settings) -> Vec<&'static str> {
        let started = &self.started;
        let settings = [
            ("listen", started.listen != new.listen),
            ("state_dir", started.state_dir != new.state_dir),
            ("icmp", started.icmp != new.icmp),
        ];
        settings.into_iter().filter(|(_, changed)| *changed).map(|(setting, _)| setting).collect()
    }

    fn condition(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what became of a reload, so that whoever looks later sees what this daemon goes by.
    fn note_reload(&self, done: &Result<Reloaded, ReloadError>) {
        let now = self.clock.now().wall;
        let mut condition = self.condition();
        match done {
            Ok(reloaded) => {
                *condition = Condition {
                    loaded: now,
                    refused: None,
                    waits_for_restart: reloaded.waits_for_restart.clone(),
                };
            }
            Err(why) => {
                let since = condition.refused.as_ref().map_or(now, |before| before.since);
                condition.refused = Some(Refused { since, at: now, why: why.to_string() });
            }
        }
    }
}

/// Says which keys and programs are not there. Nobody waits for it, since a disk may be dead.
pub(super) fn warn_of_lacks(settings: &Settings) {
    let settings = settings.clone();
    tokio::spawn(async move {
        for lack in lacking(&settings).await {
            warn!("what needs it fails until it is there: {lack}");
        }
    });
}

/// Does what takes as long as a disk takes where that holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ControlError::Broken)
}

/// Keeps calendars up to date until told to stop.
pub(super) async fn keep(face: Arc<Face>, stop: CancellationToken) {
    let (keeper, base) = (Arc::clone(&face.keeper), face.base.load_full());
    // What lies about from other settings is only in the way.
    let _ = blocking(move || keeper.tidy(&base)).await;
    let mut gathered = face.clock.mono();
    let mut again = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let (base, now) = (face.base.load_full(), face.clock.now());
        let looked = face.keeper.fetch_due(&base, now).await;
        if looked || again || face.clock.mono() - gathered >= GATHER_EVERY {
            gathered = face.clock.mono();
            let told = face.gather_again().await;
            again = told.is_err();
            if let Err(error) = told {
                warn!(%error, "what calendars say is not taken on; it is tried again");
            }
        }
    }
}

/// How soon a renewed certificate is seen.
const DOOR_EVERY: Duration = Duration::from_secs(10);

/// Takes on what changes in the web configuration and in the files that it names until told to
/// stop: a certificate is renewed by a program that knows of no reload. What is wrong changes
/// nothing.
pub(super) async fn watch_door(face: Arc<Face>, stop: CancellationToken) {
    let mut seen: Option<SourceSet> = None;
    loop {
        let before = seen.take();
        let name = face.settings.load().web.config_file.clone();
        let source = face.source.clone();
        // Reading may take as long as a disk takes.
        let read = tokio::task::spawn_blocking(move || name.and_then(|name| source.web(&name)));
        seen = read.await.unwrap_or_default();
        // What is there at the start has just been read.
        if let (Some(before), Some(found)) = (before, &seen)
            && before != *found
        {
            match config::access(found) {
                Ok(access) => {
                    face.access.store(Arc::new(access));
                    info!("the web configuration has changed and is taken on");
                }
                Err(wrong) => {
                    error!("the web configuration is refused, the old one stays:\n{wrong}");
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(DOOR_EVERY) => {}
        }
    }
}

/// How long history is kept.
pub(super) fn retention(settings: &Settings) -> Retention {
    let RetentionSettings { minutes, history, messages } = settings.retention;
    Retention { minutes, history, messages }
}

/// What a configuration amounts to.
pub(super) fn summary(config: &Config, took: Duration) -> Reloaded {
    Reloaded {
        sites: config.topology.sites.len(),
        targets: config.topology.targets.len(),
        sessions: config.sessions.len(),
        took,
        waits_for_restart: Vec::new(),
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
        let (listed, common_labels) =
            (settings.contacts.clone(), settings.correlation.common_labels.clone());
        let phonebook = Arc::new(Phonebook { listed, common_labels });
        Look { language: settings.language, time_zone: settings.time_zone.clone(), phonebook }
    }

    fn ack_lasts(&self) -> PhaseTimes {
        self.settings.load().acks.lasts
    }

    fn reader(&self, channel: &ChannelId) -> Option<String> {
        self.settings.load().reader(channel).map(|person| person.name.clone())
    }

    fn people(&self) -> Vec<(PersonId, String)> {
        let settings = self.settings.load();
        settings.people.iter().map(|it| (it.id.clone(), it.name.clone())).collect()
    }

    fn hand_over(&self, handed: HandOver) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.pass_duty(handed))
    }

    fn take_duty_back(&self, rota: RotaId) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.pass_duty_back(rota))
    }

    fn access(&self) -> Arc<Access> {
        self.access.load_full()
    }

    fn public_url(&self) -> Option<String> {
        self.settings.load().public_url.clone()
    }

    fn reload(&self) -> Answer<'_, Result<Reloaded, ReloadError>> {
        Box::pin(self.reloading.run(async {
            let done = self.load_again().await;
            self.figures.reloaded(done.is_ok(), self.clock.now().wall);
            self.note_reload(&done);
            match &done {
                Ok(reloaded) => info!("{reloaded}"),
                Err(wrong) => error!("configuration refused, the old one stays:\n{wrong}"),
            }
            done
        }))
    }

    fn calendar(&self) -> Arc<Calendar> {
        self.keeper.shown()
    }

    fn change_session(
        &self,
        id: SessionId,
        change: Option<SessionChange>,
    ) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.change(id, change))
    }

    fn ack(&self, incident: IncidentId, ack: Ack) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.take_on(incident, ack))
    }

    fn silence(&self, silence: Silence) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.hold_back(silence))
    }

    fn maintain(&self, window: Maintenance) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.announce(window))
    }

    fn look_ahead(&self, session: SessionId) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(async move {
            if !self.knows(&session) {
                return Err(ControlError::NotFound);
            }
            self.tell(Input::LookAhead(session)).await
        })
    }

    fn keep_readiness(&self, run: ReadinessRun) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.keep_run(run))
    }

    fn confirm(&self, said: Confirmation) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.note_confirmed(said))
    }

    fn unconfirm(&self, session: SessionId, site: SiteId) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.take_back(session, site))
    }

    fn lift(&self, silence: SilenceId) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.end(silence))
    }

    fn open_link(&self, token: &str) -> Result<Link, LinkError> {
        self.key.open(token, self.clock.now().wall)
    }

    fn link_use(&self, nonce: &str) -> Option<UsedLink> {
        self.used_link(nonce)
    }

    fn use_link(&self, used: LinkUse, act: Act) -> Answer<'_, Result<(), ControlError>> {
        Box::pin(self.use_link_for(used, act))
    }

    fn report(&self, session: SessionId) -> Answer<'_, Result<Arc<Report>, ControlError>> {
        Box::pin(async move {
            let mut last = self.reporting.lock().await;
            let known = last.clone();
            let now = self.clock.now().wall;
            let made = self.past.ask(move |history| {
                let record = history.session(&session)?.filter(|record| record.start <= now);
                let Some(record) = record else { return Ok(None) };
                Ok(Some(match known {
                    Some((of, report)) if of == record && of.closed.is_some() => (record, report),
                    _ => {
                        let report = write_up::work_out(history, record.clone(), now)?;
                        (record, Arc::new(report))
                    }
                }))
            });
            let (record, report) =
                made.await.map_err(not_answered)?.ok_or(ControlError::NotFound)?;
            *last = Some((record, Arc::clone(&report)));
            Ok(report)
        })
    }

    fn held(
        &self,
        behind: Option<SessionId>,
        most: usize,
    ) -> Answer<'_, Result<Vec<(SessionRecord, Totals)>, ControlError>> {
        Box::pin(async move {
            let now = self.clock.now().wall;
            let found = self.past.ask(move |history| {
                let before = match behind {
                    None => None,
                    Some(id) => match history.session(&id)? {
                        Some(record) => Some(Before { at: record.end, id }),
                        None => return Ok(None),
                    },
                };
                let records = history.sessions_back(now, before.as_ref(), most)?;
                let totals = records.into_iter().map(|record| {
                    let totals = write_up::totals(history, record.clone(), now)?;
                    Ok((record, totals))
                });
                totals.collect::<Result<Vec<_>, _>>().map(Some)
            });
            found.await.map_err(not_answered)?.ok_or(ControlError::NotFound)
        })
    }

    fn past(&self) -> &Past {
        &self.past
    }

    fn explain(&self, target: &TargetKey) -> Option<Explanation> {
        self.demands.probes().explain(target)
    }

    fn probe_now(&self, site: SiteId) -> Answer<'_, Result<Arc<Vec<Probed>>, ControlError>> {
        Box::pin(async move {
            let topology = Arc::clone(&self.shown.snapshot.load().topology);
            let ix = topology.find_site(&site).ok_or(ControlError::NotFound)?;
            let endpoints = topology.site(ix).endpoints.iter();
            let targets = endpoints.flat_map(|endpoint| &topology.endpoint(*endpoint).targets);
            let targets = targets.map(|target| topology.target_key(*target)).collect();
            self.demands.probe(self, site, targets).await
        })
    }

    fn condition(&self) -> Condition {
        Self::condition(self).clone()
    }
}

/// What whoever looked back is told.
fn not_answered(error: PastError) -> ControlError {
    match error {
        PastError::Busy => ControlError::Busy(Duration::from_secs(2)),
        PastError::TookTooLong => ControlError::Busy(Duration::from_secs(30)),
        PastError::Store(why) => ControlError::Failed(chain(&why)),
        PastError::BrokenOff => ControlError::Broken,
    }
}
