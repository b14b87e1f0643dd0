//! The echoes of one lane by their place: what is under way, and what became of what
//! was there before.
//!
//! A place is named by 16 bits of sequence number and the socket, so that an ICMP error which
//! quotes only eight bytes of a request still finds it. A place is used again and again; each use
//! is a *round*, and the table remembers for the last 64 rounds whether they were answered, so
//! that a reply however late is told from a duplicate.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::model::{Mono, micros};

/// Places per socket: all sequence numbers.
pub(super) const PER_SOCKET: u32 = 1 << 16;

/// One echo request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    /// The probe that it belongs to.
    pub(super) probe: ProbeKey,
    /// Its place in the train of the probe.
    pub(super) index: u16,
    /// Its use of its place.
    pub(super) round: u32,
    /// When we handed it to the kernel.
    pub(super) asked: Mono,
    /// When it left, as well as is known.
    pub(super) left: Mono,
    /// Whether `left` is what the kernel says.
    pub(super) stamped: bool,
    /// What its mark is sealed with.
    pub(super) seal: u64,
    /// Whether it is sent once more.
    pub(super) again: bool,
}

/// A probe by its place among those under way, and the serial number that tells it from others
/// that had the same place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProbeKey {
    pub(super) at: u32,
    pub(super) serial: u32,
}

/// The places of one lane.
#[derive(Debug, Clone)]
pub(super) struct Table {
    places: Vec<Place>,
    /// Places that are free, the longest free first, with the millisecond since when.
    free: VecDeque<(u32, u32)>,
    limit: u32,
}

/// There are as many of these as echoes under way and resting, so they are small.
#[derive(Debug, Clone)]
struct Place {
    asked: Mono,
    /// Whether earlier rounds were answered: bit 0 is the round before this one.
    history: u64,
    seal: u64,
    probe: ProbeKey,
    /// Nanoseconds from `asked` to when the kernel says that the request left, and one more.
    delay: Option<NonZeroU32>,
    /// Microseconds from when the request of the round before was handed over to `asked`.
    gap: u32,
    round: u32,
    index: u16,
    again: bool,
    state: State,
}

/// Where the current round of a place stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Taken, not yet handed to the kernel.
    Taken,
    /// A reply is awaited.
    Waiting,
    /// It was answered.
    Answered,
    /// It ended without an answer.
    Ended,
}

/// What a reply in some round of some place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The one that is awaited.
    Awaited(Echo),
    /// One more reply to a request that was answered. Names the probe and may be its concern, if
    /// it is not over yet.
    Duplicate(Option<ProbeKey>),
    /// The first reply to a request that was given up. Says when that was handed to the kernel, if
    /// it is not too long ago.
    Late(Option<Mono>),
    /// There never was such a round.
    Unknown,
}

impl Table {
    /// A freed place rests this long before it is used again, unless all places there can be are
    /// in use. With 64 rounds remembered, a reply is told right for half a minute at least.
    /// In milliseconds.
    const REST: u32 = 500;

    /// What is played may begin before the end of what was played before it. So a place may have
    /// been freed up to so long after now. In milliseconds.
    const AHEAD: u32 = 60_000;

    /// An empty table that grows to `sockets` times [`PER_SOCKET`] places at most.
    pub(super) const fn new(sockets: u32) -> Self {
        Self { places: Vec::new(), free: VecDeque::new(), limit: sockets * PER_SOCKET }
    }

    /// Takes a place for a request, and returns it with its round; none when all are in use.
    pub(super) fn take(
        &mut self,
        probe: ProbeKey,
        index: u16,
        again: bool,
        now: Mono,
    ) -> Option<(u32, u32)> {
        let mut place = Place {
            asked: now,
            history: 0,
            seal: 0,
            probe,
            delay: None,
            gap: 0,
            round: 0,
            index,
            again,
            state: State::Taken,
        };
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let rested = |&(_, since): &(u32, u32)| {
            let rests = millisecond(now).wrapping_sub(since);
            (Self::REST..u32::MAX - Self::AHEAD).contains(&rests)
        };
        if next < self.limit && !self.free.front().is_some_and(rested) {
            self.places.push(place);
            return Some((next, 0));
        }
        let (slot, _) = self.free.pop_front()?;
        let before = self.places.get_mut(slot as usize)?;
        place.history = before.history << 1 | u64::from(before.state == State::Answered);
        place.round = before.round.wrapping_add(1);
        place.gap = micros(now - before.asked);
        *before = place;
        Some((slot, before.round))
    }

    /// Keeps what the mark of the request in `slot` is sealed with.
    pub(super) fn seal(&mut self, slot: u32, seal: u64) {
        if let Some(place) = self.places.get_mut(slot as usize) {
            place.seal = seal;
        }
    }

    /// The kernel took the request at `asked`. Returns it.
    pub(super) fn sent(&mut self, slot: u32, asked: Mono) -> Option<Echo> {
        let place = self.places.get_mut(slot as usize)?;
        place.state = State::Waiting;
        place.gap = place.gap.saturating_add(micros(asked - place.asked));
        place.asked = asked;
        Some(place.echo())
    }

    /// The request in `slot` never left. Frees the place and returns what was in it.
    pub(super) fn withdraw(&mut self, slot: u32, now: Mono) -> Option<Echo> {
        let place = self.places.get_mut(slot as usize)?;
        if place.state != State::Taken {
            return None;
        }
        place.state = State::Ended;
        self.free.push_back((slot, millisecond(now)));
        Some(place.echo())
    }

    /// The request that is awaited in `slot`, whatever its round.
    pub(super) fn awaited(&self, slot: u32) -> Option<Echo> {
        let place = self.places.get(slot as usize)?;
        (place.state == State::Waiting).then(|| place.echo())
    }

    /// Round and seal of the last request in `slot`, whatever became of it.
    pub(super) fn last(&self, slot: u32) -> Option<(u32, u64)> {
        let place = self.places.get(slot as usize)?;
        Some((place.round, place.seal))
    }

    /// The kernel says when the request left. More than four seconds after we asked is beyond
    /// what any interface holds back, and not believed.
    pub(super) fn left(&mut self, slot: u32, round: u32, at: Mono) {
        if let Some(place) = self.places.get_mut(slot as usize)
            && (place.round, place.state) == (round, State::Waiting)
        {
            let delay = u32::try_from((at - place.asked).as_nanos()).ok();
            place.delay = delay.and_then(|delay| NonZeroU32::MIN.checked_add(delay));
        }
    }

    /// What a genuine reply in this round is. An awaited request is not ended by asking.
    pub(super) fn standing(&mut self, slot: u32, round: u32) -> Standing {
        let Some(place) = self.places.get_mut(slot as usize) else { return Standing::Unknown };
        let ago = place.round.wrapping_sub(round);
        if ago == 0 {
            return match place.state {
                State::Taken => Standing::Unknown,
                State::Waiting => Standing::Awaited(place.echo()),
                State::Answered => Standing::Duplicate(Some(place.probe)),
                State::Ended => {
                    // The next reply to it is a duplicate.
                    place.state = State::Answered;
                    Standing::Late(Some(place.echo().left))
                }
            };
        }
        if ago > place.round {
            return Standing::Unknown;
        }
        // Beyond what is remembered, a reply is at any rate late.
        let Some(bit) = 1_u64.checked_shl(ago - 1) else { return Standing::Late(None) };
        if place.history & bit != 0 {
            return Standing::Duplicate(None);
        }
        place.history |= bit;
        let last = || place.asked.earlier(Duration::from_micros(place.gap.into()));
        Standing::Late((ago == 1).then(last))
    }

    /// The awaited request in `slot` is over, answered or not, and the place free again.
    pub(super) fn end(&mut self, slot: u32, answered: bool, now: Mono) {
        if let Some(place) = self.places.get_mut(slot as usize)
            && place.state == State::Waiting
        {
            place.state = if answered { State::Answered } else { State::Ended };
            self.free.push_back((slot, millisecond(now)));
        }
    }

    /// Bytes that a request takes here.
    #[cfg(test)]
    pub(super) const ROOM: usize = size_of::<Place>();

    /// Whether `slot` was ever used.
    pub(super) fn is_known(&self, slot: u32) -> bool {
        (slot as usize) < self.places.len()
    }
}

impl Place {
    fn echo(&self) -> Echo {
        let &Self { probe, index, round, asked, delay, seal, again, .. } = self;
        let left = asked + Duration::from_nanos(delay.map_or(0, |delay| delay.get() - 1).into());
        Echo { probe, index, round, asked, left, stamped: delay.is_some(), seal, again }
    }
}

/// The milliseconds of an instant, from zero again after seven weeks.
fn millisecond(mono: Mono) -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "they are compared by wrapping")]
    let millisecond = (mono.as_nanos() / 1_000_000) as u32;
    millisecond
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const PROBE: ProbeKey = ProbeKey { at: 3, serial: 5 };

    const fn at(millis: u64) -> Mono {
        Mono::from_nanos(millis * 1_000_000)
    }

    #[test]
    fn a_place_rests_before_it_is_used_again() {
        let mut table = Table::new(1);
        let (slot, round) = table.take(PROBE, 0, false, at(0)).unwrap();
        assert_eq!((slot, round), (0, 0));
        table.sent(slot, at(0));
        table.end(slot, true, at(1));
        assert_eq!(table.take(PROBE, 0, false, at(500)), Some((1, 0)));
        assert_eq!(table.take(PROBE, 0, false, at(501)), Some((0, 1)));
    }

    #[test]
    fn a_full_table_takes_what_is_free_and_then_refuses() {
        let mut table = Table::new(1);
        for _ in 0..PER_SOCKET {
            let (slot, _) = table.take(PROBE, 0, false, at(0)).unwrap();
            table.sent(slot, at(0));
        }
        assert_eq!(table.take(PROBE, 0, false, at(0)), None);
        table.end(77, false, at(0));
        assert_eq!(table.take(PROBE, 0, false, at(0)), Some((77, 1)));
        assert_eq!(table.take(PROBE, 0, false, at(0)), None);
    }

    #[test]
    fn the_first_reply_after_the_limit_is_late_and_the_next_a_duplicate() {
        let mut table = Table::new(1);
        let (slot, round) = table.take(PROBE, 0, false, at(0)).unwrap();
        assert_eq!(table.standing(slot, round), Standing::Unknown);
        table.sent(slot, at(0));
        assert!(matches!(table.standing(slot, round), Standing::Awaited(_)));
        table.end(slot, false, at(1));
        assert_eq!(table.standing(slot, round), Standing::Late(Some(at(0))));
        assert_eq!(table.standing(slot, round), Standing::Duplicate(Some(PROBE)));
        assert_eq!(table.standing(slot, round + 1), Standing::Unknown);
        assert_eq!(table.standing(slot + 1, round), Standing::Unknown);
    }

    #[test]
    fn a_late_reply_tells_when_it_was_asked_for_while_its_place_was_used_again_once_at_most() {
        let mut table = Table::new(1);
        for second in [1, 3, 5] {
            let (slot, _) = table.take(PROBE, 0, false, at(1_000 * second)).unwrap();
            assert_eq!(slot, 0);
            // It waited a little for its turn.
            table.sent(slot, at(1_000 * second + 7));
            table.end(slot, false, at(1_000 * second + 1_007));
        }
        assert_eq!(table.standing(0, 2), Standing::Late(Some(at(5_007))));
        assert_eq!(table.standing(0, 1), Standing::Late(Some(at(3_007))));
        assert_eq!(table.standing(0, 0), Standing::Late(None));
    }

    proptest! {
        /// However places are used again, every reply of the last 64 rounds is told right.
        #[test]
        fn late_and_duplicate_are_told_apart_across_rounds(
            fates in prop::collection::vec((any::<bool>(), 0_usize..80), 1..300),
        ) {
            let mut table = Table::new(1);
            let mut now = at(0);
            let mut answered = BTreeMap::new();
            let mut rounds = Vec::new();
            for (is_answered, look_back) in fates {
                now = now + Duration::from_millis(500);
                let (slot, round) = table.take(PROBE, 0, false, now).unwrap();
                prop_assert_eq!(slot, 0);
                table.sent(slot, now);
                table.end(slot, is_answered, now);
                answered.insert(round, is_answered);
                rounds.push(round);
                let Some(&old) = rounds.iter().rev().nth(look_back) else { continue };
                let standing = table.standing(slot, old);
                let duplicate = matches!(standing, Standing::Duplicate(_));
                if look_back <= 64 {
                    prop_assert_eq!(duplicate, answered[&old], "round {} of {}", old, round);
                    prop_assert!(duplicate || matches!(standing, Standing::Late(_)));
                    answered.insert(old, true);
                } else {
                    prop_assert_eq!(standing, Standing::Late(None));
                }
            }
        }
    }
}
