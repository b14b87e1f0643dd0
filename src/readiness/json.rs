//! A run as JSON: the record as it is kept, with the figures and what people confirmed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Confirmation, ReadinessRun, Verdict};

/// A run as the API and `--format json` give it.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    /// The verdict on the whole.
    verdict: Verdict,
    /// Sites by verdict.
    counts: BTreeMap<&'static str, u32>,
    /// The run.
    #[serde(flatten)]
    run: &'a ReadinessRun,
    /// What people confirmed for this session.
    confirmations: Vec<&'a Confirmation>,
}

impl<'a> Document<'a> {
    /// A run with what was confirmed for its session.
    #[must_use]
    pub fn of(run: &'a ReadinessRun, confirmed: &'a [Confirmation]) -> Self {
        let words = Verdict::ALL.map(Verdict::word);
        Self {
            verdict: run.verdict(),
            counts: words.into_iter().zip(run.counts()).collect(),
            confirmations: confirmed.iter().filter(|it| it.session == run.session).collect(),
            run,
        }
    }
}
