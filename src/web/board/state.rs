//! What the board shows of a snapshot, in a form that two moments can be compared by.
//!
//! A cell is a few bytes without words, so that ten thousand of them are compared in well under a
//! millisecond and only those that differ are written out.

use crate::model::{
    Cause, Health, IncidentId, Phase, SessionView, Site, SiteIx, SiteView, Snapshot,
};

/// How a site does, as people call it: what a line that is cut and a service that is refused have
/// in common is no word for either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// The connection is good.
    Good,
    /// It takes part, badly.
    Degraded,
    /// It is reached, but a device or service that it needs is out.
    Fault,
    /// It is not reached.
    Lost,
    /// Nothing is known.
    Unknown,
}

impl State {
    /// All states, in the order of the totals.
    pub(super) const ALL: [Self; 5] =
        [Self::Good, Self::Degraded, Self::Fault, Self::Lost, Self::Unknown];

    /// The name in style sheet and addresses.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Degraded => "degraded",
            Self::Fault => "fault",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }

    /// The sign, different in shape for each, which every font has.
    pub(super) const fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Degraded => "!",
            Self::Fault => "◆",
            Self::Lost => "✕",
            Self::Unknown => "?",
        }
    }

    /// How a site does. One that is down is lost unless its incident says that it is reached, or,
    /// before there is one, its first device answers.
    pub(super) fn of(snapshot: &Snapshot, ix: SiteIx, causes: &Causes) -> Self {
        let view = &snapshot.sites[ix.ix()];
        match view.standing.hard {
            Health::Up => Self::Good,
            Health::Degraded => Self::Degraded,
            Health::Unknown => Self::Unknown,
            Health::Down => match view.incident.as_ref().and_then(|id| causes.of(id)) {
                Some(Cause::Uplink | Cause::Access | Cause::Monitor) => Self::Lost,
                Some(_) => Self::Fault,
                None => {
                    let first = snapshot.topology.site(ix).endpoints.first();
                    let first = first.map(|ix| snapshot.endpoints[ix.ix()].standing.hard);
                    if first == Some(Health::Up) { Self::Fault } else { Self::Lost }
                }
            },
        }
    }
}

/// The causes of the incidents of a snapshot, for looking up ten thousand times.
pub(super) struct Causes<'a>(std::collections::BTreeMap<&'a IncidentId, Cause>);

impl<'a> Causes<'a> {
    pub(super) fn of_all(snapshot: &'a Snapshot) -> Self {
        Self(snapshot.incidents.iter().map(|it| (&it.id, it.cause)).collect())
    }

    fn of(&self, id: &IncidentId) -> Option<Cause> {
        self.0.get(id).copied()
    }
}

/// What a cell shows besides the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    /// How the site does.
    pub(super) state: State,
    /// Since when, in milliseconds since 1970; 0 when that is not known.
    pub(super) since: i64,
    /// [`Cell::MAINTENANCE`] and its neighbours.
    pub(super) flags: u8,
    /// Delegates in the session that is shown.
    pub(super) delegates: u32,
}

impl Cell {
    /// Planned work is going on.
    pub(super) const MAINTENANCE: u8 = 1;
    /// Messages are held back.
    pub(super) const SILENCED: u8 = 2;
    /// The latest outcomes hint at something worse, which is not confirmed.
    pub(super) const SUSPECTED: u8 = 4;
    /// It does not take part in the session that is shown.
    pub(super) const APART: u8 = 8;

    pub(super) const fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// The cells of all sites, and the sums of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Sites by state, in the order of [`State::ALL`].
    pub(super) sites: [u32; 5],
    /// Their delegates.
    pub(super) delegates: [u64; 5],
}

impl Sums {
    fn add(&mut self, cell: Cell) {
        self.sites[cell.state as usize] += 1;
        self.delegates[cell.state as usize] += u64::from(cell.delegates);
    }

    /// All sites.
    pub(super) fn all(&self) -> u32 {
        self.sites.iter().sum()
    }

    /// Delegates at sites that are known not to do well.
    pub(super) fn touched(&self) -> u64 {
        [State::Degraded, State::Fault, State::Lost]
            .iter()
            .map(|it| self.delegates[*it as usize])
            .sum()
    }
}

/// Which session the board is about: the one that is furthest on, of several the one that began
/// first.
pub(super) fn session(snapshot: &Snapshot) -> Option<&SessionView> {
    // Of equals the first is kept; sessions stand by their start.
    snapshot.sessions.iter().rev().max_by_key(|view| view.phase)
}

/// Whether the totals are those of a session: not of one that is hours away.
pub(super) fn is_near(view: &SessionView) -> bool {
    view.phase != Phase::Idle
}

/// All cells, in the order of the topology, and their sums.
pub(super) fn cells(snapshot: &Snapshot) -> (Vec<Cell>, Sums) {
    let causes = Causes::of_all(snapshot);
    let session = session(snapshot).filter(|view| is_near(view)).map(|view| &view.session);
    let mut totals = Sums::default();
    let cells = snapshot.topology.site_ixs().zip(snapshot.sites.iter()).map(|(ix, view)| {
        let delegates = match session {
            Some(session) => session.sites.get(&ix).copied(),
            None => Some(0),
        };
        let cell = Cell {
            state: State::of(snapshot, ix, &causes),
            since: view
                .standing
                .since
                .map_or(0, |since| jiff::Timestamp::from(since).as_millisecond()),
            flags: flags(view, delegates.is_some()),
            delegates: delegates.unwrap_or_default(),
        };
        if delegates.is_some() {
            totals.add(cell);
        }
        cell
    });
    let cells = cells.collect();
    (cells, totals)
}

fn flags(view: &SiteView, takes_part: bool) -> u8 {
    let standing = view.standing;
    let suspected = matches!(standing.hard, Health::Up | Health::Degraded)
        && matches!(standing.soft, Health::Degraded | Health::Down)
        && standing.soft > standing.hard;
    let flag = |on: bool, flag: u8| if on { flag } else { 0 };
    flag(view.in_maintenance, Cell::MAINTENANCE)
        | flag(view.silenced, Cell::SILENCED)
        | flag(suspected, Cell::SUSPECTED)
        | flag(!takes_part, Cell::APART)
}

/// A site that others hang on, with those directly below it; or those that belong to no group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// The site that the others hang on; none for those that belong to no group.
    pub(super) head: Option<SiteIx>,
    /// The others, in file order.
    pub(super) members: Vec<SiteIx>,
}

/// The sites in groups, in file order. Every site stands in one group once, as head or as member.
pub(super) fn groups(snapshot: &Snapshot) -> Vec<Group> {
    let topology = &snapshot.topology;
    let is_leaf = |site: &Site| site.children.is_empty();
    let leaf = |ix: &SiteIx| is_leaf(topology.site(*ix));
    let mut groups: Vec<Group> = topology
        .site_ixs()
        .filter(|ix| !leaf(ix))
        .map(|ix| Group {
            head: Some(ix),
            members: topology.site(ix).children.iter().copied().filter(leaf).collect(),
        })
        .collect();
    let alone: Vec<SiteIx> =
        topology.site_ixs().filter(|ix| leaf(ix) && topology.site(*ix).parent.is_none()).collect();
    if !alone.is_empty() {
        groups.push(Group { head: None, members: alone });
    }
    groups
}

/// How many of a group do well, of how many; its head counts.
pub(super) fn tally(group: &Group, cells: &[Cell]) -> (u32, u32) {
    let mut tally = (0, 0);
    for ix in group.head.iter().chain(&group.members) {
        let cell = cells[ix.ix()];
        if !cell.has(Cell::APART) {
            tally.1 += 1;
            tally.0 += u32::from(cell.state == State::Good);
        }
    }
    tally
}
