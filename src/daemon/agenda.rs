//! The calendars and last-minute changes of a running daemon: fetched in the background, kept on
//! disk, and brought to the brain like any reload.
//!
//! 1. A calendar is looked at when its time has come. What is no calendar, or does not come in
//!    time, changes nothing: the last good copy stays, in memory and below the state directory.
//! 2. Whenever what is known together differs from what the brain goes by, it is told, without a
//!    restart; counters and incidents are kept.
//! 3. A change through the API is on disk before it is answered.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tracing::{info, warn};

use super::files::read_bounded;
use crate::config::Config;
use crate::config::agenda::{Gathered, gather};
use crate::config::calendar::{self, Calendar, CalendarSource, LARGEST};
use crate::metrics::Figures;
use crate::model::{Agenda, CalendarStatus, Mono, Now, SessionChange, SessionId};
use crate::store::write_whole;

/// Directory of the copies, and name of the changes, in the state directory.
const COPIES: &str = "calendars";
const CHANGES: &str = "session-changes.json";
/// Most bytes of the changes.
const CHANGES_LARGEST: u64 = 4 << 20;
/// Most changes at a time.
const MOST_CHANGES: usize = 1_000;
/// Most hops that a calendar's address may lead to.
const HOPS: usize = 3;

/// What is known besides the files.
pub(super) struct Keeper {
    dir: PathBuf,
    client: reqwest::Client,
    figures: Figures,
    state: Mutex<State>,
    shown: ArcSwap<Agenda>,
}

#[derive(Default)]
struct State {
    copies: BTreeMap<String, Arc<[u8]>>,
    statuses: BTreeMap<String, CalendarStatus>,
    due: BTreeMap<String, Mono>,
    changes: BTreeMap<SessionId, SessionChange>,
}

impl Keeper {
    /// Reads what was kept in the state directory.
    pub(super) fn open(state_dir: &Path, figures: Figures) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(crate::notify::tls())
            .redirect(reqwest::redirect::Policy::limited(HOPS))
            .no_proxy()
            .user_agent(concat!("vchealth/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let changes = match read_bounded(&state_dir.join(CHANGES), CHANGES_LARGEST) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                warn!(%error, "last-minute changes of sessions cannot be read and are left out");
                BTreeMap::new()
            }),
            Err(_) => BTreeMap::new(),
        };
        let state = State { changes, ..State::default() };
        let (dir, shown) = (state_dir.to_owned(), ArcSwap::default());
        Ok(Self { dir, client, figures, state: Mutex::new(state), shown })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is coming, as it was last gathered.
    pub(super) fn shown(&self) -> Arc<Agenda> {
        self.shown.load_full()
    }

    /// Takes back what is shown, because the brain did not take it.
    pub(super) fn show_again(&self, before: Arc<Agenda>) {
        self.shown.store(before);
    }

    /// The configuration with all sessions that are known; what is shown follows.
    pub(super) fn gather(&self, base: &Config, now: Timestamp) -> Config {
        let mut state = self.state();
        for calendar in &base.settings.calendars {
            let name = &calendar.name;
            if !state.copies.contains_key(name)
                && let Ok(copy) = read_bounded(&self.copy(name), LARGEST as u64)
            {
                state.copies.insert(name.clone(), copy.into());
            }
        }
        let Gathered { sessions, calendars } = gather(base, &state.copies, &state.changes, now);
        let mut statuses = Vec::new();
        for calendar in &base.settings.calendars {
            let name = &calendar.name;
            let status = state.statuses.entry(name.clone()).or_default();
            status.name.clone_from(name);
            if let Some(Ok(read)) = calendars.get(name) {
                status.sessions = u32::try_from(read.sessions.len()).unwrap_or(u32::MAX);
                status.troubles.clone_from(&read.troubles);
            }
            self.figures.calendar(name, status.failing_since.is_none(), status.sessions);
            statuses.push(status.clone());
        }
        let of_settings = |name: &String| base.settings.calendars.iter().any(|c| c.name == *name);
        for gone in state.statuses.keys().filter(|name| !of_settings(name)) {
            self.figures.no_calendar(gone);
        }
        state.statuses.retain(|name, _| of_settings(name));
        drop(state);
        let merged = sessions.iter().map(|(session, _)| Arc::clone(session)).collect();
        self.shown.store(Arc::new(Agenda { sessions, calendars: statuses }));
        Config { sessions: merged, ..base.clone() }
    }

    /// Looks at every calendar whose time has come.
    pub(super) async fn fetch_due(self: &Arc<Self>, base: &Arc<Config>, now: Now) -> bool {
        let due: Vec<Calendar> = {
            let mut state = self.state();
            let calendars = base.settings.calendars.iter();
            let due =
                calendars.filter(|c| state.due.get(&c.name).is_none_or(|due| *due <= now.mono));
            let due: Vec<Calendar> = due.cloned().collect();
            for calendar in &due {
                state.due.insert(calendar.name.clone(), now.mono + calendar.refresh);
            }
            due
        };
        let mut looks = JoinSet::new();
        for calendar in due {
            let (keeper, base) = (Arc::clone(self), Arc::clone(base));
            looks.spawn(async move { keeper.look(&calendar, &base, now.wall).await });
        }
        let mut looked = false;
        while looks.join_next().await.is_some() {
            looked = true;
        }
        looked
    }

    async fn look(&self, calendar: &Calendar, base: &Config, now: Timestamp) {
        let fetched = match tokio::time::timeout(calendar.timeout, self.fetch(calendar)).await {
            Ok(fetched) => fetched,
            Err(_) => Err("no answer in time".to_owned()),
        };
        let zone = &base.settings.time_zone;
        let checked = fetched.and_then(|bytes| {
            calendar::sessions(&bytes, calendar, &base.topology, zone, now)?;
            Ok(bytes)
        });
        let name = &calendar.name;
        let mut state = self.state();
        let status = state.statuses.entry(name.clone()).or_default();
        match checked {
            Ok(bytes) => {
                if status.failing_since.take().is_some() {
                    info!(calendar = name, "the calendar can be read again");
                }
                status.last_success = Some(now);
                if state.copies.get(name).is_some_and(|copy| **copy == *bytes) {
                    return;
                }
                state.copies.insert(name.clone(), bytes.clone().into());
                drop(state);
                let kept = fs::create_dir_all(self.dir.join(COPIES))
                    .and_then(|()| write_whole(&self.copy(name), &bytes, 0o600));
                if let Err(error) = kept {
                    warn!(calendar = name, %error, "no copy of the calendar could be kept");
                }
            }
            Err(why) => {
                if status.failing_since.is_none() || status.last_error.as_ref() != Some(&why) {
                    warn!(calendar = name, why, "the calendar cannot be read; what is known stays");
                }
                status.failing_since.get_or_insert(now);
                status.last_error = Some(why);
            }
        }
    }

    /// The bytes of a calendar. Addresses may hold a key, so no error names one.
    async fn fetch(&self, calendar: &Calendar) -> Result<Vec<u8>, String> {
        let too_large = || format!("it is larger than {} MiB", LARGEST >> 20);
        let url = match &calendar.source {
            CalendarSource::File(path) => {
                let path = path.clone();
                let read = tokio::task::spawn_blocking(move || read_bounded(&path, LARGEST as u64));
                let read = read.await.map_err(|error| error.to_string())?;
                return read.map_err(|error| error.to_string());
            }
            CalendarSource::Url(url) => url,
        };
        let told = |error: reqwest::Error| super::error::chain(&error.without_url());
        let mut answer = self.client.get(url.reveal()).send().await.map_err(told)?;
        if !answer.status().is_success() {
            return Err(format!("the server answers {}", answer.status()));
        }
        let mut bytes = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(told)? {
            bytes.extend_from_slice(&piece);
            if bytes.len() > LARGEST {
                return Err(too_large());
            }
        }
        Ok(bytes)
    }

    /// Sets or withdraws the change of a session; on disk when this returns. Gives what was there
    /// before, to be put back should the brain not take it.
    pub(super) fn change(
        &self,
        id: &SessionId,
        change: Option<SessionChange>,
    ) -> Result<Option<SessionChange>, String> {
        let mut state = self.state();
        let mut changes = state.changes.clone();
        let before = match change {
            Some(change) => changes.insert(id.clone(), change),
            None => changes.remove(id),
        };
        if changes.len() > MOST_CHANGES {
            return Err(format!("there are {MOST_CHANGES} changes already: withdraw some"));
        }
        let text = serde_json::to_vec(&changes).map_err(|error| error.to_string())?;
        write_whole(&self.dir.join(CHANGES), &text, 0o600)
            .map_err(|error| format!("the change cannot be kept: {error}"))?;
        state.changes = changes;
        Ok(before)
    }

    fn copy(&self, name: &str) -> PathBuf {
        self.dir.join(COPIES).join(format!("{name}.ics"))
    }
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
            CalendarSource::Url(_) => dir.join(COPIES).join(format!("{}.ics", calendar.name)),
        };
        if let Ok(copy) = read_bounded(&path, LARGEST as u64) {
            copies.insert(calendar.name.clone(), copy.into());
        }
    }
    let changes = read_bounded(&dir.join(CHANGES), CHANGES_LARGEST).unwrap_or_default();
    gather(base, &copies, &serde_json::from_slice(&changes).unwrap_or_default(), now)
}

/// How often the time of calendars is looked at.
pub(super) const EVERY: Duration = Duration::from_secs(1);
/// How often what is known is gathered though nothing was fetched: time passes, and what was far
/// ahead comes near.
pub(super) const GATHER_EVERY: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{self, File};

    /// A directory of our own that goes with us.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let nth = COUNT.fetch_add(1, Ordering::Relaxed);
            let dir =
                std::env::temp_dir().join(format!("vchealth-agenda-{}-{nth}", std::process::id()));
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn config(url: &str) -> Arc<Config> {
        let text =
            format!("channels: {{}}\ncalendars: {{office: {{url: \"{url}\", timeout: 5s}}}}\n");
        let sources = config::sample().with(File::Settings, "vchealth.yaml", text).with(
            File::Sessions,
            "sessions.yaml",
            "sessions: []\n",
        );
        Arc::new(config::load(&sources).unwrap_or_else(|problems| panic!("{problems}")))
    }

    fn keeper(dir: &Scratch) -> Arc<Keeper> {
        let started = "2026-12-01T00:00:00Z".parse().unwrap();
        Arc::new(Keeper::open(&dir.0, Figures::new("0", started)).unwrap())
    }

    fn at(minutes: u64) -> Now {
        let wall: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
        let passed = Duration::from_mins(minutes);
        Now { mono: Mono::ZERO + passed, wall: wall.checked_add(passed).unwrap() }
    }

    /// Answers one request after the other with these bodies, then listens no longer.
    async fn serve(answers: Vec<&'static str>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hop.ics?key=secret", listener.local_addr().unwrap());
        tokio::spawn(async move {
            for body in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 4096];
                let _ = stream.read(&mut asked).await.unwrap();
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all((head + body).as_bytes()).await.unwrap();
            }
        });
        url
    }

    const CALENDAR: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:u\r\nSUMMARY:Họp\r\n\
        DTSTART:20261209T080000\r\nDURATION:PT2H\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

    #[tokio::test]
    async fn a_calendar_server_that_fails_changes_nothing() {
        let dir = Scratch::new();
        let base = config(&serve(vec![CALENDAR, "<html>log in</html>"]).await);
        let keeper = keeper(&dir);
        assert_eq!(keeper.gather(&base, at(0).wall).sessions.len(), 0);

        assert!(keeper.fetch_due(&base, at(0)).await);
        assert_eq!(keeper.gather(&base, at(0).wall).sessions.len(), 1);
        assert!(!keeper.fetch_due(&base, at(1)).await, "it is not due yet");

        // A page instead of a calendar, then nobody at all: what is known stays.
        for (minutes, why) in [(6, "BEGIN:VCALENDAR"), (12, "error")] {
            assert!(keeper.fetch_due(&base, at(minutes)).await);
            assert_eq!(keeper.gather(&base, at(minutes).wall).sessions.len(), 1);
            let status = keeper.shown().calendars[0].clone();
            assert_eq!(status.failing_since, Some(at(6).wall));
            let told = status.last_error.unwrap();
            assert!(told.contains(why) && !told.contains("secret"), "{told}");
        }

        // After a restart as well.
        let again = self::keeper(&dir);
        assert_eq!(again.gather(&base, at(20).wall).sessions.len(), 1);
    }

    #[tokio::test]
    async fn a_change_of_a_session_survives_a_restart() {
        let dir = Scratch::new();
        let base = config("http://127.0.0.1:1/");
        let id = SessionId::new("hop");
        let change = |title: &str| -> SessionChange {
            let text = serde_json::json!({
                "id": "hop", "title": title, "start": "2026-12-09T01:00:00Z",
                "end": "2026-12-09T03:00:00Z", "all": true, "by": "Hà", "at": "2026-12-01T00:00:00Z",
            });
            serde_json::from_value(text).unwrap()
        };
        let first = keeper(&dir);
        assert_eq!(first.change(&id, Some(change("Họp"))), Ok(None));
        drop(first);

        let again = keeper(&dir);
        let sessions = again.gather(&base, at(0).wall).sessions;
        assert_eq!((sessions.len(), sessions[0].title.as_str()), (1, "Họp"));
        assert_eq!(again.change(&id, None), Ok(Some(change("Họp"))));
        assert_eq!(keeper(&dir).gather(&base, at(0).wall).sessions.len(), 0);
    }
}
