//! The live board: what changed since a moment, written once for all who look.
//!
//! 1. States are compared when a snapshot is published and somebody looks, and when a page is
//!    written. Where they differ the version grows by one and the difference is written down once
//!    in each language.
//! 2. A viewer has a cursor. It is given the differences after that, from one ring for all, as
//!    fast as its connection takes them.
//! 3. A viewer whose cursor is no longer in the ring, that comes with a version of another start
//!    or another topology, is told to load the page again. That is the whole state, and it is
//!    shared as well. So a slow viewer costs nothing but its connection. One without a cursor is
//!    told what changes from now on.
//! 4. Every few seconds all are told the time and the age of the state, so that a page knows when
//!    it has lost touch.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use prometheus::IntGauge;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::metrics::Figures;
use crate::model::{Incident, Language, Now, Snapshot};

use super::audience::{Audience, Holder, Place};
use super::incident;
use super::pen::Pen;
use super::session::{Care, PARTS, parts, tally};
use super::state::{self, Cell, Group, Sums};
use crate::web::gate::Caller;
use crate::web::{Daemon, Look};

/// Shortest time between two differences: what comes meanwhile is sent together.
const GAP: Duration = Duration::from_millis(300);
/// Time between two beats.
pub(super) const BEAT: Duration = Duration::from_secs(5);
/// Differences that are kept, and bytes of them in one language.
const KEPT: (usize, usize) = (128, 1 << 20);
/// Incidents that the board shows; the rest are counted.
pub(super) const CARDS: usize = 100;

/// The live board of one server.
pub(in crate::web) struct Live {
    /// Tells this start from others.
    epoch: i64,
    /// Held while a state is compared and written, so that viewers are not held up by it.
    advancing: Mutex<()>,
    inner: Mutex<Inner>,
    tick: watch::Sender<Tick>,
    audience: Arc<Audience>,
    /// Viewers at this moment.
    viewers: IntGauge,
    /// Somebody came.
    came: Notify,
    /// The server stops.
    pub(in crate::web) stopping: CancellationToken,
}

/// What viewers wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tick {
    version: u64,
    beat: u64,
}

#[derive(Default)]
struct Inner {
    shown: Option<Arc<Shown>>,
    ring: VecDeque<Difference>,
    bytes: usize,
    beat: Bytes,
}

/// What the board shows at one version.
pub(super) struct Shown {
    pub(super) version: u64,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) look: Look,
    pub(super) cells: Vec<Cell>,
    pub(super) sums: Sums,
    pub(super) groups: Vec<Group>,
    tallies: Vec<(u32, u32)>,
    /// The first [`CARDS`] of those that are to be looked at.
    pub(super) incidents: Vec<Arc<Incident>>,
    /// How many there are in all.
    pub(super) active: usize,
    pub(super) written: [Written; 2],
}

/// The parts in one language.
#[derive(PartialEq, Eq)]
pub(super) struct Written {
    pub(super) parts: [String; 5],
    /// By the position of the incident.
    pub(super) cards: Vec<String>,
}

/// What changed from one version to the next.
struct Difference {
    version: u64,
    events: [Bytes; 2],
}

/// The same as the page's script reads it.
#[derive(Serialize)]
struct Delta<'a> {
    now: i64,
    taken: i64,
    /// Position, state, since, flags, delegates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cells: Vec<(usize, u8, i64, u8, u32)>,
    /// Contents by the id of the element.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<(String, &'a str)>,
    /// Ids of all cards in their order, if anything about them changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<Vec<&'a str>>,
    /// Cards that are new or changed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cards: Vec<&'a str>,
    /// How many incidents there are, and how many of the sites are lost.
    active: usize,
    lost: u32,
}

impl Live {
    pub(in crate::web) fn new(now: Now, figures: &Figures, streams: usize) -> Self {
        Self {
            epoch: now.wall.as_millisecond(),
            advancing: Mutex::default(),
            inner: Mutex::default(),
            tick: watch::Sender::default(),
            audience: Audience::new(streams),
            viewers: figures.viewers().clone(),
            came: Notify::new(),
            stopping: CancellationToken::new(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a page of this version stands, as it tells it when it asks for what comes after.
    pub(super) fn place(&self, version: u64) -> String {
        format!("{:x}-{version}", self.epoch)
    }

    /// Takes the newest state in and gives what is shown from now on.
    pub(super) fn advance(&self, daemon: &dyn Daemon) -> Arc<Shown> {
        let _one_at_a_time = self.advancing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = daemon.now();
        let snapshot = daemon.snapshot();
        let care = Care {
            store: daemon.store(),
            channels: daemon.channels(),
            refused: daemon.condition().refused,
        };
        let before = self.inner().shown.clone();
        let mut shown = Shown::of(snapshot, daemon.look(), &care, now, before.as_deref());
        let Some(before) = before else {
            let shown = Arc::new(shown);
            self.inner().shown = Some(Arc::clone(&shown));
            return shown;
        };
        let version = before.version + 1;
        let moved = before.snapshot.generation != shown.snapshot.generation
            || before.look.time_zone != shown.look.time_zone;
        let events = difference(&before, &shown, now, &self.place(version));
        let mut inner = self.inner();
        shown.version = if moved || events.is_some() { version } else { before.version };
        if moved {
            // Cells stand elsewhere now: everybody loads the page again.
            inner.ring.clear();
            inner.bytes = 0;
        } else if let Some(events) = events {
            inner.bytes += events[0].len();
            inner.ring.push_back(Difference { version, events });
            while inner.ring.len() > KEPT.0 || inner.bytes > KEPT.1 {
                let Some(old) = inner.ring.pop_front() else { break };
                inner.bytes -= old.events[0].len();
            }
        }
        let shown = Arc::new(shown);
        inner.shown = Some(Arc::clone(&shown));
        drop(inner);
        let newest = shown.version;
        self.tick.send_if_modified(|tick| std::mem::replace(&mut tick.version, newest) != newest);
        shown
    }

    /// Tells everybody the time and how old the state is.
    fn beat(&self, daemon: &dyn Daemon) {
        let taken = daemon.snapshot().taken.wall.as_millisecond();
        let now = daemon.now().wall.as_millisecond();
        let text = format!("event: beat\ndata: {{\"now\":{now},\"taken\":{taken}}}\n\n");
        self.inner().beat = Bytes::from(text);
        self.tick.send_modify(|tick| tick.beat += 1);
    }

    /// Keeps viewers up to date until the server stops.
    pub(in crate::web) async fn run(self: Arc<Self>, daemon: Arc<dyn Daemon>) {
        let mut published = daemon.published();
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if self.viewers() == 0 {
                tokio::select! {
                    () = self.stopping.cancelled() => return,
                    () = self.came.notified() => {}
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                _ = beat.tick() => self.beat(&*daemon),
                () = self.came.notified() => {}
                news = published.changed() => {
                    if news.is_err() {
                        return;
                    }
                    // Comparing and writing takes milliseconds for ten thousand sites.
                    let (live, of) = (Arc::clone(&self), Arc::clone(&daemon));
                    let _ = tokio::task::spawn_blocking(move || { live.advance(&*of); }).await;
                    tokio::select! {
                        () = self.stopping.cancelled() => return,
                        () = tokio::time::sleep(GAP) => {}
                    }
                }
            }
        }
    }

    /// A place among those who follow, if there is one.
    pub(super) fn place_for(&self, caller: &Caller) -> Option<Place> {
        self.audience.join(Holder::of(caller))
    }

    /// A viewer who has seen everything up to `seen`, or up to now.
    pub(super) fn watch(
        self: &Arc<Self>,
        place: Place,
        seen: Option<&str>,
        language: Language,
    ) -> Viewer {
        let version = |seen: &str| {
            let (epoch, version) = seen.split_once('-')?;
            let known = i64::from_str_radix(epoch, 16) == Ok(self.epoch);
            version.parse().ok().filter(|_| known)
        };
        let cursor = match seen {
            Some(seen) => version(seen),
            None => Some(self.inner().shown.as_ref().map_or(0, |shown| shown.version)),
        };
        self.viewers.inc();
        self.came.notify_one();
        Viewer {
            tick: self.tick.subscribe(),
            live: Arc::clone(self),
            place,
            language,
            cursor,
            beat: None,
            pending: VecDeque::new(),
            over: false,
        }
    }

    /// Viewers at this moment.
    pub(super) fn viewers(&self) -> usize {
        usize::try_from(self.viewers.get()).unwrap_or(0)
    }
}

/// Somebody who looks.
pub(super) struct Viewer {
    live: Arc<Live>,
    place: Place,
    tick: watch::Receiver<Tick>,
    language: Language,
    /// The last version that was seen; none when that cannot be told.
    cursor: Option<u64>,
    /// The last beat that was passed on.
    beat: Option<u64>,
    pending: VecDeque<Bytes>,
    over: bool,
}

impl Viewer {
    /// The next bytes to send; none when the stream ends.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.pending.pop_front() {
                return Some(bytes);
            }
            if self.over {
                return None;
            }
            let tick = *self.tick.borrow_and_update();
            self.collect(tick);
            if !self.pending.is_empty() {
                continue;
            }
            tokio::select! {
                () = self.live.stopping.cancelled() => return None,
                () = self.place.cut.cancelled() => return None,
                changed = self.tick.changed() => if changed.is_err() { return None },
            }
        }
    }

    fn collect(&mut self, tick: Tick) {
        let inner = self.live.inner();
        let newest = inner.shown.as_ref().map_or(0, |shown| shown.version);
        let oldest = inner.ring.front().map_or(newest, |first| first.version - 1);
        match self.cursor {
            Some(cursor) if (oldest..=newest).contains(&cursor) => {
                let missed = inner.ring.iter().filter(|it| it.version > cursor);
                self.pending.extend(missed.map(|it| it.events[self.language as usize].clone()));
                self.cursor = Some(newest);
            }
            _ => {
                self.pending.push_back(Bytes::from_static(b"event: again\ndata: 0\n\n"));
                self.over = true;
                return;
            }
        }
        // The first beat tells at once that the stream is open.
        if self.beat != Some(tick.beat) {
            self.beat = Some(tick.beat);
            if !inner.beat.is_empty() {
                self.pending.push_back(inner.beat.clone());
            }
        }
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        self.live.viewers.dec();
    }
}

impl Shown {
    /// What is shown of a snapshot; what is the same as before is not written again.
    fn of(
        snapshot: Arc<Snapshot>,
        look: Look,
        care: &Care,
        now: Now,
        before: Option<&Self>,
    ) -> Self {
        let (cells, sums) = state::cells(&snapshot);
        let groups = match before {
            Some(before) if before.snapshot.generation == snapshot.generation => {
                before.groups.clone()
            }
            _ => state::groups(&snapshot),
        };
        let tallies = groups.iter().map(|group| state::tally(group, &cells)).collect();
        let active: Vec<&Arc<Incident>> =
            snapshot.incidents.iter().filter(|it| it.is_active()).collect();
        let incidents: Vec<Arc<Incident>> =
            active.iter().take(CARDS).map(|it| Arc::clone(it)).collect();
        let count = active.len();
        let written = [Language::Vi, Language::En].map(|language| {
            let look = Look { language, ..look.clone() };
            let pen = Pen::new(&snapshot, now.wall, look);
            let card = |it: &Arc<Incident>| {
                let known = before.and_then(|before| before.card(it, language, &snapshot));
                known.unwrap_or_else(|| incident::card(&pen, it).into_string())
            };
            Written {
                parts: parts(&pen, &sums, care).map(maud::PreEscaped::into_string),
                cards: incidents.iter().map(card).collect(),
            }
        });
        Self {
            version: 0,
            snapshot,
            look,
            cells,
            sums,
            groups,
            tallies,
            incidents,
            active: count,
            written,
        }
    }

    /// The card of an incident that is the same record as before, in the same province, about which
    /// the same messages are held back.
    fn card(&self, incident: &Arc<Incident>, language: Language, of: &Snapshot) -> Option<String> {
        let before = &self.snapshot;
        if before.generation != of.generation
            || before.silences != of.silences
            || before.maintenance != of.maintenance
        {
            return None;
        }
        let at = self.incidents.iter().position(|it| Arc::ptr_eq(it, incident))?;
        Some(self.written[language as usize].cards[at].clone())
    }
}

/// What changed, as events in both languages; none when nothing did.
fn difference(before: &Shown, after: &Shown, now: Now, place: &str) -> Option<[Bytes; 2]> {
    let cells: Vec<_> = after
        .cells
        .iter()
        .zip(&before.cells)
        .enumerate()
        .filter(|(_, (new, old))| new != old)
        .map(|(at, (it, _))| (at, it.state as u8, it.since, it.flags, it.delegates))
        .collect();
    let tallies: Vec<(String, String)> = after
        .tallies
        .iter()
        .zip(&before.tallies)
        .enumerate()
        .filter(|(_, (new, old))| new != old)
        .map(|(at, (new, _))| (format!("n{at}"), tally(*new)))
        .collect();
    let order = after.active != before.active
        || !after.incidents.iter().map(|it| &it.id).eq(before.incidents.iter().map(|it| &it.id));
    let events = [0, 1].map(|language| {
        let (new, old) = (&after.written[language], &before.written[language]);
        let parts = PARTS.iter().zip(new.parts.iter().zip(&old.parts));
        let parts = parts.filter(|(_, (new, old))| new != old);
        let parts = parts.map(|(id, (new, _))| ((*id).to_owned(), new.as_str()));
        let parts: Vec<_> =
            parts.chain(tallies.iter().map(|(id, text)| (id.clone(), text.as_str()))).collect();
        let known = |id| before.incidents.iter().position(|it| it.id == id);
        let cards = after.incidents.iter().zip(&new.cards);
        let cards = cards
            .filter(|(it, card)| known(it.id.clone()).is_none_or(|at| old.cards[at] != **card));
        let cards: Vec<&str> = cards.map(|(_, card)| card.as_str()).collect();
        if cells.is_empty() && parts.is_empty() && cards.is_empty() && !order {
            return None;
        }
        let delta = Delta {
            now: now.wall.as_millisecond(),
            taken: after.snapshot.taken.wall.as_millisecond(),
            cells: cells.clone(),
            parts,
            order: order.then(|| after.incidents.iter().map(|it| it.id.as_str()).collect()),
            cards,
            active: after.active,
            lost: after.sums.sites[state::State::Lost as usize],
        };
        let mut event = format!("id: {place}\nevent: delta\ndata: ");
        let _ = write!(event, "{}", serde_json::to_string(&delta).unwrap_or_default());
        event.push_str("\n\n");
        Some(Bytes::from(event))
    });
    match events {
        [None, None] => None,
        [vi, en] => Some([vi.unwrap_or_default(), en.unwrap_or_default()]),
    }
}
