//! Who is connected, and who gives way when it becomes too many.
//!
//! A connection *waits* while nothing is asked on it: before its first request is complete, and
//! between two. Waiting costs whoever waits nothing, so it is what an attacker does with thousands
//! of connections; one on which an answer is on its way, such as a board that is kept up to date,
//! has asked for something and been let in. Therefore:
//!
//! 1. One address has at most [`Limits::waiting`] waiting connections; a further one takes the
//!    place of the oldest of them.
//! 2. One address has at most [`Limits::per_address`] connections; what is above is closed at once,
//!    unless one that waits can give way. Hundreds who look at the board from behind one address
//!    have room.
//! 3. When there are [`Limits::connections`], the address with most waiting ones gives way.
//!
//! [`Limits::waiting`]: super::Limits::waiting
//! [`Limits::per_address`]: super::Limits::per_address
//! [`Limits::connections`]: super::Limits::connections

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::gate::Address;

/// Everybody who is connected.
#[derive(Debug)]
pub(super) struct Crowd {
    per_address: usize,
    waiting: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Numbers connections in the order in which they began to wait.
    next: u64,
    here: BTreeMap<Address, Here>,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Here {
    open: usize,
    waiting: BTreeMap<u64, CancellationToken>,
}

impl Here {
    /// Cuts off the one that has waited longest.
    fn cut_oldest(&mut self) -> bool {
        let oldest = self.waiting.pop_first();
        oldest.map(|(_, cut)| cut.cancel()).is_some()
    }
}

impl Crowd {
    /// Nobody yet; with these limits, each at least 1.
    pub(super) fn new(per_address: usize, waiting: usize) -> Arc<Self> {
        let (per_address, waiting) = (per_address.max(1), waiting.max(1));
        Arc::new(Self { per_address, waiting, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a connection in; none when its address has too many that do not wait.
    pub(super) fn join(self: &Arc<Self>, from: Address) -> Option<Seat> {
        let mut state = self.state();
        let here = state.here.entry(from).or_default();
        if here.open >= self.per_address && !here.cut_oldest() {
            return None;
        }
        here.open += 1;
        drop(state);
        let cut = CancellationToken::new();
        let seat = Seat { crowd: Arc::clone(self), from, cut, place: Mutex::default() };
        seat.wait();
        Some(seat)
    }

    /// Has somebody give way who waits; whether there was anybody.
    pub(super) fn make_room(&self) -> bool {
        let mut state = self.state();
        let most = state.here.values_mut().max_by_key(|here| here.waiting.len());
        most.is_some_and(Here::cut_oldest)
    }
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Crowd>,
    from: Address,
    /// Tells the connection to give way.
    pub(super) cut: CancellationToken,
    /// Its number while it waits.
    place: Mutex<Option<u64>>,
}

impl Seat {
    /// Nothing is asked any more, or not yet.
    fn wait(&self) {
        let mut state = self.crowd.state();
        let number = state.next;
        state.next += 1;
        let here = state.here.entry(self.from).or_default();
        if here.waiting.len() >= self.crowd.waiting {
            here.cut_oldest();
        }
        here.waiting.insert(number, self.cut.clone());
        drop(state);
        *self.place() = Some(number);
    }

    /// Something is asked; until what is given back is dropped, nobody makes this one give way.
    pub(super) fn work(self: &Arc<Self>) -> Working {
        self.stand_up();
        Working(Arc::clone(self))
    }

    fn stand_up(&self) {
        if let Some(number) = self.place().take()
            && let Some(here) = self.crowd.state().here.get_mut(&self.from)
        {
            here.waiting.remove(&number);
        }
    }

    fn place(&self) -> MutexGuard<'_, Option<u64>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stand_up();
        let mut state = self.crowd.state();
        if let Some(here) = state.here.get_mut(&self.from) {
            here.open -= 1;
            if here.open == 0 {
                state.here.remove(&self.from);
            }
        }
    }
}

/// A connection on which an answer is on its way.
#[derive(Debug)]
pub(super) struct Working(Arc<Seat>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn address(last: u8) -> Address {
        Address::of(IpAddr::from([10, 0, 0, last]))
    }

    fn seats(crowd: &Arc<Crowd>, from: Address, count: usize) -> Vec<Arc<Seat>> {
        (0..count).filter_map(|_| crowd.join(from).map(Arc::new)).collect()
    }

    fn cut(seats: &[Arc<Seat>]) -> Vec<bool> {
        seats.iter().map(|seat| seat.cut.is_cancelled()).collect()
    }

    #[test]
    fn of_too_many_that_wait_the_oldest_gives_way() {
        let crowd = Crowd::new(10, 3);
        let seats = seats(&crowd, address(1), 5);
        assert_eq!(cut(&seats), [true, true, false, false, false]);
    }

    #[test]
    fn a_working_connection_never_gives_way() {
        let crowd = Crowd::new(10, 2);
        let mut all = seats(&crowd, address(1), 1);
        let working = all[0].work();
        all.extend(seats(&crowd, address(1), 4));
        assert_eq!(cut(&all), [false, true, true, false, false]);
        drop(working);
        assert_eq!(cut(&all), [false, true, true, true, false], "now it is the youngest to wait");
    }

    #[test]
    fn an_address_with_enough_work_is_refused_more_and_others_are_not() {
        let crowd = Crowd::new(3, 3);
        let busy = seats(&crowd, address(1), 3);
        let working: Vec<Working> = busy.iter().map(Seat::work).collect();
        assert!(crowd.join(address(1)).is_none());
        assert!(crowd.join(address(2)).is_some());
        drop(working);
        let another = crowd.join(address(1));
        assert!(another.is_some());
        assert_eq!(cut(&busy), [true, false, false]);
        drop((busy, another));
        assert!(crowd.state().here.is_empty(), "nobody is remembered");
    }

    #[test]
    fn who_has_most_that_wait_makes_room_for_others() {
        let crowd = Crowd::new(10, 10);
        let (few, many) = (seats(&crowd, address(1), 2), seats(&crowd, address(2), 3));
        assert!(crowd.make_room());
        assert_eq!((cut(&few), cut(&many)), (vec![false; 2], vec![true, false, false]));
        let working: Vec<Working> = few.iter().chain(&many).map(Seat::work).collect();
        assert!(!crowd.make_room());
        drop(working);
    }
}
