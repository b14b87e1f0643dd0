//! Echo probes that the engine has and whose results somebody waits for.
//!
//! A slab: taking a place and giving it back is an array access, so ten thousand echoes a second
//! cost no allocation here. A place is given back under another generation, so a result that comes
//! twice finds nobody.

use std::net::IpAddr;

use tokio::sync::oneshot;

use super::memory::Record;
use crate::model::{Detail, IcmpDetail, ProbeRequest, Reply, RttList};

/// An echo probe whose result somebody waits for.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The order.
    pub(super) request: ProbeRequest,
    /// Whom it asks.
    pub(super) address: IpAddr,
    /// Who waits, when it is not the brain.
    pub(super) caller: Option<oneshot::Sender<Record>>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Echoes {
    places: Vec<Place>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Place {
    generation: u32,
    waiting: Option<Waiting>,
}

impl Echoes {
    /// Takes a place; the token finds it again.
    pub(super) fn take(&mut self, waiting: Waiting) -> u64 {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place::default());
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let place = &mut self.places[at as usize];
        place.waiting = Some(waiting);
        u64::from(place.generation) << 32 | u64::from(at)
    }

    /// Gives the place of this token back, with who waits there; none when nobody does any more.
    pub(super) fn give_back(&mut self, token: u64) -> Option<Waiting> {
        let at = u32::try_from(token & u64::from(u32::MAX)).ok()?;
        let place = self.places.get_mut(at as usize)?;
        if u64::from(place.generation) != token >> 32 {
            return None;
        }
        let waiting = place.waiting.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.free.push(at);
        Some(waiting)
    }

    /// Gives back every place.
    pub(super) fn give_back_all(&mut self) -> Vec<Waiting> {
        let tokens = (0_u64..).zip(&self.places).map(|(at, p)| u64::from(p.generation) << 32 | at);
        let tokens: Vec<u64> = tokens.collect();
        tokens.into_iter().filter_map(|token| self.give_back(token)).collect()
    }

    /// Echo probes with the engine.
    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}

/// The reply that echo replies are. Its round trip is the median, that of one packet in the middle
/// of the train, so that a single slow one does not stand for the path.
pub(crate) fn reply(detail: IcmpDetail) -> Reply {
    let rtt = match &detail.rtts {
        RttList::One(rtt) => Some(*rtt),
        RttList::Many(rtts) => {
            let mut rtts = rtts.clone();
            rtts.sort_unstable();
            rtts.get(rtts.len().saturating_sub(1) / 2).copied()
        }
    };
    Reply { rtt, detail: Detail::Icmp(detail) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{Effort, Mono, TargetIx, Trigger};

    fn waiting(target: usize) -> Waiting {
        let request = ProbeRequest {
            generation: 1,
            target: TargetIx::new(target),
            trigger: Trigger::Scheduled,
            effort: Effort::Normal,
            due: Mono::ZERO,
        };
        Waiting { request, address: IpAddr::from([127, 0, 0, 1]), caller: None }
    }

    #[test]
    fn a_result_that_comes_twice_finds_nobody() {
        let mut echoes = Echoes::default();
        let first = echoes.take(waiting(1));
        let second = echoes.take(waiting(2));
        assert_eq!(echoes.len(), 2);
        assert_eq!(echoes.give_back(first).unwrap().request.target, TargetIx::new(1));
        assert!(echoes.give_back(first).is_none());
        let third = echoes.take(waiting(3));
        assert!(echoes.give_back(first).is_none(), "the place has a new owner");
        assert_eq!(echoes.give_back(third).unwrap().request.target, TargetIx::new(3));
        assert_eq!(echoes.give_back(second).unwrap().request.target, TargetIx::new(2));
        assert!(echoes.give_back(u64::MAX).is_none());
        assert_eq!(echoes.len(), 0);
    }

    #[test]
    fn everybody_is_found_when_all_places_are_given_back() {
        let mut echoes = Echoes::default();
        let tokens: Vec<u64> = (0..5).map(|target| echoes.take(waiting(target))).collect();
        echoes.give_back(tokens[2]);
        assert_eq!(echoes.give_back_all().len(), 4);
        assert_eq!(echoes.len(), 0);
        assert!(echoes.give_back(tokens[0]).is_none());
    }

    #[test]
    fn the_round_trip_of_a_train_is_its_median() {
        let rtt = |micros: &[u64]| {
            let rtts = micros.iter().map(|us| Duration::from_micros(*us)).collect();
            let detail = IcmpDetail {
                sent: 5,
                received: 0,
                rtts: RttList::Many(rtts),
                ttl: None,
                tos: None,
                duplicates: 0,
            };
            reply(detail).rtt.map(|rtt| rtt.as_micros())
        };
        assert_eq!(rtt(&[900, 10, 30]), Some(30));
        assert_eq!(rtt(&[20, 10]), Some(10));
        assert_eq!(rtt(&[7]), Some(7));
        assert_eq!(rtt(&[]), None);
    }
}
