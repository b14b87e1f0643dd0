//! What is to be sent, by the time when it is due, and how long it may wait for company.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::model::Mono;

/// Numbers of probes by the time when their next echo request is due.
#[derive(Debug, Clone, Default)]
pub(super) struct Queue {
    /// Requests whose distance to others matters.
    strict: Heap,
    /// Requests that stand alone.
    loose: Heap,
    pushed: u32,
    pace: Pace,
}

/// How long after its time a request may leave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lags {
    /// One whose distance to others matters.
    strict: Duration,
    /// One that stands alone.
    loose: Duration,
}

impl Lags {
    pub(super) const fn new(strict: Duration, loose: Duration) -> Self {
        Self { strict, loose }
    }

    /// That of a request of a train, or of one that stands alone.
    pub(super) const fn of(self, strict: bool) -> Duration {
        if strict { self.strict } else { self.loose }
    }
}

type Heap = BinaryHeap<Reverse<(Mono, u32, u32)>>;

impl Queue {
    /// The next request of `probe` is due at `due`. It is strict if it belongs to a train.
    pub(super) fn push(&mut self, due: Mono, probe: u32, strict: bool) {
        // The running number keeps requests that are due together in the order of their coming.
        self.pushed = self.pushed.wrapping_add(1);
        let heap = if strict { &mut self.strict } else { &mut self.loose };
        heap.push(Reverse((due, self.pushed, probe)));
    }

    /// Whether a request that is due at `due` may leave now and is the first of its kind to.
    pub(super) fn is_next(&self, due: Mono, strict: bool, now: Mono) -> bool {
        let (heap, pace) =
            if strict { (&self.strict, &Pace::TIGHT) } else { (&self.loose, &self.pace) };
        due <= now + pace.early() && heap.peek().is_none_or(|Reverse((first, ..))| due < *first)
    }

    /// Takes the earliest that may leave now.
    pub(super) fn pop(&mut self, now: Mono) -> Option<(Mono, u32)> {
        let first = |heap: &Heap, pace: &Pace| {
            heap.peek().copied().filter(|Reverse((due, ..))| *due <= now + pace.early())
        };
        let loose = first(&self.loose, &self.pace);
        let strict = first(&self.strict, &Pace::TIGHT);
        // `Reverse` makes the earlier one the greater.
        let heap = if strict > loose { &mut self.strict } else { &mut self.loose };
        let is_due = strict.or(loose).is_some();
        let Reverse((due, _, probe)) = is_due.then(|| heap.pop()).flatten()?;
        self.pace.count(now);
        Some((due, probe))
    }

    /// When to send again at the latest.
    pub(super) fn next_wake(&self) -> Option<Mono> {
        let Lags { strict, loose } = self.lags();
        let first = |heap: &Heap| heap.peek().map(|Reverse((due, ..))| *due);
        let strict = first(&self.strict).map(|due| due + strict);
        let loose = first(&self.loose).map(|due| due + loose);
        strict.into_iter().chain(loose).min()
    }

    /// When the next request is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        let first = |heap: &Heap| heap.peek().map(|Reverse((due, ..))| *due);
        first(&self.strict).into_iter().chain(first(&self.loose)).min()
    }

    /// How long after their time requests may leave now.
    pub(super) fn lags(&self) -> Lags {
        Lags::new(Pace::TIGHT.lag(), self.pace.lag())
    }

    /// How long replies that come thick may gather before they are read. The kernel stamps them,
    /// so nothing but their results' own time depends on it.
    pub(super) fn rest(&self) -> Duration {
        self.pace.rest()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.strict.clear();
        self.loose.clear();
    }
}

/// How far from its time a request may leave, so that several share one waking of the thread.
///
/// 1. A request leaves within a millisecond of its time.
/// 2. Waking, with caches gone cold, costs about twenty times what a packet does. When so many
///    requests leave that others are never far, a request that stands alone may leave up to twelve
///    milliseconds off, and only as far as it takes to find [`Pace::COMPANY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// The whole width of the window around the time.
    window: Duration,
    /// Requests since `since`.
    counted: u32,
    since: Mono,
}

impl Pace {
    /// The window of a request that must be punctual. With the time that waking takes it stays
    /// within a millisecond on both sides.
    const TIGHT: Self =
        Self { window: Duration::from_micros(1_800), counted: 0, since: Mono::ZERO };

    /// The widest window.
    const WIDEST: Duration = Duration::from_millis(20);

    /// Requests that should share a waking.
    const COMPANY: u32 = 128;

    /// Requests a second from which on they wait for company. Below, punctuality costs less than
    /// a twentieth of a core.
    const BUSY: u32 = 1_500;

    /// How long requests are counted.
    const PERIOD: Duration = Duration::from_millis(200);

    /// How much earlier a request may leave. This half takes in the time that waking takes.
    fn early(&self) -> Duration {
        self.window - self.lag()
    }

    /// How long after its time the thread may sleep on.
    fn lag(&self) -> Duration {
        self.window * 4 / 9
    }

    /// How long replies may wait to be read: longer than requests do, so that where both come
    /// thick one waking serves for the two.
    fn rest(&self) -> Duration {
        self.window * 5 / 4
    }

    /// One more request leaves.
    fn count(&mut self, now: Mono) {
        self.counted += 1;
        let took = now - self.since;
        if took >= Self::PERIOD {
            let spacing = took / self.counted;
            self.window = if spacing * Self::BUSY < Duration::from_secs(1) {
                (spacing * Self::COMPANY).clamp(Self::TIGHT.window, Self::WIDEST)
            } else {
                Self::TIGHT.window
            };
            (self.counted, self.since) = (0, now);
        }
    }
}

impl Default for Pace {
    fn default() -> Self {
        Self::TIGHT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn requests_leave_in_the_order_in_which_they_are_due(
            requests in prop::collection::vec((0_u64..50, any::<bool>()), 0..200),
            now in 1_u64..60,
        ) {
            let mut queue = Queue::default();
            let at = |millis: u64| Mono::from_nanos(millis * 1_000_000);
            for (probe, (due, strict)) in (0..).zip(&requests) {
                queue.push(at(*due), probe, *strict);
            }
            let mut expected: Vec<(Mono, u32)> = requests
                .iter()
                .zip(0..)
                .map(|((due, _), probe)| (at(*due), probe))
                .filter(|(due, _)| *due <= at(now) + Pace::TIGHT.early())
                .collect();
            expected.sort_unstable();
            let mut taken = Vec::new();
            while let Some(one) = queue.pop(at(now)) {
                taken.push(one);
            }
            let rest = requests.len() - taken.len();
            prop_assert_eq!(taken, expected);
            prop_assert_eq!(queue.next_wake().is_some(), rest > 0);
        }

        /// Whatever the rate, a thread that wakes when it is told keeps every promise.
        #[test]
        fn nothing_leaves_further_from_its_time_than_promised(
            rate in 1_u32..50_000,
            train in any::<bool>(),
        ) {
            let mut queue = Queue::default();
            let gap = Duration::from_secs(1) / rate;
            let start = Mono::from_nanos(5_000_000_000);
            let requests = (3 * rate).min(20_000);
            for request in 0..requests {
                queue.push(start + gap * request, request, train);
            }
            let (mut wakings, mut worst) = (0, Duration::ZERO);
            while let Some(wake) = queue.next_wake() {
                wakings += 1;
                while let Some((due, _)) = queue.pop(wake) {
                    worst = worst.max((wake - due).max(due - wake));
                }
            }
            let promised = if train || rate < Pace::BUSY - 10 { MS } else { 12 * MS };
            prop_assert!(worst <= promised, "{worst:?}");
            if !train && rate > 2_000 && requests > 2 * rate {
                prop_assert!(requests / wakings >= 16, "{wakings} for {requests}");
            }
        }
    }
}
