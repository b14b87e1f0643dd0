//! Who follows the board, and who gives way when it becomes too many.
//!
//! A stream is held open by one viewer for as long as they like, and whoever never reads it costs
//! them nothing. Therefore:
//!
//! 1. So many streams are open at once, and no more.
//! 2. When all places are taken, whoever holds most of them gives up the oldest of theirs for one
//!    who holds at least two fewer. So nobody keeps the wall of the control room out, and two never
//!    take places from each other in turns.
//! 3. A viewer is whom they have logged in as, or else the address that they come from. Hundreds
//!    who look from behind one address have room while nobody else needs it.
//!
//! Whoever finds no place, or loses it, loads the page now and then instead.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::web::gate::{Address, Caller};

/// Whom a stream is laid to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    Name(Arc<str>),
    Address(Address),
}

impl Holder {
    pub(super) fn of(caller: &Caller) -> Self {
        match &caller.name {
            Some(name) => Self::Name(Arc::clone(name)),
            None => Self::Address(Address::of(caller.address)),
        }
    }
}

/// Everybody who follows the board.
#[derive(Debug)]
pub(super) struct Audience {
    places: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    taken: usize,
    /// Numbers streams in the order in which they began.
    next: u64,
    here: BTreeMap<Holder, BTreeMap<u64, CancellationToken>>,
}

impl Audience {
    /// Nobody yet, with so many places.
    pub(super) fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one or somebody is to give way.
    pub(super) fn join(self: &Arc<Self>, holder: Holder) -> Option<Place> {
        let mut state = self.state();
        if state.taken >= self.places && !state.make_room(&holder) {
            return None;
        }
        state.taken += 1;
        state.next += 1;
        let (number, cut) = (state.next, CancellationToken::new());
        state.here.entry(holder.clone()).or_default().insert(number, cut.clone());
        drop(state);
        Some(Place { audience: Arc::clone(self), holder, number, cut })
    }
}

impl State {
    /// Rule 2; whether anybody gave way.
    fn make_room(&mut self, newcomer: &Holder) -> bool {
        let own = self.here.get(newcomer).map_or(0, BTreeMap::len);
        let most = self.here.values_mut().max_by_key(|streams| streams.len());
        let oldest = most.filter(|it| it.len() >= own + 2).and_then(BTreeMap::pop_first);
        let Some((_, cut)) = oldest else { return false };
        cut.cancel();
        self.taken -= 1;
        true
    }
}

/// The place of one stream.
#[derive(Debug)]
pub(super) struct Place {
    audience: Arc<Audience>,
    holder: Holder,
    number: u64,
    /// Tells the stream to give way.
    pub(super) cut: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.audience.state();
        let Some(streams) = state.here.get_mut(&self.holder) else { return };
        // One that gave way holds none any more.
        let held = streams.remove(&self.number).is_some();
        if streams.is_empty() {
            state.here.remove(&self.holder);
        }
        state.taken -= usize::from(held);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::config::Role;

    fn holder(last: u8, name: Option<&str>) -> Holder {
        let (name, address) = (name.map(Arc::from), IpAddr::from([10, 0, 0, last]));
        Holder::of(&Caller { name, role: Role::Viewer, address })
    }

    fn cut(places: &[Place]) -> usize {
        places.iter().filter(|place| place.cut.is_cancelled()).count()
    }

    #[test]
    fn who_takes_every_place_gives_way_to_others_and_keeps_what_is_left() {
        let audience = Audience::new(6);
        let greedy: Vec<Place> = (0..9).filter_map(|_| audience.join(holder(1, None))).collect();
        assert_eq!(greedy.len(), 6);
        let wall = audience.join(holder(2, None));
        assert!(wall.is_some() && greedy[0].cut.is_cancelled(), "the oldest gives way");
        let phones: Vec<Option<Place>> = (0..3).map(|_| audience.join(holder(2, None))).collect();
        assert_eq!(phones.iter().flatten().count(), 2, "until both hold as many");
        assert_eq!(cut(&greedy), 3);
        assert!(audience.join(holder(1, None)).is_none(), "nothing is taken back");
    }

    #[test]
    fn a_place_that_is_left_is_free() {
        let audience = Audience::new(2);
        let (first, second) = (audience.join(holder(1, None)), audience.join(holder(1, None)));
        let third = audience.join(holder(2, None));
        assert!(third.is_some(), "in place of the first");
        drop(first);
        assert!(audience.join(holder(3, None)).is_none(), "its place was given away already");
        drop(second);
        assert!(audience.join(holder(3, None)).is_some());
        drop(third);
        let state = audience.state();
        assert_eq!((state.taken, state.here.len()), (0, 0), "nobody is remembered");
    }

    #[test]
    fn who_has_logged_in_is_one_wherever_they_come_from() {
        let audience = Audience::new(4);
        let spread: Vec<Place> =
            (1..=4).filter_map(|last| audience.join(holder(last, Some("xem")))).collect();
        assert_eq!(spread.len(), 4);
        assert!(audience.join(holder(1, Some("ha"))).is_some());
        assert_eq!(cut(&spread), 1);
    }
}
