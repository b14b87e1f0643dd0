//! What is to be sent, by the time when it is due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::model::Mono;

/// Numbers of probes by the time when their next echo request is due.
#[derive(Debug, Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<(Mono, u64, usize)>>,
    pushed: u64,
}

impl Queue {
    /// The next request of `probe` is due at `due`.
    pub(super) fn push(&mut self, due: Mono, probe: usize) {
        // The running number keeps requests that are due together in the order of their coming.
        self.pushed += 1;
        self.heap.push(Reverse((due, self.pushed, probe)));
    }

    /// Takes the earliest that is due by `until`.
    pub(super) fn pop(&mut self, until: Mono) -> Option<(Mono, usize)> {
        let &Reverse((due, _, probe)) = self.heap.peek()?;
        if due > until {
            return None;
        }
        self.heap.pop();
        Some((due, probe))
    }

    /// When the earliest is due.
    pub(super) fn next_due(&self) -> Option<Mono> {
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn requests_leave_in_the_order_in_which_they_are_due(
            dues in prop::collection::vec(0_u64..50, 0..200),
            until in 0_u64..60,
        ) {
            let mut queue = Queue::default();
            for (probe, due) in dues.iter().enumerate() {
                queue.push(Mono::from_nanos(*due), probe);
            }
            let mut expected: Vec<(u64, usize)> =
                dues.iter().copied().zip(0..).filter(|(due, _)| *due <= until).collect();
            expected.sort_unstable();
            let mut taken = Vec::new();
            while let Some((due, probe)) = queue.pop(Mono::from_nanos(until)) {
                taken.push((due.as_nanos(), probe));
            }
            prop_assert_eq!(taken, expected);
            let rest = dues.iter().filter(|due| **due > until).min();
            prop_assert_eq!(queue.next_due().map(Mono::as_nanos), rest.copied());
        }
    }
}
