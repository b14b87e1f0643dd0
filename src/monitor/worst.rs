//! The worst of the last minute, for whoever looks less often than it changes: Prometheus reads
//! every few seconds what is measured every second, and must not miss the worst of them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::Mono;

/// How long the worst is shown.
const SHOWN: Duration = Duration::from_mins(1);
/// Figures closer together than this are one.
const TOGETHER: Duration = Duration::from_secs(1);

/// Figures of the last minute that nothing worse has come after, the worst first.
#[derive(Debug, Clone, Default)]
pub(super) struct Worst(VecDeque<(Mono, Duration)>);

impl Worst {
    /// Takes in a figure of this moment.
    pub(super) fn note(&mut self, at: Mono, figure: Duration) {
        self.forget(at);
        while self.0.back().is_some_and(|(_, before)| *before <= figure) {
            self.0.pop_back();
        }
        // What is not as bad and hardly lasts longer would only take room.
        if self.0.back().is_none_or(|(before, _)| at - *before >= TOGETHER) {
            self.0.push_back((at, figure));
        }
    }

    /// The worst of the last minute.
    pub(super) fn get(&mut self, now: Mono) -> Duration {
        self.forget(now);
        self.0.front().map_or(Duration::ZERO, |(_, figure)| *figure)
    }

    fn forget(&mut self, now: Mono) {
        while self.0.front().is_some_and(|(at, _)| now - *at > SHOWN) {
            self.0.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_worst_is_shown_for_a_minute_and_then_the_next_worst() {
        let mut worst = Worst::default();
        let at = |second| Mono::ZERO + Duration::from_secs(second);
        worst.note(at(10), ms(300));
        worst.note(at(20), ms(50));
        worst.note(at(30), ms(100));
        assert_eq!(worst.get(at(70)), ms(300));
        assert_eq!(worst.get(at(71)), ms(100));
        assert_eq!(worst.get(at(91)), ms(0));
    }

    proptest! {
        #[test]
        fn nothing_bad_is_missed_and_there_is_room_for_a_minute(
            figures in prop::collection::vec((0_u64..3_000, 0_u64..500), 1..300),
        ) {
            let (mut worst, mut now, mut all) = (Worst::default(), 1_000_000, Vec::new());
            for (gap, figure) in figures {
                now += gap;
                all.push((now, figure));
                worst.note(Mono::ZERO + ms(now), ms(figure));
                let within = |span: u64| {
                    let recent = all.iter().filter(|(at, _)| now - at <= span);
                    ms(recent.map(|(_, figure)| *figure).max().unwrap_or(0))
                };
                let shown = worst.get(Mono::ZERO + ms(now));
                prop_assert!(within(58_000) <= shown && shown <= within(60_000), "{shown:?}");
                prop_assert!(worst.0.len() <= 62);
            }
        }
    }
}
