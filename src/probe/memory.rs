//! What the last probes of each target looked like, for whoever asks "why?".
//!
//! The last success and the last few failures are kept apart, so that a fault of last night is
//! still there after a morning of successes. Memory is bounded: so many records for each target,
//! so many steps for each record.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use crate::model::{Outcome, TargetIx, TargetKey, Topology, Trace};

/// Failures kept for each target.
const FAILURES: usize = 3;

/// One probe with all that is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What it learned.
    pub outcome: Outcome,
    /// Whom it asked; none when the name was not resolved.
    pub address: Option<IpAddr>,
    /// What happened step by step. Echo probes take no notes: there are too many of them, and
    /// their outcome says it all.
    pub trace: Trace,
}

/// The last probes of one target.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explanation {
    /// The last that had a reply.
    pub success: Option<Record>,
    /// The last that had none, oldest first; at most three.
    pub failures: Vec<Record>,
}

/// The last probes of every target of one topology.
#[derive(Debug, Default)]
pub(super) struct Memory {
    generation: u32,
    targets: Vec<Remembered>,
}

#[derive(Debug, Default)]
struct Remembered {
    success: Option<Record>,
    failures: VecDeque<Record>,
}

impl Memory {
    /// Remembers one probe. One of a target that is gone is forgotten at once.
    pub(super) fn remember(&mut self, record: Record) {
        let request = &record.outcome.request;
        if request.generation != self.generation {
            return;
        }
        let Some(target) = self.targets.get_mut(request.target.ix()) else { return };
        if record.outcome.result.is_ok() {
            target.success = Some(record);
        } else {
            if target.failures.len() == FAILURES {
                target.failures.pop_front();
            }
            target.failures.push_back(record);
        }
    }

    /// What is remembered of a target.
    pub(super) fn explain(&self, target: TargetIx) -> Explanation {
        let Some(target) = self.targets.get(target.ix()) else { return Explanation::default() };
        Explanation {
            success: target.success.clone(),
            failures: target.failures.iter().cloned().collect(),
        }
    }

    /// Moves over to another topology; targets that stay keep what is remembered of them.
    pub(super) fn move_to(&mut self, generation: u32, topology: &Topology, from: &Topology) {
        let mut before: BTreeMap<TargetKey, Remembered> = from
            .target_ixs()
            .zip(std::mem::take(&mut self.targets))
            .map(|(ix, remembered)| (from.target_key(ix), remembered))
            .collect();
        self.generation = generation;
        self.targets = topology
            .target_ixs()
            .map(|ix| before.remove(&topology.target_key(ix)).unwrap_or_default())
            .collect();
    }
}
