//! Whether round trips are measured as they should be, over a while: by the kernel's time stamps.
//!
//! An interface or its driver may have none. Then what this machine takes to send and to wake adds
//! to every round trip, and nothing else shows it.

use std::time::Duration;

use crate::model::Mono;

/// A watch on round trips that lack a time stamp.
#[derive(Debug, Default)]
pub(super) struct Coarse {
    /// Counters when the present while began, with when that was.
    began: Option<(u64, u64, Mono)>,
    mostly: bool,
}

impl Coarse {
    /// How long a while is: stamping is switched on for the whole machine only a moment after the
    /// first socket asks for it, and that is over then.
    const WHILE: Duration = Duration::from_secs(60);

    /// Fewer round trips than this in a while say nothing.
    const LEAST: u64 = 20;

    /// Takes in how many replies were `received` so far and how many of the round trips were
    /// `coarse`. Says whether most are, when that is not as it was said last.
    pub(super) fn note(&mut self, received: u64, coarse: u64, now: Mono) -> Option<bool> {
        let &mut (received_before, coarse_before, since) =
            self.began.get_or_insert((received, coarse, now));
        if now - since < Self::WHILE {
            return None;
        }
        self.began = Some((received, coarse, now));
        let (received, coarse) = (received - received_before, coarse - coarse_before);
        let mostly = coarse * 2 > received;
        if received < Self::LEAST || mostly == self.mostly {
            return None;
        }
        self.mostly = mostly;
        Some(mostly)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_most_round_trips_are_coarse_is_said_once_and_when_it_is_over() {
        let at = |seconds: u64| Mono::from_nanos(seconds * 1_000_000_000);
        let mut coarse = Coarse::default();
        assert_eq!(coarse.note(100, 100, at(5)), None, "before the first while");
        assert_eq!(coarse.note(500, 300, at(64)), None);
        assert_eq!(coarse.note(600, 350, at(65)), None, "half of them");
        assert_eq!(coarse.note(700, 450, at(125)), Some(true));
        assert_eq!(coarse.note(800, 550, at(185)), None, "it was said");
        assert_eq!(coarse.note(819, 550, at(245)), None, "too few");
        assert_eq!(coarse.note(900, 551, at(305)), Some(false));
        assert_eq!(coarse.note(1_000, 552, at(365)), None);
    }
}
