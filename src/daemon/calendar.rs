//! The calendar of a running daemon: calendars of others, fetched in the background and kept on
//! disk, last-minute changes, and the brain told of both like of any reload.
//!
//! 1. A calendar is looked at when its time has come. What is no calendar, or does not come in
//!    time, changes nothing: the last good copy stays, in memory and below the state directory.
//! 2. Whenever what is known together differs from what the brain goes by, it is told, without a
//!    restart; counters and incidents are kept.
//! 3. A change through the API is on disk before it is answered, and taken back if the brain does
//!    not take it.
//! 4. What is gathered, written or read takes as long as a disk takes and is done where that may
//!    be; nothing is held meanwhile that others wait for. One gathers or changes at a time: see
//!    [`super::face::Face`].

mod fetch;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, fs};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use self::fetch::{Fetcher, LookError};
use super::files::read_bounded;
use crate::config::Config;
use crate::config::calendar::{self, CalendarSettings, CalendarSource, LARGEST};
use crate::config::gather::{ChangeError, Gathered, gather};
use crate::metrics::Figures;
use crate::model::{Calendar, CalendarStatus, Mono, Now, SessionChange, SessionId, chain};
use crate::store::write_whole;

/// Directory of the copies, and name of the changes, in the state directory.
const COPIES: &str = "calendars";
const CHANGES: &str = "session-changes.json";
/// Where changes that cannot be read are kept for somebody to mend.
const CHANGES_ASIDE: &str = "session-changes.unreadable";
/// Most bytes of the changes.
const CHANGES_LARGEST: u64 = 4 << 20;
/// Most changes at a time.
const MOST_CHANGES: usize = 1_000;
/// What is known besides the files.
pub(super) struct Keeper {
    dir: PathBuf,
    fetcher: Fetcher,
    figures: Figures,
    state: Mutex<State>,
    shown: ArcSwap<Calendar>,
}

#[derive(Default)]
struct State {
    copies: BTreeMap<String, Copy>,
    statuses: BTreeMap<String, CalendarStatus>,
    /// When a calendar is to be looked at next, and where.
    due: BTreeMap<String, (Mono, CalendarSource)>,
    changes: Changes,
    /// Changes that were told to be left out.
    unfit: BTreeMap<SessionId, ChangeError>,
}

type Changes = BTreeMap<SessionId, SessionChange>;

/// The last good copy of a calendar.
#[derive(Clone)]
struct Copy {
    source: CalendarSource,
    bytes: Arc<[u8]>,
}

/// Why a change of a session is not kept.
#[derive(Debug)]
pub(super) enum KeepError {
    /// It cannot be laid over what is known of the session.
    Unfit(ChangeError),
    /// There are too many.
    Many,
    /// It does not reach the disk.
    Disk(io::Error),
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit(why) => why.fmt(f),
            Self::Many => {
                write!(f, "there are {MOST_CHANGES} changes of sessions already: withdraw some")
            }
            Self::Disk(_) => f.write_str("the change cannot be kept"),
        }
    }
}

impl std::error::Error for KeepError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unfit(_) | Self::Many => None,
            Self::Disk(source) => Some(source),
        }
    }
}

impl Keeper {
    /// Reads what was kept in the state directory.
    pub(super) fn open(state_dir: &Path, figures: Figures) -> Self {
        let changes = read_changes(state_dir).unwrap_or_else(|error| {
            let (path, aside) = (state_dir.join(CHANGES), state_dir.join(CHANGES_ASIDE));
            let (path, kept) = (path.display(), fs::rename(&path, &aside).is_ok());
            warn!(%path, %error, kept, "changes of sessions cannot be read; they are put aside");
            Changes::new()
        });
        let state = State { changes, ..State::default() };
        let (dir, shown) = (state_dir.to_owned(), ArcSwap::default());
        Self { dir, fetcher: Fetcher::default(), figures, state: Mutex::new(state), shown }
    }

    /// Every change of it is one step, so a panic leaves it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The calendar as it was last gathered.
    pub(super) fn shown(&self) -> Arc<Calendar> {
        self.shown.load_full()
    }

    /// Takes back what is shown, because the brain did not take it.
    pub(super) fn show_again(&self, before: Arc<Calendar>) {
        self.shown.store(before);
    }

    /// The configuration with all sessions that are known; what is shown follows.
    pub(super) fn gather(&self, base: &Config, now: Timestamp) -> Config {
        let changes = self.state().changes.clone();
        let gathered = gather(base, &self.copies(base), &changes, now);
        self.take_notice(&gathered);
        let Gathered { sessions, calendars, spent, .. } = gathered;
        if !spent.is_empty() {
            self.prune(&spent.into_iter().collect::<Vec<SessionId>>());
        }
        let mut statuses = Vec::new();
        let mut state = self.state();
        for calendar in &base.settings.calendars {
            let name = &calendar.name;
            let status = state.statuses.entry(name.clone()).or_default();
            status.name.clone_from(name);
            let mut troubled = 0;
            if let Some(Ok(read)) = calendars.get(name) {
                status.sessions = u32::try_from(read.sessions.len()).unwrap_or(u32::MAX);
                troubled = read.troubled;
                let troubles = read.lines();
                if status.troubles != troubles {
                    for trouble in &troubles {
                        warn!(calendar = name, trouble, "the calendar is not wholly followed");
                    }
                    status.troubles = troubles;
                }
            }
            let working = status.failing_since.is_none();
            self.figures.calendar(name, working, status.sessions, troubled);
            statuses.push(status.clone());
        }
        drop(state);
        let merged = sessions.iter().map(|(session, _)| Arc::clone(session)).collect();
        self.shown.store(Arc::new(Calendar { sessions, calendars: statuses }));
        Config { sessions: merged, ..base.clone() }
    }

    /// The last good copies of the calendars in the settings, by name; from disk where they are
    /// not in memory yet.
    fn copies(&self, base: &Config) -> BTreeMap<String, Arc<[u8]>> {
        let known = self.state().copies.clone();
        let mut copies = BTreeMap::new();
        for calendar in &base.settings.calendars {
            let name = &calendar.name;
            let known = known.get(name).filter(|copy| copy.source == calendar.source);
            let bytes = known.map(|copy| Arc::clone(&copy.bytes)).or_else(|| {
                let bytes: Arc<[u8]> =
                    read_bounded(&self.copy(calendar), LARGEST as u64).ok()?.into();
                let copy = Copy { source: calendar.source.clone(), bytes: Arc::clone(&bytes) };
                self.state().copies.insert(name.clone(), copy);
                Some(bytes)
            });
            copies.extend(bytes.map(|bytes| (name.clone(), bytes)));
        }
        copies
    }

    /// Tells once of a change that is left out.
    fn take_notice(&self, gathered: &Gathered) {
        let told = std::mem::replace(&mut self.state().unfit, gathered.unfit.clone());
        for (session, why) in &gathered.unfit {
            if told.get(session) != Some(why) {
                warn!(%session, %why, "a change of the session does not fit it and is left out");
            }
        }
    }

    /// Lets go of changes that are of no use any more.
    fn prune(&self, spent: &[SessionId]) {
        let mut changes = self.state().changes.clone();
        changes.retain(|session, _| !spent.contains(session));
        if let Err(error) = self.write(&changes) {
            warn!(%error, "changes of sessions that are long over stay on disk");
        }
        self.state().changes = changes;
        info!(changes = spent.len(), "changes of sessions that are long over are let go");
    }

    /// Lets go of what belongs to calendars that are not in the settings, or come from elsewhere
    /// now.
    pub(super) fn tidy(&self, base: &Config) {
        let calendars = &base.settings.calendars;
        let of_settings = |name: &str| calendars.iter().find(|calendar| calendar.name == *name);
        let same = |name: &str, source: &CalendarSource| {
            of_settings(name).is_some_and(|calendar| calendar.source == *source)
        };
        let mut state = self.state();
        for gone in state.statuses.keys().filter(|name| of_settings(name).is_none()) {
            self.figures.no_calendar(gone);
        }
        state.statuses.retain(|name, _| of_settings(name).is_some());
        let moved: Vec<String> = (state.due.iter())
            .filter(|(name, (_, source))| !same(name, source))
            .map(|(name, _)| name.clone())
            .collect();
        for name in moved {
            // What was wrong at the old place says nothing of the new one.
            if let Some(status) = state.statuses.get_mut(&name) {
                *status = CalendarStatus { name: name.clone(), ..CalendarStatus::default() };
            }
            state.due.remove(&name);
        }
        state.copies.retain(|name, copy| same(name, &copy.source));
        drop(state);
        let kept: Vec<PathBuf> = calendars.iter().map(|calendar| self.copy(calendar)).collect();
        let Ok(listing) = fs::read_dir(self.dir.join(COPIES)) else { return };
        for path in listing.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.extension().is_some_and(|it| it == "ics") && !kept.contains(&path) {
                // One that stays is only never looked at again.
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Looks at every calendar whose time has come; whether there was one.
    pub(super) async fn fetch_due(self: &Arc<Self>, base: &Arc<Config>, now: Now) -> bool {
        let due: Vec<CalendarSettings> = {
            let mut state = self.state();
            let calendars = base.settings.calendars.iter();
            let due = calendars
                .filter(|c| state.due.get(&c.name).is_none_or(|(due, _)| *due <= now.mono));
            let due: Vec<CalendarSettings> = due.cloned().collect();
            for calendar in &due {
                let next = (now.mono + calendar.refresh, calendar.source.clone());
                state.due.insert(calendar.name.clone(), next);
            }
            due
        };
        let mut looks = JoinSet::new();
        for calendar in due {
            let (keeper, base) = (Arc::clone(self), Arc::clone(base));
            looks.spawn(async move { keeper.look(calendar, base, now.wall).await });
        }
        let mut looked = false;
        while looks.join_next().await.is_some() {
            looked = true;
        }
        looked
    }

    async fn look(self: Arc<Self>, calendar: CalendarSettings, base: Arc<Config>, now: Timestamp) {
        let fetched = tokio::time::timeout(calendar.timeout, self.fetcher.fetch(&calendar)).await;
        let fetched = fetched.unwrap_or(Err(LookError::Late));
        let work = tokio::task::spawn_blocking(move || {
            let checked = fetched.and_then(|bytes| {
                let zone = &base.settings.time_zone;
                calendar::sessions(&bytes, &calendar, &base.topology, zone, now)
                    .map_err(LookError::Calendar)?;
                Ok(bytes)
            });
            self.keep(&calendar, checked, now);
        });
        // A panic is told by its own thread; what is known stays.
        let _ = work.await;
    }

    /// Rule 1.
    fn keep(&self, calendar: &CalendarSettings, read: Result<Vec<u8>, LookError>, now: Timestamp) {
        let name = &calendar.name;
        let mut state = self.state();
        let status = state.statuses.entry(name.clone()).or_default();
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(why) => {
                let why = chain(&why);
                if status.failing_since.is_none() || status.last_error.as_ref() != Some(&why) {
                    warn!(calendar = name, why, "the calendar cannot be read; what is known stays");
                }
                status.failing_since.get_or_insert(now);
                status.last_error = Some(why);
                return;
            }
        };
        if status.failing_since.take().is_some() {
            info!(calendar = name, "the calendar can be read again");
        }
        status.last_success = Some(now);
        let source = &calendar.source;
        let known = state.copies.get(name).filter(|copy| copy.source == *source);
        if known.is_some_and(|copy| *copy.bytes == *bytes) {
            return;
        }
        let bytes: Arc<[u8]> = bytes.into();
        let copy = Copy { source: source.clone(), bytes: Arc::clone(&bytes) };
        state.copies.insert(name.clone(), copy);
        drop(state);
        let kept = fs::create_dir_all(self.dir.join(COPIES))
            .and_then(|()| write_whole(&self.copy(calendar), &bytes, 0o600));
        if let Err(error) = kept {
            warn!(calendar = name, %error, "no copy of the calendar could be kept");
        }
    }

    /// Sets or withdraws the change of a session; on disk when this returns. Gives what was there
    /// before, to be put back should the brain not take it.
    ///
    /// # Errors
    /// When it does not fit what files and calendars say at `now`, or cannot be kept; nothing is
    /// changed then.
    pub(super) fn change(
        &self,
        base: &Config,
        id: &SessionId,
        change: Option<SessionChange>,
        now: Timestamp,
    ) -> Result<Option<SessionChange>, KeepError> {
        let mut changes = self.state().changes.clone();
        let setting = change.is_some();
        let before = match change {
            Some(mut change) => {
                change.over = changes.get(id).and_then(|earlier| added(earlier, &change));
                changes.insert(id.clone(), change)
            }
            None => changes.remove(id),
        };
        if setting {
            if changes.len() > MOST_CHANGES {
                return Err(KeepError::Many);
            }
            let tried = gather(base, &self.copies(base), &changes, now);
            if let Some(why) = tried.unfit.get(id) {
                return Err(KeepError::Unfit(*why));
            }
        }
        self.write(&changes).map_err(KeepError::Disk)?;
        self.state().changes = changes;
        Ok(before)
    }

    /// Puts back what [`Keeper::change`] found, whatever it is.
    pub(super) fn change_back(&self, id: &SessionId, before: Option<SessionChange>) {
        let mut changes = self.state().changes.clone();
        match before {
            Some(change) => changes.insert(id.clone(), change),
            None => changes.remove(id),
        };
        if let Err(error) = self.write(&changes) {
            warn!(session = %id, %error, "a change that was refused stays on disk");
        }
        self.state().changes = changes;
    }

    fn write(&self, changes: &Changes) -> io::Result<()> {
        write_whole(&self.dir.join(CHANGES), &serde_json::to_vec(changes)?, 0o600)
    }

    fn copy(&self, calendar: &CalendarSettings) -> PathBuf {
        self.dir.join(COPIES).join(calendar.copy_name())
    }
}

/// What a change of a session lies over, should neither files nor calendars know it: what added it,
/// unless it was called off and the change adds it anew.
fn added(earlier: &SessionChange, change: &SessionChange) -> Option<Box<SessionChange>> {
    let anew = earlier.cancelled && !change.cancelled && change.is_whole();
    let first = earlier.over.clone().unwrap_or_else(|| Box::new(earlier.clone()));
    first.is_whole().then_some(first).filter(|_| !anew)
}

/// What is known with what a daemon keeps in its state directory, without fetching anything. A
/// calendar that is a file is read as it is.
#[must_use]
pub fn kept_sessions(base: &Config, now: Timestamp) -> Gathered {
    let dir = &base.settings.state_dir;
    let mut copies: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
    for calendar in &base.settings.calendars {
        let path = match &calendar.source {
            CalendarSource::File(path) => path.clone(),
            CalendarSource::Url(_) => dir.join(COPIES).join(calendar.copy_name()),
        };
        if let Ok(copy) = read_bounded(&path, LARGEST as u64) {
            copies.insert(calendar.name.clone(), copy.into());
        }
    }
    gather(base, &copies, &read_changes(dir).unwrap_or_default(), now)
}

/// The changes that were kept.
fn read_changes(state_dir: &Path) -> io::Result<Changes> {
    match read_bounded(&state_dir.join(CHANGES), CHANGES_LARGEST) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Changes::new()),
        Err(error) => Err(error),
    }
}

/// How often the time of calendars is looked at.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How often what is known is gathered though nothing was fetched: time passes, and what was far
/// ahead comes near.
pub(super) const GATHER_EVERY: Duration = Duration::from_mins(10);
